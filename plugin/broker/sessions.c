#include "sessions.h"

#include <stdlib.h>

#include <utlist.h>

/* Devices away for which deliveries come in; those forgotten are looked up in the store again. */
#define MAX_AWAY 4096

/* All sessions of one certificate. */
struct peers {
    UT_hash_handle hh;
    struct prov_id cert; /* the key */
    struct prov_session *head;
};

struct prov_sessions {
    struct prov_session *by_client, *by_away_id;
    struct peers *by_cert;
    struct prov_session *to_reap, *to_kick;
    uint64_t last_number, epoch;
    int64_t first_expiry_s;
    unsigned online;
};

enum prov_rc prov_sessions_new(struct prov_sessions **out)
{
    *out = calloc(1, sizeof **out);
    if (*out == NULL)
        return PROV_ENOMEM;
    (*out)->first_expiry_s = INT64_MAX;
    return PROV_OK;
}

/* ---- of one certificate ---------------------------------------------------------------------- */

static struct peers *find_peers(struct prov_sessions *table, const struct prov_id *cert)
{
    struct peers *peers = NULL;

    HASH_FIND(hh, table->by_cert, cert->b, PROV_ID_LEN, peers);
    return peers;
}

static bool join_peers(struct prov_sessions *table, struct prov_session *session)
{
    struct peers *peers = find_peers(table, &session->cert);

    if (peers == NULL) {
        peers = calloc(1, sizeof *peers);
        if (peers == NULL)
            return false;
        peers->cert = session->cert;
        HASH_ADD(hh, table->by_cert, cert.b, PROV_ID_LEN, peers);
        if (peers->hh.tbl == NULL) {
            free(peers);
            return false;
        }
    }
    DL_APPEND(peers->head, session);
    return true;
}

static void leave_peers(struct prov_sessions *table, struct prov_session *session)
{
    struct peers *peers = find_peers(table, &session->cert);

    if (peers == NULL)
        return;
    DL_DELETE(peers->head, session);
    if (peers->head != NULL)
        return;
    HASH_DEL(table->by_cert, peers);
    free(peers);
}

struct prov_session *prov_sessions_of(struct prov_sessions *table, const struct prov_id *cert)
{
    const struct peers *peers = find_peers(table, cert);

    return peers != NULL ? peers->head : NULL;
}

void prov_sessions_each_cert(struct prov_sessions *table,
                             void (*visit)(void *ctx, const struct prov_id *cert), void *ctx)
{
    for (const struct peers *peers = table->by_cert; peers != NULL; peers = peers->hh.next)
        visit(ctx, &peers->cert);
}

/* ---- opening and closing --------------------------------------------------------------------- */

static struct prov_session *make(struct prov_sessions *table, enum prov_session_kind kind,
                                 const struct prov_id *cert, const char *client_id)
{
    const size_t n = strlen(client_id) + 1;
    struct prov_session *session = calloc(1, sizeof *session + n);

    if (session == NULL)
        return NULL;
    memcpy(session->client_id, client_id, n);
    session->kind = kind;
    session->number = ++table->last_number;
    if (cert == NULL)
        return session;
    session->cert = *cert;
    if (join_peers(table, session))
        return session;
    free(session);
    return NULL;
}

void prov_sessions_set_online(struct prov_sessions *table, struct prov_session *session,
                              bool online)
{
    table->online += (unsigned)online - (unsigned)session->online;
    session->online = online;
}

unsigned prov_sessions_online(const struct prov_sessions *table)
{
    return table->online;
}

/* Frees a session that no hash has any more. */
static void destroy(struct prov_sessions *table, struct prov_session *session)
{
    if (session->kick)
        LL_DELETE2(table->to_kick, session, kick_next);
    if (session->kind != PROV_SESSION_OTHER)
        leave_peers(table, session);
    prov_sessions_set_online(table, session, false);
    prov_policy_free(session->policy);
    free(session->thing);
    free(session);
}

/* Of a pointer, for every ACL check: Fibonacci hashing, where uthash's own takes 60 instructions.
 */
static unsigned client_hash(const struct mosquitto *client)
{
    return (unsigned)((uint64_t)(uintptr_t)client * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

struct prov_session *prov_sessions_find(struct prov_sessions *table, const struct mosquitto *client)
{
    struct prov_session *session = NULL;

    HASH_FIND_BYHASHVALUE(hh, table->by_client, &client, sizeof(struct mosquitto *),
                          client_hash(client), session);
    return session;
}

struct prov_session *prov_sessions_open(struct prov_sessions *table, struct mosquitto *client,
                                        enum prov_session_kind kind, const struct prov_id *cert,
                                        const char *client_id, const char *address)
{
    struct prov_session *old = prov_sessions_find(table, client);
    struct prov_session *session;

    if (old != NULL)
        prov_sessions_close(table, old);
    prov_sessions_reap(table); /* the pointer has a new owner */
    session = make(table, kind, cert, client_id);
    if (session == NULL)
        return NULL;
    session->client = client;
    (void)prov_span_copy(prov_span_str(address), session->address, sizeof session->address);
    HASH_ADD_BYHASHVALUE(hh, table->by_client, client, sizeof(struct mosquitto *),
                         client_hash(client), session);
    if (session->hh.tbl != NULL)
        return session;
    destroy(table, session);
    return NULL;
}

void prov_sessions_close(struct prov_sessions *table, struct prov_session *session)
{
    if (session->gone)
        return;
    session->gone = true;
    LL_PREPEND2(table->to_reap, session, reap_next);
}

void prov_sessions_reap(struct prov_sessions *table)
{
    struct prov_session *session;

    while ((session = table->to_reap) != NULL) {
        table->to_reap = session->reap_next;
        HASH_DEL(table->by_client, session);
        destroy(table, session);
    }
}

/* ---- disconnecting --------------------------------------------------------------------------- */

void prov_sessions_kick(struct prov_sessions *table, struct prov_session *session,
                        enum prov_reason why)
{
    if (session->kick || !session->online)
        return;
    session->kick = true;
    session->why = why;
    LL_PREPEND2(table->to_kick, session, kick_next);
}

struct prov_session *prov_sessions_next_kick(struct prov_sessions *table)
{
    struct prov_session *session;

    while ((session = table->to_kick) != NULL) {
        table->to_kick = session->kick_next;
        session->kick = false;
        if (session->online)
            return session;
    }
    return NULL;
}

/* ---- expiry ---------------------------------------------------------------------------------- */

void prov_sessions_set_expiry(struct prov_sessions *table, struct prov_session *session,
                              int64_t not_after_s)
{
    session->not_after_s = not_after_s;
    if (not_after_s < table->first_expiry_s)
        table->first_expiry_s = not_after_s;
}

int64_t prov_sessions_first_expiry(const struct prov_sessions *table)
{
    return table->first_expiry_s;
}

void prov_sessions_expire(struct prov_sessions *table, int64_t now_s)
{
    struct prov_session *session;

    table->first_expiry_s = INT64_MAX;
    for (session = table->by_client; session != NULL; session = session->hh.next) {
        if (session->gone || session->kind != PROV_SESSION_DEVICE)
            continue;
        if (session->not_after_s < now_s)
            prov_sessions_kick(table, session, PROV_REASON_EXPIRED);
        else if (session->not_after_s < table->first_expiry_s)
            table->first_expiry_s = session->not_after_s;
    }
}

/* ---- away ------------------------------------------------------------------------------------ */

static void drop_away(struct prov_sessions *table, struct prov_session *session)
{
    HASH_DEL(table->by_away_id, session);
    destroy(table, session);
}

struct prov_session *prov_sessions_away(struct prov_sessions *table, const char *client_id)
{
    struct prov_session *session = NULL;

    HASH_FIND_STR(table->by_away_id, client_id, session);
    return session;
}

struct prov_session *prov_sessions_add_away(struct prov_sessions *table, const char *client_id,
                                            const struct prov_id *cert)
{
    struct prov_session *session;

    if (HASH_COUNT(table->by_away_id) >= MAX_AWAY)
        drop_away(table, table->by_away_id); /* the first is the oldest */
    session = make(table, PROV_SESSION_AWAY, cert, client_id);
    if (session == NULL)
        return NULL;
    session->stale = true;
    HASH_ADD_STR(table->by_away_id, client_id, session);
    if (session->hh.tbl != NULL)
        return session;
    destroy(table, session);
    return NULL;
}

void prov_sessions_forget_away(struct prov_sessions *table, const char *client_id)
{
    struct prov_session *session = prov_sessions_away(table, client_id);

    if (session != NULL)
        drop_away(table, session);
}

/* ---- the table ------------------------------------------------------------------------------- */

void prov_sessions_new_epoch(struct prov_sessions *table)
{
    table->epoch++;
}

uint64_t prov_sessions_epoch(const struct prov_sessions *table)
{
    return table->epoch;
}

void prov_sessions_free(struct prov_sessions *table)
{
    struct prov_session *session, *next;

    if (table == NULL)
        return;
    prov_sessions_reap(table);
    HASH_ITER(hh, table->by_client, session, next)
    {
        HASH_DEL(table->by_client, session);
        destroy(table, session);
    }
    HASH_ITER(hh, table->by_away_id, session, next)
    {
        drop_away(table, session);
    }
    free(table);
}
