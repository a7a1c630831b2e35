#include "slow.h"

#include <errno.h>
#include <stdatomic.h>
#include <time.h>

#include "bench.h"

static struct prov_store_ops ops; /* the store's own, with two of them replaced */
static const struct prov_store_ops *real;
static _Atomic(const struct prov_txn *) outermost; /* the write transaction that will sync */
static uint64_t commit_ns;

static enum prov_rc begin(struct prov_store *st, enum prov_txn_kind kind, struct prov_txn *parent,
                          struct prov_txn **out)
{
    const enum prov_rc rc = real->begin(st, kind, parent, out);

    if (rc == PROV_OK && kind == PROV_TXN_WRITE && parent == NULL)
        atomic_store(&outermost, *out);
    return rc;
}

static void sleep_until(uint64_t at_ns)
{
    const struct timespec at = { .tv_sec = (time_t)(at_ns / 1000000000),
                                 .tv_nsec = (long)(at_ns % 1000000000) };

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        ;
}

static enum prov_rc commit(struct prov_txn *txn)
{
    const bool syncs = atomic_load(&outermost) == txn;
    const uint64_t from_ns = bench_now_ns();
    const enum prov_rc rc = real->commit(txn);

    if (syncs)
        sleep_until(from_ns + commit_ns);
    return rc;
}

void slow_store(struct prov_store *store, uint64_t syncs_per_s)
{
    real = store->ops;
    ops = *real;
    ops.begin = begin;
    ops.commit = commit;
    commit_ns = SLOW_SYNCS_PER_COMMIT * UINT64_C(1000000000) / syncs_per_s;
    store->ops = &ops;
}
