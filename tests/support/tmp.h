/*
 * tmp.h - a directory of a test's own, gone afterwards.
 *
 *     char *dir = tmp_new();
 *     … tmp_path(dir, "data.mdb", path);
 *     tmp_free(dir);
 */
#ifndef TEST_TMP_H
#define TEST_TMP_H

#include <stdbool.h>

#define TMP_PATH_MAX 512

/* Under $TMPDIR or /tmp, mode 0700. What cannot be made or removed ends the program. */
char *tmp_new(void);
void tmp_free(char *dir); /* removes all that is in it; NULL is accepted */

/* "DIR/NAME" in out, which is also returned. */
char *tmp_path(const char *dir, const char *name, char out[static TMP_PATH_MAX]);

/* May everybody search the directories above path? A checkout in a home directory is not theirs to
 * see. */
bool tmp_is_public(const char *path);

#endif
