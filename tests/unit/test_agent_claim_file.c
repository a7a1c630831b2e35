/* A claim as installers have it: PEM in one file or two, or CreateProvisioningClaim's answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device-agent/port/posix/claim_file.h"

#define BLOCK(label, body) "-----BEGIN " label "-----\n" body "\n-----END " label "-----\n"
#define CERT BLOCK("CERTIFICATE", "AAAA")
#define CHAIN BLOCK("CERTIFICATE", "BBBB")
#define KEY BLOCK("PRIVATE KEY", "CCCC")

static char cert[AGENT_MAX_CERT], key[AGENT_MAX_KEY];

static enum agent_class read_bytes(const char *text, size_t n, char why[AGENT_MAX_MESSAGE])
{
    struct agent_text c = { .p = cert, .cap = sizeof cert };
    struct agent_text k = { .p = key, .cap = sizeof key };
    struct port_result result = { 0 };
    const enum agent_class class =
        claim_file_read((struct agent_span){ (const uint8_t *)text, n }, &c, &k, &result);

    memcpy(why, result.text, AGENT_MAX_MESSAGE);
    return class;
}

static void every_form_is_read(void **state)
{
    static const struct {
        const char *text, *cert, *key;
    } rows[] = {
        { CERT KEY, CERT, KEY },
        { KEY CERT CHAIN, CERT CHAIN, KEY },
        { "Bag Attributes\n" CERT "subject=x\n" CHAIN "\n" KEY "\n", CERT CHAIN, KEY },
        { CERT BLOCK("EC PARAMETERS", "x") BLOCK("EC PRIVATE KEY", "y"), CERT,
          BLOCK("EC PRIVATE KEY", "y") },
        { BLOCK("RSA PRIVATE KEY", "z") CERT, CERT, BLOCK("RSA PRIVATE KEY", "z") },
        { "{\"certificatePem\":\"c\\nd\",\"keyPair\":{\"PublicKey\":\"p\",\"PrivateKey\":\"k\"},"
          "\"expiration\":1.5,\"certificateId\":\"i\"}",
          "c\nd", "k" },
        { "\n {\"keyPair\":{\"PrivateKey\":\"k\"},\"certificatePem\":\"c\"}\n", "c", "k" },
    };
    char why[AGENT_MAX_MESSAGE];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (read_bytes(rows[i].text, strlen(rows[i].text), why) != AGENT_OK)
            fail_msg("%zu: %s", i, why);
        assert_string_equal(cert, rows[i].cert);
        assert_string_equal(key, rows[i].key);
    }
}

static void what_is_no_claim_is_refused_with_the_reason(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        { "", "no certificate" },
        { "hello", "no certificate" },
        { KEY, "no certificate" },
        { CERT, "no private key" },
        { CERT KEY KEY, "two private keys" },
        { CERT BLOCK("ENCRYPTED PRIVATE KEY", "x"), "encrypted" },
        { CERT BLOCK("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\nx"), "encrypted" },
        { KEY "-----BEGIN CERTIFICATE-----\nAAAA\n", "no end" },
        { KEY "-----BEGIN CERTIFICATE-----\nAAAA\n-----END PRIVATE KEY-----\n", "no end" },
        { KEY "-----BEGIN CERTIFICATE", "no end" },
        { "{}", "no certificate" },
        { "{\"certificatePem\":\"c\"}", "no private key" },
        { "{\"certificatePem\":\"c\",\"keyPair\":\"k\"}", "no private key" },
        { "{\"certificatePem\":1,\"keyPair\":{\"PrivateKey\":\"k\"}}", "certificatePem" },
        { "{\"certificatePem\":\"c\",\"certificatePem\":\"c\",\"keyPair\":{}}", "certificatePem" },
        { "{\"certificatePem\":\"c\",\"keyPair\":{\"PrivateKey\":[]}}", "keyPair.PrivateKey" },
        { "{\"certificatePem\":\"c\",\"keyPair\":{\"PrivateKey\":\"k\"}} x", "one JSON object" },
        { "{\"certificatePem\":\"c\",\"keyPair\":{\"PrivateKey\":\"k\"}", "one JSON object" },
    };
    static const char nothing[AGENT_MAX_CERT];
    char why[AGENT_MAX_MESSAGE];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        memset(cert, 'x', sizeof cert);
        memset(key, 'x', sizeof key);
        assert_int_equal(read_bytes(rows[i].text, strlen(rows[i].text), why), AGENT_ANSWER);
        if (strstr(why, rows[i].why) == NULL)
            fail_msg("%zu: %s", i, why);
        assert_memory_equal(cert, nothing, sizeof cert);
        assert_memory_equal(key, nothing, sizeof key);
    }
}

static void what_has_no_room_is_refused(void **state)
{
    char why[AGENT_MAX_MESSAGE];
    char *text = malloc(CLAIM_FILE_MAX);
    size_t n = 0;

    (void)state;
    assert_non_null(text);
    memcpy(text, KEY, sizeof KEY - 1);
    n = sizeof KEY - 1;
    while (n <= AGENT_MAX_CERT + sizeof KEY) {
        memcpy(text + n, CERT, sizeof CERT - 1);
        n += sizeof CERT - 1;
    }
    assert_int_equal(read_bytes(text, n, why), AGENT_ANSWER);
    assert_non_null(strstr(why, "too long"));
    free(text);
}

static void bytes_that_are_no_text_do_no_harm(void **state)
{
    static const char text[] = "\0\xff-----BEGIN \0-----x-----END \0-----" CERT KEY;
    char why[AGENT_MAX_MESSAGE];

    (void)state;
    assert_int_equal(read_bytes(text, sizeof text - 1, why), AGENT_OK);
    assert_string_equal(cert, CERT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_is_read),
        cmocka_unit_test(what_is_no_claim_is_refused_with_the_reason),
        cmocka_unit_test(what_has_no_room_is_refused),
        cmocka_unit_test(bytes_that_are_no_text_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
