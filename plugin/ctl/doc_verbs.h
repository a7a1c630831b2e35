/* doc_verbs.h - what policies and templates have in common: versions of a document. */
#ifndef CTL_DOC_VERBS_H
#define CTL_DOC_VERBS_H

#include "ctl.h"
#include "list.h"

/* The columns of `version list`. */
extern const struct ctl_column ctl_version_columns[];
#define CTL_VERSION_COLUMNS 3

/* The version that is a key of PROV_LIST_VERSIONS_OF_POLICY and _TEMPLATE. */
PROV_MUST_USE enum prov_rc ctl_key_version(struct prov_span key, uint32_t *out);

/* One row of it. */
void ctl_cell_version(struct ctl_table *table, const struct prov_version_info *version,
                      uint32_t default_version);

/* The description of one version for people, and the document below it. */
void ctl_say_version(struct ctl *ctl, const struct prov_version_info *version,
                     uint32_t default_version);

#endif
