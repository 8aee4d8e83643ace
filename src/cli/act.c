/* What changes something: start, and the acts on one instance. Without a server they are recorded
 * in the store, durable, and take effect when one runs: an operator who cancels one instance does
 * not want all the others to run for a moment. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cli/cli.h"

static int finish(struct cli *c, int status, struct answer *a, const char *what)
{
    if (status == CLI_OK && c->values[OPT_JSON] != NULL) {
        cli_json(a->result);
    } else if (status == CLI_OK) {
        cli_put(stdout, json_str(a->result, "id", ""));
        putchar('\n');
    }
    if (status == CLI_OK && !cli_has_server(c) && what != NULL)
        cli_say("no server runs: the %s is recorded and takes effect when one does", what);
    json_decref(a->result);
    return status;
}

/* ---- start --------------------------------------------------------------------------------------
 */

static int end_of(const json_t *result)
{
    const char *status = json_str(result, "status", "");

    return strcmp(status, "completed") == 0   ? CLI_OK
           : strcmp(status, "cancelled") == 0 ? CLI_CANCELLED
                                              : CLI_FAILED;
}

static int wait_end(struct cli *c, const char *id)
{
    struct answer a = {0};
    int status = cli_attach(c, id, &a);

    if (status == CLI_OK) {
        json_t *output = json_object_get(a.result, "output");

        status = end_of(a.result);
        if (c->values[OPT_JSON] != NULL)
            cli_json(a.result);
        else
            cli_pretty(output != NULL ? output : json_object_get(a.result, "error"));
    }
    json_decref(a.result);
    return status;
}

static enum errcode make_start(struct cli *c, char **args, struct api_start *start, struct err *err)
{
    *start = (struct api_start){
        .service = args[0], .idempotency_key = c->values[OPT_KEY], .caller_id = c->values[OPT_ID]};
    if (c->values[OPT_DELAY] != NULL && !cli_duration(c->values[OPT_DELAY], &start->delay_ms))
        return err_set(err, ERR_USAGE, "--delay takes a duration: 500ms, 10s, 5m, 2h or 1d");
    return cli_value(c->values[OPT_INPUT], "--input", json_object(), &start->input, err);
}

int cmd_start(struct cli *c, int count, char **args)
{
    struct answer a = {0};
    struct api_start start;
    struct err err;
    bool wait = c->values[OPT_WAIT] != NULL;
    int status;

    (void)count;
    if (make_start(c, args, &start, &err) != ERR_OK)
        return cli_fail(&err);
    status = cli_connect(c, wait ? SESSION_RUN : SESSION_WRITE);
    if (status == CLI_OK) {
        c->api.start(c->api.self, &start, cli_answered, &a);
        status = cli_wait(c, &a);
    }
    json_decref(start.input);
    if (status != CLI_OK || !wait)
        return finish(c, status, &a, "start");
    status = wait_end(c, json_str(a.result, "id", ""));
    json_decref(a.result);
    return status;
}

/* ---- acts ---------------------------------------------------------------------------------------
 */

typedef void act_fn(void *self, const struct api_act *act, api_cb *cb, void *arg);

static int act(struct cli *c, char **args, const char *what, size_t offset)
{
    struct answer a = {0};
    int status = cli_connect(c, SESSION_READ);

    if (status == CLI_OK) {
        struct api_act act = {.id = args[0], .by = c->by, .why = c->values[OPT_WHY]};
        act_fn *fn;

        memcpy(&fn, (const char *)&c->api + offset, sizeof fn);
        fn(c->api.self, &act, cli_answered, &a);
        status = cli_wait(c, &a);
    }
    return finish(c, status, &a, strcmp(what, "purge") != 0 ? what : NULL);
}

#define ACT(name)                                                                                  \
    int cmd_##name(struct cli *c, int count, char **args)                                          \
    {                                                                                              \
        (void)count;                                                                               \
        return act(c, args, #name, offsetof(struct api, name));                                    \
    }
ACT(cancel)
ACT(kill)
ACT(pause)
ACT(resume)
ACT(purge)

int cmd_restart(struct cli *c, int count, char **args)
{
    struct answer a = {0};
    int status = cli_connect(c, SESSION_WRITE);

    (void)count;
    if (status == CLI_OK) {
        struct api_act act = {.id = args[0], .by = c->by, .why = c->values[OPT_WHY]};

        c->api.restart(c->api.self, &act, c->values[OPT_FROM], cli_answered, &a);
        status = cli_wait(c, &a);
    }
    return finish(c, status, &a, "restart");
}

int cmd_signal(struct cli *c, int count, char **args)
{
    struct answer a = {0};
    json_t *payload = NULL;
    struct err err;
    int status;

    (void)count;
    if (cli_value(c->values[OPT_PAYLOAD], "--data", json_null(), &payload, &err) != ERR_OK)
        return cli_fail(&err);
    status = cli_connect(c, SESSION_READ);
    if (status == CLI_OK) {
        struct api_act act = {.id = args[0], .by = c->by};

        c->api.signal(c->api.self, &act, args[1], payload, cli_answered, &a);
        status = cli_wait(c, &a);
    }
    json_decref(payload);
    return finish(c, status, &a, "signal");
}
