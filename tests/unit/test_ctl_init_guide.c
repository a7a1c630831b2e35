/* `provctl init` as a conversation: questions, answers that will not do, and its end at any of
 * them. */
#include "unit/test_ctl_init.h"

#include "ctl/ctl.h"
#include "unit/test_ctl_terminal.h"

/* The answers of a first run with devices of both kinds. */
static const char *const first_run[] = {
    "123456789012", /* account id */
    "eu-central-1", /* region */
    "both",         /* devices */
    "",             /* the factory's CA: later */
    "1",            /* its template */
    "",             /* and policy */
    "",             /* the template of devices with a claim */
    "2",            /* and policy */
    "make",         /* issuer */
    "18883",        /* port */
    "1",            /* the server's certificate */
    " broker.example ",
    "y",
};
#define FIRST_RUN PROV_COUNT(first_run)

/* The first n of them, a line each. */
static const char *answers(size_t n, char text[static 1024])
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < n; i++)
        used += (size_t)snprintf(text + used, 1024 - used, "%s\n", first_run[i]);
    return n != 0 ? text : NULL;
}

static void questions_lead_to_what_options_lead_to(void **state)
{
    struct init_rig *i = *state;
    struct rig *r = &i->r;
    char text[1024], *conf;

    r->input = answers(FIRST_RUN, text);
    ctl_ok(r, IN(i), "--guide");
    says(r->out, "What will be made\n");
    says(r->out, "Make it? [y] ");
    says(r->out, "made      template       fleet-by-serial\n");
    r->input = NULL;
    conf = read_etc(i, "conf.d/provisioning.conf");
    says(conf, "listener 18883\n");
    free(conf);
    ctl_json(r, "init");
    assert_string_equal(text_at(r, "accountId"), "123456789012");
    assert_string_equal(text_at(r, "region"), "eu-central-1");
    ctl_ok(r, "template", "show", "fleet-by-serial");
    says(r->out, "\"PolicyName\": \"telemetry-device\"");
    ctl_ok(r, "template", "show", "jitp-by-cn");
    ctl_ok(r, "issuer", "show");
}

static void end_of_the_input_at_any_question_leaves_nothing(void **state)
{
    struct init_rig *i = *state;
    char text[1024];

    for (size_t n = 0; n < FIRST_RUN; n++) {
        i->r.input = answers(n, text);
        ctl_run(&i->r, WORDS(IN(i), "--guide"));
        if (i->r.code != 1)
            fail_msg("after %zu answers the exit code is %d:\n%s", n, i->r.code, i->r.out);
        says(i->r.err, "the input ended before everything was answered; nothing was made");
        assert_int_equal(files_made(i), 0);
        assert_int_equal(access(i->r.db, F_OK), -1);
    }
    i->r.input = answers(FIRST_RUN, text);
    ctl_ok(&i->r, IN(i), "--guide");
    assert_true(files_made(i) != 0);
}

static void no_makes_nothing(void **state)
{
    static const char *const noes[] = { "n\n", "No\n", "what?\n\nn\n" };
    struct init_rig *i = *state;
    char text[1024];

    for (size_t n = 0; n + 1 < PROV_COUNT(noes); n++) {
        (void)answers(FIRST_RUN - 1, text);
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s", noes[n]);
        i->r.input = text;
        ctl_denies(&i->r, 4, IN(i), "--guide");
        says(i->r.out, "Nothing was made.");
        assert_int_equal(files_made(i), 0);
    }
    /* neither yes nor no is asked again; Enter is yes */
    (void)answers(FIRST_RUN - 1, text);
    (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s", noes[2]);
    i->r.input = text;
    ctl_ok(&i->r, IN(i), "--guide");
    says(i->r.out, "  y or n\n");
    assert_true(files_made(i) != 0);
}

static void answer_that_will_not_do_is_explained_and_asked_again(void **state)
{
    static const char input[] = "12\n\n"        /* account id */
                                "EU\n\n"        /* region */
                                "5\nfactory\n"  /* devices */
                                "/nowhere\n\n"  /* the factory's CA */
                                "nosuch\n2\n"   /* template */
                                "/nowhere\n\n"  /* policy */
                                "0\n18883\n"    /* port */
                                "3\nown\n"      /* the server's certificate */
                                "\n/nowhere\n"; /* its file: the input ends there */
    static const char *const told[] = {
        "an account id has exactly 12 digits\n[000000000000] ",
        "a region has 1 to 32 of a-z, 0-9 and -\n[local] ",
        "answer with a number or a word of the list\n[both] ",
        "/nowhere: No such file or directory\n[none] > ",
        "nor one of that name in ",
        "a port is a number from 1 to 65535\n[8883] ",
        "answer with a number or a word of the list\n[make] ",
        "this needs an answer\n> ",
    };
    struct init_rig *i = *state;

    i->r.input = input;
    ctl_run(&i->r, WORDS(IN(i), "--guide"));
    assert_int_equal(i->r.code, 1);
    for (size_t n = 0; n < PROV_COUNT(told); n++)
        says(i->r.out, told[n]);
    assert_int_equal(files_made(i), 0);
}

static void endless_answer_is_one_that_will_not_do(void **state)
{
    struct init_rig *i = *state;
    char *input = malloc(100002);

    assert_non_null(input);
    memset(input, 'x', 100000);
    memcpy(input + 100000, "\n", 2);
    i->r.input = input;
    ctl_run(&i->r, WORDS(IN(i), "--guide"));
    assert_int_equal(i->r.code, 1);
    says(i->r.out, "an account id has exactly 12 digits");
    free(input);
}

static void what_an_option_answers_is_not_asked(void **state)
{
    struct init_rig *i = *state;
    struct rig *r = &i->r;

    r->input = "\n\n\n\n\n";
    ctl_ok(r, IN(i), "--guide", "--account-id", "123456789012", "--devices", "factory",
           "--factory-ca", r->ca_file, "--port", "18883", "--server-name", "b.example");
    says(r->out, "Region\n");
    says_not(r->out, "Account id\n");
    says_not(r->out, "How do new devices come?");
    says_not(r->out, "The port that");
    says_not(r->out, "Who issues");
    r->input = NULL;
    ctl_ok(r, "ca", "show", r->ca_hex);
}

static void second_run_asks_little_and_enter_changes_nothing(void **state)
{
    struct init_rig *i = *state;
    char text[1024], *before, *after;
    int n;

    i->r.input = answers(FIRST_RUN, text);
    ctl_ok(&i->r, IN(i), "--guide");
    before = read_etc(i, "conf.d/provisioning.conf");
    n = files_made(i);
    i->r.input = "\n";
    ctl_ok(&i->r, IN(i), "--guide");
    says(i->r.out, "There is a store already");
    says(i->r.out, "That stays as it is.");
    says(i->r.out, "[none] ");
    says(i->r.out, "Nothing is missing; nothing was changed.");
    says_not(i->r.out, "Make it?");
    says_not(i->r.out, "Account id\n");
    after = read_etc(i, "conf.d/provisioning.conf");
    assert_string_equal(before, after);
    assert_int_equal(files_made(i), n);
    free(before);
    free(after);
}

static void other_clients_are_asked_about_where_there_are_such(void **state)
{
    struct init_rig *i = *state;
    char *conf;

    write_main(i, "listener 1\n");
    i->r.input = "\n\nnone\n18883\n\n\n2\n\n";
    ctl_ok(&i->r, IN(i), "--guide");
    says(i->r.out, "What may clients do that are no devices?");
    conf = read_etc(i, "conf.d/provisioning.conf");
    says(conf, "plugin_opt_other_clients allow\n");
    free(conf);
}

/* ---- a terminal ------------------------------------------------------------------------------ */

static void terminal_is_asked_without_being_told_to(void **state)
{
    struct init_rig *i = *state;
    char *argv[] = {
        (char *)"provctl", (char *)"init",     (char *)"--etc", i->etc, (char *)"--templates",
        (char *)TEMPLATES, (char *)"--plugin", i->plugin,       NULL
    };
    struct terminal t = terminal_new(60);
    FILE *in = fdopen(dup(fileno(t.slave)), "r");
    struct ctl_io io = { .in = in, .out = t.slave, .err = t.slave };
    char out[16384];

    assert_non_null(in);
    assert_int_equal(write(t.master, "12\n\x04", 4), 4); /* one answer, then the end */
    assert_int_equal(ctl_main(&io, (int)PROV_COUNT(argv) - 1, argv), 1);
    (void)fclose(in);
    terminal_end(&t, out, sizeof out);
    says(out, "Account id");
    says(out, "an account id has exactly 12 digits");
    says(out, "nothing was made");
    for (char *line = strtok_r(out, "\r\n", &argv[0]); line != NULL;
         line = strtok_r(NULL, "\r\n", &argv[0]))
        assert_true(strlen(line) <= 90); /* of which some bytes are colours */
    assert_int_equal(files_made(i), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        INIT_TEST(questions_lead_to_what_options_lead_to),
        INIT_TEST(end_of_the_input_at_any_question_leaves_nothing),
        INIT_TEST(no_makes_nothing),
        INIT_TEST(answer_that_will_not_do_is_explained_and_asked_again),
        INIT_TEST(endless_answer_is_one_that_will_not_do),
        INIT_TEST(what_an_option_answers_is_not_asked),
        INIT_TEST(second_run_asks_little_and_enter_changes_nothing),
        INIT_TEST(other_clients_are_asked_about_where_there_are_such),
        INIT_TEST(terminal_is_asked_without_being_told_to),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
