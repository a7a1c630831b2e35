/*
 * request.h - what devices with a claim certificate publish, and what of the answers they need:
 * keys, signing requests and payloads are made before the measurement, and answers are read no
 * further than to what a device goes on with, for the device's own work is not to be measured.
 */
#ifndef BENCH_REQUEST_H
#define BENCH_REQUEST_H

#include <openssl/types.h>

#include "bench.h"

#define REQUEST_TOKEN_MAX 512

enum request_format { REQUEST_JSON, REQUEST_CBOR };

struct request_device {
    EVP_PKEY *key;
    struct prov_buf create; /* the payload of CreateCertificateFromCsr; empty without a CSR */
    char serial[24];        /* its SerialNumber: seven digits, or more if need be */
};

struct requests {
    enum request_format format;
    struct request_device *devices;
    size_t n;
};

/* n devices, numbered from `first`, with P-256 keys. csr false: without keys, for those who have
 * them made. Every trouble, here and below, ends the program. */
void requests_init(struct requests *r, enum request_format format, uint64_t first, size_t n,
                   bool csr);
void requests_release(struct requests *r);

/* The payload of RegisterThing with templates/fleet-by-serial.json; replaces what is in out. */
void request_registration(const struct requests *r, const struct request_device *device,
                          struct prov_span token, struct prov_buf *out);

/*
 * The value of a text field, as it stands in the answer: escapes of JSON are not undone. Empty when
 * there is no such field.
 */
struct prov_span request_text(enum request_format format, struct prov_span answer, const char *key);
/* The certificate of an accepted answer, decoded. The caller frees. */
X509 *request_cert(enum request_format format, struct prov_span answer);

#endif
