/* Into memory and out of it. Loading is replay: the same handler, fed with the journal. */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/internal.h"

enum { CHUNK_BYTES_MAX = 512 << 20 };

struct live *live_new(struct engine *e, struct instance *in)
{
    struct live *live = mem_zalloc(sizeof *live);

    (void)e;
    instance_id_of(in, live->id);
    buf_init(&live->chunk, CHUNK_BYTES_MAX);
    rng_seed(&live->rng, in->row.seed);
    live->handler = in->version->service.kind->open(in->version->service.definition);
    return live;
}

static void free_replay(struct live *live)
{
    for (size_t i = 0; i < live->chunk_count; i++)
        free(live->chunks[i].data);
    free(live->chunks);
    free(live->replay);
    live->chunks = NULL;
    live->chunk_count = 0;
    live->replay = NULL;
    live->replay_count = live->replay_at = 0;
}

void live_free(struct engine *e, struct instance *in)
{
    struct live *live = in->live;
    struct command *c, *next;

    (void)e;
    HASH_ITER(hh, live->commands, c, next)
    {
        command_free(in, c);
    }
    while (live->signals != NULL) {
        struct signal *s = live->signals;

        live->signals = s->next;
        signal_free(s);
    }
    for (unsigned i = 0; i < SEEN_MAX; i++)
        json_decref(live->seen[i].value);
    in->version->service.kind->close(live->handler);
    json_decref(live->input);
    json_decref(live->output);
    json_decref(live->error);
    json_decref(live->fatal);
    buf_fini(&live->chunk);
    free_replay(live);
    free(live);
    in->live = NULL;
}

/* A wait that only time, a child or a signal ends needs no interpreter meanwhile. */
void instance_maybe_evict(struct engine *e, struct instance *in)
{
    int64_t horizon = e->now + e->config.limits.evict_after_ms;

    if (in->live == NULL || in->dirty || in->ready || in->ending || in->reload ||
        in->gate > e->committed || in->notes != NULL)
        return;
    if (in->row.status == STATUS_PENDING ||
        (in->row.status == STATUS_SUSPENDED && !in->unloadable)) {
        live_free(e, in);
        return;
    }
    if (in->row.status != STATUS_WAITING || (in->row.wake_at != 0 && in->row.wake_at < horizon))
        return;
    for (struct command *c = in->live->commands; c != NULL; c = c->hh.next) {
        if (c->in_flight || c->answered)
            return;
    }
    live_free(e, in);
}

/* Decodes all chunks into one array. */
static enum errcode decode(struct live *live, struct err *err)
{
    size_t cap = 0;

    for (size_t i = 0; i < live->chunk_count; i++) {
        size_t at = 0;

        while (at < live->chunks[i].len) {
            live->replay = mem_grow(live->replay, live->replay_count, &cap, sizeof *live->replay);
            struct entry *entry = &live->replay[live->replay_count];
            if (entry_decode(live->chunks[i].data, live->chunks[i].len, &at, entry, err) != ERR_OK)
                return err->code;
            if (entry->seq != live->replay_count)
                return err_set(err, ERR_STORE_DAMAGED, "entry %zu of the journal says it is %u",
                               live->replay_count, entry->seq);
            live->replay_count++;
        }
    }
    if (live->replay_count == 0 || live->replay[0].kind != ENTRY_STARTED)
        return err_set(err, ERR_STORE_DAMAGED, "the journal does not begin with its start");
    return ERR_OK;
}

static void replay(struct engine *e, struct instance *in)
{
    struct live *live = in->live;

    while (live->replay_at < live->replay_count && !live->mismatch) {
        struct entry *entry = &live->replay[live->replay_at++];
        enum entry_class class = entry_class_of(entry->kind);

        if (class == CLASS_FACT || class == CLASS_COMMAND) {
            live->mismatch = true;
            snprintf(live->mismatch_text, sizeof live->mismatch_text,
                     "entry %u: the journal holds %s %.*s, which the handler did not make",
                     entry->seq, entry_name(entry->kind),
                     (int)(entry->name_len > 60 ? 60 : entry->name_len), entry->name);
        } else {
            turn_apply(e, in, entry, NULL, NULL);
        }
    }
}

/* After the journal's end: what was on its way is asked for again. */
static void go_on(struct engine *e, struct instance *in)
{
    struct live *live = in->live;
    bool has_turn = false;

    for (struct note *n = in->notes; n != NULL; n = n->next) {
        struct command *c = n->cmd != 0 ? command_find(in, n->cmd) : NULL;

        if (c != NULL)
            c->answered = true;
        has_turn = has_turn || n->kind == ENTRY_TURN;
    }
    if (live->output != NULL || live->error != NULL) {
        instance_end(e, in, live->output != NULL ? STATUS_COMPLETED : STATUS_FAULTED);
        return;
    }
    live->turn_queued = live->yielded || has_turn;
    if ((live->yielded || (live->held && in->admitted)) && !has_turn)
        instance_note(e, in, note_new(ENTRY_TURN, 0, NULL, NULL));
    commands_fire(e, in);
    if (in->notes != NULL)
        instance_ready(e, in);
    instance_settle(e, in);
}

struct load {
    struct engine *engine;
    int64_t num;
};

static void poison(struct engine *e, struct instance *in, const char *why)
{
    log_error("engine", "instance %lld cannot be loaded and is suspended, its bytes are kept: %s",
              (long long)in->row.num, why);
    in->unloadable = true;
    instance_suspend(e, in, REASON_POISON, "engine", why, 0);
}

static void loaded(void *arg, const struct err *err, struct stored_chunk *chunks, size_t count)
{
    struct load *load = arg;
    struct engine *e = load->engine;
    struct instance *in = engine_find(e, load->num);
    struct err why;

    free(load);
    e->loading--;
    if (in == NULL || in->live != NULL || !in->loading) {
        for (size_t i = 0; i < count; i++)
            free(chunks[i].data);
        free(chunks);
        return;
    }
    in->loading = false;
    if (err != NULL) {
        poison(e, in, err->text);
        return;
    }
    in->live = live_new(e, in);
    in->live->chunks = chunks;
    in->live->chunk_count = count;
    if (decode(in->live, &why) != ERR_OK) {
        live_free(e, in);
        poison(e, in, why.text);
        return;
    }
    in->row.entries = (uint32_t)in->live->replay_count;
    replay(e, in);
    free_replay(in->live);
    if (in->live->mismatch) {
        char text[256];

        memcpy(text, in->live->mismatch_text, sizeof text);
        live_free(e, in);
        poison(e, in, text);
        return;
    }
    go_on(e, in);
}

void instance_load(struct engine *e, struct instance *in)
{
    if (in->loading || in->unloadable)
        return;
    struct load *load = mem_zalloc(sizeof *load);
    *load = (struct load){.engine = e, .num = in->row.num};
    in->loading = true;
    e->loading++;
    e->store.load(e->store.self, in->row.num, in->row.last, loaded, load);
}
