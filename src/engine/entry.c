#include "engine/entry.h"

#include <limits.h>
#include <string.h>

enum { FLAGS_KNOWN = ENTRY_SAME_DATA | ENTRY_HAS_DATA | ENTRY_HAS_MORE | ENTRY_SAME_OUT };

static const struct {
    const char *name;
    enum entry_class class;
} table[ENTRY_KIND_END] = {
#define X(kind, number, text, kind_class) [number] = {text, kind_class},
    ENTRY_TABLE(X)
#undef X
};

const char *entry_name(unsigned kind)
{
    return kind < ENTRY_KIND_END ? table[kind].name : NULL;
}

enum entry_class entry_class_of(unsigned kind)
{
    return table[kind].class;
}

static void put_bytes(struct buf *chunk, const char *bytes, size_t len)
{
    buf_varint(chunk, len);
    buf_add(chunk, bytes, len);
}

/* A value that its flag calls absent has no bytes, so that decoding gives back what was encoded. */
void entry_encode(struct buf *chunk, const struct entry *e)
{
    unsigned char head[2] = {e->kind, e->flags};

    buf_add(chunk, head, sizeof head);
    buf_varint(chunk, e->seq);
    buf_varint(chunk, e->cmd);
    buf_varint(chunk, e->attempt);
    buf_varint(chunk, (uint64_t)e->at);
    put_bytes(chunk, e->name, e->name_len);
    put_bytes(chunk, e->data, e->flags & ENTRY_HAS_DATA ? e->data_len : 0);
    put_bytes(chunk, e->more, e->flags & ENTRY_HAS_MORE ? e->more_len : 0);
}

/* What is left to read. After a failure everything else fails, so that the end is checked once. */
struct cursor {
    const unsigned char *at, *end;
    bool bad;
};

static uint64_t get_varint(struct cursor *c, uint64_t max)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 70 && c->at < c->end; shift += 7) {
        uint64_t byte = *c->at++;

        if (shift == 63 && byte > 1)
            break; /* the 65th bit */
        value |= (byte & 0x7f) << shift;
        if (byte >= 0x80)
            continue;
        if ((byte == 0 && shift > 0) || value > max)
            break; /* one value has one spelling */
        return value;
    }
    c->bad = true;
    return 0;
}

static const char *get_bytes(struct cursor *c, size_t *len)
{
    uint64_t n = get_varint(c, SIZE_MAX);
    const char *bytes = (const char *)c->at;

    *len = 0;
    if (c->bad || n > (size_t)(c->end - c->at)) {
        c->bad = true;
        return NULL;
    }
    c->at += n;
    *len = (size_t)n;
    return bytes;
}

static bool is_consistent(const struct entry *e)
{
    return entry_name(e->kind) != NULL && (e->flags & ~FLAGS_KNOWN) == 0 &&
           (e->data_len == 0 || (e->flags & ENTRY_HAS_DATA)) &&
           (e->more_len == 0 || (e->flags & ENTRY_HAS_MORE));
}

enum errcode entry_decode(const char *chunk, size_t len, size_t *at, struct entry *e,
                          struct err *err)
{
    struct cursor c = {.at = (const unsigned char *)chunk + *at,
                       .end = (const unsigned char *)chunk + len};
    struct entry got = {0};

    if (*at > len || len - *at < 2)
        return err_set(err, ERR_STORE_DAMAGED, "the journal ends within an entry at byte %zu", *at);
    got.kind = *c.at++;
    got.flags = *c.at++;
    got.seq = (uint32_t)get_varint(&c, UINT32_MAX);
    got.cmd = (uint32_t)get_varint(&c, UINT32_MAX);
    got.attempt = (uint32_t)get_varint(&c, UINT32_MAX);
    got.at = (int64_t)get_varint(&c, UINT64_MAX);
    got.name = get_bytes(&c, &got.name_len);
    got.data = get_bytes(&c, &got.data_len);
    got.more = get_bytes(&c, &got.more_len);
    if (c.bad || !is_consistent(&got))
        return err_set(err, ERR_STORE_DAMAGED, "bytes at %zu of a journal chunk are no entry", *at);
    if (got.name_len == 0)
        got.name = NULL;
    if (!(got.flags & ENTRY_HAS_DATA))
        got.data = NULL;
    if (!(got.flags & ENTRY_HAS_MORE))
        got.more = NULL;
    *at = (size_t)((const char *)c.at - chunk);
    *e = got;
    return ERR_OK;
}
