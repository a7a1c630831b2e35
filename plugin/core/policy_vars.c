#include "policy_priv.h"

#include <stdlib.h>

#include "limits.h"

/* ---- names ----------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum pol_var_kind kind;
} plain[] = {
    { "iot:ClientId", POL_CLIENT_ID },
    { "aws:SourceIp", POL_SOURCE_IP },
    { "iot:DomainName", POL_DOMAIN_NAME },
    { "iot:CertificateId", POL_CERTIFICATE_ID },
    { "iot:Connection.Thing.ThingName", POL_THING_NAME },
    { "iot:Connection.Thing.ThingTypeName", POL_THING_TYPE },
    { "iot:Connection.Thing.IsAttached", POL_THING_ATTACHED },
    { "iot:Thing.ThingName", POL_THING_NAME },
    { "iot:Thing.ThingTypeName", POL_THING_TYPE },
    { "iot:Thing.IsAttached", POL_THING_ATTACHED },
    { "iot:Certificate.SerialNumber", POL_CERT_SERIAL },
    { "iot:Certificate.AvailableKeys", POL_CERT_KEYS },
    { "iot:ConnectAttributes", POL_CONNECT_ATTRS },
    { "iot:LastWillTopic", POL_LAST_WILL },
};

static const char *const sides[PROV_SIDES] = {
    [PROV_SUBJECT] = "iot:Certificate.Subject.",
    [PROV_ISSUER] = "iot:Certificate.Issuer.",
};

static const char alt_prefix[] = "AlternativeName.";

static unsigned field_count(enum pol_var_kind kind)
{
    return kind == POL_CERT_ALT ? (unsigned)PROV_ALT_KINDS : (unsigned)PROV_DN_FIELDS;
}

static const char *field_name(enum pol_var_kind kind, unsigned field)
{
    return kind == POL_CERT_ALT ? prov_alt_kind_name((enum prov_alt_kind)field)
                                : prov_dn_field_name((enum prov_dn_field)field);
}

/* AWS compares the names of keys without regard to case. */
static bool eat(struct prov_span *s, const char *prefix)
{
    const size_t n = strlen(prefix);

    if (s->n < n || !prov_span_eq_nocase(prov_span(s->p, n), prov_span(prefix, n)))
        return false;
    *s = prov_span(s->p + n, s->n - n);
    return true;
}

static bool parse_plain(struct prov_span name, struct pol_var *out)
{
    for (size_t i = 0; i < PROV_COUNT(plain); i++) {
        if (prov_span_eq_nocase(name, prov_span_str(plain[i].name))) {
            out->kind = plain[i].kind;
            return true;
        }
    }
    return false;
}

/* "…Thing.Attributes[name]" */
static bool parse_attr(struct prov_span name, struct pol_var *out)
{
    if (!eat(&name, "iot:Connection.Thing.Attributes[") && !eat(&name, "iot:Thing.Attributes["))
        return false;
    if (name.n < 2 || name.p[name.n - 1] != ']')
        return false;
    out->kind = POL_THING_ATTR;
    out->attr = prov_span(name.p, name.n - 1);
    return true;
}

/* Nothing, ".List", or ".N" with at most three digits. */
static bool parse_pick(struct prov_span rest, struct pol_var *out)
{
    if (rest.n == 0)
        return true;
    if (prov_span_eq_nocase(rest, PROV_LIT(".List"))) {
        out->list = true;
        return true;
    }
    if (rest.n < 2 || rest.n > 4 || rest.p[0] != '.')
        return false;
    for (size_t i = 1; i < rest.n; i++) {
        if (rest.p[i] < '0' || rest.p[i] > '9')
            return false;
        out->index = 10 * out->index + (size_t)(rest.p[i] - '0');
    }
    return true;
}

static bool parse_field(struct prov_span rest, const char *field, struct pol_var *out)
{
    return eat(&rest, field) && (rest.n == 0 || rest.p[0] == '.') && parse_pick(rest, out);
}

static bool parse_certificate(struct prov_span name, struct pol_var *out)
{
    unsigned side = 0;

    while (side < PROV_SIDES && !eat(&name, sides[side]))
        side++;
    if (side == PROV_SIDES)
        return false;
    out->side = (enum prov_side)side;
    out->kind = eat(&name, alt_prefix) ? POL_CERT_ALT : POL_CERT_DN;
    for (out->field = 0; out->field < field_count(out->kind); out->field++) {
        if (parse_field(name, field_name(out->kind, out->field), out))
            return true;
    }
    return false;
}

bool prov_pol_var_parse(struct prov_span name, struct pol_var *out)
{
    *out = (struct pol_var){ .text = name };
    return parse_plain(name, out) || parse_attr(name, out) || parse_certificate(name, out);
}

bool prov_pol_var_same(const struct pol_var *a, const struct pol_var *b)
{
    return a->kind == b->kind && a->key == b->key && a->list == b->list && a->side == b->side &&
           a->field == b->field && a->index == b->index && prov_span_eq(a->attr, b->attr);
}

bool prov_pol_var_of_request(const struct pol_var *var)
{
    return var->kind == POL_CONNECT_ATTRS || var->kind == POL_LAST_WILL;
}

bool prov_pol_var_needs_ident(const struct pol_var *var)
{
    return var->kind >= POL_CERT_SERIAL && var->kind <= POL_CERT_KEYS;
}

bool prov_pol_var_needs_thing(const struct pol_var *var)
{
    return var->kind >= POL_THING_NAME && var->kind <= POL_THING_ATTR;
}

/* ---- values ---------------------------------------------------------------------------------- */

static size_t one(struct prov_span value, struct prov_span out[static PROV_MAX_VAR_ITEMS])
{
    out[0] = value;
    return value.n != 0;
}

static struct prov_span attr_value(const struct prov_policy_facts *facts, struct prov_span name)
{
    for (size_t i = 0; i < facts->n_attrs; i++) {
        if (prov_span_eq(facts->attrs[i].name, name))
            return facts->attrs[i].value;
    }
    return prov_span(NULL, 0);
}

/* Of a certificate's values those that the variable picks; beyond the fifth none exist for AWS. */
static size_t picked(const struct prov_values *values, const struct pol_var *var,
                     struct prov_span out[static PROV_MAX_VAR_ITEMS])
{
    const size_t n = values->n < PROV_MAX_VAR_ITEMS ? values->n : PROV_MAX_VAR_ITEMS;

    if (!var->list)
        return var->index < n ? one(values->v[var->index], out) : 0;
    for (size_t i = 0; i < n; i++)
        out[i] = values->v[i];
    return n;
}

/* All variables but POL_CERT_KEYS: the values as they are. */
static size_t raw_values(const struct pol_var *var, const struct prov_policy_facts *facts,
                         struct prov_span out[static PROV_MAX_VAR_ITEMS])
{
    const struct prov_ident *const ident = facts->ident;

    if (prov_pol_var_needs_ident(var) && ident == NULL)
        return 0;
    switch (var->kind) {
    case POL_CLIENT_ID:
        return one(facts->client_id, out);
    case POL_SOURCE_IP:
        return one(facts->source_ip, out);
    case POL_DOMAIN_NAME:
        return one(facts->domain_name, out);
    case POL_CERTIFICATE_ID:
        return one(facts->certificate_id, out);
    case POL_THING_NAME:
        return one(facts->thing_name, out);
    case POL_THING_TYPE:
        return one(facts->thing_type, out);
    case POL_THING_ATTACHED:
        return one(facts->thing_attached ? PROV_LIT("true") : PROV_LIT("false"), out);
    case POL_THING_ATTR:
        return one(attr_value(facts, var->attr), out);
    case POL_CERT_SERIAL:
        return one(ident->serial_hex, out);
    case POL_CERT_DN:
        return picked(&ident->dn[var->side][var->field], var, out);
    case POL_CERT_ALT:
        return picked(&ident->alt[var->side][var->field], var, out);
    case POL_CERT_KEYS:
    case POL_CONNECT_ATTRS:
    case POL_LAST_WILL:
        break;
    }
    return 0;
}

/* AWS substitutes no certificate value that is long or holds a wildcard (reference 8.6). */
static bool may_substitute(const struct pol_var *var, struct prov_span value)
{
    if (!prov_pol_var_needs_ident(var))
        return true;
    if (value.n > PROV_MAX_VAR_VALUE)
        return false;
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] != '\0' && strchr("*$+?#", value.p[i]) != NULL)
            return false;
    }
    return true;
}

static bool wants_backslash(const struct pol_var *var, uint8_t c)
{
    return prov_pol_var_needs_ident(var) && c != '\0' && strchr(",\"\\+=<>;", c) != NULL;
}

/* ---- a session's block ----------------------------------------------------------------------- */

/* Without a block it only counts, so that one walk gives the size and the next one fills. */
struct fill {
    struct prov_policy *pol;
    const struct prov_policy_facts *facts;
    size_t items; /* where the next list item goes */
    size_t bytes; /* where the next byte goes */
};

static void put(struct fill *f, const void *p, size_t n)
{
    if (f->pol != NULL && n != 0)
        memcpy((uint8_t *)f->pol + f->bytes, p, n);
    f->bytes += n;
}

static void put_item(struct fill *f, size_t bytes_from)
{
    const struct pol_slot item = { .off = (uint32_t)bytes_from,
                                   .n = (uint32_t)(f->bytes - bytes_from) };

    if (f->pol != NULL)
        memcpy((uint8_t *)f->pol + f->items, &item, sizeof item);
    f->items += sizeof item;
}

static struct pol_slot fill_text(struct fill *f, const struct pol_var *var)
{
    struct prov_span value[PROV_MAX_VAR_ITEMS];
    const size_t from = f->bytes;

    if (raw_values(var, f->facts, value) == 0 || !may_substitute(var, value[0]))
        return (struct pol_slot){ 0 };
    for (size_t i = 0; i < value[0].n; i++) {
        if (wants_backslash(var, value[0].p[i]))
            put(f, "\\", 1);
        put(f, value[0].p + i, 1);
    }
    return (struct pol_slot){ .off = (uint32_t)from, .n = (uint32_t)(f->bytes - from) };
}

/* Adds the variable's name if the certificate has a value that could be substituted for it. */
static void fill_key_name(struct fill *f, const struct pol_var *var, const char *prefix,
                          const char *name)
{
    struct prov_span value[PROV_MAX_VAR_ITEMS];
    const size_t from = f->bytes;

    if (raw_values(var, f->facts, value) == 0 || !may_substitute(var, value[0]))
        return;
    put(f, prefix, strlen(prefix));
    if (var->kind == POL_CERT_ALT)
        put(f, alt_prefix, sizeof alt_prefix - 1);
    put(f, name, strlen(name));
    put_item(f, from);
}

static void fill_available_keys(struct fill *f)
{
    static const enum pol_var_kind kinds[] = { POL_CERT_DN, POL_CERT_ALT };
    struct pol_var var = { .kind = POL_CERT_SERIAL };

    fill_key_name(f, &var, "iot:Certificate.", "SerialNumber");
    for (size_t i = 0; i < PROV_SIDES * PROV_COUNT(kinds); i++) {
        var.side = (enum prov_side)(i / PROV_COUNT(kinds));
        var.kind = kinds[i % PROV_COUNT(kinds)];
        for (var.field = 0; var.field < field_count(var.kind); var.field++)
            fill_key_name(f, &var, sides[var.side], field_name(var.kind, var.field));
    }
}

static struct pol_slot fill_list(struct fill *f, const struct pol_var *var)
{
    struct prov_span values[PROV_MAX_VAR_ITEMS];
    const size_t items_from = f->items;
    size_t n, from;

    if (var->kind == POL_CERT_KEYS) {
        fill_available_keys(f);
    } else {
        n = raw_values(var, f->facts, values);
        for (size_t i = 0; i < n; i++) {
            from = f->bytes;
            put(f, values[i].p, values[i].n);
            put_item(f, from);
        }
    }
    return (struct pol_slot){ .off = (uint32_t)items_from,
                              .n = (uint32_t)((f->items - items_from) / sizeof(struct pol_slot)) };
}

static void fill_slots(struct fill *f, const struct prov_policy_set *set)
{
    struct pol_slot slot;

    for (size_t i = 0; i < set->n_slots; i++) {
        slot = set->slots[i]->key ? fill_list(f, set->slots[i]) : fill_text(f, set->slots[i]);
        if (f->pol != NULL)
            f->pol->slots[i] = slot;
    }
}

enum prov_rc prov_pol_resolve(const struct prov_policy_set *set,
                              const struct prov_policy_facts *facts, struct prov_policy **out)
{
    const size_t head = sizeof(struct prov_policy) + set->n_slots * sizeof(struct pol_slot);
    struct fill f = { .facts = facts };
    size_t n_items, total;
    struct prov_policy *pol;

    fill_slots(&f, set);
    n_items = f.items;
    total = head + n_items + set->n_held + f.bytes;
    if (total > UINT32_MAX)
        return PROV_ETOOBIG;
    pol = calloc(1, total);
    if (pol == NULL)
        return PROV_ENOMEM;
    pol->held = (uint32_t)(head + n_items);
    f = (struct fill){
        .pol = pol, .facts = facts, .items = head, .bytes = head + n_items + set->n_held
    };
    fill_slots(&f, set);
    *out = pol;
    return PROV_OK;
}
