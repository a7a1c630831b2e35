#include "tmp.h"

#include <sys/stat.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void die(const char *what, const char *path)
{
    fprintf(stderr, "tmp: %s %s: %s\n", what, path, strerror(errno));
    exit(2);
}

char *tmp_new(void)
{
    const char *base = getenv("TMPDIR");
    char path[TMP_PATH_MAX];
    char *dir;

    (void)snprintf(path, sizeof path, "%s/prov-test-XXXXXX", base == NULL ? "/tmp" : base);
    if (mkdtemp(path) == NULL)
        die("cannot make", path);
    dir = strdup(path);
    if (dir == NULL)
        die("cannot remember", path);
    return dir;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

void tmp_free(char *dir)
{
    if (dir == NULL)
        return;
    if (nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
        die("cannot remove", dir);
    free(dir);
}

char *tmp_path(const char *dir, const char *name, char out[static TMP_PATH_MAX])
{
    (void)snprintf(out, TMP_PATH_MAX, "%s/%s", dir, name);
    return out;
}

bool tmp_is_public(const char *path)
{
    char above[TMP_PATH_MAX];
    struct stat info;
    char *slash;

    (void)snprintf(above, sizeof above, "%s", path);
    while ((slash = strrchr(above, '/')) != NULL && slash != above) {
        *slash = '\0';
        if (stat(above, &info) != 0 || (info.st_mode & S_IXOTH) == 0)
            return false;
    }
    return true;
}
