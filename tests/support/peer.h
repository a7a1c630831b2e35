/*
 * peer.h - a second process of the same program, for what processes owe each other. It runs one
 * function on a directory, with a pipe each way, and ends by _exit: 0 when all went well. A peer
 * whose test has gone sees its pipe close and ends.
 */
#ifndef TEST_PEER_H
#define TEST_PEER_H

#include <stdbool.h>
#include <sys/types.h>

struct peer {
    pid_t pid;
    int to, from;
};

/* in the test: they fail it (cmocka) */
struct peer peer_start(void (*run)(const char *dir, int in, int out), const char *dir);
void peer_go(const struct peer *p);   /* lets it go on from peer_await */
void peer_told(const struct peer *p); /* waits for its peer_tell */
void peer_ended(struct peer *p);      /* waits for its end and sees that all went well */
void peer_killed(struct peer *p);     /* SIGKILL, now */

/* in the peer: they end it */
void peer_must(bool ok);
void peer_tell(int out);
void peer_await(int in);

#endif
