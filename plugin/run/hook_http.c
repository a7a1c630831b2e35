#include "hook_priv.h"

#include <stdlib.h>

#define MAX_HEADERS 65536 /* bytes, of an answer's */
#define MAX_IDLE 32L      /* connections kept for the next call, of all hooks */
#define CA_MAX_AGE_S 60L  /* of cafile's contents as libcurl remembers them */

#define STATUS_OK 200

/* CURLMOPT_QUICK_EXIT, which older headers do not have: where look-ups are made by threads that all
 * transfers share (libcurl 8.22), this and not CURLOPT_QUICK_EXIT has the end not wait for them.
 * Older libraries do not know it, and need it not. */
#define MULTI_QUICK_EXIT ((CURLMoption)21)

/* ---- what comes in --------------------------------------------------------------------------- */

static long status_of(const struct prov_hook_run *run)
{
    long status = 0;

    (void)run->hooks->curl->easy_getinfo(run->http.easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

/* libcurl ends the transfer when less is taken than it gave. Not every version bounds headers. */
static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
    struct prov_hook_run *run = arg;

    (void)line;
    run->http.n_headers += size * n;
    run->http.too_large = run->http.n_headers > MAX_HEADERS;
    return run->http.too_large ? 0 : n;
}

/* The body of an error page is read to its end, if it is of decent size, for the connection's sake.
 */
static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct prov_hook_run *run = arg;

    run->http.n_body += size * n;
    run->http.too_large = run->http.n_body > PROV_MAX_HOOK_ANSWER;
    if (!run->http.too_large && status_of(run) == STATUS_OK)
        prov_hook_take(run, prov_span(bytes, size * n));
    return run->http.too_large || run->ended ? 0 : n;
}

/* ---- the end --------------------------------------------------------------------------------- */

/* libcurl's own words, where they say enough. */
static void unreachable(struct prov_hook_run *run, CURLcode result)
{
    const char *why = run->http.error;
    long e = 0;

    if (why[0] == '\0')
        why = run->hooks->curl->easy_strerror(result);
    (void)run->hooks->curl->easy_getinfo(run->http.easy, CURLINFO_OS_ERRNO, &e);
    if (result == CURLE_COULDNT_CONNECT && e != 0)
        prov_hook_ends(run, PROV_HOOK_UNREACHABLE, "cannot connect: %s", strerror((int)e));
    else
        prov_hook_ends(run, PROV_HOOK_UNREACHABLE, "%s%s",
                       result == CURLE_SSL_CONNECT_ERROR ? "TLS: " : "", why);
}

static void judge(struct prov_hook_run *run, CURLcode result)
{
    const long status = status_of(run);

    if ((result == CURLE_OK || run->http.too_large) && status != 0 && status != STATUS_OK)
        prov_hook_ends(run, PROV_HOOK_FAILED, "HTTP status %ld%s", status,
                       status / 100 == 3 ? "; redirects are not followed" : "");
    else if (run->http.too_large && run->http.n_headers > MAX_HEADERS)
        prov_hook_ends(run, PROV_HOOK_TOO_LARGE, "answered more than %d bytes of headers",
                       MAX_HEADERS);
    else if (run->http.too_large)
        prov_hook_ends(run, PROV_HOOK_TOO_LARGE, "answered more than %d bytes",
                       PROV_MAX_HOOK_ANSWER);
    else if (result == CURLE_OK)
        prov_hook_ends(run, PROV_HOOK_ANSWERED, "%s", "");
    else
        unreachable(run, result);
}

void prov_hook_http_step(struct prov_hooks *hooks)
{
    const CURLMsg *msg;
    int running, left;

    if (hooks->multi == NULL)
        return;
    (void)hooks->curl->multi_perform(hooks->multi, &running);
    while ((msg = hooks->curl->multi_info_read(hooks->multi, &left)) != NULL) {
        char *run = NULL;

        if (msg->msg == CURLMSG_DONE &&
            hooks->curl->easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &run) == CURLE_OK)
            judge((struct prov_hook_run *)(void *)run, msg->data.result);
    }
}

void prov_hook_http_drop(struct prov_hook_run *run)
{
    if (run->http.easy == NULL)
        return;
    (void)run->hooks->curl->multi_remove_handle(run->hooks->multi, run->http.easy);
    run->hooks->curl->easy_cleanup(run->http.easy);
    run->http.easy = NULL;
}

/* ---- the beginning --------------------------------------------------------------------------- */

static struct curl_slist *make_headers(const struct prov_curl *c)
{
    struct curl_slist *type = c->slist_append(NULL, "Content-Type: application/json");
    struct curl_slist *both = NULL;

    if (type != NULL)
        both = c->slist_append(type, "Accept: application/json");
    if (both == NULL)
        c->slist_free_all(type);
    return both;
}

/* Once; what all exchanges share. */
static bool prepare(struct prov_hooks *hooks, const char **why)
{
    if (hooks->curl == NULL)
        hooks->curl = prov_curl_load(why);
    if (hooks->curl == NULL)
        return false;
    if (hooks->multi == NULL)
        hooks->multi = hooks->curl->multi_init();
    if (hooks->headers == NULL)
        hooks->headers = make_headers(hooks->curl);
    if (hooks->multi == NULL || hooks->headers == NULL)
        return false;
    (void)hooks->curl->multi_setopt(hooks->multi, CURLMOPT_MAXCONNECTS, MAX_IDLE);
    (void)hooks->curl->multi_setopt(hooks->multi, MULTI_QUICK_EXIT, 1L);
    return true;
}

static bool set_request(struct prov_hook_run *run, const char *url)
{
    const struct prov_curl *c = run->hooks->curl;
    const struct prov_span request = run->call->request;
    CURL *easy = run->http.easy;

    return c->easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK &&
           c->easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request.n) == CURLE_OK &&
           c->easy_setopt(easy, CURLOPT_POSTFIELDS,
                          request.n == 0 ? "" : (const char *)request.p) == CURLE_OK &&
           c->easy_setopt(easy, CURLOPT_HTTPHEADER, run->hooks->headers) == CURLE_OK &&
           c->easy_setopt(easy, CURLOPT_USERAGENT, "mosquitto-provisioning/" PROV_VERSION) ==
               CURLE_OK;
}

static bool set_callbacks(struct prov_hook_run *run)
{
    const struct prov_curl *c = run->hooks->curl;
    CURL *easy = run->http.easy;

    return c->easy_setopt(easy, CURLOPT_PRIVATE, run) == CURLE_OK &&
           c->easy_setopt(easy, CURLOPT_ERRORBUFFER, run->http.error) == CURLE_OK &&
           c->easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
           c->easy_setopt(easy, CURLOPT_HEADERDATA, run) == CURLE_OK &&
           c->easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           c->easy_setopt(easy, CURLOPT_WRITEDATA, run) == CURLE_OK;
}

/* The time limit is the loop's. HTTP/1.1: no call shares a connection with another one's. */
static bool set_ways(const struct prov_curl *c, CURL *easy)
{
    return c->easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK &&
           c->easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           c->easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           c->easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L) == CURLE_OK &&
           c->easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
           c->easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK && /* nor the environment's */
           c->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           c->easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK;
}

/* cafile is instead of both of what libcurl was built with: a bundle and a directory. */
static bool set_trust(const struct prov_curl *c, CURL *easy, const char *cafile)
{
    if (cafile != NULL && (c->easy_setopt(easy, CURLOPT_CAINFO, cafile) != CURLE_OK ||
                           c->easy_setopt(easy, CURLOPT_CAPATH, NULL) != CURLE_OK))
        return false;
    return c->easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
           c->easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
           c->easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
           c->easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, CA_MAX_AGE_S) == CURLE_OK;
}

void prov_hook_http_start(struct prov_hook_run *run, const char *url)
{
    struct prov_hooks *hooks = run->hooks;
    const char *why = "libcurl is out of memory or too old";
    CURL *easy = prepare(hooks, &why) ? hooks->curl->easy_init() : NULL;

    run->http.easy = easy;
    if (easy == NULL || !set_request(run, url) || !set_callbacks(run) ||
        !set_ways(hooks->curl, easy) || !set_trust(hooks->curl, easy, hooks->cafile) ||
        hooks->curl->multi_add_handle(hooks->multi, easy) != CURLM_OK)
        prov_hook_ends(run, PROV_HOOK_NOT_STARTED, "%s", why);
}

void prov_hook_http_end(struct prov_hooks *hooks)
{
    if (hooks->multi != NULL)
        (void)hooks->curl->multi_cleanup(hooks->multi);
    hooks->multi = NULL;
    if (hooks->headers != NULL)
        hooks->curl->slist_free_all(hooks->headers);
    hooks->headers = NULL;
}
