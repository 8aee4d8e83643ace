/* A binary heap of the instances that something must happen to at a time. */
#include "engine/internal.h"

#include "base/mem.h"

static bool before(const struct instance *a, const struct instance *b)
{
    if (a->row.wake_at != b->row.wake_at)
        return a->row.wake_at < b->row.wake_at;
    return a->row.num < b->row.num;
}

static void put(struct engine *e, size_t at, struct instance *in)
{
    e->heap[at] = in;
    in->timer_at = at + 1;
}

static void up(struct engine *e, size_t at)
{
    struct instance *in = e->heap[at];

    while (at > 0 && before(in, e->heap[(at - 1) / 2])) {
        put(e, at, e->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(e, at, in);
}

static void down(struct engine *e, size_t at)
{
    struct instance *in = e->heap[at];

    for (;;) {
        size_t child = at * 2 + 1;

        if (child >= e->heap_count)
            break;
        if (child + 1 < e->heap_count && before(e->heap[child + 1], e->heap[child]))
            child++;
        if (!before(e->heap[child], in))
            break;
        put(e, at, e->heap[child]);
        at = child;
    }
    put(e, at, in);
}

void timer_clear(struct engine *e, struct instance *in)
{
    size_t at = in->timer_at;

    if (at == 0)
        return;
    in->timer_at = 0;
    struct instance *last = e->heap[--e->heap_count];
    if (last == in)
        return;
    put(e, at - 1, last);
    up(e, at - 1);
    down(e, last->timer_at - 1);
}

void timer_set(struct engine *e, struct instance *in)
{
    if (in->row.wake_at == 0) {
        timer_clear(e, in);
        return;
    }
    if (in->timer_at == 0) {
        e->heap = mem_grow(e->heap, e->heap_count, &e->heap_cap, sizeof *e->heap);
        put(e, e->heap_count, in);
        e->heap_count++;
    }
    up(e, in->timer_at - 1);
    down(e, in->timer_at - 1);
}

struct instance *timer_first(const struct engine *e)
{
    return e->heap_count > 0 ? e->heap[0] : NULL;
}
