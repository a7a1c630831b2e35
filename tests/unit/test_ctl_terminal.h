/* test_ctl_terminal.h - a terminal for provctl to write to: a few kilobytes, for nobody reads it
 * meanwhile. */
#ifndef TEST_CTL_TERMINAL_H
#define TEST_CTL_TERMINAL_H

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "unit/test_ctl.h"

struct terminal {
    int master;
    FILE *slave;
};

static inline struct terminal terminal_new(unsigned short columns_wide)
{
    struct terminal t = { .master = posix_openpt(O_RDWR | O_NOCTTY) };
    const struct winsize size = { .ws_row = 24, .ws_col = columns_wide };
    char name[128];

    assert_true(t.master >= 0);
    assert_int_equal(grantpt(t.master) | unlockpt(t.master), 0);
    assert_int_equal(ptsname_r(t.master, name, sizeof name), 0);
    assert_int_equal(ioctl(t.master, TIOCSWINSZ, &size), 0);
    t.slave = fopen(name, "r+");
    assert_non_null(t.slave);
    return t;
}

/* What was written to it, in out, and the terminal gone. */
static inline void terminal_end(struct terminal *t, char *out, size_t cap)
{
    size_t n = 0;
    ssize_t got;

    assert_int_equal(fflush(t->slave), 0);
    assert_int_equal(fcntl(t->master, F_SETFL, O_NONBLOCK), 0);
    while (n + 1 < cap && (got = read(t->master, out + n, cap - 1 - n)) > 0)
        n += (size_t)got;
    out[n] = '\0';
    (void)fclose(t->slave);
    (void)close(t->master);
}

#endif
