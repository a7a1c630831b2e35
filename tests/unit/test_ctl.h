/*
 * test_ctl.h - provctl run within the test, on a store in a directory of the test's own.
 *
 *     ctl_ok(r, "thing", "create", "a");           // exit code 0
 *     ctl_fails(r, 2, "thing", "show", "b");       // this exit code, and nothing on stdout
 *     says(r->err, "there is no thing \"b\"");
 *     ctl_json(r, "thing", "list");                // exit code 0; r->json is the document
 */
#ifndef TEST_CTL_H
#define TEST_CTL_H

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/ident.h"
#include "core/json.h"
#include "core/registry.h"
#include "ctl/ctl.h"
#include "store/store_lmdb.h"
#include "support/pki.h"
#include "support/tmp.h"

#define S(text) prov_span_str(text)
#define NONE prov_span(NULL, 0)

struct rig {
    char *dir;
    char db[TMP_PATH_MAX];
    const char *input; /* what commands read from stdin; NULL: nothing */
    int code;
    char *out, *err; /* of the last command */
    cJSON *json;     /* of the last ctl_json */
    struct pki_cert ca, leaf;
    char ca_file[TMP_PATH_MAX], leaf_file[TMP_PATH_MAX];
    char ca_hex[PROV_ID_HEX + 1], leaf_hex[PROV_ID_HEX + 1];
    struct prov_id ca_id, leaf_id;
    struct prov_store *store; /* between rig_open and rig_close */
    struct prov_tx tx;
    struct prov_err tx_err;
};

/* ---- running --------------------------------------------------------------------------------- */

static inline void ctl_run(struct rig *r, const char *const *words)
{
    char *argv[64];
    size_t out_n, err_n;
    int n = 0;
    FILE *in = fmemopen((void *)(r->input != NULL ? r->input : " "),
                        r->input != NULL ? strlen(r->input) : 1, "r");
    struct ctl_io io = { .in = in };

    free(r->out);
    free(r->err);
    io.out = open_memstream(&r->out, &out_n);
    io.err = open_memstream(&r->err, &err_n);
    assert_true(io.in != NULL && io.out != NULL && io.err != NULL);
    argv[n++] = (char *)"provctl";
    for (; *words != NULL; words++) {
        assert_true(n < 60);
        argv[n++] = (char *)*words;
    }
    argv[n] = NULL;
    r->code = ctl_main(&io, n, argv);
    (void)fclose(io.in);
    (void)fclose(io.out);
    (void)fclose(io.err);
}

static inline void ctl_expect(struct rig *r, int code, const char *const *words, const char *file,
                              int line)
{
    ctl_run(r, words);
    if (r->code == code)
        return;
    print_error("provctl");
    for (; *words != NULL; words++)
        print_error(" %s", *words);
    print_error(": exit code %d, not %d\n%s%s", r->code, code, r->out, r->err);
    _fail(file, line);
}

static inline void ctl_expect_fail(struct rig *r, int code, const char *const *words,
                                   const char *file, int line)
{
    ctl_expect(r, code, words, file, line);
    if (r->out[0] == '\0' && r->err[0] != '\0')
        return;
    print_error("a failure said this on stdout:\n%s\nand this on stderr:\n%s\n", r->out, r->err);
    _fail(file, line);
}

static inline void ctl_expect_json(struct rig *r, int code, const char *const *words,
                                   const char *file, int line)
{
    const char *with_json[64] = { "--json" };
    struct prov_err err;
    size_t n = 1;

    for (; *words != NULL; words++)
        with_json[n++] = *words;
    with_json[n] = NULL;
    ctl_expect(r, code, with_json, file, line);
    cJSON_Delete(r->json);
    r->json = NULL;
    if (prov_json_parse(S(code == 0 || r->out[0] != '\0' ? r->out : r->err), 1u << 26, &r->json,
                        &err) == PROV_OK)
        return;
    print_error("no JSON document (%s):\n%s%s", err.text, r->out, r->err);
    _fail(file, line);
}

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define ctl_ok(r, ...) ctl_expect((r), 0, WORDS(__VA_ARGS__), __FILE__, __LINE__)
#define ctl_fails(r, code, ...) ctl_expect_fail((r), (code), WORDS(__VA_ARGS__), __FILE__, __LINE__)
/* A command that answers, and the answer is no. */
#define ctl_denies(r, code, ...) ctl_expect((r), (code), WORDS(__VA_ARGS__), __FILE__, __LINE__)
#define ctl_json(r, ...) ctl_expect_json((r), 0, WORDS(__VA_ARGS__), __FILE__, __LINE__)
#define ctl_json_code(r, code, ...)                                                                \
    ctl_expect_json((r), (code), WORDS(__VA_ARGS__), __FILE__, __LINE__)

/* ---- what was said --------------------------------------------------------------------------- */

static inline void expect_says(const char *text, const char *part, bool wanted, const char *file,
                               int line)
{
    if ((strstr(text, part) != NULL) == wanted)
        return;
    print_error("\"%s\" is %s in:\n%s\n", part, wanted ? "not" : "there", text);
    _fail(file, line);
}

#define says(text, part) expect_says((text), (part), true, __FILE__, __LINE__)
#define says_not(text, part) expect_says((text), (part), false, __FILE__, __LINE__)

/* "a.b[0].c" of the last JSON; fails when it is not there. */
static inline const cJSON *at(const struct rig *r, const char *path)
{
    const cJSON *item = r->json;
    const char *whole = path;
    char key[64];
    unsigned index;
    int n = 0;

    while (item != NULL && *path != '\0') {
        if (sscanf(path, "[%u]%n", &index, &n) == 1)
            item = cJSON_GetArrayItem(item, (int)index);
        else if (sscanf(path, "%63[^.[]%n", key, &n) == 1)
            item = cJSON_GetObjectItemCaseSensitive(item, key);
        path += n;
        path += *path == '.';
    }
    if (item == NULL)
        fail_msg("there is no %s in:\n%s%s", whole, r->out, r->err);
    return item;
}

static inline const char *text_at(const struct rig *r, const char *path)
{
    const char *text = cJSON_GetStringValue(at(r, path));

    if (text == NULL)
        fail_msg("%s is no text in:\n%s%s", path, r->out, r->err);
    return text;
}

static inline int count_at(const struct rig *r, const char *path)
{
    return cJSON_GetArraySize(at(r, path));
}

/* ---- the rig --------------------------------------------------------------------------------- */

static inline void write_file(const struct rig *r, const char *name, const char *text,
                              char path[static TMP_PATH_MAX])
{
    FILE *file = fopen(tmp_path(r->dir, name, path), "wb");

    assert_non_null(file);
    assert_int_equal(fputs(text, file) >= 0 && fclose(file) == 0, 1);
}

/* How many names the directory has that begin so. */
static inline unsigned files_like(const char *dir, const char *prefix)
{
    char pattern[TMP_PATH_MAX + 64];
    unsigned n = 0;
    glob_t found;

    (void)snprintf(pattern, sizeof pattern, "%s/%s*", dir, prefix);
    if (glob(pattern, 0, NULL, &found) == 0) {
        n = (unsigned)found.gl_pathc;
        globfree(&found);
    }
    return n;
}

/* The caller frees. */
static inline char *read_path(const char *path)
{
    char *text = calloc(1, 65536);
    FILE *file = fopen(path, "rb");

    if (file == NULL || text == NULL)
        fail_msg("cannot read %s", path);
    assert_true(fread(text, 1, 65535, file) != 0);
    (void)fclose(file);
    return text;
}

/* The store, for what provctl does not do; provctl cannot open it meanwhile. */
static inline void rig_open(struct rig *r)
{
    const struct prov_store_lmdb_opts opts = { .dir = r->db, .create = true };

    if (prov_store_lmdb_open(&opts, &prov_registry_schema, &r->store, &r->tx_err) != PROV_OK)
        fail_msg("%s", r->tx_err.text);
    r->tx = (struct prov_tx){ .now_ms = INT64_C(1700000000000), .err = &r->tx_err };
    assert_int_equal(prov_txn_begin(r->store, PROV_TXN_WRITE, NULL, &r->tx.txn), PROV_OK);
}

static inline void rig_close(struct rig *r)
{
    assert_int_equal(prov_txn_commit(r->tx.txn), PROV_OK);
    prov_store_free(r->store);
    r->store = NULL;
}

#define rig_do(r, call)                                                                            \
    do {                                                                                           \
        if ((call) != PROV_OK)                                                                     \
            fail_msg("%s: %s", #call, (r)->tx_err.text);                                           \
    } while (0)

static inline void rig_id(X509 *cert, struct prov_id *id, char hex[static PROV_ID_HEX + 1])
{
    assert_int_equal(prov_ident_id(cert, id), PROV_OK);
    prov_id_hex(id, hex);
}

/* A CA "/CN=Test CA" and a device "/CN=dev-1" of it as files; an empty directory for the store. */
static inline int rig_setup(void **state)
{
    struct rig *r = calloc(1, sizeof *r);

    assert_non_null(r);
    r->dir = tmp_new();
    (void)tmp_path(r->dir, "store", r->db);
    assert_int_equal(setenv("PROVCTL_DB", r->db, 1), 0);
    r->ca = pki_make(&(struct pki_spec){ .subject = "/CN=Test CA", .ca = true });
    r->leaf = pki_make(&(struct pki_spec){ .subject = "/CN=dev-1", .issuer = &r->ca });
    pki_write(r->dir, "ca", &r->ca, NULL);
    pki_write(r->dir, "leaf", &r->leaf, NULL);
    (void)tmp_path(r->dir, "ca.crt", r->ca_file);
    (void)tmp_path(r->dir, "leaf.crt", r->leaf_file);
    rig_id(r->ca.x509, &r->ca_id, r->ca_hex);
    rig_id(r->leaf.x509, &r->leaf_id, r->leaf_hex);
    *state = r;
    return 0;
}

static inline int rig_teardown(void **state)
{
    struct rig *r = *state;

    pki_free(&r->leaf);
    pki_free(&r->ca);
    cJSON_Delete(r->json);
    free(r->out);
    free(r->err);
    tmp_free(r->dir);
    free(r);
    return 0;
}

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

/* The CA registered and ACTIVE, the device's certificate under it and ACTIVE. */
static inline void rig_register(struct rig *r)
{
    ctl_ok(r, "ca", "register", r->ca_file, "--sni-only", "--active", "--auto-register");
    ctl_ok(r, "cert", "register", r->leaf_file, "--status", "ACTIVE");
}

/* A store with an issuer and a template "fleet". */
static inline void rig_issuer(struct rig *r)
{
    ctl_ok(r, "init");
    ctl_ok(r, "issuer", "create");
    r->input = "{ \"Resources\": { \"t\": { \"Type\": \"AWS::IoT::Thing\",\n"
               "  \"Properties\": { \"ThingName\": \"fixed\" } } } }\n";
    ctl_ok(r, "template", "create", "fleet", "-");
    r->input = NULL;
}

#define POLICY_TEXT                                                                                \
    "{ \"Version\": \"2012-10-17\", \"Statement\": [\n"                                            \
    "  { \"Sid\": \"Connect\", \"Effect\": \"Allow\", \"Action\": \"iot:Connect\",\n"              \
    "    \"Resource\": \"arn:aws:iot:*:*:client/${iot:Connection.Thing.ThingName}\" },\n"          \
    "  { \"Effect\": \"Allow\", \"Action\": \"iot:Publish\",\n"                                    \
    "    \"Resource\": \"arn:aws:iot:*:*:topic/a/*\" },\n"                                         \
    "  { \"Effect\": \"Deny\", \"Action\": \"iot:Publish\",\n"                                     \
    "    \"Resource\": \"arn:aws:iot:*:*:topic/a/secret\" } ] }\n"

#define TEMPLATE_TEXT                                                                              \
    "{ \"Parameters\": {\n"                                                                        \
    "    \"AWS::IoT::Certificate::CommonName\": { \"Type\": \"String\" } },\n"                     \
    "  \"Resources\": {\n"                                                                         \
    "    \"thing\": { \"Type\": \"AWS::IoT::Thing\", \"Properties\": {\n"                          \
    "      \"ThingName\": { \"Ref\": \"AWS::IoT::Certificate::CommonName\" },\n"                   \
    "      \"ThingTypeName\": \"sensor\", \"AttributePayload\": { \"site\": \"berlin\" } } },\n"   \
    "    \"certificate\": { \"Type\": \"AWS::IoT::Certificate\", \"Properties\": {\n"              \
    "      \"CertificateId\": { \"Ref\": \"AWS::IoT::Certificate::Id\" } } },\n"                   \
    "    \"policy\": { \"Type\": \"AWS::IoT::Policy\", \"Properties\": {\n"                        \
    "      \"PolicyName\": \"device\" } } } }\n"

#endif
