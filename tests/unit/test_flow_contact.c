/* First contact: recorded, provisioned, activated (reference 6). */
#include "support/reg_fixture.h"

#include <openssl/x509v3.h>

#include "core/attempt.h"
#include "core/flow.h"
#include "core/ident.h"
#include "core/reg.h"
#include "support/alloc.h"

static struct prov_decision admit(struct reg *r, const struct pki_cert *leaf)
{
    struct prov_issuers *issuers;
    struct prov_decision d;
    struct prov_id id;

    assert_int_equal(prov_issuers_new(&issuers), PROV_OK);
    assert_int_equal(prov_ident_id(leaf->x509, &id), PROV_OK);
    reg_ok(r, prov_flow_admit(issuers, &r->tx, leaf->x509, &id, &d));
    prov_issuers_free(issuers);
    return d;
}

static void assert_decision(struct prov_decision d, enum prov_outcome outcome,
                            enum prov_reason reason)
{
    assert_int_equal(d.outcome, outcome);
    assert_string_equal(prov_reason_info(d.reason)->name, prov_reason_info(reason)->name);
}

static void spoil_issuer_names(X509 *cert)
{
    reg_spoil_extension(cert, NID_issuer_alt_name);
}

#define CERTIFICATE(status)                                                                        \
    "'c':{'Type':'AWS::IoT::Certificate','Properties':"                                            \
    "{'CertificateId':{'Ref':'AWS::IoT::Certificate::Id'}" status "}}"
#define NAMED_BY_CN "'Parameters':{'AWS::IoT::Certificate::CommonName':{'Type':'String'}},"
#define THING                                                                                      \
    "'t':{'Type':'AWS::IoT::Thing','Properties':{"                                                 \
    "'ThingName':{'Ref':'AWS::IoT::Certificate::CommonName'},'ThingGroups':['g'],"                 \
    "'AttributePayload':{'a':'1'}}}"
#define POLICY "'p':{'Type':'AWS::IoT::Policy','Properties':{'PolicyName':'p'}}"
#define TEMPLATE "{" NAMED_BY_CN "'Resources':{" CERTIFICATE("") "," THING "," POLICY "}}"
#define INACTIVE "{'Resources':{" CERTIFICATE(",'Status':'INACTIVE'") "}}"

/* A CA with the template, a device under it, and what the template refers to. */
struct scene {
    struct pki_cert ca, leaf;
    struct prov_id ca_id, id;
    struct prov_contact *contact;
};

static void scene_init(struct scene *s, struct reg *r, const char *template_name,
                       const char *subject)
{
    memset(s, 0, sizeof *s);
    reg_group(r, "g", NULL);
    reg_policy(r, "p");
    reg_template(r, "tpl", TEMPLATE);
    s->ca = reg_pki_ca(r, "/CN=Root");
    s->leaf = reg_pki_leaf(r, &s->ca, subject);
    s->ca_id = reg_ca(r, &s->ca, template_name);
    assert_int_equal(prov_ident_id(s->leaf.x509, &s->id), PROV_OK);
    reg_commit(r);
    (void)reg_feed(r);
}

static void scene_free(struct scene *s)
{
    prov_contact_free(s->contact);
    pki_free(&s->leaf);
    pki_free(&s->ca);
}

static enum prov_rc make_contact(const struct scene *s, prov_attempt_id attempt,
                                 struct prov_contact **out)
{
    const struct prov_decision d = { PROV_NEW, PROV_REASON_NONE, s->id, s->ca_id };
    const enum prov_rc rc = prov_contact_new(s->leaf.x509, &d, out);

    if (rc != PROV_OK)
        return rc;
    (*out)->attempt = attempt;
    (void)snprintf((*out)->client_id, sizeof(*out)->client_id, "dev-1");
    (void)snprintf((*out)->address, sizeof(*out)->address, "10.0.0.1");
    return PROV_OK;
}

/* The device connects: what the broker, a worker and then the writer do. */
static void arrive(struct scene *s, struct reg *r)
{
    static prov_attempt_id attempt;

    assert_decision(admit(r, &s->leaf), PROV_NEW, PROV_REASON_NONE);
    prov_contact_free(s->contact);
    assert_int_equal(make_contact(s, ++attempt, &s->contact), PROV_OK);
}

static void prepare(struct scene *s, struct reg *r)
{
    reg_read(r);
    reg_ok(r, prov_contact_prepare(s->contact, &r->tx));
    reg_write(r);
}

static void apply(struct scene *s, struct reg *r)
{
    reg_ok(r, prov_contact_apply(s->contact, &r->tx));
    reg_commit(r);
    assert_string_equal(reg_problems(r), "");
}

static void assert_reason(const struct scene *s, enum prov_reason reason)
{
    assert_string_equal(prov_reason_info(s->contact->reason)->name, prov_reason_info(reason)->name);
}

static bool newest_attempt(void *ctx, const struct prov_attempt *attempt)
{
    const struct scene *s = ctx;

    assert_true(attempt->id == s->contact->attempt);
    assert_int_equal(attempt->reason, s->contact->reason);
    assert_id(&attempt->cert, &s->id);
    assert_id(&attempt->ca, &s->ca_id);
    assert_span(attempt->client_id, "dev-1");
    assert_span(attempt->address, "10.0.0.1");
    assert_span(attempt->detail, s->contact->detail);
    return false;
}

static void assert_attempt(struct scene *s, struct reg *r)
{
    reg_ok(r, prov_attempt_each(&r->tx, newest_attempt, s));
}

/* -1: not recorded. */
static int status_of(const struct scene *s, struct reg *r)
{
    struct prov_cert cert;
    const enum prov_rc rc = prov_cert_get(&r->tx, &s->id, &cert);

    assert_true(rc == PROV_OK || rc == PROV_ENOTFOUND);
    return rc == PROV_OK ? (int)cert.status : -1;
}

static const char *things(struct reg *r)
{
    return reg_list(r, PROV_LIST_THINGS, NONE, NONE);
}

static void first_contact_records_provisions_and_activates(void **state)
{
    struct reg *r = *state;
    struct prov_thing thing;
    struct prov_cert cert;
    struct scene s;

    scene_init(&s, r, "tpl", "/CN=dev-1");
    arrive(&s, r);
    prepare(&s, r);
    assert_int_equal(status_of(&s, r), -1); /* prepare writes nothing */
    apply(&s, r);
    assert_reason(&s, PROV_REASON_PROVISIONED);
    assert_string_equal(s.contact->detail, "");
    assert_string_equal(s.contact->thing_name, "dev-1");
    reg_ok(r, prov_cert_get(&r->tx, &s.id, &cert));
    assert_int_equal(cert.status, PROV_CERT_ACTIVE);
    assert_id(&cert.ca_id, &s.ca_id);
    assert_int_equal(cert.n_policies, 1);
    assert_span(cert.policies[0], "p");
    assert_int_equal(cert.n_things, 1);
    assert_span(cert.things[0], "dev-1");
    reg_ok(r, prov_thing_get(&r->tx, S("dev-1"), &thing));
    assert_span(thing.attrs[0].value, "1");
    assert_span(thing.groups[0], "g");
    assert_attempt(&s, r);
    assert_decision(admit(r, &s.leaf), PROV_KNOWN, PROV_REASON_NONE);
    scene_free(&s);
}

static void without_a_template_the_certificate_waits_for_somebody(void **state)
{
    struct reg *r = *state;
    struct scene s;

    scene_init(&s, r, NULL, "/CN=dev-1");
    for (int i = 0; i < 2; i++) { /* each time the device tries */
        arrive(&s, r);
        prepare(&s, r);
        apply(&s, r);
        assert_reason(&s, PROV_REASON_CERT_PENDING);
        assert_int_equal(status_of(&s, r), PROV_CERT_PENDING_ACTIVATION);
        assert_attempt(&s, r);
        assert_string_equal(things(r), "");
        assert_string_equal(reg_feed(r), i == 0 ? "cert" : "");
    }
    reg_ok(r, prov_cert_set_status(&r->tx, &s.id, PROV_CERT_ACTIVE));
    assert_decision(admit(r, &s.leaf), PROV_KNOWN, PROV_REASON_NONE);
    scene_free(&s);
}

static void template_decides_the_status(void **state)
{
    const struct prov_span name = S("off");
    struct reg *r = *state;
    struct scene s;

    scene_init(&s, r, NULL, "/CN=dev-1");
    reg_template(r, "off", INACTIVE);
    reg_ok(r, prov_ca_update(&r->tx, &s.ca_id, &(struct prov_ca_change){ .template_name = &name }));
    arrive(&s, r);
    prepare(&s, r);
    apply(&s, r);
    assert_reason(&s, PROV_REASON_CERT_INACTIVE);
    assert_int_equal(status_of(&s, r), PROV_CERT_INACTIVE);
    assert_string_equal(s.contact->thing_name, "");
    assert_decision(admit(r, &s.leaf), PROV_REFUSED, PROV_REASON_CERT_INACTIVE);
    scene_free(&s);
}

static void template_may_leave_the_certificate_to_somebody_else(void **state)
{
    const struct prov_span name = S("thing-only");
    struct reg *r = *state;
    struct scene s;

    scene_init(&s, r, NULL, "/CN=dev-1");
    reg_template(r, "thing-only", "{" NAMED_BY_CN "'Resources':{" THING "}}");
    reg_ok(r, prov_ca_update(&r->tx, &s.ca_id, &(struct prov_ca_change){ .template_name = &name }));
    arrive(&s, r);
    prepare(&s, r);
    apply(&s, r);
    assert_reason(&s, PROV_REASON_CERT_PENDING);
    assert_int_equal(status_of(&s, r), PROV_CERT_PENDING_ACTIVATION);
    assert_string_equal(things(r), "dev-1");
    assert_string_equal(s.contact->thing_name, "dev-1");
    scene_free(&s);
}

/* ---- templates that fail --------------------------------------------------------------------- */

enum trouble { MISSING, DISABLED, NO_VALUE, NO_GROUP, BAD_NAME, NO_VERSION };

static void break_it(struct reg *r, enum trouble trouble)
{
    const struct prov_template_change off = { .enabled = &(bool){ false } };

    if (trouble == MISSING)
        reg_ok(r, reg_del(&r->tx, REG_TEMPLATE, S("tpl")));
    if (trouble == DISABLED)
        reg_ok(r, prov_template_update(&r->tx, S("tpl"), &off));
    if (trouble == NO_GROUP)
        reg_ok(r, prov_group_delete(&r->tx, S("g")));
    if (trouble == NO_VERSION)
        reg_ok(r, reg_del(&r->tx, REG_TEMPLATE_DOC, PROV_LIT("tpl\0\0\0\0\1")));
    reg_commit(r);
}

static void failing_template_leaves_the_record_and_the_attempt(void **state)
{
    static const struct {
        enum trouble trouble;
        const char *subject;
        enum prov_reason reason;
        const char *detail; /* a part of it */
    } rows[] = {
        { MISSING, "/CN=dev-1", PROV_REASON_TEMPLATE_MISSING, "template \"tpl\"" },
        { DISABLED, "/CN=dev-1", PROV_REASON_TEMPLATE_DISABLED, "template \"tpl\"" },
        { NO_VERSION, "/CN=dev-1", PROV_REASON_TEMPLATE_MISSING, "template \"tpl\"" },
        { NO_VALUE, "/O=nobody", PROV_REASON_TEMPLATE_FAILED, "Parameters." },
        { BAD_NAME, "/CN=a b", PROV_REASON_TEMPLATE_FAILED, "ThingName" },
        { NO_GROUP, "/CN=dev-1", PROV_REASON_TEMPLATE_FAILED, "thing group \"g\"" },
    };
    struct reg *r = *state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_cert cert;
        struct scene s;

        scene_init(&s, r, "tpl", rows[i].subject);
        break_it(r, rows[i].trouble);
        (void)reg_feed(r);
        for (int again = 0; again < 2; again++) {
            arrive(&s, r);
            prepare(&s, r);
            reg_ok(r, prov_contact_apply(s.contact, &r->tx));
            reg_commit(r);
            assert_reason(&s, rows[i].reason);
            assert_non_null(strstr(s.contact->detail, rows[i].detail));
            assert_string_equal(s.contact->thing_name, "");
            assert_attempt(&s, r);
            reg_ok(r, prov_cert_get(&r->tx, &s.id, &cert));
            assert_int_equal(cert.status, PROV_CERT_PENDING_ACTIVATION);
            assert_int_equal(cert.n_policies + cert.n_things, 0);
            assert_string_equal(things(r), "");
            assert_string_equal(reg_feed(r), again == 0 ? "cert" : "");
        }
        scene_free(&s);
        reg_teardown(state);
        reg_setup(state);
        r = *state;
    }
}

static void cured_template_lets_the_device_in_when_it_tries_again(void **state)
{
    struct reg *r = *state;
    struct scene s;

    scene_init(&s, r, "tpl", "/CN=dev-1");
    break_it(r, DISABLED);
    arrive(&s, r);
    prepare(&s, r);
    apply(&s, r);
    assert_reason(&s, PROV_REASON_TEMPLATE_DISABLED);
    reg_ok(r, prov_template_update(&r->tx, S("tpl"),
                                   &(struct prov_template_change){ .enabled = &(bool){ true } }));
    reg_commit(r);
    arrive(&s, r);
    prepare(&s, r);
    apply(&s, r);
    assert_reason(&s, PROV_REASON_PROVISIONED);
    assert_int_equal(status_of(&s, r), PROV_CERT_ACTIVE);
    assert_string_equal(things(r), "dev-1");
    assert_attempt(&s, r);
    scene_free(&s);
}

/* The cure comes after prepare: apply looks again, and what prepare said is gone. */
static void template_cured_between_prepare_and_apply_counts(void **state)
{
    struct reg *r = *state;
    struct scene s;

    scene_init(&s, r, "tpl", "/CN=dev-1");
    break_it(r, DISABLED);
    arrive(&s, r);
    prepare(&s, r);
    reg_ok(r, prov_template_update(&r->tx, S("tpl"),
                                   &(struct prov_template_change){ .enabled = &(bool){ true } }));
    apply(&s, r);
    assert_reason(&s, PROV_REASON_PROVISIONED);
    assert_string_equal(s.contact->detail, "");
    assert_attempt(&s, r);
    scene_free(&s);
}

/* ---- what changes between prepare and apply -------------------------------------------------- */

enum change {
    NOTHING,
    CA_OFF,
    CA_GONE,
    AUTO_OFF,
    CA_ENDS,
    TEMPLATE_OFF,
    TEMPLATE_NEW_VERSION,
    TEMPLATE_ANOTHER,
    TEMPLATE_NONE,
    REGISTERED_ACTIVE,
    REGISTERED_INACTIVE,
    REGISTERED_REVOKED,
    TWIN_REGISTERED,
};

static void register_as(struct reg *r, const struct pki_cert *leaf, enum prov_cert_status status)
{
    const struct prov_cert_registration reg = { .der = reg_der(r, leaf), .status = status };
    struct prov_id id;

    reg_ok(r, prov_cert_register(&r->tx, &reg, &id));
}

static void use_template(struct reg *r, const struct scene *s, const char *name)
{
    const struct prov_span span = S(name);

    reg_ok(r,
           prov_ca_update(&r->tx, &s->ca_id, &(struct prov_ca_change){ .template_name = &span }));
}

static void change(struct reg *r, const struct scene *s, enum change what)
{
    const struct prov_template_change off = { .enabled = &(bool){ false } };
    struct pki_cert twin;
    uint32_t version;

    switch (what) {
    case NOTHING:
        break;
    case CA_OFF:
        reg_ca_state(r, &s->ca_id, false, true);
        break;
    case CA_GONE:
        reg_ca_state(r, &s->ca_id, false, true);
        reg_ok(r, prov_ca_delete(&r->tx, &s->ca_id));
        break;
    case AUTO_OFF:
        reg_ca_state(r, &s->ca_id, true, false);
        break;
    case CA_ENDS:
        reg_at(r, INT64_C(3650) * 86400 + 1);
        break;
    case TEMPLATE_OFF:
        reg_ok(r, prov_template_update(&r->tx, S("tpl"), &off));
        break;
    case TEMPLATE_NEW_VERSION:
        reg_ok(r, prov_template_version_create(&r->tx, S("tpl"), reg_json(r, INACTIVE), true,
                                               &version));
        break;
    case TEMPLATE_ANOTHER:
        reg_template(r, "other", INACTIVE);
        use_template(r, s, "other");
        break;
    case TEMPLATE_NONE:
        use_template(r, s, NULL);
        break;
    case REGISTERED_ACTIVE:
        register_as(r, &s->leaf, PROV_CERT_ACTIVE);
        break;
    case REGISTERED_INACTIVE:
        register_as(r, &s->leaf, PROV_CERT_INACTIVE);
        break;
    case REGISTERED_REVOKED:
        register_as(r, &s->leaf, PROV_CERT_REVOKED);
        break;
    case TWIN_REGISTERED:
        twin = pki_twin(&s->leaf);
        register_as(r, &twin, PROV_CERT_REVOKED);
        pki_free(&twin);
        break;
    }
    reg_commit(r);
}

static void what_changed_since_prepare_is_seen(void **state)
{
    static const struct {
        enum change change;
        enum prov_reason reason;
        int status; /* -1: not recorded */
        const char *things;
    } rows[] = {
        { NOTHING, PROV_REASON_PROVISIONED, PROV_CERT_ACTIVE, "dev-1" },
        { CA_OFF, PROV_REASON_CA_INACTIVE, -1, "" },
        { CA_GONE, PROV_REASON_UNKNOWN_ISSUER, -1, "" },
        { AUTO_OFF, PROV_REASON_NO_AUTO_REGISTRATION, -1, "" },
        { CA_ENDS, PROV_REASON_CA_EXPIRED, -1, "" },
        { TEMPLATE_OFF, PROV_REASON_TEMPLATE_DISABLED, PROV_CERT_PENDING_ACTIVATION, "" },
        { TEMPLATE_NEW_VERSION, PROV_REASON_CERT_INACTIVE, PROV_CERT_INACTIVE, "" },
        { TEMPLATE_ANOTHER, PROV_REASON_CERT_INACTIVE, PROV_CERT_INACTIVE, "" },
        { TEMPLATE_NONE, PROV_REASON_CERT_PENDING, PROV_CERT_PENDING_ACTIVATION, "" },
        { REGISTERED_ACTIVE, PROV_REASON_PROVISIONED, PROV_CERT_ACTIVE, "" },
        { REGISTERED_INACTIVE, PROV_REASON_CERT_INACTIVE, PROV_CERT_INACTIVE, "" },
        { REGISTERED_REVOKED, PROV_REASON_CERT_REVOKED, PROV_CERT_REVOKED, "" },
        { TWIN_REGISTERED, PROV_REASON_ALTERED, -1, "" },
    };
    struct reg *r = *state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct scene s;

        scene_init(&s, r, "tpl", "/CN=dev-1");
        arrive(&s, r);
        prepare(&s, r);
        change(r, &s, rows[i].change);
        print_message("row %zu\n", i);
        apply(&s, r);
        assert_reason(&s, rows[i].reason);
        assert_int_equal(status_of(&s, r), rows[i].status);
        assert_string_equal(things(r), rows[i].things);
        assert_attempt(&s, r);
        scene_free(&s);
        reg_teardown(state);
        reg_setup(state);
        r = *state;
    }
}

/* What prepare found wrong with the template is not why. */
static void refusal_by_apply_tells_nothing_of_the_template(void **state)
{
    struct reg *r = *state;
    struct scene s;

    scene_init(&s, r, "tpl", "/CN=dev-1");
    break_it(r, DISABLED);
    arrive(&s, r);
    prepare(&s, r);
    assert_string_not_equal(s.contact->detail, "");
    change(r, &s, CA_OFF);
    apply(&s, r);
    assert_reason(&s, PROV_REASON_CA_INACTIVE);
    assert_string_equal(s.contact->detail, "");
    assert_attempt(&s, r);
    scene_free(&s);
}

static void ca_deleted_before_prepare_is_told_by_apply(void **state)
{
    struct reg *r = *state;
    struct scene s;

    scene_init(&s, r, "tpl", "/CN=dev-1");
    arrive(&s, r);
    change(r, &s, CA_GONE);
    prepare(&s, r);
    apply(&s, r);
    assert_reason(&s, PROV_REASON_UNKNOWN_ISSUER);
    assert_int_equal(status_of(&s, r), -1);
    assert_attempt(&s, r);
    scene_free(&s);
}

static void record_deleted_while_a_retry_was_under_way_is_made_again(void **state)
{
    struct reg *r = *state;
    struct scene s;

    scene_init(&s, r, "tpl", "/CN=dev-1");
    break_it(r, DISABLED);
    arrive(&s, r);
    prepare(&s, r);
    apply(&s, r);
    arrive(&s, r);
    prepare(&s, r);
    reg_ok(r, prov_cert_delete(&r->tx, &s.id, false));
    reg_commit(r);
    apply(&s, r);
    assert_int_equal(status_of(&s, r), PROV_CERT_PENDING_ACTIVATION);
    scene_free(&s);
}

static void apply_may_run_again(void **state)
{
    struct reg *r = *state;
    char *before, *after;
    struct scene s;

    scene_init(&s, r, "tpl", "/CN=dev-1");
    arrive(&s, r);
    prepare(&s, r);
    reg_ok(r, prov_contact_apply(s.contact, &r->tx));
    reg_abort(r); /* the batch failed; the writer starts again */
    assert_int_equal(status_of(&s, r), -1);
    apply(&s, r);
    assert_reason(&s, PROV_REASON_PROVISIONED);
    assert_string_equal(s.contact->thing_name, "dev-1");
    before = reg_dump(r);
    apply(&s, r); /* the commit was good after all */
    after = reg_dump(r);
    assert_reason(&s, PROV_REASON_PROVISIONED);
    assert_string_equal(s.contact->thing_name, "dev-1");
    assert_string_equal(before, after);
    free(after);
    free(before);
    scene_free(&s);
}

static void prepare_may_run_again(void **state)
{
    struct reg *r = *state;
    struct scene s;

    scene_init(&s, r, "tpl", "/CN=dev-1");
    arrive(&s, r);
    break_it(r, DISABLED);
    prepare(&s, r);
    assert_reason(&s, PROV_REASON_TEMPLATE_DISABLED);
    reg_ok(r, prov_template_update(&r->tx, S("tpl"),
                                   &(struct prov_template_change){ .enabled = &(bool){ true } }));
    prepare(&s, r);
    assert_reason(&s, PROV_REASON_NONE);
    assert_string_equal(s.contact->detail, "");
    prepare(&s, r);
    apply(&s, r);
    assert_reason(&s, PROV_REASON_PROVISIONED);
    scene_free(&s);
}

/* ---- what cannot be read --------------------------------------------------------------------- */

/* No certificate that anybody means well is so large. */
static void leaf_beyond_the_limit_is_no_contact(void **state)
{
    static char names[PROV_MAX_CERT_DER * 5 / 4];
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=Root"), leaf;
    struct prov_contact *contact = NULL;
    const struct prov_decision decision = { .outcome = PROV_NEW };
    size_t n = 0;

    while (n + 72 < sizeof names)
        n += (size_t)snprintf(names + n, sizeof names - n, "%sDNS:%060zu.example",
                              n == 0 ? "" : ",", n);
    leaf = reg_pki(r, &(struct pki_spec){ .subject = "/CN=dev-1", .issuer = &ca, .san = names });
    assert_int_equal(prov_contact_new(leaf.x509, &decision, &contact), PROV_ETOOBIG);
    assert_null(contact);
    pki_free(&leaf);
    pki_free(&ca);
}

/* What OpenSSL does not read in the handshake, and policy variables would need. */
static void leaf_whose_fields_do_not_decode_is_not_recorded(void **state)
{
    struct reg *r = *state;
    struct scene s;

    scene_init(&s, r, "tpl", "/CN=dev-1");
    pki_free(&s.leaf);
    s.leaf = reg_pki(r, &(struct pki_spec){
                            .subject = "/CN=dev-1", .issuer = &s.ca, .edit = spoil_issuer_names });
    assert_int_equal(prov_ident_id(s.leaf.x509, &s.id), PROV_OK);
    arrive(&s, r);
    prepare(&s, r);
    apply(&s, r);
    assert_reason(&s, PROV_REASON_MALFORMED);
    assert_string_not_equal(s.contact->detail, "");
    assert_int_equal(status_of(&s, r), -1);
    assert_attempt(&s, r);
    scene_free(&s);
}

static void damaged_records_are_errors_with_words(void **state)
{
    static const enum reg_table tables[] = { REG_CA, REG_CERT, REG_TEMPLATE, REG_TEMPLATE_DOC,
                                             REG_GROUP };
    struct reg *r = *state;
    struct scene s;

    scene_init(&s, r, "tpl", "/CN=dev-1");
    arrive(&s, r);
    prepare(&s, r);
    for (size_t i = 0; i < PROV_COUNT(tables); i++) {
        const struct prov_span keys[] = { [REG_CA] = prov_id_span(&s.ca_id),
                                          [REG_CERT] = prov_id_span(&s.id),
                                          [REG_TEMPLATE] = S("tpl"),
                                          [REG_TEMPLATE_DOC] = PROV_LIT("tpl\0\0\0\0\1"),
                                          [REG_GROUP] = S("g") };

        reg_ok(r, reg_put_bytes(&r->tx, tables[i], keys[tables[i]], S("\x01")));
        if (tables[i] == REG_TEMPLATE_DOC) { /* read by prepare alone */
            reg_refused(r, prov_contact_prepare(s.contact, &r->tx), PROV_ESTORE,
                        "InternalFailureException");
        } else {
            reg_refused(r, prov_contact_apply(s.contact, &r->tx), PROV_ESTORE,
                        "InternalFailureException");
        }
        reg_abort(r);
    }
    scene_free(&s);
}

static void certificate_of_a_status_of_the_future_is_left(void **state)
{
    struct reg *r = *state;
    struct scene s;

    scene_init(&s, r, "tpl", "/CN=dev-1");
    arrive(&s, r);
    prepare(&s, r);
    register_as(r, &s.leaf, PROV_CERT_ACTIVE);
    reg_raw_status(r, &s.id, 77);
    reg_ok(r, prov_contact_apply(s.contact, &r->tx));
    assert_reason(&s, PROV_REASON_CERT_INACTIVE);
    assert_int_equal(status_of(&s, r), 77);
    scene_free(&s);
}

/* ---- failures -------------------------------------------------------------------------------- */

/* All of it in one transaction; what passes has provisioned. */
static enum prov_rc come_in(struct reg *r, void *ctx)
{
    const struct scene *s = ctx;
    struct prov_contact *contact = NULL;
    enum prov_rc rc;

    rc = make_contact(s, 1, &contact);
    if (rc == PROV_OK)
        rc = prov_contact_prepare(contact, &r->tx);
    if (rc == PROV_OK)
        rc = prov_contact_apply(contact, &r->tx);
    if (rc == PROV_OK)
        assert_int_equal(contact->reason, PROV_REASON_PROVISIONED);
    prov_contact_free(contact);
    return rc;
}

/* With OpenSSL failing, another reason may come of it; it is still one whole thing or another. */
static enum prov_rc come_in_somehow(struct reg *r, void *ctx)
{
    const struct scene *s = ctx;
    struct prov_contact *contact = NULL;
    enum prov_rc rc;

    rc = make_contact(s, 1, &contact);
    if (rc == PROV_OK)
        rc = prov_contact_prepare(contact, &r->tx);
    if (rc == PROV_OK)
        rc = prov_contact_apply(contact, &r->tx);
    if (rc == PROV_OK && contact->reason != PROV_REASON_PROVISIONED) {
        (void)alloc_failed();
        assert_int_not_equal(status_of(s, r), PROV_CERT_ACTIVE);
        assert_string_equal(things(r), "");
        rc = PROV_EBUG; /* not what happens without a failure */
    }
    prov_contact_free(contact);
    return rc;
}

static void failure_of_any_step_leaves_nothing_behind(void **state)
{
    struct reg *r = *state;
    struct scene s;

    scene_init(&s, r, "tpl", "/CN=dev-1");
    assert_true(reg_each_allocation(r, come_in, &s) > 40);
    if (!r->lmdb) {
        assert_true(reg_each_openssl_allocation(r, come_in_somehow, &s) > 100);
        assert_true(reg_each_write(r, come_in, &s) > 15);
    }
    scene_free(&s);
}

static const struct CMUnitTest flow_contact[] = {
    REG_TEST(first_contact_records_provisions_and_activates),
    REG_TEST(without_a_template_the_certificate_waits_for_somebody),
    REG_TEST(template_decides_the_status),
    REG_TEST(template_may_leave_the_certificate_to_somebody_else),
    REG_TEST(failing_template_leaves_the_record_and_the_attempt),
    REG_TEST(cured_template_lets_the_device_in_when_it_tries_again),
    REG_TEST(template_cured_between_prepare_and_apply_counts),
    REG_TEST(what_changed_since_prepare_is_seen),
    REG_TEST(refusal_by_apply_tells_nothing_of_the_template),
    REG_TEST(ca_deleted_before_prepare_is_told_by_apply),
    REG_TEST(record_deleted_while_a_retry_was_under_way_is_made_again),
    REG_TEST(apply_may_run_again),
    REG_TEST(prepare_may_run_again),
    REG_TEST(leaf_beyond_the_limit_is_no_contact),
    REG_TEST(leaf_whose_fields_do_not_decode_is_not_recorded),
    REG_TEST(damaged_records_are_errors_with_words),
    REG_TEST(certificate_of_a_status_of_the_future_is_left),
    REG_TEST(failure_of_any_step_leaves_nothing_behind),
};
REG_MAIN(flow_contact)
