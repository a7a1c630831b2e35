#include "support/expect.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct mqtt *start(const struct mqtt_options *o, const char *file, int line)
{
    struct mqtt *c = mqtt_start(o);

    if (c == NULL) {
        print_error("the client cannot be made from these options\n");
        _fail(file, line);
    }
    return c;
}

/* Unless all is as it should be, tells what happened and fails the test. */
static void check(bool ok, const char *wanted, struct mqtt *c, const char *file, int line)
{
    if (ok)
        return;
    print_error("expected: %s\nhappened: %s\n", wanted, mqtt_story(c));
    _fail(file, line);
}

struct mqtt *expect_connected_at(const struct mqtt_options *o, const char *file, int line)
{
    struct mqtt *c = start(o, file, line);

    check(mqtt_wait_connack(c) == 0, "CONNACK 0", c, file, line);
    return c;
}

void expect_alert_at(const struct mqtt_options *o, int alert, const char *file, int line)
{
    struct mqtt *c = start(o, file, line);
    const struct mqtt_report *r = mqtt_report(c);
    const bool ended = mqtt_wait_end(c);

    if (r->alert != alert)
        print_error("alert %d (%s) was to come\n", alert, SSL_alert_desc_string_long(alert));
    check(ended && r->end == MQTT_END_ALERT && r->alert == alert && r->connack == -1,
          "refused by that alert", c, file, line);
    mqtt_free(c);
}

static bool broker_closed(const struct mqtt_report *r)
{
    return r->end == MQTT_END_EOF || r->end == MQTT_END_RESET;
}

void expect_connack_at(const struct mqtt_options *o, int code, const char *file, int line)
{
    struct mqtt *c = start(o, file, line);
    const struct mqtt_report *r = mqtt_report(c);
    const bool ended = mqtt_wait_end(c);

    if (r->connack != code)
        print_error("CONNACK %d was to come\n", code);
    check(ended && broker_closed(r) && r->connack == code, "refused by that CONNACK", c, file,
          line);
    mqtt_free(c);
}

void expect_dropped_at(const struct mqtt_options *o, const char *file, int line)
{
    struct mqtt *c = start(o, file, line);
    const struct mqtt_report *r = mqtt_report(c);
    const bool ended = mqtt_wait_end(c);

    check(ended && broker_closed(r) && r->connack == -1, "closed without CONNACK or alert", c, file,
          line);
    mqtt_free(c);
}

void expect_message_at(struct mqtt *c, const char *topic, struct prov_span payload,
                       const char *file, int line)
{
    struct mqtt_message *m = mqtt_wait_message(c, topic);
    bool same;

    if (m == NULL)
        print_error("nothing came on %s\n", topic);
    check(m != NULL, "a message", c, file, line);
    same = prov_span_eq(prov_span(m->payload, m->n), payload);
    if (!same)
        print_error("on %s came: %s\n", topic, (const char *)m->payload);
    mqtt_message_free(m);
    check(same, "this payload and no other", c, file, line);
}

void expect_silence_at(struct mqtt *c, const char *topic, const char *file, int line)
{
    struct mqtt_message *m;

    check(mqtt_ping(c), "an answer to a ping", c, file, line);
    m = mqtt_take_message(c, topic);
    if (m == NULL)
        return;
    print_error("on %s came: %s\n", m->topic, (const char *)m->payload);
    mqtt_message_free(m);
    check(false, "silence", c, file, line);
}

void expect_closed_at(struct mqtt *c, const char *file, int line)
{
    check(mqtt_wait_end(c) && broker_closed(mqtt_report(c)), "closed by the broker", c, file, line);
}
