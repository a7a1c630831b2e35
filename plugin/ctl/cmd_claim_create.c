#include <openssl/crypto.h>

#include "cmd_claim.h"
#include "core/api.h"
#include "core/keys.h"
#include "issued.h"
#include "issuer.h"
#include "qr.h"

/* ---- the QR code ----------------------------------------------------------------------------- */

#define MAX_QR_TEXT 16384

static cJSON *qr_document(struct ctl *ctl, const cJSON *data)
{
    struct prov_doc d = prov_doc_start(NULL);
    cJSON *doc;

    prov_doc_text(&d, d.root, "templateName", ctl_word(ctl, 0));
    prov_doc_text(&d, d.root, "certificatePem", ctl_get(data, "certificatePem"));
    (void)prov_doc_put(
        &d, d.root, "privateKey",
        cJSON_Duplicate(
            cJSON_GetObjectItemCaseSensitive(ctl_get_object(data, "keyPair"), "PrivateKey"), true));
    prov_doc_number(&d, d.root, "expiration", ctl_get_number(data, "expiration"));
    return prov_doc_end(&d, &doc) == PROV_OK ? doc : NULL;
}

static enum prov_rc check_size(struct ctl *ctl, enum prov_rc rc, unsigned columns)
{
    if (rc == PROV_ENOMEM)
        return prov_nomem(&ctl->err);
    if (rc != PROV_OK) {
        ctl_hint(ctl, "--key-type ec-p256 fits, and so does an issuer with a key of that kind.");
        return ctl_refuse(ctl, "the claim is too long for a QR code");
    }
    if (ctl->look.width != 0 && ctl->look.width < columns) {
        ctl_hint(ctl, "Make the window wider or its font smaller; --out DIR writes files instead.");
        return ctl_refuse(ctl, "the QR code is %u columns wide, and this terminal %u", columns,
                          ctl->look.width);
    }
    return PROV_OK;
}

static enum prov_rc make_qr(struct ctl *ctl, const cJSON *data, struct prov_buf *qr)
{
    cJSON *doc = qr_document(ctl, data);
    /* a text that grows would leave copies of the key behind */
    char *text = doc != NULL ? cJSON_PrintBuffered(doc, MAX_QR_TEXT, false) : NULL;
    unsigned columns;
    enum prov_rc rc;

    prov_api_drop(doc);
    if (text == NULL)
        return prov_nomem(&ctl->err);
    rc = ctl_put_qr(qr, prov_span_str(text), ctl->look.width != 0, &columns);
    OPENSSL_cleanse(text, strlen(text));
    cJSON_free(text);
    return check_size(ctl, rc, columns);
}

/* ---- create ---------------------------------------------------------------------------------- */

static void say(struct ctl *ctl, const cJSON *data, struct prov_buf *qr)
{
    ctl_field(ctl, "claim", ctl_get(data, "certificateId"));
    ctl_field(ctl, "template", ctl_word(ctl, 0));
    ctl_field_time(ctl, "good until", ctl_get_time(data, "expiration"));
    ctl_issued_say_files(ctl, data);
    if (qr->n == 0) {
        ctl_issued_say_pem(ctl, data);
        return;
    }
    prov_buf_add_str(&ctl->out, "\n");
    prov_buf_add(&ctl->out, prov_buf_span(qr));
}

static enum prov_rc call(struct ctl *ctl, cJSON **data)
{
    const char *key_type = ctl_opt(&ctl->args, OPT_KEY_TYPE);
    struct ctl_params params = ctl_params();

    if (key_type == NULL && ctl_has(&ctl->args, OPT_QR))
        key_type = prov_key_type_name(PROV_KEY_EC_P256); /* an RSA key is too long for it */
    ctl_put(&params, "templateName", ctl_word(ctl, 0));
    ctl_put_if(&params, "keyType", prov_span_str(key_type));
    if (ctl_has(&ctl->args, OPT_VALID_FOR))
        ctl_put_number(&params, "validitySeconds", ctl_number(&ctl->args, OPT_VALID_FOR, 0));
    return ctl_call(ctl, "createProvisioningClaim", &params, data);
}

enum prov_rc ctl_claim_create(struct ctl *ctl)
{
    struct prov_buf qr;
    cJSON *data = NULL;
    enum prov_rc rc;

    if (ctl->json && ctl_has(&ctl->args, OPT_QR))
        return ctl_usage(ctl, "--qr and --json exclude each other");
    prov_buf_init(&qr, 1u << 20);
    rc = ctl_issued_check(ctl);
    if (rc == PROV_OK)
        rc = call(ctl, &data);
    if (rc == PROV_OK && ctl_has(&ctl->args, OPT_QR))
        rc = make_qr(ctl, data, &qr);
    if (rc == PROV_OK)
        rc = ctl_issued_keep(ctl, "claim", data);
    if (rc == PROV_OK && !ctl->json)
        say(ctl, data, &qr);
    prov_buf_wipe(&qr);
    if (ctl->json)
        return ctl_answer(ctl, rc, data);
    prov_api_drop(data);
    return rc;
}

const struct ctl_option ctl_claim_create_options[] = {
    { OPT_KEY_TYPE, NULL, "its key; with --qr ec-p256, else as the broker is set (rsa2048)",
      ctl_key_types, false },
    { OPT_VALID_FOR, "SECONDS", "1 to 300, which it is when not given", NULL, false },
    CTL_OUT_OPTION,
    { OPT_QR, NULL, "as a QR code, for the installer's phone", NULL, false },
    CTL_ISSUER_OPTIONS,
    { 0, NULL, NULL, NULL, false },
};
