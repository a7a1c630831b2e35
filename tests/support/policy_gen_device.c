#include "support/policy_gen_priv.h"

#include <stdlib.h>

/* ---- certificates ---------------------------------------------------------------------------- */

#define MOST_VALUES 7 /* more than the five that a list is cut to */

/* An ident and everything in it, one block. */
struct ident_block {
    struct prov_ident ident;
    struct prov_span dn[PROV_SIDES][PROV_DN_FIELDS][MOST_VALUES];
    struct prov_span alt[PROV_SIDES][PROV_ALT_KINDS][MOST_VALUES];
};

static char long_values[4][1100];

/* Just short enough and just too long, in bytes; of two bytes a character, and to be escaped. */
static void make_long_values(void)
{
    memset(long_values[0], 'l', 1024);
    memset(long_values[1], 'l', 1025);
    for (size_t i = 0; i < 1024; i += 2)
        memcpy(&long_values[2][i], "\xc3\xa9", 2);
    memset(long_values[3], ',', 1024);
}

static const char *certificate_value(struct policy_gen *g)
{
    static const char *const values[] = {
        "a",     "b",    "ab",  "A",          "dev1",     "dev2",        "x1",  "\xc3\xa9",
        "first", "a,b",  "x=y", "a;b<c>",     "\"q\"",    "a\\b",        "a b", "a/b",
        "a:b",   "a*",   "*",   "a?b",        "$x",       "c+d",         "#",   "${iot:ClientId}",
        "a-b",   "true", "42",  "2024-02-29", "10.1.2.3", "2001:db8::1",
    };

    return gen_chance(g, 2) ? long_values[gen_below(g, 4)] : GEN_PICK(g, values);
}

static void some_values(struct policy_gen *g, struct prov_values *out, struct prov_span *room)
{
    if (gen_chance(g, 35))
        return;
    out->v = room;
    out->n = GEN_PICK(g, ((const size_t[]){ 1, 1, 1, 2, 3, 5, 6, MOST_VALUES }));
    for (size_t i = 0; i < out->n; i++)
        room[i] = prov_span_str(certificate_value(g));
}

struct prov_ident *gen_ident_new(struct policy_gen *g)
{
    struct ident_block *const b = oracle_alloc(1, sizeof *b);

    if (long_values[0][0] == '\0')
        make_long_values();
    for (size_t side = 0; side < PROV_SIDES; side++) {
        for (size_t i = 0; i < PROV_DN_FIELDS; i++)
            some_values(g, &b->ident.dn[side][i], b->dn[side][i]);
        for (size_t i = 0; i < PROV_ALT_KINDS; i++)
            some_values(g, &b->ident.alt[side][i], b->alt[side][i]);
    }
    if (gen_chance(g, 8)) { /* where policies look most */
        b->dn[PROV_SUBJECT][PROV_DN_COMMON_NAME][0] = prov_span_str(GEN_PICK(g, long_values));
        b->ident.dn[PROV_SUBJECT][PROV_DN_COMMON_NAME] =
            (struct prov_values){ b->dn[PROV_SUBJECT][PROV_DN_COMMON_NAME], 1 };
    }
    if (gen_chance(g, 90))
        b->ident.serial_hex = gen_chance(g, 50) ? PROV_LIT("1f2e") : PROV_LIT("42");
    return &b->ident;
}

/* ---- devices --------------------------------------------------------------------------------- */

static struct prov_span one_of(struct policy_gen *g, const char *const *values, size_t n)
{
    return prov_span_str(values[gen_below(g, n)]);
}
#define ONE_OF(g, ...)                                                                             \
    one_of(g, (const char *const[]){ __VA_ARGS__ },                                                \
           PROV_COUNT(((const char *const[]){ __VA_ARGS__ })))

/* What each kind of attribute is: the letter is its name. The last are not what they should be. */
static struct prov_span attribute_value(struct policy_gen *g, char name)
{
    switch (name) {
    case 'n':
        return ONE_OF(g, "42", "42.0", "42.5", "-1", "0", "-0", "1e3", "1000", "007", "1e", "", "x",
                      "9007199254740993", "0.1", ".5", "1e-7", "0x10", " 42", "42 ");
    case 'd':
        return ONE_OF(g, "2024-02-29", "2024-02-29T12:00:00Z", "2024-02-29T13:00:00+01:00",
                      "2024-02-29T12:00Z", "2024-02-29T12:00:00.5Z", "1709208000", "2024",
                      "2024-02-29T12:00.5Z", "2024-02-29T12:00:00.50009999999Z", "0000-01-01",
                      "2024-02-29T23:59:60Z", "2024-02T12:00Z", "17091648000000", "2024-02",
                      "2023-02-29", "2024-02-30", "", "x", "2024-2-9", "0", "1709164800");
    case 'b':
        return ONE_OF(g, "true", "false", "True", "FALSE", "1", "", "yes");
    case 'i':
        return ONE_OF(g, "10.1.2.3", "10.1.2.255", "2001:db8::1", "2001:DB8:0::1", "10.1.2.3/24",
                      "x", "", "::ffff:10.1.2.3", "10.1.2", "010.1.2.3");
    case 'r':
        return ONE_OF(g, "arn:aws:iot:eu-central-1:123456789012:topic/a", "arn:aws:iot:r:1:a:b:c",
                      "arn:aws:iot::1:topic/a", "a:b", "", "arn:aws:iot:r:1");
    default:
        return ONE_OF(g, "a", "A", "dev1", "\xc3\xa9", "\xc3\x89", "*", "a*", "?", "$x", "a,b", "",
                      "x+y", "#", "a b", "${*}", "${iot:ClientId}", "\"\\");
    }
}

static const char *const attribute_names[] = {
    "n", "m", "d", "e", "b", "i", "r", "s", "t", "s.1", "a:b/c,d@e#-_", "absent"
};
/* Whose kind is another's. */
static char attribute_kind(size_t i)
{
    return "nnddbirsssssss"[i];
}

static void change_attributes(struct policy_gen *g, struct policy_gen_device *d)
{
    d->facts.n_attrs = 0;
    for (size_t i = 0; i + 1 < PROV_COUNT(attribute_names); i++) {
        if (gen_chance(g, 12))
            continue;
        d->attrs[d->facts.n_attrs++] = (struct prov_attr){ prov_span_str(attribute_names[i]),
                                                           attribute_value(g, attribute_kind(i)) };
    }
}

static struct prov_span client_id(struct policy_gen *g)
{
    return ONE_OF(g, "dev1", "dev2", "a", "ab", "\xc3\xa9", "*", "?", "a*", "+", "#", "a/b", "a:b",
                  "$x", "${*}", "DEV1", "", "a,b", "a+b");
}

void gen_change_device(struct policy_gen *g, struct policy_gen_device *d)
{
    struct prov_policy_facts *const f = &d->facts;

    switch (gen_below(g, 9)) {
    case 0:
        f->client_id = client_id(g);
        break;
    case 1:
        f->source_ip = ONE_OF(g, "10.1.2.3", "10.1.2.4", "10.9.9.9", "192.0.2.1", "2001:db8::1",
                              "2001:db8:0:1::1", "::ffff:10.1.2.3", "::1", "", "fe80::1%eth0");
        break;
    case 2:
        f->domain_name = ONE_OF(g, "iot.example.com", "IOT.example.com", "a", "", "b.example.com");
        break;
    case 3:
        f->certificate_id = ONE_OF(g, "c0ffee", "c0ffef", "", "ab");
        break;
    case 4:
        f->ident = gen_chance(g, 8) ? NULL : g->idents[gen_below(g, GEN_IDENTS)];
        break;
    case 5:
        f->thing_name = gen_chance(g, 50) ? f->client_id : client_id(g);
        break;
    case 6:
        f->thing_type = ONE_OF(g, "lamp", "Lamp", "a", "");
        break;
    case 7:
        f->thing_attached = gen_chance(g, 50);
        break;
    case 8:
        change_attributes(g, d);
        break;
    }
}

void gen_device(struct policy_gen *g, struct policy_gen_device *d)
{
    memset(d, 0, sizeof *d);
    d->facts = (struct prov_policy_facts){
        .client_id = PROV_LIT("dev1"),
        .source_ip = PROV_LIT("10.1.2.3"),
        .domain_name = PROV_LIT("iot.example.com"),
        .certificate_id = PROV_LIT("c0ffee"),
        .ident = g->idents[gen_below(g, GEN_IDENTS)],
        .thing_name = PROV_LIT("dev1"),
        .thing_type = PROV_LIT("lamp"),
        .thing_attached = true,
    };
    d->facts.attrs = d->attrs;
    change_attributes(g, d);
    for (unsigned i = gen_below(g, 10); i != 0; i--)
        gen_change_device(g, d);
}

/* ---- the names of variables ------------------------------------------------------------------ */

static void certificate_variable(struct policy_gen *g, bool as_key, struct prov_buf *out)
{
    /* a few come often, so that they meet; all come */
    static const unsigned often[] = { ORACLE_SUBJECT + PROV_DN_COMMON_NAME,
                                      ORACLE_ISSUER + PROV_DN_COMMON_NAME,
                                      ORACLE_SUBJECT + PROV_DN_ORGANIZATIONAL_UNIT,
                                      ORACLE_SUBJECT_ALT + PROV_ALT_DNS };
    const unsigned kind = gen_chance(g, 30)
                              ? GEN_PICK(g, often)
                              : ORACLE_SUBJECT + gen_below(g, ORACLE_INDEXED - ORACLE_SUBJECT);
    char name[80];

    prov_buf_add_str(out, policy_oracle_variable(kind, name, sizeof name));
    if (as_key && gen_chance(g, 30))
        prov_buf_add_str(out, ".List");
    else if (gen_chance(g, 40))
        prov_buf_addf(out, ".%u", GEN_PICK(g, ((const unsigned[]){ 1, 1, 1, 2, 2, 4, 5, 6 })));
}

static void thing_variable(struct policy_gen *g, struct prov_buf *out)
{
    static const char *const names[] = { "ThingName", "ThingTypeName", "IsAttached", "Attributes" };
    const unsigned which = gen_below(g, 7);

    prov_buf_add_str(out, gen_chance(g, 70) ? "iot:Connection.Thing." : "iot:Thing.");
    prov_buf_add_str(out, names[which < 3 ? which : 3]);
    if (which >= 3)
        prov_buf_addf(out, "[%s]",
                      gen_chance(g, 30) ? GEN_PICK(g, ((const char *const[]){ "s", "S" }))
                                        : GEN_PICK(g, attribute_names));
}

/* AWS takes them in any case, but for the names of attributes. */
static void change_case(struct policy_gen *g, uint8_t *name, const uint8_t *end)
{
    for (; name < end && *name != '['; name++)
        if (((*name & 0xc0) == 0x40) && ((*name - 1) & 0x1f) < 26 && gen_chance(g, 30))
            *name ^= 0x20;
}

static void any_variable(struct policy_gen *g, bool as_key, struct prov_buf *out)
{
    const size_t start = out->n;

    static const char *const plain[] = { "iot:ClientId", "aws:SourceIp", "iot:DomainName",
                                         "iot:CertificateId", "iot:ClientId" };

    switch (gen_below(g, 8)) {
    case 0:
    case 1:
    case 2:
        prov_buf_add_str(out, GEN_PICK(g, plain));
        break;
    case 3:
    case 4:
        thing_variable(g, out);
        break;
    case 5:
    case 6:
        certificate_variable(g, as_key, out);
        break;
    case 7:
        prov_buf_add_str(out, "iot:Certificate.SerialNumber");
        break;
    }
    if (gen_chance(g, 5))
        change_case(g, out->p + start, out->p + out->n);
}

void gen_variable(struct policy_gen *g, struct prov_buf *out)
{
    prov_buf_add_str(out, "${");
    any_variable(g, false, out);
    prov_buf_add_str(out, "}");
}

void gen_key(struct policy_gen *g, struct prov_buf *out)
{
    static const char *const keys[] = { "iot:ConnectAttributes", "iot:LastWillTopic",
                                        "iot:Certificate.AvailableKeys" };

    if (gen_chance(g, 30))
        prov_buf_add_str(out, GEN_PICK(g, keys));
    else
        any_variable(g, true, out);
}
