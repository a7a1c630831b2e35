/* Carrying out a template's plan (reference 2.4, 2.5, 6.1 step 4 and section 13, 3). */
#include "support/reg_fixture.h"

#include "core/reg.h"
#include "support/alloc.h"

#define INVALID "InvalidRequestException"
#define NOT_FOUND "ResourceNotFoundException"
#define CONFLICT "ResourceConflictsException"
#define MADE "B4BE407C9270AC32DC09BB152A8CF90D898DB466" /* SHA-1 of REG_POLICY_TEXT */

/* A plan written down; the lists end with NULL. */
struct draft {
    const char *thing, *type, *billing_group;
    const char *attrs[9]; /* name, value, name … */
    const char *groups[4];
    bool no_attrs, no_groups; /* given, and empty */
    enum prov_override on_attrs, on_type, on_groups, on_billing_group, on_status;
    const char *policies[3], *document;
    enum prov_attach attach;
    bool inactive, no_certificate;
};

/* prov_plan has no const: nothing of it is changed here either. */
static char *text(const char *s)
{
    return (char *)(uintptr_t)s;
}

/* What was foretold of a plan: "+thing:t +type:x ~attribute:b=3<2 …", and the first refusal. */
struct foretold {
    char text[1024];
    size_t n;
    unsigned refused;
    struct prov_err why;
};

static void note_step(void *ctx, const struct prov_plan_step *step)
{
    static const char *const parts[PROV_PLAN_PARTS] = {
        [PROV_PART_THING] = "thing",           [PROV_PART_TYPE] = "type",
        [PROV_PART_ATTRIBUTE] = "attribute",   [PROV_PART_GROUP] = "group",
        [PROV_PART_BILLING_GROUP] = "billing", [PROV_PART_POLICY] = "policy",
        [PROV_PART_ATTACHMENT] = "attach",     [PROV_PART_STATUS] = "status",
    };
    static const char effects[PROV_PLAN_EFFECTS] = {
        [PROV_EFFECT_NONE] = '=',    [PROV_EFFECT_CREATED] = '*', [PROV_EFFECT_SET] = '+',
        [PROV_EFFECT_CHANGED] = '~', [PROV_EFFECT_REMOVED] = '-', [PROV_EFFECT_KEPT] = '.',
        [PROV_EFFECT_REFUSED] = '!',
    };
    struct foretold *f = ctx;

    assert_true((size_t)step->part < PROV_PLAN_PARTS && (size_t)step->effect < PROV_PLAN_EFFECTS);
    assert_true((step->why != NULL) == (step->effect == PROV_EFFECT_REFUSED));
    if (step->effect == PROV_EFFECT_REFUSED && f->refused++ == 0)
        f->why = *step->why;
    if (f->n < sizeof f->text)
        f->n += (size_t)snprintf(
            f->text + f->n, sizeof f->text - f->n, "%s%c%s:%.*s%s%.*s%s%.*s", f->n != 0 ? " " : "",
            effects[step->effect], parts[step->part], PROV_SPAN_ARG(step->name),
            step->now.n != 0 ? "=" : "", step->part == PROV_PART_POLICY ? 0 : (int)step->now.n,
            (const char *)step->now.p, step->was.n != 0 ? "<" : "", PROV_SPAN_ARG(step->was));
}

static struct foretold last; /* of the plan that was carried out last */

/* Looks ahead first: what is foretold must come to pass, in every test of this file. */
static enum prov_rc carry_out(struct reg *r, const struct prov_id *cert,
                              const struct prov_plan *plan)
{
    struct foretold f = { .n = 0 };
    const struct prov_err before = r->err;
    enum prov_rc foreseen, rc;

    foreseen = prov_plan_preview(&r->tx, cert, plan, note_step, &f);
    last = f;
    if (foreseen != PROV_OK)
        return foreseen;
    r->err = before;
    rc = prov_plan_apply(&r->tx, cert, plan);
    if (rc == PROV_ENOMEM || rc == PROV_ESTORE) /* on purpose */
        return rc;
    if ((rc != PROV_OK) != (f.refused != 0))
        fail_msg("%s: but %s", f.text, rc != PROV_OK ? r->err.text : "it is carried out");
    if (f.refused == 1) {
        assert_string_equal(f.why.text, r->err.text);
        assert_string_equal(f.why.code, r->err.code);
    }
    return rc;
}

static enum prov_rc apply(struct reg *r, const struct prov_id *cert, const struct draft *d)
{
    struct prov_plan_attr attrs[4];
    struct prov_plan_policy policies[4] = { { NULL, NULL } };
    char hex[PROV_ID_HEX + 1], *groups[4];
    struct prov_plan plan = {
        .thing_name = text(d->thing),
        .thing_type = text(d->type),
        .billing_group = text(d->billing_group),
        .attrs = attrs,
        .groups = groups,
        .on_attrs = d->on_attrs,
        .on_type = d->on_type,
        .on_groups = d->on_groups,
        .on_billing_group = d->on_billing_group,
        .certificate_id = d->no_certificate ? NULL : hex,
        .activate = !d->inactive,
        .on_status = d->on_status,
        .attach = d->attach,
        .policies = policies,
    };

    prov_id_hex(cert, hex);
    for (; plan.n_attrs < 4 && d->attrs[2 * plan.n_attrs] != NULL; plan.n_attrs++)
        attrs[plan.n_attrs] = (struct prov_plan_attr){ text(d->attrs[2 * plan.n_attrs]),
                                                       text(d->attrs[2 * plan.n_attrs + 1]) };
    for (; plan.n_groups < 4 && d->groups[plan.n_groups] != NULL; plan.n_groups++)
        groups[plan.n_groups] = text(d->groups[plan.n_groups]);
    for (; plan.n_policies < 3 && d->policies[plan.n_policies] != NULL; plan.n_policies++)
        policies[plan.n_policies].name = text(d->policies[plan.n_policies]);
    if (d->document != NULL)
        policies[plan.n_policies++].document = text(d->document);
    plan.has_attrs = plan.n_attrs != 0 || d->no_attrs;
    plan.has_groups = plan.n_groups != 0 || d->no_groups;
    return carry_out(r, cert, &plan);
}

/* "type=x billing=b attrs=a:1,b:2 groups=g,h": the thing as text. */
static const char *thing_text(struct reg *r, const char *name)
{
    static char out[512];
    struct prov_thing thing;
    size_t n;

    reg_ok(r, prov_thing_get(&r->tx, S(name), &thing));
    n = (size_t)snprintf(out, sizeof out,
                         "type=%.*s billing=%.*s attrs=", PROV_SPAN_ARG(thing.type),
                         PROV_SPAN_ARG(thing.billing_group));
    for (size_t i = 0; i < thing.n_attrs; i++)
        n += (size_t)snprintf(out + n, sizeof out - n, "%s%.*s:%.*s", i != 0 ? "," : "",
                              PROV_SPAN_ARG(thing.attrs[i].name),
                              PROV_SPAN_ARG(thing.attrs[i].value));
    n += (size_t)snprintf(out + n, sizeof out - n, " groups=");
    for (size_t i = 0; i < thing.n_groups; i++)
        n += (size_t)snprintf(out + n, sizeof out - n, "%s%.*s", i != 0 ? "," : "",
                              PROV_SPAN_ARG(thing.groups[i]));
    return out;
}

static struct prov_cert cert_of(struct reg *r, const struct prov_id *id)
{
    struct prov_cert cert;

    reg_ok(r, prov_cert_get(&r->tx, id, &cert));
    return cert;
}

static struct prov_id pending(struct reg *r)
{
    const struct prov_id id = reg_cert(r);
    struct prov_cert cert = cert_of(r, &id);

    cert.status = PROV_CERT_PENDING_ACTIVATION;
    reg_ok(r, reg_cert_put(&r->tx, &cert));
    return id;
}

/* What plans refer to: types x and y, billing groups b and c, three hierarchies, two policies. */
static void furnish(struct reg *r)
{
    static const char *const groups[][2] = {
        { "g", NULL }, { "g1", "g" }, { "g2", "g" }, { "h", NULL }, { "k", NULL }
    };

    reg_type(r, "x");
    reg_type(r, "y");
    reg_ok(r, prov_billing_create(&r->tx, S("b"), NONE));
    reg_ok(r, prov_billing_create(&r->tx, S("c"), NONE));
    for (size_t i = 0; i < PROV_COUNT(groups); i++)
        reg_group(r, groups[i][0], groups[i][1]);
    reg_policy(r, "p");
    reg_policy(r, "q");
}

/* A thing that is there before the plan. */
static void old_thing(struct reg *r)
{
    const struct prov_attr attrs[] = { { S("a"), S("1") }, { S("b"), S("2") } };

    reg_ok(r, prov_thing_create(&r->tx, S("t"), S("x"), attrs, 2));
    reg_ok(r, prov_group_add(&r->tx, S("g1"), S("t")));
    reg_ok(r, prov_group_add(&r->tx, S("h"), S("t")));
    reg_ok(r, prov_billing_add(&r->tx, S("b"), S("t")));
}
#define OLD "type=x billing=b attrs=a:1,b:2 groups=g1,h"

/* ---- everything new -------------------------------------------------------------------------- */

static const struct draft whole = {
    .thing = "t",
    .type = "x",
    .billing_group = "b",
    .attrs = { "a", "1", "b", "2" },
    .groups = { "g1", "h" },
    .policies = { "p", "q" },
    .document = REG_POLICY_TEXT,
};

static void plan_makes_the_thing_and_the_policy_and_activates(void **state)
{
    char made[PROV_PLAN_POLICY_NAME + 1];
    struct reg *r = *state;
    const struct prov_id id = pending(r);
    struct prov_version_info version;
    struct prov_cert cert;

    furnish(r);
    (void)reg_feed(r);
    reg_ok(r, apply(r, &id, &whole));
    assert_string_equal(thing_text(r, "t"), OLD);
    cert = cert_of(r, &id);
    assert_int_equal(cert.status, PROV_CERT_ACTIVE);
    assert_false(cert.exclusive);
    assert_int_equal(cert.n_things, 1);
    assert_span(cert.things[0], "t");
    assert_int_equal(prov_plan_policy_name(S(REG_POLICY_TEXT), made), PROV_OK);
    assert_int_equal(cert.n_policies, 3);
    assert_span(cert.policies[0], "p");
    assert_span(cert.policies[1], "q");
    assert_span(cert.policies[2], made);
    reg_ok(r, prov_policy_version_get(&r->tx, S(made), 0, &version));
    assert_span(version.document, REG_POLICY_TEXT);
    assert_string_equal(reg_problems(r), "");
    /* the order of reference 6.1: thing, policies, attachments, status */
    assert_int_equal(strncmp(reg_feed(r), "thing:t thing:t thing:t thing:t cert cert policy:", 48),
                     0);
}

static void plan_carried_out_twice_changes_nothing_more(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = pending(r);

    furnish(r);
    reg_ok(r, apply(r, &id, &whole));
    reg_commit(r);
    reg_ok(r, apply(r, &id, &whole));
    assert_string_equal(thing_text(r, "t"), OLD);
    assert_int_equal(cert_of(r, &id).n_policies, 3);
    assert_int_equal(cert_of(r, &id).n_things, 1);
    assert_int_equal(cert_of(r, &id).status, PROV_CERT_ACTIVE);
    assert_string_equal(reg_problems(r), "");
}

static void same_document_is_the_same_policy_for_the_next_device(void **state)
{
    struct reg *r = *state;
    const struct prov_id a = pending(r), b = pending(r);
    const struct draft d = { .document = REG_POLICY_TEXT };
    uint64_t n;

    reg_ok(r, apply(r, &a, &d));
    reg_ok(r, apply(r, &b, &d));
    reg_ok(r, prov_list_count(&r->tx, PROV_LIST_POLICIES, &n));
    assert_int_equal(n, 1);
    assert_true(prov_span_eq(cert_of(r, &a).policies[0], cert_of(r, &b).policies[0]));
}

static void parts_that_are_not_planned_are_left(void **state)
{
    struct reg *r = *state;
    const struct prov_id a = pending(r), b = pending(r), c = pending(r);

    furnish(r);
    reg_ok(r, apply(r, &a, &(struct draft){ .policies = { "p" } }));
    assert_int_equal(cert_of(r, &a).n_things, 0);
    assert_int_equal(cert_of(r, &a).n_policies, 1);
    assert_int_equal(cert_of(r, &a).status, PROV_CERT_ACTIVE);
    reg_ok(r, apply(r, &b, &(struct draft){ .thing = "t", .no_certificate = true }));
    assert_string_equal(thing_text(r, "t"), "type= billing= attrs= groups=");
    assert_int_equal(cert_of(r, &b).n_things, 1);
    assert_int_equal(cert_of(r, &b).status, PROV_CERT_PENDING_ACTIVATION);
    reg_ok(r, apply(r, &c, &(struct draft){ .inactive = true }));
    assert_int_equal(cert_of(r, &c).status, PROV_CERT_INACTIVE);
    assert_string_equal(reg_problems(r), "");
}

/* ---- OverrideSettings ------------------------------------------------------------------------ */

static void override_settings_decide_what_becomes_of_an_existing_thing(void **state)
{
    static const struct {
        const char *what;
        struct draft draft;
        const char *thing; /* NULL: refused */
    } rows[] = {
        { "nothing given", { .on_attrs = PROV_FAIL, .on_groups = PROV_FAIL }, OLD },
        { "attributes",
          { .attrs = { "b", "3", "c", "4" } },
          "type=x billing=b attrs=a:1,b:3,c:4 groups=g1,h" },
        { "attributes, merged",
          { .attrs = { "b", "3", "a", "" }, .on_attrs = PROV_MERGE },
          "type=x billing=b attrs=b:3 groups=g1,h" },
        { "attributes, replaced",
          { .attrs = { "c", "4" }, .on_attrs = PROV_REPLACE },
          "type=x billing=b attrs=c:4 groups=g1,h" },
        { "attributes, replaced by none",
          { .no_attrs = true, .on_attrs = PROV_REPLACE },
          "type=x billing=b attrs= groups=g1,h" },
        { "attributes, none", { .no_attrs = true }, OLD },
        { "attributes, left", { .attrs = { "c", "4" }, .on_attrs = PROV_DO_NOTHING }, OLD },
        { "attributes, refused", { .attrs = { "a", "1" }, .on_attrs = PROV_FAIL }, NULL },
        { "attributes, none, refused", { .no_attrs = true, .on_attrs = PROV_FAIL }, NULL },
        { "type", { .type = "y" }, "type=y billing=b attrs=a:1,b:2 groups=g1,h" },
        { "type, replaced",
          { .type = "y", .on_type = PROV_REPLACE },
          "type=y billing=b attrs=a:1,b:2 groups=g1,h" },
        { "type, left", { .type = "y", .on_type = PROV_DO_NOTHING }, OLD },
        { "type, refused", { .type = "x", .on_type = PROV_FAIL }, NULL },
        { "groups", { .groups = { "k" } }, OLD },
        { "groups, left", { .groups = { "k" }, .on_groups = PROV_DO_NOTHING }, OLD },
        { "groups, merged",
          { .groups = { "k", "h" }, .on_groups = PROV_MERGE },
          "type=x billing=b attrs=a:1,b:2 groups=g1,h,k" },
        { "groups, merged with none", { .no_groups = true, .on_groups = PROV_MERGE }, OLD },
        { "groups, replaced",
          { .groups = { "k", "h" }, .on_groups = PROV_REPLACE },
          "type=x billing=b attrs=a:1,b:2 groups=h,k" },
        { "groups, replaced by a sibling",
          { .groups = { "g2" }, .on_groups = PROV_REPLACE },
          "type=x billing=b attrs=a:1,b:2 groups=g2" },
        { "groups, replaced by none",
          { .no_groups = true, .on_groups = PROV_REPLACE },
          "type=x billing=b attrs=a:1,b:2 groups=" },
        { "groups, refused", { .groups = { "h" }, .on_groups = PROV_FAIL }, NULL },
        { "billing group", { .billing_group = "c" }, "type=x billing=c attrs=a:1,b:2 groups=g1,h" },
        { "billing group, replaced",
          { .billing_group = "c", .on_billing_group = PROV_REPLACE },
          "type=x billing=c attrs=a:1,b:2 groups=g1,h" },
        { "billing group, left",
          { .billing_group = "c", .on_billing_group = PROV_DO_NOTHING },
          OLD },
        { "billing group, refused", { .billing_group = "b", .on_billing_group = PROV_FAIL }, NULL },
    };
    struct reg *r = *state;
    const struct prov_id id = pending(r);

    furnish(r);
    old_thing(r);
    reg_commit(r);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct draft d = rows[i].draft;

        d.thing = "t";
        print_message("%s\n", rows[i].what);
        if (rows[i].thing == NULL) {
            reg_refused(r, apply(r, &id, &d), PROV_ECONFLICT, CONFLICT);
            continue;
        }
        reg_ok(r, apply(r, &id, &d));
        assert_string_equal(thing_text(r, "t"), rows[i].thing);
        assert_string_equal(reg_problems(r), "");
        reg_abort(r);
    }
}

static void override_settings_do_not_matter_for_a_new_thing(void **state)
{
    static const enum prov_override all[] = { PROV_OVERRIDE_DEFAULT, PROV_DO_NOTHING, PROV_REPLACE,
                                              PROV_FAIL, PROV_MERGE };
    struct reg *r = *state;
    const struct prov_id id = pending(r);

    furnish(r);
    reg_commit(r);
    for (size_t i = 0; i < PROV_COUNT(all); i++) {
        struct draft d = whole;

        d.on_attrs = d.on_type = d.on_groups = d.on_billing_group = d.on_status = all[i];
        reg_ok(r, apply(r, &id, &d));
        assert_string_equal(thing_text(r, "t"), OLD);
        assert_int_equal(cert_of(r, &id).status, PROV_CERT_ACTIVE);
        reg_abort(r);
    }
}

static void override_settings_decide_about_the_status(void **state)
{
    static const struct {
        enum prov_cert_status from;
        enum prov_override on;
        bool inactive;
        int to; /* -1: refused as a conflict, -2: as an illegal transition */
    } rows[] = {
        { PROV_CERT_PENDING_ACTIVATION, PROV_OVERRIDE_DEFAULT, false, PROV_CERT_ACTIVE },
        { PROV_CERT_PENDING_ACTIVATION, PROV_DO_NOTHING, false, PROV_CERT_ACTIVE },
        { PROV_CERT_PENDING_ACTIVATION, PROV_FAIL, false, PROV_CERT_ACTIVE },
        { PROV_CERT_PENDING_ACTIVATION, PROV_REPLACE, true, PROV_CERT_INACTIVE },
        { PROV_CERT_ACTIVE, PROV_OVERRIDE_DEFAULT, true, PROV_CERT_INACTIVE },
        { PROV_CERT_ACTIVE, PROV_REPLACE, true, PROV_CERT_INACTIVE },
        { PROV_CERT_ACTIVE, PROV_DO_NOTHING, true, PROV_CERT_ACTIVE },
        { PROV_CERT_ACTIVE, PROV_FAIL, false, -1 },
        { PROV_CERT_INACTIVE, PROV_OVERRIDE_DEFAULT, false, PROV_CERT_ACTIVE },
        { PROV_CERT_INACTIVE, PROV_DO_NOTHING, false, PROV_CERT_INACTIVE },
        { PROV_CERT_INACTIVE, PROV_FAIL, true, -1 },
        { PROV_CERT_REVOKED, PROV_OVERRIDE_DEFAULT, false, -2 },
        { PROV_CERT_REVOKED, PROV_DO_NOTHING, false, PROV_CERT_REVOKED },
    };
    struct reg *r = *state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct prov_id id = reg_cert(r);
        const struct draft d = { .on_status = rows[i].on, .inactive = rows[i].inactive };
        struct prov_cert cert = cert_of(r, &id);

        cert.status = rows[i].from;
        reg_ok(r, reg_cert_put(&r->tx, &cert));
        print_message("row %zu\n", i);
        if (rows[i].to == -1) {
            reg_refused(r, apply(r, &id, &d), PROV_ECONFLICT, CONFLICT);
        } else if (rows[i].to == -2) {
            reg_refused(r, apply(r, &id, &d), PROV_EDENIED, "CertificateStateException");
        } else {
            reg_ok(r, apply(r, &id, &d));
            assert_int_equal(cert_of(r, &id).status, rows[i].to);
        }
    }
}

/* A device whose type is going out keeps coming back. */
static void existing_thing_of_a_deprecated_type_is_provisioned_again(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = pending(r), other = pending(r);
    const struct draft again = { .thing = "t", .type = "x" }, first = { .thing = "u", .type = "x" };

    furnish(r);
    old_thing(r);
    reg_ok(r, prov_type_deprecate(&r->tx, S("x"), false));
    reg_ok(r, apply(r, &id, &again));
    assert_string_equal(thing_text(r, "t"), OLD);
    reg_refused(r, apply(r, &other, &first), PROV_EINVAL, INVALID);
}

/* ---- what is foretold ------------------------------------------------------------------------ */

static void every_step_is_foretold(void **state)
{
    static const struct {
        const char *what;
        struct draft draft;
        const char *steps;
    } rows[] = {
        { "all new",
          { .thing = "n",
            .type = "x",
            .billing_group = "b",
            .attrs = { "a", "1", "b", "" },
            .groups = { "g1", "h" },
            .policies = { "p", "q" },
            .document = REG_POLICY_TEXT },
          "*thing:n +type:x +attribute:a=1 =attribute:b +group:g1 +group:h +billing:b +policy:p "
          "+policy:q *policy:" MADE "= +attach:n=NON_EXCLUSIVE_THING "
          "~status:=ACTIVE<PENDING_ACTIVATION" },
        { "all as it is",
          { .thing = "t",
            .type = "x",
            .billing_group = "b",
            .attrs = { "a", "1", "b", "2" },
            .groups = { "h", "g1" },
            .on_groups = PROV_REPLACE,
            .on_attrs = PROV_REPLACE },
          "=thing:t =type:x<x =attribute:a=1<1 =attribute:b=2<2 =group:h =group:g1 =billing:b<b "
          "+attach:t=NON_EXCLUSIVE_THING ~status:=ACTIVE<PENDING_ACTIVATION" },
        { "merged",
          { .thing = "t",
            .type = "y",
            .billing_group = "c",
            .attrs = { "b", "3", "a", "", "c", "4" },
            .groups = { "k", "h" },
            .on_groups = PROV_MERGE },
          "=thing:t ~type:y<x ~attribute:b=3<2 -attribute:a<1 +attribute:c=4 +group:k =group:h "
          "~billing:c<b +attach:t=NON_EXCLUSIVE_THING ~status:=ACTIVE<PENDING_ACTIVATION" },
        { "replaced",
          { .thing = "t",
            .attrs = { "c", "4", "b", "2" },
            .groups = { "k" },
            .on_attrs = PROV_REPLACE,
            .on_groups = PROV_REPLACE,
            .inactive = true,
            .attach = PROV_ATTACH_EXCLUSIVE },
          "=thing:t +attribute:c=4 =attribute:b=2<2 -attribute:a<1 -group:g1 -group:h +group:k "
          "+attach:t=EXCLUSIVE_THING ~status:=INACTIVE<PENDING_ACTIVATION" },
        { "left",
          { .thing = "t",
            .type = "y",
            .billing_group = "none",
            .attrs = { "c", "4", "b", "3" },
            .groups = { "none" },
            .on_attrs = PROV_DO_NOTHING,
            .on_type = PROV_DO_NOTHING,
            .on_billing_group = PROV_DO_NOTHING,
            .no_certificate = true },
          "=thing:t .type:y<x .attribute:c=4 .attribute:b=3<2 .group:none .billing:none<b "
          "+attach:t=NON_EXCLUSIVE_THING" },
        { "refused",
          { .thing = "t",
            .type = "x",
            .billing_group = "b",
            .attrs = { "a", "1" },
            .groups = { "h" },
            .policies = { "none", "p" },
            .on_attrs = PROV_FAIL,
            .on_type = PROV_FAIL,
            .on_groups = PROV_FAIL,
            .on_billing_group = PROV_FAIL },
          "=thing:t !type:x<x !attribute: !group: !billing:b<b !policy:none +policy:p "
          "+attach:t=NON_EXCLUSIVE_THING ~status:=ACTIVE<PENDING_ACTIVATION" },
        { "nothing of it there",
          { .thing = "n", .type = "z", .billing_group = "z", .groups = { "z", "g1", "g2" } },
          "*thing:n !type:z !group:z +group:g1 !group:g2 !billing:z "
          "+attach:n=NON_EXCLUSIVE_THING ~status:=ACTIVE<PENDING_ACTIVATION" },
        { "no type, many attributes",
          { .thing = "n", .attrs = { "a", "1", "b", "2", "c", "3", "d", "4" } },
          "*thing:n !attribute: +attach:n=NON_EXCLUSIVE_THING "
          "~status:=ACTIVE<PENDING_ACTIVATION" },
        { "as many attributes as a type allows",
          { .thing = "n", .type = "x", .attrs = { "a", "1", "b", "2", "c", "3", "d", "4" } },
          "*thing:n +type:x +attribute:a=1 +attribute:b=2 +attribute:c=3 +attribute:d=4 "
          "+attach:n=NON_EXCLUSIVE_THING ~status:=ACTIVE<PENDING_ACTIVATION" },
        { "others instead, without a type",
          { .thing = "untyped",
            .attrs = { "d", "4", "e", "5", "f", "6" },
            .on_attrs = PROV_REPLACE },
          "=thing:untyped +attribute:d=4 +attribute:e=5 +attribute:f=6 -attribute:a<1 "
          "-attribute:b<2 -attribute:c<3 +attach:untyped=NON_EXCLUSIVE_THING "
          "~status:=ACTIVE<PENDING_ACTIVATION" },
        { "others besides, without a type",
          { .thing = "untyped", .attrs = { "d", "4" } },
          "=thing:untyped !attribute: +attach:untyped=NON_EXCLUSIVE_THING "
          "~status:=ACTIVE<PENDING_ACTIVATION" },
        { "a name that is none",
          { .thing = "a b" },
          "!thing:a b +attach:a b=NON_EXCLUSIVE_THING ~status:=ACTIVE<PENDING_ACTIVATION" },
        { "no thing",
          { .policies = { "p" }, .inactive = true },
          "+policy:p ~status:=INACTIVE<PENDING_ACTIVATION" },
    };
    const struct prov_attr three[] = { { S("a"), S("1") }, { S("b"), S("2") }, { S("c"), S("3") } };
    struct reg *r = *state;
    const struct prov_id id = pending(r);

    furnish(r);
    old_thing(r);
    reg_ok(r, prov_thing_create(&r->tx, S("untyped"), NONE, three, 3));
    reg_commit(r);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        (void)apply(r, &id, &rows[i].draft);
        if (strcmp(last.text, rows[i].steps) != 0)
            fail_msg("%s:\n%s\nnot\n%s", rows[i].what, last.text, rows[i].steps);
        reg_abort(r);
    }
}

static void steps_for_a_certificate_go_by_what_it_is_and_has(void **state)
{
    static const struct {
        enum prov_cert_status status;
        enum prov_override on;
        const char *step;
    } rows[] = {
        { PROV_CERT_ACTIVE, PROV_OVERRIDE_DEFAULT, "=status:=ACTIVE<ACTIVE" },
        { PROV_CERT_INACTIVE, PROV_REPLACE, "~status:=ACTIVE<INACTIVE" },
        { PROV_CERT_INACTIVE, PROV_DO_NOTHING, ".status:=ACTIVE<INACTIVE" },
        { PROV_CERT_INACTIVE, PROV_FAIL, "!status:=ACTIVE<INACTIVE" },
        { PROV_CERT_PENDING_ACTIVATION, PROV_FAIL, "~status:=ACTIVE<PENDING_ACTIVATION" },
        { PROV_CERT_PENDING_ACTIVATION, PROV_DO_NOTHING, "~status:=ACTIVE<PENDING_ACTIVATION" },
        { PROV_CERT_REVOKED, PROV_OVERRIDE_DEFAULT, "!status:=ACTIVE<REVOKED" },
    };
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);
    struct draft d = { .policies = { "p" } };

    furnish(r);
    old_thing(r);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct draft status = { .on_status = rows[i].on };

        reg_raw_status(r, &id, rows[i].status);
        (void)apply(r, &id, &status);
        assert_string_equal(last.text, rows[i].step);
    }
    reg_raw_status(r, &id, PROV_CERT_ACTIVE);
    d.thing = "t";
    reg_ok(r, apply(r, &id, &d));
    reg_ok(r, apply(r, &id, &d));
    assert_string_equal(last.text, "=thing:t =policy:p =attach:t=NON_EXCLUSIVE_THING<NON_EXCLUSIVE_"
                                   "THING =status:=ACTIVE<ACTIVE");
    d.attach = PROV_ATTACH_EXCLUSIVE;
    reg_ok(r, apply(r, &id, &d));
    assert_non_null(strstr(last.text, " ~attach:t=EXCLUSIVE_THING<NON_EXCLUSIVE_THING "));
    d.attach = PROV_ATTACH_UNSAID;
    reg_ok(r, apply(r, &id, &d));
    assert_non_null(strstr(last.text, " =attach:t=EXCLUSIVE_THING<EXCLUSIVE_THING "));
    d.thing = "other";
    reg_refused(r, apply(r, &id, &d), PROV_ECONFLICT, INVALID);
    assert_non_null(strstr(last.text, " !attach:other"));
}

static void unknown_certificate_is_foretold_as_one_that_comes_for_the_first_time(void **state)
{
    const struct prov_id unknown = { { 1 } }, other = { { 2 } };
    struct reg *r = *state;
    char hex[PROV_ID_HEX + 1];
    const struct prov_plan plan = { .certificate_id = hex, .activate = true };
    struct foretold f = { .n = 0 };
    char *before, *after;

    prov_id_hex(&unknown, hex);
    before = reg_dump(r);
    reg_ok(r, prov_plan_preview(&r->tx, &unknown, &plan, note_step, &f));
    assert_string_equal(f.text, "~status:=ACTIVE<PENDING_ACTIVATION");
    f = (struct foretold){ .n = 0 };
    reg_ok(r, prov_plan_preview(&r->tx, &other, &plan, note_step, &f));
    assert_string_equal(f.text, "!status:");
    after = reg_dump(r);
    assert_string_equal(before, after);
    free(after);
    free(before);
}

/* ---- refusals -------------------------------------------------------------------------------- */

static void plan_that_cannot_be_carried_out_is_refused(void **state)
{
    static const struct {
        const char *what;
        struct draft draft;
        enum prov_rc rc;
        const char *code;
    } rows[] = {
        { "type", { .thing = "n", .type = "none" }, PROV_ENOTFOUND, NOT_FOUND },
        { "group", { .thing = "n", .groups = { "h", "none" } }, PROV_ENOTFOUND, NOT_FOUND },
        { "billing group", { .thing = "n", .billing_group = "none" }, PROV_ENOTFOUND, NOT_FOUND },
        { "policy", { .thing = "n", .policies = { "p", "none" } }, PROV_ENOTFOUND, NOT_FOUND },
        { "document", { .document = "{}" }, PROV_EINVAL, "MalformedPolicyException" },
        { "name", { .thing = "a b" }, PROV_EINVAL, INVALID },
        { "attribute", { .thing = "n", .attrs = { "a", "b c" } }, PROV_EINVAL, INVALID },
        { "two of a hierarchy", { .thing = "n", .groups = { "g1", "g2" } }, PROV_EINVAL, INVALID },
        { "merged with a sibling",
          { .thing = "t", .groups = { "g2" }, .on_groups = PROV_MERGE },
          PROV_EINVAL,
          INVALID },
    };
    struct reg *r = *state;
    const struct prov_id id = pending(r);
    char *before, *after;

    furnish(r);
    old_thing(r);
    before = reg_dump(r);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        print_message("%s\n", rows[i].what);
        reg_refused(r, apply(r, &id, &rows[i].draft), rows[i].rc, rows[i].code);
    }
    after = reg_dump(r); /* refusals are tried in a child that is aborted: nothing is left */
    assert_string_equal(before, after);
    free(after);
    free(before);
}

static void plan_for_another_certificate_is_refused(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = pending(r), other = pending(r), unknown = { { 1 } };
    char hex[PROV_ID_HEX + 1];
    struct prov_plan plan = { .certificate_id = hex, .activate = true };

    prov_id_hex(&other, hex);
    reg_refused(r, carry_out(r, &id, &plan), PROV_EINVAL, INVALID);
    plan.certificate_id = text("not an id");
    reg_refused(r, carry_out(r, &id, &plan), PROV_EINVAL, INVALID);
    plan.certificate_id = hex;
    prov_id_hex(&unknown, hex);
    reg_refused(r, prov_plan_apply(&r->tx, &unknown, &plan), PROV_ENOTFOUND, NOT_FOUND);
    prov_id_hex(&id, hex);
    for (char *c = hex; *c != '\0'; c++) { /* the API pattern allows capitals */
        if (*c >= 'a' && *c <= 'f')
            *c = (char)(*c - 'a' + 'A');
    }
    reg_ok(r, carry_out(r, &id, &plan));
}

static void exclusive_thing_is_the_certificates_only_one(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = pending(r);
    const struct draft d = { .thing = "t", .attach = PROV_ATTACH_EXCLUSIVE };

    reg_thing(r, "other");
    reg_ok(r, prov_thing_attach(&r->tx, S("other"), &id, false));
    reg_refused(r, apply(r, &id, &d), PROV_ECONFLICT, INVALID);
    reg_ok(r, prov_thing_detach(&r->tx, S("other"), &id));
    reg_ok(r, apply(r, &id, &d));
    assert_true(cert_of(r, &id).exclusive);
}

/* A template that runs again for its device. */
static void exclusive_attachment_ends_only_if_the_template_says_so(void **state)
{
    static const struct {
        enum prov_attach says;
        bool exclusive;
    } rows[] = {
        { PROV_ATTACH_UNSAID, true },
        { PROV_ATTACH_EXCLUSIVE, true },
        { PROV_ATTACH_SHARED, false },
    };
    struct reg *r = *state;
    const struct prov_id id = pending(r);

    reg_thing(r, "t");
    reg_thing(r, "other");
    reg_ok(r, prov_thing_attach(&r->tx, S("t"), &id, PROV_ATTACH_EXCLUSIVE));
    reg_commit(r);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct draft same = { .thing = "t", .attach = rows[i].says };
        const struct draft other = { .thing = "other", .attach = rows[i].says };

        reg_refused(r, apply(r, &id, &other), PROV_ECONFLICT, INVALID);
        reg_ok(r, apply(r, &id, &same));
        assert_int_equal(cert_of(r, &id).exclusive, rows[i].exclusive);
        assert_string_equal(reg_problems(r), "");
        reg_abort(r);
    }
}

static void limits_hold_for_plans_too(void **state)
{
    static struct prov_plan_attr attrs[PROV_MAX_ATTRS + 1];
    struct reg *r = *state;
    const struct prov_id id = pending(r);
    struct prov_plan plan = {
        .thing_name = text("t"), .attrs = attrs, .n_attrs = PROV_MAX_ATTRS + 1, .has_attrs = true
    };
    char name[16];

    for (size_t i = 0; i < PROV_COUNT(attrs); i++)
        attrs[i] = (struct prov_plan_attr){ text("a"), text("1") };
    reg_refused(r, carry_out(r, &id, &plan), PROV_ETOOBIG, INVALID);
    plan.n_attrs = PROV_MAX_ATTRS; /* all of one name */
    reg_ok(r, carry_out(r, &id, &plan));
    plan.n_attrs = PROV_MAX_ATTRS + 1;
    reg_refused(r, carry_out(r, &id, &plan), PROV_ETOOBIG, INVALID);
    reg_policy(r, "more");
    for (int i = 0; i < PROV_MAX_CERT_POLICIES; i++) {
        (void)snprintf(name, sizeof name, "p%d", i);
        reg_policy(r, name);
        if (i + 1 == PROV_MAX_CERT_POLICIES) { /* together with one more it does not fit */
            reg_refused(r, apply(r, &id, &(struct draft){ .policies = { name, "more" } }),
                        PROV_ETOOBIG, "LimitExceededException");
            assert_string_equal(last.text, "+policy:p9 !policy:more =status:=ACTIVE<ACTIVE");
        }
        reg_ok(r, apply(r, &id, &(struct draft){ .policies = { name } }));
    }
    reg_refused(r, apply(r, &id, &(struct draft){ .policies = { "more" } }), PROV_ETOOBIG,
                "LimitExceededException");
}

/* ---- failures -------------------------------------------------------------------------------- */

struct work {
    struct prov_id id;
    struct draft draft;
};

static enum prov_rc do_work(struct reg *r, void *ctx)
{
    const struct work *w = ctx;

    return apply(r, &w->id, &w->draft);
}

static void failure_of_any_step_leaves_nothing_behind(void **state)
{
    struct reg *r = *state;
    struct work w = { .id = pending(r), .draft = whole };

    furnish(r);
    assert_true(reg_each_allocation(r, do_work, &w) > 30);
    if (!r->lmdb)
        assert_true(reg_each_write(r, do_work, &w) > 20);
    old_thing(r);
    w.draft.type = "y";
    w.draft.groups[0] = "k";
    w.draft.on_groups = PROV_REPLACE;
    assert_true(reg_each_allocation(r, do_work, &w) > 30);
    if (!r->lmdb)
        assert_true(reg_each_write(r, do_work, &w) > 20);
}

static const struct CMUnitTest plan[] = {
    REG_TEST(plan_makes_the_thing_and_the_policy_and_activates),
    REG_TEST(plan_carried_out_twice_changes_nothing_more),
    REG_TEST(same_document_is_the_same_policy_for_the_next_device),
    REG_TEST(parts_that_are_not_planned_are_left),
    REG_TEST(override_settings_decide_what_becomes_of_an_existing_thing),
    REG_TEST(override_settings_do_not_matter_for_a_new_thing),
    REG_TEST(override_settings_decide_about_the_status),
    REG_TEST(existing_thing_of_a_deprecated_type_is_provisioned_again),
    REG_TEST(every_step_is_foretold),
    REG_TEST(steps_for_a_certificate_go_by_what_it_is_and_has),
    REG_TEST(unknown_certificate_is_foretold_as_one_that_comes_for_the_first_time),
    REG_TEST(plan_that_cannot_be_carried_out_is_refused),
    REG_TEST(plan_for_another_certificate_is_refused),
    REG_TEST(exclusive_thing_is_the_certificates_only_one),
    REG_TEST(exclusive_attachment_ends_only_if_the_template_says_so),
    REG_TEST(limits_hold_for_plans_too),
    REG_TEST(failure_of_any_step_leaves_nothing_behind),
};
REG_MAIN(plan)
