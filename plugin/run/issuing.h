/*
 * issuing.h - the issuer that the configuration names, loaded when it is first needed.
 *
 * One that is not there yet is looked for again with each use, so that `provctl issuer create`
 * takes effect at once; one that was loaded stays until the end.
 *
 * Private keys, the issuer's and those that are made for devices, must not reach a core dump: they
 * pass through buffers of the broker and of OpenSSL, so once an issuer was loaded the process as a
 * whole leaves none.
 */
#ifndef PROV_ISSUING_H
#define PROV_ISSUING_H

#include "core/issue.h"

struct prov_issuing_conf {
    const char *dir;  /* the store's: where PROV_ISSUER_CERT and _KEY are looked for… */
    const char *cert; /* …unless these two say otherwise (signer.h); NULL: both or neither */
    const char *key;
    int64_t validity_days;
    enum prov_key_type key_type;
};

/* conf is copied. Nothing is read yet. PROV_ENOMEM. The members of *out are not to be changed. */
PROV_MUST_USE enum prov_rc prov_issuing_new(const struct prov_issuing_conf *conf,
                                            struct prov_issuing **out);
/* Nobody may use it, or an issuer that it gave, any more. NULL is accepted. */
void prov_issuing_free(struct prov_issuing *issuing);

#endif
