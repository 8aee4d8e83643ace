/* xoshiro256** 1.0 (Blackman and Vigna, public domain algorithm): the one generator of the program,
 * always seeded by the caller, so that whatever uses it can be replayed. Not for secrets. */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stdint.h>

struct rng {
    uint64_t s[4];
};

void rng_seed(struct rng *rng, uint64_t seed); /* splitmix64 spreads the seed */
uint64_t rng_next(struct rng *rng);
uint64_t rng_below(struct rng *rng, uint64_t bound); /* uniform in [0, bound); bound > 0 */
double rng_unit(struct rng *rng);                    /* uniform in [0, 1) */

#endif
