/*
 * explain.h - everything that the registry knows of what `provctl explain` was asked about: found
 * by one file, told by another.
 */
#ifndef CTL_EXPLAIN_H
#define CTL_EXPLAIN_H

#include "call.h"

/* Answers of the control API, owned; what is borrowed points into them, or into argv. */
struct ctl_story {
    struct ctl *ctl;
    struct prov_span asked;
    cJSON *attempts;  /* an array, the newest first */
    bool more;        /* than --limit */
    cJSON *cert, *ca; /* as described; NULL: not registered, or not known */
    cJSON *verdict;   /* of testConnection; NULL when the certificate is not registered */
    struct prov_span cert_id, ca_id, client_id, address;
    char found_id[PROV_ID_HEX + 1]; /* room for a cert_id that no kept answer holds */
};

PROV_MUST_USE enum prov_rc ctl_story_find(struct ctl_story *s);
void ctl_story_release(struct ctl_story *s);

#endif
