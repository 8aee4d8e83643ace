/* What people see of a journal: its tasks, in the order in which they started, each with what it
 * was told, what it said, how often it was tried. Pure. */
#ifndef CLI_TIMELINE_H
#define CLI_TIMELINE_H

#include <jansson.h>
#include <stdint.h>

struct step {
    char *key;                      /* reference and iteration: "/do/0/ask#2" */
    const char *status;             /* "running", "completed", "faulted", "cancelled"; static */
    unsigned attempts;              /* of its calls, all together; 0: it called nothing */
    unsigned failed;                /* attempts that failed since the last answer */
    int64_t started, ended;         /* ms since 1970; ended 0: not yet */
    json_t *input, *output, *error; /* or NULL */
    char *why;                      /* the last failed attempt, or the error, in words; or NULL */
    int64_t again_at;               /* when the next attempt is due, ms since 1970; 0: none is */
};

struct timeline {
    struct step *steps;
    size_t count, cap;
    struct timeline_index *by_key, *by_command;
};

/* `entries`: the array of the query "journal" (engine/store/store.h), from the first entry on.
 * `final`: the instance has ended, with this status (of its open steps), NULL: it has not. */
void timeline_init(struct timeline *t, json_t *entries, const char *final);
void timeline_fini(struct timeline *t);

/* An error object in words: "title: detail", on the heap. */
char *timeline_error_text(const json_t *error);
/* The last part of a key's reference: "ask" of "/do/0/ask#2"; on the heap. */
char *timeline_name(const char *key);
char *timeline_reference(const char *key); /* without the iteration; on the heap */

#endif
