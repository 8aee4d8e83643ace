#include "cli/timeline.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/json.h"
#include "base/mem.h"

/* Positions in the array, which moves while it grows. */
struct timeline_index {
    char *key;
    json_int_t cmd; /* of by_command: the command's seq */
    size_t at;
    UT_hash_handle hh;
};

char *timeline_error_text(const json_t *error)
{
    const char *title = json_str(error, "title", NULL), *detail = json_str(error, "detail", NULL);

    if (title == NULL && detail == NULL)
        return error != NULL ? json_text(error) : mem_strdup("");
    return mem_printf("%s%s%s", title != NULL ? title : "",
                      title != NULL && detail != NULL ? ": " : "", detail != NULL ? detail : "");
}

char *timeline_reference(const char *key)
{
    const char *mark = strrchr(key, '#');

    /* Iterations are numbers and dots: a task may have a # in its name. */
    if (mark == NULL || mark[1] == '\0' || mark[1 + strspn(mark + 1, "0123456789.")] != '\0')
        return mem_strdup(key);
    return mem_strndup(key, (size_t)(mark - key));
}

char *timeline_name(const char *key)
{
    char *reference = timeline_reference(key), *name;
    const char *slash = strrchr(reference, '/');

    name = mem_strdup(slash != NULL ? slash + 1 : reference);
    free(reference);
    return name;
}

static struct step *step_add(struct timeline *t, const char *key, int64_t at)
{
    struct timeline_index *x;

    t->steps = mem_grow(t->steps, t->count, &t->cap, sizeof *t->steps);
    struct step *s = &t->steps[t->count++];
    *s = (struct step){.key = mem_strdup(key), .status = "running", .started = at};
    HASH_FIND_STR(t->by_key, key, x);
    if (x == NULL) {
        x = mem_zalloc(sizeof *x);
        x->key = mem_strdup(key);
        HASH_ADD_KEYPTR(hh, t->by_key, x->key, strlen(x->key), x);
    }
    x->at = t->count - 1;
    return s;
}

static struct step *by_key(struct timeline *t, const char *key)
{
    struct timeline_index *x;

    HASH_FIND_STR(t->by_key, key, x);
    return x != NULL ? &t->steps[x->at] : NULL;
}

static struct step *by_command(struct timeline *t, json_int_t cmd)
{
    struct timeline_index *x;

    HASH_FIND(hh, t->by_command, &cmd, sizeof cmd, x);
    return x != NULL ? &t->steps[x->at] : NULL;
}

static void bind(struct timeline *t, json_int_t cmd, const struct step *s)
{
    struct timeline_index *x = mem_zalloc(sizeof *x);

    x->cmd = cmd;
    x->at = (size_t)(s - t->steps);
    HASH_ADD(hh, t->by_command, cmd, sizeof x->cmd, x);
}

static void set_why(struct step *s, const json_t *error)
{
    free(s->why);
    s->why = timeline_error_text(error);
}

static void end(struct step *s, json_t *output, json_t *error, int64_t at)
{
    s->ended = at;
    s->again_at = 0;
    s->status = error != NULL ? "faulted" : "completed";
    s->output = json_incref(output);
    s->error = json_incref(error);
    if (error != NULL)
        set_why(s, error);
}

static void on_failed_attempt(struct step *s, json_t *entry)
{
    s->failed = (unsigned)json_int(entry, "attempt", 0);
    s->attempts = s->failed > s->attempts ? s->failed : s->attempts;
    s->again_at = json_int(json_object_get(entry, "data"), "due", 0);
    set_why(s, json_object_get(entry, "more"));
}

/* The attempt after those that failed was the last one. */
static void on_result(struct step *s)
{
    if (s->failed > 0)
        s->attempts = s->failed + 1;
    s->failed = 0;
    s->again_at = 0;
}

/* The journal holds a value once: later entries name the entry that has it, the first by silence.
 */
static json_t *shared(json_t *entries, const json_t *entry)
{
    json_int_t seq = json_int(entry, "sameAs", 0);
    const json_t *holder = json_array_get(entries, (size_t)seq);

    return json_int(holder, "seq", -1) == seq ? json_object_get(holder, "data") : NULL;
}

static void take(struct timeline *t, json_t *entries, json_t *entry)
{
    const char *kind = json_str(entry, "kind", ""), *name = json_str(entry, "name", "");
    json_t *data = json_object_get(entry, "data"), *more = json_object_get(entry, "more");
    json_t *same = shared(entries, entry);
    int64_t at = json_int(entry, "at", 0);
    struct step *s;

    if (strcmp(kind, "task-started") == 0) {
        step_add(t, name, at)->input = json_incref(data != NULL ? data : same);
    } else if (strcmp(kind, "task") == 0) {
        s = step_add(t, name, at);
        s->input = json_incref(more != NULL ? more : same);
        end(s, data != NULL ? data : s->input, NULL, at);
    } else if (strcmp(kind, "task-ended") == 0) {
        if ((s = by_key(t, name)) != NULL && s->ended == 0)
            end(s, data != NULL ? data : same, more, at);
    } else if (strcmp(kind, "attempt-failed") == 0) {
        if ((s = by_command(t, json_int(entry, "cmd", -1))) != NULL)
            on_failed_attempt(s, entry);
    } else if (strcmp(kind, "result") == 0) {
        if ((s = by_command(t, json_int(entry, "cmd", -1))) != NULL)
            on_result(s);
    } else if ((strcmp(kind, "run") == 0 || strcmp(kind, "call") == 0) &&
               (s = by_key(t, name)) != NULL) {
        bind(t, json_int(entry, "seq", -1), s);
        if (s->attempts == 0)
            s->attempts = 1;
    }
}

void timeline_init(struct timeline *t, json_t *entries, const char *final)
{
    json_t *entry;
    size_t i;

    *t = (struct timeline){0};
    json_array_foreach(entries, i, entry)
    {
        take(t, entries, entry);
    }
    for (i = 0; final != NULL && i < t->count; i++) {
        if (t->steps[i].ended == 0)
            t->steps[i].status = strcmp(final, "faulted") == 0 ? "faulted" : "cancelled";
    }
}

static void index_free(struct timeline_index **index)
{
    struct timeline_index *x, *next;

    HASH_ITER(hh, *index, x, next)
    {
        HASH_DEL(*index, x);
        free(x->key);
        free(x);
    }
}

void timeline_fini(struct timeline *t)
{
    for (size_t i = 0; i < t->count; i++) {
        struct step *s = &t->steps[i];

        json_decref(s->input);
        json_decref(s->output);
        json_decref(s->error);
        free(s->key);
        free(s->why);
    }
    free(t->steps);
    index_free(&t->by_key);
    index_free(&t->by_command);
}
