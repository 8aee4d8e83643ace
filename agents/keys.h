/* What an agent remembers of requests that carried an Idempotency-Key: the answer, given again when
 * the same request comes again, and how often each was asked and worked on. Holds the newest
 * KEYS_MAX answers, KEYS_BYTES of them. Any thread. */
#ifndef AGENTS_KEYS_H
#define AGENTS_KEYS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum { KEYS_MAX = 10000, KEYS_BYTES = 64 * 1024 * 1024, KEY_LEN_MAX = 512 };

struct keys;
struct key_entry;

struct keys *keys_new(void);
void keys_free(struct keys *k);

enum keys_verdict {
    KEYS_WORK,   /* first time (or it failed before): work, then keys_done or keys_failed */
    KEYS_ANSWER, /* `*status` and `*text` are the answer given before; the caller frees the text */
    KEYS_MISUSE  /* the key was used for another request */
};

/* Waits while another connection works on the same key. `print` identifies path and body. */
enum keys_verdict keys_begin(struct keys *k, const char *key, uint64_t print,
                             struct key_entry **entry, unsigned *status, char **text);
void keys_done(struct keys *k, struct key_entry *entry, unsigned status, const char *text);
void keys_failed(struct keys *k, struct key_entry *entry);

/* {executions: {KEY: n}, requests: {KEY: n}}; new references. */
void keys_stats(struct keys *k, json_t **executions, json_t **requests);

#endif
