/*
 * sim_world.h - what stands behind a simulated broker: a registry in memory with the templates of
 * templates/, an issuer, a CA of devices, a claim; the operator's doings in it, and what is to be
 * seen there in the end.
 *
 * What cannot be done ends the test, but for what says that it may be refused. Time is the
 * caller's.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "core/claim.h"
#include "core/fleet.h"
#include "core/flow.h"
#include "core/rights.h"
#include "support/pki.h"

#define SIM_T0 INT64_C(1700000000) /* seconds since 1970: when every world begins */

#define SIM_TEMPLATE "fleet-by-serial"
#define SIM_SERIAL "4711"
#define SIM_THING "dev-4711" /* that the templates make of it, and of the factory's certificate */
#define SIM_DAYS 30          /* how long certificates live that are issued here */
#define SIM_TOKEN_S 3600     /* as the plugin's default */
#define SIM_OVERLAP_S 3600   /* of rotation; likewise */
#define SIM_TEMPORARY_S 300  /* a trusted user's claim */

/* Who issues; a prov_issuing. */
struct sim_issuing {
    struct prov_issuing base;
    const struct prov_issuer *issuer;
};

struct sim_world {
    struct prov_store *store;
    struct prov_issuers *issuers;
    struct prov_rights *rights;
    struct sim_issuing issuing;
    struct prov_fleet_conf conf;
    struct prov_err err;  /* of the last transaction */
    struct prov_id claim; /* the claim that is in all devices; registered, ACTIVE */
    struct prov_id ca;    /* of the factory's certificates */
};

/* As it was in this store, which is copied; NULL: as every world begins. */
struct sim_world *sim_world_new(struct prov_store *as);
/* The caller frees. */
struct prov_store *sim_copy_store(struct prov_store *from);
void sim_world_free(struct sim_world *world);

/* ---- what devices are given; PEM that lives as long as the program --------------------------- */

struct sim_credentials {
    const char *cert, *key;
};

/* The factory's, under a CA that lets devices in by a JITP template. */
struct sim_credentials sim_factory(void);
/* The claim in all devices. */
struct sim_credentials sim_golden_claim(void);
/* A trusted user's, for SIM_TEMPLATE and SIM_TEMPORARY_S; the texts live until the next call. */
struct sim_credentials sim_temporary_claim(struct sim_world *world, int64_t now_ms);

/* ---- transactions ---------------------------------------------------------------------------- */

struct prov_tx sim_begin(struct sim_world *world, enum prov_txn_kind kind, int64_t now_ms);
void sim_commit(struct prov_tx *tx);
void sim_abort(struct prov_tx *tx);
/* rc is PROV_OK, or the test ends with what was to be done and why it was not. */
void sim_must(struct sim_world *world, enum prov_rc rc, const char *what);

/* ---- the operator ---------------------------------------------------------------------------- */

/* So many things with the golden claim, and no more. */
void sim_limit_claim(struct sim_world *world, uint32_t uses);
/* What devices need is not there yet: the fleet's template is disabled, and the CA of the factory's
 * certificates has none, so that a person has to register them one by one (JITR). */
void sim_be_late(struct sim_world *world);
/* The template is enabled; a certificate that waits is registered by hand. False: none waited. */
bool sim_put_right(struct sim_world *world, int64_t now_ms);
/* Gives the thing, if there is one, to another owner: all its certificates so far are revoked. */
void sim_reset_thing(struct sim_world *world, int64_t now_ms);
/* What is due by now: tokens, claims, certificates to be retired. */
void sim_sweep(struct sim_world *world, int64_t now_ms);
/* When there is something to sweep again; INT64_MAX: never. */
int64_t sim_sweep_due(struct sim_world *world, int64_t now_ms);

/* ---- looking --------------------------------------------------------------------------------- */

struct sim_sight {
    unsigned things;
    unsigned certs[PROV_CERT_STATUSES]; /* without temporary ones and the golden claim */
    unsigned attached;                  /* certificates that have a thing */
    char problems[512];                 /* that prov_registry_check found; "" */
};
/* thorough: with prov_registry_check, which takes its time. */
struct sim_sight sim_look(struct sim_world *world, bool thorough, int64_t now_ms);

/* PROV_CERT_STATUSES: it is not there. */
enum prov_cert_status sim_status(struct sim_world *world, const struct prov_id *cert,
                                 int64_t now_ms);
/* Could a device connect with it under this client id, and stay? Nothing comes of asking. */
bool sim_admits(struct sim_world *world, X509 *leaf, const char *client_id, int64_t now_ms);

#endif
