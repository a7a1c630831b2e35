#include "issuer.h"

#include "run/conf.h"

const char *const ctl_key_types[] = { "ec-p256", "rsa2048", NULL };

/* Days and kinds of keys are what a broker without options has. */
enum prov_rc ctl_issuing(struct ctl *ctl, const struct prov_issuing **out)
{
    struct prov_issuing_conf conf = {
        .dir = ctl->db,
        .cert = ctl_opt(&ctl->args, OPT_ISSUER_CERT),
        .key = ctl_opt(&ctl->args, OPT_ISSUER_KEY),
    };
    struct prov_conf defaults;
    enum prov_rc rc = PROV_OK;

    if ((conf.cert != NULL) != (conf.key != NULL))
        return ctl_usage(ctl, "--issuer-cert and --issuer-key go together");
    if (ctl->issuing == NULL) {
        rc = prov_conf_load(NULL, 0, &defaults, &ctl->err);
        if (rc != PROV_OK)
            return rc;
        conf.validity_days = (int64_t)defaults.issuer_validity_days;
        conf.key_type = (enum prov_key_type)defaults.key_type;
        prov_conf_release(&defaults);
        rc = prov_issuing_new(&conf, &ctl->issuing);
    }
    *out = ctl->issuing;
    return rc == PROV_ENOMEM ? prov_nomem(&ctl->err) : rc;
}

enum prov_rc ctl_issuer_name(struct ctl *ctl, struct prov_buf *out)
{
    struct prov_settings settings;
    const enum prov_rc rc = prov_settings_get(&ctl->tx, &settings);

    if (rc != PROV_OK)
        return rc;
    prov_buf_addf(out, "Provisioning CA %s %s", settings.account_id, settings.region);
    return out->rc;
}
