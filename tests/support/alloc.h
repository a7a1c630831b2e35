/*
 * alloc.h - one allocation of this thread fails, to see that nothing is lost or leaked by it.
 *
 *     for (unsigned n = 1;; n++) {
 *         alloc_fail_at(n);
 *         rc = op();
 *         if (!alloc_failed())
 *             break;
 *         assert_int_equal(rc, PROV_ENOMEM);
 *     }
 *     assert_int_equal(rc, PROV_OK);
 *
 * Link with -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc: what the test program's own objects
 * allocate is counted, and what cJSON allocates, too. OpenSSL's is when alloc_count_openssl says
 * so.
 */
#ifndef TEST_ALLOC_H
#define TEST_ALLOC_H

#include <stdbool.h>

/* The n-th allocation from now on (counting from 1) fails, and only that one. */
void alloc_fail_at(unsigned n);
/* Did it? Switches off, so that the asserts behind it can allocate. */
bool alloc_failed(void);
/* Allocations of this thread since alloc_fail_at or alloc_count_reset; for "this allocates
 * nothing". */
unsigned alloc_count(void);
void alloc_count_reset(void);

/* This thread; off at first. */
void alloc_count_openssl(bool on);
/*
 * Does OpenSSL say of every allocation of its own that failed that it was memory? In 3.5 (not in
 * 3.0, nor in 3.6) some end as other errors, so that good input looks bad when memory is short, and
 * in verifying an ECDSA signature one ends the program.
 */
bool alloc_openssl_tells(void);

#endif
