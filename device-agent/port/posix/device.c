#include "device.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>

#define MAX_ID 256

/* The kinds differ, so that a serial number is never taken for a machine-id. */
static const struct {
    const char *kind, *path;
} sources[] = {
    { "serial-number", "/proc/device-tree/serial-number" },
    { "machine-id", "/etc/machine-id" },
};

/* Up to the first NUL or line end: the device tree ends its texts with the one, files with the
 * other. Empty: there is none, or it is cut short. */
static void read_id(const struct device_root *root, const char *path, char out[static MAX_ID])
{
    char full[4096];
    ssize_t n = 0;
    int fd;

    out[0] = '\0';
    if ((size_t)snprintf(full, sizeof full, "%s%s", root->path, path) >= sizeof full)
        return;
    fd = open(full, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return;
    do {
        n = read(fd, out, MAX_ID - 1);
    } while (n == -1 && errno == EINTR);
    (void)close(fd);
    out[n > 0 ? n : 0] = '\0';
    out[strcspn(out, "\r\n")] = '\0';
}

/* systemd writes this before the first boot has made one */
static bool usable(const char *id)
{
    return id[0] != '\0' && strcmp(id, "uninitialized") != 0;
}

static bool hash(const char *kind, const char *id, uint8_t out[static AGENT_DEVICE_LEN])
{
    static const char application[] = "device-agent: whose state this is";
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
              EVP_DigestUpdate(ctx, application, sizeof application) == 1 &&
              EVP_DigestUpdate(ctx, kind, strlen(kind) + 1) == 1 &&
              EVP_DigestUpdate(ctx, id, strlen(id) + 1) == 1;

    ok = ok && EVP_DigestFinal_ex(ctx, out, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}

enum agent_class device_id(const char *configured, const struct device_root *root,
                           uint8_t out[static AGENT_DEVICE_LEN], struct port_result *result)
{
    const char *kind = "configured";
    char found[MAX_ID] = "";

    for (size_t i = 0; configured == NULL && i < sizeof sources / sizeof sources[0]; i++) {
        kind = sources[i].kind;
        read_id(root, sources[i].path, found);
        if (usable(found))
            configured = found;
    }
    if (configured == NULL)
        return port_fail(result, AGENT_CONFIG,
                         "this machine has no serial number and no machine-id: set device_id in "
                         "the configuration, or run systemd-machine-id-setup");
    if (!hash(kind, configured, out))
        return port_fail(result, AGENT_LOCAL, "no memory for a hash");
    return AGENT_OK;
}
