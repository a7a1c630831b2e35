#include "nouns.h"

const struct ctl_noun *const ctl_nouns[] = {
    &ctl_noun_init,          &ctl_noun_ca,     &ctl_noun_cert,     &ctl_noun_issuer,
    &ctl_noun_claim,         &ctl_noun_thing,  &ctl_noun_group,    &ctl_noun_type,
    &ctl_noun_billing_group, &ctl_noun_policy, &ctl_noun_template, &ctl_noun_explain,
    &ctl_noun_status,        &ctl_noun_check,  &ctl_noun_backup,   &ctl_noun_complete,
};
const size_t ctl_n_nouns = PROV_COUNT(ctl_nouns);
