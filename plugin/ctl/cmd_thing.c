#include "list.h"
#include "nouns.h"

/* ---- create and update ----------------------------------------------------------------------- */

static enum prov_rc hint_type(struct ctl *ctl, enum prov_rc rc)
{
    if (rc == PROV_ENOTFOUND && ctl_has(&ctl->args, OPT_TYPE) &&
        strstr(ctl->err.text, "thing type") != NULL)
        ctl_hint(ctl, "`provctl type list` shows the types; `provctl type create NAME` adds one");
    return rc;
}

/* { "attributes": …, "merge": … }, left out when there is nothing to say about them. */
static enum prov_rc put_attrs(struct ctl *ctl, struct ctl_params *params, bool merge, bool always)
{
    struct prov_attr attrs[PROV_MAX_ATTRS];
    struct ctl_params payload;
    size_t n;
    enum prov_rc rc;

    rc = ctl_pairs(ctl, OPT_ATTR, attrs, PROV_COUNT(attrs), &n);
    if (rc != PROV_OK || (n == 0 && !always))
        return rc;
    payload = ctl_params();
    ctl_put_pairs(&payload, "attributes", attrs, n);
    ctl_put_flag(&payload, "merge", merge);
    ctl_put_params(params, "attributePayload", &payload);
    return PROV_OK;
}

static enum prov_rc say_created(struct ctl *ctl, const cJSON *data)
{
    const char *name = ctl->args.words[0];

    (void)data;
    return ctl_done(ctl,
                    "thing %s created\nNext, as far as wanted:\n"
                    "  provctl thing attach %s --cert ID    whose certificate it is\n"
                    "  provctl group add GROUP %s           whose policies it shares",
                    name, name, name);
}

static enum prov_rc thing_create(struct ctl *ctl)
{
    struct ctl_params params = ctl_params();
    enum prov_rc rc;

    ctl_put(&params, "thingName", ctl_word(ctl, 0));
    ctl_put_if(&params, "thingTypeName", ctl_value(ctl, OPT_TYPE));
    ctl_put_if(&params, "billingGroupName", ctl_value(ctl, OPT_BILLING_GROUP));
    rc = put_attrs(ctl, &params, false, false);
    if (rc != PROV_OK) {
        ctl_params_drop(&params);
        return rc;
    }
    return hint_type(ctl, ctl_tell(ctl, "createThing", &params, say_created));
}

static enum prov_rc say_updated(struct ctl *ctl, const cJSON *data)
{
    return ctl_done(ctl, "thing %s is at version %u", ctl->args.words[0],
                    ctl_get_version(data, "version"));
}

static enum prov_rc thing_update(struct ctl *ctl)
{
    static const enum ctl_opt pairs[][2] = {
        { OPT_TYPE, OPT_NO_TYPE },
        { OPT_BILLING_GROUP, OPT_NO_BILLING_GROUP },
    };
    const uint32_t expected = ctl_number(&ctl->args, OPT_EXPECTED_VERSION, 0);
    const bool replace = ctl_has(&ctl->args, OPT_REPLACE);
    struct ctl_params params;
    enum prov_rc rc;

    rc = ctl_check_change(ctl, pairs, PROV_COUNT(pairs));
    if (rc != PROV_OK)
        return rc;
    params = ctl_params();
    ctl_put(&params, "thingName", ctl_word(ctl, 0));
    ctl_put_if(&params, "thingTypeName", ctl_value(ctl, OPT_TYPE));
    ctl_put_flag(&params, "removeThingType", ctl_has(&ctl->args, OPT_NO_TYPE));
    ctl_put_if(&params, "billingGroupName", ctl_value(ctl, OPT_BILLING_GROUP));
    ctl_put_flag(&params, "removeBillingGroup", ctl_has(&ctl->args, OPT_NO_BILLING_GROUP));
    if (expected != 0)
        ctl_put_number(&params, "expectedVersion", expected);
    rc = put_attrs(ctl, &params, !replace, replace);
    if (rc != PROV_OK) {
        ctl_params_drop(&params);
        return rc;
    }
    return hint_type(ctl, ctl_tell(ctl, "updateThing", &params, say_updated));
}

/* ---- list and show --------------------------------------------------------------------------- */

static const struct ctl_column columns[] = {
    { "THING", false, true },        { "TYPE", false, true },     { "GROUPS", false, true },
    { "CERTIFICATE", false, false }, { "CREATED", false, false },
};

/* The certificate's id of a principal's ARN. */
static struct prov_span principal_id(const cJSON *arn)
{
    return ctl_arn_name(ctl_element(arn, NULL));
}

static void row(struct ctl_table *table, const cJSON *thing)
{
    ctl_cell(table, ctl_get(thing, "thingName"));
    ctl_cell(table, ctl_get(thing, "thingTypeName"));
    ctl_cell_array(table, ctl_get_array(thing, "thingGroupNames"), NULL);
    ctl_cell_id(table, principal_id(cJSON_GetArrayItem(ctl_get_array(thing, "principals"), 0)));
    ctl_cell_time(table, ctl_get_time(thing, "creationDate"));
}

static enum prov_rc thing_list(struct ctl *ctl)
{
    static const struct {
        enum ctl_opt option;
        const char *key;
    } filters[] = {
        { OPT_GROUP, "thingGroupName" },
        { OPT_TYPE, "thingTypeName" },
        { OPT_BILLING_GROUP, "billingGroupName" },
    };
    static const struct ctl_list list = {
        .op = "listThings",
        .rows = "things",
        .pages = CTL_BY_TOKEN,
        .columns = columns,
        .n_columns = PROV_COUNT(columns),
        .none = "no such thing",
        .row = row,
    };
    struct ctl_params filter;
    int n = 0;

    for (size_t i = 0; i < PROV_COUNT(filters); i++)
        n += ctl_has(&ctl->args, filters[i].option);
    if (n > 1)
        return ctl_usage(ctl, "only one of --group, --type and --billing-group");
    filter = ctl_params();
    for (size_t i = 0; i < PROV_COUNT(filters); i++)
        ctl_put_if(&filter, filters[i].key, ctl_value(ctl, filters[i].option));
    return ctl_list(ctl, &list, &filter);
}

static void say_attrs(struct ctl *ctl, const cJSON *attrs)
{
    const char *label = "attributes";
    const cJSON *attr;

    cJSON_ArrayForEach(attr, attrs)
    {
        ctl_fieldf(ctl, label, "%s = %.*s", attr->string, PROV_SPAN_ARG(ctl_element(attr, NULL)));
        label = "";
    }
}

static enum prov_rc say_thing(struct ctl *ctl, const cJSON *data)
{
    const cJSON *principals = ctl_get_array(data, "principals"), *principal;
    const char *label = "certificates";

    ctl_field(ctl, "thing", ctl_get(data, "thingName"));
    ctl_field(ctl, "type", ctl_get(data, "thingTypeName"));
    say_attrs(ctl, ctl_get_object(data, "attributes"));
    ctl_field_array(ctl, "groups", ctl_get_array(data, "thingGroups"), "groupName");
    ctl_field(ctl, "billing group", ctl_get(data, "billingGroupName"));
    cJSON_ArrayForEach(principal, principals)
    {
        ctl_field(ctl, label, principal_id(principal));
        label = "";
    }
    if (cJSON_GetArraySize(principals) == 0)
        ctl_field(ctl, label, PROV_LIT("none"));
    ctl_fieldf(ctl, "version", "%u", ctl_get_version(data, "version"));
    ctl_field_time(ctl, "created", ctl_get_time(data, "creationDate"));
    ctl_field_time(ctl, "changed", ctl_get_time(data, "lastModifiedDate"));
    return PROV_OK;
}

static enum prov_rc thing_show(struct ctl *ctl)
{
    return ctl_tell_one(ctl, "describeThing", "thingName", ctl_word(ctl, 0), say_thing);
}

/* ---- delete, attach, detach ------------------------------------------------------------------ */

/* One that was not there is deleted, as on AWS; but a person wants to hear of a typing mistake. */
static enum prov_rc say_deleted(struct ctl *ctl, const cJSON *data)
{
    if (!ctl_get_bool(data, "deleted"))
        ctl_note(ctl, "provctl: there was no thing %s", ctl->args.words[0]);
    return ctl_done(ctl, "thing %s deleted", ctl->args.words[0]);
}

static enum prov_rc thing_delete(struct ctl *ctl)
{
    const cJSON *principal;
    cJSON *thing;
    int n = 0;
    enum prov_rc rc;

    rc = ctl_tell_one(ctl, "deleteThing", "thingName", ctl_word(ctl, 0), say_deleted);
    if (rc != PROV_EDENIED)
        return rc;
    thing = ctl_peek(ctl, "describeThing", "thingName", ctl_word(ctl, 0));
    cJSON_ArrayForEach(principal, ctl_get_array(thing, "principals"))
    {
        if (n++ < 3)
            ctl_hint(ctl, "`provctl thing detach %s --cert %s` first", ctl->args.words[0],
                     ctl_short(principal_id(principal)).text);
    }
    cJSON_Delete(thing);
    return rc;
}

/* Its groups' policies may deny more to an exclusive one: that does not end by leaving a word out.
 */
static enum prov_rc check_kind(struct ctl *ctl)
{
    const struct prov_span cert_id = ctl_value(ctl, OPT_CERT);
    cJSON *cert;
    bool kept;

    if (ctl_has(&ctl->args, OPT_EXCLUSIVE))
        return PROV_OK;
    cert = ctl_peek(ctl, "describeCertificate", "certificateId", cert_id);
    kept = prov_span_eq_str(ctl_get(cert, "thingPrincipalType"), "EXCLUSIVE_THING") &&
           prov_span_eq(ctl_element(cJSON_GetArrayItem(ctl_get_array(cert, "things"), 0), NULL),
                        ctl_word(ctl, 0));
    if (kept)
        ctl_hint(ctl, "`provctl thing detach %s --cert %s` first, to attach it as one of several",
                 ctl->args.words[0],
                 ctl_short(ctl_get_in(cert, "certificateDescription", "certificateId")).text);
    cJSON_Delete(cert);
    if (!kept)
        return PROV_OK;
    return prov_fail(&ctl->err, PROV_ECONFLICT, "InvalidRequestException",
                     "the certificate is attached to thing \"%s\" exclusively", ctl->args.words[0]);
}

static void put_kind(struct ctl *ctl, struct ctl_params *params)
{
    if (ctl_has(&ctl->args, OPT_EXCLUSIVE))
        ctl_put(params, "thingPrincipalType", PROV_LIT("EXCLUSIVE_THING"));
}

static struct ctl_short_id attached_id(const cJSON *data)
{
    return ctl_short(principal_id(cJSON_GetObjectItemCaseSensitive(data, "principal")));
}

static enum prov_rc say_attached(struct ctl *ctl, const cJSON *data)
{
    return ctl_done(ctl, "certificate %s is attached to thing %s", attached_id(data).text,
                    ctl->args.words[0]);
}

static enum prov_rc thing_attach(struct ctl *ctl)
{
    struct ctl_params params;
    enum prov_rc rc;

    rc = check_kind(ctl);
    if (rc != PROV_OK)
        return rc;
    params = ctl_params();
    ctl_put(&params, "thingName", ctl_word(ctl, 0));
    ctl_put(&params, "principal", ctl_value(ctl, OPT_CERT));
    put_kind(ctl, &params);
    return ctl_tell(ctl, "attachThingPrincipal", &params, say_attached);
}

static enum prov_rc say_detached(struct ctl *ctl, const cJSON *data)
{
    return ctl_done(ctl, "certificate %s is no longer attached to thing %s", attached_id(data).text,
                    ctl->args.words[0]);
}

static enum prov_rc thing_detach(struct ctl *ctl)
{
    struct ctl_params params = ctl_params();

    ctl_put(&params, "thingName", ctl_word(ctl, 0));
    ctl_put(&params, "principal", ctl_value(ctl, OPT_CERT));
    return ctl_tell(ctl, "detachThingPrincipal", &params, say_detached);
}

/* ---- changes of owner ------------------------------------------------------------------------ */

static enum prov_rc say_handed_over(struct ctl *ctl, const cJSON *data)
{
    return ctl_done(ctl, "certificate %s is thing %s's now, and no longer thing %s's",
                    attached_id(data).text, ctl->args.words[1], ctl->args.words[0]);
}

static enum prov_rc thing_transfer(struct ctl *ctl)
{
    struct ctl_params params = ctl_params();

    ctl_put(&params, "thingName", ctl_word(ctl, 0));
    ctl_put(&params, "toThingName", ctl_word(ctl, 1));
    ctl_put(&params, "principal", ctl_value(ctl, OPT_CERT));
    put_kind(ctl, &params);
    return ctl_tell(ctl, "transferThingPrincipal", &params, say_handed_over);
}

/* What becomes of a thing's certificates: as it is typed, as the operation has it, as it is told.
 */
static const struct {
    const char *typed, *name, *told;
} retirements[] = {
    { "revoke", "REVOKE", "revoked" },
    { "deactivate", "DEACTIVATE", "deactivated" },
    { "delete", "DELETE", "deleted" },
};
static const char *const retirement_names[] = { "revoke", "deactivate", "delete", NULL };
_Static_assert(PROV_COUNT(retirement_names) == PROV_COUNT(retirements) + 1, "one name each");

static size_t retirement(const struct ctl *ctl)
{
    const struct prov_span typed = ctl_value(ctl, OPT_CERTIFICATES);
    size_t i = 0;

    for (size_t k = 0; k < PROV_COUNT(retirements); k++) {
        if (prov_span_eq_str(typed, retirements[k].typed))
            i = k;
    }
    return i;
}

static enum prov_rc say_reset(struct ctl *ctl, const cJSON *data)
{
    const char *name = ctl->args.words[0];

    ctl_say(ctl, "thing %s is ready for its next owner: certificates %s: %u, ", name,
            retirements[retirement(ctl)].told, ctl_get_version(data, "retiredCertificates"));
    return ctl_done(ctl,
                    "policies detached: %u, groups left: %u\n"
                    "Its name, type and attributes stay.",
                    ctl_get_version(data, "detachedPolicies"), ctl_get_version(data, "leftGroups"));
}

static enum prov_rc thing_reset(struct ctl *ctl)
{
    struct ctl_params params = ctl_params();
    enum prov_rc rc;

    ctl_put(&params, "thingName", ctl_word(ctl, 0));
    ctl_put(&params, "certificates", prov_span_str(retirements[retirement(ctl)].name));
    ctl_put_flag(&params, "keepThingGroups", ctl_has(&ctl->args, OPT_KEEP_GROUPS));
    ctl_put_flag(&params, "includeShared", ctl_has(&ctl->args, OPT_SHARED));
    rc = ctl_tell(ctl, "resetThing", &params, say_reset);
    if (rc == PROV_EDENIED && !ctl_has(&ctl->args, OPT_SHARED))
        ctl_hint(ctl, "--shared retires certificates that stand for other things as well");
    return rc;
}

/* ---- the noun -------------------------------------------------------------------------------- */

static const struct ctl_option create_options[] = {
    { OPT_TYPE, "TYPE", "its thing type", NULL, false },
    { OPT_ATTR, "KEY=VALUE…", "an attribute; 3 without a type, 50 with one", NULL, false },
    { OPT_BILLING_GROUP, "NAME", "its billing group", NULL, false },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_option list_options[] = {
    { OPT_GROUP, "GROUP", "only the members of this group", NULL, false },
    { OPT_TYPE, "TYPE", "only those of this type", NULL, false },
    { OPT_BILLING_GROUP, "NAME", "only those of this billing group", NULL, false },
    CTL_LIST_OPTIONS("THING"),
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_option update_options[] = {
    { OPT_TYPE, "TYPE", "another type", NULL, false },
    { OPT_NO_TYPE, NULL, "no type any more", NULL, false },
    { OPT_ATTR, "KEY=VALUE…", "an attribute to add or change; KEY= removes it", NULL, false },
    { OPT_REPLACE, NULL, "keep no attributes but those given", NULL, false },
    { OPT_BILLING_GROUP, "NAME", "another billing group", NULL, false },
    { OPT_NO_BILLING_GROUP, NULL, "no billing group any more", NULL, false },
    { OPT_EXPECTED_VERSION, "N", "only if the thing is at this version still", NULL, false },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_option attach_options[] = {
    { OPT_CERT, "ID", "the certificate", NULL, true },
    { OPT_EXCLUSIVE, NULL, "this certificate is this thing's alone, whatever the client id", NULL,
      false },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_option detach_options[] = {
    { OPT_CERT, "ID", "the certificate", NULL, true },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_option transfer_options[] = {
    { OPT_CERT, "ID", "the certificate", NULL, true },
    { OPT_EXCLUSIVE, NULL, "it is to be TO's alone, whatever the client id", NULL, false },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_option reset_options[] = {
    { OPT_CERTIFICATES, NULL, "what becomes of its certificates; revoke when not given",
      retirement_names, false },
    { OPT_KEEP_GROUPS, NULL, "it stays in its groups and billing group", NULL, false },
    { OPT_SHARED, NULL, "also certificates that stand for other things too", NULL, false },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_verb verbs[] = {
    { "create", "NAME", "Creates a thing.",
      "  provctl thing create sensor-0042\n"
      "  provctl thing create sensor-0042 --type sensor --attr site=berlin --attr floor=3\n",
      CTL_WRITE, create_options, thing_create },
    { "list", "", "Lists things.",
      "  provctl thing list --group berlin\n"
      "  provctl thing list --limit 100 --after sensor-0042\n",
      CTL_READ, list_options, thing_list },
    { "show", "THING", "Shows one thing: type, attributes, groups, certificates.",
      "  provctl thing show sensor-0042\n", CTL_READ, NULL, thing_show },
    { "update", "THING", "Changes a thing's attributes, type or billing group.",
      "  provctl thing update sensor-0042 --attr floor=4\n"
      "  provctl thing update sensor-0042 --attr floor=        removes the attribute\n"
      "  provctl thing update sensor-0042 --replace --attr site=hamburg\n",
      CTL_WRITE, update_options, thing_update },
    { "delete", "THING",
      "Deletes a thing that no certificate is attached to. It leaves its groups.",
      "  provctl thing delete sensor-0042\n", CTL_WRITE, NULL, thing_delete },
    { "attach", "THING", "Says that a certificate is this thing's.",
      "Policy variables of the thing have values, and its groups' policies apply, when the\n"
      "client id is the thing's name, or when the attachment is exclusive.\n"
      "\n"
      "  provctl thing attach sensor-0042 --cert 7c11d0e4\n"
      "  provctl thing attach sensor-0042 --cert 7c11d0e4 --exclusive\n",
      CTL_WRITE, attach_options, thing_attach },
    { "detach", "THING", "Takes a certificate from a thing.",
      "  provctl thing detach sensor-0042 --cert 7c11d0e4\n", CTL_WRITE, detach_options,
      thing_detach },
    { "transfer", "FROM TO", "Hands a certificate from one thing to another, in one step.",
      "For a module that moves from one device to the next: nobody sees it without a thing.\n"
      "\n"
      "  provctl thing transfer gateway-7 gateway-8 --cert 7c11d0e4 --exclusive\n",
      CTL_WRITE, transfer_options, thing_transfer },
    { "reset", "THING", "Change of owner: retires its certificates and takes its rights away.",
      "Every certificate of the thing loses its policies, leaves the thing and is revoked, or\n"
      "what --certificates says; connections with it end within a second. The thing leaves its\n"
      "groups and billing group. Name, type and attributes stay, and its next owner's first\n"
      "connection provisions it again.\n"
      "\n"
      "  provctl thing reset sensor-0042\n"
      "  provctl thing reset sensor-0042 --certificates deactivate --keep-groups\n",
      CTL_WRITE, reset_options, thing_reset },
};

const struct ctl_noun ctl_noun_thing = {
    "thing",
    "things: what the certificates belong to",
    "A thing has attributes and a type that policies may use as variables, groups whose\n"
    "policies it shares, and the certificates it connects with.\n",
    verbs,
    PROV_COUNT(verbs),
    false,
};
