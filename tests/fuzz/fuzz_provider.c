/*
 * What a certificate provider answers: any text. What is taken of it is a certificate in DER, and
 * nothing else is left behind; the rest is refused in words.
 */
#include <stdint.h>
#include <stdlib.h>

#include <openssl/x509.h>

#include "core/ident.h"
#include "core/limits.h"
#include "core/provider.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct prov_err err = { .rc = PROV_OK };
    struct prov_buf der;
    X509 *cert = NULL;
    enum prov_rc rc;

    prov_buf_init(&der, PROV_MAX_CERT_DER);
    rc = prov_provider_answer(prov_span(data, size), &der, &err);
    if (rc == PROV_OK) {
        require(prov_ident_decode(prov_buf_span(&der), &cert, NULL) == PROV_OK);
        X509_free(cert);
    } else {
        require(rc != PROV_ENOMEM && der.n == 0 && err.text[0] != '\0' && err.code != NULL);
    }
    prov_buf_release(&der);
    return 0;
}
