/*
 * A network as an operator may write it, a line break, an address as a broker may: who is in, is
 * worked out here once more, with all addresses as 128 bits. The address of a network is in it.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <arpa/inet.h>

#include "core/claim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* IPv4 as IPv6 carries it. False: no address. */
static bool widen(struct prov_span text, struct in6_addr *out, bool *v4)
{
    char copy[64], mapped[80];
    struct in_addr four;

    if (text.n == 0 || text.n >= INET6_ADDRSTRLEN || memchr(text.p, 0, text.n) != NULL)
        return false;
    (void)prov_span_copy(text, copy, sizeof copy);
    *v4 = strchr(copy, ':') == NULL;
    (void)snprintf(mapped, sizeof mapped, "%s%s", *v4 ? "::ffff:" : "", copy);
    if (*v4 && inet_pton(AF_INET, copy, &four) != 1)
        return false;
    return inet_pton(AF_INET6, mapped, out) == 1;
}

static bool same_bits(const struct in6_addr *a, const struct in6_addr *b, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if ((a->s6_addr[i / 8] ^ b->s6_addr[i / 8]) & (0x80 >> (i % 8)))
            return false;
    }
    return true;
}

static struct prov_span before(struct prov_span s, char mark)
{
    const uint8_t *at = s.n == 0 ? NULL : memchr(s.p, mark, s.n);

    return at == NULL ? s : prov_span(s.p, (size_t)(at - s.p));
}

static bool expected(struct prov_span network, struct prov_span address)
{
    const struct prov_span base = before(network, '/');
    struct in6_addr net, from;
    unsigned bits = 128;
    bool v4, from_v4;

    if (!widen(base, &net, &v4) || !widen(before(address, '%'), &from, &from_v4))
        return false;
    if (base.n != network.n)
        bits = (unsigned)strtoul((const char *)base.p + base.n + 1, NULL, 10) + (v4 ? 96 : 0);
    if (IN6_IS_ADDR_V4MAPPED(&from) && bits < 96) /* ::/0 is of IPv6 alone */
        return false;
    return same_bits(&net, &from, bits);
}

static bool allowed(struct prov_span network, struct prov_span address)
{
    const struct prov_claim claim = { .networks = { network }, .n_networks = 1 };
    const struct prov_claim_ask ask = { .address = address };
    const struct prov_cert cert = { .n_things = 0 };
    struct prov_tx tx = { .now_ms = 1 };
    enum prov_reason reason;
    const enum prov_rc rc = prov_claim_check(&tx, &cert, &claim, &ask, &reason);

    require(rc == PROV_OK || (rc == PROV_EDENIED && reason == PROV_REASON_CLAIM_NETWORK));
    return rc == PROV_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1); /* strtoul must find an end */
    struct prov_span network, address;

    require(copy != NULL);
    if (size != 0)
        memcpy(copy, data, size);
    copy[size] = '\0';
    network = before(prov_span(copy, size), '\n');
    address = network.n == size ? prov_span(NULL, 0)
                                : prov_span(copy + network.n + 1, size - network.n - 1);
    if (!prov_claim_network(network)) {
        require(!allowed(network, address));
    } else {
        require(allowed(network, before(network, '/')));
        require(allowed(network, address) == expected(network, address));
    }
    free(copy);
    return 0;
}
