#include "throttle.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "core/bucket.h"

#define CERTIFICATES 65536
#define ADDRESSES 16384
#define CLAIMS 4096
#define CAS 1024

struct prov_throttle {
    struct prov_buckets *addresses, *certificates, *claims, *cas;
};

const char *prov_throttled_name(enum prov_throttled which)
{
    static const char *const names[] = {
        [PROV_THROTTLED_NOT] = "none",
        [PROV_THROTTLED_ADDRESS] = "address",
        [PROV_THROTTLED_CERTIFICATE] = "certificate",
        [PROV_THROTTLED_CA] = "ca",
    };
    _Static_assert(PROV_COUNT(names) == PROV_THROTTLED_COUNT, "a limit has no name");

    return (size_t)which < PROV_COUNT(names) ? names[which] : "unknown";
}

/* The numbers are within their options' ranges, and so within uint32_t. */
static enum prov_rc make(uint64_t per_s, uint64_t burst, uint32_t keys, struct prov_buckets **out)
{
    const struct prov_buckets_conf conf = { (uint32_t)per_s, (uint32_t)burst, keys };
    uint8_t secret[16];
    enum prov_rc rc;

    if (RAND_bytes(secret, sizeof secret) != 1)
        return PROV_EBUG;
    rc = prov_buckets_new(&conf, secret, out);
    OPENSSL_cleanse(secret, sizeof secret);
    return rc;
}

enum prov_rc prov_throttle_new(const struct prov_conf *conf, struct prov_throttle **out)
{
    struct prov_throttle *t = calloc(1, sizeof *t);
    enum prov_rc rc;

    *out = NULL;
    if (t == NULL)
        return PROV_ENOMEM;
    rc = make(conf->address_per_s, conf->address_burst, ADDRESSES, &t->addresses);
    if (rc == PROV_OK)
        rc = make(conf->certificate_per_s, conf->certificate_burst, CERTIFICATES, &t->certificates);
    if (rc == PROV_OK)
        rc = make(conf->claim_per_s, conf->claim_burst, CLAIMS, &t->claims);
    if (rc == PROV_OK)
        rc = make(conf->ca_per_s, conf->ca_burst, CAS, &t->cas);
    if (rc != PROV_OK) {
        prov_throttle_free(t);
        return rc;
    }
    *out = t;
    return PROV_OK;
}

void prov_throttle_free(struct prov_throttle *throttle)
{
    if (throttle == NULL)
        return;
    prov_buckets_free(throttle->addresses);
    prov_buckets_free(throttle->certificates);
    prov_buckets_free(throttle->claims);
    prov_buckets_free(throttle->cas);
    free(throttle);
}

/* ---- addresses ------------------------------------------------------------------------------- */

/* The first byte tells what the rest is, so that none of one kind is one of another. */
struct source {
    uint8_t b[1 + INET6_ADDRSTRLEN];
    size_t n;
};

static void put(struct source *out, char kind, const void *p, size_t n)
{
    out->b[0] = (uint8_t)kind;
    memcpy(out->b + 1, p, n);
    out->n = 1 + n;
}

static void parse_source(const char *address, struct source *out)
{
    const size_t n = address == NULL ? 0 : strcspn(address, "%"); /* the zone of fe80::1%eth0 */
    char text[INET6_ADDRSTRLEN] = "";
    struct in6_addr v6;
    struct in_addr v4;

    if (n != 0)
        (void)prov_span_copy(prov_span(address, n), text, sizeof text);
    if (inet_pton(AF_INET, text, &v4) == 1)
        put(out, '4', &v4, 4);
    else if (inet_pton(AF_INET6, text, &v6) != 1)
        put(out, '?', text, strlen(text));
    else if (IN6_IS_ADDR_V4MAPPED(&v6))
        put(out, '4', v6.s6_addr + 12, 4);
    else
        put(out, '6', v6.s6_addr, 8);
}

static struct prov_span source_span(const struct source *source)
{
    return prov_span(source->b, source->n);
}

/* ---- questions ------------------------------------------------------------------------------- */

bool prov_throttle_connect(struct prov_throttle *throttle, const struct prov_id *cert,
                           int64_t now_ms)
{
    return prov_buckets_take(throttle->certificates, prov_id_span(cert), now_ms);
}

bool prov_throttle_connect_peek(const struct prov_throttle *throttle, const struct prov_id *cert,
                                int64_t now_ms)
{
    return prov_buckets_peek(throttle->certificates, prov_id_span(cert), now_ms);
}

bool prov_throttle_claim(struct prov_throttle *throttle, const struct prov_id *claim,
                         int64_t now_ms)
{
    return prov_buckets_take(throttle->claims, prov_id_span(claim), now_ms);
}

enum prov_throttled prov_throttle_newcomer(struct prov_throttle *throttle, const char *address,
                                           const struct prov_id *ca, int64_t now_ms)
{
    struct source source;

    parse_source(address, &source);
    if (!prov_buckets_peek(throttle->addresses, source_span(&source), now_ms))
        return PROV_THROTTLED_ADDRESS;
    if (!prov_buckets_take(throttle->cas, prov_id_span(ca), now_ms))
        return PROV_THROTTLED_CA;
    (void)prov_buckets_take(throttle->addresses, source_span(&source), now_ms); /* it was there */
    return PROV_THROTTLED_NOT;
}

bool prov_throttle_stranger(struct prov_throttle *throttle, const char *address, int64_t now_ms)
{
    struct source source;

    parse_source(address, &source);
    return prov_buckets_take(throttle->addresses, source_span(&source), now_ms);
}

bool prov_throttle_stranger_peek(const struct prov_throttle *throttle, const char *address,
                                 int64_t now_ms)
{
    struct source source;

    parse_source(address, &source);
    return prov_buckets_peek(throttle->addresses, source_span(&source), now_ms);
}
