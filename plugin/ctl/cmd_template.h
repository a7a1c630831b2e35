/* cmd_template.h - `template eval`, which has a file of its own. */
#ifndef CTL_CMD_TEMPLATE_H
#define CTL_CMD_TEMPLATE_H

#include "ctl.h"

enum prov_rc ctl_template_eval(struct ctl *ctl);

#endif
