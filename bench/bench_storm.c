/* Storms of mTLS connects, and what they cost the broker. */
#include <inttypes.h>

#include "bystander.h"
#include "storm.h"

#define BYSTANDER_IDLE_MS 500

/* ---- options --------------------------------------------------------------------------------- */

static const char *const tls_words[] = { "1.2", "1.3" };
static const int tls_versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

static struct storm_options o = {
    .concurrency = 16,
    .sources = 1,
    .timeout_s = 30,
    .filter = "cmd/%c/%k",
};
static uint64_t pid, bystander_port;
static unsigned tls = 1;

static const struct bench_option options[] = {
    { .name = "port",
      .value = "P",
      .help = "the broker's TLS listener on 127.0.0.1",
      .number = &o.port,
      .lo = 1,
      .hi = 65535,
      .required = true },
    { .name = "pki",
      .value = "DIR",
      .help = "what bench_pki made",
      .text = &o.pki,
      .required = true },
    { .name = "connects",
      .value = "N",
      .help = "how many connects",
      .number = &o.connects,
      .lo = 1,
      .hi = 100000000,
      .required = true },
    { .name = "tls",
      .value = "V",
      .help = "the version of TLS",
      .choice = &tls,
      .words = { "1.2", "1.3" } },
    { .name = "concurrency",
      .value = "C",
      .help = "connects under way at a time; with --rate at most so many",
      .number = &o.concurrency,
      .lo = 1,
      .hi = 100000 },
    { .name = "first",
      .value = "I",
      .help = "the first device to use, counted from 0 in devices.bin",
      .number = &o.first,
      .hi = 100000000 },
    { .name = "devices",
      .value = "M",
      .help = "use M devices in turn; 0: one for each connect",
      .number = &o.devices,
      .hi = 10000000 },
    { .name = "sources",
      .value = "S",
      .help = "come from so many addresses of 127.0.0.0/8",
      .number = &o.sources,
      .lo = 1,
      .hi = NET_SOURCES_MAX },
    { .name = "rate",
      .value = "R",
      .help = "open loop, R connects a second, each timed from when it was due; 0: closed loop",
      .number = &o.rate,
      .hi = 1000000 },
    { .name = "pid",
      .value = "PID",
      .help = "the broker, for its CPU time and memory",
      .number = &pid,
      .lo = 1,
      .hi = 4194304 },
    { .name = "jit",
      .help = "the devices are unknown: each is dropped at first, and comes again until it is in",
      .flag = &o.jit },
    { .name = "clone",
      .help = "one certificate for all connects, of which it does not matter whether they get in",
      .flag = &o.clone },
    { .name = "keep", .help = "hold every connection until all are there", .flag = &o.keep },
    { .name = "subscribe",
      .value = "K",
      .help = "each subscribes to K filters",
      .number = &o.subscribe,
      .hi = 10000 },
    { .name = "filter",
      .value = "F",
      .help = "what to subscribe to; %c is the client id, %k counts from 0",
      .text = &o.filter },
    { .name = "bystander",
      .value = "P",
      .help = "watch another client's ping on this plain listener meanwhile",
      .number = &bystander_port,
      .lo = 1,
      .hi = 65535 },
    { .name = "timeout",
      .value = "S",
      .help = "seconds after which a connect counts as not answered",
      .number = &o.timeout_s,
      .lo = 1,
      .hi = 3600 },
    { .name = NULL },
};

static const struct bench_program program = {
    .name = "bench_storm",
    .about =
        "Connects devices to a broker as fast as it lets them, or at a given rate. A connect is\n"
        "TCP, TLS with a client certificate, CONNECT and CONNACK; DISCONNECT follows. The client\n"
        "id is the certificate's common name. Nothing is resumed: every handshake is a full one.\n"
        "The broker's certificate must be DIR/server.pem.\n\n"
        "The first connect that fails ends the measurement, but with --clone. With --jit a connect "
        "that the broker\n"
        "closes without an answer is the expected first contact, and is tried again after 10 ms,\n"
        "then 20 and so on, give or take half.\n",
    .figures =
        "  connects tls seconds connects_per_s  what was asked for, and how long it took\n"
        "  p50_us p99_us max_us                 from the start (or when due) to CONNACK\n"
        "  refused                              0, but with --clone\n"
        "  client_cpu_us_per_connect            of this program\n"
        "  cpu_us_per_connect rss_kb anon_kb    of the broker (--pid), DISCONNECT included\n"
        "  anon_kb_before anon_bytes_per_session\n"
        "                                       with --keep: its RssAnon, and what that grew by\n"
        "  registrations_per_s first_contacts_per_s at_once dropped no_answer attempts_max\n"
        "                                       with --jit, where p50_us and so on are from the\n"
        "                                       first SYN to CONNACK, waits included; at_once:\n"
        "                                       in with their first connect\n"
        "  bystander_pings bystander_p50_us bystander_p99_us bystander_max_us\n"
        "                                       its round trips during the storm;\n"
        "                                       bystander_idle_...: before\n",
    .example = "bench_storm --port 8883 --pki /tmp/pki --tls 1.3 --connects 5000 --concurrency 16",
    .options = options,
};

/* ---- figures --------------------------------------------------------------------------------- */

static void put_storm(struct storm *s)
{
    const double seconds = (double)(s->entered_ns - s->begin_ns) / 1e9;

    bench_put_count("connects", s->entered);
    bench_put_word("tls", tls_words[tls]);
    bench_put_value("seconds", seconds, 3);
    bench_put_value("connects_per_s", (double)s->entered / seconds, 1);
    bench_times_put(&s->times, "");
    bench_put_count("refused", s->turned_away);
    if (!o.jit)
        return;
    bench_put_value("registrations_per_s", (double)s->entered / seconds, 1);
    bench_put_value("first_contacts_per_s",
                    (double)s->contacts / ((double)(s->contact_ns - s->begin_ns) / 1e9), 1);
    bench_put_count("at_once", s->at_once);
    bench_put_count("dropped", s->dropped);
    bench_put_count("no_answer", s->no_answer);
    bench_put_count("attempts_max", s->attempts_max);
}

static void put_broker(const struct storm *s, const struct bench_process *before,
                       const struct bench_process *after)
{
    bench_put_value("cpu_us_per_connect", bench_cpu_us_per(before, after, s->entered), 1);
    bench_put_count("rss_kb", after->rss_kb);
    bench_put_count("anon_kb", after->anon_kb);
    if (!o.keep)
        return;
    bench_put_count("anon_kb_before", before->anon_kb);
    bench_put_value("anon_bytes_per_session",
                    ((double)after->anon_kb - (double)before->anon_kb) * 1024 / (double)s->entered,
                    0);
}

/* ---- main ------------------------------------------------------------------------------------ */

static void check_options(void)
{
    o.tls_version = tls_versions[tls];
    if (o.clone && (o.jit || o.keep || o.subscribe != 0))
        bench_usage("clone", "does not go with --jit, --keep and --subscribe");
    if (o.clone)
        o.devices = 1;
    if (o.devices == 0 || o.devices > o.connects)
        o.devices = o.connects;
    if ((o.jit || o.keep) && o.devices < o.connects)
        bench_usage("devices", "--jit and --keep need a device for each connect");
    if (!o.clone && o.devices < o.connects && o.devices < 2 * o.concurrency)
        bench_usage("devices", "%" PRIu64 " connects at a time need twice as many devices",
                    o.concurrency);
}

int main(int argc, char **argv)
{
    struct bench_process before = { 0 }, after = { 0 }, own_before, own_after;
    struct bystander *bystander = NULL;
    static struct storm s;

    bench_options(&program, argc, argv);
    check_options();
    storm_init(&s, &o);
    if (bystander_port != 0)
        bystander = bystander_start((uint16_t)bystander_port, BYSTANDER_IDLE_MS);
    if (pid != 0)
        before = bench_process_now((pid_t)pid);
    own_before = bench_process_now(0);
    bystander_begin(bystander);
    storm_rage(&s);
    bystander_end(bystander);
    own_after = bench_process_now(0);
    if (pid != 0)
        after = bench_process_now((pid_t)pid);
    storm_calm(&s);

    put_storm(&s);
    bench_put_value("client_cpu_us_per_connect",
                    bench_cpu_us_per(&own_before, &own_after, s.entered), 1);
    if (pid != 0)
        put_broker(&s, &before, &after);
    bystander_put(bystander);
    bench_put_line();
    storm_release(&s);
    return 0;
}
