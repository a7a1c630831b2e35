/* Which policies a session has (reference 7.4 and 8.4), and the cache they are shared from. */
#include "support/reg_fixture.h"

#include "core/reg.h"
#include "core/rights.h"
#include "support/alloc.h"

#define NOT_FOUND "ResourceNotFoundException"

/* Policies whose name tells what they do: "+a" allows publishing to topic a, "-a" denies it. */
static const char *document(const char *name)
{
    static char text[256];

    (void)snprintf(text, sizeof text,
                   "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"%s\",\"Action\":"
                   "\"iot:Publish\",\"Resource\":\"arn:aws:iot:local:000000000000:topic/%s\"}]}",
                   name[0] == '+' ? "Allow" : "Deny", name + 1);
    return text;
}

static void policy(struct reg *r, const char *name)
{
    reg_ok(r, prov_policy_create(&r->tx, S(name), S(document(name))));
}

static struct prov_rights *new_rights(void)
{
    struct prov_rights *rights;

    assert_int_equal(prov_rights_new(&rights), PROV_OK);
    return rights;
}

static enum prov_rc policy_for(struct reg *r, struct prov_rights *rights, const struct prov_id *id,
                               const char *client_id, struct prov_policy **out)
{
    const struct prov_who who = { .client_id = S(client_id), .source_ip = S("10.0.0.1") };
    struct prov_cert cert;
    enum prov_rc rc;

    rc = prov_cert_get(&r->tx, id, &cert);
    return rc != PROV_OK ? rc : prov_rights_policy(rights, &r->tx, &cert, &who, out);
}

static bool allows(const struct prov_policy *pol, const char *topic)
{
    const struct prov_policy_request req = { .action = PROV_ACT_PUBLISH, .name = S(topic) };

    return prov_policy_decide(pol, &req) == PROV_ALLOWED;
}

/* May a session of this certificate under this client id publish to the topic? */
static bool may(struct reg *r, struct prov_rights *rights, const struct prov_id *id,
                const char *client_id, const char *topic)
{
    struct prov_policy *pol;
    bool yes;

    reg_ok(r, policy_for(r, rights, id, client_id, &pol));
    yes = allows(pol, topic);
    prov_policy_free(pol);
    return yes;
}

/* ---- which policies -------------------------------------------------------------------------- */

static void session_has_the_policies_of_its_certificate(void **state)
{
    struct prov_rights *rights = new_rights();
    struct reg *r = *state;
    const struct prov_id a = reg_cert(r), b = reg_cert(r);

    policy(r, "+x");
    policy(r, "+y");
    policy(r, "-y");
    reg_ok(r, prov_policy_attach_cert(&r->tx, S("+x"), &a));
    reg_ok(r, prov_policy_attach_cert(&r->tx, S("+y"), &a));
    assert_true(may(r, rights, &a, "c", "x"));
    assert_true(may(r, rights, &a, "c", "y"));
    assert_false(may(r, rights, &a, "c", "z"));
    assert_false(may(r, rights, &b, "c", "x")); /* none at all */
    reg_ok(r, prov_policy_attach_cert(&r->tx, S("-y"), &a));
    assert_true(may(r, rights, &a, "c", "x"));
    assert_false(may(r, rights, &a, "c", "y"));
    prov_rights_free(rights);
}

static void group_policies_count_for_the_connections_thing_alone(void **state)
{
    struct prov_rights *rights = new_rights();
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);

    policy(r, "+x");
    reg_group(r, "g", NULL);
    reg_thing(r, "t");
    reg_thing(r, "u");
    reg_ok(r, prov_policy_attach_group(&r->tx, S("+x"), S("g")));
    reg_ok(r, prov_group_add(&r->tx, S("g"), S("t")));
    assert_false(may(r, rights, &id, "t", "x")); /* not attached to it */
    reg_ok(r, prov_thing_attach(&r->tx, S("t"), &id, false));
    assert_true(may(r, rights, &id, "t", "x"));
    assert_false(may(r, rights, &id, "other", "x"));
    assert_false(may(r, rights, &id, "", "x"));
    reg_ok(r, prov_thing_attach(&r->tx, S("u"), &id, false));
    assert_false(may(r, rights, &id, "u", "x"));
    reg_ok(r, prov_thing_detach(&r->tx, S("u"), &id));
    reg_ok(r, prov_thing_attach(&r->tx, S("t"), &id, true));
    assert_true(may(r, rights, &id, "other", "x")); /* exclusive: whatever the client id */
    prov_rights_free(rights);
}

static void policies_of_all_ancestors_count(void **state)
{
    struct prov_rights *rights = new_rights();
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);
    char name[4] = "g1", parent[4] = "";

    policy(r, "+x");
    policy(r, "-x");
    for (unsigned depth = 0; depth < 7; depth++) {
        name[1] = "1234567"[depth];
        reg_group(r, name, parent);
        memcpy(parent, name, sizeof parent);
    }
    reg_group(r, "h", NULL);
    reg_thing(r, "t");
    reg_ok(r, prov_thing_attach(&r->tx, S("t"), &id, false));
    reg_ok(r, prov_group_add(&r->tx, S("g7"), S("t")));
    reg_ok(r, prov_group_add(&r->tx, S("h"), S("t")));
    reg_ok(r, prov_policy_attach_group(&r->tx, S("+x"), S("h")));
    assert_true(may(r, rights, &id, "t", "x"));
    reg_ok(r, prov_policy_attach_group(&r->tx, S("-x"), S("g1")));
    assert_false(may(r, rights, &id, "t", "x")); /* seven up, and a deny wins */
    reg_ok(r, prov_policy_detach_group(&r->tx, S("-x"), S("g1")));
    assert_true(may(r, rights, &id, "t", "x"));
    prov_rights_free(rights);
}

static void add_name(void *ctx, struct prov_span name, struct prov_span group)
{
    char *text = ctx;

    (void)snprintf(text + strlen(text), 64, "%.*s/%.*s ", PROV_SPAN_ARG(name),
                   PROV_SPAN_ARG(group));
}

static void names_are_told_certificates_first_then_from_the_group_upwards(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);
    struct prov_cert cert;
    char text[256] = "";

    policy(r, "+x");
    policy(r, "+y");
    policy(r, "-z");
    reg_group(r, "top", NULL);
    reg_group(r, "g", "top");
    reg_thing(r, "t");
    reg_ok(r, prov_policy_attach_cert(&r->tx, S("+x"), &id));
    reg_ok(r, prov_policy_attach_group(&r->tx, S("-z"), S("top")));
    reg_ok(r, prov_policy_attach_group(&r->tx, S("+y"), S("g")));
    reg_ok(r, prov_policy_attach_group(&r->tx, S("+x"), S("g")));
    reg_ok(r, prov_group_add(&r->tx, S("g"), S("t")));
    reg_ok(r, prov_thing_attach(&r->tx, S("t"), &id, false));
    reg_ok(r, prov_cert_get(&r->tx, &id, &cert));
    reg_ok(r, prov_rights_names(&r->tx, &cert, S("t"), add_name, text));
    assert_string_equal(text, "+x/ +y/g +x/g -z/top ");
    text[0] = '\0';
    reg_ok(r, prov_rights_names(&r->tx, &cert, S("u"), add_name, text));
    assert_string_equal(text, "+x/ ");
}

static void thing_of_a_connection_is_the_exclusive_one_or_the_client_ids(void **state)
{
    struct prov_cert cert = { .things = { S("a"), S("b") }, .n_things = 2 };

    (void)state;
    assert_span(prov_rights_thing(&cert, S("b")), "b");
    assert_int_equal(prov_rights_thing(&cert, S("c")).n, 0);
    assert_int_equal(prov_rights_thing(&cert, NONE).n, 0);
    cert.n_things = 1;
    cert.exclusive = true;
    assert_span(prov_rights_thing(&cert, S("c")), "a");
    cert.n_things = 0; /* cannot be; must not be read */
    assert_int_equal(prov_rights_thing(&cert, S("a")).n, 0);
}

/* ---- temporary claims ------------------------------------------------------------------------ */

static void claim_may_connect_and_provision_by_its_template_and_nothing_else(void **state)
{
    static const struct {
        enum prov_action action;
        const char *name;
        bool allowed;
    } rows[] = {
        { PROV_ACT_CONNECT, "phone", true },
        { PROV_ACT_CONNECT, "$x/y", true },
        { PROV_ACT_PUBLISH, "$aws/certificates/create/json", true },
        { PROV_ACT_PUBLISH, "$aws/certificates/create-from-csr/cbor", true },
        { PROV_ACT_PUBLISH, "$aws/provisioning-templates/fleet/provision/json", true },
        { PROV_ACT_RECEIVE, "$aws/certificates/create/json/accepted", true },
        { PROV_ACT_RECEIVE, "$aws/provisioning-templates/fleet/provision/json/rejected", true },
        { PROV_ACT_SUBSCRIBE, "$aws/certificates/create-from-csr/json/accepted", true },
        { PROV_ACT_SUBSCRIBE, "$aws/certificates/create/json/+", true },
        { PROV_ACT_SUBSCRIBE, "$aws/provisioning-templates/fleet/provision/cbor/accepted", true },
        { PROV_ACT_PUBLISH, "$aws/provisioning-templates/fleet2/provision/json", false },
        { PROV_ACT_PUBLISH, "$aws/provisioning-templates/flee/provision/json", false },
        { PROV_ACT_SUBSCRIBE, "$aws/provisioning-templates/other/provision/json/accepted", false },
        { PROV_ACT_SUBSCRIBE, "$aws/provisioning-templates/+/provision/json/accepted", false },
        { PROV_ACT_RECEIVE, "$aws/provisioning-templates/other/provision/json/accepted", false },
        { PROV_ACT_SUBSCRIBE, "$aws/#", false },
        { PROV_ACT_SUBSCRIBE, "#", false },
        { PROV_ACT_PUBLISH, "$aws/certificates/created/json", false },
        { PROV_ACT_PUBLISH, "x/$aws/certificates/create/json", false },
        { PROV_ACT_RETAIN_PUBLISH, "$aws/certificates/create/json", false },
        { PROV_ACT_PUBLISH, "sensors/1", false },
        { PROV_ACT_RECEIVE, "sensors/1", false },
    };
    struct prov_rights *rights = new_rights();
    struct reg *r = *state;
    struct prov_policy *pol;
    struct prov_id id;

    reg_ok(r, prov_settings_set(&r->tx, "123456789012", "eu-north-1"));
    reg_fleet_template(r, "fleet");
    id = reg_temporary(r, "fleet");
    reg_ok(r, policy_for(r, rights, &id, "phone", &pol));
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct prov_policy_request req = { .action = rows[i].action,
                                                 .name = S(rows[i].name) };

        if ((prov_policy_decide(pol, &req) == PROV_ALLOWED) != rows[i].allowed)
            fail_msg("row %zu: %s", i, rows[i].name);
    }
    prov_policy_free(pol);
    prov_rights_free(rights);
}

static void claims_for_different_templates_have_different_rights(void **state)
{
    struct prov_rights *rights = new_rights();
    struct reg *r = *state;
    struct prov_id a, b;

    reg_fleet_template(r, "a");
    reg_fleet_template(r, "b");
    a = reg_temporary(r, "a");
    b = reg_temporary(r, "b");
    for (int again = 0; again < 2; again++) { /* from the cache */
        assert_true(may(r, rights, &a, "c", "$aws/provisioning-templates/a/provision/json"));
        assert_false(may(r, rights, &a, "c", "$aws/provisioning-templates/b/provision/json"));
        assert_true(may(r, rights, &b, "c", "$aws/provisioning-templates/b/provision/json"));
        assert_false(may(r, rights, &b, "c", "$aws/provisioning-templates/a/provision/json"));
    }
    assert_false(prov_rights_forget(rights, S("a")));
    (void)prov_rights_forget(rights, NONE);
    assert_true(may(r, rights, &a, "c", "$aws/provisioning-templates/a/provision/json"));
    prov_rights_free(rights);
}

static void claim_for_what_is_no_template_is_an_error(void **state)
{
    static const char *const bad[] = { "a*", "a\",\"b", "+",
                                       "1234567890123456789012345678901234567" };
    struct prov_rights *rights = new_rights();
    struct reg *r = *state;
    struct prov_policy *pol;
    struct prov_cert cert;
    struct prov_id id;

    reg_fleet_template(r, "a");
    id = reg_temporary(r, "a");
    for (size_t i = 0; i < PROV_COUNT(bad); i++) {
        reg_ok(r, prov_cert_get(&r->tx, &id, &cert));
        cert.claim_template = S(bad[i]);
        reg_ok(r, reg_cert_put(&r->tx, &cert));
        reg_refused(r, policy_for(r, rights, &id, "c", &pol), PROV_ESTORE,
                    "InternalFailureException");
    }
    prov_rights_free(rights);
}

static enum prov_rc claims_rights(struct reg *r, void *ctx)
{
    struct prov_rights *rights;
    struct prov_policy *pol = NULL;
    enum prov_rc rc = prov_rights_new(&rights);

    if (rc != PROV_OK)
        return rc;
    rc = policy_for(r, rights, ctx, "c", &pol);
    prov_policy_free(pol);
    prov_rights_free(rights);
    return rc;
}

static void claim_without_memory_for_its_rights_has_none(void **state)
{
    struct reg *r = *state;
    struct prov_id id;

    reg_fleet_template(r, "a");
    id = reg_temporary(r, "a");
    assert_true(reg_each_allocation(r, claims_rights, &id) > 5);
}

/* ---- variables ------------------------------------------------------------------------------- */

static void variables_are_those_of_thing_and_session(void **state)
{
    struct prov_rights *rights = new_rights();
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);
    const struct prov_attr room = { S("room"), S("r7") };

    reg_type(r, "lamp");
    reg_ok(r, prov_thing_create(&r->tx, S("t"), S("lamp"), &room, 1));
    reg_ok(r, prov_policy_create(
                  &r->tx, S("p"),
                  reg_json(r, "{'Version':'2012-10-17','Statement':[{'Effect':'Allow','Action':"
                              "'iot:Publish','Resource':['arn:aws:iot:local:000000000000:topic/"
                              "${iot:ClientId}/x','arn:aws:iot:local:000000000000:topic/"
                              "${iot:Connection.Thing.ThingName}/"
                              "${iot:Connection.Thing.ThingTypeName}/"
                              "${iot:Connection.Thing.Attributes[room]}']}]}")));
    reg_ok(r, prov_policy_attach_cert(&r->tx, S("p"), &id));
    assert_true(may(r, rights, &id, "c", "c/x"));
    assert_false(may(r, rights, &id, "c", "t/lamp/r7"));
    reg_ok(r, prov_thing_attach(&r->tx, S("t"), &id, true));
    assert_true(may(r, rights, &id, "c", "t/lamp/r7"));
    assert_true(may(r, rights, &id, "c", "c/x"));
    assert_false(may(r, rights, &id, "d", "c/x"));
    prov_rights_free(rights);
}

static void certificate_variables_come_from_the_store_or_the_handshake(void **state)
{
    struct prov_rights *rights = new_rights();
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r); /* CN=somebody */
    struct pki_cert leaf = reg_pki_leaf(r, NULL, "/CN=another");
    const struct prov_who who = { .client_id = S("c"), .leaf = leaf.x509 };
    struct prov_policy *pol;
    struct prov_cert cert;

    reg_ok(r, prov_policy_create(
                  &r->tx, S("p"),
                  reg_json(r, "{'Version':'2012-10-17','Statement':[{'Effect':'Allow','Action':"
                              "'iot:Publish','Resource':'arn:aws:iot:local:000000000000:topic/"
                              "${iot:Certificate.Subject.CommonName}'}]}")));
    reg_ok(r, prov_policy_attach_cert(&r->tx, S("p"), &id));
    assert_true(may(r, rights, &id, "c", "somebody"));
    assert_false(may(r, rights, &id, "c", "another"));
    reg_ok(r, prov_cert_get(&r->tx, &id, &cert));
    reg_ok(r, prov_rights_policy(rights, &r->tx, &cert, &who, &pol));
    assert_true(allows(pol, "another"));
    prov_policy_free(pol);
    reg_ok(r, reg_der_forget(&r->tx, &cert));
    reg_refused(r, policy_for(r, rights, &id, "c", &pol), PROV_ESTORE, "InternalFailureException");
    pki_free(&leaf);
    prov_rights_free(rights);
}

/* ---- what cannot be read is an error --------------------------------------------------------- */

static void missing_or_damaged_policy_is_an_error_and_no_smaller_set(void **state)
{
    struct prov_rights *rights = new_rights();
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);
    struct prov_version_info bad = { .version = 1, .document = S("{}") };
    struct prov_policy *pol;
    uint8_t key[] = { '-', 'x', 0, 0, 0, 0, 1 };

    policy(r, "+x");
    policy(r, "-x");
    reg_ok(r, prov_policy_attach_cert(&r->tx, S("+x"), &id));
    reg_ok(r, prov_policy_attach_cert(&r->tx, S("-x"), &id));
    reg_commit(r);
    reg_ok(r, reg_del(&r->tx, REG_POLICY, S("-x")));
    reg_refused(r, policy_for(r, rights, &id, "c", &pol), PROV_ENOTFOUND, NOT_FOUND);
    assert_null(pol);
    reg_abort(r);
    reg_ok(r,
           reg_put(&r->tx, REG_POLICY_DOC, &reg_version_record, prov_span(key, sizeof key), &bad));
    reg_refused(r, policy_for(r, rights, &id, "c", &pol), PROV_EINVAL, "MalformedPolicyException");
    reg_ok(r, reg_put_bytes(&r->tx, REG_POLICY_DOC, prov_span(key, sizeof key), S("\x01")));
    reg_refused(r, policy_for(r, rights, &id, "c", &pol), PROV_ESTORE, "InternalFailureException");
    reg_abort(r);
    assert_false(may(r, rights, &id, "c", "x"));
    prov_rights_free(rights);
}

static void missing_thing_or_group_is_an_error_too(void **state)
{
    struct prov_rights *rights = new_rights();
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);
    struct prov_policy *pol;

    reg_group(r, "top", NULL);
    reg_group(r, "g", "top");
    reg_thing(r, "t");
    reg_ok(r, prov_group_add(&r->tx, S("g"), S("t")));
    reg_ok(r, prov_thing_attach(&r->tx, S("t"), &id, true));
    reg_commit(r);
    reg_ok(r, reg_del(&r->tx, REG_THING, S("t")));
    reg_refused(r, policy_for(r, rights, &id, "c", &pol), PROV_ENOTFOUND, NOT_FOUND);
    reg_abort(r);
    reg_ok(r, reg_del(&r->tx, REG_GROUP, S("top")));
    reg_refused(r, policy_for(r, rights, &id, "c", &pol), PROV_ENOTFOUND, NOT_FOUND);
    prov_rights_free(rights);
}

/* Parents in a loop: the same two policies again and again, and no more than fit. */
static void damaged_hierarchy_ends(void **state)
{
    struct prov_rights *rights = new_rights();
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);
    struct prov_group group;
    struct prov_thing thing;

    policy(r, "+x");
    policy(r, "+y");
    reg_group(r, "g", NULL);
    reg_thing(r, "t");
    reg_ok(r, prov_policy_attach_group(&r->tx, S("+x"), S("g")));
    reg_ok(r, prov_policy_attach_group(&r->tx, S("+y"), S("g")));
    reg_ok(r, prov_thing_attach(&r->tx, S("t"), &id, true));
    reg_ok(r, prov_group_get(&r->tx, S("g"), &group));
    group.parent = S("g");
    reg_ok(r, reg_group_put(&r->tx, S("g"), &group));
    reg_ok(r, prov_thing_get(&r->tx, S("t"), &thing));
    while (thing.n_groups < PROV_MAX_THING_GROUPS)
        thing.groups[thing.n_groups++] = S("g");
    reg_ok(r, reg_thing_put(&r->tx, &thing));
    assert_true(may(r, rights, &id, "c", "x"));
    prov_rights_free(rights);
}

/* ---- the cache ------------------------------------------------------------------------------- */

static void another_document_is_in_force_after_the_name_was_forgotten(void **state)
{
    struct prov_rights *rights = new_rights();
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);
    struct prov_policy *held;
    uint32_t version;

    policy(r, "+x");
    policy(r, "+y");
    reg_ok(r, prov_policy_attach_cert(&r->tx, S("+x"), &id));
    reg_ok(r, policy_for(r, rights, &id, "c", &held));
    reg_ok(r, prov_policy_version_create(&r->tx, S("+x"), S(document("-x")), true, &version));
    assert_true(prov_rights_forget(rights, S("+x")));
    assert_false(may(r, rights, &id, "c", "x"));
    assert_true(allows(held, "x")); /* what was handed out is as it was */
    reg_ok(r, prov_policy_version_set_default(&r->tx, S("+x"), 1));
    assert_true(prov_rights_forget(rights, S("+x")));
    assert_true(may(r, rights, &id, "c", "x"));
    assert_false(prov_rights_forget(rights, S("+y"))); /* nobody has it */
    prov_policy_free(held);
    prov_rights_free(rights);
}

static void everything_is_forgotten_when_account_or_region_change(void **state)
{
    struct prov_rights *rights = new_rights();
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);

    policy(r, "+x");
    reg_ok(r, prov_policy_attach_cert(&r->tx, S("+x"), &id));
    assert_true(may(r, rights, &id, "c", "x"));
    reg_ok(r, prov_settings_set(&r->tx, NULL, "elsewhere"));
    assert_true(prov_rights_forget(rights, NONE));
    assert_false(may(r, rights, &id, "c", "x"));
    reg_ok(r, prov_settings_set(&r->tx, NULL, "local"));
    assert_true(prov_rights_forget(rights, NONE));
    assert_true(may(r, rights, &id, "c", "x"));
    prov_rights_free(rights);
}

static void sessions_of_the_same_policies_share_them(void **state)
{
    struct prov_rights *rights = new_rights();
    struct reg *r = *state;
    const struct prov_id a = reg_cert(r), b = reg_cert(r);
    unsigned first, second;

    policy(r, "+x");
    reg_ok(r, prov_policy_attach_cert(&r->tx, S("+x"), &a));
    reg_ok(r, prov_policy_attach_cert(&r->tx, S("+x"), &b));
    reg_read(r);
    alloc_count_reset();
    assert_true(may(r, rights, &a, "c", "x"));
    first = alloc_count();
    alloc_count_reset();
    assert_true(may(r, rights, &b, "c", "x"));
    second = alloc_count();
    assert_true(second <= 2 && second < first); /* the session's own block and no parsing */
    prov_rights_free(rights);
}

/* A certificate that was never stored: only its policies are looked at. */
static struct prov_policy *with(struct reg *r, struct prov_rights *rights, const char *a,
                                const char *b)
{
    const struct prov_cert cert = { .policies = { S(a), S(b) }, .n_policies = b == NULL ? 1 : 2 };
    struct prov_policy *pol;

    reg_ok(r, prov_rights_policy(rights, &r->tx, &cert, &(struct prov_who){ .client_id = S("c") },
                                 &pol));
    return pol;
}

#define MANY 4100 /* more than the cache holds of documents or of sets */

static void full_cache_starts_afresh_and_sessions_keep_theirs(void **state)
{
    struct prov_rights *rights = new_rights();
    struct reg *r = *state;
    struct prov_policy *first, *pol;
    char name[16];

    policy(r, "+x");
    first = with(r, rights, "+x", NULL);
    assert_false(prov_rights_forget(rights, S("+never")));
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(name, sizeof name, "+%d", i);
        policy(r, name);
        pol = with(r, rights, name, NULL);
        assert_true(allows(pol, name + 1));
        prov_policy_free(pol);
    }
    /* it is not known any more whether a session has this one: better one time too many */
    assert_true(prov_rights_forget(rights, S("+x")));
    assert_true(prov_rights_forget(rights, S("+never")));
    assert_true(allows(first, "x"));
    prov_policy_free(first);
    assert_true(prov_rights_forget(rights, NONE));
    assert_false(prov_rights_forget(rights, S("+x")));
    prov_rights_free(rights);
}

static void very_many_combinations_are_right_each_time(void **state)
{
    struct prov_rights *rights = new_rights();
    struct reg *r = *state;
    struct prov_policy *pol;
    char a[16], b[16];

    for (int i = 0; i < 66; i++) {
        (void)snprintf(a, sizeof a, "+%d", i);
        policy(r, a);
    }
    for (int i = 0; i < 65 * 65; i++) {
        (void)snprintf(a, sizeof a, "+%d", i % 65);
        (void)snprintf(b, sizeof b, "+%d", 1 + i / 65);
        pol = with(r, rights, a, b);
        assert_true(allows(pol, a + 1));
        assert_true(allows(pol, b + 1));
        assert_false(allows(pol, "none"));
        prov_policy_free(pol);
    }
    prov_rights_free(rights);
}

/* ---- failures -------------------------------------------------------------------------------- */

static enum prov_rc compile(struct reg *r, void *ctx)
{
    const struct prov_id *id = ctx;
    struct prov_rights *rights = NULL;
    struct prov_policy *pol = NULL;
    enum prov_rc rc;

    rc = prov_rights_new(&rights);
    if (rc == PROV_OK)
        rc = policy_for(r, rights, id, "t", &pol);
    if (rc == PROV_OK)
        assert_true(allows(pol, "x") && !allows(pol, "y") && allows(pol, "somebody"));
    if (rc == PROV_OK) /* what could not be cached is told of all the same */
        assert_true(prov_rights_forget(rights, S("+x")) && prov_rights_forget(rights, S("-y")));
    prov_policy_free(pol);
    prov_rights_free(rights);
    return rc;
}

static void failed_compilation_is_an_error_and_never_a_smaller_set(void **state)
{
    struct reg *r = *state;
    struct prov_id id = reg_cert(r);

    policy(r, "+x");
    policy(r, "-y");
    reg_ok(r, prov_policy_create(
                  &r->tx, S("cn"),
                  reg_json(r, "{'Version':'2012-10-17','Statement':[{'Effect':'Allow','Action':"
                              "'iot:Publish','Resource':'arn:aws:iot:local:000000000000:topic/"
                              "${iot:Certificate.Subject.CommonName}'}]}")));
    reg_group(r, "g", NULL);
    reg_thing(r, "t");
    reg_ok(r, prov_policy_attach_cert(&r->tx, S("+x"), &id));
    reg_ok(r, prov_policy_attach_cert(&r->tx, S("cn"), &id));
    reg_ok(r, prov_policy_attach_group(&r->tx, S("-y"), S("g")));
    reg_ok(r, prov_group_add(&r->tx, S("g"), S("t")));
    reg_ok(r, prov_thing_attach(&r->tx, S("t"), &id, false));
    assert_true(reg_each_allocation(r, compile, &id) > 20);
    if (!r->lmdb)
        assert_true(reg_each_openssl_allocation(r, compile, &id) > 20);
}

static const struct CMUnitTest rights[] = {
    REG_TEST(session_has_the_policies_of_its_certificate),
    REG_TEST(group_policies_count_for_the_connections_thing_alone),
    REG_TEST(policies_of_all_ancestors_count),
    REG_TEST(names_are_told_certificates_first_then_from_the_group_upwards),
    REG_TEST(thing_of_a_connection_is_the_exclusive_one_or_the_client_ids),
    REG_TEST(claim_may_connect_and_provision_by_its_template_and_nothing_else),
    REG_TEST(claims_for_different_templates_have_different_rights),
    REG_TEST(claim_for_what_is_no_template_is_an_error),
    REG_TEST(claim_without_memory_for_its_rights_has_none),
    REG_TEST(variables_are_those_of_thing_and_session),
    REG_TEST(certificate_variables_come_from_the_store_or_the_handshake),
    REG_TEST(missing_or_damaged_policy_is_an_error_and_no_smaller_set),
    REG_TEST(missing_thing_or_group_is_an_error_too),
    REG_TEST(damaged_hierarchy_ends),
    REG_TEST(another_document_is_in_force_after_the_name_was_forgotten),
    REG_TEST(everything_is_forgotten_when_account_or_region_change),
    REG_TEST(sessions_of_the_same_policies_share_them),
    REG_TEST(full_cache_starts_afresh_and_sessions_keep_theirs),
    REG_TEST(very_many_combinations_are_right_each_time),
    REG_TEST(failed_compilation_is_an_error_and_never_a_smaller_set),
};
REG_MAIN(rights)
