#include "qr.h"

#include <errno.h>
#include <limits.h>

#include <openssl/crypto.h>
#include <qrencode.h>

#define QUIET 4 /* modules around it, ISO/IEC 18004 section 6.3.8 */

/* Beyond the code all is light. */
static bool light(const QRcode *code, int x, int y)
{
    if (x < 0 || y < 0 || x >= code->width || y >= code->width)
        return true;
    return (code->data[y * code->width + x] & 1) == 0;
}

static void put_row(struct prov_buf *out, const QRcode *code, int y, bool terminal)
{
    static const char *const halves[2][2] = { { " ", "▄" }, { "▀", "█" } };

    if (terminal) /* white on black of the 256 colours that no theme changes */
        prov_buf_add_str(out, "\x1b[38;5;231;48;5;16m");
    for (int x = -QUIET; x < code->width + QUIET; x++)
        prov_buf_add_str(out, halves[light(code, x, y)][light(code, x, y + 1)]);
    prov_buf_add_str(out, terminal ? "\x1b[0m\n" : "\n");
}

enum prov_rc ctl_put_qr(struct prov_buf *out, struct prov_span text, bool terminal,
                        unsigned *columns)
{
    QRcode *code;

    *columns = 0;
    if (text.n > INT_MAX)
        return PROV_ETOOBIG;
    errno = 0;
    code = QRcode_encodeData((int)text.n, text.p, 0, QR_ECLEVEL_L);
    if (code == NULL)
        return errno == ERANGE ? PROV_ETOOBIG : errno == EINVAL ? PROV_EINVAL : PROV_ENOMEM;
    for (int y = -QUIET; y < code->width + QUIET; y += 2)
        put_row(out, code, y, terminal);
    *columns = (unsigned)(code->width + 2 * QUIET);
    /* whoever has the picture has the text */
    OPENSSL_cleanse(code->data, (size_t)code->width * (size_t)code->width);
    QRcode_free(code);
    return out->rc;
}
