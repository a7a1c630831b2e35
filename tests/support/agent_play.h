/*
 * agent_play.h - a world for the agent's core: storage that outlives it, another side that makes
 * and registers certificates, a clock that jumps. What the core asks for is checked against its
 * contract (agent.h) as it is taken, and carried out, or failed, when the test says so.
 *
 * Functions assert: they are for cmocka tests.
 */
#ifndef TESTS_AGENT_PLAY_H
#define TESTS_AGENT_PLAY_H

#include "../../device-agent/core/agent.h"

enum { PLAY_SLOTS = 16, PLAY_CERTS = 64, PLAY_SAVES = 64, PLAY_STORY = 8192, PLAY_TOPICS = 16 };
#define PLAY_NOW INT64_C(1700000000)
#define PLAY_DAY (INT64_C(24) * 60 * 60)

/* Storage: slot 0 is the claim's. */
struct play_slot {
    bool key, csr, cert, config;
    uint32_t key_id, serial;
    int64_t not_before_s, not_after_s;
};
struct play_disk {
    struct play_slot slots[PLAY_SLOTS];
    uint32_t in_force;
    uint8_t record[AGENT_STATE_MAX];
    size_t n_record; /* 0: there is none */
};

/* The other side's view of a certificate, at its serial number. */
struct play_cert {
    uint32_t key_id;
    bool active, token_used;
};

struct play {
    struct agent *agent; /* alone in its memory */
    struct agent_conf conf;
    struct agent_now now;
    bool clock_set;

    struct play_disk disk;
    struct agent_state saved;     /* what the record says */
    enum agent_class claim_class; /* what the port knows of a claim that is of no use */
    const char *claim_text;

    /* the other side */
    struct play_cert certs[PLAY_CERTS]; /* 0 is none, 1 the claim's */
    uint32_t n_certs, n_keys;
    unsigned refusals;         /* connections of certificates that are not the claim's to come */
    const char *thing;         /* thingName of answers; NULL: none */
    const char *configuration; /* deviceConfiguration; NULL: none */
    int64_t lifetime_s;        /* of certificates */
    bool answer_first;         /* before the acknowledgement */
    bool offline;

    /* the connection */
    bool up;
    uint32_t link;
    char topics[PLAY_TOPICS][AGENT_MAX_TOPIC]; /* subscribed to */
    size_t n_topics;

    /* what is under way */
    bool busy;
    struct agent_action slow;
    uint8_t record[AGENT_STATE_MAX]; /* as it was when it was to be saved */
    size_t n_record;
    char published[AGENT_MAX_TOPIC]; /* and is not answered; "": nothing */
    char request[AGENT_MAX_REQUEST];
    bool timer_set;
    uint64_t timer_ms;

    /* what play_step fails: actions of this kind, so often */
    enum agent_action_kind failing;
    enum agent_class failing_with;
    unsigned failures;
    bool in_truth_done; /* it is carried out all the same */

    /* what was done */
    bool ended;
    enum agent_class ended_with;
    unsigned actions; /* slow ones that were taken */
    unsigned told, dropped_claims, connects;
    unsigned announced[AGENT_ANNOUNCES];
    unsigned spins; /* timers at once, in a row */
    char story[PLAY_STORY];
    struct play_disk saves[PLAY_SAVES]; /* the storage after each SAVE */
    size_t n_saves;
};

/* A device with a claim's key and certificate, by CSR; all else at rest. */
struct play *play_new(void);
void play_free(struct play *p);
/* Gives it an identity in force, generation 1, from a run of its own; the story starts anew. */
void play_provision(struct play *p);

/* Switches on: the agent starts from what is stored. */
void play_start(struct play *p);
/* Switches off at once: only the storage and the other side stay as they are. */
void play_cut(struct play *p);
/* Likewise, with the storage as it was then. */
void play_cut_to(struct play *p, const struct play_disk *disk);

/* What is under way is carried out and told, as the world is: it may fail. */
void play_done(struct play *p);
void play_done_saying(struct play *p, const char *text); /* in place of what the action gives */
/* It is not carried out. text may be NULL. */
void play_fail(struct play *p, enum agent_class class);
void play_fail_saying(struct play *p, enum agent_class class, const char *text);
/* It is carried out and nobody is told, as by a power cut right after it. */
void play_silently(struct play *p);

/* Events as they may come at any time. */
void play_message(struct play *p, const char *topic, const char *payload);
void play_answer(struct play *p); /* to what was published */
/* accepted: the topic for what was published; otherwise the one for rejections */
void play_reply(struct play *p, bool accepted, const char *payload);
void play_closed(struct play *p, enum agent_class class);
void play_timer(struct play *p); /* now, whether it is due or not */
void play_wait(struct play *p);  /* until the timer is due, and it comes */
void play_pass(struct play *p, uint64_t ms);
void play_tell(struct play *p, enum agent_event_kind kind);
/* DONE or FAILED of what may not be under way. */
void play_ends(struct play *p, enum agent_event_kind kind, enum agent_action_kind act);
void play_reset(struct play *p, enum agent_reset reset);
void play_claim(struct play *p);                           /* one is injected */
void play_tell_claim(struct play *p, int64_t not_after_s); /* what is in its slot, so changed */

/* Is there nothing more to come by itself? Ended, or at rest with nothing begun. */
bool play_settled(const struct play *p);
/* One move of a world without accidents: what is under way ends well, an answer comes, or time
 * passes. False: nothing would ever happen. */
bool play_step(struct play *p);
/* So until it is settled; false: it never is. */
bool play_run(struct play *p);
/* So until an action of that kind is under way, and its slot is the one. AGENT_ANY: whichever. */
#define PLAY_ANY_SLOT UINT32_MAX
void play_until(struct play *p, enum agent_action_kind kind, uint32_t slot);
void play_until_step(struct play *p, enum agent_step step);

enum agent_step play_at(const struct play *p);
enum agent_class play_class(const struct play *p); /* of the last failure */
/* The identity in force works, others are led to it, nothing half-made is stored beside it. */
void play_assert_whole(const struct play *p);

#endif
