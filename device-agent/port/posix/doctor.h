/*
 * doctor.h - is everything there that the agent needs? One check after the other, each with what to
 * do about it. Nothing is changed, on this device or at the broker; but the last check connects as
 * the agent would, which at a first contact may register the certificate.
 */
#ifndef POSIX_DOCTOR_H
#define POSIX_DOCTOR_H

#include "conf.h"
#include "home.h"

enum doctor_verdict { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL, DOCTOR_VERDICTS };

struct doctor_line {
    const char *check; /* "record", "dns" … */
    enum doctor_verdict verdict;
    enum agent_class class; /* of a failure */
    char text[AGENT_MAX_MESSAGE];
    char cure[AGENT_MAX_MESSAGE]; /* "": there is nothing to do */
};

struct doctor {
    const struct conf *conf;
    bool offline;            /* nothing over the network */
    bool running, connected; /* an agent, and it */
    const char *last_error;  /* of the running one; NULL: none */

    void (*tell)(void *arg, const struct doctor_line *line); /* each as it is known */
    void *arg;

    enum agent_class first; /* of the first failure */
    size_t failures;
    bool reached; /* the broker, by TLS, and it is the right one */
    struct home home;
    bool has_home;
    struct agent_found found;
    struct agent_state record;
    bool has_record;
    uint32_t
        slot; /* what would connect, if has_creds: AGENT_SLOT_CLAIM or the generation in force */
    bool has_creds;
    char cert[AGENT_MAX_CERT], key[AGENT_MAX_KEY]; /* its */
};

/* conf to last_error, tell and arg are set, the rest zeroed; so it is afterwards. */
void doctor_run(struct doctor *doctor);

/* ---- for its own files ----------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) void doctor_ok(struct doctor *d, const char *check,
                                                     const char *format, ...);
/* class AGENT_OK: a warning. cure may be "". */
__attribute__((format(printf, 5, 6))) void doctor_bad(struct doctor *d, const char *check,
                                                      enum agent_class class, const char *cure,
                                                      const char *format, ...);

void doctor_home(struct doctor *d);        /* state directory, modes, record */
void doctor_credentials(struct doctor *d); /* claim, identity, token */
void doctor_net(struct doctor *d);         /* name, TCP, TLS, ALPN */
void doctor_broker(struct doctor *d);      /* does it take the certificate? */

#endif
