/* Where things are, and the simpler answers. */
#include "init.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/x509.h>

#include "core/ident.h"
#include "run/signer.h"

#define DEFAULT_ETC "/etc/mosquitto"
#define DEFAULT_USER "mosquitto"

/* ---- places ---------------------------------------------------------------------------------- */

static bool below(char out[static INIT_PATH], const char *dir, const char *name)
{
    const int n = snprintf(out, INIT_PATH, "%s/%s", dir, name);

    return n > 0 && n < INIT_PATH;
}

/* A line of the broker's configuration ends at a line break, and so would a path there. */
static bool is_one_line(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return false;
    }
    return true;
}

/* The broker has another working directory. What is not there yet is taken as it is written. */
static enum prov_rc absolute(struct init *in, const char *what, const char *path,
                             char out[static INIT_PATH])
{
    char *real = realpath(path, NULL), *here = NULL;
    int n;

    if (real == NULL && path[0] != '/')
        here = realpath(".", NULL);
    n = real != NULL ? snprintf(out, INIT_PATH, "%s", real)
                     : snprintf(out, INIT_PATH, "%s%s%s", here != NULL ? here : "",
                                here != NULL ? "/" : "", path);
    free(real);
    free(here);
    if (n <= 0 || n >= INIT_PATH || out[0] != '/' || !is_one_line(out))
        return ctl_usage(in->ctl, "%s: \"%s\" cannot be used as a path here", what, path);
    return PROV_OK;
}

static bool name_places(struct init_places *p)
{
    return below(p->main_conf, p->etc, "mosquitto.conf") && below(p->conf_dir, p->etc, "conf.d") &&
           below(p->conf, p->conf_dir, "provisioning.conf") &&
           below(p->dir, p->etc, "provisioning") && below(p->server_cert, p->dir, "server.crt") &&
           below(p->server_key, p->dir, "server.key") &&
           below(p->server_ca, p->dir, "server-ca.crt") &&
           below(p->server_ca_key, p->dir, "server-ca.key") &&
           below(p->issuer_cert, p->db, PROV_ISSUER_CERT) &&
           below(p->issuer_key, p->db, PROV_ISSUER_KEY);
}

static enum prov_rc find_owner(struct init *in)
{
    struct init_places *p = &in->places;
    const char *user = ctl_opt(&in->ctl->args, OPT_USER);
    struct passwd room, *found = NULL;
    char text[4096];

    p->root = (struct ctl_owner){ geteuid(), getegid() };
    if (!prov_span_copy(prov_span_str(user != NULL ? user : DEFAULT_USER), p->user,
                        sizeof p->user) ||
        getpwnam_r(p->user, &room, text, sizeof text, &found) != 0)
        found = NULL;
    if (found == NULL)
        return user != NULL ? ctl_usage(in->ctl, "--user: there is no user \"%s\"", user) : PROV_OK;
    p->owned = geteuid() == 0;
    p->owner = (struct ctl_owner){ room.pw_uid, room.pw_gid };
    return PROV_OK;
}

enum prov_rc init_find_places(struct init *in)
{
    const struct {
        enum ctl_opt option;
        const char *fallback;
        char *out;
    } rows[] = {
        { OPT_ETC, DEFAULT_ETC, in->places.etc },
        { OPT_TEMPLATES, PROV_TEMPLATES_PATH, in->places.templates },
        { OPT_PLUGIN, PROV_PLUGIN_PATH, in->places.plugin },
    };
    char what[32];
    enum prov_rc rc = absolute(in, "--db", in->ctl->db, in->places.db);

    for (size_t i = 0; i < PROV_COUNT(rows) && rc == PROV_OK; i++) {
        const char *given = ctl_opt(&in->ctl->args, rows[i].option);

        (void)snprintf(what, sizeof what, "--%s", ctl_opt_name(rows[i].option));
        rc = absolute(in, what, given != NULL ? given : rows[i].fallback, rows[i].out);
    }
    if (rc == PROV_OK && !name_places(&in->places))
        rc = ctl_usage(in->ctl, "--etc, --db: the names are too long");
    return rc == PROV_OK ? find_owner(in) : rc;
}

/* ---- files that answers name ----------------------------------------------------------------- */

enum prov_rc init_about(struct init *in, const char *file, enum prov_rc rc)
{
    struct prov_err *err = &in->ctl->err;
    const struct prov_err why = *err;
    char where[48] = "";

    in->ctl->file = NULL;
    in->ctl->reading = false;
    if (rc == PROV_OK || rc == PROV_ENOMEM)
        return rc;
    if (why.line != 0)
        (void)snprintf(where, sizeof where, ":%u:%u", why.line, why.col);
    /* what is wrong matters more than all of a long name */
    return prov_fail(err, rc, why.code, "%.120s%s: %s%s%s", file, where, why.path,
                     why.path[0] != '\0' ? ": " : "", why.text);
}

enum prov_rc init_set_path(struct init *in, const char *answer, char out[static INIT_PATH])
{
    struct stat st;
    enum prov_rc rc;

    if (answer[0] == '\0' || strcmp(answer, "-") == 0)
        return ctl_refuse(in->ctl, "a file is asked for");
    rc = absolute(in, "the file", answer, out);
    if (rc == PROV_OK && stat(out, &st) != 0)
        rc = ctl_refuse(in->ctl, "%s: %s", answer, strerror(errno));
    else if (rc == PROV_OK && !S_ISREG(st.st_mode))
        rc = ctl_refuse(in->ctl, "%s is no file", answer);
    if (rc != PROV_OK)
        out[0] = '\0';
    return rc;
}

/* ---- CAs ------------------------------------------------------------------------------------- */

static enum prov_rc check_ca(struct init *in, const char *file)
{
    struct prov_buf der = { 0 };
    enum prov_cert_fault fault;
    X509 *cert = NULL;
    enum prov_rc rc;

    rc = ctl_read_cert(in->ctl, file, &der);
    if (rc == PROV_OK)
        rc = prov_ident_decode(prov_buf_span(&der), &cert, &in->ctl->err);
    if (rc == PROV_OK) {
        fault = prov_cert_check_ca(cert, in->ctl->tx.now_ms / 1000);
        if (fault != PROV_CERT_GOOD)
            rc = ctl_refuse(in->ctl, "this certificate is not a CA's that can be registered: %s",
                            prov_cert_fault_text(fault));
    }
    X509_free(cert);
    prov_buf_release(&der);
    return init_about(in, file, rc);
}

enum prov_rc init_set_factory_ca(struct init *in, const char *answer)
{
    enum prov_rc rc;

    in->plan.factory_ca[0] = '\0';
    if (answer[0] == '\0')
        return PROV_OK;
    rc = init_set_path(in, answer, in->plan.factory_ca);
    return rc == PROV_OK ? check_ca(in, in->plan.factory_ca) : rc;
}

enum prov_rc init_set_issuer_cert(struct init *in, const char *answer)
{
    const enum prov_rc rc = init_set_path(in, answer, in->plan.issuer_cert);

    return rc == PROV_OK ? check_ca(in, in->plan.issuer_cert) : rc;
}

static bool is_uri(const char *key)
{
    return strncmp(key, "pkcs11:", strlen("pkcs11:")) == 0;
}

/* What stands in the configuration everybody on the machine can read. */
static enum prov_rc set_uri(struct init *in, const char *answer)
{
    if (!is_one_line(answer) || strlen(answer) >= INIT_PATH)
        return ctl_refuse(in->ctl, "this is no pkcs11: URI");
    if (strstr(answer, "pin-value=") != NULL)
        return ctl_refuse(in->ctl, "leave the PIN out of the URI: pin-source=FILE names a file "
                                   "that holds it");
    (void)snprintf(in->plan.issuer_key, INIT_PATH, "%s", answer);
    return PROV_OK;
}

enum prov_rc init_set_issuer_key(struct init *in, const char *answer)
{
    struct prov_signer_conf conf = { in->plan.issuer_cert, in->plan.issuer_key };
    struct prov_issuer *issuer = NULL;
    enum prov_rc rc;

    rc = is_uri(answer) ? set_uri(in, answer) : init_set_path(in, answer, in->plan.issuer_key);
    if (rc == PROV_OK)
        rc = prov_signer_load(&conf, in->ctl->tx.now_ms / 1000, &issuer, &in->ctl->err);
    prov_issuer_free(issuer);
    return rc;
}
