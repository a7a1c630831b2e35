/* remote_why.h - why a broker could not be reached: the MQTT library says only that it failed. */
#ifndef CTL_REMOTE_WHY_H
#define CTL_REMOTE_WHY_H

#include "remote.h"
#include "remote_tls.h"

/*
 * rc: what MQTTClient_connect returned, not MQTTCLIENT_SUCCESS. watch has been stopped. Tries
 * to reach the port once more when nothing else tells. Never PROV_OK.
 */
PROV_MUST_USE enum prov_rc ctl_remote_why(int rc, const struct ctl_remote_conf *conf,
                                          const struct ctl_address *to,
                                          const struct ctl_tls_watch *watch, struct prov_err *err);

#endif
