#include <stdio.h>
#include <unistd.h>

#include <openssl/x509.h>

#include "cmd_template.h"
#include "core/doc.h"
#include "core/ident.h"

#define MAX_PARAMS 64

struct eval {
    struct ctl *ctl;
    /* the template */
    const char *file; /* of --file; NULL: it is a registered one */
    struct prov_buf text;
    struct prov_span document;
    struct ctl_plan of;
    /* the device */
    struct prov_buf der;
    X509 *cert;
    struct prov_ident *ident;
    char id_hex[PROV_ID_HEX + 1];
    struct prov_attr given[MAX_PARAMS];
    size_t n_given;
    struct prov_param params[MAX_PARAMS + PROV_BUILTIN_PARAMS + 1];
    size_t n_params;
    /* the answer */
    struct prov_template *tpl;
    struct prov_plan *plan;
};

/* ---- the template -----------------------------------------------------------------------------
 */

static enum prov_rc check_words(struct eval *e)
{
    const bool named = e->ctl->args.n_words != 0, typed = ctl_has(&e->ctl->args, OPT_TYPE);

    e->file = ctl_opt(&e->ctl->args, OPT_FILE);
    if (named && e->file != NULL)
        return ctl_usage(e->ctl, "TEMPLATE and --file exclude each other");
    if (!named && e->file == NULL)
        return ctl_usage(e->ctl, "one of TEMPLATE and --file FILE is missing");
    if (typed && e->file == NULL)
        return ctl_usage(e->ctl, "--type goes with --file: a registered template has its type");
    return PROV_OK;
}

static enum prov_rc read_file(struct eval *e)
{
    enum prov_rc rc;

    e->of.name = strcmp(e->file, "-") == 0 ? "(stdin)" : e->file;
    e->of.type = ctl_template_type(e->ctl);
    rc = ctl_read_file(e->ctl, e->file, PROV_MAX_TEMPLATE_BODY, &e->text);
    e->document = prov_buf_span(&e->text);
    return rc;
}

static enum prov_rc read_registered(struct eval *e)
{
    const struct prov_span name = ctl_word(e->ctl, 0);
    struct prov_version_info version;
    struct prov_template_info info;
    enum prov_rc rc;

    rc = ctl_version_word(e->ctl, 1, &e->of.version);
    if (rc == PROV_OK)
        rc = prov_template_get(&e->ctl->tx, name, &info);
    if (rc == PROV_OK)
        rc = prov_template_version_get(&e->ctl->tx, name, e->of.version, &version);
    if (rc != PROV_OK)
        return rc;
    e->of.name = e->ctl->args.words[0];
    e->of.type = info.type;
    e->of.disabled = !info.enabled;
    e->of.version = version.version;
    e->document = version.document;
    (void)snprintf(e->ctl->document, sizeof e->ctl->document, "%s (version %u)", e->of.name,
                   version.version);
    return PROV_OK;
}

/* ---- the device -------------------------------------------------------------------------------
 */

static bool is_id(const char *text)
{
    return strlen(text) >= 8 && strspn(text, "0123456789abcdefABCDEF") == strlen(text) &&
           access(text, F_OK) != 0;
}

static enum prov_rc registered_der(struct eval *e, const char *text)
{
    struct prov_span der;
    struct prov_id id;
    enum prov_rc rc;

    rc = ctl_cert_id(e->ctl, text, &id);
    if (rc == PROV_OK)
        rc = prov_cert_der(&e->ctl->tx, &id, &der);
    if (rc != PROV_OK)
        return rc;
    prov_buf_init(&e->der, PROV_MAX_CERT_DER);
    prov_buf_add(&e->der, der);
    return e->der.rc;
}

static enum prov_rc read_device(struct eval *e)
{
    const char *text = ctl_opt(&e->ctl->args, OPT_CERT);
    enum prov_rc rc;

    memset(e->id_hex, '0', PROV_ID_HEX);
    if (text == NULL)
        return PROV_OK;
    rc = is_id(text) ? registered_der(e, text) : ctl_read_cert(e->ctl, text, &e->der);
    if (rc == PROV_OK)
        rc = prov_ident_decode(prov_buf_span(&e->der), &e->cert, &e->ctl->err);
    if (rc == PROV_OK)
        rc = prov_ident_new(e->cert, &e->ident, &e->ctl->err);
    if (rc == PROV_OK)
        prov_id_hex(&e->ident->id, e->id_hex);
    return rc;
}

/* What was given counts before what is built in. */
static void add_param(struct eval *e, struct prov_param param)
{
    for (size_t i = 0; i < e->n_params; i++) {
        if (prov_span_eq(e->params[i].name, param.name))
            return;
    }
    e->params[e->n_params++] = param;
}

static enum prov_rc gather_params(struct eval *e)
{
    struct prov_param builtin[PROV_BUILTIN_PARAMS];
    size_t n;
    enum prov_rc rc;

    rc = ctl_pairs(e->ctl, OPT_PARAM, e->given, PROV_COUNT(e->given), &e->n_given);
    if (rc != PROV_OK)
        return rc;
    for (size_t i = 0; i < e->n_given; i++)
        add_param(e, (struct prov_param){ e->given[i].name, e->given[i].value });
    add_param(e, (struct prov_param){ PROV_LIT(PROV_PARAM_CERTIFICATE_ID),
                                      prov_span(e->id_hex, PROV_ID_HEX) });
    if (e->ident == NULL)
        return PROV_OK;
    /* FLEET_PROVISIONING templates cannot declare more than the id (reference 2.3). */
    n = prov_params_builtin(e->ident, prov_span(e->id_hex, PROV_ID_HEX), builtin);
    for (size_t i = 0; i < n; i++)
        add_param(e, builtin[i]);
    return PROV_OK;
}

/* A device's request may hold what the template does not ask for; a person's is a typing mistake.
 */
static void note_ignored(const struct eval *e)
{
    for (size_t i = 0; i < e->n_given; i++) {
        if (!prov_template_declares(e->tpl, e->given[i].name) &&
            !prov_span_eq_str(e->given[i].name, PROV_PARAM_CERTIFICATE_ID))
            ctl_note(e->ctl, "provctl: the template has no parameter \"%.*s\": it is ignored",
                     PROV_SPAN_ARG(e->given[i].name));
    }
}

static void hint_params(struct eval *e)
{
    if (strncmp(e->ctl->err.path, "Parameters.", strlen("Parameters.")) != 0)
        return;
    if (e->of.type == PROV_TEMPLATE_JITP && e->ident == NULL)
        ctl_hint(e->ctl, "`--cert FILE` takes it from a device's certificate");
    ctl_hint(e->ctl, "`--param NAME=VALUE` gives it");
}

/* ---- the plan ---------------------------------------------------------------------------------
 */

static enum prov_rc evaluate(struct eval *e)
{
    struct prov_params params;
    enum prov_rc rc;

    rc = check_words(e);
    if (rc == PROV_OK)
        rc = e->file != NULL ? read_file(e) : read_registered(e);
    if (rc == PROV_OK)
        rc = read_device(e);
    if (rc == PROV_OK)
        rc = gather_params(e);
    if (rc != PROV_OK)
        return rc;
    e->ctl->file = e->file != NULL ? e->file : e->ctl->document;
    rc = prov_template_parse(e->document, e->of.type, &e->tpl, &e->ctl->err);
    if (rc != PROV_OK)
        return rc;
    note_ignored(e);
    params = (struct prov_params){ e->params, e->n_params };
    rc = prov_template_eval(e->tpl, params, &e->plan, &e->ctl->err);
    if (rc == PROV_EINVAL)
        hint_params(e);
    return rc;
}

/* The certificate that is provisioned: the one given, or that which the template names. */
static void set_cert(struct eval *e)
{
    if (e->ident != NULL)
        e->of.cert = e->ident->id;
    else if (e->plan->certificate_id == NULL ||
             !prov_id_parse(prov_span_str(e->plan->certificate_id), &e->of.cert))
        e->of.cert = (struct prov_id){ { 0 } };
}

enum prov_rc ctl_template_eval(struct ctl *ctl)
{
    struct eval e = { .ctl = ctl };
    bool refused = false;
    enum prov_rc rc;

    rc = evaluate(&e);
    if (rc == PROV_OK) {
        set_cert(&e);
        e.of.plan = e.plan;
        rc = ctl_plan_answer(ctl, &e.of, &refused);
    }
    if (refused)
        ctl->outcome = CTL_EXIT_REFUSED;
    prov_plan_free(e.plan);
    prov_template_free(e.tpl);
    prov_ident_free(e.ident);
    X509_free(e.cert);
    prov_buf_release(&e.der);
    prov_buf_release(&e.text);
    return rc;
}
