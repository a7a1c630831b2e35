#include "template_priv.h"

#include <stdio.h>

#include "limits.h"
#include "policy.h"

/* A policy document as it is being written out of its object form. */
struct writer {
    struct prov_tpl_eval *ev;
    struct prov_buf text;
    bool open;
};

static void write_string(struct prov_buf *b, struct prov_span s)
{
    prov_buf_add_u8(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\')
            prov_buf_add_u8(b, '\\');
        if (s.p[i] < ' ')
            prov_buf_addf(b, "\\u%04x", s.p[i]);
        else
            prov_buf_add_u8(b, s.p[i]);
    }
    prov_buf_add_u8(b, '"');
}

static void write_list(struct prov_buf *b, const struct prov_tpl_value *list)
{
    prov_buf_add_u8(b, '[');
    for (size_t i = 0; i < list->n; i++) {
        if (i != 0)
            prov_buf_add_u8(b, ',');
        write_string(b, list->v[i]);
    }
    prov_buf_add_u8(b, ']');
}

static void write_scalar(struct prov_buf *b, const cJSON *v)
{
    char number[PROV_JSON_MAX_NUMBER + 8]; /* cJSON wants some bytes more than it writes */

    if (cJSON_IsString(v))
        write_string(b, prov_span_str(v->valuestring));
    else if (!cJSON_IsNumber(v))
        prov_buf_add_str(b, cJSON_IsTrue(v) ? "true" : cJSON_IsFalse(v) ? "false" : "null");
    else if (cJSON_PrintPreallocated((cJSON *)v, number, (int)sizeof number, 0))
        prov_buf_add_str(b, number);
}

static enum prov_rc write_value(struct writer *w, const cJSON *v, const struct prov_json_path *at);

static enum prov_rc write_members(struct writer *w, const cJSON *v, const struct prov_json_path *at)
{
    struct prov_json_path here = { .up = at };
    enum prov_rc rc = PROV_OK;
    const cJSON *m;

    prov_buf_add_u8(&w->text, cJSON_IsObject(v) ? '{' : '[');
    cJSON_ArrayForEach(m, v)
    {
        here.key = m->string;
        if (here.index != 0)
            prov_buf_add_u8(&w->text, ',');
        if (m->string != NULL) {
            write_string(&w->text, prov_span_str(m->string));
            prov_buf_add_u8(&w->text, ':');
        }
        if (rc == PROV_OK)
            rc = write_value(w, m, &here);
        here.index++;
    }
    prov_buf_add_u8(&w->text, cJSON_IsObject(v) ? '}' : ']');
    return rc;
}

static enum prov_rc write_value(struct writer *w, const cJSON *v, const struct prov_json_path *at)
{
    struct prov_tpl_value value;
    enum prov_rc rc;

    if (!cJSON_IsObject(v) && !cJSON_IsArray(v)) {
        write_scalar(&w->text, v);
        return PROV_OK;
    }
    if (prov_tpl_fn_of(v) == PROV_TPL_FNS)
        return write_members(w, v, at);
    rc = prov_tpl_value(w->ev, v, at, PROV_TPL_ANY, &value);
    if (rc != PROV_OK)
        return rc;
    w->open = w->open || value.open;
    if (value.open)
        return PROV_OK;
    if (value.is_list)
        write_list(&w->text, &value);
    else
        write_string(&w->text, value.s);
    return PROV_OK;
}

/* Why the text could not be written: its length or memory. */
static enum prov_rc text_fail(const struct prov_tpl_eval *ev, enum prov_rc rc,
                              const struct prov_json_path *at)
{
    if (rc == PROV_ENOMEM)
        return prov_nomem(ev->err);
    return prov_json_fail(ev->err, rc, "InvalidRequestException", ev->tpl->text, at,
                          "the policy document is longer than %d bytes", PROV_MAX_POLICY_TEXT);
}

static enum prov_rc write_document(struct prov_tpl_eval *ev, const cJSON *object,
                                   const struct prov_json_path *at, struct prov_tpl_value *out)
{
    struct writer w = { .ev = ev };
    enum prov_rc rc;
    uint8_t *copy;

    prov_buf_init(&w.text, PROV_MAX_POLICY_TEXT);
    rc = write_value(&w, object, at);
    *out = (struct prov_tpl_value){ .open = w.open };
    if (rc != PROV_OK || w.open)
        goto out;
    if (w.text.rc != PROV_OK) {
        rc = text_fail(ev, w.text.rc, at);
        goto out;
    }
    copy = prov_tpl_alloc(ev->scratch, w.text.n, 1);
    if (copy == NULL) {
        rc = prov_tpl_arena_fail(ev, ev->scratch, at);
        goto out;
    }
    memcpy(copy, w.text.p, w.text.n);
    out->s = prov_span(copy, w.text.n);
out:
    prov_buf_release(&w.text);
    return rc;
}

/* Line and column are the template's; where in the document it is wrong goes into the sentence. */
static enum prov_rc check_policy(const struct prov_tpl_eval *ev, struct prov_span text,
                                 const struct prov_json_path *at)
{
    struct prov_policy_doc *doc = NULL;
    struct prov_err err = { .rc = PROV_OK };
    char where[64] = "";
    enum prov_rc rc;

    rc = prov_policy_parse(text, &doc, &err);
    prov_policy_doc_unref(doc);
    if (rc == PROV_OK)
        return PROV_OK;
    if (rc == PROV_ENOMEM)
        return prov_nomem(ev->err);
    if (err.line != 0)
        (void)snprintf(where, sizeof where, " at line %u, column %u of its text", err.line,
                       err.col);
    return prov_json_fail(ev->err, rc, "InvalidRequestException", ev->tpl->text, at,
                          "the policy document is refused%s%s%s: %s", where,
                          err.path[0] == '\0' ? "" : ", ", err.path, err.text);
}

enum prov_rc prov_tpl_document(struct prov_tpl_eval *ev, const cJSON *value,
                               const struct prov_json_path *at, struct prov_tpl_value *out)
{
    const bool object = cJSON_IsObject(value) && prov_tpl_fn_of(value) == PROV_TPL_FNS;
    enum prov_rc rc;

    ev->in_document = true;
    rc = object ? write_document(ev, value, at, out)
                : prov_tpl_value(ev, value, at, PROV_TPL_STRING, out);
    ev->in_document = false;
    if (rc != PROV_OK || out->open)
        return rc;
    return check_policy(ev, out->s, at);
}
