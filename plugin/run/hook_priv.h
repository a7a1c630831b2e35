/*
 * hook_priv.h - what the runner's files share: hook.c takes calls, hook_loop.c is the
 * thread, hook_exec.c and hook_http.c are what it does to programs and services.
 */
#ifndef PROV_HOOK_PRIV_H
#define PROV_HOOK_PRIV_H

#include <pthread.h>
#include <stdarg.h>
#include <sys/types.h>

#include "curl.h"
#include "hook.h"

/* First in, first out, linked through the calls. */
struct call_list {
    struct prov_hook_call *head, *tail;
};

/* The calls of one hook; there while it has any. */
struct prov_hook_queue {
    char *spec;
    unsigned n_running, n_waiting;
    struct call_list waiting; /* in the order of their deadlines, for all have the same timeout */
    struct prov_hook_queue *next;
};

struct prov_hooks {
    struct prov_hooks_conf conf; /* the numbers of it, and of its strings */
    char *dir, *cafile;          /* copies */

    pthread_mutex_t lock; /* guards what stands from here on */
    struct prov_hook_queue *queues;
    struct prov_hooks_stats stats;
    bool stopping;
    bool started; /* then the rest is there and does not change */

    pthread_t thread;
    int epoll;  /* what programs have to say; data.ptr is the prov_hook_run, or NULL for wakeup */
    int wakeup; /* an eventfd */

    /* the hook thread's alone */
    struct prov_hook_run *runs;
    const struct prov_curl *curl; /* these three come with the first call of a service */
    CURLM *multi;
    struct curl_slist *headers;
};

/* Our ends of a program's pipes, and what tells of its end. */
enum { CHILD_IN, CHILD_OUT, CHILD_ERR, CHILD_PID, CHILD_FDS };

#define HOOK_LAST_WORDS 160 /* bytes */

struct hook_child {
    pid_t pid;         /* 0: none, or reaped; until then nobody else can have the number */
    int fd[CHILD_FDS]; /* -1: none, or closed. CHILD_PID: a kernel without pidfd_open is polled */
    size_t sent;       /* of the request */
    size_t n_err;      /* bytes read from stderr */
    char line[HOOK_LAST_WORDS]; /* the last that is not empty of them, as far as it fits */
    size_t n_line;
    bool line_over;
};

struct hook_exchange {
    CURL *easy;
    size_t n_headers, n_body; /* bytes */
    bool too_large;
    char error[CURL_ERROR_SIZE];
};

/* A call under way. Thread: hook. */
struct prov_hook_run {
    struct prov_hooks *hooks;
    struct prov_hook_queue *queue;
    struct prov_hook_call *call; /* NULL: done; its program is killed but not yet gone */
    bool ended;                  /* the call's end and detail are set; to be finished */
    struct hook_child child;
    struct hook_exchange http;
    struct prov_hook_run *next;
};

/* ---- hook.c ---------------------------------------------------------------------------------- */

void prov_hook_lock(struct prov_hooks *hooks);
void prov_hook_unlock(struct prov_hooks *hooks);
uint64_t prov_hook_now_us(void); /* monotonic */
/* Forgets a queue that has no calls left. Under the lock. */
void prov_hook_queue_tidy(struct prov_hooks *hooks, struct prov_hook_queue *q);
/* Sets end and detail, in which what does not print becomes '?'. */
PROV_PRINTF(3, 4)
void prov_hook_call_ends(struct prov_hook_call *call, enum prov_hook_end end, const char *fmt, ...);
PROV_PRINTF(3, 0)
void prov_hook_call_vends(struct prov_hook_call *call, enum prov_hook_end end, const char *fmt,
                          va_list args);

/* ---- hook_loop.c ----------------------------------------------------------------------------- */

void *prov_hook_main(void *arg); /* the thread; arg is the prov_hooks */
/* The same of a call under way, of which the first end counts; it is finished in the next sweep. */
PROV_PRINTF(3, 4)
void prov_hook_ends(struct prov_hook_run *run, enum prov_hook_end end, const char *fmt, ...);
/* Adds to the answer; ends the call when it gets too large. */
void prov_hook_take(struct prov_hook_run *run, struct prov_span bytes);

/* ---- hook_exec.c: programs ------------------------------------------------------------------- */

/* Starts it, or ends the call. */
void prov_hook_exec_start(struct prov_hook_run *run, const char *path);
/* Reads and writes what can be without waiting; ends the call when the program has ended. */
void prov_hook_exec_step(struct prov_hook_run *run);
/* Kills the group and closes the pipes; whether it is gone, prov_hook_exec_gone knows. */
void prov_hook_exec_kill(struct prov_hook_run *run);
/* Reaps it if it can be; true when there is no process (any more). */
bool prov_hook_exec_gone(struct prov_hook_run *run);
/* ": " and the last line of stderr, or "". */
const char *prov_hook_exec_words(const struct prov_hook_run *run, char out[HOOK_LAST_WORDS + 3]);

/* ---- hook_http.c: services ------------------------------------------------------------------- */

/* Sends the request, or ends the call. */
void prov_hook_http_start(struct prov_hook_run *run, const char *url);
/* Moves all exchanges on as far as they go without waiting; ends the calls of those that are over.
 */
void prov_hook_http_step(struct prov_hooks *hooks);
void prov_hook_http_drop(struct prov_hook_run *run);
/* Closes the connections that were kept. On the hook thread, where SIGPIPE is blocked: they are
 * closed with a message. */
void prov_hook_http_end(struct prov_hooks *hooks);

#endif
