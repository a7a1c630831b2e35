/* store_mem.h - a store in memory, for tests, fuzzing and simulation (one process, one thread). */
#ifndef PROV_STORE_MEM_H
#define PROV_STORE_MEM_H

#include "core/store.h"

PROV_MUST_USE enum prov_rc prov_store_mem_new(const struct prov_schema *schema,
                                              struct prov_store **out);

/*
 * Fault injection: the n-th put, del or commit from now on (counting from 1) fails with
 * PROV_ESTORE, as a full disk would; 0 switches it off.
 */
void prov_store_mem_fail_after(struct prov_store *st, unsigned n);

#endif
