#include "net/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

#include "base/mem.h"

enum { SECRET_FILE_MAX = 65536 };

struct secret {
    char *path; /* key */
    char *value;
    size_t len;
    struct stat stat; /* of the file that was read */
    UT_hash_handle hh;
};

struct secrets {
    struct secret *by_path;
};

struct secrets *secrets_new(void)
{
    return mem_zalloc(sizeof(struct secrets));
}

static void forget_value(struct secret *s)
{
    if (s->value != NULL)
        explicit_bzero(s->value, s->len);
    free(s->value);
    s->value = NULL;
    s->len = 0;
}

void secrets_free(struct secrets *s)
{
    struct secret *each, *next;

    HASH_ITER(hh, s->by_path, each, next)
    {
        HASH_DEL(s->by_path, each);
        forget_value(each);
        free(each->path);
        free(each);
    }
    free(s);
}

enum errcode secret_env(const char *name, struct buf *out, struct err *err)
{
    const char *value = getenv(name);

    if (value == NULL || value[0] == '\0')
        return err_set(err, ERR_CONFIG, "the environment variable %.100s is not set", name);
    buf_str(out, value);
    return ERR_OK;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static enum errcode read_file(struct secret *s, struct err *err)
{
    char *value = NULL;
    int fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const char *what = "cannot be read";

    forget_value(s);
    if (fd < 0 || fstat(fd, &s->stat) != 0)
        goto fail;
    what = "is no file of 1 to 65536 bytes";
    errno = 0;
    if (!S_ISREG(s->stat.st_mode) || s->stat.st_size < 1 || s->stat.st_size > SECRET_FILE_MAX)
        goto fail;
    value = mem_zalloc((size_t)s->stat.st_size + 1);
    ssize_t n = read(fd, value, (size_t)s->stat.st_size);
    while (n > 0 && (value[n - 1] == '\n' || value[n - 1] == '\r'))
        value[--n] = '\0';
    if (n <= 0)
        goto fail;
    s->value = value;
    s->len = (size_t)n;
    close(fd);
    return ERR_OK;
fail:
    err_set(err, ERR_CONFIG, "the secret file %.200s %s%s%s", s->path, what, errno ? ": " : "",
            errno ? strerror(errno) : "");
    free(value);
    if (fd >= 0)
        close(fd);
    return ERR_CONFIG;
}

enum errcode secret_file(struct secrets *s, const char *path, struct buf *out, struct err *err)
{
    struct secret *found;
    struct stat now;

    HASH_FIND_STR(s->by_path, path, found);
    if (found == NULL) {
        found = mem_zalloc(sizeof *found);
        found->path = mem_strdup(path);
        HASH_ADD_KEYPTR(hh, s->by_path, found->path, strlen(found->path), found);
    }
    bool fresh = found->value != NULL && stat(path, &now) == 0 && same_file(&now, &found->stat);
    if (!fresh && read_file(found, err) != ERR_OK)
        return ERR_CONFIG;
    buf_add(out, found->value, found->len);
    return ERR_OK;
}

enum errcode secret_expand(struct secrets *s, const char *text, struct buf *out, struct err *err)
{
    const char *at;

    while ((at = strstr(text, "${")) != NULL) {
        char name[PATH_MAX];
        const char *end = strchr(at, '}');
        bool env = strncmp(at, "${env:", 6) == 0;
        size_t prefix = env ? 6 : 7;

        buf_add(out, text, (size_t)(at - text));
        if (end == NULL || (!env && strncmp(at, "${file:", 7) != 0) ||
            (size_t)(end - at) - prefix >= sizeof name)
            return err_set(err, ERR_CONFIG,
                           "a configured value holds a reference that is neither ${env:NAME} nor "
                           "${file:PATH}");
        memcpy(name, at + prefix, (size_t)(end - at) - prefix);
        name[(size_t)(end - at) - prefix] = '\0';
        enum errcode code = env ? secret_env(name, out, err) : secret_file(s, name, out, err);
        if (code != ERR_OK)
            return code;
        text = end + 1;
    }
    buf_str(out, text);
    return ERR_OK;
}
