/* provctl's command line: the tables, what they take and refuse, the help, the man page,
 * completion. */
#include "ctl/ctl.h"
#include "unit/test_ctl.h"

#include "ctl/help.h"

/* ---- what is taken --------------------------------------------------------------------------- */

static void options_stand_anywhere(void **state)
{
    struct rig *r = *state;

    ctl_ok(r, "--db", r->db, "thing", "create", "a", "--attr=k=v");
    ctl_ok(r, "thing", "--json", "show", "a");
    says(r->out, "\"k\": \"v\"");
    ctl_ok(r, "thing", "show", "a", "--json");
    says(r->out, "\"k\": \"v\"");
    ctl_ok(r, "--json", "thing", "show", "a");
    says(r->out, "\"k\": \"v\"");
}

static void two_dashes_end_the_options(void **state)
{
    struct rig *r = *state;

    ctl_ok(r, "thing", "create", "--", "-a");
    ctl_fails(r, 1, "thing", "show", "-a");
    ctl_ok(r, "thing", "show", "--", "-a");
}

static void value_that_looks_like_a_noun_is_a_value(void **state)
{
    struct rig *r = *state;

    ctl_ok(r, "type", "create", "thing");
    ctl_ok(r, "--type", "thing", "thing", "create", "thing");
    ctl_ok(r, "--limit", "5", "thing", "list", "--type", "thing");
    says(r->out, "thing  ");
}

static void switch_is_on_off_or_alone(void **state)
{
    static const struct {
        const char *value;
        const char *expected;
    } cases[] = {
        { "--auto-register", "auto-register on" },
        { "--auto-register=off", "auto-register off" },
        { "--auto-register=on", "auto-register on" },
    };
    struct rig *r = *state;

    ctl_ok(r, "ca", "register", "--sni-only", "--auto-register", r->ca_file);
    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        ctl_ok(r, "ca", "update", cases[i].value, r->ca_hex);
        says(r->out, cases[i].expected);
    }
    ctl_ok(r, "ca", "update", "--auto-register", "off", r->ca_hex);
    says(r->out, "auto-register off");
    ctl_fails(r, 1, "ca", "update", r->ca_hex, "--auto-register=maybe");
    says(r->err, "is on or off");
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void mistakes_are_told_with_what_was_meant(void **state)
{
    struct rig *r = *state;
    static const struct {
        const char *words[8];
        const char *expected;
    } cases[] = {
        { { "certificate", "list" },
          "there is no command \"certificate\"; did you mean \"cert\"?" },
        { { "thnig", "list" }, "did you mean \"thing\"?" },
        { { "xyzzy" }, "there is no command \"xyzzy\"\n" },
        { { "cert", "lst" }, "provctl cert does not know \"lst\"; did you mean \"list\"?" },
        { { "cert", "fly" }, "provctl cert does not know \"fly\"\n" },
        { { "policy", "version", "shw", "p", "1" }, "provctl policy does not know \"version\"" },
        { { "cert", "list", "--limt", "3" }, "there is no option --limt; did you mean --limit?" },
        { { "cert", "list", "--fly" }, "there is no option --fly\n" },
        { { "cert", "list", "-l" }, "there is no option -l\n" },
        { { "cert", "list", "--jsn" }, "did you mean --json?" },
        { { "cert", "list", "--limit" }, "--limit needs a value behind it" },
        { { "cert", "list", "--limit", "many" }, "--limit: \"many\" is no whole number" },
        { { "cert", "list", "--limit", "-1" }, "--limit: \"-1\" is no whole number" },
        { { "cert", "list", "--limit", "4294967296" }, "is no whole number" },
        { { "cert", "list", "--limit", "1", "--limit", "2" }, "--limit is given twice" },
        { { "cert", "list", "--status", "ACTVE" }, "did you mean ACTIVE?" },
        { { "cert", "list", "--status", "good" },
          "\"good\" is not one of "
          "ACTIVE|INACTIVE|REVOKED|PENDING_TRANSFER|PENDING_ACTIVATION" },
        { { "cert", "show", "--pem=yes", "12345678" }, "--pem takes no value" },
        { { "cert", "show" }, "CERT is missing: provctl cert show CERT" },
        { { "group", "add", "g" }, "THING is missing: provctl group add GROUP THING" },
        { { "cert", "show", "a", "b" }, "\"b\" is one word too many" },
        { { "init", "a", "b", "c", "d", "e", "f" }, "is one word too many" },
        { { "cert", "show", "a", "--force" }, "--force does not go with provctl cert show" },
        { { "check", "--force" }, "--force does not go with provctl check" },
    };

    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        ctl_expect_fail(r, 1, cases[i].words, __FILE__, __LINE__);
        says(r->err, cases[i].expected);
    }
}

static void mistake_names_the_help_that_fits(void **state)
{
    struct rig *r = *state;

    ctl_fails(r, 1, "nonsense");
    says(r->err, "`provctl help` tells more");
    ctl_fails(r, 1, "cert", "nonsense");
    says(r->err, "`provctl help cert` tells more");
    ctl_fails(r, 1, "cert", "show");
    says(r->err, "`provctl help cert show` tells more");
    ctl_fails(r, 1, "check", "x");
    says(r->err, "`provctl help check` tells more");
}

static void too_many_options_are_refused(void **state)
{
    struct rig *r = *state;
    const char *words[CTL_MAX_GIVEN + 8];
    char *argv[CTL_MAX_GIVEN + 8];
    struct ctl_args args;
    struct prov_err err;
    int n = 0;

    (void)r;
    words[n++] = "provctl";
    words[n++] = "check";
    while (n < CTL_MAX_GIVEN + 2)
        words[n++] = "--json";
    memcpy(argv, words, sizeof words);
    argv[n] = NULL;
    assert_int_equal(ctl_args_parse(n, argv, &args, &err), PROV_OK);
    argv[n++] = (char *)"--json";
    argv[n] = NULL;
    assert_int_equal(ctl_args_parse(n, argv, &args, &err), PROV_EINVAL);
    says(err.text, "too many options");
}

static void line_may_end_anywhere(void **state)
{
    struct rig *r = *state;
    char *full[] = { (char *)"provctl",
                     (char *)"--db",
                     (char *)"/nowhere",
                     (char *)"policy",
                     (char *)"version",
                     (char *)"create",
                     (char *)"p",
                     (char *)"--set-default",
                     (char *)"--json",
                     (char *)"-",
                     NULL };
    struct ctl_args args;
    struct prov_err err;

    (void)r;
    for (int n = (int)PROV_COUNT(full) - 1; n > 0; n--) {
        const enum prov_rc rc = ctl_args_parse(n, full, &args, &err);

        assert_int_equal(rc, n == 10 ? PROV_OK : PROV_EINVAL);
        full[n - 1] = NULL;
    }
    assert_int_equal(ctl_args_parse(0, full, &args, &err), PROV_EINVAL);
}

/* ---- help ------------------------------------------------------------------------------------ */

static void nothing_asked_shows_the_help_and_is_no_success(void **state)
{
    struct rig *r = *state;

    ctl_run(r, (const char *const[]){ NULL });
    assert_int_equal(r->code, 1);
    assert_string_equal(r->out, "");
    says(r->err, "A first hour:");
    ctl_fails(r, 1, "cert");
    says(r->err, "register FILE");
    ctl_ok(r, "--help");
    says(r->out, "A first hour:");
    ctl_ok(r, "help");
    says(r->out, "A first hour:");
    ctl_ok(r, "--version");
    says(r->out, "provctl 0.");
}

static void help_is_found_in_all_ways(void **state)
{
    struct rig *r = *state;

    ctl_ok(r, "help", "cert", "update");
    says(r->out, "provctl cert update CERT --status ACTIVE|INACTIVE|REVOKED");
    ctl_ok(r, "cert", "update", "--help");
    says(r->out, "provctl cert update CERT");
    ctl_ok(r, "cert", "-h", "update", "x", "--status", "nonsense");
    says(r->out, "provctl cert update CERT");
    ctl_ok(r, "help", "policy", "version", "set-default");
    says(r->out, "provctl policy version set-default POLICY VERSION");
    ctl_ok(r, "cert", "--help");
    says(r->out, "\n  update CERT ");
    ctl_fails(r, 1, "help", "crt");
    says(r->err, "did you mean \"cert\"?");
}

/* Calls f for each verb that people are to know of. */
static void
each_verb(void (*f)(void *ctx, const struct ctl_noun *noun, const struct ctl_verb *verb), void *ctx)
{
    for (size_t i = 0; i < ctl_n_nouns; i++) {
        for (size_t j = 0; j < ctl_nouns[i]->n_verbs; j++) {
            if (!ctl_nouns[i]->hidden)
                f(ctx, ctl_nouns[i], &ctl_nouns[i]->verbs[j]);
        }
    }
}

static void check_help(void *ctx, const struct ctl_noun *noun, const struct ctl_verb *verb)
{
    struct ctl_args args = { .noun = noun, .verb = verb };
    struct prov_buf out;
    const char *text, *line;
    char command[64];

    (void)ctx;
    prov_buf_init(&out, 65536);
    ctl_help(&args, 80, &out);
    text = prov_buf_cstr(&out);
    (void)snprintf(command, sizeof command, "provctl %s%s%s", noun->name,
                   verb->name[0] == '\0' ? "" : " ", verb->name);
    assert_int_equal(strncmp(text, command, strlen(command)), 0);
    assert_string_not_equal(verb->summary, "");
    for (const struct ctl_option *o = verb->options; o != NULL && o->help != NULL; o++) {
        char option[64];

        (void)snprintf(option, sizeof option, "\n  --%s", ctl_opt_name(o->id));
        says(text, option);
        assert_true((o->value != NULL) + (o->choices != NULL) +
                        (ctl_opt_kind(o->id) == CTL_FLAG || ctl_opt_kind(o->id) == CTL_SWITCH) ==
                    1);
    }
    if (strcmp(verb->name, "registration-code") != 0) {
        (void)snprintf(command, sizeof command, "\n  provctl %s", noun->name);
        says(text, command); /* an example */
    }
    for (line = text; line != NULL && *line != '\0'; line = strchr(line, '\n')) {
        line += *line == '\n';
        assert_true(ctl_width(prov_span(line, strcspn(line, "\n"))) <= 90);
    }
    prov_buf_release(&out);
}

static void every_verb_teaches_with_an_example(void **state)
{
    (void)state;
    each_verb(check_help, NULL);
}

static void check_usable(void *ctx, const struct ctl_noun *noun, const struct ctl_verb *verb)
{
    struct rig *r = ctx;
    const char *rest = verb->name;
    char first[32];
    struct prov_span word;
    const char *words[4] = { noun->name };
    char second[32];

    for (size_t n = 1; ctl_item(&rest, &word); n++) {
        char *to = n == 1 ? first : second;

        (void)prov_span_copy(word, to, sizeof first);
        words[n] = to;
    }
    ctl_run(r, words);
    assert_true(r->code == 0 || r->code == 1 || r->code == 2 || r->code == 5); /* 2: no issuer */
}

/* Without words and options, on no store: nothing crashes, everything is refused or answers. */
static void every_verb_survives_being_given_nothing(void **state)
{
    each_verb(check_usable, *state);
}

/* ---- the man page ---------------------------------------------------------------------------- */

static char *read_page(void)
{
    const char *here = __FILE__, *cut = strstr(here, "tests/unit/");
    char path[TMP_PATH_MAX], *text;
    FILE *file;
    size_t n;

    assert_non_null(cut);
    (void)snprintf(path, sizeof path, "%.*sdocs/provctl.1", (int)(cut - here), here);
    file = fopen(path, "rb");
    if (file == NULL)
        fail_msg("cannot open %s", path);
    text = malloc(65536);
    assert_non_null(text);
    n = fread(text, 1, 65535, file);
    text[n] = '\0';
    (void)fclose(file);
    return text;
}

/* "\-" is '-' on the page. */
static void unescape(char *text)
{
    char *to = text;

    for (const char *from = text; *from != '\0'; from++) {
        if (from[0] == '\\' && from[1] == '-')
            from++;
        *to++ = *from;
    }
    *to = '\0';
}

/* The line of the page that describes a verb: where its name stands first. */
static const char *page_line(const char *page, const struct ctl_noun *noun,
                             const struct ctl_verb *verb)
{
    const char *leads[] = { ".BI \"", ".B ", ".BI " };
    char line[96];

    for (size_t i = 0; i < PROV_COUNT(leads); i++) {
        const char *found;

        (void)snprintf(line, sizeof line, "\n%s%s%s%s", leads[i], noun->name,
                       verb->name[0] == '\0' ? "" : " ", verb->name);
        found = strstr(page, line);
        if (found != NULL)
            return found + 1;
    }
    fail_msg("the man page lacks provctl %s %s", noun->name, verb->name);
    return NULL;
}

static void check_page(void *ctx, const struct ctl_noun *noun, const struct ctl_verb *verb)
{
    const char *line = page_line(ctx, noun, verb);
    const size_t n = strcspn(line, "\n");

    for (const struct ctl_option *o = verb->options; o != NULL && o->help != NULL; o++) {
        char option[64], copy[1024];

        (void)snprintf(option, sizeof option, "--%s", ctl_opt_name(o->id));
        assert_true(prov_span_copy(prov_span(line, n), copy, sizeof copy));
        if (strstr(copy, option) == NULL)
            fail_msg("the man page lacks %s of provctl %s %s", option, noun->name, verb->name);
    }
}

static void man_page_has_every_verb_and_option(void **state)
{
    char *page = read_page();

    (void)state;
    unescape(page);
    each_verb(check_page, page);
    free(page);
}

/* ---- completion ------------------------------------------------------------------------------ */

static void completion_offers_what_may_come_next(void **state)
{
    struct rig *r = *state;
    static const struct {
        const char *words[8];
        const char *expected;
    } cases[] = {
        { { "" },
          "init\nca\ncert\nissuer\nclaim\nthing\ngroup\ntype\nbilling-"
          "group\npolicy\ntemplate\nexplain\n"
          "status\ncheck\nbackup\nhelp\n" },
        { { "b" }, "billing-group\nbackup\n" },
        { { "comp" }, "" },
        { { "nonsense", "" }, "" },
        { { "ca", "re" }, "register\nregistration-code\n" },
        { { "help", "ca", "u" }, "update\n" },
        { { "policy", "version", "" }, "create\nlist\nshow\nset-default\ndelete\n" },
        { { "cert", "update", "x", "--st" }, "--status\n" },
        { { "cert", "update", "x", "--status", "" }, "ACTIVE\nINACTIVE\nREVOKED\n" },
        { { "cert", "update", "x", "--status", "RE" }, "REVOKED\n" },
        { { "ca", "register", "" }, "@file\n" },
        { { "ca", "register", "a", "--verification-cert", "" }, "@file\n" },
        { { "backup", "" }, "@dir\n" },
        { { "claim", "re" }, "resume\n" },
        { { "claim", "create", "x", "--out", "" }, "@dir\n" },
        { { "claim", "allow", "x", "y", "z", "--f" }, "--file\n" },
        { { "issuer", "create", "--key-type", "" }, "ec-p256\nrsa2048\n" },
        { { "cert", "create", "--csr", "" }, "@file\n" },
        { { "init", "--server-" }, "--server-cert\n--server-key\n--server-name\n" },
        { { "init", "--devices", "f" }, "factory\n" },
        { { "init", "--templates", "" }, "@dir\n" },
        { { "--db", "" }, "@dir\n" },
        { { "thing", "show", "" }, "lamp-1\nlamp-2\nzebra\n" },
        { { "thing", "show", "lamp-" }, "lamp-1\nlamp-2\n" },
        { { "thing", "show", "lamp-1" }, "lamp-1\n" },
        { { "thing", "show", "m" }, "" },
        { { "thing", "show", "lamp-1", "" }, "" },
        { { "--json", "group", "add", "" }, "g\n" },
        { { "group", "add", "g", "z" }, "zebra\n" },
        { { "policy", "attach", "p", "--group", "" }, "g\n" },
        { { "check", "--" }, "--db\n--json\n--help\n--version\n" },
    };

    ctl_ok(r, "thing", "create", "lamp-1");
    ctl_ok(r, "thing", "create", "lamp-2");
    ctl_ok(r, "thing", "create", "zebra");
    ctl_ok(r, "group", "create", "g");
    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        const char *words[12] = { "complete", "--" };

        memcpy(words + 2, cases[i].words, sizeof cases[i].words);
        ctl_expect(r, 0, words, __FILE__, __LINE__);
        assert_string_equal(r->out, cases[i].expected);
        assert_string_equal(r->err, "");
    }
}

static void completion_of_ids_begins_where_they_were_begun(void **state)
{
    struct rig *r = *state;
    char some[4], line[16], whole[PROV_ID_HEX + 2];

    rig_register(r);
    (void)snprintf(line, sizeof line, "%.12s\n", r->leaf_hex);
    (void)snprintf(whole, sizeof whole, "%s\n", r->leaf_hex);
    for (size_t n = 0; n < 4; n++) {
        (void)prov_span_copy(prov_span(r->leaf_hex, n), some, sizeof some);
        ctl_ok(r, "complete", "--", "cert", "show", some);
        assert_string_equal(r->out, line);
    }
    ctl_ok(r, "complete", "--", "thing", "attach", "a", "--cert", r->leaf_hex);
    assert_string_equal(r->out, whole);
    ctl_ok(r, "complete", "--", "cert", "show", "not-hex");
    assert_string_equal(r->out, "");
}

static void completion_without_a_store_is_silent(void **state)
{
    struct rig *r = *state;

    ctl_ok(r, "complete", "--", "--db", "/nowhere", "thing", "show", "");
    assert_string_equal(r->out, "");
    assert_string_equal(r->err, "");
    ctl_ok(r, "complete");
    says(r->out, "init\n");
}

static const struct CMUnitTest ctl_args[] = {
    RIG_TEST(options_stand_anywhere),
    RIG_TEST(two_dashes_end_the_options),
    RIG_TEST(value_that_looks_like_a_noun_is_a_value),
    RIG_TEST(switch_is_on_off_or_alone),
    RIG_TEST(mistakes_are_told_with_what_was_meant),
    RIG_TEST(mistake_names_the_help_that_fits),
    RIG_TEST(too_many_options_are_refused),
    RIG_TEST(line_may_end_anywhere),
    RIG_TEST(nothing_asked_shows_the_help_and_is_no_success),
    RIG_TEST(help_is_found_in_all_ways),
    RIG_TEST(every_verb_teaches_with_an_example),
    RIG_TEST(every_verb_survives_being_given_nothing),
    RIG_TEST(man_page_has_every_verb_and_option),
    RIG_TEST(completion_offers_what_may_come_next),
    RIG_TEST(completion_of_ids_begins_where_they_were_begun),
    RIG_TEST(completion_without_a_store_is_silent),
};

int main(void)
{
    return cmocka_run_group_tests(ctl_args, NULL, NULL);
}
