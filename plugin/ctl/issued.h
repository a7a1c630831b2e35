/*
 * issued.h - what an operation that issues certificates answered: a certificate, and a private key
 * when one was made; in files, or on stdout.
 */
#ifndef CTL_ISSUED_H
#define CTL_ISSUED_H

#include "call.h"

/* Before the operation: can --out be written to? */
PROV_MUST_USE enum prov_rc ctl_issued_check(struct ctl *ctl);

/*
 * With --out writes PREFIX-ID.crt and .key, and ends the transaction: what is not in the
 * files is not in the registry. The answer then names certificateFile and privateKeyFile in the
 * place of what is in them. Without --out there is nothing to do.
 */
PROV_MUST_USE enum prov_rc ctl_issued_keep(struct ctl *ctl, const char *prefix, cJSON *data);

/* The names of the files; or certificate and key themselves, below what was said. */
void ctl_issued_say_files(struct ctl *ctl, const cJSON *data);
void ctl_issued_say_pem(struct ctl *ctl, const cJSON *data);

/* For the option tables of verbs that issue. */
#define CTL_OUT_OPTION                                                                             \
    {                                                                                              \
        OPT_OUT, "DIR", "write files of their own there instead of showing them", NULL, false      \
    }

#endif
