/*
 * What names a hook, what it is asked, byte for byte, and what it may answer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/hook.h"
#include "core/json.h"
#include "support/alloc.h"

#define ID "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define CA_ID "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"

/* ---- specs ----------------------------------------------------------------------------------- */

static void programs_and_services_can_be_hooks(void **state)
{
    static const struct {
        const char *text;
        enum prov_hook_kind kind;
        const char *target;
    } rows[] = {
        { "exec:/usr/local/lib/hooks/allow-list", PROV_HOOK_EXEC,
          "/usr/local/lib/hooks/allow-list" },
        { "exec:/a b/c", PROV_HOOK_EXEC, "/a b/c" },
        { "exec:/a/..b/c..", PROV_HOOK_EXEC, "/a/..b/c.." },
        { "exec:/a/.../b", PROV_HOOK_EXEC, "/a/.../b" },
        { "exec:/pr\xc3\xbc"
          "fen",
          PROV_HOOK_EXEC,
          "/pr\xc3\xbc"
          "fen" },
        { "https://h", PROV_HOOK_HTTPS, "https://h" },
        { "https://hooks.example.com/a/b?c=d@e:f", PROV_HOOK_HTTPS,
          "https://hooks.example.com/a/b?c=d@e:f" },
        { "https://hooks.example.com:8443", PROV_HOOK_HTTPS, "https://hooks.example.com:8443" },
        { "https://10.0.0.1:1/", PROV_HOOK_HTTPS, "https://10.0.0.1:1/" },
        { "https://[2001:db8::1]:65535/x", PROV_HOOK_HTTPS, "https://[2001:db8::1]:65535/x" },
        { "https://[::ffff:10.0.0.1]?", PROV_HOOK_HTTPS, "https://[::ffff:10.0.0.1]?" },
        { "https://h/%20%ff", PROV_HOOK_HTTPS, "https://h/%20%ff" },
    };
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_hook_spec spec;

        assert_int_equal(prov_hook_spec_parse(prov_span_str(rows[i].text), &spec, NULL), PROV_OK);
        assert_int_equal(spec.kind, rows[i].kind);
        assert_true(prov_span_eq_str(spec.target, rows[i].target));
        /* it ends where the text ends, and so is a C string where the text is one */
        assert_ptr_equal(spec.target.p + spec.target.n, rows[i].text + strlen(rows[i].text));
    }
}

static void other_specs_are_refused_with_the_reason(void **state)
{
    static const struct {
        struct prov_span text;
        const char *why; /* in the message */
    } rows[] = {
        { PROV_LIT(""), "exec:/path/of/a/program or https://" },
        { PROV_LIT("/bin/true"), "exec:/path/of/a/program or https://" },
        { PROV_LIT("EXEC:/bin/true"), "exec:/path/of/a/program or https://" },
        { PROV_LIT("HTTPS://h/"), "exec:/path/of/a/program or https://" },
        { PROV_LIT("file:///bin/true"), "exec:/path/of/a/program or https://" },
        { PROV_LIT("arn:aws:lambda:eu-west-1:000000000000:function:f"), "https://" },
        { PROV_LIT(" exec:/bin/true"), "exec:/path/of/a/program or https://" },
        { PROV_LIT("http://h/"), "not http://" },
        { PROV_LIT("exec:"), "absolute" },
        { PROV_LIT("exec:bin/true"), "absolute" },
        { PROV_LIT("exec: /bin/true"), "absolute" },
        { PROV_LIT("exec:/"), "a directory" },
        { PROV_LIT("exec:/usr/lib/"), "a directory" },
        { PROV_LIT("exec:/.."), "\"..\"" },
        { PROV_LIT("exec:/hooks/../bin/sh"), "\"..\"" },
        { PROV_LIT("exec:/hooks/.."), "\"..\"" },
        { PROV_LIT("exec:/a\nb"), "control character at position 3" },
        { PROV_LIT("exec:/a\0b"), "control character at position 3" },
        { PROV_LIT("exec:/\x7f"), "control character at position 2" },
        { PROV_LIT("exec:/\xff"), "UTF-8" },
        { PROV_LIT("https://"), "no host" },
        { PROV_LIT("https:///path"), "no host" },
        { PROV_LIT("https://?q"), "no host" },
        { PROV_LIT("https://:443/"), "no host" },
        { PROV_LIT("https://[]/"), "no host" },
        { PROV_LIT("https://[::1/"), "no host" },
        { PROV_LIT("https://[::1]x/"), "no host" },
        { PROV_LIT("https://[fe80::1%25eth0]/"), "no host" },
        { PROV_LIT("https://a%2eb/"), "no host" },
        { PROV_LIT("https://a,b/"), "no host" },
        { PROV_LIT("https://h:/"), "port" },
        { PROV_LIT("https://h:0/"), "port" },
        { PROV_LIT("https://h:65536/"), "port" },
        { PROV_LIT("https://h:99999999999999999999/"), "port" },
        { PROV_LIT("https://h:4a/"), "port" },
        { PROV_LIT("https://h:1:2/"), "port" },
        { PROV_LIT("https://u@h/"), "user name" },
        { PROV_LIT("https://u:p@h/"), "user name" },
        { PROV_LIT("https://h:80@evil/"), "user name" },
        { PROV_LIT("https://h/#x"), "fragment" },
        { PROV_LIT("https://h#@evil/"), "fragment" },
        { PROV_LIT("https://h/a b"), "position 12" },
        { PROV_LIT("https://h\t/"), "position 10" },
        { PROV_LIT("https://h\r\nX: y/"), "position 10" },
        { PROV_LIT("https://h\0.example/"), "position 10" },
        { PROV_LIT("https://good\\@evil/"), "position 13" },
        { PROV_LIT("https://h\xc3\xa4/"), "position 10" },
        { PROV_LIT("https://h/\"x\""), "position 11" },
    };
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_hook_spec spec;
        struct prov_err err = { .rc = PROV_OK };

        assert_int_equal(prov_hook_spec_parse(rows[i].text, &spec, &err), PROV_EINVAL);
        assert_int_equal(err.rc, PROV_EINVAL);
        assert_string_equal(err.code, "InvalidRequestException");
        if (strstr(err.text, rows[i].why) == NULL)
            fail_msg("row %zu says: %s", i, err.text);
        assert_int_equal(prov_hook_spec_parse(rows[i].text, &spec, NULL), PROV_EINVAL);
    }
}

static void spec_is_as_long_as_a_target_arn_at_most(void **state)
{
    char text[PROV_MAX_HOOK + 2], host[300] = "https://";
    struct prov_hook_spec spec;
    (void)state;

    (void)snprintf(text, sizeof text, "exec:/%0*d", PROV_MAX_HOOK - 5, 0);
    assert_int_equal(prov_hook_spec_parse(prov_span(text, PROV_MAX_HOOK), &spec, NULL), PROV_OK);
    assert_int_equal(prov_hook_spec_parse(prov_span(text, PROV_MAX_HOOK + 1), &spec, NULL),
                     PROV_ETOOBIG);
    memset(host + 8, 'h', 254);
    assert_int_equal(prov_hook_spec_parse(prov_span(host, 8 + 253), &spec, NULL), PROV_OK);
    assert_int_equal(prov_hook_spec_parse(prov_span(host, 8 + 254), &spec, NULL), PROV_EINVAL);
}

/* ---- requests -------------------------------------------------------------------------------- */

static const struct prov_param two_params[] = {
    { PROV_LIT("AWS::IoT::Certificate::CommonName"), PROV_LIT("dev \"1\"\n\\") },
    { PROV_LIT("SerialNumber"), PROV_LIT("") },
};
static const struct prov_param same_names[] = {
    { PROV_LIT("a"), PROV_LIT("first") },
    { PROV_LIT("A"), PROV_LIT("another") },
    { PROV_LIT("b"), PROV_LIT("between") },
    { PROV_LIT("a"), PROV_LIT("last") },
};
static const struct prov_param no_text[] = {
    { PROV_LIT("\xff"), PROV_LIT("a\0b") },
    { PROV_LIT("\xfe"), PROV_LIT("\xc3\x28\xe2\x82\xac") },
};

static void request_is_this_text(void **state)
{
    static const struct {
        struct prov_hook_request request;
        const char *text;
    } rows[] = {
        { { .use = PROV_HOOK_ACTIVATION,
            .certificate_id = PROV_LIT(ID),
            .certificate_pem = PROV_LIT("-----BEGIN CERTIFICATE-----\nMA==\n"),
            .ca_certificate_id = PROV_LIT(CA_ID),
            .template_arn = PROV_LIT("arn:aws:iot:local:000000000000:provisioningtemplate/t"),
            .client_id = PROV_LIT("dev-1"),
            .parameters = { two_params, 2 } },
          "{\"caCertificateId\":\"" CA_ID "\",\"certificateId\":\"" ID "\","
          "\"certificatePem\":\"-----BEGIN CERTIFICATE-----\\nMA==\\n\","
          "\"templateArn\":\"arn:aws:iot:local:000000000000:provisioningtemplate/t\","
          "\"clientId\":\"dev-1\",\"parameters\":{"
          "\"AWS::IoT::Certificate::CommonName\":\"dev "
          "\\\"1\\\"\\n\\\\\",\"SerialNumber\":\"\"}}" },
        { { .use = PROV_HOOK_PRE_PROVISIONING,
            .certificate_id = PROV_LIT(ID),
            .certificate_pem = PROV_LIT("PEM"),
            .claim_certificate_id = PROV_LIT(CA_ID),
            .template_arn = PROV_LIT("arn"),
            .client_id = PROV_LIT("dev-1"),
            .parameters = { same_names, 4 } },
          "{\"claimCertificateId\":\"" CA_ID "\",\"certificateId\":\"" ID "\","
          "\"certificatePem\":\"PEM\",\"templateArn\":\"arn\",\"clientId\":\"dev-1\","
          "\"parameters\":{\"A\":\"another\",\"b\":\"between\",\"a\":\"last\"}}" },
        /* empty texts are left out, the map is not */
        { { .use = PROV_HOOK_ACTIVATION }, "{\"parameters\":{}}" },
        /* each use has its own certificate beside the new one */
        { { .use = PROV_HOOK_ACTIVATION, .claim_certificate_id = PROV_LIT(ID) },
          "{\"parameters\":{}}" },
        { { .use = PROV_HOOK_PRE_PROVISIONING, .ca_certificate_id = PROV_LIT(ID) },
          "{\"parameters\":{}}" },
        /* what is no UTF-8, and what then has the same name */
        { { .use = PROV_HOOK_ACTIVATION,
            .client_id = PROV_LIT("a\x80z\0"),
            .parameters = { no_text, 1 } },
          "{\"clientId\":\"a\xef\xbf\xbdz\xef\xbf\xbd\",\"parameters\":{\"\xef\xbf\xbd\":"
          "\"a\xef\xbf\xbd"
          "b\"}}" },
        { { .use = PROV_HOOK_ACTIVATION, .parameters = { no_text, 2 } },
          "{\"parameters\":{\"\xef\xbf\xbd\":\"\xef\xbf\xbd(\xe2\x82\xac\"}}" },
    };
    struct prov_buf out;
    (void)state;

    prov_buf_init(&out, 4096);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        assert_int_equal(prov_hook_request_json(&rows[i].request, &out), PROV_OK);
        assert_string_equal(prov_buf_cstr(&out), rows[i].text);
    }
    prov_buf_release(&out);
}

static void too_long_a_request_is_told_and_leaves_nothing(void **state)
{
    static struct prov_param many[PROV_MAX_HOOK_PARAMS + 1];
    struct prov_hook_request request = { .client_id = PROV_LIT("dev-1") };
    static const char text[] = "{\"clientId\":\"dev-1\",\"parameters\":{}}";
    struct prov_buf out;
    (void)state;

    prov_buf_init(&out, sizeof text - 1);
    assert_int_equal(prov_hook_request_json(&request, &out), PROV_OK);
    assert_string_equal(prov_buf_cstr(&out), text);
    prov_buf_release(&out);
    prov_buf_init(&out, sizeof text - 2);
    assert_int_equal(prov_hook_request_json(&request, &out), PROV_ETOOBIG);
    assert_int_equal(out.n, 0);
    prov_buf_release(&out);

    prov_buf_init(&out, 65536);
    request.parameters = (struct prov_params){ many, PROV_MAX_HOOK_PARAMS };
    assert_int_equal(prov_hook_request_json(&request, &out), PROV_OK);
    request.parameters.n++;
    assert_int_equal(prov_hook_request_json(&request, &out), PROV_ETOOBIG);
    assert_int_equal(out.n, 0);
    prov_buf_release(&out);
}

static void request_without_memory_is_told_and_leaves_nothing(void **state)
{
    const struct prov_hook_request request = { .certificate_id = PROV_LIT(ID),
                                               .client_id = PROV_LIT("dev-1"),
                                               .parameters = { same_names, 4 } };
    enum prov_rc rc = PROV_OK;
    (void)state;

    for (unsigned n = 1;; n++) {
        struct prov_buf out;

        prov_buf_init(&out, 4096);
        alloc_fail_at(n);
        rc = prov_hook_request_json(&request, &out);
        if (!alloc_failed()) {
            assert_int_equal(rc, PROV_OK);
            prov_buf_release(&out);
            assert_true(n > 10);
            return;
        }
        assert_int_equal(rc, PROV_ENOMEM);
        assert_int_equal(out.n, 0);
        prov_buf_release(&out);
    }
}

/* ---- answers --------------------------------------------------------------------------------- */

#define ACT PROV_HOOK_ACTIVATION
#define PRE PROV_HOOK_PRE_PROVISIONING

static struct prov_hook_answer *accepted(const char *text, enum prov_hook_use use)
{
    struct prov_hook_answer *answer = NULL;
    struct prov_err err = { .rc = PROV_OK };

    if (prov_hook_answer_parse(prov_span_str(text), use, &answer, &err) != PROV_OK)
        fail_msg("%s: %s", text, err.text);
    assert_non_null(answer);
    return answer;
}

static void decision_is_what_the_answer_says(void **state)
{
    static const struct {
        const char *text;
        enum prov_hook_use use;
        enum prov_hook_decision decision;
    } rows[] = {
        { "{\"allowProvisioning\":true}", PRE, PROV_HOOK_ACTIVATE },
        { "{\"allowProvisioning\":true}", ACT, PROV_HOOK_ACTIVATE },
        { "{\"allowProvisioning\":false}", PRE, PROV_HOOK_REJECT },
        { "{\"allowProvisioning\":false}", ACT, PROV_HOOK_REJECT },
        { "{\"decision\":\"activate\"}", ACT, PROV_HOOK_ACTIVATE },
        { "{\"decision\":\"leave\"}", ACT, PROV_HOOK_LEAVE },
        { "{\"decision\":\"reject\"}", ACT, PROV_HOOK_REJECT },
        { "{\"decision\":\"activate\",\"allowProvisioning\":true}", ACT, PROV_HOOK_ACTIVATE },
        { "{\"decision\":\"leave\",\"allowProvisioning\":false}", ACT, PROV_HOOK_LEAVE },
        { "{\"decision\":\"reject\",\"allowProvisioning\":false}", ACT, PROV_HOOK_REJECT },
        { "{\"decision\":\"activate\",\"allowProvisioning\":true}", PRE, PROV_HOOK_ACTIVATE },
        { "{\"decision\":\"reject\",\"allowProvisioning\":false}", PRE, PROV_HOOK_REJECT },
        { " {\n\"allowProvisioning\" : true , \"else\":[{\"x\":null}] }\n", ACT,
          PROV_HOOK_ACTIVATE },
    };
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_hook_answer *a = accepted(rows[i].text, rows[i].use);

        assert_int_equal(a->decision, rows[i].decision);
        assert_int_equal(a->message.n + a->overrides.n + a->n_policies, 0);
        assert_int_equal(a->thing_name.n + a->template_name.n, 0);
        prov_hook_answer_free(a);
    }
}

static void answer_brings_names_and_parameters(void **state)
{
    struct prov_hook_answer *a;
    (void)state;

    a = accepted("{\"decision\":\"activate\",\"message\":\"on the list\",\"thingName\":\"dev:1\","
                 "\"policyNames\":[\"p+1\",\"p@2\"],"
                 "\"parameterOverrides\":{\"Place\":\"here\",\"\\u00c4\":\"\"}}",
                 ACT);
    assert_true(prov_span_eq_str(a->message, "on the list"));
    assert_true(prov_span_eq_str(a->thing_name, "dev:1"));
    assert_int_equal(a->n_policies, 2);
    assert_true(prov_span_eq_str(a->policies[0], "p+1"));
    assert_true(prov_span_eq_str(a->policies[1], "p@2"));
    assert_int_equal(a->overrides.n, 2);
    assert_true(prov_span_eq_str(a->overrides.v[0].name, "Place"));
    assert_true(prov_span_eq_str(a->overrides.v[0].value, "here"));
    assert_true(prov_span_eq_str(a->overrides.v[1].name, "\xc3\x84"));
    assert_int_equal(a->overrides.v[1].value.n, 0);
    prov_hook_answer_free(a);

    a = accepted(
        "{\"allowProvisioning\":true,\"templateName\":\"by-hook\",\"parameterOverrides\":{}}", ACT);
    assert_true(prov_span_eq_str(a->template_name, "by-hook"));
    assert_int_equal(a->overrides.n, 0);
    prov_hook_answer_free(a);

    a = accepted("{\"decision\":\"leave\",\"policyNames\":[]}", ACT);
    assert_int_equal(a->n_policies, 0);
    prov_hook_answer_free(a);
    prov_hook_answer_free(NULL);
}

static void names_are_unknown_fields_before_provisioning(void **state)
{
    struct prov_hook_answer *a;
    (void)state;

    a = accepted("{\"allowProvisioning\":true,\"thingName\":7,\"templateName\":\"/\","
                 "\"policyNames\":\"p\",\"message\":\"m\",\"parameterOverrides\":{\"a\":\"b\"}}",
                 PRE);
    assert_int_equal(a->thing_name.n + a->template_name.n + a->n_policies, 0);
    assert_true(prov_span_eq_str(a->message, "m"));
    assert_int_equal(a->overrides.n, 1);
    prov_hook_answer_free(a);
}

static void bad_answers_are_refused_where_they_are_wrong(void **state)
{
    static const struct {
        const char *text;
        enum prov_hook_use use;
        unsigned line, col;
        const char *path;
        const char *why; /* in the message */
    } rows[] = {
        { "", ACT, 1, 1, "", "" },
        { "nonsense", ACT, 1, 1, "", "" },
        { "[]", ACT, 1, 1, "", "not an object" },
        { "true", PRE, 1, 1, "", "not an object" },
        { "{\"allowProvisioning\":true} x", ACT, 1, 28, "", "" },
        { "{\"allowProvisioning\":true}{}", ACT, 1, 27, "", "" },
        { "{\"allowProvisioning\":true,\"allowProvisioning\":false}", ACT, 1, 27,
          "allowProvisioning", "twice" },
        { "{}", ACT, 1, 1, "", "neither allowProvisioning nor decision" },
        { "{}", PRE, 1, 1, "", "does not say allowProvisioning" },
        { "{\"AllowProvisioning\":true}", ACT, 1, 1, "", "neither" },
        { "{\"allowprovisioning\":true}", PRE, 1, 1, "", "does not say" },
        { "{\"decision\":\"activate\"}", PRE, 1, 1, "", "does not say" },
        { "{\n \"allowProvisioning\":\"true\"}", ACT, 2, 2, "allowProvisioning", "true or false" },
        { "{\"allowProvisioning\":1}", PRE, 1, 2, "allowProvisioning", "true or false" },
        { "{\"allowProvisioning\":null}", PRE, 1, 2, "allowProvisioning", "true or false" },
        { "{\"decision\":\"activate\",\"allowProvisioning\":null}", ACT, 1, 24, "allowProvisioning",
          "true or false" },
        { "{\"decision\":\"Activate\"}", ACT, 1, 2, "decision", "\"leave\"" },
        { "{\"decision\":\"\"}", ACT, 1, 2, "decision", "\"leave\"" },
        { "{\"decision\":true}", ACT, 1, 2, "decision", "\"leave\"" },
        { "{\"decision\":null,\"allowProvisioning\":true}", ACT, 1, 2, "decision", "\"leave\"" },
        { "{\"decision\":\"leave\",\"allowProvisioning\":false}", PRE, 1, 2, "decision",
          "\"activate\" or \"reject\"" },
        { "{\"decision\":\"no\",\"allowProvisioning\":true}", PRE, 1, 2, "decision", "or" },
        { "{\"decision\":\"reject\",\"allowProvisioning\":true}", ACT, 1, 2, "decision", "agree" },
        { "{\"decision\":\"reject\",\"allowProvisioning\":true}", PRE, 1, 2, "decision", "agree" },
        { "{\"decision\":\"leave\",\"allowProvisioning\":true}", ACT, 1, 2, "decision", "agree" },
        { "{\"decision\":\"activate\",\"allowProvisioning\":false}", ACT, 1, 2, "decision",
          "agree" },
        { "{\"decision\":\"leave\",\"message\":7}", ACT, 1, 21, "message", "a string" },
        { "{\"allowProvisioning\":true,\"message\":null}", PRE, 1, 27, "message", "a string" },
        { "{\"decision\":\"leave\",\"message\":\"a\\u0000b\"}", ACT, 1, 33, "", "" },
        { "{\"decision\":\"leave\",\"thingName\":\"\"}", ACT, 1, 21, "thingName", "empty" },
        { "{\"decision\":\"leave\",\"thingName\":\"a/b\"}", ACT, 1, 21, "thingName", "illegal" },
        { "{\"decision\":\"leave\",\"thingName\":null}", ACT, 1, 21, "thingName", "a string" },
        { "{\"decision\":\"leave\",\"templateName\":\"a:b\"}", ACT, 1, 21, "templateName",
          "illegal" },
        { "{\"decision\":\"leave\",\"templateName\":\"0123456789012345678901234567890123456\"}",
          ACT, 1, 21, "templateName", "37 characters" },
        { "{\"decision\":\"leave\",\"templateName\":\"t\",\"thingName\":\"a\"}", ACT, 1, 21,
          "templateName", "do not go with it" },
        { "{\"decision\":\"leave\",\"templateName\":\"t\",\"policyNames\":[]}", ACT, 1, 21,
          "templateName", "do not go with it" },
        { "{\"decision\":\"leave\",\"policyNames\":\"p\"}", ACT, 1, 21, "policyNames",
          "an array of strings" },
        { "{\"decision\":\"leave\",\"policyNames\":{\"p\":\"p\"}}", ACT, 1, 21, "policyNames",
          "an array of strings" },
        { "{\"decision\":\"leave\",\"policyNames\":[\"p\",1]}", ACT, 1, 40, "policyNames[1]",
          "an array of strings" },
        { "{\"decision\":\"leave\",\"policyNames\":[\"p q\"]}", ACT, 1, 36, "policyNames[0]",
          "illegal" },
        { "{\"decision\":\"leave\",\"policyNames\":[0,0,0,0,0,0,0,0,0,0,0]}", ACT, 1, 36,
          "policyNames[0]", "strings" },
        { "{\"decision\":\"leave\",\"policyNames\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\","
          "\"h\","
          "\"i\",\"j\",\"k\"]}",
          ACT, 1, 76, "policyNames[10]", "more than 10" },
        { "{\"allowProvisioning\":true,\"parameterOverrides\":[\"a\"]}", PRE, 1, 27,
          "parameterOverrides", "an object of strings" },
        { "{\"allowProvisioning\":true,\"parameterOverrides\":null}", PRE, 1, 27,
          "parameterOverrides", "an object of strings" },
        { "{\"allowProvisioning\":true,\"parameterOverrides\":{\"a\":\"b\",\"c\":1}}", PRE, 1, 57,
          "parameterOverrides.c", "an object of strings" },
        { "{\"allowProvisioning\":false,\"parameterOverrides\":{\"\":\"b\"}}", ACT, 1, 50,
          "parameterOverrides.", "1 to 2048 bytes, this one 0" },
    };
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct prov_span text = prov_span_str(rows[i].text);
        struct prov_hook_answer *answer = (struct prov_hook_answer *)(uintptr_t)&text;
        struct prov_err err = { .rc = PROV_OK };

        assert_int_equal(prov_hook_answer_parse(text, rows[i].use, &answer, &err), PROV_EINVAL);
        assert_null(answer);
        if (err.line != rows[i].line || err.col != rows[i].col ||
            strcmp(err.path, rows[i].path) != 0 || strstr(err.text, rows[i].why) == NULL)
            fail_msg("%s: %u:%u %s: %s", rows[i].text, err.line, err.col, err.path, err.text);
        assert_string_equal(err.code, "InvalidRequestException");
        assert_int_equal(prov_hook_answer_parse(text, rows[i].use, &answer, NULL), PROV_EINVAL);
    }
}

static enum prov_rc parse(const struct prov_buf *text, struct prov_hook_answer **out)
{
    assert_int_equal(text->rc, PROV_OK);
    return prov_hook_answer_parse(prov_buf_span(text), PRE, out, NULL);
}

/* {"allowProvisioning":true,"parameterOverrides":{NAME:VALUE …}} with names and values of these
 * sizes */
static void write_overrides(struct prov_buf *text, unsigned n, int name_n, int value_n)
{
    prov_buf_clear(text);
    prov_buf_add_str(text, "{\"allowProvisioning\":true,\"parameterOverrides\":{");
    for (unsigned i = 0; i < n; i++)
        prov_buf_addf(text, "%s\"%0*u\":\"%0*u\"", i == 0 ? "" : ",", name_n, i, value_n, i);
    prov_buf_add_str(text, "}}");
}

static void overrides_are_as_many_and_as_long_as_templates_take(void **state)
{
    static const struct {
        unsigned n;
        int name_n, value_n;
        enum prov_rc rc;
    } rows[] = {
        { PROV_MAX_HOOK_OVERRIDES, 3, 3, PROV_OK },
        { PROV_MAX_HOOK_OVERRIDES + 1, 3, 3, PROV_EINVAL },
        { 1, PROV_MAX_PARAM_NAME, 1, PROV_OK },
        { 1, PROV_MAX_PARAM_NAME + 1, 1, PROV_EINVAL },
        { 1, 1, PROV_MAX_PARAM_VALUE, PROV_OK },
        { 1, 1, PROV_MAX_PARAM_VALUE + 1, PROV_EINVAL },
        { 31, 1, PROV_MAX_PARAM_VALUE, PROV_OK },
        { 32, 1, PROV_MAX_PARAM_VALUE, PROV_ETOOBIG }, /* than PROV_MAX_HOOK_ANSWER */
    };
    struct prov_hook_answer *a;
    struct prov_buf text;
    (void)state;

    prov_buf_init(&text, (size_t)2 * PROV_MAX_HOOK_ANSWER);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        write_overrides(&text, rows[i].n, rows[i].name_n, rows[i].value_n);
        assert_int_equal(parse(&text, &a), rows[i].rc);
        assert_int_equal(a != NULL, rows[i].rc == PROV_OK);
        if (a != NULL)
            assert_int_equal(a->overrides.n, rows[i].n);
        prov_hook_answer_free(a);
    }
    prov_buf_release(&text);
}

static void long_message_is_cut_between_characters(void **state)
{
    static const struct {
        int ascii;        /* so many bytes, then */
        const char *rest; /* this */
        size_t n;         /* are left */
    } rows[] = {
        { 255, "x", 256 },
        { 255, "xy", 256 },
        { 254, "\xc3\xa4", 256 },
        { 255, "\xc3\xa4", 255 },
        { 253, "\xe2\x82\xac", 256 },
        { 254, "\xe2\x82\xac", 254 },
        { 255, "\xf0\x9f\x98\x80", 255 },
        { 253, "\xf0\x9f\x98\x80", 253 },
    };
    struct prov_hook_answer *a;
    struct prov_buf text;
    (void)state;

    prov_buf_init(&text, 4096);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        prov_buf_clear(&text);
        prov_buf_addf(&text, "{\"allowProvisioning\":false,\"message\":\"%0*d%s\"}", rows[i].ascii,
                      0, rows[i].rest);
        assert_int_equal(parse(&text, &a), PROV_OK);
        assert_int_equal(a->message.n, rows[i].n);
        assert_true(prov_utf8_valid(a->message));
        prov_hook_answer_free(a);
    }
    prov_buf_release(&text);
}

static void answer_without_memory_is_told(void **state)
{
    static const char text[] =
        "{\"decision\":\"activate\",\"thingName\":\"a\",\"policyNames\":[\"p\"],"
        "\"parameterOverrides\":{\"a\":\"b\"},\"message\":\"m\"}";
    struct prov_hook_answer *a;
    struct prov_err err;
    enum prov_rc rc;
    (void)state;

    for (unsigned n = 1;; n++) {
        err = (struct prov_err){ .rc = PROV_OK };
        alloc_fail_at(n);
        rc = prov_hook_answer_parse(prov_span_str(text), ACT, &a, &err);
        if (!alloc_failed()) {
            assert_int_equal(rc, PROV_OK);
            prov_hook_answer_free(a);
            assert_true(n > 10);
            return;
        }
        assert_int_equal(rc, PROV_ENOMEM);
        assert_int_equal(err.rc, PROV_ENOMEM);
        assert_null(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_and_services_can_be_hooks),
        cmocka_unit_test(other_specs_are_refused_with_the_reason),
        cmocka_unit_test(spec_is_as_long_as_a_target_arn_at_most),
        cmocka_unit_test(request_is_this_text),
        cmocka_unit_test(too_long_a_request_is_told_and_leaves_nothing),
        cmocka_unit_test(request_without_memory_is_told_and_leaves_nothing),
        cmocka_unit_test(decision_is_what_the_answer_says),
        cmocka_unit_test(answer_brings_names_and_parameters),
        cmocka_unit_test(names_are_unknown_fields_before_provisioning),
        cmocka_unit_test(bad_answers_are_refused_where_they_are_wrong),
        cmocka_unit_test(overrides_are_as_many_and_as_long_as_templates_take),
        cmocka_unit_test(long_message_is_cut_between_characters),
        cmocka_unit_test(answer_without_memory_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
