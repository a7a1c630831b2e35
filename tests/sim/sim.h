/*
 * sim.h - one device and its broker in one process: the agent's core and its storage (on a disk
 * whose power can be cut) on the one side, the plugin's core on the other, a clock that jumps to
 * what happens next, and a link between them that loses, repeats and reorders.
 *
 * All chance comes from one seed, but for keys. A device's power can be cut at any of its effects:
 * the disk's changes, what it sends, what it receives. sim_boot gives it power again; the broker
 * lives on meanwhile. Times are milliseconds since SIM_T0.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include <setjmp.h>

#include "device-agent/port/port.h"
#include "device-agent/port/posix/store.h"
#include "sim/sim_broker.h"
#include "support/agent_disk.h"

#define SIM_MAX_EFFECTS 512                /* of a boot that are remembered */
#define SIM_DIR "var/lib/device-agent"     /* on the device's disk */
#define SIM_DEVICE "the device under test" /* whose record it is; zeros follow */

/* In a thousand, for each packet. All zero: a link that is only slow. */
struct sim_faults {
    uint32_t drop;   /* it never comes; what waits for it must give up */
    uint32_t repeat; /* it comes twice: publications alone */
    uint32_t
        reorder;   /* what was sent later may come earlier, an answer before its request's PUBACK */
    uint32_t late; /* by up to late_ms */
    uint32_t close; /* the connection breaks */
    uint32_t late_ms;
};

/* Which of the device's effects meets the cut, and how. */
struct sim_cut {
    unsigned at; /* from 1, counted from the boot that the cut is meant for */
    enum agent_disk_how how;
    enum agent_disk_variant variant; /* of the disk, when power comes back … */
    uint32_t off_ms;                 /* … after so long */
};

enum sim_event_kind {
    /* on their way to the broker */
    SIM_CONNECT,
    SIM_SUBSCRIBE,
    SIM_PUBLISH,
    SIM_FIN,
    /* to the device */
    SIM_CONNECTED,
    SIM_SUBACK,
    SIM_PUBACK,
    SIM_MESSAGE,
    SIM_CLOSED,
    SIM_DISCONNECTED,
    SIM_ANNOUNCED,
    SIM_CLOCK, /* it is set from now on */
    /* the person in front of the device */
    SIM_PERSON,
};

#define SIM_MAX_TOPICS 2
struct sim_event {
    struct sim_event *next;
    uint64_t at_ms;
    enum sim_event_kind kind;
    unsigned link, boot; /* of the device's connections; of its boots */
    enum agent_class class;
    char text[128];
    X509 *leaf;                                        /* SIM_CONNECT */
    char topics[SIM_MAX_TOPICS][PROV_MAX_FLEET_TOPIC]; /* [0] is the client id of SIM_CONNECT */
    size_t n_topics;
    struct prov_buf payload;
};

/* What a boot ended with. */
enum sim_end {
    SIM_ENDED,   /* the agent did: class */
    SIM_CUT,     /* the power was cut */
    SIM_NEVER,   /* nothing will ever happen again */
    SIM_TOO_LATE /* it took longer than it may */
};

/* Files of the disk: its own, and those whose changes are counted and cut. */
struct sim_files {
    struct sim *sim;
    struct agent_disk_view view;
    struct files real, counted;
};

struct sim {
    uint64_t seed;
    struct sim_rng rng;
    uint64_t now_ms, limit_ms; /* limit: what takes longer is a failure */
    struct sim_world *world;
    struct sim_broker *broker;
    struct sim_faults faults;

    /* the network (sim_net.c) */
    struct sim_event *events; /* by time */
    unsigned link;            /* the device's connection, or the one it had last */
    bool linked;              /* there is one, or one is being made … */
    bool connecting;          /* … still */
    uint64_t *sessions;       /* the broker's, by link */
    size_t n_sessions;
    uint64_t last_ms[2]; /* when the last packet to the device, to the broker, comes */

    /* the device (sim_port.c) */
    struct agent_disk *disk;
    struct sim_files dir, root;      /* the agent's directory, and all of the disk */
    struct store *store, *looked_in; /* the agent's; see sim_look_in */
    const struct store_conf *store_conf;
    struct sim_rng device_rng;
    struct agent *agent;
    struct sim_event *given; /* what wait handed out last */
    unsigned boot;
    uint64_t boot_ms;
    uint32_t clock_ms; /* after each boot the clock is set so late */
    bool off;
    jmp_buf out; /* of a boot, when the power goes */
    enum sim_end end;

    /* cuts */
    const struct sim_cut *cuts;
    size_t n_cuts, next_cut;
    unsigned of_boot;              /* effects since the boot … */
    bool on_disk[SIM_MAX_EFFECTS]; /* … which of them were the disk's */

    /* who is asked at the port's doors; may be NULL */
    bool (*person)(struct sim *sim, struct agent_event *event); /* true: an event for the agent */
    void (*stored)(struct sim *sim, const char *what, uint32_t slot); /* something was, durably */
    void (*saved)(struct sim *sim, const struct agent_state *state);
    void (*publishes)(struct sim *sim, const char *topic, struct agent_span payload);
    void (*came_in)(struct sim *sim, uint32_t slot, const struct prov_id *cert); /* connected */
    void *ctx;
    char *failure;      /* where sim_fail leaves its text, of 512 bytes, … */
    jmp_buf *failed;    /* … and where it goes; NULL: it ends the test */
    uint32_t slot;      /* of the connection, or of the one being made */
    unsigned announced; /* how often anything was, since the start */
};

/* A sim at rest, to go on from more than once: the agent has ended, nothing is under way. */
struct sim_rest {
    struct prov_store *store;
    struct agent_disk *disk;
    struct sim_rng rng;
    uint64_t now_ms;
    unsigned boot, link, keys;
};
void sim_rest_take(const struct sim *sim, struct sim_rest *out);
void sim_rest_release(struct sim_rest *rest); /* zeroed again; zeroed is fine */

/* world, broker, disk and clock, for a seed; no agent yet. from NULL: everything begins. */
struct sim *sim_new(uint64_t seed, const struct store_conf *store_conf,
                    const struct sim_rest *from);
void sim_free(struct sim *sim);

/* The first certificate of a text; NULL: there is none. The caller frees. Keys and certificates
 * that were read are remembered (sim_keys.c), until sim_forget. */
X509 *sim_decode(struct agent_span pem);
/* How many keys a device has been given, and from which on the next is given new ones: each sim
 * begins with the first, so that its device has no key twice. */
unsigned sim_keys_made(void);
void sim_keys_from(unsigned n);
void sim_forget(void);

/* Ends the test, or the run, with the seed and where it was. */
PROV_PRINTF(2, 3)
__attribute__((noreturn)) void sim_fail(const struct sim *sim, const char *format, ...);

/* ---- the device ------------------------------------------------------------------------------ */

/* From power on to power off, or to the agent's end; *class is what it ended with then. The disk is
 * as it is: see sim_power_on. */
enum sim_end sim_boot(struct sim *sim, const struct agent_conf *conf, enum agent_class *class);
/* After a cut: the time without power goes by, and the disk is what is left of it. */
void sim_power_on(struct sim *sim, const struct sim_cut *cut);

/* A store over the disk for those who look, or work while the device is off; nothing is counted.
 * The sim's. */
struct store *sim_look_in(struct sim *sim);
/* The certificate in a slot: NULL when there is none, or no key that fits. The caller frees. */
X509 *sim_identity(struct sim *sim, struct store *store, uint32_t slot);
bool sim_identity_is(struct sim *sim, struct store *store, uint32_t slot); /* not NULL */

/* An effect of the device's is about to be; false: the power goes before. */
enum sim_way { SIM_GOES, SIM_CUT_BEFORE, SIM_CUT_HALFWAY, SIM_CUT_AFTER };
enum sim_way sim_effect(struct sim *sim, bool on_disk);
/* Now; a broker that it was connected to knows fin_ms later. */
void sim_power_off(struct sim *sim, uint32_t fin_ms);
#define SIM_CLOSE_MS 5 /* until a connection is closed in good order */
/* Out of the port, when the power has gone. */
void sim_leave_if_off(struct sim *sim);

/* ---- time and the network -------------------------------------------------------------------- */

struct sim_event *sim_event_new(const struct sim *sim, enum sim_event_kind kind);
void sim_event_free(struct sim_event *event);
/* As it is, after so long. */
void sim_post(struct sim *sim, struct sim_event *event, uint64_t after_ms);
/* Over the link, with what may happen to it there. */
void sim_send(struct sim *sim, struct sim_event *event);
/* The broker and the link go on until there is something for the device or until_ms; NULL: the time
 * is over. The caller frees. */
struct sim_event *sim_run(struct sim *sim, uint64_t until_ms);
/* The broker's clock alone: to whatever is due by then. */
void sim_pass(struct sim *sim, uint64_t ms);
/* The device's connection is no more. */
void sim_unlink(struct sim *sim);

/* ---- port.h's table; self is the sim --------------------------------------------------------- */

void sim_port(struct sim *sim, struct port *out);

#endif
