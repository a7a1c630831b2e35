/* cure.h - what to do about a refusal, with the names of this case in the commands. */
#ifndef CTL_CURE_H
#define CTL_CURE_H

#include "core/attempt.h"

/* What the placeholders in a cure's commands stand for; empty: not known, so they stay. */
struct ctl_case {
    char ca[13], cert[13]; /* the first 12 digits */
    struct prov_span template_name, client_id, topic;
};

/* Commands are what stands in back quotes; other text is never touched. */
void ctl_put_cure(struct prov_buf *out, const char *cure, const struct ctl_case *known);

#endif
