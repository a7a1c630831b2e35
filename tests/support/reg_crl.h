/*
 * reg_crl.h - certificate revocation lists made when a test runs.
 *
 *     const struct reg_crl_entry on[] = { { .cert = leaf.x509 }, { .serial = "0a", .reason = 6 } };
 *     struct prov_span der = reg_crl(r, &(struct reg_crl_spec){ .ca = &ca, .on = on, .n = 2 });
 */
#ifndef TEST_REG_CRL_H
#define TEST_REG_CRL_H

#include "support/reg_fixture.h"

struct reg_crl_entry {
    const X509 *cert;   /* whose serial number it is; or: */
    const char *serial; /* hex, may start with '-' */
    int reason;         /* RFC 5280 section 5.3.1; 0: left out */
};

struct reg_crl_spec {
    const struct pki_cert *ca;
    const struct reg_crl_entry *on;
    size_t n;
    int64_t this_update_s, next_update_s; /* from the fixture's clock; next 0: left out */
    const char *digest;                   /* NULL: SHA256 */
    bool pss;                             /* sign with RSASSA-PSS (an RSA CA) */
    void (*edit)(X509_CRL *crl);          /* anything else, just before it is signed */
};

/* DER that lives as long as the fixture. */
struct prov_span reg_crl(struct reg *r, const struct reg_crl_spec *spec);
/* The same as PEM text. */
struct prov_span reg_crl_pem(struct reg *r, struct prov_span der);
/* For edit: an extension whose value is NULL (05 00). */
void reg_crl_extension(X509_CRL *crl, int nid, bool critical);

#endif
