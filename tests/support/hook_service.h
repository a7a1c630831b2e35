/*
 * hook_service.h - a CA, an HTTPS service on loopback that it vouches for, and hooks that trust it.
 * The service says HOOK_YES until it is told otherwise.
 */
#ifndef SUPPORT_HOOK_SERVICE_H
#define SUPPORT_HOOK_SERVICE_H

#include "support/hook_rig.h"
#include "support/https_server.h"

#define HOOK_YES "{\"allowProvisioning\":true}"

struct hook_service {
    char *dir;                    /* has ca.crt, ca.key */
    char cafile[TMP_PATH_MAX];    /* its ca.crt */
    struct pki_cert ca, identity; /* for 127.0.0.1 and localhost */
    struct https_server *server;
    struct hook_rig *rig;
    char url[HOOK_SPEC_MAX]; /* by address */
};

/* 0: a timeout no test reaches. */
void hook_service_start(struct hook_service *s, unsigned timeout_ms);
void hook_service_stop(struct hook_service *s);
/* The same for cmocka, with no timeout; *state is the service. */
int hook_service_setup(void **state);
int hook_service_teardown(void **state);

#endif
