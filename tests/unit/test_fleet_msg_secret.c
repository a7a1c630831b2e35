/*
 * Token and private key of fleet provisioning's messages are not left behind in memory that was
 * given back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <malloc.h>

#include "core/fleet_msg.h"
#include "support/alloc.h" /* cJSON frees by way of it */

#define SECRET "hush-hush-hush-hush"

/* ---- what is given back (-Wl,--wrap) --------------------------------------------------------- */

static unsigned blocks, leaks; /* freed; and with the secret in them */

void __real_free(void *p);
void __wrap_free(void *p);

void __wrap_free(void *p)
{
    blocks += p != NULL;
    leaks += p != NULL && memmem(p, malloc_usable_size(p), SECRET, strlen(SECRET)) != NULL;
    __real_free(p);
}

static int nothing_given_back(void **state)
{
    (void)state;
    blocks = leaks = 0;
    return 0;
}

/* ---- messages -------------------------------------------------------------------------------- */

#define TOKEN_KEY "certificateOwnershipToken"

static void request_leaves_no_token_behind(void **state)
{
    static const struct {
        enum prov_format format;
        struct prov_span payload;
        enum prov_rc rc;
    } rows[] = {
        { PROV_JSON, PROV_LIT("{\"" TOKEN_KEY "\":\"" SECRET "\"}"), PROV_OK },
        { PROV_JSON, PROV_LIT("{\"" TOKEN_KEY "\":\"" SECRET "\",\"parameters\":1}"), PROV_EINVAL },
        { PROV_JSON, PROV_LIT("{\"Token\":{\"x\":[\"" SECRET "\"]}}"), PROV_EINVAL },
        { PROV_CBOR, PROV_LIT("\xa1\x78\x19" TOKEN_KEY "\x73" SECRET), PROV_OK },
        { PROV_CBOR, PROV_LIT("\xa1\x78\x19" TOKEN_KEY "\x7f\x73" SECRET "\xff"), PROV_OK },
        { PROV_CBOR, PROV_LIT("\xa2\x78\x19" TOKEN_KEY "\x73" SECRET "\x01\x01"), PROV_EINVAL },
    };
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct prov_fleet_topic t = { PROV_REGISTER_THING, rows[i].format, PROV_LIT("t") };
        struct prov_fleet_request *r;

        blocks = 0;
        assert_int_equal(prov_fleet_request_parse(&t, rows[i].payload, &r, NULL), rows[i].rc);
        assert_true(r == NULL || prov_span_eq_str(r->token, SECRET));
        prov_fleet_request_free(r);
        assert_true(blocks != 0);
        assert_int_equal(leaks, 0);
    }
}

static void answer_leaves_no_key_behind(void **state)
{
    static const struct prov_fleet_accepted answer = {
        .certificate_id = PROV_LIT("id"),
        .certificate_pem = PROV_LIT("pem"),
        .private_key = PROV_LIT("-----BEGIN\n" SECRET "\n-----END\n"),
        .token = PROV_LIT(SECRET),
    };
    (void)state;

    for (size_t i = 0; i < PROV_FORMATS; i++) {
        struct prov_buf b;

        prov_buf_init(&b, 4096);
        assert_int_equal(prov_fleet_accepted(PROV_CREATE_KEYS, (enum prov_format)i, &answer, &b),
                         PROV_OK);
        assert_non_null(memmem(b.p, b.n, SECRET, strlen(SECRET)));
        prov_buf_wipe(&b);
        assert_true(blocks > 1); /* it has grown on the way */
        assert_int_equal(leaks, 0);
    }
}

static void secret_given_back_is_seen(void **state)
{
    struct prov_buf b;
    (void)state;

    prov_buf_init(&b, 4096);
    prov_buf_add_str(&b, SECRET);
    prov_buf_release(&b);
    assert_int_equal(leaks, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(request_leaves_no_token_behind, nothing_given_back),
        cmocka_unit_test_setup(answer_leaves_no_key_behind, nothing_given_back),
        cmocka_unit_test_setup(secret_given_back_is_seen, nothing_given_back),
    };

    return cmocka_run_group_tests_name("fleet_msg_secret", tests, NULL, NULL);
}
