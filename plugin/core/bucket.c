#include "bucket.h"

#include <stdlib.h>

#include <openssl/crypto.h>

#include "siphash.h"

#define WAYS 8 /* places of one key: 192 bytes, three cache lines */
#define TOKEN 1000

/* In thousandths of a token, so that per_s of them come in a millisecond. All zero is a free place:
 * a full bucket is the same as none. */
struct bucket {
    uint64_t tag;
    uint64_t missing; /* at `at_ms` */
    int64_t at_ms;
};

struct prov_buckets {
    uint8_t secret[16];
    uint32_t per_s;
    uint64_t capacity;      /* burst, in thousandths */
    uint64_t fill_ms;       /* from empty to full */
    uint64_t mask;          /* sets of WAYS, less one */
    struct bucket *buckets; /* NULL: no limit */
};

enum prov_rc prov_buckets_new(const struct prov_buckets_conf *conf, const uint8_t secret[static 16],
                              struct prov_buckets **out)
{
    struct prov_buckets *table;
    size_t sets = 1;

    *out = NULL;
    if (conf->burst == 0 || conf->keys == 0 || conf->keys > PROV_MAX_BUCKETS)
        return PROV_EINVAL;
    table = calloc(1, sizeof *table);
    if (table == NULL)
        return PROV_ENOMEM;
    *out = table;
    if (conf->per_s == 0)
        return PROV_OK;
    while (sets * WAYS < conf->keys)
        sets *= 2;
    table->buckets = calloc(sets * WAYS, sizeof *table->buckets);
    if (table->buckets == NULL) {
        free(table);
        *out = NULL;
        return PROV_ENOMEM;
    }
    memcpy(table->secret, secret, sizeof table->secret);
    table->per_s = conf->per_s;
    table->capacity = (uint64_t)conf->burst * TOKEN;
    table->fill_ms = (table->capacity + conf->per_s - 1) / conf->per_s;
    table->mask = sets - 1;
    return PROV_OK;
}

void prov_buckets_free(struct prov_buckets *table)
{
    if (table == NULL)
        return;
    OPENSSL_cleanse(table->secret, sizeof table->secret);
    free(table->buckets);
    free(table);
}

static uint64_t missing_now(const struct prov_buckets *table, const struct bucket *b,
                            int64_t now_ms)
{
    const bool back = now_ms < b->at_ms;
    /* unsigned, for the two may be further apart than an int64_t reaches */
    const uint64_t apart_ms =
        back ? (uint64_t)b->at_ms - (uint64_t)now_ms : (uint64_t)now_ms - (uint64_t)b->at_ms;
    uint64_t gained;

    if (apart_ms >= table->fill_ms) /* so the product below is small */
        return 0;
    gained = back ? 0 : apart_ms * table->per_s;
    return gained < b->missing ? b->missing - gained : 0;
}

/* The low bits choose the set, and all of them tell keys apart. */
static struct bucket *set_of(const struct prov_buckets *table, uint64_t tag)
{
    return table->buckets + (tag & table->mask) * WAYS;
}

static struct bucket *find(struct bucket *set, uint64_t tag)
{
    for (unsigned i = 0; i < WAYS; i++) {
        if (set[i].tag == tag)
            return &set[i];
    }
    return NULL;
}

static struct bucket *fullest(const struct prov_buckets *table, struct bucket *set, int64_t now_ms)
{
    struct bucket *best = set;
    uint64_t least = missing_now(table, set, now_ms), missing;

    for (unsigned i = 1; i < WAYS && least != 0; i++) {
        missing = missing_now(table, &set[i], now_ms);
        if (missing < least) {
            least = missing;
            best = &set[i];
        }
    }
    return best;
}

bool prov_buckets_take(struct prov_buckets *table, struct prov_span key, int64_t now_ms)
{
    struct bucket *set, *b;
    uint64_t tag, missing = 0;
    bool granted;

    if (table->buckets == NULL)
        return true;
    tag = prov_siphash(table->secret, key);
    set = set_of(table, tag);
    b = find(set, tag);
    if (b != NULL)
        missing = missing_now(table, b, now_ms);
    else
        b = fullest(table, set, now_ms);
    granted = missing + TOKEN <= table->capacity;
    *b = (struct bucket){ tag, granted ? missing + TOKEN : missing, now_ms };
    return granted;
}

bool prov_buckets_peek(const struct prov_buckets *table, struct prov_span key, int64_t now_ms)
{
    const struct bucket *b;
    uint64_t tag;

    if (table->buckets == NULL)
        return true;
    tag = prov_siphash(table->secret, key);
    b = find(set_of(table, tag), tag);
    return b == NULL || missing_now(table, b, now_ms) + TOKEN <= table->capacity;
}
