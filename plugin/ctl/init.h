/*
 * init.h - `provctl init` as a guide to a working broker. A plan is made of answers, which come
 * from options, from a person, or are the defaults; what is there already is looked at and never
 * changed; then what is missing is made.
 *
 * Thread: main.
 */
#ifndef CTL_INIT_H
#define CTL_INIT_H

#include <openssl/types.h>

#include "call.h"
#include "init_mosquitto.h"
#include "new_file.h"

#define INIT_NAMES 1024
/* A certificate that ends sooner is told of. */
#define INIT_SOON_S (INT64_C(90) * 86400)

/* ---- the plan -------------------------------------------------------------------------------- */

enum init_issuer { INIT_ISSUER_NONE, INIT_ISSUER_MAKE, INIT_ISSUER_OWN };

struct init_policy {
    char name[PROV_MAX_NAME + 1];
    char file[INIT_PATH]; /* empty: not known, so it must be in the registry */
    bool there;           /* in the registry */
};

/* How devices join, and what becomes of them. */
struct init_way {
    bool wanted;
    enum prov_template_type type;
    char name[PROV_MAX_TEMPLATE_NAME + 1];
    char file[INIT_PATH];
    bool there;
    struct init_policy policies[PROV_MAX_CERT_POLICIES]; /* what the template attaches */
    size_t n_policies;
    bool replaced; /* policies[0] stands in the place of the one that the file names */
};

struct init_plan {
    char account_id[13], region[33]; /* empty: the store's */
    struct init_way factory, claim;
    struct init_policy claim_policy; /* of claims that many devices share; name empty: none */
    char factory_ca[INIT_PATH];      /* empty: registered later */
    bool factory_ca_there;
    enum init_issuer issuer;
    char issuer_cert[INIT_PATH], issuer_key[INIT_PATH]; /* of INIT_ISSUER_OWN */
    unsigned port;
    char bind[64]; /* empty: all addresses */
    bool own_server;
    char server_cert[INIT_PATH], server_key[INIT_PATH];
    char server_names[INIT_NAMES]; /* "a,b": of the one that is made */
    bool others_allowed;
};

/* ---- where things are, and what is there ----------------------------------------------------- */

struct init_places {
    char db[INIT_PATH], etc[INIT_PATH], templates[INIT_PATH], plugin[INIT_PATH];
    char main_conf[INIT_PATH]; /* etc/mosquitto.conf */
    char conf_dir[INIT_PATH];  /* etc/conf.d */
    char conf[INIT_PATH];      /* etc/conf.d/provisioning.conf */
    char dir[INIT_PATH];       /* etc/provisioning */
    /* below it */
    char server_cert[INIT_PATH], server_key[INIT_PATH], server_ca[INIT_PATH],
        server_ca_key[INIT_PATH];
    char issuer_cert[INIT_PATH], issuer_key[INIT_PATH]; /* in the store's directory */
    char user[33];                                      /* the broker's */
    bool owned; /* we are root, and that user exists: what the broker needs becomes its */
    struct ctl_owner owner, root;
};

struct init_found {
    bool store;
    struct prov_settings settings;
    bool templates; /* the registry has one at least */
    bool issuer, server, server_ca;
    struct init_mosquitto mosquitto;
    bool conf;        /* its configuration loads the plugin */
    bool server_lost; /* and names a server's certificate of ours that is not there */
};

struct init {
    struct ctl *ctl;
    bool asking, dry_run;
    struct init_places places;
    struct init_found found;
    struct init_plan plan;
    char host[256];           /* what the broker is called by its certificate; empty: not known */
    bool shown;               /* the plan was told to the person */
    struct prov_buf warnings; /* a line each */
};

/* Names the places, from the options. */
PROV_MUST_USE enum prov_rc init_find_places(struct init *in);
/* Fills in->found. */
PROV_MUST_USE enum prov_rc init_look(struct init *in);
/* Can it be done at all? Before anything is asked. */
PROV_MUST_USE enum prov_rc init_check(struct init *in);
/* What of the plan is there already, and what will not work: in->warnings. */
PROV_MUST_USE enum prov_rc init_weigh(struct init *in);

/* Does the configuration still have to be written? And the server's certificate be made? */
bool init_wants_conf(const struct init *in);
bool init_wants_server(const struct init *in);
/* … here, because it is not there, and is not one that somebody has? */
bool init_makes_server(const struct init *in);

/* ---- answers ---------------------------------------------------------------------------------
 *
 * PROV_EINVAL and err when an answer will not do: the plan is then as it was, or will be answered
 * again.
 */

struct init_choice {
    const char *name, *text; /* name NULL ends a list */
};

struct init_question {
    enum ctl_opt option; /* which answers it too */
    const char *title, *why;
    const struct init_choice *choices; /* NULL: a text */
    bool other;                        /* something that is not among the choices will do too */
    bool (*applies)(const struct init *in);
    const char *unless; /* why the option has nothing to do there when it does not apply */
    /* The default; empty when there is none and optional is false. */
    void (*fallback)(const struct init *in, char out[static INIT_PATH]);
    enum prov_rc (*set)(struct init *in, const char *answer);
    bool optional; /* empty is an answer */
};

/* Goes through all questions. */
PROV_MUST_USE enum prov_rc init_answer(struct init *in);
/* Asks one until the answer will do. An error when the input ends first. */
PROV_MUST_USE enum prov_rc init_ask(struct init *in, const struct init_question *q);
/* Is it the answer that will not do, and no failure of ours? */
bool init_is_mistake(enum prov_rc rc);
/* "y" or "n"; Enter is yes. */
PROV_MUST_USE enum prov_rc init_confirm(struct init *in, const char *question, bool *yes);

PROV_MUST_USE enum prov_rc init_set_template(struct init *in, struct init_way *way,
                                             const char *answer);
PROV_MUST_USE enum prov_rc init_set_policy(struct init *in, struct init_way *way,
                                           const char *answer);
PROV_MUST_USE enum prov_rc init_set_names(struct init *in, const char *answer);
PROV_MUST_USE enum prov_rc init_set_server_cert(struct init *in, const char *answer);
PROV_MUST_USE enum prov_rc init_set_server_key(struct init *in, const char *answer);
PROV_MUST_USE enum prov_rc init_set_issuer_cert(struct init *in, const char *answer);
PROV_MUST_USE enum prov_rc init_set_issuer_key(struct init *in, const char *answer);
PROV_MUST_USE enum prov_rc init_set_factory_ca(struct init *in, const char *answer);

/* The file that an answer names, as an absolute path. */
PROV_MUST_USE enum prov_rc init_set_path(struct init *in, const char *answer,
                                         char out[static INIT_PATH]);
/* A certificate in PEM, as the broker wants its own; of several the first. */
PROV_MUST_USE enum prov_rc init_load_cert(struct init *in, const char *file, X509 **out);
/* Is it an address, of IPv4 or IPv6? */
bool init_is_address(const char *text);
/* rc, whose error becomes "FILE: …", for files that are gone when it is told. */
PROV_MUST_USE enum prov_rc init_about(struct init *in, const char *file, enum prov_rc rc);
/* Is there something of this name in the registry? */
bool init_registered(struct init *in, const char *op, const char *key, const char *name);

/* ---- doing ----------------------------------------------------------------------------------- */

/* What is made, or is there, in the order it is made in. */
enum init_state { INIT_THERE, INIT_MISSING };
typedef void init_row(void *ctx, const char *kind, const char *name, const char *of,
                      enum init_state state);
void init_rows(const struct init *in, init_row *row, void *ctx);
bool init_is_missing(const struct init *in); /* anything */

/* All that is missing. What was interrupted is completed by the next run. */
PROV_MUST_USE enum prov_rc init_make(struct init *in);
/* The template's body, with the policy that was chosen. */
PROV_MUST_USE enum prov_rc init_way_body(struct init *in, const struct init_way *way,
                                         struct prov_buf *out);
/* Can the server's certificate be made, if it has to be? */
PROV_MUST_USE enum prov_rc init_check_server(struct init *in);
/* The server's CA, if there is none, and a certificate of it. */
PROV_MUST_USE enum prov_rc init_make_server(struct init *in);
/* The lines of places.conf. */
void init_put_conf(const struct init *in, struct prov_buf *out);

/* ---- telling --------------------------------------------------------------------------------- */

/* In lines that fit the terminal, below an indent of two. */
void init_say_text(struct ctl *ctl, struct prov_span text);
void init_say_found(struct init *in);
void init_say_plan(struct init *in);
void init_say_warnings(struct init *in);
PROV_PRINTF(2, 3) void init_warn(struct init *in, const char *fmt, ...);
/* What was made, and what to do next. */
void init_say_done(struct init *in);
PROV_MUST_USE enum prov_rc init_answer_json(struct init *in);
/* A command to go on with, and what it is for; command NULL: a word in between. */
typedef void init_step(void *ctx, const char *what, const char *command);
void init_next(const struct init *in, init_step *step, void *ctx);

#endif
