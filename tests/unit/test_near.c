/* Words that were mistyped, and what they were meant to be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/near.h"

static const char *const words[] = { "first_connect", "first_connect_wait_ms", "region", "Ref" };

static void nearest_word_is_found_when_it_is_close(void **state)
{
    static const struct {
        const char *word, *best; /* NULL: none is close */
    } rows[] = {
        { "region", "region" },
        { "regoin", "region" },
        { "REGION", "region" },
        { "rgion", "region" },
        { "regionn", "region" },
        { "reg", "region" }, /* not finished */
        { "r", "region" },
        { "ref", "Ref" },
        { "first_conect", "first_connect" },
        { "first_connect_", "first_connect" },
        { "first_connect_w", "first_connect_wait_ms" },
        { "first", "first_connect" },
        { "legions", "region" },
        { "religion", "region" },
        { "relation", NULL },
        { "x", NULL },
        { "", NULL },
        { "password", NULL },
    };
    char long_word[200];
    struct prov_near near;

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        near = (struct prov_near){ .word = prov_span_str(rows[i].word) };
        for (size_t k = 0; k < PROV_COUNT(words); k++)
            prov_near_try(&near, words[k]);
        if (near.close != (rows[i].best != NULL))
            fail_msg("%s: %s", rows[i].word, near.best);
        if (near.close)
            assert_string_equal(near.best, rows[i].best);
    }
    memset(long_word, 'r', sizeof long_word);
    near = (struct prov_near){ .word = prov_span(long_word, sizeof long_word) };
    prov_near_try(&near, "region");
    assert_false(near.close);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nearest_word_is_found_when_it_is_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
