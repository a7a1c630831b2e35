#include "fleet_msg.h"

#include <stdio.h>

#include "names.h"

static const char *const op_names[] = {
    [PROV_CREATE_KEYS] = "CreateKeysAndCertificate",
    [PROV_CREATE_FROM_CSR] = "CreateCertificateFromCsr",
    [PROV_REGISTER_THING] = "RegisterThing",
};
_Static_assert(PROV_COUNT(op_names) == PROV_FLEET_OPS, "an operation was added without a name");

/* What stands before the format; a template's name, where there is one, is between the two. */
static const struct {
    struct prov_span before, behind;
    bool named;
} forms[] = {
    [PROV_CREATE_KEYS] = { PROV_LIT("$aws/certificates/create/"), PROV_LIT(""), false },
    [PROV_CREATE_FROM_CSR] = { PROV_LIT("$aws/certificates/create-from-csr/"), PROV_LIT(""),
                               false },
    [PROV_REGISTER_THING] = { PROV_LIT("$aws/provisioning-templates/"), PROV_LIT("/provision/"),
                              true },
};
_Static_assert(PROV_COUNT(forms) == PROV_FLEET_OPS, "an operation was added without a topic");

static const struct prov_span formats[] = {
    [PROV_JSON] = PROV_LIT("json"),
    [PROV_CBOR] = PROV_LIT("cbor"),
};
_Static_assert(PROV_COUNT(formats) == PROV_FORMATS, "a format was added without a topic");

const char *prov_fleet_op_name(enum prov_fleet_op op)
{
    return (size_t)op < PROV_FLEET_OPS ? op_names[op] : "unknown";
}

static struct prov_span from(struct prov_span s, size_t n)
{
    return prov_span(s.p + n, s.n - n);
}

/* Steps over the template's name, which ends where the next level begins. */
static bool take_name(struct prov_span *rest, struct prov_span *name)
{
    const uint8_t *end = rest->n == 0 ? NULL : memchr(rest->p, '/', rest->n);

    if (end == NULL)
        return false;
    *name = prov_span(rest->p, (size_t)(end - rest->p));
    *rest = from(*rest, name->n);
    return prov_name_check(PROV_NAME_TEMPLATE, *name, NULL) == PROV_OK;
}

static bool parse_as(enum prov_fleet_op op, struct prov_span topic, struct prov_fleet_topic *out)
{
    struct prov_span rest, name = prov_span(NULL, 0);

    if (!prov_span_starts(topic, forms[op].before))
        return false;
    rest = from(topic, forms[op].before.n);
    if (forms[op].named && !take_name(&rest, &name))
        return false;
    if (!prov_span_starts(rest, forms[op].behind))
        return false;
    rest = from(rest, forms[op].behind.n);
    for (size_t i = 0; i < PROV_FORMATS; i++) {
        if (!prov_span_eq(rest, formats[i]))
            continue;
        *out = (struct prov_fleet_topic){ op, (enum prov_format)i, name };
        return true;
    }
    return false;
}

bool prov_fleet_topic_parse(struct prov_span topic, struct prov_fleet_topic *out)
{
    for (size_t op = 0; op < PROV_FLEET_OPS; op++) {
        if (parse_as((enum prov_fleet_op)op, topic, out))
            return true;
    }
    return false;
}

void prov_fleet_answer_topic(const struct prov_fleet_topic *request, bool accepted,
                             char out[static PROV_MAX_FLEET_TOPIC])
{
    (void)snprintf(out, PROV_MAX_FLEET_TOPIC, "%.*s%.*s%.*s%.*s/%s",
                   PROV_SPAN_ARG(forms[request->op].before), PROV_SPAN_ARG(request->template_name),
                   PROV_SPAN_ARG(forms[request->op].behind),
                   PROV_SPAN_ARG(formats[request->format]), accepted ? "accepted" : "rejected");
}
