#include "hook_priv.h"

#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/epoll.h>
#include <sys/eventfd.h>

#define EVENTS_AT_ONCE 64
#define GONE_POLL_MS 20           /* where there is no pidfd to wake us */
#define STOP_PATIENCE_US 1000000u /* for killed programs that the kernel holds on to */

static uint64_t deadline_us(const struct prov_hooks *hooks, const struct prov_hook_call *call)
{
    return call->submitted_us + (uint64_t)hooks->conf.timeout_ms * 1000u;
}

/* ---- how calls end --------------------------------------------------------------------------- */

void prov_hook_ends(struct prov_hook_run *run, enum prov_hook_end end, const char *fmt, ...)
{
    va_list args;

    if (run->ended)
        return;
    run->ended = true;
    va_start(args, fmt);
    prov_hook_call_vends(run->call, end, fmt, args);
    va_end(args);
}

void prov_hook_take(struct prov_hook_run *run, struct prov_span bytes)
{
    prov_buf_add(&run->call->answer, bytes);
    if (run->call->answer.rc == PROV_ETOOBIG)
        prov_hook_ends(run, PROV_HOOK_TOO_LARGE, "answered more than %d bytes",
                       PROV_MAX_HOOK_ANSWER);
    else if (run->call->answer.rc != PROV_OK)
        prov_hook_ends(run, PROV_HOOK_FAILED, "out of memory for its answer");
}

static void count_end(struct prov_hooks_stats *stats, const struct prov_hook_call *call)
{
    stats->ends[call->end]++;
    if (call->end != PROV_HOOK_ANSWERED)
        return;
    stats->took_us_total += call->took_us;
    if (call->took_us > stats->took_us_max)
        stats->took_us_max = call->took_us;
}

/* Its end is set and its place given away. */
static void hand_back(struct prov_hooks *hooks, struct prov_hook_call *call)
{
    call->took_us = prov_hook_now_us() - call->submitted_us;
    if (call->end != PROV_HOOK_ANSWERED)
        prov_buf_release(&call->answer);
    prov_hook_lock(hooks);
    count_end(&hooks->stats, call);
    prov_hook_unlock(hooks);
    call->done(call);
}

/* The place of a call that is over, and whose program is gone. */
static void leave_queue(struct prov_hooks *hooks, struct prov_hook_queue *q)
{
    prov_hook_lock(hooks);
    q->n_running--;
    hooks->stats.running--;
    prov_hook_queue_tidy(hooks, q);
    prov_hook_unlock(hooks);
}

/* ---- calls that begin ------------------------------------------------------------------------ */

static void begin(struct prov_hooks *hooks, struct prov_hook_call *call)
{
    struct prov_hook_queue *q = call->queue;
    struct prov_hook_run *run = calloc(1, sizeof *run);
    struct prov_hook_spec spec;
    struct prov_err why;

    if (run == NULL) {
        prov_hook_call_ends(call, PROV_HOOK_NOT_STARTED, "out of memory");
        leave_queue(hooks, q);
        hand_back(hooks, call);
        return;
    }
    run->hooks = hooks;
    run->queue = q;
    run->call = call;
    for (size_t i = 0; i < CHILD_FDS; i++)
        run->child.fd[i] = -1;
    run->next = hooks->runs;
    hooks->runs = run;
    /* what is found in the spec ends where the spec does, so it is a C string too */
    if (prov_hook_spec_parse(prov_span_str(call->spec), &spec, &why) != PROV_OK)
        prov_hook_ends(run, PROV_HOOK_NOT_STARTED, "%s", why.text);
    else if (spec.kind == PROV_HOOK_EXEC)
        prov_hook_exec_start(run, (const char *)spec.target.p);
    else
        prov_hook_http_start(run, (const char *)spec.target.p);
}

/* What one turn takes from the queues. */
struct turn {
    struct prov_hook_call *over, *begin; /* linked; over: their end is set */
    uint64_t until_us;                   /* the first deadline of those that wait on */
    bool stopping, more;                 /* more: calls that could begin wait for the next turn */
};

static struct prov_hook_call *pop(struct call_list *list)
{
    struct prov_hook_call *call = list->head;

    if (call == NULL)
        return NULL;
    list->head = call->next;
    if (list->head == NULL)
        list->tail = NULL;
    call->next = NULL;
    return call;
}

/* Under the lock: the head is over, or begins, or waits on. */
static bool take_head(struct prov_hooks *hooks, struct prov_hook_queue *q, uint64_t now,
                      struct turn *turn)
{
    struct prov_hook_call *call = q->waiting.head, **to = &turn->over;

    if (call == NULL)
        return false;
    if (turn->stopping) {
        prov_hook_call_ends(call, PROV_HOOK_CANCELLED, "the broker stops");
    } else if (now >= deadline_us(hooks, call)) {
        prov_hook_call_ends(call, PROV_HOOK_TIMEOUT, "waited %u ms for its turn",
                            hooks->conf.timeout_ms);
    } else if (q->n_running < hooks->conf.limit) {
        q->n_running++;
        hooks->stats.running++;
        to = &turn->begin;
    } else {
        return false;
    }
    (void)pop(&q->waiting);
    q->n_waiting--;
    hooks->stats.waiting--;
    call->next = *to;
    *to = call;
    return true;
}

/* One of each hook begins at a time, so that a burst of one does not hold up the others. */
static struct turn take_turn(struct prov_hooks *hooks)
{
    struct turn turn = { .until_us = UINT64_MAX };
    struct prov_hook_queue *q, *next;

    prov_hook_lock(hooks);
    turn.stopping = hooks->stopping;
    for (q = hooks->queues; q != NULL; q = next) {
        const struct prov_hook_call *began = turn.begin;

        next = q->next;
        while (turn.begin == began && take_head(hooks, q, prov_hook_now_us(), &turn))
            continue;
        if (q->n_waiting != 0 && deadline_us(hooks, q->waiting.head) < turn.until_us)
            turn.until_us = deadline_us(hooks, q->waiting.head);
        turn.more = turn.more || (q->n_waiting != 0 && q->n_running < hooks->conf.limit);
        prov_hook_queue_tidy(hooks, q);
    }
    prov_hook_unlock(hooks);
    return turn;
}

static void do_turn(struct prov_hooks *hooks, const struct turn *turn)
{
    struct prov_hook_call *call, *next;

    for (call = turn->over; call != NULL; call = next) {
        next = call->next;
        hand_back(hooks, call);
    }
    for (call = turn->begin; call != NULL; call = next) {
        next = call->next;
        begin(hooks, call);
    }
}

/* ---- calls under way ------------------------------------------------------------------------- */

static void check_time(struct prov_hook_run *run, bool stopping, uint64_t now)
{
    char words[HOOK_LAST_WORDS + 3];

    if (stopping)
        prov_hook_ends(run, PROV_HOOK_CANCELLED, "the broker stops");
    else if (now >= deadline_us(run->hooks, run->call))
        prov_hook_ends(run, PROV_HOOK_TIMEOUT, "no answer in %u ms%s", run->hooks->conf.timeout_ms,
                       prov_hook_exec_words(run, words));
}

/* Kills what is left of it; true when it is gone and so is the run. */
static bool put_away(struct prov_hooks *hooks, struct prov_hook_run **at)
{
    struct prov_hook_run *run = *at;

    prov_hook_exec_kill(run);
    prov_hook_http_drop(run);
    run->call = NULL;
    if (!prov_hook_exec_gone(run))
        return false;
    *at = run->next;
    leave_queue(hooks, run->queue);
    free(run);
    return true;
}

/* True when places became free or calls were handed back, whose done may have submitted others. */
static bool sweep(struct prov_hooks *hooks, bool stopping)
{
    struct prov_hook_run **at = &hooks->runs, *run;
    const uint64_t now = prov_hook_now_us();
    bool moved = false;

    while ((run = *at) != NULL) {
        struct prov_hook_call *call = run->call;
        bool gone;

        if (call != NULL)
            check_time(run, stopping, now);
        if (!run->ended) {
            at = &run->next;
            continue;
        }
        gone = put_away(hooks, at);
        if (!gone)
            at = &run->next;
        if (call != NULL)
            hand_back(hooks, call);
        moved = moved || gone || call != NULL;
    }
    return moved;
}

/* ---- the thread ------------------------------------------------------------------------------ */

static bool needs_polling(const struct prov_hook_run *run)
{
    return run->child.pid != 0 && run->child.fd[CHILD_PID] == -1;
}

/* Until the next deadline, rounded up; until_us is that of those that wait. */
static int patience_ms(const struct prov_hooks *hooks, uint64_t until_us)
{
    const uint64_t now = prov_hook_now_us();
    uint64_t ms = PROV_MAX_HOOK_TIMEOUT_MS;

    for (const struct prov_hook_run *run = hooks->runs; run != NULL; run = run->next) {
        if (run->call != NULL && deadline_us(hooks, run->call) < until_us)
            until_us = deadline_us(hooks, run->call);
        if (needs_polling(run))
            ms = GONE_POLL_MS;
    }
    if (until_us <= now)
        return 0;
    return until_us - now < ms * 1000 ? (int)((until_us - now + 999) / 1000) : (int)ms;
}

/* One descriptor stands for all programs' in curl's poll, where there is one. */
static void wait_for_events(struct prov_hooks *hooks, int ms)
{
    struct curl_waitfd programs = { .fd = hooks->epoll, .events = CURL_WAIT_POLLIN };
    struct epoll_event events[EVENTS_AT_ONCE];
    eventfd_t woken;
    int n;

    if (hooks->multi != NULL) {
        if (hooks->curl->multi_poll(hooks->multi, &programs, 1, ms, NULL) != CURLM_OK)
            (void)usleep(GONE_POLL_MS * 1000u); /* out of memory; not to be asked at full speed */
        ms = 0;
    }
    n = epoll_wait(hooks->epoll, events, EVENTS_AT_ONCE, ms);
    for (int i = 0; i < n; i++) {
        if (events[i].data.ptr == NULL)
            (void)eventfd_read(hooks->wakeup, &woken);
        else
            prov_hook_exec_step(events[i].data.ptr);
    }
}

/* What the kernel would not let go of in time stays a zombie of the process that ends. */
static void thread_ends(struct prov_hooks *hooks)
{
    struct prov_hook_run *run;

    while ((run = hooks->runs) != NULL) {
        hooks->runs = run->next;
        if (run->child.fd[CHILD_PID] != -1)
            (void)close(run->child.fd[CHILD_PID]);
        leave_queue(hooks, run->queue);
        free(run);
    }
    prov_hook_http_end(hooks);
}

void *prov_hook_main(void *arg)
{
    struct prov_hooks *hooks = arg;
    uint64_t stopped_us = 0;

    (void)pthread_setname_np(pthread_self(), "prov-hook");
    for (;;) {
        const struct turn turn = take_turn(hooks);
        bool moved;

        do_turn(hooks, &turn);
        prov_hook_http_step(hooks);
        for (struct prov_hook_run *run = hooks->runs; run != NULL; run = run->next) {
            if (needs_polling(run))
                prov_hook_exec_step(run);
        }
        moved = sweep(hooks, turn.stopping);
        if (turn.stopping && stopped_us == 0)
            stopped_us = prov_hook_now_us();
        if (turn.stopping &&
            (hooks->runs == NULL || prov_hook_now_us() - stopped_us >= STOP_PATIENCE_US))
            break;
        wait_for_events(hooks, moved || turn.more ? 0
                               : turn.stopping    ? GONE_POLL_MS
                                                  : patience_ms(hooks, turn.until_us));
    }
    thread_ends(hooks);
    return NULL;
}
