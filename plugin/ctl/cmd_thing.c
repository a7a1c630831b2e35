#include "core/view.h"
#include "ctl.h"
#include "list.h"
#include "nouns.h"

/* ---- create and update ------------------------------------------------------------------------
 */

/* All that CreateThing answers with, and the rest of the description. */
static enum prov_rc answer_thing(struct ctl *ctl, struct prov_span name)
{
    struct prov_thing thing;
    cJSON *doc = NULL;
    enum prov_rc rc;

    rc = prov_thing_get(&ctl->tx, name, &thing);
    if (rc == PROV_OK)
        rc = prov_view_thing(&ctl->tx, &thing, &doc);
    return ctl_answer(ctl, rc, doc);
}

static enum prov_rc hint_type(struct ctl *ctl, enum prov_rc rc)
{
    if (rc == PROV_ENOTFOUND && ctl_has(&ctl->args, OPT_TYPE))
        ctl_hint(ctl, "`provctl type list` shows the types; `provctl type create NAME` adds one");
    return rc;
}

static enum prov_rc thing_create(struct ctl *ctl)
{
    const struct prov_span name = ctl_word(ctl, 0), group = ctl_value(ctl, OPT_BILLING_GROUP);
    struct prov_attr attrs[PROV_MAX_ATTRS];
    size_t n;
    enum prov_rc rc;

    rc = ctl_pairs(ctl, OPT_ATTR, attrs, PROV_COUNT(attrs), &n);
    if (rc == PROV_OK)
        rc = hint_type(ctl, prov_thing_create(&ctl->tx, name, ctl_value(ctl, OPT_TYPE), attrs, n));
    if (rc == PROV_OK && group.n != 0)
        rc = prov_billing_add(&ctl->tx, group, name);
    if (rc != PROV_OK)
        return rc;
    if (ctl->json)
        return answer_thing(ctl, name);
    ctl_say(ctl,
            "thing %s created\nNext, as far as wanted:\n"
            "  provctl thing attach %s --cert ID    whose certificate it is\n"
            "  provctl group add GROUP %s           whose policies it shares\n",
            ctl->args.words[0], ctl->args.words[0], ctl->args.words[0]);
    return PROV_OK;
}

/* Every pair of options of which one takes away what the other gives. */
static enum prov_rc check_pairs(struct ctl *ctl)
{
    static const enum ctl_opt pairs[][2] = {
        { OPT_TYPE, OPT_NO_TYPE },
        { OPT_BILLING_GROUP, OPT_NO_BILLING_GROUP },
    };

    for (size_t i = 0; i < PROV_COUNT(pairs); i++) {
        if (ctl_has(&ctl->args, pairs[i][0]) && ctl_has(&ctl->args, pairs[i][1]))
            return ctl_usage(ctl, "--%s and --%s exclude each other", ctl_opt_name(pairs[i][0]),
                             ctl_opt_name(pairs[i][1]));
    }
    return PROV_OK;
}

static enum prov_rc update_billing(struct ctl *ctl, struct prov_span name)
{
    if (!ctl_has(&ctl->args, OPT_BILLING_GROUP) && !ctl_has(&ctl->args, OPT_NO_BILLING_GROUP))
        return PROV_OK;
    return prov_billing_add(&ctl->tx, ctl_value(ctl, OPT_BILLING_GROUP), name);
}

static enum prov_rc thing_update(struct ctl *ctl)
{
    const struct prov_span name = ctl_word(ctl, 0), type = ctl_value(ctl, OPT_TYPE);
    const bool replace = ctl_has(&ctl->args, OPT_REPLACE);
    struct prov_attr attrs[PROV_MAX_ATTRS];
    struct prov_thing_change change = {
        .type = type.n != 0 || ctl_has(&ctl->args, OPT_NO_TYPE) ? &type : NULL,
        .attrs = attrs,
        .expected_version = ctl_number(&ctl->args, OPT_EXPECTED_VERSION, 0),
    };
    struct prov_thing thing;
    enum prov_rc rc;

    rc = check_pairs(ctl);
    if (rc == PROV_OK)
        rc = ctl_pairs(ctl, OPT_ATTR, attrs, PROV_COUNT(attrs), &change.n_attrs);
    if (rc != PROV_OK)
        return rc;
    if (!ctl_any_given(ctl))
        return ctl_usage(ctl, "nothing to change was given");
    change.set_attrs = replace;
    change.merge = !replace && change.n_attrs != 0;
    rc = hint_type(ctl, prov_thing_update(&ctl->tx, name, &change));
    if (rc == PROV_OK)
        rc = update_billing(ctl, name);
    if (rc == PROV_OK)
        rc = prov_thing_get(&ctl->tx, name, &thing);
    if (rc != PROV_OK)
        return rc;
    return ctl_done(ctl, "thing %s is at version %u", ctl->args.words[0], thing.version);
}

/* ---- list and show ----------------------------------------------------------------------------
 */

static const struct ctl_column columns[] = {
    { "THING", false, true },        { "TYPE", false, true },     { "GROUPS", false, true },
    { "CERTIFICATE", false, false }, { "CREATED", false, false },
};

static enum prov_rc row(struct ctl *ctl, struct prov_span key, struct ctl_row *row)
{
    struct prov_thing thing;
    enum prov_rc rc;

    rc = prov_thing_get(&ctl->tx, key, &thing);
    if (rc != PROV_OK || row->table == NULL)
        return rc != PROV_OK ? rc : prov_view_thing_row(&ctl->tx, &thing, &row->json);
    ctl_cell(row->table, thing.name);
    ctl_cell(row->table, thing.type);
    ctl_cell_names(row->table, thing.groups, thing.n_groups);
    ctl_cell_id(row->table, &thing.principals[0]);
    ctl_cell_time(row->table, thing.created_ms);
    return PROV_OK;
}

/* The owner that a filter names must exist: an empty list would hide a typing mistake. */
static enum prov_rc filter(struct ctl *ctl, struct ctl_list *list)
{
    const struct prov_span group = ctl_value(ctl, OPT_GROUP), type = ctl_value(ctl, OPT_TYPE),
                           billing = ctl_value(ctl, OPT_BILLING_GROUP);

    if ((group.n != 0) + (type.n != 0) + (billing.n != 0) > 1)
        return ctl_usage(ctl, "only one of --group, --type and --billing-group");
    if (group.n != 0) {
        list->kind = PROV_LIST_THINGS_OF_GROUP;
        list->of = group;
        return prov_group_get(&ctl->tx, group, &(struct prov_group){ .depth = 0 });
    }
    if (type.n != 0) {
        list->kind = PROV_LIST_THINGS_OF_TYPE;
        list->of = type;
        return prov_type_get(&ctl->tx, type, &(struct prov_thing_type){ .deprecated = false });
    }
    if (billing.n != 0) {
        list->kind = PROV_LIST_THINGS_OF_BILLING_GROUP;
        list->of = billing;
        return prov_billing_get(&ctl->tx, billing, &(struct prov_billing_group){ .created_ms = 0 });
    }
    return PROV_OK;
}

static enum prov_rc thing_list(struct ctl *ctl)
{
    struct ctl_list list = {
        .kind = PROV_LIST_THINGS,
        .columns = columns,
        .n_columns = PROV_COUNT(columns),
        .json_key = "things",
        .json_token = "nextToken",
        .none = "no such thing",
        .row = row,
    };
    const enum prov_rc rc = filter(ctl, &list);

    return rc != PROV_OK ? rc : ctl_list(ctl, &list);
}

static void field_attrs(struct ctl *ctl, const struct prov_attr *attrs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ctl_fieldf(ctl, i == 0 ? "attributes" : "", "%.*s = %.*s", PROV_SPAN_ARG(attrs[i].name),
                   PROV_SPAN_ARG(attrs[i].value));
}

static enum prov_rc thing_show(struct ctl *ctl)
{
    char hex[PROV_ID_HEX + 1];
    struct prov_thing thing;
    enum prov_rc rc;

    if (ctl->json)
        return answer_thing(ctl, ctl_word(ctl, 0));
    rc = prov_thing_get(&ctl->tx, ctl_word(ctl, 0), &thing);
    if (rc != PROV_OK)
        return rc;
    ctl_field(ctl, "thing", thing.name);
    ctl_field(ctl, "type", thing.type);
    field_attrs(ctl, thing.attrs, thing.n_attrs);
    ctl_field_names(ctl, "groups", thing.groups, thing.n_groups);
    ctl_field(ctl, "billing group", thing.billing_group);
    for (size_t i = 0; i < thing.n_principals; i++) {
        prov_id_hex(&thing.principals[i], hex);
        ctl_field(ctl, i == 0 ? "certificates" : "", prov_span_str(hex));
    }
    if (thing.n_principals == 0)
        ctl_field(ctl, "certificates", PROV_LIT("none"));
    ctl_fieldf(ctl, "version", "%u", thing.version);
    ctl_field_time(ctl, "created", thing.created_ms);
    ctl_field_time(ctl, "changed", thing.modified_ms);
    return PROV_OK;
}

/* ---- delete, attach, detach -------------------------------------------------------------------
 */

static enum prov_rc thing_delete(struct ctl *ctl)
{
    struct prov_thing thing;
    char hex[PROV_ID_HEX + 1];
    enum prov_rc rc;

    rc = prov_thing_get(&ctl->tx, ctl_word(ctl, 0), &thing);
    if (rc == PROV_ENOTFOUND) /* as on AWS; but a person wants to hear of a typing mistake */
        ctl_note(ctl, "provctl: there was no thing %s", ctl->args.words[0]);
    else if (rc != PROV_OK)
        return rc;
    for (size_t i = 0; rc == PROV_OK && i < thing.n_principals && i < 3; i++) {
        prov_id_hex(&thing.principals[i], hex);
        ctl_hint(ctl, "`provctl thing detach %s --cert %.12s` first", ctl->args.words[0], hex);
    }
    rc = prov_thing_delete(&ctl->tx, ctl_word(ctl, 0));
    if (rc != PROV_OK)
        return rc;
    return ctl_done(ctl, "thing %s deleted", ctl->args.words[0]);
}

/* Its groups' policies may deny more to an exclusive one: that does not end by leaving a word out.
 */
static enum prov_rc check_kind(struct ctl *ctl, struct prov_span name, const struct prov_id *id)
{
    char hex[PROV_ID_HEX + 1];
    struct prov_cert cert;
    enum prov_rc rc;

    rc = prov_cert_get(&ctl->tx, id, &cert);
    if (rc != PROV_OK || !cert.exclusive || ctl_has(&ctl->args, OPT_EXCLUSIVE) ||
        cert.n_things == 0 || !prov_span_eq(cert.things[0], name))
        return rc;
    prov_id_hex(id, hex);
    ctl_hint(ctl, "`provctl thing detach %s --cert %.12s` first, to attach it as one of several",
             ctl->args.words[0], hex);
    return prov_fail(&ctl->err, PROV_ECONFLICT, "InvalidRequestException",
                     "the certificate is attached to thing \"%.*s\" exclusively",
                     PROV_SPAN_ARG(name));
}

static enum prov_rc attach_or_detach(struct ctl *ctl, bool attach)
{
    const struct prov_span name = ctl_word(ctl, 0);
    char hex[PROV_ID_HEX + 1];
    struct prov_id id;
    enum prov_rc rc;

    rc = ctl_cert_id(ctl, ctl_opt(&ctl->args, OPT_CERT), &id);
    if (rc != PROV_OK)
        return rc;
    if (!attach)
        rc = prov_thing_detach(&ctl->tx, name, &id);
    else if ((rc = check_kind(ctl, name, &id)) == PROV_OK)
        rc = prov_thing_attach(&ctl->tx, name, &id,
                               ctl_has(&ctl->args, OPT_EXCLUSIVE) ? PROV_ATTACH_EXCLUSIVE
                                                                  : PROV_ATTACH_UNSAID);
    if (rc != PROV_OK)
        return rc;
    prov_id_hex(&id, hex);
    return ctl_done(ctl, "certificate %.12s is %s thing %s", hex,
                    attach ? "attached to" : "no longer attached to", ctl->args.words[0]);
}

static enum prov_rc thing_attach(struct ctl *ctl)
{
    return attach_or_detach(ctl, true);
}

static enum prov_rc thing_detach(struct ctl *ctl)
{
    return attach_or_detach(ctl, false);
}

/* ---- the noun ---------------------------------------------------------------------------------
 */

static const struct ctl_option create_options[] = {
    { OPT_TYPE, "TYPE", "its thing type", NULL, false },
    { OPT_ATTR, "KEY=VALUE", "an attribute; 3 without a type, 50 with one", NULL, false },
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
    { OPT_ATTR, "KEY=VALUE", "an attribute to add or change; KEY= removes it", NULL, false },
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
