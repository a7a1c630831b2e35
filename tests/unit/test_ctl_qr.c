/* Claims as QR codes: module by module what the library says, in colours that any terminal has. */
#include <unistd.h>

#include <openssl/x509.h>
#include <qrencode.h>

#include "ctl/qr.h"
#include "unit/test_ctl.h"
#include "unit/test_ctl_terminal.h"

/* ---- drawing --------------------------------------------------------------------------------- */

/* Undoes what was drawn: '1' for dark, quiet zone and all. NULL at the end of the drawing. */
static const char *read_halves(const char *line, char *upper, char *lower, size_t *n)
{
    static const struct {
        const char *drawn;
        char upper, lower;
    } halves[] = { { "█", '0', '0' }, { "▀", '0', '1' }, { "▄", '1', '0' }, { " ", '1', '1' } };

    *n = 0;
    while (*line != '\n') {
        size_t i = 0;

        while (i < PROV_COUNT(halves) &&
               strncmp(line, halves[i].drawn, strlen(halves[i].drawn)) != 0)
            i++;
        if (i == PROV_COUNT(halves))
            return NULL;
        upper[*n] = halves[i].upper;
        lower[(*n)++] = halves[i].lower;
        line += strlen(halves[i].drawn);
    }
    return line + 1;
}

#define WIDEST (177 + 8)

/* Is what was drawn exactly the code of that text, in a quiet zone of four modules? */
static void is_code_of(const char *drawn, const char *text)
{
    QRcode *code =
        QRcode_encodeData((int)strlen(text), (const unsigned char *)text, 0, QR_ECLEVEL_L);
    char rows[2][WIDEST];
    size_t n;

    assert_non_null(code);
    for (int y = -4; y < code->width + 4; y += 2) {
        drawn = read_halves(drawn, rows[0], rows[1], &n);
        assert_non_null(drawn);
        assert_int_equal(n, code->width + 8);
        for (int i = 0; i < 2 * (code->width + 8); i++) {
            const int row = y + i % 2, x = i / 2 - 4;
            const bool inside = x >= 0 && row >= 0 && x < code->width && row < code->width;
            const bool dark = inside && (code->data[row * code->width + x] & 1) != 0;

            assert_int_equal(rows[i % 2][i / 2], dark ? '1' : '0');
        }
    }
    assert_string_equal(drawn, "");
    QRcode_free(code);
}

static void code_is_drawn_module_by_module(void **state)
{
    static const char *const texts[] = { "a", "{\"templateName\":\"fleet\"}", "\xc3\xbc\n" };
    struct prov_buf out;
    unsigned columns;
    char long_text[2954];

    (void)state;
    prov_buf_init(&out, 1u << 20);
    for (size_t i = 0; i < PROV_COUNT(texts); i++) {
        prov_buf_clear(&out);
        assert_int_equal(ctl_put_qr(&out, S(texts[i]), false, &columns), PROV_OK);
        is_code_of(prov_buf_cstr(&out), texts[i]);
    }
    memset(long_text, 'x', sizeof long_text);
    long_text[2953] = '\0';
    prov_buf_clear(&out);
    assert_int_equal(ctl_put_qr(&out, S(long_text), false, &columns), PROV_OK);
    assert_int_equal(columns, WIDEST);
    is_code_of(prov_buf_cstr(&out), long_text);
    prov_buf_release(&out);
}

static void code_on_a_terminal_has_its_own_colours(void **state)
{
    static const char on[] = "\x1b[38;5;231;48;5;16m", off[] = "\x1b[0m\n";
    struct prov_buf plain, out;
    const char *a, *b;
    unsigned columns;

    (void)state;
    prov_buf_init(&plain, 65536);
    prov_buf_init(&out, 65536);
    assert_int_equal(ctl_put_qr(&plain, S("abc"), false, &columns), PROV_OK);
    assert_int_equal(ctl_put_qr(&out, S("abc"), true, &columns), PROV_OK);
    a = prov_buf_cstr(&plain);
    b = prov_buf_cstr(&out);
    while (*a != '\0') {
        const size_t n = strcspn(a, "\n");

        assert_memory_equal(b, on, strlen(on));
        b += strlen(on);
        assert_memory_equal(b, a, n);
        b += n;
        assert_memory_equal(b, off, strlen(off));
        b += strlen(off);
        a += n + 1;
    }
    assert_string_equal(b, "");
    prov_buf_release(&plain);
    prov_buf_release(&out);
}

static void text_that_no_code_holds_is_refused(void **state)
{
    struct prov_buf out;
    unsigned columns;
    char text[2955];

    (void)state;
    memset(text, 'x', sizeof text);
    text[2954] = '\0';
    prov_buf_init(&out, 65536);
    assert_int_equal(ctl_put_qr(&out, S(text), false, &columns), PROV_ETOOBIG);
    assert_int_equal(out.n, 0);
    prov_buf_release(&out);
}

/* ---- claims ---------------------------------------------------------------------------------- */

static void put_escaped(struct prov_buf *out, const char *pem)
{
    for (; *pem != '\0'; pem++)
        prov_buf_add_str(out, *pem == '\n' ? "\\n" : (char[]){ *pem, '\0' });
}

static void claim_as_a_code_is_one_object_without_white_space(void **state)
{
    struct rig *r = *state;
    int64_t not_before_s, not_after_s;
    char *cert_pem, *key_pem, path[512];
    struct prov_buf text;
    const char *at;
    X509 *cert = NULL;

    rig_issuer(r);
    ctl_ok(r, "claim", "create", "fleet", "--qr", "--out", r->dir);
    says_not(r->out, "-----BEGIN");
    at = strstr(r->out, "certificate       ");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "certificate %511s", path), 1);
    cert_pem = read_path(path);
    (void)snprintf(strstr(path, ".crt"), sizeof ".key", ".key");
    key_pem = read_path(path);
    assert_int_equal(prov_ident_decode_pem(S(cert_pem), &cert, NULL), PROV_OK);
    assert_true(prov_cert_validity(cert, &not_before_s, &not_after_s));
    prov_buf_init(&text, 65536);
    prov_buf_add_str(&text, "{\"templateName\":\"fleet\",\"certificatePem\":\"");
    put_escaped(&text, cert_pem);
    prov_buf_add_str(&text, "\",\"privateKey\":\"");
    put_escaped(&text, key_pem);
    prov_buf_addf(&text, "\",\"expiration\":%lld}", (long long)not_after_s);
    says(key_pem, "EC PRIVATE KEY");
    at = strstr(r->out, "\n\n");
    assert_non_null(at);
    is_code_of(at + 2, prov_buf_cstr(&text));
    prov_buf_release(&text);
    X509_free(cert);
    free(cert_pem);
    free(key_pem);
}

static void claim_that_does_not_fit_a_code_is_refused_and_not_made(void **state)
{
    struct rig *r = *state;
    char path[TMP_PATH_MAX];

    rig_issuer(r);
    assert_int_equal(unlink(tmp_path(r->db, "issuer.crt", path)), 0);
    assert_int_equal(unlink(tmp_path(r->db, "issuer.key", path)), 0);
    ctl_ok(r, "issuer", "create", "--key-type", "rsa2048");
    ctl_ok(r, "claim", "create", "fleet", "--qr"); /* of an EC key */
    ctl_fails(r, 4, "claim", "create", "fleet", "--qr", "--key-type", "rsa2048", "--out", r->dir);
    says(r->err, "the claim is too long for a QR code");
    assert_int_equal(files_like(r->dir, "claim-"), 0);
}

static void code_that_is_wider_than_the_terminal_is_refused(void **state)
{
    char *argv[] = { (char *)"provctl", (char *)"claim", (char *)"create",
                     (char *)"fleet",   (char *)"--qr",  NULL };
    struct rig *r = *state;
    struct terminal t;
    struct ctl_io io;
    char out[8192], *err = NULL;
    size_t err_n;

    rig_issuer(r);
    t = terminal_new(80);
    io = (struct ctl_io){ .in = stdin, .out = t.slave, .err = open_memstream(&err, &err_n) };
    assert_int_equal(ctl_main(&io, 5, argv), CTL_EXIT_REFUSED);
    terminal_end(&t, out, sizeof out);
    (void)fclose(io.err);
    assert_string_equal(out, "");
    says(err, "columns wide, and this terminal 80");
    free(err);
}

static const struct CMUnitTest ctl_qr[] = {
    cmocka_unit_test(code_is_drawn_module_by_module),
    cmocka_unit_test(code_on_a_terminal_has_its_own_colours),
    cmocka_unit_test(text_that_no_code_holds_is_refused),
    RIG_TEST(claim_as_a_code_is_one_object_without_white_space),
    RIG_TEST(claim_that_does_not_fit_a_code_is_refused_and_not_made),
    RIG_TEST(code_that_is_wider_than_the_terminal_is_refused),
};

int main(void)
{
    return cmocka_run_group_tests(ctl_qr, NULL, NULL);
}
