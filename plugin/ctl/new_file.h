/*
 * new_file.h - files that a command makes, such as keys: whole or not at all, also when the power
 * fails, and never in the place of another.
 */
#ifndef CTL_NEW_FILE_H
#define CTL_NEW_FILE_H

#include <sys/types.h>

#include "ctl.h"

struct ctl_owner {
    uid_t uid;
    gid_t gid;
};

struct ctl_new_file {
    char path[4096];
    mode_t mode;
    struct prov_span bytes;
    const struct ctl_owner *owner; /* when root makes it; NULL: that of the directory */
};

/* DIR/NAME into file->path. An error of the command line when that is too long. */
PROV_MUST_USE enum prov_rc ctl_new_file_at(struct ctl *ctl, struct ctl_new_file *file,
                                           const char *dir, const char *name);

/* May new files be made in the directory? An error of the command line says why not. */
PROV_MUST_USE enum prov_rc ctl_new_file_dir(struct ctl *ctl, const char *dir);

/*
 * Makes all of them, or none. What root makes gets the owner of the directory that it is made in,
 * unless it says whose it is to be.
 * PROV_ECONFLICT: one is there already; PROV_ESTORE: one cannot be written.
 */
PROV_MUST_USE enum prov_rc ctl_new_files(struct ctl *ctl, const struct ctl_new_file *files,
                                         size_t n);
/* A file that is whole takes its place under another name, for good; never in the place of another:
 * PROV_ECONFLICT, and it keeps its name. */
PROV_MUST_USE enum prov_rc ctl_new_file_rename(struct ctl *ctl, const char *from, const char *to);
/* Takes them away again, when what they are about was not done after all. */
void ctl_new_files_undo(const struct ctl_new_file *files, size_t n);

#endif
