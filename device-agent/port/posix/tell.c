#include "tell.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const levels[] = {
    [TELL_ERROR] = "error",
    [TELL_WARNING] = "warning",
    [TELL_INFO] = "info",
};
_Static_assert(sizeof levels / sizeof levels[0] == TELL_LEVELS, "a level has no name");

/* For people and for the service manager. Steps that last no time to speak of have none. */
static const char *const sentences[] = {
    [AGENT_BOOT] = "",
    [AGENT_WAITING] = "waiting for the next try",
    [AGENT_NO_CLAIM] = "waiting for a claim; give it one with device-agent inject-claim",
    [AGENT_SAVING] = "",
    [AGENT_MAKING_KEY] = "making a key and a signing request",
    [AGENT_MAKING_CSR] = "",
    [AGENT_ADOPTING] = "",
    [AGENT_CONNECTING] = "connecting",
    [AGENT_SUBSCRIBING] = "subscribing to the answers",
    [AGENT_CREATING] = "asking for a certificate",
    [AGENT_STORING] = "storing the certificate",
    [AGENT_REGISTERING] = "registering",
    [AGENT_CONFIGURING] = "storing the device's configuration",
    [AGENT_PROVING] = "connecting with the new identity",
    [AGENT_PROMOTING] = "putting the new identity in force",
    [AGENT_CLEANING] = "",
    [AGENT_ANNOUNCING] = "", /* the program that is run is told of */
    [AGENT_CLOSING] = "",
    [AGENT_READY] = "connected",
    [AGENT_RESTING] = "provisioned; not connected, as configured",
    [AGENT_ENDED] = "",
};
_Static_assert(sizeof sentences / sizeof sentences[0] == AGENT_STEPS, "a step has no sentence");

const char *tell_step(enum agent_step step)
{
    return (unsigned)step < AGENT_STEPS ? sentences[step] : "";
}

const char *tell_wait(uint64_t ms, char out[static 32])
{
    static const struct {
        uint64_t ms;
        const char *unit;
    } units[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "min" }, { 1000, "s" } };

    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        /* not "in 1 h" of what is 119 minutes */
        if (ms >= 2 * units[i].ms || (units[i].ms == 1000 && ms >= 1000)) {
            (void)snprintf(out, 32, "in %llu %s",
                           (unsigned long long)((ms + units[i].ms / 2) / units[i].ms),
                           units[i].unit);
            return out;
        }
    }
    (void)snprintf(out, 32, "at once");
    return out;
}

void tell_init(struct tell *tell, bool watched, const struct notify *notify)
{
    *tell = (struct tell){ .watched = watched,
                           .journal = !watched && getenv("JOURNAL_STREAM") != NULL,
                           .notify = notify };
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* A line is written in one piece, so that those of other programs do not come in between. */
struct line {
    char p[1024];
    size_t n;
};

__attribute__((format(printf, 2, 3))) static void add(struct line *line, const char *format, ...)
{
    const size_t room = sizeof line->p - 1 - line->n; /* of the line end */
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(line->p + line->n, room, format, args);
    va_end(args);
    if (n > 0)
        line->n += (size_t)n < room ? (size_t)n : room - 1;
}

static void add_quoted(struct line *line, const char *key, const char *text)
{
    add(line, " %s=\"", key);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            add(line, "\\%c", *text);
        else
            add(line, "%c", *text >= ' ' && *text <= '~' ? *text : '?');
    }
    add(line, "\"");
}

static void begin(struct line *line, const struct tell *tell, enum tell_level level,
                  const char *event)
{
    static const int priorities[] = { [TELL_ERROR] = 3, [TELL_WARNING] = 4, [TELL_INFO] = 6 };

    line->n = 0;
    if (tell->journal)
        add(line, "<%d>", priorities[level]);
    add(line, "level=%s event=%s", levels[level], event);
}

static void end(struct line *line)
{
    line->p[line->n] = '\n';
    (void)fwrite(line->p, 1, line->n + 1, stderr);
    (void)fflush(stderr);
}

void tell_event(const struct tell *tell, enum tell_level level, const char *event,
                const char *format, ...)
{
    char text[512];
    struct line line;
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (tell->watched) {
        line.n = 0;
        add(&line, "%s%s", level == TELL_INFO ? "  " : "! ", text[0] != '\0' ? text : event);
    } else {
        begin(&line, tell, level, event);
        if (text[0] != '\0')
            add_quoted(&line, "text", text);
    }
    end(&line);
}

/* ---- the agent's state ----------------------------------------------------------------------- */

static void tell_failure(const struct tell *tell, const struct agent_view *view, uint64_t left_ms)
{
    const char *class = agent_class_name(view->class);
    struct line line;
    char wait[32];

    if (tell->watched) {
        line.n = 0;
        add(&line, "! %s: %s", class, view->text);
    } else {
        begin(&line, tell, TELL_WARNING, "failed");
        add(&line, " class=%s", class);
        add_quoted(&line, "text", view->text);
        if (left_ms != 0)
            add(&line, " next_s=%llu", (unsigned long long)((left_ms + 999) / 1000));
    }
    if (tell->watched && left_ms != 0)
        add(&line, " (next try %s)", tell_wait(left_ms, wait));
    end(&line);
}

static void tell_identity(const struct tell *tell, const struct agent_state *record)
{
    struct line line;

    if (tell->watched) {
        line.n = 0;
        add(&line, "  generation %u is in force%s%s", (unsigned)record->current,
            record->thing_name[0] != '\0' ? ": " : "", record->thing_name);
    } else {
        begin(&line, tell, TELL_INFO, "identity");
        add(&line, " generation=%u", (unsigned)record->current);
        add_quoted(&line, "thing", record->thing_name);
    }
    end(&line);
}

static void tell_step_of(const struct tell *tell, const struct agent_view *view)
{
    const char *sentence = tell_step(view->step);
    struct line line;

    if (sentence[0] == '\0' || (tell->watched && view->step == AGENT_WAITING))
        return;
    if (tell->watched) {
        line.n = 0;
        add(&line, "  %s", sentence);
    } else {
        begin(&line, tell, TELL_INFO, "step");
        add(&line, " step=%s slot=%u", agent_step_name(view->step), (unsigned)view->slot);
    }
    end(&line);
}

static void tell_manager(const struct tell *tell, const struct agent_view *view)
{
    char text[AGENT_MAX_MESSAGE + 64];

    if (view->class != AGENT_OK)
        (void)snprintf(text, sizeof text, "%s: %s", agent_class_name(view->class), view->text);
    else
        (void)snprintf(text, sizeof text, "%s", tell_step(view->step));
    if (text[0] != '\0')
        notify_status(tell->notify, text);
}

void tell_view(struct tell *tell, const struct agent_view *view, const struct agent_state *record,
               uint64_t mono_ms)
{
    const bool step = !tell->any || view->step != tell->step;
    const bool class = view->class != tell->class || strcmp(view->text, tell->text) != 0;
    const bool waits = step && view->step == AGENT_WAITING; /* the same error again is news */

    if (view->class != AGENT_OK && (class || waits))
        tell_failure(tell, view, view->next_ms > mono_ms ? view->next_ms - mono_ms : 0);
    if (record->current != 0 && record->current != tell->generation && tell->any)
        tell_identity(tell, record);
    if (step)
        tell_step_of(tell, view);
    if (step || class)
        tell_manager(tell, view);
    tell->any = true;
    tell->step = view->step;
    tell->class = view->class;
    tell->generation = record->current;
    (void)snprintf(tell->text, sizeof tell->text, "%s", view->text);
}
