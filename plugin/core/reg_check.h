/* reg_check.h - what prov_registry_check's files share. */
#ifndef PROV_REG_CHECK_H
#define PROV_REG_CHECK_H

#include "reg.h"

#define REG_SHOWN_MAX 128

struct reg_check {
    struct prov_tx tx;
    struct prov_err err;
    enum prov_rc rc; /* not PROV_OK: the walk cannot go on */
    void (*problem)(void *ctx, const char *text);
    void *ctx;
    struct reg_counts counts; /* of certificates that decode, by status */
    const char *what;         /* of the record at hand */
    char name[REG_SHOWN_MAX + 1];
};

/* "<what> <name> …" */
PROV_PRINTF(2, 3) void reg_report(const struct reg_check *c, const char *fmt, ...);
/* Is it there? Once the store has failed, nothing more is asked and nothing said. */
bool reg_there(struct reg_check *c, enum reg_table table, struct prov_span key);
/* The record at hand refers to one of `table`; tells of it when that is not there. */
bool reg_need(struct reg_check *c, enum reg_table table, const char *noun, struct prov_span key);
/* … and the index that leads back must have it. */
void reg_need_link(struct reg_check *c, enum reg_link kind, const char *noun,
                   struct prov_span owner, struct prov_span member);
/* Reads the record behind a reference; false when it is not there or damaged, which is told of
 * elsewhere. */
bool reg_other_side(struct reg_check *c, enum reg_table table, const struct prov_record *type,
                    struct prov_span key, void *object);

/* What is no record, one each (reg_check_raw.c). */
void reg_check_meta(struct reg_check *c, struct prov_span key, struct prov_span value);
void reg_check_client(struct reg_check *c, struct prov_span key, struct prov_span value);
void reg_check_der(struct reg_check *c, struct prov_span key, struct prov_span value);
void reg_check_link(struct reg_check *c, struct prov_span key, struct prov_span value);
void reg_check_revoked(struct reg_check *c, struct prov_span key, struct prov_span value);
/* reg_check_claim.c; waiting: what a certificate waits for. */
void reg_check_due(struct reg_check *c, struct prov_span key, struct prov_span value);
void reg_check_value(struct reg_check *c, struct prov_span key, struct prov_span value);
void reg_check_claim(struct reg_check *c, struct prov_span key, const void *object);
void reg_check_waiting(struct reg_check *c, struct prov_span id, const struct prov_cert *cert);
/* After the walk: what was counted along the way against what the store says. */
void reg_check_counts(struct reg_check *c);

#endif
