/* Thing groups, types and billing groups (reference 7). */
#include "support/reg_fixture.h"

#include "core/reg.h"
#include "support/alloc.h"

#define INVALID "InvalidRequestException"
#define EXISTS "ResourceAlreadyExistsException"
#define NOT_FOUND "ResourceNotFoundException"
#define LIMIT "LimitExceededException"

static struct prov_thing get(struct reg *r, const char *name)
{
    struct prov_thing thing;

    reg_ok(r, prov_thing_get(&r->tx, S(name), &thing));
    return thing;
}

/* ---- groups ---------------------------------------------------------------------------------- */

static struct prov_group group_of(struct reg *r, const char *name)
{
    struct prov_group group;

    reg_ok(r, prov_group_get(&r->tx, S(name), &group));
    return group;
}

static void group_is_created_once_or_again_as_it_is(void **state)
{
    struct reg *r = *state;
    struct prov_group group;

    reg_ok(r, prov_group_create(&r->tx, S("top"), NONE, S("of all")));
    reg_ok(r, prov_group_create(&r->tx, S("g"), S("top"), S("about g")));
    reg_commit(r);
    group = group_of(r, "g");
    assert_span(group.name, "g");
    assert_span(group.parent, "top");
    assert_span(group.description, "about g");
    assert_int_equal(group.depth, 2);
    assert_int_equal(group.version, 1);
    assert_int_equal(group.created_ms, REG_T0 * 1000);
    assert_string_equal(reg_list(r, PROV_LIST_GROUPS_OF_GROUP, S("top"), NONE), "g");
    assert_string_equal(reg_feed(r), "group:top group:g");
    reg_ok(r, prov_group_create(&r->tx, S("g"), S("top"), S("about g")));
    assert_string_equal(reg_feed(r), "");
    reg_refused(r, prov_group_create(&r->tx, S("g"), S("top"), NONE), PROV_ECONFLICT, EXISTS);
    reg_refused(r, prov_group_create(&r->tx, S("g"), NONE, S("about g")), PROV_ECONFLICT, EXISTS);
    reg_refused(r, prov_group_create(&r->tx, S("a/b"), NONE, NONE), PROV_EINVAL, INVALID);
    reg_refused(r, prov_group_create(&r->tx, S("x"), S("none"), NONE), PROV_ENOTFOUND, NOT_FOUND);
    reg_refused(r, prov_group_create(&r->tx, S("x"), S("x"), NONE), PROV_ENOTFOUND, NOT_FOUND);
    reg_refused(r, prov_group_get(&r->tx, S("none"), &group), PROV_ENOTFOUND, NOT_FOUND);
    assert_string_equal(reg_problems(r), "");
}

static void description_has_a_length_and_is_utf8(void **state)
{
    char longest[PROV_MAX_DESCRIPTION + 1];
    struct reg *r = *state;

    memset(longest, 'd', sizeof longest);
    reg_ok(r, prov_group_create(&r->tx, S("a"), NONE, prov_span(longest, sizeof longest - 1)));
    reg_refused(r, prov_group_create(&r->tx, S("b"), NONE, prov_span(longest, sizeof longest)),
                PROV_EINVAL, INVALID);
    reg_refused(r, prov_group_create(&r->tx, S("b"), NONE, S("\xff")), PROV_EINVAL, INVALID);
    reg_refused(r, prov_billing_create(&r->tx, S("b"), S("\xff")), PROV_EINVAL, INVALID);
    reg_refused(r,
                prov_type_create(
                    &r->tx, &(struct prov_thing_type){ .name = S("b"), .description = S("\xff") }),
                PROV_EINVAL, INVALID);
    reg_ok(r, prov_group_create(&r->tx, S("b"), NONE, S("\xc3\xa4")));
}

static void groups_nest_seven_deep(void **state)
{
    struct reg *r = *state;
    char name[4] = "g1", parent[4] = "";

    for (unsigned depth = 1; depth <= 7; depth++) {
        name[1] = "01234567"[depth];
        reg_ok(r, prov_group_create(&r->tx, S(name), S(parent), NONE));
        assert_int_equal(group_of(r, name).depth, depth);
        memcpy(parent, name, sizeof parent);
    }
    reg_refused(r, prov_group_create(&r->tx, S("g8"), S("g7"), NONE), PROV_ETOOBIG, LIMIT);
    reg_thing(r, "t");
    reg_ok(r, prov_group_add(&r->tx, S("g7"), S("t")));
    reg_refused(r, prov_group_add(&r->tx, S("g1"), S("t")), PROV_EINVAL, INVALID);
    assert_string_equal(reg_problems(r), "");
}

static void group_has_a_hundred_children(void **state)
{
    struct reg *r = *state;
    char name[16];

    reg_group(r, "top", NULL);
    for (int i = 0; i < PROV_MAX_GROUP_CHILDREN; i++) {
        (void)snprintf(name, sizeof name, "g%d", i);
        reg_ok(r, prov_group_create(&r->tx, S(name), S("top"), NONE));
    }
    reg_refused(r, prov_group_create(&r->tx, S("more"), S("top"), NONE), PROV_ETOOBIG, LIMIT);
    reg_ok(r, prov_group_create(&r->tx, S("g7"), S("top"), NONE)); /* it is one of them */
    reg_ok(r, prov_group_delete(&r->tx, S("g7")));
    reg_ok(r, prov_group_create(&r->tx, S("more"), S("top"), NONE));
}

static void thing_joins_groups_of_different_hierarchies(void **state)
{
    struct reg *r = *state;
    char name[16];

    reg_group(r, "a", NULL);
    reg_group(r, "a1", "a");
    reg_group(r, "a2", "a");
    reg_group(r, "a11", "a1");
    reg_group(r, "b", NULL);
    reg_thing(r, "t");
    (void)reg_feed(r);
    reg_ok(r, prov_group_add(&r->tx, S("a1"), S("t")));
    assert_string_equal(reg_feed(r), "thing:t");
    reg_ok(r, prov_group_add(&r->tx, S("a1"), S("t")));
    assert_string_equal(reg_feed(r), "");
    reg_refused(r, prov_group_add(&r->tx, S("a"), S("t")), PROV_EINVAL, INVALID);
    reg_refused(r, prov_group_add(&r->tx, S("a2"), S("t")), PROV_EINVAL, INVALID);
    reg_refused(r, prov_group_add(&r->tx, S("a11"), S("t")), PROV_EINVAL, INVALID);
    reg_refused(r, prov_group_add(&r->tx, S("none"), S("t")), PROV_ENOTFOUND, NOT_FOUND);
    reg_refused(r, prov_group_add(&r->tx, S("b"), S("none")), PROV_ENOTFOUND, NOT_FOUND);
    reg_ok(r, prov_group_add(&r->tx, S("b"), S("t")));
    assert_string_equal(reg_list(r, PROV_LIST_THINGS_OF_GROUP, S("a1"), NONE), "t");
    assert_string_equal(reg_list(r, PROV_LIST_THINGS_OF_GROUP, S("a"), NONE), "");
    (void)reg_feed(r);
    reg_ok(r, prov_group_remove(&r->tx, S("a1"), S("t")));
    assert_string_equal(reg_feed(r), "thing:t");
    reg_refused(r, prov_group_remove(&r->tx, S("a1"), S("t")), PROV_ENOTFOUND, NOT_FOUND);
    reg_refused(r, prov_group_remove(&r->tx, S("b"), S("none")), PROV_ENOTFOUND, NOT_FOUND);
    reg_ok(r, prov_group_add(&r->tx, S("a2"), S("t")));
    for (int i = 2; i < PROV_MAX_THING_GROUPS; i++) {
        (void)snprintf(name, sizeof name, "g%d", i);
        reg_group(r, name, NULL);
        reg_ok(r, prov_group_add(&r->tx, S(name), S("t")));
    }
    reg_group(r, "more", NULL);
    reg_refused(r, prov_group_add(&r->tx, S("more"), S("t")), PROV_ETOOBIG, LIMIT);
    assert_string_equal(reg_problems(r), "");
}

static void group_is_deleted_without_children_and_policies(void **state)
{
    struct reg *r = *state;
    struct prov_group gone;

    reg_policy(r, "p");
    reg_group(r, "top", NULL);
    reg_group(r, "g", "top");
    reg_thing(r, "t");
    reg_thing(r, "u");
    reg_ok(r, prov_group_add(&r->tx, S("g"), S("t")));
    reg_ok(r, prov_group_add(&r->tx, S("g"), S("u")));
    reg_ok(r, prov_policy_attach_group(&r->tx, S("p"), S("g")));
    reg_refused(r, prov_group_delete(&r->tx, S("none")), PROV_ENOTFOUND, NOT_FOUND);
    reg_refused(r, prov_group_delete(&r->tx, S("top")), PROV_EDENIED, INVALID);
    reg_refused(r, prov_group_delete(&r->tx, S("g")), PROV_EDENIED, "DeleteConflictException");
    reg_ok(r, prov_policy_detach_group(&r->tx, S("p"), S("g")));
    (void)reg_feed(r);
    reg_ok(r, prov_group_delete(&r->tx, S("g")));
    assert_string_equal(reg_feed(r), "thing:t thing:u group:g");
    reg_refused(r, prov_group_get(&r->tx, S("g"), &gone), PROV_ENOTFOUND, NOT_FOUND);
    assert_int_equal(get(r, "t").n_groups, 0);
    assert_string_equal(reg_problems(r), "");
    reg_ok(r, prov_group_delete(&r->tx, S("top")));
    assert_string_equal(reg_list(r, PROV_LIST_GROUPS, NONE, NONE), "");
}

/* A loop of parents can only come from damage; it must not keep anybody for ever. */
static void damaged_hierarchy_ends(void **state)
{
    struct reg *r = *state;
    struct prov_group group;

    reg_group(r, "a", NULL);
    reg_group(r, "b", "a");
    reg_thing(r, "t");
    group = group_of(r, "a");
    group.parent = S("b");
    reg_ok(r, reg_group_put(&r->tx, S("a"), &group));
    reg_ok(r, prov_group_add(&r->tx, S("b"), S("t")));
    assert_string_not_equal(reg_problems(r), "");
}

/* ---- types ----------------------------------------------------------------------------------- */

static void type_is_described_as_it_was_created(void **state)
{
    struct reg *r = *state;
    struct prov_thing_type type = { .name = S("lamp"),
                                    .description = S("gives light"),
                                    .searchable = { S("colour"), S("watts"), S("room") },
                                    .n_searchable = 3,
                                    .deprecated = true, /* not for the caller to say */
                                    .deprecated_ms = 5,
                                    .created_ms = 5 };
    struct prov_thing_type made;

    reg_ok(r, prov_type_create(&r->tx, &type));
    reg_commit(r);
    reg_ok(r, prov_type_get(&r->tx, S("lamp"), &made));
    assert_span(made.name, "lamp");
    assert_span(made.description, "gives light");
    assert_int_equal(made.n_searchable, 3);
    assert_span(made.searchable[2], "room");
    assert_false(made.deprecated);
    assert_int_equal(made.deprecated_ms, 0);
    assert_int_equal(made.created_ms, REG_T0 * 1000);
    assert_string_equal(reg_feed(r), "type:lamp");
    reg_refused(r, prov_type_create(&r->tx, &type), PROV_ECONFLICT, EXISTS);
    type.name = S("x");
    type.n_searchable = 4;
    reg_refused(r, prov_type_create(&r->tx, &type), PROV_ETOOBIG, INVALID);
    type.n_searchable = 1;
    type.searchable[0] = S("a b");
    reg_refused(r, prov_type_create(&r->tx, &type), PROV_EINVAL, INVALID);
    reg_refused(r, prov_type_create(&r->tx, &(struct prov_thing_type){ .name = S("a b") }),
                PROV_EINVAL, INVALID);
    reg_refused(r, prov_type_get(&r->tx, S("x"), &made), PROV_ENOTFOUND, NOT_FOUND);
    assert_string_equal(reg_problems(r), "");
}

static void type_is_deprecated_and_back_and_deleted_when_nothing_has_it(void **state)
{
    struct reg *r = *state;
    const struct prov_span none = NONE;
    struct prov_thing_type type;

    reg_type(r, "x");
    reg_ok(r, prov_thing_create(&r->tx, S("t"), S("x"), NULL, 0));
    (void)reg_feed(r);
    reg_refused(r, prov_type_delete(&r->tx, S("x")), PROV_EDENIED, INVALID);
    reg_at(r, 3);
    reg_ok(r, prov_type_deprecate(&r->tx, S("x"), false));
    reg_at(r, 8);
    reg_ok(r, prov_type_deprecate(&r->tx, S("x"), false));
    reg_ok(r, prov_type_get(&r->tx, S("x"), &type));
    assert_true(type.deprecated);
    assert_int_equal(type.deprecated_ms, (REG_T0 + 3) * 1000); /* since it was */
    assert_string_equal(reg_feed(r), "type:x");
    reg_refused(r, prov_type_delete(&r->tx, S("x")), PROV_EDENIED, INVALID);
    reg_ok(r, prov_type_deprecate(&r->tx, S("x"), true));
    reg_ok(r, prov_type_get(&r->tx, S("x"), &type));
    assert_false(type.deprecated);
    assert_int_equal(type.deprecated_ms, 0);
    reg_ok(r, prov_thing_update(&r->tx, S("t"), &(struct prov_thing_change){ .type = &none }));
    reg_refused(r, prov_type_delete(&r->tx, S("x")), PROV_EDENIED, INVALID);
    reg_ok(r, prov_type_deprecate(&r->tx, S("x"), false));
    (void)reg_feed(r);
    reg_ok(r, prov_type_delete(&r->tx, S("x")));
    assert_string_equal(reg_feed(r), "type:x");
    reg_refused(r, prov_type_delete(&r->tx, S("x")), PROV_ENOTFOUND, NOT_FOUND);
    reg_refused(r, prov_type_deprecate(&r->tx, S("x"), false), PROV_ENOTFOUND, NOT_FOUND);
    assert_string_equal(reg_problems(r), "");
}

/* ---- billing groups -------------------------------------------------------------------------- */

static const char *billed(struct reg *r, const char *group)
{
    return reg_list(r, PROV_LIST_THINGS_OF_BILLING_GROUP, S(group), NONE);
}

static void thing_is_in_one_billing_group_at_most(void **state)
{
    struct reg *r = *state;
    struct prov_billing_group group;

    reg_ok(r, prov_billing_create(&r->tx, S("a"), S("first")));
    reg_ok(r, prov_billing_create(&r->tx, S("b"), NONE));
    reg_commit(r);
    reg_ok(r, prov_billing_get(&r->tx, S("a"), &group));
    assert_span(group.name, "a");
    assert_span(group.description, "first");
    assert_int_equal(group.created_ms, REG_T0 * 1000);
    reg_thing(r, "t");
    assert_string_equal(reg_feed(r), "billing:a billing:b thing:t");
    reg_ok(r, prov_billing_add(&r->tx, S("a"), S("t")));
    reg_ok(r, prov_billing_add(&r->tx, S("a"), S("t")));
    assert_string_equal(reg_feed(r), "thing:t");
    assert_string_equal(billed(r, "a"), "t");
    reg_ok(r, prov_billing_add(&r->tx, S("b"), S("t")));
    assert_string_equal(billed(r, "a"), "");
    assert_string_equal(billed(r, "b"), "t");
    assert_span(get(r, "t").billing_group, "b");
    assert_string_equal(reg_problems(r), "");
    reg_ok(r, prov_billing_add(&r->tx, NONE, S("t")));
    reg_ok(r, prov_billing_add(&r->tx, NONE, S("t")));
    assert_string_equal(billed(r, "b"), "");
    assert_int_equal(get(r, "t").billing_group.n, 0);
    reg_refused(r, prov_billing_add(&r->tx, S("none"), S("t")), PROV_ENOTFOUND, NOT_FOUND);
    reg_refused(r, prov_billing_add(&r->tx, S("a"), S("none")), PROV_ENOTFOUND, NOT_FOUND);
    reg_refused(r, prov_billing_create(&r->tx, S("a"), S("first")), PROV_ECONFLICT, EXISTS);
    reg_refused(r, prov_billing_create(&r->tx, S("a b"), NONE), PROV_EINVAL, INVALID);
    assert_string_equal(reg_problems(r), "");
}

static void deleted_billing_group_lets_its_things_go(void **state)
{
    struct reg *r = *state;
    struct prov_billing_group gone;

    reg_ok(r, prov_billing_create(&r->tx, S("a"), NONE));
    reg_thing(r, "s");
    reg_thing(r, "t");
    reg_ok(r, prov_billing_add(&r->tx, S("a"), S("s")));
    reg_ok(r, prov_billing_add(&r->tx, S("a"), S("t")));
    (void)reg_feed(r);
    reg_ok(r, prov_billing_delete(&r->tx, S("a")));
    assert_string_equal(reg_feed(r), "thing:s thing:t billing:a");
    assert_int_equal(get(r, "s").billing_group.n, 0);
    reg_refused(r, prov_billing_get(&r->tx, S("a"), &gone), PROV_ENOTFOUND, NOT_FOUND);
    reg_refused(r, prov_billing_delete(&r->tx, S("a")), PROV_ENOTFOUND, NOT_FOUND);
    assert_string_equal(reg_problems(r), "");
}

/* ---- failures -------------------------------------------------------------------------------- */

static enum prov_rc make_and_delete_groups(struct reg *r, void *ctx)
{
    enum prov_rc rc;

    (void)ctx;
    rc = prov_group_create(&r->tx, S("h"), S("g"), NONE);
    if (rc == PROV_OK)
        rc = prov_group_add(&r->tx, S("h"), S("u"));
    if (rc == PROV_OK)
        rc = prov_billing_add(&r->tx, S("b"), S("u"));
    if (rc == PROV_OK)
        rc = prov_group_delete(&r->tx, S("h"));
    if (rc == PROV_OK)
        rc = prov_billing_delete(&r->tx, S("b"));
    if (rc == PROV_OK)
        rc = prov_type_deprecate(&r->tx, S("typ"), false);
    return rc != PROV_OK ? rc : prov_type_delete(&r->tx, S("typ"));
}

static void failure_of_any_step_leaves_nothing_behind(void **state)
{
    struct reg *r = *state;

    reg_type(r, "typ");
    reg_group(r, "g", NULL);
    reg_thing(r, "u");
    reg_ok(r, prov_billing_create(&r->tx, S("b"), NONE));
    assert_true(reg_each_allocation(r, make_and_delete_groups, NULL) > 20);
    if (!r->lmdb)
        assert_true(reg_each_write(r, make_and_delete_groups, NULL) > 15);
}

static const struct CMUnitTest registry_group[] = {
    REG_TEST(group_is_created_once_or_again_as_it_is),
    REG_TEST(description_has_a_length_and_is_utf8),
    REG_TEST(groups_nest_seven_deep),
    REG_TEST(group_has_a_hundred_children),
    REG_TEST(thing_joins_groups_of_different_hierarchies),
    REG_TEST(group_is_deleted_without_children_and_policies),
    REG_TEST(damaged_hierarchy_ends),
    REG_TEST(type_is_described_as_it_was_created),
    REG_TEST(type_is_deprecated_and_back_and_deleted_when_nothing_has_it),
    REG_TEST(thing_is_in_one_billing_group_at_most),
    REG_TEST(deleted_billing_group_lets_its_things_go),
    REG_TEST(failure_of_any_step_leaves_nothing_behind),
};
REG_MAIN(registry_group)
