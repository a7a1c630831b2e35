/*
 * feed.h - the bounded log of committed changes that the broker follows (design D7).
 *
 * Entries are numbered from 1 without gaps; the oldest are forgotten beyond PROV_MAX_FEED. A reader
 * that fell behind that far is told so, and refreshes everything.
 */
#ifndef PROV_FEED_H
#define PROV_FEED_H

#include "registry.h"

enum prov_change {
    PROV_CHANGED_CERT = 1, /* key: 32 bytes of id; status, policies or things */
    PROV_CHANGED_CA,       /* key: 32 bytes of id */
    PROV_CHANGED_THING,    /* key: name; attributes, type, groups */
    PROV_CHANGED_GROUP,    /* key: name; policies or parent */
    PROV_CHANGED_POLICY,   /* key: name; another document in force, or gone */
    PROV_CHANGED_TEMPLATE, /* key: name */
    PROV_CHANGED_SETTINGS, /* no key */
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
 * Visits the entries after `after`, oldest first. *missed: entries after it were forgotten already;
 * nothing is visited then.
 */
PROV_MUST_USE enum prov_rc
prov_feed_read(struct prov_tx *tx, uint64_t after, bool *missed,
               void (*visit)(void *ctx, const struct prov_change_entry *entry), void *ctx);

#endif
