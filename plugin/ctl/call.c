#include "call.h"

#include <stdlib.h>

#include "core/api.h"
#include "core/view.h"
#include "issuer.h"
#include "remote.h"

/* ---- params ---------------------------------------------------------------------------------- */

struct ctl_params ctl_params(void)
{
    struct ctl_params params = { .root = cJSON_CreateObject() };

    params.failed = params.root == NULL;
    return params;
}

void ctl_params_drop(struct ctl_params *params)
{
    cJSON_Delete(params->root);
    *params = (struct ctl_params){ NULL, true };
}

static void put(struct ctl_params *params, cJSON *into, const char *key, cJSON *item)
{
    if (!params->failed && item != NULL && cJSON_AddItemToObject(into, key, item))
        return;
    params->failed = true;
    cJSON_Delete(item);
}

void ctl_put_item(struct ctl_params *params, const char *key, cJSON *item)
{
    put(params, params->root, key, item);
}

void ctl_put(struct ctl_params *params, const char *key, struct prov_span text)
{
    ctl_put_item(params, key, prov_doc_string(text));
}

void ctl_put_if(struct ctl_params *params, const char *key, struct prov_span text)
{
    if (text.n != 0)
        ctl_put(params, key, text);
}

void ctl_put_bool(struct ctl_params *params, const char *key, bool value)
{
    ctl_put_item(params, key, cJSON_CreateBool(value));
}

void ctl_put_flag(struct ctl_params *params, const char *key, bool value)
{
    if (value)
        ctl_put_bool(params, key, true);
}

void ctl_put_number(struct ctl_params *params, const char *key, double value)
{
    ctl_put_item(params, key, cJSON_CreateNumber(value));
}

void ctl_put_pairs(struct ctl_params *params, const char *key, const struct prov_attr *pairs,
                   size_t n)
{
    cJSON *object = cJSON_CreateObject();

    ctl_put_item(params, key, object);
    for (size_t i = 0; i < n && !params->failed; i++) {
        char *name = prov_span_dup(pairs[i].name);

        if (name == NULL)
            params->failed = true;
        else
            put(params, object, name, prov_doc_string(pairs[i].value));
        free(name);
    }
}

void ctl_put_element(struct ctl_params *params, const char *key, struct prov_span text)
{
    cJSON *array = params->failed ? NULL : cJSON_GetObjectItemCaseSensitive(params->root, key);
    cJSON *item = prov_doc_string(text);

    if (array == NULL) {
        array = cJSON_CreateArray();
        ctl_put_item(params, key, array);
    }
    if (!params->failed && item != NULL && cJSON_AddItemToArray(array, item))
        return;
    params->failed = true;
    cJSON_Delete(item);
}

void ctl_put_params(struct ctl_params *params, const char *key, struct ctl_params *inner)
{
    if (inner->failed)
        ctl_params_drop(inner);
    ctl_put_item(params, key, inner->root);
    *inner = (struct ctl_params){ NULL, true };
}

void ctl_put_within(struct ctl_params *params, const char *key, const char *inner,
                    struct prov_span text)
{
    cJSON *object = cJSON_CreateObject();

    ctl_put_item(params, key, object);
    put(params, object, inner, prov_doc_string(text));
}

void ctl_put_pem(struct ctl_params *params, const char *key, struct prov_span der)
{
    struct prov_buf pem;

    prov_buf_init(&pem, PROV_MAX_CERT_PEM);
    prov_view_pem(der, &pem);
    if (pem.rc == PROV_OK)
        ctl_put(params, key, prov_buf_span(&pem));
    else
        params->failed = true;
    prov_buf_release(&pem);
}

/* ---- calling --------------------------------------------------------------------------------- */

/* Keys and signatures take a while, in which nobody is to be kept from writing. */
static enum prov_rc issue(struct ctl *ctl, const struct prov_api_op *op, const cJSON *params,
                          cJSON **data)
{
    const struct prov_issuing *issuing;
    void *prepared = NULL;
    enum prov_rc rc;

    rc = ctl_issuing(ctl, &issuing);
    if (rc == PROV_OK)
        rc = ctl_end(ctl);
    if (rc == PROV_OK)
        rc = ctl_begin_read(ctl);
    if (rc == PROV_OK)
        rc = prov_api_prepare(op, issuing, &ctl->tx, params, &prepared);
    if (rc == PROV_OK)
        rc = ctl_end(ctl);
    if (rc == PROV_OK)
        rc = ctl_begin_write(ctl);
    if (rc == PROV_OK)
        rc = prov_api_finish(op, &ctl->tx, prepared, data);
    op->stages->drop(prepared);
    return rc;
}

static enum prov_rc on_store(struct ctl *ctl, const char *name, const cJSON *params, cJSON **data)
{
    const struct prov_api_op *op = prov_api_find(name);
    enum prov_rc rc;

    if (op == NULL)
        return prov_fail(&ctl->err, PROV_EBUG, "InternalFailureException",
                         "there is no operation \"%s\"", name);
    rc = prov_api_issues(op) ? issue(ctl, op, params, data)
                             : prov_api_run(op, NULL, &ctl->tx, params, data);
    if (rc == PROV_OK && *data == NULL)
        *data = cJSON_CreateObject();
    return rc == PROV_OK && *data == NULL ? prov_nomem(&ctl->err) : rc;
}

enum prov_rc ctl_call(struct ctl *ctl, const char *op, struct ctl_params *params, cJSON **data)
{
    enum prov_rc rc;

    *data = NULL;
    if (params->failed)
        rc = prov_nomem(&ctl->err);
    else if (ctl->remote != NULL)
        rc = ctl_remote_call(ctl->remote, op, params->root, data, &ctl->err);
    else
        rc = on_store(ctl, op, params->root, data);
    ctl_params_drop(params);
    return rc;
}

enum prov_rc ctl_call_one(struct ctl *ctl, const char *op, const char *key, struct prov_span text,
                          cJSON **data)
{
    struct ctl_params params = ctl_params();

    ctl_put(&params, key, text);
    return ctl_call(ctl, op, &params, data);
}

enum prov_rc ctl_told(struct ctl *ctl, enum prov_rc rc, cJSON *data,
                      enum prov_rc (*say)(struct ctl *ctl, const cJSON *data))
{
    if (rc != PROV_OK || ctl->json)
        return ctl_answer(ctl, rc, data);
    rc = say(ctl, data);
    prov_api_drop(data);
    return rc;
}

enum prov_rc ctl_tell(struct ctl *ctl, const char *op, struct ctl_params *params,
                      enum prov_rc (*say)(struct ctl *ctl, const cJSON *data))
{
    cJSON *data;
    const enum prov_rc rc = ctl_call(ctl, op, params, &data);

    return ctl_told(ctl, rc, data, say);
}

enum prov_rc ctl_tell_one(struct ctl *ctl, const char *op, const char *key, struct prov_span text,
                          enum prov_rc (*say)(struct ctl *ctl, const cJSON *data))
{
    struct ctl_params params = ctl_params();

    ctl_put(&params, key, text);
    return ctl_tell(ctl, op, &params, say);
}

cJSON *ctl_peek(struct ctl *ctl, const char *op, const char *key, struct prov_span text)
{
    const struct prov_err err = ctl->err;
    cJSON *data;

    (void)!ctl_call_one(ctl, op, key, text, &data);
    ctl->err = err;
    return data;
}

/* ---- answers --------------------------------------------------------------------------------- */

static const cJSON *member(const cJSON *from, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(from, key);
}

struct prov_span ctl_get(const cJSON *from, const char *key)
{
    return prov_span_str(cJSON_GetStringValue(member(from, key)));
}

double ctl_get_number(const cJSON *from, const char *key)
{
    const cJSON *value = member(from, key);

    return cJSON_IsNumber(value) ? value->valuedouble : 0;
}

bool ctl_get_bool(const cJSON *from, const char *key)
{
    return cJSON_IsTrue(member(from, key));
}

const cJSON *ctl_get_object(const cJSON *from, const char *key)
{
    const cJSON *value = member(from, key);

    return cJSON_IsObject(value) ? value : NULL;
}

const cJSON *ctl_get_array(const cJSON *from, const char *key)
{
    const cJSON *value = member(from, key);

    return cJSON_IsArray(value) ? value : NULL;
}

#define LAST_SECOND 253402300799.0 /* of the year 9999 */

int64_t ctl_get_time(const cJSON *from, const char *key)
{
    const double at_s = ctl_get_number(from, key);

    if (!(at_s > -LAST_SECOND && at_s < LAST_SECOND))
        return 0;
    return (int64_t)(at_s * 1000 + (at_s < 0 ? -0.5 : 0.5)); /* milliseconds, exactly */
}

uint32_t ctl_get_version(const cJSON *from, const char *key)
{
    const cJSON *value = member(from, key);
    const char *text = cJSON_GetStringValue(value);
    uint64_t n = 0;

    if (text == NULL)
        return cJSON_IsNumber(value) && value->valuedouble >= 1 && value->valuedouble <= UINT32_MAX
                   ? (uint32_t)value->valuedouble
                   : 0;
    for (; *text >= '0' && *text <= '9' && n <= UINT32_MAX; text++)
        n = n * 10 + (uint64_t)(*text - '0');
    return *text == '\0' && n <= UINT32_MAX ? (uint32_t)n : 0;
}

struct prov_span ctl_get_in(const cJSON *from, const char *key, const char *inner)
{
    return ctl_get(ctl_get_object(from, key), inner);
}

struct prov_span ctl_element(const cJSON *element, const char *key)
{
    return key != NULL ? ctl_get(element, key) : prov_span_str(cJSON_GetStringValue(element));
}

struct prov_span ctl_arn_name(struct prov_span arn)
{
    const uint8_t *slash = arn.n != 0 ? memrchr(arn.p, '/', arn.n) : NULL;

    return slash == NULL ? arn : prov_span(slash + 1, arn.n - (size_t)(slash - arn.p) - 1);
}

struct ctl_short_id ctl_short(struct prov_span hex)
{
    struct ctl_short_id id;

    (void)prov_span_copy(prov_span(hex.p, hex.n < 12 ? hex.n : 12), id.text, sizeof id.text);
    return id;
}

struct ctl_short_id ctl_answered_id(const cJSON *data, struct prov_span typed)
{
    const struct prov_span id = ctl_get(data, "certificateId");

    return ctl_short(id.n != 0 ? id : typed);
}
