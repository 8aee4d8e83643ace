/* The operators' door: what the console and the command line ask, one route for each function of
 * struct api. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "net/exchange.h"

enum { BY_SIZE = 32, ACTIVE_MAX = 1000 };

static const int64_t WAIT_MS = 366LL * 24 * 3600 * 1000;

static void answer(struct exchange *ex, unsigned status, const struct err *err, json_t *result)
{
    json_t *empty;

    if (!exchange_back(ex))
        return;
    if (err != NULL) {
        exchange_err(ex, err);
        return;
    }
    if (result != NULL) {
        exchange_json(ex, status, result);
        return;
    }
    empty = json_object();
    exchange_json(ex, status, empty);
    json_decref(empty);
}

static void on_answer(void *arg, const struct err *err, json_t *result)
{
    answer(arg, 200, err, result);
}

static void on_accepted(void *arg, const struct err *err, json_t *result)
{
    answer(arg, 202, err, result);
}

/* A whole number in the query; `fallback` when it is absent, false (and answered) when it is none.
 */
static bool query_int(struct exchange *ex, const char *name, int64_t fallback, int64_t *out)
{
    const char *text = exchange_query(ex, name);
    size_t digits = text != NULL ? strspn(text, "0123456789") : 0;

    *out = fallback;
    if (text == NULL)
        return true;
    if (digits == 0 || digits > 15 || text[digits] != '\0') {
        exchange_fail(ex, ERR_INVALID, "the parameter %s must be a whole number", name);
        return false;
    }
    *out = strtoll(text, NULL, 10);
    return true;
}

/* Copies query parameters into the object that a store query takes. */
static bool copy_query(struct exchange *ex, json_t *query, const char *const *texts,
                       const char *const *numbers)
{
    int64_t number;

    for (; *texts != NULL; texts++) {
        const char *text = exchange_query(ex, *texts);

        if (text != NULL && text[0] != '\0')
            json_object_set_new(query, *texts, json_string(text));
    }
    for (; *numbers != NULL; numbers++) {
        if (!query_int(ex, *numbers, -1, &number))
            return false;
        if (number >= 0)
            json_object_set_new(query, *numbers, json_integer(number));
    }
    return true;
}

/* ---- server ---- */

void admin_health(struct exchange *ex)
{
    json_t *health = json_pack("{s:s, s:s}", "status", ex->hub->draining ? "draining" : "ok",
                               "version", VERSION);

    exchange_json(ex, 200, health);
    json_decref(health);
}

void admin_agents(struct exchange *ex)
{
    exchange_hold(ex);
    ex->hub->api->agents(ex->hub->api->self, on_answer, ex);
}

void admin_stats(struct exchange *ex)
{
    exchange_hold(ex);
    ex->hub->api->stats(ex->hub->api->self, on_answer, ex);
}

void admin_doctor(struct exchange *ex)
{
    exchange_hold(ex);
    ex->hub->api->doctor(ex->hub->api->self, on_answer, ex);
}

void admin_release(struct exchange *ex)
{
    exchange_hold(ex);
    ex->hub->api->release(ex->hub->api->self, on_answer, ex);
}

void admin_deployments(struct exchange *ex)
{
    json_t *none = json_pack("{s:[]}", "deployments");

    exchange_json(ex, 200, none);
    json_decref(none);
}

void admin_deployments_post(struct exchange *ex)
{
    exchange_fail(ex, ERR_UNSUPPORTED,
                  "this release runs workflow documents only; deployments written with an SDK come "
                  "with a later one. Put a document into the workflows directory instead");
}

/* ---- services ---- */

/* The services, then their active instances: two questions, one answer. `services` waits in
 * ex->json between them (these routes take no body). */
static void on_active(void *arg, const struct err *err, json_t *result)
{
    struct exchange *ex = arg;
    json_t *list, *service, *instance;
    size_t i, k;

    if (!exchange_back(ex))
        return;
    if (err != NULL) {
        exchange_err(ex, err);
        return;
    }
    list = json_object_get(ex->json, "services");
    json_array_foreach(list, i, service)
    {
        json_t *active = json_object_get(service, "instances");

        json_array_foreach(json_object_get(result, "instances"), k, instance)
        {
            if (strcmp(json_str(instance, "service", ""), json_str(service, "name", "")) == 0)
                json_array_append(active, instance);
        }
    }
    if (ex->param[0] == NULL)
        exchange_json(ex, 200, ex->json);
    else
        exchange_json(ex, 200, json_array_get(list, 0));
}

static json_t *copy_services(const json_t *services, const char *only)
{
    json_t *list = json_array(), *service;
    size_t i;

    json_array_foreach(services, i, service)
    {
        json_t *copy;

        if (only != NULL && strcmp(json_str(service, "name", ""), only) != 0)
            continue;
        copy = json_copy(service);
        json_object_set_new(copy, "instances", json_array());
        json_array_append_new(list, copy);
    }
    return list;
}

static void on_services(void *arg, const struct err *err, json_t *result)
{
    struct exchange *ex = arg;
    const struct api *api;
    const char *only;
    json_t *list, *query;

    if (!exchange_back(ex))
        return;
    if (err != NULL) {
        exchange_err(ex, err);
        return;
    }
    only = ex->param[0];
    list = copy_services(json_object_get(result, "services"), only);
    ex->json = json_pack("{s:o}", "services", list);
    if (only != NULL && json_array_size(list) == 0) {
        exchange_fail(ex, ERR_NOT_FOUND,
                      "no service \"%.100s\"; GET /services lists those that there are", only);
        return;
    }
    query = json_pack("{s:[s,s,s,s], s:i}", "status", "pending", "running", "waiting", "suspended",
                      "limit", ACTIVE_MAX);
    if (only != NULL)
        json_object_set_new(query, "service", json_string(only));
    api = ex->hub->api;
    exchange_hold(ex);
    api->list(api->self, query, on_active, ex);
    json_decref(query);
}

void admin_services(struct exchange *ex)
{
    exchange_hold(ex);
    ex->hub->api->services(ex->hub->api->self, on_services, ex);
}

void admin_service(struct exchange *ex)
{
    admin_services(ex);
}

void admin_service_instance(struct exchange *ex)
{
    const struct api *api = ex->hub->api;

    exchange_hold(ex);
    api->describe(api->self, ex->param[0], ex->param[1], on_answer, ex);
}

/* ---- instances ---- */

/* "running,waiting" as an array. */
static void set_status(json_t *query, const char *text)
{
    json_t *list = json_array();

    while (*text != '\0') {
        size_t len = strcspn(text, ",");

        if (len > 0)
            json_array_append_new(list, json_stringn(text, len));
        text += len + (text[len] == ',');
    }
    json_object_set_new(query, "status", list);
}

void admin_list(struct exchange *ex)
{
    static const char *const texts[] = {"service", "text", "before", "parent", "order", NULL};
    static const char *const numbers[] = {"limit", "createdAfter", "createdBefore", NULL};
    const struct api *api = ex->hub->api;
    const char *status = exchange_query(ex, "status");
    json_t *query = json_pack("{s:i}", "limit", 100);

    if (status != NULL && status[0] != '\0')
        set_status(query, status);
    if (copy_query(ex, query, texts, numbers)) {
        exchange_hold(ex);
        api->list(api->self, query, on_answer, ex);
    }
    json_decref(query);
}

void admin_instance(struct exchange *ex)
{
    const struct api *api = ex->hub->api;

    exchange_hold(ex);
    api->describe(api->self, exchange_query(ex, "service"), ex->param[0], on_answer, ex);
}

void admin_journal(struct exchange *ex)
{
    static const char *const texts[] = {NULL};
    static const char *const numbers[] = {"from", "limit", NULL};
    const struct api *api = ex->hub->api;
    json_t *query = json_object();

    if (copy_query(ex, query, texts, numbers)) {
        exchange_hold(ex);
        api->journal(api->self, ex->param[0], query, on_answer, ex);
    }
    json_decref(query);
}

static void attach(struct exchange *ex, int64_t timeout_ms)
{
    const struct api *api = ex->hub->api;

    exchange_hold(ex);
    exchange_ticket(ex, api->attach(api->self, exchange_query(ex, "service"), ex->param[0],
                                    timeout_ms, on_answer, ex));
}

void admin_output(struct exchange *ex)
{
    attach(ex, 0);
}

void admin_attach(struct exchange *ex)
{
    int64_t timeout_ms;

    if (!query_int(ex, "timeoutMs", 0, &timeout_ms))
        return;
    if (timeout_ms > 0) /* kept here: the engine waits until the end or until it is told not to */
        ex->wait_until = uv_now(ex->hub->loop) + (uint64_t)timeout_ms;
    attach(ex, WAIT_MS);
}

/* A member that must be a string when it is there. */
static bool text_member(struct exchange *ex, const char *key, const char **out)
{
    json_t *value = json_object_get(ex->json, key);

    if (value != NULL && !json_is_null(value) && !json_is_string(value)) {
        exchange_fail(ex, ERR_INVALID, "\"%s\" must be a string", key);
        return false;
    }
    *out = json_string_value(value);
    return true;
}

static bool want_object(struct exchange *ex)
{
    if (ex->json == NULL || json_is_object(ex->json))
        return true;
    exchange_fail(ex, ERR_INVALID, "the body must be a JSON object");
    return false;
}

void admin_start(struct exchange *ex)
{
    const struct api *api = ex->hub->api;
    struct api_start s = {0};
    json_t *input;

    if (!want_object(ex) || !text_member(ex, "service", &s.service) ||
        !text_member(ex, "version", &s.version) ||
        !text_member(ex, "idempotencyKey", &s.idempotency_key) ||
        !text_member(ex, "callerId", &s.caller_id) ||
        !text_member(ex, "traceparent", &s.traceparent))
        return;
    s.delay_ms = json_int(ex->json, "delayMs", 0);
    if (s.service == NULL || s.delay_ms < 0) {
        exchange_fail(ex, ERR_INVALID,
                      "\"service\" is needed, and \"delayMs\" may not be negative");
        return;
    }
    input = json_incref(json_object_get(ex->json, "input"));
    if (input == NULL)
        input = json_object();
    s.input = input;
    exchange_hold(ex);
    api->start(api->self, &s, on_accepted, ex);
    json_decref(input);
}

/* ---- acts ---- */

/* Who does what to which instance, and why: from the path, the body and the connection. `by` has
 * BY_SIZE bytes. */
static bool get_act(struct exchange *ex, struct api_act *act, char *by)
{
    bool below_service = ex->param[1] != NULL;

    *act = (struct api_act){.id = ex->param[below_service ? 1 : 0],
                            .service = below_service ? ex->param[0] : exchange_query(ex, "service"),
                            .by = by};
    exchange_by(ex, by, BY_SIZE);
    if (!want_object(ex) || !text_member(ex, "why", &act->why))
        return false;
    if (act->why == NULL)
        act->why = exchange_query(ex, "why");
    return true;
}

static void act(struct exchange *ex,
                void (*what)(void *self, const struct api_act *act, api_cb *cb, void *arg))
{
    struct api_act a;
    char by[BY_SIZE];

    if (!get_act(ex, &a, by))
        return;
    exchange_hold(ex);
    what(ex->hub->api->self, &a, on_accepted, ex);
}

void admin_cancel(struct exchange *ex)
{
    act(ex, ex->hub->api->cancel);
}

void admin_kill(struct exchange *ex)
{
    act(ex, ex->hub->api->kill);
}

void admin_pause(struct exchange *ex)
{
    act(ex, ex->hub->api->pause);
}

void admin_resume(struct exchange *ex)
{
    act(ex, ex->hub->api->resume);
}

void admin_purge(struct exchange *ex)
{
    act(ex, ex->hub->api->purge);
}

void admin_restart(struct exchange *ex)
{
    struct api_act a;
    char by[BY_SIZE];

    if (!get_act(ex, &a, by))
        return;
    exchange_hold(ex);
    ex->hub->api->restart(ex->hub->api->self, &a, exchange_query(ex, "from"), on_accepted, ex);
}

/* The body is the payload, whatever it is; the reason comes as a parameter. */
void admin_signal(struct exchange *ex)
{
    const struct api *api = ex->hub->api;
    char by[BY_SIZE];
    struct api_act a = {.id = ex->param[0],
                        .service = exchange_query(ex, "service"),
                        .by = by,
                        .why = exchange_query(ex, "why")};

    exchange_by(ex, by, sizeof by);
    if (ex->json == NULL)
        ex->json = json_null();
    exchange_hold(ex);
    api->signal(api->self, &a, ex->param[1], ex->json, on_accepted, ex);
}
