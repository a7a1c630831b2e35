/*
 * bystander.h - another client of the same broker, without TLS, that notices how long the broker
 * keeps it waiting: it pings, and pings again a millisecond after the answer.
 *
 * It has a thread of its own, ahead of the others where that is allowed (root): the crowd's own
 * work is not to be taken for the broker's.
 */
#ifndef BENCH_BYSTANDER_H
#define BENCH_BYSTANDER_H

#include "bench.h"

struct bystander;

/* Connected, and pinging for idle_ms before this returns. Ends the program when it cannot connect.
 */
struct bystander *bystander_start(uint16_t port, unsigned idle_ms);
/* What it sees from now on is what counts. */
void bystander_begin(struct bystander *b);
/* Until here. Ends the program when the bystander was thrown out meanwhile. NULL is accepted. */
void bystander_end(struct bystander *b);
/* bystander_idle_… and bystander_…, then frees it. NULL is accepted and puts nothing. */
void bystander_put(struct bystander *b);

#endif
