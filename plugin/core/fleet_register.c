/* RegisterThing, in the order of reference 1.8. */
#include "fleet_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "template.h"
#include "view.h"

/* ---- what a repetition is recognised by, and what it is told --------------------------------- */

static int by_name(const void *a, const void *b)
{
    return prov_span_cmp(((const struct prov_param *)a)->name,
                         ((const struct prov_param *)b)->name);
}

static void add_counted(struct prov_buf *out, struct prov_span s)
{
    prov_buf_addf(out, "%zu:", s.n);
    prov_buf_add(out, s);
}

/* Of the template and the parameters, in whatever order and format they came. */
static enum prov_rc digest(const struct prov_fleet *fleet, struct prov_id *out)
{
    const struct prov_params *given = &fleet->asked->parameters;
    struct prov_param sorted[PROV_MAX_FLEET_PARAMS];
    struct prov_buf text;
    unsigned n = PROV_ID_LEN;
    enum prov_rc rc;

    prov_buf_init(&text, (size_t)4 * PROV_MAX_FLEET_PAYLOAD);
    if (given->n != 0) {
        memcpy(sorted, given->v, given->n * sizeof *sorted);
        qsort(sorted, given->n, sizeof *sorted, by_name);
    }
    add_counted(&text, prov_span_str(fleet->template_name));
    for (size_t i = 0; i < given->n; i++) {
        add_counted(&text, sorted[i].name);
        add_counted(&text, sorted[i].value);
    }
    rc = text.rc;
    ERR_set_mark();
    if (rc == PROV_OK && EVP_Digest(text.p, text.n, out->b, &n, EVP_sha256(), NULL) != 1)
        rc = PROV_ENOMEM;
    ERR_pop_to_mark();
    prov_buf_release(&text);
    return rc;
}

/* The thing's name and the configuration's keys and values, a NUL behind each. */
static enum prov_rc keep_told(struct prov_fleet *fleet, struct prov_tx *tx)
{
    const struct prov_plan *plan = fleet->plan;
    struct prov_buf *told = &fleet->told;

    prov_buf_clear(told);
    prov_buf_add_str(told, plan->thing_name != NULL ? plan->thing_name : "");
    prov_buf_add_u8(told, '\0');
    for (size_t i = 0; i < plan->n_config; i++) {
        prov_buf_add_str(told, plan->config[i].name);
        prov_buf_add_u8(told, '\0');
        prov_buf_add_str(told, plan->config[i].value);
        prov_buf_add_u8(told, '\0');
    }
    if (told->rc == PROV_ETOOBIG)
        return prov_fail(tx->err, PROV_ETOOBIG, "InvalidRequestException",
                         "the deviceConfiguration has more than %d bytes", PROV_MAX_FLEET_ANSWER);
    return told->rc;
}

/* The next text of what was kept; empty at the end, and of what is damaged. */
static struct prov_span next_text(struct prov_span *rest)
{
    const uint8_t *end = rest->n != 0 ? memchr(rest->p, '\0', rest->n) : NULL;
    struct prov_span text = prov_span(NULL, 0);

    if (end == NULL) {
        *rest = text;
        return text;
    }
    text = prov_span(rest->p, (size_t)(end - rest->p));
    *rest = prov_span(end + 1, rest->n - text.n - 1);
    return text;
}

static size_t count_nuls(struct prov_span s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == '\0';
    return n;
}

enum prov_rc fleet_answer_register(const struct prov_fleet *fleet, struct prov_buf *out)
{
    struct prov_span rest = prov_buf_span(&fleet->told);
    const size_t texts = count_nuls(rest);
    struct prov_fleet_accepted answer = { .thing_name = next_text(&rest) };
    struct prov_param *config = calloc(texts / 2 + 1, sizeof *config);
    enum prov_rc rc;

    if (config == NULL)
        return PROV_ENOMEM;
    answer.config.v = config;
    while (rest.n != 0) {
        config[answer.config.n].name = next_text(&rest);
        config[answer.config.n++].value = next_text(&rest);
    }
    rc = prov_fleet_accepted(PROV_REGISTER_THING, fleet->format, &answer, out);
    free(config);
    return rc;
}

/* Has this token been used already? If so the request is settled: it is a repetition, or refused.
 */
static enum prov_rc settle_repetition(struct prov_fleet *fleet, const struct prov_ownership *owner,
                                      bool *settled)
{
    struct prov_span rest = owner->answer;
    struct prov_id mine;
    enum prov_rc rc;

    *settled = !prov_id_is_zero(&owner->registration);
    if (!*settled)
        return PROV_OK;
    rc = digest(fleet, &mine);
    if (rc != PROV_OK)
        return rc;
    if (!prov_id_eq(&mine, &owner->registration)) {
        fleet_refuse(fleet, PROV_REASON_BAD_TOKEN, "it was used for another registration",
                     "the certificateOwnershipToken was used for another registration");
        return PROV_OK;
    }
    prov_buf_clear(&fleet->told);
    prov_buf_add(&fleet->told, owner->answer);
    (void)prov_span_copy(next_text(&rest), fleet->thing_name, sizeof fleet->thing_name);
    if (fleet->told.rc != PROV_OK)
        return fleet->told.rc;
    fleet->repeated = true;
    fleet->reason = PROV_REASON_PROVISIONED;
    return PROV_OK;
}

/* ---- the hook -------------------------------------------------------------------------------- */

/* The certificate, for the hook. */
static enum prov_rc certificate_text(struct prov_fleet *fleet, struct prov_tx *tx)
{
    struct prov_span der;
    enum prov_rc rc;

    rc = prov_cert_der(tx, &fleet->cert, &der);
    if (rc != PROV_OK)
        return rc;
    prov_buf_clear(&fleet->pem);
    prov_view_pem(der, &fleet->pem);
    return fleet->pem.rc;
}

static enum prov_rc keep_hook(struct prov_fleet *fleet, struct prov_span spec)
{
    prov_buf_clear(&fleet->hook_text);
    prov_buf_add(&fleet->hook_text, spec);
    (void)prov_buf_cstr(&fleet->hook_text); /* for who runs it */
    fleet->hook = prov_buf_span(&fleet->hook_text);
    return fleet->hook_text.rc;
}

static enum prov_rc ask_hook(struct prov_fleet *fleet, struct prov_tx *tx, struct prov_span spec)
{
    char id[PROV_ID_HEX + 1], claim[PROV_ID_HEX + 1];
    struct prov_hook_request request = {
        .use = PROV_HOOK_PRE_PROVISIONING,
        .certificate_id = { (const uint8_t *)id, PROV_ID_HEX },
        .claim_certificate_id = { (const uint8_t *)claim, PROV_ID_HEX },
        .client_id = prov_span_str(fleet->client_id),
        .parameters = fleet->asked->parameters,
    };
    struct prov_buf arn;
    enum prov_rc rc;

    prov_id_hex(&fleet->cert, id);
    prov_id_hex(&fleet->claim, claim);
    prov_buf_init(&arn, 1024);
    rc = keep_hook(fleet, spec);
    if (rc == PROV_OK)
        rc = certificate_text(fleet, tx);
    if (rc == PROV_OK)
        rc = prov_arn(tx, "provisioningtemplate", prov_span_str(fleet->template_name), &arn);
    if (rc == PROV_OK) {
        request.certificate_pem = prov_buf_span(&fleet->pem);
        request.template_arn = prov_buf_span(&arn);
        rc = prov_hook_request_json(&request, &fleet->request);
    }
    prov_buf_release(&arn);
    return rc;
}

enum prov_rc fleet_register_answered(struct prov_fleet *fleet, struct prov_span answer)
{
    struct prov_err err = { 0 };
    enum prov_rc rc;

    rc = prov_hook_answer_parse(answer, PROV_HOOK_PRE_PROVISIONING, &fleet->answer, &err);
    if (rc == PROV_OK || rc == PROV_ENOMEM)
        return rc;
    (void)snprintf(fleet->hook_detail, sizeof fleet->hook_detail, "%.100s%s%.140s", err.path,
                   err.path[0] != '\0' ? ": " : "", err.text);
    return PROV_OK;
}

/* What the hook says is for the operator; the device learns that it was the hook. */
static void judge(struct prov_fleet *fleet)
{
    char message[PROV_MAX_HOOK_MESSAGE + 1];

    if (fleet->answer == NULL) {
        fleet_refuse(fleet, PROV_REASON_PRE_HOOK_FAILED, fleet->hook_detail, NULL);
    } else if (fleet->answer->decision != PROV_HOOK_ACTIVATE) {
        (void)prov_span_copy(fleet->answer->message, message, sizeof message);
        fleet_refuse(fleet, PROV_REASON_PRE_HOOK_REJECTED, message, NULL);
    }
}

/* ---- the template ---------------------------------------------------------------------------- */

/* The template's default version; reason is set when it cannot be used. */
static enum prov_rc find_template(struct prov_fleet *fleet, struct prov_tx *tx,
                                  struct prov_template_info *info)
{
    enum prov_reason reason = PROV_REASON_NONE;
    struct prov_err err = { 0 };
    struct prov_tx own = { tx->txn, tx->now_ms, &err };
    enum prov_rc rc;

    rc = prov_template_get(&own, prov_span_str(fleet->template_name), info);
    if (rc != PROV_OK)
        return fleet_result(fleet, tx, &err, rc, PROV_REASON_TEMPLATE_MISSING);
    if (!info->enabled)
        reason = PROV_REASON_TEMPLATE_DISABLED;
    else if (info->type != PROV_TEMPLATE_FLEET)
        reason = PROV_REASON_TEMPLATE_TYPE;
    if (reason != PROV_REASON_NONE)
        fleet_refuse(fleet, reason, fleet->template_name, NULL);
    return PROV_OK;
}

/* What the device sent, what the hook overrides, and the id, which neither may. */
static enum prov_rc evaluate(struct prov_fleet *fleet, const struct prov_template *tpl,
                             struct prov_err *err)
{
    struct prov_param all[PROV_MAX_FLEET_PARAMS + PROV_MAX_HOOK_OVERRIDES + 1];
    const struct prov_params *sent = &fleet->asked->parameters;
    struct prov_params params = { all, 0 };
    char hex[PROV_ID_HEX + 1];
    size_t n = 0;

    prov_id_hex(&fleet->cert, hex);
    for (size_t i = 0; i < sent->n; i++)
        all[n++] = sent->v[i];
    for (size_t i = 0; fleet->answer != NULL && i < fleet->answer->overrides.n; i++)
        all[n++] = fleet->answer->overrides.v[i];
    all[n++] =
        (struct prov_param){ PROV_LIT(PROV_PARAM_CERTIFICATE_ID), prov_span(hex, PROV_ID_HEX) };
    params.n = n;
    return prov_template_eval(tpl, params, &fleet->plan, err);
}

static enum prov_rc make_plan(struct prov_fleet *fleet, struct prov_tx *tx)
{
    struct prov_version_info version;
    struct prov_template *tpl = NULL;
    struct prov_err err = { 0 };
    struct prov_tx own = { tx->txn, tx->now_ms, &err };
    enum prov_rc rc;

    prov_plan_free(fleet->plan);
    fleet->plan = NULL;
    rc = prov_template_version_get(&own, prov_span_str(fleet->template_name), 0, &version);
    if (rc == PROV_OK)
        rc = prov_template_parse(version.document, PROV_TEMPLATE_FLEET, &tpl, &err);
    if (rc == PROV_OK) {
        fleet->template_version = version.version;
        rc = evaluate(fleet, tpl, &err);
    }
    prov_template_free(tpl);
    return fleet_result(fleet, tx, &err, rc, PROV_REASON_TEMPLATE_FAILED);
}

/* ---- steps ----------------------------------------------------------------------------------- */

/* Whose certificate it is; a request that was answered before is settled here. */
static enum prov_rc check_token(struct prov_fleet *fleet, struct prov_tx *tx,
                                struct prov_ownership *owner, bool *settled)
{
    struct prov_err err = { 0 };
    struct prov_tx own = { tx->txn, tx->now_ms, &err };
    enum prov_rc rc;

    *settled = false;
    rc = prov_token_check(&own, fleet->asked->token, &fleet->claim, owner);
    if (rc != PROV_OK)
        return fleet_result(fleet, tx, &err, rc, PROV_REASON_BAD_TOKEN);
    fleet->cert = owner->cert;
    return settle_repetition(fleet, owner, settled);
}

static enum prov_rc plan_or_ask(struct prov_fleet *fleet, struct prov_tx *tx,
                                enum prov_fleet_want *want)
{
    struct prov_template_info info;
    enum prov_rc rc;

    rc = find_template(fleet, tx, &info);
    if (rc != PROV_OK || fleet->reason != PROV_REASON_NONE)
        return rc;
    fleet->retire = info.retire_previous;
    fleet->template_created_ms = info.created_ms;
    if (info.hook.n != 0 && !fleet->called) {
        *want = PROV_FLEET_HOOK;
        return ask_hook(fleet, tx, info.hook);
    }
    if (fleet->called)
        judge(fleet);
    if (fleet->reason != PROV_REASON_NONE)
        return PROV_OK;
    *want = PROV_FLEET_APPLY;
    return make_plan(fleet, tx);
}

enum prov_rc fleet_prepare_register(struct prov_fleet *fleet, struct prov_tx *tx,
                                    enum prov_fleet_want *want)
{
    struct prov_ownership owner;
    struct prov_claim claim;
    struct prov_cert cert;
    enum prov_rc rc;
    bool settled;

    rc = check_token(fleet, tx, &owner, &settled);
    if (rc == PROV_OK && !settled && fleet->reason == PROV_REASON_NONE)
        rc = fleet_check_claim(fleet, tx, &cert, &claim);
    if (rc != PROV_OK || settled || fleet->reason != PROV_REASON_NONE)
        return rc;
    return plan_or_ask(fleet, tx, want);
}

/* A hook that came or changed since prepare has not been asked; a plan of another version, or of
 * another template of the name, is another plan. The device's next try finds the template at rest.
 */
static enum prov_rc check_template(struct prov_fleet *fleet, struct prov_tx *tx)
{
    struct prov_template_info info;
    const enum prov_rc rc = find_template(fleet, tx, &info);

    if (rc == PROV_OK && fleet->reason == PROV_REASON_NONE &&
        (info.default_version != fleet->template_version ||
         info.created_ms != fleet->template_created_ms || !prov_span_eq(info.hook, fleet->hook)))
        fleet_refuse(fleet, PROV_REASON_BUSY, "the template has just been changed",
                     "the template has just been changed: try again");
    else if (rc == PROV_OK && fleet->reason == PROV_REASON_NONE)
        fleet->retire = info.retire_previous;
    return rc;
}

static bool is_attached(const struct prov_cert *cert, const char *thing)
{
    for (size_t i = 0; i < cert->n_things; i++) {
        if (prov_span_eq_str(cert->things[i], thing))
            return true;
    }
    return false;
}

/* Where certificates are renewed, a device is not to take another one's place. */
static void check_thing(struct prov_fleet *fleet, const struct prov_cert *claim)
{
    const char *thing = fleet->plan->thing_name;

    if (fleet->retire && claim->n_things != 0 && thing != NULL && !is_attached(claim, thing))
        fleet_refuse(fleet, PROV_REASON_CLAIM_THING, thing, NULL);
}

/* A device that came with a certificate of this very thing is to give it up. */
static enum prov_rc rotate(struct prov_fleet *fleet, struct prov_tx *tx)
{
    struct prov_cert cert;
    enum prov_rc rc;

    if (!fleet->retire || fleet->plan->thing_name == NULL || !fleet->plan->activate ||
        fleet->plan->certificate_id == NULL)
        return PROV_OK;
    rc = prov_cert_get(tx, &fleet->claim, &cert);
    if (rc != PROV_OK || !is_attached(&cert, fleet->plan->thing_name))
        return rc;
    fleet->rotated = true;
    return prov_cert_replace(tx, &fleet->cert, &fleet->claim);
}

static enum prov_rc carry_out(struct prov_fleet *fleet, struct prov_tx *tx,
                              const struct prov_ownership *owner)
{
    struct prov_id registration;
    enum prov_rc rc;

    rc = prov_plan_apply(tx, &fleet->cert, fleet->plan);
    if (rc == PROV_OK)
        rc = rotate(fleet, tx);
    if (rc == PROV_OK)
        rc = prov_claim_use(tx, &fleet->claim);
    if (rc == PROV_OK)
        rc = keep_told(fleet, tx);
    if (rc == PROV_OK)
        rc = digest(fleet, &registration);
    if (rc == PROV_OK)
        rc = prov_token_use(tx, owner, &registration, prov_buf_span(&fleet->told));
    return rc;
}

/* In a transaction of its own, so that what fails is undone and nothing is left of it. */
static enum prov_rc all_or_nothing(struct prov_fleet *fleet, struct prov_tx *tx,
                                   const struct prov_ownership *owner)
{
    const struct prov_ownership mine = { .cert = owner->cert,
                                         .claim = owner->claim,
                                         .expires_ms = owner->expires_ms };
    struct prov_txn *child = NULL;
    struct prov_err err = { 0 };
    enum prov_rc rc;

    rc = prov_txn_begin(tx->txn->store, PROV_TXN_WRITE, tx->txn, &child);
    if (rc == PROV_OK) {
        rc = carry_out(fleet, &(struct prov_tx){ child, tx->now_ms, &err }, &mine);
        if (rc != PROV_OK) {
            prov_txn_abort(child);
            fleet->conflict = rc == PROV_ECONFLICT;
            return fleet_result(fleet, tx, &err, rc, PROV_REASON_TEMPLATE_FAILED);
        }
        rc = prov_txn_commit(child);
    }
    if (rc != PROV_OK)
        return prov_fail(tx->err, rc, "InternalFailureException", "%s",
                         rc == PROV_ENOMEM ? "out of memory" : prov_store_why(tx->txn->store));
    fleet->reason = PROV_REASON_PROVISIONED;
    return PROV_OK;
}

enum prov_rc fleet_apply_register(struct prov_fleet *fleet, struct prov_tx *tx)
{
    struct prov_ownership owner;
    struct prov_claim claim;
    struct prov_cert cert;
    enum prov_rc rc;
    bool settled;

    rc = check_token(fleet, tx, &owner, &settled);
    if (rc == PROV_OK && !settled && fleet->reason == PROV_REASON_NONE)
        rc = fleet_check_claim(fleet, tx, &cert, &claim);
    if (rc == PROV_OK && !settled && fleet->reason == PROV_REASON_NONE)
        rc = check_template(fleet, tx);
    if (rc == PROV_OK && !settled && fleet->reason == PROV_REASON_NONE)
        check_thing(fleet, &cert);
    if (rc == PROV_OK && !settled && fleet->reason == PROV_REASON_NONE)
        rc = all_or_nothing(fleet, tx, &owner);
    if (rc != PROV_OK || settled || fleet->reason != PROV_REASON_PROVISIONED)
        return rc;
    if (fleet->plan->thing_name != NULL)
        (void)prov_span_copy(prov_span_str(fleet->plan->thing_name), fleet->thing_name,
                             sizeof fleet->thing_name);
    fleet_describe(fleet);
    return fleet_write_attempt(fleet, tx);
}
