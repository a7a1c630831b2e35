#include "doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/timex.h>

#include <openssl/crypto.h>

#include "posix.h"

__attribute__((format(printf, 3, 0))) static void add(struct doctor *d, struct doctor_line *line,
                                                      const char *format, va_list args)
{
    (void)vsnprintf(line->text, sizeof line->text, format, args);
    for (char *c = line->text; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~')
            *c = '?';
    }
    if (line->verdict == DOCTOR_FAIL && d->failures++ == 0)
        d->first = line->class;
    d->tell(d->arg, line);
}

void doctor_ok(struct doctor *d, const char *check, const char *format, ...)
{
    struct doctor_line line = { .check = check };
    va_list args;

    va_start(args, format);
    add(d, &line, format, args);
    va_end(args);
}

void doctor_bad(struct doctor *d, const char *check, enum agent_class class, const char *cure,
                const char *format, ...)
{
    struct doctor_line line = { .check = check,
                                .verdict = class == AGENT_OK ? DOCTOR_WARN : DOCTOR_FAIL,
                                .class = class };
    va_list args;

    (void)snprintf(line.cure, sizeof line.cure, "%s", cure);
    va_start(args, format);
    add(d, &line, format, args);
    va_end(args);
}

static void clock_is_right(struct doctor *d)
{
    struct timex timex = { .modes = 0 };
    const int state = adjtimex(&timex);

    if (posix_wall_s() == 0)
        doctor_bad(d, "clock", AGENT_CLOCK,
                   "set it, or run an NTP client: without the time no certificate can be checked",
                   "the clock is not set");
    else if (state == TIME_ERROR)
        doctor_bad(d, "clock", AGENT_OK, "run an NTP client, such as systemd-timesyncd",
                   "set, but nothing keeps it right");
    else
        doctor_ok(d, "clock", "set, and kept by NTP");
}

void doctor_run(struct doctor *doctor)
{
    doctor_home(doctor);
    clock_is_right(doctor);
    doctor_credentials(doctor);
    if (!doctor->offline) {
        doctor_net(doctor);
        doctor_broker(doctor);
    }
    if (doctor->has_home)
        home_close(&doctor->home);
    OPENSSL_cleanse(doctor->key, sizeof doctor->key);
}
