/* fleet_priv.h - what the two halves of fleet provisioning share with each other and with nobody
 * else. */
#ifndef PROV_FLEET_PRIV_H
#define PROV_FLEET_PRIV_H

#include "fleet.h"

/* Failures that are not the device's. */
static inline bool fleet_transient(enum prov_rc rc)
{
    return rc == PROV_ESTORE || rc == PROV_ENOMEM || rc == PROV_EBUG;
}

/*
 * Makes rc a result where it can be one: PROV_OK (and the reason is set) for a refusal, rc itself
 * for the errors that are the caller's, which get err. PROV_OK stays PROV_OK.
 */
enum prov_rc fleet_result(struct prov_fleet *fleet, struct prov_tx *tx, const struct prov_err *err,
                          enum prov_rc rc, enum prov_reason reason);
/* The device is told `told` instead of the operator's detail; NULL: the reason's own sentence. */
void fleet_refuse(struct prov_fleet *fleet, enum prov_reason reason, const char *detail,
                  const char *told);

/* Is the claim still one, and may it? Its limits in *claim; reason is set when it may not. */
enum prov_rc fleet_check_claim(struct prov_fleet *fleet, struct prov_tx *tx, struct prov_cert *cert,
                               struct prov_claim *claim);

enum prov_rc fleet_prepare_create(struct prov_fleet *fleet, struct prov_tx *tx,
                                  enum prov_fleet_want *want);
enum prov_rc fleet_apply_create(struct prov_fleet *fleet, struct prov_tx *tx);
enum prov_rc fleet_answer_create(const struct prov_fleet *fleet, struct prov_buf *out);
enum prov_rc fleet_create_answered(struct prov_fleet *fleet, struct prov_span answer);

enum prov_rc fleet_prepare_register(struct prov_fleet *fleet, struct prov_tx *tx,
                                    enum prov_fleet_want *want);
enum prov_rc fleet_apply_register(struct prov_fleet *fleet, struct prov_tx *tx);
enum prov_rc fleet_answer_register(const struct prov_fleet *fleet, struct prov_buf *out);
enum prov_rc fleet_register_answered(struct prov_fleet *fleet, struct prov_span answer);

/* detail of what succeeded: what was asked, and with which claim. */
void fleet_describe(struct prov_fleet *fleet);

/* The attempt of what succeeded. */
enum prov_rc fleet_write_attempt(const struct prov_fleet *fleet, struct prov_tx *tx);

#endif
