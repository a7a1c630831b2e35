/*
 * preload_sync.c - for LD_PRELOAD: a broker whose storage allows 200 syncs a second.
 *
 * LMDB syncs twice in a commit, once with fdatasync and once by writing to a descriptor opened with
 * O_DSYNC: the one takes as long as both would there.
 */
#include <time.h>
#include <unistd.h>

#include <sys/syscall.h>

#define COMMIT_NS 10000000

__attribute__((visibility("default"))) int fdatasync(int fd)
{
    struct timespec until;
    int rc;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += COMMIT_NS;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    rc = (int)syscall(SYS_fdatasync, fd);
    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    return rc;
}
