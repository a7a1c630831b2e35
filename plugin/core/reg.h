/* reg.h - what the registry's files share with each other and with nobody else. */
#ifndef PROV_REG_H
#define PROV_REG_H

#include "feed.h"
#include "ident.h"
#include "record.h"
#include "registry.h"

/* Table numbers are part of the store's format: append only. Names are in registry.c. */
enum reg_table {
    REG_META,         /* "settings" -> settings; "counts" -> how many certificates of each status */
    REG_CA,           /* id -> prov_ca */
    REG_CERT,         /* id -> prov_cert, less the id */
    REG_CERT_DER,     /* prov_cert.der_number (8, big-endian) -> DER */
    REG_THING,        /* name -> prov_thing */
    REG_TYPE,         /* name -> prov_thing_type */
    REG_GROUP,        /* name -> prov_group */
    REG_BILLING,      /* name -> prov_billing_group */
    REG_POLICY,       /* name -> prov_policy_info */
    REG_POLICY_DOC,   /* name NUL version (4, big-endian) -> prov_version_info */
    REG_TEMPLATE,     /* name -> prov_template_info */
    REG_TEMPLATE_DOC, /* as REG_POLICY_DOC */
    REG_LINK,         /* kind owner NUL member -> nothing */
    REG_CLIENT,       /* client id -> certificate id, and a byte: 1 stale, 0 or not there: not */
    REG_FEED,         /* seq (8, big-endian) -> change */
    REG_ATTEMPT,      /* attempt id (8, big-endian) -> attempt */
    REG_REVOKED,      /* prov_ca.authority (32), serial number's DER content -> reason (1; RFC 5280
                         5.3.1), thisUpdate of the list that first said so (8, big-endian, s) */
    REG_DUE,   /* when (8, big-endian, ms), what (1: reg_due), certificate id (32) -> reg_token
                  of a token, otherwise nothing */
    REG_CLAIM, /* certificate id -> prov_claim, less the id */
    REG_CLAIM_VALUE, /* certificate id (32), parameter, NUL, 16 bytes of SHA-256 of the value -> the
                        value */
    REG_TABLES
};

/* What REG_LINK relates; the first byte of its keys, so part of the store's format. */
enum reg_link {
    REG_CERT_OF_CA = 'c',
    REG_CA_OF_SUBJECT = 's', /* owner: 4 bytes of OpenSSL's canonical name hash */
    REG_CA_OF_TEMPLATE = 'a',
    REG_TARGET_OF_POLICY = 'p',
    REG_THING_OF_GROUP = 'g',
    REG_GROUP_OF_GROUP = 'h',
    REG_THING_OF_TYPE = 't',
    REG_THING_OF_BILLING = 'b',
    REG_CLIENT_OF_CERT = 'i',
    REG_CERT_OF_SIGNED = 'u',      /* owner: 16 bytes of the hash of what the issuer signed */
    REG_CA_OF_AUTHORITY = 'k',     /* owner: prov_ca.authority */
    REG_CLAIM_OF_TEMPLATE = 'l',   /* limited to it: certificates with limits, and temporary ones */
    REG_REPLACEMENT_OF_CERT = 'n', /* member: the certificate whose prov_cert.replaces is owner */
};

/* What is due; a byte of REG_DUE's keys, so part of the store's format. */
enum reg_due {
    REG_DUE_CLAIM = 'c',  /* a temporary certificate's end */
    REG_DUE_RETIRE = 'r', /* prov_cert.retire_ms */
    REG_DUE_TOKEN = 't',  /* prov_cert.token_ms */
};

#define REG_INVALID "InvalidRequestException"
#define REG_NOT_FOUND "ResourceNotFoundException"
#define REG_EXISTS "ResourceAlreadyExistsException"
#define REG_IN_USE "DeleteConflictException"
#define REG_STATE "CertificateStateException"
#define REG_LIMIT "LimitExceededException"
#define REG_BAD_CERT "CertificateValidationException"
#define REG_INTERNAL "InternalFailureException"

/* The store's own failures get their words from the store; other results pass through. */
enum prov_rc reg_store_result(struct prov_tx *tx, enum prov_rc rc);
/* PROV_ENOTFOUND: "there is no <what> <name>". */
enum prov_rc reg_missing(struct prov_tx *tx, const char *what, struct prov_span name);

/* Reads a record; what is the noun of the not-found message. */
enum prov_rc reg_get(struct prov_tx *tx, enum reg_table table, const struct prov_record *type,
                     const char *what, struct prov_span key, void *object);
/* PROV_OK or PROV_ENOTFOUND without a message, for those who ask whether. */
enum prov_rc reg_exists(struct prov_tx *tx, enum reg_table table, struct prov_span key);
/* Writes a record; object's spans may point into the store. */
enum prov_rc reg_put(struct prov_tx *tx, enum reg_table table, const struct prov_record *type,
                     struct prov_span key, const void *object);
enum prov_rc reg_put_bytes(struct prov_tx *tx, enum reg_table table, struct prov_span key,
                           struct prov_span value);
/* Deleting what is not there is PROV_OK. */
enum prov_rc reg_del(struct prov_tx *tx, enum reg_table table, struct prov_span key);

/* Visits keys that start with prefix, after prefix+after, until visit says no. key is without the
 * prefix. */
enum prov_rc reg_scan(struct prov_tx *tx, enum reg_table table, struct prov_span prefix,
                      struct prov_span after,
                      bool (*visit)(void *ctx, struct prov_span key, struct prov_span value),
                      void *ctx);

enum prov_rc reg_link_add(struct prov_tx *tx, enum reg_link kind, struct prov_span owner,
                          struct prov_span member);
enum prov_rc reg_link_del(struct prov_tx *tx, enum reg_link kind, struct prov_span owner,
                          struct prov_span member);
/* Counts members, but no further than limit. */
enum prov_rc reg_link_count(struct prov_tx *tx, enum reg_link kind, struct prov_span owner,
                            size_t limit, size_t *n);
/* A member of owner, copied into the buffer; PROV_ENOTFOUND when there is none. */
enum prov_rc reg_link_first(struct prov_tx *tx, enum reg_link kind, struct prov_span owner,
                            uint8_t member[static PROV_STORE_KEY_MAX], size_t *n);
/* The member after the one that is in the buffer. */
enum prov_rc reg_link_next(struct prov_tx *tx, enum reg_link kind, struct prov_span owner,
                           uint8_t member[static PROV_STORE_KEY_MAX], size_t *n);
/* REG_LINK's prefix for an owner's members; out holds PROV_STORE_KEY_MAX. */
struct prov_span reg_link_prefix(enum reg_link kind, struct prov_span owner, uint8_t *out);

void reg_be32(uint32_t v, uint8_t out[static 4]);
void reg_be64(uint64_t v, uint8_t out[static 8]);
uint32_t reg_from_be32(const uint8_t *p);
uint64_t reg_from_be64(const uint8_t *p);

/* Text from certificates and devices is kept up to here, and not cut within a UTF-8 character. */
#define REG_TEXT_MAX 512
struct prov_span reg_cut(struct prov_span s);

/* Lists of spans inside the structs. */
bool reg_has(const struct prov_span *list, size_t n, struct prov_span item);
void reg_remove(struct prov_span *list, size_t *n, struct prov_span item);

/* The record types, each in the file of what it describes. */
extern const struct prov_record reg_settings_record, reg_counts_record, reg_ca_record,
    reg_cert_record, reg_thing_record, reg_type_record, reg_group_record, reg_billing_record,
    reg_policy_record, reg_template_record, reg_version_record, reg_change_record,
    reg_attempt_record, reg_token_record, reg_claim_record;

/* Versioned documents: what policies and templates have in common (reg_doc.c). */
struct reg_doc_kind {
    const char *what; /* "policy" */
    enum reg_table table, docs;
    enum prov_change changed;
};

enum prov_rc reg_doc_add(struct prov_tx *tx, const struct reg_doc_kind *kind, struct prov_span name,
                         uint32_t version, struct prov_span document);
enum prov_rc reg_doc_get(struct prov_tx *tx, const struct reg_doc_kind *kind, struct prov_span name,
                         uint32_t version, struct prov_version_info *out);
enum prov_rc reg_doc_del(struct prov_tx *tx, const struct reg_doc_kind *kind, struct prov_span name,
                         uint32_t version);
/* Is there room for one more version? */
enum prov_rc reg_doc_next(struct prov_tx *tx, const struct reg_doc_kind *kind,
                          struct prov_span name);
/* May the whole go? Only its default version may be left. */
enum prov_rc reg_doc_deletable(struct prov_tx *tx, const struct reg_doc_kind *kind,
                               struct prov_span name);
/* May this version go? */
enum prov_rc reg_doc_not_default(struct prov_tx *tx, const struct reg_doc_kind *kind,
                                 uint32_t version, uint32_t default_version);
/* The key prefix of a name's versions; out holds PROV_STORE_KEY_MAX. */
struct prov_span reg_doc_prefix(struct prov_span name, uint8_t *out);

/* The owner of REG_CA_OF_SUBJECT links: OpenSSL's hash of the canonical name, so that equal names
 * in other encodings meet. False when there is no memory for it. */
bool reg_subject_key(const X509_NAME *name, uint8_t out[static 4]);

/* PROV_OK for PROV_CERT_GOOD; otherwise a refusal in words. what: "CA certificate", "certificate".
 */
enum prov_rc reg_cert_fault(struct prov_tx *tx, const char *what, enum prov_cert_fault fault);

/* Writes a changed certificate, thing or group and tells the feed. A certificate's status is
 * counted, and its leaving ACTIVE is noted for its clients. */
enum prov_rc reg_cert_put(struct prov_tx *tx, struct prov_cert *cert);
enum prov_rc reg_thing_put(struct prov_tx *tx, struct prov_thing *thing);
enum prov_rc reg_group_put(struct prov_tx *tx, struct prov_span name,
                           const struct prov_group *group);
/* The owner of REG_CERT_OF_SIGNED links, from prov_ident_signed_id. */
#define REG_SIGNED_PREFIX 16
struct prov_span reg_signed_owner(const struct prov_id *signed_id);
/* The DER of this number and what it hashes to: in a damaged store that may be another
 * certificate's id, or nobody's. PROV_ENOTFOUND without a message. */
enum prov_rc reg_der_get(struct prov_tx *tx, int64_t number, struct prov_span *der,
                         struct prov_id *id);
enum prov_rc reg_der_add(struct prov_tx *tx, struct prov_span der, int64_t *number);
/* With it the entry that twins are known by. Without its DER there is no finding that entry. */
enum prov_rc reg_der_forget(struct prov_tx *tx, const struct prov_cert *cert);

/* Steps from the front of *p, of *n bytes, into the content of a value of this tag and class, which
 * then are *p and *n; false, and nothing moved, when there is no such value. */
bool reg_der_enter(const unsigned char **p, size_t *n, int tag, int class);
/* prov_ident_signed_id of a certificate's DER as it is, without decoding it. PROV_EINVAL when it is
 * none. */
enum prov_rc reg_der_signed_id(struct prov_tx *tx, struct prov_span der, struct prov_id *out);

/* Little of a certificate's record, for those who look at a million of them. */
struct reg_cert_brief {
    struct prov_id ca_id;
    uint32_t status;
    int64_t der_number;
    struct prov_span claim_template;
};
extern const struct prov_record reg_cert_brief_record;
/* prov_cert_get for those whom a damaged record must not stop: that, too, is PROV_ENOTFOUND,
 * without a message. */
enum prov_rc reg_cert_find(struct prov_tx *tx, const struct prov_id *id, struct prov_cert *out);
/* PROV_ENOTFOUND without a message. */
enum prov_rc reg_cert_brief(struct prov_tx *tx, const struct prov_id *id,
                            struct reg_cert_brief *out);

/* Is the certificate, or one with the same signed part, there? PROV_ECONFLICT and which, in words.
 */
enum prov_rc reg_cert_is_new(struct prov_tx *tx, const struct prov_id *signed_id);
/* A certificate that was made here: fills in what `made` tells of it, and files it (reg_made.c).
 * cert->id is filled in as soon as it is known. */
enum prov_rc reg_made_add(struct prov_tx *tx, const struct prov_made_cert *made,
                          struct prov_cert *cert);
/* Files a new certificate: *cert but for its der_number, which it gets. */
enum prov_rc reg_cert_add(struct prov_tx *tx, struct prov_cert *cert, struct prov_span der,
                          const struct prov_id *signed_id);
/* All that is known of it goes, whatever its status; it must have neither things nor policies. */
enum prov_rc reg_cert_remove(struct prov_tx *tx, const struct prov_cert *cert);
/* Temporary certificates have no things and no policies: to do what is refused, in words. */
enum prov_rc reg_cert_lasting(struct prov_tx *tx, const struct prov_cert *cert, const char *to_do);
/* From all its things; all its policies, counted in *lost. */
enum prov_rc reg_leave_things(struct prov_tx *tx, const struct prov_id *cert);
enum prov_rc reg_lose_policies(struct prov_tx *tx, const struct prov_id *cert, size_t *lost);

/* What is due when (reg_due.c). */
#define REG_DUE_KEY (8 + 1 + PROV_ID_LEN)
struct prov_span reg_due_key(int64_t at_ms, enum reg_due what, const struct prov_id *cert,
                             uint8_t out[static REG_DUE_KEY]);
enum prov_rc reg_due_add(struct prov_tx *tx, int64_t at_ms, enum reg_due what,
                         const struct prov_id *cert);
enum prov_rc reg_due_del(struct prov_tx *tx, int64_t at_ms, enum reg_due what,
                         const struct prov_id *cert);
/* When this is due for the certificate, or was; 0: it is not. */
int64_t reg_due_at(const struct prov_cert *cert, enum reg_due what);
/* Of a certificate that goes away. */
enum prov_rc reg_forget_due(struct prov_tx *tx, const struct prov_cert *cert);

/* A token's value in REG_DUE (reg_token.c). */
struct reg_token {
    struct prov_id secret_hash, claim, registration;
    struct prov_span answer;
};

/* Its overlap is over (reg_replace.c): retired, or not when the one that took its place is gone. */
enum prov_rc reg_retire_due(struct prov_tx *tx, struct prov_cert *cert, bool *retired);
/* Of a certificate that goes away: whom it was to replace, and who it. */
enum prov_rc reg_forget_replacements(struct prov_tx *tx, const struct prov_id *cert,
                                     const struct prov_id *replaces);
/* Likewise: its limits and allow lists (reg_claim.c, reg_claim_value.c). */
enum prov_rc reg_forget_claim(struct prov_tx *tx, const struct prov_id *cert);
/* parameter empty: of all; *n: how many values there were. */
enum prov_rc reg_forget_values(struct prov_tx *tx, const struct prov_id *cert,
                               struct prov_span parameter, uint32_t *n);
struct prov_claim;
/* The limits to be changed, none if there are none yet; of a registered certificate, and with
 * `lasting` of no temporary one. */
enum prov_rc reg_claim_edit(struct prov_tx *tx, const struct prov_id *cert, bool lasting,
                            struct prov_claim *out);
/* Writes them. What changes the limits is told to the feed and dated; what is counted is not. */
enum prov_rc reg_claim_put(struct prov_tx *tx, struct prov_claim *claim, bool limits);
/* A template goes: PROV_EDENIED while a claim is limited to it; temporary ones go with it. */
enum prov_rc reg_forget_claims_of_template(struct prov_tx *tx, struct prov_span name);
/* REG_CLAIM_VALUE's key. A parameter of more than PROV_MAX_NAME bytes, of a damaged record, is
 * PROV_ESTORE. */
#define REG_VALUE_HASH 16
enum prov_rc reg_value_key(struct prov_tx *tx, const struct prov_id *cert,
                           struct prov_span parameter, struct prov_span value,
                           uint8_t out[static PROV_STORE_KEY_MAX], struct prov_span *key);

/* Of a certificate that goes away; that leaves ACTIVE. */
enum prov_rc reg_forget_clients(struct prov_tx *tx, const struct prov_id *cert);
enum prov_rc reg_clients_go_stale(struct prov_tx *tx, const struct prov_id *cert);

/* REG_META's "settings". */
struct reg_settings {
    struct prov_span account_id, region, registration_code;
};
/* How many certificates of each status there are, temporary ones apart; REG_META's "counts". */
struct reg_counts {
    int64_t of[PROV_CERT_STATUSES], temporary;
};
/* One certificate less of a status, one more of another; REG_NO_STATUS: none. Numbers that are no
 * status are not counted. */
#define REG_NO_STATUS PROV_CERT_STATUSES
enum prov_rc reg_count_status(struct prov_tx *tx, uint32_t from, uint32_t to);
/* One temporary certificate more, or less. */
enum prov_rc reg_count_temporary(struct prov_tx *tx, int by);
enum prov_rc reg_counts_get(struct prov_tx *tx, struct reg_counts *out);

/* PROV_OK for none. */
enum prov_rc reg_hook_check(struct prov_tx *tx, struct prov_span hook);

/* The registered CAs of this subject, as prov_ca_by_issuer. */
enum prov_rc reg_ca_of_subject(struct prov_tx *tx, const X509_NAME *name,
                               struct prov_id out[static PROV_MAX_CAS_PER_SUBJECT], size_t *n);
/* The registered CAs of an authority; its subject bounds how many there can be. */
enum prov_rc reg_ca_of_authority(struct prov_tx *tx, const struct prov_id *authority,
                                 struct prov_id out[static PROV_MAX_CAS_PER_SUBJECT], size_t *n);
/* Writes a CA and tells the feed. */
enum prov_rc reg_ca_put(struct prov_tx *tx, struct prov_ca *ca);

/* Of what revocation lists said (reg_revoked.c). A reason of RFC 5280 5.3.1. */
#define REG_REVOKED_LEN 9 /* of a value */
#define REG_REASON_CESSATION 5
#define REG_REASON_HOLD 6
#define REG_REASON_REMOVE 8
/* A serial number's DER content, as REG_REVOKED has it; empty when it has more bytes than a key
 * takes: such a one cannot be listed. */
#define REG_SERIAL_MAX (PROV_STORE_KEY_MAX - PROV_ID_LEN)
struct prov_span reg_serial(const ASN1_INTEGER *serial, uint8_t out[static REG_SERIAL_MAX]);
/* The same straight from a certificate's DER, without decoding it; empty when it is none. */
struct prov_span reg_serial_of_der(struct prov_span der);
struct prov_span reg_revoked_key(const struct prov_id *authority, struct prov_span serial,
                                 uint8_t out[static PROV_STORE_KEY_MAX]);
/* All that is known of an authority's certificates. */
enum prov_rc reg_forget_revoked(struct prov_tx *tx, const struct prov_id *authority);
/* A listed certificate is PROV_EDENIED, in words. */
enum prov_rc reg_not_revoked(struct prov_tx *tx, const struct prov_id *ca, const X509 *leaf);
enum prov_rc reg_serial_not_revoked(struct prov_tx *tx, const struct prov_id *ca,
                                    struct prov_span serial);
/* A certificate of this CA, if it is registered, that is never to come (back): as if a list named
 * it. */
enum prov_rc reg_serial_revoke(struct prov_tx *tx, const struct prov_id *ca,
                               struct prov_span serial, uint8_t reason);
enum prov_rc reg_description_check(struct prov_tx *tx, struct prov_span text);
/* Attributes as the limits have them; typed: the thing has a type. */
enum prov_rc reg_attrs_check(struct prov_tx *tx, const struct prov_attr *attrs, size_t n,
                             bool typed);
/* Gives the thing these in addition to those it has; an empty value takes one away. */
enum prov_rc reg_attrs_set(struct prov_tx *tx, struct prov_thing *thing,
                           const struct prov_attr *attrs, size_t n);

/* The rules of one step each, asked before it is taken; all of them only read. */
enum prov_rc reg_type_usable(struct prov_tx *tx, struct prov_span type);
enum prov_rc reg_group_joinable(struct prov_tx *tx, const struct prov_thing *thing,
                                struct prov_span group);
enum prov_rc reg_attachable(struct prov_tx *tx, const struct prov_cert *cert,
                            const struct prov_thing *thing, enum prov_attach kind);
enum prov_rc reg_status_reachable(struct prov_tx *tx, enum prov_cert_status from,
                                  enum prov_cert_status to);
/* Would it be attached exclusively? */
bool reg_attached_as(const struct prov_cert *cert, struct prov_span thing, enum prov_attach kind);

#endif
