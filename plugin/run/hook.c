#include "hook_priv.h"

#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "thread.h"

void prov_hook_lock(struct prov_hooks *hooks)
{
    (void)pthread_mutex_lock(&hooks->lock);
}

void prov_hook_unlock(struct prov_hooks *hooks)
{
    (void)pthread_mutex_unlock(&hooks->lock);
}

uint64_t prov_hook_now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static const char *const end_names[] = {
    [PROV_HOOK_ANSWERED] = "answered",
    [PROV_HOOK_TIMEOUT] = "timeout",
    [PROV_HOOK_NOT_STARTED] = "not-started",
    [PROV_HOOK_FAILED] = "failed",
    [PROV_HOOK_UNREACHABLE] = "unreachable",
    [PROV_HOOK_TOO_LARGE] = "too-large",
    [PROV_HOOK_BUSY] = "busy",
    [PROV_HOOK_CANCELLED] = "cancelled",
};
_Static_assert(PROV_COUNT(end_names) == PROV_HOOK_ENDS, "an end was added without a name");

const char *prov_hook_end_name(enum prov_hook_end end)
{
    return (unsigned)end < PROV_HOOK_ENDS ? end_names[end] : "unknown";
}

/* ---- how calls end --------------------------------------------------------------------------- */

void prov_hook_call_vends(struct prov_hook_call *call, enum prov_hook_end end, const char *fmt,
                          va_list args)
{
    call->end = end;
    (void)vsnprintf(call->detail, sizeof call->detail, fmt, args);
    for (char *c = call->detail; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~')
            *c = '?';
    }
}

void prov_hook_call_ends(struct prov_hook_call *call, enum prov_hook_end end, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    prov_hook_call_vends(call, end, fmt, args);
    va_end(args);
}

/* ---- queues ---------------------------------------------------------------------------------- */

static void list_push(struct call_list *list, struct prov_hook_call *call)
{
    call->next = NULL;
    if (list->tail == NULL)
        list->head = call;
    else
        list->tail->next = call;
    list->tail = call;
}

/* NULL: out of memory. */
static struct prov_hook_queue *queue_of(struct prov_hooks *hooks, const char *spec)
{
    struct prov_hook_queue *q = hooks->queues;

    while (q != NULL && strcmp(q->spec, spec) != 0)
        q = q->next;
    if (q != NULL)
        return q;
    q = calloc(1, sizeof *q);
    if (q == NULL)
        return NULL;
    q->spec = prov_span_dup(prov_span_str(spec));
    if (q->spec == NULL) {
        free(q);
        return NULL;
    }
    q->next = hooks->queues;
    hooks->queues = q;
    return q;
}

void prov_hook_queue_tidy(struct prov_hooks *hooks, struct prov_hook_queue *q)
{
    struct prov_hook_queue **at = &hooks->queues;

    if (q->n_running != 0 || q->n_waiting != 0)
        return;
    while (*at != q)
        at = &(*at)->next;
    *at = q->next;
    free(q->spec);
    free(q);
}

/* ---- starting -------------------------------------------------------------------------------- */

static bool make_epoll(struct prov_hooks *hooks)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
    const int epoll = epoll_create1(EPOLL_CLOEXEC);

    if (epoll == -1)
        return false;
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, hooks->wakeup, &event) == 0) {
        hooks->epoll = epoll;
        return true;
    }
    (void)close(epoll);
    return false;
}

static void wake(const struct prov_hooks *hooks)
{
    (void)eventfd_write(hooks->wakeup, 1);
}

/* Under the lock. What could be made is kept for the next try. */
static bool start(struct prov_hooks *hooks)
{
    if (hooks->started)
        return true;
    if (hooks->wakeup == -1)
        hooks->wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (hooks->wakeup == -1 || (hooks->epoll == -1 && !make_epoll(hooks)))
        return false;
    hooks->started = prov_thread_start(&hooks->thread, prov_hook_main, hooks);
    return hooks->started;
}

/* ---- what others call ------------------------------------------------------------------------ */

enum prov_rc prov_hooks_new(const struct prov_hooks_conf *conf, struct prov_hooks **out)
{
    struct prov_hooks *hooks;

    *out = NULL;
    if (conf->limit == 0 || conf->limit > PROV_MAX_HOOK_CALLS || conf->timeout_ms == 0 ||
        conf->timeout_ms > PROV_MAX_HOOK_TIMEOUT_MS || conf->dir == NULL || conf->dir[0] != '/')
        return PROV_EINVAL;
    hooks = calloc(1, sizeof *hooks);
    if (hooks == NULL)
        return PROV_ENOMEM;
    hooks->conf = *conf;
    hooks->epoll = hooks->wakeup = -1;
    hooks->dir = prov_span_dup(prov_span_str(conf->dir));
    hooks->cafile = conf->cafile == NULL ? NULL : prov_span_dup(prov_span_str(conf->cafile));
    (void)pthread_mutex_init(&hooks->lock, NULL);
    if (hooks->dir == NULL || (conf->cafile != NULL && hooks->cafile == NULL)) {
        prov_hooks_free(hooks);
        return PROV_ENOMEM;
    }
    *out = hooks;
    return PROV_OK;
}

/* Under the lock: puts the call into its queue, or says why not. */
static enum prov_rc enqueue(struct prov_hooks *hooks, struct prov_hook_call *call)
{
    struct prov_hook_queue *q;

    if (hooks->stopping) {
        prov_hook_call_ends(call, PROV_HOOK_CANCELLED, "the broker stops");
        return PROV_EBUSY;
    }
    q = queue_of(hooks, call->spec);
    if (q == NULL) {
        prov_hook_call_ends(call, PROV_HOOK_NOT_STARTED, "out of memory");
        return PROV_ENOMEM;
    }
    if (q->n_running + q->n_waiting >= 2 * hooks->conf.limit) {
        prov_hook_call_ends(call, PROV_HOOK_BUSY, "%u calls of this hook run or wait already",
                            q->n_running + q->n_waiting);
        return PROV_EBUSY;
    }
    if (!start(hooks)) {
        prov_hook_queue_tidy(hooks, q);
        prov_hook_call_ends(call, PROV_HOOK_NOT_STARTED, "no thread to be had");
        return PROV_ENOMEM;
    }
    call->queue = q;
    call->submitted_us = prov_hook_now_us();
    list_push(&q->waiting, call);
    q->n_waiting++;
    hooks->stats.waiting++;
    return PROV_OK;
}

enum prov_rc prov_hooks_submit(struct prov_hooks *hooks, struct prov_hook_call *call)
{
    enum prov_rc rc;

    call->end = PROV_HOOK_ANSWERED;
    call->detail[0] = '\0';
    call->took_us = 0;
    prov_buf_init(&call->answer, PROV_MAX_HOOK_ANSWER);
    prov_hook_lock(hooks);
    rc = enqueue(hooks, call);
    hooks->stats.calls++;
    if (rc == PROV_OK)
        wake(hooks);
    else
        hooks->stats.ends[call->end]++;
    prov_hook_unlock(hooks);
    return rc;
}

void prov_hooks_stop(struct prov_hooks *hooks)
{
    bool started;

    if (hooks == NULL)
        return;
    prov_hook_lock(hooks);
    hooks->stopping = true;
    started = hooks->started;
    hooks->started = false;
    if (started)
        wake(hooks);
    prov_hook_unlock(hooks);
    if (started)
        (void)pthread_join(hooks->thread, NULL);
}

void prov_hooks_free(struct prov_hooks *hooks)
{
    if (hooks == NULL)
        return;
    prov_hooks_stop(hooks);
    if (hooks->epoll != -1)
        (void)close(hooks->epoll);
    if (hooks->wakeup != -1)
        (void)close(hooks->wakeup);
    (void)pthread_mutex_destroy(&hooks->lock);
    free(hooks->dir);
    free(hooks->cafile);
    free(hooks);
}

void prov_hooks_stats(struct prov_hooks *hooks, struct prov_hooks_stats *out)
{
    prov_hook_lock(hooks);
    *out = hooks->stats;
    prov_hook_unlock(hooks);
}
