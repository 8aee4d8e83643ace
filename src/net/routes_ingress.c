/* The callers' door: POST /NAME starts an instance and waits for its output. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "net/exchange.h"

/* As good as for ever: the caller decides how long it waits. */
static const int64_t WAIT_MS = 366LL * 24 * 3600 * 1000;

/* "500ms" "10s" "5m" "2h" "1d"; a bare number is ms. False when it is none of these. */
static bool parse_delay(const char *text, int64_t *ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1},          {"", 1},
                 {"s", 1000},        {"m", 60 * 1000},
                 {"h", 3600 * 1000}, {"d", 24 * 3600 * 1000}};
    size_t digits = strspn(text, "0123456789");

    if (digits == 0 || digits > 12)
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(text + digits, units[i].unit) == 0) {
            *ms = strtoll(text, NULL, 10) * units[i].ms;
            return *ms <= WAIT_MS * 10;
        }
    }
    return false;
}

static const char *caller_id(const struct exchange *ex)
{
    if (ex->workflow_id != NULL)
        return ex->workflow_id;
    if (strcmp(ex->param[0], "ultramcp-workflow") == 0)
        return json_str(json_object_get(ex->json, "context"), "workflowId", NULL);
    return NULL;
}

static bool check_key(struct exchange *ex, const char *name, const char *value)
{
    if (value == NULL || (value[0] != '\0' && strlen(value) <= 256))
        return true;
    exchange_fail(ex, ERR_INVALID, "%s must be 1 to 256 characters", name);
    return false;
}

static void start(struct exchange *ex, int64_t delay_ms, api_cb *cb)
{
    const struct api *api = ex->hub->api;
    struct api_start s = {.service = ex->param[0],
                          .idempotency_key = ex->idempotency_key,
                          .caller_id = caller_id(ex),
                          .delay_ms = delay_ms,
                          .traceparent = ex->traceparent};

    if (!check_key(ex, "idempotency-key", s.idempotency_key) ||
        !check_key(ex, "the workflow id", s.caller_id))
        return;
    if (ex->json == NULL)
        ex->json = json_object();
    s.input = ex->json;
    exchange_hold(ex);
    api->start(api->self, &s, cb, ex);
}

/* The end of an instance as its caller sees it. */
static void on_end(void *arg, const struct err *err, json_t *result)
{
    static const char *const states[] = {"completed", "faulted", "cancelled"};
    struct exchange *ex = arg;
    const char *status;
    json_t *error;

    if (!exchange_back(ex))
        return;
    if (ex->id[0] == '\0')
        snprintf(ex->id, sizeof ex->id, "%s", json_str(result, "id", ""));
    if (err != NULL) {
        exchange_err(ex, err);
        return;
    }
    status = json_str(result, "status", "");
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        if (strcmp(status, states[i]) == 0)
            ex->state = states[i];
    error = json_object_get(result, "error");
    if (json_is_object(error)) {
        exchange_problem(ex, error);
    } else if (ex->state == states[2]) {
        exchange_fail(ex, ERR_CANCELLED, "the instance %s was cancelled", ex->id);
    } else {
        json_t *output = json_object_get(result, "output");

        exchange_json(ex, 200, output != NULL ? output : json_null());
    }
}

static void attach(struct exchange *ex, const char *service, const char *id, int64_t timeout_ms)
{
    const struct api *api = ex->hub->api;

    exchange_hold(ex);
    exchange_ticket(ex, api->attach(api->self, service, id, timeout_ms, on_end, ex));
}

static void on_started(void *arg, const struct err *err, json_t *result)
{
    struct exchange *ex = arg;

    if (!exchange_back(ex))
        return;
    if (err != NULL) {
        exchange_err(ex, err);
        return;
    }
    snprintf(ex->id, sizeof ex->id, "%s", json_str(result, "id", ""));
    attach(ex, NULL, ex->id, WAIT_MS);
}

void ingress_call(struct exchange *ex)
{
    start(ex, 0, on_started);
}

static void on_sent(void *arg, const struct err *err, json_t *result)
{
    struct exchange *ex = arg;

    if (!exchange_back(ex))
        return;
    if (err != NULL) {
        exchange_err(ex, err);
        return;
    }
    snprintf(ex->id, sizeof ex->id, "%s", json_str(result, "id", ""));
    exchange_json(ex, 202, result);
}

void ingress_send(struct exchange *ex)
{
    const char *text = exchange_query(ex, "delay");
    int64_t delay_ms = 0;

    if (text != NULL && !parse_delay(text, &delay_ms)) {
        exchange_fail(ex, ERR_INVALID, "delay must be like 500ms, 10s, 5m, 2h or 1d");
        return;
    }
    start(ex, delay_ms, on_sent);
}

void ingress_output(struct exchange *ex)
{
    attach(ex, ex->param[0], ex->param[1], 0);
}

void ingress_attach(struct exchange *ex)
{
    attach(ex, ex->param[0], ex->param[1], WAIT_MS);
}

/* What can be called, shortly; the admin door has the rest. */
static void on_services(void *arg, const struct err *err, json_t *result)
{
    static const char *const keys[] = {"name", "version", "title", "summary"};
    struct exchange *ex = arg;
    json_t *list, *service, *answer;
    size_t i;

    if (!exchange_back(ex))
        return;
    if (err != NULL) {
        exchange_err(ex, err);
        return;
    }
    list = json_array();
    json_array_foreach(json_object_get(result, "services"), i, service)
    {
        json_t *line = json_object();

        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
            if (json_object_get(service, keys[k]) != NULL)
                json_object_set(line, keys[k], json_object_get(service, keys[k]));
        json_object_set_new(line, "call", json_sprintf("POST /%s", json_str(service, "name", "")));
        json_array_append_new(list, line);
    }
    answer = json_pack("{s:o}", "services", list);
    exchange_json(ex, 200, answer);
    json_decref(answer);
}

void ingress_index(struct exchange *ex)
{
    const struct api *api = ex->hub->api;

    exchange_hold(ex);
    api->services(api->self, on_services, ex);
}
