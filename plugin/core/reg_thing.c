#include <openssl/rand.h>

#include "names.h"
#include "reg.h"

static const struct prov_field thing_fields[] = {
    { 1, PROV_FIELD_SPAN, offsetof(struct prov_thing, name), 0, 0 },
    { 2, PROV_FIELD_ID, offsetof(struct prov_thing, thing_id), 0, 0 },
    { 3, PROV_FIELD_SPAN, offsetof(struct prov_thing, type), 0, 0 },
    { 4, PROV_FIELD_SPAN, offsetof(struct prov_thing, billing_group), 0, 0 },
    { 5, PROV_FIELD_ATTRS, offsetof(struct prov_thing, attrs), offsetof(struct prov_thing, n_attrs),
      PROV_MAX_ATTRS },
    { 6, PROV_FIELD_SPANS, offsetof(struct prov_thing, groups),
      offsetof(struct prov_thing, n_groups), PROV_MAX_THING_GROUPS },
    { 7, PROV_FIELD_IDS, offsetof(struct prov_thing, principals),
      offsetof(struct prov_thing, n_principals), PROV_MAX_THING_PRINCIPALS },
    { 8, PROV_FIELD_U32, offsetof(struct prov_thing, version), 0, 0 },
    { 9, PROV_FIELD_I64, offsetof(struct prov_thing, created_ms), 0, 0 },
    { 10, PROV_FIELD_I64, offsetof(struct prov_thing, modified_ms), 0, 0 },
};
const struct prov_record reg_thing_record = { thing_fields, PROV_COUNT(thing_fields),
                                              sizeof(struct prov_thing) };

enum prov_rc prov_thing_get(struct prov_tx *tx, struct prov_span name, struct prov_thing *out)
{
    return reg_get(tx, REG_THING, &reg_thing_record, "thing", name, out);
}

enum prov_rc reg_thing_put(struct prov_tx *tx, struct prov_thing *thing)
{
    char name[PROV_MAX_NAME + 1];
    enum prov_rc rc;

    (void)prov_span_copy(thing->name, name, sizeof name);
    thing->modified_ms = tx->now_ms;
    rc = reg_put(tx, REG_THING, &reg_thing_record, prov_span_str(name), thing);
    return rc != PROV_OK ? rc : prov_feed_append(tx, PROV_CHANGED_THING, prov_span_str(name));
}

/* ---- attributes ------------------------------------------------------------------------------ */

enum prov_rc reg_attrs_check(struct prov_tx *tx, const struct prov_attr *attrs, size_t n,
                             bool typed)
{
    const size_t max = typed ? PROV_MAX_ATTRS : PROV_MAX_ATTRS_UNTYPED;
    size_t total = 0;
    enum prov_rc rc;

    if (n > max)
        return prov_fail(tx->err, PROV_ETOOBIG, REG_INVALID,
                         "%zu attributes are too many: %zu are allowed%s", n, max,
                         typed ? "" : " for a thing without a type");
    for (size_t i = 0; i < n; i++) {
        rc = prov_name_check(PROV_NAME_ATTRIBUTE, attrs[i].name, tx->err);
        if (rc == PROV_OK)
            rc = prov_name_check(PROV_NAME_ATTRIBUTE_VALUE, attrs[i].value, tx->err);
        if (rc != PROV_OK)
            return rc;
        total += attrs[i].name.n + attrs[i].value.n;
    }
    if (total > PROV_MAX_ATTRS_TOTAL)
        return prov_fail(tx->err, PROV_ETOOBIG, REG_INVALID,
                         "the attributes have %zu bytes; %d are allowed", total,
                         PROV_MAX_ATTRS_TOTAL);
    return PROV_OK;
}

static struct prov_attr *find_attr(struct prov_thing *thing, struct prov_span name)
{
    for (size_t i = 0; i < thing->n_attrs; i++) {
        if (prov_span_eq(thing->attrs[i].name, name))
            return &thing->attrs[i];
    }
    return NULL;
}

/* An empty value takes the attribute away (AttributePayload, reference 7.1). */
static enum prov_rc set_attr(struct prov_tx *tx, struct prov_thing *thing,
                             const struct prov_attr *attr)
{
    struct prov_attr *at = find_attr(thing, attr->name);

    if (attr->value.n == 0) {
        if (at != NULL)
            *at = thing->attrs[--thing->n_attrs];
        return PROV_OK;
    }
    if (at == NULL) {
        if (thing->n_attrs == PROV_MAX_ATTRS)
            return prov_fail(tx->err, PROV_ETOOBIG, REG_INVALID, "more than %d attributes",
                             PROV_MAX_ATTRS);
        at = &thing->attrs[thing->n_attrs++];
    }
    *at = *attr;
    return PROV_OK;
}

enum prov_rc reg_attrs_set(struct prov_tx *tx, struct prov_thing *thing,
                           const struct prov_attr *attrs, size_t n)
{
    enum prov_rc rc = PROV_OK;

    for (size_t i = 0; rc == PROV_OK && i < n; i++)
        rc = set_attr(tx, thing, &attrs[i]);
    return rc;
}

static bool same_attrs(struct prov_thing *a, struct prov_thing *b)
{
    const struct prov_attr *other;

    if (a->n_attrs != b->n_attrs)
        return false;
    for (size_t i = 0; i < a->n_attrs; i++) {
        other = find_attr(b, a->attrs[i].name);
        if (other == NULL || !prov_span_eq(other->value, a->attrs[i].value))
            return false;
    }
    return true;
}

/* ---- types ----------------------------------------------------------------------------------- */

enum prov_rc reg_type_usable(struct prov_tx *tx, struct prov_span name)
{
    struct prov_thing_type type;
    enum prov_rc rc;

    if (name.n == 0)
        return PROV_OK;
    rc = prov_type_get(tx, name, &type);
    if (rc == PROV_OK && type.deprecated)
        return prov_fail(tx->err, PROV_EINVAL, REG_INVALID, "thing type \"%.*s\" is deprecated",
                         PROV_SPAN_ARG(name));
    return rc;
}

static enum prov_rc move_type(struct prov_tx *tx, struct prov_span thing, struct prov_span from,
                              struct prov_span to)
{
    enum prov_rc rc = PROV_OK;

    if (prov_span_eq(from, to))
        return PROV_OK;
    if (from.n != 0)
        rc = reg_link_del(tx, REG_THING_OF_TYPE, from, thing);
    if (rc == PROV_OK && to.n != 0)
        rc = reg_link_add(tx, REG_THING_OF_TYPE, to, thing);
    return rc;
}

/* ---- create, update, delete ------------------------------------------------------------------ */

/* CreateThing again with the same configuration succeeds (reference 7.2). */
static enum prov_rc same_as_before(struct prov_tx *tx, struct prov_thing *wanted)
{
    struct prov_thing old;
    const enum prov_rc rc = prov_thing_get(tx, wanted->name, &old);

    if (rc != PROV_OK)
        return rc;
    if (prov_span_eq(old.type, wanted->type) && same_attrs(&old, wanted))
        return PROV_OK;
    return prov_fail(tx->err, PROV_ECONFLICT, REG_EXISTS,
                     "thing \"%.*s\" exists with another type or other attributes",
                     PROV_SPAN_ARG(wanted->name));
}

static bool make_thing_id(struct prov_id *out)
{
    memset(out, 0, sizeof *out);
    if (RAND_bytes(out->b, 16) != 1)
        return false;
    out->b[6] = (uint8_t)((out->b[6] & 0x0f) | 0x40); /* UUID version 4, RFC 9562 */
    out->b[8] = (uint8_t)((out->b[8] & 0x3f) | 0x80);
    return true;
}

enum prov_rc prov_thing_create(struct prov_tx *tx, struct prov_span name, struct prov_span type,
                               const struct prov_attr *attrs, size_t n_attrs)
{
    struct prov_thing thing = {
        .name = name, .type = type, .version = 1, .created_ms = tx->now_ms
    };
    enum prov_rc rc;

    rc = prov_name_check(PROV_NAME_THING, name, tx->err);
    if (rc == PROV_OK)
        rc = reg_attrs_set(tx, &thing, attrs, n_attrs);
    if (rc == PROV_OK)
        rc = reg_attrs_check(tx, thing.attrs, thing.n_attrs, type.n != 0);
    if (rc != PROV_OK)
        return rc;
    rc = reg_exists(tx, REG_THING, name);
    if (rc == PROV_OK)
        return same_as_before(tx, &thing);
    if (rc == PROV_ENOTFOUND)
        rc = reg_type_usable(tx, type);
    if (rc != PROV_OK)
        return rc;
    if (!make_thing_id(&thing.thing_id))
        return prov_fail(tx->err, PROV_EBUG, REG_INTERNAL, "no random numbers to be had");
    rc = reg_thing_put(tx, &thing);
    return rc != PROV_OK ? rc : move_type(tx, name, prov_span(NULL, 0), type);
}

enum prov_rc prov_thing_update(struct prov_tx *tx, struct prov_span name,
                               const struct prov_thing_change *change)
{
    char old_type[PROV_MAX_NAME + 1];
    struct prov_thing thing;
    enum prov_rc rc;

    rc = prov_thing_get(tx, name, &thing);
    if (rc != PROV_OK)
        return rc;
    if (change->expected_version != 0 && change->expected_version != thing.version)
        return prov_fail(tx->err, PROV_ECONFLICT, "VersionConflictException",
                         "the thing has version %u, not %u", thing.version,
                         change->expected_version);
    (void)prov_span_copy(thing.type, old_type, sizeof old_type);
    if (change->type != NULL && !prov_span_eq(thing.type, *change->type)) {
        rc = reg_type_usable(tx, *change->type); /* one it has may be deprecated meanwhile */
        thing.type = *change->type;
    }
    if (change->set_attrs && !change->merge)
        thing.n_attrs = 0;
    if (rc == PROV_OK && (change->set_attrs || change->merge))
        rc = reg_attrs_set(tx, &thing, change->attrs, change->n_attrs);
    if (rc == PROV_OK)
        rc = reg_attrs_check(tx, thing.attrs, thing.n_attrs, thing.type.n != 0);
    if (rc != PROV_OK)
        return rc;
    thing.version++;
    rc = reg_thing_put(tx, &thing);
    if (rc != PROV_OK || change->type == NULL)
        return rc;
    return move_type(tx, name, prov_span_str(old_type), *change->type);
}

/* Leaves groups, billing group and type one by one: each write ends the life of what was read. */
static enum prov_rc leave_all(struct prov_tx *tx, struct prov_span name)
{
    char group[PROV_MAX_NAME + 1];
    struct prov_thing thing;
    enum prov_rc rc;

    for (;;) {
        rc = prov_thing_get(tx, name, &thing);
        if (rc != PROV_OK || thing.n_groups == 0)
            break;
        (void)prov_span_copy(thing.groups[0], group, sizeof group);
        rc = prov_group_remove(tx, prov_span_str(group), name);
        if (rc != PROV_OK)
            break;
    }
    if (rc == PROV_OK && thing.billing_group.n != 0)
        rc = prov_billing_add(tx, prov_span(NULL, 0), name);
    if (rc == PROV_OK)
        rc = prov_thing_get(tx, name, &thing);
    if (rc == PROV_OK && thing.type.n != 0) {
        (void)prov_span_copy(thing.type, group, sizeof group);
        rc = reg_link_del(tx, REG_THING_OF_TYPE, prov_span_str(group), name);
    }
    return rc;
}

enum prov_rc prov_thing_delete(struct prov_tx *tx, struct prov_span name)
{
    struct prov_thing thing;
    char hex[PROV_ID_HEX + 1];
    enum prov_rc rc;

    rc = prov_name_check(PROV_NAME_THING, name, tx->err);
    if (rc != PROV_OK)
        return rc;
    rc = reg_exists(tx, REG_THING, name);
    if (rc != PROV_OK)
        return rc == PROV_ENOTFOUND ? PROV_OK : rc;
    rc = prov_thing_get(tx, name, &thing);
    if (rc != PROV_OK)
        return rc;
    if (thing.n_principals != 0) {
        prov_id_hex(&thing.principals[0], hex);
        return prov_fail(tx->err, PROV_EDENIED, REG_INVALID,
                         "certificate %s is attached to the thing: detach it first", hex);
    }
    rc = leave_all(tx, name);
    if (rc == PROV_OK)
        rc = reg_del(tx, REG_THING, name);
    return rc != PROV_OK ? rc : prov_feed_append(tx, PROV_CHANGED_THING, name);
}

/* ---- principals ------------------------------------------------------------------------------ */

static bool has_principal(const struct prov_thing *thing, const struct prov_id *cert)
{
    for (size_t i = 0; i < thing->n_principals; i++) {
        if (prov_id_eq(&thing->principals[i], cert))
            return true;
    }
    return false;
}

bool reg_attached_as(const struct prov_cert *cert, struct prov_span thing, enum prov_attach kind)
{
    /* what ended by being left unsaid would end unseen */
    if (kind == PROV_ATTACH_UNSAID && reg_has(cert->things, cert->n_things, thing))
        return cert->exclusive;
    return kind == PROV_ATTACH_EXCLUSIVE;
}

/* Reference 7.4: an exclusive association is the certificate's only one. */
enum prov_rc reg_attachable(struct prov_tx *tx, const struct prov_cert *cert,
                            const struct prov_thing *thing, enum prov_attach kind)
{
    const bool attached = reg_has(cert->things, cert->n_things, thing->name);
    const enum prov_rc rc = reg_cert_lasting(tx, cert, "stand for a thing");

    if (rc != PROV_OK)
        return rc;
    if (cert->exclusive && !attached)
        return prov_fail(tx->err, PROV_ECONFLICT, REG_INVALID,
                         "the certificate belongs exclusively to thing \"%.*s\"",
                         PROV_SPAN_ARG(cert->things[0]));
    if (kind == PROV_ATTACH_EXCLUSIVE && cert->n_things > (attached ? 1 : 0))
        return prov_fail(tx->err, PROV_ECONFLICT, REG_INVALID,
                         "the certificate is attached to another thing, so it cannot belong "
                         "exclusively to this one");
    if (attached)
        return PROV_OK;
    if (cert->n_things == PROV_MAX_CERT_THINGS)
        return prov_fail(tx->err, PROV_ETOOBIG, REG_LIMIT,
                         "the certificate is attached to %d things already", PROV_MAX_CERT_THINGS);
    if (thing->n_principals == PROV_MAX_THING_PRINCIPALS)
        return prov_fail(tx->err, PROV_ETOOBIG, REG_LIMIT, "the thing has %d principals already",
                         PROV_MAX_THING_PRINCIPALS);
    return PROV_OK;
}

enum prov_rc prov_thing_attach(struct prov_tx *tx, struct prov_span name, const struct prov_id *id,
                               enum prov_attach kind)
{
    struct prov_thing thing;
    struct prov_cert cert;
    enum prov_rc rc;
    bool attached, exclusive;

    rc = prov_cert_get(tx, id, &cert);
    if (rc == PROV_OK)
        rc = prov_thing_get(tx, name, &thing);
    if (rc == PROV_OK)
        rc = reg_attachable(tx, &cert, &thing, kind);
    if (rc != PROV_OK)
        return rc;
    attached = reg_has(cert.things, cert.n_things, name);
    exclusive = reg_attached_as(&cert, name, kind);
    if (attached && cert.exclusive == exclusive && has_principal(&thing, id))
        return PROV_OK;
    if (!attached)
        cert.things[cert.n_things++] = name;
    cert.exclusive = exclusive;
    rc = reg_cert_put(tx, &cert);
    if (rc == PROV_OK)
        rc = prov_thing_get(tx, name, &thing);
    if (rc != PROV_OK || has_principal(&thing, id))
        return rc;
    thing.principals[thing.n_principals++] = *id;
    return reg_thing_put(tx, &thing);
}

static void remove_principal(struct prov_thing *thing, const struct prov_id *id)
{
    size_t kept = 0;

    for (size_t i = 0; i < thing->n_principals; i++) {
        if (!prov_id_eq(&thing->principals[i], id))
            thing->principals[kept++] = thing->principals[i];
    }
    thing->n_principals = kept;
}

enum prov_rc prov_thing_detach(struct prov_tx *tx, struct prov_span name, const struct prov_id *id)
{
    struct prov_thing thing;
    struct prov_cert cert;
    enum prov_rc rc;

    rc = prov_cert_get(tx, id, &cert);
    if (rc == PROV_OK)
        rc = prov_thing_get(tx, name, &thing);
    if (rc != PROV_OK)
        return rc;
    if (!reg_has(cert.things, cert.n_things, name))
        return prov_fail(tx->err, PROV_ENOTFOUND, REG_NOT_FOUND,
                         "the certificate is not attached to thing \"%.*s\"", PROV_SPAN_ARG(name));
    reg_remove(cert.things, &cert.n_things, name);
    cert.exclusive = false;
    rc = reg_cert_put(tx, &cert);
    if (rc == PROV_OK)
        rc = prov_thing_get(tx, name, &thing);
    if (rc != PROV_OK)
        return rc;
    remove_principal(&thing, id);
    return reg_thing_put(tx, &thing);
}
