#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/rng.h"
#include "fake_turn.h"

enum { START_MS = 1767225600 }; /* seconds: 2026-01-01T00:00:00Z */
enum { TEXT_MAX = 16 * 1024 * 1024 };

enum note_kind { NOTE_STARTED, NOTE_RESULT, NOTE_FIRED, NOTE_GO_ON, NOTE_CANCELLED };

struct note {
    enum note_kind kind;
    int64_t now;
    uint32_t cmd;
    json_t *output, *error;
};

struct command {
    const char *kind;
    char *key;
    int64_t due;
    bool outstanding;
};

struct turn { /* of the handler's view: the core during one delivery */
    struct fake *fake;
};

struct fake {
    struct turn turn;
    const struct handler_kind *kind;
    const void *definition;
    struct handler *handler;
    struct buf text;
    size_t last_line;
    int64_t now;
    struct rng rng;
    struct note *notes;
    size_t note_count, note_cap;
    struct command *commands; /* by seq */
    size_t command_count, command_cap;
    json_t *keys; /* key -> true: open, false: ended */
    bool inside, yielded, hold, ended;
};

struct fake *fake_new(const struct handler_kind *kind, const void *definition)
{
    struct fake *f = mem_zalloc(sizeof *f);

    f->turn.fake = f;
    f->kind = kind;
    f->definition = definition;
    f->now = (int64_t)START_MS * 1000;
    f->keys = json_object();
    rng_seed(&f->rng, 42);
    buf_init(&f->text, TEXT_MAX);
    buf_str(&f->text, "");
    f->handler = kind->open(definition);
    return f;
}

void fake_free(struct fake *f)
{
    f->kind->close(f->handler);
    for (size_t i = 0; i < f->note_count; i++) {
        json_decref(f->notes[i].output);
        json_decref(f->notes[i].error);
    }
    for (size_t i = 0; i < f->command_count; i++)
        free(f->commands[i].key);
    free(f->notes);
    free(f->commands);
    json_decref(f->keys);
    buf_fini(&f->text);
    free(f);
}

/* ---- what is written ---- */

static struct fake *inside(const struct turn *t)
{
    assert_true(t->fake->inside);
    return t->fake;
}

static void line(struct fake *f, const char *word, const char *key)
{
    assert_false(f->ended); /* nothing after the end */
    f->last_line = f->text.len;
    buf_printf(&f->text, "%s%s%s", word, key != NULL ? " " : "", key != NULL ? key : "");
}

static void value(struct fake *f, const char *mark, const json_t *v)
{
    char *text;

    if (v == NULL)
        return;
    text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);
    assert_non_null(text);
    buf_printf(&f->text, " %s%s", mark, text);
    free(text);
}

static void line_end(struct fake *f)
{
    assert_true(buf_str(&f->text, "\n"));
}

static uint32_t command(struct fake *f, const char *kind, const char *key)
{
    struct command *c;

    f->commands = mem_grow(f->commands, f->command_count, &f->command_cap, sizeof(struct command));
    c = &f->commands[f->command_count];
    *c = (struct command){.kind = kind, .key = mem_strdup(key), .outstanding = true};
    line(f, kind, key);
    return (uint32_t)f->command_count++;
}

int64_t turn_now(const struct turn *t)
{
    return t->fake->now;
}

uint64_t turn_random(struct turn *t)
{
    return rng_next(&inside(t)->rng);
}

const char *turn_instance_id(const struct turn *t)
{
    (void)t;
    return "inst_1";
}

const char *turn_caller_id(const struct turn *t)
{
    (void)t;
    return "order-7";
}

int64_t turn_started_at(const struct turn *t)
{
    (void)t;
    return (int64_t)START_MS * 1000;
}

uint32_t turn_run(struct turn *t, const char *key, json_t *spec, bool once)
{
    struct fake *f = inside(t);
    uint32_t cmd = command(f, "run", key);

    value(f, "", spec);
    buf_str(&f->text, once ? " once" : "");
    line_end(f);
    return cmd;
}

uint32_t turn_sleep(struct turn *t, const char *key, int64_t due_ms)
{
    struct fake *f = inside(t);
    uint32_t cmd = command(f, "sleep", key);

    f->commands[cmd].due = due_ms;
    buf_printf(&f->text, " %lld", (long long)(due_ms - f->now));
    line_end(f);
    return cmd;
}

uint32_t turn_call(struct turn *t, const char *key, const char *service, json_t *input)
{
    struct fake *f = inside(t);
    uint32_t cmd = command(f, "call", key);

    buf_printf(&f->text, " %s", service);
    value(f, "", input);
    line_end(f);
    return cmd;
}

uint32_t turn_send(struct turn *t, const char *key, const char *service, json_t *input)
{
    struct fake *f = inside(t);
    uint32_t cmd = command(f, "send", key);

    f->commands[cmd].outstanding = false; /* it is let go */
    buf_printf(&f->text, " %s", service);
    value(f, "", input);
    line_end(f);
    return cmd;
}

uint32_t turn_await(struct turn *t, const char *key, const char *name)
{
    struct fake *f = inside(t);
    uint32_t cmd = command(f, "await", key);

    buf_printf(&f->text, " %s", name);
    line_end(f);
    return cmd;
}

void turn_drop(struct turn *t, uint32_t cmd)
{
    struct fake *f = inside(t);

    assert_true(cmd < f->command_count && f->commands[cmd].outstanding);
    f->commands[cmd].outstanding = false;
    line(f, "drop", f->commands[cmd].kind);
    buf_printf(&f->text, " %s", f->commands[cmd].key);
    line_end(f);
}

void turn_log(struct turn *t, const char *key, const char *level, const char *message,
              json_t *fields)
{
    struct fake *f = inside(t);

    line(f, "log", key);
    buf_printf(&f->text, " %s %s", level, message);
    value(f, "", fields);
    line_end(f);
}

void turn_task_started(struct turn *t, const char *key, json_t *input)
{
    struct fake *f = inside(t);

    if (json_object_get(f->keys, key) != NULL)
        fail_msg("the key %s is not unique", key);
    json_object_set_new(f->keys, key, json_true());
    line(f, "started", key);
    value(f, "", input);
    line_end(f);
}

void turn_task_ended(struct turn *t, const char *key, json_t *output, json_t *error)
{
    struct fake *f = inside(t);

    assert_true(json_is_true(json_object_get(f->keys, key)));
    json_object_set_new(f->keys, key, json_false());
    line(f, "ended", key);
    value(f, "", output);
    value(f, "!", error);
    buf_str(&f->text, output == NULL && error == NULL ? " dropped" : "");
    line_end(f);
}

void turn_task(struct turn *t, const char *key, json_t *input, json_t *output, json_t *error)
{
    struct fake *f = inside(t);

    if (json_object_get(f->keys, key) != NULL)
        fail_msg("the key %s is not unique", key);
    assert_true((output == NULL) != (error == NULL));
    json_object_set_new(f->keys, key, json_false());
    line(f, "task", key);
    value(f, "", input);
    value(f, "", output);
    value(f, "!", error);
    line_end(f);
}

void turn_yield(struct turn *t)
{
    struct fake *f = inside(t);

    assert_false(f->yielded); /* once is enough */
    f->yielded = true;
    line(f, "yield", NULL);
    line_end(f);
}

static void the_end(struct fake *f, const char *word, const char *mark, json_t *v)
{
    const char *key;
    json_t *open;

    line(f, word, NULL);
    value(f, mark, v);
    line_end(f);
    f->ended = true;
    assert_int_equal(fake_outstanding(f), 0);
    if (strcmp(word, "cancelled") == 0)
        return;
    json_object_foreach(f->keys, key, open)
    {
        if (json_is_true(open))
            fail_msg("%s never ended", key);
    }
}

void turn_completed(struct turn *t, json_t *output)
{
    assert_non_null(output);
    the_end(inside(t), "completed", "", output);
}

void turn_faulted(struct turn *t, json_t *error)
{
    assert_true(json_is_string(json_object_get(error, "type")));
    assert_true(json_is_integer(json_object_get(error, "status")));
    assert_true(json_is_string(json_object_get(error, "instance")));
    the_end(inside(t), "faulted", "", error);
}

void turn_cancelled(struct turn *t)
{
    the_end(inside(t), "cancelled", "", NULL);
}

/* ---- what is told ---- */

static void deliver(struct fake *f, enum note_kind kind, uint32_t cmd, json_t *output,
                    json_t *error)
{
    struct note *n;

    f->notes = mem_grow(f->notes, f->note_count, &f->note_cap, sizeof(struct note));
    n = &f->notes[f->note_count++];
    *n = (struct note){kind, f->now, cmd, json_incref(output), json_incref(error)};
    f->inside = true;
    switch (kind) {
    case NOTE_STARTED:
        f->kind->started(f->handler, &f->turn, output);
        break;
    case NOTE_RESULT:
        f->kind->result(f->handler, &f->turn, cmd, output, error);
        break;
    case NOTE_FIRED:
        f->kind->fired(f->handler, &f->turn, cmd);
        break;
    case NOTE_GO_ON:
        f->yielded = false;
        f->kind->go_on(f->handler, &f->turn);
        break;
    case NOTE_CANCELLED:
        f->kind->cancelled(f->handler, &f->turn, output);
        break;
    }
    f->inside = false;
}

void fake_go_on(struct fake *f)
{
    while (f->yielded && !f->ended) {
        deliver(f, NOTE_GO_ON, 0, NULL, NULL);
        if (f->hold)
            break;
    }
}

static void settle(struct fake *f)
{
    if (!f->hold)
        fake_go_on(f);
}

void fake_hold(struct fake *f, bool hold)
{
    f->hold = hold;
}

void fake_start(struct fake *f, json_t *input)
{
    deliver(f, NOTE_STARTED, 0, input, NULL);
    settle(f);
}

static void answer(struct fake *f, size_t cmd, json_t *output, json_t *error)
{
    struct command *c = &f->commands[cmd];
    bool sleeps = strcmp(c->kind, "sleep") == 0;

    c->outstanding = false;
    if (c->due > f->now)
        f->now = c->due;
    deliver(f, sleeps ? NOTE_FIRED : NOTE_RESULT, (uint32_t)cmd, sleeps ? NULL : output, error);
    settle(f);
}

bool fake_answer(struct fake *f, const char *kind, const char *key, json_t *output, json_t *error)
{
    for (size_t i = 0; i < f->command_count; i++) {
        struct command *c = &f->commands[i];

        if (!c->outstanding || strcmp(c->kind, kind) != 0 || strcmp(c->key, key) != 0)
            continue;
        answer(f, i, output, error);
        return true;
    }
    return false;
}

bool fake_answer_any(struct fake *f, json_t *output)
{
    for (size_t i = 0; i < f->command_count; i++) {
        if (f->commands[i].outstanding) {
            answer(f, i, output, NULL);
            return true;
        }
    }
    return false;
}

void fake_result(struct fake *f, uint32_t cmd, json_t *output)
{
    deliver(f, NOTE_RESULT, cmd, output, NULL);
    settle(f);
}

void fake_cancel(struct fake *f)
{
    json_t *reason = json_pack("{s:s}", "by", "test");

    deliver(f, NOTE_CANCELLED, 0, reason, NULL);
    json_decref(reason);
}

void fake_advance(struct fake *f, int64_t ms)
{
    f->now += ms;
}

const char *fake_text(const struct fake *f)
{
    return f->text.data;
}

const char *fake_current(const struct fake *f)
{
    return f->kind->current(f->handler);
}

const char *fake_end(const struct fake *f)
{
    return f->ended ? f->text.data + f->last_line : NULL;
}

size_t fake_outstanding(const struct fake *f)
{
    size_t count = 0;

    for (size_t i = 0; i < f->command_count; i++)
        count += f->commands[i].outstanding;
    return count;
}

size_t fake_notifications(const struct fake *f)
{
    return f->note_count;
}

struct fake *fake_replay(const struct fake *f, size_t count)
{
    struct fake *again = fake_new(f->kind, f->definition);

    for (size_t i = 0; i < count; i++) {
        const struct note *n = &f->notes[i];

        again->now = n->now;
        if ((n->kind == NOTE_RESULT || n->kind == NOTE_FIRED) && n->cmd < again->command_count)
            again->commands[n->cmd].outstanding = false;
        deliver(again, n->kind, n->cmd, n->output, n->error);
    }
    return again;
}
