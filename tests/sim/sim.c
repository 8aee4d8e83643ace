/* Runs seeds. `sim --seeds N [--from S]` for many, `sim --seed S --trace` for one that failed. */
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/flow/flow.h"
#include "sim.h"

enum { CLIENTS_RETRY_MS = 200, START_AT = 1800000000 };

/* One caller: it starts an instance under its key until it is accepted, then waits for the end, for
 * ever, across crashes; what it was told once must stay true. */
struct sim_client {
    struct sim *sim;
    int program;
    int64_t total;
    char key[24];
    char id[INSTANCE_ID_SIZE];
    bool accepted, done;
    int64_t answer;
    unsigned life; /* of the process that the request is with */
};

void sim_fail(struct sim *s, const char *fmt, ...)
{
    va_list ap;

    printf("seed %llu, at %lld ms: ", (unsigned long long)s->o.seed, (long long)s->now);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    s->violations++;
}

bool sim_chance(struct sim *s, double p)
{
    return p > 0 && rng_unit(&s->rng) < p;
}

int64_t sim_clock(const struct sim *s)
{
    return INT64_C(1000) * START_AT + s->now + s->skew;
}

/* ---- virtual time: a heap of events
 * -------------------------------------------------------------- */

static bool earlier(const struct sim_event *a, const struct sim_event *b)
{
    return a->at != b->at ? a->at < b->at : a->tie < b->tie;
}

void sim_at(struct sim *s, int64_t delay_ms, bool outlives, sim_fn *fn, void *arg)
{
    s->events = mem_grow(s->events, s->event_count, &s->event_cap, sizeof *s->events);
    size_t i = s->event_count++;
    struct sim_event e = {.at = s->now + delay_ms,
                          .tie = rng_next(&s->rng),
                          .life = outlives ? 0 : s->life,
                          .fn = fn,
                          .arg = arg};

    while (i > 0 && earlier(&e, &s->events[(i - 1) / 2])) {
        s->events[i] = s->events[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    s->events[i] = e;
}

static struct sim_event pop(struct sim *s)
{
    struct sim_event first = s->events[0], last = s->events[--s->event_count];
    size_t i = 0;

    for (;;) {
        size_t child = i * 2 + 1;

        if (child >= s->event_count)
            break;
        if (child + 1 < s->event_count && earlier(&s->events[child + 1], &s->events[child]))
            child++;
        if (!earlier(&s->events[child], &last))
            break;
        s->events[i] = s->events[child];
        i = child;
    }
    if (s->event_count > 0)
        s->events[i] = last;
    return first;
}

/* ---- the process
 * --------------------------------------------------------------------------------- */

static struct flow *compile(const char *name, const char *text, size_t len)
{
    struct source *source;
    struct flow *f = flow_compile(name, text, len, false, &source);

    if (f == NULL) {
        struct buf b;

        buf_init(&b, 1 << 20);
        source_report(source, &b);
        fprintf(stderr, "%s%s\n", b.data, text);
        abort();
    }
    source_free(source);
    return f;
}

static struct flow *flow_of(struct sim *s, const char *name);

static enum errcode check_input(const void *definition, json_t *input, struct err *err)
{
    return flow_check_input(definition, input, err);
}

static void revive(void *arg, const struct flow_row *row, struct service *service)
{
    service->kind = &flow_handler;
    service->definition = flow_of(arg, row->name);
}

static struct flow **flows_of(struct sim *s)
{
    static struct flow *flows[16];

    (void)s;
    return flows;
}

static struct flow *flow_of(struct sim *s, const char *name)
{
    return flows_of(s)[atoi(name + 1)];
}

static void boot(struct sim *s)
{
    struct store_boot image;
    struct caller_port caller;
    struct store_port store;
    struct err err;

    s->life++;
    s->agents = sim_agents_new(s);
    sim_agents_port(s->agents, &caller);
    sim_store_port(s->store, &store);
    sim_store_boot(s->store, &image);
    struct engine_config config = {.limits = engine_default_limits,
                                   .entropy = rng_next(&s->rng),
                                   .caller = &caller,
                                   .store = &store};
    config.limits.evict_after_ms = s->o.evict_ms;
    config.limits.max_running = s->o.max_running;
    config.limits.retention_ms = 0;
    s->engine = engine_new(&config, &image, revive, s, sim_clock(s));
    store_boot_free(&image);
    engine_api(s->engine, &s->api);
    for (int i = 0; i < s->o.programs; i++) {
        struct sim_program *p = &s->programs[i];
        struct service service = {.name = p->name,
                                  .ns = "sim",
                                  .document_name = p->name,
                                  .version = "1.0.0",
                                  .digest = p->name,
                                  .source = p->text,
                                  .source_len = strlen(p->text),
                                  .kind = &flow_handler,
                                  .definition = flow_of(s, p->name),
                                  .check_input = check_input};
        if (engine_register(s->engine, &service, sim_clock(s), &err) != ERR_OK)
            sim_fail(s, "register: %s", err.text);
    }
}

static void note_violations(struct sim *s)
{
    json_t *stats = engine_stats(s->engine);

    if (json_integer_value(json_object_get(stats, "violations")) > 0)
        sim_fail(s, "the engine counts violations");
    json_decref(stats);
}

static void crash(void *arg)
{
    struct sim *s = arg;

    if (s->crashes_left-- <= 0)
        return;
    if (s->o.trace)
        printf("%lld crash\n", (long long)s->now);
    note_violations(s);
    sim_store_crash(s->store);
    engine_free(s->engine);
    sim_agents_free(s->agents);
    boot(s);
    sim_at(s, 1 + (int64_t)rng_below(&s->rng, 4000), true, crash, s);
}

static void jump(void *arg)
{
    struct sim *s = arg;

    s->skew += sim_chance(s, 0.5) ? 3600000 : 60000;
    if (s->crashes_left > 0)
        sim_at(s, 5000, true, jump, s);
}

/* ---- callers
 * ------------------------------------------------------------------------------------- */

static void client_step(void *arg);

static void client_later(struct sim_client *c)
{
    sim_at(c->sim, CLIENTS_RETRY_MS + (int64_t)rng_below(&c->sim->rng, 100), true, client_step, c);
}

static void ended(void *arg, const struct err *err, json_t *result)
{
    struct sim_client *c = arg;

    if (err != NULL) {
        if (err->code == ERR_NOT_FOUND)
            sim_fail(c->sim, "instance %s was accepted and is not there", c->id);
        return; /* asked again */
    }
    const json_t *output = json_object_get(result, "output");
    int64_t total = json_integer_value(json_object_get(output, "total"));
    int64_t expected = sim_program_expected(c->sim, &c->sim->programs[c->program], c->total);
    if (output == NULL) {
        char *text = json_dumps(result, 0);
        sim_fail(c->sim, "%s of p%d ended badly: %s", c->id, c->program, text);
        free(text);
    } else if (total != expected) {
        sim_fail(c->sim, "%s of p%d: %lld instead of %lld", c->id, c->program, (long long)total,
                 (long long)expected);
    }
    if (c->done && c->answer != total)
        sim_fail(c->sim, "%s answered %lld, and now %lld", c->id, (long long)c->answer,
                 (long long)total);
    c->done = true;
    c->answer = total;
}

static void accepted(void *arg, const struct err *err, json_t *result)
{
    struct sim_client *c = arg;

    if (err != NULL) {
        if (err->code != ERR_STORE_FULL)
            sim_fail(c->sim, "start: %s", err->text);
        return;
    }
    const char *id = json_string_value(json_object_get(result, "id"));
    if (c->accepted && strcmp(c->id, id) != 0)
        sim_fail(c->sim, "key %s made %s and then %s", c->key, c->id, id);
    snprintf(c->id, sizeof c->id, "%s", id);
    c->accepted = true;
}

/* Asks again and again: what is asked twice must be answered once. */
static void client_step(void *arg)
{
    struct sim_client *c = arg;
    struct sim *s = c->sim;

    if (c->done && sim_chance(s, 0.9))
        return;
    if (!c->accepted || sim_chance(s, 0.2)) {
        json_t *input = json_pack("{s:I}", "total", (json_int_t)c->total);
        struct api_start start = {
            .service = s->programs[c->program].name, .input = input, .idempotency_key = c->key};

        s->api.start(s->api.self, &start, accepted, c);
        json_decref(input);
    } else if (c->life != s->life) {
        c->life = s->life;
        s->api.attach(s->api.self, NULL, c->id, 1, ended, c);
    } else if (!c->done) {
        s->api.attach(s->api.self, NULL, c->id, 0, ended, c);
    }
    client_later(c);
}

static void acted(void *arg, const struct err *err, json_t *result)
{
    (void)arg;
    (void)err;
    (void)result;
}

static void meddle(void *arg)
{
    struct sim *s = arg;
    struct sim_client *c = &s->clients[rng_below(&s->rng, (uint64_t)s->o.instances)];
    struct api_act act = {.id = c->id, .by = "sim"};

    if (c->accepted && !c->done && s->crashes_left > 0 && sim_chance(s, 0.5))
        s->api.pause(s->api.self, &act, acted, s);
    for (int i = 0; i < s->o.instances; i++) {
        act.id = s->clients[i].id;
        if (s->clients[i].accepted && !s->clients[i].done &&
            (s->crashes_left <= 0 || sim_chance(s, 0.3)))
            s->api.resume(s->api.self, &act, acted, s);
    }
    sim_at(s, 300, true, meddle, s);
}

/* ---- one run
 * ------------------------------------------------------------------------------------- */

static void engine_turns(struct sim *s)
{
    while (engine_run(s->engine, sim_clock(s), 64))
        ;
    engine_flush(s->engine);
}

static bool all_done(const struct sim *s)
{
    for (int i = 0; i < s->o.instances; i++) {
        if (!s->clients[i].done)
            return false;
    }
    return s->crashes_left <= 0 && sim_store_active(s->store) == 0;
}

static void loop(struct sim *s)
{
    const int64_t patience = INT64_C(40) * 3600 * 1000;

    while (!all_done(s) && s->violations == 0) {
        int64_t due = engine_next_due(s->engine);
        int64_t tick = due == INT64_MAX      ? INT64_MAX
                       : due <= sim_clock(s) ? s->now
                                             : due - sim_clock(s) + s->now;
        if (s->event_count == 0 || tick <= s->events[0].at) {
            s->now = tick;
            engine_tick(s->engine, sim_clock(s));
        } else {
            struct sim_event e = pop(s);

            s->now = e.at;
            if (e.life == 0 || e.life == s->life)
                e.fn(e.arg);
        }
        engine_turns(s);
        if (s->now > patience) {
            for (int i = 0; i < s->o.instances; i++) {
                if (!s->clients[i].done)
                    sim_fail(s, "%s (%s of p%d) never ends", s->clients[i].key, s->clients[i].id,
                             s->clients[i].program);
            }
            if (s->violations == 0)
                sim_fail(s, "%zu instances never end", sim_store_active(s->store));
        }
    }
}

/* Each fault is on in half of the runs, at a rate of its own. */
static void choose(struct sim *s)
{
    struct sim_options *o = &s->o;

    o->programs = 1 + (int)rng_below(&s->rng, 5);
    o->instances = 1 + (int)rng_below(&s->rng, 12);
    o->crashes = sim_chance(s, 0.8) ? (int)rng_below(&s->rng, 12) : 0;
    o->agent_fail = sim_chance(s, 0.5) ? rng_unit(&s->rng) * 0.4 : 0;
    o->agent_hang = sim_chance(s, 0.3) ? rng_unit(&s->rng) * 0.1 : 0;
    o->store_full = sim_chance(s, 0.2) ? rng_unit(&s->rng) * 0.05 : 0;
    o->clock_jump = sim_chance(s, 0.2);
    o->commit_ms = (int64_t)rng_below(&s->rng, 6);
    o->evict_ms = sim_chance(s, 0.5) ? 0 : 5000;
    o->max_running = sim_chance(s, 0.3) ? 1 + (uint32_t)rng_below(&s->rng, 3) : 100000;
    o->acts = sim_chance(s, 0.3);
    s->crashes_left = o->crashes;
}

static int run_seed(uint64_t seed, bool trace)
{
    struct sim s = {.o = {.seed = seed, .trace = trace}};

    rng_seed(&s.rng, seed);
    choose(&s);
    s.programs = mem_zalloc((size_t)s.o.programs * sizeof *s.programs);
    s.clients = mem_zalloc((size_t)s.o.instances * sizeof *s.clients);
    for (int i = 0; i < s.o.programs; i++) {
        sim_program_make(&s, &s.programs[i], i);
        flows_of(&s)[i] =
            compile(s.programs[i].name, s.programs[i].text, strlen(s.programs[i].text));
        if (trace)
            printf("p%d: %s\n", i, s.programs[i].text);
    }
    s.store = sim_store_new(&s);
    boot(&s);
    for (int i = 0; i < s.o.instances; i++) {
        struct sim_client *c = &s.clients[i];

        *c = (struct sim_client){.sim = &s,
                                 .program = (int)rng_below(&s.rng, (uint64_t)s.o.programs),
                                 .total = (int64_t)rng_below(&s.rng, 100)};
        snprintf(c->key, sizeof c->key, "key-%d", i);
        sim_at(&s, (int64_t)rng_below(&s.rng, 2000), true, client_step, c);
    }
    sim_at(&s, (int64_t)rng_below(&s.rng, 2000), true, crash, &s);
    if (s.o.clock_jump > 0)
        sim_at(&s, 1500, true, jump, &s);
    if (s.o.acts)
        sim_at(&s, 500, true, meddle, &s);
    loop(&s);
    if (s.violations == 0) {
        note_violations(&s);
        sim_store_check(s.store);
    }
    engine_free(s.engine);
    sim_agents_free(s.agents);
    sim_store_free(s.store);
    for (int i = 0; i < s.o.programs; i++) {
        flow_free(flows_of(&s)[i]);
        sim_program_free(&s.programs[i]);
    }
    free(s.programs);
    free(s.clients);
    free(s.events);
    return s.violations;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seeds", required_argument, NULL, 'n'},
                                            {"from", required_argument, NULL, 'f'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"trace", no_argument, NULL, 't'},
                                            {NULL, 0, NULL, 0}};
    uint64_t from = 1, count = 100;
    bool trace = false;
    int opt, failed = 0, passed = 0;

    while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (opt == 'n')
            count = strtoull(optarg, NULL, 10);
        else if (opt == 'f')
            from = strtoull(optarg, NULL, 10);
        else if (opt == 's')
            from = strtoull(optarg, NULL, 10), count = 1;
        else if (opt == 't')
            trace = true;
        else
            return 2;
    }
    log_init(trace ? LOG_DEBUG : LOG_ERROR, 1);
    for (uint64_t seed = from; seed < from + count; seed++) {
        if (run_seed(seed, trace) > 0)
            failed++;
        else
            passed++;
        if (failed >= 10)
            break;
    }
    printf("sim: %d passed, %d failed\n", passed, failed);
    return failed > 0;
}
