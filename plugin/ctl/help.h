/* help.h - the help texts, made from the tables of args.h. */
#ifndef CTL_HELP_H
#define CTL_HELP_H

#include "args.h"

/* Of the verb, the noun or everything, whichever args got to. width: columns; 0: 80. */
void ctl_help(const struct ctl_args *args, unsigned width, struct prov_buf *out);

/* "provctl ca register FILE [--sni-only] …", without the options of every verb. */
void ctl_put_synopsis(struct prov_buf *out, const struct ctl_noun *noun,
                      const struct ctl_verb *verb, unsigned width);

#endif
