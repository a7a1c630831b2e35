/* Everything at once, from many seeds. A seed that fails is one to call play_chaos with again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "device-agent/core/agent.h"
#include "support/agent_play_chaos.h"

enum { SEEDS = 4000, LENGTH = 120 };

static uint32_t next(uint32_t *random)
{
    *random = *random * 1664525U + 1013904223U;
    return *random >> 24;
}

static void whatever_happens_it_ends_with_an_identity(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < SEEDS; seed++) {
        uint8_t bytes[LENGTH];
        uint32_t random = seed * 2654435761U;
        const size_t n = 1 + seed % LENGTH;

        for (size_t i = 0; i < n; i++)
            bytes[i] = (uint8_t)next(&random);
        play_chaos(bytes, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_happens_it_ends_with_an_identity),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
