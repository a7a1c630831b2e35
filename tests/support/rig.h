/*
 * rig.h - what most broker tests begin with: a registry with a factory CA, a template and its
 * policies, and a stock broker with the plugin on it. The test changes the registry as provctl
 * would, from a process of its own.
 *
 * Every call fails the test when what it promises does not happen.
 */
#ifndef SUPPORT_RIG_H
#define SUPPORT_RIG_H

#include "core/attempt.h"
#include "core/registry.h"
#include "support/broker.h"
#include "support/expect.h"
#include "support/mqtt.h"
#include "support/pki.h"

/* Zeroed: the CA is ACTIVE, registers automatically and has template "by-cn"
 * (templates/jitp-by-cn.json). */
struct rig_spec {
    bool no_ca;                    /* register none */
    bool no_template;              /* the CA has no template */
    const struct broker_opt *opts; /* further plugin options, ended by a NULL key */
    bool persistence;
    bool plain;                       /* a second, plain listener… */
    const char *const *users;         /* …with a password file */
    enum broker_ws ws[BROKER_WS_MAX]; /* listeners for websockets */
    const char *lines, *tls_lines;
    const X509 *const *cafile;
};

struct rig {
    char *dir;
    char db[512];
    struct pki_cert server, ca;
    struct prov_id ca_id;
    struct prov_store *store;
    struct broker_opt opts[16];
    struct broker_options options;
    struct broker *broker; /* NULL until rig_start */
};

/* Everything but the broker. */
void rig_prepare(struct rig *rig, const struct rig_spec *spec);
/* A further plugin option, before rig_start; key and value live as long as the rig. */
void rig_add_opt(struct rig *rig, const char *key, const char *value);
void rig_start(struct rig *rig);
/* Both. */
void rig_up(struct rig *rig, const struct rig_spec *spec);
void rig_down(struct rig *rig);

/* ---- the registry ---------------------------------------------------------------------------- */

/* A transaction whose errors are printed; what: PROV_TXN_READ or PROV_TXN_WRITE. */
struct prov_tx rig_begin(struct rig *rig, enum prov_txn_kind what);
void rig_end(struct prov_tx *tx); /* commits what was to be written */
/* rc must be PROV_OK; otherwise the test fails with the transaction's error. */
#define rig_ok(tx, rc) rig_ok_at((tx), (rc), __FILE__, __LINE__)
void rig_ok_at(const struct prov_tx *tx, enum prov_rc rc, const char *file, int line);

/* A file of templates/, to be freed. */
char *rig_template_file(const char *name);

struct prov_id rig_register_ca(struct rig *rig, const struct pki_cert *ca, bool auto_registration,
                               const char *template_name);
void rig_create_policy(struct rig *rig, const char *name, const char *document);
void rig_create_template(struct rig *rig, const char *name, const char *body);
void rig_set_status(struct rig *rig, const struct pki_cert *device, enum prov_cert_status status);
/* Changes the CA's state; NULL leaves a field. */
void rig_update_ca(struct rig *rig, const struct prov_id *ca, const bool *active,
                   const bool *auto_registration, const char *template_name);

/* The certificate's status; false when it is not registered. */
bool rig_status(struct rig *rig, const struct pki_cert *device, enum prov_cert_status *status);
#define rig_expect_status(rig, device, want)                                                       \
    do {                                                                                           \
        enum prov_cert_status got_;                                                                \
        assert_true(rig_status((rig), (device), &got_));                                           \
        assert_string_equal(prov_cert_status_name(got_), prov_cert_status_name(want));             \
    } while (0)
bool rig_has_thing(struct rig *rig, const char *name);

/* Waits for an attempt of this certificate (NULL: of any) with this reason; the newest is what
 * counts. */
void rig_expect_attempt(struct rig *rig, const struct pki_cert *device, enum prov_reason reason);
/* `provctl explain` of the certificate must tell this. */
void rig_expect_explained(struct rig *rig, const struct pki_cert *device, const char *text);

/* ---- devices --------------------------------------------------------------------------------- */

/* A device certificate of the rig's CA. */
struct pki_cert rig_device(const struct rig *rig, const char *cn);

/* How a device connects; good for one call that takes mqtt_options. */
struct rig_link {
    struct mqtt_tls tls;
    struct mqtt_options options;
    bool encrypted; /* options.tls is to point at tls */
};
struct rig_link rig_link(const struct rig *rig, const struct pki_cert *device,
                         const char *client_id);
/* Over a websocket, to the listener of this kind. */
struct rig_link rig_ws_link(const struct rig *rig, enum broker_ws kind,
                            const struct pki_cert *device, const char *client_id);

/* First contact to session: dropped, provisioned, in. */
struct mqtt *rig_join(struct rig *rig, const struct pki_cert *device, const char *client_id);
/* Dropped, and recorded by the time this returns, whatever the template made of it. */
void rig_first_contact(struct rig *rig, const struct pki_cert *device, const char *client_id);

#endif
