#include "provider.h"

#include <openssl/x509.h>

#include "doc.h"
#include "hook.h"
#include "ident.h"
#include "json.h"

enum prov_rc prov_provider_request_json(const struct prov_provider_request *request,
                                        struct prov_buf *out)
{
    struct prov_doc d = prov_doc_start(NULL);

    prov_buf_clear(out);
    prov_doc_text(&d, d.root, "certificateSigningRequest", request->csr);
    prov_doc_text(&d, d.root, "principalId", request->principal_id);
    prov_doc_text(&d, d.root, "clientId", request->client_id);
    return prov_doc_print(&d, out);
}

static enum prov_rc encode_first(struct prov_span pem, struct prov_buf *der, struct prov_err *err)
{
    X509 *cert = NULL;
    enum prov_rc rc;

    rc = prov_ident_decode_pem(pem, &cert, err);
    if (rc == PROV_OK)
        rc = prov_ident_encode(cert, der);
    X509_free(cert);
    return rc;
}

enum prov_rc prov_provider_answer(struct prov_span text, struct prov_buf *der, struct prov_err *err)
{
    const cJSON *pem;
    cJSON *doc = NULL;
    enum prov_rc rc;

    rc = prov_json_parse(text, PROV_MAX_HOOK_ANSWER, &doc, err);
    if (rc != PROV_OK)
        return rc;
    pem = cJSON_GetObjectItemCaseSensitive(doc, "certificatePem");
    if (!cJSON_IsString(pem))
        rc = prov_fail(err, PROV_EINVAL, "InvalidRequestException",
                       pem == NULL ? "there is no certificatePem" : "certificatePem must be text");
    else
        rc = encode_first(prov_span_str(pem->valuestring), der, err);
    cJSON_Delete(doc);
    return rc;
}
