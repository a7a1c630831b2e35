/*
 * utc.h - UTC in its forms: seconds since 1970, fields, ASN.1. libc's functions for it go by
 * time_t, which ends in January 2038 where it has 32 bits; certificates do not.
 */
#ifndef PROV_UTC_H
#define PROV_UTC_H

#include <time.h>

#include <openssl/asn1.h>

#include "base.h"

/* Days from 1970-01-01 in the Gregorian calendar. month is 1 to 12; a day outside the month counts
 * on from it. */
int64_t prov_utc_days(int64_t year, int64_t month, int64_t day);

/* Seconds since 1970. Of the fields those up to tm_year count, and tm_mon is 0 to 11; others may be
 * outside their range. */
int64_t prov_utc_of_fields(const struct tm *tm);
/* False outside the years 1900 to 9999. Sets the fields up to tm_year, and clears the others. */
bool prov_utc_fields(int64_t s, struct tm *out);

/* False when it does not decode; out is untouched then. OpenSSL's error queue may have more. */
bool prov_utc_of_asn1(const ASN1_TIME *when, int64_t *out_s);
/* As RFC 5280 has times (4.1.2.5). False outside the years 1900 to 9999, and without memory. */
bool prov_utc_to_asn1(int64_t s, ASN1_TIME *out);

#endif
