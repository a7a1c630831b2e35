#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "device-agent/port/posix/store.h"
#include "test_agent_store.h"

static mode_t mode_of(const struct fix *f, const char *path)
{
    struct agent_disk_look look;

    assert_true(agent_disk_look(f->disk, path, &look));
    return look.mode;
}

static void put_text(struct fix *f, const char *path, const char *text)
{
    agent_disk_put(f->disk, path, 0600, text, strlen(text));
}

/* ---- what is found --------------------------------------------------------------------------- */

static void nothing_is_found_in_an_empty_directory(void **state)
{
    struct fix *f = *state;

    assert_int_equal(find(f), AGENT_OK);
    assert_int_equal(f->n, 0);
    assert_int_equal(f->found.n_generations, 0);
    assert_int_equal(f->found.in_force, 0);
    assert_false(f->found.claim.key || f->found.claim.cert);
    assert_string_equal(f->trouble.text, "");
}

static void what_was_stored_is_found_with_its_validity(void **state)
{
    struct fix *f = *state;

    with_identity(f, 7);
    assert_int_equal(save(f, "record"), AGENT_OK);
    reopen(f);
    assert_int_equal(find(f), AGENT_OK);
    assert_int_equal(f->n, 6);
    assert_memory_equal(f->record, "record", 6);
    assert_int_equal(f->found.n_generations, 1);
    assert_int_equal(f->found.in_force, 7);
    assert_true(usable(found_slot(f, 7)));
    assert_true(found_slot(f, 7)->not_before_s < found_slot(f, 7)->not_after_s);
    assert_true(leads_to(f, DIR "/current", "gen/7"));
}

static void generation_in_force_is_found_among_more_than_have_room(void **state)
{
    static const char *const names[] = { "5", "9", "2",  "12", "3",          "01",
                                         "0", "x", "-1", "7 ", "4294967296", "4294967295" };
    static const uint32_t expected[] = { 1, 9, 12, UINT32_MAX };
    struct fix *f = *state;
    char path[64];

    assert_int_equal(COUNT(expected), AGENT_MAX_GENERATIONS);
    with_identity(f, 1);
    for (size_t i = 0; i < COUNT(names); i++) {
        (void)snprintf(path, sizeof path, DIR "/gen/%s", names[i]);
        agent_disk_put_dir(f->disk, path, 0700);
    }
    assert_int_equal(find(f), AGENT_OK);
    assert_int_equal(f->found.n_generations, COUNT(expected));
    for (size_t i = 0; i < COUNT(expected); i++)
        assert_int_equal(f->found.generations[i].number, expected[i]);
}

static void link_in_force_that_leads_elsewhere_is_none(void **state)
{
    static const char *const targets[] = { "gen/2", "gen/01", "gen/1/..", "/etc", "claim", "gen/" };
    struct fix *f = *state;

    with_identity(f, 1);
    assert_int_equal(store_in_force(f->store), 1);
    for (size_t i = 0; i < COUNT(targets); i++) {
        agent_disk_put_link(f->disk, DIR "/current", targets[i]);
        assert_int_equal(store_in_force(f->store), 0);
    }
    assert_int_equal(promote(f, 1), AGENT_OK);
    assert_int_equal(store_in_force(f->store), 1);
}

static void record_of_another_length_is_not_touched(void **state)
{
    struct fix *f = *state;
    static const char big[AGENT_STATE_MAX + 1];

    agent_disk_put(f->disk, DIR "/state", 0600, big, sizeof big - 1);
    assert_int_equal(find(f), AGENT_OK);
    assert_int_equal(f->n, AGENT_STATE_MAX);
    agent_disk_put(f->disk, DIR "/state", 0600, big, sizeof big);
    assert_int_equal(find(f), AGENT_RECORD);
    agent_disk_put_dir(f->disk, DIR "/state", 0700);
    assert_int_equal(find(f), AGENT_LOCAL);
    agent_disk_put_link(f->disk, DIR "/state", "/etc/shadow");
    assert_int_equal(find(f), AGENT_LOCAL);
}

static void an_identity_out_of_reach_is_never_said_to_be_gone(void **state)
{
    struct fix *f = *state;
    unsigned n, told = 0;
    bool struck = true;

    with_identity(f, 1);
    for (n = 1; struck; n++) {
        const unsigned begun = agent_disk_operations(f->disk);
        enum agent_class class;

        agent_disk_fail(f->disk, n, EIO);
        class = find(f);
        struck = agent_disk_operations(f->disk) - begun >= n;
        agent_disk_fail(f->disk, 0, 0);
        assert_true(class == AGENT_LOCAL || (class == AGENT_OK && usable(found_slot(f, 1))));
        told += class == AGENT_LOCAL;
    }
    assert_true(told >= 4); /* record, list, certificate, key */
}

static void leftovers_go_and_who_only_looks_changes_nothing(void **state)
{
    static const char *const paths[] = { DIR "/state.tmp", DIR "/current.tmp",
                                         DIR "/gen/1/key.pem.tmp", DIR "/claim/key.pem.new" };
    struct fix *f = *state;
    unsigned changes;

    with_identity(f, 1);
    for (size_t i = 0; i < COUNT(paths); i++)
        put_text(f, paths[i], "half of a private key");
    f->conf.look_only = true;
    reopen(f);
    changes = agent_disk_changes(f->disk);
    assert_int_equal(find(f), AGENT_OK);
    assert_int_equal(agent_disk_changes(f->disk), changes);
    f->conf.look_only = false;
    reopen(f);
    assert_int_equal(find(f), AGENT_OK);
    for (size_t i = 0; i < COUNT(paths); i++)
        assert_false(there(f, paths[i]));
    assert_false(there(f, DIR "/claim"));
}

/* ---- keys, requests, certificates ------------------------------------------------------------ */

static void key_and_request_stay_as_they_are(void **state)
{
    struct fix *f = *state;
    char *key, *csr;

    assert_int_equal(make_key(f, 1, false), AGENT_OK);
    assert_int_equal(make_csr(f, 1), AGENT_OK);
    key = content(f, DIR "/gen/1/key.pem");
    csr = strdup(f->csr);
    assert_true(has_content(f, DIR "/gen/1/csr.pem", csr));
    reopen(f);
    assert_int_equal(make_key(f, 1, false), AGENT_OK);
    assert_int_equal(make_key(f, 1, true), AGENT_OK);
    assert_int_equal(make_csr(f, 1), AGENT_OK);
    assert_string_equal(f->csr, csr);
    assert_true(has_content(f, DIR "/gen/1/key.pem", key));
    free(key);
    free(csr);
}

static void what_is_no_key_is_replaced_with_its_request(void **state)
{
    static const char *const junk[] = { "", "\n", "pkcs11:token=evil?module-path=/tmp/evil.so",
                                        "-----BEGIN PRIVATE KEY-----\nAAAA\n" };
    struct fix *f = *state;

    for (size_t i = 0; i < COUNT(junk); i++) {
        put_text(f, DIR "/gen/1/key.pem", junk[i]);
        put_text(f, DIR "/gen/1/csr.pem",
                 "-----BEGIN CERTIFICATE REQUEST-----\nold\n-----END CERTIFICATE REQUEST-----\n");
        assert_int_equal(make_key(f, 1, false), AGENT_OK);
        assert_false(there(f, DIR "/gen/1/csr.pem"));
        assert_int_equal(make_csr(f, 1), AGENT_OK);
        assert_int_equal(find(f), AGENT_OK);
        assert_true(found_slot(f, 1)->key);
    }
}

static void what_is_no_request_is_replaced(void **state)
{
    struct fix *f = *state;

    assert_int_equal(make_key(f, 1, false), AGENT_OK);
    put_text(f, DIR "/gen/1/csr.pem", "-----BEGIN CERTIFICATE REQUEST-----\ntorn");
    assert_int_equal(make_csr(f, 1), AGENT_OK);
    assert_non_null(strstr(f->csr, "\n-----END CERTIFICATE REQUEST-----\n"));
}

static void request_without_a_key_is_refused(void **state)
{
    struct fix *f = *state;

    assert_int_equal(make_csr(f, 1), AGENT_LOCAL);
    assert_null(f->csr);
    assert_int_equal(make_key(f, CLAIM, false), AGENT_LOCAL);
    assert_int_equal(make_key(f, 1, true), AGENT_LOCAL); /* there is no claim */
}

static void certificate_of_another_key_is_refused(void **state)
{
    struct fix *f = *state;
    char *cert;

    assert_int_equal(store_cert(f, 1, pair_a.cert, NULL), AGENT_ANSWER);
    assert_int_equal(make_key(f, 1, false), AGENT_OK);
    assert_int_equal(store_cert(f, 1, pair_a.cert, NULL), AGENT_ANSWER);
    assert_int_equal(store_cert(f, 1, pair_a.cert, pair_b.key), AGENT_ANSWER);
    assert_int_equal(store_cert(f, 1, "", NULL), AGENT_ANSWER);
    assert_false(there(f, DIR "/gen/1/cert.pem"));
    assert_false(agent_disk_holds(f->disk, pair_b.key, strlen(pair_b.key)));
    cert = cert_for(f, DIR "/gen/1/key.pem");
    assert_int_equal(store_cert(f, 1, cert, NULL), AGENT_OK);
    assert_true(usable(&f->slot));
    free(cert);
}

static void key_that_comes_with_its_certificate_is_stored(void **state)
{
    struct fix *f = *state;

    assert_int_equal(store_cert(f, 1, pair_a.cert, pair_a.key), AGENT_OK);
    assert_true(has_content(f, DIR "/gen/1/key.pem", pair_a.key));
    assert_true(has_content(f, DIR "/gen/1/cert.pem", pair_a.cert));
    assert_int_equal(store_cert(f, 1, pair_b.cert, pair_b.key), AGENT_OK);
    assert_true(has_content(f, DIR "/gen/1/key.pem", pair_b.key));
}

static void uri_from_the_network_is_no_key(void **state)
{
    static const char uri[] = "pkcs11:token=evil?module-path=/tmp/evil.so";
    struct fix *f = *state;
    const struct pair pair = { pair_a.cert, strdup(uri) };

    assert_int_equal(store_cert(f, 1, pair_a.cert, uri), AGENT_ANSWER);
    assert_int_equal(inject(f, &pair), AGENT_ANSWER);
    assert_false(agent_disk_holds(f->disk, uri, strlen(uri)));
    free(pair.key);
}

static void too_long_is_refused(void **state)
{
    struct fix *f = *state;
    char *const big = calloc(1, AGENT_MAX_CERT + 1);
    const struct pair certs = { big, pair_a.key }, keys = { pair_a.cert, big };

    assert_non_null(big);
    memset(big, 'a', AGENT_MAX_CERT);
    assert_int_equal(store_cert(f, 1, big, pair_a.key), AGENT_ANSWER);
    assert_int_equal(store_cert(f, 1, pair_a.cert, big), AGENT_ANSWER);
    assert_int_equal(inject(f, &certs), AGENT_ANSWER);
    assert_int_equal(inject(f, &keys), AGENT_ANSWER);
    free(big);
}

static void loaded_is_what_was_stored(void **state)
{
    char cert_bytes[AGENT_MAX_CERT], key_bytes[AGENT_MAX_KEY];
    struct agent_text cert = { cert_bytes, 0, sizeof cert_bytes },
                      key = { key_bytes, 0, sizeof key_bytes };
    struct fix *f = *state;

    assert_int_equal(store_cert(f, 1, pair_a.cert, pair_a.key), AGENT_OK);
    assert_int_equal(store_load(f->store, 1, &cert, &key, &f->result), AGENT_OK);
    assert_string_equal(cert.p, pair_a.cert);
    assert_string_equal(key.p, pair_a.key);
    assert_int_equal(store_load(f->store, 2, &cert, &key, &f->result), AGENT_LOCAL);
    assert_int_equal(cert.n, 0);
    assert_int_equal(key.n, 0);
    assert_string_equal(key.p, "");
}

/* ---- the claim ------------------------------------------------------------------------------- */

static void configured_claim_is_found_and_adopted_as_links(void **state)
{
    struct fix *f = *state;

    with_outside_claim(f);
    assert_int_equal(find(f), AGENT_OK);
    assert_true(usable(&f->found.claim));
    assert_int_equal(adopt(f, 1), AGENT_OK);
    assert_true(usable(&f->slot));
    assert_true(leads_to(f, DIR "/gen/1/key.pem", CLAIM_KEY_PATH));
    assert_true(leads_to(f, DIR "/gen/1/cert.pem", CLAIM_CERT_PATH));
    assert_int_equal(promote(f, 1), AGENT_OK);
    assert_int_equal(find(f), AGENT_OK);
    assert_true(usable(found_slot(f, 1)));
}

static void injected_claim_is_found_and_adopted_as_copies(void **state)
{
    struct fix *f = *state;

    assert_int_equal(adopt(f, 1), AGENT_LOCAL);
    assert_int_equal(inject(f, &pair_a), AGENT_OK);
    assert_true(usable(&f->slot));
    assert_int_equal(find(f), AGENT_OK);
    assert_true(usable(&f->found.claim));
    assert_int_equal(adopt(f, 1), AGENT_OK);
    assert_true(has_content(f, DIR "/gen/1/key.pem", pair_a.key));
    assert_true(has_content(f, DIR "/gen/1/cert.pem", pair_a.cert));
    assert_int_equal(mode_of(f, DIR "/claim"), 0700);
    assert_int_equal(mode_of(f, DIR "/claim/key.pem"), 0600);
}

static void adoption_ends_other_plans_for_the_generation(void **state)
{
    struct fix *f = *state;
    char *key;

    assert_int_equal(make_key(f, 1, false), AGENT_OK);
    key = content(f, DIR "/gen/1/key.pem");
    with_outside_claim(f);
    assert_int_equal(adopt(f, 1), AGENT_OK);
    assert_true(leads_to(f, DIR "/gen/1/key.pem", CLAIM_KEY_PATH));
    assert_false(agent_disk_holds(f->disk, key, strlen(key)));
    free(key);
}

static void own_key_is_the_claims(void **state)
{
    struct fix *f = *state;
    char *cert;

    with_outside_claim(f);
    assert_int_equal(make_key(f, 1, true), AGENT_OK);
    assert_true(leads_to(f, DIR "/gen/1/key.pem", CLAIM_KEY_PATH));
    assert_int_equal(make_csr(f, 1), AGENT_OK);
    cert = cert_for(f, CLAIM_KEY);
    assert_int_equal(store_cert(f, 1, cert, NULL), AGENT_OK);
    assert_true(has_content(f, CLAIM_CERT, pair_a.cert));
    assert_true(has_content(f, DIR "/gen/1/cert.pem", cert));
    free(cert);
}

static void injection_that_cannot_be_used_leaves_the_claim(void **state)
{
    struct fix *f = *state;
    const struct pair mixed = { pair_a.cert, pair_b.key }, none = { NULL, NULL };

    assert_int_equal(inject(f, &pair_a), AGENT_OK);
    assert_int_equal(inject(f, &mixed), AGENT_ANSWER);
    assert_int_equal(inject(f, &none), AGENT_ANSWER);
    assert_true(has_content(f, DIR "/claim/key.pem", pair_a.key));
    with_outside_claim(f);
    assert_int_equal(inject(f, &pair_b), AGENT_CONFIG);
    assert_true(has_content(f, DIR "/claim/key.pem", pair_a.key));
}

static void claim_that_cannot_be_used_is_told(void **state)
{
    struct fix *f = *state;

    with_outside_claim(f);
    agent_disk_put(f->disk, CLAIM_KEY, 0600, pair_b.key, strlen(pair_b.key));
    assert_int_equal(find(f), AGENT_OK);
    assert_false(usable(&f->found.claim));
    assert_int_equal(f->trouble.class, AGENT_ANSWER);
    assert_string_not_equal(f->trouble.text, "");
    agent_disk_remove(f->disk, CLAIM_KEY);
    assert_int_equal(find(f), AGENT_OK);
    assert_non_null(strstr(f->trouble.text, CLAIM_KEY_PATH));
    f->conf.claim_key = NULL;
    reopen(f);
    assert_int_equal(find(f), AGENT_OK);
    assert_string_not_equal(f->trouble.text, "");
}

/* ---- the end --------------------------------------------------------------------------------- */

static void dropped_generation_leaves_no_key(void **state)
{
    struct fix *f = *state;

    assert_int_equal(store_cert(f, 3, pair_a.cert, pair_a.key), AGENT_OK);
    assert_int_equal(promote(f, 3), AGENT_OK);
    put_text(f, DIR "/gen/3/note", "somebody's");
    put_text(f, DIR "/gen/3/key.pem.tmp", pair_b.key);
    agent_disk_put_dir(f->disk, DIR "/gen/3/empty", 0700);
    assert_int_equal(drop(f, 3), AGENT_OK);
    assert_false(there(f, DIR "/gen/3"));
    assert_false(there(f, DIR "/current"));
    assert_false(agent_disk_holds(f->disk, pair_a.key, strlen(pair_a.key)));
    assert_int_equal(drop(f, 3), AGENT_OK);
    assert_int_equal(drop(f, 4), AGENT_OK);
}

static void dropped_link_leaves_what_it_leads_to(void **state)
{
    struct fix *f = *state;

    with_outside_claim(f);
    put_text(f, "etc/other.key", pair_b.key);
    assert_int_equal(adopt(f, 1), AGENT_OK);
    assert_int_equal(drop(f, 1), AGENT_OK);
    assert_true(has_content(f, CLAIM_KEY, pair_a.key));
    agent_disk_put_link(f->disk, DIR "/gen/2/key.pem", "/etc/other.key");
    assert_int_equal(drop(f, 2), AGENT_OK);
    agent_disk_put_link(f->disk, DIR "/gen/3", "/etc");
    assert_int_equal(drop(f, 3), AGENT_OK);
    assert_false(there(f, DIR "/gen/3"));
    assert_true(has_content(f, "etc/other.key", pair_b.key));
}

static void directory_with_something_in_it_is_not_dropped(void **state)
{
    struct fix *f = *state;

    with_identity(f, 1);
    put_text(f, DIR "/gen/1/theirs/photo", "x");
    assert_int_equal(drop(f, 1), AGENT_LOCAL);
    assert_true(there(f, DIR "/gen/1/theirs/photo"));
    agent_disk_remove(f->disk, DIR "/gen/1/theirs");
    assert_int_equal(drop(f, 1), AGENT_OK);
}

static void claim_goes_once_no_generation_uses_it(void **state)
{
    struct fix *f = *state;

    with_outside_claim(f);
    assert_int_equal(make_key(f, 2, true), AGENT_OK);
    assert_int_equal(drop(f, CLAIM), AGENT_LOCAL);
    assert_non_null(strstr(f->result.text, "generation 2"));
    assert_true(has_content(f, CLAIM_KEY, pair_a.key));
    assert_int_equal(drop(f, 2), AGENT_OK);
    assert_int_equal(drop(f, CLAIM), AGENT_OK);
    assert_false(there(f, CLAIM_KEY));
    assert_false(there(f, CLAIM_CERT));
    assert_false(agent_disk_holds(f->disk, pair_a.key, strlen(pair_a.key)));
    assert_int_equal(drop(f, CLAIM), AGENT_OK);
}

static void half_of_a_generation_is_not_promoted(void **state)
{
    struct fix *f = *state;

    with_identity(f, 1);
    assert_int_equal(promote(f, 2), AGENT_LOCAL);
    assert_int_equal(make_key(f, 2, false), AGENT_OK);
    assert_int_equal(promote(f, 2), AGENT_LOCAL);
    assert_int_equal(store_in_force(f->store), 1);
}

/* ---- who may read ---------------------------------------------------------------------------- */

static void keys_are_the_owners_alone_unless_a_group_is_configured(void **state)
{
    const gid_t group = getegid();
    struct fix *f = *state;

    with_identity(f, 1);
    assert_int_equal(mode_of(f, DIR "/gen"), 0700);
    assert_int_equal(mode_of(f, DIR "/gen/1"), 0700);
    assert_int_equal(mode_of(f, DIR "/gen/1/key.pem"), 0600);
    assert_int_equal(save(f, "r"), AGENT_OK);
    f->conf.group = &group;
    reopen(f);
    with_identity(f, 2);
    assert_int_equal(mode_of(f, DIR "/gen/2"), 0750);
    assert_int_equal(mode_of(f, DIR "/gen/2/key.pem"), 0640);
    assert_int_equal(mode_of(f, DIR "/gen/2/cert.pem"), 0640);
    assert_int_equal(save(f, "r"), AGENT_OK);
    assert_int_equal(mode_of(f, DIR "/state"), 0600);
}

static void key_that_others_may_read_is_refused(void **state)
{
    static const struct {
        mode_t mode;
        bool alone, with_group; /* accepted */
    } rows[] = {
        { 0600, true, true },   { 0400, true, true },   { 0640, false, true },
        { 0440, false, true },  { 0660, false, false }, { 0644, false, false },
        { 0604, false, false }, { 0620, false, false }, { 0602, false, false },
    };
    const gid_t group = getegid();
    struct fix *f = *state;

    with_identity(f, 1);
    with_outside_claim(f);
    for (size_t i = 0; i < 2 * COUNT(rows); i++) {
        const bool shared = i % 2 != 0;
        const bool fine = shared ? rows[i / 2].with_group : rows[i / 2].alone;

        f->conf.group = shared ? &group : NULL;
        reopen(f);
        agent_disk_chmod(f->disk, CLAIM_KEY, rows[i / 2].mode);
        assert_int_equal(find(f), AGENT_OK);
        assert_int_equal(usable(&f->found.claim), fine);
        agent_disk_chmod(f->disk, DIR "/gen/1/key.pem", rows[i / 2].mode);
        assert_int_equal(find(f), fine ? AGENT_OK : AGENT_LOCAL);
        assert_int_equal(strstr(f->result.text, "chmod 0600 DIR/gen/1/key.pem") != NULL, !fine);
        agent_disk_chmod(f->disk, DIR "/gen/1/key.pem", 0600);
    }
}

static void key_of_another_user_or_group_is_refused(void **state)
{
    const gid_t group = getegid();
    struct fix *f = *state;

    with_identity(f, 1);
    agent_disk_chown(f->disk, DIR "/gen/1/key.pem", geteuid() + 1, group);
    assert_int_equal(find(f), AGENT_LOCAL);
    assert_non_null(strstr(f->result.text, "chown"));
    agent_disk_chown(f->disk, DIR "/gen/1/key.pem", 0, group);
    assert_int_equal(find(f), AGENT_OK);
    f->conf.group = &group;
    reopen(f);
    agent_disk_chmod(f->disk, DIR "/gen/1/key.pem", 0640);
    assert_int_equal(find(f), AGENT_OK);
    agent_disk_chown(f->disk, DIR "/gen/1/key.pem", geteuid(), group + 1);
    assert_int_equal(find(f), AGENT_LOCAL);
}

/* ---- what somebody else put there ------------------------------------------------------------ */

static void put_elsewhere(struct fix *f, const char *path)
{
    agent_disk_put(f->disk, "elsewhere/key.pem", 0600, pair_b.key, strlen(pair_b.key));
    agent_disk_put(f->disk, "elsewhere/cert.pem", 0600, pair_b.cert, strlen(pair_b.cert));
    agent_disk_put_link(
        f->disk, path, strstr(path, "cert") != NULL ? "/elsewhere/cert.pem" : "/elsewhere/key.pem");
}

static void put_directory(struct fix *f, const char *path)
{
    put_text(f, path, "");
    agent_disk_remove(f->disk, path);
    agent_disk_put_dir(f->disk, path, 0700);
}

static void put_huge(struct fix *f, const char *path)
{
    char *const huge = calloc(1, 1 << 20);

    assert_non_null(huge);
    agent_disk_put(f->disk, path, 0600, huge, 1 << 20);
    free(huge);
}

static void intruders_are_not_taken_for_an_identity(void **state)
{
    static void (*const puts[])(struct fix *, const char *) = { put_elsewhere, put_directory,
                                                                put_huge };
    static const char *const paths[] = { DIR "/gen/2/key.pem", DIR "/gen/2/cert.pem" };
    struct fix *f = *state;

    for (size_t i = 0; i < COUNT(puts) * COUNT(paths); i++) {
        assert_int_equal(store_cert(f, 2, pair_b.cert, pair_b.key), AGENT_OK);
        puts[i / COUNT(paths)](f, paths[i % COUNT(paths)]);
        assert_int_equal(find(f), AGENT_OK);
        assert_non_null(found_slot(f, 2));
        assert_false(usable(found_slot(f, 2)));
        assert_int_equal(promote(f, 2), AGENT_LOCAL);
        assert_int_equal(drop(f, 2), AGENT_OK);
        if (i / COUNT(paths) == 0)
            assert_true(there(f, "elsewhere/key.pem"));
    }
}

static void directory_of_links_is_not_entered(void **state)
{
    struct fix *f = *state;

    put_text(f, "elsewhere/1/key.pem", pair_b.key);
    put_text(f, "elsewhere/1/cert.pem", pair_b.cert);
    agent_disk_put_link(f->disk, DIR "/gen", "/elsewhere");
    assert_int_equal(find(f), AGENT_LOCAL);
    assert_int_equal(make_key(f, 1, false), AGENT_LOCAL);
    assert_int_equal(drop(f, 1), AGENT_LOCAL);
    assert_true(has_content(f, "elsewhere/1/key.pem", pair_b.key));
}

static void every_way_of_a_full_disk_says_so(void **state)
{
    struct fix *f = *state;

    with_identity(f, 1);
    agent_disk_fail_all(f->disk, ENOSPC);
    assert_int_equal(save(f, "r"), AGENT_LOCAL);
    assert_non_null(strstr(f->result.text, "full"));
    assert_int_equal(make_key(f, 2, false), AGENT_LOCAL);
    assert_int_equal(store_cert(f, 2, pair_a.cert, pair_a.key), AGENT_LOCAL);
    assert_int_equal(inject(f, &pair_a), AGENT_LOCAL);
    assert_int_equal(drop(f, 1), AGENT_OK); /* makes room */
    agent_disk_fail_all(f->disk, EROFS);
    assert_int_equal(drop(f, 1), AGENT_LOCAL);
    assert_non_null(strstr(f->result.text, "read-only"));
    assert_int_equal(find(f), AGENT_OK);
}

#define STORE_TEST(f) cmocka_unit_test_setup_teardown(f, fix_setup, fix_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        STORE_TEST(nothing_is_found_in_an_empty_directory),
        STORE_TEST(what_was_stored_is_found_with_its_validity),
        STORE_TEST(generation_in_force_is_found_among_more_than_have_room),
        STORE_TEST(link_in_force_that_leads_elsewhere_is_none),
        STORE_TEST(record_of_another_length_is_not_touched),
        STORE_TEST(an_identity_out_of_reach_is_never_said_to_be_gone),
        STORE_TEST(leftovers_go_and_who_only_looks_changes_nothing),
        STORE_TEST(key_and_request_stay_as_they_are),
        STORE_TEST(what_is_no_key_is_replaced_with_its_request),
        STORE_TEST(what_is_no_request_is_replaced),
        STORE_TEST(request_without_a_key_is_refused),
        STORE_TEST(certificate_of_another_key_is_refused),
        STORE_TEST(key_that_comes_with_its_certificate_is_stored),
        STORE_TEST(uri_from_the_network_is_no_key),
        STORE_TEST(too_long_is_refused),
        STORE_TEST(loaded_is_what_was_stored),
        STORE_TEST(configured_claim_is_found_and_adopted_as_links),
        STORE_TEST(injected_claim_is_found_and_adopted_as_copies),
        STORE_TEST(adoption_ends_other_plans_for_the_generation),
        STORE_TEST(own_key_is_the_claims),
        STORE_TEST(injection_that_cannot_be_used_leaves_the_claim),
        STORE_TEST(claim_that_cannot_be_used_is_told),
        STORE_TEST(dropped_generation_leaves_no_key),
        STORE_TEST(dropped_link_leaves_what_it_leads_to),
        STORE_TEST(directory_with_something_in_it_is_not_dropped),
        STORE_TEST(claim_goes_once_no_generation_uses_it),
        STORE_TEST(half_of_a_generation_is_not_promoted),
        STORE_TEST(keys_are_the_owners_alone_unless_a_group_is_configured),
        STORE_TEST(key_that_others_may_read_is_refused),
        STORE_TEST(key_of_another_user_or_group_is_refused),
        STORE_TEST(intruders_are_not_taken_for_an_identity),
        STORE_TEST(directory_of_links_is_not_entered),
        STORE_TEST(every_way_of_a_full_disk_says_so),
    };

    return cmocka_run_group_tests(tests, pairs_setup, pairs_teardown);
}
