/* Who does not see what claims ask and are told: everybody else, the broker's files and its log. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/stat.h>

#include <cmocka.h>

#include "support/deadline.h"
#include "support/fleet_rig.h"
#include "support/tmp.h"

static const struct broker_opt ec_keys[] = { { "key_type", "ec-p256" }, { NULL, NULL } };

#define ALL                                                                                        \
    "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"iot:*\","       \
    "\"Resource\":\"*\"}]}"

static const char *const spied[] = {
    "#",
    "$aws/#",
    "+/certificates/#",
    "$aws/certificates/create/json",
    "$aws/certificates/create/json/accepted",
    "$aws/certificates/create/cbor/accepted",
    "$aws/certificates/create-from-csr/json",
    "$aws/certificates/create-from-csr/json/accepted",
    "$aws/certificates/create-from-csr/json/rejected",
    "$aws/provisioning-templates/fleet/provision/json",
    "$aws/provisioning-templates/fleet/provision/json/accepted",
    "$aws/provisioning-templates/+/provision/cbor/accepted",
};

static void spy_on_everything(struct mqtt *c)
{
    for (size_t i = 0; i < PROV_COUNT(spied); i++)
        (void)mqtt_subscribe(c, spied[i], 1);
}

/* Nothing of ours, at any rate: presence events are everybody's. */
static void expect_nothing_seen(struct mqtt *c)
{
    struct mqtt_message *m;

    assert_true(mqtt_ping(c));
    while ((m = mqtt_take_message(c, NULL)) != NULL) {
        if (strncmp(m->topic, "$aws/certificates/", 18) == 0 ||
            strncmp(m->topic, "$aws/provisioning-templates/", 28) == 0)
            fail_msg("seen on %s: %.*s", m->topic, (int)m->n, (const char *)m->payload);
        mqtt_message_free(m);
    }
}

/* ---- everybody else -------------------------------------------------------------------------- */

/* Of a client that is no device, with an ACL that allows it all there is. */
static void prepare_spies(struct fleet_rig *f, const struct broker_opt *opts, bool persistence)
{
    static const char *const users[] = { "spy", "spy", NULL };
    static char lines[700];
    char path[TMP_PATH_MAX];
    FILE *file;

    rig_prepare(&f->rig,
                &(struct rig_spec){
                    .opts = opts, .plain = true, .users = users, .persistence = persistence });
    file = fopen(tmp_path(f->rig.dir, "acl", path), "we");
    assert_non_null(file);
    assert_true(fputs("user spy\ntopic readwrite #\ntopic readwrite $aws/#\n"
                      "topic readwrite $CONTROL/#\ntopic readwrite $SYS/#\n",
                      file) >= 0);
    assert_int_equal(fclose(file), 0);
    (void)snprintf(lines, sizeof lines, "acl_file %s", path);
    f->rig.options.lines = lines;
    fleet_fill(f);
    rig_create_policy(&f->rig, "all", ALL);
    rig_start(&f->rig);
}

static struct mqtt *spy_connect(const struct fleet_rig *f)
{
    return expect_connected(&(struct mqtt_options){ .port = broker_plain_port(f->rig.broker),
                                                    .client_id = "spy",
                                                    .username = "spy",
                                                    .password = "spy" });
}

/* Each operation in each format, a refused one and one that does not end well among them. */
static void ask_everything(struct fleet_rig *f, const char *client_id, const char *serial)
{
    struct mqtt *c = fleet_claim(f, client_id);

    for (unsigned i = 0; i < PROV_FORMATS; i++) {
        const enum prov_format format = (enum prov_format)i;
        struct fleet_device d = fleet_create(c, format, "pump");
        const struct fleet_ask keys = { PROV_CREATE_KEYS, format, .qos = 1 };
        struct fleet_answer answer = fleet_call(c, &keys);

        assert_true(answer.accepted);
        fleet_release(&answer);
        fleet_register(c, format, &d, serial);
        fleet_expect_rejected(
            c, (&(struct fleet_ask){ PROV_CREATE_FROM_CSR, format, .body = "{}", .qos = 1 }), 400,
            "InvalidRequest", NULL);
        fleet_device_free(&d);
    }
    expect_silence(c, NULL);
    mqtt_free(c);
}

static void nobody_who_subscribed_to_everything_sees_request_or_answer(void **state)
{
    struct fleet_rig f = { 0 };
    struct fleet_device mighty;
    struct pki_cert other_claim;
    struct mqtt *device, *spy, *fellow, *late;

    (void)state;
    prepare_spies(&f, ec_keys, false);
    other_claim = fleet_make_claim(&f, "another image", "claim");
    mighty = fleet_provision(&f, "spy");
    fleet_attach(&f, &mighty.id, "all");
    device = fleet_join(&f, &mighty, "spy");
    spy_on_everything(device);
    spy = spy_connect(&f);
    spy_on_everything(spy);
    fellow = fleet_connect(&f, &other_claim, "fellow");
    spy_on_everything(fellow);

    ask_everything(&f, "blank", "1");
    expect_nothing_seen(device);
    expect_nothing_seen(spy);
    expect_nothing_seen(fellow);

    late = fleet_claim(&f, "late"); /* nothing is retained, nor kept for a client of that name */
    spy_on_everything(late);
    expect_nothing_seen(late);
    mqtt_free(late);
    late = fleet_claim(&f, "blank");
    spy_on_everything(late);
    expect_nothing_seen(late);
    mqtt_free(late);
    mqtt_free(device);
    mqtt_free(spy);
    mqtt_free(fellow);
    fleet_device_free(&mighty);
    pki_free(&other_claim);
    fleet_down(&f);
}

/* As AWS IoT has it (reference 1.5): RETAIN is not allowed there. */
static void request_that_is_to_be_retained_is_refused_and_not_kept(void **state)
{
    struct fleet_rig f = { 0 };
    struct mqtt *c, *spy;
    char *before, *after;

    (void)state;
    prepare_spies(&f, ec_keys, false);
    fleet_attach(&f, &f.claim_id, "all");
    c = fleet_claim(&f, "blank");
    before = fleet_dump(&f);
    assert_int_equal(
        mqtt_publish(c, &(struct mqtt_publish){ .topic = "$aws/certificates/create/json",
                                                .payload = PROV_LIT("{}"),
                                                .qos = 1,
                                                .retain = true }),
        0);
    expect_silence(c, NULL);
    rig_expect_attempt(&f.rig, &f.claim, PROV_REASON_PUBLISH_DENIED);
    after = fleet_dump(&f);
    assert_string_equal(before, after);
    spy = spy_connect(&f);
    spy_on_everything(spy);
    expect_nothing_seen(spy);
    ask_everything(&f, "other", "1"); /* the same without RETAIN is taken */
    free(before);
    free(after);
    mqtt_free(spy);
    mqtt_free(c);
    fleet_down(&f);
}

/* Who is no device cannot ask, whatever its ACL says, nor send what looks like an answer through.
 */
static void client_that_is_no_device_cannot_ask(void **state)
{
    static const struct broker_opt allow[] = { { "other_clients", "allow" },
                                               { "key_type", "ec-p256" },
                                               { NULL, NULL } };
    const struct broker_opt *const opts[] = { ec_keys, allow };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(opts); i++) {
        struct fleet_rig f = { 0 };
        struct mqtt *spy;
        char *before, *after;

        prepare_spies(&f, opts[i], false);
        spy = spy_connect(&f);
        spy_on_everything(spy);
        before = fleet_dump(&f);
        fleet_send(spy, &(struct fleet_ask){ PROV_CREATE_KEYS, PROV_JSON, .body = "{}", .qos = 1 });
        fleet_send(spy, &(struct fleet_ask){ PROV_REGISTER_THING, PROV_CBOR, .qos = 1 });
        expect_nothing_seen(spy);
        after = fleet_dump(&f);
        assert_string_equal(before, after);
        free(before);
        free(after);
        mqtt_free(spy);
        fleet_down(&f);
    }
}

/* A Will is published by the broker, for nobody to answer to. */
static void will_on_a_request_topic_reaches_nobody(void **state)
{
    static const struct {
        const char *topic;
        bool retain;
    } rows[] = {
        { "$aws/certificates/create/json", false },
        { "$aws/certificates/create/json", true },
        { "$aws/certificates/create/cbor", false },
        { "$aws/provisioning-templates/fleet/provision/json", false },
    };
    struct fleet_rig f = { 0 };
    struct fleet_device mighty;
    struct mqtt *spy, *device;

    (void)state;
    prepare_spies(&f, ec_keys, false);
    mighty = fleet_provision(&f, "spy");
    fleet_attach(&f, &mighty.id, "all");
    device = fleet_join(&f, &mighty, "spy");
    spy_on_everything(device);
    spy = spy_connect(&f);
    spy_on_everything(spy);
    for (size_t i = 0; i < 2 * PROV_COUNT(rows); i++) {
        const struct mqtt_will will = { .topic = rows[i / 2].topic,
                                        .payload = PROV_LIT("{}"),
                                        .qos = 1,
                                        .retain = rows[i / 2].retain };
        struct rig_link link = rig_link(&f.rig, &f.claim, "blank");
        struct mqtt *c;

        link.options.tls = &link.tls;
        link.options.will = &will;
        link.options.version = i % 2 == 0 ? MQTT_V311 : MQTT_V5;
        c = mqtt_start(&link.options);
        (void)mqtt_wait_connack(c); /* 2.1 may refuse a retained one */
        mqtt_free(c);
        ask_everything(&f, "witness", "1"); /* by the end of it the Will has been published */
        expect_nothing_seen(spy);
        expect_nothing_seen(device);
    }
    mqtt_free(spy);
    mqtt_free(device);
    fleet_device_free(&mighty);
    fleet_check(&f);
    fleet_down(&f);
}

/* ---- files ----------------------------------------------------------------------------------- */

static char *read_file(const char *path, size_t *n)
{
    struct stat st;
    FILE *file = fopen(path, "re");
    char *bytes;

    assert_non_null(file);
    assert_int_equal(fstat(fileno(file), &st), 0);
    bytes = calloc(1, (size_t)st.st_size + 1);
    assert_non_null(bytes);
    *n = fread(bytes, 1, (size_t)st.st_size, file);
    assert_int_equal(fclose(file), 0);
    return bytes;
}

/* In every file of the directory, one after the other. */
static unsigned count_in_files(const char *dir, const char *text)
{
    char path[TMP_PATH_MAX];
    DIR *d = opendir(dir);
    const struct dirent *entry;
    unsigned found = 0;

    assert_non_null(d);
    while ((entry = readdir(d)) != NULL) {
        size_t n;
        char *bytes;

        if (entry->d_type != DT_REG)
            continue;
        bytes = read_file(tmp_path(dir, entry->d_name, path), &n);
        found += memmem(bytes, n, text, strlen(text)) != NULL;
        free(bytes);
    }
    (void)closedir(d);
    return found;
}

/* Written under another name and then renamed: whole when it is there. */
static void wait_for_file(const char *path)
{
    const int64_t deadline = deadline_in(0);

    while (access(path, F_OK) != 0) {
        assert_true(deadline_left(deadline) > 0);
        (void)sched_yield();
    }
}

static void put_u16(struct prov_buf *out, size_t n)
{
    prov_buf_add_u8(out, (uint8_t)(n >> 8));
    prov_buf_add_u8(out, (uint8_t)n);
}

/* A PUBLISH of QoS 2, which mqtt.h does not speak; 1 is its id. */
static void submit_qos2(struct mqtt *c, const char *topic, const char *payload)
{
    struct prov_buf body, packet;
    size_t n;

    prov_buf_init(&body, 65536);
    prov_buf_init(&packet, 65536);
    put_u16(&body, strlen(topic));
    prov_buf_add_str(&body, topic);
    put_u16(&body, 1);
    prov_buf_add_str(&body, payload);
    prov_buf_add_u8(&packet, 3 << 4 | 2 << 1);
    for (n = body.n; n >= 0x80; n >>= 7)
        prov_buf_add_u8(&packet, (uint8_t)(n | 0x80));
    prov_buf_add_u8(&packet, (uint8_t)n);
    prov_buf_add(&packet, prov_buf_span(&body));
    mqtt_submit_raw(c, prov_buf_span(&packet));
    mqtt_send(c);
    prov_buf_release(&body);
    prov_buf_release(&packet);
}

/* A part of the CSR's text that stands there as it is, also in JSON. */
static void piece_of_csr(const char *body, char out[static 41])
{
    const char *from = strstr(body, "REQUEST-----\\n");

    assert_non_null(from);
    memcpy(out, from + 14, 40);
    out[40] = '\0';
}

/* What is queued for the claim's persistent session at the moment the power fails. */
static void nothing_of_it_is_in_the_broker_s_files_or_log(void **state)
{
    struct fleet_rig f = { 0 };
    EVP_PKEY *key = pki_key_new(PKI_P256);
    char *body = fleet_csr_body(key, "pump"), *log, piece[41];
    char dir[TMP_PATH_MAX], path[TMP_PATH_MAX];
    const struct fleet_ask keys = { PROV_CREATE_KEYS, PROV_JSON, .qos = 1 };
    struct fleet_answer answer;
    struct fleet_device d;
    struct rig_link link;
    struct mqtt *c, *spy;
    size_t mark;

    (void)state;
    piece_of_csr(body, piece);
    prepare_spies(&f, ec_keys, true);
    spy = spy_connect(&f); /* for whose sake there is something in the file at all */
    assert_int_equal(mqtt_publish(spy, &(struct mqtt_publish){ .topic = "kept",
                                                               .payload = PROV_LIT("to be found"),
                                                               .qos = 1,
                                                               .retain = true }),
                     0);
    mqtt_free(spy);
    link = rig_link(&f.rig, &f.claim, "blank");
    link.options.tls = &link.tls;
    link.options.keep_session = true;
    link.options.hold_acks = true; /* so that answers stay in flight */
    c = expect_connected(&link.options);
    answer = fleet_call(c, &keys);
    d = fleet_take_device(&answer, NULL);
    fleet_release(&answer);
    fleet_register(c, PROV_JSON, &d, "1");
    mark = broker_log_mark(f.rig.broker);
    submit_qos2(c, "$aws/certificates/create-from-csr/json", body);
    broker_expect_log(f.rig.broker, mark, "issued attempt=");

    (void)tmp_path(f.rig.dir, "broker.d", dir);
    assert_int_equal(kill(broker_pid(f.rig.broker), SIGUSR1), 0);
    wait_for_file(tmp_path(dir, "mosquitto.db", path));
    broker_kill(f.rig.broker);
    mqtt_free(c);
    assert_int_equal(count_in_files(dir, "to be found"), 1);
    assert_int_equal(count_in_files(dir, piece), 0);
    assert_int_equal(count_in_files(dir, d.token), 0);
    assert_int_equal(count_in_files(dir, "PRIVATE KEY"), 0);
    assert_int_equal(count_in_files(f.rig.db, d.token), 0);
    log = broker_log(f.rig.broker, 0);
    assert_null(strstr(log, piece));
    assert_null(strstr(log, d.token));
    assert_null(strstr(log, "PRIVATE KEY"));
    free(log);

    broker_restart(f.rig.broker, NULL);
    c = fleet_connect(&f, &d.cert, "pump-1");
    assert_true(mqtt_ping(c));
    mqtt_free(c);
    fleet_device_free(&d);
    free(body);
    EVP_PKEY_free(key);
    fleet_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_who_subscribed_to_everything_sees_request_or_answer),
        cmocka_unit_test(request_that_is_to_be_retained_is_refused_and_not_kept),
        cmocka_unit_test(client_that_is_no_device_cannot_ask),
        cmocka_unit_test(will_on_a_request_topic_reaches_nobody),
        cmocka_unit_test(nothing_of_it_is_in_the_broker_s_files_or_log),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
