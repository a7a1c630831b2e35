/* RegisterThing while something changes between worker and writer. */
#include "support/fleet_scene.h"

#define PARAMS "{'Serial':'1','Room':'hall'}"

static struct scene_ask request(const char *token, const char *params)
{
    return (struct scene_ask){ .op = PROV_REGISTER_THING, .token = token, .params = params };
}

static struct prov_fleet *done(struct scene *s, const char *token, const char *params)
{
    const struct scene_ask ask = request(token, params);

    return scene_done(s, &ask);
}

static struct prov_fleet *prepared(struct scene *s, const char *token, const char *params)
{
    const struct scene_ask ask = request(token, params);
    struct prov_fleet *fleet = scene_new(s, &ask);

    assert_int_equal(scene_prepare(s, fleet), PROV_FLEET_APPLY);
    return fleet;
}

#define HOOK "exec:/hooks/a"
#define BARE "{'Resources':{" SCENE_CERT("") "}}"

struct change {
    struct scene *s;
    struct prov_id cert;
};

static void nothing(struct change *c)
{
    (void)c;
}

static void deactivate_claim(struct change *c)
{
    scene_cert_status(c->s, &c->s->claim, PROV_CERT_INACTIVE);
}

static void revoke_claim(struct change *c)
{
    scene_cert_status(c->s, &c->s->claim, PROV_CERT_REVOKED);
}

static void delete_claim(struct change *c)
{
    scene_delete_cert(c->s, &c->s->claim);
}

static void suspend_claim(struct change *c)
{
    scene_suspend(c->s);
}

static void spend_claim(struct change *c)
{
    scene_spend(c->s);
}

static void limit_claim(struct change *c)
{
    const struct prov_span other = PROV_LIT("other");

    scene_limit(c->s, &(struct prov_claim_change){ .templates = &other, .n_templates = 1 });
}

static void list_serials(struct change *c)
{
    reg_ok(c->s->r, prov_claim_allow(&c->s->r->tx, &c->s->claim, S("Serial"), S("2")));
    reg_commit(c->s->r);
}

static void list_this_serial(struct change *c)
{
    reg_ok(c->s->r, prov_claim_allow(&c->s->r->tx, &c->s->claim, S("Serial"), S("1")));
    reg_commit(c->s->r);
}

static void disable(struct change *c)
{
    const bool no = false;

    scene_change_template(c->s, SCENE_TEMPLATE, &(struct prov_template_change){ .enabled = &no });
}

static void describe(struct change *c)
{
    const struct prov_span text = PROV_LIT("a new text");

    scene_change_template(c->s, SCENE_TEMPLATE,
                          &(struct prov_template_change){ .description = &text });
}

static void delete_template(struct change *c)
{
    reg_ok(c->s->r, prov_template_delete(&c->s->r->tx, S(SCENE_TEMPLATE)));
    reg_commit(c->s->r);
}

static void create_again(struct change *c)
{
    delete_template(c);
    c->s->r->tx.now_ms++;
    scene_template(c->s, SCENE_TEMPLATE, BARE, NULL);
}

static void add_version(struct change *c, bool set_default)
{
    uint32_t version;

    reg_ok(c->s->r, prov_template_version_create(&c->s->r->tx, S(SCENE_TEMPLATE),
                                                 reg_json(c->s->r, BARE), set_default, &version));
    reg_commit(c->s->r);
}

static void new_default(struct change *c)
{
    add_version(c, true);
}

static void new_version(struct change *c)
{
    add_version(c, false);
}

static void set_hook(struct change *c)
{
    const struct prov_span spec = PROV_LIT(HOOK);

    scene_change_template(c->s, SCENE_TEMPLATE, &(struct prov_template_change){ .hook = &spec });
}

static void expire_token(struct change *c)
{
    reg_at(c->s->r, SCENE_TTL_S);
}

static void revoke(struct change *c)
{
    scene_cert_status(c->s, &c->cert, PROV_CERT_REVOKED);
}

static void deactivate(struct change *c)
{
    reg_raw_status(c->s->r, &c->cert, PROV_CERT_INACTIVE);
    reg_commit(c->s->r);
}

static void activate(struct change *c)
{
    scene_cert_status(c->s, &c->cert, PROV_CERT_ACTIVE);
}

static void delete_cert(struct change *c)
{
    scene_delete_cert(c->s, &c->cert);
}

static void delete_policy(struct change *c)
{
    reg_ok(c->s->r, prov_policy_delete(&c->s->r->tx, S("p")));
    reg_commit(c->s->r);
}

static void delete_group(struct change *c)
{
    reg_ok(c->s->r, prov_group_delete(&c->s->r->tx, S("g")));
    reg_commit(c->s->r);
}

static void make_thing(struct change *c)
{
    reg_thing(c->s->r, "dev-1");
    reg_commit(c->s->r);
}

static void lose_issuer(struct change *c)
{
    c->s->issuing.rc = PROV_ENOTFOUND; /* who issued is not needed any more */
}

static const struct {
    void (*change)(struct change *c);
    enum prov_reason reason;
    int status;
    const char *code;
} changes[] = {
    { nothing, PROV_REASON_PROVISIONED, 0, NULL },
    { describe, PROV_REASON_PROVISIONED, 0, NULL },
    { new_version, PROV_REASON_PROVISIONED, 0, NULL },
    { activate, PROV_REASON_PROVISIONED, 0, NULL },
    { make_thing, PROV_REASON_PROVISIONED, 0, NULL },
    { lose_issuer, PROV_REASON_PROVISIONED, 0, NULL },
    { list_this_serial, PROV_REASON_PROVISIONED, 0, NULL },
    { deactivate_claim, PROV_REASON_CERT_INACTIVE, 403, "AccessDenied" },
    { revoke_claim, PROV_REASON_CERT_REVOKED, 403, "AccessDenied" },
    { delete_claim, PROV_REASON_CERT_DELETED, 403, "AccessDenied" },
    { suspend_claim, PROV_REASON_CLAIM_SUSPENDED, 403, "AccessDenied" },
    { spend_claim, PROV_REASON_CLAIM_SPENT, 403, "AccessDenied" },
    { limit_claim, PROV_REASON_CLAIM_TEMPLATE, 403, "AccessDenied" },
    { list_serials, PROV_REASON_CLAIM_PARAMETER, 403, "AccessDenied" },
    { disable, PROV_REASON_TEMPLATE_DISABLED, 404, "ResourceNotFound" },
    { delete_template, PROV_REASON_TEMPLATE_MISSING, 404, "ResourceNotFound" },
    { create_again, PROV_REASON_BUSY, 503, "ServiceUnavailable" },
    { new_default, PROV_REASON_BUSY, 503, "ServiceUnavailable" },
    { set_hook, PROV_REASON_BUSY, 503, "ServiceUnavailable" },
    { expire_token, PROV_REASON_BAD_TOKEN, 400, "InvalidCertificateOwnershipToken" },
    { revoke, PROV_REASON_BAD_TOKEN, 400, "InvalidCertificateOwnershipToken" },
    { deactivate, PROV_REASON_BAD_TOKEN, 400, "InvalidCertificateOwnershipToken" },
    { delete_cert, PROV_REASON_BAD_TOKEN, 400, "InvalidCertificateOwnershipToken" },
    { delete_policy, PROV_REASON_TEMPLATE_FAILED, 400, "InvalidParameters" },
    { delete_group, PROV_REASON_TEMPLATE_FAILED, 400, "InvalidParameters" },
};

static void writer_sees_what_changed_since_prepare(void **state)
{
    for (size_t i = 0; i < PROV_COUNT(changes); i++) {
        char token[PROV_TOKEN_LEN + 1];
        struct change c = { .s = NULL };
        struct prov_fleet *fleet;
        char *before, *after;

        assert_int_equal(scene_teardown(state) + scene_setup(state), 0);
        c.s = *state;
        scene_template(c.s, "other", BARE, NULL);
        c.cert = scene_certificate(c.s, NULL, token);
        fleet = prepared(c.s, token, PARAMS);
        changes[i].change(&c);
        before = reg_dump(c.s->r);
        scene_apply(c.s, fleet);
        scene_expect(fleet, changes[i].reason);
        after = reg_dump(c.s->r);
        if (changes[i].reason != PROV_REASON_PROVISIONED) {
            scene_expect_rejected(fleet, changes[i].status, changes[i].code, NULL);
            assert_string_equal(before, after);
        }
        free(before);
        free(after);
    }
}

static void change_of_the_template_is_told_as_one_to_try_again_after(void **state)
{
    struct change c = { .s = *state };
    char token[PROV_TOKEN_LEN + 1];
    struct prov_fleet *fleet;

    (void)scene_certificate(c.s, NULL, token);
    fleet = prepared(c.s, token, PARAMS);
    new_default(&c);
    scene_apply(c.s, fleet);
    scene_expect_rejected(fleet, 503, "ServiceUnavailable",
                          "request: the template has just been changed: try again");
    assert_true(prov_reason_info(fleet->reason)->retry);
    scene_expect(done(c.s, token, PARAMS), PROV_REASON_PROVISIONED);
}

static const struct CMUnitTest tests[] = {
    SCENE_TEST(writer_sees_what_changed_since_prepare),
    SCENE_TEST(change_of_the_template_is_told_as_one_to_try_again_after),
};

SCENE_MAIN(tests)
