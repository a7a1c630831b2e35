/*
 * feed.h - the bounded log of committed changes that the broker follows (design D7).
 *
 * Entries are numbered from 1 without gaps; the oldest are forgotten beyond PROV_MAX_FEED. A reader
 * that fell behind that far is told so, and refreshes everything. Client ids with a session
 * (prov_client_bind) are not in it: they are the broker's own notes.
 */
#ifndef PROV_FEED_H
#define PROV_FEED_H

#include "registry.h"

enum prov_change {
    PROV_CHANGED_CERT = 1, /* key: 32 bytes of id; status, policies or things */
    PROV_CHANGED_CA,       /* key: 32 bytes of id */
    PROV_CHANGED_THING,    /* key: name; attributes, type, groups */
    PROV_CHANGED_GROUP,    /* key: name; policies or parent */
    PROV_CHANGED_POLICY,   /* key: name; perhaps another document in force, or gone */
    PROV_CHANGED_TEMPLATE, /* key: name */
    PROV_CHANGED_SETTINGS, /* no key */
    PROV_CHANGED_TYPE,     /* key: name; nobody's rights */
    PROV_CHANGED_BILLING,  /* key: name; likewise */
};

struct prov_change_entry {
    uint64_t seq;
    enum prov_change kind;
    struct prov_span key;
    int64_t at_ms;
};

/* write transaction */
PROV_MUST_USE enum prov_rc prov_feed_append(struct prov_tx *tx, enum prov_change kind,
                                            struct prov_span key);

/* The newest entry's number; 0: none yet. */
PROV_MUST_USE enum prov_rc prov_feed_last(struct prov_tx *tx, uint64_t *seq);

/*
 * Visits the entries after `after`, oldest first; visit may read in the same transaction. *missed:
 * entries after it were forgotten already, or one cannot be read, or the feed ends before `after`
 * (an older store was put in this one's place): refresh everything and go on from prov_feed_last.
 */
PROV_MUST_USE enum prov_rc
prov_feed_read(struct prov_tx *tx, uint64_t after, bool *missed,
               void (*visit)(void *ctx, const struct prov_change_entry *entry), void *ctx);

#endif
