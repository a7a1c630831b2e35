/*
 * keypool.h - private keys made ahead, so that nobody waits for one (an RSA key takes a fifth of a
 * second).
 *
 * One thread, nicer than the broker, makes keys until `ready` of them wait; it starts with the
 * first call of prov_keypool_take or prov_keypool_warm. Keys are in memory only and are wiped.
 */
#ifndef PROV_KEYPOOL_H
#define PROV_KEYPOOL_H

#include "core/keys.h"

struct prov_keypool;

struct prov_keypool_conf {
    enum prov_key_type type;
    unsigned ready; /* keys made ahead, 0 to PROV_MAX_KEYPOOL; 0: made when asked for */
    unsigned limit; /* callers that wait for a key at once; 1 at least */
};

#define PROV_MAX_KEYPOOL 4096

/* Somebody who waits for a key. The caller's, but the pool's until done. */
struct prov_key_wait {
    struct prov_key key; /* the caller's from done on; empty when rc is not PROV_OK */
    enum prov_rc rc;     /* PROV_EBUSY: the pool stops; others as prov_key_make */
    void (*done)(struct prov_key_wait *wait); /* the pool's thread, or prov_keypool_stop's; once */
    void *ctx;
    struct prov_key_wait *next; /* the pool's */
};

/* PROV_EINVAL for numbers out of range; PROV_ENOMEM. */
PROV_MUST_USE enum prov_rc prov_keypool_new(const struct prov_keypool_conf *conf,
                                            struct prov_keypool **out);

/* Starts making keys. PROV_ENOMEM: no thread to be had (tried again with the next call);
 * PROV_EBUSY: the pool has stopped. Thread: any. */
PROV_MUST_USE enum prov_rc prov_keypool_warm(struct prov_keypool *pool);

/*
 * Never waits. PROV_OK and *queued false: wait->key is a key, and done is not called;
 * PROV_OK and *queued true: none is ready, and done comes later (or has come already), with keys
 * handed out in the order of the calls. PROV_EBUSY: too many wait, or the pool has stopped;
 * PROV_ENOMEM: no thread. Thread: any.
 */
PROV_MUST_USE enum prov_rc prov_keypool_take(struct prov_keypool *pool, struct prov_key_wait *wait,
                                             bool *queued);

/* Waits for the key that is being made, if one is, calls done of all that wait then with PROV_EBUSY
 * and wipes what is ready. Thread: the one that made the pool. NULL is accepted. */
void prov_keypool_stop(struct prov_keypool *pool);
/* After prov_keypool_stop, or instead of it; nobody else may use the pool any more. NULL is
 * accepted. */
void prov_keypool_free(struct prov_keypool *pool);

struct prov_keypool_stats {
    uint64_t made, taken;
    uint64_t waited, refused; /* callers that found none ready; that were too many */
    unsigned ready, waiting;  /* now */
};
void prov_keypool_stats(struct prov_keypool *pool, struct prov_keypool_stats *out); /* any thread */

#endif
