/* The store's keys in a token that a test can unplug. What a real one does is test_agent_keys's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "device-agent/core/text.h"
#include "device-agent/port/posix/store.h"
#include "test_agent_store.h"

#define CLAIM_URI "pkcs11:token=t;object=factory?pin-value=1234"
#define CLAIM_STORED "pkcs11:token=t;object=factory"

/* ---- the token ------------------------------------------------------------------------------- */

enum { KEYS = 4, FACTORY = 0 };

static struct {
    bool unplugged, there[KEYS];
    unsigned made;
} token;

enum agent_class __wrap_keys_make(const struct keys_conf *conf, uint32_t generation,
                                  struct agent_text *out, struct port_result *result);
enum agent_class __wrap_keys_destroy(const struct keys_conf *conf, struct agent_span reference,
                                     struct port_result *result);
enum agent_class __wrap_keys_csr(const struct keys_conf *conf, struct agent_span reference,
                                 const char *common_name, struct agent_text *out,
                                 struct port_result *result);
enum agent_class __wrap_keys_fit(const struct keys_conf *conf, struct agent_span cert_pem,
                                 struct agent_span reference, struct agent_slot *out,
                                 struct port_result *result);
EVP_PKEY *__wrap_keys_load(const struct keys_conf *conf, struct agent_span reference,
                           struct port_result *result);

/* Which of its keys is named; KEYS: it cannot be had. */
static size_t named(struct agent_span reference, struct port_result *result)
{
    char uri[64] = "";
    size_t key = FACTORY;

    if (reference.n < sizeof uri)
        memcpy(uri, reference.p, reference.n);
    if (sscanf(uri, "pkcs11:token=t;object=dev-%zu", &key) != 1 &&
        strncmp(uri, CLAIM_STORED, strlen(CLAIM_STORED)) != 0)
        fail_msg("no reference: %s", uri);
    if (!token.unplugged && key < KEYS && token.there[key])
        return key;
    (void)port_fail(result, AGENT_LOCAL, "the token has no such key now");
    return KEYS;
}

enum agent_class __wrap_keys_make(const struct keys_conf *conf, uint32_t generation,
                                  struct agent_text *out, struct port_result *result)
{
    char uri[64];

    (void)conf;
    assert_in_range(generation, 1, KEYS - 1);
    if (token.unplugged)
        return port_fail(result, AGENT_LOCAL, "no token");
    token.made += !token.there[generation];
    token.there[generation] = true;
    (void)snprintf(uri, sizeof uri, "pkcs11:token=t;object=dev-%u", (unsigned)generation);
    agent_text_clear(out);
    assert_true(agent_text_add_str(out, uri));
    return AGENT_OK;
}

enum agent_class __wrap_keys_destroy(const struct keys_conf *conf, struct agent_span reference,
                                     struct port_result *result)
{
    struct port_result gone = { 0 };
    const size_t key = named(reference, &gone);

    (void)conf;
    if (token.unplugged)
        return port_fail(result, AGENT_LOCAL, "no token");
    if (key < KEYS)
        token.there[key] = false;
    return AGENT_OK;
}

enum agent_class __wrap_keys_csr(const struct keys_conf *conf, struct agent_span reference,
                                 const char *common_name, struct agent_text *out,
                                 struct port_result *result)
{
    (void)conf;
    (void)common_name;
    agent_text_clear(out);
    if (named(reference, result) == KEYS)
        return result->class;
    assert_true(agent_text_add_str(
        out, "-----BEGIN CERTIFICATE REQUEST-----\nx\n-----END CERTIFICATE REQUEST-----\n"));
    return AGENT_OK;
}

enum agent_class __wrap_keys_fit(const struct keys_conf *conf, struct agent_span cert_pem,
                                 struct agent_span reference, struct agent_slot *out,
                                 struct port_result *result)
{
    (void)conf;
    *out = (struct agent_slot){ 0 };
    if (named(reference, result) == KEYS)
        return result->class;
    if (cert_pem.n != strlen(pair_a.cert) || memcmp(cert_pem.p, pair_a.cert, cert_pem.n) != 0)
        return port_fail(result, AGENT_ANSWER, "they do not fit");
    *out = (struct agent_slot){ .key = true, .cert = true };
    return AGENT_OK;
}

EVP_PKEY *__wrap_keys_load(const struct keys_conf *conf, struct agent_span reference,
                           struct port_result *result)
{
    (void)conf;
    return named(reference, result) == KEYS ? NULL : EVP_PKEY_new();
}

static int token_setup(void **state)
{
    memset(&token, 0, sizeof token);
    token.there[FACTORY] = true;
    return fix_setup(state);
}

static void with_token_claim(struct fix *f)
{
    agent_disk_put(f->disk, CLAIM_CERT, 0644, pair_a.cert, strlen(pair_a.cert));
    f->conf.claim_cert = CLAIM_CERT_PATH;
    f->conf.claim_key = CLAIM_URI;
    reopen(f);
}

static void with_token_identity(struct fix *f)
{
    assert_int_equal(make_key(f, 1, false), AGENT_OK);
    assert_int_equal(make_csr(f, 1), AGENT_OK);
    assert_int_equal(store_cert(f, 1, pair_a.cert, NULL), AGENT_OK);
    assert_int_equal(promote(f, 1), AGENT_OK);
}

/* ---- keys of its own ------------------------------------------------------------------------- */

static void key_in_the_token_is_the_generations(void **state)
{
    struct fix *f = *state;

    with_token_identity(f);
    assert_true(has_content(f, DIR "/gen/1/key.uri", "pkcs11:token=t;object=dev-1"));
    assert_false(there(f, DIR "/gen/1/key.pem"));
    assert_int_equal(find(f), AGENT_OK);
    assert_true(usable(found_slot(f, 1)));
    assert_int_equal(make_key(f, 1, false), AGENT_OK);
    assert_int_equal(token.made, 1);
}

static void unplugged_token_is_no_lost_identity(void **state)
{
    struct fix *f = *state;

    with_token_identity(f);
    token.unplugged = true;
    assert_int_equal(find(f), AGENT_LOCAL);
    token.unplugged = false;
    assert_int_equal(find(f), AGENT_OK);
    assert_true(usable(found_slot(f, 1)));
}

static void request_outlives_an_unplugged_token(void **state)
{
    struct fix *f = *state;

    assert_int_equal(make_key(f, 1, false), AGENT_OK);
    assert_int_equal(make_csr(f, 1), AGENT_OK);
    token.unplugged = true;
    assert_int_equal(find(f), AGENT_OK);
    assert_false(found_slot(f, 1)->key);
    assert_int_equal(make_key(f, 1, false), AGENT_LOCAL);
    assert_true(there(f, DIR "/gen/1/csr.pem"));
    token.unplugged = false;
    assert_int_equal(make_key(f, 1, false), AGENT_OK);
    assert_true(there(f, DIR "/gen/1/csr.pem"));
    assert_int_equal(token.made, 1);
}

static void dropped_key_is_destroyed_in_the_token(void **state)
{
    struct fix *f = *state;

    with_token_identity(f);
    token.unplugged = true;
    assert_int_equal(drop(f, 1), AGENT_LOCAL);
    assert_true(there(f, DIR "/gen/1/key.uri"));
    token.unplugged = false;
    assert_int_equal(drop(f, 1), AGENT_OK);
    assert_false(token.there[1]);
    assert_false(there(f, DIR "/gen/1"));
}

/* A reference to a key that is gone must not be taken for an identity out of reach. */
static void drop_is_completed_wherever_it_was_cut(void **state)
{
    struct fix *f = *state;
    bool off = true;

    for (unsigned n = 1; off; n++) {
        for (unsigned i = 0; i < AGENT_DISK_HOWS * AGENT_DISK_VARIANTS; i++) {
            with_token_identity(f);
            agent_disk_cut(f->disk, n, (enum agent_disk_how)(i / AGENT_DISK_VARIANTS));
            (void)drop(f, 1);
            off = agent_disk_is_off(f->disk);
            agent_disk_restart(f->disk, (enum agent_disk_variant)(i % AGENT_DISK_VARIANTS));
            reopen(f);
            assert_int_equal(find(f), AGENT_OK);
            assert_int_equal(drop(f, 1), AGENT_OK);
            assert_false(token.there[1]);
        }
    }
}

/* ---- the claim's ----------------------------------------------------------------------------- */

static void claim_in_the_token_is_adopted_without_its_pin(void **state)
{
    struct fix *f = *state;

    with_token_claim(f);
    assert_int_equal(adopt(f, 1), AGENT_OK);
    assert_true(leads_to(f, DIR "/gen/1/key.uri", "claim.uri"));
    assert_true(has_content(f, DIR "/gen/1/claim.uri", CLAIM_STORED));
    assert_false(agent_disk_holds(f->disk, "1234", 4));
    assert_int_equal(find(f), AGENT_OK);
    assert_true(usable(found_slot(f, 1)));
    assert_true(usable(&f->found.claim));
    assert_int_equal(adopt(f, 1), AGENT_OK);
}

static void dropped_generation_leaves_the_claims_key(void **state)
{
    struct fix *f = *state;

    with_token_claim(f);
    assert_int_equal(make_key(f, 1, true), AGENT_OK);
    assert_int_equal(drop(f, CLAIM), AGENT_LOCAL); /* the generation uses it */
    assert_true(token.there[FACTORY]);
    assert_int_equal(drop(f, 1), AGENT_OK);
    assert_true(token.there[FACTORY]);
    assert_int_equal(drop(f, CLAIM), AGENT_OK);
    assert_false(token.there[FACTORY]);
    assert_false(there(f, CLAIM_CERT));
}

static void uri_file_with_something_else_is_no_key(void **state)
{
    struct fix *f = *state;

    agent_disk_put(f->disk, DIR "/gen/1/key.uri", 0600, pair_b.key, strlen(pair_b.key));
    assert_int_equal(find(f), AGENT_OK);
    assert_false(found_slot(f, 1)->key);
    agent_disk_put(f->disk, "elsewhere/key.uri", 0600, CLAIM_STORED, strlen(CLAIM_STORED));
    agent_disk_put_link(f->disk, DIR "/gen/1/key.uri", "/elsewhere/key.uri");
    assert_int_equal(find(f), AGENT_OK);
    assert_false(found_slot(f, 1)->key);
}

#define TOKEN_TEST(f) cmocka_unit_test_setup_teardown(f, token_setup, fix_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TOKEN_TEST(key_in_the_token_is_the_generations),
        TOKEN_TEST(unplugged_token_is_no_lost_identity),
        TOKEN_TEST(request_outlives_an_unplugged_token),
        TOKEN_TEST(dropped_key_is_destroyed_in_the_token),
        TOKEN_TEST(drop_is_completed_wherever_it_was_cut),
        TOKEN_TEST(claim_in_the_token_is_adopted_without_its_pin),
        TOKEN_TEST(dropped_generation_leaves_the_claims_key),
        TOKEN_TEST(uri_file_with_something_else_is_no_key),
    };

    return cmocka_run_group_tests(tests, pairs_setup, pairs_teardown);
}
