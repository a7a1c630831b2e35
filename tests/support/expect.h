/*
 * expect.h - the usual endings of a connection as one line in a test each. A failed one tells the
 * whole story of the connection.
 */
#ifndef SUPPORT_EXPECT_H
#define SUPPORT_EXPECT_H

#include "support/mqtt.h"

/* Connected, CONNACK 0; to be freed with mqtt_free. */
#define expect_connected(...) expect_connected_at((__VA_ARGS__), __FILE__, __LINE__)
/* Refused during TLS with this alert (SSL_AD_… or a number from RFC 8446 section 6), no CONNACK. */
#define expect_alert(options, alert) expect_alert_at((options), (alert), __FILE__, __LINE__)
/* CONNACK with this code, which is not 0, and then closed by the broker. */
#define expect_connack(options, code) expect_connack_at((options), (code), __FILE__, __LINE__)
/* Closed by the broker without CONNACK or alert. */
#define expect_dropped(options) expect_dropped_at((options), __FILE__, __LINE__)

/* This text arrives on this topic; another message on it is a failure. */
#define expect_message(c, topic, text)                                                             \
    expect_message_at((c), (topic), prov_span_str(text), __FILE__, __LINE__)
/* After a round trip nothing has arrived on this topic (NULL: on any). */
#define expect_silence(c, topic) expect_silence_at((c), (topic), __FILE__, __LINE__)
/* The broker closes this connection. */
#define expect_closed(c) expect_closed_at((c), __FILE__, __LINE__)

struct mqtt *expect_connected_at(const struct mqtt_options *o, const char *file, int line);
void expect_alert_at(const struct mqtt_options *o, int alert, const char *file, int line);
void expect_connack_at(const struct mqtt_options *o, int code, const char *file, int line);
void expect_dropped_at(const struct mqtt_options *o, const char *file, int line);
void expect_message_at(struct mqtt *c, const char *topic, struct prov_span payload,
                       const char *file, int line);
void expect_silence_at(struct mqtt *c, const char *topic, const char *file, int line);
void expect_closed_at(struct mqtt *c, const char *file, int line);

#endif
