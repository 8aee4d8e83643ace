/* Getting at a repository: git, run without a shell, with every argument checked. */
#include "git.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

enum { URL_MAX = 2048, BRANCH_MAX = 255, ID_MAX = 128, CLONE_SECONDS = 300, OUTPUT_MAX = 4096 };

extern char **environ;

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The environment of git: ours, but no prompts, no other transports and no one else's settings. */
static char **git_environment(void)
{
    static const char *const forced[] = {"GIT_TERMINAL_PROMPT=0",
                                         "GIT_ASKPASS=/bin/false",
                                         "SSH_ASKPASS=/bin/false",
                                         "GIT_ALLOW_PROTOCOL=https:http:ssh:file",
                                         "GIT_SSH_COMMAND=ssh -oBatchMode=yes",
                                         "LC_ALL=C"};
    size_t forced_count = sizeof forced / sizeof *forced, count = 0, n = 0;

    while (environ[count] != NULL)
        count++;
    char **env = mem_array(NULL, count + forced_count + 1, sizeof *env);
    for (size_t i = 0; i < forced_count; i++)
        env[n++] = (char *)(uintptr_t)forced[i];
    for (size_t i = 0; i < count; i++) {
        bool ours = strncmp(environ[i], "LC_ALL=", 7) == 0 ||
                    strncmp(environ[i], "SSH_ASKPASS=", 12) == 0 ||
                    (strncmp(environ[i], "GIT_", 4) == 0 &&
                     strncmp(environ[i], "GIT_CONFIG_GLOBAL=", 18) != 0);
        if (!ours)
            env[n++] = environ[i];
    }
    env[n] = NULL;
    return env;
}

static bool spawn_git(char *const argv[], int out, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;
    char **env = git_environment();

    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, 1);
    posix_spawn_file_actions_adddup2(&actions, out, 2);
    posix_spawnattr_init(&attr);
    /* A group of its own, so that git's helpers go with it when it is killed. */
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    int failed = posix_spawnp(pid, "git", &actions, &attr, argv, env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    free(env);
    return failed == 0;
}

/* Reads until the end, the deadline, or the program's stop; false when it did not end by itself. */
static bool drain(struct agents *a, int fd, int64_t deadline, struct buf *output)
{
    char chunk[1024];

    while (!a->stopping && now_ms() < deadline) {
        struct pollfd p = {.fd = fd, .events = POLLIN};

        if (poll(&p, 1, 100) <= 0)
            continue;
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n == 0)
            return true;
        if (n > 0)
            buf_add(output, chunk, (size_t)n);
        else if (errno != EINTR)
            return true;
    }
    return false;
}

/* Runs git; what it wrote is in `output` (its start). */
static enum errcode run_git(struct agents *a, char *const argv[], struct buf *output,
                            struct err *err)
{
    int fds[2], status = 0;
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC) != 0)
        return err_set(err, ERR_UNAVAILABLE, "pipe: %s", strerror(errno));
    if (!spawn_git(argv, fds[1], &pid)) {
        close(fds[0]);
        close(fds[1]);
        return err_set(err, ERR_UNAVAILABLE, "git cannot be started; is it installed?");
    }
    close(fds[1]);
    bool ended = drain(a, fds[0], now_ms() + CLONE_SECONDS * 1000, output);
    if (!ended)
        kill(-pid, SIGKILL);
    close(fds[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (!ended)
        return err_set(err, a->stopping ? ERR_UNAVAILABLE : ERR_TIMEOUT, "git was stopped: %s",
                       a->stopping ? "shutting down" : "it took longer than five minutes");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return err_set(err, ERR_COMMUNICATION, "git: %.300s",
                       output->len > 0 ? output->data : "failed");
    return ERR_OK;
}

static bool printable(const char *text)
{
    for (const char *c = text; *c != '\0'; c++)
        if (!isgraph((unsigned char)*c))
            return false;
    return text[0] != '\0';
}

/* user@host:path, as ssh has it; neither part may look like an option. */
static bool scp_like(const char *url)
{
    const char *at = strchr(url, '@'), *colon = strchr(url, ':');

    return isalnum((unsigned char)url[0]) && at != NULL && colon != NULL && at < colon &&
           isalnum((unsigned char)at[1]) && colon[1] != '-' && colon[1] != ':' &&
           strchr(url, '/') > colon;
}

bool git_url_ok(const char *url)
{
    static const char *const schemes[] = {"https://", "http://", "ssh://"};

    if (strlen(url) > URL_MAX || !printable(url))
        return false;
    if (url[0] == '/')
        return true;
    if (strncmp(url, "file:///", 8) == 0)
        return true;
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t len = strlen(schemes[i]);

        /* A host that begins with '-' would reach ssh as an option. */
        if (strncmp(url, schemes[i], len) == 0)
            return isalnum((unsigned char)url[len]) && strstr(url, "@-") == NULL;
    }
    return scp_like(url);
}

bool git_branch_ok(const char *branch)
{
    if (strlen(branch) > BRANCH_MAX || !isalnum((unsigned char)branch[0]) ||
        strstr(branch, "..") != NULL)
        return false;
    for (const char *c = branch; *c != '\0'; c++)
        if (!isalnum((unsigned char)*c) && strchr("._/+#-", *c) == NULL)
            return false;
    return true;
}

static bool id_ok(const char *id)
{
    if (strlen(id) > ID_MAX || !isalnum((unsigned char)id[0]))
        return false;
    for (const char *c = id; *c != '\0'; c++)
        if (!isalnum((unsigned char)*c) && strchr("._:-", *c) == NULL)
            return false;
    return true;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void remove_tree(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* Clones into `dir`. `branch` NULL: the repository's own default. */
static enum errcode clone_into(struct agents *a, const char *url, const char *branch,
                               const char *dir, struct err *err)
{
    char *source = url[0] == '/' ? mem_printf("file://%s", url) : mem_strdup(url);
    char *branch_arg = mem_printf("--branch=%s", branch != NULL ? branch : "");
    struct buf output;
    size_t n = 0;
    char *argv[20];

    argv[n++] = "git";
    argv[n++] = "-c";
    argv[n++] = "core.hooksPath=/dev/null";
    argv[n++] = "-c";
    argv[n++] = "core.symlinks=false"; /* nothing in a checkout leads out of it */
    argv[n++] = "-c";
    argv[n++] = "core.fsmonitor=false";
    argv[n++] = "clone";
    argv[n++] = "--quiet";
    argv[n++] = "--depth=1";
    argv[n++] = "--single-branch";
    argv[n++] = "--no-tags";
    argv[n++] = "--template=";
    if (branch != NULL)
        argv[n++] = branch_arg;
    argv[n++] = "--";
    argv[n++] = source;
    argv[n++] = (char *)(uintptr_t)dir;
    argv[n] = NULL;
    buf_init(&output, OUTPUT_MAX);
    enum errcode code = run_git(a, argv, &output, err);
    buf_fini(&output);
    free(branch_arg);
    free(source);
    return code;
}

enum errcode git_clone(struct agents *a, const char *url, const char *branch, const char *id,
                       char **path, struct err *err)
{
    struct stat st;
    enum errcode code = ERR_OK;

    *path = NULL;
    if (!git_url_ok(url))
        return err_set(err, ERR_INVALID,
                       "repository: an https, http, ssh or file URL or an absolute path is needed");
    if (branch != NULL && !git_branch_ok(branch))
        return err_set(err, ERR_INVALID, "branch: not a name that git allows");
    if (!id_ok(id))
        return err_set(err, ERR_INVALID, "analysisId: letters, digits and ._:- are allowed");
    char *final = mem_printf("%s/%s", a->clones, id);
    char *temporary = mem_printf("%s/.%s.XXXXXX", a->clones, id);

    /* The final name appears only with a whole clone in it, so that being there means done. */
    if (stat(final, &st) != 0) {
        if (mkdtemp(temporary) == NULL)
            code = err_set(err, ERR_UNAVAILABLE, "%s: %s", a->clones, strerror(errno));
        else
            code = clone_into(a, url, branch, temporary, err);
        if (code == ERR_OK && rename(temporary, final) != 0 && stat(final, &st) != 0)
            code = err_set(err, ERR_UNAVAILABLE, "%s: %s", final, strerror(errno));
        remove_tree(temporary); /* where it failed, or another call was faster */
    }
    free(temporary);
    if (code == ERR_OK)
        *path = final;
    else
        free(final);
    return code;
}

char *git_checked_path(const struct agents *a, const char *path, struct err *err)
{
    char *real = realpath(path, NULL);
    size_t len = strlen(a->clones);

    if (real == NULL) {
        err_set(err, ERR_NOT_FOUND, "%.200s: not there; it has to be cloned first", path);
        return NULL;
    }
    if (strncmp(real, a->clones, len) != 0 || real[len] != '/') {
        err_set(err, ERR_FORBIDDEN, "%.200s: not one of the clones of these agents", path);
        free(real);
        return NULL;
    }
    return real;
}

/* A repository that cannot be had is an answer, not a fault: trying again would not help. What may
 * pass (stopping, no git, no disk) is a fault. */
static enum errcode answer(struct call *call, enum errcode code, const char *path, struct err *err)
{
    if (code == ERR_COMMUNICATION || code == ERR_INVALID) {
        call->out = json_pack("{s:b, s:o}", "success", 0, "error",
                              safe_string(err->text, strlen(err->text), ERR_TEXT_MAX));
        return ERR_OK;
    }
    if (code == ERR_OK)
        call->out = json_pack("{s:b, s:s}", "success", 1, "path", path);
    return code;
}

enum errcode agent_clone(struct call *call, struct err *err)
{
    const char *repository, *id;
    char *path = NULL;
    enum errcode code = call_string(call, "repository", URL_MAX, &repository, err);

    if (code == ERR_OK)
        code = call_string(call, "analysisId", ID_MAX, &id, err);
    if (code != ERR_OK)
        return code;
    const char *branch = json_string_value(json_object_get(call->body, "branch"));
    code = git_clone(call->agents, repository, branch, id, &path, err);
    code = answer(call, code, path, err);
    if (code == ERR_OK && path != NULL)
        json_object_set_new(call->out, "branch", json_string(branch != NULL ? branch : "HEAD"));
    free(path);
    return code;
}

enum errcode agent_prepare(struct call *call, struct err *err)
{
    const char *target;
    char *path = NULL;
    char id[40];
    enum errcode code = call_string(call, "target", URL_MAX, &target, err);

    if (code != ERR_OK)
        return code;
    /* A scan sees the target as it is now, but the same request prepares it only once. */
    uint64_t start =
        call->key != NULL ? agent_hash(call->key, strlen(call->key), 0) : (uint64_t)now_ms();
    snprintf(id, sizeof id, "scan-%016llx",
             (unsigned long long)agent_hash(target, strlen(target), start));
    code = git_clone(call->agents, target, NULL, id, &path, err);
    code = answer(call, code, path, err);
    if (code == ERR_OK && path != NULL) {
        json_object_del(call->out, "path");
        json_object_set_new(call->out, "environment",
                            json_pack("{s:s, s:s}", "id", id, "path", path));
    }
    if (code == ERR_OK)
        json_object_set_new(call->out, "target", json_string(target));
    free(path);
    return code;
}
