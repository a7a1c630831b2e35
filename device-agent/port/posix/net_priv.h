/*
 * net_priv.h - what the files of net.h share: net.c connections and their threads, net_paho.c what
 * Paho is asked for and what it says, net_tls.c what is done to its TLS, net_queue.c the events.
 */
#ifndef POSIX_NET_PRIV_H
#define POSIX_NET_PRIV_H

#include <pthread.h>

#include <openssl/ssl.h>

#include "net.h"

/* ---- events ------------------------------------------------------------------------------------
 *
 * Anybody adds, the thread of net.h takes. Each connection has a number; what is added under
 * another than the newest's is dropped, and so is what comes after the end of one: so nothing of
 * an old connection is ever seen.
 */

enum {
    NET_MAX_MESSAGES = 32,                /* waiting; the core wants one at a time */
    NET_MAX_EVENTS = NET_MAX_MESSAGES + 8 /* the end of an action, of a connection, of another */
};

struct net_item {
    enum agent_event_kind kind;
    enum agent_action_kind act;
    enum agent_class class;
    char text[AGENT_MAX_MESSAGE];
    uint8_t *bytes; /* of a message: topic, then payload; owned */
    size_t topic_n, payload_n;
};

struct net_queue {
    int fd; /* an eventfd; readable while there are items */
    pthread_mutex_t lock;
    uint32_t number; /* of the newest connection */
    bool over;       /* it has had its end */
    struct net_item items[NET_MAX_EVENTS];
    size_t first, n, messages;
    struct net_item given; /* taken last; one thread's alone */
};

bool net_queue_init(struct net_queue *queue); /* false: no descriptors left */
void net_queue_release(struct net_queue *queue);

/* A new connection begins; all that waits is dropped. */
uint32_t net_queue_begin(struct net_queue *queue);
/* The newest connection is given up; all that waits is dropped, and DONE of DISCONNECT added. */
void net_queue_give_up(struct net_queue *queue);

void net_queue_done(struct net_queue *queue, uint32_t number, enum agent_action_kind act);
/* Of AGENT_ACT_CONNECT it is the connection's end. */
void net_queue_failed(struct net_queue *queue, uint32_t number, enum agent_action_kind act,
                      const struct port_result *why);
void net_queue_closed(struct net_queue *queue, uint32_t number, const struct port_result *why);
/* What does not fit ends the connection: AGENT_ANSWER, or AGENT_LOCAL without memory. */
void net_queue_message(struct net_queue *queue, uint32_t number, struct agent_span topic,
                       struct agent_span payload);

/* As net_event. */
bool net_queue_take(struct net_queue *queue, struct agent_event *out);

/* ---- TLS ---------------------------------------------------------------------------------------
 *
 * Paho reads certificates and keys from files only and tells of a failure no more than that there
 * was one. So nothing of TLS is left to it: an ex_data index of SSL_CTX, whose new-function OpenSSL
 * calls for each SSL_CTX, puts our callbacks into the one that Paho makes, and Paho, told of no
 * files, changes none of them afterwards (SSLSocket.c: security level 1, mode, info and message
 * callbacks, SSL_VERIFY_PEER). Touch only the SSL_CTX there: an SSL is not finished in such a
 * function, and OpenSSL 3.2 and later crash.
 */

struct net_tls {
    /* what is to be done; set by net_tls_init */
    const struct net_conf *conf;
    char host[256];    /* without the brackets of an IPv6 address */
    pthread_t thread;  /* who asked for it: an SSL_CTX that it makes is not Paho's */
    X509_STORE *trust; /* conf's ca_file */
    X509 *cert;
    STACK_OF(X509) * chain;
    EVP_PKEY *key;

    /* what was seen; the callbacks of OpenSSL and of Paho write it, with Paho's lock held */
    struct port_result failed; /* our own no; AGENT_OK: none */
    bool given;                /* our certificate was asked for, and given */
    bool up;                   /* the handshake is over, as far as our side can see */
    int alert;                 /* received; -1: none */
    char reason[96];           /* OpenSSL's, of another failure; "": none */
};

/* Certificate, key and trust file are read here. False: result says why. Release either way. */
bool net_tls_init(struct net_tls *tls, const struct net_conf *conf, const struct keys_conf *keys,
                  struct agent_span cert, struct agent_span key, struct port_result *result);
void net_tls_release(struct net_tls *tls);

/* The next SSL_CTX for a client that another thread makes is this one's. */
void net_tls_expect(struct net_tls *tls);

/* Paho's ssl_error_cb, with a struct net_tls. */
int net_tls_error(const char *line, size_t n, void *arg);

/* Did TLS, or what it says of our certificate, end the connection? closed: the other side did.
 * False: it did not, and nothing is written. */
bool net_tls_verdict(const struct net_tls *tls, bool closed, struct port_result *result);

/* ---- Paho ------------------------------------------------------------------------------------ */

#define NET_PROXY_MAX 640 /* with user and password, as the configuration allows it, and more */

struct net_session {
    const struct net_conf *conf;
    struct net_queue *queue;
    uint32_t number; /* of the connection in it */
    struct net_tls tls;
    void *client;              /* MQTTAsync; NULL: none */
    size_t n_topics;           /* of the subscription under way */
    char proxy[NET_PROXY_MAX]; /* as Paho wants it */
};

/* Once in a process; see net_new. */
void net_paho_init(void);

/* All may wait for Paho. What goes wrong is an event, FAILED of AGENT_ACT_CONNECT. */
bool net_paho_create(struct net_session *session, const char *uri, const char *client_id);
void net_paho_connect(struct net_session *session, const char *will_topic);
/* A DISCONNECT is sent if there is a connection. No callback comes after it has returned; with the
 * last one in a process it waits for Paho's threads. NULL as client is fine. */
void net_paho_end(struct net_session *session);

/* As net_subscribe and net_publish, of a connection that there is or was. */
void net_paho_subscribe(struct net_session *session, const char *const *topics, size_t n,
                        struct port_result *result);
void net_paho_publish(struct net_session *session, const char *topic, struct agent_span payload,
                      struct port_result *result);

#endif
