/* Device certificates (reference section 5). */
#include "api_priv.h"

static const struct prov_api_field id_fields[] = { API_TEXT_NEEDED("certificateId"), API_END };

/* The row of a list: all but the certificate. */
static enum prov_rc answer(struct prov_tx *tx, const struct prov_id *id, cJSON **data)
{
    struct prov_cert cert;
    const enum prov_rc rc = prov_cert_get(tx, id, &cert);

    return rc != PROV_OK ? rc : prov_view_cert_row(tx, &cert, data);
}

static enum prov_rc read_status(struct prov_tx *tx, const cJSON *params, const char *key,
                                enum prov_cert_status *out)
{
    const struct prov_span text = api_text(params, key);

    if (api_get(params, key) == NULL || prov_cert_status_parse(text, out))
        return PROV_OK;
    return api_refuse(tx, key,
                      "must be ACTIVE, INACTIVE, REVOKED, PENDING_TRANSFER or PENDING_ACTIVATION");
}

/* ---- register -------------------------------------------------------------------------------- */

static enum prov_rc register_as(struct prov_tx *tx, const cJSON *params, bool without_ca,
                                cJSON **data)
{
    struct prov_cert_registration reg = {
        .without_ca = without_ca,
        .status = api_bool(params, "setAsActive") ? PROV_CERT_ACTIVE : PROV_CERT_INACTIVE,
    };
    struct prov_buf der = api_der(), ca = api_der();
    struct prov_id id;
    enum prov_rc rc;

    rc = read_status(tx, params, "status", &reg.status);
    if (rc == PROV_OK)
        rc = api_pem(tx, params, "certificatePem", &der);
    if (rc == PROV_OK)
        rc = api_pem(tx, params, "caCertificatePem", &ca);
    reg.der = prov_buf_span(&der);
    reg.ca_der = prov_buf_span(&ca);
    if (rc == PROV_OK)
        rc = prov_cert_register(tx, &reg, &id);
    if (rc == PROV_OK)
        rc = answer(tx, &id, data);
    prov_buf_release(&der);
    prov_buf_release(&ca);
    return rc;
}

static enum prov_rc register_cert(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    const enum prov_rc rc = api_not_both(tx, params, "status", "setAsActive");

    return rc != PROV_OK ? rc : register_as(tx, params, false, data);
}

static enum prov_rc register_without_ca(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    return register_as(tx, params, true, data);
}

/* ---- describe, update, delete ---------------------------------------------------------------- */

static enum prov_rc describe(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    struct prov_cert cert;
    struct prov_id id;
    enum prov_rc rc;

    rc = api_cert_id(tx, params, "certificateId", &id);
    if (rc == PROV_OK)
        rc = prov_cert_get(tx, &id, &cert);
    return rc != PROV_OK ? rc : prov_view_cert(tx, &cert, data);
}

static enum prov_rc update(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    enum prov_cert_status status = PROV_CERT_INACTIVE;
    struct prov_id id;
    enum prov_rc rc;

    rc = read_status(tx, params, "newStatus", &status);
    if (rc == PROV_OK)
        rc = api_cert_id(tx, params, "certificateId", &id);
    if (rc == PROV_OK)
        rc = prov_cert_set_status(tx, &id, status);
    return rc != PROV_OK ? rc : answer(tx, &id, data);
}

static enum prov_rc delete_cert(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    struct prov_id id;
    struct prov_doc d;
    enum prov_rc rc;

    rc = api_cert_id(tx, params, "certificateId", &id);
    if (rc == PROV_OK)
        rc = prov_cert_delete(tx, &id, api_bool(params, "forceDelete"));
    if (rc != PROV_OK)
        return rc;
    d = api_about_cert(tx, "cert", &id);
    return prov_doc_end(&d, data);
}

/* ---- lists ----------------------------------------------------------------------------------- */

struct filter {
    bool by_status;
    enum prov_cert_status status;
};

static enum prov_rc row(struct prov_tx *tx, void *ctx, struct prov_span key, cJSON **out)
{
    const struct filter *filter = ctx;
    struct prov_cert cert;
    struct prov_id id;
    enum prov_rc rc;

    rc = api_key_id(tx, key, &id);
    if (rc == PROV_OK)
        rc = prov_cert_get(tx, &id, &cert);
    if (rc != PROV_OK || (filter->by_status && cert.status != filter->status))
        return rc;
    return prov_view_cert_row(tx, &cert, out);
}

static enum prov_rc list_of(struct prov_tx *tx, const cJSON *params, enum prov_list_kind kind,
                            struct prov_span of, cJSON **data)
{
    struct filter filter = { .by_status = api_get(params, "status") != NULL };
    const struct api_list l = {
        .kind = kind,
        .of = of,
        .pages = API_MARKER,
        .key = API_KEY_ID,
        .rows = "certificates",
        .row = row,
        .ctx = &filter,
    };
    const enum prov_rc rc = read_status(tx, params, "status", &filter.status);

    return rc != PROV_OK ? rc : api_list(tx, params, &l, data);
}

static enum prov_rc list(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    return list_of(tx, params, PROV_LIST_CERTS, prov_span(NULL, 0), data);
}

static enum prov_rc list_by_ca(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    struct prov_id ca;
    const enum prov_rc rc = api_ca_id(tx, params, "caCertificateId", &ca);

    return rc != PROV_OK ? rc : list_of(tx, params, PROV_LIST_CERTS_OF_CA, prov_id_span(&ca), data);
}

/* ---- what a certificate has ------------------------------------------------------------------ */

static enum prov_rc of_principal(struct prov_tx *tx, const cJSON *params, struct prov_cert *cert)
{
    struct prov_id id;
    const enum prov_rc rc = api_principal(tx, params, "principal", &id);

    return rc != PROV_OK ? rc : prov_cert_get(tx, &id, cert);
}

static enum prov_rc principal_policies(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    struct prov_cert cert;
    const enum prov_rc rc = of_principal(tx, params, &cert);

    return rc != PROV_OK ? rc
                         : api_names(tx, params,
                                     &(struct api_names){ API_MARKER, "policies", cert.policies,
                                                          cert.n_policies, api_row_policy },
                                     data);
}

static enum prov_rc principal_things(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    struct prov_cert cert;
    const enum prov_rc rc = of_principal(tx, params, &cert);

    return rc != PROV_OK ? rc
                         : api_names(tx, params,
                                     &(struct api_names){ API_TOKEN, "things", cert.things,
                                                          cert.n_things, api_row_text },
                                     data);
}

/* ---- transfer -------------------------------------------------------------------------------- */

static enum prov_rc transfer(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    struct prov_id id;
    struct prov_doc d;
    enum prov_rc rc;

    rc = api_cert_id(tx, params, "certificateId", &id);
    if (rc == PROV_OK)
        rc = prov_cert_transfer(tx, &id, api_text(params, "targetAwsAccount"),
                                api_text(params, "transferMessage"));
    if (rc != PROV_OK)
        return rc;
    d = prov_doc_start(tx);
    (void)prov_doc_put(&d, d.root, "transferredCertificateArn",
                       prov_doc_arn_of_id(&d, "cert", &id));
    prov_doc_id(&d, d.root, "certificateId", &id);
    return prov_doc_end(&d, data);
}

static enum prov_rc accept(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    struct prov_id id;
    enum prov_rc rc;

    rc = api_cert_id(tx, params, "certificateId", &id);
    if (rc == PROV_OK)
        rc = prov_cert_transfer_accept(tx, &id, api_bool(params, "setAsActive"));
    return rc != PROV_OK ? rc : answer(tx, &id, data);
}

static enum prov_rc reject(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    struct prov_id id;
    enum prov_rc rc;

    rc = api_cert_id(tx, params, "certificateId", &id);
    if (rc == PROV_OK)
        rc = prov_cert_transfer_reject(tx, &id, api_text(params, "rejectReason"));
    return rc != PROV_OK ? rc : answer(tx, &id, data);
}

static enum prov_rc cancel(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    struct prov_id id;
    enum prov_rc rc;

    rc = api_cert_id(tx, params, "certificateId", &id);
    if (rc == PROV_OK)
        rc = prov_cert_transfer_cancel(tx, &id);
    return rc != PROV_OK ? rc : answer(tx, &id, data);
}

/* ---- the operations -------------------------------------------------------------------------- */

static const struct prov_api_field register_fields[] = {
    API_TEXT_NEEDED("certificatePem"),
    API_TEXT("caCertificatePem"),
    API_TEXT("status"),
    API_BOOL("setAsActive"),
    API_END,
};

static const struct prov_api_field register_without_fields[] = {
    API_TEXT_NEEDED("certificatePem"),
    API_TEXT("status"),
    API_END,
};

static const struct prov_api_field update_fields[] = {
    API_TEXT_NEEDED("certificateId"),
    API_TEXT_NEEDED("newStatus"),
    API_END,
};

static const struct prov_api_field delete_fields[] = {
    API_TEXT_NEEDED("certificateId"),
    API_BOOL("forceDelete"),
    API_END,
};

static const struct prov_api_field list_fields[] = {
    API_TEXT("status"),
    API_BY_MARKER,
    API_ORDER,
    API_END,
};

static const struct prov_api_field list_by_ca_fields[] = {
    API_TEXT_NEEDED("caCertificateId"), API_TEXT("status"), API_BY_MARKER, API_ORDER, API_END,
};

static const struct prov_api_field policies_fields[] = {
    API_TEXT_NEEDED("principal"),
    API_BY_MARKER,
    API_ORDER,
    API_END,
};

static const struct prov_api_field things_fields[] = {
    API_TEXT_NEEDED("principal"),
    API_BY_TOKEN,
    API_END,
};

static const struct prov_api_field transfer_fields[] = {
    API_TEXT_NEEDED("certificateId"),
    API_TEXT_NEEDED("targetAwsAccount"),
    API_TEXT("transferMessage"),
    API_END,
};

static const struct prov_api_field accept_fields[] = {
    API_TEXT_NEEDED("certificateId"),
    API_BOOL("setAsActive"),
    API_END,
};

static const struct prov_api_field reject_fields[] = {
    API_TEXT_NEEDED("certificateId"),
    API_TEXT("rejectReason"),
    API_END,
};

const struct prov_api_op api_cert_ops[] = {
    { "registerCertificate",
      "Registers a certificate that a registered ACTIVE CA signed.",
      PROV_API_WRITE,
      { "certificateId", NULL },
      register_fields,
      register_cert,
      NULL },
    { "registerCertificateWithoutCA",
      "Registers a certificate that is trusted as itself.",
      PROV_API_WRITE,
      { "certificateId", NULL },
      register_without_fields,
      register_without_ca,
      NULL },
    { "describeCertificate",
      "Describes a certificate.",
      PROV_API_READ,
      { "certificateId", NULL },
      id_fields,
      describe,
      NULL },
    { "updateCertificate",
      "Changes a certificate's status.",
      PROV_API_WRITE,
      { "certificateId", "newStatus" },
      update_fields,
      update,
      NULL },
    { "deleteCertificate",
      "Deletes a certificate that is not ACTIVE and stands for no thing.",
      PROV_API_WRITE,
      { "certificateId", NULL },
      delete_fields,
      delete_cert,
      NULL },
    { "listCertificates",
      "Lists the certificates, or those of a status.",
      PROV_API_READ,
      { "status", NULL },
      list_fields,
      list,
      NULL },
    { "listCertificatesByCA",
      "Lists the certificates that were registered under a CA.",
      PROV_API_READ,
      { "caCertificateId", NULL },
      list_by_ca_fields,
      list_by_ca,
      NULL },
    { "listPrincipalPolicies",
      "Lists the policies of a certificate.",
      PROV_API_READ,
      { "principal", NULL },
      policies_fields,
      principal_policies,
      NULL },
    { "listPrincipalThings",
      "Lists the things that a certificate is attached to.",
      PROV_API_READ,
      { "principal", NULL },
      things_fields,
      principal_things,
      NULL },
    { .name = NULL },
};

const struct prov_api_op api_transfer_ops[] = {
    { "transferCertificate",
      "Offers an INACTIVE certificate to another account.",
      PROV_API_WRITE,
      { "certificateId", "targetAwsAccount" },
      transfer_fields,
      transfer,
      NULL },
    { "acceptCertificateTransfer",
      "Takes a certificate that was offered.",
      PROV_API_WRITE,
      { "certificateId", NULL },
      accept_fields,
      accept,
      NULL },
    { "rejectCertificateTransfer",
      "Declines a certificate that was offered.",
      PROV_API_WRITE,
      { "certificateId", NULL },
      reject_fields,
      reject,
      NULL },
    { "cancelCertificateTransfer",
      "Takes back the offer of a certificate.",
      PROV_API_WRITE,
      { "certificateId", NULL },
      id_fields,
      cancel,
      NULL },
    { .name = NULL },
};
