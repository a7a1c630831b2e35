/* flow_priv.h - what admission and first contact share with each other and with nobody else. */
#ifndef PROV_FLOW_PRIV_H
#define PROV_FLOW_PRIV_H

#include "flow.h"

/* May this CA bring in new devices now? PROV_REASON_NONE if so. */
enum prov_reason prov_flow_ca_admits(const struct prov_ca *ca, int64_t now_s);

/* Why a certificate of this status is refused; PROV_REASON_NONE where it is not. */
enum prov_reason prov_flow_status_reason(enum prov_cert_status status);

#endif
