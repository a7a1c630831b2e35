#include "api_priv.h"

#include <stdio.h>

#include <openssl/crypto.h>

#include "json.h"
#include "near.h"

static const struct prov_api_op *const tables[] = {
    api_ca_ops,        api_cert_ops,     api_transfer_ops, api_thing_ops,
    api_principal_ops, api_group_ops,    api_type_ops,     api_billing_ops,
    api_policy_ops,    api_test_ops,     api_template_ops, api_issue_ops,
    api_claim_ops,     api_evaluate_ops, api_attempt_ops,  api_status_ops,
};

/* ---- the table ------------------------------------------------------------------------------- */

const struct prov_api_op *prov_api_at(size_t n)
{
    for (size_t i = 0; i < PROV_COUNT(tables); i++) {
        for (const struct prov_api_op *op = tables[i]; op->name != NULL; op++) {
            if (n-- == 0)
                return op;
        }
    }
    return NULL;
}

const struct prov_api_op *prov_api_find(const char *name)
{
    for (size_t i = 0; i < PROV_COUNT(tables); i++) {
        for (const struct prov_api_op *op = tables[i]; op->name != NULL; op++) {
            if (strcmp(op->name, name) == 0)
                return op;
        }
    }
    return NULL;
}

const char *prov_api_nearest(const char *name)
{
    struct prov_near near = { .word = prov_span_str(name) };

    for (size_t i = 0; i < PROV_COUNT(tables); i++) {
        for (const struct prov_api_op *op = tables[i]; op->name != NULL; op++)
            prov_near_try(&near, op->name);
    }
    return near.close ? near.best : NULL;
}

/* ---- checking a request ---------------------------------------------------------------------- */

/* What a value of each kind is, for "… must be …". */
static const char *const kinds[] = {
    [PROV_API_TEXT] = "a text",
    [PROV_API_BOOL] = "true or false",
    [PROV_API_NUMBER] = "a whole number from 0 to 4294967295",
    [PROV_API_TEXTS] = "an array of texts",
    [PROV_API_MAP] = "an object whose values are texts",
    [PROV_API_OBJECT] = "an object",
    [PROV_API_OBJECTS] = "an array of objects",
};

static size_t put_path(const struct prov_json_path *at, char *out, size_t cap)
{
    const size_t n = at->up != NULL ? put_path(at->up, out, cap) : 0;
    int more;

    if (n >= cap)
        return n;
    if (at->key != NULL)
        more = snprintf(out + n, cap - n, "%s%s", n == 0 ? "" : ".", at->key);
    else
        more = snprintf(out + n, cap - n, "[%zu]", at->index);
    return n + (more > 0 ? (size_t)more : 0);
}

PROV_PRINTF(3, 4)
static enum prov_rc refuse_at(struct prov_tx *tx, const struct prov_json_path *at, const char *fmt,
                              ...)
{
    char path[sizeof tx->err->path], text[sizeof tx->err->text];
    va_list args;

    (void)put_path(at, path, sizeof path);
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return api_refuse(tx, path, "%s", text);
}

static enum prov_rc check_object(struct prov_tx *tx, const struct prov_api_field *fields,
                                 const cJSON *object, const struct prov_json_path *at);

static bool is_of(enum prov_api_kind kind, const cJSON *value)
{
    switch (kind) {
    case PROV_API_TEXT:
        return cJSON_IsString(value);
    case PROV_API_BOOL:
        return cJSON_IsBool(value);
    case PROV_API_NUMBER:
        return cJSON_IsNumber(value) && value->valuedouble >= 0 &&
               value->valuedouble <= UINT32_MAX &&
               value->valuedouble == (double)(uint32_t)value->valuedouble;
    case PROV_API_TEXTS:
    case PROV_API_OBJECTS:
        return cJSON_IsArray(value);
    case PROV_API_MAP:
    case PROV_API_OBJECT:
        return cJSON_IsObject(value);
    }
    return false;
}

/* Every element of an array, or member of an object of texts. */
static enum prov_rc check_elements(struct prov_tx *tx, const struct prov_api_field *field,
                                   const cJSON *value, const struct prov_json_path *at)
{
    const bool objects = field->kind == PROV_API_OBJECTS;
    struct prov_json_path step = { .up = at };
    enum prov_rc rc = PROV_OK;
    const cJSON *item;

    cJSON_ArrayForEach(item, value)
    {
        step.key = item->string;
        if (!is_of(objects ? PROV_API_OBJECT : PROV_API_TEXT, item))
            return refuse_at(tx, &step, "must be %s",
                             kinds[objects ? PROV_API_OBJECT : PROV_API_TEXT]);
        if (objects)
            rc = check_object(tx, field->members, item, &step);
        if (rc != PROV_OK)
            return rc;
        step.index++;
    }
    return PROV_OK;
}

static enum prov_rc check_value(struct prov_tx *tx, const struct prov_api_field *field,
                                const cJSON *value, const struct prov_json_path *at)
{
    if (!is_of(field->kind, value))
        return refuse_at(tx, at, "must be %s", kinds[field->kind]);
    switch (field->kind) {
    case PROV_API_OBJECT:
        return check_object(tx, field->members, value, at);
    case PROV_API_TEXTS:
    case PROV_API_MAP:
    case PROV_API_OBJECTS:
        return check_elements(tx, field, value, at);
    case PROV_API_TEXT:
    case PROV_API_BOOL:
    case PROV_API_NUMBER:
        break;
    }
    return PROV_OK;
}

static enum prov_rc unknown(struct prov_tx *tx, const struct prov_api_field *fields,
                            const struct prov_json_path *at)
{
    struct prov_near near = { .word = prov_span_str(at->key) };

    for (const struct prov_api_field *f = fields; f->name != NULL; f++)
        prov_near_try(&near, f->name);
    if (near.close)
        return refuse_at(tx, at, "there is no such field; did you mean \"%s\"?", near.best);
    return refuse_at(tx, at, "there is no such field");
}

/* Of a message, and not of the operation. */
static bool passed_over(const char *name, const struct prov_json_path *up)
{
    return up == NULL && (strcmp(name, "command") == 0 || strcmp(name, "correlationData") == 0);
}

static enum prov_rc check_members(struct prov_tx *tx, const struct prov_api_field *fields,
                                  const cJSON *object, const struct prov_json_path *up)
{
    enum prov_rc rc = PROV_OK;
    const cJSON *member;

    cJSON_ArrayForEach(member, object)
    {
        const struct prov_json_path at = { .up = up, .key = member->string };
        const struct prov_api_field *f = fields;

        if (passed_over(member->string, up))
            continue;
        while (f->name != NULL && strcmp(f->name, member->string) != 0)
            f++;
        rc = f->name == NULL ? unknown(tx, fields, &at) : check_value(tx, f, member, &at);
        if (rc != PROV_OK)
            return rc;
    }
    return PROV_OK;
}

static enum prov_rc check_object(struct prov_tx *tx, const struct prov_api_field *fields,
                                 const cJSON *object, const struct prov_json_path *at)
{
    const enum prov_rc rc = check_members(tx, fields, object, at);

    if (rc != PROV_OK)
        return rc;
    for (const struct prov_api_field *f = fields; f->name != NULL; f++) {
        const struct prov_json_path missing = { .up = at, .key = f->name };

        if (f->needed && api_get(object, f->name) == NULL)
            return refuse_at(tx, &missing, "is missing");
    }
    return PROV_OK;
}

/* ---- running --------------------------------------------------------------------------------- */

static enum prov_rc begin(const struct prov_api_op *op, struct prov_tx *tx, const cJSON *params)
{
    if (tx->err != NULL)
        memset(tx->err, 0, sizeof *tx->err);
    if (params != NULL && !cJSON_IsObject(params))
        return api_refuse(tx, "", "a request is an object");
    return check_object(tx, op->fields, params, NULL);
}

static enum prov_rc end(const struct prov_api_op *op, struct prov_tx *tx, enum prov_rc rc)
{
    if (rc != PROV_OK && tx->err != NULL && tx->err->rc != rc) /* said deep below, not in words */
        (void)prov_fail(tx->err, rc, API_INTERNAL, "%s failed: %s", op->name, prov_rc_name(rc));
    return rc;
}

static enum prov_rc end_data(const struct prov_api_op *op, struct prov_tx *tx, enum prov_rc rc,
                             cJSON **data)
{
    if (rc != PROV_OK) {
        prov_api_drop(*data);
        *data = NULL;
    }
    return end(op, tx, rc);
}

enum prov_rc prov_api_prepare(const struct prov_api_op *op, const struct prov_issuing *issuing,
                              struct prov_tx *tx, const cJSON *params, void **prepared)
{
    enum prov_rc rc;

    *prepared = NULL;
    rc = begin(op, tx, params);
    if (rc == PROV_OK)
        rc = op->stages->prepare(tx, issuing, params, prepared);
    return end(op, tx, rc);
}

enum prov_rc prov_api_finish(const struct prov_api_op *op, struct prov_tx *tx, void *prepared,
                             cJSON **data)
{
    *data = NULL;
    if (tx->err != NULL)
        memset(tx->err, 0, sizeof *tx->err);
    return end_data(op, tx, op->stages->finish(tx, prepared, data), data);
}

static enum prov_rc run_stages(const struct prov_api_op *op, const struct prov_issuing *issuing,
                               struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    void *prepared;
    enum prov_rc rc;

    rc = prov_api_prepare(op, issuing, tx, params, &prepared);
    if (rc == PROV_OK)
        rc = prov_api_finish(op, tx, prepared, data);
    op->stages->drop(prepared);
    return rc;
}

enum prov_rc prov_api_run(const struct prov_api_op *op, const struct prov_issuing *issuing,
                          struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    enum prov_rc rc;

    *data = NULL;
    if (prov_api_issues(op))
        return run_stages(op, issuing, tx, params, data);
    rc = begin(op, tx, params);
    if (rc == PROV_OK)
        rc = op->run(tx, params, data);
    return end_data(op, tx, rc, data);
}

static void wipe(cJSON *item)
{
    cJSON *member;

    if (cJSON_IsString(item))
        OPENSSL_cleanse(item->valuestring, strlen(item->valuestring));
    cJSON_ArrayForEach(member, item)
    {
        wipe(member);
    }
}

void prov_api_drop(cJSON *data)
{
    if (data != NULL)
        wipe(data);
    cJSON_Delete(data);
}

/* ---- what errors are in HTTP and here -------------------------------------------------------- */

int prov_api_status(const char *code)
{
    static const struct {
        const char *code;
        int status;
    } rows[] = {
        { "CertificateConflictException", 409 },
        { "CertificateStateException", 406 },
        { "CertificateValidationException", 400 },
        { "ConflictingResourceUpdateException", 409 },
        { "DeleteConflictException", 409 },
        { "InternalFailureException", 500 },
        { "InvalidRequestException", 400 },
        { "LimitExceededException", 410 },
        { "MalformedPolicyException", 400 },
        { "RegistrationCodeValidationException", 400 },
        { "ResourceAlreadyExistsException", 409 },
        { "ResourceConflictsException", 409 },
        { "ResourceNotFoundException", 404 },
        { "ResourceRegistrationFailureException", 400 },
        { "ServiceUnavailableException", 503 },
        { "ThrottlingException", 400 },
        { "TransferAlreadyCompletedException", 410 },
        { "TransferConflictException", 409 },
        { "UnauthorizedException", 401 },
        { "VersionConflictException", 409 },
        { "VersionsLimitExceededException", 409 },
    };

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        if (strcmp(rows[i].code, code) == 0)
            return rows[i].status;
    }
    return 500;
}

enum prov_rc prov_api_rc(const char *error_class)
{
    for (int rc = PROV_EINVAL; rc < PROV_EBUG; rc++) {
        if (strcmp(prov_rc_name((enum prov_rc)rc), error_class) == 0)
            return (enum prov_rc)rc;
    }
    return PROV_EBUG;
}
