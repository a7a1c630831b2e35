/* What is there, whether it can be done, and what will not work. */
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/x509.h>

#include "core/ident.h"

static bool is_there(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

/* ---- what is there --------------------------------------------------------------------------- */

static enum prov_rc look_at_store(struct init *in)
{
    struct ctl_params none = ctl_params();
    struct ctl *ctl = in->ctl;
    cJSON *data = NULL;
    enum prov_rc rc;

    in->found.store = ctl_is_store(in->places.db);
    if (!in->found.store) {
        ctl_params_drop(&none);
        return PROV_OK;
    }
    rc = ctl_open(ctl, PROV_TXN_READ);
    if (rc == PROV_OK)
        rc = prov_settings_get(&ctl->tx, &in->found.settings);
    if (rc == PROV_OK)
        rc = ctl_call(ctl, "listProvisioningTemplates", &none, &data);
    else
        ctl_params_drop(&none);
    in->found.templates = cJSON_GetArraySize(ctl_get_array(data, "templates")) != 0;
    cJSON_Delete(data);
    ctl_close(ctl);
    return rc;
}

enum prov_rc init_look(struct init *in)
{
    const struct init_places *p = &in->places;
    struct init_found *found = &in->found;

    found->issuer = is_there(p->issuer_cert) && is_there(p->issuer_key);
    found->server = is_there(p->server_cert) && is_there(p->server_key);
    found->server_ca = is_there(p->server_ca);
    init_mosquitto_read(p->main_conf, p->conf_dir, p->conf, &found->mosquitto);
    found->conf = found->mosquitto.plugin_file[0] != '\0';
    found->server_lost = found->conf && !is_there(p->server_cert) &&
                         strcmp(found->mosquitto.certfile, p->server_cert) == 0;
    if (found->mosquitto.issuer_cert[0] != '\0')
        found->issuer = true;
    return look_at_store(in);
}

bool init_wants_conf(const struct init *in)
{
    return !in->found.conf;
}

bool init_wants_server(const struct init *in)
{
    return init_wants_conf(in) || in->found.server_lost;
}

bool init_makes_server(const struct init *in)
{
    return init_wants_server(in) && !in->found.server && !in->plan.own_server;
}

/* ---- can it be done -------------------------------------------------------------------------- */

static bool may(const char *dir, int what)
{
    return faccessat(AT_FDCWD, dir, what, AT_EACCESS) == 0;
}

/* The directory itself, or the nearest above it that is there. */
static bool is_writable(const char *path)
{
    char at[INIT_PATH];
    char *slash;

    (void)snprintf(at, sizeof at, "%s", path);
    while (!is_there(at)) {
        slash = strrchr(at, '/');
        if (slash == NULL || slash == at)
            return may("/", W_OK | X_OK);
        *slash = '\0';
    }
    return may(at, W_OK | X_OK);
}

static enum prov_rc check_writable(struct init *in, const char *dir)
{
    if (is_writable(dir))
        return PROV_OK;
    if (geteuid() != 0)
        ctl_hint(in->ctl, "`sudo provctl init` may write there, and gives the broker's user what "
                          "is the broker's;");
    ctl_hint(in->ctl, "--etc DIR and --db DIR name other places, --dry-run only shows what would "
                      "be made.");
    return prov_fail(&in->ctl->err, PROV_EDENIED, "UnauthorizedException",
                     "%.200s cannot be written", dir);
}

static enum prov_rc check_conf(struct init *in)
{
    const struct init_mosquitto *m = &in->found.mosquitto;
    char *real;
    bool same;

    if (!in->found.conf) {
        if (!is_there(in->places.conf))
            return PROV_OK;
        ctl_hint(in->ctl, "Move it away, and it is written anew.");
        return prov_fail(&in->ctl->err, PROV_ECONFLICT, "ResourceAlreadyExistsException",
                         "%.200s is there, and does not load the plugin", in->places.conf);
    }
    if (m->db[0] == '\0' || strcmp(m->db, in->places.db) == 0)
        return PROV_OK;
    real = realpath(m->db, NULL);
    same = real != NULL && strcmp(real, in->places.db) == 0;
    free(real);
    if (same)
        return PROV_OK;
    ctl_hint(in->ctl, "`provctl --db %s init` is about that one.", m->db);
    return prov_fail(&in->ctl->err, PROV_ECONFLICT, "ResourceAlreadyExistsException",
                     "%.140s lets the broker use another store, %.140s", m->plugin_file, m->db);
}

enum prov_rc init_check(struct init *in)
{
    enum prov_rc rc = check_conf(in);

    if (rc != PROV_OK)
        return rc;
    if (!in->found.conf && access(in->places.plugin, R_OK) != 0) {
        ctl_hint(in->ctl, "Install it first (`cmake --install`, or the package), or say where it "
                          "is: --plugin FILE.");
        return prov_fail(&in->ctl->err, PROV_ENOTFOUND, "ResourceNotFoundException",
                         "the plugin is not there: %.200s", in->places.plugin);
    }
    /* what cannot be read would seem not to be there */
    if (in->dry_run && is_there(in->places.db) && !may(in->places.db, R_OK | X_OK))
        return check_writable(in, in->places.db);
    if (in->dry_run)
        return PROV_OK;
    rc = check_writable(in, in->places.db);
    if (rc == PROV_OK && init_wants_conf(in))
        rc = check_writable(in, in->places.conf_dir);
    if (rc == PROV_OK && init_wants_server(in))
        rc = check_writable(in, in->places.dir);
    return rc;
}

/* ---- what will not work ---------------------------------------------------------------------- */

void init_warn(struct init *in, const char *fmt, ...)
{
    char text[768];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    for (char *c = text; *c != '\0'; c++) {
        if (*c == '\n')
            *c = ' '; /* a line is a warning */
    }
    prov_buf_addf(&in->warnings, "%s\n", text);
}

static void warn_of_mosquitto(struct init *in)
{
    const struct init_mosquitto *m = &in->found.mosquitto;
    const struct init_places *p = &in->places;

    if (!m->there)
        init_warn(in, "There is no %s: start the broker with `mosquitto -c %s`.", p->main_conf,
                  p->conf);
    else if (!m->includes)
        init_warn(in, "%s does not read %s: add a line \"include_dir %s\".", p->main_conf, p->conf,
                  p->conf_dir);
    if (in->found.conf && m->port == 0)
        init_warn(in,
                  "%s loads the plugin, but no listener has require_certificate true: devices "
                  "cannot connect.",
                  m->plugin_file);
    if (m->per_listener_settings)
        init_warn(in, "per_listener_settings is true: Mosquitto 2.0 then gives plugins no time of "
                      "their own. Remove it.");
    if (m->identity_as_username)
        init_warn(in, "use_identity_as_username or use_subject_as_username is true: Mosquitto then "
                      "never asks the plugin, and such clients get no rights. Remove it from "
                      "listeners for devices.");
    if (init_wants_conf(in) && m->there && m->n_ports == 0)
        init_warn(in, "So far programs on this machine could connect to port 1883 without a "
                      "password, because no listener was configured. That ends: give them a "
                      "listener of their own, if there are such programs.");
    if (init_wants_conf(in) && m->other_clients && !m->acl_file && !in->plan.others_allowed)
        init_warn(in, "The broker has other clients and no acl_file: with a plugin loaded, "
                      "Mosquitto 2.0 denies them every topic. Write an acl_file, or use "
                      "--other-clients allow.");
}

static bool is_taken(unsigned port)
{
    const struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    bool taken = false;

    if (fd < 0)
        return false;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0)
        taken = bind(fd, (const struct sockaddr *)&any, sizeof any) != 0 && errno == EADDRINUSE;
    (void)close(fd);
    return taken;
}

/* As far as owner and mode tell. */
static void warn_of_secret(struct init *in, const char *path)
{
    const struct ctl_owner *who = &in->places.owner;
    struct stat st;

    if (!in->places.owned || path[0] != '/' || stat(path, &st) != 0 || st.st_uid == who->uid ||
        (st.st_gid == who->gid && (st.st_mode & S_IRGRP) != 0) || (st.st_mode & S_IROTH) != 0)
        return;
    init_warn(in,
              "%s is not the broker's to read, who is user %s: `chown %s %s`, or a copy for it.",
              path, in->places.user, in->places.user, path);
}

static void warn_of_owner(struct init *in)
{
    struct stat st;

    if (geteuid() == 0 && !in->places.owned)
        init_warn(in, "There is no user %s, as whom the broker would run: what is made is root's.",
                  in->places.user);
    if (in->places.owned && stat(in->places.db, &st) == 0 && st.st_uid != in->places.owner.uid)
        init_warn(in, "The store is not the broker's to write, who is user %s: `chown -R %s: %s`.",
                  in->places.user, in->places.user, in->places.db);
}

/* The server's certificate that is in use, or will be. */
static const char *server_cert(const struct init *in)
{
    if (in->found.conf)
        return in->found.mosquitto.certfile;
    return in->plan.own_server ? in->plan.server_cert : in->places.server_cert;
}

/* The first name that it has; an address if it has none. */
static void take_host(struct init *in, X509 *cert)
{
    static const enum prov_alt_kind kinds[] = { PROV_ALT_DNS, PROV_ALT_IP };
    struct prov_ident *ident = NULL;

    if (prov_ident_new(cert, &ident, &in->ctl->err) != PROV_OK)
        return;
    for (size_t i = 0; i < PROV_COUNT(kinds) && in->host[0] == '\0'; i++) {
        const struct prov_values *names = &ident->alt[PROV_SUBJECT][kinds[i]];

        if (names->n != 0 && !prov_span_copy(names->v[0], in->host, sizeof in->host))
            in->host[0] = '\0';
    }
    prov_ident_free(ident);
}

static void warn_of_end(struct init *in, X509 *cert, const char *file)
{
    const int64_t now_s = in->ctl->tx.now_ms / 1000;
    int64_t from_s, to_s;

    if (!prov_cert_validity(cert, &from_s, &to_s) || to_s - now_s >= INIT_SOON_S)
        return;
    init_warn(
        in, "The broker's own certificate, %s, ends soon or has ended.%s", file,
        strcmp(file, in->places.server_cert) == 0
            ? " Move it and its key away and run this again: a new one of the same CA is made."
            : "");
}

static void weigh_server(struct init *in)
{
    const char *file = server_cert(in);
    X509 *cert = NULL;

    if (init_makes_server(in))
        (void)prov_span_copy(prov_span(in->plan.server_names, strcspn(in->plan.server_names, ",")),
                             in->host, sizeof in->host);
    if (init_makes_server(in) || file[0] == '\0')
        return;
    if (init_load_cert(in, file, &cert) == PROV_OK) {
        take_host(in, cert);
        warn_of_end(in, cert, file);
    } else {
        init_warn(in, "The broker's own certificate: %s", in->ctl->err.text);
    }
    memset(&in->ctl->err, 0, sizeof in->ctl->err);
    X509_free(cert);
}

/* ---- both ------------------------------------------------------------------------------------ */

static enum prov_rc weigh_ca(struct init *in)
{
    struct prov_buf der = { 0 };
    char hex[PROV_ID_HEX + 1];
    struct prov_id id;
    enum prov_rc rc;

    if (in->plan.factory_ca[0] == '\0')
        return PROV_OK;
    rc = ctl_read_cert(in->ctl, in->plan.factory_ca, &der);
    if (rc == PROV_OK)
        rc = prov_ident_id_of_der(prov_buf_span(&der), &id);
    prov_buf_release(&der);
    in->ctl->file = NULL;
    if (rc != PROV_OK)
        return rc;
    prov_id_hex(&id, hex);
    in->plan.factory_ca_there = init_registered(in, "describeCACertificate", "certificateId", hex);
    return PROV_OK;
}

/* A template that names a policy nobody knows of would refuse its devices. */
static enum prov_rc weigh_way(struct init *in, const struct init_way *way)
{
    if (!way->wanted || way->there)
        return PROV_OK;
    for (size_t i = 0; i < way->n_policies; i++) {
        const struct init_policy *policy = &way->policies[i];

        if (policy->there || policy->file[0] != '\0')
            continue;
        ctl_hint(in->ctl, "`provctl policy create %s FILE` first%s.", policy->name,
                 way->n_policies == 1 ? ", or --policy FILE here" : "");
        return ctl_refuse(in->ctl,
                          "template %s gives its devices policy \"%s\", which is not known",
                          way->name, policy->name);
    }
    return PROV_OK;
}

enum prov_rc init_weigh(struct init *in)
{
    const struct init_plan *plan = &in->plan;
    enum prov_rc rc = weigh_ca(in);

    if (rc == PROV_OK)
        rc = weigh_way(in, &plan->factory);
    if (rc == PROV_OK)
        rc = weigh_way(in, &plan->claim);
    if (rc == PROV_OK)
        rc = init_check_server(in);
    if (rc != PROV_OK)
        return rc;
    warn_of_mosquitto(in);
    if (init_wants_conf(in) && is_taken(plan->port))
        init_warn(in,
                  "Another program, or a broker, listens on port %u already: the broker will "
                  "not start while it does.",
                  plan->port);
    if (plan->own_server)
        warn_of_secret(in, plan->server_key);
    if (plan->issuer == INIT_ISSUER_OWN)
        warn_of_secret(in, plan->issuer_key);
    warn_of_owner(in);
    weigh_server(in);
    return in->warnings.rc;
}
