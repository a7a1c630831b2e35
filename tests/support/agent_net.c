#include "support/agent_net.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/deadline.h"

void agent_net_up(struct agent_net *f)
{
    memset(f, 0, sizeof *f);
    f->dir = tmp_new();
    f->ca = pki_make(&(struct pki_spec){ .subject = "/CN=Net CA", .ca = true });
    f->server = pki_make(&(struct pki_spec){
        .subject = "/CN=server", .issuer = &f->ca, .san = "DNS:localhost,IP:127.0.0.1" });
    f->device = pki_make(&(struct pki_spec){ .subject = "/CN=dev-1", .issuer = &f->ca });
    (void)tmp_path(f->dir, "trust.pem", f->ca_file);
    agent_net_trust(f, &f->ca, NULL);
    f->conf = (struct net_conf){
        .host = "localhost", .ca_file = f->ca_file, .keep_alive_s = 60, .connect_ms = 30000
    };
}

void agent_net_down(struct agent_net *f)
{
    agent_net_close(f); /* while the broker is still there */
    agent_net_broker_stop(f);
    pki_free(&f->device);
    pki_free(&f->server);
    pki_free(&f->ca);
    tmp_free(f->dir);
}

int agent_net_set_up(void **state)
{
    static struct agent_net f;

    agent_net_up(&f);
    *state = &f;
    return 0;
}

int agent_net_tear_down(void **state)
{
    agent_net_down(*state);
    return 0;
}

void agent_net_broker(struct agent_net *f, const char *lines, const char *tls_lines)
{
    f->broker =
        broker_start(&(struct broker_options){ .dir = f->dir,
                                               .server = &f->server,
                                               .cafile = (const X509 *const[]){ f->ca.x509, NULL },
                                               .tls_lines = tls_lines,
                                               .plain = true,
                                               .allow_anonymous = true,
                                               .lines = lines });
}

void agent_net_broker_stop(struct agent_net *f)
{
    broker_free(f->broker);
    f->broker = NULL;
}

uint16_t agent_net_port(const struct agent_net *f)
{
    return broker_tls_port(f->broker);
}

static void put_pem(FILE *file, const struct pki_cert *cert)
{
    char *pem = pki_pem(cert->x509);

    assert_true(fputs(pem, file) >= 0);
    free(pem);
}

void agent_net_trust(struct agent_net *f, const struct pki_cert *a, const struct pki_cert *b)
{
    FILE *file = fopen(f->ca_file, "we");

    assert_non_null(file);
    put_pem(file, a);
    if (b != NULL)
        put_pem(file, b);
    assert_int_equal(fclose(file), 0);
}

void agent_net_open(struct agent_net *f, uint16_t port)
{
    agent_net_close(f);
    f->conf.port = port;
    f->net = net_new(&f->conf, &f->keys);
    assert_non_null(f->net);
}

void agent_net_close(struct agent_net *f)
{
    net_free(f->net);
    f->net = NULL;
}

static struct agent_span span(const char *text)
{
    return (struct agent_span){ (const uint8_t *)text, strlen(text) };
}

void agent_net_connect(struct agent_net *f, const struct pki_cert *cert, const char *client_id)
{
    struct port_result result = { .class = AGENT_OK };
    char *pem, *key;

    cert = cert != NULL ? cert : &f->device;
    pem = pki_pem(cert->x509);
    key = pki_key_pem(cert->key);
    net_connect(f->net, client_id, span(pem), span(key), f->conf.will_topic, &result);
    free(pem);
    free(key);
    if (result.class != AGENT_OK)
        fail_msg("cannot begin to connect: %s", result.text);
}

struct agent_event agent_net_event(struct agent_net *f)
{
    struct pollfd fd = { .fd = net_fd(f->net), .events = POLLIN };
    struct agent_event event;

    if (poll(&fd, 1, deadline_left(deadline_in(0))) != 1)
        fail_msg("no event came");
    assert_true(net_event(f->net, &event));
    return event;
}

void agent_net_done_at(struct agent_net *f, enum agent_action_kind act, const char *file, int line)
{
    const struct agent_event event = agent_net_event(f);

    if (event.kind == AGENT_EV_DONE && event.act == act)
        return;
    print_error("%s:%d: event %d of action %d, class %s: %s\n", file, line, (int)event.kind,
                (int)event.act, agent_class_name(event.class),
                event.text != NULL ? event.text : "");
    fail();
}

void agent_net_ends_at(struct agent_net *f, enum agent_event_kind kind, enum agent_class class,
                       const char *text, const char *file, int line)
{
    const struct agent_event event = agent_net_event(f);
    const char *said = event.text != NULL ? event.text : "";

    if (event.kind == kind && event.class == class && strstr(said, text) != NULL)
        return;
    print_error("%s:%d: event %d, class %s: %s\n", file, line, (int)event.kind,
                agent_class_name(event.class), said);
    fail();
}

void agent_net_joined(struct agent_net *f, uint16_t port, const char *client_id)
{
    agent_net_open(f, port);
    agent_net_connect(f, NULL, client_id);
    agent_net_done(f, AGENT_ACT_CONNECT);
}
