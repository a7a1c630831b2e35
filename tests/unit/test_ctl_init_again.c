/* `provctl init`: what it refuses, what it tells of, and what it leaves alone. */
#include "unit/test_ctl_init.h"

#include "ctl/ctl.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "support/port.h"

/* ---- what is refused ------------------------------------------------------------------------- */

static void options_that_will_not_do_are_named_and_nothing_is_made(void **state)
{
    struct init_rig *i = *state;
    struct rig *r = &i->r;
    const struct {
        const char *words[8];
        int code;
        const char *says;
    } rows[] = {
        { { "--yes", "--account-id", "12" },
          4,
          "--account-id: an account id has exactly 12 digits" },
        { { "--yes", "--region", "Europe" }, 4, "--region: " },
        { { "--yes", "--devices", "all" }, 1, "--devices" },
        { { "--yes", "--factory-ca", "/nowhere" }, 4, "--factory-ca: /nowhere: No such file" },
        { { "--yes", "--factory-ca", r->leaf_file }, 4, "is not a CA's" },
        { { "--yes", "--factory-ca", "-" }, 4, "a file is asked for" },
        { { "--yes", "--port", "0" }, 4, "--port: a port is a number" },
        { { "--yes", "--port", "65536" }, 4, "--port: " },
        { { "--yes", "--port", "x" }, 1, "--port" },
        { { "--yes", "--bind", "localhost" }, 4, "--bind: \"localhost\" is no address" },
        { { "--yes", "--server-name", "a b!" }, 4, "\"b!\" is neither a host's name nor" },
        { { "--yes", "--server-name", "x,DNS:y" }, 4, "\"DNS:y\"" },
        { { "--yes", "--server-name", " , " }, 4, "at least one" },
        { { "--yes", "--devices", "claim", "--factory-ca", r->ca_file }, 1, "--devices factory" },
        { { "--yes", "--devices", "factory", "--fleet-template", "x" }, 1, "--devices claim" },
        { { "--yes", "--issuer-key", "x" }, 1, "goes with --issuer own" },
        { { "--yes", "--server", "make", "--server-key", "x" }, 1, "goes with --server own" },
        { { "--guide", "--yes" }, 1, "one of them" },
        { { "--guide", "--json" }, 1, "--guide talks to people" },
        { { "--port", "18883" }, 1, "nobody is there to be asked" },
        { { "--yes", "--plugin", "/nowhere/mosquitto_provisioning.so" },
          2,
          "the plugin is not there" },
        { { "--yes", "--user", "no such user" }, 1, "there is no user" },
        { { "--yes", "--templates", "/nowhere" }, 4, "nor one of that name in /nowhere" },
        { { "--yes", "--etc", "/nowhere\nplugin x" }, 1, "cannot be used as a path" },
    };

    for (size_t n = 0; n < PROV_COUNT(rows); n++) {
        const char *words[32] = { "init" };
        size_t at = 1;

        if (strcmp(rows[n].words[1] != NULL ? rows[n].words[1] : "", "--etc") != 0) {
            words[at++] = "--etc";
            words[at++] = i->etc;
        }
        if (strcmp(rows[n].words[1] != NULL ? rows[n].words[1] : "", "--plugin") != 0) {
            words[at++] = "--plugin";
            words[at++] = i->plugin;
        }
        if (strcmp(rows[n].words[1] != NULL ? rows[n].words[1] : "", "--templates") != 0) {
            words[at++] = "--templates";
            words[at++] = TEMPLATES;
        }
        for (size_t w = 0; rows[n].words[w] != NULL; w++)
            words[at++] = rows[n].words[w];
        ctl_expect_fail(r, rows[n].code, words, __FILE__, __LINE__);
        says(r->err, rows[n].says);
        assert_int_equal(files_made(i), 0);
    }
}

static void listener_that_is_there_keeps_its_port(void **state)
{
    struct init_rig *i = *state;

    write_main(i, "listener 8883\n");
    ctl_fails(&i->r, 4, IN(i), "--yes");
    says(i->r.err, "a listener on port 8883 already");
    ctl_ok(&i->r, IN(i), "--yes", "--port", "8884");
}

static void dry_run_shows_all_and_makes_nothing(void **state)
{
    struct init_rig *i = *state;

    ctl_ok(&i->r, IN(i), "--dry-run", "--port", "18883");
    says(i->r.out, "to make   store");
    says(i->r.out, "\nlistener 18883\n");
    assert_int_equal(files_made(i), 0);
    assert_int_equal(access(i->r.db, F_OK), -1);
    ctl_json(&i->r, IN(i), "--dry-run");
    assert_string_equal(state_of(&i->r, "store", NULL), "missing");
    assert_true(cJSON_IsTrue(at(&i->r, "dryRun")));
    assert_int_equal(files_made(i), 0);
}

static void without_an_answer_and_without_a_terminal_the_store_alone_is_made(void **state)
{
    struct init_rig *i = *state;

    ctl_ok(&i->r, "init", "--account-id", "123456789012");
    says(i->r.out, "plugin_opt_db_path");
    assert_int_equal(files_made(i), 2);
    assert_int_equal(files_like(i->r.db, "issuer"), 0);
}

/* ---- what broker configurations do to it ----------------------------------------------------- */

static void what_would_not_work_is_told(void **state)
{
    static const struct {
        const char *lines, *says, *says_not;
    } rows[] = {
        { "", "port 1883 without a password", "per_listener_settings" },
        { "per_listener_settings true", "per_listener_settings is true", "never asks" },
        { "per_listener_settings false\nlistener 1", NULL, "per_listener_settings" },
        { "listener 1\nuse_identity_as_username true", "never asks the plugin", "port 1883" },
        { "listener 1\nuse_subject_as_username  true ", "never asks the plugin", "port 1883" },
        { "listener 1\n#use_identity_as_username true", NULL, "never asks" },
        { "listener 1", "denies them every topic", "port 1883" },
        { "port 1\npassword_file x", "denies them every topic", "port 1883" },
        { "listener 1\nacl_file x", NULL, "denies them every topic" },
        { "listener 1\nplugin_opt_x \nlistener\nport 99999\n include_dir /nowhere", NULL,
          "nowhere" },
    };
    struct init_rig *i = *state;
    char path[TMP_PATH_MAX];

    for (size_t n = 0; n < PROV_COUNT(rows); n++) {
        write_main(i, rows[n].lines);
        ctl_json(&i->r, IN(i), "--dry-run");
        if (rows[n].says != NULL)
            says(i->r.out, rows[n].says);
        says_not(i->r.out, rows[n].says_not);
    }
    write_main(i, "listener 1");
    ctl_ok(&i->r, IN(i), "--dry-run", "--other-clients", "allow");
    says(i->r.out, "plugin_opt_other_clients allow\n");
    says_not(i->r.out, "acl_file");
    write_etc(i, "mosquitto.conf", "listener 1\n");
    ctl_json(&i->r, IN(i), "--dry-run");
    says(i->r.out, "does not read");
    assert_int_equal(unlink(in_etc(i, "mosquitto.conf", path)), 0);
    ctl_json(&i->r, IN(i), "--dry-run");
    says(i->r.out, "start the broker with");
}

/* Those who the broker becomes have to read and write: it is root that is told so. */
static void what_is_not_the_brokers_is_told(void **state)
{
    struct init_rig *i = *state;
    struct rig *r = &i->r;
    char key[TMP_PATH_MAX];

    if (geteuid() != 0)
        skip();
    (void)tmp_path(r->dir, "ca.key", key);
    ctl_json(r, IN(i), "--dry-run", "--devices", "claim", "--issuer-cert", r->ca_file,
             "--issuer-key", key);
    says(r->out, "ca.key is not the broker's to read, who is user nobody");
    assert_int_equal(chown(key, 65534, 0), 0);
    ctl_json(r, IN(i), "--dry-run", "--devices", "claim", "--issuer-cert", r->ca_file,
             "--issuer-key", key);
    says_not(r->out, "not the broker's");
    ctl_ok(r, "init"); /* root's */
    ctl_json(r, IN(i), "--dry-run");
    says(r->out, "The store is not the broker's to write");
    assert_int_equal(chown(r->db, 65534, 0), 0);
    ctl_json(r, IN(i), "--dry-run");
    says_not(r->out, "not the broker's");
}

static void certificate_that_ends_soon_is_told(void **state)
{
    struct init_rig *i = *state;
    struct pki_cert soon = pki_make(
        &(struct pki_spec){ .subject = "/CN=b", .not_before_s = -1000, .not_after_s = 89 * 86400 });
    struct pki_cert late = pki_make(
        &(struct pki_spec){ .subject = "/CN=b", .not_before_s = -1000, .not_after_s = 99 * 86400 });
    char crt[TMP_PATH_MAX], key[TMP_PATH_MAX];

    pki_write(i->r.dir, "soon", &soon, NULL);
    pki_write(i->r.dir, "late", &late, NULL);
    ctl_json(&i->r, IN(i), "--dry-run", "--server-cert", tmp_path(i->r.dir, "soon.crt", crt),
             "--server-key", tmp_path(i->r.dir, "soon.key", key));
    says(i->r.out, "ends soon");
    ctl_json(&i->r, IN(i), "--dry-run", "--server-cert", tmp_path(i->r.dir, "late.crt", crt),
             "--server-key", tmp_path(i->r.dir, "late.key", key));
    says_not(i->r.out, "ends soon");
    pki_free(&late);
    pki_free(&soon);
}

static void port_that_another_program_holds_is_told(void **state)
{
    struct init_rig *i = *state;
    struct port port = port_take();
    const struct sockaddr_in at = { .sin_family = AF_INET,
                                    .sin_port = htons(port.number),
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char number[8], held[64];

    (void)snprintf(number, sizeof number, "%u", port.number);
    (void)snprintf(held, sizeof held, "listens on port %u already", port.number);
    ctl_ok(&i->r, IN(i), "--dry-run", "--port", number);
    says_not(i->r.out, held);
    assert_true(fd >= 0 && bind(fd, (const struct sockaddr *)&at, sizeof at) == 0);
    assert_int_equal(listen(fd, 1), 0);
    ctl_ok(&i->r, IN(i), "--dry-run", "--port", number);
    says(i->r.out, held);
    (void)close(fd);
    port_give_back(&port);
}

/* ---- again ----------------------------------------------------------------------------------- */

static void second_run_changes_nothing(void **state)
{
    static const char *const files[] = { "conf.d/provisioning.conf", "provisioning/server.key",
                                         "provisioning/server-ca.key" };
    struct init_rig *i = *state;
    char *before[PROV_COUNT(files)], *after;
    const cJSON *part;
    int n_files;

    ctl_ok(&i->r, IN(i), "--yes", "--factory-ca", i->r.ca_file, "--devices", "both");
    for (size_t n = 0; n < PROV_COUNT(files); n++)
        before[n] = read_etc(i, files[n]);
    n_files = files_made(i);
    ctl_ok(&i->r, IN(i), "--yes");
    says(i->r.out, "Nothing is missing; nothing was changed.");
    ctl_json(&i->r, IN(i), "--yes", "--devices", "both", "--factory-ca", i->r.ca_file);
    cJSON_ArrayForEach(part, at(&i->r, "parts"))
    {
        const cJSON *how = cJSON_GetObjectItemCaseSensitive(part, "state");

        assert_string_equal(cJSON_GetStringValue(how), "there");
    }
    for (size_t n = 0; n < PROV_COUNT(files); n++) {
        after = read_etc(i, files[n]);
        assert_string_equal(before[n], after);
        free(after);
        free(before[n]);
    }
    assert_int_equal(files_made(i), n_files);
    ctl_fails(&i->r, 1, IN(i), "--yes", "--port", "18884");
    says(i->r.err, "yours to change");
}

static void second_run_adds_what_is_asked_for(void **state)
{
    struct init_rig *i = *state;
    struct rig *r = &i->r;

    ctl_ok(r, IN(i), "--yes", "--devices", "claim");
    ctl_json(r, IN(i), "--yes", "--factory-ca", r->ca_file);
    assert_string_equal(state_of(r, "template", "jitp-by-cn"), "made");
    assert_string_equal(state_of(r, "CA", NULL), "made");
    assert_string_equal(state_of(r, "configuration", NULL), "there");
    assert_string_equal(state_of(r, "server", NULL), "there");
    ctl_ok(r, "ca", "show", r->ca_hex);
}

static void second_run_knows_what_the_broker_is_called(void **state)
{
    struct init_rig *i = *state;

    ctl_ok(&i->r, IN(i), "--yes", "--devices", "none", "--server-name", "10.0.0.1,b.example");
    ctl_ok(&i->r, IN(i), "--yes", "--devices", "factory");
    says(i->r.out, "mosquitto_pub -h b.example ");
    says(i->r.out, "Start the broker, if it does not run:");
}

static void ca_that_is_registered_stays_as_it_is(void **state)
{
    struct init_rig *i = *state;
    struct rig *r = &i->r;

    ctl_ok(r, "ca", "register", r->ca_file, "--sni-only");
    ctl_json(r, IN(i), "--yes", "--factory-ca", r->ca_file);
    assert_string_equal(state_of(r, "CA", NULL), "there");
    assert_string_equal(state_of(r, "template", NULL), "made");
    ctl_json(r, "ca", "show", r->ca_hex);
    assert_string_equal(text_at(r, "certificateDescription.status"), "INACTIVE");
}

static void issuer_is_not_changed_behind_a_configuration_that_is_there(void **state)
{
    struct init_rig *i = *state;
    struct rig *r = &i->r;
    char key[TMP_PATH_MAX];

    ctl_ok(r, IN(i), "--yes", "--devices", "factory");
    ctl_fails(r, 4, IN(i), "--yes", "--devices", "claim", "--issuer-cert", r->ca_file,
              "--issuer-key", tmp_path(r->dir, "ca.key", key));
    says(r->err, "set plugin_opt_issuer_cert and plugin_opt_issuer_key in it");
    ctl_json(r, IN(i), "--yes", "--devices", "claim");
    assert_string_equal(state_of(r, "issuer", NULL), "made");
    assert_string_equal(state_of(r, "configuration", NULL), "there");
}

/* What an interruption leaves behind is a beginning of all of it, in the order it is made in. */
static void second_run_completes_what_was_interrupted(void **state)
{
    static const char *const last_to_first[] = {
        "etc/conf.d/provisioning.conf",
        "etc/provisioning/server.crt",
        "etc/provisioning/server.key",
        "etc/provisioning/server-ca.crt",
        "etc/provisioning/server-ca.key",
        "store/issuer.crt",
        "store/issuer.key",
    };
    static const size_t stops[] = { 1, 3, 5, 7 }; /* a pair is made as one */
    struct init_rig *i = *state;
    char path[TMP_PATH_MAX];

    for (size_t n = 0; n < PROV_COUNT(stops); n++) {
        ctl_json(&i->r, IN(i), "--yes", "--devices", "both");
        assert_string_equal(state_of(&i->r, "store", NULL), n == 0 ? "made" : "there");
        assert_string_equal(state_of(&i->r, "configuration", NULL), "made");
        assert_string_equal(state_of(&i->r, "server", NULL),
                            n < 2 ? n == 0 ? "made" : "there" : "made");
        for (size_t f = 0; f < stops[n]; f++)
            assert_int_equal(unlink(tmp_path(i->r.dir, last_to_first[f], path)), 0);
    }
    ctl_ok(&i->r, IN(i), "--yes", "--devices", "both");
    ctl_ok(&i->r, "issuer", "show");
    assert_int_equal(files_made(i), 2 + (int)PROV_COUNT(last_to_first));
}

static void half_a_pair_is_never_written_over(void **state)
{
    struct init_rig *i = *state;
    char path[TMP_PATH_MAX], *key;

    assert_int_equal(mkdir(in_etc(i, "provisioning", path), 0755), 0);
    write_etc(i, "provisioning/server.key", "mine\n");
    ctl_fails(&i->r, 3, IN(i), "--yes");
    says(i->r.err, "server.key is there already");
    says(i->r.err, "move it away");
    key = read_etc(i, "provisioning/server.key");
    assert_string_equal(key, "mine\n");
    free(key);
    assert_false(is_in_etc(i, "conf.d/provisioning.conf"));
}

/* Nor does what waits beside it for a key of ours become its certificate. */
static void certificate_that_waits_for_another_key_is_not_taken(void **state)
{
    struct init_rig *i = *state;
    char path[TMP_PATH_MAX];

    assert_int_equal(mkdir(in_etc(i, "provisioning", path), 0755), 0);
    write_etc(i, "provisioning/server.key", "mine\n");
    write_etc(i, "provisioning/server.crt.of-new-key", "of another\n");
    ctl_fails(&i->r, 3, IN(i), "--yes");
    says(i->r.err, "server.key is there already");
    assert_false(is_in_etc(i, "provisioning/server.crt"));
}

static void configuration_by_hand_stays_and_is_taken_for_what_it_is(void **state)
{
    struct init_rig *i = *state;
    struct rig *r = &i->r;
    char text[LINE_ROOM], *conf;

    write_main(i, "");
    (void)snprintf(text, sizeof text,
                   "listener 7777\nrequire_certificate true\ncertfile %s\n"
                   "plugin %s\nplugin_opt_db_path %s\n",
                   r->leaf_file, i->plugin, r->db);
    write_etc(i, "conf.d/mine.conf", text);
    ctl_json(r, IN(i), "--yes");
    assert_string_equal(state_of(r, "configuration", "conf.d/mine.conf"), "there");
    assert_string_equal(state_of(r, "server", "leaf.crt"), "there");
    assert_int_equal(at(r, "port")->valueint, 7777);
    assert_false(is_in_etc(i, "conf.d/provisioning.conf"));
    assert_false(is_in_etc(i, "provisioning"));
    conf = read_etc(i, "conf.d/mine.conf");
    assert_string_equal(conf, text);
    free(conf);
    ctl_fails(r, 3, "--db", "/nowhere/else", IN(i), "--yes");
    says(r->err, "lets the broker use another store");
    says(r->err, "provctl --db");
}

static void file_of_that_name_without_the_plugin_is_not_touched(void **state)
{
    struct init_rig *i = *state;
    char *conf;

    write_main(i, "");
    write_etc(i, "conf.d/provisioning.conf", "# mine\n");
    ctl_fails(&i->r, 3, IN(i), "--yes");
    says(i->r.err, "does not load the plugin");
    conf = read_etc(i, "conf.d/provisioning.conf");
    assert_string_equal(conf, "# mine\n");
    free(conf);
    assert_int_equal(access(i->r.db, F_OK), -1);
}

/* ---- who may --------------------------------------------------------------------------------- */

/* As somebody who may not write there; what was said before anything was asked. */
static void expect_unwritable(struct init_rig *i, const char *closed)
{
    assert_int_equal(chmod(closed, 0555), 0);
    assert_int_equal(geteuid() == 0 ? seteuid(65534) : 0, 0);
    i->r.input = "\n";
    ctl_run(&i->r, WORDS(IN(i), "--guide"));
    assert_int_equal(getuid() == 0 ? seteuid(0) : 0, 0);
    assert_int_equal(chmod(closed, 0777), 0);
    says(i->r.err, "cannot be written");
    says(i->r.err, closed);
    says(i->r.err, "sudo provctl init");
    says_not(i->r.out, "Account id");
    assert_int_equal(i->r.code, 4);
}

static void places_that_cannot_be_written_are_told_before_anything_else(void **state)
{
    struct init_rig *i = *state;

    if (geteuid() == 0 && !tmp_is_public(i->r.dir))
        skip();
    assert_int_equal(chmod(i->r.dir, 0777), 0);
    expect_unwritable(i, i->etc);
    assert_int_equal(mkdir(i->r.db, 0777), 0);
    expect_unwritable(i, i->r.db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        INIT_TEST(options_that_will_not_do_are_named_and_nothing_is_made),
        INIT_TEST(listener_that_is_there_keeps_its_port),
        INIT_TEST(dry_run_shows_all_and_makes_nothing),
        INIT_TEST(without_an_answer_and_without_a_terminal_the_store_alone_is_made),
        INIT_TEST(what_would_not_work_is_told),
        INIT_TEST(what_is_not_the_brokers_is_told),
        INIT_TEST(certificate_that_ends_soon_is_told),
        INIT_TEST(port_that_another_program_holds_is_told),
        INIT_TEST(second_run_changes_nothing),
        INIT_TEST(second_run_adds_what_is_asked_for),
        INIT_TEST(second_run_knows_what_the_broker_is_called),
        INIT_TEST(ca_that_is_registered_stays_as_it_is),
        INIT_TEST(issuer_is_not_changed_behind_a_configuration_that_is_there),
        INIT_TEST(second_run_completes_what_was_interrupted),
        INIT_TEST(half_a_pair_is_never_written_over),
        INIT_TEST(certificate_that_waits_for_another_key_is_not_taken),
        INIT_TEST(configuration_by_hand_stays_and_is_taken_for_what_it_is),
        INIT_TEST(file_of_that_name_without_the_plugin_is_not_touched),
        INIT_TEST(places_that_cannot_be_written_are_told_before_anything_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
