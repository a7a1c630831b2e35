/*
 * Ownership tokens (reference 1.7).
 *
 * A token is when it runs out, whose certificate it is, and a secret. The first two are the key of
 * its record, so that there is nothing to search; of the secret the store has a hash, so that who
 * reads the store, or a copy of it, has no token.
 */
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "reg.h"

#define BAD_TOKEN "InvalidCertificateOwnershipToken"

#define SECRET_LEN 32
/* A multiple of 3: base64 has then neither padding nor bits that say nothing, and each token is
 * written in one way only. */
#define RAW_LEN (8 + PROV_ID_LEN + SECRET_LEN)
_Static_assert(RAW_LEN % 3 == 0 && RAW_LEN / 3 * 4 == PROV_TOKEN_LEN, "a token's length");

struct parts {
    int64_t expires_ms;
    struct prov_id cert;
    uint8_t secret[SECRET_LEN];
};

static const struct prov_field token_fields[] = {
    { 1, PROV_FIELD_ID, offsetof(struct reg_token, secret_hash), 0, 0 },
    { 2, PROV_FIELD_ID, offsetof(struct reg_token, claim), 0, 0 },
    { 3, PROV_FIELD_ID, offsetof(struct reg_token, registration), 0, 0 },
    { 4, PROV_FIELD_SPAN, offsetof(struct reg_token, answer), 0, 0 },
};
const struct prov_record reg_token_record = { token_fields, PROV_COUNT(token_fields),
                                              sizeof(struct reg_token) };

/* ---- text ------------------------------------------------------------------------------------ */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode(const struct parts *parts, char out[static PROV_TOKEN_LEN + 1])
{
    uint8_t raw[RAW_LEN];
    uint32_t bits;
    char *to = out;

    reg_be64((uint64_t)parts->expires_ms, raw);
    memcpy(raw + 8, parts->cert.b, PROV_ID_LEN);
    memcpy(raw + 8 + PROV_ID_LEN, parts->secret, SECRET_LEN);
    for (size_t i = 0; i < RAW_LEN; i += 3) {
        bits = (uint32_t)raw[i] << 16 | (uint32_t)raw[i + 1] << 8 | raw[i + 2];
        for (int shift = 18; shift >= 0; shift -= 6)
            *to++ = digits[bits >> shift & 63];
    }
    *to = '\0';
    OPENSSL_cleanse(raw, sizeof raw);
}

static bool decode_raw(struct prov_span token, uint8_t raw[static RAW_LEN])
{
    const char *digit;
    uint32_t bits = 0;

    for (size_t i = 0; i < PROV_TOKEN_LEN; i++) {
        digit = token.p[i] == '\0' ? NULL : strchr(digits, token.p[i]);
        if (digit == NULL)
            return false;
        bits = bits << 6 | (uint32_t)(digit - digits);
        if (i % 4 == 3) {
            *raw++ = (uint8_t)(bits >> 16);
            *raw++ = (uint8_t)(bits >> 8);
            *raw++ = (uint8_t)bits;
        }
    }
    return true;
}

static bool decode(struct prov_span token, struct parts *out)
{
    uint8_t raw[RAW_LEN];
    uint64_t expires_ms;
    bool ok;

    if (token.n != PROV_TOKEN_LEN)
        return false;
    ok = decode_raw(token, raw);
    if (ok) {
        expires_ms = reg_from_be64(raw);
        ok = expires_ms <= INT64_MAX;
        out->expires_ms = (int64_t)expires_ms;
        memcpy(out->cert.b, raw + 8, PROV_ID_LEN);
        memcpy(out->secret, raw + 8 + PROV_ID_LEN, SECRET_LEN);
    }
    OPENSSL_cleanse(raw, sizeof raw);
    return ok;
}

/* ---- giving ---------------------------------------------------------------------------------- */

static enum prov_rc hash_secret(struct prov_tx *tx, const struct parts *parts, struct prov_id *out)
{
    const struct prov_span secret = prov_span(parts->secret, SECRET_LEN);

    return prov_ident_id_of_der(secret, out) == PROV_OK ? PROV_OK : prov_nomem(tx->err);
}

static enum prov_rc mint(struct prov_tx *tx, struct parts *parts, const struct prov_id *claim)
{
    struct reg_token token = { .claim = *claim };
    uint8_t key[REG_DUE_KEY];
    enum prov_rc rc;

    if (RAND_bytes(parts->secret, SECRET_LEN) != 1)
        return prov_fail(tx->err, PROV_EBUG, REG_INTERNAL, "no random numbers for a token");
    rc = hash_secret(tx, parts, &token.secret_hash);
    if (rc != PROV_OK)
        return rc;
    return reg_put(tx, REG_DUE, &reg_token_record,
                   reg_due_key(parts->expires_ms, REG_DUE_TOKEN, &parts->cert, key), &token);
}

enum prov_rc prov_cert_record_issued(struct prov_tx *tx, const struct prov_made_cert *made,
                                     const struct prov_id *claim, int64_t expires_ms,
                                     struct prov_id *id, char token[static PROV_TOKEN_LEN + 1])
{
    struct prov_cert cert = { .status = PROV_CERT_PENDING_ACTIVATION, .token_ms = expires_ms };
    struct parts parts = { .expires_ms = expires_ms };
    enum prov_rc rc;

    token[0] = '\0';
    if (expires_ms <= 0)
        return prov_fail(tx->err, PROV_EBUG, REG_INTERNAL, "a token that never was good");
    rc = reg_made_add(tx, made, &cert);
    *id = parts.cert = cert.id;
    if (rc == PROV_OK)
        rc = mint(tx, &parts, claim);
    if (rc == PROV_OK)
        encode(&parts, token);
    OPENSSL_cleanse(&parts, sizeof parts);
    return rc;
}

/* ---- asking ---------------------------------------------------------------------------------- */

static enum prov_rc refuse(struct prov_tx *tx, const char *why)
{
    return prov_fail(tx->err, PROV_EDENIED, BAD_TOKEN, "The certificate ownership token %s", why);
}

static enum prov_rc read_token(struct prov_tx *tx, int64_t expires_ms, const struct prov_id *cert,
                               struct reg_token *out)
{
    uint8_t key[REG_DUE_KEY];
    const struct prov_span at = reg_due_key(expires_ms, REG_DUE_TOKEN, cert, key);
    const enum prov_rc rc = reg_exists(tx, REG_DUE, at);

    if (rc != PROV_OK)
        return rc;
    return reg_get(tx, REG_DUE, &reg_token_record, "token", at, out);
}

/* That of a used one says what it likes: the answer is told again. */
static enum prov_rc status_check(struct prov_tx *tx, const struct prov_id *id, bool used)
{
    struct reg_cert_brief cert;
    const enum prov_rc rc = reg_cert_brief(tx, id, &cert);

    if (rc == PROV_ENOTFOUND)
        return refuse(tx, "is for a certificate that was deleted");
    if (rc != PROV_OK)
        return rc;
    if (cert.status == PROV_CERT_REVOKED)
        return refuse(tx, "is for a certificate that is REVOKED");
    if (used || cert.status == PROV_CERT_PENDING_ACTIVATION || cert.status == PROV_CERT_ACTIVE)
        return PROV_OK;
    return refuse(tx, "is for a certificate that was taken out of use");
}

static enum prov_rc check(struct prov_tx *tx, const struct parts *parts,
                          const struct prov_id *claim, struct prov_ownership *out)
{
    struct reg_token token;
    struct prov_id hash;
    enum prov_rc rc;

    rc = hash_secret(tx, parts, &hash);
    if (rc == PROV_OK)
        rc = read_token(tx, parts->expires_ms, &parts->cert, &token);
    if (rc == PROV_ENOTFOUND)
        return refuse(tx, parts->expires_ms <= tx->now_ms ? "has expired" : "was never given");
    if (rc != PROV_OK)
        return rc;
    if (!prov_ct_eq(hash.b, token.secret_hash.b, PROV_ID_LEN))
        return refuse(tx, "was never given");
    out->cert = parts->cert;
    if (parts->expires_ms <= tx->now_ms)
        return refuse(tx, "has expired");
    if (!prov_id_eq(&token.claim, claim))
        return refuse(tx, "was given to another claim");
    rc = status_check(tx, &parts->cert, !prov_id_is_zero(&token.registration));
    if (rc != PROV_OK)
        return rc;
    *out = (struct prov_ownership){ .cert = parts->cert,
                                    .claim = token.claim,
                                    .expires_ms = parts->expires_ms,
                                    .registration = token.registration,
                                    .answer = token.answer };
    return PROV_OK;
}

enum prov_rc prov_token_check(struct prov_tx *tx, struct prov_span token,
                              const struct prov_id *claim, struct prov_ownership *out)
{
    struct parts parts;
    enum prov_rc rc;

    memset(out, 0, sizeof *out);
    if (token.n == 0)
        return refuse(tx, "cannot be empty");
    if (decode(token, &parts))
        rc = check(tx, &parts, claim, out);
    else
        rc = refuse(tx, "is not one");
    OPENSSL_cleanse(&parts, sizeof parts);
    return rc;
}

/* ---- using ----------------------------------------------------------------------------------- */

enum prov_rc prov_token_use(struct prov_tx *tx, const struct prov_ownership *owner,
                            const struct prov_id *registration, struct prov_span answer)
{
    uint8_t key[REG_DUE_KEY];
    struct reg_token token;
    enum prov_rc rc;

    if (answer.n > PROV_MAX_FLEET_ANSWER)
        return prov_fail(tx->err, PROV_ETOOBIG, REG_INTERNAL,
                         "the answer has %zu bytes; %d are kept", answer.n, PROV_MAX_FLEET_ANSWER);
    if (prov_id_is_zero(registration))
        return prov_fail(tx->err, PROV_EBUG, REG_INTERNAL, "a registration without a digest");
    rc = read_token(tx, owner->expires_ms, &owner->cert, &token);
    if (rc == PROV_ENOTFOUND)
        return refuse(tx, "is not there any more");
    if (rc != PROV_OK || prov_id_eq(&token.registration, registration))
        return rc;
    if (!prov_id_is_zero(&token.registration))
        return prov_fail(tx->err, PROV_ECONFLICT, BAD_TOKEN,
                         "The certificate ownership token was used for another registration");
    token.registration = *registration;
    token.answer = answer;
    return reg_put(tx, REG_DUE, &reg_token_record,
                   reg_due_key(owner->expires_ms, REG_DUE_TOKEN, &owner->cert, key), &token);
}
