/* broker_conf.h - writes what a broker reads, for broker.c. */
#ifndef SUPPORT_BROKER_CONF_H
#define SUPPORT_BROKER_CONF_H

#include "support/broker.h"
#include "support/tmp.h"

struct broker_files {
    char stem[TMP_PATH_MAX - 16]; /* <dir>/<name>; what follows is stem plus an ending */
    char conf[TMP_PATH_MAX];
    char log[TMP_PATH_MAX];
    char printed[TMP_PATH_MAX];   /* standard output and error */
    char sanitizer[TMP_PATH_MAX]; /* reports are this plus ".<pid>" */
};

void broker_files_name(struct broker_files *f, const struct broker_options *o);

/* The plugin that is tested: the one that was built with the test, or $PROV_PLUGIN. */
const char *broker_plugin(void);

/* 0 where there is no such listener. */
struct broker_ports {
    uint16_t tls, plain, ws[BROKER_WS_MAX];
};

/* Certificates, password file and configuration. Fails the test when it cannot. */
void broker_conf_write(const struct broker_files *f, const struct broker_options *o,
                       const struct broker_ports *ports);

/* LSAN_OPTIONS for a broker with or without websockets listeners, in out. */
void broker_conf_leaks(const struct broker_files *f, bool ws, char *out, size_t cap);

#endif
