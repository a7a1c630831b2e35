/*
 * Services as hooks: what they are sent, whom they must be, how they fail, and what a kept
 * connection saves.
 *
 * ctest labels: tsan
 */
#include <dlfcn.h>
#include <netdb.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/hook_service.h"
#include "support/port.h"

/* ---- exchanges ------------------------------------------------------------------------------- */

static void service_is_sent_the_request_and_its_answer_taken(void **state)
{
    static const char request[] = "{\"certificateId\":\"1\",\"clientId\":\"d\xc3\xa4v\"}";
    struct hook_service *f = *state;
    char expected[512], *head, *body;
    struct hook_ask a;

    hook_ask(&a, f->rig, f->url, request);
    assert_string_equal(a.call.detail, "");
    assert_int_equal(a.call.end, PROV_HOOK_ANSWERED);
    assert_string_equal(hook_answer(&a), HOOK_YES);
    hook_ask_release(&a);

    head = https_last_head(f->server);
    body = https_last_body(f->server);
    (void)snprintf(expected, sizeof expected,
                   "POST /hooks/activate?site=1 HTTP/1.1\r\n"
                   "Host: 127.0.0.1:%u\r\n"
                   "User-Agent: mosquitto-provisioning/" PROV_VERSION "\r\n"
                   "Content-Type: application/json\r\n"
                   "Accept: application/json\r\n"
                   "Content-Length: %zu",
                   https_port(f->server), sizeof request - 1);
    assert_string_equal(head, expected);
    assert_string_equal(body, request);
    free(head);
    free(body);
}

static void long_and_empty_requests_arrive_whole(void **state)
{
    static char large[200001];
    const char *const requests[] = { "", large };
    struct hook_service *f = *state;
    struct hook_ask a;

    memset(large, 'x', sizeof large - 1);
    for (size_t i = 0; i < PROV_COUNT(requests); i++) {
        char *body;

        hook_ask(&a, f->rig, f->url, requests[i]);
        assert_int_equal(a.call.end, PROV_HOOK_ANSWERED);
        hook_ask_release(&a);
        body = https_last_body(f->server);
        assert_string_equal(body, requests[i]);
        free(body);
    }
}

static void connection_is_kept_for_the_next_call(void **state)
{
    struct hook_service *f = *state;
    struct hook_ask a;

    for (unsigned i = 1; i <= 5; i++) {
        https_behave(f->server, HTTPS_ANSWER, i == 3 ? 500 : 200, HOOK_YES); /* an error page does
                                                                           not end it */
        hook_ask(&a, f->rig, f->url, "{}");
        assert_int_equal(a.call.end, i == 3 ? PROV_HOOK_FAILED : PROV_HOOK_ANSWERED);
        hook_ask_release(&a);
        assert_int_equal(https_requests(f->server), i);
        assert_int_equal(https_connections(f->server), 1);
    }
}

static void kept_connection_that_was_closed_is_made_again(void **state)
{
    struct hook_service *f = *state;
    struct hook_ask a;

    https_behave(f->server, HTTPS_ANSWER_SHUT, 200, HOOK_YES);
    for (unsigned i = 1; i <= 3; i++) {
        hook_ask(&a, f->rig, f->url, "{}");
        assert_int_equal(a.call.end, PROV_HOOK_ANSWERED);
        assert_string_equal(hook_answer(&a), HOOK_YES);
        hook_ask_release(&a);
        assert_int_equal(https_connections(f->server), i);
    }
}

static void calls_at_once_get_each_its_own_answer(void **state)
{
    struct hook_service *f = *state;
    struct hook_ask a[8];

    memset(a, 0, sizeof a);
    for (size_t i = 0; i < PROV_COUNT(a); i++)
        hook_submit(&a[i], f->rig, f->url, "{}");
    for (size_t i = 0; i < PROV_COUNT(a); i++) {
        hook_wait(&a[i]);
        assert_int_equal(a[i].call.end, PROV_HOOK_ANSWERED);
        assert_string_equal(hook_answer(&a[i]), HOOK_YES);
        hook_ask_release(&a[i]);
    }
    assert_int_equal(https_requests(f->server), PROV_COUNT(a));
    assert_in_range(https_connections(f->server), 1, 4); /* the limit */
}

static void service_is_found_by_name(void **state)
{
    struct hook_service *f = *state;
    struct hook_ask a;
    char url[64];

    (void)snprintf(url, sizeof url, "https://localhost:%u/", https_port(f->server));
    hook_ask(&a, f->rig, url, "{}");
    assert_string_equal(a.call.detail, "");
    assert_int_equal(a.call.end, PROV_HOOK_ANSWERED);
    hook_ask_release(&a);
}

static void environment_sends_no_request_elsewhere(void **state)
{
    static const char *const names[] = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
                                         "http_proxy" };
    struct hook_service *f = *state;
    struct hook_ask a;

    for (size_t i = 0; i < PROV_COUNT(names); i++)
        assert_int_equal(setenv(names[i], "http://127.0.0.1:1/", 1), 0);
    hook_ask(&a, f->rig, f->url, "{}");
    for (size_t i = 0; i < PROV_COUNT(names); i++)
        assert_int_equal(unsetenv(names[i]), 0);
    assert_string_equal(a.call.detail, "");
    assert_int_equal(a.call.end, PROV_HOOK_ANSWERED);
    hook_ask_release(&a);
}

/* ---- failures -------------------------------------------------------------------------------- */

static void each_failure_has_its_end_and_detail(void **state)
{
    static const struct {
        enum https_way way;
        int status;
        enum prov_hook_end end;
        const char *detail; /* the beginning */
    } rows[] = {
        { HTTPS_ANSWER, 500, PROV_HOOK_FAILED, "HTTP status 500" },
        { HTTPS_ANSWER, 404, PROV_HOOK_FAILED, "HTTP status 404" },
        { HTTPS_ANSWER, 401, PROV_HOOK_FAILED, "HTTP status 401" },
        { HTTPS_ANSWER, 201, PROV_HOOK_FAILED, "HTTP status 201" },
        { HTTPS_SHUT, 200, PROV_HOOK_UNREACHABLE, "Empty reply from server" },
        { HTTPS_SHUT_WITHIN, 200, PROV_HOOK_UNREACHABLE, "" }, /* curl's words have changed */
        { HTTPS_PLAIN, 200, PROV_HOOK_UNREACHABLE, "" },
        { HTTPS_FLOOD, 200, PROV_HOOK_TOO_LARGE, "answered more than 131072 bytes" },
        { HTTPS_FLOOD, 500, PROV_HOOK_FAILED, "HTTP status 500" },
        { HTTPS_FLOOD_HEADERS, 200, PROV_HOOK_TOO_LARGE,
          "answered more than 65536 bytes of headers" },
        { HTTPS_FLOOD_HEADERS, 100, PROV_HOOK_FAILED, "HTTP status 100" },
    };
    struct hook_service *f = *state;
    struct hook_ask a;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        https_behave(f->server, rows[i].way, rows[i].status, HOOK_YES);
        if (rows[i].way == HTTPS_PLAIN) { /* is about a new connection */
            hook_rig_free(f->rig);
            f->rig = hook_rig_new(0, 0, f->cafile);
        }
        hook_ask(&a, f->rig, f->url, "{}");
        assert_string_equal(prov_hook_end_name(a.call.end), prov_hook_end_name(rows[i].end));
        if (strncmp(a.call.detail, rows[i].detail, strlen(rows[i].detail)) != 0)
            fail_msg("row %zu says: %s", i, a.call.detail);
        assert_string_not_equal(a.call.detail, "");
        assert_int_equal(a.call.answer.n, 0);
        hook_ask_release(&a);
    }
}

static void service_that_does_not_answer_in_time_is_given_up(void **state)
{
    static const enum https_way ways[] = { HTTPS_HANG_TLS, HTTPS_HANG, HTTPS_TRICKLE };
    struct hook_ask a;
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(ways); i++) {
        struct hook_service f;

        hook_service_start(&f, 400);
        https_behave(f.server, ways[i], 200, HOOK_YES);
        hook_ask(&a, f.rig, f.url, "{}");
        assert_int_equal(a.call.end, PROV_HOOK_TIMEOUT);
        assert_string_equal(a.call.detail, "no answer in 400 ms");
        assert_true(a.call.took_us >= 400000);
        assert_int_equal(a.call.answer.n, 0);
        hook_ask_release(&a);
        hook_service_stop(&f);
    }
}

static void answer_of_the_greatest_size_is_taken_and_no_byte_more(void **state)
{
    static char text[PROV_MAX_HOOK_ANSWER + 2];
    struct hook_service *f = *state;
    struct hook_ask a;

    memset(text, 'x', PROV_MAX_HOOK_ANSWER);
    https_behave(f->server, HTTPS_ANSWER, 200, text);
    hook_ask(&a, f->rig, f->url, "{}");
    assert_int_equal(a.call.end, PROV_HOOK_ANSWERED);
    assert_string_equal(hook_answer(&a), text);
    hook_ask_release(&a);

    text[PROV_MAX_HOOK_ANSWER] = 'x';
    https_behave(f->server, HTTPS_ANSWER, 200, text);
    hook_ask(&a, f->rig, f->url, "{}");
    assert_int_equal(a.call.end, PROV_HOOK_TOO_LARGE);
    hook_ask_release(&a);
}

static void redirect_is_not_followed(void **state)
{
    struct hook_service *f = *state;
    struct https_server *other = https_start(&f->identity);
    struct hook_ask a;
    char to[64];

    https_behave(other, HTTPS_ANSWER, 200, HOOK_YES);
    (void)snprintf(to, sizeof to, "https://127.0.0.1:%u/", https_port(other));
    https_behave(f->server, HTTPS_REDIRECT, 302, to);
    hook_ask(&a, f->rig, f->url, "{}");
    assert_int_equal(a.call.end, PROV_HOOK_FAILED);
    assert_string_equal(a.call.detail, "HTTP status 302; redirects are not followed");
    hook_ask_release(&a);
    assert_int_equal(https_requests(f->server), 1);
    assert_int_equal(https_connections(other), 0);
    https_stop(other);
}

static void nobody_there_is_unreachable(void **state)
{
    struct port port = port_take();
    struct hook_service *f = *state;
    struct hook_ask a;
    char url[64];

    (void)snprintf(url, sizeof url, "https://127.0.0.1:%u/", port.number);
    hook_ask(&a, f->rig, url, "{}");
    assert_int_equal(a.call.end, PROV_HOOK_UNREACHABLE);
    assert_string_equal(a.call.detail, "cannot connect: Connection refused");
    hook_ask_release(&a);
    hook_ask(&a, f->rig, "https://[::1", "{}"); /* never passed prov_hook_spec_parse */
    assert_int_equal(a.call.end, PROV_HOOK_NOT_STARTED);
    hook_ask_release(&a);
    port_give_back(&port);
}

/* ---- whom a service must be ------------------------------------------------------------------ */

enum authority { OURS, OTHER, IMPOSTOR, ITSELF };

static void service_must_prove_who_it_is(void **state)
{
    static const struct {
        struct pki_spec spec;
        enum authority issuer;
        const char *detail; /* in it */
    } rows[] = {
        { { .san = "IP:127.0.0.1" }, OURS, NULL },
        { { .san = "IP:127.0.0.1", .eku = "serverAuth" }, OURS, NULL },
        { { .san = "IP:127.0.0.1" }, OTHER, "certificate" },
        { { .san = "IP:127.0.0.1" }, IMPOSTOR, "" }, /* said in other words by each libcurl */
        { { .san = "IP:127.0.0.1" }, ITSELF, "certificate" },
        { { .san = "IP:127.0.0.2" }, OURS, "'127.0.0.1'" },
        { { .san = "DNS:127.0.0.1" }, OURS, "'127.0.0.1'" },
        { { .subject = "/CN=other.example" }, OURS, "'127.0.0.1'" },
        { { .san = "IP:127.0.0.1", .not_before_s = -86400, .not_after_s = -3600 },
          OURS,
          "certificate has expired" },
        { { .san = "IP:127.0.0.1", .not_before_s = 3600, .not_after_s = 86400 },
          OURS,
          "certificate is not yet valid" },
        { { .san = "IP:127.0.0.1", .eku = "clientAuth" }, OURS, "certificate purpose" },
    };
    struct hook_service *f = *state;
    struct pki_cert other = pki_make(&(struct pki_spec){ .subject = "/CN=Other", .ca = true });
    struct pki_cert impostor = pki_impostor(&f->ca);
    const struct pki_cert *const issuers[] = {
        [OURS] = &f->ca, [OTHER] = &other, [IMPOSTOR] = &impostor, [ITSELF] = NULL
    };
    struct hook_ask a;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct pki_spec spec = rows[i].spec;
        struct pki_cert identity;
        struct https_server *s;
        char url[64];

        spec.issuer = issuers[rows[i].issuer];
        identity = pki_make(&spec);
        s = https_start(&identity);
        https_behave(s, HTTPS_ANSWER, 200, HOOK_YES);
        (void)snprintf(url, sizeof url, "https://127.0.0.1:%u/", https_port(s));
        hook_ask(&a, f->rig, url, "{\"secret\":1}");
        if (rows[i].detail == NULL) {
            assert_int_equal(a.call.end, PROV_HOOK_ANSWERED);
        } else {
            assert_int_equal(a.call.end, PROV_HOOK_UNREACHABLE);
            if (strstr(a.call.detail, rows[i].detail) == NULL)
                fail_msg("row %zu says: %s", i, a.call.detail);
            assert_int_equal(https_requests(s), 0); /* it was told nothing */
        }
        hook_ask_release(&a);
        https_stop(s);
        pki_free(&identity);
    }
    pki_free(&other);
    pki_free(&impostor);
}

static void authorities_are_those_of_cafile_or_else_the_systems(void **state)
{
    static const char *const cafiles[] = { NULL, "/nowhere/ca.pem", "/dev/null" };
    struct hook_service *f = *state;
    struct hook_ask a;

    for (size_t i = 0; i < PROV_COUNT(cafiles); i++) {
        struct hook_rig *rig = hook_rig_new(0, 0, cafiles[i]);

        hook_ask(&a, rig, f->url, "{}");
        assert_int_equal(a.call.end, PROV_HOOK_UNREACHABLE);
        assert_string_not_equal(a.call.detail, "");
        hook_ask_release(&a);
        hook_rig_free(rig);
    }
    assert_int_equal(https_requests(f->server), 0);
}

/* ---- services that hang, and others ---------------------------------------------------------- */

static void hanging_service_delays_no_other_and_is_cancelled_at_the_end(void **state)
{
    static const enum https_way ways[] = { HTTPS_HANG_TLS, HTTPS_HANG, HTTPS_TRICKLE };
    struct hook_service *f = *state;
    struct hook_ask hanging[PROV_COUNT(ways)], a;
    struct https_server *slow[PROV_COUNT(ways)];
    char url[64], spec[HOOK_SPEC_MAX];

    memset(hanging, 0, sizeof hanging);
    for (size_t i = 0; i < PROV_COUNT(ways); i++) {
        slow[i] = https_start(&f->identity);
        https_behave(slow[i], ways[i], 200, HOOK_YES);
        (void)snprintf(url, sizeof url, "https://127.0.0.1:%u/", https_port(slow[i]));
        hook_submit(&hanging[i], f->rig, url, "{}");
    }
    hook_script(f->rig, "program", "exec cat");
    for (unsigned i = 0; i < 5; i++) {
        hook_ask(&a, f->rig, f->url, "{}");
        assert_int_equal(a.call.end, PROV_HOOK_ANSWERED);
        hook_ask_release(&a);
        hook_ask(&a, f->rig, hook_spec(f->rig, "program", spec), "{}");
        assert_int_equal(a.call.end, PROV_HOOK_ANSWERED);
        hook_ask_release(&a);
    }
    for (size_t i = 0; i < PROV_COUNT(ways); i++)
        assert_int_equal(hanging[i].done, 0);
    prov_hooks_stop(f->rig->hooks);
    for (size_t i = 0; i < PROV_COUNT(ways); i++) {
        assert_int_equal(hanging[i].done, 1);
        assert_int_equal(hanging[i].call.end, PROV_HOOK_CANCELLED);
        hook_ask_release(&hanging[i]);
        https_stop(slow[i]);
    }
}

/* Stands before libc's: a look-up of this name waits until the test lets it go. */
#define HANGING_NAME "hangs.invalid"

static sem_t lookup_began, lookup_go, lookup_over;

__attribute__((visibility("default"))) int getaddrinfo(const char *node, const char *service,
                                                       const struct addrinfo *hints,
                                                       struct addrinfo **result)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    void *symbol;

    if (node != NULL && strcmp(node, HANGING_NAME) == 0) {
        (void)sem_post(&lookup_began);
        (void)sem_wait(&lookup_go);
        (void)sem_post(&lookup_over);
        return EAI_FAIL;
    }
    symbol = dlsym(RTLD_NEXT, "getaddrinfo");
    memcpy(&real, &symbol, sizeof real);
    return real(node, service, hints, result);
}

static void hanging_look_up_delays_no_other_nor_the_end(void **state)
{
    struct hook_ask hanging = { .in_done = NULL }, cancelled = { .in_done = NULL }, a;
    struct hook_service *f = *state;

    (void)sem_init(&lookup_began, 0, 0);
    (void)sem_init(&lookup_go, 0, 0);
    (void)sem_init(&lookup_over, 0, 0);
    hook_rig_free(f->rig);
    f->rig = hook_rig_new(1000, 0, f->cafile);
    hook_submit(&hanging, f->rig, "https://" HANGING_NAME "/", "{}");
    (void)sem_wait(&lookup_began);
    hook_wait(&hanging);
    assert_int_equal(hanging.call.end, PROV_HOOK_TIMEOUT);
    hook_ask_release(&hanging);
    hook_ask(&a, f->rig, f->url, "{}"); /* while the look-up still hangs */
    assert_int_equal(a.call.end, PROV_HOOK_ANSWERED);
    hook_ask_release(&a);
    hook_submit(&cancelled, f->rig, "https://" HANGING_NAME "/again", "{}");
    (void)sem_wait(&lookup_began);
    prov_hooks_stop(f->rig->hooks);
    assert_int_equal(cancelled.call.end, PROV_HOOK_CANCELLED);
    hook_ask_release(&cancelled);
    for (unsigned i = 0; i < 2; i++)
        (void)sem_post(&lookup_go);
    for (unsigned i = 0; i < 2; i++)
        (void)sem_wait(&lookup_over);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define WITH_SERVER(test)                                                                          \
    cmocka_unit_test_setup_teardown(test, hook_service_setup, hook_service_teardown)
        WITH_SERVER(service_is_sent_the_request_and_its_answer_taken),
        WITH_SERVER(long_and_empty_requests_arrive_whole),
        WITH_SERVER(connection_is_kept_for_the_next_call),
        WITH_SERVER(kept_connection_that_was_closed_is_made_again),
        WITH_SERVER(calls_at_once_get_each_its_own_answer),
        WITH_SERVER(service_is_found_by_name),
        WITH_SERVER(environment_sends_no_request_elsewhere),
        WITH_SERVER(each_failure_has_its_end_and_detail),
        cmocka_unit_test(service_that_does_not_answer_in_time_is_given_up),
        WITH_SERVER(answer_of_the_greatest_size_is_taken_and_no_byte_more),
        WITH_SERVER(redirect_is_not_followed),
        WITH_SERVER(nobody_there_is_unreachable),
        WITH_SERVER(service_must_prove_who_it_is),
        WITH_SERVER(authorities_are_those_of_cafile_or_else_the_systems),
        WITH_SERVER(hanging_service_delays_no_other_and_is_cancelled_at_the_end),
        WITH_SERVER(hanging_look_up_delays_no_other_nor_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
