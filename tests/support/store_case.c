#include "store_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/store_lmdb.h"
#include "store/store_mem.h"
#include "tmp.h"

static const char *const tables[] = { [RED] = "red", [BLUE] = "blue" };
const struct prov_schema case_schema = { .version = 1, .tables = tables, .n_tables = TABLES };

/* ---- the stores ------------------------------------------------------------------------------ */

static enum prov_rc open_mem(const char *dir, struct prov_store **out)
{
    (void)dir;
    return prov_store_mem_new(&case_schema, out);
}

static enum prov_rc open_lmdb(const char *dir, struct prov_store **out)
{
    return prov_store_lmdb_open(&(struct prov_store_lmdb_opts){ .dir = dir, .create = true },
                                &case_schema, out, NULL);
}

const struct case_backend case_mem = { open_mem };
const struct case_backend case_lmdb = { open_lmdb };

int case_set_up(void **state)
{
    const struct case_backend *backend = *state;
    struct case_fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    f->dir = tmp_new();
    assert_int_equal(backend->open(f->dir, &f->st), PROV_OK);
    *state = f;
    return 0;
}

int case_tear_down(void **state)
{
    struct case_fixture *f = *state;

    prov_store_free(f->st);
    tmp_free(f->dir);
    free(f);
    return 0;
}

/* ---- short hands ----------------------------------------------------------------------------- */

struct prov_txn *case_begin(struct prov_store *st, enum prov_txn_kind kind, struct prov_txn *parent)
{
    struct prov_txn *txn;

    assert_int_equal(prov_txn_begin(st, kind, parent, &txn), PROV_OK);
    return txn;
}

void case_put(struct prov_txn *txn, const char *key, const char *value)
{
    assert_int_equal(prov_txn_put(txn, RED, prov_span_str(key), prov_span_str(value)), PROV_OK);
}

void case_commit(struct prov_txn *txn)
{
    assert_int_equal(prov_txn_commit(txn), PROV_OK);
}

void case_put_now(struct prov_store *st, const char *key, const char *value)
{
    struct prov_txn *txn = case_begin(st, PROV_TXN_WRITE, NULL);

    case_put(txn, key, value);
    case_commit(txn);
}

void case_value(struct prov_txn *txn, const char *key, const char *value)
{
    struct prov_span got;

    if (value == NULL) {
        assert_int_equal(prov_txn_get(txn, RED, prov_span_str(key), &got), PROV_ENOTFOUND);
        return;
    }
    assert_int_equal(prov_txn_get(txn, RED, prov_span_str(key), &got), PROV_OK);
    assert_true(prov_span_eq_str(got, value));
}

void case_stored(struct prov_store *st, const char *key, const char *value)
{
    struct prov_txn *txn = case_begin(st, PROV_TXN_READ, NULL);

    case_value(txn, key, value);
    prov_txn_abort(txn);
}

uint64_t case_count(struct prov_store *st, unsigned table)
{
    struct prov_txn *txn = case_begin(st, PROV_TXN_READ, NULL);
    uint64_t n;

    assert_int_equal(prov_txn_count(txn, table, &n), PROV_OK);
    prov_txn_abort(txn);
    return n;
}
