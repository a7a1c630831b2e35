/*
 * claim_file.h - a claim as people have it in their hands: PEM with the certificate and its key in
 * any order, with other blocks around them, or the JSON that CreateProvisioningClaim answers.
 *
 *     {"certificatePem":"…","keyPair":{"PrivateKey":"…"}}     further members are passed over
 *
 * Only the form is looked at here; whether they fit together is keys.h's to say. No allocation.
 */
#ifndef POSIX_CLAIM_FILE_H
#define POSIX_CLAIM_FILE_H

#include "device-agent/port/port.h"

enum { CLAIM_FILE_MAX = 65536 };

/*
 * Certificates (the device's first, its chain in the order that it has) and the one private key,
 * which may not be encrypted. Buffers of AGENT_MAX_CERT and AGENT_MAX_KEY; wiped when it fails.
 * AGENT_ANSWER: what is there cannot be used.
 */
enum agent_class claim_file_read(struct agent_span bytes, struct agent_text *cert,
                                 struct agent_text *key, struct port_result *result);

#endif
