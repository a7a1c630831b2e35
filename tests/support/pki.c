#include "pki.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "core/utc.h"

#define DAY_S 86400

static void need(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "pki: cannot %s\n", what);
    ERR_print_errors_fp(stderr);
    exit(2);
}

/* ---- keys ------------------------------------------------------------------------------------ */

static const struct {
    const char *type, *group;
    int bits;
    bool explicit_params;
} kinds[] = {
    [PKI_P256] = { "EC", "P-256", 0, false },
    [PKI_P384] = { "EC", "P-384", 0, false },
    [PKI_P521] = { "EC", "P-521", 0, false },
    [PKI_P256K1] = { "EC", "secp256k1", 0, false },
    [PKI_P256_EXPLICIT] = { "EC", "P-256", 0, true },
    [PKI_RSA_2048] = { "RSA", NULL, 2048, false },
    [PKI_RSA_1024] = { "RSA", NULL, 1024, false },
    [PKI_RSA_PSS_2048] = { "RSA-PSS", NULL, 2048, false },
    [PKI_ED25519] = { "ED25519", NULL, 0, false },
};
_Static_assert(sizeof kinds / sizeof kinds[0] == PKI_KEYS, "a kind was added without a row");

EVP_PKEY *pki_key_new(enum pki_key kind)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, kinds[kind].type, NULL);
    EVP_PKEY *key = NULL;
    int ok = ctx != NULL && EVP_PKEY_keygen_init(ctx) == 1;

    if (ok && kinds[kind].group != NULL)
        ok = EVP_PKEY_CTX_set_group_name(ctx, kinds[kind].group) == 1;
    if (ok && kinds[kind].explicit_params)
        ok = EVP_PKEY_CTX_set_ec_param_enc(ctx, OPENSSL_EC_EXPLICIT_CURVE) == 1;
    if (ok && kinds[kind].bits != 0)
        ok = EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, kinds[kind].bits) == 1;
    need(ok && EVP_PKEY_generate(ctx, &key) == 1, "make a key");
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static EVP_PKEY *shared[PKI_KEYS];

static void free_shared(void)
{
    for (size_t i = 0; i < PKI_KEYS; i++) {
        EVP_PKEY_free(shared[i]);
        shared[i] = NULL;
    }
}

EVP_PKEY *pki_key_shared(enum pki_key kind)
{
    static bool registered;

    if (!registered)
        need(atexit(free_shared) == 0, "register clean-up");
    registered = true;
    if (shared[kind] == NULL)
        shared[kind] = pki_key_new(kind);
    return shared[kind];
}

/* ---- names ----------------------------------------------------------------------------------- */

/* "/TYPE=value/TYPE=value" */
static X509_NAME *name_new(const char *text)
{
    X509_NAME *name = X509_NAME_new();
    char type[64], value[1024];
    const char *eq, *end;

    need(name != NULL, "make a name");
    while (*text == '/') {
        eq = strchr(text, '=');
        need(eq != NULL && (size_t)(eq - text) <= sizeof type, "read a name");
        end = eq + 1 + strcspn(eq + 1, "/");
        need((size_t)(end - eq) <= sizeof value, "read a name");
        (void)snprintf(type, sizeof type, "%.*s", (int)(eq - text - 1), text + 1);
        (void)snprintf(value, sizeof value, "%.*s", (int)(end - eq - 1), eq + 1);
        need(X509_NAME_add_entry_by_txt(name, type, MBSTRING_UTF8, (const unsigned char *)value, -1,
                                        -1, 0) == 1,
             text);
        text = end;
    }
    return name;
}

static GENERAL_NAME *alt_name_new(char *text)
{
    static const struct {
        const char *prefix;
        int type;
    } types[] = {
        { "DNS", GEN_DNS }, { "email", GEN_EMAIL }, { "URI", GEN_URI }, { "IP", GEN_IPADD }
    };
    char *value = strchr(text, ':');
    GENERAL_NAME *name = NULL;

    need(value != NULL, text);
    *value++ = '\0';
    if (strcmp(text, "dirName") == 0) {
        name = GENERAL_NAME_new();
        need(name != NULL, text);
        GENERAL_NAME_set0_value(name, GEN_DIRNAME, name_new(value));
    }
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(text, types[i].prefix) == 0)
            name = a2i_GENERAL_NAME(NULL, NULL, NULL, types[i].type, value, 0);
    }
    need(name != NULL, text);
    return name;
}

static void add_alt_names(X509 *cert, int nid, const char *list)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    char *copy = strdup(list), *rest = copy, *one;

    need(names != NULL && copy != NULL, "make alternative names");
    while ((one = strsep(&rest, ",")) != NULL)
        need(sk_GENERAL_NAME_push(names, alt_name_new(one)) > 0, "add an alternative name");
    need(X509_add1_ext_i2d(cert, nid, names, 0, X509V3_ADD_APPEND) == 1, "add alternative names");
    GENERAL_NAMES_free(names);
    free(copy);
}

/* ---- certificates ---------------------------------------------------------------------------- */

static void add_ext(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509_EXTENSION *ext;
    X509V3_CTX ctx;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    need(ext != NULL && X509_add_ext(cert, ext, -1) == 1, value);
    X509_EXTENSION_free(ext);
}

static void add_unknown_critical(X509 *cert)
{
    static const unsigned char null_der[] = { 0x05, 0x00 };
    ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.4.1.55555.1", 1);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    X509_EXTENSION *ext = NULL;

    need(oid != NULL && value != NULL &&
             ASN1_OCTET_STRING_set(value, null_der, sizeof null_der) == 1,
         "make an extension");
    ext = X509_EXTENSION_create_by_OBJ(NULL, oid, 1, value);
    need(ext != NULL && X509_add_ext(cert, ext, -1) == 1, "add an extension");
    X509_EXTENSION_free(ext);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(oid);
}

static void add_key_usage(X509 *cert, X509 *issuer, const struct pki_spec *spec)
{
    const char *by_kind = spec->ca ? "keyCertSign,cRLSign" : "digitalSignature";
    const char *usage = spec->key_usage == NULL ? by_kind : spec->key_usage;
    char value[128];

    if (usage[0] == '\0')
        return;
    (void)snprintf(value, sizeof value, "critical,%s", usage);
    add_ext(cert, issuer, NID_key_usage, value);
}

static void add_extensions(X509 *cert, X509 *issuer, const struct pki_spec *spec)
{
    char constraints[64] = "critical,CA:FALSE";

    if (spec->ca && spec->pathlen > 0)
        (void)snprintf(constraints, sizeof constraints, "critical,CA:TRUE,pathlen:%d",
                       spec->pathlen - 1);
    else if (spec->ca)
        (void)snprintf(constraints, sizeof constraints, "critical,CA:TRUE");
    add_ext(cert, issuer, NID_basic_constraints, constraints);
    add_key_usage(cert, issuer, spec);
    if (!spec->no_key_ids) {
        add_ext(cert, issuer, NID_subject_key_identifier, "hash");
        if (X509_get_ext_by_NID(issuer, NID_subject_key_identifier, -1) >= 0)
            add_ext(cert, issuer, NID_authority_key_identifier, "keyid");
    }
    if (spec->eku != NULL)
        add_ext(cert, issuer, NID_ext_key_usage, spec->eku);
    if (spec->san != NULL)
        add_alt_names(cert, NID_subject_alt_name, spec->san);
    if (spec->ian != NULL)
        add_alt_names(cert, NID_issuer_alt_name, spec->ian);
    if (spec->permitted != NULL) {
        char value[256];

        (void)snprintf(value, sizeof value, "critical,%s", spec->permitted);
        add_ext(cert, issuer, NID_name_constraints, value);
    }
    if (spec->unknown_critical)
        add_unknown_critical(cert);
}

static void set_serial(X509 *cert, const char *hex)
{
    BIGNUM *n = NULL;
    int ok;

    if (hex != NULL) {
        ok = BN_hex2bn(&n, hex) > 0;
    } else {
        n = BN_new();
        ok = n != NULL && BN_rand(n, 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1;
    }
    need(ok && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert)) != NULL, "set the serial");
    BN_free(n);
}

static void set_validity(X509 *cert, const struct pki_spec *spec)
{
    const bool given = spec->not_before_s != 0 || spec->not_after_s != 0;
    const int64_t base = spec->now_s != 0 ? spec->now_s : (int64_t)time(NULL);
    const int64_t from = base + (given ? spec->not_before_s : -(int64_t)DAY_S);
    const int64_t until = base + (given ? spec->not_after_s : (int64_t)DAY_S * 3650);

    need(prov_utc_to_asn1(from, X509_getm_notBefore(cert)) &&
             prov_utc_to_asn1(until, X509_getm_notAfter(cert)),
         "set the validity");
}

static void sign(X509 *cert, EVP_PKEY *key, const struct pki_spec *spec)
{
    const char *digest = spec->digest == NULL ? "SHA256" : spec->digest;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;

    if (EVP_PKEY_is_a(key, "ED25519"))
        digest = NULL;
    need(ctx != NULL && EVP_DigestSignInit_ex(ctx, &pctx, digest, NULL, NULL, key, NULL) == 1,
         "start a signature");
    if (spec->pss)
        need(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1, "choose PSS");
    need(X509_sign_ctx(cert, ctx) > 0, "sign");
    EVP_MD_CTX_free(ctx);
}

struct pki_cert pki_make(const struct pki_spec *spec)
{
    struct pki_cert made = { X509_new(), spec->use_key };
    X509 *issuer = spec->issuer == NULL ? made.x509 : spec->issuer->x509;
    X509_NAME *name = name_new(spec->subject == NULL ? "/CN=test" : spec->subject);

    if (made.key == NULL)
        made.key = pki_key_new(spec->key);
    else
        need(EVP_PKEY_up_ref(made.key) == 1, "share a key");
    need(made.x509 != NULL &&
             X509_set_version(made.x509, spec->v1 ? X509_VERSION_1 : X509_VERSION_3) == 1 &&
             X509_set_subject_name(made.x509, name) == 1 &&
             X509_set_issuer_name(made.x509, X509_get_subject_name(issuer)) == 1 &&
             X509_set_pubkey(made.x509, made.key) == 1,
         "fill a certificate");
    X509_NAME_free(name);
    set_serial(made.x509, spec->serial);
    set_validity(made.x509, spec);
    if (!spec->v1)
        add_extensions(made.x509, issuer, spec);
    if (spec->edit != NULL)
        spec->edit(made.x509);
    sign(made.x509, spec->issuer == NULL ? made.key : spec->issuer->key, spec);
    return made;
}

void pki_free(struct pki_cert *cert)
{
    X509_free(cert->x509);
    EVP_PKEY_free(cert->key);
    cert->x509 = NULL;
    cert->key = NULL;
}

struct pki_cert pki_verification(const struct pki_cert *ca, const char *registration_code)
{
    char subject[160];

    (void)snprintf(subject, sizeof subject, "/CN=%s", registration_code);
    return pki_make(&(struct pki_spec){ .subject = subject, .issuer = ca });
}

struct pki_cert pki_impostor(const struct pki_cert *ca)
{
    struct pki_cert impostor = { X509_dup(ca->x509), pki_key_new(PKI_P256) };

    need(impostor.x509 != NULL, "copy a certificate");
    return impostor;
}

/* ---- encodings ------------------------------------------------------------------------------- */

struct pki_cert pki_twin(const struct pki_cert *cert)
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    struct pki_cert twin = { X509_dup(cert->x509), cert->key };
    const ASN1_BIT_STRING *bits;
    const unsigned char *p;
    unsigned char *der = NULL;
    BIGNUM *r, *s = BN_new();
    ECDSA_SIG *sig;
    int n;

    need(group != NULL && twin.x509 != NULL && s != NULL, "make a twin");
    X509_get0_signature(&bits, NULL, twin.x509);
    p = ASN1_STRING_get0_data(bits);
    sig = d2i_ECDSA_SIG(NULL, &p, ASN1_STRING_length(bits));
    need(sig != NULL, "read an ECDSA signature");
    r = BN_dup(ECDSA_SIG_get0_r(sig));
    need(BN_sub(s, EC_GROUP_get0_order(group), ECDSA_SIG_get0_s(sig)) == 1, "make a twin");
    need(r != NULL && ECDSA_SIG_set0(sig, r, s) == 1, "make a twin");
    n = i2d_ECDSA_SIG(sig, &der);
    /* the string is the duplicate's own, and const only to remind whoever asks for it */
    need(n > 0 && ASN1_STRING_set((ASN1_STRING *)(uintptr_t)bits, der, n) == 1, "make a twin");
    EVP_PKEY_up_ref(twin.key);
    OPENSSL_free(der);
    ECDSA_SIG_free(sig);
    EC_GROUP_free(group);
    return twin;
}

uint8_t *pki_der(const X509 *cert, size_t *n)
{
    const int len = i2d_X509(cert, NULL);
    uint8_t *der = len > 0 ? malloc((size_t)len) : NULL;
    unsigned char *p = der;

    need(der != NULL && i2d_X509(cert, &p) == len, "encode a certificate");
    *n = (size_t)len;
    return der;
}

/* Takes the BIO. */
static char *bio_text(BIO *bio, bool ok)
{
    char *p = NULL, *text;
    const long n = BIO_get_mem_data(bio, &p);

    need(ok && n > 0, "write PEM");
    text = malloc((size_t)n + 1);
    need(text != NULL, "write PEM");
    memcpy(text, p, (size_t)n);
    text[n] = '\0';
    BIO_free(bio);
    return text;
}

char *pki_pem(const X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());

    return bio_text(bio, PEM_write_bio_X509(bio, cert) == 1);
}

char *pki_key_pem(const EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());

    return bio_text(bio, PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
}

X509 *pki_from_pem(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);

    need(cert != NULL && BIO_eof(bio), "read one certificate in PEM");
    BIO_free(bio);
    return cert;
}

EVP_PKEY *pki_key_from_pem(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

    need(key != NULL && BIO_eof(bio), "read one key in PEM");
    BIO_free(bio);
    return key;
}

static void write_file(const char *dir, const char *name, const char *suffix, unsigned mode,
                       const char *text, const char *more)
{
    char path[512];
    int fd;

    (void)snprintf(path, sizeof path, "%s/%s.%s", dir, name, suffix);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    need(fd >= 0, path);
    need(write(fd, text, strlen(text)) == (ssize_t)strlen(text), path);
    need(write(fd, more, strlen(more)) == (ssize_t)strlen(more), path);
    need(close(fd) == 0, path);
}

void pki_write(const char *dir, const char *name, const struct pki_cert *cert, const X509 *chain)
{
    char *pem = pki_pem(cert->x509);
    char *more = chain == NULL ? NULL : pki_pem(chain);
    char *key = pki_key_pem(cert->key);

    write_file(dir, name, "crt", 0644, pem, more == NULL ? "" : more);
    write_file(dir, name, "key", 0600, key, "");
    free(key);
    free(more);
    free(pem);
}
