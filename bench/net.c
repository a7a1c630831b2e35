#include "net.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include <sys/epoll.h>
#include <sys/resource.h>

/* For everything that is not a connection of the crowd. */
#define OTHER_FILES 64
#define BATCH 256

void net_allow_files(size_t connections)
{
    const rlim_t need = (rlim_t)connections + OTHER_FILES;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        bench_fail("the limit of open files: %s", strerror(errno));
    if (limit.rlim_cur >= need)
        return;
    limit.rlim_cur = need;
    if (limit.rlim_max < need) /* only root may */
        limit.rlim_max = need;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        bench_fail("%zu connections need %llu open files, and the limit cannot be raised to that "
                   "(%s): ulimit -Hn, or fewer connections",
                   connections, (unsigned long long)need, strerror(errno));
}

void net_init(struct net *net)
{
    *net = (struct net){ .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };
    if (net->epoll_fd == -1)
        bench_fail("epoll: %s", strerror(errno));
}

void net_release(struct net *net)
{
    (void)close(net->epoll_fd);
}

/* Tells epoll what the client waits for, where that has changed. */
static void wait_for(struct net *net, struct net_client *client, int how)
{
    const uint32_t events =
        (mqtt_wants(client->c) & POLLOUT) != 0 ? EPOLLIN | EPOLLOUT : (uint32_t)EPOLLIN;
    struct epoll_event event = { .events = events, .data.ptr = client };

    if (how == EPOLL_CTL_MOD && events == client->waits_for)
        return;
    client->waits_for = events;
    if (epoll_ctl(net->epoll_fd, how, mqtt_fd(client->c), &event) != 0)
        bench_fail("epoll: %s", strerror(errno));
}

void net_open(struct net *net, struct net_client *client, const struct mqtt_options *options)
{
    client->c = mqtt_start(options);
    if (client->c == NULL)
        bench_fail("a client cannot be made (errno %d: %s)", errno, strerror(errno));
    mqtt_step(client->c); /* on loopback the connection stands by now */
    if (mqtt_fd(client->c) != -1)
        net_adopt(net, client, client->c);
}

void net_adopt(struct net *net, struct net_client *client, struct mqtt *c)
{
    client->c = c;
    net->open++;
    wait_for(net, client, EPOLL_CTL_ADD);
}

bool net_step(struct net *net, struct net_client *client)
{
    if (mqtt_fd(client->c) == -1)
        return false;
    mqtt_step(client->c);
    if (mqtt_fd(client->c) == -1) { /* closed, and thereby no longer known to epoll */
        net->open--;
        return false;
    }
    wait_for(net, client, EPOLL_CTL_MOD);
    return true;
}

void net_send(struct net *net, struct net_client *client)
{
    mqtt_send(client->c);
    if (mqtt_fd(client->c) != -1)
        wait_for(net, client, EPOLL_CTL_MOD);
}

void net_close(struct net *net, struct net_client *client)
{
    if (client->c == NULL)
        return;
    if (mqtt_fd(client->c) != -1)
        net->open--;
    mqtt_free(client->c);
    client->c = NULL;
}

/* Where the kernel, or what stands in for it, has no finer wait, milliseconds rounded up. */
static int wait_finely(int fd, struct epoll_event *events, int max, uint64_t limit_ns)
{
    const struct timespec limit = { .tv_sec = (time_t)(limit_ns / 1000000000u),
                                    .tv_nsec = (long)(limit_ns % 1000000000u) };
    const int n = epoll_pwait2(fd, events, max, &limit, NULL);

    if (n >= 0 || errno != ENOSYS)
        return n;
    return epoll_wait(fd, events, max, (int)((limit_ns + 999999u) / 1000000u));
}

size_t net_wait(struct net *net, uint64_t limit_ns, struct net_client **ready, size_t max)
{
    struct epoll_event events[BATCH];
    const int n = wait_finely(net->epoll_fd, events, (int)(max < BATCH ? max : BATCH), limit_ns);

    if (n < 0 && errno != EINTR)
        bench_fail("epoll: %s", strerror(errno));
    for (int i = 0; i < n; i++)
        ready[i] = events[i].data.ptr;
    return n < 0 ? 0 : (size_t)n;
}

void net_source(size_t i, char out[static 16])
{
    (void)snprintf(out, 16, "127.0.%u.%u", (unsigned)(1 + i / 250) & 255, (unsigned)(1 + i % 250));
}
