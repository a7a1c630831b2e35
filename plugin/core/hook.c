#include "hook.h"

#include <stddef.h>

#include "doc.h"

static const char bad_spec[] = "InvalidRequestException";

#define EXEC "exec:"
#define HTTPS "https://"
#define MAX_HOST 253 /* RFC 1035 section 2.3.4, as text */

/* ---- programs -------------------------------------------------------------------------------- */

static struct prov_span behind(struct prov_span s, size_t n)
{
    return prov_span(s.p + n, s.n - n);
}

/* "/..", then the end or another "/" */
static bool climbs(struct prov_span path)
{
    for (size_t i = 0; i + 3 <= path.n; i++) {
        if (memcmp(path.p + i, "/..", 3) == 0 && (i + 3 == path.n || path.p[i + 3] == '/'))
            return true;
    }
    return false;
}

static enum prov_rc check_path(struct prov_span path, struct prov_err *err)
{
    if (path.n == 0 || path.p[0] != '/')
        return prov_fail(err, PROV_EINVAL, bad_spec,
                         "a program is named by its absolute path: exec:/path/of/a/program");
    if (path.p[path.n - 1] == '/')
        return prov_fail(err, PROV_EINVAL, bad_spec, "the path names a directory, not a program");
    if (climbs(path))
        return prov_fail(err, PROV_EINVAL, bad_spec,
                         "the path has \"..\" in it; write where the program is");
    for (size_t i = 0; i < path.n; i++) {
        if (path.p[i] < ' ' || path.p[i] == 0x7f)
            return prov_fail(err, PROV_EINVAL, bad_spec,
                             "the path has a control character at position %zu", i + 1);
    }
    if (!prov_utf8_valid(path))
        return prov_fail(err, PROV_EINVAL, bad_spec, "the path is not UTF-8");
    return PROV_OK;
}

/* ---- services -------------------------------------------------------------------------------- */

static bool is_alnum(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_one_of(uint8_t c, const char *marks)
{
    return c != '\0' && strchr(marks, c) != NULL;
}

/* RFC 3986 section 2. What is not in it, URL parsers take in different ways. */
static enum prov_rc check_characters(struct prov_span url, struct prov_err *err)
{
    for (size_t i = 0; i < url.n; i++) {
        if (!is_alnum(url.p[i]) && !is_one_of(url.p[i], "-._~:/?#[]@!$&'()*+,;=%"))
            return prov_fail(err, PROV_EINVAL, bad_spec,
                             "the URL has a character at position %zu that a URL cannot have; "
                             "write it as %%XX",
                             i + 1);
    }
    if (memchr(url.p, '#', url.n) != NULL)
        return prov_fail(err, PROV_EINVAL, bad_spec,
                         "the URL has a fragment (\"#…\"), which is never sent; leave it out");
    return PROV_OK;
}

static enum prov_rc check_port(struct prov_span digits, struct prov_err *err)
{
    unsigned port = 0;

    for (size_t i = 0; i < digits.n && port <= 65535; i++)
        port = digits.p[i] >= '0' && digits.p[i] <= '9' ? port * 10 + (digits.p[i] - '0') : 65536;
    if (port == 0 || port > 65535)
        return prov_fail(err, PROV_EINVAL, bad_spec, "the port is a number from 1 to 65535");
    return PROV_OK;
}

/* How many bytes of the authority are its host: a name, an IPv4 address, or "[", an IPv6 address,
 * "]". 0: none. */
static size_t host_length(struct prov_span authority)
{
    const bool literal = authority.n != 0 && authority.p[0] == '[';
    size_t n = literal ? 1 : 0;

    while (n < authority.n &&
           (is_alnum(authority.p[n]) || is_one_of(authority.p[n], literal ? ":." : "-._")))
        n++;
    if (!literal)
        return n <= MAX_HOST ? n : 0;
    return n > 2 && n < authority.n && authority.p[n] == ']' ? n + 1 : 0;
}

static enum prov_rc check_url(struct prov_span url, struct prov_err *err)
{
    const struct prov_span rest = behind(url, sizeof HTTPS - 1);
    struct prov_span authority = { rest.p, 0 };
    enum prov_rc rc;
    size_t host;

    rc = check_characters(url, err);
    if (rc != PROV_OK)
        return rc;
    while (authority.n < rest.n && !is_one_of(rest.p[authority.n], "/?"))
        authority.n++;
    if (authority.n != 0 && memchr(authority.p, '@', authority.n) != NULL)
        return prov_fail(
            err, PROV_EINVAL, bad_spec,
            "the URL has a user name (\"…@\"); a hook has no place to keep a password");
    host = host_length(authority);
    if (host == 0 || (host < authority.n && authority.p[host] != ':'))
        return prov_fail(err, PROV_EINVAL, bad_spec,
                         "the URL has no host or one that cannot be: https://host[:port]/path");
    return host == authority.n ? PROV_OK : check_port(behind(authority, host + 1), err);
}

enum prov_rc prov_hook_spec_parse(struct prov_span text, struct prov_hook_spec *out,
                                  struct prov_err *err)
{
    if (text.n > PROV_MAX_HOOK)
        return prov_fail(err, PROV_ETOOBIG, bad_spec, "a hook of %zu bytes; %d are allowed", text.n,
                         PROV_MAX_HOOK);
    if (prov_span_starts(text, PROV_LIT(EXEC))) {
        *out = (struct prov_hook_spec){ PROV_HOOK_EXEC, behind(text, sizeof EXEC - 1) };
        return check_path(out->target, err);
    }
    if (prov_span_starts(text, PROV_LIT(HTTPS))) {
        *out = (struct prov_hook_spec){ PROV_HOOK_HTTPS, text };
        return check_url(text, err);
    }
    if (prov_span_starts(text, PROV_LIT("http://")))
        return prov_fail(err, PROV_EINVAL, bad_spec,
                         "requests carry certificates and answers decide who gets in: https://, "
                         "not http://");
    return prov_fail(err, PROV_EINVAL, bad_spec,
                     "a hook is exec:/path/of/a/program or https://host[:port]/path");
}

/* ---- requests -------------------------------------------------------------------------------- */

static const struct {
    const char *key;
    size_t offset;
    bool activation, pre_provisioning;
} fields[] = {
    { "claimCertificateId", offsetof(struct prov_hook_request, claim_certificate_id), false, true },
    { "caCertificateId", offsetof(struct prov_hook_request, ca_certificate_id), true, false },
    { "certificateId", offsetof(struct prov_hook_request, certificate_id), true, true },
    { "certificatePem", offsetof(struct prov_hook_request, certificate_pem), true, true },
    { "templateArn", offsetof(struct prov_hook_request, template_arn), true, true },
    { "clientId", offsetof(struct prov_hook_request, client_id), true, true },
};

/* The name is compared as it will be written, so that no object has a key twice. */
static void put_parameter(struct prov_doc *d, cJSON *map, const struct prov_param *p)
{
    cJSON *name = prov_doc_string(p->name);

    if (name == NULL) {
        d->rc = PROV_ENOMEM;
        return;
    }
    cJSON_DeleteItemFromObjectCaseSensitive(map, name->valuestring);
    prov_doc_member(d, map, prov_span_str(name->valuestring), prov_doc_string(p->value));
    cJSON_Delete(name);
}

enum prov_rc prov_hook_request_json(const struct prov_hook_request *request, struct prov_buf *out)
{
    const bool activation = request->use == PROV_HOOK_ACTIVATION;
    struct prov_doc d;
    cJSON *map;
    enum prov_rc rc;

    prov_buf_clear(out);
    if (request->parameters.n > PROV_MAX_HOOK_PARAMS)
        return PROV_ETOOBIG;
    d = prov_doc_start(NULL);
    for (size_t i = 0; i < PROV_COUNT(fields); i++) {
        struct prov_span value;

        memcpy(&value, (const char *)request + fields[i].offset, sizeof value);
        if (activation ? fields[i].activation : fields[i].pre_provisioning)
            prov_doc_text_if(&d, d.root, fields[i].key, value);
    }
    map = prov_doc_object(&d, d.root, "parameters");
    for (size_t i = 0; i < request->parameters.n && d.rc == PROV_OK; i++)
        put_parameter(&d, map, &request->parameters.v[i]);
    rc = prov_doc_print(&d, out);
    if (rc != PROV_OK)
        prov_buf_clear(out);
    return rc;
}
