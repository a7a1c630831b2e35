/* Which machine a state directory belongs to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>

#include <cmocka.h>

#include "device-agent/port/posix/device.h"
#include "support/tmp.h"

struct machine {
    char *dir;
    struct device_root root;
};

static void put(const struct machine *m, const char *name, const char *bytes, size_t n)
{
    char path[TMP_PATH_MAX];
    FILE *f = fopen(tmp_path(m->dir, name, path), "w");

    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static int set_up(void **state)
{
    static const char *const dirs[] = { "etc", "proc", "proc/device-tree" };
    struct machine *m = calloc(1, sizeof *m);
    char path[TMP_PATH_MAX];

    assert_non_null(m);
    m->dir = tmp_new();
    m->root.path = m->dir;
    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++)
        assert_int_equal(mkdir(tmp_path(m->dir, dirs[i], path), 0700), 0);
    *state = m;
    return 0;
}

static int tear_down(void **state)
{
    struct machine *m = *state;

    tmp_free(m->dir);
    free(m);
    return 0;
}

struct id {
    uint8_t bytes[AGENT_DEVICE_LEN];
};

static struct id id_of(const struct machine *m, const char *configured)
{
    struct port_result result = { 0 };
    struct id id;

    assert_int_equal(device_id(configured, &m->root, id.bytes, &result), AGENT_OK);
    return id;
}

static bool same(struct id a, struct id b)
{
    return memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
}

#define PUT(m, name, text) put((m), (name), (text), sizeof(text) - 1)

static void a_configured_id_counts_before_the_machines(void **state)
{
    const struct machine *m = *state;
    struct id own;

    PUT(m, "etc/machine-id", "0123456789abcdef\n");
    own = id_of(m, NULL);
    assert_false(same(id_of(m, "pump-7"), own));
    assert_true(same(id_of(m, "pump-7"), id_of(m, "pump-7")));
    assert_false(same(id_of(m, "pump-8"), id_of(m, "pump-7")));
    /* a name is not taken for what the machine says of itself */
    assert_false(same(id_of(m, "0123456789abcdef"), own));
}

static void the_boards_serial_number_counts_before_the_systems_id(void **state)
{
    const struct machine *m = *state;
    struct id by_system;

    PUT(m, "etc/machine-id", "0123\n");
    by_system = id_of(m, NULL);
    put(m, "proc/device-tree/serial-number", "0123", 5); /* ends with its NUL */
    assert_false(same(id_of(m, NULL), by_system));
    PUT(m, "etc/machine-id", "4567\n");
    assert_false(same(id_of(m, NULL), by_system));
    PUT(m, "proc/device-tree/serial-number", "");
    PUT(m, "etc/machine-id", "0123");
    assert_true(same(id_of(m, NULL), by_system));
}

static void the_id_is_not_shown(void **state)
{
    const struct machine *m = *state;
    struct id id;

    PUT(m, "etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    id = id_of(m, NULL);
    assert_memory_not_equal(id.bytes, "0123456789abcdef0123456789abcdef", 32);
}

static void a_machine_without_any_is_told_what_to_do(void **state)
{
    static const char *const contents[] = { NULL, "", "\n", "uninitialized\n" };
    const struct machine *m = *state;

    for (size_t i = 0; i < sizeof contents / sizeof contents[0]; i++) {
        struct port_result result = { 0 };
        struct id id;

        if (contents[i] != NULL)
            put(m, "etc/machine-id", contents[i], strlen(contents[i]));
        assert_int_equal(device_id(NULL, &m->root, id.bytes, &result), AGENT_CONFIG);
        assert_non_null(strstr(result.text, "device_id"));
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_configured_id_counts_before_the_machines),
        TEST(the_boards_serial_number_counts_before_the_systems_id),
        TEST(the_id_is_not_shown),
        TEST(a_machine_without_any_is_told_what_to_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
