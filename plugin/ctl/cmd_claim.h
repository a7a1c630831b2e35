/* cmd_claim.h - the parts of `claim` that have files of their own, with their options. */
#ifndef CTL_CMD_CLAIM_H
#define CTL_CMD_CLAIM_H

#include "call.h"

enum prov_rc ctl_claim_create(struct ctl *ctl);
extern const struct ctl_option ctl_claim_create_options[];

enum prov_rc ctl_claim_limit(struct ctl *ctl);
extern const struct ctl_option ctl_claim_limit_options[];

enum prov_rc ctl_claim_allow(struct ctl *ctl);
enum prov_rc ctl_claim_disallow(struct ctl *ctl);
enum prov_rc ctl_claim_unlist(struct ctl *ctl);
enum prov_rc ctl_claim_values(struct ctl *ctl);
extern const struct ctl_option ctl_claim_allow_options[], ctl_claim_values_options[];

/* What limits a claim has, in words: for `show`, and after a change. */
enum prov_rc ctl_claim_say(struct ctl *ctl, const cJSON *data);

#endif
