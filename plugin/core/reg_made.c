/*
 * Certificates that were made here, a moment ago. Decoding one costs more than all the rest of its
 * registration, so nobody does: what is to be known of it is told by who made it, or is found in
 * its DER.
 */
#include "reg.h"

enum prov_rc reg_made_add(struct prov_tx *tx, const struct prov_made_cert *made,
                          struct prov_cert *cert)
{
    struct prov_id signed_id;
    enum prov_rc rc;

    rc = reg_der_signed_id(tx, made->der, &signed_id);
    if (rc == PROV_OK && prov_ident_id_of_der(made->der, &cert->id) != PROV_OK)
        rc = prov_nomem(tx->err);
    if (rc == PROV_OK)
        rc = reg_cert_is_new(tx, &signed_id);
    if (rc != PROV_OK)
        return rc;
    rc = reg_exists(tx, REG_CA, prov_id_span(&made->ca_id));
    if (rc == PROV_OK) {
        cert->ca_id = made->ca_id;
        rc = reg_serial_not_revoked(tx, &made->ca_id, reg_serial_of_der(made->der));
    }
    if (rc != PROV_OK && rc != PROV_ENOTFOUND)
        return rc;
    cert->mode = PROV_MODE_DEFAULT;
    cert->not_before_s = made->not_before_s;
    cert->not_after_s = made->not_after_s;
    cert->created_ms = tx->now_ms;
    cert->common_name = reg_cut(made->common_name);
    return reg_cert_add(tx, cert, made->der, &signed_id);
}

enum prov_rc prov_cert_record_made(struct prov_tx *tx, const struct prov_made_cert *made,
                                   enum prov_cert_status status, struct prov_id *id)
{
    struct prov_cert cert = { .status = status };
    enum prov_rc rc;

    if (status != PROV_CERT_ACTIVE && status != PROV_CERT_INACTIVE)
        return prov_fail(tx->err, PROV_EINVAL, REG_INVALID,
                         "a certificate is made ACTIVE or INACTIVE, not %s",
                         prov_cert_status_name(status));
    rc = reg_made_add(tx, made, &cert);
    *id = cert.id;
    return rc;
}

/* ---- temporary certificates ------------------------------------------------------------------ */

enum prov_rc reg_cert_lasting(struct prov_tx *tx, const struct prov_cert *cert, const char *to_do)
{
    if (cert->claim_template.n == 0)
        return PROV_OK;
    return prov_fail(tx->err, PROV_EDENIED, REG_STATE,
                     "the certificate is a temporary claim for template \"%.*s\", which cannot %s",
                     PROV_SPAN_ARG(cert->claim_template), to_do);
}

static enum prov_rc claimable(struct prov_tx *tx, struct prov_span name)
{
    struct prov_template_info info;
    const enum prov_rc rc = prov_template_get(tx, name, &info);

    if (rc != PROV_OK)
        return rc;
    if (info.type != PROV_TEMPLATE_FLEET)
        return prov_fail(tx->err, PROV_EINVAL, REG_INVALID,
                         "template \"%.*s\" is of type JITP: nobody claims by it",
                         PROV_SPAN_ARG(name));
    if (!info.enabled)
        return prov_fail(tx->err, PROV_EINVAL, REG_INVALID, "template \"%.*s\" is disabled",
                         PROV_SPAN_ARG(name));
    return PROV_OK;
}

enum prov_rc prov_cert_record_claim(struct prov_tx *tx, const struct prov_made_cert *made,
                                    struct prov_span template_name, struct prov_id *id)
{
    struct prov_cert cert = { .status = PROV_CERT_ACTIVE, .claim_template = template_name };
    int64_t end_ms;
    enum prov_rc rc;

    rc = claimable(tx, template_name);
    if (rc == PROV_OK)
        rc = reg_made_add(tx, made, &cert);
    *id = cert.id;
    end_ms = reg_due_at(&cert, REG_DUE_CLAIM);
    if (rc == PROV_OK)
        rc = reg_due_add(tx, end_ms, REG_DUE_CLAIM, id);
    return rc != PROV_OK ? rc
                         : reg_link_add(tx, REG_CLAIM_OF_TEMPLATE, template_name, prov_id_span(id));
}
