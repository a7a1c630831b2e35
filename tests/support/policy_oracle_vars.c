#include "support/policy_oracle_vars.h"

#include <stdio.h>
#include <strings.h>

/* 8.6, in figures of its own: a changed limits.h is to be noticed. */
#define MOST_ITEMS 5
#define LONGEST 1024

/* ---- names ----------------------------------------------------------------------------------- */

static const char *const dn_names[] = {
    [PROV_DN_QUALIFIER] = "DistinguishedNameQualifier",
    [PROV_DN_COUNTRY] = "Country",
    [PROV_DN_ORGANIZATION] = "Organization",
    [PROV_DN_ORGANIZATIONAL_UNIT] = "OrganizationalUnit",
    [PROV_DN_STATE] = "State",
    [PROV_DN_COMMON_NAME] = "CommonName",
    [PROV_DN_SERIAL_NUMBER] = "SerialNumber",
    [PROV_DN_TITLE] = "Title",
    [PROV_DN_SURNAME] = "Surname",
    [PROV_DN_GIVEN_NAME] = "GivenName",
    [PROV_DN_INITIALS] = "Initials",
    [PROV_DN_PSEUDONYM] = "Pseudonym",
    [PROV_DN_GENERATION_QUALIFIER] = "GenerationQualifier",
};
_Static_assert(PROV_COUNT(dn_names) == PROV_DN_FIELDS, "a field was added without a row");

static const char *const alt_names[] = {
    [PROV_ALT_RFC822] = "RFC822Name",
    [PROV_ALT_DNS] = "DNSName",
    [PROV_ALT_DIRECTORY] = "DirectoryName",
    [PROV_ALT_URI] = "UniformResourceIdentifier",
    [PROV_ALT_IP] = "IPAddress",
};
_Static_assert(PROV_COUNT(alt_names) == PROV_ALT_KINDS, "a kind was added without a row");

static const char *const side_names[] = { [PROV_SUBJECT] = "Subject", [PROV_ISSUER] = "Issuer" };

/* A value that a session has one of, and the names that it has in policies. */
static const struct {
    const char *name;
    enum oracle_variable kind;
    size_t offset; /* of the span in prov_policy_facts */
} plain[] = {
#define FACT(name, kind, member)                                                                   \
    {                                                                                              \
        name, kind, offsetof(struct prov_policy_facts, member)                                     \
    }
    FACT("iot:ClientId", ORACLE_CLIENT_ID, client_id),
    FACT("aws:SourceIp", ORACLE_SOURCE_IP, source_ip),
    FACT("iot:DomainName", ORACLE_DOMAIN_NAME, domain_name),
    FACT("iot:CertificateId", ORACLE_CERTIFICATE_ID, certificate_id),
    FACT("iot:Connection.Thing.ThingName", ORACLE_THING_NAME, thing_name),
    FACT("iot:Connection.Thing.ThingTypeName", ORACLE_THING_TYPE, thing_type),
};

static const struct {
    const char *name;
    enum oracle_variable kind;
} others[] = {
    { "iot:Connection.Thing.Attributes", ORACLE_THING_ATTRIBUTE },
    { "iot:Connection.Thing.IsAttached", ORACLE_IS_ATTACHED },
    { "iot:Certificate.SerialNumber", ORACLE_SERIAL_NUMBER },
    { "(an index)", ORACLE_INDEXED },
    { "(iot:Thing)", ORACLE_OLD_NAME },
    { "(an escape)", ORACLE_ESCAPE },
    { "(a list)", ORACLE_LIST },
    { "iot:Certificate.AvailableKeys", ORACLE_AVAILABLE_KEYS },
    { "iot:ConnectAttributes", ORACLE_CONNECT_ATTRIBUTES },
    { "iot:LastWillTopic", ORACLE_LAST_WILL_TOPIC },
};

static uint64_t bit(size_t kind)
{
    return UINT64_C(1) << kind;
}

const char *policy_oracle_variable(size_t i, char *buf, size_t cap)
{
    for (size_t k = 0; k < PROV_COUNT(plain); k++)
        if (plain[k].kind == i)
            return plain[k].name;
    for (size_t k = 0; k < PROV_COUNT(others); k++)
        if (others[k].kind == i)
            return others[k].name;
    if (i >= ORACLE_SUBJECT_ALT)
        (void)snprintf(buf, cap, "iot:Certificate.%s.AlternativeName.%s",
                       side_names[i >= ORACLE_ISSUER_ALT],
                       alt_names[(i - ORACLE_SUBJECT_ALT) % PROV_ALT_KINDS]);
    else
        (void)snprintf(buf, cap, "iot:Certificate.%s.%s", side_names[i >= ORACLE_ISSUER],
                       dn_names[(i - ORACLE_SUBJECT) % PROV_DN_FIELDS]);
    return buf;
}

/* ---- values ---------------------------------------------------------------------------------- */

/* Does the name begin like this? It is then what comes after. IAM: in any case of letters. */
static bool skip(struct prov_span *name, const char *begin)
{
    const size_t n = strlen(begin);

    if (name->n < n || strncasecmp((const char *)name->p, begin, n) != 0)
        return false;
    *name = prov_span(name->p + n, name->n - n);
    return true;
}

static bool is(struct prov_span name, const char *whole)
{
    return skip(&name, whole) && name.n == 0;
}

/* An empty value is none (policy.h). */
static void add(struct oracle_values *out, struct prov_span value)
{
    if (value.n != 0)
        out->v[out->n++] = value;
}

static void attribute(const struct prov_policy_facts *facts, struct prov_span name,
                      struct oracle_values *out)
{
    out->kinds |= bit(ORACLE_THING_ATTRIBUTE);
    if (name.n == 0 || name.p[name.n - 1] != ']')
        return;
    name.n--;
    for (size_t i = 0; i < facts->n_attrs; i++) {
        if (prov_span_eq(facts->attrs[i].name, name)) {
            add(out, facts->attrs[i].value);
            return;
        }
    }
}

static void thing(const struct prov_policy_facts *facts, struct prov_span name,
                  struct oracle_values *out)
{
    if (is(name, "ThingName")) {
        out->kinds |= bit(ORACLE_THING_NAME);
        add(out, facts->thing_name);
    } else if (is(name, "ThingTypeName")) {
        out->kinds |= bit(ORACLE_THING_TYPE);
        add(out, facts->thing_type);
    } else if (is(name, "IsAttached")) {
        out->kinds |= bit(ORACLE_IS_ATTACHED);
        add(out, facts->thing_attached ? PROV_LIT("true") : PROV_LIT("false"));
    } else if (skip(&name, "Attributes[")) {
        attribute(facts, name, out);
    }
}

/*
 * "Multi-value certificate attributes": the bare name is the first value, ".1" the second (section
 * 13, question 7), ".List" all of them, but five at most.
 */
static void choose(const struct prov_values *all, struct prov_span form, struct oracle_values *out)
{
    const size_t n = all->n < MOST_ITEMS ? all->n : MOST_ITEMS;
    size_t index = 0;

    if (skip(&form, ".List")) {
        out->kinds |= bit(ORACLE_LIST);
        for (size_t i = 0; i < n; i++)
            add(out, all->v[i]);
        return;
    }
    if (skip(&form, ".")) {
        out->kinds |= bit(ORACLE_INDEXED);
        for (size_t i = 0; i < form.n && index < 1000; i++)
            index = 10 * index + (size_t)(form.p[i] - '0');
    }
    if (index < n)
        add(out, all->v[index]);
}

/* The field whose name this begins with, up to the end or a dot; n when there is none. */
static size_t field(struct prov_span *name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct prov_span rest = *name;

        if (skip(&rest, names[i]) && (rest.n == 0 || rest.p[0] == '.')) {
            *name = rest;
            return i;
        }
    }
    return n;
}

static void side(const struct prov_ident *ident, enum prov_side s, struct prov_span name,
                 struct oracle_values *out)
{
    static const struct prov_values none = { NULL, 0 };
    size_t i;

    if (skip(&name, "AlternativeName.")) {
        i = field(&name, alt_names, PROV_ALT_KINDS);
        if (i == PROV_ALT_KINDS)
            return;
        out->kinds |= bit((size_t)(s == PROV_SUBJECT ? ORACLE_SUBJECT_ALT : ORACLE_ISSUER_ALT) + i);
        choose(ident == NULL ? &none : &ident->alt[s][i], name, out);
    } else {
        i = field(&name, dn_names, PROV_DN_FIELDS);
        if (i == PROV_DN_FIELDS)
            return;
        out->kinds |= bit((size_t)(s == PROV_SUBJECT ? ORACLE_SUBJECT : ORACLE_ISSUER) + i);
        choose(ident == NULL ? &none : &ident->dn[s][i], name, out);
    }
}

/* "Limits/rules": can the first value be put into a text? */
static bool can_be_put_in(struct prov_span value)
{
    if (value.n > LONGEST)
        return false;
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] != '\0' && strchr("*$+?#", value.p[i]) != NULL)
            return false;
    return true;
}

/* The names of those that have a value for a text: what a guard wants to know. */
static void available_keys(const struct prov_ident *ident, struct oracle_values *out)
{
    static char names[ORACLE_INDEXED][80];

    out->kinds |= bit(ORACLE_AVAILABLE_KEYS);
    if (ident == NULL)
        return;
    if (ident->serial_hex.n != 0)
        add(out, PROV_LIT("iot:Certificate.SerialNumber"));
    for (unsigned i = ORACLE_SUBJECT; i < ORACLE_INDEXED; i++) {
        struct oracle_values its = { .n = 0 };
        struct prov_span name = prov_span_str(policy_oracle_variable(i, names[i], sizeof names[i]));
        const struct prov_span whole = name;

        (void)skip(&name, "iot:Certificate.");
        if (skip(&name, "Subject."))
            side(ident, PROV_SUBJECT, name, &its);
        else if (skip(&name, "Issuer."))
            side(ident, PROV_ISSUER, name, &its);
        if (its.n != 0 && can_be_put_in(its.v[0]))
            add(out, whole);
    }
}

static void certificate(const struct prov_ident *ident, struct prov_span name,
                        struct oracle_values *out)
{
    out->of_certificate = true;
    if (is(name, "AvailableKeys")) {
        available_keys(ident, out);
    } else if (is(name, "SerialNumber")) {
        out->kinds |= bit(ORACLE_SERIAL_NUMBER);
        add(out, ident == NULL ? prov_span(NULL, 0) : ident->serial_hex);
    } else if (skip(&name, "Subject.")) {
        side(ident, PROV_SUBJECT, name, out);
    } else if (skip(&name, "Issuer.")) {
        side(ident, PROV_ISSUER, name, out);
    }
}

/* 8.5: there for Connect alone. */
static void connection(const struct prov_policy_request *req, struct prov_span name,
                       struct oracle_values *out)
{
    const bool connect = req->action == PROV_ACT_CONNECT;

    if (is(name, "iot:ConnectAttributes")) {
        out->kinds |= bit(ORACLE_CONNECT_ATTRIBUTES);
        if (connect && req->persistent)
            add(out, PROV_LIT("PersistentConnect"));
        if (connect && req->has_will)
            add(out, PROV_LIT("LastWill"));
    } else if (is(name, "iot:LastWillTopic")) {
        out->kinds |= bit(ORACLE_LAST_WILL_TOPIC);
        if (connect && req->has_will)
            out->v[out->n++] = req->will_topic; /* the key is its ARN */
    }
}

void oracle_look_up(const struct oracle_question *q, struct prov_span name,
                    struct oracle_values *out)
{
    struct prov_span rest = name;

    *out = (struct oracle_values){ .n = 0 };
    for (size_t i = 0; i < PROV_COUNT(plain); i++) {
        if (is(name, plain[i].name)) {
            out->kinds = bit(plain[i].kind);
            add(out, *(const struct prov_span *)((const char *)q->facts + plain[i].offset));
            return;
        }
    }
    if (skip(&rest, "iot:Connection.Thing.")) {
        thing(q->facts, rest, out);
    } else if (skip(&rest, "iot:Thing.")) {
        out->kinds = bit(ORACLE_OLD_NAME);
        thing(q->facts, rest, out);
    } else if (skip(&rest, "iot:Certificate.")) {
        certificate(q->facts->ident, rest, out);
    } else {
        connection(q->req, name, out);
    }
}

/* ---- texts ----------------------------------------------------------------------------------- */

/*
 * "Limits/rules": a certificate's value with one of * $ + ? # in it, or longer than 1024, is not
 * put in; , " \ + = < > ; in it get a backslash. Other values are literal as they are (policy.h).
 */
static bool put_in(const struct oracle_values *values, struct oracle_text *out)
{
    const struct prov_span v = values->v[0];

    if (values->n == 0)
        return false;
    if (!values->of_certificate) {
        oracle_text_add_span(out, v);
        return true;
    }
    if (!can_be_put_in(v))
        return false;
    for (size_t i = 0, n; i < v.n; i += n) {
        const int32_t c = oracle_character(prov_span(v.p + i, v.n - i), &n);

        if (c > 0 && c < 0x80 && strchr(",\"\\+=<>;", c) != NULL)
            oracle_text_add(out, '\\');
        oracle_text_add(out, c);
    }
    return true;
}

/* 8.3: ${*} ${?} ${$} and $(*) $(?) $($) are the character. */
static bool escape(struct prov_span *source, struct oracle_text *out)
{
    const uint8_t *const p = source->p;

    if (source->n < 4 || p[0] != '$' || strchr("*?$", p[2]) == NULL || p[2] == '\0')
        return false;
    if ((p[1] != '{' || p[3] != '}') && (p[1] != '(' || p[3] != ')'))
        return false;
    oracle_text_add(out, p[2]);
    *source = prov_span(p + 4, source->n - 4);
    return true;
}

/* ${name} */
static bool variable(const struct oracle_question *q, struct prov_span *source,
                     struct oracle_filled *out)
{
    struct prov_span name = *source;
    struct oracle_values values;
    const uint8_t *end;

    if (!skip(&name, "${"))
        return false;
    end = memchr(name.p, '}', name.n);
    if (end == NULL)
        return false;
    *source = prov_span(end + 1, name.n - (size_t)(end - name.p) - 1);
    name.n = (size_t)(end - name.p);
    oracle_look_up(q, name, &values);
    out->kinds |= values.kinds;
    out->resolved = put_in(&values, &out->text) && out->resolved;
    return true;
}

void oracle_fill(const struct oracle_question *q, struct prov_span source, bool variables,
                 bool wildcards, struct oracle_filled *out)
{
    *out = (struct oracle_filled){ .resolved = true };
    while (source.n != 0) {
        size_t n;
        int32_t c;

        if (variables && escape(&source, &out->text)) {
            out->kinds |= bit(ORACLE_ESCAPE);
            continue;
        }
        if (variables && variable(q, &source, out))
            continue;
        c = oracle_character(source, &n);
        if (wildcards && c == '*')
            c = ORACLE_ANY_RUN;
        else if (wildcards && c == '?')
            c = ORACLE_ANY_ONE;
        oracle_text_add(&out->text, c);
        source = prov_span(source.p + n, source.n - n);
    }
}

void oracle_arn(const struct oracle_question *q, size_t partition, const char *kind,
                struct prov_span name, struct oracle_text *out)
{
    static const char *const partitions[ORACLE_PARTITIONS] = { "aws", "aws-cn", "aws-us-gov" };

    oracle_text_add_span(out, PROV_LIT("arn:"));
    oracle_text_add_span(out, prov_span_str(partitions[partition]));
    oracle_text_add_span(out, PROV_LIT(":iot:"));
    oracle_text_add_span(out, q->scope->region);
    oracle_text_add(out, ':');
    oracle_text_add_span(out, q->scope->account_id);
    oracle_text_add(out, ':');
    oracle_text_add_span(out, prov_span_str(kind));
    oracle_text_add(out, '/');
    oracle_text_add_span(out, name);
}
