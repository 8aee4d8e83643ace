/* How answers look: JSON values, the workflow's problems, our own errors. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "net/conn.h"
#include "net/exchange.h"

enum { ANSWER_MAX = 256 * 1024 * 1024 };

#define SOURCE_HEADER "x-ultramcp-error-source"

static const char *source_name(const struct exchange *ex)
{
    return ex->door->kind == DOOR_INGRESS ? "ingress" : "admin";
}

void exchange_answer(struct exchange *ex, unsigned status, struct MHD_Response *response)
{
    if (ex->response != NULL || ex->gone) {
        MHD_destroy_response(response);
        return;
    }
    if (ex->id[0] != '\0')
        MHD_add_response_header(response, "x-restate-id", ex->id);
    if (ex->state != NULL)
        MHD_add_response_header(response, "x-ultramcp-status", ex->state);
    ex->response = response;
    ex->status = status;
    exchange_wake(ex);
}

/* NULL when the value is too large to send. */
static struct MHD_Response *render(const json_t *value, const char *type)
{
    struct MHD_Response *response;
    struct buf b;
    size_t len;
    char *data;

    buf_init(&b, ANSWER_MAX);
    if (!json_write(&b, value) || !buf_add(&b, "\n", 1)) {
        buf_fini(&b);
        return NULL;
    }
    data = buf_steal(&b, &len);
    response = MHD_create_response_from_buffer(len, data, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(data);
        return NULL;
    }
    MHD_add_response_header(response, "Content-Type", type);
    return response;
}

void exchange_json(struct exchange *ex, unsigned status, const json_t *value)
{
    struct MHD_Response *response = render(value, "application/json");

    if (response == NULL)
        exchange_fail(ex, ERR_TOO_LARGE, "the answer is larger than %d MiB; ask for less",
                      ANSWER_MAX >> 20);
    else
        exchange_answer(ex, status, response);
}

void exchange_problem(struct exchange *ex, const json_t *problem)
{
    int64_t status = json_int(problem, "status", 500);
    struct MHD_Response *response = render(problem, "application/problem+json");

    if (response == NULL) {
        exchange_fail(ex, ERR_TOO_LARGE, "the workflow's error is too large to send");
        return;
    }
    MHD_add_response_header(response, SOURCE_HEADER, "workflow");
    exchange_answer(ex, status >= 400 && status <= 599 ? (unsigned)status : 500, response);
}

void exchange_err_with(struct exchange *ex, const struct err *err, const char *key, json_t *value)
{
    struct MHD_Response *response;
    json_t *error =
        json_pack("{s:{s:s, s:s, s:s}, s:b}", "error", "code", err_name(err->code), "message",
                  err->text, "source", source_name(ex), "retryable", err_retryable(err->code));

    if (error == NULL) /* a message that was cut inside a character */
        error = json_pack("{s:{s:s, s:s, s:s}}", "error", "code", err_name(err->code), "message",
                          "(not valid UTF-8)", "source", source_name(ex));
    if (value != NULL)
        json_object_set_new(error, key, value);
    response = render(error, "application/json");
    json_decref(error);
    if (response == NULL)
        return;
    MHD_add_response_header(response, SOURCE_HEADER, source_name(ex));
    if (err->code == ERR_UNAVAILABLE || err->code == ERR_TOO_MANY || err->code == ERR_STORE_FULL)
        MHD_add_response_header(response, "Retry-After", "1");
    exchange_answer(ex, (unsigned)err_http_status(err->code), response);
}

void exchange_err(struct exchange *ex, const struct err *err)
{
    exchange_err_with(ex, err, NULL, NULL);
}

void exchange_fail(struct exchange *ex, enum errcode code, const char *fmt, ...)
{
    struct err err = {.code = code};
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(err.text, sizeof err.text, fmt, ap);
    va_end(ap);
    exchange_err(ex, &err);
}

const char *exchange_query(struct exchange *ex, const char *name)
{
    const char *raw = MHD_lookup_connection_value(ex->connection, MHD_GET_ARGUMENT_KIND, name);
    struct text *t;
    size_t len;

    if (raw == NULL)
        return NULL;
    len = strlen(raw);
    t = mem_zalloc(sizeof *t + len + 1);
    memcpy(t->data, raw, len + 1);
    t->next = ex->texts;
    ex->texts = t;
    return routes_decode(t->data) ? t->data : NULL;
}

void exchange_by(const struct exchange *ex, char *text, size_t size)
{
    if (ex->conn->uid >= 0)
        snprintf(text, size, "uid %lld", (long long)ex->conn->uid);
    else
        snprintf(text, size, "http");
}
