/*
 * sim_broker.h - a broker with the plugin, without a broker: who connects, subscribes and publishes
 * is judged by the plugin's core as plugin/broker has it judged; requests go through the fleet
 * machine in steps that take their time, so that several can be under way; what goes out is taken
 * from it as messages.
 *
 * first_connect is drop: a first contact is refused while it is being provisioned. Time is the
 * caller's; what is due is said by sim_broker_due.
 */
#ifndef SIM_BROKER_H
#define SIM_BROKER_H

#include "sim/sim_rng.h"
#include "sim/sim_world.h"

#define SIM_MAX_SUBSCRIPTIONS 8

struct sim_broker;

/* world and rng are borrowed. */
struct sim_broker *sim_broker_new(struct sim_world *world, struct sim_rng *rng);
void sim_broker_free(struct sim_broker *broker);

enum sim_welcome {
    SIM_ACCEPTED,
    SIM_ALERT,          /* refused in the handshake */
    SIM_NOT_AUTHORISED, /* CONNACK 5 */
    SIM_DROPPED,        /* closed without a CONNACK: trying again helps */
};

/*
 * A device that has shown that it holds the key of leaf. Accepted: *session from 1 up, until
 * sim_broker_close or a SIM_CLOSED for it. why: at least 128 bytes, for people.
 */
enum sim_welcome sim_broker_connect(struct sim_broker *broker, X509 *leaf, const char *client_id,
                                    int64_t now_ms, uint64_t *session, char *why);
/* False: the SUBACK says no to one of them. */
bool sim_broker_subscribe(struct sim_broker *broker, uint64_t session, const char *const *topics,
                          size_t n, int64_t now_ms);
/* Acknowledged whatever becomes of it, as MQTT 3.1.1 has it. False: not any more, the session is
 * gone. */
bool sim_broker_publish(struct sim_broker *broker, uint64_t session, const char *topic,
                        struct prov_span payload, int64_t now_ms);
/* The connection went, from the device's side. */
void sim_broker_close(struct sim_broker *broker, uint64_t session);

/* When there is something to do next; INT64_MAX: nothing is under way. */
int64_t sim_broker_due(struct sim_broker *broker, int64_t now_ms);
void sim_broker_run(struct sim_broker *broker, int64_t now_ms);

/* What goes out. */
struct sim_message {
    uint64_t session;
    bool closed; /* no message: the broker has closed the connection */
    char topic[PROV_MAX_FLEET_TOPIC];
    struct prov_buf payload; /* the taker's, to be released */
};
/* False: there is none. */
bool sim_broker_take(struct sim_broker *broker, struct sim_message *out);

/* So many heartbeats came, and other publications that are no requests. */
unsigned sim_broker_heard(const struct sim_broker *broker);

#endif
