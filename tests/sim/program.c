/* Random programs over one counter: every task takes {total} and gives {total}, so that what a
 * whole program makes of a total is known beforehand, and a step that is lost or done twice shows
 * in one number. */
#include <stdlib.h>

#include "base/mem.h"
#include "sim.h"

enum kind { SEQ, ADD, CALL, NEVER, RETRY, WAIT, FOR, FORK, EACH, SWITCH, CHILD, RACE, LATE, KINDS };

struct node {
    enum kind kind;
    int n; /* constant, iterations, program */
    struct node *parts[4];
    int part_count;
};

static void node_free(struct node *n)
{
    for (int i = 0; n != NULL && i < n->part_count; i++)
        node_free(n->parts[i]);
    free(n);
}

static struct node *make(struct sim *s, int depth, int index)
{
    struct node *n = mem_zalloc(sizeof *n);

    do {
        n->kind = depth == 0 ? SEQ : (enum kind)rng_below(&s->rng, KINDS);
    } while (
        (depth >= 3 && (n->kind == SEQ || n->kind == FOR || n->kind == FORK || n->kind == EACH)) ||
        (n->kind == CHILD && index == 0));
    n->n = 1 + (int)rng_below(&s->rng, 3);
    if (n->kind == CHILD)
        n->n = (int)rng_below(&s->rng, (uint64_t)index);
    if (n->kind == SEQ || n->kind == FORK)
        n->part_count = 1 + (int)rng_below(&s->rng, 3);
    else if (n->kind == FOR || n->kind == EACH)
        n->part_count = 1;
    for (int i = 0; i < n->part_count; i++)
        n->parts[i] = make(s, depth + 1, index);
    return n;
}

static int64_t expected(const struct sim *s, const struct node *n, int64_t t)
{
    int64_t sum = 0;

    switch (n->kind) {
    case SEQ:
        for (int i = 0; i < n->part_count; i++)
            t = expected(s, n->parts[i], t);
        return t;
    case ADD:
        return t + n->n;
    case CALL:
    case RETRY:
    case RACE:
        return t + 1;
    case NEVER:
        return t + 7;
    case LATE:
        return t + 11;
    case FOR:
        for (int i = 0; i < n->n; i++)
            t = expected(s, n->parts[0], t);
        return t;
    case FORK:
        for (int i = 0; i < n->part_count; i++)
            sum += expected(s, n->parts[i], t);
        return sum % 1000;
    case EACH:
        return (expected(s, n->parts[0], t) * n->n) % 1000;
    case SWITCH:
        return t % 2 == 0 ? t + 3 : t + 5;
    case CHILD:
        return expected(s, s->programs[n->n].root, t);
    default:
        return t;
    }
}

int64_t sim_program_expected(const struct sim *s, const struct sim_program *p, int64_t total)
{
    return expected(s, p->root, total);
}

#define PLUS(text) "{\"set\":{\"total\":\"${ .total + " text " }\"}}"
#define ASK(path)                                                                                  \
    "{\"call\":\"agent\",\"with\":{\"agent\":\"counter\",\"path\":\"" path                         \
    "\",\"body\":{\"total\":\"${ .total }\"}}}"
#define SUM "\"output\":{\"as\":\"${ {total: (([.[].total] | add) % 1000)} }\"}"

static void write(struct sim *s, struct buf *b, const struct node *n);

static void write_list(struct sim *s, struct buf *b, const struct node *n)
{
    for (int i = 0; i < n->part_count; i++) {
        buf_printf(b, "%s{\"t%d\":", i > 0 ? "," : "", i);
        write(s, b, n->parts[i]);
        buf_str(b, "}");
    }
}

static void write(struct sim *s, struct buf *b, const struct node *n)
{
    int ms = 1 + (int)rng_below(&s->rng, 20000);

    switch (n->kind) {
    case SEQ:
        buf_str(b, "{\"do\":[");
        write_list(s, b, n);
        buf_str(b, "]}");
        break;
    case ADD:
        buf_printf(b, "{\"set\":{\"total\":\"${ .total + %d }\"}}", n->n);
        break;
    case CALL:
        buf_str(b, ASK("/add"));
        break;
    case NEVER:
        buf_str(b,
                "{\"try\":[{\"x\":" ASK("/never") "}],\"catch\":{\"do\":[{\"y\":" PLUS("7") "}]}}");
        break;
    case RETRY:
        buf_str(b, "{\"try\":[{\"x\":" ASK(
                       "/add") "}],\"catch\":{\"retry\":{\"delay\":{"
                               "\"milliseconds\":20},\"limit\":{\"attempt\":{\"count\":500}}}}}");
        break;
    case WAIT:
        buf_printf(b, "{\"wait\":{\"milliseconds\":%d}}", ms);
        break;
    case FOR:
        buf_printf(b, "{\"for\":{\"each\":\"i\",\"in\":\"${ [range(%d)] }\"},\"do\":[", n->n);
        write_list(s, b, n);
        buf_str(b, "]}");
        break;
    case FORK:
        buf_str(b, "{\"fork\":{\"branches\":[");
        write_list(s, b, n);
        buf_str(b, "]}," SUM "}");
        break;
    case EACH:
        buf_printf(b,
                   "{\"metadata\":{\"forEach\":{\"each\":\"e\",\"in\":\"${ [range(%d)] }\","
                   "\"concurrency\":2}},\"fork\":{\"branches\":[",
                   n->n);
        write_list(s, b, n);
        buf_str(b, "]}," SUM "}");
        break;
    case SWITCH:
        buf_str(b, "{\"do\":[{\"s\":{\"switch\":[{\"even\":{\"when\":\".total % 2 == 0\",\"then\":"
                   "\"a\"}},{\"odd\":{\"then\":\"b\"}}]}},{\"a\":{\"set\":{\"total\":\"${ .total + "
                   "3 }\"},\"then\":\"exit\"}},{\"b\":" PLUS("5") "}]}");
        break;
    case CHILD:
        buf_printf(b,
                   "{\"run\":{\"workflow\":{\"namespace\":\"sim\",\"name\":\"p%d\",\"version\":"
                   "\"1.0.0\",\"input\":\"${ . }\"}}}",
                   n->n);
        break;
    case RACE:
        buf_printf(b,
                   "{\"fork\":{\"compete\":true,\"branches\":[{\"a\":{\"do\":[{\"w\":{\"wait\":{"
                   "\"milliseconds\":%d}}},{\"p\":" PLUS("1") "}]}},{\"b\":" ASK("/add") "}]}}",
                   ms % 60 + 1);
        break;
    case LATE:
        buf_str(b, "{\"try\":[{\"w\":{\"wait\":{\"hours\":1},\"timeout\":{\"after\":{"
                   "\"milliseconds\":100}}}}],\"catch\":{\"do\":[{\"y\":" PLUS("11") "}]}}");
        break;
    case KINDS:
        break;
    }
}

void sim_program_make(struct sim *s, struct sim_program *p, int index)
{
    struct buf b;

    buf_init(&b, 256 << 10);
    p->name = mem_printf("p%d", index);
    p->root = make(s, 0, index);
    buf_printf(&b,
               "{\"document\":{\"dsl\":\"1.0.3\",\"namespace\":\"sim\",\"name\":\"%s\","
               "\"version\":\"1.0.0\"},\"do\":[",
               p->name);
    write_list(s, &b, p->root);
    buf_str(&b, "]}");
    p->text = buf_steal(&b, NULL);
}

void sim_program_free(struct sim_program *p)
{
    node_free(p->root);
    free(p->name);
    free(p->text);
}
