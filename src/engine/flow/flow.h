/* A flow: a service defined by a document of the CNCF Serverless Workflow DSL 1.0.3. This header is
 * all that the rest of the program sees of engine/flow. */
#ifndef FLOW_FLOW_H
#define FLOW_FLOW_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "engine/flow/source.h"
#include "engine/handler.h"

struct flow;

/* Reads and checks a document. NULL when it is not valid; the findings are in `*source` (always
 * set; the caller frees it, with or without a flow). With `check_expressions` the jq program is
 * built at once, so that all errors are found (validate, load over HTTP); without, at first use. */
struct flow *flow_compile(const char *file, const char *text, size_t len, bool check_expressions,
                          struct source **source);
void flow_free(struct flow *f);

/* Builds the jq program if it is not there yet; false (and findings logged) when it is wrong. */
bool flow_prepare(struct flow *f);

/* Borrowed, as long as the flow. */
const char *flow_namespace(const struct flow *f);
const char *flow_name(const struct flow *f);
const char *flow_version(const struct flow *f);
const char *flow_title(const struct flow *f);    /* or NULL */
const char *flow_summary(const struct flow *f);  /* or NULL */
json_t *flow_document(const struct flow *f);     /* the whole document */
json_t *flow_input_schema(const struct flow *f); /* or NULL */

/* Checks an input against input.schema, so that a bad call is refused before it is accepted. */
enum errcode flow_check_input(const struct flow *f, json_t *input, struct err *err);

/* The handler that interprets flows: engine/handler.h; its definition is a `struct flow *`. */
extern const struct handler_kind flow_handler;

#endif
