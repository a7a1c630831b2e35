/*
 * hook_rig.h - hooks to run in a directory of their own, and calls that a test can wait for.
 *
 *     struct hook_rig *rig = hook_rig_new(0, 0, NULL);
 *     struct hook_ask a;
 *
 *     hook_script(rig, "echo", "cat");
 *     hook_ask(&a, rig, hook_spec(rig, "echo", spec), "{}");
 *     assert_int_equal(a.call.end, PROV_HOOK_ANSWERED);
 *     hook_ask_release(&a);
 *     hook_rig_free(rig);
 */
#ifndef SUPPORT_HOOK_RIG_H
#define SUPPORT_HOOK_RIG_H

#include <stdatomic.h>

#include <semaphore.h>

#include "run/hook.h"
#include "support/tmp.h"

#define HOOK_SPEC_MAX (TMP_PATH_MAX + 8)

struct hook_rig {
    char *dir;  /* gone with the rig */
    char *real; /* the same without symbolic links: what programs see */
    struct prov_hooks *hooks;
};

/* Zeroes mean: a timeout no test reaches, 4 calls at once. cafile may be NULL. */
struct hook_rig *hook_rig_new(unsigned timeout_ms, unsigned limit, const char *cafile);
void hook_rig_free(struct hook_rig *rig); /* the hooks too, where they are still there */

/* A shell script NAME in the rig's directory, without its first line, executable. */
void hook_script(const struct hook_rig *rig, const char *name, const char *text);
/* templates/hooks/NAME, copied there as TO. */
void hook_example(const struct hook_rig *rig, const char *name, const char *to);
/* A file NAME there with this text. */
void hook_file(const struct hook_rig *rig, const char *name, const char *text);
/* "exec:DIR/NAME" in out, which is also returned. */
const char *hook_spec(const struct hook_rig *rig, const char *name, char out[HOOK_SPEC_MAX]);

struct hook_ask {
    struct prov_hook_call call;
    sem_t over;
    atomic_uint done;  /* how often */
    atomic_uint order; /* which of all calls of this program to be done, from 1 */
    void (*in_done)(struct hook_ask *a);
    char spec[HOOK_SPEC_MAX + 64];
};

/* Submits; fails the test unless the hooks took it. */
void hook_submit(struct hook_ask *a, struct hook_rig *rig, const char *spec, const char *request);
/* The result of submitting. */
enum prov_rc hook_try(struct hook_ask *a, struct hook_rig *rig, const char *spec,
                      const char *request);
void hook_wait(struct hook_ask *a);
/* Submits and waits. */
void hook_ask(struct hook_ask *a, struct hook_rig *rig, const char *spec, const char *request);
const char *hook_answer(struct hook_ask *a); /* as a C string */
void hook_ask_release(struct hook_ask *a);

/* ---- what is left of programs ---------------------------------------------------------------- */

/*
 * A script that runs HOOK_HOLD first holds the named pipe "alive" beside it, and so does what it
 * starts, until the last of them has ended. hook_watch before; hook_wait_until_gone takes what it
 * returned.
 */
#define HOOK_HOLD "exec 7>\"$(dirname \"$0\")/alive\"; printf x >&7; "
int hook_watch(const struct hook_rig *rig);
void hook_wait_for_holders(int watch, unsigned n); /* so many have begun to hold */
void hook_wait_until_gone(int watch);

void hook_no_child_is_left(void); /* of this process */
unsigned hook_open_files(void);   /* descriptors of this process */

#endif
