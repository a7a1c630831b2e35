/*
 * store_case.h - what tests of stores have in common: two tables, either store to run a test on,
 * and short hands that fail the test (cmocka) when a step does.
 */
#ifndef TEST_STORE_CASE_H
#define TEST_STORE_CASE_H

#include "core/store.h"

enum { RED, BLUE, TABLES };

extern const struct prov_schema case_schema;

/* The initial state of a test, by which case_set_up knows what to open. */
struct case_backend {
    enum prov_rc (*open)(const char *dir, struct prov_store **out);
};

extern const struct case_backend case_mem, case_lmdb;

struct case_fixture {
    struct prov_store *st;
    char *dir;
};

int case_set_up(void **state);
int case_tear_down(void **state);

struct prov_txn *case_begin(struct prov_store *st, enum prov_txn_kind kind,
                            struct prov_txn *parent);
void case_commit(struct prov_txn *txn);
/* All in the table RED. */
void case_put(struct prov_txn *txn, const char *key, const char *value);
void case_put_now(struct prov_store *st, const char *key, const char *value);
/* value NULL: the key must not be there. */
void case_value(struct prov_txn *txn, const char *key, const char *value);
void case_stored(struct prov_store *st, const char *key, const char *value);
uint64_t case_count(struct prov_store *st, unsigned table);

#endif
