#include "control_address.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool through_directory(const char *path, struct sockaddr_un *out, int *dir_fd)
{
    const char *name = strrchr(path, '/');
    char dir[4096];
    int n;

    if (name == NULL || (size_t)(name - path) >= sizeof dir) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(dir, path, (size_t)(name - path));
    dir[name - path] = '\0';
    *dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*dir_fd == -1)
        return false;
    n = snprintf(out->sun_path, sizeof out->sun_path, "/proc/self/fd/%d%s", *dir_fd, name);
    if (n > 0 && (size_t)n < sizeof out->sun_path)
        return true;
    (void)close(*dir_fd);
    *dir_fd = -1;
    errno = ENAMETOOLONG;
    return false;
}

bool control_address(const char *path, struct sockaddr_un *out, int *dir_fd)
{
    const size_t n = strlen(path);

    *out = (struct sockaddr_un){ .sun_family = AF_UNIX };
    *dir_fd = -1;
    if (n >= sizeof out->sun_path)
        return through_directory(path, out, dir_fd);
    memcpy(out->sun_path, path, n);
    return true;
}
