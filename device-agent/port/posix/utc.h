/*
 * utc.h - certificates' times. libc's functions go by time_t, which ends in January 2038 where it
 * has 32 bits; certificates do not.
 */
#ifndef POSIX_UTC_H
#define POSIX_UTC_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include <openssl/asn1.h>

/* Seconds since 1970. False when it does not decode, or is NULL. */
bool utc_seconds(const ASN1_TIME *when, int64_t *out_s);

/* Sets the fields up to tm_year, and clears the others. False outside the years 1900 to 9999. */
bool utc_fields(int64_t s, struct tm *out);

#endif
