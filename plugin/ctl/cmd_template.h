/* cmd_template.h - `template lint` and `template eval`, which have files of their own. */
#ifndef CTL_CMD_TEMPLATE_H
#define CTL_CMD_TEMPLATE_H

#include "ctl.h"

enum prov_rc ctl_template_lint(struct ctl *ctl);
enum prov_rc ctl_template_eval(struct ctl *ctl);

/* What --type says; FLEET_PROVISIONING when it was not given. */
enum prov_template_type ctl_template_type(const struct ctl *ctl);
extern const char *const ctl_template_types[];

/* Tells people on stderr what is doubtful in a template that the registry has just taken: the last
 * file that was read. */
void ctl_template_note_warnings(struct ctl *ctl, struct prov_span text,
                                enum prov_template_type type);

/* What a template would do, in words or as JSON. */
struct ctl_plan {
    const char *name; /* of the template, or its file */
    enum prov_template_type type;
    uint32_t version; /* 0: of a file */
    bool disabled;
    struct prov_id cert; /* zero: not known */
    const struct prov_plan *plan;
};
/* *refused: some of it cannot be done. */
enum prov_rc ctl_plan_answer(struct ctl *ctl, const struct ctl_plan *plan, bool *refused);

#endif
