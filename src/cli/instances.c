/* list and describe. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/table.h"
#include "cli/timeline.h"
#include "engine/driver.h"
#include "engine/store/store.h"

enum { LIST_DEFAULT = 50, LIST_MAX = 1000 };

/* ---- list ---------------------------------------------------------------------------------------
 */

static enum errcode add_statuses(json_t *query, const char *names, struct err *err)
{
    json_t *list = json_array();
    enum errcode code = ERR_OK;
    size_t len;

    json_object_set_new(query, "status", list);
    for (; *names != '\0' && code == ERR_OK; names += len + (names[len] == ',')) {
        len = strcspn(names, ",");
        char *name = mem_strndup(names, len);

        if (status_from_name(name) < 0)
            code = err_set(err, ERR_USAGE,
                           "there is no status \"%s\": pending, running, waiting, suspended, "
                           "completed, faulted or cancelled",
                           name);
        json_array_append_new(list, json_string(name));
        free(name);
    }
    return code;
}

static enum errcode make_query(const struct cli *c, json_t *query, struct err *err)
{
    const char *limit = c->values[OPT_LIMIT];
    char *end = NULL;
    long n = limit != NULL ? strtol(limit, &end, 10) : LIST_DEFAULT;

    if (limit != NULL && (end == limit || *end != '\0' || n < 1 || n > LIST_MAX))
        return err_set(err, ERR_USAGE, "--limit takes a number from 1 to %d", LIST_MAX);
    json_object_set_new(query, "limit", json_integer(n));
    if (c->values[OPT_SERVICE] != NULL)
        json_object_set_new(query, "service", json_string(c->values[OPT_SERVICE]));
    if (c->values[OPT_TEXT] != NULL)
        json_object_set_new(query, "text", json_string(c->values[OPT_TEXT]));
    return c->values[OPT_STATUS] != NULL ? add_statuses(query, c->values[OPT_STATUS], err) : ERR_OK;
}

/* Of an instance that goes on: what it does or waits for; of one that ended: why it is no success.
 */
static char *remark(const json_t *row)
{
    const char *step = json_str(row, "step", ""), *why = json_str(row, "why", ""),
               *reason = json_str(row, "reason", "");
    bool ended = json_is_integer(json_object_get(row, "ended"));

    if (ended || *step == '\0')
        return mem_strdup(why);
    return mem_printf("%s%s%s%s%s%s", step, *reason != '\0' ? " (" : "", reason,
                      *reason != '\0' ? ")" : "", *why != '\0' ? ": " : "", why);
}

static int64_t span_of(const json_t *row)
{
    int64_t from = json_int(row, "started", 0), to = json_int(row, "ended", 0);

    return from == 0 ? -1 : (to != 0 ? to : driver_now()) - from;
}

static void show_list(const json_t *rows)
{
    static const char *const titles[] = {"ID",    "SERVICE",   "STATUS", "CREATED",
                                         ">TIME", ">ATTEMPTS", "REMARK", NULL};
    struct table *t = table_new(titles);
    char text[TEXT_TIME_SIZE], number[24];
    json_t *row;
    size_t i;

    json_array_foreach(rows, i, row)
    {
        char *why = remark(row);

        table_cell(t, json_str(row, "id", NULL));
        table_cell(t, json_str(row, "service", NULL));
        table_cell(t, json_str(row, "status", NULL));
        table_cell(t, text_time(json_int(row, "created", 0), text));
        table_cell(t, text_span(span_of(row), text));
        snprintf(number, sizeof number, "%lld", (long long)json_int(row, "attempts", 0));
        table_cell(t, number);
        table_cell(t, why);
        free(why);
    }
    table_print(t, stdout, table_terminal(stdout));
    table_free(t);
}

int cmd_list(struct cli *c, int count, char **args)
{
    json_t *query = json_object();
    struct answer a = {0};
    struct err err;
    int status;

    (void)count, (void)args;
    if (make_query(c, query, &err) != ERR_OK) {
        json_decref(query);
        return cli_fail(&err);
    }
    status = cli_connect(c, SESSION_READ);
    if (status == CLI_OK) {
        c->api.list(c->api.self, query, cli_answered, &a);
        status = cli_wait(c, &a);
    }
    if (status == CLI_OK && c->values[OPT_JSON] != NULL)
        cli_json(a.result);
    else if (status == CLI_OK)
        show_list(json_object_get(a.result, "instances"));
    json_decref(a.result);
    json_decref(query);
    return status;
}

/* ---- describe -----------------------------------------------------------------------------------
 */

static void show_field(const char *name, const char *value)
{
    char *line;

    if (value == NULL || *value == '\0' || strcmp(value, "-") == 0)
        return;
    line = mem_printf("%-10s %s\n", name, value);
    cli_put(stdout, line);
    free(line);
}

static void show_head(const json_t *row)
{
    char text[TEXT_TIME_SIZE];
    char *status =
        mem_printf("%s%s%s", json_str(row, "status", "?"),
                   *json_str(row, "reason", "") != '\0' ? ", " : "", json_str(row, "reason", ""));
    char *service =
        mem_printf("%s %s", json_str(row, "service", "?"), json_str(row, "version", ""));

    show_field("id", json_str(row, "id", NULL));
    show_field("service", service);
    show_field("caller id", json_str(row, "callerId", NULL));
    show_field("parent", json_str(row, "parent", NULL));
    show_field("status", status);
    show_field("why", json_str(row, "why", NULL));
    show_field("created", text_time(json_int(row, "created", 0), text));
    show_field("ended", text_time(json_int(row, "ended", 0), text));
    show_field("wakes at", text_time(json_int(row, "wakeAt", 0), text));
    show_field("took", text_span(span_of(row), text));
    free(service);
    free(status);
}

static void show_steps(const struct timeline *timeline)
{
    static const char *const titles[] = {"STEP",  "STATUS", ">ATTEMPTS", "STARTED",
                                         ">TIME", "ERROR",  NULL};
    struct table *t = table_new(titles);
    char text[TEXT_TIME_SIZE], number[24];

    for (size_t i = 0; i < timeline->count; i++) {
        const struct step *s = &timeline->steps[i];

        table_cell(t, s->key);
        table_cell(t, s->again_at != 0 ? "retrying" : s->status);
        snprintf(number, sizeof number, "%u", s->attempts);
        table_cell(t, s->attempts > 0 ? number : "-");
        table_cell(t, text_time(s->started, text));
        table_cell(t, text_span(s->ended != 0 ? s->ended - s->started : -1, text));
        table_cell(t, s->why != NULL ? s->why : "");
    }
    putchar('\n');
    table_print(t, stdout, table_terminal(stdout));
    table_free(t);
}

static json_t *steps_json(const struct timeline *timeline)
{
    json_t *list = json_array();

    for (size_t i = 0; i < timeline->count; i++) {
        const struct step *s = &timeline->steps[i];

        json_array_append_new(
            list, json_pack("{s:s, s:s, s:i, s:I, s:I, s:O*, s:O*, s:O*, s:s*}", "key", s->key,
                            "status", s->status, "attempts", (int)s->attempts, "started",
                            (json_int_t)s->started, "ended", (json_int_t)s->ended, "input",
                            s->input, "output", s->output, "error", s->error, "why", s->why));
    }
    return list;
}

static void show_end(const json_t *end)
{
    const json_t *output = json_object_get(end, "output"), *error = json_object_get(end, "error");

    if (output == NULL && error == NULL)
        return;
    puts(error != NULL ? "\nerror" : "\noutput");
    cli_pretty(error != NULL ? error : output);
}

static bool is_final(const json_t *row)
{
    int status = status_from_name(json_str(row, "status", ""));

    return status >= 0 && status_is_final((unsigned)status);
}

/* Output or error of what has ended; {} of what has not. */
static json_t *find_end(struct cli *c, const json_t *row)
{
    struct answer a = {0};

    if (!is_final(row))
        return json_object();
    c->api.attach(c->api.self, NULL, json_str(row, "id", ""), 0, cli_answered, &a);
    while (!a.done && uv_run(c->loop, UV_RUN_ONCE) != 0)
        ;
    return json_is_object(a.result) ? a.result : json_object();
}

static int describe(struct cli *c, json_t *row)
{
    int status;
    json_t *entries = cli_journal(c, json_str(row, "id", ""), &status);
    struct timeline timeline;

    if (entries == NULL)
        return status;
    json_t *end = find_end(c, row);
    timeline_init(&timeline, entries, is_final(row) ? json_str(row, "status", "") : NULL);
    if (c->values[OPT_JSON] != NULL) {
        json_object_set_new(row, "steps", steps_json(&timeline));
        json_object_update_missing(row, end);
        cli_json(row);
    } else {
        show_head(row);
        show_steps(&timeline);
        show_end(end);
    }
    timeline_fini(&timeline);
    json_decref(end);
    json_decref(entries);
    return CLI_OK;
}

int cmd_describe(struct cli *c, int count, char **args)
{
    struct answer a = {0};
    int status = cli_connect(c, SESSION_READ);

    (void)count;
    if (status == CLI_OK) {
        c->api.describe(c->api.self, NULL, args[0], cli_answered, &a);
        status = cli_wait(c, &a);
    }
    if (status == CLI_OK)
        status = describe(c, a.result);
    json_decref(a.result);
    return status;
}
