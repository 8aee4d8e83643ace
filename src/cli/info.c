/* services, agents, doctor, explain, completion. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/words.h"
#include "cli/cli.h"
#include "cli/table.h"

enum { TEXT_MAX = 64 * 1024 };

typedef void question_fn(void *self, api_cb *cb, void *arg);
typedef void show_fn(const json_t *result);

static int ask(struct cli *c, size_t question, show_fn *show, bool must_be_ok)
{
    struct answer a = {0};
    int status = cli_connect(c, SESSION_WRITE);

    if (status == CLI_OK) {
        question_fn *fn;

        memcpy(&fn, (const char *)&c->api + question, sizeof fn);
        fn(c->api.self, cli_answered, &a);
        status = cli_wait(c, &a);
    }
    if (status == CLI_OK && c->values[OPT_JSON] != NULL)
        cli_json(a.result);
    else if (status == CLI_OK)
        show(a.result);
    if (status == CLI_OK && must_be_ok && !json_bool(a.result, "ok", false))
        status = CLI_FAILED;
    json_decref(a.result);
    return status;
}

static void cell_number(struct table *t, const json_t *object, const char *key)
{
    char text[32];

    snprintf(text, sizeof text, "%lld", (long long)json_int(object, key, 0));
    table_cell(t, text);
}

static void show_services(const json_t *result)
{
    static const char *const titles[] = {"SERVICE",  "NAMESPACE", "VERSION", "KIND",
                                         ">RUNNING", "TITLE",     NULL};
    struct table *t = table_new(titles);
    json_t *s;
    size_t i;

    json_array_foreach(json_object_get(result, "services"), i, s)
    {
        table_cell(t, json_str(s, "name", NULL));
        table_cell(t, json_str(s, "namespace", NULL));
        table_cell(t, json_str(s, "version", NULL));
        table_cell(t, json_str(s, "kind", NULL));
        cell_number(t, s, "running");
        table_cell(t, json_str(s, "title", json_str(s, "summary", "")));
    }
    table_print(t, stdout, table_terminal(stdout));
    table_free(t);
}

static void show_agents(const json_t *result)
{
    static const char *const titles[] = {"AGENT",    "TYPE",    "HEALTH",     "BREAKER",
                                         ">RUNNING", ">QUEUED", ">CALLS",     ">FAILED",
                                         ">MS",      "URL",     "LAST ERROR", NULL};
    struct table *t = table_new(titles);
    json_t *a, *health;
    size_t i;

    json_array_foreach(json_object_get(result, "agents"), i, a)
    {
        char text[32];

        health = json_object_get(a, "healthy");
        snprintf(text, sizeof text, "%.1f", json_number_value(json_object_get(a, "latencyMs")));
        table_cell(t, json_str(a, "name", NULL));
        table_cell(t, json_str(a, "type", NULL));
        table_cell(t, json_is_true(health) ? "up" : json_is_false(health) ? "down" : "unknown");
        table_cell(t, json_str(a, "breaker", NULL));
        cell_number(t, a, "inFlight");
        cell_number(t, a, "queued");
        cell_number(t, a, "calls");
        cell_number(t, a, "failures");
        table_cell(t, text);
        table_cell(t, json_str(a, "url", NULL));
        table_cell(t, json_str(a, "lastError", ""));
    }
    table_print(t, stdout, table_terminal(stdout));
    table_free(t);
}

static void show_doctor(const json_t *result)
{
    static const char *const titles[] = {"CHECK", "RESULT", "DETAIL", NULL};
    struct table *t = table_new(titles);
    json_t *check;
    size_t i;

    json_array_foreach(json_object_get(result, "checks"), i, check)
    {
        table_cell(t, json_str(check, "name", NULL));
        table_cell(t, json_bool(check, "ok", false) ? "ok" : "BROKEN");
        table_cell(t, json_str(check, "detail", ""));
    }
    table_print(t, stdout, table_terminal(stdout));
    table_free(t);
}

#define QUESTION(name, must_be_ok)                                                                 \
    int cmd_##name(struct cli *c, int count, char **args)                                          \
    {                                                                                              \
        (void)count, (void)args;                                                                   \
        return ask(c, offsetof(struct api, name), show_##name, must_be_ok);                        \
    }
QUESTION(services, false)
QUESTION(agents, false)
QUESTION(doctor, true)

/* ---- explain ------------------------------------------------------------------------------------
 */

static void explain(enum errcode code)
{
    printf("%-20s HTTP %d, %s, docs/errors.md#%s\n", err_name(code), err_http_status(code),
           err_retryable(code) ? "trying again may help" : "trying again does not help",
           err_name(code));
}

int cmd_explain(struct cli *c, int count, char **args)
{
    const char *names[ERR_COUNT], *near;

    (void)c;
    for (int i = 1; i < ERR_COUNT; i++) {
        names[i] = err_name((enum errcode)i);
        if (count == 0 || strcmp(args[0], names[i]) == 0)
            explain((enum errcode)i);
        if (count == 1 && strcmp(args[0], names[i]) == 0)
            return CLI_OK;
    }
    if (count == 0)
        return CLI_OK;
    near = words_closest(args[0], names + 1, ERR_COUNT - 1);
    cli_say("there is no error code \"%s\"%s%s%s", args[0], near != NULL ? ": did you mean \"" : "",
            near != NULL ? near : "", near != NULL ? "\"?" : "");
    return CLI_USAGE;
}

int cmd_completion(struct cli *c, int count, char **args)
{
    struct buf b;

    (void)c, (void)count;
    if (strcmp(args[0], "bash") != 0) {
        cli_say("there are completions for bash only, not \"%s\"", args[0]);
        return CLI_USAGE;
    }
    buf_init(&b, TEXT_MAX);
    cli_complete_bash(&b);
    fputs(b.data, stdout);
    buf_fini(&b);
    return CLI_OK;
}
