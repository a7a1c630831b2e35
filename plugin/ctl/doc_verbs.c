#include "doc_verbs.h"

#include <stdio.h>

#include "core/json.h"

const struct ctl_column ctl_version_columns[] = {
    { "VERSION", true, false },
    { "DEFAULT", false, false },
    { "CREATED", false, false },
};
_Static_assert(PROV_COUNT(ctl_version_columns) == CTL_VERSION_COLUMNS, "columns and their number");

/* Of policies and templates, in lists and alone, AWS calls the time by two names. */
static int64_t created(const cJSON *version)
{
    const int64_t at_ms = ctl_get_time(version, "creationDate");

    return at_ms != 0 ? at_ms : ctl_get_time(version, "createDate");
}

void ctl_version_row(struct ctl_table *table, const cJSON *version)
{
    ctl_cellf(table, "%u", ctl_get_version(version, "versionId"));
    ctl_cell(table, ctl_get_bool(version, "isDefaultVersion") ? PROV_LIT("default") : PROV_LIT(""));
    ctl_cell_time(table, created(version));
}

/* ---- documents ------------------------------------------------------------------------------- */

/*
 * A request is JSON, which cannot carry what is no UTF-8 or holds a NUL. No JSON document is such,
 * so reading it here finds the place.
 */
static enum prov_rc check_text(struct ctl *ctl, const struct ctl_doc_kind *kind,
                               struct prov_span text)
{
    cJSON *tree = NULL;
    enum prov_rc rc;

    if (prov_utf8_valid(text) && (text.n == 0 || memchr(text.p, '\0', text.n) == NULL))
        return PROV_OK;
    rc = prov_json_parse(text, kind->max_bytes, &tree, &ctl->err);
    cJSON_Delete(tree);
    if (rc == PROV_EINVAL)
        ctl->err.code = kind->malformed;
    return rc;
}

enum prov_rc ctl_doc_read(struct ctl *ctl, const struct ctl_doc_kind *kind, const char *file,
                          struct prov_buf *text)
{
    const enum prov_rc rc = ctl_read_file(ctl, file, kind->max_bytes, text);

    return rc != PROV_OK ? rc : check_text(ctl, kind, prov_buf_span(text));
}

/* ---- versions -------------------------------------------------------------------------------- */

static struct ctl_params about(const struct ctl *ctl, const struct ctl_doc_kind *kind,
                               uint32_t version)
{
    struct ctl_params params = ctl_params();
    char text[16];

    (void)snprintf(text, sizeof text, "%u", version);
    ctl_put(&params, kind->name, ctl_word(ctl, 0));
    if (kind->version_is_text)
        ctl_put(&params, kind->version, prov_span_str(text));
    else
        ctl_put_number(&params, kind->version, version);
    return params;
}

static enum prov_rc tell_version(struct ctl *ctl, const struct ctl_doc_kind *kind,
                                 const cJSON *data)
{
    const bool in_force = ctl_get_bool(data, "isDefaultVersion");
    const uint32_t version = ctl_get_version(data, kind->version);

    ctl_say(ctl, "%s %s has version %u%s\n", kind->noun, ctl->args.words[0], version,
            in_force ? ", and it is in force" : "");
    if (!in_force)
        kind->say_next(ctl, version);
    return PROV_OK;
}

enum prov_rc ctl_doc_version_create(struct ctl *ctl, const struct ctl_doc_kind *kind)
{
    struct ctl_params params;
    struct prov_buf text = { 0 };
    cJSON *data = NULL;
    enum prov_rc rc;

    rc = ctl_doc_read(ctl, kind, ctl->args.words[1], &text);
    if (rc != PROV_OK)
        goto out;
    params = ctl_params();
    ctl_put(&params, kind->name, ctl_word(ctl, 0));
    ctl_put(&params, kind->body, prov_buf_span(&text));
    ctl_put_flag(&params, "setAsDefault", ctl_has(&ctl->args, OPT_SET_DEFAULT));
    rc = ctl_call(ctl, kind->create_op, &params, &data);
    kind->look(ctl, rc, prov_buf_span(&text), data);
    if (rc != PROV_OK && strcmp(ctl->err.code, "VersionsLimitExceededException") == 0)
        ctl_hint(ctl, "`provctl %s version list %s`, then `… version delete %s N`", kind->noun,
                 ctl->args.words[0], ctl->args.words[0]);
    if (rc == PROV_OK && !ctl->json)
        rc = tell_version(ctl, kind, data);
    else if (rc == PROV_OK) {
        rc = ctl_answer(ctl, rc, data);
        data = NULL;
    }
out:
    cJSON_Delete(data);
    prov_buf_release(&text);
    return rc;
}

enum prov_rc ctl_doc_version_list(struct ctl *ctl, const struct ctl_doc_kind *kind)
{
    struct ctl_params filter = ctl_params();

    ctl_put(&filter, kind->name, ctl_word(ctl, 0));
    return ctl_list(ctl, &kind->versions, &filter);
}

static void say_version(struct ctl *ctl, const struct ctl_doc_kind *kind, const cJSON *data)
{
    ctl_fieldf(ctl, "version", "%u%s", ctl_get_version(data, kind->version),
               ctl_get_bool(data, "isDefaultVersion") ? " (default)" : "");
    ctl_field_time(ctl, "created", created(data));
    ctl_say(ctl, "\n");
    ctl_block(ctl, ctl_get(data, kind->body));
}

enum prov_rc ctl_doc_say_version(struct ctl *ctl, const struct ctl_doc_kind *kind, uint32_t version)
{
    struct ctl_params params = about(ctl, kind, version);
    cJSON *data;
    enum prov_rc rc;

    rc = ctl_call(ctl, kind->get_op, &params, &data);
    if (rc == PROV_OK)
        say_version(ctl, kind, data);
    cJSON_Delete(data);
    return rc;
}

enum prov_rc ctl_doc_version_show(struct ctl *ctl, const struct ctl_doc_kind *kind)
{
    struct ctl_params params;
    uint32_t version;
    cJSON *data;
    enum prov_rc rc;

    rc = ctl_version_word(ctl, 1, &version);
    if (rc != PROV_OK)
        return rc;
    params = about(ctl, kind, version);
    rc = ctl_call(ctl, kind->get_op, &params, &data);
    if (rc != PROV_OK || ctl->json)
        return ctl_answer(ctl, rc, data);
    ctl_field(ctl, kind->noun, ctl_word(ctl, 0));
    say_version(ctl, kind, data);
    cJSON_Delete(data);
    return PROV_OK;
}

enum prov_rc ctl_doc_version_do(struct ctl *ctl, const struct ctl_doc_kind *kind, const char *op,
                                const char *done)
{
    struct ctl_params params;
    uint32_t version;
    cJSON *data;
    enum prov_rc rc;

    rc = ctl_version_word(ctl, 1, &version);
    if (rc != PROV_OK)
        return rc;
    params = about(ctl, kind, version);
    rc = ctl_call(ctl, op, &params, &data);
    if (rc != PROV_OK || ctl->json)
        return ctl_answer(ctl, rc, data);
    cJSON_Delete(data);
    return ctl_done(ctl, "%s %s: version %u %s", kind->noun, ctl->args.words[0], version, done);
}
