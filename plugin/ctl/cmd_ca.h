/* cmd_ca.h - `ca crl`, which has a file of its own. */
#ifndef CTL_CMD_CA_H
#define CTL_CMD_CA_H

#include "call.h"

enum prov_rc ctl_ca_crl(struct ctl *ctl);

#endif
