#include "text.h"

#include <string.h>

/* Called through a volatile pointer, so that no optimiser takes it for a store nobody reads. */
static void *(*const volatile wipe)(void *, int, size_t) = memset;

void agent_text_clear(struct agent_text *text)
{
    text->n = 0;
    if (text->p != NULL)
        (void)wipe(text->p, 0, text->cap);
}

bool agent_text_add(struct agent_text *text, const void *p, size_t n)
{
    if (text->p == NULL || text->n >= text->cap || n >= text->cap - text->n)
        return false;
    if (n != 0)
        memcpy(text->p + text->n, p, n);
    text->n += n;
    text->p[text->n] = '\0';
    return true;
}

bool agent_text_add_str(struct agent_text *text, const char *s)
{
    return agent_text_add(text, s, strlen(s));
}

bool agent_text_add_char(struct agent_text *text, uint32_t c)
{
    const uint8_t last = (uint8_t)(0x80 | (c & 0x3f));
    const uint8_t second = (uint8_t)(0x80 | ((c >> 6) & 0x3f));
    const uint8_t third = (uint8_t)(0x80 | ((c >> 12) & 0x3f));

    if (c < 0x80)
        return agent_text_add(text, (const uint8_t[]){ (uint8_t)c }, 1);
    if (c < 0x800)
        return agent_text_add(text, (const uint8_t[]){ (uint8_t)(0xc0 | c >> 6), last }, 2);
    if (c < 0x10000)
        return agent_text_add(text, (const uint8_t[]){ (uint8_t)(0xe0 | c >> 12), second, last },
                              3);
    return agent_text_add(text, (const uint8_t[]){ (uint8_t)(0xf0 | c >> 18), third, second, last },
                          4);
}

/* How many bytes follow this first one; 4: it is none. */
static size_t following(uint8_t first)
{
    if (first < 0x80)
        return 0;
    if ((first & 0xe0) == 0xc0)
        return 1;
    if ((first & 0xf0) == 0xe0)
        return 2;
    return (first & 0xf8) == 0xf0 ? 3 : 4;
}

bool agent_utf8_next(struct agent_span s, size_t *at, uint32_t *c)
{
    static const uint32_t least[] = { 1, 0x80, 0x800, 0x10000 };
    const uint8_t *p = s.p + *at;
    const size_t more = following(*p);

    if (more > 3 || more >= s.n - *at)
        return false;
    *c = more == 0 ? *p : *p & (0x3fu >> more);
    for (size_t i = 1; i <= more; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return false;
        *c = *c << 6 | (p[i] & 0x3fu);
    }
    if (*c < least[more] || *c > 0x10ffff || (*c >= 0xd800 && *c <= 0xdfff))
        return false;
    *at += more + 1;
    return true;
}
