/*
 * mqtt.h - an MQTT 3.1.1 and 5 client for tests: everything it sends is under the test's control,
 * and everything that happens to it is reported exactly.
 *
 * Nothing below blocks except the calls under "waiting", and those have a deadline. A client is one
 * object without global state, so a load generator may hold thousands: it polls mqtt_fd for
 * mqtt_wants and calls mqtt_step. One thread per client at a time.
 *
 * Incoming QoS 1 messages are acknowledged as soon as they are read, unless hold_acks says not to.
 * QoS 2 is not spoken; a QoS 2 message from the broker ends the connection as MQTT_END_MALFORMED.
 */
#ifndef SUPPORT_MQTT_H
#define SUPPORT_MQTT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include "core/base.h"
#include "support/ws.h"

/* ---- what to connect with ------------------------------------------------------------------- */

enum mqtt_version { MQTT_V311 = 4, MQTT_V5 = 5 };

/*
 * The client's side of TLS. It checks nothing that the broker should check: any certificate goes
 * out as given, however weak, expired or unfit. Only where TLS has no signature algorithm for its
 * key, such as for secp256k1 in TLS 1.3, OpenSSL sends none. All pointers are borrowed until
 * mqtt_start (or mqtt_tls_context) returns.
 */
struct mqtt_tls {
    X509 *trust;        /* the server must chain to this; NULL: any server will do */
    X509 *cert;         /* NULL: no client certificate is offered */
    EVP_PKEY *key;      /* the certificate's */
    X509 *const *chain; /* sent after cert, in this order; nothing else is */
    size_t chain_n;
    const char *sni;     /* NULL: none */
    const char *alpn;    /* one protocol; NULL: none */
    int version;         /* TLS1_2_VERSION or TLS1_3_VERSION; 0: whichever comes out */
    SSL_SESSION *resume; /* from mqtt_session, with the same settings; NULL: a full handshake */
    SSL_CTX *shared;     /* from mqtt_tls_context, used instead of trust, chain, alpn and version:
                            what many connections should not build again. It may serve many
                            clients: cert and key go out where they are given, and otherwise the
                            context's */
};

/* NULL when OpenSSL will not take it, for instance a key that is not the certificate's. */
SSL_CTX *mqtt_tls_context(const struct mqtt_tls *tls);

struct mqtt_will {
    const char *topic;
    struct prov_span payload;
    uint8_t qos;
    bool retain;
    uint32_t delay_s; /* MQTT 5; 0: not sent */
};

/* A message as it comes in, gone when the call that was given it returns. */
struct mqtt_view {
    struct prov_span topic, payload;
    uint8_t qos;
};

/* Zeroed means: MQTT 3.1.1 over plain TCP, an empty client id, a clean session, no keep-alive. */
struct mqtt_options {
    const char *host; /* an IPv4 address; NULL: 127.0.0.1 */
    uint16_t port;
    const char
        *source; /* the address to connect from, such as 127.0.0.5; NULL: the system's choice */
    const struct mqtt_tls *tls;  /* NULL: plain TCP */
    const struct ws_options *ws; /* over a WebSocket; NULL: not */
    enum mqtt_version version;
    const char *client_id;
    const char *username;      /* NULL: no such flag in CONNECT */
    const char *password;      /* NULL: no such flag in CONNECT */
    bool keep_session;         /* clean session (3.1.1) or clean start (5) off */
    uint32_t session_expiry_s; /* MQTT 5; 0: not sent */
    uint16_t keepalive_s;      /* the client never pings by itself */
    const struct mqtt_will *will;
    bool hold_connect; /* stop after TCP and TLS; CONNECT is sent by mqtt_submit_connect or never */
    bool hold_acks;
    /* Called within mqtt_step for every message, which is then not kept for mqtt_take_message: for
     * clients that get too many to copy. */
    void (*on_message)(void *ctx, const struct mqtt_view *message);
    void *ctx;
    int64_t wait_ms; /* the longest that any waiting call takes; 0: DEADLINE_DEFAULT_MS */
};

/* ---- what happened --------------------------------------------------------------------------- */

enum mqtt_end {
    MQTT_END_NONE,      /* not ended: connecting or connected */
    MQTT_END_OURS,      /* this side closed after mqtt_goodbye's deadline or for want of memory */
    MQTT_END_TCP,       /* no TCP connection: sys_errno */
    MQTT_END_ALERT,     /* the broker sent a fatal TLS alert: alert */
    MQTT_END_TLS,       /* this side ended TLS, for instance over the server's certificate: text */
    MQTT_END_EOF,       /* the broker closed */
    MQTT_END_RESET,     /* the broker closed with bytes of ours unread: as EOF to most tests */
    MQTT_END_MALFORMED, /* the broker sent what MQTT does not allow: text */
};

struct mqtt_report {
    enum mqtt_end end;
    int sys_errno;
    int alert;    /* -1: no fatal alert came */
    bool secured; /* TLS handshake done on this side; under TLS 1.3 the broker has not judged
                     the client certificate by then */
    bool resumed;
    int tls_version; /* TLS1_2_VERSION…; 0 before */
    int connack;     /* return or reason code; -1: none came */
    bool session_present;
    char assigned_id[64];  /* MQTT 5: the client id that the broker chose */
    int disconnect_reason; /* MQTT 5: of the broker's DISCONNECT; -1: none came */
    char reason_text[160]; /* MQTT 5: reason string of CONNACK or DISCONNECT */
    int ws_status;         /* of the HTTP answer to a WebSocket's request; 0: none came */
    int ws_close;          /* of the server's close frame; -1: none came, or one without a code */
    unsigned ws_pongs;
    char text[160]; /* what TLS or the parser complained about */
};

struct mqtt;

struct mqtt_message {
    char *topic;
    uint8_t *payload; /* NUL-terminated beyond n, for string comparison */
    size_t n;
    uint8_t qos;
    bool retain, dup;
    uint16_t id;            /* 0 with QoS 0 */
    struct prov_span props; /* MQTT 5, raw: see mqtt_prop */
    struct mqtt_message *next;
};

void mqtt_message_free(struct mqtt_message *m);

/* Finds the first property with this id; for pairs the value holds both strings as encoded. */
bool mqtt_prop(struct prov_span props, uint8_t id, struct prov_span *value);

struct mqtt_answer {
    uint16_t id;
    int code; /* of PUBACK, SUBACK or UNSUBACK; 0 where MQTT 3.1.1 has none */
};

/* ---- a connection ---------------------------------------------------------------------------- */

/* Starts connecting. NULL when out of memory or when the options are unusable. */
struct mqtt *mqtt_start(const struct mqtt_options *options);
/* Closes without DISCONNECT or close_notify, as a power cut would. NULL is accepted. */
void mqtt_free(struct mqtt *c);

/* -1 once closed. */
int mqtt_fd(const struct mqtt *c);
/* POLLIN, POLLOUT or both. */
short mqtt_wants(const struct mqtt *c);
/* Does all that can be done without waiting. */
void mqtt_step(struct mqtt *c);
/* Of that only the sending; what ends the connection is found by the next mqtt_step. */
void mqtt_send(struct mqtt *c);

/* Valid until mqtt_free; changes as things happen. */
const struct mqtt_report *mqtt_report(const struct mqtt *c);
/* One line for a failed assertion: what happened so far. Valid until the next call. */
const char *mqtt_story(struct mqtt *c);
/* A copy for struct mqtt_tls.resume, NULL when there is nothing to resume. Free with
 * SSL_SESSION_free.
 */
SSL_SESSION *mqtt_session(const struct mqtt *c);

/* ---- sending: appended now, on its way with the next step or mqtt_send ----------------------- */

struct mqtt_publish {
    const char *topic;
    struct prov_span payload;
    uint8_t qos; /* 0 or 1 */
    bool retain;
    struct prov_span props; /* MQTT 5, raw */
};

void mqtt_submit_connect(struct mqtt *c);
/* Packet id of the answer to come; 0 with QoS 0. */
uint16_t mqtt_submit_publish(struct mqtt *c, const struct mqtt_publish *p);
uint16_t mqtt_submit_subscribe(struct mqtt *c, const char *filter, uint8_t qos);
uint16_t mqtt_submit_unsubscribe(struct mqtt *c, const char *filter);
void mqtt_submit_ping(struct mqtt *c);
void mqtt_submit_puback(struct mqtt *c, uint16_t id);
/* MQTT 5 sends the reason (0x04: publish my will); 3.1.1 has none. */
void mqtt_submit_disconnect(struct mqtt *c, uint8_t reason);
/* Any bytes at all, inside TLS where there is TLS. */
void mqtt_submit_raw(struct mqtt *c, struct prov_span bytes);
/* A whole WebSocket frame of any kind, behind what was submitted before. */
void mqtt_submit_frame(struct mqtt *c, enum ws_opcode opcode, struct prov_span payload);

/* ---- taking what came, without waiting ------------------------------------------------------- */

/* The answer to packet id, or with id 0 the oldest one. */
bool mqtt_take_answer(struct mqtt *c, uint16_t id, struct mqtt_answer *out);
/* The oldest message, or the oldest on this very topic; the caller's to free. NULL: none. */
struct mqtt_message *mqtt_take_message(struct mqtt *c, const char *topic);
/* How many ping answers have come. */
unsigned mqtt_pongs(const struct mqtt *c);

/* ---- waiting, no longer than wait_ms --------------------------------------------------------- */

/* In place of a code. */
enum { MQTT_WENT = -1 /* the connection ended first */, MQTT_LATE = -2 /* the deadline passed */ };

/* TCP and, where asked for, TLS stand. */
bool mqtt_wait_secured(struct mqtt *c);
/* The CONNACK's code. */
int mqtt_wait_connack(struct mqtt *c);
/* True once the connection has ended, whoever ended it. */
bool mqtt_wait_end(struct mqtt *c);
/* The PUBACK's code; with QoS 0, 0 once the bytes are in the kernel. */
int mqtt_publish(struct mqtt *c, const struct mqtt_publish *p);
/* The SUBACK's or UNSUBACK's code. */
int mqtt_subscribe(struct mqtt *c, const char *filter, uint8_t qos);
int mqtt_unsubscribe(struct mqtt *c, const char *filter);
/*
 * A round trip. The broker answers in order, so afterwards everything it had for this client before
 * the ping has arrived: what mqtt_take_message does not find now was not sent. That is how a test
 * asserts silence without waiting for it.
 */
bool mqtt_ping(struct mqtt *c);
/* DISCONNECT, then until the broker has closed, so that it has certainly dealt with it. */
bool mqtt_goodbye(struct mqtt *c);
/* As mqtt_take_message; NULL when the connection ended or the deadline passed first. */
struct mqtt_message *mqtt_wait_message(struct mqtt *c, const char *topic);

#endif
