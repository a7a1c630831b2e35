/*
 * conf.h - the agent's configuration: a file in the form of INI, or of JSON, or
 * aws-iot-device-client's JSON; checked whole before anything is done with it.
 *
 * An unknown section or key, a value out of its range, one given twice: refused, with file, line
 * and the nearest known word. Options are one table (conf_rows), which --help, the manual page
 * (docs/device-agent.conf.5) and the tests walk.
 *
 * ${hostname}, ${machine_id} and ${serial} are replaced where a row says so; machine_id is a keyed
 * hash of the machine's, which is to stay on the machine (machine-id(5)).
 */
#ifndef POSIX_CONF_H
#define POSIX_CONF_H

#include "device-agent/port/port.h"
#include "keys.h"
#include "net.h"

enum { CONF_MAX_PARAMS = 32, CONF_MAX_BYTES = 65536 };

/* Paths are absolute, or relative to the working directory if the file's name was. It may be copied
 * and moved: nothing in it points into itself. */
struct conf {
    struct agent_conf agent; /* once and start_now are the command's to set */
    struct net_conf net;     /* will_topic: a pattern as of agent_expand */
    struct keys_conf keys;
    const char *state_dir;
    const char *device_id;                   /* NULL: the machine's own (device.h) */
    const char *claim_cert, *claim_key;      /* as in store.h */
    const char *group;                       /* NULL: nobody but the owner reads the identity */
    const char *on_provisioned, *on_renewed; /* a program's absolute path and its arguments, as
                                                announce_split takes them; NULL: none */
    const char *control_socket;              /* NULL: DIR/agent.sock */
    struct conf_arena *arena;                /* owns all texts */
};

/*
 * Reads and checks. AGENT_CONFIG and a text of the form "FILE:LINE: section.key: what is wrong;
 * what to write instead", without the line where there is none; AGENT_LOCAL: no memory. *out is
 * zeroed then. Refused as well: a file that others may write, for it names programs that are run.
 *
 * Notes (keys of aws-iot-device-client that mean nothing here) are handed to note, one line each;
 * NULL: nobody wants them. Secrets are in no text, nor in a note.
 */
enum agent_class conf_load(const char *file, void (*note)(void *arg, const char *line), void *arg,
                           struct conf *out, struct port_result *result);
/* The same of bytes; name is for messages, and relative paths begin at its directory. */
enum agent_class conf_parse(const char *name, struct agent_span bytes,
                            void (*note)(void *arg, const char *line), void *arg, struct conf *out,
                            struct port_result *result);
void conf_release(struct conf *conf); /* zeroed is fine; secrets are wiped */

/* What --help and the manual page show. Names of [parameters] are free: they have one row. */
struct conf_row {
    const char *section, *key;
    const char *value;     /* its form */
    const char *otherwise; /* the default as one would write it, or words in parentheses */
    const char *meaning;
    const struct conf_rule *rule; /* how conf.c reads it, … */
    size_t at;                    /* … and where to in struct conf */
};
extern const struct conf_row conf_rows[];
extern const size_t conf_n_rows;

#endif
