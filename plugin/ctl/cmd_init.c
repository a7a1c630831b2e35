#include <stdlib.h>
#include <sys/stat.h>

#include "core/doc.h"
#include "ctl.h"
#include "nouns.h"

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
    ctl_say(ctl, "Then say whose devices are let in: `provctl help ca register`\n");
}

static enum prov_rc init(struct ctl *ctl)
{
    const char *account_id = ctl_opt(&ctl->args, OPT_ACCOUNT_ID);
    const char *region = ctl_opt(&ctl->args, OPT_REGION);
    struct prov_settings settings;
    enum prov_rc rc = PROV_OK;
    char *dir;

    if (account_id != NULL || region != NULL)
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

static const struct ctl_option options[] = {
    { OPT_ACCOUNT_ID, "DIGITS", "the account in ARNs, 12 digits; 000000000000 at first", NULL,
      false },
    { OPT_REGION, "REGION", "the region in ARNs; local at first", NULL, false },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_verb verbs[] = {
    { "", "", "Creates the store, or shows what it is, and tells how the broker is to use it.",
      "Account id and region appear in ARNs. Policies written for another account or region do\n"
      "not match here, so bring those that your policies name.\n"
      "\n"
      "  provctl init\n"
      "  provctl init --account-id 123456789012 --region eu-central-1\n"
      "  provctl --db ./store init              a store to try things with\n",
      CTL_STORE_WRITE, options, init },
};

const struct ctl_noun ctl_noun_init = {
    "init", "create the store and show the broker's lines", "", verbs, PROV_COUNT(verbs), false
};
