/* The part of reg_fixture.h that makes things fail: apart, because it needs alloc.c. */
#include "reg_fixture.h"

#include <openssl/err.h>

#include "core/reg.h"
#include "store/store_mem.h"
#include "support/alloc.h"

#define MOST_FAULTS 20000

static void assert_unchanged(struct reg *r, const char *before, unsigned n)
{
    char *after;

    reg_abort(r);
    after = reg_dump(r);
    if (strcmp(before, after) != 0)
        fail_msg("failure %u left something behind", n);
    free(after);
}

static unsigned each_allocation(struct reg *r, reg_op *op, void *ctx, bool openssl)
{
    enum prov_rc rc = PROV_OK;
    bool struck = true;
    unsigned n = 0;
    char *before;

    reg_commit(r);
    before = reg_dump(r);
    while (struck) {
        assert_true(++n < MOST_FAULTS);
        alloc_count_openssl(openssl);
        alloc_fail_at(n);
        rc = op(r, ctx);
        struck = alloc_failed();
        alloc_count_openssl(false);
        /* what stays in the queue would be taken for the cause of a later failure (core/ossl.h) */
        assert_int_equal(ERR_peek_error(), 0);
        if (struck && rc != PROV_OK && rc != PROV_ENOMEM && !openssl)
            fail_msg("with allocation %u failing: %s, %s", n, prov_rc_name(rc), r->err.text);
        assert_unchanged(r, before, n);
    }
    reg_expect_ok(r, rc, "operation with no failure", __FILE__, __LINE__);
    free(before);
    return n - 1;
}

unsigned reg_each_allocation(struct reg *r, reg_op *op, void *ctx)
{
    return each_allocation(r, op, ctx, false);
}

unsigned reg_each_openssl_allocation(struct reg *r, reg_op *op, void *ctx)
{
    return each_allocation(r, op, ctx, true);
}

/* Did the fault that was set for the n-th write happen? If not, one of n more writes meets it. */
static bool fault_happened(struct reg *r, unsigned n)
{
    enum prov_rc rc = PROV_OK;

    reg_abort(r); /* keeps what is set */
    for (unsigned i = 0; i < n && rc == PROV_OK; i++)
        rc = prov_txn_put(r->tx.txn, REG_META, S("probe"), NONE);
    prov_store_mem_fail_after(r->store, 0);
    return rc == PROV_OK;
}

unsigned reg_each_write(struct reg *r, reg_op *op, void *ctx)
{
    enum prov_rc rc = PROV_ESTORE;
    unsigned n = 0;
    char *before;

    assert_false(r->lmdb);
    reg_commit(r);
    before = reg_dump(r);
    while (rc == PROV_ESTORE) {
        assert_true(++n < MOST_FAULTS);
        prov_store_mem_fail_after(r->store, n);
        rc = op(r, ctx);
        if (rc == PROV_OK && fault_happened(r, n))
            fail_msg("the failure of write %u was swallowed", n);
        prov_store_mem_fail_after(r->store, 0);
        assert_unchanged(r, before, n);
    }
    reg_expect_ok(r, rc, "operation with no failure", __FILE__, __LINE__);
    free(before);
    return n - 1;
}
