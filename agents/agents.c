#include "agents.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/mem.h"

const struct agent agent_table[AGENT_COUNT] = {
    {"chain-of-debate",
     "orchestrator",
     {"multi_llm", "debate"},
     {{"/debate", agent_debate}, {"/synthesize", agent_synthesize}, {"/execute", agent_execute}}},
    {"asterisk-security",
     "scanner",
     {"vulnerability_scan", "compliance"},
     {{"/analyze", agent_analyze},
      {"/prepare", agent_prepare},
      {"/scan", agent_scan},
      {"/consolidate", agent_consolidate},
      {"/execute", agent_execute}}},
    {"blockoli-intelligence",
     "analyzer",
     {"code_analysis", "patterns"},
     {{"/clone", agent_clone}, {"/analyze", agent_analyze}, {"/execute", agent_execute}}},
    {"voice-system",
     "interface",
     {"voice_processing", "transcription"},
     {{"/execute", agent_execute}}},
    {"deepclaude-engine",
     "reasoning",
     {"metacognitive", "analysis"},
     {{"/execute", agent_execute}}},
    {"control-tower",
     "orchestrator",
     {"coordination", "monitoring"},
     {{"/generate-report", agent_report},
      {"/recommendations", agent_recommendations},
      {"/notify", agent_notify},
      {"/execute", agent_execute}}},
    {"claude-memory",
     "memory",
     {"semantic_search", "code_intelligence"},
     {{"/execute", agent_execute}}},
    {"sam-mcp", "agent", {"autonomous", "langgraph"}, {{"/execute", agent_execute}}},
};

/* Makes a directory and those above it, private to this user. */
static bool make_dirs(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int made = mkdir(path, 0700);
        *slash = '/';
        if (made != 0 && errno != EEXIST)
            return false;
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

enum errcode agents_init(struct agents *a, const struct options *options, struct err *err)
{
    pthread_condattr_t attr;
    char *dir = mem_printf("%s/clones", options->work);

    *a = (struct agents){.options = *options};
    pthread_mutex_init(&a->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&a->stop, &attr);
    pthread_condattr_destroy(&attr);
    rng_seed(&a->rng, options->seed);
    if (make_dirs(dir))
        a->clones = realpath(dir, NULL);
    free(dir);
    if (a->clones == NULL)
        return err_set(err, ERR_CONFIG, "--work %s: cannot make it: %s", options->work,
                       strerror(errno));
    return ERR_OK;
}

void agents_stop(struct agents *a)
{
    pthread_mutex_lock(&a->lock);
    a->stopping = true;
    pthread_cond_broadcast(&a->stop);
    pthread_mutex_unlock(&a->lock);
}

void agents_fini(struct agents *a)
{
    free(a->clones);
    pthread_cond_destroy(&a->stop);
    pthread_mutex_destroy(&a->lock);
}

enum errcode call_string(const struct call *call, const char *name, size_t max, const char **out,
                         struct err *err)
{
    const json_t *value = json_object_get(call->body, name);

    *out = json_string_value(value);
    if (*out == NULL || json_string_length(value) == 0)
        return err_set(err, ERR_INVALID, "%s: \"%s\" is needed, a string", call->path, name);
    if (json_string_length(value) > max)
        return err_set(err, ERR_INVALID, "%s: \"%s\" is longer than %zu bytes", call->path, name,
                       max);
    return ERR_OK;
}

json_t *safe_string(const char *text, size_t len, size_t max)
{
    char *copy = mem_strndup(text, len < max ? len : max);

    for (char *c = copy; *c != '\0'; c++)
        if ((unsigned char)*c >= 0x7f || ((unsigned char)*c < 0x20 && *c != '\n'))
            *c = *c == '\t' ? ' ' : '?';
    json_t *value = json_string(copy);
    free(copy);
    return value;
}

uint64_t agent_hash(const char *text, size_t len, uint64_t start)
{
    uint64_t hash = start ^ 0xcbf29ce484222325ULL;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3ULL;
    return hash;
}
