#include <stdlib.h>

#include "core/attempt.h"
#include "core/doc.h"
#include "core/view.h"
#include "ctl.h"
#include "cure.h"
#include "fate.h"
#include "nouns.h"
#include "table.h"

#define DEFAULT_LIMIT 10
#define MAX_LIMIT 1000

/* Everything that is known of what was asked about. Spans live as long as the transaction. */
struct story {
    struct ctl *ctl;
    struct prov_span asked;
    struct prov_attempt attempts[MAX_LIMIT]; /* newest first */
    size_t n, limit;
    bool more;
    struct prov_id cert_id, ca_id;
    struct prov_cert cert;
    struct prov_ca ca;
    bool cert_known, ca_known; /* registered */
    struct prov_span client_id, address;
    struct ctl_fate fate;
};

/* ---- finding ----------------------------------------------------------------------------------
 */

static bool is_hex(struct prov_span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (strchr("0123456789abcdefABCDEF", s.p[i]) == NULL || s.p[i] == '\0')
            return false;
    }
    return s.n != 0;
}

static bool begins_id(struct prov_span digits, const struct prov_id *id)
{
    char hex[PROV_ID_HEX + 1];

    prov_id_hex(id, hex);
    return digits.n >= 8 && digits.n <= PROV_ID_HEX &&
           prov_span_eq_nocase(digits, prov_span(hex, digits.n));
}

static bool is_about(const struct story *s, const struct prov_attempt *attempt)
{
    char id[PROV_ATTEMPT_HEX + 1];

    prov_attempt_id_text(attempt->id, id);
    return prov_span_eq(s->asked, attempt->client_id) || prov_span_eq(s->asked, attempt->address) ||
           prov_span_eq(s->asked, attempt->common_name) ||
           prov_span_eq_nocase(s->asked, prov_span_str(id)) ||
           (!prov_id_is_zero(&attempt->cert) && begins_id(s->asked, &attempt->cert));
}

static bool collect(void *ctx, const struct prov_attempt *attempt)
{
    struct story *s = ctx;

    if (!is_about(s, attempt))
        return true;
    s->more = s->n == s->limit;
    if (s->more)
        return false;
    s->attempts[s->n++] = *attempt;
    return true;
}

/* From the attempts; from the id itself; from the sessions; from the things. */
static enum prov_rc find_cert_id(struct story *s)
{
    struct prov_tx quiet = { s->ctl->tx.txn, s->ctl->tx.now_ms, NULL };
    struct prov_thing thing;
    enum prov_rc rc;

    for (size_t i = 0; i < s->n; i++) {
        if (!prov_id_is_zero(&s->attempts[i].cert)) {
            s->cert_id = s->attempts[i].cert;
            s->ca_id = s->attempts[i].ca;
            return PROV_OK;
        }
    }
    if (is_hex(s->asked) && s->asked.n >= 8 && s->asked.n <= PROV_ID_HEX) {
        rc = prov_cert_resolve(&s->ctl->tx, s->asked, &s->cert_id);
        if (rc != PROV_ENOTFOUND)
            return rc;
    }
    rc = prov_client_get(&quiet, s->asked, &s->cert_id);
    if (rc == PROV_OK)
        s->client_id = s->asked;
    if (rc != PROV_ENOTFOUND)
        return rc;
    rc = prov_thing_get(&quiet, s->asked, &thing);
    if (rc == PROV_OK && thing.n_principals != 0) {
        s->cert_id = thing.principals[0];
        s->client_id = thing.name; /* as devices with a thing are expected to call themselves */
    }
    return rc == PROV_ENOTFOUND ? PROV_OK : rc;
}

/* How that certificate's device called itself last: others may share its address. */
static void find_client(struct story *s)
{
    for (size_t i = 0; i < s->n && s->client_id.n == 0; i++) {
        if (prov_id_eq(&s->attempts[i].cert, &s->cert_id)) {
            s->client_id = s->attempts[i].client_id;
            s->address = s->attempts[i].address;
        }
    }
}

static enum prov_rc optional(enum prov_rc rc, bool *there)
{
    *there = rc == PROV_OK;
    return rc == PROV_ENOTFOUND ? PROV_OK : rc;
}

/* What the registry holds of it now. */
static enum prov_rc find_state(struct story *s)
{
    struct prov_tx quiet = { s->ctl->tx.txn, s->ctl->tx.now_ms, NULL };
    enum prov_rc rc = PROV_OK;

    if (!prov_id_is_zero(&s->cert_id))
        rc = optional(prov_cert_get(&quiet, &s->cert_id, &s->cert), &s->cert_known);
    if (s->cert_known && !prov_id_is_zero(&s->cert.ca_id))
        s->ca_id = s->cert.ca_id;
    if (rc == PROV_OK && !prov_id_is_zero(&s->ca_id))
        rc = optional(prov_ca_get(&quiet, &s->ca_id, &s->ca), &s->ca_known);
    return rc;
}

static enum prov_rc find(struct story *s)
{
    enum prov_rc rc;

    s->limit = ctl_number(&s->ctl->args, OPT_LIMIT, DEFAULT_LIMIT);
    if (s->limit == 0 || s->limit > MAX_LIMIT)
        return ctl_usage(s->ctl, "--limit is from 1 to %d here", MAX_LIMIT);
    rc = prov_attempt_each(&s->ctl->tx, collect, s);
    if (rc == PROV_OK)
        rc = find_cert_id(s);
    find_client(s);
    if (rc == PROV_OK)
        rc = find_state(s);
    if (rc == PROV_OK && s->n == 0 && !s->cert_known) {
        ctl_hint(s->ctl,
                 "Either the device never reached this broker (address, port, TLS "
                 "version?), or its tries are older than the last %d that are kept.",
                 PROV_MAX_ATTEMPTS);
        ctl_hint(s->ctl, "`provctl status` shows whom the broker heard from lately.");
        return prov_fail(&s->ctl->err, PROV_ENOTFOUND, "ResourceNotFoundException",
                         "nothing is known of \"%.*s\": no attempt, no certificate, no session, "
                         "no thing",
                         PROV_SPAN_ARG(s->asked));
    }
    if (rc == PROV_OK && s->cert_known)
        rc = ctl_fate_of(&s->ctl->tx, &s->cert, s->client_id, s->address, &s->fate);
    return rc;
}

/* ---- telling ----------------------------------------------------------------------------------
 */

static void put_cure(struct story *s, struct prov_buf *out, enum prov_reason reason,
                     const struct prov_attempt *attempt)
{
    const struct prov_reason_info *why = prov_reason_info(reason);
    struct ctl_case known = { .client_id = s->client_id };
    char hex[PROV_ID_HEX + 1];

    prov_id_hex(&s->cert_id, hex);
    if (!prov_id_is_zero(&s->cert_id))
        (void)prov_span_copy(prov_span(hex, 12), known.cert, sizeof known.cert);
    prov_id_hex(&s->ca_id, hex);
    if (!prov_id_is_zero(&s->ca_id))
        (void)prov_span_copy(prov_span(hex, 12), known.ca, sizeof known.ca);
    if (why->step == PROV_STEP_TEMPLATE && s->ca_known)
        known.template_name = s->ca.template_name;
    if (attempt != NULL &&
        (reason == PROV_REASON_PUBLISH_DENIED || reason == PROV_REASON_SUBSCRIBE_DENIED))
        known.topic = attempt->detail;
    ctl_put_cure(out, why->cure, &known);
}

static void field_cure(struct story *s, enum prov_reason reason, const struct prov_attempt *attempt)
{
    struct prov_buf cure;

    prov_buf_init(&cure, 16384);
    put_cure(s, &cure, reason, attempt);
    ctl_field(s->ctl, "what to do", prov_buf_span(&cure));
    ctl_release(&s->ctl->out, &cure);
}

/* The steps before the one that decided were passed; those behind it were not reached. */
static void say_steps(struct ctl *ctl, enum prov_reason reason)
{
    const struct prov_reason_info *why = prov_reason_info(reason);
    const bool good = reason == PROV_REASON_PROVISIONED;

    for (enum prov_step step = PROV_STEP_HANDSHAKE; step < PROV_STEPS; step++) {
        const char *how = step < why->step   ? "passed"
                          : step > why->step ? "not reached"
                          : good             ? "passed"
                          : why->retry       ? "not yet"
                                             : "refused";

        ctl_fieldf(ctl, step == PROV_STEP_HANDSHAKE ? "steps" : "", "%-12s %s",
                   prov_step_name(step), how);
    }
}

static void say_attempt(struct story *s, const struct prov_attempt *attempt)
{
    const struct prov_reason_info *why = prov_reason_info(attempt->reason);
    struct ctl *ctl = s->ctl;
    char text[PROV_ID_HEX + 1];

    prov_attempt_id_text(attempt->id, text);
    ctl_field(ctl, "attempt", prov_span_str(text));
    ctl_field_time(ctl, "when", attempt->at_ms);
    ctl_field(ctl, "client id", attempt->client_id);
    ctl_field(ctl, "address", attempt->address);
    prov_id_hex(&attempt->cert, text);
    if (!prov_id_is_zero(&attempt->cert))
        ctl_field(ctl, "certificate", prov_span_str(text));
    ctl_field(ctl, "common name", attempt->common_name);
    say_steps(ctl, attempt->reason);
    ctl_fieldf(ctl, "what happened", "%s", why->sentence);
    ctl_field(ctl, "in detail", attempt->detail);
    ctl_fieldf(ctl, "reason", "%s%s%s", why->name, why->aws_code[0] != '\0' ? ", " : "",
               why->aws_code);
    if (attempt->repeats != 0)
        ctl_fieldf(ctl, "repeated", "%u more like it came too fast to be written down",
                   attempt->repeats);
    field_cure(s, attempt->reason, attempt);
}

static const struct ctl_column columns[] = {
    { "WHEN", false, false },     { "ATTEMPT", false, false }, { "REASON", false, false },
    { "CLIENT ID", false, true }, { "ADDRESS", false, true },  { "CERTIFICATE", false, false },
};

static void say_earlier(struct story *s)
{
    struct ctl_table table;

    if (s->n < 2)
        return;
    ctl_say(s->ctl, "\nEarlier:\n");
    ctl_table_start(&table, columns, PROV_COUNT(columns), &s->ctl->look, &s->ctl->out);
    for (size_t i = 1; i < s->n; i++) {
        const struct prov_attempt *attempt = &s->attempts[i];
        char id[PROV_ATTEMPT_HEX + 1];

        prov_attempt_id_text(attempt->id, id);
        ctl_cell_time(&table, attempt->at_ms);
        ctl_cell(&table, prov_span_str(id));
        ctl_cell(&table, prov_span_str(prov_reason_info(attempt->reason)->name));
        ctl_cell(&table, attempt->client_id);
        ctl_cell(&table, attempt->address);
        ctl_cell_id(&table, &attempt->cert);
    }
    ctl_table_flush(&table);
    ctl_table_release(&table);
    if (s->more)
        ctl_say(s->ctl, "… and more: --limit N\n");
}

static void say_state(struct story *s)
{
    struct ctl *ctl = s->ctl;
    char hex[PROV_ID_HEX + 1];

    ctl_say(ctl, "\nNow:\n");
    prov_id_hex(&s->cert_id, hex);
    if (s->cert_known) {
        ctl_fieldf(ctl, "certificate", "%.12s, %s", hex, prov_cert_status_name(s->cert.status));
        ctl_field_time(ctl, "valid until", s->cert.not_after_s * 1000);
        ctl_field_names(ctl, "policies", s->cert.policies, s->cert.n_policies);
        ctl_field_names(ctl, "things", s->cert.things, s->cert.n_things);
    } else if (!prov_id_is_zero(&s->cert_id)) {
        ctl_fieldf(ctl, "certificate", "%.12s is not registered", hex);
    }
    prov_id_hex(&s->ca_id, hex);
    if (s->ca_known)
        ctl_fieldf(ctl, "CA", "%.12s, %s, auto-register %s, %s%.*s", hex,
                   s->ca.active ? "ACTIVE" : "INACTIVE", s->ca.auto_registration ? "on" : "off",
                   s->ca.template_name.n != 0 ? "template " : "no template",
                   PROV_SPAN_ARG(s->ca.template_name));
    else if (!prov_id_is_zero(&s->ca_id))
        ctl_fieldf(ctl, "CA", "%.12s is no longer registered", hex);
}

static void say_fate(struct story *s)
{
    const enum prov_reason reason = s->fate.reason;
    struct ctl *ctl = s->ctl;

    if (!s->cert_known)
        return;
    switch (s->fate.outcome) {
    case PROV_KNOWN:
        ctl_fieldf(ctl, "verdict", "would be accepted now%s",
                   s->fate.asked_policy ? "" : ", if its policies allow the client id it has");
        return;
    case PROV_NEW:
        ctl_fieldf(ctl, "verdict", "would be provisioned now, on its next try");
        return;
    case PROV_REFUSED:
    case PROV_FOREIGN:
        ctl_fieldf(ctl, "verdict", "would be refused now: %s", prov_reason_info(reason)->sentence);
        if (s->n == 0 || s->attempts[0].reason != reason)
            field_cure(s, reason, NULL);
        return;
    }
}

/* ---- for programs -----------------------------------------------------------------------------
 */

static const char *const outcomes[] = {
    [PROV_FOREIGN] = "NOT_OURS",
    [PROV_REFUSED] = "REFUSED",
    [PROV_KNOWN] = "ACCEPTED",
    [PROV_NEW] = "PROVISIONED_ON_NEXT_TRY",
};

static void put_cure_text(struct story *s, struct prov_doc *d, cJSON *into, enum prov_reason reason,
                          const struct prov_attempt *attempt)
{
    struct prov_buf cure;

    prov_buf_init(&cure, 16384);
    put_cure(s, &cure, reason, attempt);
    prov_doc_text_if(d, into, "cure", prov_buf_span(&cure));
    ctl_release(&s->ctl->out, &cure);
}

static void put_fate(struct story *s, struct prov_doc *d)
{
    const struct prov_reason_info *why = prov_reason_info(s->fate.reason);
    cJSON *verdict;

    if (!s->cert_known)
        return;
    verdict = prov_doc_object(d, d->root, "verdict");
    prov_doc_text(d, verdict, "outcome", prov_span_str(outcomes[s->fate.outcome]));
    if (s->fate.reason == PROV_REASON_NONE)
        return;
    prov_doc_text(d, verdict, "reason", prov_span_str(why->name));
    prov_doc_text(d, verdict, "message", prov_span_str(why->sentence));
    put_cure_text(s, d, verdict, s->fate.reason, NULL);
}

static enum prov_rc put_attempts(struct story *s, struct prov_doc *d)
{
    cJSON *array = prov_doc_array(d, d->root, "attempts"), *item;
    enum prov_rc rc = PROV_OK;

    for (size_t i = 0; i < s->n && rc == PROV_OK; i++) {
        rc = prov_view_attempt(&s->attempts[i], &item);
        if (rc == PROV_OK)
            put_cure_text(s, d, prov_doc_append(d, array, item), s->attempts[i].reason,
                          &s->attempts[i]);
    }
    return rc;
}

static enum prov_rc answer(struct story *s)
{
    struct prov_doc d = prov_doc_start(&s->ctl->tx);
    cJSON *view = NULL;
    enum prov_rc rc;

    rc = put_attempts(s, &d);
    if (rc == PROV_OK && s->cert_known) {
        rc = prov_view_cert(&s->ctl->tx, &s->cert, &view);
        if (rc == PROV_OK)
            (void)prov_doc_put(&d, d.root, "certificate", view);
    }
    if (rc == PROV_OK && s->ca_known) {
        rc = prov_view_ca(&s->ctl->tx, &s->ca, &view);
        if (rc == PROV_OK)
            (void)prov_doc_put(&d, d.root, "caCertificate", view);
    }
    if (rc == PROV_OK)
        put_fate(s, &d);
    if (rc != PROV_OK) {
        cJSON_Delete(d.root);
        return rc;
    }
    return ctl_answer_doc(s->ctl, &d);
}

static void say_story(struct story *s)
{
    if (s->n != 0)
        say_attempt(s, &s->attempts[0]);
    else
        ctl_say(s->ctl, "No attempt of it is in the log.\n");
    say_earlier(s);
    say_state(s);
    say_fate(s);
}

static enum prov_rc explain(struct ctl *ctl)
{
    struct story *s = calloc(1, sizeof *s);
    enum prov_rc rc;

    if (s == NULL)
        return prov_nomem(&ctl->err);
    s->ctl = ctl;
    s->asked = ctl_word(ctl, 0);
    rc = find(s);
    if (rc == PROV_OK && ctl->json)
        rc = answer(s);
    else if (rc == PROV_OK)
        say_story(s);
    free(s);
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
