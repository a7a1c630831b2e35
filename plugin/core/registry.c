#include "registry.h"

#include "reg.h"

static const char *const tables[] = {
    [REG_META] = "meta",         [REG_CA] = "ca",
    [REG_CERT] = "cert",         [REG_CERT_DER] = "cert-der",
    [REG_THING] = "thing",       [REG_TYPE] = "type",
    [REG_GROUP] = "group",       [REG_BILLING] = "billing",
    [REG_POLICY] = "policy",     [REG_POLICY_DOC] = "policy-doc",
    [REG_TEMPLATE] = "template", [REG_TEMPLATE_DOC] = "template-doc",
    [REG_LINK] = "link",         [REG_CLIENT] = "client",
    [REG_FEED] = "feed",         [REG_ATTEMPT] = "attempt",
    [REG_REVOKED] = "revoked",   [REG_DUE] = "due",
    [REG_CLAIM] = "claim",       [REG_CLAIM_VALUE] = "claim-value",
};
_Static_assert(PROV_COUNT(tables) == REG_TABLES, "a table was added without a name");

const struct prov_schema prov_registry_schema = {
    /* 1: DER was filed by certificate id. 2: certificates were not counted by status, and a CA did
     * not say whose revocation lists are its own. 3: without claims and what is due. */
    .version = 4,
    .tables = tables,
    .n_tables = REG_TABLES,
};

/* ---- reading and writing --------------------------------------------------------------------- */

enum prov_rc reg_store_result(struct prov_tx *tx, enum prov_rc rc)
{
    if (rc == PROV_ENOMEM)
        return prov_nomem(tx->err);
    if (rc == PROV_ESTORE || rc == PROV_EBUG)
        return prov_fail(tx->err, rc, REG_INTERNAL, "%s", prov_store_why(tx->txn->store));
    return rc;
}

enum prov_rc reg_missing(struct prov_tx *tx, const char *what, struct prov_span name)
{
    return prov_fail(tx->err, PROV_ENOTFOUND, REG_NOT_FOUND, "there is no %s \"%.*s\"", what,
                     PROV_SPAN_ARG(name));
}

static bool is_id_table(enum reg_table table)
{
    return table == REG_CA || table == REG_CERT || table == REG_CLAIM;
}

/* Keys in messages: ids as hex, names as they are. */
static enum prov_rc missing_key(struct prov_tx *tx, enum reg_table table, const char *what,
                                struct prov_span key)
{
    char hex[2 * PROV_ID_LEN + 1];

    if (!is_id_table(table) || key.n != PROV_ID_LEN)
        return reg_missing(tx, what, key);
    prov_hex(key.p, key.n, hex);
    return reg_missing(tx, what, prov_span_str(hex));
}

/*
 * What cannot be a key of the table is not there, whatever a damaged store has under it: callers
 * make links of names they have found, in buffers for names.
 */
static bool no_key(enum reg_table table, struct prov_span key)
{
    const bool named =
        (table >= REG_THING && table <= REG_POLICY) || table == REG_TEMPLATE || table == REG_CLIENT;

    return key.n == 0 || (named && key.n > PROV_MAX_NAME);
}

enum prov_rc reg_get(struct prov_tx *tx, enum reg_table table, const struct prov_record *type,
                     const char *what, struct prov_span key, void *object)
{
    struct prov_span bytes;
    enum prov_rc rc;

    rc = no_key(table, key) ? PROV_ENOTFOUND : prov_txn_get(tx->txn, table, key, &bytes);
    if (rc == PROV_ENOTFOUND)
        return missing_key(tx, table, what, key);
    if (rc != PROV_OK)
        return reg_store_result(tx, rc);
    rc = prov_record_read(type, bytes, object);
    if (rc != PROV_OK)
        return prov_fail(tx->err, rc, REG_INTERNAL,
                         "a record of table \"%s\" is damaged: run `provctl check`", tables[table]);
    return PROV_OK;
}

enum prov_rc reg_exists(struct prov_tx *tx, enum reg_table table, struct prov_span key)
{
    struct prov_span bytes;

    if (no_key(table, key))
        return PROV_ENOTFOUND;
    return reg_store_result(tx, prov_txn_get(tx->txn, table, key, &bytes));
}

/* Larger than any record: a CA's or a template version's document is the largest. */
#define RECORD_MAX (128 * 1024)

enum prov_rc reg_put(struct prov_tx *tx, enum reg_table table, const struct prov_record *type,
                     struct prov_span key, const void *object)
{
    struct prov_buf bytes;
    struct prov_buf kept; /* the key too may point into the store */
    enum prov_rc rc;

    prov_buf_init(&bytes, RECORD_MAX);
    prov_buf_init(&kept, PROV_STORE_KEY_MAX);
    prov_record_write(type, object, &bytes);
    prov_buf_add(&kept, key);
    rc = bytes.rc != PROV_OK ? bytes.rc : kept.rc;
    if (rc == PROV_OK)
        rc = prov_txn_put(tx->txn, table, prov_buf_span(&kept), prov_buf_span(&bytes));
    prov_buf_release(&bytes);
    prov_buf_release(&kept);
    return reg_store_result(tx, rc);
}

enum prov_rc reg_put_bytes(struct prov_tx *tx, enum reg_table table, struct prov_span key,
                           struct prov_span value)
{
    return reg_store_result(tx, prov_txn_put(tx->txn, table, key, value));
}

enum prov_rc reg_del(struct prov_tx *tx, enum reg_table table, struct prov_span key)
{
    const enum prov_rc rc = prov_txn_del(tx->txn, table, key);

    return rc == PROV_ENOTFOUND ? PROV_OK : reg_store_result(tx, rc);
}

enum prov_rc reg_scan(struct prov_tx *tx, enum reg_table table, struct prov_span prefix,
                      struct prov_span after,
                      bool (*visit)(void *ctx, struct prov_span key, struct prov_span value),
                      void *ctx)
{
    uint8_t from[PROV_STORE_KEY_MAX + 1];
    struct prov_cursor *cur = NULL;
    struct prov_span key, value;
    enum prov_rc rc;
    size_t n = prefix.n + after.n;

    if (n > PROV_STORE_KEY_MAX)
        return prov_fail(tx->err, PROV_EINVAL, REG_INVALID, "the page marker is too long");
    if (prefix.n != 0)
        memcpy(from, prefix.p, prefix.n);
    if (after.n != 0) {
        memcpy(from + prefix.n, after.p, after.n);
        from[n++] = 0; /* the first key that can follow `after` */
    }
    rc = prov_txn_scan(tx->txn, table, &cur);
    if (rc != PROV_OK)
        return reg_store_result(tx, rc);
    rc = prov_cursor_seek(cur, prov_span(from, n), &key, &value);
    while (rc == PROV_OK && prov_span_starts(key, prefix)) {
        if (!visit(ctx, prov_span(key.p + prefix.n, key.n - prefix.n), value))
            break;
        rc = prov_cursor_next(cur, &key, &value);
    }
    prov_cursor_free(cur);
    return rc == PROV_ENOTFOUND ? PROV_OK : reg_store_result(tx, rc);
}

/* ---- links ----------------------------------------------------------------------------------- */

struct prov_span reg_link_prefix(enum reg_link kind, struct prov_span owner, uint8_t *out)
{
    out[0] = (uint8_t)kind;
    if (owner.n != 0)
        memcpy(out + 1, owner.p, owner.n);
    out[1 + owner.n] = 0;
    return prov_span(out, owner.n + 2);
}

/* Owners and members are names, ids or client ids: both fit, with room to spare. */
static struct prov_span link_key(enum reg_link kind, struct prov_span owner,
                                 struct prov_span member, uint8_t *out)
{
    const struct prov_span prefix = reg_link_prefix(kind, owner, out);

    if (member.n != 0)
        memcpy(out + prefix.n, member.p, member.n);
    return prov_span(out, prefix.n + member.n);
}
_Static_assert(PROV_STORE_KEY_MAX >= 2 * PROV_MAX_NAME + 3 + 1, "a link's key fits");
_Static_assert(PROV_STORE_KEY_MAX >= PROV_ID_LEN + PROV_MAX_CLIENT_ID + 2, "a link's key fits");

enum prov_rc reg_link_add(struct prov_tx *tx, enum reg_link kind, struct prov_span owner,
                          struct prov_span member)
{
    uint8_t key[PROV_STORE_KEY_MAX];

    return reg_put_bytes(tx, REG_LINK, link_key(kind, owner, member, key), prov_span(NULL, 0));
}

enum prov_rc reg_link_del(struct prov_tx *tx, enum reg_link kind, struct prov_span owner,
                          struct prov_span member)
{
    uint8_t key[PROV_STORE_KEY_MAX];

    return reg_del(tx, REG_LINK, link_key(kind, owner, member, key));
}

struct link_count {
    size_t n, limit;
};

static bool count_link(void *ctx, struct prov_span key, struct prov_span value)
{
    struct link_count *c = ctx;

    (void)key;
    (void)value;
    return ++c->n < c->limit;
}

enum prov_rc reg_link_count(struct prov_tx *tx, enum reg_link kind, struct prov_span owner,
                            size_t limit, size_t *n)
{
    uint8_t prefix[PROV_STORE_KEY_MAX];
    struct link_count c = { .limit = limit };
    const enum prov_rc rc = reg_scan(tx, REG_LINK, reg_link_prefix(kind, owner, prefix),
                                     prov_span(NULL, 0), count_link, &c);

    *n = c.n;
    return rc;
}

struct link_first {
    uint8_t *member;
    size_t n;
};

static bool copy_link(void *ctx, struct prov_span key, struct prov_span value)
{
    struct link_first *f = ctx;

    (void)value;
    memcpy(f->member, key.p, key.n);
    f->n = key.n;
    return false;
}

enum prov_rc reg_link_first(struct prov_tx *tx, enum reg_link kind, struct prov_span owner,
                            uint8_t member[static PROV_STORE_KEY_MAX], size_t *n)
{
    *n = 0;
    return reg_link_next(tx, kind, owner, member, n);
}

enum prov_rc reg_link_next(struct prov_tx *tx, enum reg_link kind, struct prov_span owner,
                           uint8_t member[static PROV_STORE_KEY_MAX], size_t *n)
{
    uint8_t prefix[PROV_STORE_KEY_MAX];
    struct link_first f = { .member = member };
    const enum prov_rc rc = reg_scan(tx, REG_LINK, reg_link_prefix(kind, owner, prefix),
                                     prov_span(member, *n), copy_link, &f);

    *n = f.n;
    return rc == PROV_OK && f.n == 0 ? PROV_ENOTFOUND : rc;
}

/* ---- small things ---------------------------------------------------------------------------- */

void reg_be32(uint32_t v, uint8_t out[static 4])
{
    for (int i = 3; i >= 0; i--, v >>= 8)
        out[i] = (uint8_t)v;
}

void reg_be64(uint64_t v, uint8_t out[static 8])
{
    reg_be32((uint32_t)(v >> 32), out);
    reg_be32((uint32_t)v, out + 4);
}

uint32_t reg_from_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

uint64_t reg_from_be64(const uint8_t *p)
{
    return (uint64_t)reg_from_be32(p) << 32 | reg_from_be32(p + 4);
}

bool reg_has(const struct prov_span *list, size_t n, struct prov_span item)
{
    for (size_t i = 0; i < n; i++) {
        if (prov_span_eq(list[i], item))
            return true;
    }
    return false;
}

void reg_remove(struct prov_span *list, size_t *n, struct prov_span item)
{
    size_t kept = 0;

    for (size_t i = 0; i < *n; i++) {
        if (!prov_span_eq(list[i], item))
            list[kept++] = list[i];
    }
    *n = kept;
}

struct prov_span reg_cut(struct prov_span s)
{
    if (s.n <= REG_TEXT_MAX)
        return s;
    s.n = REG_TEXT_MAX;
    for (int i = 0; i < 3 && (s.p[s.n] & 0xc0) == 0x80; i++) /* continues a character */
        s.n--;
    return s;
}

enum prov_rc reg_description_check(struct prov_tx *tx, struct prov_span text)
{
    if (text.n <= PROV_MAX_DESCRIPTION && prov_utf8_valid(text))
        return PROV_OK;
    return prov_fail(tx->err, PROV_EINVAL, REG_INVALID,
                     "a description has at most %d bytes of UTF-8", PROV_MAX_DESCRIPTION);
}

/* ---- ids from prefixes ----------------------------------------------------------------------- */

struct resolve {
    struct prov_id found; /* its first `whole` bytes are the prefix */
    size_t whole;
    int nibble; /* an unpaired last digit, or -1 */
    unsigned n;
};

static bool match_id(void *ctx, struct prov_span key, struct prov_span value)
{
    struct resolve *r = ctx;

    (void)value;
    if (key.n != PROV_ID_LEN - r->whole || (r->nibble >= 0 && key.p[0] >> 4 != r->nibble))
        return true;
    memcpy(r->found.b + r->whole, key.p, key.n);
    return ++r->n < 2;
}

static bool parse_prefix(struct prov_span text, struct resolve *r)
{
    uint8_t last[2] = { '0', '0' };
    uint8_t byte;

    if (prov_span_starts(text, PROV_LIT("0x"))) /* as prov_id_parse */
        text = prov_span(text.p + 2, text.n - 2);
    r->whole = text.n / 2;
    r->nibble = -1;
    if (text.n < 8 || text.n > PROV_ID_HEX)
        return false;
    if (!prov_unhex(prov_span(text.p, 2 * r->whole), r->found.b, r->whole))
        return false;
    if (text.n % 2 == 0)
        return true;
    last[1] = text.p[text.n - 1];
    if (!prov_unhex(prov_span(last, 2), &byte, 1))
        return false;
    r->nibble = byte;
    return true;
}

static enum prov_rc resolve(struct prov_tx *tx, enum reg_table table, const char *what,
                            struct prov_span text, struct prov_id *out)
{
    struct resolve r = { .n = 0 };
    struct prov_id prefix;
    enum prov_rc rc;

    if (!parse_prefix(text, &r))
        return prov_fail(tx->err, PROV_EINVAL, REG_INVALID,
                         "\"%.*s\" is no %s id: 8 to %d hex digits are needed", PROV_SPAN_ARG(text),
                         what, PROV_ID_HEX);
    prefix = r.found;
    if (r.whole == PROV_ID_LEN) { /* nothing to look for */
        *out = prefix;
        rc = reg_exists(tx, table, prov_id_span(out));
        return rc == PROV_ENOTFOUND ? reg_missing(tx, what, text) : rc;
    }
    rc = reg_scan(tx, table, prov_span(prefix.b, r.whole), prov_span(NULL, 0), match_id, &r);
    if (rc != PROV_OK)
        return rc;
    if (r.n == 0)
        return reg_missing(tx, what, text);
    if (r.n > 1)
        return prov_fail(tx->err, PROV_EINVAL, REG_INVALID,
                         "more than one %s id starts with \"%.*s\": give more digits", what,
                         PROV_SPAN_ARG(text));
    *out = r.found;
    return PROV_OK;
}

enum prov_rc prov_ca_resolve(struct prov_tx *tx, struct prov_span text, struct prov_id *out)
{
    return resolve(tx, REG_CA, "CA certificate", text, out);
}

enum prov_rc prov_cert_resolve(struct prov_tx *tx, struct prov_span text, struct prov_id *out)
{
    return resolve(tx, REG_CERT, "certificate", text, out);
}
