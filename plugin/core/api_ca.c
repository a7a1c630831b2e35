/* CA certificates (reference section 4), their activation hooks and revocation lists. */
#include "api_priv.h"

#include <openssl/evp.h>

#include "crl.h"

static const struct prov_api_field no_fields[] = { API_END };

static const struct prov_api_field config_fields[] = {
    API_TEXT_NEEDED("templateName"),
    API_TEXT("roleArn"), /* AWS IoT asks for one; there are no roles here */
    API_END,
};

static const char *const modes[] = {
    [PROV_MODE_DEFAULT] = "DEFAULT", [PROV_MODE_SNI_ONLY] = "SNI_ONLY"
};

/* The row of a list: all but the certificate. */
static enum prov_rc answer(struct prov_tx *tx, const struct prov_id *id, cJSON **data)
{
    struct prov_ca ca;
    const enum prov_rc rc = prov_ca_get(tx, id, &ca);

    return rc != PROV_OK ? rc : prov_view_ca_row(tx, &ca, data);
}

/* ---- register -------------------------------------------------------------------------------- */

static enum prov_rc read_registration(struct prov_tx *tx, const cJSON *params,
                                      struct prov_ca_registration *reg)
{
    size_t mode = PROV_MODE_DEFAULT;
    enum prov_rc rc;

    rc = api_choice(tx, params, "certificateMode", modes, PROV_COUNT(modes), &mode);
    reg->mode = (enum prov_cert_mode)mode;
    reg->active = api_bool(params, "setAsActive");
    reg->auto_registration = api_bool(params, "allowAutoRegistration");
    reg->template_name = api_text(api_get(params, "registrationConfig"), "templateName");
    reg->hook = api_hook(params, "activationHook");
    return rc;
}

static enum prov_rc register_ca(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    struct prov_buf der = api_der(), verification = api_der();
    struct prov_ca_registration reg = { .active = false };
    struct prov_id id;
    enum prov_rc rc;

    rc = read_registration(tx, params, &reg);
    if (rc == PROV_OK)
        rc = api_pem(tx, params, "verificationCertificate", &verification);
    if (rc == PROV_OK)
        rc = api_pem(tx, params, "caCertificate", &der);
    reg.der = prov_buf_span(&der);
    reg.verification_der = prov_buf_span(&verification);
    if (rc == PROV_OK)
        rc = prov_ca_register(tx, &reg, &id);
    if (rc == PROV_OK)
        rc = answer(tx, &id, data);
    prov_buf_release(&der);
    prov_buf_release(&verification);
    return rc;
}

static enum prov_rc registration_code(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    char code[PROV_ID_HEX + 1];
    struct prov_doc d;
    enum prov_rc rc;

    (void)params;
    rc = prov_registration_code(tx, code);
    if (rc != PROV_OK)
        return rc;
    d = prov_doc_start(tx);
    prov_doc_text(&d, d.root, "registrationCode", prov_span_str(code));
    return prov_doc_end(&d, data);
}

/* ---- describe, update, delete ---------------------------------------------------------------- */

static enum prov_rc describe(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    struct prov_id id;
    struct prov_ca ca;
    enum prov_rc rc;

    rc = api_ca_id(tx, params, "certificateId", &id);
    if (rc == PROV_OK)
        rc = prov_ca_get(tx, &id, &ca);
    return rc != PROV_OK ? rc : prov_view_ca(tx, &ca, data);
}

/* What update is told, with room for what a change points to. */
struct update {
    struct prov_ca_change change;
    bool active, auto_registration;
    struct prov_span template_name, hook;
};

static enum prov_rc read_choices(struct prov_tx *tx, const cJSON *params, struct update *u)
{
    static const char *const statuses[] = { "INACTIVE", "ACTIVE" };
    static const char *const autos[] = { "DISABLE", "ENABLE" };
    size_t active = 0, auto_registration = 0;
    enum prov_rc rc;

    rc = api_choice(tx, params, "newStatus", statuses, PROV_COUNT(statuses), &active);
    if (rc == PROV_OK)
        rc = api_choice(tx, params, "newAutoRegistrationStatus", autos, PROV_COUNT(autos),
                        &auto_registration);
    u->active = active != 0;
    u->auto_registration = auto_registration != 0;
    if (api_get(params, "newStatus") != NULL)
        u->change.active = &u->active;
    if (api_get(params, "newAutoRegistrationStatus") != NULL)
        u->change.auto_registration = &u->auto_registration;
    return rc;
}

static enum prov_rc read_update(struct prov_tx *tx, const cJSON *params, struct update *u)
{
    const cJSON *config = api_get(params, "registrationConfig");
    enum prov_rc rc;

    rc = api_not_both(tx, params, "registrationConfig", "removeAutoRegistration");
    if (rc == PROV_OK)
        rc = api_not_both(tx, params, "activationHook", "removeActivationHook");
    if (rc == PROV_OK)
        rc = read_choices(tx, params, u);
    u->template_name = api_text(config, "templateName");
    if (config != NULL || api_bool(params, "removeAutoRegistration"))
        u->change.template_name = &u->template_name;
    u->hook = api_hook(params, "activationHook");
    if (api_get(params, "activationHook") != NULL || api_bool(params, "removeActivationHook"))
        u->change.hook = &u->hook;
    if (rc == PROV_OK && config != NULL && u->template_name.n == 0)
        rc = api_refuse(tx, "registrationConfig.templateName",
                        "is empty; removeAutoRegistration "
                        "takes the template away");
    if (rc == PROV_OK && api_get(params, "activationHook") != NULL && u->hook.n == 0)
        rc = api_refuse(tx, "activationHook.targetArn",
                        "is empty; removeActivationHook takes the hook away");
    return rc;
}

static enum prov_rc update(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    struct update u = { .active = false };
    struct prov_id id;
    enum prov_rc rc;

    rc = read_update(tx, params, &u);
    if (rc == PROV_OK)
        rc = api_ca_id(tx, params, "certificateId", &id);
    if (rc == PROV_OK)
        rc = prov_ca_update(tx, &id, &u.change);
    return rc != PROV_OK ? rc : answer(tx, &id, data);
}

static enum prov_rc delete_ca(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    struct prov_id id;
    struct prov_doc d;
    enum prov_rc rc;

    rc = api_ca_id(tx, params, "certificateId", &id);
    if (rc == PROV_OK)
        rc = prov_ca_delete(tx, &id);
    if (rc != PROV_OK)
        return rc;
    d = api_about_cert(tx, "cacert", &id);
    return prov_doc_end(&d, data);
}

/* ---- lists ----------------------------------------------------------------------------------- */

static enum prov_rc row(struct prov_tx *tx, void *ctx, struct prov_span key, cJSON **out)
{
    struct prov_id id;
    enum prov_rc rc;

    (void)ctx;
    rc = api_key_id(tx, key, &id);
    return rc != PROV_OK ? rc : answer(tx, &id, out);
}

static enum prov_rc list(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    struct api_list l = {
        .kind = PROV_LIST_CAS,
        .pages = API_MARKER,
        .key = API_KEY_ID,
        .rows = "certificates",
        .row = row,
    };
    struct prov_template_info info;
    enum prov_rc rc = PROV_OK;

    if (api_get(params, "templateName") != NULL) {
        l.kind = PROV_LIST_CAS_OF_TEMPLATE;
        l.of = api_text(params, "templateName");
        rc = prov_template_get(tx, l.of, &info); /* nothing would hide a typing mistake */
    }
    return rc != PROV_OK ? rc : api_list(tx, params, &l, data);
}

/* ---- revocation lists ------------------------------------------------------------------------ */

/* Anything that is not PEM is DER in base64, line breaks or not. */
static enum prov_rc crl_bytes(struct prov_tx *tx, struct prov_span text, struct prov_buf *out)
{
    uint8_t chunk[4096];
    EVP_ENCODE_CTX *ctx;
    int n = 0, good = 0;
    size_t at = 0;

    prov_buf_init(out, text.n + 1);
    if (text.n != 0 && memmem(text.p, text.n, "-----BEGIN ", strlen("-----BEGIN ")) != NULL) {
        prov_buf_add(out, text);
        return out->rc == PROV_OK ? PROV_OK : prov_nomem(tx->err);
    }
    ctx = EVP_ENCODE_CTX_new();
    if (ctx == NULL)
        return prov_nomem(tx->err);
    EVP_DecodeInit(ctx);
    for (size_t piece; at < text.n && good >= 0; at += piece) {
        piece = text.n - at < sizeof chunk / 2 ? text.n - at : sizeof chunk / 2;
        good = EVP_DecodeUpdate(ctx, chunk, &n, text.p + at, (int)piece);
        prov_buf_add(out, prov_span(chunk, n > 0 ? (size_t)n : 0));
    }
    if (good >= 0)
        good = EVP_DecodeFinal(ctx, chunk, &n);
    EVP_ENCODE_CTX_free(ctx);
    if (out->rc != PROV_OK)
        return prov_nomem(tx->err);
    if (good < 0 || out->n == 0)
        return api_refuse(tx, "crl", "is neither PEM nor base64 of DER");
    return PROV_OK;
}

static enum prov_rc read_crl(struct prov_tx *tx, const cJSON *params, struct prov_crl **out)
{
    struct prov_buf bytes;
    enum prov_rc rc;

    rc = crl_bytes(tx, api_text(params, "crl"), &bytes);
    if (rc == PROV_OK)
        rc = prov_crl_new(tx, prov_buf_span(&bytes), out);
    prov_buf_release(&bytes);
    return rc;
}

static void drop_crl(void *prepared)
{
    prov_crl_free(prepared);
}

static enum prov_rc prepare_crl(struct prov_tx *tx, const struct prov_issuing *issuing,
                                const cJSON *params, void **prepared)
{
    struct prov_crl *crl = NULL;
    enum prov_rc rc;
    bool more = true;

    (void)issuing;
    rc = read_crl(tx, params, &crl);
    while (rc == PROV_OK && more)
        rc = prov_crl_find(crl, tx, 10000, &more);
    if (rc == PROV_OK)
        *prepared = crl;
    else
        prov_crl_free(crl);
    return rc;
}

static enum prov_rc apply_crl(struct prov_tx *tx, void *prepared, cJSON **data)
{
    struct prov_crl_result result = { .revoked = 0 };
    const enum prov_rc rc = prov_crl_apply(prepared, tx, &result);

    return rc != PROV_OK ? rc : prov_view_crl(prov_crl_info(prepared), &result, data);
}

static const struct prov_api_stages crl_stages = { prepare_crl, apply_crl, drop_crl };

static enum prov_rc import_crl(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    struct prov_crl *crl = NULL;
    enum prov_rc rc;

    rc = read_crl(tx, params, &crl);
    if (rc == PROV_OK)
        rc = apply_crl(tx, crl, data);
    prov_crl_free(crl);
    return rc;
}

/* ---- the operations -------------------------------------------------------------------------- */

static const struct prov_api_field register_fields[] = {
    API_TEXT_NEEDED("caCertificate"),
    API_TEXT("verificationCertificate"),
    API_TEXT("certificateMode"),
    API_BOOL("setAsActive"),
    API_BOOL("allowAutoRegistration"),
    API_OBJECT("registrationConfig", config_fields),
    API_OBJECT("activationHook", api_hook_fields),
    API_END,
};

static const struct prov_api_field id_fields[] = { API_TEXT_NEEDED("certificateId"), API_END };

static const struct prov_api_field update_fields[] = {
    API_TEXT_NEEDED("certificateId"),      API_TEXT("newStatus"),
    API_TEXT("newAutoRegistrationStatus"), API_OBJECT("registrationConfig", config_fields),
    API_BOOL("removeAutoRegistration"),    API_OBJECT("activationHook", api_hook_fields),
    API_BOOL("removeActivationHook"),      API_END,
};

static const struct prov_api_field list_fields[] = {
    API_TEXT("templateName"),
    API_BY_MARKER,
    API_ORDER,
    API_END,
};

static const struct prov_api_field crl_fields[] = { API_TEXT_NEEDED("crl"), API_END };

const struct prov_api_op api_ca_ops[] = {
    { "registerCACertificate",
      "Registers a CA, so that the certificates it signs can be.",
      PROV_API_WRITE,
      { "certificateId", NULL },
      register_fields,
      register_ca,
      NULL },
    { "describeCACertificate",
      "Describes a CA.",
      PROV_API_READ,
      { "certificateId", NULL },
      id_fields,
      describe,
      NULL },
    { "updateCACertificate",
      "Changes a CA's status, auto-registration, template or hook.",
      PROV_API_WRITE,
      { "certificateId", NULL },
      update_fields,
      update,
      NULL },
    { "deleteCACertificate",
      "Deletes an INACTIVE CA.",
      PROV_API_WRITE,
      { "certificateId", NULL },
      id_fields,
      delete_ca,
      NULL },
    { "listCACertificates",
      "Lists the CAs, or those that use a template.",
      PROV_API_READ,
      { "templateName", NULL },
      list_fields,
      list,
      NULL },
    { "getRegistrationCode",
      "The name that a verification certificate must have.",
      PROV_API_WRITE,
      { NULL, NULL },
      no_fields,
      registration_code,
      NULL },
    { .name = "importCertificateRevocationList",
      .summary = "Revokes what a CA's revocation list names, seen before or not.",
      .access = PROV_API_WRITE,
      .fields = crl_fields,
      .run = import_crl,
      .stages = &crl_stages },
    { .name = NULL },
};
