#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "run/conf.h"

static unsigned fail_malloc; /* the n-th from now; -Wl,--wrap */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_malloc(size_t size)
{
    if (fail_malloc != 0 && --fail_malloc == 0)
        return NULL;
    return __real_malloc(size);
}

static enum prov_rc load_one(const char *key, const char *value, struct prov_conf *out,
                             struct prov_err *err)
{
    const struct prov_option option = { key, value };

    memset(out, 0xa5, sizeof *out);
    memset(err, 0, sizeof *err);
    return prov_conf_load(&option, 1, out, err);
}

static void assert_zeroed(const struct prov_conf *conf)
{
    static const struct prov_conf zero;

    assert_memory_equal(conf, &zero, sizeof zero);
}

static void defaults_are_those_of_the_design(void **state)
{
    struct prov_conf conf;
    struct prov_err err;
    (void)state;

    assert_int_equal(prov_conf_load(NULL, 0, &conf, &err), PROV_OK);
    assert_string_equal(conf.db_path, "/var/lib/mosquitto/provisioning");
    assert_int_equal(conf.db_max_mb, 0);
    assert_null(conf.account_id); /* the store has it */
    assert_null(conf.region);
    assert_int_equal(conf.first_connect, PROV_FIRST_DROP);
    assert_int_equal(conf.first_connect_wait_ms, 1000);
    assert_int_equal(conf.first_connect_activation_s, 20);
    assert_int_equal(conf.on_denied, PROV_DENIED_IGNORE);
    assert_int_equal(conf.other_clients, PROV_OTHERS_DEFER);
    assert_int_equal(conf.session_resumption, PROV_RESUMPTION_OFF);
    assert_int_equal(conf.worker_threads, 2);
    assert_int_equal(conf.queue_limit, 10000);
    assert_int_equal(conf.hook_timeout_ms, 5000);
    assert_int_equal(conf.hook_limit, 16);
    assert_string_equal(conf.hook_dir, "/etc/mosquitto/provisioning/hooks");
    assert_null(conf.hook_cafile); /* the system's authorities */
    assert_int_equal(conf.sys_interval, 10);
    assert_int_equal(conf.presence_events, PROV_PRESENCE_ON);
    assert_int_equal(conf.address_per_s, 100);
    assert_int_equal(conf.address_burst, 1000);
    assert_int_equal(conf.certificate_per_s, 10);
    assert_int_equal(conf.certificate_burst, 100);
    assert_int_equal(conf.ca_per_s, 2000);
    assert_int_equal(conf.ca_burst, 5000);
    prov_conf_release(&conf);
    assert_zeroed(&conf);
    prov_conf_release(&conf);
    prov_conf_release(NULL);
}

static void every_option_reaches_its_field_and_no_other(void **state)
{
    static const struct prov_option options[] = {
        { "queue_limit", "16" },
        { "worker_threads", "64" },
        { "other_clients", "allow" },
        { "on_denied", "disconnect" },
        { "first_connect_wait_ms", "10" },
        { "first_connect_activation_s", "7" },
        { "first_connect", "accept" },
        { "region", "eu-west-1" },
        { "account_id", "123456789012" },
        { "db_max_mb", "16777216" },
        { "db_path", "/srv/registry" },
        { "session_resumption", "on" },
        { "hook_timeout_ms", "100" },
        { "hook_limit", "1000" },
        { "hook_dir", "/srv/hooks" },
        { "hook_cafile", "/srv/ca.pem" },
        { "sys_interval", "65535" },
        { "presence_events", "off" },
        { "address_per_s", "1" },
        { "address_burst", "2" },
        { "certificate_per_s", "3" },
        { "certificate_burst", "4" },
        { "ca_per_s", "5" },
        { "ca_burst", "6" },
    };
    struct prov_conf conf;
    struct prov_err err;
    (void)state;

    assert_int_equal(prov_conf_load(options, PROV_COUNT(options), &conf, &err), PROV_OK);
    assert_string_equal(conf.db_path, "/srv/registry");
    assert_int_equal(conf.db_max_mb, 16777216);
    assert_string_equal(conf.account_id, "123456789012");
    assert_string_equal(conf.region, "eu-west-1");
    assert_int_equal(conf.first_connect, PROV_FIRST_ACCEPT);
    assert_int_equal(conf.first_connect_wait_ms, 10);
    assert_int_equal(conf.first_connect_activation_s, 7);
    assert_int_equal(conf.on_denied, PROV_DENIED_DISCONNECT);
    assert_int_equal(conf.other_clients, PROV_OTHERS_ALLOW);
    assert_int_equal(conf.session_resumption, PROV_RESUMPTION_ON);
    assert_int_equal(conf.worker_threads, 64);
    assert_int_equal(conf.queue_limit, 16);
    assert_int_equal(conf.hook_timeout_ms, 100);
    assert_int_equal(conf.hook_limit, 1000);
    assert_string_equal(conf.hook_dir, "/srv/hooks");
    assert_string_equal(conf.hook_cafile, "/srv/ca.pem");
    assert_int_equal(conf.sys_interval, 65535);
    assert_int_equal(conf.presence_events, PROV_PRESENCE_OFF);
    assert_int_equal(conf.address_per_s, 1);
    assert_int_equal(conf.address_burst, 2);
    assert_int_equal(conf.certificate_per_s, 3);
    assert_int_equal(conf.certificate_burst, 4);
    assert_int_equal(conf.ca_per_s, 5);
    assert_int_equal(conf.ca_burst, 6);
    prov_conf_release(&conf);
}

static void good_values_are_taken(void **state)
{
    static const struct prov_option rows[] = {
        { "db_path", "/" },
        { "db_path", "/with spaces/and-\xc3\xa9" },
        { "db_max_mb", "0" },
        { "db_max_mb", "16777216" },
        { "account_id", "999999999999" },
        { "region", "a" },
        { "region", "abcdefghijklmnopqrstuvwxyz-01234" }, /* 32 */
        { "first_connect", "drop" },
        { "first_connect", "accept" },
        { "first_connect_wait_ms", "10" },
        { "first_connect_wait_ms", "10000" },
        { "first_connect_activation_s", "0" },
        { "first_connect_activation_s", "300" },
        { "on_denied", "ignore" },
        { "on_denied", "disconnect" },
        { "other_clients", "defer" },
        { "other_clients", "allow" },
        { "worker_threads", "1" },
        { "worker_threads", "0064" },
        { "queue_limit", "16" },
        { "queue_limit", "1000000" },
        { "hook_timeout_ms", "60000" },
        { "hook_limit", "1" },
        { "hook_dir", "/" },
        { "hook_cafile", "/etc/ssl/hooks.pem" },
        { "sys_interval", "0" },
        { "presence_events", "on" },
        { "address_per_s", "0" },
        { "address_per_s", "1000000" },
        { "address_burst", "1" },
        { "address_burst", "1000000" },
        { "certificate_per_s", "0" },
        { "certificate_per_s", "1000000" },
        { "certificate_burst", "1" },
        { "certificate_burst", "1000000" },
        { "ca_per_s", "0" },
        { "ca_per_s", "1000000" },
        { "ca_burst", "1" },
        { "ca_burst", "1000000" },
    };
    struct prov_conf conf;
    struct prov_err err;
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        assert_int_equal(load_one(rows[i].key, rows[i].value, &conf, &err), PROV_OK);
        prov_conf_release(&conf);
    }
}

static void bad_values_are_refused_with_key_value_range_and_default(void **state)
{
    static const char number_range[] = "expected 1 to 64 (default 2)";
    static const char path_range[] =
        "expected an absolute path (default /var/lib/mosquitto/provisioning)";
    static const char region_range[] = "expected 1 to 32 of a-z, 0-9 and - (default the store's)";
    static const struct {
        const char *key, *value, *shown, *range;
    } rows[] = {
        { "worker_threads", "0", "0", number_range },
        { "worker_threads", "65", "65", number_range },
        { "worker_threads", "", "\"\"", number_range },
        { "worker_threads", NULL, "\"\"", number_range },
        { "worker_threads", "-1", "-1", number_range },
        { "worker_threads", "+1", "+1", number_range },
        { "worker_threads", " 1", "\" 1\"", number_range },
        { "worker_threads", "1 ", "\"1 \"", number_range },
        { "worker_threads", "1.5", "1.5", number_range },
        { "worker_threads", "0x2", "0x2", number_range },
        { "worker_threads", "2k", "2k", number_range },
        { "worker_threads", "18446744073709551617", "18446744073709551617", number_range },
        { "worker_threads", "two\n", "\"two\\x0a\"", number_range },
        { "db_max_mb", "16777217", "16777217", "expected 0 to 16777216 (default 0)" },
        { "queue_limit", "15", "15", "expected 16 to 1000000 (default 10000)" },
        { "queue_limit", "1000001", "1000001", "expected 16 to 1000000 (default 10000)" },
        { "first_connect_wait_ms", "9", "9", "expected 10 to 10000 (default 1000)" },
        { "first_connect_wait_ms", "10001", "10001", "expected 10 to 10000 (default 1000)" },
        { "first_connect_activation_s", "301", "301", "expected 0 to 300 (default 20)" },
        { "first_connect", "Drop", "Drop", "expected drop|accept (default drop)" },
        { "first_connect", "", "\"\"", "expected drop|accept (default drop)" },
        { "first_connect", "drop|accept", "drop|accept", "expected drop|accept (default drop)" },
        { "on_denied", "kick", "kick", "expected ignore|disconnect (default ignore)" },
        { "other_clients", "deny", "deny", "expected defer|allow (default defer)" },
        { "account_id", "12345678901", "12345678901", "expected 12 digits (default the store's)" },
        { "account_id", "1234567890123", "1234567890123",
          "expected 12 digits (default the store's)" },
        { "account_id", "12345678901a", "12345678901a",
          "expected 12 digits (default the store's)" },
        { "region", "", "\"\"", region_range },
        { "region", "EU", "EU", region_range },
        { "region", "a_b", "a_b", region_range },
        { "region", "abcdefghijklmnopqrstuvwxyz-012345", "abcdefghijklmnopqrstuvwxyz-012345",
          region_range },
        { "db_path", "", "\"\"", path_range },
        { "db_path", "relative/path", "relative/path", path_range },
        { "db_path", "/new\nline", "\"/new\\x0aline\"", path_range },
        { "hook_timeout_ms", "99", "99", "expected 100 to 60000 (default 5000)" },
        { "hook_timeout_ms", "60001", "60001", "expected 100 to 60000 (default 5000)" },
        { "hook_limit", "0", "0", "expected 1 to 1000 (default 16)" },
        { "hook_limit", "1001", "1001", "expected 1 to 1000 (default 16)" },
        { "hook_dir", "hooks", "hooks",
          "expected an absolute path (default /etc/mosquitto/provisioning/hooks)" },
        { "hook_cafile", "", "\"\"", "expected an absolute path (default the system's)" },
        { "hook_cafile", "ca.pem", "ca.pem", "expected an absolute path (default the system's)" },
        { "sys_interval", "65536", "65536", "expected 0 to 65535 (default 10)" },
        { "presence_events", "yes", "yes", "expected off|on (default on)" },
        { "address_per_s", "1000001", "1000001", "expected 0 to 1000000 (default 100)" },
        { "address_burst", "0", "0", "expected 1 to 1000000 (default 1000)" },
        { "address_burst", "1000001", "1000001", "expected 1 to 1000000 (default 1000)" },
        { "certificate_per_s", "1000001", "1000001", "expected 0 to 1000000 (default 10)" },
        { "certificate_burst", "0", "0", "expected 1 to 1000000 (default 100)" },
        { "certificate_burst", "1000001", "1000001", "expected 1 to 1000000 (default 100)" },
        { "ca_per_s", "1000001", "1000001", "expected 0 to 1000000 (default 2000)" },
        { "ca_burst", "0", "0", "expected 1 to 1000000 (default 5000)" },
        { "ca_burst", "1000001", "1000001", "expected 1 to 1000000 (default 5000)" },
    };
    char expected[320];
    struct prov_conf conf;
    struct prov_err err;
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        (void)snprintf(expected, sizeof expected, "plugin_opt_%s: %s is not legal; %s", rows[i].key,
                       rows[i].shown, rows[i].range);
        assert_int_equal(load_one(rows[i].key, rows[i].value, &conf, &err), PROV_EINVAL);
        assert_string_equal(err.text, expected);
        assert_int_equal(err.rc, PROV_EINVAL);
        assert_non_null(err.code);
        assert_zeroed(&conf);
    }
}

static void path_that_leaves_no_room_for_the_files_is_refused(void **state)
{
    enum { LONGEST = 4096 - 64 };
    char path[LONGEST + 2];
    struct prov_conf conf;
    struct prov_err err;
    (void)state;

    memset(path, 'x', sizeof path - 1);
    path[0] = '/';
    path[LONGEST + 1] = '\0';
    assert_int_equal(load_one("db_path", path, &conf, &err), PROV_EINVAL);
    assert_non_null(strstr(err.text, "\xe2\x80\xa6\" is not legal; expected an absolute path"));
    path[LONGEST] = '\0';
    assert_int_equal(load_one("db_path", path, &conf, &err), PROV_OK);
    prov_conf_release(&conf);
}

static void unknown_key_is_refused_with_the_nearest_one(void **state)
{
    static const struct {
        const char *key, *shown, *nearest; /* NULL: none is close */
    } rows[] = {
        { "db_pth", "db_pth", "db_path" },
        { "dbpath", "dbpath", "db_path" },
        { "db-path", "db-path", "db_path" },
        { "DB_PATH", "DB_PATH", "db_path" },
        { "worker_thread", "worker_thread", "worker_threads" },
        { "workers_threads", "workers_threads", "worker_threads" },
        { "queue_limits", "queue_limits", "queue_limit" },
        { "first_conect", "first_conect", "first_connect" },
        { "first_connect_", "first_connect_", "first_connect" },
        { "first_connect_wait", "first_connect_wait", "first_connect_wait_ms" },
        { "other_client", "other_client", "other_clients" },
        { "regoin", "regoin", "region" },
        { "address_pers", "address_pers", "address_per_s" },
        { "certificates_per_s", "certificates_per_s", "certificate_per_s" },
        { "hook_timeout", "hook_timeout", "hook_timeout_ms" },
        { "plugin_opt_region", "plugin_opt_region", NULL },
        { "password_file", "password_file", NULL },
        { "x", "x", NULL },
        { "", "\"\"", NULL },
        { NULL, "\"\"", NULL },
        { "evil\nkey", "\"evil\\x0akey\"", NULL },
        { "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
          "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz", NULL },
    };
    char expected[320];
    struct prov_conf conf;
    struct prov_err err;
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        (void)snprintf(expected, sizeof expected, "plugin_opt_%s: there is no such option%s%s%s",
                       rows[i].shown, rows[i].nearest == NULL ? "" : "; plugin_opt_",
                       rows[i].nearest == NULL ? "" : rows[i].nearest,
                       rows[i].nearest == NULL ? "" : " is the nearest");
        assert_int_equal(load_one(rows[i].key, "1", &conf, &err), PROV_EINVAL);
        assert_string_equal(err.text, expected);
        assert_zeroed(&conf);
    }
}

static void key_given_twice_is_refused_even_with_the_same_value(void **state)
{
    static const struct prov_option options[] = {
        { "region", "eu" },
        { "queue_limit", "20" },
        { "region", "eu" },
    };
    struct prov_conf conf;
    struct prov_err err;
    (void)state;

    assert_int_equal(prov_conf_load(options, 2, &conf, &err), PROV_OK);
    prov_conf_release(&conf);
    assert_int_equal(prov_conf_load(options, 3, &conf, &err), PROV_EINVAL);
    assert_string_equal(err.text, "plugin_opt_region is given twice");
    assert_zeroed(&conf);
    assert_int_equal(prov_conf_load(options, 3, &conf, NULL), PROV_EINVAL);
}

static void first_mistake_is_the_one_reported(void **state)
{
    static const struct prov_option options[] = {
        { "region", "eu" },
        { "queue_limit", "1" },
        { "nonsense", "1" },
    };
    struct prov_conf conf;
    struct prov_err err;
    (void)state;

    assert_int_equal(prov_conf_load(options, 3, &conf, &err), PROV_EINVAL);
    assert_non_null(strstr(err.text, "plugin_opt_queue_limit: 1 "));
}

static void missing_memory_is_reported_and_leaves_nothing(void **state)
{
    static const struct prov_option options[] = {
        { "db_path", "/a" },
        { "region", "eu" },
        { "hook_dir", "/b" },
        { "hook_cafile", "/c" },
    };
    struct prov_conf conf;
    struct prov_err err;
    enum prov_rc rc = PROV_ENOMEM;
    unsigned n;
    (void)state;

    for (n = 1; rc != PROV_OK; n++) {
        memset(&err, 0, sizeof err);
        fail_malloc = n;
        rc = prov_conf_load(options, PROV_COUNT(options), &conf, &err);
        if (fail_malloc != 0) { /* it had all it wanted */
            assert_int_equal(rc, PROV_OK);
            break;
        }
        assert_int_equal(rc, PROV_ENOMEM);
        assert_int_equal(err.rc, PROV_ENOMEM);
        assert_zeroed(&conf);
    }
    fail_malloc = 0;
    assert_int_equal(n, 7); /* two defaults, four values */
    prov_conf_release(&conf);
}

/* ---- the description ------------------------------------------------------------------------- */

static struct {
    unsigned n;
    const char *keys[64];
    char ranges[64][64];
} described;

static void describe_row(void *ctx, const char *key, const char *fallback, const char *range,
                         const char *meaning)
{
    struct prov_conf conf;
    struct prov_err err;

    assert_ptr_equal(ctx, &described);
    assert_true(described.n < PROV_COUNT(described.keys));
    assert_in_range(strlen(key), 3, 32); /* Mosquitto 2.0 refuses shorter names */
    assert_true(strlen(meaning) > 20);
    described.keys[described.n] = key;
    (void)prov_span_copy(prov_span_str(range), described.ranges[described.n], 64);
    described.n++;
    if (strncmp(fallback, "the ", 4) != 0) {
        assert_int_equal(load_one(key, fallback, &conf, &err), PROV_OK);
        prov_conf_release(&conf);
    }
    assert_int_equal(load_one(key, "\n", &conf, &err), PROV_EINVAL);
    assert_non_null(strstr(err.text, range));
    assert_non_null(strstr(err.text, fallback));
}

static void description_lists_every_option_once_with_a_default_that_loads(void **state)
{
    static const char *const keys[] = {
        "db_path",
        "db_max_mb",
        "account_id",
        "region",
        "first_connect",
        "first_connect_wait_ms",
        "first_connect_activation_s",
        "on_denied",
        "other_clients",
        "session_resumption",
        "worker_threads",
        "queue_limit",
        "hook_timeout_ms",
        "hook_limit",
        "hook_dir",
        "hook_cafile",
        "sys_interval",
        "presence_events",
        "address_per_s",
        "address_burst",
        "certificate_per_s",
        "certificate_burst",
        "ca_per_s",
        "ca_burst",
        "claim_per_s",
        "claim_burst",
        "claim_suspend_after",
        "issuer_cert",
        "issuer_key",
        "issuer_validity_days",
        "certificate_provider",
        "token_ttl_s",
        "key_type",
        "key_pool",
        "rotation_overlap_s",
    };
    (void)state;

    prov_conf_describe(describe_row, &described);
    assert_int_equal(described.n, PROV_COUNT(keys));
    for (size_t i = 0; i < PROV_COUNT(keys); i++)
        assert_string_equal(described.keys[i], keys[i]);
    assert_string_equal(described.ranges[0], "an absolute path");
    assert_string_equal(described.ranges[1], "0 to 16777216");
    assert_string_equal(described.ranges[4], "drop|accept");
}

/* ---- the guide ------------------------------------------------------------------------------- */

/* "100 to 60000" and "an absolute path" as they are; "off|on" as "`off`, `on`". */
static void guide_range(const char *range, char out[static 128])
{
    const char *bar = strchr(range, '|');

    if (bar != NULL)
        (void)snprintf(out, 128, "`%.*s`, `%s`", (int)(bar - range), range, bar + 1);
    else if (strstr(range, "a-z") != NULL)
        (void)snprintf(out, 128, "1 to 32 of `a-z`, `0-9`, `-`");
    else
        (void)snprintf(out, 128, "%s", range);
}

static void guide_row(void *ctx, const char *key, const char *fallback, const char *range,
                      const char *meaning)
{
    const bool in_words = strncmp(fallback, "the ", 4) == 0;
    char wanted[256], shown[128];
    (void)meaning;

    guide_range(range, shown);
    (void)snprintf(wanted, sizeof wanted, "| `%s` | %s%s%s | %s | ", key, in_words ? "" : "`",
                   fallback, in_words ? "" : "`", shown);
    if (strstr(ctx, wanted) == NULL)
        fail_msg("docs/guide.md has no row that begins: %s", wanted);
}

static void guide_has_a_row_for_every_option_with_its_default_and_range(void **state)
{
    static const char here[] = __FILE__;
    const char *cut = strstr(here, "tests/unit/");
    char path[512], *text;
    size_t n;
    FILE *file;
    (void)state;

    assert_non_null(cut);
    (void)snprintf(path, sizeof path, "%.*sdocs/guide.md", (int)(cut - here), here);
    file = fopen(path, "rb");
    text = calloc(1, 1u << 20);
    if (file == NULL || text == NULL)
        fail_msg("cannot read %s", path);
    n = fread(text, 1, (1u << 20) - 1, file);
    (void)fclose(file);
    assert_true(n != 0);
    prov_conf_describe(guide_row, text);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_design),
        cmocka_unit_test(every_option_reaches_its_field_and_no_other),
        cmocka_unit_test(good_values_are_taken),
        cmocka_unit_test(bad_values_are_refused_with_key_value_range_and_default),
        cmocka_unit_test(path_that_leaves_no_room_for_the_files_is_refused),
        cmocka_unit_test(unknown_key_is_refused_with_the_nearest_one),
        cmocka_unit_test(key_given_twice_is_refused_even_with_the_same_value),
        cmocka_unit_test(first_mistake_is_the_one_reported),
        cmocka_unit_test(missing_memory_is_reported_and_leaves_nothing),
        cmocka_unit_test(description_lists_every_option_once_with_a_default_that_loads),
        cmocka_unit_test(guide_has_a_row_for_every_option_with_its_default_and_range),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
