/* With the identity in force: connected, a heartbeat, and when it is to be renewed. */
#include "agent_priv.h"

#include <string.h>

#include "text.h"

const char *agent_client_id(const struct agent *a, uint32_t slot)
{
    const struct agent_state *const s = &a->state;
    const bool next = slot == s->next && s->next_thing[0] != '\0';
    const char *const thing = next ? s->next_thing : s->thing_name;

    if (slot == AGENT_SLOT_CLAIM)
        return a->conf->client_id;
    if (a->conf->own_client_id != NULL)
        return a->conf->own_client_id;
    return thing[0] != '\0' ? thing : a->conf->client_id;
}

void agent_serve(struct agent *a)
{
    const uint32_t slot = a->state.current;
    const bool wanted = agent_usable(&a->current) && a->conf->stay;

    if (a->up && (!wanted || a->link != slot))
        agent_close(a);
    else if (a->up || !wanted || a->now.mono_ms < a->serve_ms)
        agent_idle(a);
    else
        (void)agent_linked(a, slot);
}

void agent_served(struct agent *a)
{
    const bool stays = a->conf->stay && !a->conf->once;

    a->settle_ms =
        agent_after(a, stays ? AGENT_SETTLE_MS : 0); /* else it lasts as long as it is of use */
    a->beat_ms = a->now.mono_ms;
}

/* A broker that takes a device and drops it at once, again and again, is none that serves: failures
 * are forgotten when a connection has lasted. */
void agent_settle(struct agent *a)
{
    static const struct agent_retry none;

    if (!a->up || a->settle_ms == 0 || a->now.mono_ms < a->settle_ms)
        return;
    a->settle_ms = 0;
    if (agent_retry_succeeded(&a->state.serving))
        a->dirty = true;
    if (memcmp(&a->state.getting, &none, sizeof none) == 0)
        agent_note(a, AGENT_OK, NULL);
}

void agent_serve_failed(struct agent *a, enum agent_class class, const char *text)
{
    agent_note(a, class, text);
    a->serve_ms = agent_after(a, agent_retry_failed(&a->state.serving, class, true, a->now.random));
    agent_failed(a, class);
}

/* ---- heartbeat ------------------------------------------------------------------------------- */

static bool add_number(struct agent_text *out, uint64_t n)
{
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n != 0);
    return agent_text_add(out, digits + at, sizeof digits - at);
}

/* {"clientId":"…","generation":…,"notAfter":…}: names and ids have no character that JSON would
 * escape but for a client id of somebody's choice, which agent_msg_string writes. */
static bool write_beat(const struct agent *a, struct agent_text *out)
{
    const int64_t not_after_s = a->current.not_after_s;

    return agent_text_add_str(out, "{\"clientId\":") &&
           agent_msg_string(agent_client_id(a, a->state.current), out) &&
           agent_text_add_str(out, ",\"generation\":") && add_number(out, a->state.current) &&
           agent_text_add_str(out, ",\"notAfter\":") &&
           add_number(out, not_after_s > 0 ? (uint64_t)not_after_s : 0) &&
           agent_text_add_str(out, "}");
}

void agent_beat(struct agent *a)
{
    struct agent_text topic = { a->topics[0], 0, sizeof a->topics[0] };
    struct agent_text out = { a->work, 0, sizeof a->work };
    const char *const id = agent_client_id(a, a->state.current);

    a->beat_ms = agent_after(a, a->conf->heartbeat_s * 1000);
    if (!agent_expand(a->conf->heartbeat_topic, a->state.thing_name, id, &topic) ||
        !write_beat(a, &out)) {
        if (a->state.last_error != AGENT_CONFIG)
            agent_note(a, AGENT_CONFIG, "the heartbeat's topic is too long");
        agent_resume(a);
        return;
    }
    agent_publish(a, AGENT_READY, out.n);
}

void agent_beat_failed(struct agent *a, const struct agent_event *event)
{
    agent_serve_failed(a, event->class, event->text);
}

bool agent_expand(const char *pattern, const char *thing_name, const char *client_id,
                  struct agent_text *out)
{
    const struct {
        const char *word, *value;
    } rows[] = {
        { "{thing_name}", thing_name[0] != '\0' ? thing_name : client_id },
        { "{client_id}", client_id },
    };
    const size_t n_rows = sizeof rows / sizeof rows[0];

    for (const char *at = pattern; *at != '\0';) {
        size_t i = 0;

        if (*at != '{') {
            if (!agent_text_add(out, at++, 1))
                return false;
            continue;
        }
        while (i < n_rows && strncmp(at, rows[i].word, strlen(rows[i].word)) != 0)
            i++;
        if (i == n_rows || !agent_text_add_str(out, rows[i].value))
            return false;
        at += strlen(rows[i].word);
    }
    return true;
}

/* ---- renewal --------------------------------------------------------------------------------- */

/* Up to a twentieth of the lifetime earlier: devices that were made together do not come together.
 */
int64_t agent_renewal(const struct agent *a, const struct agent_slot *slot)
{
    const int64_t from_s = slot->not_before_s, lifetime_s = slot->not_after_s - from_s;
    int64_t at_s;

    if (a->conf->renew_percent == 0 || a->conf->template_name == NULL || lifetime_s <= 0)
        return 0;
    at_s = from_s + lifetime_s / 100 * a->conf->renew_percent +
           lifetime_s % 100 * a->conf->renew_percent / 100;
    at_s -= (int64_t)((uint64_t)(lifetime_s / 20) * (a->now.random >> 16) >> 16);
    if (at_s < a->now.wall_s + AGENT_RENEW_FLOOR_S)
        at_s = a->now.wall_s + AGENT_RENEW_FLOOR_S;
    return at_s;
}
