/* Errors as values. One table names every error that people can meet: its code, the HTTP status it
 * becomes, whether trying again can help, and (by name) its page in docs/errors.md.
 *
 * A function that can fail returns enum errcode (ERR_OK is 0) and takes a `struct err *` last,
 * which it fills where the failure is detected. `err` may be NULL where the caller wants only the
 * code. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ERR_TABLE(X)                                                                               \
    /* code            name                     HTTP retryable */                                  \
    X(ERR_OK, "ok", 200, false)                                                                    \
    X(ERR_USAGE, "usage", 400, false)                                                              \
    X(ERR_CONFIG, "configuration", 400, false)                                                     \
    X(ERR_PARSE, "parse", 400, false)                                                              \
    X(ERR_INVALID, "invalid", 400, false)                                                          \
    X(ERR_EXPRESSION, "expression", 400, false)                                                    \
    X(ERR_FORBIDDEN, "forbidden", 403, false)                                                      \
    X(ERR_NOT_FOUND, "not-found", 404, false)                                                      \
    X(ERR_METHOD, "method-not-allowed", 405, false)                                                \
    X(ERR_TIMEOUT, "timeout", 408, true)                                                           \
    X(ERR_CONFLICT, "conflict", 409, false)                                                        \
    X(ERR_NOT_READY, "not-ready", 470, true)                                                       \
    X(ERR_GONE, "gone", 410, false)                                                                \
    X(ERR_TOO_LARGE, "too-large", 413, false)                                                      \
    X(ERR_MEDIA_TYPE, "media-type", 415, false)                                                    \
    X(ERR_MISDIRECTED, "misdirected", 421, false)                                                  \
    X(ERR_TOO_MANY, "too-many", 429, true)                                                         \
    X(ERR_INTERNAL, "internal", 500, false)                                                        \
    X(ERR_UNSUPPORTED, "unsupported", 501, false)                                                  \
    X(ERR_COMMUNICATION, "communication", 502, true)                                               \
    X(ERR_UNAVAILABLE, "unavailable", 503, true)                                                   \
    X(ERR_STORE_FULL, "store-full", 507, true)                                                     \
    X(ERR_STORE, "store", 500, false)                                                              \
    X(ERR_STORE_DAMAGED, "store-damaged", 500, false)                                              \
    X(ERR_STORE_NEWER, "store-newer", 500, false)                                                  \
    X(ERR_STORE_LOCKED, "store-locked", 500, false)                                                \
    X(ERR_LIMIT, "limit", 500, false)                                                              \
    X(ERR_JOURNAL_MISMATCH, "journal-mismatch", 500, false)                                        \
    X(ERR_CANCELLED, "cancelled", 409, false)                                                      \
    X(ERR_KILLED, "killed", 409, false)

enum errcode {
#define X(code, name, http, retryable) code,
    ERR_TABLE(X)
#undef X
        ERR_COUNT
};

enum { ERR_TEXT_MAX = 512 };

struct err {
    enum errcode code;
    char text[ERR_TEXT_MAX]; /* one sentence: what, where and what to do; UTF-8, never NULL */
};

/* Fills `err` (when not NULL) and returns `code`, so that a caller can write `return err_set(...)`.
 * The text is cut, never overrun. */
enum errcode err_set(struct err *err, enum errcode code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

const char *err_name(enum errcode code); /* "not-found"; static */
int err_http_status(enum errcode code);  /* 404 */
bool err_retryable(enum errcode code);

#ifdef __cplusplus
}
#endif

#endif
