/* [agents.NAME] and [agent-defaults]. An agent begins as the built-in one of its name, if any; what
 * it does not say itself it takes from the defaults; which hosts mean it is settled when all agents
 * are known. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/config_internal.h"
#include "base/mem.h"

enum { AGENTS_MAX = 1000, HEADERS_MAX = 64, NAME_MAX_LEN = 63, HOST_TEXT_MAX = 96 };

#define MIB 1048576.0
#define SECOND 1000.0
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)

#define S(key, kind, name, least, most, fallback)                                                  \
    {                                                                                              \
        key, SETTING_##kind, offsetof(struct config_agent, name), 0, least, most, fallback         \
    }
#define LIST(key, kind, name, length)                                                              \
    {                                                                                              \
        key, SETTING_##kind, offsetof(struct config_agent, name),                                  \
            offsetof(struct config_agent, length), 0, 0, NULL                                      \
    }

enum { OWN_TYPE, OWN_URL, OWN_HEALTH, OWN_HOSTS }; /* the first rows of `own` */
static const struct setting own[] = {
    S("type", TEXT, type, 0, 0, "http"),
    S("url", URL, url, 0, 0, NULL),
    S("health-url", URL, health_url, 0, 0, NULL),
    LIST("hosts", HOSTS, hosts, host_count),
    LIST("capabilities", WORDS, capabilities, capability_count),
    S("token-env", NAME, token_env, 0, 0, NULL),
    S("token-file", PATH, token_file, 0, 0, NULL),
};

static const struct setting policy[] = {
    S("timeout", SPAN, timeout_ms, 1, DAY, "30s"),
    S("concurrency", COUNT, concurrency, 1, 1e5, "64"),
    S("breaker-failures", COUNT, breaker_failures, 0, 1e6, "5"),
    S("breaker-open", SPAN, breaker_open_ms, 1, DAY, "10s"),
    S("retry.initial", SPAN, retry.initial_ms, 1, DAY, "500ms"),
    S("retry.factor", REAL, retry.factor, 1, 100, "2"),
    S("retry.max", SPAN, retry.max_ms, 0, DAY, "30s"),
    S("retry.jitter", REAL, retry.jitter, 0, 1, "0.2"),
    S("retry.attempts", COUNT, retry.attempts, 0, 1e6, "10"),
    S("retry.total", SPAN, retry.total_ms, 0, 36500 * DAY, "0s"),
    S("retry.suspend", FLAG, retry.suspend, 0, 1, "false"),
};

#define SECTION(settings)                                                                          \
    {                                                                                              \
        "agents", settings, sizeof(settings) / sizeof *(settings)                                  \
    }
const struct section config_agent_own = SECTION(own), config_agent_policy = SECTION(policy);

/* The agents of UltraMCP, where the reference agents listen. */
static const struct {
    const char *name, *alias, *type, *capabilities;
    unsigned port;
} built_in[] = {
    {"chain-of-debate", "cod", "orchestrator", "multi_llm,debate", 8001},
    {"asterisk-security", "security", "scanner", "vulnerability_scan,compliance", 8002},
    {"blockoli-intelligence", "blockoli", "analyzer", "code_analysis,patterns", 8003},
    {"voice-system", "voice", "interface", "voice_processing,transcription", 8004},
    {"deepclaude-engine", "deepclaude", "reasoning", "metacognitive,analysis", 8005},
    {"control-tower", "control", "orchestrator", "coordination,monitoring", 8006},
    {"claude-memory", "memory", "memory", "semantic_search,code_intelligence", 8007},
    {"sam-mcp", "sam", "agent", "autonomous,langgraph", 8008},
};
enum { BUILT_IN = sizeof built_in / sizeof *built_in };

/* What is known of an agent while it is read. */
struct draft {
    uint32_t own, policy; /* bits of the settings that are given */
    int line, column;     /* of its first leaf; 0: not in the file */
};

struct agents_draft {
    struct config *config;
    const char *file;
    struct draft *drafts; /* beside config->agents */
    size_t cap;           /* of both */
};

/* ---- gathering ----------------------------------------------------------------------------------
 */

static struct config_agent *add_agent(struct agents_draft *d, const char *name)
{
    struct config *c = d->config;
    size_t cap = d->cap;

    c->agents = mem_grow(c->agents, c->agent_count, &cap, sizeof *c->agents);
    d->drafts = mem_grow(d->drafts, c->agent_count, &d->cap, sizeof *d->drafts);
    d->drafts[c->agent_count] = (struct draft){0};
    struct config_agent *a = &c->agents[c->agent_count++];
    *a = (struct config_agent){.name = mem_strdup(name)};
    section_defaults(&config_agent_own, a);
    return a;
}

static void add_built_in(struct agents_draft *d)
{
    char why[SETTING_WHY_MAX], url[64];

    for (size_t i = 0; i < BUILT_IN; i++) {
        struct config_agent *a = add_agent(d, built_in[i].name);

        snprintf(url, sizeof url, "http://127.0.0.1:%u", built_in[i].port);
        setting_from_text(&own[OWN_TYPE], a, built_in[i].type, why);
        setting_from_text(&own[OWN_URL], a, url, why);
        setting_from_text(section_find(&config_agent_own, "capabilities"), a,
                          built_in[i].capabilities, why);
    }
}

struct agents_draft *agents_draft_new(struct config *c, const char *file)
{
    struct agents_draft *d = mem_zalloc(sizeof *d);

    d->config = c;
    d->file = file;
    section_defaults(&config_agent_policy, &c->agent_default);
    add_built_in(d);
    return d;
}

void agents_draft_free(struct agents_draft *d)
{
    free(d->drafts);
    free(d);
}

static size_t find_agent(const struct config *c, const char *name)
{
    size_t i = 0;

    while (i < c->agent_count && strcmp(c->agents[i].name, name) != 0)
        i++;
    return i;
}

/* A name is part of host names, of variables and of the screen. */
static bool is_agent_name(const char *name)
{
    size_t len = strlen(name);

    return len > 0 && len <= NAME_MAX_LEN && isalnum((unsigned char)name[0]) &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") == len;
}

static bool is_token(const char *text)
{
    return *text != '\0' && strlen(text) <= 128 &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                        "!#$%&'*+-.^_`|~") == strlen(text);
}

static enum errcode read_header(struct agents_draft *d, struct config_agent *a,
                                const struct toml_leaf *leaf, struct err *err)
{
    if (leaf->depth == 3 && leaf->kind == TOML_TABLE)
        return ERR_OK;
    if (leaf->depth != 4 || leaf->kind != TOML_STRING || strpbrk(leaf->text, "\r\n") != NULL)
        return config_bad(d->file, leaf, "must be text of one line: headers = { X-Key = \"text\" }",
                          err);
    if (!is_token(leaf->path[3]))
        return config_bad(d->file, leaf, "is not the name of a header", err);
    for (size_t i = 0; i < a->header_count; i++) {
        if (strcasecmp(a->headers[i].name, leaf->path[3]) == 0)
            return config_bad(d->file, leaf, "is there twice", err);
    }
    if (a->header_count == HEADERS_MAX)
        return config_bad(d->file, leaf, "is one header too many: 64 at most", err);
    a->headers = mem_array(a->headers, a->header_count + 1, sizeof *a->headers);
    a->headers[a->header_count++] =
        (struct config_header){.name = mem_strdup(leaf->path[3]), .value = mem_strdup(leaf->text)};
    return ERR_OK;
}

/* "attempts" in the table "retry" is "retry.attempts". */
static void join_key(const struct toml_leaf *leaf, size_t from, char *out, size_t size)
{
    size_t n = 0;

    out[0] = '\0';
    for (size_t i = from; i < leaf->depth && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%s", i > from ? "." : "", leaf->path[i]);
}

/* True when the section has the key: then *code says how it went. */
static bool take(struct agents_draft *d, const struct section *section, const char *key,
                 struct config_agent *a, const struct toml_leaf *leaf, uint32_t *given,
                 enum errcode *code, struct err *err)
{
    const struct setting *s = section_find(section, key);
    char why[SETTING_WHY_MAX];

    if (s == NULL)
        return false;
    *given |= UINT32_C(1) << (s - section->settings);
    *code = setting_from_leaf(s, a, leaf, why) ? ERR_OK : config_bad(d->file, leaf, why, err);
    return true;
}

static enum errcode read_default(struct agents_draft *d, const struct toml_leaf *leaf,
                                 struct err *err)
{
    const struct section *near[] = {&config_agent_policy};
    enum errcode code = ERR_OK;
    uint32_t given = 0;
    char key[64];

    join_key(leaf, 1, key, sizeof key);
    if (leaf->kind == TOML_TABLE && (leaf->depth == 1 || strcmp(key, "retry") == 0))
        return ERR_OK;
    if (leaf->depth == 1)
        return config_bad(d->file, leaf, "must be a table", err);
    if (take(d, near[0], key, &d->config->agent_default, leaf, &given, &code, err))
        return code;
    if (section_find(&config_agent_own, key) != NULL || strncmp(key, "headers", 7) == 0)
        return config_bad(d->file, leaf, "belongs to one agent: put it in [agents.NAME]", err);
    return config_unknown(d->file, leaf, near, 1, key, err);
}

static enum errcode read_agent(struct agents_draft *d, const struct toml_leaf *leaf,
                               struct err *err)
{
    const struct section *near[] = {&config_agent_own, &config_agent_policy};
    struct config *c = d->config;
    enum errcode code = ERR_OK;
    size_t i = find_agent(c, leaf->path[1]);
    char key[64];

    if (!is_agent_name(leaf->path[1]))
        return config_bad(d->file, leaf,
                          "is not the name of an agent: letters, digits, - _ and . (63 at most)",
                          err);
    if (leaf->depth == 2 && leaf->kind != TOML_TABLE)
        return config_bad(d->file, leaf, "must be a table: write [agents.NAME]", err);
    if (i == AGENTS_MAX)
        return config_bad(d->file, leaf, "is one agent too many: 1000 at most", err);
    if (i == c->agent_count)
        add_agent(d, leaf->path[1]);
    struct draft *draft = &d->drafts[i];
    if (draft->line == 0)
        *draft = (struct draft){.line = leaf->line, .column = leaf->column};
    if (leaf->depth == 2)
        return ERR_OK;
    if (strcmp(leaf->path[2], "headers") == 0)
        return read_header(d, &c->agents[i], leaf, err);
    join_key(leaf, 2, key, sizeof key);
    if (leaf->kind == TOML_TABLE && strcmp(key, "retry") == 0)
        return ERR_OK;
    if (take(d, near[0], key, &c->agents[i], leaf, &draft->own, &code, err) ||
        take(d, near[1], key, &c->agents[i], leaf, &draft->policy, &code, err))
        return code;
    return config_unknown(d->file, leaf, near, 2, key, err);
}

enum errcode agents_draft_leaf(struct agents_draft *d, const struct toml_leaf *leaf,
                               struct err *err)
{
    if (strcmp(leaf->path[0], "agent-defaults") == 0)
        return read_default(d, leaf, err);
    if (leaf->depth == 1)
        return leaf->kind == TOML_TABLE
                   ? ERR_OK
                   : config_bad(d->file, leaf, "must be a table: write [agents.NAME]", err);
    return read_agent(d, leaf, err);
}

/* ---- settling: policies -------------------------------------------------------------------------
 */

static enum errcode refuse(const struct agents_draft *d, size_t i, const char *why, struct err *err)
{
    struct toml_leaf at = {.path = {"agents", d->config->agents[i].name},
                           .depth = 2,
                           .line = d->drafts[i].line,
                           .column = d->drafts[i].column};

    return config_bad(d->file != NULL ? d->file : "environment", &at, why, err);
}

static enum errcode settle_policy(struct agents_draft *d, size_t i, struct err *err)
{
    struct config_agent *a = &d->config->agents[i];
    struct draft *draft = &d->drafts[i];
    char *name = mem_printf("AGENTS_%s", a->name);
    enum errcode code = config_environment(&config_agent_own, name, a, &draft->own, err);

    if (code == ERR_OK)
        code = config_environment(&config_agent_policy, name, a, &draft->policy, err);
    free(name);
    if (code != ERR_OK)
        return code;
    for (size_t k = 0; k < config_agent_policy.count; k++) {
        if ((draft->policy >> k & 1) == 0)
            setting_copy(&policy[k], a, &d->config->agent_default);
    }
    if (a->url == NULL)
        return refuse(d, i, "needs a url: url = \"http://127.0.0.1:8001\"", err);
    if (a->token_env != NULL && a->token_file != NULL)
        return refuse(d, i, "has both token-env and token-file; keep one", err);
    return ERR_OK;
}

/* ---- settling: hosts ----------------------------------------------------------------------------
 * Documents call agents by host. A host means one agent: the one that the configuration names for
 * it, else the one whose name it holds (ultramcp-NAME, where the generic workflow calls any agent),
 * else the built-in agent whose short name it holds (ultramcp-cod).
 */

static size_t owner_of(const struct config *c, const char *host)
{
    for (size_t i = 0; i < c->agent_count; i++) {
        for (size_t h = 0; h < c->agents[i].host_count; h++) {
            if (strcasecmp(c->agents[i].hosts[h], host) == 0)
                return i;
        }
    }
    return c->agent_count;
}

static void claim(struct config *c, size_t i, const char *host)
{
    struct config_agent *a = &c->agents[i];

    if (owner_of(c, host) < c->agent_count)
        return;
    a->hosts = mem_array(a->hosts, a->host_count + 1, sizeof *a->hosts);
    a->hosts[a->host_count++] = mem_strdup(host);
}

static void claim_name(struct config *c, size_t i, const char *name, unsigned port)
{
    char host[HOST_TEXT_MAX];

    snprintf(host, sizeof host, "ultramcp-%s", name);
    claim(c, i, host);
    snprintf(host, sizeof host, "ultramcp-%s:%u", name, port);
    claim(c, i, host);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum errcode settle_hosts(struct agents_draft *d, struct err *err)
{
    struct config *c = d->config;

    for (size_t i = 0; i < c->agent_count; i++) {
        for (size_t h = 0; h < c->agents[i].host_count; h++) {
            size_t other = owner_of(c, c->agents[i].hosts[h]);
            char why[SETTING_WHY_MAX];

            if (other == i)
                continue;
            snprintf(why, sizeof why, "has the host %.60s, which agents.%s has as well",
                     c->agents[i].hosts[h], c->agents[other].name);
            return refuse(d, i, why, err);
        }
    }
    for (size_t i = 0; i < c->agent_count; i++)
        claim_name(c, i, c->agents[i].name, 8001);
    for (size_t i = 0; i < BUILT_IN; i++) {
        if ((d->drafts[i].own >> OWN_HOSTS & 1) == 0)
            claim_name(c, i, built_in[i].alias, built_in[i].port);
    }
    for (size_t i = 0; i < c->agent_count; i++)
        qsort(c->agents[i].hosts, c->agents[i].host_count, sizeof(char *), by_text);
    return ERR_OK;
}

enum errcode agents_draft_settle(struct agents_draft *d, struct err *err)
{
    enum errcode code = config_environment(&config_agent_policy, "AGENT_DEFAULTS",
                                           &d->config->agent_default, NULL, err);

    for (size_t i = 0; i < d->config->agent_count && code == ERR_OK; i++)
        code = settle_policy(d, i, err);
    return code == ERR_OK ? settle_hosts(d, err) : code;
}

void config_agents_free(struct config *c)
{
    for (size_t i = 0; i < c->agent_count; i++) {
        struct config_agent *a = &c->agents[i];

        for (size_t h = 0; h < a->header_count; h++) {
            free(a->headers[h].name);
            free(a->headers[h].value);
        }
        section_free(&config_agent_own, a);
        free(a->headers);
        free(a->name);
    }
    free(c->agents);
}
