/* Three traps, each found by losing requests to it:
 *  1. MHD_resume_connection does not make the epoll descriptor readable, and MHD_get_timeout says
 *     "no timeout" right after it: hence mhd_loop_kick.
 *  2. One MHD_run is not always enough: while MHD_get_timeout answers 0 there is more to do now
 *     (pipelined requests, bodies of more than one read).
 *  3. The check phase comes after the poll phase, which blocks: a kick from a timer would sleep
 *     until the next packet. An active idle handle keeps the poll from blocking. */
#include "net/mhd_loop.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

enum {
    RUNS_MAX = 32, /* in one turn of the loop; then the others have theirs */
    MEMORY_LIMIT =
        32 * 1024, /* a connection's headers and read buffer; more is answered with 431 */
    BACKLOG = 512
};

struct mhd_loop {
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    uv_timer_t timer;
    uv_check_t check;
    uv_idle_t idle;
    bool dirty;   /* the daemon has to run before the loop sleeps */
    bool running; /* inside MHD_run */
    unsigned handles;
    void (*closed)(void *arg);
    void *closed_arg;
};

static void on_timer(uv_timer_t *timer);

static void on_idle(uv_idle_t *idle)
{
    (void)idle; /* its being active is all that counts */
}

static void run(struct mhd_loop *m)
{
    MHD_UNSIGNED_LONG_LONG timeout = 0;
    bool more = true, timed = false;

    m->running = true;
    for (int i = 0; i < RUNS_MAX && more; i++) {
        m->dirty = false;
        MHD_run(m->daemon);
        timed = MHD_get_timeout(m->daemon, &timeout) == MHD_YES;
        more = m->dirty || (timed && timeout == 0);
    }
    m->running = false;
    m->dirty = more;
    if (more)
        uv_idle_start(&m->idle, on_idle);
    else
        uv_idle_stop(&m->idle);
    if (timed && !more)
        uv_timer_start(&m->timer, on_timer, timeout, 0);
    else
        uv_timer_stop(&m->timer);
}

static void on_timer(uv_timer_t *timer)
{
    run(timer->data);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    run(poll->data);
}

static void on_check(uv_check_t *check)
{
    struct mhd_loop *m = check->data;

    if (m->dirty)
        run(m);
}

void mhd_loop_kick(struct mhd_loop *m)
{
    if (m->dirty)
        return;
    m->dirty = true;
    if (!m->running)
        uv_idle_start(&m->idle, on_idle);
}

/* Path segments and query values are decoded by those who know where they end: a %2F decoded here
 * would cut an id in two. */
static size_t keep_escaped(void *arg, struct MHD_Connection *connection, char *text)
{
    (void)arg;
    (void)connection;
    return strlen(text);
}

static void start_handles(struct mhd_loop *m, uv_loop_t *loop, int epoll_fd)
{
    uv_poll_init(loop, &m->poll, epoll_fd);
    uv_timer_init(loop, &m->timer);
    uv_check_init(loop, &m->check);
    uv_idle_init(loop, &m->idle);
    m->poll.data = m->timer.data = m->check.data = m->idle.data = m;
    m->handles = 4;
    uv_poll_start(&m->poll, UV_READABLE, on_poll);
    uv_check_start(&m->check, on_check);
    mhd_loop_kick(m);
}

enum errcode mhd_loop_new(uv_loop_t *loop, const struct mhd_loop_config *config,
                          struct mhd_loop **out, struct err *err)
{
    const union MHD_DaemonInfo *info;
    struct mhd_loop *m = mem_zalloc(sizeof *m);

    m->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, config->request, config->arg,
        MHD_OPTION_LISTEN_SOCKET, (MHD_socket)config->fd, MHD_OPTION_CONNECTION_LIMIT,
        config->connections_max, MHD_OPTION_CONNECTION_TIMEOUT, config->idle_s,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_LIMIT, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_LISTEN_BACKLOG_SIZE, (unsigned)BACKLOG, MHD_OPTION_NOTIFY_COMPLETED,
        config->completed, config->arg, MHD_OPTION_NOTIFY_CONNECTION, config->connection,
        config->arg, MHD_OPTION_URI_LOG_CALLBACK, config->uri, config->arg,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escaped, NULL, MHD_OPTION_END);
    if (m->daemon == NULL) {
        free(m);
        return err_set(err, ERR_INTERNAL, "the HTTP listener cannot start (out of descriptors?)");
    }
    info = MHD_get_daemon_info(m->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    start_handles(m, loop, info->epoll_fd);
    *out = m;
    return ERR_OK;
}

void mhd_loop_quiesce(struct mhd_loop *m)
{
    MHD_socket fd = MHD_quiesce_daemon(m->daemon);

    if (fd != MHD_INVALID_SOCKET)
        close(fd);
}

static void on_closed(uv_handle_t *handle)
{
    struct mhd_loop *m = handle->data;

    if (--m->handles > 0)
        return;
    m->closed(m->closed_arg);
    free(m);
}

void mhd_loop_close(struct mhd_loop *m, void (*closed)(void *arg), void *arg)
{
    m->closed = closed;
    m->closed_arg = arg;
    uv_poll_stop(&m->poll); /* before the descriptor goes away */
    m->running = true;      /* what stopping completes may still kick */
    MHD_stop_daemon(m->daemon);
    uv_close((uv_handle_t *)&m->poll, on_closed);
    uv_close((uv_handle_t *)&m->timer, on_closed);
    uv_close((uv_handle_t *)&m->check, on_closed);
    uv_close((uv_handle_t *)&m->idle, on_closed);
}
