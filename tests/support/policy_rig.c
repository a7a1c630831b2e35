#include "support/policy_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

void policy_device_add(struct policy_device *d, struct prov_values *field, const char *value)
{
    assert_true(d->n_values < PROV_COUNT(d->values));
    if (field->n == 0)
        field->v = &d->values[d->n_values];
    assert_ptr_equal(&field->v[field->n], &d->values[d->n_values]);
    field->v[field->n++] = prov_span_str(value);
    d->n_values++;
}

void policy_device_init(struct policy_device *d)
{
    const struct prov_attr attrs[] = {
        { PROV_LIT("room"), PROV_LIT("kitchen") },
        { PROV_LIT("level"), PROV_LIT("42.50") },
        { PROV_LIT("since"), PROV_LIT("2024-02-29T12:00:00Z") },
        { PROV_LIT("ready"), PROV_LIT("True") },
        { PROV_LIT("owner"), PROV_LIT("#1/a:b") },
        { PROV_LIT("empty"), PROV_LIT("") },
        { PROV_LIT("a.b@c"), PROV_LIT("odd") },
        { PROV_LIT("arn"), PROV_LIT(ARN "thing/x:y") },
    };

    memset(d, 0, sizeof *d);
    memcpy(d->attrs, attrs, sizeof attrs);
    d->facts = (struct prov_policy_facts){
        .client_id = PROV_LIT("dev1"),
        .source_ip = PROV_LIT("203.0.113.7"),
        .domain_name = PROV_LIT("iot.example.com"),
        .certificate_id = PROV_LIT("c0ffee"),
        .ident = &d->ident,
        .thing_name = PROV_LIT("thing1"),
        .thing_type = PROV_LIT("lamp"),
        .attrs = d->attrs,
        .n_attrs = PROV_COUNT(attrs),
        .thing_attached = true,
    };
    d->ident.serial_hex = PROV_LIT("1f2e");
    policy_device_add(d, &d->ident.dn[PROV_SUBJECT][PROV_DN_COMMON_NAME], "first");
    policy_device_add(d, &d->ident.dn[PROV_SUBJECT][PROV_DN_COMMON_NAME], "second");
    policy_device_add(d, &d->ident.dn[PROV_SUBJECT][PROV_DN_COMMON_NAME], "third");
    policy_device_add(d, &d->ident.dn[PROV_SUBJECT][PROV_DN_ORGANIZATION], "Example Corp");
    policy_device_add(d, &d->ident.dn[PROV_SUBJECT][PROV_DN_ORGANIZATION], "AnyCompany");
    policy_device_add(d, &d->ident.dn[PROV_SUBJECT][PROV_DN_SERIAL_NUMBER], "sn-7");
    policy_device_add(d, &d->ident.dn[PROV_ISSUER][PROV_DN_COMMON_NAME], "Factory CA");
    policy_device_add(d, &d->ident.alt[PROV_SUBJECT][PROV_ALT_DNS], "dev1.example.com");
    policy_device_add(d, &d->ident.alt[PROV_SUBJECT][PROV_ALT_DNS], "alias.example.com");
    policy_device_add(d, &d->ident.alt[PROV_SUBJECT][PROV_ALT_DIRECTORY], "CN=a, O=b");
}

void policy_text_write(struct policy_text *t, const char *quoted)
{
    unsigned line = 1, col = 1;
    size_t n = 0;

    t->line = t->col = 0;
    for (const char *c = quoted; *c != '\0'; c++) {
        assert_true(n + 1 < sizeof t->json);
        if (*c == '^') {
            t->line = line;
            t->col = col;
            continue;
        }
        t->json[n++] = *c == '\'' ? '"' : *c;
        col = *c == '\n' ? 1 : col + 1;
        line += *c == '\n';
    }
    t->json[n] = '\0';
}

char *policy_file(const char *name)
{
    char path[512], *text = NULL;
    size_t cap = 0;
    FILE *f;

    (void)snprintf(path, sizeof path, "%s/templates/policies/%s", PROV_SOURCE_DIR, name);
    f = fopen(path, "r");
    assert_non_null(f);
    assert_true(getdelim(&text, &cap, '\0', f) > 0);
    assert_int_equal(fclose(f), 0);
    return text;
}

struct prov_policy_set *policy_set(const char *const *quoted, size_t n)
{
    const struct prov_policy_scope scope = { PROV_LIT("eu-central-1"), PROV_LIT("123456789012") };
    struct prov_policy_doc *docs[128] = { NULL };
    struct policy_text *const text = malloc(sizeof *text);
    struct prov_policy_set *set;
    struct prov_err err;

    assert_non_null(text);
    assert_true(n <= PROV_COUNT(docs));
    for (size_t i = 0; i < n; i++) {
        policy_text_write(text, quoted[i]);
        if (prov_policy_parse(prov_span_str(text->json), &docs[i], &err) != PROV_OK)
            fail_msg("%s\n%u:%u %s: %s", text->json, err.line, err.col, err.path, err.text);
    }
    free(text);
    assert_int_equal(prov_policy_set_new(docs, n, &scope, &set), PROV_OK);
    for (size_t i = 0; i < n; i++)
        prov_policy_doc_unref(docs[i]);
    return set;
}

struct prov_policy *policy_session(const char *const *quoted, size_t n,
                                   const struct policy_device *d)
{
    struct prov_policy_set *const set = policy_set(quoted, n);
    struct prov_policy *pol;

    assert_int_equal(prov_policy_new(set, &d->facts, &pol), PROV_OK);
    prov_policy_set_unref(set);
    return pol;
}

enum prov_verdict policy_verdict(const struct prov_policy *pol,
                                 const struct prov_policy_request *req)
{
    const enum prov_verdict verdict = prov_policy_decide(pol, req);

    assert_string_equal(prov_verdict_name(prov_policy_explain(pol, req, NULL, NULL)),
                        prov_verdict_name(verdict));
    return verdict;
}

enum prov_verdict policy_ask(const char *quoted, const struct policy_device *d,
                             const struct prov_policy_request *req)
{
    struct prov_policy *const pol = policy_session(&quoted, 1, d);
    struct prov_policy_request exact = *req;
    uint8_t *const name = malloc(req->name.n == 0 ? 1 : req->name.n);
    enum prov_verdict verdict;

    assert_non_null(name);
    if (req->name.n != 0) {
        memcpy(name, req->name.p, req->name.n);
        exact.name.p = name;
    }
    verdict = policy_verdict(pol, &exact);
    free(name);
    prov_policy_free(pol);
    return verdict;
}
