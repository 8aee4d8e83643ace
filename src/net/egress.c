#include "net/egress.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- by name ---- */

/* Length of the host in "HOST:PORT"; `*port` is 0 where there is none. "[::1]:80" keeps its
 * brackets; a bare "::1" is all host. */
static size_t split_port(const char *pattern, unsigned long *port)
{
    const char *colon = strrchr(pattern, ':');

    *port = 0;
    if (colon == NULL || colon == pattern)
        return strlen(pattern);
    if (colon[-1] != ']' && memchr(pattern, ':', (size_t)(colon - pattern)) != NULL)
        return strlen(pattern);
    if (colon[1] == '\0' || strspn(colon + 1, "0123456789") != strlen(colon + 1))
        return strlen(pattern);
    *port = strtoul(colon + 1, NULL, 10);
    return (size_t)(colon - pattern);
}

static size_t without_dot(const char *host, size_t len)
{
    return len > 1 && host[len - 1] == '.' ? len - 1 : len;
}

static bool host_matches(const char *pattern, size_t plen, const char *host, size_t hlen)
{
    if (plen > 2 && pattern[0] == '*' && pattern[1] == '.') {
        size_t tail = plen - 1; /* ".example.com" */

        return hlen > tail && strncasecmp(host + hlen - tail, pattern + 1, tail) == 0;
    }
    return plen == hlen && strncasecmp(host, pattern, hlen) == 0;
}

bool egress_host_allowed(const struct config *config, const char *host, unsigned port)
{
    size_t hlen = without_dot(host, strlen(host));

    if (config->egress_any)
        return true;
    for (size_t i = 0; i < config->egress_count; i++) {
        const char *pattern = config->egress_allow[i];
        unsigned long want = 0;
        size_t plen = without_dot(pattern, split_port(pattern, &want));

        if ((want == 0 || want == port) && host_matches(pattern, plen, host, hlen))
            return true;
    }
    return false;
}

/* ---- by address ---- */

struct range4 {
    uint32_t net; /* host byte order */
    unsigned bits;
};

static const struct range4 never4[] = {
    {0x00000000, 8},  /* 0.0.0.0/8: "this host"; Linux takes it for loopback */
    {0xa9fe0000, 16}, /* 169.254.0.0/16: link-local, and the metadata service of most clouds */
    {0x646464c8, 32}, /* 100.100.100.200: Alibaba's metadata */
    {0xa83f8110, 32}, /* 168.63.129.16: Azure's wire server */
    {0xc00000c0, 32}, /* 192.0.0.192: Oracle's metadata */
    {0xe0000000, 4},  /* multicast */
    {0xf0000000, 4},  /* reserved, broadcast */
};

struct range6 {
    uint8_t net[16];
    unsigned bits;
};

static const struct range6 never6[] = {
    {{0}, 128},                                                /* :: */
    {{0xfe, 0x80}, 10},                                        /* link-local */
    {{0xfe, 0xc0}, 10},                                        /* site-local, deprecated */
    {{0xff}, 8},                                               /* multicast */
    {{0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54}, 128}, /* fd00:ec2::254, AWS */
    {{0xfd, 0x20, 0x00, 0xce, [14] = 0x02, [15] = 0x54}, 128}, /* fd20:ce::254, Google */
};

/* IPv6 ranges that carry an IPv4 address at byte `at`, which is then what is reached. */
static const struct {
    uint8_t net[16];
    unsigned bits;
    size_t at;
} embeds[] = {
    {{[10] = 0xff, [11] = 0xff}, 96, 12}, /* ::ffff:a.b.c.d */
    {{0x00, 0x64, 0xff, 0x9b}, 96, 12},   /* 64:ff9b::a.b.c.d, NAT64 */
    {{0x20, 0x02}, 16, 2},                /* 2002:abcd::, 6to4 */
};

static bool allowed4(uint32_t ip)
{
    for (size_t i = 0; i < sizeof never4 / sizeof never4[0]; i++)
        if ((ip ^ never4[i].net) >> (32 - never4[i].bits) == 0)
            return false;
    return true;
}

static bool inside6(const uint8_t *ip, const uint8_t *net, unsigned bits)
{
    unsigned rest = bits % 8;

    if (memcmp(ip, net, bits / 8) != 0)
        return false;
    return rest == 0 || (ip[bits / 8] ^ net[bits / 8]) >> (8 - rest) == 0;
}

static uint32_t read4(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool allowed6(const uint8_t *ip)
{
    static const uint8_t zero[16], loopback[16] = {[15] = 1};

    if (memcmp(ip, loopback, 16) == 0)
        return true;
    for (size_t i = 0; i < sizeof never6 / sizeof never6[0]; i++)
        if (inside6(ip, never6[i].net, never6[i].bits))
            return false;
    for (size_t i = 0; i < sizeof embeds / sizeof embeds[0]; i++)
        if (inside6(ip, embeds[i].net, embeds[i].bits))
            return allowed4(read4(ip + embeds[i].at));
    if (inside6(ip, zero, 96)) /* ::a.b.c.d, "compatible" */
        return allowed4(read4(ip + 12));
    return true;
}

bool egress_address_allowed(const struct sockaddr *address, socklen_t len)
{
    if (address->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in v4;

        memcpy(&v4, address, sizeof v4);
        return allowed4(ntohl(v4.sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 v6;

        memcpy(&v6, address, sizeof v6);
        return allowed6(v6.sin6_addr.s6_addr);
    }
    return false;
}
