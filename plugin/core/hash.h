/* hash.h - uthash, told not to end the process when memory runs out: an element that could not be
 * added has hh.tbl == NULL afterwards. */
#ifndef PROV_HASH_H
#define PROV_HASH_H

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#endif
