#include "ctl.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connect.h"
#include "help.h"
#include "issuer.h"
#include "remote.h"
#include "store/store_lmdb.h"

#define MAX_OUT (1u << 30)

#ifndef PROV_VERSION
#define PROV_VERSION "unknown"
#endif

static enum ctl_exit exit_code(const struct ctl *ctl, enum prov_rc rc)
{
    static const enum ctl_exit codes[] = {
        [PROV_OK] = CTL_EXIT_OK,
        [PROV_EINVAL] = CTL_EXIT_REFUSED,
        [PROV_ETOOBIG] = CTL_EXIT_REFUSED,
        [PROV_EDENIED] = CTL_EXIT_REFUSED,
        [PROV_EEXPIRED] = CTL_EXIT_REFUSED,
        [PROV_ENOTFOUND] = CTL_EXIT_NOT_FOUND,
        [PROV_ECONFLICT] = CTL_EXIT_CONFLICT,
    };

    if (ctl->usage)
        return CTL_EXIT_USAGE;
    if (ctl->url != NULL && rc == PROV_EBUSY)
        return CTL_EXIT_UNREACHABLE;
    return (size_t)rc < PROV_COUNT(codes) ? codes[rc] : CTL_EXIT_STORE;
}

/* ---- transactions ---------------------------------------------------------------------------- */

static enum prov_rc store_result(struct ctl *ctl, enum prov_rc rc)
{
    if (rc == PROV_OK || rc == PROV_ENOMEM)
        return rc;
    return prov_fail(&ctl->err, PROV_ESTORE, "InternalFailureException", "%s: %s", ctl->db,
                     prov_store_why(ctl->store));
}

static enum prov_rc begin(struct ctl *ctl, enum prov_txn_kind kind)
{
    return store_result(ctl, prov_txn_begin(ctl->store, kind, NULL, &ctl->tx.txn));
}

enum prov_rc ctl_begin_read(struct ctl *ctl)
{
    return ctl->remote != NULL ? PROV_OK : begin(ctl, PROV_TXN_READ);
}

enum prov_rc ctl_begin_write(struct ctl *ctl)
{
    return ctl->remote != NULL ? PROV_OK : begin(ctl, PROV_TXN_WRITE);
}

static bool writes(const struct ctl *ctl)
{
    const enum ctl_access access = ctl->args.verb->access;

    return access == CTL_WRITE || access == CTL_STORE_WRITE || access == CTL_STORE_LATER;
}

enum prov_rc ctl_end(struct ctl *ctl)
{
    struct prov_txn *txn = ctl->tx.txn;

    ctl->tx.txn = NULL;
    if (txn == NULL)
        return PROV_OK;
    if (writes(ctl))
        return store_result(ctl, prov_txn_commit(txn));
    prov_txn_abort(txn);
    return PROV_OK;
}

bool ctl_is_store(const char *dir)
{
    char path[4096];
    struct stat st;
    const int n = snprintf(path, sizeof path, "%s/data.mdb", dir);

    return n > 0 && (size_t)n < sizeof path && stat(path, &st) == 0;
}

static enum prov_rc open_store(struct ctl *ctl, bool write)
{
    const struct prov_store_lmdb_opts opts = {
        .dir = ctl->db,
        .create = write,
        .read_only = !write,
    };
    const bool new_store = write && !ctl_is_store(ctl->db);
    enum prov_rc rc;

    rc = prov_store_lmdb_open(&opts, &prov_registry_schema, &ctl->store, &ctl->err);
    if (rc != PROV_OK)
        return PROV_ESTORE;
    if (new_store && strcmp(ctl->args.noun->name, "init") != 0)
        ctl_note(ctl, "provctl: made a new store in %s; `provctl init` tells how to use it",
                 ctl->db);
    return PROV_OK;
}

enum prov_rc ctl_open(struct ctl *ctl, enum prov_txn_kind kind)
{
    const enum prov_rc rc = open_store(ctl, kind == PROV_TXN_WRITE);

    return rc == PROV_OK ? begin(ctl, kind) : rc;
}

void ctl_close(struct ctl *ctl)
{
    prov_txn_abort(ctl->tx.txn);
    ctl->tx.txn = NULL;
    prov_store_free(ctl->store);
    ctl->store = NULL;
}

/* ---- running --------------------------------------------------------------------------------- */

static enum prov_rc run_verb(struct ctl *ctl)
{
    const struct ctl_verb *verb = ctl->args.verb;
    enum prov_rc rc;

    rc = ctl_choose(ctl);
    if (rc == PROV_OK && verb->access != CTL_NO_STORE && verb->access != CTL_STORE_LATER)
        rc = ctl->url != NULL ? ctl_connect(ctl) : open_store(ctl, writes(ctl));
    if (rc == PROV_OK && ctl->store != NULL)
        rc = begin(ctl, writes(ctl) ? PROV_TXN_WRITE : PROV_TXN_READ);
    if (rc == PROV_OK)
        rc = verb->run(ctl);
    if (rc == PROV_OK)
        rc = ctl->out.rc; /* nothing is done that cannot be told */
    if (rc == PROV_OK)
        rc = ctl_end(ctl);
    prov_txn_abort(ctl->tx.txn);
    ctl->tx.txn = NULL;
    return rc;
}

static int64_t clock_ms(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        return 0;
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool env_set(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && value[0] != '\0';
}

static void look_at_terminals(struct ctl *ctl)
{
    const char *term = getenv("TERM");
    struct winsize size;

    ctl->progress = isatty(fileno(ctl->io.err)) == 1;
    if (isatty(fileno(ctl->io.out)) != 1)
        return;
    ctl->look.width = 80;
    if (ioctl(fileno(ctl->io.out), TIOCGWINSZ, &size) == 0 && size.ws_col != 0)
        ctl->look.width = size.ws_col;
    ctl->look.colour = !env_set("NO_COLOR") && (term == NULL || strcmp(term, "dumb") != 0);
}

static void start(struct ctl *ctl, const struct ctl_io *io)
{
    memset(ctl, 0, sizeof *ctl);
    ctl->io = *io;
    ctl->tx.now_ms = io->now_ms != 0 ? io->now_ms : clock_ms();
    ctl->tx.err = &ctl->err;
    prov_buf_init(&ctl->out, MAX_OUT);
    prov_buf_init(&ctl->hint, 65536);
    look_at_terminals(ctl);
}

/* Nothing was asked: the help is the answer, though not a successful one. */
static enum prov_rc show_help(struct ctl *ctl)
{
    struct prov_buf help;

    prov_buf_init(&help, MAX_OUT);
    ctl_help(&ctl->args, 0, &help);
    (void)fputs(prov_buf_cstr(&help), ctl->io.err);
    prov_buf_release(&help);
    ctl->outcome = CTL_EXIT_USAGE;
    return PROV_OK;
}

static enum prov_rc usage_error(struct ctl *ctl)
{
    const struct ctl_args *args = &ctl->args;
    const bool no_verb = args->verb == NULL || args->verb->name[0] == '\0';

    ctl->usage = true;
    ctl_hint(ctl, "`provctl help%s%s%s%s` tells more", args->noun != NULL ? " " : "",
             args->noun != NULL ? args->noun->name : "", no_verb ? "" : " ",
             no_verb ? "" : args->verb->name);
    return PROV_EINVAL;
}

/* What is missing is known by the words that the registry says it in ("there is no thing "x""), and
 * so is an id that is none, or several. */
static void hint_missing(struct ctl *ctl)
{
    static const struct {
        const char *says, *noun, *more;
    } kinds[] = {
        { "there is no thing \"", "thing", "those that there are" },
        { "there is no thing group \"", "group", "those that there are" },
        { "there is no thing type \"", "type", "those that there are" },
        { "there is no policy \"", "policy", "those that there are" },
        { "there is no billing group \"", "billing-group", "those that there are" },
        { "there is no template \"", "template", "those that there are" },
        { "there is no CA certificate \"", "ca", "the ids; 8 or more of the first digits will do" },
        { " CA certificate id", "ca", "the ids; 8 or more of the first digits will do" },
        { "there is no certificate \"", "cert", "the ids; 8 or more of the first digits will do" },
        { " certificate id", "cert", "the ids; 8 or more of the first digits will do" },
    };

    for (size_t i = 0; i < PROV_COUNT(kinds) && ctl->hint.n == 0; i++) {
        if (strstr(ctl->err.text, kinds[i].says) != NULL)
            ctl_hint(ctl, "`provctl %s list` shows %s", kinds[i].noun, kinds[i].more);
    }
}

static enum prov_rc run(struct ctl *ctl, int argc, char *const argv[])
{
    enum prov_rc rc = ctl_args_parse(argc, argv, &ctl->args, &ctl->err);

    ctl->json = ctl_has(&ctl->args, OPT_JSON);
    if (rc != PROV_OK && ctl->args.bare && !ctl->json)
        return show_help(ctl);
    if (rc != PROV_OK)
        return usage_error(ctl);
    if (ctl_has(&ctl->args, OPT_VERSION)) {
        prov_buf_add_str(&ctl->out, "provctl " PROV_VERSION "\n");
        return PROV_OK;
    }
    if (ctl_has(&ctl->args, OPT_HELP)) {
        ctl_help(&ctl->args, ctl->look.width, &ctl->out);
        return PROV_OK;
    }
    rc = run_verb(ctl);
    if (rc != PROV_OK && ctl->usage)
        return usage_error(ctl);
    if (rc == PROV_ENOTFOUND || rc == PROV_EINVAL)
        hint_missing(ctl);
    return rc;
}

int ctl_main(const struct ctl_io *io, int argc, char *const argv[])
{
    struct ctl ctl;
    enum prov_rc rc, flushed = PROV_OK;
    enum ctl_exit code;

    /* For wcwidth alone: text is UTF-8 whatever the user's locale is. */
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    start(&ctl, io);
    rc = run(&ctl, argc, argv);
    if (rc == PROV_OK)
        flushed = ctl_flush(&ctl);
    code = exit_code(&ctl, rc != PROV_OK ? rc : flushed);
    if (code != CTL_EXIT_OK)
        ctl_report(&ctl, rc != PROV_OK ? rc : flushed);
    else
        code = ctl.outcome;
    ctl_remote_close(ctl.remote);
    prov_store_free(ctl.store);
    prov_issuing_free(ctl.issuing);
    prov_buf_wipe(&ctl.out); /* it may have been a private key */
    prov_buf_release(&ctl.hint);
    return (int)code;
}
