/*
 * What OpenSSL makes and reads, remembered: it takes a million instructions to read a key or a
 * certificate, the sanitizer several times that, and simulations read the same few again and again.
 * What a text gives is always the same; and a device may as well be given a key that a device of an
 * earlier simulation had. __wrap_… are in place of keys.h's own (--wrap).
 */
#include "sim/sim.h"

#include <stdio.h>

#include <openssl/pem.h>

#define REMEMBERED 64 /* of each kind; the oldest goes */
#define MADE 16       /* keys; a device that needs more has some of them again */

struct text {
    uint8_t p[AGENT_MAX_CERT + AGENT_MAX_KEY];
    size_t n; /* 0: free */
};

static struct {
    struct text text[REMEMBERED];
    EVP_PKEY *key[REMEMBERED];
    unsigned next;
} keys;

static struct {
    struct text text[REMEMBERED];
    X509 *cert[REMEMBERED];
    unsigned next;
} certs;

static struct {
    struct text text[REMEMBERED]; /* the certificate's and the key's */
    struct agent_slot slot[REMEMBERED];
    unsigned next;
} fits;

static struct {
    char key[MADE][AGENT_MAX_KEY], csr[MADE][AGENT_MAX_CSR];
    unsigned next;
} made;

enum agent_class __real_keys_make(const struct keys_conf *conf, uint32_t generation,
                                  struct agent_text *out, struct port_result *result);
enum agent_class __wrap_keys_make(const struct keys_conf *conf, uint32_t generation,
                                  struct agent_text *out, struct port_result *result);
enum agent_class __real_keys_csr(const struct keys_conf *conf, struct agent_span reference,
                                 const char *common_name, struct agent_text *out,
                                 struct port_result *result);
enum agent_class __wrap_keys_csr(const struct keys_conf *conf, struct agent_span reference,
                                 const char *common_name, struct agent_text *out,
                                 struct port_result *result);
EVP_PKEY *__real_keys_load(const struct keys_conf *conf, struct agent_span reference,
                           struct port_result *result);
EVP_PKEY *__wrap_keys_load(const struct keys_conf *conf, struct agent_span reference,
                           struct port_result *result);
enum agent_class __real_keys_fit(const struct keys_conf *conf, struct agent_span cert_pem,
                                 struct agent_span reference, struct agent_slot *out,
                                 struct port_result *result);
enum agent_class __wrap_keys_fit(const struct keys_conf *conf, struct agent_span cert_pem,
                                 struct agent_span reference, struct agent_slot *out,
                                 struct port_result *result);

/* Both, one behind the other; too long ones give the empty text, which is never found. */
static void join(struct text *out, struct agent_span a, struct agent_span b)
{
    out->n = a.n + b.n <= sizeof out->p ? a.n + b.n : 0;
    if (out->n == 0)
        return;
    memcpy(out->p, a.p, a.n);
    if (b.n != 0)
        memcpy(out->p + a.n, b.p, b.n);
}

/* REMEMBERED: it is not there. */
static unsigned find(const struct text *texts, const struct text *text)
{
    unsigned i = 0;

    while (i < REMEMBERED &&
           (text->n == 0 || texts[i].n != text->n || memcmp(texts[i].p, text->p, text->n) != 0))
        i++;
    return i;
}

static unsigned take_place(unsigned *next)
{
    const unsigned place = *next;

    *next = (place + 1) % REMEMBERED;
    return place;
}

EVP_PKEY *__wrap_keys_load(const struct keys_conf *conf, struct agent_span reference,
                           struct port_result *result)
{
    struct text text;
    EVP_PKEY *key;
    unsigned i;

    join(&text, reference, (struct agent_span){ NULL, 0 });
    i = find(keys.text, &text);
    if (i < REMEMBERED)
        return EVP_PKEY_up_ref(keys.key[i]) == 1 ? keys.key[i] : NULL;
    key = __real_keys_load(conf, reference, result);
    if (key != NULL && EVP_PKEY_up_ref(key) == 1) {
        i = take_place(&keys.next);
        EVP_PKEY_free(keys.key[i]);
        keys.key[i] = key;
        keys.text[i] = text;
    }
    return key;
}

enum agent_class __wrap_keys_fit(const struct keys_conf *conf, struct agent_span cert_pem,
                                 struct agent_span reference, struct agent_slot *out,
                                 struct port_result *result)
{
    enum agent_class class;
    struct text text;
    unsigned i;

    join(&text, cert_pem, reference);
    i = find(fits.text, &text);
    if (i < REMEMBERED) {
        *out = fits.slot[i];
        return AGENT_OK;
    }
    class = __real_keys_fit(conf, cert_pem, reference, out, result);
    if (class == AGENT_OK) {
        i = take_place(&fits.next);
        fits.slot[i] = *out;
        fits.text[i] = text;
    }
    return class;
}

unsigned sim_keys_made(void)
{
    return made.next;
}

void sim_keys_from(unsigned n)
{
    made.next = n;
}

static void give(const char *text, struct agent_text *out)
{
    out->n = (size_t)snprintf(out->p, out->cap, "%s", text);
}

enum agent_class __wrap_keys_make(const struct keys_conf *conf, uint32_t generation,
                                  struct agent_text *out, struct port_result *result)
{
    char *key = made.key[made.next++ % MADE];
    enum agent_class class = AGENT_OK;

    if (key[0] != '\0') {
        give(key, out);
        return AGENT_OK;
    }
    class = __real_keys_make(conf, generation, out, result);
    if (class == AGENT_OK)
        (void)snprintf(key, AGENT_MAX_KEY, "%s", out->p);
    return class;
}

/* All devices here have the same common name. */
enum agent_class __wrap_keys_csr(const struct keys_conf *conf, struct agent_span reference,
                                 const char *common_name, struct agent_text *out,
                                 struct port_result *result)
{
    enum agent_class class;
    unsigned i = 0;

    while (i < MADE && (strlen(made.key[i]) != reference.n ||
                        memcmp(made.key[i], reference.p, reference.n) != 0))
        i++;
    if (i < MADE && made.csr[i][0] != '\0') {
        give(made.csr[i], out);
        return AGENT_OK;
    }
    class = __real_keys_csr(conf, reference, common_name, out, result);
    if (class == AGENT_OK && i < MADE)
        (void)snprintf(made.csr[i], AGENT_MAX_CSR, "%s", out->p);
    return class;
}

static X509 *decode(struct agent_span pem)
{
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);

    BIO_free(bio);
    return cert;
}

X509 *sim_decode(struct agent_span pem)
{
    struct text text;
    X509 *cert;
    unsigned i;

    join(&text, pem, (struct agent_span){ NULL, 0 });
    i = find(certs.text, &text);
    if (i < REMEMBERED)
        return X509_up_ref(certs.cert[i]) == 1 ? certs.cert[i] : NULL;
    cert = decode(pem);
    if (cert != NULL && X509_up_ref(cert) == 1) {
        i = take_place(&certs.next);
        X509_free(certs.cert[i]);
        certs.cert[i] = cert;
        certs.text[i] = text;
    }
    return cert;
}

void sim_forget(void)
{
    for (unsigned i = 0; i < REMEMBERED; i++) {
        EVP_PKEY_free(keys.key[i]);
        X509_free(certs.cert[i]);
    }
    memset(&keys, 0, sizeof keys);
    memset(&certs, 0, sizeof certs);
    memset(&fits, 0, sizeof fits);
}
