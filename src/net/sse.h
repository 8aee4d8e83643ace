/* Reads server-sent events: calls back with the data of each event. Bounded; pure. */
#ifndef NET_SSE_H
#define NET_SSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum { SSE_EVENT_MAX = 4 * 1024 * 1024 };

struct sse { /* all zero is the start of a stream */
    struct buf line, data;
};

typedef void sse_event(void *arg, const char *data, size_t len);

/* False: a line or an event is larger than SSE_EVENT_MAX. */
bool sse_feed(struct sse *s, const char *text, size_t len, sse_event *event, void *arg);
void sse_fini(struct sse *s); /* ready for another stream */

#endif
