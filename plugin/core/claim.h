/*
 * claim.h - what the holder of a claim certificate may provision, as data (design D11): an ordinary
 * certificate shared by many devices, and the limits that the operator gave it.
 *
 * A certificate without limits is held by its policies alone, as on AWS IoT. Limits are asked with
 * each of the three operations; those of one claim never touch another's. They go with their
 * certificate. The change feed is told when limits change (PROV_CHANGED_CERT), but neither of uses
 * nor of values put on a list or taken off it: there can be a million of those.
 *
 * Thread: that of the transaction.
 */
#ifndef PROV_CLAIM_H
#define PROV_CLAIM_H

#include "reason.h"
#include "registry.h"

struct prov_claim {
    struct prov_id cert;
    struct prov_span templates[PROV_MAX_CLAIM_TEMPLATES]; /* none: any that its policy allows */
    size_t n_templates;
    uint32_t max_uses;     /* things registered with it, in all; 0: no limit */
    uint32_t uses;         /* so far */
    uint32_t rate, rate_s; /* certificates in that many seconds, in the long run, and at once;
                              0: no limit */
    int64_t not_before_ms, not_after_ms; /* from the first on, until just before the second; 0:
                                            open */
    struct prov_span networks[PROV_MAX_CLAIM_NETWORKS]; /* CIDR text, as it was given; none: any */
    size_t n_networks;
    struct prov_span listed[PROV_MAX_CLAIM_PARAMETERS]; /* parameters whose value must be on the
                                                           list */
    size_t n_listed;
    uint32_t values;        /* on all the lists together */
    uint32_t suspend_after; /* refused requests within an hour; 0: the setting */
    int64_t suspended_ms;   /* 0: it is not */
    struct prov_span suspended_why;
    int64_t modified_ms; /* of the limits; uses and values aside */
};

/* PROV_ENOTFOUND without a message: it has no limits (*out is then one without). */
PROV_MUST_USE enum prov_rc prov_claim_get(struct prov_tx *tx, const struct prov_id *cert,
                                          struct prov_claim *out);

/* NULL fields stay as they are; lists replace lists. */
struct prov_claim_change {
    const struct prov_span *templates; /* must exist and be of type FLEET_PROVISIONING; they cannot
                                          be deleted while a claim is limited to them */
    const struct prov_span *networks;  /* "192.0.2.0/24", "2001:db8::/32", an address alone
                                          (prov_claim_network) */
    size_t n_templates, n_networks;
    const uint32_t *max_uses, *uses, *rate, *rate_s, *suspend_after;
    const int64_t *not_before_ms, *not_after_ms;
};
/*
 * Limits a certificate, which must be registered and no temporary one (CertificateStateException),
 * in addition to the limits it has. PROV_EINVAL: a network that is none, a window that ends before
 * it begins, a rate without its seconds, more entries than there may be.
 */
PROV_MUST_USE enum prov_rc prov_claim_update(struct prov_tx *tx, const struct prov_id *cert,
                                             const struct prov_claim_change *change);
/* No limits any more, allow lists included. What has none is PROV_OK. */
PROV_MUST_USE enum prov_rc prov_claim_clear(struct prov_tx *tx, const struct prov_id *cert);

/* Nothing can be provisioned with it until it is resumed; temporary ones too. why: at most 256
 * bytes of UTF-8, for people. Again the same is PROV_OK and keeps the first reason. */
PROV_MUST_USE enum prov_rc prov_claim_suspend(struct prov_tx *tx, const struct prov_id *cert,
                                              struct prov_span why);
PROV_MUST_USE enum prov_rc prov_claim_resume(struct prov_tx *tx, const struct prov_id *cert);

/* ---- allow lists ----------------------------------------------------------------------------- */

/* Puts a value on the parameter's list, which thereby comes to be; again the same is PROV_OK.
 * Values: UTF-8 without NUL, 1 to PROV_MAX_PARAM_VALUE bytes; names 1 to PROV_MAX_NAME. */
PROV_MUST_USE enum prov_rc prov_claim_allow(struct prov_tx *tx, const struct prov_id *cert,
                                            struct prov_span parameter, struct prov_span value);
/* Takes it off; the list stays, empty if need be: then no value is allowed. PROV_ENOTFOUND. */
PROV_MUST_USE enum prov_rc prov_claim_disallow(struct prov_tx *tx, const struct prov_id *cert,
                                               struct prov_span parameter, struct prov_span value);
/* The parameter may have any value again. */
PROV_MUST_USE enum prov_rc prov_claim_unlist(struct prov_tx *tx, const struct prov_id *cert,
                                             struct prov_span parameter);
/* A key of PROV_LIST_VALUES_OF_CLAIM in words. *parameter points into key. */
PROV_MUST_USE enum prov_rc prov_claim_value(struct prov_tx *tx, const struct prov_id *cert,
                                            struct prov_span key, struct prov_span *parameter,
                                            struct prov_span *value);

/* Is this text a network as claims have it? An address alone is one of itself; behind a prefix all
 * bits are 0. One of IPv6 has no IPv4 address in it, unless it is in ::ffff:0:0/96. */
bool prov_claim_network(struct prov_span text);

/* ---- asking ---------------------------------------------------------------------------------- */

struct prov_claim_ask {
    struct prov_span address;       /* of the connection, as the broker writes it */
    struct prov_span template_name; /* empty: a create, where it is not known yet */
    struct prov_params parameters;  /* of RegisterThing, as the device sent them: a hook's overrides
                                       come later */
};

/*
 * Does the claim's data allow it? PROV_EDENIED, err's code "AccessDenied" and a sentence for the
 * device, which tells nothing of the limits themselves; *reason says which limit it was
 * (PROV_REASON_CLAIM_…), in the order suspended, window, network, uses, template, parameters. A
 * parameter that has a list and is not given is refused. Rates are the caller's to count. A
 * temporary claim's template and its end are limits too. Constant time but for the parameters.
 */
PROV_MUST_USE enum prov_rc prov_claim_check(struct prov_tx *tx, const struct prov_cert *cert,
                                            const struct prov_claim *claim,
                                            const struct prov_claim_ask *ask,
                                            enum prov_reason *reason);
/* A thing was registered with it. PROV_EDENIED, as prov_claim_check, when it is spent. A
 * certificate without limits is PROV_OK and writes nothing. */
PROV_MUST_USE enum prov_rc prov_claim_use(struct prov_tx *tx, const struct prov_id *cert);

/*
 * How long certificates live that it obtains: the least validity_days of the templates that it is
 * limited to, where they say; 0: they do not.
 */
PROV_MUST_USE enum prov_rc prov_claim_validity_days(struct prov_tx *tx,
                                                    const struct prov_cert *cert,
                                                    const struct prov_claim *claim, uint32_t *days);

#endif
