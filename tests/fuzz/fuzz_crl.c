/*
 * Revocation lists as a stranger may write them, DER or PEM: as they are, and signed anew with a
 * registered CA's key, so that what lies behind the signature is reached. What is accepted encodes
 * to the bytes it came from; after it was applied, each of its entries is listed; a registered
 * certificate that it names is not ACTIVE; applying it again changes nothing, and `provctl check`
 * finds nothing.
 *
 * The corpus was made with `openssl ca -gencrl` and a CA that was thrown away: index.txt with lines
 * "R <TAB> 351231235959Z <TAB> 250101000000Z,<reason> <TAB> <serial> <TAB> unknown <TAB> /CN=x",
 * crl_extensions with what the file's name says.
 */
#include <stdint.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "core/crl.h"
#include "core/reg.h"
#include "store/store_mem.h"
#include "support/pki.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_S INT64_C(4000000000) /* after all that the corpus says */

static struct {
    struct prov_store *store;
    struct prov_txn *txn; /* never committed; each input has a child of it */
    struct pki_cert ca;
    struct prov_id ca_id, leaf_id;
} world;

static void require(bool holds)
{
    if (!holds)
        abort();
}

static struct prov_span der_of(X509 *cert)
{
    unsigned char *der = NULL;
    const int n = i2d_X509(cert, &der);

    require(n > 0);
    return prov_span(der, (size_t)n);
}

static void make_world(void)
{
    struct prov_tx tx = { .now_ms = NOW_S * 1000 };
    struct prov_ca_registration ca = { .mode = PROV_MODE_SNI_ONLY, .active = true };
    struct prov_cert_registration reg = { .status = PROV_CERT_ACTIVE };
    struct pki_cert leaf;

    require(prov_store_mem_new(&prov_registry_schema, &world.store) == PROV_OK);
    require(prov_txn_begin(world.store, PROV_TXN_WRITE, NULL, &world.txn) == PROV_OK);
    tx.txn = world.txn;
    world.ca = pki_make(&(struct pki_spec){ .subject = "/CN=Root", .ca = true, .now_s = NOW_S });
    leaf = pki_make(&(struct pki_spec){ .issuer = &world.ca, .serial = "0a", .now_s = NOW_S });
    ca.der = der_of(world.ca.x509);
    reg.der = der_of(leaf.x509);
    require(prov_ca_register(&tx, &ca, &world.ca_id) == PROV_OK);
    require(prov_cert_register(&tx, &reg, &world.leaf_id) == PROV_OK);
    OPENSSL_free((void *)(uintptr_t)ca.der.p);
    OPENSSL_free((void *)(uintptr_t)reg.der.p);
    pki_free(&leaf);
}

/* ---- what must hold of a list that was applied ----------------------------------------------- */

static long reason_of(const X509_REVOKED *entry)
{
    ASN1_ENUMERATED *reason = X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, NULL, NULL);
    const long n = reason == NULL ? 0 : ASN1_ENUMERATED_get(reason);

    ASN1_ENUMERATED_free(reason);
    return n;
}

static void require_listed(struct prov_tx *tx, const X509_REVOKED *entry)
{
    X509 *leaf = X509_new();
    ASN1_INTEGER *serial = ASN1_INTEGER_dup(X509_REVOKED_get0_serialNumber(entry));
    bool listed;

    require(leaf != NULL && serial != NULL && X509_set_serialNumber(leaf, serial) == 1);
    require(prov_crl_lists(tx, &world.ca_id, leaf, &listed) == PROV_OK);
    require(listed || reason_of(entry) == REG_REASON_REMOVE);
    ASN1_INTEGER_free(serial);
    X509_free(leaf);
}

static X509_CRL *decode(struct prov_span der)
{
    const unsigned char *p = der.p;
    X509_CRL *list = d2i_X509_CRL(NULL, &p, (long)der.n);

    ERR_clear_error();
    return list;
}

static void require_entries_listed(struct prov_tx *tx, struct prov_span der)
{
    X509_CRL *list = decode(der);
    const STACK_OF(X509_REVOKED) * all;
    unsigned char *again = NULL;
    int n;

    if (list == NULL) /* PEM */
        return;
    n = i2d_X509_CRL(list, &again);
    require(n > 0 && prov_span_eq(prov_span(again, (size_t)n), der));
    all = X509_CRL_get_REVOKED(list);
    for (int i = 0; all != NULL && i < sk_X509_REVOKED_num(all); i++)
        require_listed(tx, sk_X509_REVOKED_value(all, i));
    OPENSSL_free(again);
    X509_CRL_free(list);
}

static void no_problem(void *ctx, const char *text)
{
    (void)ctx;
    (void)text;
    abort();
}

static void check_applied(struct prov_tx *tx, struct prov_crl *crl, struct prov_span bytes)
{
    struct prov_crl_result first, second;
    struct prov_cert leaf;
    size_t found;
    bool more;

    require(prov_crl_find(crl, tx, 1, &more) == PROV_OK);
    require(prov_crl_apply(crl, tx, &first) == PROV_OK);
    found = first.revoked + first.deactivated;
    require(found <= 1 && first.were == 0);
    require(first.unseen + found == prov_crl_info(crl)->entries);
    require(prov_cert_get(tx, &world.leaf_id, &leaf) == PROV_OK);
    require((leaf.status == PROV_CERT_ACTIVE) == (found == 0));
    require_entries_listed(tx, bytes);
    require(prov_crl_apply(crl, tx, &second) == PROV_OK);
    require(second.revoked + second.deactivated == 0 && second.were == found);
    require(second.unseen == first.unseen);
    require(prov_registry_check(tx, no_problem, NULL) == PROV_OK);
}

static void check_list(struct prov_span bytes)
{
    struct prov_tx tx = { .now_ms = NOW_S * 1000 };
    struct prov_crl *crl;
    enum prov_rc rc;

    require(prov_txn_begin(world.store, PROV_TXN_WRITE, world.txn, &tx.txn) == PROV_OK);
    rc = prov_crl_new(&tx, bytes, &crl);
    require((rc == PROV_OK) == (crl != NULL));
    require(rc == PROV_OK || rc == PROV_EINVAL || rc == PROV_ETOOBIG || rc == PROV_EDENIED);
    if (rc == PROV_OK)
        check_applied(&tx, crl, bytes);
    require(ERR_peek_error() == 0);
    prov_crl_free(crl);
    prov_txn_abort(tx.txn);
}

/* ---- the same list in our CA's name ---------------------------------------------------------- */

static void check_signed(struct prov_span bytes)
{
    X509_CRL *list = decode(bytes);
    unsigned char *der = NULL;
    int n;

    if (list == NULL)
        return;
    if (X509_CRL_set_issuer_name(list, X509_get_subject_name(world.ca.x509)) == 1 &&
        X509_CRL_sign(list, world.ca.key, EVP_sha256()) > 0) {
        n = i2d_X509_CRL(list, &der);
        ERR_clear_error();
        if (n > 0)
            check_list(prov_span(der, (size_t)n));
        OPENSSL_free(der);
    }
    ERR_clear_error();
    X509_CRL_free(list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (world.store == NULL)
        make_world();
    check_list(prov_span(data, size));
    check_signed(prov_span(data, size));
    return 0;
}
