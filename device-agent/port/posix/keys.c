#include "keys_priv.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "device-agent/core/text.h"
#include "utc.h"

#define SCHEME "pkcs11:"
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

enum { RSA_MIN_BITS = 2048, RSA_MAX_BITS = 8192 };

const char *keys_type_name(enum keys_type type)
{
    static const char *const names[] = {
        [KEYS_EC_P256] = "ec-p256",
        [KEYS_RSA_2048] = "rsa-2048",
    };
    _Static_assert(COUNT(names) == KEYS_TYPES, "a type has no name");

    return (unsigned)type < KEYS_TYPES ? names[type] : "unknown";
}

bool keys_in_token(struct agent_span reference)
{
    const size_t n = strlen(SCHEME);

    return reference.n >= n && memcmp(reference.p, SCHEME, n) == 0;
}

static enum agent_class no_memory(struct port_result *result)
{
    ERR_clear_error();
    return port_fail(result, AGENT_LOCAL, "there is no memory for a key or a certificate");
}

/* OpenSSL's errors stay in the thread, where the next one to look takes them for its own. What it
 * had no memory for is nobody's fault. */
static enum agent_class fail(struct port_result *result, enum agent_class class, const char *text)
{
    unsigned long error;

    while ((error = ERR_get_error()) != 0) {
        if (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE)
            return no_memory(result);
    }
    return port_fail(result, class, "%s", text);
}

/* Wiped when it is freed, like all that takes key material here. */
static BIO *wiped_bio(void)
{
    return BIO_new(BIO_s_secmem());
}

static BIO *bio_of(struct agent_span s)
{
    return s.n <= INT_MAX ? BIO_new_mem_buf(s.n == 0 ? "" : (const void *)s.p, (int)s.n) : NULL;
}

/* All that was written. */
static bool take(BIO *bio, struct agent_text *out)
{
    char *p = NULL;
    const long n = BIO_get_mem_data(bio, &p);

    return n > 0 && agent_text_add(out, p, (size_t)n);
}

/* ---- private keys in PEM --------------------------------------------------------------------- */

/* Without it OpenSSL asks the terminal. */
static int refuse_password(char *buf, int size, int rwflag, void *arg)
{
    bool *asked = arg;

    (void)buf;
    (void)size;
    (void)rwflag;
    *asked = true;
    return -1;
}

static bool is_used_kind(const EVP_PKEY *key)
{
    static const char *const groups[] = { "prime256v1", "secp384r1", "secp521r1" };
    const int bits = EVP_PKEY_get_bits(key);
    char group[32];

    if (EVP_PKEY_is_a(key, "RSA") == 1)
        return bits >= RSA_MIN_BITS && bits <= RSA_MAX_BITS;
    if (EVP_PKEY_is_a(key, "EC") != 1 ||
        EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1)
        return false;
    for (size_t i = 0; i < COUNT(groups); i++) {
        if (strcmp(group, groups[i]) == 0)
            return true;
    }
    return false;
}

static EVP_PKEY *load_pem(struct agent_span pem, struct port_result *result)
{
    bool asked = false;
    EVP_PKEY *key;
    BIO *bio = bio_of(pem);

    if (bio == NULL) {
        (void)no_memory(result);
        return NULL;
    }
    key = PEM_read_bio_PrivateKey(bio, NULL, refuse_password, &asked);
    BIO_free(bio);
    if (key != NULL && is_used_kind(key)) {
        ERR_clear_error();
        return key;
    }
    if (key != NULL)
        (void)fail(result, AGENT_LOCAL,
                   "the private key is of a kind that is not used: take EC P-256 or RSA-2048");
    else if (asked)
        (void)fail(result, AGENT_LOCAL,
                   "the private key is encrypted: store it without a passphrase "
                   "(openssl pkey -in OLD -out NEW)");
    else
        (void)fail(result, AGENT_LOCAL, "the private key is no PEM of a private key");
    EVP_PKEY_free(key);
    return NULL;
}

static enum agent_class make_pem(enum keys_type type, struct agent_text *out,
                                 struct port_result *result)
{
    EVP_PKEY *key = type == KEYS_RSA_2048 ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048)
                                          : EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    BIO *bio = wiped_bio();
    enum agent_class class = AGENT_OK;

    if (key == NULL || bio == NULL ||
        PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1 || !take(bio, out))
        class = fail(result, AGENT_LOCAL, "a key cannot be made: no memory, or no randomness");
    BIO_free(bio);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return class;
}

/* ---- by the kind of reference ---------------------------------------------------------------- */

enum agent_class keys_storable(struct agent_span reference, struct agent_text *out,
                               struct port_result *result)
{
    agent_text_clear(out);
    if (keys_in_token(reference))
        return keys_token_storable(reference, out, result);
    if (!agent_text_add(out, reference.p, reference.n))
        return fail(result, AGENT_LOCAL, "the private key is too large");
    return AGENT_OK;
}

enum agent_class keys_make(const struct keys_conf *conf, uint32_t generation,
                           struct agent_text *out, struct port_result *result)
{
    enum agent_class class;

    agent_text_clear(out);
    class = conf->pkcs11 != NULL ? keys_token_make(conf, generation, out, result)
                                 : make_pem(conf->type, out, result);
    if (class != AGENT_OK)
        agent_text_clear(out);
    return class;
}

enum agent_class keys_destroy(const struct keys_conf *conf, struct agent_span reference,
                              struct port_result *result)
{
    return keys_in_token(reference) ? keys_token_destroy(conf, reference, result) : AGENT_OK;
}

EVP_PKEY *keys_load(const struct keys_conf *conf, struct agent_span reference,
                    struct port_result *result)
{
    return keys_in_token(reference) ? keys_token_load(conf, reference, result)
                                    : load_pem(reference, result);
}

/* ---- requests -------------------------------------------------------------------------------- */

static bool is_name(const char *s)
{
    const struct agent_span span = { (const uint8_t *)s, strlen(s) };
    size_t at = 0;
    uint32_t c;

    while (at < span.n) {
        if (!agent_utf8_next(span, &at, &c))
            return false;
    }
    return at != 0 && at < INT_MAX;
}

/* The type is given, so that OpenSSL neither chooses one by content nor limits the length to 64
 * characters: client ids may have 128. */
static bool fill(X509_REQ *req, EVP_PKEY *key, const char *common_name)
{
    X509_NAME *name = X509_NAME_new();
    const bool ok = name != NULL &&
                    X509_NAME_add_entry_by_NID(name, NID_commonName, V_ASN1_UTF8STRING,
                                               (const unsigned char *)common_name,
                                               (int)strlen(common_name), -1, 0) == 1 &&
                    X509_REQ_set_version(req, X509_REQ_VERSION_1) == 1 &&
                    X509_REQ_set_subject_name(req, name) == 1 && X509_REQ_set_pubkey(req, key) == 1;

    X509_NAME_free(name);
    return ok;
}

static enum agent_class request(EVP_PKEY *key, const char *common_name, struct agent_text *out,
                                struct port_result *result)
{
    X509_REQ *req = X509_REQ_new();
    BIO *bio = BIO_new(BIO_s_mem());
    enum agent_class class = AGENT_OK;

    if (req == NULL || bio == NULL || !fill(req, key, common_name))
        class = no_memory(result);
    else if (X509_REQ_sign(req, key, EVP_sha256()) <= 0)
        class = fail(result, AGENT_LOCAL, "the key does not sign a request");
    else if (PEM_write_bio_X509_REQ(bio, req) != 1 || !take(bio, out))
        class = fail(result, AGENT_LOCAL, "the request is too large");
    BIO_free(bio);
    X509_REQ_free(req);
    ERR_clear_error();
    return class;
}

enum agent_class keys_csr(const struct keys_conf *conf, struct agent_span reference,
                          const char *common_name, struct agent_text *out,
                          struct port_result *result)
{
    enum agent_class class;
    EVP_PKEY *key;

    agent_text_clear(out);
    if (!is_name(common_name))
        return fail(result, AGENT_CONFIG, "the request's common name is empty or no UTF-8");
    key = keys_load(conf, reference, result);
    if (key == NULL)
        return result->class;
    class = request(key, common_name, out, result);
    EVP_PKEY_free(key);
    return class;
}

/* ---- certificates ---------------------------------------------------------------------------- */

/* Two to a block. One more is a block that was cut off, or none of ours, which OpenSSL takes for
 * text between blocks, or for the end. */
static size_t count_boundaries(struct agent_span pem)
{
    size_t n = 0;

    for (size_t i = 0; i < pem.n; i++)
        n += pem.p[i] == '-' && (i == 0 || pem.p[i - 1] == '\n');
    return n;
}

/* The next block, if it is a certificate and nothing more. */
static X509 *next_cert(BIO *bio)
{
    char *name = NULL, *header = NULL;
    unsigned char *der = NULL;
    const unsigned char *p;
    X509 *cert = NULL;
    long n = 0;

    if (PEM_read_bio(bio, &name, &header, &der, &n) != 1)
        return NULL;
    p = der;
    if (strcmp(name, PEM_STRING_X509) == 0 && header[0] == '\0')
        cert = d2i_X509(NULL, &p, n);
    if (cert != NULL && p != der + n) {
        X509_free(cert);
        cert = NULL;
    }
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(der);
    return cert;
}

/* The device's own, first of its chain; NULL: it is none. */
static X509 *read_chain(struct agent_span pem)
{
    BIO *bio = bio_of(pem);
    X509 *first = NULL, *cert;
    size_t n = 0;

    if (bio == NULL)
        return NULL;
    while ((cert = next_cert(bio)) != NULL) {
        if (n++ == 0)
            first = cert;
        else
            X509_free(cert);
    }
    BIO_free(bio);
    if (count_boundaries(pem) == 2 * n)
        return first;
    X509_free(first);
    return NULL;
}

/* A PEM may come with a public part that is not its private part's. */
static bool signs_for(EVP_PKEY *key, EVP_PKEY *public_key)
{
    static const unsigned char probe[] = "do key and certificate fit together?";
    EVP_MD_CTX *sign = EVP_MD_CTX_new(), *verify = EVP_MD_CTX_new();
    unsigned char signature[2048];
    size_t n = sizeof signature;
    const bool ok = sign != NULL && verify != NULL &&
                    EVP_DigestSignInit(sign, NULL, EVP_sha256(), NULL, key) == 1 &&
                    EVP_DigestSign(sign, signature, &n, probe, sizeof probe) == 1 &&
                    EVP_DigestVerifyInit(verify, NULL, EVP_sha256(), NULL, public_key) == 1 &&
                    EVP_DigestVerify(verify, signature, n, probe, sizeof probe) == 1;

    EVP_MD_CTX_free(sign);
    EVP_MD_CTX_free(verify);
    return ok;
}

static enum agent_class fit(X509 *cert, EVP_PKEY *key, bool in_token, struct agent_slot *out,
                            struct port_result *result)
{
    EVP_PKEY *public_key = X509_get0_pubkey(cert); /* NULL: of a kind unknown to OpenSSL */
    struct agent_slot slot = { .key = true, .cert = true };

    if (public_key == NULL || EVP_PKEY_eq(key, public_key) != 1)
        return fail(result, AGENT_ANSWER, "the certificate is for another key");
    if (!utc_seconds(X509_get0_notBefore(cert), &slot.not_before_s) ||
        !utc_seconds(X509_get0_notAfter(cert), &slot.not_after_s) ||
        slot.not_before_s > slot.not_after_s)
        return fail(result, AGENT_ANSWER, "the certificate's validity is malformed");
    if (!signs_for(key, public_key))
        return fail(result, in_token ? AGENT_LOCAL : AGENT_ANSWER,
                    "what the private key signs does not verify with the certificate");
    *out = slot;
    ERR_clear_error();
    return AGENT_OK;
}

enum agent_class keys_fit(const struct keys_conf *conf, struct agent_span cert_pem,
                          struct agent_span reference, struct agent_slot *out,
                          struct port_result *result)
{
    enum agent_class class;
    EVP_PKEY *key;
    X509 *cert;

    *out = (struct agent_slot){ .key = false };
    cert = read_chain(cert_pem);
    if (cert == NULL)
        return fail(result, AGENT_ANSWER, "the certificate is no whole PEM of certificates");
    key = keys_load(conf, reference, result);
    if (key != NULL)
        class = fit(cert, key, keys_in_token(reference), out, result);
    else
        class = result->class = keys_in_token(reference) ? result->class : AGENT_ANSWER;
    EVP_PKEY_free(key);
    X509_free(cert);
    return class;
}
