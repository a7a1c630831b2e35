#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "device-agent/core/base.h"

static void every_class_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (unsigned i = 0; i < AGENT_CLASSES; i++) {
        const char *name = agent_class_name((enum agent_class)i);

        assert_string_not_equal(name, "unknown");
        for (unsigned before = 0; before < i; before++)
            assert_string_not_equal(name, agent_class_name((enum agent_class)before));
    }
    assert_string_equal(agent_class_name(AGENT_OK), "ok");
    assert_string_equal(agent_class_name(AGENT_RECORD), "record");
}

static void what_is_no_class_has_a_name_all_the_same(void **state)
{
    (void)state;
    assert_string_equal(agent_class_name(AGENT_CLASSES), "unknown");
    assert_string_equal(agent_class_name((enum agent_class) - 1), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_class_has_a_name_of_its_own),
        cmocka_unit_test(what_is_no_class_has_a_name_all_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
