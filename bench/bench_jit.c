/* bench_jit.c - first contacts a second: what the pool does of a registration, without TLS. */
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/x509.h>

#include "maker.h"
#include "run/pool.h"
#include "slow.h"

static struct {
    struct maker_conf maker;
    uint64_t devices, fsync_rate, workers, queue, batch;
} opt = { .maker = { .attrs = MAKER_MAX_ATTRS }, .devices = 10000, .workers = 2, .queue = 2000 };

static const struct bench_option options[] = {
    { .name = "db",
      .value = "DIR",
      .help = "the store; made if need be",
      .text = &opt.maker.db,
      .required = true },
    { .name = "devices",
      .value = "N",
      .help = "how many register",
      .number = &opt.devices,
      .lo = 1,
      .hi = 1000000 },
    { .name = "first",
      .value = "I",
      .help = "the number of the first, for adding to what is there",
      .number = &opt.maker.first,
      .hi = 9999999 },
    { .name = "pki",
      .value = "DIR",
      .help = "what bench_pki made: the CA, and the certificates of the first devices",
      .text = &opt.maker.pki },
    { .name = "fsync-rate",
      .value = "R",
      .help = "as if the storage allowed R syncs a second; 0: as fast as it is",
      .number = &opt.fsync_rate,
      .hi = 1000000 },
    { .name = "workers",
      .value = "N",
      .help = "the plugin's worker_threads",
      .number = &opt.workers,
      .lo = 1,
      .hi = PROV_POOL_MAX_WORKERS },
    { .name = "queue",
      .value = "N",
      .help = "registrations under way at a time",
      .number = &opt.queue,
      .lo = 1,
      .hi = 100000 },
    { .name = "batch",
      .value = "N",
      .help = "registrations in one commit, at most; 0: what the plugin has",
      .number = &opt.batch,
      .hi = 100000 },
    { .name = NULL },
};

static const struct bench_program program = {
    .name = "bench_jit",
    .about =
        "Registers devices as the plugin does when they first connect: certificates parsed\n"
        "beforehand, as by a handshake, go through the pool of workers and its one writer, and\n"
        "each registration counts when its commit is durable. The queue is kept full. With\n"
        "--fsync-rate a commit takes at least as long as the two syncs of which LMDB makes it.\n",
    .figures = "  registrations, seconds, registrations_per_s\n"
               "  commits, per_commit: how many registrations share a sync\n"
               "  commit_us, commit_max_us: how long one took, with what --fsync-rate adds\n"
               "  p50_us, p99_us, max_us: from submitted to done, so mostly the queue\n"
               "  cpu_us_per_registration: of all threads together\n",
    .example = "bench_jit --db /tmp/jit --devices 20000 --fsync-rate 200",
    .options = options,
};

/* ---- the job, as in plugin/broker/contact.c -------------------------------------------------- */

struct run {
    struct maker maker;
    struct prov_pool *pool;
    struct bench_times times;
    X509 **leaves;
    uint64_t submitted, done;
    sem_t woken;
};

struct contact_job {
    struct prov_job job;
    struct run *run;
    struct prov_contact *contact;
    struct prov_err err;
    uint64_t from_ns;
};

static bool prepare(struct prov_job *base) /* worker */
{
    struct contact_job *job = (struct contact_job *)base;
    struct prov_tx tx = { NULL, maker_now_ms(), &job->err };

    base->rc = prov_txn_begin(job->run->maker.store, PROV_TXN_READ, NULL, &tx.txn);
    if (base->rc == PROV_OK)
        base->rc = prov_contact_prepare(job->contact, &tx);
    prov_txn_abort(tx.txn);
    return true;
}

static enum prov_rc apply(struct prov_job *base, struct prov_txn *txn) /* writer */
{
    struct contact_job *job = (struct contact_job *)base;
    struct prov_tx tx = { txn, maker_now_ms(), &job->err };

    return prov_contact_apply(job->contact, &tx);
}

static void done(struct prov_job *base)
{
    struct contact_job *job = (struct contact_job *)base;
    struct run *run = job->run;

    if (base->rc != PROV_OK)
        bench_fail("%s: %s %s", job->contact->client_id, prov_rc_name(base->rc), job->err.text);
    maker_check(job->contact);
    bench_times_add(&run->times, bench_now_ns() - job->from_ns);
    run->done++;
    prov_contact_free(job->contact);
    free(job);
}

/* False when the queue is full. */
static bool submit(struct run *run)
{
    struct contact_job *job = bench_alloc(1, sizeof *job);
    enum prov_rc rc;

    job->run = run;
    job->job.prepare = prepare;
    job->job.apply = apply;
    job->job.done = done;
    job->contact = maker_contact(&run->maker, run->leaves[run->submitted]);
    job->from_ns = bench_now_ns();
    rc = prov_pool_submit(run->pool, &job->job);
    if (rc == PROV_OK) {
        run->submitted++;
        return true;
    }
    if (rc != PROV_EBUSY)
        bench_fail("a registration was not taken: %s", prov_rc_name(rc));
    prov_contact_free(job->contact);
    free(job);
    return false;
}

/* ---- the run --------------------------------------------------------------------------------- */

static void wake(void *ctx) /* worker, writer */
{
    struct run *run = ctx;

    (void)sem_post(&run->woken);
}

static void register_all(struct run *run)
{
    while (run->done < opt.devices) {
        while (run->submitted < opt.devices && run->submitted - run->done < opt.queue &&
               submit(run))
            ;
        if (!prov_pool_ready(run->pool))
            (void)sem_wait(&run->woken);
        (void)prov_pool_drain(run->pool);
        bench_progress("registrations", run->done, opt.devices);
    }
}

static void read_leaves(struct run *run)
{
    run->leaves = bench_alloc(opt.devices, sizeof(X509 *));
    for (uint64_t i = 0; i < opt.devices; i++) {
        run->leaves[i] = maker_device(&run->maker);
        bench_progress("certificates", i, opt.devices);
    }
}

static uint64_t count_certs(const struct run *run)
{
    struct prov_tx tx = { NULL, maker_now_ms(), NULL };
    uint64_t n;

    if (prov_txn_begin(run->maker.store, PROV_TXN_READ, NULL, &tx.txn) != PROV_OK ||
        prov_list_count(&tx, PROV_LIST_CERTS, &n) != PROV_OK)
        bench_fail("%s", prov_store_why(run->maker.store));
    prov_txn_abort(tx.txn);
    return n;
}

static void start(struct run *run)
{
    const struct prov_pool_conf conf = {
        .store = run->maker.store,
        .workers = (unsigned)opt.workers,
        .queue_limit = (unsigned)opt.queue,
        .batch_limit = (unsigned)opt.batch,
        .wake = wake,
        .wake_ctx = run,
    };

    if (opt.fsync_rate != 0)
        slow_store(run->maker.store, opt.fsync_rate);
    if (sem_init(&run->woken, 0, 0) != 0 || prov_pool_new(&conf, &run->pool) != PROV_OK)
        bench_fail("the pool does not start");
}

static void put_figures(struct run *run, double seconds)
{
    struct prov_pool_stats stats;

    prov_pool_stats(run->pool, &stats);
    bench_put_count("registrations", run->done);
    bench_put_value("seconds", seconds, 2);
    bench_put_value("registrations_per_s", (double)run->done / seconds, 0);
    bench_put_count("commits", stats.commits);
    bench_put_value("per_commit", (double)run->done / (double)stats.commits, 1);
    bench_put_value("commit_us", (double)stats.commit_ns_total / 1000 / (double)stats.commits, 0);
    bench_put_count("commit_max_us", stats.commit_ns_max / 1000);
    bench_times_put(&run->times, "");
}

static void stop(struct run *run)
{
    prov_pool_free(run->pool);
    for (uint64_t i = 0; i < opt.devices; i++)
        X509_free(run->leaves[i]);
    free(run->leaves);
    bench_times_release(&run->times);
    (void)sem_destroy(&run->woken);
    maker_close(&run->maker);
}

int main(int argc, char **argv)
{
    struct bench_process before, after;
    struct run run = { .pool = NULL };
    uint64_t had, from_ns, ns;

    bench_options(&program, argc, argv);
    maker_open(&run.maker, &opt.maker);
    read_leaves(&run);
    had = count_certs(&run);
    start(&run);
    before = bench_process_now(0);
    from_ns = bench_now_ns();
    register_all(&run);
    ns = bench_now_ns() - from_ns;
    after = bench_process_now(0);
    if (count_certs(&run) != had + opt.devices)
        bench_fail("the store does not have all certificates that were registered");
    put_figures(&run, (double)ns / 1e9);
    bench_put_value("cpu_us_per_registration", bench_cpu_us_per(&before, &after, opt.devices), 1);
    bench_put_line();
    stop(&run);
    return 0;
}
