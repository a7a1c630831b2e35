/*
 * fleet_scene.h - fleet provisioning without a broker: a registry with a claim, a template and what
 * that refers to, an issuer, and requests that go their way step by step or all at once.
 *
 *     static void device_is_told_the_thing(void **state)
 *     {
 *         struct scene *s = *state;
 *         char token[PROV_TOKEN_LEN + 1];
 *         struct prov_fleet *fleet;
 *
 *         (void)scene_certificate(s, NULL, token);
 *         fleet = scene_done(s, &(struct scene_ask){ .op = PROV_REGISTER_THING, .token = token,
 *                                                    .params = "{'Serial':'1'}" });
 *         scene_expect(fleet, PROV_REASON_PROVISIONED);
 *     }
 *
 * SCENE_MAIN runs every test on both stores, as reg_fixture.h's REG_MAIN does.
 */
#ifndef SUPPORT_FLEET_SCENE_H
#define SUPPORT_FLEET_SCENE_H

#include "support/reg_fixture.h"

#include <cjson/cJSON.h>

#include "core/fleet.h"

#define SCENE_TEMPLATE "tpl"
#define SCENE_CLIENT "installer-1"
#define SCENE_ADDRESS "192.0.2.7"
#define SCENE_DAYS 3650 /* how long certificates live */
#define SCENE_TTL_S 3600
#define SCENE_MAX_ASKED 64

/* Parts of template bodies; ' stands for ". */
#define SCENE_CERT(status)                                                                         \
    "'c':{'Type':'AWS::IoT::Certificate','Properties':"                                            \
    "{'CertificateId':{'Ref':'AWS::IoT::Certificate::Id'}" status "}}"
#define SCENE_THING(properties)                                                                    \
    "'t':{'Type':'AWS::IoT::Thing','Properties':{"                                                 \
    "'ThingName':{'Fn::Join':['-',['dev',{'Ref':'Serial'}]]}" properties "}}"
#define SCENE_POLICY "'p':{'Type':'AWS::IoT::Policy','Properties':{'PolicyName':'p'}}"
#define SCENE_PARAMS "'Parameters':{'Serial':{'Type':'String'}}"

/* Who issues, and what comes of asking for it. */
struct scene_issuing {
    struct prov_issuing base;
    struct prov_issuer *issuer;
    enum prov_rc rc;
};

struct scene {
    struct reg *r;
    struct prov_fleet_conf conf;
    struct scene_issuing issuing;
    struct pki_cert ca; /* the issuer's; not registered */
    struct prov_id claim;
    const char *address;
    prov_attempt_id attempt;
    /* the scene's own */
    struct prov_fleet *asked[SCENE_MAX_ASKED];
    size_t n_asked;
};

struct scene_ask {
    enum prov_fleet_op op;
    enum prov_format format;
    const char *template_name; /* of RegisterThing; NULL: SCENE_TEMPLATE */
    const char *token, *csr;
    const char *params;          /* of RegisterThing, a JSON object with ' for "; NULL: none */
    const char *raw;             /* instead of all that, the payload as it is; may be empty */
    const struct prov_id *claim; /* NULL: the scene's */
};

int scene_setup(void **state);
int scene_teardown(void **state);

#define SCENE_TEST(f) cmocka_unit_test_setup_teardown(f, scene_setup, scene_teardown)
#define SCENE_MAIN(tests) REG_MAIN(tests)

/* ---- requests -------------------------------------------------------------------------------- */

/* As the broker takes it on; the scene frees it, or scene_drop does. */
struct prov_fleet *scene_new(struct scene *s, const struct scene_ask *ask);
void scene_drop(struct scene *s, struct prov_fleet *fleet);
/* What a worker does, in a read transaction: succeeds, and has written nothing. */
enum prov_fleet_want scene_prepare(struct scene *s, struct prov_fleet *fleet);
/* Gives it a new key, of EC. */
void scene_give_key(struct prov_fleet *fleet);
/* What the writer does, committed; the registry is sound afterwards. */
void scene_apply(struct scene *s, struct prov_fleet *fleet);
/* All the way: hooks answer this (' for "), or nothing when it is NULL. */
void scene_finish(struct scene *s, struct prov_fleet *fleet, const char *hook_answer);
/* scene_new and scene_finish, without hooks. */
struct prov_fleet *scene_done(struct scene *s, const struct scene_ask *ask);

/* How it went, by the reason's name. */
#define scene_expect(fleet, reason) scene_expect_at((fleet), (reason), __FILE__, __LINE__)
void scene_expect_at(const struct prov_fleet *fleet, enum prov_reason reason, const char *file,
                     int line);
/* What the device is told, in its format; to be freed with cJSON_Delete. */
cJSON *scene_answer(const struct prov_fleet *fleet);
/* A text in it; fails when it is none. */
const char *scene_text(const cJSON *answer, const char *key);
/* It is told this, three fields and no more; message NULL: any. */
#define scene_expect_rejected(fleet, status, code, message)                                        \
    scene_expect_rejected_at((fleet), (status), (code), (message), __FILE__, __LINE__)
void scene_expect_rejected_at(const struct prov_fleet *fleet, int status, const char *code,
                              const char *message, const char *file, int line);

/* A certificate by CSR, with its token, for this claim; NULL: the scene's. */
struct prov_id scene_certificate(struct scene *s, const struct prov_id *claim,
                                 char token[static PROV_TOKEN_LEN + 1]);
/* RegisterThing for device dev-SERIAL, with a certificate of its own: PROVISIONED. */
struct prov_id scene_device(struct scene *s, const char *serial);

/* ---- the world ------------------------------------------------------------------------------- */

/* A CSR, PEM; lives as long as the scene. subject as in struct pki_spec. */
const char *scene_csr(struct scene *s, EVP_PKEY *key, const char *subject);
/* Of type FLEET_PROVISIONING, committed. hook may be NULL. */
void scene_template(struct scene *s, const char *name, const char *quoted_body, const char *hook);
void scene_change_template(struct scene *s, const char *name,
                           const struct prov_template_change *change);
/* Of the scene's claim. */
void scene_limit(struct scene *s, const struct prov_claim_change *change);
void scene_suspend(struct scene *s);
void scene_spend(struct scene *s);
void scene_delete_cert(struct scene *s, const struct prov_id *id);
/* A trusted user's claim for that template, good for so many seconds. */
struct prov_id scene_temporary(struct scene *s, const char *template_name, int64_t seconds);
void scene_cert_status(struct scene *s, const struct prov_id *id, enum prov_cert_status status);
struct prov_cert scene_cert(struct scene *s, const struct prov_id *id);
/* The X.509 certificate of that id, as the registry has it; to be freed. */
X509 *scene_x509(struct scene *s, const struct prov_id *id);
unsigned scene_attempts(struct scene *s);

#endif
