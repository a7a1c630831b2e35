/* RegisterThing again: repetitions, tokens, how often a claim may. */
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

/* The very bytes of an answer; lives as long as the scene. */
static const char *told(struct scene *s, const struct prov_fleet *fleet)
{
    struct prov_buf text;
    const char *kept;

    assert_int_equal(prov_fleet_answer(fleet, &text), PROV_OK);
    assert_null(memchr(text.p, '\0', text.n));
    kept = (const char *)reg_keep(s->r, text.p, text.n);
    prov_buf_wipe(&text);
    return kept;
}

static void expect_unchanged(struct scene *s, char *before)
{
    char *after = reg_dump(s->r);

    assert_string_equal(before, after);
    free(before);
    free(after);
}

/* ---- repetitions ----------------------------------------------------------------------------- */

static void same_request_again_gets_the_same_answer(void **state)
{
    static const struct {
        const char *params;
        enum prov_format format;
    } rows[] = {
        { PARAMS, PROV_JSON },
        { "{'Room':'hall','Serial':'1'}", PROV_JSON }, /* in another order */
        { PARAMS, PROV_CBOR },
        { "{'Room':'hall','Serial':'1'}", PROV_CBOR },
    };
    struct scene *s = *state;
    const char *answers[PROV_FORMATS] = { NULL };
    char token[PROV_TOKEN_LEN + 1];
    struct prov_fleet *fleet;
    struct prov_id id;
    char *before;

    id = scene_certificate(s, NULL, token);
    fleet = done(s, token, PARAMS);
    assert_false(fleet->repeated);
    answers[PROV_JSON] = told(s, fleet);
    fleet->format = PROV_CBOR;
    answers[PROV_CBOR] = told(s, fleet);
    before = reg_dump(s->r);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct scene_ask again = request(token, rows[i].params);

        again.format = rows[i].format;
        fleet = scene_new(s, &again);
        assert_int_equal(scene_prepare(s, fleet), PROV_FLEET_DONE);
        scene_expect(fleet, PROV_REASON_PROVISIONED);
        assert_true(fleet->repeated);
        assert_id(&fleet->cert, &id);
        assert_string_equal(fleet->thing_name, "dev-1");
        assert_string_equal(told(s, fleet), answers[rows[i].format]);
    }
    expect_unchanged(s, before);
}

static void another_request_with_the_token_is_refused(void **state)
{
    static const struct {
        const char *template_name, *params;
    } rows[] = {
        { NULL, "{'Serial':'2','Room':'hall'}" },
        { NULL, "{'Serial':'1'}" },
        { NULL, "{'Serial':'1','Room':'hall','More':''}" },
        { NULL, "{'Serial':'hall','Room':'1'}" },
        { NULL, "{'Serial':'1','RoomX':'hall'}" },
        { NULL, "{'Serial':'1','Roo':'mhall'}" },
        { NULL, "{'Serial1':'','Room':'hall'}" },
        { NULL, NULL },
        { "other", PARAMS },
        { "nope", PARAMS },
    };
    struct scene *s = *state;
    char token[PROV_TOKEN_LEN + 1];
    char *before;

    scene_template(s, "other", "{'Resources':{" SCENE_CERT("") "}}", NULL);
    (void)scene_certificate(s, NULL, token);
    scene_expect(done(s, token, PARAMS), PROV_REASON_PROVISIONED);
    before = reg_dump(s->r);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct scene_ask ask = request(token, rows[i].params);
        struct prov_fleet *fleet;

        ask.template_name = rows[i].template_name;
        fleet = scene_done(s, &ask);
        scene_expect(fleet, PROV_REASON_BAD_TOKEN);
        scene_expect_rejected(
            fleet, 400, "InvalidCertificateOwnershipToken",
            "claim: the certificateOwnershipToken was used for another registration");
        assert_false(fleet->repeated);
    }
    expect_unchanged(s, before);
}

/* The device only lost the answer: it has what it asked for, whatever happened since. */
static void repetition_is_answered_whatever_became_of_claim_and_template(void **state)
{
    struct scene *s = *state;
    const bool disabled = false;
    uint32_t version;
    char token[PROV_TOKEN_LEN + 1];
    const char *answer;
    struct prov_fleet *fleet;

    (void)scene_certificate(s, NULL, token);
    answer = told(s, done(s, token, PARAMS));
    reg_ok(s->r, prov_template_version_create(&s->r->tx, S(SCENE_TEMPLATE),
                                              reg_json(s->r, "{'Resources':{" SCENE_CERT("") "}}"),
                                              true, &version));
    scene_change_template(s, SCENE_TEMPLATE,
                          &(struct prov_template_change){ .enabled = &disabled });
    scene_spend(s);
    scene_suspend(s);
    scene_cert_status(s, &s->claim, PROV_CERT_INACTIVE);
    fleet = done(s, token, PARAMS);
    scene_expect(fleet, PROV_REASON_PROVISIONED);
    assert_string_equal(told(s, fleet), answer);
    reg_at(s->r, SCENE_TTL_S); /* until the token is none any more */
    scene_expect(done(s, token, PARAMS), PROV_REASON_BAD_TOKEN);
}

/* ---- tokens ---------------------------------------------------------------------------------- */

static void token_is_good_for_its_claim_and_its_time(void **state)
{
    struct scene *s = *state;
    const struct prov_id other = reg_cert(s->r);
    char token[PROV_TOKEN_LEN + 1], altered[PROV_TOKEN_LEN + 1];
    struct scene_ask ask = request(token, PARAMS);
    char *before;

    (void)scene_certificate(s, NULL, token);
    memcpy(altered, token, sizeof altered);
    altered[90] = altered[90] == 'A' ? 'B' : 'A';
    before = reg_dump(s->r);
    ask.claim = &other;
    scene_expect(scene_done(s, &ask), PROV_REASON_BAD_TOKEN);
    scene_expect(done(s, "", PARAMS), PROV_REASON_BAD_TOKEN);
    scene_expect(done(s, altered, PARAMS), PROV_REASON_BAD_TOKEN);
    reg_at(s->r, SCENE_TTL_S);
    scene_expect(done(s, token, PARAMS), PROV_REASON_BAD_TOKEN);
    reg_at(s->r, SCENE_TTL_S - 1);
    expect_unchanged(s, before);
    scene_expect(done(s, token, PARAMS), PROV_REASON_PROVISIONED);
}

static void token_used_meanwhile_settles_the_request(void **state)
{
    struct scene *s = *state;
    char token[PROV_TOKEN_LEN + 1];
    struct prov_fleet *first, *same, *other;
    char *before;

    (void)scene_certificate(s, NULL, token);
    first = prepared(s, token, PARAMS);
    same = prepared(s, token, "{'Room':'hall','Serial':'1'}");
    other = prepared(s, token, "{'Serial':'2'}");
    scene_apply(s, first);
    before = reg_dump(s->r);
    scene_apply(s, same);
    scene_expect(same, PROV_REASON_PROVISIONED);
    assert_true(same->repeated);
    assert_false(same->rotated);
    assert_string_equal(same->thing_name, "dev-1");
    assert_string_equal(told(s, same), told(s, first));
    scene_apply(s, other);
    scene_expect(other, PROV_REASON_BAD_TOKEN);
    assert_false(other->repeated);
    expect_unchanged(s, before);
}

/* ---- how often a claim may ------------------------------------------------------------------- */

static uint32_t uses(struct scene *s)
{
    struct prov_claim claim;

    reg_ok(s->r, prov_claim_get(&s->r->tx, &s->claim, &claim));
    return claim.uses;
}

static void each_thing_is_a_use_and_nothing_else_is(void **state)
{
    const uint32_t two = 2;
    struct scene *s = *state;
    char tokens[3][PROV_TOKEN_LEN + 1];
    struct prov_fleet *fleet;

    for (size_t i = 0; i < 3; i++)
        (void)scene_certificate(s, NULL, tokens[i]);
    scene_limit(s, &(struct prov_claim_change){ .max_uses = &two });
    scene_expect(done(s, tokens[0], NULL), PROV_REASON_TEMPLATE_FAILED);
    assert_int_equal(uses(s), 0);
    scene_expect(done(s, tokens[0], "{'Serial':'1'}"), PROV_REASON_PROVISIONED);
    assert_int_equal(uses(s), 1);
    scene_expect(done(s, tokens[0], "{'Serial':'1'}"), PROV_REASON_PROVISIONED);
    scene_expect(done(s, tokens[0], "{'Serial':'9'}"), PROV_REASON_BAD_TOKEN);
    assert_int_equal(uses(s), 1);
    scene_expect(done(s, tokens[1], "{'Serial':'1'}"), PROV_REASON_PROVISIONED); /* the same one */
    assert_int_equal(uses(s), 2);
    fleet = done(s, tokens[2], "{'Serial':'2'}");
    scene_expect(fleet, PROV_REASON_CLAIM_SPENT);
    scene_expect_rejected(fleet, 403, "AccessDenied",
                          "claim: The claim is spent: nothing more can be registered with it");
    scene_expect(done(s, tokens[1], "{'Serial':'1'}"), PROV_REASON_PROVISIONED);
    assert_int_equal(uses(s), 2);
}

static const struct CMUnitTest tests[] = {
    SCENE_TEST(same_request_again_gets_the_same_answer),
    SCENE_TEST(another_request_with_the_token_is_refused),
    SCENE_TEST(repetition_is_answered_whatever_became_of_claim_and_template),
    SCENE_TEST(token_is_good_for_its_claim_and_its_time),
    SCENE_TEST(token_used_meanwhile_settles_the_request),
    SCENE_TEST(each_thing_is_a_use_and_nothing_else_is),
};

SCENE_MAIN(tests)
