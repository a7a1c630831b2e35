/* A device that provisions again for its own thing, and what becomes of the certificate that it
 * came with (prov_cert_replace). */
#include "support/fleet_scene.h"

static struct scene_ask request(const char *token, const char *params)
{
    return (struct scene_ask){ .op = PROV_REGISTER_THING, .token = token, .params = params };
}

#define TEMPLATE(thing, cert) "{" SCENE_PARAMS ",'Resources':{" thing cert "}}"

static void device_that_comes_for_its_own_thing_gives_up_its_certificate(void **state)
{
    static const struct {
        const char *what, *body, *serial;
        const char *things[2]; /* of the claim's certificate */
        bool retire, rotated;
    } rows[] = {
        { "its own thing",
          TEMPLATE(SCENE_THING("") ",", SCENE_CERT("")),
          "1",
          { "dev-1", NULL },
          true,
          true },
        { "one of its things",
          TEMPLATE(SCENE_THING("") ",", SCENE_CERT("")),
          "1",
          { "dev-0", "dev-1" },
          true,
          true },
        { "a claim without things",
          TEMPLATE(SCENE_THING("") ",", SCENE_CERT("")),
          "1",
          { NULL },
          true,
          false },
        { "a template that does not retire",
          TEMPLATE(SCENE_THING("") ",", SCENE_CERT("")),
          "1",
          { "dev-1", NULL },
          false,
          false },
        { "INACTIVE",
          TEMPLATE(SCENE_THING("") ",", SCENE_CERT(",'Status':'INACTIVE'")),
          "1",
          { "dev-1", NULL },
          true,
          false },
        { "no certificate", TEMPLATE(SCENE_THING(""), ""), "1", { "dev-1", NULL }, true, false },
        { "no thing", TEMPLATE("", SCENE_CERT("")), "1", { "dev-1", NULL }, true, false },
    };

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        char token[PROV_TOKEN_LEN + 1], params[32];
        struct prov_fleet *fleet;
        struct prov_cert cert;
        struct scene *s;

        print_message("%s\n", rows[i].what);
        assert_int_equal(scene_teardown(state) + scene_setup(state), 0);
        s = *state;
        scene_template(s, "rotate", rows[i].body, NULL);
        scene_change_template(s, "rotate",
                              &(struct prov_template_change){ .retire_previous = &rows[i].retire });
        for (size_t k = 0; k < 2 && rows[i].things[k] != NULL; k++) {
            reg_thing(s->r, rows[i].things[k]);
            reg_ok(s->r, prov_thing_attach(&s->r->tx, S(rows[i].things[k]), &s->claim,
                                           PROV_ATTACH_UNSAID));
        }
        (void)scene_certificate(s, NULL, token);
        (void)snprintf(params, sizeof params, "{'Serial':'%s'}", rows[i].serial);
        fleet = scene_done(s, &(struct scene_ask){ .op = PROV_REGISTER_THING,
                                                   .template_name = "rotate",
                                                   .token = token,
                                                   .params = params });
        scene_expect(fleet, PROV_REASON_PROVISIONED);
        assert_int_equal(fleet->rotated, rows[i].rotated);
        cert = scene_cert(s, &fleet->cert);
        if (rows[i].rotated)
            assert_id(&cert.replaces, &s->claim);
        else
            assert_true(prov_id_is_zero(&cert.replaces));
        assert_int_equal(scene_cert(s, &s->claim).status, PROV_CERT_ACTIVE);
    }
}

/* Otherwise each device could take the place of every other. */
static void device_registers_no_thing_but_its_own_where_certificates_are_renewed(void **state)
{
    struct scene *s = *state;
    const struct prov_id old = scene_device(s, "1");
    const bool retire = true, keep = false;
    char token[PROV_TOKEN_LEN + 1];
    struct scene_ask ask = request(token, "{'Serial':'2'}");
    struct prov_fleet *fleet;
    char *before, *after;

    scene_change_template(s, SCENE_TEMPLATE,
                          &(struct prov_template_change){ .retire_previous = &retire });
    (void)scene_certificate(s, &old, token);
    ask.claim = &old;
    before = reg_dump(s->r);
    fleet = scene_done(s, &ask);
    after = reg_dump(s->r);
    scene_expect(fleet, PROV_REASON_CLAIM_THING);
    scene_expect_rejected(fleet, 403, "AccessDenied",
                          "claim: A device may renew the certificate of its own thing alone, and "
                          "asked for another's.");
    assert_string_equal(before, after);
    free(before);
    free(after);
    scene_change_template(s, SCENE_TEMPLATE,
                          &(struct prov_template_change){ .retire_previous = &keep });
    scene_expect(scene_done(s, &ask), PROV_REASON_PROVISIONED);
}

static void old_certificate_stays_until_the_new_one_has_connected(void **state)
{
    struct scene *s = *state;
    const struct prov_id old = scene_device(s, "1");
    struct prov_due_result result;
    char token[PROV_TOKEN_LEN + 1];
    struct prov_fleet *fleet;
    struct scene_ask ask = request(token, "{'Serial':'1'}");
    const bool retire = true;

    scene_change_template(s, SCENE_TEMPLATE,
                          &(struct prov_template_change){ .retire_previous = &retire });
    (void)scene_certificate(s, &old, token);
    ask.claim = &old;
    fleet = scene_done(s, &ask);
    scene_expect(fleet, PROV_REASON_PROVISIONED);
    assert_true(fleet->rotated);
    reg_at(s->r, 86400);
    reg_ok(s->r, prov_due_run(&s->r->tx, 100, &result));
    assert_int_equal(scene_cert(s, &old).status, PROV_CERT_ACTIVE);
    reg_ok(s->r, prov_cert_connected(&s->r->tx, &fleet->cert, 60000));
    reg_ok(s->r, prov_due_run(&s->r->tx, 100, &result));
    assert_int_equal(scene_cert(s, &old).status, PROV_CERT_ACTIVE);
    reg_at(s->r, 86400 + 60);
    reg_ok(s->r, prov_due_run(&s->r->tx, 100, &result));
    assert_int_equal(scene_cert(s, &old).status, PROV_CERT_INACTIVE);
    assert_int_equal(scene_cert(s, &fleet->cert).status, PROV_CERT_ACTIVE);
    reg_commit(s->r);
    assert_string_equal(reg_problems(s->r), "");
}

static void repetition_of_a_rotation_rotates_nothing(void **state)
{
    struct scene *s = *state;
    const struct prov_id old = scene_device(s, "1");
    const bool retire = true;
    char token[PROV_TOKEN_LEN + 1];
    struct scene_ask ask = request(token, "{'Serial':'1'}");
    struct prov_fleet *fleet;

    scene_change_template(s, SCENE_TEMPLATE,
                          &(struct prov_template_change){ .retire_previous = &retire });
    (void)scene_certificate(s, &old, token);
    ask.claim = &old;
    assert_true(scene_done(s, &ask)->rotated);
    fleet = scene_done(s, &ask);
    assert_true(fleet->repeated);
    assert_false(fleet->rotated);
}

static const struct CMUnitTest tests[] = {
    SCENE_TEST(device_that_comes_for_its_own_thing_gives_up_its_certificate),
    SCENE_TEST(device_registers_no_thing_but_its_own_where_certificates_are_renewed),
    SCENE_TEST(old_certificate_stays_until_the_new_one_has_connected),
    SCENE_TEST(repetition_of_a_rotation_rotates_nothing),
};

SCENE_MAIN(tests)
