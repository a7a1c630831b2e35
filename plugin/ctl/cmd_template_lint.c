#include <stdio.h>

#include "cmd_template.h"

static const char *file_name(const struct ctl *ctl)
{
    return strcmp(ctl->file, "-") == 0 ? "(stdin)" : ctl->file;
}

/* "FILE:LINE:COLUMN: PATH: what is wrong", or "… warning: PATH: what is doubtful [code]" and below
 * it what would be right. */
static void put_remark(const struct ctl *ctl, const struct prov_template_remark *remark,
                       struct prov_buf *out)
{
    const struct prov_err *what = &remark->what;
    struct prov_buf raw;

    prov_buf_init(&raw, 4096);
    prov_buf_addf(&raw, "%s:%u:%u: %s%s%s%s", file_name(ctl), what->line, what->col,
                  remark->warning ? "warning: " : "", what->path, what->path[0] != '\0' ? ": " : "",
                  what->text);
    if (remark->warning)
        prov_buf_addf(&raw, " [%s]", what->code);
    ctl_put_text(out, prov_buf_span(&raw));
    if (remark->warning)
        prov_buf_addf(out, "\n    cure: %s", remark->cure);
    prov_buf_add_u8(out, '\n');
    ctl_release(out, &raw);
}

static void put_on_stderr(const struct ctl *ctl, const char *lead,
                          const struct prov_template_remark *remark)
{
    struct prov_buf line;

    prov_buf_init(&line, 16384);
    prov_buf_add_str(&line, lead);
    put_remark(ctl, remark, &line);
    (void)fputs(prov_buf_cstr(&line), ctl->io.err);
    prov_buf_release(&line);
}

/* ---- lint ------------------------------------------------------------------------------------ */

/* A template for a CA that is checked as one for fleet provisioning, which is what lint takes it
 * for unless told. */
static bool wrong_type(const struct ctl *ctl, const struct prov_template_lint *lint)
{
    if (ctl_has(&ctl->args, OPT_TYPE))
        return false;
    for (size_t i = 0; i < lint->n; i++) {
        if (strstr(lint->v[i].what.text, "JITP templates only") != NULL)
            return true;
    }
    return false;
}

/* All but the last mistake are told here; that one is the command's error. */
static enum prov_rc lint_refused(struct ctl *ctl, const struct prov_template_lint *lint,
                                 enum prov_rc rc)
{
    for (size_t i = 0; i + 1 < lint->n; i++)
        put_on_stderr(ctl, "provctl: ", &lint->v[i]);
    ctl->err = lint->v[lint->n - 1].what;
    if (lint->mistakes > lint->n)
        ctl_hint(ctl, "%zu mistakes, of which the first %zu are shown", lint->mistakes, lint->n);
    else if (lint->n > 1)
        ctl_hint(ctl, "%zu mistakes", lint->mistakes);
    if (wrong_type(ctl, lint))
        ctl_hint(ctl, "`--type JITP` if the template is for just-in-time provisioning");
    return rc;
}

static enum prov_rc lint_text(struct ctl *ctl, const struct prov_template_lint *lint,
                              enum prov_rc rc)
{
    const char *type = prov_template_type_name(ctl_template_type(ctl));

    if (rc != PROV_OK)
        return lint_refused(ctl, lint, rc);
    for (size_t i = 0; i < lint->n; i++)
        put_remark(ctl, &lint->v[i], &ctl->out);
    if (lint->warnings == 0)
        ctl_say(ctl, "%s: a good template of type %s\n", ctl->args.words[0], type);
    else
        ctl_say(ctl, "%s: a correct template of type %s, warnings: %zu\n", ctl->args.words[0], type,
                lint->warnings);
    return PROV_OK;
}

static enum prov_rc lint_json(struct ctl *ctl, const struct prov_template_lint *lint)
{
    struct prov_doc d = prov_doc_start(NULL);
    cJSON *mistakes, *warnings, *item;

    prov_doc_bool(&d, d.root, "valid", lint->mistakes == 0);
    mistakes = prov_doc_array(&d, d.root, "mistakes");
    warnings = prov_doc_array(&d, d.root, "warnings");
    for (size_t i = 0; i < lint->n; i++) {
        const struct prov_err *what = &lint->v[i].what;

        item = prov_doc_append(&d, lint->v[i].warning ? warnings : mistakes, cJSON_CreateObject());
        prov_doc_text(&d, item, "code", prov_span_str(what->code));
        if (what->line != 0) {
            prov_doc_number(&d, item, "line", what->line);
            prov_doc_number(&d, item, "column", what->col);
        }
        prov_doc_text_if(&d, item, "path", prov_span_str(what->path));
        prov_doc_text(&d, item, "message", prov_span_str(what->text));
        prov_doc_text_if(&d, item, "cure", prov_span_str(lint->v[i].cure));
    }
    return ctl_answer_doc(ctl, &d);
}

enum prov_rc ctl_template_lint(struct ctl *ctl)
{
    struct prov_template_lint lint = { .n = 0 };
    struct prov_buf text = { 0 };
    enum prov_rc rc;

    rc = ctl_read_file(ctl, ctl->args.words[0], PROV_MAX_TEMPLATE_BODY, &text);
    if (rc != PROV_OK)
        goto out;
    rc = prov_template_lint(prov_buf_span(&text), ctl_template_type(ctl), &lint);
    if (rc == PROV_ENOMEM)
        rc = prov_nomem(&ctl->err);
    else if (ctl->json)
        rc = lint_json(ctl, &lint);
    else
        rc = lint_text(ctl, &lint, rc);
    if (lint.mistakes != 0 || (lint.warnings != 0 && ctl_has(&ctl->args, OPT_STRICT)))
        ctl->outcome = CTL_EXIT_REFUSED;
out:
    prov_buf_release(&text);
    return rc;
}

/* ---- on the way into the registry ------------------------------------------------------------ */

void ctl_template_note_warnings(struct ctl *ctl, struct prov_span text,
                                enum prov_template_type type)
{
    struct prov_template_lint lint;

    if (ctl->json || prov_template_lint(text, type, &lint) != PROV_OK)
        return;
    for (size_t i = 0; i < lint.n; i++)
        put_on_stderr(ctl, "", &lint.v[i]);
}
