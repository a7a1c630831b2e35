/*
 * What a hook's operator and the hook itself hand us, by the first byte: "S" and a spec; "A" or "P"
 * and the answer of an activation or pre-provisioning hook; "R" and a request's fields, cut at NUL
 * bytes.
 *
 * An accepted spec is an absolute path without a way up or an https URL with a host, of characters
 * that can do no harm, and it is accepted again. An accepted answer says ACTIVATE only where the
 * text says so, has names that the registry accepts and parameters that a template takes; written
 * anew and read again it says the same. A mistake has its place. A request is strict JSON that says
 * what it was made of.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/hook.h"
#include "core/json.h"
#include "core/names.h"

#define MAX_PARAMS 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

/* ---- specs ----------------------------------------------------------------------------------- */

static bool has_byte(struct prov_span s, uint8_t byte)
{
    return s.n != 0 && memchr(s.p, byte, s.n) != NULL;
}

static void check_path(struct prov_span path)
{
    must(path.n >= 2 && path.p[0] == '/' && path.p[path.n - 1] != '/' && prov_utf8_valid(path));
    for (size_t i = 0; i < path.n; i++) {
        must(path.p[i] >= ' ' && path.p[i] != 0x7f);
        must(i + 2 >= path.n || memcmp(path.p + i, "/..", 3) != 0 ||
             (i + 3 < path.n && path.p[i + 3] != '/'));
    }
}

static void check_url(struct prov_span url)
{
    struct prov_span host;

    must(prov_span_starts(url, PROV_LIT("https://")));
    for (size_t i = 0; i < url.n; i++)
        must(url.p[i] > ' ' && url.p[i] < 0x7f && strchr("\"<>\\^`{|}#", url.p[i]) == NULL);
    host = prov_span(url.p + 8, url.n - 8);
    for (size_t i = 0; i < host.n; i++) {
        if (host.p[i] == '/' || host.p[i] == '?')
            host.n = i;
    }
    must(host.n != 0 && host.p[0] != ':' && !has_byte(host, '@') && !has_byte(host, '%'));
}

static void try_spec(struct prov_span text)
{
    struct prov_err err = { .rc = PROV_OK };
    struct prov_hook_spec spec, again;
    const enum prov_rc rc = prov_hook_spec_parse(text, &spec, &err);

    must(prov_hook_spec_parse(text, &again, NULL) == rc);
    if (rc != PROV_OK) {
        must((rc == PROV_EINVAL || rc == PROV_ETOOBIG) && err.rc == rc && err.text[0] != '\0');
        must((rc == PROV_ETOOBIG) == (text.n > PROV_MAX_HOOK));
        return;
    }
    must(spec.target.p + spec.target.n == text.p + text.n);
    if (spec.kind == PROV_HOOK_EXEC)
        check_path(spec.target);
    else
        check_url(spec.target);
}

/* ---- answers --------------------------------------------------------------------------------- */

static bool says(const cJSON *doc, const char *key, const char *word)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(doc, key);

    return word == NULL ? cJSON_IsTrue(item)
                        : cJSON_IsString(item) && strcmp(item->valuestring, word) == 0;
}

static void check_decision(struct prov_span text, enum prov_hook_use use,
                           const struct prov_hook_answer *a)
{
    cJSON *doc = NULL;
    bool allow;

    must(prov_json_parse(text, PROV_MAX_HOOK_ANSWER, &doc, NULL) == PROV_OK);
    allow = says(doc, "allowProvisioning", NULL);
    must(allow || use == PROV_HOOK_ACTIVATION || a->decision == PROV_HOOK_REJECT);
    must((a->decision == PROV_HOOK_ACTIVATE) == (allow || says(doc, "decision", "activate")));
    must((a->decision == PROV_HOOK_LEAVE) == says(doc, "decision", "leave"));
    must(!allow || (!says(doc, "decision", "leave") && !says(doc, "decision", "reject")));
    cJSON_Delete(doc);
}

static void check_name(enum prov_name_kind kind, struct prov_span name)
{
    must(name.n == 0 || prov_name_check(kind, name, NULL) == PROV_OK);
}

static void check_answer(enum prov_hook_use use, const struct prov_hook_answer *a)
{
    must(a->message.n <= PROV_MAX_HOOK_MESSAGE && prov_utf8_valid(a->message));
    check_name(PROV_NAME_THING, a->thing_name);
    check_name(PROV_NAME_TEMPLATE, a->template_name);
    must(a->n_policies <= PROV_MAX_CERT_POLICIES);
    for (size_t i = 0; i < a->n_policies; i++) {
        must(a->policies[i].n != 0);
        check_name(PROV_NAME_POLICY, a->policies[i]);
    }
    must(a->template_name.n == 0 || (a->thing_name.n == 0 && a->n_policies == 0));
    must(use == PROV_HOOK_ACTIVATION ||
         (a->thing_name.n == 0 && a->template_name.n == 0 && a->n_policies == 0));
    must(a->overrides.n <= PROV_MAX_HOOK_OVERRIDES);
    for (size_t i = 0; i < a->overrides.n; i++) {
        const struct prov_param *p = &a->overrides.v[i];

        must(p->name.n != 0 && p->name.n <= PROV_MAX_PARAM_NAME && prov_utf8_valid(p->name));
        must(p->value.n <= PROV_MAX_PARAM_VALUE && prov_utf8_valid(p->value));
        for (size_t k = 0; k < i; k++)
            must(!prov_span_eq(p->name, a->overrides.v[k].name));
    }
}

static cJSON *string_of(struct prov_span s)
{
    char *copy = prov_span_dup(s);
    cJSON *item;

    must(copy != NULL);
    item = cJSON_CreateString(copy);
    must(item != NULL);
    free(copy);
    return item;
}

static cJSON *write_answer(enum prov_hook_use use, const struct prov_hook_answer *a)
{
    static const char *const words[] = { "activate", "leave", "reject" };
    cJSON *doc = cJSON_CreateObject(), *map, *list;

    must(cJSON_AddBoolToObject(doc, "allowProvisioning", a->decision == PROV_HOOK_ACTIVATE) !=
         NULL);
    if (use == PROV_HOOK_ACTIVATION)
        must(cJSON_AddStringToObject(doc, "decision", words[a->decision]) != NULL);
    must(cJSON_AddItemToObject(doc, "message", string_of(a->message)));
    if (a->thing_name.n != 0)
        must(cJSON_AddItemToObject(doc, "thingName", string_of(a->thing_name)));
    if (a->template_name.n != 0)
        must(cJSON_AddItemToObject(doc, "templateName", string_of(a->template_name)));
    list = a->n_policies == 0 ? NULL : cJSON_AddArrayToObject(doc, "policyNames");
    for (size_t i = 0; i < a->n_policies; i++)
        must(cJSON_AddItemToArray(list, string_of(a->policies[i])));
    map = cJSON_AddObjectToObject(doc, "parameterOverrides");
    for (size_t i = 0; i < a->overrides.n; i++) {
        char *name = prov_span_dup(a->overrides.v[i].name);

        must(name != NULL && cJSON_AddItemToObject(map, name, string_of(a->overrides.v[i].value)));
        free(name);
    }
    return doc;
}

static void check_same(const struct prov_hook_answer *a, const struct prov_hook_answer *b)
{
    must(a->decision == b->decision && prov_span_eq(a->message, b->message));
    must(prov_span_eq(a->thing_name, b->thing_name));
    must(prov_span_eq(a->template_name, b->template_name));
    must(a->n_policies == b->n_policies && a->overrides.n == b->overrides.n);
    for (size_t i = 0; i < a->n_policies; i++)
        must(prov_span_eq(a->policies[i], b->policies[i]));
    for (size_t i = 0; i < a->overrides.n; i++) {
        must(prov_span_eq(a->overrides.v[i].name, b->overrides.v[i].name));
        must(prov_span_eq(a->overrides.v[i].value, b->overrides.v[i].value));
    }
}

static void check_again(enum prov_hook_use use, const struct prov_hook_answer *a)
{
    struct prov_hook_answer *again;
    cJSON *doc = write_answer(use, a);
    char *text = cJSON_PrintUnformatted(doc);

    must(text != NULL);
    if (strlen(text) <= PROV_MAX_HOOK_ANSWER) { /* escapes may be longer than what they stand for */
        must(prov_hook_answer_parse(prov_span_str(text), use, &again, NULL) == PROV_OK);
        check_same(a, again);
        prov_hook_answer_free(again);
    }
    cJSON_free(text);
    cJSON_Delete(doc);
}

static void try_answer(struct prov_span text, enum prov_hook_use use)
{
    struct prov_err err = { .rc = PROV_OK };
    struct prov_hook_answer *answer;
    const enum prov_rc rc = prov_hook_answer_parse(text, use, &answer, &err);

    must((rc == PROV_OK) == (answer != NULL));
    if (rc != PROV_OK) {
        must(err.rc == rc && err.text[0] != '\0');
        must(rc == PROV_ETOOBIG || (rc == PROV_EINVAL && err.line != 0 && err.col != 0));
        return;
    }
    check_decision(text, use, answer);
    check_answer(use, answer);
    check_again(use, answer);
    prov_hook_answer_free(answer);
}

/* ---- requests -------------------------------------------------------------------------------- */

static struct prov_span next_piece(struct prov_span *left)
{
    const uint8_t *end = left->n == 0 ? NULL : memchr(left->p, '\0', left->n);
    const struct prov_span piece =
        prov_span(left->p, end == NULL ? left->n : (size_t)(end - left->p));

    *left = end == NULL ? prov_span(NULL, 0) : prov_span(end + 1, left->n - piece.n - 1);
    return piece;
}

/* What is UTF-8 arrives as it was. */
static void check_field(const cJSON *doc, const char *key, struct prov_span value)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(doc, key);

    must((item == NULL) == (value.n == 0) && (item == NULL || cJSON_IsString(item)));
    if (item != NULL)
        must(prov_span_eq_str(value, item->valuestring) == prov_utf8_valid(value));
}

/* Another behind it has the same name, or one that is written with U+FFFD and so might be the same.
 */
static bool may_be_replaced(struct prov_params params, size_t i)
{
    for (size_t k = i + 1; k < params.n; k++) {
        if (prov_span_eq(params.v[k].name, params.v[i].name) || !prov_utf8_valid(params.v[k].name))
            return true;
    }
    return false;
}

static void check_params(const cJSON *map, struct prov_params params)
{
    must(cJSON_IsObject(map) && (size_t)cJSON_GetArraySize(map) <= params.n);
    must(params.n == 0 || map->child != NULL);
    for (size_t i = 0; i < params.n; i++) {
        const struct prov_param *p = &params.v[i];
        const cJSON *item;
        char *name;

        if (may_be_replaced(params, i) || !prov_utf8_valid(p->name) || !prov_utf8_valid(p->value))
            continue;
        name = prov_span_dup(p->name);
        must(name != NULL);
        item = cJSON_GetObjectItemCaseSensitive(map, name);
        must(cJSON_IsString(item) && prov_span_eq_str(p->value, item->valuestring));
        free(name);
    }
}

static void try_request(struct prov_span left)
{
    struct prov_param v[MAX_PARAMS];
    struct prov_hook_request request = { .parameters = { v, 0 } };
    struct prov_buf out;
    cJSON *doc = NULL;

    request.certificate_id = next_piece(&left);
    request.certificate_pem = next_piece(&left);
    request.ca_certificate_id = next_piece(&left);
    request.template_arn = next_piece(&left);
    request.client_id = next_piece(&left);
    while (left.n != 0 && request.parameters.n < MAX_PARAMS) {
        v[request.parameters.n].name = next_piece(&left);
        v[request.parameters.n++].value = next_piece(&left);
    }
    prov_buf_init(&out, (size_t)1 << 20);
    if (prov_hook_request_json(&request, &out) == PROV_OK) {
        must(prov_json_parse(prov_buf_span(&out), out.max, &doc, NULL) == PROV_OK);
        check_field(doc, "certificateId", request.certificate_id);
        check_field(doc, "certificatePem", request.certificate_pem);
        check_field(doc, "caCertificateId", request.ca_certificate_id);
        check_field(doc, "templateArn", request.template_arn);
        check_field(doc, "clientId", request.client_id);
        check_params(cJSON_GetObjectItemCaseSensitive(doc, "parameters"), request.parameters);
        cJSON_Delete(doc);
    }
    prov_buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct prov_span text;

    if (size == 0)
        return 0;
    text = prov_span(data + 1, size - 1);
    switch (data[0]) {
    case 'S':
        try_spec(text);
        break;
    case 'A':
        try_answer(text, PROV_HOOK_ACTIVATION);
        break;
    case 'P':
        try_answer(text, PROV_HOOK_PRE_PROVISIONING);
        break;
    case 'R':
        try_request(text);
        break;
    default:
        break;
    }
    return 0;
}
