#include "core/view.h"
#include "ctl.h"
#include "list.h"
#include "nouns.h"

static const char *const statuses[] = { "ACTIVE", "INACTIVE", "REVOKED", NULL };
static const char *const all_statuses[] = { "ACTIVE",           "INACTIVE",           "REVOKED",
                                            "PENDING_TRANSFER", "PENDING_ACTIVATION", NULL };

/* The parser of the command line let only names of the tables above through. */
static enum prov_cert_status status_given(const struct ctl *ctl, enum prov_cert_status fallback)
{
    enum prov_cert_status status;

    if (!prov_cert_status_parse(ctl_value(ctl, OPT_STATUS), &status))
        return fallback;
    return status;
}

/* ---- register ---------------------------------------------------------------------------------
 */

static void say_next(struct ctl *ctl, enum prov_cert_status status, const struct prov_id *id)
{
    char hex[PROV_ID_HEX + 1];

    prov_id_hex(id, hex);
    ctl_say(ctl, "certificate registered (%s): %s\nNext, as far as wanted:\n",
            prov_cert_status_name(status), hex);
    if (status == PROV_CERT_INACTIVE)
        ctl_say(ctl,
                "  provctl cert update %.12s --status ACTIVE   it may not connect until then\n",
                hex);
    ctl_say(ctl,
            "  provctl policy attach NAME --cert %.12s     it may do nothing without a policy\n"
            "  provctl thing attach NAME --cert %.12s      and stands for this thing\n",
            hex, hex);
}

static enum prov_rc register_cert(struct ctl *ctl, const struct prov_cert_registration *reg)
{
    struct prov_id id;
    enum prov_rc rc;

    rc = prov_cert_register(&ctl->tx, reg, &id);
    if (rc != PROV_OK && !reg->without_ca)
        ctl_hint(ctl, "`provctl ca list` shows the CAs; with --no-ca none is needed");
    if (rc != PROV_OK)
        return rc;
    if (ctl->json)
        return ctl_answer_cert(ctl, "cert", &id);
    say_next(ctl, reg->status, &id);
    return PROV_OK;
}

static enum prov_rc cert_register(struct ctl *ctl)
{
    const char *ca_file = ctl_opt(&ctl->args, OPT_CA);
    struct prov_buf der = { 0 }, ca_der = { 0 };
    struct prov_cert_registration reg = {
        .without_ca = ctl_has(&ctl->args, OPT_NO_CA),
        .status = status_given(ctl, PROV_CERT_INACTIVE),
    };
    enum prov_rc rc = PROV_OK;

    if (reg.without_ca && ca_file != NULL)
        return ctl_usage(ctl, "--ca and --no-ca exclude each other");
    if (ca_file != NULL)
        rc = ctl_read_cert(ctl, ca_file, &ca_der);
    if (rc == PROV_OK)
        rc = ctl_read_cert(ctl, ctl->args.words[0], &der);
    reg.der = prov_buf_span(&der);
    reg.ca_der = prov_buf_span(&ca_der);
    if (rc == PROV_OK)
        rc = register_cert(ctl, &reg);
    prov_buf_release(&der);
    prov_buf_release(&ca_der);
    return rc;
}

/* ---- list and show ----------------------------------------------------------------------------
 */

static const struct ctl_column columns[] = {
    { "ID", false, false }, { "STATUS", false, false }, { "COMMON NAME", false, true },
    { "CA", false, false }, { "THINGS", false, true },  { "CREATED", false, false },
};

static enum prov_rc row(struct ctl *ctl, struct prov_span key, struct ctl_row *row)
{
    struct prov_id id;
    struct prov_cert cert;
    enum prov_rc rc;

    rc = ctl_key_id(key, &id);
    if (rc == PROV_OK)
        rc = prov_cert_get(&ctl->tx, &id, &cert);
    if (rc != PROV_OK || status_given(ctl, cert.status) != cert.status)
        return rc;
    if (row->table == NULL)
        return prov_view_cert_row(&ctl->tx, &cert, &row->json);
    ctl_cell_id(row->table, &id);
    ctl_cell_styled(row->table, ctl_style_of(prov_cert_status_name(cert.status)),
                    prov_cert_status_name(cert.status));
    ctl_cell(row->table, cert.common_name);
    ctl_cell_id(row->table, &cert.ca_id);
    ctl_cell_names(row->table, cert.things, cert.n_things);
    ctl_cell_time(row->table, cert.created_ms);
    return PROV_OK;
}

static enum prov_rc cert_list(struct ctl *ctl)
{
    const char *ca = ctl_opt(&ctl->args, OPT_CA);
    struct prov_id ca_id;
    struct ctl_list list = {
        .kind = PROV_LIST_CERTS,
        .columns = columns,
        .n_columns = PROV_COUNT(columns),
        .json_key = "certificates",
        .json_token = "nextMarker",
        .none = "no such certificate",
        .ids = true,
        .row = row,
    };
    enum prov_rc rc;

    if (ca != NULL) {
        rc = ctl_ca_id(ctl, ca, &ca_id);
        if (rc != PROV_OK)
            return rc;
        list.kind = PROV_LIST_CERTS_OF_CA;
        list.of = prov_id_span(&ca_id);
    }
    return ctl_list(ctl, &list);
}

static void say_cert(struct ctl *ctl, const struct prov_cert *cert)
{
    char hex[PROV_ID_HEX + 1];

    prov_id_hex(&cert->id, hex);
    ctl_field(ctl, "id", prov_span_str(hex));
    ctl_field(ctl, "common name", cert->common_name);
    ctl_field(ctl, "status", prov_span_str(prov_cert_status_name(cert->status)));
    prov_id_hex(&cert->ca_id, hex);
    ctl_field(ctl, "CA", prov_id_is_zero(&cert->ca_id) ? PROV_LIT("none") : prov_span_str(hex));
    ctl_field(ctl, "mode",
              prov_span_str(cert->mode == PROV_MODE_SNI_ONLY ? "SNI_ONLY" : "DEFAULT"));
    ctl_field_names(ctl, "policies", cert->policies, cert->n_policies);
    ctl_field_names(ctl, cert->exclusive ? "thing (exclusive)" : "things", cert->things,
                    cert->n_things);
    ctl_field_time(ctl, "valid from", cert->not_before_s * 1000);
    ctl_field_time(ctl, "valid until", cert->not_after_s * 1000);
    ctl_field_time(ctl, "registered", cert->created_ms);
    ctl_field_time(ctl, "changed", cert->modified_ms);
}

static enum prov_rc cert_show(struct ctl *ctl)
{
    struct prov_span der;
    struct prov_cert cert;
    struct prov_id id;
    enum prov_rc rc;
    cJSON *doc = NULL;

    rc = ctl_cert_id(ctl, ctl->args.words[0], &id);
    if (rc == PROV_OK)
        rc = prov_cert_get(&ctl->tx, &id, &cert);
    if (rc != PROV_OK)
        return rc;
    if (ctl->json) {
        rc = prov_view_cert(&ctl->tx, &cert, &doc);
        return ctl_answer(ctl, rc, doc);
    }
    say_cert(ctl, &cert);
    if (!ctl_has(&ctl->args, OPT_PEM))
        return PROV_OK;
    rc = prov_cert_der(&ctl->tx, &id, &der);
    if (rc != PROV_OK)
        return rc;
    ctl_say(ctl, "\n");
    prov_view_pem(der, &ctl->out);
    return PROV_OK;
}

/* ---- update and delete ------------------------------------------------------------------------
 */

static enum prov_rc cert_update(struct ctl *ctl)
{
    const enum prov_cert_status status = status_given(ctl, PROV_CERT_INACTIVE);
    char hex[PROV_ID_HEX + 1];
    struct prov_id id;
    enum prov_rc rc;

    rc = ctl_cert_id(ctl, ctl->args.words[0], &id);
    if (rc == PROV_OK)
        rc = prov_cert_set_status(&ctl->tx, &id, status);
    if (rc != PROV_OK)
        return rc;
    prov_id_hex(&id, hex);
    return ctl_done(ctl, "certificate %.12s is %s%s", hex, prov_cert_status_name(status),
                    status == PROV_CERT_ACTIVE ? ""
                                               : "; a running broker closes its connections now");
}

static void hint_delete(struct ctl *ctl, const struct prov_cert *cert, const char *hex)
{
    if (cert->status == PROV_CERT_ACTIVE)
        ctl_hint(ctl, "`provctl cert update %.12s --status INACTIVE` first", hex);
    for (size_t i = 0; i < cert->n_things && i < 3; i++)
        ctl_hint(ctl, "`provctl thing detach %.*s --cert %.12s` first",
                 PROV_SPAN_ARG(cert->things[i]), hex);
    if (cert->n_policies != 0)
        ctl_hint(ctl, "--force deletes it with its policies attached");
}

static enum prov_rc cert_delete(struct ctl *ctl)
{
    char hex[PROV_ID_HEX + 1];
    struct prov_cert cert;
    struct prov_id id;
    enum prov_rc rc;

    rc = ctl_cert_id(ctl, ctl->args.words[0], &id);
    if (rc == PROV_OK)
        rc = prov_cert_get(&ctl->tx, &id, &cert);
    if (rc != PROV_OK)
        return rc;
    prov_id_hex(&id, hex);
    hint_delete(ctl, &cert, hex);
    rc = prov_cert_delete(&ctl->tx, &id, ctl_has(&ctl->args, OPT_FORCE));
    if (rc != PROV_OK)
        return rc;
    return ctl_done(ctl, "certificate %.12s deleted", hex);
}

/* ---- the noun ---------------------------------------------------------------------------------
 */

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

static const struct ctl_verb verbs[] = {
    { "register", "FILE", "Registers a device's certificate (PEM or DER).",
      "It must be signed by a registered ACTIVE CA, or be registered with --no-ca.\n"
      "\n"
      "  provctl cert register sensor-0042.pem --status ACTIVE\n"
      "  provctl cert register sensor-0042.pem --no-ca --status ACTIVE\n"
      "  openssl x509 -in sensor.der -inform DER | provctl cert register -\n",
      CTL_WRITE, register_options, cert_register },
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
