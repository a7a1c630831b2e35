/*
 * api_priv.h - what the files of the control API share with each other and with nobody else: a
 * table of operations for each kind of object, and how they read requests and make answers.
 */
#ifndef PROV_API_PRIV_H
#define PROV_API_PRIV_H

#include "api.h"
#include "doc.h"
#include "view.h"

/* Each ends with a NULL name; the order of the documentation is this one. */
extern const struct prov_api_op api_ca_ops[], api_cert_ops[], api_transfer_ops[], api_thing_ops[],
    api_principal_ops[], api_group_ops[], api_type_ops[], api_billing_ops[], api_policy_ops[],
    api_test_ops[], api_template_ops[], api_issue_ops[], api_claim_ops[], api_evaluate_ops[],
    api_attempt_ops[], api_status_ops[];

#define API_INVALID "InvalidRequestException"
#define API_INTERNAL "InternalFailureException"

/* ---- tables of fields ------------------------------------------------------------------------ */

#define API_TEXT(name)                                                                             \
    {                                                                                              \
        name, PROV_API_TEXT, false, NULL                                                           \
    }
#define API_TEXT_NEEDED(name)                                                                      \
    {                                                                                              \
        name, PROV_API_TEXT, true, NULL                                                            \
    }
#define API_BOOL(name)                                                                             \
    {                                                                                              \
        name, PROV_API_BOOL, false, NULL                                                           \
    }
#define API_NUMBER(name)                                                                           \
    {                                                                                              \
        name, PROV_API_NUMBER, false, NULL                                                         \
    }
#define API_TEXTS(name)                                                                            \
    {                                                                                              \
        name, PROV_API_TEXTS, false, NULL                                                          \
    }
#define API_OBJECT(name, members)                                                                  \
    {                                                                                              \
        name, PROV_API_OBJECT, false, members                                                      \
    }
#define API_END                                                                                    \
    {                                                                                              \
        NULL, PROV_API_TEXT, false, NULL                                                           \
    }
/* The page of a list; see api_pages. */
#define API_BY_MARKER API_NUMBER("pageSize"), API_TEXT("marker")
#define API_BY_TOKEN API_NUMBER("maxResults"), API_TEXT("nextToken")
/* AWS IoT's lists by marker can be turned around; see api_list. */
#define API_ORDER API_BOOL("ascendingOrder")

/* ---- requests -------------------------------------------------------------------------------- */

/* The member of that name; NULL when there is none. */
const cJSON *api_get(const cJSON *params, const char *key);
/* Empty, false, or the fallback when there is none. */
struct prov_span api_text(const cJSON *params, const char *key);
bool api_bool(const cJSON *params, const char *key);
uint32_t api_number(const cJSON *params, const char *key, uint32_t fallback);

/* PROV_EINVAL about a field of the request. */
PROV_PRINTF(3, 4)
enum prov_rc api_refuse(struct prov_tx *tx, const char *path, const char *fmt, ...);
/* Only one of the two may be there; a bool counts when it is true. */
enum prov_rc api_not_both(struct prov_tx *tx, const cJSON *params, const char *a, const char *b);
/* One of n names, spelled so: its number in *out, which stays as it is when there is none. */
enum prov_rc api_choice(struct prov_tx *tx, const cJSON *params, const char *key,
                        const char *const *names, size_t n, size_t *out);

/* What attributePayload has. */
enum prov_rc api_attrs(struct prov_tx *tx, const cJSON *params,
                       struct prov_attr out[static PROV_MAX_ATTRS], size_t *n);

/* Ids in full or by their first digits. */
enum prov_rc api_ca_id(struct prov_tx *tx, const cJSON *params, const char *key,
                       struct prov_id *out);
enum prov_rc api_cert_id(struct prov_tx *tx, const cJSON *params, const char *key,
                         struct prov_id *out);
/* The same in an ARN, "cert/…", or bare. */
enum prov_rc api_principal(struct prov_tx *tx, const cJSON *params, const char *key,
                           struct prov_id *out);

/* What a policy is attached to. */
struct api_target {
    struct prov_id cert;
    struct prov_span group; /* empty: it is the certificate */
};
enum prov_rc api_target(struct prov_tx *tx, const cJSON *params, struct api_target *out);

/* Takes "arn:aws:iot:<region>:<account>:" of this registry off: "cert/…". PROV_EINVAL when it is
 * another registry's. */
enum prov_rc api_arn_rest(struct prov_tx *tx, const char *key, struct prov_span arn,
                          struct prov_span *rest);

/* The DER of the first certificate of a PEM text; empty when the field is not there. */
enum prov_rc api_pem(struct prov_tx *tx, const cJSON *params, const char *key,
                     struct prov_buf *der);
/* PROV_MAX_CERT_DER and released whatever happens: struct prov_buf der = api_der(). */
struct prov_buf api_der(void);

/* { "targetArn": … } at key. */
struct prov_span api_hook(const cJSON *params, const char *key);
extern const struct prov_api_field api_hook_fields[];

/* ---- lists ----------------------------------------------------------------------------------- */

enum api_pages {
    API_MARKER, /* pageSize, marker, nextMarker */
    API_TOKEN,  /* maxResults, nextToken, nextToken */
};

/* How keys are written in tokens. */
enum api_key { API_KEY_NAME, API_KEY_ID, API_KEY_VERSION, API_KEY_TARGET, API_KEY_VALUE };

struct api_list {
    enum prov_list_kind kind;
    enum api_pages pages;
    enum api_key key;
    const char *rows;        /* "certificates" */
    struct prov_span of;     /* the owner, where the kind has one */
    struct prov_span prefix; /* only keys that begin so: a name, which is ASCII, or one and a NUL */
    /* What is listed of a key; *row stays NULL when it is left out. */
    enum prov_rc (*row)(struct prov_tx *tx, void *ctx, struct prov_span key, cJSON **row);
    void *ctx;
};

enum prov_rc api_list(struct prov_tx *tx, const cJSON *params, const struct api_list *list,
                      cJSON **data);

/* A list that is part of one record: names, in the order that it has them. */
struct api_names {
    enum api_pages pages;
    const char *rows;
    const struct prov_span *names;
    size_t n;
    cJSON *(*row)(struct prov_doc *d, struct prov_span name);
};

enum prov_rc api_names(struct prov_tx *tx, const cJSON *params, const struct api_names *list,
                       cJSON **data);

/* A row that is the name itself, and one of policyName and policyArn. */
cJSON *api_row_text(struct prov_doc *d, struct prov_span name);
cJSON *api_row_policy(struct prov_doc *d, struct prov_span name);
/* The first for api_list. */
enum prov_rc api_key_row(struct prov_tx *tx, void *ctx, struct prov_span key, cJSON **row);

/* The id that is a key of PROV_LIST_CAS, _CERTS and _CERTS_OF_CA; PROV_ESTORE when it is none. */
enum prov_rc api_key_id(struct prov_tx *tx, struct prov_span key, struct prov_id *out);
/* The version that is a key of PROV_LIST_VERSIONS_OF_POLICY and _TEMPLATE. */
enum prov_rc api_key_version(struct prov_tx *tx, struct prov_span key, uint32_t *out);

/* How many a page has, and where it starts. */
enum prov_rc api_page(struct prov_tx *tx, const cJSON *params, enum api_pages pages, size_t *rows,
                      struct prov_span *token);
const char *api_next(enum api_pages pages); /* "nextMarker" */

/* ---- answers --------------------------------------------------------------------------------- */

/* certificateArn and certificateId, kind "cert" or "cacert"; the document goes on. */
struct prov_doc api_about_cert(struct prov_tx *tx, const char *kind, const struct prov_id *id);
/* The same of a name. */
struct prov_doc api_about(struct prov_tx *tx, const char *name_key, const char *arn_key,
                          const char *kind, struct prov_span name);

#endif
