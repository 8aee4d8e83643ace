/* Repositories on this disk, under WORK/clones. Any thread; blocks while git runs. */
#ifndef AGENTS_GIT_H
#define AGENTS_GIT_H

#include "agents.h"

/* What may be handed to git: no option, no other transport, no control characters. */
bool git_url_ok(const char *url);
bool git_branch_ok(const char *branch);

/* A shallow clone under the name `id`; `branch` NULL: the default one. When it is there already
 * that is the answer. `*path` is on the heap. ERR_INVALID for arguments, ERR_COMMUNICATION with
 * git's words when git says no, ERR_TIMEOUT after five minutes. */
enum errcode git_clone(struct agents *a, const char *url, const char *branch, const char *id,
                       char **path, struct err *err);

/* The real path of a directory that must lie in one of the clones (heap), or NULL. */
char *git_checked_path(const struct agents *a, const char *path, struct err *err);

#endif
