/*
 * status.h - how the agent is, as one JSON document; from a running agent or, where none runs, from
 * what it has stored. The fields are in docs/device-agent.1.
 */
#ifndef POSIX_STATUS_H
#define POSIX_STATUS_H

#include <stdio.h>

#include <cjson/cJSON.h>
#include <sys/types.h>

#include "conf.h"

struct status_in {
    const struct conf *conf;
    const char *dir;                  /* the state directory, absolute; it need not be there */
    const struct agent_state *record; /* NULL: there is none that can be used, see read */
    enum agent_state_read read;
    bool blank;                    /* there is not even a bad one */
    const struct agent_view *view; /* NULL: no agent runs */
    pid_t pid;                     /* of the running one */
    uint64_t mono_ms;
    int64_t wall_s;
};

/* The caller's to delete; NULL: no memory. */
cJSON *status_make(const struct status_in *in);
/* A table for people. */
void status_print(const cJSON *status, int64_t now_s, FILE *out);

/* ---- its parts, for those who ask for one of them -------------------------------------------- */

/* An identity's certificate: SHA-256 of its DER in hexadecimal, and validity. False: it is none. */
struct status_cert {
    char id[65];
    int64_t not_before_s, not_after_s;
};
bool status_cert_read(struct agent_span pem, struct status_cert *out);
/* The same of a file; false: it is not there, or none. */
bool status_cert_file(const char *path, struct status_cert *out);

/* NULL, or the text or number of a member; 0: none. */
const char *status_text(const cJSON *from, const char *name);
int64_t status_number(const cJSON *from, const char *name);

const char *status_method(enum agent_method method); /* "jit" … */
/* "2026-11-21 14:03:09 UTC"; out has room for 32. */
const char *status_time(int64_t at_s, char out[static 32]);

#endif
