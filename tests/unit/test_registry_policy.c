/* Policies, their versions and where they are attached (reference 8.7 and 8.9). */
#include "support/reg_fixture.h"

#include "core/reg.h"
#include "support/alloc.h"

#define INVALID "InvalidRequestException"
#define EXISTS "ResourceAlreadyExistsException"
#define NOT_FOUND "ResourceNotFoundException"
#define LIMIT "LimitExceededException"
#define IN_USE "DeleteConflictException"
#define MALFORMED "MalformedPolicyException"

#define DENY                                                                                       \
    "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Deny\",\"Action\":\"iot:Publish\","  \
    "\"Resource\":\"*\"}]}"

static struct prov_policy_info get(struct reg *r, const char *name)
{
    struct prov_policy_info info;

    reg_ok(r, prov_policy_get(&r->tx, S(name), &info));
    return info;
}

static struct prov_version_info version_of(struct reg *r, const char *name, uint32_t version)
{
    struct prov_version_info info;

    reg_ok(r, prov_policy_version_get(&r->tx, S(name), version, &info));
    return info;
}

static uint32_t new_version(struct reg *r, const char *name, bool set_default)
{
    uint32_t version = 0;

    reg_ok(r, prov_policy_version_create(&r->tx, S(name), S(DENY), set_default, &version));
    return version;
}

/* ---- documents and versions ------------------------------------------------------------------ */

static void policy_is_described_as_it_was_created(void **state)
{
    struct reg *r = *state;
    struct prov_policy_info info;
    struct prov_version_info version;

    reg_policy(r, "a+=,.@-1");
    reg_commit(r);
    info = get(r, "a+=,.@-1");
    assert_span(info.name, "a+=,.@-1");
    assert_int_equal(info.default_version, 1);
    assert_int_equal(info.last_version, 1);
    assert_int_equal(info.created_ms, REG_T0 * 1000);
    assert_int_equal(info.modified_ms, REG_T0 * 1000);
    version = version_of(r, "a+=,.@-1", 0);
    assert_int_equal(version.version, 1);
    assert_int_equal(version.created_ms, REG_T0 * 1000);
    assert_span(version.document, REG_POLICY_TEXT);
    assert_string_equal(reg_feed(r), "policy:a+=,.@-1");
    assert_string_equal(reg_problems(r), "");
    reg_refused(r, prov_policy_create(&r->tx, S("a+=,.@-1"), S(REG_POLICY_TEXT)), PROV_ECONFLICT,
                EXISTS);
}

static void policy_of_a_bad_name_or_document_is_refused(void **state)
{
    struct reg *r = *state;
    uint32_t version;

    reg_refused(r, prov_policy_create(&r->tx, S("a b"), S(DENY)), PROV_EINVAL, INVALID);
    reg_refused(r, prov_policy_create(&r->tx, NONE, S(DENY)), PROV_EINVAL, INVALID);
    reg_refused(r, prov_policy_create(&r->tx, S("a"), S("{}")), PROV_EINVAL, MALFORMED);
    reg_refused(r, prov_policy_create(&r->tx, S("a"), NONE), PROV_EINVAL, MALFORMED);
    reg_policy(r, "a");
    reg_refused(r, prov_policy_version_create(&r->tx, S("a"), S("[]"), true, &version), PROV_EINVAL,
                MALFORMED);
    assert_int_equal(get(r, "a").last_version, 1);
}

static void largest_document_is_stored_and_read(void **state)
{
    static char text[PROV_MAX_POLICY_TEXT + 1];
    struct reg *r = *state;

    memset(text, ' ', sizeof text);
    memcpy(text, DENY, sizeof DENY - 1);
    reg_ok(r, prov_policy_create(&r->tx, S("a"), prov_span(text, PROV_MAX_POLICY_TEXT)));
    reg_commit(r);
    assert_int_equal(version_of(r, "a", 1).document.n, PROV_MAX_POLICY_TEXT);
    reg_nest(r);
    assert_int_not_equal(
        prov_policy_create(&r->tx, S("b"), prov_span(text, PROV_MAX_POLICY_TEXT + 1)), PROV_OK);
    reg_expect_refused(r, r->err.rc, r->err.rc, MALFORMED, "too large", __FILE__, __LINE__);
}

static void new_version_is_in_force_when_it_is_made_so(void **state)
{
    struct reg *r = *state;

    reg_policy(r, "p");
    reg_at(r, 5);
    assert_int_equal(new_version(r, "p", false), 2);
    assert_int_equal(get(r, "p").default_version, 1);
    assert_int_equal(get(r, "p").last_version, 2);
    assert_int_equal(get(r, "p").created_ms, REG_T0 * 1000);
    assert_int_equal(get(r, "p").modified_ms, (REG_T0 + 5) * 1000);
    assert_span(version_of(r, "p", 0).document, REG_POLICY_TEXT);
    assert_span(version_of(r, "p", 2).document, DENY);
    assert_int_equal(version_of(r, "p", 2).created_ms, (REG_T0 + 5) * 1000);
    (void)reg_feed(r);
    assert_int_equal(new_version(r, "p", true), 3);
    assert_int_equal(get(r, "p").default_version, 3);
    assert_span(version_of(r, "p", 0).document, DENY);
    assert_string_equal(reg_feed(r), "policy:p");
    reg_ok(r, prov_policy_version_set_default(&r->tx, S("p"), 1));
    assert_span(version_of(r, "p", 0).document, REG_POLICY_TEXT);
    assert_string_equal(reg_feed(r), "policy:p");
    reg_ok(r, prov_policy_version_set_default(&r->tx, S("p"), 1));
    assert_string_equal(reg_feed(r), "");
    assert_string_equal(reg_problems(r), "");
}

static void policy_has_five_versions_and_numbers_are_not_used_again(void **state)
{
    struct reg *r = *state;
    uint32_t version;

    reg_policy(r, "p");
    reg_policy(r, "pp"); /* its versions are its own */
    (void)new_version(r, "pp", false);
    for (uint32_t i = 2; i <= PROV_MAX_VERSIONS; i++)
        assert_int_equal(new_version(r, "p", false), i);
    reg_refused(r, prov_policy_version_create(&r->tx, S("p"), S(DENY), true, &version),
                PROV_ETOOBIG, "VersionsLimitExceededException");
    assert_string_equal(reg_list(r, PROV_LIST_VERSIONS_OF_POLICY, S("pp"), NONE), "1 2");
    (void)reg_feed(r);
    reg_ok(r, prov_policy_version_delete(&r->tx, S("p"), 5));
    assert_string_equal(reg_feed(r), "policy:p");
    assert_int_equal(new_version(r, "p", false), 6);
    reg_refused(r, prov_policy_version_get(&r->tx, S("p"), 5, &(struct prov_version_info){ 0 }),
                PROV_ENOTFOUND, NOT_FOUND);
    assert_string_equal(reg_problems(r), "");
}

static void versions_are_listed_by_number(void **state)
{
    const enum prov_list_kind kind = PROV_LIST_VERSIONS_OF_POLICY;
    struct reg *r = *state;
    uint8_t two[4];

    reg_policy(r, "p");
    (void)new_version(r, "p", false);
    (void)new_version(r, "p", false);
    assert_string_equal(reg_list(r, kind, S("p"), NONE), "1 2 3");
    reg_be32(2, two);
    assert_string_equal(reg_list(r, kind, S("p"), prov_span(two, 4)), "3");
    assert_string_equal(reg_list(r, kind, S("none"), NONE), "");
}

static void name_of_any_length_is_looked_for(void **state)
{
    static const size_t lengths[] = { PROV_MAX_NAME,          PROV_MAX_NAME + 1,
                                      PROV_STORE_KEY_MAX - 1, PROV_STORE_KEY_MAX,
                                      PROV_STORE_KEY_MAX + 1, 4000 };
    static char name[4000];
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);
    struct prov_version_info version;

    memset(name, 'x', sizeof name);
    for (size_t i = 0; i < PROV_COUNT(lengths); i++) {
        const struct prov_span s = prov_span(name, lengths[i]);

        reg_refused(r, prov_policy_version_get(&r->tx, s, 1, &version), PROV_ENOTFOUND, NOT_FOUND);
        reg_refused(r, prov_policy_delete(&r->tx, s), PROV_ENOTFOUND, NOT_FOUND);
        reg_refused(r, prov_policy_attach_cert(&r->tx, s, &id), PROV_ENOTFOUND, NOT_FOUND);
        reg_refused(r, prov_policy_attach_group(&r->tx, s, s), PROV_ENOTFOUND, NOT_FOUND);
        reg_ok(r, prov_policy_detach_cert(&r->tx, s, &id));
        reg_refused(r, prov_policy_detach_group(&r->tx, s, s), PROV_ENOTFOUND, NOT_FOUND);
        reg_refused(r, prov_group_add(&r->tx, s, s), PROV_ENOTFOUND, NOT_FOUND);
        reg_refused(r, prov_group_remove(&r->tx, s, s), PROV_ENOTFOUND, NOT_FOUND);
        reg_refused(r, prov_group_delete(&r->tx, s), PROV_ENOTFOUND, NOT_FOUND);
        reg_refused(r, prov_group_create(&r->tx, S("g"), s, NONE), PROV_ENOTFOUND, NOT_FOUND);
        reg_refused(r, prov_type_delete(&r->tx, s), PROV_ENOTFOUND, NOT_FOUND);
        reg_refused(r, prov_billing_add(&r->tx, s, s), PROV_ENOTFOUND, NOT_FOUND);
        reg_refused(r, prov_billing_delete(&r->tx, s), PROV_ENOTFOUND, NOT_FOUND);
        reg_refused(r, prov_template_delete(&r->tx, s), PROV_ENOTFOUND, NOT_FOUND);
        reg_refused(r, prov_thing_attach(&r->tx, s, &id, false), PROV_ENOTFOUND, NOT_FOUND);
        reg_refused(r, prov_thing_detach(&r->tx, s, &id), PROV_ENOTFOUND, NOT_FOUND);
    }
}

static void default_version_is_not_deleted(void **state)
{
    struct reg *r = *state;

    reg_policy(r, "p");
    (void)new_version(r, "p", true);
    reg_refused(r, prov_policy_version_delete(&r->tx, S("p"), 2), PROV_EDENIED, IN_USE);
    reg_refused(r, prov_policy_version_delete(&r->tx, S("p"), 3), PROV_ENOTFOUND, NOT_FOUND);
    reg_refused(r, prov_policy_version_delete(&r->tx, S("p"), 0), PROV_ENOTFOUND, NOT_FOUND);
    reg_refused(r, prov_policy_version_delete(&r->tx, S("none"), 1), PROV_ENOTFOUND, NOT_FOUND);
    reg_ok(r, prov_policy_version_delete(&r->tx, S("p"), 1));
    reg_refused(r, prov_policy_version_set_default(&r->tx, S("p"), 1), PROV_ENOTFOUND, NOT_FOUND);
    reg_refused(r, prov_policy_version_set_default(&r->tx, S("p"), 0), PROV_ENOTFOUND, NOT_FOUND);
}

static void policy_in_use_or_with_versions_is_not_deleted(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);
    struct prov_policy_info gone;

    reg_policy(r, "p");
    reg_group(r, "g", NULL);
    (void)new_version(r, "p", false);
    reg_ok(r, prov_policy_attach_cert(&r->tx, S("p"), &id));
    reg_ok(r, prov_policy_attach_group(&r->tx, S("p"), S("g")));
    reg_refused(r, prov_policy_delete(&r->tx, S("p")), PROV_EDENIED, IN_USE);
    reg_ok(r, prov_policy_detach_cert(&r->tx, S("p"), &id));
    reg_refused(r, prov_policy_delete(&r->tx, S("p")), PROV_EDENIED, IN_USE);
    reg_ok(r, prov_policy_detach_group(&r->tx, S("p"), S("g")));
    reg_refused(r, prov_policy_delete(&r->tx, S("p")), PROV_EDENIED, IN_USE);
    reg_ok(r, prov_policy_version_delete(&r->tx, S("p"), 2));
    (void)reg_feed(r);
    reg_ok(r, prov_policy_delete(&r->tx, S("p")));
    assert_string_equal(reg_feed(r), "policy:p");
    reg_refused(r, prov_policy_get(&r->tx, S("p"), &gone), PROV_ENOTFOUND, NOT_FOUND);
    reg_refused(r, prov_policy_delete(&r->tx, S("p")), PROV_ENOTFOUND, NOT_FOUND);
    assert_string_equal(reg_problems(r), "");
    reg_policy(r, "p"); /* as new */
    assert_int_equal(get(r, "p").last_version, 1);
}

/* ---- attachments ----------------------------------------------------------------------------- */

static struct prov_cert cert_of(struct reg *r, const struct prov_id *id)
{
    struct prov_cert cert;

    reg_ok(r, prov_cert_get(&r->tx, id, &cert));
    return cert;
}

static void policy_is_attached_to_a_certificate_and_detached(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r), unknown = { { 1 } };
    struct prov_cert cert;

    reg_policy(r, "p");
    reg_policy(r, "q");
    (void)reg_feed(r);
    reg_ok(r, prov_policy_attach_cert(&r->tx, S("p"), &id));
    assert_string_equal(reg_feed(r), "cert");
    reg_ok(r, prov_policy_attach_cert(&r->tx, S("p"), &id));
    assert_string_equal(reg_feed(r), "");
    reg_ok(r, prov_policy_attach_cert(&r->tx, S("q"), &id));
    cert = cert_of(r, &id);
    assert_int_equal(cert.n_policies, 2);
    assert_span(cert.policies[0], "p");
    assert_span(cert.policies[1], "q");
    assert_string_equal(reg_problems(r), "");
    (void)reg_feed(r);
    reg_ok(r, prov_policy_detach_cert(&r->tx, S("p"), &id));
    assert_string_equal(reg_feed(r), "cert");
    reg_ok(r, prov_policy_detach_cert(&r->tx, S("p"), &id));
    reg_ok(r, prov_policy_detach_cert(&r->tx, S("never"), &id));
    assert_string_equal(reg_feed(r), "");
    cert = cert_of(r, &id);
    assert_int_equal(cert.n_policies, 1);
    assert_span(cert.policies[0], "q");
    reg_refused(r, prov_policy_attach_cert(&r->tx, S("none"), &id), PROV_ENOTFOUND, NOT_FOUND);
    reg_refused(r, prov_policy_attach_cert(&r->tx, S("p"), &unknown), PROV_ENOTFOUND, NOT_FOUND);
    reg_refused(r, prov_policy_detach_cert(&r->tx, S("p"), &unknown), PROV_ENOTFOUND, NOT_FOUND);
    assert_string_equal(reg_problems(r), "");
}

static void policy_is_attached_to_a_group_and_detached(void **state)
{
    struct reg *r = *state;
    struct prov_group group;

    reg_policy(r, "p");
    reg_policy(r, "q");
    reg_policy(r, "s");
    reg_group(r, "g", NULL);
    (void)reg_feed(r);
    reg_ok(r, prov_policy_attach_group(&r->tx, S("p"), S("g")));
    assert_string_equal(reg_feed(r), "group:g");
    reg_ok(r, prov_policy_attach_group(&r->tx, S("p"), S("g")));
    assert_string_equal(reg_feed(r), "");
    reg_ok(r, prov_policy_attach_group(&r->tx, S("q"), S("g")));
    reg_refused(r, prov_policy_attach_group(&r->tx, S("s"), S("g")), PROV_ETOOBIG, LIMIT);
    reg_ok(r, prov_policy_attach_group(&r->tx, S("q"), S("g"))); /* it is there */
    reg_ok(r, prov_group_get(&r->tx, S("g"), &group));
    assert_int_equal(group.n_policies, PROV_MAX_GROUP_POLICIES);
    assert_string_equal(reg_problems(r), "");
    (void)reg_feed(r);
    reg_ok(r, prov_policy_detach_group(&r->tx, S("p"), S("g")));
    assert_string_equal(reg_feed(r), "group:g");
    reg_ok(r, prov_policy_detach_group(&r->tx, S("p"), S("g")));
    assert_string_equal(reg_feed(r), "");
    reg_ok(r, prov_policy_attach_group(&r->tx, S("s"), S("g")));
    reg_refused(r, prov_policy_attach_group(&r->tx, S("none"), S("g")), PROV_ENOTFOUND, NOT_FOUND);
    reg_refused(r, prov_policy_attach_group(&r->tx, S("p"), S("none")), PROV_ENOTFOUND, NOT_FOUND);
    reg_refused(r, prov_policy_detach_group(&r->tx, S("p"), S("none")), PROV_ENOTFOUND, NOT_FOUND);
    assert_string_equal(reg_problems(r), "");
}

static void certificate_has_ten_policies_and_no_more(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);
    char name[16];

    for (int i = 0; i < PROV_MAX_CERT_POLICIES; i++) {
        (void)snprintf(name, sizeof name, "p%d", i);
        reg_policy(r, name);
        reg_ok(r, prov_policy_attach_cert(&r->tx, S(name), &id));
    }
    reg_policy(r, "more");
    reg_refused(r, prov_policy_attach_cert(&r->tx, S("more"), &id), PROV_ETOOBIG, LIMIT);
    reg_ok(r, prov_policy_attach_cert(&r->tx, S("p3"), &id));
    reg_ok(r, prov_policy_detach_cert(&r->tx, S("p3"), &id));
    reg_ok(r, prov_policy_attach_cert(&r->tx, S("more"), &id));
    assert_int_equal(cert_of(r, &id).n_policies, PROV_MAX_CERT_POLICIES);
}

/* What a policy is attached to, from names that live in the record that detaching rewrites. */
static void name_may_come_from_the_record_that_changes(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);
    struct prov_group group;
    struct prov_cert cert;

    reg_policy(r, "p");
    reg_group(r, "g", NULL);
    reg_ok(r, prov_policy_attach_cert(&r->tx, S("p"), &id));
    reg_ok(r, prov_policy_attach_group(&r->tx, S("p"), S("g")));
    cert = cert_of(r, &id);
    reg_ok(r, prov_policy_detach_cert(&r->tx, cert.policies[0], &id));
    reg_ok(r, prov_group_get(&r->tx, S("g"), &group));
    reg_ok(r, prov_policy_detach_group(&r->tx, group.policies[0], S("g")));
    assert_string_equal(reg_list(r, PROV_LIST_TARGETS_OF_POLICY, S("p"), NONE), "");
    assert_string_equal(reg_problems(r), "");
}

struct targets {
    struct prov_id cert;
    unsigned n;
};

static bool check_target(void *ctx, struct prov_span key)
{
    struct targets *t = ctx;

    if (t->n++ == 0) {
        assert_int_equal(key.n, 1 + PROV_ID_LEN);
        assert_int_equal(key.p[0], 'c');
        assert_memory_equal(key.p + 1, t->cert.b, PROV_ID_LEN);
    } else {
        assert_span(key, "gg");
    }
    return true;
}

static void targets_of_a_policy_are_certificates_and_groups(void **state)
{
    struct reg *r = *state;
    struct targets t = { .cert = reg_cert(r) };

    reg_policy(r, "p");
    reg_group(r, "g", NULL);
    reg_ok(r, prov_policy_attach_group(&r->tx, S("p"), S("g")));
    reg_ok(r, prov_policy_attach_cert(&r->tx, S("p"), &t.cert));
    reg_ok(r, prov_list(&r->tx, PROV_LIST_TARGETS_OF_POLICY, S("p"), NONE, check_target, &t));
    assert_int_equal(t.n, 2);
}

/* Nobody makes such a record; what comes after has room for names. */
static void record_under_a_name_that_is_too_long_is_not_there(void **state)
{
    static char name[PROV_STORE_KEY_MAX];
    struct reg *r = *state;
    const struct prov_span s = prov_span(name, sizeof name);
    const struct prov_policy_info policy = { .name = s };
    const struct prov_group group = { .name = s };

    memset(name, 'x', sizeof name);
    reg_policy(r, "p");
    reg_group(r, "g", NULL);
    reg_ok(r, reg_put(&r->tx, REG_POLICY, &reg_policy_record, s, &policy));
    reg_ok(r, reg_put(&r->tx, REG_GROUP, &reg_group_record, s, &group));
    reg_refused(r, prov_policy_attach_group(&r->tx, S("p"), s), PROV_ENOTFOUND, NOT_FOUND);
    reg_refused(r, prov_policy_attach_group(&r->tx, s, S("g")), PROV_ENOTFOUND, NOT_FOUND);
    reg_refused(r, prov_policy_delete(&r->tx, s), PROV_ENOTFOUND, NOT_FOUND);
    reg_refused(r, prov_group_delete(&r->tx, s), PROV_ENOTFOUND, NOT_FOUND);
    reg_refused(r, prov_group_create(&r->tx, S("h"), s, NONE), PROV_ENOTFOUND, NOT_FOUND);
    assert_string_not_equal(reg_problems(r), "");
}

/* ---- failures -------------------------------------------------------------------------------- */

static enum prov_rc live_and_die(struct reg *r, void *ctx)
{
    const struct prov_id *id = ctx;
    uint32_t version;
    enum prov_rc rc;

    rc = prov_policy_create(&r->tx, S("p"), S(DENY));
    if (rc == PROV_OK)
        rc = prov_policy_version_create(&r->tx, S("p"), S(DENY), true, &version);
    if (rc == PROV_OK)
        rc = prov_policy_attach_cert(&r->tx, S("p"), id);
    if (rc == PROV_OK)
        rc = prov_policy_attach_group(&r->tx, S("p"), S("g"));
    if (rc == PROV_OK)
        rc = prov_policy_version_set_default(&r->tx, S("p"), 1);
    if (rc == PROV_OK)
        rc = prov_policy_version_delete(&r->tx, S("p"), version);
    if (rc == PROV_OK)
        rc = prov_policy_detach_cert(&r->tx, S("p"), id);
    if (rc == PROV_OK)
        rc = prov_policy_detach_group(&r->tx, S("p"), S("g"));
    return rc != PROV_OK ? rc : prov_policy_delete(&r->tx, S("p"));
}

static void failure_of_any_step_leaves_nothing_behind(void **state)
{
    struct reg *r = *state;
    struct prov_id id = reg_cert(r);

    reg_group(r, "g", NULL);
    assert_true(reg_each_allocation(r, live_and_die, &id) > 30);
    if (!r->lmdb)
        assert_true(reg_each_write(r, live_and_die, &id) > 20);
}

static const struct CMUnitTest registry_policy[] = {
    REG_TEST(policy_is_described_as_it_was_created),
    REG_TEST(policy_of_a_bad_name_or_document_is_refused),
    REG_TEST(largest_document_is_stored_and_read),
    REG_TEST(new_version_is_in_force_when_it_is_made_so),
    REG_TEST(policy_has_five_versions_and_numbers_are_not_used_again),
    REG_TEST(versions_are_listed_by_number),
    REG_TEST(name_of_any_length_is_looked_for),
    REG_TEST(default_version_is_not_deleted),
    REG_TEST(policy_in_use_or_with_versions_is_not_deleted),
    REG_TEST(policy_is_attached_to_a_certificate_and_detached),
    REG_TEST(policy_is_attached_to_a_group_and_detached),
    REG_TEST(certificate_has_ten_policies_and_no_more),
    REG_TEST(name_may_come_from_the_record_that_changes),
    REG_TEST(targets_of_a_policy_are_certificates_and_groups),
    REG_TEST(record_under_a_name_that_is_too_long_is_not_there),
    REG_TEST(failure_of_any_step_leaves_nothing_behind),
};
REG_MAIN(registry_policy)
