/*
 * home.h - the state directory as a program opens it: its lock, its files, and the store over them.
 */
#ifndef POSIX_HOME_H
#define POSIX_HOME_H

#include <limits.h>

#include "conf.h"
#include "store.h"

/* Points into itself: not to be copied. */
struct home {
    struct store_dir opened;
    int root_fd;
    gid_t group;
    struct files_dir dir, root_dir;
    struct files files, root;
    char claim_cert[PATH_MAX], claim_key[PATH_MAX];
    struct store_conf store_conf;
    struct store *store;
};

/*
 * lock false: for those who only look; nothing is made or changed then. AGENT_BUSY: another agent
 * has the lock. AGENT_CONFIG, AGENT_LOCAL: the rest. *out is to be closed whatever it gives.
 */
enum agent_class home_open(const struct conf *conf, bool lock, struct home *out,
                           struct port_result *result);
void home_close(struct home *home);

#endif
