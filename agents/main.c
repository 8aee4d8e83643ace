/* ultramcp-agents: the command line, the signals, eight servers. */
#include <curl/curl.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server.h"
#include "base/log.h"
#include "base/mem.h"

static const char help_text[] =
    "usage: ultramcp-agents [options]\n"
    "\n"
    "The eight reference agents of UltraMCP on eight ports in a row: chain-of-debate,\n"
    "asterisk-security, blockoli-intelligence, voice-system, deepclaude-engine, control-tower,\n"
    "claude-memory, sam-mcp. GET /health and GET /stats on each. SIGTERM or SIGINT ends them.\n"
    "\n"
    "  --host ADDRESS      IPv4 address to listen on (127.0.0.1)\n"
    "  --base-port PORT    the first of eight ports (8001)\n"
    "  --latency MS        wait before the work of each POST (0)\n"
    "  --failure-rate P    answer this share of POSTs, 0 to 1, with 503 before any work (0)\n"
    "  --seed N            of those failures (1)\n"
    "  --work DIR          where repositories are cloned to ($XDG_CACHE_HOME/ultramcp-agents)\n"
    "  --model-url URL     debate with an OpenAI-compatible model ($ULTRAMCP_MODEL_URL), else by\n"
    "                      rule; its name is in $ULTRAMCP_MODEL, its key in $ULTRAMCP_MODEL_KEY\n"
    "  --help, --version\n";

static bool parse_number(const char *text, double least, double most, double *out)
{
    char *end;

    errno = 0;
    *out = strtod(text, &end);
    return errno == 0 && end != text && *end == '\0' && *out >= least && *out <= most;
}

static char *default_work(void)
{
    const char *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");

    if (cache != NULL && cache[0] == '/')
        return mem_printf("%s/ultramcp-agents", cache);
    if (home != NULL && home[0] == '/')
        return mem_printf("%s/.cache/ultramcp-agents", home);
    return mem_strdup("/tmp/ultramcp-agents");
}

enum { OPT_HOST = 256, OPT_PORT, OPT_LATENCY, OPT_FAILURE, OPT_SEED, OPT_WORK, OPT_MODEL };

static const struct option long_options[] = {
    {"host", required_argument, NULL, OPT_HOST},
    {"base-port", required_argument, NULL, OPT_PORT},
    {"latency", required_argument, NULL, OPT_LATENCY},
    {"failure-rate", required_argument, NULL, OPT_FAILURE},
    {"seed", required_argument, NULL, OPT_SEED},
    {"work", required_argument, NULL, OPT_WORK},
    {"model-url", required_argument, NULL, OPT_MODEL},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'v'},
    {NULL, 0, NULL, 0},
};

/* False when the value is not one. */
static bool set_option(struct options *o, int option, const char *value)
{
    double number = 0;
    bool ok = true;

    switch (option) {
    case OPT_HOST:
        o->host = value;
        break;
    case OPT_PORT:
        ok = parse_number(value, 1, 65535 - AGENT_COUNT + 1, &number);
        o->base_port = (uint16_t)number;
        break;
    case OPT_LATENCY:
        ok = parse_number(value, 0, 600000, &number);
        o->latency_ms = (int64_t)number;
        break;
    case OPT_FAILURE:
        ok = parse_number(value, 0, 1, &number);
        o->failure_rate = number;
        break;
    case OPT_SEED:
        ok = parse_number(value, 0, 9007199254740992.0, &number);
        o->seed = (uint64_t)number;
        break;
    case OPT_WORK:
        o->work = value;
        break;
    case OPT_MODEL:
        o->model_url = value;
        break;
    default:
        return false;
    }
    return ok;
}

/* 0: go on; 1: done, exit 0; 2: wrong, exit 2. */
static int parse_options(int argc, char **argv, struct options *o)
{
    int option, index = 0;

    while ((option = getopt_long(argc, argv, "hv", long_options, &index)) != -1) {
        if (option == 'h') {
            fputs(help_text, stdout);
            return 1;
        }
        if (option == 'v') {
            puts("ultramcp-agents " VERSION);
            return 1;
        }
        if (option == '?')
            return 2;
        if (!set_option(o, option, optarg)) {
            fprintf(stderr, "ultramcp-agents: --%s %s: not a possible value\n",
                    long_options[index].name, optarg);
            return 2;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "ultramcp-agents: %s: no such argument; see --help\n", argv[optind]);
        return 2;
    }
    return 0;
}

/* Serves until SIGTERM or SIGINT, which all threads have blocked. */
static enum errcode serve(struct agents *a, const sigset_t *signals, struct err *err)
{
    struct agent_server *servers[AGENT_COUNT] = {NULL};
    enum errcode code = ERR_OK;
    int signal_no;

    for (unsigned i = 0; i < AGENT_COUNT && code == ERR_OK; i++)
        code = agent_server_new(a, i, &servers[i], err);
    if (code == ERR_OK) {
        log_info("agents", "eight agents on %s, ports %u to %u; clones in %s", a->options.host,
                 a->options.base_port, a->options.base_port + AGENT_COUNT - 1U, a->clones);
        sigwait(signals, &signal_no);
    }
    agents_stop(a);
    for (unsigned i = 0; i < AGENT_COUNT; i++)
        agent_server_free(servers[i]);
    return code;
}

int main(int argc, char **argv)
{
    char *work = default_work();
    struct options options = {.host = "127.0.0.1",
                              .base_port = 8001,
                              .seed = 1,
                              .work = work,
                              .model_url = getenv("ULTRAMCP_MODEL_URL"),
                              .model = getenv("ULTRAMCP_MODEL"),
                              .model_key = getenv("ULTRAMCP_MODEL_KEY")};
    struct agents agents;
    struct err err = {0};
    sigset_t signals;
    int parsed = parse_options(argc, argv, &options);

    if (parsed != 0) {
        free(work);
        return parsed == 1 ? 0 : 2;
    }
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    log_init(LOG_INFO, STDERR_FILENO);
    json_object_seed(0); /* before threads could race for it */
    curl_global_init(CURL_GLOBAL_DEFAULT);
    enum errcode code = agents_init(&agents, &options, &err);
    if (code == ERR_OK)
        code = serve(&agents, &signals, &err);
    if (code != ERR_OK)
        fprintf(stderr, "ultramcp-agents: %s\n", err.text);
    agents_fini(&agents);
    curl_global_cleanup();
    free(work);
    return code == ERR_OK ? 0 : 1;
}
