/* qr.h - QR codes made of characters, for a phone to read off a terminal. */
#ifndef CTL_QR_H
#define CTL_QR_H

#include "core/base.h"

/*
 * Two modules a character, one above the other, with the quiet zone of four that ISO/IEC 18004 asks
 * for. On a terminal in colours of their own, whatever its background is; elsewhere light modules
 * are what is drawn, for light text on a dark ground. *columns: how wide it is. PROV_ETOOBIG: more
 * than any QR code holds; PROV_ENOMEM.
 */
PROV_MUST_USE enum prov_rc ctl_put_qr(struct prov_buf *out, struct prov_span text, bool terminal,
                                      unsigned *columns);

#endif
