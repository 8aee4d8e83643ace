/* Questions from people (store.h): each a function that reads with one connection and answers an
 * object. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "engine/entry.h"
#include "engine/store/sqlite_internal.h"

enum { LIST_DEFAULT = 50, LIST_MAX = 1000, JOURNAL_MAX = 20000, TEXT_MAX = 200 };
enum { BINDINGS_MAX = 24, CLAUSE_MAX = 8192 };

#define SELECT_INSTANCE_BY(index)                                                                  \
    "SELECT i.num,i.tag,i.seed,i.flow,i.status,i.reason,i.parent,i.parent_cmd,i.depth,i.created,"  \
    "i.started,i.ended,i.wake_at,i.last,i.output,i.entries,i.bytes,i.attempts,i.crashes,"          \
    "i.caller_id,i.step,i.why,f.ns,f.name,f.version,f.digest,p.tag "                               \
    "FROM instances i " index                                                                      \
    " LEFT JOIN flows f ON f.id=i.flow LEFT JOIN instances p ON p.num=i.parent "
#define SELECT_INSTANCE SELECT_INSTANCE_BY("")
/* What has not ended, however much has: only with "i.status<4" in the clause. */
#define ACTIVE "INDEXED BY instances_active"
enum { COL_NS = INSTANCE_COLUMN_COUNT, COL_NAME, COL_VERSION, COL_DIGEST, COL_PARENT_TAG };

/* ---- an instance as JSON ---- */

static void set_time(json_t *o, const char *key, int64_t ms)
{
    json_object_set_new(o, key, ms != 0 ? json_integer(ms) : json_null());
}

static void set_text(json_t *o, const char *key, const char *text)
{
    json_t *value = text != NULL ? json_string(text) : json_null();

    json_object_set_new(o, key, value != NULL ? value : json_null());
}

static json_t *instance_json(sqlite3_stmt *q)
{
    struct instance_row r;
    char id[INSTANCE_ID_SIZE], parent[INSTANCE_ID_SIZE];
    json_t *o = json_object();

    sqlite_row_read(q, &r);
    instance_id_format(r.num, r.tag, id);
    set_text(o, "id", id);
    set_text(o, "service", (const char *)sqlite3_column_text(q, COL_NAME));
    set_text(o, "namespace", (const char *)sqlite3_column_text(q, COL_NS));
    set_text(o, "version", (const char *)sqlite3_column_text(q, COL_VERSION));
    set_text(o, "digest", (const char *)sqlite3_column_text(q, COL_DIGEST));
    set_text(o, "status", status_name(r.status));
    set_text(o, "reason", reason_name(r.reason));
    set_text(o, "callerId", r.caller_id);
    if (r.parent != 0)
        instance_id_format(r.parent, (uint64_t)sqlite3_column_int64(q, COL_PARENT_TAG), parent);
    set_text(o, "parent", r.parent != 0 ? parent : NULL);
    json_object_set_new(o, "depth", json_integer(r.depth));
    set_time(o, "created", r.created);
    set_time(o, "started", r.started);
    set_time(o, "ended", r.ended);
    set_time(o, "wakeAt", r.wake_at);
    json_object_set_new(o, "entries", json_integer(r.entries));
    json_object_set_new(o, "bytes", json_integer((json_int_t)r.bytes));
    json_object_set_new(o, "attempts", json_integer(r.attempts));
    set_text(o, "step", r.step);
    set_text(o, "why", r.why);
    json_object_set_new(o, "last", json_integer(r.last));
    json_object_set_new(o, "seed", json_integer((json_int_t)r.seed));
    free(r.caller_id);
    free(r.step);
    free(r.why);
    return o;
}

static enum errcode step_error(struct reader *r, int rc, struct err *err)
{
    if (rc == SQLITE_INTERRUPT)
        return err_set(err, ERR_TIMEOUT,
                       "the question took too long: narrow it by status, service or time");
    return sqlite_error(r->db, rc, "the store cannot be read", err);
}

/* ---- a WHERE clause with bound values ---- */

struct where {
    char sql[CLAUSE_MAX];
    json_t *values[BINDINGS_MAX]; /* owned */
    int count;
    bool active; /* asks only for what has not ended */
};

/* Takes `value`, which each @ of the clause stands for. */
static void where_add(struct where *w, const char *clause, json_t *value)
{
    size_t len = strlen(w->sql);

    if (value != NULL && w->count < BINDINGS_MAX)
        w->values[w->count++] = value;
    len += (size_t)snprintf(w->sql + len, sizeof w->sql - len, len == 0 ? " WHERE " : " AND ");
    for (; *clause != '\0' && len + 8 < sizeof w->sql; clause++) {
        if (*clause == '@')
            len += (size_t)snprintf(w->sql + len, sizeof w->sql - len, "?%d", w->count);
        else
            w->sql[len++] = *clause;
    }
    w->sql[len] = '\0';
}

static void where_bind(struct where *w, sqlite3_stmt *q)
{
    for (int i = 0; i < w->count; i++) {
        if (json_is_string(w->values[i]))
            sqlite3_bind_text(q, i + 1, json_string_value(w->values[i]), -1, SQLITE_TRANSIENT);
        else
            sqlite3_bind_int64(q, i + 1, json_integer_value(w->values[i]));
    }
}

static void where_fini(struct where *w)
{
    for (int i = 0; i < w->count; i++)
        json_decref(w->values[i]);
}

static enum errcode add_statuses(struct where *w, const json_t *list, struct err *err)
{
    char clause[128] = "i.status IN (";
    bool active = true;
    size_t i;
    json_t *name;

    if (json_array_size(list) == 0)
        return ERR_OK;
    json_array_foreach(list, i, name)
    {
        int status = json_is_string(name) ? status_from_name(json_string_value(name)) : -1;
        char digit[4] = {i > 0 ? ',' : ' ', (char)('0' + status), '\0'};

        if (status < 0 || i >= STATUS_COUNT)
            return err_set(err, ERR_INVALID,
                           "\"%.40s\" is no status: use pending, running, waiting, suspended, "
                           "completed, faulted or cancelled",
                           json_is_string(name) ? json_string_value(name) : "?");
        active = active && !status_is_final((unsigned)status);
        strcat(clause, digit);
    }
    strcat(clause, ")");
    where_add(w, clause, NULL);
    w->active = active;
    if (active)
        where_add(w, "i.status<4", NULL);
    return ERR_OK;
}

/* LIKE pattern for text anywhere, its own wildcards escaped. */
static json_t *anywhere(const char *text)
{
    struct buf b;

    buf_init(&b, 2 * TEXT_MAX + 2);
    buf_str(&b, "%");
    for (; *text != '\0'; text++) {
        if (*text == '%' || *text == '_' || *text == '\\')
            buf_str(&b, "\\");
        buf_add(&b, text, 1);
    }
    buf_str(&b, "%");
    json_t *pattern = json_stringn_nocheck(b.data, b.len);
    buf_fini(&b);
    return pattern;
}

/* Text that is a whole id names one instance; any other is looked for in all that people see. */
static enum errcode add_text(struct where *w, const char *text, struct err *err)
{
    int64_t num;
    uint64_t tag;

    if (strlen(text) > TEXT_MAX)
        return err_set(err, ERR_INVALID, "\"text\" is longer than %d bytes", TEXT_MAX);
    if (instance_id_parse(text, &num, &tag))
        where_add(w, "i.num=@", json_integer(num));
    else
        where_add(w,
                  "(f.name LIKE @ ESCAPE '\\' OR i.caller_id LIKE @ ESCAPE '\\' OR i.why LIKE @ "
                  "ESCAPE '\\' OR i.step LIKE @ ESCAPE '\\' OR instance_id(i.num,i.tag) LIKE @ "
                  "ESCAPE '\\')",
                  anywhere(text));
    return ERR_OK;
}

/* A filter whose value is an instance's id. */
static enum errcode add_id(struct where *w, const json_t *args, const char *name,
                           const char *clause, struct err *err)
{
    const char *id = json_str(args, name, NULL);
    int64_t num;
    uint64_t tag;

    if (id == NULL)
        return ERR_OK;
    if (!instance_id_parse(id, &num, &tag))
        return err_set(err, ERR_INVALID, "\"%s\" is no instance id", name);
    where_add(w, clause, json_integer(num));
    return ERR_OK;
}

static enum errcode add_filters(struct where *w, const json_t *args, bool ascending,
                                struct err *err)
{
    json_t *service = json_object_get(args, "service");
    json_t *since = json_object_get(args, "createdAfter");
    json_t *until = json_object_get(args, "createdBefore");
    enum errcode code = add_statuses(w, json_object_get(args, "status"), err);

    if (code == ERR_OK)
        code = add_id(w, args, "before", ascending ? "i.num>@" : "i.num<@", err);
    if (code == ERR_OK) /* a child is younger than its parent */
        code = add_id(w, args, "parent", "i.parent=@ AND i.num>@", err);
    if (json_is_string(service))
        where_add(w, "i.flow IN (SELECT id FROM flows WHERE name=@ OR ns||'.'||name=@)",
                  json_incref(service));
    if (json_is_integer(since))
        where_add(w, "i.created>=@", json_incref(since));
    if (json_is_integer(until))
        where_add(w, "i.created<@", json_incref(until));
    if (code == ERR_OK && json_str(args, "text", NULL) != NULL)
        code = add_text(w, json_str(args, "text", ""), err);
    return code;
}

static enum errcode query_list(struct reader *r, const json_t *args, json_t **out, struct err *err)
{
    struct where w = {.sql = ""};
    int64_t limit = json_int(args, "limit", LIST_DEFAULT);
    bool ascending = strcmp(json_str(args, "order", "desc"), "asc") == 0;
    sqlite3_stmt *q = NULL;
    json_t *list = json_array(), *next = NULL;
    enum errcode code = add_filters(&w, args, ascending, err);
    char *sql = NULL;
    int rc = SQLITE_OK;

    if (limit < 1 || limit > LIST_MAX)
        limit = limit < 1 ? LIST_DEFAULT : LIST_MAX;
    if (code == ERR_OK) {
        sql = mem_printf("%s%s ORDER BY i.num %s LIMIT %lld",
                         w.active ? SELECT_INSTANCE_BY(ACTIVE) : SELECT_INSTANCE, w.sql,
                         ascending ? "ASC" : "DESC", (long long)limit + 1);
        rc = sqlite3_prepare_v2(r->db, sql, -1, &q, NULL);
    }
    if (code == ERR_OK && rc == SQLITE_OK) {
        where_bind(&w, q);
        while ((rc = sqlite3_step(q)) == SQLITE_ROW && (int64_t)json_array_size(list) < limit)
            json_array_append_new(list, instance_json(q));
        if (rc == SQLITE_ROW)
            next = json_object_get(json_array_get(list, json_array_size(list) - 1), "id");
    }
    if (code == ERR_OK && rc != SQLITE_DONE && rc != SQLITE_ROW)
        code = step_error(r, rc, err);
    if (code == ERR_OK)
        *out = json_pack("{s:O, s:O*}", "instances", list, "next", next);
    sqlite3_finalize(q);
    free(sql);
    where_fini(&w);
    json_decref(list);
    return code;
}

/* ---- one instance ---- */

static enum errcode find(struct reader *r, const json_t *args, json_t **out, struct err *err)
{
    const char *id = json_str(args, "id", NULL);
    sqlite3_stmt *q = NULL;
    int64_t num = 0;
    uint64_t tag = 0;
    int rc;

    *out = NULL;
    if (id != NULL && !instance_id_parse(id, &num, &tag))
        return err_set(err, ERR_NOT_FOUND, "\"%.60s\" is no instance id", id);
    rc = sqlite3_prepare_v2(r->db,
                            id != NULL ? SELECT_INSTANCE "WHERE i.num=?1 AND i.tag=?2"
                                       : SELECT_INSTANCE "WHERE i.num=(SELECT num FROM keys WHERE "
                                                         "scope='id/'||?1 AND key=?2)",
                            -1, &q, NULL);
    if (rc == SQLITE_OK && id != NULL) {
        sqlite3_bind_int64(q, 1, num);
        sqlite3_bind_int64(q, 2, (int64_t)tag);
    } else if (rc == SQLITE_OK) {
        sqlite3_bind_text(q, 1, json_str(args, "service", ""), -1, SQLITE_STATIC);
        sqlite3_bind_text(q, 2, json_str(args, "callerId", ""), -1, SQLITE_STATIC);
    }
    if (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW)
        *out = instance_json(q);
    sqlite3_finalize(q);
    if (rc == SQLITE_ROW)
        return ERR_OK;
    if (rc != SQLITE_DONE)
        return step_error(r, rc, err);
    return err_set(err, ERR_NOT_FOUND, "there is no instance %.100s",
                   id != NULL ? id : json_str(args, "callerId", ""));
}

static json_t *value_of(const char *text, size_t len)
{
    json_t *value = json_loadb(text, len, JSON_DECODE_ANY, NULL);

    return value != NULL ? value : json_null();
}

static json_t *entry_json(const struct entry *e)
{
    static const char *const classes[] = {"fact", "command", "notification", "event"};
    json_t *o = json_pack("{s:i, s:s, s:s, s:I}", "seq", (int)e->seq, "kind", entry_name(e->kind),
                          "class", classes[entry_class_of(e->kind)], "at", (json_int_t)e->at);

    if ((e->flags & ENTRY_SAME_DATA) != 0)
        json_object_set_new(o, "sameAs", json_integer(e->cmd));
    else if (e->cmd != 0)
        json_object_set_new(o, "cmd", json_integer(e->cmd));
    if (e->attempt != 0)
        json_object_set_new(o, "attempt", json_integer(e->attempt));
    if (e->name_len > 0)
        json_object_set_new(o, "name", json_stringn(e->name, e->name_len));
    if ((e->flags & ENTRY_HAS_DATA) != 0)
        json_object_set_new(o, "data", value_of(e->data, e->data_len));
    if ((e->flags & ENTRY_HAS_MORE) != 0)
        json_object_set_new(o, "more", value_of(e->more, e->more_len));
    return o;
}

static enum errcode each_entry(struct reader *r, const json_t *row, int64_t last,
                               bool (*visit)(void *arg, const struct entry *e), void *arg,
                               struct err *err)
{
    struct stored_chunk *chunks;
    size_t count;
    struct entry e;
    int64_t num;
    uint64_t tag;
    enum errcode code;
    bool more = true;

    instance_id_parse(json_str(row, "id", ""), &num, &tag);
    code = sqlite_read_chunks(r, num, last, &chunks, &count, err);
    for (size_t i = 0; i < count && code == ERR_OK && more; i++) {
        for (size_t at = 0; at < chunks[i].len && code == ERR_OK && more;) {
            code = entry_decode(chunks[i].data, chunks[i].len, &at, &e, err);
            more = code == ERR_OK && visit(arg, &e);
        }
    }
    sqlite_chunks_free(chunks, count);
    return code;
}

struct page {
    json_t *list;
    int64_t from, limit;
};

static bool visit_page(void *arg, const struct entry *e)
{
    struct page *p = arg;

    if (e->seq >= p->from)
        json_array_append_new(p->list, entry_json(e));
    return (int64_t)json_array_size(p->list) < p->limit;
}

static enum errcode query_journal(struct reader *r, const json_t *args, json_t **out,
                                  struct err *err)
{
    struct page page = {.from = json_int(args, "from", 0), .limit = json_int(args, "limit", 1000)};
    json_t *row;
    enum errcode code = find(r, args, &row, err);

    if (code != ERR_OK)
        return code;
    if (page.limit < 1 || page.limit > JOURNAL_MAX)
        page.limit = JOURNAL_MAX;
    page.list = json_array();
    code = each_entry(r, row, json_int(row, "last", 0), visit_page, &page, err);
    if (code == ERR_OK)
        *out = json_pack("{s:O, s:O}", "id", json_object_get(row, "id"), "entries", page.list);
    json_decref(page.list);
    json_decref(row);
    return code;
}

static bool visit_output(void *arg, const struct entry *e)
{
    json_t *result = arg;

    if (e->kind != ENTRY_OUTPUT)
        return true;
    if ((e->flags & ENTRY_HAS_DATA) != 0)
        json_object_set_new(result, "output", value_of(e->data, e->data_len));
    if ((e->flags & ENTRY_HAS_MORE) != 0)
        json_object_set_new(result, "error", value_of(e->more, e->more_len));
    return false;
}

/* Position of the chunk that holds its end, 0: none. */
static int64_t output_position(struct reader *r, int64_t num)
{
    sqlite3_stmt *q = NULL;
    int64_t pos = 0;

    if (sqlite3_prepare_v2(r->db, "SELECT output FROM instances WHERE num=?", -1, &q, NULL) ==
        SQLITE_OK) {
        sqlite3_bind_int64(q, 1, num);
        if (sqlite3_step(q) == SQLITE_ROW)
            pos = sqlite3_column_int64(q, 0);
    }
    sqlite3_finalize(q);
    return pos;
}

/* The end is in one chunk, so that a long journal is not read for it. */
static enum errcode read_output(struct reader *r, const json_t *row, json_t *result,
                                struct err *err)
{
    struct stored_chunk chunk = {0};
    struct entry e;
    int64_t num, prev, pos;
    uint64_t tag;

    instance_id_parse(json_str(row, "id", ""), &num, &tag);
    if ((pos = output_position(r, num)) == 0)
        return ERR_OK;
    enum errcode code = sqlite_read_chunk(r, num, pos, &chunk, &prev, err);
    for (size_t at = 0; code == ERR_OK && at < chunk.len;) {
        code = entry_decode(chunk.data, chunk.len, &at, &e, err);
        if (code == ERR_OK && !visit_output(result, &e))
            break;
    }
    free(chunk.data);
    return code;
}

static enum errcode query_output(struct reader *r, const json_t *args, json_t **out,
                                 struct err *err)
{
    json_t *row, *result;
    enum errcode code = find(r, args, &row, err);

    if (code != ERR_OK)
        return code;
    int status = status_from_name(json_str(row, "status", ""));
    if (status < 0 || !status_is_final((unsigned)status)) {
        json_decref(row);
        return err_set(err, ERR_NOT_READY, "the instance has not ended yet");
    }
    result = json_pack("{s:O, s:O}", "id", json_object_get(row, "id"), "status",
                       json_object_get(row, "status"));
    code = read_output(r, row, result, err);
    if (code == ERR_OK && json_object_size(result) == 2)
        code = each_entry(r, row, json_int(row, "last", 0), visit_output, result, err);
    if (code == ERR_OK)
        *out = json_incref(result);
    json_decref(result);
    json_decref(row);
    return code;
}

static enum errcode query_instance(struct reader *r, const json_t *args, json_t **out,
                                   struct err *err)
{
    return find(r, args, out, err);
}

/* ---- all of them ---- */

static enum errcode query_counts(struct reader *r, const json_t *args, json_t **out,
                                 struct err *err)
{
    sqlite3_stmt *q = NULL;
    json_t *counts = json_object();
    int rc = sqlite3_prepare_v2(r->db,
                                "SELECT status,sum(n) FROM totals WHERE ?1 IS NULL OR flow IN "
                                "(SELECT id FROM flows WHERE name=?1 OR ns||'.'||name=?1) "
                                "GROUP BY status",
                                -1, &q, NULL);

    for (unsigned i = 0; i < STATUS_COUNT; i++)
        json_object_set_new(counts, status_name(i), json_integer(0));
    if (rc == SQLITE_OK && json_str(args, "service", NULL) != NULL)
        sqlite3_bind_text(q, 1, json_str(args, "service", NULL), -1, SQLITE_STATIC);
    while (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        const char *name = status_name((unsigned)sqlite3_column_int(q, 0));

        if (name != NULL)
            json_object_set_new(counts, name, json_integer(sqlite3_column_int64(q, 1)));
        rc = SQLITE_OK;
    }
    sqlite3_finalize(q);
    if (rc == SQLITE_DONE) {
        *out = counts;
        return ERR_OK;
    }
    json_decref(counts);
    return step_error(r, rc, err);
}

/* How many instances wait. */
static int count_waiting(struct reader *r, int64_t *count)
{
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(
        r->db, "SELECT count(*) FROM instances " ACTIVE " WHERE status<4 AND status=2", -1, &q,
        NULL);

    if (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW)
        *count = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* Waiting rows that nothing can wake: no timer, no active child, no row in the inbox, and not for
 * an event, which comes from outside. The sets are made once, not asked for each row. */
static enum errcode query_orphans(struct reader *r, const json_t *args, json_t **out,
                                  struct err *err)
{
    sqlite3_stmt *q = NULL;
    json_t *list = json_array();
    int64_t checked = 0;
    int rc = count_waiting(r, &checked);

    (void)args;
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(
            r->db,
            SELECT_INSTANCE_BY(ACTIVE) "WHERE i.status<4 AND i.status=2 AND i.wake_at=0 AND "
                                       "i.reason<>3 AND i.num NOT IN (SELECT num FROM inbox) AND "
                                       "i.num NOT IN (SELECT parent FROM instances " ACTIVE
                                       " WHERE status<4) LIMIT 100",
            -1, &q, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        json_array_append_new(list, instance_json(q));
        rc = SQLITE_OK;
    }
    sqlite3_finalize(q);
    if (rc == SQLITE_DONE)
        *out = json_pack("{s:O, s:I}", "orphans", list, "checked", (json_int_t)checked);
    json_decref(list);
    return rc == SQLITE_DONE ? ERR_OK : step_error(r, rc, err);
}

static enum errcode query_expired(struct reader *r, const json_t *args, json_t **out,
                                  struct err *err)
{
    enum { ROWS_LOOKED_AT = 20000 };
    sqlite3_stmt *q = NULL;
    json_t *nums = json_array();
    int64_t after = json_int(args, "after", 0), limit = json_int(args, "limit", 100);
    int64_t before = json_int(args, "before", 0);
    int looked = 0;
    int rc = sqlite3_prepare_v2(
        r->db, "SELECT num,status,ended,created FROM instances WHERE num>? ORDER BY num", -1, &q,
        NULL);

    if (rc == SQLITE_OK)
        sqlite3_bind_int64(q, 1, after);
    while (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        bool ended = status_is_final((unsigned)sqlite3_column_int(q, 1)) &&
                     sqlite3_column_int64(q, 2) < before;
        bool young = sqlite3_column_int64(q, 3) >= before;

        rc = SQLITE_OK;
        if (young || (int64_t)json_array_size(nums) >= limit || ++looked > ROWS_LOOKED_AT)
            break;
        after = sqlite3_column_int64(q, 0);
        if (ended)
            json_array_append_new(nums, json_integer(after));
    }
    sqlite3_finalize(q);
    if (looked <= ROWS_LOOKED_AT && json_array_size(nums) == 0)
        after = 0; /* from the beginning again */
    if (rc == SQLITE_OK || rc == SQLITE_DONE)
        *out = json_pack("{s:O, s:I}", "nums", nums, "after", (json_int_t)after);
    json_decref(nums);
    return *out != NULL ? ERR_OK : step_error(r, rc, err);
}

query_fn *sqlite_query_find(const char *what)
{
    static const struct {
        const char *name;
        query_fn *fn;
    } table[] = {
        {"list", query_list},       {"instance", query_instance}, {"journal", query_journal},
        {"output", query_output},   {"counts", query_counts},     {"orphans", query_orphans},
        {"expired", query_expired},
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(table[i].name, what) == 0)
            return table[i].fn;
    }
    return NULL;
}
