#include "net/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 512 };

/* Splits "host:port", "[v6]:port", ":port". */
static bool split(const char *address, char *host, size_t size, const char **port)
{
    const char *colon = strrchr(address, ':');
    size_t len;

    if (colon == NULL || colon[1] == '\0' || strspn(colon + 1, "0123456789") != strlen(colon + 1))
        return false;
    *port = colon + 1;
    len = (size_t)(colon - address);
    if (len >= 2 && address[0] == '[' && address[len - 1] == ']') {
        address++;
        len -= 2;
    }
    if (len == 0) {
        address = "127.0.0.1";
        len = strlen(address);
    }
    if (len >= size)
        return false;
    memcpy(host, address, len);
    host[len] = '\0';
    return true;
}

static bool is_loopback(const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in v4;

        memcpy(&v4, sa, sizeof v4);
        return (ntohl(v4.sin_addr.s_addr) >> 24) == 127;
    }
    if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;

        memcpy(&v6, sa, sizeof v6);
        return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
    }
    return false;
}

static enum errcode bind_and_listen(int fd, const struct sockaddr *sa, socklen_t len,
                                    const char *what, const char *address, struct err *err)
{
    if (bind(fd, sa, len) == 0 && listen(fd, BACKLOG) == 0)
        return ERR_OK;
    if (errno == EADDRINUSE)
        return err_set(err, ERR_UNAVAILABLE,
                       "%s: the address %s is taken by another program; stop it or choose another "
                       "address in [server]",
                       what, address);
    return err_set(err, ERR_UNAVAILABLE, "%s: cannot listen on %s: %s", what, address,
                   strerror(errno));
}

enum errcode listen_tcp(const char *address, const char *what, bool insecure, int *fd,
                        bool *loopback, struct err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
    enum errcode code;
    char host[256];
    const char *port;
    int on = 1, rc;

    *fd = -1;
    if (!split(address, host, sizeof host, &port))
        return err_set(err, ERR_CONFIG, "%s: \"%.100s\" is no address; write 127.0.0.1:8080", what,
                       address);
    rc = getaddrinfo(host, port, &hints, &found);
    if (rc != 0)
        return err_set(err, ERR_CONFIG, "%s: \"%.100s\": %s", what, address, gai_strerror(rc));
    *loopback = is_loopback(found->ai_addr);
    if (!*loopback && !insecure) {
        code = err_set(err, ERR_CONFIG,
                       "%s: %.100s is reachable from other machines, and there is no "
                       "authentication; listen on 127.0.0.1 and use an SSH tunnel, or set "
                       "server.insecure = true",
                       what, address);
        goto out;
    }
    *fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0) {
        code = err_set(err, ERR_UNAVAILABLE, "%s: no socket: %s", what, strerror(errno));
        goto out;
    }
    setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (found->ai_family == AF_INET6)
        setsockopt(*fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    code = bind_and_listen(*fd, found->ai_addr, found->ai_addrlen, what, address, err);
out:
    freeaddrinfo(found);
    if (code != ERR_OK && *fd >= 0) {
        close(*fd);
        *fd = -1;
    }
    return code;
}

/* Removes a socket file that nobody answers on. */
static enum errcode clear_stale(const struct sockaddr_un *sun, struct err *err)
{
    struct stat st;
    int fd, rc, why;

    if (lstat(sun->sun_path, &st) != 0)
        return ERR_OK;
    if (!S_ISSOCK(st.st_mode))
        return err_set(err, ERR_CONFIG, "%s is in the way: it is no socket; move it",
                       sun->sun_path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set(err, ERR_UNAVAILABLE, "no socket: %s", strerror(errno));
    rc = connect(fd, (const struct sockaddr *)sun, sizeof *sun);
    why = errno;
    close(fd);
    if (rc != 0 && why == ECONNREFUSED && unlink(sun->sun_path) == 0)
        return ERR_OK;
    return err_set(err, ERR_UNAVAILABLE, "another server answers on %s; stop it first",
                   sun->sun_path);
}

enum errcode listen_unix(const char *path, int *fd, struct err *err)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    enum errcode code;
    mode_t old;

    *fd = -1;
    if (strlen(path) >= sizeof sun.sun_path)
        return err_set(err, ERR_CONFIG,
                       "the socket's path %.200s is longer than %zu bytes; use a shorter data "
                       "directory",
                       path, sizeof sun.sun_path - 1);
    memcpy(sun.sun_path, path, strlen(path) + 1);
    code = clear_stale(&sun, err);
    if (code != ERR_OK)
        return code;
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0)
        return err_set(err, ERR_UNAVAILABLE, "no socket: %s", strerror(errno));
    old = umask(0177); /* the file never has another mode than 0600, not even for a moment */
    code =
        bind_and_listen(*fd, (const struct sockaddr *)&sun, sizeof sun, "admin socket", path, err);
    umask(old);
    if (code != ERR_OK) {
        close(*fd);
        *fd = -1;
    }
    return code;
}

unsigned listen_port(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;

    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return 0;
    if (address.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)&address)->sin_port);
    if (address.ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)&address)->sin6_port);
    return 0;
}
