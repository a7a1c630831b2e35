#include "ctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/api.h"
#include "core/doc.h"

/* ---- failing --------------------------------------------------------------------------------- */

PROV_PRINTF(4, 0)
static enum prov_rc vfail(struct ctl *ctl, enum prov_rc rc, const char *code, const char *fmt,
                          va_list args)
{
    char text[sizeof ctl->err.text];

    (void)vsnprintf(text, sizeof text, fmt, args);
    return prov_fail(&ctl->err, rc, code, "%s", text);
}

enum prov_rc ctl_usage(struct ctl *ctl, const char *fmt, ...)
{
    enum prov_rc rc;
    va_list args;

    va_start(args, fmt);
    rc = vfail(ctl, PROV_EINVAL, "UsageException", fmt, args);
    va_end(args);
    ctl->usage = true;
    return rc;
}

enum prov_rc ctl_refuse(struct ctl *ctl, const char *fmt, ...)
{
    enum prov_rc rc;
    va_list args;

    va_start(args, fmt);
    rc = vfail(ctl, PROV_EINVAL, "InvalidRequestException", fmt, args);
    va_end(args);
    return rc;
}

void ctl_hint(struct ctl *ctl, const char *fmt, ...)
{
    char line[512];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    prov_buf_addf(&ctl->hint, "%s%s", ctl->hint.n != 0 ? "\n" : "", line);
}

void ctl_note(struct ctl *ctl, const char *fmt, ...)
{
    struct prov_buf shown;
    char line[512];
    va_list args;

    if (ctl->json)
        return;
    va_start(args, fmt);
    (void)vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    prov_buf_init(&shown, 4 * sizeof line);
    ctl_put_text(&shown, prov_span_str(line));
    (void)fprintf(ctl->io.err, "%s\n", prov_buf_cstr(&shown));
    prov_buf_release(&shown);
}

/* The file that the error is about; NULL when it is about what the registry holds already. */
static const char *file_of(const struct ctl *ctl)
{
    static const char *const codes[] = {
        "CertificateValidationException",
        "RegistrationCodeValidationException",
        "MalformedPolicyException",
    };
    bool about = ctl->reading || ctl->err.line != 0;

    for (size_t i = 0; i < PROV_COUNT(codes); i++)
        about = about || strcmp(ctl->err.code, codes[i]) == 0;
    if (!about || ctl->file == NULL)
        return NULL;
    return strcmp(ctl->file, "-") == 0 ? "(stdin)" : ctl->file;
}

static void put_where(const struct ctl *ctl, struct prov_buf *out)
{
    const char *file = file_of(ctl);

    if (file != NULL)
        prov_buf_addf(out, "%s:", file);
    if (ctl->err.line != 0)
        prov_buf_addf(out, "%s%u:%u:", file != NULL ? "" : "line ", ctl->err.line, ctl->err.col);
    if (out->n != 0)
        prov_buf_add_u8(out, ' ');
    if (ctl->err.path[0] != '\0')
        prov_buf_addf(out, "%s: ", ctl->err.path);
}

static void report_text(struct ctl *ctl)
{
    struct prov_buf raw, line;
    const char *hint = prov_buf_cstr(&ctl->hint);

    prov_buf_init(&raw, 4096);
    prov_buf_init(&line, 16384);
    put_where(ctl, &raw);
    prov_buf_add_str(&raw, ctl->err.text);
    ctl_put_text(&line, prov_buf_span(&raw));
    (void)fprintf(ctl->io.err, "provctl: %s\n", prov_buf_cstr(&line));
    for (size_t n; *hint != '\0'; hint += n) {
        n = strcspn(hint, "\n");
        prov_buf_clear(&line);
        ctl_put_text(&line, prov_span(hint, n));
        (void)fprintf(ctl->io.err, "  %s\n", prov_buf_cstr(&line));
        n += hint[n] == '\n';
    }
    prov_buf_release(&raw);
    prov_buf_release(&line);
}

static void report_json(struct ctl *ctl)
{
    struct prov_doc d = prov_doc_start(NULL);
    cJSON *error = prov_doc_object(&d, d.root, "error"), *doc = NULL;
    struct prov_buf out;

    prov_doc_text(&d, error, "code", prov_span_str(ctl->err.code));
    prov_doc_text(&d, error, "message", prov_span_str(ctl->err.text));
    prov_doc_text_if(&d, error, "file", prov_span_str(file_of(ctl)));
    if (ctl->err.line != 0) {
        prov_doc_number(&d, error, "line", ctl->err.line);
        prov_doc_number(&d, error, "column", ctl->err.col);
    }
    prov_doc_text_if(&d, error, "path", prov_span_str(ctl->err.path));
    prov_doc_text_if(&d, error, "hint", prov_buf_span(&ctl->hint));
    prov_buf_init(&out, 65536);
    if (prov_doc_end(&d, &doc) == PROV_OK)
        ctl_put_json(&out, doc, 0);
    (void)fprintf(ctl->io.err, "%s\n", prov_buf_cstr(&out));
    prov_buf_release(&out);
    cJSON_Delete(doc);
}

void ctl_report(struct ctl *ctl, enum prov_rc rc)
{
    if (ctl->err.text[0] == '\0') /* an error that nobody put into words */
        (void)prov_fail(&ctl->err, rc, "InternalFailureException", "%s",
                        rc == PROV_ENOMEM ? "out of memory" : prov_rc_name(rc));
    if (ctl->json)
        report_json(ctl);
    else
        report_text(ctl);
}

/* ---- answering ------------------------------------------------------------------------------- */

/* Lines stay lines; everything else is escaped. */
static void put_lines(struct prov_buf *out, struct prov_span text)
{
    size_t n;

    for (size_t i = 0; i < text.n; i += n + 1) {
        const uint8_t *end = memchr(text.p + i, '\n', text.n - i);

        n = (end != NULL ? (size_t)(end - text.p) : text.n) - i;
        ctl_put_text(out, prov_span(text.p + i, n));
        if (end != NULL)
            prov_buf_add_u8(out, '\n');
    }
}

PROV_PRINTF(2, 0) static void vsay(struct ctl *ctl, const char *fmt, va_list args)
{
    char text[2048];

    (void)vsnprintf(text, sizeof text, fmt, args);
    put_lines(&ctl->out, prov_span_str(text));
}

void ctl_say(struct ctl *ctl, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsay(ctl, fmt, args);
    va_end(args);
}

enum prov_rc ctl_answer(struct ctl *ctl, enum prov_rc rc, cJSON *doc)
{
    if (rc == PROV_OK) {
        ctl_put_json(&ctl->out, doc, 0);
        prov_buf_add_u8(&ctl->out, '\n');
    }
    prov_api_drop(doc);
    return rc;
}

enum prov_rc ctl_answer_doc(struct ctl *ctl, struct prov_doc *d)
{
    cJSON *doc = NULL;
    const enum prov_rc rc = prov_doc_end(d, &doc);

    return ctl_answer(ctl, rc, doc);
}

enum prov_rc ctl_done(struct ctl *ctl, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsay(ctl, fmt, args);
    va_end(args);
    prov_buf_add_u8(&ctl->out, '\n');
    return PROV_OK;
}

#define LABEL_WIDTH 16

void ctl_field(struct ctl *ctl, const char *label, struct prov_span text)
{
    if (text.n == 0)
        return;
    prov_buf_addf(&ctl->out, "%-*s  ", LABEL_WIDTH, label);
    ctl_put_text(&ctl->out, text);
    prov_buf_add_u8(&ctl->out, '\n');
}

void ctl_fieldf(struct ctl *ctl, const char *label, const char *fmt, ...)
{
    char text[2048];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    ctl_field(ctl, label, prov_span_str(text));
}

void ctl_field_time(struct ctl *ctl, const char *label, int64_t at_ms)
{
    prov_buf_addf(&ctl->out, "%-*s  ", LABEL_WIDTH, label);
    ctl_put_time(&ctl->out, at_ms);
    prov_buf_add_str(&ctl->out, " (");
    ctl_put_ago(&ctl->out, at_ms, ctl->tx.now_ms);
    prov_buf_add_str(&ctl->out, ")\n");
}

void ctl_block(struct ctl *ctl, struct prov_span text)
{
    put_lines(&ctl->out, text);
    if (text.n != 0 && text.p[text.n - 1] != '\n')
        prov_buf_add_u8(&ctl->out, '\n');
}

enum prov_rc ctl_flush(struct ctl *ctl)
{
    const struct prov_span text = prov_buf_span(&ctl->out);

    if (ctl->out.rc != PROV_OK)
        return prov_fail(&ctl->err, ctl->out.rc, "InternalFailureException",
                         "the answer does not fit into memory");
    if (fwrite(text.p != NULL ? text.p : (const uint8_t *)"", 1, text.n, ctl->io.out) != text.n ||
        fflush(ctl->io.out) != 0)
        return prov_fail(&ctl->err, PROV_ESTORE, "InternalFailureException",
                         "the answer cannot be written to stdout: %s", strerror(errno));
    prov_buf_clear(&ctl->out);
    return PROV_OK;
}
