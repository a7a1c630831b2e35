/*
 * banned.h - libc calls that are easy to get wrong do not compile here (forced into every file of
 * ours).
 */
#ifndef PROV_BANNED_H
#define PROV_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* clang's fortified headers have macros of these names, which it warns about */
#if !defined(__clang__) || !defined(_FORTIFY_SOURCE)
#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf strtok gets gmtime localtime
#pragma GCC poison asctime ctime atoi atol
/* by time_t, which may end in 2038: core/utc.h, and the agent's */
#pragma GCC poison timegm mktime gmtime_r localtime_r

#endif

#endif
