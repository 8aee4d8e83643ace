#include "net/agents.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { ORIGINS_MAX = 256, KEY_MAX = 320 };

struct alias { /* "http://127.0.0.1:8001", "host:port" or "host" -> agent */
    char *key;
    struct agent *agent;
    UT_hash_handle hh;
};

struct agents {
    const struct config *config;
    struct agent *list; /* registered, as configured */
    size_t count;
    struct agent *by_name;
    struct alias *by_origin, *by_host;
    struct agent *origins; /* of URLs that are no agent's */
    struct agent *crowd;   /* shared when there are too many of those */
};

static void lower(char *text)
{
    for (; *text != '\0'; text++)
        *text = (char)tolower((unsigned char)*text);
}

/* "" when it does not fit, which matches nothing. */
static void origin_key(char key[KEY_MAX], const char *scheme, const char *host, unsigned port)
{
    int n = snprintf(key, KEY_MAX, "%s://%s:%u", scheme, host, port);

    if (n < 0 || n >= KEY_MAX)
        key[0] = '\0';
    lower(key);
}

/* The first to claim a key keeps it. */
static void add_alias(struct alias **table, const char *key, struct agent *agent)
{
    struct alias *found;

    HASH_FIND_STR(*table, key, found);
    if (found != NULL)
        return;
    found = mem_zalloc(sizeof *found);
    found->key = mem_strdup(key);
    found->agent = agent;
    HASH_ADD_KEYPTR(hh, *table, found->key, strlen(found->key), found);
}

static struct agent *find_alias(struct alias *table, const char *key)
{
    struct alias *found;

    HASH_FIND_STR(table, key, found);
    return found != NULL ? found->agent : NULL;
}

static void free_aliases(struct alias *table)
{
    struct alias *each, *next;

    HASH_ITER(hh, table, each, next)
    {
        HASH_DEL(table, each);
        free(each->key);
        free(each);
    }
}

/* Reads origin and the form to show from the agent's URL. */
static void read_url(struct agents *a, struct agent *agent)
{
    char *scheme = NULL, *host = NULL, *port = NULL, *shown = NULL;
    char key[KEY_MAX];
    CURLU *url = curl_url();

    if (agent->config->url == NULL || url == NULL ||
        curl_url_set(url, CURLUPART_URL, agent->config->url, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK)
        goto out; /* calls of it are refused when they are made, with the reason */
    origin_key(key, scheme, host, (unsigned)strtoul(port, NULL, 10));
    add_alias(&a->by_origin, key, agent);
    curl_url_set(url, CURLUPART_USER, NULL, 0);
    curl_url_set(url, CURLUPART_PASSWORD, NULL, 0);
    if (curl_url_get(url, CURLUPART_URL, &shown, 0) == CURLUE_OK)
        agent->shown_url = mem_strdup(shown);
out:
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_free(shown);
    curl_url_cleanup(url);
}

static void init_agent(struct agent *agent, const struct config_agent *config, const char *name)
{
    agent->config = config;
    agent->name = mem_strdup(name);
    breaker_init(&agent->breaker, config->breaker_failures, config->breaker_open_ms);
}

struct agents *agents_new(const struct config *config)
{
    struct agents *a = mem_zalloc(sizeof *a);

    a->config = config;
    a->count = config->agent_count;
    a->list = mem_zalloc(a->count * sizeof *a->list);
    for (size_t i = 0; i < a->count; i++) {
        struct agent *agent = &a->list[i];

        init_agent(agent, &config->agents[i], config->agents[i].name);
        agent->registered = true;
        HASH_ADD_KEYPTR(hh, a->by_name, agent->name, strlen(agent->name), agent);
        read_url(a, agent);
        for (size_t h = 0; h < agent->config->host_count; h++) {
            char *key = mem_strdup(agent->config->hosts[h]);

            lower(key);
            add_alias(&a->by_host, key, agent);
            free(key);
        }
    }
    a->crowd = mem_zalloc(sizeof *a->crowd);
    init_agent(a->crowd, &config->agent_default, "other hosts");
    return a;
}

static void fini_agent(struct agent *agent)
{
    free(agent->name);
    free(agent->shown_url);
}

void agents_free(struct agents *a)
{
    struct agent *each, *next;

    HASH_CLEAR(hh, a->by_name);
    free_aliases(a->by_origin);
    free_aliases(a->by_host);
    HASH_ITER(hh, a->origins, each, next)
    {
        HASH_DEL(a->origins, each);
        fini_agent(each);
        free(each);
    }
    for (size_t i = 0; i < a->count; i++)
        fini_agent(&a->list[i]);
    fini_agent(a->crowd);
    free(a->crowd);
    free(a->list);
    free(a);
}

struct agent *agents_by_name(struct agents *a, const char *name)
{
    struct agent *found;

    HASH_FIND_STR(a->by_name, name, found);
    return found;
}

struct agent *agents_by_origin(struct agents *a, const char *scheme, const char *host,
                               unsigned port)
{
    char key[KEY_MAX];

    origin_key(key, scheme, host, port);
    return find_alias(a->by_origin, key);
}

struct agent *agents_by_host(struct agents *a, const char *host, unsigned port)
{
    char key[KEY_MAX];
    int n = snprintf(key, sizeof key, "%s:%u", host, port);

    if (n < 0 || n >= KEY_MAX)
        return NULL;
    lower(key);
    struct agent *agent = find_alias(a->by_host, key);
    if (agent == NULL) {
        *strrchr(key, ':') = '\0';
        agent = find_alias(a->by_host, key);
    }
    return agent;
}

/* False when all are in use. */
static bool make_room(struct agents *a)
{
    struct agent *each, *next;

    if (HASH_COUNT(a->origins) < ORIGINS_MAX)
        return true;
    HASH_ITER(hh, a->origins, each, next)
    {
        if (each->users > 0)
            continue;
        HASH_DEL(a->origins, each);
        fini_agent(each);
        free(each);
        return true;
    }
    return false;
}

struct agent *agents_for_origin(struct agents *a, const char *scheme, const char *host,
                                unsigned port)
{
    char key[KEY_MAX];
    struct agent *found;

    origin_key(key, scheme, host, port);
    HASH_FIND_STR(a->origins, key, found);
    if (found != NULL)
        return found;
    if (key[0] == '\0' || !make_room(a))
        return a->crowd;
    found = mem_zalloc(sizeof *found);
    init_agent(found, &a->config->agent_default, key);
    HASH_ADD_KEYPTR(hh, a->origins, found->name, strlen(found->name), found);
    return found;
}

size_t agents_count(const struct agents *a)
{
    return a->count;
}

struct agent *agents_at(struct agents *a, size_t i)
{
    return &a->list[i];
}

static json_t *health_json(enum agent_health health)
{
    return health == AGENT_UNKNOWN ? json_null() : json_boolean(health == AGENT_HEALTHY);
}

static json_t *one_json(const struct agent *agent, int64_t now)
{
    const struct config_agent *c = agent->config;
    json_t *capabilities = json_array();

    for (size_t i = 0; i < c->capability_count; i++)
        json_array_append_new(capabilities, json_string(c->capabilities[i]));
    json_t *out =
        json_pack("{s:s, s:s, s:s, s:o, s:i, s:i, s:i, s:s, s:I, s:I, s:f, s:o}", "name",
                  agent->name, "type", c->type != NULL ? c->type : "http", "url",
                  agent->shown_url != NULL ? agent->shown_url : "", "capabilities", capabilities,
                  "inFlight", (int)agent->in_flight, "queued", (int)agent->queued, "limit",
                  (int)c->concurrency, "breaker", breaker_name(&agent->breaker, now), "calls",
                  (json_int_t)agent->calls, "failures", (json_int_t)agent->failures, "latencyMs",
                  agent->latency_ms, "healthy", health_json(agent->health));
    json_object_set_new(out, "lastError",
                        agent->last_error[0] != '\0' ? json_string(agent->last_error)
                                                     : json_null());
    int64_t wait = breaker_wait_ms(&agent->breaker, now);
    if (wait > 0)
        json_object_set_new(out, "breakerWaitMs", json_integer(wait));
    return out;
}

json_t *agents_json(const struct agents *a, int64_t now)
{
    json_t *list = json_array();

    for (size_t i = 0; i < a->count; i++)
        json_array_append_new(list, one_json(&a->list[i], now));
    return list;
}
