#include "net/conn.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "base/mem.h"
#include "net/exchange.h"

#define TIMEOUT_BODY                                                                               \
    "{\"error\":{\"code\":\"timeout\",\"message\":\"the request was not complete in time; send "   \
    "it "                                                                                          \
    "again, faster\",\"source\":\"server\"}}\n"
static const char timeout_answer[] =
    "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Type: application/json\r\n"
    "Content-Length: 119\r\n\r\n" TIMEOUT_BODY;
_Static_assert(sizeof TIMEOUT_BODY - 1 == 119, "the Content-Length above");

/* The user at the other end of a unix socket; -1 elsewhere. */
static int64_t peer_uid(int fd)
{
    struct ucred cred;
    socklen_t len = sizeof cred;
    struct sockaddr_storage address;
    socklen_t address_len = sizeof address;

    if (getsockname(fd, (struct sockaddr *)&address, &address_len) != 0 ||
        address.ss_family != AF_UNIX)
        return -1;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
        return INT64_MAX; /* nobody's: refused below */
    return cred.uid;
}

static void conn_open(const struct door *door, struct MHD_Connection *connection, void **state)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct conn *c = mem_zalloc(sizeof *c);

    c->hub = door->hub;
    c->fd = info->connect_fd;
    c->uid = door->guard.local ? peer_uid(c->fd) : -1;
    c->refused = door->guard.local && c->uid != (int64_t)geteuid();
    conn_enter(c, CONN_HEADER);
    DL_APPEND(c->hub->conns, c);
    *state = c;
    if (c->refused)
        conn_cut(c);
}

void conn_on_connection(void *arg, struct MHD_Connection *connection, void **state,
                        enum MHD_ConnectionNotificationCode code)
{
    struct conn *c = *state;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        conn_open(arg, connection, state);
    } else if (c != NULL) {
        DL_DELETE(c->hub->conns, c);
        free(c);
        *state = NULL;
    }
}

/* The request line is complete: from now on the header has its own deadline, however long the
 * connection was idle before. */
void *conn_on_uri(void *arg, const char *uri, struct MHD_Connection *connection)
{
    struct conn *c = conn_of(connection);

    (void)arg;
    (void)uri;
    if (c != NULL && c->phase == CONN_IDLE)
        conn_enter(c, CONN_HEADER);
    return NULL;
}

struct conn *conn_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

void conn_enter(struct conn *c, enum conn_phase phase)
{
    const struct config *config = c->hub->config;
    int64_t limit = 0;

    if (phase == CONN_HEADER)
        limit = config->header_deadline_ms;
    else if (phase == CONN_BODY || phase == CONN_REPLY)
        limit = config->body_deadline_ms;
    else if (phase == CONN_IDLE)
        limit = CONN_IDLE_MS;
    c->phase = phase;
    c->waited = false;
    c->deadline = limit > 0 ? uv_now(c->hub->loop) + (uint64_t)limit : 0;
}

void conn_cut(struct conn *c)
{
    shutdown(c->fd, SHUT_RDWR); /* libmicrohttpd sees the end and closes it in its own time */
}

/* Nothing of an answer is on the wire while a request is being received, so this one cannot be
 * mixed with another. */
static void expire(struct conn *c)
{
    if (c->phase == CONN_HEADER || c->phase == CONN_BODY)
        (void)!send(c->fd, timeout_answer, sizeof timeout_answer - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    c->deadline = 0;
    conn_cut(c);
}

/* libmicrohttpd does not look at suspended connections. One poll() asks for all of them that have
 * slept through a whole sweep, so that short waits cost nothing. */
static void find_gone(struct pollfd *fds, struct conn **who, nfds_t count)
{
    if (count == 0 || poll(fds, count, 0) <= 0)
        return;
    for (nfds_t i = 0; i < count; i++)
        if ((fds[i].revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0 && who[i]->ex != NULL &&
            who[i]->ex->suspended)
            exchange_gone(who[i]->ex);
}

void conn_sweep(struct hub *hub)
{
    uint64_t now = uv_now(hub->loop);
    struct pollfd *fds = NULL;
    struct conn **who = NULL, *c, *next;
    size_t count = 0, cap = 0, who_cap = 0;

    DL_FOREACH_SAFE(hub->conns, c, next)
    {
        if (c->deadline != 0 && now >= c->deadline) {
            expire(c);
            continue;
        }
        if (c->ex == NULL || !c->ex->suspended)
            continue;
        if (c->waited) {
            fds = mem_grow(fds, count, &cap, sizeof *fds);
            who = mem_grow(who, count, &who_cap, sizeof(struct conn *));
            fds[count] = (struct pollfd){.fd = c->fd, .events = POLLRDHUP};
            who[count++] = c;
        }
        c->waited = true;
        if (c->ex->wait_until != 0 && now >= c->ex->wait_until)
            exchange_expire(c->ex);
        if (c->ex->feed != NULL)
            feed_tick(c->ex->feed, now);
    }
    find_gone(fds, who, count);
    free(fds);
    free(who);
}
