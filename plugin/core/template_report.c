#include "template_priv.h"

#include <stdarg.h>
#include <stdio.h>

#include "json_scan.h"

/* ---- words for messages ---------------------------------------------------------------------- */

const char *prov_tpl_show(struct prov_span s, char out[static PROV_TPL_SHOWN])
{
    if (!prov_span_copy(s, out, PROV_TPL_SHOWN))
        memcpy(out + PROV_TPL_SHOWN - sizeof "...", "...", sizeof "...");
    for (char *c = out; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~')
            *c = '?';
    }
    return out;
}

const char *prov_tpl_nearest_builtin(struct prov_span word, bool *close)
{
    const bool whole = prov_span_starts(word, PROV_LIT("AWS:"));
    struct prov_near near = { .word = word };
    const char *last = NULL, *name = NULL;

    for (size_t i = 0; i < PROV_BUILTIN_PARAMS; i++) {
        prov_near_try(&near, prov_tpl_builtin(i) + (whole ? 0 : strlen("AWS::IoT::Certificate::")));
        name = near.best != last ? prov_tpl_builtin(i) : name;
        last = near.best;
    }
    *close = near.close;
    return name;
}

/* Adds to "A, B" or, where there is no room for more, "...". */
static bool list_one(char out[static PROV_TPL_KEYS], size_t *used, const char *key)
{
    char shown[PROV_TPL_SHOWN];
    int more;

    prov_tpl_show(prov_span_str(key), shown);
    if (*used + strlen(shown) + sizeof ", , ..." > PROV_TPL_KEYS) {
        (void)snprintf(out + *used, PROV_TPL_KEYS - *used, ", ...");
        return false;
    }
    more = snprintf(out + *used, PROV_TPL_KEYS - *used, "%s%s", *used == 0 ? "" : ", ", shown);
    *used += more > 0 ? (size_t)more : 0;
    return true;
}

void prov_tpl_list_keys(const cJSON *object, char out[static PROV_TPL_KEYS])
{
    const cJSON *m = object != NULL ? object->child : NULL;
    size_t used = 0;

    (void)snprintf(out, PROV_TPL_KEYS, "none");
    while (m != NULL && list_one(out, &used, m->string))
        m = m->next;
}

/* ---- text that is no JSON -------------------------------------------------------------------- */

static const uint8_t *place_of(struct prov_span text, const struct prov_err *err)
{
    const uint8_t *p = text.p, *end = text.p + text.n;

    for (unsigned line = err->line; line > 1 && p < end; p++)
        line -= *p == '\n';
    return (size_t)(end - p) >= err->col ? p + err->col - 1 : end;
}

/* The byte before p that is no white space; NULL when there is none. */
static const uint8_t *before(struct prov_span text, const uint8_t *p)
{
    while (p > text.p) {
        p--;
        if (*p != ' ' && *p != '\t' && *p != '\r' && *p != '\n')
            return p;
    }
    return NULL;
}

void prov_tpl_explain_json(struct prov_span text, struct prov_err *err)
{
    static const struct {
        const char *begins, *says;
    } habits[] = {
        { "\xef\xbb\xbf", "a byte order mark: save the file as UTF-8 without one" },
        { "\xff\xfe", "UTF-16: save the file as UTF-8" },
        { "\xfe\xff", "UTF-16: save the file as UTF-8" },
        { "\xe2\x80\x9c", "a typographic quotation mark where JSON needs a plain one" },
        { "\xe2\x80\x9d", "a typographic quotation mark where JSON needs a plain one" },
        { "'", "a single quote where JSON needs a double one" },
        { "//", "JSON has no comments" },
        { "/*", "JSON has no comments" },
    };
    const uint8_t *p, *last;
    struct prov_span rest;

    if (err->rc != PROV_EINVAL || err->line == 0 || err->path[0] != '\0')
        return;
    p = place_of(text, err);
    rest = prov_span(p, (size_t)(text.p + text.n - p));
    for (size_t i = 0; i < PROV_COUNT(habits); i++) {
        if (prov_span_starts(rest, prov_span_str(habits[i].begins)))
            (void)snprintf(err->text, sizeof err->text, "%s", habits[i].says);
    }
    last = before(text, p);
    if (last != NULL && *last == ',' && rest.n != 0 && (*p == '}' || *p == ']')) {
        (void)snprintf(err->text, sizeof err->text,
                       "a comma with nothing behind it but '%c': JSON allows none there", *p);
        prov_scan_place(err, text, last);
    }
}

/* ---- one mistake ----------------------------------------------------------------------------- */

enum prov_rc prov_tpl_fail(const struct prov_template *tpl, struct prov_err *err,
                           const struct prov_json_path *at, const char *fmt, ...)
{
    enum prov_rc rc;
    va_list args;

    va_start(args, fmt);
    rc = prov_json_vfail(err, PROV_EINVAL, "InvalidRequestException", tpl->text, at, fmt, args);
    va_end(args);
    return rc;
}

/* ---- all of them ----------------------------------------------------------------------------- */

/* Where the next mistake's words go; NULL when they are not asked for. */
static struct prov_err *room_for_mistake(const struct prov_tpl_report *r)
{
    if (r->lint == NULL)
        return r->mistakes == 0 ? r->err : NULL;
    if (r->lint->mistakes >= PROV_TEMPLATE_MAX_REMARKS)
        return NULL;
    return &r->lint->v[r->lint->n].what;
}

static void count_mistake(struct prov_tpl_report *r, enum prov_rc rc)
{
    if (r->mistakes++ == 0)
        r->rc = rc;
    if (r->lint == NULL)
        return;
    if (r->lint->mistakes < PROV_TEMPLATE_MAX_REMARKS) {
        r->lint->v[r->lint->n].warning = false;
        r->lint->v[r->lint->n++].cure = NULL;
    }
    r->lint->mistakes++;
}

void prov_tpl_report(struct prov_tpl_report *r, enum prov_rc rc, const struct prov_err *err)
{
    struct prov_err *const room = room_for_mistake(r);

    if (room != NULL)
        *room = *err;
    count_mistake(r, rc);
}

void prov_tpl_wrong(const struct prov_tpl_check *ck, const struct prov_json_path *at,
                    const char *fmt, ...)
{
    struct prov_err *const room = room_for_mistake(ck->report);
    va_list args;

    va_start(args, fmt);
    if (room != NULL)
        (void)prov_json_vfail(room, PROV_EINVAL, "InvalidRequestException", ck->tpl->text, at, fmt,
                              args);
    va_end(args);
    count_mistake(ck->report, PROV_EINVAL);
}

void prov_tpl_unknown(const struct prov_tpl_check *ck, const struct prov_json_path *at,
                      const char *what, const char *word, const char *const *legal, size_t n)
{
    struct prov_near near = { .word = prov_span_str(word) };
    char shown[PROV_TPL_SHOWN], all[PROV_TPL_KEYS];
    size_t used = 0;

    for (size_t i = 0; i < n; i++)
        prov_near_try(&near, legal[i]);
    prov_tpl_show(near.word, shown);
    if (near.close || n == 1) {
        prov_tpl_wrong(ck, at, "unknown %s \"%s\"; did you mean \"%s\"?", what, shown, near.best);
        return;
    }
    for (size_t i = 0; i < n && list_one(all, &used, legal[i]); i++)
        ;
    prov_tpl_wrong(ck, at, "unknown %s \"%s\"; there are: %s", what, shown, all);
}

void prov_tpl_spoiled(const struct prov_tpl_check *ck, size_t before, const cJSON *part)
{
    struct prov_tpl_report *const r = ck->report;

    if (r->mistakes == before)
        return;
    if (r->n_spoiled < PROV_COUNT(r->spoiled))
        r->spoiled[r->n_spoiled] = part;
    r->n_spoiled++;
}

bool prov_tpl_sound(const struct prov_tpl_report *r, const cJSON *part)
{
    if (r == NULL || part == NULL)
        return part != NULL;
    for (size_t i = 0; i < r->n_spoiled && i < PROV_COUNT(r->spoiled); i++) {
        if (r->spoiled[i] == part)
            return false;
    }
    return r->n_spoiled <= PROV_COUNT(r->spoiled); /* else nobody knows any more */
}
