#include "support/agent_play_chaos.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* More generations and certificates than these do not fit the world. */
enum { MOST_GENERATIONS = PLAY_SLOTS - 5, MOST_CERTS = PLAY_CERTS - 10 };

static void set_up(struct play *p, uint8_t how)
{
    p->conf.method = (enum agent_method)(how % AGENT_METHODS);
    p->conf.create_keys = (how & 4) != 0;
    p->conf.once = (how & 8) != 0;
    p->conf.stay = (how & 16) != 0;
    p->conf.keep_claim = (how & 32) != 0;
    p->answer_first = (how & 64) != 0;
    p->conf.heartbeat_topic = (how & 128) != 0 ? "devices/{thing_name}" : NULL;
    p->configuration = (how & 4) != 0 ? "{\"a\":1}" : NULL;
}

/* ---- what may happen ------------------------------------------------------------------------- */

static enum agent_class some_class(uint8_t with)
{
    return (enum agent_class)(with % AGENT_CLASSES);
}

static void fails(struct play *p, uint8_t with)
{
    if (!p->busy || p->slow.kind == AGENT_ACT_DISCONNECT)
        return;
    if ((with & 128) != 0)
        play_silently(p);
    play_fail(p, some_class(with));
}

static void power_goes(struct play *p, uint8_t with)
{
    if (p->busy && (with & 1) != 0)
        play_silently(p);
    play_cut(p);
}

static void record_is_torn(struct play *p, uint8_t with)
{
    (void)with;
    if (p->disk.n_record != 0)
        p->disk.record[p->disk.n_record - 1]++;
    play_cut(p);
}

static void closes(struct play *p, uint8_t with)
{
    play_closed(p, some_class(with));
}

static void is_rejected(struct play *p, uint8_t with)
{
    static const char *const payloads[] = {
        "",
        "{}",
        "{\"statusCode\":500}",
        "{\"statusCode\":429}",
        "{\"statusCode\":403}",
        "{\"errorCode\":\"InvalidCertificateOwnershipToken\"}",
    };

    if (p->published[0] != '\0')
        play_reply(p, with % 8 == 7, payloads[with % COUNT(payloads)]);
}

static void strangers_speak(struct play *p, uint8_t with)
{
    static const char *const topics[] = {
        "other",
        "$aws/certificates/create/json/accepted",
        "$aws/certificates/create-from-csr/json/rejected",
        "$aws/provisioning-templates/template/provision/json/rejected",
    };

    play_message(p, topics[with % COUNT(topics)], "{}");
}

static void something_ends(struct play *p, uint8_t with)
{
    const enum agent_action_kind act = (enum agent_action_kind)(with % AGENT_ACTIONS);

    if (!p->busy || act != p->slow.kind)
        play_ends(p, (with & 128) != 0 ? AGENT_EV_DONE : AGENT_EV_FAILED, act);
}

static void timer_comes(struct play *p, uint8_t with)
{
    (void)with;
    play_timer(p);
}

static void clock_changes(struct play *p, uint8_t with)
{
    p->clock_set = (with & 1) != 0;
    if (p->clock_set)
        play_tell(p, AGENT_EV_CLOCK);
}

static void network_changes(struct play *p, uint8_t with)
{
    p->offline = (with & 1) != 0;
    p->refusals = with / 8 % 20;
}

static void somebody_wishes(struct play *p, uint8_t with)
{
    if (with % 8 == 0)
        play_claim(p);
    else if (with % 8 == 1)
        play_reset(p, AGENT_RESET_FULL);
    else if (with % 8 == 2)
        play_reset(p, AGENT_RESET_IDENTITY);
    else if (with % 8 == 3)
        play_tell(p, AGENT_EV_STOP);
    else
        play_tell(p, AGENT_EV_RENEW);
}

static void time_passes(struct play *p, uint8_t with)
{
    play_pass(p, (uint64_t)with * 1000 * 60);
}

static void (*const happens[])(struct play *, uint8_t) = {
    fails,          power_goes,  record_is_torn, closes,          is_rejected,     strangers_speak,
    something_ends, timer_comes, clock_changes,  network_changes, somebody_wishes, time_passes,
};

/* ---- and how it ends ------------------------------------------------------------------------- */

static bool fits(const struct play *p)
{
    return p->saved.current < MOST_GENERATIONS && p->saved.next < MOST_GENERATIONS &&
           p->n_certs < MOST_CERTS;
}

static bool has_claim(const struct play *p)
{
    return p->disk.slots[0].key && p->disk.slots[0].cert;
}

static void rest(struct play *p)
{
    if (!play_run(p))
        fail_msg("at %s after: %s", agent_step_name(play_at(p)), p->story);
}

/* A single run may end with what had failed, or with a certificate that is refused until it is
 * given up: another comes. */
static void calm(struct play *p)
{
    p->offline = false;
    p->refusals = 0;
    p->clock_set = true;
    p->conf.heartbeat_topic = NULL;
    if (!p->ended)
        play_tell(p, AGENT_EV_CLOCK);
    rest(p);
    for (int runs = 0; p->ended && runs < 2 * AGENT_PROVE_TRIES; runs++) {
        play_cut(p);
        rest(p);
    }
}

void play_chaos(const uint8_t *bytes, size_t n)
{
    struct play *p = play_new();

    set_up(p, n != 0 ? bytes[0] : 0);
    play_start(p);
    for (size_t i = 1; i < n && fits(p); i++) {
        const uint8_t what = bytes[i];

        if (p->ended)
            play_cut(p);
        else if (what < 160)
            (void)play_step(p);
        else if (++i < n)
            happens[what % COUNT(happens)](p, bytes[i]);
    }
    calm(p);
    if (p->saved.current != 0 || has_claim(p))
        play_assert_whole(p);
    play_free(p);
}
