#include "report.h"

#include <stdlib.h>

#include "core/ident.h"
#include "sys.h"

#define MAX_WAITING 256 /* attempts submitted and not yet written */
#define RECENT 1024     /* refusals remembered to see repetitions; a power of two */
#define QUIET_MS 1000

struct recent {
    uint64_t key;
    int64_t at_ms;
    uint32_t repeats;
};

struct prov_reports {
    struct recent recent[RECENT];
    unsigned waiting;
    uint64_t dropped;
    int64_t told_ms; /* when dropping was last logged */
};

enum prov_rc prov_reports_new(struct prov_reports **out)
{
    *out = calloc(1, sizeof **out);
    return *out != NULL ? PROV_OK : PROV_ENOMEM;
}

void prov_reports_free(struct prov_reports *reports)
{
    free(reports);
}

prov_attempt_id prov_report_attempt(struct prov_plugin *pl)
{
    pl->last_attempt = prov_attempt_next_id(pl->last_attempt, prov_now_ms());
    return pl->last_attempt;
}

uint64_t prov_reports_dropped(const struct prov_reports *reports)
{
    return reports->dropped;
}

/* ---- repetitions ----------------------------------------------------------------------------- */

/* FNV-1a, 64 bits: who was refused for what. Two that collide share a second, no more. */
static uint64_t mix(uint64_t h, const void *p, size_t n)
{
    const uint8_t *bytes = p;

    for (size_t i = 0; i < n; i++)
        h = (h ^ bytes[i]) * UINT64_C(0x100000001b3);
    return h;
}

static uint64_t key_of(const struct prov_refusal *r)
{
    const uint32_t reason = (uint32_t)r->reason;
    uint64_t h = mix(UINT64_C(0xcbf29ce484222325), &reason, sizeof reason);

    h = mix(h, r->detail.p, r->detail.n);
    if (!prov_id_is_zero(&r->cert))
        return mix(h, r->cert.b, PROV_ID_LEN);
    return r->address != NULL ? mix(h, r->address, strlen(r->address)) : h;
}

/* Has the same been written within the last second? Otherwise *repeats is what was passed over
 * since. */
static bool repeated(struct prov_reports *reports, const struct prov_refusal *r, int64_t now_ms,
                     uint32_t *repeats)
{
    const uint64_t key = key_of(r);
    struct recent *slot = &reports->recent[key & (RECENT - 1)];

    *repeats = slot->key == key ? slot->repeats : 0;
    if (slot->key == key && now_ms - slot->at_ms < QUIET_MS) {
        slot->repeats++;
        return true;
    }
    *slot = (struct recent){ key, now_ms, 0 };
    return false;
}

/* ---- the line -------------------------------------------------------------------------------- */

static void add_id(struct prov_buf *line, const char *key, const struct prov_id *id)
{
    char hex[PROV_ID_HEX + 1];

    if (prov_id_is_zero(id))
        return;
    prov_id_hex(id, hex);
    prov_buf_addf(line, " %s=%s", key, hex);
}

static void add_text(struct prov_buf *line, const char *key, struct prov_span value)
{
    char quoted[256];

    if (value.n != 0)
        prov_buf_addf(line, " %s=%s", key, prov_log_quote(value, quoted, sizeof quoted));
}

void prov_report_log(enum prov_level level, const char *outcome, prov_attempt_id attempt,
                     const struct prov_refusal *r)
{
    const struct prov_reason_info *info = prov_reason_info(r->reason);
    char id[PROV_ATTEMPT_HEX + 1];
    struct prov_buf line;

    prov_attempt_id_text(attempt, id);
    prov_buf_init(&line, PROV_LOG_LINE_MAX);
    prov_buf_addf(&line, "%s attempt=%s reason=%s step=%s", outcome, id, info->name,
                  prov_step_name(info->step));
    add_text(&line, "address", prov_span_str(r->address));
    add_text(&line, "client", prov_span_str(r->client_id));
    add_id(&line, "certificate", &r->cert);
    add_id(&line, "ca", &r->ca);
    add_text(&line, "detail", r->detail);
    prov_buf_addf(&line, " text=\"%s\"", info->sentence);
    prov_log(level, "%s", prov_buf_cstr(&line));
    prov_buf_release(&line);
}

/* ---- the record ------------------------------------------------------------------------------ */

struct report_job {
    struct prov_job job;
    struct prov_plugin *pl;
    struct prov_attempt attempt;
    struct prov_buf texts; /* client id, address, common name and detail, one after the other */
    size_t n[4];
};

/* A span's place in texts, since the buffer moves while it grows. */
static void keep(struct report_job *job, size_t field, struct prov_span text)
{
    prov_buf_add(&job->texts, text);
    job->n[field] = text.n;
}

static void point(struct report_job *job)
{
    struct prov_span *const fields[] = { &job->attempt.client_id, &job->attempt.address,
                                         &job->attempt.common_name, &job->attempt.detail };
    const uint8_t *p = job->texts.p;

    for (size_t i = 0; i < PROV_COUNT(fields); i++) {
        *fields[i] = prov_span(p, job->n[i]);
        p = p != NULL ? p + job->n[i] : NULL;
    }
}

static enum prov_rc apply_report(struct prov_job *base, struct prov_txn *txn)
{
    struct report_job *job = (struct report_job *)base;
    struct prov_tx tx = { txn, job->attempt.at_ms, NULL };

    return prov_attempt_put(&tx, &job->attempt);
}

static void free_job(struct report_job *job)
{
    prov_buf_release(&job->texts);
    free(job);
}

static void report_done(struct prov_job *base)
{
    struct report_job *job = (struct report_job *)base;

    job->pl->reports->waiting--;
    if (base->rc != PROV_OK)
        job->pl->reports->dropped++;
    free_job(job);
}

static void keep_common_name(struct report_job *job, X509 *leaf)
{
    struct prov_ident *ident = NULL;

    if (leaf != NULL && prov_ident_new(leaf, &ident, NULL) == PROV_OK &&
        ident->dn[PROV_SUBJECT][PROV_DN_COMMON_NAME].n != 0)
        keep(job, 2, ident->dn[PROV_SUBJECT][PROV_DN_COMMON_NAME].v[0]);
    prov_ident_free(ident);
}

static struct report_job *make_job(struct prov_plugin *pl, const struct prov_refusal *r,
                                   const struct prov_attempt *attempt)
{
    struct report_job *job = calloc(1, sizeof *job);

    if (job == NULL)
        return NULL;
    job->job.apply = apply_report;
    job->job.done = report_done;
    job->pl = pl;
    job->attempt = *attempt;
    prov_buf_init(&job->texts, 64 * 1024);
    keep(job, 0, prov_span_str(r->client_id));
    keep(job, 1, prov_span_str(r->address));
    keep_common_name(job, r->leaf);
    keep(job, 3, r->detail);
    if (job->texts.rc != PROV_OK) {
        free_job(job);
        return NULL;
    }
    point(job);
    return job;
}

static void tell_dropped(struct prov_reports *reports, int64_t now_ms)
{
    reports->dropped++;
    if (now_ms - reports->told_ms < 60 * 1000)
        return;
    reports->told_ms = now_ms;
    prov_log(PROV_LOG_WARNING,
             "attempts-dropped count=%llu text=\"Refusals come faster than they "
             "can be recorded; their log lines are complete.\"",
             (unsigned long long)reports->dropped);
}

void prov_report(struct prov_plugin *pl, const struct prov_refusal *r)
{
    struct prov_attempt attempt = { .reason = r->reason, .cert = r->cert, .ca = r->ca };
    struct report_job *job;

    prov_sys_refused(pl, r->reason, r->request);
    attempt.at_ms = prov_now_ms();
    if (repeated(pl->reports, r, attempt.at_ms, &attempt.repeats))
        return;
    attempt.id = prov_report_attempt(pl);
    prov_report_log(r->reason == PROV_REASON_THROTTLED ? PROV_LOG_AUDIT : PROV_LOG_NOTICE,
                    "refused", attempt.id, r);
    job = pl->reports->waiting < MAX_WAITING ? make_job(pl, r, &attempt) : NULL;
    if (job == NULL) {
        tell_dropped(pl->reports, attempt.at_ms);
        return;
    }
    if (prov_pool_submit(pl->pool, &job->job) != PROV_OK) {
        free_job(job);
        tell_dropped(pl->reports, attempt.at_ms);
        return;
    }
    pl->reports->waiting++;
}
