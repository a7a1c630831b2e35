/*
 * report.h - one refusal: one log line and one attempt record, however many come (design D11).
 *
 * The same refusal of the same device within a second is counted, not written; the next one that is
 * written tells how many. What waits to be written is bounded, apart from the registrations' own
 * bound, so that a flood of refusals cannot crowd out devices that are let in. Thread: broker.
 */
#ifndef PROV_REPORT_H
#define PROV_REPORT_H

#include "plugin.h"
#include "run/log.h"

struct prov_refusal {
    enum prov_reason reason;
    struct prov_id cert, ca;         /* zero: not known */
    const char *client_id, *address; /* NULL: not known */
    X509 *leaf;                      /* for its common name; may be NULL */
    struct prov_span detail;         /* may be empty; device text */
    bool request;                    /* of a client that stays connected: it is no connection that
                                        is refused */
};

PROV_MUST_USE enum prov_rc prov_reports_new(struct prov_reports **out);
void prov_reports_free(struct prov_reports *reports); /* NULL is accepted */

void prov_report(struct prov_plugin *pl, const struct prov_refusal *refusal);

/* The line alone, for an attempt that somebody else writes. outcome: "refused", "provisioned" … */
void prov_report_log(enum prov_level level, const char *outcome, prov_attempt_id attempt,
                     const struct prov_refusal *refusal);

/* How many refusals were not recorded, for they came too fast. */
uint64_t prov_reports_dropped(const struct prov_reports *reports);

/* A fresh attempt id. */
prov_attempt_id prov_report_attempt(struct prov_plugin *pl);

#endif
