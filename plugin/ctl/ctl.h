/*
 * ctl.h - what every command works with: the store, one transaction, what goes to stdout when all
 * went well, and how to say what went wrong.
 *
 * Thread: main.
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include <cjson/cJSON.h>

#include "args.h"
#include "core/doc.h"
#include "core/registry.h"
#include "text.h"

enum ctl_exit {
    CTL_EXIT_OK,
    CTL_EXIT_USAGE,
    CTL_EXIT_NOT_FOUND,
    CTL_EXIT_CONFLICT,
    CTL_EXIT_REFUSED, /* by validation, or by the state things are in */
    CTL_EXIT_STORE,
    CTL_EXIT_UNREACHABLE, /* the broker of --url */
};

struct ctl_io {
    FILE *in, *out, *err;
    int64_t now_ms; /* 0: the clock's */
};

struct ctl {
    struct ctl_io io;
    struct ctl_args args;
    struct ctl_look look; /* of stdout */
    bool json, progress;  /* progress: stderr is a terminal */
    const char *db;
    const char *url; /* NULL: the command works on the store */
    struct ctl_remote *remote;
    struct prov_store *store;
    struct prov_issuing *issuing; /* issuer.h; NULL: not asked for yet */
    struct prov_tx tx; /* begun before the verb runs, unless it is CTL_NO_STORE, or goes to a
                          broker: then only the time is of use */
    struct prov_err err;
    struct prov_buf out; /* goes to stdout once the transaction has ended well */
    struct prov_buf hint;
    char document[64];     /* room for a name that `file` may point to */
    const char *file;      /* the last that was read; what err's line and column are in */
    bool reading;          /* it is being read: every error is about it */
    bool usage;            /* the error is the command line's */
    bool in_used;          /* stdin was read already */
    enum ctl_exit outcome; /* the exit code of a command that answered, and the answer is no */
};

/* The whole program: returns the exit code. */
int ctl_main(const struct ctl_io *io, int argc, char *const argv[]);

/* ---- failing --------------------------------------------------------------------------------- */

/* An error of the command line: PROV_EINVAL with exit code 1. */
PROV_PRINTF(2, 3) enum prov_rc ctl_usage(struct ctl *ctl, const char *fmt, ...);
/* PROV_EINVAL, exit code 4. */
PROV_PRINTF(2, 3) enum prov_rc ctl_refuse(struct ctl *ctl, const char *fmt, ...);
/* What to do about the error; shown below it. Several calls make several lines. */
PROV_PRINTF(2, 3) void ctl_hint(struct ctl *ctl, const char *fmt, ...);
/* A remark on stderr, for people alone (not under --json). */
PROV_PRINTF(2, 3) void ctl_note(struct ctl *ctl, const char *fmt, ...);

/* Writes err and the hints to stderr, as text or as {"error": …}. */
void ctl_report(struct ctl *ctl, enum prov_rc rc);

/* ---- answering ------------------------------------------------------------------------------- */

/* Text for people, escaped but for its line breaks. */
PROV_PRINTF(2, 3) void ctl_say(struct ctl *ctl, const char *fmt, ...);
/* The answer under --json; takes the document. rc is that of making it, and is passed on. */
PROV_MUST_USE enum prov_rc ctl_answer(struct ctl *ctl, enum prov_rc rc, cJSON *doc);
/* The same of a document that is made up to its end. */
PROV_MUST_USE enum prov_rc ctl_answer_doc(struct ctl *ctl, struct prov_doc *d);
/* A line for people. PROV_OK. */
PROV_PRINTF(2, 3) enum prov_rc ctl_done(struct ctl *ctl, const char *fmt, ...);
/* "label   text", aligned; left out when the text is empty. */
void ctl_field(struct ctl *ctl, const char *label, struct prov_span text);
PROV_PRINTF(3, 4) void ctl_fieldf(struct ctl *ctl, const char *label, const char *fmt, ...);
void ctl_field_time(struct ctl *ctl, const char *label, int64_t at_ms);
/* A document or another text of several lines, below what was said. */
void ctl_block(struct ctl *ctl, struct prov_span text);

/* Writes what was said so far to stdout. PROV_ESTORE when that cannot be. Not while a transaction
 * is open: a reader that waits for a pager keeps the store from reusing its space. */
PROV_MUST_USE enum prov_rc ctl_flush(struct ctl *ctl);

/* ---- transactions ---------------------------------------------------------------------------- */

/* For a verb of CTL_STORE_LATER: opens the store, which writing makes if need be, and begins a
 * transaction. It may be closed, which gives up what was not ended, and opened again. */
PROV_MUST_USE enum prov_rc ctl_open(struct ctl *ctl, enum prov_txn_kind kind);
void ctl_close(struct ctl *ctl);
/* Is there one in this directory? */
bool ctl_is_store(const char *dir);

/* Ends the transaction for good: commits a write, ends a read. Spans out of the store die. */
PROV_MUST_USE enum prov_rc ctl_end(struct ctl *ctl);
/* Begins another one; nothing to do for a broker. A write transaction is for verbs that write. */
PROV_MUST_USE enum prov_rc ctl_begin_read(struct ctl *ctl);
PROV_MUST_USE enum prov_rc ctl_begin_write(struct ctl *ctl);

/* ---- what commands are told ------------------------------------------------------------------ */

/* The n-th word behind the verb; empty when there are fewer. */
struct prov_span ctl_word(const struct ctl *ctl, size_t n);
struct prov_span ctl_value(const struct ctl *ctl, enum ctl_opt id);
/* Was any option given that is the verb's own? */
bool ctl_any_given(const struct ctl *ctl);
/* For an update: not both of a pair of options of which one takes away what the other gives, and
 * something to change at all. */
PROV_MUST_USE enum prov_rc ctl_check_change(struct ctl *ctl, const enum ctl_opt (*pairs)[2],
                                            size_t n);
/* The "k=v" of an option that may be given several times. Points into argv. */
PROV_MUST_USE enum prov_rc ctl_pairs(struct ctl *ctl, enum ctl_opt id, struct prov_attr *out,
                                     size_t max, size_t *n);
/* The version in a word such as "3"; 0, the default one, when the word is not there. */
PROV_MUST_USE enum prov_rc ctl_version_word(struct ctl *ctl, size_t word, uint32_t *out);

/* ---- files ----------------------------------------------------------------------------------- */

/* "-" is stdin. Later errors with a line and column are this file's. */
PROV_MUST_USE enum prov_rc ctl_read_file(struct ctl *ctl, const char *name, size_t max_bytes,
                                         struct prov_buf *out);
/* The first certificate of a PEM file, or a DER file; which of them is seen from the content. */
PROV_MUST_USE enum prov_rc ctl_read_cert(struct ctl *ctl, const char *name, struct prov_buf *der);

#endif
