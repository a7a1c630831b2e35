/*
 * slow.h - a store on storage that is slower than this machine's: commits take as long as the
 * syncs that they are made of would there.
 */
#ifndef BENCH_SLOW_H
#define BENCH_SLOW_H

#include "core/store.h"

/*
 * LMDB syncs twice in a commit: the data, then the page that leads to it (which is written to a
 * descriptor opened with O_DSYNC).
 */
#define SLOW_SYNCS_PER_COMMIT 2

/*
 * From now on a commit of this store returns no sooner than its syncs would on storage that allows
 * so many a second; what it really took counts. One store in a process, before its first use by
 * other threads.
 */
void slow_store(struct prov_store *store, uint64_t syncs_per_s);

#endif
