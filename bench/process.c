#include "bench.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A line such as "RssAnon:      1234 kB"; leaves *out where the line is another. */
static void take_kb(const char *line, const char *name, uint64_t *out)
{
    const size_t n = strlen(name);
    uint64_t kb;

    if (strncmp(line, name, n) == 0 && sscanf(line + n, " %" SCNu64, &kb) == 1)
        *out = kb;
}

static void read_memory(pid_t pid, struct bench_process *out)
{
    char path[64], text[256];
    FILE *f;

    (void)snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
    f = fopen(path, "re");
    if (f == NULL)
        bench_fail("cannot read %s: %s", path, strerror(errno));
    /* cppcheck-suppress nullPointerRedundantCheck ; bench_fail does not return */
    while (fgets(text, sizeof text, f) != NULL) {
        take_kb(text, "VmRSS:", &out->rss_kb);
        take_kb(text, "RssAnon:", &out->anon_kb);
    }
    (void)fclose(f);
}

struct bench_process bench_process_now(pid_t pid)
{
    struct bench_process now = { .cpu_ns = 0 };
    const pid_t of = pid == 0 ? getpid() : pid;
    struct timespec spent;
    clockid_t clock;
    /* the process's own clock counts nanoseconds, where /proc/PID/stat counts ticks of 10 ms */
    const int err = clock_getcpuclockid(of, &clock);

    if (err != 0)
        bench_fail("process %ld: %s", (long)of, strerror(err));
    if (clock_gettime(clock, &spent) != 0)
        bench_fail("the CPU time of process %ld: %s", (long)of, strerror(errno));
    now.cpu_ns = (uint64_t)spent.tv_sec * 1000000000u + (uint64_t)spent.tv_nsec;
    read_memory(of, &now);
    return now;
}

double bench_cpu_us_per(const struct bench_process *before, const struct bench_process *after,
                        uint64_t count)
{
    return (double)(after->cpu_ns - before->cpu_ns) / 1000 / (double)count;
}
