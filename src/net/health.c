#include "net/health.h"

#include <stdlib.h>

#include "base/mem.h"

enum { EVERY_MS = 10000, TIMEOUT_MS = 5000 };

struct probe {
    struct curl_job job; /* first */
    struct agent *agent;
};

struct health {
    uv_timer_t timer;
    struct probe *probes;
    size_t count;
    void (*closed)(void *arg);
    void *arg;
};

/* An answer of any length is swallowed; the deadline ends it. */
static size_t swallow(char *data, size_t size, size_t count, void *arg)
{
    (void)data;
    (void)arg;
    return size * count;
}

static void on_done(struct curl_job *job, CURLcode code)
{
    struct probe *p = (struct probe *)job;
    long status = 0;

    curl_easy_getinfo(job->easy, CURLINFO_RESPONSE_CODE, &status);
    p->agent->health =
        code == CURLE_OK && status >= 200 && status < 300 ? AGENT_HEALTHY : AGENT_UNHEALTHY;
}

static void probe_all(uv_timer_t *timer)
{
    struct health *h = timer->data;

    for (size_t i = 0; i < h->count; i++)
        if (h->probes[i].job.state == CURL_JOB_IDLE)
            curl_job_add(&h->probes[i].job);
}

static void make_probe(struct probe *p, struct curl_loop *curl, struct agent *agent)
{
    const struct config_agent *c = agent->config;
    char *url = c->health_url != NULL ? mem_strdup(c->health_url)
                                      : mem_printf("%s/health", c->url != NULL ? c->url : "");

    p->agent = agent;
    curl_job_init(&p->job, curl, on_done);
    curl_easy_setopt(p->job.easy, CURLOPT_URL, url);
    curl_easy_setopt(p->job.easy, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS);
    curl_easy_setopt(p->job.easy, CURLOPT_WRITEFUNCTION, swallow);
    curl_easy_setopt(p->job.easy, CURLOPT_USERAGENT, "ultramcp-restate/" VERSION);
    free(url);
}

struct health *health_new(uv_loop_t *loop, struct curl_loop *curl, struct agents *agents)
{
    struct health *h = mem_zalloc(sizeof *h);

    h->count = agents_count(agents);
    h->probes = mem_zalloc(h->count * sizeof *h->probes);
    for (size_t i = 0; i < h->count; i++)
        make_probe(&h->probes[i], curl, agents_at(agents, i));
    uv_timer_init(loop, &h->timer);
    h->timer.data = h;
    uv_unref((uv_handle_t *)&h->timer);
    uv_timer_start(&h->timer, probe_all, 0, EVERY_MS);
    return h;
}

static void on_closed(uv_handle_t *handle)
{
    struct health *h = handle->data;
    void (*closed)(void *arg) = h->closed;
    void *arg = h->arg;

    free(h);
    closed(arg);
}

void health_close(struct health *h, void (*closed)(void *arg), void *arg)
{
    h->closed = closed;
    h->arg = arg;
    for (size_t i = 0; i < h->count; i++)
        curl_job_fini(&h->probes[i].job);
    free(h->probes);
    uv_close((uv_handle_t *)&h->timer, on_closed);
}
