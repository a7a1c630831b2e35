/* control_address.h - a path as the address of a Unix socket, which holds 107 characters only. */
#ifndef POSIX_CONTROL_ADDRESS_H
#define POSIX_CONTROL_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

/*
 * A longer path goes through its directory: *dir_fd is then open and to be closed once the address
 * was used, and -1 otherwise. False: errno says why.
 */
bool control_address(const char *path, struct sockaddr_un *out, int *dir_fd);

#endif
