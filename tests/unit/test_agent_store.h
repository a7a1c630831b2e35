/* test_agent_store.h - a store on a disk in memory, and the port's calls on it. */
#ifndef TEST_AGENT_STORE_H
#define TEST_AGENT_STORE_H

#include <stdarg.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/pem.h>

#include "device-agent/port/posix/store.h"
#include "support/agent_disk.h"
#include "support/pki.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define DIR "var/agent"
#define CLAIM_CERT "etc/agent/claim.crt" /* on the disk … */
#define CLAIM_CERT_PATH "/" CLAIM_CERT   /* … and as it is configured */
#define CLAIM_KEY "etc/agent/claim.key"
#define CLAIM_KEY_PATH "/" CLAIM_KEY

enum { CLAIM = AGENT_SLOT_CLAIM };

/* A certificate and its key, as PEM. */
struct pair {
    char *cert, *key;
};

static struct pki_cert ca;
static struct pair pair_a, pair_b;

static inline struct agent_span span_of(const char *text)
{
    return (struct agent_span){ (const uint8_t *)text, text == NULL ? 0 : strlen(text) };
}

static inline struct pair make_pair(const char *subject)
{
    struct pki_cert cert = pki_make(&(struct pki_spec){ .subject = subject, .issuer = &ca });
    const struct pair pair = { pki_pem(cert.x509), pki_key_pem(cert.key) };

    pki_free(&cert);
    return pair;
}

static inline int pairs_setup(void **state)
{
    (void)state;
    ca = pki_make(&(struct pki_spec){ .subject = "/CN=Test CA", .ca = true });
    pair_a = make_pair("/CN=claim-a");
    pair_b = make_pair("/CN=claim-b");
    return 0;
}

static inline int pairs_teardown(void **state)
{
    (void)state;
    free(pair_a.cert);
    free(pair_a.key);
    free(pair_b.cert);
    free(pair_b.key);
    pki_free(&ca);
    return 0;
}

/* ---- a store --------------------------------------------------------------------------------- */

struct fix {
    struct agent_disk *disk;
    struct agent_disk_view dir, root;
    struct files files, root_files;
    struct store_conf conf;
    struct store *store;
    struct port_result result, trouble;
    struct agent_found found;
    struct agent_slot slot; /* that an operation gave */
    const char *csr;
    uint8_t record[AGENT_STATE_MAX];
    size_t n;
};

/* The store's program starts again, on the disk as it is. */
static inline void reopen(struct fix *f)
{
    store_free(f->store);
    f->conf.common_name = "device-1";
    agent_disk_files(f->disk, DIR, &f->dir, &f->files);
    agent_disk_files(f->disk, "", &f->root, &f->root_files);
    f->store = store_new(&f->conf, &f->files, &f->root_files);
    if (f->store == NULL)
        abort();
}

static inline void fix_init(struct fix *f)
{
    *f = (struct fix){ .disk = agent_disk_new() };
    reopen(f);
}

static inline void fix_release(struct fix *f)
{
    store_free(f->store);
    agent_disk_free(f->disk);
    *f = (struct fix){ 0 };
}

static inline int fix_setup(void **state)
{
    struct fix *f = calloc(1, sizeof *f);

    if (f == NULL)
        return -1;
    fix_init(f);
    *state = f;
    return 0;
}

static inline int fix_teardown(void **state)
{
    fix_release(*state);
    free(*state);
    return 0;
}

/* The claim that is outside is there, and configured. */
static inline void with_outside_claim(struct fix *f)
{
    agent_disk_put(f->disk, CLAIM_CERT, 0644, pair_a.cert, strlen(pair_a.cert));
    agent_disk_put(f->disk, CLAIM_KEY, 0600, pair_a.key, strlen(pair_a.key));
    f->conf.claim_cert = CLAIM_CERT_PATH;
    f->conf.claim_key = CLAIM_KEY_PATH;
    reopen(f);
}

/* ---- the port's calls ------------------------------------------------------------------------ */

static inline enum agent_class save(struct fix *f, const char *record)
{
    f->result = (struct port_result){ 0 };
    store_port.save(f->store, span_of(record), &f->result);
    return f->result.class;
}

static inline enum agent_class make_key(struct fix *f, uint32_t slot, bool own_key)
{
    f->result = (struct port_result){ 0 };
    store_port.make_key(f->store, slot, own_key, &f->result);
    return f->result.class;
}

static inline enum agent_class make_csr(struct fix *f, uint32_t slot)
{
    f->result = (struct port_result){ 0 };
    store_port.make_csr(f->store, slot, &f->csr, &f->result);
    return f->result.class;
}

static inline enum agent_class store_cert(struct fix *f, uint32_t slot, const char *cert,
                                          const char *key)
{
    f->result = (struct port_result){ 0 };
    store_port.store_cert(f->store, slot, span_of(cert), span_of(key), &f->slot, &f->result);
    return f->result.class;
}

static inline enum agent_class adopt(struct fix *f, uint32_t slot)
{
    f->result = (struct port_result){ 0 };
    store_port.adopt(f->store, slot, &f->slot, &f->result);
    return f->result.class;
}

static inline enum agent_class promote(struct fix *f, uint32_t slot)
{
    f->result = (struct port_result){ 0 };
    store_port.promote(f->store, slot, &f->result);
    return f->result.class;
}

static inline enum agent_class drop(struct fix *f, uint32_t slot)
{
    f->result = (struct port_result){ 0 };
    store_port.drop(f->store, slot, &f->result);
    return f->result.class;
}

static inline enum agent_class inject(struct fix *f, const struct pair *pair)
{
    f->result = (struct port_result){ 0 };
    return store_inject(f->store, span_of(pair->cert), span_of(pair->key), &f->slot, &f->result);
}

static inline enum agent_class find(struct fix *f)
{
    f->result = (struct port_result){ 0 };
    return store_find(f->store, &f->found, f->record, &f->n, &f->trouble, &f->result);
}

/* ---- what is on the disk --------------------------------------------------------------------- */

/* DIR/name, or what is wrong with the disk's kind of it; a NUL-terminated copy for the caller. */
static inline char *content(const struct fix *f, const char *path)
{
    struct agent_disk_look look;
    char *copy;

    if (!agent_disk_look(f->disk, path, &look) || look.kind != FILE_REGULAR)
        return NULL;
    copy = calloc(1, look.n + 1);
    if (copy == NULL)
        abort();
    if (look.n != 0)
        memcpy(copy, look.bytes, look.n);
    return copy;
}

static inline bool has_content(const struct fix *f, const char *path, const char *expected)
{
    char *there = content(f, path);
    const bool same = there != NULL && strcmp(there, expected) == 0;

    free(there);
    return same;
}

static inline bool there(const struct fix *f, const char *path)
{
    struct agent_disk_look look;

    return agent_disk_look(f->disk, path, &look);
}

static inline bool leads_to(const struct fix *f, const char *path, const char *target)
{
    struct agent_disk_look look;

    return agent_disk_look(f->disk, path, &look) && look.kind == FILE_LINK &&
           strcmp(look.target, target) == 0;
}

/* A certificate for the key that is at path; the caller frees. */
static inline char *cert_for(const struct fix *f, const char *path)
{
    char *pem = content(f, path), *cert_pem = NULL;
    BIO *bio = pem == NULL ? NULL : BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

    if (key != NULL) {
        struct pki_cert cert = pki_make(
            &(struct pki_spec){ .subject = "/CN=device-1", .issuer = &ca, .use_key = key });

        cert_pem = pki_pem(cert.x509);
        pki_free(&cert);
    }
    EVP_PKEY_free(key);
    BIO_free(bio);
    free(pem);
    return cert_pem;
}

/* A generation of the device's own, whole; in force. */
static inline void with_identity(struct fix *f, uint32_t slot)
{
    char path[64];
    char *cert;

    (void)snprintf(path, sizeof path, DIR "/gen/%u/key.pem", (unsigned)slot);
    if (make_key(f, slot, false) != AGENT_OK || make_csr(f, slot) != AGENT_OK)
        abort();
    cert = cert_for(f, path);
    if (store_cert(f, slot, cert, NULL) != AGENT_OK || promote(f, slot) != AGENT_OK)
        abort();
    free(cert);
}

static inline const struct agent_slot *found_slot(const struct fix *f, uint32_t number)
{
    for (size_t i = 0; i < f->found.n_generations; i++) {
        if (f->found.generations[i].number == number)
            return &f->found.generations[i].slot;
    }
    return NULL;
}

static inline bool usable(const struct agent_slot *slot)
{
    return slot != NULL && slot->key && slot->cert;
}

#endif
