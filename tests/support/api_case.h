/*
 * api_case.h - operations of the control API on a registry (reg_fixture.h), and looking at what
 * they answer.
 *
 *     ask_ok(r, "createThing", "{'thingName':'%s'}", "a");
 *     ask_text("thingArn", "arn:aws:iot:local:000000000000:thing/a");
 *     ask_refused(r, "createThing", PROV_EINVAL, "InvalidRequestException", "{'thingName':''}");
 *
 * In requests ' stands for ". The answer at hand is that of the last call; ASK_TEST frees it.
 */
#ifndef TEST_API_CASE_H
#define TEST_API_CASE_H

#include "core/api.h"
#include "support/reg_fixture.h"

int ask_setup(void **state);
int ask_teardown(void **state);

#define ASK_TEST(f) cmocka_unit_test_setup_teardown(f, ask_setup, ask_teardown)

/* ---- operations ------------------------------------------------------------------------------ */

/* Runs it in the open transaction and keeps the answer. */
PROV_PRINTF(3, 4)
enum prov_rc ask_run(struct reg *r, const char *op, const char *fmt, ...);

#define ask_ok(r, ...) ask_expect_ok(r, __FILE__, __LINE__, __VA_ARGS__)
PROV_PRINTF(5, 6)
void ask_expect_ok(struct reg *r, const char *file, int line, const char *op, const char *fmt, ...);

/* It is refused, in words, with this exception, and what it did is undone. */
#define ask_refused(r, op, ...) ask_expect_refused(r, __FILE__, __LINE__, op, __VA_ARGS__)
PROV_PRINTF(7, 8)
void ask_expect_refused(struct reg *r, const char *file, int line, const char *op, enum prov_rc rc,
                        const char *code, const char *fmt, ...);
/* What the last refusal said: its text has this in it, and its path is this. */
void ask_said(const char *part);
void ask_place(const char *path, unsigned line);

/* Who issues certificates from now on, until the test ends; NULL: nobody. */
void ask_issuing(const struct prov_issuing *issuing);
/* One in memory: key and certificate of ca, which must outlive the test's last call. keys: what
 * it makes when nothing is said. The caller frees with ask_issuing_free. */
struct prov_issuing *ask_issuing_new(struct reg *r, const struct pki_cert *ca,
                                     enum prov_key_type keys);
void ask_issuing_free(struct prov_issuing *issuing);

/* ---- messages -------------------------------------------------------------------------------- */

/* Reads the message, prepares and runs it in transactions of the right kind, and keeps the answer.
 */
PROV_PRINTF(2, 3) void ask_message(struct reg *r, const char *fmt, ...);
/* The same of a text as it is. */
void ask_message_text(struct reg *r, struct prov_span text);

/* ---- the answer at hand ---------------------------------------------------------------------- */

const cJSON *ask_data(void); /* NULL: nothing was answered */
void ask_keep(cJSON *data);  /* takes it */
/* "a.b[0].c" of it; NULL when it is not there. */
const cJSON *ask_at(const char *path);
void ask_text(const char *path, const char *expected);
void ask_number(const char *path, double expected);
void ask_bool(const char *path, bool expected);
void ask_count(const char *path, int expected);
void ask_missing(const char *path);
void ask_keys(const char *path, const char *expected);
/* "a b c": one member of each element of an array, or the elements themselves when key is NULL;
 * lives until the next call. */
const char *ask_each(const char *path, const char *key);

/* ---- things to begin with -------------------------------------------------------------------- */

/* Text that lives as long as the fixture, with \n for line ends: what a JSON string holds. */
const char *ask_pem(struct reg *r, const struct pki_cert *cert);
/* The id in hex; lives until the fourth call from now. */
const char *ask_hex(const struct prov_id *id);

#endif
