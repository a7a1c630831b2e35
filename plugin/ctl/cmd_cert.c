#include "cmd_cert.h"
#include "list.h"
#include "nouns.h"

static const char *const statuses[] = { "ACTIVE", "INACTIVE", "REVOKED", NULL };
static const char *const all_statuses[] = { "ACTIVE",           "INACTIVE",           "REVOKED",
                                            "PENDING_TRANSFER", "PENDING_ACTIVATION", NULL };

/* ---- register -------------------------------------------------------------------------------- */

static enum prov_rc say_registered(struct ctl *ctl, const cJSON *data)
{
    const struct prov_span id = ctl_get(data, "certificateId"), status = ctl_get(data, "status");
    const struct ctl_short_id first = ctl_short(id);

    ctl_say(ctl, "certificate registered (%.*s): %.*s\nNext, as far as wanted:\n",
            PROV_SPAN_ARG(status), PROV_SPAN_ARG(id));
    if (prov_span_eq_str(status, "INACTIVE"))
        ctl_say(ctl, "  provctl cert update %s --status ACTIVE   it may not connect until then\n",
                first.text);
    ctl_say(ctl,
            "  provctl policy attach NAME --cert %s     it may do nothing without a policy\n"
            "  provctl thing attach NAME --cert %s      and stands for this thing\n",
            first.text, first.text);
    return PROV_OK;
}

static enum prov_rc put_files(struct ctl *ctl, struct ctl_params *params)
{
    const char *ca_file = ctl_opt(&ctl->args, OPT_CA);
    struct prov_buf der = { 0 }, ca_der = { 0 };
    enum prov_rc rc = PROV_OK;

    if (ca_file != NULL)
        rc = ctl_read_cert(ctl, ca_file, &ca_der);
    if (rc == PROV_OK)
        rc = ctl_read_cert(ctl, ctl->args.words[0], &der);
    if (rc == PROV_OK)
        ctl_put_pem(params, "certificatePem", prov_buf_span(&der));
    if (rc == PROV_OK && ca_file != NULL)
        ctl_put_pem(params, "caCertificatePem", prov_buf_span(&ca_der));
    prov_buf_release(&der);
    prov_buf_release(&ca_der);
    return rc;
}

static enum prov_rc cert_register(struct ctl *ctl)
{
    const bool without_ca = ctl_has(&ctl->args, OPT_NO_CA);
    struct ctl_params params = ctl_params();
    enum prov_rc rc;

    ctl_put_if(&params, "status", ctl_value(ctl, OPT_STATUS));
    if (without_ca && ctl_has(&ctl->args, OPT_CA))
        rc = ctl_usage(ctl, "--ca and --no-ca exclude each other");
    else
        rc = put_files(ctl, &params);
    if (rc != PROV_OK) {
        ctl_params_drop(&params);
        return rc;
    }
    rc = ctl_tell(ctl, without_ca ? "registerCertificateWithoutCA" : "registerCertificate", &params,
                  say_registered);
    if (rc != PROV_OK && !without_ca)
        ctl_hint(ctl, "`provctl ca list` shows the CAs; with --no-ca none is needed");
    return rc;
}

/* ---- list and show --------------------------------------------------------------------------- */

static const struct ctl_column columns[] = {
    { "ID", false, false }, { "STATUS", false, false }, { "COMMON NAME", false, true },
    { "CA", false, false }, { "THINGS", false, true },  { "CREATED", false, false },
};

static void row(struct ctl_table *table, const cJSON *cert)
{
    ctl_cell_id(table, ctl_get(cert, "certificateId"));
    ctl_cell_status(table, ctl_get(cert, "status"));
    ctl_cell(table, ctl_get(cert, "commonName"));
    ctl_cell_id(table, ctl_get(cert, "caCertificateId"));
    ctl_cell_array(table, ctl_get_array(cert, "things"), NULL);
    ctl_cell_time(table, ctl_get_time(cert, "creationDate"));
}

static enum prov_rc cert_list(struct ctl *ctl)
{
    const struct prov_span ca = ctl_value(ctl, OPT_CA);
    const struct ctl_list list = {
        .op = ca.n != 0 ? "listCertificatesByCA" : "listCertificates",
        .rows = "certificates",
        .pages = CTL_BY_MARKER,
        .ids = true,
        .columns = columns,
        .n_columns = PROV_COUNT(columns),
        .none = "no such certificate",
        .row = row,
    };
    struct ctl_params filter = ctl_params();

    ctl_put_if(&filter, "caCertificateId", ca);
    ctl_put_if(&filter, "status", ctl_value(ctl, OPT_STATUS));
    return ctl_list(ctl, &list, &filter);
}

/* Of the last transfer, if there was one. */
static void say_transfer(struct ctl *ctl, const cJSON *transfer)
{
    static const struct {
        const char *label, *key;
    } times[] = {
        { "offered", "transferDate" },
        { "accepted", "acceptDate" },
        { "rejected", "rejectDate" },
    };

    if (transfer == NULL)
        return;
    ctl_field(ctl, "transferred to", ctl_get(transfer, "transferredTo"));
    ctl_field(ctl, "message", ctl_get(transfer, "transferMessage"));
    for (size_t i = 0; i < PROV_COUNT(times); i++) {
        if (ctl_get_time(transfer, times[i].key) != 0)
            ctl_field_time(ctl, times[i].label, ctl_get_time(transfer, times[i].key));
    }
    ctl_field(ctl, "reason", ctl_get(transfer, "rejectReason"));
}

/* Of one that was issued. */
static void say_origin(struct ctl *ctl, const cJSON *about)
{
    const struct prov_span template_ = ctl_get(about, "claimTemplate");

    if (template_.n != 0)
        ctl_fieldf(ctl, "claim", "for one device, by template %.*s", PROV_SPAN_ARG(template_));
    ctl_field(ctl, "replaces", ctl_get(about, "replaces"));
}

static enum prov_rc say_cert(struct ctl *ctl, const cJSON *data)
{
    const cJSON *about = ctl_get_object(data, "certificateDescription");
    const cJSON *validity = ctl_get_object(about, "validity");
    const struct prov_span ca = ctl_get(about, "caCertificateId");
    const bool exclusive = prov_span_eq_str(ctl_get(data, "thingPrincipalType"), "EXCLUSIVE_THING");

    ctl_field(ctl, "id", ctl_get(about, "certificateId"));
    ctl_field(ctl, "common name", ctl_get(about, "commonName"));
    ctl_field(ctl, "status", ctl_get(about, "status"));
    ctl_field(ctl, "CA", ca.n != 0 ? ca : PROV_LIT("none"));
    ctl_field(ctl, "mode", ctl_get(about, "certificateMode"));
    say_origin(ctl, about);
    ctl_field_array(ctl, "policies", ctl_get_array(data, "policies"), "policyName");
    ctl_field_array(ctl, exclusive ? "thing (exclusive)" : "things", ctl_get_array(data, "things"),
                    NULL);
    ctl_field_time(ctl, "valid from", ctl_get_time(validity, "notBefore"));
    ctl_field_time(ctl, "valid until", ctl_get_time(validity, "notAfter"));
    ctl_field_time(ctl, "registered", ctl_get_time(about, "creationDate"));
    ctl_field_time(ctl, "changed", ctl_get_time(about, "lastModifiedDate"));
    say_transfer(ctl, ctl_get_object(about, "transferData"));
    if (ctl_has(&ctl->args, OPT_PEM)) {
        ctl_say(ctl, "\n");
        ctl_block(ctl, ctl_get(about, "certificatePem"));
    }
    return PROV_OK;
}

static enum prov_rc cert_show(struct ctl *ctl)
{
    return ctl_tell_one(ctl, "describeCertificate", "certificateId", ctl_word(ctl, 0), say_cert);
}

/* ---- update and delete ----------------------------------------------------------------------- */

static enum prov_rc say_status(struct ctl *ctl, const cJSON *data)
{
    const struct prov_span status = ctl_get(data, "status");

    return ctl_done(
        ctl, "certificate %s is %.*s%s", ctl_answered_id(data, ctl_word(ctl, 0)).text,
        PROV_SPAN_ARG(status),
        prov_span_eq_str(status, "ACTIVE") ? "" : "; a running broker closes its connections now");
}

static enum prov_rc cert_update(struct ctl *ctl)
{
    struct ctl_params params = ctl_params();

    ctl_put(&params, "certificateId", ctl_word(ctl, 0));
    ctl_put(&params, "newStatus", ctl_value(ctl, OPT_STATUS));
    return ctl_tell(ctl, "updateCertificate", &params, say_status);
}

static void hint_delete(struct ctl *ctl)
{
    cJSON *cert = ctl_peek(ctl, "describeCertificate", "certificateId", ctl_word(ctl, 0));
    const cJSON *about = ctl_get_object(cert, "certificateDescription"), *thing;
    const struct ctl_short_id id = ctl_short(ctl_get(about, "certificateId"));
    int n = 0;

    if (prov_span_eq_str(ctl_get(about, "status"), "ACTIVE"))
        ctl_hint(ctl, "`provctl cert update %s --status INACTIVE` first", id.text);
    cJSON_ArrayForEach(thing, ctl_get_array(cert, "things"))
    {
        if (n++ < 3)
            ctl_hint(ctl, "`provctl thing detach %.*s --cert %s` first",
                     PROV_SPAN_ARG(ctl_element(thing, NULL)), id.text);
    }
    if (cJSON_GetArraySize(ctl_get_array(cert, "policies")) != 0)
        ctl_hint(ctl, "--force deletes it with its policies attached");
    cJSON_Delete(cert);
}

static enum prov_rc say_deleted(struct ctl *ctl, const cJSON *data)
{
    return ctl_done(ctl, "certificate %s deleted", ctl_answered_id(data, ctl_word(ctl, 0)).text);
}

static enum prov_rc cert_delete(struct ctl *ctl)
{
    struct ctl_params params = ctl_params();
    enum prov_rc rc;

    ctl_put(&params, "certificateId", ctl_word(ctl, 0));
    ctl_put_flag(&params, "forceDelete", ctl_has(&ctl->args, OPT_FORCE));
    rc = ctl_tell(ctl, "deleteCertificate", &params, say_deleted);
    if (rc == PROV_EDENIED)
        hint_delete(ctl);
    return rc;
}

/* ---- transfer -------------------------------------------------------------------------------- */

static void hint_transfer(struct ctl *ctl)
{
    cJSON *cert = ctl_peek(ctl, "describeCertificate", "certificateId", ctl_word(ctl, 0));
    const cJSON *about = ctl_get_object(cert, "certificateDescription"), *item;
    const struct ctl_short_id id = ctl_short(ctl_get(about, "certificateId"));

    if (prov_span_eq_str(ctl_get(about, "status"), "ACTIVE"))
        ctl_hint(ctl, "`provctl cert update %s --status INACTIVE` first", id.text);
    cJSON_ArrayForEach(item, ctl_get_array(cert, "policies"))
    {
        ctl_hint(ctl, "`provctl policy detach %.*s --cert %s` first",
                 PROV_SPAN_ARG(ctl_element(item, "policyName")), id.text);
    }
    cJSON_ArrayForEach(item, ctl_get_array(cert, "things"))
    {
        ctl_hint(ctl, "`provctl thing detach %.*s --cert %s` first",
                 PROV_SPAN_ARG(ctl_element(item, NULL)), id.text);
    }
    cJSON_Delete(cert);
}

static enum prov_rc say_offered(struct ctl *ctl, const cJSON *data)
{
    const struct ctl_short_id id = ctl_answered_id(data, ctl_word(ctl, 0));

    return ctl_done(ctl,
                    "certificate %s is offered to account %s, and connects nobody meanwhile\n"
                    "Next, one of:\n"
                    "  provctl cert accept %s             it is theirs\n"
                    "  provctl cert reject %s             they do not want it\n"
                    "  provctl cert cancel-transfer %s    it stays here",
                    id.text, ctl_opt(&ctl->args, OPT_TO), id.text, id.text, id.text);
}

static enum prov_rc cert_transfer(struct ctl *ctl)
{
    struct ctl_params params = ctl_params();
    enum prov_rc rc;

    ctl_put(&params, "certificateId", ctl_word(ctl, 0));
    ctl_put(&params, "targetAwsAccount", ctl_value(ctl, OPT_TO));
    ctl_put_if(&params, "transferMessage", ctl_value(ctl, OPT_MESSAGE));
    rc = ctl_tell(ctl, "transferCertificate", &params, say_offered);
    if (rc == PROV_EDENIED || rc == PROV_ECONFLICT)
        hint_transfer(ctl);
    return rc;
}

static enum prov_rc say_accepted(struct ctl *ctl, const cJSON *data)
{
    return ctl_done(ctl, "certificate %s is accepted, and %.*s",
                    ctl_answered_id(data, ctl_word(ctl, 0)).text,
                    PROV_SPAN_ARG(ctl_get(data, "status")));
}

static enum prov_rc cert_accept(struct ctl *ctl)
{
    struct ctl_params params = ctl_params();

    ctl_put(&params, "certificateId", ctl_word(ctl, 0));
    ctl_put_flag(&params, "setAsActive", ctl_has(&ctl->args, OPT_ACTIVE));
    return ctl_tell(ctl, "acceptCertificateTransfer", &params, say_accepted);
}

static enum prov_rc say_back(struct ctl *ctl, const cJSON *data)
{
    return ctl_done(ctl, "certificate %s is %.*s here again",
                    ctl_answered_id(data, ctl_word(ctl, 0)).text,
                    PROV_SPAN_ARG(ctl_get(data, "status")));
}

static enum prov_rc cert_reject(struct ctl *ctl)
{
    struct ctl_params params = ctl_params();

    ctl_put(&params, "certificateId", ctl_word(ctl, 0));
    ctl_put_if(&params, "rejectReason", ctl_value(ctl, OPT_REASON));
    return ctl_tell(ctl, "rejectCertificateTransfer", &params, say_back);
}

static enum prov_rc cert_cancel_transfer(struct ctl *ctl)
{
    return ctl_tell_one(ctl, "cancelCertificateTransfer", "certificateId", ctl_word(ctl, 0),
                        say_back);
}

/* ---- the noun -------------------------------------------------------------------------------- */

static const struct ctl_option register_options[] = {
    { OPT_CA, "FILE", "the CA's certificate, when several registered CAs have its name", NULL,
      false },
    { OPT_NO_CA, NULL, "trust this certificate alone: no registered CA signed it", NULL, false },
    { OPT_STATUS, NULL, "its first status; INACTIVE when not given", statuses, false },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_option list_options[] = {
    { OPT_CA, "CA", "only those registered under this CA", NULL, false },
    { OPT_STATUS, NULL, "only those of this status", all_statuses, false },
    CTL_LIST_OPTIONS("ID"),
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_option show_options[] = {
    { OPT_PEM, NULL, "the certificate itself too", NULL, false },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_option update_options[] = {
    { OPT_STATUS, NULL, "REVOKED is for good", statuses, true },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_option delete_options[] = {
    { OPT_FORCE, NULL, "although policies are attached to it", NULL, false },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_option transfer_options[] = {
    { OPT_TO, "ACCOUNT", "whose it is to be: 12 digits", NULL, true },
    { OPT_MESSAGE, "TEXT", "for the one who accepts or rejects", NULL, false },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_option accept_options[] = {
    { OPT_ACTIVE, NULL, "ACTIVE at once; otherwise INACTIVE", NULL, false },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_option reject_options[] = {
    { OPT_REASON, "TEXT", "why", NULL, false },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_verb verbs[] = {
    { "register", "FILE", "Registers a device's certificate (PEM or DER).",
      "It must be signed by a registered ACTIVE CA, or be registered with --no-ca.\n"
      "\n"
      "  provctl cert register sensor-0042.pem --status ACTIVE\n"
      "  provctl cert register sensor-0042.pem --no-ca --status ACTIVE\n"
      "  openssl x509 -in sensor.der -inform DER | provctl cert register -\n",
      CTL_WRITE, register_options, cert_register },
    { "create", "", "Makes a certificate, and a key for it unless a CSR has one.",
      "The issuer signs it (`provctl help issuer`). The private key is shown, or written, once:\n"
      "it is kept nowhere.\n"
      "\n"
      "  provctl cert create --csr sensor-0042.csr --active --out .\n"
      "  provctl cert create --key-type ec-p256 --days 365 --out /media/usb\n",
      CTL_WRITE, ctl_cert_create_options, ctl_cert_create },
    { "list", "", "Lists device certificates.",
      "  provctl cert list --status PENDING_ACTIVATION\n"
      "  provctl cert list --ca 3f2a9c0d --limit 20\n"
      "  provctl cert list --json | jq -r '.certificates[].certificateId'\n",
      CTL_READ, list_options, cert_list },
    { "show", "CERT", "Shows one certificate: status, validity, policies, things.",
      "  provctl cert show 7c11d0e4\n"
      "  provctl cert show 7c11d0e4 --pem | openssl x509 -text\n"
      "\n"
      "`provctl explain` tells how its device fares with it.\n",
      CTL_READ, show_options, cert_show },
    { "update", "CERT", "Changes a certificate's status. A running broker follows within a second.",
      "  provctl cert update 7c11d0e4 --status ACTIVE\n"
      "  provctl cert update 7c11d0e4 --status REVOKED   for good, and disconnected now\n",
      CTL_WRITE, update_options, cert_update },
    { "delete", "CERT", "Deletes a certificate that is not ACTIVE and not attached to a thing.",
      "Under a CA with auto-registration the device may come back as a new one: revoke\n"
      "instead of deleting what must stay out.\n"
      "\n"
      "  provctl cert delete 7c11d0e4 --force\n",
      CTL_WRITE, delete_options, cert_delete },
    { "transfer", "CERT", "Offers an INACTIVE certificate to another account.",
      "Until it is accepted, rejected or taken back it is PENDING_TRANSFER. It must have no\n"
      "policies and stand for no thing. The registry stays this one: the accounts are the\n"
      "owners between whom you mediate, and what was agreed is kept with the certificate.\n"
      "\n"
      "  provctl cert transfer 7c11d0e4 --to 123456789012 --message \"lot 17, sold in May\"\n"
      "  provctl cert accept 7c11d0e4 --active\n",
      CTL_WRITE, transfer_options, cert_transfer },
    { "accept", "CERT", "Takes a certificate that was offered.",
      "  provctl cert accept 7c11d0e4 --active\n", CTL_WRITE, accept_options, cert_accept },
    { "reject", "CERT", "Declines a certificate that was offered; it becomes INACTIVE.",
      "  provctl cert reject 7c11d0e4 --reason \"not in our order\"\n", CTL_WRITE, reject_options,
      cert_reject },
    { "cancel-transfer", "CERT", "Takes back the offer of a certificate; it becomes INACTIVE.",
      "  provctl cert cancel-transfer 7c11d0e4\n", CTL_WRITE, NULL, cert_cancel_transfer },
};

const struct ctl_noun ctl_noun_cert = {
    "cert",
    "device certificates: who is who, and who is out",
    "Only an ACTIVE certificate connects, and what it may do its policies say, and those of\n"
    "its thing's groups.\n",
    verbs,
    PROV_COUNT(verbs),
    false,
};
