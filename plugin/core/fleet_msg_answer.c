#include "fleet_msg.h"

#include <stdio.h>

#include <cbor.h>

/* An answer as the fields it has, in either format: what a text field, a number or a map is. */
struct field {
    const char *key;
    enum { TEXT, NUMBER, MAP } kind;
    struct prov_span text;
    int number;
    struct prov_params map;
};

#define MAX_FIELDS 4
#define MAX_HEAD 9 /* of a CBOR item */

/* ---- text that need not be UTF-8 ------------------------------------------------------------- */

/* The length of the character that s begins with, or 0 when it begins with no character, or a NUL.
 */
static size_t character(struct prov_span s)
{
    for (size_t n = 1; n <= 4 && n <= s.n; n++) {
        if (prov_utf8_valid(prov_span(s.p, n)))
            return s.p[0] == '\0' ? 0 : n;
    }
    return 0;
}

/* Takes the next piece to be written off *rest, which is not empty: characters as they are, or the
 * replacement for one byte. */
static struct prov_span next_piece(struct prov_span *rest)
{
    struct prov_span piece = prov_span(rest->p, 0);
    size_t n = character(*rest);

    for (; n != 0; n = character(*rest)) {
        piece.n += n;
        *rest = prov_span(rest->p + n, rest->n - n);
    }
    if (piece.n != 0)
        return piece;
    *rest = prov_span(rest->p + 1, rest->n - 1);
    return PROV_LIT("\xef\xbf\xbd");
}

/* Nearly all that is written is clean, and then one look tells. */
static bool clean(struct prov_span s)
{
    return s.n == 0 || (memchr(s.p, '\0', s.n) == NULL && prov_utf8_valid(s));
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void json_escape(uint8_t c, struct prov_buf *out)
{
    static const char from[] = "\"\\\b\f\n\r\t";
    static const char to[] = "\"\\bfnrt";
    const char *known = strchr(from, c);

    if (known == NULL) {
        prov_buf_addf(out, "\\u%04x", c);
        return;
    }
    prov_buf_add_u8(out, '\\');
    prov_buf_add_u8(out, (uint8_t)to[known - from]);
}

static void json_piece(struct prov_span s, struct prov_buf *out)
{
    size_t done = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] >= ' ' && s.p[i] != '"' && s.p[i] != '\\')
            continue;
        prov_buf_add(out, prov_span(s.p + done, i - done));
        json_escape(s.p[i], out);
        done = i + 1;
    }
    prov_buf_add(out, prov_span(s.p + done, s.n - done));
}

static void json_text(struct prov_span s, struct prov_buf *out)
{
    prov_buf_add_u8(out, '"');
    if (clean(s)) {
        json_piece(s, out);
        s.n = 0;
    }
    while (s.n != 0)
        json_piece(next_piece(&s), out);
    prov_buf_add_u8(out, '"');
}

static void json_map(struct prov_params map, struct prov_buf *out)
{
    prov_buf_add_u8(out, '{');
    for (size_t i = 0; i < map.n; i++) {
        if (i != 0)
            prov_buf_add_u8(out, ',');
        json_text(map.v[i].name, out);
        prov_buf_add_u8(out, ':');
        json_text(map.v[i].value, out);
    }
    prov_buf_add_u8(out, '}');
}

static void json_fields(const struct field *fields, size_t n, struct prov_buf *out)
{
    for (size_t i = 0; i < n; i++) {
        prov_buf_add_str(out, i == 0 ? "{\"" : ",\"");
        prov_buf_add_str(out, fields[i].key);
        prov_buf_add_str(out, "\":");
        if (fields[i].kind == NUMBER)
            prov_buf_addf(out, "%d", fields[i].number);
        else if (fields[i].kind == MAP)
            json_map(fields[i].map, out);
        else
            json_text(fields[i].text, out);
    }
    prov_buf_add_u8(out, '}');
}

/* ---- CBOR ------------------------------------------------------------------------------------ */

static void cbor_head(size_t (*encode)(size_t n, unsigned char *p, size_t cap), size_t n,
                      struct prov_buf *out)
{
    unsigned char head[MAX_HEAD];

    prov_buf_add(out, prov_span(head, encode(n, head, sizeof head)));
}

static void cbor_text(struct prov_span s, struct prov_buf *out)
{
    struct prov_span rest = s;
    size_t n = 0;

    if (clean(s)) {
        cbor_head(cbor_encode_string_start, s.n, out);
        prov_buf_add(out, s);
        return;
    }
    while (rest.n != 0)
        n += next_piece(&rest).n;
    cbor_head(cbor_encode_string_start, n, out);
    while (s.n != 0)
        prov_buf_add(out, next_piece(&s));
}

static void cbor_number(int number, struct prov_buf *out)
{
    unsigned char head[MAX_HEAD];
    size_t n;

    if (number >= 0)
        n = cbor_encode_uint((uint64_t)number, head, sizeof head);
    else
        n = cbor_encode_negint((uint64_t)(-1 - (int64_t)number), head, sizeof head);
    prov_buf_add(out, prov_span(head, n));
}

static void cbor_map(struct prov_params map, struct prov_buf *out)
{
    cbor_head(cbor_encode_map_start, map.n, out);
    for (size_t i = 0; i < map.n; i++) {
        cbor_text(map.v[i].name, out);
        cbor_text(map.v[i].value, out);
    }
}

static void cbor_fields(const struct field *fields, size_t n, struct prov_buf *out)
{
    cbor_head(cbor_encode_map_start, n, out);
    for (size_t i = 0; i < n; i++) {
        cbor_text(prov_span_str(fields[i].key), out);
        if (fields[i].kind == NUMBER)
            cbor_number(fields[i].number, out);
        else if (fields[i].kind == MAP)
            cbor_map(fields[i].map, out);
        else
            cbor_text(fields[i].text, out);
    }
}

/* ---- the answers ----------------------------------------------------------------------------- */

static enum prov_rc write_fields(enum prov_format format, const struct field *fields, size_t n,
                                 struct prov_buf *out)
{
    if (format == PROV_CBOR)
        cbor_fields(fields, n, out);
    else
        json_fields(fields, n, out);
    return out->rc;
}

enum prov_rc prov_fleet_accepted(enum prov_fleet_op op, enum prov_format format,
                                 const struct prov_fleet_accepted *answer, struct prov_buf *out)
{
    const struct field id = { .key = "certificateId", .text = answer->certificate_id };
    const struct field pem = { .key = "certificatePem", .text = answer->certificate_pem };
    const struct field key = { .key = "privateKey", .text = answer->private_key };
    const struct field token = { .key = "certificateOwnershipToken", .text = answer->token };
    const struct field thing = { .key = "thingName", .text = answer->thing_name };
    const struct field config = { .key = "deviceConfiguration",
                                  .kind = MAP,
                                  .map = answer->config };
    struct field fields[MAX_FIELDS];
    size_t n = 0;

    if (op == PROV_REGISTER_THING) {
        if (answer->thing_name.n != 0)
            fields[n++] = thing;
        fields[n++] = config;
    } else {
        fields[n++] = id;
        fields[n++] = pem;
        if (op == PROV_CREATE_KEYS)
            fields[n++] = key;
        fields[n++] = token;
    }
    return write_fields(format, fields, n, out);
}

enum prov_rc prov_fleet_rejected(enum prov_format format, int status, const char *code,
                                 const char *message, struct prov_buf *out)
{
    const struct field fields[] = {
        { .key = "statusCode", .kind = NUMBER, .number = status },
        { .key = "errorCode", .text = prov_span_str(code) },
        { .key = "errorMessage", .text = prov_span_str(message) },
    };

    return write_fields(format, fields, PROV_COUNT(fields), out);
}
