/* A core for one instance, for tests of handlers: it implements the turn_ functions of
 * engine/handler.h, writes every command and fact as a line of text, remembers every notification
 * so that it can be replayed, and checks what the real core takes for granted (keys are unique,
 * what ends has begun, only what is outstanding is dropped, nothing comes after the end).
 *
 * The lines:   started KEY INPUT      ended KEY OUTPUT | ended KEY !ERROR | ended KEY dropped
 *              task KEY INPUT OUTPUT | task KEY INPUT !ERROR
 *              run KEY SPEC [once]    sleep KEY MS        call|send KEY SERVICE INPUT
 *              log KEY LEVEL MESSAGE [FIELDS]             drop KIND KEY        yield
 *              completed OUTPUT       faulted ERROR       cancelled
 * JSON is compact with sorted keys. MS counts from the turn. */
#ifndef TESTS_FAKE_TURN_H
#define TESTS_FAKE_TURN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/handler.h"

struct fake; /* the core and the handler that it drives */

struct fake *fake_new(const struct handler_kind *kind, const void *definition);
void fake_free(struct fake *f); /* closes the handler, wherever it stands */

/* Notifications; JSON is borrowed. Each delivers the turns that the handler asks for with
 * turn_yield as well, unless fake_hold was called. */
void fake_start(struct fake *f, json_t *input);
/* Answers the oldest outstanding command of that kind ("run" "call" "sleep") and key; false when
 * there is none. A sleep takes neither output nor error and moves the clock to its due time. */
bool fake_answer(struct fake *f, const char *kind, const char *key, json_t *output, json_t *error);
bool fake_answer_any(struct fake *f, json_t *output);           /* the oldest, whatever it is */
void fake_result(struct fake *f, uint32_t cmd, json_t *output); /* whatever cmd is */
void fake_cancel(struct fake *f);
void fake_hold(struct fake *f, bool hold); /* true: turns asked for wait for fake_go_on */
void fake_go_on(struct fake *f);
void fake_advance(struct fake *f, int64_t ms);

const char *fake_text(const struct fake *f);    /* all lines so far */
const char *fake_current(const struct fake *f); /* what the handler says it is doing */
const char *fake_end(const struct fake *f);     /* the last line once ended, else NULL */
size_t fake_outstanding(const struct fake *f);
size_t fake_notifications(const struct fake *f);

/* A second instance that is told the first `count` notifications of `f`. */
struct fake *fake_replay(const struct fake *f, size_t count);

#endif
