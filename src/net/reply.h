/* What an agent answered, as the workflow sees it. Everything in it is hostile: text is made valid
 * UTF-8 without U+0000 (which the journal refuses), JSON is bounded in depth and number of values.
 * Pure but for reading the easy handle; loop thread. */
#ifndef NET_REPLY_H
#define NET_REPLY_H

#include <curl/curl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Copies text so that it can stand in a message: invalid UTF-8, control, bidirectional and
 * zero-width characters become U+FFFD, white space one blank. Cut to size at a character. */
void reply_harmless(const char *text, size_t len, char *out, size_t size);

/* The body by its content type (may be NULL): JSON -> value, text/… -> string, else base64; an
 * empty one -> null. ERR_COMMUNICATION: it says JSON and is none. New reference. */
enum errcode reply_content(const char *type, const char *body, size_t len, json_t **out,
                           struct err *err);
json_t *reply_base64(const char *data, size_t len);

/* Headers of the last answer: names in lower case, repeats joined by ", ". New reference. */
json_t *reply_headers(CURL *easy);

#endif
