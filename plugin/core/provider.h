/*
 * provider.h - what a certificate provider is asked and what it answers: somebody else's CA, behind
 * a hook (reference section 10; design D10). Thread: any.
 */
#ifndef PROV_PROVIDER_H
#define PROV_PROVIDER_H

#include "base.h"

struct prov_provider_request {
    struct prov_span csr;          /* PEM */
    struct prov_span principal_id; /* certificate of the connection, 64 hex digits */
    struct prov_span client_id;
};

/* One JSON object: certificateSigningRequest, principalId, clientId. Replaces what out holds.
 * PROV_ENOMEM, PROV_ETOOBIG (out's maximum). */
PROV_MUST_USE enum prov_rc prov_provider_request_json(const struct prov_provider_request *request,
                                                      struct prov_buf *out);

/*
 * Strict JSON, one object, of which certificatePem counts: its first certificate, appended to der
 * as DER. Whether that is an answer to the request is for prov_issue_answers. PROV_EINVAL with what
 * is wrong; PROV_ETOOBIG; PROV_ENOMEM.
 */
PROV_MUST_USE enum prov_rc prov_provider_answer(struct prov_span text, struct prov_buf *der,
                                                struct prov_err *err);

#endif
