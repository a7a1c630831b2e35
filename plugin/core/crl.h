/*
 * crl.h - certificate revocation lists of registered CAs (RFC 5280 section 5): the leaves they list
 * are revoked, those that nobody has seen yet too.
 *
 * A certificate is a CA's by its record (prov_cert.ca_id): those registered without a CA, and those
 * of a CA certificate that was deleted since, are not looked at. Entries are for good, even when a
 * later list leaves them out, but for certificateHold: a hold ends with the first list without it.
 * A registered certificate stays INACTIVE then, until somebody activates it.
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
    size_t entries; /* different serial numbers; less those of reason removeFromCRL */
    bool stale;     /* next_update_s has gone by: it is taken all the same, and people are told */
};

/*
 * Decodes DER, or the first CRL of a PEM file, and finds the CAs that it is of: name, key,
 * signature (algorithms of reference 5.6, but DSA). At most PROV_MAX_CRL; takes about ten times the
 * list's size of memory while it works, and once that size afterwards. PROV_EINVAL: no CRL, or one
 * that does not speak of all certificates of its CA (a delta, an issuingDistributionPoint, a
 * critical extension, also of an entry), not yet valid; PROV_EDENIED: no registered CA signed it,
 * or its keyUsage lacks cRLSign; PROV_ECONFLICT: a later list of that CA was imported before (by
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
    size_t were;        /* that were REVOKED (of a hold: not ACTIVE, nor about to be) before */
    size_t unseen;      /* entries of which no certificate is registered: never let in */
};

/*
 * Write transaction. May run again from the start. The list overrules reference 5.4: a certificate
 * that is PENDING_TRANSFER becomes REVOKED too. PROV_ECONFLICT, PROV_ENOTFOUND: meanwhile a later
 * list was imported, or the CA was deleted.
 */
PROV_MUST_USE enum prov_rc prov_crl_apply(struct prov_crl *crl, struct prov_tx *tx,
                                          struct prov_crl_result *out);

/* Does an imported list of this CA name the certificate? Looks up the CA's record, then the serial
 * number; decodes nothing. PROV_ENOTFOUND: no such CA. */
PROV_MUST_USE enum prov_rc prov_crl_lists(struct prov_tx *tx, const struct prov_id *ca,
                                          const X509 *leaf, bool *listed);

#endif
