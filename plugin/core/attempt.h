/*
 * attempt.h - the bounded log of what devices tried and how it went (design D11).
 */
#ifndef PROV_ATTEMPT_H
#define PROV_ATTEMPT_H

#include "reason.h"
#include "registry.h"

/* Milliseconds since 1970 times 2^20 plus a counter: sorts by time; shown as 16 hex digits. */
typedef uint64_t prov_attempt_id;

struct prov_attempt {
    prov_attempt_id id;
    int64_t at_ms;
    enum prov_reason reason;
    struct prov_id cert, ca;      /* zero: not known */
    struct prov_span client_id;   /* empty before CONNECT */
    struct prov_span address;     /* of the peer, as text without port */
    struct prov_span common_name; /* of the certificate's subject */
    struct prov_span
        detail; /* what only this attempt knows: the template's error, the topic, the key size */
    uint32_t repeats; /* how many more like it were not written because they came too fast */
};

#define PROV_ATTEMPT_HEX 16

/* last is the id handed out before, 0 at first: the result is larger. */
prov_attempt_id prov_attempt_next_id(prov_attempt_id last, int64_t now_ms);
void prov_attempt_id_text(prov_attempt_id id, char out[static PROV_ATTEMPT_HEX + 1]);

/*
 * write transaction. Longer texts are cut at 512 bytes. Forgets the oldest beyond
 * PROV_MAX_ATTEMPTS. The time is in the id; at_ms is not looked at.
 */
PROV_MUST_USE enum prov_rc prov_attempt_put(struct prov_tx *tx, const struct prov_attempt *attempt);

/* Newest first until visit returns false; visit may read, and must not write. Records that do not
 * decode are passed over (prov_registry_check tells of them). */
PROV_MUST_USE enum prov_rc
prov_attempt_each(struct prov_tx *tx, bool (*visit)(void *ctx, const struct prov_attempt *attempt),
                  void *ctx);
/* The same of those that are older than `before`; 0: all. */
PROV_MUST_USE enum prov_rc
prov_attempt_each_before(struct prov_tx *tx, prov_attempt_id before,
                         bool (*visit)(void *ctx, const struct prov_attempt *attempt), void *ctx);

#endif
