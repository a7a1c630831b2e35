/*
 * Any bytes as a claim in an installer's hands. What is accepted has a certificate and a key that
 * were in it, or in the JSON, and is read the same again from what came out. A refused one leaves
 * nothing, and says why.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device-agent/port/posix/claim_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char cert[AGENT_MAX_CERT], key[AGENT_MAX_KEY], both[AGENT_MAX_CERT + AGENT_MAX_KEY];
static char cert_again[AGENT_MAX_CERT], key_again[AGENT_MAX_KEY];

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void check_refused(const struct port_result *result)
{
    must(result->class == AGENT_ANSWER && result->text[0] != '\0');
    for (size_t i = 0; i < sizeof cert; i++)
        must(cert[i] == '\0');
    for (size_t i = 0; i < sizeof key; i++)
        must(key[i] == '\0');
}

/* Of PEM nothing but whole blocks comes out, so that what came out is a claim too. */
static void check_again(void)
{
    struct agent_text c = { .p = cert_again, .cap = sizeof cert_again };
    struct agent_text k = { .p = key_again, .cap = sizeof key_again };
    struct port_result result = { 0 };
    const int n = snprintf(both, sizeof both, "%s%s", cert, key);

    must(claim_file_read((struct agent_span){ (const uint8_t *)both, (size_t)n }, &c, &k,
                         &result) == AGENT_OK);
    must(strcmp(cert, cert_again) == 0 && strcmp(key, key_again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct agent_text c = { .p = cert, .cap = sizeof cert };
    struct agent_text k = { .p = key, .cap = sizeof key };
    struct port_result result = { 0 };
    size_t blank = 0;

    memset(cert, 'x', sizeof cert);
    memset(key, 'x', sizeof key);
    if (claim_file_read((struct agent_span){ data, size }, &c, &k, &result) != AGENT_OK) {
        check_refused(&result);
        return 0;
    }
    must(c.n != 0 && k.n != 0 && c.n < sizeof cert && k.n < sizeof key);
    while (data[blank] == ' ' || data[blank] == '\t' || data[blank] == '\r' || data[blank] == '\n')
        blank++;
    /* PEM may have a NUL in it that is nobody's */
    if (data[blank] != '{' && strlen(cert) == c.n && strlen(key) == k.n)
        check_again();
    return 0;
}
