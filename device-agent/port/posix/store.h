/*
 * store.h - the agent's state directory: record, slots, the lock, and the stable paths that other
 * programs use.
 *
 *     DIR/                  0700 (0750 and group readable where a group is configured)
 *       lock                held as long as an agent runs
 *       state               the record (state.h)
 *       claim/              an injected claim: cert.pem key.pem; always the owner's alone
 *       gen/N/              key.pem (or key.uri), csr.pem, cert.pem, config.json
 *       current -> gen/N    the identity in force: DIR/current/cert.pem, DIR/current/key.pem
 *
 * Files are replaced by a temporary file, fsync, rename, fsync of the directory. Temporary files
 * that a power cut leaves are removed at the next start. Private keys are 0600 from their making on
 * (0640 with a group), and one that others may read is refused.
 *
 * A generation that has the claim's key or certificate has a symbolic link in its place, to the
 * configured file; or to claim.uri beside it, where that key is in a token. So a key that is a file
 * of the generation's own goes with it, and any other stays. Of an injected claim it has copies. No
 * other link in DIR is followed, wherever it leads.
 */
#ifndef POSIX_STORE_H
#define POSIX_STORE_H

#include "device-agent/port/port.h"
#include "files.h"
#include "keys.h"

/* What it points to is borrowed for good. */
struct store_conf {
    struct keys_conf keys;
    const char *dir;         /* for messages; NULL: "DIR" */
    const char *common_name; /* of requests: the client id */
    /* Both NULL: the injected one in claim/. Otherwise files outside, as files_resolve gives them,
     * and a pkcs11: URI for the key, as it is configured. */
    const char *claim_cert, *claim_key;
    const gid_t *group; /* that may read identities; NULL: nobody but the owner. It is for what is
                           made from then on */
    bool look_only;     /* for those who have no lock: store_find clears nothing away */
};

struct store; /* opaque */

/* Over files that are the caller's and live longer: those of DIR, and those of "/", in which
 * configured claims are. NULL: no memory. */
struct store *store_new(const struct store_conf *conf, const struct files *files,
                        const struct files *root);
void store_free(struct store *store); /* NULL is fine */

/*
 * What is there; the record's bytes into record (AGENT_STATE_MAX of room; *n 0: there is none).
 * Ends an injection that was interrupted after it was whole, and clears away what interrupted work
 * left of temporary files. Generations are in ascending order; if there are more than have room,
 * the one in force and the highest others.
 *
 * A claim that cannot be used is not fatal: it is told in *claim_trouble. found->claim.cert is
 * false then, and key says whether there is anything of it, so that a drop that was cut in its
 * middle is taken again. Of a generation, a key or certificate that is not there, does not parse or
 * does not fit is said not to be there. But AGENT_LOCAL where both may be fine and are out of reach
 * (an I/O error, a token that is gone), or the key is readable by others: to find no identity would
 * have the device get another. AGENT_RECORD: the record is longer than one of this version.
 */
enum agent_class store_find(struct store *store, struct agent_found *found,
                            uint8_t record[static AGENT_STATE_MAX], size_t *n,
                            struct port_result *claim_trouble, struct port_result *result);

/*
 * A claim from an installer, both PEM: certificate and key fit together, and are durable when this
 * returns; up to then the one before is there, whole. AGENT_ANSWER: they cannot be used;
 * AGENT_CONFIG: the claim is a configured one.
 */
enum agent_class store_inject(struct store *store, struct agent_span cert, struct agent_span key,
                              struct agent_slot *out, struct port_result *result);

/*
 * The storage half of a port; self of those functions is the store. Beyond what is said at
 * AGENT_ACT_… in agent.h:
 *   make_key    a key that is there but is none (zeros, not PEM) is replaced, with its request
 *   promote     refuses a generation whose certificate and key do not fit
 *   drop        of AGENT_SLOT_CLAIM: also the configured files, of which the key is wiped, and a
 *               key in a token destroyed; refused while a generation has a link to one of them.
 *               What others put into a slot goes too, but for directories with something in them
 */
extern const struct port store_port;

/* A slot's certificate chain and key reference, for TLS; AGENT_MAX_CERT and AGENT_MAX_KEY of room.
 * Both empty if it fails; the caller wipes key. */
enum agent_class store_load(struct store *store, uint32_t slot, struct agent_text *cert,
                            struct agent_text *key, struct port_result *result);

/* The identity in force, as others see it: 0 if there is none. */
uint32_t store_in_force(struct store *store);

/* ---- the real directory (store_dir.c) -------------------------------------------------------- */

struct store_dir {
    int fd, lock_fd; /* -1: none */
};

/*
 * Makes the last component of path if it is not there, checks its owner and mode, opens it, and
 * takes its lock, which is held until store_close_dir or the process's end. A link to a directory
 * is followed, since systemd makes such. With a group, a directory of our own is given to it.
 * AGENT_LOCAL; AGENT_BUSY: another agent has the lock, its pid is in the text. lock false: for
 * those who only look; nothing is made or changed then. *out has -1s if it fails.
 */
enum agent_class store_open_dir(const char *path, const gid_t *group, bool lock,
                                struct store_dir *out, struct port_result *result);
void store_close_dir(struct store_dir *dir); /* {-1, -1} is fine */

#endif
