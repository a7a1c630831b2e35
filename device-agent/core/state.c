#include "state.h"

#include <string.h>

/*
 * The record; numbers are big-endian:
 *
 *     magic 4, version 2, length of the whole 4                       the same in every version
 *     device 32, current 4, next 4, phase 1, reset 1, claim_done 1
 *     token_s 8, renew_s 8, last_error 1, announce 1, attempts 2 for each class: getting, serving
 *     last_message, token, thing_name, next_thing: length 2, then so many bytes, none of them NUL
 *     CRC-64 of all before it 8                                       the same in every version
 *
 * What is read as good is the only form of what it says, so that it is written as the same bytes.
 *
 * CRC-64 (ECMA-182, reflected, as xz has it), bit by bit: the port replaces the file whole, so this
 * is for file systems and flash that do not keep what they promise. Every run of errors of up to 64
 * bits is found, and a record whose sectors are of two writes passes once in 2^64 times; a CRC-32
 * would let one in 4 * 10^9 by, in every device of a fleet at every power cut. A table would cost
 * 2 KB of flash to save milliseconds a few times in a device's life.
 */
#define HEAD_LEN 10
#define CRC_LEN 8
#define FIXED_LEN (HEAD_LEN + AGENT_DEVICE_LEN + 29 + 2 * 2 * AGENT_CLASSES + 4 * 2 + CRC_LEN)

_Static_assert(FIXED_LEN + AGENT_MAX_MESSAGE + AGENT_MAX_TOKEN + 2 * AGENT_MAX_THING_NAME <=
                   AGENT_STATE_MAX,
               "AGENT_STATE_MAX is too small");
_Static_assert(AGENT_MAX_MESSAGE <= 65536 && AGENT_MAX_TOKEN <= 65536 &&
                   AGENT_MAX_THING_NAME <= 65536,
               "a text's length has 16 bits");
_Static_assert(AGENT_CLASSES == 14 && AGENT_STATE_VERSION == 1,
               "more classes are another version, and the one before must still be read");

static const uint8_t magic[4] = { 'A', 'G', 'S', 'T' };

static uint64_t crc64(const uint8_t *p, size_t n)
{
    uint64_t crc = UINT64_MAX;

    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 1) != 0 ? crc >> 1 ^ UINT64_C(0xc96c5795d7870f42) : crc >> 1;
    }
    return ~crc;
}

/* The length of a text in an array of cap bytes; cap when it does not end there. */
static size_t text_len(const char *text, size_t cap)
{
    const char *end = memchr(text, '\0', cap);

    return end != NULL ? (size_t)(end - text) : cap;
}

/* ---- what can be ----------------------------------------------------------------------------- */

static bool in_range(const struct agent_state *s)
{
    return (unsigned)s->phase < AGENT_PHASES && (unsigned)s->reset < AGENT_RESETS &&
           (unsigned)s->last_error < AGENT_CLASSES && (unsigned)s->announce < AGENT_ANNOUNCES &&
           s->token_s >= 0 && s->renew_s >= 0 &&
           text_len(s->last_message, sizeof s->last_message) < sizeof s->last_message &&
           text_len(s->token, sizeof s->token) < sizeof s->token &&
           text_len(s->thing_name, sizeof s->thing_name) < sizeof s->thing_name &&
           text_len(s->next_thing, sizeof s->next_thing) < sizeof s->next_thing;
}

/* A next generation and its phase are there together, and it is not the one in force. */
static bool phase_agrees(const struct agent_state *s)
{
    return (s->phase == AGENT_PHASE_NONE) == (s->next == 0) &&
           (s->next == 0 || s->next != s->current);
}

/* A token is kept just as long as it is needed, and its time with it; what the next one's thing is
 * called is known from registration on. */
static bool answers_agree(const struct agent_state *s)
{
    const bool issued = s->phase == AGENT_PHASE_ISSUED;

    return (s->token[0] != '\0') == issued && (s->token_s == 0 || issued) &&
           (s->next_thing[0] == '\0' || s->phase >= AGENT_PHASE_REGISTERED);
}

/* What is to be renewed or announced is there; the claim may go only where something else connects.
 */
static bool identity_agrees(const struct agent_state *s)
{
    const bool there = s->current != 0;

    return (there || (s->renew_s == 0 && s->announce == AGENT_ANNOUNCE_NONE)) &&
           (!s->claim_done || there || s->phase == AGENT_PHASE_PROVEN);
}

/* No message without an error; success has no failures. */
static bool errors_agree(const struct agent_state *s)
{
    return (s->last_message[0] == '\0' || s->last_error != AGENT_OK) &&
           s->getting.attempts[AGENT_OK] == 0 && s->serving.attempts[AGENT_OK] == 0;
}

static bool agrees(const struct agent_state *s)
{
    return phase_agrees(s) && answers_agree(s) && identity_agrees(s) && errors_agree(s);
}

void agent_state_init(struct agent_state *state, const uint8_t device[static AGENT_DEVICE_LEN])
{
    uint8_t own[AGENT_DEVICE_LEN];

    memcpy(own, device, sizeof own);
    memset(state, 0, sizeof *state);
    memcpy(state->device, own, sizeof own);
}

/* ---- writing --------------------------------------------------------------------------------- */

/* bytes: 1 to 8. Gives the place behind it, as the others do. */
static uint8_t *put(uint8_t *to, uint64_t value, unsigned bytes)
{
    for (unsigned i = bytes; i > 0; i--)
        *to++ = (uint8_t)(value >> (8 * (i - 1)));
    return to;
}

static uint8_t *put_text(uint8_t *to, const char *text, size_t cap)
{
    const size_t n = text_len(text, cap);

    to = put(to, n, 2);
    memcpy(to, text, n);
    return to + n;
}

size_t agent_state_write(const struct agent_state *state, uint8_t out[static AGENT_STATE_MAX])
{
    uint8_t *to = out + HEAD_LEN, *head = out;
    size_t n;

    if (!in_range(state) || !agrees(state))
        return 0;
    memcpy(to, state->device, AGENT_DEVICE_LEN);
    to = put(to + AGENT_DEVICE_LEN, state->current, 4);
    to = put(to, state->next, 4);
    to = put(to, state->phase, 1);
    to = put(to, state->reset, 1);
    to = put(to, state->claim_done, 1);
    to = put(to, (uint64_t)state->token_s, 8);
    to = put(to, (uint64_t)state->renew_s, 8);
    to = put(to, state->last_error, 1);
    to = put(to, state->announce, 1);
    for (size_t i = 0; i < AGENT_CLASSES; i++)
        to = put(to, state->getting.attempts[i], 2);
    for (size_t i = 0; i < AGENT_CLASSES; i++)
        to = put(to, state->serving.attempts[i], 2);
    to = put_text(to, state->last_message, sizeof state->last_message);
    to = put_text(to, state->token, sizeof state->token);
    to = put_text(to, state->thing_name, sizeof state->thing_name);
    to = put_text(to, state->next_thing, sizeof state->next_thing);

    n = (size_t)(to - out) + CRC_LEN;
    memcpy(head, magic, sizeof magic);
    head = put(head + sizeof magic, AGENT_STATE_VERSION, 2);
    put(head, n, 4);
    put(to, crc64(out, n - CRC_LEN), CRC_LEN);
    return n;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* What is left to read. The first failure sticks: from then on everything is 0. */
struct reader {
    struct agent_span left;
    bool failed;
};

static const uint8_t *take_bytes(struct reader *r, size_t n)
{
    const uint8_t *p = r->left.p;

    if (r->failed || r->left.n < n) {
        r->failed = true;
        return NULL;
    }
    r->left.p += n;
    r->left.n -= n;
    return p;
}

static uint64_t take(struct reader *r, unsigned bytes)
{
    const uint8_t *p = take_bytes(r, bytes);
    uint64_t value = 0;

    for (unsigned i = 0; p != NULL && i < bytes; i++)
        value = value << 8 | p[i];
    return value;
}

/* A number below the limit; of an enumeration or a truth value. */
static unsigned take_choice(struct reader *r, unsigned limit)
{
    const uint64_t value = take(r, 1);

    r->failed = r->failed || value >= limit;
    return r->failed ? 0 : (unsigned)value;
}

static int64_t take_time(struct reader *r)
{
    const uint64_t value = take(r, 8);

    r->failed = r->failed || value > INT64_MAX;
    return r->failed ? 0 : (int64_t)value;
}

/* text is zeroed. */
static void take_text(struct reader *r, char *text, size_t cap)
{
    const size_t n = (size_t)take(r, 2);
    const uint8_t *p = take_bytes(r, n);

    if (p == NULL)
        return;
    r->failed = n >= cap || memchr(p, '\0', n) != NULL;
    if (!r->failed)
        memcpy(text, p, n);
}

/* Is it a record of any version, whole? Its version then. */
static bool whole(struct agent_span bytes, unsigned *version)
{
    struct reader head = { bytes, false }, tail;

    if (bytes.n < HEAD_LEN + CRC_LEN || memcmp(bytes.p, magic, sizeof magic) != 0)
        return false;
    (void)take_bytes(&head, sizeof magic);
    *version = (unsigned)take(&head, 2);
    if (take(&head, 4) != bytes.n)
        return false;
    tail = (struct reader){ { bytes.p + bytes.n - CRC_LEN, CRC_LEN }, false };
    return take(&tail, CRC_LEN) == crc64(bytes.p, bytes.n - CRC_LEN);
}

/* *s is zeroed but for its device, which has been read. */
static bool take_state(struct reader *r, struct agent_state *s)
{
    s->current = (uint32_t)take(r, 4);
    s->next = (uint32_t)take(r, 4);
    s->phase = (enum agent_phase)take_choice(r, AGENT_PHASES);
    s->reset = (enum agent_reset)take_choice(r, AGENT_RESETS);
    s->claim_done = take_choice(r, 2) == 1;
    s->token_s = take_time(r);
    s->renew_s = take_time(r);
    s->last_error = (enum agent_class)take_choice(r, AGENT_CLASSES);
    s->announce = (enum agent_announce)take_choice(r, AGENT_ANNOUNCES);
    for (size_t i = 0; i < AGENT_CLASSES; i++)
        s->getting.attempts[i] = (uint16_t)take(r, 2);
    for (size_t i = 0; i < AGENT_CLASSES; i++)
        s->serving.attempts[i] = (uint16_t)take(r, 2);
    take_text(r, s->last_message, sizeof s->last_message);
    take_text(r, s->token, sizeof s->token);
    take_text(r, s->thing_name, sizeof s->thing_name);
    take_text(r, s->next_thing, sizeof s->next_thing);
    return !r->failed && r->left.n == 0 && agrees(s);
}

enum agent_state_read agent_state_read(struct agent_span bytes,
                                       const uint8_t device[static AGENT_DEVICE_LEN],
                                       struct agent_state *out)
{
    struct reader r;
    const uint8_t *whose;
    unsigned version;

    agent_state_init(out, device);
    if (!whole(bytes, &version))
        return AGENT_STATE_TORN;
    if (version > AGENT_STATE_VERSION)
        return AGENT_STATE_NEWER;
    if (version != AGENT_STATE_VERSION)
        return AGENT_STATE_INVALID;

    r = (struct reader){ { bytes.p + HEAD_LEN, bytes.n - HEAD_LEN - CRC_LEN }, false };
    whose = take_bytes(&r, AGENT_DEVICE_LEN);
    if (whose == NULL)
        return AGENT_STATE_INVALID;
    if (memcmp(whose, out->device, AGENT_DEVICE_LEN) != 0)
        return AGENT_STATE_FOREIGN;
    if (take_state(&r, out))
        return AGENT_STATE_GOOD;
    agent_state_init(out, out->device);
    return AGENT_STATE_INVALID;
}

const char *agent_state_read_name(enum agent_state_read read)
{
    static const char *const names[] = {
        [AGENT_STATE_GOOD] = "good",       [AGENT_STATE_TORN] = "torn",
        [AGENT_STATE_NEWER] = "newer",     [AGENT_STATE_FOREIGN] = "foreign",
        [AGENT_STATE_INVALID] = "invalid",
    };
    _Static_assert(sizeof names / sizeof names[0] == AGENT_STATE_READS, "an outcome has no name");

    return (unsigned)read < AGENT_STATE_READS ? names[read] : "unknown";
}
