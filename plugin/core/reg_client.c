#include "reg.h"

enum prov_rc prov_client_get(struct prov_tx *tx, struct prov_span client_id, struct prov_id *cert)
{
    struct prov_span value;
    enum prov_rc rc;

    if (client_id.n == 0 || client_id.n > PROV_MAX_CLIENT_ID)
        return PROV_ENOTFOUND;
    rc = prov_txn_get(tx->txn, REG_CLIENT, client_id, &value);
    if (rc != PROV_OK)
        return reg_store_result(tx, rc);
    if (value.n != PROV_ID_LEN)
        return prov_fail(tx->err, PROV_ESTORE, REG_INTERNAL, "a client record is damaged");
    memcpy(cert->b, value.p, PROV_ID_LEN);
    return PROV_OK;
}

enum prov_rc prov_client_unbind(struct prov_tx *tx, struct prov_span client_id)
{
    struct prov_id cert;
    enum prov_rc rc;

    rc = prov_client_get(tx, client_id, &cert);
    if (rc != PROV_OK)
        return rc == PROV_ENOTFOUND ? PROV_OK : rc;
    rc = reg_del(tx, REG_CLIENT, client_id);
    if (rc != PROV_OK)
        return rc;
    return reg_link_del(tx, REG_CLIENT_OF_CERT, prov_id_span(&cert), client_id);
}

/* Is there such a certificate, and has it room for one more client id? */
static enum prov_rc bindable(struct prov_tx *tx, const struct prov_id *cert)
{
    struct prov_cert found;
    enum prov_rc rc;
    size_t n;

    rc = prov_cert_get(tx, cert, &found);
    if (rc == PROV_OK)
        rc = reg_link_count(tx, REG_CLIENT_OF_CERT, prov_id_span(cert), PROV_MAX_CERT_CLIENTS, &n);
    if (rc == PROV_OK && n >= PROV_MAX_CERT_CLIENTS)
        rc = prov_fail(tx->err, PROV_ETOOBIG, REG_LIMIT,
                       "the certificate has %d client ids with a session already",
                       PROV_MAX_CERT_CLIENTS);
    return rc;
}

enum prov_rc prov_client_bind(struct prov_tx *tx, struct prov_span client_id,
                              const struct prov_id *cert)
{
    struct prov_id bound;
    enum prov_rc rc;

    if (client_id.n == 0 || client_id.n > PROV_MAX_CLIENT_ID)
        return prov_fail(tx->err, PROV_EINVAL, REG_INVALID, "a client id has 1 to %d bytes",
                         PROV_MAX_CLIENT_ID);
    rc = prov_client_get(tx, client_id, &bound);
    if (rc == PROV_OK && prov_id_eq(&bound, cert))
        return PROV_OK;
    if (rc != PROV_OK && rc != PROV_ENOTFOUND)
        return rc;
    rc = bindable(tx, cert);
    if (rc == PROV_OK)
        rc = prov_client_unbind(tx, client_id);
    if (rc != PROV_OK)
        return rc;
    rc = reg_put_bytes(tx, REG_CLIENT, client_id, prov_id_span(cert));
    if (rc != PROV_OK)
        return rc;
    return reg_link_add(tx, REG_CLIENT_OF_CERT, prov_id_span(cert), client_id);
}

/* Takes the link away whatever it leads to, so that forget_clients ends. */
static enum prov_rc forget_client(struct prov_tx *tx, const struct prov_id *id,
                                  struct prov_span client_id)
{
    struct prov_id bound;
    enum prov_rc rc;

    rc = prov_client_get(tx, client_id, &bound);
    if (rc == PROV_OK && prov_id_eq(&bound, id))
        rc = reg_del(tx, REG_CLIENT, client_id);
    if (rc != PROV_OK && rc != PROV_ENOTFOUND)
        return rc;
    return reg_link_del(tx, REG_CLIENT_OF_CERT, prov_id_span(id), client_id);
}

enum prov_rc reg_forget_clients(struct prov_tx *tx, const struct prov_id *id)
{
    uint8_t client[PROV_STORE_KEY_MAX];
    enum prov_rc rc;
    size_t n;

    for (;;) {
        rc = reg_link_first(tx, REG_CLIENT_OF_CERT, prov_id_span(id), client, &n);
        if (rc == PROV_ENOTFOUND)
            return PROV_OK;
        if (rc == PROV_OK)
            rc = forget_client(tx, id, prov_span(client, n));
        if (rc != PROV_OK)
            return rc;
    }
}
