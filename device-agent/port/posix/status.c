#include "status.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "control_msg.h"
#include "exits.h"
#include "utc.h"

static const char *const methods[] = {
    [AGENT_METHOD_JIT] = "jit",
    [AGENT_METHOD_CLAIM] = "claim",
    [AGENT_METHOD_TRUSTED_USER] = "trusted-user",
    [AGENT_METHOD_KEY] = "key",
};
_Static_assert(sizeof methods / sizeof methods[0] == AGENT_METHODS, "a method has no name");

static const char *const phases[] = {
    [AGENT_PHASE_NONE] = "none",
    [AGENT_PHASE_KEY] = "key",
    [AGENT_PHASE_REQUEST] = "request",
    [AGENT_PHASE_ISSUED] = "issued",
    [AGENT_PHASE_REGISTERED] = "registered",
    [AGENT_PHASE_PROVEN] = "proven",
};
_Static_assert(sizeof phases / sizeof phases[0] == AGENT_PHASES, "a phase has no name");

const char *status_method(enum agent_method method)
{
    return (unsigned)method < AGENT_METHODS ? methods[method] : "unknown";
}

/* ---- certificates ---------------------------------------------------------------------------- */

static bool describe(X509 *cert, struct status_cert *out)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    if (X509_digest(cert, EVP_sha256(), digest, &n) != 1 || n != 32)
        return false;
    for (unsigned i = 0; i < n; i++)
        (void)snprintf(out->id + 2 * i, 3, "%02x", digest[i]);
    return utc_seconds(X509_get0_notBefore(cert), &out->not_before_s) &&
           utc_seconds(X509_get0_notAfter(cert), &out->not_after_s);
}

bool status_cert_read(struct agent_span pem, struct status_cert *out)
{
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    X509 *cert = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    const bool ok = cert != NULL && describe(cert, out);

    X509_free(cert);
    BIO_free(bio);
    ERR_clear_error();
    return ok;
}

bool status_cert_file(const char *path, struct status_cert *out)
{
    uint8_t pem[AGENT_MAX_CERT];
    FILE *file = fopen(path, "re");
    size_t n;

    if (file == NULL)
        return false;
    n = fread(pem, 1, sizeof pem, file);
    (void)fclose(file);
    return n != 0 && status_cert_read((struct agent_span){ pem, n }, out);
}

/* ---- making ---------------------------------------------------------------------------------- */

/* Its first failure sticks. */
struct making {
    const struct status_in *in;
    cJSON *doc;
    bool failed;
};

static void put(struct making *m, cJSON *to, const char *name, cJSON *item)
{
    if (item == NULL || !cJSON_AddItemToObject(to, name, item)) {
        cJSON_Delete(item);
        m->failed = true;
    }
}

static void put_text(struct making *m, cJSON *to, const char *name, const char *text)
{
    put(m, to, name,
        text != NULL && text[0] != '\0' ? cJSON_CreateString(text) : cJSON_CreateNull());
}

/* 0 is null. */
static void put_number(struct making *m, cJSON *to, const char *name, int64_t value)
{
    put(m, to, name, value != 0 ? cJSON_CreateNumber((double)value) : cJSON_CreateNull());
}

/* NULL after a failure, on which all else does nothing more of use. */
static cJSON *put_object(struct making *m, cJSON *to, const char *name)
{
    cJSON *object = cJSON_CreateObject();

    put(m, to, name, object);
    return m->failed ? NULL : object;
}

enum { STATUS_PATH = PATH_MAX + 64 };

/* A path below the state directory. */
static const char *path_of(const struct making *m, const char *path, char out[static STATUS_PATH])
{
    (void)snprintf(out, STATUS_PATH, "%s/%s", m->in->dir, path);
    return out;
}

static void put_cert(struct making *m, const char *name, const char *path)
{
    struct status_cert cert;
    cJSON *object;

    if (!status_cert_file(path, &cert)) {
        put(m, m->doc, name, cJSON_CreateNull());
        return;
    }
    object = put_object(m, m->doc, name);
    put_text(m, object, "certificateId", cert.id);
    put_number(m, object, "notBefore", cert.not_before_s);
    put_number(m, object, "notAfter", cert.not_after_s);
}

static void put_next(struct making *m)
{
    const struct agent_state *record = m->in->record;
    cJSON *object;

    if (record == NULL || record->next == 0) {
        put(m, m->doc, "next", cJSON_CreateNull());
        return;
    }
    object = put_object(m, m->doc, "next");
    put_number(m, object, "generation", record->next);
    put_text(m, object, "phase", phases[record->phase]);
}

static void put_attempts(struct making *m, cJSON *to, const char *name,
                         const struct agent_retry *retry)
{
    cJSON *object = put_object(m, to, name);

    for (unsigned i = 1; retry != NULL && i < AGENT_CLASSES; i++) {
        if (retry->attempts[i] != 0)
            put(m, object, agent_class_name((enum agent_class)i),
                cJSON_CreateNumber(retry->attempts[i]));
    }
}

static void put_error(struct making *m)
{
    const struct agent_state *record = m->in->record;
    const struct agent_view *view = m->in->view;
    enum agent_class class = AGENT_OK;
    const char *text = "";
    cJSON *object;

    if (view != NULL) {
        class = view->class;
        text = view->text;
    } else if (record != NULL) {
        class = record->last_error;
        text = record->last_message;
    } else if (m->in->read == AGENT_STATE_FOREIGN || m->in->read == AGENT_STATE_NEWER) {
        class = AGENT_RECORD;
        text = m->in->read == AGENT_STATE_FOREIGN
                   ? "the state record is another device's"
                   : "the state record is of a later version of the agent";
    }
    if (class == AGENT_OK) {
        put(m, m->doc, "lastError", cJSON_CreateNull());
        return;
    }
    object = put_object(m, m->doc, "lastError");
    put_text(m, object, "class", agent_class_name(class));
    put_text(m, object, "text", text);
    put_number(m, object, "exitCode", exit_of_class(class));
}

static const char *state_name(const struct status_in *in)
{
    return in->view != NULL ? agent_step_name(in->view->step) : "not-running";
}

/* When the next try is, by the wall clock, and in how many seconds if that is not known. */
static void put_next_try(struct making *m)
{
    const struct agent_view *view = m->in->view;
    int64_t left_s = 0;

    if (view != NULL && view->next_ms > m->in->mono_ms)
        left_s = (int64_t)((view->next_ms - m->in->mono_ms + 999) / 1000);
    put_number(m, m->doc, "nextTryIn", left_s);
    put_number(m, m->doc, "nextTry",
               left_s != 0 && m->in->wall_s != 0 ? m->in->wall_s + left_s : 0);
}

static void put_path(struct making *m, cJSON *to, const char *name, const char *path)
{
    char whole[STATUS_PATH];

    (void)path_of(m, path, whole);
    put_text(m, to, name, access(whole, F_OK) == 0 ? whole : NULL);
}

static void put_paths(struct making *m)
{
    cJSON *object = put_object(m, m->doc, "paths");

    put_text(m, object, "stateDirectory", m->in->dir);
    put_path(m, object, "certificate", "current/cert.pem");
    put_path(m, object, "privateKey", "current/key.pem");
    put_path(m, object, "keyReference", "current/key.uri");
    put_path(m, object, "configuration", "current/config.json");
}

static void put_all(struct making *m)
{
    const struct status_in *in = m->in;
    const struct agent_state *record = in->record;
    const char *claim = in->conf->claim_cert;
    char path[STATUS_PATH];
    cJSON *attempts;

    put(m, m->doc, "running", cJSON_CreateBool(in->view != NULL));
    put_number(m, m->doc, "pid", in->view != NULL ? in->pid : 0);
    put_text(m, m->doc, "state", state_name(in));
    put_text(m, m->doc, "method", status_method(in->conf->agent.method));
    put_text(m, m->doc, "host", in->conf->net.host);
    put_text(m, m->doc, "thingName", record != NULL ? record->thing_name : "");
    put_number(m, m->doc, "generation", record != NULL ? record->current : 0);
    put_cert(m, "certificate", path_of(m, "current/cert.pem", path));
    put_number(m, m->doc, "renewal", record != NULL ? record->renew_s : 0);
    put_next(m);
    put_cert(m, "claim", claim != NULL ? claim : path_of(m, "claim/cert.pem", path));
    put(m, m->doc, "connected", cJSON_CreateBool(in->view != NULL && in->view->connected));
    put_error(m);
    attempts = put_object(m, m->doc, "attempts");
    put_attempts(m, attempts, "getting", record != NULL ? &record->getting : NULL);
    put_attempts(m, attempts, "serving", record != NULL ? &record->serving : NULL);
    put_next_try(m);
    put_text(m, m->doc, "reset",
             record != NULL && record->reset != AGENT_RESET_NONE ? control_level_name(record->reset)
                                                                 : NULL);
    put_text(m, m->doc, "record", in->blank ? "" : agent_state_read_name(in->read));
    put_paths(m);
}

cJSON *status_make(const struct status_in *in)
{
    struct making m = { .in = in, .doc = cJSON_CreateObject() };

    if (m.doc == NULL)
        return NULL;
    put_all(&m);
    if (!m.failed)
        return m.doc;
    cJSON_Delete(m.doc);
    return NULL;
}

/* ---- reading --------------------------------------------------------------------------------- */

const char *status_text(const cJSON *from, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(from, name));
}

int64_t status_number(const cJSON *from, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(from, name);

    return cJSON_IsNumber(item) && item->valuedouble > -9e15 && item->valuedouble < 9e15
               ? (int64_t)item->valuedouble
               : 0;
}
