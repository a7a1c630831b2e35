/*
 * The broker's own certificate. It is of a CA of its own and never of the one that issues to
 * devices: those choose the names in their certificates, and a device that trusted that CA would
 * take any of them for the broker.
 */
#include "init.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/stat.h>

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "core/ident.h"
#include "core/issue.h"
#include "core/utc.h"
#include "issuer.h"
#include "key_files.h"

#define SERVER_DAYS 3650
#define SERIAL_BITS 159 /* 20 bytes, positive: RFC 5280 section 4.1.2.2 */
#define COMMON_NAME 64

/* ---- names ----------------------------------------------------------------------------------- */

bool init_is_address(const char *name)
{
    unsigned char space[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, name, space) == 1 || inet_pton(AF_INET6, name, space) == 1;
}

/* As in a host name, the first label a wildcard perhaps; nothing that means something in the
 * configuration of an extension. */
static bool is_host(const char *name)
{
    const char *rest = strncmp(name, "*.", 2) == 0 ? name + 2 : name;
    const size_t n = strlen(rest);

    return n != 0 && strlen(name) <= 253 && rest[0] != '.' && rest[0] != '-' &&
           rest[n - 1] != '.' && strstr(rest, "..") == NULL &&
           strspn(rest, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == n;
}

/* The next of "a, b c": advances *rest; false at the end. */
static bool next_name(const char **rest, char out[static 256])
{
    size_t n;

    *rest += strspn(*rest, ", ");
    n = strcspn(*rest, ", ");
    if (n == 0)
        return false;
    if (!prov_span_copy(prov_span(*rest, n), out, 256))
        out[0] = '\0'; /* which is no name */
    *rest += n;
    return true;
}

enum prov_rc init_set_names(struct init *in, const char *answer)
{
    char name[256], *out = in->plan.server_names;
    const char *rest = answer;
    size_t used = 0;

    out[0] = '\0';
    while (next_name(&rest, name)) {
        if (!init_is_address(name) && !is_host(name))
            return ctl_refuse(in->ctl, "\"%s\" is neither a host's name nor an address", name);
        if (used + strlen(name) + 2 > INIT_NAMES)
            return ctl_refuse(in->ctl, "these are too many names");
        used += (size_t)snprintf(out + used, INIT_NAMES - used, "%s%s", used != 0 ? "," : "", name);
    }
    return used != 0 ? PROV_OK : ctl_refuse(in->ctl, "at least one name or address is needed");
}

/* ---- files ----------------------------------------------------------------------------------- */

/* Nobody is there to be asked. */
static enum prov_rc load_key(struct init *in, const char *file, EVP_PKEY **out)
{
    return init_about(in, file, ctl_key_read(in->ctl, file, out));
}

enum prov_rc init_load_cert(struct init *in, const char *file, X509 **out)
{
    struct prov_buf text = { 0 };
    enum prov_rc rc = ctl_read_file(in->ctl, file, PROV_MAX_CERT_PEM, &text);

    *out = NULL;
    if (rc == PROV_OK)
        rc = prov_ident_decode_pem(prov_buf_span(&text), out, &in->ctl->err);
    prov_buf_wipe(&text); /* it may be a key by mistake */
    return init_about(in, file, rc);
}

static enum prov_rc check_fit(struct init *in, const char *cert_file, X509 *cert,
                              const char *key_file, const EVP_PKEY *key)
{
    ERR_set_mark();
    if (X509_check_private_key(cert, key) == 1) {
        ERR_pop_to_mark();
        return PROV_OK;
    }
    ERR_pop_to_mark();
    return ctl_refuse(in->ctl, "%.140s is not the key of %.140s", key_file, cert_file);
}

/* A certificate and its key, that they belong together. */
static enum prov_rc load_pair(struct init *in, const char *cert_file, const char *key_file,
                              X509 **cert, EVP_PKEY **key)
{
    enum prov_rc rc = init_load_cert(in, cert_file, cert);

    *key = NULL;
    if (rc == PROV_OK)
        rc = load_key(in, key_file, key);
    if (rc == PROV_OK)
        rc = check_fit(in, cert_file, *cert, key_file, *key);
    return rc;
}

enum prov_rc init_set_server_cert(struct init *in, const char *answer)
{
    const int64_t now_s = in->ctl->tx.now_ms / 1000;
    int64_t from_s, to_s;
    X509 *cert = NULL;
    enum prov_rc rc = init_set_path(in, answer, in->plan.server_cert);

    if (rc == PROV_OK)
        rc = init_load_cert(in, in->plan.server_cert, &cert);
    if (rc == PROV_OK && (!prov_cert_validity(cert, &from_s, &to_s) || to_s < now_s))
        rc = ctl_refuse(in->ctl, "this certificate has ended");
    X509_free(cert);
    return rc;
}

enum prov_rc init_set_server_key(struct init *in, const char *answer)
{
    EVP_PKEY *key = NULL;
    X509 *cert = NULL;
    enum prov_rc rc = init_set_path(in, answer, in->plan.server_key);

    if (rc == PROV_OK)
        rc = load_pair(in, in->plan.server_cert, in->plan.server_key, &cert, &key);
    X509_free(cert);
    EVP_PKEY_free(key);
    return rc;
}

/* ---- making ---------------------------------------------------------------------------------- */

static bool add_extension(X509 *cert, X509 *ca, int nid, const char *value)
{
    X509_EXTENSION *ext;
    X509V3_CTX ctx;
    bool ok;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, ca, cert, NULL, NULL, 0);
    ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    ok = ext != NULL && X509_add_ext(cert, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    return ok;
}

static bool add_extensions(X509 *cert, X509 *ca, const char *names)
{
    static const struct {
        int nid;
        const char *value;
    } rows[] = {
        { NID_basic_constraints, "critical,CA:FALSE" },
        { NID_key_usage, "critical,digitalSignature" },
        { NID_ext_key_usage, "serverAuth" },
        { NID_subject_key_identifier, "hash" },
        { NID_authority_key_identifier, "keyid:always" },
    };
    char name[256], san[4 * INIT_NAMES] = "";
    bool ok = true;
    size_t used = 0;

    while (next_name(&names, name))
        used += (size_t)snprintf(san + used, sizeof san - used, "%s%s:%s", used != 0 ? "," : "",
                                 init_is_address(name) ? "IP" : "DNS", name);
    for (size_t i = 0; i < PROV_COUNT(rows) && ok; i++)
        ok = add_extension(cert, ca, rows[i].nid, rows[i].value);
    return ok && add_extension(cert, ca, NID_subject_alt_name, san);
}

static bool set_serial(X509 *cert)
{
    BIGNUM *serial = BN_new();
    const bool ok = serial != NULL &&
                    BN_rand(serial, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
                    BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(cert)) != NULL;

    BN_free(serial);
    return ok;
}

/* The first of the names that fits is the subject's too, for people. */
static bool set_subject(X509 *cert, const char *names)
{
    char name[256] = "";

    if (!next_name(&names, name) || strlen(name) > COMMON_NAME)
        (void)snprintf(name, sizeof name, "MQTT broker");
    return X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8,
                                      (const unsigned char *)name, -1, -1, 0) == 1;
}

/* Not longer than the CA is good for. */
static bool set_validity(struct init *in, X509 *cert, const X509 *ca)
{
    int64_t from_s, to_s, ca_from_s, ca_to_s;

    prov_issue_validity(in->ctl->tx.now_ms / 1000, SERVER_DAYS, &from_s, &to_s);
    if (!prov_cert_validity(ca, &ca_from_s, &ca_to_s))
        return false;
    from_s = from_s < ca_from_s ? ca_from_s : from_s;
    to_s = to_s > ca_to_s ? ca_to_s : to_s;
    return prov_utc_to_asn1(from_s, X509_getm_notBefore(cert)) &&
           prov_utc_to_asn1(to_s, X509_getm_notAfter(cert));
}

static enum prov_rc make_cert(struct init *in, X509 *ca, EVP_PKEY *ca_key, EVP_PKEY *key,
                              X509 **out)
{
    const char *names = in->plan.server_names;
    X509 *cert = X509_new();

    ERR_set_mark();
    if (cert != NULL && X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
        set_subject(cert, names) && X509_set_issuer_name(cert, X509_get_subject_name(ca)) == 1 &&
        set_validity(in, cert, ca) && X509_set_pubkey(cert, key) == 1 &&
        add_extensions(cert, ca, names) && X509_sign(cert, ca_key, EVP_sha256()) > 0) {
        ERR_pop_to_mark();
        *out = cert;
        return PROV_OK;
    }
    ERR_pop_to_mark();
    X509_free(cert);
    return prov_fail(&in->ctl->err, PROV_ESIGNER, "InternalFailureException",
                     "the server's certificate cannot be made");
}

static enum prov_rc make_ca(struct init *in, X509 **ca, EVP_PKEY **ca_key)
{
    const struct init_places *p = &in->places;
    struct ctl_new_file files[2] = { { .owner = &p->root }, { .owner = &p->root } };
    int64_t from_s, to_s;
    char name[256];
    const char *names = in->plan.server_names;
    struct prov_buf title;
    enum prov_rc rc;

    prov_buf_init(&title, COMMON_NAME);
    prov_buf_add_str(&title, "Broker CA");
    if (next_name(&names, name) && strlen(name) + strlen("Broker CA ") <= COMMON_NAME)
        prov_buf_addf(&title, " %s", name);
    (void)snprintf(files[0].path, INIT_PATH, "%s", p->server_ca);
    (void)snprintf(files[1].path, INIT_PATH, "%s", p->server_ca_key);
    prov_issue_validity(in->ctl->tx.now_ms / 1000, CTL_ISSUER_DAYS, &from_s, &to_s);
    rc = prov_issuer_make(PROV_KEY_EC_P256, prov_buf_span(&title), from_s, to_s, ca_key, ca,
                          &in->ctl->err);
    if (rc == PROV_OK)
        rc = ctl_key_files(in->ctl, &files[0], &files[1], *ca_key, *ca);
    prov_buf_release(&title);
    return rc;
}

/* The one that is there: devices have its certificate already. */
static enum prov_rc find_ca(struct init *in, X509 **ca, EVP_PKEY **ca_key)
{
    const struct init_places *p = &in->places;
    bool there = in->found.server_ca;
    enum prov_rc rc = PROV_OK;

    if (!there)
        rc = ctl_key_files_resume(in->ctl, p->server_ca, p->server_ca_key, &there);
    if (rc != PROV_OK || !there)
        return rc == PROV_OK ? make_ca(in, ca, ca_key) : rc;
    rc = load_pair(in, p->server_ca, p->server_ca_key, ca, ca_key);
    if (rc != PROV_OK && rc != PROV_ENOMEM)
        ctl_hint(in->ctl,
                 "Put the CA's key there again; or move %s away, and devices must be "
                 "given that of a new CA.",
                 p->server_ca);
    return rc;
}

enum prov_rc init_check_server(struct init *in)
{
    EVP_PKEY *key = NULL;
    X509 *cert = NULL;
    enum prov_rc rc = PROV_OK;

    if (init_makes_server(in) && in->found.server_ca)
        rc = find_ca(in, &cert, &key);
    EVP_PKEY_free(key);
    X509_free(cert);
    return rc;
}

enum prov_rc init_make_server(struct init *in)
{
    const struct init_places *p = &in->places;
    struct ctl_new_file files[2] = { { .owner = &p->root }, { .owner = &p->root } };
    EVP_PKEY *ca_key = NULL, *key = NULL;
    X509 *ca = NULL, *cert = NULL;
    bool resumed;
    enum prov_rc rc;

    rc = ctl_key_files_resume(in->ctl, p->server_cert, p->server_key, &resumed);
    if (rc != PROV_OK || resumed)
        return rc;
    if (p->owned)
        files[1].owner = &p->owner; /* the broker reads it after it has become its user */
    (void)snprintf(files[0].path, INIT_PATH, "%s", p->server_cert);
    (void)snprintf(files[1].path, INIT_PATH, "%s", p->server_key);
    rc = find_ca(in, &ca, &ca_key);
    if (rc == PROV_OK)
        rc = prov_key_new(PROV_KEY_EC_P256, &key);
    if (rc == PROV_OK)
        rc = make_cert(in, ca, ca_key, key, &cert);
    if (rc == PROV_OK)
        rc = ctl_key_files(in->ctl, &files[0], &files[1], key, cert);
    EVP_PKEY_free(key);
    EVP_PKEY_free(ca_key);
    X509_free(cert);
    X509_free(ca);
    return rc;
}
