#include "ident.h"

#include "ident_priv.h"
#include "limits.h"
#include "ossl.h"

#include <stdlib.h>

#include <arpa/inet.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#define BAD_CERT "CertificateValidationException"

/* RFC 2253, but text beyond ASCII stays readable. */
#define NAME_FLAGS (XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB)

/* ---- fields ---------------------------------------------------------------------------------- */

static const struct {
    int nid;
    const char *name;
} dn_fields[] = {
    [PROV_DN_QUALIFIER] = { NID_dnQualifier, "DistinguishedNameQualifier" },
    [PROV_DN_COUNTRY] = { NID_countryName, "Country" },
    [PROV_DN_ORGANIZATION] = { NID_organizationName, "Organization" },
    [PROV_DN_ORGANIZATIONAL_UNIT] = { NID_organizationalUnitName, "OrganizationalUnit" },
    [PROV_DN_STATE] = { NID_stateOrProvinceName, "State" },
    [PROV_DN_COMMON_NAME] = { NID_commonName, "CommonName" },
    [PROV_DN_SERIAL_NUMBER] = { NID_serialNumber, "SerialNumber" },
    [PROV_DN_TITLE] = { NID_title, "Title" },
    [PROV_DN_SURNAME] = { NID_surname, "Surname" },
    [PROV_DN_GIVEN_NAME] = { NID_givenName, "GivenName" },
    [PROV_DN_INITIALS] = { NID_initials, "Initials" },
    [PROV_DN_PSEUDONYM] = { NID_pseudonym, "Pseudonym" },
    [PROV_DN_GENERATION_QUALIFIER] = { NID_generationQualifier, "GenerationQualifier" },
};
_Static_assert(PROV_COUNT(dn_fields) == PROV_DN_FIELDS, "a field was added without a row");

const char *prov_dn_field_name(enum prov_dn_field field)
{
    return (size_t)field < PROV_COUNT(dn_fields) ? dn_fields[field].name : "unknown";
}

static const struct {
    int type; /* of the GENERAL_NAME */
    const char *name;
} alt_kinds[] = {
    [PROV_ALT_RFC822] = { GEN_EMAIL, "RFC822Name" },
    [PROV_ALT_DNS] = { GEN_DNS, "DNSName" },
    [PROV_ALT_DIRECTORY] = { GEN_DIRNAME, "DirectoryName" },
    [PROV_ALT_URI] = { GEN_URI, "UniformResourceIdentifier" },
    [PROV_ALT_IP] = { GEN_IPADD, "IPAddress" },
};
_Static_assert(PROV_COUNT(alt_kinds) == PROV_ALT_KINDS, "a kind was added without a row");

const char *prov_alt_kind_name(enum prov_alt_kind kind)
{
    return (size_t)kind < PROV_COUNT(alt_kinds) ? alt_kinds[kind].name : "unknown";
}

/* ---- ident: gathering ------------------------------------------------------------------------ */

/* A value found: where its text is, and in which list it belongs. */
struct item {
    size_t at, n;
    uint8_t side, kind;
    bool alt;
};

/* No certificate of PROV_MAX_CERT_DER bytes reaches these. */
#define MAX_TEXT (8 * (size_t)PROV_MAX_CERT_DER)
#define MAX_ITEMS (sizeof(struct item) * (PROV_MAX_CERT_DER / 3))

/* Offsets until all is known, since the text moves as it grows. */
struct gathering {
    struct prov_buf text;
    struct prov_buf items;                /* struct item, one behind the other */
    size_t serial_n, subject_n, issuer_n; /* the text starts with these three */
};

/* Is there text from `at` on, and all of it such as a variable can stand for? */
static bool is_text(const struct prov_buf *text, size_t at)
{
    struct prov_span s;

    if (text->rc != PROV_OK || text->n <= at)
        return false;
    s = prov_span(text->p + at, text->n - at);
    return memchr(s.p, 0, s.n) == NULL && prov_utf8_valid(s);
}

/* Takes back what was added from `at` on, unless it is text. */
static bool keep_text(struct prov_buf *text, size_t at)
{
    if (is_text(text, at))
        return true;
    text->n = at;
    return false;
}

static void keep_value(struct gathering *g, size_t at, struct item it)
{
    if (!keep_text(&g->text, at))
        return;
    it.at = at;
    it.n = g->text.n - at;
    prov_buf_add(&g->items, prov_span(&it, sizeof it));
}

/* The string types of X.680: bytes a character, and the highest legal one. */
static const struct {
    int type;
    unsigned width; /* 0: UTF-8 already */
    unsigned long max;
} forms[] = {
    { V_ASN1_UTF8STRING, 0, 0 },     { V_ASN1_PRINTABLESTRING, 1, 0x7f },
    { V_ASN1_IA5STRING, 1, 0x7f },   { V_ASN1_NUMERICSTRING, 1, 0x7f },
    { V_ASN1_T61STRING, 1, 0xff }, /* Latin-1 in practice */
    { V_ASN1_BMPSTRING, 2, 0xffff }, { V_ASN1_UNIVERSALSTRING, 4, 0x10ffff },
};

static void add_wide(struct prov_buf *out, struct prov_span s, unsigned width, unsigned long max)
{
    uint8_t utf8[6];
    unsigned long c;
    int n;

    for (size_t i = 0; i < s.n; i += width) {
        c = 0;
        for (unsigned k = 0; k < width; k++)
            c = c << 8 | s.p[i + k];
        n = c > max ? 0 : UTF8_putc(utf8, sizeof utf8, c);
        if (n <= 0) {
            prov_buf_add_u8(out, 0); /* no text: keep_text drops the value */
            return;
        }
        prov_buf_add(out, prov_span(utf8, (size_t)n));
    }
}

/*
 * Not ASN1_STRING_to_UTF8: it cannot tell "no text" from "no memory", and a value that goes missing
 * for want of memory would make a Deny statement miss.
 */
bool ident_add_text(struct prov_buf *out, int tag, struct prov_span s)
{
    const size_t at = out->n;
    size_t i = 0;

    while (i < PROV_COUNT(forms) && forms[i].type != tag)
        i++;
    if (i == PROV_COUNT(forms))
        return false;
    if (forms[i].width == 0)
        prov_buf_add(out, s);
    else if (s.n % forms[i].width == 0)
        add_wide(out, s, forms[i].width, forms[i].max);
    return s.n == 0 || out->rc != PROV_OK || is_text(out, at);
}

static void add_string(struct prov_buf *out, const ASN1_STRING *str)
{
    (void)ident_add_text(out, ASN1_STRING_type(str),
                         prov_span(ASN1_STRING_get0_data(str), (size_t)ASN1_STRING_length(str)));
}

static void add_name(struct prov_buf *out, const X509_NAME *name)
{
    const size_t at = out->n;
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long n;

    if (bio != NULL && X509_NAME_print_ex(bio, name, 0, NAME_FLAGS) >= 0) {
        n = BIO_get_mem_data(bio, &text);
        prov_buf_add(out, prov_span(text, (size_t)n));
    } else if (out->rc == PROV_OK) {
        out->rc = PROV_ENOMEM;
    }
    BIO_free(bio);
    (void)keep_text(out, at);
}

static void add_ip(struct prov_buf *out, const ASN1_OCTET_STRING *ip)
{
    char text[INET6_ADDRSTRLEN];
    const int n = ASN1_STRING_length(ip);

    if (n != 4 && n != 16)
        return;
    if (inet_ntop(n == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(ip), text, sizeof text))
        prov_buf_add_str(out, text);
}

static void add_serial(struct prov_buf *out, const ASN1_INTEGER *serial)
{
    const uint8_t *p = ASN1_STRING_get0_data(serial);
    const uint8_t *end = p + ASN1_STRING_length(serial);

    while (p < end && *p == 0)
        p++;
    if (p == end) {
        prov_buf_add_str(out, "0");
        return;
    }
    if (ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER)
        prov_buf_add_str(out, "-");
    prov_buf_addf(out, "%x", *p);
    while (++p < end)
        prov_buf_addf(out, "%02x", *p);
}

static void gather_dn(struct gathering *g, const X509_NAME *name, enum prov_side side)
{
    const int n = X509_NAME_entry_count(name);

    for (int i = 0; i < n; i++) {
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
        const int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));

        for (unsigned k = 0; k < PROV_DN_FIELDS; k++) {
            const size_t at = g->text.n;

            if (dn_fields[k].nid != nid)
                continue;
            add_string(&g->text, X509_NAME_ENTRY_get_data(entry));
            keep_value(g, at, (struct item){ .side = (uint8_t)side, .kind = (uint8_t)k });
        }
    }
}

static void gather_alt(struct gathering *g, const GENERAL_NAME *name, enum prov_side side)
{
    const size_t at = g->text.n;
    int type;
    const void *value = GENERAL_NAME_get0_value(name, &type);

    for (unsigned k = 0; k < PROV_ALT_KINDS; k++) {
        if (alt_kinds[k].type != type)
            continue;
        if (type == GEN_DIRNAME)
            add_name(&g->text, value);
        else if (type == GEN_IPADD)
            add_ip(&g->text, value);
        else
            add_string(&g->text, value);
        keep_value(g, at, (struct item){ .side = (uint8_t)side, .kind = (uint8_t)k, .alt = true });
    }
}

static enum prov_rc gather_alts(struct gathering *g, const X509 *cert, enum prov_side side,
                                struct prov_err *err)
{
    const int nid = side == PROV_SUBJECT ? NID_subject_alt_name : NID_issuer_alt_name;
    GENERAL_NAMES *names;
    int found;

    names = X509_get_ext_d2i(cert, nid, &found, NULL);
    if (names == NULL && found == -1)
        return PROV_OK;
    if (names == NULL && prov_ossl_nomem())
        return prov_nomem(err);
    if (names == NULL)
        return prov_fail(err, PROV_EINVAL, BAD_CERT, "the certificate's %s does not decode",
                         OBJ_nid2ln(nid));
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
        gather_alt(g, sk_GENERAL_NAME_value(names, i), side);
    GENERAL_NAMES_free(names);
    return PROV_OK;
}

static enum prov_rc gather(struct gathering *g, const X509 *cert, struct prov_err *err)
{
    const X509_NAME *subject = X509_get_subject_name(cert);
    const X509_NAME *issuer = X509_get_issuer_name(cert);
    enum prov_rc rc;

    add_serial(&g->text, X509_get0_serialNumber(cert));
    g->serial_n = g->text.n;
    add_name(&g->text, subject);
    g->subject_n = g->text.n - g->serial_n;
    add_name(&g->text, issuer);
    g->issuer_n = g->text.n - g->serial_n - g->subject_n;

    gather_dn(g, subject, PROV_SUBJECT);
    gather_dn(g, issuer, PROV_ISSUER);
    rc = gather_alts(g, cert, PROV_SUBJECT, err);
    if (rc == PROV_OK)
        rc = gather_alts(g, cert, PROV_ISSUER, err);
    if (rc == PROV_OK && (g->text.rc == PROV_ETOOBIG || g->items.rc == PROV_ETOOBIG))
        return prov_fail(err, PROV_ETOOBIG, BAD_CERT, "the certificate's names are too long");
    if (rc == PROV_OK && (g->text.rc != PROV_OK || g->items.rc != PROV_OK))
        return prov_nomem(err);
    return rc;
}

/* ---- ident: laying out ----------------------------------------------------------------------- */

static struct prov_values *list_of(struct prov_ident *ident, const struct item *it)
{
    return it->alt ? &ident->alt[it->side][it->kind] : &ident->dn[it->side][it->kind];
}

static void share_out(struct prov_span *spans, struct prov_values *lists, size_t n_lists,
                      size_t *used)
{
    for (size_t i = 0; i < n_lists; i++) {
        lists[i].v = lists[i].n == 0 ? NULL : spans + *used;
        *used += lists[i].n;
        lists[i].n = 0;
    }
}

/* The block: the struct, then every list's spans, then the text. */
static struct prov_ident *lay_out(const struct gathering *g)
{
    const struct item *items = (const struct item *)(const void *)g->items.p;
    const size_t n = g->items.n / sizeof *items;
    struct prov_ident *ident;
    struct prov_span *spans;
    size_t used = 0;
    uint8_t *text;

    ident = calloc(1, sizeof *ident + n * sizeof *spans + g->text.n);
    if (ident == NULL)
        return NULL;
    spans = (struct prov_span *)(ident + 1);
    text = (uint8_t *)(spans + n);
    memcpy(text, g->text.p, g->text.n); /* never empty: a serial is at least "0" */
    ident->serial_hex = prov_span(text, g->serial_n);
    ident->subject_text = prov_span(text + g->serial_n, g->subject_n);
    ident->issuer_text = prov_span(text + g->serial_n + g->subject_n, g->issuer_n);

    for (size_t i = 0; i < n; i++)
        list_of(ident, &items[i])->n++;
    share_out(spans, &ident->dn[0][0], PROV_SIDES * PROV_DN_FIELDS, &used);
    share_out(spans, &ident->alt[0][0], PROV_SIDES * PROV_ALT_KINDS, &used);
    for (size_t i = 0; i < n; i++) {
        struct prov_values *list = list_of(ident, &items[i]);

        list->v[list->n++] = prov_span(text + items[i].at, items[i].n);
    }
    return ident;
}

static enum prov_key_kind key_kind(const EVP_PKEY *key)
{
    switch (key == NULL ? EVP_PKEY_NONE : EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
        return PROV_KEY_RSA;
    case EVP_PKEY_RSA_PSS:
        return PROV_KEY_RSA_PSS;
    case EVP_PKEY_EC:
        return PROV_KEY_EC;
    default:
        return PROV_KEY_OTHER;
    }
}

static enum prov_rc fill(struct prov_ident *ident, X509 *cert, struct prov_err *err)
{
    const EVP_PKEY *key = X509_get0_pubkey(cert);

    if (prov_ident_id(cert, &ident->id) != PROV_OK)
        return prov_nomem(err);
    if (!prov_cert_validity(cert, &ident->not_before_s, &ident->not_after_s))
        return prov_fail(err, PROV_EINVAL, BAD_CERT, "the certificate's validity does not decode");
    ident->key_kind = key_kind(key);
    ident->key_bits = key == NULL ? 0 : (unsigned)EVP_PKEY_get_bits(key);
    ident->is_ca = (X509_get_extension_flags(cert) & EXFLAG_CA) != 0;
    ident->self_issued =
        X509_NAME_cmp(X509_get_subject_name(cert), X509_get_issuer_name(cert)) == 0;
    return PROV_OK;
}

enum prov_rc prov_ident_new(X509 *cert, struct prov_ident **out, struct prov_err *err)
{
    struct gathering g = { .text.max = MAX_TEXT, .items.max = MAX_ITEMS };
    struct prov_ident *ident = NULL;
    enum prov_rc rc;

    *out = NULL;
    ERR_set_mark();
    rc = gather(&g, cert, err);
    if (rc != PROV_OK)
        goto out;
    ident = lay_out(&g);
    if (ident == NULL) {
        rc = prov_nomem(err);
        goto out;
    }
    rc = fill(ident, cert, err);
    if (rc != PROV_OK)
        goto out;
    *out = ident;
    ident = NULL;
out:
    prov_ident_free(ident);
    prov_buf_release(&g.items);
    prov_buf_release(&g.text);
    ERR_pop_to_mark();
    return rc;
}

void prov_ident_free(struct prov_ident *ident)
{
    free(ident);
}
