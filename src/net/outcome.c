/* How a transfer ended, as a call_result. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "engine/problem.h"
#include "net/reply.h"
#include "net/request_internal.h"

enum { EXCERPT_MAX = 512, RETRY_AFTER_MAX_S = 3600 };

/* Failures of ours have the specification's types too, so that a document can catch them. */
void outcome_from_err(struct outcome *out, const struct err *err)
{
    const char *type = "communication", *title = "The call cannot be made";
    int status = 503;

    if (err->code == ERR_INVALID || err->code == ERR_NOT_FOUND || err->code == ERR_CONFIG ||
        err->code == ERR_TOO_LARGE) {
        type = "configuration";
        status = 400;
    } else if (err->code == ERR_FORBIDDEN) {
        type = "authorization";
        status = 403;
        title = "The call is not allowed";
    }
    *out = (struct outcome){
        .result = {.error = problem_new(type, status, title, "%s", err->text),
                   .retryable = err_retryable(err->code)},
        .verdict = VERDICT_NEUTRAL,
    };
}

/* "agent chain-of-debate, POST http://127.0.0.1:8001/debate": for messages, without secrets. */
static void name_call(const struct request *r, char *out, size_t size)
{
    char url[512], safe[512];

    target_show(r->target.url, url, sizeof url);
    reply_harmless(url, strlen(url), safe, sizeof safe);
    snprintf(out, size, "%s%.100s, %s %s", r->target.agent->registered ? "agent " : "",
             r->target.agent->name, r->method, safe);
}

static void fail(struct outcome *out, const struct request *r, int status, bool retryable,
                 enum request_verdict verdict, const char *title, const char *detail)
{
    char call[700];

    name_call(r, call, sizeof call);
    out->result.error = problem_new("communication", status, title, "%s: %s", call, detail);
    out->result.retryable = retryable;
    out->verdict = verdict;
}

static bool status_retryable(long status)
{
    return status == 408 || status == 425 || status == 429 || status == 500 || status == 502 ||
           status == 503 || status == 504;
}

static void fail_status(struct request *r, long status, struct outcome *out)
{
    char excerpt[EXCERPT_MAX], title[64], detail[EXCERPT_MAX + 64];
    curl_off_t after = 0;

    reply_harmless(r->answer.data != NULL ? r->answer.data : "", r->answer.len, excerpt,
                   sizeof excerpt);
    snprintf(title, sizeof title, "The agent answered %ld", status);
    snprintf(detail, sizeof detail, "answered %ld%s%s", status, excerpt[0] != '\0' ? ": " : "",
             excerpt);
    fail(out, r, (int)status, status_retryable(status),
         status >= 500 ? VERDICT_FAILED : VERDICT_ALIVE, title, detail);
    curl_easy_getinfo(r->job.easy, CURLINFO_RETRY_AFTER, &after);
    if (after > 0)
        out->result.retry_after_ms = (after < RETRY_AFTER_MAX_S ? after : RETRY_AFTER_MAX_S) * 1000;
}

static void fail_transfer(struct request *r, CURLcode code, long status, struct outcome *out)
{
    char detail[CURL_ERROR_SIZE + 64], reason[CURL_ERROR_SIZE];
    const char *why = r->error[0] != '\0' ? r->error : curl_easy_strerror(code);

    reply_harmless(why, strlen(why), reason, sizeof reason);
    if (code == CURLE_OPERATION_TIMEDOUT) {
        bool late = r->timeout_ms > 0 && status == 0;

        snprintf(detail, sizeof detail, "%s within %" PRId64 " ms (%s)",
                 late ? "no answer" : "only a part of the answer came", r->timeout_ms, reason);
        fail(out, r, late ? 500 : 502, true, VERDICT_FAILED, "No answer in time", detail);
        return;
    }
    switch (code) {
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_WRITE_ERROR:
        snprintf(detail, sizeof detail, "its answer is not valid HTTP (%s)", reason);
        fail(out, r, 502, true, VERDICT_FAILED, "The answer cannot be read", detail);
        return;
    default:
        break;
    }
    if (status != 0) {
        snprintf(detail, sizeof detail, "the answer broke off (%s)", reason);
        fail(out, r, 502, true, VERDICT_FAILED, "Half an answer", detail);
        return;
    }
    snprintf(detail, sizeof detail, "no answer (%s)", reason);
    fail(out, r, 500, true, VERDICT_FAILED, "No answer", detail);
}

static void fail_too_large(struct request *r, struct outcome *out)
{
    char detail[128];

    snprintf(detail, sizeof detail,
             "the answer is larger than %" PRIu64
             " bytes after decompression (limit: response_max)",
             r->env->config->response_max);
    fail(out, r, 502, false, VERDICT_ALIVE, "The answer is too large", detail);
}

static void fail_refused(struct outcome *out, const struct request *r)
{
    struct err err;
    char call[700];

    name_call(r, call, sizeof call);
    err_set(&err, ERR_FORBIDDEN,
            "%.380s: its address is link-local, a metadata service's or otherwise never called",
            call);
    outcome_from_err(out, &err);
}

/* What was asked, as far as the document said it: nothing that the configuration added. */
static json_t *shown_request(struct request *r)
{
    json_t *headers = json_object();
    char *url = target_public(r->target.url);

    for (size_t i = 0; i < r->headers.count; i++) {
        const struct header *line = &r->headers.lines[i];
        const char *at = r->headers.text.data + line->at;

        if (line->secret)
            continue;
        char *name = mem_strndup(at, line->name_len);
        json_t *value = json_string(headers_get(&r->headers, name));
        for (char *c = name; *c != '\0'; c++)
            if (*c >= 'A' && *c <= 'Z')
                *c = (char)(*c + 32);
        if (value != NULL)
            json_object_set_new(headers, name, value);
        free(name);
    }
    json_t *out = json_pack("{s:s, s:s, s:o}", "method", r->method, "uri", url, "headers", headers);
    free(url);
    return out;
}

static void succeed(struct request *r, long status, struct outcome *out)
{
    const char *body = r->answer.data != NULL ? r->answer.data : "";
    const char *type = NULL;
    json_t *content = NULL;
    struct err err;

    out->verdict = VERDICT_ALIVE;
    if (r->form == FORM_RAW) {
        out->result.output = reply_base64(body, r->answer.len);
        return;
    }
    curl_easy_getinfo(r->job.easy, CURLINFO_CONTENT_TYPE, &type);
    if (reply_content(type, body, r->answer.len, &content, &err) != ERR_OK) {
        char safe[ERR_TEXT_MAX];

        reply_harmless(err.text, strlen(err.text), safe, sizeof safe);
        fail(out, r, 502, true, VERDICT_ALIVE, "The answer cannot be read", safe);
        return;
    }
    if (r->form == FORM_CONTENT) {
        out->result.output = content;
        return;
    }
    out->result.output =
        json_pack("{s:o, s:i, s:o, s:o}", "request", shown_request(r), "statusCode", (int)status,
                  "headers", reply_headers(r->job.easy), "content", content);
}

void request_outcome(struct request *r, CURLcode code, struct outcome *out)
{
    long status = 0;

    *out = (struct outcome){0};
    curl_easy_getinfo(r->job.easy, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 400) /* even when its body broke off: the status says more */
        fail_status(r, status, out);
    else if (code != CURLE_OK && r->job.refused)
        fail_refused(out, r);
    else if (r->too_large)
        fail_too_large(r, out);
    else if (code != CURLE_OK)
        fail_transfer(r, code, status, out);
    else if (status < 200 || status > (r->follow ? 399 : 299))
        fail_status(r, status, out);
    else
        succeed(r, status, out);
}
