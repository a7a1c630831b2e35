/*
 * Any bytes as JSON. What is accepted survives being written and read again unchanged, and every
 * place in it can be found: members begin one behind the other, in the order of the tree.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"

#define MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void check_place(const struct prov_err *err, struct prov_span text, size_t *offset)
{
    size_t at = 0;

    for (unsigned line = 1; line < err->line; at++) {
        must(at < text.n);
        line += text.p[at] == '\n';
    }
    at += err->col - 1;
    must(at <= text.n);
    *offset = at;
}

/* last is where the member before this one began. */
static void check_members(const cJSON *v, struct prov_span text, const struct prov_json_path *up,
                          size_t *last)
{
    struct prov_json_path at = { .up = up };
    struct prov_err err;
    size_t offset;
    const cJSON *m;

    cJSON_ArrayForEach(m, v)
    {
        at.key = m->string;
        must(prov_json_fail(&err, PROV_EDENIED, "X", text, &at, "%s", "x") == PROV_EDENIED);
        check_place(&err, text, &offset);
        must(offset > *last && offset < text.n);
        must(m->string == NULL || text.p[offset] == '"');
        *last = offset;
        check_members(m, text, &at, last);
        at.index++;
    }
}

static void check_again(const cJSON *tree)
{
    char *written = cJSON_PrintUnformatted(tree);
    cJSON *again;

    must(written != NULL);
    must(prov_json_parse(prov_span_str(written), 8 * MAX, &again, NULL) == PROV_OK);
    must(cJSON_Compare(tree, again, 1));
    cJSON_Delete(again);
    cJSON_free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct prov_span text = prov_span(data, size);
    struct prov_err err = { .rc = PROV_OK };
    size_t offset, root = 0;
    enum prov_rc rc;
    cJSON *tree;

    rc = prov_json_parse(text, MAX, &tree, &err);
    must((rc == PROV_OK) == (tree != NULL));
    if (rc == PROV_EINVAL)
        check_place(&err, text, &offset);
    if (rc != PROV_OK) {
        must(err.rc == rc && err.text[0] != '\0');
        return 0;
    }
    must(prov_utf8_valid(text));
    check_again(tree);
    while (strchr(" \t\r\n", text.p[root]) != NULL)
        root++;
    check_members(tree, text, NULL, &root);
    cJSON_Delete(tree);
    return 0;
}
