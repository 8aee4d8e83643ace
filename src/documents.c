#include "documents.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/printable.h"
#include "engine/driver.h"

enum { DIGEST_SIZE = 65, REPORT_MAX = 256 * 1024 };

struct document {
    char digest[DIGEST_SIZE]; /* SHA-256 of the source, hex */
    struct flow *flow;
    bool prepared;
    UT_hash_handle hh;
};

struct documents {
    struct document *all;
};

struct documents *documents_new(void)
{
    return mem_zalloc(sizeof(struct documents));
}

void documents_free(struct documents *d)
{
    struct document *doc, *next;

    if (d == NULL)
        return;
    HASH_ITER(hh, d->all, doc, next)
    {
        HASH_DEL(d->all, doc);
        flow_free(doc->flow);
        free(doc);
    }
    free(d);
}

static void digest_of(const char *text, size_t len, char hex[DIGEST_SIZE])
{
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    if (EVP_Digest(text, len, md, &n, EVP_sha256(), NULL) != 1 || n != (DIGEST_SIZE - 1) / 2)
        abort(); /* SHA-256 of bytes in memory cannot fail */
    for (unsigned i = 0; i < n; i++)
        snprintf(hex + (size_t)i * 2, 3, "%02x", md[i]);
}

/* ---- compiling ----------------------------------------------------------------------------------
 */

static struct document *find(struct documents *d, const char *digest)
{
    struct document *doc;

    HASH_FIND_STR(d->all, digest, doc);
    return doc;
}

/* The document of a source; NULL when it is not valid, `*source` (or NULL) then has the findings
 * and is the caller's. */
static struct document *document_of(struct documents *d, const char *file, const char *text,
                                    size_t len, bool check, struct source **source)
{
    char digest[DIGEST_SIZE];

    *source = NULL;
    digest_of(text, len, digest);
    struct document *doc = find(d, digest);
    if (doc != NULL && (doc->prepared || !check))
        return doc;
    struct flow *flow = flow_compile(file, text, len, check, source);
    if (flow == NULL)
        return NULL;
    if (doc != NULL) { /* revived without a check: the one that instances hold stays */
        flow_free(flow);
        doc->prepared = flow_prepare(doc->flow);
        return doc;
    }
    doc = mem_zalloc(sizeof *doc);
    memcpy(doc->digest, digest, sizeof digest);
    doc->flow = flow;
    doc->prepared = check;
    HASH_ADD_STR(d->all, digest, doc);
    return doc;
}

static enum errcode check_input(const void *definition, json_t *input, struct err *err)
{
    return flow_check_input(definition, input, err);
}

void documents_revive(void *arg, const struct flow_row *row, struct service *service)
{
    struct source *source;
    struct document *doc =
        document_of(arg, row->name, row->source, row->source_len, false, &source);

    if (doc == NULL)
        log_error("documents", "the stored definition %s.%s %s cannot be compiled any more",
                  row->ns, row->name, row->version);
    source_free(source);
    if (doc == NULL)
        return;
    service->kind = &flow_handler;
    service->definition = doc->flow;
    service->title = flow_title(doc->flow);
    service->summary = flow_summary(doc->flow);
    service->input_schema = flow_input_schema(doc->flow);
    service->check_input = check_input;
}

bool documents_prepare(struct documents *d)
{
    for (struct document *doc = d->all; doc != NULL; doc = doc->hh.next) {
        if (doc->prepared)
            continue;
        doc->prepared = true; /* tried once: what is wrong was logged */
        if (!flow_prepare(doc->flow))
            log_error("documents", "%s.%s %s has an expression that jq refuses: see validate",
                      flow_namespace(doc->flow), flow_name(doc->flow), flow_version(doc->flow));
        return true;
    }
    return false;
}

/* ---- files --------------------------------------------------------------------------------------
 */

static enum errcode read_fd(int fd, const char *path, char **text, size_t *len, struct err *err)
{
    struct buf b;
    char block[16384];
    ssize_t n;

    buf_init(&b, SOURCE_BYTES_MAX);
    while ((n = read(fd, block, sizeof block)) > 0 || (n < 0 && errno == EINTR)) {
        if (n > 0 && !buf_add(&b, block, (size_t)n)) {
            buf_fini(&b);
            return err_set(err, ERR_TOO_LARGE, "%s is over %d KiB: a document is smaller", path,
                           SOURCE_BYTES_MAX / 1024);
        }
    }
    if (n < 0) {
        buf_fini(&b);
        return err_set(err, ERR_INVALID, "%s cannot be read: %s", path, strerror(errno));
    }
    *text = buf_steal(&b, len);
    return ERR_OK;
}

enum errcode documents_read(const char *path, char **text, size_t *len, struct err *err)
{
    struct stat st;

    if (strcmp(path, "-") == 0)
        return read_fd(STDIN_FILENO, "standard input", text, len, err);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return err_set(err, ERR_NOT_FOUND, "%s cannot be opened: %s", path, strerror(errno));
    enum errcode code = fstat(fd, &st) != 0 || S_ISDIR(st.st_mode)
                            ? err_set(err, ERR_INVALID, "%s is not a file", path)
                            : read_fd(fd, path, text, len, err);
    close(fd);
    return code;
}

static enum errcode enter(struct engine *e, const struct document *doc, const char *text,
                          size_t len, struct err *err)
{
    const struct flow *flow = doc->flow;
    struct service service = {.name = flow_name(flow),
                              .ns = flow_namespace(flow),
                              .document_name = flow_name(flow),
                              .version = flow_version(flow),
                              .title = flow_title(flow),
                              .summary = flow_summary(flow),
                              .digest = doc->digest,
                              .source = text,
                              .source_len = len,
                              .kind = &flow_handler,
                              .definition = flow,
                              .input_schema = flow_input_schema(flow),
                              .check_input = check_input};

    return engine_register(e, &service, driver_now(), err);
}

static enum errcode load(struct documents *d, struct engine *e, const char *path, bool check,
                         struct buf *report, const struct flow **out, struct err *err)
{
    struct source *source = NULL;
    char *text = NULL;
    size_t len = 0;
    enum errcode code = documents_read(path, &text, &len, err);

    if (code != ERR_OK)
        return code;
    struct document *doc = document_of(d, path, text, len, check, &source);
    if (source != NULL && report != NULL)
        source_report(source, report);
    if (doc == NULL)
        code = err_set(err, ERR_PARSE, "%s is not a valid document", path);
    else
        code = enter(e, doc, text, len, err);
    if (doc != NULL && out != NULL)
        *out = doc->flow;
    source_free(source);
    free(text);
    return code;
}

enum errcode documents_load(struct documents *d, struct engine *e, const char *path,
                            struct buf *report, const struct flow **out, struct err *err)
{
    return load(d, e, path, true, report, out, err);
}

/* ---- directories --------------------------------------------------------------------------------
 */

bool documents_is_name(const char *file)
{
    const char *dot = strrchr(file, '.');

    return file[0] != '.' && dot != NULL &&
           (strcasecmp(dot, ".yaml") == 0 || strcasecmp(dot, ".yml") == 0 ||
            strcasecmp(dot, ".json") == 0);
}

static int by_suffix(const struct dirent *entry)
{
    return documents_is_name(entry->d_name);
}

static void log_report(char *report)
{
    char *save = NULL;

    for (char *line = strtok_r(report, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        char *safe = printable_line(line);

        log_error("documents", "%s", safe);
        free(safe);
    }
}

int documents_load_dir(struct documents *d, struct engine *e, const char *dir)
{
    struct dirent **list = NULL;
    int n = scandir(dir, &list, by_suffix, alphasort), usable = 0;

    if (n < 0)
        return -1;
    for (int i = 0; i < n; i++) {
        char *path = mem_printf("%s/%s", dir, list[i]->d_name);
        struct buf report;
        struct err err;

        buf_init(&report, REPORT_MAX);
        if (load(d, e, path, false, &report, NULL, &err) == ERR_OK) {
            usable++;
        } else {
            char *safe = printable_line(err.text);

            log_error("documents", "%s", safe);
            free(safe);
        }
        if (report.len > 0)
            log_report(report.data);
        buf_fini(&report);
        free(path);
        free(list[i]);
    }
    free(list);
    return usable;
}
