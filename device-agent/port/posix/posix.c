#include "posix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "device.h"
#include "exits.h"
#include "posix_priv.h"

bool posix_control_path(const struct conf *conf, char out[static 4096])
{
    int n;

    if (conf->control_socket != NULL)
        n = snprintf(out, 4096, "%s", conf->control_socket);
    else
        n = snprintf(out, 4096, "%s/agent.sock", conf->state_dir);
    return n > 0 && n < 4096;
}

const char *posix_state_dir(const struct conf *conf, char out[static PATH_MAX])
{
    if (realpath(conf->state_dir, out) == NULL)
        (void)snprintf(out, PATH_MAX, "%s", conf->state_dir);
    return out;
}

/* ---- opening --------------------------------------------------------------------------------- */

static enum agent_class open_home(struct posix *p, struct posix_outcome *out,
                                  struct port_result *result)
{
    const enum agent_class class = home_open(p->spec->conf, true, &p->home, result);

    out->locked = class == AGENT_BUSY;
    p->store = p->home.store;
    (void)posix_state_dir(p->spec->conf, p->dir);
    return class;
}

/* A reset is over before anybody could speak to it. */
static enum agent_class open_control(struct posix *p, struct port_result *result)
{
    char path[4096];

    if (p->spec->goal == POSIX_RESET)
        return AGENT_OK;
    if (!posix_control_path(p->spec->conf, path))
        return port_fail(result, AGENT_CONFIG, "the control socket's path is too long");
    return control_listen(path, posix_control, p, &p->control, result);
}

static enum agent_class open_net(struct posix *p, struct port_result *result)
{
    if (p->spec->goal == POSIX_RESET)
        return AGENT_OK;
    p->net = net_new(&p->net_conf, &p->spec->conf->keys);
    return p->net != NULL
               ? AGENT_OK
               : port_fail(result, AGENT_LOCAL, "no memory or descriptors for a connection");
}

static enum agent_class open_all(struct posix *p, struct posix_outcome *out,
                                 struct port_result *result)
{
    enum agent_class class = open_home(p, out, result);

    if (class == AGENT_OK && !posix_wait_open(p, result))
        class = result->class;
    if (class == AGENT_OK)
        class = open_control(p, result);
    if (class == AGENT_OK)
        class = open_net(p, result); /* its threads have our signals blocked */
    return class;
}

static void close_all(struct posix *p)
{
    announce_stop(&p->announce);
    control_free(p->control);
    net_free(p->net);
    home_close(&p->home);
    posix_wait_close(p);
    notify_close(&p->notify);
    agent_release(&p->agent);
}

/* ---- running --------------------------------------------------------------------------------- */

/* What the configuration says, as the goal wants it. */
static void set_up(struct posix *p, const struct posix_spec *spec)
{
    *p = (struct posix){ .spec = spec,
                         .agent_conf = spec->conf->agent,
                         .net_conf = spec->conf->net,
                         .home = { .opened = { -1, -1 }, .root_fd = -1 },
                         .signal_fd = -1,
                         .clock_fd = -1,
                         .timer_fd = -1,
                         .until_ms = UINT64_MAX,
                         .watchdog_ms = UINT64_MAX };
    p->agent_conf.once = spec->goal == POSIX_PROVISION;
    /* devices that nobody watches start spread; a person does not want to wait */
    p->agent_conf.start_now = spec->goal != POSIX_SERVE || spec->watched;
    if (spec->goal != POSIX_SERVE)
        p->agent_conf.stay = false;
    if (spec->timeout_ms != 0)
        p->until_ms = posix_mono_ms() + spec->timeout_ms;
    notify_open(&p->notify);
    if (p->notify.watchdog_ms != 0)
        p->watchdog_ms = posix_mono_ms();
    tell_init(&p->tell, spec->watched, &p->notify);
}

static struct agent_now now(const struct posix *p)
{
    return (struct agent_now){ .mono_ms = posix_mono_ms(),
                               .wall_s = posix_wall_s(),
                               .random = posix_port.random((void *)(uintptr_t)p) };
}

static void wish(struct posix *p)
{
    struct agent_event event = { .now = now(p) };

    if (p->spec->goal == POSIX_RESET) {
        event.kind = AGENT_EV_RESET;
        event.reset = p->spec->level;
        agent_event(&p->agent, &event);
        event.kind = AGENT_EV_STOP; /* once it is done */
        agent_event(&p->agent, &event);
    } else if (p->spec->goal == POSIX_RENEW) {
        event.kind = AGENT_EV_RENEW;
        agent_event(&p->agent, &event);
    }
}

/* What there is, from storage. */
struct start {
    struct agent_found found;
    struct agent_state state;
    enum agent_state_read read;
};

/* Of a record that is too long for this version nothing can be found but by removing it, and that
 * is what a reset is for. */
static bool remove_record(struct posix *p)
{
    const struct files *files = &p->home.files;

    return files->unlink(files->self, "state") == 0 && files->sync_dir(files->self, ".") == 0;
}

static enum agent_class look(struct posix *p, struct start *out, struct port_result *result)
{
    uint8_t device[AGENT_DEVICE_LEN], record[AGENT_STATE_MAX];
    enum agent_class class;
    size_t n = 0;

    class = device_id(p->spec->conf->device_id, &(struct device_root){ "" }, device, result);
    if (class == AGENT_OK)
        class = store_find(p->store, &out->found, record, &n, &p->claim_trouble, result);
    if (class == AGENT_RECORD && p->spec->goal == POSIX_RESET && remove_record(p)) {
        *result = (struct port_result){ 0 };
        class = store_find(p->store, &out->found, record, &n, &p->claim_trouble, result);
    }
    if (class != AGENT_OK)
        return class;
    out->found.claim_class = p->claim_trouble.class;
    out->found.claim_text = p->claim_trouble.text;
    /* without an identity the core tells; with one, a claim that is gone was used */
    if (p->claim_trouble.class != AGENT_OK && out->found.in_force != 0 && out->found.claim.key)
        tell_event(&p->tell, TELL_WARNING, "claim", "%s", p->claim_trouble.text);
    out->read = agent_state_read((struct agent_span){ record, n }, device, &out->state);
    if (n != 0 && out->read != AGENT_STATE_GOOD)
        tell_event(&p->tell, TELL_WARNING, "record", "the state record is %s",
                   agent_state_read_name(out->read));
    OPENSSL_cleanse(record, sizeof record);
    return AGENT_OK;
}

static enum agent_class start(struct posix *p, struct posix_outcome *out,
                              struct port_result *result)
{
    struct start at = { .read = AGENT_STATE_TORN };
    const enum agent_class class = look(p, &at, result);
    struct agent_now when;

    if (class != AGENT_OK)
        return class;
    /* a reset is how a person makes a copied directory this device's own */
    if (p->spec->goal == POSIX_RESET && at.read != AGENT_STATE_GOOD)
        at.read = AGENT_STATE_TORN;
    when = now(p);
    agent_start(&p->agent, &p->agent_conf, &at.found, at.read, &at.state, &when);
    OPENSSL_cleanse(&at, sizeof at);
    p->first_generation = agent_record(&p->agent)->current;
    out->no_identity = p->spec->goal == POSIX_RENEW && p->first_generation == 0;
    if (!out->no_identity)
        wish(p);
    return AGENT_OK;
}

static bool reached(const struct posix *p, const struct agent_state *record)
{
    switch (p->spec->goal) {
    case POSIX_PROVISION:
        return record->current != 0;
    case POSIX_RENEW:
        return record->current != p->first_generation;
    case POSIX_RESET:
        return record->reset == AGENT_RESET_NONE;
    default:
        return true;
    }
}

/* How it ended, by what the goal was. */
static void conclude(const struct posix *p, enum agent_class class, struct posix_outcome *out)
{
    const struct agent_state *record = agent_record(&p->agent);
    const bool commanded = p->spec->goal != POSIX_SERVE, there = reached(p, record);
    struct agent_view view;

    agent_look(&p->agent, &view);
    out->generation = record->current;
    out->class = class != AGENT_OK ? class : p->lasting.class;
    if (commanded && out->class == AGENT_OK && !there) {
        out->timed_out = p->timed_out;
        out->interrupted = p->interrupted && !p->timed_out;
        if (!p->timed_out && !p->interrupted)
            out->class = view.class != AGENT_OK ? view.class : AGENT_LOCAL;
    }
    /* the identity is there, but not all know of it */
    if (commanded && out->class == AGENT_OK && there && record->announce != AGENT_ANNOUNCE_NONE)
        out->class = AGENT_LOCAL;
    if (out->class != AGENT_OK || !there)
        (void)snprintf(out->text, sizeof out->text, "%s",
                       p->lasting.class != AGENT_OK ? p->lasting.text : view.text);
}

static int exit_of(const struct posix_outcome *out)
{
    if (out->locked)
        return EXIT_LOCKED;
    if (out->no_identity)
        return EXIT_NO_IDENTITY;
    if (out->timed_out)
        return EXIT_TIMEOUT;
    return out->interrupted ? EXIT_INTERRUPTED : exit_of_class(out->class);
}

int posix_run(const struct posix_spec *spec, struct posix_outcome *out)
{
    struct port_result result = { 0 };
    struct posix *p = malloc(sizeof *p);
    struct port port = posix_port;
    enum agent_class class;

    *out = (struct posix_outcome){ 0 };
    if (p == NULL)
        return exit_of_class(AGENT_LOCAL);
    set_up(p, spec);
    class = open_all(p, out, &result);
    if (class == AGENT_OK)
        class = start(p, out, &result);
    if (class != AGENT_OK) {
        out->class = class;
        (void)snprintf(out->text, sizeof out->text, "%s", result.text);
        notify_status(&p->notify, result.text);
    } else if (!out->no_identity) {
        port.self = p;
        conclude(p, port_drive(&port, &p->agent), out);
    }
    close_all(p);
    free(p);
    return exit_of(out);
}

/* ---- injecting ------------------------------------------------------------------------------- */

/*
 * The agent forgets a claim that it is done with, so the record must say that this is another. If
 * the power goes in between, the claim is lost, but nobody was told that it is there.
 */
static enum agent_class renew_claim(struct posix *p, struct agent_state *state,
                                    struct port_result *result)
{
    uint8_t bytes[AGENT_STATE_MAX];
    const bool counted = agent_retry_succeeded(&state->getting);
    size_t n;

    if (!state->claim_done && !counted)
        return AGENT_OK;
    state->claim_done = false;
    n = agent_state_write(state, bytes);
    if (n != 0)
        store_port.save(p->store, (struct agent_span){ bytes, n }, result);
    OPENSSL_cleanse(bytes, sizeof bytes);
    return result->class;
}

static enum agent_class inject(struct posix *p, const struct control_request *request,
                               struct port_result *result)
{
    const struct agent_span cert = { (const uint8_t *)request->cert, strlen(request->cert) };
    const struct agent_span key = { (const uint8_t *)request->key, strlen(request->key) };
    struct start at = { .read = AGENT_STATE_TORN };
    struct agent_slot slot;
    enum agent_class class = look(p, &at, result);

    if (class == AGENT_OK && (at.read == AGENT_STATE_FOREIGN || at.read == AGENT_STATE_NEWER))
        class = port_fail(result, AGENT_RECORD,
                          "the state record is %s; `device-agent reset --level full` first",
                          agent_state_read_name(at.read));
    if (class == AGENT_OK)
        class = store_inject(p->store, cert, key, &slot, result);
    if (class == AGENT_OK && at.read == AGENT_STATE_GOOD)
        class = renew_claim(p, &at.state, result);
    OPENSSL_cleanse(&at, sizeof at);
    return class;
}

int posix_inject(const struct conf *conf, const struct control_request *request,
                 struct posix_outcome *out)
{
    const struct posix_spec spec = { .conf = conf, .goal = POSIX_PROVISION };
    struct port_result result = { 0 };
    struct posix *p = malloc(sizeof *p);

    *out = (struct posix_outcome){ .class = AGENT_LOCAL };
    if (p == NULL)
        return exit_of_class(AGENT_LOCAL);
    set_up(p, &spec);
    out->class = open_home(p, out, &result);
    if (out->class == AGENT_OK)
        out->class = inject(p, request, &result);
    (void)snprintf(out->text, sizeof out->text, "%s", result.text);
    close_all(p);
    free(p);
    return exit_of(out);
}
