/* when.h - times as people type them. */
#ifndef CTL_WHEN_H
#define CTL_WHEN_H

#include "core/base.h"

/*
 * "2026-11-30", "2026-11-30 14:00", "2026-11-30T14:00:00Z" (UTC all), "+90m" from now (s, m, h, d),
 * seconds since 1970; "0" for no time. In seconds since 1970; false when it is none of these, or
 * not of the years 1970 to 2105.
 */
bool ctl_parse_time(const char *text, int64_t now_s, int64_t *out_s);

/* "10/min", "5/s", "100/h", "1000/day"; "0" for no rate. */
bool ctl_parse_rate(const char *text, uint32_t *count, uint32_t *seconds);
/* The same of a rate that need not be one of these periods: "10/min", "10 in 90 s". */
void ctl_put_rate(struct prov_buf *out, uint32_t count, uint32_t seconds);

#endif
