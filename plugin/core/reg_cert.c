#include <openssl/x509.h>

#include "reg.h"

/* The id is the key; tag 1 was it in format 1. */
static const struct prov_field cert_fields[] = {
    { 2, PROV_FIELD_ID, offsetof(struct prov_cert, ca_id), 0, 0 },
    { 3, PROV_FIELD_U32, offsetof(struct prov_cert, status), 0, 0 },
    { 4, PROV_FIELD_U32, offsetof(struct prov_cert, mode), 0, 0 },
    { 5, PROV_FIELD_I64, offsetof(struct prov_cert, not_before_s), 0, 0 },
    { 6, PROV_FIELD_I64, offsetof(struct prov_cert, not_after_s), 0, 0 },
    { 7, PROV_FIELD_I64, offsetof(struct prov_cert, created_ms), 0, 0 },
    { 8, PROV_FIELD_I64, offsetof(struct prov_cert, modified_ms), 0, 0 },
    { 9, PROV_FIELD_SPAN, offsetof(struct prov_cert, common_name), 0, 0 },
    { 10, PROV_FIELD_SPANS, offsetof(struct prov_cert, policies),
      offsetof(struct prov_cert, n_policies), PROV_MAX_CERT_POLICIES },
    { 11, PROV_FIELD_SPANS, offsetof(struct prov_cert, things),
      offsetof(struct prov_cert, n_things), PROV_MAX_CERT_THINGS },
    { 12, PROV_FIELD_BOOL, offsetof(struct prov_cert, exclusive), 0, 0 },
    { 13, PROV_FIELD_I64, offsetof(struct prov_cert, der_number), 0, 0 },
    { 14, PROV_FIELD_SPAN, offsetof(struct prov_cert, transfer_account), 0, 0 },
    { 15, PROV_FIELD_SPAN, offsetof(struct prov_cert, transfer_message), 0, 0 },
    { 16, PROV_FIELD_SPAN, offsetof(struct prov_cert, transfer_reason), 0, 0 },
    { 17, PROV_FIELD_I64, offsetof(struct prov_cert, transfer_ms), 0, 0 },
    { 18, PROV_FIELD_I64, offsetof(struct prov_cert, accepted_ms), 0, 0 },
    { 19, PROV_FIELD_I64, offsetof(struct prov_cert, rejected_ms), 0, 0 },
    { 20, PROV_FIELD_SPAN, offsetof(struct prov_cert, claim_template), 0, 0 },
    { 21, PROV_FIELD_I64, offsetof(struct prov_cert, token_ms), 0, 0 },
    { 22, PROV_FIELD_ID, offsetof(struct prov_cert, replaces), 0, 0 },
    { 23, PROV_FIELD_ID, offsetof(struct prov_cert, replaced_by), 0, 0 },
    { 24, PROV_FIELD_I64, offsetof(struct prov_cert, retire_ms), 0, 0 },
};
const struct prov_record reg_cert_record = { cert_fields, PROV_COUNT(cert_fields),
                                             sizeof(struct prov_cert) };

/* Of the same records: their other tags are passed over. */
static const struct prov_field brief_fields[] = {
    { 2, PROV_FIELD_ID, offsetof(struct reg_cert_brief, ca_id), 0, 0 },
    { 3, PROV_FIELD_U32, offsetof(struct reg_cert_brief, status), 0, 0 },
    { 13, PROV_FIELD_I64, offsetof(struct reg_cert_brief, der_number), 0, 0 },
    { 20, PROV_FIELD_SPAN, offsetof(struct reg_cert_brief, claim_template), 0, 0 },
};
const struct prov_record reg_cert_brief_record = { brief_fields, PROV_COUNT(brief_fields),
                                                   sizeof(struct reg_cert_brief) };

enum prov_rc reg_cert_brief(struct prov_tx *tx, const struct prov_id *id,
                            struct reg_cert_brief *out)
{
    const enum prov_rc rc = reg_exists(tx, REG_CERT, prov_id_span(id));

    if (rc != PROV_OK)
        return rc;
    return reg_get(tx, REG_CERT, &reg_cert_brief_record, "certificate", prov_id_span(id), out);
}

enum prov_rc reg_cert_find(struct prov_tx *tx, const struct prov_id *id, struct prov_cert *out)
{
    const struct prov_id key = *id; /* which may be out's own */
    struct prov_span bytes;
    enum prov_rc rc;

    rc = prov_txn_get(tx->txn, REG_CERT, prov_id_span(&key), &bytes);
    if (rc == PROV_OK && prov_record_read(&reg_cert_record, bytes, out) != PROV_OK)
        rc = PROV_ENOTFOUND;
    if (rc == PROV_OK)
        out->id = key;
    return reg_store_result(tx, rc);
}

enum prov_rc prov_cert_get(struct prov_tx *tx, const struct prov_id *id, struct prov_cert *out)
{
    const struct prov_id key = *id; /* which may be out's own */
    const enum prov_rc rc =
        reg_get(tx, REG_CERT, &reg_cert_record, "certificate", prov_id_span(&key), out);

    if (rc == PROV_OK)
        out->id = key;
    return rc;
}

/* Temporary ones have no status that is counted, and stay what they are. */
static enum prov_rc count(struct prov_tx *tx, bool temporary, bool new, uint32_t from, uint32_t to)
{
    if (temporary)
        return new ? reg_count_temporary(tx, 1) : PROV_OK;
    return reg_count_status(tx, from, to);
}

enum prov_rc reg_cert_put(struct prov_tx *tx, struct prov_cert *cert)
{
    const struct prov_id id = cert->id;
    const enum prov_cert_status now = cert->status;
    const bool temporary = cert->claim_template.n != 0;
    struct reg_cert_brief before = { .status = REG_NO_STATUS };
    enum prov_rc rc;
    bool new;

    rc = reg_cert_brief(tx, &id, &before);
    if (rc != PROV_OK && rc != PROV_ENOTFOUND)
        return rc;
    new = rc == PROV_ENOTFOUND;
    cert->modified_ms = tx->now_ms;
    rc = reg_put(tx, REG_CERT, &reg_cert_record, prov_id_span(&id), cert);
    if (rc == PROV_OK)
        rc = count(tx, temporary, new, before.status, now);
    if (rc == PROV_OK && before.status == PROV_CERT_ACTIVE && now != PROV_CERT_ACTIVE)
        rc = reg_clients_go_stale(tx, &id);
    return rc != PROV_OK ? rc : prov_feed_append(tx, PROV_CHANGED_CERT, prov_id_span(&id));
}

/* ---- registration ---------------------------------------------------------------------------- */

/* What is registered, besides the certificate's own fields. */
struct entry {
    const X509 *leaf;
    const struct prov_id *ca_id; /* NULL: without a CA */
    enum prov_cert_mode mode;
    enum prov_cert_status status;
};

struct prov_span reg_signed_owner(const struct prov_id *signed_id)
{
    return prov_span(signed_id->b, REG_SIGNED_PREFIX);
}

static enum prov_rc twin(struct prov_tx *tx, const struct prov_id *signed_id,
                         struct prov_id *registered)
{
    uint8_t member[PROV_STORE_KEY_MAX];
    enum prov_rc rc;
    size_t n;

    rc = reg_link_first(tx, REG_CERT_OF_SIGNED, reg_signed_owner(signed_id), member, &n);
    if (rc == PROV_OK) /* a damaged certificate that was deleted leaves its entry */
        rc = n == PROV_ID_LEN ? reg_exists(tx, REG_CERT, prov_span(member, n)) : PROV_ENOTFOUND;
    if (rc == PROV_OK)
        memcpy(registered->b, member, PROV_ID_LEN);
    return rc;
}

enum prov_rc prov_cert_twin(struct prov_tx *tx, const X509 *leaf, struct prov_id *registered)
{
    struct prov_id signed_id;

    if (prov_ident_signed_id(leaf, &signed_id) != PROV_OK)
        return prov_nomem(tx->err);
    return twin(tx, &signed_id, registered);
}

enum prov_rc reg_cert_is_new(struct prov_tx *tx, const struct prov_id *signed_id)
{
    char hex[PROV_ID_HEX + 1];
    struct prov_id id;
    const enum prov_rc rc = twin(tx, signed_id, &id);

    if (rc == PROV_ENOTFOUND)
        return PROV_OK;
    if (rc != PROV_OK)
        return rc;
    prov_id_hex(&id, hex);
    return prov_fail(tx->err, PROV_ECONFLICT, REG_EXISTS,
                     "this certificate is registered already, as %s", hex);
}

static enum prov_rc not_there(struct prov_tx *tx, const X509 *leaf)
{
    struct prov_id signed_id;

    if (prov_ident_signed_id(leaf, &signed_id) != PROV_OK)
        return prov_nomem(tx->err);
    return reg_cert_is_new(tx, &signed_id);
}

enum prov_rc reg_cert_add(struct prov_tx *tx, struct prov_cert *cert, struct prov_span der,
                          const struct prov_id *signed_id)
{
    const bool listed = !prov_id_is_zero(&cert->ca_id) && cert->claim_template.n == 0;
    enum prov_rc rc;

    rc = reg_der_add(tx, der, &cert->der_number);
    if (rc == PROV_OK)
        rc = reg_cert_put(tx, cert);
    if (rc == PROV_OK && listed)
        rc = reg_link_add(tx, REG_CERT_OF_CA, prov_id_span(&cert->ca_id), prov_id_span(&cert->id));
    if (rc == PROV_OK)
        rc = reg_link_add(tx, REG_CERT_OF_SIGNED, reg_signed_owner(signed_id),
                          prov_id_span(&cert->id));
    return rc;
}

static enum prov_rc store_cert(struct prov_tx *tx, const struct prov_ident *ident,
                               struct prov_span der, const struct entry *entry)
{
    const struct prov_values *cn = &ident->dn[PROV_SUBJECT][PROV_DN_COMMON_NAME];
    struct prov_cert cert = {
        .id = ident->id,
        .status = entry->status,
        .mode = entry->mode,
        .not_before_s = ident->not_before_s,
        .not_after_s = ident->not_after_s,
        .created_ms = tx->now_ms,
        .common_name = cn->n != 0 ? reg_cut(cn->v[0]) : prov_span(NULL, 0),
    };
    struct prov_id signed_id;

    if (entry->ca_id != NULL)
        cert.ca_id = *entry->ca_id;
    if (prov_ident_signed_id(entry->leaf, &signed_id) != PROV_OK)
        return prov_nomem(tx->err);
    return reg_cert_add(tx, &cert, der, &signed_id);
}

/* Is candidate the CA that signed leaf? *ca then describes it. */
static enum prov_rc try_ca(struct prov_tx *tx, X509 *leaf, const struct prov_id *candidate,
                           struct prov_ca *ca, bool *signed_by)
{
    X509 *cert = NULL;
    enum prov_rc rc;

    *signed_by = false;
    rc = prov_ca_get(tx, candidate, ca);
    if (rc == PROV_OK)
        rc = prov_ident_decode(ca->der, &cert, tx->err);
    if (rc == PROV_OK)
        *signed_by = prov_cert_signed_by(leaf, cert);
    X509_free(cert);
    return rc;
}

/* A renewed CA certificate has the name and often the key of the old one: an ACTIVE one counts. */
static enum prov_rc find_ca(struct prov_tx *tx, X509 *leaf, struct prov_ca *ca)
{
    struct prov_id candidates[PROV_MAX_CAS_PER_SUBJECT];
    struct prov_ca tried;
    enum prov_rc rc;
    bool found = false, signed_by;
    size_t n;

    rc = prov_ca_by_issuer(tx, leaf, candidates, &n);
    for (size_t i = 0; rc == PROV_OK && i < n && !(found && ca->active); i++) {
        rc = try_ca(tx, leaf, &candidates[i], &tried, &signed_by);
        if (rc == PROV_OK && signed_by)
            *ca = tried;
        found = found || signed_by;
    }
    if (rc != PROV_OK || found)
        return rc;
    return prov_fail(tx->err, PROV_EDENIED, REG_BAD_CERT,
                     "no registered CA signed this certificate: register its CA first, or "
                     "register the certificate without one (--no-ca)");
}

/* RegisterCertificate names the CA when it likes to. */
static enum prov_rc named_ca(struct prov_tx *tx, X509 *leaf, struct prov_span der,
                             struct prov_ca *ca)
{
    X509 *cert = NULL;
    struct prov_id id;
    enum prov_rc rc;
    bool found = false;

    rc = prov_ident_decode(der, &cert, tx->err);
    if (rc == PROV_OK)
        rc = prov_ident_id(cert, &id);
    X509_free(cert);
    if (rc == PROV_OK)
        rc = try_ca(tx, leaf, &id, ca, &found);
    if (rc == PROV_OK && !found)
        rc = prov_fail(tx->err, PROV_EDENIED, REG_BAD_CERT,
                       "the certificate is not signed by the CA given with it");
    return rc;
}

static enum prov_rc active_ca(struct prov_tx *tx, X509 *leaf,
                              const struct prov_cert_registration *reg, struct prov_ca *ca)
{
    const enum prov_rc rc =
        reg->ca_der.n != 0 ? named_ca(tx, leaf, reg->ca_der, ca) : find_ca(tx, leaf, ca);

    if (rc == PROV_OK && !ca->active)
        return prov_fail(tx->err, PROV_EDENIED, REG_STATE,
                         "the CA that signed the certificate is INACTIVE");
    return rc;
}

/*
 * What an operator registers by hand may become valid later. A self-signed certificate made by
 * `openssl req -x509` calls itself a CA; registered as itself and without a CA, it signs for
 * nobody.
 */
static enum prov_rc leaf_check(struct prov_tx *tx, X509 *leaf, const struct prov_ident *ident,
                               bool without_ca)
{
    const int64_t now_s = tx->now_ms / 1000;
    enum prov_cert_fault fault = prov_cert_check_leaf(leaf, now_s);

    if (fault == PROV_CERT_IS_CA && without_ca)
        fault = now_s > ident->not_after_s ? PROV_CERT_EXPIRED : PROV_CERT_GOOD;
    if (fault == PROV_CERT_NOT_YET_VALID)
        return PROV_OK;
    return reg_cert_fault(tx, "certificate", fault);
}

static enum prov_rc status_check(struct prov_tx *tx, enum prov_cert_status status)
{
    if (status == PROV_CERT_ACTIVE || status == PROV_CERT_INACTIVE || status == PROV_CERT_REVOKED)
        return PROV_OK;
    return prov_fail(tx->err, PROV_EDENIED, REG_STATE,
                     "Not allowed to register certificate with %s status",
                     prov_cert_status_name(status));
}

enum prov_rc prov_cert_register(struct prov_tx *tx, const struct prov_cert_registration *reg,
                                struct prov_id *id)
{
    struct entry entry = { .mode = PROV_MODE_SNI_ONLY, .status = reg->status };
    struct prov_ident *ident = NULL;
    struct prov_ca ca;
    X509 *leaf = NULL;
    enum prov_rc rc;

    rc = status_check(tx, reg->status);
    if (rc == PROV_OK)
        rc = prov_ident_decode(reg->der, &leaf, tx->err);
    if (rc == PROV_OK)
        rc = prov_ident_new(leaf, &ident, tx->err);
    if (rc != PROV_OK)
        goto out;
    *id = ident->id;
    entry.leaf = leaf;
    rc = not_there(tx, leaf);
    if (rc == PROV_OK)
        rc = leaf_check(tx, leaf, ident, reg->without_ca);
    if (rc == PROV_OK && !reg->without_ca) {
        rc = active_ca(tx, leaf, reg, &ca);
        entry.ca_id = &ca.id;
        entry.mode = ca.mode;
        if (rc == PROV_OK && reg->status != PROV_CERT_REVOKED)
            rc = reg_not_revoked(tx, &ca.id, leaf);
    }
    if (rc == PROV_OK)
        rc = store_cert(tx, ident, reg->der, &entry);
out:
    prov_ident_free(ident);
    X509_free(leaf);
    return rc;
}

enum prov_rc prov_cert_record_first_contact(struct prov_tx *tx, X509 *leaf,
                                            const struct prov_ca *ca, struct prov_id *id)
{
    const struct prov_id ca_id = ca->id;
    const struct entry entry = { leaf, &ca_id, ca->mode, PROV_CERT_PENDING_ACTIVATION };
    struct prov_ident *ident = NULL;
    struct prov_buf der;
    enum prov_rc rc;

    prov_buf_init(&der, PROV_MAX_CERT_DER);
    rc = prov_ident_new(leaf, &ident, tx->err);
    if (rc == PROV_OK)
        rc = prov_ident_encode(leaf, &der);
    if (rc != PROV_OK)
        goto out;
    *id = ident->id;
    rc = not_there(tx, leaf);
    if (rc == PROV_OK)
        rc = reg_not_revoked(tx, &ca_id, leaf);
    if (rc == PROV_OK)
        rc = store_cert(tx, ident, prov_buf_span(&der), &entry);
out:
    prov_buf_release(&der);
    prov_ident_free(ident);
    return rc;
}

/* ---- deletion -------------------------------------------------------------------------------- */

static enum prov_rc deletable(struct prov_tx *tx, const struct prov_cert *cert, bool force)
{
    if (cert->status == PROV_CERT_ACTIVE)
        return prov_fail(tx->err, PROV_EDENIED, REG_STATE,
                         "an ACTIVE certificate cannot be deleted: make it INACTIVE first");
    if (cert->n_things != 0)
        return prov_fail(tx->err, PROV_EDENIED, REG_IN_USE,
                         "the certificate is attached to thing \"%.*s\": detach it first",
                         PROV_SPAN_ARG(cert->things[0]));
    if (cert->n_policies != 0 && !force)
        return prov_fail(tx->err, PROV_EDENIED, REG_IN_USE,
                         "policy \"%.*s\" is attached to the certificate: detach it, or use force",
                         PROV_SPAN_ARG(cert->policies[0]));
    return PROV_OK;
}

/* Before anything is written: the template's name points into the record. */
static enum prov_rc forget_template(struct prov_tx *tx, const struct prov_cert *cert)
{
    if (cert->claim_template.n == 0 || cert->claim_template.n > PROV_MAX_NAME) /* damaged */
        return PROV_OK;
    return reg_link_del(tx, REG_CLAIM_OF_TEMPLATE, cert->claim_template, prov_id_span(&cert->id));
}

enum prov_rc reg_cert_remove(struct prov_tx *tx, const struct prov_cert *cert)
{
    const bool temporary = cert->claim_template.n != 0;
    const struct prov_span id = prov_id_span(&cert->id);
    enum prov_rc rc;

    rc = forget_template(tx, cert);
    if (rc == PROV_OK)
        rc = reg_der_forget(tx, cert);
    if (rc == PROV_OK)
        rc = reg_del(tx, REG_CERT, id);
    if (rc == PROV_OK)
        rc = temporary ? reg_count_temporary(tx, -1)
                       : reg_count_status(tx, cert->status, REG_NO_STATUS);
    if (rc == PROV_OK && !prov_id_is_zero(&cert->ca_id))
        rc = reg_link_del(tx, REG_CERT_OF_CA, prov_id_span(&cert->ca_id), id);
    if (rc == PROV_OK)
        rc = reg_forget_clients(tx, &cert->id);
    if (rc == PROV_OK)
        rc = reg_forget_due(tx, cert);
    if (rc == PROV_OK)
        rc = reg_forget_replacements(tx, &cert->id, &cert->replaces);
    if (rc == PROV_OK)
        rc = reg_forget_claim(tx, &cert->id);
    return rc != PROV_OK ? rc : prov_feed_append(tx, PROV_CHANGED_CERT, id);
}

enum prov_rc prov_cert_delete(struct prov_tx *tx, const struct prov_id *id, bool force)
{
    struct prov_cert cert;
    enum prov_rc rc;

    rc = prov_cert_get(tx, id, &cert);
    if (rc == PROV_OK)
        rc = deletable(tx, &cert, force);
    while (rc == PROV_OK && cert.n_policies != 0) {
        rc = prov_policy_detach_cert(tx, cert.policies[0], id);
        if (rc == PROV_OK)
            rc = prov_cert_get(tx, id, &cert);
    }
    return rc != PROV_OK ? rc : reg_cert_remove(tx, &cert);
}
