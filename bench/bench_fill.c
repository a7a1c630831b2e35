/* bench_fill.c - fills a registry with devices, as many first contacts would. */
#include "maker.h"

static struct {
    struct maker_conf maker;
    uint64_t devices, batch;
} opt = { .maker = { .attrs = MAKER_MAX_ATTRS, .policies = 1 }, .batch = 512 };

static const struct bench_option options[] = {
    { .name = "db",
      .value = "DIR",
      .help = "the store; made if need be",
      .text = &opt.maker.db,
      .required = true },
    { .name = "devices",
      .value = "N",
      .help = "how many to add",
      .number = &opt.devices,
      .lo = 1,
      .hi = 9999999,
      .required = true },
    { .name = "first",
      .value = "I",
      .help = "the number of the first, for adding to what is there",
      .number = &opt.maker.first,
      .hi = 9999999 },
    { .name = "policies",
      .value = "P",
      .help = "they have one of so many policies in turn",
      .number = &opt.maker.policies,
      .lo = 1,
      .hi = 100000 },
    { .name = "attrs",
      .value = "N",
      .help = "attributes of each thing",
      .number = &opt.maker.attrs,
      .hi = MAKER_MAX_ATTRS },
    { .name = "pki",
      .value = "DIR",
      .help = "what bench_pki made: the CA, and the certificates of the first devices",
      .text = &opt.maker.pki },
    { .name = "batch",
      .value = "N",
      .help = "devices in one commit; at most 512 leave as little room unused as the plugin does",
      .number = &opt.batch,
      .lo = 1,
      .hi = 100000 },
    { .name = NULL },
};

static const struct bench_program program = {
    .name = "bench_fill",
    .about =
        "Registers devices dev-0000000 and so on, through the same steps that a device's first\n"
        "contact takes, but many to a commit and without a broker. The store ends up as if each\n"
        "had come and been provisioned: a certificate, a thing, and a policy attached. Beyond the\n"
        "certificates of --pki they are made up: different ones, but none that TLS would take.\n",
    .figures = "  devices, seconds, devices_per_s: what was added, and how fast\n"
               "  store_bytes: the file now; used_bytes: of that, what is not free for use\n"
               "  bytes_per_device: by how much the use grew for each\n",
    .example = "bench_fill --db /tmp/fleet --devices 1000000",
    .options = options,
};

/* prepare and apply of contact.c's job, in the one transaction. */
static void add_device(struct maker *m, struct prov_tx *tx)
{
    const uint64_t number = m->number;
    X509 *const leaf = maker_device(m);
    struct prov_contact *const contact = maker_contact(m, leaf);
    enum prov_rc rc;

    tx->now_ms = maker_now_ms();
    X509_free(leaf); /* the contact has it */
    rc = prov_contact_prepare(contact, tx);
    if (rc == PROV_OK) {
        maker_choose_policy(m, contact, number);
        rc = prov_contact_apply(contact, tx);
    }
    if (rc != PROV_OK)
        bench_fail("%s: %s", contact->client_id, tx->err->text);
    maker_check(contact);
    prov_contact_free(contact);
}

static void add_batch(struct maker *m, uint64_t n)
{
    struct prov_err err = { 0 };
    struct prov_tx tx = { .err = &err };

    if (prov_txn_begin(m->store, PROV_TXN_WRITE, NULL, &tx.txn) != PROV_OK)
        bench_fail("%s", prov_store_why(m->store));
    for (uint64_t i = 0; i < n; i++)
        add_device(m, &tx);
    if (prov_txn_commit(tx.txn) != PROV_OK)
        bench_fail("%s", prov_store_why(m->store));
}

int main(int argc, char **argv)
{
    struct maker_size before, after;
    struct maker m;
    uint64_t n, from_ns;
    double seconds;

    bench_options(&program, argc, argv);
    maker_open(&m, &opt.maker);
    before = maker_size(&m, opt.maker.db);
    from_ns = bench_now_ns();
    for (uint64_t done = 0; done < opt.devices; done += n) {
        n = opt.devices - done < opt.batch ? opt.devices - done : opt.batch;
        add_batch(&m, n);
        bench_progress("devices", done + n, opt.devices);
    }
    seconds = (double)(bench_now_ns() - from_ns) / 1e9;
    after = maker_size(&m, opt.maker.db);
    maker_close(&m);
    bench_put_count("devices", opt.devices);
    bench_put_value("seconds", seconds, 2);
    bench_put_value("devices_per_s", (double)opt.devices / seconds, 0);
    bench_put_count("store_bytes", after.file_bytes);
    bench_put_count("used_bytes", after.used_bytes);
    bench_put_value("bytes_per_device",
                    (double)(after.used_bytes - before.used_bytes) / (double)opt.devices, 0);
    bench_put_line();
    return 0;
}
