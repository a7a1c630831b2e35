/* Asking a person. */
#include "init.h"

#include <ctype.h>
#include <stdio.h>

#define ANSWER_MAX INIT_PATH

static enum prov_rc ended(struct init *in)
{
    ctl_say(in->ctl, "\n");
    (void)!ctl_flush(in->ctl);
    return ctl_usage(in->ctl, "the input ended before everything was answered; nothing was made");
}

/* A line without the white space around it. What is longer than any answer comes as one that will
 * not do. */
static bool read_line(struct init *in, char out[static ANSWER_MAX])
{
    FILE *from = in->ctl->io.in;
    size_t n = 0;
    int c;

    while ((c = getc(from)) != EOF && c != '\n') {
        if (n + 1 < ANSWER_MAX && (n != 0 || !isspace(c)))
            out[n++] = (char)c;
    }
    while (n != 0 && isspace((unsigned char)out[n - 1]))
        n--;
    out[n] = '\0';
    return c != EOF || n != 0;
}

static void say_styled(struct init *in, enum ctl_style style, const char *text)
{
    ctl_style_on(&in->ctl->out, &in->ctl->look, style);
    ctl_put_text(&in->ctl->out, prov_span_str(text));
    ctl_style_off(&in->ctl->out, &in->ctl->look, style);
    prov_buf_add_u8(&in->ctl->out, '\n');
}

static void say_question(struct init *in, const struct init_question *q)
{
    size_t widest = 0;

    ctl_say(in->ctl, "\n");
    say_styled(in, CTL_HEAD, q->title);
    init_say_text(in->ctl, prov_span_str(q->why));
    for (const struct init_choice *c = q->choices; c != NULL && c->name != NULL; c++)
        widest = strlen(c->name) > widest ? strlen(c->name) : widest;
    for (const struct init_choice *c = q->choices; c != NULL && c->name != NULL; c++)
        ctl_say(in->ctl, "  %zu  %-*s  %s\n", (size_t)(c - q->choices) + 1, (int)widest, c->name,
                c->text);
}

/* A number of the list, or what it stands for. */
static const char *choose(const struct init_question *q, const char *answer)
{
    size_t n = 0;

    for (const struct init_choice *c = q->choices; c != NULL && c->name != NULL; c++) {
        char number[24];

        (void)snprintf(number, sizeof number, "%zu", ++n);
        if (strcmp(answer, number) == 0 || strcmp(answer, c->name) == 0)
            return c->name;
    }
    return q->choices == NULL || q->other ? answer : NULL;
}

static enum prov_rc try_answer(struct init *in, const struct init_question *q, const char *answer)
{
    const char *chosen = choose(q, answer);

    if (answer[0] == '\0' && !q->optional)
        return ctl_refuse(in->ctl, "this needs an answer");
    if (chosen == NULL)
        return ctl_refuse(in->ctl, "answer with a number or a word of the list");
    return q->set(in, chosen);
}

/* The mistake, what to do about it, and then as if it had not been. */
static void say_mistake(struct init *in)
{
    struct ctl *ctl = in->ctl;

    ctl_say(ctl, "  ");
    say_styled(in, CTL_BAD, ctl->err.text);
    if (ctl->hint.n != 0)
        ctl_say(ctl, "  %s\n", prov_buf_cstr(&ctl->hint));
    prov_buf_clear(&ctl->hint);
    memset(&ctl->err, 0, sizeof ctl->err);
    ctl->usage = false;
    ctl->reading = false;
    ctl->file = NULL;
}

bool init_is_mistake(enum prov_rc rc)
{
    return rc != PROV_OK && rc != PROV_ENOMEM && rc != PROV_ESTORE && rc != PROV_EBUG;
}

enum prov_rc init_ask(struct init *in, const struct init_question *q)
{
    char fallback[INIT_PATH] = "", answer[ANSWER_MAX];
    enum prov_rc rc;

    q->fallback(in, fallback);
    say_question(in, q);
    do {
        if (fallback[0] != '\0')
            ctl_say(in->ctl, "[%s] ", fallback);
        else
            ctl_say(in->ctl, "%s> ", q->optional ? "[none] " : "");
        rc = ctl_flush(in->ctl);
        if (rc != PROV_OK)
            return rc;
        if (!read_line(in, answer))
            return ended(in);
        rc = try_answer(in, q, answer[0] != '\0' ? answer : fallback);
        if (init_is_mistake(rc))
            say_mistake(in);
    } while (init_is_mistake(rc));
    return rc;
}

enum prov_rc init_confirm(struct init *in, const char *question, bool *yes)
{
    char answer[ANSWER_MAX];
    enum prov_rc rc;

    for (;;) {
        ctl_say(in->ctl, "\n%s [y] ", question);
        rc = ctl_flush(in->ctl);
        if (rc != PROV_OK)
            return rc;
        if (!read_line(in, answer))
            return ended(in);
        *yes = answer[0] == '\0' || answer[0] == 'y' || answer[0] == 'Y';
        if (*yes || answer[0] == 'n' || answer[0] == 'N')
            return PROV_OK;
        ctl_say(in->ctl, "  y or n\n");
    }
}
