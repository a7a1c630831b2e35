#include "sim/sim_play.h"

#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/ident.h"

#define TICK_MS 10000      /* the person looks that often … */
#define PATIENT_MS 7200000 /* … who waits for days */
#define LATE_MS 1200000
#define RUNS 50 /* of an agent that is started again and again */
#define DAY_MS UINT64_C(86400000)
#define ALL_DUE_MS (UINT64_C(1000) * (SIM_TOKEN_S + 2 * SIM_OVERLAP_S)) /* at the broker */

#define STORY(label, to, ...)                                                                      \
    {                                                                                              \
        label, .goal = SIM_##to, __VA_ARGS__                                                       \
    }
#define EVERY_GOAL(label, ...)                                                                     \
    STORY(label ", provisioning", PROVISION, __VA_ARGS__),                                         \
        STORY(label ", renewal", RENEW, __VA_ARGS__),                                              \
        STORY(label ", reset of the identity", RESET_IDENTITY, __VA_ARGS__),                       \
        STORY(label ", full reset", RESET_FULL, __VA_ARGS__)
#define JIT .method = AGENT_METHOD_JIT
#define CLAIM .method = AGENT_METHOD_CLAIM
#define TRUSTED .method = AGENT_METHOD_TRUSTED_USER

const struct sim_scenario sim_scenarios[] = {
    EVERY_GOAL("just in time", JIT, .stay = true),
    STORY("just in time, configured files, provisioning", PROVISION, JIT, .configured = true),
    STORY("just in time, configured files, renewal", RENEW, JIT, .configured = true),
    EVERY_GOAL("claim, by request", CLAIM, .clock_ms = 20000),
    STORY("claim, configured files, provisioning", PROVISION, CLAIM, .configured = true),
    STORY("claim kept, configured files, renewal", RENEW, CLAIM, .configured = true,
          .keep_claim = true, .stay = true),
    STORY("claim kept, reset of the identity", RESET_IDENTITY, CLAIM, .keep_claim = true,
          .stay = true),
    EVERY_GOAL("claim, keys from the broker", CLAIM, .create_keys = true, .stay = true),
    EVERY_GOAL("trusted user", TRUSTED),
    STORY("trusted user, renewal by age", RENEW, TRUSTED, .renew_percent = 60),
    STORY("just in time, registered by hand", PROVISION, JIT, .late = true),
    STORY("claim, template disabled at first", PROVISION, CLAIM, .late = true),
    STORY("just in time, in single runs", PROVISION, JIT, .once = true),
    STORY("claim, in single runs", PROVISION, CLAIM, .once = true),
};
const size_t sim_n_scenarios = PROV_COUNT(sim_scenarios);

/* ---- the person ------------------------------------------------------------------------------ */

static struct sim_credentials credentials(struct play *p)
{
    p->claim_ends_ms = UINT64_MAX;
    if (play_is_jit(p))
        return sim_factory();
    if (p->scenario->method == AGENT_METHOD_CLAIM)
        return sim_golden_claim();
    p->claim_ends_ms = (p->sim->now_ms / 1000 + SIM_TEMPORARY_S) * 1000; /* X.509 has seconds */
    return sim_temporary_claim(p->sim->world, (int64_t)p->sim->now_ms);
}

static struct agent_span span_of(const char *text)
{
    return (struct agent_span){ (const uint8_t *)text, strlen(text) };
}

/* As whoever makes the device does it. */
static void configure_claim(struct play *p, const struct sim_credentials *given)
{
    agent_disk_put(p->sim->disk, CLAIM_CERT, 0644, given->cert, strlen(given->cert));
    agent_disk_put(p->sim->disk, CLAIM_KEY, 0600, given->key, strlen(given->key));
    p->claim_there = true;
}

/* Puts a claim into its slot. */
static void inject(struct play *p, struct store *store, struct agent_slot *slot)
{
    const struct sim_credentials given = credentials(p);
    struct port_result result = { .class = AGENT_OK };

    if (p->scenario->configured) {
        configure_claim(p, &given);
        return;
    }
    if (store_inject(store, span_of(given.cert), span_of(given.key), slot, &result) != AGENT_OK) {
        sim_leave_if_off(p->sim);
        sim_fail(p->sim, "the claim cannot be injected: %s", result.text);
    }
    sim_leave_if_off(p->sim);
    p->claim_there = true;
}

static bool reached(struct play *p)
{
    const uint32_t in_force = store_in_force(p->sim->store);
    struct prov_id now;

    if (in_force == 0 || !play_id_of(p->sim, p->sim->store, in_force, &now))
        return false;
    switch (p->goal) {
    case SIM_PROVISION:
        return true;
    case SIM_RENEW:
        return !prov_id_eq(&now, &p->first);
    default:
        return p->resets != 0 && !p->resetting;
    }
}

static enum agent_event_kind wish(const struct play *p)
{
    return p->goal == SIM_RENEW ? AGENT_EV_RENEW : AGENT_EV_RESET;
}

static bool waits_for_age(const struct play *p)
{
    return p->goal == SIM_RENEW && p->scenario->renew_percent != 0;
}

/* The operator comes in the end. A certificate may not have been seen yet by then. */
static void put_right(struct play *p)
{
    if (p->late && p->sim->now_ms >= LATE_MS)
        p->late = !sim_put_right(p->sim->world, (int64_t)p->sim->now_ms) && play_is_jit(p);
}

/* What comes to the person's mind, whatever the device is doing. */
static bool make_wish(struct play *p, struct agent_event *event)
{
    static const struct agent_event wishes[] = {
        { .kind = AGENT_EV_RENEW },
        { .kind = AGENT_EV_RENEW },
        { .kind = AGENT_EV_RESET, .reset = AGENT_RESET_IDENTITY },
        { .kind = AGENT_EV_RESET, .reset = AGENT_RESET_FULL },
        { .kind = AGENT_EV_STOP },
    };

    *event = wishes[sim_between(&p->sim->rng, 0, PROV_COUNT(wishes) - 1)];
    /* nobody would put the files back, and a renewal has retired the factory's certificate for good
     */
    if ((p->scenario->configured || play_is_jit(p)) && event->kind == AGENT_EV_RESET)
        event->kind = AGENT_EV_RENEW;
    p->starts_again = event->kind == AGENT_EV_STOP;
    p->wishes--;
    return true;
}

static uint32_t next_look_ms(struct play *p)
{
    if (p->wishes != 0)
        return sim_between(&p->sim->rng, 20, TICK_MS);
    return waits_for_age(p) ? PATIENT_MS : TICK_MS;
}

static bool person(struct sim *sim, struct agent_event *event)
{
    struct play *p = sim->ctx;
    struct agent_view view;

    put_right(p);
    sim_post(sim, sim_event_new(sim, SIM_PERSON), next_look_ms(p));
    if (p->wishes != 0 && sim_chance(&sim->rng, 300))
        return make_wish(p, event);
    agent_look(sim->agent, &view);
    if (view.step == AGENT_NO_CLAIM) {
        event->kind = AGENT_EV_CLAIM;
        inject(p, sim->store, &event->slot);
        return true;
    }
    if ((view.step != AGENT_READY && view.step != AGENT_RESTING) || p->conf.once)
        return false;
    if (p->wishes != 0)
        return false;
    if (!reached(p)) {
        p->content = 0;
        if (waits_for_age(p))
            return false;
        event->kind = wish(p);
        event->reset = p->goal == SIM_RESET_FULL ? AGENT_RESET_FULL : AGENT_RESET_IDENTITY;
        return p->goal != SIM_PROVISION;
    }
    if (sim->agent->state.phase != AGENT_PHASE_NONE)
        return false; /* the next one is under way */
    event->kind = AGENT_EV_STOP;
    return ++p->content >= 2;
}

/* ---- boots ---------------------------------------------------------------------------------- */

static void boot_until_done(struct play *p, struct sim_run *run, const struct sim_cut *cuts,
                            size_t n_cuts)
{
    static const char *const why[] = {
        [SIM_NEVER] = "nothing will ever happen again", [SIM_TOO_LATE] = "it takes too long"
    };
    const uint64_t limit_ms = run->limit_ms != 0 ? run->limit_ms
                              : waits_for_age(p) ? SIM_DAYS * DAY_MS
                                                 : DAY_MS;
    struct sim *sim = p->sim;
    unsigned runs = 0;
    enum agent_class class = AGENT_OK;
    enum sim_end end;
    size_t cut = 0;

    sim->cuts = cuts;
    sim->n_cuts = n_cuts;
    sim->next_cut = 0;
    for (;;) {
        play_check_start(p);
        p->content = 0;
        sim->limit_ms = sim->now_ms + limit_ms;
        end = sim_boot(sim, &p->conf, &class);
        if (cut == 0 && runs == 0) {
            run->effects = sim->of_boot;
            memcpy(run->on_disk, sim->on_disk, sizeof run->on_disk);
        }
        if (end == SIM_ENDED && p->conf.once && class != AGENT_OK && ++runs < RUNS)
            continue;
        if (end == SIM_ENDED && p->starts_again) {
            p->starts_again = false;
            continue;
        }
        if (end != SIM_CUT)
            break;
        run->restarts++;
        sim_power_on(sim, &cuts[cut++]);
    }
    if (end != SIM_ENDED)
        sim_fail(sim, "%s: %s, %s", why[end], agent_class_name(sim->agent->state.last_error),
                 sim->agent->state.last_message);
    if (class != AGENT_OK)
        sim_fail(sim, "the agent has ended with %s: %s", agent_class_name(class),
                 sim->agent->state.last_message);
}

/* ---- a run ----------------------------------------------------------------------------------- */

static const struct agent_param params[] = { { "SerialNumber", SIM_SERIAL },
                                             { "DeviceLocation", "berlin" } };

static void configure(struct play *p)
{
    const struct sim_scenario *s = p->scenario;

    p->conf = (struct agent_conf){
        .method = s->method,
        .create_keys = s->create_keys,
        .client_id = SIM_THING,
        .template_name = SIM_TEMPLATE,
        .params = params,
        .n_params = PROV_COUNT(params),
        .keep_claim = s->keep_claim,
        .stay = s->stay,
        .once = s->once,
        .renew_percent = s->renew_percent,
        .connect_ms = 30000,
        .answer_ms = 20000,
        .heartbeat_topic = s->stay ? "dt/{thing_name}/heartbeat" : NULL,
        .heartbeat_s = 300,
    };
}

/* What the device has before the goal is set. */
static void note_first(struct play *p)
{
    struct store *store = sim_look_in(p->sim);
    const uint32_t in_force = store_in_force(store);
    char cert[AGENT_MAX_CERT];
    struct agent_text cert_text = { cert, 0, sizeof cert };
    struct agent_text key_text = { p->first_key, 0, sizeof p->first_key };
    struct port_result result = { .class = AGENT_OK };

    if (!play_id_of(p->sim, store, in_force, &p->first) ||
        store_load(store, in_force, &cert_text, &key_text, &result) != AGENT_OK)
        sim_fail(p->sim, "no identity to begin with");
}

/* As the factory leaves it. */
static void make_device(struct play *p, bool wishes)
{
    const struct sim_scenario *s = p->scenario;
    struct agent_slot slot;

    p->late = s->late;
    if (p->late)
        sim_be_late(p->sim->world);
    if (s->method == AGENT_METHOD_CLAIM && s->goal < SIM_RESET_IDENTITY && !wishes)
        sim_limit_claim(p->sim->world, 1);
    if (s->method != AGENT_METHOD_TRUSTED_USER)
        inject(p, sim_look_in(p->sim), &slot);
}

/* As whoever had it before leaves it: it has an identity. */
static void use_device(struct play *p, struct sim_run *run)
{
    p->goal = SIM_PROVISION;
    boot_until_done(p, run, NULL, 0);
    sim_pass(p->sim, TICK_MS);
    p->sim->announced = 0;
    note_first(p);
}

/* What the last run of a story with a device in use began with: the next begins with it too. */
static struct {
    const struct sim_scenario *scenario; /* NULL: none */
    uint64_t seed;
    struct play play;
    struct sim_rest rest;
} before;

void sim_case_forget(void)
{
    sim_rest_release(&before.rest);
    before.scenario = NULL;
}

static bool has_before(const struct sim_scenario *scenario, uint64_t seed)
{
    return before.scenario == scenario && before.seed == seed;
}

static void begin(struct play *p, struct sim_run *run)
{
    const bool in_use = p->scenario->goal != SIM_PROVISION;

    if (has_before(p->scenario, run->seed))
        return;
    make_device(p, run->wishes != 0);
    if (!in_use)
        return;
    use_device(p, run);
    sim_case_forget();
    sim_rest_take(p->sim, &before.rest);
    before.scenario = p->scenario;
    before.seed = run->seed;
    before.play = *p;
}

static void play(struct play *p, struct sim_run *run)
{
    static const struct sim_faults none;
    struct sim *sim = p->sim;
    uint64_t began_ms;

    play_watch(p);
    sim->person = person;
    sim->clock_ms = p->scenario->clock_ms;
    begin(p, run);
    sim->faults = run->faults;
    p->names_stay = true;
    for (size_t i = 0; i < run->n_cuts; i++)
        p->names_stay = p->names_stay && run->cuts[i].variant == AGENT_DISK_EVERYTHING;
    p->goal = p->scenario->goal;
    p->wishes = run->wishes;
    p->wished = run->wishes != 0;
    began_ms = sim->now_ms;
    boot_until_done(p, run, run->cuts, run->n_cuts);
    run->took_ms = sim->now_ms - began_ms;
    play_check_device(p);
    if (p->scenario->stay && memcmp(&run->faults, &none, sizeof none) == 0 &&
        sim_broker_heard(sim->broker) == 0)
        sim_fail(sim, "no heartbeat was heard");
    sim_pass(sim, ALL_DUE_MS);
    play_check_device(p);
    play_check_registry(p, run->thorough);
}

void sim_play(const struct sim_scenario *scenario, struct sim_run *run)
{
    static const struct store_conf injected = { .common_name = SIM_THING };
    static const struct store_conf configured = { .common_name = SIM_THING,
                                                  .claim_cert = "/" CLAIM_CERT,
                                                  .claim_key = "/" CLAIM_KEY };
    const bool again = has_before(scenario, run->seed);
    struct play p = { .scenario = scenario };
    jmp_buf failed;

    run->good = false;
    run->failure[0] = '\0';
    run->restarts = 0;
    if (again)
        p = before.play;
    p.sim = sim_new(run->seed, scenario->configured ? &configured : &injected,
                    again ? &before.rest : NULL);
    p.sim->failure = run->failure;
    p.sim->failed = &failed;
    configure(&p);
    if (setjmp(failed) == 0) {
        play(&p, run);
        run->good = true;
    }
    sim_free(p.sim);
}
