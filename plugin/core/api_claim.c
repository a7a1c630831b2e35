/* Limits of claims, and the values that their parameters may have (claim.h); ours alone. */
#include "api_priv.h"

#include "claim.h"

/* ---- limits ---------------------------------------------------------------------------------- */

/* Of one without limits: that there are none. */
static enum prov_rc get(struct prov_tx *tx, const struct prov_id *id, struct prov_claim *claim)
{
    const enum prov_rc rc = prov_claim_get(tx, id, claim);

    if (rc != PROV_ENOTFOUND)
        return rc;
    memset(claim, 0, sizeof *claim);
    claim->cert = *id;
    return PROV_OK;
}

static enum prov_rc answer(struct prov_tx *tx, const struct prov_id *id, cJSON **data)
{
    struct prov_claim claim;
    const enum prov_rc rc = get(tx, id, &claim);

    return rc != PROV_OK ? rc : prov_view_claim(tx, &claim, data);
}

static enum prov_rc describe(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    struct prov_id id;
    const enum prov_rc rc = api_cert_id(tx, params, "certificateId", &id);

    return rc != PROV_OK ? rc : answer(tx, &id, data);
}

/* A change with the room for what it points to. */
struct change {
    struct prov_span templates[PROV_MAX_CLAIM_TEMPLATES], networks[PROV_MAX_CLAIM_NETWORKS];
    uint32_t max_uses, uses, rate, rate_s, suspend_after;
    int64_t not_before_ms, not_after_ms;
    struct prov_claim_change change;
};

static enum prov_rc read_texts(struct prov_tx *tx, const cJSON *params, const char *key,
                               struct prov_span *room, size_t max, const struct prov_span **out,
                               size_t *n)
{
    const cJSON *list = api_get(params, key), *item;

    if (list == NULL)
        return PROV_OK;
    *out = room;
    cJSON_ArrayForEach(item, list)
    {
        if (*n == max)
            return api_refuse(tx, key, "at most %zu are possible", max);
        room[(*n)++] = prov_span_str(item->valuestring);
    }
    return PROV_OK;
}

static const uint32_t *read_number(const cJSON *params, const char *key, uint32_t *room)
{
    *room = api_number(params, key, 0);
    return api_get(params, key) != NULL ? room : NULL;
}

static const int64_t *read_time(const cJSON *params, const char *key, int64_t *room)
{
    *room = (int64_t)api_number(params, key, 0) * 1000;
    return api_get(params, key) != NULL ? room : NULL;
}

static enum prov_rc read_change(struct prov_tx *tx, const cJSON *params, struct change *out)
{
    struct prov_claim_change *change = &out->change;
    const cJSON *rate = api_get(params, "rate");
    enum prov_rc rc;

    change->max_uses = read_number(params, "maxUses", &out->max_uses);
    change->uses = read_number(params, "uses", &out->uses);
    change->suspend_after = read_number(params, "suspendAfter", &out->suspend_after);
    change->rate = read_number(rate, "count", &out->rate);
    change->rate_s = read_number(rate, "seconds", &out->rate_s);
    change->not_before_ms = read_time(params, "notBefore", &out->not_before_ms);
    change->not_after_ms = read_time(params, "notAfter", &out->not_after_ms);
    rc = read_texts(tx, params, "templateNames", out->templates, PROV_COUNT(out->templates),
                    &change->templates, &change->n_templates);
    if (rc == PROV_OK)
        rc = read_texts(tx, params, "networks", out->networks, PROV_COUNT(out->networks),
                        &change->networks, &change->n_networks);
    return rc;
}

static enum prov_rc update(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    struct change change = { .max_uses = 0 };
    struct prov_id id;
    enum prov_rc rc;

    rc = read_change(tx, params, &change);
    if (rc == PROV_OK)
        rc = api_cert_id(tx, params, "certificateId", &id);
    if (rc == PROV_OK)
        rc = prov_claim_update(tx, &id, &change.change);
    return rc != PROV_OK ? rc : answer(tx, &id, data);
}

static enum prov_rc delete_limits(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    struct prov_id id;
    struct prov_doc d;
    enum prov_rc rc;

    rc = api_cert_id(tx, params, "certificateId", &id);
    if (rc == PROV_OK)
        rc = prov_claim_clear(tx, &id);
    if (rc != PROV_OK)
        return rc;
    d = api_about_cert(tx, "cert", &id);
    return prov_doc_end(&d, data);
}

static enum prov_rc row(struct prov_tx *tx, void *ctx, struct prov_span key, cJSON **out)
{
    struct prov_claim claim;
    struct prov_id id;
    enum prov_rc rc;

    (void)ctx;
    rc = api_key_id(tx, key, &id);
    if (rc == PROV_OK)
        rc = prov_claim_get(tx, &id, &claim);
    return rc != PROV_OK ? rc : prov_view_claim(tx, &claim, out);
}

static enum prov_rc list(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    const struct api_list l = {
        .kind = PROV_LIST_CLAIMS,
        .pages = API_TOKEN,
        .key = API_KEY_ID,
        .rows = "claims",
        .row = row,
    };

    return api_list(tx, params, &l, data);
}

static enum prov_rc suspend(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    struct prov_id id;
    enum prov_rc rc;

    rc = api_cert_id(tx, params, "certificateId", &id);
    if (rc == PROV_OK)
        rc = prov_claim_suspend(tx, &id, api_text(params, "reason"));
    return rc != PROV_OK ? rc : answer(tx, &id, data);
}

static enum prov_rc resume(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    struct prov_id id;
    enum prov_rc rc;

    rc = api_cert_id(tx, params, "certificateId", &id);
    if (rc == PROV_OK)
        rc = prov_claim_resume(tx, &id);
    return rc != PROV_OK ? rc : answer(tx, &id, data);
}

/* ---- allow lists ----------------------------------------------------------------------------- */

static enum prov_rc answer_list(struct prov_tx *tx, const struct prov_id *id, const cJSON *params,
                                cJSON **data)
{
    struct prov_doc d = api_about_cert(tx, "cert", id);

    prov_doc_text(&d, d.root, "parameterName", api_text(params, "parameterName"));
    return prov_doc_end(&d, data);
}

static enum prov_rc
each_value(struct prov_tx *tx, const cJSON *params,
           enum prov_rc (*change)(struct prov_tx *tx, const struct prov_id *cert,
                                  struct prov_span parameter, struct prov_span value),
           cJSON **data)
{
    const struct prov_span parameter = api_text(params, "parameterName");
    const cJSON *value;
    struct prov_id id;
    enum prov_rc rc;

    rc = api_cert_id(tx, params, "certificateId", &id);
    if (rc != PROV_OK)
        return rc;
    cJSON_ArrayForEach(value, api_get(params, "values"))
    {
        rc = change(tx, &id, parameter, prov_span_str(value->valuestring));
        if (rc != PROV_OK)
            return rc;
    }
    return answer_list(tx, &id, params, data);
}

static enum prov_rc add_values(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    return each_value(tx, params, prov_claim_allow, data);
}

static enum prov_rc remove_values(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    return each_value(tx, params, prov_claim_disallow, data);
}

static enum prov_rc remove_list(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    struct prov_id id;
    enum prov_rc rc;

    rc = api_cert_id(tx, params, "certificateId", &id);
    if (rc == PROV_OK)
        rc = prov_claim_unlist(tx, &id, api_text(params, "parameterName"));
    return rc != PROV_OK ? rc : answer_list(tx, &id, params, data);
}

static enum prov_rc value_row(struct prov_tx *tx, void *ctx, struct prov_span key, cJSON **out)
{
    struct prov_span parameter, value;
    struct prov_doc d;
    const enum prov_rc rc = prov_claim_value(tx, ctx, key, &parameter, &value);

    if (rc != PROV_OK)
        return rc;
    d = prov_doc_start(tx);
    prov_doc_text(&d, d.root, "parameterName", parameter);
    prov_doc_text(&d, d.root, "value", value);
    return prov_doc_end(&d, out);
}

static enum prov_rc list_values(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    const struct prov_span parameter = api_text(params, "parameterName");
    char prefix[PROV_MAX_NAME + 1];
    struct prov_id id;
    struct api_list l = {
        .kind = PROV_LIST_VALUES_OF_CLAIM,
        .pages = API_TOKEN,
        .key = API_KEY_VALUE,
        .rows = "parameterValues",
        .row = value_row,
        .ctx = &id,
    };
    enum prov_rc rc;

    if (!prov_span_copy(parameter, prefix, sizeof prefix))
        return api_refuse(tx, "parameterName", "no list has a name that long");
    if (parameter.n != 0)
        l.prefix = prov_span(prefix, parameter.n + 1); /* its NUL ends the name */
    rc = api_cert_id(tx, params, "certificateId", &id);
    l.of = prov_id_span(&id);
    return rc != PROV_OK ? rc : api_list(tx, params, &l, data);
}

/* ---- the operations -------------------------------------------------------------------------- */

static const struct prov_api_field id_fields[] = { API_TEXT_NEEDED("certificateId"), API_END };

static const struct prov_api_field rate_fields[] = {
    { "count", PROV_API_NUMBER, true, NULL },
    { "seconds", PROV_API_NUMBER, true, NULL },
    API_END,
};

static const struct prov_api_field update_fields[] = {
    API_TEXT_NEEDED("certificateId"),
    API_TEXTS("templateNames"),
    API_NUMBER("maxUses"),
    API_NUMBER("uses"),
    API_OBJECT("rate", rate_fields),
    API_NUMBER("notBefore"),
    API_NUMBER("notAfter"),
    API_TEXTS("networks"),
    API_NUMBER("suspendAfter"),
    API_END,
};

static const struct prov_api_field list_fields[] = { API_BY_TOKEN, API_END };

static const struct prov_api_field suspend_fields[] = {
    API_TEXT_NEEDED("certificateId"),
    API_TEXT("reason"),
    API_END,
};

static const struct prov_api_field values_fields[] = {
    API_TEXT_NEEDED("certificateId"),
    API_TEXT_NEEDED("parameterName"),
    { "values", PROV_API_TEXTS, true, NULL },
    API_END,
};

static const struct prov_api_field parameter_fields[] = {
    API_TEXT_NEEDED("certificateId"),
    API_TEXT_NEEDED("parameterName"),
    API_END,
};

static const struct prov_api_field list_values_fields[] = {
    API_TEXT_NEEDED("certificateId"),
    API_TEXT("parameterName"),
    API_BY_TOKEN,
    API_END,
};

const struct prov_api_op api_claim_ops[] = {
    { "describeClaimLimits",
      "What a claim may provision, and how much of that it has.",
      PROV_API_READ,
      { "certificateId", NULL },
      id_fields,
      describe,
      NULL },
    { "updateClaimLimits",
      "Limits what a claim may provision; 0 and [] lift a limit.",
      PROV_API_WRITE,
      { "certificateId", NULL },
      update_fields,
      update,
      NULL },
    { "deleteClaimLimits",
      "Takes all limits from a claim, its lists of values too.",
      PROV_API_WRITE,
      { "certificateId", NULL },
      id_fields,
      delete_limits,
      NULL },
    { "listClaimLimits",
      "Lists the claims that have limits.",
      PROV_API_READ,
      { NULL, NULL },
      list_fields,
      list,
      NULL },
    { "suspendClaim",
      "Nothing can be provisioned with a claim until it is resumed.",
      PROV_API_WRITE,
      { "certificateId", NULL },
      suspend_fields,
      suspend,
      NULL },
    { "resumeClaim",
      "Ends the suspension of a claim.",
      PROV_API_WRITE,
      { "certificateId", NULL },
      id_fields,
      resume,
      NULL },
    { "addClaimParameterValues",
      "Allows a parameter these values; the first make its list.",
      PROV_API_WRITE,
      { "certificateId", "parameterName" },
      values_fields,
      add_values,
      NULL },
    { "removeClaimParameterValues",
      "Takes values off a parameter's list.",
      PROV_API_WRITE,
      { "certificateId", "parameterName" },
      values_fields,
      remove_values,
      NULL },
    { "removeClaimParameterList",
      "Allows a parameter any value again.",
      PROV_API_WRITE,
      { "certificateId", "parameterName" },
      parameter_fields,
      remove_list,
      NULL },
    { "listClaimParameterValues",
      "Lists the values that a claim's parameters may have.",
      PROV_API_READ,
      { "certificateId", "parameterName" },
      list_values_fields,
      list_values,
      NULL },
    { .name = NULL },
};
