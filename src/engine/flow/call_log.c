/* call: log: a line of the instance's log, written once. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "engine/flow/frame.h"

static const char *const keys[] = {"message", "level", "fields", NULL};
static const char *const levels[] = {"debug", "info", "warn", "error", NULL};

struct line {
    struct expr *message, *fields;
    const char *level;
};

static const void *compile(struct compiler *c, json_t *with, const char *pointer)
{
    struct line *line = flow_alloc(c->f, sizeof *line);
    const char *level = get_string(c, with, pointer, "level", false);
    size_t i = 0;

    line->message = get_template(c, with, pointer, "message");
    line->fields = get_template(c, with, pointer, "fields");
    line->level = level != NULL ? level : "info";
    if (line->message == NULL)
        report(c, pointer, "add \"message\"", "\"message\" is missing");
    while (levels[i] != NULL && strcmp(levels[i], line->level) != 0)
        i++;
    if (levels[i] == NULL)
        report(c, ptr_key(c, pointer, "level"), remedy_closest(c, line->level, levels),
               "\"%.40s\" is no level", line->level);
    return line;
}

static void run(struct frame *f, const void *spec)
{
    const struct line *line = spec;
    json_t *message, *fields = NULL;

    if (!frame_eval(f, line->message, f->input, &message))
        return;
    if (line->fields != NULL && !frame_eval(f, line->fields, f->input, &fields)) {
        json_decref(message);
        return;
    }
    char *text = json_is_string(message) ? NULL : json_text(message);
    turn_log(f->run->turn, f->key, line->level, text != NULL ? text : json_string_value(message),
             fields);
    free(text);
    json_decref(message);
    json_decref(fields);
    frame_complete(f, f->input);
}

const struct call_kind call_log = {
    .name = "log", .keys = keys, .local = true, .compile = compile, .run = run};
