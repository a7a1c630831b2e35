#include "api_priv.h"

#include <stdarg.h>
#include <stdio.h>

#include <openssl/x509.h>

#include "ident.h"

const struct prov_api_field api_hook_fields[] = {
    API_TEXT_NEEDED("targetArn"),
    API_TEXT("payloadVersion"), /* there is one only; what it says is not looked at */
    API_END,
};

const cJSON *api_get(const cJSON *params, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(params, key);
}

struct prov_span api_text(const cJSON *params, const char *key)
{
    return prov_span_str(cJSON_GetStringValue(api_get(params, key)));
}

bool api_bool(const cJSON *params, const char *key)
{
    return cJSON_IsTrue(api_get(params, key)) != 0;
}

uint32_t api_number(const cJSON *params, const char *key, uint32_t fallback)
{
    const cJSON *value = api_get(params, key);

    return cJSON_IsNumber(value) ? (uint32_t)value->valuedouble : fallback;
}

struct prov_span api_hook(const cJSON *params, const char *key)
{
    return api_text(api_get(params, key), "targetArn");
}

/* ---- refusing -------------------------------------------------------------------------------- */

enum prov_rc api_refuse(struct prov_tx *tx, const char *path, const char *fmt, ...)
{
    struct prov_err *err = tx->err;
    va_list args;

    if (err == NULL)
        return PROV_EINVAL;
    (void)prov_fail(err, PROV_EINVAL, API_INVALID, "%s", "");
    va_start(args, fmt);
    (void)vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    (void)prov_span_copy(prov_span_str(path), err->path, sizeof err->path);
    for (char *c = err->path; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~')
            *c = '?';
    }
    return PROV_EINVAL;
}

static bool given(const cJSON *params, const char *key)
{
    const cJSON *value = api_get(params, key);

    return value != NULL && !cJSON_IsFalse(value);
}

enum prov_rc api_not_both(struct prov_tx *tx, const cJSON *params, const char *a, const char *b)
{
    if (given(params, a) && given(params, b))
        return api_refuse(tx, b, "%s and %s exclude each other", a, b);
    return PROV_OK;
}

enum prov_rc api_choice(struct prov_tx *tx, const cJSON *params, const char *key,
                        const char *const *names, size_t n, size_t *out)
{
    const struct prov_span text = api_text(params, key);
    struct prov_buf list;
    enum prov_rc rc;

    if (api_get(params, key) == NULL)
        return PROV_OK;
    prov_buf_init(&list, 256);
    for (size_t i = 0; i < n; i++) {
        if (prov_span_eq_str(text, names[i])) {
            *out = i;
            prov_buf_release(&list);
            return PROV_OK;
        }
        prov_buf_addf(&list, "%s%s", i == 0 ? "" : i + 1 < n ? ", " : " or ", names[i]);
    }
    rc = api_refuse(tx, key, "must be %s", prov_buf_cstr(&list));
    prov_buf_release(&list);
    return rc;
}

/* ---- attributes ------------------------------------------------------------------------------ */

enum prov_rc api_attrs(struct prov_tx *tx, const cJSON *params,
                       struct prov_attr out[static PROV_MAX_ATTRS], size_t *n)
{
    const cJSON *attr;

    *n = 0;
    cJSON_ArrayForEach(attr, api_get(api_get(params, "attributePayload"), "attributes"))
    {
        if (*n == PROV_MAX_ATTRS)
            return api_refuse(tx, "attributePayload.attributes", "at most %d attributes",
                              PROV_MAX_ATTRS);
        out[*n].name = prov_span_str(attr->string);
        out[*n].value = prov_span_str(attr->valuestring);
        (*n)++;
    }
    return PROV_OK;
}

/* ---- ids and ARNs ---------------------------------------------------------------------------- */

enum prov_rc api_ca_id(struct prov_tx *tx, const cJSON *params, const char *key,
                       struct prov_id *out)
{
    return prov_ca_resolve(tx, api_text(params, key), out);
}

enum prov_rc api_cert_id(struct prov_tx *tx, const cJSON *params, const char *key,
                         struct prov_id *out)
{
    return prov_cert_resolve(tx, api_text(params, key), out);
}

enum prov_rc api_arn_rest(struct prov_tx *tx, const char *key, struct prov_span arn,
                          struct prov_span *rest)
{
    struct prov_buf begin;
    enum prov_rc rc;

    prov_buf_init(&begin, 256);
    rc = prov_arn(tx, "", prov_span(NULL, 0), &begin);
    if (rc == PROV_OK)
        begin.n -= strlen("/");
    if (rc == PROV_OK && !prov_span_starts(arn, prov_buf_span(&begin)))
        rc = api_refuse(tx, key, "ARNs of this registry begin with %.*s",
                        PROV_SPAN_ARG(prov_buf_span(&begin)));
    else if (rc == PROV_OK)
        *rest = prov_span(arn.p + begin.n, arn.n - begin.n);
    prov_buf_release(&begin);
    return rc;
}

/* Without its ARN's beginning; whatever is no ARN is as it is. */
static enum prov_rc last_part(struct prov_tx *tx, const char *key, struct prov_span text,
                              struct prov_span *out)
{
    *out = text;
    if (!prov_span_starts(text, PROV_LIT("arn:")))
        return PROV_OK;
    return api_arn_rest(tx, key, text, out);
}

static bool take(struct prov_span *s, struct prov_span prefix)
{
    if (!prov_span_starts(*s, prefix))
        return false;
    *s = prov_span(s->p + prefix.n, s->n - prefix.n);
    return true;
}

enum prov_rc api_principal(struct prov_tx *tx, const cJSON *params, const char *key,
                           struct prov_id *out)
{
    struct prov_span text;
    enum prov_rc rc;

    rc = last_part(tx, key, api_text(params, key), &text);
    if (rc != PROV_OK)
        return rc;
    (void)take(&text, PROV_LIT("cert/"));
    return prov_cert_resolve(tx, text, out);
}

enum prov_rc api_target(struct prov_tx *tx, const cJSON *params, struct api_target *out)
{
    struct prov_span text;
    enum prov_rc rc;

    memset(out, 0, sizeof *out);
    rc = last_part(tx, "target", api_text(params, "target"), &text);
    if (rc != PROV_OK)
        return rc;
    if (take(&text, PROV_LIT("thinggroup/"))) {
        if (text.n == 0)
            return api_refuse(tx, "target", "the thing group has no name");
        out->group = text;
        return PROV_OK;
    }
    (void)take(&text, PROV_LIT("cert/"));
    return prov_cert_resolve(tx, text, &out->cert);
}

/* ---- certificates ---------------------------------------------------------------------------- */

struct prov_buf api_der(void)
{
    struct prov_buf der;

    prov_buf_init(&der, PROV_MAX_CERT_DER);
    return der;
}

enum prov_rc api_pem(struct prov_tx *tx, const cJSON *params, const char *key, struct prov_buf *der)
{
    X509 *cert = NULL;
    enum prov_rc rc;

    if (api_get(params, key) == NULL)
        return PROV_OK;
    rc = prov_ident_decode_pem(api_text(params, key), &cert, tx->err);
    if (rc == PROV_OK)
        rc = prov_ident_encode(cert, der);
    X509_free(cert);
    if (rc == PROV_ENOMEM)
        return prov_nomem(tx->err);
    if (rc != PROV_OK && tx->err != NULL)
        (void)prov_span_copy(prov_span_str(key), tx->err->path, sizeof tx->err->path);
    return rc;
}

/* ---- answers --------------------------------------------------------------------------------- */

struct prov_doc api_about_cert(struct prov_tx *tx, const char *kind, const struct prov_id *id)
{
    struct prov_doc d = prov_doc_start(tx);

    (void)prov_doc_put(&d, d.root, "certificateArn", prov_doc_arn_of_id(&d, kind, id));
    prov_doc_id(&d, d.root, "certificateId", id);
    return d;
}

struct prov_doc api_about(struct prov_tx *tx, const char *name_key, const char *arn_key,
                          const char *kind, struct prov_span name)
{
    struct prov_doc d = prov_doc_start(tx);

    prov_doc_text(&d, d.root, name_key, name);
    (void)prov_doc_put(&d, d.root, arn_key, prov_doc_arn(&d, kind, name));
    return d;
}
