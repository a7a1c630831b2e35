/*
 * Options as key=value lines; a line without '=' is a key without a value. What loads is within its
 * ranges, and written out again loads to the same settings. What does not load says why in one line
 * of printable text and leaves nothing behind.
 */
#include <stdint.h>
#include <stdlib.h>

#include "run/conf.h"

#define MAX_OPTIONS 48

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* Cuts text in place into at most MAX_OPTIONS options. */
static size_t split(char *text, struct prov_option options[static MAX_OPTIONS])
{
    size_t n = 0;

    while (text != NULL && *text != '\0' && n < MAX_OPTIONS) {
        char *line = strsep(&text, "\n");
        char *value = strchr(line, '=');

        if (value != NULL)
            *value++ = '\0';
        options[n++] = (struct prov_option){ line, value };
    }
    return n;
}

static void check_settings(const struct prov_conf *conf)
{
    require(conf->db_path[0] == '/' && strlen(conf->db_path) < 4096);
    require(conf->db_max_mb <= 16777216);
    require(conf->account_id == NULL ||
            (strlen(conf->account_id) == 12 && strspn(conf->account_id, "0123456789") == 12));
    require(conf->region == NULL || (conf->region[0] != '\0' && strlen(conf->region) <= 32));
    require(conf->first_connect <= PROV_FIRST_ACCEPT);
    require(conf->on_denied <= PROV_DENIED_DISCONNECT);
    require(conf->other_clients <= PROV_OTHERS_ALLOW);
    require(conf->worker_threads >= 1 && conf->worker_threads <= 64);
    require(conf->queue_limit >= 16 && conf->queue_limit <= 1000000);
    require(conf->first_connect_wait_ms >= 10 && conf->first_connect_wait_ms <= 10000);
    require(conf->first_connect_activation_s <= 300);
    require(conf->session_resumption <= PROV_RESUMPTION_ON);
    require(conf->presence_events <= PROV_PRESENCE_ON);
    require(conf->hook_timeout_ms >= 100 && conf->hook_timeout_ms <= 60000);
    require(conf->hook_limit >= 1 && conf->hook_limit <= 1000);
    require(conf->hook_dir[0] == '/' && strlen(conf->hook_dir) < 4096);
    require(conf->hook_cafile == NULL || conf->hook_cafile[0] == '/');
    require(conf->sys_interval <= 65535);
    require(conf->address_per_s <= 1000000 && conf->certificate_per_s <= 1000000 &&
            conf->ca_per_s <= 1000000);
    require(conf->address_burst >= 1 && conf->address_burst <= 1000000);
    require(conf->certificate_burst >= 1 && conf->certificate_burst <= 1000000);
    require(conf->ca_burst >= 1 && conf->ca_burst <= 1000000);
}

/* ---- written out again ----------------------------------------------------------------------- */

#define AT(field) offsetof(struct prov_conf, field)

static const struct {
    const char *key;
    size_t at;
} numbers[] = {
    { "db_max_mb", AT(db_max_mb) },
    { "worker_threads", AT(worker_threads) },
    { "queue_limit", AT(queue_limit) },
    { "first_connect_wait_ms", AT(first_connect_wait_ms) },
    { "first_connect_activation_s", AT(first_connect_activation_s) },
    { "hook_timeout_ms", AT(hook_timeout_ms) },
    { "hook_limit", AT(hook_limit) },
    { "sys_interval", AT(sys_interval) },
    { "address_per_s", AT(address_per_s) },
    { "address_burst", AT(address_burst) },
    { "certificate_per_s", AT(certificate_per_s) },
    { "certificate_burst", AT(certificate_burst) },
    { "ca_per_s", AT(ca_per_s) },
    { "ca_burst", AT(ca_burst) },
}, texts[] = {
    { "db_path", AT(db_path) },   { "account_id", AT(account_id) },   { "region", AT(region) },
    { "hook_dir", AT(hook_dir) }, { "hook_cafile", AT(hook_cafile) },
};

static const struct {
    const char *key;
    size_t at;
    const char *words[2];
} choices[] = {
    { "first_connect", AT(first_connect), { "drop", "accept" } },
    { "on_denied", AT(on_denied), { "ignore", "disconnect" } },
    { "other_clients", AT(other_clients), { "defer", "allow" } },
    { "session_resumption", AT(session_resumption), { "off", "on" } },
    { "presence_events", AT(presence_events), { "off", "on" } },
};

static uint64_t number_of(const struct prov_conf *conf, size_t i)
{
    return *(const uint64_t *)((const char *)conf + numbers[i].at);
}

static unsigned choice_of(const struct prov_conf *conf, size_t i)
{
    return *(const unsigned *)((const char *)conf + choices[i].at);
}

static const char *text_of(const struct prov_conf *conf, size_t i)
{
    return *(char *const *)((const char *)conf + texts[i].at);
}

static void require_same(const struct prov_conf *a, const struct prov_conf *b)
{
    for (size_t i = 0; i < PROV_COUNT(numbers); i++)
        require(number_of(a, i) == number_of(b, i));
    for (size_t i = 0; i < PROV_COUNT(choices); i++)
        require(choice_of(a, i) == choice_of(b, i));
    for (size_t i = 0; i < PROV_COUNT(texts); i++)
        require(prov_span_eq(prov_span_str(text_of(a, i)), prov_span_str(text_of(b, i))));
}

static void check_round_trip(const struct prov_conf *conf)
{
    struct prov_option options[PROV_COUNT(numbers) + PROV_COUNT(choices) + PROV_COUNT(texts)];
    char digits[PROV_COUNT(numbers)][24];
    struct prov_conf again;
    size_t n = 0;

    for (size_t i = 0; i < PROV_COUNT(numbers); i++) {
        (void)snprintf(digits[i], sizeof digits[i], "%llu", (unsigned long long)number_of(conf, i));
        options[n++] = (struct prov_option){ numbers[i].key, digits[i] };
    }
    for (size_t i = 0; i < PROV_COUNT(choices); i++)
        options[n++] = (struct prov_option){ choices[i].key, choices[i].words[choice_of(conf, i)] };
    for (size_t i = 0; i < PROV_COUNT(texts); i++) {
        if (text_of(conf, i) != NULL)
            options[n++] = (struct prov_option){ texts[i].key, text_of(conf, i) };
    }
    require(prov_conf_load(options, n, &again, NULL) == PROV_OK);
    require_same(conf, &again);
    prov_conf_release(&again);
}

static void check_refusal(const struct prov_conf *conf, const struct prov_err *err)
{
    require(conf->db_path == NULL && conf->account_id == NULL && conf->region == NULL);
    require(conf->hook_dir == NULL && conf->hook_cafile == NULL);
    require(err->rc == PROV_EINVAL && err->code != NULL);
    require(strncmp(err->text, "plugin_opt_", 11) == 0);
    require(strlen(err->text) < sizeof err->text - 1); /* nothing was cut off its end */
    require(prov_utf8_valid(prov_span_str(err->text)));
    for (const char *c = err->text; *c != '\0'; c++)
        require((unsigned char)*c >= ' ' && *c != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct prov_option options[MAX_OPTIONS];
    char *text = malloc(size + 1);
    struct prov_conf conf;
    struct prov_err err;
    enum prov_rc rc;

    if (text == NULL)
        return 0;
    if (size != 0)
        memcpy(text, data, size);
    text[size] = '\0';
    memset(&err, 0, sizeof err);
    rc = prov_conf_load(options, split(text, options), &conf, &err);
    if (rc == PROV_OK) {
        check_settings(&conf);
        check_round_trip(&conf);
        prov_conf_release(&conf);
    } else {
        require(rc == PROV_EINVAL);
        check_refusal(&conf, &err);
    }
    free(text);
    return 0;
}
