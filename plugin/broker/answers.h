/*
 * answers.h - answers on their way to the one session that asked (design D4).
 *
 * mosquitto_broker_publish names its receiver by client id, and only appends to a list that the
 * broker's loop empties on its next pass: whoever connects with that client id in between would
 * receive the answer. So answers wait here until a tick, go out when the session is still there,
 * and until the next tick a CONNECT with that client id is refused. Thread: broker.
 */
#ifndef PROV_ANSWERS_H
#define PROV_ANSWERS_H

#include "plugin.h"

/* Whoever asked: where to look for the session, and which it must be. Never looked into. */
struct prov_asker {
    const struct mosquitto *client;
    uint64_t session;
};

PROV_MUST_USE enum prov_rc prov_answers_new(struct prov_answers **out);
/* Wipes what was not sent. NULL is accepted. */
void prov_answers_free(struct prov_answers *answers);

/* How it is sent. Copied. */
struct prov_reply {
    const char *topic;
    int qos;
    struct prov_span correlation; /* MQTT 5: the request's correlation data; p NULL: it had none */
};

/*
 * Takes the payload, which is wiped once it was handed to the broker or its session is gone.
 * Nothing is sent, and nobody is told, when there is no memory.
 */
void prov_answer(struct prov_plugin *pl, const struct prov_asker *asker,
                 const struct prov_reply *reply, struct prov_buf *payload);

/* At each tick: hands over what waits. */
void prov_answers_send(struct prov_plugin *pl);

/* May an answer still be under way to the last session of this client id? */
bool prov_answers_under_way(struct prov_plugin *pl, const char *client_id);

#endif
