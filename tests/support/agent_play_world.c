#include "support/agent_play_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

const uint8_t play_device[AGENT_DEVICE_LEN] = "thirty-two bytes of some device";

/* ---- what is stored -------------------------------------------------------------------------- */

struct agent_slot play_slot_of(const struct play_slot *stored)
{
    return (struct agent_slot){ .key = stored->key,
                                .cert = stored->cert,
                                .not_before_s = stored->not_before_s,
                                .not_after_s = stored->not_after_s };
}

bool play_is_empty(const struct play_slot *slot)
{
    return !slot->key && !slot->csr && !slot->cert && !slot->config;
}

struct agent_found play_found(const struct play_disk *disk)
{
    struct agent_found found = { .claim = play_slot_of(&disk->slots[0]),
                                 .in_force = disk->in_force };

    for (uint32_t i = PLAY_SLOTS - 1; i > 0; i--) {
        if (!play_is_empty(&disk->slots[i]) && found.n_generations < AGENT_MAX_GENERATIONS)
            found.generations[found.n_generations++] =
                (struct agent_generation){ i, play_slot_of(&disk->slots[i]) };
    }
    return found;
}

/* ---- the other side -------------------------------------------------------------------------- */

static uint32_t issue(struct play *p, uint32_t key_id)
{
    const uint32_t serial = ++p->n_certs;

    assert_true(serial < PLAY_CERTS);
    p->certs[serial] = (struct play_cert){ .key_id = key_id };
    return serial;
}

static uint32_t number_behind(const char *text, const char *what)
{
    const char *at = strstr(text, what);

    assert_non_null(at);
    return (uint32_t)strtoul(at + strlen(what), NULL, 10);
}

static void say_created(struct play *p, char *out, size_t cap)
{
    const bool own = strstr(p->request, "csr of key ") != NULL;
    const uint32_t key_id = own ? number_behind(p->request, "csr of key ") : ++p->n_keys;
    const uint32_t serial = issue(p, key_id);
    char key[128] = "";

    if (!own)
        (void)snprintf(key, sizeof key,
                       ",\"privateKey\":\"-----BEGIN PRIVATE KEY-----\\nkey %u\\n-----END PRIVATE "
                       "KEY-----\\n\"",
                       key_id);
    (void)snprintf(out, cap,
                   "{\"certificateId\":\"%064x\",\"certificateOwnershipToken\":\"token-%u\","
                   "\"certificatePem\":\"-----BEGIN CERTIFICATE-----\\nserial %u\\n-----END "
                   "CERTIFICATE-----\\n\"%s}",
                   serial, serial, serial, key);
}

/* False: rejected. */
static bool say_registered(struct play *p, char *out, size_t cap)
{
    const uint32_t serial = number_behind(p->request, "\"certificateOwnershipToken\":\"token-");

    assert_in_range(serial, 2, p->n_certs);
    if (p->certs[serial].token_used) {
        (void)snprintf(out, cap,
                       "{\"statusCode\":400,\"errorCode\":\"InvalidCertificateOwnershipToken\","
                       "\"errorMessage\":\"used\"}");
        return false;
    }
    p->certs[serial].token_used = p->certs[serial].active = true;
    (void)snprintf(out, cap, "{%s%s%s%s%s}", p->thing != NULL ? "\"thingName\":\"" : "",
                   p->thing != NULL ? p->thing : "", p->thing != NULL ? "\"," : "",
                   "\"deviceConfiguration\":", p->configuration != NULL ? p->configuration : "{}");
    return true;
}

void play_make_claim(struct play *p)
{
    const uint32_t serial = issue(p, ++p->n_keys);

    p->certs[serial].active = true;
    p->disk.slots[0] = (struct play_slot){ .key = true,
                                           .cert = true,
                                           .key_id = p->n_keys,
                                           .serial = serial,
                                           .not_before_s = PLAY_NOW - PLAY_DAY,
                                           .not_after_s = PLAY_NOW + 3650 * PLAY_DAY };
}

void play_answer(struct play *p)
{
    char payload[1024];
    bool accepted = true;

    if (strstr(p->published, "/provision/") != NULL)
        accepted = say_registered(p, payload, sizeof payload);
    else
        say_created(p, payload, sizeof payload);
    play_reply(p, accepted, payload);
}

/* ---- carrying out ---------------------------------------------------------------------------- */

static void save(struct play *p)
{
    struct play_disk *disk = &p->disk;

    disk->n_record = p->n_record;
    memcpy(disk->record, p->record, p->n_record);
    assert_int_equal(agent_state_read((struct agent_span){ disk->record, disk->n_record },
                                      play_device, &p->saved),
                     AGENT_STATE_GOOD);
    if (p->n_saves < PLAY_SAVES)
        p->saves[p->n_saves++] = *disk;
}

static enum agent_class store_cert(struct play *p, struct play_slot *slot)
{
    char pem[512] = "", key[512] = "";
    uint32_t key_id = slot->key_id, serial;

    assert_in_range(p->slow.payload.n, 1, sizeof pem - 1);
    memcpy(pem, p->slow.payload.p, p->slow.payload.n);
    serial = number_behind(pem, "serial ");
    if (p->slow.key.n != 0) {
        assert_in_range(p->slow.key.n, 1, sizeof key - 1);
        memcpy(key, p->slow.key.p, p->slow.key.n);
        key_id = number_behind(key, "key ");
    }
    if (serial > p->n_certs || p->certs[serial].key_id != key_id)
        return AGENT_ANSWER;
    slot->key = slot->cert = true;
    slot->key_id = key_id;
    slot->serial = serial;
    slot->not_before_s = PLAY_NOW + (int64_t)(p->now.mono_ms / 1000) - 3600;
    slot->not_after_s = slot->not_before_s + p->lifetime_s;
    return AGENT_OK;
}

static enum agent_class connect_with(struct play *p, const struct play_slot *slot)
{
    if (p->offline)
        return AGENT_NETWORK;
    if (slot != &p->disk.slots[0] && p->refusals != 0) {
        p->refusals--;
        return AGENT_REFUSED;
    }
    if (!p->certs[slot->serial].active)
        return AGENT_REFUSED;
    p->up = true;
    p->link = p->slow.slot;
    p->n_topics = 0;
    return AGENT_OK;
}

static bool is_subscribed(const struct play *p, const char *topic)
{
    for (size_t i = 0; i < p->n_topics; i++) {
        if (strcmp(p->topics[i], topic) == 0)
            return true;
    }
    return false;
}

static void subscribe(struct play *p)
{
    for (size_t i = 0; i < p->slow.n_topics; i++) {
        if (is_subscribed(p, p->slow.topics[i]))
            continue;
        assert_true(p->n_topics < PLAY_TOPICS);
        (void)snprintf(p->topics[p->n_topics++], AGENT_MAX_TOPIC, "%s", p->slow.topics[i]);
    }
}

static void publish(struct play *p)
{
    if (strncmp(p->slow.topics[0], "$aws/", 5) != 0)
        return;
    (void)snprintf(p->published, sizeof p->published, "%s", p->slow.topics[0]);
    memcpy(p->request, p->slow.payload.p, p->slow.payload.n);
    p->request[p->slow.payload.n] = '\0';
}

static void make_key(struct play *p, struct play_slot *slot)
{
    if (slot->key)
        return;
    slot->key = true;
    slot->key_id = p->slow.own_key ? p->disk.slots[0].key_id : ++p->n_keys;
}

/* In the order of the actions. */
enum agent_class play_carry_out(struct play *p)
{
    struct play_slot *slot = &p->disk.slots[p->slow.slot];

    switch (p->slow.kind) {
    case AGENT_ACT_SAVE:
        save(p);
        break;
    case AGENT_ACT_MAKE_KEY:
        make_key(p, slot);
        break;
    case AGENT_ACT_MAKE_CSR:
        slot->csr = true;
        break;
    case AGENT_ACT_STORE_CERT:
        return store_cert(p, slot);
    case AGENT_ACT_STORE_CONFIG:
        assert_non_null(p->configuration);
        assert_int_equal(p->slow.payload.n, strlen(p->configuration));
        assert_memory_equal(p->slow.payload.p, p->configuration, p->slow.payload.n);
        slot->config = true;
        break;
    case AGENT_ACT_ADOPT:
        *slot = p->disk.slots[0];
        break;
    case AGENT_ACT_PROMOTE:
        p->disk.in_force = p->slow.slot;
        break;
    case AGENT_ACT_DROP:
        memset(slot, 0, sizeof *slot);
        p->dropped_claims += p->slow.slot == AGENT_SLOT_CLAIM;
        if (p->disk.in_force == p->slow.slot)
            p->disk.in_force = 0;
        break;
    case AGENT_ACT_CONNECT:
        return connect_with(p, slot);
    case AGENT_ACT_SUBSCRIBE:
        subscribe(p);
        break;
    case AGENT_ACT_PUBLISH:
        publish(p);
        break;
    case AGENT_ACT_DISCONNECT:
        p->up = false;
        break;
    case AGENT_ACT_ANNOUNCE:
        p->announced[p->slow.announce]++;
        break;
    default:
        fail();
    }
    return AGENT_OK;
}
