/* nouns.h - the nouns, each from the file of its name. */
#ifndef CTL_NOUNS_H
#define CTL_NOUNS_H

#include "args.h"

extern const struct ctl_noun ctl_noun_init;
extern const struct ctl_noun ctl_noun_ca;
extern const struct ctl_noun ctl_noun_cert;
extern const struct ctl_noun ctl_noun_issuer;
extern const struct ctl_noun ctl_noun_claim;
extern const struct ctl_noun ctl_noun_thing;
extern const struct ctl_noun ctl_noun_group;
extern const struct ctl_noun ctl_noun_type;
extern const struct ctl_noun ctl_noun_billing_group;
extern const struct ctl_noun ctl_noun_policy;
extern const struct ctl_noun ctl_noun_template;
extern const struct ctl_noun ctl_noun_explain;
extern const struct ctl_noun ctl_noun_status;
extern const struct ctl_noun ctl_noun_check;
extern const struct ctl_noun ctl_noun_backup;
extern const struct ctl_noun ctl_noun_complete;

#endif
