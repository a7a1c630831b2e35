#include "fate.h"

#include <openssl/x509.h>

#include "core/ident.h"
#include "core/rights.h"

static enum prov_rc admit(struct prov_tx *tx, X509 *leaf, const struct prov_cert *cert,
                          struct ctl_fate *out)
{
    struct prov_issuers *issuers = NULL;
    struct prov_decision decision;
    enum prov_rc rc;

    rc = prov_issuers_new(&issuers);
    if (rc == PROV_OK)
        rc = prov_flow_admit(issuers, tx, leaf, &cert->id, &decision);
    prov_issuers_free(issuers);
    if (rc != PROV_OK)
        return rc;
    out->outcome = decision.outcome;
    out->reason = decision.reason;
    out->ca = decision.ca;
    return PROV_OK;
}

static enum prov_rc ask_policy(struct prov_tx *tx, const struct prov_cert *cert,
                               const struct prov_who *who, struct ctl_fate *out)
{
    const struct prov_policy_request request = { .action = PROV_ACT_CONNECT,
                                                 .name = who->client_id };
    struct prov_rights *rights = NULL;
    struct prov_policy *policy = NULL;
    enum prov_rc rc;

    rc = prov_rights_new(&rights);
    if (rc == PROV_OK)
        rc = prov_rights_policy(rights, tx, cert, who, &policy);
    if (rc == PROV_OK && prov_policy_decide(policy, &request) != PROV_ALLOWED) {
        out->outcome = PROV_REFUSED;
        out->reason = PROV_REASON_CONNECT_DENIED;
    }
    out->asked_policy = rc == PROV_OK;
    prov_policy_free(policy);
    prov_rights_free(rights);
    return rc;
}

enum prov_rc ctl_fate_of(struct prov_tx *tx, const struct prov_cert *cert,
                         struct prov_span client_id, struct prov_span address, struct ctl_fate *out)
{
    struct prov_span der;
    X509 *leaf = NULL;
    enum prov_rc rc;

    memset(out, 0, sizeof *out);
    rc = prov_cert_der(tx, &cert->id, &der);
    if (rc == PROV_OK)
        rc = prov_ident_decode(der, &leaf, tx->err);
    if (rc == PROV_OK)
        rc = admit(tx, leaf, cert, out);
    if (rc == PROV_OK && out->outcome == PROV_KNOWN && client_id.n != 0) {
        if (prov_flow_client_id_ok(client_id)) {
            rc = ask_policy(tx, cert, &(struct prov_who){ client_id, address, leaf }, out);
        } else {
            out->outcome = PROV_REFUSED;
            out->reason = PROV_REASON_CLIENT_ID;
        }
    }
    X509_free(leaf);
    return rc;
}
