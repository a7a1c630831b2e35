/*
 * synth.h - certificates by the million: one is made and signed, the others are that one with
 * another name, serial, key and signature written over its own, byte for byte of the same length.
 *
 * Each has a valid key, a different one, and a signature that is well formed and does not verify:
 * good for a registry, which checks it before and not again, but not for a handshake.
 */
#ifndef BENCH_SYNTH_H
#define BENCH_SYNTH_H

#include "bench.h"
#include "support/pki.h"

struct synth;

/* What cannot be made ends the program. */
struct synth *synth_new(const struct pki_cert *ca);
void synth_free(struct synth *s); /* NULL is accepted */

/*
 * The certificate of device 17, with the CN "dev-0000017"; DER that lives until the next call.
 * Fastest in the order of the numbers.
 */
struct prov_span synth_make(struct synth *s, uint64_t number);

#endif
