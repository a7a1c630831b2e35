#include "conf_priv.h"

#include <arpa/inet.h>
#include <limits.h>
#include <p11-kit/uri.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "announce.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

static bool is_of(const char *text, const char *letters, size_t max)
{
    const size_t n = strlen(text);

    return n >= 1 && n <= max && strspn(text, letters) == n;
}

static enum agent_class refuse(struct conf_reader *r, const struct conf_row *row, const char *value)
{
    char shown[CONF_SHOWN];

    return conf_bad(r, "%s is not legal; write %s", conf_shown(value, shown), row->value);
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* All of the text up to end must be digits. */
static bool read_digits(const char *text, const char *end, uint32_t *out)
{
    uint64_t value = 0;

    if (text == end || end - text > 9)
        return false;
    for (; text < end; text++) {
        if (*text < '0' || *text > '9')
            return false;
        value = value * 10 + (uint64_t)(*text - '0');
    }
    *out = (uint32_t)value;
    return true;
}

static void put(const struct conf_rule *rule, uint32_t value, void *field)
{
    const uint16_t narrow = (uint16_t)value;

    if (rule->width == sizeof narrow)
        memcpy(field, &narrow, sizeof narrow);
    else
        memcpy(field, &value, sizeof value);
}

static enum agent_class read_number(struct conf_reader *r, const struct conf_row *row,
                                    const char *value, void *field)
{
    uint32_t n;

    if (!read_digits(value, value + strlen(value), &n) || n < row->rule->lo || n > row->rule->hi)
        return refuse(r, row, value);
    put(row->rule, n, field);
    return AGENT_OK;
}

static enum agent_class read_duration(struct conf_reader *r, const struct conf_row *row,
                                      const char *value, void *field)
{
    static const char letters[] = "smh";
    static const uint32_t seconds[] = { 1, 60, 3600 };
    const size_t len = strlen(value);
    const char *letter = len == 0 ? NULL : strchr(letters, value[len - 1]);
    uint64_t all;
    uint32_t n;

    if (len != 0 && strspn(value, DIGITS) == len)
        return conf_bad(r, "has no unit; write it as 30s, 5m or 2h");
    if (letter == NULL || !read_digits(value, value + len - 1, &n))
        return refuse(r, row, value);
    all = (uint64_t)n * seconds[letter - letters];
    if (all < row->rule->lo || all > row->rule->hi)
        return refuse(r, row, value);
    put(row->rule, (uint32_t)all * row->rule->unit, field);
    return AGENT_OK;
}

static enum agent_class read_percent(struct conf_reader *r, const struct conf_row *row,
                                     const char *value, void *field)
{
    const size_t len = strlen(value);
    uint32_t n = 0;

    if (strcmp(value, "never") != 0 &&
        (len == 0 || value[len - 1] != '%' || !read_digits(value, value + len - 1, &n) ||
         n < row->rule->lo || n > row->rule->hi))
        return refuse(r, row, value);
    put(row->rule, n, field);
    return AGENT_OK;
}

/* ---- words ----------------------------------------------------------------------------------- */

/* Into a bool or an enumeration: the word's position. */
static enum agent_class read_word(struct conf_reader *r, const struct conf_row *row,
                                  const char *value, void *field)
{
    struct conf_near near = { .word = value };
    char hint[80], shown[CONF_SHOWN];

    for (unsigned i = 0; row->rule->words[i] != NULL; i++) {
        if (strcmp(row->rule->words[i], value) != 0) {
            conf_near_try(&near, row->rule->words[i]);
            continue;
        }
        if (row->rule->width == sizeof(bool))
            memcpy(field, &(bool){ i != 0 }, sizeof(bool));
        else
            memcpy(field, &i, sizeof i);
        return AGENT_OK;
    }
    return conf_bad(r, "%s is not known; write %s%s", conf_shown(value, shown), row->value,
                    conf_near_hint(&near, hint));
}

static enum agent_class read_method(struct conf_reader *r, const struct conf_row *row,
                                    const char *value, void *field)
{
    if (strcmp(value, "key") == 0)
        return conf_bad(r, "'key' (allow-listed keys) is not there yet; write %s", row->value);
    return read_word(r, row, value, field);
}

/* ---- texts ----------------------------------------------------------------------------------- */

static enum agent_class store(struct conf_reader *r, const char *value, void *field)
{
    const char *copy = conf_copy(r, value);

    if (copy == NULL)
        return conf_no_memory(r);
    memcpy(field, &copy, sizeof copy);
    return AGENT_OK;
}

static enum agent_class read_text(struct conf_reader *r, const struct conf_row *row,
                                  const char *value, void *field)
{
    if (!row->rule->legal(value))
        return refuse(r, row, value);
    return store(r, value, field);
}

static bool is_any(const char *text)
{
    return text[0] != '\0' && strlen(text) <= CONF_MAX_NAME;
}

static bool is_payload(const char *text)
{
    return strlen(text) <= 1024;
}

static bool is_client_id(const char *text)
{
    return is_of(text, LETTERS DIGITS "_:.-", AGENT_MAX_CLIENT_ID - 1);
}

static bool is_template(const char *text)
{
    return is_of(text, LETTERS DIGITS "_-", AGENT_MAX_TEMPLATE_NAME - 1);
}

static bool is_group(const char *text)
{
    return is_of(text, LETTERS DIGITS "_.-", 32) && text[0] != '-';
}

/* Between dots; letters, digits, - and _, which names inside of networks have; no - at an end. */
static bool is_label(const char *text, size_t n)
{
    if (n < 1 || n > 63 || text[0] == '-' || text[n - 1] == '-')
        return false;
    for (size_t i = 0; i < n; i++) {
        if (strchr(LETTERS DIGITS "_-", text[i]) == NULL)
            return false;
    }
    return true;
}

static bool is_host(const char *text)
{
    const char *label = text, *last = strrchr(text, '.');
    unsigned char address[16];

    if (strlen(text) > 253)
        return false;
    if (inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1)
        return true;
    last = last == NULL ? text : last + 1;
    if (strspn(last, DIGITS) == strlen(last)) /* an address that is none */
        return false;
    for (size_t n;; label += n + 1) {
        n = strcspn(label, ".");
        if (!is_label(label, n))
            return false;
        if (label[n] == '\0')
            return true;
    }
}

static enum agent_class read_host(struct conf_reader *r, const struct conf_row *row,
                                  const char *value, void *field)
{
    if (!is_host(value) && strstr(value, "://") != NULL)
        return conf_bad(r,
                        "is a URL; write the name or address alone, and the port as broker.port");
    return read_text(r, row, value, field);
}

/* http://[user:password@]host:port, as Paho takes it. */
static bool is_proxy(const char *text)
{
    char host[256];
    const char *at, *colon;
    uint32_t port;
    size_t n;

    if (strncmp(text, "http://", 7) != 0 || strlen(text) > 512 || strchr(text, ' ') != NULL)
        return false;
    text += 7;
    at = strrchr(text, '@');
    if (at != NULL && memchr(text, ':', (size_t)(at - text)) == NULL)
        return false;
    text = at == NULL ? text : at + 1;
    colon = strrchr(text, ':');
    if (colon == NULL || !read_digits(colon + 1, text + strlen(text), &port) || port < 1 ||
        port > UINT16_MAX)
        return false;
    n = (size_t)(colon - text);
    if (n >= sizeof host)
        return false;
    memcpy(host, text, n);
    host[n] = '\0';
    return is_host(host);
}

static bool is_alpn(const char *text)
{
    return is_of(text, LETTERS DIGITS "/._-", 255);
}

static enum agent_class read_alpn(struct conf_reader *r, const struct conf_row *row,
                                  const char *value, void *field)
{
    if (strcmp(value, "none") == 0)
        return AGENT_OK;
    return read_text(r, row, value, field);
}

/* {thing_name} and {client_id} alone; what may be published to: no wildcards, no empty name. */
static bool is_topic(const char *text)
{
    static const char *const holders[] = { "{thing_name}", "{client_id}" };
    size_t n, i;

    if (text[0] == '\0' || strlen(text) >= AGENT_MAX_TOPIC)
        return false;
    while (*text != '\0') {
        n = strcspn(text, "{}+#");
        if (text[n] == '\0')
            return true;
        text += n;
        for (i = 0; i < 2 && strncmp(text, holders[i], strlen(holders[i])) != 0; i++)
            continue;
        if (i == 2)
            return false;
        text += strlen(holders[i]);
    }
    return true;
}

/* ---- paths ----------------------------------------------------------------------------------- */

static enum agent_class read_path(struct conf_reader *r, const struct conf_row *row,
                                  const char *value, void *field)
{
    const char *slash = strrchr(r->name, '/');
    char full[PATH_MAX];
    size_t n;

    (void)row;
    if (value[0] == '~')
        return conf_bad(r, "~ means nothing here, for nobody is logged in; write the whole path");
    n = value[0] == '/' || slash == NULL ? 0 : (size_t)(slash - r->name) + 1;
    if (n + strlen(value) > sizeof full - 64) /* names of files still fit behind it */
        return conf_bad(r, "is too long; write a path of at most %d bytes", PATH_MAX - 64);
    memcpy(full, r->name, n);
    memcpy(full + n, value, strlen(value) + 1);
    return store(r, full, field);
}

static enum agent_class read_socket(struct conf_reader *r, const struct conf_row *row,
                                    const char *value, void *field)
{
    const size_t room = sizeof((struct sockaddr_un *)0)->sun_path;
    const enum agent_class class = read_path(r, row, value, field);
    const char *path;

    if (class != AGENT_OK)
        return class;
    memcpy(&path, field, sizeof path);
    if (strlen(path) < room)
        return AGENT_OK;
    return conf_bad(r, "is too long for a socket; write a path of at most %zu bytes", room - 1);
}

/* No shell runs it, so what only a shell understands is refused rather than handed on; between
 * quotes it is meant for the program. */
static bool is_program(const char *text)
{
    char room[ANNOUNCE_MAX_COMMAND];
    const char *words[ANNOUNCE_MAX_WORDS + 1];
    bool quoted = false;

    if (text[0] != '/' || strlen(text) > 1024 || announce_split(text, room, words) == 0)
        return false;
    for (; *text != '\0'; text++) {
        quoted ^= *text == '"';
        if (!quoted && strchr("'`\\$|&;<>*?()", *text) != NULL)
            return false;
    }
    return true;
}

/* A private key in a token, or a place for keys there: it has a name. */
static bool is_uri(const char *text)
{
    P11KitUri *uri;
    CK_ATTRIBUTE *label;
    bool good;

    if (strncmp(text, "pkcs11:", 7) != 0 || strlen(text) > 1024 ||
        strcspn(text, " \"<>") != strlen(text))
        return false;
    uri = p11_kit_uri_new();
    if (uri == NULL)
        return false;
    good = p11_kit_uri_parse(text, P11_KIT_URI_FOR_ANY, uri) == P11_KIT_URI_OK &&
           !p11_kit_uri_any_unrecognized(uri);
    label = good ? p11_kit_uri_get_attribute(uri, CKA_LABEL) : NULL;
    good = label != NULL && label->ulValueLen != 0 && label->ulValueLen <= 64;
    p11_kit_uri_free(uri);
    return good;
}

static enum agent_class read_key_place(struct conf_reader *r, const struct conf_row *row,
                                       const char *value, void *field)
{
    if (strncmp(value, "pkcs11:", 7) != 0)
        return read_path(r, row, value, field);
    if (!is_uri(value))
        return conf_bad(r, "is no pkcs11: URI (RFC 7512) that names a key; write "
                           "pkcs11:token=NAME;object=NAME");
    return store(r, value, field);
}

/* ---- the rules ------------------------------------------------------------------------------- */

_Static_assert(sizeof(enum agent_method) == sizeof(unsigned), "read_word writes it");
_Static_assert(sizeof(enum keys_type) == sizeof(unsigned), "read_word writes it");
_Static_assert(sizeof(bool) != sizeof(unsigned), "read_word tells them apart");

static const char *const yes_no[] = { "no", "yes", NULL };
static const char *const methods[] = { "jit", "claim", "trusted-user", NULL };
static const char *const keys_of[] = { "device", "broker", NULL };
static const char *const after_use[] = { "delete", "keep", NULL };
static const char *const key_types[] = { "ec-p256", "rsa-2048", NULL };
_Static_assert(AGENT_METHOD_JIT == 0 && AGENT_METHOD_CLAIM == 1 && AGENT_METHOD_TRUSTED_USER == 2,
               "positions in methods");
_Static_assert(KEYS_EC_P256 == 0 && KEYS_RSA_2048 == 1, "positions in key_types");

const struct conf_rule conf_host = { read_host, .legal = is_host };
const struct conf_rule conf_port = { read_number, .lo = 1, .hi = UINT16_MAX, .width = 2 };
const struct conf_rule conf_path = { .read = read_path };
const struct conf_rule conf_alpn = { read_alpn, .legal = is_alpn };
const struct conf_rule conf_proxy = { read_text, .legal = is_proxy };
const struct conf_rule conf_keep_alive = { read_duration, .lo = 5, .hi = 43200, .unit = 1,
                                           .width = 2 };
const struct conf_rule conf_timeout = { read_duration, .lo = 1, .hi = 600, .unit = 1000,
                                        .width = 4 };
const struct conf_rule conf_interval = { read_duration, .lo = 1, .hi = 604800, .unit = 1,
                                         .width = 4 };
const struct conf_rule conf_client_id = { read_text, .expands = true, .legal = is_client_id };
const struct conf_rule conf_method = { read_method, .words = methods, .width = sizeof(unsigned) };
const struct conf_rule conf_template = { read_text, .legal = is_template };
const struct conf_rule conf_any_text = { read_text, .expands = true, .legal = is_any };
const struct conf_rule conf_keys_of = { read_word, .words = keys_of, .width = sizeof(bool) };
const struct conf_rule conf_key_place = { .read = read_key_place };
const struct conf_rule conf_after_use = { read_word, .words = after_use, .width = sizeof(bool) };
const struct conf_rule conf_parameter = { read_text, .expands = true, .empty = true,
                                          .legal = is_payload };
const struct conf_rule conf_key_type = { read_word, .words = key_types, .width = sizeof(unsigned) };
const struct conf_rule conf_uri = { read_text, .legal = is_uri };
const struct conf_rule conf_group = { read_text, .legal = is_group };
const struct conf_rule conf_percent = { read_percent, .lo = 1, .hi = 99, .width = 2 };
const struct conf_rule conf_yes_no = { read_word, .words = yes_no, .width = sizeof(bool) };
const struct conf_rule conf_topic = { read_text, .legal = is_topic };
const struct conf_rule conf_payload = { read_text, .empty = true, .legal = is_payload };
const struct conf_rule conf_program = { read_text, .legal = is_program };
const struct conf_rule conf_socket = { .read = read_socket };
