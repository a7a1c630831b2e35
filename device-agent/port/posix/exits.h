/*
 * exits.h - the exit codes, stable for scripts and service managers, one for each way to fail.
 *
 * Below 10: of this program's making. From 10 on: 10 and the class's number (base.h), which never
 * changes either, so that a new class has its code already.
 */
#ifndef POSIX_EXITS_H
#define POSIX_EXITS_H

#include "device-agent/core/base.h"

enum exit_code {
    EXIT_DONE,
    EXIT_USAGE,
    EXIT_LOCKED,      /* another agent works with the same state directory */
    EXIT_TIMEOUT,     /* --timeout is over */
    EXIT_INTERRUPTED, /* by a signal */
    EXIT_NOT_DUE,     /* needs-renewal: no */
    EXIT_NO_IDENTITY, /* what was asked for takes one */
    EXIT_CLASSES = 10
};

int exit_of_class(enum agent_class class); /* AGENT_OK: 0 */

/* What --help, the manual page and the tests walk. */
struct exit_row {
    int code;
    const char *name, *meaning;
};
extern const struct exit_row exit_rows[];
extern const size_t exit_n_rows;

#endif
