/* The tables. A released step is never edited: a new one is added at the end, and PRAGMA
 * user_version counts those that a file has seen. Each runs in one transaction with its count.
 *
 * instances_active holds what is not final, so that opening and the console's first page do not
 * depend on how much has ended; an instance that ends in the commit that makes it touches no index.
 * totals counts the instances of a flow by status, in the transactions that change them, so that
 * counting does not scan what has ended either. */
#include "engine/store/sqlite_internal.h"

/* One statement or column a line reads better than what the formatter makes of long strings. */
// clang-format off

#define DIGIT(n, shift) "substr('0123456789abcdefghjkmnpqrstvwxyz',((" n ">>" #shift ")&31)+1,1)"
#define DIGITS8(n)                                                                                 \
    DIGIT(n, 35) "||" DIGIT(n, 30) "||" DIGIT(n, 25) "||" DIGIT(n, 20) "||"                        \
    DIGIT(n, 15) "||" DIGIT(n, 10) "||" DIGIT(n, 5) "||" DIGIT(n, 0)
/* instance_id_format in SQL: the views are for people with the sqlite3 shell. */
#define INSTANCE_ID                                                                                \
    "'inst_'||" DIGIT("i.num", 60) "||" DIGIT("i.num", 55) "||" DIGIT("i.num", 50) "||"            \
    DIGIT("i.num", 45) "||" DIGIT("i.num", 40) "||" DIGITS8("i.num") "||" DIGITS8("i.tag")
#define ISO(ms) "strftime('%Y-%m-%dT%H:%M:%fZ'," ms "/1000.0,'unixepoch')"

static const char version_1[] =
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "INSERT INTO meta VALUES('created', CAST(strftime('%s','now') AS INTEGER) * 1000);"
    "CREATE TABLE flows(id INTEGER PRIMARY KEY, digest TEXT NOT NULL, ns TEXT NOT NULL,"
    " name TEXT NOT NULL, version TEXT NOT NULL, source BLOB NOT NULL, loaded_at INTEGER NOT NULL);"
    "CREATE TABLE instances(num INTEGER PRIMARY KEY, tag INTEGER NOT NULL, seed INTEGER NOT NULL,"
    " flow INTEGER NOT NULL, status INTEGER NOT NULL, reason INTEGER NOT NULL,"
    " parent INTEGER NOT NULL, parent_cmd INTEGER NOT NULL, depth INTEGER NOT NULL,"
    " created INTEGER NOT NULL, started INTEGER NOT NULL, ended INTEGER NOT NULL,"
    " wake_at INTEGER NOT NULL, last INTEGER NOT NULL, output INTEGER NOT NULL,"
    " entries INTEGER NOT NULL, bytes INTEGER NOT NULL, attempts INTEGER NOT NULL,"
    " crashes INTEGER NOT NULL, caller_id TEXT, step TEXT, why TEXT);"
    "CREATE INDEX instances_active ON instances(num) WHERE status < 4;"
    "CREATE TABLE journal(pos INTEGER PRIMARY KEY, num INTEGER NOT NULL, prev INTEGER NOT NULL,"
    " data BLOB NOT NULL);"
    "CREATE TABLE keys(scope TEXT NOT NULL, key TEXT NOT NULL, num INTEGER NOT NULL,"
    " hash INTEGER NOT NULL, PRIMARY KEY(scope, key)) WITHOUT ROWID;"
    "CREATE INDEX keys_num ON keys(num);" /* rows exist only where a key was used; for the purge */
    "CREATE TABLE inbox(id INTEGER PRIMARY KEY, num INTEGER NOT NULL, kind TEXT NOT NULL,"
    " data TEXT NOT NULL);"
    "CREATE VIEW workflow_metadata AS SELECT i.num AS id,"
    " coalesce(i.caller_id, " INSTANCE_ID ") AS workflow_id, f.name AS workflow_type,"
    " CASE i.status WHEN 0 THEN 'pending' WHEN 1 THEN 'running' WHEN 2 THEN 'waiting'"
    " WHEN 3 THEN 'suspended' WHEN 4 THEN 'completed' WHEN 5 THEN 'failed'"
    " ELSE 'cancelled' END AS status,"
    " 'ultramcp-restate' AS created_by,"
    " json_object('instance', " INSTANCE_ID ", 'namespace', f.ns, 'version', f.version,"
    " 'digest', f.digest, 'step', i.step, 'why', i.why, 'entries', i.entries,"
    " 'attempts', i.attempts) AS metadata,"
    " " ISO("i.created") " AS created_at,"
    " " ISO("max(i.created, i.started, i.ended)") " AS updated_at"
    " FROM instances i LEFT JOIN flows f ON f.id = i.flow;"
    /* Executions are entries of the journal, which SQL cannot read: the names are here, without
     * rows. */
    "CREATE VIEW agent_executions AS SELECT NULL AS id, NULL AS workflow_id, NULL AS agent_name,"
    " NULL AS execution_status, NULL AS input_data, NULL AS output_data, NULL AS error_message,"
    " NULL AS started_at, NULL AS completed_at, NULL AS duration_ms WHERE 0;"
    "CREATE VIEW agent_registry AS SELECT NULL AS id, NULL AS agent_name, NULL AS agent_type,"
    " NULL AS endpoint_url, NULL AS health_check_url, NULL AS capabilities, NULL AS is_active,"
    " NULL AS registered_at, NULL AS last_seen WHERE 0;";

static const char version_2[] =
    "CREATE TABLE totals(flow INTEGER NOT NULL, status INTEGER NOT NULL, n INTEGER NOT NULL,"
    " PRIMARY KEY(flow, status)) WITHOUT ROWID;"
    "INSERT INTO totals SELECT flow, status, count(*) FROM instances GROUP BY flow, status;";

// clang-format on

const char *const sqlite_migrations[] = {version_1, version_2};
const int sqlite_migration_count = sizeof sqlite_migrations / sizeof *sqlite_migrations;
