#include "cmd_cert.h"
#include "core/api.h"
#include "issued.h"
#include "issuer.h"

/* More than any CSR may have, so that what is wrong with it is said of the CSR. */
#define MAX_CSR_FILE 65536

static enum prov_rc put_csr(struct ctl *ctl, const char *file, struct ctl_params *params)
{
    struct prov_buf text = { 0 };
    const enum prov_rc rc = ctl_read_file(ctl, file, MAX_CSR_FILE, &text);

    if (rc == PROV_OK)
        ctl_put(params, "certificateSigningRequest", prov_buf_span(&text));
    prov_buf_wipe(&text); /* it may have been a key by mistake */
    return rc;
}

static enum prov_rc call(struct ctl *ctl, cJSON **data)
{
    const char *csr = ctl_opt(&ctl->args, OPT_CSR);
    struct ctl_params params = ctl_params();
    enum prov_rc rc = PROV_OK;

    if (csr != NULL)
        rc = put_csr(ctl, csr, &params);
    if (rc != PROV_OK) {
        ctl_params_drop(&params);
        return rc;
    }
    ctl_put_if(&params, "keyType", ctl_value(ctl, OPT_KEY_TYPE));
    ctl_put_flag(&params, "setAsActive", ctl_has(&ctl->args, OPT_ACTIVE));
    if (ctl_has(&ctl->args, OPT_DAYS))
        ctl_put_number(&params, "validityDays", ctl_number(&ctl->args, OPT_DAYS, 0));
    rc = ctl_call(ctl, csr != NULL ? "createCertificateFromCsr" : "createKeysAndCertificate",
                  &params, data);
    if (strcmp(ctl->err.path, "certificateSigningRequest") == 0) {
        ctl->err.path[0] = '\0'; /* the file is what people know */
        ctl->reading = true;
    }
    return rc;
}

static void say(struct ctl *ctl, const cJSON *data)
{
    const bool active = ctl_has(&ctl->args, OPT_ACTIVE);
    const struct ctl_short_id id = ctl_short(ctl_get(data, "certificateId"));

    ctl_say(ctl, "certificate made (%s): %.*s\n", active ? "ACTIVE" : "INACTIVE",
            PROV_SPAN_ARG(ctl_get(data, "certificateId")));
    ctl_issued_say_files(ctl, data);
    ctl_say(ctl, "Next, as far as wanted:\n");
    if (!active)
        ctl_say(ctl, "  provctl cert update %s --status ACTIVE   it may not connect until then\n",
                id.text);
    ctl_say(ctl,
            "  provctl policy attach NAME --cert %s     it may do nothing without a policy\n"
            "  provctl thing attach NAME --cert %s      and stands for this thing\n",
            id.text, id.text);
    ctl_issued_say_pem(ctl, data);
}

enum prov_rc ctl_cert_create(struct ctl *ctl)
{
    cJSON *data = NULL;
    enum prov_rc rc;

    if (ctl_has(&ctl->args, OPT_CSR) && ctl_has(&ctl->args, OPT_KEY_TYPE))
        return ctl_usage(ctl, "--csr and --key-type exclude each other: its key is there already");
    rc = ctl_issued_check(ctl);
    if (rc == PROV_OK)
        rc = call(ctl, &data);
    if (rc == PROV_OK)
        rc = ctl_issued_keep(ctl, "cert", data);
    if (rc == PROV_OK && !ctl->json)
        say(ctl, data);
    if (ctl->json)
        return ctl_answer(ctl, rc, data);
    prov_api_drop(data);
    return rc;
}

const struct ctl_option ctl_cert_create_options[] = {
    { OPT_CSR, "FILE", "for the key of this certificate signing request (PEM)", NULL, false },
    { OPT_ACTIVE, NULL, "ACTIVE at once; otherwise INACTIVE", NULL, false },
    { OPT_KEY_TYPE, NULL, "the key that is made; rsa2048 when not given", ctl_key_types, false },
    { OPT_DAYS, "N", "good for so long; 3650 when not given, or as the broker is set", NULL,
      false },
    CTL_OUT_OPTION,
    CTL_ISSUER_OPTIONS,
    { 0, NULL, NULL, NULL, false },
};
