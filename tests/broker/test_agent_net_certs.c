/*
 * Whose certificate the agent accepts, which of its own are accepted, and what it says of the
 * others.
 *
 * ctest timeout: 240
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device-agent/port/posix/net.h"
#include "support/agent_net.h"
#include "support/broker.h"
#include "support/net_peer.h"
#include "support/token.h"

#define DAY_S 86400
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- the server's ---------------------------------------------------------------------------- */

static void server_that_is_not_to_be_trusted_is_told_as_what_it_is(void **state)
{
    struct agent_net *f = *state;
    struct pki_cert stranger = pki_make(&(struct pki_spec){ .subject = "/CN=Other", .ca = true });
    struct pki_cert impostor = pki_impostor(&f->ca);
    const struct {
        struct pki_spec spec;
        enum agent_class class;
        const char *text;
    } rows[] = {
        { { .san = "DNS:other.example" }, AGENT_TRUST, "is not for localhost" },
        { { .subject = "/CN=localhost", .san = "DNS:other.example" }, AGENT_TRUST, "not for" },
        { { .san = "DNS:localhost", .issuer = &stranger }, AGENT_TRUST, "not issued by a CA in" },
        { { .san = "DNS:localhost", .issuer = &impostor }, AGENT_TRUST, "not issued by a CA in" },
        { { .san = "DNS:localhost", .not_before_s = DAY_S, .not_after_s = 2 * DAY_S },
          AGENT_CLOCK,
          "not valid yet: is the clock right?" },
        { { .san = "DNS:localhost", .not_before_s = -2 * DAY_S, .not_after_s = -DAY_S },
          AGENT_TRUST,
          "has expired" },
        { { .san = "DNS:localhost", .eku = "clientAuth" }, AGENT_TRUST, "not good" },
        { { .san = "DNS:localhost", .key = PKI_RSA_1024 }, AGENT_TRUST, "not good" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct pki_spec spec = rows[i].spec;
        struct pki_cert cert;
        struct net_peer *peer;

        spec.issuer = spec.issuer != NULL ? spec.issuer : &f->ca;
        cert = pki_make(&spec);
        peer = net_peer_start(&(struct net_peer_spec){
            .way = NET_PEER_TLS, .cert = &cert, .answer = "", .weak = true });
        agent_net_fails(f, net_peer_port(peer), rows[i].class, rows[i].text);
        net_peer_stop(peer);
        pki_free(&cert);
    }
    pki_free(&impostor);
    pki_free(&stranger);
}

static void leaf_in_the_trust_file_is_trusted_itself(void **state)
{
    struct agent_net *f = *state;

    agent_net_broker(f, NULL, NULL);
    agent_net_trust(f, &f->server, NULL);
    agent_net_joined(f, agent_net_port(f), "agent-1");
}

static void trust_file_without_a_certificate_is_a_matter_of_configuration(void **state)
{
    struct agent_net *f = *state;
    struct port_result result = { .class = AGENT_OK };
    char *pem = pki_pem(f->device.x509);

    f->conf.ca_file = "/nonexistent/ca.pem";
    agent_net_open(f, 1);
    net_connect(f->net, "agent-1", (struct agent_span){ (uint8_t *)pem, strlen(pem) },
                (struct agent_span){ (uint8_t *)pem, strlen(pem) }, NULL, &result);
    assert_int_equal(result.class, AGENT_CONFIG);
    assert_non_null(strstr(result.text, "/nonexistent/ca.pem"));
    free(pem);
}

/* ---- ours ------------------------------------------------------------------------------------ */

static void certificate_that_the_broker_does_not_accept_is_refused(void **state)
{
    static const char *const lines[] = { "tls_version tlsv1.2", "tls_version tlsv1.3" };
    struct agent_net *f = *state;
    struct pki_cert stranger = pki_make(&(struct pki_spec){ .subject = "/CN=Other", .ca = true });
    const struct {
        struct pki_spec spec;
        enum agent_class class;
        const char *text;
    } rows[] = {
        { { .issuer = &stranger },
          AGENT_REFUSED,
          "refused the certificate (TLS alert 48: unknown CA)" },
        { { .issuer = &f->ca, .not_before_s = -2 * DAY_S, .not_after_s = -DAY_S },
          AGENT_REFUSED,
          "certificate expired" },
        { { .issuer = &f->ca, .not_before_s = DAY_S, .not_after_s = 2 * DAY_S },
          AGENT_CLOCK,
          "not valid yet: is the clock right?" },
    };

    for (size_t v = 0; v < COUNT(lines); v++) {
        agent_net_broker(f, NULL, lines[v]);
        for (size_t i = 0; i < COUNT(rows); i++) {
            struct pki_cert cert = pki_make(&rows[i].spec);

            agent_net_open(f, agent_net_port(f));
            agent_net_connect(f, &cert, "agent-1");
            agent_net_ends(f, AGENT_EV_FAILED, rows[i].class, rows[i].text);
            agent_net_close(f);
            pki_free(&cert);
        }
        agent_net_broker_stop(f);
    }
    pki_free(&stranger);
}

static void chain_of_an_intermediate_ca_is_sent(void **state)
{
    struct agent_net *f = *state;
    struct pki_cert sub =
        pki_make(&(struct pki_spec){ .subject = "/CN=Sub", .issuer = &f->ca, .ca = true });
    struct pki_cert leaf = pki_make(&(struct pki_spec){ .subject = "/CN=dev-2", .issuer = &sub });
    char *first = pki_pem(leaf.x509), *second = pki_pem(sub.x509), *key = pki_key_pem(leaf.key);
    struct port_result result = { .class = AGENT_OK };
    char both[8192];
    const int n = snprintf(both, sizeof both, "%s%s", first, second);

    agent_net_broker(f, NULL, NULL);
    agent_net_open(f, agent_net_port(f));
    net_connect(f->net, "agent-1", (struct agent_span){ (uint8_t *)both, (size_t)n },
                (struct agent_span){ (uint8_t *)key, strlen(key) }, NULL, &result);
    assert_int_equal(result.class, AGENT_OK);
    agent_net_done(f, AGENT_ACT_CONNECT);
    free(first);
    free(second);
    free(key);
    pki_free(&leaf);
    pki_free(&sub);
}

/* The key never leaves the token: SoftHSM signs. */
static void key_in_a_token_is_as_good_as_one_in_memory(void **state)
{
    static const char *const lines[] = { "tls_version tlsv1.2", "tls_version tlsv1.3" };
    struct agent_net *f = *state;
    struct token *token = token_new("net");
    struct port_result result = { .class = AGENT_OK };
    char uri[AGENT_MAX_KEY];
    struct agent_text reference = { .p = uri, .cap = sizeof uri };
    struct pki_cert cert;
    EVP_PKEY *key;
    char *pem;

    f->keys.pkcs11 = "pkcs11:token=net;object=agent?pin-value=" TOKEN_PIN
                     "&module-path=/usr/lib/softhsm/libsofthsm2.so";
    if (keys_make(&f->keys, 1, &reference, &result) != AGENT_OK)
        fail_msg("%s", result.text);
    key = keys_load(&f->keys, (struct agent_span){ (uint8_t *)uri, reference.n }, &result);
    assert_non_null(key);
    cert = pki_make(&(struct pki_spec){ .subject = "/CN=dev-3", .issuer = &f->ca, .use_key = key });
    pem = pki_pem(cert.x509);
    for (size_t i = 0; i < COUNT(lines); i++) {
        agent_net_broker(f, NULL, lines[i]);
        agent_net_open(f, agent_net_port(f));
        net_connect(f->net, "agent-1", (struct agent_span){ (uint8_t *)pem, strlen(pem) },
                    (struct agent_span){ (uint8_t *)uri, reference.n }, NULL, &result);
        assert_int_equal(result.class, AGENT_OK);
        agent_net_done(f, AGENT_ACT_CONNECT);
        agent_net_close(f);
        agent_net_broker_stop(f);
    }
    free(pem);
    pki_free(&cert);
    EVP_PKEY_free(key);
    token_free(token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(server_that_is_not_to_be_trusted_is_told_as_what_it_is,
                                        agent_net_set_up, agent_net_tear_down),
        cmocka_unit_test_setup_teardown(leaf_in_the_trust_file_is_trusted_itself, agent_net_set_up,
                                        agent_net_tear_down),
        cmocka_unit_test_setup_teardown(
            trust_file_without_a_certificate_is_a_matter_of_configuration, agent_net_set_up,
            agent_net_tear_down),
        cmocka_unit_test_setup_teardown(certificate_that_the_broker_does_not_accept_is_refused,
                                        agent_net_set_up, agent_net_tear_down),
        cmocka_unit_test_setup_teardown(chain_of_an_intermediate_ca_is_sent, agent_net_set_up,
                                        agent_net_tear_down),
        cmocka_unit_test_setup_teardown(key_in_a_token_is_as_good_as_one_in_memory,
                                        agent_net_set_up, agent_net_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
