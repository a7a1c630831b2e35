/*
 * store_priv.h - what the files of store.h have from each other.
 *
 * Within the store AGENT_ANSWER says of something read that it is not there or cannot be what it
 * should be, for good; AGENT_LOCAL that it may be fine and could not be had now.
 */
#ifndef POSIX_STORE_PRIV_H
#define POSIX_STORE_PRIV_H

#include "store.h"

struct store {
    struct store_conf conf;
    struct files files, root; /* of DIR; of "/" */
    /* what an operation works on: into the arrays below; key is wiped at its end */
    struct agent_text key, cert, csr;
    char key_bytes[AGENT_MAX_KEY], cert_bytes[AGENT_MAX_CERT], csr_bytes[AGENT_MAX_CSR];
};

/* ---- places (store_file.c) ------------------------------------------------------------------- */

/* "gen/4294967295/" and the longest name. */
struct store_path {
    char p[280];
};

/* A slot's directory, and a name in a directory; "." is DIR. Empty, which no operation takes, if it
 * does not fit. */
struct store_path store_slot_dir(uint32_t slot);
struct store_path store_in(const char *dir, const char *name);
/* The generation's number, if name is one as it is written here; 0: it is none. */
uint32_t store_generation(const char *name);

/* A file of DIR, or of "/". */
struct store_place {
    const struct files *files;
    const char *path;
};

/* What an errno value means here, and what is to be done about it. May be other. */
enum { STORE_ERROR_LEN = 128 };
const char *store_error(int err, char other[static STORE_ERROR_LEN]);
/* AGENT_LOCAL with the place, what was to be done ("read"), the error and its cure. */
enum agent_class store_io_fail(const struct store *store, struct store_place place,
                               const char *doing, int err, struct port_result *result);
/* AGENT_ANSWER, or AGENT_LOCAL, by the error; of something to be read. */
enum agent_class store_read_fail(const struct store *store, struct store_place place, int err,
                                 struct port_result *result);
/* "DIR/path", for a message. */
const char *store_shown(const struct store *store, struct store_place place,
                        char out[static PATH_MAX]);
bool store_is_root(const struct store *store, struct store_place place);

/* ---- writing (store_file.c): all durable when they return AGENT_OK --------------------------- */

enum agent_class store_put(const struct store *store, const char *dir, const char *name,
                           mode_t mode, struct agent_span bytes, struct port_result *result);
enum agent_class store_put_link(const struct store *store, const char *dir, const char *name,
                                const char *target, struct port_result *result);
/* Of what is there already, and may be of a call that failed at just this: content is synced before
 * it has its name. */
enum agent_class store_sync_dir(const struct store *store, const char *dir,
                                struct port_result *result);
/* Both directories of a generation, or claim/. */
enum agent_class store_make_dirs(const struct store *store, uint32_t slot,
                                 struct port_result *result);
mode_t store_mode(const struct store *store, uint32_t slot); /* of a slot's files */

/* A name in DIR, whatever it is: a file whose name begins with "key" is wiped first. 0, also if
 * nothing is there, or an errno value. Not durable. */
int store_remove(const struct store *store, const char *path);
/* … all of these in a directory whose names end so, or "": all. */
int store_remove_all(const struct store *store, const char *dir, const char *ending);
/* A slot's directory, keys first; nothing there is fine. */
enum agent_class store_remove_slot(const struct store *store, uint32_t slot,
                                   struct port_result *result);

/* ---- reading (store_slot.c) ------------------------------------------------------------------ */

bool store_has_outside_claim(const struct store *store);

/* A slot's key reference. AGENT_OK, and it can be the key: owner and mode are right. out is empty
 * otherwise. */
enum agent_class store_read_key(const struct store *store, uint32_t slot, struct agent_text *out,
                                struct port_result *result);
enum agent_class store_read_cert(const struct store *store, uint32_t slot, struct agent_text *out,
                                 struct port_result *result);
/* A file of a slot's into text, which has room for one byte more than the longest. */
enum agent_class store_read_text(const struct store *store, struct store_place place,
                                 struct agent_text *out, struct port_result *result);
/* A key's file: also whose it is, and who may read it. */
enum agent_class store_read_key_file(const struct store *store, struct store_place place,
                                     struct agent_text *out, struct port_result *result);

/* A slot's key and certificate, into store->key and cert; *out is zeroed if they cannot be used. */
enum agent_class store_read_pair(struct store *store, uint32_t slot, struct agent_slot *out,
                                 struct port_result *result);
/* Does the reference name a key that can be had? */
bool store_key_loads(const struct store *store, const struct agent_text *reference,
                     struct port_result *result);

struct agent_span store_span(const struct agent_text *text);

/* ---- operations on slots --------------------------------------------------------------------- */

/* store_make.c */
enum agent_class store_make_key(struct store *store, uint32_t slot, bool own_key,
                                struct port_result *result);
enum agent_class store_make_csr(struct store *store, uint32_t slot, struct port_result *result);
enum agent_class store_put_cert(struct store *store, uint32_t slot, struct agent_span cert,
                                struct agent_span key, struct agent_slot *out,
                                struct port_result *result);
enum agent_class store_adopt(struct store *store, uint32_t slot, struct agent_slot *out,
                             struct port_result *result);
enum agent_class store_drop_generation(struct store *store, uint32_t slot,
                                       struct port_result *result);

/* store_claim.c */
struct store_place store_claim_cert(const struct store *store); /* of the configured claim */
struct store_place store_claim_key(const struct store *store);  /* … if that is a file */
enum agent_class store_drop_claim(struct store *store, struct port_result *result);
/* Ends an injection that was whole, or takes away what is left of one. */
void store_recover_claim(struct store *store);
/* As found->claim is to be. */
void store_find_claim(struct store *store, struct agent_slot *out, struct port_result *trouble);

#endif
