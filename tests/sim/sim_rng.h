/* sim_rng.h - chance that comes out the same again: SplitMix64 (Steele, Lea, Flood 2014). */
#ifndef SIM_RNG_H
#define SIM_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct sim_rng {
    uint64_t state; /* the seed; any */
};

static inline uint64_t sim_random(struct sim_rng *rng)
{
    uint64_t z = rng->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* From low to high, both included. */
static inline uint32_t sim_between(struct sim_rng *rng, uint32_t low, uint32_t high)
{
    return low + (uint32_t)(sim_random(rng) % ((uint64_t)high - low + 1));
}

/* So many times in a thousand. */
static inline bool sim_chance(struct sim_rng *rng, uint32_t per_mille)
{
    return per_mille != 0 && sim_between(rng, 1, 1000) <= per_mille;
}

#endif
