/*
 * fleet.h - fleet provisioning, decided in steps: a claim asks for a certificate, and registers a
 * thing with it (reference sections 1 to 3 and 10; design D4, D10, D11).
 *
 * A request is prepared by workers and applied by the writer, like a first contact (flow.h). What
 * takes somebody else's time is said as a want, and given to it by the caller:
 *
 *     prepare -> apply -> answer                               all is there
 *     prepare -> key -> prepare -> apply -> answer             CreateKeysAndCertificate
 *     prepare -> hook -> prepare -> apply -> answer            a certificate provider, or a
 * template with a pre-provisioning hook
 *
 * A refusal is a result (reason), never an error, and leaves nothing behind. Errors (PROV_ESTORE,
 * PROV_ENOMEM, PROV_EBUG) are the caller's to report with prov_fleet_failed.
 */
#ifndef PROV_FLEET_H
#define PROV_FLEET_H

#include "attempt.h"
#include "claim.h"
#include "fleet_msg.h"
#include "hook.h"
#include "issue.h"

/* What the configuration says. Lives longer than any request. */
struct prov_fleet_conf {
    const struct prov_issuing *issuing;
    const char *provider; /* certificate provider (hook.h), for CreateCertificateFromCsr; NULL: the
                             issuer signs */
    const struct prov_csr_reader *reader; /* may be NULL (csr.h) */
    int64_t token_ttl_ms;
};

enum prov_fleet_want {
    PROV_FLEET_APPLY, /* the writer */
    PROV_FLEET_KEY,   /* prov_fleet_give_key, then prepare again */
    PROV_FLEET_HOOK,  /* `hook` with `request`; prov_fleet_answered or _unanswered, then prepare
                         again */
    PROV_FLEET_DONE,  /* settled: refused, or answered before; nothing to write */
};

struct prov_fleet_request;

/* One request on its way. */
struct prov_fleet {
    /* what is asked; the caller fills it in */
    const struct prov_fleet_conf *conf;
    enum prov_fleet_op op;
    enum prov_format format;
    char template_name[PROV_MAX_TEMPLATE_NAME + 1]; /* RegisterThing's; empty otherwise */
    struct prov_id claim;                           /* certificate of the connection */
    char client_id[PROV_MAX_CLIENT_ID + 1];
    char address[64];
    prov_attempt_id attempt;
    struct prov_buf payload; /* wiped by the first prepare */
    /* how it went */
    enum prov_reason reason; /* PROV_REASON_ISSUED, PROV_REASON_PROVISIONED, or why not */
    char detail[512];        /* for the operator */
    char message[512];       /* of a refusal, for the device: the step that failed and the cause */
    bool conflict;           /* of PROV_REASON_TEMPLATE_FAILED: what there is stands in its way */
    bool repeated;           /* RegisterThing was answered before, and is again */
    bool rotated;            /* the claim is to be retired when the new certificate has connected */
    struct prov_id cert;     /* the certificate it is about; zero: none */
    char thing_name[PROV_MAX_NAME + 1];
    /* of a want for a hook */
    struct prov_span hook; /* the spec; a NUL is behind it */
    struct prov_buf request;
    /* the rest is fleet's own */
    struct prov_fleet_request *asked;
    struct prov_csr *csr;
    struct prov_key key;
    struct prov_buf der, pem; /* of the new certificate, or of RegisterThing's */
    struct prov_made_cert made;
    struct prov_plan *plan;
    uint32_t template_version;
    int64_t template_created_ms;
    bool called, retire; /* the hook has answered or failed to; the template retires the claim */
    struct prov_hook_answer *answer;
    struct prov_buf hook_text, provided; /* owns `hook`; what a provider answered */
    char hook_detail[PROV_MAX_HOOK_MESSAGE + 1];
    char token[PROV_TOKEN_LEN + 1];
    struct prov_buf told; /* thingName and deviceConfiguration, as the token's record keeps them */
};

/* A zeroed one with its buffers ready, or NULL. */
struct prov_fleet *prov_fleet_new(void);
/* Wipes. NULL is accepted. */
void prov_fleet_free(struct prov_fleet *fleet);

/*
 * worker, read transaction: as far as it goes without the writer. The order is that of reference
 * 1.8. Errors: PROV_ESTORE, PROV_ENOMEM, PROV_EBUG; *want then says nothing.
 */
PROV_MUST_USE enum prov_rc prov_fleet_prepare(struct prov_fleet *fleet, struct prov_tx *tx,
                                              enum prov_fleet_want *want);

/* worker: takes the key; rc is not PROV_OK when there is none to be had. */
void prov_fleet_give_key(struct prov_fleet *fleet, struct prov_key *key, enum prov_rc rc);

/* worker: what the hook answered; one that does not count is a result. PROV_ENOMEM. */
PROV_MUST_USE enum prov_rc prov_fleet_answered(struct prov_fleet *fleet, struct prov_span answer);
/* any thread: it gave none; detail says what happened instead. */
void prov_fleet_unanswered(struct prov_fleet *fleet, const char *detail);

/*
 * writer: all of it in one transaction, in which what changed since prepare is seen: the claim's
 * status and limits, the token, the template. A refusal (reason) has written nothing. What succeeds
 * writes its attempt. May run again from the start. Errors as prepare; the transaction can only be
 * aborted.
 */
PROV_MUST_USE enum prov_rc prov_fleet_apply(struct prov_fleet *fleet, struct prov_tx *tx);

/* An error of prepare, apply or the pool (PROV_EBUSY): a refusal from now on. */
void prov_fleet_failed(struct prov_fleet *fleet, enum prov_rc rc, const struct prov_err *err);
/* Refuses before anything was prepared: too often, too many. detail is for the operator; the device
 * is told it of PROV_REASON_BAD_REQUEST alone. */
void prov_fleet_refuse(struct prov_fleet *fleet, enum prov_reason reason, const char *detail);

/* Was it accepted? */
bool prov_fleet_succeeded(const struct prov_fleet *fleet);

/*
 * The answer, for the device: payload of the accepted or the rejected topic. out is initialised
 * here, and is the caller's to wipe. PROV_ENOMEM.
 */
PROV_MUST_USE enum prov_rc prov_fleet_answer(const struct prov_fleet *fleet, struct prov_buf *out);

#endif
