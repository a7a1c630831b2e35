#include "remote_why.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <MQTTClient.h>
#include <openssl/err.h>

#define UNREACHABLE "ServiceUnavailableException"

/* ---- did it get as far as a socket? ---------------------------------------------------------- */

/* How a connection that could not be made at once came out: 0, or an errno. */
static int outcome(int fd, int timeout_ms)
{
    struct pollfd writable = { .fd = fd, .events = POLLOUT };
    int error = 0;
    socklen_t n = sizeof error;

    if (poll(&writable, 1, timeout_ms) != 1)
        return ETIMEDOUT;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0 ? error : errno;
}

/* 0, or an errno. */
static int try_address(const struct addrinfo *address, int timeout_ms)
{
    const int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error = 0;

    if (fd < 0)
        return errno;
    if (connect(fd, address->ai_addr, address->ai_addrlen) != 0)
        error = errno == EINPROGRESS ? outcome(fd, timeout_ms) : errno;
    (void)close(fd);
    return error;
}

static enum prov_rc unreachable(const struct ctl_remote_conf *conf, const struct ctl_address *to,
                                struct prov_err *err)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    const int name = getaddrinfo(to->host, to->port, &hints, &found);
    int error = 0;

    if (name != 0)
        return prov_fail(err, PROV_EBUSY, UNREACHABLE, "%s cannot be found: %s", to->host,
                         gai_strerror(name));
    for (const struct addrinfo *a = found; a != NULL; a = a->ai_next) {
        error = try_address(a, (int)conf->timeout_s * 1000);
        if (error == 0)
            break;
    }
    freeaddrinfo(found);
    if (error == 0)
        return PROV_OK;
    return prov_fail(err, PROV_EBUSY, UNREACHABLE, "%s:%s cannot be reached: %s. %s", to->host,
                     to->port, strerror(error),
                     error == ECONNREFUSED ? "Does the broker run, and listen on that port?"
                                           : "Is the address right, and no firewall between?");
}

/* ---- TLS ------------------------------------------------------------------------------------- */

/* The broker ended it: by an alert, or by closing once it had seen who asks. */
static enum prov_rc not_trusted(const struct ctl_remote_conf *conf, const struct ctl_address *to,
                                struct prov_err *err)
{
    return prov_fail(err, PROV_EDENIED, "UnauthorizedException",
                     "%s:%s ends the connection without a word: %s", to->host, to->port,
                     conf->cert != NULL
                         ? "most likely it does not trust the certificate that was given, or has "
                           "withdrawn it"
                         : "most likely it wants an operator's certificate that it trusts, see "
                           "--client-cert and --client-key");
}

static bool alerted(const struct ctl_tls_watch *watch)
{
    const char *reason = watch->failure != 0 ? ERR_reason_error_string(watch->failure) : NULL;

    return reason != NULL && strstr(reason, "alert") != NULL;
}

/* ---- CONNACK --------------------------------------------------------------------------------- */

static enum prov_rc refused(int code, const struct ctl_remote_conf *conf,
                            const struct ctl_address *to, struct prov_err *err)
{
    if (code != MQTTREASONCODE_BAD_USER_NAME_OR_PASSWORD && code != MQTTREASONCODE_NOT_AUTHORIZED)
        return prov_fail(err, PROV_EBUSY, UNREACHABLE,
                         "the broker %s:%s does not take connections now (CONNACK %d)", to->host,
                         to->port, code);
    if (conf->username == NULL && conf->cert == NULL)
        return prov_fail(err, PROV_EDENIED, "UnauthorizedException",
                         "the broker %s:%s wants to know who you are: --username, or --client-cert "
                         "and --client-key",
                         to->host, to->port);
    return prov_fail(err, PROV_EDENIED, "UnauthorizedException",
                     "the broker %s:%s does not let you in: %s", to->host, to->port,
                     conf->username != NULL
                         ? "look at --username and the password (PROVCTL_PASSWORD, --password-file)"
                         : "is the certificate of --client-cert one that it knows?");
}

enum prov_rc ctl_remote_why(int rc, const struct ctl_remote_conf *conf,
                            const struct ctl_address *to, const struct ctl_tls_watch *watch,
                            struct prov_err *err)
{
    enum prov_rc why = PROV_OK;

    if (rc > 0)
        return refused(rc, conf, to, err);
    if (to->tls)
        why = ctl_tls_explain(watch, to, conf->cafile, err);
    if (why == PROV_OK && (watch->leaf != NULL || alerted(watch)))
        return not_trusted(conf, to, err);
    if (why == PROV_OK)
        why = unreachable(conf, to, err);
    if (why != PROV_OK)
        return why;
    return prov_fail(err, PROV_EBUSY, UNREACHABLE,
                     "%s:%s takes connections and does not answer as an MQTT broker does: %s",
                     to->host, to->port,
                     to->tls
                         ? "mqtts:// needs the port of the broker's TLS listener, 8883 most often"
                         : "is that port one for TLS? Then it is mqtts://");
}
