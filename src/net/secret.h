/* Secrets by reference: ${env:NAME} and ${file:PATH} in configured values, resolved at each call,
 * so that a rotated token takes effect at once. Files are read again when their identity, size or
 * time changes. Values go into no message and no log. Loop thread only. */
#ifndef NET_SECRET_H
#define NET_SECRET_H

#include "base/buf.h"
#include "base/err.h"

struct secrets; /* the cache of files */

struct secrets *secrets_new(void);
void secrets_free(struct secrets *s); /* wipes what it holds */

/* Appends the value to `out`. ERR_CONFIG names the variable or the file when it is missing, empty
 * or (a file) larger than 64 KiB; line ends at the end of a file are cut. */
enum errcode secret_env(const char *name, struct buf *out, struct err *err);
enum errcode secret_file(struct secrets *s, const char *path, struct buf *out, struct err *err);

/* Appends `text` with its references replaced. */
enum errcode secret_expand(struct secrets *s, const char *text, struct buf *out, struct err *err);

#endif
