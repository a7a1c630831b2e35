/*
 * wake.h - ends the sleep of the broker's thread when finished work waits for it (design D5).
 *
 * The broker sleeps up to 100 ms in epoll_wait and no mosquitto_* call may be made from another
 * thread, so it is woken by a signal that nobody else uses.
 *
 * A signal that arrives while the broker is at work ends no sleep: the broker goes to sleep right
 * after it. With publishing to do between two sleeps that is every tenth signal and costs 100 ms.
 * So the signal comes from a timer that goes on, once a millisecond, until it is heard. That also
 * lets the broker's own thread ask for another round of its loop.
 */
#ifndef PROV_WAKE_H
#define PROV_WAKE_H

#include "core/base.h"

struct prov_wake;

/*
 * broker: the calling thread becomes the one to wake. Takes the first real-time signal from
 * SIGRTMIN+7 on that has no handler and is not ignored. PROV_ECONFLICT when every one is taken,
 * PROV_ENOMEM; without a wake the broker finds finished work at its next tick.
 */
PROV_MUST_USE enum prov_rc prov_wake_new(struct prov_wake **out);

/* any thread: wakes the broker. wake is a struct prov_wake, so that this is a prov_pool_conf.wake.
 * Until it is heard, further calls do nothing. */
void prov_wake_send(void *wake);

/* broker: ends the waking. Called before looking for what there is to do, so that work finished
 * after the look wakes anew. One atomic load when nobody woke. NULL is accepted. */
void prov_wake_heard(struct prov_wake *wake);

/* broker: puts back what the signal did before. Nobody may send any more: the pool is freed first.
 * NULL is accepted. */
void prov_wake_free(struct prov_wake *wake);

#endif
