#include "request.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/pem.h>
#include <openssl/x509.h>

#include "support/pki.h"

#define CBOR_TEXT 0x60
#define CBOR_MAP 0xa0
#define CBOR_TYPE 0xe0 /* the bits of a head that are its type */
#define PAYLOAD_MAX 8192

static void need(bool ok, const char *what)
{
    if (!ok)
        bench_fail("cannot %s", what);
}

/* ---- text in either format ------------------------------------------------------------------- */

static void add_json(struct prov_buf *out, struct prov_span text)
{
    prov_buf_add_u8(out, '"');
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\n')
            prov_buf_add_str(out, "\\n");
        else
            prov_buf_add_u8(out, text.p[i]);
    }
    prov_buf_add_u8(out, '"');
}

static void add_cbor(struct prov_buf *out, struct prov_span text)
{
    if (text.n < 24) {
        prov_buf_add_u8(out, (uint8_t)(CBOR_TEXT | text.n));
    } else if (text.n <= UINT8_MAX) {
        prov_buf_add_u8(out, CBOR_TEXT | 24);
        prov_buf_add_u8(out, (uint8_t)text.n);
    } else {
        prov_buf_add_u8(out, CBOR_TEXT | 25);
        prov_buf_add_u8(out, (uint8_t)(text.n >> 8));
        prov_buf_add_u8(out, (uint8_t)text.n);
    }
    prov_buf_add(out, text);
}

static void open_map(struct prov_buf *out, enum request_format format, unsigned n)
{
    prov_buf_add_u8(out, format == REQUEST_JSON ? '{' : (uint8_t)(CBOR_MAP | n));
}

static void close_map(struct prov_buf *out, enum request_format format)
{
    if (format == REQUEST_JSON)
        prov_buf_add_u8(out, '}');
}

static void add_key(struct prov_buf *out, enum request_format format, const char *key)
{
    if (format == REQUEST_CBOR) {
        add_cbor(out, prov_span_str(key));
        return;
    }
    if (out->p[out->n - 1] != '{')
        prov_buf_add_u8(out, ',');
    add_json(out, prov_span_str(key));
    prov_buf_add_u8(out, ':');
}

static void add_pair(struct prov_buf *out, enum request_format format, const char *key,
                     struct prov_span value)
{
    add_key(out, format, key);
    if (format == REQUEST_JSON)
        add_json(out, value);
    else
        add_cbor(out, value);
}

/* ---- requests -------------------------------------------------------------------------------- */

static void write_create(const struct requests *r, struct request_device *device)
{
    X509_REQ *req = X509_REQ_new();
    BIO *bio = BIO_new(BIO_s_mem());
    char cn[32], *pem;
    long n;

    (void)snprintf(cn, sizeof cn, "dev-%s", device->serial);
    need(req != NULL && bio != NULL &&
             X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(req), "CN", MBSTRING_UTF8,
                                        (const unsigned char *)cn, -1, -1, 0) == 1 &&
             X509_REQ_set_pubkey(req, device->key) == 1 &&
             X509_REQ_sign(req, device->key, EVP_sha256()) > 0 &&
             PEM_write_bio_X509_REQ(bio, req) == 1,
         "make a signing request");
    n = BIO_get_mem_data(bio, &pem);
    open_map(&device->create, r->format, 1);
    add_pair(&device->create, r->format, "certificateSigningRequest", prov_span(pem, (size_t)n));
    close_map(&device->create, r->format);
    need(device->create.rc == PROV_OK, "keep a signing request");
    BIO_free(bio);
    X509_REQ_free(req);
}

void requests_init(struct requests *r, enum request_format format, uint64_t first, size_t n,
                   bool csr)
{
    *r = (struct requests){ .format = format, .n = n };
    r->devices = bench_alloc(n, sizeof *r->devices);
    for (size_t i = 0; i < n; i++) {
        struct request_device *device = &r->devices[i];

        (void)snprintf(device->serial, sizeof device->serial, "%07" PRIu64, first + i);
        prov_buf_init(&device->create, PAYLOAD_MAX);
        if (!csr)
            continue;
        device->key = pki_key_new(PKI_P256);
        write_create(r, device);
        bench_progress("signing requests", i, n);
    }
    bench_progress_clear();
}

void requests_release(struct requests *r)
{
    for (size_t i = 0; i < r->n; i++) {
        EVP_PKEY_free(r->devices[i].key);
        prov_buf_release(&r->devices[i].create);
    }
    free(r->devices);
    *r = (struct requests){ .n = 0 };
}

void request_registration(const struct requests *r, const struct request_device *device,
                          struct prov_span token, struct prov_buf *out)
{
    prov_buf_clear(out);
    open_map(out, r->format, 2);
    add_pair(out, r->format, "certificateOwnershipToken", token);
    add_key(out, r->format, "parameters");
    open_map(out, r->format, 2);
    add_pair(out, r->format, "SerialNumber", prov_span_str(device->serial));
    add_pair(out, r->format, "DeviceLocation", PROV_LIT("berlin"));
    close_map(out, r->format);
    close_map(out, r->format);
    need(out->rc == PROV_OK, "write a registration");
}

/* ---- answers --------------------------------------------------------------------------------- */

static struct prov_span json_text(struct prov_span rest)
{
    const uint8_t *end;

    if (rest.n < 3 || memcmp(rest.p, "\":\"", 3) != 0)
        return prov_span(NULL, 0);
    end = memchr(rest.p + 3, '"', rest.n - 3);
    return end == NULL ? prov_span(NULL, 0) : prov_span(rest.p + 3, (size_t)(end - rest.p - 3));
}

static struct prov_span cbor_text(struct prov_span rest)
{
    const uint8_t *p = rest.p;
    size_t head = 1, n;

    if (rest.n < 3 || (p[0] & CBOR_TYPE) != CBOR_TEXT)
        return prov_span(NULL, 0);
    n = p[0] & 31u;
    if (n == 24) {
        head = 2;
        n = p[1];
    } else if (n == 25) {
        head = 3;
        n = (size_t)p[1] << 8 | p[2];
    }
    return n > rest.n - head ? prov_span(NULL, 0) : prov_span(p + head, n);
}

struct prov_span request_text(enum request_format format, struct prov_span answer, const char *key)
{
    const size_t n = strlen(key);
    const uint8_t *at = answer.n == 0 ? NULL : memmem(answer.p, answer.n, key, n);
    struct prov_span rest;

    if (at == NULL)
        return prov_span(NULL, 0);
    rest = prov_span(at + n, answer.n - (size_t)(at - answer.p) - n);
    return format == REQUEST_JSON ? json_text(rest) : cbor_text(rest);
}

static void undo_escapes(struct prov_span text, struct prov_buf *out)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\\' && i + 1 < text.n && text.p[i + 1] == 'n') {
            prov_buf_add_u8(out, '\n');
            i++;
        } else {
            prov_buf_add_u8(out, text.p[i]);
        }
    }
}

X509 *request_cert(enum request_format format, struct prov_span answer)
{
    struct prov_buf pem;
    X509 *cert = NULL;
    BIO *bio;

    prov_buf_init(&pem, PAYLOAD_MAX);
    undo_escapes(request_text(format, answer, "certificatePem"), &pem);
    bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    if (bio != NULL)
        cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    need(cert != NULL, "read the certificate of an answer");
    BIO_free(bio);
    prov_buf_release(&pem);
    return cert;
}
