/* test_agent_conf.h - what the tests of the agent's configuration share. */
#ifndef TEST_AGENT_CONF_H
#define TEST_AGENT_CONF_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device-agent/port/posix/conf.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* The smallest ones that are whole. */
#define BROKER "[broker]\nhost = broker.example\nca_file = /etc/ca.pem\n"
#define CLAIM_FILES "[claim]\ncertificate = /etc/claim.pem\nkey = /etc/claim.key\n"
#define JIT BROKER "[device]\nclient_id = dev-1\nmethod = jit\n" CLAIM_FILES
#define CLAIM_DEVICE "[device]\nclient_id = dev-1\nmethod = claim\ntemplate = fleet\n"
#define CLAIM BROKER CLAIM_FILES CLAIM_DEVICE

static struct port_result result;
static char notes[2048];

static inline void take_note(void *arg, const char *line)
{
    assert_ptr_equal(arg, notes);
    assert_true(strlen(notes) + strlen(line) + 2 < sizeof notes);
    (void)snprintf(notes + strlen(notes), sizeof notes - strlen(notes), "%s\n", line);
}

static inline enum agent_class parse_bytes(const void *p, size_t n, struct conf *out)
{
    notes[0] = '\0';
    memset(out, 0xa5, sizeof *out);
    memset(&result, 0xa5, sizeof result);
    return conf_parse("/etc/agent.conf", (struct agent_span){ p, n }, take_note, notes, out,
                      &result);
}

static inline enum agent_class parse(const char *text, struct conf *out)
{
    return parse_bytes(text, strlen(text), out);
}

static inline void assert_taken(const char *text, struct conf *out)
{
    if (parse(text, out) != AGENT_OK)
        fail_msg("%s\nrefused: %s", text, result.text);
    assert_string_equal(result.text, "");
}

/* Refused, and the reason begins and goes on like this. */
static inline void assert_refused(const char *text, const char *begins, const char *holds)
{
    static const struct conf zero;
    struct conf conf;

    if (parse(text, &conf) == AGENT_OK)
        fail_msg("%s\nwas taken", text);
    assert_int_equal(result.class, AGENT_CONFIG);
    if (strncmp(result.text, begins, strlen(begins)) != 0 || strstr(result.text, holds) == NULL)
        fail_msg("%s\nsays: %s\nand not: %s … %s", text, result.text, begins, holds);
    assert_true(strlen(result.text) < sizeof result.text - 1); /* its end was not cut off */
    if (strchr(result.text, '?') != NULL) /* nothing that port_fail put in place of something */
        assert_non_null(strstr(result.text, "; did you mean '"));
    assert_memory_equal(&conf, &zero, sizeof zero);
}

#endif
