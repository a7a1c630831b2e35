/*
 * hook.h - what a hook is asked and what it may answer: the operator's own program that decides
 * about one device (reference section 3; design D3, D10). Running it is run/hook.h's.
 *
 * Two uses have one shape. An activation hook belongs to a CA and decides what becomes of a
 * certificate that a first contact recorded (AWS IoT leaves that to whoever listens to the
 * registered event). A pre-provisioning hook belongs to a fleet template and decides whether
 * RegisterThing goes on.
 *
 * Thread: any.
 */
#ifndef PROV_HOOK_H
#define PROV_HOOK_H

#include "base.h"
#include "limits.h"
#include "template.h"

/* ---- where it is ----------------------------------------------------------------------------- */

enum prov_hook_kind { PROV_HOOK_EXEC, PROV_HOOK_HTTPS };

#define PROV_MAX_HOOK 2048 /* bytes of a spec, as AWS has for a targetArn */

/* "exec:/path/of/a/program" or "https://host[:port]/…". Points into the text. */
struct prov_hook_spec {
    enum prov_hook_kind kind;
    struct prov_span target; /* the path; the whole URL */
};

/*
 * PROV_EINVAL, with what is wrong and what would be right: another scheme (http:// too, for
 * requests carry certificates and answers decide who gets in); a path that is not absolute, ends in
 * "/", has ".." or control characters or is not UTF-8; a URL without a host, with user and
 * password, a fragment or a character that RFC 3986 does not have (white space, "\", non-ASCII: a
 * host outside ASCII is written in its "xn--" form). PROV_ETOOBIG.
 */
PROV_MUST_USE enum prov_rc prov_hook_spec_parse(struct prov_span text, struct prov_hook_spec *out,
                                                struct prov_err *err);

/* ---- what it is asked ------------------------------------------------------------------------ */

enum prov_hook_use { PROV_HOOK_ACTIVATION, PROV_HOOK_PRE_PROVISIONING };

#define PROV_MAX_HOOK_PARAMS 1024

/* Empty texts are left out of the request. */
struct prov_hook_request {
    enum prov_hook_use use;
    struct prov_span certificate_id;       /* 64 hex digits: the new certificate */
    struct prov_span certificate_pem;      /* of the new certificate */
    struct prov_span ca_certificate_id;    /* activation: the CA that signed it */
    struct prov_span claim_certificate_id; /* pre-provisioning: of the claim's connection */
    struct prov_span template_arn;         /* pre-provisioning; activation when the CA has one */
    struct prov_span client_id;            /* of the connection */
    /* activation: the certificate's built-in ones; of several with one name the last counts */
    struct prov_params parameters;
};

/*
 * One JSON object: the fields of reference section 3, in its order, with caCertificateId in the
 * place of claimCertificateId for activation hooks; `parameters` is there also when it is empty.
 * Text that is not UTF-8 has U+FFFD in those places. Replaces what out holds; nothing is left in it
 * on failure. PROV_ENOMEM, PROV_ETOOBIG (out's maximum, PROV_MAX_HOOK_PARAMS).
 */
PROV_MUST_USE enum prov_rc prov_hook_request_json(const struct prov_hook_request *request,
                                                  struct prov_buf *out);

/* ---- what it answers ------------------------------------------------------------------------- */

enum prov_hook_decision {
    PROV_HOOK_ACTIVATE, /* pre-provisioning: go on */
    PROV_HOOK_LEAVE,    /* activation only: it stays PENDING_ACTIVATION, for somebody else or for
                           the device's next try */
    PROV_HOOK_REJECT,   /* activation: it becomes INACTIVE; pre-provisioning: nothing is made */
};

#define PROV_MAX_HOOK_ANSWER 131072 /* bytes */
#define PROV_MAX_HOOK_MESSAGE 256
#define PROV_MAX_HOOK_OVERRIDES 128

/*
 * Texts live as long as the answer. Names are checked for their form, not whether they exist, and
 * whatever the decision; they and the overrides mean something with PROV_HOOK_ACTIVATE only.
 */
struct prov_hook_answer {
    enum prov_hook_decision decision;
    struct prov_span message;     /* why, for the operator: any UTF-8 text; may be empty */
    struct prov_params overrides; /* parameterOverrides */
    struct prov_span thing_name;  /* the rest: activation only; may be empty */
    struct prov_span template_name;
    struct prov_span policies[PROV_MAX_CERT_POLICIES]; /* policyNames */
    size_t n_policies;
};

/*
 * Strict JSON, one object. `allowProvisioning` true or false is ACTIVATE or REJECT; an activation
 * hook may say `decision` ("activate", "leave", "reject") instead, or both when they agree
 * (false goes with leave and reject). A pre-provisioning hook must say allowProvisioning, and a
 * `decision` beside it must agree and be no "leave"; the names are unknown fields there. Unknown
 * fields are ignored, as by AWS IoT. Neither of the two, a wrong type (null is one), a name that
 * cannot be one, templateName together with thingName or policyNames (the template decides those),
 * too many of something, a parameter longer than a template takes: PROV_EINVAL with the place in
 * err. A message is cut to PROV_MAX_HOOK_MESSAGE bytes. PROV_ETOOBIG beyond PROV_MAX_HOOK_ANSWER.
 */
PROV_MUST_USE enum prov_rc prov_hook_answer_parse(struct prov_span text, enum prov_hook_use use,
                                                  struct prov_hook_answer **out,
                                                  struct prov_err *err);
void prov_hook_answer_free(struct prov_hook_answer *answer); /* NULL is accepted */

#endif
