/* Claims' allow lists: one entry a value, found by its hash, so that a list may be long. */
#include "claim.h"

#include "reg.h"

_Static_assert(PROV_ID_LEN + PROV_MAX_NAME + 1 + REG_VALUE_HASH <= PROV_STORE_KEY_MAX,
               "a value's key fits");

/* The values of one parameter; of all, when it is empty. */
static struct prov_span prefix_of(const struct prov_id *cert, struct prov_span parameter,
                                  uint8_t out[static PROV_STORE_KEY_MAX])
{
    memcpy(out, cert->b, PROV_ID_LEN);
    if (parameter.n == 0)
        return prov_span(out, PROV_ID_LEN);
    memcpy(out + PROV_ID_LEN, parameter.p, parameter.n);
    out[PROV_ID_LEN + parameter.n] = 0;
    return prov_span(out, PROV_ID_LEN + parameter.n + 1);
}

enum prov_rc reg_value_key(struct prov_tx *tx, const struct prov_id *cert,
                           struct prov_span parameter, struct prov_span value,
                           uint8_t out[static PROV_STORE_KEY_MAX], struct prov_span *key)
{
    struct prov_span prefix;
    struct prov_id hash;

    if (parameter.n > PROV_MAX_NAME)
        return prov_fail(tx->err, PROV_ESTORE, REG_INTERNAL,
                         "a claim's list has no name that can be: run `provctl check`");
    prefix = prefix_of(cert, parameter, out);
    if (prov_ident_id_of_der(value, &hash) != PROV_OK)
        return prov_nomem(tx->err);
    memcpy(out + prefix.n, hash.b, REG_VALUE_HASH);
    *key = prov_span(out, prefix.n + REG_VALUE_HASH);
    return PROV_OK;
}

static enum prov_rc text_check(struct prov_tx *tx, const char *what, struct prov_span text,
                               size_t max)
{
    if (text.n != 0 && text.n <= max && prov_utf8_valid(text) && memchr(text.p, 0, text.n) == NULL)
        return PROV_OK;
    return prov_fail(tx->err, PROV_EINVAL, REG_INVALID,
                     "a parameter's %s has 1 to %zu bytes of UTF-8", what, max);
}

/* The limits to be changed, and the value's key. */
static enum prov_rc open_list(struct prov_tx *tx, const struct prov_id *cert,
                              struct prov_span parameter, struct prov_span value,
                              struct prov_claim *claim, uint8_t space[static PROV_STORE_KEY_MAX],
                              struct prov_span *key)
{
    enum prov_rc rc;

    rc = text_check(tx, "name", parameter, PROV_MAX_NAME);
    if (rc == PROV_OK)
        rc = text_check(tx, "value", value, PROV_MAX_PARAM_VALUE);
    if (rc == PROV_OK)
        rc = reg_claim_edit(tx, cert, true, claim);
    return rc != PROV_OK ? rc : reg_value_key(tx, cert, parameter, value, space, key);
}

static enum prov_rc add_value(struct prov_tx *tx, struct prov_claim *claim,
                              struct prov_span parameter, struct prov_span key,
                              struct prov_span value)
{
    const bool new_list = !reg_has(claim->listed, claim->n_listed, parameter);
    enum prov_rc rc;

    if (new_list && claim->n_listed == PROV_MAX_CLAIM_PARAMETERS)
        return prov_fail(tx->err, PROV_ETOOBIG, REG_LIMIT,
                         "%d parameters of the claim have lists already",
                         PROV_MAX_CLAIM_PARAMETERS);
    if (claim->values >= PROV_MAX_CLAIM_VALUES)
        return prov_fail(tx->err, PROV_ETOOBIG, REG_LIMIT,
                         "there are %d values on the claim's lists already", PROV_MAX_CLAIM_VALUES);
    if (new_list)
        claim->listed[claim->n_listed++] = parameter;
    claim->values++;
    rc = reg_claim_put(tx, claim, new_list);
    return rc != PROV_OK ? rc : reg_put_bytes(tx, REG_CLAIM_VALUE, key, value);
}

enum prov_rc prov_claim_allow(struct prov_tx *tx, const struct prov_id *cert,
                              struct prov_span parameter, struct prov_span value)
{
    uint8_t space[PROV_STORE_KEY_MAX];
    struct prov_span key = { NULL, 0 };
    struct prov_claim claim;
    enum prov_rc rc;

    rc = open_list(tx, cert, parameter, value, &claim, space, &key);
    if (rc != PROV_OK)
        return rc;
    rc = reg_exists(tx, REG_CLAIM_VALUE, key);
    return rc != PROV_ENOTFOUND ? rc : add_value(tx, &claim, parameter, key, value);
}

enum prov_rc prov_claim_disallow(struct prov_tx *tx, const struct prov_id *cert,
                                 struct prov_span parameter, struct prov_span value)
{
    uint8_t space[PROV_STORE_KEY_MAX];
    struct prov_span key = { NULL, 0 };
    struct prov_claim claim;
    enum prov_rc rc;

    rc = open_list(tx, cert, parameter, value, &claim, space, &key);
    if (rc != PROV_OK)
        return rc;
    rc = reg_exists(tx, REG_CLAIM_VALUE, key);
    if (rc == PROV_ENOTFOUND)
        return prov_fail(tx->err, PROV_ENOTFOUND, REG_NOT_FOUND,
                         "the value is not on the claim's list of \"%.*s\"",
                         PROV_SPAN_ARG(parameter));
    if (rc != PROV_OK)
        return rc;
    claim.values -= claim.values != 0; /* a damaged store's may be less */
    rc = reg_claim_put(tx, &claim, false);
    return rc != PROV_OK ? rc : reg_del(tx, REG_CLAIM_VALUE, key);
}

struct first_key {
    uint8_t key[PROV_STORE_KEY_MAX];
    size_t n, prefix;
};

static bool copy_key(void *ctx, struct prov_span key, struct prov_span value)
{
    struct first_key *first = ctx;

    (void)value;
    memcpy(first->key + first->prefix, key.p, key.n);
    first->n = first->prefix + key.n;
    return false;
}

enum prov_rc reg_forget_values(struct prov_tx *tx, const struct prov_id *cert,
                               struct prov_span parameter, uint32_t *n)
{
    struct first_key first;
    struct prov_span prefix;
    enum prov_rc rc;

    prefix = prefix_of(cert, parameter, first.key);
    first.prefix = prefix.n;
    for (*n = 0;; ++*n) {
        first.n = 0;
        rc = reg_scan(tx, REG_CLAIM_VALUE, prefix, prov_span(NULL, 0), copy_key, &first);
        if (rc == PROV_OK && first.n != 0)
            rc = reg_del(tx, REG_CLAIM_VALUE, prov_span(first.key, first.n));
        if (rc != PROV_OK || first.n == 0)
            return rc;
    }
}

enum prov_rc prov_claim_unlist(struct prov_tx *tx, const struct prov_id *cert,
                               struct prov_span parameter)
{
    struct prov_claim claim;
    uint32_t n;
    enum prov_rc rc;

    rc = text_check(tx, "name", parameter, PROV_MAX_NAME);
    if (rc == PROV_OK)
        rc = reg_claim_edit(tx, cert, true, &claim);
    if (rc != PROV_OK || !reg_has(claim.listed, claim.n_listed, parameter))
        return rc;
    rc = reg_forget_values(tx, cert, parameter, &n);
    if (rc == PROV_OK)
        rc = prov_claim_get(tx, cert, &claim); /* its spans are older than what was written */
    if (rc != PROV_OK)
        return rc;
    reg_remove(claim.listed, &claim.n_listed, parameter);
    claim.values -= n < claim.values ? n : claim.values;
    return reg_claim_put(tx, &claim, true);
}

enum prov_rc prov_claim_value(struct prov_tx *tx, const struct prov_id *cert, struct prov_span key,
                              struct prov_span *parameter, struct prov_span *value)
{
    uint8_t space[PROV_STORE_KEY_MAX];
    enum prov_rc rc = PROV_ENOTFOUND;
    size_t n;

    if (key.n > 1 + REG_VALUE_HASH && key.n <= PROV_STORE_KEY_MAX - PROV_ID_LEN) {
        memcpy(space, cert->b, PROV_ID_LEN);
        memcpy(space + PROV_ID_LEN, key.p, key.n);
        n = PROV_ID_LEN + key.n;
        rc = prov_txn_get(tx->txn, REG_CLAIM_VALUE, prov_span(space, n), value);
    }
    if (rc == PROV_ENOTFOUND)
        return prov_fail(tx->err, rc, REG_NOT_FOUND, "the claim's lists have no such value");
    *parameter = prov_span(key.p, key.n - REG_VALUE_HASH - 1);
    return reg_store_result(tx, rc);
}
