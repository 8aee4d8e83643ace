#include "net/request.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/mem.h"
#include "engine/problem.h"
#include "net/headers.h"
#include "net/request_internal.h"

enum {
    KEEP_BYTES = 65536, /* larger buffers are not kept for the next call */
    REDIRECTS_MAX = 10,
    EXPECT_BYTES = 1048576, /* libcurl adds "Expect: 100-continue" to bodies beyond this */
    TIMEOUT_MAX_MS = 86400000,
};

/* ---- reading the answer ---- */

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct request *r = arg;
    size_t len = size * count;
    long status = 0;

    curl_easy_getinfo(r->job.easy, CURLINFO_RESPONSE_CODE, &status);
    r->received += len;
    if (r->received > r->env->config->response_max) {
        r->too_large = true;
        return 0;
    }
    if (status >= 400) { /* of an error only the beginning is shown */
        size_t room = r->answer.len < ERROR_BODY_MAX ? ERROR_BODY_MAX - r->answer.len : 0;

        buf_add(&r->answer, data, len < room ? len : room);
        return len;
    }
    return buf_add(&r->answer, data, len) ? len : 0;
}

/* ---- building ---- */

static enum errcode add_own(struct request *r, const char *name, const char *value, struct err *err)
{
    return value[0] != '\0' ? headers_add(&r->headers, name, value, strlen(value), false, err)
                            : ERR_OK;
}

static bool is_credential(const char *name)
{
    return strcasecmp(name, "authorization") == 0 || strcasecmp(name, "cookie") == 0;
}

static enum errcode add_spec_headers(struct request *r, struct err *err)
{
    json_t *value, *headers = json_object_get(r->spec, "headers");
    const char *name;
    enum errcode code = ERR_OK;

    json_object_foreach(headers, name, value)
    {
        char *text = NULL;
        size_t len;

        if (json_is_null(value))
            continue;
        if (json_is_object(value) || json_is_array(value))
            return err_set(err, ERR_INVALID, "the value of header %.60s is no text", name);
        if (!json_is_string(value))
            text = json_text(value);
        len = text != NULL ? strlen(text) : json_string_length(value);
        code = headers_add(&r->headers, name, text != NULL ? text : json_string_value(value), len,
                           is_credential(name), err);
        free(text);
        if (code != ERR_OK)
            return code;
    }
    return code;
}

/* Configured headers and the token; all of them may be secrets. */
static enum errcode add_configured(struct request *r, struct err *err)
{
    const struct config_agent *c = r->target.agent->config;
    enum errcode code = ERR_OK;
    struct buf value;

    buf_init(&value, HEADERS_BYTES_MAX);
    for (size_t i = 0; code == ERR_OK && i < c->header_count; i++) {
        buf_clear(&value);
        code = secret_expand(r->env->secrets, c->headers[i].value, &value, err);
        if (code == ERR_OK)
            code = headers_add(&r->headers, c->headers[i].name,
                               value.data != NULL ? value.data : "", value.len, true, err);
    }
    if (code == ERR_OK && (c->token_env != NULL || c->token_file != NULL)) {
        buf_clear(&value);
        buf_str(&value, "Bearer ");
        code = c->token_env != NULL ? secret_env(c->token_env, &value, err)
                                    : secret_file(r->env->secrets, c->token_file, &value, err);
        if (code == ERR_OK)
            code = headers_add(&r->headers, "authorization", value.data, value.len, true, err);
    }
    if (value.data != NULL)
        explicit_bzero(value.data, value.cap);
    buf_fini(&value);
    return code;
}

static bool says_json(const char *type)
{
    size_t len = strcspn(type, "; \t");

    return len >= 4 && strncasecmp(type + len - 4, "json", 4) == 0;
}

static enum errcode build_body(struct request *r, struct err *err)
{
    const json_t *body = json_object_get(r->spec, "body");
    const char *type = headers_get(&r->headers, "content-type");

    r->has_body = body != NULL && !json_is_null(body);
    if (!r->has_body)
        return ERR_OK;
    bool text = json_is_string(body) && (type == NULL || !says_json(type));
    bool fits = text ? buf_add(&r->body, json_string_value(body), json_string_length(body))
                     : json_write(&r->body, body);
    if (!fits || r->body.full)
        return err_set(err, ERR_TOO_LARGE, "the body of the call is larger than %zu bytes",
                       r->body.max);
    return add_own(r, "content-type", text ? "text/plain; charset=utf-8" : "application/json", err);
}

static enum errcode read_method(struct request *r, struct err *err)
{
    const char *text = json_str(r->spec, "method", r->is_agent ? "POST" : "GET");
    size_t n = 0;

    for (; text[n] != '\0' && n + 1 < sizeof r->method; n++) {
        char c = text[n] >= 'a' && text[n] <= 'z' ? (char)(text[n] - 32) : text[n];

        if (c < 'A' || c > 'Z')
            break;
        r->method[n] = c;
    }
    r->method[n] = '\0';
    if (text[n] != '\0' || n == 0 || strcmp(r->method, "CONNECT") == 0 ||
        strcmp(r->method, "TRACE") == 0)
        return err_set(err, ERR_INVALID, "\"%.20s\" is no method that a call may use", text);
    return ERR_OK;
}

static enum errcode read_spec(struct request *r, struct err *err)
{
    const char *output = json_str(r->spec, "output", "content");

    r->is_agent = strcmp(json_str(r->spec, "kind", ""), "agent") == 0;
    r->follow = json_bool(r->spec, "redirect", false);
    if (strcmp(output, "content") == 0)
        r->form = FORM_CONTENT;
    else if (strcmp(output, "raw") == 0)
        r->form = FORM_RAW;
    else if (strcmp(output, "response") == 0)
        r->form = FORM_RESPONSE;
    else
        return err_set(err, ERR_INVALID, "\"%.20s\" is no output of a call", output);
    return read_method(r, err);
}

static enum errcode build(struct request *r, const struct call *call, struct err *err)
{
    enum errcode code = read_spec(r, err);

    if (code == ERR_OK)
        code = add_spec_headers(r, err);
    if (code == ERR_OK)
        code = add_configured(r, err);
    if (code == ERR_OK)
        code = build_body(r, err);
    if (code == ERR_OK)
        code = add_own(r, "idempotency-key", call->idempotency_key, err);
    if (code == ERR_OK)
        code = add_own(r, "traceparent", call->traceparent, err);
    return code;
}

/* ---- sending ---- */

static void set_method(struct request *r)
{
    CURL *easy = r->job.easy;
    const char *custom = r->method;

    if (r->has_body || strcmp(r->method, "POST") == 0) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, r->body.data != NULL ? r->body.data : "");
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len);
        if (strcmp(r->method, "POST") == 0)
            custom = NULL;
    } else if (strcmp(r->method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
        custom = NULL;
    } else {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L); /* also undoes NOBODY and POST */
        if (strcmp(r->method, "GET") == 0)
            custom = NULL;
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, custom);
}

/* Sends (or, after a redirect, sends on) within what is left of the deadline. */
static void launch(struct request *r, bool with_secrets)
{
    int64_t left_ms = (int64_t)(r->deadline - uv_hrtime() / 1000000);
    /* Headers that libcurl would add by itself and that nobody asked for. */
    r->quiet[0] = (struct curl_slist){.data = (char *)(uintptr_t) "Content-Type:"};
    r->quiet[1] = (struct curl_slist){.data = (char *)(uintptr_t) "Expect:"};
    struct curl_slist **end = &r->list;

    r->list = headers_list(&r->headers, with_secrets);
    while (*end != NULL)
        end = &(*end)->next;
    if (!r->has_body && headers_get(&r->headers, "content-type") == NULL) {
        *end = &r->quiet[0];
        end = &r->quiet[0].next;
    }
    if (r->body.len > EXPECT_BYTES)
        *end = &r->quiet[1];
    buf_clear(&r->answer);
    r->received = 0;
    r->error[0] = '\0';
    set_method(r);
    curl_easy_setopt(r->job.easy, CURLOPT_URL, r->target.url);
    curl_easy_setopt(r->job.easy, CURLOPT_HTTPHEADER, r->list);
    curl_easy_setopt(r->job.easy, CURLOPT_TIMEOUT_MS, left_ms > 0 ? (long)left_ms : 1L);
    curl_job_add(&r->job);
}

/* True when the answer is a redirect that is followed: the request is on its way again. False:
 * `err` is set when the redirect is refused. */
static bool follow_redirect(struct request *r, long status, struct err *err)
{
    char *location = NULL;
    struct target next;

    if (!r->follow ||
        (status != 301 && status != 302 && status != 303 && status != 307 && status != 308))
        return false;
    curl_easy_getinfo(r->job.easy, CURLINFO_REDIRECT_URL, &location);
    if (location == NULL)
        return false;
    if (r->hops++ >= REDIRECTS_MAX) {
        err_set(err, ERR_COMMUNICATION, "more than %d redirects", REDIRECTS_MAX);
        return false;
    }
    if (target_from_url(r->env->agents, r->env->config, location, &next, err) != ERR_OK)
        return false;
    r->secrets_stay = r->secrets_stay && target_same_origin(r->target.url, next.url);
    free(r->target.url);
    r->target.url = next.url; /* the agent whose slot and breaker this is stays */
    if (strcmp(r->method, "HEAD") != 0 &&
        (status == 303 || (status != 307 && status != 308 && strcmp(r->method, "POST") == 0))) {
        memcpy(r->method, "GET", sizeof "GET");
        r->has_body = false;
        buf_clear(&r->body);
    }
    launch(r, r->secrets_stay);
    return true;
}

static void on_done(struct curl_job *job, CURLcode code)
{
    struct request *r = (struct request *)job;
    struct err err = {.code = ERR_OK};
    struct outcome out = {0};
    long status = 0;

    if (code == CURLE_OK) {
        curl_easy_getinfo(r->job.easy, CURLINFO_RESPONSE_CODE, &status);
        if (follow_redirect(r, status, &err))
            return;
    }
    if (err.code != ERR_OK)
        outcome_from_err(&out, &err);
    else
        request_outcome(r, code, &out);
    request_abort(r); /* clean for the next call */
    r->done(r->arg, r, &out);
}

/* ---- the life of a request ---- */

struct request *request_new(const struct request_env *env)
{
    struct request *r = mem_zalloc(sizeof *r);

    r->env = env;
    headers_init(&r->headers);
    buf_init(&r->body, REQUEST_BODY_MAX);
    buf_init(&r->answer, env->config->response_max);
    curl_job_init(&r->job, env->loop, on_done);
    curl_easy_setopt(r->job.easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(r->job.easy, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(r->job.easy, CURLOPT_ERRORBUFFER, r->error);
    curl_easy_setopt(r->job.easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    curl_easy_setopt(r->job.easy, CURLOPT_USERAGENT, "ultramcp-restate/" VERSION);
    return r;
}

static void shrink(struct buf *b)
{
    if (b->cap > KEEP_BYTES)
        buf_fini(b);
    else
        buf_clear(b);
}

void request_abort(struct request *r)
{
    curl_job_remove(&r->job);
    headers_clear(&r->headers);
    shrink(&r->body);
    shrink(&r->answer);
    target_fini(&r->target);
    r->spec = NULL;
}

void request_free(struct request *r)
{
    request_abort(r);
    curl_job_fini(&r->job);
    headers_fini(&r->headers);
    buf_fini(&r->body);
    buf_fini(&r->answer);
    free(r);
}

bool request_send(struct request *r, const struct call *call, struct target *target,
                  request_done *done, void *arg, struct outcome *out)
{
    int64_t timeout_ms = json_int(call->spec, "timeout", target->agent->config->timeout_ms);
    struct err err;

    if (timeout_ms < 1 || timeout_ms > TIMEOUT_MAX_MS)
        timeout_ms = timeout_ms < 1 ? 1 : TIMEOUT_MAX_MS;
    r->target = *target;
    *target = (struct target){0};
    r->spec = call->spec;
    r->done = done;
    r->arg = arg;
    r->hops = 0;
    r->too_large = false;
    r->secrets_stay = true;
    r->timeout_ms = timeout_ms;
    r->deadline = uv_hrtime() / 1000000 + (uint64_t)timeout_ms;
    if (build(r, call, &err) != ERR_OK) {
        outcome_from_err(out, &err);
        request_abort(r);
        return false;
    }
    launch(r, true);
    return true;
}
