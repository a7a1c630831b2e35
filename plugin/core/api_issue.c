/*
 * Certificates that are made here: for claims of trusted users (reference 1.10), and those that the
 * operator makes. All of it but the record is made in prepare.
 */
#include "api_priv.h"

#include <stdlib.h>

#include "reason.h"

#define CLAIM_S 300                       /* a temporary claim's life at most: AWS IoT's */
#define COMMON_NAME "AWS IoT Certificate" /* of the subject that prov_issue gives those without */

/* A certificate that was made, and not recorded yet. */
struct made {
    struct prov_key key;  /* empty: the key is somebody else's */
    struct prov_csr *csr; /* whose; NULL: it was made */
    struct prov_buf der;
    struct prov_made_cert cert; /* points into the two above */
    char *template_name;        /* of a claim; NULL: it is none */
    bool active;
};

static void drop(void *prepared)
{
    struct made *made = prepared;

    if (made == NULL)
        return;
    prov_key_release(&made->key);
    prov_csr_free(made->csr);
    prov_buf_release(&made->der);
    free(made->template_name);
    free(made);
}

/* ---- making ---------------------------------------------------------------------------------- */

static enum prov_rc find_issuer(struct prov_tx *tx, const struct prov_issuing *issuing,
                                const struct prov_issuer **out)
{
    const struct prov_reason_info *why = prov_reason_info(PROV_REASON_NO_ISSUER);

    if (issuing != NULL)
        return issuing->issuer(issuing, out, tx->err);
    return prov_fail(tx->err, PROV_ENOTFOUND, why->aws_code, "%s %s", why->sentence, why->cure);
}

static enum prov_rc make_key(struct prov_tx *tx, const struct prov_issuing *issuing,
                             const cJSON *params, struct made *made)
{
    const char *names[PROV_KEY_TYPES];
    size_t type = issuing->key_type;
    enum prov_rc rc;

    for (size_t i = 0; i < PROV_KEY_TYPES; i++)
        names[i] = prov_key_type_name((enum prov_key_type)i);
    rc = api_choice(tx, params, "keyType", names, PROV_KEY_TYPES, &type);
    if (rc != PROV_OK)
        return rc;
    rc = prov_key_make((enum prov_key_type)type, &made->key);
    if (rc == PROV_ENOMEM)
        return prov_nomem(tx->err);
    return rc == PROV_OK ? PROV_OK
                         : prov_fail(tx->err, rc, API_INTERNAL, "a private key could not be made");
}

/* The codes of CreateCertificateFromCsr's MQTT operation are no exceptions of the API. */
static enum prov_rc read_csr(struct prov_tx *tx, const cJSON *params, struct made *made)
{
    static const char field[] = "certificateSigningRequest";
    const enum prov_rc rc = prov_csr_parse(api_text(params, field), &made->csr, tx->err);

    if (rc == PROV_OK || rc == PROV_ENOMEM || tx->err == NULL)
        return rc == PROV_ENOMEM ? prov_nomem(tx->err) : rc;
    tx->err->code = API_INVALID;
    tx->err->line = tx->err->col = 0;
    (void)prov_span_copy(prov_span_str(field), tx->err->path, sizeof tx->err->path);
    return rc;
}

/* For the key that is made, or that of the CSR. */
static enum prov_rc sign(struct prov_tx *tx, const struct prov_issuer *issuer, struct made *made,
                         int64_t not_before_s, int64_t not_after_s)
{
    const struct prov_issue what = {
        .subject = made->csr != NULL ? made->csr->subject : prov_span(NULL, 0),
        .spki = made->csr != NULL ? made->csr->spki : prov_buf_span(&made->key.spki),
        .not_before_s = not_before_s,
        .not_after_s = not_after_s,
    };
    enum prov_rc rc;

    rc = prov_issue(issuer, &what, &made->der, tx->err);
    made->cert.not_before_s = not_before_s;
    made->cert.not_after_s = not_after_s;
    prov_issue_cut(issuer, &made->cert.not_before_s, &made->cert.not_after_s);
    made->cert.der = prov_buf_span(&made->der);
    made->cert.common_name =
        what.subject.n != 0 ? made->csr->common_name : prov_span_str(COMMON_NAME);
    made->cert.ca_id = *prov_issuer_id(issuer);
    return rc == PROV_ENOMEM ? prov_nomem(tx->err) : rc;
}

static enum prov_rc read_days(struct prov_tx *tx, const struct prov_issuing *issuing,
                              const cJSON *params, int64_t *out)
{
    const uint32_t days = api_number(params, "validityDays", 0);

    *out = issuing->validity_days;
    if (api_get(params, "validityDays") == NULL)
        return PROV_OK;
    *out = days;
    return days != 0 && days <= PROV_MAX_VALIDITY_DAYS
               ? PROV_OK
               : api_refuse(tx, "validityDays", "must be from 1 to %d", PROV_MAX_VALIDITY_DAYS);
}

static enum prov_rc make_cert(struct prov_tx *tx, const struct prov_issuing *issuing,
                              const cJSON *params, bool from_csr, struct made *made)
{
    const struct prov_issuer *issuer;
    int64_t days, not_before_s, not_after_s;
    enum prov_rc rc;

    made->active = api_bool(params, "setAsActive");
    rc = find_issuer(tx, issuing, &issuer);
    if (rc == PROV_OK)
        rc = read_days(tx, issuing, params, &days);
    if (rc == PROV_OK)
        rc = from_csr ? read_csr(tx, params, made) : make_key(tx, issuing, params, made);
    if (rc != PROV_OK)
        return rc;
    prov_issue_validity(tx->now_ms / 1000, days, &not_before_s, &not_after_s);
    return sign(tx, issuer, made, not_before_s, not_after_s);
}

static enum prov_rc make_keys_and_cert(struct prov_tx *tx, const struct prov_issuing *issuing,
                                       const cJSON *params, struct made *made)
{
    return make_cert(tx, issuing, params, false, made);
}

static enum prov_rc make_from_csr(struct prov_tx *tx, const struct prov_issuing *issuing,
                                  const cJSON *params, struct made *made)
{
    return make_cert(tx, issuing, params, true, made);
}

static enum prov_rc read_life(struct prov_tx *tx, const cJSON *params, int64_t *out)
{
    const uint32_t seconds = api_number(params, "validitySeconds", CLAIM_S);

    *out = seconds;
    return seconds != 0 && seconds <= CLAIM_S
               ? PROV_OK
               : api_refuse(tx, "validitySeconds", "must be from 1 to %d", CLAIM_S);
}

/* It begins as early as any other certificate: for clocks that are slow. */
static enum prov_rc make_claim(struct prov_tx *tx, const struct prov_issuing *issuing,
                               const cJSON *params, struct made *made)
{
    const struct prov_issuer *issuer;
    const int64_t now_s = tx->now_ms / 1000;
    int64_t life_s, not_before_s, not_after_s;
    enum prov_rc rc;

    made->template_name = prov_span_dup(api_text(params, "templateName"));
    if (made->template_name == NULL)
        return prov_nomem(tx->err);
    rc = read_life(tx, params, &life_s);
    if (rc == PROV_OK)
        rc = find_issuer(tx, issuing, &issuer);
    if (rc == PROV_OK)
        rc = make_key(tx, issuing, params, made);
    if (rc != PROV_OK)
        return rc;
    prov_issue_validity(now_s, 1, &not_before_s, &not_after_s);
    return sign(tx, issuer, made, not_before_s, now_s + life_s);
}

static enum prov_rc prepare(struct prov_tx *tx, const struct prov_issuing *issuing,
                            const cJSON *params, void **prepared,
                            enum prov_rc (*make)(struct prov_tx *tx,
                                                 const struct prov_issuing *issuing,
                                                 const cJSON *params, struct made *made))
{
    struct made *made = calloc(1, sizeof *made);
    enum prov_rc rc;

    if (made == NULL)
        return prov_nomem(tx->err);
    prov_buf_init(&made->der, PROV_MAX_CERT_DER);
    rc = make(tx, issuing, params, made);
    if (rc == PROV_OK)
        *prepared = made;
    else
        drop(made);
    return rc;
}

static enum prov_rc prepare_claim(struct prov_tx *tx, const struct prov_issuing *issuing,
                                  const cJSON *params, void **prepared)
{
    return prepare(tx, issuing, params, prepared, make_claim);
}

static enum prov_rc prepare_keys_and_cert(struct prov_tx *tx, const struct prov_issuing *issuing,
                                          const cJSON *params, void **prepared)
{
    return prepare(tx, issuing, params, prepared, make_keys_and_cert);
}

static enum prov_rc prepare_from_csr(struct prov_tx *tx, const struct prov_issuing *issuing,
                                     const cJSON *params, void **prepared)
{
    return prepare(tx, issuing, params, prepared, make_from_csr);
}

/* ---- recording ------------------------------------------------------------------------------- */

static void put_pem(struct prov_doc *d, struct prov_span der)
{
    struct prov_buf pem;

    prov_buf_init(&pem, der.n * 2 + 128);
    prov_view_pem(der, &pem);
    if (pem.rc == PROV_OK)
        prov_doc_text(d, d->root, "certificatePem", prov_buf_span(&pem));
    else if (d->rc == PROV_OK)
        d->rc = pem.rc;
    prov_buf_release(&pem);
}

/* As it is: a text that is checked for UTF-8 is a copy more. */
static void put_key(struct prov_doc *d, struct prov_key *key)
{
    cJSON *pair;

    if (key->pem.n == 0)
        return;
    pair = prov_doc_object(d, d->root, "keyPair");
    prov_doc_text(d, pair, "PublicKey", prov_buf_span(&key->public_pem));
    (void)prov_doc_put(d, pair, "PrivateKey", cJSON_CreateString(prov_buf_cstr(&key->pem)));
}

/* A document that could not be made whole must not leave the key behind. */
static enum prov_rc end(struct prov_doc *d, cJSON **data)
{
    if (d->rc == PROV_OK)
        return prov_doc_end(d, data);
    prov_api_drop(d->root);
    d->root = NULL;
    return prov_doc_end(d, data);
}

static enum prov_rc finish_claim(struct prov_tx *tx, void *prepared, cJSON **data)
{
    struct made *made = prepared;
    struct prov_doc d;
    struct prov_id id;
    const enum prov_rc rc =
        prov_cert_record_claim(tx, &made->cert, prov_span_str(made->template_name), &id);

    if (rc != PROV_OK)
        return rc;
    d = prov_doc_start(tx);
    prov_doc_id(&d, d.root, "certificateId", &id);
    put_pem(&d, made->cert.der);
    put_key(&d, &made->key);
    prov_doc_number(&d, d.root, "expiration", (double)made->cert.not_after_s);
    return end(&d, data);
}

static enum prov_rc finish_cert(struct prov_tx *tx, void *prepared, cJSON **data)
{
    struct made *made = prepared;
    struct prov_doc d;
    struct prov_id id;
    const enum prov_rc rc = prov_cert_record_made(
        tx, &made->cert, made->active ? PROV_CERT_ACTIVE : PROV_CERT_INACTIVE, &id);

    if (rc != PROV_OK)
        return rc;
    d = api_about_cert(tx, "cert", &id);
    put_pem(&d, made->cert.der);
    put_key(&d, &made->key);
    return end(&d, data);
}

/* ---- the operations -------------------------------------------------------------------------- */

static const struct prov_api_stages claim_stages = { prepare_claim, finish_claim, drop };
static const struct prov_api_stages keys_stages = { prepare_keys_and_cert, finish_cert, drop };
static const struct prov_api_stages csr_stages = { prepare_from_csr, finish_cert, drop };

static const struct prov_api_field claim_fields[] = {
    API_TEXT_NEEDED("templateName"),
    API_TEXT("keyType"),
    API_NUMBER("validitySeconds"),
    API_END,
};

static const struct prov_api_field keys_fields[] = {
    API_BOOL("setAsActive"),
    API_TEXT("keyType"),
    API_NUMBER("validityDays"),
    API_END,
};

static const struct prov_api_field csr_fields[] = {
    API_TEXT_NEEDED("certificateSigningRequest"),
    API_BOOL("setAsActive"),
    API_NUMBER("validityDays"),
    API_END,
};

const struct prov_api_op api_issue_ops[] = {
    { .name = "createProvisioningClaim",
      .summary = "A certificate and key that provision by a template for five minutes.",
      .access = PROV_API_WRITE,
      .about = { "certificateId", "templateName" },
      .fields = claim_fields,
      .stages = &claim_stages },
    { .name = "createKeysAndCertificate",
      .summary = "Makes a key and a certificate for it.",
      .access = PROV_API_WRITE,
      .about = { "certificateId", NULL },
      .fields = keys_fields,
      .stages = &keys_stages },
    { .name = "createCertificateFromCsr",
      .summary = "Makes a certificate from a certificate signing request.",
      .access = PROV_API_WRITE,
      .about = { "certificateId", NULL },
      .fields = csr_fields,
      .stages = &csr_stages },
    { .name = NULL },
};
