/* cmd_cert.h - `cert create`, which has a file of its own. */
#ifndef CTL_CMD_CERT_H
#define CTL_CMD_CERT_H

#include "ctl.h"

enum prov_rc ctl_cert_create(struct ctl *ctl);
extern const struct ctl_option ctl_cert_create_options[];

#endif
