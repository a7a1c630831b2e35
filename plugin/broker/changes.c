#include "changes.h"

#include "core/feed.h"
#include "run/log.h"
#include "waiting.h"

#define QUIET_MS 60000 /* between two lines about the same trouble */

struct follow {
    struct prov_plugin *pl;
    struct prov_tx *tx;
    uint64_t last;
};

static void cert_changed(struct prov_plugin *pl, struct prov_tx *tx, const struct prov_id *id)
{
    struct prov_session *session = prov_sessions_of(pl->sessions, id);
    enum prov_reason why = PROV_REASON_CERT_DELETED;
    struct prov_cert cert;

    if (session == NULL)
        return;
    if (prov_cert_get(tx, id, &cert) == PROV_OK)
        why = prov_flow_status_reason(cert.status);
    for (; session != NULL; session = session->next) {
        session->stale = true;
        prov_waiting_changed(pl, session);
        if (why != PROV_REASON_NONE)
            prov_sessions_kick(pl->sessions, session, why);
    }
}

/* The thing's name, type, attributes and groups are part of its certificates' rights. */
static void thing_changed(struct prov_plugin *pl, struct prov_tx *tx, struct prov_span name)
{
    struct prov_thing thing;

    if (prov_thing_get(tx, name, &thing) != PROV_OK)
        return; /* a thing with principals cannot be deleted, so this one had none */
    for (size_t i = 0; i < thing.n_principals; i++)
        cert_changed(pl, tx, &thing.principals[i]);
}

static void on_change(void *ctx, const struct prov_change_entry *entry)
{
    struct follow *f = ctx;
    struct prov_id id;

    f->last = entry->seq;
    switch (entry->kind) {
    case PROV_CHANGED_CERT:
        if (entry->key.n == PROV_ID_LEN) {
            memcpy(id.b, entry->key.p, PROV_ID_LEN);
            cert_changed(f->pl, f->tx, &id);
        }
        break;
    case PROV_CHANGED_THING:
        thing_changed(f->pl, f->tx, entry->key);
        break;
    case PROV_CHANGED_POLICY: /* a policy that no session uses is nobody's business */
        if (prov_rights_forget(f->pl->rights, entry->key))
            prov_sessions_new_epoch(f->pl->sessions);
        break;
    case PROV_CHANGED_SETTINGS: /* account and region are part of every resource */
        (void)prov_rights_forget(f->pl->rights, prov_span(NULL, 0));
        prov_sessions_new_epoch(f->pl->sessions);
        break;
    case PROV_CHANGED_GROUP:
        prov_sessions_new_epoch(f->pl->sessions);
        break;
    case PROV_CHANGED_CA: /* read anew whenever they matter, or no part of anybody's rights */
    case PROV_CHANGED_TEMPLATE:
    case PROV_CHANGED_TYPE:
    case PROV_CHANGED_BILLING:
        break;
    }
}

static void refresh_one(void *ctx, const struct prov_id *cert)
{
    const struct follow *f = ctx;

    cert_changed(f->pl, f->tx, cert);
}

/* The feed has forgotten where this broker was: everything may have changed. */
static void refresh_all(struct follow *f)
{
    prov_log(PROV_LOG_NOTICE, "changes-missed text=\"Very many changes at once: all sessions are "
                              "looked at again.\"");
    (void)prov_rights_forget(f->pl->rights, prov_span(NULL, 0));
    prov_sessions_new_epoch(f->pl->sessions);
    prov_sessions_each_cert(f->pl->sessions, refresh_one, f);
    if (prov_feed_last(f->tx, &f->last) != PROV_OK)
        f->last = f->pl->feed_seq; /* and once more */
}

void prov_changes_follow(struct prov_plugin *pl)
{
    struct follow f = { .pl = pl, .last = pl->feed_seq };
    struct prov_err err = { 0 };
    struct prov_tx tx;
    uint64_t version = 0;
    bool missed = false;
    enum prov_rc rc;

    if (prov_store_version(pl->store) == pl->store_version)
        return;
    rc = prov_read(pl, &tx, &err);
    if (rc == PROV_OK) {
        f.tx = &tx;
        version = prov_txn_version(tx.txn);
        rc = prov_feed_read(&tx, pl->feed_seq, &missed, on_change, &f);
        if (rc == PROV_OK && missed)
            refresh_all(&f);
        prov_txn_abort(tx.txn);
    }
    if (rc != PROV_OK) { /* tried again at the next call */
        if (tx.now_ms - pl->told_changes_ms >= QUIET_MS)
            prov_log(PROV_LOG_ERROR, "changes-unreadable text=\"%s\"", err.text);
        pl->told_changes_ms = tx.now_ms;
        return;
    }
    pl->feed_seq = f.last;
    pl->store_version = version;
}
