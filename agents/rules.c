#include "rules.h"
#include "source.h"

#include <ctype.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { LINE_MAX_BYTES = 2000, CONTEXT_MAX = 120, PER_RULE_MAX = 100 };

static const char *const severities[] = {"critical", "high", "medium", "low", "info"};
enum { SEVERITY_COUNT = sizeof severities / sizeof *severities };

struct ruleset {
    const struct rule *rules;
    size_t count;
    regex_t *compiled;
    long *hits; /* by rule */
    json_t *found[SEVERITY_COUNT];
};

struct ruleset *ruleset_new(const struct rule *rules, size_t count)
{
    struct ruleset *s = mem_zalloc(sizeof *s);

    s->rules = rules;
    s->count = count;
    s->compiled = mem_zalloc(count * sizeof *s->compiled);
    s->hits = mem_zalloc(count * sizeof *s->hits);
    for (size_t i = 0; i < count; i++)
        if (regcomp(&s->compiled[i], rules[i].pattern, REG_EXTENDED | REG_ICASE) != 0)
            abort(); /* a table of ours is wrong: the first test finds it */
    for (size_t i = 0; i < SEVERITY_COUNT; i++)
        s->found[i] = json_array();
    return s;
}

void ruleset_free(struct ruleset *s)
{
    for (size_t i = 0; i < s->count; i++)
        regfree(&s->compiled[i]);
    for (size_t i = 0; i < SEVERITY_COUNT; i++)
        json_decref(s->found[i]);
    free(s->compiled);
    free(s->hits);
    free(s);
}

/* In tests and examples a secret is most often a made-up one. */
static bool is_example(const char *path)
{
    static const char *const words[] = {"test", "example", "fixture", "sample", "mock", "docs/"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasestr(path, words[i]) != NULL)
            return true;
    return false;
}

static size_t severity_rank(const char *severity)
{
    for (size_t i = 0; i < SEVERITY_COUNT; i++)
        if (strcmp(severities[i], severity) == 0)
            return i;
    return SEVERITY_COUNT - 1;
}

/* The line around the match, cut; of a secret only its first four characters. */
static json_t *context(const char *line, const regmatch_t *m, bool secret)
{
    size_t from = (size_t)m->rm_so, to = (size_t)m->rm_eo;
    size_t start = from > 40 ? from - 40 : 0;
    char *text;

    if (secret)
        text = mem_printf("%.*s%.*s[redacted]%s", (int)(from - start), line + start,
                          to - from > 8 ? 4 : 0, line + from, line + to);
    else
        text = mem_strdup(line + start);
    const char *trimmed = text + strspn(text, " \t");
    json_t *value = safe_string(trimmed, strlen(trimmed), CONTEXT_MAX);
    free(text);
    return value;
}

static void record(struct ruleset *s, size_t i, const struct walk_file *file, long line_no,
                   const char *line, const regmatch_t *m)
{
    const struct rule *r = &s->rules[i];
    const char *severity = r->secret && is_example(file->path) ? "low" : r->severity;

    if (++s->hits[i] > PER_RULE_MAX)
        return;
    json_array_append_new(s->found[severity_rank(severity)],
                          json_pack("{s:s, s:s, s:s, s:o, s:I, s:o}", "rule", r->id, "severity",
                                    severity, "title", r->title, "file",
                                    safe_string(file->path, strlen(file->path), 512), "line",
                                    (json_int_t)line_no, "context", context(line, m, r->secret)));
}

/* `shown` is the line as it stands in the file: in the code alone strings are blank. */
static void check_line(struct ruleset *s, const struct walk_file *file, bool raw, long line_no,
                       const char *line, const char *shown)
{
    char lower[LINE_MAX_BYTES + 1];
    size_t n = 0;

    for (; line[n] != '\0'; n++)
        lower[n] = (char)tolower((unsigned char)line[n]);
    lower[n] = '\0';
    for (size_t i = 0; n > 0 && i < s->count; i++) {
        const struct rule *r = &s->rules[i];
        regmatch_t m;

        if ((r->family == 0) != raw)
            continue;
        if (!raw && (file->language == NULL || (r->family & file->language->family) == 0))
            continue;
        if (r->needle != NULL && strstr(lower, r->needle) == NULL)
            continue;
        if (regexec(&s->compiled[i], line, 1, &m, 0) == 0)
            record(s, i, file, line_no, shown, &m);
    }
}

static void check_text(struct ruleset *s, const struct walk_file *file, bool raw, const char *text)
{
    char line[LINE_MAX_BYTES + 1], shown[LINE_MAX_BYTES + 1];
    const char *original = file->text;
    const char *start = text;
    long line_no = 1;

    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        size_t take = len < LINE_MAX_BYTES ? len : LINE_MAX_BYTES;

        memcpy(line, text, take);
        line[take] = '\0';
        memcpy(shown, original + (text - start), take);
        shown[take] = '\0';
        check_line(s, file, raw, line_no++, line, shown);
        text += text[len] == '\n' ? len + 1 : len;
    }
}

void ruleset_apply(struct ruleset *s, const struct walk_file *file, const char *code)
{
    check_text(s, file, true, file->text);
    if (code != NULL)
        check_text(s, file, false, code);
}

json_t *ruleset_result(const struct ruleset *s)
{
    json_t *findings = json_array(), *by_severity = json_object(), *by_rule = json_object();
    json_int_t total = 0;

    for (size_t i = 0; i < SEVERITY_COUNT; i++) {
        size_t index;
        json_t *finding;

        json_array_foreach(s->found[i], index, finding)
        {
            if (json_array_size(findings) < FINDINGS_MAX)
                json_array_append(findings, finding);
        }
        json_object_set_new(by_severity, severities[i],
                            json_integer((json_int_t)json_array_size(s->found[i])));
    }
    for (size_t i = 0; i < s->count; i++) {
        total += s->hits[i];
        if (s->hits[i] > 0)
            json_object_set_new(by_rule, s->rules[i].id, json_integer(s->hits[i]));
    }
    return json_pack("{s:o, s:I, s:o, s:o}", "findings", findings, "total", total, "bySeverity",
                     by_severity, "byRule", by_rule);
}

void ruleset_file(void *ruleset, const struct walk_file *file)
{
    struct line_counts counts;
    char *code = NULL;

    if (file->language != NULL)
        code = source_code_only(file->language, file->text, file->len, &counts);
    ruleset_apply(ruleset, file, code);
    free(code);
}
