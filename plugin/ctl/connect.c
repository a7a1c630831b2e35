#include "connect.h"

#include <stdlib.h>

#include "remote.h"

#define DEFAULT_TIMEOUT_S 10
#define MAX_TIMEOUT_S 3600
#define MAX_PASSWORD 4096

static const char *env(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && value[0] != '\0' ? value : NULL;
}

/* ---- the store or a broker ------------------------------------------------------------------- */

static enum prov_rc refuse_broker(struct ctl *ctl)
{
    const struct ctl_verb *verb = ctl->args.verb;

    ctl_hint(ctl, "Run it on the broker's machine%s",
             ctl_has(&ctl->args, OPT_URL) ? "." : ", with --db DIR: PROVCTL_URL is set here.");
    return ctl_usage(ctl, "provctl %s%s%s works on the store itself, not through a broker",
                     ctl->args.noun->name, verb->name[0] == '\0' ? "" : " ", verb->name);
}

/* A broker has an issuer of its own. */
static enum prov_rc refuse_issuer(struct ctl *ctl)
{
    const bool cert = ctl_has(&ctl->args, OPT_ISSUER_CERT);

    if (!cert && !ctl_has(&ctl->args, OPT_ISSUER_KEY))
        return PROV_OK;
    ctl_hint(ctl,
             "Through a broker its own issuer signs: options issuer_cert and issuer_key there.");
    return ctl_usage(ctl, "--%s goes with work on the store itself",
                     ctl_opt_name(cert ? OPT_ISSUER_CERT : OPT_ISSUER_KEY));
}

/* Options that say how to reach a broker say nothing without one. */
static enum prov_rc refuse_connection(struct ctl *ctl)
{
    for (const struct ctl_option *o = ctl_connection_options(); o->help != NULL; o++) {
        if (ctl_has(&ctl->args, o->id) && ctl_own_option(ctl->args.verb, o->id) == NULL)
            return ctl_usage(ctl, "--%s goes with --url", ctl_opt_name(o->id));
    }
    return PROV_OK;
}

enum prov_rc ctl_choose(struct ctl *ctl)
{
    const char *db = ctl_opt(&ctl->args, OPT_DB), *url = ctl_opt(&ctl->args, OPT_URL);
    const enum ctl_access access = ctl->args.verb->access;

    if (db != NULL && url != NULL)
        return ctl_usage(ctl, "--db and --url exclude each other");
    ctl->url = db != NULL ? NULL : url != NULL ? url : env("PROVCTL_URL");
    ctl->db = db != NULL ? db : env("PROVCTL_DB");
    if (ctl->db == NULL)
        ctl->db = CTL_DEFAULT_DB;
    if (access == CTL_NO_STORE)
        return PROV_OK;
    if (ctl->url == NULL)
        return refuse_connection(ctl);
    if (access == CTL_STORE_READ || access == CTL_STORE_WRITE || access == CTL_STORE_LATER)
        return refuse_broker(ctl);
    return refuse_issuer(ctl);
}

/* ---- who one is ------------------------------------------------------------------------------ */

/* --cert and --client-cert are the same where the verb has no --cert of its own. */
static enum prov_rc identity(struct ctl *ctl, struct ctl_remote_conf *conf)
{
    const bool taken = ctl_own_option(ctl->args.verb, OPT_CERT) != NULL;
    const char *cert = taken ? NULL : ctl_opt(&ctl->args, OPT_CERT);
    const char *key = ctl_opt(&ctl->args, OPT_KEY);

    conf->cert = ctl_opt(&ctl->args, OPT_CLIENT_CERT);
    conf->key = ctl_opt(&ctl->args, OPT_CLIENT_KEY);
    if ((conf->cert != NULL && cert != NULL) || (conf->key != NULL && key != NULL))
        return ctl_usage(ctl,
                         "--client-cert and --client-key are --cert and --key: give each once");
    if (conf->cert == NULL)
        conf->cert = cert;
    if (conf->key == NULL)
        conf->key = key;
    if (conf->key == NULL || conf->cert != NULL)
        return PROV_OK;
    if (taken)
        return ctl_usage(ctl, "--cert is a device's certificate in this command: yours is "
                              "--client-cert");
    return ctl_usage(ctl, "a key needs its certificate: --client-cert FILE");
}

static enum prov_rc read_password(struct ctl *ctl, struct prov_buf *password)
{
    const char *file = ctl_opt(&ctl->args, OPT_PASSWORD_FILE);
    enum prov_rc rc;

    if (file == NULL)
        return PROV_OK;
    rc = ctl_read_file(ctl, file, MAX_PASSWORD, password);
    if (rc != PROV_OK)
        return rc;
    password->n = strcspn(prov_buf_cstr(password), "\r\n");
    ctl->file = NULL; /* no later error is about it */
    return PROV_OK;
}

enum prov_rc ctl_connect(struct ctl *ctl)
{
    struct ctl_remote_conf conf = {
        .url = ctl->url,
        .cafile = ctl_opt(&ctl->args, OPT_CAFILE),
        .username = ctl_opt(&ctl->args, OPT_USERNAME),
        .timeout_s = ctl_number(&ctl->args, OPT_TIMEOUT, DEFAULT_TIMEOUT_S),
    };
    struct prov_buf password = { 0 };
    enum prov_rc rc;

    if (conf.timeout_s == 0 || conf.timeout_s > MAX_TIMEOUT_S)
        return ctl_usage(ctl, "--timeout is from 1 to %d seconds", MAX_TIMEOUT_S);
    if (conf.username == NULL && ctl_has(&ctl->args, OPT_PASSWORD_FILE))
        return ctl_usage(ctl, "a password needs its user: --username NAME");
    rc = identity(ctl, &conf);
    if (rc == PROV_OK)
        rc = read_password(ctl, &password);
    if (rc != PROV_OK)
        goto out;
    if (conf.username != NULL)
        conf.password = password.n != 0 ? prov_buf_cstr(&password) : env("PROVCTL_PASSWORD");
    rc = ctl_remote_open(&conf, &ctl->remote, &ctl->err);
    ctl->usage = rc == PROV_EINVAL;
out:
    prov_buf_wipe(&password);
    return rc;
}
