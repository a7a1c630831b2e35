#include "core/api.h"
#include "core/attempt.h"
#include "explain.h"

#define DEFAULT_LIMIT 10
#define MAX_LIMIT 1000

void ctl_story_release(struct ctl_story *s)
{
    cJSON_Delete(s->attempts);
    cJSON_Delete(s->cert);
    cJSON_Delete(s->ca);
    cJSON_Delete(s->verdict);
}

/* ---- attempts -------------------------------------------------------------------------------- */

/* Moves what a page has, up to as many as are wanted. */
static void take_page(struct ctl_story *s, cJSON *data, int wanted)
{
    cJSON *rows = cJSON_GetObjectItemCaseSensitive(data, "attempts");

    while (cJSON_GetArraySize(rows) != 0 && cJSON_GetArraySize(s->attempts) < wanted)
        (void)cJSON_AddItemToArray(s->attempts, cJSON_DetachItemFromArray(rows, 0));
    s->more = cJSON_GetArraySize(rows) != 0;
}

/* Pages may be short, even empty, while the log goes on. One attempt more than is wanted is asked
 * for, to know whether there is one. */
static enum prov_rc find_attempts(struct ctl_story *s, int limit)
{
    char next[PROV_ATTEMPT_HEX + 1] = "";
    struct ctl_params params;
    cJSON *data;
    enum prov_rc rc;

    do {
        const int left = limit + 1 - cJSON_GetArraySize(s->attempts);

        params = ctl_params();
        ctl_put(&params, "about", s->asked);
        ctl_put_number(&params, "maxResults", left < PROV_API_PAGE_MAX ? left : PROV_API_PAGE_MAX);
        ctl_put_if(&params, "nextToken", prov_span_str(next));
        rc = ctl_call(s->ctl, "listAttempts", &params, &data);
        if (rc != PROV_OK)
            return rc;
        take_page(s, data, limit);
        (void)prov_span_copy(ctl_get(data, "nextToken"), next, sizeof next);
        cJSON_Delete(data);
    } while (next[0] != '\0' && !s->more);
    return PROV_OK;
}

/* ---- whose certificate ----------------------------------------------------------------------- */

static bool may_be_id(struct prov_span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\0' || strchr("0123456789abcdefABCDEF", s.p[i]) == NULL)
            return false;
    }
    return s.n >= 8 && s.n <= PROV_ID_HEX;
}

/* What is not there is no error here. */
static enum prov_rc optional(struct ctl *ctl, enum prov_rc rc)
{
    if (rc != PROV_ENOTFOUND)
        return rc;
    memset(&ctl->err, 0, sizeof ctl->err);
    return PROV_OK;
}

static enum prov_rc describe_cert(struct ctl_story *s, struct prov_span id)
{
    enum prov_rc rc;

    rc = ctl_call_one(s->ctl, "describeCertificate", "certificateId", id, &s->cert);
    if (rc == PROV_OK)
        s->cert_id = ctl_get_in(s->cert, "certificateDescription", "certificateId");
    return optional(s->ctl, rc);
}

/* By the sessions, and by the things. */
static enum prov_rc find_by_name(struct ctl_story *s)
{
    cJSON *data;
    enum prov_rc rc;

    rc = ctl_call_one(s->ctl, "testConnection", "clientId", s->asked, &data);
    if (rc == PROV_OK) {
        s->client_id = s->asked;
        (void)prov_span_copy(ctl_get(data, "certificateId"), s->found_id, sizeof s->found_id);
        rc = describe_cert(s, prov_span_str(s->found_id));
    }
    cJSON_Delete(data);
    return optional(s->ctl, rc);
}

/* From the attempts; from the id itself; from the sessions; from the things. */
static enum prov_rc find_cert(struct ctl_story *s)
{
    const cJSON *attempt;
    enum prov_rc rc = PROV_OK;

    cJSON_ArrayForEach(attempt, s->attempts)
    {
        if (ctl_get(attempt, "principalId").n != 0) {
            s->cert_id = ctl_get(attempt, "principalId");
            s->ca_id = ctl_get(attempt, "caCertificateId");
            return describe_cert(s, s->cert_id);
        }
    }
    if (may_be_id(s->asked))
        rc = describe_cert(s, s->asked);
    return rc == PROV_OK && s->cert == NULL ? find_by_name(s) : rc;
}

/* How that certificate's device called itself last: others may share its address. */
static void find_client(struct ctl_story *s)
{
    const cJSON *attempt;

    cJSON_ArrayForEach(attempt, s->attempts)
    {
        if (s->client_id.n == 0 && prov_span_eq(ctl_get(attempt, "principalId"), s->cert_id)) {
            s->client_id = ctl_get(attempt, "clientId");
            s->address = ctl_get(attempt, "sourceIp");
        }
    }
}

/* ---- how it stands now ----------------------------------------------------------------------- */

static enum prov_rc find_ca(struct ctl_story *s)
{
    const struct prov_span of_cert =
        ctl_get_in(s->cert, "certificateDescription", "caCertificateId");

    if (of_cert.n != 0)
        s->ca_id = of_cert;
    if (s->ca_id.n == 0)
        return PROV_OK;
    return optional(
        s->ctl, ctl_call_one(s->ctl, "describeCACertificate", "certificateId", s->ca_id, &s->ca));
}

static enum prov_rc find_verdict(struct ctl_story *s)
{
    struct ctl_params params;

    if (s->cert == NULL)
        return PROV_OK;
    params = ctl_params();
    ctl_put(&params, "certificateId", s->cert_id);
    ctl_put_if(&params, "clientId", s->client_id);
    ctl_put_if(&params, "sourceIp", s->address);
    return ctl_call(s->ctl, "testConnection", &params, &s->verdict);
}

static enum prov_rc nothing_known(struct ctl_story *s)
{
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

enum prov_rc ctl_story_find(struct ctl_story *s)
{
    const uint32_t limit = ctl_number(&s->ctl->args, OPT_LIMIT, DEFAULT_LIMIT);
    enum prov_rc rc;

    if (limit == 0 || limit > MAX_LIMIT)
        return ctl_usage(s->ctl, "--limit is from 1 to %d here", MAX_LIMIT);
    s->attempts = cJSON_CreateArray();
    if (s->attempts == NULL)
        return prov_nomem(&s->ctl->err);
    rc = find_attempts(s, (int)limit);
    if (rc == PROV_OK)
        rc = find_cert(s);
    find_client(s);
    if (rc == PROV_OK)
        rc = find_ca(s);
    if (rc == PROV_OK)
        rc = find_verdict(s);
    if (rc == PROV_OK && s->cert == NULL && cJSON_GetArraySize(s->attempts) == 0)
        return nothing_known(s);
    return rc;
}
