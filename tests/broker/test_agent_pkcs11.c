/*
 * The device's own key in a PKCS#11 token (SoftHSM2): provisioned, renewed, reset; what of it lies
 * in files, and what happens when the token does not let the agent in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "device-agent/port/posix/exits.h"
#include "support/agent_cli.h"
#include "support/token.h"

struct fixture {
    struct agent_cli a;
    struct token *token;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    f->token = token_new("device");
    agent_cli_up(&f->a);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    agent_cli_down(&f->a);
    token_free(f->token);
    free(f);
    return 0;
}

static void key_goes_into_the_token(struct fixture *f, const char *pin)
{
    char uri[TOKEN_URI_MAX], rest[64], lines[TOKEN_URI_MAX + 64];

    (void)snprintf(rest, sizeof rest, "?pin-value=%s", pin);
    (void)snprintf(lines, sizeof lines, "[identity]\npkcs11 = \"%s\"\n",
                   token_uri(f->token, "agent", rest, uri));
    agent_cli_write(&f->a, &(struct agent_cli_conf){ .lines = lines });
}

static bool is_there(const struct fixture *f, const char *name)
{
    char path[TMP_PATH_MAX];

    return access(agent_cli_path(&f->a, name, path), F_OK) == 0;
}

/* What a file of the state directory holds; short. */
static const char *read_it(const struct fixture *f, const char *name, char out[static 1024])
{
    char path[TMP_PATH_MAX];
    FILE *file = fopen(agent_cli_path(&f->a, name, path), "r");
    size_t n;

    assert_non_null(file);
    n = fread(out, 1, 1023, file);
    assert_int_equal(fclose(file), 0);
    out[n] = '\0';
    return out;
}

static void identity_connects_with_a_key_that_never_leaves_its_token(void **state)
{
    struct fixture *f = *state;
    char reference[1024];
    struct prov_id id;

    key_goes_into_the_token(f, TOKEN_PIN);
    agent_cli_expect(&f->a, EXIT_DONE, "provision", "--timeout", "60");
    id = agent_cli_id(&f->a);
    fleet_expect_status(&f->a.f, &id, PROV_CERT_ACTIVE);
    assert_false(is_there(f, "state/current/key.pem"));
    assert_non_null(strstr(read_it(f, "state/current/key.uri", reference), "object=agent-1"));
    assert_null(strstr(reference, TOKEN_PIN));
}

static void each_generation_has_a_key_of_its_own_in_the_token(void **state)
{
    struct fixture *f = *state;
    char reference[1024];
    struct prov_id id;

    key_goes_into_the_token(f, TOKEN_PIN);
    agent_cli_expect(&f->a, EXIT_DONE, "provision", "--timeout", "60");
    id = agent_cli_id(&f->a);
    fleet_attach(&f->a.f, &id, "claim"); /* it may renew */
    agent_cli_expect(&f->a, EXIT_DONE, "renew", "--timeout", "60");
    id = agent_cli_id(&f->a);
    fleet_expect_status(&f->a.f, &id, PROV_CERT_ACTIVE);
    assert_non_null(strstr(read_it(f, "state/current/key.uri", reference), "object=agent-2"));

    /* and a reset destroys it: the next one is made anew, under the next number or this */
    agent_cli_expect(&f->a, EXIT_DONE, "reset", "--level", "identity", "--yes");
    assert_false(is_there(f, "state/current"));
    agent_cli_expect(&f->a, EXIT_DONE, "provision", "--timeout", "60");
    assert_true(is_there(f, "state/current/key.uri"));
}

/* Its reference in the state directory has no PIN: that is the configuration's. */
static void factory_key_in_a_token_is_the_identity_after_a_restart_too(void **state)
{
    struct fixture *f = *state;
    char uri[TOKEN_URI_MAX], lines[TOKEN_URI_MAX + 64], reference[1024];

    token_import(f->token, "factory", f->a.f.claim.key);
    (void)snprintf(lines, sizeof lines, "[claim]\ncertificate = claim.crt\nkey = \"%s\"\n",
                   token_uri(f->token, "factory", "?pin-value=" TOKEN_PIN, uri));
    agent_cli_write(&f->a,
                    &(struct agent_cli_conf){
                        .method = "jit", .no_claim = true, .no_serial = true, .lines = lines });
    agent_cli_expect(&f->a, EXIT_DONE, "provision", "--timeout", "60");
    assert_null(strstr(read_it(f, "state/current/key.uri", reference), TOKEN_PIN));
    agent_cli_run(&f->a, NULL);
    cJSON_Delete(agent_cli_wait_text(&f->a, "state", "resting"));
    agent_cli_stop(&f->a);
}

static void wrong_pin_is_told_and_nothing_is_begun_at_the_broker(void **state)
{
    struct fixture *f = *state;

    key_goes_into_the_token(f, "9999");
    agent_cli_expect(&f->a, exit_of_class(AGENT_LOCAL), "provision", "--timeout", "60");
    assert_false(is_there(f, "state/current"));
    key_goes_into_the_token(f, TOKEN_PIN);
    agent_cli_expect(&f->a, EXIT_DONE, "provision", "--timeout", "60");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(identity_connects_with_a_key_that_never_leaves_its_token,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_generation_has_a_key_of_its_own_in_the_token, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(factory_key_in_a_token_is_the_identity_after_a_restart_too,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(wrong_pin_is_told_and_nothing_is_begun_at_the_broker,
                                        set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
