/* fate.h - what would become of a registered certificate if its device connected now. */
#ifndef CTL_FATE_H
#define CTL_FATE_H

#include "core/flow.h"

struct ctl_fate {
    enum prov_outcome outcome;
    enum prov_reason reason; /* PROV_REASON_NONE when let in */
    struct prov_id ca;
    bool asked_policy; /* the client id was known, so the policies were asked */
};

/* client_id may be empty: then the policies cannot be asked. */
PROV_MUST_USE enum prov_rc ctl_fate_of(struct prov_tx *tx, const struct prov_cert *cert,
                                       struct prov_span client_id, struct prov_span address,
                                       struct ctl_fate *out);

#endif
