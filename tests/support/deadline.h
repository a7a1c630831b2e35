/*
 * deadline.h - how long a test may wait for something that should happen.
 *
 * A deadline is a point on the monotonic clock in milliseconds. It is a guard against hanging,
 * never a measurement: a passing test does not come near it.
 */
#ifndef SUPPORT_DEADLINE_H
#define SUPPORT_DEADLINE_H

#include <stdint.h>

#define DEADLINE_DEFAULT_MS 20000

int64_t deadline_now_ms(void);

/*
 * From now; 0 ms means DEADLINE_DEFAULT_MS. Stretched by the whole number in the environment
 * variable PROV_SLOW, which is set where programs run under valgrind.
 */
int64_t deadline_in(int64_t ms);

/* What poll(2) takes: milliseconds left, 0 once the deadline has passed. */
int deadline_left(int64_t deadline_ms);

#endif
