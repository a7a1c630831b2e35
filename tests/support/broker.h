/*
 * broker.h - a stock Mosquitto for one test: started on loopback ports of its own, watched through
 * its log, stopped with its exit status checked. It dies with the test.
 *
 * Every call fails the test (cmocka) when what it promises does not happen, with the broker's log
 * in the message. Which Mosquitto: the one CMake found, or $PROV_MOSQUITTO. Which plugin: the one
 * that was built, or $PROV_PLUGIN. $PROV_PRELOAD is preloaded into it (sanitizer runtime and
 * plugin); sanitizer reports then fail the test that stops the broker. $PROV_BROKER_WRAP is a
 * command to run it under, its path absolute, split at spaces.
 */
#ifndef SUPPORT_BROKER_H
#define SUPPORT_BROKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "support/pki.h"

struct broker_opt {
    const char *key, *value;
};

/* A listener for websockets. Mosquitto 2.0 wants an ordinary listener beside it. */
enum broker_ws {
    BROKER_WS_NONE,
    BROKER_WS,      /* without TLS */
    BROKER_WSS,     /* with the server's certificate, and without its clients' */
    BROKER_WSS_CERT /* require_certificate true */
};
#define BROKER_WS_MAX 3

/* Zeroed but for dir and server: one TLS listener without any cafile, no plugin, nothing kept. */
struct broker_options {
    const char *dir;  /* the test's own; every file of the broker goes there */
    const char *name; /* distinguishes brokers that share a dir; NULL: "broker" */

    /* a listener with TLS; none when NULL */
    const struct pki_cert *server;
    const X509 *server_chain;  /* sent after the server's certificate; NULL: nothing */
    const X509 *const *cafile; /* ended by NULL; NULL: the listener has no cafile */
    bool certificate_optional; /* otherwise require_certificate true */
    const char *tls_lines;     /* further lines for this listener */

    /* a listener without TLS */
    bool plain;
    const char *plain_lines;

    enum broker_ws ws[BROKER_WS_MAX]; /* up to the first BROKER_WS_NONE */
    const char *ws_lines;             /* further lines for each of these */

    const char *const *users; /* name, password, name, password, …, NULL; NULL: no password file */
    bool allow_anonymous;

    bool plugin;                   /* load the one that was built, or $PROV_PLUGIN */
    const struct broker_opt *opts; /* plugin_opt_<key> <value>, ended by a NULL key; NULL: none */

    const char *user;  /* who the broker becomes; NULL: root where the test is root's */
    bool persistence;  /* in <dir>/<name>.d/ */
    const char *lines; /* further lines for the whole broker */
};

struct broker;

/* Of the Mosquitto that is tested with: BROKER_VERSION(2, 0, 11). */
#define BROKER_VERSION(major, minor, patch) ((major)*10000u + (minor)*100u + (patch))
unsigned broker_version(void);

/* Running, and listening on all its ports. */
struct broker *broker_start(const struct broker_options *options);

/*
 * Expects the broker to refuse to start: to end by itself with a status other than 0. Returns its
 * log and what it printed, to be freed by the caller.
 */
char *broker_refuses(const struct broker_options *options);

/* Stops it if it runs, checking as broker_stop does; NULL is accepted. */
void broker_free(struct broker *b);

/* SIGTERM; the exit status must be 0 and no sanitizer may have complained. */
void broker_stop(struct broker *b);
/* SIGKILL: what a power cut leaves behind, as far as a process can show it. */
void broker_kill(struct broker *b);
/* After stop or kill, on the same ports and files; options NULL: as before. */
void broker_restart(struct broker *b, const struct broker_options *options);
/* SIGHUP; whatever the broker is sent afterwards it handles with its configuration read again.
 * options NULL: the same one. */
void broker_reload(struct broker *b, const struct broker_options *options);

/* 0 where there is no such listener. */
uint16_t broker_tls_port(const struct broker *b);
uint16_t broker_plain_port(const struct broker *b);
uint16_t broker_ws_port(const struct broker *b, enum broker_ws kind); /* the first of this kind */
pid_t broker_pid(const struct broker *b);

/* ---- the log: lines since mark, a position in the file --------------------------------------- */

size_t broker_log_mark(const struct broker *b);
/* Waits until a line since mark contains text. */
void broker_expect_log(struct broker *b, size_t mark, const char *text);
/* Whether one does now. */
bool broker_log_has(const struct broker *b, size_t mark, const char *text);
/* The log since mark, for a closer look; to be freed. */
char *broker_log(const struct broker *b, size_t mark);

#endif
