#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/doc.h"
#include "ctl.h"
#include "nouns.h"
#include "progress.h"

static uint64_t size_of(const char *dir)
{
    char path[4096];
    struct stat st;
    const int n = snprintf(path, sizeof path, "%s/data.mdb", dir);

    if (n < 0 || (size_t)n >= sizeof path || stat(path, &st) != 0)
        return 0;
    return (uint64_t)st.st_size;
}

static uint64_t measure(void *ctx)
{
    return size_of(ctx);
}

static enum prov_rc check_empty(struct ctl *ctl, const char *name)
{
    const struct dirent *entry;
    bool empty = true;
    DIR *dir = opendir(name);

    if (dir == NULL)
        return ctl_usage(ctl, "%s: %s", name, strerror(errno));
    while (empty && (entry = readdir(dir)) != NULL)
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    (void)closedir(dir);
    if (!empty)
        return ctl_usage(ctl, "%s is not empty; name a directory that is, or is not there yet",
                         name);
    return PROV_OK;
}

static enum prov_rc answer(struct ctl *ctl, const char *dir, uint64_t bytes)
{
    struct prov_doc d = prov_doc_start(&ctl->tx);

    prov_doc_text(&d, d.root, "backupPath", prov_span_str(dir));
    prov_doc_number(&d, d.root, "bytes", (double)bytes);
    return ctl_answer_doc(ctl, &d);
}

static void say_restore(struct ctl *ctl, const char *dir, uint64_t bytes)
{
    struct prov_buf size;

    prov_buf_init(&size, 64);
    ctl_put_size(&size, bytes);
    ctl_say(ctl,
            "%s written to %s\n"
            "To go back to it: stop the broker, put its data.mdb in place of the one in\n"
            "%s, remove the lock.mdb there, see to it that the broker's\n"
            "user owns the file, and start the broker.\n",
            prov_buf_cstr(&size), dir, ctl->db);
    ctl_release(&ctl->out, &size);
}

static enum prov_rc copy(struct ctl *ctl, char *dir)
{
    struct ctl_progress progress;
    uint64_t used = 0, max;
    enum prov_rc rc;

    rc = ctl_end(ctl); /* the copy has a transaction of its own */
    if (rc == PROV_OK)
        rc = prov_store_usage(ctl->store, &used, &max);
    if (rc == PROV_OK) {
        ctl_progress_start(&progress, ctl, "copying", used, measure, dir);
        rc = prov_store_backup(ctl->store, dir);
        ctl_progress_stop(&progress);
    }
    if (rc != PROV_OK && rc != PROV_ENOMEM)
        return prov_fail(&ctl->err, PROV_ESTORE, "InternalFailureException", "%s: %s", dir,
                         prov_store_why(ctl->store));
    return rc;
}

static enum prov_rc backup(struct ctl *ctl)
{
    char dir[4096];
    bool made;
    enum prov_rc rc;

    if (!prov_span_copy(ctl_word(ctl, 0), dir, sizeof dir))
        return ctl_usage(ctl, "the name of the directory is too long");
    made = mkdir(dir, 0700) == 0;
    if (!made && errno != EEXIST)
        return ctl_usage(ctl, "%s: %s", dir, strerror(errno));
    rc = made ? PROV_OK : check_empty(ctl, dir);
    if (rc == PROV_OK)
        rc = copy(ctl, dir);
    if (rc != PROV_OK && made)
        (void)rmdir(dir);
    if (rc != PROV_OK)
        return rc;
    if (ctl->json)
        return answer(ctl, dir, size_of(dir));
    say_restore(ctl, dir, size_of(dir));
    return PROV_OK;
}

static const struct ctl_verb verbs[] = {
    { "", "DIR", "Writes a consistent copy of the store into an empty or new directory.",
      "The broker may run meanwhile. The copy is a store as well: provctl --db DIR reads it.\n"
      "\n"
      "  provctl backup /var/backups/provisioning-$(date +%F)\n",
      CTL_STORE_READ, NULL, backup },
};

const struct ctl_noun ctl_noun_backup = {
    "backup", "copy the store, while the broker runs", "", verbs, PROV_COUNT(verbs), false
};
