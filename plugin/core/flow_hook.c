/* A first contact under a CA that has an activation hook: what the hook is asked, and what its
 * answer means. */
#include "flow_priv.h"

#include <stdio.h>

#include "ident.h"
#include "view.h"

bool prov_contact_wants_hook(const struct prov_contact *contact)
{
    return contact->hook != NULL && !contact->asked && contact->reason == PROV_REASON_NONE;
}

struct prov_span prov_contact_template(const struct prov_contact *contact, const struct prov_ca *ca)
{
    const struct prov_hook_answer *answer = contact->answer;

    if (answer == NULL)
        return ca->template_name;
    if (answer->template_name.n != 0)
        return answer->template_name;
    if (answer->thing_name.n != 0 || answer->n_policies != 0)
        return prov_span(NULL, 0);
    return ca->template_name;
}

size_t prov_contact_params(const struct prov_contact *contact, const struct prov_ident *ident,
                           struct prov_span id_hex,
                           struct prov_param out[static PROV_CONTACT_PARAMS])
{
    const struct prov_hook_answer *answer = contact->answer;
    size_t n = prov_params_builtin(ident, id_hex, out);

    for (size_t i = 0; answer != NULL && i < answer->overrides.n; i++)
        out[n++] = answer->overrides.v[i];
    out[n++] = (struct prov_param){ PROV_LIT(PROV_PARAM_CERTIFICATE_ID), id_hex };
    return n;
}

/* ---- what is asked --------------------------------------------------------------------------- */

static enum prov_rc add_arn(struct prov_tx *tx, const struct prov_ca *ca, struct prov_buf *out)
{
    prov_buf_init(out, 1024);
    return ca->template_name.n == 0 ? PROV_OK
                                    : prov_arn(tx, "provisioningtemplate", ca->template_name, out);
}

static enum prov_rc add_texts(const struct prov_contact *contact, struct prov_tx *tx,
                              struct prov_hook_request *request, struct prov_buf *pem,
                              struct prov_buf *arn)
{
    struct prov_buf der;
    struct prov_ca ca;
    enum prov_rc rc;

    prov_buf_init(&der, PROV_MAX_CERT_DER);
    rc = prov_ca_get(tx, &contact->ca, &ca);
    if (rc == PROV_OK)
        rc = add_arn(tx, &ca, arn);
    if (rc == PROV_OK)
        rc = prov_ident_encode(contact->leaf, &der);
    if (rc == PROV_OK) {
        prov_view_pem(prov_buf_span(&der), pem);
        rc = pem->rc;
    }
    prov_buf_release(&der);
    request->certificate_pem = prov_buf_span(pem);
    request->template_arn = prov_buf_span(arn);
    return rc;
}

enum prov_rc prov_contact_request(const struct prov_contact *contact, struct prov_tx *tx,
                                  struct prov_buf *out)
{
    struct prov_param builtin[PROV_BUILTIN_PARAMS];
    char id[PROV_ID_HEX + 1], ca_id[PROV_ID_HEX + 1];
    struct prov_hook_request request = {
        .use = PROV_HOOK_ACTIVATION,
        .certificate_id = { (const uint8_t *)id, PROV_ID_HEX },
        .ca_certificate_id = { (const uint8_t *)ca_id, PROV_ID_HEX },
        .client_id = prov_span_str(contact->client_id),
    };
    struct prov_buf pem, arn = { 0 };
    struct prov_ident *ident = NULL;
    enum prov_rc rc;

    prov_id_hex(&contact->cert, id);
    prov_id_hex(&contact->ca, ca_id);
    prov_buf_init(&pem, PROV_MAX_CERT_PEM);
    rc = prov_ident_new(contact->leaf, &ident, tx->err);
    if (rc == PROV_OK)
        rc = add_texts(contact, tx, &request, &pem, &arn);
    if (rc == PROV_OK) {
        request.parameters.v = builtin;
        request.parameters.n = prov_params_builtin(ident, request.certificate_id, builtin);
        rc = prov_hook_request_json(&request, out);
    }
    prov_ident_free(ident);
    prov_buf_release(&pem);
    prov_buf_release(&arn);
    return rc;
}

/* ---- what it answered ------------------------------------------------------------------------ */

void prov_contact_unanswered(struct prov_contact *contact, const char *detail)
{
    contact->asked = true;
    (void)snprintf(contact->hook_detail, sizeof contact->hook_detail, "%s", detail);
}

enum prov_rc prov_contact_answered(struct prov_contact *contact, struct prov_span answer)
{
    struct prov_err err = { 0 };
    enum prov_rc rc;

    contact->asked = true;
    rc = prov_hook_answer_parse(answer, PROV_HOOK_ACTIVATION, &contact->answer, &err);
    if (rc == PROV_ENOMEM)
        return rc;
    if (rc != PROV_OK)
        (void)snprintf(contact->hook_detail, sizeof contact->hook_detail, "%.100s%s%.140s",
                       err.path, err.path[0] != '\0' ? ": " : "", err.text);
    return PROV_OK;
}

static void keep_message(struct prov_contact *contact, enum prov_reason reason)
{
    contact->reason = reason;
    (void)prov_span_copy(contact->answer->message, contact->detail, sizeof contact->detail);
}

bool prov_contact_hook_decides(struct prov_contact *contact, const struct prov_ca *ca,
                               enum prov_rc *rc)
{
    const struct prov_hook_answer *answer = contact->answer;
    char id[PROV_ID_HEX + 1];

    *rc = PROV_OK;
    if (ca->hook.n == 0)
        return false;
    if (!contact->asked)
        return true;
    if (answer == NULL) {
        contact->reason = PROV_REASON_HOOK_FAILED;
        (void)snprintf(contact->detail, sizeof contact->detail, "%s", contact->hook_detail);
    } else if (answer->decision == PROV_HOOK_LEAVE) {
        keep_message(contact, PROV_REASON_CERT_PENDING);
    } else if (answer->decision == PROV_HOOK_REJECT) {
        keep_message(contact, PROV_REASON_HOOK_REJECTED);
    } else if (prov_contact_template(contact, ca).n != 0) {
        return false;
    } else {
        prov_id_hex(&contact->cert, id);
        *rc = prov_plan_direct(prov_span(id, PROV_ID_HEX), answer->thing_name, answer->policies,
                               answer->n_policies, &contact->plan);
    }
    return true;
}
