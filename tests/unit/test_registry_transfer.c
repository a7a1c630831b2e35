/* The whole of reference 5.4: what each operation makes of a certificate of each status. */
#include "support/reg_fixture.h"

#include "core/reg.h"
#include "support/alloc.h"

#define STATE "CertificateStateException"
#define INVALID "InvalidRequestException"
#define CONFLICT "TransferConflictException"
#define COMPLETED "TransferAlreadyCompletedException"

#define OTHER S("123456789012")

static struct prov_cert get(struct reg *r, const struct prov_id *id)
{
    struct prov_cert cert;

    reg_ok(r, prov_cert_get(&r->tx, id, &cert));
    return cert;
}

/* ---- the table ------------------------------------------------------------------------------- */

enum op {
    SET_ACTIVE,
    SET_INACTIVE,
    SET_REVOKED,
    SET_PENDING_TRANSFER,
    SET_PENDING_ACTIVATION,
    TRANSFER,
    ACCEPT,
    ACCEPT_ACTIVE,
    REJECT,
    CANCEL,
    DELETE,
    OPS
};

static enum prov_rc run(struct reg *r, const struct prov_id *id, enum op op)
{
    static const enum prov_cert_status to[] = {
        [SET_ACTIVE] = PROV_CERT_ACTIVE,
        [SET_INACTIVE] = PROV_CERT_INACTIVE,
        [SET_REVOKED] = PROV_CERT_REVOKED,
        [SET_PENDING_TRANSFER] = PROV_CERT_PENDING_TRANSFER,
        [SET_PENDING_ACTIVATION] = PROV_CERT_PENDING_ACTIVATION,
    };

    switch (op) {
    case TRANSFER:
        return prov_cert_transfer(&r->tx, id, OTHER, S("take it"));
    case ACCEPT:
    case ACCEPT_ACTIVE:
        return prov_cert_transfer_accept(&r->tx, id, op == ACCEPT_ACTIVE);
    case REJECT:
        return prov_cert_transfer_reject(&r->tx, id, S("no"));
    case CANCEL:
        return prov_cert_transfer_cancel(&r->tx, id);
    case DELETE:
        return prov_cert_delete(&r->tx, id, false);
    default:
        return prov_cert_set_status(&r->tx, id, to[op]);
    }
}

#define TO(status)                                                                                 \
    {                                                                                              \
        PROV_OK, NULL, PROV_CERT_##status                                                          \
    }
#define NO_STATE                                                                                   \
    {                                                                                              \
        PROV_EDENIED, STATE, 0                                                                     \
    }
#define BAD                                                                                        \
    {                                                                                              \
        PROV_EINVAL, INVALID, 0                                                                    \
    }
#define GONE                                                                                       \
    {                                                                                              \
        PROV_OK, NULL, PROV_CERT_STATUSES                                                          \
    }

static const struct outcome {
    enum prov_rc rc;
    const char *code;
    enum prov_cert_status to; /* PROV_CERT_STATUSES: it is not there any more */
} table[PROV_CERT_STATUSES][OPS] = {
    [PROV_CERT_INACTIVE] = { [SET_ACTIVE] = TO(ACTIVE),
                             [SET_INACTIVE] = TO(INACTIVE),
                             [SET_REVOKED] = TO(REVOKED),
                             [SET_PENDING_TRANSFER] = BAD,
                             [SET_PENDING_ACTIVATION] = BAD,
                             [TRANSFER] = TO(PENDING_TRANSFER),
                             [ACCEPT] = BAD,
                             [ACCEPT_ACTIVE] = BAD,
                             [REJECT] = BAD,
                             [CANCEL] = BAD,
                             [DELETE] = GONE },
    [PROV_CERT_ACTIVE] = { [SET_ACTIVE] = TO(ACTIVE),
                           [SET_INACTIVE] = TO(INACTIVE),
                           [SET_REVOKED] = TO(REVOKED),
                           [SET_PENDING_TRANSFER] = BAD,
                           [SET_PENDING_ACTIVATION] = BAD,
                           [TRANSFER] = NO_STATE,
                           [ACCEPT] = BAD,
                           [ACCEPT_ACTIVE] = BAD,
                           [REJECT] = BAD,
                           [CANCEL] = BAD,
                           [DELETE] = NO_STATE },
    [PROV_CERT_REVOKED] = { [SET_ACTIVE] = NO_STATE,
                            [SET_INACTIVE] = NO_STATE,
                            [SET_REVOKED] = TO(REVOKED),
                            [SET_PENDING_TRANSFER] = BAD,
                            [SET_PENDING_ACTIVATION] = BAD,
                            [TRANSFER] = NO_STATE,
                            [ACCEPT] = BAD,
                            [ACCEPT_ACTIVE] = BAD,
                            [REJECT] = BAD,
                            [CANCEL] = BAD,
                            [DELETE] = GONE },
    [PROV_CERT_PENDING_TRANSFER] = { [SET_ACTIVE] = NO_STATE,
                                     [SET_INACTIVE] = NO_STATE,
                                     [SET_REVOKED] = NO_STATE,
                                     [SET_PENDING_TRANSFER] = BAD,
                                     [SET_PENDING_ACTIVATION] = BAD,
                                     [TRANSFER] = NO_STATE,
                                     [ACCEPT] = TO(INACTIVE),
                                     [ACCEPT_ACTIVE] = TO(ACTIVE),
                                     [REJECT] = TO(INACTIVE),
                                     [CANCEL] = TO(INACTIVE),
                                     [DELETE] = GONE },
    [PROV_CERT_PENDING_ACTIVATION] = { [SET_ACTIVE] = TO(ACTIVE),
                                       [SET_INACTIVE] = TO(INACTIVE),
                                       [SET_REVOKED] = TO(REVOKED),
                                       [SET_PENDING_TRANSFER] = BAD,
                                       [SET_PENDING_ACTIVATION] = BAD,
                                       [TRANSFER] = NO_STATE,
                                       [ACCEPT] = BAD,
                                       [ACCEPT_ACTIVE] = BAD,
                                       [REJECT] = BAD,
                                       [CANCEL] = BAD,
                                       [DELETE] = GONE },
};

static void assert_outcome(struct reg *r, const struct prov_id *id, const struct outcome *want)
{
    struct prov_cert cert;

    if (want->to == PROV_CERT_STATUSES)
        reg_refused(r, prov_cert_get(&r->tx, id, &cert), PROV_ENOTFOUND,
                    "ResourceNotFoundException");
    else
        assert_int_equal(get(r, id).status, want->to);
}

static void each_operation_does_to_each_status_what_the_table_says(void **state)
{
    struct reg *r = *state;
    uint64_t counts[PROV_CERT_STATUSES];

    for (unsigned from = 0; from < PROV_CERT_STATUSES; from++) {
        for (unsigned op = 0; op < OPS; op++) {
            const struct outcome *want = &table[from][op];
            const struct prov_id id = reg_cert(r);

            reg_raw_status(r, &id, from);
            print_message("from %s, operation %u\n", prov_cert_status_name(from), op);
            if (want->rc != PROV_OK) {
                reg_refused(r, run(r, &id, op), want->rc, want->code);
                assert_int_equal(get(r, &id).status, from);
                continue;
            }
            reg_ok(r, run(r, &id, op));
            assert_outcome(r, &id, want);
            reg_ok(r, prov_cert_counts(&r->tx, counts));
            assert_true(want->to == PROV_CERT_STATUSES || counts[want->to] > 0);
        }
    }
    assert_string_equal(reg_problems(r), "");
}

/* ---- what a transfer keeps ------------------------------------------------------------------- */

static struct prov_id inactive(struct reg *r)
{
    const struct prov_id id = reg_cert(r);

    reg_ok(r, prov_cert_set_status(&r->tx, &id, PROV_CERT_INACTIVE));
    return id;
}

static void transfer_is_told_with_the_certificate(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = inactive(r);
    struct prov_cert cert = get(r, &id);
    const int64_t t0 = r->tx.now_ms;

    assert_int_equal(cert.transfer_account.n, 0);
    (void)reg_feed(r);
    reg_ok(r, prov_cert_transfer(&r->tx, &id, OTHER, S("sold")));
    assert_string_equal(reg_feed(r), "cert");
    reg_commit(r);
    cert = get(r, &id);
    assert_span(cert.transfer_account, "123456789012");
    assert_span(cert.transfer_message, "sold");
    assert_int_equal(cert.transfer_ms, t0);
    assert_int_equal(cert.accepted_ms, 0);
    reg_at(r, 5);
    reg_ok(r, prov_cert_transfer_reject(&r->tx, &id, S("broken")));
    cert = get(r, &id);
    assert_span(cert.transfer_message, "sold");
    assert_span(cert.transfer_reason, "broken");
    assert_int_equal(cert.rejected_ms, t0 + 5000);
    reg_ok(r, prov_cert_transfer(&r->tx, &id, OTHER, NONE));
    cert = get(r, &id);
    assert_int_equal(cert.transfer_message.n, 0);
    assert_int_equal(cert.transfer_reason.n, 0);
    assert_int_equal(cert.rejected_ms, 0);
    reg_at(r, 9);
    reg_ok(r, prov_cert_transfer_accept(&r->tx, &id, false));
    assert_int_equal(get(r, &id).accepted_ms, t0 + 9000);
}

static void cancelled_transfer_leaves_no_trace(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = inactive(r);
    struct prov_cert cert;

    reg_ok(r, prov_cert_transfer(&r->tx, &id, OTHER, S("sold")));
    reg_ok(r, prov_cert_transfer_cancel(&r->tx, &id));
    cert = get(r, &id);
    assert_int_equal(cert.transfer_account.n, 0);
    assert_int_equal(cert.transfer_message.n, 0);
    assert_int_equal(cert.transfer_ms, 0);
    reg_refused(r, prov_cert_transfer_cancel(&r->tx, &id), PROV_EINVAL, INVALID);
}

static void accepted_transfer_is_completed_whatever_comes_then(void **state)
{
    static const enum op again[] = { ACCEPT, ACCEPT_ACTIVE, REJECT, CANCEL };
    struct reg *r = *state;
    const struct prov_id id = inactive(r);

    reg_ok(r, run(r, &id, TRANSFER));
    reg_ok(r, run(r, &id, ACCEPT_ACTIVE));
    for (size_t i = 0; i < PROV_COUNT(again); i++)
        reg_refused(r, run(r, &id, again[i]), PROV_ECONFLICT, COMPLETED);
    reg_ok(r, run(r, &id, SET_INACTIVE));
    for (size_t i = 0; i < PROV_COUNT(again); i++)
        reg_refused(r, run(r, &id, again[i]), PROV_ECONFLICT, COMPLETED);
    reg_ok(r, run(r, &id, TRANSFER)); /* the next one */
    reg_ok(r, run(r, &id, REJECT));
    reg_refused(r, run(r, &id, REJECT), PROV_EINVAL, INVALID);
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void certificate_with_policies_or_things_is_not_transferred(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = inactive(r);

    reg_policy(r, "p");
    reg_thing(r, "t");
    reg_ok(r, prov_policy_attach_cert(&r->tx, S("p"), &id));
    reg_refused(r, run(r, &id, TRANSFER), PROV_EDENIED, CONFLICT);
    reg_ok(r, prov_policy_detach_cert(&r->tx, S("p"), &id));
    reg_ok(r, prov_thing_attach(&r->tx, S("t"), &id, PROV_ATTACH_SHARED));
    reg_refused(r, run(r, &id, TRANSFER), PROV_EDENIED, CONFLICT);
    reg_ok(r, prov_thing_detach(&r->tx, S("t"), &id));
    reg_ok(r, run(r, &id, TRANSFER));
}

static void transfer_needs_another_account_and_short_texts(void **state)
{
    static const char *const accounts[] = { "",  "12345678901", "1234567890123", "12345678901x",
                                            "-", "000000000000" };
    struct reg *r = *state;
    const struct prov_id id = inactive(r), unknown = { { 1 } };
    char text[PROV_MAX_TRANSFER_MESSAGE + 2];

    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < PROV_COUNT(accounts); i++)
        reg_refused(r, prov_cert_transfer(&r->tx, &id, S(accounts[i]), NONE), PROV_EINVAL, INVALID);
    reg_refused(r, prov_cert_transfer(&r->tx, &id, OTHER, prov_span(text, sizeof text - 1)),
                PROV_EINVAL, INVALID);
    reg_refused(r, prov_cert_transfer(&r->tx, &id, OTHER, S("\xff")), PROV_EINVAL, INVALID);
    reg_refused(r, prov_cert_transfer(&r->tx, &unknown, OTHER, NONE), PROV_ENOTFOUND,
                "ResourceNotFoundException");
    reg_ok(r, prov_cert_transfer(&r->tx, &id, OTHER, prov_span(text, sizeof text - 2)));
    reg_refused(r, prov_cert_transfer_reject(&r->tx, &id, prov_span(text, sizeof text - 1)),
                PROV_EINVAL, INVALID);
    reg_ok(r, prov_cert_transfer_reject(&r->tx, &id, prov_span(text, sizeof text - 2)));
}

static void own_account_is_the_one_in_the_settings(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = inactive(r);

    reg_ok(r, prov_settings_set(&r->tx, "123456789012", NULL));
    reg_refused(r, run(r, &id, TRANSFER), PROV_EINVAL, INVALID);
    reg_ok(r, prov_cert_transfer(&r->tx, &id, S("000000000000"), NONE));
}

/* ---- failures -------------------------------------------------------------------------------- */

static enum prov_rc there_and_back(struct reg *r, void *ctx)
{
    const struct prov_id *id = ctx;
    enum prov_rc rc;

    rc = run(r, id, TRANSFER);
    if (rc == PROV_OK)
        rc = run(r, id, CANCEL);
    if (rc == PROV_OK)
        rc = run(r, id, TRANSFER);
    if (rc == PROV_OK)
        rc = run(r, id, REJECT);
    if (rc == PROV_OK)
        rc = run(r, id, TRANSFER);
    return rc != PROV_OK ? rc : run(r, id, ACCEPT_ACTIVE);
}

static void failed_transfer_leaves_nothing_behind(void **state)
{
    struct reg *r = *state;
    struct prov_id id = inactive(r);

    assert_true(reg_each_allocation(r, there_and_back, &id) > 0);
    if (!r->lmdb)
        assert_int_equal(reg_each_write(r, there_and_back, &id), 6 * 3); /* record, counts, feed */
}

static const struct CMUnitTest registry_transfer[] = {
    REG_TEST(each_operation_does_to_each_status_what_the_table_says),
    REG_TEST(transfer_is_told_with_the_certificate),
    REG_TEST(cancelled_transfer_leaves_no_trace),
    REG_TEST(accepted_transfer_is_completed_whatever_comes_then),
    REG_TEST(certificate_with_policies_or_things_is_not_transferred),
    REG_TEST(transfer_needs_another_account_and_short_texts),
    REG_TEST(own_account_is_the_one_in_the_settings),
    REG_TEST(failed_transfer_leaves_nothing_behind),
};
REG_MAIN(registry_transfer)
