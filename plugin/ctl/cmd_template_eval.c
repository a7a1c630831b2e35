#include <stdio.h>
#include <unistd.h>

#include "cmd_template.h"

#define MAX_PARAMS 64

struct eval {
    struct ctl *ctl;
    const char *file; /* of --file; NULL: it is a registered one */
    uint32_t version; /* of the command line; 0: the one in force */
    struct ctl_params params;
};

/* ---- the template ---------------------------------------------------------------------------- */

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

static enum prov_rc put_file(struct eval *e)
{
    struct prov_buf text = { 0 };
    enum prov_rc rc;

    rc = ctl_template_read(e->ctl, e->file, &text);
    if (rc == PROV_OK) {
        ctl_put(&e->params, "templateBody", prov_buf_span(&text));
        ctl_put(&e->params, "type",
                prov_span_str(prov_template_type_name(ctl_template_type(e->ctl))));
    }
    prov_buf_release(&text);
    return rc;
}

static enum prov_rc put_registered(struct eval *e)
{
    const enum prov_rc rc = ctl_version_word(e->ctl, 1, &e->version);

    ctl_put(&e->params, "templateName", ctl_word(e->ctl, 0));
    if (e->version != 0)
        ctl_put_number(&e->params, "versionId", e->version);
    return rc;
}

/* ---- the device ------------------------------------------------------------------------------ */

static bool is_id(const char *text)
{
    return strlen(text) >= 8 && strspn(text, "0123456789abcdefABCDEF") == strlen(text) &&
           access(text, F_OK) != 0;
}

static enum prov_rc put_device(struct eval *e)
{
    const char *text = ctl_opt(&e->ctl->args, OPT_CERT);
    struct prov_buf der = { 0 };
    enum prov_rc rc;

    if (text == NULL)
        return PROV_OK;
    if (is_id(text)) {
        ctl_put(&e->params, "certificateId", prov_span_str(text));
        return PROV_OK;
    }
    rc = ctl_read_cert(e->ctl, text, &der);
    if (rc == PROV_OK)
        ctl_put_pem(&e->params, "certificatePem", prov_buf_span(&der));
    prov_buf_release(&der);
    return rc;
}

static enum prov_rc put_params(struct eval *e)
{
    struct prov_attr given[MAX_PARAMS];
    size_t n;
    const enum prov_rc rc = ctl_pairs(e->ctl, OPT_PARAM, given, PROV_COUNT(given), &n);

    if (rc == PROV_OK && n != 0)
        ctl_put_pairs(&e->params, "parameters", given, n);
    return rc;
}

/* ---- what could not be done ------------------------------------------------------------------ */

/* Places are in the file, or in a version of the registered template. */
static void set_document(struct eval *e)
{
    struct ctl *ctl = e->ctl;
    cJSON *info;

    ctl->file = e->file;
    if (e->file != NULL || ctl->err.line == 0)
        return;
    if (e->version == 0) {
        info = ctl_peek(ctl, "describeProvisioningTemplate", "templateName", ctl_word(ctl, 0));
        e->version = ctl_get_version(info, "defaultVersionId");
        cJSON_Delete(info);
    }
    (void)snprintf(ctl->document, sizeof ctl->document, "%s (version %u)", ctl->args.words[0],
                   e->version);
    ctl->file = ctl->document;
}

static bool is_jitp(struct eval *e)
{
    cJSON *info;
    bool jitp;

    if (e->file != NULL)
        return ctl_template_type(e->ctl) == PROV_TEMPLATE_JITP;
    info = ctl_peek(e->ctl, "describeProvisioningTemplate", "templateName", ctl_word(e->ctl, 0));
    jitp = prov_span_eq_str(ctl_get(info, "type"), "JITP");
    cJSON_Delete(info);
    return jitp;
}

/* A parameter's value that is not there is the answer to the template, not a mistake in it. */
static void hint_params(struct eval *e)
{
    if (strncmp(e->ctl->err.path, "Parameters.", strlen("Parameters.")) != 0 ||
        strstr(e->ctl->err.text, "gives no value") == NULL)
        return;
    if (!ctl_has(&e->ctl->args, OPT_CERT) && is_jitp(e))
        ctl_hint(e->ctl, "`--cert FILE` takes it from a device's certificate");
    ctl_hint(e->ctl, "`--param NAME=VALUE` gives it");
}

/* A device's request may hold what the template does not ask for; a person's is a typing mistake.
 */
static void note_ignored(struct ctl *ctl, const cJSON *data)
{
    const cJSON *name;

    cJSON_ArrayForEach(name, ctl_get_array(data, "ignoredParameters"))
    {
        ctl_note(ctl, "provctl: the template has no parameter \"%.*s\": it is ignored",
                 PROV_SPAN_ARG(ctl_element(name, NULL)));
    }
}

/* ---- asking ---------------------------------------------------------------------------------- */

static enum prov_rc ask(struct eval *e, cJSON **data)
{
    enum prov_rc rc;

    e->params = ctl_params();
    rc = e->file != NULL ? put_file(e) : put_registered(e);
    if (rc == PROV_OK)
        rc = put_device(e);
    if (rc == PROV_OK)
        rc = put_params(e);
    if (rc != PROV_OK) {
        ctl_params_drop(&e->params);
        return rc;
    }
    rc = ctl_call(e->ctl, "evaluateProvisioningTemplate", &e->params, data);
    if (rc != PROV_OK)
        set_document(e);
    if (rc == PROV_EINVAL)
        hint_params(e);
    return rc;
}

enum prov_rc ctl_template_eval(struct ctl *ctl)
{
    struct eval e = { .ctl = ctl };
    cJSON *data = NULL;
    enum prov_rc rc;

    rc = check_words(&e);
    if (rc == PROV_OK)
        rc = ask(&e, &data);
    if (rc != PROV_OK)
        return rc;
    note_ignored(ctl, data);
    if (cJSON_GetArraySize(ctl_get_array(data, "problems")) != 0)
        ctl->outcome = CTL_EXIT_REFUSED;
    if (ctl->json)
        return ctl_answer(ctl, rc, data);
    ctl_plan_say(ctl,
                 e.file == NULL             ? ctl->args.words[0]
                 : strcmp(e.file, "-") == 0 ? "(stdin)"
                                            : e.file,
                 data);
    cJSON_Delete(data);
    return PROV_OK;
}
