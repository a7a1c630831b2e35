/* What devices tried, and what would become of them now: what `provctl explain` asks. */
#include "api_priv.h"

#include <openssl/x509.h>

#include "flow.h"
#include "ident.h"
#include "rights.h"

/* ---- attempts -------------------------------------------------------------------------------- */

struct search {
    struct prov_span about, cert, client_id, address; /* empty: any */
    struct prov_doc doc;
    cJSON *rows;
    size_t n, max, looks;
    prov_attempt_id last;
    bool more;
};

/* By 8 or more of its first digits. */
static bool begins_id(struct prov_span digits, const struct prov_id *id)
{
    char hex[PROV_ID_HEX + 1];

    prov_id_hex(id, hex);
    return !prov_id_is_zero(id) && digits.n >= 8 && digits.n <= PROV_ID_HEX &&
           prov_span_eq_nocase(digits, prov_span(hex, digits.n));
}

static bool is_about(struct prov_span text, const struct prov_attempt *attempt)
{
    char id[PROV_ATTEMPT_HEX + 1];

    prov_attempt_id_text(attempt->id, id);
    return prov_span_eq(text, attempt->client_id) || prov_span_eq(text, attempt->address) ||
           prov_span_eq(text, attempt->common_name) ||
           prov_span_eq_nocase(text, prov_span_str(id)) || begins_id(text, &attempt->cert);
}

static bool matches(const struct search *s, const struct prov_attempt *attempt)
{
    return (s->about.n == 0 || is_about(s->about, attempt)) &&
           (s->cert.n == 0 || begins_id(s->cert, &attempt->cert)) &&
           (s->client_id.n == 0 || prov_span_eq(s->client_id, attempt->client_id)) &&
           (s->address.n == 0 || prov_span_eq(s->address, attempt->address));
}

static bool visit(void *ctx, const struct prov_attempt *attempt)
{
    struct search *s = ctx;
    cJSON *row = NULL;

    s->more = s->n == s->max || s->looks == PROV_API_LOOKS;
    if (s->more)
        return false;
    s->looks++;
    s->last = attempt->id;
    if (!matches(s, attempt))
        return true;
    s->n++;
    if (s->doc.rc == PROV_OK)
        s->doc.rc = prov_view_attempt(attempt, &row);
    (void)prov_doc_append(&s->doc, s->rows, row);
    return s->doc.rc == PROV_OK;
}

static enum prov_rc read_token(struct prov_tx *tx, struct prov_span token, prov_attempt_id *out)
{
    uint8_t bytes[8];

    *out = 0;
    if (token.n == 0)
        return PROV_OK;
    if (token.n != PROV_ATTEMPT_HEX || !prov_unhex(token, bytes, sizeof bytes))
        return api_refuse(tx, "nextToken", "is no token that this list has given out");
    for (size_t i = 0; i < sizeof bytes; i++)
        *out = *out << 8 | bytes[i];
    return PROV_OK;
}

static void put_next(struct search *s)
{
    char id[PROV_ATTEMPT_HEX + 1];

    prov_attempt_id_text(s->last, id);
    if (s->more)
        prov_doc_text(&s->doc, s->doc.root, "nextToken", prov_span_str(id));
}

static enum prov_rc list(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    struct search s = {
        .about = api_text(params, "about"),
        .cert = api_text(params, "certificateId"),
        .client_id = api_text(params, "clientId"),
        .address = api_text(params, "sourceIp"),
    };
    prov_attempt_id before;
    struct prov_span token;
    enum prov_rc rc;

    rc = api_page(tx, params, API_TOKEN, &s.max, &token);
    if (rc == PROV_OK)
        rc = read_token(tx, token, &before);
    if (rc != PROV_OK)
        return rc;
    s.doc = prov_doc_start(tx);
    s.rows = prov_doc_array(&s.doc, s.doc.root, "attempts");
    if (s.doc.rc == PROV_OK)
        rc = prov_attempt_each_before(tx, before, visit, &s);
    if (rc != PROV_OK) {
        cJSON_Delete(s.doc.root);
        return rc;
    }
    put_next(&s);
    return prov_doc_end(&s.doc, data);
}

/* ---- a connection now ------------------------------------------------------------------------ */

struct fate {
    struct prov_tx *tx;
    struct prov_cert cert;
    struct prov_span client_id, address;
    X509 *leaf;
    struct prov_decision decision;
    bool asked_policy, hook_decides;
};

/* From the id; from the sessions; from the things, which devices are called after. */
static enum prov_rc find_cert(struct fate *f, const cJSON *params)
{
    struct prov_tx quiet = { f->tx->txn, f->tx->now_ms, NULL };
    struct prov_thing thing;
    struct prov_id id;
    enum prov_rc rc;

    if (api_get(params, "certificateId") != NULL) {
        rc = api_cert_id(f->tx, params, "certificateId", &id);
        return rc != PROV_OK ? rc : prov_cert_get(f->tx, &id, &f->cert);
    }
    if (f->client_id.n == 0)
        return api_refuse(f->tx, "certificateId", "one of certificateId and clientId is needed");
    rc = prov_client_get(&quiet, f->client_id, &id);
    if (rc == PROV_ENOTFOUND) {
        rc = prov_thing_get(&quiet, f->client_id, &thing);
        if (rc == PROV_OK && thing.n_principals == 0)
            rc = PROV_ENOTFOUND;
        if (rc == PROV_OK)
            id = thing.principals[0];
    }
    if (rc == PROV_ENOTFOUND)
        return prov_fail(f->tx->err, rc, "ResourceNotFoundException",
                         "no session and no thing with a certificate is called \"%.*s\"",
                         PROV_SPAN_ARG(f->client_id));
    return rc != PROV_OK ? rc : prov_cert_get(f->tx, &id, &f->cert);
}

static enum prov_rc admit(struct fate *f)
{
    struct prov_issuers *issuers = NULL;
    struct prov_span der;
    enum prov_rc rc;

    rc = prov_cert_der(f->tx, &f->cert.id, &der);
    if (rc == PROV_OK)
        rc = prov_ident_decode(der, &f->leaf, f->tx->err);
    if (rc == PROV_OK)
        rc = prov_issuers_new(&issuers);
    if (rc == PROV_OK)
        rc = prov_flow_admit(issuers, f->tx, f->leaf, &f->cert.id, &f->decision);
    prov_issuers_free(issuers);
    return rc;
}

static void refuse(struct fate *f, enum prov_reason reason)
{
    f->decision.outcome = PROV_REFUSED;
    f->decision.reason = reason;
}

/* What its CA has for those that are to be activated: a template, a hook, or patience. */
static enum prov_rc ask_ca(struct fate *f)
{
    struct prov_ca ca;
    const enum prov_rc rc = prov_ca_get(f->tx, &f->decision.ca, &ca);

    if (rc != PROV_OK)
        return rc;
    f->hook_decides = ca.hook.n != 0;
    if (ca.hook.n == 0 && ca.template_name.n == 0)
        refuse(f, PROV_REASON_CERT_PENDING);
    return PROV_OK;
}

static enum prov_rc ask_policy(struct fate *f)
{
    const struct prov_policy_request request = { .action = PROV_ACT_CONNECT, .name = f->client_id };
    const struct prov_who who = { f->client_id, f->address, f->leaf };
    struct prov_rights *rights = NULL;
    struct prov_policy *policy = NULL;
    enum prov_rc rc;

    if (!prov_flow_client_id_ok(f->client_id)) {
        refuse(f, PROV_REASON_CLIENT_ID);
        return PROV_OK;
    }
    rc = prov_rights_new(&rights);
    if (rc == PROV_OK)
        rc = prov_rights_policy(rights, f->tx, &f->cert, &who, &policy);
    if (rc == PROV_OK && prov_policy_decide(policy, &request) != PROV_ALLOWED)
        refuse(f, PROV_REASON_CONNECT_DENIED);
    f->asked_policy = rc == PROV_OK;
    prov_policy_free(policy);
    prov_rights_free(rights);
    return rc;
}

static const char *outcome_name(enum prov_outcome outcome)
{
    switch (outcome) {
    case PROV_FOREIGN:
        return "NOT_OURS";
    case PROV_REFUSED:
        return "REFUSED";
    case PROV_KNOWN:
        return "ACCEPTED";
    case PROV_NEW:
        return "PROVISIONED_ON_NEXT_TRY";
    }
    return "UNKNOWN";
}

static enum prov_rc answer(struct fate *f, cJSON **data)
{
    const struct prov_reason_info *why = prov_reason_info(f->decision.reason);
    struct prov_doc d = api_about_cert(f->tx, "cert", &f->cert.id);

    prov_doc_text(&d, d.root, "certificateStatus",
                  prov_span_str(prov_cert_status_name(f->cert.status)));
    prov_doc_id(&d, d.root, "caCertificateId",
                prov_id_is_zero(&f->cert.ca_id) ? &f->decision.ca : &f->cert.ca_id);
    prov_doc_text_if(&d, d.root, "clientId", f->client_id);
    prov_doc_text(&d, d.root, "outcome", prov_span_str(outcome_name(f->decision.outcome)));
    prov_doc_bool(&d, d.root, "policiesAsked", f->asked_policy);
    if (f->hook_decides)
        prov_doc_bool(&d, d.root, "hookDecides", true);
    if (f->decision.reason != PROV_REASON_NONE) {
        prov_doc_text(&d, d.root, "reason", prov_span_str(why->name));
        prov_doc_text(&d, d.root, "message", prov_span_str(why->sentence));
    }
    return prov_doc_end(&d, data);
}

static enum prov_rc test_connection(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    struct fate f = { .tx = tx,
                      .client_id = api_text(params, "clientId"),
                      .address = api_text(params, "sourceIp") };
    enum prov_rc rc;

    rc = find_cert(&f, params);
    if (rc == PROV_OK)
        rc = admit(&f);
    if (rc == PROV_OK && f.decision.outcome == PROV_NEW)
        rc = ask_ca(&f);
    else if (rc == PROV_OK && f.decision.outcome == PROV_KNOWN && f.client_id.n != 0)
        rc = ask_policy(&f);
    if (rc == PROV_OK)
        rc = answer(&f, data);
    X509_free(f.leaf);
    return rc == PROV_ENOMEM ? prov_nomem(tx->err) : rc;
}

static const struct prov_api_field list_fields[] = {
    API_TEXT("about"),    API_TEXT("certificateId"),
    API_TEXT("clientId"), API_TEXT("sourceIp"),
    API_BY_TOKEN,         API_END,
};

static const struct prov_api_field test_fields[] = {
    API_TEXT("certificateId"),
    API_TEXT("clientId"),
    API_TEXT("sourceIp"),
    API_END,
};

const struct prov_api_op api_attempt_ops[] = {
    { "listAttempts",
      "Lists what devices tried, the newest first.",
      PROV_API_READ,
      { "about", NULL },
      list_fields,
      list,
      NULL },
    { "testConnection",
      "What would become of a device's connection now.",
      PROV_API_READ,
      { "certificateId", "clientId" },
      test_fields,
      test_connection,
      NULL },
    { .name = NULL },
};
