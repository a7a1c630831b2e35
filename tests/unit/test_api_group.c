/* The control API's operations on thing groups, thing types and billing groups. */
#include "support/api_case.h"

#define ARN "arn:aws:iot:local:000000000000:"

/* ---- groups ---------------------------------------------------------------------------------- */

static void groups_are_made_below_each_other_and_listed(void **state)
{
    struct reg *r = *state;

    ask_ok(r, "createThingGroup",
           "{'thingGroupName':'europe','thingGroupProperties':{'thingGroupDescription':'all'}}");
    ask_text("thingGroupArn", ARN "thinggroup/europe");
    ask_text("thingGroupProperties.thingGroupDescription", "all");
    ask_ok(r, "createThingGroup", "{'thingGroupName':'berlin','parentGroupName':'europe'}");
    ask_text("thingGroupMetadata.parentGroupName", "europe");
    ask_ok(r, "createThingGroup", "{'thingGroupName':'bern','parentGroupName':'europe'}");
    ask_ok(r, "createThingGroup", "{'thingGroupName':'asia'}");
    ask_ok(r, "listThingGroups", "{}");
    assert_string_equal(ask_each("thingGroups", "groupName"), "asia berlin bern europe");
    ask_ok(r, "listThingGroups", "{'parentGroup':'europe','recursive':false}");
    assert_string_equal(ask_each("thingGroups", "groupName"), "berlin bern");
    ask_ok(r, "listThingGroups", "{'namePrefixFilter':'ber'}");
    assert_string_equal(ask_each("thingGroups", "groupName"), "berlin bern");
    ask_ok(r, "listThingGroups", "{'namePrefixFilter':'bern'}");
    assert_string_equal(ask_each("thingGroups", "groupName"), "bern");
    ask_ok(r, "listThingGroups", "{'namePrefixFilter':'c'}");
    ask_count("thingGroups", 0);
    ask_refused(r, "listThingGroups", PROV_EINVAL, "InvalidRequestException",
                "{'parentGroup':'europe','recursive':true}");
    ask_refused(r, "listThingGroups", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'parentGroup':'mars'}");
    ask_refused(r, "createThingGroup", PROV_ECONFLICT, "ResourceAlreadyExistsException",
                "{'thingGroupName':'asia','parentGroupName':'europe'}");
    ask_refused(r, "createThingGroup", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'thingGroupName':'olympus','parentGroupName':'mars'}");
}

static void group_is_deleted_by_the_rules(void **state)
{
    struct reg *r = *state;

    reg_group(r, "g", NULL);
    reg_group(r, "h", "g");
    ask_refused(r, "deleteThingGroup", PROV_EDENIED, "InvalidRequestException",
                "{'thingGroupName':'g'}");
    ask_refused(r, "deleteThingGroup", PROV_ECONFLICT, "VersionConflictException",
                "{'thingGroupName':'h','expectedVersion':99}");
    ask_ok(r, "deleteThingGroup", "{'thingGroupName':'h'}");
    assert_null(ask_data());
    ask_ok(r, "describeThingGroup", "{'thingGroupName':'g'}");
    ask_ok(r, "deleteThingGroup", "{'thingGroupName':'g','expectedVersion':%d}",
           (int)ask_at("version")->valuedouble);
    ask_refused(r, "describeThingGroup", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'thingGroupName':'g'}");
    ask_refused(r, "deleteThingGroup", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'thingGroupName':'g'}");
}

static void things_come_and_go_in_groups(void **state)
{
    struct reg *r = *state;

    reg_group(r, "g", NULL);
    reg_thing(r, "a");
    reg_thing(r, "b");
    ask_ok(r, "addThingToThingGroup", "{'thingGroupName':'g','thingName':'b'}");
    ask_ok(r, "addThingToThingGroup", "{'thingGroupName':'g','thingName':'a'}");
    ask_ok(r, "listThingsInThingGroup", "{'thingGroupName':'g'}");
    assert_string_equal(ask_each("things", NULL), "a b");
    ask_ok(r, "listThingGroupsForThing", "{'thingName':'a'}");
    ask_text("thingGroups[0].groupArn", ARN "thinggroup/g");
    ask_ok(r, "removeThingFromThingGroup", "{'thingGroupName':'g','thingName':'a'}");
    ask_ok(r, "listThingsInThingGroup", "{'thingGroupName':'g'}");
    assert_string_equal(ask_each("things", NULL), "b");
    ask_refused(r, "addThingToThingGroup", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'thingGroupName':'none','thingName':'a'}");
    ask_refused(r, "addThingToThingGroup", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'thingGroupName':'g','thingName':'none'}");
    ask_refused(r, "listThingsInThingGroup", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'thingGroupName':'none'}");
    ask_refused(r, "listThingsInThingGroup", PROV_EINVAL, "InvalidRequestException",
                "{'thingGroupName':'g','recursive':true}");
    ask_refused(r, "listThingGroupsForThing", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'thingName':'none'}");
}

/* ---- types ----------------------------------------------------------------------------------- */

static void type_lives_is_deprecated_and_goes(void **state)
{
    struct reg *r = *state;

    ask_ok(r, "createThingType",
           "{'thingTypeName':'sensor','thingTypeProperties':{'thingTypeDescription':'rooms',"
           "'searchableAttributes':['site','floor']}}");
    ask_text("thingTypeProperties.searchableAttributes[1]", "floor");
    ask_refused(r, "createThingType", PROV_EINVAL, "InvalidRequestException",
                "{'thingTypeName':'x','thingTypeProperties':"
                "{'searchableAttributes':['a','b','c','d']}}");
    ask_refused(r, "createThingType", PROV_ECONFLICT, "ResourceAlreadyExistsException",
                "{'thingTypeName':'sensor'}");
    ask_ok(r, "createThingType", "{'thingTypeName':'sensors'}");
    ask_ok(r, "listThingTypes", "{}");
    assert_string_equal(ask_each("thingTypes", "thingTypeName"), "sensor sensors");
    ask_ok(r, "listThingTypes", "{'thingTypeName':'sensor'}");
    assert_string_equal(ask_each("thingTypes", "thingTypeName"), "sensor");
    ask_ok(r, "listThingTypes", "{'thingTypeName':'senso'}");
    ask_count("thingTypes", 0);
    ask_refused(r, "deleteThingType", PROV_EDENIED, "InvalidRequestException",
                "{'thingTypeName':'sensor'}");
    ask_ok(r, "deprecateThingType", "{'thingTypeName':'sensor'}");
    ask_ok(r, "describeThingType", "{'thingTypeName':'sensor'}");
    ask_bool("thingTypeMetadata.deprecated", true);
    ask_ok(r, "deprecateThingType", "{'thingTypeName':'sensor','undoDeprecate':true}");
    ask_ok(r, "describeThingType", "{'thingTypeName':'sensor'}");
    ask_bool("thingTypeMetadata.deprecated", false);
    ask_ok(r, "deprecateThingType", "{'thingTypeName':'sensor'}");
    ask_ok(r, "deleteThingType", "{'thingTypeName':'sensor'}");
    ask_refused(r, "describeThingType", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'thingTypeName':'sensor'}");
}

/* ---- billing groups -------------------------------------------------------------------------- */

static void billing_group_takes_things_and_lets_them_go(void **state)
{
    struct reg *r = *state;

    ask_ok(r, "createBillingGroup",
           "{'billingGroupName':'a','billingGroupProperties':{'billingGroupDescription':'who'}}");
    ask_text("billingGroupProperties.billingGroupDescription", "who");
    ask_ok(r, "createBillingGroup", "{'billingGroupName':'b'}");
    reg_thing(r, "t");
    ask_ok(r, "addThingToBillingGroup", "{'billingGroupName':'a','thingName':'t'}");
    ask_ok(r, "listThingsInBillingGroup", "{'billingGroupName':'a'}");
    assert_string_equal(ask_each("things", NULL), "t");
    ask_ok(r, "addThingToBillingGroup", "{'billingGroupName':'b','thingName':'t'}");
    ask_ok(r, "listThingsInBillingGroup", "{'billingGroupName':'a'}");
    ask_count("things", 0);
    ask_ok(r, "removeThingFromBillingGroup", "{'billingGroupName':'a','thingName':'t'}");
    ask_ok(r, "listThingsInBillingGroup", "{'billingGroupName':'b'}");
    assert_string_equal(ask_each("things", NULL), "t");
    ask_ok(r, "removeThingFromBillingGroup", "{'billingGroupName':'b','thingName':'t'}");
    ask_ok(r, "describeThing", "{'thingName':'t'}");
    ask_missing("billingGroupName");
    ask_ok(r, "listBillingGroups", "{'namePrefixFilter':'b'}");
    assert_string_equal(ask_each("billingGroups", "groupName"), "b");
    ask_ok(r, "deleteBillingGroup", "{'billingGroupName':'b'}");
    ask_ok(r, "listBillingGroups", "{}");
    assert_string_equal(ask_each("billingGroups", "groupName"), "a");
}

static void billing_group_that_is_none_is_refused(void **state)
{
    struct reg *r = *state;

    reg_thing(r, "t");
    ask_ok(r, "createBillingGroup", "{'billingGroupName':'a'}");
    ask_refused(r, "createBillingGroup", PROV_ECONFLICT, "ResourceAlreadyExistsException",
                "{'billingGroupName':'a','billingGroupProperties':"
                "{'billingGroupDescription':'other'}}");
    ask_refused(r, "addThingToBillingGroup", PROV_EINVAL, "InvalidRequestException",
                "{'billingGroupName':'','thingName':'t'}");
    ask_refused(r, "addThingToBillingGroup", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'billingGroupName':'none','thingName':'t'}");
    ask_refused(r, "removeThingFromBillingGroup", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'billingGroupName':'none','thingName':'t'}");
    ask_refused(r, "removeThingFromBillingGroup", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'billingGroupName':'a','thingName':'none'}");
    ask_refused(r, "listThingsInBillingGroup", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'billingGroupName':'none'}");
    ask_refused(r, "describeBillingGroup", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'billingGroupName':'none'}");
    ask_refused(r, "deleteBillingGroup", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'billingGroupName':'none'}");
}

static const struct CMUnitTest api_group[] = {
    ASK_TEST(groups_are_made_below_each_other_and_listed),
    ASK_TEST(group_is_deleted_by_the_rules),
    ASK_TEST(things_come_and_go_in_groups),
    ASK_TEST(type_lives_is_deprecated_and_goes),
    ASK_TEST(billing_group_takes_things_and_lets_them_go),
    ASK_TEST(billing_group_that_is_none_is_refused),
};

REG_MAIN(api_group)
