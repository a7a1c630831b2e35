/* Things (reference 7). */
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

static struct prov_attr attr(const char *name, const char *value)
{
    return (struct prov_attr){ S(name), S(value) };
}

/* "b=2 a=1": what the thing has, in the order it has it. */
static void assert_attrs(struct reg *r, const char *name, const char *expected)
{
    const struct prov_thing thing = get(r, name);
    char text[512] = "";
    size_t n = 0;

    for (size_t i = 0; i < thing.n_attrs; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%.*s=%.*s", i != 0 ? " " : "",
                              PROV_SPAN_ARG(thing.attrs[i].name),
                              PROV_SPAN_ARG(thing.attrs[i].value));
    assert_string_equal(text, expected);
}

/* ---- create ---------------------------------------------------------------------------------- */

static void thing_is_described_as_it_was_created(void **state)
{
    struct reg *r = *state;
    const struct prov_attr attrs[] = { attr("b", "2"), attr("a", "1"), attr("gone", "") };
    struct prov_thing thing;

    reg_type(r, "sensor");
    (void)reg_feed(r);
    reg_ok(r, prov_thing_create(&r->tx, S("a"), S("sensor"), attrs, 3));
    reg_commit(r);
    thing = get(r, "a");
    assert_span(thing.name, "a");
    assert_span(thing.type, "sensor");
    assert_attrs(r, "a", "b=2 a=1");
    assert_int_equal(thing.billing_group.n, 0);
    assert_int_equal(thing.n_groups, 0);
    assert_int_equal(thing.n_principals, 0);
    assert_int_equal(thing.version, 1);
    assert_int_equal(thing.created_ms, REG_T0 * 1000);
    assert_int_equal(thing.modified_ms, REG_T0 * 1000);
    assert_int_equal(thing.thing_id.b[6] >> 4, 4); /* RFC 9562: version 4, variant 10 */
    assert_int_equal(thing.thing_id.b[8] >> 6, 2);
    assert_string_equal(reg_feed(r), "thing:a");
    assert_string_equal(reg_list(r, PROV_LIST_THINGS_OF_TYPE, S("sensor"), NONE), "a");
    assert_string_equal(reg_problems(r), "");
}

/* Reference 7.2. */
static void thing_is_created_again_only_as_it_is(void **state)
{
    struct reg *r = *state;
    const struct prov_attr ab[] = { attr("a", "1"), attr("b", "2") };
    const struct prov_attr ba[] = { attr("b", "2"), attr("x", ""), attr("a", "1") };
    const struct prov_attr other[] = { attr("a", "1"), attr("b", "3") };
    const struct prov_attr more[] = { attr("a", "1"), attr("b", "2"), attr("c", "3") };

    reg_type(r, "sensor");
    reg_ok(r, prov_thing_create(&r->tx, S("t"), S("sensor"), ab, 2));
    (void)reg_feed(r);
    reg_at(r, 9);
    reg_ok(r, prov_thing_create(&r->tx, S("t"), S("sensor"), ab, 2));
    reg_ok(r, prov_thing_create(&r->tx, S("t"), S("sensor"), ba, 3));
    assert_int_equal(get(r, "t").version, 1);
    assert_int_equal(get(r, "t").modified_ms, REG_T0 * 1000);
    assert_string_equal(reg_feed(r), "");
    reg_refused(r, prov_thing_create(&r->tx, S("t"), S("sensor"), other, 2), PROV_ECONFLICT,
                EXISTS);
    reg_refused(r, prov_thing_create(&r->tx, S("t"), S("sensor"), ab, 1), PROV_ECONFLICT, EXISTS);
    reg_refused(r, prov_thing_create(&r->tx, S("t"), S("sensor"), more, 3), PROV_ECONFLICT, EXISTS);
    reg_refused(r, prov_thing_create(&r->tx, S("t"), NONE, ab, 2), PROV_ECONFLICT, EXISTS);
    reg_ok(r, prov_type_deprecate(&r->tx, S("sensor"), false));
    reg_ok(r, prov_thing_create(&r->tx, S("t"), S("sensor"), ab, 2)); /* identical still */
}

static void two_things_have_different_ids(void **state)
{
    struct reg *r = *state;
    struct prov_thing a, b;

    reg_thing(r, "a");
    reg_thing(r, "b");
    a = get(r, "a");
    b = get(r, "b");
    assert_false(prov_id_eq(&a.thing_id, &b.thing_id));
}

static void thing_of_a_bad_name_or_type_is_refused(void **state)
{
    struct reg *r = *state;

    reg_type(r, "old");
    reg_ok(r, prov_type_deprecate(&r->tx, S("old"), false));
    reg_refused(r, prov_thing_create(&r->tx, S("a b"), NONE, NULL, 0), PROV_EINVAL, INVALID);
    reg_refused(r, prov_thing_create(&r->tx, NONE, NONE, NULL, 0), PROV_EINVAL, INVALID);
    reg_refused(r, prov_thing_create(&r->tx, S("a"), S("none"), NULL, 0), PROV_ENOTFOUND,
                NOT_FOUND);
    reg_refused(r, prov_thing_create(&r->tx, S("a"), S("old"), NULL, 0), PROV_EINVAL, INVALID);
    reg_ok(r, prov_type_deprecate(&r->tx, S("old"), true));
    reg_ok(r, prov_thing_create(&r->tx, S("a"), S("old"), NULL, 0));
}

/* ---- attributes ------------------------------------------------------------------------------ */

/* "a00", "a01" … */
static void number(struct prov_attr *attrs, char (*names)[8], size_t n, const char *value)
{
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(names[i], sizeof names[i], "a%02u", (unsigned)i % 100);
        attrs[i] = attr(names[i], value);
    }
}

static void thing_has_three_attributes_without_a_type_and_fifty_with(void **state)
{
    struct prov_attr attrs[PROV_MAX_ATTRS + 1];
    char names[PROV_MAX_ATTRS + 1][8];
    struct reg *r = *state;
    const struct prov_span none = NONE;

    reg_type(r, "t");
    number(attrs, names, PROV_MAX_ATTRS + 1, "v");
    reg_ok(r, prov_thing_create(&r->tx, S("a"), NONE, attrs, 3));
    reg_refused(r, prov_thing_create(&r->tx, S("b"), NONE, attrs, 4), PROV_ETOOBIG, INVALID);
    reg_ok(r, prov_thing_create(&r->tx, S("b"), S("t"), attrs, PROV_MAX_ATTRS));
    reg_refused(r, prov_thing_create(&r->tx, S("c"), S("t"), attrs, PROV_MAX_ATTRS + 1),
                PROV_ETOOBIG, INVALID);
    reg_refused(r,
                prov_thing_update(
                    &r->tx, S("a"),
                    &(struct prov_thing_change){ .attrs = attrs, .n_attrs = 4, .set_attrs = true }),
                PROV_ETOOBIG, INVALID);
    reg_refused(r,
                prov_thing_update(
                    &r->tx, S("a"),
                    &(struct prov_thing_change){ .attrs = attrs + 3, .n_attrs = 1, .merge = true }),
                PROV_ETOOBIG, INVALID);
    reg_refused(r,
                prov_thing_update(&r->tx, S("b"),
                                  &(struct prov_thing_change){ .attrs = attrs + PROV_MAX_ATTRS,
                                                               .n_attrs = 1,
                                                               .merge = true }),
                PROV_ETOOBIG, INVALID);
    reg_refused(r, prov_thing_update(&r->tx, S("b"), &(struct prov_thing_change){ .type = &none }),
                PROV_ETOOBIG, INVALID); /* it would have fifty without a type */
    assert_int_equal(get(r, "b").n_attrs, PROV_MAX_ATTRS);
    assert_string_equal(reg_problems(r), "");
}

static void largest_attributes_fit_into_a_thing(void **state)
{
    struct prov_attr attrs[PROV_MAX_ATTRS];
    char names[PROV_MAX_ATTRS][8], long_names[PROV_MAX_ATTRS][PROV_MAX_ATTR_NAME + 1];
    char value[PROV_MAX_ATTR_VALUE + 1];
    struct reg *r = *state;

    /* 50 times 128 and 800 bytes: 46400, which is what the limits on each come to */
    memset(value, 'v', sizeof value);
    value[PROV_MAX_ATTR_VALUE] = '\0';
    reg_type(r, "t");
    number(attrs, names, PROV_MAX_ATTRS, value);
    for (size_t i = 0; i < PROV_MAX_ATTRS; i++) {
        memset(long_names[i], 'n', PROV_MAX_ATTR_NAME);
        long_names[i][PROV_MAX_ATTR_NAME] = '\0';
        memcpy(long_names[i], names[i], 3);
        attrs[i].name = S(long_names[i]);
    }
    reg_ok(r, prov_thing_create(&r->tx, S("a"), S("t"), attrs, PROV_MAX_ATTRS));
    assert_int_equal(get(r, "a").n_attrs, PROV_MAX_ATTRS);
    reg_commit(r);
    assert_true(prov_span_eq(get(r, "a").attrs[49].name, S(long_names[49])));
    assert_true(prov_span_eq(get(r, "a").attrs[49].value, S(value)));
}

static void attributes_are_set_or_merged_or_removed(void **state)
{
    struct reg *r = *state;
    const struct prov_attr first[] = { attr("a", "1"), attr("b", "2"), attr("c", "3") };
    const struct prov_attr merged[] = { attr("b", "22"), attr("c", ""), attr("none", "") };
    const struct prov_attr added[] = { attr("d", "4") };
    const struct prov_attr set[] = { attr("e", "5"), attr("a", "") };
    struct prov_thing_change change = { .attrs = merged, .n_attrs = 3, .merge = true };

    reg_ok(r, prov_thing_create(&r->tx, S("t"), NONE, first, 3));
    reg_ok(r, prov_thing_update(&r->tx, S("t"), &change));
    assert_attrs(r, "t", "a=1 b=22");
    change = (struct prov_thing_change){
        .attrs = added, .n_attrs = 1, .set_attrs = true, .merge = true
    };
    reg_ok(r, prov_thing_update(&r->tx, S("t"), &change));
    assert_attrs(r, "t", "a=1 b=22 d=4");
    change = (struct prov_thing_change){ .attrs = added, .n_attrs = 1 }; /* neither */
    reg_ok(r, prov_thing_update(&r->tx, S("t"), &change));
    assert_attrs(r, "t", "a=1 b=22 d=4");
    change = (struct prov_thing_change){ .attrs = set, .n_attrs = 2, .set_attrs = true };
    reg_ok(r, prov_thing_update(&r->tx, S("t"), &change));
    assert_attrs(r, "t", "e=5");
    change = (struct prov_thing_change){ .set_attrs = true };
    reg_ok(r, prov_thing_update(&r->tx, S("t"), &change));
    assert_attrs(r, "t", "");
    assert_int_equal(get(r, "t").version, 6);
}

static void attribute_given_twice_has_the_last_value(void **state)
{
    struct reg *r = *state;
    const struct prov_attr attrs[] = { attr("a", "1"), attr("b", "2"), attr("a", "3") };

    reg_ok(r, prov_thing_create(&r->tx, S("t"), NONE, attrs, 3));
    assert_attrs(r, "t", "a=3 b=2");
}

static void attribute_of_bad_characters_is_refused(void **state)
{
    struct reg *r = *state;
    const struct prov_attr name = attr("a b", "1"), value = attr("a", "1\n");

    reg_refused(r, prov_thing_create(&r->tx, S("t"), NONE, &name, 1), PROV_EINVAL, INVALID);
    reg_refused(r, prov_thing_create(&r->tx, S("t"), NONE, &value, 1), PROV_EINVAL, INVALID);
}

/* ---- update ---------------------------------------------------------------------------------- */

static void update_wants_the_version_it_expects(void **state)
{
    struct reg *r = *state;
    struct prov_thing_change change = { .expected_version = 1, .set_attrs = true };

    reg_refused(r, prov_thing_update(&r->tx, S("t"), &change), PROV_ENOTFOUND, NOT_FOUND);
    reg_thing(r, "t");
    reg_at(r, 7);
    reg_ok(r, prov_thing_update(&r->tx, S("t"), &change));
    assert_int_equal(get(r, "t").version, 2);
    assert_int_equal(get(r, "t").created_ms, REG_T0 * 1000);
    assert_int_equal(get(r, "t").modified_ms, (REG_T0 + 7) * 1000);
    reg_refused(r, prov_thing_update(&r->tx, S("t"), &change), PROV_ECONFLICT,
                "VersionConflictException");
    change.expected_version = 3;
    reg_refused(r, prov_thing_update(&r->tx, S("t"), &change), PROV_ECONFLICT,
                "VersionConflictException");
    change.expected_version = 0;
    reg_ok(r, prov_thing_update(&r->tx, S("t"), &change));
    assert_int_equal(get(r, "t").version, 3);
    assert_string_equal(reg_feed(r), "thing:t thing:t thing:t");
}

static const char *of_type(struct reg *r, const char *type)
{
    return reg_list(r, PROV_LIST_THINGS_OF_TYPE, S(type), NONE);
}

static void thing_changes_its_type(void **state)
{
    struct reg *r = *state;
    const struct prov_span x = S("x"), y = S("y"), none = NONE, missing = S("missing");

    reg_type(r, "x");
    reg_type(r, "y");
    reg_thing(r, "t");
    reg_ok(r, prov_thing_update(&r->tx, S("t"), &(struct prov_thing_change){ .type = &x }));
    assert_span(get(r, "t").type, "x");
    assert_string_equal(of_type(r, "x"), "t");
    reg_ok(r, prov_thing_update(&r->tx, S("t"), &(struct prov_thing_change){ .type = &y }));
    assert_string_equal(of_type(r, "x"), "");
    assert_string_equal(of_type(r, "y"), "t");
    reg_ok(r, prov_thing_update(&r->tx, S("t"), &(struct prov_thing_change){ .set_attrs = true }));
    assert_span(get(r, "t").type, "y");
    reg_refused(r,
                prov_thing_update(&r->tx, S("t"), &(struct prov_thing_change){ .type = &missing }),
                PROV_ENOTFOUND, NOT_FOUND);
    reg_ok(r, prov_type_deprecate(&r->tx, S("x"), false));
    reg_refused(r, prov_thing_update(&r->tx, S("t"), &(struct prov_thing_change){ .type = &x }),
                PROV_EINVAL, INVALID);
    reg_ok(r, prov_type_deprecate(&r->tx, S("y"), false));
    reg_ok(r, prov_thing_update(&r->tx, S("t"), &(struct prov_thing_change){ .type = &y }));
    assert_string_equal(reg_problems(r), "");
    reg_ok(r, prov_thing_update(&r->tx, S("t"), &(struct prov_thing_change){ .type = &none }));
    assert_int_equal(get(r, "t").type.n, 0);
    assert_string_equal(of_type(r, "y"), "");
    assert_string_equal(reg_problems(r), "");
}

/* ---- delete ---------------------------------------------------------------------------------- */

static void deleted_thing_leaves_all_it_was_in(void **state)
{
    struct reg *r = *state;
    struct prov_thing gone;

    reg_type(r, "typ");
    reg_group(r, "g", NULL);
    reg_group(r, "h", NULL);
    reg_ok(r, prov_billing_create(&r->tx, S("b"), NONE));
    reg_ok(r, prov_thing_create(&r->tx, S("t"), S("typ"), NULL, 0));
    reg_ok(r, prov_group_add(&r->tx, S("g"), S("t")));
    reg_ok(r, prov_group_add(&r->tx, S("h"), S("t")));
    reg_ok(r, prov_billing_add(&r->tx, S("b"), S("t")));
    reg_ok(r, prov_thing_delete(&r->tx, S("t")));
    reg_refused(r, prov_thing_get(&r->tx, S("t"), &gone), PROV_ENOTFOUND, NOT_FOUND);
    assert_string_equal(of_type(r, "typ"), "");
    assert_string_equal(reg_list(r, PROV_LIST_THINGS_OF_GROUP, S("g"), NONE), "");
    assert_string_equal(reg_list(r, PROV_LIST_THINGS_OF_GROUP, S("h"), NONE), "");
    assert_string_equal(reg_list(r, PROV_LIST_THINGS_OF_BILLING_GROUP, S("b"), NONE), "");
    assert_string_equal(reg_problems(r), "");
    (void)reg_feed(r);
    reg_ok(r, prov_thing_delete(&r->tx, S("t"))); /* unknown by now */
    assert_string_equal(reg_feed(r), "");
    reg_thing(r, "t");
    reg_ok(r, prov_thing_delete(&r->tx, S("t")));
    assert_string_equal(reg_feed(r), "thing:t thing:t");
    reg_refused(r, prov_thing_delete(&r->tx, S("a b")), PROV_EINVAL, INVALID);
}

static void thing_with_a_principal_is_not_deleted(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);

    reg_thing(r, "t");
    reg_ok(r, prov_thing_attach(&r->tx, S("t"), &id, false));
    reg_refused(r, prov_thing_delete(&r->tx, S("t")), PROV_EDENIED, INVALID);
    reg_ok(r, prov_thing_detach(&r->tx, S("t"), &id));
    reg_ok(r, prov_thing_delete(&r->tx, S("t")));
    assert_string_equal(reg_problems(r), "");
}

/* ---- principals (reference 7.4) -------------------------------------------------------------- */

static struct prov_cert cert_of(struct reg *r, const struct prov_id *id)
{
    struct prov_cert cert;

    reg_ok(r, prov_cert_get(&r->tx, id, &cert));
    return cert;
}

static void certificate_is_attached_and_detached(void **state)
{
    struct reg *r = *state;
    const struct prov_id a = reg_cert(r), b = reg_cert(r);
    struct prov_thing thing;

    reg_thing(r, "s");
    reg_thing(r, "t");
    (void)reg_feed(r);
    reg_ok(r, prov_thing_attach(&r->tx, S("t"), &a, false));
    assert_string_equal(reg_feed(r), "cert thing:t");
    reg_ok(r, prov_thing_attach(&r->tx, S("t"), &b, false));
    reg_ok(r, prov_thing_attach(&r->tx, S("s"), &a, false));
    (void)reg_feed(r);
    reg_ok(r, prov_thing_attach(&r->tx, S("t"), &a, false));
    assert_string_equal(reg_feed(r), "");
    thing = get(r, "t");
    assert_int_equal(thing.n_principals, 2);
    assert_id(&thing.principals[0], &a);
    assert_id(&thing.principals[1], &b);
    assert_int_equal(cert_of(r, &a).n_things, 2);
    assert_span(cert_of(r, &a).things[0], "t");
    assert_span(cert_of(r, &a).things[1], "s");
    assert_string_equal(reg_problems(r), "");
    reg_ok(r, prov_thing_detach(&r->tx, S("t"), &a));
    assert_string_equal(reg_feed(r), "cert thing:t");
    assert_int_equal(cert_of(r, &a).n_things, 1);
    assert_span(cert_of(r, &a).things[0], "s");
    assert_int_equal(get(r, "t").n_principals, 1);
    reg_refused(r, prov_thing_detach(&r->tx, S("t"), &a), PROV_ENOTFOUND, NOT_FOUND);
    assert_string_equal(reg_problems(r), "");
}

static void only_what_there_is_is_attached(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r), unknown = { { 1 } };

    reg_thing(r, "t");
    reg_refused(r, prov_thing_attach(&r->tx, S("none"), &id, false), PROV_ENOTFOUND, NOT_FOUND);
    reg_refused(r, prov_thing_attach(&r->tx, S("t"), &unknown, false), PROV_ENOTFOUND, NOT_FOUND);
    reg_refused(r, prov_thing_detach(&r->tx, S("none"), &id), PROV_ENOTFOUND, NOT_FOUND);
    reg_refused(r, prov_thing_detach(&r->tx, S("t"), &unknown), PROV_ENOTFOUND, NOT_FOUND);
}

static void exclusive_association_is_the_only_one(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);

    reg_thing(r, "s");
    reg_thing(r, "t");
    reg_ok(r, prov_thing_attach(&r->tx, S("t"), &id, true));
    assert_true(cert_of(r, &id).exclusive);
    reg_ok(r, prov_thing_attach(&r->tx, S("t"), &id, true));
    reg_refused(r, prov_thing_attach(&r->tx, S("s"), &id, false), PROV_ECONFLICT, INVALID);
    reg_refused(r, prov_thing_attach(&r->tx, S("s"), &id, true), PROV_ECONFLICT, INVALID);
    reg_ok(r, prov_thing_detach(&r->tx, S("t"), &id));
    assert_false(cert_of(r, &id).exclusive);
    reg_ok(r, prov_thing_attach(&r->tx, S("s"), &id, false));
    reg_refused(r, prov_thing_attach(&r->tx, S("t"), &id, true), PROV_ECONFLICT, INVALID);
    reg_ok(r, prov_thing_attach(&r->tx, S("s"), &id, true)); /* its only one: becomes exclusive */
    assert_true(cert_of(r, &id).exclusive);
    reg_ok(r, prov_thing_attach(&r->tx, S("s"), &id, PROV_ATTACH_SHARED));
    assert_false(cert_of(r, &id).exclusive);
    reg_ok(r, prov_thing_attach(&r->tx, S("t"), &id, false));
    reg_refused(r, prov_thing_attach(&r->tx, S("t"), &id, true), PROV_ECONFLICT, INVALID);
    reg_refused(r, prov_thing_attach(&r->tx, S("s"), &id, true), PROV_ECONFLICT, INVALID);
    assert_string_equal(reg_problems(r), "");
}

/* What group policies deny depends on it, so it does not end by being left unsaid. */
static void attachment_stays_of_its_kind_unless_another_is_asked_for(void **state)
{
    static const struct {
        enum prov_attach first, again;
        bool before, after;
    } rows[] = {
        { PROV_ATTACH_UNSAID, PROV_ATTACH_UNSAID, false, false },
        { PROV_ATTACH_UNSAID, PROV_ATTACH_SHARED, false, false },
        { PROV_ATTACH_UNSAID, PROV_ATTACH_EXCLUSIVE, false, true },
        { PROV_ATTACH_SHARED, PROV_ATTACH_UNSAID, false, false },
        { PROV_ATTACH_SHARED, PROV_ATTACH_SHARED, false, false },
        { PROV_ATTACH_SHARED, PROV_ATTACH_EXCLUSIVE, false, true },
        { PROV_ATTACH_EXCLUSIVE, PROV_ATTACH_UNSAID, true, true },
        { PROV_ATTACH_EXCLUSIVE, PROV_ATTACH_SHARED, true, false },
        { PROV_ATTACH_EXCLUSIVE, PROV_ATTACH_EXCLUSIVE, true, true },
    };
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);

    reg_thing(r, "t");
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        reg_ok(r, prov_thing_attach(&r->tx, S("t"), &id, rows[i].first));
        assert_int_equal(cert_of(r, &id).exclusive, rows[i].before);
        (void)reg_feed(r);
        reg_ok(r, prov_thing_attach(&r->tx, S("t"), &id, rows[i].again));
        assert_int_equal(cert_of(r, &id).exclusive, rows[i].after);
        assert_int_equal(cert_of(r, &id).n_things, 1);
        assert_int_equal(get(r, "t").n_principals, 1);
        /* live sessions hear of it when, and only when, it changed */
        assert_string_equal(reg_feed(r), rows[i].before != rows[i].after ? "cert" : "");
        assert_string_equal(reg_problems(r), "");
        reg_ok(r, prov_thing_detach(&r->tx, S("t"), &id));
    }
}

/* Exclusive to its certificate, not to its thing: others may be attached there too. */
static void thing_of_an_exclusive_certificate_takes_another(void **state)
{
    struct reg *r = *state;
    const struct prov_id a = reg_cert(r), b = reg_cert(r);

    reg_thing(r, "t");
    reg_ok(r, prov_thing_attach(&r->tx, S("t"), &a, true));
    reg_ok(r, prov_thing_attach(&r->tx, S("t"), &b, false));
    assert_int_equal(get(r, "t").n_principals, 2);
}

static void certificate_and_thing_have_so_many_of_each_other(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);
    struct prov_thing thing;
    struct prov_cert cert;
    char name[16];

    for (int i = 0; i < PROV_MAX_CERT_THINGS; i++) {
        (void)snprintf(name, sizeof name, "t%d", i);
        reg_thing(r, name);
        reg_ok(r, prov_thing_attach(&r->tx, S(name), &id, false));
    }
    reg_thing(r, "more");
    reg_refused(r, prov_thing_attach(&r->tx, S("more"), &id, false), PROV_ETOOBIG, LIMIT);
    reg_ok(r, prov_thing_attach(&r->tx, S("t7"), &id, false));
    for (int i = 0; i < PROV_MAX_THING_PRINCIPALS; i++) {
        const struct prov_id other = reg_cert(r);

        reg_ok(r, prov_thing_attach(&r->tx, S("more"), &other, false));
    }
    {
        const struct prov_id other = reg_cert(r);

        reg_refused(r, prov_thing_attach(&r->tx, S("more"), &other, false), PROV_ETOOBIG, LIMIT);
    }
    reg_commit(r);
    thing = get(r, "more");
    cert = cert_of(r, &id);
    assert_int_equal(thing.n_principals, PROV_MAX_THING_PRINCIPALS);
    assert_int_equal(cert.n_things, PROV_MAX_CERT_THINGS);
    assert_string_equal(reg_problems(r), "");
}

/* ---- lists and counts ------------------------------------------------------------------------ */

static void names_are_listed_in_order_from_where_one_left_off(void **state)
{
    struct reg *r = *state;
    uint64_t n;

    reg_thing(r, "b");
    reg_thing(r, "B");
    reg_thing(r, "a");
    reg_thing(r, "ab");
    reg_group(r, "g", NULL);
    reg_group(r, "gg", NULL);
    assert_string_equal(reg_list(r, PROV_LIST_THINGS, NONE, NONE), "B a ab b");
    assert_string_equal(reg_list(r, PROV_LIST_THINGS, NONE, S("a")), "ab b");
    assert_string_equal(reg_list(r, PROV_LIST_THINGS, NONE, S("aa")), "ab b");
    assert_string_equal(reg_list(r, PROV_LIST_THINGS, NONE, S("b")), "");
    reg_ok(r, prov_list_count(&r->tx, PROV_LIST_THINGS, &n));
    assert_int_equal(n, 4);
    reg_ok(r, prov_list_count(&r->tx, PROV_LIST_GROUPS, &n));
    assert_int_equal(n, 2);
    reg_ok(r, prov_list_count(&r->tx, PROV_LIST_TYPES, &n));
    assert_int_equal(n, 0);
    /* the members of one group, and none of a group whose name begins alike */
    reg_ok(r, prov_group_add(&r->tx, S("g"), S("a")));
    reg_ok(r, prov_group_add(&r->tx, S("g"), S("b")));
    reg_ok(r, prov_group_add(&r->tx, S("gg"), S("ab")));
    assert_string_equal(reg_list(r, PROV_LIST_THINGS_OF_GROUP, S("g"), NONE), "a b");
    assert_string_equal(reg_list(r, PROV_LIST_THINGS_OF_GROUP, S("g"), S("a")), "b");
    assert_string_equal(reg_list(r, PROV_LIST_THINGS_OF_GROUP, S("gg"), NONE), "ab");
    assert_string_equal(reg_list(r, PROV_LIST_THINGS_OF_GROUP, S("ggg"), NONE), "");
}

/* ---- failures -------------------------------------------------------------------------------- */

static enum prov_rc make_and_furnish(struct reg *r, void *ctx)
{
    const struct prov_id *id = ctx;
    const struct prov_attr attrs[] = { attr("a", "1"), attr("b", "2") };
    const struct prov_span other = S("other");
    const struct prov_thing_change change = { .type = &other, .merge = true };
    enum prov_rc rc;

    rc = prov_thing_create(&r->tx, S("t"), S("typ"), attrs, 2);
    if (rc == PROV_OK)
        rc = prov_group_add(&r->tx, S("g"), S("t"));
    if (rc == PROV_OK)
        rc = prov_billing_add(&r->tx, S("b"), S("t"));
    if (rc == PROV_OK)
        rc = prov_thing_attach(&r->tx, S("t"), id, true);
    if (rc == PROV_OK)
        rc = prov_thing_update(&r->tx, S("t"), &change);
    if (rc == PROV_OK)
        rc = prov_thing_detach(&r->tx, S("t"), id);
    return rc != PROV_OK ? rc : prov_thing_delete(&r->tx, S("t"));
}

static void failure_of_any_step_leaves_nothing_behind(void **state)
{
    struct reg *r = *state;
    struct prov_id id = reg_cert(r);

    reg_type(r, "typ");
    reg_type(r, "other");
    reg_group(r, "g", NULL);
    reg_ok(r, prov_billing_create(&r->tx, S("b"), NONE));
    assert_true(reg_each_allocation(r, make_and_furnish, &id) > 20);
    if (!r->lmdb)
        assert_true(reg_each_write(r, make_and_furnish, &id) > 20);
}

static const struct CMUnitTest registry_thing[] = {
    REG_TEST(thing_is_described_as_it_was_created),
    REG_TEST(thing_is_created_again_only_as_it_is),
    REG_TEST(two_things_have_different_ids),
    REG_TEST(thing_of_a_bad_name_or_type_is_refused),
    REG_TEST(thing_has_three_attributes_without_a_type_and_fifty_with),
    REG_TEST(largest_attributes_fit_into_a_thing),
    REG_TEST(attributes_are_set_or_merged_or_removed),
    REG_TEST(attribute_given_twice_has_the_last_value),
    REG_TEST(attribute_of_bad_characters_is_refused),
    REG_TEST(update_wants_the_version_it_expects),
    REG_TEST(thing_changes_its_type),
    REG_TEST(deleted_thing_leaves_all_it_was_in),
    REG_TEST(thing_with_a_principal_is_not_deleted),
    REG_TEST(certificate_is_attached_and_detached),
    REG_TEST(only_what_there_is_is_attached),
    REG_TEST(exclusive_association_is_the_only_one),
    REG_TEST(attachment_stays_of_its_kind_unless_another_is_asked_for),
    REG_TEST(thing_of_an_exclusive_certificate_takes_another),
    REG_TEST(certificate_and_thing_have_so_many_of_each_other),
    REG_TEST(names_are_listed_in_order_from_where_one_left_off),
    REG_TEST(failure_of_any_step_leaves_nothing_behind),
};
REG_MAIN(registry_thing)
