/*
 * What the broker counts, and the file that tells other processes of it.
 * ctest labels: tsan
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run/metrics.h"
#include "support/alloc.h"
#include "support/peer.h"
#include "support/tmp.h"

#define T0 INT64_C(1700000000000)
#define COUNT PROV_METRIC_COUNT

static int set_up(void **state)
{
    *state = tmp_new();
    return 0;
}

static int tear_down(void **state)
{
    tmp_free(*state);
    return 0;
}

static struct prov_metrics *make(const char *dir)
{
    struct prov_metrics *m = NULL;
    struct prov_err err = { 0 };

    if (prov_metrics_new(dir, T0, &m, &err) != PROV_OK)
        fail_msg("%s", err.text);
    return m;
}

static struct prov_metrics_image must_read(const char *dir)
{
    struct prov_metrics_image image;
    struct prov_err err = { 0 };

    if (prov_metrics_read(dir, &image, &err) != PROV_OK)
        fail_msg("%s", err.text);
    return image;
}

static void must_refuse(const char *dir, enum prov_rc rc, const char *why)
{
    static const struct prov_metrics_image zero;
    struct prov_metrics_image image;
    struct prov_err err = { 0 };

    memset(&image, 0xa5, sizeof image);
    assert_int_equal(prov_metrics_read(dir, &image, &err), rc);
    assert_int_equal(err.rc, rc);
    if (strstr(err.text, why) == NULL)
        fail_msg("\"%s\" is not in: %s", why, err.text);
    assert_memory_equal(&image, &zero, sizeof zero);
    assert_int_equal(prov_metrics_read(dir, &image, NULL), rc);
}

/* ---- counting -------------------------------------------------------------------------------- */

static void every_metric_has_a_name_of_its_own_and_a_help(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT; i++) {
        const char *name = prov_metric_name((enum prov_metric)i);

        assert_true(name[0] != '\0' && name[strlen(name) - 1] != '/');
        assert_true(prov_metric_help((enum prov_metric)i)[0] != '\0');
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(name, prov_metric_name((enum prov_metric)j));
    }
    assert_string_equal(prov_metric_name(PROV_METRIC_CONNECTS_ACCEPTED), "connects/accepted");
    assert_string_equal(
        prov_metric_name((enum prov_metric)(PROV_METRIC_REFUSED + PROV_REASON_CERT_REVOKED)),
        "refused/certificate-revoked");
    assert_string_equal(prov_metric_name((enum prov_metric)COUNT), "unknown");
    assert_int_equal(prov_metric_kind(PROV_METRIC_COMMITS), PROV_METRIC_COUNTER);
    assert_int_equal(prov_metric_kind(PROV_METRIC_SESSIONS), PROV_METRIC_GAUGE);
    assert_int_equal(prov_metric_kind((enum prov_metric)(COUNT - 1)), PROV_METRIC_COUNTER);
}

static void counts_add_up_gauges_are_set_and_the_longest_only_grows(void **state)
{
    struct prov_metrics *m = make(NULL);
    (void)state;

    prov_metrics_add(m, PROV_METRIC_COMMITS, 2);
    prov_metrics_add(m, PROV_METRIC_COMMITS, 3);
    assert_int_equal(prov_metrics_get(m, PROV_METRIC_COMMITS), 5);
    prov_metrics_set(m, PROV_METRIC_SESSIONS, 7);
    prov_metrics_set(m, PROV_METRIC_SESSIONS, 6);
    assert_int_equal(prov_metrics_get(m, PROV_METRIC_SESSIONS), 6);
    prov_metrics_raise(m, PROV_METRIC_HOOK_US_MAX, 10);
    prov_metrics_raise(m, PROV_METRIC_HOOK_US_MAX, 9);
    assert_int_equal(prov_metrics_get(m, PROV_METRIC_HOOK_US_MAX), 10);
    prov_metrics_raise(m, PROV_METRIC_HOOK_US_MAX, UINT64_MAX);
    assert_true(prov_metrics_get(m, PROV_METRIC_HOOK_US_MAX) == UINT64_MAX);
    for (unsigned i = 0; i < COUNT; i++) {
        if (i != PROV_METRIC_COMMITS && i != PROV_METRIC_SESSIONS && i != PROV_METRIC_HOOK_US_MAX)
            assert_int_equal(prov_metrics_get(m, (enum prov_metric)i), 0);
    }
    assert_int_equal(prov_metrics_publish(m, T0), PROV_OK); /* nowhere */
    prov_metrics_free(m);
    prov_metrics_free(NULL);
}

static void metric_that_is_none_is_ignored(void **state)
{
    struct prov_metrics *m = make(NULL);
    (void)state;

    prov_metrics_add(m, (enum prov_metric)COUNT, 1);
    prov_metrics_set(m, (enum prov_metric)COUNT, 1);
    prov_metrics_raise(m, (enum prov_metric)COUNT, 1);
    assert_int_equal(prov_metrics_get(m, (enum prov_metric)COUNT), 0);
    prov_metrics_free(m);
}

enum { ROUNDS = 20000 };

static void *count_up(void *ctx)
{
    for (unsigned i = 1; i <= ROUNDS; i++) {
        prov_metrics_add(ctx, PROV_METRIC_COMMITS, 1);
        prov_metrics_raise(ctx, PROV_METRIC_COMMIT_US_MAX, i);
    }
    return NULL;
}

static void threads_lose_no_counts_of_each_other(void **state)
{
    struct prov_metrics *m = make(*state);
    pthread_t threads[3];

    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, m), 0);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(prov_metrics_publish(m, T0), PROV_OK);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(prov_metrics_get(m, PROV_METRIC_COMMITS), 3 * ROUNDS);
    assert_int_equal(prov_metrics_get(m, PROV_METRIC_COMMIT_US_MAX), ROUNDS);
    prov_metrics_free(m);
}

/* ---- written and read ------------------------------------------------------------------------ */

static void reader_sees_what_was_published_and_no_more(void **state)
{
    struct prov_metrics *m = make(*state);
    struct prov_metrics_image image = must_read(*state);

    assert_int_equal(image.started_ms, T0);
    assert_int_equal(image.updated_ms, T0);
    assert_int_equal(image.pid, getpid());
    assert_true(image.live);
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(image.values[i], 0);
    for (unsigned i = 0; i < COUNT; i++)
        prov_metrics_set(m, (enum prov_metric)i, UINT64_MAX - i);
    assert_int_equal(must_read(*state).values[0], 0);
    assert_int_equal(prov_metrics_publish(m, T0 + 1000), PROV_OK);
    for (int again = 0; again < 3; again++) { /* reading ends nothing */
        image = must_read(*state);
        assert_int_equal(image.started_ms, T0);
        assert_int_equal(image.updated_ms, T0 + 1000);
        assert_true(image.live);
        for (unsigned i = 0; i < COUNT; i++)
            assert_true(image.values[i] == UINT64_MAX - i);
    }
    prov_metrics_free(m);
    image = must_read(*state);
    assert_false(image.live);
    assert_true(image.values[1] == UINT64_MAX - 1);
}

static void each_publication_replaces_the_one_before(void **state)
{
    struct prov_metrics *m = make(*state);

    for (unsigned i = 1; i <= 5; i++) {
        prov_metrics_add(m, PROV_METRIC_COMMITS, 1);
        assert_int_equal(prov_metrics_publish(m, T0 + i), PROV_OK);
        assert_int_equal(must_read(*state).values[PROV_METRIC_COMMITS], i);
        assert_int_equal(must_read(*state).updated_ms, T0 + i);
    }
    prov_metrics_free(m);
}

static void start_begins_at_zero_whatever_was_left_behind(void **state)
{
    struct prov_metrics *m = make(*state);
    char path[TMP_PATH_MAX];
    FILE *file;

    prov_metrics_add(m, PROV_METRIC_COMMITS, 1);
    assert_int_equal(prov_metrics_publish(m, T0), PROV_OK);
    prov_metrics_free(m);
    file = fopen(tmp_path(*state, "metrics.new", path), "wb"); /* of a start that was killed */
    assert_true(file != NULL && fputs("half", file) >= 0 && fclose(file) == 0);
    m = make(*state);
    assert_int_equal(must_read(*state).values[PROV_METRIC_COMMITS], 0);
    assert_true(must_read(*state).live);
    assert_int_not_equal(access(path, F_OK), 0);
    prov_metrics_free(m);
}

static void file_has_its_mode_whatever_the_umask(void **state)
{
    static const mode_t masks[] = { 0, 022, 077 };
    char path[TMP_PATH_MAX];
    struct stat st;

    for (size_t i = 0; i < PROV_COUNT(masks); i++) {
        const mode_t before = umask(masks[i]);
        struct prov_metrics *m = make(*state);

        (void)umask(before);
        assert_int_equal(lstat(tmp_path(*state, "metrics", path), &st), 0);
        assert_true(S_ISREG(st.st_mode));
        assert_int_equal(st.st_mode & 07777, 0640);
        prov_metrics_free(m);
    }
}

static void missing_memory_is_reported_and_leaves_nothing(void **state)
{
    struct prov_err err = { 0 };
    char path[TMP_PATH_MAX];
    struct prov_metrics *m;
    enum prov_rc rc;
    unsigned n;

    for (n = 1;; n++) {
        alloc_fail_at(n);
        rc = prov_metrics_new(*state, T0, &m, &err);
        if (!alloc_failed())
            break;
        assert_int_equal(rc, PROV_ENOMEM);
        assert_null(m);
        assert_int_not_equal(access(tmp_path(*state, "metrics", path), F_OK), 0);
    }
    assert_int_equal(rc, PROV_OK);
    alloc_count_reset();
    prov_metrics_add(m, PROV_METRIC_COMMITS, 1);
    assert_int_equal(prov_metrics_publish(m, T0), PROV_OK);
    assert_int_equal(alloc_count(), 0);
    prov_metrics_free(m);
}

/* ---- another process ------------------------------------------------------------------------- */

static struct prov_metrics *peer_make(const char *dir)
{
    struct prov_metrics *m;

    peer_must(prov_metrics_new(dir, T0, &m, NULL) == PROV_OK);
    return m;
}

static void run_as_a_broker(const char *dir, int in, int out)
{
    struct prov_metrics *m = peer_make(dir);

    prov_metrics_add(m, PROV_METRIC_PROVISIONED, 42);
    peer_must(prov_metrics_publish(m, T0 + 5) == PROV_OK);
    peer_tell(out);
    peer_await(in);
    prov_metrics_free(m);
}

static void broker_of_another_process_is_live_until_it_ends_however_it_ends(void **state)
{
    for (int kill = 0; kill < 2; kill++) {
        struct peer broker = peer_start(run_as_a_broker, *state);
        struct prov_metrics_image image;

        peer_told(&broker);
        image = must_read(*state);
        assert_int_equal(image.pid, broker.pid);
        assert_int_equal(image.values[PROV_METRIC_PROVISIONED], 42);
        assert_true(image.live);
        if (kill) {
            peer_killed(&broker);
        } else {
            peer_go(&broker);
            peer_ended(&broker);
        }
        image = must_read(*state);
        assert_int_equal(image.values[PROV_METRIC_PROVISIONED], 42);
        assert_int_equal(image.updated_ms, T0 + 5);
        assert_false(image.live);
    }
}

/* That its number is taken again, by us as it happens, does not bring it back to life. */
static void process_with_the_same_number_is_not_the_broker(void **state)
{
    prov_metrics_free(make(*state));
    assert_int_equal(must_read(*state).pid, getpid());
    assert_false(must_read(*state).live);
}

static void publish_without_end(const char *dir, int in, int out)
{
    struct prov_metrics *m = peer_make(dir);

    (void)in;
    peer_tell(out);
    for (uint64_t n = 1;; n++) {
        for (unsigned i = 0; i < COUNT; i++)
            prov_metrics_set(m, (enum prov_metric)i, n);
        peer_must(prov_metrics_publish(m, T0 + (int64_t)n) == PROV_OK);
    }
}

static void reader_never_sees_half_a_publication(void **state)
{
    struct peer broker = peer_start(publish_without_end, *state);
    uint64_t last = 0, changes = 0, failed = 0;

    peer_told(&broker);
    /* no end of time: two publications within one read can be missed, and then it is read again */
    while (changes < 200) {
        struct prov_metrics_image image;

        if (prov_metrics_read(*state, &image, NULL) != PROV_OK) {
            assert_true(++failed < 100000);
            continue;
        }
        for (unsigned i = 1; i < COUNT; i++)
            assert_true(image.values[i] == image.values[0]);
        assert_true(image.updated_ms == T0 + (int64_t)image.values[0]);
        assert_true(image.values[0] >= last);
        changes += image.values[0] != last;
        last = image.values[0];
    }
    peer_killed(&broker);
}

/* ---- files that are none of ours ------------------------------------------------------------- */

struct bytes {
    uint8_t *p;
    size_t n;
};

static struct bytes slurp(const char *dir)
{
    struct bytes b = { calloc(1, 65536), 0 };
    char path[TMP_PATH_MAX];
    FILE *file = fopen(tmp_path(dir, "metrics", path), "rb");

    assert_true(file != NULL && b.p != NULL);
    b.n = fread(b.p, 1, 65536, file);
    (void)fclose(file);
    return b;
}

static void spill(const char *dir, const void *p, size_t n)
{
    char path[TMP_PATH_MAX];
    FILE *file = fopen(tmp_path(dir, "metrics", path), "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(p, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

/* Two publications, the later one with 2 commits; the broker has ended. */
static struct bytes sound_file(const char *dir)
{
    struct prov_metrics *m = make(dir);

    for (int64_t i = 1; i <= 2; i++) {
        prov_metrics_add(m, PROV_METRIC_COMMITS, 1);
        assert_int_equal(prov_metrics_publish(m, T0 + i), PROV_OK);
    }
    prov_metrics_free(m);
    return slurp(dir);
}

static void no_file_is_no_broker(void **state)
{
    char path[TMP_PATH_MAX];

    must_refuse(*state, PROV_ENOTFOUND, "no broker has run");
    must_refuse(tmp_path(*state, "nowhere", path), PROV_ESTORE, "nowhere/metrics: No such file");
}

static void file_of_another_size_is_refused(void **state)
{
    struct bytes whole = sound_file(*state);
    const size_t sizes[] = { 0,           1,           8,           15,          16,
                             whole.n / 2, whole.n - 8, whole.n - 1, whole.n + 1, whole.n * 2 };
    char path[TMP_PATH_MAX];

    for (size_t i = 0; i < PROV_COUNT(sizes); i++) {
        spill(*state, whole.p, sizes[i]); /* behind the file's end there is room in the buffer */
        must_refuse(*state, PROV_ESTORE, "it is damaged");
    }
    assert_int_equal(truncate(tmp_path(*state, "metrics", path), (off_t)1 << 40), 0);
    must_refuse(*state, PROV_ESTORE, "it is damaged");
    spill(*state, whole.p, whole.n);
    assert_int_equal(must_read(*state).values[PROV_METRIC_COMMITS], 2);
    free(whole.p);
}

static void foreign_content_is_refused(void **state)
{
    struct bytes whole = sound_file(*state);
    uint8_t *other = calloc(1, whole.n);

    assert_non_null(other);
    spill(*state, other, whole.n);
    must_refuse(*state, PROV_ESTORE, "it is damaged");
    memset(other, 0xff, whole.n);
    spill(*state, other, whole.n);
    must_refuse(*state, PROV_ESTORE, "it is damaged");
    memset(other, 'x', whole.n);
    spill(*state, other, whole.n);
    must_refuse(*state, PROV_ESTORE, "it is damaged");
    free(other);
    free(whole.p);
}

/* FNV-1a, as the file has it behind each record. */
static void sum_again(uint8_t *record, size_t n)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < n - 8; i++)
        sum = (sum ^ record[i]) * UINT64_C(0x100000001b3);
    memcpy(record + n - 8, &sum, 8);
}

static void file_of_another_version_is_refused_as_such(void **state)
{
    struct bytes whole = sound_file(*state);
    const size_t half = whole.n / 2;

    sum_again(whole.p, half);
    sum_again(whole.p + half, half);
    spill(*state, whole.p, whole.n);
    assert_int_equal(must_read(*state).values[PROV_METRIC_COMMITS], 2);
    for (size_t at = 0; at < whole.n; at += half) {
        whole.p[at + 8] ^= 1; /* the hash of the names */
        sum_again(whole.p + at, half);
    }
    spill(*state, whole.p, whole.n);
    must_refuse(*state, PROV_ESTORE, "another version of the plugin wrote it");
    spill(*state, whole.p, whole.n - 16); /* which counts less */
    must_refuse(*state, PROV_ESTORE, "another version of the plugin wrote it");
    free(whole.p);
}

/* What no broker writes, though its sum is right. */
static void senseless_numbers_are_refused(void **state)
{
    static const struct {
        size_t at; /* in a record: started, updated, process */
        int64_t value;
    } rows[] = {
        { 24, -1 },        { 24, INT64_MAX }, { 32, -1 }, { 32, INT64_MIN },
        { 32, INT64_MAX }, { 40, 0 },         { 40, -1 }, { 40, (int64_t)INT32_MAX + 1 },
    };
    struct bytes whole = sound_file(*state);
    const size_t half = whole.n / 2;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct bytes other = { malloc(whole.n), whole.n };

        assert_non_null(other.p);
        memcpy(other.p, whole.p, whole.n);
        for (size_t at = 0; at < whole.n; at += half) {
            memcpy(other.p + at + rows[i].at, &rows[i].value, 8);
            sum_again(other.p + at, half);
        }
        spill(*state, other.p, other.n);
        must_refuse(*state, PROV_ESTORE, "it is damaged");
        free(other.p);
    }
    free(whole.p);
}

static void record_that_was_cut_short_leaves_the_one_before(void **state)
{
    struct bytes whole = sound_file(*state);
    const size_t half = whole.n / 2;
    unsigned as_before = 0;

    for (size_t i = 0; i < whole.n; i++) { /* a byte of one of the two records */
        whole.p[i] ^= 0x10;
        spill(*state, whole.p, whole.n);
        as_before += must_read(*state).values[PROV_METRIC_COMMITS] == 1;
        whole.p[i] ^= 0x10;
    }
    assert_int_equal(as_before, half); /* those of the later */
    free(whole.p);
}

static void any_byte_that_is_wrong_in_both_records_is_noticed(void **state)
{
    struct bytes whole = sound_file(*state);
    const size_t half = whole.n / 2;
    struct prov_metrics_image image;

    for (size_t i = 0; i < half; i++) {
        whole.p[i] ^= 1;
        whole.p[half + i] ^= 1;
        spill(*state, whole.p, whole.n);
        assert_int_equal(prov_metrics_read(*state, &image, NULL), PROV_ESTORE);
        whole.p[i] ^= 1;
        whole.p[half + i] ^= 1;
    }
    free(whole.p);
}

static void what_is_no_ordinary_file_is_refused_without_waiting_for_it(void **state)
{
    char path[TMP_PATH_MAX], elsewhere[TMP_PATH_MAX];
    struct bytes whole = sound_file(*state);

    (void)tmp_path(*state, "metrics", path);
    (void)tmp_path(*state, "elsewhere", elsewhere);
    assert_int_equal(rename(path, elsewhere), 0);
    assert_int_equal(symlink("elsewhere", path), 0); /* though it leads to a sound one */
    must_refuse(*state, PROV_ESTORE, "it is a symbolic link");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    must_refuse(*state, PROV_ESTORE, "it is no ordinary file");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    must_refuse(*state, PROV_ESTORE, "it is no ordinary file");
    free(whole.p);
}

static void read_as_nobody(const char *dir, int in, int out)
{
    struct prov_metrics_image image;
    struct prov_err err;

    (void)in;
    (void)out;
    if (geteuid() == 0)
        peer_must(seteuid(65534) == 0);
    peer_must(prov_metrics_read(dir, &image, &err) == PROV_ESTORE);
    peer_must(strstr(err.text, "Permission denied") != NULL);
}

static void file_that_may_not_be_read_is_refused(void **state)
{
    struct bytes whole = sound_file(*state);
    char path[TMP_PATH_MAX];
    struct peer p;

    assert_int_equal(chmod(*state, 0755), 0);
    assert_int_equal(chmod(tmp_path(*state, "metrics", path), 0), 0);
    p = peer_start(read_as_nobody, *state);
    peer_ended(&p);
    free(whole.p);
}

/* ---- what is in the writer's way ------------------------------------------------------------- */

static void writer_follows_no_link_and_replaces_what_has_the_name(void **state)
{
    static const char *const names[] = { "metrics", "metrics.new" };
    char path[TMP_PATH_MAX], victim[TMP_PATH_MAX];
    struct stat st;

    (void)tmp_path(*state, "victim", victim);
    for (size_t i = 0; i < PROV_COUNT(names); i++) {
        struct prov_metrics *m;
        FILE *file = fopen(victim, "wb");

        assert_true(file != NULL && fputs("precious", file) >= 0 && fclose(file) == 0);
        (void)unlink(tmp_path(*state, "metrics", path));
        assert_int_equal(symlink("victim", tmp_path(*state, names[i], path)), 0);
        m = make(*state);
        assert_int_equal(prov_metrics_publish(m, T0), PROV_OK);
        assert_int_equal(stat(victim, &st), 0);
        assert_int_equal(st.st_size, 8);
        assert_int_equal(lstat(tmp_path(*state, "metrics", path), &st), 0);
        assert_true(S_ISREG(st.st_mode));
        assert_true(must_read(*state).live);
        prov_metrics_free(m);
    }
    assert_int_equal(unlink(tmp_path(*state, "metrics", path)), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    prov_metrics_free(make(*state));
    (void)must_read(*state);
}

static void place_where_no_file_can_be_is_told_and_nothing_is_left(void **state)
{
    struct prov_metrics *m = (void *)&m;
    struct prov_err err = { 0 };
    char path[TMP_PATH_MAX];

    assert_int_equal(mkdir(tmp_path(*state, "metrics", path), 0700), 0);
    assert_int_equal(prov_metrics_new(*state, T0, &m, &err), PROV_ESTORE);
    assert_null(m);
    assert_non_null(strstr(err.text, "/metrics: "));
    assert_int_not_equal(access(tmp_path(*state, "metrics.new", path), F_OK), 0);
    assert_int_equal(prov_metrics_new(tmp_path(*state, "nowhere", path), T0, &m, &err),
                     PROV_ESTORE);
    assert_non_null(strstr(err.text, "No such file"));
    assert_int_equal(prov_metrics_new(path, T0, &m, NULL), PROV_ESTORE);
    assert_null(m);
}

/* A mapped file would end the process here. */
static void file_cut_down_under_the_writer_is_whole_again_after_two_publications(void **state)
{
    struct prov_metrics *m = make(*state);
    char path[TMP_PATH_MAX];

    prov_metrics_add(m, PROV_METRIC_COMMITS, 9);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(truncate(tmp_path(*state, "metrics", path), 0), 0);
        must_refuse(*state, PROV_ESTORE, "it is damaged");
        prov_metrics_add(m, PROV_METRIC_COMMITS, 1);
        assert_int_equal(prov_metrics_publish(m, T0), PROV_OK);
        assert_int_equal(prov_metrics_publish(m, T0), PROV_OK);
        assert_int_equal(must_read(*state).values[PROV_METRIC_COMMITS], 10 + i);
        assert_int_equal(prov_metrics_publish(m, T0), PROV_OK); /* the other place comes first */
    }
    prov_metrics_free(m);
}

static void publication_that_cannot_be_written_is_told_and_the_next_one_is_tried(void **state)
{
    struct prov_metrics *m = make(*state);
    struct rlimit before, none;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none = before;
    none.rlim_cur = 100; /* part of the first place, nothing of the second */
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    for (unsigned n = 1; n <= 4; n++) {
        prov_metrics_set(m, PROV_METRIC_COMMITS, n);
        assert_int_equal(prov_metrics_publish(m, T0 + 1), PROV_OK);
        prov_metrics_set(m, PROV_METRIC_COMMITS, 100);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
        for (int again = 0; again < 3; again++)
            assert_int_equal(prov_metrics_publish(m, T0 + 2), PROV_ESTORE);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_int_equal(must_read(*state).values[PROV_METRIC_COMMITS], n); /* as it was */
    }
    prov_metrics_free(m);
}

#define DIR_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_metric_has_a_name_of_its_own_and_a_help),
        cmocka_unit_test(counts_add_up_gauges_are_set_and_the_longest_only_grows),
        cmocka_unit_test(metric_that_is_none_is_ignored),
        DIR_TEST(threads_lose_no_counts_of_each_other),
        DIR_TEST(reader_sees_what_was_published_and_no_more),
        DIR_TEST(each_publication_replaces_the_one_before),
        DIR_TEST(start_begins_at_zero_whatever_was_left_behind),
        DIR_TEST(file_has_its_mode_whatever_the_umask),
        DIR_TEST(missing_memory_is_reported_and_leaves_nothing),
        DIR_TEST(broker_of_another_process_is_live_until_it_ends_however_it_ends),
        DIR_TEST(process_with_the_same_number_is_not_the_broker),
        DIR_TEST(reader_never_sees_half_a_publication),
        DIR_TEST(no_file_is_no_broker),
        DIR_TEST(file_of_another_size_is_refused),
        DIR_TEST(foreign_content_is_refused),
        DIR_TEST(file_of_another_version_is_refused_as_such),
        DIR_TEST(senseless_numbers_are_refused),
        DIR_TEST(record_that_was_cut_short_leaves_the_one_before),
        DIR_TEST(any_byte_that_is_wrong_in_both_records_is_noticed),
        DIR_TEST(what_is_no_ordinary_file_is_refused_without_waiting_for_it),
        DIR_TEST(file_that_may_not_be_read_is_refused),
        DIR_TEST(writer_follows_no_link_and_replaces_what_has_the_name),
        DIR_TEST(place_where_no_file_can_be_is_told_and_nothing_is_left),
        DIR_TEST(file_cut_down_under_the_writer_is_whole_again_after_two_publications),
        DIR_TEST(publication_that_cannot_be_written_is_told_and_the_next_one_is_tried),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
