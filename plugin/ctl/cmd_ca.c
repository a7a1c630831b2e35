#include "cmd_ca.h"
#include "list.h"
#include "nouns.h"

static const char *const statuses[] = { "ACTIVE", "INACTIVE", NULL };

/* "on" or "off" of a CA, as an answer has it. */
static const char *auto_register(const cJSON *ca)
{
    return prov_span_eq_str(ctl_get(ca, "autoRegistrationStatus"), "ENABLE") ? "on" : "off";
}

/* ---- register -------------------------------------------------------------------------------- */

static void hint_verification(struct ctl *ctl, struct prov_span code)
{
    const struct prov_span file = ctl_word(ctl, 0);
    struct prov_buf shell;

    prov_buf_init(&shell, 8192);
    if (prov_span_eq_str(file, "-") || !ctl_put_shell(&shell, file))
        prov_buf_add_str(&shell, "CA-FILE");
    ctl_hint(ctl, "It proves that you have the CA's key. Make one:");
    ctl_hint(ctl, "  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "
                  "verification.key");
    ctl_hint(ctl,
             "  openssl req -new -key verification.key -subj \"/CN=%.*s\" -out verification.csr",
             PROV_SPAN_ARG(code));
    ctl_hint(ctl,
             "  openssl x509 -req -in verification.csr -CA %s -CAkey CA-KEY -CAcreateserial "
             "-sha256 -days 1 -out verification.pem",
             prov_buf_cstr(&shell));
    ctl_hint(ctl, "Then: provctl ca register %s --verification-cert verification.pem",
             prov_buf_cstr(&shell));
    ctl_hint(ctl, "Or register it with --sni-only, which asks for no proof.");
    prov_buf_release(&shell);
}

/*
 * Without a verification certificate there is nothing to register, but there is something to learn:
 * how to make one. The registration code is kept, so that it is the same next time.
 */
static enum prov_rc explain_verification(struct ctl *ctl)
{
    struct ctl_params params = ctl_params();
    cJSON *data;
    enum prov_rc rc;

    rc = ctl_call(ctl, "getRegistrationCode", &params, &data);
    if (rc == PROV_OK)
        rc = ctl_end(ctl);
    if (rc == PROV_OK) {
        hint_verification(ctl, ctl_get(data, "registrationCode"));
        rc = ctl_usage(ctl, "--verification-cert FILE is missing");
    }
    cJSON_Delete(data);
    return rc;
}

static enum prov_rc say_next(struct ctl *ctl, const cJSON *data)
{
    const struct prov_span id = ctl_get(data, "certificateId"),
                           template_name = ctl_get_in(data, "registrationConfig", "templateName");
    const struct ctl_short_id first = ctl_short(id);
    const bool active = prov_span_eq_str(ctl_get(data, "status"), "ACTIVE");
    const bool automatic = strcmp(auto_register(data), "on") == 0;

    ctl_say(ctl, "CA registered: %.*s\n", PROV_SPAN_ARG(id));
    if (active && automatic && template_name.n != 0)
        return ctl_done(ctl,
                        "Devices with a certificate of this CA are provisioned by template %.*s "
                        "when they first connect.",
                        PROV_SPAN_ARG(template_name));
    ctl_say(ctl, "Next, as far as wanted:\n");
    if (!active)
        ctl_say(ctl, "  provctl ca update %s --status ACTIVE      it admits nobody until then\n",
                first.text);
    if (!automatic)
        ctl_say(ctl, "  provctl ca update %s --auto-register on   unknown devices get in\n",
                first.text);
    if (template_name.n == 0)
        ctl_say(ctl, "  provctl ca update %s --template NAME      and are provisioned (JITP)\n",
                first.text);
    return ctl_done(ctl, "  provctl cert register FILE                          one device's "
                         "certificate");
}

static enum prov_rc put_files(struct ctl *ctl, struct ctl_params *params)
{
    const char *verification = ctl_opt(&ctl->args, OPT_VERIFICATION_CERT);
    struct prov_buf der = { 0 }, verification_der = { 0 };
    enum prov_rc rc = PROV_OK;

    if (verification != NULL)
        rc = ctl_read_cert(ctl, verification, &verification_der);
    if (rc == PROV_OK)
        rc = ctl_read_cert(ctl, ctl->args.words[0], &der);
    if (rc == PROV_OK)
        ctl_put_pem(params, "caCertificate", prov_buf_span(&der));
    if (rc == PROV_OK && verification != NULL)
        ctl_put_pem(params, "verificationCertificate", prov_buf_span(&verification_der));
    prov_buf_release(&der);
    prov_buf_release(&verification_der);
    return rc;
}

static void put_hook(struct ctl *ctl, struct ctl_params *params)
{
    if (ctl_has(&ctl->args, OPT_HOOK))
        ctl_put_within(params, "activationHook", "targetArn", ctl_value(ctl, OPT_HOOK));
}

static void put_template(struct ctl *ctl, struct ctl_params *params)
{
    if (ctl_has(&ctl->args, OPT_TEMPLATE))
        ctl_put_within(params, "registrationConfig", "templateName", ctl_value(ctl, OPT_TEMPLATE));
}

static enum prov_rc ca_register(struct ctl *ctl)
{
    const bool sni_only = ctl_has(&ctl->args, OPT_SNI_ONLY),
               proven = ctl_has(&ctl->args, OPT_VERIFICATION_CERT);
    struct ctl_params params;
    bool automatic = false;
    enum prov_rc rc;

    if (!proven && !sni_only)
        return explain_verification(ctl);
    if (proven && sni_only)
        return ctl_usage(ctl, "--sni-only and --verification-cert exclude each other");
    (void)ctl_switch(&ctl->args, OPT_AUTO_REGISTER, &automatic);
    params = ctl_params();
    ctl_put(&params, "certificateMode", sni_only ? PROV_LIT("SNI_ONLY") : PROV_LIT("DEFAULT"));
    ctl_put_flag(&params, "setAsActive", ctl_has(&ctl->args, OPT_ACTIVE));
    ctl_put_flag(&params, "allowAutoRegistration", automatic);
    put_template(ctl, &params);
    put_hook(ctl, &params);
    rc = put_files(ctl, &params);
    if (rc != PROV_OK) {
        ctl_params_drop(&params);
        return rc;
    }
    rc = ctl_tell(ctl, "registerCACertificate", &params, say_next);
    if (rc == PROV_EDENIED) { /* the verification certificate is not good */
        ctl->file = ctl_opt(&ctl->args, OPT_VERIFICATION_CERT);
        ctl_hint(ctl, "`provctl ca registration-code` shows the name that it must have; "
                      "`provctl ca register FILE` how it is made");
    }
    return rc;
}

/* ---- list and show --------------------------------------------------------------------------- */

static const struct ctl_column columns[] = {
    { "ID", false, false },      { "STATUS", false, false },  { "AUTO-REGISTER", false, false },
    { "TEMPLATE", false, true }, { "EXPIRES", false, false }, { "SUBJECT", false, true },
};

static void row(struct ctl_table *table, const cJSON *ca)
{
    ctl_cell_id(table, ctl_get(ca, "certificateId"));
    ctl_cell_status(table, ctl_get(ca, "status"));
    ctl_cellf(table, "%s", auto_register(ca));
    ctl_cell(table, ctl_get_in(ca, "registrationConfig", "templateName"));
    ctl_cell_time(table, ctl_get_time(ctl_get_object(ca, "validity"), "notAfter"));
    ctl_cell(table, ctl_get(ca, "subject"));
}

static enum prov_rc ca_list(struct ctl *ctl)
{
    const bool filtered = ctl_has(&ctl->args, OPT_TEMPLATE);
    const struct ctl_list list = {
        .op = "listCACertificates",
        .rows = "certificates",
        .pages = CTL_BY_MARKER,
        .ids = true,
        .columns = columns,
        .n_columns = PROV_COUNT(columns),
        .none = filtered ? "no CA uses this template"
                         : "no CA yet; `provctl help ca register` tells how to add one",
        .row = row,
    };
    struct ctl_params filter = ctl_params();

    ctl_put_if(&filter, "templateName", ctl_value(ctl, OPT_TEMPLATE));
    return ctl_list(ctl, &list, &filter);
}

static enum prov_rc say_ca(struct ctl *ctl, const cJSON *data)
{
    static const struct ctl_short_list certs = {
        .op = "listCertificatesByCA",
        .rows = "certificates",
        .pages = CTL_BY_MARKER,
        .of = "caCertificateId",
        .member = "certificateId",
        .put = ctl_put_short_id,
    };
    const cJSON *about = ctl_get_object(data, "certificateDescription");
    const cJSON *validity = ctl_get_object(about, "validity");
    const struct prov_span id = ctl_get(about, "certificateId"),
                           template_name = ctl_get_in(data, "registrationConfig", "templateName");
    enum prov_rc rc;

    ctl_field(ctl, "id", id);
    ctl_field(ctl, "subject", ctl_get(about, "subject"));
    ctl_field(ctl, "status", ctl_get(about, "status"));
    ctl_field(ctl, "auto-register", prov_span_str(auto_register(about)));
    ctl_field(ctl, "template", template_name.n != 0 ? template_name : PROV_LIT("none"));
    ctl_field(ctl, "hook", ctl_get_in(data, "activationHook", "targetArn"));
    ctl_field(ctl, "mode", ctl_get(about, "certificateMode"));
    ctl_field_time(ctl, "valid from", ctl_get_time(validity, "notBefore"));
    ctl_field_time(ctl, "valid until", ctl_get_time(validity, "notAfter"));
    ctl_field_time(ctl, "registered", ctl_get_time(about, "creationDate"));
    ctl_field_time(ctl, "changed", ctl_get_time(about, "lastModifiedDate"));
    rc = ctl_field_list(ctl, "certificates", &certs, id);
    if (rc == PROV_OK && ctl_has(&ctl->args, OPT_PEM)) {
        ctl_say(ctl, "\n");
        ctl_block(ctl, ctl_get(about, "certificatePem"));
    }
    return rc;
}

static enum prov_rc ca_show(struct ctl *ctl)
{
    return ctl_tell_one(ctl, "describeCACertificate", "certificateId", ctl_word(ctl, 0), say_ca);
}

/* ---- update, delete, registration-code ------------------------------------------------------- */

static enum prov_rc say_updated(struct ctl *ctl, const cJSON *data)
{
    const struct prov_span template_name = ctl_get_in(data, "registrationConfig", "templateName"),
                           hook = ctl_get_in(data, "activationHook", "targetArn");

    return ctl_done(
        ctl, "CA %s: %.*s, auto-register %s, %s%.*s%s%.*s",
        ctl_answered_id(data, ctl_word(ctl, 0)).text, PROV_SPAN_ARG(ctl_get(data, "status")),
        auto_register(data), template_name.n != 0 ? "template " : "no template",
        PROV_SPAN_ARG(template_name), hook.n != 0 ? ", hook " : "", PROV_SPAN_ARG(hook));
}

static enum prov_rc ca_update(struct ctl *ctl)
{
    static const enum ctl_opt pairs[][2] = {
        { OPT_TEMPLATE, OPT_NO_TEMPLATE },
        { OPT_HOOK, OPT_NO_HOOK },
    };
    struct ctl_params params;
    bool automatic = false;
    enum prov_rc rc;

    rc = ctl_check_change(ctl, pairs, PROV_COUNT(pairs));
    if (rc != PROV_OK)
        return rc;
    params = ctl_params();
    ctl_put(&params, "certificateId", ctl_word(ctl, 0));
    ctl_put_if(&params, "newStatus", ctl_value(ctl, OPT_STATUS));
    if (ctl_switch(&ctl->args, OPT_AUTO_REGISTER, &automatic))
        ctl_put(&params, "newAutoRegistrationStatus",
                automatic ? PROV_LIT("ENABLE") : PROV_LIT("DISABLE"));
    put_template(ctl, &params);
    ctl_put_flag(&params, "removeAutoRegistration", ctl_has(&ctl->args, OPT_NO_TEMPLATE));
    put_hook(ctl, &params);
    ctl_put_flag(&params, "removeActivationHook", ctl_has(&ctl->args, OPT_NO_HOOK));
    return ctl_tell(ctl, "updateCACertificate", &params, say_updated);
}

static enum prov_rc say_deleted(struct ctl *ctl, const cJSON *data)
{
    return ctl_done(ctl, "CA %s deleted; certificates that were registered under it stay.",
                    ctl_answered_id(data, ctl_word(ctl, 0)).text);
}

static enum prov_rc ca_delete(struct ctl *ctl)
{
    cJSON *ca;
    enum prov_rc rc;

    rc = ctl_tell_one(ctl, "deleteCACertificate", "certificateId", ctl_word(ctl, 0), say_deleted);
    if (rc != PROV_EDENIED)
        return rc;
    ca = ctl_peek(ctl, "describeCACertificate", "certificateId", ctl_word(ctl, 0));
    if (prov_span_eq_str(ctl_get_in(ca, "certificateDescription", "status"), "ACTIVE"))
        ctl_hint(ctl, "`provctl ca update %s --status INACTIVE` first",
                 ctl_short(ctl_get_in(ca, "certificateDescription", "certificateId")).text);
    cJSON_Delete(ca);
    return rc;
}

static enum prov_rc say_code(struct ctl *ctl, const cJSON *data)
{
    return ctl_done(ctl, "%.*s", PROV_SPAN_ARG(ctl_get(data, "registrationCode")));
}

static enum prov_rc ca_registration_code(struct ctl *ctl)
{
    struct ctl_params params = ctl_params();

    return ctl_tell(ctl, "getRegistrationCode", &params, say_code);
}

/* ---- the noun -------------------------------------------------------------------------------- */

static const struct ctl_option register_options[] = {
    { OPT_VERIFICATION_CERT, "FILE", "proof that you have the CA's key (mode DEFAULT)", NULL,
      false },
    { OPT_SNI_ONLY, NULL, "mode SNI_ONLY: no proof is asked for", NULL, false },
    { OPT_ACTIVE, NULL, "ACTIVE at once; otherwise INACTIVE, and it admits nobody", NULL, false },
    { OPT_AUTO_REGISTER, NULL, "let in devices that were never registered one by one", NULL,
      false },
    { OPT_TEMPLATE, "NAME", "provision them by this template of type JITP", NULL, false },
    { OPT_HOOK, "SPEC", "ask this program about each new one: exec:/PATH or https://HOST/…", NULL,
      false },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_option list_options[] = {
    { OPT_TEMPLATE, "NAME", "only those that use this template", NULL, false },
    CTL_LIST_OPTIONS("ID"),
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_option show_options[] = {
    { OPT_PEM, NULL, "the certificate itself too", NULL, false },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_option update_options[] = {
    { OPT_STATUS, NULL, "INACTIVE admits no new devices; registered ones go on", statuses, false },
    { OPT_AUTO_REGISTER, NULL, "let in devices that were never registered one by one", NULL,
      false },
    { OPT_TEMPLATE, "NAME", "provision them by this template of type JITP", NULL, false },
    { OPT_NO_TEMPLATE, NULL, "record them as PENDING_ACTIVATION and leave the rest to you (JITR)",
      NULL, false },
    { OPT_HOOK, "SPEC", "ask this program about each new one: exec:/PATH or https://HOST/…", NULL,
      false },
    { OPT_NO_HOOK, NULL, "ask none any more", NULL, false },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_verb verbs[] = {
    { "register", "FILE",
      "Registers a CA certificate (PEM or DER), so that the certificates it signs can be.",
      "Register the CA that signs the devices directly; no other of its chain is needed. With\n"
      "--active, --auto-register and a template, a device that connects for the first time is\n"
      "recorded and provisioned; without a template it is recorded and waits for you. A hook,\n"
      "which runs on the broker's machine, decides of each: activate, leave or reject.\n"
      "\n"
      "  provctl ca register ca.pem --sni-only --active --auto-register --template sensors\n"
      "  provctl ca register ca.pem --verification-cert verification.pem\n"
      "  provctl ca register ca.pem --sni-only --active --auto-register \\\n"
      "      --hook exec:/etc/mosquitto/hooks/allow-list\n"
      "  provctl ca register ca.pem             tells how to make a verification certificate\n",
      CTL_WRITE, register_options, ca_register },
    { "list", "", "Lists the registered CAs.",
      "  provctl ca list\n"
      "  provctl ca list --template sensors     whose devices this template provisions\n",
      CTL_READ, list_options, ca_list },
    { "show", "CA", "Shows one CA.", "  provctl ca show 3f2a9c0d --pem\n", CTL_READ, show_options,
      ca_show },
    { "update", "CA", "Changes what a CA may do. A running broker follows at once.",
      "  provctl ca update 3f2a9c0d --status ACTIVE --auto-register on\n"
      "  provctl ca update 3f2a9c0d --template sensors\n"
      "  provctl ca update 3f2a9c0d --status INACTIVE   no new devices; those known go on\n",
      CTL_WRITE, update_options, ca_update },
    { "delete", "CA", "Deletes an INACTIVE CA. Certificates registered under it stay.",
      "  provctl ca update 3f2a9c0d --status INACTIVE\n"
      "  provctl ca delete 3f2a9c0d\n",
      CTL_WRITE, NULL, ca_delete },
    { "crl", "FILE", "Imports a revocation list (PEM or DER) that a registered CA has signed.",
      "Certificates that it lists become REVOKED, and their connections end; those that nobody\n"
      "has seen yet will not be let in. An entry \"certificateHold\" makes INACTIVE. Lists add\n"
      "up: importing one again changes nothing, and a newer one takes nothing back.\n"
      "\n"
      "  provctl ca crl ca.crl\n"
      "  curl -s https://pki.example/ca.crl | provctl ca crl -\n",
      CTL_WRITE, NULL, ctl_ca_crl },
    { "registration-code", "", "Shows the code that a verification certificate has as its name.",
      "It is made on first use and then always the same.\n", CTL_WRITE, NULL,
      ca_registration_code },
};

const struct ctl_noun ctl_noun_ca = {
    "ca",
    "CA certificates: whose devices are let in",
    "A CA must be ACTIVE for new devices to be registered under it; devices that are\n"
    "registered already do not need it any more. With auto-registration, devices register\n"
    "themselves when they first connect; with a template they are provisioned as well.\n",
    verbs,
    PROV_COUNT(verbs),
    false,
};
