#include "hook.h"

#include <stdlib.h>

#include "json.h"
#include "names.h"

static const char bad_answer[] = "InvalidRequestException";

/* What is handed out, and what its texts point into. */
struct whole_answer {
    struct prov_hook_answer answer; /* first: prov_hook_answer_free is given this */
    cJSON *doc;
    struct prov_param overrides[];
};

/* An answer being read. */
struct reader {
    struct prov_span text;
    const cJSON *doc;
    struct prov_err *err;
};

static const cJSON *member(const struct reader *r, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(r->doc, key);
}

static PROV_PRINTF(3, 4) enum prov_rc
    wrong(const struct reader *r, const struct prov_json_path *at, const char *fmt, ...)
{
    enum prov_rc rc;
    va_list args;

    va_start(args, fmt);
    rc = prov_json_vfail(r->err, PROV_EINVAL, bad_answer, r->text, at, fmt, args);
    va_end(args);
    return rc;
}

/* ---- the decision ---------------------------------------------------------------------------- */

static const char *const decisions[] = {
    [PROV_HOOK_ACTIVATE] = "activate",
    [PROV_HOOK_LEAVE] = "leave",
    [PROV_HOOK_REJECT] = "reject",
};

static bool decision_of(const cJSON *word, enum prov_hook_decision *out)
{
    for (size_t i = 0; cJSON_IsString(word) && i < PROV_COUNT(decisions); i++) {
        if (strcmp(word->valuestring, decisions[i]) != 0)
            continue;
        *out = (enum prov_hook_decision)i;
        return true;
    }
    return false;
}

static enum prov_rc read_decision(const struct reader *r, enum prov_hook_use use,
                                  enum prov_hook_decision *out)
{
    static const struct prov_json_path at_allow = { .key = "allowProvisioning" };
    static const struct prov_json_path at_word = { .key = "decision" };
    const bool activation = use == PROV_HOOK_ACTIVATION;
    const cJSON *allow = member(r, at_allow.key), *word = member(r, at_word.key);

    if (allow == NULL && (word == NULL || !activation))
        return wrong(r, NULL, "%s",
                     activation ? "it says neither allowProvisioning nor decision"
                                : "it does not say allowProvisioning");
    if (allow != NULL && !cJSON_IsBool(allow))
        return wrong(r, &at_allow, "allowProvisioning is true or false");
    *out = cJSON_IsTrue(allow) ? PROV_HOOK_ACTIVATE : PROV_HOOK_REJECT;
    if (word == NULL)
        return PROV_OK;
    if (!decision_of(word, out) || (*out == PROV_HOOK_LEAVE && !activation))
        return wrong(r, &at_word, "%s",
                     activation ? "decision is \"activate\", \"leave\" or \"reject\""
                                : "decision is \"activate\" or \"reject\"");
    if (allow != NULL && cJSON_IsTrue(allow) != (*out == PROV_HOOK_ACTIVATE))
        return wrong(r, &at_word, "allowProvisioning and decision do not agree");
    return PROV_OK;
}

/* ---- texts and names ------------------------------------------------------------------------- */

/* Left alone when the member is not there. */
static enum prov_rc read_text(const struct reader *r, const char *key, struct prov_span *out)
{
    const struct prov_json_path at = { .key = key };
    const cJSON *item = member(r, key);

    if (item == NULL)
        return PROV_OK;
    if (!cJSON_IsString(item))
        return wrong(r, &at, "%s is a string", key);
    *out = prov_span_str(item->valuestring);
    return PROV_OK;
}

static enum prov_rc check_name(const struct reader *r, const struct prov_json_path *at,
                               enum prov_name_kind kind, struct prov_span name)
{
    struct prov_err why;

    if (prov_name_check(kind, name, &why) == PROV_OK)
        return PROV_OK;
    return wrong(r, at, "%s", why.text);
}

static enum prov_rc read_name(const struct reader *r, const char *key, enum prov_name_kind kind,
                              struct prov_span *out)
{
    const struct prov_json_path at = { .key = key };
    const enum prov_rc rc = read_text(r, key, out);

    if (rc != PROV_OK || member(r, key) == NULL)
        return rc;
    return check_name(r, &at, kind, *out);
}

/* Cut between characters: what is behind the text is one character's further byte (10xxxxxx) while
 * the cut is within it. */
static enum prov_rc read_message(const struct reader *r, struct prov_span *out)
{
    const enum prov_rc rc = read_text(r, "message", out);

    if (rc != PROV_OK || out->n <= PROV_MAX_HOOK_MESSAGE)
        return rc;
    out->n = PROV_MAX_HOOK_MESSAGE;
    while (out->n != 0 && (out->p[out->n] & 0xc0) == 0x80)
        out->n--;
    return PROV_OK;
}

static enum prov_rc read_policies(const struct reader *r, struct prov_hook_answer *out)
{
    const struct prov_json_path list = { .key = "policyNames" };
    struct prov_json_path at = { .up = &list };
    const cJSON *names = member(r, list.key), *name;
    enum prov_rc rc;

    if (names == NULL)
        return PROV_OK;
    if (!cJSON_IsArray(names))
        return wrong(r, &list, "policyNames is an array of strings");
    cJSON_ArrayForEach(name, names)
    {
        at.index = out->n_policies;
        if (!cJSON_IsString(name))
            return wrong(r, &at, "policyNames is an array of strings");
        if (out->n_policies == PROV_MAX_CERT_POLICIES)
            return wrong(r, &at, "more than %d policies", PROV_MAX_CERT_POLICIES);
        rc = check_name(r, &at, PROV_NAME_POLICY, prov_span_str(name->valuestring));
        if (rc != PROV_OK)
            return rc;
        out->policies[out->n_policies++] = prov_span_str(name->valuestring);
    }
    return PROV_OK;
}

static enum prov_rc read_names(const struct reader *r, struct prov_hook_answer *out)
{
    static const struct prov_json_path at_template = { .key = "templateName" };
    enum prov_rc rc;

    rc = read_name(r, "thingName", PROV_NAME_THING, &out->thing_name);
    if (rc == PROV_OK)
        rc = read_name(r, at_template.key, PROV_NAME_TEMPLATE, &out->template_name);
    if (rc == PROV_OK)
        rc = read_policies(r, out);
    if (rc != PROV_OK || member(r, at_template.key) == NULL)
        return rc;
    if (member(r, "thingName") != NULL || member(r, "policyNames") != NULL)
        return wrong(r, &at_template,
                     "templateName decides thing and policies: thingName and policyNames do not go "
                     "with it");
    return PROV_OK;
}

/* ---- parameters ------------------------------------------------------------------------------ */

static enum prov_rc read_override(const struct reader *r, const struct prov_json_path *map,
                                  const cJSON *item, struct prov_param *out)
{
    const struct prov_json_path at = { .up = map, .key = item->string };

    if (!cJSON_IsString(item))
        return wrong(r, &at, "parameterOverrides is an object of strings");
    *out = (struct prov_param){ prov_span_str(item->string), prov_span_str(item->valuestring) };
    if (out->name.n == 0 || out->name.n > PROV_MAX_PARAM_NAME)
        return wrong(r, &at, "a parameter's name has 1 to %d bytes, this one %zu",
                     PROV_MAX_PARAM_NAME, out->name.n);
    if (out->value.n > PROV_MAX_PARAM_VALUE)
        return wrong(r, &at, "the value has %zu bytes; %d are allowed", out->value.n,
                     PROV_MAX_PARAM_VALUE);
    return PROV_OK;
}

/* out has room for all of the map. */
static enum prov_rc read_overrides(const struct reader *r, struct prov_param *out, size_t *n)
{
    static const struct prov_json_path at = { .key = "parameterOverrides" };
    const cJSON *map = member(r, at.key), *item;
    enum prov_rc rc;

    cJSON_ArrayForEach(item, map)
    {
        rc = read_override(r, &at, item, &out[*n]);
        if (rc != PROV_OK)
            return rc;
        ++*n;
    }
    return PROV_OK;
}

static enum prov_rc count_overrides(const struct reader *r, size_t *out)
{
    static const struct prov_json_path at = { .key = "parameterOverrides" };
    const cJSON *map = member(r, at.key);

    *out = 0;
    if (map == NULL)
        return PROV_OK;
    if (!cJSON_IsObject(map))
        return wrong(r, &at, "parameterOverrides is an object of strings");
    *out = (size_t)cJSON_GetArraySize(map);
    if (*out > PROV_MAX_HOOK_OVERRIDES)
        return wrong(r, &at, "%zu parameters; %d are allowed", *out, PROV_MAX_HOOK_OVERRIDES);
    return PROV_OK;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static enum prov_rc read_answer(const struct reader *r, enum prov_hook_use use,
                                struct whole_answer *whole)
{
    struct prov_hook_answer *a = &whole->answer;
    enum prov_rc rc;

    a->overrides.v = whole->overrides;
    rc = read_decision(r, use, &a->decision);
    if (rc == PROV_OK)
        rc = read_message(r, &a->message);
    if (rc == PROV_OK)
        rc = read_overrides(r, whole->overrides, &a->overrides.n);
    if (rc == PROV_OK && use == PROV_HOOK_ACTIVATION)
        rc = read_names(r, a);
    return rc;
}

enum prov_rc prov_hook_answer_parse(struct prov_span text, enum prov_hook_use use,
                                    struct prov_hook_answer **out, struct prov_err *err)
{
    struct reader r = { .text = text, .err = err };
    struct whole_answer *whole = NULL;
    cJSON *doc = NULL;
    enum prov_rc rc;
    size_t n = 0;

    *out = NULL;
    rc = prov_json_parse(text, PROV_MAX_HOOK_ANSWER, &doc, err);
    if (rc != PROV_OK)
        return rc;
    r.doc = doc;
    rc = cJSON_IsObject(doc) ? count_overrides(&r, &n) : wrong(&r, NULL, "it is not an object");
    if (rc != PROV_OK)
        goto out;
    whole = calloc(1, sizeof *whole + n * sizeof whole->overrides[0]);
    if (whole == NULL) {
        rc = prov_nomem(err);
        goto out;
    }
    rc = read_answer(&r, use, whole);
    if (rc != PROV_OK)
        goto out;
    whole->doc = doc;
    *out = &whole->answer;
    return PROV_OK;
out:
    free(whole);
    cJSON_Delete(doc);
    return rc;
}

void prov_hook_answer_free(struct prov_hook_answer *answer)
{
    struct whole_answer *whole = (struct whole_answer *)answer;

    if (whole == NULL)
        return;
    cJSON_Delete(whole->doc);
    free(whole);
}
