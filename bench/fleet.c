#include "fleet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/stat.h>

#include <openssl/decoder.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "support/mqtt.h"

void fleet_path(const char *dir, const char *name, char out[static FLEET_PATH_MAX])
{
    if (snprintf(out, FLEET_PATH_MAX, "%s/%s", dir, name) >= FLEET_PATH_MAX)
        bench_fail("%s/%s: the path is too long", dir, name);
}

/* ---- the file -------------------------------------------------------------------------------- */

bool fleet_file_open(struct fleet_file *f, const char *dir)
{
    char path[FLEET_PATH_MAX];
    struct stat info;
    void *p;
    int fd;

    *f = (struct fleet_file){ .p = NULL };
    fleet_path(dir, "devices.bin", path);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1 && errno == ENOENT)
        return false;
    if (fd == -1 || fstat(fd, &info) != 0)
        bench_fail("%s: %s", path, strerror(errno));
    if (info.st_size > 0) {
        p = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED)
            bench_fail("%s: %s", path, strerror(errno));
        f->p = p;
        f->n = (size_t)info.st_size;
    }
    (void)close(fd);
    return true;
}

static struct prov_span take(struct fleet_file *f)
{
    const uint8_t *p = f->p + f->at;
    size_t n;

    if (f->n - f->at < 4)
        bench_fail("devices.bin ends within a record: make it again with bench_pki");
    n = (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
    if (f->n - f->at - 4 < n)
        bench_fail("devices.bin ends within a record: make it again with bench_pki");
    f->at += 4 + n;
    return prov_span(p + 4, n);
}

bool fleet_file_next(struct fleet_file *f, struct prov_span *cert_der, struct prov_span *key_der)
{
    if (f->at == f->n)
        return false;
    *cert_der = take(f);
    *key_der = take(f);
    return true;
}

void fleet_file_close(struct fleet_file *f)
{
    if (f->p != NULL)
        (void)munmap((void *)(uintptr_t)f->p, f->n);
    *f = (struct fleet_file){ .p = NULL };
}

X509 *fleet_cert(struct prov_span der)
{
    const unsigned char *p = der.p;
    X509 *cert = d2i_X509(NULL, &p, (long)der.n);

    if (cert == NULL || p != der.p + der.n)
        bench_fail("devices.bin holds what is not a certificate: make it again with bench_pki");
    return cert;
}

EVP_PKEY *fleet_key(struct prov_span der)
{
    /* made once: collecting the decoders takes OpenSSL five times as long as decoding a key */
    static OSSL_DECODER_CTX *decoder;
    static EVP_PKEY *decoded;
    const unsigned char *p = der.p;
    size_t n = der.n;

    if (decoder == NULL)
        decoder = OSSL_DECODER_CTX_new_for_pkey(&decoded, "DER", "PrivateKeyInfo", NULL,
                                                EVP_PKEY_KEYPAIR, NULL, NULL);
    decoded = NULL;
    if (decoder == NULL || OSSL_DECODER_from_data(decoder, &p, &n) != 1 || n != 0)
        bench_fail("devices.bin holds what is not a private key: make it again with bench_pki");
    return decoded;
}

void fleet_cn(const X509 *cert, char out[static FLEET_CN_MAX])
{
    if (X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, out, FLEET_CN_MAX) <=
        0)
        bench_fail("devices.bin holds a certificate without a common name");
}

/* ---- decoded --------------------------------------------------------------------------------- */

/*
 * The broker must show the one certificate that bench_pki made for it, and TLS has it prove that it
 * holds the key: no chain is built, which would cost the client more than it tells.
 */
static int is_the_server(X509_STORE_CTX *store, void *arg)
{
    const struct fleet *fleet = arg;
    const ASN1_BIT_STRING *ours = X509_get0_pubkey_bitstr(fleet->server);
    const X509 *shown = X509_STORE_CTX_get0_cert(store);
    const ASN1_BIT_STRING *theirs = shown == NULL ? NULL : X509_get0_pubkey_bitstr(shown);

    if (theirs != NULL && prov_span_eq(prov_span(ours->data, (size_t)ours->length),
                                       prov_span(theirs->data, (size_t)theirs->length)))
        return 1;
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_UNTRUSTED);
    return 0;
}

static X509 *read_server(const char *dir)
{
    char path[FLEET_PATH_MAX];
    X509 *cert;
    FILE *f;

    fleet_path(dir, "server.pem", path);
    f = fopen(path, "re");
    if (f == NULL)
        bench_fail("%s: %s (bench_pki --dir %s makes it)", path, strerror(errno), dir);
    cert = PEM_read_X509(f, NULL, NULL, NULL);
    (void)fclose(f);
    if (cert == NULL)
        bench_fail("%s does not hold a certificate", path);
    return cert;
}

static SSL_CTX *make_context(struct fleet *fleet, int version)
{
    SSL_CTX *ctx = mqtt_tls_context(&(struct mqtt_tls){ .version = version });

    if (ctx == NULL)
        bench_fail("OpenSSL refuses to make a context");
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(ctx, is_the_server, fleet);
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    /* thousands of idle connections need no 32 kB of buffers each */
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    return ctx;
}

static void load_device(struct fleet_device *d, struct prov_span cert, struct prov_span key)
{
    d->cert = fleet_cert(cert);
    d->key = fleet_key(key);
    fleet_cn(d->cert, d->cn);
    /* decoded now and kept with the certificate, rather than within the first connect */
    if (X509_get0_pubkey(d->cert) == NULL)
        bench_fail("devices.bin holds a certificate whose key OpenSSL does not take");
}

void fleet_load(struct fleet *fleet, const char *dir, size_t first, size_t n, int version)
{
    struct prov_span cert, key;
    struct fleet_file file;

    *fleet = (struct fleet){ .server = read_server(dir) };
    fleet->ctx = make_context(fleet, version);
    fleet->devices = bench_alloc(n, sizeof *fleet->devices);
    if (!fleet_file_open(&file, dir))
        bench_fail("%s holds no devices.bin (bench_pki --dir %s makes it)", dir, dir);
    for (size_t i = 0; fleet->n < n && fleet_file_next(&file, &cert, &key); i++) {
        if (i < first)
            continue;
        load_device(&fleet->devices[fleet->n++], cert, key);
        bench_progress("reading devices", fleet->n, n);
    }
    fleet_file_close(&file);
    bench_progress_clear();
    if (fleet->n < n)
        bench_fail(
            "%s holds fewer than %zu devices (bench_pki --dir %s --devices %zu adds to them)", dir,
            first + n, dir, first + n);
}

void fleet_release(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->n; i++) {
        X509_free(fleet->devices[i].cert);
        EVP_PKEY_free(fleet->devices[i].key);
    }
    free(fleet->devices);
    X509_free(fleet->server);
    SSL_CTX_free(fleet->ctx);
    *fleet = (struct fleet){ .n = 0 };
}
