/* Which certificates stand for which things (reference 7.2, 7.4), and their groups. */
#include "api_priv.h"

static enum prov_rc read_kind(struct prov_tx *tx, const cJSON *params, enum prov_attach *out)
{
    static const char *const kinds[] = { "EXCLUSIVE_THING", "NON_EXCLUSIVE_THING" };
    static const enum prov_attach values[] = { PROV_ATTACH_EXCLUSIVE, PROV_ATTACH_SHARED };
    size_t at = PROV_COUNT(kinds);
    const enum prov_rc rc =
        api_choice(tx, params, "thingPrincipalType", kinds, PROV_COUNT(kinds), &at);

    *out = at < PROV_COUNT(kinds) ? values[at] : PROV_ATTACH_UNSAID;
    return rc;
}

/* Which certificate a prefix stood for, and as what it is attached now. */
static enum prov_rc answer(struct prov_tx *tx, struct prov_span thing, const struct prov_id *id,
                           bool attached, cJSON **data)
{
    struct prov_doc d = prov_doc_start(tx);
    struct prov_cert cert;

    prov_doc_text(&d, d.root, "thingName", thing);
    (void)prov_doc_put(&d, d.root, "principal", prov_doc_arn_of_id(&d, "cert", id));
    if (d.rc == PROV_OK && attached) {
        d.rc = prov_cert_get(tx, id, &cert);
        if (d.rc == PROV_OK)
            prov_doc_text(&d, d.root, "thingPrincipalType",
                          prov_span_str(prov_view_principal_type(cert.exclusive)));
    }
    return prov_doc_end(&d, data);
}

static enum prov_rc attach(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    const struct prov_span thing = api_text(params, "thingName");
    enum prov_attach kind;
    struct prov_id id;
    enum prov_rc rc;

    rc = read_kind(tx, params, &kind);
    if (rc == PROV_OK)
        rc = api_principal(tx, params, "principal", &id);
    if (rc == PROV_OK)
        rc = prov_thing_attach(tx, thing, &id, kind);
    return rc != PROV_OK ? rc : answer(tx, thing, &id, true, data);
}

static enum prov_rc detach(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    const struct prov_span thing = api_text(params, "thingName");
    struct prov_id id;
    enum prov_rc rc;

    rc = api_principal(tx, params, "principal", &id);
    if (rc == PROV_OK)
        rc = prov_thing_detach(tx, thing, &id);
    return rc != PROV_OK ? rc : answer(tx, thing, &id, false, data);
}

static enum prov_rc hand_over(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    const struct prov_span to = api_text(params, "toThingName");
    enum prov_attach kind;
    struct prov_id id;
    enum prov_rc rc;

    rc = read_kind(tx, params, &kind);
    if (rc == PROV_OK)
        rc = api_principal(tx, params, "principal", &id);
    if (rc == PROV_OK)
        rc = prov_thing_hand_over(tx, api_text(params, "thingName"), to, &id, kind);
    return rc != PROV_OK ? rc : answer(tx, to, &id, true, data);
}

/* ---- lists ----------------------------------------------------------------------------------- */

/* A certificate's ARN from its id in full. */
static cJSON *row_principal(struct prov_doc *d, struct prov_span hex)
{
    return prov_doc_arn(d, "cert", hex);
}

static enum prov_rc principals(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    char hex[PROV_MAX_THING_PRINCIPALS][PROV_ID_HEX + 1];
    struct prov_span names[PROV_MAX_THING_PRINCIPALS];
    struct prov_thing thing;
    enum prov_rc rc;

    rc = prov_thing_get(tx, api_text(params, "thingName"), &thing);
    if (rc != PROV_OK)
        return rc;
    for (size_t i = 0; i < thing.n_principals; i++) {
        prov_id_hex(&thing.principals[i], hex[i]);
        names[i] = prov_span(hex[i], PROV_ID_HEX);
    }
    return api_names(
        tx, params,
        &(struct api_names){ API_TOKEN, "principals", names, thing.n_principals, row_principal },
        data);
}

static cJSON *row_group(struct prov_doc *d, struct prov_span name)
{
    struct prov_doc row;
    cJSON *out = NULL;

    if (d->rc != PROV_OK)
        return NULL;
    row = api_about(d->tx, "groupName", "groupArn", "thinggroup", name);
    d->rc = prov_doc_end(&row, &out);
    return out;
}

static enum prov_rc groups(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    struct prov_thing thing;
    const enum prov_rc rc = prov_thing_get(tx, api_text(params, "thingName"), &thing);

    return rc != PROV_OK ? rc
                         : api_names(tx, params,
                                     &(struct api_names){ API_TOKEN, "thingGroups", thing.groups,
                                                          thing.n_groups, row_group },
                                     data);
}

/* ---- the operations -------------------------------------------------------------------------- */

static const struct prov_api_field attach_fields[] = {
    API_TEXT_NEEDED("thingName"),
    API_TEXT_NEEDED("principal"),
    API_TEXT("thingPrincipalType"),
    API_END,
};

static const struct prov_api_field detach_fields[] = {
    API_TEXT_NEEDED("thingName"),
    API_TEXT_NEEDED("principal"),
    API_END,
};

static const struct prov_api_field hand_over_fields[] = {
    API_TEXT_NEEDED("thingName"),
    API_TEXT_NEEDED("toThingName"),
    API_TEXT_NEEDED("principal"),
    API_TEXT("thingPrincipalType"),
    API_END,
};

static const struct prov_api_field list_fields[] = {
    API_TEXT_NEEDED("thingName"),
    API_BY_TOKEN,
    API_END,
};

const struct prov_api_op api_principal_ops[] = {
    { "attachThingPrincipal",
      "Says that a certificate is a thing's.",
      PROV_API_WRITE,
      { "thingName", "principal" },
      attach_fields,
      attach,
      NULL },
    { "detachThingPrincipal",
      "Takes a certificate from a thing.",
      PROV_API_WRITE,
      { "thingName", "principal" },
      detach_fields,
      detach,
      NULL },
    { "transferThingPrincipal",
      "Hands a certificate from one thing to another in one step.",
      PROV_API_WRITE,
      { "toThingName", "principal" },
      hand_over_fields,
      hand_over,
      NULL },
    { "listThingPrincipals",
      "Lists the certificates of a thing.",
      PROV_API_READ,
      { "thingName", NULL },
      list_fields,
      principals,
      NULL },
    { "listThingGroupsForThing",
      "Lists the groups that a thing is in.",
      PROV_API_READ,
      { "thingName", NULL },
      list_fields,
      groups,
      NULL },
    { .name = NULL },
};
