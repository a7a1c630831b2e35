/*
 * thread.h - a thread of the plugin's own, in somebody else's process.
 *
 * Threads begin with the signal mask of the one that makes them. The broker's signals, and the
 * wake, must interrupt the broker's thread and no other; SIGPIPE costs such a thread an EPIPE and
 * nothing more; a fault of a thread's own stays visible to whatever reports crashes.
 */
#ifndef PROV_THREAD_H
#define PROV_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/* False: the system has no thread to give. Thread: any. */
bool prov_thread_start(pthread_t *out, void *(*main)(void *arg), void *arg);

#endif
