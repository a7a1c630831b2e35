#include "support/broker_conf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>

#include <cmocka.h>

#include "support/child.h"

void broker_files_name(struct broker_files *f, const struct broker_options *o)
{
    (void)snprintf(f->stem, sizeof f->stem, "%s/%s", o->dir, o->name == NULL ? "broker" : o->name);
    (void)snprintf(f->conf, sizeof f->conf, "%s.conf", f->stem);
    (void)snprintf(f->log, sizeof f->log, "%s.log", f->stem);
    (void)snprintf(f->printed, sizeof f->printed, "%s.out", f->stem);
    (void)snprintf(f->sanitizer, sizeof f->sanitizer, "%s.san", f->stem);
}

static FILE *open_new(const char *stem, const char *ending)
{
    char path[TMP_PATH_MAX];
    FILE *f;

    (void)snprintf(path, sizeof path, "%s%s", stem, ending);
    f = fopen(path, "we");
    if (f == NULL)
        fail_msg("cannot write %s: %s", path, strerror(errno));
    return f;
}

static void close_written(FILE *f)
{
    if (fclose(f) != 0)
        fail_msg("cannot write a file of the broker: %s", strerror(errno));
}

static void write_cafile(const char *stem, const X509 *const *certs)
{
    FILE *f = open_new(stem, ".ca");

    for (; *certs != NULL; certs++) {
        char *pem = pki_pem(*certs);

        (void)fputs(pem, f);
        free(pem);
    }
    close_written(f);
}

static void write_users(const char *stem, const char *const *users)
{
    char path[TMP_PATH_MAX];
    FILE *f = open_new(stem, ".users");
    struct run_result r;

    for (; users[0] != NULL; users += 2)
        (void)fprintf(f, "%s:%s\n", users[0], users[1]);
    close_written(f);
    (void)snprintf(path, sizeof path, "%s.users", stem);
    (void)chmod(path, 0600); /* Mosquitto 2.1 insists */
    if (!run_program((const char *const[]){ PROV_MOSQUITTO_PASSWD_PATH, "-U", path, NULL }, NULL,
                     &r) ||
        r.status != 0)
        fail_msg("mosquitto_passwd failed: %s", r.err);
    run_release(&r);
}

static void put_lines(FILE *f, const char *lines)
{
    if (lines != NULL)
        (void)fprintf(f, "%s\n", lines);
}

static void put_general(FILE *f, const struct broker_files *files, const struct broker_options *o)
{
    if (o->user != NULL ||
        geteuid() == 0) /* otherwise it becomes mosquitto, who may not write here */
        (void)fprintf(f, "user %s\n", o->user != NULL ? o->user : "root");
    (void)fprintf(f, "log_dest file %s\nlog_type all\nset_tcp_nodelay true\n", files->log);
    (void)fprintf(f, "allow_anonymous %s\n", o->allow_anonymous ? "true" : "false");
    (void)fprintf(f, "persistence %s\n", o->persistence ? "true" : "false");
    if (o->persistence)
        (void)fprintf(f, "persistence_location %s.d/\n", files->stem);
    if (o->users != NULL)
        (void)fprintf(f, "password_file %s.users\n", files->stem);
    if (o->plugin)
        (void)fprintf(f, "plugin %s\n", PROV_PLUGIN_PATH);
    for (const struct broker_opt *opt = o->opts; opt != NULL && opt->key != NULL; opt++)
        (void)fprintf(f, "plugin_opt_%s %s\n", opt->key, opt->value);
    put_lines(f, o->lines);
}

static void put_tls_listener(FILE *f, const char *stem, const struct broker_options *o,
                             uint16_t port)
{
    (void)fprintf(f, "listener %u 127.0.0.1\n", (unsigned)port);
    (void)fprintf(f, "certfile %s.crt\nkeyfile %s.key\n", stem, stem);
    (void)fprintf(f, "require_certificate %s\n", o->certificate_optional ? "false" : "true");
    if (o->cafile != NULL)
        (void)fprintf(f, "cafile %s.ca\n", stem);
    put_lines(f, o->tls_lines);
}

void broker_conf_write(const struct broker_files *files, const struct broker_options *o,
                       uint16_t tls_port, uint16_t plain_port)
{
    char kept[TMP_PATH_MAX];
    FILE *f;

    if (o->server != NULL)
        pki_write(o->dir, o->name == NULL ? "broker" : o->name, o->server, o->server_chain);
    if (o->cafile != NULL)
        write_cafile(files->stem, o->cafile);
    if (o->users != NULL)
        write_users(files->stem, o->users);
    (void)snprintf(kept, sizeof kept, "%s.d", files->stem);
    if (o->persistence && mkdir(kept, 0700) != 0 && errno != EEXIST)
        fail_msg("cannot make %s: %s", kept, strerror(errno));

    f = open_new(files->stem, ".conf");
    put_general(f, files, o);
    if (o->server != NULL)
        put_tls_listener(f, files->stem, o, tls_port);
    if (o->plain) {
        (void)fprintf(f, "listener %u 127.0.0.1\n", (unsigned)plain_port);
        put_lines(f, o->plain_lines);
    }
    close_written(f);
}
