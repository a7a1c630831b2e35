#include "keypool.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include <sys/resource.h>

#include "thread.h"

#define KEYS_NICE 10
#define RETRY_S 1 /* after a key that could not be made and that nobody waited for */

struct prov_keypool {
    struct prov_keypool_conf conf;
    pthread_t thread;
    pthread_mutex_t lock; /* all below; never held while a key is made or done is called */
    pthread_cond_t more;  /* somebody waits, a key was taken, or it stops */
    bool started, stopping;
    struct prov_key *ready; /* a ring of conf.ready */
    unsigned first;
    struct prov_key_wait *head, *tail; /* there are none while keys are ready */
    struct prov_keypool_stats stats;
};

static void lock(struct prov_keypool *pool)
{
    (void)pthread_mutex_lock(&pool->lock);
}

static void unlock(struct prov_keypool *pool)
{
    (void)pthread_mutex_unlock(&pool->lock);
}

/* ---- under the lock -------------------------------------------------------------------------- */

static void push_key(struct prov_keypool *pool, const struct prov_key *key)
{
    pool->ready[(pool->first + pool->stats.ready++) % pool->conf.ready] = *key;
}

static struct prov_key pop_key(struct prov_keypool *pool)
{
    struct prov_key *place = &pool->ready[pool->first];
    const struct prov_key key = *place;

    *place = (struct prov_key){ .pem = { .p = NULL } };
    pool->first = (pool->first + 1) % pool->conf.ready;
    pool->stats.ready--;
    return key;
}

static void push_wait(struct prov_keypool *pool, struct prov_key_wait *wait)
{
    wait->next = NULL;
    if (pool->tail == NULL)
        pool->head = wait;
    else
        pool->tail->next = wait;
    pool->tail = wait;
    pool->stats.waiting++;
}

/* NULL: nobody waits. */
static struct prov_key_wait *pop_wait(struct prov_keypool *pool)
{
    struct prov_key_wait *wait = pool->head;

    if (wait == NULL)
        return NULL;
    pool->head = wait->next;
    if (pool->head == NULL)
        pool->tail = NULL;
    pool->stats.waiting--;
    wait->next = NULL;
    return wait;
}

static bool wants_key(const struct prov_keypool *pool)
{
    return pool->head != NULL || pool->stats.ready < pool->conf.ready;
}

/* Until there is something to do; after a failure not at once, unless somebody waits. */
static void wait_for_work(struct prov_keypool *pool, bool failed)
{
    struct timespec until;
    int rc = 0;

    while (!pool->stopping && !wants_key(pool))
        (void)pthread_cond_wait(&pool->more, &pool->lock);
    if (!failed)
        return;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += RETRY_S;
    while (!pool->stopping && pool->head == NULL && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&pool->more, &pool->lock, &until);
}

/* ---- the thread ------------------------------------------------------------------------------ */

/* Its end is set; the caller may free it in done. */
static void hand_out(struct prov_key_wait *wait, enum prov_rc rc, const struct prov_key *key)
{
    wait->key = *key;
    wait->rc = rc;
    wait->done(wait);
}

/* To the first who waits, or to those ready. Nobody else takes who waits off the list or makes keys
 * ready while this thread is there, so a key that was wanted when it was begun still is. */
static void pass_on(struct prov_keypool *pool, enum prov_rc rc, struct prov_key *key)
{
    struct prov_key_wait *wait;

    lock(pool);
    wait = pop_wait(pool);
    pool->stats.made += rc == PROV_OK;
    pool->stats.taken += rc == PROV_OK && wait != NULL;
    if (rc == PROV_OK && wait == NULL)
        push_key(pool, key);
    unlock(pool);
    if (wait != NULL)
        hand_out(wait, rc, key);
}

static void *keys_main(void *arg)
{
    struct prov_keypool *pool = arg;
    enum prov_rc rc = PROV_OK;
    struct prov_key key;
    bool stopping;

    (void)pthread_setname_np(pthread_self(), "prov-keys");
    /* on Linux a thread has a nice value of its own, and 0 is the one that asks */
    (void)setpriority(PRIO_PROCESS, 0, KEYS_NICE);
    for (;;) {
        lock(pool);
        wait_for_work(pool, rc != PROV_OK);
        stopping = pool->stopping;
        unlock(pool);
        if (stopping)
            return NULL;
        rc = prov_key_make(pool->conf.type, &key);
        pass_on(pool, rc, &key);
    }
}

/* Under the lock. */
static enum prov_rc start(struct prov_keypool *pool)
{
    if (!pool->started)
        pool->started = prov_thread_start(&pool->thread, keys_main, pool);
    return pool->started ? PROV_OK : PROV_ENOMEM;
}

/* ---- what others call ------------------------------------------------------------------------ */

enum prov_rc prov_keypool_new(const struct prov_keypool_conf *conf, struct prov_keypool **out)
{
    pthread_condattr_t monotonic;
    struct prov_keypool *pool;

    *out = NULL;
    if ((unsigned)conf->type >= PROV_KEY_TYPES || conf->ready > PROV_MAX_KEYPOOL ||
        conf->limit == 0)
        return PROV_EINVAL;
    pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return PROV_ENOMEM;
    pool->conf = *conf;
    if (conf->ready != 0) {
        pool->ready = calloc(conf->ready, sizeof *pool->ready);
        if (pool->ready == NULL) {
            free(pool);
            return PROV_ENOMEM;
        }
    }
    (void)pthread_mutex_init(&pool->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&pool->more, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    *out = pool;
    return PROV_OK;
}

enum prov_rc prov_keypool_warm(struct prov_keypool *pool)
{
    enum prov_rc rc;

    lock(pool);
    rc = pool->stopping ? PROV_EBUSY : start(pool);
    unlock(pool);
    return rc;
}

/* Under the lock. */
static enum prov_rc take(struct prov_keypool *pool, struct prov_key_wait *wait, bool *queued)
{
    enum prov_rc rc;

    if (pool->stopping)
        return PROV_EBUSY;
    if (pool->stats.ready != 0) {
        wait->key = pop_key(pool);
        pool->stats.taken++;
        return PROV_OK;
    }
    if (pool->stats.waiting >= pool->conf.limit) {
        pool->stats.refused++;
        return PROV_EBUSY;
    }
    rc = start(pool);
    if (rc != PROV_OK)
        return rc;
    push_wait(pool, wait);
    pool->stats.waited++;
    *queued = true;
    return PROV_OK;
}

enum prov_rc prov_keypool_take(struct prov_keypool *pool, struct prov_key_wait *wait, bool *queued)
{
    enum prov_rc rc;

    *queued = false;
    wait->key = (struct prov_key){ .pem = { .p = NULL } };
    lock(pool);
    rc = take(pool, wait, queued);
    if (!*queued)
        wait->rc = rc;
    (void)pthread_cond_signal(&pool->more);
    unlock(pool);
    return rc;
}

void prov_keypool_stop(struct prov_keypool *pool)
{
    static const struct prov_key none;
    struct prov_key_wait *wait;
    struct prov_key key;
    bool started;

    if (pool == NULL)
        return;
    lock(pool);
    pool->stopping = true;
    started = pool->started;
    pool->started = false;
    (void)pthread_cond_signal(&pool->more);
    unlock(pool);
    if (started)
        (void)pthread_join(pool->thread, NULL);
    for (;;) {
        lock(pool);
        wait = pop_wait(pool);
        unlock(pool);
        if (wait == NULL)
            break;
        hand_out(wait, PROV_EBUSY, &none);
    }
    lock(pool);
    while (pool->stats.ready != 0) {
        key = pop_key(pool);
        prov_key_release(&key);
    }
    unlock(pool);
}

void prov_keypool_free(struct prov_keypool *pool)
{
    if (pool == NULL)
        return;
    prov_keypool_stop(pool);
    (void)pthread_cond_destroy(&pool->more);
    (void)pthread_mutex_destroy(&pool->lock);
    free(pool->ready);
    free(pool);
}

void prov_keypool_stats(struct prov_keypool *pool, struct prov_keypool_stats *out)
{
    lock(pool);
    *out = pool->stats;
    unlock(pool);
}
