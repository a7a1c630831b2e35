/* core_limits.h - where there is more room than the core's defaults ask for: certificates with a
 * chain of RSA keys, and RSA-4096 keys of claims. Included by core/config_defaults.h. */
#ifndef POSIX_CORE_LIMITS_H
#define POSIX_CORE_LIMITS_H

#define AGENT_MAX_CERT 16385
#define AGENT_MAX_KEY 8193

#endif
