/* What an operator does in a registry, and sees there (sim_world.h). */
#include "sim/sim_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/ident.h"

/* ---- the operator ---------------------------------------------------------------------------- */

void sim_limit_claim(struct sim_world *world, uint32_t uses)
{
    struct prov_tx tx = sim_begin(world, PROV_TXN_WRITE, 0);

    sim_must(
        world,
        prov_claim_update(&tx, &world->claim, &(struct prov_claim_change){ .max_uses = &uses }),
        "limit of claim");
    sim_commit(&tx);
}

struct waiting {
    struct sim_world *world;
    struct prov_tx *tx;
    struct prov_id cert;
    bool found;
};

static bool find_waiting(void *ctx, struct prov_span key)
{
    struct waiting *waiting = ctx;
    struct prov_cert cert;

    memcpy(waiting->cert.b, key.p, PROV_ID_LEN);
    sim_must(waiting->world, prov_cert_get(waiting->tx, &waiting->cert, &cert), "certificate");
    waiting->found = cert.status == PROV_CERT_PENDING_ACTIVATION && cert.token_ms == 0;
    return !waiting->found;
}

/* What a first contact recorded and no template provisioned. */
static bool register_by_hand(struct sim_world *world, struct prov_tx *tx)
{
    struct waiting waiting = { .world = world, .tx = tx };
    const struct prov_span none = prov_span(NULL, 0);

    sim_must(world, prov_list(tx, PROV_LIST_CERTS, none, none, find_waiting, &waiting), "list");
    if (!waiting.found)
        return false;
    sim_must(world, prov_thing_create(tx, PROV_LIT(SIM_THING), none, NULL, 0), "thing");
    sim_must(world, prov_thing_attach(tx, PROV_LIT(SIM_THING), &waiting.cert, PROV_ATTACH_UNSAID),
             "attachment");
    sim_must(world, prov_policy_attach_cert(tx, PROV_LIT("telemetry-device"), &waiting.cert),
             "policy");
    sim_must(world, prov_cert_set_status(tx, &waiting.cert, PROV_CERT_ACTIVE), "activation");
    return true;
}

static void enable_template(struct sim_world *world, struct prov_tx *tx, bool enabled)
{
    sim_must(world,
             prov_template_update(tx, PROV_LIT(SIM_TEMPLATE),
                                  &(struct prov_template_change){ .enabled = &enabled }),
             "template");
}

void sim_be_late(struct sim_world *world)
{
    const struct prov_span none = prov_span("", 0);
    struct prov_tx tx = sim_begin(world, PROV_TXN_WRITE, 0);

    enable_template(world, &tx, false);
    sim_must(world,
             prov_ca_update(&tx, &world->ca, &(struct prov_ca_change){ .template_name = &none }),
             "CA");
    sim_commit(&tx);
}

bool sim_put_right(struct sim_world *world, int64_t now_ms)
{
    struct prov_tx tx = sim_begin(world, PROV_TXN_WRITE, now_ms);
    bool registered;

    enable_template(world, &tx, true);
    registered = register_by_hand(world, &tx);
    sim_commit(&tx);
    return registered;
}

void sim_reset_thing(struct sim_world *world, int64_t now_ms)
{
    const struct prov_thing_reset how = { .certs = PROV_RETIRE_REVOKE };
    struct prov_thing_reset_result result;
    struct prov_thing thing;
    struct prov_tx tx = sim_begin(world, PROV_TXN_WRITE, now_ms);

    if (prov_thing_get(&tx, PROV_LIT(SIM_THING), &thing) == PROV_OK)
        sim_must(world, prov_thing_reset(&tx, PROV_LIT(SIM_THING), &how, &result), "reset");
    sim_commit(&tx);
}

int64_t sim_sweep_due(struct sim_world *world, int64_t now_ms)
{
    struct prov_tx tx = sim_begin(world, PROV_TXN_READ, now_ms);
    int64_t at_ms;

    sim_must(world, prov_due_next(&tx, &at_ms), "due");
    sim_abort(&tx);
    return at_ms == INT64_MAX ? at_ms : at_ms - SIM_T0 * 1000;
}

void sim_sweep(struct sim_world *world, int64_t now_ms)
{
    struct prov_due_result result = { .more = true };

    while (result.more) {
        struct prov_tx tx = sim_begin(world, PROV_TXN_WRITE, now_ms);

        sim_must(world, prov_due_run(&tx, 16, &result), "sweep");
        sim_commit(&tx);
    }
}

/* ---- looking --------------------------------------------------------------------------------- */

static void note_problem(void *ctx, const char *text)
{
    struct sim_sight *sight = ctx;
    const size_t n = strlen(sight->problems);

    (void)snprintf(sight->problems + n, sizeof sight->problems - n, "%s; ", text);
}

static bool count_one(void *ctx, struct prov_span key)
{
    (void)key;
    ++*(unsigned *)ctx;
    return true;
}

struct looking {
    struct sim_world *world;
    struct prov_tx *tx;
    struct sim_sight sight;
};

static bool count_cert(void *ctx, struct prov_span key)
{
    struct looking *looking = ctx;
    struct prov_cert cert;
    struct prov_id id;

    memcpy(id.b, key.p, PROV_ID_LEN);
    sim_must(looking->world, prov_cert_get(looking->tx, &id, &cert), "certificate");
    if (prov_id_eq(&id, &looking->world->claim))
        return true;
    looking->sight.certs[cert.status]++;
    looking->sight.attached += cert.n_things != 0;
    return true;
}

struct sim_sight sim_look(struct sim_world *world, bool thorough, int64_t now_ms)
{
    struct prov_tx tx = sim_begin(world, PROV_TXN_READ, now_ms);
    struct looking looking = { .world = world, .tx = &tx };
    const struct prov_span none = prov_span(NULL, 0);

    sim_must(world, prov_list(&tx, PROV_LIST_THINGS, none, none, count_one, &looking.sight.things),
             "things");
    sim_must(world, prov_list(&tx, PROV_LIST_CERTS, none, none, count_cert, &looking),
             "certificates");
    if (thorough)
        sim_must(world, prov_registry_check(&tx, note_problem, &looking.sight), "check");
    sim_abort(&tx);
    return looking.sight;
}

enum prov_cert_status sim_status(struct sim_world *world, const struct prov_id *cert,
                                 int64_t now_ms)
{
    struct prov_tx tx = sim_begin(world, PROV_TXN_READ, now_ms);
    struct prov_cert found;
    const enum prov_rc rc = prov_cert_get(&tx, cert, &found);

    sim_abort(&tx);
    if (rc != PROV_ENOTFOUND)
        sim_must(world, rc, "status");
    return rc == PROV_OK ? found.status : PROV_CERT_STATUSES;
}

bool sim_admits(struct sim_world *world, X509 *leaf, const char *client_id, int64_t now_ms)
{
    const struct prov_policy_request connect = { .action = PROV_ACT_CONNECT,
                                                 .name = prov_span_str(client_id) };
    const struct prov_who who = { connect.name, PROV_LIT("192.0.2.7"), leaf };
    struct prov_tx tx = sim_begin(world, PROV_TXN_READ, now_ms);
    struct prov_policy *policy = NULL;
    struct prov_decision decision;
    struct prov_cert cert;
    struct prov_id id;
    bool good = false;

    sim_must(world, prov_ident_id(leaf, &id), "id");
    if (prov_flow_admit(world->issuers, &tx, leaf, &id, &decision) == PROV_OK &&
        decision.outcome == PROV_KNOWN) {
        sim_must(world, prov_cert_get(&tx, &decision.cert, &cert), "certificate");
        sim_must(world, prov_rights_policy(world->rights, &tx, &cert, &who, &policy), "policy");
        good = prov_policy_decide(policy, &connect) == PROV_ALLOWED;
        prov_policy_free(policy);
    }
    sim_abort(&tx);
    return good;
}
