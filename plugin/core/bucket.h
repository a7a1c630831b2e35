/*
 * bucket.h - token buckets for many keys in bounded memory: who comes too often waits, and nobody
 * else does.
 *
 * A bucket holds `burst` tokens at first and gains `per_s` a second. Keys are hashed with a secret
 * of the table's own, so that an outsider cannot choose keys that share a place; two keys share a
 * bucket with a chance of one in 2^64. A key has eight places that it may be in: when all are taken
 * the bucket that is fullest is forgotten, which would have let its key in soonest anyway.
 *
 * Time is an argument, in milliseconds of a clock that does not go back. One that does costs nobody
 * tokens, and holds a bucket up for no longer than it takes to fill. Thread: one at a time.
 */
#ifndef PROV_BUCKET_H
#define PROV_BUCKET_H

#include "base.h"

struct prov_buckets;

#define PROV_MAX_BUCKETS (UINT32_C(1) << 24)

struct prov_buckets_conf {
    uint32_t per_s; /* 0: no limit, nothing is kept and every take is granted */
    uint32_t burst; /* at least 1 */
    uint32_t keys;  /* buckets at most, 1 to PROV_MAX_BUCKETS; rounded up to 8 times a power of two;
                       24 bytes each */
};

/* secret: 16 random bytes. PROV_EINVAL, PROV_ENOMEM. */
PROV_MUST_USE enum prov_rc prov_buckets_new(const struct prov_buckets_conf *conf,
                                            const uint8_t secret[static 16],
                                            struct prov_buckets **out);
void prov_buckets_free(struct prov_buckets *table); /* NULL is accepted */

/* Takes a token; false: there is none, and none is taken. Constant time, no allocation. */
bool prov_buckets_take(struct prov_buckets *table, struct prov_span key, int64_t now_ms);
/* Would there be one? Takes nothing. */
bool prov_buckets_peek(const struct prov_buckets *table, struct prov_span key, int64_t now_ms);

#endif
