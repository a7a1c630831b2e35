/* The control API's operations on things and their certificates (reference 7). */
#include "support/api_case.h"

#define ARN "arn:aws:iot:local:000000000000:"

/* ---- things ---------------------------------------------------------------------------------- */

static void thing_is_created_with_all_that_is_given(void **state)
{
    struct reg *r = *state;

    reg_type(r, "sensor");
    ask_ok(r, "createBillingGroup", "{'billingGroupName':'b'}");
    ask_ok(r, "createThing",
           "{'thingName':'t','thingTypeName':'sensor','billingGroupName':'b',"
           "'attributePayload':{'attributes':{'site':'berlin','floor':'3'},'merge':true}}");
    ask_text("thingArn", ARN "thing/t");
    ask_text("thingTypeName", "sensor");
    ask_text("billingGroupName", "b");
    ask_keys("attributes", "site floor");
    ask_number("version", 1);
    assert_int_equal(strlen(cJSON_GetStringValue(ask_at("thingId"))), 36);
    ask_ok(r, "describeThing", "{'thingName':'t'}");
    ask_text("attributes.floor", "3");
}

static void thing_that_cannot_be_is_refused(void **state)
{
    struct reg *r = *state;

    reg_thing(r, "t");
    ask_ok(r, "createThing", "{'thingName':'t'}"); /* again the same */
    ask_refused(r, "createThing", PROV_ECONFLICT, "ResourceAlreadyExistsException",
                "{'thingName':'t','attributePayload':{'attributes':{'a':'b'}}}");
    ask_refused(r, "createThing", PROV_EINVAL, "InvalidRequestException", "{'thingName':''}");
    ask_refused(r, "createThing", PROV_EINVAL, "InvalidRequestException", "{'thingName':'a b'}");
    ask_refused(r, "createThing", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'thingName':'u','thingTypeName':'none'}");
    ask_refused(r, "createThing", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'thingName':'u','billingGroupName':'none'}");
    ask_refused(r, "describeThing", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'thingName':'u'}");
    assert_string_equal(reg_list(r, PROV_LIST_THINGS, NONE, NONE), "t");
}

static void more_attributes_than_any_thing_has_are_refused(void **state)
{
    struct reg *r = *state;
    struct prov_buf attrs;

    prov_buf_init(&attrs, 4096);
    for (int i = 0; i <= PROV_MAX_ATTRS; i++)
        prov_buf_addf(&attrs, "%s'a%d':'v'", i == 0 ? "" : ",", i);
    ask_refused(r, "createThing", PROV_EINVAL, "InvalidRequestException",
                "{'thingName':'t','attributePayload':{'attributes':{%s}}}", prov_buf_cstr(&attrs));
    ask_place("attributePayload.attributes", 0);
    prov_buf_release(&attrs);
}

static void attributes_are_replaced_or_merged(void **state)
{
    struct reg *r = *state;

    ask_ok(r, "createThing",
           "{'thingName':'t','attributePayload':{'attributes':{'a':'1','b':'2'}}}");
    ask_ok(r, "updateThing",
           "{'thingName':'t','attributePayload':{'attributes':{'b':'','c':'3'},"
           "'merge':true}}");
    ask_keys("attributes", "a c");
    ask_ok(r, "updateThing", "{'thingName':'t','attributePayload':{'attributes':{'d':'4'}}}");
    ask_keys("attributes", "d");
    ask_number("version", 3);
    ask_ok(r, "updateThing", "{'thingName':'t','attributePayload':{}}");
    ask_keys("attributes", "");
}

static void update_without_attributes_keeps_them(void **state)
{
    struct reg *r = *state;

    reg_type(r, "sensor");
    ask_ok(r, "createBillingGroup", "{'billingGroupName':'b'}");
    ask_ok(r, "createThing", "{'thingName':'t','attributePayload':{'attributes':{'a':'1'}}}");
    ask_ok(r, "updateThing", "{'thingName':'t','thingTypeName':'sensor','billingGroupName':'b'}");
    ask_text("thingTypeName", "sensor");
    ask_text("billingGroupName", "b");
    ask_text("attributes.a", "1");
    ask_ok(r, "updateThing", "{'thingName':'t','removeThingType':true,'removeBillingGroup':true}");
    ask_missing("thingTypeName");
    ask_missing("billingGroupName");
    ask_refused(r, "updateThing", PROV_EINVAL, "InvalidRequestException",
                "{'thingName':'t','thingTypeName':'sensor','removeThingType':true}");
    ask_refused(r, "updateThing", PROV_EINVAL, "InvalidRequestException",
                "{'thingName':'t','billingGroupName':'b','removeBillingGroup':true}");
}

static void version_that_has_moved_is_a_conflict(void **state)
{
    struct reg *r = *state;

    reg_thing(r, "t");
    ask_ok(r, "updateThing",
           "{'thingName':'t','expectedVersion':1,"
           "'attributePayload':{'attributes':{'a':'1'}}}");
    ask_refused(r, "updateThing", PROV_ECONFLICT, "VersionConflictException",
                "{'thingName':'t','expectedVersion':1}");
    ask_refused(r, "deleteThing", PROV_ECONFLICT, "VersionConflictException",
                "{'thingName':'t','expectedVersion':1}");
    ask_ok(r, "deleteThing", "{'thingName':'t','expectedVersion':2}");
    ask_bool("deleted", true);
}

static void thing_that_is_gone_is_deleted_and_told_so(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);

    reg_thing(r, "t");
    ask_ok(r, "attachThingPrincipal", "{'thingName':'t','principal':'%s'}", ask_hex(&id));
    ask_refused(r, "deleteThing", PROV_EDENIED, "InvalidRequestException", "{'thingName':'t'}");
    ask_ok(r, "detachThingPrincipal", "{'thingName':'t','principal':'%s'}", ask_hex(&id));
    ask_ok(r, "deleteThing", "{'thingName':'t'}");
    ask_keys("", "thingName deleted");
    ask_bool("deleted", true);
    ask_ok(r, "deleteThing", "{'thingName':'t'}");
    ask_bool("deleted", false);
}

static void things_are_listed_by_what_they_have(void **state)
{
    static const struct {
        const char *filter, *names;
    } cases[] = {
        { "", "a b c" },
        { "'thingTypeName':'sensor'", "b c" },
        { "'thingGroupName':'g'", "a c" },
        { "'billingGroupName':'bill'", "b" },
        { "'thingGroupName':'g','thingTypeName':'sensor'", "c" },
        { "'attributeName':'site','attributeValue':'berlin'", "a" },
        { "'attributeName':'site','attributeValue':'ber'", "" },
        { "'attributeName':'site','attributeValue':'ber','usePrefixAttributeValue':true", "a b" },
        { "'attributeName':'floor','attributeValue':''", "" },
    };
    struct reg *r = *state;

    reg_type(r, "sensor");
    reg_group(r, "g", NULL);
    ask_ok(r, "createBillingGroup", "{'billingGroupName':'bill'}");
    ask_ok(r, "createThing",
           "{'thingName':'a','attributePayload':{'attributes':"
           "{'site':'berlin'}}}");
    ask_ok(r, "createThing",
           "{'thingName':'b','thingTypeName':'sensor','billingGroupName':'bill',"
           "'attributePayload':{'attributes':{'site':'bern'}}}");
    ask_ok(r, "createThing", "{'thingName':'c','thingTypeName':'sensor'}");
    ask_ok(r, "addThingToThingGroup", "{'thingGroupName':'g','thingName':'a'}");
    ask_ok(r, "addThingToThingGroup", "{'thingGroupName':'g','thingName':'c'}");
    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        ask_ok(r, "listThings", "{%s}", cases[i].filter);
        assert_string_equal(ask_each("things", "thingName"), cases[i].names);
    }
}

static void filter_that_cannot_be_meant_is_refused(void **state)
{
    struct reg *r = *state;

    ask_refused(r, "listThings", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'thingTypeName':'none'}");
    ask_refused(r, "listThings", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'thingGroupName':'none'}");
    ask_refused(r, "listThings", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'billingGroupName':'none'}");
    ask_refused(r, "listThings", PROV_EINVAL, "InvalidRequestException",
                "{'thingGroupName':'g','billingGroupName':'b'}");
    ask_refused(r, "listThings", PROV_EINVAL, "InvalidRequestException", "{'attributeName':'a'}");
    ask_refused(r, "listThings", PROV_EINVAL, "InvalidRequestException", "{'attributeValue':'a'}");
    ask_refused(r, "listThings", PROV_EINVAL, "InvalidRequestException",
                "{'usePrefixAttributeValue':true}");
}

/* ---- principals ------------------------------------------------------------------------------ */

static void certificate_is_attached_as_asked_and_told_so(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);
    char arn[160];

    (void)snprintf(arn, sizeof arn, ARN "cert/%s", ask_hex(&id));
    reg_thing(r, "t");
    reg_thing(r, "u");
    ask_ok(r, "attachThingPrincipal", "{'thingName':'t','principal':'%.8s'}", ask_hex(&id));
    ask_keys("", "thingName principal thingPrincipalType");
    ask_text("principal", arn);
    ask_text("thingPrincipalType", "NON_EXCLUSIVE_THING");
    ask_ok(r, "attachThingPrincipal",
           "{'thingName':'t','principal':'%s','thingPrincipalType':'EXCLUSIVE_THING'}", arn);
    ask_text("thingPrincipalType", "EXCLUSIVE_THING");
    ask_ok(r, "attachThingPrincipal", "{'thingName':'t','principal':'%s'}", arn);
    ask_text("thingPrincipalType", "EXCLUSIVE_THING");
    ask_refused(r, "attachThingPrincipal", PROV_ECONFLICT, "InvalidRequestException",
                "{'thingName':'u','principal':'%s'}", arn);
    ask_ok(r, "attachThingPrincipal",
           "{'thingName':'t','principal':'%s','thingPrincipalType':'NON_EXCLUSIVE_THING'}", arn);
    ask_text("thingPrincipalType", "NON_EXCLUSIVE_THING");
    ask_refused(r, "attachThingPrincipal", PROV_EINVAL, "InvalidRequestException",
                "{'thingName':'t','principal':'%s','thingPrincipalType':'SHARED'}", arn);
    ask_ok(r, "listThingPrincipals", "{'thingName':'t'}");
    assert_string_equal(ask_each("principals", NULL), arn);
    ask_ok(r, "detachThingPrincipal", "{'thingName':'t','principal':'%s'}", arn);
    ask_keys("", "thingName principal");
    ask_refused(r, "detachThingPrincipal", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'thingName':'t','principal':'%s'}", arn);
    assert_string_equal(reg_problems(r), "");
}

static void certificate_is_handed_from_one_thing_to_another(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);

    reg_thing(r, "t");
    reg_thing(r, "u");
    ask_refused(r, "transferThingPrincipal", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'thingName':'t','toThingName':'u','principal':'%s'}", ask_hex(&id));
    ask_ok(r, "attachThingPrincipal",
           "{'thingName':'t','principal':'%s','thingPrincipalType':'EXCLUSIVE_THING'}",
           ask_hex(&id));
    ask_ok(r, "transferThingPrincipal",
           "{'thingName':'t','toThingName':'u','principal':'%.8s',"
           "'thingPrincipalType':'EXCLUSIVE_THING'}",
           ask_hex(&id));
    ask_text("thingName", "u");
    ask_text("thingPrincipalType", "EXCLUSIVE_THING");
    ask_ok(r, "listThingPrincipals", "{'thingName':'t'}");
    ask_count("principals", 0);
    ask_ok(r, "listPrincipalThings", "{'principal':'%s'}", ask_hex(&id));
    assert_string_equal(ask_each("things", NULL), "u");
    assert_string_equal(reg_problems(r), "");
}

static void reset_retires_what_the_last_owner_had(void **state)
{
    static const struct {
        const char *rest, *status; /* NULL: gone */
    } cases[] = {
        { "", "REVOKED" },
        { ",'certificates':'REVOKE'", "REVOKED" },
        { ",'certificates':'DEACTIVATE'", "INACTIVE" },
        { ",'certificates':'DELETE'", NULL },
    };
    struct reg *r = *state;

    reg_policy(r, "p");
    reg_group(r, "g", NULL);
    reg_thing(r, "t");
    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        const struct prov_id id = reg_cert(r);

        ask_ok(r, "attachPolicy", "{'policyName':'p','target':'%s'}", ask_hex(&id));
        ask_ok(r, "attachThingPrincipal", "{'thingName':'t','principal':'%s'}", ask_hex(&id));
        ask_ok(r, "addThingToThingGroup", "{'thingGroupName':'g','thingName':'t'}");
        ask_ok(r, "resetThing", "{'thingName':'t'%s}", cases[i].rest);
        ask_keys("", "thingName thingArn retiredCertificates detachedPolicies leftGroups");
        ask_number("retiredCertificates", 1);
        ask_number("detachedPolicies", 1);
        ask_number("leftGroups", 1);
        if (cases[i].status != NULL) {
            ask_ok(r, "describeCertificate", "{'certificateId':'%s'}", ask_hex(&id));
            ask_text("certificateDescription.status", cases[i].status);
            ask_count("policies", 0);
            ask_count("things", 0);
        } else {
            ask_refused(r, "describeCertificate", PROV_ENOTFOUND, "ResourceNotFoundException",
                        "{'certificateId':'%s'}", ask_hex(&id));
        }
    }
    assert_string_equal(reg_problems(r), "");
}

static void reset_keeps_groups_and_takes_shared_certificates_when_told(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);

    reg_group(r, "g", NULL);
    reg_thing(r, "t");
    reg_thing(r, "u");
    ask_ok(r, "addThingToThingGroup", "{'thingGroupName':'g','thingName':'t'}");
    ask_ok(r, "attachThingPrincipal", "{'thingName':'t','principal':'%s'}", ask_hex(&id));
    ask_ok(r, "attachThingPrincipal", "{'thingName':'u','principal':'%s'}", ask_hex(&id));
    ask_refused(r, "resetThing", PROV_EDENIED, "DeleteConflictException", "{'thingName':'t'}");
    ask_refused(r, "resetThing", PROV_EINVAL, "InvalidRequestException",
                "{'thingName':'t','certificates':'BURN'}");
    ask_said("REVOKE, DEACTIVATE or DELETE");
    ask_refused(r, "resetThing", PROV_ENOTFOUND, "ResourceNotFoundException", "{'thingName':'x'}");
    ask_ok(r, "resetThing", "{'thingName':'t','keepThingGroups':true,'includeShared':true}");
    ask_number("retiredCertificates", 1);
    ask_number("leftGroups", 0);
    ask_ok(r, "listThingGroupsForThing", "{'thingName':'t'}");
    assert_string_equal(ask_each("thingGroups", "groupName"), "g");
}

static const struct CMUnitTest api_thing[] = {
    ASK_TEST(thing_is_created_with_all_that_is_given),
    ASK_TEST(thing_that_cannot_be_is_refused),
    ASK_TEST(more_attributes_than_any_thing_has_are_refused),
    ASK_TEST(attributes_are_replaced_or_merged),
    ASK_TEST(update_without_attributes_keeps_them),
    ASK_TEST(version_that_has_moved_is_a_conflict),
    ASK_TEST(thing_that_is_gone_is_deleted_and_told_so),
    ASK_TEST(things_are_listed_by_what_they_have),
    ASK_TEST(filter_that_cannot_be_meant_is_refused),
    ASK_TEST(certificate_is_attached_as_asked_and_told_so),
    ASK_TEST(certificate_is_handed_from_one_thing_to_another),
    ASK_TEST(reset_retires_what_the_last_owner_had),
    ASK_TEST(reset_keeps_groups_and_takes_shared_certificates_when_told),
};

REG_MAIN(api_thing)
