/* test_agent_msg.h - lent buffers for the tests of the agent's messages. */
#ifndef TESTS_TEST_AGENT_MSG_H
#define TESTS_TEST_AGENT_MSG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../device-agent/core/msg.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static inline struct agent_span span(const char *s)
{
    return (struct agent_span){ (const uint8_t *)s, strlen(s) };
}

/* A buffer that was used before. */
static inline struct agent_text used(char *p, size_t cap)
{
    memset(p, 'x', cap);
    return (struct agent_text){ .p = p, .n = 5, .cap = cap };
}

static inline void assert_wiped(const struct agent_text *text)
{
    assert_int_equal(text->n, 0);
    for (size_t i = 0; i < text->cap; i++)
        assert_int_equal(text->p[i], 0);
}

#endif
