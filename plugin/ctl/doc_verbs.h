/* doc_verbs.h - what policies and templates have in common: versions of a document. */
#ifndef CTL_DOC_VERBS_H
#define CTL_DOC_VERBS_H

#include "list.h"

struct ctl_doc_kind {
    const char *noun;                  /* "policy" */
    const char *name, *body, *version; /* fields: "policyName", "policyDocument", … */
    bool version_is_text;              /* in requests; in answers either will do */
    size_t max_bytes;
    const char *malformed; /* the error code of a document that cannot be read */
    const char *create_op, *get_op;
    struct ctl_list versions;
    /* After a document was sent: warnings and hints for people. data is NULL when rc is no PROV_OK.
     */
    void (*look)(struct ctl *ctl, enum prov_rc rc, struct prov_span text, const cJSON *data);
    /* What to do with a version that is not in force yet. */
    void (*say_next)(struct ctl *ctl, uint32_t version);
};

/* For versions.columns and .row. */
extern const struct ctl_column ctl_version_columns[];
#define CTL_VERSION_COLUMNS 3
void ctl_version_row(struct ctl_table *table, const cJSON *version);

/* Reads a file that is to become the value of kind->body. */
PROV_MUST_USE enum prov_rc ctl_doc_read(struct ctl *ctl, const struct ctl_doc_kind *kind,
                                        const char *file, struct prov_buf *text);

/* The verbs; their words are the name, and a file or a version. */
enum prov_rc ctl_doc_version_create(struct ctl *ctl, const struct ctl_doc_kind *kind);
enum prov_rc ctl_doc_version_list(struct ctl *ctl, const struct ctl_doc_kind *kind);
enum prov_rc ctl_doc_version_show(struct ctl *ctl, const struct ctl_doc_kind *kind);
/* Of the operation that takes name and version, and answers nothing of interest; then says "NOUN
 * NAME: version N " and how it came out. */
enum prov_rc ctl_doc_version_do(struct ctl *ctl, const struct ctl_doc_kind *kind, const char *op,
                                const char *done);

/* The description of one version for people, and the document below it. */
enum prov_rc ctl_doc_say_version(struct ctl *ctl, const struct ctl_doc_kind *kind,
                                 uint32_t version);

#endif
