/*
 * store_mem.h - a store in memory, for tests, fuzzing and simulation (one process).
 *
 * Slow and strict: each commit is a new version of whole tables, and what a write transaction reads
 * is a copy that is freed as soon as the contract lets go of it, so that a sanitizer sees a span
 * used for too long. It has no maximum (usage says 0) and no backup. A write transaction begun
 * where this thread has one already is PROV_EBUG.
 */
#ifndef PROV_STORE_MEM_H
#define PROV_STORE_MEM_H

#include "core/store.h"

PROV_MUST_USE enum prov_rc prov_store_mem_new(const struct prov_schema *schema,
                                              struct prov_store **out);

/*
 * Fault injection: the n-th put, del or commit from now on (counting from 1) fails with
 * PROV_ESTORE, as a full disk would, and only that one; 0 switches it off.
 */
void prov_store_mem_fail_after(struct prov_store *st, unsigned n);

#endif
