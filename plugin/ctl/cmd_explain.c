#include <stdlib.h>

#include "core/attempt.h"
#include "core/doc.h"
#include "cure.h"
#include "explain.h"
#include "list.h"
#include "nouns.h"

/* ---- reasons --------------------------------------------------------------------------------- */

/* NULL for one that only a newer broker knows. */
static const struct prov_reason_info *reason_of(const cJSON *from)
{
    const struct prov_span name = ctl_get(from, "reason");

    for (int i = 0; i < PROV_REASONS; i++) {
        const struct prov_reason_info *info = prov_reason_info((enum prov_reason)i);

        if (name.n != 0 && prov_span_eq_str(name, info->name))
            return info;
    }
    return NULL;
}

/* What to do about the reason of an attempt or a verdict, with the names of this case. */
static void put_cure(struct ctl_story *s, struct prov_buf *out, const cJSON *from)
{
    const struct prov_reason_info *why = reason_of(from);
    struct ctl_case known = { .client_id = s->client_id };

    if (why == NULL)
        return;
    (void)prov_span_copy(s->cert_id, known.cert, sizeof known.cert);
    (void)prov_span_copy(s->ca_id, known.ca, sizeof known.ca);
    if (why->step == PROV_STEP_TEMPLATE)
        known.template_name = ctl_get_in(s->ca, "registrationConfig", "templateName");
    if (why == prov_reason_info(PROV_REASON_PUBLISH_DENIED) ||
        why == prov_reason_info(PROV_REASON_SUBSCRIBE_DENIED))
        known.topic = ctl_get(from, "details");
    ctl_put_cure(out, why->cure, &known);
}

static void field_cure(struct ctl_story *s, const cJSON *from)
{
    struct prov_buf cure;

    prov_buf_init(&cure, 16384);
    put_cure(s, &cure, from);
    ctl_field(s->ctl, "what to do", prov_buf_span(&cure));
    ctl_release(&s->ctl->out, &cure);
}

/* ---- telling --------------------------------------------------------------------------------- */

/* The steps before the one that decided were passed; those behind it were not reached. */
static void say_steps(struct ctl *ctl, const cJSON *attempt)
{
    const struct prov_span at = ctl_get(attempt, "step");
    const bool good = prov_span_eq_str(ctl_get(attempt, "status"), "Success");
    bool reached = false;

    for (enum prov_step step = PROV_STEP_HANDSHAKE; step < PROV_STEPS; step++) {
        const bool here = prov_span_eq_str(at, prov_step_name(step));
        const char *how = reached                              ? "not reached"
                          : !here || good                      ? "passed"
                          : ctl_get_bool(attempt, "retryable") ? "not yet"
                                                               : "refused";

        reached = reached || here;
        ctl_fieldf(ctl, step == PROV_STEP_HANDSHAKE ? "steps" : "", "%-12s %s",
                   prov_step_name(step), how);
    }
}

static void say_attempt(struct ctl_story *s, const cJSON *attempt)
{
    const struct prov_span code = ctl_get(attempt, "errorCode");
    const uint32_t repeats = ctl_get_version(attempt, "repeats");
    struct ctl *ctl = s->ctl;

    ctl_field(ctl, "attempt", ctl_get(attempt, "attemptId"));
    ctl_field_time(ctl, "when", ctl_get_time(attempt, "timestamp"));
    ctl_field(ctl, "client id", ctl_get(attempt, "clientId"));
    ctl_field(ctl, "address", ctl_get(attempt, "sourceIp"));
    ctl_field(ctl, "certificate", ctl_get(attempt, "principalId"));
    ctl_field(ctl, "common name", ctl_get(attempt, "commonName"));
    say_steps(ctl, attempt);
    ctl_field(ctl, "what happened", ctl_get(attempt, "message"));
    ctl_field(ctl, "in detail", ctl_get(attempt, "details"));
    ctl_fieldf(ctl, "reason", "%.*s%s%.*s", PROV_SPAN_ARG(ctl_get(attempt, "reason")),
               code.n != 0 ? ", " : "", PROV_SPAN_ARG(code));
    if (repeats != 0)
        ctl_fieldf(ctl, "repeated", "%u more like it came too fast to be written down", repeats);
    field_cure(s, attempt);
}

static const struct ctl_column columns[] = {
    { "WHEN", false, false },     { "ATTEMPT", false, false }, { "REASON", false, false },
    { "CLIENT ID", false, true }, { "ADDRESS", false, true },  { "CERTIFICATE", false, false },
};

static void say_earlier(struct ctl_story *s)
{
    const cJSON *attempt = s->attempts->child;
    struct ctl_table table;

    if (attempt == NULL || attempt->next == NULL)
        return;
    ctl_say(s->ctl, "\nEarlier:\n");
    ctl_table_start(&table, columns, PROV_COUNT(columns), &s->ctl->look, &s->ctl->out);
    while ((attempt = attempt->next) != NULL) {
        ctl_cell_time(&table, ctl_get_time(attempt, "timestamp"));
        ctl_cell(&table, ctl_get(attempt, "attemptId"));
        ctl_cell(&table, ctl_get(attempt, "reason"));
        ctl_cell(&table, ctl_get(attempt, "clientId"));
        ctl_cell(&table, ctl_get(attempt, "sourceIp"));
        ctl_cell_id(&table, ctl_get(attempt, "principalId"));
    }
    ctl_table_flush(&table);
    ctl_table_release(&table);
    if (s->more)
        ctl_say(s->ctl, "… and more: --limit N\n");
}

static void say_cert(struct ctl_story *s)
{
    const cJSON *about = ctl_get_object(s->cert, "certificateDescription");
    const struct ctl_short_id id = ctl_short(s->cert_id);
    struct ctl *ctl = s->ctl;

    if (s->cert == NULL) {
        if (s->cert_id.n != 0)
            ctl_fieldf(ctl, "certificate", "%s is not registered", id.text);
        return;
    }
    ctl_fieldf(ctl, "certificate", "%s, %.*s", id.text, PROV_SPAN_ARG(ctl_get(about, "status")));
    ctl_field_time(ctl, "valid until", ctl_get_time(ctl_get_object(about, "validity"), "notAfter"));
    ctl_field_array(ctl, "policies", ctl_get_array(s->cert, "policies"), "policyName");
    ctl_field_array(ctl, "things", ctl_get_array(s->cert, "things"), NULL);
}

static void say_ca(struct ctl_story *s)
{
    const cJSON *about = ctl_get_object(s->ca, "certificateDescription");
    const struct prov_span template_name = ctl_get_in(s->ca, "registrationConfig", "templateName"),
                           hook = ctl_get_in(s->ca, "activationHook", "targetArn");
    const struct ctl_short_id id = ctl_short(s->ca_id);
    const bool automatic = prov_span_eq_str(ctl_get(about, "autoRegistrationStatus"), "ENABLE");

    if (s->ca != NULL)
        ctl_fieldf(s->ctl, "CA", "%s, %.*s, auto-register %s, %s%.*s%s%.*s", id.text,
                   PROV_SPAN_ARG(ctl_get(about, "status")), automatic ? "on" : "off",
                   template_name.n != 0 ? "template " : "no template", PROV_SPAN_ARG(template_name),
                   hook.n != 0 ? ", hook " : "", PROV_SPAN_ARG(hook));
    else if (s->ca_id.n != 0)
        ctl_fieldf(s->ctl, "CA", "%s is no longer registered", id.text);
}

static void say_verdict(struct ctl_story *s)
{
    const struct prov_span outcome = ctl_get(s->verdict, "outcome"),
                           reason = ctl_get(s->verdict, "reason");
    struct ctl *ctl = s->ctl;

    if (s->verdict == NULL)
        return;
    if (prov_span_eq_str(outcome, "ACCEPTED")) {
        ctl_fieldf(ctl, "verdict", "would be accepted now%s",
                   ctl_get_bool(s->verdict, "policiesAsked")
                       ? ""
                       : ", if its policies allow the client id it has");
        return;
    }
    if (prov_span_eq_str(outcome, "PROVISIONED_ON_NEXT_TRY")) {
        ctl_fieldf(ctl, "verdict", "%s now, on its next try",
                   ctl_get_bool(s->verdict, "hookDecides") ? "its CA's hook would decide"
                                                           : "would be provisioned");
        return;
    }
    ctl_fieldf(ctl, "verdict", "would be refused now: %.*s",
               PROV_SPAN_ARG(ctl_get(s->verdict, "message")));
    if (!prov_span_eq(ctl_get(s->attempts->child, "reason"), reason))
        field_cure(s, s->verdict);
}

static void say_story(struct ctl_story *s)
{
    if (s->attempts->child != NULL)
        say_attempt(s, s->attempts->child);
    else
        ctl_say(s->ctl, "No attempt of it is in the log.\n");
    say_earlier(s);
    ctl_say(s->ctl, "\nNow:\n");
    say_cert(s);
    say_ca(s);
    say_verdict(s);
}

/* ---- for programs ---------------------------------------------------------------------------- */

static void put_cure_text(struct ctl_story *s, struct prov_doc *d, cJSON *into)
{
    struct prov_buf cure;

    prov_buf_init(&cure, 16384);
    put_cure(s, &cure, into);
    prov_doc_text_if(d, into, "cure", prov_buf_span(&cure));
    ctl_release(&s->ctl->out, &cure);
}

static void put_if(struct prov_doc *d, const char *key, cJSON **item)
{
    if (*item != NULL)
        (void)prov_doc_put(d, d->root, key, *item);
    *item = NULL;
}

/* The operations' answers as they are, and the cures. */
static enum prov_rc answer(struct ctl_story *s)
{
    struct prov_doc d = prov_doc_start(NULL);
    cJSON *attempt;

    cJSON_ArrayForEach(attempt, s->attempts)
    {
        put_cure_text(s, &d, attempt);
    }
    if (ctl_get(s->verdict, "reason").n != 0)
        put_cure_text(s, &d, s->verdict);
    put_if(&d, "attempts", &s->attempts);
    put_if(&d, "certificate", &s->cert);
    put_if(&d, "caCertificate", &s->ca);
    put_if(&d, "verdict", &s->verdict);
    return ctl_answer_doc(s->ctl, &d);
}

static enum prov_rc explain(struct ctl *ctl)
{
    struct ctl_story s = { .ctl = ctl, .asked = ctl_word(ctl, 0) };
    enum prov_rc rc;

    rc = ctl_story_find(&s);
    if (rc == PROV_OK && ctl->json)
        rc = answer(&s);
    else if (rc == PROV_OK)
        say_story(&s);
    ctl_story_release(&s);
    return rc;
}

static const struct ctl_option options[] = {
    { OPT_LIMIT, "N", "at most so many attempts; 10 when not given", NULL, false },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_verb verbs[] = {
    { "", "ID", "Tells what a device tried, why it was refused, what to do, and how it stands now.",
      "ID is a certificate id (8 or more digits), a client id, a common name, an address, the\n"
      "name of a thing, or the id of an attempt, as the broker's log has it.\n"
      "\n"
      "  provctl explain sensor-0042\n"
      "  provctl explain 7c11d0e4\n"
      "  provctl explain 192.0.2.7 --limit 50\n"
      "  provctl explain 0001947a3c2f8001\n",
      CTL_READ, options, explain },
};

const struct ctl_noun ctl_noun_explain = {
    "explain", "why a device was refused, and what to do", "", verbs, PROV_COUNT(verbs), false
};
