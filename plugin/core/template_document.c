#include "template_priv.h"

#include <stdio.h>

#include "json_scan.h"
#include "limits.h"
#include "policy.h"

/*
 * A policy document as it is being written out of its object form. What is open is written as "*",
 * which may stand where an action, a resource or a condition's value does.
 */
struct writer {
    struct prov_tpl_eval *ev;
    struct prov_buf text;
    bool open; /* some of it is */
    /* when it is written again to find a place: what begins at byte `find` of the text */
    size_t find;
    struct prov_err *place; /* NULL: nothing is looked for */
    bool place_open;        /* it is in what is open */
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

/* A function's value. from: where the text of the member began that has it. */
static enum prov_rc write_fn(struct writer *w, const cJSON *v, const struct prov_json_path *at,
                             size_t from)
{
    struct prov_tpl_value value;
    const enum prov_rc rc = prov_tpl_value(w->ev, v, at, PROV_TPL_ANY, &value);

    if (rc != PROV_OK)
        return rc;
    w->open = w->open || value.open;
    if (value.open)
        write_string(&w->text, PROV_LIT("*"));
    else if (value.is_list)
        write_list(&w->text, &value);
    else
        write_string(&w->text, value.s);
    if (w->place != NULL && from <= w->find && w->find < w->text.n) {
        (void)prov_tpl_fail(w->ev->tpl, w->place, at, "%s", "");
        w->place_open = value.open;
    }
    return PROV_OK;
}

static enum prov_rc write_members(struct writer *w, const cJSON *v,
                                  const struct prov_json_path *at);

static enum prov_rc write_member(struct writer *w, const cJSON *m, const struct prov_json_path *at)
{
    const size_t from = w->text.n;

    if (w->place != NULL && from == w->find)
        (void)prov_tpl_fail(w->ev->tpl, w->place, at, "%s", "");
    if (m->string != NULL) {
        write_string(&w->text, prov_span_str(m->string));
        prov_buf_add_u8(&w->text, ':');
    }
    if (prov_tpl_fn_of(m) != PROV_TPL_FNS)
        return write_fn(w, m, at, from);
    if (cJSON_IsObject(m) || cJSON_IsArray(m))
        return write_members(w, m, at);
    write_scalar(&w->text, m);
    return PROV_OK;
}

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
        if (rc == PROV_OK)
            rc = write_member(w, m, &here);
        here.index++;
    }
    prov_buf_add_u8(&w->text, cJSON_IsObject(v) ? '}' : ']');
    return rc;
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
    rc = write_members(&w, object, at);
    *out = (struct prov_tpl_value){ .open = w.open };
    if (rc != PROV_OK)
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

/* ---- what the policy's parser says of it ----------------------------------------------------- */

static bool is_object_form(const cJSON *value)
{
    return cJSON_IsObject(value) && prov_tpl_fn_of(value) == PROV_TPL_FNS;
}

/* Byte offset of a place in a text. */
static size_t offset_of(struct prov_span text, unsigned line, unsigned col)
{
    size_t i = 0;

    for (; line > 1 && i < text.n; i++)
        line -= text.p[i] == '\n';
    return i + col - 1;
}

/* Where byte n of a string stands in the literal that it was written as, whose quote is at p. The
 * literal has passed prov_json_parse. */
static const uint8_t *raw_byte(const uint8_t *p, size_t n)
{
    uint8_t unit[2];
    size_t bytes;

    for (p++; n != 0 && *p != '"'; n -= bytes < n ? bytes : n) {
        bytes = 1;
        if (p[0] != '\\') {
            p++;
        } else if (p[1] != 'u' || !prov_unhex(prov_span(p + 2, 4), unit, sizeof unit)) {
            p += 2;
        } else if (unit[0] >= 0xd8 && unit[0] <= 0xdb) { /* a pair of surrogates */
            bytes = 4;
            p += 12;
        } else {
            bytes = unit[0] >= 0x08 ? 3 : unit[0] != 0 || unit[1] >= 0x80 ? 2 : 1;
            p += 6;
        }
    }
    return p;
}

/* place is at the document's key. Moves it to byte n of the string behind it. */
static void place_in_literal(const struct prov_tpl_eval *ev, size_t n, struct prov_err *place)
{
    struct prov_scan s = prov_scan_start(ev->tpl->text, NULL);

    s.p += offset_of(ev->tpl->text, place->line, place->col);
    if (prov_scan_key(&s) == PROV_OK)
        prov_scan_place(place, ev->tpl->text, raw_byte(s.p, n));
}

/* The same for a document written as an object. *open: what is wrong there is open. */
static enum prov_rc place_in_object(struct prov_tpl_eval *ev, const cJSON *object,
                                    const struct prov_json_path *at, size_t n,
                                    struct prov_err *place, bool *open)
{
    struct writer w = { .ev = ev, .find = n, .place = place };
    enum prov_rc rc;

    prov_buf_init(&w.text, PROV_MAX_POLICY_TEXT);
    rc = write_members(&w, object, at);
    if (rc == PROV_OK)
        rc = w.text.rc;
    *open = w.place_open;
    prov_buf_release(&w.text);
    return rc;
}

/* The document's text is the template's too: the place is told there. PROV_OK: it is in what is
 * open, so it is no mistake yet. */
static enum prov_rc refuse_written(struct prov_tpl_eval *ev, const cJSON *value,
                                   const struct prov_json_path *at, struct prov_span text,
                                   const struct prov_err *why, struct prov_err *err)
{
    struct prov_err place;
    bool open = false;
    enum prov_rc rc = PROV_OK;
    size_t n;

    (void)prov_json_fail(err, why->rc, "InvalidRequestException", ev->tpl->text, at, "%s",
                         why->text);
    if (why->line == 0)
        return why->rc;
    place = *err;
    n = offset_of(text, why->line, why->col);
    if (cJSON_IsString(value))
        place_in_literal(ev, n, &place);
    else
        rc = place_in_object(ev, value, at, n, &place, &open);
    if (rc != PROV_OK)
        return prov_nomem(err); /* it was written once already: nothing else can be wrong */
    err->line = place.line;
    err->col = place.col;
    n = strlen(err->path);
    if (why->path[0] != '\0' && n < sizeof err->path - 1)
        err->path[n++] = '.';
    (void)prov_span_copy(prov_span_str(why->path), err->path + n, sizeof err->path - n);
    return open ? PROV_OK : why->rc;
}

static enum prov_rc refuse(struct prov_tpl_eval *ev, const cJSON *value,
                           const struct prov_json_path *at, struct prov_span text,
                           const struct prov_err *why)
{
    struct prov_err err;
    enum prov_rc rc;

    if (cJSON_IsString(value) || is_object_form(value))
        rc = refuse_written(ev, value, at, text, why, &err);
    else
        rc = prov_json_fail(&err, why->rc, "InvalidRequestException", ev->tpl->text, at,
                            "the policy document that this gives is refused at line %u, column %u "
                            "of it%s%s: %s",
                            why->line, why->col, why->path[0] != '\0' ? ", " : "", why->path,
                            why->text);
    if (rc != PROV_OK && ev->err != NULL)
        *ev->err = err;
    return rc;
}

static enum prov_rc check_policy(struct prov_tpl_eval *ev, const cJSON *value,
                                 const struct prov_json_path *at, struct prov_span text)
{
    struct prov_policy_doc *doc = NULL;
    struct prov_err why = { .rc = PROV_OK };
    const enum prov_rc rc = prov_policy_parse(text, &doc, &why);

    prov_policy_doc_unref(doc);
    if (rc == PROV_OK)
        return PROV_OK;
    return rc == PROV_ENOMEM ? prov_nomem(ev->err) : refuse(ev, value, at, text, &why);
}

enum prov_rc prov_tpl_document(struct prov_tpl_eval *ev, const cJSON *value,
                               const struct prov_json_path *at, struct prov_tpl_value *out)
{
    enum prov_rc rc;

    ev->in_document = true;
    if (is_object_form(value))
        rc = write_document(ev, value, at, out);
    else
        rc = prov_tpl_value(ev, value, at, PROV_TPL_STRING, out);
    if (rc == PROV_OK && (!out->open || out->s.n != 0))
        rc = check_policy(ev, value, at, out->s);
    ev->in_document = false;
    return rc;
}
