/* Devices provisioned by claim, and what they cost the broker. */
#include "bystander.h"
#include "claimants.h"

#define BYSTANDER_IDLE_MS 500

/* ---- options --------------------------------------------------------------------------------- */

static const int tls_versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

static struct claimants_options o = {
    .sessions = 16,
    .qos = 1,
    .timeout_s = 30,
    .template_name = "fleet-by-serial",
};
static uint64_t pid, bystander_port;
static unsigned tls = 1, format, way;

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
    { .name = "devices",
      .value = "N",
      .help = "how many are provisioned",
      .number = &o.devices,
      .lo = 1,
      .hi = 10000000,
      .required = true },
    { .name = "claim",
      .value = "I",
      .help = "the claim certificate is that of device I, counted from 0 in devices.bin",
      .number = &o.claim,
      .hi = 100000000 },
    { .name = "template",
      .value = "T",
      .help = "the template's name; it has the parameters of templates/fleet-by-serial.json",
      .text = &o.template_name },
    { .name = "first",
      .value = "I",
      .help = "the number of the first device, for adding to those that are there",
      .number = &o.first,
      .hi = 1000000000 },
    { .name = "sessions",
      .value = "S",
      .help = "so many devices under way at a time, each on a connection of its own",
      .number = &o.sessions,
      .lo = 1,
      .hi = 20000 },
    { .name = "way",
      .value = "W",
      .help = "see above",
      .choice = &way,
      .words = { "stay", "come", "join" } },
    { .name = "keys",
      .help = "CreateKeysAndCertificate instead of CreateCertificateFromCsr",
      .flag = &o.keys },
    { .name = "create-only", .help = "no RegisterThing", .flag = &o.create_only },
    { .name = "format",
      .value = "F",
      .help = "of requests and answers",
      .choice = &format,
      .words = { "json", "cbor" } },
    { .name = "qos", .value = "Q", .help = "of requests and answers", .number = &o.qos, .hi = 1 },
    { .name = "tls",
      .value = "V",
      .help = "the version of TLS",
      .choice = &tls,
      .words = { "1.2", "1.3" } },
    { .name = "rate",
      .value = "R",
      .help = "open loop, R devices a second, each timed from when it was due; 0: closed loop",
      .number = &o.rate,
      .hi = 1000000 },
    { .name = "pid",
      .value = "PID",
      .help = "the broker, for its CPU time and memory",
      .number = &pid,
      .lo = 1,
      .hi = 4194304 },
    { .name = "bystander",
      .value = "P",
      .help = "watch another client's ping on this plain listener meanwhile",
      .number = &bystander_port,
      .lo = 1,
      .hi = 65535 },
    { .name = "timeout",
      .value = "S",
      .help = "seconds without any answer after which the broker counts as stuck",
      .number = &o.timeout_s,
      .lo = 1,
      .hi = 3600 },
    { .name = NULL },
};

static const struct bench_program program = {
    .name = "bench_fleet",
    .about =
        "Provisions devices that all have the same claim certificate: CreateCertificateFromCsr,\n"
        "and when that is answered RegisterThing. Keys and signing requests are made beforehand.\n"
        "The answers are read no further than to the ownership token and the thing's name. A\n"
        "request that is rejected ends the measurement.\n\n"
        "  stay  the connections stand beforehand, and each provisions one device after another\n"
        "  come  each device connects with the claim, and leaves when it is provisioned\n"
        "  join  ... and connects with its new certificate: from blank to in\n",
    .figures =
        "  devices seconds provisionings_per_s  what was asked for, and how long it took\n"
        "  create_p50_us and so on              from request to answer\n"
        "  register_p50_us and so on            the same of RegisterThing\n"
        "  p50_us p99_us max_us                 the whole of a device, from when it was due\n"
        "  client_cpu_us_per_device             of this program\n"
        "  cpu_us_per_device rss_kb anon_kb     of the broker (--pid)\n"
        "  bystander_pings bystander_p50_us bystander_p99_us bystander_max_us\n"
        "                                       its round trips meanwhile;\n"
        "                                       bystander_idle_...: before\n",
    .example = "bench_fleet --port 8883 --pki /tmp/pki --devices 10000 --sessions 32",
    .options = options,
};

static void check_options(void)
{
    o.tls_version = tls_versions[tls];
    o.format = (enum request_format)format;
    o.way = (enum claimants_way)way;
    if (o.way == CLAIMANTS_JOIN && (o.keys || o.create_only))
        bench_usage("way", "join does not go with --keys and --create-only");
    if (strlen(o.template_name) > 36)
        bench_usage("template", "a template's name has 36 characters at most");
}

/* ---- main ------------------------------------------------------------------------------------ */

static void put_exchanges(struct claimants *c)
{
    const double seconds = (double)(c->end_ns - c->begin_ns) / 1e9;

    bench_put_count("devices", c->done);
    bench_put_value("seconds", seconds, 3);
    bench_put_value("provisionings_per_s", (double)c->done / seconds, 1);
    bench_times_put(&c->creates, "create_");
    bench_times_put(&c->registers, "register_");
    bench_times_put(&c->exchanges, "");
}

int main(int argc, char **argv)
{
    struct bench_process before = { 0 }, after = { 0 }, own_before, own_after;
    struct bystander *bystander = NULL;
    static struct claimants c;

    bench_options(&program, argc, argv);
    check_options();
    claimants_init(&c, &o);
    if (bystander_port != 0)
        bystander = bystander_start((uint16_t)bystander_port, BYSTANDER_IDLE_MS);
    if (pid != 0)
        before = bench_process_now((pid_t)pid);
    own_before = bench_process_now(0);
    bystander_begin(bystander);
    claimants_run(&c);
    bystander_end(bystander);
    own_after = bench_process_now(0);
    if (pid != 0)
        after = bench_process_now((pid_t)pid);

    put_exchanges(&c);
    bench_put_value("client_cpu_us_per_device", bench_cpu_us_per(&own_before, &own_after, c.done),
                    1);
    if (pid != 0) {
        bench_put_value("cpu_us_per_device", bench_cpu_us_per(&before, &after, c.done), 1);
        bench_put_count("rss_kb", after.rss_kb);
        bench_put_count("anon_kb", after.anon_kb);
    }
    bystander_put(bystander);
    bench_put_line();
    claimants_release(&c);
    return 0;
}
