/* prov_registry_check: each reference cut, each record damaged. */
#include "support/reg_fixture.h"

#include "core/claim.h"
#include "core/reg.h"
#include "support/alloc.h"

static struct prov_cert get(struct reg *r, const struct prov_id *id)
{
    struct prov_cert cert;

    reg_ok(r, prov_cert_get(&r->tx, id, &cert));
    return cert;
}

static void plant(struct reg *r, enum reg_table table, struct prov_span key, struct prov_span value)
{
    reg_ok(r, reg_put_bytes(&r->tx, table, key, value));
}

/* One certificate "attached to everything", so that each reference can be cut. */
static struct prov_id furnish(struct reg *r)
{
    struct pki_cert ca = reg_pki_ca(r, "/CN=Root"), leaf = reg_pki_leaf(r, &ca, "/CN=dev-1");
    const struct prov_cert_registration reg = { .der = reg_der(r, &leaf),
                                                .status = PROV_CERT_ACTIVE };
    uint8_t key[PROV_STORE_KEY_MAX];
    struct prov_id id, ca_id;
    struct prov_ca found;

    reg_template(r, "tpl",
                 "{'Resources':{'c':{'Type':'AWS::IoT::Certificate','Properties':"
                 "{'CertificateId':{'Ref':'AWS::IoT::Certificate::Id'}}}}}");
    ca_id = reg_ca(r, &ca, "tpl");
    reg_ok(r, prov_cert_register(&r->tx, &reg, &id));
    reg_policy(r, "pol");
    reg_type(r, "typ");
    reg_group(r, "top", NULL);
    reg_group(r, "grp", "top");
    reg_ok(r, prov_billing_create(&r->tx, S("bil"), NONE));
    reg_ok(r, prov_thing_create(&r->tx, S("thg"), S("typ"), NULL, 0));
    reg_ok(r, prov_group_add(&r->tx, S("grp"), S("thg")));
    reg_ok(r, prov_billing_add(&r->tx, S("bil"), S("thg")));
    reg_ok(r, prov_policy_attach_cert(&r->tx, S("pol"), &id));
    reg_ok(r, prov_policy_attach_group(&r->tx, S("pol"), S("grp")));
    reg_ok(r, prov_thing_attach(&r->tx, S("thg"), &id, true));
    reg_ok(r, prov_client_bind(&r->tx, S("cli"), &id));
    reg_ok(r, prov_ca_get(&r->tx, &ca_id, &found));
    plant(r, REG_REVOKED, reg_revoked_key(&found.authority, S("1"), key),
          PROV_LIT("\0\0\0\0\0\0\0\0\0"));
    pki_free(&leaf);
    pki_free(&ca);
    return id;
}

/* Certificates that wait for something, and a claim with limits. */
struct waiting {
    struct prov_id temporary, issued, old, new, next, claim;
    int64_t token_ms, claim_ms, retire_ms;
};

static struct waiting furnish_waiting(struct reg *r)
{
    const struct prov_made_cert made = reg_made(r, NULL);
    struct waiting w = { .token_ms = r->tx.now_ms + 3600000,
                         .claim_ms = r->tx.now_ms + 301000,
                         .retire_ms = r->tx.now_ms + 500 };
    const struct prov_span name = S("flt");
    char token[PROV_TOKEN_LEN + 1];

    reg_fleet_template(r, "flt");
    w.temporary = reg_temporary(r, "flt");
    reg_ok(r, prov_cert_record_issued(&r->tx, &made, &w.temporary, w.token_ms, &w.issued, token));
    w.old = reg_cert(r);
    w.new = reg_cert(r);
    w.next = reg_cert(r);
    w.claim = reg_cert(r);
    reg_ok(r, prov_cert_replace(&r->tx, &w.new, &w.old));
    reg_ok(r, prov_cert_connected(&r->tx, &w.new, 500));
    reg_ok(r, prov_cert_replace(&r->tx, &w.next, &w.new));
    reg_ok(r,
           prov_claim_update(&r->tx, &w.claim,
                             &(struct prov_claim_change){ .templates = &name, .n_templates = 1 }));
    reg_ok(r, prov_claim_allow(&r->tx, &w.claim, S("Serial"), S("SN-1")));
    return w;
}

static struct prov_span first_key(struct reg *r, enum reg_table table, char prefix,
                                  uint8_t out[static PROV_STORE_KEY_MAX])
{
    struct prov_span key, value, from = prov_span(&prefix, prefix == '\0' ? 0 : 1);
    struct prov_cursor *cur;

    assert_int_equal(prov_txn_scan(r->tx.txn, table, &cur), PROV_OK);
    assert_int_equal(prov_cursor_seek(cur, from, &key, &value), PROV_OK);
    assert_true(prov_span_starts(key, from));
    memcpy(out, key.p, key.n);
    key.p = out;
    prov_cursor_free(cur);
    return key;
}

static void check_finds_every_record_that_is_missing(void **state)
{
    static const struct {
        enum reg_table table;
        char prefix;      /* of a link's key */
        const char *says; /* a part of it */
    } rows[] = {
        { REG_CERT, '\0', "thing thg refers to certificate" },
        { REG_CERT, '\0', "client cli refers to certificate" },
        { REG_CERT, '\0', "DER number 0000000000000001 belongs to nothing" },
        { REG_CERT_DER, '\0', "has no DER" },
        { REG_CA, '\0', "a member" },
        { REG_THING, '\0', "refers to thing thg, which does not exist" },
        { REG_TYPE, '\0', "thing thg refers to thing type typ, which does not exist" },
        { REG_GROUP, '\0', "thing thg refers to thing group grp, which does not exist" },
        { REG_BILLING, '\0', "thing thg refers to billing group bil, which does not exist" },
        { REG_POLICY, '\0', "refers to policy pol, which does not exist" },
        { REG_POLICY, '\0', "thing group grp refers to policy pol, which does not exist" },
        { REG_POLICY, '\0', "belongs to nothing" },
        { REG_POLICY_DOC, '\0', "policy pol has no default version that can be used" },
        { REG_TEMPLATE, '\0', "refers to template tpl, which does not exist" },
        { REG_TEMPLATE_DOC, '\0', "template tpl has no default version that can be used" },
        { REG_CLIENT, '\0', "a member cli" },
        { REG_LINK, 'c', "is not in the index of CA certificate" },
        { REG_LINK, 'u', "is not in the index of signed parts" },
        { REG_LINK, 's', "is not in the index of subject" },
        { REG_LINK, 'k', "is not in the index of authority" },
        { REG_LINK, 'k', "belongs to no registered CA" },
        { REG_META, '\0', "record counts says that 0 certificates are ACTIVE; 1 are" },
        { REG_LINK, 'a', "is not in the index of template tpl" },
        { REG_LINK, 'p', "is not in the index of policy pol" },
        { REG_LINK, 'g', "thing thg is not in the index of thing group grp" },
        { REG_LINK, 'h', "thing group grp is not in the index of thing group top" },
        { REG_LINK, 't', "thing thg is not in the index of thing type typ" },
        { REG_LINK, 'b', "thing thg is not in the index of billing group bil" },
        { REG_LINK, 'i', "client cli is not in the index of certificate" },
    };
    struct reg *r = *state;
    uint8_t key[PROV_STORE_KEY_MAX];

    (void)furnish(r);
    assert_string_equal(reg_problems(r), "");
    reg_commit(r);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const char *said;

        reg_ok(r, reg_del(&r->tx, rows[i].table, first_key(r, rows[i].table, rows[i].prefix, key)));
        said = reg_problems(r);
        if (strstr(said, rows[i].says) == NULL)
            fail_msg("row %zu: \"%s\" is not in\n%s", i, rows[i].says, said);
        reg_abort(r);
    }
}

static void check_finds_damaged_records_in_every_table(void **state)
{
    struct reg *r = *state;
    uint8_t key[PROV_STORE_KEY_MAX];
    const struct prov_span damaged = PROV_LIT("\x01\x7f");

    (void)furnish(r);
    plant(r, REG_META, S("settings"), damaged);
    assert_non_null(strstr(reg_problems(r), "record settings does not decode"));
    reg_abort(r);
    (void)furnish(r);
    (void)furnish_waiting(r);
    reg_commit(r);
    for (int table = 0; table < REG_TABLES; table++) {
        if (table == REG_CERT_DER || table == REG_LINK) /* bytes as they are */
            continue;
        if (table == REG_ATTEMPT)
            plant(r, (enum reg_table)table, S("settings"), damaged);
        else
            plant(r, (enum reg_table)table, first_key(r, (enum reg_table)table, '\0', key),
                  damaged);
        if (strstr(reg_problems(r), "does not decode") == NULL)
            fail_msg("table %s: %s", prov_registry_schema.tables[table], reg_problems(r));
        reg_abort(r);
    }
}

static void check_finds_what_does_not_fit_together(void **state)
{
    static const struct {
        struct prov_span key;
        const char *says;
    } links[] = {
        { PROV_LIT("?x"), "does not decode" },
        { PROV_LIT("g"), "does not decode" },
        { PROV_LIT("ggrp"), "does not decode" },
        { PROV_LIT("ggrp\0"), "does not decode" },
        { PROV_LIT("cshort\0x"), "does not decode" },
        { PROV_LIT("ggrp\0gone"), "refers to a member gone, which does not exist" },
        { PROV_LIT("ggone\0thg"), "refers to an owner gone, which does not exist" },
        { PROV_LIT("ppol\0ggone"), "refers to a member gone, which does not exist" },
        { PROV_LIT("ppol\0cgone"), "refers to a member gone, which does not exist" },
        { PROV_LIT("s1234\0gone"), "refers to a member gone, which does not exist" },
    };
    struct reg *r = *state;
    const struct prov_id id = furnish(r), wrong = { { 1 } };
    struct prov_thing thing;
    struct prov_cert cert;

    reg_commit(r);
    for (size_t i = 0; i < PROV_COUNT(links); i++) {
        plant(r, REG_LINK, links[i].key, NONE);
        if (strstr(reg_problems(r), links[i].says) == NULL)
            fail_msg("row %zu: %s", i, reg_problems(r));
        reg_abort(r);
    }
    cert = get(r, &id);
    cert.n_things = 0;
    reg_ok(r, reg_cert_put(&r->tx, &cert));
    assert_non_null(strstr(reg_problems(r), "which does not know it"));
    reg_abort(r);
    reg_ok(r, prov_thing_get(&r->tx, S("thg"), &thing));
    thing.n_principals = 0;
    reg_ok(r, reg_thing_put(&r->tx, &thing));
    assert_non_null(strstr(reg_problems(r), "which does not know it"));
    reg_abort(r);
    cert = get(r, &id);
    cert.status = (enum prov_cert_status)77;
    reg_ok(r, reg_cert_put(&r->tx, &cert));
    assert_non_null(strstr(reg_problems(r), "status number 77"));
    reg_abort(r);
    cert = get(r, &id);
    reg_ok(r, reg_put(&r->tx, REG_CERT, &reg_cert_record, prov_id_span(&wrong), &cert));
    assert_non_null(strstr(reg_problems(r), "has DER that is not its own"));
    reg_abort(r);
    plant(r, REG_CERT, S("elsewhere"), NONE);
    assert_non_null(strstr(reg_problems(r), "certificate elsewhere is filed under what is no id"));
    reg_abort(r);
    plant(r, REG_CERT_DER, PROV_LIT("\0\0\0\0\0\0\0\1"), S("no certificate"));
    assert_non_null(strstr(reg_problems(r), "has DER that cannot be read"));
}

/* ---- what waits, and claims ------------------------------------------------------------------ */

static void lose_claims_end(struct reg *r, const struct waiting *w)
{
    reg_ok(r, reg_due_del(&r->tx, w->claim_ms, REG_DUE_CLAIM, &w->temporary));
}

static void lose_overlaps_end(struct reg *r, const struct waiting *w)
{
    reg_ok(r, reg_due_del(&r->tx, w->retire_ms, REG_DUE_RETIRE, &w->old));
}

static void lose_tokens_end(struct reg *r, const struct waiting *w)
{
    reg_ok(r, reg_due_del(&r->tx, w->token_ms, REG_DUE_TOKEN, &w->issued));
}

static void lose_temporary(struct reg *r, const struct waiting *w)
{
    reg_ok(r, reg_del(&r->tx, REG_CERT, prov_id_span(&w->temporary)));
}

static void lose_new(struct reg *r, const struct waiting *w)
{
    reg_ok(r, reg_del(&r->tx, REG_CERT, prov_id_span(&w->new)));
}

static void lose_replacement(struct reg *r, const struct waiting *w)
{
    reg_ok(r, reg_link_del(&r->tx, REG_REPLACEMENT_OF_CERT, prov_id_span(&w->new),
                           prov_id_span(&w->next)));
}

static void lose_template(struct reg *r, const struct waiting *w)
{
    (void)w;
    reg_ok(r, reg_del(&r->tx, REG_TEMPLATE, S("flt")));
}

static void lose_template_of_temporary(struct reg *r, const struct waiting *w)
{
    reg_ok(r, reg_link_del(&r->tx, REG_CLAIM_OF_TEMPLATE, S("flt"), prov_id_span(&w->temporary)));
}

static void lose_template_of_claim(struct reg *r, const struct waiting *w)
{
    reg_ok(r, reg_link_del(&r->tx, REG_CLAIM_OF_TEMPLATE, S("flt"), prov_id_span(&w->claim)));
}

static void lose_claim(struct reg *r, const struct waiting *w)
{
    reg_ok(r, reg_del(&r->tx, REG_CLAIM, prov_id_span(&w->claim)));
}

static void lose_claims_certificate(struct reg *r, const struct waiting *w)
{
    reg_ok(r, reg_del(&r->tx, REG_CERT, prov_id_span(&w->claim)));
}

static void lose_value(struct reg *r, const struct waiting *w)
{
    uint8_t key[PROV_STORE_KEY_MAX];

    (void)w;
    reg_ok(r, reg_del(&r->tx, REG_CLAIM_VALUE, first_key(r, REG_CLAIM_VALUE, '\0', key)));
}

static void miscount_temporary(struct reg *r, const struct waiting *w)
{
    (void)w;
    reg_ok(r, reg_count_temporary(&r->tx, 1));
}

static void wait_for_another_time(struct reg *r, const struct waiting *w)
{
    reg_ok(r, reg_due_add(&r->tx, w->claim_ms + 1, REG_DUE_CLAIM, &w->temporary));
}

static void wait_for_what_is_not(struct reg *r, const struct waiting *w)
{
    reg_ok(r, reg_due_add(&r->tx, w->claim_ms, REG_DUE_CLAIM, &w->new));
}

static void wait_for_the_unknown(struct reg *r, const struct waiting *w)
{
    reg_ok(r, reg_due_add(&r->tx, 1, (enum reg_due)'?', &w->new));
}

static void wait_under_no_key(struct reg *r, const struct waiting *w)
{
    (void)w;
    plant(r, REG_DUE, S("elsewhere"), NONE);
}

static void have_no_network(struct reg *r, const struct waiting *w)
{
    struct prov_claim claim;

    reg_ok(r, prov_claim_get(&r->tx, &w->claim, &claim));
    claim.networks[claim.n_networks++] = S("nowhere");
    reg_ok(r, reg_claim_put(&r->tx, &claim, false));
}

static void have_no_list(struct reg *r, const struct waiting *w)
{
    struct prov_claim claim;

    reg_ok(r, prov_claim_get(&r->tx, &w->claim, &claim));
    claim.n_listed = 0;
    reg_ok(r, reg_claim_put(&r->tx, &claim, false));
}

static void have_no_id(struct reg *r, const struct waiting *w)
{
    (void)w;
    plant(r, REG_CLAIM, S("elsewhere"), NONE);
}

static void list_under_no_key(struct reg *r, const struct waiting *w)
{
    uint8_t key[PROV_ID_LEN + 1 + REG_VALUE_HASH] = { 0 };

    memcpy(key, w->claim.b, PROV_ID_LEN);
    plant(r, REG_CLAIM_VALUE, prov_span(key, sizeof key), S("x"));
}

static void check_finds_what_waits_for_nothing_and_claims_that_are_broken(void **state)
{
    static const struct {
        void (*make)(struct reg *r, const struct waiting *w);
        const char *says;
    } rows[] = {
        { lose_claims_end, "has no entry for the end of its claim" },
        { lose_overlaps_end, "has no entry for the end of its overlap" },
        { lose_tokens_end, "has no entry for the end of its token" },
        { lose_temporary, "entry of what is due" },
        { lose_temporary, "refers to certificate" },
        { lose_new, "refers to certificate" },
        { lose_replacement, "is not in the index of certificate" },
        { lose_template, "refers to template flt, which does not exist" },
        { lose_template, "refers to an owner flt, which does not exist" },
        { lose_template_of_temporary, "is not in the index of template flt" },
        { lose_template_of_claim, "is not in the index of template flt" },
        { lose_claim, "refers to claim" },
        { lose_claims_certificate, "refers to certificate" },
        { lose_value, "says that there are 1 values on its lists; there are 0" },
        { miscount_temporary, "says that 2 certificates are temporary; 1 are" },
        { wait_for_another_time, "is not what its certificate waits for" },
        { wait_for_what_is_not, "is not what its certificate waits for" },
        { wait_for_the_unknown, "does not decode" },
        { wait_under_no_key, "entry of what is due elsewhere does not decode" },
        { have_no_network, "has \"nowhere\", which is no network" },
        { have_no_list, "is on a list that its claim does not have" },
        { have_no_id, "claim elsewhere is filed under what is no id" },
        { list_under_no_key, "does not decode" },
    };
    struct reg *r = *state;
    const struct waiting w = furnish_waiting(r);

    assert_string_equal(reg_problems(r), "");
    reg_commit(r);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        rows[i].make(r, &w);
        if (strstr(reg_problems(r), rows[i].says) == NULL)
            fail_msg("row %zu: \"%s\" is not in\n%s", i, rows[i].says, reg_problems(r));
        reg_abort(r);
    }
    lose_tokens_end(r, &w); /* as the sweep does */
    r->tx.now_ms = w.token_ms;
    assert_string_equal(reg_problems(r), "");
}

/* Records as they are, under keys that are not theirs. */
static void check_finds_what_is_filed_wrongly(void **state)
{
    static const struct {
        enum reg_table table;
        const char *says;
    } rows[] = { { REG_CA, "filed under another id" },
                 { REG_THING, "thing elsewhere is filed under another name" },
                 { REG_GROUP, "thing group elsewhere is filed under another name" } };
    struct reg *r = *state;
    uint8_t key[PROV_STORE_KEY_MAX];
    struct prov_span value;
    struct prov_ca ca = { .der = S("no certificate"), .id = { { 1 } } };

    (void)furnish(r);
    reg_commit(r);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        uint8_t copy[4096];

        assert_int_equal(
            prov_txn_get(r->tx.txn, rows[i].table, first_key(r, rows[i].table, '\0', key), &value),
            PROV_OK);
        assert_true(value.n <= sizeof copy);
        memcpy(copy, value.p, value.n);
        plant(r, rows[i].table, S("elsewhere"), prov_span(copy, value.n));
        if (strstr(reg_problems(r), rows[i].says) == NULL)
            fail_msg("row %zu: %s", i, reg_problems(r));
        reg_abort(r);
    }
    reg_ok(r, reg_put(&r->tx, REG_CA, &reg_ca_record, prov_id_span(&ca.id), &ca));
    assert_non_null(strstr(reg_problems(r), "holds no certificate that can be read"));
}

static void no_problem(void *ctx, const char *text)
{
    (void)ctx;
    fail_msg("%s", text);
}

static enum prov_rc check_everything(struct reg *r, void *ctx)
{
    (void)ctx;
    return prov_registry_check(&r->tx, no_problem, NULL);
}

static void check_without_memory_is_no_finding(void **state)
{
    struct reg *r = *state;

    (void)furnish(r);
    (void)furnish_waiting(r);
    assert_true(reg_each_allocation(r, check_everything, NULL) > 10);
}

static const struct CMUnitTest registry_check[] = {
    REG_TEST(check_finds_every_record_that_is_missing),
    REG_TEST(check_finds_damaged_records_in_every_table),
    REG_TEST(check_finds_what_does_not_fit_together),
    REG_TEST(check_finds_what_waits_for_nothing_and_claims_that_are_broken),
    REG_TEST(check_finds_what_is_filed_wrongly),
    REG_TEST(check_without_memory_is_no_finding),
};
REG_MAIN(registry_check)
