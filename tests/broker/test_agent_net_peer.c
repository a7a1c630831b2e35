/*
 * The agent's connection to what is no broker, or a strange one: which failure is told as what, and
 * that nothing of it waits for the other side.
 *
 * ctest timeout: 240
 * ctest labels: tsan
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <netinet/in.h>
#include <sys/socket.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "device-agent/port/posix/net.h"
#include "support/agent_net.h"
#include "support/broker.h"
#include "support/net_peer.h"

struct fixture {
    struct agent_net agent;
    struct net_peer *peer, *proxy;
};

static int set_up(void **state)
{
    static struct fixture f;

    agent_net_up(&f.agent);
    f.peer = f.proxy = NULL;
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    agent_net_close(&f->agent);
    net_peer_stop(f->proxy);
    net_peer_stop(f->peer);
    agent_net_down(&f->agent);
    return 0;
}

static uint16_t start(struct fixture *f, const struct net_peer_spec *spec)
{
    net_peer_stop(f->peer);
    f->peer = net_peer_start(spec);
    return net_peer_port(f->peer);
}

/* A TLS server that answers CONNECT with these bytes. */
static struct net_peer_spec answering(const struct fixture *f, const void *answer, size_t n)
{
    return (struct net_peer_spec){
        .way = NET_PEER_TLS, .cert = &f->agent.server, .answer = answer, .answer_n = n
    };
}

static const uint8_t connack[] = { 0x20, 2, 0, 0 };

/* ---- no connection --------------------------------------------------------------------------- */

static void port_that_nobody_listens_on_is_a_matter_of_the_network(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t n = sizeof at;

    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    agent_net_fails(&f->agent, ntohs(at.sin_port), AGENT_NETWORK, "cannot connect to localhost:");
    (void)close(fd);
}

static void name_without_an_address_is_a_matter_of_the_network(void **state)
{
    struct fixture *f = *state;

    f->agent.conf.host = "no-such-host.invalid";
    agent_net_fails(&f->agent, 8883, AGENT_NETWORK, "no address for no-such-host.invalid");
}

static void peer_that_does_not_speak_tls_is_a_matter_of_the_network(void **state)
{
    static const enum net_peer_way ways[] = { NET_PEER_CLOSES, NET_PEER_PLAIN };
    static const char *const texts[] = { "localhost", "wrong version number" };
    struct fixture *f = *state;

    for (size_t i = 0; i < 2; i++) {
        const uint16_t port = start(f, &(struct net_peer_spec){ .way = ways[i] });

        agent_net_fails(&f->agent, port, AGENT_NETWORK, texts[i]);
    }
}

static void silent_peer_is_given_up_after_a_while(void **state)
{
    struct fixture *f = *state;
    const struct net_peer_spec specs[] = { { .way = NET_PEER_SILENT }, answering(f, "", 0) };

    f->agent.conf.connect_ms = 1000;
    for (size_t i = 0; i < 2; i++)
        agent_net_fails(&f->agent, start(f, &specs[i]), AGENT_NETWORK, "did not answer within 1 s");
}

/* In whatever stage it is: DONE is there with the call's return, and nothing else comes. */
static void connection_that_is_being_made_can_be_given_up(void **state)
{
    struct fixture *f = *state;
    const struct net_peer_spec specs[] = { { .way = NET_PEER_SILENT }, answering(f, "", 0) };
    struct agent_event event;

    for (size_t i = 0; i < 4; i++) {
        agent_net_open(&f->agent, start(f, &specs[i % 2]));
        agent_net_connect(&f->agent, NULL, "agent-1");
        if (i >= 2) /* otherwise before Paho knows of it */
            net_peer_await(f->peer, 1);
        net_disconnect(f->agent.net);
        assert_true(net_event(f->agent.net, &event));
        assert_int_equal(event.kind, AGENT_EV_DONE);
        assert_int_equal(event.act, AGENT_ACT_DISCONNECT);
        assert_false(net_event(f->agent.net, &event));
        agent_net_close(&f->agent);
    }
}

static void connection_after_one_that_was_given_up_works(void **state)
{
    struct fixture *f = *state;
    const struct net_peer_spec spec = answering(f, connack, sizeof connack);

    agent_net_open(&f->agent, start(f, &spec));
    for (int i = 0; i < 3; i++) {
        agent_net_connect(&f->agent, NULL, "agent-1");
        net_disconnect(f->agent.net);
        agent_net_done(&f->agent, AGENT_ACT_DISCONNECT);
    }
    agent_net_connect(&f->agent, NULL, "agent-1");
    agent_net_done(&f->agent, AGENT_ACT_CONNECT);
}

/* ---- TLS ------------------------------------------------------------------------------------- */

static void end_of_a_connection_before_its_connack_is_a_refusal(void **state)
{
    static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
    struct fixture *f = *state;

    for (size_t i = 0; i < 2; i++) {
        struct net_peer_spec spec = answering(f, NULL, 0);

        spec.version = versions[i];
        agent_net_fails(&f->agent, start(f, &spec), AGENT_REFUSED,
                        "closed the connection without an answer");
    }
}

static void tls_before_1_2_is_not_spoken(void **state)
{
    struct fixture *f = *state;
    struct net_peer_spec spec = answering(f, connack, sizeof connack);

    spec.version = spec.old_version = TLS1_1_VERSION;
    agent_net_fails(&f->agent, start(f, &spec), AGENT_NETWORK, "alert");
}

static void name_of_the_server_goes_out_before_its_certificate_comes(void **state)
{
    struct fixture *f = *state;
    const struct net_peer_spec spec = answering(f, connack, sizeof connack);

    agent_net_joined(&f->agent, start(f, &spec), "agent-1");
    assert_string_equal(net_peer_sni(f->peer), "localhost");
    assert_string_equal(net_peer_alpn(f->peer), "");
}

static void protocol_is_agreed_on_where_it_is_configured(void **state)
{
    struct fixture *f = *state;
    struct net_peer_spec spec = answering(f, connack, sizeof connack);

    spec.alpn = f->agent.conf.alpn = "x-amzn-mqtt-ca";
    agent_net_joined(&f->agent, start(f, &spec), "agent-1");
    assert_string_equal(net_peer_alpn(f->peer), "x-amzn-mqtt-ca");

    spec.alpn = "mqtt";
    agent_net_fails(&f->agent, start(f, &spec), AGENT_CONFIG, "does not speak \"x-amzn-mqtt-ca\"");
}

/* ---- MQTT ------------------------------------------------------------------------------------ */

static void connack_that_says_no_is_told_by_its_code(void **state)
{
    static const struct {
        uint8_t code;
        enum agent_class class;
        const char *text;
    } rows[] = {
        { 1, AGENT_CONFIG, "MQTT 3.1.1" },
        { 2, AGENT_REFUSED, "client id" },
        { 3, AGENT_BUSY, "not available" },
        { 4, AGENT_REFUSED, "password" },
        { 5, AGENT_REFUSED, "lacks iot:Connect (CONNACK 5)" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const uint8_t answer[] = { 0x20, 2, 0, rows[i].code };
        const struct net_peer_spec spec = answering(f, answer, sizeof answer);

        agent_net_fails(&f->agent, start(f, &spec), rows[i].class, rows[i].text);
    }
}

static void subscription_that_is_not_granted_is_refused(void **state)
{
    static const char *const topics[] = { "a", "b" };
    static const uint8_t one[] = { 0x90, 3, 0, 1, 0x80 }, both[] = { 0x90, 4, 0, 1, 1, 0x80 },
                         fine[] = { 0x90, 4, 0, 1, 1, 1 };
    const struct {
        const uint8_t *suback;
        size_t n, topics;
        enum agent_class class;
    } rows[] = {
        { one, sizeof one, 1, AGENT_REFUSED },
        { both, sizeof both, 2, AGENT_REFUSED },
        { fine, sizeof fine, 2, AGENT_OK },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct port_result result = { .class = AGENT_OK };
        struct net_peer_spec spec = answering(f, connack, sizeof connack);

        spec.next = rows[i].suback;
        spec.next_n = rows[i].n;
        agent_net_joined(&f->agent, start(f, &spec), "agent-1");
        net_subscribe(f->agent.net, topics, rows[i].topics, &result);
        assert_int_equal(result.class, AGENT_OK);
        if (rows[i].class == AGENT_OK)
            agent_net_done(&f->agent, AGENT_ACT_SUBSCRIBE);
        else
            agent_net_ends(&f->agent, AGENT_EV_FAILED, rows[i].class, "lacks iot:Subscribe");
        agent_net_close(&f->agent);
    }
}

/* What a broker sends that is out of its mind, or is somebody else. */
static void nonsense_inside_tls_ends_in_a_failure(void **state)
{
    static const uint8_t answers[][8] = {
        { 0x00, 0x00 },                         /* no such packet */
        { 0x20, 0x00 },                         /* CONNACK without content */
        { 0x20, 0xff, 0xff, 0xff, 0xff, 0xff }, /* a length with no end */
        { 0xf0, 0x02, 0xff, 0xff },
    };
    struct fixture *f = *state;

    f->agent.conf.connect_ms = 1000;
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        const struct net_peer_spec spec = answering(f, answers[i], sizeof answers[i]);
        struct agent_event event;

        agent_net_open(&f->agent, start(f, &spec));
        agent_net_connect(&f->agent, NULL, "agent-1");
        event = agent_net_event(&f->agent);
        assert_int_equal(event.kind, AGENT_EV_FAILED);
        assert_int_not_equal(event.class, AGENT_OK);
        agent_net_close(&f->agent);
    }
}

/* ---- a proxy --------------------------------------------------------------------------------- */

static void connect_goes_through_the_configured_proxy(void **state)
{
    struct fixture *f = *state;
    const struct net_peer_spec spec = answering(f, connack, sizeof connack);
    char proxy[64], line[64];

    f->proxy = net_peer_start(&(struct net_peer_spec){ .way = NET_PEER_PROXY });
    (void)snprintf(proxy, sizeof proxy, "http://ann:s%%40c@127.0.0.1:%u",
                   (unsigned)net_peer_port(f->proxy));
    f->agent.conf.proxy = proxy;
    agent_net_joined(&f->agent, start(f, &spec), "agent-1");
    (void)snprintf(line, sizeof line, "CONNECT localhost:%u HTTP/1.1\r\n",
                   (unsigned)net_peer_port(f->peer));
    assert_non_null(strstr(net_peer_request(f->proxy), line));
    assert_non_null(strstr(net_peer_request(f->proxy), "Basic YW5uOnNAYw==")); /* ann:s@c */
    assert_string_equal(net_peer_sni(f->peer), "localhost");
}

static void proxy_that_says_no_is_a_matter_of_the_network(void **state)
{
    struct fixture *f = *state;
    char proxy[64];

    f->proxy = net_peer_start(&(struct net_peer_spec){
        .way = NET_PEER_PROXY, .refusal = "HTTP/1.1 403 Forbidden\r\n\r\n" });
    (void)snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", (unsigned)net_peer_port(f->proxy));
    f->agent.conf.proxy = proxy;
    agent_net_fails(&f->agent, 8883, AGENT_NETWORK, "through the proxy");
}

/* Paho looks there if it is told of none. */
static void proxy_of_the_environment_is_not_used(void **state)
{
    struct fixture *f = *state;
    const struct net_peer_spec spec = answering(f, connack, sizeof connack);

    agent_net_joined(&f->agent, start(f, &spec), "agent-1");
    assert_null(getenv("https_proxy"));
    assert_null(getenv("http_proxy"));
}

static void percent_sign_that_paho_would_not_survive_is_refused(void **state)
{
    struct fixture *f = *state;
    struct port_result result = { .class = AGENT_OK };

    f->agent.conf.proxy = "http://ann:50%off@127.0.0.1:3128";
    agent_net_open(&f->agent, 8883);
    net_connect(f->agent.net, "agent-1", (struct agent_span){ NULL, 0 },
                (struct agent_span){ NULL, 0 }, NULL, &result);
    assert_int_equal(result.class, AGENT_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(proxy_of_the_environment_is_not_used, set_up, tear_down),
        cmocka_unit_test_setup_teardown(port_that_nobody_listens_on_is_a_matter_of_the_network,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(name_without_an_address_is_a_matter_of_the_network, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(peer_that_does_not_speak_tls_is_a_matter_of_the_network,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(silent_peer_is_given_up_after_a_while, set_up, tear_down),
        cmocka_unit_test_setup_teardown(connection_that_is_being_made_can_be_given_up, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(connection_after_one_that_was_given_up_works, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(end_of_a_connection_before_its_connack_is_a_refusal, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(tls_before_1_2_is_not_spoken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(name_of_the_server_goes_out_before_its_certificate_comes,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(protocol_is_agreed_on_where_it_is_configured, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(connack_that_says_no_is_told_by_its_code, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(subscription_that_is_not_granted_is_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(nonsense_inside_tls_ends_in_a_failure, set_up, tear_down),
        cmocka_unit_test_setup_teardown(connect_goes_through_the_configured_proxy, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(proxy_that_says_no_is_a_matter_of_the_network, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(percent_sign_that_paho_would_not_survive_is_refused, set_up,
                                        tear_down),
    };

    /* before the first net_new; nobody listens there */
    if (setenv("https_proxy", "http://127.0.0.1:1", 1) != 0 ||
        setenv("http_proxy", "http://127.0.0.1:1", 1) != 0)
        return 2;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
