/* What the settings of a configuration are, and how they go together. */
#include "test_agent_conf.h"

#include "device-agent/port/posix/conf.h"

/* ---- fields ---------------------------------------------------------------------------------- */

static void smallest_configuration_has_the_documented_defaults(void **state)
{
    struct conf conf;
    (void)state;

    assert_taken(CLAIM, &conf);
    assert_string_equal(conf.net.host, "broker.example");
    assert_int_equal(conf.net.port, 8883);
    assert_string_equal(conf.net.ca_file, "/etc/ca.pem");
    assert_null(conf.net.alpn);
    assert_null(conf.net.proxy);
    assert_int_equal(conf.net.keep_alive_s, 60);
    assert_int_equal(conf.net.connect_ms, 30000);
    assert_int_equal(conf.agent.connect_ms, 30000);
    assert_int_equal(conf.agent.answer_ms, 60000);
    assert_string_equal(conf.agent.client_id, "dev-1");
    assert_null(conf.agent.own_client_id);
    assert_int_equal(conf.agent.method, AGENT_METHOD_CLAIM);
    assert_string_equal(conf.agent.template_name, "fleet");
    assert_string_equal(conf.state_dir, "/var/lib/device-agent");
    assert_null(conf.device_id);
    assert_false(conf.agent.create_keys);
    assert_string_equal(conf.claim_cert, "/etc/claim.pem");
    assert_string_equal(conf.claim_key, "/etc/claim.key");
    assert_false(conf.agent.keep_claim);
    assert_int_equal(conf.agent.n_params, 0);
    assert_int_equal(conf.keys.type, KEYS_EC_P256);
    assert_null(conf.keys.pkcs11);
    assert_null(conf.group);
    assert_int_equal(conf.agent.renew_percent, 66);
    assert_false(conf.agent.stay || conf.agent.once || conf.agent.start_now);
    assert_null(conf.agent.heartbeat_topic);
    assert_int_equal(conf.agent.heartbeat_s, 60);
    assert_null(conf.net.will_topic);
    assert_null(conf.on_provisioned);
    assert_null(conf.on_renewed);
    assert_null(conf.control_socket);
    conf_release(&conf);
}

static void every_key_reaches_its_field(void **state)
{
    static const char text[] =
        "[broker]\nhost = 192.0.2.7\nport = 8884\nca_file = /a/ca\nalpn = mqtt/5\n"
        "proxy = http://user:pass@proxy.example:3128\nkeep_alive = 2m\nconnect_timeout = 5s\n"
        "answer_timeout = 1m\n"
        "[device]\nclient_id = dev-1\nmethod = claim\ntemplate = fleet\nstate_dir = /a/state\n"
        "device_id = box 7\nkeys = device\n"
        "[claim]\ncertificate = /a/cert\nkey = pkcs11:token=t;object=k\nafter_use = keep\n"
        "[parameters]\nSerialNumber = 0042\nAWS::Thing = \"\"\n"
        "[identity]\nclient_id = own-1\nkey_type = rsa-2048\npkcs11 = pkcs11:token=t;object=o\n"
        "group = telemetry\nrenew_at = 80%\n"
        "[service]\nstay_connected = yes\nheartbeat_topic = a/{thing_name}\nheartbeat = 2h\n"
        "will_topic = b/{client_id}\nwill_payload = gone\non_provisioned = /bin/a b c\n"
        "on_renewed = /bin/d\ncontrol_socket = /a/sock\n";
    struct conf conf;
    (void)state;

    assert_taken(text, &conf);
    assert_string_equal(conf.net.host, "192.0.2.7");
    assert_int_equal(conf.net.port, 8884);
    assert_string_equal(conf.net.ca_file, "/a/ca");
    assert_string_equal(conf.net.alpn, "mqtt/5");
    assert_string_equal(conf.net.proxy, "http://user:pass@proxy.example:3128");
    assert_int_equal(conf.net.keep_alive_s, 120);
    assert_int_equal(conf.net.connect_ms, 5000);
    assert_int_equal(conf.agent.connect_ms, 5000);
    assert_int_equal(conf.agent.answer_ms, 60000);
    assert_string_equal(conf.agent.client_id, "dev-1");
    assert_string_equal(conf.agent.template_name, "fleet");
    assert_string_equal(conf.state_dir, "/a/state");
    assert_string_equal(conf.device_id, "box 7");
    assert_string_equal(conf.claim_cert, "/a/cert");
    assert_string_equal(conf.claim_key, "pkcs11:token=t;object=k");
    assert_true(conf.agent.keep_claim);
    assert_int_equal(conf.agent.n_params, 2);
    assert_string_equal(conf.agent.params[0].name, "SerialNumber");
    assert_string_equal(conf.agent.params[0].value, "0042");
    assert_string_equal(conf.agent.params[1].name, "AWS::Thing");
    assert_string_equal(conf.agent.params[1].value, "");
    assert_string_equal(conf.agent.own_client_id, "own-1");
    assert_int_equal(conf.keys.type, KEYS_RSA_2048);
    assert_string_equal(conf.keys.pkcs11, "pkcs11:token=t;object=o");
    assert_string_equal(conf.group, "telemetry");
    assert_int_equal(conf.agent.renew_percent, 80);
    assert_true(conf.agent.stay);
    assert_string_equal(conf.agent.heartbeat_topic, "a/{thing_name}");
    assert_int_equal(conf.agent.heartbeat_s, 7200);
    assert_string_equal(conf.net.will_topic, "b/{client_id}");
    assert_string_equal(conf.net.will_payload, "gone");
    assert_string_equal(conf.on_provisioned, "/bin/a b c");
    assert_string_equal(conf.on_renewed, "/bin/d");
    assert_string_equal(conf.control_socket, "/a/sock");
    conf_release(&conf);
    conf_release(&conf);
}

static void what_nobody_wrote_follows_from_the_rest(void **state)
{
    struct conf conf;
    (void)state;

    assert_taken(CLAIM_FILES CLAIM_DEVICE BROKER "port = 443\n", &conf);
    assert_string_equal(conf.net.alpn, "x-amzn-mqtt-ca");
    conf_release(&conf);
    assert_taken(CLAIM_FILES CLAIM_DEVICE BROKER "port = 443\nalpn = none\n", &conf);
    assert_null(conf.net.alpn);
    conf_release(&conf);
    assert_taken(JIT, &conf);
    assert_true(conf.agent.keep_claim);
    assert_int_equal(conf.agent.renew_percent, 0); /* there is no template to renew by */
    conf_release(&conf);
    assert_taken(CLAIM "keys = broker\n[service]\nstay_connected=yes\nwill_topic=w\n", &conf);
    assert_true(conf.agent.create_keys);
    assert_string_equal(conf.net.will_payload, "");
    conf_release(&conf);
}

/* ---- values ---------------------------------------------------------------------------------- */

#define X63 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg"
#define X128 X63 X63 "xy"

/* In a configuration that is whole without it. */
static const struct {
    const char *section, *key, *good[8], *bad[12];
} values[] = {
    { "broker", "port", { "1", "65535" }, { "0", "65536", "-1", "8883x", "4294967297", "0x10" } },
    { "broker", "keep_alive", { "5s", "12h", "20m" }, { "4s", "13h", "60", "60 s", "m", "1d" } },
    { "broker",
      "connect_timeout",
      { "1s", "600s" },
      { "0s", "601s", "71582789m", "999999999h", "1.5s" } },
    { "broker", "alpn", { "x-amzn-mqtt-ca", "mqtt" }, { "two words", "a,b" } },
    { "broker",
      "proxy",
      { "http://p:3128", "http://u:p@p.example:1", "http://192.0.2.1:80" },
      { "https://p:3128", "p:3128", "http://p", "http://p:0", "http://p:65536", "http://u@p:80",
        "http://p:80/", "http://:80", "http://u:p@:80" } },
    { "device", "state_dir", { "/var/x", "x" }, { "~/x", "~" } },
    { "device", "device_id", { "a", X128, "Gerät 7" }, { X128 "z" } },
    { "device", "keys", { "device" }, { "Device", "none" } },
    { "identity", "client_id", { "a:b_c.d-E", X128 }, { "a b", "a/b", "a#", X128 "z", "é" } },
    { "identity", "key_type", { "ec-p256", "rsa-2048" }, { "ec", "rsa-4096" } },
    { "identity",
      "pkcs11",
      { "pkcs11:object=o", "pkcs11:token=a%20b;object=o?pin-value=1234" },
      { "pkcs11:", "pkcs11:token=t", "/dev/x", "pkcs11:object=o;colour=red", "pkcs11:object=%zz",
        "pkcs11:object=" } },
    { "identity", "group", { "users", "1000" }, { "-x", "a b", X63 } },
    { "identity", "renew_at", { "1%", "99%", "never" }, { "0%", "100%", "66", "%", "Never" } },
    { "service", "stay_connected", { "yes", "no" }, { "true", "1", "Yes" } },
    { "service",
      "on_provisioned",
      { "/bin/true", "/bin/echo a b", "/bin/sh -c \"a && b\"" },
      { "true", "/bin/a \"b", "/bin/sh -c 'x'", "/bin/a; b", "/bin/a > b", "/bin/$x",
        "/bin/a | b" } },
    { "service", "control_socket", { "/run/a.sock" }, { X128, "~/a" } },
    { "parameters", "A:b_c-1", { "x", "Grüße" }, { "${nobody}", "${hostname" } },
};

/* What a configuration that is whole has besides. */
static const struct {
    const char *section, *before, *within;
} frames[] = {
    { "broker", CLAIM_FILES CLAIM_DEVICE, "host = b\nca_file = c\n" },
    { "device", BROKER CLAIM_FILES, "client_id = dev-1\nmethod = claim\ntemplate = fleet\n" },
    { "", CLAIM, "" },
};

static void assert_value(size_t i, const char *value, bool good)
{
    char text[1024], begins[96];
    struct conf conf;
    unsigned line = 0;
    size_t f = 0;

    while (frames[f].section[0] != '\0' && strcmp(frames[f].section, values[i].section) != 0)
        f++;
    (void)snprintf(text, sizeof text, "%s[%s]\n%s%s = %s\n", frames[f].before, values[i].section,
                   frames[f].within, values[i].key, value);
    for (const char *c = text; *c != '\0'; c++)
        line += *c == '\n';
    (void)snprintf(begins, sizeof begins, "/etc/agent.conf:%u: %s.%s: ", line, values[i].section,
                   values[i].key);
    if (!good) {
        assert_refused(text, begins, "rite ");
        return;
    }
    assert_taken(text, &conf);
    conf_release(&conf);
}

static void values_are_taken_within_their_range_and_refused_beyond(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(values); i++) {
        for (size_t k = 0; k < COUNT(values[i].good) && values[i].good[k] != NULL; k++)
            assert_value(i, values[i].good[k], true);
        for (size_t k = 0; k < COUNT(values[i].bad) && values[i].bad[k] != NULL; k++)
            assert_value(i, values[i].bad[k], false);
    }
}

static void hosts_are_names_and_addresses(void **state)
{
    static const char *const good[] = { "a",
                                        "a.b-c.example",
                                        "192.0.2.1",
                                        "2001:db8::1",
                                        "my_box",
                                        X63 ".example",
                                        "xn--bcher-kva.example" },
                             *const bad[] = { "-a",
                                              "a-",
                                              "a..b",
                                              ".a",
                                              "a.",
                                              "192.0.2.256",
                                              "1.2.3",
                                              X63 "h.example",
                                              "a b",
                                              "a:8883",
                                              "a/b",
                                              "bücher.example",
                                              "[2001:db8::1]",
                                              X63 "." X63 "." X63 "." X63

                             };
    char text[512];
    struct conf conf;
    (void)state;

    for (size_t i = 0; i < COUNT(good); i++) {
        (void)snprintf(text, sizeof text,
                       CLAIM_FILES CLAIM_DEVICE "[broker]\nca_file = c\nhost = %s\n", good[i]);
        assert_taken(text, &conf);
        assert_string_equal(conf.net.host, good[i]);
        conf_release(&conf);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        (void)snprintf(text, sizeof text,
                       CLAIM_FILES CLAIM_DEVICE "[broker]\nca_file = c\nhost = %s\n", bad[i]);
        assert_refused(text, "/etc/agent.conf:10: broker.host: ", "a host name or an address");
    }
    assert_refused("[broker]\nhost = mqtts://a\n",
                   "/etc/agent.conf:2: broker.host: ", "broker.port");
}

static void topics_have_known_placeholders_and_no_wildcards(void **state)
{
    static const char *const good[] = { "a", "{thing_name}/{client_id}",
                                        "$aws/rules/x/{thing_name}", X128 X128 },
                             *const bad[] = { "a/+", "#",  "{thing}",    "{thing_name",
                                              "a}",  "{}", X128 X128 "z" };
    char text[1024];
    struct conf conf;
    (void)state;

    for (size_t i = 0; i < COUNT(good) + COUNT(bad); i++) {
        (void)snprintf(text, sizeof text,
                       CLAIM "[service]\nstay_connected = yes\nheartbeat_topic = \"%s\"\n",
                       i < COUNT(good) ? good[i] : bad[i - COUNT(good)]);
        if (i >= COUNT(good)) {
            assert_refused(text, "/etc/agent.conf:13: service.heartbeat_topic: ", "a topic");
            continue;
        }
        assert_taken(text, &conf);
        assert_string_equal(conf.agent.heartbeat_topic, good[i]);
        conf_release(&conf);
    }
}

/* ---- how settings go together ---------------------------------------------------------------- */

static void settings_that_do_not_go_together_are_refused(void **state)
{
    static const struct {
        const char *text, *begins, *holds;
    } cases[] = {
        { "", ": broker.host: ", "is missing; write host = ... in section broker" },
        { BROKER, ": device.client_id: ", "is missing" },
        { BROKER "[device]\nclient_id=a\n", ": device.method: ", "is missing" },
        { BROKER "[device]\nclient_id=a\nmethod=jit\n", ": claim.certificate: ", "factory" },
        { BROKER "[device]\nclient_id=a\nmethod=jit\n[claim]\ncertificate=c\n",
          ": claim.key: ", "jit needs" },
        { BROKER CLAIM_FILES "[device]\nclient_id=a\nmethod=claim\n",
          ": device.template: ", "write its name" },
        { BROKER CLAIM_DEVICE, ": claim.certificate: ", "needs a claim" },
        { BROKER "[device]\nclient_id=a\nmethod=trusted-user\ntemplate=t\n" CLAIM_FILES,
          ":9: claim.certificate: ", "leave it out" },
        { BROKER "[device]\nclient_id=a\nmethod=trusted-user\ntemplate=t\n[claim]\nkey=k\n",
          ":9: claim.key: ", "leave it out" },
        { BROKER "[device]\nclient_id=a\nmethod=trusted-user\n", ": device.template: ", "write" },
        { BROKER "[device]\nclient_id=a\nmethod=key\n",
          ":6: device.method: ", "not there yet; write jit, claim or trusted-user" },
        { JIT "after_use = delete\n", ":10: claim.after_use: ", "leave it out" },
        { JIT "[parameters]\na=b\n", ":11: parameters: ", "write device.template" },
        { JIT "[identity]\nrenew_at=50%\n", ":11: identity.renew_at: ", "write device.template" },
        { JIT "[identity]\nkey_type=ec-p256\n", ":11: identity.key_type: ", "device.template" },
        { JIT "[identity]\npkcs11=pkcs11:object=o\n", ":11: identity.pkcs11: ", "device.template" },
        { JIT "[service]\non_renewed=/bin/a\n", ":11: service.on_renewed: ", "device.template" },
        { CLAIM "[service]\nheartbeat=5s\n", ":12: service.heartbeat: ", "heartbeat_topic" },
        { CLAIM "[service]\nwill_payload=a\n", ":12: service.will_payload: ", "will_topic" },
        { CLAIM "[service]\nheartbeat_topic=a\n",
          ":12: service.heartbeat_topic: ", "stay_connected = yes" },
        { CLAIM "[service]\nwill_topic=a\n", ":12: service.will_topic: ", "stay_connected = yes" },
        { CLAIM "keys=broker\n[identity]\npkcs11=pkcs11:object=o\n",
          ":13: identity.pkcs11: ", "device.keys = device" },
        { CLAIM "keys=broker\n[identity]\nkey_type=ec-p256\n",
          ":13: identity.key_type: ", "device.keys = device" },
    };
    char begins[128];
    struct conf conf;
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        (void)snprintf(begins, sizeof begins, "/etc/agent.conf%s", cases[i].begins);
        assert_refused(cases[i].text, begins, cases[i].holds);
    }
    assert_taken(JIT "[identity]\nrenew_at=never\n", &conf);
    conf_release(&conf);
    assert_taken(BROKER "[device]\nclient_id=a\nmethod=trusted-user\ntemplate=t\n"
                        "[claim]\nafter_use=keep\n",
                 &conf);
    assert_true(conf.agent.keep_claim);
    assert_null(conf.claim_cert);
    conf_release(&conf);
}

static void parameters_fit_into_a_request(void **state)
{
    char text[8192], line[1100];
    struct conf conf;
    (void)state;

    /* as much as a request has room for behind a token and its own words, and a byte more */
    for (size_t extra = 0; extra < 2; extra++) {
        const size_t room = AGENT_MAX_REQUEST - AGENT_MAX_TOKEN - 48;

        (void)snprintf(text, sizeof text, "%s[parameters]\n", CLAIM);
        for (size_t used = 0, n = 0; used < room; n++) {
            /* "an":"…", with a comma before all but the first */
            const size_t around = 7 + (n != 0);
            size_t len = room - used - around;

            len = len > 1000 ? 1000 : len + extra;
            memset(line, 'x', len);
            line[len] = '\0';
            (void)snprintf(text + strlen(text), sizeof text - strlen(text), "a%zu = %s\n", n, line);
            used += around + len;
        }
        if (extra != 0) {
            assert_refused(text, "/etc/agent.conf:15: parameters: ", "write less than");
            continue;
        }
        assert_taken(text, &conf);
        conf_release(&conf);
    }
}

static void parameters_have_names_and_are_not_too_many(void **state)
{
    char text[2048] = CLAIM "[parameters]\n";
    struct conf conf;
    (void)state;

    for (int i = 0; i < CONF_MAX_PARAMS; i++)
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "p%d = %d\n", i, i);
    assert_taken(text, &conf);
    assert_int_equal(conf.agent.n_params, CONF_MAX_PARAMS);
    assert_string_equal(conf.agent.params[31].name, "p31");
    conf_release(&conf);
    (void)snprintf(text + strlen(text), sizeof text - strlen(text), "one = more\n");
    assert_refused(text, "/etc/agent.conf:44: parameters.one: ", "at most 32");
    assert_refused(CLAIM "[parameters]\na=1\na=1\n", "/etc/agent.conf:13: parameters.a: ", "twice");
    assert_refused(CLAIM "[parameters]\na b=1\n", "/etc/agent.conf:12: parameters.a: ", "no name");
    assert_refused(CLAIM "[parameters]\n=1\n", "/etc/agent.conf:12: parameters.: ", "no name");
    assert_refused(CLAIM "[parameters]\na =\n", "/etc/agent.conf:12: parameters.a: ", "no value");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(smallest_configuration_has_the_documented_defaults),
        cmocka_unit_test(every_key_reaches_its_field),
        cmocka_unit_test(what_nobody_wrote_follows_from_the_rest),
        cmocka_unit_test(values_are_taken_within_their_range_and_refused_beyond),
        cmocka_unit_test(hosts_are_names_and_addresses),
        cmocka_unit_test(topics_have_known_placeholders_and_no_wildcards),
        cmocka_unit_test(settings_that_do_not_go_together_are_refused),
        cmocka_unit_test(parameters_fit_into_a_request),
        cmocka_unit_test(parameters_have_names_and_are_not_too_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
