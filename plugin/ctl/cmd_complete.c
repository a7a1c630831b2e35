#include <stdio.h>

#include "ctl.h"
#include "nouns.h"
#include "store/store_lmdb.h"

/* More than anyone reads; a shell asks whether to show even these. */
#define MAX_NAMES 100

/* Words and values that name what the store holds. */
static const struct {
    const char *word;
    enum prov_list_kind kind;
    bool ids;
} held[] = {
    { "CA", PROV_LIST_CAS, true },           { "CERT", PROV_LIST_CERTS, true },
    { "THING", PROV_LIST_THINGS, false },    { "GROUP", PROV_LIST_GROUPS, false },
    { "TYPE", PROV_LIST_TYPES, false },      { "BILLING-GROUP", PROV_LIST_BILLING_GROUPS, false },
    { "POLICY", PROV_LIST_POLICIES, false }, { "TEMPLATE", PROV_LIST_TEMPLATES, false },
};

/* A line that is being typed. Its last word, which may be empty, is what is asked about. */
struct typed {
    struct ctl *ctl;
    const char *words[CTL_MAX_WORDS + 3];
    size_t n_words;
    const char *last;
    enum ctl_opt value_of; /* the option whose value `last` is; CTL_OPTS: of none */
    const char *db;
    const struct ctl_noun *noun;
    const struct ctl_verb *verb;
    size_t at; /* which of the verb's words `last` is */
};

static void offer(const struct typed *t, const char *candidate)
{
    if (strncmp(candidate, t->last, strlen(t->last)) == 0)
        prov_buf_addf(&t->ctl->out, "%s\n", candidate);
}

/* ---- what the line says ---------------------------------------------------------------------- */

static void take_word(struct typed *t, const char *word)
{
    enum ctl_opt id;

    if (t->value_of != CTL_OPTS) {
        if (t->value_of == OPT_DB)
            t->db = word;
        else if (t->value_of == OPT_URL)
            t->db = NULL;
        t->value_of = CTL_OPTS;
    } else if (word[0] == '-' && word[1] == '-') {
        id = ctl_find_opt(word + 2, strlen(word + 2));
        if (id != CTL_OPTS && ctl_opt_kind(id) != CTL_FLAG && ctl_opt_kind(id) != CTL_SWITCH)
            t->value_of = id;
    } else if (t->n_words < PROV_COUNT(t->words)) {
        t->words[t->n_words++] = word;
    }
}

static void read_line(struct typed *t, char *const *words, size_t n)
{
    size_t used;

    t->value_of = CTL_OPTS;
    t->last = n != 0 ? words[n - 1] : "";
    for (size_t i = 0; i + 1 < n; i++)
        take_word(t, words[i]);
    if (t->n_words != 0 && strcmp(t->words[0], "help") == 0)
        memmove(t->words, t->words + 1, --t->n_words * sizeof t->words[0]);
    t->noun = t->n_words != 0 ? ctl_find_noun(t->words[0]) : NULL;
    if (t->noun == NULL)
        return;
    t->verb = ctl_find_verb(t->noun, t->words + 1, t->n_words - 1, &used);
    t->at = t->verb != NULL ? t->n_words - 1 - used : 0;
}

/* ---- what could stand there ------------------------------------------------------------------ */

static void offer_nouns(const struct typed *t)
{
    for (size_t i = 0; i < ctl_n_nouns; i++) {
        if (!ctl_nouns[i]->hidden)
            offer(t, ctl_nouns[i]->name);
    }
    offer(t, "help");
}

/* The next word of each verb that begins like the line. */
static void offer_verbs(const struct typed *t)
{
    const char *before = t->n_words > 1 ? t->words[1] : NULL;
    struct prov_span first, second;
    char word[32];

    for (size_t i = 0; i < t->noun->n_verbs; i++) {
        const char *rest = t->noun->verbs[i].name;

        if (!ctl_item(&rest, &first))
            continue;
        if (before == NULL)
            (void)prov_span_copy(first, word, sizeof word);
        else if (prov_span_eq_str(first, before) && ctl_item(&rest, &second))
            (void)prov_span_copy(second, word, sizeof word);
        else
            continue;
        offer(t, word);
    }
}

static void offer_option(const struct typed *t, enum ctl_opt id)
{
    char name[64];

    (void)snprintf(name, sizeof name, "--%s", ctl_opt_name(id));
    offer(t, name);
}

/* Does the verb go through a broker when it is told to? */
static bool goes_through(const struct ctl_verb *verb)
{
    return verb == NULL || verb->access == CTL_READ || verb->access == CTL_WRITE;
}

static void offer_options(const struct typed *t)
{
    const struct ctl_option *o;

    for (o = t->verb != NULL ? t->verb->options : NULL; o != NULL && o->help != NULL; o++)
        offer_option(t, o->id);
    for (o = ctl_global_options(); o->help != NULL; o++) {
        if (o->id != OPT_URL || goes_through(t->verb))
            offer_option(t, o->id);
    }
    for (o = ctl_connection_options(); o->help != NULL && goes_through(t->verb); o++) {
        if (ctl_own_option(t->verb, o->id) == NULL)
            offer_option(t, o->id);
    }
}

struct names {
    const struct typed *typed;
    bool ids;
    size_t n;
};

static bool offer_name(void *ctx, struct prov_span key)
{
    struct names *names = ctx;
    const char *last = names->typed->last;
    char name[PROV_STORE_KEY_MAX + 1];

    if (names->ids && key.n == PROV_ID_LEN)
        prov_hex(key.p, key.n, name);
    else
        (void)prov_span_copy(key, name, sizeof name);
    if (strncmp(name, last, strlen(last)) != 0)
        return false; /* keys come in order: none behind it begins as typed */
    if (names->ids)
        name[strlen(last) < 12 ? 12 : PROV_ID_HEX] = '\0';
    prov_buf_addf(&names->typed->ctl->out, "%s\n", name);
    return ++names->n < MAX_NAMES;
}

/* The least key that begins as typed; false when there is none. */
static bool least_key(const char *typed, bool ids, uint8_t *out, size_t n)
{
    const size_t typed_n = strlen(typed);
    char hex[PROV_ID_HEX + 1];

    memset(out, 0, n);
    if (typed_n >= (ids ? PROV_ID_HEX : n))
        return false;
    if (!ids)
        return prov_span_copy(prov_span(typed, typed_n), (char *)out, n);
    (void)snprintf(hex, sizeof hex, "%s%0*d", typed, (int)(PROV_ID_HEX - typed_n), 0);
    return prov_unhex(prov_span(hex, PROV_ID_HEX), out, n);
}

/* The greatest key that is less than any that begins as typed. */
static struct prov_span key_before(const char *typed, bool ids, uint8_t space[PROV_STORE_KEY_MAX])
{
    const size_t n = ids ? PROV_ID_LEN : PROV_STORE_KEY_MAX;
    size_t i = n;

    if (!least_key(typed, ids, space, n))
        return prov_span(NULL, 0);
    for (; i > 0 && space[i - 1] == 0; i--)
        space[i - 1] = 0xff;
    if (i == 0)
        return prov_span(NULL, 0);
    space[i - 1]--;
    return prov_span(space, n);
}

/* Silent when there is no store, or only one behind a broker: a shell is no place for errors, nor
 * for a password. */
static void offer_held(const struct typed *t, enum prov_list_kind kind, bool ids)
{
    const struct prov_store_lmdb_opts opts = { .dir = t->db, .read_only = true };
    struct names names = { .typed = t, .ids = ids };
    uint8_t space[PROV_STORE_KEY_MAX];
    struct prov_tx quiet = { .now_ms = t->ctl->tx.now_ms };
    struct prov_store *store = NULL;

    if (t->db != NULL &&
        prov_store_lmdb_open(&opts, &prov_registry_schema, &store, NULL) == PROV_OK &&
        prov_txn_begin(store, PROV_TXN_READ, NULL, &quiet.txn) == PROV_OK)
        (void)!prov_list(&quiet, kind, prov_span(NULL, 0), key_before(t->last, ids, space),
                         offer_name, &names);
    prov_txn_abort(quiet.txn);
    prov_store_free(store);
}

static void offer_word(const struct typed *t, struct prov_span word)
{
    if (word.n > 2 && word.p[0] == '[')
        word = prov_span(word.p + 1, word.n - 2);
    if (prov_span_eq_str(word, "FILE") || prov_span_eq_str(word, "DIR")) {
        prov_buf_addf(&t->ctl->out, "@%s\n", word.p[0] == 'F' ? "file" : "dir");
        return;
    }
    for (size_t i = 0; i < PROV_COUNT(held); i++) {
        if (prov_span_eq_str(word, held[i].word))
            offer_held(t, held[i].kind, held[i].ids);
    }
}

/* The values of options that name what is held are called NAME or ID in the help: the option tells
 * what they are. */
static void offer_value(const struct typed *t)
{
    static const struct {
        enum ctl_opt id;
        const char *word;
    } named[] = {
        { OPT_CA, "CA" },
        { OPT_CERT, "CERT" },
        { OPT_GROUP, "GROUP" },
        { OPT_PARENT, "GROUP" },
        { OPT_TEMPLATE, "TEMPLATE" },
        { OPT_TYPE, "TYPE" },
        { OPT_BILLING_GROUP, "BILLING-GROUP" },
    };
    const struct ctl_option *option = ctl_find_option(t->verb, t->value_of);
    const bool own = ctl_own_option(t->verb, t->value_of) != NULL;

    if (option == NULL)
        return;
    for (const char *const *choice = option->choices; choice != NULL && *choice != NULL; choice++)
        offer(t, *choice);
    if (option->choices != NULL || option->value == NULL)
        return;
    if (strcmp(option->value, "FILE") == 0 || strcmp(option->value, "DIR") == 0) {
        offer_word(t, prov_span_str(option->value));
        return;
    }
    for (size_t i = 0; i < PROV_COUNT(named); i++) {
        if (own && named[i].id == t->value_of)
            offer_word(t, prov_span_str(named[i].word));
    }
}

static void offer_all(const struct typed *t)
{
    const char *rest = t->verb != NULL ? t->verb->words : "";
    struct prov_span word;

    if (t->value_of != CTL_OPTS) {
        offer_value(t);
        return;
    }
    if (t->last[0] == '-') {
        offer_options(t);
        return;
    }
    if (t->n_words == 0)
        offer_nouns(t);
    else if (t->noun != NULL && t->verb == NULL)
        offer_verbs(t);
    for (size_t i = 0; ctl_item(&rest, &word); i++) {
        if (i == t->at)
            offer_word(t, word);
    }
}

static enum prov_rc complete(struct ctl *ctl)
{
    struct typed t = { .ctl = ctl, .db = ctl->url == NULL ? ctl->db : NULL };

    read_line(&t, ctl->args.line, ctl->args.n_line);
    offer_all(&t);
    return PROV_OK;
}

static const struct ctl_verb verbs[] = {
    { "", "…", "Tells a shell what could stand where the last of the words behind -- stands.",
      "  provctl complete -- cert upd\n", CTL_NO_STORE, NULL, complete },
};

const struct ctl_noun ctl_noun_complete = {
    "complete", "for shells: what the next word may be", "", verbs, PROV_COUNT(verbs), true
};
