/* remote_url.h - where a broker is: "mqtts://host[:port]", "mqtt://localhost[:port]". */
#ifndef CTL_REMOTE_URL_H
#define CTL_REMOTE_URL_H

#include "core/base.h"

struct ctl_address {
    bool tls;
    char host[256]; /* a name or an address, without brackets */
    char port[6];
    char uri[300]; /* as the MQTT library wants it */
};

/*
 * PROV_EINVAL says what would be right. mqtt:// is for this machine only: a control request, its
 * password included, would be anybody's who sees the wire.
 */
PROV_MUST_USE enum prov_rc ctl_address_parse(const char *url, struct ctl_address *out,
                                             struct prov_err *err);

#endif
