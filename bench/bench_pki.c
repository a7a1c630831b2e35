/* Makes the keys and certificates that the other programs connect with. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/stat.h>

#include <openssl/pem.h>
#include <openssl/x509.h>

#include "fleet.h"
#include "support/pki.h"

/* RSA keys take a fifth of a second each, so that many devices share so many of them. */
#define RSA_KEYS 16

enum { KEY_P256, KEY_RSA2048 };

static struct {
    const char *dir;
    uint64_t devices, first, pem;
    unsigned key;
} o = { .dir = "" };

static const struct bench_option options[] = {
    { .name = "dir",
      .value = "DIR",
      .help = "where they are kept; made if need be",
      .text = &o.dir,
      .required = true },
    { .name = "devices",
      .value = "N",
      .help = "how many devices there are to be",
      .number = &o.devices },
    { .name = "first",
      .value = "I",
      .help = "the number of the first device",
      .number = &o.first,
      .hi = 9000000 },
    { .name = "key",
      .value = "KIND",
      .help = "the devices' keys",
      .choice = &o.key,
      .words = { "p256", "rsa2048" } },
    { .name = "pem",
      .value = "I",
      .help = "write device number I to dev-I.pem and dev-I.key, too",
      .number = &o.pem },
    { .name = NULL },
};

static const struct bench_program program = {
    .name = "bench_pki",
    .about =
        "Makes the certificates of a fleet: DIR/ca.pem, which issues the devices in "
        "DIR/devices.bin\n"
        "(their common names are dev-0000000 and so on), and DIR/server-ca.pem, which issues\n"
        "DIR/server.pem for the broker. What is there already is kept, and only devices that are\n"
        "missing are made. RSA devices share a few keys, because those take long to make.\n",
    .figures =
        "  devices  in devices.bin now      made  by this run      seconds  taken for that\n",
    .example = "bench_pki --dir /tmp/pki --devices 10000",
    .options = options,
};

/* ---- files ----------------------------------------------------------------------------------- */

static bool exists(const char *name)
{
    char path[FLEET_PATH_MAX];

    fleet_path(o.dir, name, path);
    return access(path, F_OK) == 0;
}

static FILE *open_file(const char *name, int flags, mode_t mode, const char *how)
{
    char path[FLEET_PATH_MAX];
    FILE *f;
    int fd;

    fleet_path(o.dir, name, path);
    fd = open(path, flags | O_CLOEXEC, mode);
    f = fd == -1 ? NULL : fdopen(fd, how);
    if (f == NULL)
        bench_fail("%s: %s", path, strerror(errno));
    return f;
}

static void close_file(FILE *f, const char *name)
{
    const bool failed = ferror(f) != 0;

    if (fclose(f) != 0 || failed)
        bench_fail("cannot write %s/%s: %s", o.dir, name, strerror(errno));
}

static void write_text(const char *stem, const char *suffix, mode_t mode, char *text)
{
    char name[64];
    FILE *f;

    (void)snprintf(name, sizeof name, "%s.%s", stem, suffix);
    f = open_file(name, O_WRONLY | O_CREAT | O_TRUNC, mode, "w");
    (void)fputs(text, f);
    close_file(f, name);
    free(text);
}

/* STEM.pem and STEM.key. */
static void write_pair(const char *stem, const X509 *cert, const EVP_PKEY *key)
{
    write_text(stem, "key", 0600, pki_key_pem(key));
    write_text(stem, "pem", 0644, pki_pem(cert));
}

static struct pki_cert read_pair(const char *stem)
{
    struct pki_cert pair;
    char name[64];
    FILE *f;

    (void)snprintf(name, sizeof name, "%s.pem", stem);
    f = open_file(name, O_RDONLY, 0, "r");
    pair.x509 = PEM_read_X509(f, NULL, NULL, NULL);
    (void)fclose(f);
    (void)snprintf(name, sizeof name, "%s.key", stem);
    f = open_file(name, O_RDONLY, 0, "r");
    pair.key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
    (void)fclose(f);
    if (pair.x509 == NULL || pair.key == NULL)
        bench_fail("%s/%s.pem and .key do not hold a certificate and its key", o.dir, stem);
    return pair;
}

/* ---- authorities ----------------------------------------------------------------------------- */

static struct pki_cert authority(const char *stem, const char *subject)
{
    struct pki_cert ca;
    char name[64];

    (void)snprintf(name, sizeof name, "%s.pem", stem); /* written last */
    if (exists(name))
        return read_pair(stem);
    ca = pki_make(&(struct pki_spec){ .subject = subject, .ca = true });
    write_pair(stem, ca.x509, ca.key);
    return ca;
}

static void make_server(void)
{
    struct pki_cert ca = authority("server-ca", "/O=Bench/CN=Bench server CA"), server;

    if (!exists("server.pem")) {
        server = pki_make(&(struct pki_spec){ .subject = "/CN=localhost",
                                              .issuer = &ca,
                                              .eku = "serverAuth",
                                              .san = "DNS:localhost,IP:127.0.0.1" });
        write_pair("server", server.x509, server.key);
        pki_free(&server);
    }
    pki_free(&ca);
}

/* ---- devices --------------------------------------------------------------------------------- */

/* The devices that are there must be the ones that were asked for. */
static void check_first(struct prov_span cert_der)
{
    char wanted[FLEET_CN_MAX], cn[FLEET_CN_MAX];
    X509 *cert = fleet_cert(cert_der);
    const bool rsa = EVP_PKEY_is_a(X509_get0_pubkey(cert), "RSA") == 1;

    fleet_cn(cert, cn);
    X509_free(cert);
    (void)snprintf(wanted, sizeof wanted, "dev-%07" PRIu64, o.first);
    if (strcmp(cn, wanted) != 0)
        bench_fail("%s/devices.bin begins with %s, not %s: use another directory", o.dir, cn,
                   wanted);
    if (rsa != (o.key == KEY_RSA2048))
        bench_fail("%s/devices.bin holds devices with %s keys: use another directory", o.dir,
                   options[3].words[rsa ? KEY_RSA2048 : KEY_P256]);
}

static uint64_t count_devices(void)
{
    struct prov_span cert, key;
    struct fleet_file file;
    uint64_t n = 0;

    if (!fleet_file_open(&file, o.dir))
        return 0;
    for (; fleet_file_next(&file, &cert, &key); n++) {
        if (n == 0)
            check_first(cert);
    }
    fleet_file_close(&file);
    return n;
}

static void put_bytes(FILE *f, struct prov_span bytes)
{
    const uint8_t length[4] = { (uint8_t)bytes.n, (uint8_t)(bytes.n >> 8), (uint8_t)(bytes.n >> 16),
                                (uint8_t)(bytes.n >> 24) };

    (void)fwrite(length, 1, sizeof length, f);
    (void)fwrite(bytes.p, 1, bytes.n, f);
}

static void put_device(FILE *f, const struct pki_cert *device)
{
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(device->key);
    unsigned char *key = NULL;
    const int key_n = info == NULL ? -1 : i2d_PKCS8_PRIV_KEY_INFO(info, &key);
    size_t n;
    uint8_t *der = pki_der(device->x509, &n);

    if (key_n <= 0)
        bench_fail("cannot encode a key");
    put_bytes(f, prov_span(der, n));
    put_bytes(f, prov_span(key, (size_t)key_n));
    OPENSSL_free(key);
    PKCS8_PRIV_KEY_INFO_free(info);
    free(der);
}

static struct pki_cert make_device(const struct pki_cert *ca, uint64_t number)
{
    static EVP_PKEY *rsa[RSA_KEYS];
    struct pki_spec spec = { .issuer = ca };
    char subject[64];

    (void)snprintf(subject, sizeof subject, "/O=Bench/CN=dev-%07" PRIu64, number);
    spec.subject = subject;
    if (o.key == KEY_RSA2048) {
        if (rsa[number % RSA_KEYS] == NULL)
            rsa[number % RSA_KEYS] = pki_key_new(PKI_RSA_2048);
        spec.use_key = rsa[number % RSA_KEYS];
    }
    return pki_make(&spec);
}

/* How many devices there were. */
static uint64_t make_devices(const struct pki_cert *ca)
{
    const uint64_t had = count_devices();
    FILE *f;

    if (had >= o.devices)
        return had;
    f = open_file("devices.bin", O_WRONLY | O_CREAT | O_APPEND, 0600, "a");
    for (uint64_t i = had; i < o.devices; i++) {
        struct pki_cert device = make_device(ca, o.first + i);

        put_device(f, &device);
        pki_free(&device);
        bench_progress("making devices", i, o.devices);
    }
    close_file(f, "devices.bin");
    return had;
}

static void write_pem(void)
{
    struct prov_span cert, key;
    struct fleet_file file;
    bool found = fleet_file_open(&file, o.dir);
    char stem[64];
    X509 *x509;
    EVP_PKEY *pkey;

    for (uint64_t i = o.first; found; i++) {
        found = fleet_file_next(&file, &cert, &key);
        if (i == o.pem)
            break;
    }
    if (!found)
        bench_fail("%s/devices.bin holds no device number %" PRIu64, o.dir, o.pem);
    x509 = fleet_cert(cert);
    pkey = fleet_key(key);
    (void)snprintf(stem, sizeof stem, "dev-%" PRIu64, o.pem);
    write_pair(stem, x509, pkey);
    X509_free(x509);
    EVP_PKEY_free(pkey);
    fleet_file_close(&file);
}

int main(int argc, char **argv)
{
    uint64_t started_ns, had;
    struct pki_cert ca;

    bench_options(&program, argc, argv);
    if (bench_given("pem") && o.pem < o.first)
        bench_usage("pem", "the first device is number %" PRIu64, o.first);
    if (mkdir(o.dir, 0755) != 0 && errno != EEXIST)
        bench_fail("%s: %s", o.dir, strerror(errno));
    started_ns = bench_now_ns();
    make_server();
    ca = authority("ca", "/O=Bench/CN=Bench CA");
    had = make_devices(&ca);
    pki_free(&ca);
    if (bench_given("pem"))
        write_pem();
    bench_put_count("devices", had > o.devices ? had : o.devices);
    bench_put_count("made", had > o.devices ? 0 : o.devices - had);
    bench_put_value("seconds", (double)(bench_now_ns() - started_ns) / 1e9, 2);
    bench_put_line();
    return 0;
}
