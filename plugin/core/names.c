#include "names.h"

#include "limits.h"

static const struct {
    const char *what;
    const char *marks; /* legal besides ASCII letters and digits */
    size_t min, max;
} rules[] = {
    [PROV_NAME_THING] = { "name", ":_-", 1, PROV_MAX_NAME },
    [PROV_NAME_POLICY] = { "policy name", "_+=,.@-", 1, PROV_MAX_NAME },
    [PROV_NAME_TEMPLATE] = { "template name", "_-", 1, PROV_MAX_TEMPLATE_NAME },
    [PROV_NAME_ATTRIBUTE] = { "attribute name", "_.,@/:#-", 1, PROV_MAX_ATTR_NAME },
    [PROV_NAME_ATTRIBUTE_VALUE] = { "attribute value", "_.,@/:#=[]-", 0, PROV_MAX_ATTR_VALUE },
};

static bool is_alnum(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Device text in a message: what does not print is shown as '?'. */
static void printable(struct prov_span s, char *out, size_t cap)
{
    (void)prov_span_copy(s, out, cap);
    for (char *c = out; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~')
            *c = '?';
    }
}

enum prov_rc prov_name_check(enum prov_name_kind kind, struct prov_span name, struct prov_err *err)
{
    const char *what = rules[kind].what;
    char shown[64];

    if (name.n < rules[kind].min)
        return prov_fail(err, PROV_EINVAL, "InvalidRequestException", "%s is empty", what);
    printable(name, shown, sizeof shown);
    if (name.n > rules[kind].max)
        return prov_fail(err, PROV_EINVAL, "InvalidRequestException",
                         "%s \"%s…\" has %zu characters; %zu are allowed", what, shown, name.n,
                         rules[kind].max);
    for (size_t i = 0; i < name.n; i++) {
        if (is_alnum(name.p[i]) ||
            (name.p[i] != '\0' && strchr(rules[kind].marks, name.p[i]) != NULL))
            continue;
        return prov_fail(err, PROV_EINVAL, "InvalidRequestException",
                         "%s \"%s\" has an illegal character at position %zu; letters, digits "
                         "and %s are allowed",
                         what, shown, i + 1, rules[kind].marks);
    }
    return PROV_OK;
}
