/*
 * json.h - the members of one JSON object (RFC 8259), in the order they are in.
 *
 * What is passed over is checked to the letter as well. No recursion: what is open is a bit each.
 * Each byte is looked at once. Refused beyond the RFC: a NUL in a text, surrogates without their
 * other half, texts that are no UTF-8, and more than AGENT_MAX_JSON_DEPTH objects and arrays in
 * each other.
 */
#ifndef AGENT_JSON_H
#define AGENT_JSON_H

#include "base.h"

enum agent_json_kind {
    AGENT_JSON_OBJECT,
    AGENT_JSON_ARRAY,
    AGENT_JSON_STRING,
    AGENT_JSON_NUMBER,
    AGENT_JSON_WORD, /* true, false, null */
};

/* Spans into the text, as they were written; a string's without its quotes. */
struct agent_json_member {
    struct agent_span name, value;
    enum agent_json_kind kind;
};

struct agent_json {
    struct agent_span text;
    size_t at;
    unsigned depth;   /* how many are open */
    uint32_t objects; /* of those, a bit each, the innermost lowest: an object */
    enum { AGENT_JSON_START, AGENT_JSON_WITHIN, AGENT_JSON_END, AGENT_JSON_BAD } state;
};

/* text is borrowed until the walk is over. */
void agent_json_init(struct agent_json *json, struct agent_span text);
/* False: there are no more, or the text is bad. */
bool agent_json_next(struct agent_json *json, struct agent_json_member *member);
/* After agent_json_next gave false: the text was one object and nothing but space around it. */
bool agent_json_whole(const struct agent_json *json);

/* The characters of a name or a string's value, added to out. False: they do not fit. */
bool agent_json_text(struct agent_span written, struct agent_text *out);

/* The next character of such a span, at *at, which is below written.n. */
bool agent_json_char(struct agent_span written, size_t *at, uint32_t *c);

#endif
