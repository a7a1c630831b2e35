/* The questions, in their order; options answer the same ones. */
#include "init.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void put(char out[static INIT_PATH], const char *text)
{
    (void)snprintf(out, INIT_PATH, "%s", text);
}

static void none(const struct init *in, char out[static INIT_PATH])
{
    (void)in;
    out[0] = '\0';
}

static bool given(const struct init *in, enum ctl_opt option)
{
    return ctl_has(&in->ctl->args, option);
}

/* ---- the registry ---------------------------------------------------------------------------- */

/* Of a store that is there the settings stay, unless an option says otherwise. */
static bool asks_account(const struct init *in)
{
    return !in->found.store || given(in, OPT_ACCOUNT_ID);
}

static bool asks_region(const struct init *in)
{
    return !in->found.store || given(in, OPT_REGION);
}

static void default_account(const struct init *in, char out[static INIT_PATH])
{
    (void)in;
    put(out, "000000000000");
}

static void default_region(const struct init *in, char out[static INIT_PATH])
{
    (void)in;
    put(out, "local");
}

static enum prov_rc set_account(struct init *in, const char *answer)
{
    if (strlen(answer) != 12 || strspn(answer, "0123456789") != 12)
        return ctl_refuse(in->ctl, "an account id has exactly 12 digits");
    (void)prov_span_copy(prov_span_str(answer), in->plan.account_id, sizeof in->plan.account_id);
    return PROV_OK;
}

static enum prov_rc set_region(struct init *in, const char *answer)
{
    const size_t n = strlen(answer);

    if (n == 0 || n > 32 || strspn(answer, "abcdefghijklmnopqrstuvwxyz0123456789-") != n)
        return ctl_refuse(in->ctl, "a region has 1 to 32 of a-z, 0-9 and -");
    (void)prov_span_copy(prov_span_str(answer), in->plan.region, sizeof in->plan.region);
    return PROV_OK;
}

/* ---- devices --------------------------------------------------------------------------------- */

static const struct init_choice device_choices[] = {
    { "factory", "each has a certificate that a factory's CA signed" },
    { "claim", "with a claim, which they trade for a certificate of their own" },
    { "both", "some this way, some the other" },
    { "none", "nothing is prepared for them now" },
    { NULL, NULL },
};

static bool always(const struct init *in)
{
    (void)in;
    return true;
}

/* What options that belong to one way say; else both, or no more than there is. */
static void default_devices(const struct init *in, char out[static INIT_PATH])
{
    const bool factory =
        given(in, OPT_FACTORY_CA) || given(in, OPT_TEMPLATE) || given(in, OPT_POLICY);
    const bool claim = given(in, OPT_FLEET_TEMPLATE) || given(in, OPT_FLEET_POLICY) ||
                       given(in, OPT_ISSUER) || given(in, OPT_ISSUER_CERT);

    if (factory != claim)
        put(out, factory ? "factory" : "claim");
    else
        put(out, !factory && in->found.conf && in->found.templates ? "none" : "both");
}

static enum prov_rc set_devices(struct init *in, const char *answer)
{
    const bool both = strcmp(answer, "both") == 0;

    in->plan.factory.wanted = both || strcmp(answer, "factory") == 0;
    in->plan.factory.type = PROV_TEMPLATE_JITP;
    in->plan.claim.wanted = both || strcmp(answer, "claim") == 0;
    in->plan.claim.type = PROV_TEMPLATE_FLEET;
    return PROV_OK;
}

static bool wants_factory(const struct init *in)
{
    return in->plan.factory.wanted;
}

static bool wants_claim(const struct init *in)
{
    return in->plan.claim.wanted;
}

static const struct init_choice factory_templates[] = {
    { "jitp-by-cn", "the device is named by its certificate's common name" },
    { "jitp-groups-by-ou", "and joins the thing group of its organizational unit" },
    { NULL, NULL },
};

static const struct init_choice claim_templates[] = {
    { "fleet-by-serial", "the device gives a serial number, and is named dev-NUMBER" },
    { NULL, NULL },
};

static const struct init_choice factory_policies[] = {
    { "telemetry-device", "it publishes below dt/NAME/ and listens below cmd/NAME/" },
    { "gateway", "the same, and for the devices of its site" },
    { "read-only-display", "it reads all telemetry, and never publishes" },
    { NULL, NULL },
};

static const struct init_choice claim_policies[] = {
    { "fleet-device", "as telemetry-device, and it may renew its certificate" },
    { "telemetry-device", "it publishes below dt/NAME/ and listens below cmd/NAME/" },
    { NULL, NULL },
};

static void default_factory_template(const struct init *in, char out[static INIT_PATH])
{
    (void)in;
    put(out, factory_templates[0].name);
}

static void default_claim_template(const struct init *in, char out[static INIT_PATH])
{
    (void)in;
    put(out, claim_templates[0].name);
}

static enum prov_rc set_factory_template(struct init *in, const char *answer)
{
    return init_set_template(in, &in->plan.factory, answer);
}

static enum prov_rc set_claim_template(struct init *in, const char *answer)
{
    return init_set_template(in, &in->plan.claim, answer);
}

/* Where there is one policy to choose, and it is not decided already. */
static bool asks_policy(const struct init_way *way)
{
    return way->wanted && !way->there && way->n_policies == 1 && !way->policies[0].there;
}

static bool asks_factory_policy(const struct init *in)
{
    return asks_policy(&in->plan.factory);
}

static bool asks_claim_policy(const struct init *in)
{
    return asks_policy(&in->plan.claim);
}

static void default_policy(const struct init_way *way, char out[static INIT_PATH])
{
    put(out, way->policies[0].file[0] != '\0' ? way->policies[0].name : "");
}

static void default_factory_policy(const struct init *in, char out[static INIT_PATH])
{
    default_policy(&in->plan.factory, out);
}

static void default_claim_policy(const struct init *in, char out[static INIT_PATH])
{
    default_policy(&in->plan.claim, out);
}

static enum prov_rc set_factory_policy(struct init *in, const char *answer)
{
    return init_set_policy(in, &in->plan.factory, answer);
}

static enum prov_rc set_claim_policy(struct init *in, const char *answer)
{
    return init_set_policy(in, &in->plan.claim, answer);
}

/* ---- who issues ------------------------------------------------------------------------------ */

static const struct init_choice issuer_choices[] = {
    { "make", "a CA that is made here; its key stays beside the registry" },
    { "own", "a CA of yours, its key in a file or a PKCS#11 token" },
    { "none", "nobody yet: devices with a claim have to wait" },
    { NULL, NULL },
};

static bool asks_issuer(const struct init *in)
{
    return !in->found.issuer && (in->plan.claim.wanted || given(in, OPT_ISSUER));
}

/* A broker whose configuration is there is told of another CA by hand. */
static void default_issuer(const struct init *in, char out[static INIT_PATH])
{
    put(out, given(in, OPT_ISSUER_CERT) ? "own" : "make");
}

static enum prov_rc set_issuer(struct init *in, const char *answer)
{
    const bool own = strcmp(answer, "own") == 0;

    if (own && in->found.conf)
        return ctl_refuse(in->ctl, "the configuration is there already: set "
                                   "plugin_opt_issuer_cert and plugin_opt_issuer_key in it");
    in->plan.issuer = own                           ? INIT_ISSUER_OWN
                      : strcmp(answer, "make") == 0 ? INIT_ISSUER_MAKE
                                                    : INIT_ISSUER_NONE;
    return PROV_OK;
}

static bool own_issuer(const struct init *in)
{
    return in->plan.issuer == INIT_ISSUER_OWN;
}

/* ---- the listener ---------------------------------------------------------------------------- */

static void default_port(const struct init *in, char out[static INIT_PATH])
{
    (void)in;
    put(out, "8883");
}

static enum prov_rc set_port(struct init *in, const char *answer)
{
    const struct init_mosquitto *m = &in->found.mosquitto;
    char *end;
    const unsigned long port = strtoul(answer, &end, 10);

    if (answer[0] < '0' || answer[0] > '9' || *end != '\0' || port == 0 || port > 65535)
        return ctl_refuse(in->ctl, "a port is a number from 1 to 65535");
    for (size_t i = 0; i < m->n_ports; i++) {
        if (m->ports[i] == port)
            return ctl_refuse(
                in->ctl, "the broker's configuration has a listener on port %lu already", port);
    }
    in->plan.port = (unsigned)port;
    return PROV_OK;
}

/* An option alone: who needs it knows. */
static bool asks_bind(const struct init *in)
{
    return init_wants_conf(in) && given(in, OPT_BIND);
}

static enum prov_rc set_bind(struct init *in, const char *answer)
{
    if (!init_is_address(answer) ||
        !prov_span_copy(prov_span_str(answer), in->plan.bind, sizeof in->plan.bind))
        return ctl_refuse(in->ctl, "\"%s\" is no address", answer);
    return PROV_OK;
}

static const struct init_choice server_choices[] = {
    { "make", "one is made, of a small CA that devices are to trust" },
    { "own", "one that you have" },
    { NULL, NULL },
};

static bool asks_server(const struct init *in)
{
    return init_wants_server(in) && !in->found.server;
}

static void default_server(const struct init *in, char out[static INIT_PATH])
{
    put(out, given(in, OPT_SERVER_CERT) ? "own" : "make");
}

static enum prov_rc set_server(struct init *in, const char *answer)
{
    in->plan.own_server = strcmp(answer, "own") == 0;
    if (in->plan.own_server && in->found.conf)
        return ctl_refuse(in->ctl, "the configuration is there already: change certfile and "
                                   "keyfile in it");
    return PROV_OK;
}

static bool own_server(const struct init *in)
{
    return in->plan.own_server;
}

static void default_names(const struct init *in, char out[static INIT_PATH])
{
    char name[256] = "";

    (void)in;
    if (gethostname(name, sizeof name - 1) != 0 || strcmp(name, "localhost") == 0)
        name[0] = '\0';
    (void)snprintf(out, INIT_PATH, "%s%slocalhost,127.0.0.1", name, name[0] != '\0' ? "," : "");
}

static const struct init_choice other_choices[] = {
    { "defer", "only what an acl_file or another plugin allows them" },
    { "allow", "every topic, but for the plugin's control API" },
    { NULL, NULL },
};

static bool asks_others(const struct init *in)
{
    const struct init_mosquitto *m = &in->found.mosquitto;

    return init_wants_conf(in) &&
           ((m->other_clients && !m->acl_file) || given(in, OPT_OTHER_CLIENTS));
}

static void default_others(const struct init *in, char out[static INIT_PATH])
{
    (void)in;
    put(out, "defer");
}

static enum prov_rc set_others(struct init *in, const char *answer)
{
    in->plan.others_allowed = strcmp(answer, "allow") == 0;
    return PROV_OK;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static const char not_factory[] = "is about devices of a factory's CA: --devices factory";
static const char not_claim[] = "is about devices with a claim: --devices claim";
static const char not_conf[] = "has no effect: the broker's configuration is there already, and is "
                               "yours to change";
static const char not_server[] = "has no effect: the server has a certificate already";

static const struct init_question questions[] = {
    { OPT_ACCOUNT_ID, "Account id",
      "Stands in the ARNs of policies. Take your AWS account's if you bring its policies along.",
      NULL, false, asks_account, "", default_account, set_account, false },
    { OPT_REGION, "Region", "Stands in ARNs too.", NULL, false, asks_region, "", default_region,
      set_region, false },
    { OPT_DEVICES, "How do new devices come?",
      "It decides what has to be there for them: templates, policies, who issues.", device_choices,
      false, always, "", default_devices, set_devices, false },
    { OPT_FACTORY_CA, "The factory's CA certificate",
      "Devices that it signed are let in from now on. A file; Enter leaves it for later.", NULL,
      false, wants_factory, not_factory, none, init_set_factory_ca, true },
    { OPT_TEMPLATE, "What becomes of such a device?",
      "A provisioning template: one of these, or a file.", factory_templates, true, wants_factory,
      not_factory, default_factory_template, set_factory_template, false },
    { OPT_POLICY, "What may it do?",
      "The policy that the template gives it: one of these, or a file.", factory_policies, true,
      asks_factory_policy,
      "has no effect: the template does not name one policy, or it is registered already",
      default_factory_policy, set_factory_policy, false },
    { OPT_FLEET_TEMPLATE, "What becomes of a device with a claim?",
      "A provisioning template: this one, or a file.", claim_templates, true, wants_claim,
      not_claim, default_claim_template, set_claim_template, false },
    { OPT_FLEET_POLICY, "What may it do?",
      "The policy that the template gives it: one of these, or a file.", claim_policies, true,
      asks_claim_policy,
      "has no effect: the template does not name one policy, or it is registered already",
      default_claim_policy, set_claim_policy, false },
    { OPT_ISSUER, "Who issues certificates to devices with a claim?",
      "Devices need not know this CA: each certificate is registered when it is issued.",
      issuer_choices, false, asks_issuer, "has no effect: there is an issuer already",
      default_issuer, set_issuer, false },
    { OPT_ISSUER_CERT, "The CA's certificate", "A file, in PEM.", NULL, false, own_issuer,
      "goes with --issuer own", none, init_set_issuer_cert, false },
    { OPT_ISSUER_KEY, "Its key",
      "A file that only its owner may read, or a pkcs11: URI with pin-source.", NULL, false,
      own_issuer, "goes with --issuer own", none, init_set_issuer_key, false },
    { OPT_PORT, "The port that devices connect to", "8883 is MQTT's with TLS.", NULL, false,
      init_wants_conf, not_conf, default_port, set_port, false },
    { OPT_BIND, "", "", NULL, false, asks_bind, not_conf, none, set_bind, false },
    { OPT_SERVER, "The broker's own certificate", "Devices make sure by it that it is your broker.",
      server_choices, false, asks_server, not_server, default_server, set_server, false },
    { OPT_SERVER_CERT, "Its file", "In PEM, with the intermediates that devices need behind it.",
      NULL, false, own_server, "goes with --server own", none, init_set_server_cert, false },
    { OPT_SERVER_KEY, "The file of its key", "In PEM, not encrypted.", NULL, false, own_server,
      "goes with --server own", none, init_set_server_key, false },
    { OPT_SERVER_NAME, "Names and addresses of the broker",
      "As devices will be told them, with commas between; its certificate is good for no other.",
      NULL, false, init_makes_server, "goes with --server make", default_names, init_set_names,
      false },
    { OPT_OTHER_CLIENTS, "What may clients do that are no devices?",
      "The broker has such clients and no acl_file; Mosquitto 2.0 denies them all when a plugin is "
      "loaded.",
      other_choices, false, asks_others, not_conf, default_others, set_others, false },
};

static enum prov_rc take_option(struct init *in, const struct init_question *q)
{
    const char *value = ctl_opt(&in->ctl->args, q->option);
    char text[sizeof in->ctl->err.text];
    enum prov_rc rc;

    if (!q->applies(in))
        return ctl_usage(in->ctl, "--%s %s", ctl_opt_name(q->option), q->unless);
    rc = q->set(in, value);
    if (!init_is_mistake(rc))
        return rc;
    (void)snprintf(text, sizeof text, "--%s: %.280s", ctl_opt_name(q->option), in->ctl->err.text);
    return prov_fail(&in->ctl->err, rc, in->ctl->err.code, "%s", text);
}

static enum prov_rc take_default(struct init *in, const struct init_question *q)
{
    char fallback[INIT_PATH] = "";

    q->fallback(in, fallback);
    if (fallback[0] == '\0' && !q->optional)
        return ctl_usage(in->ctl, "--%s is needed", ctl_opt_name(q->option));
    return q->set(in, fallback);
}

enum prov_rc init_answer(struct init *in)
{
    enum prov_rc rc = PROV_OK;

    for (size_t i = 0; i < PROV_COUNT(questions) && rc == PROV_OK; i++) {
        const struct init_question *q = &questions[i];

        if (given(in, q->option))
            rc = take_option(in, q);
        else if (q->applies(in))
            rc = in->asking ? init_ask(in, q) : take_default(in, q);
    }
    return rc;
}
