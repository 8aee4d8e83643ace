/* Who may run: a limit for all services and one for each, the rest waits as `pending`, oldest
 * first. A slot is held from admission to the end. A child that its parent awaits takes no slot:
 * the parent's covers it, or a chain of calls could wait for itself for ever. */
#include <utlist.h>

#include "engine/internal.h"

static uint32_t service_limit(const struct engine *e, const struct service_slots *s)
{
    return s->max_running > 0 ? s->max_running : e->config.limits.max_per_service;
}

static bool has_room(const struct engine *e, const struct service_slots *s)
{
    return !e->paused && e->running < e->config.limits.max_running &&
           s->running < service_limit(e, s);
}

static void admit(struct engine *e, struct instance *in)
{
    if (!in->awaited) {
        e->running++;
        in->version->slots->running++;
    }
    in->admitted = true;
    instance_set_status(e, in, STATUS_RUNNING, REASON_NONE);
    if (in->live != NULL && in->live->held && !in->reload)
        instance_note(e, in, note_new(ENTRY_TURN, 0, NULL, NULL));
    instance_ready(e, in);
}

static int by_number(const struct instance *a, const struct instance *b)
{
    return a->row.num < b->row.num ? -1 : a->row.num > b->row.num;
}

static void line_up(struct instance *in)
{
    struct service_slots *s = in->version->slots;

    if (s->pending != NULL && by_number(s->pending->p_prev, in) > 0) {
        DL_INSERT_INORDER2(s->pending, in, by_number, p_prev, p_next);
    } else {
        DL_APPEND2(s->pending, in, p_prev, p_next);
    }
}

void admission_ask(struct engine *e, struct instance *in)
{
    struct service_slots *s = in->version->slots;

    if ((in->awaited && !e->paused) || (has_room(e, s) && s->pending == NULL))
        admit(e, in);
    else
        line_up(in);
}

void admission_leave(struct engine *e, struct instance *in)
{
    struct service_slots *s = in->version->slots;

    if (in->admitted) {
        in->admitted = false;
        if (!in->awaited) {
            e->running--;
            s->running--;
        }
    } else if (in->p_prev != NULL) {
        DL_DELETE2(s->pending, in, p_prev, p_next);
        in->p_prev = in->p_next = NULL;
    }
}

/* The oldest of those whose service has room. */
static struct instance *next_in_line(struct engine *e)
{
    struct instance *oldest = NULL;

    for (struct service_slots *s = e->slots; s != NULL; s = s->hh.next) {
        struct instance *in = s->pending;

        if (in != NULL && (has_room(e, s) || (in->awaited && !e->paused)) &&
            (oldest == NULL || by_number(in, oldest) < 0))
            oldest = in;
    }
    return oldest;
}

void admission_fill(struct engine *e)
{
    struct instance *in;

    while ((in = next_in_line(e)) != NULL) {
        DL_DELETE2(in->version->slots->pending, in, p_prev, p_next);
        in->p_prev = in->p_next = NULL;
        admit(e, in);
    }
}
