#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "device-agent/core/state.h"
#include "test_agent_state.h"

/* ---- what cannot be -------------------------------------------------------------------------- */

static void change_phase(struct agent_state *s)
{
    s->phase = AGENT_PHASES;
    s->token[0] = '\0';
    s->token_s = 0;
}

static void change_phase_below(struct agent_state *s)
{
    s->phase = (enum agent_phase) - 1;
}

static void change_reset(struct agent_state *s)
{
    s->reset = AGENT_RESETS;
}

static void change_error(struct agent_state *s)
{
    s->last_error = AGENT_CLASSES;
}

static void forget_error(struct agent_state *s)
{
    s->last_error = AGENT_OK;
}

static void forget_next(struct agent_state *s)
{
    s->next = 0;
}

static void forget_phase(struct agent_state *s)
{
    s->phase = AGENT_PHASE_NONE;
    s->token[0] = '\0';
    s->token_s = 0;
}

static void next_is_current(struct agent_state *s)
{
    s->next = s->current;
}

static void forget_token(struct agent_state *s)
{
    s->token[0] = '\0';
}

static void keep_token(struct agent_state *s)
{
    s->phase = AGENT_PHASE_REGISTERED;
    s->token_s = 0;
}

static void keep_token_time(struct agent_state *s)
{
    s->phase = AGENT_PHASE_REGISTERED;
    s->token[0] = '\0';
}

static void token_before_1970(struct agent_state *s)
{
    s->token_s = -1;
}

static void renew_before_1970(struct agent_state *s)
{
    s->renew_s = INT64_MIN;
}

static void renew_nothing(struct agent_state *s)
{
    s->current = 0;
    s->claim_done = false;
    s->announce = AGENT_ANNOUNCE_NONE;
}

static void announce_nothing(struct agent_state *s)
{
    s->current = 0;
    s->claim_done = false;
    s->renew_s = 0;
}

static void change_announce(struct agent_state *s)
{
    s->announce = AGENT_ANNOUNCES;
}

static void claim_without_identity(struct agent_state *s)
{
    s->current = 0;
    s->announce = AGENT_ANNOUNCE_NONE;
    s->renew_s = 0;
}

static void failures_of_success(struct agent_state *s)
{
    s->getting.attempts[AGENT_OK] = 1;
}

static void failures_of_service(struct agent_state *s)
{
    s->serving.attempts[AGENT_OK] = 1;
}

static void message_without_end(struct agent_state *s)
{
    memset(s->last_message, 'x', sizeof s->last_message);
}

static void token_without_end(struct agent_state *s)
{
    memset(s->token, 'x', sizeof s->token);
}

static void name_without_end(struct agent_state *s)
{
    memset(s->thing_name, 'x', sizeof s->thing_name);
}

static void next_name_without_end(struct agent_state *s)
{
    keep_token_time(s);
    s->token_s = 0;
    memset(s->next_thing, 'x', sizeof s->next_thing);
}

static void next_name_too_early(struct agent_state *s)
{
    s->next_thing[0] = 'x';
}

/* ---- and is not written ---------------------------------------------------------------------- */

static void a_state_that_would_not_be_read_is_not_written(void **state)
{
    static void (*const changes[])(struct agent_state *) = {
        change_phase,        change_phase_below,  change_reset,           change_error,
        forget_error,        forget_next,         forget_phase,           next_is_current,
        forget_token,        keep_token,          keep_token_time,        token_before_1970,
        renew_before_1970,   renew_nothing,       claim_without_identity, failures_of_success,
        message_without_end, token_without_end,   name_without_end,       announce_nothing,
        change_announce,     failures_of_service, next_name_without_end,  next_name_too_early,
    };
    uint8_t record[AGENT_STATE_MAX];
    (void)state;

    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct agent_state s = in_phase(AGENT_PHASE_ISSUED);

        assert_int_not_equal(agent_state_write(&s, record), 0);
        changes[i](&s);
        assert_int_equal(agent_state_write(&s, record), 0);
    }
}

/* The first identity has connected and is not yet in force: the claim's work is done. */
static void a_claim_is_done_once_its_identity_is_proven(void **state)
{
    struct agent_state s = fresh();
    uint8_t record[AGENT_STATE_MAX];
    (void)state;

    s.next = 1;
    s.claim_done = true;
    s.phase = AGENT_PHASE_REGISTERED;
    assert_int_equal(agent_state_write(&s, record), 0);
    s.phase = AGENT_PHASE_PROVEN;
    assert_int_not_equal(agent_state_write(&s, record), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_state_that_would_not_be_read_is_not_written),
        cmocka_unit_test(a_claim_is_done_once_its_identity_is_proven),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
