/* changes.h - following the registry's change feed, whoever made the change (design D7). Thread:
 * broker. */
#ifndef PROV_CHANGES_H
#define PROV_CHANGES_H

#include "plugin.h"

/*
 * Applies what was committed since the last call: policies to be compiled anew, sessions of
 * certificates that are no longer ACTIVE to be disconnected. One look at a number when nothing was.
 */
void prov_changes_follow(struct prov_plugin *pl);

#endif
