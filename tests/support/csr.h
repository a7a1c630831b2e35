/*
 * csr.h - certificate signing requests of every kind, good and bad, made when a test runs.
 *
 *     struct csr_spec spec = { .key = pki_key_shared(PKI_P256), .subject = "/CN=dev-1" };
 *     struct prov_buf der = csr_der(&spec);
 *     char *pem = csr_pem(prov_buf_span(&der), NULL);
 *
 * What cannot be made ends the program with a message.
 */
#ifndef TEST_CSR_H
#define TEST_CSR_H

#include <openssl/types.h>

#include "core/base.h"

/* Zeroed but for the key, it is a good request for "/CN=test". Spans that are not empty replace
 * what would stand there. */
struct csr_spec {
    EVP_PKEY *key;       /* borrowed */
    const char *subject; /* as pki_spec has it */
    const char *digest;  /* NULL: SHA256 (of Ed25519: none) */
    EVP_PKEY *signed_by; /* NULL: key */
    bool pss;            /* with RSASSA-PSS */
    int salt;            /* of it; 0: as long as the digest */
    uint8_t version;     /* 0 is version 1 */
    bool no_attributes;  /* not even their head */
    struct prov_span subject_der, spki_der, attributes_der;
    struct prov_span algorithm_der; /* what is said, not what is done */
};

struct prov_buf csr_der(const struct csr_spec *spec);
/* Signs these bytes, whatever they are, as if they were a CertificationRequestInfo. */
struct prov_buf csr_sign(const struct csr_spec *spec, struct prov_span info);
/* The caller frees with free(). label NULL: "CERTIFICATE REQUEST". */
char *csr_pem(struct prov_span der, const char *label);
/* The DER of a name written as pki_spec has it. */
struct prov_buf csr_name(const char *subject);

#endif
