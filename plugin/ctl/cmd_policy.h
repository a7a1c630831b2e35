/* cmd_policy.h - `policy test`, which has a file of its own. */
#ifndef CTL_CMD_POLICY_H
#define CTL_CMD_POLICY_H

#include "ctl.h"

enum prov_rc ctl_policy_test(struct ctl *ctl);

#endif
