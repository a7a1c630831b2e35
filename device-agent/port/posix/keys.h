/*
 * keys.h - private keys, requests and certificates: what the store needs of OpenSSL and of PKCS#11
 * tokens. Knows no files (but that of a PIN) and no network.
 *
 * A key is named by a reference: the PEM of an unencrypted private key, or one line with a pkcs11:
 * URI (RFC 7512) that names it in its token. A reference that is stored has no PIN in it: PIN and
 * module come from the configuration at each use. Key material is wiped from memory after use.
 *
 * A wrong PIN is tried once: the token is not asked again with the same one as long as the program
 * runs, and never when it says that one try is left. Thread: any.
 */
#ifndef POSIX_KEYS_H
#define POSIX_KEYS_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "device-agent/port/port.h"

enum keys_type { KEYS_EC_P256, KEYS_RSA_2048, KEYS_TYPES };
const char *keys_type_name(enum keys_type type); /* "ec-p256", "rsa-2048" */

/* Where new keys are made, and how tokens are opened. Zeroed: in files, no token. */
struct keys_conf {
    enum keys_type type;
    const char *pkcs11; /* NULL: in files. A URI with token (or slot-id, serial …), pin-value or
                           pin-source (a file that others cannot read), module-path if p11-kit does
                           not know the module; object names the keys: generation N is called
                           "<object>-N" */
    const char *claim;  /* NULL, or the URI of the claim's key: for references to its token too */
};

/* Is the reference a URI? It names a program library to load if it wants: never one from the
 * network. */
bool keys_in_token(struct agent_span reference);
/* The reference as it may be stored: a URI loses its PIN, not its pin-source; a PEM is copied. */
enum agent_class keys_storable(struct agent_span reference, struct agent_text *out,
                               struct port_result *result);

/*
 * What follows gives AGENT_CONFIG where the configuration cannot work, AGENT_LOCAL where the key or
 * its token cannot be had now; a wrong PIN is such a case. out is empty then.
 */

/*
 * A new key's reference, into out (AGENT_MAX_KEY bytes of room). In a token, one of that name that
 * is there already is the key: a power cut may have come between its making and the record of it.
 */
enum agent_class keys_make(const struct keys_conf *conf, uint32_t generation,
                           struct agent_text *out, struct port_result *result);
/* A key in a token is destroyed there, both halves; gone already: fine. AGENT_CONFIG if the
 * reference names several, which are all left. A PEM: nothing to do. */
enum agent_class keys_destroy(const struct keys_conf *conf, struct agent_span reference,
                              struct port_result *result);

/* A PKCS#10 request with the common name (UTF-8), SHA-256, PEM, into out (AGENT_MAX_CSR). */
enum agent_class keys_csr(const struct keys_conf *conf, struct agent_span reference,
                          const char *common_name, struct agent_text *out,
                          struct port_result *result);

/*
 * Do certificate (PEM: the device's own first, its chain may follow) and key fit together? They do
 * if the public keys are the same and what the key signs verifies. *out then has key, cert and the
 * validity; it is zeroed otherwise. AGENT_ANSWER if not, or if either PEM is malformed or the key's
 * is of a kind that is not used (used are EC on P-256, P-384, P-521, and RSA of 2048 to 8192 bits).
 */
enum agent_class keys_fit(const struct keys_conf *conf, struct agent_span cert_pem,
                          struct agent_span reference, struct agent_slot *out,
                          struct port_result *result);

/* For TLS: NULL and a reason, or the caller's to free, in any thread. All keys that a process loads
 * from tokens must be of one PKCS#11 module, where OpenSSL reaches it through its engine. */
EVP_PKEY *keys_load(const struct keys_conf *conf, struct agent_span reference,
                    struct port_result *result);

#endif
