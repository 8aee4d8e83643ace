/* The files of a clone, in the order of their names, within limits: no symbolic links, nothing of
 * .git or node_modules, 20,000 files, 1 MiB a file, 256 MiB in all. */
#ifndef AGENTS_WALK_H
#define AGENTS_WALK_H

#include "agents.h"
#include "source.h"

struct walk_file {
    const char *path;                /* relative to the root */
    const struct language *language; /* or NULL */
    const char *text;                /* NUL-terminated; "" when it is binary or too large */
    size_t len;
};

struct walk_totals {
    long files, skipped; /* skipped: binary, too large or unreadable */
    bool cut;            /* a limit was reached */
};

typedef void walk_cb(void *arg, const struct walk_file *file);

enum errcode walk_tree(struct agents *a, const char *root, walk_cb *each, void *arg,
                       struct walk_totals *totals, struct err *err);

#endif
