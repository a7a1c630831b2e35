/* ctest labels: tsan
 * The issuer that the configuration names: where it is looked for, when, and by how many at once.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "run/issuing.h"
#include "support/alloc.h"
#include "support/pki.h"
#include "support/tmp.h"

#define NO_ISSUER "ServiceUnavailableException"

struct world {
    char *dir;
    struct pki_cert ca, other;
    struct prov_err err;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);

    assert_non_null(w);
    w->dir = tmp_new();
    w->ca = pki_make(&(struct pki_spec){ .subject = "/CN=Issuer", .ca = true });
    w->other = pki_make(&(struct pki_spec){ .subject = "/CN=Other", .ca = true });
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    pki_free(&w->ca);
    pki_free(&w->other);
    tmp_free(w->dir);
    free(w);
    return 0;
}

static struct prov_issuing *issuing_of(const struct world *w, const char *cert, const char *key)
{
    const struct prov_issuing_conf conf = { w->dir, cert, key, 90, PROV_KEY_EC_P256 };
    struct prov_issuing *issuing;

    assert_int_equal(prov_issuing_new(&conf, &issuing), PROV_OK);
    return issuing;
}

static enum prov_rc ask(struct world *w, const struct prov_issuing *issuing,
                        const struct prov_issuer **out)
{
    memset(&w->err, 0, sizeof w->err);
    *out = NULL;
    return issuing->issuer(issuing, out, &w->err);
}

static void is_issuer(const struct prov_issuer *issuer, const struct pki_cert *ca)
{
    struct prov_id id;

    assert_non_null(issuer);
    assert_int_equal(prov_ident_id(ca->x509, &id), PROV_OK);
    assert_true(prov_id_eq(prov_issuer_id(issuer), &id));
}

/* ---- where ----------------------------------------------------------------------------------- */

static void issuer_is_in_the_stores_directory(void **state)
{
    struct world *w = *state;
    struct prov_issuing *issuing = issuing_of(w, NULL, NULL);
    const struct prov_issuer *issuer;

    pki_write(w->dir, "issuer", &w->ca, NULL);
    assert_int_equal(ask(w, issuing, &issuer), PROV_OK);
    is_issuer(issuer, &w->ca);
    assert_int_equal(issuing->validity_days, 90);
    assert_int_equal(issuing->key_type, PROV_KEY_EC_P256);
    prov_issuing_free(issuing);
}

static void issuer_that_is_named_goes_before_it(void **state)
{
    struct world *w = *state;
    char cert[TMP_PATH_MAX], key[TMP_PATH_MAX];
    struct prov_issuing *issuing;
    const struct prov_issuer *issuer;

    pki_write(w->dir, "issuer", &w->ca, NULL);
    pki_write(w->dir, "named", &w->other, NULL);
    issuing =
        issuing_of(w, tmp_path(w->dir, "named.crt", cert), tmp_path(w->dir, "named.key", key));
    memset(cert, 'x', 4); /* it has copies */
    assert_int_equal(ask(w, issuing, &issuer), PROV_OK);
    is_issuer(issuer, &w->other);
    prov_issuing_free(issuing);
    prov_issuing_free(NULL);
}

/* ---- when ------------------------------------------------------------------------------------ */

static void issuer_that_comes_later_is_found_and_then_kept(void **state)
{
    struct world *w = *state;
    struct prov_issuing *issuing = issuing_of(w, NULL, NULL);
    const struct prov_issuer *issuer, *again;
    char path[TMP_PATH_MAX];

    assert_int_equal(ask(w, issuing, &issuer), PROV_ENOTFOUND);
    assert_null(issuer);
    assert_string_equal(w->err.code, NO_ISSUER);
    assert_non_null(strstr(w->err.text, "`provctl issuer create`"));
    pki_write(w->dir, "issuer", &w->ca, NULL);
    assert_int_equal(ask(w, issuing, &issuer), PROV_OK);
    is_issuer(issuer, &w->ca);
    assert_int_equal(unlink(tmp_path(w->dir, "issuer.key", path)), 0);
    pki_write(w->dir, "issuer", &w->other, NULL);
    assert_int_equal(ask(w, issuing, &again), PROV_OK);
    assert_ptr_equal(again, issuer);
    prov_issuing_free(issuing);
}

/* What is half there is told of: `provctl issuer create` would refuse. */
static void issuer_that_is_there_by_half_is_told_of(void **state)
{
    struct world *w = *state;
    struct prov_issuing *issuing = issuing_of(w, NULL, NULL);
    const struct prov_issuer *issuer;
    char path[TMP_PATH_MAX];

    pki_write(w->dir, "issuer", &w->ca, NULL);
    assert_int_equal(unlink(tmp_path(w->dir, "issuer.key", path)), 0);
    assert_int_equal(ask(w, issuing, &issuer), PROV_ENOTFOUND);
    assert_string_equal(w->err.code, NO_ISSUER);
    assert_non_null(strstr(w->err.text, "issuer.key"));
    prov_issuing_free(issuing);
    issuing = issuing_of(w, "/nowhere/a.crt", "/nowhere/a.key");
    assert_int_equal(ask(w, issuing, &issuer), PROV_ENOTFOUND);
    assert_string_equal(w->err.code, NO_ISSUER);
    assert_non_null(strstr(w->err.text, "/nowhere/a."));
    prov_issuing_free(issuing);
}

static void issuer_that_does_not_fit_is_refused_and_looked_at_again(void **state)
{
    struct world *w = *state;
    struct prov_issuing *issuing = issuing_of(w, NULL, NULL);
    const struct pki_cert mixed = { w->ca.x509, w->other.key };
    const struct prov_issuer *issuer;

    pki_write(w->dir, "issuer", &mixed, NULL);
    assert_int_equal(ask(w, issuing, &issuer), PROV_EINVAL);
    assert_null(issuer);
    pki_write(w->dir, "issuer", &w->ca, NULL);
    assert_int_equal(ask(w, issuing, &issuer), PROV_OK);
    prov_issuing_free(issuing);
}

/* ---- by how many ----------------------------------------------------------------------------- */

#define THREADS 4

static void *ask_in_thread(void *arg)
{
    const struct prov_issuing *issuing = arg;
    const struct prov_issuer *issuer = NULL;
    struct prov_err err;

    for (int i = 0; i < 50; i++) {
        if (issuing->issuer(issuing, &issuer, &err) != PROV_OK)
            return NULL;
    }
    return (void *)(uintptr_t)issuer;
}

static void all_threads_get_the_same_one(void **state)
{
    struct world *w = *state;
    struct prov_issuing *issuing = issuing_of(w, NULL, NULL);
    pthread_t threads[THREADS];
    void *got[THREADS];

    pki_write(w->dir, "issuer", &w->ca, NULL);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_in_thread, issuing), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], &got[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        assert_non_null(got[i]);
        assert_ptr_equal(got[i], got[0]);
    }
    prov_issuing_free(issuing);
}

static void each_failing_allocation_is_an_ordinary_result(void **state)
{
    struct world *w = *state;
    const struct prov_issuing_conf conf = { w->dir, NULL, NULL, 90, PROV_KEY_RSA2048 };
    struct prov_issuing *issuing;
    enum prov_rc rc;

    for (unsigned n = 1;; n++) {
        alloc_fail_at(n);
        rc = prov_issuing_new(&conf, &issuing);
        if (!alloc_failed())
            break;
        assert_int_equal(rc, PROV_ENOMEM);
        assert_null(issuing);
    }
    assert_int_equal(rc, PROV_OK);
    prov_issuing_free(issuing);
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* LeakSanitizer has to trace the process, so there it stays dumpable. */
static void process_that_may_hold_private_keys_leaves_no_core_dump(void **state)
{
    struct world *w = *state;
    struct prov_issuing *issuing = issuing_of(w, NULL, NULL);
    const struct prov_issuer *issuer;
    struct rlimit limit;

    assert_int_equal(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), 0);
    assert_int_equal(ask(w, issuing, &issuer), PROV_ENOTFOUND); /* and before the first key */
    assert_int_equal(getrlimit(RLIMIT_CORE, &limit), 0);
    assert_int_equal(limit.rlim_cur, 0);
    assert_int_equal(limit.rlim_max, 0);
#ifndef __SANITIZE_ADDRESS__
    assert_int_equal(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
#endif
    prov_issuing_free(issuing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(issuer_is_in_the_stores_directory),
        WORLD_TEST(issuer_that_is_named_goes_before_it),
        WORLD_TEST(issuer_that_comes_later_is_found_and_then_kept),
        WORLD_TEST(issuer_that_is_there_by_half_is_told_of),
        WORLD_TEST(issuer_that_does_not_fit_is_refused_and_looked_at_again),
        WORLD_TEST(all_threads_get_the_same_one),
        WORLD_TEST(each_failing_allocation_is_an_ordinary_result),
        WORLD_TEST(process_that_may_hold_private_keys_leaves_no_core_dump),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
