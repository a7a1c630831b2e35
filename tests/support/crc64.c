#include "support/crc64.h"

/* The polynomial as the standard writes it, most significant bit first, and the ends turned: not
 * the way the agent does it. */
static uint64_t turned(uint64_t value, unsigned bits)
{
    uint64_t out = 0;

    for (unsigned i = 0; i < bits; i++)
        out |= (value >> i & 1) << (bits - 1 - i);
    return out;
}

uint64_t test_crc64(const uint8_t *p, size_t n)
{
    uint64_t crc = UINT64_MAX;

    for (size_t i = 0; i < n; i++) {
        crc ^= turned(p[i], 8) << 56;
        for (int bit = 0; bit < 8; bit++)
            crc = crc << 1 ^ ((crc >> 63) != 0 ? UINT64_C(0x42f0e1eba9ea3693) : 0);
    }
    return ~turned(crc, 64);
}

static void put(uint8_t *to, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
}

void test_seal_bytes(uint8_t *record, size_t n)
{
    put(record + n - 8, test_crc64(record, n - 8), 8);
}

void test_seal_state(uint8_t *record, size_t n)
{
    put(record + 6, n, 4);
    test_seal_bytes(record, n);
}
