/* Messages of the control API: what was done, what the audit log hears, and what fails. */
#include "core/json.h"
#include "support/alloc.h"
#include "support/api_case.h"

/* ---- what was done --------------------------------------------------------------------------- */

static void failing_command_undoes_itself_and_nobody_else(void **state)
{
    struct reg *r = *state;

    ask_message(r, "{'commands':["
                   "{'command':'createThing','thingName':'a'},"
                   "{'command':'createThing','thingName':'b','billingGroupName':'none'},"
                   "{'command':'createThing','thingName':'c'}]}");
    ask_text("responses[0].data.thingName", "a");
    ask_text("responses[1].errorCode", "ResourceNotFoundException");
    ask_text("responses[2].data.thingName", "c");
    assert_string_equal(reg_list(r, PROV_LIST_THINGS, NONE, NONE), "a c");
    assert_string_equal(reg_feed(r), "thing:a thing:c");
    assert_string_equal(reg_problems(r), "");
}

static void message_of_questions_needs_no_write_transaction(void **state)
{
    static const struct {
        const char *text;
        bool writes;
    } cases[] = {
        { "{\"commands\":[]}", false },
        { "nonsense", false },
        { "{\"commands\":[{\"command\":\"listThings\"}]}", false },
        { "{\"commands\":[{\"command\":\"listThings\"},{\"command\":\"createThing\"}]}", true },
        { "{\"commands\":[{\"command\":\"createThings\"}]}", false },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        struct prov_api_batch *batch;

        assert_int_equal(prov_api_batch_new(S(cases[i].text), NULL, &batch), PROV_OK);
        assert_int_equal(prov_api_batch_writes(batch), cases[i].writes);
        prov_api_batch_free(batch);
    }
    prov_api_batch_free(NULL);
}

static void message_run_again_from_the_start_answers_once(void **state)
{
    static const char text[] = "{\"commands\":[{\"command\":\"createThing\",\"thingName\":\"a\"},"
                               "{\"command\":\"createThing\"}]}";
    struct reg *r = *state;
    struct prov_api_batch *batch;
    struct prov_buf out;
    cJSON *tree;

    assert_int_equal(prov_api_batch_new(S(text), NULL, &batch), PROV_OK);
    for (int i = 0; i < 3; i++) {
        reg_ok(r, prov_api_batch_run(batch, &r->tx));
        if (i < 2)
            reg_abort(r);
    }
    assert_int_equal(prov_api_batch_answer(batch, &out), PROV_OK);
    assert_int_equal(prov_json_parse(prov_buf_span(&out), PROV_MAX_API_PAYLOAD, &tree, NULL),
                     PROV_OK);
    ask_keep(tree);
    ask_count("responses", 2);
    ask_text("responses[0].data.thingName", "a");
    ask_text("responses[1].path", "thingName");
    assert_string_equal(reg_feed(r), "thing:a");
    prov_buf_release(&out);
    prov_api_batch_free(batch);
}

/* As the writer has it, which takes several jobs into one transaction. */
static void message_in_a_child_transaction_is_undone_with_it(void **state)
{
    static const char text[] = "{\"commands\":[{\"command\":\"createThing\",\"thingName\":\"a\"},"
                               "{\"command\":\"createThing\"}]}";
    struct reg *r = *state;
    struct prov_api_batch *batch;
    struct prov_tx child = r->tx;

    assert_int_equal(prov_api_batch_new(S(text), NULL, &batch), PROV_OK);
    assert_int_equal(prov_txn_begin(r->store, PROV_TXN_WRITE, r->tx.txn, &child.txn), PROV_OK);
    reg_ok(r, prov_api_batch_run(batch, &child));
    prov_txn_abort(child.txn);
    assert_string_equal(reg_list(r, PROV_LIST_THINGS, NONE, NONE), "");
    assert_int_equal(prov_txn_begin(r->store, PROV_TXN_WRITE, r->tx.txn, &child.txn), PROV_OK);
    reg_ok(r, prov_api_batch_run(batch, &child));
    assert_int_equal(prov_txn_commit(child.txn), PROV_OK);
    assert_string_equal(reg_list(r, PROV_LIST_THINGS, NONE, NONE), "a");
    prov_api_batch_free(batch);
}

static void message_that_found_no_room_is_answered_command_by_command(void **state)
{
    static const char text[] = "{\"commands\":[{\"command\":\"createThing\",\"correlationData\":"
                               "\"1\",\"thingName\":\"a\"},"
                               "{\"command\":\"no\",\"correlationData\":\"2\"}]}";
    const struct prov_err err = { .rc = PROV_EBUSY,
                                  .code = "ThrottlingException",
                                  .text = "too much to do" };
    struct prov_api_batch *batch;
    struct prov_buf out;

    (void)state;
    assert_int_equal(prov_api_batch_new(S(text), NULL, &batch), PROV_OK);
    prov_api_batch_fail(batch, &err);
    assert_int_equal(prov_api_batch_answer(batch, &out), PROV_OK);
    assert_string_equal(
        prov_buf_cstr(&out),
        "{\"responses\":[{\"command\":\"createThing\",\"correlationData\":\"1\","
        "\"error\":\"too much to do\",\"errorCode\":\"ThrottlingException\",\"statusCode\":400,"
        "\"errorClass\":\"busy\"},{\"command\":\"no\",\"correlationData\":\"2\","
        "\"error\":\"too much to do\",\"errorCode\":\"ThrottlingException\",\"statusCode\":400,"
        "\"errorClass\":\"busy\"}]}");
    prov_buf_release(&out);
    prov_api_batch_free(batch);
}

/* Whoever is told of an error may try again: what was told must not have been done. */
static void command_whose_answer_does_not_fit_is_not_done(void **state)
{
    struct reg *r = *state;
    unsigned done = 0, refused = 0;
    struct prov_buf text;
    uint64_t n;

    /* a template's body comes back whole, and white space in JSON text is as good as any */
    prov_buf_init(&text, PROV_MAX_API_PAYLOAD);
    prov_buf_add_str(&text, "{\"Resources\":{\"c\":{\"Type\":\"AWS::IoT::Certificate\","
                            "\"Properties\":{\"CertificateId\":{\"Ref\":"
                            "\"AWS::IoT::Certificate::Id\"}}}}");
    while (text.n < PROV_MAX_TEMPLATE_BODY - 1)
        prov_buf_add_u8(&text, '\n');
    prov_buf_add_u8(&text, '}');
    reg_ok(r, prov_template_create(&r->tx, &(struct prov_template_creation){
                                               .name = S("t"), .body = prov_buf_span(&text) }));
    prov_buf_clear(&text);
    prov_buf_add_str(&text, "{\"commands\":[");
    for (int i = 0; i < 248; i++)
        prov_buf_add_str(&text, "{\"command\":\"describeProvisioningTemplate\","
                                "\"templateName\":\"t\"},");
    prov_buf_add_str(&text, "{\"command\":\"describeProvisioningTemplate\",\"templateName\":\"t\"},"
                            "{\"command\":\"createThing\",\"thingName\":\"late\"}]}");
    ask_message_text(r, prov_buf_span(&text));
    prov_buf_release(&text);
    ask_count("responses", 250);
    for (const cJSON *item = ask_at("responses[0]"); item != NULL; item = item->next) {
        const cJSON *code = cJSON_GetObjectItemCaseSensitive(item, "errorCode");

        done += cJSON_GetObjectItemCaseSensitive(item, "data") != NULL;
        if (code != NULL)
            assert_string_equal(code->valuestring, "LimitExceededException");
        refused += code != NULL;
    }
    assert_true(done > 100 && refused > 10 && done + refused == 250);
    reg_ok(r, prov_list_count(&r->tx, PROV_LIST_THINGS, &n));
    assert_int_equal(n, cJSON_GetObjectItemCaseSensitive(ask_at("responses[249]"), "data") != NULL);
}

/* ---- the audit log --------------------------------------------------------------------------- */

static void tell(void *ctx, const struct prov_api_op *op, const char *command,
                 struct prov_span subject, const struct prov_err *error)
{
    prov_buf_addf(ctx, "%s%s/%s(%.*s)%s;", op != NULL ? "" : "!", command,
                  op != NULL ? op->name : "", PROV_SPAN_ARG(subject),
                  error == NULL ? "" : error->code);
}

static const char *told(struct reg *r, const char *quoted)
{
    static struct prov_buf out;
    struct prov_api_batch *batch;

    prov_buf_release(&out);
    prov_buf_init(&out, 8192);
    assert_int_equal(prov_api_batch_new(reg_json(r, quoted), NULL, &batch), PROV_OK);
    reg_ok(r, prov_api_batch_run(batch, &r->tx));
    prov_api_batch_each(batch, tell, &out);
    prov_api_batch_free(batch);
    return prov_buf_cstr(&out);
}

static void audit_hears_of_each_command_what_it_was_about(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);
    char message[256], expected[256];

    reg_policy(r, "p");
    assert_string_equal(told(r, "{'commands':[{'command':'createThing','thingName':'a'},"
                                "{'command':'createThing','thingName':'a b'},"
                                "{'command':'creatThing'},{'command':7},"
                                "{'command':'getRegistryStatus'}]}"),
                        "createThing/createThing(a);"
                        "createThing/createThing(a b)InvalidRequestException;"
                        "!creatThing/()InvalidRequestException;!/()InvalidRequestException;"
                        "getRegistryStatus/getRegistryStatus();");
    (void)snprintf(message, sizeof message,
                   "{'commands':[{'command':'attachPolicy','policyName':'p','target':'%.8s'}]}",
                   ask_hex(&id));
    (void)snprintf(expected, sizeof expected,
                   "attachPolicy/attachPolicy(p arn:aws:iot:local:000000000000:cert/%s);",
                   ask_hex(&id));
    assert_string_equal(told(r, message), expected);
    assert_string_equal(told(r, "nonsense"), "!/()InvalidRequestException;");
    (void)told(r, "{'commands':[]}");
}

static void audit_of_what_was_not_run_knows_what_it_was_about(void **state)
{
    const struct prov_err err = { .rc = PROV_EBUSY, .code = "ThrottlingException" };
    struct reg *r = *state;
    struct prov_api_batch *batch;
    struct prov_buf out;

    prov_buf_init(&out, 8192);
    assert_int_equal(
        prov_api_batch_new(reg_json(r, "{'commands':[{'command':'createThing','thingName':'a'}]}"),
                           NULL, &batch),
        PROV_OK);
    prov_api_batch_fail(batch, &err);
    prov_api_batch_each(batch, tell, &out);
    assert_string_equal(prov_buf_cstr(&out), "createThing/createThing(a)ThrottlingException;");
    prov_buf_release(&out);
    prov_api_batch_free(batch);
}

/* ---- what goes wrong on purpose -------------------------------------------------------------- */

static const char mixed[] =
    "{\"commands\":[{\"command\":\"createThing\",\"correlationData\":\"1\",\"thingName\":\"a\"},"
    "{\"command\":\"describeThing\",\"thingName\":\"a\"},"
    "{\"command\":\"createThing\",\"thingName\":\"b c\"},"
    "{\"command\":\"createPolicy\",\"policyName\":\"p\",\"policyDocument\":\"{\\\"Version\\\":"
    "\\\"2012-10-17\\\",\\\"Statement\\\":[{\\\"Effect\\\":\\\"Allow\\\",\\\"Action\\\":"
    "\\\"iot:Connect\\\",\\\"Resource\\\":\\\"*\\\"}]}\"},"
    "{\"command\":\"listThings\"}]}";

static enum prov_rc run_mixed(struct reg *r, void *ctx)
{
    struct prov_api_batch *batch = NULL;
    struct prov_buf out = { 0 };
    enum prov_rc rc;

    (void)ctx;
    rc = prov_api_batch_new(S(mixed), NULL, &batch);
    if (rc == PROV_OK)
        rc = prov_api_batch_run(batch, &r->tx);
    if (rc == PROV_OK)
        rc = prov_api_batch_answer(batch, &out);
    prov_buf_release(&out);
    prov_api_batch_free(batch);
    return rc;
}

static void message_without_memory_does_nothing_and_loses_nothing(void **state)
{
    struct reg *r = *state;

    assert_true(reg_each_allocation(r, run_mixed, NULL) > 100);
}

static void message_on_a_failing_store_does_nothing(void **state)
{
    struct reg *r = *state;

    if (!r->lmdb)
        assert_true(reg_each_write(r, run_mixed, NULL) > 5);
}

static void store_that_fails_is_the_error_of_every_command(void **state)
{
    static const char text[] = "{\"commands\":[{\"command\":\"listThings\"},"
                               "{\"command\":\"createThing\",\"thingName\":\"a\"}]}";
    struct reg *r = *state;
    struct prov_api_batch *batch;
    struct prov_buf out;
    cJSON *tree;

    reg_read(r); /* in which nothing can be written */
    assert_int_equal(prov_api_batch_new(S(text), NULL, &batch), PROV_OK);
    assert_int_equal(prov_api_batch_run(batch, &r->tx), PROV_ESTORE);
    assert_int_equal(r->err.rc, PROV_ESTORE);
    reg_write(r);
    assert_int_equal(prov_api_batch_answer(batch, &out), PROV_OK);
    assert_int_equal(prov_json_parse(prov_buf_span(&out), PROV_MAX_API_PAYLOAD, &tree, NULL),
                     PROV_OK);
    ask_keep(tree);
    assert_string_equal(ask_each("responses", "errorClass"), "store store");
    ask_text("responses[0].command", "listThings");
    ask_missing("responses[0].data");
    prov_buf_release(&out);
    prov_api_batch_free(batch);
}

static const struct CMUnitTest api_batch_done[] = {
    ASK_TEST(failing_command_undoes_itself_and_nobody_else),
    ASK_TEST(message_of_questions_needs_no_write_transaction),
    ASK_TEST(message_run_again_from_the_start_answers_once),
    ASK_TEST(message_in_a_child_transaction_is_undone_with_it),
    ASK_TEST(message_that_found_no_room_is_answered_command_by_command),
    ASK_TEST(command_whose_answer_does_not_fit_is_not_done),
    ASK_TEST(audit_hears_of_each_command_what_it_was_about),
    ASK_TEST(audit_of_what_was_not_run_knows_what_it_was_about),
    ASK_TEST(message_without_memory_does_nothing_and_loses_nothing),
    ASK_TEST(message_on_a_failing_store_does_nothing),
    ASK_TEST(store_that_fails_is_the_error_of_every_command),
};

REG_MAIN(api_batch_done)
