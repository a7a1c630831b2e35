#include "reg.h"

/* mark: how often the queue went stale, 1 to LAST_MARK and round; 0, and with EMPTIED: it is not */
struct binding {
    struct prov_id cert;
    uint8_t mark;
};

enum { LAST_MARK = 0x7f, EMPTIED = 0x80 };

static enum prov_rc binding_get(struct prov_tx *tx, struct prov_span client_id, struct binding *out)
{
    struct prov_span value;
    enum prov_rc rc;

    if (client_id.n == 0 || client_id.n > PROV_MAX_CLIENT_ID)
        return PROV_ENOTFOUND;
    rc = prov_txn_get(tx->txn, REG_CLIENT, client_id, &value);
    if (rc != PROV_OK)
        return reg_store_result(tx, rc);
    if (value.n != PROV_ID_LEN && value.n != PROV_ID_LEN + 1)
        return prov_fail(tx->err, PROV_ESTORE, REG_INTERNAL, "a client record is damaged");
    memcpy(out->cert.b, value.p, PROV_ID_LEN);
    out->mark = value.n > PROV_ID_LEN ? value.p[PROV_ID_LEN] : 0;
    return PROV_OK;
}

static enum prov_rc binding_put(struct prov_tx *tx, struct prov_span client_id,
                                const struct binding *binding)
{
    uint8_t value[PROV_ID_LEN + 1];

    memcpy(value, binding->cert.b, PROV_ID_LEN);
    value[PROV_ID_LEN] = binding->mark;
    return reg_put_bytes(tx, REG_CLIENT, client_id, prov_span(value, sizeof value));
}

enum prov_rc prov_client_get(struct prov_tx *tx, struct prov_span client_id, struct prov_id *cert)
{
    struct binding binding;
    const enum prov_rc rc = binding_get(tx, client_id, &binding);

    if (rc == PROV_OK)
        *cert = binding.cert;
    return rc;
}

enum prov_rc prov_client_stale(struct prov_tx *tx, struct prov_span client_id, uint8_t *mark)
{
    struct binding binding = { .mark = 0 };
    const enum prov_rc rc = binding_get(tx, client_id, &binding);

    *mark = rc == PROV_OK && (binding.mark & EMPTIED) == 0 ? binding.mark : 0;
    return rc == PROV_ENOTFOUND ? PROV_OK : rc;
}

enum prov_rc prov_client_emptied(struct prov_tx *tx, struct prov_span client_id, uint8_t mark)
{
    struct binding binding = { .mark = 0 };
    const enum prov_rc rc = binding_get(tx, client_id, &binding);

    if (rc != PROV_OK || binding.mark == 0 || binding.mark != mark)
        return rc == PROV_ENOTFOUND ? PROV_OK : rc;
    binding.mark |= EMPTIED;
    return binding_put(tx, client_id, &binding);
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
    const struct binding binding = { .cert = *cert };
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
    rc = binding_put(tx, client_id, &binding);
    if (rc != PROV_OK)
        return rc;
    return reg_link_add(tx, REG_CLIENT_OF_CERT, prov_id_span(cert), client_id);
}

/* Takes the link away whatever it leads to, a damaged record included, so that forget_clients ends.
 */
static enum prov_rc forget_client(struct prov_tx *tx, const struct prov_id *id,
                                  struct prov_span client_id)
{
    struct prov_span value;
    enum prov_rc rc;

    rc = prov_txn_get(tx->txn, REG_CLIENT, client_id, &value);
    if (rc == PROV_OK && prov_span_starts(value, prov_id_span(id)))
        rc = prov_txn_del(tx->txn, REG_CLIENT, client_id);
    if (rc != PROV_OK && rc != PROV_ENOTFOUND)
        return reg_store_result(tx, rc);
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

static enum prov_rc go_stale(struct prov_tx *tx, const struct prov_id *id,
                             struct prov_span client_id)
{
    struct binding binding;
    const enum prov_rc rc = binding_get(tx, client_id, &binding);

    if (rc != PROV_OK) /* a link that leads nowhere is `provctl check`'s */
        return rc == PROV_ENOTFOUND ? PROV_OK : rc;
    if (!prov_id_eq(&binding.cert, id))
        return PROV_OK;
    binding.mark = (uint8_t)((binding.mark & LAST_MARK) % LAST_MARK + 1);
    return binding_put(tx, client_id, &binding);
}

enum prov_rc reg_clients_go_stale(struct prov_tx *tx, const struct prov_id *id)
{
    uint8_t client[PROV_STORE_KEY_MAX];
    enum prov_rc rc;
    size_t n;

    rc = reg_link_first(tx, REG_CLIENT_OF_CERT, prov_id_span(id), client, &n);
    while (rc == PROV_OK) {
        rc = go_stale(tx, id, prov_span(client, n));
        if (rc == PROV_OK)
            rc = reg_link_next(tx, REG_CLIENT_OF_CERT, prov_id_span(id), client, &n);
    }
    return rc == PROV_ENOTFOUND ? PROV_OK : rc;
}
