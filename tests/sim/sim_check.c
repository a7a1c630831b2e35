#include "sim/sim_play.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/x509.h>

#include "core/ident.h"

#define STATE_FILE SIM_DIR "/state"

/* ---- looking at the device ------------------------------------------------------------------- */

bool play_is_jit(const struct play *p)
{
    return p->scenario->method == AGENT_METHOD_JIT;
}

bool play_id_of(struct sim *sim, struct store *store, uint32_t slot, struct prov_id *id)
{
    X509 *leaf = sim_identity(sim, store, slot);
    const bool there = leaf != NULL;

    if (there)
        assert_int_equal(prov_ident_id(leaf, id), PROV_OK);
    X509_free(leaf);
    return there;
}

static bool admitted(struct sim *sim, struct store *store, uint32_t slot)
{
    X509 *leaf = sim_identity(sim, store, slot);
    const bool good = leaf != NULL && sim_admits(sim->world, leaf, SIM_THING, (int64_t)sim->now_ms);

    X509_free(leaf);
    return good;
}

/* Could the device connect with anything it has, but for the claim? */
static bool any_admitted(struct play *p, struct store *store)
{
    for (uint32_t slot = 1; slot <= p->highest; slot++) {
        if (admitted(p->sim, store, slot))
            return true;
    }
    return false;
}

static void note_reset(struct play *p, enum agent_reset reset)
{
    if (reset == AGENT_RESET_NONE) {
        p->resets += p->resetting;
        p->resetting = false;
        return;
    }
    if (!p->resetting && !play_is_jit(p))
        sim_reset_thing(p->sim->world, (int64_t)p->sim->now_ms);
    p->resetting = true;
    p->request_of = 0;
    p->has_identity = p->came_in = false;
}

static bool claim_may_go(const struct play *p)
{
    return p->came_in || p->resetting || p->sim->now_ms >= p->claim_ends_ms;
}

/* ---- at the port's doors --------------------------------------------------------------------- */

static void on_saved(struct sim *sim, const struct agent_state *state)
{
    note_reset(sim->ctx, state->reset);
}

static void on_stored(struct sim *sim, const char *what, uint32_t slot)
{
    struct play *p = sim->ctx;
    const bool promoted = strcmp(what, "promotion") == 0, dropped = strcmp(what, "drop") == 0;

    if (slot > p->highest)
        p->highest = slot;
    if (promoted && !admitted(sim, sim->store, slot))
        sim_fail(sim, "generation %u is in force and cannot connect", (unsigned)slot);
    p->has_identity = p->has_identity || promoted;
    if (dropped && slot == p->request_of)
        p->request_of = 0;
    if (dropped && slot == AGENT_SLOT_CLAIM) {
        if (!claim_may_go(p))
            sim_fail(sim, "the claim is gone before an identity has connected");
        p->claim_there = false;
    }
    if (dropped && p->has_identity && !any_admitted(p, sim->store))
        sim_fail(sim, "the last usable identity, generation %u, was dropped", (unsigned)slot);
}

static void on_came_in(struct sim *sim, uint32_t slot, const struct prov_id *cert)
{
    struct play *p = sim->ctx;

    (void)cert;
    if (slot != AGENT_SLOT_CLAIM)
        p->came_in = true;
}

/* As long as a generation is the same, so is its request: key and all. */
static void on_publish(struct sim *sim, const char *topic, struct agent_span payload)
{
    const uint32_t generation = sim->agent->state.next;
    struct play *p = sim->ctx;
    struct prov_id now;

    if (strstr(topic, "/create-from-csr/") == NULL)
        return;
    assert_int_equal(prov_ident_id_of_der(prov_span(payload.p, payload.n), &now), PROV_OK);
    if (p->request_of == generation && !prov_id_eq(&now, &p->request))
        sim_fail(sim, "another request for generation %u", (unsigned)generation);
    p->request = now;
    p->request_of = generation;
}

void play_watch(struct play *p)
{
    struct sim *sim = p->sim;

    sim->ctx = p;
    sim->saved = on_saved;
    sim->stored = on_stored;
    sim->came_in = on_came_in;
    sim->publishes = on_publish;
}

/* ---- a start -------------------------------------------------------------------------------- */

static void read_record(struct play *p)
{
    static const uint8_t device[AGENT_DEVICE_LEN] = SIM_DEVICE;
    struct agent_disk_look look;
    struct agent_state state;

    if (agent_disk_look(p->sim->disk, STATE_FILE, &look) &&
        agent_state_read((struct agent_span){ look.bytes, look.n }, device, &state) ==
            AGENT_STATE_GOOD)
        note_reset(p, state.reset);
    else if (p->highest != 0)
        sim_fail(p->sim, "the record is lost");
}

void play_check_start(struct play *p)
{
    struct sim *sim = p->sim;
    struct store *store = sim_look_in(sim);
    const uint32_t in_force = store_in_force(store);

    read_record(p);
    if (in_force > p->highest)
        p->highest = in_force;
    if (p->has_identity && in_force == 0)
        sim_fail(sim, "no identity is in force any more");
    if (in_force != 0 && !p->resetting)
        p->has_identity = true;
    if (p->has_identity && !any_admitted(p, store))
        sim_fail(sim, "no identity that could connect is left");
    if (p->claim_there && !sim_identity_is(sim, store, AGENT_SLOT_CLAIM)) {
        if (!claim_may_go(p))
            sim_fail(sim, "the claim is lost");
        p->claim_there = false; /* half gone, when the power went */
    }
}

/* ---- the end --------------------------------------------------------------------------------- */

static void count_entry(void *arg, const char *path, const struct agent_disk_look *look)
{
    unsigned *n = arg;

    (void)look;
    *n += strstr(path, "/gen/") != NULL && strchr(strstr(path, "/gen/") + 5, '/') == NULL;
}

struct search {
    const char *text;
    size_t n;
    bool found;
};

static void search_file(void *arg, const char *path, const struct agent_disk_look *look)
{
    struct search *search = arg;

    (void)path;
    if (look->kind == FILE_REGULAR && look->n >= search->n &&
        memmem(look->bytes, look->n, search->text, search->n) != NULL)
        search->found = true;
}

/* In a file; and without a name as well, unless the cuts took names away: then nobody can have
 * wiped it. */
static bool is_on_disk(const struct play *p, const char *text, size_t n)
{
    struct search search = { .text = text, .n = n };

    if (p->names_stay)
        return agent_disk_holds(p->sim->disk, text, n);
    agent_disk_walk(p->sim->disk, search_file, &search);
    return search.found;
}

/* Of a key in PEM: no line of it is anywhere. */
static void check_wiped(struct play *p, const char *what, const char *key)
{
    const char *line = strchr(key, '\n');

    while (line != NULL && line[1] != '-' && line[1] != '\0') {
        const char *end = strchr(line + 1, '\n');

        if (end != NULL && is_on_disk(p, line + 1, (size_t)(end - line - 1)))
            sim_fail(p->sim, "some of the key of %s is still on the disk", what);
        line = end;
    }
}

static void check_keys(struct play *p, bool keeps)
{
    if (!keeps && p->scenario->method == AGENT_METHOD_CLAIM)
        check_wiped(p, "the claim", sim_golden_claim().key);
    if (p->first_key[0] != '\0' && !play_is_jit(p))
        check_wiped(p, "the identity before", p->first_key);
}

void play_check_device(struct play *p)
{
    const struct sim_scenario *s = p->scenario;
    struct sim *sim = p->sim;
    struct store *store = sim_look_in(sim);
    const uint32_t in_force = store_in_force(store);
    const bool keeps = s->keep_claim || play_is_jit(p);
    const struct agent_state *state = &sim->agent->state;
    const bool claim = sim_identity_is(sim, store, AGENT_SLOT_CLAIM);
    unsigned generations = 0;

    if (in_force == 0 || !admitted(sim, store, in_force))
        sim_fail(sim, "the identity in force, generation %u, cannot connect", (unsigned)in_force);
    if (!p->came_in)
        sim_fail(sim, "the identity has never connected");
    if (state->current != in_force || state->phase != AGENT_PHASE_NONE ||
        state->reset != AGENT_RESET_NONE)
        sim_fail(sim, "the record says other than generation %u", (unsigned)in_force);
    if (sim->announced == 0 || state->announce != AGENT_ANNOUNCE_NONE)
        sim_fail(sim, "the identity was not announced");
    if (claim != keeps)
        sim_fail(sim, "the claim is %s", claim ? "still there" : "gone");
    check_keys(p, keeps);
    agent_disk_walk(sim->disk, count_entry, &generations);
    if (generations != 1)
        sim_fail(sim, "%u generations are on the disk", generations);
}

/* How many were retired nobody has counted. */
static void check_after_wishes(struct play *p, const struct sim_sight *sight)
{
    if (sight->things != 1 || sight->certs[PROV_CERT_ACTIVE] == 0 ||
        sight->certs[PROV_CERT_PENDING_ACTIVATION] != 0 || sight->problems[0] != '\0')
        sim_fail(p->sim, "%u things, %u certificates ACTIVE, %u PENDING_ACTIVATION; %s",
                 sight->things, sight->certs[PROV_CERT_ACTIVE],
                 sight->certs[PROV_CERT_PENDING_ACTIVATION], sight->problems);
}

void play_check_registry(struct play *p, bool thorough)
{
    const struct sim_scenario *s = p->scenario;
    const bool reset = s->goal == SIM_RESET_IDENTITY || s->goal == SIM_RESET_FULL;
    struct sim_sight sight = sim_look(p->sim->world, thorough, (int64_t)p->sim->now_ms);
    unsigned others = 0, retired = 0;

    if (p->wished) {
        check_after_wishes(p, &sight);
        return;
    }
    retired += s->goal == SIM_RENEW || (reset && !play_is_jit(p));
    for (int i = 0; i < PROV_CERT_STATUSES; i++)
        others += i == PROV_CERT_ACTIVE ? 0 : sight.certs[i];
    if (sight.things != 1 || sight.attached != 1 || sight.certs[PROV_CERT_ACTIVE] != 1)
        sim_fail(p->sim, "%u things, %u certificates with one, %u ACTIVE", sight.things,
                 sight.attached, sight.certs[PROV_CERT_ACTIVE]);
    if (others != retired || sight.certs[PROV_CERT_PENDING_ACTIVATION] != 0)
        sim_fail(p->sim, "%u certificates were left behind, %u of them PENDING_ACTIVATION",
                 others - retired, sight.certs[PROV_CERT_PENDING_ACTIVATION]);
    if (sight.problems[0] != '\0')
        sim_fail(p->sim, "the registry: %s", sight.problems);
}
