/*
 * trust.h - which client certificates a TLS handshake accepts (design D1).
 *
 * Mosquitto loads plugins before it makes its listeners. An ex_data index with a new-function sees
 * every SSL_CTX made afterwards and gives those of servers a verify callback of ours: a CA or a
 * single leaf is trusted the moment it is registered, and not a moment longer. OpenSSL 3.0 to 3.6;
 * only the SSL_CTX may be touched in the new-function. Thread: broker.
 */
#ifndef PROV_TRUST_H
#define PROV_TRUST_H

#include "core/event.h"
#include "plugin.h"

/* PROV_EBUG when OpenSSL has no index to give. Nothing of trust may be used after prov_trust_stop.
 */
PROV_MUST_USE enum prov_rc prov_trust_start(struct prov_plugin *pl, struct prov_trust **out,
                                            struct prov_err *err);
void prov_trust_stop(struct prov_trust *trust); /* NULL is accepted */

/*
 * What the handshake decided about this very certificate object; NULL when it was not asked (a
 * resumed session). Lives as long as the certificate.
 */
const struct prov_decision *prov_trust_decision(const struct prov_trust *trust, X509 *leaf);

/*
 * Why a client that disconnects does so, as far as its TLS connection tells; for brokers that do
 * not say. Only while the broker's DISCONNECT callback runs. PROV_CONNECTION_LOST when nothing is
 * known (a resumed session).
 */
enum prov_disconnect prov_trust_farewell(const struct prov_trust *trust,
                                         const struct mosquitto *client);

#endif
