/*
 * first_rig.h - `first_connect accept` in broker tests: operator.h's broker with it, hooks that
 * stand at a gate until the test opens it, and what becomes of a CONNECT that waits.
 *
 * Every call fails the test when what it promises does not happen.
 */
#ifndef SUPPORT_FIRST_RIG_H
#define SUPPORT_FIRST_RIG_H

#include "support/operator.h"
#include "support/tmp.h"

enum { NOT_AUTHORISED = 5 }; /* how a CONNECT that waited is refused */

/* Can the broker that is tested with answer a CONNECT later? */
bool first_delays(void);

/* Elsewhere the test is skipped, and counted as such. */
#define FIRST_NEEDS_DELAY                                                                          \
    do {                                                                                           \
        if (!first_delays())                                                                       \
            skip();                                                                                \
    } while (0)

/* What hooks say. */
#define ACTIVATE "echo '{\"decision\":\"activate\",\"policyNames\":[\"all\"]}'"
#define ALLOW "echo '{\"allowProvisioning\":true}'"
#define REJECT "echo '{\"decision\":\"reject\"}'"
#define LEAVE "echo '{\"decision\":\"leave\"}'"

struct first {
    struct rig rig;
    char hooks[TMP_PATH_MAX];
    struct mqtt *op; /* nobody's device: sees that the broker goes on */
};

/* no_template: JITR. The options of spec are those beside first_connect and hook_dir. There is a
 * policy "all". */
void first_up(struct first *s, const struct rig_spec *spec);
void first_down(struct first *s);

/* The broker serves others, at once: a message goes to it and back. */
void first_others_served(struct first *s);

/* ---- devices --------------------------------------------------------------------------------- */

struct mqtt *first_start(struct rig_link *link);
struct mqtt *first_start_device(struct first *s, const struct pki_cert *device,
                                const char *client_id);
/* Its CONNECT waits at this gate. */
struct mqtt *first_start_and_wait(struct first *s, const struct pki_cert *device,
                                  const char *client_id, const char *gate);
/* CONNACK 0. */
void first_in(struct mqtt *c);
/* Closed with this CONNACK, -1: with none; freed. */
void first_refused(struct mqtt *c, int code);
/* Its first contact has ended, and somebody else is to activate the certificate. */
void first_pending(struct first *s, const struct pki_cert *device, struct mqtt *c);

void first_hex(const struct pki_cert *device, char out[static PROV_ID_HEX + 1]);
/* provctl on the rig's store, words ended by NULL; it must do well. */
void first_provctl(struct first *s, const char *const *words);
/* By provctl: policy "all", and ACTIVE. */
void first_activate(struct first *s, const char *hex);

/* ---- hooks ----------------------------------------------------------------------------------- */

/* A shell script NAME for this CA that says so; with a gate, once first_gate_open was called. */
void first_hook(struct first *s, const struct prov_id *ca, const char *name, const char *says,
                bool gate);
/* Waits until the hook was asked for this client, and stands at its gate. */
void first_gate_wait(const struct first *s, const char *name, struct mqtt *c);
void first_gate_open(const struct first *s, const char *name);

#endif
