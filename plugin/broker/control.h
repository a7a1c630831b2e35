/*
 * control.h - the control API on $CONTROL/provisioning/v1 (core/api.h): requests become jobs, and
 * answers go to the asking session on …/response. Who may publish there is the broker's ACL
 * decision; devices, whose ACL is this plugin, never may. Thread: broker.
 */
#ifndef PROV_CONTROL_H
#define PROV_CONTROL_H

#include "plugin.h"

#define PROV_CONTROL_TOPIC "$CONTROL/provisioning/v1"
#define PROV_CONTROL_ANSWERS PROV_CONTROL_TOPIC "/response"

int prov_on_control(int event, void *data, void *userdata);

#endif
