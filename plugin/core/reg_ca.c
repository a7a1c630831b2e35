#include <openssl/evp.h>
#include <openssl/x509.h>

#include "hook.h"
#include "ident.h"
#include "ossl.h"
#include "reg.h"

static const struct prov_field ca_fields[] = {
    { 1, PROV_FIELD_ID, offsetof(struct prov_ca, id), 0, 0 },
    { 2, PROV_FIELD_BOOL, offsetof(struct prov_ca, active), 0, 0 },
    { 3, PROV_FIELD_BOOL, offsetof(struct prov_ca, auto_registration), 0, 0 },
    { 4, PROV_FIELD_U32, offsetof(struct prov_ca, mode), 0, 0 },
    { 5, PROV_FIELD_SPAN, offsetof(struct prov_ca, template_name), 0, 0 },
    { 6, PROV_FIELD_SPAN, offsetof(struct prov_ca, subject), 0, 0 },
    { 7, PROV_FIELD_SPAN, offsetof(struct prov_ca, der), 0, 0 },
    { 8, PROV_FIELD_I64, offsetof(struct prov_ca, not_before_s), 0, 0 },
    { 9, PROV_FIELD_I64, offsetof(struct prov_ca, not_after_s), 0, 0 },
    { 10, PROV_FIELD_I64, offsetof(struct prov_ca, created_ms), 0, 0 },
    { 11, PROV_FIELD_I64, offsetof(struct prov_ca, modified_ms), 0, 0 },
    { 12, PROV_FIELD_SPAN, offsetof(struct prov_ca, hook), 0, 0 },
    { 13, PROV_FIELD_ID, offsetof(struct prov_ca, authority), 0, 0 },
    { 14, PROV_FIELD_I64, offsetof(struct prov_ca, crl_this_update_s), 0, 0 },
    { 15, PROV_FIELD_I64, offsetof(struct prov_ca, crl_next_update_s), 0, 0 },
    { 16, PROV_FIELD_I64, offsetof(struct prov_ca, crl_entries), 0, 0 },
    { 17, PROV_FIELD_I64, offsetof(struct prov_ca, crl_imported_ms), 0, 0 },
};
const struct prov_record reg_ca_record = { ca_fields, PROV_COUNT(ca_fields),
                                           sizeof(struct prov_ca) };

enum prov_rc prov_ca_get(struct prov_tx *tx, const struct prov_id *id, struct prov_ca *out)
{
    return reg_get(tx, REG_CA, &reg_ca_record, "CA certificate", prov_id_span(id), out);
}

enum prov_rc reg_ca_put(struct prov_tx *tx, struct prov_ca *ca)
{
    const struct prov_id id = ca->id;
    enum prov_rc rc;

    ca->modified_ms = tx->now_ms;
    rc = reg_put(tx, REG_CA, &reg_ca_record, prov_id_span(&id), ca);
    return rc != PROV_OK ? rc : prov_feed_append(tx, PROV_CHANGED_CA, prov_id_span(&id));
}

enum prov_rc reg_hook_check(struct prov_tx *tx, struct prov_span hook)
{
    struct prov_hook_spec spec;

    return hook.n == 0 ? PROV_OK : prov_hook_spec_parse(hook, &spec, tx->err);
}

/* A CA's template must be there and be made for this when it is named, not only when it is used. */
static enum prov_rc template_check(struct prov_tx *tx, struct prov_span name)
{
    struct prov_template_info info;
    enum prov_rc rc;

    if (name.n == 0)
        return PROV_OK;
    rc = prov_template_get(tx, name, &info);
    if (rc == PROV_OK && info.type != PROV_TEMPLATE_JITP)
        return prov_fail(tx->err, PROV_EINVAL, REG_INVALID,
                         "template \"%.*s\" is of type %s; a CA needs one of type JITP",
                         PROV_SPAN_ARG(name), prov_template_type_name(info.type));
    return rc;
}

bool reg_subject_key(const X509_NAME *name, uint8_t out[static 4])
{
    unsigned long hash;
    int ok = 0;

    ERR_set_mark(); /* an error that stays would be taken for a later one's cause (ossl.h) */
    hash = X509_NAME_hash_ex(name, NULL, NULL, &ok);
    ERR_pop_to_mark();
    reg_be32((uint32_t)hash, out);
    return ok == 1;
}

static enum prov_rc no_hash(struct prov_tx *tx)
{
    return prov_fail(tx->err, PROV_EBUG, REG_INTERNAL, "the CA's name cannot be hashed");
}

enum prov_rc reg_cert_fault(struct prov_tx *tx, const char *what, enum prov_cert_fault fault)
{
    if (fault == PROV_CERT_GOOD)
        return PROV_OK;
    return prov_fail(tx->err, fault == PROV_CERT_EXPIRED ? PROV_EEXPIRED : PROV_EINVAL,
                     REG_BAD_CERT, "the %s is refused: %s", what, prov_cert_fault_text(fault));
}

/* DEFAULT mode's proof of possession (reference 4.2): CN = registration code, signed by the CA. */
static enum prov_rc verify_possession(struct prov_tx *tx, X509 *ca, struct prov_span der)
{
    struct prov_settings settings;
    struct prov_ident *ident = NULL;
    X509 *cert = NULL;
    enum prov_rc rc;
    bool named = false;

    rc = prov_settings_get(tx, &settings);
    if (rc != PROV_OK)
        return rc;
    rc = prov_ident_decode(der, &cert, tx->err);
    if (rc == PROV_OK)
        rc = prov_ident_new(cert, &ident, tx->err);
    if (rc != PROV_OK)
        goto out;
    for (size_t i = 0; i < ident->dn[PROV_SUBJECT][PROV_DN_COMMON_NAME].n; i++)
        named = named || prov_span_eq_str(ident->dn[PROV_SUBJECT][PROV_DN_COMMON_NAME].v[i],
                                          settings.registration_code);
    if (settings.registration_code[0] == '\0' || !named)
        rc = prov_fail(tx->err, PROV_EDENIED, "RegistrationCodeValidationException",
                       "the verification certificate's common name is not the registration code");
    else if (!prov_cert_signed_by(cert, ca))
        rc = prov_fail(tx->err, PROV_EDENIED, REG_BAD_CERT,
                       "the verification certificate is not signed by the CA");
    else if (ident->not_after_s < tx->now_ms / 1000)
        rc = prov_fail(tx->err, PROV_EEXPIRED, REG_BAD_CERT,
                       "the verification certificate has expired");
out:
    prov_ident_free(ident);
    X509_free(cert);
    return rc;
}

static enum prov_rc possession_check(struct prov_tx *tx, X509 *ca,
                                     const struct prov_ca_registration *reg)
{
    if (reg->mode == PROV_MODE_SNI_ONLY) {
        if (reg->verification_der.n == 0)
            return PROV_OK;
        return prov_fail(tx->err, PROV_EINVAL, REG_INVALID,
                         "a CA in SNI_ONLY mode takes no verification certificate");
    }
    if (reg->verification_der.n == 0)
        return prov_fail(tx->err, PROV_EINVAL, REG_INVALID,
                         "a CA in DEFAULT mode needs a verification certificate");
    return verify_possession(tx, ca, reg->verification_der);
}

static enum prov_rc subject_index(struct prov_tx *tx, X509 *cert, const struct prov_id *id)
{
    uint8_t subject[4];
    size_t n;
    enum prov_rc rc;

    if (!reg_subject_key(X509_get_subject_name(cert), subject))
        return no_hash(tx);
    rc = reg_link_count(tx, REG_CA_OF_SUBJECT, prov_span(subject, 4), PROV_MAX_CAS_PER_SUBJECT, &n);
    if (rc != PROV_OK)
        return rc;
    if (n >= PROV_MAX_CAS_PER_SUBJECT)
        return prov_fail(tx->err, PROV_ETOOBIG, REG_LIMIT,
                         "%d CA certificates with this subject are registered already", (int)n);
    return reg_link_add(tx, REG_CA_OF_SUBJECT, prov_span(subject, 4), prov_id_span(id));
}

/* What a CA was filed under: record first, then the links, since each write ends the life of what
 * was read. */
static enum prov_rc move_template(struct prov_tx *tx, const struct prov_id *id,
                                  struct prov_span from, struct prov_span to)
{
    enum prov_rc rc = PROV_OK;

    if (from.n != 0)
        rc = reg_link_del(tx, REG_CA_OF_TEMPLATE, from, prov_id_span(id));
    if (rc == PROV_OK && to.n != 0)
        rc = reg_link_add(tx, REG_CA_OF_TEMPLATE, to, prov_id_span(id));
    return rc;
}

/* Name and key. The name by OpenSSL's hash of it, since a renewed certificate may spell it in
 * another encoding; the key tells apart what that hash of 32 bits does not. */
static enum prov_rc authority_of(struct prov_tx *tx, const X509 *cert, struct prov_id *out)
{
    uint8_t both[4 + PROV_ID_LEN];
    bool ok;

    ERR_set_mark();
    ok = reg_subject_key(X509_get_subject_name(cert), both) &&
         X509_pubkey_digest(cert, EVP_sha256(), both + 4, NULL) == 1;
    ERR_pop_to_mark();
    if (ok && prov_ident_id_of_der(prov_span(both, sizeof both), out) == PROV_OK)
        return PROV_OK;
    return prov_nomem(tx->err);
}

/* Lists that were imported for an older certificate of the same CA are this one's too. */
static enum prov_rc share_lists(struct prov_tx *tx, struct prov_ca *ca)
{
    struct prov_id same[PROV_MAX_CAS_PER_SUBJECT];
    struct prov_ca other;
    enum prov_rc rc;
    size_t n;

    rc = reg_ca_of_authority(tx, &ca->authority, same, &n);
    if (rc != PROV_OK || n == 0)
        return rc;
    rc = prov_ca_get(tx, &same[0], &other);
    if (rc != PROV_OK)
        return rc;
    ca->crl_this_update_s = other.crl_this_update_s;
    ca->crl_next_update_s = other.crl_next_update_s;
    ca->crl_entries = other.crl_entries;
    ca->crl_imported_ms = other.crl_imported_ms;
    return PROV_OK;
}

static enum prov_rc ca_store(struct prov_tx *tx, X509 *cert, const struct prov_ident *ident,
                             const struct prov_ca_registration *reg)
{
    struct prov_ca ca = {
        .id = ident->id,
        .active = reg->active,
        .auto_registration = reg->auto_registration,
        .mode = reg->mode,
        .template_name = reg->template_name,
        .hook = reg->hook,
        .subject = ident->subject_text,
        .der = reg->der,
        .not_before_s = ident->not_before_s,
        .not_after_s = ident->not_after_s,
        .created_ms = tx->now_ms,
    };
    enum prov_rc rc;

    rc = authority_of(tx, cert, &ca.authority);
    if (rc == PROV_OK)
        rc = share_lists(tx, &ca);
    if (rc == PROV_OK)
        rc = reg_ca_put(tx, &ca);
    if (rc == PROV_OK)
        rc = subject_index(tx, cert, &ca.id);
    if (rc == PROV_OK)
        rc = reg_link_add(tx, REG_CA_OF_AUTHORITY, prov_id_span(&ca.authority),
                          prov_id_span(&ca.id));
    if (rc == PROV_OK)
        rc = move_template(tx, &ca.id, prov_span(NULL, 0), reg->template_name);
    return rc;
}

enum prov_rc prov_ca_register(struct prov_tx *tx, const struct prov_ca_registration *reg,
                              struct prov_id *id)
{
    struct prov_ident *ident = NULL;
    char hex[PROV_ID_HEX + 1];
    X509 *cert = NULL;
    enum prov_rc rc;

    rc = prov_ident_decode(reg->der, &cert, tx->err);
    if (rc == PROV_OK)
        rc = prov_ident_new(cert, &ident, tx->err);
    if (rc != PROV_OK)
        goto out;
    *id = ident->id;
    rc = reg_exists(tx, REG_CA, prov_id_span(id));
    if (rc != PROV_ENOTFOUND) {
        prov_id_hex(id, hex);
        if (rc == PROV_OK)
            rc = prov_fail(tx->err, PROV_ECONFLICT, REG_EXISTS,
                           "this CA certificate is registered already, as %s", hex);
        goto out;
    }
    rc = reg_cert_fault(tx, "CA certificate", prov_cert_check_ca(cert, tx->now_ms / 1000));
    if (rc == PROV_OK)
        rc = possession_check(tx, cert, reg);
    if (rc == PROV_OK)
        rc = template_check(tx, reg->template_name);
    if (rc == PROV_OK)
        rc = reg_hook_check(tx, reg->hook);
    if (rc == PROV_OK)
        rc = ca_store(tx, cert, ident, reg);
out:
    prov_ident_free(ident);
    X509_free(cert);
    return rc;
}

enum prov_rc prov_ca_update(struct prov_tx *tx, const struct prov_id *id,
                            const struct prov_ca_change *change)
{
    char old[PROV_MAX_TEMPLATE_NAME + 1];
    struct prov_ca ca;
    enum prov_rc rc;

    rc = prov_ca_get(tx, id, &ca);
    if (rc == PROV_OK && change->template_name != NULL)
        rc = template_check(tx, *change->template_name);
    if (rc == PROV_OK && change->hook != NULL)
        rc = reg_hook_check(tx, *change->hook);
    if (rc != PROV_OK)
        return rc;
    (void)prov_span_copy(ca.template_name, old, sizeof old);
    if (change->active != NULL)
        ca.active = *change->active;
    if (change->auto_registration != NULL)
        ca.auto_registration = *change->auto_registration;
    if (change->template_name != NULL)
        ca.template_name = *change->template_name;
    if (change->hook != NULL)
        ca.hook = *change->hook;
    rc = reg_ca_put(tx, &ca);
    if (rc != PROV_OK || change->template_name == NULL)
        return rc;
    return move_template(tx, id, prov_span_str(old), *change->template_name);
}

static enum prov_rc leave_authority(struct prov_tx *tx, const struct prov_id *id,
                                    const struct prov_id *authority)
{
    enum prov_rc rc;
    size_t n;

    rc = reg_link_del(tx, REG_CA_OF_AUTHORITY, prov_id_span(authority), prov_id_span(id));
    if (rc == PROV_OK)
        rc = reg_link_count(tx, REG_CA_OF_AUTHORITY, prov_id_span(authority), 1, &n);
    return rc != PROV_OK || n != 0 ? rc : reg_forget_revoked(tx, authority);
}

enum prov_rc prov_ca_delete(struct prov_tx *tx, const struct prov_id *id)
{
    char template[PROV_MAX_TEMPLATE_NAME + 1];
    struct prov_id authority;
    uint8_t subject[4];
    struct prov_ca ca;
    X509 *cert = NULL;
    enum prov_rc rc;
    bool hashed;

    rc = prov_ca_get(tx, id, &ca);
    if (rc != PROV_OK)
        return rc;
    if (ca.active)
        return prov_fail(tx->err, PROV_EDENIED, REG_STATE,
                         "only an INACTIVE CA certificate can be deleted");
    rc = prov_ident_decode(ca.der, &cert, tx->err);
    if (rc != PROV_OK)
        return rc;
    hashed = reg_subject_key(X509_get_subject_name(cert), subject);
    X509_free(cert);
    if (!hashed)
        return no_hash(tx);
    authority = ca.authority;
    (void)prov_span_copy(ca.template_name, template, sizeof template);
    rc = reg_del(tx, REG_CA, prov_id_span(id));
    if (rc == PROV_OK)
        rc = reg_link_del(tx, REG_CA_OF_SUBJECT, prov_span(subject, 4), prov_id_span(id));
    if (rc == PROV_OK)
        rc = move_template(tx, id, prov_span_str(template), prov_span(NULL, 0));
    if (rc == PROV_OK)
        rc = leave_authority(tx, id, &authority);
    return rc != PROV_OK ? rc : prov_feed_append(tx, PROV_CHANGED_CA, prov_id_span(id));
}

struct found {
    struct prov_id *out;
    size_t n;
};

static bool collect(void *ctx, struct prov_span key, struct prov_span value)
{
    struct found *found = ctx;

    (void)value;
    if (key.n == PROV_ID_LEN)
        memcpy(found->out[found->n++].b, key.p, PROV_ID_LEN);
    return found->n < PROV_MAX_CAS_PER_SUBJECT;
}

static enum prov_rc cas_of(struct prov_tx *tx, enum reg_link kind, struct prov_span owner,
                           struct prov_id out[static PROV_MAX_CAS_PER_SUBJECT], size_t *n)
{
    struct found found = { out, 0 };
    uint8_t prefix[PROV_STORE_KEY_MAX];
    const enum prov_rc rc = reg_scan(tx, REG_LINK, reg_link_prefix(kind, owner, prefix),
                                     prov_span(NULL, 0), collect, &found);

    *n = found.n;
    return rc;
}

enum prov_rc reg_ca_of_subject(struct prov_tx *tx, const X509_NAME *name,
                               struct prov_id out[static PROV_MAX_CAS_PER_SUBJECT], size_t *n)
{
    uint8_t subject[4];

    *n = 0;
    if (!reg_subject_key(name, subject))
        return no_hash(tx);
    return cas_of(tx, REG_CA_OF_SUBJECT, prov_span(subject, sizeof subject), out, n);
}

enum prov_rc reg_ca_of_authority(struct prov_tx *tx, const struct prov_id *authority,
                                 struct prov_id out[static PROV_MAX_CAS_PER_SUBJECT], size_t *n)
{
    return cas_of(tx, REG_CA_OF_AUTHORITY, prov_id_span(authority), out, n);
}

enum prov_rc prov_ca_by_issuer(struct prov_tx *tx, X509 *leaf,
                               struct prov_id out[static PROV_MAX_CAS_PER_SUBJECT], size_t *n)
{
    return reg_ca_of_subject(tx, X509_get_issuer_name(leaf), out, n);
}
