#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/doc.h"
#include "init.h"
#include "nouns.h"

#define MAX_WARNINGS 65536

/* ---- the store alone ------------------------------------------------------------------------- */

static enum prov_rc answer_json(struct ctl *ctl, const char *dir,
                                const struct prov_settings *settings)
{
    struct prov_doc d = prov_doc_start(&ctl->tx);

    prov_doc_text(&d, d.root, "dbPath", prov_span_str(dir));
    prov_doc_text(&d, d.root, "accountId", prov_span_str(settings->account_id));
    prov_doc_text(&d, d.root, "region", prov_span_str(settings->region));
    return ctl_answer_doc(ctl, &d);
}

static void answer_text(struct ctl *ctl, const char *dir, const struct prov_settings *settings)
{
    struct stat st;

    ctl_field(ctl, "store", prov_span_str(dir));
    ctl_field(ctl, "account id", prov_span_str(settings->account_id));
    ctl_field(ctl, "region", prov_span_str(settings->region));
    ctl_say(ctl,
            "\nFor mosquitto.conf, before the first listener:\n\n"
            "plugin " PROV_PLUGIN_PATH "\n"
            "plugin_opt_db_path %s\n"
            "plugin_opt_account_id %s\n"
            "plugin_opt_region %s\n"
            "\nand in the listener that devices connect to:\n\n"
            "require_certificate true\n\n",
            dir, settings->account_id, settings->region);
    if (stat(dir, &st) == 0 && st.st_uid == 0)
        ctl_say(ctl,
                "The store is root's, and the broker must be able to write it:\n"
                "  chown -R mosquitto: %s\n",
                dir);
    ctl_say(ctl, "`provctl init --guide` makes all of it, and asks what it has to know.\n");
}

static enum prov_rc store_alone(struct ctl *ctl)
{
    const char *account_id = ctl_opt(&ctl->args, OPT_ACCOUNT_ID);
    const char *region = ctl_opt(&ctl->args, OPT_REGION);
    struct prov_settings settings;
    enum prov_rc rc = ctl_open(ctl, PROV_TXN_WRITE);
    char *dir;

    if (rc == PROV_OK && (account_id != NULL || region != NULL))
        rc = prov_settings_set(&ctl->tx, account_id, region);
    if (rc == PROV_OK)
        rc = prov_settings_get(&ctl->tx, &settings);
    if (rc != PROV_OK)
        return rc;
    dir = realpath(ctl->db, NULL); /* the plugin asks for an absolute path */
    if (dir == NULL)
        return prov_nomem(&ctl->err);
    if (ctl->json)
        rc = answer_json(ctl, dir, &settings);
    else
        answer_text(ctl, dir, &settings);
    free(dir);
    return rc;
}

/* ---- the guide ------------------------------------------------------------------------------- */

static enum prov_rc tell(struct init *in, bool done)
{
    if (in->ctl->json)
        return init_answer_json(in);
    if (done) {
        init_say_done(in);
        return PROV_OK;
    }
    init_say_plan(in);
    init_say_warnings(in);
    return PROV_OK;
}

static enum prov_rc confirm_and_make(struct init *in)
{
    const bool missing = init_is_missing(in);
    bool yes = true;
    enum prov_rc rc = PROV_OK;

    if (in->asking && missing) {
        rc = tell(in, false);
        in->shown = true;
        if (rc == PROV_OK)
            rc = init_confirm(in, "Make it?", &yes);
    }
    if (rc == PROV_OK && !yes) {
        in->ctl->outcome = CTL_EXIT_REFUSED;
        return ctl_done(in->ctl, "Nothing was made.");
    }
    if (rc == PROV_OK && missing)
        rc = init_make(in);
    if (rc == PROV_OK && !missing && !in->ctl->json)
        ctl_say(in->ctl, "\nNothing is missing; nothing was changed.\n");
    return rc == PROV_OK ? tell(in, true) : rc;
}

static enum prov_rc lead(struct init *in)
{
    enum prov_rc rc = init_find_places(in);

    if (rc == PROV_OK)
        rc = init_look(in);
    if (rc == PROV_OK)
        rc = init_check(in);
    if (rc == PROV_OK && in->asking)
        init_say_found(in);
    if (rc == PROV_OK)
        rc = init_answer(in);
    if (rc == PROV_OK)
        rc = init_weigh(in);
    if (rc != PROV_OK)
        return rc;
    return in->dry_run ? tell(in, false) : confirm_and_make(in);
}

static enum prov_rc guide(struct ctl *ctl, bool asking)
{
    struct init *in = calloc(1, sizeof *in);
    enum prov_rc rc;

    if (in == NULL)
        return prov_nomem(&ctl->err);
    in->ctl = ctl;
    in->asking = asking;
    in->dry_run = ctl_has(&ctl->args, OPT_DRY_RUN);
    prov_buf_init(&in->warnings, MAX_WARNINGS);
    rc = lead(in);
    ctl_close(ctl);
    ctl->file = NULL; /* it may be a name in the plan */
    prov_buf_release(&in->warnings);
    free(in);
    return rc;
}

/* ---- which of them --------------------------------------------------------------------------- */

/* Options that the store alone has nothing to do with. */
static bool has_answers(const struct ctl *ctl)
{
    for (size_t i = 0; i < ctl->args.n_given; i++) {
        const enum ctl_opt id = ctl->args.given[i].id;

        if (ctl_own_option(ctl->args.verb, id) != NULL && id != OPT_ACCOUNT_ID && id != OPT_REGION)
            return true;
    }
    return false;
}

static enum prov_rc init(struct ctl *ctl)
{
    const bool terminal = isatty(fileno(ctl->io.in)) == 1 && isatty(fileno(ctl->io.out)) == 1;
    const bool unasked = ctl_has(&ctl->args, OPT_YES) || ctl_has(&ctl->args, OPT_DRY_RUN);
    const bool guided = ctl_has(&ctl->args, OPT_GUIDE);

    if (guided && ctl_has(&ctl->args, OPT_YES))
        return ctl_usage(ctl, "--guide asks, --yes does not: one of them");
    if (guided && ctl->json)
        return ctl_usage(ctl, "--guide talks to people; with --json goes --yes, or --dry-run");
    if (guided || (terminal && !unasked && !ctl->json))
        return guide(ctl, true);
    if (unasked)
        return guide(ctl, false);
    if (has_answers(ctl))
        return ctl_usage(ctl, "nobody is there to be asked: --yes does it with the options given "
                              "and defaults, --dry-run shows what that is");
    return store_alone(ctl);
}

static const char *const devices[] = { "factory", "claim", "both", "none", NULL };
static const char *const issuers[] = { "make", "own", "none", NULL };
static const char *const servers[] = { "make", "own", NULL };
static const char *const others[] = { "defer", "allow", NULL };

static const struct ctl_option options[] = {
    { OPT_GUIDE, NULL, "ask, though this is no terminal", NULL, false },
    { OPT_YES, NULL, "ask nothing: options and defaults are the answers", NULL, false },
    { OPT_DRY_RUN, NULL, "show what would be made, and make nothing", NULL, false },
    { OPT_ACCOUNT_ID, "DIGITS", "the account in ARNs, 12 digits; 000000000000 at first", NULL,
      false },
    { OPT_REGION, "REGION", "the region in ARNs; local at first", NULL, false },
    { OPT_DEVICES, NULL, "how new devices come; both when nothing else is said", devices, false },
    { OPT_FACTORY_CA, "FILE", "register this CA, whose devices are let in", NULL, false },
    { OPT_TEMPLATE, "FILE", "what becomes of them; jitp-by-cn", NULL, false },
    { OPT_POLICY, "FILE", "what they may do; what the template names", NULL, false },
    { OPT_FLEET_TEMPLATE, "FILE", "what becomes of devices with a claim; fleet-by-serial", NULL,
      false },
    { OPT_FLEET_POLICY, "FILE", "what they may do; what that template names", NULL, false },
    { OPT_ISSUER, NULL, "who issues to devices with a claim; make", issuers, false },
    { OPT_ISSUER_CERT, "FILE", "of your own CA: its certificate", NULL, false },
    { OPT_ISSUER_KEY, "FILE", "and its key, or a pkcs11: URI", NULL, false },
    { OPT_PORT, "N", "that devices connect to; 8883", NULL, false },
    { OPT_BIND, "ADDRESS", "listen on this address alone", NULL, false },
    { OPT_SERVER, NULL, "the broker's own certificate; make", servers, false },
    { OPT_SERVER_CERT, "FILE", "one that you have", NULL, false },
    { OPT_SERVER_KEY, "FILE", "its key", NULL, false },
    { OPT_SERVER_NAME, "NAMES",
      "names and addresses of the broker, with commas between; this "
      "machine's name and localhost",
      NULL, false },
    { OPT_OTHER_CLIENTS, NULL, "what clients may do that are no devices; defer", others, false },
    { OPT_ETC, "DIR", "where the broker's configuration is; /etc/mosquitto", NULL, false },
    { OPT_TEMPLATES, "DIR", "where templates are taken from, and policies below it", NULL, false },
    { OPT_PLUGIN, "FILE", "the plugin, where it is not where it is installed", NULL, false },
    { OPT_USER, "NAME", "the user that the broker becomes; mosquitto", NULL, false },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_verb verbs[] = {
    { "", "", "Leads to a broker that devices can join: what is missing is asked for, then made.",
      "On a terminal it asks, with a default for each answer, and makes nothing before it has\n"
      "shown all of it: the store, who issues certificates, the first template and policy, the\n"
      "broker's own certificate, and its configuration in /etc/mosquitto/conf.d. What is there\n"
      "already stays, so it may be run again. It ends with what to do next.\n"
      "\n"
      "Every answer is an option too. Without a terminal, and without --yes, it makes the store\n"
      "alone, or shows what it is, with the lines for mosquitto.conf.\n"
      "\n"
      "Account id and region appear in ARNs. Policies written for another account or region do\n"
      "not match here, so bring those that your policies name.\n"
      "\n"
      "  sudo provctl init\n"
      "  provctl init --dry-run\n"
      "  provctl init --yes --factory-ca factory-ca.pem --server-name broker.example\n"
      "  provctl init --yes --devices claim --etc ./etc --db ./store --templates ./templates\n"
      "  provctl --db ./store init </dev/null   a store alone, to try things with\n",
      CTL_STORE_LATER, options, init },
};

const struct ctl_noun ctl_noun_init = {
    "init", "lead to a broker that devices can join", "", verbs, PROV_COUNT(verbs), false
};
