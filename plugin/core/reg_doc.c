#include "reg.h"

static const struct prov_field version_fields[] = {
    { 1, PROV_FIELD_U32, offsetof(struct prov_version_info, version), 0, 0 },
    { 2, PROV_FIELD_I64, offsetof(struct prov_version_info, created_ms), 0, 0 },
    { 3, PROV_FIELD_SPAN, offsetof(struct prov_version_info, document), 0, 0 },
};
const struct prov_record reg_version_record = { version_fields, PROV_COUNT(version_fields),
                                                sizeof(struct prov_version_info) };

struct prov_span reg_doc_prefix(struct prov_span name, uint8_t *out)
{
    if (name.n > PROV_MAX_NAME) /* no such name: a prefix that nothing has */
        name.n = 0;
    if (name.n != 0)
        memcpy(out, name.p, name.n);
    out[name.n] = 0;
    return prov_span(out, name.n + 1);
}

static struct prov_span doc_key(struct prov_span name, uint32_t version, uint8_t *out)
{
    const struct prov_span prefix = reg_doc_prefix(name, out);

    reg_be32(version, out + prefix.n);
    return prov_span(out, prefix.n + 4);
}

enum prov_rc reg_doc_add(struct prov_tx *tx, const struct reg_doc_kind *kind, struct prov_span name,
                         uint32_t version, struct prov_span document)
{
    const struct prov_version_info info = { version, tx->now_ms, document };
    uint8_t key[PROV_STORE_KEY_MAX];

    return reg_put(tx, kind->docs, &reg_version_record, doc_key(name, version, key), &info);
}

enum prov_rc reg_doc_get(struct prov_tx *tx, const struct reg_doc_kind *kind, struct prov_span name,
                         uint32_t version, struct prov_version_info *out)
{
    uint8_t key[PROV_STORE_KEY_MAX];
    enum prov_rc rc;

    rc = reg_exists(tx, kind->docs, doc_key(name, version, key));
    if (rc == PROV_ENOTFOUND)
        return prov_fail(tx->err, rc, REG_NOT_FOUND, "%s \"%.*s\" has no version %u", kind->what,
                         PROV_SPAN_ARG(name), version);
    if (rc != PROV_OK)
        return rc;
    return reg_get(tx, kind->docs, &reg_version_record, kind->what, doc_key(name, version, key),
                   out);
}

enum prov_rc reg_doc_del(struct prov_tx *tx, const struct reg_doc_kind *kind, struct prov_span name,
                         uint32_t version)
{
    uint8_t key[PROV_STORE_KEY_MAX];

    return reg_del(tx, kind->docs, doc_key(name, version, key));
}

static bool count_doc(void *ctx, struct prov_span key, struct prov_span value)
{
    size_t *n = ctx;

    (void)key;
    (void)value;
    ++*n;
    return true;
}

static enum prov_rc doc_count(struct prov_tx *tx, const struct reg_doc_kind *kind,
                              struct prov_span name, size_t *n)
{
    uint8_t prefix[PROV_STORE_KEY_MAX];

    *n = 0;
    return reg_scan(tx, kind->docs, reg_doc_prefix(name, prefix), prov_span(NULL, 0), count_doc, n);
}

enum prov_rc reg_doc_next(struct prov_tx *tx, const struct reg_doc_kind *kind,
                          struct prov_span name)
{
    enum prov_rc rc;
    size_t n;

    rc = doc_count(tx, kind, name, &n);
    if (rc == PROV_OK && n >= PROV_MAX_VERSIONS)
        rc = prov_fail(tx->err, PROV_ETOOBIG, "VersionsLimitExceededException",
                       "%s \"%.*s\" has %d versions already: delete one first", kind->what,
                       PROV_SPAN_ARG(name), PROV_MAX_VERSIONS);
    return rc;
}

enum prov_rc reg_doc_deletable(struct prov_tx *tx, const struct reg_doc_kind *kind,
                               struct prov_span name)
{
    enum prov_rc rc;
    size_t n;

    rc = doc_count(tx, kind, name, &n);
    if (rc == PROV_OK && n > 1)
        rc = prov_fail(tx->err, PROV_EDENIED, REG_IN_USE,
                       "%s \"%.*s\" has versions besides its default: delete them first",
                       kind->what, PROV_SPAN_ARG(name));
    return rc;
}

enum prov_rc reg_doc_not_default(struct prov_tx *tx, const struct reg_doc_kind *kind,
                                 uint32_t version, uint32_t default_version)
{
    if (version != default_version)
        return PROV_OK;
    return prov_fail(tx->err, PROV_EDENIED, REG_IN_USE,
                     "version %u is the default of the %s: make another one the default first",
                     version, kind->what);
}
