/* bench_issue.c - what a certificate costs: the issuing side alone, without broker and store. */
#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "bench.h"
#include "core/issue.h"
#include "support/pki.h"

#define DAY_S 86400

static struct {
    uint64_t certificates;
    unsigned key;
} opt = { .certificates = 5000 };

/* What every measurement works on. */
static struct {
    struct pki_cert ca;
    struct prov_issuer *issuer;
    struct prov_csr_reader *reader;
    struct prov_csr *csr;
    char *pem;
    int64_t now_s;
} env;

static void need(bool ok, const char *what)
{
    if (!ok)
        bench_fail("cannot %s", what);
}

static char *make_csr_pem(EVP_PKEY *key)
{
    X509_REQ *req = X509_REQ_new();
    BIO *bio = BIO_new(BIO_s_mem());
    char *text, *pem;
    long n;

    need(req != NULL && bio != NULL &&
             X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(req), "CN", MBSTRING_UTF8,
                                        (const unsigned char *)"dev-0000001", -1, -1, 0) == 1 &&
             X509_REQ_set_pubkey(req, key) == 1 && X509_REQ_sign(req, key, EVP_sha256()) > 0 &&
             PEM_write_bio_X509_REQ(bio, req) == 1,
         "make a signing request");
    n = BIO_get_mem_data(bio, &text);
    pem = bench_alloc((size_t)n + 1, 1);
    memcpy(pem, text, (size_t)n);
    BIO_free(bio);
    X509_REQ_free(req);
    return pem;
}

static void set_up(void)
{
    EVP_PKEY *device = pki_key_new(opt.key == 0 ? PKI_P256 : PKI_RSA_2048);

    env.now_s = (int64_t)time(NULL);
    env.ca = pki_make(&(struct pki_spec){ .subject = "/CN=Bench CA", .ca = true });
    need(prov_issuer_new(env.ca.x509, env.ca.key, env.now_s, &env.issuer, NULL) == PROV_OK,
         "make an issuer");
    need(prov_csr_reader_new(&env.reader) == PROV_OK, "make a reader");
    env.pem = make_csr_pem(device);
    need(prov_csr_parse(prov_span_str(env.pem), &env.csr, NULL) == PROV_OK, "read the request");
    EVP_PKEY_free(device);
}

static void tear_down(void)
{
    prov_csr_free(env.csr);
    prov_csr_reader_free(env.reader);
    prov_issuer_free(env.issuer);
    pki_free(&env.ca);
    free(env.pem);
}

/* ---- what is measured ------------------------------------------------------------------------ */

static EVP_PKEY_CTX *sign_ctx;

static void sign_bare(void)
{
    static const unsigned char digest[32] = { 1 };
    unsigned char signature[80];
    size_t n = sizeof signature;

    need(EVP_PKEY_sign(sign_ctx, signature, &n, digest, sizeof digest) == 1, "sign");
}

static struct {
    EVP_PKEY_CTX *ctx;
    unsigned char signature[512];
    size_t n;
} verify_it;

static void verify_bare(void)
{
    static const unsigned char digest[32] = { 1 };

    need(EVP_PKEY_verify(verify_it.ctx, verify_it.signature, verify_it.n, digest, sizeof digest) ==
             1,
         "verify");
}

static void issue_for(const struct prov_csr *csr)
{
    const struct prov_issue what = { .subject = csr->subject,
                                     .spki = csr->spki,
                                     .not_before_s = env.now_s,
                                     .not_after_s = env.now_s + 365 * (int64_t)DAY_S };
    struct prov_buf der = { .max = 16384 };

    need(prov_issue(env.issuer, &what, &der, NULL) == PROV_OK, "issue");
    prov_buf_release(&der);
}

static void issue(void)
{
    issue_for(env.csr);
}

static void parse(void)
{
    struct prov_csr *csr;

    need(prov_csr_parse(prov_span_str(env.pem), &csr, NULL) == PROV_OK, "read the request");
    prov_csr_free(csr);
}

static void parse_with_reader(void)
{
    struct prov_csr *csr;

    need(prov_csr_read(env.reader, prov_span_str(env.pem), &csr, NULL) == PROV_OK,
         "read the request");
    prov_csr_free(csr);
}

static void parse_and_issue(void)
{
    struct prov_csr *csr;

    need(prov_csr_read(env.reader, prov_span_str(env.pem), &csr, NULL) == PROV_OK,
         "read the request");
    issue_for(csr);
    prov_csr_free(csr);
}

static void add_extension(X509 *cert, X509V3_CTX *ctx, int nid, const char *value)
{
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, ctx, nid, value);

    need(ext != NULL && X509_add_ext(cert, ext, -1) == 1, "add an extension");
    X509_EXTENSION_free(ext);
}

static void fill_plainly(X509 *cert, X509_REQ *req, EVP_PKEY *key)
{
    uint8_t serial[20];
    X509V3_CTX ctx;

    need(RAND_bytes(serial, sizeof serial) == 1, "find randomness");
    serial[0] &= 0x7f;
    need(X509_set_version(cert, X509_VERSION_3) == 1 &&
             ASN1_STRING_set(X509_get_serialNumber(cert), serial, sizeof serial) == 1 &&
             X509_set_subject_name(cert, X509_REQ_get_subject_name(req)) == 1 &&
             X509_set_issuer_name(cert, X509_get_subject_name(env.ca.x509)) == 1 &&
             X509_gmtime_adj(X509_getm_notBefore(cert), 0) != NULL &&
             X509_gmtime_adj(X509_getm_notAfter(cert), 365 * (long)DAY_S) != NULL &&
             X509_set_pubkey(cert, key) == 1,
         "fill a certificate");
    X509V3_set_ctx(&ctx, env.ca.x509, cert, NULL, NULL, 0);
    add_extension(cert, &ctx, NID_authority_key_identifier, "keyid");
    add_extension(cert, &ctx, NID_subject_key_identifier, "hash");
    add_extension(cert, &ctx, NID_basic_constraints, "critical,CA:FALSE");
    add_extension(cert, &ctx, NID_key_usage, "critical,digitalSignature");
}

/* The way it is written in tutorials, for comparison. */
static void plain_openssl(void)
{
    BIO *in = BIO_new_mem_buf(env.pem, -1), *out = BIO_new(BIO_s_mem());
    X509_REQ *req = PEM_read_bio_X509_REQ(in, NULL, NULL, NULL);
    EVP_PKEY *key = X509_REQ_get_pubkey(req);
    X509 *cert = X509_new();

    need(key != NULL && X509_REQ_verify(req, key) == 1, "read the request");
    fill_plainly(cert, req, key);
    need(X509_sign(cert, env.ca.key, EVP_sha256()) > 0 && PEM_write_bio_X509(out, cert) == 1,
         "issue");
    X509_free(cert);
    EVP_PKEY_free(key);
    X509_REQ_free(req);
    BIO_free(out);
    BIO_free(in);
}

/* ---- measuring ------------------------------------------------------------------------------- */

static void measure(const char *name, void (*run)(void))
{
    const uint64_t warm_up = opt.certificates / 10;
    uint64_t from_ns = 0;
    char key[64];
    double us;

    for (uint64_t i = 0; i < warm_up + opt.certificates; i++) {
        if (i == warm_up)
            from_ns = bench_now_ns();
        run();
    }
    us = (double)(bench_now_ns() - from_ns) / 1000 / (double)opt.certificates;
    (void)snprintf(key, sizeof key, "%s_us", name);
    bench_put_value(key, us, 2);
    (void)snprintf(key, sizeof key, "%s_per_s", name);
    bench_put_value(key, 1e6 / us, 0);
}

static void measure_bare(void)
{
    static const unsigned char digest[32] = { 1 };
    EVP_PKEY *device = pki_key_new(opt.key == 0 ? PKI_P256 : PKI_RSA_2048);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(device, NULL);

    sign_ctx = EVP_PKEY_CTX_new(env.ca.key, NULL);
    need(sign_ctx != NULL && EVP_PKEY_sign_init(sign_ctx) == 1, "sign");
    measure("sign", sign_bare);
    verify_it.n = sizeof verify_it.signature;
    verify_it.ctx = EVP_PKEY_CTX_new(device, NULL);
    need(EVP_PKEY_sign_init(ctx) == 1 &&
             EVP_PKEY_sign(ctx, verify_it.signature, &verify_it.n, digest, sizeof digest) == 1 &&
             EVP_PKEY_verify_init(verify_it.ctx) == 1,
         "verify");
    measure("verify", verify_bare);
    EVP_PKEY_CTX_free(verify_it.ctx);
    EVP_PKEY_CTX_free(sign_ctx);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(device);
}

static const struct bench_option options[] = {
    { .name = "certificates",
      .value = "N",
      .help = "how many of each",
      .number = &opt.certificates,
      .lo = 10 },
    { .name = "key",
      .value = "KIND",
      .help = "the device's key",
      .choice = &opt.key,
      .words = { "p256", "rsa2048" } },
    { .name = NULL },
};

static const struct bench_program program = {
    .name = "bench_issue",
    .about =
        "Issues device certificates with a P-256 issuer, on one core, without a broker: reads\n"
        "signing requests and signs certificates, next to what the bare signature costs and\n"
        "what the same costs with OpenSSL's certificate objects.\n",
    .figures = "  each as microseconds (_us) and as a rate (_per_s):\n"
               "  sign    a bare P-256 signature\n"
               "  verify  of a bare signature by the device's key\n"
               "  issue   prov_issue\n"
               "  parse   prov_csr_parse; read: the same with a reader made before\n"
               "  both    a request read with that reader, and a certificate issued for it\n"
               "  plain   the same with X509_REQ, X509, and PEM at both ends\n",
    .example = "bench_issue --certificates 20000",
    .options = options,
};

int main(int argc, char **argv)
{
    bench_options(&program, argc, argv);
    set_up();
    measure_bare();
    measure("issue", issue);
    measure("parse", parse);
    measure("read", parse_with_reader);
    measure("both", parse_and_issue);
    measure("plain", plain_openssl);
    bench_put_line();
    tear_down();
    return 0;
}
