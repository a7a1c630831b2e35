/* The template store (reference 2.9). */
#include "support/reg_fixture.h"

#include "core/reg.h"
#include "support/alloc.h"

#define INVALID "InvalidRequestException"
#define EXISTS "ResourceAlreadyExistsException"
#define NOT_FOUND "ResourceNotFoundException"
#define IN_USE "DeleteConflictException"

#define CERT                                                                                       \
    "'c':{'Type':'AWS::IoT::Certificate','Properties':"                                            \
    "{'CertificateId':{'Ref':'AWS::IoT::Certificate::Id'}}}"
#define BODY "{'Resources':{" CERT "}}"
#define OTHER                                                                                      \
    "{'Resources':{" CERT ",'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':'x'}}}}"
#define FLEET_ONLY                                                                                 \
    "{'Resources':{" CERT ",'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':"              \
    "{'Fn::Join':['',['a','b']]}}}}}"

static struct prov_template_creation creation(struct reg *r, const char *name, const char *body)
{
    return (struct prov_template_creation){
        .name = S(name), .body = reg_json(r, body), .type = PROV_TEMPLATE_JITP, .enabled = true
    };
}

static struct prov_template_info get(struct reg *r, const char *name)
{
    struct prov_template_info info;

    reg_ok(r, prov_template_get(&r->tx, S(name), &info));
    return info;
}

static uint32_t new_version(struct reg *r, const char *name, bool set_default)
{
    uint32_t version = 0;

    reg_ok(r, prov_template_version_create(&r->tx, S(name), reg_json(r, OTHER), set_default,
                                           &version));
    return version;
}

static bool body_is(struct reg *r, const char *name, uint32_t version, const char *quoted)
{
    struct prov_version_info info;

    reg_ok(r, prov_template_version_get(&r->tx, S(name), version, &info));
    return prov_span_eq(info.document, reg_json(r, quoted));
}

static void template_is_described_as_it_was_created(void **state)
{
    struct reg *r = *state;
    struct prov_template_creation asked = creation(r, "t-1_A", BODY);
    struct prov_template_info info;
    struct prov_version_info version;

    asked.description = S("for lamps");
    reg_ok(r, prov_template_create(&r->tx, &asked));
    reg_commit(r);
    info = get(r, "t-1_A");
    assert_span(info.name, "t-1_A");
    assert_span(info.description, "for lamps");
    assert_int_equal(info.type, PROV_TEMPLATE_JITP);
    assert_true(info.enabled);
    assert_int_equal(info.default_version, 1);
    assert_int_equal(info.last_version, 1);
    assert_int_equal(info.created_ms, REG_T0 * 1000);
    reg_ok(r, prov_template_version_get(&r->tx, S("t-1_A"), 0, &version));
    assert_int_equal(version.version, 1);
    assert_int_equal(version.created_ms, REG_T0 * 1000);
    assert_true(body_is(r, "t-1_A", 0, BODY));
    assert_string_equal(reg_feed(r), "template:t-1_A");
    assert_string_equal(reg_problems(r), "");
    reg_refused(r, prov_template_create(&r->tx, &asked), PROV_ECONFLICT, EXISTS);
    asked.name = S("fleet");
    asked.type = PROV_TEMPLATE_FLEET;
    asked.enabled = false;
    reg_ok(r, prov_template_create(&r->tx, &asked));
    assert_int_equal(get(r, "fleet").type, PROV_TEMPLATE_FLEET);
    assert_false(get(r, "fleet").enabled);
}

static void template_of_a_bad_name_or_body_is_refused(void **state)
{
    static char long_text[PROV_MAX_DESCRIPTION + 2];
    struct reg *r = *state;
    struct prov_template_creation asked;

    asked = creation(r, "a:b", BODY);
    reg_refused(r, prov_template_create(&r->tx, &asked), PROV_EINVAL, INVALID);
    asked = creation(r, "0123456789012345678901234567890123456", BODY);
    reg_refused(r, prov_template_create(&r->tx, &asked), PROV_EINVAL, INVALID);
    asked.name = S("012345678901234567890123456789012345");
    reg_ok(r, prov_template_create(&r->tx, &asked));
    asked = creation(r, "a", "{}");
    reg_refused(r, prov_template_create(&r->tx, &asked), PROV_EINVAL, INVALID);
    asked = creation(r, "a", FLEET_ONLY);
    reg_refused(r, prov_template_create(&r->tx, &asked), PROV_EINVAL, INVALID);
    asked.type = PROV_TEMPLATE_FLEET;
    reg_ok(r, prov_template_create(&r->tx, &asked));
    asked = creation(r, "b", BODY);
    memset(long_text, 'x', sizeof long_text - 1);
    asked.description = S(long_text);
    reg_refused(r, prov_template_create(&r->tx, &asked), PROV_EINVAL, INVALID);
}

static void body_has_10240_bytes_and_no_more(void **state)
{
    static char text[PROV_MAX_TEMPLATE_BODY + 2];
    struct reg *r = *state;
    struct prov_template_creation asked = creation(r, "t", BODY);
    uint32_t version;

    memset(text, ' ', PROV_MAX_TEMPLATE_BODY + 1);
    memcpy(text, asked.body.p, asked.body.n);
    asked.body = prov_span(text, PROV_MAX_TEMPLATE_BODY + 1);
    reg_refused(r, prov_template_create(&r->tx, &asked), PROV_ETOOBIG, INVALID);
    asked.body.n--;
    reg_ok(r, prov_template_create(&r->tx, &asked));
    reg_ok(r, prov_template_version_create(&r->tx, S("t"), asked.body, false, &version));
    asked.body.n++;
    reg_refused(r, prov_template_version_create(&r->tx, S("t"), asked.body, false, &version),
                PROV_ETOOBIG, INVALID);
}

static void account_has_256_templates_and_no_more(void **state)
{
    struct reg *r = *state;
    struct prov_template_creation asked;
    char name[16];
    uint64_t n;

    for (int i = 0; i < PROV_MAX_TEMPLATES; i++) {
        (void)snprintf(name, sizeof name, "t%d", i);
        reg_template(r, name, BODY);
    }
    asked = creation(r, "more", BODY);
    reg_refused(r, prov_template_create(&r->tx, &asked), PROV_ETOOBIG, "LimitExceededException");
    reg_ok(r, prov_template_delete(&r->tx, S("t0")));
    reg_ok(r, prov_template_create(&r->tx, &asked));
    reg_ok(r, prov_list_count(&r->tx, PROV_LIST_TEMPLATES, &n));
    assert_int_equal(n, PROV_MAX_TEMPLATES);
}

static void update_changes_what_is_given_and_leaves_the_rest(void **state)
{
    struct reg *r = *state;
    const struct prov_span text = S("new"), bad = S("\xff");
    struct prov_template_change change = { .description = &text };

    reg_template(r, "t", BODY);
    (void)new_version(r, "t", false);
    (void)reg_feed(r);
    reg_at(r, 4);
    reg_ok(r, prov_template_update(&r->tx, S("t"), &change));
    assert_span(get(r, "t").description, "new");
    assert_true(get(r, "t").enabled);
    assert_int_equal(get(r, "t").default_version, 1);
    assert_int_equal(get(r, "t").created_ms, REG_T0 * 1000);
    assert_int_equal(get(r, "t").modified_ms, (REG_T0 + 4) * 1000);
    change = (struct prov_template_change){ .enabled = &(bool){ false } };
    reg_ok(r, prov_template_update(&r->tx, S("t"), &change));
    assert_false(get(r, "t").enabled);
    assert_span(get(r, "t").description, "new");
    change = (struct prov_template_change){ .default_version = &(uint32_t){ 2 } };
    reg_ok(r, prov_template_update(&r->tx, S("t"), &change));
    assert_int_equal(get(r, "t").default_version, 2);
    assert_false(get(r, "t").enabled);
    assert_string_equal(reg_feed(r), "template:t template:t template:t");
    change.default_version = &(uint32_t){ 3 };
    reg_refused(r, prov_template_update(&r->tx, S("t"), &change), PROV_ENOTFOUND, NOT_FOUND);
    change.default_version = &(uint32_t){ 0 };
    reg_refused(r, prov_template_update(&r->tx, S("t"), &change), PROV_ENOTFOUND, NOT_FOUND);
    change = (struct prov_template_change){ .description = &bad };
    reg_refused(r, prov_template_update(&r->tx, S("t"), &change), PROV_EINVAL, INVALID);
    reg_refused(r, prov_template_update(&r->tx, S("none"), &change), PROV_ENOTFOUND, NOT_FOUND);
    assert_string_equal(reg_problems(r), "");
}

static void hook_is_for_fleet_templates_and_can_run(void **state)
{
    static const struct {
        enum prov_template_type type;
        const char *hook;
        enum prov_rc rc;
    } rows[] = {
        { PROV_TEMPLATE_FLEET, "exec:/usr/lib/prov/check", PROV_OK },
        { PROV_TEMPLATE_FLEET, "https://hooks.example.com/check", PROV_OK },
        { PROV_TEMPLATE_FLEET, "", PROV_OK },
        { PROV_TEMPLATE_FLEET, "exec:check", PROV_EINVAL },
        { PROV_TEMPLATE_JITP, "", PROV_OK },
        { PROV_TEMPLATE_JITP, "exec:/usr/lib/prov/check", PROV_EINVAL }, /* its CA has it */
    };
    struct reg *r = *state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct prov_span hook = S(rows[i].hook);
        struct prov_template_creation tpl = creation(r, "tpl", BODY);

        tpl.type = rows[i].type;
        tpl.hook = hook;
        if (rows[i].rc == PROV_OK) {
            reg_ok(r, prov_template_create(&r->tx, &tpl));
            assert_span(get(r, "tpl").hook, rows[i].hook);
            reg_abort(r);
        } else {
            reg_refused(r, prov_template_create(&r->tx, &tpl), rows[i].rc, INVALID);
        }
        tpl.hook = NONE;
        reg_ok(r, prov_template_create(&r->tx, &tpl));
        if (rows[i].rc == PROV_OK) {
            reg_ok(r, prov_template_update(&r->tx, S("tpl"),
                                           &(struct prov_template_change){ .hook = &hook }));
            reg_ok(r, prov_template_update(
                          &r->tx, S("tpl"),
                          &(struct prov_template_change){ .enabled = &(bool){ false } }));
            assert_span(get(r, "tpl").hook, rows[i].hook);
        } else {
            reg_refused(r,
                        prov_template_update(&r->tx, S("tpl"),
                                             &(struct prov_template_change){ .hook = &hook }),
                        rows[i].rc, INVALID);
        }
        reg_abort(r);
    }
}

static void validity_and_retirement_are_for_fleet_templates(void **state)
{
    static const uint32_t most = PROV_MAX_VALIDITY_DAYS, more = PROV_MAX_VALIDITY_DAYS + 1,
                          none = 0;
    static const bool yes = true, no = false;
    struct reg *r = *state;
    struct prov_template_creation fleet = creation(r, "fleet", BODY);
    struct prov_template_creation jitp = creation(r, "jitp", BODY);

    fleet.type = PROV_TEMPLATE_FLEET;
    fleet.validity_days = more;
    reg_refused(r, prov_template_create(&r->tx, &fleet), PROV_EINVAL, INVALID);
    fleet.validity_days = 7;
    fleet.retire_previous = true;
    reg_ok(r, prov_template_create(&r->tx, &fleet));
    assert_int_equal(get(r, "fleet").validity_days, 7);
    assert_true(get(r, "fleet").retire_previous);
    reg_refused(r,
                prov_template_update(&r->tx, S("fleet"),
                                     &(struct prov_template_change){ .validity_days = &more }),
                PROV_EINVAL, INVALID);
    reg_ok(r, prov_template_update(&r->tx, S("fleet"),
                                   &(struct prov_template_change){ .validity_days = &most }));
    assert_int_equal(get(r, "fleet").validity_days, most);
    assert_true(get(r, "fleet").retire_previous);
    reg_ok(r, prov_template_update(&r->tx, S("fleet"),
                                   &(struct prov_template_change){ .validity_days = &none,
                                                                   .retire_previous = &no }));
    assert_int_equal(get(r, "fleet").validity_days, 0);
    assert_false(get(r, "fleet").retire_previous);

    jitp.validity_days = 7;
    reg_refused(r, prov_template_create(&r->tx, &jitp), PROV_EINVAL, INVALID);
    jitp.validity_days = 0;
    jitp.retire_previous = true;
    reg_refused(r, prov_template_create(&r->tx, &jitp), PROV_EINVAL, INVALID);
    jitp.retire_previous = false;
    reg_ok(r, prov_template_create(&r->tx, &jitp));
    reg_refused(r,
                prov_template_update(&r->tx, S("jitp"),
                                     &(struct prov_template_change){ .validity_days = &most }),
                PROV_EINVAL, INVALID);
    reg_refused(r,
                prov_template_update(&r->tx, S("jitp"),
                                     &(struct prov_template_change){ .retire_previous = &yes }),
                PROV_EINVAL, INVALID);
    reg_ok(r, prov_template_update(&r->tx, S("jitp"),
                                   &(struct prov_template_change){ .validity_days = &none,
                                                                   .retire_previous = &no }));
}

static void template_has_five_versions_of_its_type(void **state)
{
    struct reg *r = *state;
    uint32_t version;

    reg_ok(r, prov_template_create(&r->tx,
                                   &(struct prov_template_creation){ .name = S("t"),
                                                                     .description = S("kept"),
                                                                     .body = reg_json(r, BODY),
                                                                     .type = PROV_TEMPLATE_JITP,
                                                                     .enabled = true }));
    assert_int_equal(new_version(r, "t", false), 2);
    assert_true(body_is(r, "t", 0, BODY));
    assert_true(body_is(r, "t", 2, OTHER));
    assert_int_equal(new_version(r, "t", true), 3);
    assert_true(body_is(r, "t", 0, OTHER));
    assert_span(get(r, "t").description, "kept");
    reg_refused(
        r, prov_template_version_create(&r->tx, S("t"), reg_json(r, FLEET_ONLY), true, &version),
        PROV_EINVAL, INVALID);
    assert_int_equal(new_version(r, "t", false), 4);
    assert_int_equal(new_version(r, "t", false), 5);
    reg_refused(r, prov_template_version_create(&r->tx, S("t"), reg_json(r, BODY), true, &version),
                PROV_ETOOBIG, "VersionsLimitExceededException");
    reg_refused(r, prov_template_version_delete(&r->tx, S("t"), 3), PROV_EDENIED, IN_USE);
    reg_refused(r, prov_template_version_delete(&r->tx, S("t"), 6), PROV_ENOTFOUND, NOT_FOUND);
    (void)reg_feed(r);
    reg_ok(r, prov_template_version_delete(&r->tx, S("t"), 5));
    assert_string_equal(reg_feed(r), "template:t");
    assert_int_equal(new_version(r, "t", false), 6);
    reg_refused(r,
                prov_template_version_create(&r->tx, S("none"), reg_json(r, BODY), true, &version),
                PROV_ENOTFOUND, NOT_FOUND);
    assert_string_equal(reg_problems(r), "");
}

static void template_in_use_or_with_versions_is_not_deleted(void **state)
{
    struct reg *r = *state;
    struct pki_cert cert = reg_pki_ca(r, "/CN=Root");
    const struct prov_span none = NONE;
    struct prov_template_info gone;
    struct prov_id ca;

    reg_template(r, "t", BODY);
    reg_template(r, "tt", BODY);
    ca = reg_ca(r, &cert, "t");
    (void)new_version(r, "t", false);
    reg_refused(r, prov_template_delete(&r->tx, S("t")), PROV_EDENIED, IN_USE);
    reg_ok(r, prov_ca_update(&r->tx, &ca, &(struct prov_ca_change){ .template_name = &none }));
    reg_refused(r, prov_template_delete(&r->tx, S("t")), PROV_EDENIED, IN_USE);
    reg_ok(r, prov_template_version_delete(&r->tx, S("t"), 2));
    (void)reg_feed(r);
    reg_ok(r, prov_template_delete(&r->tx, S("t")));
    assert_string_equal(reg_feed(r), "template:t");
    reg_refused(r, prov_template_get(&r->tx, S("t"), &gone), PROV_ENOTFOUND, NOT_FOUND);
    reg_refused(r, prov_template_delete(&r->tx, S("t")), PROV_ENOTFOUND, NOT_FOUND);
    assert_string_equal(reg_list(r, PROV_LIST_TEMPLATES, NONE, NONE), "tt");
    assert_true(body_is(r, "tt", 1, BODY));
    assert_string_equal(reg_problems(r), "");
    pki_free(&cert);
}

static void template_of_a_type_of_the_future_is_an_error(void **state)
{
    struct reg *r = *state;
    struct prov_template_info info;

    reg_template(r, "t", BODY);
    info = get(r, "t");
    info.type = (enum prov_template_type)7;
    reg_ok(r, reg_put(&r->tx, REG_TEMPLATE, &reg_template_record, S("t"), &info));
    reg_refused(r, prov_template_get(&r->tx, S("t"), &info), PROV_ESTORE,
                "InternalFailureException");
    assert_string_not_equal(reg_problems(r), "");
}

/* ---- failures -------------------------------------------------------------------------------- */

static enum prov_rc live_and_die(struct reg *r, void *ctx)
{
    const struct prov_template_change change = { .default_version = &(uint32_t){ 1 } };
    const struct prov_span *body = ctx;
    uint32_t version;
    enum prov_rc rc;

    rc = prov_template_create(&r->tx,
                              &(struct prov_template_creation){
                                  .name = S("t"), .body = *body, .type = PROV_TEMPLATE_JITP });
    if (rc == PROV_OK)
        rc = prov_template_version_create(&r->tx, S("t"), *body, true, &version);
    if (rc == PROV_OK)
        rc = prov_template_update(&r->tx, S("t"), &change);
    if (rc == PROV_OK)
        rc = prov_template_version_delete(&r->tx, S("t"), version);
    return rc != PROV_OK ? rc : prov_template_delete(&r->tx, S("t"));
}

static void failure_of_any_step_leaves_nothing_behind(void **state)
{
    struct reg *r = *state;
    struct prov_span body = reg_json(r, OTHER);

    assert_true(reg_each_allocation(r, live_and_die, &body) > 30);
    if (!r->lmdb)
        assert_true(reg_each_write(r, live_and_die, &body) > 10);
}

static const struct CMUnitTest registry_template[] = {
    REG_TEST(template_is_described_as_it_was_created),
    REG_TEST(template_of_a_bad_name_or_body_is_refused),
    REG_TEST(body_has_10240_bytes_and_no_more),
    REG_TEST(account_has_256_templates_and_no_more),
    REG_TEST(update_changes_what_is_given_and_leaves_the_rest),
    REG_TEST(hook_is_for_fleet_templates_and_can_run),
    REG_TEST(validity_and_retirement_are_for_fleet_templates),
    REG_TEST(template_has_five_versions_of_its_type),
    REG_TEST(template_in_use_or_with_versions_is_not_deleted),
    REG_TEST(template_of_a_type_of_the_future_is_an_error),
    REG_TEST(failure_of_any_step_leaves_nothing_behind),
};
REG_MAIN(registry_template)
