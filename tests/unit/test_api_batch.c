/* Messages of the control API: what is answered to good ones and bad ones, and what was done. */
#include "support/api_case.h"

/* ---- answers --------------------------------------------------------------------------------- */

static void commands_are_answered_in_order_with_their_correlation(void **state)
{
    struct reg *r = *state;

    ask_message(r, "{'commands':["
                   "{'command':'createThing','correlationData':'one','thingName':'a'},"
                   "{'command':'describeThing','thingName':'a'},"
                   "{'command':'listThings','correlationData':'three'}]}");
    ask_keys("", "responses");
    ask_count("responses", 3);
    ask_keys("responses[0]", "command correlationData data");
    ask_text("responses[0].command", "createThing");
    ask_text("responses[0].correlationData", "one");
    ask_text("responses[0].data.thingName", "a");
    ask_keys("responses[1]", "command data");
    ask_text("responses[1].data.thingName", "a");
    ask_text("responses[2].correlationData", "three");
    ask_text("responses[2].data.things[0].thingName", "a");
}

static void command_without_an_answer_has_no_data(void **state)
{
    struct reg *r = *state;

    reg_thing(r, "a");
    reg_group(r, "g", NULL);
    ask_message(r, "{'commands':[{'command':'addThingToThingGroup','thingGroupName':'g',"
                   "'thingName':'a'}]}");
    ask_keys("responses[0]", "command");
}

static void failed_command_has_an_error_and_no_data(void **state)
{
    struct reg *r = *state;

    ask_message(r, "{'commands':[{'command':'describeThing','correlationData':'x',"
                   "'thingName':'nobody'}]}");
    ask_keys("responses[0]", "command correlationData error errorCode statusCode errorClass");
    ask_text("responses[0].error", "there is no thing \"nobody\"");
    ask_text("responses[0].errorCode", "ResourceNotFoundException");
    ask_number("responses[0].statusCode", 404);
    ask_text("responses[0].errorClass", "not-found");
}

static void mistake_in_a_document_has_its_place_there(void **state)
{
    struct reg *r = *state;

    ask_message(r,
                "{'commands':[{'command':'createPolicy','policyName':'p','policyDocument':"
                "'{\\n \\'Version\\':\\'2012-10-17\\',\\n \\'Statement\\':[{\\'Efect\\':1}]}'}]}");
    ask_text("responses[0].errorCode", "MalformedPolicyException");
    ask_number("responses[0].statusCode", 400);
    ask_number("responses[0].line", 3);
    assert_true(cJSON_IsNumber(ask_at("responses[0].column")));
    ask_text("responses[0].path", "Statement[0].Efect");
}

static void mistake_in_the_request_has_its_field(void **state)
{
    struct reg *r = *state;

    ask_message(r, "{'commands':[{'command':'createThing','thingName':'a',"
                   "'attributePayload':{'attributes':{'n':1}}}]}");
    ask_text("responses[0].path", "attributePayload.attributes.n");
    ask_missing("responses[0].line");
    ask_missing("responses[0].column");
}

/* ---- frames ---------------------------------------------------------------------------------- */

static void bad_frames_are_answered_one_by_one(void **state)
{
    struct reg *r = *state;

    ask_message(r, "{'commands':[7,{},{'command':7},{'command':'creatThing'},{'command':'xyzzy'},"
                   "{'command':'listThings','correlationData':7},"
                   "{'command':'listThings','correlationData':'ok'}]}");
    ask_count("responses", 7);
    ask_keys("responses[0]", "error errorCode statusCode errorClass");
    ask_keys("responses[1]", "error errorCode statusCode errorClass path");
    ask_keys("responses[2]", "error errorCode statusCode errorClass path");
    ask_text("responses[2].path", "command");
    ask_text("responses[3].command", "creatThing");
    ask_text("responses[3].error",
             "there is no command \"creatThing\"; did you mean \"createThing\"?");
    ask_text("responses[4].command", "xyzzy");
    ask_text("responses[4].error", "there is no such command");
    ask_number("responses[4].statusCode", 400);
    ask_text("responses[5].path", "correlationData");
    ask_missing("responses[5].correlationData");
    ask_keys("responses[6]", "command correlationData data");
}

static void what_is_too_long_is_not_told_again(void **state)
{
    struct reg *r = *state;
    char name[66], correlation[PROV_MAX_API_CORRELATION + 2];

    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    memset(correlation, 'c', sizeof correlation - 1);
    correlation[sizeof correlation - 1] = '\0';
    ask_message(r,
                "{'commands':[{'command':'%s'},{'command':'listThings','correlationData':'%s'},"
                "{'command':'listThings','correlationData':'%s'}]}",
                name, correlation, correlation + 1);
    ask_missing("responses[0].command");
    ask_missing("responses[1].correlationData");
    ask_text("responses[1].errorCode", "InvalidRequestException");
    ask_text("responses[2].correlationData", correlation + 1);
    ask_count("responses[2].data.things", 0);
}

static void message_that_cannot_be_read_has_one_response(void **state)
{
    static const struct {
        const char *text, *said;
        unsigned line;
        const char *path; /* NULL: none */
    } cases[] = {
        { "", "", 1, NULL },
        { "x", "", 1, NULL },
        { "{\"commands\":[", "", 1, NULL },
        { "[]", "a message is an object with \"commands\"", 1, NULL },
        { "{}", "a message is an object with \"commands\"", 1, NULL },
        { "{\n\"command\":[]}", "a message is an object with \"commands\"", 1, NULL },
        { "{\"commands\":7}", "must be an array", 1, "commands" },
        { "{\"commands\":[],\n\"more\":1}", "nothing else", 2, "more" },
        { "{\"commands\":[{\"command\":\"listThings\",\"command\":\"listThings\"}]}",
          "the same key twice", 1, "commands[0].command" },
        { "{\"commands\":[{\"command\":\"createThing\",\"thingName\":\"a\\u0000b\"}]}", "", 1,
          NULL },
    };
    struct reg *r = *state;

    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        ask_message_text(r, S(cases[i].text));
        ask_count("responses", 1);
        ask_missing("responses[0].command");
        ask_text("responses[0].errorCode", "InvalidRequestException");
        ask_number("responses[0].line", cases[i].line);
        assert_non_null(strstr(cJSON_GetStringValue(ask_at("responses[0].error")), cases[i].said));
        if (cases[i].path != NULL)
            ask_text("responses[0].path", cases[i].path);
        else
            ask_missing("responses[0].path");
    }
}

static void no_commands_have_no_responses(void **state)
{
    struct reg *r = *state;

    ask_message(r, "{'commands':[]}");
    ask_count("responses", 0);
}

/* ---- many ------------------------------------------------------------------------------------ */

/* Creates n things. */
static void message_of(struct reg *r, int n)
{
    struct prov_buf text;

    prov_buf_init(&text, PROV_MAX_API_PAYLOAD);
    prov_buf_add_str(&text, "{\"commands\":[");
    for (int i = 0; i < n; i++) {
        prov_buf_add_str(&text, i == 0 ? "" : ",");
        prov_buf_addf(&text, "{\"command\":\"createThing\",\"thingName\":\"t%d\"}", i);
    }
    prov_buf_add_str(&text, "]}");
    assert_int_equal(text.rc, PROV_OK);
    ask_message_text(r, prov_buf_span(&text));
    prov_buf_release(&text);
}

static void as_many_commands_as_allowed_are_carried_out(void **state)
{
    struct reg *r = *state;
    uint64_t n;

    message_of(r, PROV_MAX_API_COMMANDS);
    ask_count("responses", PROV_MAX_API_COMMANDS);
    ask_text("responses[249].data.thingName", "t249");
    reg_ok(r, prov_list_count(&r->tx, PROV_LIST_THINGS, &n));
    assert_int_equal(n, PROV_MAX_API_COMMANDS);
}

static void one_command_too_many_and_none_is_carried_out(void **state)
{
    struct reg *r = *state;
    uint64_t n;

    message_of(r, PROV_MAX_API_COMMANDS + 1);
    ask_count("responses", 1);
    ask_text("responses[0].error", "251 commands; 250 are allowed in a message");
    ask_text("responses[0].errorClass", "too-big");
    reg_ok(r, prov_list_count(&r->tx, PROV_LIST_THINGS, &n));
    assert_int_equal(n, 0);
}

static void message_too_large_is_answered_so(void **state)
{
    struct reg *r = *state;
    struct prov_buf text;

    prov_buf_init(&text, PROV_MAX_API_PAYLOAD + 16);
    while (text.n <= PROV_MAX_API_PAYLOAD)
        prov_buf_add_u8(&text, ' ');
    ask_message_text(r, prov_buf_span(&text));
    ask_text("responses[0].errorClass", "too-big");
    prov_buf_release(&text);
}

static void more_values_than_commands_can_use_are_not_even_read(void **state)
{
    struct reg *r = *state;
    struct prov_buf text;

    prov_buf_init(&text, PROV_MAX_API_PAYLOAD);
    prov_buf_add_str(&text, "{\"commands\":[\"\\\",\"");
    while (text.n < 200000)
        prov_buf_add_str(&text, ",1");
    prov_buf_add_str(&text, "]}");
    ask_message_text(r, prov_buf_span(&text));
    ask_text("responses[0].error", "more than 65536 values in a message");
    prov_buf_release(&text);
}

/* A policy's text is one value, whatever it holds. */
static void commas_in_texts_are_not_counted(void **state)
{
    struct reg *r = *state;
    struct prov_buf text;

    prov_buf_init(&text, PROV_MAX_API_PAYLOAD);
    prov_buf_add_str(&text, "{\"commands\":[{\"command\":\"createPolicy\",\"policyName\":\"p\","
                            "\"policyDocument\":\"\\\"");
    while (text.n < 200000)
        prov_buf_add_str(&text, ",,,,,,,,");
    prov_buf_add_str(&text, "\"}]}");
    ask_message_text(r, prov_buf_span(&text));
    ask_text("responses[0].command", "createPolicy");
    ask_text("responses[0].errorCode", "MalformedPolicyException");
    prov_buf_release(&text);
}

static const struct CMUnitTest api_batch[] = {
    ASK_TEST(commands_are_answered_in_order_with_their_correlation),
    ASK_TEST(command_without_an_answer_has_no_data),
    ASK_TEST(failed_command_has_an_error_and_no_data),
    ASK_TEST(mistake_in_a_document_has_its_place_there),
    ASK_TEST(mistake_in_the_request_has_its_field),
    ASK_TEST(bad_frames_are_answered_one_by_one),
    ASK_TEST(what_is_too_long_is_not_told_again),
    ASK_TEST(message_that_cannot_be_read_has_one_response),
    ASK_TEST(no_commands_have_no_responses),
    ASK_TEST(as_many_commands_as_allowed_are_carried_out),
    ASK_TEST(one_command_too_many_and_none_is_carried_out),
    ASK_TEST(message_too_large_is_answered_so),
    ASK_TEST(more_values_than_commands_can_use_are_not_even_read),
    ASK_TEST(commas_in_texts_are_not_counted),
};

REG_MAIN(api_batch)
