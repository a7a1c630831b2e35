/*
 * keys.h - private keys that we make: for CreateKeysAndCertificate, for claims, for an issuer of
 * our own.
 *
 * A private key is text for its owner alone: it lives in one buffer, which is wiped, and never
 * enters the store or a log. Thread: any.
 */
#ifndef PROV_KEYS_H
#define PROV_KEYS_H

#include <openssl/types.h>

#include "base.h"

enum prov_key_type {
    PROV_KEY_RSA2048, /* PKCS#1 PEM, as AWS IoT gives it (reference 5.2); about 200 ms to make */
    PROV_KEY_EC_P256, /* SEC 1 PEM ("EC PRIVATE KEY"); microseconds */
    PROV_KEY_TYPES
};

/* "rsa2048", "ec-p256"; never NULL. */
const char *prov_key_type_name(enum prov_key_type type);

struct prov_key {
    struct prov_buf pem;        /* the private key */
    struct prov_buf public_pem; /* "PUBLIC KEY" */
    struct prov_buf spki;       /* its SubjectPublicKeyInfo, DER */
};

/* PROV_ENOMEM; PROV_ESIGNER when OpenSSL cannot (no randomness). out is empty then. */
PROV_MUST_USE enum prov_rc prov_key_make(enum prov_key_type type, struct prov_key *out);
/* Wipes. NULL and an empty one are accepted. */
void prov_key_release(struct prov_key *key);

/* The parts of it, for whoever signs with the key as well; the caller frees it with EVP_PKEY_free.
 */
PROV_MUST_USE enum prov_rc prov_key_new(enum prov_key_type type, EVP_PKEY **out);
/* Append PEM, which the caller wipes, and DER. PROV_ENOMEM; PROV_ETOOBIG (out's maximum). */
PROV_MUST_USE enum prov_rc prov_key_private_pem(enum prov_key_type type, const EVP_PKEY *key,
                                                struct prov_buf *out);
PROV_MUST_USE enum prov_rc prov_key_spki(enum prov_key_type type, const EVP_PKEY *key,
                                         struct prov_buf *out);

#endif
