#include "walk.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

enum { FILES_MAX = 20000, FILE_BYTES = 1024 * 1024, BINARY_PROBE = 8000 };
static const size_t total_bytes = 256 * 1024 * 1024;

/* The file's text on the heap, or NULL when it is none. */
static char *read_text(const char *path, size_t size, size_t *len)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    char *text;

    *len = 0;
    if (fd < 0)
        return NULL;
    text = mem_zalloc(size + 1);
    while (*len < size) {
        ssize_t n = read(fd, text + *len, size - *len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        *len += (size_t)n;
    }
    close(fd);
    if (memchr(text, '\0', *len < BINARY_PROBE ? *len : BINARY_PROBE) != NULL) {
        free(text);
        return NULL;
    }
    return text;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static void visit(const FTSENT *entry, size_t root_len, walk_cb *each, void *arg,
                  struct walk_totals *totals, size_t *bytes)
{
    struct walk_file file = {.path = entry->fts_path + root_len + 1, .text = ""};
    size_t size = (size_t)entry->fts_statp->st_size;
    char *text = size <= FILE_BYTES ? read_text(entry->fts_accpath, size, &file.len) : NULL;

    totals->files++;
    file.language = language_of(file.path);
    if (text != NULL)
        file.text = text;
    else
        totals->skipped++;
    *bytes += file.len;
    each(arg, &file);
    free(text);
}

enum errcode walk_tree(struct agents *a, const char *root, walk_cb *each, void *arg,
                       struct walk_totals *totals, struct err *err)
{
    char *const roots[] = {(char *)(uintptr_t)root, NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, by_name);
    size_t bytes = 0;
    FTSENT *entry;

    *totals = (struct walk_totals){0};
    if (tree == NULL)
        return err_set(err, ERR_UNAVAILABLE, "%.200s: %s", root, strerror(errno));
    while ((entry = fts_read(tree)) != NULL && !a->stopping) {
        if (entry->fts_info == FTS_D &&
            (strcmp(entry->fts_name, ".git") == 0 || strcmp(entry->fts_name, "node_modules") == 0))
            fts_set(tree, entry, FTS_SKIP);
        if (entry->fts_info != FTS_F)
            continue;
        if (totals->files >= FILES_MAX || bytes >= total_bytes) {
            totals->cut = true;
            break;
        }
        visit(entry, strlen(root), each, arg, totals, &bytes);
    }
    fts_close(tree);
    return a->stopping ? err_set(err, ERR_UNAVAILABLE, "shutting down") : ERR_OK;
}
