/* test_ctl_init.h - `provctl init` in a directory of the test's own: store, configuration, a plugin
 * that is an empty file. */
#ifndef TEST_CTL_INIT_H
#define TEST_CTL_INIT_H

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit/test_ctl.h"

/* for two paths and words around them */
#define LINE_ROOM (4 * TMP_PATH_MAX)
#define TEMPLATES PROV_SOURCE_DIR "/templates"

struct init_rig {
    struct rig r; /* first: setup and teardown are test_ctl.h's */
    char etc[TMP_PATH_MAX], plugin[TMP_PATH_MAX];
};

static inline int init_setup(void **state)
{
    struct init_rig *i = calloc(1, sizeof *i);
    void *made = NULL;

    assert_non_null(i);
    assert_int_equal(rig_setup(&made), 0);
    i->r = *(struct rig *)made;
    free(made);
    (void)tmp_path(i->r.dir, "etc", i->etc);
    assert_int_equal(mkdir(i->etc, 0755), 0);
    write_file(&i->r, "mosquitto_provisioning.so", "", i->plugin);
    *state = i;
    return 0;
}

#define INIT_TEST(f) cmocka_unit_test_setup_teardown(f, init_setup, rig_teardown)

/* The words that every command here has. */
#define IN(i)                                                                                      \
    "init", "--etc", (i)->etc, "--templates", TEMPLATES, "--plugin", (i)->plugin, "--user", "nobody"

/* etc/NAME */
static inline char *in_etc(const struct init_rig *i, const char *name,
                           char path[static TMP_PATH_MAX])
{
    const int n = snprintf(path, TMP_PATH_MAX, "%s/%s", i->etc, name);

    assert_true(n > 0 && n < TMP_PATH_MAX);
    return path;
}

static inline bool is_in_etc(const struct init_rig *i, const char *name)
{
    char path[TMP_PATH_MAX];

    return access(in_etc(i, name, path), F_OK) == 0;
}

static inline void write_etc(const struct init_rig *i, const char *name, const char *text)
{
    char path[TMP_PATH_MAX + 8], below[TMP_PATH_MAX];

    (void)snprintf(path, sizeof path, "etc/%s", name);
    write_file(&i->r, path, text, below);
}

/* The broker's main file, as Debian's, and more lines. */
static inline void write_main(const struct init_rig *i, const char *lines)
{
    char text[4 * TMP_PATH_MAX], dir[TMP_PATH_MAX];

    (void)snprintf(text, sizeof text, "# Debian's\npid_file /run/x\n\n%s\ninclude_dir %s\n", lines,
                   in_etc(i, "conf.d", dir));
    write_etc(i, "mosquitto.conf", text);
    if (access(dir, F_OK) != 0)
        assert_int_equal(mkdir(dir, 0755), 0);
}

static inline char *read_etc(const struct init_rig *i, const char *name)
{
    char path[TMP_PATH_MAX];

    return read_path(in_etc(i, name, path));
}

static int init_files_seen;

/* How many files there are below the store's directory and etc. */
static inline int count_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)path;
    (void)st;
    (void)at;
    init_files_seen += kind == FTW_F;
    return 0;
}

static inline int files_made(const struct init_rig *i)
{
    init_files_seen = 0;
    (void)nftw(i->etc, count_one, 8, FTW_PHYS);
    (void)nftw(i->r.db, count_one, 8, FTW_PHYS);
    return init_files_seen;
}

/* The state of a part that the last JSON tells of; "" when it is in none. */
static inline const char *state_of(const struct rig *r, const char *kind, const char *name)
{
    const cJSON *part;

    cJSON_ArrayForEach(part, at(r, "parts"))
    {
        const char *is = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(part, "kind"));
        const char *called = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(part, "name"));

        if (strcmp(is, kind) == 0 && (name == NULL || strstr(called, name) != NULL))
            return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(part, "state"));
    }
    return "";
}

#endif
