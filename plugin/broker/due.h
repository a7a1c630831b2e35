/*
 * due.h - what becomes due by itself: tokens that run out, claims whose time is over, certificates
 * to retire; and the word that a successor has connected. Thread: broker.
 */
#ifndef PROV_DUE_H
#define PROV_DUE_H

#include "plugin.h"

/* At each tick that attends: looks once a second, and has the writer do what is due. */
void prov_due_tick(struct prov_plugin *pl);

/* A certificate that replaces another one has connected. */
void prov_due_connected(struct prov_plugin *pl, const struct prov_id *cert);

#endif
