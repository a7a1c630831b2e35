/* conf_priv.h - what the files of conf.h share. A configuration is read by one conf_reader. */
#ifndef POSIX_CONF_PRIV_H
#define POSIX_CONF_PRIV_H

#include "conf.h"
#include "device-agent/core/json.h"

enum { CONF_MAX_ROWS = 40, CONF_MAX_SECTIONS = 8, CONF_MAX_NAME = 128, CONF_MAX_VALUE = 4096 };

struct conf_reader {
    const char *name;
    struct conf *out;
    void (*note)(void *arg, const char *line);
    void *arg;
    struct port_result *result;

    unsigned line; /* of what is being read; 0: of none */
    char what[48]; /* it, as the file calls it; "": nothing that has a name */

    unsigned given[CONF_MAX_ROWS];  /* the line of each row that was given; 0: it was not */
    const char *as[CONF_MAX_ROWS];  /* its name in another program's form; NULL: its own */
    unsigned in[CONF_MAX_SECTIONS]; /* the line that began each section */
    struct agent_param *params;     /* out->agent.params, to write to */
};

/* ---- conf.c ---------------------------------------------------------------------------------- */

/* AGENT_CONFIG, and a text from line, what and this. Texts have up to 130 characters, so that none
 * is cut off. */
__attribute__((format(printf, 2, 3))) enum agent_class conf_bad(struct conf_reader *r,
                                                                const char *format, ...);
/* Likewise, to whom notes go. */
__attribute__((format(printf, 2, 3))) void conf_note(const struct conf_reader *r,
                                                     const char *format, ...);
enum agent_class conf_no_memory(struct conf_reader *r);
/* "'8884'", or "this value" if it is long or may hold a secret. */
#define CONF_SHOWN 32
const char *conf_shown(const char *value, char out[static CONF_SHOWN]);
/* The part of a name that can be shown: up to 32 of A-Z a-z 0-9 _ . : - */
const char *conf_shown_name(const char *name, char out[static CONF_SHOWN + 1]);

/* Zeroed, until conf_release. NULL: no memory. */
void *conf_alloc(struct conf_reader *r, size_t n);
const char *conf_copy(struct conf_reader *r, const char *text);

/* What conf_bad speaks of from now on. */
void conf_at(struct conf_reader *r, const struct conf_row *row);

/* A section begins at r->line. */
enum agent_class conf_section(struct conf_reader *r, const char *section);
/* A setting at r->line. as: what r's form calls it, a literal, or NULL. */
enum agent_class conf_set(struct conf_reader *r, const char *section, const char *key,
                          const char *value, const char *as);

/* ---- conf_rows.c ----------------------------------------------------------------------------- */

/* NULL: there is none. */
const struct conf_row *conf_find(const char *section, const char *key);
bool conf_given(const struct conf_reader *r, const char *section, const char *key);
bool conf_is_free(const char *section); /* [parameters], whose names are not in the table */

/* ---- conf_rule.c: values --------------------------------------------------------------------- */

struct conf_rule {
    enum agent_class (*read)(struct conf_reader *r, const struct conf_row *row, const char *value,
                             void *field);
    bool expands;                    /* ${…} */
    bool empty;                      /* an empty text is a value */
    uint32_t lo, hi, unit;           /* of numbers; seconds, unit of them in the field */
    size_t width;                    /* of the field, in bytes */
    const char *const *words;        /* NULL at the end */
    bool (*legal)(const char *text); /* of texts */
};
extern const struct conf_rule conf_host, conf_port, conf_path, conf_alpn, conf_proxy,
    conf_keep_alive, conf_timeout, conf_interval, conf_client_id, conf_method, conf_template,
    conf_any_text, conf_keys_of, conf_key_place, conf_after_use, conf_parameter, conf_key_type,
    conf_uri, conf_group, conf_percent, conf_yes_no, conf_topic, conf_payload, conf_program,
    conf_socket;

/* ---- conf_check.c: how settings go together; sets what follows from them --------------------- */
enum agent_class conf_check(struct conf_reader *r);

/* ---- conf_machine.c -------------------------------------------------------------------------- */

/* value with ${…} replaced, in out. */
enum agent_class conf_expand(struct conf_reader *r, const char *value,
                             char out[static CONF_MAX_VALUE]);

/* ---- conf_near.c ----------------------------------------------------------------------------- */

/* The candidate that was probably meant: feed all of them. */
struct conf_near {
    const char *word;
    const char *best; /* NULL: none is close */
    size_t distance;
};
void conf_near_try(struct conf_near *near, const char *candidate);
/* "; did you mean 'port'?", or "". */
const char *conf_near_hint(const struct conf_near *near, char out[static 80]);

/* ---- the forms ------------------------------------------------------------------------------- */

enum agent_class conf_ini(struct conf_reader *r, char *text); /* which it changes */
enum agent_class conf_json(struct conf_reader *r, struct agent_span text);
/* aws-iot-device-client's: what conf_json finds a member "endpoint" in. */
enum agent_class conf_aws(struct conf_reader *r, struct agent_span text);

/* The line of a place in text. */
unsigned conf_line_of(struct agent_span text, const uint8_t *p);
/* A string as text of the reader's; if not free, of which values are texts, also a number, or true
 * and false: "yes", "no". */
enum agent_class conf_json_value(struct conf_reader *r, const struct agent_json_member *member,
                                 bool free, const char **out);
/* A member's name, as far as it can be one that is known. */
void conf_json_name(const struct agent_json_member *member, char out[static CONF_MAX_NAME + 2]);
/* After agent_json_next gave false. */
enum agent_class conf_json_end(struct conf_reader *r, const struct agent_json *json);

#endif
