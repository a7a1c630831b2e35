#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "json_scan.h"
#include "limits.h"

static const char bad_json[] = "InvalidRequestException";

/* ---- finding a place again ------------------------------------------------------------------- */

/*
 * Enters the container at s->p and stops at the value of the step's nth match (from 0). Returns
 * where the member begins, or NULL when the container has no such member.
 */
static const uint8_t *descend(struct prov_scan *s, const struct prov_json_path *step, unsigned nth)
{
    const bool keyed = s->p < s->end && *s->p == '{';
    const uint8_t *member;

    if (keyed != (step->key != NULL) || (!keyed && *s->p != '['))
        return NULL;
    s->p++;
    prov_scan_space(s);
    if (prov_scan_take(s, keyed ? '}' : ']'))
        return NULL;
    for (size_t i = 0;; i++) {
        prov_scan_space(s);
        member = s->p;
        if (keyed && prov_scan_key(s) != PROV_OK)
            return NULL;
        if (keyed ? (prov_scan_string_is(member, step->key) && nth-- == 0) : i == step->index)
            return member;
        if (prov_scan_value(s, 0) != PROV_OK)
            return NULL;
        prov_scan_space(s);
        if (!prov_scan_take(s, ','))
            return NULL;
    }
}

/* Turns the chain around; deeper than an accepted text can be is left out. Returns how many. */
static size_t steps_of(const struct prov_json_path *at,
                       const struct prov_json_path *steps[static PROV_MAX_JSON_DEPTH])
{
    size_t n = 0, i;

    for (const struct prov_json_path *p = at; p != NULL; p = p->up)
        n++;
    i = n;
    for (const struct prov_json_path *p = at; p != NULL; p = p->up) {
        if (--i < PROV_MAX_JSON_DEPTH)
            steps[i] = p;
    }
    return n < PROV_MAX_JSON_DEPTH ? n : PROV_MAX_JSON_DEPTH;
}

/* Where the last step's nth match begins; earlier steps mean their first match. */
static const uint8_t *locate(struct prov_span text, const struct prov_json_path *const *steps,
                             size_t n, unsigned nth)
{
    struct prov_scan s = prov_scan_start(text, NULL);
    const uint8_t *found, *member;

    prov_scan_space(&s);
    found = s.p;
    for (size_t i = 0; i < n && s.p < s.end; i++) {
        member = descend(&s, steps[i], i + 1 == n ? nth : 0);
        if (member == NULL)
            break;
        found = member;
    }
    return found;
}

static void write_path(const struct prov_json_path *const *steps, size_t n, char *out, size_t cap)
{
    size_t used = 0;
    int more;

    out[0] = '\0';
    for (size_t i = 0; i < n && used < cap; i++) {
        if (steps[i]->key != NULL)
            more = snprintf(out + used, cap - used, "%s%s", i == 0 ? "" : ".", steps[i]->key);
        else
            more = snprintf(out + used, cap - used, "[%zu]", steps[i]->index);
        used += more > 0 ? (size_t)more : 0;
    }
    for (char *c = out; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~')
            *c = '?';
    }
}

static void place_path(struct prov_err *err, struct prov_span text, const struct prov_json_path *at,
                       unsigned nth)
{
    const struct prov_json_path *steps[PROV_MAX_JSON_DEPTH];
    const size_t n = steps_of(at, steps);

    prov_scan_place(err, text, locate(text, steps, n, nth));
    write_path(steps, n, err->path, sizeof err->path);
}

enum prov_rc prov_json_vfail(struct prov_err *err, enum prov_rc rc, const char *code,
                             struct prov_span text, const struct prov_json_path *at,
                             const char *fmt, va_list args)
{
    if (err == NULL)
        return rc;
    (void)prov_fail(err, rc, code, "%s", "");
    (void)vsnprintf(err->text, sizeof err->text, fmt, args);
    place_path(err, text, at, 0);
    return rc;
}

enum prov_rc prov_json_fail(struct prov_err *err, enum prov_rc rc, const char *code,
                            struct prov_span text, const struct prov_json_path *at, const char *fmt,
                            ...)
{
    va_list args;

    va_start(args, fmt);
    rc = prov_json_vfail(err, rc, code, text, at, fmt, args);
    va_end(args);
    return rc;
}

/* ---- what needs decoded values --------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

/* Sorting keeps an object of many thousand keys from costing their square. */
static enum prov_rc check_keys(const cJSON *object, struct prov_span text,
                               const struct prov_json_path *at, struct prov_err *err)
{
    const size_t n = (size_t)cJSON_GetArraySize(object);
    enum prov_rc rc = PROV_OK;
    const char **keys;
    const cJSON *m;
    size_t i = 0;

    if (n < 2)
        return PROV_OK;
    keys = malloc(n * sizeof *keys);
    if (keys == NULL)
        return prov_nomem(err);
    cJSON_ArrayForEach(m, object) keys[i++] = m->string;
    qsort(keys, n, sizeof *keys, by_name);
    for (i = 1; i < n && rc == PROV_OK; i++) {
        const struct prov_json_path twice = { .up = at, .key = keys[i] };

        if (strcmp(keys[i - 1], keys[i]) != 0)
            continue;
        rc = prov_json_fail(err, PROV_EINVAL, bad_json, text, &twice, "the same key twice");
        if (err != NULL)
            place_path(err, text, &twice, 1);
    }
    free(keys);
    return rc;
}

static enum prov_rc check_tree(const cJSON *v, struct prov_span text,
                               const struct prov_json_path *at, struct prov_err *err)
{
    struct prov_json_path step = { .up = at };
    enum prov_rc rc = PROV_OK;
    const cJSON *m;

    if (cJSON_IsNumber(v) && !isfinite(v->valuedouble))
        return prov_json_fail(err, PROV_EINVAL, bad_json, text, at, "a number out of range");
    if (cJSON_IsObject(v))
        rc = check_keys(v, text, at, err);
    cJSON_ArrayForEach(m, v)
    {
        step.key = m->string;
        if (rc == PROV_OK)
            rc = check_tree(m, text, &step, err);
        step.index++;
    }
    return rc;
}

enum prov_rc prov_json_parse(struct prov_span text, size_t max_bytes, cJSON **out,
                             struct prov_err *err)
{
    enum prov_rc rc;
    cJSON *tree;

    *out = NULL;
    if (text.n > max_bytes)
        return prov_fail(err, PROV_ETOOBIG, bad_json, "%zu bytes of JSON; %zu are allowed", text.n,
                         max_bytes);
    if (text.n == 0)
        text = PROV_LIT("");
    rc = prov_scan_document(text, err);
    if (rc != PROV_OK)
        return rc;
    /* nothing that the scan accepts is refused by cJSON, so only memory can be missing */
    tree = cJSON_ParseWithLengthOpts((const char *)text.p, text.n, NULL, 0);
    if (tree == NULL)
        return prov_nomem(err);
    rc = check_tree(tree, text, NULL, err);
    if (rc != PROV_OK) {
        cJSON_Delete(tree);
        return rc;
    }
    *out = tree;
    return PROV_OK;
}
