/*
 * Ownership tokens as strangers may write them: any bytes, and a token that was given with some of
 * its characters replaced. The one that was given is good; every other text is refused, by the code
 * that AWS IoT has for it and without being quoted.
 *
 * 't': the text itself. 'e': pairs of a place and a byte, of the token that was given.
 */
#include <stdint.h>
#include <stdlib.h>

#include "core/registry.h"
#include "store/store_mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_MS INT64_C(1700000000000)

static struct {
    struct prov_store *store;
    struct prov_txn *txn; /* never committed */
    struct prov_id cert, claim;
    char token[PROV_TOKEN_LEN + 1];
} world;

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void make_world(void)
{
    const struct prov_made_cert made = { .der = PROV_LIT("\x30\x05\x30\x03\x02\x01\x07") };
    struct prov_tx tx = { .now_ms = NOW_MS };

    require(prov_store_mem_new(&prov_registry_schema, &world.store) == PROV_OK);
    require(prov_txn_begin(world.store, PROV_TXN_WRITE, NULL, &world.txn) == PROV_OK);
    tx.txn = world.txn;
    world.claim.b[0] = 1;
    require(prov_cert_record_issued(&tx, &made, &world.claim, NOW_MS + 1, &world.cert,
                                    world.token) == PROV_OK);
}

static bool quotes(const char *text, struct prov_span token)
{
    const size_t n = strlen(text);

    for (size_t i = 0; token.n >= PROV_TOKEN_LEN && i + token.n <= n; i++) {
        if (memcmp(text + i, token.p, token.n) == 0)
            return true;
    }
    return false;
}

static void check(struct prov_span token)
{
    struct prov_err err = { .rc = PROV_OK };
    struct prov_tx tx = { world.txn, NOW_MS, &err };
    const bool given = prov_span_eq(token, prov_span(world.token, PROV_TOKEN_LEN));
    struct prov_ownership out;
    const enum prov_rc rc = prov_token_check(&tx, token, &world.claim, &out);

    require(rc == (given ? PROV_OK : PROV_EDENIED));
    require(!given || prov_id_eq(&out.cert, &world.cert));
    require(given || prov_id_is_zero(&out.cert));
    require(given || strcmp(err.code, "InvalidCertificateOwnershipToken") == 0);
    require(given || !quotes(err.text, token));
}

static void check_edited(const uint8_t *data, size_t size)
{
    char token[PROV_TOKEN_LEN + 1];

    memcpy(token, world.token, sizeof token);
    for (size_t i = 0; i + 1 < size; i += 2)
        token[data[i] % PROV_TOKEN_LEN] = (char)data[i + 1];
    check(prov_span(token, PROV_TOKEN_LEN));
    if (size % 2 != 0) /* cut, too */
        check(prov_span(token, data[size - 1] % PROV_TOKEN_LEN));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (world.store == NULL)
        make_world();
    if (size != 0 && data[0] == 't')
        check(prov_span(data + 1, size - 1));
    else if (size != 0 && data[0] == 'e')
        check_edited(data + 1, size - 1);
    return 0;
}
