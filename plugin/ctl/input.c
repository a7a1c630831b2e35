#include "ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/x509.h>

#include "core/ident.h"

/* ---- words and options ----------------------------------------------------------------------- */

struct prov_span ctl_word(const struct ctl *ctl, size_t n)
{
    return prov_span_str(n < ctl->args.n_words ? ctl->args.words[n] : NULL);
}

struct prov_span ctl_value(const struct ctl *ctl, enum ctl_opt id)
{
    return prov_span_str(ctl_opt(&ctl->args, id));
}

bool ctl_any_given(const struct ctl *ctl)
{
    for (size_t i = 0; i < ctl->args.n_given; i++) {
        if (ctl_own_option(ctl->args.verb, ctl->args.given[i].id) != NULL)
            return true;
    }
    return false;
}

enum prov_rc ctl_check_change(struct ctl *ctl, const enum ctl_opt (*pairs)[2], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (ctl_has(&ctl->args, pairs[i][0]) && ctl_has(&ctl->args, pairs[i][1]))
            return ctl_usage(ctl, "--%s and --%s exclude each other", ctl_opt_name(pairs[i][0]),
                             ctl_opt_name(pairs[i][1]));
    }
    return ctl_any_given(ctl) ? PROV_OK : ctl_usage(ctl, "nothing to change was given");
}

enum prov_rc ctl_pairs(struct ctl *ctl, enum ctl_opt id, struct prov_attr *out, size_t max,
                       size_t *n)
{
    const char *pair, *equals;
    size_t at = 0;

    for (*n = 0; (pair = ctl_next(&ctl->args, id, &at)) != NULL; (*n)++) {
        equals = strchr(pair, '=');
        if (equals == NULL || equals == pair)
            return ctl_usage(ctl, "--%s: \"%s\" is not of the form KEY=VALUE", ctl_opt_name(id),
                             pair);
        if (*n == max)
            return ctl_usage(ctl, "--%s may be given %zu times at most", ctl_opt_name(id), max);
        out[*n].name = prov_span(pair, (size_t)(equals - pair));
        out[*n].value = prov_span_str(equals + 1);
        for (size_t i = 0; i < *n; i++) {
            if (prov_span_eq(out[i].name, out[*n].name))
                return ctl_usage(ctl, "--%s: \"%.*s\" is given twice", ctl_opt_name(id),
                                 PROV_SPAN_ARG(out[i].name));
        }
    }
    return PROV_OK;
}

enum prov_rc ctl_version_word(struct ctl *ctl, size_t word, uint32_t *out)
{
    const char *text = word < ctl->args.n_words ? ctl->args.words[word] : NULL;
    unsigned long value;
    char *end;

    *out = 0;
    if (text == NULL)
        return PROV_OK;
    errno = 0;
    value = strtoul(text, &end, 10);
    if (text[0] < '1' || text[0] > '9' || *end != '\0' || errno != 0 || value > UINT32_MAX)
        return ctl_usage(ctl, "\"%s\" is no version; versions are numbers from 1", text);
    *out = (uint32_t)value;
    return PROV_OK;
}

/* ---- files ----------------------------------------------------------------------------------- */

static enum prov_rc slurp(struct ctl *ctl, FILE *file, size_t max_bytes, struct prov_buf *out)
{
    uint8_t chunk[4096];
    size_t n;

    prov_buf_init(out, max_bytes);
    while ((n = fread(chunk, 1, sizeof chunk, file)) != 0)
        prov_buf_add(out, prov_span(chunk, n));
    if (ferror(file))
        return ctl_usage(ctl, "cannot be read: %s", strerror(errno));
    if (out->rc == PROV_ETOOBIG)
        return prov_fail(&ctl->err, PROV_ETOOBIG, "InvalidRequestException",
                         "is larger than %zu bytes, the most that can be right here", max_bytes);
    return out->rc;
}

enum prov_rc ctl_read_file(struct ctl *ctl, const char *name, size_t max_bytes,
                           struct prov_buf *out)
{
    FILE *file;
    enum prov_rc rc;

    ctl->file = name;
    ctl->reading = true;
    if (strcmp(name, "-") == 0) {
        if (ctl->in_used)
            return ctl_usage(ctl, "stdin can be read once only");
        ctl->in_used = true;
        rc = slurp(ctl, ctl->io.in, max_bytes, out);
    } else {
        file = fopen(name, "rb");
        if (file == NULL)
            return ctl_usage(ctl, "cannot be opened: %s", strerror(errno));
        rc = slurp(ctl, file, max_bytes, out);
        (void)fclose(file);
    }
    ctl->reading = rc != PROV_OK;
    return rc;
}

static bool holds(struct prov_span text, const char *what)
{
    return text.n != 0 && memmem(text.p, text.n, what, strlen(what)) != NULL;
}

static size_t count(struct prov_span text, const char *what)
{
    const size_t len = strlen(what);
    const uint8_t *at;
    size_t n = 0;

    while (text.n != 0 && (at = memmem(text.p, text.n, what, len)) != NULL) {
        n++;
        text = prov_span(at + len, text.n - (size_t)(at - text.p) - len);
    }
    return n;
}

static enum prov_rc decode(struct ctl *ctl, struct prov_span bytes, X509 **out)
{
    static const char begin[] = "-----BEGIN CERTIFICATE-----";
    const size_t n = count(bytes, begin);

    if (!holds(bytes, "-----BEGIN "))
        return prov_ident_decode(bytes, out, &ctl->err);
    if (n == 0 && holds(bytes, "PRIVATE KEY-----"))
        return ctl_refuse(ctl,
                          "holds a private key and no certificate; private keys never go here");
    if (n == 0 && holds(bytes, "CERTIFICATE REQUEST-----"))
        return ctl_refuse(ctl, "holds a certificate request and no certificate; a CA makes the one "
                               "of the other");
    if (n > 1)
        ctl_note(ctl, "provctl: %s holds %zu certificates; the first is taken", ctl->file, n);
    return prov_ident_decode_pem(bytes, out, &ctl->err);
}

enum prov_rc ctl_read_cert(struct ctl *ctl, const char *name, struct prov_buf *der)
{
    struct prov_buf bytes = { 0 };
    X509 *cert = NULL;
    enum prov_rc rc;

    prov_buf_init(der, PROV_MAX_CERT_DER);
    rc = ctl_read_file(ctl, name, PROV_MAX_CERT_PEM, &bytes);
    ctl->reading = true;
    if (rc == PROV_OK)
        rc = decode(ctl, prov_buf_span(&bytes), &cert);
    if (rc == PROV_OK)
        rc = prov_ident_encode(cert, der);
    ctl->reading = rc != PROV_OK;
    X509_free(cert);
    prov_buf_wipe(&bytes); /* it may have been a key after all */
    return rc;
}
