#include "net/sse.h"

#include <string.h>

static bool end_line(struct sse *s, sse_event *event, void *arg)
{
    const char *line = s->line.data != NULL ? s->line.data : "";
    size_t len = s->line.len;
    bool ok = true;

    if (len > 0 && line[len - 1] == '\r')
        len--;
    if (len == 0) {
        if (s->data.len > 0)
            event(arg, s->data.data, s->data.len);
        buf_clear(&s->data);
    } else if (len >= 5 && memcmp(line, "data:", 5) == 0) {
        size_t skip = len > 5 && line[5] == ' ' ? 6 : 5;

        ok = (s->data.len == 0 || buf_add(&s->data, "\n", 1)) &&
             buf_add(&s->data, line + skip, len - skip);
    } /* ids, types and comments are not needed: the data says it all */
    buf_clear(&s->line);
    return ok;
}

bool sse_feed(struct sse *s, const char *text, size_t len, sse_event *event, void *arg)
{
    s->line.max = s->data.max = SSE_EVENT_MAX;
    while (len > 0) {
        const char *end = memchr(text, '\n', len);
        size_t part = end != NULL ? (size_t)(end - text) : len;

        if (!buf_add(&s->line, text, part))
            return false;
        if (end == NULL)
            return true;
        if (!end_line(s, event, arg))
            return false;
        text += part + 1;
        len -= part + 1;
    }
    return true;
}

void sse_fini(struct sse *s)
{
    buf_fini(&s->line);
    buf_fini(&s->data);
}
