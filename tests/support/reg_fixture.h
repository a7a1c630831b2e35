/*
 * reg_fixture.h - a registry to test on: an empty store, a clock that only the test moves, and a
 * write transaction that is always open.
 *
 *     static void thing_of_that_name_is_refused_when_it_differs(void **state)
 *     {
 *         struct reg *r = *state;
 *
 *         reg_ok(r, prov_thing_create(&r->tx, S("a"), NONE, NULL, 0));
 *         reg_refused(r, prov_thing_create(&r->tx, S("a"), S("t"), NULL, 0), PROV_ECONFLICT,
 *                     "ResourceAlreadyExistsException");
 *     }
 *
 *     static const struct CMUnitTest tests[] = { REG_TEST(thing_of_that_name_…), … };
 *     REG_MAIN(tests)
 *
 * REG_MAIN runs every test twice: on the store in memory, which frees what it handed out as soon as
 * the contract allows, and on LMDB in a directory of its own.
 */
#ifndef TEST_REG_FIXTURE_H
#define TEST_REG_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/registry.h"
#include "support/pki.h"

#define REG_T0 INT64_C(1700000000) /* 2023-11-14T22:13:20Z: what the clock says at first */

#define S(text) prov_span_str(text)
#define NONE prov_span(NULL, 0)

struct reg {
    struct prov_store *store;
    struct prov_tx tx; /* writes; its err is `err` below */
    struct prov_err err;
    bool lmdb;
    /* the fixture's own */
    struct prov_txn *outer;
    struct reg_blob *blobs;
    uint64_t feed_mark;
    char *dir;
};

int reg_setup(void **state);
int reg_teardown(void **state);
int reg_run(const char *name, const struct CMUnitTest *tests, size_t n);

#define REG_TEST(f) cmocka_unit_test_setup_teardown(f, reg_setup, reg_teardown)
#define REG_MAIN(tests)                                                                            \
    int main(void)                                                                                 \
    {                                                                                              \
        return reg_run(#tests, tests, PROV_COUNT(tests));                                          \
    }

/* ---- transactions and the clock -------------------------------------------------------------- */

/* Ends the open transaction and begins the next one. */
void reg_commit(struct reg *r);
void reg_abort(struct reg *r);
/* In place of the write transaction, a read transaction; reg_write goes back. */
void reg_read(struct reg *r);
void reg_write(struct reg *r);
void reg_at(struct reg *r, int64_t seconds_since_t0);
/* What was committed, read by a process that began later; on LMDB only, otherwise just reg_commit.
 */
void reg_restart(struct reg *r);

/* ---- assertions ------------------------------------------------------------------------------ */

/* The call succeeds; otherwise its err->text is shown. */
#define reg_ok(r, call) reg_expect_ok(r, call, #call, __FILE__, __LINE__)
/* The call is refused, in words and with this exception name; what it wrote by then is undone. */
#define reg_refused(r, call, rc, code)                                                             \
    do {                                                                                           \
        reg_nest(r);                                                                               \
        reg_expect_refused(r, call, rc, code, #call, __FILE__, __LINE__);                          \
    } while (0)

void reg_expect_ok(struct reg *r, enum prov_rc got, const char *call, const char *file, int line);
void reg_nest(struct reg *r);
void reg_expect_refused(struct reg *r, enum prov_rc got, enum prov_rc expected, const char *code,
                        const char *call, const char *file, int line);

#define assert_span(got, expected) reg_expect_span(got, expected, __FILE__, __LINE__)
void reg_expect_span(struct prov_span got, const char *expected, const char *file, int line);
#define assert_id(got, expected) assert_memory_equal((got)->b, (expected)->b, PROV_ID_LEN)

/* ---- what is in the store -------------------------------------------------------------------- */

/* Every key and value of every table as text, to be compared; the caller frees. */
char *reg_dump(struct reg *r);

/* "thing:a group:g cert" … what was appended to the feed since the last call, oldest first; ids are
 * left out. The text lives until the next call. */
const char *reg_feed(struct reg *r);

/* "a b c": the keys that prov_list gives, ids as hex, versions as numbers; lives until the next
 * call. */
const char *reg_list(struct reg *r, enum prov_list_kind kind, struct prov_span of,
                     struct prov_span after);

/* prov_registry_check's findings, one a line; lives until the next call. */
const char *reg_problems(struct reg *r);

/* ---- things to begin with -------------------------------------------------------------------- */

/* A copy that lives as long as the fixture, with a NUL behind it. */
uint8_t *reg_keep(struct reg *r, const void *p, size_t n);
/* DER that lives as long as the fixture. */
struct prov_span reg_der(struct reg *r, const struct pki_cert *cert);
/* pki_make with the fixture's clock. The caller frees. */
struct pki_cert reg_pki(struct reg *r, const struct pki_spec *spec);
/* A CA certificate, and one of a device under it. */
struct pki_cert reg_pki_ca(struct reg *r, const char *subject);
struct pki_cert reg_pki_leaf(struct reg *r, const struct pki_cert *ca, const char *subject);

/* For pki_spec.edit: an extension whose value is no DER. */
void reg_spoil_extension(X509 *cert, int nid);

/* Registers it: SNI_ONLY, ACTIVE, auto-registration on, a template when not NULL. */
struct prov_id reg_ca(struct reg *r, const struct pki_cert *ca, const char *template_name);
void reg_ca_state(struct reg *r, const struct prov_id *id, bool active, bool auto_registration);
/* A certificate without a CA, ACTIVE; each call makes another. */
struct prov_id reg_cert(struct reg *r);
/* One that was made here a moment ago, good for five minutes, and is not registered; issuer NULL:
 * by nobody who is. */
struct prov_made_cert reg_made(struct reg *r, const struct pki_cert *issuer);
/* A claim for a template, which must be there. */
struct prov_id reg_temporary(struct reg *r, const char *template_name);
/* Whatever the rules say; also a number that is no status. */
void reg_raw_status(struct reg *r, const struct prov_id *id, unsigned status);
void reg_thing(struct reg *r, const char *name);
void reg_group(struct reg *r, const char *name, const char *parent);
void reg_type(struct reg *r, const char *name);
/* A policy that allows one action on everything. */
void reg_policy(struct reg *r, const char *name);
#define REG_POLICY_TEXT                                                                            \
    "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"iot:Connect\"," \
    "\"Resource\":\"*\"}]}"
/* ' stands for ". */
void reg_template(struct reg *r, const char *name, const char *quoted_body);
/* One of type FLEET_PROVISIONING. */
void reg_fleet_template(struct reg *r, const char *name);
/* The same text with ' made ", living as long as the fixture. */
struct prov_span reg_json(struct reg *r, const char *quoted);

/* ---- what goes wrong on purpose -------------------------------------------------------------- */

/* An operation to be repeated; all it does is in r->tx, and it frees what it makes. */
typedef enum prov_rc reg_op(struct reg *r, void *ctx);

/*
 * Runs op once for each allocation that it makes, with that one failing, until it passes: it says
 * PROV_ENOMEM or passes all the same, and aborting leaves the store as it was. The store is left as
 * before. Returns how many allocations failed. With OpenSSL's failing too, other refusals pass as
 * well: OpenSSL seldom tells why.
 */
unsigned reg_each_allocation(struct reg *r, reg_op *op, void *ctx);
unsigned reg_each_openssl_allocation(struct reg *r, reg_op *op, void *ctx);
/* The same with each put, del and commit of a child; the store in memory only. */
unsigned reg_each_write(struct reg *r, reg_op *op, void *ctx);

#endif
