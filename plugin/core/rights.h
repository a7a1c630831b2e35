/*
 * rights.h - which policies a session has, compiled, and shared by all sessions that have the same.
 *
 * A session's policies are its certificate's, and those of the groups of the connection's thing and
 * of their ancestors (reference 8.4). The connection's thing is the certificate's exclusive one, or
 * the attached thing whose name is the client id (7.4). A temporary claim has one policy, which is
 * in no list: connecting, and provisioning by its template (1.6, 1.10).
 *
 * Thread: one at a time (the broker's). Policies handed out stay good when the cache forgets.
 */
#ifndef PROV_RIGHTS_H
#define PROV_RIGHTS_H

#include "registry.h"

struct prov_rights;

PROV_MUST_USE enum prov_rc prov_rights_new(struct prov_rights **out);
void prov_rights_free(struct prov_rights *rights); /* NULL is accepted */

/*
 * After PROV_CHANGED_POLICY: another document may be in force under this name. An empty name: all.
 * True when there was something to forget, so that some session may use it.
 */
bool prov_rights_forget(struct prov_rights *rights, struct prov_span policy_name);

/* Who asks. leaf may be NULL: the certificate is then read from the store if a variable needs it.
 */
struct prov_who {
    struct prov_span client_id, source_ip;
    X509 *leaf;
};

/* The connection's thing; empty when it has none. Lives as long as cert's spans. */
struct prov_span prov_rights_thing(const struct prov_cert *cert, struct prov_span client_id);

/*
 * The compiled policy of a session of cert. What cannot be read is an error, never a policy that is
 * missing a Deny. The caller frees with prov_policy_free.
 */
PROV_MUST_USE enum prov_rc prov_rights_policy(struct prov_rights *rights, struct prov_tx *tx,
                                              const struct prov_cert *cert,
                                              const struct prov_who *who, struct prov_policy **out);

/* The same policies by name, in the order of the documents in the set (for explanations). That of a
 * temporary claim has no name, and is the last document. */
PROV_MUST_USE enum prov_rc
prov_rights_names(struct prov_tx *tx, const struct prov_cert *cert, struct prov_span client_id,
                  void (*visit)(void *ctx, struct prov_span policy, struct prov_span group),
                  void *ctx);

#endif
