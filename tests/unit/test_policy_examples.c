/* What the policies in templates/policies/ allow a thing "dev1" whose attribute "site" is "north".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/policy_rig.h"

#define YES PROV_ALLOWED
#define NO PROV_EXPLICIT_DENY
#define SILENT PROV_IMPLICIT_DENY

struct row {
    enum prov_action action;
    const char *name;
    enum prov_verdict verdict;
};

static void device_init(struct policy_device *d)
{
    policy_device_init(d);
    d->facts.thing_name = PROV_LIT("dev1");
    d->attrs[0] = (struct prov_attr){ PROV_LIT("site"), PROV_LIT("north") };
}

static void check(const char *file, const struct policy_device *d, const struct row *rows, size_t n)
{
    char *const text = policy_file(file);
    const char *const docs[] = { text };
    struct prov_policy *const pol = policy_session(docs, 1, d);

    for (size_t i = 0; i < n; i++) {
        const struct prov_policy_request req = { .action = rows[i].action,
                                                 .name = prov_span_str(rows[i].name) };

        if (policy_verdict(pol, &req) != rows[i].verdict)
            fail_msg("%s: %s %s is not %s", file, prov_action_name(rows[i].action), rows[i].name,
                     prov_verdict_name(rows[i].verdict));
    }
    prov_policy_free(pol);
    free(text);
}

static void a_telemetry_device_keeps_to_its_own_topics(void **state)
{
    static const struct row rows[] = {
        { PROV_ACT_CONNECT, "dev1", YES },
        { PROV_ACT_CONNECT, "dev2", SILENT },
        { PROV_ACT_PUBLISH, "dt/dev1/temperature", YES },
        { PROV_ACT_RETAIN_PUBLISH, "dt/dev1/temperature", YES },
        { PROV_ACT_PUBLISH, "dt/dev10/temperature", SILENT },
        { PROV_ACT_PUBLISH, "dt/dev2/temperature", SILENT },
        { PROV_ACT_PUBLISH, "cmd/dev1/reboot", SILENT },
        { PROV_ACT_SUBSCRIBE, "cmd/dev1/#", YES },
        { PROV_ACT_SUBSCRIBE, "cmd/+/#", SILENT },
        { PROV_ACT_SUBSCRIBE, "#", SILENT },
        { PROV_ACT_RECEIVE, "cmd/dev1/reboot", YES },
        { PROV_ACT_RECEIVE, "cmd/dev2/reboot", SILENT },
        { PROV_ACT_RECEIVE, "dt/dev1/temperature", SILENT },
    };
    static const struct row unattached[] = { { PROV_ACT_CONNECT, "dev1", SILENT } };
    static const struct row no_thing[] = {
        { PROV_ACT_CONNECT, "dev1", SILENT },
        { PROV_ACT_PUBLISH, "dt//x", SILENT },
        { PROV_ACT_SUBSCRIBE, "cmd/#", SILENT },
    };
    struct policy_device d;

    (void)state;
    device_init(&d);
    check("telemetry-device.json", &d, rows, PROV_COUNT(rows));
    d.facts.thing_attached = false;
    check("telemetry-device.json", &d, unattached, PROV_COUNT(unattached));
    d.facts.thing_name = prov_span(NULL, 0);
    check("telemetry-device.json", &d, no_thing, PROV_COUNT(no_thing));
}

static void a_display_reads_and_never_writes(void **state)
{
    static const struct row rows[] = {
        { PROV_ACT_CONNECT, "dev1", YES },       { PROV_ACT_CONNECT, "dev2", SILENT },
        { PROV_ACT_SUBSCRIBE, "dt/#", YES },     { PROV_ACT_SUBSCRIBE, "dt/+/temperature", YES },
        { PROV_ACT_SUBSCRIBE, "#", SILENT },     { PROV_ACT_RECEIVE, "dt/dev2/temperature", YES },
        { PROV_ACT_RECEIVE, "cmd/x", SILENT },   { PROV_ACT_PUBLISH, "dt/dev1/temperature", NO },
        { PROV_ACT_RETAIN_PUBLISH, "dt/x", NO },
    };
    const struct prov_policy_request with_will = { .action = PROV_ACT_CONNECT,
                                                   .name = PROV_LIT("dev1"),
                                                   .has_will = true,
                                                   .will_topic = PROV_LIT("dt/dev1/gone") };
    struct policy_device d;
    const char *docs[1];
    char *text;
    struct prov_policy *pol;

    (void)state;
    device_init(&d);
    check("read-only-display.json", &d, rows, PROV_COUNT(rows));
    docs[0] = text = policy_file("read-only-display.json");
    pol = policy_session(docs, 1, &d);
    assert_int_equal(policy_verdict(pol, &with_will), NO);
    prov_policy_free(pol);
    free(text);
}

static void a_gateway_acts_for_its_site(void **state)
{
    static const struct row rows[] = {
        { PROV_ACT_CONNECT, "dev1", YES },
        { PROV_ACT_PUBLISH, "dt/dev1/load", YES },
        { PROV_ACT_PUBLISH, "site/north/dt/child7/temperature", YES },
        { PROV_ACT_RETAIN_PUBLISH, "site/north/dt/child7/temperature", YES },
        { PROV_ACT_PUBLISH, "site/south/dt/child7/temperature", SILENT },
        { PROV_ACT_PUBLISH, "site/north/cmd/child7/reboot", SILENT },
        { PROV_ACT_SUBSCRIBE, "site/north/cmd/+/#", YES },
        { PROV_ACT_SUBSCRIBE, "site/+/cmd/#", SILENT },
        { PROV_ACT_RECEIVE, "site/north/cmd/child7/reboot", YES },
        { PROV_ACT_RECEIVE, "site/south/cmd/child7/reboot", SILENT },
        { PROV_ACT_RECEIVE, "cmd/dev1/reboot", YES },
    };
    static const struct row without_site[] = {
        { PROV_ACT_CONNECT, "dev1", YES },
        { PROV_ACT_PUBLISH, "dt/dev1/load", YES },
        { PROV_ACT_PUBLISH, "site//dt/x", SILENT },
        { PROV_ACT_PUBLISH, "site/north/dt/x", SILENT },
    };
    struct policy_device d;

    (void)state;
    device_init(&d);
    check("gateway.json", &d, rows, PROV_COUNT(rows));
    d.facts.n_attrs = 0;
    check("gateway.json", &d, without_site, PROV_COUNT(without_site));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_telemetry_device_keeps_to_its_own_topics),
        cmocka_unit_test(a_display_reads_and_never_writes),
        cmocka_unit_test(a_gateway_acts_for_its_site),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
