/*
 * init_mosquitto.h - what `provctl init` has to know of the broker's configuration: as much as
 * decides whether the plugin will work in it. Lines that say nothing about that are passed over.
 */
#ifndef CTL_INIT_MOSQUITTO_H
#define CTL_INIT_MOSQUITTO_H

#include "core/base.h"

#define INIT_PATH 4096
#define INIT_PORTS 64

struct init_mosquitto {
    bool there;    /* the main file */
    bool includes; /* it reads conf_dir */
    bool per_listener_settings, identity_as_username;
    bool acl_file, other_clients; /* there are listeners or passwords for clients that are none of
                                     the plugin's */
    unsigned ports[INIT_PORTS];
    size_t n_ports;

    /* the file that loads the plugin; empty: none does */
    char plugin_file[INIT_PATH];
    char db[INIT_PATH], issuer_cert[INIT_PATH], issuer_key[INIT_PATH];
    /* the listener with require_certificate, that file's if it has one; 0: none */
    unsigned port;
    char certfile[INIT_PATH], keyfile[INIT_PATH];
};

/*
 * Reads main_conf and what it includes; conf too, if it does not. A file that cannot be read counts
 * as empty, but for out->there.
 */
void init_mosquitto_read(const char *main_conf, const char *conf_dir, const char *conf,
                         struct init_mosquitto *out);

#endif
