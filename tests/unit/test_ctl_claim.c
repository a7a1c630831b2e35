/* provctl claim: limits as people type them, suspension, lists of values. */
#include "ctl/when.h"
#include "unit/test_ctl.h"

static void furnish(struct rig *r)
{
    rig_register(r);
    r->input = "{ \"Resources\": { \"t\": { \"Type\": \"AWS::IoT::Thing\",\n"
               "  \"Properties\": { \"ThingName\": \"fixed\" } } } }\n";
    ctl_ok(r, "template", "create", "fleet", "-");
    ctl_ok(r, "template", "create", "other", "-");
    r->input = NULL;
}

/* ---- times and rates ------------------------------------------------------------------------- */

#define NOW INT64_C(1700000000) /* 2023-11-14T22:13:20Z */

static void times_are_read_as_people_type_them(void **state)
{
    static const struct {
        const char *text;
        int64_t at_s;
    } cases[] = {
        { "0", 0 },
        { "1700000001", 1700000001 },
        { "4294967295", INT64_C(4294967295) },
        { "+30s", NOW + 30 },
        { "+90m", NOW + 5400 },
        { "+90min", NOW + 5400 },
        { "+2h", NOW + 7200 },
        { "+7d", NOW + 7 * 86400 },
        { "2023-11-15", 1700006400 },
        { "2023-11-14 22:13", 1699999980 },
        { "2023-11-14T22:13", 1699999980 },
        { "2023-11-14 22:13:20", NOW },
        { "2023-11-14 22:13:20Z", NOW },
        { "2023-11-14T22:13:20Z", NOW },
        { "2024-02-29", 1709164800 },
    };
    int64_t at_s;

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        if (!ctl_parse_time(cases[i].text, NOW, &at_s) || at_s != cases[i].at_s)
            fail_msg("%s is %lld", cases[i].text, (long long)at_s);
    }
}

static void times_that_are_none_are_not_guessed(void **state)
{
    static const char *const cases[] = {
        "",
        "now",
        "tomorrow",
        "-1",
        "+",
        "+2",
        "+h",
        "+0h",
        "+2y",
        "+99999999d",
        "4294967296",
        "2023-11-31",
        "2023-02-29",
        "2023-13-01",
        "2023-11-14Z",
        "2023-11-14 25:00",
        "2023-11-14 22:13:60",
        "2023-11-14 22:13:20+01:00",
        "1969-12-31",
        "2200-01-01",
        "14.11.2023",
        "2023-11-14 22",
        "1e9",
        " 1700000000 x",
    };
    int64_t at_s;

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        if (ctl_parse_time(cases[i], NOW, &at_s))
            fail_msg("%s is %lld", cases[i], (long long)at_s);
    }
}

static void rates_are_read_and_told(void **state)
{
    static const struct {
        const char *text;
        uint32_t count, seconds;
        const char *told; /* NULL: as it was typed */
    } cases[] = {
        { "5/s", 5, 1, NULL },
        { "10/min", 10, 60, NULL },
        { "100/h", 100, 3600, NULL },
        { "1000/day", 1000, 86400, NULL },
        { "1/minute", 1, 60, "1/min" },
        { "1/hour", 1, 3600, "1/h" },
        { "4294967295/d", 4294967295, 86400, "4294967295/day" },
    };
    static const char *const bad[] = { "",     "5",           "5/",           "/s",
                                       "0/s",  "5/fortnight", "-5/s",         "5 / s",
                                       "5/s ", "5.5/s",       "4294967296/s", "a/s" };
    uint32_t count, seconds;
    struct prov_buf out;

    (void)state;
    prov_buf_init(&out, 256);
    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        assert_true(ctl_parse_rate(cases[i].text, &count, &seconds));
        assert_int_equal(count, cases[i].count);
        assert_int_equal(seconds, cases[i].seconds);
        prov_buf_clear(&out);
        ctl_put_rate(&out, count, seconds);
        assert_string_equal(prov_buf_cstr(&out),
                            cases[i].told != NULL ? cases[i].told : cases[i].text);
    }
    assert_true(ctl_parse_rate("0", &count, &seconds));
    assert_int_equal(count + seconds, 0);
    for (size_t i = 0; i < PROV_COUNT(bad); i++) {
        if (ctl_parse_rate(bad[i], &count, &seconds))
            fail_msg("\"%s\" is a rate", bad[i]);
    }
    prov_buf_clear(&out);
    ctl_put_rate(&out, 7, 90);
    assert_string_equal(prov_buf_cstr(&out), "7 in 90 s");
    prov_buf_release(&out);
}

/* ---- limits ---------------------------------------------------------------------------------- */

static void limits_are_given_shown_and_lifted(void **state)
{
    struct rig *r = *state;

    furnish(r);
    ctl_ok(r, "claim", "show", r->leaf_hex);
    says(r->out, "templates         any\nuses              0, no limit\n"
                 "rate              no limit\nnetworks          any\n");
    ctl_ok(r, "claim", "limit", r->leaf_hex, "--template", "fleet", "--template", "other", "--uses",
           "500", "--used", "3", "--rate", "10/min", "--from", "2026-01-01", "--until",
           "2026-12-31 12:00", "--network", "192.0.2.0/24", "--network", "2001:db8::7",
           "--suspend-after", "9");
    ctl_ok(r, "claim", "show", r->leaf_hex);
    says(r->out, "templates         fleet, other\nuses              3 of 500\n"
                 "rate              10/min\nnot before        2026-01-01 00:00:00Z (");
    says(r->out, "not after         2026-12-31 12:00:00Z (");
    says(r->out, "networks          192.0.2.0/24, 2001:db8::7\n"
                 "suspended after   9 refused requests within an hour\n");
    ctl_json(r, "claim", "show", r->leaf_hex);
    assert_int_equal(at(r, "notAfter")->valueint, 1798718400);
    ctl_ok(r, "claim", "list");
    says(r->out, "good   fleet +1 ");
    says(r->out, "2026-12-31 12:00:00Z");
    ctl_ok(r, "claim", "limit", r->leaf_hex, "--template", "other");
    says(r->out, "templates         other\nuses              3 of 500\n");
    ctl_json(r, "claim", "limit", r->leaf_hex, "--any-template", "--any-network", "--uses", "0",
             "--rate", "0", "--from", "0", "--until", "0", "--suspend-after", "0");
    assert_int_equal(count_at(r, "templateNames") + count_at(r, "networks"), 0);
    ctl_ok(r, "claim", "show", r->leaf_hex);
    says(r->out, "uses              3, no limit\n");
    says_not(r->out, "not ");
    says_not(r->out, "suspended");
    ctl_ok(r, "claim", "unlimit", r->leaf_hex);
    ctl_json(r, "claim", "list");
    assert_int_equal(count_at(r, "claims"), 0);
}

static void limits_that_make_no_sense_are_refused(void **state)
{
    static const struct {
        int code;
        const char *words[6];
        const char *expected;
    } cases[] = {
        { 1, { NULL }, "nothing to change" },
        { 1, { "--template", "fleet", "--any-template" }, "exclude each other" },
        { 1, { "--network", "192.0.2.7", "--any-network" }, "exclude each other" },
        { 1, { "--rate", "10" }, "is no rate" },
        { 1, { "--until", "never" }, "is no time" },
        { 1, { "--from", "2026-02-30" }, "is no time" },
        { 1, { "--uses", "many" }, "is no whole number" },
        { 1, { "--uses", "1", "--uses", "2" }, "given twice" },
        { 2, { "--template", "nosuch" }, "`provctl template list`" },
        { 4, { "--network", "192.0.2.0/33" }, "192.0.2.0/33" },
        { 4, { "--from", "2026-12-01", "--until", "2026-11-01" }, "" },
    };
    struct rig *r = *state;

    furnish(r);
    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        const char *words[12] = { "claim", "limit", r->leaf_hex };

        memcpy(words + 3, cases[i].words, sizeof cases[i].words);
        ctl_expect_fail(r, cases[i].code, words, __FILE__, __LINE__);
        says(r->err, cases[i].expected);
    }
    ctl_fails(r, 2, "claim", "limit", "00000000", "--uses", "1");
    says(r->err, "`provctl cert list`");
    ctl_json(r, "claim", "list");
    assert_int_equal(count_at(r, "claims"), 0);
}

/* An option that others take several of is given once where it means one. */
static void template_of_a_ca_is_given_once(void **state)
{
    struct rig *r = *state;

    ctl_fails(r, 1, "ca", "register", r->ca_file, "--sni-only", "--template", "a", "--template",
              "b");
    says(r->err, "--template is given twice");
    ctl_ok(r, "help", "ca", "register");
    says(r->out, "[--template NAME]");
    says_not(r->out, "NAME…");
    says_not(r->out, "NAME]…");
    ctl_ok(r, "help", "claim", "limit");
    says(r->out, "[--template NAME]…");
}

static void claim_is_suspended_and_resumed(void **state)
{
    struct rig *r = *state;
    char line[128];

    furnish(r);
    ctl_ok(r, "claim", "suspend", r->leaf_hex, "--reason", "image leaked");
    (void)snprintf(line, sizeof line, "  provctl claim resume %.12s\n", r->leaf_hex);
    says(r->out, line);
    ctl_ok(r, "claim", "show", r->leaf_hex);
    says(r->out, "SUSPENDED         ");
    says(r->out, "because           image leaked\n");
    says(r->out, line + strlen("  provctl claim resume ") + 12);
    ctl_ok(r, "claim", "list");
    says(r->out, "SUSPENDED");
    says(r->out, "image leaked");
    ctl_ok(r, "claim", "resume", r->leaf_hex);
    ctl_ok(r, "claim", "show", r->leaf_hex);
    says_not(r->out, "SUSPENDED");
    ctl_fails(r, 2, "claim", "suspend", "00000000");
}

/* ---- values ---------------------------------------------------------------------------------- */

static int count_values(struct rig *r, const char *parameter)
{
    ctl_json(r, "claim", "values", r->leaf_hex, parameter);
    return count_at(r, "parameterValues");
}

static void values_are_allowed_by_word_and_taken_off(void **state)
{
    struct rig *r = *state;

    furnish(r);
    ctl_ok(r, "claim", "allow", r->leaf_hex, "Serial", "SN-1", "SN-2", "SN-3", "--json");
    ctl_ok(r, "claim", "allow", r->leaf_hex, "Serial", "SN-4");
    says(r->out, ": values allowed of Serial: 1\n");
    assert_int_equal(count_values(r, "Serial"), 4);
    ctl_ok(r, "claim", "show", r->leaf_hex);
    says(r->out, "listed            Serial\n");
    ctl_ok(r, "claim", "disallow", r->leaf_hex, "Serial", "SN-1", "SN-2");
    assert_int_equal(count_values(r, "Serial"), 2);
    ctl_fails(r, 2, "claim", "disallow", r->leaf_hex, "Serial", "SN-3", "SN-1");
    assert_int_equal(count_values(r, "Serial"), 2);
    ctl_ok(r, "claim", "values", r->leaf_hex);
    says(r->out, "PARAMETER  VALUE\nSerial     SN-");
    ctl_ok(r, "claim", "unlist", r->leaf_hex, "Serial");
    says(r->out, "Serial may have any value\n");
    assert_int_equal(count_values(r, "Serial"), 0);
    ctl_ok(r, "claim", "show", r->leaf_hex);
    says_not(r->out, "listed");
}

static void values_come_from_a_file_a_line_each(void **state)
{
    struct rig *r = *state;
    struct prov_buf text;
    char path[TMP_PATH_MAX];

    furnish(r);
    prov_buf_init(&text, 1u << 20);
    for (int i = 0; i < 2500; i++) /* more than two batches */
        prov_buf_addf(&text, "SN-%04d%s", i, i % 3 == 0 ? "\r\n" : i % 3 == 1 ? "\n\n" : "\n");
    prov_buf_add_str(&text, "last, without an end");
    write_file(r, "serials", prov_buf_cstr(&text), path);
    ctl_ok(r, "claim", "allow", r->leaf_hex, "Serial", "--file", path);
    says(r->out, ": values allowed of Serial: 2501\n");
    assert_int_equal(count_values(r, "Serial"), 2501);
    ctl_ok(r, "claim", "allow", r->leaf_hex, "Serial", "--file", path);
    assert_int_equal(count_values(r, "Serial"), 2501);
    r->input = "SN-0000\nlast, without an end\n";
    ctl_ok(r, "claim", "disallow", r->leaf_hex, "Serial", "--file", "-");
    assert_int_equal(count_values(r, "Serial"), 2499);
    prov_buf_release(&text);
}

static void values_that_are_none_are_refused_with_their_line(void **state)
{
    struct rig *r = *state;

    furnish(r);
    ctl_fails(r, 1, "claim", "allow", r->leaf_hex, "Serial");
    says(r->err, "give either values or --file FILE");
    ctl_fails(r, 1, "claim", "allow", r->leaf_hex, "Serial", "a", "--file", "x");
    ctl_fails(r, 1, "claim", "allow", r->leaf_hex);
    says(r->err, "PARAMETER is missing");
    ctl_fails(r, 1, "claim", "allow", r->leaf_hex, "Serial", "--file", "/nowhere");
    r->input = "good\nbad\xff\n";
    ctl_fails(r, 4, "claim", "allow", r->leaf_hex, "Serial", "--file", "-");
    says(r->err, "provctl: (stdin):2:1: this line is no UTF-8 text\n");
    r->input = "\n\n";
    ctl_fails(r, 4, "claim", "allow", r->leaf_hex, "Serial", "--file", "-");
    says(r->err, "holds no value");
    ctl_fails(r, 4, "claim", "allow", r->leaf_hex, "Serial", "");
    ctl_fails(r, 2, "claim", "allow", "00000000", "Serial", "a");
    assert_int_equal(count_values(r, "Serial"), 0);
}

static void what_was_done_before_a_mistake_is_told(void **state)
{
    struct rig *r = *state;
    struct prov_buf text;
    char path[TMP_PATH_MAX];

    furnish(r);
    prov_buf_init(&text, 1u << 20);
    for (int i = 0; i < 1200; i++)
        prov_buf_addf(&text, "%d\n", i);
    prov_buf_add_str(&text, "\xff\n");
    write_file(r, "serials", prov_buf_cstr(&text), path);
    ctl_fails(r, 4, "claim", "allow", r->leaf_hex, "Serial", "--file", path);
    says(r->err, "/serials:1201:1: ");
    says(r->err, "the first 1000 values are done");
    assert_int_equal(count_values(r, "Serial"), 1000);
    prov_buf_release(&text);
}

static void more_words_than_there_may_be_are_refused_and_none_is_lost(void **state)
{
    struct rig *r = *state;
    struct ctl_args args;
    struct prov_err err = { .rc = PROV_OK };
    char *argv[CTL_MAX_WORDS + 8] = { (char *)"provctl", (char *)"claim", (char *)"allow" };

    (void)r;
    for (int i = 0; i <= CTL_MAX_WORDS; i++)
        argv[3 + i] = (char *)"w";
    assert_int_equal(ctl_args_parse(CTL_MAX_WORDS + 4, argv, &args, &err), PROV_EINVAL);
    says(err.text, "one word too many: 64 are the most");
    argv[CTL_MAX_WORDS + 3] = NULL;
    assert_int_equal(ctl_args_parse(CTL_MAX_WORDS + 3, argv, &args, &err), PROV_OK);
    assert_int_equal(args.n_words, CTL_MAX_WORDS);
}

/* ---- templates ------------------------------------------------------------------------------- */

static void template_says_what_becomes_of_certificates(void **state)
{
    struct rig *r = *state;

    furnish(r);
    ctl_ok(r, "template", "show", "fleet");
    says_not(r->out, "certificates ");
    ctl_ok(r, "template", "update", "fleet", "--validity-days", "30", "--retire-previous");
    ctl_ok(r, "template", "show", "fleet");
    says(r->out, "certificates      good for 30 days\n");
    says(r->out, "rotation          the previous certificate is retired once");
    ctl_ok(r, "template", "update", "fleet", "--validity-days", "0", "--retire-previous", "off");
    ctl_ok(r, "template", "show", "fleet");
    says_not(r->out, "rotation");
    ctl_fails(r, 1, "template", "update", "fleet", "--validity-days", "36501");
    ctl_fails(r, 1, "template", "update", "fleet", "--retire-previous", "perhaps");
    r->input = "{ \"Resources\": { \"t\": { \"Type\": \"AWS::IoT::Thing\",\n"
               "  \"Properties\": { \"ThingName\": \"fixed\" } } } }\n";
    ctl_ok(r, "template", "create", "t", "-", "--validity-days", "7");
    ctl_json(r, "template", "show", "t");
    assert_int_equal(at(r, "certificateValidityDays")->valueint, 7);
    ctl_fails(r, 1, "template", "create", "u", "-", "--validity-days", "36501");
}

static const struct CMUnitTest ctl_claim[] = {
    cmocka_unit_test(times_are_read_as_people_type_them),
    cmocka_unit_test(times_that_are_none_are_not_guessed),
    cmocka_unit_test(rates_are_read_and_told),
    RIG_TEST(limits_are_given_shown_and_lifted),
    RIG_TEST(limits_that_make_no_sense_are_refused),
    RIG_TEST(template_of_a_ca_is_given_once),
    RIG_TEST(claim_is_suspended_and_resumed),
    RIG_TEST(values_are_allowed_by_word_and_taken_off),
    RIG_TEST(values_come_from_a_file_a_line_each),
    RIG_TEST(values_that_are_none_are_refused_with_their_line),
    RIG_TEST(what_was_done_before_a_mistake_is_told),
    RIG_TEST(more_words_than_there_may_be_are_refused_and_none_is_lost),
    RIG_TEST(template_says_what_becomes_of_certificates),
};

int main(void)
{
    return cmocka_run_group_tests(ctl_claim, NULL, NULL);
}
