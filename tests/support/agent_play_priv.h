/* agent_play_priv.h - what the files of agent_play.h share. */
#ifndef TESTS_AGENT_PLAY_PRIV_H
#define TESTS_AGENT_PLAY_PRIV_H

#include "support/agent_play.h"

/* ---- agent_play.c ---------------------------------------------------------------------------- */

/* Takes all actions that there are, and checks them. */
void play_take(struct play *p);

/* ---- agent_play_world.c: storage and the other side ------------------------------------------ */

extern const uint8_t play_device[AGENT_DEVICE_LEN];

bool play_is_empty(const struct play_slot *slot);
struct agent_slot play_slot_of(const struct play_slot *stored);
struct agent_found play_found(const struct play_disk *disk);
/* Puts another one into its slot. */
void play_make_claim(struct play *p);
/* What is under way is done to the world, or why it is not. */
enum agent_class play_carry_out(struct play *p);

#endif
