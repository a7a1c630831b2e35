#include "cmd_claim.h"
#include "list.h"
#include "nouns.h"

/* ---- list and show --------------------------------------------------------------------------- */

static const struct ctl_column columns[] = {
    { "CLAIM", false, false }, { "STATE", false, false },    { "TEMPLATES", false, true },
    { "USES", true, false },   { "OF", true, false },        { "UNTIL", false, false },
    { "LISTED", false, true }, { "SUSPENDED", false, true },
};

static void row(struct ctl_table *table, const cJSON *claim)
{
    const cJSON *suspended = ctl_get_object(claim, "suspended");
    const uint32_t max = ctl_get_version(claim, "maxUses");

    ctl_cell_id(table, ctl_get(claim, "certificateId"));
    ctl_cell_styled(table, suspended != NULL ? CTL_BAD : CTL_PLAIN,
                    suspended != NULL ? "SUSPENDED" : "good");
    ctl_cell_array(table, ctl_get_array(claim, "templateNames"), NULL);
    ctl_cellf(table, "%u", ctl_get_version(claim, "uses"));
    if (max != 0)
        ctl_cellf(table, "%u", max);
    else
        ctl_cell(table, prov_span(NULL, 0));
    ctl_cell_time(table, ctl_get_time(claim, "notAfter"));
    ctl_cell_array(table, ctl_get_array(claim, "parameterLists"), NULL);
    ctl_cell(table, ctl_get(suspended, "reason"));
}

static enum prov_rc claim_list(struct ctl *ctl)
{
    static const struct ctl_list list = {
        .op = "listClaimLimits",
        .rows = "claims",
        .pages = CTL_BY_TOKEN,
        .ids = true,
        .columns = columns,
        .n_columns = PROV_COUNT(columns),
        .none = "no claim with limits; `provctl claim limit CERT …` gives some",
        .row = row,
    };
    struct ctl_params filter = ctl_params();

    return ctl_list(ctl, &list, &filter);
}

static enum prov_rc claim_show(struct ctl *ctl)
{
    return ctl_tell_one(ctl, "describeClaimLimits", "certificateId", ctl_word(ctl, 0),
                        ctl_claim_say);
}

/* ---- without limits, suspended, resumed ------------------------------------------------------ */

static enum prov_rc say_unlimited(struct ctl *ctl, const cJSON *data)
{
    return ctl_done(ctl, "claim %s has no limits but its policies",
                    ctl_answered_id(data, ctl_word(ctl, 0)).text);
}

static enum prov_rc claim_unlimit(struct ctl *ctl)
{
    return ctl_tell_one(ctl, "deleteClaimLimits", "certificateId", ctl_word(ctl, 0), say_unlimited);
}

static enum prov_rc say_suspended(struct ctl *ctl, const cJSON *data)
{
    const struct ctl_short_id id = ctl_answered_id(data, ctl_word(ctl, 0));

    return ctl_done(ctl,
                    "claim %s is suspended: nothing can be provisioned with it\nNext, one of:\n"
                    "  provctl claim resume %s\n"
                    "  provctl cert update %s --status REVOKED",
                    id.text, id.text, id.text);
}

static enum prov_rc claim_suspend(struct ctl *ctl)
{
    struct ctl_params params = ctl_params();

    ctl_put(&params, "certificateId", ctl_word(ctl, 0));
    ctl_put_if(&params, "reason", ctl_value(ctl, OPT_REASON));
    return ctl_tell(ctl, "suspendClaim", &params, say_suspended);
}

static enum prov_rc say_resumed(struct ctl *ctl, const cJSON *data)
{
    return ctl_done(ctl, "claim %s may be used again, within its limits",
                    ctl_answered_id(data, ctl_word(ctl, 0)).text);
}

static enum prov_rc claim_resume(struct ctl *ctl)
{
    return ctl_tell_one(ctl, "resumeClaim", "certificateId", ctl_word(ctl, 0), say_resumed);
}

/* ---- the noun -------------------------------------------------------------------------------- */

static const struct ctl_option list_options[] = {
    CTL_LIST_OPTIONS("ID"),
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_option suspend_options[] = {
    { OPT_REASON, "TEXT", "why; for you and your colleagues", NULL, false },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_verb verbs[] = {
    { "create", "TEMPLATE", "Makes a claim for one device: a certificate and key for five minutes.",
      "For the installer in the field. It is good for this template alone, is in no list, and\n"
      "ends by itself. The QR code holds templateName, certificatePem, privateKey and\n"
      "expiration as one JSON object.\n"
      "\n"
      "  provctl claim create fleet --qr\n"
      "  provctl claim create fleet --out /media/usb\n"
      "  provctl --url mqtts://broker.example --username ops claim create fleet --json\n",
      CTL_WRITE, ctl_claim_create_options, ctl_claim_create },
    { "list", "", "Lists the claims that have limits.", "  provctl claim list\n", CTL_READ,
      list_options, claim_list },
    { "show", "CERT", "Shows what a claim may provision, and how much of that it has.",
      "  provctl claim show 7c11d0e4\n", CTL_READ, NULL, claim_show },
    { "limit", "CERT", "Limits what can be provisioned with a certificate that devices share.",
      "Limits add to those it has; --template and --network replace the ones before. What it\n"
      "may do besides its policies say.\n"
      "\n"
      "  provctl claim limit 7c11d0e4 --template fleet --uses 500 --rate 10/min\n"
      "  provctl claim limit 7c11d0e4 --until 2027-06-30 --network 192.0.2.0/24\n"
      "  provctl claim limit 7c11d0e4 --uses 0 --any-network      lifts these two\n",
      CTL_WRITE, ctl_claim_limit_options, ctl_claim_limit },
    { "unlimit", "CERT", "Takes all limits from a claim, its lists of values too.",
      "  provctl claim unlimit 7c11d0e4\n", CTL_WRITE, NULL, claim_unlimit },
    { "suspend", "CERT", "Lets nothing be provisioned with a claim until it is resumed.",
      "Devices that it has brought in are not concerned.\n"
      "\n"
      "  provctl claim suspend 7c11d0e4 --reason \"image leaked\"\n",
      CTL_WRITE, suspend_options, claim_suspend },
    { "resume", "CERT", "Ends the suspension of a claim.", "  provctl claim resume 7c11d0e4\n",
      CTL_WRITE, NULL, claim_resume },
    { "allow", "CERT PARAMETER [VALUE…]", "Lets a parameter have these values, and no others.",
      "The first values make the list; from then on a device whose parameter is not on it, or\n"
      "is not given, is refused. A long file is taken in steps, so that a broker goes on\n"
      "meanwhile: when it is interrupted, run it again.\n"
      "\n"
      "  provctl claim allow 7c11d0e4 SerialNumber SN-0041 SN-0042\n"
      "  provctl claim allow 7c11d0e4 SerialNumber --file serials.txt\n",
      CTL_WRITE, ctl_claim_allow_options, ctl_claim_allow },
    { "disallow", "CERT PARAMETER [VALUE…]", "Takes values off a parameter's list.",
      "The list stays, and when it is empty no device is let in.\n"
      "\n"
      "  provctl claim disallow 7c11d0e4 SerialNumber SN-0041\n",
      CTL_WRITE, ctl_claim_allow_options, ctl_claim_disallow },
    { "unlist", "CERT PARAMETER", "Lets a parameter have any value again.",
      "  provctl claim unlist 7c11d0e4 SerialNumber\n", CTL_WRITE, NULL, ctl_claim_unlist },
    { "values", "CERT [PARAMETER]", "Lists the values that are allowed.",
      "  provctl claim values 7c11d0e4 SerialNumber\n", CTL_READ, ctl_claim_values_options,
      ctl_claim_values },
};

const struct ctl_noun ctl_noun_claim = {
    "claim",
    "claims: who may bring in devices by asking, and how many",
    "A claim is a certificate that many devices share, with a policy that lets it ask for\n"
    "certificates and nothing else; register it like any other (`provctl cert`). Without\n"
    "limits it is held by its policy alone. Or it is one that `claim create` makes for one\n"
    "device, and for five minutes.\n",
    verbs,
    PROV_COUNT(verbs),
    false,
};
