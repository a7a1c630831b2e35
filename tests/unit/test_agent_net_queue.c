/* What a connection's threads hand over, and what they are too late for. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "device-agent/port/posix/net_priv.h"

static int set_up(void **state)
{
    static struct net_queue queue;

    memset(&queue, 0, sizeof queue);
    assert_true(net_queue_init(&queue));
    *state = &queue;
    return 0;
}

static int tear_down(void **state)
{
    net_queue_release(*state);
    return 0;
}

static bool readable(const struct net_queue *queue)
{
    struct pollfd fd = { .fd = queue->fd, .events = POLLIN };

    return poll(&fd, 1, 0) == 1;
}

static void message(struct net_queue *queue, uint32_t number, const char *text)
{
    net_queue_message(queue, number, (struct agent_span){ (const uint8_t *)"t", 1 },
                      (struct agent_span){ (const uint8_t *)text, strlen(text) });
}

static void expect(struct net_queue *queue, enum agent_event_kind kind, enum agent_action_kind act)
{
    struct agent_event event;

    assert_true(readable(queue));
    assert_true(net_queue_take(queue, &event));
    assert_int_equal(event.kind, kind);
    assert_int_equal(event.act, act);
}

static void expect_nothing(struct net_queue *queue)
{
    struct agent_event event;

    assert_false(readable(queue));
    assert_false(net_queue_take(queue, &event));
}

static const struct port_result lost = { AGENT_NETWORK, "gone" };

/* Each that a thread can add. */
static void add_all(struct net_queue *queue, uint32_t number)
{
    message(queue, number, "late");
    net_queue_done(queue, number, AGENT_ACT_CONNECT);
    net_queue_failed(queue, number, AGENT_ACT_SUBSCRIBE, &lost);
    net_queue_failed(queue, number, AGENT_ACT_CONNECT, &lost);
    net_queue_closed(queue, number, &lost);
}

static void events_come_in_their_order_with_what_they_carry(void **state)
{
    struct net_queue *queue = *state;
    const uint32_t number = net_queue_begin(queue);
    struct agent_event event;

    expect_nothing(queue);
    net_queue_done(queue, number, AGENT_ACT_CONNECT);
    message(queue, number, "hello");
    net_queue_failed(queue, number, AGENT_ACT_SUBSCRIBE, &lost);
    message(queue, number, "");
    expect(queue, AGENT_EV_DONE, AGENT_ACT_CONNECT);
    assert_true(net_queue_take(queue, &event));
    assert_int_equal(event.kind, AGENT_EV_MESSAGE);
    assert_memory_equal(event.topic.p, "t", event.topic.n);
    assert_int_equal(event.payload.n, 5);
    assert_memory_equal(event.payload.p, "hello", 5);
    assert_true(net_queue_take(queue, &event));
    assert_int_equal(event.kind, AGENT_EV_FAILED);
    assert_int_equal(event.class, AGENT_NETWORK);
    assert_string_equal(event.text, "gone");
    assert_true(net_queue_take(queue, &event));
    assert_int_equal(event.payload.n, 0);
    assert_null(event.text);
    expect_nothing(queue);
}

static void old_connection_is_not_heard_any_more(void **state)
{
    struct net_queue *queue = *state;
    const uint32_t old = net_queue_begin(queue);
    uint32_t number;

    message(queue, old, "unread");
    number = net_queue_begin(queue);
    expect_nothing(queue);
    add_all(queue, old);
    expect_nothing(queue);
    net_queue_done(queue, number, AGENT_ACT_CONNECT);
    expect(queue, AGENT_EV_DONE, AGENT_ACT_CONNECT);
}

static void connection_that_was_given_up_ends_with_done_and_no_more(void **state)
{
    struct net_queue *queue = *state;
    const uint32_t number = net_queue_begin(queue);

    message(queue, number, "unread");
    net_queue_give_up(queue);
    add_all(queue, number);
    expect(queue, AGENT_EV_DONE, AGENT_ACT_DISCONNECT);
    expect_nothing(queue);
}

static void nothing_follows_an_end(void **state)
{
    struct net_queue *queue = *state;
    uint32_t number = net_queue_begin(queue);

    net_queue_failed(queue, number, AGENT_ACT_CONNECT, &lost);
    add_all(queue, number);
    expect(queue, AGENT_EV_FAILED, AGENT_ACT_CONNECT);
    expect_nothing(queue);

    number = net_queue_begin(queue);
    net_queue_closed(queue, number, &lost);
    add_all(queue, number);
    expect(queue, AGENT_EV_CLOSED, AGENT_ACT_CONNECT);
    expect_nothing(queue);
}

static void messages_that_nobody_reads_end_the_connection_and_make_room_again(void **state)
{
    struct net_queue *queue = *state;
    struct agent_event event;

    for (int round = 0; round < 3; round++) {
        const uint32_t number = net_queue_begin(queue);

        for (int i = 0; i < NET_MAX_MESSAGES; i++)
            message(queue, number, "m");
        net_queue_done(queue, number, AGENT_ACT_PUBLISH); /* for which there is room */
        message(queue, number, "one too many");
        message(queue, number, "and another");
        for (int i = 0; i < NET_MAX_MESSAGES; i++)
            expect(queue, AGENT_EV_MESSAGE, AGENT_ACT_SAVE);
        expect(queue, AGENT_EV_DONE, AGENT_ACT_PUBLISH);
        assert_true(net_queue_take(queue, &event));
        assert_int_equal(event.kind, AGENT_EV_CLOSED);
        assert_int_equal(event.class, AGENT_ANSWER);
        expect_nothing(queue);
    }
}

static void message_is_cut_where_it_shows_that_it_was_too_long(void **state)
{
    static const uint8_t bytes[AGENT_MAX_PAYLOAD + 100];
    struct net_queue *queue = *state;
    const uint32_t number = net_queue_begin(queue);
    struct agent_event event;

    for (size_t n = AGENT_MAX_PAYLOAD; n < sizeof bytes; n += 99) {
        net_queue_message(queue, number, (struct agent_span){ bytes, n },
                          (struct agent_span){ bytes, n });
        assert_true(net_queue_take(queue, &event));
        assert_int_equal(event.topic.n, AGENT_MAX_TOPIC + 1);
        assert_int_equal(event.payload.n,
                         n == AGENT_MAX_PAYLOAD ? AGENT_MAX_PAYLOAD : AGENT_MAX_PAYLOAD + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(events_come_in_their_order_with_what_they_carry, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(old_connection_is_not_heard_any_more, set_up, tear_down),
        cmocka_unit_test_setup_teardown(connection_that_was_given_up_ends_with_done_and_no_more,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_follows_an_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            messages_that_nobody_reads_end_the_connection_and_make_room_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(message_is_cut_where_it_shows_that_it_was_too_long, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
