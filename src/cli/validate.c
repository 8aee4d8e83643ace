/* validate: every finding of every document. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "documents.h"

enum { REPORT_MAX = 1 << 20 };

struct validation {
    bool json;
    json_t *list; /* one object for each file */
    unsigned errors;
};

static json_t *findings_json(const struct source *source)
{
    const struct finding *list;
    size_t n = source_findings(source, &list);
    json_t *array = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(array,
                              json_pack("{s:s, s:i, s:i, s:s, s:s, s:s}", "level",
                                        list[i].warning ? "warning" : "error", "line", list[i].line,
                                        "column", list[i].column, "pointer", list[i].pointer,
                                        "text", list[i].text, "remedy", list[i].remedy));
    return array;
}

static void show(struct validation *v, const char *path, const struct flow *flow,
                 const struct source *source)
{
    struct buf report;

    if (v->json) {
        json_array_append_new(v->list, json_pack("{s:s, s:b, s:o}", "file", path, "ok",
                                                 flow != NULL, "findings", findings_json(source)));
        return;
    }
    buf_init(&report, REPORT_MAX);
    source_report(source, &report);
    if (report.data != NULL)
        cli_put(stdout, report.data);
    buf_clear(&report);
    if (flow != NULL && buf_printf(&report, "%s: ok: %s.%s %s\n", path, flow_namespace(flow),
                                   flow_name(flow), flow_version(flow)))
        cli_put(stdout, report.data);
    buf_fini(&report);
}

static void validate_file(struct validation *v, const char *path)
{
    struct source *source = NULL;
    char *text = NULL;
    size_t len;
    struct err err;

    if (documents_read(path, &text, &len, &err) != ERR_OK) {
        cli_say("%s", err.text);
        v->errors++;
        return;
    }
    struct flow *flow =
        flow_compile(strcmp(path, "-") == 0 ? "stdin" : path, text, len, true, &source);
    v->errors += flow == NULL;
    show(v, path, flow, source);
    flow_free(flow);
    source_free(source);
    free(text);
}

static int by_name(const struct dirent *entry)
{
    return documents_is_name(entry->d_name);
}

static void validate_dir(struct validation *v, const char *dir)
{
    struct dirent **list;
    int n = scandir(dir, &list, by_name, alphasort);

    if (n <= 0) {
        cli_say("%s has no *.yaml, *.yml or *.json in it", dir);
        v->errors++;
    }
    for (int i = 0; i < n; i++) {
        char *path = mem_printf("%s/%s", dir, list[i]->d_name);

        validate_file(v, path);
        free(path);
        free(list[i]);
    }
    if (n >= 0)
        free(list);
}

int cmd_validate(struct cli *c, int count, char **args)
{
    struct validation v = {.json = c->values[OPT_JSON] != NULL, .list = json_array()};
    struct stat st;

    for (int i = 0; i < count; i++) {
        if (stat(args[i], &st) == 0 && S_ISDIR(st.st_mode))
            validate_dir(&v, args[i]);
        else
            validate_file(&v, args[i]);
    }
    if (v.json)
        cli_json(v.list);
    json_decref(v.list);
    return v.errors > 0 ? CLI_FAILED : CLI_OK;
}
