#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device-agent/core/state.h"
#include "support/crc64.h"
#include "test_agent_state.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Places in a record of version 1, as state.c has them. */
enum {
    AT_VERSION = 4,
    AT_LENGTH = 6,
    AT_DEVICE = 10,
    AT_CURRENT = 42,
    AT_NEXT = 46,
    AT_PHASE = 50,
    AT_RESET = 51,
    AT_CLAIM_DONE = 52,
    AT_TOKEN_S = 53,
    AT_RENEW_S = 61,
    AT_LAST_ERROR = 69,
    AT_ANNOUNCE = 70,
    AT_GETTING = 71, /* attempts of each class */
    AT_SERVING = 99,
    AT_MESSAGE = 127, /* its length */
};

static const uint8_t other[AGENT_DEVICE_LEN] = "thirty-two bytes of another one";

/* The record is alone in its memory, so that ASan sees a byte read behind it. */
static enum agent_state_read read_alone(const uint8_t *p, size_t n, struct agent_state *out)
{
    uint8_t *alone = malloc(n + 1); /* and some malloc(0) give NULL */
    enum agent_state_read got;

    assert_non_null(alone);
    memcpy(alone + 1, p, n);
    memset(out, 0xa5, sizeof *out);
    got = agent_state_read((struct agent_span){ alone + 1, n }, device, out);
    free(alone);
    if (got != AGENT_STATE_GOOD) {
        const struct agent_state blank = fresh();

        assert_memory_equal(out, &blank, sizeof blank);
    }
    return got;
}

static void a_state_comes_back_in_every_phase(void **state)
{
    uint8_t record[AGENT_STATE_MAX], again[AGENT_STATE_MAX];
    struct agent_state out;
    (void)state;

    for (unsigned i = 0; i < AGENT_PHASES; i++) {
        const struct agent_state in = in_phase((enum agent_phase)i);
        const size_t n = agent_state_write(&in, record);

        assert_in_range(n, AT_MESSAGE, AGENT_STATE_MAX);
        assert_int_equal(read_alone(record, n, &out), AGENT_STATE_GOOD);
        assert_memory_equal(&out, &in, sizeof in);
        assert_int_equal(agent_state_write(&out, again), n);
        assert_memory_equal(again, record, n);
    }
}

static void a_fresh_state_comes_back(void **state)
{
    const struct agent_state in = fresh();
    uint8_t record[AGENT_STATE_MAX];
    struct agent_state out;
    (void)state;

    assert_int_equal(read_alone(record, agent_state_write(&in, record), &out), AGENT_STATE_GOOD);
    assert_memory_equal(&out, &in, sizeof in);
    assert_memory_equal(out.device, device, sizeof device);
}

static void the_longest_texts_fit(void **state)
{
    static const enum agent_phase phases[] = { AGENT_PHASE_ISSUED, AGENT_PHASE_PROVEN };
    uint8_t record[AGENT_STATE_MAX];
    (void)state;

    for (size_t i = 0; i < COUNT(phases); i++) {
        struct agent_state in = in_phase(phases[i]), out;

        memset(in.last_message, 'm', sizeof in.last_message - 1);
        memset(in.thing_name, 'n', sizeof in.thing_name - 1);
        if (in.token[0] != '\0')
            memset(in.token, 't', sizeof in.token - 1);
        else
            memset(in.next_thing, 'N', sizeof in.next_thing - 1);
        assert_int_equal(read_alone(record, agent_state_write(&in, record), &out),
                         AGENT_STATE_GOOD);
        assert_memory_equal(&out, &in, sizeof in);
    }
}

static void the_form_does_not_change(void **state)
{
    static const uint8_t begin[] = { 'A', 'G', 'S', 'T', 0, 1, 0, 0, 0, 154 };
    static const uint8_t middle[] = {
        0,   0, 0, 3, 1, 2, 3, 4, 3, 1,  1, 0x7f, 255, 255,  255, 255,  255, 255,
        255, 1, 2, 3, 4, 5, 6, 7, 8, 12, 2, 0,    0,   0x10, 1,   0x10, 2,
    };
    struct agent_state in = in_phase(AGENT_PHASE_ISSUED);
    uint8_t record[AGENT_STATE_MAX];
    size_t n;
    (void)state;

    memset(in.last_message, 0, sizeof in.last_message);
    memset(in.thing_name, 0, sizeof in.thing_name);
    memcpy(in.last_message, "what", 4);
    memcpy(in.thing_name, "na", 2);
    n = agent_state_write(&in, record);
    assert_int_equal(n, 154);
    assert_memory_equal(record, begin, sizeof begin);
    assert_memory_equal(record + AT_DEVICE, device, sizeof device);
    assert_memory_equal(record + AT_CURRENT, middle, sizeof middle);
    assert_memory_equal(record + AT_SERVING, "\0\0\x20\1\x20\2", 6);
    assert_memory_equal(record + AT_MESSAGE, "\0\4what\0\5token\0\2na\0\0", 19);
    assert_int_equal(test_crc64((const uint8_t *)"123456789", 9), 0x995dc9bbdf1939fa);
    test_seal_state(record, n); /* changes nothing */
    assert_int_equal(read_alone(record, n, &in), AGENT_STATE_GOOD);
}

static void the_same_state_gives_the_same_bytes(void **state)
{
    struct agent_state in = in_phase(AGENT_PHASE_ISSUED);
    uint8_t record[AGENT_STATE_MAX], again[AGENT_STATE_MAX];
    const size_t n = agent_state_write(&in, record);
    (void)state;

    memset(again, 0xa5, sizeof again);
    memset(in.token + strlen(in.token) + 1, 'x', 20); /* what lies behind a text is not said */
    memset(in.thing_name + strlen(in.thing_name) + 1, 'x', 20);
    assert_int_equal(agent_state_write(&in, again), n);
    assert_memory_equal(again, record, n);
}

static void no_byte_can_be_changed(void **state)
{
    const struct agent_state in = in_phase(AGENT_PHASE_ISSUED);
    uint8_t record[AGENT_STATE_MAX];
    const size_t n = agent_state_write(&in, record);
    struct agent_state out;
    (void)state;

    for (size_t i = 0; i < n; i++) {
        for (unsigned flip = 1; flip < 256; flip++) {
            record[i] ^= (uint8_t)flip;
            assert_int_equal(read_alone(record, n, &out), AGENT_STATE_TORN);
            record[i] ^= (uint8_t)flip;
        }
    }
}

static void a_record_cut_anywhere_or_with_bytes_behind_is_torn(void **state)
{
    const struct agent_state in = in_phase(AGENT_PHASE_ISSUED);
    uint8_t record[AGENT_STATE_MAX + 2] = { 0 };
    const size_t n = agent_state_write(&in, record);
    struct agent_state out;
    (void)state;

    for (size_t cut = 0; cut < n; cut++) {
        uint8_t zeros[AGENT_STATE_MAX] = { 0 };

        assert_int_equal(read_alone(record, cut, &out), AGENT_STATE_TORN);
        memcpy(zeros, record, cut); /* the length was written, the bytes were not */
        if (memcmp(zeros, record, n) != 0)
            assert_int_equal(read_alone(zeros, n, &out), AGENT_STATE_TORN);
    }
    assert_int_equal(read_alone(record, n, &out), AGENT_STATE_GOOD);
    assert_int_equal(read_alone(record, n + 1, &out), AGENT_STATE_TORN);
    assert_int_equal(read_alone(record, n + 2, &out), AGENT_STATE_TORN);
    assert_int_equal(agent_state_read((struct agent_span){ NULL, 0 }, device, &out),
                     AGENT_STATE_TORN);
}

/* Begun by one write, ended by another, of the same length. */
static void a_record_of_two_writes_is_torn(void **state)
{
    struct agent_state in = in_phase(AGENT_PHASE_ISSUED), out;
    uint8_t record[AGENT_STATE_MAX], later[AGENT_STATE_MAX], mixed[AGENT_STATE_MAX];
    const size_t n = agent_state_write(&in, record);
    (void)state;

    in.getting.attempts[AGENT_NETWORK]++;
    in.token[0] = 'T';
    assert_int_equal(agent_state_write(&in, later), n);
    for (size_t cut = 1; cut < n; cut++) {
        memcpy(mixed, later, cut);
        memcpy(mixed + cut, record + cut, n - cut);
        if (memcmp(mixed, later, n) != 0 && memcmp(mixed, record, n) != 0)
            assert_int_equal(read_alone(mixed, n, &out), AGENT_STATE_TORN);
    }
}

static void a_later_version_is_newer_only_when_it_is_whole(void **state)
{
    static const struct {
        unsigned version;
        size_t n; /* of the record; of a later one only head and checksum are known */
        enum agent_state_read expected;
    } rows[] = {
        { 2, 18, AGENT_STATE_NEWER },       { 2, 100, AGENT_STATE_NEWER },
        { 0xffff, 300, AGENT_STATE_NEWER }, { 2, 100000, AGENT_STATE_NEWER },
        { 0, 200, AGENT_STATE_INVALID },    { 1, 200, AGENT_STATE_INVALID },
        { 1, 18, AGENT_STATE_INVALID },     { 1, 49, AGENT_STATE_INVALID },
        { 1, 50, AGENT_STATE_INVALID },
    };
    static const uint8_t magic[] = { 'A', 'G', 'S', 'T' };
    static uint8_t record[100000];
    struct agent_state out;
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        memset(record, 'x', sizeof record);
        memcpy(record, magic, sizeof magic);
        record[AT_VERSION] = (uint8_t)(rows[i].version >> 8);
        record[AT_VERSION + 1] = (uint8_t)rows[i].version;
        if (rows[i].n >= AT_CURRENT + 8)
            memcpy(record + AT_DEVICE, device, sizeof device);
        test_seal_state(record, rows[i].n);
        assert_int_equal(read_alone(record, rows[i].n, &out), rows[i].expected);
        assert_int_equal(read_alone(record, rows[i].n - 1, &out), AGENT_STATE_TORN);
        record[rows[i].n - 1] ^= 1;
        assert_int_equal(read_alone(record, rows[i].n, &out), AGENT_STATE_TORN);
    }
}

static void another_devices_record_is_foreign(void **state)
{
    const struct agent_state in = in_phase(AGENT_PHASE_KEY);
    uint8_t record[AGENT_STATE_MAX];
    const size_t n = agent_state_write(&in, record);
    struct agent_state out, blank;
    (void)state;

    agent_state_init(&blank, other);
    assert_int_equal(agent_state_read((struct agent_span){ record, n }, other, &out),
                     AGENT_STATE_FOREIGN);
    assert_memory_equal(&out, &blank, sizeof blank);
    record[AT_PHASE] = AGENT_PHASES; /* whatever it says */
    test_seal_state(record, n);
    assert_int_equal(agent_state_read((struct agent_span){ record, n }, other, &out),
                     AGENT_STATE_FOREIGN);
    assert_int_equal(agent_state_read((struct agent_span){ record, n }, device, &out),
                     AGENT_STATE_INVALID);
}

static void the_device_may_lie_in_the_state(void **state)
{
    struct agent_state s = in_phase(AGENT_PHASE_KEY), blank = fresh();
    const struct agent_state in = s;
    uint8_t record[AGENT_STATE_MAX];
    const size_t n = agent_state_write(&s, record);
    (void)state;

    agent_state_init(&s, s.device);
    assert_memory_equal(&s, &blank, sizeof s);
    assert_int_equal(agent_state_read((struct agent_span){ record, n }, s.device, &s),
                     AGENT_STATE_GOOD);
    assert_memory_equal(&s, &in, sizeof s);
}

/* One byte of a good record changed and sealed again. */
static void a_whole_record_that_says_what_cannot_be_is_invalid(void **state)
{
    static const struct {
        enum agent_phase phase;
        size_t at;
        uint8_t value;
        enum agent_state_read expected;
    } rows[] = {
        { AGENT_PHASE_KEY, 0, 'a', AGENT_STATE_TORN },
        { AGENT_PHASE_KEY, AT_VERSION + 1, 0, AGENT_STATE_INVALID },
        { AGENT_PHASE_KEY, AT_PHASE, AGENT_PHASE_PROVEN, AGENT_STATE_GOOD },
        { AGENT_PHASE_KEY, AT_PHASE, AGENT_PHASES, AGENT_STATE_INVALID },
        { AGENT_PHASE_KEY, AT_PHASE, 0xff, AGENT_STATE_INVALID },
        { AGENT_PHASE_KEY, AT_PHASE, AGENT_PHASE_NONE, AGENT_STATE_INVALID },
        { AGENT_PHASE_KEY, AT_PHASE, AGENT_PHASE_ISSUED, AGENT_STATE_INVALID },
        { AGENT_PHASE_ISSUED, AT_PHASE, AGENT_PHASE_REGISTERED, AGENT_STATE_INVALID },
        { AGENT_PHASE_REGISTERED, AT_PHASE, AGENT_PHASE_PROVEN, AGENT_STATE_GOOD },
        { AGENT_PHASE_REGISTERED, AT_PHASE, AGENT_PHASE_REQUEST, AGENT_STATE_INVALID },
        { AGENT_PHASE_NONE, AT_PHASE, AGENT_PHASE_KEY, AGENT_STATE_INVALID },
        { AGENT_PHASE_NONE, AT_NEXT, 1, AGENT_STATE_INVALID },
        { AGENT_PHASE_KEY, AT_RESET, AGENT_RESET_FULL, AGENT_STATE_GOOD },
        { AGENT_PHASE_KEY, AT_RESET, AGENT_RESETS, AGENT_STATE_INVALID },
        { AGENT_PHASE_KEY, AT_CLAIM_DONE, 0, AGENT_STATE_GOOD },
        { AGENT_PHASE_KEY, AT_CLAIM_DONE, 2, AGENT_STATE_INVALID },
        { AGENT_PHASE_KEY, AT_TOKEN_S + 7, 1, AGENT_STATE_INVALID },
        { AGENT_PHASE_ISSUED, AT_TOKEN_S, 0, AGENT_STATE_GOOD },
        { AGENT_PHASE_ISSUED, AT_TOKEN_S, 0x80, AGENT_STATE_INVALID },
        { AGENT_PHASE_KEY, AT_RENEW_S, 0x80, AGENT_STATE_INVALID },
        { AGENT_PHASE_KEY, AT_LAST_ERROR, AGENT_NETWORK, AGENT_STATE_GOOD },
        { AGENT_PHASE_KEY, AT_LAST_ERROR, AGENT_OK, AGENT_STATE_INVALID },
        { AGENT_PHASE_KEY, AT_LAST_ERROR, AGENT_CLASSES, AGENT_STATE_INVALID },
        { AGENT_PHASE_KEY, AT_ANNOUNCE, AGENT_ANNOUNCE_PROVISIONED, AGENT_STATE_GOOD },
        { AGENT_PHASE_KEY, AT_ANNOUNCE, AGENT_ANNOUNCES, AGENT_STATE_INVALID },
        { AGENT_PHASE_KEY, AT_GETTING + 3, 0, AGENT_STATE_GOOD },
        { AGENT_PHASE_KEY, AT_GETTING + 1, 1, AGENT_STATE_INVALID },
        { AGENT_PHASE_KEY, AT_SERVING + 3, 0, AGENT_STATE_GOOD },
        { AGENT_PHASE_KEY, AT_SERVING + 1, 1, AGENT_STATE_INVALID },
        { AGENT_PHASE_KEY, AT_MESSAGE, 1, AGENT_STATE_INVALID },
        { AGENT_PHASE_KEY, AT_MESSAGE + 1, 5, AGENT_STATE_INVALID },
        { AGENT_PHASE_KEY, AT_MESSAGE + 1, 7, AGENT_STATE_INVALID },
        { AGENT_PHASE_KEY, AT_MESSAGE + 2, 'x', AGENT_STATE_GOOD },
        { AGENT_PHASE_KEY, AT_MESSAGE + 2, 0, AGENT_STATE_INVALID },
        { AGENT_PHASE_KEY, AT_MESSAGE + 7, 0, AGENT_STATE_INVALID },
    };
    uint8_t record[AGENT_STATE_MAX];
    struct agent_state out;
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct agent_state in = in_phase(rows[i].phase);
        const size_t n = agent_state_write(&in, record);

        assert_int_not_equal(record[rows[i].at], rows[i].value);
        record[rows[i].at] = rows[i].value;
        test_seal_state(record, n);
        assert_int_equal(read_alone(record, n, &out), rows[i].expected);
    }
}

/* Its checksum is right. */
static void a_length_that_is_not_the_records_is_torn(void **state)
{
    const struct agent_state in = in_phase(AGENT_PHASE_KEY);
    uint8_t record[AGENT_STATE_MAX];
    const size_t n = agent_state_write(&in, record);
    struct agent_state out;
    (void)state;

    for (int by = -1; by <= 1; by++) {
        (void)agent_state_write(&in, record);
        record[AT_LENGTH + 3] = (uint8_t)(record[AT_LENGTH + 3] + by);
        test_seal_bytes(record, n);
        assert_int_equal(read_alone(record, n, &out),
                         by == 0 ? AGENT_STATE_GOOD : AGENT_STATE_TORN);
    }
}

/* A text that would fit the record but not its array. */
static void a_text_too_long_is_invalid(void **state)
{
    struct agent_state in = fresh(), out;
    uint8_t record[AGENT_STATE_MAX];
    const size_t n = agent_state_write(&in, record), at = n - 8 - 2 - 2;
    (void)state;

    for (size_t len = AGENT_MAX_THING_NAME - 1; len <= AGENT_MAX_THING_NAME; len++) {
        record[at] = 0;
        record[at + 1] = (uint8_t)len;
        memset(record + at + 2, 'n', len);
        memset(record + at + 2 + len, 0, 2); /* no next one */
        test_seal_state(record, n + len);
        assert_int_equal(read_alone(record, n + len, &out),
                         len < AGENT_MAX_THING_NAME ? AGENT_STATE_GOOD : AGENT_STATE_INVALID);
    }
}

static void bytes_between_the_texts_and_the_checksum_are_invalid(void **state)
{
    const struct agent_state in = in_phase(AGENT_PHASE_KEY);
    uint8_t record[AGENT_STATE_MAX + 1];
    const size_t n = agent_state_write(&in, record);
    struct agent_state out;
    (void)state;

    record[n - 8] = 0;
    test_seal_state(record, n + 1);
    assert_int_equal(read_alone(record, n + 1, &out), AGENT_STATE_INVALID);
    for (size_t shorter = 18; shorter < n; shorter++) {
        (void)agent_state_write(&in, record);
        test_seal_state(record, shorter);
        assert_int_equal(read_alone(record, shorter, &out), AGENT_STATE_INVALID);
    }
}

static void every_outcome_has_a_name(void **state)
{
    (void)state;
    for (unsigned i = 0; i < AGENT_STATE_READS; i++)
        assert_string_not_equal(agent_state_read_name((enum agent_state_read)i), "unknown");
    assert_string_equal(agent_state_read_name(AGENT_STATE_FOREIGN), "foreign");
    assert_string_equal(agent_state_read_name(AGENT_STATE_READS), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_state_comes_back_in_every_phase),
        cmocka_unit_test(a_fresh_state_comes_back),
        cmocka_unit_test(the_longest_texts_fit),
        cmocka_unit_test(the_form_does_not_change),
        cmocka_unit_test(the_same_state_gives_the_same_bytes),
        cmocka_unit_test(no_byte_can_be_changed),
        cmocka_unit_test(a_record_cut_anywhere_or_with_bytes_behind_is_torn),
        cmocka_unit_test(a_record_of_two_writes_is_torn),
        cmocka_unit_test(a_later_version_is_newer_only_when_it_is_whole),
        cmocka_unit_test(another_devices_record_is_foreign),
        cmocka_unit_test(the_device_may_lie_in_the_state),
        cmocka_unit_test(a_whole_record_that_says_what_cannot_be_is_invalid),
        cmocka_unit_test(a_length_that_is_not_the_records_is_torn),
        cmocka_unit_test(a_text_too_long_is_invalid),
        cmocka_unit_test(bytes_between_the_texts_and_the_checksum_are_invalid),
        cmocka_unit_test(every_outcome_has_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
