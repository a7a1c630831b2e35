/*
 * net.h - one MQTT connection over TLS with Paho's asynchronous client, one at a time.
 *
 * The server's certificate is always verified, against the configured trust file alone, and its
 * name against the host. Client certificate and key come from memory or from a PKCS#11 token, never
 * through a file that Paho reads.
 *
 * Thread: all calls from one, and one struct net at a time in a process. Each connection has a
 * thread of ours, and Paho has two; they only put events into a queue, of which net_fd becomes
 * readable. No call but net_free waits for the network, a name's address, or Paho.
 */
#ifndef POSIX_NET_H
#define POSIX_NET_H

#include "device-agent/port/port.h"

struct keys_conf;

struct net_conf {
    const char *host; /* name or address */
    uint16_t port;
    const char *ca_file; /* PEM; what is in it is trusted, also if it is not self-signed */
    const char *alpn;    /* NULL: none; AWS IoT on port 443: "x-amzn-mqtt-ca" */
    const char *proxy;   /* NULL: none, whatever the environment says;
                            http://[user:password@]host:port, '@' and '%' in a password as %40, %25 */
    uint16_t keep_alive_s;
    uint32_t connect_ms; /* Paho gives up after that too, up to four seconds late */
    const char *will_topic, *will_payload; /* NULL: none; with the own identity only */
};

struct net;

/*
 * conf and keys are borrowed for good. NULL: no memory, or no descriptors left.
 *
 * Changes the process for good: SIGPIPE is ignored (Paho), and http_proxy, https_proxy and
 * MQTT_C_CLIENT_TRACE leave the environment, for Paho would do what they say.
 */
struct net *net_new(const struct net_conf *conf, const struct keys_conf *keys);
/* Ends what there is, without waiting for the other side: a second or two, for Paho's threads to
 * end; longer only if they look up a name just now (resolv.conf(5): timeout, attempts), or wait for
 * a proxy's answer (up to ten seconds). */
void net_free(struct net *net);

/*
 * Begins; the end is an event, DONE with the CONNACK, or FAILED.
 *
 *     AGENT_TRUST    the server's certificate
 *     AGENT_CLOCK    it is not valid yet, or is not any more by a clock that cannot be right; or
 *                    ours was refused and is not valid yet
 *     AGENT_REFUSED  a TLS alert about our certificate, a CONNACK that says no; or the end of the
 *                    connection after the server could see our certificate and before any CONNACK:
 *                    that is how AWS IoT ends a first contact, and with TLS 1.3 an alert can be
 *                    overtaken by the end. AGENT_PENDING is the core's to make of it
 *     AGENT_BUSY     CONNACK "server unavailable", alert "internal error"
 *     AGENT_CONFIG   alpn or MQTT 3.1.1 is not spoken there; *result: the trust file is none
 *     AGENT_LOCAL    *result: certificate or key cannot be had
 *     AGENT_NETWORK  the rest: address, TCP, proxy, time, no TLS
 *
 * cert: PEM, the device's own first; key: a reference (keys.h); both used up before it returns.
 * will_topic: expanded, or NULL. A connection that there still is, is given up.
 */
void net_connect(struct net *net, const char *client_id, struct agent_span cert,
                 struct agent_span key, const char *will_topic, struct port_result *result);
/* One or two. AGENT_REFUSED: at least one was not granted. */
void net_subscribe(struct net *net, const char *const *topics, size_t n,
                   struct port_result *result);
/* QoS 1; DONE with the PUBACK. A connection that goes in between is told as CLOSED alone. */
void net_publish(struct net *net, const char *topic, struct agent_span payload,
                 struct port_result *result);
/* AGENT_EV_DONE is the next event, at once, and nothing older comes any more. The DISCONNECT, where
 * there is a connection, is sent by another thread, before the next connection is made, or before
 * net_free returns. */
void net_disconnect(struct net *net);

/* Readable while there is an event. */
int net_fd(const struct net *net);
/*
 * The next one; what it borrows is valid, and then wiped, until the next call of this or of
 * net_free. False: none. Topics over AGENT_MAX_TOPIC and payloads over AGENT_MAX_PAYLOAD bytes come
 * cut to one byte more than that, so that they cannot be read. When 32 messages wait and another
 * comes, the connection is ended: CLOSED with AGENT_ANSWER.
 */
bool net_event(struct net *net, struct agent_event *out);

#endif
