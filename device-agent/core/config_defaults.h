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

/* ---- sizes, in bytes with the NUL -------------------------------------------------------------
 */

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
#define AGENT_MAX_TOPIC 128 /* the longest topic of fleet provisioning has 88 characters */
#endif
#ifndef AGENT_MAX_TOKEN
#define AGENT_MAX_TOKEN 1025 /* opaque; 464 characters were seen, 512 are recommended */
#endif
#ifndef AGENT_MAX_CSR
#define AGENT_MAX_CSR 4097 /* PEM; AWS IoT takes 4096; one of P-256 has some 500 */
#endif
#ifndef AGENT_MAX_CERT
#define AGENT_MAX_CERT 4097 /* PEM; AWS IoT's have some 1,200 */
#endif
#ifndef AGENT_MAX_KEY
#define AGENT_MAX_KEY 4097 /* PEM; an RSA-2048 key has some 1,700 */
#endif
#ifndef AGENT_MAX_CONFIG
#define AGENT_MAX_CONFIG 2049 /* deviceConfiguration, as JSON text */
#endif
#ifndef AGENT_MAX_MESSAGE
#define AGENT_MAX_MESSAGE 256 /* errorMessage, cut */
#endif
#ifndef AGENT_MAX_JSON_DEPTH
#define AGENT_MAX_JSON_DEPTH 8 /* of an answer; nested values are passed over */
#endif

#endif
