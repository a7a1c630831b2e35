/*
 * args.h - the command line as tables: nouns have verbs, verbs have words and options. Parsing,
 * help, completion and the tests that compare them with the man page all read the same tables.
 *
 * Thread: main.
 */
#ifndef CTL_ARGS_H
#define CTL_ARGS_H

#include "core/base.h"

struct ctl;

/* Every option there is; whether it takes a value is the same everywhere (args.c has the names). */
enum ctl_opt {
    OPT_DB, /* these five belong to every verb */
    OPT_URL,
    OPT_JSON,
    OPT_HELP,
    OPT_VERSION,
    OPT_ACCOUNT_ID,
    OPT_ACTION,
    OPT_ACTIVE,
    OPT_AFTER,
    OPT_ANY_NETWORK,
    OPT_ANY_TEMPLATE,
    OPT_ATTR,
    OPT_AUTO_REGISTER,
    OPT_BILLING_GROUP,
    OPT_BIND,
    OPT_CA,
    OPT_CAFILE,
    OPT_CERT,
    OPT_CERTIFICATES,
    OPT_CLIENT_CERT,
    OPT_CLIENT_ID,
    OPT_CLIENT_KEY,
    OPT_CSR,
    OPT_DAYS,
    OPT_VALID_FOR,
    OPT_DEFAULT_VERSION,
    OPT_DESCRIPTION,
    OPT_DEVICES,
    OPT_DISABLED,
    OPT_DRY_RUN,
    OPT_ENABLED,
    OPT_ETC,
    OPT_EXCLUSIVE,
    OPT_EXPECTED_VERSION,
    OPT_FACTORY_CA,
    OPT_FILE,
    OPT_FLEET_POLICY,
    OPT_FLEET_TEMPLATE,
    OPT_FORCE,
    OPT_FROM,
    OPT_GROUP,
    OPT_GUIDE,
    OPT_HOOK,
    OPT_ISSUER,
    OPT_ISSUER_CERT,
    OPT_ISSUER_KEY,
    OPT_KEEP_GROUPS,
    OPT_KEY,
    OPT_KEY_TYPE,
    OPT_LIMIT,
    OPT_MESSAGE,
    OPT_NAME,
    OPT_NETWORK,
    OPT_NO_BILLING_GROUP,
    OPT_NO_CA,
    OPT_NO_HOOK,
    OPT_NO_TEMPLATE,
    OPT_NO_TYPE,
    OPT_OTHER_CLIENTS,
    OPT_OUT,
    OPT_PARAM,
    OPT_PARENT,
    OPT_PASSWORD_FILE,
    OPT_PEM,
    OPT_PERSISTENT,
    OPT_PLUGIN,
    OPT_POLICY,
    OPT_PORT,
    OPT_QR,
    OPT_RATE,
    OPT_REASON,
    OPT_REGION,
    OPT_REPLACE,
    OPT_RESOURCE,
    OPT_RETIRE_PREVIOUS,
    OPT_SEARCHABLE,
    OPT_SERVER,
    OPT_SERVER_CERT,
    OPT_SERVER_KEY,
    OPT_SERVER_NAME,
    OPT_SET_DEFAULT,
    OPT_SHARED,
    OPT_SNI_ONLY,
    OPT_SOURCE_IP,
    OPT_STATUS,
    OPT_STRICT,
    OPT_SUSPEND_AFTER,
    OPT_TEMPLATE,
    OPT_TEMPLATES,
    OPT_TIMEOUT,
    OPT_TO,
    OPT_TYPE,
    OPT_UNDO,
    OPT_UNTIL,
    OPT_USED,
    OPT_USER,
    OPT_USERNAME,
    OPT_USES,
    OPT_VALIDITY_DAYS,
    OPT_VERIFICATION_CERT,
    OPT_WILL_TOPIC,
    OPT_YES,
    CTL_OPTS
};

enum ctl_opt_kind {
    CTL_FLAG,
    CTL_SWITCH, /* "on", "off", or nothing, which is "on" */
    CTL_VALUE,
    CTL_VALUES, /* may be given several times, where the verb says so (struct ctl_option) */
};

struct ctl_option {
    enum ctl_opt id;
    const char *value; /* stands for the value in the help; "N" is a whole number; NULL for flags,
                          switches and choices; "NAME…" of one that may be given several times */
    const char *help;  /* NULL ends a table of options */
    const char *const *choices; /* NULL-terminated; given in any case, told as spelled here */
    bool needed;
};

enum ctl_access {
    CTL_NO_STORE,
    CTL_READ,  /* opened read-only, in one read transaction */
    CTL_WRITE, /* created on first use, in one write transaction that is committed on PROV_OK */
    /* The same two, for work on the store itself that goes through no broker. */
    CTL_STORE_READ,
    CTL_STORE_WRITE,
    CTL_STORE_LATER, /* on the store itself, which the verb opens when it knows what it is to do
                        (ctl_open) */
};

struct ctl_verb {
    const char *name;    /* "register", "version create"; "" when the noun is the whole command */
    const char *words;   /* "NAME FILE [VERSION]"; "" for none; "…" for any, see `line` below; the
                            last may be one or more: "NAME VALUE…" */
    const char *summary; /* one line */
    const char *teach;   /* what to know, and examples; "" for nothing to add */
    enum ctl_access access;
    const struct ctl_option *options; /* NULL: only those of every verb */
    enum prov_rc (*run)(struct ctl *ctl);
};

struct ctl_noun {
    const char *name;
    const char *summary;
    const char *teach;
    const struct ctl_verb *verbs;
    size_t n_verbs;
    bool hidden; /* not in the help: for programs */
};

/* In the order of the help. */
extern const struct ctl_noun *const ctl_nouns[];
extern const size_t ctl_n_nouns;

#define CTL_MAX_WORDS 64
#define CTL_MAX_GIVEN 256

struct ctl_given {
    enum ctl_opt id;
    const char *value; /* "" for flags */
};

/* Points into argv. */
struct ctl_args {
    const struct ctl_noun *noun; /* NULL: none was given */
    const struct ctl_verb *verb;
    const char *words[CTL_MAX_WORDS]; /* behind the verb */
    size_t n_words;
    struct ctl_given given[CTL_MAX_GIVEN];
    size_t n_given;
    bool bare;         /* the error is that no verb was given */
    char *const *line; /* all that stands behind "--" */
    size_t n_line;
};

/*
 * Options stand anywhere, as "--name value" or "--name=value"; "--" ends them. PROV_EINVAL fills
 * err with what to correct. With --help among the options, or "help" before the noun, only noun and
 * verb are looked at.
 */
PROV_MUST_USE enum prov_rc ctl_args_parse(int argc, char *const argv[], struct ctl_args *out,
                                          struct prov_err *err);

/* The value of an option; "" for a flag; NULL when it was not given. */
const char *ctl_opt(const struct ctl_args *args, enum ctl_opt id);
bool ctl_has(const struct ctl_args *args, enum ctl_opt id);
/* Whether a switch was given, and how it stands. */
bool ctl_switch(const struct ctl_args *args, enum ctl_opt id, bool *on);
/* The number of an "N" option, or fallback. Parsing has checked it. */
uint32_t ctl_number(const struct ctl_args *args, enum ctl_opt id, uint32_t fallback);
/* The values of an option that may be given several times: start with *at 0, until NULL. */
const char *ctl_next(const struct ctl_args *args, enum ctl_opt id, size_t *at);

/* For help, completion and tests. */
const char *ctl_opt_name(enum ctl_opt id); /* without the dashes */
enum ctl_opt_kind ctl_opt_kind(enum ctl_opt id);
const struct ctl_option *ctl_global_options(void);
/* How to reach the broker of --url: of every verb too, except where the verb has one of that name
 * itself. */
const struct ctl_option *ctl_connection_options(void);
/* The verb's own option; NULL when it has no such thing. */
const struct ctl_option *ctl_own_option(const struct ctl_verb *verb, enum ctl_opt id);
/* The verb's option, or one of every verb; NULL when it takes no such thing. */
const struct ctl_option *ctl_find_option(const struct ctl_verb *verb, enum ctl_opt id);
const struct ctl_noun *ctl_find_noun(const char *name);
/* The verb that the words begin with, and how many words its name is. */
const struct ctl_verb *ctl_find_verb(const struct ctl_noun *noun, const char *const *words,
                                     size_t n_words, size_t *used);
/* CTL_OPTS when there is none of that name. */
enum ctl_opt ctl_find_opt(const char *name, size_t n);

/* What stands behind the option in the help: "ID", "ACTIVE|INACTIVE", "[on|off]" or nothing. */
void ctl_put_value(struct prov_buf *out, const struct ctl_option *option);

/* Is it one that may be given several times? */
bool ctl_repeats(const struct ctl_option *option);

/* The next of the items in "A B C": advances *rest; false at the end. */
bool ctl_item(const char **rest, struct prov_span *item);

/* The candidate that a mistyped word was most likely meant to be, or *best as it is: feed all. */
struct ctl_nearest {
    const char *word;
    const char *best; /* NULL: nothing is close */
    size_t distance;
};
void ctl_nearest_try(struct ctl_nearest *nearest, const char *candidate);

#endif
