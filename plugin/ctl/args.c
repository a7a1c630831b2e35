#include "args.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] = "UsageException";

/* ---- taking the line apart ------------------------------------------------------------------- */

#define LINE_WORDS (CTL_MAX_WORDS + 3) /* noun, a verb of two words, and the words behind it */
#define MORE "…"                       /* ends the last of a verb's words that may be several */

struct line {
    const char *words[LINE_WORDS];
    size_t n_words;
    const char *unknown; /* the first option that nobody has */
    const char *surplus; /* the first word beyond what any command takes */
};

static void add_word(struct line *line, const char *word)
{
    if (line->n_words < LINE_WORDS)
        line->words[line->n_words++] = word;
    else if (line->surplus == NULL)
        line->surplus = word;
}

static enum prov_rc add_given(struct ctl_args *out, enum ctl_opt id, const char *value,
                              struct prov_err *err)
{
    if (ctl_opt_kind(id) != CTL_VALUES && ctl_has(out, id) && ctl_opt_kind(id) != CTL_FLAG)
        return prov_fail(err, PROV_EINVAL, usage, "--%s is given twice", ctl_opt_name(id));
    if (out->n_given == CTL_MAX_GIVEN)
        return prov_fail(err, PROV_EINVAL, usage, "too many options; %d are the most",
                         CTL_MAX_GIVEN);
    out->given[out->n_given++] = (struct ctl_given){ id, value };
    return PROV_OK;
}

static bool is_switch_word(const char *word)
{
    return word != NULL && (strcmp(word, "on") == 0 || strcmp(word, "off") == 0);
}

/* argv[i] is an option; *i ends at the last word that belongs to it. argv ends with NULL. */
static enum prov_rc take_option(char *const argv[], int *i, struct line *line, struct ctl_args *out,
                                struct prov_err *err)
{
    const char *name = argv[*i] + 2, *equals = strchr(name, '=');
    const size_t n = equals != NULL ? (size_t)(equals - name) : strlen(name);
    const enum ctl_opt id = ctl_find_opt(name, n);
    const char *value = equals != NULL ? equals + 1 : NULL;

    if (id == CTL_OPTS) {
        if (line->unknown == NULL)
            line->unknown = argv[*i];
        return PROV_OK;
    }
    switch (ctl_opt_kind(id)) {
    case CTL_FLAG:
        if (value != NULL)
            return prov_fail(err, PROV_EINVAL, usage, "--%s takes no value", ctl_opt_name(id));
        value = "";
        break;
    case CTL_SWITCH:
        if (value == NULL)
            value = is_switch_word(argv[*i + 1]) ? argv[++*i] : "on";
        if (!is_switch_word(value))
            return prov_fail(err, PROV_EINVAL, usage, "--%s is on or off, not \"%s\"",
                             ctl_opt_name(id), value);
        break;
    case CTL_VALUE:
    case CTL_VALUES:
        if (value == NULL)
            value = argv[*i + 1] != NULL ? argv[++*i] : NULL;
        if (value == NULL)
            return prov_fail(err, PROV_EINVAL, usage, "--%s needs a value behind it",
                             ctl_opt_name(id));
        break;
    }
    return add_given(out, id, value, err);
}

static enum prov_rc take_apart(int argc, char *const argv[], struct line *line,
                               struct ctl_args *out, struct prov_err *err)
{
    bool options = true;
    enum prov_rc rc = PROV_OK;

    for (int i = 1; i < argc && rc == PROV_OK; i++) {
        if (!options || argv[i][0] != '-' || argv[i][1] == '\0')
            add_word(line, argv[i]);
        else if (strcmp(argv[i], "--") == 0) {
            options = false;
            out->line = argv + i + 1;
            out->n_line = (size_t)(argc - i - 1);
        } else if (strcmp(argv[i], "-h") == 0)
            rc = add_given(out, OPT_HELP, "", err);
        else if (argv[i][1] == '-')
            rc = take_option(argv, &i, line, out, err);
        else if (line->unknown == NULL)
            line->unknown = argv[i];
    }
    return rc;
}

/* ---- checking it against the tables ---------------------------------------------------------- */

static const char *spaced(const struct ctl_verb *verb)
{
    return verb->name[0] == '\0' ? "" : " ";
}

static enum prov_rc unknown_word(struct prov_err *err, const char *lead,
                                 const struct ctl_nearest *nearest)
{
    if (nearest->best == NULL)
        return prov_fail(err, PROV_EINVAL, usage, "%s \"%s\"", lead, nearest->word);
    return prov_fail(err, PROV_EINVAL, usage, "%s \"%s\"; did you mean \"%s\"?", lead,
                     nearest->word, nearest->best);
}

static enum prov_rc unknown_noun(const char *word, struct prov_err *err)
{
    struct ctl_nearest nearest = { .word = word };

    for (size_t i = 0; i < ctl_n_nouns; i++) {
        if (!ctl_nouns[i]->hidden)
            ctl_nearest_try(&nearest, ctl_nouns[i]->name);
    }
    return unknown_word(err, "there is no command", &nearest);
}

static enum prov_rc unknown_verb(const struct ctl_noun *noun, const char *word,
                                 struct prov_err *err)
{
    struct ctl_nearest nearest = { .word = word };
    char lead[64];

    for (size_t i = 0; i < noun->n_verbs; i++)
        ctl_nearest_try(&nearest, noun->verbs[i].name);
    (void)snprintf(lead, sizeof lead, "provctl %s does not know", noun->name);
    return unknown_word(err, lead, &nearest);
}

static void try_options(struct ctl_nearest *nearest, const struct ctl_option *options)
{
    for (; options != NULL && options->help != NULL; options++)
        ctl_nearest_try(nearest, ctl_opt_name(options->id));
}

static enum prov_rc unknown_option(const struct ctl_verb *verb, const char *option,
                                   struct prov_err *err)
{
    char word[64];
    struct ctl_nearest nearest = { .word = word + 2 };

    (void)prov_span_copy(prov_span(option, strcspn(option, "=")), word, sizeof word);
    if (word[1] == '-') {
        try_options(&nearest, ctl_global_options());
        try_options(&nearest, ctl_connection_options());
        try_options(&nearest, verb != NULL ? verb->options : NULL);
    }
    if (nearest.best == NULL)
        return prov_fail(err, PROV_EINVAL, usage, "there is no option %s", word);
    return prov_fail(err, PROV_EINVAL, usage, "there is no option %s; did you mean --%s?", word,
                     nearest.best);
}

static enum prov_rc find_command(struct line *line, struct ctl_args *out, struct prov_err *err)
{
    size_t used;

    out->noun = ctl_find_noun(line->words[0]);
    if (out->noun == NULL)
        return unknown_noun(line->words[0], err);
    out->verb = ctl_find_verb(out->noun, line->words + 1, line->n_words - 1, &used);
    if (out->verb == NULL)
        return line->n_words == 1 ? PROV_OK : unknown_verb(out->noun, line->words[1], err);
    for (size_t i = 1 + used; i < line->n_words; i++) {
        if (out->n_words < CTL_MAX_WORDS)
            out->words[out->n_words++] = line->words[i];
        else if (line->surplus == NULL)
            line->surplus = line->words[i];
    }
    return PROV_OK;
}

static enum prov_rc check_words(const struct ctl_args *args, const char *surplus,
                                struct prov_err *err)
{
    const struct ctl_verb *verb = args->verb;
    const char *rest = verb->words;
    struct prov_span word;
    bool several = false;
    size_t n = 0;

    if (strcmp(verb->words, MORE) == 0)
        return PROV_OK;
    while (ctl_item(&rest, &word)) {
        several = memmem(word.p, word.n, MORE, strlen(MORE)) != NULL;
        if (n == args->n_words && word.p[0] != '[')
            return prov_fail(err, PROV_EINVAL, usage, "%.*s is missing: provctl %s%s%s %s",
                             PROV_SPAN_ARG(word), args->noun->name, spaced(verb), verb->name,
                             verb->words);
        if (n < args->n_words)
            n++;
    }
    if (n < args->n_words && !several)
        surplus = args->words[n];
    if (surplus == NULL)
        return PROV_OK;
    if (several)
        return prov_fail(err, PROV_EINVAL, usage, "\"%s\" is one word too many: %d are the most",
                         surplus, CTL_MAX_WORDS);
    return prov_fail(err, PROV_EINVAL, usage, "\"%s\" is one word too many: provctl %s%s%s %s",
                     surplus, args->noun->name, spaced(verb), verb->name, verb->words);
}

static enum prov_rc check_number(const char *name, const char *value, struct prov_err *err)
{
    char *end;

    errno = 0;
    if (value[0] >= '0' && value[0] <= '9' && strtoull(value, &end, 10) <= UINT32_MAX &&
        errno == 0 && *end == '\0')
        return PROV_OK;
    return prov_fail(err, PROV_EINVAL, usage, "--%s: \"%s\" is no whole number", name, value);
}

/* Gives the choice back as the table spells it. */
static enum prov_rc check_choice(const struct ctl_option *option, const char **value,
                                 struct prov_err *err)
{
    struct ctl_nearest nearest = { .word = *value };
    struct prov_buf all;
    enum prov_rc rc;

    for (const char *const *choice = option->choices; *choice != NULL; choice++) {
        if (prov_span_eq_nocase(prov_span_str(*choice), prov_span_str(*value))) {
            *value = *choice;
            return PROV_OK;
        }
        ctl_nearest_try(&nearest, *choice);
    }
    if (nearest.best != NULL)
        return prov_fail(err, PROV_EINVAL, usage, "--%s: there is no \"%s\"; did you mean %s?",
                         ctl_opt_name(option->id), *value, nearest.best);
    prov_buf_init(&all, 256);
    ctl_put_value(&all, option);
    rc = prov_fail(err, PROV_EINVAL, usage, "--%s: \"%s\" is not one of %s",
                   ctl_opt_name(option->id), *value, prov_buf_cstr(&all));
    prov_buf_release(&all);
    return rc;
}

static enum prov_rc missing_option(const struct ctl_option *option, struct prov_err *err)
{
    struct prov_buf value;
    enum prov_rc rc;

    prov_buf_init(&value, 256);
    ctl_put_value(&value, option);
    rc = prov_fail(err, PROV_EINVAL, usage, "--%s %s is missing", ctl_opt_name(option->id),
                   prov_buf_cstr(&value));
    prov_buf_release(&value);
    return rc;
}

static bool given_before(const struct ctl_args *args, size_t i)
{
    for (size_t j = 0; j < i; j++) {
        if (args->given[j].id == args->given[i].id)
            return true;
    }
    return false;
}

static enum prov_rc check_options(struct ctl_args *args, struct prov_err *err)
{
    enum prov_rc rc = PROV_OK;

    for (size_t i = 0; i < args->n_given && rc == PROV_OK; i++) {
        struct ctl_given *given = &args->given[i];
        const struct ctl_option *option = ctl_find_option(args->verb, given->id);

        if (option == NULL)
            rc = prov_fail(err, PROV_EINVAL, usage, "--%s does not go with provctl %s%s%s",
                           ctl_opt_name(given->id), args->noun->name, spaced(args->verb),
                           args->verb->name);
        else if (ctl_opt_kind(option->id) == CTL_VALUES && !ctl_repeats(option) &&
                 given_before(args, i))
            rc = prov_fail(err, PROV_EINVAL, usage, "--%s is given twice", ctl_opt_name(given->id));
        else if (option->choices != NULL)
            rc = check_choice(option, &given->value, err);
        else if (option->value != NULL && strcmp(option->value, "N") == 0)
            rc = check_number(ctl_opt_name(option->id), given->value, err);
    }
    for (const struct ctl_option *o = args->verb->options;
         o != NULL && o->help != NULL && rc == PROV_OK; o++) {
        if (o->needed && !ctl_has(args, o->id))
            rc = missing_option(o, err);
    }
    return rc;
}

enum prov_rc ctl_args_parse(int argc, char *const argv[], struct ctl_args *out,
                            struct prov_err *err)
{
    struct line line = { .n_words = 0 };
    enum prov_rc rc;

    memset(out, 0, sizeof *out);
    rc = take_apart(argc, argv, &line, out, err);
    if (rc != PROV_OK)
        return rc;
    if (line.n_words != 0 && strcmp(line.words[0], "help") == 0) {
        memmove(line.words, line.words + 1, --line.n_words * sizeof line.words[0]);
        rc = add_given(out, OPT_HELP, "", err);
    }
    if (rc == PROV_OK && line.n_words != 0)
        rc = find_command(&line, out, err);
    if (rc != PROV_OK || ctl_has(out, OPT_HELP) || ctl_has(out, OPT_VERSION))
        return rc;
    if (line.unknown != NULL)
        return unknown_option(out->verb, line.unknown, err);
    out->bare = out->verb == NULL;
    if (out->bare)
        return prov_fail(err, PROV_EINVAL, usage, "provctl%s%s: what is to be done?",
                         out->noun != NULL ? " " : "", out->noun != NULL ? out->noun->name : "");
    rc = check_words(out, line.surplus, err);
    return rc != PROV_OK ? rc : check_options(out, err);
}

/* ---- asking ---------------------------------------------------------------------------------- */

const char *ctl_next(const struct ctl_args *args, enum ctl_opt id, size_t *at)
{
    while (*at < args->n_given) {
        const struct ctl_given *given = &args->given[(*at)++];

        if (given->id == id)
            return given->value;
    }
    return NULL;
}

const char *ctl_opt(const struct ctl_args *args, enum ctl_opt id)
{
    size_t at = 0;

    return ctl_next(args, id, &at);
}

bool ctl_has(const struct ctl_args *args, enum ctl_opt id)
{
    return ctl_opt(args, id) != NULL;
}

bool ctl_switch(const struct ctl_args *args, enum ctl_opt id, bool *on)
{
    const char *value = ctl_opt(args, id);

    if (value != NULL)
        *on = strcmp(value, "on") == 0;
    return value != NULL;
}

uint32_t ctl_number(const struct ctl_args *args, enum ctl_opt id, uint32_t fallback)
{
    const char *value = ctl_opt(args, id);

    return value != NULL ? (uint32_t)strtoul(value, NULL, 10) : fallback;
}
