#include "conf_priv.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WORD_MAX 128 /* with the NUL; a longer one would not go into a client id */

/* In characters that every use of it allows. */
static bool is_plain(const char *word)
{
    static const char legal[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_:.-";

    return word[0] != '\0' && word[strspn(word, legal)] == '\0';
}

/* The first line of a small file, without the space around it; "": there is none. */
static void read_line(const char *path, char out[static WORD_MAX])
{
    size_t end;
    ssize_t n;
    int fd;

    out[0] = '\0';
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return;
    n = read(fd, out, WORD_MAX - 1);
    (void)close(fd);
    out[n > 0 ? n : 0] = '\0';
    end = strcspn(out, "\r\n");
    while (end > 0 && out[end - 1] == ' ')
        end--;
    out[end] = '\0';
}

static bool hostname(char out[static WORD_MAX])
{
    if (gethostname(out, WORD_MAX) != 0)
        return false;
    out[WORD_MAX - 1] = '\0';
    return strcmp(out, "localhost") != 0 && strncmp(out, "localhost.", 10) != 0;
}

/* The machine's id must not be seen on a network; a keyed hash of it tells nothing about it. */
static bool machine_id(char out[static WORD_MAX])
{
    static const unsigned char key[] = "device-agent client id";
    char id[WORD_MAX];
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    read_line("/etc/machine-id", id);
    if (strlen(id) != 32 || strspn(id, "0123456789abcdef") != 32)
        return false;
    if (HMAC(EVP_sha256(), key, sizeof key - 1, (const unsigned char *)id, 32, digest, &n) == NULL)
        return false;
    for (size_t i = 0; i < 16; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", digest[i]);
    return true;
}

/* What boards hold whose maker has not set one; those with a space in them are not plain. */
static bool is_filler(const char *serial)
{
    static const char *const fillers[] = { "none",      "n/a",        "default",
                                           "unknown",   "invalid",    "0123456789",
                                           "123456789", "1234567890", "12345678" };

    for (size_t i = 0; i < sizeof fillers / sizeof fillers[0]; i++) {
        if (strcasecmp(serial, fillers[i]) == 0)
            return true;
    }
    return serial[strspn(serial, "0.-")] == '\0';
}

static bool serial(char out[static WORD_MAX])
{
    static const char *const places[] = { "/sys/firmware/devicetree/base/serial-number",
                                          "/sys/class/dmi/id/product_serial" };

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        read_line(places[i], out);
        if (out[0] != '\0' && !is_filler(out))
            return true;
    }
    return false;
}

static const struct {
    const char *name;
    bool (*get)(char out[static WORD_MAX]);
    const char *trouble;
} words[] = {
    { "hostname", hostname, "the machine has no name of its own; set one, or write another" },
    { "machine_id", machine_id, "/etc/machine-id holds none; run systemd-machine-id-setup" },
    { "serial", serial, "the firmware tells none that can be read; write it here instead" },
};
#define N_WORDS (sizeof words / sizeof words[0])

static enum agent_class fail_unknown(struct conf_reader *r, const char *name)
{
    struct conf_near near = { .word = name };
    char shown[CONF_SHOWN + 1];

    for (size_t i = 0; i < N_WORDS; i++)
        conf_near_try(&near, words[i].name);
    return conf_bad(r, "there is no ${%s}; write ${%s}", conf_shown_name(name, shown),
                    near.best == NULL ? "hostname}, ${machine_id} or ${serial" : near.best);
}

/* What stands for the name, into out. */
static enum agent_class look_up(struct conf_reader *r, const char *name, char out[static WORD_MAX])
{
    for (size_t i = 0; i < N_WORDS; i++) {
        if (strcmp(words[i].name, name) != 0)
            continue;
        if (words[i].get(out) && is_plain(out))
            return AGENT_OK;
        return conf_bad(r, "${%s}: %s", name, words[i].trouble);
    }
    return fail_unknown(r, name);
}

enum agent_class conf_expand(struct conf_reader *r, const char *value,
                             char out[static CONF_MAX_VALUE])
{
    char name[CONF_SHOWN], word[WORD_MAX];
    size_t n = 0, len;
    enum agent_class class;

    while (*value != '\0' && n < CONF_MAX_VALUE - WORD_MAX) {
        if (value[0] != '$' || value[1] != '{') {
            out[n++] = *value++;
            continue;
        }
        len = strcspn(value + 2, "}");
        if (value[2 + len] != '}' || len >= sizeof name)
            return conf_bad(r, "a ${ has no } behind its name; write ${hostname}");
        memcpy(name, value + 2, len);
        name[len] = '\0';
        class = look_up(r, name, word);
        if (class != AGENT_OK)
            return class;
        memcpy(out + n, word, strlen(word));
        n += strlen(word);
        value += len + 3;
    }
    out[n] = '\0';
    return *value == '\0' ? AGENT_OK : conf_bad(r, "is too long; write a shorter one");
}
