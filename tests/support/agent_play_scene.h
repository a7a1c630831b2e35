/*
 * agent_play_scene.h - what a device may be about, from its beginning to its end: for tests that
 * disturb each at every move.
 */
#ifndef TESTS_AGENT_PLAY_SCENE_H
#define TESTS_AGENT_PLAY_SCENE_H

#include "support/agent_play.h"

struct play_scene {
    const char *name;
    enum agent_method method;
    bool create_keys, no_template, once, answer_first;
    const char *configuration;
    bool provisioned;       /* before */
    bool renews;            /* is told to */
    enum agent_reset reset; /* is told to */
};
extern const struct play_scene play_scenes[];
extern const size_t play_n_scenes;

/* Begun, no move made. */
struct play *play_begin(const struct play_scene *scene);
/* The same after a number of moves. NULL: it has come to its end before. */
struct play *play_begin_at(const struct play_scene *scene, unsigned moves);
/*
 * Lets it come to its end and looks at that: an identity that is whole; after a reset whose claim
 * is gone, nothing. where: for who reads of a failure.
 */
void play_finish(struct play *p, const struct play_scene *scene, const char *where, unsigned move);

#endif
