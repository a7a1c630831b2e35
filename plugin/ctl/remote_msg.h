/*
 * remote_msg.h - what goes over the wire to a broker's control API and comes back, as bytes:
 * one command a message, and its answer, which is untrusted.
 *
 * Thread: any.
 */
#ifndef CTL_REMOTE_MSG_H
#define CTL_REMOTE_MSG_H

#include <cjson/cJSON.h>

#include "core/base.h"

#define CTL_MAX_CORRELATION 32

/*
 * {"commands":[{"command":…, "correlationData":…, and what params has}]}. out has
 * PROV_MAX_API_PAYLOAD as its maximum and is initialised here. PROV_ENOMEM, PROV_ETOOBIG.
 */
PROV_MUST_USE enum prov_rc ctl_message_make(const char *op, const char *correlation,
                                            const cJSON *params, struct prov_buf *out,
                                            struct prov_err *err);

/*
 * *ours: is it the answer to that message? If not, PROV_OK and nothing else. *data is the answer's,
 * an empty object when it has none, and the caller's; err is filled as the registry has it, in
 * bounds whatever was answered. PROV_EBUG: what no broker with this control API answers.
 */
PROV_MUST_USE enum prov_rc ctl_message_read(struct prov_span text, const char *correlation,
                                            bool *ours, cJSON **data, struct prov_err *err);

#endif
