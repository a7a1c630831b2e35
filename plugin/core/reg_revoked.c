/* What the revocation lists of registered CAs said (crl.h): one entry a serial number. */
#include <openssl/x509.h>

#include "crl.h"
#include "ossl.h"
#include "reg.h"

/* ---- serial numbers -------------------------------------------------------------------------- */

/* The content of an INTEGER at the front of s; empty when there is none. */
static struct prov_span integer_content(const uint8_t *p, size_t n)
{
    const unsigned char *at = p;
    int tag, class;
    long len;

    if ((ASN1_get_object(&at, &len, &tag, &class, (long)n) & 0x80) != 0 || tag != V_ASN1_INTEGER ||
        class != V_ASN1_UNIVERSAL || len > REG_SERIAL_MAX)
        return prov_span(NULL, 0);
    return prov_span(at, (size_t)len);
}

struct prov_span reg_serial(const ASN1_INTEGER *serial, uint8_t out[static REG_SERIAL_MAX])
{
    uint8_t der[REG_SERIAL_MAX + 4]; /* tag, and a length of up to three bytes */
    struct prov_span content;
    uint8_t *p = der;
    int n;

    n = i2d_ASN1_INTEGER(serial, NULL);
    if (n <= 0 || (size_t)n > sizeof der || i2d_ASN1_INTEGER(serial, &p) != n)
        return prov_span(NULL, 0);
    content = integer_content(der, (size_t)n);
    if (content.n != 0)
        memcpy(out, content.p, content.n);
    return prov_span(out, content.n);
}

/* Certificate, TBSCertificate, [0] version if it is there, serialNumber (RFC 5280 section 4.1). */
static struct prov_span find_serial(struct prov_span der)
{
    const unsigned char *p = der.p, *version;
    size_t n = der.n, version_n;

    for (int depth = 0; depth < 2; depth++) {
        if (!reg_der_enter(&p, &n, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL))
            return prov_span(NULL, 0);
    }
    version = p;
    version_n = n;
    if (n != 0 && p[0] == (V_ASN1_CONTEXT_SPECIFIC | V_ASN1_CONSTRUCTED) &&
        reg_der_enter(&version, &version_n, 0, V_ASN1_CONTEXT_SPECIFIC)) {
        n -= (size_t)(version - p) + version_n;
        p = version + version_n;
    }
    return integer_content(p, n);
}

struct prov_span reg_serial_of_der(struct prov_span der)
{
    struct prov_span serial;

    ERR_set_mark();
    serial = find_serial(der);
    ERR_pop_to_mark();
    return serial;
}

/* ---- the table ------------------------------------------------------------------------------- */

struct prov_span reg_revoked_key(const struct prov_id *authority, struct prov_span serial,
                                 uint8_t out[static PROV_STORE_KEY_MAX])
{
    memcpy(out, authority->b, PROV_ID_LEN);
    if (serial.n != 0)
        memcpy(out + PROV_ID_LEN, serial.p, serial.n);
    return prov_span(out, PROV_ID_LEN + serial.n);
}

struct first_key {
    uint8_t *key;
    size_t n;
};

static bool copy_key(void *ctx, struct prov_span key, struct prov_span value)
{
    struct first_key *first = ctx;

    (void)value;
    memcpy(first->key + PROV_ID_LEN, key.p, key.n);
    first->n = PROV_ID_LEN + key.n;
    return false;
}

enum prov_rc reg_forget_revoked(struct prov_tx *tx, const struct prov_id *authority)
{
    uint8_t key[PROV_STORE_KEY_MAX];
    struct first_key first = { .key = key };
    enum prov_rc rc;

    memcpy(key, authority->b, PROV_ID_LEN);
    do {
        first.n = 0;
        rc = reg_scan(tx, REG_REVOKED, prov_id_span(authority), prov_span(NULL, 0), copy_key,
                      &first);
        if (rc == PROV_OK && first.n != 0)
            rc = reg_del(tx, REG_REVOKED, prov_span(key, first.n));
    } while (rc == PROV_OK && first.n != 0);
    return rc;
}

static enum prov_rc look_up(struct prov_tx *tx, const struct prov_id *ca_id,
                            struct prov_span serial, bool *listed, uint8_t *reason)
{
    uint8_t key[PROV_STORE_KEY_MAX];
    struct prov_span value;
    struct prov_ca ca;
    enum prov_rc rc;

    *listed = false;
    rc = prov_ca_get(tx, ca_id, &ca);
    if (rc != PROV_OK || serial.n == 0) /* longer than any that a list may have */
        return rc;
    rc = prov_txn_get(tx->txn, REG_REVOKED, reg_revoked_key(&ca.authority, serial, key), &value);
    *listed = rc == PROV_OK;
    if (rc == PROV_OK)
        *reason = value.n != 0 ? value.p[0] : 0;
    return rc == PROV_ENOTFOUND ? PROV_OK : reg_store_result(tx, rc);
}

static struct prov_span serial_of(const X509 *leaf, uint8_t out[static REG_SERIAL_MAX])
{
    struct prov_span serial;

    ERR_set_mark();
    serial = reg_serial(X509_get0_serialNumber(leaf), out);
    ERR_pop_to_mark();
    return serial;
}

enum prov_rc prov_crl_lists(struct prov_tx *tx, const struct prov_id *ca, const X509 *leaf,
                            bool *listed)
{
    uint8_t serial[REG_SERIAL_MAX], reason;

    return look_up(tx, ca, serial_of(leaf, serial), listed, &reason);
}

enum prov_rc reg_not_revoked(struct prov_tx *tx, const struct prov_id *ca, const X509 *leaf)
{
    uint8_t serial[REG_SERIAL_MAX];

    return reg_serial_not_revoked(tx, ca, serial_of(leaf, serial));
}

enum prov_rc reg_serial_not_revoked(struct prov_tx *tx, const struct prov_id *ca,
                                    struct prov_span serial)
{
    uint8_t reason;
    bool listed;
    const enum prov_rc rc = look_up(tx, ca, serial, &listed, &reason);

    if (rc != PROV_OK || !listed)
        return rc;
    return prov_fail(tx->err, PROV_EDENIED, REG_STATE,
                     "the certificate is %s: a revocation list of its CA names it",
                     reason == REG_REASON_HOLD ? "on hold" : "revoked");
}

enum prov_rc reg_serial_revoke(struct prov_tx *tx, const struct prov_id *ca_id,
                               struct prov_span serial, uint8_t reason)
{
    uint8_t key[PROV_STORE_KEY_MAX], value[REG_REVOKED_LEN] = { reason };
    struct prov_ca ca;
    enum prov_rc rc;

    rc = prov_ca_get(tx, ca_id, &ca);
    if (rc == PROV_ENOTFOUND || serial.n == 0)
        return PROV_OK;
    if (rc != PROV_OK)
        return rc;
    reg_be64((uint64_t)(tx->now_ms / 1000), value + 1);
    return reg_put_bytes(tx, REG_REVOKED, reg_revoked_key(&ca.authority, serial, key),
                         prov_span(value, sizeof value));
}
