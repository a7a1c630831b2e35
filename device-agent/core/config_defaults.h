/*
 * config_defaults.h - every size and time limit of the agent's core, each with its unit, range and
 * reason. A port overrides one by defining it before, on the compiler's command line or in a header
 * named by AGENT_CONFIG_FILE.
 */
#ifndef AGENT_CONFIG_DEFAULTS_H
#define AGENT_CONFIG_DEFAULTS_H

#ifdef AGENT_CONFIG_FILE
#include AGENT_CONFIG_FILE
#endif

/* ---- sizes, in bytes with the NUL ------------------------------------------------------------ */

#ifndef AGENT_MAX_CLIENT_ID
#define AGENT_MAX_CLIENT_ID 129 /* AWS IoT takes 128 */
#endif
#ifndef AGENT_MAX_THING_NAME
#define AGENT_MAX_THING_NAME 129 /* likewise */
#endif
#ifndef AGENT_MAX_TEMPLATE_NAME
#define AGENT_MAX_TEMPLATE_NAME 37 /* likewise 36 */
#endif
#ifndef AGENT_MAX_TOPIC
#define AGENT_MAX_TOPIC 257 /* AWS IoT takes 256; those of fleet provisioning have up to 88 */
#endif
#ifndef AGENT_MAX_TOKEN
#define AGENT_MAX_TOKEN 1025 /* opaque; 464 characters were seen, 512 are recommended */
#endif
#ifndef AGENT_MAX_CSR
#define AGENT_MAX_CSR 4097 /* PEM; AWS IoT takes 4096; one of P-256 has some 500 */
#endif
#ifndef AGENT_MAX_CERT
#define AGENT_MAX_CERT 3073 /* PEM, with its chain; AWS IoT's have some 1,200 */
#endif
#ifndef AGENT_MAX_KEY
#define AGENT_MAX_KEY 2561 /* PEM; an RSA-2048 key has some 1,700 */
#endif
#ifndef AGENT_MAX_CONFIG
#define AGENT_MAX_CONFIG 2049 /* deviceConfiguration, as JSON text */
#endif
#ifndef AGENT_MAX_MESSAGE
#define AGENT_MAX_MESSAGE 256 /* errorMessage, cut */
#endif
#ifndef AGENT_MAX_REQUEST
#define AGENT_MAX_REQUEST (AGENT_MAX_CSR + 256) /* a CSR as JSON: each of its line ends is two */
#endif
#ifndef AGENT_MAX_PAYLOAD
#define AGENT_MAX_PAYLOAD 16384 /* of an answer; what is longer is no answer */
#endif
#ifndef AGENT_MAX_GENERATIONS
#define AGENT_MAX_GENERATIONS 4 /* found at a start: in force, next, and what a power cut left */
#endif
#ifndef AGENT_MAX_JSON_DEPTH
#define AGENT_MAX_JSON_DEPTH 8 /* of an answer; nested values are passed over */
#endif

/* ---- counts ---------------------------------------------------------------------------------- */

#ifndef AGENT_PENDING_TRIES
#define AGENT_PENDING_TRIES 5 /* refusals of a new certificate that pass for "not yet" */
#endif
#ifndef AGENT_PROVE_TRIES
#define AGENT_PROVE_TRIES 10 /* refusals after those: new credentials are given up for others */
#endif
#ifndef AGENT_RENEW_TRIES
#define AGENT_RENEW_TRIES 3 /* likewise, while the ones before still work */
#endif
#ifndef AGENT_SETTLE_MS
#define AGENT_SETTLE_MS 60000 /* after that a connection counts as one that lasts */
#endif
#ifndef AGENT_RENEW_FLOOR_S
#define AGENT_RENEW_FLOOR_S 60 /* between renewals, however short certificates live */
#endif

#endif
