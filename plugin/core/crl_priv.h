/* crl_priv.h - what crl.c (whom a list revokes) shares with crl_parse.c (what a list says). */
#ifndef PROV_CRL_PRIV_H
#define PROV_CRL_PRIV_H

#include "crl.h"
#include "reg.h"

struct crl_entry {
    const uint8_t *serial; /* its DER content, in prov_crl.serials */
    uint16_t n;
    uint8_t reason; /* RFC 5280 section 5.3.1; never REG_REASON_REMOVE */
};

/* A registered certificate that the list names. */
struct crl_hit {
    struct prov_id id;
    size_t entry;
};
struct crl_hits {
    struct crl_hit *v;
    size_t n, cap;
};

/* How far the walk through the CAs' certificates has come. */
struct crl_walk {
    size_t ca;
    struct prov_id after; /* when any */
    bool any;
};

struct prov_crl {
    struct prov_crl_info info;
    struct prov_id authority;  /* of all info.cas */
    struct crl_entry *entries; /* info.entries, in memcmp order, each serial number once */
    uint8_t *serials;
    uint64_t feed_mark; /* later changes were not in sight of prov_crl_new */
    struct crl_walk walk;
    struct crl_hits hits;
};

static inline struct prov_span crl_serial(const struct crl_entry *entry)
{
    return prov_span(entry->serial, entry->n);
}

/* Decodes and checks all that needs no registry; *out is the caller's to free with X509_CRL_free.
 */
enum prov_rc crl_decode(struct prov_tx *tx, struct prov_span bytes, X509_CRL **out);
/* Fills the entries and the times of crl->info. */
enum prov_rc crl_read(struct prov_tx *tx, X509_CRL *list, struct prov_crl *crl);

#endif
