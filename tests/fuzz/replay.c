/*
 * replay.c - runs a fuzz target over its corpus, without libFuzzer: replay_<entry> DIRECTORY. A
 * directory that is missing or empty is a failure, for then nothing was tried.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>

#include "core/base.h"

/* Larger than any input that means something to a target. */
#define FILE_MAX (4u * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of the exact size, so that a sanitizer sees any reading behind the input. */
static bool replay(const char *path)
{
    uint8_t *whole = malloc(FILE_MAX), *exact = NULL;
    FILE *f = fopen(path, "rbe");
    bool ok = false;
    size_t n;

    if (whole == NULL || f == NULL)
        goto out;
    n = fread(whole, 1, FILE_MAX, f);
    if (ferror(f) || n == FILE_MAX)
        goto out;
    exact = malloc(n == 0 ? 1 : n);
    if (exact == NULL)
        goto out;
    memcpy(exact, whole, n);
    (void)LLVMFuzzerTestOneInput(exact, n);
    ok = true;
out:
    if (!ok)
        (void)fprintf(stderr, "%s: cannot be read\n", path);
    if (f != NULL)
        (void)fclose(f);
    free(exact);
    free(whole);
    return ok;
}

int main(int argc, char **argv)
{
    const struct dirent *entry;
    unsigned replayed = 0, failed = 0;
    DIR *dir;

    if (argc != 2) {
        (void)fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }
    dir = opendir(argv[1]);
    if (dir == NULL) {
        (void)fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
        return 1;
    }
    while ((entry = readdir(dir)) != NULL) {
        char path[4096];

        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        if (replay(path))
            replayed++;
        else
            failed++;
    }
    (void)closedir(dir);
    (void)printf("%u inputs replayed\n", replayed);
    return replayed == 0 || failed != 0 ? 1 : 0;
}
