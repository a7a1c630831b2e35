#include <stdio.h>

#include "core/doc.h"
#include "core/view.h"
#include "ctl.h"
#include "list.h"
#include "nouns.h"

static const char *const statuses[] = { "ACTIVE", "INACTIVE", NULL };

static const char *status_of(const struct prov_ca *ca)
{
    return ca->active ? "ACTIVE" : "INACTIVE";
}

/* ---- register ---------------------------------------------------------------------------------
 */

/*
 * Without a verification certificate there is nothing to register, but there is something to learn:
 * how to make one. The registration code is kept, so that it is the same next time.
 */
static enum prov_rc explain_verification(struct ctl *ctl)
{
    const struct prov_span file = ctl_word(ctl, 0);
    char code[PROV_ID_HEX + 1];
    struct prov_buf shell;
    enum prov_rc rc;

    rc = prov_registration_code(&ctl->tx, code);
    if (rc == PROV_OK)
        rc = ctl_end(ctl);
    if (rc != PROV_OK)
        return rc;
    prov_buf_init(&shell, 8192);
    if (prov_span_eq_str(file, "-") || !ctl_put_shell(&shell, file))
        prov_buf_add_str(&shell, "CA-FILE");
    ctl_hint(ctl, "It proves that you have the CA's key. Make one:");
    ctl_hint(ctl, "  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "
                  "verification.key");
    ctl_hint(ctl, "  openssl req -new -key verification.key -subj \"/CN=%s\" -out verification.csr",
             code);
    ctl_hint(ctl,
             "  openssl x509 -req -in verification.csr -CA %s -CAkey CA-KEY -CAcreateserial "
             "-sha256 -days 1 -out verification.pem",
             prov_buf_cstr(&shell));
    ctl_hint(ctl, "Then: provctl ca register %s --verification-cert verification.pem",
             prov_buf_cstr(&shell));
    ctl_hint(ctl, "Or register it with --sni-only, which asks for no proof.");
    prov_buf_release(&shell);
    return ctl_usage(ctl, "--verification-cert FILE is missing");
}

static enum prov_rc say_next(struct ctl *ctl, const struct prov_ca_registration *reg,
                             const struct prov_id *id)
{
    char hex[PROV_ID_HEX + 1];

    prov_id_hex(id, hex);
    ctl_say(ctl, "CA registered: %s\n", hex);
    if (reg->active && reg->auto_registration && reg->template_name.n != 0) {
        ctl_say(ctl,
                "Devices with a certificate of this CA are provisioned by template %.*s when "
                "they first connect.\n",
                PROV_SPAN_ARG(reg->template_name));
        return PROV_OK;
    }
    ctl_say(ctl, "Next, as far as wanted:\n");
    if (!reg->active)
        ctl_say(ctl, "  provctl ca update %.12s --status ACTIVE      it admits nobody until then\n",
                hex);
    if (!reg->auto_registration)
        ctl_say(ctl, "  provctl ca update %.12s --auto-register on   unknown devices get in\n",
                hex);
    if (reg->template_name.n == 0)
        ctl_say(ctl, "  provctl ca update %.12s --template NAME      and are provisioned (JITP)\n",
                hex);
    ctl_say(ctl,
            "  provctl cert register FILE                          one device's certificate\n");
    return PROV_OK;
}

static enum prov_rc register_ca(struct ctl *ctl, struct prov_ca_registration *reg)
{
    struct prov_id id;
    enum prov_rc rc;

    rc = prov_ca_register(&ctl->tx, reg, &id);
    if (rc == PROV_EDENIED) { /* the verification certificate is not good */
        ctl->file = ctl_opt(&ctl->args, OPT_VERIFICATION_CERT);
        ctl_hint(ctl, "`provctl ca registration-code` shows the name that it must have; "
                      "`provctl ca register FILE` how it is made");
    }
    if (rc != PROV_OK)
        return rc;
    return ctl->json ? ctl_answer_cert(ctl, "cacert", &id) : say_next(ctl, reg, &id);
}

static enum prov_rc ca_register(struct ctl *ctl)
{
    const char *file = ctl->args.words[0];
    const char *verification = ctl_opt(&ctl->args, OPT_VERIFICATION_CERT);
    struct prov_buf der = { 0 }, verification_der = { 0 };
    struct prov_ca_registration reg = {
        .mode = ctl_has(&ctl->args, OPT_SNI_ONLY) ? PROV_MODE_SNI_ONLY : PROV_MODE_DEFAULT,
        .active = ctl_has(&ctl->args, OPT_ACTIVE),
        .template_name = ctl_value(ctl, OPT_TEMPLATE),
    };
    enum prov_rc rc = PROV_OK;

    (void)ctl_switch(&ctl->args, OPT_AUTO_REGISTER, &reg.auto_registration);
    if (verification == NULL && reg.mode == PROV_MODE_DEFAULT)
        return explain_verification(ctl);
    if (verification != NULL && reg.mode == PROV_MODE_SNI_ONLY)
        return ctl_usage(ctl, "--sni-only and --verification-cert exclude each other");
    if (verification != NULL)
        rc = ctl_read_cert(ctl, verification, &verification_der);
    if (rc == PROV_OK)
        rc = ctl_read_cert(ctl, file, &der);
    reg.der = prov_buf_span(&der);
    reg.verification_der = prov_buf_span(&verification_der);
    if (rc == PROV_OK)
        rc = register_ca(ctl, &reg);
    prov_buf_release(&der);
    prov_buf_release(&verification_der);
    return rc;
}

/* ---- list and show ----------------------------------------------------------------------------
 */

static const struct ctl_column columns[] = {
    { "ID", false, false },      { "STATUS", false, false },  { "AUTO-REGISTER", false, false },
    { "TEMPLATE", false, true }, { "EXPIRES", false, false }, { "SUBJECT", false, true },
};

static enum prov_rc row(struct ctl *ctl, struct prov_span key, struct ctl_row *row)
{
    struct prov_id id;
    struct prov_ca ca;
    enum prov_rc rc;

    rc = ctl_key_id(key, &id);
    if (rc == PROV_OK)
        rc = prov_ca_get(&ctl->tx, &id, &ca);
    if (rc != PROV_OK || row->table == NULL)
        return rc != PROV_OK ? rc : prov_view_ca_row(&ctl->tx, &ca, &row->json);
    ctl_cell_id(row->table, &id);
    ctl_cell_styled(row->table, ctl_style_of(status_of(&ca)), status_of(&ca));
    ctl_cellf(row->table, "%s", ca.auto_registration ? "on" : "off");
    ctl_cell(row->table, ca.template_name);
    ctl_cell_time(row->table, ca.not_after_s * 1000);
    ctl_cell(row->table, ca.subject);
    return PROV_OK;
}

static enum prov_rc ca_list(struct ctl *ctl)
{
    struct ctl_list list = {
        .kind = PROV_LIST_CAS,
        .columns = columns,
        .n_columns = PROV_COUNT(columns),
        .json_key = "certificates",
        .json_token = "nextMarker",
        .none = "no CA yet; `provctl help ca register` tells how to add one",
        .ids = true,
        .row = row,
    };
    struct prov_template_info info;
    enum prov_rc rc;

    if (ctl_has(&ctl->args, OPT_TEMPLATE)) {
        list.kind = PROV_LIST_CAS_OF_TEMPLATE;
        list.of = ctl_value(ctl, OPT_TEMPLATE);
        list.none = "no CA uses this template";
        rc = prov_template_get(&ctl->tx, list.of, &info);
        if (rc != PROV_OK)
            return rc;
    }
    return ctl_list(ctl, &list);
}

static void say_pem(struct ctl *ctl, struct prov_span der)
{
    prov_buf_add_u8(&ctl->out, '\n');
    prov_view_pem(der, &ctl->out);
}

static enum prov_rc ca_show(struct ctl *ctl)
{
    char hex[PROV_ID_HEX + 1];
    struct prov_id id;
    struct prov_ca ca;
    enum prov_rc rc;
    cJSON *doc = NULL;

    rc = ctl_ca_id(ctl, ctl->args.words[0], &id);
    if (rc == PROV_OK)
        rc = prov_ca_get(&ctl->tx, &id, &ca);
    if (rc != PROV_OK)
        return rc;
    if (ctl->json) {
        rc = prov_view_ca(&ctl->tx, &ca, &doc);
        return ctl_answer(ctl, rc, doc);
    }
    prov_id_hex(&id, hex);
    ctl_field(ctl, "id", prov_span_str(hex));
    ctl_field(ctl, "subject", ca.subject);
    ctl_field(ctl, "status", prov_span_str(status_of(&ca)));
    ctl_field(ctl, "auto-register", prov_span_str(ca.auto_registration ? "on" : "off"));
    ctl_field(ctl, "template", ca.template_name.n != 0 ? ca.template_name : PROV_LIT("none"));
    ctl_field(ctl, "mode", prov_span_str(ca.mode == PROV_MODE_SNI_ONLY ? "SNI_ONLY" : "DEFAULT"));
    ctl_field_time(ctl, "valid from", ca.not_before_s * 1000);
    ctl_field_time(ctl, "valid until", ca.not_after_s * 1000);
    ctl_field_time(ctl, "registered", ca.created_ms);
    ctl_field_time(ctl, "changed", ca.modified_ms);
    rc = ctl_field_list(ctl, "certificates", PROV_LIST_CERTS_OF_CA, prov_id_span(&id));
    if (rc == PROV_OK && ctl_has(&ctl->args, OPT_PEM))
        say_pem(ctl, ca.der);
    return rc;
}

/* ---- update, delete, registration-code --------------------------------------------------------
 */

static enum prov_rc ca_update(struct ctl *ctl)
{
    const char *status = ctl_opt(&ctl->args, OPT_STATUS);
    const bool no_template = ctl_has(&ctl->args, OPT_NO_TEMPLATE);
    const struct prov_span template_name = ctl_value(ctl, OPT_TEMPLATE);
    const bool active = status != NULL && strcmp(status, "ACTIVE") == 0;
    bool auto_registration = false;
    const bool auto_given = ctl_switch(&ctl->args, OPT_AUTO_REGISTER, &auto_registration);
    const struct prov_ca_change change = {
        .active = status != NULL ? &active : NULL,
        .auto_registration = auto_given ? &auto_registration : NULL,
        .template_name = no_template || template_name.n != 0 ? &template_name : NULL,
    };
    char hex[PROV_ID_HEX + 1];
    struct prov_id id;
    struct prov_ca ca;
    enum prov_rc rc;

    if (no_template && template_name.n != 0)
        return ctl_usage(ctl, "--template and --no-template exclude each other");
    if (!ctl_any_given(ctl))
        return ctl_usage(ctl, "nothing to change was given");
    rc = ctl_ca_id(ctl, ctl->args.words[0], &id);
    if (rc == PROV_OK)
        rc = prov_ca_update(&ctl->tx, &id, &change);
    if (rc == PROV_OK)
        rc = prov_ca_get(&ctl->tx, &id, &ca);
    if (rc != PROV_OK)
        return rc;
    prov_id_hex(&id, hex);
    return ctl_done(ctl, "CA %.12s: %s, auto-register %s, %s%.*s", hex, status_of(&ca),
                    ca.auto_registration ? "on" : "off",
                    ca.template_name.n != 0 ? "template " : "no template",
                    PROV_SPAN_ARG(ca.template_name));
}

static enum prov_rc ca_delete(struct ctl *ctl)
{
    char hex[PROV_ID_HEX + 1];
    struct prov_id id;
    struct prov_ca ca;
    enum prov_rc rc;

    rc = ctl_ca_id(ctl, ctl->args.words[0], &id);
    if (rc != PROV_OK)
        return rc;
    prov_id_hex(&id, hex);
    if (prov_ca_get(&ctl->tx, &id, &ca) == PROV_OK && ca.active)
        ctl_hint(ctl, "`provctl ca update %.12s --status INACTIVE` first", hex);
    rc = prov_ca_delete(&ctl->tx, &id);
    if (rc != PROV_OK)
        return rc;
    return ctl_done(ctl, "CA %.12s deleted; certificates that were registered under it stay.", hex);
}

static enum prov_rc ca_registration_code(struct ctl *ctl)
{
    char code[PROV_ID_HEX + 1];
    struct prov_doc d;
    enum prov_rc rc;

    rc = prov_registration_code(&ctl->tx, code);
    if (rc != PROV_OK)
        return rc;
    if (!ctl->json) {
        ctl_say(ctl, "%s\n", code);
        return PROV_OK;
    }
    d = prov_doc_start(&ctl->tx);
    prov_doc_text(&d, d.root, "registrationCode", prov_span_str(code));
    return ctl_answer_doc(ctl, &d);
}

/* ---- the noun ---------------------------------------------------------------------------------
 */

static const struct ctl_option register_options[] = {
    { OPT_VERIFICATION_CERT, "FILE", "proof that you have the CA's key (mode DEFAULT)", NULL,
      false },
    { OPT_SNI_ONLY, NULL, "mode SNI_ONLY: no proof is asked for", NULL, false },
    { OPT_ACTIVE, NULL, "ACTIVE at once; otherwise INACTIVE, and it admits nobody", NULL, false },
    { OPT_AUTO_REGISTER, NULL, "let in devices that were never registered one by one", NULL,
      false },
    { OPT_TEMPLATE, "NAME", "provision them by this template of type JITP", NULL, false },
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
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_verb verbs[] = {
    { "register", "FILE",
      "Registers a CA certificate (PEM or DER), so that the certificates it signs can be.",
      "Register the CA that signs the devices directly; no other of its chain is needed. With\n"
      "--active, --auto-register and a template, a device that connects for the first time is\n"
      "recorded and provisioned; without a template it is recorded and waits for you.\n"
      "\n"
      "  provctl ca register ca.pem --sni-only --active --auto-register --template sensors\n"
      "  provctl ca register ca.pem --verification-cert verification.pem\n"
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
