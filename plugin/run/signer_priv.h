/* signer_priv.h - what signer.c (files) shares with signer_pkcs11.c (tokens). */
#ifndef PROV_SIGNER_PRIV_H
#define PROV_SIGNER_PRIV_H

#include <openssl/types.h>

#include "core/base.h"

#define SIGNER_BAD "InvalidRequestException"
#define SIGNER_UNAVAILABLE "ServiceUnavailableException"

/*
 * Replaces what out holds by the file's content, at most its maximum. secret: others than its owner
 * may neither read nor write it. `what` names it for people. PROV_ENOTFOUND, PROV_EDENIED,
 * PROV_EINVAL, PROV_ENOMEM.
 */
PROV_MUST_USE enum prov_rc signer_read_file(const char *path, const char *what, bool secret,
                                            struct prov_buf *out, struct prov_err *err);

/* Is this a URI of RFC 7512 and no file's name? */
bool signer_is_pkcs11(const char *key);
/* What of it may be shown: all but PIN and other query attributes. Cut where it does not fit. */
void signer_pkcs11_show(const char *uri, char *out, size_t cap);
/* The caller frees *out with EVP_PKEY_free, and with it the token. PROV_ESIGNER, PROV_EINVAL (a URI
 * that is none), PROV_ENOMEM, and as signer_read_file for pin-source. */
PROV_MUST_USE enum prov_rc signer_pkcs11_key(const char *uri, EVP_PKEY **out, struct prov_err *err);

#endif
