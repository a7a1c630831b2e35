/* connect.h - which registry a command works on: a store, or that of a broker. */
#ifndef CTL_CONNECT_H
#define CTL_CONNECT_H

#include "ctl.h"

/* The store when nobody says. */
#define CTL_DEFAULT_DB "/var/lib/mosquitto/provisioning"

/*
 * Sets ctl->url or ctl->db, by the command line and then by the environment, and checks that what
 * was given goes together. A command that works on the store alone is refused for a broker. Errors
 * are those of the command line.
 */
PROV_MUST_USE enum prov_rc ctl_choose(struct ctl *ctl);

/* Connects to the broker of ctl->url. */
PROV_MUST_USE enum prov_rc ctl_connect(struct ctl *ctl);

#endif
