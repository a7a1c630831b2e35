#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "posix_priv.h"

/* ---- descriptors ----------------------------------------------------------------------------- */

static int open_signals(void)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGCHLD);
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
        return -1;
    (void)signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Never expires: it is read when somebody sets the clock. */
static int open_clock(void)
{
    const struct itimerspec never = { .it_value = { .tv_sec = INT32_MAX } };
    const int fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);

    if (fd != -1)
        (void)timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL);
    return fd;
}

bool posix_wait_open(struct posix *p, struct port_result *result)
{
    p->signal_fd = open_signals();
    p->clock_fd = open_clock();
    p->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (p->signal_fd != -1 && p->clock_fd != -1 && p->timer_fd != -1)
        return true;
    (void)port_fail(result, AGENT_LOCAL, "no descriptors for signals and clocks: %s",
                    strerror(errno));
    return false;
}

static void close_one(int *fd)
{
    if (*fd != -1)
        (void)close(*fd);
    *fd = -1;
}

void posix_wait_close(struct posix *p)
{
    close_one(&p->signal_fd);
    close_one(&p->clock_fd);
    close_one(&p->timer_fd);
}

/* ---- goals ----------------------------------------------------------------------------------- */

/* Others that could not be told are no reason to wait on: the agent tells them when it serves. */
static bool renewed(const struct posix *p, const struct agent_state *record, bool idle)
{
    return record->current != p->first_generation && record->phase == AGENT_PHASE_NONE &&
           (record->announce == AGENT_ANNOUNCE_NONE || idle);
}

/* Is there nothing more for a renewal to wait for? Other goals end by themselves. */
static bool finished(struct posix *p)
{
    struct agent_view view;
    bool idle;

    if (p->spec->goal != POSIX_RENEW)
        return false;
    agent_look(&p->agent, &view);
    idle = view.step == AGENT_WAITING || view.step == AGENT_RESTING || view.step == AGENT_READY;
    if (renewed(p, agent_record(&p->agent), idle))
        return true;
    if (!idle || !agent_class_lasting(view.class))
        return false;
    (void)port_fail(&p->lasting, view.class, "%s", view.text);
    return true;
}

/* ---- news ------------------------------------------------------------------------------------ */

static bool tell_stop(struct posix *p, struct agent_event *event)
{
    if (p->stop_told)
        return false;
    if (!p->timed_out && posix_mono_ms() >= p->until_ms)
        p->timed_out = true;
    if (!p->want_stop && !p->interrupted && !p->timed_out && !finished(p))
        return false;
    p->stop_told = true;
    notify_send(&p->notify, "STOPPING=1\nSTATUS=stopping");
    *event = (struct agent_event){ .kind = AGENT_EV_STOP };
    return true;
}

/* The end of a slow action that was never under way. */
static bool tell_done(bool *flag, enum agent_action_kind act, struct agent_event *event)
{
    if (!*flag)
        return false;
    *flag = false;
    *event = (struct agent_event){ .kind = AGENT_EV_DONE, .act = act };
    return true;
}

static bool tell_announced(struct posix *p, struct agent_event *event)
{
    p->said = (struct port_result){ 0 };
    if (!announce_ended(&p->announce, posix_mono_ms(), &p->said))
        return false;
    *event = (struct agent_event){
        .kind = p->said.class == AGENT_OK ? AGENT_EV_DONE : AGENT_EV_FAILED,
        .act = AGENT_ACT_ANNOUNCE,
        .class = p->said.class,
        .text = p->said.class == AGENT_OK ? NULL : p->said.text,
    };
    return true;
}

static bool tell_wish(struct posix *p, struct agent_event *event)
{
    if (p->want_reset != AGENT_RESET_NONE) {
        *event = (struct agent_event){ .kind = AGENT_EV_RESET, .reset = p->want_reset };
        p->want_reset = AGENT_RESET_NONE;
        return true;
    }
    if (p->claim_came) {
        *event = (struct agent_event){ .kind = AGENT_EV_CLAIM, .slot = p->claim };
        p->claim_came = false;
        return true;
    }
    if (p->want_renew) {
        *event = (struct agent_event){ .kind = AGENT_EV_RENEW };
        p->want_renew = false;
        return true;
    }
    if (p->clock_changed) {
        *event = (struct agent_event){ .kind = AGENT_EV_CLOCK };
        p->clock_changed = false;
        return true;
    }
    return false;
}

static bool news(struct posix *p, struct agent_event *event)
{
    return tell_done(&p->unlinked, AGENT_ACT_DISCONNECT, event) ||
           tell_done(&p->announced, AGENT_ACT_ANNOUNCE, event) || tell_stop(p, event) ||
           (p->net != NULL && net_event(p->net, event)) || tell_announced(p, event) ||
           tell_wish(p, event);
}

/* ---- polling --------------------------------------------------------------------------------- */

enum {
    POLL_SIGNAL,
    POLL_CLOCK,
    POLL_TIMER,
    POLL_NET,
    POLL_CONTROL,
    POLLS = POLL_CONTROL + CONTROL_POLLS
};

static void arm(const struct posix *p, uint64_t until_ms)
{
    struct itimerspec when = { 0 };

    if (until_ms != UINT64_MAX) {
        if (until_ms == 0)
            until_ms = 1; /* 0 would disarm it */
        when.it_value.tv_sec = (time_t)(until_ms / 1000);
        when.it_value.tv_nsec = (long)(until_ms % 1000) * 1000000;
    }
    (void)timerfd_settime(p->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void read_signals(struct posix *p)
{
    struct signalfd_siginfo info;

    while (read(p->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo != SIGCHLD)
            p->interrupted = true;
    }
}

static void read_clocks(struct posix *p)
{
    uint64_t expired;

    if (read(p->clock_fd, &expired, sizeof expired) == -1 && errno == ECANCELED)
        p->clock_changed = true;
    while (read(p->timer_fd, &expired, sizeof expired) == (ssize_t)sizeof expired) {
    }
}

static void feed_watchdog(struct posix *p, uint64_t now_ms)
{
    if (now_ms < p->watchdog_ms)
        return;
    notify_send(&p->notify, "WATCHDOG=1");
    p->watchdog_ms = now_ms + p->notify.watchdog_ms;
}

/* Until something happens, or that time has come. */
static void poll_all(struct posix *p, uint64_t until_ms)
{
    const uint64_t now_ms = posix_mono_ms();
    struct pollfd fds[POLLS];
    uint32_t peer_ms = UINT32_MAX;

    for (size_t i = 0; i < POLLS; i++)
        fds[i] = (struct pollfd){ .fd = -1 };
    fds[POLL_SIGNAL] = (struct pollfd){ .fd = p->signal_fd, .events = POLLIN };
    fds[POLL_CLOCK] = (struct pollfd){ .fd = p->clock_fd, .events = POLLIN };
    fds[POLL_TIMER] = (struct pollfd){ .fd = p->timer_fd, .events = POLLIN };
    if (p->net != NULL)
        fds[POLL_NET] = (struct pollfd){ .fd = net_fd(p->net), .events = POLLIN };
    if (p->control != NULL)
        peer_ms = control_prepare(p->control, now_ms, fds + POLL_CONTROL);

    until_ms = sooner(until_ms, p->watchdog_ms);
    if (!p->stop_told)
        until_ms = sooner(until_ms, p->until_ms);
    if (p->announce.pid != 0)
        until_ms = sooner(until_ms, p->announce.until_ms);
    if (peer_ms != UINT32_MAX)
        until_ms = sooner(until_ms, now_ms + peer_ms);
    arm(p, until_ms);

    if (poll(fds, POLLS, -1) < 0)
        return; /* EINTR: a signal that is not blocked, such as SIGCONT */
    read_signals(p);
    read_clocks(p);
    if (p->control != NULL)
        control_work(p->control, posix_mono_ms(), fds + POLL_CONTROL);
    feed_watchdog(p, posix_mono_ms());
}

static void tell_ready(struct posix *p)
{
    if (!p->ready_told)
        notify_send(&p->notify, "READY=1");
    p->ready_told = true;
}

bool posix_wait(void *self, uint32_t ms, struct agent_event *event)
{
    struct posix *p = self;
    const uint64_t until_ms = ms == AGENT_NO_TIMER ? UINT64_MAX : posix_mono_ms() + ms;

    tell_ready(p);
    for (;;) {
        if (news(p, event))
            return true;
        if (posix_mono_ms() >= until_ms)
            return false;
        poll_all(p, until_ms);
    }
}
