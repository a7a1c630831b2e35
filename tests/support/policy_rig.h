/*
 * policy_rig.h - policies asked in one line: a device with everything that a policy variable can
 * name, and questions to policies that are written with ' for ".
 */
#ifndef SUPPORT_POLICY_RIG_H
#define SUPPORT_POLICY_RIG_H

#include "core/policy.h"

#define ARN "arn:aws:iot:eu-central-1:123456789012:"

#define DOC(statements) "{'Version':'2012-10-17','Statement':[" statements "]}"
#define STATEMENT(effect, action, resource)                                                        \
    "{'Effect':'" effect "','Action':'" action "','Resource':'" resource "'}"
#define ALLOW(action, resource) STATEMENT("Allow", action, resource)
#define DENY(action, resource) STATEMENT("Deny", action, resource)

struct policy_device {
    struct prov_policy_facts facts;
    struct prov_ident ident;
    struct prov_attr attrs[8];
    struct prov_span values[32];
    size_t n_values;
};

/* Client and thing "dev1" of type "lamp" in the region and account of ARN; see the file. */
void policy_device_init(struct policy_device *d);
/* One more value of a field of the certificate; all of a field's values in a row. */
void policy_device_add(struct policy_device *d, struct prov_values *field, const char *value);

/* Checks the documents, which must be in order. Free with prov_policy_set_unref. */
struct prov_policy_set *policy_set(const char *const *quoted, size_t n);
struct prov_policy *policy_session(const char *const *quoted, size_t n,
                                   const struct policy_device *d);
/* Deciding and explaining must give the same verdict, which this is. */
enum prov_verdict policy_verdict(const struct prov_policy *pol,
                                 const struct prov_policy_request *req);
/* All at once: one document, one question. Reading beyond the name's end is seen by ASan. */
enum prov_verdict policy_ask(const char *quoted, const struct policy_device *d,
                             const struct prov_policy_request *req);

/* A file of templates/policies, to be freed. */
char *policy_file(const char *name);

/* ' becomes "; a ^ is left out and its place noted (0 when there is none). */
struct policy_text {
    char json[64 * 1024];
    unsigned line, col;
};
void policy_text_write(struct policy_text *t, const char *quoted);

#endif
