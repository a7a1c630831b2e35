/*
 * text.h - how things look on paper and on a terminal: escaping, width, times, colours, JSON.
 *
 * What devices and operators named is untrusted: it is never written to a terminal as it is.
 */
#ifndef CTL_TEXT_H
#define CTL_TEXT_H

#include <cjson/cJSON.h>

#include "core/base.h"

/* How stdout looks. */
struct ctl_look {
    unsigned width; /* columns of the terminal; 0: no terminal, so nothing is cut */
    bool colour;
};

enum ctl_style { CTL_PLAIN, CTL_HEAD, CTL_GOOD, CTL_WAITING, CTL_BAD, CTL_STYLES };

/* Frees a text that went into an answer: when it could not be made whole, neither can the answer.
 */
void ctl_release(struct prov_buf *answer, struct prov_buf *text);

/*
 * UTF-8 as it is, but control characters, characters that turn the direction of writing, and bytes
 * that are no UTF-8 as \xNN.
 */
void ctl_put_text(struct prov_buf *out, struct prov_span s);

/* Columns that text which ctl_put_text wrote takes up; wide characters are two. */
size_t ctl_width(struct prov_span s);
/* The longest start of it that takes up no more than width columns. */
struct prov_span ctl_cut(struct prov_span s, size_t width);

/* "2025-11-21 02:03:04Z"; "-" for 0. */
void ctl_put_time(struct prov_buf *out, int64_t at_ms);
/* "4 min ago"; "in 3 days" for the future. */
void ctl_put_ago(struct prov_buf *out, int64_t at_ms, int64_t now_ms);
/* "1.5 MB" */
void ctl_put_size(struct prov_buf *out, uint64_t bytes);

/* Text in single quotes for a shell, unless it is plain; false (and nothing written) when it holds
 * what cannot be typed. */
bool ctl_put_shell(struct prov_buf *out, struct prov_span s);

void ctl_style_on(struct prov_buf *out, const struct ctl_look *look, enum ctl_style style);
void ctl_style_off(struct prov_buf *out, const struct ctl_look *look, enum ctl_style style);
/* A certificate's or CA's status word. */
enum ctl_style ctl_style_of(const char *status);

/* Indented by two, members on lines of their own; depth is how deep the value stands already. */
void ctl_put_json(struct prov_buf *out, const cJSON *value, unsigned depth);

#endif
