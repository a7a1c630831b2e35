/*
 * The certificates themselves are filed in the order of registration. By their ids, which are
 * random, pages would be two thirds full, and DER is half of what a device takes.
 */
#include <openssl/x509.h>

#include "der.h"
#include "reg.h"

/* ---- DER without decoding -------------------------------------------------------------------- */

bool reg_der_enter(const unsigned char **p, size_t *n, int tag, int class)
{
    const unsigned char *at = *p;
    int found, found_class;
    long len;

    if ((ASN1_get_object(&at, &len, &found, &found_class, (long)*n) & 0x80) != 0 || found != tag ||
        found_class != class)
        return false;
    *p = at;
    *n = (size_t)len;
    return true;
}

/* Certificate, and TBSCertificate at its front (RFC 5280 section 4.1); nothing behind the first. */
enum prov_rc reg_der_signed_id(struct prov_tx *tx, struct prov_span der, struct prov_id *out)
{
    struct prov_span inside;
    struct der_value part;

    if (der.n > PROV_MAX_CERT_DER || !der_only(der, DER_SEQUENCE, &inside) ||
        !der_take(&inside, &part) || part.tag != DER_SEQUENCE)
        return prov_fail(tx->err, PROV_EINVAL, REG_BAD_CERT, "the DER is no certificate's");
    return prov_ident_id_of_der(part.whole, out) == PROV_OK ? PROV_OK : prov_nomem(tx->err);
}

/* ---- where it is filed ----------------------------------------------------------------------- */

static struct prov_span der_key(int64_t number, uint8_t out[static 8])
{
    reg_be64((uint64_t)number, out);
    return prov_span(out, 8);
}

enum prov_rc reg_der_get(struct prov_tx *tx, int64_t number, struct prov_span *der,
                         struct prov_id *id)
{
    uint8_t key[8];
    const enum prov_rc rc = prov_txn_get(tx->txn, REG_CERT_DER, der_key(number, key), der);

    if (rc != PROV_OK)
        return reg_store_result(tx, rc);
    return prov_ident_id_of_der(*der, id) == PROV_OK ? PROV_OK : prov_nomem(tx->err);
}

enum prov_rc prov_cert_der(struct prov_tx *tx, const struct prov_id *id, struct prov_span *out)
{
    char hex[PROV_ID_HEX + 1];
    struct prov_cert cert;
    struct prov_id found;
    enum prov_rc rc;

    rc = prov_cert_get(tx, id, &cert);
    if (rc != PROV_OK)
        return rc;
    rc = reg_der_get(tx, cert.der_number, out, &found);
    if (rc != PROV_ENOTFOUND && (rc != PROV_OK || prov_id_eq(&found, &cert.id)))
        return rc;
    prov_id_hex(&cert.id, hex);
    return prov_fail(tx->err, PROV_ESTORE, REG_INTERNAL,
                     "the DER of certificate %s is lost or damaged: run `provctl check`", hex);
}

/* One more than the last there is: no other certificate's, though perhaps a deleted one's. */
static enum prov_rc next_number(struct prov_tx *tx, int64_t *out)
{
    struct prov_cursor *cur = NULL;
    struct prov_span key, value;
    uint64_t last = 0;
    enum prov_rc rc;

    rc = prov_txn_scan(tx->txn, REG_CERT_DER, &cur);
    if (rc != PROV_OK)
        return reg_store_result(tx, rc);
    rc = prov_cursor_prev(cur, &key, &value);
    if (rc == PROV_OK)
        last = key.n == 8 ? reg_from_be64(key.p) : UINT64_MAX;
    prov_cursor_free(cur);
    if (rc != PROV_OK && rc != PROV_ENOTFOUND)
        return reg_store_result(tx, rc);
    if (last >= INT64_MAX)
        return prov_fail(tx->err, PROV_ESTORE, REG_INTERNAL,
                         "the table of certificates' DER is damaged: run `provctl check`");
    *out = (int64_t)last + 1;
    return PROV_OK;
}

enum prov_rc reg_der_add(struct prov_tx *tx, struct prov_span der, int64_t *number)
{
    uint8_t key[8];
    const enum prov_rc rc = next_number(tx, number);

    return rc != PROV_OK ? rc : reg_put_bytes(tx, REG_CERT_DER, der_key(*number, key), der);
}

/* The entry that the certificate's twins are known by. */
static enum prov_rc forget_signed(struct prov_tx *tx, const struct prov_id *id,
                                  struct prov_span der)
{
    struct prov_id signed_id;
    const enum prov_rc rc = reg_der_signed_id(tx, der, &signed_id);

    if (rc != PROV_OK)
        return rc == PROV_EINVAL ? PROV_OK : rc;
    return reg_link_del(tx, REG_CERT_OF_SIGNED, reg_signed_owner(&signed_id), prov_id_span(id));
}

/* A damaged record may lead to what is the DER of another certificate: that stays. */
enum prov_rc reg_der_forget(struct prov_tx *tx, const struct prov_cert *cert)
{
    uint8_t key[8];
    struct prov_span der;
    struct prov_id id;
    enum prov_rc rc;

    rc = reg_der_get(tx, cert->der_number, &der, &id);
    if (rc != PROV_OK)
        return rc == PROV_ENOTFOUND ? PROV_OK : rc;
    if (prov_id_eq(&id, &cert->id)) {
        rc = forget_signed(tx, &id, der);
    } else {
        rc = reg_exists(tx, REG_CERT, prov_id_span(&id));
        if (rc != PROV_ENOTFOUND)
            return rc;
        rc = PROV_OK;
    }
    return rc != PROV_OK ? rc : reg_del(tx, REG_CERT_DER, der_key(cert->der_number, key));
}
