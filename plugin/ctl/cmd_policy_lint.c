#include "core/policy_lint.h"
#include "cmd_policy.h"

#include <stdio.h>

/* ---- one warning ----------------------------------------------------------------------------- */

static const char *file_name(const struct ctl *ctl)
{
    return strcmp(ctl->file, "-") == 0 ? "(stdin)" : ctl->file;
}

/* "FILE:LINE:COLUMN: warning: PATH: what is wrong [code]", and below it what would be right. */
static void put_warning(const struct ctl *ctl, const struct prov_policy_warning *w,
                        struct prov_buf *out)
{
    struct prov_buf raw;

    prov_buf_init(&raw, 8192);
    prov_buf_addf(&raw, "%s:%u:%u: warning: %s: %s [%s]", file_name(ctl), w->line, w->col, w->path,
                  w->text, w->code);
    ctl_put_text(out, prov_buf_span(&raw));
    prov_buf_add_str(out, "\n    cure: ");
    ctl_put_text(out, prov_span_str(w->cure));
    prov_buf_add_u8(out, '\n');
    ctl_release(out, &raw);
}

/* ---- lint ------------------------------------------------------------------------------------ */

struct report {
    struct ctl *ctl;
    struct prov_doc doc;
    cJSON *list;
    size_t n;
};

static void report_one(void *ctx, const struct prov_policy_warning *w)
{
    struct report *const r = ctx;
    cJSON *item;

    r->n++;
    if (!r->ctl->json) {
        put_warning(r->ctl, w, &r->ctl->out);
        return;
    }
    item = prov_doc_append(&r->doc, r->list, cJSON_CreateObject());
    prov_doc_text(&r->doc, item, "code", prov_span_str(w->code));
    prov_doc_number(&r->doc, item, "line", w->line);
    prov_doc_number(&r->doc, item, "column", w->col);
    prov_doc_text(&r->doc, item, "path", prov_span_str(w->path));
    prov_doc_text(&r->doc, item, "message", prov_span_str(w->text));
    prov_doc_text(&r->doc, item, "cure", prov_span_str(w->cure));
}

static enum prov_rc scope_given(struct ctl *ctl, struct prov_policy_scope *out)
{
    *out = (struct prov_policy_scope){ .region = ctl_value(ctl, OPT_REGION),
                                       .account_id = ctl_value(ctl, OPT_ACCOUNT_ID) };
    if (ctl_has(&ctl->args, OPT_ACCOUNT_ID) &&
        (out->account_id.n != 12 ||
         strspn(ctl_opt(&ctl->args, OPT_ACCOUNT_ID), "0123456789") != out->account_id.n))
        return ctl_usage(ctl, "--account-id: an account id has 12 digits");
    if (ctl_has(&ctl->args, OPT_REGION) &&
        (out->region.n == 0 || strspn(ctl_opt(&ctl->args, OPT_REGION),
                                      "abcdefghijklmnopqrstuvwxyz0123456789-") != out->region.n))
        return ctl_usage(ctl, "--region: a region has a-z, 0-9 and -");
    return PROV_OK;
}

/* What stands below the warnings, or alone. */
static enum prov_rc summary(struct report *r, struct prov_span text)
{
    const char *file = r->ctl->args.words[0];
    struct prov_policy_doc *doc = NULL;
    enum prov_rc rc;

    rc = prov_policy_parse(text, &doc, &r->ctl->err);
    if (rc != PROV_OK)
        return rc;
    if (r->n == 0)
        ctl_say(r->ctl, "%s: a good policy, statements: %zu\n", file,
                prov_policy_doc_statements(doc));
    else
        ctl_say(r->ctl, "%s: a correct policy, statements: %zu, warnings: %zu\n", file,
                prov_policy_doc_statements(doc), r->n);
    prov_policy_doc_unref(doc);
    return PROV_OK;
}

static enum prov_rc lint_text(struct report *r, struct prov_span text,
                              const struct prov_policy_scope *scope)
{
    const enum prov_rc rc = prov_policy_lint(text, scope, report_one, r, &r->ctl->err);

    return rc != PROV_OK ? rc : summary(r, text);
}

static enum prov_rc lint_json(struct report *r, struct prov_span text,
                              const struct prov_policy_scope *scope)
{
    enum prov_rc rc;

    r->doc = prov_doc_start(NULL);
    prov_doc_bool(&r->doc, r->doc.root, "valid", true);
    r->list = prov_doc_array(&r->doc, r->doc.root, "warnings");
    rc = prov_policy_lint(text, scope, report_one, r, &r->ctl->err);
    if (rc == PROV_OK)
        return ctl_answer_doc(r->ctl, &r->doc);
    cJSON_Delete(r->doc.root);
    return rc;
}

enum prov_rc ctl_policy_lint(struct ctl *ctl)
{
    struct report r = { .ctl = ctl };
    struct prov_policy_scope scope;
    struct prov_buf text = { 0 };
    enum prov_rc rc;

    rc = scope_given(ctl, &scope);
    if (rc == PROV_OK)
        rc = ctl_read_file(ctl, ctl->args.words[0], PROV_MAX_POLICY_TEXT, &text);
    if (rc == PROV_OK)
        rc = (ctl->json ? lint_json : lint_text)(&r, prov_buf_span(&text), &scope);
    prov_buf_release(&text);
    if (rc == PROV_OK && r.n != 0 && ctl_has(&ctl->args, OPT_STRICT))
        ctl->outcome = CTL_EXIT_REFUSED;
    return rc;
}

/* ---- on the way into the registry ------------------------------------------------------------ */

static void note_one(void *ctx, const struct prov_policy_warning *w)
{
    const struct ctl *const ctl = ctx;
    struct prov_buf line;

    prov_buf_init(&line, 16384);
    put_warning(ctl, w, &line);
    (void)fputs(prov_buf_cstr(&line), ctl->io.err);
    prov_buf_release(&line);
}

/* "arn:aws:iot:<region>:<account>:…"; empty parts when it is none. */
static struct prov_policy_scope scope_of(struct prov_span arn)
{
    struct prov_span parts[5] = { { NULL, 0 } };
    size_t n = 0;

    for (size_t i = 0, from = 0; i < arn.n && n < PROV_COUNT(parts); i++) {
        if (arn.p[i] != ':')
            continue;
        parts[n++] = prov_span(arn.p + from, i - from);
        from = i + 1;
    }
    return (struct prov_policy_scope){ .region = parts[3], .account_id = parts[4] };
}

void ctl_policy_note_warnings(struct ctl *ctl, struct prov_span text, struct prov_span arn)
{
    const struct prov_policy_scope scope = scope_of(arn);

    if (ctl->json)
        return;
    if (prov_policy_lint(text, &scope, note_one, ctl, NULL) != PROV_OK)
        ctl_note(ctl, "provctl: no memory to look for what is doubtful in it");
}
