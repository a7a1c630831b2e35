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

const char *broker_plugin(void)
{
    const char *other = getenv("PROV_PLUGIN");

    return other != NULL && other[0] != '\0' ? other : PROV_PLUGIN_PATH;
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
        (void)fprintf(f, "plugin %s\n", broker_plugin());
    for (const struct broker_opt *opt = o->opts; opt != NULL && opt->key != NULL; opt++)
        (void)fprintf(f, "plugin_opt_%s %s\n", opt->key, opt->value);
    put_lines(f, o->lines);
}

static void put_tls(FILE *f, const char *stem, const struct broker_options *o,
                    bool require_certificate)
{
    (void)fprintf(f, "certfile %s.crt\nkeyfile %s.key\n", stem, stem);
    (void)fprintf(f, "require_certificate %s\n", require_certificate ? "true" : "false");
    if (o->cafile != NULL)
        (void)fprintf(f, "cafile %s.ca\n", stem);
}

static void put_tls_listener(FILE *f, const char *stem, const struct broker_options *o,
                             uint16_t port)
{
    (void)fprintf(f, "listener %u 127.0.0.1\n", (unsigned)port);
    put_tls(f, stem, o, !o->certificate_optional);
    put_lines(f, o->tls_lines);
}

/* Without the socket domain, Mosquitto 2.0 would listen on every address of the machine. */
static void put_ws_listener(FILE *f, const char *stem, const struct broker_options *o,
                            enum broker_ws kind, uint16_t port)
{
    (void)fprintf(f, "listener %u 127.0.0.1\nsocket_domain ipv4\nprotocol websockets\n",
                  (unsigned)port);
    if (kind != BROKER_WS)
        put_tls(f, stem, o, kind == BROKER_WSS_CERT);
    put_lines(f, o->ws_lines);
}

void broker_conf_write(const struct broker_files *files, const struct broker_options *o,
                       const struct broker_ports *ports)
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
        put_tls_listener(f, files->stem, o, ports->tls);
    if (o->plain) {
        (void)fprintf(f, "listener %u 127.0.0.1\n", (unsigned)ports->plain);
        put_lines(f, o->plain_lines);
    }
    for (size_t i = 0; i < BROKER_WS_MAX && o->ws[i] != BROKER_WS_NONE; i++)
        put_ws_listener(f, files->stem, o, o->ws[i], ports->ws[i]);
    close_written(f);
}

/*
 * 2.0 does not clean up its websockets listeners: their TLS contexts, and what they point to, are
 * left at its end. What the plugin allocated itself is still told.
 */
void broker_conf_leaks(const struct broker_files *files, bool ws, char *out, size_t cap)
{
    static const char known[] = "leak:mosquitto__calloc\nleak:libcrypto.so\nleak:libssl.so\n";
    const char *own = getenv("LSAN_OPTIONS");
    FILE *f;

    (void)snprintf(out, cap, "%s", own == NULL ? "" : own);
    if (!ws || broker_version() >= BROKER_VERSION(2, 1, 0))
        return;
    f = open_new(files->stem, ".known");
    (void)fputs(known, f);
    close_written(f);
    (void)snprintf(out, cap, "suppressions=%s.known:print_suppressions=0", files->stem);
}
