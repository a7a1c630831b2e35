#include "keys_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <sys/stat.h>

#include "device-agent/core/text.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define NO_SLOT ((CK_SLOT_ID)-1) /* in a URI */

/* ---- URIs ------------------------------------------------------------------------------------ */

/* p11-kit frees a PIN without wiping it. The memory is its own and not constant. */
void keys_uri_forget_pin(P11KitUri *uri)
{
    const char *pin = p11_kit_uri_get_pin_value(uri);

    if (pin != NULL)
        OPENSSL_cleanse((void *)(uintptr_t)pin, strlen(pin));
    p11_kit_uri_set_pin_value(uri, NULL);
}

void keys_uri_free(P11KitUri *uri)
{
    if (uri != NULL)
        keys_uri_forget_pin(uri);
    p11_kit_uri_free(uri);
}

/* p11-kit passes over white space, wherever it stands. */
static bool is_one_line(const char *s)
{
    while (*s > ' ' && *s < 0x7f)
        s++;
    return *s == '\0';
}

P11KitUri *keys_uri_parse(struct agent_span text, struct port_result *result)
{
    char copy[AGENT_MAX_KEY];
    struct agent_text line = { .p = copy, .cap = sizeof copy };
    P11KitUri *uri = p11_kit_uri_new();
    int code = P11_KIT_URI_BAD_SYNTAX;

    while (text.n != 0 && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r'))
        text.n--;
    if (uri != NULL && agent_text_add(&line, text.p, text.n) && strlen(copy) == text.n &&
        is_one_line(copy))
        code = p11_kit_uri_parse(copy, P11_KIT_URI_FOR_ANY, uri);
    agent_text_clear(&line);
    if (uri == NULL)
        (void)port_fail(result, AGENT_LOCAL, "there is no memory for a PKCS#11 URI");
    else if (code != P11_KIT_URI_OK)
        (void)port_fail(result, AGENT_CONFIG, "a PKCS#11 URI is malformed (RFC 7512): %s",
                        p11_kit_uri_message(code));
    else if (p11_kit_uri_any_unrecognized(uri) != 0)
        (void)port_fail(result, AGENT_CONFIG,
                        "a PKCS#11 URI has an attribute that is not known (RFC 7512)");
    else
        return uri;
    keys_uri_free(uri);
    return NULL;
}

bool keys_uri_add(P11KitUri *uri, struct agent_text *out)
{
    char *text = NULL;
    bool ok;

    if (p11_kit_uri_format(uri, P11_KIT_URI_FOR_ANY, &text) != P11_KIT_URI_OK)
        return false;
    ok = agent_text_add_str(out, text);
    OPENSSL_cleanse(text, strlen(text));
    free(text);
    return ok;
}

/* ---- what the URIs say ----------------------------------------------------------------------- */

/* The one asked for, then those of the configuration: they may have the PIN and the module of the
 * same token. NULL where there is none. */
struct sources {
    P11KitUri *uris[3];
};

static void sources_release(struct sources *sources)
{
    for (size_t i = 1; i < COUNT(sources->uris); i++)
        keys_uri_free(sources->uris[i]);
}

static bool read_sources(const struct keys_conf *conf, struct agent_span uri,
                         struct sources *sources, struct port_result *result)
{
    const char *const others[] = { conf->pkcs11, conf->claim };

    sources->uris[0] = keys_uri_parse(uri, result);
    if (sources->uris[0] == NULL)
        return false;
    for (size_t i = 0; i < COUNT(others); i++) {
        if (others[i] == NULL || strncmp(others[i], "pkcs11:", 7) != 0)
            continue;
        sources->uris[1 + i] = keys_uri_parse(
            (struct agent_span){ (const uint8_t *)others[i], strlen(others[i]) }, result);
        if (sources->uris[1 + i] == NULL)
            return false;
    }
    return true;
}

static const char *module_path(const struct sources *sources)
{
    const CK_TOKEN_INFO *wanted = p11_kit_uri_get_token_info(sources->uris[0]);
    const char *path = p11_kit_uri_get_module_path(sources->uris[0]);

    for (size_t i = 1; i < COUNT(sources->uris) && path == NULL; i++) {
        if (sources->uris[i] != NULL && p11_kit_uri_match_token_info(sources->uris[i], wanted) != 0)
            path = p11_kit_uri_get_module_path(sources->uris[i]);
    }
    return path;
}

static bool names_slot(P11KitUri *uri, CK_SLOT_ID slot, const CK_TOKEN_INFO *info)
{
    const CK_SLOT_ID own = p11_kit_uri_get_slot_id(uri);

    return (own == NO_SLOT || own == slot) && p11_kit_uri_match_token_info(uri, info) != 0;
}

bool keys_uri_names_token(P11KitUri *uri)
{
    const CK_TOKEN_INFO *info = p11_kit_uri_get_token_info(uri);

    return p11_kit_uri_get_slot_id(uri) != NO_SLOT || info->label[0] != '\0' ||
           info->serialNumber[0] != '\0' || info->manufacturerID[0] != '\0' ||
           info->model[0] != '\0';
}

/* ---- the token ------------------------------------------------------------------------------- */

static enum agent_class load_modules(struct keys_token *token, const char *path,
                                     struct port_result *result)
{
    p11_kit_be_quiet(); /* standard error is not its to write to */
    if (path == NULL) {
        token->modules = p11_kit_modules_load_and_initialize(0);
        return token->modules != NULL
                   ? AGENT_OK
                   : port_fail(result, AGENT_LOCAL, "p11-kit loads no PKCS#11 module");
    }
    token->own = p11_kit_module_load(path, P11_KIT_MODULE_CRITICAL);
    if (token->own == NULL)
        return port_fail(result, AGENT_CONFIG,
                         "%s is no PKCS#11 module that can be loaded: correct module-path", path);
    if (p11_kit_module_initialize(token->own) == CKR_OK)
        return AGENT_OK;
    p11_kit_module_release(token->own);
    token->own = NULL;
    return port_fail(result, AGENT_LOCAL, "the PKCS#11 module %s does not start", path);
}

static size_t look_in(CK_FUNCTION_LIST *module, struct keys_token *token)
{
    CK_SLOT_ID slots[64];
    CK_ULONG n = COUNT(slots);
    CK_TOKEN_INFO info;
    size_t found = 0;

    if (module->C_GetSlotList(CK_TRUE, slots, &n) != CKR_OK)
        return 0;
    for (CK_ULONG i = 0; i < n; i++) {
        if (module->C_GetTokenInfo(slots[i], &info) != CKR_OK ||
            (info.flags & CKF_TOKEN_INITIALIZED) == 0 || !names_slot(token->uri, slots[i], &info))
            continue;
        found++;
        token->module = module;
        token->slot = slots[i];
        token->info = info;
    }
    return found;
}

/* With two to choose from, a PIN might go to the wrong one. */
static enum agent_class find_token(struct keys_token *token, struct port_result *result)
{
    size_t found = 0;

    if (token->own != NULL)
        found = look_in(token->own, token);
    else
        for (CK_FUNCTION_LIST **module = token->modules; *module != NULL; module++)
            found += look_in(*module, token);
    if (found == 1)
        return AGENT_OK;
    if (found == 0)
        return port_fail(result, AGENT_LOCAL,
                         "there is no token such as the PKCS#11 URI names: is it plugged in, and "
                         "its module known (p11-kit list-modules, or module-path)?");
    return port_fail(result, AGENT_CONFIG,
                     "%zu tokens are such as the PKCS#11 URI names: add token= or serial=", found);
}

/* ---- the PIN --------------------------------------------------------------------------------- */

static enum agent_class no_pin_file(const char *path, const char *why, struct port_result *result)
{
    return port_fail(result, AGENT_CONFIG, "the PIN cannot be read from %s: %s", path, why);
}

static enum agent_class read_pin_fd(int fd, const char *path, char pin[static KEYS_MAX_PIN],
                                    struct port_result *result)
{
    struct stat st;
    ssize_t n;

    if (fstat(fd, &st) != 0)
        return no_pin_file(path, strerror(errno), result);
    if (!S_ISREG(st.st_mode))
        return no_pin_file(path, "it is no file", result);
    if ((st.st_mode & S_IRWXO) != 0)
        return no_pin_file(path, "others may read it too (chmod o= FILE)", result);
    n = read(fd, pin, KEYS_MAX_PIN);
    if (n < 0)
        return no_pin_file(path, strerror(errno), result);
    while (n > 0 && (pin[n - 1] == '\n' || pin[n - 1] == '\r'))
        n--;
    if (n == 0 || n == KEYS_MAX_PIN || memchr(pin, '\0', (size_t)n) != NULL)
        return no_pin_file(path, "it has to be one line", result);
    pin[n] = '\0';
    return AGENT_OK;
}

/* "file:" may stand before the path, with the empty authority or without. */
static enum agent_class read_pin_file(const char *source, char pin[static KEYS_MAX_PIN],
                                      struct port_result *result)
{
    static const char *const schemes[] = { "file://", "file:" };
    enum agent_class class;
    int fd;

    for (size_t i = 0; i < COUNT(schemes); i++) {
        if (strncmp(source, schemes[i], strlen(schemes[i])) != 0)
            continue;
        source += strlen(schemes[i]);
        break;
    }
    fd = open(source, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return no_pin_file(source, strerror(errno), result);
    class = read_pin_fd(fd, source, pin, result);
    (void)close(fd);
    return class;
}

static enum agent_class find_pin(const struct sources *sources, struct keys_token *token,
                                 struct port_result *result)
{
    const char *value = NULL, *source = NULL;
    struct agent_text pin = { .p = token->pin, .cap = sizeof token->pin };

    for (size_t i = 0; i < COUNT(sources->uris) && value == NULL && source == NULL; i++) {
        if (sources->uris[i] == NULL || !names_slot(sources->uris[i], token->slot, &token->info))
            continue;
        if (i != 0 && !keys_uri_names_token(sources->uris[i]))
            continue; /* its PIN is for whichever token there is: not for this one's tries */
        value = p11_kit_uri_get_pin_value(sources->uris[i]);
        source = p11_kit_uri_get_pin_source(sources->uris[i]);
    }
    if (value != NULL)
        return agent_text_add_str(&pin, value)
                   ? AGENT_OK
                   : port_fail(result, AGENT_CONFIG, "the token's PIN is too long");
    if (source != NULL)
        return read_pin_file(source, token->pin, result);
    return port_fail(result, AGENT_CONFIG,
                     "the token wants a PIN: add pin-source=FILE to the PKCS#11 URI");
}

/* ---- logging in ------------------------------------------------------------------------------ */

/* Of the last PIN that was wrong, and whose. */
static unsigned char refused[SHA256_DIGEST_LENGTH];

static void digest_try(const struct keys_token *token,
                       unsigned char out[static SHA256_DIGEST_LENGTH])
{
    struct {
        CK_TOKEN_INFO whose;
        char pin[KEYS_MAX_PIN];
    } text;

    memset(&text, 0, sizeof text);
    memcpy(text.whose.label, token->info.label, sizeof text.whose.label);
    memcpy(text.whose.serialNumber, token->info.serialNumber, sizeof text.whose.serialNumber);
    memcpy(text.pin, token->pin, strlen(token->pin));
    (void)SHA256((const unsigned char *)&text, sizeof text, out);
    OPENSSL_cleanse(&text, sizeof text);
}

static enum agent_class wrong_pin(struct port_result *result)
{
    return port_fail(result, AGENT_LOCAL,
                     "the token's PIN is wrong: correct it and start again; it is not tried twice, "
                     "for that would lock the token");
}

/* Flags of a token that a login would leave worse off. */
static enum agent_class check_tries(const struct keys_token *token, struct port_result *result)
{
    static const struct {
        CK_FLAGS flag;
        const char *text;
    } rows[] = {
        { CKF_USER_PIN_LOCKED, "the token's PIN is locked: unlock it with its tool" },
        { CKF_USER_PIN_FINAL_TRY, "one wrong PIN more locks the token: log in once with its tool "
                                  "and the right PIN, then start again" },
        { CKF_USER_PIN_TO_BE_CHANGED, "the token wants a new PIN: set it with its tool" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        if ((token->info.flags & rows[i].flag) != 0)
            return port_fail(result, AGENT_LOCAL, "%s", rows[i].text);
    }
    return AGENT_OK;
}

/* Logging in is the process's: with a key in use the token is open already, and nothing here closes
 * it but by the end of the session. */
static enum agent_class log_in(struct keys_token *token, struct port_result *result)
{
    unsigned char tried[SHA256_DIGEST_LENGTH];
    CK_RV rv;

    if (check_tries(token, result) != AGENT_OK)
        return result->class;
    digest_try(token, tried);
    if (CRYPTO_memcmp(tried, refused, sizeof tried) == 0)
        return wrong_pin(result);
    rv = token->module->C_Login(token->session, CKU_USER, (unsigned char *)token->pin,
                                strlen(token->pin));
    if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN)
        return AGENT_OK;
    if (rv == CKR_PIN_INCORRECT || rv == CKR_PIN_INVALID || rv == CKR_PIN_LEN_RANGE) {
        memcpy(refused, tried, sizeof refused);
        return wrong_pin(result);
    }
    return port_fail(result, AGENT_LOCAL, "the token refuses the login: %s", p11_kit_strerror(rv));
}

static enum agent_class start_session(struct keys_token *token, const struct sources *sources,
                                      bool write, struct port_result *result)
{
    const bool login = (token->info.flags & CKF_LOGIN_REQUIRED) != 0;
    const CK_RV rv =
        token->module->C_OpenSession(token->slot, CKF_SERIAL_SESSION | (write ? CKF_RW_SESSION : 0),
                                     NULL, NULL, &token->session);

    if (rv != CKR_OK)
        return port_fail(result, AGENT_LOCAL, "the token cannot be opened: %s",
                         p11_kit_strerror(rv));
    token->has_session = true;
    if (!login)
        return AGENT_OK;
    if (find_pin(sources, token, result) != AGENT_OK)
        return result->class;
    return log_in(token, result);
}

enum agent_class keys_token_open(const struct keys_conf *conf, struct agent_span uri, bool write,
                                 struct keys_token *token, struct port_result *result)
{
    struct sources sources = { .uris = { NULL } };
    enum agent_class class;

    memset(token, 0, sizeof *token);
    class = read_sources(conf, uri, &sources, result) ? AGENT_OK : result->class;
    token->uri = sources.uris[0];
    if (class == AGENT_OK)
        class = load_modules(token, module_path(&sources), result);
    if (class == AGENT_OK)
        class = find_token(token, result);
    if (class == AGENT_OK)
        class = start_session(token, &sources, write, result);
    sources_release(&sources);
    if (class != AGENT_OK)
        keys_token_close(token);
    return class;
}

void keys_token_close(struct keys_token *token)
{
    if (token->has_session)
        (void)token->module->C_CloseSession(token->session);
    if (token->own != NULL) {
        (void)p11_kit_module_finalize(token->own);
        p11_kit_module_release(token->own);
    }
    if (token->modules != NULL)
        p11_kit_modules_finalize_and_release(token->modules);
    keys_uri_free(token->uri);
    OPENSSL_cleanse(token, sizeof *token);
}
