/* flow_priv.h - what admission and first contact share with each other and with nobody else. */
#ifndef PROV_FLOW_PRIV_H
#define PROV_FLOW_PRIV_H

#include "flow.h"

/* May this CA bring in new devices now? PROV_REASON_NONE if so. */
enum prov_reason prov_flow_ca_admits(const struct prov_ca *ca, int64_t now_s);

/* The template that is to be evaluated; empty: none. */
struct prov_span prov_contact_template(const struct prov_contact *contact,
                                       const struct prov_ca *ca);

/*
 * What the hook decided without a template: a plan of what it named; or the reason why there is
 * none, with its message. True: there is nothing to evaluate (*rc is how it went).
 */
bool prov_contact_hook_decides(struct prov_contact *contact, const struct prov_ca *ca,
                               enum prov_rc *rc);

/* The certificate's built-in parameters and what the hook overrides, of which the id is never one.
 * out has room for PROV_CONTACT_PARAMS. */
#define PROV_CONTACT_PARAMS (PROV_BUILTIN_PARAMS + PROV_MAX_HOOK_OVERRIDES + 1)
size_t prov_contact_params(const struct prov_contact *contact, const struct prov_ident *ident,
                           struct prov_span id_hex,
                           struct prov_param out[static PROV_CONTACT_PARAMS]);

#endif
