/* Messages of commands and the answers to them. */
#include "api_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include "json.h"

#define MAX_NAME 64      /* of a command that is told again */
#define MAX_VALUES 65536 /* in a message: far more than commands can use */
#define RESERVE 5120     /* a response without data has no more bytes */
#define ISSUED_BYTES                                                                               \
    32768 /* more than the answer of an operation that issues: a certificate and its keys */

struct command {
    const cJSON *params; /* the element of "commands" */
    const struct prov_api_op *op;
    const char *name;        /* "" when there is none that could be told again */
    const char *correlation; /* NULL: none */
    void *prepared;          /* by op->stages; NULL: nothing */
    struct prov_err failed;  /* why an operation that issues could not be prepared; or rc PROV_OK */
    /* how it went */
    struct prov_err err; /* rc PROV_OK: it went well */
    char *data;          /* JSON; NULL: nothing is answered */
    size_t data_n;
    char subject[512];
};

struct prov_api_batch {
    const struct prov_issuing *issuing;
    cJSON *root;
    struct command *v;
    size_t n;
    size_t used;         /* bytes of data so far */
    struct prov_err err; /* of the whole message */
};

/* ---- reading --------------------------------------------------------------------------------- */

/* Before a tree is made of it: each value costs many times its text. */
static enum prov_rc check_values(struct prov_span text, struct prov_err *err)
{
    bool string = false;
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++) {
        if (string && text.p[i] == '\\')
            i++;
        else if (text.p[i] == '"')
            string = !string;
        else if (!string && (text.p[i] == ',' || text.p[i] == '[' || text.p[i] == '{'))
            n++;
    }
    if (n <= MAX_VALUES)
        return PROV_OK;
    return prov_fail(err, PROV_ETOOBIG, API_INVALID, "more than %d values in a message",
                     MAX_VALUES);
}

/* The array of commands, or what is wrong with the object around it. */
static enum prov_rc find_commands(const cJSON *root, struct prov_span text, const cJSON **out,
                                  struct prov_err *err)
{
    const struct prov_json_path at = { .key = "commands" };
    const cJSON *member;

    *out = api_get(root, at.key);
    if (!cJSON_IsObject(root) || *out == NULL)
        return prov_json_fail(err, PROV_EINVAL, API_INVALID, text, NULL,
                              "a message is an object with \"commands\"");
    cJSON_ArrayForEach(member, root)
    {
        const struct prov_json_path other = { .key = member->string };

        if (member != *out)
            return prov_json_fail(err, PROV_EINVAL, API_INVALID, text, &other,
                                  "a message has \"commands\" and nothing else");
    }
    if (!cJSON_IsArray(*out))
        return prov_json_fail(err, PROV_EINVAL, API_INVALID, text, &at, "must be an array");
    if (cJSON_GetArraySize(*out) > PROV_MAX_API_COMMANDS)
        return prov_json_fail(err, PROV_ETOOBIG, API_INVALID, text, &at,
                              "%d commands; %d are allowed in a message", cJSON_GetArraySize(*out),
                              PROV_MAX_API_COMMANDS);
    return PROV_OK;
}

static void read_command(const cJSON *element, struct command *c)
{
    const char *name = cJSON_GetStringValue(api_get(element, "command"));
    const char *correlation = cJSON_GetStringValue(api_get(element, "correlationData"));

    c->params = element;
    c->name = name != NULL && strlen(name) <= MAX_NAME ? name : "";
    c->op = prov_api_find(c->name);
    if (correlation != NULL && strlen(correlation) <= PROV_MAX_API_CORRELATION)
        c->correlation = correlation;
}

static enum prov_rc read_message(struct prov_api_batch *batch, struct prov_span text)
{
    const cJSON *commands = NULL, *element;
    enum prov_rc rc;

    rc = check_values(text, &batch->err);
    if (rc == PROV_OK)
        rc = prov_json_parse(text, PROV_MAX_API_PAYLOAD, &batch->root, &batch->err);
    if (rc == PROV_OK)
        rc = find_commands(batch->root, text, &commands, &batch->err);
    if (rc != PROV_OK || cJSON_GetArraySize(commands) == 0)
        return rc;
    batch->v = calloc((size_t)cJSON_GetArraySize(commands), sizeof *batch->v);
    if (batch->v == NULL)
        return PROV_ENOMEM;
    cJSON_ArrayForEach(element, commands)
    {
        read_command(element, &batch->v[batch->n++]);
    }
    return PROV_OK;
}

enum prov_rc prov_api_batch_new(struct prov_span text, const struct prov_issuing *issuing,
                                struct prov_api_batch **out)
{
    struct prov_api_batch *batch = calloc(1, sizeof *batch);

    *out = NULL;
    if (batch == NULL)
        return PROV_ENOMEM;
    batch->issuing = issuing;
    if (read_message(batch, text) == PROV_ENOMEM) {
        prov_api_batch_free(batch);
        return PROV_ENOMEM;
    }
    *out = batch;
    return PROV_OK;
}

static void forget_data(struct prov_api_batch *batch, struct command *c)
{
    if (c->data != NULL)
        OPENSSL_cleanse(c->data, c->data_n);
    batch->used -= c->data_n;
    cJSON_free(c->data);
    c->data = NULL;
    c->data_n = 0;
}

/* As if it had not run. */
static void forget(struct prov_api_batch *batch, struct command *c)
{
    forget_data(batch, c);
    c->subject[0] = '\0';
    memset(&c->err, 0, sizeof c->err);
}

void prov_api_batch_free(struct prov_api_batch *batch)
{
    if (batch == NULL)
        return;
    for (size_t i = 0; i < batch->n; i++) {
        forget(batch, &batch->v[i]);
        if (batch->v[i].prepared != NULL)
            batch->v[i].op->stages->drop(batch->v[i].prepared);
    }
    free(batch->v);
    cJSON_Delete(batch->root);
    free(batch);
}

bool prov_api_batch_writes(const struct prov_api_batch *batch)
{
    for (size_t i = 0; i < batch->n; i++) {
        if (batch->v[i].op != NULL && batch->v[i].op->access == PROV_API_WRITE)
            return true;
    }
    return false;
}

/* ---- running --------------------------------------------------------------------------------- */

/* The frame of a command: what is not the operation's to look at. */
static enum prov_rc check_frame(const struct command *c, struct prov_tx *tx)
{
    const cJSON *name = api_get(c->params, "command"),
                *correlation = api_get(c->params, "correlationData");
    const char *nearest;

    if (!cJSON_IsObject(c->params))
        return api_refuse(tx, "", "a command is an object");
    if (!cJSON_IsString(name))
        return api_refuse(tx, "command", "must be a text: the name of an operation");
    if (correlation != NULL && c->correlation == NULL)
        return api_refuse(tx, "correlationData", "must be a text of at most %d bytes",
                          PROV_MAX_API_CORRELATION);
    if (c->op != NULL)
        return PROV_OK;
    nearest = prov_api_nearest(name->valuestring);
    if (nearest != NULL)
        return api_refuse(tx, "command", "there is no command \"%s\"; did you mean \"%s\"?",
                          c->name, nearest);
    return api_refuse(tx, "command", "there is no such command");
}

static enum prov_rc keep_data(struct prov_api_batch *batch, struct command *c, struct prov_tx *tx,
                              const cJSON *data)
{
    const size_t room = PROV_MAX_API_PAYLOAD - (batch->n + 1) * RESERVE;

    if (data == NULL)
        return PROV_OK;
    /* a text that grows leaves copies behind, and a private key must not */
    c->data = prov_api_issues(c->op) ? cJSON_PrintBuffered(data, ISSUED_BYTES, false)
                                     : cJSON_PrintUnformatted(data);
    if (c->data == NULL)
        return prov_nomem(tx->err);
    c->data_n = strlen(c->data);
    batch->used += c->data_n;
    if (batch->used <= room)
        return PROV_OK;
    return prov_fail(tx->err, PROV_ETOOBIG, "LimitExceededException",
                     "the answers to this message are larger than %d bytes together: ask for less "
                     "at a time",
                     PROV_MAX_API_PAYLOAD);
}

static void add_subject(struct prov_buf *out, const cJSON *value)
{
    if (!cJSON_IsString(value) && !cJSON_IsNumber(value))
        return;
    if (out->n != 0)
        prov_buf_add_u8(out, ' ');
    if (cJSON_IsString(value))
        prov_buf_add_str(out, value->valuestring);
    else
        prov_buf_addf(out, "%.0f", value->valuedouble);
}

static void keep_subject(struct command *c, const cJSON *data)
{
    struct prov_buf text;

    prov_buf_init(&text, 8 * sizeof c->subject);
    for (size_t i = 0; i < PROV_COUNT(c->op->about) && c->op->about[i] != NULL; i++) {
        const cJSON *value = api_get(data, c->op->about[i]);

        add_subject(&text, value != NULL ? value : api_get(c->params, c->op->about[i]));
    }
    (void)prov_span_copy(prov_buf_span(&text), c->subject, sizeof c->subject);
    prov_buf_release(&text);
}

static enum prov_rc run_op(struct prov_api_batch *batch, struct command *c, struct prov_tx *tx)
{
    cJSON *data = NULL;
    enum prov_rc rc;

    if (c->failed.rc != PROV_OK) {
        *tx->err = c->failed;
        rc = c->failed.rc;
    } else if (c->prepared != NULL) {
        rc = prov_api_finish(c->op, tx, c->prepared, &data);
    } else {
        rc = prov_api_run(c->op, batch->issuing, tx, c->params, &data);
    }
    if (rc == PROV_OK)
        rc = keep_data(batch, c, tx, data);
    keep_subject(c, data);
    prov_api_drop(data);
    return rc;
}

static enum prov_rc store_failed(struct prov_tx *tx, enum prov_rc rc)
{
    if (rc == PROV_OK || rc == PROV_ENOMEM)
        return rc == PROV_OK ? rc : prov_nomem(tx->err);
    return prov_fail(tx->err, PROV_ESTORE, API_INTERNAL, "%s", prov_store_why(tx->txn->store));
}

static enum prov_rc run_nested(struct prov_api_batch *batch, struct command *c,
                               const struct prov_tx *outer)
{
    struct prov_tx tx = { outer->txn, outer->now_ms, &c->err };
    struct prov_txn *child = NULL;
    enum prov_rc rc;

    if (c->op->access == PROV_API_READ)
        return run_op(batch, c, &tx);
    rc = prov_txn_begin(outer->txn->store, PROV_TXN_WRITE, outer->txn, &child);
    if (rc != PROV_OK)
        return store_failed(&tx, rc);
    tx.txn = child;
    rc = run_op(batch, c, &tx);
    if (rc != PROV_OK) {
        prov_txn_abort(child);
        return rc;
    }
    tx.txn = outer->txn;
    return store_failed(&tx, prov_txn_commit(child));
}

static bool ends_all(enum prov_rc rc)
{
    return rc == PROV_ESTORE || rc == PROV_ENOMEM || rc == PROV_EBUG;
}

/* The command's own failure takes its answer away and leaves what it was about. */
static enum prov_rc run_command(struct prov_api_batch *batch, struct command *c,
                                const struct prov_tx *outer)
{
    struct prov_tx tx = { outer->txn, outer->now_ms, &c->err };
    enum prov_rc rc;

    rc = check_frame(c, &tx);
    if (rc == PROV_OK)
        rc = run_nested(batch, c, outer);
    if (rc == PROV_OK) {
        c->err.rc = PROV_OK; /* whatever was said on the way */
        return PROV_OK;
    }
    forget_data(batch, c);
    return ends_all(rc) ? rc : PROV_OK;
}

/* What it cannot prepare, an operation that issues is refused for. Any other does, when it is run,
 * what it can do then, or says itself what is wrong. */
static enum prov_rc prepare_command(const struct prov_api_batch *batch, struct command *c,
                                    struct prov_tx *tx)
{
    struct prov_tx own = { tx->txn, tx->now_ms, &c->failed };
    enum prov_rc rc;

    if (!prov_api_issues(c->op))
        return c->op->stages->prepare(tx, batch->issuing, c->params, &c->prepared);
    rc = prov_api_prepare(c->op, batch->issuing, &own, c->params, &c->prepared);
    if (ends_all(rc) && tx->err != NULL)
        *tx->err = c->failed;
    return rc;
}

enum prov_rc prov_api_batch_prepare(struct prov_api_batch *batch, struct prov_tx *tx)
{
    for (size_t i = 0; i < batch->n; i++) {
        struct command *c = &batch->v[i];
        enum prov_rc rc;

        if (c->op == NULL || c->op->stages == NULL || c->prepared != NULL)
            continue;
        rc = prepare_command(batch, c, tx);
        if (ends_all(rc))
            return rc;
    }
    return PROV_OK;
}

enum prov_rc prov_api_batch_run(struct prov_api_batch *batch, struct prov_tx *tx)
{
    struct prov_err err;
    enum prov_rc rc;

    for (size_t i = 0; i < batch->n; i++)
        forget(batch, &batch->v[i]);
    for (size_t i = 0; i < batch->n; i++) {
        rc = run_command(batch, &batch->v[i], tx);
        if (rc == PROV_OK)
            continue;
        err = batch->v[i].err;
        prov_api_batch_fail(batch, &err);
        if (tx->err != NULL)
            *tx->err = err;
        return rc;
    }
    return PROV_OK;
}

/* Its subject stays: that is what was not done. */
void prov_api_batch_fail(struct prov_api_batch *batch, const struct prov_err *err)
{
    char subject[sizeof batch->v->subject];

    for (size_t i = 0; i < batch->n; i++) {
        struct command *c = &batch->v[i];

        (void)prov_span_copy(prov_span_str(c->subject), subject, sizeof subject);
        forget(batch, c);
        if (c->op != NULL && subject[0] == '\0')
            keep_subject(c, NULL);
        else
            (void)prov_span_copy(prov_span_str(subject), c->subject, sizeof c->subject);
        c->err = *err;
    }
}

/* ---- answering ------------------------------------------------------------------------------- */

static void put_error(struct prov_doc *d, const struct prov_err *err)
{
    const char *code = err->code != NULL ? err->code : API_INTERNAL;

    prov_doc_text(d, d->root, "error", prov_span_str(err->text));
    prov_doc_text(d, d->root, "errorCode", prov_span_str(code));
    prov_doc_number(d, d->root, "statusCode", prov_api_status(code));
    prov_doc_text(d, d->root, "errorClass", prov_span_str(prov_rc_name(err->rc)));
    if (err->line != 0) {
        prov_doc_number(d, d->root, "line", err->line);
        prov_doc_number(d, d->root, "column", err->col);
    }
    prov_doc_text_if(d, d->root, "path", prov_span_str(err->path));
}

/* Takes the response, which has members, and puts the data, if there is some, behind them: no copy
 * of it is made but the one. */
static void put_response(struct prov_buf *out, struct prov_doc *d, struct prov_span data)
{
    char *text = NULL;
    cJSON *tree;

    if (prov_doc_end(d, &tree) == PROV_OK)
        text = cJSON_PrintUnformatted(tree);
    if (text != NULL && data.n == 0) {
        prov_buf_add_str(out, text);
    } else if (text != NULL) {
        prov_buf_add(out, prov_span(text, strlen(text) - strlen("}")));
        prov_buf_add_str(out, ",\"data\":");
        prov_buf_add(out, data);
        prov_buf_add_str(out, "}");
    } else if (out->rc == PROV_OK) {
        out->rc = PROV_ENOMEM;
    }
    cJSON_free(text);
    cJSON_Delete(tree);
}

static void put_command(struct prov_buf *out, const struct command *c)
{
    struct prov_doc d = prov_doc_start(NULL);

    prov_doc_text_if(&d, d.root, "command", prov_span_str(c->name));
    if (c->correlation != NULL)
        prov_doc_text(&d, d.root, "correlationData", prov_span_str(c->correlation));
    if (c->err.rc != PROV_OK)
        put_error(&d, &c->err);
    put_response(out, &d,
                 c->err.rc == PROV_OK ? prov_span(c->data, c->data_n) : prov_span(NULL, 0));
}

enum prov_rc prov_api_batch_answer(const struct prov_api_batch *batch, struct prov_buf *out)
{
    struct prov_doc d;

    prov_buf_init(out, PROV_MAX_API_PAYLOAD);
    prov_buf_add_str(out, "{\"responses\":[");
    if (batch->err.rc != PROV_OK) {
        d = prov_doc_start(NULL);
        put_error(&d, &batch->err);
        put_response(out, &d, prov_span(NULL, 0));
    }
    for (size_t i = 0; i < batch->n && out->rc == PROV_OK; i++) {
        prov_buf_add_str(out, i == 0 ? "" : ",");
        put_command(out, &batch->v[i]);
    }
    prov_buf_add_str(out, "]}");
    return out->rc;
}

void prov_api_batch_each(const struct prov_api_batch *batch,
                         void (*visit)(void *ctx, const struct prov_api_op *op, const char *command,
                                       struct prov_span subject, const struct prov_err *error),
                         void *ctx)
{
    if (batch->err.rc != PROV_OK)
        visit(ctx, NULL, "", prov_span(NULL, 0), &batch->err);
    for (size_t i = 0; i < batch->n; i++) {
        const struct command *c = &batch->v[i];

        visit(ctx, c->op, c->name, prov_span_str(c->subject),
              c->err.rc != PROV_OK ? &c->err : NULL);
    }
}
