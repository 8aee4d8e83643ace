/* A server for test_caller.c that does by path what agents do at their worst, on the test's own
 * loop. It reads one request at a time (headers and Content-Length), remembers it, and answers by
 * the row of its table. */
#ifndef TESTS_UNIT_HOSTILE_SERVER_H
#define TESTS_UNIT_HOSTILE_SERVER_H

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/buf.h"
#include "base/mem.h"

struct hostile;

struct hostile_peer { /* one connection */
    uv_tcp_t tcp;
    uv_timer_t drip;
    struct hostile *server;
    struct buf in;
    int open; /* handles */
    struct hostile_peer *next;
};

typedef void hostile_act(struct hostile_peer *p, const char *request);

struct hostile_row {
    const char *path; /* the request's path begins with it */
    hostile_act *act;
};

struct hostile {
    uv_tcp_t listener;
    int port;
    const struct hostile_row *rows; /* ends with a NULL path, whose act is the default */
    struct hostile_peer *peers;
    unsigned connections, requests;
    char last[8192]; /* the newest request, as it came */
};

static inline void hostile_written(uv_write_t *w, int status)
{
    (void)status;
    free(w->data);
    free(w);
}

/* Takes over `data`. */
static inline void hostile_write_taken(struct hostile_peer *p, char *data, size_t len)
{
    uv_write_t *w = mem_zalloc(sizeof *w);
    uv_buf_t b = uv_buf_init(data, (unsigned)len);

    w->data = data;
    if (uv_is_closing((uv_handle_t *)&p->tcp) ||
        uv_write(w, (uv_stream_t *)&p->tcp, &b, 1, hostile_written) != 0) {
        free(data);
        free(w);
    }
}

static inline void hostile_write(struct hostile_peer *p, const void *data, size_t len)
{
    char *copy = mem_zalloc(len + 1);

    memcpy(copy, data, len);
    hostile_write_taken(p, copy, len);
}

static inline void hostile_say(struct hostile_peer *p, const char *text)
{
    hostile_write(p, text, strlen(text));
}

/* A whole answer with its length. */
static inline void hostile_answer(struct hostile_peer *p, const char *status, const char *headers,
                                  const void *body, size_t len)
{
    char head[1024];

    snprintf(head, sizeof head, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n", status, headers,
             len);
    hostile_say(p, head);
    if (len > 0)
        hostile_write(p, body, len);
}

static inline void hostile_part_closed(uv_handle_t *h)
{
    struct hostile_peer *p = h->data;
    struct hostile_peer **at = &p->server->peers;

    if (--p->open > 0)
        return;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    buf_fini(&p->in);
    free(p);
}

static inline void hostile_hang_up(struct hostile_peer *p)
{
    if (uv_is_closing((uv_handle_t *)&p->tcp))
        return;
    uv_close((uv_handle_t *)&p->tcp, hostile_part_closed);
    uv_close((uv_handle_t *)&p->drip, hostile_part_closed);
}

static inline void hostile_shut(uv_shutdown_t *s, int status)
{
    (void)status;
    hostile_hang_up(s->data);
    free(s);
}

/* Hangs up when everything written has left. */
static inline void hostile_finish(struct hostile_peer *p)
{
    uv_shutdown_t *s = mem_zalloc(sizeof *s);

    s->data = p;
    if (uv_shutdown(s, (uv_stream_t *)&p->tcp, hostile_shut) != 0)
        free(s);
}

static inline size_t hostile_request_len(const struct buf *in)
{
    const char *end = in->data != NULL ? strstr(in->data, "\r\n\r\n") : NULL;
    const char *length = in->data != NULL ? strcasestr(in->data, "content-length:") : NULL;

    if (end == NULL)
        return 0;
    size_t whole = (size_t)(end - in->data) + 4;
    if (length != NULL && length < end)
        whole += strtoul(length + 15, NULL, 10);
    return in->len >= whole ? whole : 0;
}

static inline void hostile_serve(struct hostile_peer *p)
{
    size_t len = hostile_request_len(&p->in);
    const struct hostile_row *row = p->server->rows;

    if (len == 0)
        return;
    size_t keep = len < sizeof p->server->last ? len : sizeof p->server->last - 1;
    memcpy(p->server->last, p->in.data, keep);
    p->server->last[keep] = '\0';
    p->server->requests++;
    buf_clear(&p->in); /* clients do not pipeline */
    const char *path = strchr(p->server->last, ' ');
    assert(path != NULL);
    path++;
    while (row->path != NULL && strncmp(path, row->path, strlen(row->path)) != 0)
        row++;
    row->act(p, p->server->last);
}

static inline void hostile_alloc(uv_handle_t *h, size_t want, uv_buf_t *b)
{
    (void)h;
    (void)want;
    *b = uv_buf_init(mem_zalloc(65536), 65536);
}

static inline void hostile_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    struct hostile_peer *p = s->data;

    if (n > 0)
        buf_add(&p->in, b->base, (size_t)n);
    free(b->base);
    if (n < 0)
        hostile_hang_up(p);
    else
        hostile_serve(p);
}

static inline void hostile_accept(uv_stream_t *listener, int status)
{
    struct hostile *h = listener->data;
    struct hostile_peer *p = mem_zalloc(sizeof *p);

    assert(status == 0);
    h->connections++;
    p->server = h;
    p->open = 2;
    p->next = h->peers;
    h->peers = p;
    buf_init(&p->in, 1 << 20);
    uv_tcp_init(listener->loop, &p->tcp);
    uv_timer_init(listener->loop, &p->drip);
    p->tcp.data = p->drip.data = p;
    assert(uv_accept(listener, (uv_stream_t *)&p->tcp) == 0);
    uv_read_start((uv_stream_t *)&p->tcp, hostile_alloc, hostile_read);
}

static inline void hostile_open(struct hostile *h, uv_loop_t *loop, const struct hostile_row *rows)
{
    struct sockaddr_in a;
    int len = sizeof a;

    *h = (struct hostile){.rows = rows};
    uv_ip4_addr("127.0.0.1", 0, &a);
    uv_tcp_init(loop, &h->listener);
    h->listener.data = h;
    assert(uv_tcp_bind(&h->listener, (struct sockaddr *)&a, 0) == 0);
    assert(uv_listen((uv_stream_t *)&h->listener, 128, hostile_accept) == 0);
    uv_tcp_getsockname(&h->listener, (struct sockaddr *)&a, &len);
    h->port = ntohs(a.sin_port);
}

static inline void hostile_close(struct hostile *h)
{
    if (!uv_is_closing((uv_handle_t *)&h->listener))
        uv_close((uv_handle_t *)&h->listener, NULL);
    for (struct hostile_peer *p = h->peers; p != NULL; p = p->next)
        hostile_hang_up(p);
}

#endif
