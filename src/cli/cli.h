/* The command line. One table of commands and one of options; usage errors, --help and `completion`
 * derive from them. A command talks to the server that runs on the data directory (or --server),
 * else it opens the store itself, without running anything. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <uv.h>

#include "app.h"
#include "base/buf.h"
#include "base/config.h"
#include "base/err.h"
#include "engine/api.h"

struct remote;

enum cli_exit { /* what a script can rely on */
                CLI_OK = 0,
                CLI_FAILED = 1, /* the workflow faulted, a document is not valid, the doctor found
                                   something */
                CLI_USAGE = 2,
                CLI_CANCELLED = 3,
                CLI_UNREACHABLE = 4, /* no server, no store */
};

/*       id           long name    short argument          where  help */
#define OPTION_TABLE(X)                                                                            \
    X(OPT_SERVE, "serve", 0, NULL, true, "run the server: engine, ingress, admin")                 \
    X(OPT_CONFIG, "config", 'c', "FILE", true, "read this configuration")                          \
    X(OPT_DATA, "data", 'd', "DIR", true, "data directory: store, lock, admin.sock")               \
    X(OPT_SERVER, "server", 's', "URL", true, "talk to http://HOST:PORT or unix:/PATH")            \
    X(OPT_WORKFLOWS, "workflows", 'w', "DIR", true, "load documents from here (repeatable)")       \
    X(OPT_PAUSED, "paused", 0, NULL, true, "with --serve: open everything, run nothing")           \
    X(OPT_HELP, "help", 'h', NULL, true, "show this help, or a command's")                         \
    X(OPT_VERSION, "version", 'V', NULL, true, "show the version")                                 \
    X(OPT_JSON, "json", 'j', NULL, false, "one JSON value on standard output")                     \
    X(OPT_INPUT, "input", 'i', "JSON|@FILE|-", false, "the input (default: {})")                   \
    X(OPT_STATUS, "status", 0, "STATUS", false, "only these (a,b,…)")                              \
    X(OPT_SERVICE, "service", 0, "NAME", false, "only instances of this service")                  \
    X(OPT_TEXT, "text", 0, "TEXT", false, "only where an id, service or error contains this")      \
    X(OPT_LIMIT, "limit", 'n', "N", false, "at most so many (default 50)")                         \
    X(OPT_KEY, "key", 0, "KEY", false, "idempotency key: the same start happens once")             \
    X(OPT_ID, "id", 0, "ID", false, "an id of your own for the instance")                          \
    X(OPT_DELAY, "delay", 0, "DURATION", false, "begin later: 500ms, 10s, 5m, 2h, 1d")             \
    X(OPT_WAIT, "wait", 0, NULL, false, "wait for the end and show it")                            \
    X(OPT_WHY, "why", 0, "TEXT", false, "the reason, for the journal")                             \
    X(OPT_FROM, "from", 0, "STEP", false, "keep what was done before this step")                   \
    X(OPT_PAYLOAD, "data", 0, "JSON|@FILE|-", false, "the payload (default: null)")

enum option_id {
#define X(id, name, letter, arg, everywhere, help) id,
    OPTION_TABLE(X)
#undef X
        OPT_COUNT
};

struct option_info {
    const char *name;
    int letter;       /* 0: none */
    const char *arg;  /* NULL: takes none */
    bool everywhere;  /* goes with every command */
    const char *help; /* one line */
};
extern const struct option_info cli_options[OPT_COUNT];

enum { COMMAND_OPTIONS_MAX = 8 };

struct cli;

/* Runs the command; `args` are its arguments behind its name, already counted. Returns an exit
 * status; says itself what went wrong. */
typedef int command_run(struct cli *c, int count, char **args);

struct command {
    const char *name;
    const char *args; /* as in the usage line: "ID NAME", "[CODE]"; "FILE…" takes any number */
    int least, most;  /* of arguments; most -1: any number */
    const char *help; /* one sentence */
    enum option_id options[COMMAND_OPTIONS_MAX]; /* its own, ended by OPT_COUNT */
    command_run *run;
};
const struct command *cli_commands(size_t *count);

struct cli {
    uv_loop_t *loop;
    struct config *config;
    const struct command *command; /* NULL: none given */
    const char *values[OPT_COUNT]; /* "" for an option without argument; NULL: not given */
    char **workflows;              /* all of --workflows; texts are argv's */
    size_t workflow_count;
    int arg_count;
    char **args; /* texts are argv's */

    /* After cli_connect. */
    struct api api;
    struct remote *remote; /* one of the two */
    struct app *app;
    char by[32]; /* who: "uid 1000" */
};

/* ---- parse.c, help.c: pure ---- */
/* CLI_OK, or what to exit with; the message goes to `out` (a usage error, with a suggestion). */
int cli_parse(struct cli *c, int argc, char **argv, struct buf *out);
void cli_parse_fini(struct cli *c);
bool cli_allows(const struct command *command, enum option_id id);
void cli_help(const struct command *command /* NULL: all */, struct buf *out);
void cli_complete_bash(struct buf *out);
/* "500ms" "10s" "5m" "2h" "1d"; a number alone is seconds. False when it is none of them. */
bool cli_duration(const char *text, int64_t *ms);

/* ---- session.c ---- */
enum session {
    SESSION_READ,  /* needs a server, or a store that exists */
    SESSION_WRITE, /* makes the store when there is none */
    SESSION_RUN,   /* and runs instances in this process when there is no server */
};
/* CLI_OK or an exit status, after having said what is wrong. */
int cli_connect(struct cli *c, enum session kind);
void cli_disconnect(struct cli *c);
bool cli_has_server(const struct cli *c);

/* An answer of the api, waited for. */
struct answer {
    struct err err; /* code ERR_OK: it went well */
    json_t *result; /* owned */
    bool done;
};
void cli_answered(void *arg, const struct err *err, json_t *result); /* api_cb; arg: the answer */
int cli_wait(struct cli *c, struct answer *a); /* CLI_OK or an exit status, said */
/* Waits for the end of an instance: {id, status, output | error}. */
int cli_attach(struct cli *c, const char *id, struct answer *a);
/* All entries of a journal, page by page; NULL and `status` when that fails. New reference. */
json_t *cli_journal(struct cli *c, const char *id, int *status);

/* ---- say.c ---- */
/* "ultramcp-restate: what: remedy" on standard error, harmless. */
void cli_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int cli_fail(const struct err *err); /* says it, returns its exit status */
int cli_exit_of(enum errcode code);
void cli_put(FILE *to, const char *text); /* harmless text, lines kept */
void cli_json(const json_t *value);       /* one compact line on standard output */
void cli_pretty(const json_t *value);     /* indented, for people */
/* A value given on the command line: JSON, @FILE or - for standard input. NULL text: `fallback`
 * (taken). */
enum errcode cli_value(const char *text, const char *what, json_t *fallback, json_t **out,
                       struct err *err);

/* ---- commands, by file ---- */
command_run cmd_run, cmd_validate, cmd_list, cmd_describe, cmd_start, cmd_cancel, cmd_kill,
    cmd_pause, cmd_resume, cmd_purge, cmd_restart, cmd_signal, cmd_services, cmd_agents, cmd_doctor,
    cmd_explain, cmd_completion;

#endif
