/* Private keys and tokens on their way through a request: wiped, and in no store and no message. */
#include "support/fleet_scene.h"

#include <malloc.h>

#include <openssl/crypto.h>

#include "support/alloc.h" /* through it all memory goes that cJSON and OpenSSL give back */

/* Part of a secret, and how often memory that still held it was given back. */
static struct {
    char text[64];
    size_t n;
    unsigned found;
} watched;

void __real_free(void *p);
void __wrap_free(void *p);

void __wrap_free(void *p)
{
    if (p != NULL && watched.n != 0 &&
        memmem(p, malloc_usable_size(p), watched.text, watched.n) != NULL)
        watched.found++;
    __real_free(p);
}

static void watch(const char *secret)
{
    memcpy(watched.text, secret, 40);
    watched.found = 0;
    watched.n = 40;
}

static unsigned watch_end(void)
{
    watched.n = 0;
    OPENSSL_cleanse(watched.text, sizeof watched.text);
    return watched.found;
}

static void read_answer(const struct prov_fleet *fleet, bool has_secret)
{
    struct prov_buf answer;

    assert_int_equal(prov_fleet_answer(fleet, &answer), PROV_OK);
    assert_int_equal(memmem(answer.p, answer.n, watched.text, watched.n) != NULL, has_secret);
    prov_buf_wipe(&answer);
}

static void watcher_sees_what_is_not_wiped(void **state)
{
    /* a compiler knows of free that it reads nothing, and would not write what it reads here */
    void (*volatile give_back)(void *) = free;
    char *copy = strdup("0123456789012345678901234567890123456789");

    (void)state;
    watch(copy);
    give_back(copy);
    assert_int_equal(watch_end(), 1);
}

static void assert_not_stored(struct scene *s, const char *secret)
{
    char *dump = reg_dump(s->r), hex[81];

    prov_hex(secret, 40, hex);
    assert_null(strstr(dump, hex));
    free(dump);
}

static void private_key_is_in_no_memory_that_was_given_back(void **state)
{
    struct scene *s = *state;

    for (unsigned i = 0; i < PROV_FORMATS; i++) {
        struct prov_fleet *fleet = scene_new(
            s, &(struct scene_ask){ .op = PROV_CREATE_KEYS, .format = (enum prov_format)i });
        struct prov_key key;
        char secret[40];

        assert_int_equal(scene_prepare(s, fleet), PROV_FLEET_KEY);
        assert_int_equal(prov_key_make(PROV_KEY_EC_P256, &key), PROV_OK);
        assert_true(key.pem.n > 140);
        memcpy(secret, key.pem.p + 40, sizeof secret); /* within its first line */
        watch(secret);
        prov_fleet_give_key(fleet, &key, PROV_OK);
        assert_int_equal(scene_prepare(s, fleet), PROV_FLEET_APPLY);
        scene_apply(s, fleet);
        read_answer(fleet, true);
        assert_null(strstr(fleet->detail, "KEY"));
        scene_drop(s, fleet);
        assert_int_equal(watch_end(), 0);
        assert_not_stored(s, secret);
    }
}

static void key_of_a_request_that_is_refused_is_wiped_too(void **state)
{
    struct scene *s = *state;
    struct prov_fleet *fleet = scene_new(s, &(struct scene_ask){ .op = PROV_CREATE_KEYS });
    struct prov_key key;

    assert_int_equal(scene_prepare(s, fleet), PROV_FLEET_KEY);
    assert_int_equal(prov_key_make(PROV_KEY_EC_P256, &key), PROV_OK);
    watch((const char *)key.pem.p + 40);
    prov_fleet_give_key(fleet, &key, PROV_OK);
    s->issuing.rc = PROV_ENOTFOUND;
    assert_int_equal(scene_prepare(s, fleet), PROV_FLEET_DONE);
    read_answer(fleet, false);
    scene_drop(s, fleet);
    assert_int_equal(watch_end(), 0);
}

static void new_token_is_in_no_memory_that_was_given_back(void **state)
{
    struct scene *s = *state;
    struct prov_fleet *fleet = scene_new(s, &(struct scene_ask){ .op = PROV_CREATE_KEYS });
    char secret[40];

    scene_finish(s, fleet, NULL);
    memcpy(secret, fleet->token + 56, sizeof secret); /* its secret is the end of it */
    watch(secret);
    read_answer(fleet, true);
    scene_drop(s, fleet);
    assert_int_equal(watch_end(), 0);
    assert_not_stored(s, secret);
}

static void token_that_is_used_is_in_no_memory_that_was_given_back(void **state)
{
    struct scene *s = *state;
    char token[PROV_TOKEN_LEN + 1];

    (void)scene_certificate(s, NULL, token);
    for (unsigned i = 0; i < 4; i++) { /* used, and repeated */
        struct prov_fleet *fleet =
            scene_new(s, &(struct scene_ask){ .op = PROV_REGISTER_THING,
                                              .format = (enum prov_format)(i % PROV_FORMATS),
                                              .token = token,
                                              .params = "{'Serial':'1','Room':'x'}" });

        watch(token + 56);
        scene_finish(s, fleet, NULL);
        scene_expect(fleet, PROV_REASON_PROVISIONED);
        read_answer(fleet, false);
        scene_drop(s, fleet);
        assert_int_equal(watch_end(), 0);
    }
    assert_not_stored(s, token + 56);
}

static void nobody_is_told_a_token_that_was_refused(void **state)
{
    static const struct {
        const char *before, *behind;
    } rows[] = {
        { "{\"certificateOwnershipToken\":\"", "\"}" },
        { "{\"certificateOwnershipToken\":\"", "\",\"parameters\":{\"Serial\":\"no name\"}}" },
        { "{\"certificateOwnershipToken\":\"", "x\"}" },
        { "{\"certificateOwnershipToken\":\"", "\"" },
        { "{\"certificateOwnershipToken\":[\"", "\"]}" },
        { "{\"certificateOwnershipToken\":\"", "\",\"parameters\":[]}" },
        { "{\"certificateOwnershipToken\":\"", "\",\"certificateOwnershipToken\":\"\"}" },
        { "\"", "\"" },
    };
    struct scene *s = *state;
    char token[PROV_TOKEN_LEN + 1], payload[512];

    (void)scene_certificate(s, NULL, token);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_fleet *fleet;

        (void)snprintf(payload, sizeof payload, "%s%s%s", rows[i].before, token, rows[i].behind);
        fleet = scene_done(s, &(struct scene_ask){ .op = PROV_REGISTER_THING, .raw = payload });
        assert_false(prov_fleet_succeeded(fleet));
        assert_true(fleet->message[0] != '\0');
        assert_null(strstr(fleet->message, token + 80));
        assert_null(strstr(fleet->detail, token + 80));
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(watcher_sees_what_is_not_wiped),
    SCENE_TEST(private_key_is_in_no_memory_that_was_given_back),
    SCENE_TEST(key_of_a_request_that_is_refused_is_wiped_too),
    SCENE_TEST(new_token_is_in_no_memory_that_was_given_back),
    SCENE_TEST(token_that_is_used_is_in_no_memory_that_was_given_back),
    SCENE_TEST(nobody_is_told_a_token_that_was_refused),
};

SCENE_MAIN(tests)
