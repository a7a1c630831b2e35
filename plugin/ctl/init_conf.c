/* The lines for the broker. */
#include "init.h"

static void put_listener(const struct init *in, struct prov_buf *out)
{
    const struct init_plan *plan = &in->plan;
    const struct init_places *p = &in->places;

    prov_buf_addf(out,
                  "# What devices connect to. There is no cafile: the registry decides whom to "
                  "trust.\n"
                  "listener %u%s%s\n"
                  "certfile %s\n"
                  "keyfile %s\n"
                  "require_certificate true\n\n",
                  plan->port, plan->bind[0] != '\0' ? " " : "", plan->bind,
                  plan->own_server ? plan->server_cert : p->server_cert,
                  plan->own_server ? plan->server_key : p->server_key);
}

static void put_plugin(const struct init *in, struct prov_buf *out)
{
    const struct init_plan *plan = &in->plan;

    prov_buf_addf(out,
                  "plugin %s\n"
                  "plugin_opt_db_path %s\n",
                  in->places.plugin, in->places.db);
    if (plan->issuer == INIT_ISSUER_OWN)
        prov_buf_addf(out,
                      "plugin_opt_issuer_cert %s\n"
                      "plugin_opt_issuer_key %s\n",
                      plan->issuer_cert, plan->issuer_key);
    if (plan->others_allowed)
        prov_buf_add_str(out, "plugin_opt_other_clients allow\n");
}

void init_put_conf(const struct init *in, struct prov_buf *out)
{
    prov_buf_add_str(out, "# Made by `provctl init`, which does not change it again: it is yours.\n"
                          "# Every option is in the operator's guide.\n\n");
    put_listener(in, out);
    prov_buf_add_str(out, "# Without it a TLS 1.3 connection takes 45 ms longer.\n"
                          "set_tcp_nodelay true\n\n");
    put_plugin(in, out);
}
