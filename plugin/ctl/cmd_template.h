/* cmd_template.h - `template lint` and `template eval`, which have files of their own. */
#ifndef CTL_CMD_TEMPLATE_H
#define CTL_CMD_TEMPLATE_H

#include "call.h"

enum prov_rc ctl_template_lint(struct ctl *ctl);
enum prov_rc ctl_template_eval(struct ctl *ctl);

/* What --type says; FLEET_PROVISIONING when it was not given. */
enum prov_template_type ctl_template_type(const struct ctl *ctl);
extern const char *const ctl_template_types[];

/* Reads a file that is to be a template; PROV_EINVAL with the place of what cannot go into a
 * request. */
PROV_MUST_USE enum prov_rc ctl_template_read(struct ctl *ctl, const char *file,
                                             struct prov_buf *text);

/* Tells people on stderr what is doubtful in a template that the registry has just taken: the last
 * file that was read. */
void ctl_template_note_warnings(struct ctl *ctl, struct prov_span text,
                                enum prov_template_type type);

/* What evaluateProvisioningTemplate answered, in words. name: of the template, or its file. */
void ctl_plan_say(struct ctl *ctl, const char *name, const cJSON *data);

#endif
