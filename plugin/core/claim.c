#include "claim.h"

#include <arpa/inet.h>

#include "reg.h"

/* ---- networks -------------------------------------------------------------------------------- */

struct network {
    bool v4;
    uint8_t b[16]; /* 4 of them when v4 */
    unsigned bits;
};

/* An IPv4 address that IPv6 carries is an IPv4 address, whichever socket it came over. */
static bool parse_address(struct prov_span s, struct network *out)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr v6;

    if (s.n == 0 || memchr(s.p, 0, s.n) != NULL || !prov_span_copy(s, text, sizeof text))
        return false;
    out->v4 = inet_pton(AF_INET, text, out->b) == 1;
    out->bits = 32;
    if (out->v4)
        return true;
    if (inet_pton(AF_INET6, text, &v6) != 1)
        return false;
    out->v4 = IN6_IS_ADDR_V4MAPPED(&v6);
    out->bits = out->v4 ? 32 : 128;
    memcpy(out->b, v6.s6_addr + (out->v4 ? 12 : 0), out->v4 ? 4 : 16);
    return true;
}

/* "0" to "128", in one way each. */
static bool parse_bits(struct prov_span s, unsigned *out)
{
    unsigned n = 0;

    if (s.n == 0 || s.n > 3 || (s.n > 1 && s.p[0] == '0'))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        n = 10 * n + (unsigned)(s.p[i] - '0');
    }
    *out = n;
    return true;
}

static bool bit(const uint8_t *b, unsigned i)
{
    return (b[i / 8] >> (7 - i % 8) & 1) != 0;
}

static bool parse_network(struct prov_span s, struct network *out)
{
    const uint8_t *slash = s.n == 0 ? NULL : memchr(s.p, '/', s.n);
    const size_t n = slash == NULL ? s.n : (size_t)(slash - s.p);
    unsigned given, all, mapped;

    if (!parse_address(prov_span(s.p, n), out))
        return false;
    if (slash == NULL)
        return true;
    if (!parse_bits(prov_span(slash + 1, s.n - n - 1), &given))
        return false;
    all = out->bits;
    mapped = out->v4 && memchr(s.p, ':', n) != NULL ? 96 : 0; /* ::ffff:192.0.2.0/120 */
    if (given < mapped || given - mapped > all)
        return false;
    out->bits = given - mapped;
    for (unsigned i = out->bits; i < all; i++) {
        if (bit(out->b, i))
            return false;
    }
    return true;
}

bool prov_claim_network(struct prov_span text)
{
    struct network network;

    return parse_network(text, &network);
}

static bool is_in(const struct network *address, const struct network *network)
{
    if (address->v4 != network->v4)
        return false;
    for (unsigned i = 0; i < network->bits; i++) {
        if (bit(address->b, i) != bit(network->b, i))
            return false;
    }
    return true;
}

static bool from_network(const struct prov_claim *claim, struct prov_span address)
{
    const uint8_t *zone = address.n == 0 ? NULL : memchr(address.p, '%', address.n);
    struct network from, network;

    if (zone != NULL) /* fe80::1%eth0 */
        address.n = (size_t)(zone - address.p);
    if (!parse_address(address, &from))
        return false;
    for (size_t i = 0; i < claim->n_networks; i++) {
        if (parse_network(claim->networks[i], &network) && is_in(&from, &network))
            return true;
    }
    return false;
}

/* ---- limits, one each ------------------------------------------------------------------------ */

static enum prov_rc refuse(struct prov_tx *tx, const char *why)
{
    return prov_fail(tx->err, PROV_EDENIED, "AccessDenied", "%s", why);
}

/* A question, and what it is about. Each answer is for a device, and lists nothing. */
struct question {
    struct prov_tx *tx;
    const struct prov_cert *cert;
    const struct prov_claim *claim;
    const struct prov_claim_ask *ask;
};

static enum prov_rc suspended(const struct question *q)
{
    return q->claim->suspended_ms == 0 ? PROV_OK : refuse(q->tx, "The claim is suspended");
}

/* A temporary certificate may have a connection that began before its end. */
static enum prov_rc window(const struct question *q)
{
    const int64_t end_ms = reg_due_at(q->cert, REG_DUE_CLAIM), now_ms = q->tx->now_ms;

    if (end_ms != 0 && now_ms >= end_ms)
        return refuse(q->tx, "The claim has expired");
    if (now_ms < q->claim->not_before_ms ||
        (q->claim->not_after_ms != 0 && now_ms >= q->claim->not_after_ms))
        return refuse(q->tx, "The claim may not be used at this time");
    return PROV_OK;
}

static enum prov_rc network(const struct question *q)
{
    if (q->claim->n_networks == 0 || from_network(q->claim, q->ask->address))
        return PROV_OK;
    return refuse(q->tx, "The claim may not be used from this address");
}

static bool is_spent(const struct prov_claim *claim)
{
    return claim->max_uses != 0 && claim->uses >= claim->max_uses;
}

static enum prov_rc refuse_spent(struct prov_tx *tx)
{
    return refuse(tx, "The claim is spent: nothing more can be registered with it");
}

static enum prov_rc spent(const struct question *q)
{
    return is_spent(q->claim) ? refuse_spent(q->tx) : PROV_OK;
}

static enum prov_rc template(const struct question *q) {
    const struct prov_span name = q->ask->template_name;

    if (name.n == 0) return PROV_OK;
    if ((q->cert->claim_template.n == 0 || prov_span_eq(q->cert->claim_template, name)) &&
        (q->claim->n_templates == 0 ||
         reg_has(q->claim->templates, q->claim->n_templates, name))) return PROV_OK;
    return refuse(q->tx, "The claim is not for this template");
}

static enum prov_rc parameter(const struct question *q, struct prov_span name)
{
    const struct prov_params *given = &q->ask->parameters;
    uint8_t space[PROV_STORE_KEY_MAX];
    struct prov_span key, value;
    enum prov_rc rc;
    size_t i = 0;

    while (i < given->n && !prov_span_eq(given->v[i].name, name))
        i++;
    if (i == given->n)
        return prov_fail(q->tx->err, PROV_EDENIED, "AccessDenied",
                         "The claim needs parameter \"%.*s\"", PROV_SPAN_ARG(name));
    rc = reg_value_key(q->tx, &q->claim->cert, name, given->v[i].value, space, &key);
    if (rc != PROV_OK)
        return rc;
    rc = prov_txn_get(q->tx->txn, REG_CLAIM_VALUE, key, &value);
    if (rc == PROV_OK && prov_span_eq(value, given->v[i].value))
        return PROV_OK;
    if (rc != PROV_OK && rc != PROV_ENOTFOUND)
        return reg_store_result(q->tx, rc);
    return prov_fail(q->tx->err, PROV_EDENIED, "AccessDenied",
                     "The claim does not allow this value of parameter \"%.*s\"",
                     PROV_SPAN_ARG(name));
}

static enum prov_rc parameters(const struct question *q)
{
    enum prov_rc rc = PROV_OK;

    if (q->ask->template_name.n == 0) /* a create has none */
        return PROV_OK;
    for (size_t i = 0; rc == PROV_OK && i < q->claim->n_listed; i++)
        rc = parameter(q, q->claim->listed[i]);
    return rc;
}

/* In the order in which they are asked. */
static const struct {
    enum prov_rc (*ask)(const struct question *q);
    enum prov_reason reason;
} limits[] = {
    { suspended, PROV_REASON_CLAIM_SUSPENDED }, { window, PROV_REASON_CLAIM_WINDOW },
    { network, PROV_REASON_CLAIM_NETWORK },     { spent, PROV_REASON_CLAIM_SPENT },
    { template, PROV_REASON_CLAIM_TEMPLATE },   { parameters, PROV_REASON_CLAIM_PARAMETER },
};

enum prov_rc prov_claim_check(struct prov_tx *tx, const struct prov_cert *cert,
                              const struct prov_claim *claim, const struct prov_claim_ask *ask,
                              enum prov_reason *reason)
{
    const struct question q = { tx, cert, claim, ask };
    enum prov_rc rc = PROV_OK;

    *reason = PROV_REASON_NONE;
    for (size_t i = 0; rc == PROV_OK && i < PROV_COUNT(limits); i++) {
        rc = limits[i].ask(&q);
        if (rc == PROV_EDENIED)
            *reason = limits[i].reason;
    }
    return rc;
}

enum prov_rc prov_claim_use(struct prov_tx *tx, const struct prov_id *cert)
{
    struct prov_claim claim;
    const enum prov_rc rc = prov_claim_get(tx, cert, &claim);

    if (rc != PROV_OK)
        return rc == PROV_ENOTFOUND ? PROV_OK : rc;
    if (is_spent(&claim))
        return refuse_spent(tx);
    claim.uses += claim.uses != UINT32_MAX;
    return reg_claim_put(tx, &claim, false);
}

/* ---- validity -------------------------------------------------------------------------------- */

static enum prov_rc shorten(struct prov_tx *tx, struct prov_span name, uint32_t *days)
{
    struct prov_template_info info;
    const enum prov_rc rc = prov_template_get(tx, name, &info);

    if (rc == PROV_OK && info.validity_days != 0 && (*days == 0 || info.validity_days < *days))
        *days = info.validity_days;
    return rc;
}

enum prov_rc prov_claim_validity_days(struct prov_tx *tx, const struct prov_cert *cert,
                                      const struct prov_claim *claim, uint32_t *days)
{
    enum prov_rc rc = PROV_OK;

    *days = 0;
    if (cert->claim_template.n != 0)
        return shorten(tx, cert->claim_template, days);
    for (size_t i = 0; rc == PROV_OK && i < claim->n_templates; i++)
        rc = shorten(tx, claim->templates[i], days);
    return rc;
}
