/* What every task does before and after its own work: `if`, input, output, export; and expressions
 * with the arguments that are in scope (dsl-digest, sections 2 and 3). */
#include <stdio.h>
#include <time.h>

#include "base/json.h"
#include "engine/flow/duration.h"
#include "engine/flow/frame.h"
#include "engine/problem.h"

static json_t *started_value(int64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    char day[40], text[64];
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text, sizeof text, "%s.%03dZ", day, (int)(ms % 1000));
    return json_pack("{s:s, s:{s:I, s:I}}", "iso8601", text, "epoch", "seconds",
                     (json_int_t)(ms / 1000), "milliseconds", (json_int_t)ms);
}

static json_t *task_value(const struct frame *f)
{
    return json_pack("{s:s, s:s%, s:O, s:O, s:O?, s:o}", "name", f->task->name, "reference", f->key,
                     f->ref_len, "definition", f->task->def, "input", f->raw, "output",
                     f->raw_output, "startedAt", started_value(f->started_at));
}

static json_t *workflow_value(struct run *run)
{
    if (run->workflow == NULL)
        run->workflow = json_pack("{s:s, s:O, s:O, s:o}", "id", turn_caller_id(run->turn),
                                  "definition", run->flow->document, "input", run->input,
                                  "startedAt", started_value(turn_started_at(run->turn)));
    return run->workflow;
}

enum errcode common_eval(struct frame *f, struct expr *e, json_t *dot, json_t *locals, json_t **out,
                         struct err *err)
{
    struct run *run = f->run;
    unsigned uses = expr_uses(e);
    struct expr_vars vars = {
        .context = run->context,
        .input = f->input,
        .output = f->output,
        .locals = locals,
        .now_ms = turn_now(run->turn),
    };
    enum errcode code;

    if (f->parent == NULL) /* the workflow's own: no $input, no $output */
        vars.input = vars.output = NULL;
    if ((uses & EXPR_TASK) != 0 && f->parent != NULL)
        vars.task = task_value(f);
    if ((uses & EXPR_WORKFLOW) != 0)
        vars.workflow = workflow_value(run);
    if ((uses & EXPR_RUNTIME) != 0)
        vars.runtime = run->flow->runtime;
    code = expr_eval(e, dot, &vars, out, err);
    json_decref(vars.task);
    return code;
}

bool frame_eval_with(struct frame *f, struct expr *e, json_t *dot, json_t *locals, json_t **out)
{
    struct err err;

    if (common_eval(f, e, dot, locals, out, &err) == ERR_OK)
        return true;
    frame_fault_err(f, &err);
    return false;
}

bool frame_eval(struct frame *f, struct expr *e, json_t *dot, json_t **out)
{
    return frame_eval_with(f, e, dot, f->locals, out);
}

bool frame_test_with(struct frame *f, struct expr *e, json_t *dot, json_t *locals, bool *out)
{
    json_t *value;

    if (!frame_eval_with(f, e, dot, locals, &value))
        return false;
    *out = !json_is_false(value) && !json_is_null(value); /* jq's truth */
    json_decref(value);
    return true;
}

bool frame_test(struct frame *f, struct expr *e, json_t *dot, bool *out)
{
    return frame_test_with(f, e, dot, f->locals, out);
}

bool frame_span(struct frame *f, const struct span *span, int64_t *ms)
{
    struct err err;
    enum errcode code;
    json_t *value;

    *ms = span->ms;
    if (span->expr == NULL)
        return true;
    if (!frame_eval(f, span->expr, f->input != NULL ? f->input : f->raw, &value))
        return false;
    code = duration_parse(value, ms, &err);
    json_decref(value);
    if (code == ERR_OK)
        return true;
    err.code = ERR_EXPRESSION; /* the document was right, what it computed is not */
    frame_fault_err(f, &err);
    return false;
}

static bool deeper_than(const json_t *value, int levels)
{
    const char *key;
    json_t *part;
    size_t i;

    if (!json_is_object(value) && !json_is_array(value))
        return false;
    if (levels == 0)
        return true;
    if (json_is_array(value)) {
        json_array_foreach(value, i, part)
        {
            if (deeper_than(part, levels - 1))
                return true;
        }
        return false;
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, part)
    {
        if (deeper_than(part, levels - 1))
            return true;
    }
    return false;
}

bool frame_bounded(struct frame *f, const json_t *value, const char *what)
{
    if (!deeper_than(value, JSON_DEPTH_MAX))
        return true;
    frame_fault(f, problem_new("runtime", 500, "Data nested too deeply",
                               "the %s is nested deeper than %d levels", what, JSON_DEPTH_MAX));
    return false;
}

json_t *json_with(json_t *object, const char *key, json_t *value)
{
    json_t *copy = object != NULL ? json_copy(object) : json_object();

    json_object_set(copy, key, value);
    return copy;
}

static bool check(struct frame *f, const struct schema *schema, const json_t *value)
{
    struct err err;

    if (schema == NULL || schema_check(schema, value, &err) == ERR_OK)
        return true;
    frame_fault_err(f, &err);
    return false;
}

bool common_enter(struct frame *f, bool *skip)
{
    const struct task *t = f->task;

    if (t->cond != NULL) {
        bool yes;

        if (!frame_test(f, t->cond, f->raw, &yes))
            return false;
        if (!yes) {
            *skip = true;
            return true;
        }
    }
    if (!check(f, t->input.schema, f->raw))
        return false;
    if (t->input.expr == NULL) {
        f->input = json_incref(f->raw);
        return true;
    }
    json_t *input;

    if (!frame_eval(f, t->input.expr, f->raw, &input))
        return false;
    f->input = input;
    return input == f->raw || frame_bounded(f, input, "input");
}

/* export.as sees the transformed output and replaces the context only when its schema agrees. */
static bool export_context(struct frame *f)
{
    json_t *context;

    if (f->task->export.expr == NULL)
        return check(f, f->task->export.schema, f->run->context);
    if (!frame_eval(f, f->task->export.expr, f->output, &context))
        return false;
    if (!check(f, f->task->export.schema, context) || !frame_bounded(f, context, "context")) {
        json_decref(context);
        return false;
    }
    json_decref(f->run->context);
    f->run->context = context;
    return true;
}

bool common_leave(struct frame *f, json_t *raw_output, json_t **output)
{
    const struct task *t = f->task;
    json_t *mapped = NULL;

    f->raw_output = json_incref(raw_output);
    f->output = json_incref(raw_output); /* what output.as sees as $output: D4 */
    if (t->output.expr != NULL) {
        if (!frame_eval(f, t->output.expr, raw_output, &mapped))
            return false;
        json_decref(f->output);
        f->output = mapped;
    }
    if (f->output != f->input && !frame_bounded(f, f->output, "output"))
        return false;
    if (!check(f, t->output.schema, f->output) || !export_context(f))
        return false;
    *output = json_incref(f->output);
    return true;
}
