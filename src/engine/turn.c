/* One turn of a handler: what it asks for is appended to the journal, or compared with it on
 * replay. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "engine/internal.h"
#include "engine/problem.h"

bool turn_replaying(const struct live *live)
{
    return live->replay != NULL && live->replay_at < live->replay_count;
}

static void mismatch(struct live *live, const char *fmt, const struct entry *made,
                     const struct entry *found)
{
    if (live->mismatch)
        return;
    live->mismatch = true;
    snprintf(live->mismatch_text, sizeof live->mismatch_text, fmt, made->seq,
             entry_name(made->kind), (int)(made->name_len > 60 ? 60 : made->name_len),
             made->name != NULL ? made->name : "", found != NULL ? entry_name(found->kind) : "",
             found != NULL ? (int)(found->name_len > 60 ? 60 : found->name_len) : 0,
             found != NULL && found->name != NULL ? found->name : "");
}

/* Events between commands are taken in as they stand. */
static void take_events(struct engine *e, struct instance *in)
{
    struct live *live = in->live;

    while (turn_replaying(live)) {
        struct entry *next = &live->replay[live->replay_at];

        if (entry_class_of(next->kind) != CLASS_EVENT)
            return;
        live->replay_at++;
        turn_apply(e, in, next, NULL, NULL);
    }
}

/* The handler made something that the journal should hold at this place. */
static uint32_t match(struct engine *e, struct instance *in, const struct entry *made)
{
    struct live *live = in->live;

    take_events(e, in);
    if (!turn_replaying(live))
        return UINT32_MAX;
    struct entry *found = &live->replay[live->replay_at];
    if (found->kind != made->kind || found->name_len != made->name_len ||
        (made->name_len > 0 && memcmp(found->name, made->name, made->name_len) != 0)) {
        mismatch(live, "entry %u: the handler made %s %.*s, the journal holds %s %.*s", made,
                 found);
        return found->seq;
    }
    live->replay_at++;
    return found->seq;
}

static void limit_passed(struct instance *in, const char *what, const char *name, size_t len)
{
    if (in->live->fatal == NULL) {
        struct err err;

        err_set(&err, ERR_LIMIT, "%s at %.*s", what, (int)(len > 200 ? 200 : len),
                name != NULL ? name : "");
        in->live->fatal = problem_from_err(&err);
    }
}

/* Is this value in the journal already, as the data of an entry? */
static bool seen(const struct live *live, const json_t *value, uint32_t *seq)
{
    for (unsigned i = 0; i < SEEN_MAX; i++) {
        if (live->seen[i].value == value && value != NULL) {
            *seq = live->seen[i].seq;
            return true;
        }
    }
    return false;
}

static void remember(struct live *live, json_t *value, uint32_t seq)
{
    unsigned at = live->seen_at++ % SEEN_MAX;

    /* Small scalars are cheaper to write again than to look for. */
    if (!json_is_object(value) && !json_is_array(value))
        return;
    json_decref(live->seen[at].value);
    live->seen[at].value = json_incref(value);
    live->seen[at].seq = seq;
}

/* Writes a value into the scratch buffer; false when it is over the payload limit. */
static bool write_value(struct engine *e, json_t *value, size_t *from, size_t *len)
{
    size_t start = e->scratch.len;

    *from = start;
    bool ok = json_write(&e->scratch, value) && !e->scratch.full;
    *len = e->scratch.len - start;
    return ok && *len <= e->config.limits.payload_bytes;
}

static void append(struct engine *e, struct instance *in, struct entry *entry, json_t *data,
                   json_t *more)
{
    struct live *live = in->live;
    size_t data_from = 0, more_from = 0;

    buf_clear(&e->scratch);
    if (data != NULL && !write_value(e, data, &data_from, &entry->data_len)) {
        limit_passed(in, "a value is over the payload limit", entry->name, entry->name_len);
        entry->data_len = 0;
        data = NULL;
    }
    if (more != NULL && !write_value(e, more, &more_from, &entry->more_len)) {
        limit_passed(in, "a value is over the payload limit", entry->name, entry->name_len);
        entry->more_len = 0;
        more = NULL;
    }
    if (data != NULL) {
        entry->flags |= ENTRY_HAS_DATA;
        entry->data = e->scratch.data + data_from;
    }
    if (more != NULL) {
        entry->flags |= ENTRY_HAS_MORE;
        entry->more = e->scratch.data + more_from;
    }
    size_t before = live->chunk.len;
    entry_encode(&live->chunk, entry);
    in->row.bytes += live->chunk.len - before;
    in->row.entries++;
    if (data != NULL)
        remember(live, data, entry->seq);
    if (in->row.entries >= e->config.limits.journal_entries)
        limit_passed(in, "the journal has reached its limit of entries", entry->name,
                     entry->name_len);
    else if (in->row.bytes >= e->config.limits.journal_bytes)
        limit_passed(in, "the journal has reached its limit of bytes", entry->name,
                     entry->name_len);
    instance_touch(e, in);
}

uint32_t turn_emit(struct engine *e, struct instance *in, struct entry *entry, json_t *data,
                   json_t *more)
{
    struct live *live = in->live;
    enum entry_class class = entry_class_of(entry->kind);

    if (class == CLASS_FACT || class == CLASS_COMMAND) {
        if (live->mismatch)
            return 0;
        uint32_t seq = match(e, in, entry);
        if (seq != UINT32_MAX) {
            if (data != NULL)
                remember(live, data, seq);
            return seq;
        }
    }
    entry->seq = in->row.entries;
    append(e, in, entry, data, more);
    return entry->seq;
}

int64_t turn_now(const struct turn *t)
{
    return t->now;
}

uint64_t turn_random(struct turn *t)
{
    return rng_next(&t->in->live->rng);
}

const char *turn_instance_id(const struct turn *t)
{
    return t->in->live->id;
}

const char *turn_caller_id(const struct turn *t)
{
    return t->in->row.caller_id != NULL ? t->in->row.caller_id : turn_instance_id(t);
}

int64_t turn_started_at(const struct turn *t)
{
    return t->in->row.started != 0 ? t->in->row.started : t->now;
}

/* ---- facts --------------------------------------------------------------------------------------
 */

static void fact(struct turn *t, unsigned kind, const char *key, json_t *data, json_t *more,
                 json_t *shared, unsigned flags)
{
    struct entry entry = {.kind = (uint8_t)kind,
                          .flags = (uint8_t)flags,
                          .at = t->now,
                          .name = key,
                          .name_len = strlen(key)};
    uint32_t seq;

    if (t->in->live->mismatch)
        return;
    if (shared != NULL && seen(t->in->live, shared, &seq)) {
        entry.flags |= ENTRY_SAME_DATA;
        entry.cmd = seq;
        if (shared == data)
            data = NULL;
        if (shared == more)
            more = NULL;
    }
    turn_emit(t->engine, t->in, &entry, data, more);
}

void turn_task_started(struct turn *t, const char *key, json_t *input)
{
    fact(t, ENTRY_TASK_STARTED, key, input, NULL, input, 0);
}

void turn_task_ended(struct turn *t, const char *key, json_t *output, json_t *error)
{
    fact(t, ENTRY_TASK_ENDED, key, output, error, output, 0);
}

void turn_task(struct turn *t, const char *key, json_t *input, json_t *output, json_t *error)
{
    if (error != NULL) {
        turn_task_started(t, key, input);
        turn_task_ended(t, key, NULL, error);
        return;
    }
    fact(t, ENTRY_TASK, key, output == input ? NULL : output, input, input,
         output == input ? ENTRY_SAME_OUT : 0);
}

/* ---- commands -----------------------------------------------------------------------------------
 */

static struct command *command_new(struct turn *t, unsigned kind, const char *key, json_t *data)
{
    struct instance *in = t->in;
    struct entry entry = {
        .kind = (uint8_t)kind, .at = t->now, .name = key, .name_len = strlen(key)};
    struct command *c = mem_zalloc(sizeof *c);

    c->seq = turn_emit(t->engine, in, &entry, data, NULL);
    c->kind = (uint8_t)kind;
    c->key = mem_strdup(key);
    struct command *old = command_find(in, c->seq);
    if (old != NULL)
        command_free(in, old); /* only after a mismatch, where numbers mean nothing any more */
    HASH_ADD_INT(in->live->commands, seq, c);
    if (HASH_COUNT(in->live->commands) > t->engine->config.limits.pending_commands)
        limit_passed(in, "too many commands wait for an answer", key, strlen(key));
    return c;
}

uint32_t turn_run(struct turn *t, const char *key, json_t *spec, bool once)
{
    struct command *c = command_new(t, ENTRY_RUN, key, spec);

    c->spec = json_incref(spec);
    c->once = once;
    return c->seq;
}

uint32_t turn_sleep(struct turn *t, const char *key, int64_t due_ms)
{
    json_t *due = json_integer(due_ms);
    struct command *c = command_new(t, ENTRY_SLEEP, key, due);

    json_decref(due);
    c->due = due_ms > 0 ? due_ms : 1;
    return c->seq;
}

static struct command *child_command(struct turn *t, unsigned kind, const char *key,
                                     const char *service, json_t *input)
{
    json_t *data = json_pack("{s:s, s:O}", "service", service, "input", input);
    struct command *c = command_new(t, kind, key, data);

    json_decref(data);
    c->target = mem_strdup(service);
    c->spec = json_incref(input);
    return c;
}

uint32_t turn_call(struct turn *t, const char *key, const char *service, json_t *input)
{
    return child_command(t, ENTRY_CHILD, key, service, input)->seq;
}

uint32_t turn_send(struct turn *t, const char *key, const char *service, json_t *input)
{
    return child_command(t, ENTRY_SEND, key, service, input)->seq;
}

uint32_t turn_await(struct turn *t, const char *key, const char *name)
{
    json_t *data = json_string(name);
    struct command *c = command_new(t, ENTRY_AWAIT, key, data);

    json_decref(data);
    c->target = mem_strdup(name);
    return c->seq;
}

void turn_drop(struct turn *t, uint32_t cmd)
{
    struct command *c = command_find(t->in, cmd);
    struct entry entry = {.kind = ENTRY_DROP, .at = t->now, .cmd = cmd};

    if (c == NULL)
        return;
    turn_emit(t->engine, t->in, &entry, NULL, NULL);
    command_drop(t->engine, t->in, c);
}

void turn_log(struct turn *t, const char *key, const char *level, const char *message,
              json_t *fields)
{
    json_t *data =
        json_pack("{s:s, s:s, s:O*}", "level", level, "message", message, "fields", fields);
    struct entry entry = {.kind = ENTRY_LOG, .at = t->now, .name = key, .name_len = strlen(key)};

    turn_emit(t->engine, t->in, &entry, data, NULL);
    json_decref(data);
}

void turn_yield(struct turn *t)
{
    t->in->live->yielded = true;
}

/* ---- the end ------------------------------------------------------------------------------------
 */

static void output(struct turn *t, json_t *data, json_t *more)
{
    struct live *live = t->in->live;
    struct entry entry = {.kind = ENTRY_OUTPUT, .at = t->now};

    if (live->output != NULL || live->error != NULL)
        return;
    turn_emit(t->engine, t->in, &entry, data, more);
    live->output = json_incref(data);
    live->error = json_incref(more);
}

void turn_completed(struct turn *t, json_t *data)
{
    output(t, data, NULL);
}

void turn_faulted(struct turn *t, json_t *error)
{
    output(t, NULL, error);
}

void turn_cancelled(struct turn *t)
{
    struct err err;

    err_set(&err, ERR_CANCELLED, "cancelled");
    json_t *error = problem_from_err(&err);
    output(t, NULL, error);
    json_decref(error);
}

/* ---- what the journal says happened, live and on replay -----------------------------------------
 */

static json_t *parse(const char *text, size_t len)
{
    return json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
}

/* A signal is kept until a command consumes it; that it did is an entry of its own, with its
 * number. */
static void apply_signal(struct instance *in, struct turn *t, const struct entry *entry,
                         json_t *payload)
{
    struct live *live = in->live;
    struct signal **at = &live->signals, *s;

    if (entry->cmd == 0) {
        s = mem_zalloc(sizeof *s);
        s->name = mem_strndup(entry->name, entry->name_len);
        s->payload = json_incref(payload);
        while (*at != NULL)
            at = &(*at)->next;
        *at = s;
        return;
    }
    while (*at != NULL && (strlen((*at)->name) != entry->name_len ||
                           memcmp((*at)->name, entry->name, entry->name_len) != 0))
        at = &(*at)->next;
    if ((s = *at) != NULL) {
        *at = s->next;
        signal_free(s);
    }
    struct command *c = command_find(in, entry->cmd);
    if (c != NULL) {
        command_free(in, c);
        in->version->service.kind->signalled(live->handler, t, entry->cmd, payload);
    }
}

/* The input was journaled when the instance was accepted; it begins when it is admitted. */
static void begin(struct instance *in, struct turn *t, json_t *input)
{
    in->live->held = false;
    if (in->row.started == 0)
        in->row.started = t->now;
    in->version->service.kind->started(in->live->handler, t, input);
}

static void apply_notification(struct instance *in, struct turn *t, const struct entry *entry,
                               json_t *data, json_t *more)
{
    const struct handler_kind *kind = in->version->service.kind;
    struct live *live = in->live;
    struct command *c = command_find(in, entry->cmd);

    switch (entry->kind) {
    case ENTRY_STARTED:
        live->input = json_incref(data);
        if (entry->name_len > 0 && in->trace == NULL)
            in->trace = mem_strndup(entry->name, entry->name_len);
        live->held = true;
        break;
    case ENTRY_TURN:
        live->yielded = live->turn_queued = false;
        if (live->held)
            begin(in, t, live->input);
        else
            kind->go_on(live->handler, t);
        break;
    case ENTRY_RESULT:
        if (c != NULL) {
            command_free(in, c);
            kind->result(live->handler, t, entry->cmd, data, more);
        }
        break;
    case ENTRY_FIRED:
        if (c != NULL) {
            command_free(in, c);
            kind->fired(live->handler, t, entry->cmd);
        }
        break;
    case ENTRY_SIGNALLED:
        apply_signal(in, t, entry, data);
        break;
    case ENTRY_CANCEL:
        kind->cancelled(live->handler, t, data);
        break;
    default:
        break; /* resumed: the handler does not see it */
    }
}

static void apply_event(struct instance *in, const struct entry *entry, json_t *data)
{
    struct command *c = command_find(in, entry->cmd);

    if (c == NULL)
        return;
    if (entry->kind == ENTRY_ATTEMPT_FAILED) {
        c->attempt = entry->attempt;
        c->in_flight = false;
        c->due = json_integer_value(json_object_get(data, "due"));
        if (c->first_at == 0)
            c->first_at = json_integer_value(json_object_get(data, "first"));
    } else if (entry->kind == ENTRY_CHILD_STARTED) {
        if (!instance_id_parse(json_string_value(data), &c->child, &c->child_tag))
            c->child = 0;
        if (c->kind == ENTRY_SEND)
            command_free(in, c);
    } else if (entry->kind == ENTRY_PAUSED) {
        c->attempt = 0; /* exhausted: a resume begins anew */
        c->first_at = 0;
        c->due = 0;
        c->in_flight = false;
    }
}

void turn_apply(struct engine *e, struct instance *in, const struct entry *entry, json_t *data,
                json_t *more)
{
    struct turn turn = {.engine = e, .in = in, .now = entry->at};
    json_t *parsed_data = NULL, *parsed_more = NULL;

    if (data == NULL && (entry->flags & ENTRY_HAS_DATA) != 0)
        data = parsed_data = parse(entry->data, entry->data_len);
    if (more == NULL && (entry->flags & ENTRY_HAS_MORE) != 0)
        more = parsed_more = parse(entry->more, entry->more_len);
    if (entry_class_of(entry->kind) == CLASS_EVENT) {
        apply_event(in, entry, data);
    } else {
        if (data != NULL)
            remember(in->live, data, entry->seq);
        apply_notification(in, &turn, entry, data, more);
    }
    json_decref(parsed_data);
    json_decref(parsed_more);
}
