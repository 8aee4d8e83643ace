/* GET /events: what happens in the engine as server-sent events. A client that does not read is
 * dropped when its buffer is full: it has to come back and read the state anew, which is cheaper
 * for everyone than remembering for it. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "net/conn.h"
#include "net/exchange.h"

enum { BUFFER_MAX = 256 * 1024, BLOCK = 16 * 1024, HEARTBEAT_MS = 15 * 1000 };

struct feed {
    struct exchange *ex;
    uint64_t ticket; /* of the subscription */
    struct buf out;
    size_t sent;    /* bytes of `out` that are on their way */
    uint64_t count; /* events so far: their ids */
    uint64_t beat;  /* uv_now ms of the last heartbeat */
    bool ended;     /* the connection closes after what is in `out` */
    struct err err; /* why subscribing failed */
};

static ssize_t read_feed(void *arg, uint64_t pos, char *to, size_t max)
{
    struct feed *f = arg;
    size_t len = f->out.len - f->sent;

    (void)pos;
    if (f->ex->gone)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (len == 0) {
        if (f->ended)
            return MHD_CONTENT_READER_END_OF_STREAM;
        exchange_sleep(f->ex);
        return 0;
    }
    if (len > max)
        len = max;
    memcpy(to, f->out.data + f->sent, len);
    f->sent += len;
    if (f->sent == f->out.len) {
        buf_clear(&f->out);
        f->sent = 0;
    }
    return (ssize_t)len;
}

/* Moves what is not sent yet to the front, now and then. */
static void compact(struct feed *f)
{
    if (f->sent < BUFFER_MAX / 4)
        return;
    memmove(f->out.data, f->out.data + f->sent, f->out.len - f->sent);
    f->out.len -= f->sent;
    f->sent = 0;
}

static void push(struct feed *f)
{
    if (f->out.full)
        exchange_cut(f->ex);
    else
        exchange_wake(f->ex);
}

static void on_event(void *arg, const struct err *err, json_t *event)
{
    struct feed *f = arg;

    if (err != NULL) {
        f->err = *err;
        feed_end(f);
        return;
    }
    if (f->ended || f->ex->gone)
        return;
    compact(f);
    buf_printf(&f->out, "id: %llu\nevent: %s\ndata: ", (unsigned long long)++f->count,
               json_str(event, "type", "message"));
    json_write(&f->out, event);
    buf_str(&f->out, "\n\n");
    push(f);
}

void feed_tick(struct feed *f, uint64_t now)
{
    if (now - f->beat < HEARTBEAT_MS || f->ended)
        return;
    f->beat = now;
    buf_str(&f->out, ":\n\n");
    push(f);
}

void feed_end(struct feed *f)
{
    f->ended = true;
    exchange_wake(f->ex);
}

void feed_free(struct feed *f)
{
    if (f == NULL)
        return;
    if (f->ticket != 0)
        f->ex->hub->api->unsubscribe(f->ex->hub->api->self, f->ticket);
    buf_fini(&f->out);
    free(f);
}

void feed_open(struct exchange *ex)
{
    const struct api *api = ex->hub->api;
    struct MHD_Response *response;
    struct feed *f = mem_zalloc(sizeof *f);

    f->ex = ex;
    f->beat = uv_now(ex->hub->loop);
    buf_init(&f->out, BUFFER_MAX);
    buf_str(&f->out, ": open\n\n"); /* who reads this is subscribed */
    f->ticket = api->subscribe(api->self, exchange_query(ex, "id"), on_event, f);
    if (f->err.code != ERR_OK) {
        exchange_err(ex, &f->err);
        feed_free(f);
        return;
    }
    response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_feed, f, NULL);
    if (response == NULL) {
        exchange_fail(ex, ERR_INTERNAL, "no memory for the stream");
        feed_free(f);
        return;
    }
    ex->feed = f;
    MHD_add_response_header(response, "Content-Type", "text/event-stream");
    MHD_add_response_header(response, "Cache-Control", "no-store");
    exchange_answer(ex, 200, response);
}
