/* Where a command does its work: a server elsewhere, the server on the data directory, or the store
 * opened here. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "net/remote.h"

enum { PAGE = 1000 };
#define ATTACH_MS (INT64_C(3600) * 1000) /* asked again after this */

/* Does somebody listen there? A socket that a dead server left behind refuses. */
static bool answers(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    if (strlen(path) >= sizeof address.sun_path)
        return false;
    memcpy(address.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool ok = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return ok;
}

static int open_remote(struct cli *c, const char *url)
{
    struct err err;

    return remote_new(c->loop, url, &c->remote, &c->api, &err) == ERR_OK ? CLI_OK : cli_fail(&err);
}

static int open_store(struct cli *c, enum session kind)
{
    struct app_options options = {.paused = kind != SESSION_RUN,
                                  .recovers = kind == SESSION_RUN,
                                  .load_flows = kind != SESSION_READ,
                                  .workflows = c->workflows,
                                  .workflow_count = c->workflow_count};
    const char *data = c->config->data;
    struct stat st;
    struct err err;

    if (kind == SESSION_READ && stat(data, &st) != 0) {
        cli_say("no server runs and there is no store (%s): start one with --serve, or name "
                "another with --data or --server",
                data);
        return CLI_UNREACHABLE;
    }
    if (app_open(c->loop, c->config, data, &options, &c->app, &err) != ERR_OK) {
        cli_fail(&err);
        return CLI_UNREACHABLE;
    }
    app_api(c->app, &c->api);
    return CLI_OK;
}

int cli_connect(struct cli *c, enum session kind)
{
    char *path, *url;
    int status;

    snprintf(c->by, sizeof c->by, "uid %u", (unsigned)getuid());
    if (c->values[OPT_SERVER] != NULL)
        return open_remote(c, c->values[OPT_SERVER]);
    path = mem_printf("%s/admin.sock", c->config->data);
    url = mem_printf("unix:%s", path);
    status = answers(path) ? open_remote(c, url) : open_store(c, kind);
    free(url);
    free(path);
    return status;
}

static void on_closed(void *arg)
{
    (void)arg; /* the loop runs until nothing is left */
}

void cli_disconnect(struct cli *c)
{
    if (c->remote != NULL) {
        remote_close(c->remote, on_closed, NULL);
        uv_run(c->loop, UV_RUN_DEFAULT);
    }
    if (c->app != NULL)
        app_close(c->app);
    c->remote = NULL;
    c->app = NULL;
}

bool cli_has_server(const struct cli *c)
{
    return c->remote != NULL;
}

/* ---- waiting ------------------------------------------------------------------------------------
 */

void cli_answered(void *arg, const struct err *err, json_t *result)
{
    struct answer *a = arg;

    if (err != NULL)
        a->err = *err;
    a->result = json_incref(result);
    a->done = true;
}

static void run_until(struct cli *c, struct answer *a)
{
    while (!a->done && uv_run(c->loop, UV_RUN_ONCE) != 0)
        ;
    if (!a->done)
        err_set(&a->err, ERR_INTERNAL, "there was no answer");
}

int cli_wait(struct cli *c, struct answer *a)
{
    run_until(c, a);
    return a->err.code == ERR_OK ? CLI_OK : cli_fail(&a->err);
}

/* What ended before the question came is answered from the store, with its output alone. */
static int name_end(struct cli *c, const char *id, json_t *end)
{
    struct answer a = {0};
    int status = CLI_OK;

    if (!json_is_string(json_object_get(end, "status"))) {
        c->api.describe(c->api.self, NULL, id, cli_answered, &a);
        status = cli_wait(c, &a);
        json_object_set_new(end, "id", json_string(id));
        json_object_set(end, "status", json_object_get(a.result, "status"));
        json_decref(a.result);
    }
    return status;
}

int cli_attach(struct cli *c, const char *id, struct answer *a)
{
    do {
        json_decref(a->result);
        *a = (struct answer){0};
        c->api.attach(c->api.self, NULL, id, ATTACH_MS, cli_answered, a);
        run_until(c, a);
    } while (a->err.code == ERR_NOT_READY || a->err.code == ERR_TIMEOUT);
    if (a->err.code != ERR_OK)
        return cli_fail(&a->err);
    return name_end(c, id, a->result);
}

json_t *cli_journal(struct cli *c, const char *id, int *status)
{
    json_t *all = json_array();
    json_int_t from = 0;

    for (;;) {
        struct answer a = {0};
        json_t *query = json_pack("{s:I, s:i}", "from", from, "limit", (int)PAGE);

        c->api.journal(c->api.self, id, query, cli_answered, &a);
        *status = cli_wait(c, &a);
        json_decref(query);
        json_t *entries = json_object_get(a.result, "entries");
        size_t n = json_array_size(entries);
        json_array_extend(all, entries);
        if (n > 0)
            from = json_int(json_array_get(entries, n - 1), "seq", from) + 1;
        json_decref(a.result);
        if (*status != CLI_OK) {
            json_decref(all);
            return NULL;
        }
        if (n < PAGE)
            return all;
    }
}
