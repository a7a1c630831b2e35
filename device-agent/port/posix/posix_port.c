#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "posix_priv.h"

/* ---- clocks and randomness ------------------------------------------------------------------- */

uint64_t posix_mono_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int64_t posix_wall_s(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_REALTIME, &now) != 0 || now.tv_sec < POSIX_CLOCK_SET_S)
        return 0;
    return now.tv_sec;
}

uint32_t posix_random(void)
{
    uint32_t value = 0;

    while (getrandom(&value, sizeof value, 0) != sizeof value) {
        if (errno != EINTR)
            return (uint32_t)posix_mono_ms() * UINT32_C(2654435761); /* a kernel before 3.17 */
    }
    return value;
}

static uint64_t mono_ms(void *self)
{
    (void)self;
    return posix_mono_ms();
}

static int64_t wall_s(void *self)
{
    (void)self;
    return posix_wall_s();
}

/* A reset begins nothing else: every wait is the longest. */
static uint32_t uniform(void *self)
{
    const struct posix *p = self;

    return p->spec->goal == POSIX_RESET ? UINT32_MAX : posix_random();
}

/* ---- storage: the store's -------------------------------------------------------------------- */

static void save(void *self, struct agent_span record, struct port_result *result)
{
    struct posix *p = self;

    store_port.save(p->store, record, result);
}

static void make_key(void *self, uint32_t slot, bool own_key, struct port_result *result)
{
    struct posix *p = self;

    store_port.make_key(p->store, slot, own_key, result);
}

static void make_csr(void *self, uint32_t slot, const char **csr, struct port_result *result)
{
    struct posix *p = self;

    store_port.make_csr(p->store, slot, csr, result);
}

static void store_cert(void *self, uint32_t slot, struct agent_span cert, struct agent_span key,
                       struct agent_slot *out, struct port_result *result)
{
    struct posix *p = self;

    store_port.store_cert(p->store, slot, cert, key, out, result);
}

static void store_config(void *self, uint32_t slot, struct agent_span json,
                         struct port_result *result)
{
    struct posix *p = self;

    store_port.store_config(p->store, slot, json, result);
}

static void adopt(void *self, uint32_t slot, struct agent_slot *out, struct port_result *result)
{
    struct posix *p = self;

    store_port.adopt(p->store, slot, out, result);
}

static void promote(void *self, uint32_t slot, struct port_result *result)
{
    struct posix *p = self;

    store_port.promote(p->store, slot, result);
}

static void drop(void *self, uint32_t slot, struct port_result *result)
{
    struct posix *p = self;

    store_port.drop(p->store, slot, result);
}

/* ---- the connection -------------------------------------------------------------------------- */

/* The will's topic; NULL: none, or it cannot be made. With the claim nobody is there to miss. */
static const char *will_topic(const struct posix *p, uint32_t slot, const char *client_id,
                              char room[static AGENT_MAX_TOPIC])
{
    const struct agent_state *record = agent_record(&p->agent);
    const bool next = slot == record->next && record->next_thing[0] != '\0';
    struct agent_text out = { .p = room, .cap = AGENT_MAX_TOPIC };

    if (p->net_conf.will_topic == NULL || slot == AGENT_SLOT_CLAIM)
        return NULL;
    return agent_expand(p->net_conf.will_topic, next ? record->next_thing : record->thing_name,
                        client_id, &out)
               ? room
               : NULL;
}

static void connect_slot(void *self, uint32_t slot, const char *client_id,
                         struct port_result *result)
{
    struct posix *p = self;
    char cert[AGENT_MAX_CERT], key[AGENT_MAX_KEY], topic[AGENT_MAX_TOPIC];
    struct agent_text cert_text = { .p = cert, .cap = sizeof cert };
    struct agent_text key_text = { .p = key, .cap = sizeof key };

    if (p->net == NULL) { /* a reset talks to nobody */
        (void)port_fail(result, AGENT_LOCAL, "no connection is made for a reset");
        return;
    }
    if (store_load(p->store, slot, &cert_text, &key_text, result) == AGENT_OK)
        net_connect(p->net, client_id,
                    (struct agent_span){ (const uint8_t *)cert_text.p, cert_text.n },
                    (struct agent_span){ (const uint8_t *)key_text.p, key_text.n },
                    will_topic(p, slot, client_id, topic), result);
    OPENSSL_cleanse(key, sizeof key);
}

static void subscribe(void *self, const char *const *topics, size_t n, struct port_result *result)
{
    const struct posix *p = self;

    net_subscribe(p->net, topics, n, result);
}

static void publish(void *self, const char *topic, struct agent_span payload,
                    struct port_result *result)
{
    const struct posix *p = self;

    net_publish(p->net, topic, payload, result);
}

static void disconnect(void *self)
{
    struct posix *p = self;

    if (p->net == NULL)
        p->unlinked = true;
    else
        net_disconnect(p->net);
}

/* ---- announcing ------------------------------------------------------------------------------ */

enum { MAX_VARIABLES = 8, VARIABLE_MAX = AGENT_MAX_KEY + 64 };

struct variables {
    char room[MAX_VARIABLES - 1][VARIABLE_MAX];
    const char *list[MAX_VARIABLES];
    size_t n;
};

static void set(struct variables *v, const char *name, const char *before, const char *value)
{
    (void)snprintf(v->room[v->n], VARIABLE_MAX, "%s=%s%s", name, before, value);
    v->list[v->n] = v->room[v->n];
    v->n++;
}

/* A path, or the reference of a key in a token. */
static void set_key(const struct posix *p, struct variables *v)
{
    char path[PATH_MAX + 32], uri[AGENT_MAX_KEY] = "";
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/current/key.uri", p->dir);
    file = fopen(path, "re");
    if (file != NULL) {
        if (fgets(uri, sizeof uri, file) == NULL)
            uri[0] = '\0';
        (void)fclose(file);
    }
    uri[strcspn(uri, "\r\n")] = '\0';
    if (uri[0] != '\0')
        set(v, "AGENT_PRIVATE_KEY", "", uri);
    else
        set(v, "AGENT_PRIVATE_KEY", p->dir, "/current/key.pem");
}

static bool has_config(const struct posix *p)
{
    char path[PATH_MAX + 32];

    (void)snprintf(path, sizeof path, "%s/current/config.json", p->dir);
    return access(path, F_OK) == 0;
}

static const char *client_id(const struct posix *p, const struct agent_state *record)
{
    if (p->agent_conf.own_client_id != NULL)
        return p->agent_conf.own_client_id;
    return record->thing_name[0] != '\0' ? record->thing_name : p->agent_conf.client_id;
}

static void set_all(const struct posix *p, enum agent_announce what, struct variables *v)
{
    const struct agent_state *record = agent_record(&p->agent);
    char number[16];

    v->n = 0;
    (void)snprintf(number, sizeof number, "%u", (unsigned)record->current);
    set(v, "AGENT_EVENT", "", what == AGENT_ANNOUNCE_RENEWED ? "renewed" : "provisioned");
    set(v, "AGENT_THING_NAME", "", record->thing_name);
    set(v, "AGENT_CLIENT_ID", "", client_id(p, record));
    set(v, "AGENT_CERTIFICATE", p->dir, "/current/cert.pem");
    set_key(p, v);
    set(v, "AGENT_GENERATION", "", number);
    if (has_config(p))
        set(v, "AGENT_CONFIG", p->dir, "/current/config.json");
    v->list[v->n] = NULL;
}

static void announce(void *self, enum agent_announce what, const struct agent *agent,
                     struct port_result *result)
{
    struct posix *p = self;
    const char *command =
        what == AGENT_ANNOUNCE_RENEWED ? p->spec->conf->on_renewed : p->spec->conf->on_provisioned;
    struct variables *v;

    (void)agent;
    if (command == NULL) {
        p->announced = true;
        return;
    }
    v = calloc(1, sizeof *v);
    if (v == NULL) {
        (void)port_fail(result, AGENT_LOCAL, "no memory to start %s", command);
        return;
    }
    set_all(p, what, v);
    announce_start(&p->announce, command, v->list, posix_mono_ms(), result);
    if (result->class == AGENT_OK)
        tell_event(&p->tell, TELL_INFO, "announcing", "running %s", p->announce.command);
    free(v);
}

static void tell(void *self, const struct agent *agent)
{
    struct posix *p = self;
    struct agent_view view;

    agent_look(agent, &view);
    tell_view(&p->tell, &view, agent_record(agent), posix_mono_ms());
}

const struct port posix_port = {
    .mono_ms = mono_ms,
    .wall_s = wall_s,
    .random = uniform,
    .save = save,
    .make_key = make_key,
    .make_csr = make_csr,
    .store_cert = store_cert,
    .store_config = store_config,
    .adopt = adopt,
    .promote = promote,
    .drop = drop,
    .connect = connect_slot,
    .subscribe = subscribe,
    .publish = publish,
    .disconnect = disconnect,
    .announce = announce,
    .tell = tell,
    .wait = posix_wait,
};
