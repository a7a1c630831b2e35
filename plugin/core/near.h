/* near.h - what a mistyped word was most likely meant to be. Thread: any. */
#ifndef PROV_NEAR_H
#define PROV_NEAR_H

#include "base.h"

/* The candidate that begins with word or takes the fewest edits, case aside: feed all of them, of
 * 64 bytes at most. */
struct prov_near {
    struct prov_span word;
    const char *best; /* NULL: there was no candidate */
    size_t distance;
    bool close; /* most likely what was meant */
};
void prov_near_try(struct prov_near *near, const char *candidate);

#endif
