#include "app.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app_internal.h"
#include "base/log.h"
#include "base/mem.h"

/* ---- where the last process was when it died ----------------------------------------------------
 *
 * Eight bytes in a mapped file: the number of the instance whose turn it is. A process that dies in
 * a turn leaves them behind, since the page cache outlives it. Not there: crashes are not counted.
 */

static int64_t *map_executing(const char *data)
{
    char *path = mem_printf("%s/executing", data);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    void *map = MAP_FAILED;

    if (fd >= 0 && ftruncate(fd, sizeof(int64_t)) == 0)
        map = mmap(NULL, sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        log_warn("app", "%s cannot be mapped (%s): repeated crashes will not be noticed", path,
                 strerror(errno));
    if (fd >= 0)
        close(fd);
    free(path);
    return map != MAP_FAILED ? map : NULL;
}

/* ---- workflows ----------------------------------------------------------------------------------
 */

/* The documents that ship: of an installation, or of the tree that this was built in. */
static void load_shipped(struct app *a)
{
    static const char *const places[] = {"../share/ultramcp-restate/workflows", "../workflows",
                                         "../../workflows"};
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    if (n <= 0)
        return;
    self[n] = '\0';
    const char *dir = dirname(self);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char *path = mem_printf("%s/%s", dir, places[i]);
        int loaded = documents_load_dir(a->documents, a->engine, path);

        if (loaded >= 0)
            log_info("app", "%d documents in %s", loaded, path);
        free(path);
        if (loaded >= 0)
            return;
    }
}

static void load_dirs(struct app *a, char *const *dirs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int n = documents_load_dir(a->documents, a->engine, dirs[i]);

        if (n >= 0)
            log_info("app", "%d documents in %s", n, dirs[i]);
        else
            log_error("app", "the workflow directory %s cannot be read: %s", dirs[i],
                      strerror(errno));
    }
}

void app_load_flows(struct app *a, const struct app_options *o)
{
    if (o->workflow_count > 0)
        load_dirs(a, o->workflows, o->workflow_count);
    else if (a->config->workflow_count > 0)
        load_dirs(a, a->config->workflows, a->config->workflow_count);
    else
        load_shipped(a);
}

enum errcode app_load(struct app *a, const char *path, struct buf *report, const struct flow **out,
                      struct err *err)
{
    return documents_load(a->documents, a->engine, path, report, out, err);
}

/* ---- opening ------------------------------------------------------------------------------------
 */

static void on_committed(void *arg, uint64_t batch_no, enum errcode code)
{
    struct app *a = arg;

    gate_committed(&a->gate, batch_no, code);
    driver_committed(a->driver, batch_no, code);
}

static void add_stats(void *arg, json_t *stats)
{
    struct app *a = arg;

    json_object_set_new(stats, "store", store_sqlite_stats(a->store));
}

static struct engine_limits limits_of(const struct config *c)
{
    return (struct engine_limits){.max_running = c->max_running,
                                  .max_per_service = c->max_per_service,
                                  .payload_bytes = c->payload_bytes,
                                  .journal_entries = c->journal_entries,
                                  .journal_bytes = c->journal_bytes,
                                  .pending_commands = c->pending_commands,
                                  .depth = c->depth,
                                  .retention_ms = c->retention_ms,
                                  .evict_after_ms = c->evict_after_ms};
}

static enum errcode make_engine(struct app *a, const struct app_options *o,
                                const struct store_boot *boot, struct err *err)
{
    struct caller_port caller;
    struct store_port store;
    struct engine_config config = {.limits = limits_of(a->config),
                                   .paused = o->paused,
                                   .executing = a->executing,
                                   .crashed_in = a->executing != NULL ? *a->executing : 0,
                                   .caller = &caller,
                                   .store = &store};

    if (getrandom(&config.entropy, sizeof config.entropy, 0) != sizeof config.entropy)
        return err_set(err, ERR_INTERNAL, "the system has no randomness to give: %s",
                       strerror(errno));
    gate_ports(&a->gate, &caller, &store);
    a->engine = engine_new(&config, boot, documents_revive, a->documents, driver_now());
    driver_start(a->driver, a->engine);
    driver_api(a->driver, &a->api);
    return ERR_OK;
}

enum errcode app_open(uv_loop_t *loop, const struct config *config, const char *data,
                      const struct app_options *options, struct app **out, struct err *err)
{
    struct app *a = mem_zalloc(sizeof *a);
    struct store_boot boot = {0};
    struct store_port store;
    struct caller_port caller;
    enum errcode code;

    a->loop = loop;
    a->config = config;
    a->documents = documents_new();
    a->driver = driver_new(loop);
    driver_set_stats(a->driver, add_stats, a);
    code = store_sqlite_open(data, loop, on_committed, a, &a->store, &store, &boot, err);
    if (code != ERR_OK)
        goto fail;
    code = caller_new(loop, config, driver_call_done, a->driver, &a->caller, err);
    if (code != ERR_OK)
        goto fail;
    caller_port(a->caller, &caller);
    gate_init(&a->gate, &caller, &store);
    if (options->recovers)
        a->executing = map_executing(data);
    code = make_engine(a, options, &boot, err);
    if (code != ERR_OK)
        goto fail;
    if (options->load_flows)
        app_load_flows(a, options);
    store_boot_free(&boot);
    *out = a;
    return ERR_OK;

fail:
    store_boot_free(&boot);
    app_close(a);
    return code;
}

void app_interrupted(struct app *a)
{
    driver_interrupted(a->driver);
}

void app_api(struct app *a, struct api *api)
{
    *api = a->api;
}

/* ---- closing ------------------------------------------------------------------------------------
 */

static void on_closed(void *arg)
{
    struct app *a = arg;

    a->closing--;
}

static void wait_closed(struct app *a)
{
    while (a->closing > 0)
        uv_run(a->loop, UV_RUN_ONCE);
}

/* From the outside in: who waits is answered, calls end, the last batch is given to the store, the
 * store commits it; only then the engine may go. */
void app_close(struct app *a)
{
    if (a->server != NULL) {
        a->closing++;
        server_close(a->server, on_closed, a);
    }
    if (a->caller != NULL) {
        a->closing++;
        caller_close(a->caller, on_closed, a);
    }
    wait_closed(a);
    a->closing++;
    driver_close(a->driver, on_closed, a);
    wait_closed(a);
    if (a->store != NULL)
        store_sqlite_close(a->store);
    uv_run(a->loop, UV_RUN_DEFAULT); /* answers of the store that were on their way */
    engine_free(a->engine);
    documents_free(a->documents);
    gate_fini(&a->gate);
    if (a->executing != NULL) {
        *a->executing = 0;
        munmap(a->executing, sizeof *a->executing);
    }
    free(a);
}
