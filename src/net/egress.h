/* Where calls may go. Two checks: by name, before a call leaves (registered agents always, other
 * URLs where the configuration allows them), and by address, at the socket, after DNS has answered:
 * link-local and cloud metadata addresses are never reached, whoever asks, however they are spelled
 * or resolved, after any redirect. Pure; any thread. */
#ifndef NET_EGRESS_H
#define NET_EGRESS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/config.h"

/* May a document call this host and port, which are no agent's? `host` as curl's URL parser gives
 * it: "api.example.com", "127.0.0.1", "[::1]". Patterns: "HOST", "HOST:PORT", "*.DOMAIN" (any
 * depth below, not DOMAIN itself), "*.DOMAIN:PORT". Case and a final dot do not matter. */
bool egress_host_allowed(const struct config *config, const char *host, unsigned port);

/* May a socket be connected to this address? False for anything but IPv4 and IPv6, and for
 * link-local, metadata, unspecified, multicast and broadcast addresses, also inside IPv6
 * (mapped, compatible, NAT64, 6to4). */
bool egress_address_allowed(const struct sockaddr *address, socklen_t len);

#endif
