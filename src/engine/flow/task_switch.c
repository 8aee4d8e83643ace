/* switch: the first case that holds says where to go on. */
#include "engine/flow/frame.h"

static const char *const keys[] = {"switch", NULL};

struct choice {
    struct expr *when; /* NULL: the default */
    struct then then;
};

struct choices {
    struct choice *list;
    size_t count;
};

static void compile_case(struct compiler *c, struct choice *choice, json_t *item,
                         const char *pointer)
{
    static const char *const case_keys[] = {"when", "then", NULL};
    json_t *def;

    if (!json_is_object(item) || json_object_size(item) != 1) {
        report(c, pointer, "write - name: {when: …, then: …}",
               "a case must be an object with exactly one key, its name");
        return;
    }
    pointer = ptr_key(c, pointer, json_object_iter_key(json_object_iter(item)));
    def = json_object_iter_value(json_object_iter(item));
    if (!json_is_object(def)) {
        report(c, pointer, "write {when: …, then: …}", "a case must be an object");
        return;
    }
    check_keys(c, def, pointer, case_keys, NULL);
    choice->when = get_bare(c, def, pointer, "when");
    if (json_object_get(def, "then") == NULL)
        report(c, pointer, "add then:", "the case does not say where to go on");
    choice->then = compile_then(c, def, pointer);
}

static void compile(struct compiler *c, struct task *t)
{
    json_t *list = json_object_get(t->def, "switch");
    const char *pointer = ptr_key(c, t->pointer, "switch");
    struct choices *all = flow_alloc(c->f, sizeof *all);
    size_t defaults = 0;

    t->local = true;
    t->spec = all;
    if (!json_is_array(list) || json_array_size(list) == 0) {
        report(c, pointer, "write a list of cases",
               "\"switch\" must be a list with at least one case");
        return;
    }
    all->list = flow_alloc(c->f, json_array_size(list) * sizeof *all->list);
    for (; all->count < json_array_size(list); all->count++) {
        compile_case(c, &all->list[all->count], json_array_get(list, all->count),
                     ptr_index(c, pointer, all->count));
        defaults += all->list[all->count].when == NULL;
    }
    if (defaults > 1)
        report(c, pointer, "give all but one of them a when", "more than one case has no \"when\"");
}

static void begin(struct frame *f)
{
    const struct choices *all = f->task->spec;
    const struct choice *fallback = NULL;

    for (size_t i = 0; i < all->count; i++) {
        bool yes;

        if (all->list[i].when == NULL) {
            fallback = &all->list[i];
            continue;
        }
        if (!frame_test(f, all->list[i].when, f->input, &yes))
            return;
        if (yes) {
            fallback = &all->list[i];
            break;
        }
    }
    if (fallback != NULL)
        f->then = &fallback->then;
    frame_complete(f, f->input);
}

const struct task_kind task_switch = {
    .name = "switch", .keys = keys, .compile = compile, .begin = begin};
