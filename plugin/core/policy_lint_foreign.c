/*
 * Texts that look like variables and are none: %c and %u of acl_file and dynamic-security, {{name}}
 * of template engines, <name> of manuals, and ${name} with a slip of the pen.
 */
#include "policy_lint_priv.h"

#include <stdio.h>

struct foreign {
    size_t at, n;
    char right[160]; /* empty: not known */
};

static bool is_text_variable(const char *name, struct pol_var *var)
{
    return prov_pol_var_parse(prov_span_str(name), var) && !var->list &&
           var->kind != POL_CERT_KEYS && !prov_pol_var_of_request(var);
}

/* "thing_name" is taken for "thingname". */
static void drop_marks(struct prov_span name, char *out, size_t cap)
{
    size_t n = 0;

    for (size_t i = 0; i < name.n && n + 1 < cap; i++) {
        if (name.p[i] != '_' && name.p[i] != '-' && name.p[i] != ' ')
            out[n++] = (char)name.p[i];
    }
    out[n] = '\0';
}

/* A variable by a name such as "iot:ClientId", "ClientId" or "thing_name". */
static void find_variable(struct prov_span name, struct foreign *out)
{
    static const char *const usual[] = { "iot:ClientId", "iot:Connection.Thing.ThingName",
                                         "iot:Connection.Thing.ThingTypeName", "iot:CertificateId",
                                         "iot:Certificate.Subject.CommonName" };
    char plain[64];
    struct pol_var var;

    if (!prov_span_copy(name, plain, sizeof plain))
        return;
    if (is_text_variable(plain, &var)) {
        (void)snprintf(out->right, sizeof out->right, "${%s}", plain);
        return;
    }
    drop_marks(name, plain, sizeof plain);
    for (size_t i = 0; i < PROV_COUNT(usual); i++) {
        const char *const dot = strrchr(usual[i], '.');
        const char *const last = dot != NULL ? dot + 1 : usual[i] + strlen("iot:");

        if (prov_span_eq_nocase(prov_span_str(plain), prov_span_str(last)))
            (void)snprintf(out->right, sizeof out->right, "${%s}", usual[i]);
    }
}

static bool ends_level(struct prov_span s, size_t i)
{
    return i == s.n || s.p[i] == '/' || s.p[i] == '*';
}

static bool begins_level(struct prov_span s, size_t i)
{
    return i == 0 || s.p[i - 1] == '/' || s.p[i - 1] == ':';
}

/* %c and %u of acl_file and dynamic-security. */
static bool is_percent(struct prov_span s, size_t i, struct foreign *out)
{
    if (s.n - i < 2 || s.p[i] != '%' || (s.p[i + 1] != 'c' && s.p[i + 1] != 'u') ||
        !begins_level(s, i) || !ends_level(s, i + 2))
        return false;
    *out = (struct foreign){ .at = i, .n = 2 };
    (void)snprintf(out->right, sizeof out->right, "%s",
                   s.p[i + 1] == 'c' ? "${iot:ClientId}" : "${iot:Connection.Thing.ThingName}");
    return true;
}

/* A name between an opening and a closing text that the language of policies does not have. */
static bool is_bracketed(struct prov_span s, size_t i, const char *open, const char *close,
                         struct foreign *out)
{
    const struct prov_span begin = prov_span_str(open), end = prov_span_str(close);
    const struct prov_span left = prov_span(s.p + i, s.n - i);
    const uint8_t *found;
    struct prov_span name;

    if (!prov_span_starts(left, begin))
        return false;
    found = memmem(left.p + begin.n, left.n - begin.n, end.p, end.n);
    if (found == NULL)
        return false;
    name = prov_span(left.p + begin.n, (size_t)(found - left.p) - begin.n);
    *out = (struct foreign){ .at = i, .n = begin.n + name.n + end.n };
    find_variable(name, out);
    return true;
}

static bool find_foreign(struct prov_span s, size_t from, struct foreign *out)
{
    size_t n;

    for (size_t i = from; i < s.n; i += n) {
        n = prov_lint_var_length(prov_span(s.p + i, s.n - i));
        if (n != 0)
            continue;
        n = 1;
        if (is_percent(s, i, out) || is_bracketed(s, i, "{{", "}}", out))
            return true;
        /* these are ordinary characters but around the name of a variable */
        if ((is_bracketed(s, i, "$(", ")", out) || is_bracketed(s, i, "{", "}", out)) &&
            out->right[0] != '\0' && memchr(s.p + i, ':', out->n) != NULL)
            return true;
        if (begins_level(s, i) && is_bracketed(s, i, "<", ">", out) && out->n > 2 &&
            ends_level(s, i + out->n) && memchr(s.p + i, '/', out->n) == NULL)
            return true;
    }
    return false;
}

static const char variables_form[] =
    "variables are written ${iot:ClientId}, ${iot:Connection.Thing.ThingName}, …";

static void foreign_text(struct lint *l, const struct lint_place *p, struct prov_span text)
{
    struct prov_policy_warning *w;
    struct foreign f, first;
    struct prov_buf right;
    size_t done = 0;
    bool known = true;

    if (!find_foreign(text, 0, &first))
        return;
    prov_buf_init(&right, LINT_CURE_MAX);
    while (find_foreign(text, done, &f)) {
        known = known && f.right[0] != '\0';
        prov_buf_add(&right, prov_span(text.p + done, f.at - done));
        prov_buf_add_str(&right, f.right);
        done = f.at + f.n;
    }
    prov_buf_add(&right, prov_span(text.p + done, text.n - done));
    if (!known && right.rc == PROV_OK)
        prov_buf_clear(&right);
    w = prov_lint_warn(l, p, "\"%s\" is no policy variable: it is taken as it stands",
                       prov_pol_show(prov_span(text.p + first.at, first.n)).s);
    prov_lint_cure_text(l, w, "", &right, "", variables_form);
}

void prov_lint_foreign_pattern(struct lint *l, const struct lint_stmt *s)
{
    struct lint_place p;
    size_t i;

    for (i = 0; i < s->n_resources; i++) {
        prov_lint_at_resource(l, s, i, &p);
        foreign_text(l, &p, s->resources[i].text);
    }
    for (size_t c = 0; c < s->n_conds; c++) {
        const cJSON *v = prov_pol_first(s->conds[c].key);

        for (i = 0; v != NULL; i++, v = prov_pol_next(s->conds[c].key, v)) {
            prov_lint_at_value(l, s, &s->conds[c], i, &p);
            if (cJSON_IsString(v))
                foreign_text(l, &p, prov_span_str(v->valuestring));
        }
    }
}
