/*
 * OverrideSettings (reference 2.5) from the template's text to what the registry holds afterwards:
 * every property, in both spellings, with every setting and without, on what is new and on what
 * exists.
 */
#include "support/reg_fixture.h"

#include "core/reg.h"

enum setting { ABSENT, DO_NOTHING, REPLACE, FAIL, MERGE, SETTINGS };

static const char *const names[SETTINGS] = { NULL, "DO_NOTHING", "REPLACE", "FAIL", "MERGE" };

#define ILLEGAL "illegal"   /* refused when the template is stored */
#define CONFLICT "conflict" /* ResourceConflictsException when it runs */

struct property {
    const char *spelled[2];           /* as the examples have it, as the documentation lists it */
    const char *resource;             /* with %s for ",'OverrideSettings':{…}" or nothing */
    const char *fresh;                /* the registry afterwards, when nothing existed */
    const char *afterwards[SETTINGS]; /* when it did */
};

#define THING(p)                                                                                   \
    "'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':'t'," p "}%s},"                       \
    "'c':{'Type':'AWS::IoT::Certificate','Properties':{'CertificateId':{'Ref':"                    \
    "'AWS::IoT::Certificate::Id'}}}"
#define CERTIFICATE(p)                                                                             \
    "'c':{'Type':'AWS::IoT::Certificate','Properties':{'CertificateId':{'Ref':"                    \
    "'AWS::IoT::Certificate::Id'}" p "}%s}"
#define OLD "x a=1,b=2 g,h B ACTIVE"

static const struct property properties[] = {
    { { "AttributePayload", "ATTRIBUTE_PAYLOAD" },
      THING("'AttributePayload':{'b':'3','c':'4'}"),
      "- b=3,c=4 - - ACTIVE",
      { "x a=1,b=3,c=4 g,h B ACTIVE", OLD, "x b=3,c=4 g,h B ACTIVE", CONFLICT,
        "x a=1,b=3,c=4 g,h B ACTIVE" } },
    { { "ThingTypeName", "THING_TYPE_NAME" },
      THING("'ThingTypeName':'y'"),
      "y - - - ACTIVE",
      { "y a=1,b=2 g,h B ACTIVE", OLD, "y a=1,b=2 g,h B ACTIVE", CONFLICT, ILLEGAL } },
    { { "ThingGroups", "THING_GROUPS" },
      THING("'ThingGroups':['h','k']"),
      "- - h,k - ACTIVE",
      { OLD, OLD, "x a=1,b=2 h,k B ACTIVE", CONFLICT, "x a=1,b=2 g,h,k B ACTIVE" } },
    { { "BillingGroup", "BILLING_GROUP" },
      THING("'BillingGroup':'C'"),
      "- - - C ACTIVE",
      { "x a=1,b=2 g,h C ACTIVE", OLD, "x a=1,b=2 g,h C ACTIVE", CONFLICT, ILLEGAL } },
    { { "Status", "Status" },
      CERTIFICATE(",'Status':'INACTIVE'"),
      "INACTIVE",
      { "x a=1,b=2 g,h B INACTIVE", OLD, "x a=1,b=2 g,h B INACTIVE", CONFLICT, ILLEGAL } },
};

/* ---- the registry before and after ----------------------------------------------------------- */

static void furnish(struct reg *r)
{
    reg_type(r, "x");
    reg_type(r, "y");
    reg_group(r, "g", NULL);
    reg_group(r, "h", NULL);
    reg_group(r, "k", NULL);
    reg_ok(r, prov_billing_create(&r->tx, S("B"), NONE));
    reg_ok(r, prov_billing_create(&r->tx, S("C"), NONE));
}

static void old_thing(struct reg *r)
{
    const struct prov_attr attrs[] = { { S("a"), S("1") }, { S("b"), S("2") } };

    reg_ok(r, prov_thing_create(&r->tx, S("t"), S("x"), attrs, 2));
    reg_ok(r, prov_group_add(&r->tx, S("g"), S("t")));
    reg_ok(r, prov_group_add(&r->tx, S("h"), S("t")));
    reg_ok(r, prov_billing_add(&r->tx, S("B"), S("t")));
}

static struct prov_id certificate(struct reg *r, bool existed)
{
    const struct prov_id id = reg_cert(r);

    if (!existed) /* as a first contact, or CreateCertificateFromCsr, leaves it */
        reg_raw_status(r, &id, PROV_CERT_PENDING_ACTIVATION);
    return id;
}

static int by_name(const void *a, const void *b)
{
    return prov_span_cmp(((const struct prov_attr *)a)->name, ((const struct prov_attr *)b)->name);
}

/* "type attributes groups billing-group status"; the status alone when there is no thing. */
static const char *registry_text(struct reg *r, const struct prov_id *id)
{
    static char out[512];
    struct prov_thing thing;
    struct prov_cert cert;
    size_t n = 0;

    reg_ok(r, prov_cert_get(&r->tx, id, &cert));
    if (reg_exists(&r->tx, REG_THING, S("t")) != PROV_OK)
        return prov_cert_status_name(cert.status);
    reg_ok(r, prov_thing_get(&r->tx, S("t"), &thing));
    qsort(thing.attrs, thing.n_attrs, sizeof thing.attrs[0], by_name);
#define PUT(...) n += (size_t)snprintf(out + n, sizeof out - n, __VA_ARGS__)
    PUT("%.*s ", PROV_SPAN_ARG(thing.type.n != 0 ? thing.type : PROV_LIT("-")));
    for (size_t i = 0; i < thing.n_attrs; i++)
        PUT("%s%.*s=%.*s", i != 0 ? "," : "", PROV_SPAN_ARG(thing.attrs[i].name),
            PROV_SPAN_ARG(thing.attrs[i].value));
    PUT("%s ", thing.n_attrs == 0 ? "-" : "");
    for (size_t i = 0; i < thing.n_groups; i++)
        PUT("%s%.*s", i != 0 ? "," : "", PROV_SPAN_ARG(thing.groups[i]));
    PUT("%s ", thing.n_groups == 0 ? "-" : "");
    PUT("%.*s %s", PROV_SPAN_ARG(thing.billing_group.n != 0 ? thing.billing_group : PROV_LIT("-")),
        prov_cert_status_name(cert.status));
#undef PUT
    return out;
}

/* ---- from the text to the registry ----------------------------------------------------------- */

static struct prov_span template_text(struct reg *r, const struct property *p, const char *spelled,
                                      enum setting setting)
{
    char settings[128] = "", resource[1024], text[2048];

    if (setting != ABSENT)
        (void)snprintf(settings, sizeof settings, ",'OverrideSettings':{'%s':'%s'}", spelled,
                       names[setting]);
    /* the only conversion in these texts is the %s */
    const char *at = strstr(p->resource, "%s");

    assert_non_null(at);
    (void)snprintf(resource, sizeof resource, "%.*s%s%s", (int)(at - p->resource), p->resource,
                   settings, at + 2);
    (void)snprintf(text, sizeof text, "{'Resources':{%s}}", resource);
    return reg_json(r, text);
}

static enum prov_rc provision(struct reg *r, struct prov_span json, const struct prov_id *id)
{
    char hex[PROV_ID_HEX + 1] = "";
    const struct prov_param self = { PROV_LIT(PROV_PARAM_CERTIFICATE_ID),
                                     prov_span(hex, PROV_ID_HEX) };
    struct prov_template *tpl;
    struct prov_plan *plan = NULL;
    enum prov_rc rc;

    prov_id_hex(id, hex);
    reg_ok(r, prov_template_parse(json, PROV_TEMPLATE_FLEET, &tpl, &r->err));
    reg_ok(r, prov_template_eval(tpl, (struct prov_params){ &self, 1 }, &plan, &r->err));
    rc = prov_plan_apply(&r->tx, id, plan);
    prov_plan_free(plan);
    prov_template_free(tpl);
    return rc;
}

static void refused_when_stored(struct reg *r, struct prov_span json)
{
    const struct prov_template_creation creation = { .name = S("x"),
                                                     .body = json,
                                                     .type = PROV_TEMPLATE_FLEET };

    reg_refused(r, prov_template_create(&r->tx, &creation), PROV_EINVAL, "InvalidRequestException");
}

static void try_one(struct reg *r, const struct property *p, const char *spelled,
                    enum setting setting, bool existed)
{
    const char *wanted = existed ? p->afterwards[setting] : p->fresh;
    const struct prov_span json = template_text(r, p, spelled, setting);
    char *before, *after;
    struct prov_id id;

    if (strcmp(p->afterwards[setting], ILLEGAL) == 0) {
        refused_when_stored(r, json);
        return;
    }
    if (existed)
        old_thing(r);
    id = certificate(r, existed);
    if (existed && strcmp(wanted, CONFLICT) == 0) {
        before = reg_dump(r);
        reg_refused(r, provision(r, json, &id), PROV_ECONFLICT, "ResourceConflictsException");
        after = reg_dump(r);
        assert_string_equal(before, after);
        free(before);
        free(after);
    } else {
        reg_ok(r, provision(r, json, &id));
        assert_string_equal(registry_text(r, &id), wanted);
        assert_string_equal(reg_problems(r), "");
    }
    reg_abort(r);
}

static void every_setting_does_what_it_says_in_both_spellings(void **state)
{
    struct reg *r = *state;
    unsigned n = 0;

    furnish(r);
    reg_commit(r);
    for (size_t p = 0; p < PROV_COUNT(properties); p++) {
        for (int spelling = 0; spelling < 2; spelling++) {
            for (int s = ABSENT; s < SETTINGS; s++) {
                for (int existed = 0; existed < 2; existed++, n++) {
                    const char *spelled = properties[p].spelled[spelling];

                    print_message("%s %s %s\n", spelled, s == ABSENT ? "absent" : names[s],
                                  existed ? "exists" : "is new");
                    try_one(r, &properties[p], spelled, (enum setting)s, existed);
                }
            }
        }
    }
    assert_int_equal(n, 100);
}

/* Settings are for properties: one about the attributes says nothing about the groups. */
static void setting_of_one_property_leaves_the_others(void **state)
{
    static const char all[] =
        "{'Resources':{'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':'t',"
        "'AttributePayload':{'b':'3'},'ThingTypeName':'y','ThingGroups':['k'],'BillingGroup':'C'},"
        "'OverrideSettings':{'AttributePayload':'REPLACE','THING_TYPE_NAME':'DO_NOTHING',"
        "'ThingGroups':'MERGE'}}}}";
    struct reg *r = *state;
    struct prov_id id;

    furnish(r);
    old_thing(r);
    id = certificate(r, true);
    reg_ok(r, provision(r, reg_json(r, all), &id));
    assert_string_equal(registry_text(r, &id), "x b=3 g,h,k C ACTIVE");
}

static const struct CMUnitTest template_override[] = {
    REG_TEST(every_setting_does_what_it_says_in_both_spellings),
    REG_TEST(setting_of_one_property_leaves_the_others),
};
REG_MAIN(template_override)
