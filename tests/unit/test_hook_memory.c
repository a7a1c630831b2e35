/*
 * The runner when memory is short, on whichever thread.
 *
 * ctest labels: tsan
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/hook_rig.h"

/* support/alloc.h fails what the test's own thread allocates; half of the runner is on another. */
static atomic_uint fail_alloc; /* the n-th from now on */

static bool strikes(void)
{
    unsigned n = fail_alloc;

    while (n != 0 && !atomic_compare_exchange_weak(&fail_alloc, &n, n - 1))
        continue;
    return n == 1;
}

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);

void *__wrap_malloc(size_t n)
{
    return strikes() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return strikes() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return strikes() ? NULL : __real_realloc(p, n);
}

static void runner_without_memory_is_not_made(void **state)
{
    const struct prov_hooks_conf conf = { "/hooks", "/ca.pem", 1000, 1 };
    struct prov_hooks *hooks;
    enum prov_rc rc;
    unsigned n = 0;
    (void)state;

    do {
        fail_alloc = ++n;
        rc = prov_hooks_new(&conf, &hooks);
        assert_int_equal(hooks != NULL, rc == PROV_OK);
        assert_true(rc == PROV_OK || rc == PROV_ENOMEM);
    } while (rc != PROV_OK);
    fail_alloc = 0;
    assert_true(n > 3);
    prov_hooks_free(hooks);
}

/* Whichever allocation of either thread fails, the call ends in order and the next one answers. */
static void call_without_memory_ends_and_the_next_answers(void **state)
{
    static const char request[] =
        "{\"certificateId\":\"0123456789012345678901234567890123456789\"}";
    struct hook_rig *rig = hook_rig_new(0, 0, NULL);
    struct hook_ask a = { .in_done = NULL };
    char spec[HOOK_SPEC_MAX];
    bool struck = true;
    enum prov_rc rc;
    unsigned n;
    (void)state;

    hook_script(rig, "echo", "exec cat");
    (void)hook_spec(rig, "echo", spec);
    for (n = 1; struck; n++) {
        fail_alloc = n;
        rc = hook_try(&a, rig, spec, request);
        if (rc == PROV_OK)
            hook_wait(&a);
        struck = fail_alloc == 0;
        fail_alloc = 0;
        assert_int_equal(a.call.end == PROV_HOOK_ANSWERED, !struck);
        if (struck)
            assert_non_null(strstr(a.call.detail, "memory"));
        hook_ask_release(&a);
        hook_ask(&a, rig, spec, request);
        assert_int_equal(a.call.end, PROV_HOOK_ANSWERED);
        assert_string_equal(hook_answer(&a), request);
        hook_ask_release(&a);
    }
    assert_true(n > 3);
    hook_rig_free(rig);
    hook_no_child_is_left();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runner_without_memory_is_not_made),
        cmocka_unit_test(call_without_memory_ends_and_the_next_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
