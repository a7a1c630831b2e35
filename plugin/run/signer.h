/*
 * signer.h - finds the issuer's certificate and key: in PEM files, or a key in a PKCS#11 token.
 *
 * Thread: any, but the first use of a token loads libraries and can take a while: not the broker's.
 */
#ifndef PROV_SIGNER_H
#define PROV_SIGNER_H

#include "core/issue.h"

/* Below the store's directory, when nothing else is said: where `provctl issuer create` puts them.
 */
#define PROV_ISSUER_CERT "issuer.crt"
#define PROV_ISSUER_KEY "issuer.key"

struct prov_signer_conf {
    const char *cert; /* file, PEM; the first certificate of it is the issuer's */
    const char *key;  /* file, PEM, not encrypted; or a "pkcs11:" URI (RFC 7512), which may hold
                         pin-value or pin-source */
};

/*
 * Reads, checks and makes an issuer. A "pkcs11:" key is looked up through the provider "pkcs11"
 * (pkcs11-provider) where OpenSSL has one, or else through the engine of that name (libp11).
 * PROV_ENOTFOUND: there is no such file; PROV_EDENIED: a key file that others than its owner may
 * read or write, or that is not to be read; PROV_EINVAL: what is in it does not do, or does not fit
 * together (names both); PROV_ESIGNER: no such token, key or engine, or a wrong PIN (noticed when
 * the process has not logged in to that token before). A URI's PIN is in no message.
 */
PROV_MUST_USE enum prov_rc prov_signer_load(const struct prov_signer_conf *conf, int64_t now_s,
                                            struct prov_issuer **out, struct prov_err *err);

#endif
