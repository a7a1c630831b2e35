#include "dn.h"

#include "der.h"
#include "ident_priv.h"
#include "limits.h"

/* No name in a certificate reaches this: text at most doubles, Latin-1 as UTF-8. */
#define PLAIN_MAX (8 * (size_t)PROV_MAX_CERT_DER)

static const uint8_t common_name_oid[] = { 0x55, 0x04, 0x03 };

/* Type and value in the plain form: the type's DER, the text's length, the text. */
static bool add_attribute(struct dn *dn, struct prov_span attribute, size_t *cn_at, size_t *cn_n)
{
    struct prov_buf *const plain = &dn->plain;
    struct der_value type, value;
    uint32_t text_n = 0;
    size_t at;

    if (!der_take(&attribute, &type) || type.tag != DER_OID || !der_is_oid(type.content) ||
        !der_take(&attribute, &value) || attribute.n != 0)
        return false;
    prov_buf_add(plain, type.whole);
    at = plain->n;
    prov_buf_add(plain, prov_span(&text_n, sizeof text_n));
    if (!ident_add_text(plain, value.tag, value.content))
        return false;
    if (plain->rc != PROV_OK)
        return true;
    text_n = (uint32_t)(plain->n - at - sizeof text_n);
    memcpy(plain->p + at, &text_n, sizeof text_n);
    if (*cn_at == 0 && prov_span_eq(type.content, prov_span(common_name_oid, 3))) {
        *cn_at = at + sizeof text_n;
        *cn_n = text_n;
    }
    return true;
}

/* X.690 section 11.6: a shorter one is taken as if zeros followed it. */
static bool in_order(struct prov_span a, struct prov_span b)
{
    const size_t n = a.n < b.n ? a.n : b.n;
    const int order = memcmp(a.p, b.p, n);

    return order != 0 ? order < 0 : a.n <= b.n;
}

/* RelativeDistinguishedName: a set, of one almost always. */
static bool add_rdn(struct dn *dn, struct prov_span set, size_t *cn_at, size_t *cn_n)
{
    struct der_value before = { .tag = 0 }, attribute;

    if (set.n == 0)
        return false;
    prov_buf_add_u8(&dn->plain, 0); /* no type's DER starts so */
    while (set.n != 0) {
        if (!der_take(&set, &attribute) || attribute.tag != DER_SEQUENCE ||
            (before.tag != 0 && !in_order(before.whole, attribute.whole)) ||
            !add_attribute(dn, attribute.content, cn_at, cn_n))
            return false;
        before = attribute;
    }
    return true;
}

enum prov_rc dn_read(struct prov_span name, struct dn *out)
{
    size_t cn_at = 0, cn_n = 0;
    struct prov_span rdns, set;

    dn_release(out);
    if (!der_only(name, DER_SEQUENCE, &rdns))
        return PROV_EINVAL;
    while (rdns.n != 0) {
        if (!der_expect(&rdns, DER_SET, &set) || !add_rdn(out, set, &cn_at, &cn_n))
            return PROV_EINVAL;
    }
    if (out->plain.rc == PROV_OK && cn_n != 0)
        out->common_name = prov_span(out->plain.p + cn_at, cn_n);
    return out->plain.rc == PROV_ETOOBIG ? PROV_EINVAL : out->plain.rc;
}

void dn_release(struct dn *dn)
{
    prov_buf_release(&dn->plain);
    prov_buf_init(&dn->plain, PLAIN_MAX);
    dn->common_name = prov_span(NULL, 0);
}
