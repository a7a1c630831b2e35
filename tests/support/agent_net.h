/*
 * agent_net.h - the agent's side of a connection (device-agent/port/posix/net.h) for tests: with
 * certificates of its own, and each event waited for. For tests that include a header of
 * device-agent/port. Every call fails the test when what it promises does not happen.
 */
#ifndef SUPPORT_AGENT_NET_H
#define SUPPORT_AGENT_NET_H

#include "device-agent/port/posix/keys.h"
#include "device-agent/port/posix/net.h"
#include "support/broker.h"
#include "support/pki.h"
#include "support/tmp.h"

struct agent_net {
    char *dir;
    char ca_file[TMP_PATH_MAX];
    struct pki_cert ca, server, device; /* of the CA; the server is localhost, and 127.0.0.1 */
    struct net_conf conf;               /* to be changed before agent_net_open */
    struct keys_conf keys;
    struct net *net;
    struct broker *broker; /* NULL until agent_net_broker */
};

void agent_net_up(struct agent_net *f);
void agent_net_down(struct agent_net *f);
/* For cmocka: *state is it. */
int agent_net_set_up(void **state);
int agent_net_tear_down(void **state);

/* PEM of these certificates becomes what the agent trusts. */
void agent_net_trust(struct agent_net *f, const struct pki_cert *a, const struct pki_cert *b);

/* A stock Mosquitto that trusts ca, with further lines for it and its TLS listener, and a listener
 * without TLS. agent_net_down stops it. */
void agent_net_broker(struct agent_net *f, const char *lines, const char *tls_lines);
void agent_net_broker_stop(struct agent_net *f);
/* Of its TLS listener. */
uint16_t agent_net_port(const struct agent_net *f);

/* With a port; ends what there was. */
void agent_net_open(struct agent_net *f, uint16_t port);
void agent_net_close(struct agent_net *f);

/* Begins to connect, with a certificate; device's if it is NULL. */
void agent_net_connect(struct agent_net *f, const struct pki_cert *cert, const char *client_id);

/* The next event, whatever it is. */
struct agent_event agent_net_event(struct agent_net *f);
#define agent_net_done(f, act) agent_net_done_at((f), (act), __FILE__, __LINE__)
void agent_net_done_at(struct agent_net *f, enum agent_action_kind act, const char *file, int line);
/* kind: FAILED (of act) or CLOSED; text is in the event's. */
#define agent_net_ends(f, kind, class, text)                                                       \
    agent_net_ends_at((f), (kind), (class), (text), __FILE__, __LINE__)
void agent_net_ends_at(struct agent_net *f, enum agent_event_kind kind, enum agent_class class,
                       const char *text, const char *file, int line);
/* Open, connect as device, and see that it fails so; closed again. */
#define agent_net_fails(f, port, class, text)                                                      \
    do {                                                                                           \
        agent_net_open((f), (port));                                                               \
        agent_net_connect((f), NULL, "agent-1");                                                   \
        agent_net_ends((f), AGENT_EV_FAILED, (class), (text));                                     \
        agent_net_close((f));                                                                      \
    } while (0)

/* Open and connected. */
void agent_net_joined(struct agent_net *f, uint16_t port, const char *client_id);

#endif
