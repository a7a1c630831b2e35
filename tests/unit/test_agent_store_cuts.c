#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "device-agent/port/posix/store.h"
#include "test_agent_store.h"

/*
 * Every operation of the store, cut at each of its changes to the disk, before, halfway and after,
 * with every selection of what was not synced: after the restart the promises of before hold, and
 * the same call completes.
 */

static const char first_record[] = "the record as it was";
static const char second_record[] = "the record as it is going to be, which is longer";

static const char old_request[] =
    "-----BEGIN CERTIFICATE REQUEST-----\nold\n-----END CERTIFICATE REQUEST-----\n";

/* The key of a generation as it was before the cut; NULL: there was none. */
static char *key_before;
static char *cert_wanted, *key_wanted; /* of store_cert, made in prepare */

/* What is being tried, for whoever reads that something does not hold. */
static char trying[160];

#define holds(what)                                                                                \
    do {                                                                                           \
        if (!(what))                                                                               \
            fail_msg("%s: not so: %s", trying, #what);                                             \
    } while (0)

struct scenario {
    const char *name;
    void (*prepare)(struct fix *f);
    enum agent_class (*act)(struct fix *f);
    void (*keeps)(struct fix *f);   /* holds wherever it was cut; find was called */
    void (*reached)(struct fix *f); /* holds when it is done; find was called */
};

/* ---- what is there before -------------------------------------------------------------------- */

static void an_identity(struct fix *f)
{
    with_identity(f, 1);
    assert_int_equal(save(f, first_record), AGENT_OK);
}

static void an_identity_and_a_key(struct fix *f)
{
    an_identity(f);
    assert_int_equal(make_key(f, 2, false), AGENT_OK);
    key_before = content(f, DIR "/gen/2/key.pem");
    cert_wanted = cert_for(f, DIR "/gen/2/key.pem");
}

static void an_identity_and_a_request(struct fix *f)
{
    an_identity_and_a_key(f);
    assert_int_equal(make_csr(f, 2), AGENT_OK);
}

static void two_identities(struct fix *f)
{
    an_identity_and_a_request(f);
    assert_int_equal(store_cert(f, 2, cert_wanted, NULL), AGENT_OK);
}

static void keys_of_the_other_side(struct fix *f)
{
    an_identity(f);
    cert_wanted = strdup(pair_b.cert);
    key_wanted = strdup(pair_b.key);
}

static void keys_of_the_other_side_again(struct fix *f)
{
    keys_of_the_other_side(f);
    assert_int_equal(store_cert(f, 2, pair_a.cert, pair_a.key), AGENT_OK);
}

static void an_outside_claim(struct fix *f)
{
    an_identity(f);
    with_outside_claim(f);
}

static void an_injected_claim(struct fix *f)
{
    an_identity(f);
    assert_int_equal(inject(f, &pair_a), AGENT_OK);
}

static void a_key_that_is_none(struct fix *f)
{
    an_identity(f);
    agent_disk_put(f->disk, DIR "/gen/2/key.pem", 0600, "none", 4);
    agent_disk_put(f->disk, DIR "/gen/2/csr.pem", 0600, old_request, strlen(old_request));
}

static void an_outside_claim_and_other_plans(struct fix *f)
{
    an_identity_and_a_request(f);
    with_outside_claim(f);
}

/* ---- what is done ---------------------------------------------------------------------------- */

static enum agent_class do_save(struct fix *f)
{
    return save(f, second_record);
}

static enum agent_class do_make_key(struct fix *f)
{
    return make_key(f, 2, false);
}

static enum agent_class do_make_own_key(struct fix *f)
{
    return make_key(f, 2, true);
}

static enum agent_class do_make_csr(struct fix *f)
{
    return make_csr(f, 2);
}

static enum agent_class do_store_cert(struct fix *f)
{
    return store_cert(f, 2, cert_wanted, key_wanted);
}

static enum agent_class do_store_config(struct fix *f)
{
    f->result = (struct port_result){ 0 };
    store_port.store_config(f->store, 1, span_of("{\"a\":1}"), &f->result);
    return f->result.class;
}

static enum agent_class do_adopt(struct fix *f)
{
    return adopt(f, 2);
}

static enum agent_class do_promote(struct fix *f)
{
    return promote(f, 2);
}

static enum agent_class do_drop(struct fix *f)
{
    return drop(f, 2);
}

static enum agent_class do_drop_in_force(struct fix *f)
{
    return drop(f, 1);
}

static enum agent_class do_drop_claim(struct fix *f)
{
    return drop(f, CLAIM);
}

static enum agent_class do_inject(struct fix *f)
{
    return inject(f, &pair_b);
}

/* ---- what holds wherever it was cut ---------------------------------------------------------- */

static void identity_stays(struct fix *f)
{
    holds(f->found.in_force == 1);
    holds(usable(found_slot(f, 1)));
}

static void record_is_the_old_or_the_new(struct fix *f)
{
    const bool old = f->n == strlen(first_record) && memcmp(f->record, first_record, f->n) == 0;
    const bool new = f->n == strlen(second_record) && memcmp(f->record, second_record, f->n) == 0;

    identity_stays(f);
    holds(old || new);
}

static void key_stays(struct fix *f)
{
    identity_stays(f);
    holds(has_content(f, DIR "/gen/2/key.pem", key_before));
    holds(found_slot(f, 2) != NULL);
    holds(found_slot(f, 2)->key);
}

static void key_has_no_others_request(struct fix *f)
{
    identity_stays(f);
    if (found_slot(f, 2) != NULL && found_slot(f, 2)->key)
        holds(!there(f, DIR "/gen/2/csr.pem"));
}

static void either_is_in_force(struct fix *f)
{
    holds(f->found.in_force == 1 || f->found.in_force == 2);
    holds(usable(found_slot(f, 1)));
    holds(usable(found_slot(f, 2)));
}

static void others_are_not_led_to_half(struct fix *f)
{
    holds(usable(found_slot(f, 2)));
    if (f->found.in_force == 1)
        holds(usable(found_slot(f, 1)));
    else
        holds(f->found.in_force == 0);
}

static void a_claim_stays(struct fix *f)
{
    identity_stays(f);
    holds(usable(&f->found.claim));
}

/* What is left of it is found, so that it is dropped. */
static void claim_is_found_as_long_as_there_is_any(struct fix *f)
{
    identity_stays(f);
    if (there(f, CLAIM_CERT) || there(f, CLAIM_KEY) || there(f, DIR "/claim"))
        holds(f->found.claim.key);
    else
        holds(!(f->found.claim.key || f->found.claim.cert));
}

static void claim_and_identity_stay(struct fix *f)
{
    a_claim_stays(f);
    holds(has_content(f, CLAIM_KEY, pair_a.key));
    holds(has_content(f, CLAIM_CERT, pair_a.cert));
}

/* ---- what holds in the end ------------------------------------------------------------------- */

static void record_is_new(struct fix *f)
{
    holds(f->n == strlen(second_record));
    holds(memcmp(f->record, second_record, f->n) == 0);
}

static void key_is_there(struct fix *f)
{
    holds(found_slot(f, 2) != NULL);
    holds(found_slot(f, 2)->key);
}

static void request_is_there(struct fix *f)
{
    key_is_there(f);
    holds(there(f, DIR "/gen/2/csr.pem"));
}

static void certificate_is_there(struct fix *f)
{
    holds(usable(found_slot(f, 2)));
    holds(has_content(f, DIR "/gen/2/cert.pem", cert_wanted));
}

static void config_is_there(struct fix *f)
{
    holds(has_content(f, DIR "/gen/1/config.json", "{\"a\":1}"));
}

static void claim_is_the_generation(struct fix *f)
{
    holds(usable(found_slot(f, 2)));
}

static void second_is_in_force(struct fix *f)
{
    holds(f->found.in_force == 2);
}

static void second_is_gone(struct fix *f)
{
    holds(found_slot(f, 2) == NULL);
    holds(!(there(f, DIR "/gen/2")));
    holds(!(agent_disk_holds(f->disk, key_before, strlen(key_before))));
}

static void first_is_gone(struct fix *f)
{
    holds(found_slot(f, 1) == NULL);
    holds(f->found.in_force == 0);
    holds(!(there(f, DIR "/current")));
}

static void claim_is_gone(struct fix *f)
{
    holds(!(f->found.claim.key || f->found.claim.cert));
    holds(!(there(f, CLAIM_CERT)));
    holds(!(there(f, CLAIM_KEY)));
    holds(!(there(f, DIR "/claim")));
    holds(!(agent_disk_holds(f->disk, pair_a.key, strlen(pair_a.key))));
}

static void claim_is_new(struct fix *f)
{
    holds(usable(&f->found.claim));
    holds(has_content(f, DIR "/claim/cert.pem", pair_b.cert));
    holds(has_content(f, DIR "/claim/key.pem", pair_b.key));
}

static const struct scenario scenarios[] = {
    { "save", an_identity, do_save, record_is_the_old_or_the_new, record_is_new },
    { "make_key", an_identity, do_make_key, identity_stays, key_is_there },
    { "make_key again", an_identity_and_a_key, do_make_key, key_stays, key_is_there },
    { "make_key for what is none", a_key_that_is_none, do_make_key, key_has_no_others_request,
      key_is_there },
    { "make_key, the claim's", an_outside_claim, do_make_own_key, claim_and_identity_stay,
      key_is_there },
    { "make_key, the injected", an_injected_claim, do_make_own_key, a_claim_stays, key_is_there },
    { "make_csr", an_identity_and_a_key, do_make_csr, key_stays, request_is_there },
    { "make_csr again", an_identity_and_a_request, do_make_csr, key_stays, request_is_there },
    { "store_cert", an_identity_and_a_request, do_store_cert, key_stays, certificate_is_there },
    { "store_cert again", two_identities, do_store_cert, key_stays, certificate_is_there },
    { "store_cert with a key", keys_of_the_other_side, do_store_cert, identity_stays,
      certificate_is_there },
    { "store_cert, another key", keys_of_the_other_side_again, do_store_cert, identity_stays,
      certificate_is_there },
    { "store_config", an_identity, do_store_config, identity_stays, config_is_there },
    { "adopt", an_outside_claim, do_adopt, claim_and_identity_stay, claim_is_the_generation },
    { "adopt in place of other plans", an_outside_claim_and_other_plans, do_adopt,
      claim_and_identity_stay, claim_is_the_generation },
    { "adopt, injected", an_injected_claim, do_adopt, a_claim_stays, claim_is_the_generation },
    { "promote", two_identities, do_promote, either_is_in_force, second_is_in_force },
    { "drop", two_identities, do_drop, identity_stays, second_is_gone },
    { "drop what is in force", two_identities, do_drop_in_force, others_are_not_led_to_half,
      first_is_gone },
    { "drop the claim", an_outside_claim, do_drop_claim, claim_is_found_as_long_as_there_is_any,
      claim_is_gone },
    { "drop the injected", an_injected_claim, do_drop_claim, claim_is_found_as_long_as_there_is_any,
      claim_is_gone },
    { "inject", an_identity, do_inject, identity_stays, claim_is_new },
    { "inject another", an_injected_claim, do_inject, a_claim_stays, claim_is_new },
};

/* ---- the cuts -------------------------------------------------------------------------------- */

static void no_temporary(void *arg, const char *path, const struct agent_disk_look *look)
{
    const size_t n = strlen(path);

    (void)arg;
    (void)look;
    if ((n > 4 && strcmp(path + n - 4, ".tmp") == 0) ||
        (n > 4 && strcmp(path + n - 4, ".new") == 0))
        fail_msg("%s: %s is left behind", trying, path);
}

/* A restart, and what is found; the cut is said if something does not hold. */
static void find_again(struct fix *f, enum agent_disk_variant variant)
{
    agent_disk_restart(f->disk, variant);
    reopen(f);
    if (find(f) != AGENT_OK)
        fail_msg("%s, find: %s", trying, f->result.text);
    agent_disk_walk(f->disk, no_temporary, NULL);
}

/* False: the operation has fewer changes than n. */
static bool cut(const struct scenario *s, const struct fix *before, unsigned n,
                enum agent_disk_how how, enum agent_disk_variant variant)
{
    struct fix f = { .disk = agent_disk_copy(before->disk), .conf = before->conf };
    bool off;

    (void)snprintf(trying, sizeof trying, "%s, cut at change %u (%d), restart %d", s->name, n,
                   (int)how, (int)variant);
    reopen(&f);
    agent_disk_cut(f.disk, n, how);
    (void)s->act(&f);
    off = agent_disk_is_off(f.disk);
    find_again(&f, variant);
    if (off) {
        s->keeps(&f);
        if (s->act(&f) != AGENT_OK)
            fail_msg("%s, called again: %s", trying, f.result.text);
        find_again(&f, AGENT_DISK_NOTHING);
    }
    s->reached(&f);
    fix_release(&f);
    return off;
}

static void each_cut_leaves_what_can_be_completed(void **state)
{
    unsigned cuts = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(scenarios); i++) {
        const struct scenario *const s = &scenarios[i];
        bool more = true;
        struct fix f;

        fix_init(&f);
        s->prepare(&f);
        agent_disk_restart(f.disk, AGENT_DISK_NOTHING);
        for (unsigned n = 1; more; n++) {
            for (unsigned how = 0; how < AGENT_DISK_HOWS; how++) {
                for (unsigned variant = 0; variant < AGENT_DISK_VARIANTS; variant++, cuts++)
                    more =
                        cut(s, &f, n, (enum agent_disk_how)how, (enum agent_disk_variant)variant);
            }
        }
        fix_release(&f);
        free(key_before);
        free(cert_wanted);
        free(key_wanted);
        key_before = cert_wanted = key_wanted = NULL;
    }
    print_message("%u cuts in %zu operations\n", cuts, COUNT(scenarios));
    assert_true(cuts > 1000);
}

/* ---- errors with the power on ---------------------------------------------------------------- */

static bool fail_once(const struct scenario *s, const struct fix *before, unsigned n, int err)
{
    struct fix f = { .disk = agent_disk_copy(before->disk), .conf = before->conf };
    const unsigned begun = agent_disk_operations(f.disk);
    enum agent_class class;
    bool struck;

    (void)snprintf(trying, sizeof trying, "%s, error %d at operation %u", s->name, err, n);
    reopen(&f);
    agent_disk_fail(f.disk, n, err);
    class = s->act(&f);
    struck = agent_disk_operations(f.disk) - begun >= n;
    assert_true(class == AGENT_OK || class == AGENT_LOCAL || class == AGENT_ANSWER);
    assert_true(class == AGENT_OK || f.result.text[0] != '\0');
    agent_disk_fail(f.disk, 0, 0);

    /* the program goes on: nothing but the same call again */
    if (class != AGENT_OK && s->act(&f) != AGENT_OK)
        fail_msg("%s, called again: %s", trying, f.result.text);
    find_again(&f, AGENT_DISK_NOTHING);
    s->reached(&f);
    fix_release(&f);
    return struck;
}

static void each_error_is_told_or_does_not_matter(void **state)
{
    static const int errors[] = { EIO, ENOSPC, EROFS };

    (void)state;
    for (size_t i = 0; i < COUNT(scenarios); i++) {
        const struct scenario *const s = &scenarios[i];
        struct fix f;

        fix_init(&f);
        s->prepare(&f);
        agent_disk_restart(f.disk, AGENT_DISK_NOTHING);
        for (size_t e = 0; e < COUNT(errors); e++) {
            for (unsigned n = 1; fail_once(s, &f, n, errors[e]); n++)
                continue;
        }
        fix_release(&f);
        free(key_before);
        free(cert_wanted);
        free(key_wanted);
        key_before = cert_wanted = key_wanted = NULL;
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_cut_leaves_what_can_be_completed),
        cmocka_unit_test(each_error_is_told_or_does_not_matter),
    };

    return cmocka_run_group_tests(tests, pairs_setup, pairs_teardown);
}
