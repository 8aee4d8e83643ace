/* How libcurl and libuv meet.
 *
 * libcurl says through on_socket which sockets it waits for and through on_timer when it wants to
 * be called; both may happen inside any of its functions, so they only take notes, and settle()
 * acts on them afterwards. Ended transfers are collected and reported by on_idle alone.
 *
 * With kept connections, libcurl forgets a socket after each answer and asks for it again with the
 * next request. Doing the same to epoll would cost four system calls a request, so a socket that we
 * opened stays registered for reading until it is closed. Sockets that libcurl opens itself (its
 * resolver's) are not announced when they are closed, and are dropped when libcurl says so. */
#include "net/curl_loop.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "base/mem.h"
#include "net/egress.h"

enum {
    REPORT_BUDGET = 128, /* ended transfers reported in one turn of the loop */
    CONNECT_TIMEOUT_MS = 10000,
    CONNECTION_IDLE_S = 60,      /* an idle connection older than this is not used again */
    CONNECTION_LIFETIME_S = 600, /* so that a change in DNS is noticed */
};

struct sock {
    uv_poll_t poll;
    struct curl_loop *loop;
    curl_socket_t fd;
    int want;   /* CURL_POLL_… that libcurl asked for last */
    int armed;  /* UV_READABLE | UV_WRITABLE that the loop waits for */
    bool ours;  /* opened by on_open: lives until on_close */
    bool dirty; /* in `dirty` */
};

struct curl_loop {
    uv_loop_t *loop;
    CURLM *multi;
    uv_timer_t timer;
    uv_idle_t idle;       /* active: the next turn must not wait */
    struct sock **socks;  /* by file descriptor; NULL: not known */
    size_t sock_count;    /* length of socks */
    curl_socket_t *dirty; /* sockets whose `want` changed */
    size_t dirty_count, dirty_cap;
    struct curl_job *ended; /* to be reported, oldest first */
    long due_ms;            /* what on_timer was told last, -1: nothing */
    bool due_changed;
    bool kick;  /* libcurl wants to be called at once */
    bool check; /* libcurl may have messages */
    bool closing;
    unsigned open_handles;
    void (*closed)(void *arg);
    void *arg;
};

static void on_poll(uv_poll_t *poll, int status, int events);
static void on_idle(uv_idle_t *idle);

/* ---- sockets ---- */

static struct sock *find_sock(const struct curl_loop *l, curl_socket_t fd)
{
    return fd >= 0 && (size_t)fd < l->sock_count ? l->socks[fd] : NULL;
}

static struct sock *make_sock(struct curl_loop *l, curl_socket_t fd, bool ours)
{
    struct sock *s = mem_zalloc(sizeof *s);
    size_t need = (size_t)fd + 1;

    *s = (struct sock){.loop = l, .fd = fd, .ours = ours};
    if (uv_poll_init_socket(l->loop, &s->poll, fd) != 0) {
        free(s);
        return NULL;
    }
    l->open_handles++;
    if (need > l->sock_count) {
        need = need < 64 ? 64 : need * 2;
        l->socks = mem_array(l->socks, need, sizeof *l->socks);
        memset(l->socks + l->sock_count, 0, (need - l->sock_count) * sizeof *l->socks);
        l->sock_count = need;
    }
    l->socks[fd] = s;
    return s;
}

static void handle_closed(struct curl_loop *l)
{
    if (--l->open_handles > 0 || !l->closing)
        return;
    void (*closed)(void *arg) = l->closed;
    void *arg = l->arg;

    free(l->socks);
    free(l->dirty);
    free(l);
    curl_global_cleanup();
    closed(arg);
}

static void on_sock_closed(uv_handle_t *handle)
{
    struct sock *s = (struct sock *)handle;
    struct curl_loop *l = s->loop;

    free(s);
    handle_closed(l);
}

/* After this the descriptor may be closed and its number used again. */
static void drop_sock(struct sock *s)
{
    s->loop->socks[s->fd] = NULL;
    uv_poll_stop(&s->poll);
    uv_close((uv_handle_t *)&s->poll, on_sock_closed);
}

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct curl_job *job = arg;

    if (purpose != CURLSOCKTYPE_IPCXN ||
        !egress_address_allowed(&address->addr, (socklen_t)address->addrlen)) {
        job->refused = true;
        return CURL_SOCKET_BAD;
    }
    curl_socket_t fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    if (find_sock(job->loop, fd) != NULL) /* closed behind our back */
        drop_sock(find_sock(job->loop, fd));
    if (make_sock(job->loop, fd, true) == NULL) {
        close(fd);
        return CURL_SOCKET_BAD;
    }
    return fd;
}

static int on_close(void *arg, curl_socket_t fd)
{
    struct sock *s = find_sock(arg, fd);

    if (s != NULL)
        drop_sock(s);
    return close(fd);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
    struct curl_loop *l = arg;
    struct sock *s = find_sock(l, fd);

    (void)easy;
    (void)unused;
    if (what == CURL_POLL_REMOVE && (s == NULL || !s->ours)) {
        if (s != NULL)
            drop_sock(s);
        return 0;
    }
    if (s == NULL)
        s = make_sock(l, fd, false);
    if (s == NULL)
        return -1;
    s->want = what == CURL_POLL_REMOVE ? CURL_POLL_NONE : what;
    if (!s->dirty) {
        s->dirty = true;
        l->dirty = mem_grow(l->dirty, l->dirty_count, &l->dirty_cap, sizeof *l->dirty);
        l->dirty[l->dirty_count++] = fd;
    }
    return 0;
}

/* Makes epoll wait for what libcurl wants; an idle socket stays armed for reading. */
static void arm(struct sock *s)
{
    int events = 0;

    if (s->want == CURL_POLL_NONE)
        events = s->armed & UV_READABLE;
    if (s->want & CURL_POLL_IN)
        events |= UV_READABLE;
    if (s->want & CURL_POLL_OUT)
        events |= UV_WRITABLE;
    if (events == s->armed)
        return;
    s->armed = events;
    if (events == 0)
        uv_poll_stop(&s->poll);
    else
        uv_poll_start(&s->poll, events, on_poll);
}

/* ---- acting on the notes ---- */

static void on_timeout(uv_timer_t *timer)
{
    struct curl_loop *l = timer->data;

    l->kick = true;
    uv_idle_start(&l->idle, on_idle);
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct curl_loop *l = arg;

    (void)multi;
    if (timeout_ms == 0) {
        l->kick = true;
    } else {
        l->due_ms = timeout_ms;
        l->due_changed = true;
    }
    return 0;
}

static void settle(struct curl_loop *l)
{
    for (size_t i = 0; i < l->dirty_count; i++) {
        struct sock *s = find_sock(l, l->dirty[i]);

        if (s != NULL && s->dirty) {
            s->dirty = false;
            arm(s);
        }
    }
    l->dirty_count = 0;
    if (l->due_changed) {
        l->due_changed = false;
        if (l->due_ms > 0) /* a millisecond late, for the loop's clock may be stale */
            uv_timer_start(&l->timer, on_timeout, (uint64_t)l->due_ms + 1, 0);
        else
            uv_timer_stop(&l->timer);
    }
    if (l->kick || l->check || l->ended != NULL)
        uv_idle_start(&l->idle, on_idle);
    else
        uv_idle_stop(&l->idle);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct sock *s = (struct sock *)poll;
    struct curl_loop *l = s->loop;
    int flags = 0, running;

    if (s->want == CURL_POLL_NONE) {
        /* An idle connection: its peer closed it, or talks out of turn. libcurl looks before it
         * uses one again; until then there is nothing to wait for. */
        s->armed = 0;
        uv_poll_stop(&s->poll);
        return;
    }
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    if (status < 0)
        flags |= CURL_CSELECT_ERR;
    curl_multi_socket_action(l->multi, s->fd, flags, &running); /* may close s */
    l->check = true;
    settle(l);
}

static void collect(struct curl_loop *l)
{
    CURLMsg *message;
    int left;

    l->check = false;
    while ((message = curl_multi_info_read(l->multi, &left)) != NULL) {
        struct curl_job *job = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&job);
        job->code = message->data.result; /* message is gone after the next call */
        curl_multi_remove_handle(l->multi, job->easy);
        job->state = CURL_JOB_ENDED;
        DL_APPEND(l->ended, job);
    }
}

static void report(struct curl_loop *l)
{
    for (int i = 0; i < REPORT_BUDGET && l->ended != NULL; i++) {
        struct curl_job *job = l->ended;

        DL_DELETE(l->ended, job);
        job->state = CURL_JOB_IDLE;
        job->done(job, job->code);
        if (l->closing)
            return;
    }
}

static void on_idle(uv_idle_t *idle)
{
    struct curl_loop *l = idle->data;
    int running;

    if (l->check)
        collect(l);
    report(l);
    if (l->closing)
        return;
    if (l->kick) {
        l->kick = false;
        curl_multi_socket_action(l->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        l->check = true;
    }
    settle(l);
}

/* ---- jobs ---- */

static void set_basis(CURL *easy, struct curl_job *job)
{
    curl_easy_setopt(easy, CURLOPT_PRIVATE, job);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)CONNECTION_IDLE_S);
    curl_easy_setopt(easy, CURLOPT_MAXLIFETIME_CONN, (long)CONNECTION_LIFETIME_S);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, job);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, job->loop);
}

void curl_job_init(struct curl_job *job, struct curl_loop *loop,
                   void (*done)(struct curl_job *job, CURLcode code))
{
    *job = (struct curl_job){.easy = curl_easy_init(), .done = done, .loop = loop};
    assert(job->easy != NULL);
    set_basis(job->easy, job);
}

void curl_job_fini(struct curl_job *job)
{
    curl_job_remove(job);
    curl_easy_cleanup(job->easy);
    job->easy = NULL;
}

void curl_job_add(struct curl_job *job)
{
    struct curl_loop *l = job->loop;

    assert(job->state == CURL_JOB_IDLE && !l->closing);
    job->refused = false;
    CURLMcode code = curl_multi_add_handle(l->multi, job->easy); /* sets kick through on_timer */
    if (code == CURLM_OK) {
        job->state = CURL_JOB_ADDED;
        l->kick = true;
    } else {
        job->state = CURL_JOB_ENDED;
        job->code = CURLE_FAILED_INIT;
        DL_APPEND(l->ended, job);
    }
    uv_idle_start(&l->idle, on_idle);
}

void curl_job_remove(struct curl_job *job)
{
    struct curl_loop *l = job->loop;

    if (job->state == CURL_JOB_ADDED) {
        curl_multi_remove_handle(l->multi, job->easy); /* its message goes with it */
        settle(l);
    } else if (job->state == CURL_JOB_ENDED) {
        DL_DELETE(l->ended, job);
    }
    job->state = CURL_JOB_IDLE;
}

/* ---- the whole ---- */

enum errcode curl_loop_new(uv_loop_t *loop, long connections, struct curl_loop **out,
                           struct err *err)
{
    *out = NULL;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(err, ERR_INTERNAL, "libcurl cannot be initialised");
    CURLM *multi = curl_multi_init();
    if (multi == NULL) {
        curl_global_cleanup();
        return err_set(err, ERR_INTERNAL, "libcurl: no memory");
    }
    struct curl_loop *l = mem_zalloc(sizeof *l);
    *l = (struct curl_loop){.loop = loop, .multi = multi, .due_ms = -1, .open_handles = 2};
    uv_timer_init(loop, &l->timer);
    uv_idle_init(loop, &l->idle);
    l->timer.data = l;
    l->idle.data = l;
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, l);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, l);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, connections);
    curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    *out = l;
    return ERR_OK;
}

static void on_handle_closed(uv_handle_t *handle)
{
    handle_closed(handle->data);
}

void curl_loop_close(struct curl_loop *l, void (*closed)(void *arg), void *arg)
{
    assert(!l->closing && l->ended == NULL);
    l->closing = true;
    l->closed = closed;
    l->arg = arg;
    curl_multi_cleanup(l->multi); /* closes the kept connections through on_close */
    for (size_t fd = 0; fd < l->sock_count; fd++)
        if (l->socks[fd] != NULL)
            drop_sock(l->socks[fd]);
    uv_close((uv_handle_t *)&l->timer, on_handle_closed);
    uv_close((uv_handle_t *)&l->idle, on_handle_closed);
}
