/* What a commit writes and what an opening reads, as memory. */
#include <stdlib.h>

#include "base/mem.h"
#include "engine/store/store.h"

struct batch *batch_new(uint64_t no)
{
    struct batch *b = mem_zalloc(sizeof *b);

    b->no = no;
    return b;
}

static void free_instances(struct instance_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(rows[i].caller_id);
        free(rows[i].step);
        free(rows[i].why);
    }
    free(rows);
}

static void free_inbox(struct inbox_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(rows[i].kind);
        free(rows[i].data);
    }
    free(rows);
}

static void free_flows(struct flow_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(rows[i].digest);
        free(rows[i].ns);
        free(rows[i].name);
        free(rows[i].version);
        free(rows[i].source);
    }
    free(rows);
}

void batch_free(struct batch *b)
{
    if (b == NULL)
        return;
    free_instances(b->rows, b->row_count);
    for (size_t i = 0; i < b->chunk_count; i++)
        free(b->chunks[i].data);
    free(b->chunks);
    for (size_t i = 0; i < b->key_count; i++) {
        free(b->keys[i].scope);
        free(b->keys[i].key);
    }
    free(b->keys);
    free_inbox(b->inbox, b->inbox_count);
    free(b->inbox_done);
    free_flows(b->flows, b->flow_count);
    free(b->purge);
    free(b);
}

bool batch_is_empty(const struct batch *b)
{
    return b->row_count == 0 && b->chunk_count == 0 && b->key_count == 0 && b->inbox_count == 0 &&
           b->done_count == 0 && b->flow_count == 0 && b->purge_count == 0;
}

void store_boot_free(struct store_boot *boot)
{
    free_instances(boot->rows, boot->row_count);
    free_inbox(boot->inbox, boot->inbox_count);
    free_flows(boot->flows, boot->flow_count);
    *boot = (struct store_boot){0};
}
