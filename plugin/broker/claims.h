/*
 * claims.h - what is remembered of claims while the broker runs: how much of theirs is under way,
 * how fast they ask, how often they were refused. None of it is durable: a restart forgives.
 *
 * Thread: broker.
 */
#ifndef PROV_CLAIMS_H
#define PROV_CLAIMS_H

#include "core/claim.h"
#include "plugin.h"

PROV_MUST_USE enum prov_rc prov_claims_new(struct prov_claims **out);
void prov_claims_free(struct prov_claims *claims); /* NULL is accepted */

/*
 * A request of this claim, of so many bytes, that asks for a certificate or does not: may it go on
 * its way? PROV_REASON_NONE, and prov_claims_leave is due at its end; or THROTTLED (claim_per_s),
 * CLAIM_RATE (the claim's own limit), BUSY (one claim takes half of what all may at the most);
 * *detail then says more, static text.
 */
enum prov_reason prov_claims_enter(struct prov_plugin *pl, const struct prov_id *claim,
                                   size_t bytes, bool create, const char **detail);
void prov_claims_leave(struct prov_plugin *pl, const struct prov_id *claim, size_t bytes);

/* A request of it was refused: suspends the claim when that was once too often. */
void prov_claims_refused(struct prov_plugin *pl, const struct prov_id *claim,
                         enum prov_reason reason);

#endif
