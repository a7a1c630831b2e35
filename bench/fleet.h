/*
 * fleet.h - the keys and certificates that bench_pki makes, for the programs that use them.
 *
 *     ca.pem ca.key               issued the devices: what the broker trusts or registers
 *     server-ca.pem server-ca.key issued the broker's own
 *     server.pem server.key       the broker's own: localhost, 127.0.0.1
 *     devices.bin                 per device: u32 length, certificate DER, u32 length, PKCS#8 DER;
 *                                 lengths little-endian
 */
#ifndef BENCH_FLEET_H
#define BENCH_FLEET_H

#include <openssl/ssl.h>

#include "bench.h"

#define FLEET_PATH_MAX 512
#define FLEET_CN_MAX 64

/* DIR/NAME; ends the program when that is too long. */
void fleet_path(const char *dir, const char *name, char out[static FLEET_PATH_MAX]);

/* ---- the file -------------------------------------------------------------------------------- */

/* Mapped; zeroed is an empty file. */
struct fleet_file {
    const uint8_t *p;
    size_t n, at;
};

/* False when there is no such file; every other trouble ends the program. */
bool fleet_file_open(struct fleet_file *f, const char *dir);
/* The next device, valid until fleet_file_close; false at the end. Half a record ends the program.
 */
bool fleet_file_next(struct fleet_file *f, struct prov_span *cert_der, struct prov_span *key_der);
void fleet_file_close(struct fleet_file *f);

/* Both end the program when the bytes are not what they should be. */
X509 *fleet_cert(struct prov_span der);
EVP_PKEY *fleet_key(struct prov_span der);
/* The common name, which the device takes as its client id. */
void fleet_cn(const X509 *cert, char out[static FLEET_CN_MAX]);

/* ---- decoded, for connecting
 * --------------------------------------------------------------------- */

struct fleet_device {
    X509 *cert;
    EVP_PKEY *key;
    char cn[FLEET_CN_MAX];
};

struct fleet {
    struct fleet_device *devices;
    size_t n;
    X509 *server; /* the certificate that the broker must show */
    SSL_CTX *ctx; /* for struct mqtt_tls.shared: serves all devices */
};

/* version: TLS1_2_VERSION or TLS1_3_VERSION. Ends the program when there are fewer than first + n
 * devices. The fleet must not move afterwards.
 */
void fleet_load(struct fleet *fleet, const char *dir, size_t first, size_t n, int version);
void fleet_release(struct fleet *fleet);

#endif
