/*
 * flow.h - a device's way in, in steps: the handshake, the CONNECT packet, the first contact.
 *
 * Decisions only: what is slow or writes is handed back to the caller to be done elsewhere (design
 * D1 to D4). What the handshake accepted is decided again at CONNECT from the registry, since a
 * resumed TLS session skips the handshake.
 */
#ifndef PROV_FLOW_H
#define PROV_FLOW_H

#include "attempt.h"
#include "hook.h"
#include "reason.h"
#include "registry.h"

enum prov_outcome {
    PROV_FOREIGN, /* not ours: reason says why; the broker's own trust decides */
    PROV_REFUSED, /* ours, and not let in */
    PROV_KNOWN,   /* registered and ACTIVE */
    PROV_NEW,     /* to be recorded and provisioned: unknown under a CA that admits new devices, or
                     pending */
};

struct prov_decision {
    enum prov_outcome outcome;
    enum prov_reason reason; /* PROV_REASON_NONE when accepted */
    struct prov_id cert, ca; /* ca zero: not known, or none */
};

/* ---- admission: broker thread ---------------------------------------------------------------- */

/* Parsed CA certificates, so that none is decoded twice. Thread: one at a time. */
struct prov_issuers;

PROV_MUST_USE enum prov_rc prov_issuers_new(struct prov_issuers **out);
void prov_issuers_free(struct prov_issuers *issuers); /* NULL is accepted */

/*
 * May this certificate's holder come in? Asked in the handshake and again at CONNECT. id is
 * prov_ident_id of leaf. A registered certificate costs one look-up and no decoding; an unknown one
 * a public-key operation per CA of its issuer's name. Of several CAs that signed it (one renewed
 * with the same key) any that admits it will do. After an error, *out is a refusal.
 *
 * PENDING_ACTIVATION is PROV_NEW: each connect runs the template again until it succeeds (reference
 * section 13, 5).
 */
PROV_MUST_USE enum prov_rc prov_flow_admit(struct prov_issuers *issuers, struct prov_tx *tx,
                                           X509 *leaf, const struct prov_id *id,
                                           struct prov_decision *out);

/* Its two halves, for those who ask something in between: what is registered, PROV_ENOTFOUND if it
 * is not; and then whose CA it may be. *out of the one goes into the other. */
PROV_MUST_USE enum prov_rc prov_flow_admit_known(struct prov_tx *tx, const struct prov_id *id,
                                                 struct prov_decision *out);
PROV_MUST_USE enum prov_rc prov_flow_admit_unknown(struct prov_issuers *issuers, struct prov_tx *tx,
                                                   X509 *leaf, struct prov_decision *out);

/* Why a certificate of this status has no rights; PROV_REASON_NONE for ACTIVE ones. */
enum prov_reason prov_flow_status_reason(enum prov_cert_status status);

/* 1 to PROV_MAX_CLIENT_ID bytes of UTF-8, not starting with '$' (reference section 11). */
bool prov_flow_client_id_ok(struct prov_span client_id);

/* ---- first contact: prepared by a worker, applied by the writer ------------------------------ */

/*
 * One device's first contact, or another while its certificate is PENDING_ACTIVATION. Everything in
 * it is a copy but the certificate: the handshake's own, which OpenSSL lets several threads read
 * and which nobody changes. Decoding it again would cost more than all the rest.
 *
 *     prepare -> apply -> done                              the CA has no activation hook
 *     prepare -> apply -> request … answered -> prepare -> apply -> done     it has one
 *
 * With a hook the certificate is recorded before the hook is asked, so that whatever the hook does
 * about it by other ways finds it there.
 */
struct prov_contact {
    /* what is asked */
    struct prov_id cert, ca;
    X509 *leaf;
    prov_attempt_id attempt;
    char client_id[PROV_MAX_CLIENT_ID + 1];
    char address[64];
    /* what prepare found */
    struct prov_plan *plan;
    char template_name[PROV_MAX_TEMPLATE_NAME + 1];
    uint32_t template_version;
    char account_id[13];
    /* the CA's activation hook; NULL: none */
    char *hook;
    bool asked;                      /* it has answered, or failed to */
    struct prov_hook_answer *answer; /* NULL: none that counts; hook_detail says why */
    char hook_detail[PROV_MAX_HOOK_MESSAGE + 1];
    /* how it went, after apply: PROV_REASON_PROVISIONED, or why not; PROV_REASON_NONE: the hook is
     * to be asked */
    enum prov_reason reason;
    char detail[512];
    char thing_name[PROV_MAX_NAME + 1]; /* that the certificate is attached to; may be empty */
    bool announce;                      /* it is PENDING_ACTIVATION, and its CA has no template: the
                                           registered event is due (reference 6.2) */
    int64_t registered_ms;              /* when an earlier contact recorded it; 0: this one did */
};

/* Takes a reference of its own. PROV_ETOOBIG: beyond PROV_MAX_CERT_DER. */
PROV_MUST_USE enum prov_rc prov_contact_new(X509 *leaf, const struct prov_decision *decision,
                                            struct prov_contact **out);
void prov_contact_free(struct prov_contact *contact); /* NULL is accepted */

/*
 * worker, read transaction: evaluates the template to a plan: the CA's, or the one that its hook
 * named, with the parameters that the hook overrode; nothing while the hook is still to be asked. A
 * template that is missing or fails is a result (contact->reason), not an error: the certificate is
 * recorded all the same. Errors: PROV_ESTORE, PROV_ENOMEM, PROV_EBUG.
 */
PROV_MUST_USE enum prov_rc prov_contact_prepare(struct prov_contact *contact, struct prov_tx *tx);

/*
 * writer: records the certificate as PENDING_ACTIVATION unless it is; then, unless the hook is to
 * be asked first, carries out the plan and activates, all or nothing, or does what the hook
 * decided, and writes the attempt. When the plan fails the record and the attempt stay. What
 * changed since prepare is seen: the CA's state and hook, the template's version, the certificate
 * itself. May run again from the start. Errors, after which the transaction can only be aborted:
 * PROV_ESTORE, PROV_ENOMEM, PROV_EBUG.
 */
PROV_MUST_USE enum prov_rc prov_contact_apply(struct prov_contact *contact, struct prov_tx *tx);

/* After apply: is the hook to be asked? */
bool prov_contact_wants_hook(const struct prov_contact *contact);

/* worker, read transaction: what the hook is asked (hook.h). Errors as prepare. */
PROV_MUST_USE enum prov_rc prov_contact_request(const struct prov_contact *contact,
                                                struct prov_tx *tx, struct prov_buf *out);

/* worker: the hook's answer; one that does not count is a result. PROV_ENOMEM. */
PROV_MUST_USE enum prov_rc prov_contact_answered(struct prov_contact *contact,
                                                 struct prov_span answer);
/* any thread: the hook gave none; detail says what happened instead. */
void prov_contact_unanswered(struct prov_contact *contact, const char *detail);

#endif
