/*
 * control.h - an operator at the control API, for the programs that measure it: one command at a
 * time. Every trouble ends the program, an error in an answer too.
 */
#ifndef BENCH_CONTROL_H
#define BENCH_CONTROL_H

#include <cjson/cJSON.h>

#include "bench.h"
#include "support/mqtt.h"

/* On a plain listener, as a client without a name. */
struct mqtt *control_connect(uint16_t port);
/* Sends one command, as the JSON object that goes into "commands". The format is printf's. */
PROV_PRINTF(2, 3) void control_ask(struct mqtt *c, const char *command, ...);
/* Its answer's "data", to be freed with cJSON_Delete; NULL when it has none. */
cJSON *control_answer(struct mqtt *c);
/* Leaves, and frees. */
void control_leave(struct mqtt *c);

#endif
