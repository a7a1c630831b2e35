#include "home.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A name, or a number. */
static bool look_up(const char *configured, gid_t *out)
{
    const struct group *found = getgrnam(configured);
    unsigned long number;
    char *end;

    if (found != NULL) {
        *out = found->gr_gid;
        return true;
    }
    errno = 0;
    number = strtoul(configured, &end, 10);
    *out = (gid_t)number;
    return errno == 0 && *end == '\0' && configured[0] >= '0' && configured[0] <= '9' &&
           number == *out;
}

/* *group points into home, or is NULL: none is configured. */
static enum agent_class find_group(const struct conf *conf, struct home *home, const gid_t **group,
                                   struct port_result *result)
{
    *group = NULL;
    if (conf->group == NULL)
        return AGENT_OK;
    if (!look_up(conf->group, &home->group))
        return port_fail(result, AGENT_CONFIG, "there is no group %s: correct it, or make it",
                         conf->group);
    *group = &home->group;
    return AGENT_OK;
}

/* A configured file as the files over "/" take it; a URI stays what it is. */
static enum agent_class resolve(const char *configured, char room[static PATH_MAX],
                                const char **out, struct port_result *result)
{
    int why;

    *out = configured;
    if (configured == NULL || strncmp(configured, "pkcs11:", 7) == 0)
        return AGENT_OK;
    why = files_resolve(configured, room);
    if (why != 0)
        return port_fail(result, AGENT_LOCAL, "%s: %s", configured, strerror(why));
    *out = room;
    return AGENT_OK;
}

static enum agent_class open_root(struct home *home, struct port_result *result)
{
    home->root_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (home->root_fd == -1)
        return port_fail(result, AGENT_LOCAL, "/: %s", strerror(errno));
    home->root_dir.dir_fd = home->root_fd;
    files_of_dir(&home->root_dir, &home->root);
    return AGENT_OK;
}

static enum agent_class open_store(const struct conf *conf, bool lock, const gid_t *group,
                                   struct home *home, struct port_result *result)
{
    struct store_conf *sc = &home->store_conf;
    enum agent_class class;

    *sc = (struct store_conf){ .keys = conf->keys,
                               .dir = conf->state_dir,
                               .common_name = conf->agent.client_id,
                               .group = group,
                               .look_only = !lock };
    class = resolve(conf->claim_cert, home->claim_cert, &sc->claim_cert, result);
    if (class == AGENT_OK)
        class = resolve(conf->claim_key, home->claim_key, &sc->claim_key, result);
    if (class != AGENT_OK)
        return class;
    home->dir = (struct files_dir){ .dir_fd = home->opened.fd, .group = group };
    files_of_dir(&home->dir, &home->files);
    home->store = store_new(sc, &home->files, &home->root);
    return home->store != NULL ? AGENT_OK : port_fail(result, AGENT_LOCAL, "no memory");
}

enum agent_class home_open(const struct conf *conf, bool lock, struct home *out,
                           struct port_result *result)
{
    const gid_t *group;
    enum agent_class class;

    *out = (struct home){ .opened = { -1, -1 }, .root_fd = -1 };
    class = find_group(conf, out, &group, result);
    if (class == AGENT_OK)
        class = store_open_dir(conf->state_dir, group, lock, &out->opened, result);
    if (class == AGENT_OK)
        class = open_root(out, result);
    if (class == AGENT_OK)
        class = open_store(conf, lock, group, out, result);
    return class;
}

void home_close(struct home *home)
{
    store_free(home->store);
    home->store = NULL;
    store_close_dir(&home->opened);
    home->opened = (struct store_dir){ -1, -1 };
    if (home->root_fd != -1)
        (void)close(home->root_fd);
    home->root_fd = -1;
}
