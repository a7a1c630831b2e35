#include "fleet_msg_priv.h"

#include <stdlib.h>

#include <cbor.h>

enum kind {
    ANY_SCALAR, /* numbers, floats, simple values: nothing here wants one */
    BYTES,
    TEXT,
    ARRAY,
    MAP,
    TAG,
    BREAK,
};

/* The head of a data item, and what a definite string has behind it. */
struct item {
    enum kind kind;
    bool open;  /* of indefinite length */
    uint64_t n; /* elements or pairs of an array or map that is not open */
    struct prov_span string;
};

struct cbor_in {
    const struct prov_fleet_reader *r;
    const uint8_t *p, *end;
    unsigned depth; /* arrays and maps entered */
    struct {
        struct prov_span *v; /* those of the outer maps first */
        size_t n, cap;
    } keys; /* of maps entered, as far as they are text */
};

/* ---- heads ----------------------------------------------------------------------------------- */

/* What libcbor's callbacks are given as a length or a count; the same where there are 64 bits. */
#if CBOR_MAJOR_VERSION == 0 && CBOR_MINOR_VERSION < 9
typedef size_t cbor_count;
#else
typedef uint64_t cbor_count;
#endif

/* The string is there, n bytes of it. */
static void on_bytes(void *ctx, cbor_data p, cbor_count n)
{
    *(struct item *)ctx = (struct item){ .kind = BYTES, .string = prov_span(p, (size_t)n) };
}

static void on_open_bytes(void *ctx)
{
    *(struct item *)ctx = (struct item){ .kind = BYTES, .open = true };
}

static void on_text(void *ctx, cbor_data p, cbor_count n)
{
    *(struct item *)ctx = (struct item){ .kind = TEXT, .string = prov_span(p, (size_t)n) };
}

static void on_open_text(void *ctx)
{
    *(struct item *)ctx = (struct item){ .kind = TEXT, .open = true };
}

static void on_array(void *ctx, cbor_count n)
{
    *(struct item *)ctx = (struct item){ .kind = ARRAY, .n = n };
}

static void on_open_array(void *ctx)
{
    *(struct item *)ctx = (struct item){ .kind = ARRAY, .open = true };
}

static void on_map(void *ctx, cbor_count n)
{
    *(struct item *)ctx = (struct item){ .kind = MAP, .n = n };
}

static void on_open_map(void *ctx)
{
    *(struct item *)ctx = (struct item){ .kind = MAP, .open = true };
}

static void on_tag(void *ctx, uint64_t value)
{
    (void)value;
    *(struct item *)ctx = (struct item){ .kind = TAG };
}

static void on_break(void *ctx)
{
    *(struct item *)ctx = (struct item){ .kind = BREAK };
}

/* Scalars leave the item as it was, which says that it is one. */
static void on_uint8(void *ctx, uint8_t value)
{
    (void)ctx;
    (void)value;
}

static void on_uint16(void *ctx, uint16_t value)
{
    (void)ctx;
    (void)value;
}

static void on_uint32(void *ctx, uint32_t value)
{
    (void)ctx;
    (void)value;
}

static void on_uint64(void *ctx, uint64_t value)
{
    (void)ctx;
    (void)value;
}

static void on_float(void *ctx, float value)
{
    (void)ctx;
    (void)value;
}

static void on_double(void *ctx, double value)
{
    (void)ctx;
    (void)value;
}

static void on_bool(void *ctx, bool value)
{
    (void)ctx;
    (void)value;
}

static void on_simple(void *ctx)
{
    (void)ctx;
}

/* cbor_empty_callbacks would do for the scalars, but the plugin has no data of libcbor's, only its
 * functions (run/cbor_late.h). */
static const struct cbor_callbacks callbacks = {
    .uint8 = on_uint8,
    .uint16 = on_uint16,
    .uint32 = on_uint32,
    .uint64 = on_uint64,
    .negint64 = on_uint64,
    .negint32 = on_uint32,
    .negint16 = on_uint16,
    .negint8 = on_uint8,
    .byte_string_start = on_open_bytes,
    .byte_string = on_bytes,
    .string = on_text,
    .string_start = on_open_text,
    .indef_array_start = on_open_array,
    .array_start = on_array,
    .indef_map_start = on_open_map,
    .map_start = on_map,
    .tag = on_tag,
    .float2 = on_float,
    .float4 = on_float,
    .float8 = on_double,
    .undefined = on_simple,
    .null = on_simple,
    .boolean = on_bool,
    .indef_break = on_break,
};
_Static_assert(sizeof callbacks == 24 * sizeof(void (*)(void)),
               "this libcbor calls back for something else too, and would call NULL");

static enum prov_rc malformed(const struct cbor_in *in, const char *why)
{
    return prov_fleet_bad(in->r, "malformed CBOR at byte %zu: %s",
                          (size_t)(in->p - in->r->payload.p), why);
}

/*
 * libcbor's decoder calls what nobody has assigned malformed, though RFC 8949 does not: tags 6 to
 * 20 in one byte, simple values 0 to 19, and 32 to 255 behind 0xf8. Returns the length of such a
 * head, or 0.
 */
static size_t unassigned(const struct cbor_in *in, struct item *out)
{
    const size_t left = (size_t)(in->end - in->p);

    if (left == 0)
        return 0;
    if (in->p[0] >= 0xc6 && in->p[0] <= 0xd4) {
        on_tag(out, 0);
        return 1;
    }
    if (in->p[0] >= 0xe0 && in->p[0] <= 0xf3)
        return 1;
    return left > 1 && in->p[0] == 0xf8 && in->p[1] >= 32 ? 2 : 0;
}

/*
 * Is it a string, array or map of 2^32 bytes or elements, or more? No payload has so many; and
 * where size_t has 32 bits, libcbor reads the lower half of the number.
 */
static bool too_long(const struct cbor_in *in)
{
    static const uint8_t zero[4];
    const uint8_t *p = in->p;

    return in->end - p >= 9 && p[0] >> 5 >= 2 && p[0] >> 5 <= 5 && (p[0] & 0x1f) == 27 &&
           memcmp(p + 1, zero, sizeof zero) != 0;
}

static enum prov_rc next(struct cbor_in *in, struct item *out)
{
    struct cbor_decoder_result got = { .read = 0 };

    *out = (struct item){ .kind = ANY_SCALAR };
    if (too_long(in))
        return malformed(in, "it is cut off");
    got.read = unassigned(in, out);
    if (got.read == 0)
        got = cbor_stream_decode(in->p, (size_t)(in->end - in->p), &callbacks, out);
    if (got.status == CBOR_DECODER_NEDATA)
        return malformed(in, "it is cut off");
    if (got.status != CBOR_DECODER_FINISHED)
        return malformed(in, "no data item begins like this");
    in->p += got.read;
    return PROV_OK;
}

/* The same where a break would be a mistake. */
static enum prov_rc next_item(struct cbor_in *in, struct item *out)
{
    const enum prov_rc rc = next(in, out);

    return rc == PROV_OK && out->kind == BREAK ? malformed(in, "a break out of place") : rc;
}

/* ---- strings --------------------------------------------------------------------------------- */

/*
 * One piece of text is UTF-8 for itself: no character is spread over chunks (RFC 8949 3.2.3). Each
 * byte of the payload is kept once at most, so there is room.
 */
static enum prov_rc take_piece(const struct cbor_in *in, const struct item *piece, const char *what,
                               struct prov_span *out)
{
    if (piece->kind == TEXT && !prov_utf8_valid(piece->string))
        return prov_fleet_bad(in->r, "%s is not UTF-8", what);
    out->n += prov_fleet_keep(in->r, piece->string).n;
    return PROV_OK;
}

/* The rest of a byte or text string, its chunks put together; what names it in messages. */
static enum prov_rc take_string(struct cbor_in *in, const struct item *head, const char *what,
                                struct prov_span *out)
{
    struct item piece = *head;
    enum prov_rc rc = PROV_OK;

    *out = prov_fleet_keep(in->r, prov_span(NULL, 0));
    if (!head->open)
        return take_piece(in, head, what, out);
    while (rc == PROV_OK) {
        rc = next(in, &piece);
        if (rc == PROV_OK && piece.kind == BREAK)
            return PROV_OK;
        if (rc == PROV_OK && (piece.kind != head->kind || piece.open))
            rc = malformed(in, "a chunk of another kind than its string");
        if (rc == PROV_OK)
            rc = take_piece(in, &piece, what, out);
    }
    return rc;
}

/* Text that somebody will look at. */
static enum prov_rc take_text(struct cbor_in *in, const struct item *head, const char *what,
                              struct prov_span *out)
{
    enum prov_rc rc;

    if (head->kind != TEXT)
        return prov_fleet_bad(in->r, "%s must be text", what);
    rc = take_string(in, head, what, out);
    if (rc == PROV_OK && memchr(out->p, '\0', out->n) != NULL)
        return prov_fleet_bad(in->r, "%s holds a NUL", what);
    return rc;
}

/* ---- arrays and maps ------------------------------------------------------------------------- */

static enum prov_rc enter(struct cbor_in *in)
{
    if (in->depth == PROV_MAX_FLEET_DEPTH)
        return prov_fleet_bad(in->r, "nested more than %d deep", PROV_MAX_FLEET_DEPTH);
    in->depth++;
    return PROV_OK;
}

/* The next element or key of the array or map; *end: there is none, and it is left. */
static enum prov_rc step(struct cbor_in *in, struct item *box, struct item *out, bool *end)
{
    enum prov_rc rc = PROV_OK;

    if (box->open) {
        rc = next(in, out);
        *end = rc == PROV_OK && out->kind == BREAK;
    } else {
        *end = box->n-- == 0;
        if (!*end)
            rc = next_item(in, out);
    }
    in->depth -= *end;
    return rc;
}

static enum prov_rc note_key(struct cbor_in *in, struct prov_span key)
{
    const size_t cap = in->keys.cap == 0 ? 16 : in->keys.cap * 2;
    struct prov_span *v;

    if (in->keys.n == in->keys.cap) {
        v = realloc(in->keys.v, cap * sizeof *v);
        if (v == NULL)
            return prov_nomem(in->r->err);
        in->keys.v = v;
        in->keys.cap = cap;
    }
    in->keys.v[in->keys.n++] = key;
    return PROV_OK;
}

static int by_bytes(const void *a, const void *b)
{
    const struct prov_span *x = a, *y = b;

    return prov_span_cmp(*x, *y);
}

/* Forgets the keys from `first` on, which are those of the map that ends. Sorting keeps a map of
 * many thousand keys from costing their square. */
static enum prov_rc check_keys(struct cbor_in *in, size_t first, const char *prefix)
{
    const size_t n = in->keys.n - first;
    char shown[PROV_FLEET_SHOWN];
    struct prov_span *keys;

    in->keys.n = first;
    if (n < 2)
        return PROV_OK;
    keys = in->keys.v + first;
    qsort(keys, n, sizeof *keys, by_bytes);
    for (size_t i = 1; i < n; i++) {
        if (prov_span_eq(keys[i - 1], keys[i]))
            return prov_fleet_bad(in->r, "%s%s: the same key twice", prefix,
                                  prov_fleet_show(keys[i], shown));
    }
    return PROV_OK;
}

typedef enum prov_rc take_value(struct cbor_in *in, struct prov_span key, const struct item *value);

static enum prov_rc skip(struct cbor_in *in, const struct item *head);

/* In a map that is ignored (take is NULL) keys of other types than text are ignored too. */
static enum prov_rc take_key(struct cbor_in *in, const struct item *head, bool ignored,
                             struct prov_span *out)
{
    enum prov_rc rc;

    if (ignored && head->kind != TEXT)
        return skip(in, head);
    rc = ignored ? take_string(in, head, "a key", out) : take_text(in, head, "a key", out);
    return rc == PROV_OK ? note_key(in, *out) : rc;
}

static enum prov_rc walk_map(struct cbor_in *in, const struct item *head, const char *prefix,
                             take_value *take)
{
    const size_t first = in->keys.n;
    struct item box = *head, item;
    struct prov_span key;
    bool end = false;
    enum prov_rc rc;

    rc = enter(in);
    while (rc == PROV_OK) {
        rc = step(in, &box, &item, &end);
        if (rc != PROV_OK || end)
            break;
        rc = take_key(in, &item, take == NULL, &key);
        if (rc == PROV_OK)
            rc = next_item(in, &item);
        if (rc == PROV_OK)
            rc = take == NULL ? skip(in, &item) : take(in, key, &item);
    }
    return rc == PROV_OK ? check_keys(in, first, prefix) : rc;
}

static enum prov_rc skip_array(struct cbor_in *in, const struct item *head)
{
    struct item box = *head, item;
    bool end = false;
    enum prov_rc rc;

    rc = enter(in);
    while (rc == PROV_OK) {
        rc = step(in, &box, &item, &end);
        if (rc != PROV_OK || end)
            break;
        rc = skip(in, &item);
    }
    return rc;
}

/* The rest of an item that nobody looks at. */
static enum prov_rc skip(struct cbor_in *in, const struct item *head)
{
    struct item item = *head;
    struct prov_span ignored;
    enum prov_rc rc = PROV_OK;

    while (rc == PROV_OK && item.kind == TAG)
        rc = next_item(in, &item);
    if (rc != PROV_OK)
        return rc;
    if (item.kind == TEXT || item.kind == BYTES)
        return take_string(in, &item, "a text", &ignored);
    if (item.kind == ARRAY)
        return skip_array(in, &item);
    return item.kind == MAP ? walk_map(in, &item, "", NULL) : PROV_OK;
}

/* ---- the request ----------------------------------------------------------------------------- */

static enum prov_rc take_param(struct cbor_in *in, struct prov_span key, const struct item *value)
{
    char shown[PROV_FLEET_SHOWN], what[PROV_FLEET_SHOWN + sizeof "parameters."];
    struct prov_span text;
    enum prov_rc rc;

    rc = prov_fleet_param_name(in->r, key);
    if (rc != PROV_OK)
        return rc;
    (void)snprintf(what, sizeof what, "parameters.%s", prov_fleet_show(key, shown));
    rc = take_text(in, value, what, &text);
    return rc == PROV_OK ? prov_fleet_param_add(in->r, key, text) : rc;
}

static enum prov_rc take_member(struct cbor_in *in, struct prov_span key, const struct item *value)
{
    struct prov_span *field = prov_fleet_field(in->r, key);
    char name[PROV_FLEET_SHOWN];

    if (prov_fleet_is_parameters(in->r, key))
        return value->kind == MAP ? walk_map(in, value, "parameters.", take_param)
                                  : prov_fleet_bad(in->r, "parameters must be a map of texts");
    if (field == NULL)
        return skip(in, value);
    return take_text(in, value, prov_fleet_show(key, name), field);
}

enum prov_rc prov_fleet_read_cbor(const struct prov_fleet_reader *r)
{
    struct cbor_in in = { .r = r, .p = r->payload.p };
    struct item head;
    enum prov_rc rc;

    in.end = in.p + r->payload.n;
    rc = next(&in, &head);
    if (rc == PROV_OK)
        rc = head.kind == MAP ? walk_map(&in, &head, "", take_member)
                              : prov_fleet_bad(r, "the request must be a map");
    if (rc == PROV_OK && in.p != in.end)
        rc = prov_fleet_bad(r, "%zu bytes behind the request", (size_t)(in.end - in.p));
    free(in.keys.v);
    return rc;
}
