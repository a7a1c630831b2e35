/* provctl's way through a broker, as far as no broker is needed: URLs, the options, messages and
 * the answers to them. */
#include "core/api.h"
#include "ctl/call.h"
#include "ctl/remote_msg.h"
#include "ctl/remote_url.h"
#include "support/alloc.h"
#include "unit/test_ctl.h"

/* ---- URLs ------------------------------------------------------------------------------------ */

static void urls_name_a_broker(void **state)
{
    static const struct {
        const char *url;
        bool tls;
        const char *host, *port, *uri;
    } cases[] = {
        { "mqtts://broker.example", true, "broker.example", "8883", "ssl://broker.example:8883" },
        { "mqtts://broker.example/", true, "broker.example", "8883", "ssl://broker.example:8883" },
        { "mqtts://192.0.2.7:1", true, "192.0.2.7", "1", "ssl://192.0.2.7:1" },
        { "mqtts://[2001:db8::7]:65535", true, "2001:db8::7", "65535",
          "ssl://[2001:db8::7]:65535" },
        { "mqtt://localhost", false, "localhost", "1883", "tcp://localhost:1883" },
        { "mqtt://127.0.0.9:99", false, "127.0.0.9", "99", "tcp://127.0.0.9:99" },
        { "mqtt://[::1]", false, "::1", "1883", "tcp://[::1]:1883" },
    };
    struct ctl_address to;
    struct prov_err err;

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        assert_int_equal(ctl_address_parse(cases[i].url, &to, &err), PROV_OK);
        assert_int_equal(to.tls, cases[i].tls);
        assert_string_equal(to.host, cases[i].host);
        assert_string_equal(to.port, cases[i].port);
        assert_string_equal(to.uri, cases[i].uri);
    }
}

static void urls_that_name_none_are_refused_with_what_is_right(void **state)
{
    static const struct {
        const char *url, *expected;
    } cases[] = {
        { "", "is no mqtts://" },
        { "broker.example", "is no mqtts://HOST[:PORT]" },
        { "https://broker.example", "is no mqtts://" },
        { "MQTTS://broker.example", "is no mqtts://" },
        { "mqtts://", "has no host" },
        { "mqtts://:8883", "has no host" },
        { "mqtts://[::1", "has no host" },
        { "mqtts://a b", "has no host" },
        { "mqtts://a\nb", "has no host" },
        { "mqtts://a:", "has no port" },
        { "mqtts://a:0", "has no port" },
        { "mqtts://a:65536", "has no port" },
        { "mqtts://a:100000", "has no port" },
        { "mqtts://a:88x", "behind the port" },
        { "mqtts://a/b", "behind the port" },
        { "mqtts://u:p@a", "holds a user" },
        { "mqtt://broker.example", "mqtt:// is for localhost" },
        { "mqtt://localhost.example", "mqtt:// is for localhost" },
    };
    struct ctl_address to;
    struct prov_err err;

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        assert_int_equal(ctl_address_parse(cases[i].url, &to, &err), PROV_EINVAL);
        says(err.text, cases[i].expected);
        says_not(err.text, "u:p");
    }
}

static void host_that_is_too_long_is_refused(void **state)
{
    char url[512] = "mqtts://";
    struct ctl_address to;
    struct prov_err err;

    (void)state;
    memset(url + strlen(url), 'a', 300);
    assert_int_equal(ctl_address_parse(url, &to, &err), PROV_EINVAL);
}

/* ---- the options ----------------------------------------------------------------------------- */

#define URL "--url", "mqtts://localhost:1"

static void options_that_do_not_go_together_are_refused_before_anything_is_done(void **state)
{
    static const struct {
        const char *words[12];
        const char *expected;
    } cases[] = {
        { { "thing", "list", URL, "--db", "x" }, "--db and --url exclude each other" },
        { { "thing", "list", "--cafile", "x" }, "--cafile goes with --url" },
        { { "thing", "list", "--cert", "x" }, "--cert goes with --url" },
        { { "thing", "list", "--timeout", "3" }, "--timeout goes with --url" },
        { { "policy", "attach", "p", "--cert", "x", "--username", "u" },
          "--username goes with --url" },
        { { "thing", "list", URL, "--timeout", "0" }, "--timeout is from 1 to" },
        { { "thing", "list", URL, "--timeout", "3601" }, "--timeout is from 1 to" },
        { { "thing", "list", URL, "--key", "x" }, "a key needs its certificate" },
        { { "thing", "list", URL, "--cert", "x", "--client-cert", "y" }, "give each once" },
        { { "thing", "list", URL, "--password-file", "x" }, "--username NAME" },
        { { "thing", "list", URL, "--username", "u", "--password-file", "/nowhere" },
          "/nowhere: cannot be opened" },
        { { "thing", "list", URL, "--cafile", "/nowhere" }, "--cafile: /nowhere cannot be opened" },
        { { "policy", "attach", "p", URL, "--cert", "x", "--key", "y" }, "yours is --client-cert" },
        { { "thing", "attach", "a", URL, "--cert", "x", "--client-key", "y" },
          "yours is --client-cert" },
        { { "thing", "list", "--url", "mqtt://broker.example" }, "mqtt:// is for localhost" },
        { { "init", URL }, "provctl init works on the store itself" },
        { { "check", URL }, "provctl check works on the store itself" },
        { { "backup", "x", URL }, "provctl backup works on the store itself" },
    };
    struct rig *r = *state;

    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        ctl_expect_fail(r, 1, cases[i].words, __FILE__, __LINE__);
        says(r->err, cases[i].expected);
    }
}

static void files_of_the_connection_are_looked_into(void **state)
{
    struct rig *r = *state;
    char key[TMP_PATH_MAX], other[TMP_PATH_MAX], text[TMP_PATH_MAX];

    (void)tmp_path(r->dir, "leaf.key", key);
    (void)tmp_path(r->dir, "ca.key", other);
    write_file(r, "text", "hello", text);
    ctl_fails(r, 1, "thing", "list", URL, "--cafile", text);
    says(r->err, "holds no certificate in PEM");
    ctl_fails(r, 1, "thing", "list", URL, "--cert", key, "--key", key);
    says(r->err, "--client-cert: ");
    ctl_fails(r, 1, "thing", "list", URL, "--cert", r->leaf_file);
    says(r->err, "holds no private key in PEM: --client-key FILE names where it is");
    ctl_fails(r, 1, "thing", "list", URL, "--cert", r->leaf_file, "--key", other);
    says(r->err, "is not that of the certificate in");
    ctl_fails(r, 6, "thing", "list", URL, "--cert", r->leaf_file, "--key", key);
    says(r->err, "cannot be reached");
}

static void store_goes_before_the_environment_and_lint_needs_neither(void **state)
{
    struct rig *r = *state;

    assert_int_equal(setenv("PROVCTL_URL", "mqtts://localhost:1", 1), 0);
    ctl_fails(r, 6, "thing", "list");
    says(r->err, "localhost:1 cannot be reached");
    ctl_ok(r, "--db", r->db, "thing", "create", "a");
    ctl_fails(r, 1, "check");
    says(r->err, "PROVCTL_URL is set here");
    ctl_ok(r, "--db", r->db, "check");
    r->input = POLICY_TEXT;
    ctl_ok(r, "policy", "lint", "-");
    ctl_ok(r, "complete", "--", "thing", "show", "");
    assert_string_equal(r->out, "");
    ctl_ok(r, "complete", "--", "--db", r->db, "thing", "show", "");
    assert_string_equal(r->out, "a\n");
    assert_int_equal(unsetenv("PROVCTL_URL"), 0);
    ctl_ok(r, "complete", "--", URL, "thing", "show", "");
    assert_string_equal(r->out, "");
}

static void unreachable_broker_is_code_6_and_a_document_under_json(void **state)
{
    struct rig *r = *state;

    ctl_json_code(r, 6, URL, "status");
    assert_string_equal(text_at(r, "error.code"), "ServiceUnavailableException");
    says(text_at(r, "error.message"), "Connection refused");
}

static void completion_offers_the_connection_where_it_can_be_used(void **state)
{
    struct rig *r = *state;

    ctl_ok(r, "complete", "--", "cert", "show", "x", "--c");
    assert_string_equal(r->out, "--cafile\n--cert\n--client-cert\n--client-key\n");
    ctl_ok(r, "complete", "--", "policy", "attach", "x", "--c");
    assert_string_equal(r->out, "--cert\n--cafile\n--client-cert\n--client-key\n");
    ctl_ok(r, "complete", "--", "cert", "show", "x", "--cert", "");
    assert_string_equal(r->out, "@file\n");
    ctl_ok(r, "complete", "--", "backup", "x", "--u");
    assert_string_equal(r->out, "");
}

/* ---- messages -------------------------------------------------------------------------------- */

static void message_is_one_command_with_its_params(void **state)
{
    cJSON *params = cJSON_Parse("{\"thingName\":\"a\"}");
    struct prov_buf out;
    struct prov_err err;

    (void)state;
    assert_int_equal(ctl_message_make("describeThing", "7", params, &out, &err), PROV_OK);
    assert_string_equal(prov_buf_cstr(&out),
                        "{\"commands\":[{\"thingName\":\"a\",\"command\":\"describeThing\","
                        "\"correlationData\":\"7\"}]}");
    prov_buf_release(&out);
    cJSON_Delete(params);
}

static void message_beyond_what_a_broker_takes_is_refused(void **state)
{
    char *text = malloc(PROV_MAX_API_PAYLOAD + 1);
    cJSON *params = cJSON_CreateObject();
    struct prov_buf out;
    struct prov_err err;

    (void)state;
    assert_non_null(text);
    memset(text, 'x', PROV_MAX_API_PAYLOAD);
    text[PROV_MAX_API_PAYLOAD] = '\0';
    assert_non_null(cJSON_AddStringToObject(params, "crl", text));
    assert_int_equal(ctl_message_make("importCertificateRevocationList", "1", params, &out, &err),
                     PROV_ETOOBIG);
    says(err.text, "more than the 4 MB");
    prov_buf_release(&out);
    cJSON_Delete(params);
    free(text);
}

struct answer {
    bool ours;
    cJSON *data;
    struct prov_err err;
    enum prov_rc rc;
};

static struct answer read_answer(const char *text)
{
    struct answer a = { .ours = false };

    memset(&a.err, 0x55, sizeof a.err);
    a.rc = ctl_message_read(S(text), "7", &a.ours, &a.data, &a.err);
    return a;
}

static void answer_is_found_by_its_correlation(void **state)
{
    static const struct {
        const char *text;
        bool ours;
    } cases[] = {
        { "{\"responses\":[{\"command\":\"x\",\"correlationData\":\"7\",\"data\":{\"a\":1}}]}",
          true },
        { "{\"responses\":[{\"command\":\"x\",\"correlationData\":\"6\"},"
          "{\"command\":\"x\",\"correlationData\":\"7\"}]}",
          true },
        { "{\"responses\":[{\"command\":\"x\",\"correlationData\":\"7\",\"data\":null}]}", true },
        { "{\"responses\":[{\"command\":\"x\",\"correlationData\":\"8\",\"data\":{}}]}", false },
        { "{\"responses\":[{\"command\":\"x\",\"correlationData\":7,\"data\":{}}]}", false },
        { "{\"responses\":[{\"command\":\"x\",\"data\":{}}]}", false },
        { "{\"responses\":[]}", false },
        { "{\"responses\":{\"correlationData\":\"7\"}}", false },
        { "{\"Responses\":[{\"correlationData\":\"7\"}]}", false },
        { "{}", false },
        { "[]", false },
        { "7", false },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        struct answer a = read_answer(cases[i].text);

        if (a.rc != PROV_OK || a.ours != cases[i].ours || (a.data != NULL) != a.ours)
            fail_msg("case %zu", i);
        assert_true(a.data == NULL || cJSON_IsObject(a.data));
        cJSON_Delete(a.data);
    }
}

static void answer_that_is_none_is_an_error(void **state)
{
    static const char *const texts[] = {
        "",
        "{",
        "{\"responses\":[{\"correlationData\":\"7\",\"data\":[]}]}",
        "{\"responses\":[{\"correlationData\":\"7\",\"data\":\"x\"}]}",
        "{\"responses\":[{\"correlationData\":\"7\",\"correlationData\":\"7\"}]}",
        "{\"responses\":[{\"correlationData\":\"7\"}]} {}",
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(texts); i++) {
        struct answer a = read_answer(texts[i]);

        assert_int_equal(a.rc, PROV_EBUG);
        assert_null(a.data);
        says(a.err.text, "the broker's answer makes no sense");
    }
}

static void error_is_as_the_registry_has_it(void **state)
{
    struct answer a = read_answer(
        "{\"responses\":[{\"command\":\"createPolicy\",\"correlationData\":\"7\",\"error\":\"no\","
        "\"errorCode\":\"MalformedPolicyException\",\"statusCode\":400,\"errorClass\":\"invalid\","
        "\"line\":3,\"column\":14,\"path\":\"Statement[0].Effect\"}]}");

    (void)state;
    assert_true(a.ours);
    assert_int_equal(a.rc, PROV_EINVAL);
    assert_string_equal(a.err.text, "no");
    assert_string_equal(a.err.code, "MalformedPolicyException");
    assert_int_equal(a.err.line, 3);
    assert_int_equal(a.err.col, 14);
    assert_string_equal(a.err.path, "Statement[0].Effect");
    assert_null(a.data);
}

static void error_of_a_message_that_could_not_be_read_is_ours(void **state)
{
    struct answer a = read_answer("{\"responses\":[{\"error\":\"a message is an object\","
                                  "\"errorCode\":\"InvalidRequestException\","
                                  "\"errorClass\":\"invalid\"}]}");

    (void)state;
    assert_true(a.ours);
    assert_int_equal(a.rc, PROV_EINVAL);
    assert_int_equal(a.err.line, 0);
}

static void errors_keep_within_bounds_whatever_they_say(void **state)
{
    static const char head[] = "{\"responses\":[{\"correlationData\":\"7\",\"error\":\"",
                      tail[] = "\",\"errorCode\":\"NewException\",\"errorClass\":\"strange\","
                               "\"line\":-1,\"column\":1e300,\"path\":[]}]}";
    char text[4096];
    struct answer a;

    (void)state;
    (void)snprintf(text, sizeof text, "%s", head);
    memset(text + strlen(text), 'e', 2000);
    text[strlen(head) + 2000] = '\0';
    memcpy(text + strlen(head) + 2000, tail, sizeof tail);
    a = read_answer(text);
    assert_int_equal(a.rc, PROV_EBUG);
    assert_string_equal(a.err.code, "InternalFailureException");
    assert_int_equal(strlen(a.err.text), sizeof a.err.text - 1);
    assert_int_equal(a.err.line, 0);
    assert_int_equal(a.err.col, 0);
    assert_string_equal(a.err.path, "");
}

/* Every code that the API knows a status of comes back as it was. */
static void codes_of_the_api_are_known(void **state)
{
    static const char *const codes[] = {
        "DeleteConflictException",      "CertificateStateException", "ResourceNotFoundException",
        "VersionConflictException",     "LimitExceededException",    "TransferConflictException",
        "InternalFailureException",     "ThrottlingException",       "ServiceUnavailableException",
        "CertificateConflictException",
    };
    char text[512];

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(codes); i++) {
        struct answer a;

        (void)snprintf(text, sizeof text,
                       "{\"responses\":[{\"correlationData\":\"7\",\"error\":\"e\","
                       "\"errorCode\":\"%s\",\"errorClass\":\"busy\"}]}",
                       codes[i]);
        a = read_answer(text);
        assert_string_equal(a.err.code, codes[i]);
        assert_int_equal(a.rc, PROV_EBUSY);
    }
}

static void nothing_is_lost_when_memory_runs_out(void **state)
{
    static const char text[] =
        "{\"responses\":[{\"command\":\"x\",\"correlationData\":\"7\",\"data\":{\"a\":[1,2]}}]}";
    cJSON *params = cJSON_Parse("{\"thingName\":\"a\",\"n\":{\"m\":[1]}}"), *data = NULL;
    enum prov_rc rc = PROV_OK;
    struct prov_buf out;
    struct prov_err err;
    bool ours;

    (void)state;
    for (unsigned n = 1;; n++) {
        alloc_fail_at(n);
        rc = ctl_message_make("x", "7", params, &out, &err);
        prov_buf_release(&out);
        if (!alloc_failed())
            break;
        assert_int_equal(rc, PROV_ENOMEM);
    }
    assert_int_equal(rc, PROV_OK);
    for (unsigned n = 1;; n++) {
        alloc_fail_at(n);
        rc = ctl_message_read(S(text), "7", &ours, &data, &err);
        if (!alloc_failed())
            break;
        assert_int_equal(rc, PROV_ENOMEM);
        assert_null(data);
    }
    assert_int_equal(rc, PROV_OK);
    cJSON_Delete(data);
    cJSON_Delete(params);
}

static struct ctl_params make_params(void)
{
    const struct prov_attr pairs[] = { { PROV_LIT("k"), PROV_LIT("v") },
                                       { PROV_LIT("l"), PROV_LIT("w") } };
    struct ctl_params params = ctl_params(), inner = ctl_params();

    ctl_put_pairs(&inner, "attributes", pairs, PROV_COUNT(pairs));
    ctl_put_flag(&inner, "merge", true);
    ctl_put(&params, "thingName", PROV_LIT("a"));
    ctl_put_number(&params, "version", 7);
    ctl_put_element(&params, "texts", PROV_LIT("x"));
    ctl_put_element(&params, "texts", PROV_LIT("y"));
    ctl_put_within(&params, "hook", "targetArn", PROV_LIT("exec:/x"));
    ctl_put_params(&params, "payload", &inner);
    ctl_put_pem(&params, "pem", PROV_LIT("no certificate, but bytes"));
    return params;
}

static void params_made_without_memory_are_known_to_have_failed(void **state)
{
    struct ctl_params params;

    (void)state;
    for (unsigned n = 1;; n++) {
        alloc_fail_at(n);
        params = make_params();
        if (!alloc_failed())
            break;
        assert_true(params.failed);
        ctl_params_drop(&params);
    }
    assert_false(params.failed);
    assert_int_equal(cJSON_GetArraySize(params.root), 6);
    ctl_params_drop(&params);
}

/* What a command says when memory runs out is nothing, or all of it. */
static void command_that_runs_out_of_memory_fails_or_is_whole(void **state)
{
    static const char *const commands[][8] = {
        { "--json", "thing", "show", "a" },
        { "--json", "thing", "list" },
        { "thing", "list" },
        { "--json", "explain", "a" },
        { "template", "version", "list", "t" },
        { "complete", "--", "thing", "show", "" },
    };
    struct rig *r = *state;
    char *good;
    bool failed;

    ctl_ok(r, "thing", "create", "a", "--attr", "k=v");
    rig_register(r);
    ctl_ok(r, "thing", "attach", "a", "--cert", r->leaf_hex);
    r->input = TEMPLATE_TEXT;
    ctl_ok(r, "template", "create", "t", "-", "--type", "JITP");
    for (size_t i = 0; i < PROV_COUNT(commands); i++) {
        ctl_run(r, commands[i]);
        assert_int_equal(r->code, 0);
        good = strdup(r->out);
        assert_non_null(good);
        failed = true;
        for (unsigned n = 1; failed; n++) {
            alloc_fail_at(n);
            ctl_run(r, commands[i]);
            failed = alloc_failed();
            if (r->code == 0 && strcmp(commands[i][0], "complete") != 0)
                assert_string_equal(r->out, good);
        }
        assert_int_equal(r->code, 0);
        free(good);
    }
}

static void change_that_runs_out_of_memory_is_none(void **state)
{
    struct rig *r = *state;
    bool failed = true;

    ctl_ok(r, "init");
    for (unsigned n = 1; failed; n++) {
        alloc_fail_at(n);
        ctl_run(r, WORDS("thing", "create", "a", "--attr", "k=v"));
        failed = alloc_failed();
        if (r->code != 0)
            ctl_fails(r, 2, "thing", "show", "a");
        else if (failed)
            ctl_ok(r, "thing", "delete", "a");
    }
    assert_int_equal(r->code, 0);
}

static const struct CMUnitTest ctl_remote[] = {
    cmocka_unit_test(urls_name_a_broker),
    cmocka_unit_test(urls_that_name_none_are_refused_with_what_is_right),
    cmocka_unit_test(host_that_is_too_long_is_refused),
    RIG_TEST(options_that_do_not_go_together_are_refused_before_anything_is_done),
    RIG_TEST(files_of_the_connection_are_looked_into),
    RIG_TEST(store_goes_before_the_environment_and_lint_needs_neither),
    RIG_TEST(unreachable_broker_is_code_6_and_a_document_under_json),
    RIG_TEST(completion_offers_the_connection_where_it_can_be_used),
    cmocka_unit_test(message_is_one_command_with_its_params),
    cmocka_unit_test(message_beyond_what_a_broker_takes_is_refused),
    cmocka_unit_test(answer_is_found_by_its_correlation),
    cmocka_unit_test(answer_that_is_none_is_an_error),
    cmocka_unit_test(error_is_as_the_registry_has_it),
    cmocka_unit_test(error_of_a_message_that_could_not_be_read_is_ours),
    cmocka_unit_test(errors_keep_within_bounds_whatever_they_say),
    cmocka_unit_test(codes_of_the_api_are_known),
    cmocka_unit_test(nothing_is_lost_when_memory_runs_out),
    cmocka_unit_test(params_made_without_memory_are_known_to_have_failed),
    RIG_TEST(command_that_runs_out_of_memory_fails_or_is_whole),
    RIG_TEST(change_that_runs_out_of_memory_is_none),
};

int main(void)
{
    return cmocka_run_group_tests(ctl_remote, NULL, NULL);
}
