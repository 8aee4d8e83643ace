/* Counts code: lines by language, and the longest functions and files. */
#include "analysis.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { LANGUAGES_MAX = 40, LONGEST = 10, LONG_FUNCTION = 60, LONG_FILE = 800 };

/* The longest so far, the longest first. */
struct longest {
    struct {
        long lines, line;
        char *name, *file;
    } item[LONGEST];
    size_t count;
};

struct measure {
    const char *file; /* being read */
    const struct language *language[LANGUAGES_MAX];
    struct line_counts counts[LANGUAGES_MAX];
    long files[LANGUAGES_MAX];
    size_t languages;
    struct line_counts total;
    long functions, long_functions, function_lines, long_files;
    struct longest by_function, by_file;
};

static void longest_add(struct longest *l, const char *name, size_t name_len, const char *file,
                        long line, long lines)
{
    size_t at = l->count;

    while (at > 0 && l->item[at - 1].lines < lines)
        at--;
    if (at >= LONGEST)
        return;
    if (l->count == LONGEST) {
        free(l->item[LONGEST - 1].name);
        free(l->item[LONGEST - 1].file);
        l->count--;
    }
    memmove(&l->item[at + 1], &l->item[at], (l->count - at) * sizeof l->item[0]);
    l->item[at].name = mem_strndup(name, name_len);
    l->item[at].file = mem_strdup(file);
    l->item[at].line = line;
    l->item[at].lines = lines;
    l->count++;
}

static void longest_fini(struct longest *l)
{
    for (size_t i = 0; i < l->count; i++) {
        free(l->item[i].name);
        free(l->item[i].file);
    }
}

static json_t *longest_json(const struct longest *l, bool functions)
{
    json_t *list = json_array();

    for (size_t i = 0; i < l->count; i++) {
        const char *name = l->item[i].name, *file = l->item[i].file;
        json_t *o = json_pack("{s:o, s:I}", "file", safe_string(file, strlen(file), 512), "lines",
                              (json_int_t)l->item[i].lines);

        if (functions) {
            json_object_set_new(o, "name", safe_string(name, strlen(name), 128));
            json_object_set_new(o, "line", json_integer(l->item[i].line));
        }
        json_array_append_new(list, o);
    }
    return list;
}

static void on_function(void *arg, const char *name, size_t name_len, long line, long lines)
{
    struct measure *m = arg;

    m->functions++;
    m->function_lines += lines;
    m->long_functions += lines > LONG_FUNCTION;
    longest_add(&m->by_function, name, name_len, m->file, line, lines);
}

static void add_counts(struct line_counts *to, const struct line_counts *from)
{
    to->lines += from->lines;
    to->blank += from->blank;
    to->comment += from->comment;
    to->code += from->code;
}

static void measure_file(void *arg, const struct walk_file *file)
{
    struct measure *m = arg;
    struct line_counts counts;
    size_t i = 0;

    if (file->language == NULL)
        return;
    char *code = source_code_only(file->language, file->text, file->len, &counts);
    while (i < m->languages && m->language[i] != file->language)
        i++;
    if (i == m->languages && m->languages < LANGUAGES_MAX)
        m->language[m->languages++] = file->language;
    if (i < LANGUAGES_MAX) {
        add_counts(&m->counts[i], &counts);
        m->files[i]++;
    }
    add_counts(&m->total, &counts);
    m->file = file->path;
    if (file->language->functions != FUNCTIONS_NONE) {
        longest_add(&m->by_file, "", 0, file->path, 1, counts.lines);
        m->long_files += counts.lines > LONG_FILE;
        source_functions(file->language, code, strlen(code), on_function, m);
    }
    free(code);
}

static json_t *counts_json(const struct line_counts *c)
{
    return json_pack("{s:I, s:I, s:I, s:I}", "lines", (json_int_t)c->lines, "blank",
                     (json_int_t)c->blank, "comment", (json_int_t)c->comment, "code",
                     (json_int_t)c->code);
}

static json_t *languages_json(const struct measure *m)
{
    json_t *list = json_array();

    for (size_t i = 0; i < m->languages; i++) {
        json_t *o = counts_json(&m->counts[i]);

        json_object_set_new(o, "language", json_string(m->language[i]->name));
        json_object_set_new(o, "files", json_integer(m->files[i]));
        json_array_append_new(list, o);
    }
    return list;
}

/* 100, less for long functions, long files and code without a comment. */
static long score(const struct measure *m, json_t *notes)
{
    long points = 100;
    long share = m->functions > 0 ? m->long_functions * 100 / m->functions : 0;
    long comments = m->total.code > 0 ? m->total.comment * 100 / m->total.code : 100;

    if (share > 0) {
        points -= share > 40 ? 40 : share;
        json_array_append_new(notes, json_sprintf("%ld of %ld functions are longer than %d lines",
                                                  m->long_functions, m->functions, LONG_FUNCTION));
    }
    if (m->long_files > 0) {
        points -= m->long_files > 10 ? 20 : m->long_files * 2;
        json_array_append_new(
            notes, json_sprintf("%ld files are longer than %d lines", m->long_files, LONG_FILE));
    }
    if (comments < 5) {
        points -= 10;
        json_array_append_new(notes, json_sprintf("%ld comment lines for 100 of code", comments));
    }
    return points;
}

enum errcode measure_code(struct agents *a, const char *root, json_t **out, struct err *err)
{
    struct measure *m = mem_zalloc(sizeof *m);
    struct walk_totals totals;
    enum errcode code = walk_tree(a, root, measure_file, m, &totals, err);

    if (code == ERR_OK) {
        json_t *notes = json_array();

        *out = counts_json(&m->total);
        json_object_set_new(*out, "files", json_integer(totals.files));
        json_object_set_new(*out, "cut", json_boolean(totals.cut));
        json_object_set_new(*out, "languages", languages_json(m));
        json_object_set_new(*out, "functions", json_integer(m->functions));
        json_object_set_new(*out, "meanFunctionLines",
                            json_integer(m->functions > 0 ? m->function_lines / m->functions : 0));
        json_object_set_new(*out, "longestFunctions", longest_json(&m->by_function, true));
        json_object_set_new(*out, "longestFiles", longest_json(&m->by_file, false));
        json_object_set_new(*out, "score", json_integer(score(m, notes)));
        json_object_set_new(*out, "notes", notes);
    }
    longest_fini(&m->by_function);
    longest_fini(&m->by_file);
    free(m);
    return code;
}
