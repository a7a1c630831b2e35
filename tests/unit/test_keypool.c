/*
 * Keys made ahead. How they are made is in test_keys.c; here a stand-in numbers them, and waits or
 * fails as it is told.
 *
 * ctest labels: tsan
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

#include <sys/resource.h>

#include "run/keypool.h"
#include "support/alloc.h"
#include "support/deadline.h"

/* ---- the stand-in (-Wl,--wrap) --------------------------------------------------------------- */

static struct {
    atomic_bool real;      /* no stand-in */
    atomic_bool gated;     /* each key needs a post of go */
    atomic_uint fails;     /* so many more */
    atomic_uint no_thread; /* likewise */
    atomic_uint begun;     /* calls */
    atomic_uint joins;     /* of any thread */
    atomic_uint naps;      /* pauses between failures */
    atomic_bool endless;   /* they end when somebody ends them, and at once otherwise */
    sem_t go, entered;
    char name[16];
    sigset_t mask;
    int nice;
} maker;

enum prov_rc __real_prov_key_make(enum prov_key_type type, struct prov_key *out);
enum prov_rc __wrap_prov_key_make(enum prov_key_type type, struct prov_key *out);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *),
                          void *arg);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
                                  const struct timespec *until);
int __real_pthread_join(pthread_t thread, void **result);
int __wrap_pthread_join(pthread_t thread, void **result);

static void number(struct prov_buf *b, unsigned n)
{
    prov_buf_init(b, 16);
    prov_buf_addf(b, "%u", n);
}

enum prov_rc __wrap_prov_key_make(enum prov_key_type type, struct prov_key *out)
{
    const unsigned n = atomic_fetch_add(&maker.begun, 1) + 1;

    if (atomic_load(&maker.real))
        return __real_prov_key_make(type, out);
    *out = (struct prov_key){ .pem = { .p = NULL } };
    (void)pthread_getname_np(pthread_self(), maker.name, sizeof maker.name);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &maker.mask);
    maker.nice = getpriority(PRIO_PROCESS, 0);
    (void)sem_post(&maker.entered);
    if (atomic_load(&maker.gated))
        (void)sem_wait(&maker.go);
    if (atomic_load(&maker.fails) != 0) {
        (void)atomic_fetch_sub(&maker.fails, 1);
        return PROV_ESIGNER;
    }
    number(&out->pem, n);
    number(&out->public_pem, n);
    number(&out->spki, n);
    return PROV_OK;
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *),
                          void *arg)
{
    if (atomic_load(&maker.no_thread) == 0)
        return __real_pthread_create(thread, attr, start, arg);
    (void)atomic_fetch_sub(&maker.no_thread, 1);
    return EAGAIN;
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
                                  const struct timespec *until)
{
    (void)atomic_fetch_add(&maker.naps, 1);
    (void)until;
    return atomic_load(&maker.endless) ? pthread_cond_wait(cond, lock) : ETIMEDOUT;
}

int __wrap_pthread_join(pthread_t thread, void **result)
{
    (void)atomic_fetch_add(&maker.joins, 1);
    return __real_pthread_join(thread, result);
}

static int maker_ready(void **state)
{
    (void)state;
    memset(&maker, 0, sizeof maker);
    return sem_init(&maker.go, 0, 0) == 0 && sem_init(&maker.entered, 0, 0) == 0 ? 0 : -1;
}

static int maker_gone(void **state)
{
    (void)state;
    (void)sem_destroy(&maker.go);
    (void)sem_destroy(&maker.entered);
    return 0;
}

/* ---- those who wait -------------------------------------------------------------------------- */

struct waiter {
    struct prov_key_wait wait; /* first: done is given this */
    sem_t done;
    atomic_uint calls;
    pthread_t thread;
    struct prov_keypool *pool; /* to take from once more, in done */
    struct waiter *again;
    bool queued;
};

static void on_done(struct prov_key_wait *wait)
{
    struct waiter *w = (struct waiter *)wait;

    w->thread = pthread_self();
    if (w->again != NULL &&
        prov_keypool_take(w->pool, &w->again->wait, &w->again->queued) != PROV_OK)
        abort();
    (void)atomic_fetch_add(&w->calls, 1);
    (void)sem_post(&w->done);
}

static void waiter_init(struct waiter *w)
{
    memset(w, 0, sizeof *w);
    w->wait.done = on_done;
    w->wait.rc = PROV_EBUG;
    w->wait.key.pem.p = (uint8_t *)w; /* what was there before does not matter */
    (void)sem_init(&w->done, 0, 0);
}

static enum prov_rc waiter_take(struct waiter *w, struct prov_keypool *pool)
{
    waiter_init(w);
    w->queued = true;
    return prov_keypool_take(pool, &w->wait, &w->queued);
}

static void await(sem_t *sem)
{
    const int64_t deadline = deadline_in(0);

    while (sem_trywait(sem) != 0) {
        if (deadline_left(deadline) == 0)
            fail_msg("nothing happened");
        (void)poll(NULL, 0, 1);
    }
}

static bool has_key(const struct waiter *w, const char *number)
{
    return prov_span_eq_str(prov_buf_span(&w->wait.key.pem), number) &&
           prov_span_eq_str(prov_buf_span(&w->wait.key.spki), number);
}

static bool has_none(const struct waiter *w)
{
    return w->wait.key.pem.p == NULL && w->wait.key.public_pem.p == NULL &&
           w->wait.key.spki.p == NULL;
}

static void waiter_free(struct waiter *w)
{
    prov_key_release(&w->wait.key);
    (void)sem_destroy(&w->done);
}

static struct prov_keypool *pool_of(unsigned ready, unsigned limit)
{
    const struct prov_keypool_conf conf = { PROV_KEY_EC_P256, ready, limit };
    struct prov_keypool *pool = NULL;

    assert_int_equal(prov_keypool_new(&conf, &pool), PROV_OK);
    assert_non_null(pool);
    return pool;
}

static void await_ready(struct prov_keypool *pool, unsigned n)
{
    const int64_t deadline = deadline_in(0);
    struct prov_keypool_stats stats;

    for (;;) {
        prov_keypool_stats(pool, &stats);
        if (stats.ready == n)
            return;
        if (deadline_left(deadline) == 0)
            fail_msg("%u keys are ready and not %u", stats.ready, n);
        (void)poll(NULL, 0, 1);
    }
}

/* ---- keys ------------------------------------------------------------------------------------ */

static void keys_are_made_ahead_and_made_up_for(void **state)
{
    struct prov_keypool *pool = pool_of(3, 1);
    struct prov_keypool_stats stats;
    struct waiter a, b;
    (void)state;

    prov_keypool_stats(pool, &stats);
    assert_int_equal(stats.ready, 0);
    assert_int_equal(atomic_load(&maker.begun), 0);
    assert_int_equal(prov_keypool_warm(pool), PROV_OK);
    await_ready(pool, 3);
    assert_int_equal(prov_keypool_warm(pool), PROV_OK);
    assert_int_equal(waiter_take(&a, pool), PROV_OK);
    assert_false(a.queued);
    assert_int_equal(a.wait.rc, PROV_OK);
    assert_true(has_key(&a, "1"));
    assert_int_equal(waiter_take(&b, pool), PROV_OK);
    assert_false(b.queued);
    assert_true(has_key(&b, "2"));
    await_ready(pool, 3);
    prov_keypool_stats(pool, &stats);
    assert_int_equal(stats.made, 5);
    assert_int_equal(stats.taken, 2);
    assert_int_equal(stats.waited + stats.refused + stats.waiting, 0);
    prov_keypool_free(pool);
    assert_int_equal(atomic_load(&a.calls) + atomic_load(&b.calls), 0);
    assert_int_equal(atomic_load(&maker.begun), 5);
    assert_true(has_key(&a, "1")); /* it is the caller's */
    waiter_free(&a);
    waiter_free(&b);
}

static void who_finds_none_ready_waits_in_line(void **state)
{
    struct prov_keypool *pool = pool_of(2, 5);
    struct prov_keypool_stats stats;
    struct waiter w[5];
    (void)state;

    atomic_store(&maker.gated, true);
    for (size_t i = 0; i < PROV_COUNT(w); i++) {
        assert_int_equal(waiter_take(&w[i], pool), PROV_OK);
        assert_true(w[i].queued);
    }
    prov_keypool_stats(pool, &stats);
    assert_int_equal(stats.waiting, 5);
    assert_int_equal(stats.waited, 5);
    for (size_t i = 0; i < PROV_COUNT(w); i++) {
        const char want[] = { (char)('1' + i), '\0' };

        (void)sem_post(&maker.go);
        await(&w[i].done);
        assert_int_equal(w[i].wait.rc, PROV_OK);
        assert_true(has_key(&w[i], want));
        assert_int_equal(atomic_load(&w[i].calls), 1);
        assert_false(pthread_equal(w[i].thread, pthread_self()));
        waiter_free(&w[i]);
    }
    (void)sem_post(&maker.go);
    (void)sem_post(&maker.go);
    await_ready(pool, 2);
    prov_keypool_stats(pool, &stats);
    assert_int_equal(stats.made, 7);
    assert_int_equal(stats.taken, 5);
    assert_int_equal(stats.waiting, 0);
    prov_keypool_free(pool);
}

static void no_key_is_made_unasked_where_none_shall_be_ready(void **state)
{
    struct prov_keypool *pool = pool_of(0, 1);
    struct prov_keypool_stats stats;
    struct waiter w;
    (void)state;

    assert_int_equal(prov_keypool_warm(pool), PROV_OK);
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(waiter_take(&w, pool), PROV_OK);
        assert_true(w.queued);
        await(&w.done);
        assert_int_equal(w.wait.rc, PROV_OK);
        assert_int_equal(atomic_load(&maker.begun), i);
        waiter_free(&w);
    }
    prov_keypool_stop(pool);
    prov_keypool_stats(pool, &stats);
    assert_int_equal(stats.made, 3);
    assert_int_equal(stats.taken, 3);
    prov_keypool_free(pool);
}

static void too_many_who_wait_are_refused(void **state)
{
    struct prov_keypool *pool = pool_of(1, 2);
    struct prov_keypool_stats stats;
    struct waiter a, b, c;
    (void)state;

    atomic_store(&maker.gated, true);
    assert_int_equal(waiter_take(&a, pool), PROV_OK);
    assert_int_equal(waiter_take(&b, pool), PROV_OK);
    assert_int_equal(waiter_take(&c, pool), PROV_EBUSY);
    assert_false(c.queued);
    assert_int_equal(c.wait.rc, PROV_EBUSY);
    assert_true(has_none(&c));
    prov_keypool_stats(pool, &stats);
    assert_int_equal(stats.refused, 1);
    assert_int_equal(stats.waiting, 2);
    waiter_free(&c);
    (void)sem_post(&maker.go);
    await(&a.done);
    assert_int_equal(waiter_take(&c, pool), PROV_OK); /* a place became free */
    for (unsigned i = 0; i < 3; i++)
        (void)sem_post(&maker.go);
    await(&b.done);
    await(&c.done);
    assert_true(has_key(&c, "3"));
    prov_keypool_free(pool);
    waiter_free(&a);
    waiter_free(&b);
    waiter_free(&c);
}

static void done_may_ask_for_another(void **state)
{
    struct prov_keypool *pool = pool_of(0, 1);
    struct waiter first, second;
    (void)state;

    waiter_init(&first);
    waiter_init(&second);
    first.pool = pool;
    first.again = &second;
    assert_int_equal(prov_keypool_take(pool, &first.wait, &first.queued), PROV_OK);
    await(&first.done);
    await(&second.done);
    assert_true(has_key(&first, "1"));
    assert_true(has_key(&second, "2"));
    prov_keypool_free(pool);
    waiter_free(&first);
    waiter_free(&second);
}

static void keys_of_a_pool_are_real_and_different(void **state)
{
    struct prov_keypool *pool = pool_of(2, 1);
    struct waiter w[3];
    (void)state;

    atomic_store(&maker.real, true);
    assert_int_equal(prov_keypool_warm(pool), PROV_OK);
    for (size_t i = 0; i < PROV_COUNT(w); i++) {
        await_ready(pool, 2);
        assert_int_equal(waiter_take(&w[i], pool), PROV_OK);
        assert_true(prov_span_starts(prov_buf_span(&w[i].wait.key.pem),
                                     PROV_LIT("-----BEGIN EC PRIVATE KEY-----\n")));
        assert_true(i == 0 || !prov_span_eq(prov_buf_span(&w[i].wait.key.spki),
                                            prov_buf_span(&w[i - 1].wait.key.spki)));
    }
    prov_keypool_free(pool);
    for (size_t i = 0; i < PROV_COUNT(w); i++)
        waiter_free(&w[i]);
}

/* ---- failures -------------------------------------------------------------------------------- */

static void who_waits_is_told_of_a_failure_and_the_next_gets_a_key(void **state)
{
    struct prov_keypool *pool = pool_of(0, 2);
    struct waiter a, b;
    (void)state;

    atomic_store(&maker.fails, 1);
    atomic_store(&maker.gated, true);
    assert_int_equal(waiter_take(&a, pool), PROV_OK);
    assert_int_equal(waiter_take(&b, pool), PROV_OK);
    (void)sem_post(&maker.go);
    (void)sem_post(&maker.go);
    await(&a.done);
    assert_int_equal(a.wait.rc, PROV_ESIGNER);
    assert_true(has_none(&a));
    await(&b.done);
    assert_int_equal(b.wait.rc, PROV_OK);
    assert_true(has_key(&b, "2"));
    assert_int_equal(atomic_load(&maker.naps), 0); /* somebody waited */
    prov_keypool_free(pool);
    waiter_free(&a);
    waiter_free(&b);
}

static void failure_that_nobody_waits_for_is_tried_again_with_a_pause(void **state)
{
    struct prov_keypool *pool = pool_of(1, 1);
    struct prov_keypool_stats stats;
    (void)state;

    atomic_store(&maker.fails, 3);
    assert_int_equal(prov_keypool_warm(pool), PROV_OK);
    await_ready(pool, 1);
    assert_int_equal(atomic_load(&maker.begun), 4);
    assert_int_equal(atomic_load(&maker.naps), 3);
    prov_keypool_stats(pool, &stats);
    assert_int_equal(stats.made, 1);
    prov_keypool_free(pool);
}

static void await_naps(unsigned n)
{
    const int64_t deadline = deadline_in(0);

    while (atomic_load(&maker.naps) != n) {
        if (deadline_left(deadline) == 0)
            fail_msg("no pause");
        (void)poll(NULL, 0, 1);
    }
}

static void pause_ends_when_somebody_asks_or_the_pool_stops(void **state)
{
    struct prov_keypool *pool = pool_of(1, 1);
    struct waiter w;
    (void)state;

    atomic_store(&maker.endless, true);
    atomic_store(&maker.fails, 3);
    assert_int_equal(prov_keypool_warm(pool), PROV_OK);
    await_naps(1);
    assert_int_equal(waiter_take(&w, pool), PROV_OK);
    assert_true(w.queued);
    await(&w.done);
    assert_int_equal(w.wait.rc, PROV_ESIGNER);
    waiter_free(&w);
    await_naps(2);
    assert_int_equal(atomic_load(&maker.begun), 2);
    prov_keypool_free(pool);
    assert_int_equal(atomic_load(&maker.begun), 2);
}

static void without_a_thread_nothing_is_queued(void **state)
{
    struct prov_keypool *pool = pool_of(1, 1);
    struct prov_keypool_stats stats;
    struct waiter w;
    (void)state;

    atomic_store(&maker.no_thread, 2);
    assert_int_equal(prov_keypool_warm(pool), PROV_ENOMEM);
    assert_int_equal(waiter_take(&w, pool), PROV_ENOMEM);
    assert_false(w.queued);
    assert_int_equal(w.wait.rc, PROV_ENOMEM);
    prov_keypool_stats(pool, &stats);
    assert_int_equal(stats.waiting + stats.waited + stats.refused, 0);
    waiter_free(&w);
    assert_int_equal(waiter_take(&w, pool), PROV_OK); /* tried again */
    await(&w.done);
    assert_true(has_key(&w, "1"));
    waiter_free(&w);
    prov_keypool_free(pool);
}

static void pool_without_memory_or_sense_is_not_made(void **state)
{
    static const struct prov_keypool_conf bad[] = {
        { PROV_KEY_EC_P256, 1, 0 },
        { PROV_KEY_EC_P256, PROV_MAX_KEYPOOL + 1, 1 },
        { PROV_KEY_TYPES, 1, 1 },
    };
    static const struct prov_keypool_conf good = { PROV_KEY_RSA2048, PROV_MAX_KEYPOOL, 1 };
    struct prov_keypool *pool;
    enum prov_rc rc;
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(bad); i++) {
        pool = (struct prov_keypool *)&maker;
        assert_int_equal(prov_keypool_new(&bad[i], &pool), PROV_EINVAL);
        assert_null(pool);
    }
    for (unsigned n = 1;; n++) {
        alloc_fail_at(n);
        rc = prov_keypool_new(&good, &pool);
        if (!alloc_failed())
            break;
        assert_int_equal(rc, PROV_ENOMEM);
        assert_null(pool);
    }
    assert_int_equal(rc, PROV_OK);
    prov_keypool_free(pool); /* its thread never started */
    prov_keypool_free(NULL);
    prov_keypool_stop(NULL);
}

/* ---- the end --------------------------------------------------------------------------------- */

/* Lets the key that is being made be finished as soon as the pool stops. */
static void *release_when_stopping(void *arg)
{
    while (prov_keypool_warm(arg) != PROV_EBUSY)
        (void)sched_yield();
    (void)sem_post(&maker.go);
    return NULL;
}

static void stop_waits_for_the_key_in_the_making_and_refuses_the_others(void **state)
{
    struct prov_keypool *pool = pool_of(1, 3);
    struct prov_keypool_stats stats;
    pthread_t helper;
    struct waiter w[3];
    (void)state;

    atomic_store(&maker.gated, true);
    for (size_t i = 0; i < PROV_COUNT(w); i++)
        assert_int_equal(waiter_take(&w[i], pool), PROV_OK);
    await(&maker.entered);
    (void)sem_post(&maker.go);
    await(&w[0].done);
    await(&maker.entered); /* the second is being made */
    assert_int_equal(pthread_create(&helper, NULL, release_when_stopping, pool), 0);
    prov_keypool_stop(pool);
    (void)pthread_join(helper, NULL);
    await(&w[1].done);
    assert_int_equal(w[1].wait.rc, PROV_OK);
    assert_true(has_key(&w[1], "2"));
    await(&w[2].done);
    assert_int_equal(w[2].wait.rc, PROV_EBUSY);
    assert_true(has_none(&w[2]));
    assert_true(pthread_equal(w[2].thread, pthread_self()));
    assert_int_equal(atomic_load(&maker.begun), 2);
    prov_keypool_stats(pool, &stats);
    assert_int_equal(stats.waiting + stats.ready, 0);
    for (size_t i = 0; i < PROV_COUNT(w); i++) {
        assert_int_equal(atomic_load(&w[i].calls), 1);
        waiter_free(&w[i]);
    }
    prov_keypool_free(pool);
}

static void stopped_pool_gives_nothing_more(void **state)
{
    struct prov_keypool *pool = pool_of(2, 1);
    struct prov_keypool_stats stats;
    struct waiter w;
    (void)state;

    assert_int_equal(prov_keypool_warm(pool), PROV_OK);
    await_ready(pool, 2);
    prov_keypool_stop(pool);
    prov_keypool_stats(pool, &stats);
    assert_int_equal(stats.ready, 0); /* wiped */
    assert_int_equal(waiter_take(&w, pool), PROV_EBUSY);
    assert_false(w.queued);
    assert_int_equal(prov_keypool_warm(pool), PROV_EBUSY);
    prov_keypool_stop(pool);
    assert_int_equal(atomic_load(&w.calls), 0);
    waiter_free(&w);
    prov_keypool_free(pool);
    assert_int_equal(atomic_load(&maker.joins), 1);
}

static void thread_is_nice_and_leaves_signals_to_the_broker(void **state)
{
    static const int broker_signals[] = { SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGCHLD };
    const int own = getpriority(PRIO_PROCESS, 0);
    struct prov_keypool *pool = pool_of(1, 1);
    (void)state;

    assert_int_equal(prov_keypool_warm(pool), PROV_OK);
    await_ready(pool, 1);
    prov_keypool_free(pool);
    assert_string_equal(maker.name, "prov-keys");
    assert_true(maker.nice >= 10);
    assert_int_equal(getpriority(PRIO_PROCESS, 0), own);
    for (size_t i = 0; i < PROV_COUNT(broker_signals); i++)
        assert_int_equal(sigismember(&maker.mask, broker_signals[i]), 1);
    assert_int_equal(sigismember(&maker.mask, SIGSEGV), 0);
}

/* ---- many at once ---------------------------------------------------------------------------- */

#define TAKERS 4
#define TAKES 200

struct taker {
    struct prov_keypool *pool;
    pthread_t thread;
    unsigned numbers[TAKES];
};

static void *take_many(void *arg)
{
    struct taker *t = arg;

    for (size_t i = 0; i < TAKES; i++) {
        struct waiter w;

        if (waiter_take(&w, t->pool) != PROV_OK)
            abort();
        if (w.queued)
            (void)sem_wait(&w.done);
        t->numbers[i] = (unsigned)strtoul(prov_buf_cstr(&w.wait.key.pem), NULL, 10);
        waiter_free(&w);
    }
    return NULL;
}

static void each_key_is_given_to_one_of_many_threads(void **state)
{
    static struct taker takers[TAKERS];
    static bool seen[TAKERS * TAKES + 8];
    struct prov_keypool *pool = pool_of(5, TAKERS);
    struct prov_keypool_stats stats;
    (void)state;

    for (size_t i = 0; i < TAKERS; i++) {
        takers[i].pool = pool;
        assert_int_equal(pthread_create(&takers[i].thread, NULL, take_many, &takers[i]), 0);
    }
    for (size_t i = 0; i < TAKERS; i++)
        (void)pthread_join(takers[i].thread, NULL);
    for (size_t i = 0; i < TAKERS * TAKES; i++) {
        const unsigned n = takers[i / TAKES].numbers[i % TAKES];

        assert_in_range(n, 1, PROV_COUNT(seen) - 1);
        assert_false(seen[n]);
        seen[n] = true;
    }
    await_ready(pool, 5);
    prov_keypool_stats(pool, &stats);
    assert_int_equal(stats.taken, TAKERS * TAKES);
    assert_int_equal(stats.made, TAKERS * TAKES + 5);
    prov_keypool_free(pool);
}

#define POOL_TEST(f) cmocka_unit_test_setup_teardown(f, maker_ready, maker_gone)

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(keys_are_made_ahead_and_made_up_for),
        POOL_TEST(who_finds_none_ready_waits_in_line),
        POOL_TEST(no_key_is_made_unasked_where_none_shall_be_ready),
        POOL_TEST(too_many_who_wait_are_refused),
        POOL_TEST(done_may_ask_for_another),
        POOL_TEST(keys_of_a_pool_are_real_and_different),
        POOL_TEST(who_waits_is_told_of_a_failure_and_the_next_gets_a_key),
        POOL_TEST(failure_that_nobody_waits_for_is_tried_again_with_a_pause),
        POOL_TEST(pause_ends_when_somebody_asks_or_the_pool_stops),
        POOL_TEST(without_a_thread_nothing_is_queued),
        POOL_TEST(pool_without_memory_or_sense_is_not_made),
        POOL_TEST(stop_waits_for_the_key_in_the_making_and_refuses_the_others),
        POOL_TEST(stopped_pool_gives_nothing_more),
        POOL_TEST(thread_is_nice_and_leaves_signals_to_the_broker),
        POOL_TEST(each_key_is_given_to_one_of_many_threads),
    };

    return cmocka_run_group_tests_name("keypool", tests, NULL, NULL);
}
