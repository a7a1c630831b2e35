#include "crl.h"

#include <stdlib.h>

#include <openssl/x509v3.h>

#include "crl_priv.h"
#include "ossl.h"

/* ---- whose list it is ------------------------------------------------------------------------ */

enum signer { NOT_SIGNED, SIGNED, MAY_NOT_SIGN };

static enum signer signer(X509_CRL *list, X509 *cert)
{
    EVP_PKEY *key = X509_get0_pubkey(cert);

    if (key == NULL || X509_NAME_cmp(X509_get_subject_name(cert), X509_CRL_get_issuer(list)) != 0 ||
        X509_CRL_verify(list, key) != 1)
        return NOT_SIGNED;
    /* RFC 5280 section 6.3.3 (f); all bits are set where the extension is not there */
    return (X509_get_key_usage(cert) & KU_CRL_SIGN) != 0 ? SIGNED : MAY_NOT_SIGN;
}

static enum prov_rc try_ca(struct prov_tx *tx, X509_CRL *list, const struct prov_id *id,
                           struct prov_ca *ca, enum signer *out)
{
    X509 *cert = NULL;
    enum prov_rc rc;

    rc = prov_ca_get(tx, id, ca);
    if (rc == PROV_OK)
        rc = prov_ident_decode(ca->der, &cert, tx->err);
    if (rc == PROV_OK)
        *out = signer(list, cert);
    X509_free(cert);
    return rc;
}

static enum prov_rc find_authority(struct prov_tx *tx, X509_CRL *list, struct prov_id *authority)
{
    struct prov_id candidates[PROV_MAX_CAS_PER_SUBJECT];
    enum signer found = NOT_SIGNED, one = NOT_SIGNED;
    struct prov_ca ca;
    enum prov_rc rc;
    size_t n;

    rc = reg_ca_of_subject(tx, X509_CRL_get_issuer(list), candidates, &n);
    for (size_t i = 0; rc == PROV_OK && i < n && found != SIGNED; i++) {
        rc = try_ca(tx, list, &candidates[i], &ca, &one);
        if (rc == PROV_OK && one != NOT_SIGNED) {
            found = one;
            *authority = ca.authority;
        }
    }
    if (rc != PROV_OK || found == SIGNED)
        return rc;
    return prov_fail(tx->err, PROV_EDENIED, REG_BAD_CERT, "the revocation list is refused: %s",
                     found == MAY_NOT_SIGN ? "its CA's keyUsage lacks cRLSign"
                     : n != 0
                         ? "registered CAs have its issuer's name, but not the key that signed it"
                         : "no registered CA has its issuer's name");
}

static enum prov_rc is_latest(struct prov_tx *tx, const struct prov_crl *crl,
                              const struct prov_ca *ca)
{
    if (ca->crl_imported_ms == 0 || ca->crl_this_update_s <= crl->info.this_update_s)
        return PROV_OK;
    return prov_fail(tx->err, PROV_ECONFLICT, "VersionConflictException",
                     "a later revocation list of this CA was imported before");
}

/* The authority's CAs, none of which may have had a later list. */
static enum prov_rc list_cas(struct prov_tx *tx, const struct prov_crl *crl,
                             struct prov_id cas[static PROV_MAX_CAS_PER_SUBJECT], size_t *n)
{
    struct prov_ca ca;
    enum prov_rc rc;

    rc = reg_ca_of_authority(tx, &crl->authority, cas, n);
    if (rc == PROV_OK && *n == 0)
        rc = prov_fail(tx->err, PROV_ENOTFOUND, REG_NOT_FOUND,
                       "the CA of the revocation list is not registered any more");
    for (size_t i = 0; rc == PROV_OK && i < *n; i++) {
        rc = prov_ca_get(tx, &cas[i], &ca);
        if (rc == PROV_OK)
            rc = is_latest(tx, crl, &ca);
    }
    return rc;
}

enum prov_rc prov_crl_new(struct prov_tx *tx, struct prov_span bytes, struct prov_crl **out)
{
    struct prov_crl *crl = calloc(1, sizeof *crl);
    X509_CRL *list = NULL;
    enum prov_rc rc;

    *out = NULL;
    if (crl == NULL)
        return prov_nomem(tx->err);
    ERR_set_mark();
    rc = crl_decode(tx, bytes, &list);
    if (rc == PROV_OK)
        rc = find_authority(tx, list, &crl->authority);
    if (rc == PROV_OK)
        rc = crl_read(tx, list, crl);
    if (rc == PROV_OK)
        rc = list_cas(tx, crl, crl->info.cas, &crl->info.n_cas);
    if (rc == PROV_OK)
        rc = prov_feed_last(tx, &crl->feed_mark);
    X509_CRL_free(list);
    ERR_pop_to_mark();
    if (rc == PROV_OK)
        *out = crl;
    else
        prov_crl_free(crl);
    return rc;
}

void prov_crl_free(struct prov_crl *crl)
{
    if (crl == NULL)
        return;
    free(crl->entries);
    free(crl->serials);
    free(crl->hits.v);
    free(crl);
}

const struct prov_crl_info *prov_crl_info(const struct prov_crl *crl)
{
    return &crl->info;
}

/* ---- which registered certificates it names -------------------------------------------------- */

static int compare_entry(const void *key, const void *entry)
{
    return prov_span_cmp(*(const struct prov_span *)key, crl_serial(entry));
}

static const struct crl_entry *find_entry(const struct prov_crl *crl, struct prov_span serial)
{
    if (crl->info.entries == 0 || serial.n == 0)
        return NULL;
    return bsearch(&serial, crl->entries, crl->info.entries, sizeof *crl->entries, compare_entry);
}

static enum prov_rc add_hit(struct prov_tx *tx, struct crl_hits *hits, const struct prov_id *id,
                            size_t entry)
{
    const size_t cap = hits->cap == 0 ? 64 : 2 * hits->cap;
    struct crl_hit *grown;

    if (hits->n == hits->cap) {
        grown = realloc(hits->v, cap * sizeof *grown);
        if (grown == NULL)
            return prov_nomem(tx->err);
        hits->v = grown;
        hits->cap = cap;
    }
    hits->v[hits->n++] = (struct crl_hit){ *id, entry };
    return PROV_OK;
}

/* The DER is taken as it is: hashing a million of them to be sure whose they are is `provctl
 * check`'s. */
static enum prov_rc match(struct prov_tx *tx, const struct prov_crl *crl, const struct prov_id *id,
                          const struct reg_cert_brief *cert, struct crl_hits *hits)
{
    const struct crl_entry *entry;
    char hex[PROV_ID_HEX + 1];
    struct prov_span der;
    uint8_t key[8];
    enum prov_rc rc;

    reg_be64((uint64_t)cert->der_number, key);
    rc = prov_txn_get(tx->txn, REG_CERT_DER, prov_span(key, sizeof key), &der);
    if (rc == PROV_ENOTFOUND) {
        prov_id_hex(id, hex);
        return prov_fail(tx->err, PROV_ESTORE, REG_INTERNAL,
                         "the DER of certificate %s is lost: run `provctl check`", hex);
    }
    if (rc != PROV_OK)
        return reg_store_result(tx, rc);
    entry = find_entry(crl, reg_serial_of_der(der));
    return entry == NULL ? PROV_OK : add_hit(tx, hits, id, (size_t)(entry - crl->entries));
}

struct page {
    struct prov_tx *tx;
    const struct prov_crl *crl;
    struct crl_walk *walk;
    struct crl_hits *hits;
    size_t left;
    enum prov_rc rc;
};

static bool look_at(void *ctx, struct prov_span key)
{
    struct reg_cert_brief cert;
    struct page *page = ctx;
    struct prov_id id;

    if (page->left == 0 || key.n != PROV_ID_LEN)
        return page->left != 0;
    memcpy(id.b, key.p, PROV_ID_LEN);
    page->rc = reg_cert_brief(page->tx, &id, &cert);
    if (page->rc == PROV_OK)
        page->rc = match(page->tx, page->crl, &id, &cert, page->hits);
    else if (page->rc == PROV_ENOTFOUND) /* an index entry that leads nowhere */
        page->rc = PROV_OK;
    page->left--;
    page->walk->after = id;
    page->walk->any = true;
    return page->rc == PROV_OK;
}

/* Goes on through the certificates of these CAs, `max` at the most. */
static enum prov_rc walk_on(struct prov_tx *tx, const struct prov_crl *crl,
                            const struct prov_id *cas, size_t n_cas, struct crl_walk *walk,
                            struct crl_hits *hits, size_t max)
{
    struct page page = { tx, crl, walk, hits, max, PROV_OK };
    enum prov_rc rc = PROV_OK;

    while (rc == PROV_OK && walk->ca < n_cas && page.left != 0) {
        const struct prov_span after = { walk->after.b, walk->any ? PROV_ID_LEN : 0 };

        rc = prov_list(tx, PROV_LIST_CERTS_OF_CA, prov_id_span(&cas[walk->ca]), after, look_at,
                       &page);
        if (rc == PROV_OK)
            rc = page.rc;
        if (rc == PROV_OK && page.left != 0) {
            walk->ca++;
            walk->any = false;
        }
    }
    return rc;
}

enum prov_rc prov_crl_find(struct prov_crl *crl, struct prov_tx *tx, size_t max, bool *more)
{
    const enum prov_rc rc =
        walk_on(tx, crl, crl->info.cas, crl->info.n_cas, &crl->walk, &crl->hits, max);

    *more = crl->walk.ca < crl->info.n_cas;
    return rc;
}

/* ---- what became of certificates meanwhile --------------------------------------------------- */

/* What apply works on; of prov_crl it changes nothing, so that it may run again. */
struct apply {
    struct prov_tx *tx;
    const struct prov_crl *crl;
    struct prov_id cas[PROV_MAX_CAS_PER_SUBJECT];
    size_t n_cas;
    struct crl_hits hits;
    uint8_t *done; /* an entry's: a certificate of it is registered; then: the table has it */
    enum prov_rc rc;
};

static bool is_of_cas(const struct apply *a, const struct prov_id *ca)
{
    for (size_t i = 0; i < a->n_cas; i++) {
        if (prov_id_eq(&a->cas[i], ca))
            return true;
    }
    return false;
}

static void look_at_change(void *ctx, const struct prov_change_entry *change)
{
    struct reg_cert_brief cert;
    struct apply *a = ctx;
    struct prov_id id;
    enum prov_rc rc;

    if (a->rc != PROV_OK || change->kind != PROV_CHANGED_CERT || change->key.n != PROV_ID_LEN)
        return;
    memcpy(id.b, change->key.p, PROV_ID_LEN);
    rc = reg_cert_brief(a->tx, &id, &cert);
    if (rc == PROV_OK && is_of_cas(a, &cert.ca_id))
        rc = match(a->tx, a->crl, &id, &cert, &a->hits);
    a->rc = rc == PROV_ENOTFOUND ? PROV_OK : rc;
}

static int by_id(const void *a, const void *b)
{
    const struct crl_hit *x = a, *y = b;

    return memcmp(x->id.b, y->id.b, PROV_ID_LEN);
}

static void sort_hits(struct crl_hits *hits)
{
    size_t kept = 0;

    if (hits->n == 0)
        return;
    qsort(hits->v, hits->n, sizeof *hits->v, by_id);
    for (size_t i = 0; i < hits->n; i++) {
        if (kept == 0 || !prov_id_eq(&hits->v[kept - 1].id, &hits->v[i].id))
            hits->v[kept++] = hits->v[i];
    }
    hits->n = kept;
}

/* All registered certificates that are named: what find has found, what it did not look at, and
 * what changed since the list was read. If that is too much for the feed, all from the start. */
static enum prov_rc gather(struct apply *a)
{
    const struct prov_crl *crl = a->crl;
    struct crl_walk walk = crl->walk, afresh = { 0 };
    enum prov_rc rc;
    bool missed;

    rc = prov_feed_read(a->tx, crl->feed_mark, &missed, look_at_change, a);
    if (rc == PROV_OK)
        rc = a->rc;
    if (rc == PROV_OK && missed)
        return walk_on(a->tx, crl, a->cas, a->n_cas, &afresh, &a->hits, SIZE_MAX);
    for (size_t i = 0; rc == PROV_OK && i < crl->hits.n; i++)
        rc = add_hit(a->tx, &a->hits, &crl->hits.v[i].id, crl->hits.v[i].entry);
    if (rc == PROV_OK)
        rc = walk_on(a->tx, crl, crl->info.cas, crl->info.n_cas, &walk, &a->hits, SIZE_MAX);
    return rc;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* A list overrules the table of reference 5.4: an offer to another account does not shield. */
static enum prov_rc revoke(struct apply *a, const struct crl_hit *hit, struct prov_crl_result *out)
{
    const bool hold = a->crl->entries[hit->entry].reason == REG_REASON_HOLD;
    struct prov_cert cert;
    enum prov_rc rc;

    rc = prov_cert_get(a->tx, &hit->id, &cert);
    if (rc != PROV_OK)
        return rc;
    a->done[hit->entry] = 1;
    if (hold ? cert.status != PROV_CERT_ACTIVE && cert.status != PROV_CERT_PENDING_ACTIVATION
             : cert.status == PROV_CERT_REVOKED) {
        out->were++;
        return PROV_OK;
    }
    cert.status = hold ? PROV_CERT_INACTIVE : PROV_CERT_REVOKED;
    rc = reg_cert_put(a->tx, &cert);
    if (rc == PROV_OK)
        ++*(hold ? &out->deactivated : &out->revoked);
    return rc;
}

static enum prov_rc revoke_all(struct apply *a, struct prov_crl_result *out)
{
    enum prov_rc rc = PROV_OK;

    out->unseen = a->crl->info.entries;
    for (size_t i = 0; rc == PROV_OK && i < a->hits.n; i++) {
        const bool first = a->done[a->hits.v[i].entry] == 0;

        rc = reg_exists(a->tx, REG_CERT, prov_id_span(&a->hits.v[i].id));
        if (rc == PROV_OK)
            rc = revoke(a, &a->hits.v[i], out);
        if (rc == PROV_OK && first)
            out->unseen--;
        if (rc == PROV_ENOTFOUND) /* deleted since it was found */
            rc = PROV_OK;
    }
    return rc;
}

struct known {
    const struct apply *a;
    struct prov_buf released; /* a byte of length's high half, one of its low half, a serial */
};

/* What the table says already stays, but a hold that ended or became final. */
static bool compare_known(void *ctx, struct prov_span serial, struct prov_span value)
{
    struct known *k = ctx;
    const struct crl_entry *entry = find_entry(k->a->crl, serial);
    const bool hold = value.n != 0 && value.p[0] == REG_REASON_HOLD;

    if (entry != NULL && (!hold || entry->reason == REG_REASON_HOLD)) {
        k->a->done[entry - k->a->crl->entries] = 1;
    } else if (entry == NULL && hold) {
        prov_buf_add_u8(&k->released, (uint8_t)(serial.n >> 8));
        prov_buf_add_u8(&k->released, (uint8_t)serial.n);
        prov_buf_add(&k->released, serial);
    }
    return k->released.rc == PROV_OK;
}

static enum prov_rc release(struct apply *a, struct prov_span serials)
{
    uint8_t key[PROV_STORE_KEY_MAX];
    enum prov_rc rc = PROV_OK;
    size_t n;

    while (rc == PROV_OK && serials.n != 0) {
        n = (size_t)serials.p[0] << 8 | serials.p[1];
        rc = reg_del(a->tx, REG_REVOKED,
                     reg_revoked_key(&a->crl->authority, prov_span(serials.p + 2, n), key));
        serials = prov_span(serials.p + 2 + n, serials.n - 2 - n);
    }
    return rc;
}

static enum prov_rc add_new(struct apply *a)
{
    uint8_t key[PROV_STORE_KEY_MAX], value[REG_REVOKED_LEN];
    enum prov_rc rc = PROV_OK;

    reg_be64((uint64_t)a->crl->info.this_update_s, value + 1);
    for (size_t i = 0; rc == PROV_OK && i < a->crl->info.entries; i++) {
        const struct crl_entry *entry = &a->crl->entries[i];

        if (a->done[i] != 0)
            continue;
        value[0] = entry->reason;
        rc = reg_put_bytes(a->tx, REG_REVOKED,
                           reg_revoked_key(&a->crl->authority, crl_serial(entry), key),
                           prov_span(value, sizeof value));
    }
    return rc;
}

static enum prov_rc update_table(struct apply *a)
{
    struct known known = { .a = a };
    enum prov_rc rc;

    memset(a->done, 0, a->crl->info.entries);
    prov_buf_init(&known.released, 2 * (size_t)PROV_MAX_CRL);
    rc = reg_scan(a->tx, REG_REVOKED, prov_id_span(&a->crl->authority), prov_span(NULL, 0),
                  compare_known, &known);
    if (rc == PROV_OK && known.released.rc != PROV_OK)
        rc = prov_nomem(a->tx->err);
    if (rc == PROV_OK)
        rc = release(a, prov_buf_span(&known.released));
    if (rc == PROV_OK)
        rc = add_new(a);
    prov_buf_release(&known.released);
    return rc;
}

static enum prov_rc note_import(struct apply *a)
{
    const struct prov_crl_info *info = &a->crl->info;
    enum prov_rc rc = PROV_OK;
    struct prov_ca ca;

    for (size_t i = 0; rc == PROV_OK && i < a->n_cas; i++) {
        rc = prov_ca_get(a->tx, &a->cas[i], &ca);
        if (rc != PROV_OK)
            break;
        if (ca.crl_imported_ms != 0 && ca.crl_this_update_s == info->this_update_s &&
            ca.crl_next_update_s == info->next_update_s && ca.crl_entries == (int64_t)info->entries)
            continue;
        ca.crl_this_update_s = info->this_update_s;
        ca.crl_next_update_s = info->next_update_s;
        ca.crl_entries = (int64_t)info->entries;
        ca.crl_imported_ms = a->tx->now_ms;
        rc = reg_ca_put(a->tx, &ca);
    }
    return rc;
}

enum prov_rc prov_crl_apply(struct prov_crl *crl, struct prov_tx *tx, struct prov_crl_result *out)
{
    struct apply a = { .tx = tx, .crl = crl };
    enum prov_rc rc;

    *out = (struct prov_crl_result){ 0 };
    a.done = calloc(crl->info.entries + 1, 1);
    rc = a.done == NULL ? prov_nomem(tx->err) : list_cas(tx, crl, a.cas, &a.n_cas);
    if (rc == PROV_OK)
        rc = gather(&a);
    if (rc == PROV_OK) {
        sort_hits(&a.hits);
        rc = revoke_all(&a, out);
    }
    if (rc == PROV_OK)
        rc = update_table(&a);
    if (rc == PROV_OK)
        rc = note_import(&a);
    free(a.hits.v);
    free(a.done);
    return rc;
}
