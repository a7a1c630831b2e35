/* The limits of claims. */
#include "view_priv.h"

static void put_number_if(struct prov_doc *d, const char *key, uint32_t value)
{
    if (value != 0)
        prov_doc_number(d, d->root, key, value);
}

static void put_rate(struct prov_doc *d, const struct prov_claim *claim)
{
    cJSON *rate;

    if (claim->rate == 0)
        return;
    rate = prov_doc_object(d, d->root, "rate");
    prov_doc_number(d, rate, "count", claim->rate);
    prov_doc_number(d, rate, "seconds", claim->rate_s);
}

static void put_suspended(struct prov_doc *d, const struct prov_claim *claim)
{
    cJSON *suspended;

    if (claim->suspended_ms == 0)
        return;
    suspended = prov_doc_object(d, d->root, "suspended");
    prov_doc_time(d, suspended, "since", claim->suspended_ms);
    prov_doc_text_if(d, suspended, "reason", claim->suspended_why);
}

enum prov_rc prov_view_claim(struct prov_tx *tx, const struct prov_claim *claim, cJSON **out)
{
    struct prov_doc d = prov_doc_start(tx);

    (void)prov_doc_put(&d, d.root, "certificateArn", prov_doc_arn_of_id(&d, "cert", &claim->cert));
    prov_doc_id(&d, d.root, "certificateId", &claim->cert);
    put_suspended(&d, claim);
    view_names(&d, d.root, "templateNames", claim->templates, claim->n_templates);
    put_number_if(&d, "maxUses", claim->max_uses);
    prov_doc_number(&d, d.root, "uses", claim->uses);
    put_rate(&d, claim);
    view_time_if(&d, d.root, "notBefore", claim->not_before_ms);
    view_time_if(&d, d.root, "notAfter", claim->not_after_ms);
    view_names(&d, d.root, "networks", claim->networks, claim->n_networks);
    view_names(&d, d.root, "parameterLists", claim->listed, claim->n_listed);
    put_number_if(&d, "suspendAfter", claim->suspend_after);
    view_time_if(&d, d.root, "lastModifiedDate", claim->modified_ms);
    return prov_doc_end(&d, out);
}
