/* Reports: what the other agents found, put together for a reader. Text from others goes into the
 * Markdown as code spans only, so that a file name cannot make a heading or a link. */
#include <string.h>

#include "agents.h"
#include "analysis.h"
#include "base/json.h"

enum { REPORT_MAX = 64 * 1024, SHOWN = 10 };

/* `text` as a code span: one line, without backticks. */
static void span(struct buf *b, const char *text)
{
    buf_str(b, "`");
    for (size_t i = 0; text[i] != '\0' && i < 200; i++) {
        char c = text[i];

        buf_add(b, c == '`' || (unsigned char)c < 0x20 ? "'" : &c, 1);
    }
    buf_str(b, "`");
}

static void findings_table(struct buf *b, const json_t *found)
{
    const json_t *list = json_object_get(found, "findings");
    size_t i;
    json_t *f;

    if (json_array_size(list) == 0) {
        buf_str(b, "\nNothing found.\n");
        return;
    }
    buf_str(b, "\n| severity | what | where |\n|---|---|---|\n");
    json_array_foreach(list, i, f)
    {
        if (i == SHOWN)
            break;
        buf_printf(b, "| %.10s | %.100s | ", json_str(f, "severity", "?"),
                   json_str(f, "title", "?"));
        span(b, json_str(f, "file", "?"));
        buf_printf(b, " line %lld |\n", (long long)json_int(f, "line", 0));
    }
    if (json_array_size(list) > SHOWN)
        buf_printf(b, "\n%lld in all.\n", (long long)json_int(found, "total", 0));
}

static void security_section(struct buf *b, const json_t *security)
{
    buf_str(b, "\n## Secrets\n");
    findings_table(b, json_object_get(security, "secrets"));
    buf_str(b, "\n## Dangerous calls\n");
    findings_table(b, json_object_get(security, "dangerousCalls"));
}

static void quality_section(struct buf *b, const json_t *quality)
{
    size_t i;
    json_t *item;

    buf_printf(b, "\n## Quality: %lld of 100\n\n%lld files, %lld lines of code, %lld of comment.\n",
               (long long)json_int(quality, "score", 0), (long long)json_int(quality, "files", 0),
               (long long)json_int(quality, "code", 0), (long long)json_int(quality, "comment", 0));
    buf_str(b, "\n| language | files | code | comment | blank |\n|---|---|---|---|---|\n");
    json_array_foreach(json_object_get(quality, "languages"), i, item)
    {
        buf_printf(b, "| %.30s | %lld | %lld | %lld | %lld |\n", json_str(item, "language", "?"),
                   (long long)json_int(item, "files", 0), (long long)json_int(item, "code", 0),
                   (long long)json_int(item, "comment", 0), (long long)json_int(item, "blank", 0));
    }
    buf_str(b, "\nLongest functions:\n\n");
    json_array_foreach(json_object_get(quality, "longestFunctions"), i, item)
    {
        buf_str(b, "- ");
        span(b, json_str(item, "name", "?"));
        buf_printf(b, ", %lld lines, ", (long long)json_int(item, "lines", 0));
        span(b, json_str(item, "file", "?"));
        buf_str(b, "\n");
    }
}

static void patterns_section(struct buf *b, const json_t *patterns)
{
    const json_t *found = json_object_get(patterns, "patterns");
    const json_t *duplication = json_object_get(patterns, "duplication");
    const char *rule;
    json_t *count;

    buf_str(b, "\n## Patterns\n\n");
    json_object_foreach(json_object_get(found, "byRule"), rule, count)
    {
        buf_printf(b, "- %.60s: %lld\n", rule, (long long)json_integer_value(count));
    }
    buf_printf(b, "- repeated blocks: %lld (%lld lines)\n",
               (long long)json_int(duplication, "blocks", 0),
               (long long)json_int(duplication, "lines", 0));
}

static json_t *markdown(struct buf *b)
{
    json_t *text;

    if (b->full)
        b->len = 0;
    text = b->len > 0 ? json_stringn(b->data, b->len)
                      : json_string("The report is longer than 64 KiB.");
    buf_fini(b);
    return text;
}

static long critical_of(const json_t *security)
{
    return severity_count(json_object_get(security, "secrets"), "critical") +
           severity_count(json_object_get(security, "dangerousCalls"), "critical");
}

enum errcode agent_report(struct call *call, struct err *err)
{
    const char *id, *repository;
    struct buf b;
    enum errcode code = call_string(call, "analysisId", 256, &id, err);

    if (code == ERR_OK)
        code = call_string(call, "repository", 2048, &repository, err);
    const json_t *results = json_object_get(call->body, "results");
    if (code == ERR_OK && !json_is_object(results))
        code = err_set(err, ERR_INVALID, "/generate-report: \"results\" is needed, an object");
    if (code != ERR_OK)
        return code;
    const json_t *security = json_object_get(results, "security");
    const json_t *quality = json_object_get(results, "quality");
    const json_t *patterns = json_object_get(results, "patterns");
    buf_init(&b, REPORT_MAX);
    buf_str(&b, "# Code analysis\n\nRepository ");
    span(&b, repository);
    buf_str(&b, ", branch ");
    span(&b, json_str(call->body, "branch", "main"));
    buf_str(&b, ".\n");
    if (security != NULL)
        security_section(&b, security);
    if (quality != NULL)
        quality_section(&b, quality);
    if (patterns != NULL)
        patterns_section(&b, patterns);
    call->out = json_pack("{s:b, s:s, s:I, s:O?, s:o}", "success", 1, "analysisId", id,
                          "criticalIssues", (json_int_t)critical_of(security), "score",
                          json_object_get(quality, "score"), "report", markdown(&b));
    return ERR_OK;
}

enum errcode agent_consolidate(struct call *call, struct err *err)
{
    static const char *const parts[] = {"vulnerability", "compliance", "threats"};
    json_int_t critical = 0;
    struct buf b;
    size_t i;
    json_t *check;

    for (i = 0; i < 3; i++) {
        const json_t *part = json_object_get(call->body, parts[i]);

        if (!json_is_object(part))
            return err_set(err, ERR_INVALID, "/consolidate: \"%s\" is needed, an object", parts[i]);
        critical += json_int(part, "criticalIssues", 0);
    }
    buf_init(&b, REPORT_MAX);
    buf_printf(&b, "# Security scan\n\nCritical issues: %lld.\n", (long long)critical);
    security_section(&b, json_object_get(call->body, "vulnerability"));
    buf_str(&b, "\n## Compliance\n\n");
    json_array_foreach(json_object_get(json_object_get(call->body, "compliance"), "checks"), i,
                       check)
    {
        buf_printf(&b, "- %s: %.100s\n", json_bool(check, "ok", false) ? "yes" : "no",
                   json_str(check, "title", "?"));
    }
    buf_str(&b, "\n## Attack surface\n");
    findings_table(&b, json_object_get(json_object_get(call->body, "threats"), "surface"));
    call->out = json_pack("{s:b, s:I, s:o}", "success", 1, "criticalIssues", critical, "report",
                          markdown(&b));
    return ERR_OK;
}

static void recommend(json_t *list, const char *priority, const char *title, json_t *reason)
{
    json_array_append_new(
        list, json_pack("{s:s, s:s, s:o}", "priority", priority, "title", title, "reason", reason));
}

static void recommend_from_analysis(json_t *list, const json_t *analysis)
{
    const json_t *results = json_object_get(analysis, "results");
    const json_t *security = json_object_get(results, "security");
    const json_t *quality = json_object_get(results, "quality");
    const json_t *duplication =
        json_object_get(json_object_get(results, "patterns"), "duplication");
    size_t secrets =
        json_array_size(json_object_get(json_object_get(security, "secrets"), "findings"));
    size_t calls = (size_t)json_int(json_object_get(security, "dangerousCalls"), "total", 0);

    if (secrets > 0)
        recommend(list, "high", "Revoke and remove what looks like secrets",
                  json_sprintf("%zu findings; history keeps what a commit deletes", secrets));
    if (calls > 0)
        recommend(list, "medium", "Review the dangerous calls", json_sprintf("%zu places", calls));
    if (quality != NULL && json_int(quality, "score", 100) < 90)
        recommend(list, "medium", "Split the longest functions and files",
                  json_sprintf("quality is %d of 100", (int)json_int(quality, "score", 0)));
    if (json_int(duplication, "blocks", 0) > 0)
        recommend(list, "low", "Write repeated blocks once",
                  json_sprintf("%d blocks", (int)json_int(duplication, "blocks", 0)));
}

enum errcode agent_recommendations(struct call *call, struct err *err)
{
    const char *id;
    json_t *list, *check;
    size_t i;
    enum errcode code = call_string(call, "sessionId", 256, &id, err);

    if (code != ERR_OK)
        return code;
    list = json_array();
    const json_t *scan = json_object_get(call->body, "securityScan");
    json_int_t critical = json_int(scan, "criticalIssues", 0);
    if (critical > 0)
        recommend(list, "critical", "Repair the critical issues before the next release",
                  json_sprintf("%d in the security scan", (int)critical));
    recommend_from_analysis(list, json_object_get(call->body, "codeAnalysis"));
    json_array_foreach(json_object_get(json_object_get(scan, "compliance"), "checks"), i, check)
    {
        if (!json_bool(check, "ok", true))
            recommend(list, "low", "Meet a compliance check",
                      json_sprintf("%.100s", json_str(check, "title", "?")));
    }
    const json_t *synthesis = json_object_get(json_object_get(call->body, "debate"), "synthesis");
    if (json_str(synthesis, "summary", NULL) != NULL)
        recommend(list, "info", "Outcome of the debate",
                  json_string(json_str(synthesis, "summary", "")));
    call->out =
        json_pack("{s:b, s:s, s:o}", "success", 1, "sessionId", id, "recommendations", list);
    return ERR_OK;
}

enum errcode agent_notify(struct call *call, struct err *err)
{
    const json_t *report = json_object_get(call->body, "report");

    if (report == NULL)
        return err_set(err, ERR_INVALID, "/notify: \"report\" is needed");
    json_int_t critical = json_int(report, "criticalIssues", 0);
    call->out = json_pack("{s:b, s:b, s:s, s:I}", "success", 1, "notified", 1, "severity",
                          critical > 0 ? "critical" : "info", "criticalIssues", critical);
    return ERR_OK;
}
