/*
 * remote.h - the control API through a broker: MQTT over TLS (or plain TCP on the same machine),
 * one request at a time, its answer matched by correlationData.
 */
#ifndef CTL_REMOTE_H
#define CTL_REMOTE_H

#include "ctl.h"

struct ctl_remote;

struct ctl_remote_conf {
    const char *url;        /* mqtts://host[:port] (8883), mqtt://host[:port] (1883) */
    const char *cafile;     /* NULL: the system's authorities */
    const char *cert, *key; /* of the operator; NULL: none */
    const char *username;   /* NULL: none */
    const char *password;   /* NULL: none; from a file or the environment, never an option */
    unsigned timeout_s;     /* for the connection, and for each answer */
};

/*
 * Connects. The server's name is always verified. PROV_EBUSY: cannot be reached (exit code 6), with
 * the reason and the cure in err; PROV_EDENIED: the broker refuses this user or certificate;
 * PROV_EINVAL: a URL or file that cannot be right.
 */
PROV_MUST_USE enum prov_rc ctl_remote_open(const struct ctl_remote_conf *conf,
                                           struct ctl_remote **out, struct prov_err *err);
/*
 * One command. Takes nothing; the caller owns *data. PROV_EDENIED: the broker's ACL does not let
 * this user publish to $CONTROL/provisioning/v1, which MQTT 5 tells. PROV_EBUSY: no answer in time.
 */
PROV_MUST_USE enum prov_rc ctl_remote_call(struct ctl_remote *remote, const char *op,
                                           const cJSON *params, cJSON **data, struct prov_err *err);
void ctl_remote_close(struct ctl_remote *remote); /* NULL is accepted */

#endif
