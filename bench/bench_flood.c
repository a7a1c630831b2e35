/* Publishes through a broker, and what they cost it. */
#include "flood.h"

/* ---- options --------------------------------------------------------------------------------- */

static const char *const mode_words[] = {
    [FLOOD_FAN_IN] = "fan-in", [FLOOD_FAN_OUT] = "fan-out", [FLOOD_CHECK] = "check"
};
static const int tls_versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

static struct flood_options o = {
    .clients = 1,
    .size = 64,
    .window = 256,
    .timeout_s = 10,
    .topic = "bench/fan-out",
};
static uint64_t pid;
static unsigned mode, tls = 1;

static const struct bench_option options[] = {
    { .name = "port",
      .value = "P",
      .help = "the broker's listener on 127.0.0.1: with --pki the one for TLS",
      .number = &o.port,
      .lo = 1,
      .hi = 65535,
      .required = true },
    { .name = "mode",
      .value = "M",
      .help = "who publishes to whom",
      .choice = &mode,
      .words = { "fan-in", "fan-out", "check" },
      .required = true },
    { .name = "messages",
      .value = "N",
      .help = "how many publishes in all",
      .number = &o.messages,
      .lo = 1,
      .hi = 1000000000,
      .required = true },
    { .name = "clients",
      .value = "N",
      .help = "how many clients face the one",
      .number = &o.clients,
      .lo = 1,
      .hi = 100000 },
    { .name = "size",
      .value = "B",
      .help = "bytes in each payload",
      .number = &o.size,
      .lo = FLOOD_SIZE_MIN,
      .hi = 1000000 },
    { .name = "qos", .value = "Q", .help = "of publish and subscribe", .number = &o.qos, .hi = 1 },
    { .name = "window",
      .value = "W",
      .help =
          "publishes that are not yet delivered to all; less than the broker's max_queued_messages",
      .number = &o.window,
      .lo = 1,
      .hi = 100000 },
    { .name = "rate",
      .value = "R",
      .help =
          "R publishes a second, each timed from when it was due; 0: as fast as the window allows",
      .number = &o.rate,
      .hi = 10000000 },
    { .name = "pki",
      .value = "DIR",
      .help = "what bench_pki made: the clients are devices that the broker knows; without it they "
              "use plain TCP",
      .text = &o.pki },
    { .name = "tls",
      .value = "V",
      .help = "the version of TLS",
      .choice = &tls,
      .words = { "1.2", "1.3" } },
    { .name = "first",
      .value = "I",
      .help = "the first device to use, counted from 0 in devices.bin",
      .number = &o.first,
      .hi = 100000000 },
    { .name = "sink",
      .value = "I",
      .help = "the one uses device I's certificate",
      .number = &o.peer_cert,
      .hi = 100000000 },
    { .name = "plain-port",
      .value = "P",
      .help = "the one comes without a certificate to this plain listener, as " FLOOD_PEER_ID,
      .number = &o.peer_port,
      .lo = 1,
      .hi = 65535 },
    { .name = "topic", .value = "T", .help = "what fan-out publishes to", .text = &o.topic },
    { .name = "pid",
      .value = "PID",
      .help = "the broker, for its CPU time and memory",
      .number = &pid,
      .lo = 1,
      .hi = 4194304 },
    { .name = "timeout",
      .value = "S",
      .help = "seconds without a message after which those outstanding count as lost",
      .number = &o.timeout_s,
      .lo = 1,
      .hi = 3600 },
    { .name = NULL },
};

static const struct bench_program program = {
    .name = "bench_flood",
    .about =
        "Publishes messages and accounts for every one: a message that is lost, doubled or out of\n"
        "order ends the measurement.\n\n"
        "  fan-in   every client publishes to dt/<its id>/data in turn; the one subscribes to "
        "dt/#\n"
        "  fan-out  the one publishes to --topic, to which every client subscribes\n"
        "  check    one client publishes to dt/<its id>/data and nobody listens; a ping's answer\n"
        "           ends it. Such a publish costs the broker one check and no delivery.\n\n"
        "With --pki the client ids are the certificates' common names, otherwise bench-0000000 "
        "and\n"
        "so on. \"The one\" then needs --sink or --plain-port.\n",
    .figures = "  mode clients messages seconds      what was asked for, and how long it took\n"
               "  messages_per_s deliveries_per_s    publishes, and their copies at the receivers\n"
               "  p50_us p99_us max_us               from publish (or when due) to a receiver; not "
               "of check\n"
               "  client_cpu_us_per_message          of this program\n"
               "  cpu_us_per_message rss_kb anon_kb  of the broker (--pid)\n",
    .example = "bench_flood --port 1883 --mode fan-in --clients 100 --messages 200000",
    .options = options,
};

static void check_options(void)
{
    o.mode = (enum flood_mode)mode;
    o.tls_version = tls_versions[tls];
    o.peer_has_cert = bench_given("sink");
    if (o.mode == FLOOD_CHECK && o.clients != 1)
        bench_usage("clients", "--mode check has only one");
    if (o.peer_has_cert && o.pki == NULL)
        bench_usage("sink", "a certificate needs --pki");
    if (o.peer_has_cert && o.peer_port != 0)
        bench_usage("sink", "does not go with --plain-port");
    if (o.peer_has_cert && o.peer_cert >= o.first && o.peer_cert < o.first + o.clients)
        bench_usage("sink", "that device is one of the clients (--first, --clients)");
    if (o.pki != NULL && o.mode != FLOOD_CHECK && !o.peer_has_cert && o.peer_port == 0)
        bench_usage("sink", "with --pki either this or --plain-port is needed");
    if (o.pki == NULL && o.peer_port == 0)
        o.peer_port = o.port;
}

/* ---- main ------------------------------------------------------------------------------------ */

static void put_flood(struct flood *f)
{
    const double seconds = (double)(f->end_ns - f->begin_ns) / 1e9;

    bench_put_word("mode", mode_words[mode]);
    bench_put_count("clients", o.clients);
    bench_put_count("messages", f->sent);
    bench_put_value("seconds", seconds, 3);
    bench_put_value("messages_per_s", (double)f->sent / seconds, 0);
    if (o.mode == FLOOD_CHECK)
        return;
    bench_put_value("deliveries_per_s", (double)f->delivered / seconds, 0);
    bench_times_put(&f->times, "");
}

int main(int argc, char **argv)
{
    struct bench_process before = { 0 }, after = { 0 }, own_before, own_after;
    static struct flood f;

    bench_options(&program, argc, argv);
    check_options();
    flood_init(&f, &o);
    if (pid != 0)
        before = bench_process_now((pid_t)pid);
    own_before = bench_process_now(0);
    flood_run(&f);
    own_after = bench_process_now(0);
    if (pid != 0)
        after = bench_process_now((pid_t)pid);

    put_flood(&f);
    bench_put_value("client_cpu_us_per_message", bench_cpu_us_per(&own_before, &own_after, f.sent),
                    2);
    if (pid != 0) {
        bench_put_value("cpu_us_per_message", bench_cpu_us_per(&before, &after, f.sent), 2);
        bench_put_count("rss_kb", after.rss_kb);
        bench_put_count("anon_kb", after.anon_kb);
    }
    bench_put_line();
    flood_release(&f);
    return 0;
}
