/*
 * Private keys that stay in their token (SoftHSM2, which the test sets up for itself).
 *
 * ctest timeout: 240
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/socket.h>
#include <sys/stat.h>

#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <p11-kit/p11-kit.h>

#include "device-agent/port/posix/keys.h"
#include "support/pki.h"
#include "support/tmp.h"
#include "support/token.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define MODULE "/usr/lib/softhsm/libsofthsm2.so"
#define DEVICES "pkcs11:token=devices;object=agent"
#define AT "&module-path=" MODULE

static const struct keys_conf devices = {
    .type = KEYS_EC_P256,
    .pkcs11 = DEVICES "?pin-value=" TOKEN_PIN AT,
};

/* ---- between p11-kit and the module ---------------------------------------------------------- */

static CK_FLAGS more_flags; /* that the token has */
static EVP_PKEY *to_let_go; /* of in the middle of the next call, as another thread may */
static CK_C_GetTokenInfo get_token_info;

CK_FUNCTION_LIST *__real_p11_kit_module_load(const char *path, int flags);
CK_FUNCTION_LIST *__wrap_p11_kit_module_load(const char *path, int flags);

static CK_RV with_more_flags(CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
    const CK_RV rv = get_token_info(slot, info);

    info->flags |= more_flags;
    EVP_PKEY_free(to_let_go);
    to_let_go = NULL;
    return rv;
}

CK_FUNCTION_LIST *__wrap_p11_kit_module_load(const char *path, int flags)
{
    CK_FUNCTION_LIST *module = __real_p11_kit_module_load(path, flags);

    if (module != NULL && module->C_GetTokenInfo != with_more_flags) {
        get_token_info = module->C_GetTokenInfo;
        module->C_GetTokenInfo = with_more_flags;
    }
    return module;
}

struct fixture {
    char *dir;
    struct token *token, *other;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->dir = tmp_new();
    f->token = token_new("devices");
    f->other = token_new("spare");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    token_free(f->other);
    token_free(f->token);
    tmp_free(f->dir);
    free(f);
    return 0;
}

static struct agent_span span(const char *s)
{
    return (struct agent_span){ (const uint8_t *)s, strlen(s) };
}

/* A reference, in a buffer that was used before. */
struct ref {
    char uri[AGENT_MAX_KEY];
};

static enum agent_class make(const struct keys_conf *conf, uint32_t generation, struct ref *ref,
                             struct port_result *result)
{
    struct agent_text text = { .p = ref->uri, .n = 3, .cap = sizeof ref->uri };
    enum agent_class class;

    memset(ref->uri, 'x', sizeof ref->uri);
    *result = (struct port_result){ .class = AGENT_OK };
    class = keys_make(conf, generation, &text, result);
    assert_int_equal(result->class, class);
    assert_int_equal(strlen(ref->uri), text.n);
    assert_int_equal(text.n == 0, class != AGENT_OK);
    return class;
}

static void made(const struct keys_conf *conf, uint32_t generation, struct ref *ref)
{
    struct port_result result;

    if (make(conf, generation, ref, &result) != AGENT_OK)
        fail_msg("%s", result.text);
}

static void destroyed(const struct keys_conf *conf, const char *uri)
{
    struct port_result result = { .class = AGENT_OK };

    if (keys_destroy(conf, span(uri), &result) != AGENT_OK)
        fail_msg("%s", result.text);
}

static EVP_PKEY *loaded(const struct keys_conf *conf, const char *uri)
{
    struct port_result result = { .class = AGENT_OK };
    EVP_PKEY *key = keys_load(conf, span(uri), &result);

    if (key == NULL)
        fail_msg("%s", result.text);
    return key;
}

static void assert_not_loaded(const struct keys_conf *conf, const char *uri, enum agent_class class,
                              const char *text)
{
    struct port_result result = { .class = AGENT_OK };

    assert_null(keys_load(conf, span(uri), &result));
    assert_int_equal(result.class, class);
    if (strstr(result.text, text) == NULL)
        fail_msg("%s: %s", uri, result.text);
    assert_null(strstr(result.text, TOKEN_PIN));
}

/* ---- looking into the token ------------------------------------------------------------------ */

struct look {
    CK_FUNCTION_LIST *module;
    CK_SESSION_HANDLE session;
};

static CK_SLOT_ID slot_of(CK_FUNCTION_LIST *module, const char *label, CK_TOKEN_INFO *info)
{
    CK_SLOT_ID slots[8];
    CK_ULONG n = COUNT(slots);

    assert_int_equal(module->C_GetSlotList(CK_TRUE, slots, &n), CKR_OK);
    for (CK_ULONG i = 0; i < n; i++) {
        assert_int_equal(module->C_GetTokenInfo(slots[i], info), CKR_OK);
        if (memcmp(info->label, label, strlen(label)) == 0)
            return slots[i];
    }
    fail_msg("no token %s", label);
    return 0;
}

static struct look look_begin(const char *label)
{
    struct look look = { .module = p11_kit_module_load(MODULE, 0) };
    CK_TOKEN_INFO info;
    CK_RV rv;

    assert_non_null(look.module);
    assert_int_equal(p11_kit_module_initialize(look.module), CKR_OK);
    assert_int_equal(look.module->C_OpenSession(slot_of(look.module, label, &info),
                                                CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL,
                                                &look.session),
                     CKR_OK);
    rv =
        look.module->C_Login(look.session, CKU_USER, (unsigned char *)TOKEN_PIN, strlen(TOKEN_PIN));
    assert_true(rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN);
    return look;
}

static void look_end(struct look *look)
{
    assert_int_equal(look->module->C_CloseSession(look->session), CKR_OK);
    assert_int_equal(p11_kit_module_finalize(look->module), CKR_OK);
    p11_kit_module_release(look->module);
}

static CK_ULONG look_for(const struct look *look, CK_OBJECT_CLASS class, const char *label,
                         CK_OBJECT_HANDLE *object)
{
    char copy[64];
    CK_ATTRIBUTE wanted[] = { { CKA_CLASS, &class, sizeof class },
                              { CKA_LABEL, copy, strlen(label) } };
    CK_OBJECT_HANDLE found[8];
    CK_ULONG n;

    (void)snprintf(copy, sizeof copy, "%s", label);
    assert_int_equal(look->module->C_FindObjectsInit(look->session, wanted, 2), CKR_OK);
    assert_int_equal(look->module->C_FindObjects(look->session, found, COUNT(found), &n), CKR_OK);
    assert_int_equal(look->module->C_FindObjectsFinal(look->session), CKR_OK);
    if (n != 0)
        *object = found[0];
    return n;
}

static CK_ULONG count(const char *token, CK_OBJECT_CLASS class, const char *label)
{
    struct look look = look_begin(token);
    CK_OBJECT_HANDLE object;
    const CK_ULONG n = look_for(&look, class, label, &object);

    look_end(&look);
    return n;
}

static CK_FLAGS flags_of(const char *token)
{
    CK_FUNCTION_LIST *module = p11_kit_module_load(MODULE, 0);
    CK_TOKEN_INFO info;

    assert_non_null(module);
    assert_int_equal(p11_kit_module_initialize(module), CKR_OK);
    (void)slot_of(module, token, &info);
    assert_int_equal(p11_kit_module_finalize(module), CKR_OK);
    p11_kit_module_release(module);
    return info.flags;
}

/* ---- PINs, first: a process logs in to a token once ------------------------------------------ */

/* SoftHSM2 counts wrong PINs as far as "some". */
static bool has_wrong_tries(const char *token)
{
    return (flags_of(token) & CKF_USER_PIN_COUNT_LOW) != 0;
}

static void wrong_pin_is_tried_once(void **state)
{
    static const struct keys_conf wrong = { .pkcs11 = DEVICES "?pin-value=9999" AT };
    struct port_result result;
    struct ref ref;

    (void)state;
    assert_int_equal(make(&wrong, 1, &ref, &result), AGENT_LOCAL);
    assert_non_null(strstr(result.text, "PIN is wrong"));
    assert_null(strstr(result.text, "9999"));
    assert_true(has_wrong_tries("devices"));

    made(&devices, 1, &ref); /* which clears the count */
    assert_false(has_wrong_tries("devices"));
    assert_int_equal(make(&wrong, 1, &ref, &result), AGENT_LOCAL);
    assert_non_null(strstr(result.text, "PIN is wrong"));
    made(&devices, 1, &ref);
    assert_not_loaded(&wrong, ref.uri, AGENT_LOCAL, "PIN is wrong");
    assert_int_equal(keys_destroy(&wrong, span(ref.uri), &result), AGENT_LOCAL);
    assert_false(has_wrong_tries("devices"));
    destroyed(&devices, ref.uri);
}

static void last_try_is_not_taken(void **state)
{
    static const struct {
        CK_FLAGS flag;
        const char *text;
    } rows[] = {
        { CKF_USER_PIN_LOCKED, "locked" },
        { CKF_USER_PIN_FINAL_TRY, "one wrong PIN more" },
        { CKF_USER_PIN_TO_BE_CHANGED, "new PIN" },
    };
    struct port_result result;
    struct ref ref;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        more_flags = rows[i].flag;
        assert_int_equal(make(&devices, 1, &ref, &result), AGENT_LOCAL);
        assert_non_null(strstr(result.text, rows[i].text));
    }
    more_flags = 0;
    assert_int_equal(count("devices", CKO_PRIVATE_KEY, "agent-1"), 0);
}

static void pin_of_one_token_is_not_tried_on_another(void **state)
{
    static const struct {
        const char *pkcs11, *claim;
    } rows[] = {
        { DEVICES "?pin-value=8888" AT, NULL },
        { NULL, DEVICES "?pin-value=8888" AT },
        { "pkcs11:object=agent?pin-value=8888" AT, NULL },
        { NULL, "/etc/agent/claim.key" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct keys_conf conf = { .pkcs11 = rows[i].pkcs11, .claim = rows[i].claim };

        assert_not_loaded(&conf, "pkcs11:token=spare;object=x?module-path=" MODULE, AGENT_CONFIG,
                          "wants a PIN");
    }
    assert_false(has_wrong_tries("spare"));
}

static void write_pin(const char *path, const char *text, mode_t mode)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

static void pin_may_be_in_a_file_that_others_cannot_read(void **state)
{
    static const struct {
        const char *scheme, *text;
        mode_t mode;
        enum agent_class class;
        const char *reason;
    } rows[] = {
        { "", TOKEN_PIN "\n", 0600, AGENT_OK, "" },
        { "file:", TOKEN_PIN "\r\n", 0640, AGENT_OK, "" },
        { "file://", TOKEN_PIN, 0400, AGENT_OK, "" },
        { "", TOKEN_PIN "\n", 0604, AGENT_CONFIG, "others may read" },
        { "", "\n", 0600, AGENT_CONFIG, "one line" },
        { "", "", 0600, AGENT_CONFIG, "one line" },
        { "/nowhere", "", 0600, AGENT_CONFIG, "No such file" },
    };
    struct fixture *f = *state;
    char path[TMP_PATH_MAX], uri[2 * TMP_PATH_MAX];
    const struct keys_conf conf = { .pkcs11 = uri };
    struct port_result result;
    struct ref ref;

    (void)tmp_path(f->dir, "pin", path);
    for (size_t i = 0; i < COUNT(rows); i++) {
        write_pin(path, rows[i].text, 0600);
        assert_int_equal(chmod(path, rows[i].mode), 0);
        (void)snprintf(uri, sizeof uri, DEVICES "?pin-source=%s%s" AT, rows[i].scheme, path);
        assert_int_equal(make(&conf, 1, &ref, &result), rows[i].class);
        assert_non_null(strstr(result.text, rows[i].reason));
        if (rows[i].class == AGENT_OK)
            destroyed(&conf, ref.uri);
    }
    (void)snprintf(uri, sizeof uri, DEVICES "?pin-source=%s" AT, f->dir);
    assert_int_equal(make(&conf, 1, &ref, &result), AGENT_CONFIG);
    assert_non_null(strstr(result.text, "no file"));
}

/* ---- making ---------------------------------------------------------------------------------- */

static EVP_PKEY *requested(const struct keys_conf *conf, const char *uri)
{
    char pem[AGENT_MAX_CSR];
    struct agent_text out = { .p = pem, .cap = sizeof pem };
    struct port_result result = { .class = AGENT_OK };
    X509_REQ *req;
    EVP_PKEY *key;
    BIO *bio;

    if (keys_csr(conf, span(uri), "dev-1", &out, &result) != AGENT_OK)
        fail_msg("%s", result.text);
    bio = BIO_new_mem_buf(pem, -1);
    req = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
    assert_non_null(req);
    key = X509_REQ_get_pubkey(req);
    assert_int_equal(X509_REQ_verify(req, key), 1);
    X509_REQ_free(req);
    BIO_free(bio);
    return key;
}

/* A certificate for that public key. */
static struct pki_cert certificate(const struct pki_cert *ca, EVP_PKEY *key)
{
    return pki_make(&(struct pki_spec){ .subject = "/CN=dev-1", .issuer = ca, .use_key = key });
}

static enum agent_class fit(const struct pki_cert *cert, const char *uri)
{
    char *pem = pki_pem(cert->x509);
    struct port_result result = { .class = AGENT_OK };
    struct agent_slot slot;
    const enum agent_class class = keys_fit(&devices, span(pem), span(uri), &slot, &result);

    assert_int_equal(slot.key && slot.cert, class == AGENT_OK);
    free(pem);
    return class;
}

static void key_signs_its_request_and_fits_its_certificate_alone(void **state)
{
    static const struct {
        enum keys_type type;
        const char *kind;
        int bits;
    } rows[] = { { KEYS_EC_P256, "EC", 256 }, { KEYS_RSA_2048, "RSA", 2048 } };
    struct pki_cert ca = pki_make(&(struct pki_spec){ .subject = "/CN=CA", .ca = true });

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct keys_conf conf = { .type = rows[i].type, .pkcs11 = devices.pkcs11 };
        struct pki_cert cert;
        struct ref ref, other;
        EVP_PKEY *key;

        made(&conf, 1, &ref);
        made(&conf, 2, &other);
        key = requested(&conf, ref.uri);
        assert_true(EVP_PKEY_is_a(key, rows[i].kind));
        assert_int_equal(EVP_PKEY_get_bits(key), rows[i].bits);
        cert = certificate(&ca, key);
        assert_int_equal(fit(&cert, ref.uri), AGENT_OK);
        assert_int_equal(fit(&cert, other.uri), AGENT_ANSWER);
        destroyed(&conf, ref.uri);
        assert_int_equal(fit(&cert, ref.uri), AGENT_LOCAL);
        destroyed(&conf, other.uri);
        EVP_PKEY_free(key);
        pki_free(&cert);
    }
    pki_free(&ca);
}

static void reference_names_token_and_key_and_has_no_pin(void **state)
{
    struct ref ref;

    (void)state;
    made(&devices, 7, &ref);
    assert_memory_equal(ref.uri, "pkcs11:", 7);
    assert_non_null(strstr(ref.uri, "token=devices"));
    assert_non_null(strstr(ref.uri, "serial="));
    assert_non_null(strstr(ref.uri, "object=agent-7"));
    assert_non_null(strstr(ref.uri, "id=%"));
    assert_non_null(strstr(ref.uri, "type=private"));
    assert_null(strchr(ref.uri, '?'));
    destroyed(&devices, ref.uri);
}

static void key_made_again_is_the_same(void **state)
{
    struct ref first, again, next;

    (void)state;
    made(&devices, 1, &first);
    made(&devices, 1, &again);
    made(&devices, 2, &next);
    assert_string_equal(first.uri, again.uri);
    assert_string_not_equal(first.uri, next.uri);
    assert_int_equal(count("devices", CKO_PRIVATE_KEY, "agent-1"), 1);
    destroyed(&devices, first.uri);
    made(&devices, 1, &again);
    assert_string_not_equal(first.uri, again.uri);
    destroyed(&devices, again.uri);
    destroyed(&devices, next.uri);
}

static void half_a_pair_is_made_anew(void **state)
{
    CK_OBJECT_HANDLE object;
    struct look look;
    struct ref ref;
    EVP_PKEY *key;

    (void)state;
    made(&devices, 1, &ref);
    look = look_begin("devices");
    assert_int_equal(look_for(&look, CKO_PRIVATE_KEY, "agent-1", &object), 1);
    assert_int_equal(look.module->C_DestroyObject(look.session, object), CKR_OK);
    look_end(&look);

    made(&devices, 1, &ref);
    assert_int_equal(count("devices", CKO_PRIVATE_KEY, "agent-1"), 1);
    assert_int_equal(count("devices", CKO_PUBLIC_KEY, "agent-1"), 1);
    key = requested(&devices, ref.uri);
    EVP_PKEY_free(key);
    destroyed(&devices, ref.uri);
}

static void key_never_leaves_its_token(void **state)
{
    CK_BBOOL sensitive = CK_FALSE, extractable = CK_TRUE, secret = CK_FALSE;
    unsigned char value[256];
    CK_ATTRIBUTE flags[] = { { CKA_SENSITIVE, &sensitive, sizeof sensitive },
                             { CKA_EXTRACTABLE, &extractable, sizeof extractable },
                             { CKA_PRIVATE, &secret, sizeof secret } };
    CK_ATTRIBUTE secret_part = { CKA_VALUE, value, sizeof value };
    CK_OBJECT_HANDLE object;
    struct look look;
    struct ref ref;

    (void)state;
    made(&devices, 1, &ref);
    look = look_begin("devices");
    assert_int_equal(look_for(&look, CKO_PRIVATE_KEY, "agent-1", &object), 1);
    assert_int_equal(look.module->C_GetAttributeValue(look.session, object, flags, 3), CKR_OK);
    assert_true(sensitive == CK_TRUE && extractable == CK_FALSE && secret == CK_TRUE);
    assert_int_equal(look.module->C_GetAttributeValue(look.session, object, &secret_part, 1),
                     CKR_ATTRIBUTE_SENSITIVE);
    look_end(&look);
    destroyed(&devices, ref.uri);
}

/* ---- destroying ------------------------------------------------------------------------------ */

static void destroyed_key_is_gone_whole_and_others_stay(void **state)
{
    struct port_result result = { .class = AGENT_OK };
    struct ref ref, other;

    (void)state;
    made(&devices, 1, &ref);
    made(&devices, 2, &other);
    destroyed(&devices, ref.uri);
    assert_int_equal(count("devices", CKO_PRIVATE_KEY, "agent-1"), 0);
    assert_int_equal(count("devices", CKO_PUBLIC_KEY, "agent-1"), 0);
    assert_not_loaded(&devices, ref.uri, AGENT_LOCAL, "no private key");
    destroyed(&devices, ref.uri); /* gone already */

    assert_int_equal(keys_destroy(&devices, span("pkcs11:token=devices;type=private"), &result),
                     AGENT_CONFIG);
    assert_int_equal(count("devices", CKO_PRIVATE_KEY, "agent-2"), 1);
    assert_int_equal(count("devices", CKO_PUBLIC_KEY, "agent-2"), 1);
    destroyed(&devices, other.uri);
}

/* ---- URIs ------------------------------------------------------------------------------------ */

static void what_the_uri_does_not_lead_to_is_refused_in_words(void **state)
{
    static const struct {
        const char *uri;
        enum agent_class class;
        const char *text;
    } rows[] = {
        { "pkcs11:token=none;object=agent?pin-value=" TOKEN_PIN AT, AGENT_LOCAL, "no token such" },
        { "pkcs11:manufacturer=SoftHSM%20project;object=agent?pin-value=" TOKEN_PIN AT,
          AGENT_CONFIG, "2 tokens" },
        { "pkcs11:object=agent?pin-value=" TOKEN_PIN AT, AGENT_CONFIG, "2 tokens" },
        { "pkcs11:token=devices?pin-value=" TOKEN_PIN AT, AGENT_CONFIG, "object=" },
        { "pkcs11:token=devices;object=agent?module-path=" MODULE, AGENT_CONFIG, "wants a PIN" },
        { "pkcs11:token=devices;object=agent?pin-value=" TOKEN_PIN "&module-path=/none.so",
          AGENT_CONFIG, "module-path" },
        { "pkcs11:token=%zz", AGENT_CONFIG, "malformed" },
        { "pkcs11:token=devices;colour=red", AGENT_CONFIG, "not known" },
        { "agent", AGENT_CONFIG, "malformed" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct keys_conf conf = { .pkcs11 = rows[i].uri };
        struct port_result result;
        struct ref ref;

        assert_int_equal(make(&conf, 1, &ref, &result), rows[i].class);
        if (strstr(result.text, rows[i].text) == NULL)
            fail_msg("%s: %s", rows[i].uri, result.text);
        assert_null(strstr(result.text, TOKEN_PIN));
    }
}

static void module_may_be_one_that_p11_kit_knows(void **state)
{
    static const struct keys_conf registered = { .pkcs11 = DEVICES "?pin-value=" TOKEN_PIN };
    struct ref ref;
    EVP_PKEY *key;

    (void)state;
    made(&registered, 1, &ref);
    key = requested(&registered, ref.uri);
    EVP_PKEY_free(key);
    destroyed(&registered, ref.uri);
}

static void stored_reference_has_lost_its_pin_and_nothing_else(void **state)
{
    static const struct {
        const char *uri, *stored;
    } rows[] = {
        { "pkcs11:token=devices;object=claim;type=private?pin-value=1234",
          "pkcs11:token=devices;object=claim;type=private" },
        { "pkcs11:token=devices;object=claim?pin-source=/etc/pin\n",
          "pkcs11:token=devices;object=claim?pin-source=%2Fetc%2Fpin" },
        { "pkcs11:token=devices;id=%01%02?pin-value=1234&module-path=/m.so",
          "pkcs11:token=devices;id=%01%02?module-path=%2Fm.so" },
        { "pkcs11:colour=red?pin-value=1234", NULL },
        { "pkcs11:token=devices\npkcs11:token=spare", NULL },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct port_result result = { .class = AGENT_OK };
        char stored[AGENT_MAX_KEY];
        struct agent_text out = { .p = stored, .n = 3, .cap = sizeof stored };

        assert_int_equal(keys_storable(span(rows[i].uri), &out, &result),
                         rows[i].stored == NULL ? AGENT_CONFIG : AGENT_OK);
        assert_string_equal(stored, rows[i].stored == NULL ? "" : rows[i].stored);
    }
}

static void key_of_a_claim_is_found_with_the_claims_pin(void **state)
{
    struct fixture *f = *state;
    char uri[TOKEN_URI_MAX], stored[AGENT_MAX_KEY];
    const struct keys_conf conf = { .claim = uri };
    const struct keys_conf none = { .pkcs11 = NULL };
    struct agent_text out = { .p = stored, .cap = sizeof stored };
    struct port_result result = { .class = AGENT_OK };
    EVP_PKEY *const claim = pki_key_shared(PKI_P256);
    EVP_PKEY *key;

    token_import(f->other, "claim", claim);
    (void)token_uri(f->other, "claim", "?pin-value=" TOKEN_PIN, uri);
    key = loaded(&none, uri);
    EVP_PKEY_free(key);
    assert_int_equal(keys_storable(span(uri), &out, &result), AGENT_OK);
    key = loaded(&conf, stored);
    assert_int_equal(EVP_PKEY_eq(key, claim), 1);
    EVP_PKEY_free(key);
    assert_not_loaded(&none, stored, AGENT_CONFIG, "wants a PIN");
}

static void keys_of_the_same_name_are_not_chosen_between(void **state)
{
    struct fixture *f = *state;
    struct port_result result;
    struct ref ref, made_first;

    made(&devices, 1, &made_first);
    token_import(f->token, "agent-1", pki_key_shared(PKI_P256));
    assert_int_equal(make(&devices, 1, &ref, &result), AGENT_CONFIG);
    assert_non_null(strstr(result.text, "several keys"));
    assert_not_loaded(&devices, "pkcs11:token=devices;object=agent-1", AGENT_CONFIG,
                      "several private keys");
    assert_int_equal(keys_destroy(&devices, span("pkcs11:token=devices;object=agent-1"), &result),
                     AGENT_CONFIG);
    assert_int_equal(count("devices", CKO_PRIVATE_KEY, "agent-1"), 2);
    destroyed(&devices, made_first.uri);
    assert_int_equal(count("devices", CKO_PRIVATE_KEY, "agent-1"), 1);
    destroyed(&devices, "pkcs11:token=devices;object=agent-1");
    assert_int_equal(count("devices", CKO_PRIVATE_KEY, "agent-1"), 0);
}

/* ---- in use ---------------------------------------------------------------------------------- */

struct peer {
    SSL *ssl;
    bool server;
    bool ok;
};

static void *shake(void *arg)
{
    struct peer *peer = arg;
    char byte = 'x';

    if (peer->server)
        peer->ok = SSL_accept(peer->ssl) == 1 && SSL_write(peer->ssl, &byte, 1) == 1;
    else
        peer->ok = SSL_connect(peer->ssl) == 1 && SSL_read(peer->ssl, &byte, 1) == 1;
    return NULL;
}

static SSL_CTX *context(const SSL_METHOD *method, const struct pki_cert *ca,
                        const struct pki_cert *cert, EVP_PKEY *key)
{
    SSL_CTX *ctx = SSL_CTX_new(method);

    assert_int_equal(SSL_CTX_use_certificate(ctx, cert->x509), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
    assert_int_equal(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca->x509), 1);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return ctx;
}

/* Each side in its thread; the client's lets the key go. */
static void assert_handshake(const struct pki_cert *ca, const struct pki_cert *server,
                             const struct pki_cert *client, EVP_PKEY *key, int version)
{
    SSL_CTX *server_ctx = context(TLS_server_method(), ca, server, server->key);
    SSL_CTX *client_ctx = context(TLS_client_method(), ca, client, key);
    struct peer peers[2] = { { .ssl = SSL_new(server_ctx), .server = true },
                             { .ssl = SSL_new(client_ctx) } };
    pthread_t threads[2];
    int fds[2];

    assert_int_equal(SSL_set_max_proto_version(peers[1].ssl, version), 1);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(SSL_set_fd(peers[i].ssl, fds[i]), 1);
        assert_int_equal(pthread_create(&threads[i], NULL, shake, &peers[i]), 0);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_true(peers[i].ok);
        SSL_free(peers[i].ssl);
        assert_int_equal(close(fds[i]), 0);
    }
    SSL_CTX_free(client_ctx);
    SSL_CTX_free(server_ctx);
}

static void key_authenticates_a_tls_client_in_another_thread(void **state)
{
    static const enum keys_type types[] = { KEYS_EC_P256, KEYS_RSA_2048 };
    struct pki_cert ca = pki_make(&(struct pki_spec){ .subject = "/CN=CA", .ca = true });
    struct pki_cert server = pki_make(&(struct pki_spec){ .subject = "/CN=s", .issuer = &ca });

    (void)state;
    for (size_t i = 0; i < COUNT(types); i++) {
        const struct keys_conf conf = { .type = types[i], .pkcs11 = devices.pkcs11 };
        struct pki_cert client;
        EVP_PKEY *key;
        struct ref ref;

        made(&conf, 1, &ref);
        key = requested(&conf, ref.uri);
        client = certificate(&ca, key);
        EVP_PKEY_free(key);
        key = loaded(&conf, ref.uri);
        assert_handshake(&ca, &server, &client, key, TLS1_3_VERSION);
        assert_handshake(&ca, &server, &client, key, TLS1_2_VERSION);
        EVP_PKEY_free(key);
        destroyed(&conf, ref.uri);
        pki_free(&client);
    }
    pki_free(&server);
    pki_free(&ca);
}

static bool signs(EVP_PKEY *key)
{
    static const unsigned char text[] = "text";
    unsigned char signature[512];
    size_t n = sizeof signature;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const bool ok = EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
                    EVP_DigestSign(ctx, signature, &n, text, sizeof text) == 1;

    EVP_MD_CTX_free(ctx);
    return ok;
}

/* A renewal, while the connection has the key of before. */
static void key_in_use_stays_so_while_others_come_and_go(void **state)
{
    struct ref one, two;
    EVP_PKEY *first, *second;

    (void)state;
    made(&devices, 1, &one);
    first = loaded(&devices, one.uri);
    made(&devices, 2, &two);
    assert_true(signs(first));
    second = loaded(&devices, two.uri);
    assert_true(signs(second) && signs(first));
    EVP_PKEY_free(first);
    assert_true(signs(second));
    destroyed(&devices, one.uri);
    assert_true(signs(second));
    EVP_PKEY_free(second);
    second = loaded(&devices, two.uri);
    assert_true(signs(second));
    EVP_PKEY_free(second);
    destroyed(&devices, two.uri);
}

/* With the last key the engine ends the module. */
static void key_that_is_let_go_of_leaves_the_module_to_others(void **state)
{
    struct ref one, two;

    (void)state;
    made(&devices, 1, &one);
    to_let_go = loaded(&devices, one.uri);
    made(&devices, 2, &two);
    assert_null(to_let_go);
    to_let_go = loaded(&devices, two.uri);
    destroyed(&devices, one.uri);
    assert_null(to_let_go);
    destroyed(&devices, two.uri);
}

static void *load_and_let_go(void *arg)
{
    const struct ref *ref = arg;

    for (int i = 0; i < 20; i++) {
        struct port_result result = { .class = AGENT_OK };
        EVP_PKEY *key = keys_load(&devices, span(ref->uri), &result);

        if (key == NULL || !signs(key))
            return (void *)"";
        EVP_PKEY_free(key);
    }
    return NULL;
}

static void keys_may_be_let_go_of_in_any_thread(void **state)
{
    pthread_t threads[2];
    struct ref ref, other;
    void *trouble;

    (void)state;
    made(&devices, 1, &ref);
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, load_and_let_go, &ref), 0);
    for (uint32_t i = 2; i < 12; i++) {
        made(&devices, i, &other);
        destroyed(&devices, other.uri);
    }
    for (size_t i = 0; i < COUNT(threads); i++) {
        assert_int_equal(pthread_join(threads[i], &trouble), 0);
        assert_null(trouble);
    }
    destroyed(&devices, ref.uri);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_pin_is_tried_once),
        cmocka_unit_test(last_try_is_not_taken),
        cmocka_unit_test(pin_of_one_token_is_not_tried_on_another),
        cmocka_unit_test(pin_may_be_in_a_file_that_others_cannot_read),
        cmocka_unit_test(key_signs_its_request_and_fits_its_certificate_alone),
        cmocka_unit_test(reference_names_token_and_key_and_has_no_pin),
        cmocka_unit_test(key_made_again_is_the_same),
        cmocka_unit_test(half_a_pair_is_made_anew),
        cmocka_unit_test(key_never_leaves_its_token),
        cmocka_unit_test(destroyed_key_is_gone_whole_and_others_stay),
        cmocka_unit_test(what_the_uri_does_not_lead_to_is_refused_in_words),
        cmocka_unit_test(module_may_be_one_that_p11_kit_knows),
        cmocka_unit_test(stored_reference_has_lost_its_pin_and_nothing_else),
        cmocka_unit_test(key_of_a_claim_is_found_with_the_claims_pin),
        cmocka_unit_test(keys_of_the_same_name_are_not_chosen_between),
        cmocka_unit_test(key_authenticates_a_tls_client_in_another_thread),
        cmocka_unit_test(key_in_use_stays_so_while_others_come_and_go),
        cmocka_unit_test(key_that_is_let_go_of_leaves_the_module_to_others),
        cmocka_unit_test(keys_may_be_let_go_of_in_any_thread),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
