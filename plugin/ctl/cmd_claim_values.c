/* The values that a claim's parameters may have: by the hundred thousand, if need be. */
#include "cmd_claim.h"
#include "list.h"
#include "progress.h"

#define MAX_LIST_FILE (256u * 1024 * 1024)
/* In one request, and so in one transaction: a broker goes on in between. */
#define BATCH_VALUES 1000
#define BATCH_BYTES (256u * 1024)

struct values {
    struct ctl *ctl;
    const char *op;
    struct ctl_progress progress;
    struct ctl_params batch;
    size_t n, bytes; /* in the batch */
    unsigned lines;  /* of the file, so far */
    uint64_t done;   /* values that are in the registry */
    cJSON *data;     /* of the last batch */
};

/* ---- batches --------------------------------------------------------------------------------- */

static void start_batch(struct values *v)
{
    v->batch = ctl_params();
    v->n = v->bytes = 0;
    ctl_put(&v->batch, "certificateId", ctl_word(v->ctl, 0));
    ctl_put(&v->batch, "parameterName", ctl_word(v->ctl, 1));
}

static enum prov_rc send_batch(struct values *v)
{
    enum prov_rc rc;

    if (v->n == 0)
        return PROV_OK;
    cJSON_Delete(v->data);
    rc = ctl_call(v->ctl, v->op, &v->batch, &v->data);
    if (rc == PROV_OK)
        rc = ctl_end(v->ctl);
    if (rc == PROV_OK)
        rc = ctl_begin_write(v->ctl);
    if (rc != PROV_OK)
        return rc;
    v->done += v->n;
    atomic_store(&v->progress.done, v->done);
    start_batch(v);
    return PROV_OK;
}

static enum prov_rc add(struct values *v, struct prov_span value)
{
    ctl_put_element(&v->batch, "values", value);
    v->n++;
    v->bytes += value.n;
    return v->n == BATCH_VALUES || v->bytes >= BATCH_BYTES ? send_batch(v) : PROV_OK;
}

/* ---- where they come from -------------------------------------------------------------------- */

static enum prov_rc add_words(struct values *v)
{
    enum prov_rc rc = PROV_OK;

    for (size_t i = 2; i < v->ctl->args.n_words && rc == PROV_OK; i++)
        rc = add(v, ctl_word(v->ctl, i));
    return rc;
}

static enum prov_rc add_line(struct values *v, struct prov_span line)
{
    struct ctl *ctl = v->ctl;

    v->lines++;
    if (line.n != 0 && line.p[line.n - 1] == '\r')
        line.n--;
    if (line.n == 0)
        return PROV_OK;
    if (prov_utf8_valid(line) && memchr(line.p, '\0', line.n) == NULL)
        return add(v, line);
    (void)prov_fail(&ctl->err, PROV_EINVAL, "InvalidRequestException",
                    "this line is no UTF-8 text");
    ctl->err.line = v->lines;
    ctl->err.col = 1;
    return PROV_EINVAL;
}

static struct prov_span take_line(struct prov_span *rest)
{
    const uint8_t *end = memchr(rest->p, '\n', rest->n);
    const size_t n = end != NULL ? (size_t)(end - rest->p) : rest->n;
    const struct prov_span line = prov_span(rest->p, n);

    *rest = prov_span(rest->p + n + (end != NULL), rest->n - n - (end != NULL));
    return line;
}

static enum prov_rc add_file(struct values *v, const char *name)
{
    struct prov_buf text = { 0 };
    struct prov_span rest;
    uint64_t total = 0;
    enum prov_rc rc;

    rc = ctl_read_file(v->ctl, name, MAX_LIST_FILE, &text);
    for (rest = prov_buf_span(&text); rc == PROV_OK && rest.n != 0; total++)
        (void)take_line(&rest);
    ctl_progress_start(&v->progress, v->ctl, "values", total, NULL, NULL);
    for (rest = prov_buf_span(&text); rc == PROV_OK && rest.n != 0;)
        rc = add_line(v, take_line(&rest));
    if (rc == PROV_OK)
        rc = send_batch(v);
    ctl_progress_stop(&v->progress);
    prov_buf_release(&text);
    return rc;
}

static enum prov_rc say_changed(struct ctl *ctl, const cJSON *data, const char *what, uint64_t n)
{
    return ctl_done(ctl, "claim %s: %s of %s: %llu", ctl_answered_id(data, ctl_word(ctl, 0)).text,
                    what, ctl->args.words[1], (unsigned long long)n);
}

static enum prov_rc change(struct ctl *ctl, const char *op, const char *what)
{
    const char *file = ctl_opt(&ctl->args, OPT_FILE);
    struct values v = { .ctl = ctl, .op = op };
    enum prov_rc rc;

    if ((file != NULL) == (ctl->args.n_words > 2))
        return ctl_usage(ctl, "give either values or --file FILE");
    start_batch(&v);
    rc = file != NULL ? add_file(&v, file) : add_words(&v);
    if (rc == PROV_OK)
        rc = send_batch(&v);
    if (rc == PROV_OK && v.done == 0)
        rc = ctl_refuse(ctl, "%s holds no value", file);
    else if (rc != PROV_OK && v.done != 0)
        ctl_hint(ctl, "the first %llu values are done", (unsigned long long)v.done);
    ctl_params_drop(&v.batch);
    if (rc == PROV_OK && !ctl->json)
        rc = say_changed(ctl, v.data, what, v.done);
    if (ctl->json)
        return ctl_answer(ctl, rc, v.data);
    cJSON_Delete(v.data);
    return rc;
}

enum prov_rc ctl_claim_allow(struct ctl *ctl)
{
    return change(ctl, "addClaimParameterValues", "values allowed");
}

enum prov_rc ctl_claim_disallow(struct ctl *ctl)
{
    return change(ctl, "removeClaimParameterValues", "values taken off the list");
}

/* ---- lists ----------------------------------------------------------------------------------- */

static enum prov_rc say_unlisted(struct ctl *ctl, const cJSON *data)
{
    return ctl_done(ctl, "claim %s: %s may have any value",
                    ctl_answered_id(data, ctl_word(ctl, 0)).text, ctl->args.words[1]);
}

enum prov_rc ctl_claim_unlist(struct ctl *ctl)
{
    struct ctl_params params = ctl_params();

    ctl_put(&params, "certificateId", ctl_word(ctl, 0));
    ctl_put(&params, "parameterName", ctl_word(ctl, 1));
    return ctl_tell(ctl, "removeClaimParameterList", &params, say_unlisted);
}

static const struct ctl_column columns[] = {
    { "PARAMETER", false, true },
    { "VALUE", false, false },
};

static void row(struct ctl_table *table, const cJSON *value)
{
    ctl_cell(table, ctl_get(value, "parameterName"));
    ctl_cell(table, ctl_get(value, "value"));
}

enum prov_rc ctl_claim_values(struct ctl *ctl)
{
    static const struct ctl_list list = {
        .op = "listClaimParameterValues",
        .rows = "parameterValues",
        .pages = CTL_BY_TOKEN,
        .columns = columns,
        .n_columns = PROV_COUNT(columns),
        .none = "no list with a value on it",
        .row = row,
    };
    struct ctl_params filter = ctl_params();

    ctl_put(&filter, "certificateId", ctl_word(ctl, 0));
    ctl_put_if(&filter, "parameterName", ctl_word(ctl, 1));
    return ctl_list(ctl, &list, &filter);
}

const struct ctl_option ctl_claim_allow_options[] = {
    { OPT_FILE, "FILE", "the values, a line each", NULL, false },
    { 0, NULL, NULL, NULL, false },
};

const struct ctl_option ctl_claim_values_options[] = {
    CTL_LIST_OPTIONS("TOKEN"),
    { 0, NULL, NULL, NULL, false },
};
