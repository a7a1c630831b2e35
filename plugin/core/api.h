/*
 * api.h - the control API's operations: AWS IoT's names and fields over the registry (reference
 * sections 2.9, 4, 5, 7, 8.7; design D13), in the message convention of Mosquitto's
 * dynamic-security plugin. The plugin answers it on $CONTROL/provisioning/v1, and provctl runs the
 * same operations on the store or through a broker.
 *
 * An operation's request is a JSON object with AWS IoT's field names, path, query and body fields
 * alike; identifiers of certificates and CAs may be any unambiguous prefix of 8 digits or more,
 * principals and targets an ARN, its last part ("cert/…", "thinggroup/…") or a bare certificate id.
 * Its answer is the object that AWS IoT answers with, made by view.h, and more where AWS answers
 * nothing or little: what a client cannot know otherwise, such as the id that a prefix stood for.
 *
 * Lists are in pages: pageSize or maxResults (1 to 250, default 25), marker or nextToken, whichever
 * the operation has on AWS. The token is the last key looked at, as text: an id in full, a name. A
 * page may be short, or empty, and still have a token behind it: a call looks at PROV_API_LOOKS
 * records at the most, whatever it was to leave out.
 *
 * Thread: that of the transaction.
 */
#ifndef PROV_API_H
#define PROV_API_H

#include <cjson/cJSON.h>

#include "issue.h"
#include "registry.h"

#define PROV_API_PAGE 25
#define PROV_API_PAGE_MAX 250
#define PROV_API_LOOKS 4096
#define PROV_MAX_API_PAYLOAD (4 * 1024 * 1024) /* a message of commands, and an answer to one */
#define PROV_MAX_API_COMMANDS 250              /* in one message */
#define PROV_MAX_API_CORRELATION 256           /* bytes of correlationData */

enum prov_api_access { PROV_API_READ, PROV_API_WRITE };

enum prov_api_kind {
    PROV_API_TEXT,
    PROV_API_BOOL,
    PROV_API_NUMBER,  /* a whole one, from 0 to 2^32 - 1 */
    PROV_API_TEXTS,   /* array of texts */
    PROV_API_MAP,     /* object of texts */
    PROV_API_OBJECT,  /* object of `members` */
    PROV_API_OBJECTS, /* array of such */
};

struct prov_api_field {
    const char *name; /* NULL ends a list of fields */
    enum prov_api_kind kind;
    bool needed;
    const struct prov_api_field *members;
};

/*
 * Of an operation that does much and writes little: prepare does the work, in a read transaction,
 * and finish, run in the place of the operation, the rest; it may run again with the same.
 * *prepared stays NULL when prepare fails.
 *
 * An operation may have a run besides, for when it was not prepared or could not be: params has not
 * been checked then, and the operation itself will say why. One without issues certificates
 * (prov_api_issues): making keys and signing is for prepare alone.
 */
struct prov_api_stages {
    enum prov_rc (*prepare)(struct prov_tx *tx, const struct prov_issuing *issuing,
                            const cJSON *params, void **prepared);
    enum prov_rc (*finish)(struct prov_tx *tx, void *prepared, cJSON **data);
    void (*drop)(void *prepared); /* wipes what is secret of it; NULL is accepted */
};

struct prov_api_op {
    const char *name;    /* "updateCertificate" */
    const char *summary; /* one line, for the documentation */
    enum prov_api_access access;
    const char *about[2]; /* the fields, of the answer or else the request, that say what it was
                             about; NULL: fewer. Never one that holds a secret or a document. */
    const struct prov_api_field *fields;
    /* params has been checked against fields. *data: what is answered, NULL for nothing. run NULL:
     * see stages. */
    enum prov_rc (*run)(struct prov_tx *tx, const cJSON *params, cJSON **data);
    const struct prov_api_stages *stages; /* NULL: none */
};

/* By its exact name; NULL when there is none. */
const struct prov_api_op *prov_api_find(const char *name);
/* The n-th, in the order of the documentation; NULL behind the last. */
const struct prov_api_op *prov_api_at(size_t n);
/* The name that a mistyped one was most likely meant to be; NULL: nothing is close. */
const char *prov_api_nearest(const char *name);

/*
 * Checks params (an object) and runs. Members named "command" and "correlationData" are passed
 * over; any other that the operation does not have is PROV_EINVAL and names the nearest. The caller
 * owns *data, which is NULL when nothing is answered and on failure. A write operation needs a
 * write transaction; after an error it can only be aborted. tx->err may be NULL.
 *
 * An error about a place in a document that was given (a policy, a template) has a line, and its
 * path leads through that document; one about the request has a path alone, which leads to the
 * field.
 *
 * issuing: who signs the certificates of the operations that issue some; without anybody (NULL, or
 * nobody that it finds) they say "ServiceUnavailableException" and how to make an issuer. Such an
 * operation is prepared and finished at once, which takes a while: who does not want to keep others
 * from writing meanwhile calls the two.
 */
PROV_MUST_USE enum prov_rc prov_api_run(const struct prov_api_op *op,
                                        const struct prov_issuing *issuing, struct prov_tx *tx,
                                        const cJSON *params, cJSON **data);

/* Does it issue certificates? Its answer may hold a private key. */
static inline bool prov_api_issues(const struct prov_api_op *op)
{
    return op->run == NULL;
}

/*
 * The halves of an operation that issues, with the errors of prov_api_run. The first does all that
 * takes long and writes nothing; a read transaction will do. What it prepared is finished in a
 * write transaction, and dropped by op->stages->drop in any case.
 */
PROV_MUST_USE enum prov_rc prov_api_prepare(const struct prov_api_op *op,
                                            const struct prov_issuing *issuing, struct prov_tx *tx,
                                            const cJSON *params, void **prepared);
PROV_MUST_USE enum prov_rc prov_api_finish(const struct prov_api_op *op, struct prov_tx *tx,
                                           void *prepared, cJSON **data);

/* cJSON_Delete for answers: wipes every text of it, for it may be a private key. NULL is accepted.
 */
void prov_api_drop(cJSON *data);

/* HTTP status that AWS IoT gives an error code (404 for ResourceNotFoundException …); 500 for
 * those it does not know. */
int prov_api_status(const char *code);
/* The result that an "errorClass" was made of (prov_rc_name), so that provctl's exit code is the
 * same through a broker; PROV_EBUG for what is none. */
enum prov_rc prov_api_rc(const char *error_class);

/* ---- messages -------------------------------------------------------------------------------- */

/*
 * One message: {"commands":[{"command":"…", "correlationData":"…", …}, …]}. Its answer is
 * {"responses":[{"command":"…", "correlationData":"…", "data":{…}}, …]}, in order, where a command
 * that failed has instead of data
 *
 *     "error"        a sentence
 *     "errorCode"    the AWS exception
 *     "statusCode"   prov_api_status of it
 *     "errorClass"   prov_rc_name of the result
 *     "line", "column", "path"   as prov_api_run has them in err, when they are there
 *
 * A message that cannot be read has one response, without "command", whose line and column are
 * places in the message. A command is answered with its "command" as far as that is text of a
 * sensible length.
 */
struct prov_api_batch;

/* PROV_ENOMEM alone fails: what cannot be read is answered. text need not live on; issuing (of
 * prov_api_run; may be NULL) must. */
PROV_MUST_USE enum prov_rc prov_api_batch_new(struct prov_span text,
                                              const struct prov_issuing *issuing,
                                              struct prov_api_batch **out);
/* Wipes what it would have answered. NULL is accepted. */
void prov_api_batch_free(struct prov_api_batch *batch);

/* Does any command of it write? Then run needs a write transaction. */
bool prov_api_batch_writes(const struct prov_api_batch *batch);

/*
 * What the commands can do before anything is written, in a read transaction: so that a revocation
 * list over a million certificates, or the making of keys, keeps no writer waiting. Not needed, but
 * for that. Errors as of run.
 */
PROV_MUST_USE enum prov_rc prov_api_batch_prepare(struct prov_api_batch *batch, struct prov_tx *tx);

/*
 * Runs all commands in order, those that write each in a child transaction: one that fails undoes
 * only itself, and those behind it run. One whose answer would not fit into PROV_MAX_API_PAYLOAD
 * with the others' fails too, so that nobody is left to guess what was done. May run again from the
 * start. Errors, after which the transaction can only be aborted and nothing was done: PROV_ESTORE,
 * PROV_ENOMEM, PROV_EBUG; the answer then is that error for every command (prov_api_batch_fail).
 */
PROV_MUST_USE enum prov_rc prov_api_batch_run(struct prov_api_batch *batch, struct prov_tx *tx);
/* Every command failed, with this: the queue was full, the store could not be written. */
void prov_api_batch_fail(struct prov_api_batch *batch, const struct prov_err *err);

/* The answer as JSON, at most PROV_MAX_API_PAYLOAD bytes; out is initialised here, and to be wiped
 * (prov_buf_wipe). PROV_ENOMEM. */
PROV_MUST_USE enum prov_rc prov_api_batch_answer(const struct prov_api_batch *batch,
                                                 struct prov_buf *out);

/*
 * For the audit log: each command in order. op is NULL for a command that there is not, command
 * then what was asked for, or "". error is NULL when it went well. subject is what op->about names,
 * with a space between, and may be empty. command and subject hold whatever the request did: escape
 * them. A message that cannot be read is one command of no name.
 */
void prov_api_batch_each(const struct prov_api_batch *batch,
                         void (*visit)(void *ctx, const struct prov_api_op *op, const char *command,
                                       struct prov_span subject, const struct prov_err *error),
                         void *ctx);

#endif
