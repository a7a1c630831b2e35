/* The forms that a configuration comes in: INI, JSON, and aws-iot-device-client's JSON. */
#include "test_agent_conf.h"

#include "device-agent/port/posix/conf.h"

#define AT(n) "/etc/agent.conf:" n ": "

/* ---- words ----------------------------------------------------------------------------------- */

static void unknown_words_are_refused_with_the_nearest(void **state)
{
    static const struct {
        const char *text, *begins, *holds;
    } cases[] = {
        { "[brokr]\n", AT("1"), "no section 'brokr'; did you mean 'broker'?" },
        { "[nothing like it]\n", AT("1"), "no section 'nothing'; write broker, device, claim" },
        { "[]\n", AT("1"), "write broker" },
        { "[Broker]\n", AT("1"), "did you mean 'broker'?" },
        { "[broker]\nprot = 1\n", AT("2") "broker.prot: ", "did you mean 'port'?" },
        { "[broker]\nca-file = a\n", AT("2") "broker.ca-file: ", "did you mean 'ca_file'?" },
        { "[broker]\ntemplate = a\n", AT("2") "broker.template: ", "write it in section device" },
        { "[broker]\nbolt = a\n", AT("2") "broker.bolt: ", "leave it out" },
        { "[broker]\nqqqqqq = a\n", AT("2") "broker.qqqqqq: ", "leave it out" },
        { "[identity]\nrenew = 5%\n", AT("2") "identity.renew: ", "did you mean 'renew_at'?" },
        { "[device]\nmethod = trusteduser\n", AT("2") "device.method: ",
          "'trusteduser' is not known; write jit, claim or trusted-user; did you mean "
          "'trusted-user'?" },
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++)
        assert_refused(cases[i].text, cases[i].begins, cases[i].holds);
}

static void what_is_given_twice_is_refused_even_with_the_same_value(void **state)
{
    (void)state;
    assert_refused("[broker]\nport = 1\n\nport = 1\n",
                   AT("4") "broker.port: ", "on line 2 already");
    assert_refused("[broker]\n[device]\n[broker]\n", AT("3"), "broker was on line 1 already");
    assert_refused("{\"broker\":{\"port\":1,\n\"port\":1}}",
                   AT("2") "broker.port: ", "on line 1 already");
    assert_refused("{\"broker\":{},\n\"broker\":{}}", AT("2"), "on line 1 already");
}

static void secrets_are_in_no_text(void **state)
{
#define SECURE(members) "{\"endpoint\":\"b\",\"secure-element\":{" members "}}"
    static const char *const texts[] = {
        "[identity]\npkcs11 = pkcs11:token=t?pin-value=S3cret\n",
        "[identity]\npkcs11 = pkcs11:object=o;x=S3cret\n",
        "[claim]\nkey = pkcs11:pin-value=S3cret\n",
        "[broker]\nhost = pkcs11:object=o?pin-value=S3cret\n",
        "[broker]\nport = pin-value=S3cret\n",
        "[broker]\npkcs11:object=o?pin-value=S3cret\n",
        "[broker]\n?pin-value=S3cret\n",
        "[pkcs11:object=o?pin-value=S3cret]\n",
        "pkcs11:object=o?pin-value=S3cret\n",
        "[broker]\nproxy = http://user:S3cret@proxy.example\n",
        "[broker]\nproxy = user:S3cret@proxy.example:80\n",
        "[broker]\nalpn = http://user:S3cret@proxy.example:80\n",
        "[identity]\npkcs11 = \"pkcs11:object=o?pin-value=S3cret\n",
        "[parameters]\npkcs11:object=o?pin-value=S3cret\n",
        "{\"identity\":{\"pkcs11\":\"pkcs11:pin-value=S3cret\"}}",
        "{\"identity\":{\"pkcs11:pin-value=S3cret\":1}}",
        "{\"pkcs11:pin-value=S3cret\":1}",
        "{\"identity\":{\"pkcs11\":\"pkcs11:pin-value=S3cret}}",
        SECURE("\"enabled\":true,\"secure-element-pin\":\"S3cret\""),
        SECURE("\"secure-element-pin\":{\"S3cret\":1}"),
        SECURE("\"secure-element-pin=S3cret\":1"),
    };
#undef SECURE
    struct conf conf;
    (void)state;

    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_int_equal(parse(texts[i], &conf), AGENT_CONFIG);
        if (strstr(result.text, "S3cret") != NULL || strstr(notes, "S3cret") != NULL)
            fail_msg("%s", result.text);
    }
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static void bytes_that_are_no_text_are_refused_with_their_line(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *holds;
    } cases[] = {
        { "\n[\0]", 4, "UTF-8" },     { "\n# \xc3", 4, "UTF-8" },
        { "\n\xff\xfe", 3, "UTF-8" }, { "\n# \x1b[2J", 7, "control character" },
        { "\n# \x7f", 4, "control" }, { "\n# \xc2\x9b", 5, "control" },
    };
    static const char claim[] = CLAIM;
    static char large[CONF_MAX_BYTES + 1];
    struct conf conf;
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(parse_bytes(cases[i].bytes, cases[i].n, &conf), AGENT_CONFIG);
        assert_ptr_equal(strstr(result.text, AT("2")), result.text);
        assert_non_null(strstr(result.text, cases[i].holds));
    }
    memset(large, '\n', sizeof large);
    memcpy(large, claim, sizeof claim - 1);
    assert_int_equal(parse_bytes(large, CONF_MAX_BYTES, &conf), AGENT_OK);
    conf_release(&conf);
    assert_int_equal(parse_bytes(large, CONF_MAX_BYTES + 1, &conf), AGENT_CONFIG);
    assert_non_null(strstr(result.text, "longer than 65536"));
}

static void end_of_a_long_file_name_is_shown(void **state)
{
    char name[200];
    struct conf conf;
    (void)state;

    memset(name, 'x', sizeof name);
    memcpy(name + 190, "/a.conf", 8);
    assert_int_equal(conf_parse(name, (struct agent_span){ (const uint8_t *)"x", 1 }, NULL, NULL,
                                &conf, &result),
                     AGENT_CONFIG);
    assert_non_null(strstr(result.text, "x/a.conf:1: is neither"));
    assert_int_equal(strncmp(result.text, "...x", 4), 0);
}

/* ---- INI ------------------------------------------------------------------------------------- */

static void values_are_read_with_quotes_and_without(void **state)
{
    static const struct {
        const char *written, *value;
    } cases[] = {
        { "a", "a" },
        { "  a b  ", "a b" },
        { "\ta\t", "a" },
        { "a\r", "a" },
        { "\"a\"", "a" },
        { "\"  a  \"  ", "  a  " },
        { "\"a \\\"b\\\" \\\\n\"", "a \"b\" \\n" },
        { "\"# a ; b\"", "# a ; b" },
        { "a\\b", "a\\b" },
        { "a\"b", "a\"b" },
        { "a#b;c", "a#b;c" },
        { "a = b", "a = b" },
        { "'a'", "'a'" },
        { "\"\"", "" },
        { "Gr\xc3\xbc\xc3\x9f"
          "e",
          "Gr\xc3\xbc\xc3\x9f"
          "e" },
    };
    char text[512];
    struct conf conf;
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        (void)snprintf(text, sizeof text, "%s[parameters]\nname =%s\n", CLAIM, cases[i].written);
        assert_taken(text, &conf);
        assert_string_equal(conf.agent.params[0].name, "name");
        assert_string_equal(conf.agent.params[0].value, cases[i].value);
        conf_release(&conf);
    }
}

static void lines_are_read_with_comments_and_space_around(void **state)
{
    struct conf conf;
    (void)state;

    assert_taken("# a\n ; b = c\r\n\t\n  [ broker ]  \r\n host=b\n\tca_file\t=\tc\r\n" CLAIM_FILES
                     CLAIM_DEVICE "keys = device",
                 &conf);
    assert_string_equal(conf.net.host, "b");
    assert_string_equal(conf.net.ca_file, "/etc/c");
    conf_release(&conf);
}

static void lines_that_are_none_are_refused(void **state)
{
    static const struct {
        const char *text, *begins, *holds;
    } cases[] = {
        { "\nhost\n", AT("2"), "neither [section] nor key = value" },
        { "host = a\n", AT("1"), "in no section; write [broker]" },
        { "[broker\n", AT("1"), "no ]" },
        { "[broker] # b\n", AT("1"), "no ]" },
        { "[\n", AT("1"), "no ]" },
        { "[broker]\nhost =\n", AT("2") "broker.host: ", "has no value" },
        { "[broker]\nhost = \"\"\n", AT("2") "broker.host: ", "has no value" },
        { "[broker]\n= a\n", AT("2") "broker.: ", "no such key" },
        { "[broker]\nhost = \"a\n", AT("2"), "open at the line's end" },
        { "[broker]\nhost = \"\n", AT("2"), "open at the line's end" },
        { "[broker]\nhost = \"a\\\n", AT("2"), "only" },
        { "[broker]\nhost = \"a\\\"\n", AT("2"), "open at the line's end" },
        { "[broker]\nhost = \"a\\n\"\n", AT("2"), "only \\\" and \\\\ are known" },
        { "[broker]\nhost = \"a\" b\n", AT("2"), "behind the quotes" },
        { "[broker]\nhost = a # b\n", AT("2"), "line of its own" },
        { "[broker]\nhost = a\t; b\n", AT("2"), "line of its own" },
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++)
        assert_refused(cases[i].text, cases[i].begins, cases[i].holds);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void json_form_has_the_same_sections_and_keys(void **state)
{
    static const char text[] =
        " \n{\"broker\":{\"host\":\"b\",\"port\":8884,\"ca_file\":\"c\"},\n"
        "\"claim\":{\"certificate\":\"\\u0063\",\"key\":\"k\"},"
        "\"device\":{\"client_id\":\"d\",\"method\":\"claim\",\"template\":\"t\"},"
        "\"parameters\":{\"a\\/b\":\"\"},\"service\":{\"stay_connected\":true}}\n";
    char good[sizeof text], *at;
    struct conf conf;
    (void)state;

    assert_refused(text, AT("3") "parameters.a: ", "is no name");
    memcpy(good, text, sizeof text);
    at = strstr(good, "a\\/b");
    assert_non_null(at);
    at[1] = at[2] = '_';
    assert_taken(good, &conf);
    assert_int_equal(conf.net.port, 8884);
    assert_string_equal(conf.claim_cert, "/etc/c");
    assert_string_equal(conf.agent.params[0].name, "a__b");
    assert_string_equal(conf.agent.params[0].value, "");
    assert_true(conf.agent.stay);
    conf_release(&conf);
}

static void json_that_is_none_or_says_something_else_is_refused(void **state)
{
    static const struct {
        const char *text, *begins, *holds;
    } cases[] = {
        { "{\n\"broker\":\n{\"host\" \"a\"}}", AT("3"), "no JSON from here on" },
        { "{\"broker\":{}}\n}", AT("2"), "no JSON" },
        { "{", AT("1"), "no JSON" },
        { "{}", "/etc/agent.conf: broker.host: ", "is missing" },
        { "{\"broker\":1}", AT("1"), "section broker is no object" },
        { "{\"broker\":[]}", AT("1"), "section broker is no object" },
        { "{\"brokr\":{}}", AT("1"), "did you mean 'broker'?" },
        { "{\"\":{}}", AT("1"), "there is no section" },
        { "{\"broker\":{\n\"host\":null}}", AT("2") "broker.host: ", "is no value" },
        { "{\"broker\":{\n\"host\":{}}}", AT("2") "broker.host: ", "is no value" },
        { "{\"broker\":{\n\"host\":[\"a\"]}}", AT("2") "broker.host: ", "is no value" },
        { "{\"broker\":{\"port\":1.5}}", AT("1") "broker.port: ", "'1.5' is not legal" },
        { "{\"broker\":{\"port\":1e3}}", AT("1") "broker.port: ", "'1e3' is not legal" },
        { "{\"broker\":{\"host\":\"a\\nb\"}}", AT("1") "broker.host: ", "control character" },
        { "{\"broker\":{\"host\":\"a\\u009b\"}}", AT("1") "broker.host: ", "control character" },
        { "{\"parameters\":{\"n\":1}}", AT("1") "parameters.n: ", "write it in quotes" },
        { "{\"parameters\":{\"n\":true}}", AT("1") "parameters.n: ", "write it in quotes" },
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++)
        assert_refused(cases[i].text, cases[i].begins, cases[i].holds);
}

/* ---- aws-iot-device-client ------------------------------------------------------------------- */

#define AWS_REST "\"root-ca\":\"/r\",\"thing-name\":\"t\""
#define AWS "\"endpoint\":\"b.example\",\"cert\":\"/c\",\"key\":\"/k\"," AWS_REST

static void device_clients_configuration_without_fleet_provisioning_is_an_identity(void **state)
{
    struct conf conf;
    (void)state;

    assert_taken("{" AWS "}", &conf);
    assert_string_equal(conf.net.host, "b.example");
    assert_int_equal(conf.net.port, 443);
    assert_string_equal(conf.net.alpn, "x-amzn-mqtt-ca");
    assert_string_equal(notes, AT("1") "endpoint: port 443 with ALPN, as aws-iot-device-client "
                                       "does; write HOST:PORT for another\n");
    assert_string_equal(conf.net.ca_file, "/r");
    assert_int_equal(conf.agent.method, AGENT_METHOD_JIT);
    assert_string_equal(conf.agent.client_id, "t");
    assert_string_equal(conf.claim_cert, "/c");
    assert_string_equal(conf.claim_key, "/k");
    assert_true(conf.agent.stay);
    assert_null(conf.agent.template_name);
    conf_release(&conf);
}

static void device_clients_fleet_provisioning_is_the_method_claim(void **state)
{
    struct conf conf;
    (void)state;

    assert_taken("{" AWS ",\"fleet-provisioning\":{\"enabled\":true,\"template-name\":\"fleet\","
                 "\"template-parameters\":\"{\\\"Serial\\\": \\\"42\\\", \\\"b\\\": \\\"\\\"}\","
                 "\"csr-file\":\"\"}}",
                 &conf);
    assert_int_equal(conf.agent.method, AGENT_METHOD_CLAIM);
    assert_string_equal(conf.agent.template_name, "fleet");
    assert_true(conf.agent.create_keys); /* as that client does without a request of its own */
    assert_true(conf.agent.keep_claim);  /* likewise */
    assert_int_equal(conf.agent.n_params, 2);
    assert_string_equal(conf.agent.params[0].name, "Serial");
    assert_string_equal(conf.agent.params[0].value, "42");
    conf_release(&conf);

    assert_taken("{" AWS ",\"fleet-provisioning\":{\"enabled\":true,\"template-name\":\"fleet\",\n"
                 "\"csr-file\":\"/a\",\"device-key\":\"/b\"}}",
                 &conf);
    assert_false(conf.agent.create_keys);
    assert_non_null(strstr(notes, AT("2") "fleet-provisioning.csr-file: is not read"));
    assert_non_null(strstr(notes, AT("2") "fleet-provisioning.device-key: is not read"));
    conf_release(&conf);

    assert_taken("{" AWS ",\"fleet-provisioning\":{\"enabled\":false,\"template-name\":\"x\"}}",
                 &conf);
    assert_int_equal(conf.agent.method, AGENT_METHOD_JIT);
    conf_release(&conf);
}

static void device_clients_endpoint_may_name_a_port(void **state)
{
    struct conf conf;
    (void)state;

    assert_taken("{\"endpoint\":\"b.example:8883\",\"cert\":\"c\",\"key\":\"k\"," AWS_REST "}",
                 &conf);
    assert_string_equal(conf.net.host, "b.example");
    assert_int_equal(conf.net.port, 8883);
    assert_null(conf.net.alpn);
    assert_string_equal(notes, "");
    conf_release(&conf);
    assert_taken("{\"endpoint\":\"2001:db8::1\",\"cert\":\"c\",\"key\":\"k\"," AWS_REST "}", &conf);
    assert_string_equal(conf.net.host, "2001:db8::1");
    conf_release(&conf);
}

static void device_clients_secure_element_is_a_key_in_a_token(void **state)
{
    struct conf conf;
    (void)state;

    assert_taken("{\"endpoint\":\"b\",\"cert\":\"c\"," AWS_REST
                 ",\"secure-element\":{\"enabled\":true,"
                 "\"pkcs11-lib\":\"/usr/lib/p.so\",\"secure-element-pin\":\"12;4\","
                 "\"secure-element-key-label\":\"my key\",\"secure-element-slot-id\":7,"
                 "\"secure-element-token-label\":\"greengrass\"}}",
                 &conf);
    assert_string_equal(conf.claim_key,
                        "pkcs11:object=my%20key;token=greengrass;slot-id=7;type=private"
                        "?module-path=%2Fusr%2Flib%2Fp.so&pin-value=12%3B4");
    conf_release(&conf);
    assert_taken("{" AWS ",\"secure-element\":{\"enabled\":false,\"pkcs11-lib\":\"\"}}", &conf);
    assert_string_equal(conf.claim_key, "/k");
    conf_release(&conf);
}

static void device_clients_other_features_are_noted(void **state)
{
    struct conf conf;
    (void)state;

    assert_taken("{\"endpoint\":\"b:1\",\"cert\":\"c\",\"key\":\"k\"," AWS_REST ",\n"
                 "\"logging\":{\"level\":\"DEBUG\",\"sdk-log-file\":\"x\"},\n"
                 "\"jobs\":{\"enabled\":true},\n"
                 "\"samples\":{\"pub-sub\":{\"enabled\":true,\"publish-on-change\":false}},\n"
                 "\"sensor-publish\":{\"sensors\":[{\"name\":\"a\"}]}}",
                 &conf);
    assert_string_equal(
        notes,
        AT("2") "logging: means nothing to this agent\n" AT(
            "3") "jobs: means nothing to this agent\n" AT("4") "samples: means nothing to this "
                                                               "agent\n" AT("5") "sensor-publish: "
                                                                                 "means nothing to "
                                                                                 "this agent\n");
    conf_release(&conf);
}

static void device_clients_configuration_with_a_mistake_is_refused(void **state)
{
#define FP                                                                                         \
    ",\n\"fleet-provisioning\":{\"enabled\":true,\"template-name\":\"t\",\"template-parameters\":"
    static const struct {
        const char *text, *begins, *holds;
    } cases[] = {
        { "{\"endpoint\":\"b\"}", "/etc/agent.conf: key: ", "is missing" },
        { "{\"endpoint\":\"\"}", AT("1") "endpoint: ", "is missing" },
        { "{\"endpoint\":\"b\",\"key\":\"k\"," AWS_REST "}", "/etc/agent.conf: cert: ", "missing" },
        { "{\"endpoint\":\"b\",\"cert\":\"c\",\"key\":\"k\",\"thing-name\":\"t\"}",
          "/etc/agent.conf: root-ca: ", "broker's CA" },
        { "{\"endpoint\":\"b\",\"cert\":\"c\",\"key\":\"k\",\"root-ca\":\"r\"}",
          "/etc/agent.conf: thing-name: ", "is missing" },
        { "{" AWS ",\n\"thing-nam\":1}", AT("2") "thing-nam: ", "did you mean 'thing-name'?" },
        { "{" AWS ",\n\"jobs\":{\"enable\":1}}", AT("2") "jobs.enable: ", "'jobs.enabled'?" },
        { "{" AWS ",\n\"jobs\":1}", AT("2") "jobs: ", "is no object" },
        { "{" AWS ",\n\"cert\":\"c\"}", AT("2") "cert: ", "on line 1 already" },
        { "{" AWS ",\n\"jobs\":{},\"jobs\":{}}", AT("2") "jobs: ", "already" },
        { "{" AWS ",\n\"http-proxy-host\":\"a\"}", AT("2") "http-proxy-host: ", "broker.proxy" },
        { "{" AWS ",\n\"zzzzzzzzzzzz\":1}", AT("2") "zzzzzzzzzzzz: ", "leave it out" },
        { "{" AWS ",\n\"fleet-provisioning\":{\"enabled\":\"yes\"}}",
          AT("2") "fleet-provisioning.enabled: ", "true or false" },
        { "{" AWS ",\n\"fleet-provisioning\":{\"enabled\":null}}",
          AT("2") "fleet-provisioning.enabled: ", "true or false" },
        { "{" AWS ",\"fleet-provisioning\":{\"enabled\":true}}",
          "/etc/agent.conf: fleet-provisioning.template-name: ", "is missing" },
        { "{" AWS FP "\"x\"}}",
          AT("2") "fleet-provisioning.template-parameters: ", "no JSON object" },
        { "{" AWS FP "\"{\\\"a\\\":1}\"}}",
          AT("2") "fleet-provisioning.template-parameters: ", "in quotes" },
        { "{" AWS FP "{\"a\":\"b\"}}}",
          AT("2") "fleet-provisioning.template-parameters: ", "in quotes" },
        { "{\"endpoint\":\"b:x\",\"cert\":\"c\",\"key\":\"k\"," AWS_REST "}",
          AT("1") "endpoint: ", "1 to 65535" },
        { "{\"endpoint\":\"b\",\"cert\":\"~/c\",\"key\":\"k\"," AWS_REST "}",
          AT("1") "cert: ", "whole path" },
        { "{\"endpoint\":1}", AT("1") "endpoint: ", "in quotes" },
        { "{\"endpoint\":\"b\",}", AT("1"), "no JSON" },
        { "{\"endpoint\":\"b\",\"secure-element\":{\"enabled\":true}}",
          "/etc/agent.conf: secure-element.secure-element-key-label: ", "is missing" },
    };
#undef FP
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++)
        assert_refused(cases[i].text, cases[i].begins, cases[i].holds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_words_are_refused_with_the_nearest),
        cmocka_unit_test(what_is_given_twice_is_refused_even_with_the_same_value),
        cmocka_unit_test(secrets_are_in_no_text),
        cmocka_unit_test(bytes_that_are_no_text_are_refused_with_their_line),
        cmocka_unit_test(end_of_a_long_file_name_is_shown),
        cmocka_unit_test(values_are_read_with_quotes_and_without),
        cmocka_unit_test(lines_are_read_with_comments_and_space_around),
        cmocka_unit_test(lines_that_are_none_are_refused),
        cmocka_unit_test(json_form_has_the_same_sections_and_keys),
        cmocka_unit_test(json_that_is_none_or_says_something_else_is_refused),
        cmocka_unit_test(device_clients_configuration_without_fleet_provisioning_is_an_identity),
        cmocka_unit_test(device_clients_fleet_provisioning_is_the_method_claim),
        cmocka_unit_test(device_clients_endpoint_may_name_a_port),
        cmocka_unit_test(device_clients_secure_element_is_a_key_in_a_token),
        cmocka_unit_test(device_clients_other_features_are_noted),
        cmocka_unit_test(device_clients_configuration_with_a_mistake_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
