/* Makes what is missing: the registry's part first, in one transaction; then files, each whole or
 * not at all; the broker's configuration last, so that it never names what is not there. */
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/x509.h>

#include "core/issue.h"
#include "issuer.h"
#include "key_files.h"

#define CONF_MAX 65536

/* ---- directories ----------------------------------------------------------------------------- */

static enum prov_rc failed(struct init *in, const char *path)
{
    return prov_fail(&in->ctl->err, PROV_ESTORE, "InternalFailureException",
                     "%.200s cannot be made: %s", path, strerror(errno));
}

/*
 * Whatever the umask is: the broker's user has to get through. By the descriptor, and only when it
 * is still ours: whose the directory above is may put something else in its place meanwhile.
 */
static bool give(const char *path, mode_t mode, const struct ctl_owner *owner)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    bool good;

    if (fd < 0)
        return false;
    good = fstat(fd, &st) == 0 && st.st_uid == geteuid() && fchmod(fd, mode) == 0 &&
           (owner == NULL || fchown(fd, owner->uid, owner->gid) == 0);
    (void)close(fd);
    return good;
}

static bool make_one(const char *path, mode_t mode, const struct ctl_owner *owner)
{
    return mkdir(path, mode) == 0 ? give(path, mode, owner) : errno == EEXIST;
}

/* And those above it. What is there stays as it is. */
static enum prov_rc make_dir(struct init *in, const char *path, mode_t mode,
                             const struct ctl_owner *owner)
{
    char at[INIT_PATH];

    (void)snprintf(at, sizeof at, "%s", path);
    for (char *c = strchr(at + 1, '/'); c != NULL; c = strchr(c + 1, '/')) {
        *c = '\0';
        if (!make_one(at, 0755, NULL))
            return failed(in, at);
        *c = '/';
    }
    return make_one(at, mode, owner) ? PROV_OK : failed(in, at);
}

/* ---- the registry ---------------------------------------------------------------------------- */

static bool has(struct init *in, const char *op, const char *key, const char *name)
{
    cJSON *data = ctl_peek(in->ctl, op, key, prov_span_str(name));
    const bool found = data != NULL;

    cJSON_Delete(data);
    return found;
}

static enum prov_rc call(struct init *in, const char *op, struct ctl_params *params)
{
    cJSON *data = NULL;
    const enum prov_rc rc = ctl_call(in->ctl, op, params, &data);

    cJSON_Delete(data);
    return rc;
}

/* Two ways may give the same one. */
static enum prov_rc make_policy(struct init *in, const struct init_policy *policy)
{
    struct prov_buf text = { 0 };
    struct ctl_params params;
    enum prov_rc rc;

    if (policy->name[0] == '\0' || has(in, "getPolicy", "policyName", policy->name))
        return PROV_OK;
    rc = ctl_read_file(in->ctl, policy->file, PROV_MAX_POLICY_TEXT, &text);
    if (rc == PROV_OK) {
        params = ctl_params();
        ctl_put(&params, "policyName", prov_span_str(policy->name));
        ctl_put(&params, "policyDocument", prov_buf_span(&text));
        rc = call(in, "createPolicy", &params);
    }
    prov_buf_release(&text);
    return init_about(in, policy->file, rc);
}

static enum prov_rc make_template(struct init *in, const struct init_way *way)
{
    struct prov_buf text = { 0 };
    struct ctl_params params;
    enum prov_rc rc = init_way_body(in, way, &text);

    if (rc == PROV_OK) {
        params = ctl_params();
        ctl_put(&params, "templateName", prov_span_str(way->name));
        ctl_put(&params, "templateBody", prov_buf_span(&text));
        ctl_put(&params, "type", prov_span_str(prov_template_type_name(way->type)));
        ctl_put_bool(&params, "enabled", true);
        rc = call(in, "createProvisioningTemplate", &params);
    }
    prov_buf_release(&text);
    return rc;
}

static enum prov_rc make_way(struct init *in, const struct init_way *way)
{
    enum prov_rc rc = PROV_OK;

    if (!way->wanted || way->there)
        return PROV_OK;
    for (size_t i = 0; i < way->n_policies && rc == PROV_OK; i++)
        rc = make_policy(in, &way->policies[i]);
    return rc == PROV_OK ? make_template(in, way) : rc;
}

static enum prov_rc register_ca(struct init *in)
{
    const struct init_plan *plan = &in->plan;
    struct ctl_params params;
    struct prov_buf der = { 0 };
    enum prov_rc rc;

    if (plan->factory_ca[0] == '\0' || plan->factory_ca_there)
        return PROV_OK;
    rc = ctl_read_cert(in->ctl, plan->factory_ca, &der);
    if (rc == PROV_OK) {
        params = ctl_params();
        ctl_put_pem(&params, "caCertificate", prov_buf_span(&der));
        ctl_put(&params, "certificateMode", PROV_LIT("SNI_ONLY"));
        ctl_put_bool(&params, "setAsActive", true);
        ctl_put_bool(&params, "allowAutoRegistration", true);
        ctl_put_within(&params, "registrationConfig", "templateName",
                       prov_span_str(plan->factory.name));
        rc = call(in, "registerCACertificate", &params);
    }
    prov_buf_release(&der);
    return init_about(in, plan->factory_ca, rc);
}

static enum prov_rc set_settings(struct init *in)
{
    const struct init_plan *plan = &in->plan;
    struct ctl *ctl = in->ctl;
    enum prov_rc rc = PROV_OK;

    if (plan->account_id[0] != '\0' || plan->region[0] != '\0')
        rc = prov_settings_set(&ctl->tx, plan->account_id[0] != '\0' ? plan->account_id : NULL,
                               plan->region[0] != '\0' ? plan->region : NULL);
    return rc;
}

/* One transaction: all of it or nothing. issuer: what an issuer would be called. */
static enum prov_rc make_registry(struct init *in, struct prov_buf *issuer)
{
    enum prov_rc rc = ctl_open(in->ctl, PROV_TXN_WRITE);

    if (rc == PROV_OK)
        rc = set_settings(in);
    if (rc == PROV_OK)
        rc = make_way(in, &in->plan.factory);
    if (rc == PROV_OK)
        rc = make_way(in, &in->plan.claim);
    if (rc == PROV_OK && in->plan.claim.wanted)
        rc = make_policy(in, &in->plan.claim_policy);
    if (rc == PROV_OK)
        rc = register_ca(in);
    if (rc == PROV_OK)
        rc = ctl_issuer_name(in->ctl, issuer);
    if (rc == PROV_OK)
        rc = ctl_end(in->ctl);
    ctl_close(in->ctl);
    return rc;
}

/* ---- files ----------------------------------------------------------------------------------- */

/* In the store's directory, whose owner they get: there broker and provctl find it by themselves.
 */
static enum prov_rc make_issuer(struct init *in, struct prov_span name)
{
    struct ctl_new_file files[2] = { { .mode = 0 }, { .mode = 0 } };
    int64_t from_s, to_s;
    EVP_PKEY *key = NULL;
    X509 *cert = NULL;
    bool resumed;
    enum prov_rc rc;

    rc = ctl_key_files_resume(in->ctl, in->places.issuer_cert, in->places.issuer_key, &resumed);
    if (rc != PROV_OK || resumed)
        return rc;
    (void)snprintf(files[0].path, INIT_PATH, "%s", in->places.issuer_cert);
    (void)snprintf(files[1].path, INIT_PATH, "%s", in->places.issuer_key);
    prov_issue_validity(in->ctl->tx.now_ms / 1000, CTL_ISSUER_DAYS, &from_s, &to_s);
    rc = prov_issuer_make(PROV_KEY_EC_P256, name, from_s, to_s, &key, &cert, &in->ctl->err);
    if (rc == PROV_OK)
        rc = ctl_key_files(in->ctl, &files[0], &files[1], key, cert);
    EVP_PKEY_free(key);
    X509_free(cert);
    return rc;
}

static enum prov_rc make_conf(struct init *in)
{
    struct ctl_new_file file = { .mode = 0644, .owner = &in->places.root };
    struct prov_buf text;
    enum prov_rc rc;

    rc = make_dir(in, in->places.conf_dir, 0755, NULL);
    prov_buf_init(&text, CONF_MAX);
    init_put_conf(in, &text);
    if (rc == PROV_OK)
        rc = text.rc;
    if (rc == PROV_OK) {
        (void)snprintf(file.path, INIT_PATH, "%s", in->places.conf);
        file.bytes = prov_buf_span(&text);
        rc = ctl_new_files(in->ctl, &file, 1);
    }
    prov_buf_release(&text);
    return rc;
}

static enum prov_rc make_files(struct init *in, struct prov_span issuer)
{
    const bool server = init_makes_server(in);
    enum prov_rc rc = PROV_OK;

    if (in->plan.issuer == INIT_ISSUER_MAKE)
        rc = make_issuer(in, issuer);
    if (rc == PROV_OK && server)
        rc = make_dir(in, in->places.dir, 0755, NULL);
    if (rc == PROV_OK && server)
        rc = init_make_server(in);
    if (rc == PROV_OK && init_wants_conf(in))
        rc = make_conf(in);
    if (rc == PROV_ECONFLICT)
        ctl_hint(in->ctl, "It is somebody's own: move it away and run this again. What is made "
                          "already stays.");
    return rc;
}

enum prov_rc init_make(struct init *in)
{
    const struct init_places *p = &in->places;
    struct prov_buf issuer;
    enum prov_rc rc;

    prov_buf_init(&issuer, 256);
    rc = make_dir(in, p->db, 0750, p->owned ? &p->owner : NULL);
    if (rc == PROV_OK)
        rc = make_registry(in, &issuer);
    if (rc == PROV_OK)
        rc = make_files(in, prov_buf_span(&issuer));
    prov_buf_release(&issuer);
    return rc;
}
