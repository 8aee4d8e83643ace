#include "net/server.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/conn.h"
#include "net/exchange.h"
#include "net/listen.h"

enum {
    DOORS = 4,
    SWEEP_MIN_MS = 10,
    SWEEP_MAX_MS = 500,
    FAREWELL_MS = 1000, /* for the last answers at close */
    ADMIN_CONNECTIONS = 256,
    DEFAULT_CONNECTIONS = 1024,
    IDLE_S = 75 /* longer than ours in conn.h, which decides */
};

struct server {
    struct hub hub;
    struct door doors[DOORS];
    unsigned ports[DOORS];
    size_t count;
    char *socket_path; /* to be removed at the end */
    uv_timer_t sweep;
    uint64_t farewell_until;
    size_t open; /* handles and daemons to close */
    void (*closed)(void *arg);
    void *closed_arg;
};

static void on_sweep(uv_timer_t *timer);

static enum errcode add_door(struct server *s, int fd, enum door_kind kind, bool local,
                             bool loopback, struct err *err)
{
    const struct config *config = s->hub.config;
    unsigned most = config->connections_max > 0 ? config->connections_max : DEFAULT_CONNECTIONS;
    struct door *door = &s->doors[s->count];
    struct mhd_loop_config mc = {.fd = fd,
                                 .connections_max = kind == DOOR_INGRESS || most < ADMIN_CONNECTIONS
                                                        ? most
                                                        : ADMIN_CONNECTIONS,
                                 .idle_s = IDLE_S,
                                 .request = exchange_on_request,
                                 .completed = exchange_on_completed,
                                 .connection = conn_on_connection,
                                 .uri = conn_on_uri,
                                 .arg = door};

    *door = (struct door){.hub = &s->hub,
                          .kind = kind,
                          .guard = {.hosts = config->hosts,
                                    .host_count = config->host_count,
                                    .local = local,
                                    .any_literal = !loopback}};
    s->ports[s->count] = listen_port(fd);
    if (mhd_loop_new(s->hub.loop, &mc, &door->mhd, err) != ERR_OK)
        return ERR_INTERNAL;
    s->count++;
    return ERR_OK;
}

static enum errcode add_tcp(struct server *s, const char *address, const char *what,
                            enum door_kind kind, struct err *err)
{
    enum errcode code;
    bool loopback;
    int fd;

    if (address == NULL || address[0] == '\0')
        return ERR_OK;
    code = listen_tcp(address, what, s->hub.config->insecure, &fd, &loopback, err);
    if (code != ERR_OK)
        return code;
    code = add_door(s, fd, kind, false, loopback, err);
    if (code == ERR_OK)
        log_info("net", "%s listens on port %u%s", what, s->ports[s->count - 1],
                 loopback ? "" : ", without authentication, for other machines too");
    return code;
}

static enum errcode add_socket(struct server *s, struct err *err)
{
    char *path;
    enum errcode code;
    int fd;

    if (s->hub.config->data == NULL)
        return ERR_OK;
    path = mem_printf("%s/admin.sock", s->hub.config->data);
    code = listen_unix(path, &fd, err);
    if (code != ERR_OK) {
        free(path);
        return code;
    }
    s->socket_path = path;
    return add_door(s, fd, DOOR_ADMIN, true, true, err);
}

/* Often enough for the shortest deadline, seldom enough to cost nothing. */
static uint64_t sweep_interval(const struct config *config)
{
    int64_t least = SWEEP_MAX_MS * 4;

    if (config->header_deadline_ms > 0 && config->header_deadline_ms < least)
        least = config->header_deadline_ms;
    if (config->body_deadline_ms > 0 && config->body_deadline_ms < least)
        least = config->body_deadline_ms;
    least /= 4;
    return (uint64_t)(least < SWEEP_MIN_MS ? SWEEP_MIN_MS : least);
}

static void nothing(void *arg)
{
    (void)arg;
}

enum errcode server_new(uv_loop_t *loop, const struct config *config, const struct api *api,
                        struct server **out, struct err *err)
{
    struct server *s = mem_zalloc(sizeof *s);
    enum errcode code;

    s->hub = (struct hub){.loop = loop, .config = config, .api = api};
    uv_timer_init(loop, &s->sweep);
    s->sweep.data = s;
    if ((code = add_tcp(s, config->ingress, "ingress", DOOR_INGRESS, err)) != ERR_OK ||
        (code = add_tcp(s, config->admin, "admin", DOOR_ADMIN, err)) != ERR_OK ||
        (code = add_tcp(s, config->meta, "meta", DOOR_ADMIN, err)) != ERR_OK ||
        (code = add_socket(s, err)) != ERR_OK) {
        server_close(s, nothing, NULL);
        return code;
    }
    uv_timer_start(&s->sweep, on_sweep, sweep_interval(config), sweep_interval(config));
    *out = s;
    return ERR_OK;
}

unsigned server_port(const struct server *s, const char *what)
{
    const char *const names[] = {"ingress", "admin", "meta"};
    const char *const set[] = {s->hub.config->ingress, s->hub.config->admin, s->hub.config->meta};
    size_t door = 0;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        bool on = set[i] != NULL && set[i][0] != '\0';

        if (strcmp(names[i], what) == 0)
            return on ? s->ports[door] : 0;
        door += on;
    }
    return 0;
}

void server_drain(struct server *s)
{
    s->hub.draining = true;
}

/* ---- the end: answer, wait for the answers to leave, close ---- */

static void closed_one(struct server *s)
{
    void (*closed)(void *arg) = s->closed;
    void *arg = s->closed_arg;

    if (--s->open > 0)
        return;
    exchange_hub_fini(&s->hub);
    free(s->socket_path);
    free(s);
    closed(arg);
}

static void on_timer_closed(uv_handle_t *handle)
{
    closed_one(handle->data);
}

static void on_daemon_closed(void *arg)
{
    closed_one(arg);
}

static void close_all(struct server *s)
{
    s->open = 1 + s->count;
    uv_close((uv_handle_t *)&s->sweep, on_timer_closed);
    for (size_t i = 0; i < s->count; i++)
        mhd_loop_close(s->doors[i].mhd, on_daemon_closed, s);
}

static void on_sweep(uv_timer_t *timer)
{
    struct server *s = timer->data;

    conn_sweep(&s->hub);
    if (!s->hub.closing)
        return;
    exchange_abandon(&s->hub); /* what was still being received a moment ago */
    if (s->hub.active == 0 || uv_now(s->hub.loop) >= s->farewell_until)
        close_all(s);
}

void server_close(struct server *s, void (*closed)(void *arg), void *arg)
{
    s->closed = closed;
    s->closed_arg = arg;
    s->hub.draining = s->hub.closing = true;
    if (s->socket_path != NULL)
        unlink(s->socket_path);
    for (size_t i = 0; i < s->count; i++)
        mhd_loop_quiesce(s->doors[i].mhd);
    exchange_abandon(&s->hub);
    if (s->hub.active == 0) {
        close_all(s);
        return;
    }
    s->farewell_until = uv_now(s->hub.loop) + FAREWELL_MS;
    uv_timer_start(&s->sweep, on_sweep, SWEEP_MIN_MS, SWEEP_MIN_MS);
}
