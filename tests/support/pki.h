/*
 * pki.h - keys and certificates made when a test runs, so that no key is ever checked in and none
 * expires.
 *
 *     struct pki_cert ca = pki_make(&(struct pki_spec){ .subject = "/CN=Test CA", .ca = true });
 *     struct pki_cert dev = pki_make(&(struct pki_spec){ .subject = "/CN=dev-1", .issuer = &ca });
 *     …
 *     pki_free(&dev);
 *     pki_free(&ca);
 *
 * What cannot be made ends the program with a message: a test has no use for half a certificate.
 */
#ifndef TEST_PKI_H
#define TEST_PKI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/types.h>

enum pki_key {
    PKI_P256,
    PKI_P384,
    PKI_P521,
    PKI_P256K1,        /* secp256k1: a curve that is not good enough */
    PKI_P256_EXPLICIT, /* P-256 with its parameters spelled out */
    PKI_RSA_2048,      /* slow to make (0.2 s): see pki_key_shared */
    PKI_RSA_1024,
    PKI_RSA_PSS_2048,
    PKI_ED25519,
    PKI_KEYS
};

struct pki_cert {
    X509 *x509;
    EVP_PKEY *key;
};

/* Everything zero is a self-signed P-256 leaf "/CN=test" that is valid now. */
struct pki_spec {
    /* "/C=NO/O=Example/OU=a/OU=b/CN=dev-1", UTF-8; types as OpenSSL's short or long names; "" is
     * the empty name. */
    const char *subject;
    const struct pki_cert *issuer; /* NULL: self-signed */
    EVP_PKEY *use_key;             /* NULL: a new key of this kind; else a reference is taken */
    enum pki_key key;
    const char *digest; /* NULL: SHA256; "SHA1", "MD5" … */
    bool pss;           /* sign with RSASSA-PSS (an RSA issuer) */

    int64_t now_s;                     /* what the offsets count from; 0: the wall clock */
    int64_t not_before_s, not_after_s; /* both 0: a day ago, ten years from now */
    const char *serial;                /* hex, may start with '-'; NULL: 16 random bytes */
    bool v1;                           /* version 1: no extensions at all */

    bool ca;               /* basicConstraints CA:TRUE, keyUsage keyCertSign and cRLSign */
    int pathlen;           /* of a CA: 0 none, n: pathlen n - 1 */
    const char *key_usage; /* "digitalSignature,keyEncipherment"; NULL: by ca; "": leave out */
    const char *eku;       /* "clientAuth,serverAuth"; NULL: leave out */
    const char *san;       /* "DNS:a,email:b@c,URI:d,IP:10.0.0.1,dirName:/O=x/CN=y" */
    const char *ian;       /* issuerAltName, the same */
    const char *permitted; /* nameConstraints "permitted;DNS:.example.com", critical */
    bool unknown_critical; /* a critical extension of a private arc */
    bool no_key_ids;       /* neither subject nor authority key identifier */

    void (*edit)(X509 *cert); /* anything else, just before it is signed */
};

struct pki_cert pki_make(const struct pki_spec *spec);
void pki_free(struct pki_cert *cert); /* zeroed again; zeroed is accepted */

EVP_PKEY *pki_key_new(enum pki_key kind);
/* The same key each time, for tests that do not mind; borrowed, for use_key. One thread. */
EVP_PKEY *pki_key_shared(enum pki_key kind);

/* What RegisterCACertificate asks for: CN is the registration code, signed by ca. */
struct pki_cert pki_verification(const struct pki_cert *ca, const char *registration_code);

/*
 * Someone else with ca's name, serial and key identifier but a key of their own: as an issuer it
 * makes certificates that look like ca's and are not.
 */
struct pki_cert pki_impostor(const struct pki_cert *ca);

/*
 * The same certificate in another guise, as whoever holds it can make it without its CA: of the
 * ECDSA signature (r, s) the other half, (r, n - s), with the same key. For certificates signed
 * with P-256.
 */
struct pki_cert pki_twin(const struct pki_cert *cert);

/* DER; the caller frees with free(). */
uint8_t *pki_der(const X509 *cert, size_t *n);
/* PEM as C strings; the caller frees with free(). */
char *pki_pem(const X509 *cert);
char *pki_key_pem(const EVP_PKEY *key); /* PKCS#8 */
/* The one that this PEM is, with nothing after it; anything else ends the program. */
X509 *pki_from_pem(const char *pem);
EVP_PKEY *pki_key_from_pem(const char *pem);

/* DIR/NAME.crt (the certificate, then chain when it is not NULL) and DIR/NAME.key (mode 0600). */
void pki_write(const char *dir, const char *name, const struct pki_cert *cert, const X509 *chain);

#endif
