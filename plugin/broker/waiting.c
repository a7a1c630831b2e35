#include "waiting.h"

#include <stdlib.h>

#include <utlist.h>

#include "adapter.h"

struct waiter {
    UT_hash_handle hh;
    struct waiter *next;            /* ripe or gone */
    const struct mosquitto *client; /* an address, see waiting.h */
    uint64_t session;               /* its number */
    bool persistent;
    bool ripe;
    bool contact_done, pending; /* as prov_waiting_contact_done was told */
    int64_t until_ms;           /* steady: waits for its activation; 0: for the first contact */
    char client_id[];           /* the key */
};

struct prov_waiting {
    struct waiter *by_id;
    struct waiter *ripe; /* to be looked at in the next tick */
    struct waiter *gone; /* no longer in by_id */
    int64_t first_until_ms;
};

enum prov_rc prov_waiting_new(struct prov_waiting **out)
{
    *out = calloc(1, sizeof **out);
    if (*out == NULL)
        return PROV_ENOMEM;
    (*out)->first_until_ms = INT64_MAX;
    return PROV_OK;
}

void prov_waiting_free(struct prov_waiting *waiting)
{
    struct waiter *w, *next;

    if (waiting == NULL)
        return;
    HASH_ITER(hh, waiting->by_id, w, next)
    {
        HASH_DEL(waiting->by_id, w);
        free(w);
    }
    while ((w = waiting->gone) != NULL) {
        waiting->gone = w->next;
        free(w);
    }
    free(waiting);
}

/* ---- who waits ------------------------------------------------------------------------------- */

/* Its session, unless the broker has given the address to another client since. */
static struct prov_session *session_of(struct prov_plugin *pl, const struct waiter *w)
{
    struct prov_session *session = prov_sessions_find(pl->sessions, w->client);

    return session != NULL && session->number == w->session && !session->gone ? session : NULL;
}

static struct waiter *waiter_of(struct prov_plugin *pl, const struct prov_session *session)
{
    struct waiter *w = NULL;

    if (session->kind != PROV_SESSION_WAITING || session->gone)
        return NULL;
    HASH_FIND_STR(pl->waiting->by_id, session->client_id, w);
    return w != NULL && w->session == session->number ? w : NULL;
}

static void ripen(struct prov_waiting *waiting, struct waiter *w)
{
    if (w->ripe)
        return;
    w->ripe = true;
    LL_PREPEND(waiting->ripe, w);
}

static bool remember(struct prov_waiting *waiting, const struct prov_session *session,
                     bool persistent)
{
    const size_t n = strlen(session->client_id) + 1;
    struct waiter *w = calloc(1, sizeof *w + n);

    if (w == NULL)
        return false;
    memcpy(w->client_id, session->client_id, n);
    w->client = session->client;
    w->session = session->number;
    w->persistent = persistent;
    HASH_ADD_STR(waiting->by_id, client_id, w);
    if (w->hh.tbl != NULL)
        return true;
    free(w);
    return false;
}

enum prov_rc prov_waiting_begin(struct prov_plugin *pl, const struct prov_caller *caller,
                                const struct prov_id *cert)
{
    struct prov_session *session =
        prov_sessions_open(pl->sessions, caller->client, PROV_SESSION_WAITING, cert,
                           caller->client_id, caller->address);

    if (session == NULL)
        return PROV_ENOMEM;
    if (remember(pl->waiting, session, !mosquitto_client_clean_session(caller->client)))
        return PROV_OK;
    prov_sessions_close(pl->sessions, session);
    return PROV_ENOMEM;
}

/* ---- what happens meanwhile ------------------------------------------------------------------ */

void prov_waiting_contact_done(struct prov_plugin *pl, const struct prov_id *cert, bool pending)
{
    const struct prov_session *session = prov_sessions_of(pl->sessions, cert);

    for (; session != NULL; session = session->next) {
        struct waiter *w = waiter_of(pl, session);

        if (w == NULL)
            continue;
        w->contact_done = true;
        w->pending = pending;
        ripen(pl->waiting, w);
    }
}

void prov_waiting_changed(struct prov_plugin *pl, const struct prov_session *session)
{
    struct waiter *w = waiter_of(pl, session);

    if (w != NULL && w->contact_done)
        ripen(pl->waiting, w);
}

/*
 * Its session stays until the tick: the broker asks about the Will of a client that went while it
 * waited, and the session is what refuses it.
 */
void prov_waiting_gone(struct prov_plugin *pl, const char *client_id)
{
    struct prov_waiting *waiting = pl->waiting;
    struct waiter *w = NULL;

    if (waiting->by_id == NULL || client_id == NULL)
        return;
    HASH_FIND_STR(waiting->by_id, client_id, w);
    if (w == NULL)
        return;
    HASH_DEL(waiting->by_id, w);
    if (w->ripe)
        LL_DELETE(waiting->ripe, w);
    LL_PREPEND(waiting->gone, w);
}

void prov_waiting_expire(struct prov_plugin *pl)
{
    struct prov_waiting *waiting = pl->waiting;
    struct waiter *w, *next;
    int64_t now_ms;

    if (waiting->first_until_ms == INT64_MAX)
        return;
    now_ms = prov_steady_ms();
    if (now_ms < waiting->first_until_ms)
        return;
    waiting->first_until_ms = INT64_MAX;
    HASH_ITER(hh, waiting->by_id, w, next)
    {
        if (w->until_ms == 0)
            continue;
        if (w->until_ms <= now_ms)
            ripen(waiting, w);
        else if (w->until_ms < waiting->first_until_ms)
            waiting->first_until_ms = w->until_ms;
    }
}

/* ---- the answer ------------------------------------------------------------------------------ */

static void forget(struct prov_waiting *waiting, struct waiter *w)
{
    HASH_DEL(waiting->by_id, w);
    free(w);
}

/* The certificate is not activated yet: may its CONNECT wait on? */
static bool waits_on(struct prov_plugin *pl, struct waiter *w)
{
    const int64_t now_ms = prov_steady_ms();

    if (!w->pending || pl->conf.first_connect_activation_s == 0)
        return false;
    if (w->until_ms == 0) {
        w->until_ms = now_ms + (int64_t)pl->conf.first_connect_activation_s * 1000;
        if (w->until_ms < pl->waiting->first_until_ms)
            pl->waiting->first_until_ms = w->until_ms;
    }
    return now_ms < w->until_ms;
}

/* The broker has the say: its client may have gone. Then nobody is let in, and all it left is the
 * session. */
static void let_in(struct prov_plugin *pl, const struct waiter *w, struct prov_session *session)
{
    struct prov_cert cert;
    struct prov_tx tx;

    pl->compat.complete_basic_auth(w->client_id, MOSQ_ERR_SUCCESS);
    if (session->gone)
        return;
    if (pl->compat.client(w->client_id) != w->client || prov_read(pl, &tx, NULL) != PROV_OK) {
        prov_sessions_close(pl->sessions, session);
        return;
    }
    if (prov_cert_get(&tx, &session->cert, &cert) == PROV_OK) {
        prov_adapter_welcome(pl, &tx, session, &cert);
    } else { /* gone this very moment */
        prov_sessions_set_online(pl->sessions, session, true);
        prov_sessions_kick(pl->sessions, session, PROV_REASON_CERT_DELETED);
    }
    prov_txn_abort(tx.txn);
}

static void refuse(struct prov_plugin *pl, const struct waiter *w, struct prov_session *session)
{
    prov_sessions_close(pl->sessions, session);
    pl->compat.complete_basic_auth(w->client_id, MOSQ_ERR_AUTH);
}

/* False: it waits on. */
static bool settle(struct prov_plugin *pl, struct waiter *w, struct prov_session *session)
{
    struct prov_cert cert = { .status = PROV_CERT_REVOKED };
    struct prov_err err = { 0 };
    struct prov_tx tx;
    bool admitted = false;

    if (prov_read(pl, &tx, &err) == PROV_OK) {
        const enum prov_rc rc = prov_cert_get(&tx, &session->cert, &cert);

        if (rc == PROV_OK && cert.status == PROV_CERT_PENDING_ACTIVATION && waits_on(pl, w)) {
            prov_txn_abort(tx.txn);
            return false;
        }
        /* what its first contact came to was told already */
        admitted = prov_adapter_admit(pl, &tx, session, rc == PROV_OK ? &cert : NULL, w->persistent,
                                      w->until_ms != 0);
        prov_txn_abort(tx.txn);
    }
    if (admitted)
        let_in(pl, w, session);
    else
        refuse(pl, w, session);
    pl->emptying = NULL;
    return true;
}

/* Those whose client went and came again; the broker has dealt with their Wills by now. */
static void bury(struct prov_plugin *pl)
{
    struct waiter *w;

    while ((w = pl->waiting->gone) != NULL) {
        struct prov_session *session = session_of(pl, w);

        pl->waiting->gone = w->next;
        if (session != NULL)
            prov_sessions_close(pl->sessions, session);
        free(w);
    }
}

void prov_waiting_tick(struct prov_plugin *pl)
{
    struct prov_waiting *waiting = pl->waiting;
    struct waiter *w;

    if (waiting->gone != NULL)
        bury(pl);
    while ((w = waiting->ripe) != NULL) {
        struct prov_session *session = session_of(pl, w);

        waiting->ripe = w->next;
        w->ripe = false;
        if (session == NULL || settle(pl, w, session))
            forget(waiting, w);
    }
}
