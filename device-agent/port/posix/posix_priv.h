/* posix_priv.h - what the files of posix.h share: one agent that runs. */
#ifndef POSIX_POSIX_PRIV_H
#define POSIX_POSIX_PRIV_H

#include "announce.h"
#include "control.h"
#include "home.h"
#include "net.h"
#include "notify.h"
#include "posix.h"
#include "store.h"
#include "tell.h"

struct posix {
    const struct posix_spec *spec;
    struct agent_conf agent_conf; /* the configuration's, as the goal wants it */
    struct net_conf net_conf;
    struct agent agent;

    /* what is open; -1 or NULL: it is not */
    int signal_fd, clock_fd, timer_fd;
    struct home home;
    struct store *store; /* home's */
    char dir[PATH_MAX];
    struct net *net;
    struct control *control;
    struct notify notify;
    struct announce announce;
    struct tell tell;

    uint32_t first_generation; /* in force at the start */
    uint64_t until_ms;         /* of the timeout; UINT64_MAX: none */
    uint64_t watchdog_ms;      /* when the service manager is to hear of us; UINT64_MAX: never */
    bool ready_told, stop_told, interrupted, timed_out;
    struct port_result claim_trouble; /* what the core's found.claim_text points to */
    struct port_result lasting;       /* why a goal will not be reached: given up with it */

    /* news for the core that wait hands over, one at a time */
    bool want_stop, want_renew, clock_changed;
    bool announced, unlinked; /* ended without ever having been under way */
    bool claim_came;
    struct agent_slot claim;
    enum agent_reset want_reset;
    struct port_result said; /* what the last event's text borrows */
};

extern const struct port posix_port; /* self: a struct posix */

/* The events of the outside world (posix_wait.c). False: no descriptors left. */
bool posix_wait_open(struct posix *p, struct port_result *result);
void posix_wait_close(struct posix *p);
bool posix_wait(void *self, uint32_t ms, struct agent_event *event);

/* A request on the control socket (posix_control.c); arg: the struct posix. */
cJSON *posix_control(void *arg, const struct control_request *request);

#endif
