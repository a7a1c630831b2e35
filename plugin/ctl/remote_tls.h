/*
 * remote_tls.h - what was wrong with a server's certificate. The MQTT library verifies it and says
 * only that it failed; this looks on as OpenSSL does the work.
 *
 * Thread: main; one watch at a time, and it lives until it is stopped.
 */
#ifndef CTL_REMOTE_TLS_H
#define CTL_REMOTE_TLS_H

#include <openssl/types.h>

#include "remote_url.h"

struct ctl_tls_watch {
    int index; /* -1: not watching */
    int error; /* the first X509_V_ERR_…; X509_V_OK: the chain was found good, or none was sent */
    X509 *leaf;            /* NULL: no certificate was looked at */
    unsigned long failure; /* what OpenSSL failed with, as its error queue has it; 0: unknown */
};

void ctl_tls_watch_start(struct ctl_tls_watch *watch);
/* For the library's ssl_error_cb, u being the watch: a line of OpenSSL's error queue, which the
 * library empties. */
int ctl_tls_watch_error(const char *line, size_t n, void *u);
void ctl_tls_watch_stop(struct ctl_tls_watch *watch);
void ctl_tls_watch_release(struct ctl_tls_watch *watch);

/* PROV_OK: the server's certificate was not what failed. cafile: NULL: the system's authorities. */
PROV_MUST_USE enum prov_rc ctl_tls_explain(const struct ctl_tls_watch *watch,
                                           const struct ctl_address *to, const char *cafile,
                                           struct prov_err *err);

#endif
