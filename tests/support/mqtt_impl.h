/* mqtt_impl.h - the inside of a client, for mqtt.c and mqtt_wait.c. */
#ifndef SUPPORT_MQTT_IMPL_H
#define SUPPORT_MQTT_IMPL_H

#include "support/mqtt.h"
#include "support/mqtt_link.h"

struct answer {
    struct mqtt_answer a;
    struct answer *next;
};

struct mqtt {
    struct mqtt_link link;
    struct mqtt_report report;
    enum mqtt_version version;
    struct prov_buf connect; /* the CONNECT packet, while it is held back */
    bool hold_acks;
    void (*on_message)(void *ctx, const struct mqtt_view *message);
    void *ctx;
    bool lost; /* something received could not be kept for want of memory */
    int64_t wait_ms;
    uint16_t last_id;
    unsigned pings, pongs;
    struct mqtt_message *messages, **messages_end;
    struct answer *answers, **answers_end;
    char story[512];
};

#endif
