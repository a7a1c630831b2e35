#include "siphash.h"

struct state {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

/* Little-endian, whatever the machine. Written out: gcc makes one load of this, and not of a loop.
 */
static inline uint64_t word(const uint8_t *p)
{
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
           (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 |
           (uint64_t)p[7] << 56;
}

static inline void sip_round(struct state *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 = rotate(s->v0, 32) + s->v3;
    s->v2 += s->v1;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

static inline void absorb(struct state *s, uint64_t w)
{
    s->v3 ^= w;
    sip_round(s);
    s->v0 ^= w;
}

uint64_t prov_siphash(const uint8_t secret[static 16], struct prov_span s)
{
    const uint64_t k0 = word(secret), k1 = word(secret + 8);
    /* "somepseudorandomlygeneratedbytes", as the paper has it */
    struct state state = {
        .v0 = k0 ^ UINT64_C(0x736f6d6570736575),
        .v1 = k1 ^ UINT64_C(0x646f72616e646f6d),
        .v2 = k0 ^ UINT64_C(0x6c7967656e657261),
        .v3 = k1 ^ UINT64_C(0x7465646279746573),
    };
    const size_t whole = s.n & ~(size_t)7;
    uint64_t last = (uint64_t)s.n << 56; /* and below it the bytes that fill no word */

    for (size_t i = 0; i < whole; i += 8)
        absorb(&state, word(s.p + i));
    for (size_t i = whole; i < s.n; i++)
        last |= (uint64_t)s.p[i] << (8 * (i - whole));
    absorb(&state, last);
    state.v2 ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(&state);
    return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}
