/* libcbor is opened, not linked: whichever there is of those that the plugin can call. */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <cbor.h>

#include "core/fleet_msg.h"
#include "run/cbor_late.h"

#define PASTE(a, b) "libcbor.so." #a "." #b
#define SONAME(a, b) PASTE(a, b)
static const char installed[] = SONAME(CBOR_MAJOR_VERSION, CBOR_MINOR_VERSION);

/* ---- a machine with libraries of our choice -------------------------------------------------- */

static struct {
    const char *name, *really; /* what is there, and which file that is; NULL: nothing */
    char first[32];            /* what was asked for first */
    unsigned asked;
} machine;

void *__real_dlopen(const char *name, int flags);
void *__wrap_dlopen(const char *name, int flags);

void *__wrap_dlopen(const char *name, int flags)
{
    if (machine.asked++ == 0)
        (void)snprintf(machine.first, sizeof machine.first, "%s", name);
    if (machine.name == NULL || strcmp(name, machine.name) != 0)
        return NULL;
    return __real_dlopen(machine.really, flags);
}

static void machine_with(const char *name, const char *really)
{
    machine.name = name;
    machine.really = really;
    machine.first[0] = '\0';
    machine.asked = 0;
}

static bool written(const char *expected, size_t n)
{
    struct prov_buf out;
    bool same;

    prov_buf_init(&out, 256);
    assert_int_equal(PROV_OK, prov_fleet_rejected(PROV_CBOR, -500, "E", "m", &out));
    same = prov_span_eq(prov_buf_span(&out), prov_span(expected, n));
    prov_buf_release(&out);
    return same;
}

static enum prov_rc read_request(struct prov_err *err)
{
    static const char payload[] = "\xa1\x78\x19"
                                  "certificateOwnershipToken\x61t";
    const struct prov_fleet_topic topic = { .op = PROV_REGISTER_THING, .format = PROV_CBOR };
    struct prov_fleet_request *request = NULL;
    const enum prov_rc rc =
        prov_fleet_request_parse(&topic, prov_span(payload, sizeof payload - 1), &request, err);

    if (rc == PROV_OK)
        assert_true(prov_span_eq(request->token, PROV_LIT("t")));
    prov_fleet_request_free(request);
    return rc;
}

static const char answer[] = "\xa3\x6astatusCode\x39\x01\xf3\x69"
                             "errorCode\x61"
                             "E\x6c"
                             "errorMessage\x61m";

/* ---- the tests ------------------------------------------------------------------------------- */

/* The first: nothing has been opened in this program. */
static void unopened_nothing_is_read_or_written(void **state)
{
    struct prov_err err = { 0 };
    unsigned char head[9];

    (void)state;
    assert_int_equal(PROV_EINVAL, read_request(&err));
    assert_int_equal(0, cbor_encode_uint(1, head, sizeof head));
    assert_int_equal(0, cbor_encode_negint(1, head, sizeof head));
    assert_int_equal(0, cbor_encode_string_start(1, head, sizeof head));
    assert_int_equal(0, cbor_encode_map_start(1, head, sizeof head));
}

static void none_is_named_by_its_package(void **state)
{
    const char *why = NULL;

    (void)state;
    machine_with(NULL, NULL);
    assert_false(prov_cbor_load(&why));
    assert_non_null(strstr(why, "install the package libcbor0.10"));
    assert_non_null(strstr(why, "libcbor0.8 on Debian 12"));
}

/* One is there by its name and has none of the functions. */
static void library_without_the_functions_will_not_do(void **state)
{
    const char *why = NULL;

    (void)state;
    machine_with(installed, "libc.so.6");
    assert_false(prov_cbor_load(&why));
    assert_non_null(why);
}

static void later_one_than_is_known_is_not_tried(void **state)
{
    static const char *const later[] = { "libcbor.so", "libcbor.so.0.14", "libcbor.so.1.0" };
    const char *why = NULL;

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(later); i++) {
        machine_with(later[i], installed);
        assert_false(prov_cbor_load(&why));
    }
}

static void own_one_is_tried_first(void **state)
{
    struct prov_err err = { 0 };
    const char *why = NULL;

    (void)state;
    machine_with(installed, installed);
    assert_true(prov_cbor_load(&why));
    assert_int_equal(1, machine.asked);
    assert_string_equal(machine.first, installed);
    assert_int_equal(PROV_OK, read_request(&err));
    assert_true(written(answer, sizeof answer - 1));
}

static void known_one_of_another_release_will_do(void **state)
{
    static const char *const known[] = { "libcbor.so.0.8", "libcbor.so.0.10", "libcbor.so.0.13" };
    struct prov_err err = { 0 };
    const char *why = NULL;

    (void)state;
#if SIZE_MAX == UINT64_MAX
    for (size_t i = 0; i < PROV_COUNT(known); i++) {
        machine_with(known[i], installed);
        assert_true(prov_cbor_load(&why));
        assert_string_equal(machine.first, installed);
        assert_int_equal(PROV_OK, read_request(&err));
        assert_true(written(answer, sizeof answer - 1));
    }
#else
    for (size_t i = 0; i < PROV_COUNT(known); i++) {
        machine_with(known[i], installed);
        assert_int_equal(strcmp(known[i], installed) == 0, prov_cbor_load(&why));
    }
    (void)err;
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unopened_nothing_is_read_or_written),
        cmocka_unit_test(none_is_named_by_its_package),
        cmocka_unit_test(library_without_the_functions_will_not_do),
        cmocka_unit_test(later_one_than_is_known_is_not_tried),
        cmocka_unit_test(own_one_is_tried_first),
        cmocka_unit_test(known_one_of_another_release_will_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
