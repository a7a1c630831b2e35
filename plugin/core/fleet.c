#include "fleet_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include "csr.h"
#include "flow.h"

#define PEM_MAX (2 * PROV_MAX_CERT_DER)
/* Text has at most six times its size in JSON: what a device may send, and what is kept of an
 * answer, always fits. */
#define REQUEST_MAX ((size_t)8 * PROV_MAX_FLEET_PAYLOAD)
#define ANSWER_MAX ((size_t)8 * PROV_MAX_FLEET_ANSWER)

struct prov_fleet *prov_fleet_new(void)
{
    struct prov_fleet *fleet = calloc(1, sizeof *fleet);

    if (fleet == NULL)
        return NULL;
    prov_buf_init(&fleet->payload, PROV_MAX_FLEET_PAYLOAD);
    prov_buf_init(&fleet->request, REQUEST_MAX);
    prov_buf_init(&fleet->hook_text, PROV_MAX_HOOK + 1);
    prov_buf_init(&fleet->der, PROV_MAX_CERT_DER);
    prov_buf_init(&fleet->provided, PROV_MAX_CERT_DER);
    prov_buf_init(&fleet->pem, PEM_MAX);
    prov_buf_init(&fleet->told, PROV_MAX_FLEET_ANSWER);
    return fleet;
}

void prov_fleet_free(struct prov_fleet *fleet)
{
    if (fleet == NULL)
        return;
    prov_buf_wipe(&fleet->payload);
    prov_buf_wipe(&fleet->request);
    prov_buf_release(&fleet->hook_text);
    prov_buf_release(&fleet->der);
    prov_buf_release(&fleet->provided);
    prov_buf_release(&fleet->pem);
    prov_buf_release(&fleet->told);
    prov_fleet_request_free(fleet->asked);
    prov_csr_free(fleet->csr);
    prov_key_release(&fleet->key);
    prov_plan_free(fleet->plan);
    prov_hook_answer_free(fleet->answer);
    OPENSSL_cleanse(fleet, sizeof *fleet);
    free(fleet);
}

/* ---- refusals -------------------------------------------------------------------------------- */

/* What the device is told of each: reference 1.4. Those not here are 500 InternalFailure. */
static const struct {
    enum prov_reason reason;
    int status;
    const char *code;
} codes[] = {
    { PROV_REASON_BAD_REQUEST, 400, "InvalidRequest" },
    { PROV_REASON_BAD_CSR, 400, "InvalidCertificateSigningRequest" },
    { PROV_REASON_BAD_TOKEN, 400, "InvalidCertificateOwnershipToken" },
    { PROV_REASON_TEMPLATE_FAILED, 400, "InvalidParameters" },
    { PROV_REASON_TEMPLATE_TYPE, 400, "InvalidRequest" },
    { PROV_REASON_CERT_INACTIVE, 403, "AccessDenied" },
    { PROV_REASON_CERT_REVOKED, 403, "AccessDenied" },
    { PROV_REASON_CERT_PENDING_TRANSFER, 403, "AccessDenied" },
    { PROV_REASON_CERT_PENDING, 403, "AccessDenied" },
    { PROV_REASON_CERT_DELETED, 403, "AccessDenied" },
    { PROV_REASON_EXPIRED, 403, "AccessDenied" },
    { PROV_REASON_CLAIM_SUSPENDED, 403, "AccessDenied" },
    { PROV_REASON_CLAIM_SPENT, 403, "AccessDenied" },
    { PROV_REASON_CLAIM_WINDOW, 403, "AccessDenied" },
    { PROV_REASON_CLAIM_NETWORK, 403, "AccessDenied" },
    { PROV_REASON_CLAIM_TEMPLATE, 403, "AccessDenied" },
    { PROV_REASON_CLAIM_PARAMETER, 403, "AccessDenied" },
    { PROV_REASON_CLAIM_THING, 403, "AccessDenied" },
    { PROV_REASON_PRE_HOOK_FAILED, 403, "AccessDenied" },
    { PROV_REASON_PRE_HOOK_REJECTED, 403, "AccessDenied" },
    { PROV_REASON_TEMPLATE_MISSING, 404, "ResourceNotFound" },
    { PROV_REASON_TEMPLATE_DISABLED, 404, "ResourceNotFound" },
    { PROV_REASON_CLAIM_RATE, 429, "Throttling" },
    { PROV_REASON_THROTTLED, 429, "Throttling" },
    { PROV_REASON_BUSY, 503, "ServiceUnavailable" },
    { PROV_REASON_NO_ISSUER, 503, "ServiceUnavailable" },
};

/* In the device's eyes it is connected, and asks. */
static const char *step_name(enum prov_step step)
{
    switch (step) {
    case PROV_STEP_HANDSHAKE:
    case PROV_STEP_ISSUER:
    case PROV_STEP_CERTIFICATE:
        return prov_step_name(PROV_STEP_CLAIM);
    case PROV_STEP_CONNECT:
    case PROV_STEP_REGISTER:
        return prov_step_name(PROV_STEP_REQUEST);
    default:
        return prov_step_name(step);
    }
}

/* "template: Resources.t.Properties.ThingName: …": the step that failed, and the cause. */
void fleet_refuse(struct prov_fleet *fleet, enum prov_reason reason, const char *detail,
                  const char *told)
{
    const struct prov_reason_info *info = prov_reason_info(reason);

    fleet->reason = reason != PROV_REASON_NONE ? reason : PROV_REASON_INTERNAL;
    if (fleet->op != PROV_REGISTER_THING)
        memset(&fleet->cert, 0, sizeof fleet->cert); /* there is none */
    (void)snprintf(fleet->detail, sizeof fleet->detail, "%s", detail != NULL ? detail : "");
    (void)snprintf(fleet->message, sizeof fleet->message, "%s: %s", step_name(info->step),
                   told != NULL && told[0] != '\0' ? told : info->sentence);
}

/* What is wrong with its request is for the device to know; what is too much here is not. */
void prov_fleet_refuse(struct prov_fleet *fleet, enum prov_reason reason, const char *detail)
{
    fleet_refuse(fleet, reason, detail, reason == PROV_REASON_BAD_REQUEST ? detail : NULL);
}

enum prov_rc fleet_result(struct prov_fleet *fleet, struct prov_tx *tx, const struct prov_err *err,
                          enum prov_rc rc, enum prov_reason reason)
{
    char text[sizeof err->path + sizeof err->text + 4];

    if (rc == PROV_OK)
        return PROV_OK;
    if (fleet_transient(rc)) {
        if (tx->err != NULL)
            *tx->err = *err;
        return rc;
    }
    (void)snprintf(text, sizeof text, "%s%s%s", err->path, err->path[0] != '\0' ? ": " : "",
                   err->text);
    fleet_refuse(fleet, reason, text, text);
    return PROV_OK;
}

void prov_fleet_failed(struct prov_fleet *fleet, enum prov_rc rc, const struct prov_err *err)
{
    enum prov_reason reason = PROV_REASON_INTERNAL;

    if (rc == PROV_EBUSY)
        reason = PROV_REASON_BUSY;
    else if (rc == PROV_ESTORE)
        reason = PROV_REASON_STORE;
    fleet_refuse(fleet, reason, err != NULL && err->text[0] != '\0' ? err->text : prov_rc_name(rc),
                 NULL);
}

bool prov_fleet_succeeded(const struct prov_fleet *fleet)
{
    return fleet->reason == PROV_REASON_ISSUED || fleet->reason == PROV_REASON_PROVISIONED;
}

static enum prov_rc rejected(const struct prov_fleet *fleet, struct prov_buf *out)
{
    if (fleet->reason == PROV_REASON_TEMPLATE_FAILED && fleet->conflict)
        return prov_fleet_rejected(fleet->format, 409, "ResourceConflict", fleet->message, out);
    for (size_t i = 0; i < PROV_COUNT(codes); i++) {
        if (codes[i].reason == fleet->reason)
            return prov_fleet_rejected(fleet->format, codes[i].status, codes[i].code,
                                       fleet->message, out);
    }
    return prov_fleet_rejected(fleet->format, 500, "InternalFailure", fleet->message, out);
}

/* ---- steps that both halves have ------------------------------------------------------------- */

static enum prov_rc read_payload(struct prov_fleet *fleet, struct prov_tx *tx)
{
    const struct prov_fleet_topic topic = { fleet->op, fleet->format,
                                            prov_span_str(fleet->template_name) };
    struct prov_err err = { 0 };
    enum prov_rc rc;

    rc = prov_fleet_request_parse(&topic, prov_buf_span(&fleet->payload), &fleet->asked, &err);
    prov_buf_wipe(&fleet->payload);
    return fleet_result(fleet, tx, &err, rc, PROV_REASON_BAD_REQUEST);
}

static void check_standing(struct prov_fleet *fleet, const struct prov_cert *cert, int64_t now_ms)
{
    if (cert->status != PROV_CERT_ACTIVE)
        fleet_refuse(fleet, prov_flow_status_reason(cert->status), NULL, NULL);
    else if (cert->not_after_s < now_ms / 1000)
        fleet_refuse(fleet, PROV_REASON_EXPIRED, NULL, NULL);
}

enum prov_rc fleet_check_claim(struct prov_fleet *fleet, struct prov_tx *tx, struct prov_cert *cert,
                               struct prov_claim *claim)
{
    const struct prov_claim_ask ask = {
        .address = prov_span_str(fleet->address),
        .template_name = prov_span_str(fleet->template_name),
        .parameters = fleet->asked->parameters,
    };
    struct prov_err err = { 0 };
    struct prov_tx own = { tx->txn, tx->now_ms, &err };
    enum prov_reason reason = PROV_REASON_CERT_INACTIVE;
    enum prov_rc rc;

    rc = prov_cert_get(&own, &fleet->claim, cert);
    if (rc != PROV_OK)
        return fleet_result(fleet, tx, &err, rc, PROV_REASON_CERT_DELETED);
    check_standing(fleet, cert, tx->now_ms);
    if (fleet->reason != PROV_REASON_NONE)
        return PROV_OK;
    rc = prov_claim_get(&own, &fleet->claim, claim);
    if (rc == PROV_OK || rc == PROV_ENOTFOUND)
        rc = prov_claim_check(&own, cert, claim, &ask, &reason);
    return fleet_result(fleet, tx, &err, rc, reason);
}

enum prov_rc fleet_write_attempt(const struct prov_fleet *fleet, struct prov_tx *tx)
{
    struct prov_attempt attempt = {
        .id = fleet->attempt,
        .reason = fleet->reason,
        .cert = fleet->cert,
        .client_id = prov_span_str(fleet->client_id),
        .address = prov_span_str(fleet->address),
        .detail = prov_span_str(fleet->detail),
    };
    struct prov_cert cert;
    enum prov_rc rc;

    rc = prov_cert_get(tx, &fleet->cert, &cert);
    if (rc != PROV_OK)
        return rc;
    attempt.ca = cert.ca_id;
    attempt.common_name = cert.common_name;
    return prov_attempt_put(tx, &attempt);
}

void fleet_describe(struct prov_fleet *fleet)
{
    char claim[PROV_ID_HEX + 1];

    prov_id_hex(&fleet->claim, claim);
    (void)snprintf(
        fleet->detail, sizeof fleet->detail, "%s%s%s, claim %s", prov_fleet_op_name(fleet->op),
        fleet->template_name[0] != '\0' ? ", template " : "", fleet->template_name, claim);
}

/* ---- the two halves -------------------------------------------------------------------------- */

enum prov_rc prov_fleet_prepare(struct prov_fleet *fleet, struct prov_tx *tx,
                                enum prov_fleet_want *want)
{
    enum prov_rc rc = PROV_OK;

    *want = PROV_FLEET_DONE;
    if (fleet->reason == PROV_REASON_NONE && fleet->asked == NULL)
        rc = read_payload(fleet, tx);
    if (rc != PROV_OK || fleet->reason != PROV_REASON_NONE)
        return rc;
    rc = fleet->op == PROV_REGISTER_THING ? fleet_prepare_register(fleet, tx, want)
                                          : fleet_prepare_create(fleet, tx, want);
    if (rc == PROV_OK && fleet->reason != PROV_REASON_NONE)
        *want = PROV_FLEET_DONE;
    return rc;
}

enum prov_rc prov_fleet_apply(struct prov_fleet *fleet, struct prov_tx *tx)
{
    fleet->reason = PROV_REASON_NONE;
    fleet->detail[0] = fleet->message[0] = fleet->thing_name[0] = fleet->token[0] = '\0';
    fleet->conflict = fleet->repeated = fleet->rotated = false;
    return fleet->op == PROV_REGISTER_THING ? fleet_apply_register(fleet, tx)
                                            : fleet_apply_create(fleet, tx);
}

enum prov_rc prov_fleet_answered(struct prov_fleet *fleet, struct prov_span answer)
{
    fleet->called = true;
    return fleet->op == PROV_REGISTER_THING ? fleet_register_answered(fleet, answer)
                                            : fleet_create_answered(fleet, answer);
}

void prov_fleet_unanswered(struct prov_fleet *fleet, const char *detail)
{
    fleet->called = true;
    (void)snprintf(fleet->hook_detail, sizeof fleet->hook_detail, "%s", detail);
}

enum prov_rc prov_fleet_answer(const struct prov_fleet *fleet, struct prov_buf *out)
{
    prov_buf_init(out, ANSWER_MAX);
    if (!prov_fleet_succeeded(fleet))
        return rejected(fleet, out);
    return fleet->op == PROV_REGISTER_THING ? fleet_answer_register(fleet, out)
                                            : fleet_answer_create(fleet, out);
}
