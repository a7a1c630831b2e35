#include "net_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netdb.h>

enum { MAX_URI = 300 };

/*
 * One connection, from net_connect on, and the thread that makes and ends it: Paho's calls for that
 * wait for its lock, which it holds while it looks up a name or talks to a proxy, and the last end
 * waits about a second for Paho's threads. What a connection's end leaves stays until it is given
 * up or the next one is there: Paho, left without any, starts anew with the next, and loses an
 * index of OpenSSL's each time.
 */
struct link {
    struct net *net;
    struct link *previous; /* ended by this one's thread, before it connects */
    pthread_t thread;
    bool closing; /* net->lock */
    char *client_id, *will_topic;
    struct net_session session; /* also net's thread's, once it is connected and until closing */
};

struct net {
    const struct net_conf *conf;
    const struct keys_conf *keys;
    char uri[MAX_URI];
    struct link *link; /* the newest; NULL: none yet */
    bool open;         /* it was not given up */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct net_queue queue;
};

/* ---- a connection's thread ------------------------------------------------------------------- */

static bool is_closing(struct link *link)
{
    bool closing;

    (void)pthread_mutex_lock(&link->net->lock);
    closing = link->closing;
    (void)pthread_mutex_unlock(&link->net->lock);
    return closing;
}

static void start_closing(struct link *link)
{
    (void)pthread_mutex_lock(&link->net->lock);
    link->closing = true;
    (void)pthread_cond_broadcast(&link->net->changed);
    (void)pthread_mutex_unlock(&link->net->lock);
}

static void await_closing(struct link *link)
{
    (void)pthread_mutex_lock(&link->net->lock);
    while (!link->closing)
        (void)pthread_cond_wait(&link->net->changed, &link->net->lock);
    (void)pthread_mutex_unlock(&link->net->lock);
}

static void link_free(struct link *link)
{
    net_tls_release(&link->session.tls);
    free(link->client_id);
    free(link->will_topic);
    free(link);
}

static void link_end(struct link *link)
{
    if (link == NULL)
        return;
    start_closing(link);
    (void)pthread_join(link->thread, NULL);
    link_free(link);
}

/* "host:port" of a proxy, without scheme, user and password. */
static const char *proxy_target(const char *proxy)
{
    const char *at;

    proxy += strncmp(proxy, "http://", 7) == 0 ? 7 : 0;
    at = strchr(proxy, '@');
    return at != NULL ? at + 1 : proxy;
}

static void first_hop(const struct link *link, char out[static MAX_URI])
{
    const char *proxy = link->net->conf->proxy;
    const char *target = proxy != NULL ? proxy_target(proxy) : link->session.tls.host;
    const bool bracket = target[0] == '[';

    (void)snprintf(out, MAX_URI, "%s", target + bracket);
    if (bracket)
        out[strcspn(out, "]")] = '\0';
    else if (proxy != NULL)
        out[strcspn(out, ":/")] = '\0';
}

/* Paho looks names up as well, but says of a failure only that there was one. */
static bool find_host(struct link *link)
{
    const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    struct port_result why;
    char name[MAX_URI];
    int rc;

    first_hop(link, name);
    rc = getaddrinfo(name, NULL, &hints, &found);
    if (rc == 0) {
        freeaddrinfo(found);
        return true;
    }
    (void)port_fail(&why, AGENT_NETWORK, "no address for %s: %s", name, gai_strerror(rc));
    net_queue_failed(&link->net->queue, link->session.number, AGENT_ACT_CONNECT, &why);
    return false;
}

static void *link_run(void *arg)
{
    struct link *link = arg;
    const bool ready = find_host(link) && !is_closing(link) &&
                       net_paho_create(&link->session, link->net->uri, link->client_id);

    link_end(link->previous); /* not before there is another: see struct link */
    if (ready && !is_closing(link))
        net_paho_connect(&link->session, link->will_topic);
    await_closing(link);
    net_paho_end(&link->session);
    return NULL;
}

/* ---- the calls ------------------------------------------------------------------------------- */

struct net *net_new(const struct net_conf *conf, const struct keys_conf *keys)
{
    const bool bare = conf->host[0] != '[' && strchr(conf->host, ':') != NULL; /* IPv6 */
    struct net *net = calloc(1, sizeof *net);

    if (net == NULL)
        return NULL;
    if (!net_queue_init(&net->queue)) {
        free(net);
        return NULL;
    }
    net_paho_init();
    net->conf = conf;
    net->keys = keys;
    (void)snprintf(net->uri, sizeof net->uri, "ssl://%s%s%s:%u", bare ? "[" : "", conf->host,
                   bare ? "]" : "", (unsigned)conf->port); /* net_tls_init minds the length */
    (void)pthread_mutex_init(&net->lock, NULL);
    (void)pthread_cond_init(&net->changed, NULL);
    return net;
}

void net_free(struct net *net)
{
    if (net == NULL)
        return;
    (void)net_queue_begin(&net->queue); /* what comes from now on is an old one's */
    link_end(net->link);
    net_queue_release(&net->queue);
    (void)pthread_cond_destroy(&net->changed);
    (void)pthread_mutex_destroy(&net->lock);
    free(net);
}

/* Paho does not come to an end on a '%' in it that no two hexadecimal digits follow. */
static bool proxy_is_sane(const char *proxy)
{
    static const char digits[] = "0123456789abcdefABCDEF";

    for (; proxy != NULL && (proxy = strchr(proxy, '%')) != NULL; proxy++) {
        if (strspn(proxy + 1, digits) < 2)
            return false;
    }
    return true;
}

static struct link *link_new(struct net *net, const char *client_id, const char *will_topic)
{
    struct link *link = calloc(1, sizeof *link);

    if (link == NULL)
        return NULL;
    link->net = net;
    link->session.conf = net->conf;
    link->session.queue = &net->queue;
    link->client_id = strdup(client_id);
    link->will_topic = will_topic != NULL ? strdup(will_topic) : NULL;
    if (link->client_id != NULL && (will_topic == NULL || link->will_topic != NULL))
        return link;
    link_free(link);
    return NULL;
}

void net_connect(struct net *net, const char *client_id, struct agent_span cert,
                 struct agent_span key, const char *will_topic, struct port_result *result)
{
    struct link *link = link_new(net, client_id, will_topic);

    if (link == NULL) {
        (void)port_fail(result, AGENT_LOCAL, "no memory");
        return;
    }
    if (!proxy_is_sane(net->conf->proxy)) {
        (void)port_fail(result, AGENT_CONFIG, "a '%%' in proxy must be followed by two hex digits");
        link_free(link);
        return;
    }
    if (!net_tls_init(&link->session.tls, net->conf, net->keys, cert, key, result)) {
        link_free(link);
        return;
    }
    link->previous = net->link;
    link->session.number = net_queue_begin(&net->queue);
    if (pthread_create(&link->thread, NULL, link_run, link) != 0) {
        (void)port_fail(result, AGENT_LOCAL, "no more threads to be had");
        link_free(link);
        return;
    }
    net->link = link;
    net->open = true;
}

static bool is_open(const struct net *net, struct port_result *result)
{
    if (!net->open)
        (void)port_fail(result, AGENT_NETWORK, "there is no connection to %s", net->conf->host);
    return net->open;
}

void net_subscribe(struct net *net, const char *const *topics, size_t n, struct port_result *result)
{
    if (is_open(net, result))
        net_paho_subscribe(&net->link->session, topics, n, result);
}

void net_publish(struct net *net, const char *topic, struct agent_span payload,
                 struct port_result *result)
{
    if (is_open(net, result))
        net_paho_publish(&net->link->session, topic, payload, result);
}

void net_disconnect(struct net *net)
{
    net_queue_give_up(&net->queue);
    if (net->open)
        start_closing(net->link);
    net->open = false;
}

int net_fd(const struct net *net)
{
    return net->queue.fd;
}

bool net_event(struct net *net, struct agent_event *out)
{
    if (!net_queue_take(&net->queue, out))
        return false;
    /* one that was ended on our side goes on until now, its messages unseen */
    if (out->kind == AGENT_EV_CLOSED && out->class != AGENT_NETWORK && net->open) {
        start_closing(net->link);
        net->open = false;
    }
    return true;
}
