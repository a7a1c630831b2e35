/* ident_priv.h - what ident.c (certificates) shares with dn.c (names that are in none yet). */
#ifndef PROV_IDENT_PRIV_H
#define PROV_IDENT_PRIV_H

#include "base.h"

/*
 * Appends a string's text in UTF-8. False for what is no text: a universal tag that is no string
 * type's, characters that the type does not have, a NUL; what was appended then is the caller's to
 * take back.
 */
bool ident_add_text(struct prov_buf *out, int tag, struct prov_span s);

#endif
