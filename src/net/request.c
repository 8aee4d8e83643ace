/* One call on one easy handle. */
#include "net/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/problem.h"
#include "net/reply.h"

enum {
    HEADER_LINE_MAX = 16 * 1024,
    RETRY_AFTER_MAX_S = 3600,
    EXCERPT_MAX = 200,
    REDIRECTS_MAX = 10
};

struct request {
    const struct request_env *env;
    struct curl_job job;
    struct target target;
    struct curl_slist *headers;
    struct buf body, answer, line;
    const json_t *spec;
    request_done *done;
    void *arg;
    int64_t timeout_ms;
    int redirects;
    bool too_large;
};

/* ---- outcomes
 * ------------------------------------------------------------------------------------ */

void outcome_from_err(struct outcome *out, const struct err *err)
{
    memset(out, 0, sizeof *out);
    out->verdict = VERDICT_NEUTRAL;
    if (err->code == ERR_INVALID || err->code == ERR_NOT_FOUND || err->code == ERR_CONFIG)
        out->result.error =
            problem_new("configuration", 400, "The call cannot be made", "%s", err->text);
    else if (err->code == ERR_FORBIDDEN)
        out->result.error =
            problem_new("authorization", 403, "The call is not allowed", "%s", err->text);
    else
        out->result.error =
            problem_new("communication", 503, "The call cannot be made", "%s", err->text);
    out->result.retryable = err_retryable(err->code);
}

static void show(const struct request *r, char *out, size_t size)
{
    target_show(r->target.url, out, size);
}

static void outcome_transport(struct request *r, CURLcode code, struct outcome *out)
{
    char url[300];
    bool timeout = code == CURLE_OPERATION_TIMEDOUT;

    show(r, url, sizeof url);
    memset(out, 0, sizeof *out);
    out->verdict = VERDICT_FAILED;
    if (r->too_large) {
        out->verdict = VERDICT_ALIVE;
        out->result.error = problem_new("communication", 502, "Answer too large",
                                        "%s answered more than %llu bytes (egress.response-max)",
                                        url, (unsigned long long)r->env->config->response_max);
        return;
    }
    if (r->job.refused) {
        out->verdict = VERDICT_NEUTRAL;
        out->result.error = problem_new("authorization", 403, "Address refused",
                                        "%s: the address is never called (egress policy)", url);
        return;
    }
    out->result.error =
        timeout ? problem_new("communication", 504, "No answer in time",
                              "%s did not answer within %lld ms", url, (long long)r->timeout_ms)
                : problem_new("communication", 500, "No answer", "%s: %s", url,
                              curl_easy_strerror(code));
    out->result.retryable = true;
}

static bool is_retryable(long status)
{
    return status == 408 || status == 425 || status == 429 || status == 500 || status == 502 ||
           status == 503 || status == 504;
}

static int64_t retry_after(CURL *easy)
{
    curl_off_t seconds = 0;

    curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &seconds);
    return (seconds > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : seconds) * 1000;
}

static void outcome_status(struct request *r, long status, struct outcome *out)
{
    char url[300], excerpt[EXCERPT_MAX];

    show(r, url, sizeof url);
    reply_harmless(r->answer.data != NULL ? r->answer.data : "", r->answer.len, excerpt,
                   sizeof excerpt);
    out->result.error =
        problem_new("communication", (int)status, "The agent answered with an error",
                    "HTTP %ld from %s%s%s", status, url, excerpt[0] != '\0' ? ": " : "", excerpt);
    out->result.retryable = is_retryable(status);
    out->result.retry_after_ms = retry_after(r->job.easy);
    out->verdict = status >= 500 ? VERDICT_FAILED : VERDICT_ALIVE;
}

static json_t *whole_response(struct request *r, long status, json_t *content)
{
    const char *url = NULL;

    curl_easy_getinfo(r->job.easy, CURLINFO_EFFECTIVE_URL, &url);
    char shown[300];
    target_show(url != NULL ? url : r->target.url, shown, sizeof shown);
    return json_pack("{s:{s:s, s:s, s:{}}, s:i, s:o, s:o}", "request", "method",
                     json_str(r->spec, "method", "get"), "uri", shown, "headers", "statusCode",
                     (int)status, "headers", reply_headers(r->job.easy), "content", content);
}

static void outcome_answer(struct request *r, struct outcome *out)
{
    const char *form = json_str(r->spec, "output", "content"), *type = NULL;
    const char *data = r->answer.data != NULL ? r->answer.data : "";
    long status = 0;
    json_t *content;
    struct err err;

    memset(out, 0, sizeof *out);
    curl_easy_getinfo(r->job.easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(r->job.easy, CURLINFO_CONTENT_TYPE, &type);
    if (status < 200 || status > (json_bool(r->spec, "redirect", false) ? 399 : 299)) {
        outcome_status(r, status, out);
        return;
    }
    out->verdict = VERDICT_ALIVE;
    if (strcmp(form, "raw") == 0) {
        out->result.output = reply_base64(data, r->answer.len);
        return;
    }
    if (reply_content(type, data, r->answer.len, &content, &err) != ERR_OK) {
        char url[300];

        show(r, url, sizeof url);
        out->result.error =
            problem_new("communication", 502, "The answer cannot be read", "%s: %s", url, err.text);
        out->result.retryable = true;
        out->verdict = VERDICT_FAILED;
        return;
    }
    out->result.output =
        strcmp(form, "response") == 0 ? whole_response(r, status, content) : content;
}

/* ---- the answer
 * ---------------------------------------------------------------------------------- */

static size_t on_data(char *data, size_t size, size_t count, void *arg)
{
    struct request *r = arg;

    if (!buf_add(&r->answer, data, size * count)) {
        r->too_large = true;
        return 0;
    }
    return size * count;
}

static void finish(struct request *r, struct outcome *out)
{
    curl_slist_free_all(r->headers);
    r->headers = NULL;
    target_fini(&r->target);
    memset(&r->target, 0, sizeof r->target);
    r->spec = NULL;
    r->done(r->arg, r, out);
}

/* Redirects are followed here, one at a time, each by the egress policy. True: on its way. */
static bool follow(struct request *r, struct outcome *out)
{
    char *location = NULL;
    struct target next = {0};
    struct err err;
    bool same;

    curl_easy_getinfo(r->job.easy, CURLINFO_REDIRECT_URL, &location);
    if (location == NULL || !json_bool(r->spec, "redirect", false))
        return false;
    if (++r->redirects > REDIRECTS_MAX) {
        err_set(&err, ERR_COMMUNICATION, "more than %d redirects", REDIRECTS_MAX);
        outcome_from_err(out, &err);
        return false;
    }
    if (target_from_url(r->env->agents, r->env->config, location, &next, &err) != ERR_OK) {
        outcome_from_err(out, &err);
        return false;
    }
    same = target_same_origin(r->target.url, next.url);
    char *url = next.url;
    next.url = r->target.url;
    r->target.url = url;
    target_fini(&next);
    if (!same) { /* what was meant for one host goes to no other */
        curl_slist_free_all(r->headers);
        r->headers = NULL;
        curl_easy_setopt(r->job.easy, CURLOPT_HTTPHEADER, NULL);
    }
    buf_clear(&r->answer);
    curl_easy_setopt(r->job.easy, CURLOPT_URL, r->target.url);
    curl_job_add(&r->job);
    return true;
}

static void on_done(struct curl_job *job, CURLcode code)
{
    struct request *r = (struct request *)(void *)((char *)job - offsetof(struct request, job));
    struct outcome out;

    memset(&out, 0, sizeof out);
    if (code != CURLE_OK) {
        outcome_transport(r, code, &out);
    } else {
        if (follow(r, &out))
            return;
        if (out.result.error == NULL)
            outcome_answer(r, &out);
    }
    finish(r, &out);
}

/* ---- the request
 * --------------------------------------------------------------------------------- */

static bool is_field(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        if ((*p < 0x20 && *p != '\t') || *p == 0x7f)
            return false;
    }
    return true;
}

static bool is_name(const char *text)
{
    return text[0] != '\0' &&
           text[strspn(
               text,
               "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")] ==
               '\0';
}

static enum errcode add_header(struct request *r, const char *name, const char *value,
                               struct err *err)
{
    if (!is_name(name) || !is_field(value))
        return err_set(err, ERR_INVALID,
                       "the header \"%.60s\" has a name or a value that HTTP forbids", name);
    buf_clear(&r->line);
    if (!buf_printf(&r->line, "%s: %s", name, value))
        return err_set(err, ERR_INVALID, "the header \"%.60s\" is too long", name);
    r->headers = curl_slist_append(r->headers, r->line.data);
    return ERR_OK;
}

static enum errcode add_token(struct request *r, const struct config_agent *a, struct err *err)
{
    struct buf token;
    enum errcode code;

    if (a->token_env == NULL && a->token_file == NULL)
        return ERR_OK;
    buf_init(&token, HEADER_LINE_MAX);
    buf_str(&token, "Bearer ");
    code = a->token_env != NULL ? secret_env(a->token_env, &token, err)
                                : secret_file(r->env->secrets, a->token_file, &token, err);
    if (code == ERR_OK)
        code = add_header(r, "Authorization", token.data, err);
    buf_fini(&token);
    return code;
}

static enum errcode add_configured(struct request *r, const struct config_agent *a, struct err *err)
{
    enum errcode code = ERR_OK;

    for (size_t i = 0; i < a->header_count && code == ERR_OK; i++) {
        struct buf value;

        buf_init(&value, HEADER_LINE_MAX);
        buf_str(&value, "");
        code = secret_expand(r->env->secrets, a->headers[i].value, &value, err);
        if (code == ERR_OK)
            code = add_header(r, a->headers[i].name, value.data, err);
        buf_fini(&value);
    }
    return code;
}

static enum errcode add_given(struct request *r, struct err *err)
{
    json_t *headers = json_object_get(r->spec, "headers"), *value;
    const char *name;
    enum errcode code = ERR_OK;

    json_object_foreach(headers, name, value)
    {
        char *text = json_is_string(value) ? NULL : json_text(value);

        if (code == ERR_OK && !json_is_null(value))
            code = add_header(r, name, text != NULL ? text : json_string_value(value), err);
        free(text);
    }
    return code;
}

static bool has_content_type(const struct request *r)
{
    for (const struct curl_slist *h = r->headers; h != NULL; h = h->next) {
        if (strncasecmp(h->data, "content-type:", 13) == 0)
            return true;
    }
    return false;
}

static enum errcode add_headers(struct request *r, const struct call *call, struct err *err)
{
    enum errcode code = add_given(r, err);

    if (code == ERR_OK && r->target.agent->registered)
        code = add_configured(r, r->target.agent->config, err);
    if (code == ERR_OK && r->target.agent->registered)
        code = add_token(r, r->target.agent->config, err);
    if (code == ERR_OK)
        code = add_header(r, "Idempotency-Key", call->idempotency_key, err);
    if (code == ERR_OK && call->traceparent[0] != '\0')
        code = add_header(r, "traceparent", call->traceparent, err);
    return code;
}

static enum errcode set_body(struct request *r, struct err *err)
{
    const json_t *body = json_object_get(r->spec, "body");
    const char *method = json_str(r->spec, "method", "post");
    bool text = json_is_string(body) && !has_content_type(r);
    enum errcode code = ERR_OK;

    curl_easy_setopt(r->job.easy, CURLOPT_HTTPGET, 1L);
    if (body != NULL) {
        buf_clear(&r->body);
        if (json_is_string(body))
            buf_add(&r->body, json_string_value(body), json_string_length(body));
        else
            json_write(&r->body, body);
        if (r->body.full)
            return err_set(err, ERR_TOO_LARGE, "the body of the call is too large");
        if (!has_content_type(r))
            code = add_header(r, "Content-Type", text ? "text/plain" : "application/json", err);
        curl_easy_setopt(r->job.easy, CURLOPT_POST, 1L);
        curl_easy_setopt(r->job.easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len);
        curl_easy_setopt(r->job.easy, CURLOPT_POSTFIELDS, r->body.data != NULL ? r->body.data : "");
    } else if (strcasecmp(method, "post") == 0) {
        curl_easy_setopt(r->job.easy, CURLOPT_POST, 1L);
        curl_easy_setopt(r->job.easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)0);
        curl_easy_setopt(r->job.easy, CURLOPT_POSTFIELDS, "");
    }
    return code;
}

static enum errcode set_method(struct request *r, struct err *err)
{
    static const char *const methods[] = {"GET",    "POST", "PUT",     "PATCH",
                                          "DELETE", "HEAD", "OPTIONS", NULL};
    const char *method = json_str(r->spec, "method", "post");

    for (const char *const *m = methods; *m != NULL; m++) {
        if (strcasecmp(*m, method) != 0)
            continue;
        curl_easy_setopt(r->job.easy, CURLOPT_NOBODY, strcmp(*m, "HEAD") == 0 ? 1L : 0L);
        curl_easy_setopt(r->job.easy, CURLOPT_CUSTOMREQUEST, *m);
        return ERR_OK;
    }
    return err_set(err, ERR_INVALID, "\"%.20s\" is no HTTP method", method);
}

struct request *request_new(const struct request_env *env)
{
    struct request *r = mem_zalloc(sizeof *r);

    r->env = env;
    buf_init(&r->body, 64 << 20);
    buf_init(&r->answer, env->config->response_max);
    buf_init(&r->line, HEADER_LINE_MAX);
    curl_job_init(&r->job, env->loop, on_done);
    curl_easy_setopt(r->job.easy, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(r->job.easy, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(r->job.easy, CURLOPT_USERAGENT, "ultramcp-restate/" VERSION);
    curl_easy_setopt(r->job.easy, CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
    return r;
}

void request_free(struct request *r)
{
    curl_job_fini(&r->job);
    curl_slist_free_all(r->headers);
    target_fini(&r->target);
    buf_fini(&r->body);
    buf_fini(&r->answer);
    buf_fini(&r->line);
    free(r);
}

bool request_send(struct request *r, const struct call *call, struct target *target,
                  request_done *done, void *arg, struct outcome *out)
{
    struct err err;

    r->target = *target;
    memset(target, 0, sizeof *target);
    r->spec = call->spec;
    r->done = done;
    r->arg = arg;
    r->redirects = 0;
    r->too_large = false;
    r->timeout_ms = json_int(call->spec, "timeout", r->target.agent->config->timeout_ms);
    buf_clear(&r->answer);
    if (add_headers(r, call, &err) != ERR_OK || set_body(r, &err) != ERR_OK ||
        set_method(r, &err) != ERR_OK) {
        outcome_from_err(out, &err);
        request_abort(r);
        return false;
    }
    r->headers = curl_slist_append(r->headers, "Expect:");
    curl_easy_setopt(r->job.easy, CURLOPT_HTTPHEADER, r->headers);
    curl_easy_setopt(r->job.easy, CURLOPT_URL, r->target.url);
    curl_easy_setopt(r->job.easy, CURLOPT_TIMEOUT_MS,
                     (long)(r->timeout_ms > 0 ? r->timeout_ms : 1));
    curl_job_add(&r->job);
    return true;
}

void request_abort(struct request *r)
{
    curl_job_remove(&r->job);
    curl_slist_free_all(r->headers);
    r->headers = NULL;
    target_fini(&r->target);
    memset(&r->target, 0, sizeof r->target);
    r->spec = NULL;
}
