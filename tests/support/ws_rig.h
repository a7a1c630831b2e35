/*
 * ws_rig.h - connections over websockets in broker tests, as expect.h has them without.
 *
 * Every call fails the test when what it promises does not happen.
 */
#ifndef SUPPORT_WS_RIG_H
#define SUPPORT_WS_RIG_H

#include "support/rig.h"

/* Listeners. 2.0 takes its time for each: no more of them than a test needs. */
extern const struct rig_spec ws_for_devices; /* BROKER_WSS_CERT */
extern const struct rig_spec ws_for_all;     /* one of each kind */

/* link: rig_ws_link's, or rig_link's. */
struct mqtt *ws_connect(struct rig_link *link);
/* CONNACK 0. */
struct mqtt *ws_in(struct rig_link *link);
/* Closed with this CONNACK; -1: with none. */
void ws_refused(struct rig_link *link, int connack);
/* Refused during TLS with this alert. */
void ws_alerted(struct rig_link *link, int alert);
/* The broker closes this connection. */
void ws_end(struct mqtt *c);

/* Over BROKER_WSS_CERT: dropped, and provisioned by the time this returns; and then in. */
void ws_first_contact(struct rig *rig, const struct pki_cert *device, const char *client_id);
struct mqtt *ws_join(struct rig *rig, const struct pki_cert *device, const char *client_id);
/* One of operator.h's users. */
struct mqtt *ws_user(const struct rig *rig, enum broker_ws kind, const char *user,
                     const char *client_id);

/* The device may do anything, beside what its template gives. */
void ws_allow_all(struct rig *rig, const struct pki_cert *device);
/* Published at QoS 1, and acknowledged. */
void ws_published(struct mqtt *c, const char *topic, const char *text);

#endif
