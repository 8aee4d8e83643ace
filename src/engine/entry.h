/* The journal's entries and their encoding. An instance's journal is the ordered list of everything
 * that its handler asked for and was told; replaying it through the same handler gives the same
 * state.
 *
 *   fact          the handler says what it is doing (a task began, ended); checked on replay
 *   command       the handler asks for something; checked on replay, answered by a notification
 *   notification  what came back; delivered to the handler, in journal order
 *   event         about the execution (attempt failed, paused, by whom); the handler never sees it
 *
 * Layout of one entry: kind u8, flags u8, then LEB128 varints: seq, cmd, attempt, at (ms since
 * 1970), length and bytes of name, data, more. Nothing in it depends on the machine. */
#ifndef ENGINE_ENTRY_H
#define ENGINE_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum entry_class { CLASS_FACT, CLASS_COMMAND, CLASS_NOTIFICATION, CLASS_EVENT };

/*       kind                number name              class                what data and more hold
 */
#define ENTRY_TABLE(X)                                                                             \
    X(ENTRY_STARTED, 1, "started", CLASS_NOTIFICATION)   /* data: input; always the first entry */ \
    X(ENTRY_TASK_STARTED, 2, "task-started", CLASS_FACT) /* name: task key; data: input */         \
    X(ENTRY_TASK_ENDED, 3, "task-ended", CLASS_FACT)     /* data: output, or more: error */        \
    X(ENTRY_TASK, 4, "task", CLASS_FACT)                 /* began and ended in one turn */         \
    X(ENTRY_RUN, 5, "run", CLASS_COMMAND)                /* data: what to call (ports.h) */        \
    X(ENTRY_SLEEP, 6, "sleep", CLASS_COMMAND)            /* data: due, ms since 1970 */            \
    X(ENTRY_CHILD, 7, "call", CLASS_COMMAND)             /* data: {service, input} */              \
    X(ENTRY_SEND, 8, "send", CLASS_COMMAND)              /* data: {service, input} */              \
    X(ENTRY_AWAIT, 9, "await-signal", CLASS_COMMAND)     /* data: signal's name */                 \
    X(ENTRY_DROP, 10, "drop", CLASS_COMMAND)             /* cmd: the command no longer wanted */   \
    X(ENTRY_LOG, 11, "log", CLASS_COMMAND)               /* data: {level, message, fields} */      \
    X(ENTRY_OUTPUT, 12, "output", CLASS_COMMAND)         /* data: output, or more: error */        \
    X(ENTRY_RESULT, 20, "result", CLASS_NOTIFICATION)    /* cmd; data: output, or more: error */   \
    X(ENTRY_FIRED, 21, "fired", CLASS_NOTIFICATION)      /* cmd: the sleep */                      \
    X(ENTRY_SIGNALLED, 22, "signalled", CLASS_NOTIFICATION) /* name; data: payload */              \
    X(ENTRY_TURN, 23, "turn", CLASS_NOTIFICATION)           /* the handler asked to go on later */ \
    X(ENTRY_CANCEL, 24, "cancel", CLASS_NOTIFICATION)       /* data: {by, why} */                  \
    X(ENTRY_RESUMED, 25, "resumed", CLASS_NOTIFICATION)     /* data: {by, why} */                  \
    X(ENTRY_ATTEMPT_FAILED, 40, "attempt-failed", CLASS_EVENT) /* cmd, attempt; data: due or "" */ \
    X(ENTRY_CHILD_STARTED, 41, "child-started", CLASS_EVENT)   /* cmd; data: child's id */         \
    X(ENTRY_PAUSED, 42, "paused", CLASS_EVENT)                 /* data: {by, why} */               \
    X(ENTRY_KILLED, 43, "killed", CLASS_EVENT)                 /* data: {by, why}; the last */     \
    X(ENTRY_RESTARTED, 44, "restarted", CLASS_EVENT) /* data: {by, why, as | from, step} */

enum entry_kind {
#define X(kind, number, name, class) kind = number,
    ENTRY_TABLE(X)
#undef X
        ENTRY_KIND_END = 64
};

enum {
    ENTRY_SAME_DATA = 1, /* facts: the value is entry `cmd`'s data (task: its input) */
    ENTRY_HAS_DATA = 2,  /* tells an absent value from an empty one */
    ENTRY_HAS_MORE = 4,
    ENTRY_SAME_OUT = 8, /* ENTRY_TASK: the output is the input */
};

struct entry {
    uint8_t kind;  /* enum entry_kind */
    uint8_t flags; /* ENTRY_HAS_… */
    uint32_t seq;  /* position in the instance's journal, from 0, no gaps */
    uint32_t cmd;  /* the command's seq that this answers or is about */
    uint32_t attempt;
    int64_t at;       /* ms since 1970: the turn in which it was made */
    const char *name; /* task key or signal name; not NUL-terminated; borrowed from the chunk */
    size_t name_len;
    const char *data; /* JSON text */
    size_t data_len;
    const char *more; /* JSON text: an error, or the input of ENTRY_TASK */
    size_t more_len;
};

const char *entry_name(unsigned kind);          /* "task-started"; NULL for an unknown kind */
enum entry_class entry_class_of(unsigned kind); /* kind must be known */

void entry_encode(struct buf *chunk, const struct entry *e);

/* Reads the entry at `*at` of a chunk and moves `*at` behind it. Pointers go into the chunk. Fails
 * with ERR_STORE_DAMAGED on bytes that are no entry; `*at` is then unchanged. */
enum errcode entry_decode(const char *chunk, size_t len, size_t *at, struct entry *e,
                          struct err *err);

#endif
