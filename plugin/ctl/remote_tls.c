#include "remote_tls.h"

#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#define UNREACHABLE "ServiceUnavailableException"

static struct ctl_tls_watch *watching;

/* ---- looking on ------------------------------------------------------------------------------ */

static int verified(int ok, X509_STORE_CTX *ctx)
{
    if (watching == NULL)
        return ok;
    if (!ok && watching->error == X509_V_OK)
        watching->error = X509_STORE_CTX_get_error(ctx);
    if (watching->leaf == NULL) {
        watching->leaf = X509_STORE_CTX_get0_cert(ctx);
        if (watching->leaf != NULL && !X509_up_ref(watching->leaf))
            watching->leaf = NULL;
    }
    return ok;
}

/* OpenSSL calls this for each verification that begins, before the one who verifies could set a
 * callback; the library sets none. */
static void verification_begins(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl,
                                void *argp)
{
    (void)ptr, (void)ad, (void)idx, (void)argl, (void)argp;
    X509_STORE_CTX_set_verify_cb(parent, verified);
}

void ctl_tls_watch_start(struct ctl_tls_watch *watch)
{
    ERR_clear_error();
    *watch = (struct ctl_tls_watch){ .error = X509_V_OK };
    watching = watch;
    watch->index = CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_X509_STORE_CTX, 0, NULL,
                                           verification_begins, NULL, NULL);
}

/* "thread:error:0A000086:SSL routines:…": the number has it all. */
int ctl_tls_watch_error(const char *line, size_t n, void *u)
{
    static const char mark[] = ":error:";
    struct ctl_tls_watch *watch = u;
    const char *at = memmem(line, n, mark, strlen(mark));
    char digits[17];

    if (at == NULL)
        return 1;
    at += strlen(mark);
    (void)prov_span_copy(prov_span(at, n - (size_t)(at - line)), digits, sizeof digits);
    watch->failure = strtoul(digits, NULL, 16);
    return 1;
}

void ctl_tls_watch_stop(struct ctl_tls_watch *watch)
{
    if (watch->index >= 0)
        (void)CRYPTO_free_ex_index(CRYPTO_EX_INDEX_X509_STORE_CTX, watch->index);
    watch->index = -1;
    watching = NULL;
    if (watch->failure == 0) /* some are left where they were */
        watch->failure = ERR_peek_last_error();
    ERR_clear_error();
}

void ctl_tls_watch_release(struct ctl_tls_watch *watch)
{
    X509_free(watch->leaf);
    watch->leaf = NULL;
}

/* ---- saying what was wrong ------------------------------------------------------------------- */

static bool is_for(X509 *leaf, const char *host)
{
    return X509_check_host(leaf, host, 0, 0, NULL) == 1 || X509_check_ip_asc(leaf, host, 0) == 1;
}

static void put_address(struct prov_buf *out, const ASN1_OCTET_STRING *ip)
{
    const unsigned char *p = ASN1_STRING_get0_data(ip);

    if (ASN1_STRING_length(ip) == 4)
        prov_buf_addf(out, "%u.%u.%u.%u", p[0], p[1], p[2], p[3]);
    else if (ASN1_STRING_length(ip) == 16)
        for (int i = 0; i < 16; i += 2)
            prov_buf_addf(out, "%s%x", i == 0 ? "" : ":", (unsigned)p[i] << 8 | p[i + 1]);
}

/* The first few of the names that it is for. */
static void put_names(struct prov_buf *out, X509 *leaf)
{
    enum { MOST = 4 };
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    int told = 0;

    for (int i = 0; i < sk_GENERAL_NAME_num(names) && told < MOST; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type != GEN_DNS && name->type != GEN_IPADD)
            continue;
        prov_buf_add_str(out, told++ == 0 ? "" : ", ");
        if (name->type == GEN_DNS)
            prov_buf_add(out, prov_span(ASN1_STRING_get0_data(name->d.dNSName),
                                        (size_t)ASN1_STRING_length(name->d.dNSName)));
        else
            put_address(out, name->d.iPAddress);
    }
    GENERAL_NAMES_free(names);
    if (told == 0)
        prov_buf_add_str(out, "no host at all");
}

static enum prov_rc wrong_name(X509 *leaf, const struct ctl_address *to, struct prov_err *err)
{
    struct prov_buf names;
    enum prov_rc rc;

    prov_buf_init(&names, 200);
    put_names(&names, leaf);
    rc =
        prov_fail(err, PROV_EBUSY, UNREACHABLE,
                  "the certificate of %s:%s is for %s, and not for %s: give --url the name that it "
                  "is for, or the broker a certificate with that name",
                  to->host, to->port, prov_buf_cstr(&names), to->host);
    prov_buf_release(&names);
    return rc;
}

static enum prov_rc wrong_chain(int error, const struct ctl_address *to, const char *cafile,
                                struct prov_err *err)
{
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return prov_fail(err, PROV_EBUSY, UNREACHABLE,
                         "the certificate of %s:%s, or of its CA, has expired: renew it, and look "
                         "at the clock of this machine",
                         to->host, to->port);
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return prov_fail(err, PROV_EBUSY, UNREACHABLE,
                         "the certificate of %s:%s, or of its CA, is not yet valid: look at the "
                         "clock of this machine",
                         to->host, to->port);
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        return prov_fail(
            err, PROV_EBUSY, UNREACHABLE,
            "the certificate of %s:%s was not signed by %s: --cafile FILE names the CA "
            "that signed the broker's certificate",
            to->host, to->port,
            cafile != NULL ? "the CA of --cafile" : "a CA that this machine trusts");
    default:
        return prov_fail(err, PROV_EBUSY, UNREACHABLE, "the certificate of %s:%s is not good: %s",
                         to->host, to->port, X509_verify_cert_error_string(error));
    }
}

enum prov_rc ctl_tls_explain(const struct ctl_tls_watch *watch, const struct ctl_address *to,
                             const char *cafile, struct prov_err *err)
{
    if (watch->error != X509_V_OK)
        return wrong_chain(watch->error, to, cafile, err);
    if (watch->leaf != NULL && !is_for(watch->leaf, to->host))
        return wrong_name(watch->leaf, to, err);
    return PROV_OK;
}
