#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/policy.h"
#include "core/record.h"

#define S(text) prov_span_str(text)

struct sample {
    uint32_t number;
    int64_t time;
    bool flag;
    struct prov_id id;
    struct prov_span text;
    struct prov_span list[3];
    size_t n_list;
    struct prov_id ids[2];
    size_t n_ids;
    struct prov_attr attrs[2];
    size_t n_attrs;
};

static const struct prov_field fields[] = {
    { 1, PROV_FIELD_U32, offsetof(struct sample, number), 0, 0 },
    { 2, PROV_FIELD_I64, offsetof(struct sample, time), 0, 0 },
    { 3, PROV_FIELD_BOOL, offsetof(struct sample, flag), 0, 0 },
    { 4, PROV_FIELD_ID, offsetof(struct sample, id), 0, 0 },
    { 5, PROV_FIELD_SPAN, offsetof(struct sample, text), 0, 0 },
    { 6, PROV_FIELD_SPANS, offsetof(struct sample, list), offsetof(struct sample, n_list), 3 },
    { 7, PROV_FIELD_IDS, offsetof(struct sample, ids), offsetof(struct sample, n_ids), 2 },
    { 8, PROV_FIELD_ATTRS, offsetof(struct sample, attrs), offsetof(struct sample, n_attrs), 2 },
};
static const struct prov_record type = { fields, PROV_COUNT(fields), sizeof(struct sample) };

#define X32 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X128 X32 X32 X32 X32

static struct sample full(void)
{
    struct sample s = {
        .number = UINT32_MAX,
        .time = INT64_MAX,
        .flag = true,
        .text = PROV_LIT("some text"),
        .list = { PROV_LIT("a"), PROV_LIT(""), PROV_LIT(X128) },
        .n_list = 3,
        .n_ids = 2,
        .attrs = { { PROV_LIT("name"), PROV_LIT("value") }, { PROV_LIT(X128), PROV_LIT("") } },
        .n_attrs = 2,
    };

    memset(&s.id, 0xab, sizeof s.id);
    memset(&s.ids[1], 0xcd, sizeof s.ids[1]); /* ids[0] is zero, and one of the list all the same */
    return s;
}

static void assert_same(const struct sample *a, const struct sample *b)
{
    assert_int_equal(a->number, b->number);
    assert_true(a->time == b->time);
    assert_int_equal(a->flag, b->flag);
    assert_true(prov_id_eq(&a->id, &b->id));
    assert_true(prov_span_eq(a->text, b->text));
    assert_int_equal(a->n_list, b->n_list);
    for (size_t i = 0; i < a->n_list; i++)
        assert_true(prov_span_eq(a->list[i], b->list[i]));
    assert_int_equal(a->n_ids, b->n_ids);
    for (size_t i = 0; i < a->n_ids; i++)
        assert_true(prov_id_eq(&a->ids[i], &b->ids[i]));
    assert_int_equal(a->n_attrs, b->n_attrs);
    for (size_t i = 0; i < a->n_attrs; i++) {
        assert_true(prov_span_eq(a->attrs[i].name, b->attrs[i].name));
        assert_true(prov_span_eq(a->attrs[i].value, b->attrs[i].value));
    }
}

static struct prov_buf written(const struct sample *s)
{
    struct prov_buf b;

    prov_buf_init(&b, 4096);
    prov_record_write(&type, s, &b);
    assert_int_equal(b.rc, PROV_OK);
    return b;
}

/* Reads from bytes of their own, so that a sanitizer sees a step too far. */
static enum prov_rc read_exactly(struct prov_span bytes, struct sample *out)
{
    uint8_t *copy = malloc(bytes.n != 0 ? bytes.n : 1);
    enum prov_rc rc;

    assert_non_null(copy);
    if (bytes.n != 0)
        memcpy(copy, bytes.p, bytes.n);
    memset(out, 0xee, sizeof *out);
    rc = prov_record_read(&type, prov_span(copy, bytes.n), out);
    free(copy);
    return rc;
}

static void record_comes_back_as_it_was_written(void **state)
{
    struct sample s = full(), back;
    struct prov_buf b = written(&s);

    (void)state;
    memset(&back, 0xee, sizeof back);
    assert_int_equal(prov_record_read(&type, prov_buf_span(&b), &back), PROV_OK);
    assert_same(&back, &s);
    prov_buf_release(&b);
}

static void record_of_zeroes_is_empty_and_reads_as_zeroes(void **state)
{
    struct sample s = { 0 }, back;
    struct prov_buf b = written(&s);

    (void)state;
    assert_int_equal(b.n, 0);
    assert_int_equal(read_exactly(prov_buf_span(&b), &back), PROV_OK);
    assert_same(&back, &s);
    prov_buf_release(&b);
}

static void numbers_at_their_limits_come_back(void **state)
{
    static const int64_t times[] = {
        0, 1, 255, 256, INT64_C(253402300799), INT64_MAX, -1, INT64_C(-631152000), INT64_MIN,
    };
    static const uint32_t numbers[] = { 0, 1, 127, 128, 255, 256, 65536, UINT32_MAX };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(times); i++) {
        struct sample s = { .time = times[i], .number = numbers[i % PROV_COUNT(numbers)] }, back;
        struct prov_buf b = written(&s);

        assert_int_equal(read_exactly(prov_buf_span(&b), &back), PROV_OK);
        assert_true(back.time == s.time);
        assert_true(back.number == s.number);
        prov_buf_release(&b);
    }
}

static void lengths_of_one_to_four_bytes_come_back(void **state)
{
    static const size_t lengths[] = { 1, 127, 128, 16383, 16384, 2097151, 2097152 };
    struct prov_buf b;
    uint8_t *text;

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(lengths); i++) {
        struct sample s = { .number = 7 }, back;

        text = calloc(1, lengths[i]);
        assert_non_null(text);
        text[lengths[i] - 1] = 'x';
        s.text = prov_span(text, lengths[i]);
        prov_buf_init(&b, SIZE_MAX);
        prov_record_write(&type, &s, &b);
        assert_int_equal(prov_record_read(&type, prov_buf_span(&b), &back), PROV_OK);
        assert_true(prov_span_eq(back.text, s.text));
        prov_buf_release(&b);
        free(text);
    }
}

static void unknown_fields_are_passed_over(void **state)
{
    static const uint8_t bytes[] = { 99, 3, 'n', 'e', 'w', 1, 1, 7, 98, 0 };
    struct sample back;

    (void)state;
    assert_int_equal(read_exactly(prov_span(bytes, sizeof bytes), &back), PROV_OK);
    assert_int_equal(back.number, 7);
}

static void damaged_bytes_are_refused(void **state)
{
    static const struct {
        const char *what;
        struct prov_span bytes;
    } rows[] = {
        { "no length", PROV_LIT("\x01") },
        { "length without end", PROV_LIT("\x01\x80") },
        { "length of five bytes", PROV_LIT("\x63\x80\x80\x80\x80\x00") },
        { "value too short", PROV_LIT("\x05\x03yz") },
        { "unknown field too short", PROV_LIT("\x63\x01") },
        { "number of five bytes", PROV_LIT("\x01\x05\x00\x00\x00\x00\x01") },
        { "number of nine bytes", PROV_LIT("\x02\x09\x01\x01\x01\x01\x01\x01\x01\x01\x01") },
        { "neither true nor false", PROV_LIT("\x03\x01\x02") },
        { "id of one byte", PROV_LIT("\x04\x01\x02") },
        { "id of a list of one byte", PROV_LIT("\x07\x01\x02") },
        { "one too many in a list", PROV_LIT("\x06\x00\x06\x00\x06\x00\x06\x00") },
        { "attribute without a length", PROV_LIT("\x08\x00") },
        { "attribute's name too long", PROV_LIT("\x08\x02\x02n") },
        { "one attribute too many", PROV_LIT("\x08\x02\x01n\x08\x02\x01m\x08\x02\x01o") },
    };
    struct sample back;

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        if (read_exactly(rows[i].bytes, &back) != PROV_ESTORE)
            fail_msg("%s", rows[i].what);
    }
}

/* Whatever a bad disk makes of a record: an answer, and nothing read beside it. */
static void no_change_of_one_byte_and_no_cut_leads_outside(void **state)
{
    const struct sample s = full();
    struct prov_buf b = written(&s);
    struct sample back;

    (void)state;
    for (size_t n = 0; n < b.n; n++)
        (void)read_exactly(prov_span(b.p, n), &back);
    for (size_t at = 0; at < b.n; at++) {
        const uint8_t old = b.p[at];

        for (unsigned value = 0; value < 256; value++) {
            b.p[at] = (uint8_t)value;
            if (read_exactly(prov_buf_span(&b), &back) == PROV_OK)
                assert_true(back.n_list <= 3 && back.n_ids <= 2 && back.n_attrs <= 2);
        }
        b.p[at] = old;
    }
    prov_buf_release(&b);
}

static void record_that_does_not_fit_says_so(void **state)
{
    const struct sample s = full();
    struct prov_buf b;

    (void)state;
    prov_buf_init(&b, 20);
    prov_record_write(&type, &s, &b);
    assert_int_equal(b.rc, PROV_ETOOBIG);
    prov_buf_release(&b);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(record_comes_back_as_it_was_written),
        cmocka_unit_test(record_of_zeroes_is_empty_and_reads_as_zeroes),
        cmocka_unit_test(numbers_at_their_limits_come_back),
        cmocka_unit_test(lengths_of_one_to_four_bytes_come_back),
        cmocka_unit_test(unknown_fields_are_passed_over),
        cmocka_unit_test(damaged_bytes_are_refused),
        cmocka_unit_test(no_change_of_one_byte_and_no_cut_leads_outside),
        cmocka_unit_test(record_that_does_not_fit_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
