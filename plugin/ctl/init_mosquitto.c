#include "init_mosquitto.h"

#include <ctype.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define LINE_MAX_BYTES 8192
#define MAX_DEPTH 4 /* of files that include files; the broker itself has no limit */

static const char plugin_name[] = "mosquitto_provisioning.so";

struct listener {
    unsigned port;
    bool certificates; /* require_certificate */
    char certfile[INIT_PATH], keyfile[INIT_PATH];
};

struct reader {
    struct init_mosquitto *out;
    const char *conf_dir;
    const char *file;
    bool loads; /* this file has loaded the plugin */
    size_t first_port;
    struct listener now, found; /* the listener that is being described; the file's for devices */
};

static void copy(char out[static INIT_PATH], const char *value)
{
    if (!prov_span_copy(prov_span_str(value), out, INIT_PATH))
        out[0] = '\0';
}

/* ---- lines ----------------------------------------------------------------------------------- */

static void end_listener(struct reader *r)
{
    if (r->now.certificates && r->found.port == 0)
        r->found = r->now;
    r->now = (struct listener){ 0 };
}

static void add_port(struct reader *r, const char *value)
{
    struct init_mosquitto *m = r->out;
    const unsigned long port = strtoul(value, NULL, 10);

    end_listener(r);
    if (port == 0 || port > 65535)
        return;
    r->now.port = (unsigned)port;
    if (m->n_ports == INIT_PORTS)
        return;
    m->ports[m->n_ports++] = (unsigned)port;
}

static void take_plugin(struct reader *r, const char *value)
{
    const size_t n = strlen(value), own = sizeof plugin_name - 1;

    if (n < own || strcmp(value + n - own, plugin_name) != 0)
        return;
    r->loads = true;
    copy(r->out->plugin_file, r->file);
}

static bool is_true(const char *value)
{
    return strcmp(value, "true") == 0 || strcmp(value, "1") == 0;
}

/* Under all the names that it has had; behind plugin_load a name comes first. */
static bool is_plugin(const char *key)
{
    return strcmp(key, "plugin") == 0 || strcmp(key, "global_plugin") == 0 ||
           strcmp(key, "plugin_load") == 0 || strcmp(key, "auth_plugin") == 0;
}

static void take(struct reader *r, const char *key, const char *value)
{
    struct init_mosquitto *m = r->out;

    if (strcmp(key, "listener") == 0 || strcmp(key, "port") == 0)
        add_port(r, value);
    else if (strcmp(key, "certfile") == 0)
        copy(r->now.certfile, value);
    else if (strcmp(key, "keyfile") == 0)
        copy(r->now.keyfile, value);
    else if (strcmp(key, "require_certificate") == 0)
        r->now.certificates = is_true(value);
    else if (is_plugin(key))
        take_plugin(r, value);
    else if (strcmp(key, "plugin_opt_db_path") == 0)
        copy(m->db, value);
    else if (strcmp(key, "plugin_opt_issuer_cert") == 0)
        copy(m->issuer_cert, value);
    else if (strcmp(key, "plugin_opt_issuer_key") == 0)
        copy(m->issuer_key, value);
    else if (strcmp(key, "per_listener_settings") == 0)
        m->per_listener_settings = is_true(value);
    else if (strcmp(key, "use_identity_as_username") == 0 ||
             strcmp(key, "use_subject_as_username") == 0)
        m->identity_as_username = m->identity_as_username || is_true(value);
    else if (strcmp(key, "acl_file") == 0)
        m->acl_file = true;
    else if (strcmp(key, "password_file") == 0)
        m->other_clients = true;
}

/* Key and value of a line, the value to its end, as the broker takes them. */
static bool split(char *line, const char **key, const char **value)
{
    size_t n = strlen(line);

    while (n != 0 && isspace((unsigned char)line[n - 1]))
        line[--n] = '\0';
    line += strspn(line, " \t");
    if (line[0] == '#' || line[0] == '\0')
        return false;
    *key = line;
    line += strcspn(line, " \t");
    if (*line != '\0')
        *line++ = '\0';
    *value = line + strspn(line, " \t");
    return true;
}

/* ---- files ----------------------------------------------------------------------------------- */

static bool same_dir(const char *a, const char *b)
{
    char *real_a = realpath(a, NULL), *real_b = realpath(b, NULL);
    const bool same = real_a != NULL && real_b != NULL && strcmp(real_a, real_b) == 0;

    free(real_a);
    free(real_b);
    return same;
}

static bool read_file(struct init_mosquitto *out, const char *path, const char *conf_dir,
                      unsigned depth);

static void read_dir(struct init_mosquitto *out, const char *dir, const char *conf_dir,
                     unsigned depth)
{
    char pattern[INIT_PATH + 8];
    glob_t found;

    if (same_dir(dir, conf_dir))
        out->includes = true;
    (void)snprintf(pattern, sizeof pattern, "%s/*.conf", dir);
    if (glob(pattern, GLOB_NOESCAPE, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc; i++)
        (void)read_file(out, found.gl_pathv[i], conf_dir, depth + 1);
    globfree(&found);
}

/* The plugin is the whole broker's, so its listener may be in another file. */
static void end_file(struct reader *r)
{
    struct init_mosquitto *m = r->out;

    end_listener(r);
    for (size_t i = r->first_port; i < m->n_ports; i++)
        m->other_clients = m->other_clients || m->ports[i] != r->found.port;
    if (r->found.port == 0 || (m->port != 0 && !r->loads))
        return;
    m->port = r->found.port;
    copy(m->certfile, r->found.certfile);
    copy(m->keyfile, r->found.keyfile);
}

static bool read_file(struct init_mosquitto *out, const char *path, const char *conf_dir,
                      unsigned depth)
{
    struct reader r = {
        .out = out, .conf_dir = conf_dir, .file = path, .first_port = out->n_ports
    };
    char line[LINE_MAX_BYTES];
    const char *key, *value;
    FILE *file = depth < MAX_DEPTH ? fopen(path, "re") : NULL;

    if (file == NULL)
        return false;
    while (fgets(line, sizeof line, file) != NULL) {
        if (!split(line, &key, &value))
            continue;
        if (strcmp(key, "include_dir") == 0)
            read_dir(out, value, conf_dir, depth);
        else
            take(&r, key, value);
    }
    (void)fclose(file);
    end_file(&r);
    return true;
}

void init_mosquitto_read(const char *main_conf, const char *conf_dir, const char *conf,
                         struct init_mosquitto *out)
{
    memset(out, 0, sizeof *out);
    out->there = read_file(out, main_conf, conf_dir, 0);
    if (!out->includes)
        (void)read_file(out, conf, conf_dir, 0);
}
