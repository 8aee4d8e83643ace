/* ultramcp-restate: the command line; picks the mode and wires the rooms together. */
#include <limits.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app.h"
#include "base/config.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/cli.h"

enum { TEXT_MAX = 64 * 1024 };

static void log_start(const struct cli *c)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    enum log_level level = LOG_INFO;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(c->config->log_level, names[i]) == 0)
            level = (enum log_level)i;
    }
    /* A command says what concerns it itself. */
    if (c->values[OPT_SERVE] == NULL && level < LOG_WARN)
        level = LOG_WARN;
    log_init(level, STDERR_FILENO);
}

static int load_config(struct cli *c)
{
    char cwd[PATH_MAX];
    struct err err;

    if (config_load(c->values[OPT_CONFIG], &c->config, &err) != ERR_OK) {
        cli_say("%s", err.text);
        return CLI_USAGE;
    }
    if (c->values[OPT_DATA] != NULL) {
        free(c->config->data);
        c->config->data = mem_strdup(c->values[OPT_DATA]);
    }
    if (c->config->data[0] != '/' && getcwd(cwd, sizeof cwd) != NULL) {
        char *data = mem_printf("%s/%s", cwd, c->config->data);

        free(c->config->data);
        c->config->data = data;
    }
    return CLI_OK;
}

static int serve(struct cli *c)
{
    struct app_options options = {.paused = c->values[OPT_PAUSED] != NULL,
                                  .recovers = true,
                                  .load_flows = true,
                                  .workflows = c->workflows,
                                  .workflow_count = c->workflow_count};
    struct err err;
    enum errcode code = app_open(c->loop, c->config, c->config->data, &options, &c->app, &err);

    if (code == ERR_OK)
        code = app_serve(c->app, &err);
    if (code == ERR_OK)
        return CLI_OK;
    cli_say("%s", err.text);
    return code == ERR_CONFIG || code == ERR_FORBIDDEN ? CLI_USAGE : CLI_UNREACHABLE;
}

static int show_help(const struct command *command)
{
    struct buf b;

    buf_init(&b, TEXT_MAX);
    cli_help(command, &b);
    fputs(b.data, stdout);
    buf_fini(&b);
    return CLI_OK;
}

static int run(struct cli *c)
{
    int status;

    if (c->values[OPT_HELP] != NULL)
        return show_help(c->command);
    if (c->values[OPT_VERSION] != NULL) {
        puts("ultramcp-restate " VERSION);
        return CLI_OK;
    }
    if (c->command == NULL && c->values[OPT_SERVE] == NULL) {
        cli_say("there is nothing to do: give a command, or --serve; --help lists both");
        return CLI_USAGE;
    }
    status = load_config(c);
    if (status != CLI_OK)
        return status;
    log_start(c);
    status = c->command != NULL ? c->command->run(c, c->arg_count, c->args) : serve(c);
    cli_disconnect(c);
    return status;
}

/* Output that could not be written is no success (a full disk, a closed pipe). */
static int flush_output(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    cli_say("standard output cannot be written to");
    return status != CLI_OK ? status : CLI_FAILED;
}

int main(int argc, char **argv)
{
    uv_loop_t loop;
    struct cli c = {.loop = &loop};
    struct buf message;
    int status;

    signal(SIGPIPE, SIG_IGN);
    if (setlocale(LC_CTYPE, "") == NULL || MB_CUR_MAX == 1)
        setlocale(LC_CTYPE, "C.UTF-8");
    uv_loop_init(&loop);
    buf_init(&message, TEXT_MAX);
    status = cli_parse(&c, argc, argv, &message);
    if (status != CLI_OK)
        cli_say("%s", message.data != NULL ? message.data : "usage");
    else
        status = flush_output(run(&c));
    config_free(c.config);
    cli_parse_fini(&c);
    buf_fini(&message);
    uv_loop_close(&loop);
    uv_library_shutdown();
    return status;
}
