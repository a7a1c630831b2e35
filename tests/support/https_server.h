/*
 * https_server.h - an HTTPS service on loopback that answers as it is told, well or badly.
 *
 *     struct https_server *s = https_start(&identity);
 *     https_behave(s, HTTPS_ANSWER, 200, "{\"allowProvisioning\":true}");
 *     … https_port(s) … https_connections(s) …
 *     https_stop(s);
 *
 * One thread takes connections, one each serves them; HTTP/1.1 with keep-alive, requests with a
 * Content-Length. What cannot be made ends the program.
 */
#ifndef SUPPORT_HTTPS_SERVER_H
#define SUPPORT_HTTPS_SERVER_H

#include <stdint.h>

#include "core/base.h"
#include "support/pki.h"

enum https_way {
    HTTPS_ANSWER,        /* status and body; the connection stays */
    HTTPS_ANSWER_SHUT,   /* the same without saying that the connection is then closed */
    HTTPS_HANG,          /* reads the request and says nothing */
    HTTPS_HANG_TLS,      /* accepts the connection and says nothing */
    HTTPS_PLAIN,         /* answers in clear text */
    HTTPS_SHUT,          /* reads the request and closes */
    HTTPS_SHUT_WITHIN,   /* closes within the body */
    HTTPS_REDIRECT,      /* 302, body is the Location */
    HTTPS_FLOOD,         /* status, and a body without end */
    HTTPS_FLOOD_HEADERS, /* headers without end */
    HTTPS_TRICKLE,       /* a byte of the body now and then */
};

#define HTTPS_REQUEST_MAX 300000

struct https_server;

struct https_server *https_start(const struct pki_cert *identity);
void https_stop(struct https_server *s); /* NULL is accepted */
uint16_t https_port(const struct https_server *s);

/* From the next request (HTTPS_HANG_TLS and HTTPS_PLAIN: the next connection) on. The body is
 * copied. */
void https_behave(struct https_server *s, enum https_way way, int status, const char *body);

unsigned https_connections(struct https_server *s); /* TCP connections accepted */
unsigned https_requests(struct https_server *s);    /* read to their end */
/* Head and body of the last request; the caller frees. "" when there was none. */
char *https_last_head(struct https_server *s);
char *https_last_body(struct https_server *s);

#endif
