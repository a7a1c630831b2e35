/*
 * Options as key=value lines; a line without '=' is a key without a value. What loads is within its
 * ranges, and written out again loads to the same settings. What does not load says why in one line
 * of printable text and leaves nothing behind.
 */
#include <stdint.h>
#include <stdlib.h>

#include "run/conf.h"

#define MAX_OPTIONS 32

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
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same(const struct prov_conf *a, const struct prov_conf *b)
{
    return same_text(a->db_path, b->db_path) && same_text(a->account_id, b->account_id) &&
           same_text(a->region, b->region) && a->db_max_mb == b->db_max_mb &&
           a->first_connect == b->first_connect && a->on_denied == b->on_denied &&
           a->other_clients == b->other_clients && a->worker_threads == b->worker_threads &&
           a->queue_limit == b->queue_limit && a->first_connect_wait_ms == b->first_connect_wait_ms;
}

static void check_round_trip(const struct prov_conf *conf)
{
    char max_mb[24], workers[24], limit[24], wait_ms[24];
    struct prov_option options[10] = {
        { "queue_limit", limit },
        { "worker_threads", workers },
        { "db_max_mb", max_mb },
        { "first_connect_wait_ms", wait_ms },
        { "db_path", conf->db_path },
        { "first_connect", conf->first_connect == PROV_FIRST_DROP ? "drop" : "accept" },
        { "on_denied", conf->on_denied == PROV_DENIED_IGNORE ? "ignore" : "disconnect" },
        { "other_clients", conf->other_clients == PROV_OTHERS_DEFER ? "defer" : "allow" },
    };
    struct prov_conf again;
    size_t n = 8;

    (void)snprintf(max_mb, sizeof max_mb, "%llu", (unsigned long long)conf->db_max_mb);
    (void)snprintf(workers, sizeof workers, "%llu", (unsigned long long)conf->worker_threads);
    (void)snprintf(limit, sizeof limit, "%llu", (unsigned long long)conf->queue_limit);
    (void)snprintf(wait_ms, sizeof wait_ms, "%llu",
                   (unsigned long long)conf->first_connect_wait_ms);
    if (conf->account_id != NULL)
        options[n++] = (struct prov_option){ "account_id", conf->account_id };
    if (conf->region != NULL)
        options[n++] = (struct prov_option){ "region", conf->region };
    require(prov_conf_load(options, n, &again, NULL) == PROV_OK);
    require(same(conf, &again));
    prov_conf_release(&again);
}

static void check_refusal(const struct prov_conf *conf, const struct prov_err *err)
{
    require(conf->db_path == NULL && conf->account_id == NULL && conf->region == NULL);
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
