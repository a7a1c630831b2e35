/*
 * fleet_rig.h - fleet provisioning in broker tests: rig.h's broker with an issuer beside its
 * registry, a claim certificate whose policy is the narrow one of reference 1.6, and a template of
 * type FLEET_PROVISIONING for things "pump-<Serial>".
 *
 * Every call fails the test when what it promises does not happen.
 */
#ifndef SUPPORT_FLEET_RIG_H
#define SUPPORT_FLEET_RIG_H

#include "support/fleet_ask.h"
#include "support/rig.h"

#define FLEET_POLICY "telemetry-device" /* what the template attaches; rig.h's */
#define FLEET_SPARE_POLICY                                                                         \
    "any-template" /* attached to nothing: RegisterThing with any template                         \
                    */

struct fleet_rig {
    struct rig rig;
    struct pki_cert issuer, claim;
    struct prov_id claim_id;
};

/* After rig_prepare or operator_prepare of f->rig, or rig_start. */
void fleet_fill(struct fleet_rig *f);
/* All of it, started. opts as in struct rig_spec. */
void fleet_up(struct fleet_rig *f, const struct broker_opt *opts);
void fleet_down(struct fleet_rig *f);

/* The issuer's files, where the plugin looks for them by itself; fleet_fill has put them there. */
void fleet_put_issuer(const struct fleet_rig *f);
void fleet_remove_issuer(const struct fleet_rig *f);

/* ---- the registry ---------------------------------------------------------------------------- */

extern const char fleet_template[]; /* the body of FLEET_TEMPLATE */

/* Of type FLEET_PROVISIONING and enabled; hook may be NULL. */
void fleet_create_template(struct fleet_rig *f, const char *name, const char *body,
                           const char *hook);
/* A further claim: registered, ACTIVE, with the policy. */
struct pki_cert fleet_make_claim(struct fleet_rig *f, const char *cn, const char *policy);
struct prov_id fleet_id(const X509 *cert);
void fleet_attach(struct fleet_rig *f, const struct prov_id *cert, const char *policy);
void fleet_detach(struct fleet_rig *f, const struct prov_id *cert, const char *policy);
/* A record of the certificate, or false. */
bool fleet_status(struct fleet_rig *f, const struct prov_id *cert, enum prov_cert_status *status);
#define fleet_expect_status(f, cert, want)                                                         \
    do {                                                                                           \
        enum prov_cert_status got_;                                                                \
        assert_true(fleet_status((f), (cert), &got_));                                             \
        assert_string_equal(prov_cert_status_name(got_), prov_cert_status_name(want));             \
    } while (0)
/* Waits until it has been deleted, or has this status. */
void fleet_wait_deleted(struct fleet_rig *f, const struct prov_id *cert);
void fleet_wait_status(struct fleet_rig *f, const struct prov_id *cert,
                       enum prov_cert_status status);

/* All that the lists name, in text, to be compared and freed: what a refusal must leave alone. */
char *fleet_dump(struct fleet_rig *f);
/* prov_registry_check finds nothing. */
void fleet_check(struct fleet_rig *f);

/* ---- devices --------------------------------------------------------------------------------- */

/* A certificate that was issued, with its key. */
struct fleet_device {
    struct pki_cert cert;
    struct prov_id id;
    char token[PROV_TOKEN_LEN + 1];
};

void fleet_device_free(struct fleet_device *d);

/* Connected with the rig's claim, another one, or what a device has. */
struct mqtt *fleet_claim(const struct fleet_rig *f, const char *client_id);
struct mqtt *fleet_connect(const struct fleet_rig *f, const struct pki_cert *cert,
                           const char *client_id);
/* The same by MQTT 5. */
struct mqtt *fleet_connect5(const struct fleet_rig *f, const struct pki_cert *cert,
                            const char *client_id);

/* What an accepted create told, checked field by field: id, key and certificate belong together.
 * key: the CSR's; NULL: it is in the answer. */
struct fleet_device fleet_take_device(const struct fleet_answer *answer, EVP_PKEY *key);
/* CreateCertificateFromCsr with a new key. */
struct fleet_device fleet_create(struct mqtt *c, enum prov_format format, const char *cn);
/* RegisterThing, accepted: the thing is pump-<serial>, the configuration the template's. */
void fleet_register(struct mqtt *c, enum prov_format format, const struct fleet_device *d,
                    const char *serial);
/* All of it: with the claim, by CSR, in JSON; the connection is closed. */
struct fleet_device fleet_provision(const struct fleet_rig *f, const char *serial);
/* Connected as pump-<serial> with what was issued. */
struct mqtt *fleet_join(const struct fleet_rig *f, const struct fleet_device *d,
                        const char *serial);

/* ---- hooks that wait --------------------------------------------------------------------------
 *
 * hook_dir for the broker, scripts in it, and a gate: a script that runs FLEET_WAIT stands there
 * until the test lets it go.
 */

#define FLEET_WAIT "cat \"$(dirname \"$0\")/gate\" >/dev/null; "

/* Before rig_start; timeout_ms as text that lives as long as the rig. */
void fleet_use_hooks(struct fleet_rig *f, const char *timeout_ms);
/* Writes the script NAME; its spec in out. */
const char *fleet_hook(const struct fleet_rig *f, const char *name, const char *script,
                       char out[static 600]);
/* Waits until a script stands at the gate; the descriptor that keeps it there. close() lets it
 * go. */
int fleet_gate(const struct fleet_rig *f);

#endif
