/*
 * siphash.h - SipHash-1-3, a keyed hash for tables whose keys an outsider chooses: without the
 * secret nobody can choose keys that share a place. No signature: 64 bits, and three rounds at the
 * end.
 *
 * Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012, with one round a block
 * and three at the end, as Rust's and Python's tables have it. Ours, because OpenSSL's takes a
 * context and some thousand instructions a call. Thread: any.
 */
#ifndef PROV_SIPHASH_H
#define PROV_SIPHASH_H

#include "base.h"

uint64_t prov_siphash(const uint8_t secret[static 16], struct prov_span s);

#endif
