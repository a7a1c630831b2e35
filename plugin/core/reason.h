/*
 * reason.h - every reason a device can be refused for, in one table: what the log, `provctl
 * explain` and the TLS alert are made from (design D11).
 *
 * Thread: any; static data. Numbers are stored in attempt records: append, never reorder.
 */
#ifndef PROV_REASON_H
#define PROV_REASON_H

#include "base.h"

/* Where on its way in a device was; the order is the order of the checks. */
enum prov_step {
    PROV_STEP_HANDSHAKE,   /* the certificate can be read and is good enough */
    PROV_STEP_ISSUER,      /* a registered CA signed it */
    PROV_STEP_CERTIFICATE, /* its own status and validity */
    PROV_STEP_CONNECT,     /* the CONNECT packet */
    PROV_STEP_REGISTER,    /* being recorded */
    PROV_STEP_TEMPLATE,    /* being provisioned */
    PROV_STEP_POLICY,      /* what it may do */
    PROV_STEP_REQUEST,     /* what it asks for */
    PROV_STEP_CLAIM,       /* what its claim may provision */
    PROV_STEP_ISSUE,       /* being given a certificate */
    PROV_STEPS
};

enum prov_reason {
    PROV_REASON_NONE,
    /* handshake */
    PROV_REASON_MALFORMED,
    PROV_REASON_KEY_WEAK,
    PROV_REASON_KEY_KIND,
    PROV_REASON_SIGNATURE_ALGORITHM,
    PROV_REASON_LEAF_IS_CA,
    PROV_REASON_USAGE,
    PROV_REASON_CRITICAL_EXTENSION,
    PROV_REASON_NOT_YET_VALID,
    PROV_REASON_EXPIRED,
    /* issuer */
    PROV_REASON_UNKNOWN_ISSUER,
    PROV_REASON_ISSUER_KEY,
    PROV_REASON_CA_INACTIVE,
    PROV_REASON_CA_EXPIRED,
    PROV_REASON_NO_AUTO_REGISTRATION,
    /* certificate */
    PROV_REASON_CERT_INACTIVE,
    PROV_REASON_CERT_REVOKED,
    PROV_REASON_CERT_PENDING_TRANSFER,
    PROV_REASON_CERT_PENDING,
    PROV_REASON_ALTERED,
    /* connect */
    PROV_REASON_CLIENT_ID,
    PROV_REASON_SKIPPED,
    /* register */
    PROV_REASON_FIRST_CONTACT,
    PROV_REASON_BUSY,
    PROV_REASON_STORE,
    PROV_REASON_INTERNAL,
    /* template */
    PROV_REASON_TEMPLATE_MISSING,
    PROV_REASON_TEMPLATE_DISABLED,
    PROV_REASON_TEMPLATE_FAILED,
    /* policy */
    PROV_REASON_CONNECT_DENIED,
    PROV_REASON_PUBLISH_DENIED,
    PROV_REASON_SUBSCRIBE_DENIED,
    PROV_REASON_RESERVED_TOPIC,
    /* not a refusal: told of in the same log */
    PROV_REASON_PROVISIONED,
    /* hooks, which decide during the template step */
    PROV_REASON_HOOK_FAILED,
    PROV_REASON_HOOK_REJECTED,
    /* connect */
    PROV_REASON_THROTTLED,
    PROV_REASON_TAKEOVER,
    /* certificate */
    PROV_REASON_CERT_DELETED,
    PROV_REASON_CERT_LISTED,
    /* fleet provisioning: requests, claims, issuing */
    PROV_REASON_BAD_REQUEST,
    PROV_REASON_BAD_CSR,
    PROV_REASON_BAD_TOKEN,
    PROV_REASON_CLAIM_SUSPENDED,
    PROV_REASON_CLAIM_SPENT,
    PROV_REASON_CLAIM_RATE,
    PROV_REASON_CLAIM_WINDOW,
    PROV_REASON_CLAIM_NETWORK,
    PROV_REASON_CLAIM_TEMPLATE,
    PROV_REASON_CLAIM_PARAMETER,
    PROV_REASON_CLAIM_THING,
    PROV_REASON_NO_ISSUER,
    PROV_REASON_ISSUER_FAILED,
    PROV_REASON_PROVIDER_FAILED,
    PROV_REASON_TEMPLATE_TYPE,
    PROV_REASON_PRE_HOOK_FAILED,
    PROV_REASON_PRE_HOOK_REJECTED,
    /* not refusals */
    PROV_REASON_ISSUED,
    PROV_REASONS
};

struct prov_reason_info {
    const char *name;     /* "certificate-revoked": log lines and --json */
    const char *aws_code; /* what AWS IoT logs for it (reference 5.7), or the nearest exception */
    enum prov_step step;
    bool retry;           /* the device gets in by trying again, with nothing changed by a person */
    const char *sentence; /* what happened */
    const char *cure;     /* what to do; a provctl command where there is one */
};

/* Never NULL, also for numbers of a newer program. */
const struct prov_reason_info *prov_reason_info(enum prov_reason reason);

/* "handshake", "issuer", …; never NULL. */
const char *prov_step_name(enum prov_step step);

#endif
