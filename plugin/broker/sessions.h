/*
 * sessions.h - who is connected, and with which rights.
 *
 * Found by the broker's client pointer, which is unique while a client is connected and may be used
 * for another one afterwards: BASIC_AUTH opens a session in the place of any older one. Thread:
 * broker.
 */
#ifndef PROV_SESSIONS_H
#define PROV_SESSIONS_H

#include "core/hash.h"
#include "core/policy.h"
#include "core/reason.h"
#include "core/registry.h"

enum prov_session_kind {
    PROV_SESSION_OTHER,   /* a client that is not ours */
    PROV_SESSION_DEVICE,  /* came in with a registered certificate */
    PROV_SESSION_WAITING, /* a first contact whose CONNECT is answered later (Mosquitto 2.1) */
    PROV_SESSION_AWAY, /* a persistent session whose device is not connected; found by client id */
};

struct mosquitto; /* the broker's client: an address to find it by, and to ask the broker with */

struct prov_session {
    UT_hash_handle hh;
    struct mosquitto *client; /* the key; NULL for AWAY, whose key is client_id */
    uint64_t number;          /* never used again in this process */
    enum prov_session_kind kind;
    struct prov_id cert;
    struct prov_policy *policy; /* NULL: no rights */
    uint64_t epoch; /* of the policy; another than the table's: compile anew before use */
    bool stale;     /* the certificate or its thing changed: likewise */
    bool barred;    /* its certificate is not ACTIVE: no rights but its Will's, which is sent as it
                       goes */
    bool gone;      /* disconnected; kept until the reaping for the Will's ACL check */
    bool kick;      /* to be disconnected at the next tick… */
    enum prov_reason why; /* …for this */
    bool kicked;          /* it is being disconnected by us */
    bool online;          /* its device is connected */
    uint8_t emptied;      /* what was queued for it is dropped as it is let in, of this mark
                             (prov_client_stale); 0: nothing is */
    int64_t not_after_s;  /* of the certificate; 0: the session ends with its connection alone */
    /* as presence events tell of it (reference 6.3); presence 0: it was not told of */
    uint64_t presence;
    uint8_t uuid[16];
    char *thing;                      /* that it is attached to exclusively; NULL: none */
    struct prov_session *prev, *next; /* of the same certificate */
    struct prov_session *reap_next, *kick_next;
    char address[64];
    char client_id[]; /* NUL-terminated */
};

struct prov_sessions;

PROV_MUST_USE enum prov_rc prov_sessions_new(struct prov_sessions **out);
void prov_sessions_free(struct prov_sessions *table); /* NULL is accepted */

struct prov_session *prov_sessions_find(struct prov_sessions *table,
                                        const struct mosquitto *client);

/*
 * The session of a connected client, in the place of any older one of that pointer. cert is NULL
 * for OTHER. NULL when out of memory; there is no session then.
 */
struct prov_session *prov_sessions_open(struct prov_sessions *table, struct mosquitto *client,
                                        enum prov_session_kind kind, const struct prov_id *cert,
                                        const char *client_id, const char *address);

/* The client disconnected: it keeps its rights until prov_sessions_reap. */
void prov_sessions_close(struct prov_sessions *table, struct prov_session *session);
/* Frees what was closed. Called when no callback of the broker's is under way for a closed client.
 */
void prov_sessions_reap(struct prov_sessions *table);

/* A session whose device is away; made on demand, the oldest forgotten beyond a bound. */
struct prov_session *prov_sessions_away(struct prov_sessions *table, const char *client_id);
struct prov_session *prov_sessions_add_away(struct prov_sessions *table, const char *client_id,
                                            const struct prov_id *cert);
void prov_sessions_forget_away(struct prov_sessions *table, const char *client_id);

/* The first session of a certificate; follow next. */
struct prov_session *prov_sessions_of(struct prov_sessions *table, const struct prov_id *cert);

/*
 * To be disconnected at the next tick: not now, since a callback of the client's may be under way.
 * Nothing where no device is connected: 2.1 forgets the subscriptions of a session that is kicked
 * while its device is away.
 */
void prov_sessions_kick(struct prov_sessions *table, struct prov_session *session,
                        enum prov_reason why);
/* Takes the next one to be disconnected off the list; NULL: none. */
struct prov_session *prov_sessions_next_kick(struct prov_sessions *table);

/* Its device came, or went. */
void prov_sessions_set_online(struct prov_sessions *table, struct prov_session *session,
                              bool online);
/* Devices connected. */
unsigned prov_sessions_online(const struct prov_sessions *table);

/* Its certificate's end: it is disconnected then. */
void prov_sessions_set_expiry(struct prov_sessions *table, struct prov_session *session,
                              int64_t not_after_s);
/* No session ends before this; INT64_MAX: none ends. */
int64_t prov_sessions_first_expiry(const struct prov_sessions *table);
/* Marks those whose certificate has run out to be disconnected. Looks at every session. */
void prov_sessions_expire(struct prov_sessions *table, int64_t now_s);

/* Every policy is to be compiled anew before its next use. */
void prov_sessions_new_epoch(struct prov_sessions *table);
uint64_t prov_sessions_epoch(const struct prov_sessions *table);
/* Every certificate that has a session, once each. */
void prov_sessions_each_cert(struct prov_sessions *table,
                             void (*visit)(void *ctx, const struct prov_id *cert), void *ctx);

#endif
