/* cmd_policy.h - `policy test` and `policy lint`, which have files of their own. */
#ifndef CTL_CMD_POLICY_H
#define CTL_CMD_POLICY_H

#include "ctl.h"

enum prov_rc ctl_policy_test(struct ctl *ctl);
enum prov_rc ctl_policy_lint(struct ctl *ctl);

/* Tells people on stderr what is doubtful in a document that the registry has just taken: the last
 * that was read. arn: the policy's, of which account and region are. */
void ctl_policy_note_warnings(struct ctl *ctl, struct prov_span text, struct prov_span arn);

#endif
