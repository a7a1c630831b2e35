#include "metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME "metrics"
#define NEW_NAME "metrics.new"
#define FILE_MODE 0640
#define MAGIC UINT64_C(0x70726f766d657472) /* "provmetr" */

#define UNAVAILABLE "ServiceUnavailableException"

/*
 * The file is two of these, written in turn, so that one of them is whole at any moment: while the
 * other is being written, and after the writer was killed over it. In the machine's own byte order:
 * a file is read where it was written.
 */
struct record {
    uint64_t magic, layout;
    uint64_t number; /* of the write: the later record counts */
    int64_t started_ms, updated_ms, pid;
    uint64_t values[PROV_METRIC_COUNT];
    uint64_t sum; /* of all before it */
};
_Static_assert(sizeof(struct record) == (7 + PROV_METRIC_COUNT) * sizeof(uint64_t),
               "the sum would be of padding");
_Static_assert(sizeof(struct record) < 1024, "metrics.h says so");

struct prov_metrics {
    atomic_uint_fast64_t values[PROV_METRIC_COUNT];
    int fd; /* -1: in memory alone */
    uint64_t layout, number;
    int64_t started_ms;
};

/* ---- what is counted ------------------------------------------------------------------------- */

static const struct {
    const char *name, *help;
    enum prov_metric_kind kind;
} rows[] = {
#define X(id, text, sort, about) { text, about, PROV_METRIC_##sort },
    PROV_METRICS(X)
#undef X
};
_Static_assert(PROV_COUNT(rows) == PROV_METRIC_REFUSED, "refusals by reason come last");

static char refused_names[PROV_REASONS][48];
static pthread_once_t refused_named = PTHREAD_ONCE_INIT;

static void name_refused(void)
{
    for (int i = 0; i < PROV_REASONS; i++)
        (void)snprintf(refused_names[i], sizeof refused_names[i], "refused/%s",
                       prov_reason_info((enum prov_reason)i)->name);
}

const char *prov_metric_name(enum prov_metric metric)
{
    if ((size_t)metric < PROV_COUNT(rows))
        return rows[metric].name;
    if ((unsigned)metric >= PROV_METRIC_COUNT)
        return "unknown";
    (void)pthread_once(&refused_named, name_refused);
    return refused_names[metric - PROV_METRIC_REFUSED];
}

enum prov_metric_kind prov_metric_kind(enum prov_metric metric)
{
    return (size_t)metric < PROV_COUNT(rows) ? rows[metric].kind : PROV_METRIC_COUNTER;
}

const char *prov_metric_help(enum prov_metric metric)
{
    return (size_t)metric < PROV_COUNT(rows) ? rows[metric].help
                                             : "connections and requests refused for this reason";
}

/* FNV-1a, 64 bits: against accidents. Whoever may write the file may also write its sum. */
static uint64_t fnv(uint64_t hash, const void *p, size_t n)
{
    const uint8_t *bytes = p;

    for (size_t i = 0; i < n; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}
#define FNV_START UINT64_C(0xcbf29ce484222325)

/* Another build counts something else: its names, or their order, differ. */
static uint64_t layout(void)
{
    uint64_t hash = FNV_START;

    for (unsigned i = 0; i < PROV_METRIC_COUNT; i++) {
        const char *name = prov_metric_name((enum prov_metric)i);

        hash = fnv(hash, name, strlen(name) + 1);
    }
    return hash;
}

static uint64_t sum_of(const struct record *record)
{
    return fnv(FNV_START, record, offsetof(struct record, sum));
}

/* ---- the file, written ----------------------------------------------------------------------- */

PROV_MUST_USE static enum prov_rc write_record(struct prov_metrics *m, int64_t now_ms)
{
    struct record record = {
        .magic = MAGIC,
        .layout = m->layout,
        .number = m->number + 1,
        .started_ms = m->started_ms,
        .updated_ms = now_ms,
        .pid = getpid(),
    };
    const off_t at = (off_t)(record.number % 2 * sizeof record);
    ssize_t n;

    for (unsigned i = 0; i < PROV_METRIC_COUNT; i++)
        record.values[i] = prov_metrics_get(m, (enum prov_metric)i);
    record.sum = sum_of(&record);
    do
        n = pwrite(m->fd, &record, sizeof record, at);
    while (n < 0 && errno == EINTR);
    if (n >= 0 && (size_t)n < sizeof record)
        errno = ENOSPC;
    if (n < 0 || (size_t)n < sizeof record)
        return PROV_ESTORE; /* the place is tried again, and the other one stays whole */
    m->number = record.number;
    return PROV_OK;
}

/* Of the open file, not of the process: a reader in the same process does not end it by closing. */
static bool lock(int fd)
{
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    return fcntl(fd, F_OFD_SETLK, &whole) == 0;
}

/* Under another name until it is locked and whole. errno tells of the failure. */
static bool make_file(int dir, struct prov_metrics *m)
{
    int why;

    /* left behind by a start that was killed: only one broker has the directory */
    if (unlinkat(dir, NEW_NAME, 0) != 0 && errno != ENOENT)
        return false;
    m->fd = openat(dir, NEW_NAME, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    if (m->fd < 0)
        return false;
    /* the first record goes behind the place of the second, so the file has its whole size at once
     */
    if (fchmod(m->fd, FILE_MODE) == 0 && lock(m->fd) && /* whatever the umask says */
        write_record(m, m->started_ms) == PROV_OK && renameat(dir, NEW_NAME, dir, FILE_NAME) == 0)
        return true;
    why = errno;
    (void)unlinkat(dir, NEW_NAME, 0);
    errno = why;
    return false;
}

enum prov_rc prov_metrics_new(const char *dir, int64_t started_ms, struct prov_metrics **out,
                              struct prov_err *err)
{
    struct prov_metrics *m = calloc(1, sizeof *m);
    bool made = true;
    int fd;

    *out = NULL;
    if (m == NULL)
        return prov_nomem(err);
    m->fd = -1;
    m->layout = layout();
    m->started_ms = started_ms;
    if (dir != NULL) {
        fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        made = fd >= 0 && make_file(fd, m);
        if (!made)
            (void)prov_fail(err, PROV_ESTORE, UNAVAILABLE, "cannot make %s/" FILE_NAME ": %s", dir,
                            strerror(errno));
        if (fd >= 0)
            (void)close(fd);
    }
    if (!made) {
        prov_metrics_free(m);
        return PROV_ESTORE;
    }
    *out = m;
    return PROV_OK;
}

void prov_metrics_free(struct prov_metrics *metrics)
{
    if (metrics == NULL)
        return;
    if (metrics->fd >= 0)
        (void)close(metrics->fd);
    free(metrics);
}

enum prov_rc prov_metrics_publish(struct prov_metrics *metrics, int64_t now_ms)
{
    return metrics->fd < 0 ? PROV_OK : write_record(metrics, now_ms);
}

/* ---- counting -------------------------------------------------------------------------------- */

void prov_metrics_add(struct prov_metrics *metrics, enum prov_metric metric, uint64_t n)
{
    if ((unsigned)metric < PROV_METRIC_COUNT)
        (void)atomic_fetch_add_explicit(&metrics->values[metric], n, memory_order_relaxed);
}

void prov_metrics_set(struct prov_metrics *metrics, enum prov_metric metric, uint64_t value)
{
    if ((unsigned)metric < PROV_METRIC_COUNT)
        atomic_store_explicit(&metrics->values[metric], value, memory_order_relaxed);
}

void prov_metrics_raise(struct prov_metrics *metrics, enum prov_metric metric, uint64_t value)
{
    uint_fast64_t seen = prov_metrics_get(metrics, metric);

    if ((unsigned)metric >= PROV_METRIC_COUNT)
        return;
    while (seen < value &&
           !atomic_compare_exchange_weak_explicit(&metrics->values[metric], &seen, value,
                                                  memory_order_relaxed, memory_order_relaxed))
        ;
}

uint64_t prov_metrics_get(const struct prov_metrics *metrics, enum prov_metric metric)
{
    if ((unsigned)metric >= PROV_METRIC_COUNT)
        return 0;
    return atomic_load_explicit(&metrics->values[metric], memory_order_relaxed);
}

/* ---- the file, read -------------------------------------------------------------------------- */

#define LATEST_MS INT64_C(253402300799999) /* the year 9999 ends */

/* A file of ours as it was read, and a byte that it must not have. */
struct content {
    struct record records[2];
    uint8_t more;
};
_Static_assert(offsetof(struct content, more) == 2 * sizeof(struct record), "no gap");

static bool is_whole(const struct record *r)
{
    return r->magic == MAGIC && r->layout == layout() && r->sum == sum_of(r) && r->pid > 0 &&
           r->pid <= INT32_MAX && r->started_ms >= 0 && r->started_ms <= LATEST_MS &&
           r->updated_ms >= 0 && r->updated_ms <= LATEST_MS;
}

/* NULL: there is none. */
static const struct record *latest(const struct content *content, size_t n)
{
    const struct record *best = NULL;

    if (n != 2 * sizeof(struct record))
        return NULL;
    for (size_t i = 0; i < 2; i++) {
        const struct record *r = &content->records[i];

        if (is_whole(r) && (best == NULL || r->number > best->number))
            best = r;
    }
    return best;
}

/* Of another size, perhaps: it counts other things. */
static bool is_of_another_version(const struct content *content, size_t n)
{
    const struct record *r = &content->records[0];

    return n >= offsetof(struct record, number) && r->magic == MAGIC && r->layout != layout();
}

static ssize_t read_content(int fd, struct content *out)
{
    size_t n = 0;
    ssize_t got;

    memset(out, 0, sizeof *out);
    while (n <= offsetof(struct content, more)) {
        got = pread(fd, (uint8_t *)out + n, offsetof(struct content, more) + 1 - n, (off_t)n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        n += (size_t)got;
    }
    return (ssize_t)n;
}

/* A question alone: asking does not lock. Only who may write the file can hold such a lock. */
static bool is_locked(int fd)
{
    struct flock whole = { .l_type = F_RDLCK, .l_whence = SEEK_SET };

    return fcntl(fd, F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK;
}

static enum prov_rc fail_read(const char *dir, const char *why, struct prov_err *err)
{
    return prov_fail(err, PROV_ESTORE, UNAVAILABLE, "cannot read %s/" FILE_NAME ": %s", dir, why);
}

static enum prov_rc read_file(int fd, const char *dir, struct prov_metrics_image *out,
                              struct prov_err *err)
{
    const struct record *r;
    struct content content;
    struct stat st;
    ssize_t n;

    if (fstat(fd, &st) != 0)
        return fail_read(dir, strerror(errno), err);
    if (!S_ISREG(st.st_mode))
        return fail_read(dir, "it is no ordinary file", err);
    n = read_content(fd, &content);
    if (n < 0)
        return fail_read(dir, strerror(errno), err);
    r = latest(&content, (size_t)n);
    if (r == NULL && is_of_another_version(&content, (size_t)n))
        return fail_read(dir, "another version of the plugin wrote it", err);
    if (r == NULL)
        return fail_read(dir, "it is damaged; the broker's next start replaces it", err);
    out->started_ms = r->started_ms;
    out->updated_ms = r->updated_ms;
    out->pid = (int32_t)r->pid;
    out->live = is_locked(fd);
    memcpy(out->values, r->values, sizeof out->values);
    return PROV_OK;
}

enum prov_rc prov_metrics_read(const char *dir, struct prov_metrics_image *out,
                               struct prov_err *err)
{
    enum prov_rc rc;
    int in, fd;

    memset(out, 0, sizeof *out);
    in = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (in < 0)
        return fail_read(dir, strerror(errno), err);
    /* O_NONBLOCK: a named pipe in its place has nobody waiting */
    fd = openat(in, FILE_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    rc = fd >= 0           ? read_file(fd, dir, out, err)
         : errno == ENOENT ? prov_fail(err, PROV_ENOTFOUND, "ResourceNotFoundException",
                                       "no broker has run with %s as its db_path", dir)
         : errno == ELOOP  ? fail_read(dir, "it is a symbolic link", err)
                           : fail_read(dir, strerror(errno), err);
    if (fd >= 0)
        (void)close(fd);
    (void)close(in);
    return rc;
}
