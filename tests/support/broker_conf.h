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

/* Certificates, password file and configuration; ports are 0 where there is no such listener. Fails
 * the test when it cannot. */
void broker_conf_write(const struct broker_files *f, const struct broker_options *o,
                       uint16_t tls_port, uint16_t plain_port);

#endif
