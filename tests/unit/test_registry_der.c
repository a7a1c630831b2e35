/* Where certificates' DER is filed, and what a damaged store leads to instead. */
#include "support/reg_fixture.h"

#include "core/reg.h"
#include "support/alloc.h"

#define ESTORE_CODE "InternalFailureException"

static struct prov_cert get(struct reg *r, const struct prov_id *id)
{
    struct prov_cert cert;

    reg_ok(r, prov_cert_get(&r->tx, id, &cert));
    return cert;
}

static int64_t number_of(struct reg *r, const struct prov_id *id)
{
    return get(r, id).der_number;
}

/* The certificate's DER is there and hashes to its id. */
static void assert_der(struct reg *r, const struct prov_id *id)
{
    struct prov_span der;
    struct prov_id of_der;

    reg_ok(r, prov_cert_der(&r->tx, id, &der));
    assert_int_equal(prov_ident_id_of_der(der, &of_der), PROV_OK);
    assert_id(&of_der, id);
}

static void forget(struct reg *r, const struct prov_id *id)
{
    reg_raw_status(r, id, PROV_CERT_INACTIVE);
    reg_ok(r, prov_cert_delete(&r->tx, id, false));
}

static struct prov_span key_of(int64_t number, uint8_t out[static 8])
{
    reg_be64((uint64_t)number, out);
    return prov_span(out, 8);
}

/* The row of this number gets these bytes; none: it goes. */
static void plant(struct reg *r, int64_t number, struct prov_span bytes)
{
    uint8_t key[8];

    if (bytes.n == 0)
        reg_ok(r, reg_del(&r->tx, REG_CERT_DER, key_of(number, key)));
    else
        reg_ok(r, reg_put_bytes(&r->tx, REG_CERT_DER, key_of(number, key), bytes));
}

/* A copy of the row, since what is in the store may not be written to it. */
static struct prov_span copy_of(struct reg *r, int64_t number, uint8_t out[static 4096])
{
    struct prov_span der;
    struct prov_id id;

    reg_ok(r, reg_der_get(&r->tx, number, &der, &id));
    assert_true(der.n <= 4096);
    memcpy(out, der.p, der.n);
    return prov_span(out, der.n);
}

/* ---- numbers --------------------------------------------------------------------------------- */

static void der_is_found_whatever_came_and_went_around_it(void **state)
{
    enum { MANY = 12 };
    struct reg *r = *state;
    struct prov_id ids[MANY];

    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MANY; i++) {
            if (round == 0 || i % 3 == round)
                ids[i] = reg_cert(r);
        }
        reg_commit(r);
        for (int i = 0; i < MANY; i++) {
            assert_der(r, &ids[i]);
            for (int k = 0; k < i; k++)
                assert_int_not_equal(number_of(r, &ids[i]), number_of(r, &ids[k]));
        }
        assert_string_equal(reg_problems(r), "");
        for (int i = 0; i < MANY; i++) {
            if (i % 3 == round + 1)
                forget(r, &ids[i]);
        }
    }
}

static void number_stays_with_its_certificate_through_changes(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);
    const int64_t number = number_of(r, &id);

    assert_int_equal(number, 1);
    (void)reg_cert(r);
    reg_policy(r, "p");
    reg_ok(r, prov_policy_attach_cert(&r->tx, S("p"), &id));
    reg_ok(r, prov_cert_set_status(&r->tx, &id, PROV_CERT_REVOKED));
    assert_int_equal(number_of(r, &id), number);
    assert_der(r, &id);
}

static void number_after_the_newest_was_deleted_is_no_others(void **state)
{
    struct reg *r = *state;
    const struct prov_id a = reg_cert(r), b = reg_cert(r), gone = reg_cert(r);
    struct prov_id c, d;

    forget(r, &gone);
    reg_commit(r);
    c = reg_cert(r);
    assert_int_not_equal(number_of(r, &c), number_of(r, &a));
    assert_int_not_equal(number_of(r, &c), number_of(r, &b));
    forget(r, &a);
    forget(r, &b);
    forget(r, &c);
    assert_string_equal(reg_problems(r), "");
    d = reg_cert(r); /* the table was empty */
    assert_der(r, &d);
    assert_string_equal(reg_problems(r), "");
}

static void aborted_registration_gives_its_number_back(void **state)
{
    struct reg *r = *state;
    const struct prov_id a = reg_cert(r);
    struct prov_id dropped, kept;
    struct prov_cert cert;

    reg_nest(r);
    dropped = reg_cert(r);
    reg_expect_refused(r, prov_cert_register(&r->tx, &(struct prov_cert_registration){ 0 }, &kept),
                       PROV_EINVAL, "CertificateValidationException", "", __FILE__, __LINE__);
    kept = reg_cert(r);
    assert_int_not_equal(number_of(r, &kept), number_of(r, &a));
    assert_der(r, &a);
    assert_der(r, &kept);
    reg_refused(r, prov_cert_get(&r->tx, &dropped, &cert), PROV_ENOTFOUND,
                "ResourceNotFoundException");
    assert_string_equal(reg_problems(r), "");
}

static void table_without_room_behind_its_last_number_takes_no_certificate(void **state)
{
    static const struct prov_span last[] = { PROV_LIT("\xff"), PROV_LIT("123456789"),
                                             PROV_LIT("\x7f\xff\xff\xff\xff\xff\xff\xff"),
                                             PROV_LIT("\xff\xff\xff\xff\xff\xff\xff\xff") };
    struct reg *r = *state;
    struct pki_cert leaf = reg_pki_leaf(r, NULL, "/CN=dev-1");
    const struct prov_cert_registration reg = { .der = reg_der(r, &leaf), .without_ca = true };
    struct prov_id id;

    reg_commit(r);
    for (size_t i = 0; i < PROV_COUNT(last); i++) {
        reg_ok(r, reg_put_bytes(&r->tx, REG_CERT_DER, last[i], S("x")));
        reg_refused(r, prov_cert_register(&r->tx, &reg, &id), PROV_ESTORE, ESTORE_CODE);
        reg_abort(r);
    }
    reg_ok(r, reg_put_bytes(&r->tx, REG_CERT_DER, PROV_LIT("\x7f\xff\xff\xff\xff\xff\xff\xfe"),
                            S("x")));
    reg_ok(r, prov_cert_register(&r->tx, &reg, &id));
    assert_der(r, &id);
    pki_free(&leaf);
}

/* ---- damage ---------------------------------------------------------------------------------- */

struct damage {
    struct prov_id a, b;
    int64_t na, nb;
    struct prov_span da, db;
    uint8_t copies[2][4096];
};

static void swap(struct reg *r, const struct damage *d)
{
    plant(r, d->na, d->db);
    plant(r, d->nb, d->da);
}

static void lose(struct reg *r, const struct damage *d)
{
    plant(r, d->na, NONE);
}

static void spoil(struct reg *r, const struct damage *d)
{
    plant(r, d->na, S("no certificate"));
}

static void share(struct reg *r, const struct damage *d)
{
    struct prov_cert cert = get(r, &d->a);

    cert.der_number = d->nb;
    reg_ok(r, reg_cert_put(&r->tx, &cert));
}

static void forget_number(struct reg *r, const struct damage *d)
{
    struct prov_cert cert = get(r, &d->a);

    cert.der_number = 0;
    reg_ok(r, reg_cert_put(&r->tx, &cert));
}

static void store_twice(struct reg *r, const struct damage *d)
{
    plant(r, 77, d->da);
}

static void store_nobodys(struct reg *r, const struct damage *d)
{
    (void)d;
    plant(r, 77, S("no certificate"));
}

static void file_under_what_is_no_number(struct reg *r, const struct damage *d)
{
    reg_ok(r, reg_put_bytes(&r->tx, REG_CERT_DER, S("n"), d->da));
}

static const struct {
    void (*make)(struct reg *r, const struct damage *d);
    bool a_lost, b_lost;
    unsigned problems;
    const char *says[2]; /* of the certificates, of their DER */
} damages[] = {
    { swap, true, true, 4, { "has DER that is not its own", "not where its certificate looks" } },
    { lose, true, false, 1, { "has no DER", "" } },
    { spoil, true, false, 2, { "has DER that cannot be read", "0001 belongs to nothing" } },
    { share, true, false, 2, { "has DER that is not its own", "0001 is not where" } },
    { forget_number, true, false, 2, { "has no DER", "0001 is not where its certificate looks" } },
    { store_twice, false, false, 1, { "", "DER number 000000000000004d is not where" } },
    { store_nobodys, false, false, 1, { "", "DER number 000000000000004d belongs to nothing" } },
    { file_under_what_is_no_number, false, false, 1, { "", "DER number n is not where" } },
};

static struct damage two_certificates(struct reg *r)
{
    struct damage d = { .a = reg_cert(r) };

    d.b = reg_cert(r);
    d.na = number_of(r, &d.a);
    d.nb = number_of(r, &d.b);
    reg_commit(r);
    return d;
}

static void make(struct reg *r, struct damage *d, size_t i)
{
    d->da = copy_of(r, d->na, d->copies[0]);
    d->db = copy_of(r, d->nb, d->copies[1]);
    damages[i].make(r, d);
}

static unsigned lines(const char *text)
{
    unsigned n = 0;

    for (; *text != '\0'; text++)
        n += *text == '\n';
    return n;
}

static void check_finds_der_that_is_missing_strange_or_nobodys(void **state)
{
    struct reg *r = *state;
    struct damage d = two_certificates(r);

    assert_string_equal(reg_problems(r), "");
    for (size_t i = 0; i < PROV_COUNT(damages); i++) {
        const char *said;

        make(r, &d, i);
        said = reg_problems(r);
        if (lines(said) != damages[i].problems || strstr(said, damages[i].says[0]) == NULL ||
            strstr(said, damages[i].says[1]) == NULL)
            fail_msg("row %zu: %s", i, said);
        reg_abort(r);
    }
}

static void der_of_another_certificate_is_never_given(void **state)
{
    struct reg *r = *state;
    struct damage d = two_certificates(r);
    struct prov_span der;

    for (size_t i = 0; i < PROV_COUNT(damages); i++) {
        make(r, &d, i);
        if (damages[i].a_lost)
            reg_refused(r, prov_cert_der(&r->tx, &d.a, &der), PROV_ESTORE, ESTORE_CODE);
        else
            assert_der(r, &d.a);
        if (damages[i].b_lost)
            reg_refused(r, prov_cert_der(&r->tx, &d.b, &der), PROV_ESTORE, ESTORE_CODE);
        else
            assert_der(r, &d.b);
        reg_abort(r);
    }
}

static void deleting_a_damaged_certificate_spares_the_der_of_others(void **state)
{
    struct reg *r = *state;
    struct damage d = two_certificates(r);

    for (size_t i = 0; i < PROV_COUNT(damages); i++) {
        make(r, &d, i);
        forget(r, &d.a);
        if (!damages[i].b_lost)
            assert_der(r, &d.b);
        else
            assert_true(prov_span_eq(copy_of(r, d.na, d.copies[0]), d.db));
        reg_abort(r);
    }
}

/* ---- failures -------------------------------------------------------------------------------- */

struct reading {
    struct prov_id id;
};

static enum prov_rc read_der(struct reg *r, void *ctx)
{
    const struct reading *what = ctx;
    struct prov_span der;

    return prov_cert_der(&r->tx, &what->id, &der);
}

static void der_without_memory_is_an_error_and_no_damage(void **state)
{
    struct reg *r = *state;
    struct reading what = { reg_cert(r) };

    (void)reg_each_allocation(r, read_der, &what);
    if (!r->lmdb)
        assert_true(reg_each_openssl_allocation(r, read_der, &what) > 0);
}

static const struct CMUnitTest registry_der[] = {
    REG_TEST(der_is_found_whatever_came_and_went_around_it),
    REG_TEST(number_stays_with_its_certificate_through_changes),
    REG_TEST(number_after_the_newest_was_deleted_is_no_others),
    REG_TEST(aborted_registration_gives_its_number_back),
    REG_TEST(table_without_room_behind_its_last_number_takes_no_certificate),
    REG_TEST(check_finds_der_that_is_missing_strange_or_nobodys),
    REG_TEST(der_of_another_certificate_is_never_given),
    REG_TEST(deleting_a_damaged_certificate_spares_the_der_of_others),
    REG_TEST(der_without_memory_is_an_error_and_no_damage),
};
REG_MAIN(registry_der)
