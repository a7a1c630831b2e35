#include "api_case.h"

#include "core/json.h"

/* The answer at hand, and what the last refusal said. */
static cJSON *answer;
static struct prov_err refusal;
static const struct prov_issuing *issuing;

int ask_setup(void **state)
{
    return reg_setup(state);
}

int ask_teardown(void **state)
{
    ask_keep(NULL);
    ask_issuing(NULL);
    return reg_teardown(state);
}

void ask_keep(cJSON *data)
{
    cJSON_Delete(answer);
    answer = data;
}

const cJSON *ask_data(void)
{
    return answer;
}

/* ---- operations ------------------------------------------------------------------------------ */

/* Owned by the caller; ' is ". */
PROV_PRINTF(1, 0) static char *quoted(const char *fmt, va_list args)
{
    char *text = NULL;

    assert_true(vasprintf(&text, fmt, args) >= 0);
    for (char *c = text; *c != '\0'; c++)
        *c = *c == '\'' ? '"' : *c;
    return text;
}

static enum prov_rc run(struct reg *r, const char *name, char *request)
{
    const struct prov_api_op *op = prov_api_find(name);
    cJSON *params, *data = NULL;
    struct prov_err err;
    enum prov_rc rc;

    if (op == NULL)
        fail_msg("there is no %s", name);
    if (prov_json_parse(S(request), PROV_MAX_API_PAYLOAD, &params, &err) != PROV_OK)
        fail_msg("%u:%u: %s in %s", err.line, err.col, err.text, request);
    rc = prov_api_run(op, issuing, &r->tx, params, &data);
    assert_true(rc == PROV_OK || data == NULL);
    cJSON_Delete(params);
    free(request);
    ask_keep(data);
    return rc;
}

enum prov_rc ask_run(struct reg *r, const char *op, const char *fmt, ...)
{
    va_list args;
    char *request;

    va_start(args, fmt);
    request = quoted(fmt, args);
    va_end(args);
    return run(r, op, request);
}

void ask_expect_ok(struct reg *r, const char *file, int line, const char *op, const char *fmt, ...)
{
    va_list args;
    char *request;

    va_start(args, fmt);
    request = quoted(fmt, args);
    va_end(args);
    reg_expect_ok(r, run(r, op, request), op, file, line);
}

void ask_expect_refused(struct reg *r, const char *file, int line, const char *op, enum prov_rc rc,
                        const char *code, const char *fmt, ...)
{
    enum prov_rc got;
    va_list args;
    char *request;

    va_start(args, fmt);
    request = quoted(fmt, args);
    va_end(args);
    reg_nest(r);
    got = run(r, op, request);
    refusal = r->err;
    reg_expect_refused(r, got, rc, code, op, file, line);
}

void ask_said(const char *part)
{
    if (strstr(refusal.text, part) == NULL)
        fail_msg("it says: %s", refusal.text);
}

void ask_place(const char *path, unsigned line)
{
    assert_string_equal(refusal.path, path);
    assert_int_equal(refusal.line, line);
}

/* ---- who issues ------------------------------------------------------------------------------ */

struct memory_issuing {
    struct prov_issuing base; /* the first */
    struct prov_issuer *issuer;
};

static enum prov_rc give(const struct prov_issuing *self, const struct prov_issuer **out,
                         struct prov_err *err)
{
    (void)err;
    *out = ((const struct memory_issuing *)self)->issuer;
    return PROV_OK;
}

void ask_issuing(const struct prov_issuing *who)
{
    issuing = who;
}

struct prov_issuing *ask_issuing_new(struct reg *r, const struct pki_cert *ca,
                                     enum prov_key_type keys)
{
    struct memory_issuing *made = calloc(1, sizeof *made);

    assert_non_null(made);
    made->base = (struct prov_issuing){ give, 365, keys };
    reg_ok(r, prov_issuer_new(ca->x509, ca->key, REG_T0, &made->issuer, &r->err));
    return &made->base;
}

void ask_issuing_free(struct prov_issuing *who)
{
    struct memory_issuing *made = (struct memory_issuing *)who;

    if (made != NULL)
        prov_issuer_free(made->issuer);
    free(made);
}

/* ---- messages -------------------------------------------------------------------------------- */

static void check_text(struct prov_span text)
{
    struct prov_err err;
    cJSON *tree;

    if (prov_json_parse(text, PROV_MAX_API_PAYLOAD, &tree, &err) != PROV_OK)
        fail_msg("%u:%u: %s in %.*s", err.line, err.col, err.text, PROV_SPAN_ARG(text));
    ask_keep(tree);
}

void ask_message_text(struct reg *r, struct prov_span text)
{
    struct prov_api_batch *batch = NULL;
    struct prov_buf out;

    assert_int_equal(prov_api_batch_new(text, issuing, &batch), PROV_OK);
    if (prov_api_batch_writes(batch)) {
        reg_read(r);
        reg_expect_ok(r, prov_api_batch_prepare(batch, &r->tx), "prov_api_batch_prepare", __FILE__,
                      __LINE__);
        reg_write(r);
    } else {
        reg_read(r);
    }
    reg_expect_ok(r, prov_api_batch_run(batch, &r->tx), "prov_api_batch_run", __FILE__, __LINE__);
    if (!prov_api_batch_writes(batch))
        reg_write(r);
    assert_int_equal(prov_api_batch_answer(batch, &out), PROV_OK);
    check_text(prov_buf_span(&out));
    prov_buf_release(&out);
    prov_api_batch_free(batch);
}

void ask_message(struct reg *r, const char *fmt, ...)
{
    va_list args;
    char *text;

    va_start(args, fmt);
    text = quoted(fmt, args);
    va_end(args);
    ask_message_text(r, S(text));
    free(text);
}

/* ---- the answer at hand ---------------------------------------------------------------------- */

const cJSON *ask_at(const char *path)
{
    const cJSON *item = answer;
    char key[128];
    unsigned index;
    int n;

    while (item != NULL && *path != '\0') {
        if (sscanf(path, "[%u]%n", &index, &n) == 1)
            item = cJSON_GetArrayItem(item, (int)index);
        else if (sscanf(path, "%127[^.[]%n", key, &n) == 1)
            item = cJSON_GetObjectItemCaseSensitive(item, key);
        else
            fail_msg("a path that is none: %s", path);
        path += n;
        path += *path == '.';
    }
    return item;
}

static void fail_at(const char *path, const char *what)
{
    char *text = cJSON_Print(answer);

    print_error("%s\n", text != NULL ? text : "nothing");
    cJSON_free(text);
    fail_msg("%s is not %s", path, what);
}

void ask_text(const char *path, const char *expected)
{
    const char *text = cJSON_GetStringValue(ask_at(path));

    if (text == NULL || strcmp(text, expected) != 0)
        fail_at(path, expected);
}

void ask_number(const char *path, double expected)
{
    const cJSON *item = ask_at(path);

    if (!cJSON_IsNumber(item) || item->valuedouble != expected)
        fail_at(path, "that number");
}

void ask_bool(const char *path, bool expected)
{
    const cJSON *item = ask_at(path);

    if (!cJSON_IsBool(item) || (cJSON_IsTrue(item) != 0) != expected)
        fail_at(path, expected ? "true" : "false");
}

void ask_count(const char *path, int expected)
{
    const cJSON *item = ask_at(path);

    if (!cJSON_IsArray(item) || cJSON_GetArraySize(item) != expected)
        fail_at(path, "an array of that many");
}

void ask_missing(const char *path)
{
    if (ask_at(path) != NULL)
        fail_at(path, "missing");
}

/* Text built up in place. */
static struct {
    char text[512 * 1024];
    size_t n;
} said;

static void say_word(const char *word)
{
    const int n = snprintf(said.text + said.n, sizeof said.text - said.n, "%s%s",
                           said.n != 0 ? " " : "", word);

    assert_true(n >= 0 && (size_t)n < sizeof said.text - said.n);
    said.n += (size_t)n;
}

void ask_keys(const char *path, const char *expected)
{
    const cJSON *member;

    said.n = 0;
    said.text[0] = '\0';
    if (!cJSON_IsObject(ask_at(path)))
        fail_at(path, "an object");
    cJSON_ArrayForEach(member, ask_at(path))
    {
        say_word(member->string);
    }
    assert_string_equal(said.text, expected);
}

const char *ask_each(const char *path, const char *key)
{
    const cJSON *item;

    said.n = 0;
    said.text[0] = '\0';
    if (!cJSON_IsArray(ask_at(path)))
        fail_at(path, "an array");
    cJSON_ArrayForEach(item, ask_at(path))
    {
        const cJSON *value = key == NULL ? item : cJSON_GetObjectItemCaseSensitive(item, key);

        if (!cJSON_IsString(value))
            fail_at(path, "an array of texts");
        say_word(value->valuestring);
    }
    return said.text;
}

/* ---- things to begin with -------------------------------------------------------------------- */

const char *ask_pem(struct reg *r, const struct pki_cert *cert)
{
    char *pem = pki_pem(cert->x509);
    struct prov_buf text;
    struct prov_span kept;

    prov_buf_init(&text, PROV_MAX_CERT_PEM);
    for (const char *c = pem; *c != '\0'; c++) {
        if (*c == '\n')
            prov_buf_add_str(&text, "\\n");
        else
            prov_buf_add_u8(&text, (uint8_t)*c);
    }
    kept = reg_json(r, prov_buf_cstr(&text)); /* which ends with a NUL */
    prov_buf_release(&text);
    free(pem);
    return (const char *)kept.p;
}

const char *ask_hex(const struct prov_id *id)
{
    static char hex[4][PROV_ID_HEX + 1];
    static unsigned next;

    next = (next + 1) % PROV_COUNT(hex);
    prov_id_hex(id, hex[next]);
    return hex[next];
}
