/* A list of all certificates, page by page, and what another client notices of it. */
#include <inttypes.h>
#include <stdio.h>

#include "bystander.h"
#include "control.h"
#include "core/api.h"

#define BYSTANDER_IDLE_MS 500

static uint64_t port, pid, pages_max, page_size = PROV_API_PAGE_MAX;

static const struct bench_option options[] = {
    { .name = "port",
      .value = "P",
      .help = "the broker's plain listener, where everybody may use the control API",
      .number = &port,
      .lo = 1,
      .hi = 65535,
      .required = true },
    { .name = "page-size",
      .value = "N",
      .help = "certificates on a page",
      .number = &page_size,
      .lo = 1,
      .hi = PROV_API_PAGE_MAX },
    { .name = "pages",
      .value = "N",
      .help = "end after so many pages; 0: with the last",
      .number = &pages_max,
      .hi = 100000000 },
    { .name = "pid",
      .value = "PID",
      .help = "the broker, for its CPU time",
      .number = &pid,
      .lo = 1,
      .hi = 4194304 },
    { .name = NULL },
};

static const struct bench_program program = {
    .name = "bench_list",
    .about =
        "Asks the control API for all certificates (listCertificates), each page when the one\n"
        "before it has come, while another client pings.\n",
    .figures =
        "  pages certificates seconds pages_per_s certificates_per_s\n"
        "  p50_us p99_us max_us         of a page, from the request to the whole answer\n"
        "  client_cpu_us_per_page       of this program, which reads the JSON\n"
        "  cpu_us_per_page              of the broker (--pid)\n"
        "  bystander_pings bystander_p50_us bystander_p99_us bystander_max_us\n"
        "                               its round trips meanwhile; bystander_idle_...: before\n",
    .example = "bench_list --port 1883 --page-size 250",
    .options = options,
};

struct list {
    struct mqtt *c;
    char marker[2 * PROV_ID_LEN + 1]; /* of the next page; "" for the first and behind the last */
    uint64_t pages, certificates;
    struct bench_times times;
};

static void take_page(struct list *list, const cJSON *data)
{
    const cJSON *rows = cJSON_GetObjectItemCaseSensitive(data, "certificates"),
                *next = cJSON_GetObjectItemCaseSensitive(data, "nextMarker");

    if (!cJSON_IsArray(rows))
        bench_fail("a page without certificates");
    list->pages++;
    list->certificates += (uint64_t)cJSON_GetArraySize(rows);
    list->marker[0] = '\0';
    if (cJSON_IsString(next) &&
        !prov_span_copy(prov_span_str(next->valuestring), list->marker, sizeof list->marker))
        bench_fail("a marker that is no certificate id");
}

static void ask_page(struct list *list)
{
    const uint64_t asked = bench_now_ns();
    char behind[sizeof list->marker + 16] = "";
    cJSON *data;

    if (list->marker[0] != '\0')
        (void)snprintf(behind, sizeof behind, ",\"marker\":\"%s\"", list->marker);
    control_ask(list->c, "{\"command\":\"listCertificates\",\"pageSize\":%" PRIu64 "%s}", page_size,
                behind);
    data = control_answer(list->c);
    bench_times_add(&list->times, bench_now_ns() - asked);
    take_page(list, data);
    cJSON_Delete(data);
}

static void ask_all(struct list *list)
{
    do {
        ask_page(list);
        bench_progress("pages", list->pages, pages_max);
    } while (list->marker[0] != '\0' && list->pages != pages_max);
}

int main(int argc, char **argv)
{
    struct bench_process before = { 0 }, after = { 0 }, own_before, own_after;
    struct list list = { .c = NULL };
    struct bystander *bystander;
    double seconds;
    uint64_t from;

    bench_options(&program, argc, argv);
    list.c = control_connect((uint16_t)port);
    bystander = bystander_start((uint16_t)port, BYSTANDER_IDLE_MS);
    if (pid != 0)
        before = bench_process_now((pid_t)pid);
    own_before = bench_process_now(0);
    bystander_begin(bystander);
    from = bench_now_ns();
    ask_all(&list);
    seconds = (double)(bench_now_ns() - from) / 1e9;
    bystander_end(bystander);
    own_after = bench_process_now(0);
    if (pid != 0)
        after = bench_process_now((pid_t)pid);
    control_leave(list.c);

    bench_put_count("pages", list.pages);
    bench_put_count("certificates", list.certificates);
    bench_put_value("seconds", seconds, 3);
    bench_put_value("pages_per_s", (double)list.pages / seconds, 1);
    bench_put_value("certificates_per_s", (double)list.certificates / seconds, 0);
    bench_times_put(&list.times, "");
    bench_put_value("client_cpu_us_per_page", bench_cpu_us_per(&own_before, &own_after, list.pages),
                    1);
    if (pid != 0)
        bench_put_value("cpu_us_per_page", bench_cpu_us_per(&before, &after, list.pages), 1);
    bystander_put(bystander);
    bench_put_line();
    bench_times_release(&list.times);
    return 0;
}
