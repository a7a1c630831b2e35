/*
 * call.h - one operation of the control API (core/api.h), run on the store in the verb's
 * transaction, or through a broker when --url names one. Verbs are written against this alone, so
 * that both ways do the same.
 */
#ifndef CTL_CALL_H
#define CTL_CALL_H

#include "ctl.h"

/* ---- params: a request, in the names of the control API -------------------------------------- */

struct ctl_params {
    cJSON *root;
    bool failed;
};

struct ctl_params ctl_params(void);
/* For params that are not called with after all. */
void ctl_params_drop(struct ctl_params *params);
/* Text that is not UTF-8 has U+FFFD in those places: no name of the registry has such. */
void ctl_put(struct ctl_params *params, const char *key, struct prov_span text);
/* Left out when empty or not given. */
void ctl_put_if(struct ctl_params *params, const char *key, struct prov_span text);
void ctl_put_bool(struct ctl_params *params, const char *key, bool value);
/* Left out when false. */
void ctl_put_flag(struct ctl_params *params, const char *key, bool value);
void ctl_put_number(struct ctl_params *params, const char *key, double value);
/* Takes item; NULL is a failure. */
void ctl_put_item(struct ctl_params *params, const char *key, cJSON *item);
/* { key: value, … } of pairs whose names are checked by the operation. */
void ctl_put_pairs(struct ctl_params *params, const char *key, const struct prov_attr *pairs,
                   size_t n);
/* One that was made apart; it is dropped. */
void ctl_put_params(struct ctl_params *params, const char *key, struct ctl_params *inner);
/* [text]: adds one to the array at key, which is made when there is none. */
void ctl_put_element(struct ctl_params *params, const char *key, struct prov_span text);
/* The object under key: { inner: text }. */
void ctl_put_within(struct ctl_params *params, const char *key, const char *inner,
                    struct prov_span text);
/* A certificate as PEM. */
void ctl_put_pem(struct ctl_params *params, const char *key, struct prov_span der);

/* ---- calling --------------------------------------------------------------------------------- */

/*
 * Releases params, also on failure. The caller owns *data, an empty object when the operation
 * answers nothing, NULL on failure. An error is in ctl->err as the registry has it, from a broker
 * too: text, code, place in a document. An operation that issues certificates ends the transaction
 * and begins another one.
 */
PROV_MUST_USE enum prov_rc ctl_call(struct ctl *ctl, const char *op, struct ctl_params *params,
                                    cJSON **data);

/* The same for an operation whose one field is `key`. */
PROV_MUST_USE enum prov_rc ctl_call_one(struct ctl *ctl, const char *op, const char *key,
                                        struct prov_span text, cJSON **data);

/*
 * What most verbs are: an operation, and its answer in words. Under --json the answer is told as it
 * is. say is called with what was answered, which is wiped: it may hold a private key.
 */
PROV_MUST_USE enum prov_rc ctl_tell(struct ctl *ctl, const char *op, struct ctl_params *params,
                                    enum prov_rc (*say)(struct ctl *ctl, const cJSON *data));
/* Its second half, for verbs that look at the answer first; takes data. */
PROV_MUST_USE enum prov_rc ctl_told(struct ctl *ctl, enum prov_rc rc, cJSON *data,
                                    enum prov_rc (*say)(struct ctl *ctl, const cJSON *data));
/* The first for an operation whose one field is `key`. */
PROV_MUST_USE enum prov_rc ctl_tell_one(struct ctl *ctl, const char *op, const char *key,
                                        struct prov_span text,
                                        enum prov_rc (*say)(struct ctl *ctl, const cJSON *data));

/* A look at something for the sake of a hint: NULL when it fails, and ctl->err stays as it is. */
cJSON *ctl_peek(struct ctl *ctl, const char *op, const char *key, struct prov_span text);

/* ---- answers: what a broker said is looked at as untrusted ----------------------------------- */

/* Empty, zero, false or NULL when the member is not there or of another type; from may be NULL. */
struct prov_span ctl_get(const cJSON *from, const char *key);
double ctl_get_number(const cJSON *from, const char *key);
bool ctl_get_bool(const cJSON *from, const char *key);
const cJSON *ctl_get_object(const cJSON *from, const char *key);
const cJSON *ctl_get_array(const cJSON *from, const char *key);
/* Seconds since 1970, with a fraction, as milliseconds; 0 when not there. */
int64_t ctl_get_time(const cJSON *from, const char *key);
/* A whole number, also as digits in a text, as AWS has policy versions; 0 when not there. */
uint32_t ctl_get_version(const cJSON *from, const char *key);
/* The member of an object in it. */
struct prov_span ctl_get_in(const cJSON *from, const char *key, const char *inner);
/* The text of an array's element, or of an element's member when key is not NULL. */
struct prov_span ctl_element(const cJSON *element, const char *key);
/* What stands behind the "/" in "arn:aws:iot:…:cert/…"; a text without one is it. */
struct prov_span ctl_arn_name(struct prov_span arn);
/* The first 12 digits of an id. */
struct ctl_short_id {
    char text[13];
};
struct ctl_short_id ctl_short(struct prov_span hex);
/* Of the certificateId that an operation answered, or else of what was typed. */
struct ctl_short_id ctl_answered_id(const cJSON *data, struct prov_span typed);

#endif
