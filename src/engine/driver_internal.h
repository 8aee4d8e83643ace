/* What driver.c and driver_api.c share. */
#ifndef ENGINE_DRIVER_INTERNAL_H
#define ENGINE_DRIVER_INTERNAL_H

#include "engine/driver.h"

enum { LAG_SECONDS = 10 };

struct driver {
    uv_loop_t *loop;
    struct engine *engine; /* NULL before driver_start and after driver_close */
    struct api inner;      /* the engine's own door */
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle;        /* active while there is more to run: poll does not sleep */
    uv_timer_t due_timer;  /* for what is due within a second */
    uv_timer_t beat_timer; /* every second: sees jumps of the wall clock */
    int64_t armed;         /* what due_timer was armed for, ms since 1970; INT64_MAX: not armed */
    uint64_t worked_at;    /* when something was run last, uv_hrtime ns */
    uint64_t turn_at;      /* end of the last poll, uv_hrtime ns; 0: none yet */
    uint64_t turn_idle;    /* uv_metrics_idle_time then, ns */
    uint64_t warned_at;    /* of the last warning about lag, uv_hrtime ns */
    struct {
        uint64_t second; /* uv_hrtime in s */
        uint64_t max_ns;
    } lag[LAG_SECONDS]; /* the longest turn of each second; a ring by second */
    driver_stats_fn *stats;
    void *stats_arg;
    void (*closed)(void *arg);
    void *closed_arg;
    int open_handles;
};

/* Tells the engine what time it is; before each of its functions that takes none. */
void driver_stamp(struct driver *d);

/* The longest time in the last ten seconds that the loop did not look for events, ms. */
double driver_lag_ms(const struct driver *d);

#endif
