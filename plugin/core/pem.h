/*
 * pem.h - text encodings (RFC 7468) of single values. For core's own use. Thread: any.
 *
 * Not PEM_read_bio, which takes whatever text stands around a block and leaves copies of keys in
 * memory.
 */
#ifndef PROV_PEM_H
#define PROV_PEM_H

#include "base.h"

/*
 * Exactly one block with one of these labels, white space around it aside, into out, which has room
 * for cap bytes; cap may be up to what text.n characters hold. White space within the base64 is
 * skipped; headers are refused.
 */
bool pem_read(struct prov_span text, const char *const *labels, size_t n_labels, uint8_t *out,
              size_t cap, size_t *n);

/* Leaves nothing of der behind but what is in out. */
void pem_add(struct prov_buf *out, const char *label, struct prov_span der);

#endif
