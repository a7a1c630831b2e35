#include "help.h"

#include "text.h"

/* ---- wrapping -------------------------------------------------------------------------------- */

/* A paragraph that is broken between pieces. */
struct para {
    struct prov_buf *out;
    size_t indent, width;
    size_t column;
};

static void para_add(struct para *p, struct prov_span piece)
{
    const size_t n = ctl_width(piece);

    if (p->column > p->indent && p->column + 1 + n > p->width) {
        prov_buf_addf(p->out, "\n%*s", (int)p->indent, "");
        p->column = p->indent;
    } else if (p->column > p->indent) {
        prov_buf_add_u8(p->out, ' ');
        p->column++;
    }
    prov_buf_add(p->out, piece);
    p->column += n;
}

static void put_wrapped(struct prov_buf *out, size_t indent, size_t width, const char *text)
{
    struct para p = { out, indent, width, indent };
    struct prov_span word;

    while (ctl_item(&text, &word))
        para_add(&p, word);
    prov_buf_add_u8(out, '\n');
}

/* "  left      text, wrapped", the text beginning at column `at`. */
static void put_row(struct prov_buf *out, struct prov_span left, size_t at, size_t width,
                    const char *text)
{
    const size_t used = 2 + ctl_width(left);

    prov_buf_addf(out, "  %.*s", PROV_SPAN_ARG(left));
    if (used + 2 > at)
        prov_buf_addf(out, "\n%*s", (int)at, "");
    else
        prov_buf_addf(out, "%*s", (int)(at - used), "");
    put_wrapped(out, at, width, text);
}

/* ---- options --------------------------------------------------------------------------------- */

static void put_option(struct prov_buf *out, const struct ctl_option *option)
{
    const size_t start = out->n;

    prov_buf_addf(out, "--%s ", ctl_opt_name(option->id));
    ctl_put_value(out, option);
    if (out->rc == PROV_OK && out->n > start && out->p[out->n - 1] == ' ')
        out->n--;
}

static void put_options(struct prov_buf *out, const char *title, const struct ctl_option *options,
                        size_t width)
{
    struct prov_buf left;

    if (options == NULL)
        return;
    prov_buf_addf(out, "\n%s\n", title);
    for (; options->help != NULL; options++) {
        prov_buf_init(&left, 256);
        put_option(&left, options);
        put_row(out, prov_buf_span(&left), 30, width, options->help);
        ctl_release(out, &left);
    }
}

void ctl_put_synopsis(struct prov_buf *out, const struct ctl_noun *noun,
                      const struct ctl_verb *verb, unsigned width)
{
    struct para p = { out, 8, width != 0 ? width : 80, 0 };
    const char *words = verb->words;
    const char *name = verb->name;
    struct prov_buf piece;
    struct prov_span word;

    prov_buf_addf(out, "provctl %s", noun->name);
    p.column = 8 + strlen(noun->name);
    while (ctl_item(&name, &word))
        para_add(&p, word);
    while (ctl_item(&words, &word))
        para_add(&p, word);
    for (const struct ctl_option *o = verb->options; o != NULL && o->help != NULL; o++) {
        prov_buf_init(&piece, 256);
        if (!o->needed)
            prov_buf_add_u8(&piece, '[');
        put_option(&piece, o);
        if (!o->needed)
            prov_buf_add_u8(&piece, ']');
        if (ctl_repeats(o))
            prov_buf_add_str(&piece, "…");
        para_add(&p, prov_buf_span(&piece));
        ctl_release(out, &piece);
    }
}

/* ---- the three levels ------------------------------------------------------------------------ */

static void help_verb(const struct ctl_noun *noun, const struct ctl_verb *verb, size_t width,
                      struct prov_buf *out)
{
    ctl_put_synopsis(out, noun, verb, (unsigned)width);
    prov_buf_add_str(out, "\n\n");
    put_wrapped(out, 0, width, verb->summary);
    put_options(out, "Options:", verb->options, width);
    if (verb->teach[0] != '\0')
        prov_buf_addf(out, "\n%s%s", verb->teach[0] == ' ' ? "Examples:\n" : "", verb->teach);
    put_options(out, "Options of every command:", ctl_global_options(), width);
    if (verb->access == CTL_READ || verb->access == CTL_WRITE)
        prov_buf_add_str(out, "\n`provctl help` tells the options that go with --url.\n");
}

static void help_noun(const struct ctl_noun *noun, size_t width, struct prov_buf *out)
{
    struct prov_buf left;

    prov_buf_addf(out, "provctl %s VERB …\n\n", noun->name);
    put_wrapped(out, 0, width, noun->summary);
    prov_buf_add_str(out, "\nVerbs:\n");
    for (size_t i = 0; i < noun->n_verbs; i++) {
        const struct ctl_verb *verb = &noun->verbs[i];

        prov_buf_init(&left, 256);
        prov_buf_addf(&left, "%s%s%s", verb->name, verb->words[0] != '\0' ? " " : "", verb->words);
        put_row(out, prov_buf_span(&left), 34, width, verb->summary);
        ctl_release(out, &left);
    }
    prov_buf_addf(out, "\n%s", noun->teach);
    prov_buf_addf(out, "\n`provctl help %s VERB` tells the options of one, with examples.\n",
                  noun->name);
}

static const char first_hour[] =
    "\nA first hour:\n"
    "  sudo provctl init                              all of it, question by question; or:\n"
    "  provctl policy create device policy.json       what devices may do\n"
    "  provctl template create sensors template.json --type JITP\n"
    "                                                 what happens when one first connects\n"
    "  provctl ca register ca.pem --sni-only --active --auto-register --template sensors\n"
    "                                                 whose devices are let in\n"
    "  provctl issuer create                          or: who signs for devices that ask,\n"
    "  provctl help claim                             and who may ask\n"
    "  provctl explain sensor-0042                    why one was refused, and what to do\n"
    "\n"
    "Through the broker, from another machine, as its ACL for $CONTROL/provisioning/v1 allows:\n"
    "  provctl --url mqtts://broker.example --username ops cert list\n"
    "\n"
    "An ID may be given as its first 8 or more digits. `-` reads a file from stdin.\n"
    "Exit codes: 0 ok, 1 usage, 2 not found, 3 conflict, 4 refused, 5 store, 6 no broker.\n"
    "`provctl help COMMAND` tells more of each command.\n";

static void help_all(size_t width, struct prov_buf *out)
{
    prov_buf_add_str(out, "provctl [--db DIR | --url URL] [--json] COMMAND [VERB] …\n\n");
    put_wrapped(out, 0, width,
                "Certificates, things, policies and templates of a Mosquitto broker with the "
                "provisioning plugin. It works on the store, whether the broker runs or not; a "
                "running broker follows at once. With --url it goes through the broker.");
    prov_buf_add_str(out, "\nCommands:\n");
    for (size_t i = 0; i < ctl_n_nouns; i++) {
        if (!ctl_nouns[i]->hidden)
            put_row(out, prov_span_str(ctl_nouns[i]->name), 18, width, ctl_nouns[i]->summary);
    }
    put_options(out, "Options of every command:", ctl_global_options(), width);
    put_options(out, "Options that go with --url:", ctl_connection_options(), width);
    prov_buf_add_str(out, first_hour);
}

void ctl_help(const struct ctl_args *args, unsigned width, struct prov_buf *out)
{
    const size_t columns = width == 0 || width > 100 ? 80 : width < 60 ? 60 : width;

    if (args->verb != NULL)
        help_verb(args->noun, args->verb, columns, out);
    else if (args->noun != NULL)
        help_noun(args->noun, columns, out);
    else
        help_all(columns, out);
}
