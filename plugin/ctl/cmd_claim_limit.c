#include "cmd_claim.h"
#include "list.h"
#include "when.h"

/* ---- what is asked for ----------------------------------------------------------------------- */

static enum prov_rc put_time(struct ctl *ctl, struct ctl_params *params, enum ctl_opt id,
                             const char *key)
{
    const char *text = ctl_opt(&ctl->args, id);
    int64_t at_s;

    if (text == NULL)
        return PROV_OK;
    if (!ctl_parse_time(text, ctl->tx.now_ms / 1000, &at_s))
        return ctl_usage(ctl,
                         "--%s: \"%s\" is no time; times are 2026-11-30, \"2026-11-30 14:00\" "
                         "(UTC), +2h, or 0 for no limit",
                         ctl_opt_name(id), text);
    ctl_put_number(params, key, (double)at_s);
    return PROV_OK;
}

static enum prov_rc put_rate(struct ctl *ctl, struct ctl_params *params)
{
    const char *text = ctl_opt(&ctl->args, OPT_RATE);
    struct ctl_params rate;
    uint32_t count, seconds;

    if (text == NULL)
        return PROV_OK;
    if (!ctl_parse_rate(text, &count, &seconds))
        return ctl_usage(ctl,
                         "--rate: \"%s\" is no rate; rates are 5/s, 10/min, 100/h, 1000/day, or 0 "
                         "for no limit",
                         text);
    rate = ctl_params();
    ctl_put_number(&rate, "count", count);
    ctl_put_number(&rate, "seconds", seconds);
    ctl_put_params(params, "rate", &rate);
    return PROV_OK;
}

/* All the values of an option, or none: lists replace lists. */
static void put_list(struct ctl *ctl, struct ctl_params *params, enum ctl_opt id, enum ctl_opt none,
                     const char *key)
{
    const char *value;
    size_t at = 0;

    if (ctl_has(&ctl->args, none))
        ctl_put_item(params, key, cJSON_CreateArray());
    while ((value = ctl_next(&ctl->args, id, &at)) != NULL)
        ctl_put_element(params, key, prov_span_str(value));
}

static void put_count(struct ctl *ctl, struct ctl_params *params, enum ctl_opt id, const char *key)
{
    if (ctl_has(&ctl->args, id))
        ctl_put_number(params, key, ctl_number(&ctl->args, id, 0));
}

static enum prov_rc put_limits(struct ctl *ctl, struct ctl_params *params)
{
    enum prov_rc rc;

    ctl_put(params, "certificateId", ctl_word(ctl, 0));
    put_list(ctl, params, OPT_TEMPLATE, OPT_ANY_TEMPLATE, "templateNames");
    put_list(ctl, params, OPT_NETWORK, OPT_ANY_NETWORK, "networks");
    put_count(ctl, params, OPT_USES, "maxUses");
    put_count(ctl, params, OPT_USED, "uses");
    put_count(ctl, params, OPT_SUSPEND_AFTER, "suspendAfter");
    rc = put_rate(ctl, params);
    if (rc == PROV_OK)
        rc = put_time(ctl, params, OPT_FROM, "notBefore");
    if (rc == PROV_OK)
        rc = put_time(ctl, params, OPT_UNTIL, "notAfter");
    return rc;
}

enum prov_rc ctl_claim_limit(struct ctl *ctl)
{
    static const enum ctl_opt pairs[][2] = { { OPT_TEMPLATE, OPT_ANY_TEMPLATE },
                                             { OPT_NETWORK, OPT_ANY_NETWORK } };
    struct ctl_params params;
    enum prov_rc rc;

    rc = ctl_check_change(ctl, pairs, PROV_COUNT(pairs));
    if (rc != PROV_OK)
        return rc;
    params = ctl_params();
    rc = put_limits(ctl, &params);
    if (rc == PROV_OK)
        return ctl_tell(ctl, "updateClaimLimits", &params, ctl_claim_say);
    ctl_params_drop(&params);
    return rc;
}

const struct ctl_option ctl_claim_limit_options[] = {
    { OPT_TEMPLATE, "NAME…", "for these templates only", NULL, false },
    { OPT_ANY_TEMPLATE, NULL, "for any that its policy allows", NULL, false },
    { OPT_USES, "N", "for so many things in all; 0: as many as come", NULL, false },
    { OPT_USED, "N", "count from here: so many are registered", NULL, false },
    { OPT_RATE, "N/PERIOD", "certificates: 5/s, 10/min, 100/h, 1000/day; 0: any rate", NULL,
      false },
    { OPT_FROM, "TIME", "not before: 2026-11-30, \"2026-11-30 14:00\" (UTC), +2h; 0: open", NULL,
      false },
    { OPT_UNTIL, "TIME", "not after; likewise", NULL, false },
    { OPT_NETWORK, "CIDR…", "from these addresses only: 192.0.2.0/24, 2001:db8::7", NULL, false },
    { OPT_ANY_NETWORK, NULL, "from anywhere", NULL, false },
    { OPT_SUSPEND_AFTER, "N", "refused requests within an hour suspend it; 0: the setting", NULL,
      false },
    { 0, NULL, NULL, NULL, false },
};

/* ---- what it has ----------------------------------------------------------------------------- */

static void say_suspended(struct ctl *ctl, const cJSON *suspended)
{
    if (suspended == NULL)
        return;
    ctl_field_time(ctl, "SUSPENDED", ctl_get_time(suspended, "since"));
    ctl_field(ctl, "because", ctl_get(suspended, "reason"));
}

static void say_list(struct ctl *ctl, const char *label, const cJSON *list)
{
    if (cJSON_GetArraySize(list) != 0)
        ctl_field_array(ctl, label, list, NULL);
    else
        ctl_field(ctl, label, PROV_LIT("any"));
}

static void say_uses(struct ctl *ctl, const cJSON *data)
{
    const uint32_t max = ctl_get_version(data, "maxUses"), uses = ctl_get_version(data, "uses");

    if (max != 0)
        ctl_fieldf(ctl, "uses", "%u of %u", uses, max);
    else
        ctl_fieldf(ctl, "uses", "%u, no limit", uses);
}

static void say_rate(struct ctl *ctl, const cJSON *rate)
{
    struct prov_buf text;

    if (rate == NULL) {
        ctl_field(ctl, "rate", PROV_LIT("no limit"));
        return;
    }
    prov_buf_init(&text, 64);
    ctl_put_rate(&text, ctl_get_version(rate, "count"), ctl_get_version(rate, "seconds"));
    ctl_field(ctl, "rate", prov_buf_span(&text));
    ctl_release(&ctl->out, &text);
}

enum prov_rc ctl_claim_say(struct ctl *ctl, const cJSON *data)
{
    const cJSON *suspended = ctl_get_object(data, "suspended");
    const struct ctl_short_id id = ctl_short(ctl_get(data, "certificateId"));

    ctl_field(ctl, "claim", ctl_get(data, "certificateId"));
    say_suspended(ctl, suspended);
    say_list(ctl, "templates", ctl_get_array(data, "templateNames"));
    say_uses(ctl, data);
    say_rate(ctl, ctl_get_object(data, "rate"));
    if (ctl_get_time(data, "notBefore") != 0)
        ctl_field_time(ctl, "not before", ctl_get_time(data, "notBefore"));
    if (ctl_get_time(data, "notAfter") != 0)
        ctl_field_time(ctl, "not after", ctl_get_time(data, "notAfter"));
    say_list(ctl, "networks", ctl_get_array(data, "networks"));
    if (cJSON_GetArraySize(ctl_get_array(data, "parameterLists")) != 0)
        ctl_field_array(ctl, "listed", ctl_get_array(data, "parameterLists"), NULL);
    if (ctl_get_version(data, "suspendAfter") != 0)
        ctl_fieldf(ctl, "suspended after", "%u refused requests within an hour",
                   ctl_get_version(data, "suspendAfter"));
    if (suspended != NULL)
        ctl_say(ctl,
                "\n`provctl explain %s` tells who tried with it lately.\nThen, one of:\n"
                "  provctl claim resume %s                   all is well\n"
                "  provctl cert update %s --status REVOKED   it was stolen\n",
                id.text, id.text, id.text);
    return PROV_OK;
}
