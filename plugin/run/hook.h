/*
 * hook.h - runs hooks: programs and HTTPS services that answer a JSON object with another, many at
 * once, on one thread of their own, each with a deadline. core/hook.h has what is said.
 *
 * A program is started with posix_spawn in a process group of its own, nicer than the broker, with
 * a clean environment (PATH, LANG; PROV_HOOK=1), signals as at login, "/" as its directory and no
 * descriptor but its standard ones: the request on stdin, the answer expected on stdout, and
 * stderr, whose last line tells what went wrong. It must lie in the configured directory, after
 * symbolic links are followed; exit status 0 means that its answer counts, which is what was
 * written by then. At the deadline, and when it has ended, the whole group is killed; what a
 * program starts in another session (setsid) is beyond that, and is not waited for.
 *
 * A service gets a POST of application/json over TLS, verified by name against cafile or the
 * system's authorities; connections are kept for the next call, and a request that finds its kept
 * connection closed is sent once more on a new one; redirects are not followed and no proxy is
 * used, whatever the environment says; status 200 means that its answer counts.
 *
 * Each hook (each spec) has `limit` calls under way at most, and as many again waiting, whose wait
 * counts towards their deadline: one hook that hangs delays nobody else's. A program that was
 * killed holds its place until the kernel has let go of it. A program under way takes four
 * descriptors, a call of a service one.
 */
#ifndef PROV_RUN_HOOK_H
#define PROV_RUN_HOOK_H

#include "core/base.h"
#include "core/hook.h"

/* Copied by prov_hooks_new. */
struct prov_hooks_conf {
    const char *dir;     /* absolute: where programs must lie; looked at when one is started */
    const char *cafile;  /* PEM, instead of the system's authorities; NULL: those. Read again when a
                            connection is made and the last reading is over a minute old. */
    unsigned timeout_ms; /* of a call, from submit on; 1 to PROV_MAX_HOOK_TIMEOUT_MS */
    unsigned limit;      /* calls of one hook at once, 1 to PROV_MAX_HOOK_CALLS */
};

#define PROV_MAX_HOOK_TIMEOUT_MS 600000
#define PROV_MAX_HOOK_CALLS 1000

/* How a call ended, for the log, the attempt and the metrics. */
enum prov_hook_end {
    PROV_HOOK_ANSWERED,
    PROV_HOOK_TIMEOUT,
    PROV_HOOK_NOT_STARTED, /* no such program, outside dir, not executable; no process, memory or
                              thread to be had */
    PROV_HOOK_FAILED,      /* exit status, signal; HTTP status */
    PROV_HOOK_UNREACHABLE, /* name, connection, TLS, HTTP */
    PROV_HOOK_TOO_LARGE,   /* answered more than PROV_MAX_HOOK_ANSWER; a flood on stderr or of
                              headers */
    PROV_HOOK_BUSY,        /* too many calls of this hook */
    PROV_HOOK_CANCELLED,   /* the broker stops */
    PROV_HOOK_ENDS
};

/* "timeout", "not-started" …; never NULL. */
const char *prov_hook_end_name(enum prov_hook_end end);

/* One call. The caller's, but the runner's from submit to done. Zeroed but for what is asked. */
struct prov_hook_call {
    /* what is asked */
    const char *spec;         /* checked by prov_hook_spec_parse; lives until done */
    struct prov_span request; /* likewise */
    /* hook thread: called exactly once for each call that submit took; may free it, may submit.
     * The broker's thread may be waiting in prov_hooks_stop, so it must not wait for that. */
    void (*done)(struct prov_hook_call *call);
    void *ctx;
    /* how it went */
    enum prov_hook_end end;
    struct prov_buf answer; /* of PROV_HOOK_ANSWERED; the caller releases it in any case */
    char detail[256];       /* "exit status 3: no such serial", "HTTP status 500"; printable ASCII;
                               empty when answered */
    uint64_t took_us;       /* from submit to its end */
    /* the runner's */
    uint64_t submitted_us;
    struct prov_hook_queue *queue;
    struct prov_hook_call *next;
};

struct prov_hooks;

/* No thread yet. PROV_EINVAL: numbers out of range, dir not absolute; PROV_ENOMEM. Thread: broker,
 * at start. */
PROV_MUST_USE enum prov_rc prov_hooks_new(const struct prov_hooks_conf *conf,
                                          struct prov_hooks **out);

/*
 * Never waits. The thread starts with the first call. PROV_EBUSY: too many calls of this hook, or
 * stopped; PROV_ENOMEM: no memory or no thread to be had (tried again with the next call). Then the
 * call is still the caller's, done is not called, and end and detail are filled in. Thread: any.
 */
PROV_MUST_USE enum prov_rc prov_hooks_submit(struct prov_hooks *hooks, struct prov_hook_call *call);

/*
 * Cancels what is under way or waiting (done is called), kills its processes, joins the thread;
 * submit says PROV_EBUSY from now on. Waits a second at most for killed processes to be gone.
 * Thread: broker. NULL is accepted.
 */
void prov_hooks_stop(struct prov_hooks *hooks);
/* After prov_hooks_stop, or instead of it. NULL is accepted. */
void prov_hooks_free(struct prov_hooks *hooks);

/* Since the start. calls counts what was submitted, taken or not; each ends once. */
struct prov_hooks_stats {
    uint64_t calls, ends[PROV_HOOK_ENDS];
    uint64_t took_us_total, took_us_max; /* of those that answered */
    unsigned running, waiting; /* now; killed programs count as running until they are gone */
};
void prov_hooks_stats(struct prov_hooks *hooks, struct prov_hooks_stats *out); /* any thread */

#endif
