#include "record.h"

#include "policy.h"

static void put_length(struct prov_buf *out, size_t n)
{
    while (n >= 0x80) {
        prov_buf_add_u8(out, (uint8_t)(n | 0x80));
        n >>= 7;
    }
    prov_buf_add_u8(out, (uint8_t)n);
}

/* Takes a length off the front of s that the rest of s can hold. */
static bool take_length(struct prov_span *s, size_t *out)
{
    size_t n = 0;

    for (unsigned shift = 0; s->n != 0 && shift < 28; shift += 7) {
        const uint8_t byte = *s->p;

        s->p++;
        s->n--;
        n |= (size_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = n;
            return n <= s->n;
        }
    }
    return false;
}

static struct prov_span take(struct prov_span *s, size_t n)
{
    const struct prov_span head = prov_span(s->p, n);

    s->p += n;
    s->n -= n;
    return head;
}

static void put_bytes(struct prov_buf *out, uint8_t tag, struct prov_span value)
{
    prov_buf_add_u8(out, tag);
    put_length(out, value.n);
    prov_buf_add(out, value);
}

static void put_number(struct prov_buf *out, uint8_t tag, uint64_t value)
{
    uint8_t le[8];
    size_t n = 0;

    for (; value != 0; value >>= 8)
        le[n++] = (uint8_t)value;
    if (n != 0)
        put_bytes(out, tag, prov_span(le, n));
}

static bool get_number(struct prov_span value, uint64_t max, uint64_t *out)
{
    uint64_t n = 0;

    if (value.n > 8)
        return false;
    for (size_t i = value.n; i > 0; i--)
        n = n << 8 | value.p[i - 1];
    *out = n;
    return n <= max;
}

static void put_attr(struct prov_buf *out, uint8_t tag, const struct prov_attr *attr)
{
    const size_t prefix = attr->name.n < 0x80 ? 1 : 2; /* names have at most 128 bytes */

    prov_buf_add_u8(out, tag);
    put_length(out, prefix + attr->name.n + attr->value.n);
    put_length(out, attr->name.n);
    prov_buf_add(out, attr->name);
    prov_buf_add(out, attr->value);
}

static size_t count_of(const struct prov_field *f, const void *object)
{
    size_t n;

    memcpy(&n, (const char *)object + f->count_at, sizeof n);
    return n;
}

static void put_field(const struct prov_field *f, const void *object, struct prov_buf *out)
{
    const void *at = (const char *)object + f->at;
    const struct prov_span *span = at;
    const struct prov_id *id = at;

    switch (f->kind) {
    case PROV_FIELD_U32:
        put_number(out, f->tag, *(const uint32_t *)at);
        break;
    case PROV_FIELD_I64:
        put_number(out, f->tag, (uint64_t) * (const int64_t *)at);
        break;
    case PROV_FIELD_BOOL:
        put_number(out, f->tag, *(const bool *)at);
        break;
    case PROV_FIELD_ID:
        if (!prov_id_is_zero(id))
            put_bytes(out, f->tag, prov_id_span(id));
        break;
    case PROV_FIELD_SPAN:
        if (span->n != 0)
            put_bytes(out, f->tag, *span);
        break;
    case PROV_FIELD_SPANS:
        for (size_t i = 0; i < count_of(f, object); i++)
            put_bytes(out, f->tag, span[i]);
        break;
    case PROV_FIELD_IDS:
        for (size_t i = 0; i < count_of(f, object); i++)
            put_bytes(out, f->tag, prov_id_span(&id[i]));
        break;
    case PROV_FIELD_ATTRS:
        for (size_t i = 0; i < count_of(f, object); i++)
            put_attr(out, f->tag, (const struct prov_attr *)at + i);
        break;
    }
}

void prov_record_write(const struct prov_record *type, const void *object, struct prov_buf *out)
{
    for (size_t i = 0; i < type->n_fields; i++)
        put_field(&type->fields[i], object, out);
}

/* Claims the next element of a list field; false when the list is full. */
static bool next_slot(const struct prov_field *f, void *object, size_t *index)
{
    *index = count_of(f, object);
    if (*index >= f->max)
        return false;
    memcpy((char *)object + f->count_at, &(size_t){ *index + 1 }, sizeof(size_t));
    return true;
}

static bool get_id(struct prov_span value, struct prov_id *out)
{
    if (value.n != PROV_ID_LEN)
        return false;
    memcpy(out->b, value.p, PROV_ID_LEN);
    return true;
}

static bool get_attr(struct prov_span value, struct prov_attr *out)
{
    size_t n;

    if (!take_length(&value, &n))
        return false;
    out->name = take(&value, n);
    out->value = value;
    return true;
}

static bool get_field(const struct prov_field *f, struct prov_span value, void *object)
{
    void *at = (char *)object + f->at;
    uint64_t number;
    size_t i;

    switch (f->kind) {
    case PROV_FIELD_U32:
        if (!get_number(value, UINT32_MAX, &number))
            return false;
        *(uint32_t *)at = (uint32_t)number;
        return true;
    case PROV_FIELD_I64:
        if (!get_number(value, UINT64_MAX, &number))
            return false;
        *(int64_t *)at = (int64_t)number;
        return true;
    case PROV_FIELD_BOOL:
        if (!get_number(value, 1, &number))
            return false;
        *(bool *)at = number != 0;
        return true;
    case PROV_FIELD_ID:
        return get_id(value, at);
    case PROV_FIELD_SPAN:
        *(struct prov_span *)at = value;
        return true;
    case PROV_FIELD_SPANS:
        if (!next_slot(f, object, &i))
            return false;
        ((struct prov_span *)at)[i] = value;
        return true;
    case PROV_FIELD_IDS:
        return next_slot(f, object, &i) && get_id(value, (struct prov_id *)at + i);
    case PROV_FIELD_ATTRS:
        return next_slot(f, object, &i) && get_attr(value, (struct prov_attr *)at + i);
    }
    return false;
}

static const struct prov_field *field_of(const struct prov_record *type, uint8_t tag)
{
    for (size_t i = 0; i < type->n_fields; i++) {
        if (type->fields[i].tag == tag)
            return &type->fields[i];
    }
    return NULL;
}

enum prov_rc prov_record_read(const struct prov_record *type, struct prov_span bytes, void *object)
{
    const struct prov_field *f;
    size_t n;

    memset(object, 0, type->size);
    while (bytes.n != 0) {
        f = field_of(type, take(&bytes, 1).p[0]);
        if (!take_length(&bytes, &n))
            return PROV_ESTORE;
        if (f == NULL)
            (void)take(&bytes, n);
        else if (!get_field(f, take(&bytes, n), object))
            return PROV_ESTORE;
    }
    return PROV_OK;
}
