#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "device.h"
#include "doctor.h"

/* What a provisioning and a renewal write, several times over. */
enum { ROOM_BYTES = 1024 * 1024 };

/* ---- the directory --------------------------------------------------------------------------- */

static void has_room(struct doctor *d)
{
    const char *dir = d->conf->state_dir;
    struct statvfs fs;
    unsigned long long left;

    if (statvfs(dir, &fs) != 0)
        return;
    left = (unsigned long long)fs.f_bavail * fs.f_frsize;
    if ((fs.f_flag & ST_RDONLY) != 0)
        doctor_bad(d, "disk", AGENT_LOCAL, "mount it for writing, or set state_dir elsewhere",
                   "%s is on a file system that is mounted read-only", dir);
    else if (left == 0 || (fs.f_files != 0 && fs.f_favail == 0))
        doctor_bad(d, "disk", AGENT_LOCAL, "make room", "%s: the disk is full", dir);
    else if (left < ROOM_BYTES)
        doctor_bad(d, "disk", AGENT_OK, "make room", "%s: %llu bytes are left", dir, left);
    else
        doctor_ok(d, "disk", "%llu MB are left", left / 1000000);
}

/* False: there is nothing to look into. */
static bool directory(struct doctor *d)
{
    const char *dir = d->conf->state_dir;
    struct port_result result = { 0 };
    struct stat st;

    if (stat(dir, &st) != 0 && errno == ENOENT) {
        doctor_ok(d, "state", "%s is not there yet; the agent makes it", dir);
        return false;
    }
    if (home_open(d->conf, false, &d->home, &result) != AGENT_OK) {
        doctor_bad(d, "state", result.class, "be the agent's user, or root; see the configuration",
                   "%s", result.text);
        home_close(&d->home);
        return false;
    }
    if (access(dir, W_OK | X_OK) != 0) {
        doctor_bad(d, "state", AGENT_LOCAL, "give it to the agent's user", "%s: %s", dir,
                   strerror(errno));
        return true;
    }
    doctor_ok(d, "state", "%s is ours", dir);
    has_room(d);
    return true;
}

/* ---- modes ----------------------------------------------------------------------------------- */

/* Generations by name; more than a handful are never there. */
struct names {
    char list[8][16];
    size_t n;
};

static bool note_name(void *arg, const char *name)
{
    struct names *names = arg;

    if (strlen(name) < sizeof names->list[0])
        (void)snprintf(names->list[names->n++], sizeof names->list[0], "%s", name);
    return names->n < sizeof names->list / sizeof names->list[0];
}

/* True: it is there, and others may read it. */
static bool is_open(const struct files *files, const char *path, mode_t allowed)
{
    struct file_info info;

    return files->stat(files->self, path, &info) == 0 && info.kind == FILE_REGULAR &&
           (info.mode & (mode_t)~allowed) != 0;
}

static void keys_are_private(struct doctor *d)
{
    const struct files *files = &d->home.files;
    const mode_t own = 0600, shared = d->conf->group != NULL ? 0640 : 0600;
    struct names names = { .n = 0 };
    char path[64];
    bool bad = is_open(files, "claim/key.pem", own);

    (void)snprintf(path, sizeof path, "claim/key.pem");
    (void)files->list(files->self, "gen", note_name, &names);
    for (size_t i = 0; i < names.n && !bad; i++) {
        (void)snprintf(path, sizeof path, "gen/%s/key.pem", names.list[i]);
        bad = is_open(files, path, shared);
    }
    if (bad)
        doctor_bad(d, "modes", AGENT_LOCAL, "chmod 600 it, and find out who did that",
                   "%s/%s may be read by others", d->conf->state_dir, path);
    else
        doctor_ok(d, "modes", "no private key here is readable by others");
}

/* ---- record ---------------------------------------------------------------------------------- */

static void tell_record(struct doctor *d, enum agent_state_read read)
{
    switch (read) {
    case AGENT_STATE_GOOD:
        doctor_ok(d, "record", "whole, and this device's");
        break;
    case AGENT_STATE_FOREIGN:
        doctor_bad(d, "record", AGENT_RECORD,
                   "device-agent reset --level full makes this a device of its own",
                   "the state is another device's: was it copied with an image?");
        break;
    case AGENT_STATE_NEWER:
        doctor_bad(d, "record", AGENT_RECORD, "install that version again, or reset --level full",
                   "the state is of a later version of device-agent");
        break;
    default:
        doctor_bad(d, "record", AGENT_OK, "the agent makes it anew from the credentials",
                   "the state record is %s", agent_state_read_name(read));
    }
}

static void record(struct doctor *d)
{
    const struct files *files = &d->home.files;
    struct port_result result = { 0 };
    uint8_t device[AGENT_DEVICE_LEN], bytes[AGENT_STATE_MAX];
    enum agent_state_read read;
    size_t n = 0;
    int why;

    if (device_id(d->conf->device_id, &(struct device_root){ "" }, device, &result) != AGENT_OK) {
        doctor_bad(d, "record", result.class, "", "%s", result.text);
        return;
    }
    why = files->read(files->self, "state", bytes, sizeof bytes, &n);
    if (why == ENOENT) {
        doctor_ok(d, "record", "none yet: a blank device");
        return;
    }
    if (why != 0 && why != EFBIG) {
        doctor_bad(d, "record", AGENT_LOCAL, "", "%s/state: %s", d->conf->state_dir, strerror(why));
        return;
    }
    read = why == EFBIG ? AGENT_STATE_NEWER
                        : agent_state_read((struct agent_span){ bytes, n }, device, &d->record);
    d->has_record = read == AGENT_STATE_GOOD;
    tell_record(d, read);
}

void doctor_home(struct doctor *d)
{
    d->has_home = directory(d);
    if (!d->has_home)
        return;
    keys_are_private(d);
    record(d);
}
