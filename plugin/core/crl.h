/*
 * crl.h - certificate revocation lists of registered CAs (RFC 5280 section 5): the leaves they list
 * are revoked, those that nobody has seen yet too.
 *
 * Importing has two halves, so that a list over a million certificates stops nobody: find, which
 * looks through the registered certificates in read transactions, and apply, which writes. What was
 * registered between the two is looked at by apply. Importing again changes nothing.
 *
 * Thread: one at a time.
 */
#ifndef PROV_CRL_H
#define PROV_CRL_H

#include "registry.h"

struct prov_crl;

struct prov_crl_info {
    struct prov_id cas[PROV_MAX_CAS_PER_SUBJECT]; /* the registered CAs whose key signed it */
    size_t n_cas;
    int64_t this_update_s, next_update_s; /* next_update_s 0: not given */
    size_t entries;
    bool stale; /* next_update_s has gone by: it is taken all the same, and people are told */
};

/*
 * Decodes DER, or the first CRL of a PEM file, and finds the CAs that it is of: name, key,
 * signature (algorithms of reference 5.6). At most PROV_MAX_CRL. PROV_EINVAL: no CRL, a critical
 * extension not understood here (an indirect or partitioned list), not yet valid; PROV_EDENIED: no
 * registered CA signed it; PROV_ECONFLICT: a later list of that CA was imported before (by
 * thisUpdate).
 */
PROV_MUST_USE enum prov_rc prov_crl_new(struct prov_tx *tx, struct prov_span bytes,
                                        struct prov_crl **out);
void prov_crl_free(struct prov_crl *crl); /* NULL is accepted */
const struct prov_crl_info *prov_crl_info(const struct prov_crl *crl);

/*
 * Looks at the next certificates of its CAs, `max` at the most; *more: there are more. Begin in one
 * read transaction and go on in others, so that none is long. Not needed for a short list of a
 * small registry: apply finds what find has not looked at.
 */
PROV_MUST_USE enum prov_rc prov_crl_find(struct prov_crl *crl, struct prov_tx *tx, size_t max,
                                         bool *more);

struct prov_crl_result {
    size_t revoked;     /* registered certificates that became REVOKED now */
    size_t deactivated; /* of entries "certificateHold": they became INACTIVE */
    size_t were;        /* that were REVOKED (or on hold, not ACTIVE) before */
    size_t unseen;      /* entries of certificates that are not registered: never let in */
};

/* Write transaction. May run again from the start. */
PROV_MUST_USE enum prov_rc prov_crl_apply(struct prov_crl *crl, struct prov_tx *tx,
                                          struct prov_crl_result *out);

/* Does an imported list of this CA name the certificate? One look-up. */
PROV_MUST_USE enum prov_rc prov_crl_lists(struct prov_tx *tx, const struct prov_id *ca,
                                          const X509 *leaf, bool *listed);

#endif
