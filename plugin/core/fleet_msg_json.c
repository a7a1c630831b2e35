#include "fleet_msg_priv.h"

#include <openssl/crypto.h>

#include "json.h"

/* cJSON's copies hold the token. */
static void wipe(cJSON *item)
{
    for (; item != NULL; item = item->next) {
        if (item->valuestring != NULL)
            OPENSSL_cleanse(item->valuestring, strlen(item->valuestring));
        wipe(item->child);
    }
}

static enum prov_rc read_param(const struct prov_fleet_reader *r, const cJSON *item)
{
    const struct prov_span name = prov_span_str(item->string);
    char shown[PROV_FLEET_SHOWN];
    enum prov_rc rc;

    rc = prov_fleet_param_name(r, name);
    if (rc != PROV_OK)
        return rc;
    if (!cJSON_IsString(item))
        return prov_fleet_bad(r, "parameters.%s must be text", prov_fleet_show(name, shown));
    return prov_fleet_param_add(r, prov_fleet_keep(r, name),
                                prov_fleet_keep(r, prov_span_str(item->valuestring)));
}

static enum prov_rc read_params(const struct prov_fleet_reader *r, const cJSON *map)
{
    enum prov_rc rc = PROV_OK;
    const cJSON *item;

    if (!cJSON_IsObject(map))
        return prov_fleet_bad(r, "parameters must be a map of texts");
    cJSON_ArrayForEach(item, map)
    {
        if (rc == PROV_OK)
            rc = read_param(r, item);
    }
    return rc;
}

static enum prov_rc read_member(const struct prov_fleet_reader *r, const cJSON *item)
{
    const struct prov_span key = prov_span_str(item->string);
    struct prov_span *field = prov_fleet_field(r, key);

    if (prov_fleet_is_parameters(r, key))
        return read_params(r, item);
    if (field == NULL)
        return PROV_OK;
    if (!cJSON_IsString(item))
        return prov_fleet_bad(r, "%s must be text", item->string);
    *field = prov_fleet_keep(r, prov_span_str(item->valuestring));
    return PROV_OK;
}

static enum prov_rc read_object(const struct prov_fleet_reader *r, const cJSON *doc)
{
    enum prov_rc rc = PROV_OK;
    const cJSON *item;

    if (!cJSON_IsObject(doc))
        return prov_fleet_bad(r, "the request must be an object");
    cJSON_ArrayForEach(item, doc)
    {
        if (rc == PROV_OK)
            rc = read_member(r, item);
    }
    return rc;
}

enum prov_rc prov_fleet_read_json(const struct prov_fleet_reader *r)
{
    struct prov_err why;
    enum prov_rc rc;
    cJSON *doc;

    rc = prov_json_parse(r->payload, PROV_MAX_FLEET_PAYLOAD, &doc, &why);
    if (rc == PROV_ENOMEM)
        return prov_nomem(r->err);
    if (rc != PROV_OK)
        return prov_fleet_bad(r, "%s%s%s (line %u, column %u)", why.path,
                              why.path[0] == '\0' ? "" : ": ", why.text, why.line, why.col);
    rc = read_object(r, doc);
    wipe(doc);
    cJSON_Delete(doc);
    return rc;
}
