/* run FILE: one document from beginning to end in this process, in a store of its own that is gone
 * afterwards, or in the one that --data names. */
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/timeline.h"

enum { REPORT_MAX = 1 << 20, TREE_FDS = 16 };

struct foreground {
    struct cli *cli;
    char *scratch; /* the directory of its own, or NULL */
    char *id;      /* of the instance, once it is known */
    bool chatty;   /* progress on standard error */
    uv_signal_t intr, term;
    int signals, open;
};

/* ---- the store of its own -----------------------------------------------------------------------
 */

/* In memory where there is such a file system: nobody will miss it after a crash. */
static char *make_scratch(void)
{
    const char *dirs[] = {getenv("XDG_RUNTIME_DIR"), "/dev/shm", getenv("TMPDIR"), "/tmp"};

    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
        if (dirs[i] == NULL || dirs[i][0] != '/')
            continue;
        char *path = mem_printf("%s/ultramcp-run-XXXXXX", dirs[i]);
        if (mkdtemp(path) != NULL)
            return path;
        free(path);
    }
    return NULL;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static void remove_scratch(const char *path)
{
    if (path != NULL && nftw(path, remove_one, TREE_FDS, FTW_DEPTH | FTW_PHYS) != 0)
        cli_say("%s could not be removed: remove it by hand", path);
}

static int open_app(struct foreground *f)
{
    struct cli *c = f->cli;
    struct app_options options = {.recovers = f->scratch == NULL};
    struct err err;

    if (app_open(c->loop, c->config, f->scratch != NULL ? f->scratch : c->config->data, &options,
                 &c->app, &err) != ERR_OK) {
        cli_fail(&err);
        return CLI_UNREACHABLE;
    }
    app_api(c->app, &c->api);
    return CLI_OK;
}

/* ---- progress -----------------------------------------------------------------------------------
 */

static void show_entry(const char *service, const json_t *entry)
{
    const char *kind = json_str(entry, "kind", "");
    json_t *error = json_object_get(entry, "error");
    const char *mark = strcmp(kind, "task-started") == 0     ? "▸"
                       : strcmp(kind, "attempt-failed") == 0 ? "↻"
                       : strcmp(kind, "task-ended") == 0     ? (error != NULL ? "✗" : "✓")
                                                             : NULL;

    if (mark == NULL)
        return;
    char *why = timeline_error_text(error);
    char *line = mem_printf("%s %s %s%s%s", mark, service, json_str(entry, "name", ""),
                            error != NULL ? ": " : "", why);
    cli_put(stderr, line);
    fputc('\n', stderr);
    free(line);
    free(why);
}

static void on_event(void *arg, const struct err *err, json_t *event)
{
    json_t *entry;
    size_t i;

    (void)arg;
    if (err != NULL)
        return;
    json_array_foreach(json_object_get(event, "entries"), i, entry)
    {
        show_entry(json_str(event, "service", ""), entry);
    }
}

/* ---- ^C -----------------------------------------------------------------------------------------
 */

static void on_cancelled(void *arg, const struct err *err, json_t *result)
{
    (void)arg, (void)result;
    if (err != NULL)
        cli_say("it could not be cancelled: %s", err->text);
}

/* The first one cancels, so that what the document undoes on cancellation is undone; the second
 * one is for who cannot wait. */
static void on_signal(uv_signal_t *handle, int signum)
{
    struct foreground *f = handle->data;

    (void)signum;
    if (++f->signals > 1 || f->id == NULL) {
        remove_scratch(f->scratch);
        _exit(CLI_CANCELLED);
    }
    app_interrupted(f->cli->app);
    cli_say("cancelling; once more to stop at once");
    struct api_act act = {.id = f->id, .by = "terminal", .why = "interrupted"};
    f->cli->api.cancel(f->cli->api.self, &act, on_cancelled, f);
}

static void watch(struct foreground *f, uv_signal_t *handle, int signum)
{
    uv_signal_init(f->cli->loop, handle);
    handle->data = f;
    uv_signal_start(handle, on_signal, signum);
    uv_unref((uv_handle_t *)handle);
}

static void on_closed(uv_handle_t *handle)
{
    struct foreground *f = handle->data;

    f->open--;
}

static void unwatch(struct foreground *f)
{
    f->open = 2;
    uv_close((uv_handle_t *)&f->intr, on_closed);
    uv_close((uv_handle_t *)&f->term, on_closed);
    while (f->open > 0)
        uv_run(f->cli->loop, UV_RUN_ONCE);
}

/* ---- the end ------------------------------------------------------------------------------------
 */

static json_t *tasks_json(json_t *entries, const char *status)
{
    struct timeline t;
    json_t *list = json_array();

    timeline_init(&t, entries, status);
    for (size_t i = 0; i < t.count; i++) {
        const struct step *s = &t.steps[i];
        char *name = timeline_name(s->key), *reference = timeline_reference(s->key);

        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:O?, s:O?}", "name", name,
                                              "reference", reference, "status", s->status, "output",
                                              s->output, "error", s->error));
        free(reference);
        free(name);
    }
    timeline_fini(&t);
    return list;
}

static int show_json(struct cli *c, const json_t *end)
{
    const char *id = json_str(end, "id", ""), *status = json_str(end, "status", "");
    int code;
    json_t *entries = cli_journal(c, id, &code);

    if (entries == NULL)
        return code;
    json_t *all = json_pack("{s:s, s:s, s:O?, s:O?, s:o}", "id", id, "status", status, "output",
                            json_object_get(end, "output"), "error", json_object_get(end, "error"),
                            "tasks", tasks_json(entries, status));
    cli_json(all);
    json_decref(all);
    json_decref(entries);
    return CLI_OK;
}

static int show_end(struct cli *c, const json_t *end)
{
    const char *status = json_str(end, "status", "");
    json_t *output = json_object_get(end, "output"), *error = json_object_get(end, "error");
    int shown = CLI_OK;

    if (c->values[OPT_JSON] != NULL)
        shown = show_json(c, end);
    else if (strcmp(status, "completed") == 0 && output != NULL)
        cli_pretty(output);
    if (shown != CLI_OK)
        return shown;
    if (strcmp(status, "completed") == 0)
        return CLI_OK;
    if (strcmp(status, "cancelled") == 0) {
        cli_say("the workflow was cancelled");
        return CLI_CANCELLED;
    }
    char *why = timeline_error_text(error);
    cli_say("the workflow faulted (%s): %s", json_str(error, "instance", json_str(end, "id", "")),
            why);
    free(why);
    return CLI_FAILED;
}

static int run(struct foreground *f, const struct flow *flow, json_t *input)
{
    struct cli *c = f->cli;
    struct api_start start = {
        .service = flow_name(flow), .version = flow_version(flow), .input = input};
    struct answer started = {0}, ended = {0};
    int status;

    if (f->chatty)
        c->api.subscribe(c->api.self, NULL, on_event, f);
    c->api.start(c->api.self, &start, cli_answered, &started);
    status = cli_wait(c, &started);
    if (status == CLI_OK) {
        f->id = mem_strdup(json_str(started.result, "id", ""));
        status = cli_attach(c, f->id, &ended);
    }
    if (status == CLI_OK)
        status = show_end(c, ended.result);
    json_decref(ended.result);
    json_decref(started.result);
    return status;
}

/* The document first: where a directory has another one of its name and version, this one runs.
 * The directories are for what it calls. */
static int load(struct cli *c, const char *path, const struct flow **flow)
{
    struct app_options options = {.workflows = c->workflows, .workflow_count = c->workflow_count};
    struct buf report;
    struct err err;
    enum errcode code;

    buf_init(&report, REPORT_MAX);
    code = app_load(c->app, path, &report, flow, &err);
    if (report.len > 0)
        cli_put(stderr, report.data);
    buf_fini(&report);
    if (code != ERR_OK) {
        cli_fail(&err);
        return CLI_USAGE;
    }
    app_load_flows(c->app, &options);
    return CLI_OK;
}

int cmd_run(struct cli *c, int count, char **args)
{
    struct foreground f = {.cli = c, .chatty = isatty(STDERR_FILENO)};
    const struct flow *flow = NULL;
    json_t *input = NULL;
    struct err err;
    int status = CLI_OK;

    (void)count;
    if (cli_value(c->values[OPT_INPUT], "--input", json_object(), &input, &err) != ERR_OK)
        return cli_fail(&err);
    if (c->values[OPT_DATA] == NULL && (f.scratch = make_scratch()) == NULL) {
        cli_say("there is no place for a temporary store: name one with --data");
        status = CLI_UNREACHABLE;
    }
    watch(&f, &f.intr, SIGINT);
    watch(&f, &f.term, SIGTERM);
    if (status == CLI_OK)
        status = open_app(&f);
    if (status == CLI_OK)
        status = load(c, args[0], &flow);
    if (status == CLI_OK)
        status = run(&f, flow, input);
    unwatch(&f);
    cli_disconnect(c);
    remove_scratch(f.scratch);
    json_decref(input);
    free(f.scratch);
    free(f.id);
    return status;
}
