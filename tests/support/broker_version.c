#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/broker.h"
#include "support/child.h"

/* "mosquitto version 2.0.11", the first line of what `mosquitto -h` prints. */
unsigned broker_version(void)
{
    const char *program = getenv("PROV_MOSQUITTO");
    unsigned major = 0, minor = 0, patch = 0;
    struct run_result r;
    const char *at;

    if (program == NULL || *program == '\0')
        program = PROV_MOSQUITTO_PATH;
    if (!run_program((const char *const[]){ program, "-h", NULL }, NULL, &r))
        fail_msg("cannot run %s", program);
    at = strstr(r.out, "version ");
    if (at == NULL || sscanf(at, "version %u.%u.%u", &major, &minor, &patch) != 3)
        fail_msg("%s -h does not tell its version: %s%s", program, r.out, r.err);
    run_release(&r);
    return BROKER_VERSION(major, minor, patch);
}
