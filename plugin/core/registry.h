/*
 * registry.h - CAs, certificates, things and their groups, policies and templates: the rules, over
 * store.h.
 *
 * Every call works inside a transaction that the caller began, ended by the caller: a sequence of
 * calls is all or nothing. A call that returns anything but PROV_OK may have written part of its
 * work: abort the transaction. Each change appends to the change feed in the same transaction
 * (feed.h).
 *
 * Spans in the structs that the get calls fill point into the store: they live until the next call
 * that writes in this transaction, or until it ends. So they may not be passed to a call that
 * writes, except where it says so: copy them first. Names are AWS IoT's (reference sections 4, 5,
 * 7, 8.7, 2.9), and so are the exception names in err->code.
 *
 * Thread: that of the transaction.
 */
#ifndef PROV_REGISTRY_H
#define PROV_REGISTRY_H

#include <openssl/types.h>

#include "base.h"
#include "limits.h"
#include "policy.h"
#include "store.h"
#include "template.h"

extern const struct prov_schema prov_registry_schema;

/* What a call works in. Time is an argument: now_ms is milliseconds since 1970. */
struct prov_tx {
    struct prov_txn *txn;
    int64_t now_ms;
    struct prov_err *err; /* may be NULL */
};

/* ---- settings -------------------------------------------------------------------------------- */

struct prov_settings {
    char account_id[13]; /* 12 digits */
    char region[33];
    char registration_code[PROV_ID_HEX + 1]; /* empty until prov_registration_code made one */
};

/* Never fails for absence: a new store has account 000000000000, region "local". */
PROV_MUST_USE enum prov_rc prov_settings_get(struct prov_tx *tx, struct prov_settings *out);
/* account_id or region may be NULL: unchanged. */
PROV_MUST_USE enum prov_rc prov_settings_set(struct prov_tx *tx, const char *account_id,
                                             const char *region);
/* GetRegistrationCode: makes one on first use (write transaction), then always the same. */
PROV_MUST_USE enum prov_rc prov_registration_code(struct prov_tx *tx,
                                                  char out[static PROV_ID_HEX + 1]);

/* "arn:aws:iot:<region>:<account>:<kind>/<name>" */
PROV_MUST_USE enum prov_rc prov_arn(struct prov_tx *tx, const char *kind, struct prov_span name,
                                    struct prov_buf *out);

/* ---- CA certificates ------------------------------------------------------------------------- */

enum prov_cert_mode { PROV_MODE_DEFAULT, PROV_MODE_SNI_ONLY };

struct prov_ca {
    struct prov_id id;
    bool active, auto_registration;
    enum prov_cert_mode mode;
    struct prov_span template_name; /* empty: none (JITR) */
    struct prov_span hook;          /* activation hook (hook.h); empty: none */
    struct prov_span subject;       /* RFC 2253, for people */
    struct prov_span der;
    int64_t not_before_s, not_after_s;
    int64_t created_ms, modified_ms;
    /* Hash of its name and key. CA certificates that have it in common are one CA, renewed: its
     * revocation lists (crl.h) are all of theirs. */
    struct prov_id authority;
    /* of the last list imported: RFC 5280's thisUpdate and nextUpdate (0: not given), how many
     * certificates it names, and when it came. All 0: none yet. */
    int64_t crl_this_update_s, crl_next_update_s, crl_entries, crl_imported_ms;
};

struct prov_ca_registration {
    struct prov_span der;              /* one CA certificate */
    struct prov_span verification_der; /* DEFAULT mode; must be empty with SNI_ONLY */
    enum prov_cert_mode mode;
    bool active, auto_registration;
    struct prov_span template_name; /* may be empty; otherwise must exist and be of type JITP */
    struct prov_span hook;          /* may be empty; otherwise checked by prov_hook_spec_parse */
};

PROV_MUST_USE enum prov_rc
prov_ca_register(struct prov_tx *tx, const struct prov_ca_registration *reg, struct prov_id *id);
PROV_MUST_USE enum prov_rc prov_ca_get(struct prov_tx *tx, const struct prov_id *id,
                                       struct prov_ca *out);

/* NULL fields stay as they are. */
struct prov_ca_change {
    const bool *active, *auto_registration;
    const struct prov_span *template_name; /* an empty span removes the template */
    const struct prov_span *hook;          /* likewise */
};
PROV_MUST_USE enum prov_rc prov_ca_update(struct prov_tx *tx, const struct prov_id *id,
                                          const struct prov_ca_change *change);
/* INACTIVE CAs only (CertificateStateException). Their certificates stay, without a CA to list them
 * by; what its revocation lists said about certificates not yet seen is forgotten, unless another
 * registered CA certificate is of the same authority. */
PROV_MUST_USE enum prov_rc prov_ca_delete(struct prov_tx *tx, const struct prov_id *id);

/*
 * The registered CAs whose subject is the leaf's issuer name, in any order and any status. `n`
 * comes back as how many there are (at most PROV_MAX_CAS_PER_SUBJECT). Nobody's signature is
 * checked, and names are compared by a hash of 32 bits: prov_cert_signed_by tells for certain.
 */
PROV_MUST_USE enum prov_rc prov_ca_by_issuer(struct prov_tx *tx, X509 *leaf,
                                             struct prov_id out[static PROV_MAX_CAS_PER_SUBJECT],
                                             size_t *n);

/* ---- device certificates --------------------------------------------------------------------- */

enum prov_cert_status {
    PROV_CERT_INACTIVE,
    PROV_CERT_ACTIVE,
    PROV_CERT_REVOKED,
    PROV_CERT_PENDING_TRANSFER,
    PROV_CERT_PENDING_ACTIVATION,
    PROV_CERT_STATUSES
};

/* "ACTIVE" …; never NULL. */
const char *prov_cert_status_name(enum prov_cert_status status);
PROV_MUST_USE bool prov_cert_status_parse(struct prov_span text, enum prov_cert_status *out);

struct prov_cert {
    struct prov_id id, ca_id; /* ca_id zero: registered without a CA */
    enum prov_cert_status status;
    enum prov_cert_mode mode;
    int64_t not_before_s, not_after_s;
    int64_t created_ms, modified_ms;
    struct prov_span common_name; /* of the subject, cut, for lists; may be empty */
    struct prov_span policies[PROV_MAX_CERT_POLICIES];
    size_t n_policies;
    struct prov_span things[PROV_MAX_CERT_THINGS];
    size_t n_things;
    bool exclusive;     /* attached to things[0] alone, EXCLUSIVE_THING (reference 7.4) */
    int64_t der_number; /* what prov_cert_der finds the DER by; given at registration, from 1 */
    /* of the last transfer (reference 5.4); transfer_account is empty when there was none */
    struct prov_span transfer_account;                  /* whom it was offered to: 12 digits */
    struct prov_span transfer_message, transfer_reason; /* of the offer; of the rejection */
    int64_t transfer_ms, accepted_ms, rejected_ms;      /* 0: not (yet) */
    /* of a trusted user's claim: the one template that it is for. Such a certificate is temporary:
     * in no list and no count, without things and policies, and deleted when its time is over,
     * whatever its status. Empty: an ordinary one. */
    struct prov_span claim_template;
    int64_t token_ms; /* when its ownership token runs out, or ran out; 0: it never had one */
    /* rotation (prov_cert_replace): the certificate that this one is to take the place of, until
     * this one has connected; the one that took this one's place, and when this one is to be
     * retired for it, until it is. Zero: none. */
    struct prov_id replaces, replaced_by;
    int64_t retire_ms;
};

struct prov_cert_registration {
    struct prov_span der;
    struct prov_span
        ca_der; /* RegisterCertificate: names the CA when several share the subject; may be empty */
    bool without_ca; /* RegisterCertificateWithoutCA: mode SNI_ONLY, no CA looked for */
    enum prov_cert_status status; /* ACTIVE, INACTIVE or REVOKED */
};

/*
 * The leaf must be signed by a registered ACTIVE CA, unless without_ca. One that the CA's
 * revocation lists name is registered as REVOKED or not at all (CertificateStateException). *id is
 * filled in as soon as the certificate decodes, also for one that is registered already.
 */
PROV_MUST_USE enum prov_rc prov_cert_register(struct prov_tx *tx,
                                              const struct prov_cert_registration *reg,
                                              struct prov_id *id);
/*
 * What a first contact records: PENDING_ACTIVATION under a CA that the caller has checked the
 * signature against. ca_mode becomes the certificate's. PROV_ECONFLICT when it is registered
 * already, PROV_EDENIED when the CA's revocation lists name it.
 */
PROV_MUST_USE enum prov_rc prov_cert_record_first_contact(struct prov_tx *tx, X509 *leaf,
                                                          const struct prov_ca *ca,
                                                          struct prov_id *id);
/*
 * Is leaf a registered certificate in another guise: the same signed part, another signature, so
 * another id? PROV_OK and that certificate's id if so, PROV_ENOTFOUND if not. Whoever holds an
 * ECDSA certificate can make such a twin without the CA, which would bring a revoked device back as
 * a new one.
 */
PROV_MUST_USE enum prov_rc prov_cert_twin(struct prov_tx *tx, const X509 *leaf,
                                          struct prov_id *registered);
PROV_MUST_USE enum prov_rc prov_cert_get(struct prov_tx *tx, const struct prov_id *id,
                                         struct prov_cert *out);
/* PROV_ESTORE when the certificate's record leads to no DER, or to one of another id. */
PROV_MUST_USE enum prov_rc prov_cert_der(struct prov_tx *tx, const struct prov_id *id,
                                         struct prov_span *out);
/* UpdateCertificate, by the table of reference 5.4. */
PROV_MUST_USE enum prov_rc prov_cert_set_status(struct prov_tx *tx, const struct prov_id *id,
                                                enum prov_cert_status status);
/*
 * TransferCertificate: INACTIVE becomes PENDING_TRANSFER, offered to an account (12 digits, not
 * ours). A certificate with policies or things is refused (TransferConflictException), and so is
 * any other status (CertificateStateException). message: at most PROV_MAX_TRANSFER_MESSAGE bytes;
 * may be empty. The registry stays the same one: here the accounts are the owners between whom its
 * operator mediates.
 */
PROV_MUST_USE enum prov_rc prov_cert_transfer(struct prov_tx *tx, const struct prov_id *id,
                                              struct prov_span account, struct prov_span message);
/*
 * AcceptCertificateTransfer: INACTIVE, or ACTIVE. Once a transfer was accepted, all three say
 * TransferAlreadyCompletedException until the next one; without any, InvalidRequestException.
 */
PROV_MUST_USE enum prov_rc prov_cert_transfer_accept(struct prov_tx *tx, const struct prov_id *id,
                                                     bool active);
/* RejectCertificateTransfer, with a reason that may be empty (as long as a message), and
 * CancelCertificateTransfer, as if it had not been offered: INACTIVE. */
PROV_MUST_USE enum prov_rc prov_cert_transfer_reject(struct prov_tx *tx, const struct prov_id *id,
                                                     struct prov_span reason);
PROV_MUST_USE enum prov_rc prov_cert_transfer_cancel(struct prov_tx *tx, const struct prov_id *id);
/* How many certificates of each status there are, temporary ones aside; constant time. */
PROV_MUST_USE enum prov_rc prov_cert_counts(struct prov_tx *tx,
                                            uint64_t out[static PROV_CERT_STATUSES]);
/* Reference 5.5: never ACTIVE, never attached to a thing; with policies only by force. Its token,
 * its limits as a claim and what waits for it go with it; who was to replace it replaces none. */
PROV_MUST_USE enum prov_rc prov_cert_delete(struct prov_tx *tx, const struct prov_id *id,
                                            bool force);

/* ---- certificates issued to claims (claims themselves: claim.h) ------------------------------ */

/* A certificate that was just made, by prov_issue or a certificate provider; nobody decodes it
 * again. */
struct prov_made_cert {
    struct prov_span der;
    struct prov_span common_name; /* of its subject; may be empty */
    int64_t not_before_s, not_after_s;
    struct prov_id ca_id; /* of its issuer; recorded if that is a registered CA */
};

/* An ownership token (reference 1.7) is text of its own alphabet, without NUL: base64url, always
 * this long. */
#define PROV_TOKEN_LEN 96

/*
 * Records it as PENDING_ACTIVATION, with a token that is good until expires_ms and for the claim
 * that obtained it: the certificate of the connection that asked. The store keeps a hash of the
 * token, so that a stolen copy of it lets nobody in; the caller wipes it after use. PROV_ECONFLICT:
 * it, or a twin, is there; PROV_EDENIED: a revocation list of its CA names it; PROV_EINVAL: der is
 * no certificate's. *id is filled in as soon as it is known, here and below.
 */
PROV_MUST_USE enum prov_rc prov_cert_record_issued(struct prov_tx *tx,
                                                   const struct prov_made_cert *made,
                                                   const struct prov_id *claim, int64_t expires_ms,
                                                   struct prov_id *id,
                                                   char token[static PROV_TOKEN_LEN + 1]);
/* The same without a token, for createKeysAndCertificate and createCertificateFromCsr of the
 * operator: ACTIVE or INACTIVE, otherwise PROV_EINVAL. */
PROV_MUST_USE enum prov_rc prov_cert_record_made(struct prov_tx *tx,
                                                 const struct prov_made_cert *made,
                                                 enum prov_cert_status status, struct prov_id *id);
/*
 * CreateProvisioningClaim: a temporary certificate, ACTIVE, for one template, which must exist, be
 * enabled and of type FLEET_PROVISIONING; deleted after made->not_after_s, and with its template.
 */
PROV_MUST_USE enum prov_rc prov_cert_record_claim(struct prov_tx *tx,
                                                  const struct prov_made_cert *made,
                                                  struct prov_span template_name,
                                                  struct prov_id *id);

/* What a token stands for. */
struct prov_ownership {
    struct prov_id cert, claim;
    int64_t expires_ms;
    struct prov_id registration; /* digest of the RegisterThing that used it; zero: none did yet */
    struct prov_span answer;     /* what that one was told; points into the store */
};

/*
 * The token of a connection with that claim. PROV_EDENIED with code
 * "InvalidCertificateOwnershipToken" and why: empty, no token at all, one that nobody was given,
 * another claim's, expired (by tx->now_ms, swept or not); its certificate is gone, REVOKED or, if
 * it is not used yet, neither PENDING_ACTIVATION nor ACTIVE. The text never holds the token. *out
 * is zero then, but for the certificate of a token that was given (for the attempt log).
 */
PROV_MUST_USE enum prov_rc prov_token_check(struct prov_tx *tx, struct prov_span token,
                                            const struct prov_id *claim,
                                            struct prov_ownership *out);
/* A RegisterThing used it: what a repetition is recognised by (not zero), and what it is told.
 * answer is at most PROV_MAX_FLEET_ANSWER bytes (PROV_ETOOBIG). PROV_ECONFLICT when another one
 * has; again the same writes nothing. PROV_EDENIED when the token is gone. */
#define PROV_MAX_FLEET_ANSWER 65536
PROV_MUST_USE enum prov_rc prov_token_use(struct prov_tx *tx, const struct prov_ownership *owner,
                                          const struct prov_id *registration,
                                          struct prov_span answer);

/*
 * Certificate rotation: next is to take the place of previous. It does so when it has connected for
 * the first time (prov_cert_connected). PROV_EINVAL for one and the same, CertificateStateException
 * for temporary ones; again the same writes nothing.
 */
PROV_MUST_USE enum prov_rc prov_cert_replace(struct prov_tx *tx, const struct prov_id *next,
                                             const struct prov_id *previous);
/*
 * The certificate's device has connected with it: what it replaces is retired overlap_ms later, and
 * so is now every other certificate that was to replace the same one, or has taken its place and
 * waited for the overlap to end. Retired is INACTIVE, without things and policies; a REVOKED one
 * stays so. Again the same writes nothing. A certificate that replaces none: PROV_OK.
 */
PROV_MUST_USE enum prov_rc prov_cert_connected(struct prov_tx *tx, const struct prov_id *id,
                                               int64_t overlap_ms);

/*
 * What is due by tx->now_ms: tokens that ran out (a certificate that is still PENDING_ACTIVATION,
 * with neither thing nor policy, goes with its token, and its registered CA may not bring it back),
 * claims whose time is over, certificates to retire (unless the one that replaced it is no longer
 * ACTIVE, nor the one that replaced that one, and so on: then the old one stays). At most `limit`
 * of them; call again when result->more. What is damaged is dropped and stops nobody; after an
 * error all of it is still due, once the caller has aborted.
 */
struct prov_due_result {
    size_t tokens, certs_deleted, claims_ended, certs_retired;
    bool more;
};
PROV_MUST_USE enum prov_rc prov_due_run(struct prov_tx *tx, size_t limit,
                                        struct prov_due_result *result);
/* When the next is due; INT64_MAX: nothing waits. Constant time. */
PROV_MUST_USE enum prov_rc prov_due_next(struct prov_tx *tx, int64_t *at_ms);

/* A CA's or a certificate's id from a prefix of 8 or more hex digits; PROV_EINVAL when ambiguous.
 * Temporary certificates are found like all others. */
PROV_MUST_USE enum prov_rc prov_ca_resolve(struct prov_tx *tx, struct prov_span text,
                                           struct prov_id *out);
PROV_MUST_USE enum prov_rc prov_cert_resolve(struct prov_tx *tx, struct prov_span text,
                                             struct prov_id *out);

/* ---- things ---------------------------------------------------------------------------------- */

struct prov_thing {
    struct prov_span name;
    struct prov_id thing_id; /* the first 16 bytes are the thingId (a UUID); the rest is zero */
    struct prov_span type, billing_group; /* may be empty */
    struct prov_attr attrs[PROV_MAX_ATTRS];
    size_t n_attrs;
    struct prov_span groups[PROV_MAX_THING_GROUPS];
    size_t n_groups;
    struct prov_id principals[PROV_MAX_THING_PRINCIPALS];
    size_t n_principals;
    uint32_t version; /* from 1 */
    int64_t created_ms, modified_ms;
};

/* An identical thing: PROV_OK again; a different one of that name: ResourceAlreadyExistsException.
 */
PROV_MUST_USE enum prov_rc prov_thing_create(struct prov_tx *tx, struct prov_span name,
                                             struct prov_span type, const struct prov_attr *attrs,
                                             size_t n_attrs);
PROV_MUST_USE enum prov_rc prov_thing_get(struct prov_tx *tx, struct prov_span name,
                                          struct prov_thing *out);

struct prov_thing_change {
    const struct prov_span *type; /* NULL: unchanged; empty: removed */
    const struct prov_attr
        *attrs; /* with set_attrs or merge; an empty value removes the attribute */
    size_t n_attrs;
    bool set_attrs;            /* give the thing these attributes… */
    bool merge;                /* …in addition to those it has */
    uint32_t expected_version; /* 0: whatever it is */
};
PROV_MUST_USE enum prov_rc prov_thing_update(struct prov_tx *tx, struct prov_span name,
                                             const struct prov_thing_change *change);
/* An unknown name is PROV_OK, as on AWS; one with principals is refused. Leaves its groups. */
PROV_MUST_USE enum prov_rc prov_thing_delete(struct prov_tx *tx, struct prov_span name);
/* AttachThingPrincipal; again the same is PROV_OK, again with the other kind changes that.
 * Exclusive rules of reference 7.4. */
PROV_MUST_USE enum prov_rc prov_thing_attach(struct prov_tx *tx, struct prov_span name,
                                             const struct prov_id *cert, enum prov_attach kind);
PROV_MUST_USE enum prov_rc prov_thing_detach(struct prov_tx *tx, struct prov_span name,
                                             const struct prov_id *cert);

/*
 * Hands a certificate from one thing to another: detached and attached in one step, with the rules
 * of prov_thing_attach. PROV_ENOTFOUND when it is not attached to `from`. PROV_ATTACH_UNSAID: as it
 * was attached.
 */
PROV_MUST_USE enum prov_rc prov_thing_hand_over(struct prov_tx *tx, struct prov_span from,
                                                struct prov_span to, const struct prov_id *cert,
                                                enum prov_attach kind);

enum prov_retirement { PROV_RETIRE_REVOKE, PROV_RETIRE_DEACTIVATE, PROV_RETIRE_DELETE };

struct prov_thing_reset {
    enum prov_retirement certs; /* what becomes of its certificates */
    bool keep_groups;
    bool shared; /* also certificates that stand for other things too: they leave those as well */
};
struct prov_thing_reset_result {
    size_t certs, policies, groups; /* detached, likewise, left (the billing group counts) */
};
/*
 * Change of owner: every certificate of the thing loses its policies, is detached and retired; the
 * thing leaves its groups and billing group, whose policies and company were the last owner's.
 * Name, type and attributes stay: they describe the device. A certificate that stands for another
 * thing too is DeleteConflictException unless `shared`. Certificates that are REVOKED already stay
 * so, also instead of being deleted: the CA that signed one would bring it back. An offer of one to
 * another account is taken back.
 */
PROV_MUST_USE enum prov_rc prov_thing_reset(struct prov_tx *tx, struct prov_span name,
                                            const struct prov_thing_reset *how,
                                            struct prov_thing_reset_result *out);

/* ---- thing groups, types, billing groups ----------------------------------------------------- */

struct prov_group {
    struct prov_span name, parent, description;
    struct prov_span policies[PROV_MAX_GROUP_POLICIES];
    size_t n_policies;
    struct prov_attr attrs[PROV_MAX_ATTRS];
    size_t n_attrs;
    uint32_t depth; /* 1: no parent */
    uint32_t version;
    int64_t created_ms;
};

PROV_MUST_USE enum prov_rc prov_group_create(struct prov_tx *tx, struct prov_span name,
                                             struct prov_span parent, struct prov_span description);
PROV_MUST_USE enum prov_rc prov_group_get(struct prov_tx *tx, struct prov_span name,
                                          struct prov_group *out);
/* Refused while it has child groups or policies; its things just leave it. */
PROV_MUST_USE enum prov_rc prov_group_delete(struct prov_tx *tx, struct prov_span name);
/* A thing may be in at most PROV_MAX_THING_GROUPS, not two of one hierarchy. Again the same is
 * PROV_OK. */
PROV_MUST_USE enum prov_rc prov_group_add(struct prov_tx *tx, struct prov_span group,
                                          struct prov_span thing);
PROV_MUST_USE enum prov_rc prov_group_remove(struct prov_tx *tx, struct prov_span group,
                                             struct prov_span thing);

struct prov_thing_type {
    struct prov_span name, description;
    struct prov_span searchable[PROV_MAX_SEARCHABLE];
    size_t n_searchable;
    bool deprecated;
    int64_t deprecated_ms, created_ms;
};

PROV_MUST_USE enum prov_rc prov_type_create(struct prov_tx *tx, const struct prov_thing_type *type);
PROV_MUST_USE enum prov_rc prov_type_get(struct prov_tx *tx, struct prov_span name,
                                         struct prov_thing_type *out);
PROV_MUST_USE enum prov_rc prov_type_deprecate(struct prov_tx *tx, struct prov_span name,
                                               bool undo);
/* Deprecated types without things only (AWS also waits five minutes; there is nothing to wait for
 * here). */
PROV_MUST_USE enum prov_rc prov_type_delete(struct prov_tx *tx, struct prov_span name);

struct prov_billing_group {
    struct prov_span name, description;
    int64_t created_ms;
};

PROV_MUST_USE enum prov_rc prov_billing_create(struct prov_tx *tx, struct prov_span name,
                                               struct prov_span description);
PROV_MUST_USE enum prov_rc prov_billing_get(struct prov_tx *tx, struct prov_span name,
                                            struct prov_billing_group *out);
PROV_MUST_USE enum prov_rc prov_billing_delete(struct prov_tx *tx, struct prov_span name);
/* A thing is in at most one: adding moves it. An empty group takes it out of any. */
PROV_MUST_USE enum prov_rc prov_billing_add(struct prov_tx *tx, struct prov_span group,
                                            struct prov_span thing);

/* ---- policies -------------------------------------------------------------------------------- */

struct prov_policy_info {
    struct prov_span name;
    uint32_t default_version, last_version; /* from 1 */
    int64_t created_ms, modified_ms;
};

struct prov_version_info {
    uint32_t version;
    int64_t created_ms;
    struct prov_span document;
};

/* The document is checked as prov_policy_parse does. */
PROV_MUST_USE enum prov_rc prov_policy_create(struct prov_tx *tx, struct prov_span name,
                                              struct prov_span document);
PROV_MUST_USE enum prov_rc prov_policy_get(struct prov_tx *tx, struct prov_span name,
                                           struct prov_policy_info *out);
/* version 0: the default one. */
PROV_MUST_USE enum prov_rc prov_policy_version_get(struct prov_tx *tx, struct prov_span name,
                                                   uint32_t version, struct prov_version_info *out);
PROV_MUST_USE enum prov_rc prov_policy_version_create(struct prov_tx *tx, struct prov_span name,
                                                      struct prov_span document, bool set_default,
                                                      uint32_t *version);
PROV_MUST_USE enum prov_rc prov_policy_version_set_default(struct prov_tx *tx,
                                                           struct prov_span name, uint32_t version);
/* Never the default version. */
PROV_MUST_USE enum prov_rc prov_policy_version_delete(struct prov_tx *tx, struct prov_span name,
                                                      uint32_t version);
/* Refused while attached anywhere or while it has other versions than its default. */
PROV_MUST_USE enum prov_rc prov_policy_delete(struct prov_tx *tx, struct prov_span name);
/* Again the same is PROV_OK. */
PROV_MUST_USE enum prov_rc prov_policy_attach_cert(struct prov_tx *tx, struct prov_span policy,
                                                   const struct prov_id *cert);
PROV_MUST_USE enum prov_rc prov_policy_attach_group(struct prov_tx *tx, struct prov_span policy,
                                                    struct prov_span group);
/* What is not attached is PROV_OK. policy may point into the record that it is taken from. */
PROV_MUST_USE enum prov_rc prov_policy_detach_cert(struct prov_tx *tx, struct prov_span policy,
                                                   const struct prov_id *cert);
PROV_MUST_USE enum prov_rc prov_policy_detach_group(struct prov_tx *tx, struct prov_span policy,
                                                    struct prov_span group);

/* ---- templates ------------------------------------------------------------------------------- */

struct prov_template_info {
    struct prov_span name, description;
    struct prov_span hook;        /* pre-provisioning hook (hook.h); empty: none */
    enum prov_template_type type; /* never changes */
    bool enabled;
    uint32_t default_version, last_version;
    int64_t created_ms, modified_ms;
    /* FLEET_PROVISIONING only; for others PROV_EINVAL */
    uint32_t validity_days; /* of certificates that a claim for this template obtains; 0: the
                               setting */
    bool retire_previous;   /* a device that provisions again for its thing gives up the certificate
                               it came with (prov_cert_replace) */
};

struct prov_template_creation {
    struct prov_span name, description, body;
    struct prov_span hook; /* may be empty; JITP templates take none: their CA has the hook */
    enum prov_template_type type;
    bool enabled;
    uint32_t validity_days; /* at most PROV_MAX_VALIDITY_DAYS */
    bool retire_previous;
};
#define PROV_MAX_VALIDITY_DAYS 36500

/* The body is checked as prov_template_parse does. */
PROV_MUST_USE enum prov_rc prov_template_create(struct prov_tx *tx,
                                                const struct prov_template_creation *creation);
PROV_MUST_USE enum prov_rc prov_template_get(struct prov_tx *tx, struct prov_span name,
                                             struct prov_template_info *out);
PROV_MUST_USE enum prov_rc prov_template_version_get(struct prov_tx *tx, struct prov_span name,
                                                     uint32_t version,
                                                     struct prov_version_info *out);
struct prov_template_change {
    const struct prov_span *description; /* NULL: unchanged */
    const struct prov_span *hook;        /* an empty span removes it */
    const bool *enabled;
    const uint32_t *default_version;
    const uint32_t *validity_days;
    const bool *retire_previous;
};
PROV_MUST_USE enum prov_rc prov_template_update(struct prov_tx *tx, struct prov_span name,
                                                const struct prov_template_change *change);
PROV_MUST_USE enum prov_rc prov_template_version_create(struct prov_tx *tx, struct prov_span name,
                                                        struct prov_span body, bool set_default,
                                                        uint32_t *version);
PROV_MUST_USE enum prov_rc prov_template_version_delete(struct prov_tx *tx, struct prov_span name,
                                                        uint32_t version);
/* Refused (DeleteConflictException) while a CA names it, while a claim is limited to it (claim.h),
 * since a later template of that name would inherit the claim, and while it has other versions than
 * its default. Temporary claims for it end with it. */
PROV_MUST_USE enum prov_rc prov_template_delete(struct prov_tx *tx, struct prov_span name);

/* ---- plans ----------------------------------------------------------------------------------- */

/*
 * Carries out a template's plan for a registered certificate: thing, policies, attachments, status
 * (reference 6.1 step 4 and 1.8 step 7). Without OverrideSettings an existing thing keeps what it
 * has: attributes are merged, the type is replaced, groups are left (section 13, 3).
 */
PROV_MUST_USE enum prov_rc prov_plan_apply(struct prov_tx *tx, const struct prov_id *cert,
                                           const struct prov_plan *plan);

/* One thing that a plan does, or would. */
enum prov_plan_part {
    PROV_PART_THING,
    PROV_PART_TYPE,
    PROV_PART_ATTRIBUTE,
    PROV_PART_GROUP,
    PROV_PART_BILLING_GROUP,
    PROV_PART_POLICY,
    PROV_PART_ATTACHMENT, /* of the certificate to the thing */
    PROV_PART_STATUS,     /* of the certificate */
    PROV_PLAN_PARTS
};

enum prov_plan_effect {
    PROV_EFFECT_NONE,    /* it is so already */
    PROV_EFFECT_CREATED, /* the thing; the policy, which is attached too */
    PROV_EFFECT_SET,     /* added, joined, attached */
    PROV_EFFECT_CHANGED, /* from `was` */
    PROV_EFFECT_REMOVED,
    PROV_EFFECT_KEPT, /* what is there stays, whatever the plan says: DO_NOTHING, said or unsaid */
    PROV_EFFECT_REFUSED,
    PROV_PLAN_EFFECTS
};

struct prov_plan_step {
    enum prov_plan_part part;
    enum prov_plan_effect effect;
    struct prov_span name;      /* of the thing, type, attribute, group, policy */
    struct prov_span now, was;  /* value, document, kind of attachment, status; may be empty */
    const struct prov_err *why; /* of PROV_EFFECT_REFUSED alone */
};

/*
 * What prov_plan_apply would do, part by part, without doing it. It would succeed if no step is
 * refused. A certificate that is not registered is taken as one that a first contact records.
 * Thread: that of the transaction, which may be a read transaction. What a step points to dies with
 * the call of visit.
 */
PROV_MUST_USE enum prov_rc
prov_plan_preview(struct prov_tx *tx, const struct prov_id *cert, const struct prov_plan *plan,
                  void (*visit)(void *ctx, const struct prov_plan_step *step), void *ctx);

/* ---- client ids with a session --------------------------------------------------------------- */

/*
 * Which certificate a persistent MQTT session belongs to, so that what is queued for it while it is
 * away, and after a broker restart, obeys that certificate's policies. At most
 * PROV_MAX_CERT_CLIENTS per certificate: PROV_ETOOBIG. Binding what is bound already writes
 * nothing. get says PROV_ENOTFOUND without a message.
 *
 * When a certificate stops being ACTIVE, what is queued for its sessions is never to be delivered,
 * also when it becomes ACTIVE again: they are marked stale until the session's next CONNECT has
 * dropped its queue (prov_client_emptied).
 */
PROV_MUST_USE enum prov_rc prov_client_bind(struct prov_tx *tx, struct prov_span client_id,
                                            const struct prov_id *cert);
PROV_MUST_USE enum prov_rc prov_client_unbind(struct prov_tx *tx, struct prov_span client_id);
PROV_MUST_USE enum prov_rc prov_client_get(struct prov_tx *tx, struct prov_span client_id,
                                           struct prov_id *cert);
/* The stale mark of this client id's session, another each time its queue goes stale: 1 to 127, and
 * round; 0: it is not stale, or not bound. */
PROV_MUST_USE enum prov_rc prov_client_stale(struct prov_tx *tx, struct prov_span client_id,
                                             uint8_t *mark);
/* The queue of that mark was dropped; if it has gone stale again since, it stays so. */
PROV_MUST_USE enum prov_rc prov_client_emptied(struct prov_tx *tx, struct prov_span client_id,
                                               uint8_t mark);

/* ---- lists ----------------------------------------------------------------------------------- */

enum prov_list_kind {
    PROV_LIST_CAS,    /* key: 32 bytes of id */
    PROV_LIST_CERTS,  /* key: 32 bytes of id; without the temporary ones, as all that counts them */
    PROV_LIST_THINGS, /* key: the name, here and below */
    PROV_LIST_GROUPS,
    PROV_LIST_TYPES,
    PROV_LIST_BILLING_GROUPS,
    PROV_LIST_POLICIES,
    PROV_LIST_TEMPLATES,
    /* of one owner, whose name or id is `of` */
    PROV_LIST_CERTS_OF_CA,
    PROV_LIST_TARGETS_OF_POLICY, /* key: 'c' and 32 bytes of certificate id, or 'g' and a group's
                                    name */
    PROV_LIST_THINGS_OF_GROUP,   /* direct members */
    PROV_LIST_GROUPS_OF_GROUP,   /* direct children */
    PROV_LIST_THINGS_OF_TYPE,
    PROV_LIST_THINGS_OF_BILLING_GROUP,
    PROV_LIST_CAS_OF_TEMPLATE,
    PROV_LIST_VERSIONS_OF_POLICY,   /* key: 4 bytes, big-endian */
    PROV_LIST_VERSIONS_OF_TEMPLATE, /* likewise */
    PROV_LIST_CLAIMS,               /* claims with limits; key: 32 bytes of certificate id */
    PROV_LIST_VALUES_OF_CLAIM, /* allow lists; `of` is the id; key: parameter, NUL, 16 bytes of hash
                                  (prov_claim_value) */
};

/*
 * Calls visit with each key in memcmp order, starting after `after` (empty: from the first), until
 * it returns false. visit may read in the same transaction, and must not write.
 */
PROV_MUST_USE enum prov_rc prov_list(struct prov_tx *tx, enum prov_list_kind kind,
                                     struct prov_span of, struct prov_span after,
                                     bool (*visit)(void *ctx, struct prov_span key), void *ctx);

/* How many objects of the kinds up to PROV_LIST_TEMPLATES there are; constant time. */
PROV_MUST_USE enum prov_rc prov_list_count(struct prov_tx *tx, enum prov_list_kind kind,
                                           uint64_t *out);

/*
 * Walks the whole store and reports every record that does not decode, every reference that leads
 * nowhere, and every reference that the other side or its index does not know of, one call each;
 * returns PROV_OK when the walk could be made, however many problems it found.
 */
PROV_MUST_USE enum prov_rc
prov_registry_check(struct prov_tx *tx, void (*problem)(void *ctx, const char *text), void *ctx);

#endif
