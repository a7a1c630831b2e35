#include "remote_url.h"

#include <stdio.h>
#include <stdlib.h>

static enum prov_rc bad(struct prov_err *err, const char *url, const char *why)
{
    return prov_fail(err, PROV_EINVAL, "UsageException", "--url: \"%.200s\" %s", url, why);
}

static bool take_scheme(const char **rest, bool *tls)
{
    static const struct {
        const char *scheme;
        bool tls;
    } schemes[] = { { "mqtts://", true }, { "mqtt://", false } };

    for (size_t i = 0; i < PROV_COUNT(schemes); i++) {
        const size_t n = strlen(schemes[i].scheme);

        if (strncmp(*rest, schemes[i].scheme, n) == 0) {
            *rest += n;
            *tls = schemes[i].tls;
            return true;
        }
    }
    return false;
}

/* "name", "192.0.2.7" or "[2001:db8::7]". */
static bool take_host(const char **rest, char *host, size_t cap)
{
    const bool bracket = **rest == '[';
    const char *from = *rest + (bracket ? 1 : 0);
    const size_t n = strcspn(from, bracket ? "]" : ":/");

    if (n == 0 || (bracket && from[n] != ']') ||
        strspn(from, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:%") < n)
        return false;
    *rest = from + n + (bracket ? 1 : 0);
    return prov_span_copy(prov_span(from, n), host, cap);
}

static bool take_port(const char **rest, bool tls, char *port, size_t cap)
{
    unsigned long number;
    size_t n;

    if (**rest != ':')
        return prov_span_copy(prov_span_str(tls ? "8883" : "1883"), port, cap);
    n = strspn(++*rest, "0123456789");
    if (n == 0 || !prov_span_copy(prov_span(*rest, n), port, cap))
        return false;
    number = strtoul(port, NULL, 10);
    if (number == 0 || number > UINT16_MAX)
        return false;
    *rest += n;
    return true;
}

static bool is_here(const char *host)
{
    return strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
           strcmp(host, "::1") == 0;
}

enum prov_rc ctl_address_parse(const char *url, struct ctl_address *out, struct prov_err *err)
{
    const char *rest = url;
    bool v6;

    if (!take_scheme(&rest, &out->tls))
        return bad(err, url, "is no mqtts://HOST[:PORT]");
    if (strchr(rest, '@') != NULL)
        return bad(err, "…",
                   "holds a user: give it with --username, and PROVCTL_PASSWORD in the "
                   "environment or --password-file");
    if (!take_host(&rest, out->host, sizeof out->host))
        return bad(err, url, "has no host that could be one: mqtts://HOST[:PORT]");
    if (!take_port(&rest, out->tls, out->port, sizeof out->port))
        return bad(err, url, "has no port from 1 to 65535");
    if (*rest != '\0' && strcmp(rest, "/") != 0)
        return bad(err, url, "has something behind the port: mqtts://HOST[:PORT] is all");
    if (!out->tls && !is_here(out->host))
        return bad(err, url,
                   "would send everything for all to read: mqtt:// is for localhost, "
                   "mqtts:// for brokers elsewhere");
    v6 = strchr(out->host, ':') != NULL;
    (void)snprintf(out->uri, sizeof out->uri, "%s://%s%s%s:%s", out->tls ? "ssl" : "tcp",
                   v6 ? "[" : "", out->host, v6 ? "]" : "", out->port);
    return PROV_OK;
}
