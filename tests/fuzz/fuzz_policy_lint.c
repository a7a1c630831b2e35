/*
 * A policy document. What does not parse has no warnings. Of what does, each warning has a code
 * that is listed, stands within the text and in its order, and is told in text that is bounded,
 * printable and never empty. ARNs of others are noticed only when region and account are known.
 */
#include <stdint.h>
#include <stdlib.h>

#include "core/policy_lint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

struct seen {
    struct prov_span text;
    unsigned line, col;
    size_t n, of_scope;
};

/* Printable UTF-8 that ends within cap bytes. */
static void check_text(const char *text, size_t cap)
{
    const size_t n = strnlen(text, cap);

    require(n > 0 && n < cap);
    require(prov_utf8_valid(prov_span(text, n)));
    for (size_t i = 0; i < n; i++) {
        const uint8_t c = (uint8_t)text[i];

        require(c >= ' ' && c != 0x7f);
        require(c != 0xc2 || (uint8_t)text[i + 1] >= 0xa0);
    }
}

/* Is there such a place in the text? */
static void check_place(struct prov_span text, unsigned line, unsigned col)
{
    const uint8_t *p = text.p, *const end = text.p + text.n;
    const uint8_t *stop;

    require(line > 0 && col > 0);
    for (unsigned i = 1; i < line; i++) {
        stop = memchr(p, '\n', (size_t)(end - p));
        require(stop != NULL);
        p = stop + 1;
    }
    stop = memchr(p, '\n', (size_t)(end - p));
    require(col <= (size_t)((stop != NULL ? stop : end) - p));
}

static bool is_code(const char *code)
{
    for (size_t i = 0; prov_policy_warning_code(i) != NULL; i++) {
        if (prov_policy_warning_code(i) == code)
            return true;
    }
    return false;
}

static void check_warning(void *ctx, const struct prov_policy_warning *w)
{
    struct seen *const seen = ctx;

    require(is_code(w->code));
    check_text(w->path, sizeof w->path);
    require(strncmp(w->path, "Statement", strlen("Statement")) == 0);
    check_text(w->text, sizeof w->text);
    check_text(w->cure, sizeof w->cure);
    check_place(seen->text, w->line, w->col);
    require(w->line > seen->line || (w->line == seen->line && w->col >= seen->col));
    seen->line = w->line;
    seen->col = w->col;
    seen->n++;
    seen->of_scope += strcmp(w->code, "arn-scope") == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct prov_policy_scope scope = { PROV_LIT("local"), PROV_LIT("000000000000") };
    struct seen anywhere = { .text = prov_span(data, size) }, here = anywhere;
    struct prov_policy_doc *doc;
    struct prov_err err = { .rc = PROV_OK };
    const enum prov_rc parsed = prov_policy_parse(prov_span(data, size), &doc, NULL);

    require(prov_policy_lint(prov_span(data, size), NULL, check_warning, &anywhere, &err) ==
            parsed);
    require(prov_policy_lint(prov_span(data, size), &scope, check_warning, &here, NULL) == parsed);
    prov_policy_doc_unref(doc);
    require(anywhere.of_scope == 0);
    if (parsed != PROV_OK)
        require(anywhere.n == 0 && here.n == 0 && err.text[0] != '\0');
    return 0;
}
