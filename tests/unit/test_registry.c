/* Settings (reference 0 and 4.2), and ids from prefixes. */
#include "support/reg_fixture.h"

#include "core/reg.h"
#include "support/alloc.h"

#define INVALID "InvalidRequestException"

/* ---- settings -------------------------------------------------------------------------------- */

static void new_store_has_default_settings_and_takes_others(void **state)
{
    struct reg *r = *state;
    struct prov_settings s;

    reg_ok(r, prov_settings_get(&r->tx, &s));
    assert_string_equal(s.account_id, "000000000000");
    assert_string_equal(s.region, "local");
    assert_string_equal(s.registration_code, "");
    reg_ok(r, prov_settings_set(&r->tx, "123456789012", NULL));
    reg_ok(r, prov_settings_set(&r->tx, NULL, "eu-north-1"));
    reg_commit(r);
    reg_ok(r, prov_settings_get(&r->tx, &s));
    assert_string_equal(s.account_id, "123456789012");
    assert_string_equal(s.region, "eu-north-1");
    assert_string_equal(reg_feed(r), "settings settings");
}

static void settings_have_a_form(void **state)
{
    static const struct {
        const char *account, *region;
        bool good;
    } rows[] = {
        { "12345678901", NULL, false },
        { "1234567890123", NULL, false },
        { "12345678901x", NULL, false },
        { "", NULL, false },
        { "000000000001", NULL, true },
        { NULL, "", false },
        { NULL, "EU", false },
        { NULL, "eu north", false },
        { NULL, "eu/1", false },
        { NULL, "abcdefghijabcdefghijabcdefghij012", true },   /* 33 bytes with the NUL: 32 */
        { NULL, "abcdefghijabcdefghijabcdefghij0123", false }, /* one more */
    };
    struct reg *r = *state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const char *region = rows[i].region;
        char cut[40];

        if (region != NULL && rows[i].good) {
            (void)prov_span_copy(prov_span(region, 32), cut, sizeof cut);
            region = cut;
        }
        if (rows[i].good)
            reg_ok(r, prov_settings_set(&r->tx, rows[i].account, region));
        else
            reg_refused(r, prov_settings_set(&r->tx, rows[i].account, region), PROV_EINVAL,
                        INVALID);
    }
}

static void registration_code_is_made_once(void **state)
{
    char first[PROV_ID_HEX + 1], again[PROV_ID_HEX + 1];
    struct reg *r = *state;
    struct prov_settings s;

    reg_ok(r, prov_registration_code(&r->tx, first));
    assert_int_equal(strlen(first), 64);
    assert_int_equal(strspn(first, "0123456789abcdef"), 64);
    reg_read(r);
    reg_ok(r, prov_registration_code(&r->tx, again));
    assert_string_equal(again, first);
    reg_write(r);
    reg_ok(r, prov_settings_set(&r->tx, "123456789012", "eu"));
    reg_ok(r, prov_settings_get(&r->tx, &s));
    assert_string_equal(s.registration_code, first);
    assert_string_equal(reg_feed(r), "settings settings");
}

static void registration_code_is_not_made_by_a_reader(void **state)
{
    char code[PROV_ID_HEX + 1];
    struct reg *r = *state;

    reg_read(r);
    assert_int_equal(prov_registration_code(&r->tx, code), PROV_EBUG);
    assert_true(r->err.text[0] != '\0');
}

static void arn_names_account_and_region(void **state)
{
    struct reg *r = *state;
    struct prov_buf arn;

    prov_buf_init(&arn, 200);
    reg_ok(r, prov_arn(&r->tx, "thing", S("a"), &arn));
    assert_string_equal(prov_buf_cstr(&arn), "arn:aws:iot:local:000000000000:thing/a");
    reg_ok(r, prov_settings_set(&r->tx, "123456789012", "eu-1"));
    prov_buf_clear(&arn);
    reg_ok(r, prov_arn(&r->tx, "policy", S("p"), &arn));
    assert_string_equal(prov_buf_cstr(&arn), "arn:aws:iot:eu-1:123456789012:policy/p");
    prov_buf_release(&arn);
    prov_buf_init(&arn, 20);
    assert_int_equal(prov_arn(&r->tx, "thing", S("a"), &arn), PROV_ETOOBIG);
    prov_buf_release(&arn);
}

static void damaged_settings_are_an_error(void **state)
{
    static const struct prov_span damaged[] = { PROV_LIT("\x01"), PROV_LIT("\x01\x0e"
                                                                           "12345678901234") };
    char code[PROV_ID_HEX + 1];
    struct reg *r = *state;
    struct prov_settings s;
    struct prov_buf arn;

    prov_buf_init(&arn, 100);
    for (size_t i = 0; i < PROV_COUNT(damaged); i++) {
        reg_ok(r, reg_put_bytes(&r->tx, REG_META, S("settings"), damaged[i]));
        reg_refused(r, prov_settings_get(&r->tx, &s), PROV_ESTORE, "InternalFailureException");
        reg_refused(r, prov_settings_set(&r->tx, NULL, "eu"), PROV_ESTORE,
                    "InternalFailureException");
        reg_refused(r, prov_registration_code(&r->tx, code), PROV_ESTORE,
                    "InternalFailureException");
        reg_refused(r, prov_arn(&r->tx, "thing", S("a"), &arn), PROV_ESTORE,
                    "InternalFailureException");
    }
    prov_buf_release(&arn);
}

static enum prov_rc change_settings(struct reg *r, void *ctx)
{
    char code[PROV_ID_HEX + 1];
    struct prov_buf arn;
    enum prov_rc rc;

    (void)ctx;
    prov_buf_init(&arn, 100);
    rc = prov_settings_set(&r->tx, "123456789012", "eu");
    if (rc == PROV_OK)
        rc = prov_registration_code(&r->tx, code);
    if (rc == PROV_OK)
        rc = prov_arn(&r->tx, "thing", S("a"), &arn);
    prov_buf_release(&arn);
    return rc;
}

static void failed_change_of_settings_leaves_nothing_behind(void **state)
{
    struct reg *r = *state;

    assert_true(reg_each_allocation(r, change_settings, NULL) > 4);
    if (!r->lmdb)
        assert_int_equal(reg_each_write(r, change_settings, NULL), 4);
}

/* ---- ids from prefixes ----------------------------------------------------------------------- */

/* CA records under ids of our choice; only their keys are looked at. */
static void plant(struct reg *r, const char *hex)
{
    struct prov_ca ca = { .active = true };

    assert_true(prov_id_parse(S(hex), &ca.id));
    reg_ok(r, reg_put(&r->tx, REG_CA, &reg_ca_record, prov_id_span(&ca.id), &ca));
}

#define TAIL "ccddeeff00112233445566778899aabbccddeeff00112233445566"

static void prefix_of_an_id_is_enough_when_it_is_unambiguous(void **state)
{
    static const char a[] = "0123456789" TAIL, b[] = "012345678a" TAIL, c[] = "fffffffff0" TAIL;
    static const struct {
        const char *text;
        const char *found; /* NULL: refused */
        enum prov_rc rc;
        const char *code;
    } rows[] = {
        { a, a, PROV_OK, NULL },
        { "0123456789", a, PROV_OK, NULL },
        { "012345678A", b, PROV_OK, NULL },
        { "012345678ac", b, PROV_OK, NULL },
        { "FFFFFFFFF", c, PROV_OK, NULL },
        { "fffffff", NULL, PROV_EINVAL, INVALID }, /* seven */
        { "ffffffff", c, PROV_OK, NULL },
        { "0xffffffff", c, PROV_OK, NULL },
        { "0xfffffff", NULL, PROV_EINVAL, INVALID },
        { "", NULL, PROV_EINVAL, INVALID },
        { "01234567", NULL, PROV_EINVAL, INVALID }, /* ambiguous */
        { "012345678", NULL, PROV_EINVAL, INVALID },
        { "0123456780", NULL, PROV_ENOTFOUND, "ResourceNotFoundException" },
        { "012345677", NULL, PROV_ENOTFOUND, "ResourceNotFoundException" },
        { "ffffffffff", NULL, PROV_ENOTFOUND, "ResourceNotFoundException" },
        { "ffffffffg", NULL, PROV_EINVAL, INVALID },
        { "fffffffg", NULL, PROV_EINVAL, INVALID },
        { "0123456789" TAIL "0", NULL, PROV_EINVAL, INVALID }, /* too long */
        { "0123456780" TAIL, NULL, PROV_ENOTFOUND, "ResourceNotFoundException" },
    };
    struct reg *r = *state;
    char hex[PROV_ID_HEX + 1];
    struct prov_id id;

    assert_int_equal(strlen(a), PROV_ID_HEX);
    plant(r, a);
    plant(r, b);
    plant(r, c);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        if (rows[i].found == NULL) {
            reg_refused(r, prov_ca_resolve(&r->tx, S(rows[i].text), &id), rows[i].rc, rows[i].code);
            continue;
        }
        reg_ok(r, prov_ca_resolve(&r->tx, S(rows[i].text), &id));
        prov_id_hex(&id, hex);
        assert_string_equal(hex, rows[i].found);
    }
    /* all but the last digit, so that only half a byte is looked for */
    (void)prov_span_copy(prov_span(a, PROV_ID_HEX - 1), hex, sizeof hex);
    reg_ok(r, prov_ca_resolve(&r->tx, S(hex), &id));
    prov_id_hex(&id, hex);
    assert_string_equal(hex, a);
    reg_refused(r, prov_cert_resolve(&r->tx, S(a), &id), PROV_ENOTFOUND,
                "ResourceNotFoundException"); /* a CA's */
}

static void certificate_is_found_by_the_beginning_of_its_id(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);
    char hex[PROV_ID_HEX + 1];
    struct prov_id found;

    prov_id_hex(&id, hex);
    reg_ok(r, prov_cert_resolve(&r->tx, prov_span(hex, 9), &found));
    assert_id(&found, &id);
    reg_refused(r, prov_ca_resolve(&r->tx, prov_span(hex, 9), &found), PROV_ENOTFOUND,
                "ResourceNotFoundException");
}

static const struct CMUnitTest registry[] = {
    REG_TEST(new_store_has_default_settings_and_takes_others),
    REG_TEST(settings_have_a_form),
    REG_TEST(registration_code_is_made_once),
    REG_TEST(registration_code_is_not_made_by_a_reader),
    REG_TEST(arn_names_account_and_region),
    REG_TEST(damaged_settings_are_an_error),
    REG_TEST(failed_change_of_settings_leaves_nothing_behind),
    REG_TEST(prefix_of_an_id_is_enough_when_it_is_unambiguous),
    REG_TEST(certificate_is_found_by_the_beginning_of_its_id),
};
REG_MAIN(registry)
