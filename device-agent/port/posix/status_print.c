#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "status.h"
#include "tell.h"
#include "utc.h"

const char *status_time(int64_t at_s, char out[static 32])
{
    struct tm tm;

    out[0] = '\0';
    if (utc_fields(at_s, &tm))
        (void)strftime(out, 32, "%Y-%m-%d %H:%M:%S UTC", &tm);
    return out;
}

static void field(FILE *out, const char *label, const char *value)
{
    if (value != NULL && value[0] != '\0')
        (void)fprintf(out, "%-14s %s\n", label, value);
}

/* "2027-01-01 00:00:00 UTC (in 41 d)" */
static void field_time(FILE *out, const char *label, int64_t at_s, int64_t now_s)
{
    char text[96], when[32], wait[32];

    if (at_s == 0)
        return;
    if (now_s == 0)
        (void)snprintf(text, sizeof text, "%s", status_time(at_s, when));
    else if (at_s <= now_s)
        (void)snprintf(text, sizeof text, "%s (over)", status_time(at_s, when));
    else
        (void)snprintf(text, sizeof text, "%s (%s)", status_time(at_s, when),
                       tell_wait((uint64_t)(at_s - now_s) * 1000, wait));
    field(out, label, text);
}

static const char *sentence(const char *state)
{
    for (unsigned i = 0; i < AGENT_STEPS; i++) {
        if (strcmp(state, agent_step_name((enum agent_step)i)) == 0)
            return tell_step((enum agent_step)i);
    }
    return "";
}

static void print_state(const cJSON *status, FILE *out)
{
    const char *state = status_text(status, "state");
    const char *more = state != NULL ? sentence(state) : "";
    char text[160], agent[64] = "no";

    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(status, "running")))
        (void)snprintf(agent, sizeof agent, "yes, pid %lld",
                       (long long)status_number(status, "pid"));
    field(out, "running", agent);
    (void)snprintf(text, sizeof text, "%s%s%s", state != NULL ? state : "",
                   more[0] != '\0' ? ": " : "", more);
    field(out, "state", text);
}

static void print_identity(const cJSON *status, int64_t now_s, FILE *out)
{
    const cJSON *cert = cJSON_GetObjectItemCaseSensitive(status, "certificate");
    const cJSON *next = cJSON_GetObjectItemCaseSensitive(status, "next");
    const cJSON *claim = cJSON_GetObjectItemCaseSensitive(status, "claim");
    char text[96] = "none yet";

    field(out, "thing", status_text(status, "thingName"));
    if (status_number(status, "generation") != 0)
        (void)snprintf(text, sizeof text, "%lld", (long long)status_number(status, "generation"));
    field(out, "generation", text);
    field(out, "certificate", status_text(cert, "certificateId"));
    field_time(out, "  from", status_number(cert, "notBefore"), 0);
    field_time(out, "  until", status_number(cert, "notAfter"), now_s);
    field_time(out, "renewal", status_number(status, "renewal"), now_s);
    if (cJSON_IsObject(next)) {
        const char *phase = status_text(next, "phase");

        (void)snprintf(text, sizeof text, "%lld (%s)", (long long)status_number(next, "generation"),
                       phase != NULL ? phase : "");
        field(out, "next", text);
    }
    field(out, "claim", status_text(claim, "certificateId"));
    field_time(out, "  until", status_number(claim, "notAfter"), now_s);
}

static void print_attempts(const cJSON *attempts, const char *name, const char *label, FILE *out)
{
    const cJSON *class, *of = cJSON_GetObjectItemCaseSensitive(attempts, name);
    const char *between = "";

    if (!cJSON_IsObject(of) || of->child == NULL)
        return;
    (void)fprintf(out, "%-14s ", label);
    cJSON_ArrayForEach(class, of)
    {
        (void)fprintf(out, "%s%s %.0f", between, class->string, class->valuedouble);
        between = ", ";
    }
    (void)fputc('\n', out);
}

static void print_trouble(const cJSON *status, FILE *out)
{
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(status, "lastError");
    const cJSON *attempts = cJSON_GetObjectItemCaseSensitive(status, "attempts");
    const char *class = status_text(error, "class"), *text = status_text(error, "text");
    const char *record = status_text(status, "record");
    char line[AGENT_MAX_MESSAGE + 64], wait[32];

    if (class == NULL && record != NULL && strcmp(record, "good") != 0) {
        (void)snprintf(line, sizeof line, "%s: the next run makes it anew from what there is",
                       record);
        field(out, "record", line);
    }
    if (class != NULL) {
        (void)snprintf(line, sizeof line, "%s: %s (exit code %lld)", class,
                       text != NULL ? text : "", (long long)status_number(error, "exitCode"));
        field(out, "last error", line);
    }
    print_attempts(attempts, "getting", "failures", out);
    print_attempts(attempts, "serving", "  in service", out);
    if (status_number(status, "nextTryIn") > 0)
        field(out, "next try",
              tell_wait((uint64_t)status_number(status, "nextTryIn") * 1000, wait));
    field(out, "reset", status_text(status, "reset"));
}

void status_print(const cJSON *status, int64_t now_s, FILE *out)
{
    const cJSON *paths = cJSON_GetObjectItemCaseSensitive(status, "paths");
    const bool connected = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(status, "connected"));

    print_state(status, out);
    field(out, "method", status_text(status, "method"));
    field(out, "broker", status_text(status, "host"));
    field(out, "connected", connected ? "yes" : "no");
    print_identity(status, now_s, out);
    print_trouble(status, out);
    field(out, "in", status_text(paths, "stateDirectory"));
}
