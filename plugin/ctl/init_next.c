/* What to do when all is made. */
#include "init.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "connect.h"

#define MORE " \\\n        "

static const char no_trust[] = "CA-OF-THE-BROKER";

struct next {
    const struct init *in;
    init_step *step;
    void *ctx;
    const char *sudo;        /* "sudo " for whom it was that made us root */
    char db[INIT_PATH + 16]; /* " --db DIR", where provctl would look elsewhere */
    char host[256];          /* the broker's name */
    char trust[INIT_PATH];   /* what devices know it by */
    char
        issuer[2 * INIT_PATH + 64]; /* options for who issues, where provctl would look elsewhere */
    unsigned port;
};

PROV_PRINTF(3, 4)
static void tell(const struct next *n, const char *what, const char *fmt, ...)
{
    char command[4 * INIT_PATH];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(command, sizeof command, fmt, args);
    va_end(args);
    n->step(n->ctx, what, command);
}

/* ---- what the commands need ------------------------------------------------------------------ */

static void put_shell(char *out, size_t cap, const char *lead, const char *text)
{
    struct prov_buf word;

    prov_buf_init(&word, 4 * INIT_PATH);
    if (!ctl_put_shell(&word, prov_span_str(text)))
        prov_buf_add_str(&word, "...");
    (void)snprintf(out, cap, "%s%s", lead, prov_buf_cstr(&word));
    prov_buf_release(&word);
}

static void find_broker(struct next *n)
{
    const struct init *in = n->in;
    const struct init_mosquitto *m = &in->found.mosquitto;
    const bool ours =
        in->found.conf ? strcmp(m->certfile, in->places.server_cert) == 0 : !in->plan.own_server;

    n->port = in->found.conf ? m->port : in->plan.port;
    (void)snprintf(n->host, sizeof n->host, "%s", in->host[0] != '\0' ? in->host : "BROKER");
    if (ours)
        put_shell(n->trust, sizeof n->trust, "", in->places.server_ca);
    else
        (void)snprintf(n->trust, sizeof n->trust, "%s", no_trust);
}

static void find_issuer(struct next *n)
{
    const struct init *in = n->in;
    const bool own = in->plan.issuer == INIT_ISSUER_OWN;
    const char *cert = own ? in->plan.issuer_cert : in->found.mosquitto.issuer_cert;
    const char *key = own ? in->plan.issuer_key : in->found.mosquitto.issuer_key;
    char word[INIT_PATH + 32];

    if (cert[0] == '\0')
        return;
    put_shell(n->issuer, INIT_PATH + 32, " --issuer-cert ", cert);
    put_shell(word, sizeof word, " --issuer-key ", key);
    (void)snprintf(n->issuer + strlen(n->issuer), sizeof n->issuer - strlen(n->issuer), "%s", word);
}

/* ---- the steps ------------------------------------------------------------------------------- */

static void start_broker(const struct next *n)
{
    const struct init *in = n->in;
    const struct init_mosquitto *m = &in->found.mosquitto;
    const bool again = in->found.conf && !in->found.server_lost;

    if (m->there && (m->includes || in->found.conf))
        tell(n,
             "The broker reads its configuration when it starts:", "%ssystemctl restart mosquitto",
             n->sudo);
    else
        tell(n, again ? "Start the broker, if it does not run:" : "Start the broker:",
             "%smosquitto -c %s", n->sudo, in->found.conf ? m->plugin_file : in->places.conf);
}

static void give_trust(const struct next *n)
{
    if (strcmp(n->trust, no_trust) != 0)
        n->step(n->ctx,
                "Devices know the broker by this CA certificate; give it to them:", n->trust);
}

static void first_of_factory(const struct next *n)
{
    const struct init_plan *plan = &n->in->plan;

    if (!plan->factory.wanted)
        return;
    if (plan->factory_ca[0] == '\0')
        tell(n, "Say whose devices are let in; FACTORY-CA.pem signs their certificates:",
             "%sprovctl%s ca register FACTORY-CA.pem --sni-only --active" MORE
             "--auto-register --template %s",
             n->sudo, n->db, plan->factory.name);
    tell(n,
         "A first device, whose certificate is for NAME. Its first try is dropped while it is "
         "registered, as on AWS IoT; the second is in:",
         "mosquitto_pub -h %s -p %u --cafile %s" MORE
         "--cert NAME.crt --key NAME.key -i NAME -q 1 -t dt/NAME/hello -m hello",
         n->host, n->port, n->trust);
}

static void first_of_claim(const struct next *n)
{
    const struct init *in = n->in;
    const struct init_plan *plan = &in->plan;
    char what[768];

    if (!plan->claim.wanted)
        return;
    if (!in->found.issuer && plan->issuer == INIT_ISSUER_NONE)
        tell(n, "Nobody issues certificates yet:", "%sprovctl%s issuer create", n->sudo, n->db);
    tell(n,
         "A claim for a first device, good for five minutes (`provctl help claim` tells of claims "
         "that many share):",
         "%sprovctl%s claim create %s --out .%s", n->sudo, n->db, plan->claim.name, n->issuer);
    (void)snprintf(what, sizeof what,
                   "On the device: an agent.conf as in the example claim.conf, with host = %s, "
                   "port = %u, ca_file, template = %s and the claim's two files. Then:",
                   n->host, n->port, plan->claim.name);
    n->step(n->ctx, what, "device-agent --config agent.conf provision");
}

void init_next(const struct init *in, init_step *step, void *ctx)
{
    struct next n = { .in = in, .step = step, .ctx = ctx, .sudo = "" };

    if (getenv("SUDO_USER") != NULL)
        n.sudo = "sudo ";
    if (strcmp(in->places.db, CTL_DEFAULT_DB) != 0)
        put_shell(n.db, sizeof n.db, " --db ", in->places.db);
    find_broker(&n);
    find_issuer(&n);
    start_broker(&n);
    give_trust(&n);
    first_of_factory(&n);
    first_of_claim(&n);
    tell(&n, "What is registered, and what devices tried lately:", "%sprovctl%s status", n.sudo,
         n.db);
    tell(&n, "Why device NAME was refused, and what to do:", "%sprovctl%s explain NAME", n.sudo,
         n.db);
}
