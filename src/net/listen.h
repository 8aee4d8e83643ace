/* Listening sockets. */
#ifndef NET_LISTEN_H
#define NET_LISTEN_H

#include <stdbool.h>

#include "base/err.h"

/* "127.0.0.1:8080", "[::1]:8080", "localhost:8080"; ":8080" is loopback. `*loopback` tells whether
 * only this machine reaches it: unless `insecure`, anything else is ERR_CONFIG. ERR_UNAVAILABLE:
 * the address is taken. `*fd` is the caller's. `what` names it in messages ("ingress"). */
enum errcode listen_tcp(const char *address, const char *what, bool insecure, int *fd,
                        bool *loopback, struct err *err);

/* A socket of mode 0600. A file left behind by a dead server is replaced, one that somebody answers
 * on is ERR_UNAVAILABLE. */
enum errcode listen_unix(const char *path, int *fd, struct err *err);

unsigned listen_port(int fd); /* of a TCP socket, in host order; 0: none */

#endif
