#include "support/ws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

#define RAW_MAX (512u * 1024 * 1024)
#define ANSWER_MAX 8192
#define MASKED 0x80u
#define LAST 0x80u

/* ---- the upgrade (section 4.1) --------------------------------------------------------------- */

/* Of the key as sent: what proves that the server speaks WebSocket (section 4.2.2). */
static bool accept_of(const char *key, char out[static 32])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    uint8_t digest[EVP_MAX_MD_SIZE];
    char text[128];
    size_t n;

    (void)snprintf(text, sizeof text, "%s%s", key, guid);
    if (EVP_Q_digest(NULL, "SHA1", NULL, text, strlen(text), digest, &n) != 1)
        return false;
    return EVP_EncodeBlock((uint8_t *)out, digest, (int)n) > 0;
}

bool ws_start(struct ws *w, const struct ws_options *o, struct prov_buf *out)
{
    const char *subprotocol = o->subprotocol == NULL ? "mqtt" : o->subprotocol;
    uint8_t random[16];
    char key[32], request[512];

    memset(w, 0, sizeof *w);
    w->close_code = -1;
    w->fragment = o->fragment;
    prov_buf_init(&w->raw, RAW_MAX);
    if (RAND_bytes(random, sizeof random) != 1 ||
        EVP_EncodeBlock((uint8_t *)key, random, sizeof random) <= 0 || !accept_of(key, w->accept))
        return false;
    (void)snprintf(w->subprotocol, sizeof w->subprotocol, "%s", subprotocol);
    (void)snprintf(request, sizeof request,
                   "GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                   "Connection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
                   "Sec-WebSocket-Version: 13\r\n%s%s%s\r\n",
                   o->path == NULL ? "/mqtt" : o->path, key,
                   *subprotocol == '\0' ? "" : "Sec-WebSocket-Protocol: ", subprotocol,
                   *subprotocol == '\0' ? "" : "\r\n");
    prov_buf_add(out, prov_span_str(request));
    return out->rc == PROV_OK;
}

void ws_release(struct ws *w)
{
    prov_buf_release(&w->raw);
}

static void consume(struct prov_buf *b, size_t n)
{
    memmove(b->p, b->p + n, b->n - n);
    b->n -= n;
}

static void bad(struct ws *w, const char *why)
{
    w->bad = true;
    w->why = why;
}

/* The value of a header in lines that each end with CR LF; "" when it is not there. */
static void header(const char *lines, const char *name, char *out, size_t cap)
{
    const size_t n = strlen(name);

    *out = '\0';
    for (const char *at = strstr(lines, "\r\n"); at != NULL; at = strstr(at, "\r\n")) {
        at += 2;
        if (strncasecmp(at, name, n) != 0 || at[n] != ':')
            continue;
        at += n + 1;
        at += strspn(at, " ");
        (void)snprintf(out, cap, "%.*s", (int)strcspn(at, "\r"), at);
        return;
    }
}

/* False: more is to come. */
static bool take_answer(struct ws *w)
{
    char answer[ANSWER_MAX + 1], value[64];
    const size_t n = w->raw.n < ANSWER_MAX ? w->raw.n : ANSWER_MAX;
    const char *end;

    if (n != 0)
        memcpy(answer, w->raw.p, n);
    answer[n] = '\0';
    end = strstr(answer, "\r\n\r\n");
    if (end == NULL) {
        if (n == ANSWER_MAX)
            bad(w, "an HTTP answer without end");
        return false;
    }
    if (sscanf(answer, "HTTP/1.%*1[01] %3d", &w->status) != 1 || w->status != 101) {
        bad(w, "the server does not upgrade to a WebSocket");
        return false;
    }
    header(answer, "Sec-WebSocket-Accept", value, sizeof value);
    if (strcmp(value, w->accept) != 0)
        bad(w, "the server's accept key is not this request's");
    header(answer, "Sec-WebSocket-Protocol", value, sizeof value);
    if (!w->bad && strcmp(value, w->subprotocol) != 0)
        bad(w, "the server chose another subprotocol");
    consume(&w->raw, (size_t)(end + 4 - answer));
    w->open = !w->bad;
    return w->open;
}

/* ---- frames (section 5.2) -------------------------------------------------------------------- */

void ws_put_frame(bool last, enum ws_opcode opcode, struct prov_span payload, struct prov_buf *out)
{
    uint8_t head[14] = { (uint8_t)((last ? LAST : 0) | (unsigned)opcode) };
    const unsigned extended = payload.n < 126 ? 0 : payload.n <= UINT16_MAX ? 2 : 8;
    uint8_t *mask = head + 2 + extended;
    size_t at;

    head[1] = (uint8_t)(MASKED | (extended == 0 ? payload.n : extended == 2 ? 126 : 127));
    for (unsigned i = 0; i < extended; i++)
        head[2 + i] = (uint8_t)((uint64_t)payload.n >> 8 * (extended - 1 - i));
    if (RAND_bytes(mask, 4) != 1) {
        out->rc = PROV_EBUG;
        return;
    }
    prov_buf_add(out, prov_span(head, 6 + extended));
    at = out->n;
    prov_buf_add(out, payload);
    if (out->rc != PROV_OK)
        return;
    for (size_t i = 0; i < payload.n; i++)
        out->p[at + i] ^= mask[i % 4];
}

void ws_put(const struct ws *w, struct prov_span payload, struct prov_buf *out)
{
    enum ws_opcode opcode = WS_BINARY;

    while (w->fragment != 0 && payload.n > w->fragment) {
        ws_put_frame(false, opcode, prov_span(payload.p, w->fragment), out);
        payload = prov_span(payload.p + w->fragment, payload.n - w->fragment);
        opcode = WS_CONTINUATION;
    }
    ws_put_frame(true, opcode, payload, out);
}

struct frame {
    bool last;
    unsigned opcode;
    struct prov_span payload;
};

/* Bytes of the frame that raw begins with; 0: not all of it is there, or it is bad. */
static size_t cut(struct ws *w, struct frame *f)
{
    const uint8_t *p = w->raw.p;
    size_t head = 2;
    uint64_t n;

    if (w->raw.n < head)
        return 0;
    if ((p[0] & 0x70) != 0 || (p[1] & MASKED) != 0) {
        bad(w, "a WebSocket frame with reserved bits or a mask");
        return 0;
    }
    n = p[1];
    if (n >= 126) {
        head += n == 126 ? 2 : 8;
        if (w->raw.n < head)
            return 0;
        n = 0;
        for (size_t i = 2; i < head; i++)
            n = n << 8 | p[i];
    }
    if (n > w->raw.n - head)
        return 0;
    *f = (struct frame){ (p[0] & LAST) != 0, p[0] & 0x0f, prov_span(p + head, (size_t)n) };
    return head + (size_t)n;
}

static void take_control(struct ws *w, const struct frame *f, struct prov_buf *out)
{
    if (!f->last || f->payload.n > 125) {
        bad(w, "a WebSocket control frame in pieces");
        return;
    }
    switch (f->opcode) {
    case WS_PING:
        ws_put_frame(true, WS_PONG, f->payload, out);
        break;
    case WS_PONG:
        w->pongs++;
        break;
    case WS_CLOSE:
        w->closed = true;
        if (f->payload.n >= 2)
            w->close_code = f->payload.p[0] << 8 | f->payload.p[1];
        break;
    default:
        bad(w, "a WebSocket control frame of no known kind");
    }
}

static void take_frame(struct ws *w, const struct frame *f, struct prov_buf *in,
                       struct prov_buf *out)
{
    if ((f->opcode & 8) != 0) {
        take_control(w, f, out);
        return;
    }
    if (f->opcode != (w->fragmented ? WS_CONTINUATION : WS_BINARY)) {
        bad(w, "a WebSocket frame that is not binary, or in the middle of another message");
        return;
    }
    w->fragmented = !f->last;
    prov_buf_add(in, f->payload);
}

void ws_take(struct ws *w, struct prov_buf *in, struct prov_buf *out)
{
    struct frame f;
    size_t n;

    if (w->bad || (!w->open && !take_answer(w)))
        return;
    while (!w->bad && !w->closed && (n = cut(w, &f)) != 0) {
        take_frame(w, &f, in, out);
        consume(&w->raw, n);
    }
}
