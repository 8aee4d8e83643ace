/* Runs an engine on a libuv loop: the engine knows neither clock nor loop, this file is both for
 * it.
 *
 * A turn of the loop: timers, then `prepare` (drain), then poll, then `check` (drain), so that what
 * a timer queued is begun before the loop sleeps and what came in with poll is begun, and committed
 * as one batch, right after it. A drain runs at most 64 turns or 5 ms; when there is more, a
 * uv_idle keeps the loop from sleeping (without it, work queued before poll waits for the next
 * packet).
 *
 * Loop thread only. */
#ifndef ENGINE_DRIVER_H
#define ENGINE_DRIVER_H

#include <stdbool.h>
#include <uv.h>

#include "engine/api.h"
#include "engine/engine.h"

struct driver;

/* Adds what the engine cannot know (the store's numbers) to the answer of api.stats. */
typedef void driver_stats_fn(void *arg, json_t *stats);

/* The clock of the journal: ms since 1970. */
int64_t driver_now(void);

/* Before the loop runs for the first time: measures the loop's lag from then on. The driver comes
 * before the engine since store and caller are opened with the two callbacks below. */
struct driver *driver_new(uv_loop_t *loop);
void driver_set_stats(struct driver *d, driver_stats_fn *fn, void *arg);

/* Begins. The engine is borrowed until driver_close. */
void driver_start(struct driver *d, struct engine *e);

/* The engine's door with a right clock, and with "loop" in stats and doctor. Valid after
 * driver_start. */
void driver_api(struct driver *d, struct api *api);

/* Callbacks for store (store_committed_cb) and caller (caller_done); `arg` is the driver. */
void driver_committed(void *arg, uint64_t batch_no, enum errcode code);
void driver_call_done(void *arg, int64_t instance, uint32_t cmd, const struct call_result *result);

/* To be called from the callback of a signal. It interrupts the loop's sleep, and libuv then
 * forgets how long that was (it sets the beginning anew): this turn is left out of the lag. */
void driver_interrupted(struct driver *d);

/* Nothing was run for 100 ms: a moment for housekeeping that may take some milliseconds. */
bool driver_is_quiet(const struct driver *d);

/* Runs what came in last, hands the batch over and ends; the engine is not called after this. Run
 * the loop until `closed`, which frees it. A driver that was never started is freed the same way.
 */
void driver_close(struct driver *d, void (*closed)(void *arg), void *arg);

#endif
