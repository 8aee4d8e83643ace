/* call: http and call: agent become run commands: the specification of what to call, fully
 * evaluated. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "engine/flow/frame.h"
#include "engine/problem.h"

enum { ARGUMENTS_MAX = 8 };

struct request {
    const char *kind;
    const char *uri; /* a literal URI (template), or NULL */
    struct {
        const char *key;
        struct expr *value;
    } arguments[ARGUMENTS_MAX];
    size_t count;
    struct span *timeout;
};

static void add_argument(struct compiler *c, struct request *r, json_t *with, const char *pointer,
                         const char *key, const char *as)
{
    struct expr *value = get_template(c, with, pointer, key);

    if (value == NULL)
        return;
    r->arguments[r->count].key = as;
    r->arguments[r->count++].value = value;
}

static void compile_endpoint(struct compiler *c, struct request *r, json_t *with,
                             const char *pointer)
{
    static const char *const keys[] = {"uri", "authentication", NULL};
    json_t *endpoint = json_object_get(with, "endpoint");
    const char *text;

    if (json_is_object(endpoint)) {
        pointer = ptr_key(c, pointer, "endpoint");
        check_keys(c, endpoint, pointer, keys, NULL);
        if (json_object_get(endpoint, "authentication") != NULL)
            report(c, ptr_key(c, pointer, "authentication"),
                   "give the agent its token in the configuration",
                   "authentication comes with a later release");
        with = endpoint;
        text = get_string(c, with, pointer, "uri", true);
        if (text != NULL && expr_is_marked(text))
            add_argument(c, r, with, pointer, "uri", "uri");
    } else {
        text = get_string(c, with, pointer, "endpoint", true);
        if (text != NULL && expr_is_marked(text))
            add_argument(c, r, with, pointer, "endpoint", "uri");
    }
    if (text != NULL && !expr_is_marked(text))
        r->uri = text;
}

static const void *compile_http(struct compiler *c, json_t *with, const char *pointer)
{
    struct request *r = flow_alloc(c->f, sizeof *r);
    const char *output = get_string(c, with, pointer, "output", false);

    r->kind = "http";
    compile_endpoint(c, r, with, pointer);
    get_string(c, with, pointer, "method", true);
    get_bool(c, with, pointer, "redirect", false);
    add_argument(c, r, with, pointer, "method", "method");
    add_argument(c, r, with, pointer, "headers", "headers");
    add_argument(c, r, with, pointer, "query", "query");
    add_argument(c, r, with, pointer, "body", "body");
    add_argument(c, r, with, pointer, "redirect", "redirect");
    add_argument(c, r, with, pointer, "output", "output");
    if (output != NULL && strcmp(output, "content") != 0 && strcmp(output, "raw") != 0 &&
        strcmp(output, "response") != 0)
        report(c, ptr_key(c, pointer, "output"), "use content, raw or response",
               "\"%.40s\" is no form of output", output);
    return r;
}

static const void *compile_agent(struct compiler *c, json_t *with, const char *pointer)
{
    struct request *r = flow_alloc(c->f, sizeof *r);
    json_t *timeout = json_object_get(with, "timeout");

    r->kind = "agent";
    get_string(c, with, pointer, "agent", true);
    get_string(c, with, pointer, "path", true);
    add_argument(c, r, with, pointer, "agent", "agent");
    add_argument(c, r, with, pointer, "path", "path");
    add_argument(c, r, with, pointer, "method", "method");
    add_argument(c, r, with, pointer, "headers", "headers");
    add_argument(c, r, with, pointer, "query", "query");
    add_argument(c, r, with, pointer, "body", "body");
    if (timeout != NULL) {
        r->timeout = flow_alloc(c->f, sizeof *r->timeout);
        compile_span(c, timeout, ptr_key(c, pointer, "timeout"), r->timeout);
    }
    return r;
}

static bool add_uri(struct frame *f, const struct request *r, json_t *spec)
{
    struct err err;
    char *uri;

    if (r->uri == NULL)
        return true;
    if (expr_uri(r->uri, f->input, &uri, &err) != ERR_OK) {
        frame_fault_err(f, &err);
        return false;
    }
    json_object_set_new(spec, "uri", json_string(uri));
    free(uri);
    return true;
}

/* What an expression gave must be of the type that the call needs. */
static bool check_types(struct frame *f, const json_t *spec)
{
    static const char *const texts[] = {"uri", "method", "agent", "path", "output", NULL};
    static const char *const maps[] = {"headers", "query", NULL};
    const char *bad = NULL;

    for (const char *const *k = texts; *k != NULL; k++) {
        const json_t *value = json_object_get(spec, *k);

        if (value != NULL && !json_is_string(value))
            bad = *k;
    }
    for (const char *const *k = maps; *k != NULL; k++) {
        const json_t *value = json_object_get(spec, *k);

        if (value != NULL && !json_is_object(value) && !json_is_null(value))
            bad = *k;
    }
    if (bad == NULL)
        return true;
    frame_fault(f, problem_new("expression", 400, "Wrong argument",
                               "\"%s\" of the call has the wrong type", bad));
    return false;
}

static bool make_spec(struct frame *f, const struct request *r, json_t *spec)
{
    json_t *value;
    int64_t ms;

    json_object_set_new(spec, "kind", json_string(r->kind));
    for (size_t i = 0; i < r->count; i++) {
        if (!frame_eval(f, r->arguments[i].value, f->input, &value))
            return false;
        json_object_set_new(spec, r->arguments[i].key, value);
    }
    if (r->timeout != NULL) {
        if (!frame_span(f, r->timeout, &ms))
            return false;
        json_object_set_new(spec, "timeout", json_integer(ms));
    }
    if (json_object_get(spec, "method") == NULL)
        json_object_set_new(spec, "method", json_string("post"));
    return add_uri(f, r, spec) && check_types(f, spec);
}

static void run(struct frame *f, const void *request)
{
    json_t *spec = json_object();

    if (make_spec(f, request, spec))
        frame_wait(f, WAIT_ANSWER, turn_run(f->run->turn, f->key, spec, f->tried));
    json_decref(spec);
}

static const char *const http_keys[] = {"method", "endpoint", "headers",  "query",
                                        "body",   "output",   "redirect", NULL};
static const char *const agent_keys[] = {"agent",   "path",  "method",  "body",
                                         "headers", "query", "timeout", NULL};

const struct call_kind call_http = {
    .name = "http", .keys = http_keys, .compile = compile_http, .run = run};
const struct call_kind call_agent = {
    .name = "agent", .keys = agent_keys, .compile = compile_agent, .run = run};
