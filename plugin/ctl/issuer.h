/*
 * issuer.h - who signs the certificates that verbs on the store issue: the issuer in the store's
 * directory, or the one that --issuer-cert and --issuer-key name.
 */
#ifndef CTL_ISSUER_H
#define CTL_ISSUER_H

#include "ctl.h"
#include "run/issuing.h"

/* Nothing is read yet. The same each time; ctl owns it. Errors are those of the command line, or
 * PROV_ENOMEM. */
PROV_MUST_USE enum prov_rc ctl_issuing(struct ctl *ctl, const struct prov_issuing **out);

/* For the option tables of verbs that issue. */
#define CTL_ISSUER_OPTIONS                                                                         \
    { OPT_ISSUER_CERT, "FILE", "the issuer's certificate; on the store only", NULL, false },       \
    {                                                                                              \
        OPT_ISSUER_KEY, "FILE", "its key, or a pkcs11: URI; on the store only", NULL, false        \
    }

/* What an issuer that is made here is called when nobody says: by the registry's account and
 * region, in the transaction. How long it is good for. */
PROV_MUST_USE enum prov_rc ctl_issuer_name(struct ctl *ctl, struct prov_buf *out);
#define CTL_ISSUER_DAYS 7300

/* For --key-type. */
extern const char *const ctl_key_types[];

#endif
