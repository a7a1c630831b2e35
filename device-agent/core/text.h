/* text.h - filling a lent buffer, and UTF-8. What fails adds nothing. */
#ifndef AGENT_TEXT_H
#define AGENT_TEXT_H

#include "base.h"

/* Empty, and every byte of it wiped for good; p may be NULL. */
void agent_text_clear(struct agent_text *text);
/* False: it does not fit, the NUL included. */
bool agent_text_add(struct agent_text *text, const void *p, size_t n);
bool agent_text_add_str(struct agent_text *text, const char *s);
/* A character as UTF-8; c is one that agent_utf8_next gives. */
bool agent_text_add_char(struct agent_text *text, uint32_t c);

/* The character at *at, which is below s.n, and moves on. False: no UTF-8 (RFC 3629), or a NUL. */
bool agent_utf8_next(struct agent_span s, size_t *at, uint32_t *c);

#endif
