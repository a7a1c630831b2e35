#include "support/deadline.h"

#include <limits.h>
#include <stdlib.h>
#include <time.h>

int64_t deadline_now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t deadline_in(int64_t ms)
{
    const char *slow = getenv("PROV_SLOW");
    const long factor = slow == NULL ? 1 : strtol(slow, NULL, 10);

    if (ms == 0)
        ms = DEADLINE_DEFAULT_MS;
    return deadline_now_ms() + ms * (factor >= 1 && factor <= 100 ? factor : 1);
}

int deadline_left(int64_t deadline_ms)
{
    const int64_t left = deadline_ms - deadline_now_ms();

    return left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}
