#include "conf_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device-agent/core/text.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const char *const sections[] = { "broker",     "device",   "claim",
                                        "parameters", "identity", "service" };
_Static_assert(COUNT(sections) <= CONF_MAX_SECTIONS, "conf_reader has no room for all sections");

/* ---- errors ---------------------------------------------------------------------------------- */

/* The end of a long path says more than its beginning. */
static const char *shown_file(const char *name, char out[static 61])
{
    const size_t n = strlen(name);

    (void)snprintf(out, 61, "%s%s", n > 60 ? "..." : "", n > 60 ? name + n - 57 : name);
    return out;
}

__attribute__((format(printf, 3, 0))) static enum agent_class
tell(const struct conf_reader *r, struct port_result *out, const char *format, va_list args)
{
    char text[AGENT_MAX_MESSAGE], file[61], line[16] = "";

    if (vsnprintf(text, sizeof text, format, args) < 0)
        text[0] = '\0';
    if (r->line != 0)
        (void)snprintf(line, sizeof line, ":%u", r->line);
    return port_fail(out, AGENT_CONFIG, "%s%s: %s%s%s", shown_file(r->name, file), line, r->what,
                     r->what[0] == '\0' ? "" : ": ", text);
}

enum agent_class conf_bad(struct conf_reader *r, const char *format, ...)
{
    enum agent_class class;
    va_list args;

    va_start(args, format);
    class = tell(r, r->result, format, args);
    va_end(args);
    return class;
}

void conf_note(const struct conf_reader *r, const char *format, ...)
{
    struct port_result line;
    va_list args;

    if (r->note == NULL)
        return;
    va_start(args, format);
    (void)tell(r, &line, format, args);
    va_end(args);
    r->note(r->arg, line.text);
}

enum agent_class conf_no_memory(struct conf_reader *r)
{
    return port_fail(r->result, AGENT_LOCAL, "not enough memory to read the configuration");
}

/* A PIN in a URI and a password in a proxy's have one of : ; = @ before them. */
const char *conf_shown(const char *value, char out[static CONF_SHOWN])
{
    static const char legal[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.%-";

    if (value[0] == '\0' || value[strspn(value, legal)] != '\0' || strlen(value) > CONF_SHOWN - 8)
        return "this value";
    (void)snprintf(out, CONF_SHOWN, "'%s'", value);
    return out;
}

const char *conf_shown_name(const char *name, char out[static CONF_SHOWN + 1])
{
    static const char legal[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:-";
    const size_t n = strspn(name, legal);

    (void)snprintf(out, CONF_SHOWN + 1, "%.*s", (int)(n < CONF_SHOWN ? n : CONF_SHOWN), name);
    return out;
}

void conf_at(struct conf_reader *r, const struct conf_row *row)
{
    const char *as = r->as[row - conf_rows];

    r->line = r->given[row - conf_rows];
    if (as != NULL || conf_is_free(row->section))
        (void)snprintf(r->what, sizeof r->what, "%s", as != NULL ? as : row->section);
    else
        (void)snprintf(r->what, sizeof r->what, "%s.%s", row->section, row->key);
}

/* ---- memory: a list of pieces, each with its size before it ---------------------------------- */

struct conf_arena {
    struct conf_arena *next;
    size_t n;
    _Alignas(max_align_t) unsigned char bytes[];
};

void *conf_alloc(struct conf_reader *r, size_t n)
{
    struct conf_arena *piece = calloc(1, sizeof *piece + n);

    if (piece == NULL)
        return NULL;
    piece->n = n;
    piece->next = r->out->arena;
    r->out->arena = piece;
    return piece->bytes;
}

const char *conf_copy(struct conf_reader *r, const char *text)
{
    const size_t n = strlen(text) + 1;
    char *copy = conf_alloc(r, n);

    return copy == NULL ? NULL : memcpy(copy, text, n);
}

void conf_release(struct conf *conf)
{
    struct conf_arena *next;

    for (struct conf_arena *piece = conf->arena; piece != NULL; piece = next) {
        next = piece->next;
        explicit_bzero(piece->bytes, piece->n);
        free(piece);
    }
    memset(conf, 0, sizeof *conf);
}

/* ---- settings -------------------------------------------------------------------------------- */

enum agent_class conf_section(struct conf_reader *r, const char *section)
{
    struct conf_near near = { .word = section };
    char shown[CONF_SHOWN + 1], hint[80];

    r->what[0] = '\0';
    for (size_t i = 0; i < COUNT(sections); i++) {
        conf_near_try(&near, sections[i]);
        if (strcmp(sections[i], section) != 0)
            continue;
        if (r->in[i] != 0)
            return conf_bad(r, "section %s was on line %u already; write all of it there", section,
                            r->in[i]);
        r->in[i] = r->line;
        return AGENT_OK;
    }
    return conf_bad(r, "there is no section '%s'%s", conf_shown_name(section, shown),
                    near.best == NULL ? "; write broker, device, claim, parameters, identity or "
                                        "service"
                                      : conf_near_hint(&near, hint));
}

static enum agent_class fail_unknown(struct conf_reader *r, const char *section, const char *key)
{
    struct conf_near near = { .word = key };
    char shown[CONF_SHOWN + 1], hint[80];

    (void)snprintf(r->what, sizeof r->what, "%s.%s", section, conf_shown_name(key, shown));
    for (size_t i = 0; i < conf_n_rows; i++) {
        if (strcmp(conf_rows[i].section, section) == 0)
            conf_near_try(&near, conf_rows[i].key);
    }
    if (near.best != NULL)
        return conf_bad(r, "there is no such key%s", conf_near_hint(&near, hint));
    for (size_t i = 0; i < conf_n_rows; i++) {
        if (strcmp(conf_rows[i].key, key) == 0)
            return conf_bad(r, "there is no such key; write it in section %s",
                            conf_rows[i].section);
    }
    return conf_bad(r, "there is no such key; leave it out");
}

static bool is_parameter(const char *name)
{
    static const char legal[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_-";
    const size_t n = strlen(name);

    return n >= 1 && n <= CONF_MAX_NAME && strspn(name, legal) == n;
}

/* A place for a further parameter's value. */
static enum agent_class add_parameter(struct conf_reader *r, const char *name, void **field)
{
    const size_t n = r->out->agent.n_params;
    char shown[CONF_SHOWN + 1];

    (void)snprintf(r->what, sizeof r->what, "parameters.%s", conf_shown_name(name, shown));
    if (!is_parameter(name))
        return conf_bad(r, "is no name; write 1 to 128 of A-Z a-z 0-9 : _ -");
    if (n == CONF_MAX_PARAMS)
        return conf_bad(r, "is one too many; write at most %d parameters", CONF_MAX_PARAMS);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(r->out->agent.params[i].name, name) == 0)
            return conf_bad(r, "is given twice; write it once");
    }
    if (n == 0) {
        r->params = conf_alloc(r, CONF_MAX_PARAMS * sizeof *r->params);
        if (r->params == NULL)
            return conf_no_memory(r);
        r->out->agent.params = r->params;
    }
    r->params[n].name = conf_copy(r, name);
    if (r->params[n].name == NULL)
        return conf_no_memory(r);
    *field = &r->params[n].value;
    r->out->agent.n_params++;
    return AGENT_OK;
}

/* A JSON text may hold what a line cannot. */
static bool is_printable(const char *value)
{
    const struct agent_span s = { (const uint8_t *)value, strlen(value) };
    uint32_t c;

    for (size_t at = 0; at < s.n;) {
        if (!agent_utf8_next(s, &at, &c) || c < 0x20 || (c >= 0x7f && c < 0xa0))
            return false;
    }
    return true;
}

static enum agent_class assign(struct conf_reader *r, const struct conf_row *row, const char *value,
                               void *field)
{
    char expanded[CONF_MAX_VALUE];
    enum agent_class class;

    if (!is_printable(value))
        return conf_bad(r, "holds a control character; leave it out");
    if (value[0] == '\0' && !row->rule->empty)
        return conf_bad(r, "has no value; write %s, or leave it out", row->value);
    if (!row->rule->expands)
        return row->rule->read(r, row, value, field);
    class = conf_expand(r, value, expanded);
    return class != AGENT_OK ? class : row->rule->read(r, row, expanded, field);
}

enum agent_class conf_set(struct conf_reader *r, const char *section, const char *key,
                          const char *value, const char *as)
{
    const struct conf_row *row = conf_find(section, key);
    const unsigned line = r->line;
    void *field = NULL;
    enum agent_class class;

    if (row == NULL)
        return fail_unknown(r, section, key);
    if (!conf_is_free(section)) {
        if (r->given[row - conf_rows] != 0) {
            (void)snprintf(r->what, sizeof r->what, "%s.%s", section, key);
            return conf_bad(r, "was given on line %u already; write it once",
                            r->given[row - conf_rows]);
        }
        field = (char *)r->out + row->at;
    } else {
        class = add_parameter(r, key, &field);
        if (class != AGENT_OK)
            return class;
    }
    r->given[row - conf_rows] = line;
    r->as[row - conf_rows] = as;
    if (!conf_is_free(section))
        conf_at(r, row);
    return assign(r, row, value, field);
}

static enum agent_class set_defaults(struct conf_reader *r)
{
    enum agent_class class = AGENT_OK;

    for (size_t i = 0; i < conf_n_rows && class == AGENT_OK; i++) {
        if (conf_rows[i].otherwise[0] != '(')
            class =
                assign(r, &conf_rows[i], conf_rows[i].otherwise, (char *)r->out + conf_rows[i].at);
    }
    return class;
}

/* ---- a whole configuration ------------------------------------------------------------------- */

unsigned conf_line_of(struct agent_span text, const uint8_t *p)
{
    unsigned line = 1;

    for (const uint8_t *q = text.p; q < p; q++)
        line += *q == '\n';
    return line;
}

static enum agent_class check_bytes(struct conf_reader *r, struct agent_span bytes)
{
    uint32_t c;

    if (bytes.n > CONF_MAX_BYTES)
        return conf_bad(r, "is longer than %d bytes; this is no configuration", CONF_MAX_BYTES);
    r->line = 1;
    for (size_t at = 0; at < bytes.n; r->line += c == '\n') {
        if (!agent_utf8_next(bytes, &at, &c))
            return conf_bad(r, "is no UTF-8 text; save it as such");
        if ((c < 0x20 && c != '\n' && c != '\t' && c != '\r') || (c >= 0x7f && c < 0xa0))
            return conf_bad(r, "holds a control character; leave it out");
    }
    r->line = 0;
    return AGENT_OK;
}

static bool is_json(struct agent_span bytes)
{
    size_t at = 0;

    while (at < bytes.n && strchr(" \t\r\n", bytes.p[at]) != NULL)
        at++;
    return at < bytes.n && bytes.p[at] == '{';
}

static enum agent_class parse_ini(struct conf_reader *r, struct agent_span bytes)
{
    char *text = conf_alloc(r, bytes.n + 1); /* wiped with the rest */

    if (text == NULL)
        return conf_no_memory(r);
    if (bytes.n != 0)
        memcpy(text, bytes.p, bytes.n);
    return conf_ini(r, text);
}

enum agent_class conf_parse(const char *name, struct agent_span bytes,
                            void (*note)(void *arg, const char *line), void *arg, struct conf *out,
                            struct port_result *result)
{
    struct conf_reader r = { .name = name, .out = out, .note = note, .arg = arg, .result = result };
    enum agent_class class;

    memset(out, 0, sizeof *out);
    *result = (struct port_result){ 0 };
    class = check_bytes(&r, bytes);
    if (class == AGENT_OK)
        class = set_defaults(&r);
    if (class == AGENT_OK)
        class = is_json(bytes) ? conf_json(&r, bytes) : parse_ini(&r, bytes);
    if (class == AGENT_OK)
        class = conf_check(&r);
    if (class != AGENT_OK)
        conf_release(out);
    return class;
}

/* ---- its file -------------------------------------------------------------------------------- */

/* Who may write it chooses programs that are run as us. */
static enum agent_class check_file(struct conf_reader *r, int fd)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return conf_bad(r, "cannot be read: %s", strerror(errno));
    if (!S_ISREG(st.st_mode))
        return conf_bad(r, "is no file; name a configuration with --config");
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return conf_bad(r, "others may write it, and it names programs to run; chmod go-w it");
    if (st.st_uid != 0 && st.st_uid != geteuid())
        return conf_bad(r, "is another user's, and it names programs to run; chown it to root");
    return AGENT_OK;
}

static enum agent_class read_file(struct conf_reader *r, int fd, uint8_t *out, size_t *n)
{
    ssize_t got;

    *n = 0;
    do {
        got = read(fd, out + *n, CONF_MAX_BYTES + 1 - *n);
        if (got > 0)
            *n += (size_t)got;
    } while ((got > 0 && *n <= CONF_MAX_BYTES) || (got < 0 && errno == EINTR));
    return got < 0 ? conf_bad(r, "cannot be read: %s", strerror(errno)) : AGENT_OK;
}

enum agent_class conf_load(const char *file, void (*note)(void *arg, const char *line), void *arg,
                           struct conf *out, struct port_result *result)
{
    struct conf_reader r = { .name = file, .out = out, .result = result };
    uint8_t *bytes = NULL;
    size_t n = 0;
    enum agent_class class;
    /* not blocking: a pipe of that name is refused, not waited for */
    const int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    memset(out, 0, sizeof *out);
    *result = (struct port_result){ 0 };
    if (fd < 0)
        return conf_bad(&r, "cannot be read: %s; name another with --config", strerror(errno));
    class = check_file(&r, fd);
    if (class != AGENT_OK)
        goto out;
    bytes = malloc(CONF_MAX_BYTES + 1);
    if (bytes == NULL) {
        class = conf_no_memory(&r);
        goto out;
    }
    class = read_file(&r, fd, bytes, &n);
    if (class == AGENT_OK)
        class = conf_parse(file, (struct agent_span){ bytes, n }, note, arg, out, result);
out:
    if (bytes != NULL)
        explicit_bzero(bytes, n);
    free(bytes);
    (void)close(fd);
    return class;
}
