#include "issuing.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "core/reason.h"
#include "signer.h"

#define MAX_PATH 4096

struct issuing {
    struct prov_issuing base; /* the first, so that it can be found again */
    pthread_mutex_t lock;     /* guards issuer until it is there, and its loading */
    struct prov_issuer *issuer;
    char *cert, *key;
    bool named; /* by the configuration */
};

/* ---- loading --------------------------------------------------------------------------------- */

static bool is_there(const char *file)
{
    return access(file, F_OK) == 0;
}

/* What is missing of an issuer that was named, or is there by half, was said; of any other it is
 * all. */
static enum prov_rc not_there(const struct issuing *issuing, struct prov_err *err)
{
    const struct prov_reason_info *why = prov_reason_info(PROV_REASON_NO_ISSUER);
    const bool said = issuing->named || is_there(issuing->cert) || is_there(issuing->key);

    if (said && err != NULL)
        err->code = why->aws_code;
    else
        (void)prov_fail(err, PROV_ENOTFOUND, why->aws_code, "%s %s", why->sentence, why->cure);
    return PROV_ENOTFOUND;
}

/*
 * The limit keeps the kernel from writing a file, and handlers such as systemd-coredump from
 * keeping one; without PR_SET_DUMPABLE the kernel asks no handler, and lets nobody but root trace
 * the process. LeakSanitizer is such a tracer, so there the limit has to do.
 */
static void leave_no_core_dumps(void)
{
    const struct rlimit none = { 0, 0 };

    (void)setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

static enum prov_rc load(struct issuing *issuing, struct prov_err *err)
{
    const struct prov_signer_conf conf = { .cert = issuing->cert, .key = issuing->key };
    struct timespec now;

    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        return prov_fail(err, PROV_EBUG, "InternalFailureException", "there is no clock");
    leave_no_core_dumps(); /* before there is a key */
    return prov_signer_load(&conf, (int64_t)now.tv_sec, &issuing->issuer, err);
}

static enum prov_rc issuer(const struct prov_issuing *self, const struct prov_issuer **out,
                           struct prov_err *err)
{
    struct issuing *issuing = (struct issuing *)self; /* prov_issuing_new made it so */
    enum prov_rc rc = PROV_OK;

    (void)pthread_mutex_lock(&issuing->lock);
    if (issuing->issuer == NULL)
        rc = load(issuing, err);
    *out = issuing->issuer;
    (void)pthread_mutex_unlock(&issuing->lock);
    return rc == PROV_ENOTFOUND ? not_there(issuing, err) : rc;
}

/* ---- making ---------------------------------------------------------------------------------- */

/* As it is named, or the file in the store's directory. */
static char *place(const struct prov_issuing_conf *conf, const char *named, const char *file)
{
    struct prov_buf path;
    char *copy;

    prov_buf_init(&path, MAX_PATH);
    if (named != NULL)
        prov_buf_add_str(&path, named);
    else
        prov_buf_addf(&path, "%s/%s", conf->dir, file);
    copy = path.rc == PROV_OK ? prov_span_dup(prov_buf_span(&path)) : NULL;
    prov_buf_wipe(&path); /* a URI may hold a PIN */
    return copy;
}

enum prov_rc prov_issuing_new(const struct prov_issuing_conf *conf, struct prov_issuing **out)
{
    struct issuing *issuing = calloc(1, sizeof *issuing);

    *out = NULL;
    if (issuing == NULL)
        return PROV_ENOMEM;
    if (pthread_mutex_init(&issuing->lock, NULL) != 0) {
        free(issuing);
        return PROV_ENOMEM;
    }
    issuing->base.issuer = issuer;
    issuing->base.validity_days = conf->validity_days;
    issuing->base.key_type = conf->key_type;
    issuing->named = conf->cert != NULL;
    issuing->cert = place(conf, conf->cert, PROV_ISSUER_CERT);
    issuing->key = place(conf, conf->key, PROV_ISSUER_KEY);
    if (issuing->cert == NULL || issuing->key == NULL) {
        prov_issuing_free(&issuing->base);
        return PROV_ENOMEM;
    }
    *out = &issuing->base;
    return PROV_OK;
}

void prov_issuing_free(struct prov_issuing *self)
{
    struct issuing *issuing = (struct issuing *)self;

    if (issuing == NULL)
        return;
    prov_issuer_free(issuing->issuer);
    (void)pthread_mutex_destroy(&issuing->lock);
    free(issuing->cert);
    if (issuing->key != NULL)
        OPENSSL_cleanse(issuing->key, strlen(issuing->key)); /* a URI may hold a PIN */
    free(issuing->key);
    free(issuing);
}
