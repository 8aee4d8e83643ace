/* Defaults, then the file, then the environment. */
#include "base/config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config_internal.h"
#include "base/mem.h"
#include "base/words.h"

enum { FILE_MAX = 1 << 20, NAMES_MAX = 96, VARIABLE_MAX = 160 };

#define KIB 1024.0
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define SECOND 1000.0
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)

/* ---- the settings -------------------------------------------------------------------------------
 */

#define S(key, kind, name, least, most, fallback)                                                  \
    {                                                                                              \
        key, SETTING_##kind, offsetof(struct config, name), 0, least, most, fallback               \
    }
#define LIST(key, kind, name, length)                                                              \
    {                                                                                              \
        key, SETTING_##kind, offsetof(struct config, name), offsetof(struct config, length), 0, 0, \
            ""                                                                                     \
    }

static const struct setting top[] = {
    S("data", PATH, data, 0, 0, NULL), /* the default depends on the user: default_data */
    LIST("workflows", PATHS, workflows, workflow_count),
    S("log-level", LEVEL, log_level, 0, 0, "info"),
};

static const struct setting server[] = {
    S("ingress", ADDRESS, ingress, 0, 0, "127.0.0.1:8080"),
    S("admin", ADDRESS, admin, 0, 0, "127.0.0.1:9070"),
    S("meta", ADDRESS, meta, 0, 0, "127.0.0.1:8081"),
    LIST("hosts", HOSTS, hosts, host_count),
    S("insecure", FLAG, insecure, 0, 1, "false"),
    S("body-max", SIZE, body_max, 1, GIB, "4MiB"),
    S("header-deadline", SPAN, header_deadline_ms, 1, HOUR, "10s"),
    S("body-deadline", SPAN, body_deadline_ms, 1, DAY, "30s"),
    S("connections", COUNT, connections_max, 1, 1e6, "4096"),
    S("grace", SPAN, grace_ms, 0, HOUR, "10s"),
};

static const struct setting limits[] = {
    S("running", COUNT, max_running, 1, 1e7, "200000"),
    S("running-per-service", COUNT, max_per_service, 1, 1e7, "200000"),
    S("payload", SIZE, payload_bytes, 1, 64 * MIB, "1MiB"),
    S("journal-entries", COUNT, journal_entries, 1, 1e6, "20000"),
    S("journal", SIZE, journal_bytes, 1, GIB, "32MiB"),
    S("pending-commands", COUNT, pending_commands, 1, 1e5, "2000"),
    S("depth", COUNT, depth, 1, 1000, "64"),
    S("retention", SPAN, retention_ms, 0, 36500 * DAY, "7d"),
    S("evict-after", SPAN, evict_after_ms, 0, DAY, "5s"),
};

static const struct setting egress[] = {
    S("any", FLAG, egress_any, 0, 1, "false"),
    LIST("allow", PATTERNS, egress_allow, egress_count),
    S("response-max", SIZE, response_max, 1, GIB, "16MiB"),
};

#define SECTION(name, settings)                                                                    \
    {                                                                                              \
        name, settings, sizeof(settings) / sizeof *(settings)                                      \
    }
const struct section config_sections[SECTION_COUNT] = {SECTION("", top), SECTION("server", server),
                                                       SECTION("limits", limits),
                                                       SECTION("egress", egress)};

void section_defaults(const struct section *section, void *base)
{
    char why[SETTING_WHY_MAX];

    for (size_t i = 0; i < section->count; i++) {
        const struct setting *s = &section->settings[i];

        if (s->fallback != NULL)
            setting_from_text(s, base, s->fallback, why);
    }
}

void section_free(const struct section *section, void *base)
{
    for (size_t i = 0; i < section->count; i++)
        setting_free(&section->settings[i], base);
}

const struct setting *section_find(const struct section *section, const char *key)
{
    for (size_t i = 0; i < section->count; i++) {
        if (strcmp(section->settings[i].key, key) == 0)
            return &section->settings[i];
    }
    return NULL;
}

/* ---- messages -----------------------------------------------------------------------------------
 */

/* The end of a long path says more than its beginning. */
static const char *short_file(const char *file)
{
    size_t len = strlen(file);

    return len > 160 ? file + len - 160 : file;
}

static void path_text(const struct toml_leaf *leaf, char *out, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < leaf->depth && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%.60s", i > 0 ? "." : "", leaf->path[i]);
}

enum errcode config_bad(const char *file, const struct toml_leaf *leaf, const char *why,
                        struct err *err)
{
    char path[128];

    path_text(leaf, path, sizeof path);
    return err_set(err, ERR_CONFIG, "%s:%d:%d: %s %s", short_file(file), leaf->line, leaf->column,
                   path, why);
}

/* The section that does have the key, for one that was put under another heading. */
static const struct section *home_of(const char *key)
{
    for (size_t i = 1; i < SECTION_COUNT; i++) {
        if (section_find(&config_sections[i], key) != NULL)
            return &config_sections[i];
    }
    return NULL;
}

enum errcode config_unknown(const char *file, const struct toml_leaf *leaf,
                            const struct section *const *near, size_t count, const char *key,
                            struct err *err)
{
    const char *names[NAMES_MAX], *closest;
    const struct section *home = home_of(key);
    size_t n = 0;
    char path[128], hint[128] = "see config.example.toml for those there are";

    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < near[i]->count && n < NAMES_MAX; k++)
            names[n++] = near[i]->settings[k].key;
    }
    closest = words_closest(key, names, n);
    if (closest != NULL)
        snprintf(hint, sizeof hint, "did you mean \"%s\"?", closest);
    else if (home != NULL)
        snprintf(hint, sizeof hint, "\"%.60s\" belongs in [%s]", key, home->name);
    path_text(leaf, path, sizeof path);
    return err_set(err, ERR_CONFIG, "%s:%d:%d: there is no setting \"%s\"; %s", short_file(file),
                   leaf->line, leaf->column, path, hint);
}

/* ---- the file -----------------------------------------------------------------------------------
 */

struct loading {
    struct config *config;
    struct agents_draft *agents;
    const char *file;
};

static enum errcode unknown_top(struct loading *l, const struct toml_leaf *leaf, struct err *err)
{
    static const struct setting tables[] = {{.key = "server"},
                                            {.key = "limits"},
                                            {.key = "egress"},
                                            {.key = "agents"},
                                            {.key = "agent-defaults"}};
    static const struct section names = SECTION("", tables);
    const struct section *near[] = {&config_sections[0], &names};

    return config_unknown(l->file, leaf, near, 2, leaf->path[0], err);
}

static enum errcode read_leaf(void *arg, const struct toml_leaf *leaf, struct err *err)
{
    struct loading *l = arg;
    const struct section *section = NULL;
    const char *key = leaf->path[leaf->depth - 1];
    char why[SETTING_WHY_MAX];

    if (strcmp(leaf->path[0], "agents") == 0 || strcmp(leaf->path[0], "agent-defaults") == 0)
        return agents_draft_leaf(l->agents, leaf, err);
    for (size_t i = 1; i < SECTION_COUNT; i++) {
        if (strcmp(config_sections[i].name, leaf->path[0]) == 0)
            section = &config_sections[i];
    }
    if (section != NULL && leaf->depth == 1) /* [server] with nothing in it, or server = 1 */
        return leaf->kind == TOML_TABLE ? ERR_OK
                                        : config_bad(l->file, leaf, "must be a table", err);
    if (section == NULL && leaf->depth == 1)
        section = &config_sections[0];
    if (section == NULL)
        return unknown_top(l, leaf, err);
    const struct setting *s = section_find(section, key);
    if (s == NULL && section == &config_sections[0])
        return unknown_top(l, leaf, err);
    if (s == NULL || leaf->depth > 2)
        return config_unknown(l->file, leaf, &section, 1, leaf->path[1], err);
    if (!setting_from_leaf(s, l->config, leaf, why))
        return config_bad(l->file, leaf, why, err);
    return ERR_OK;
}

/* The whole file, FILE_MAX bytes at most. A pipe or /dev/null is fine, a directory is not. */
static enum errcode read_file(const char *path, struct buf *text, struct err *err)
{
    char chunk[16384];
    ssize_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return err_set(err, ERR_CONFIG, "the configuration %.300s cannot be read: %s",
                       short_file(path), strerror(errno));
    do {
        n = read(fd, chunk, sizeof chunk);
    } while ((n > 0 && buf_add(text, chunk, (size_t)n)) || (n < 0 && errno == EINTR));
    int why = errno;
    close(fd);
    if (n < 0)
        return err_set(err, ERR_CONFIG, "the configuration %.300s cannot be read: %s",
                       short_file(path), strerror(why));
    if (text->full)
        return err_set(err, ERR_CONFIG, "the configuration %.300s is larger than %d KiB",
                       short_file(path), FILE_MAX / 1024);
    return ERR_OK;
}

static enum errcode load_file(struct loading *l, struct err *err)
{
    struct buf text;

    buf_init(&text, FILE_MAX);
    enum errcode code = read_file(l->file, &text, err);
    if (code == ERR_OK)
        code = toml_read(short_file(l->file), text.data != NULL ? text.data : "", text.len,
                         read_leaf, l, err);
    buf_fini(&text);
    return code;
}

/* ---- the environment ----------------------------------------------------------------------------
 */

static void add_upper(char *out, size_t *n, const char *text)
{
    for (; *text != '\0' && *n + 1 < VARIABLE_MAX; text++)
        out[(*n)++] = isalnum((unsigned char)*text) ? (char)toupper((unsigned char)*text) : '_';
    out[*n] = '\0';
}

/* Only the names of settings are looked for: what else begins with ULTRAMCP_ is not ours to refuse
 * (Kubernetes sets ULTRAMCP_SERVER_PORT for a service called ultramcp-server). */
enum errcode config_environment(const struct section *section, const char *name, void *base,
                                uint32_t *given, struct err *err)
{
    char variable[VARIABLE_MAX], why[SETTING_WHY_MAX];

    for (size_t i = 0; i < section->count; i++) {
        size_t n = 0;

        add_upper(variable, &n, "ULTRAMCP_");
        add_upper(variable, &n, name);
        add_upper(variable, &n, *name != '\0' ? "_" : "");
        add_upper(variable, &n, section->settings[i].key);
        const char *value = getenv(variable);
        if (value == NULL)
            continue;
        if (!setting_from_text(&section->settings[i], base, value, why))
            return err_set(err, ERR_CONFIG, "the environment variable %s %s", variable, why);
        if (given != NULL)
            *given |= UINT32_C(1) << i;
    }
    return ERR_OK;
}

static enum errcode load_environment(struct config *c, struct err *err)
{
    enum errcode code = ERR_OK;

    for (size_t i = 0; i < SECTION_COUNT && code == ERR_OK; i++)
        code = config_environment(&config_sections[i], config_sections[i].name, c, NULL, err);
    return code;
}

/* ---- all of it ----------------------------------------------------------------------------------
 */

/* $XDG_…_HOME/ultramcp-restate, or below the home directory. Heap. */
static char *user_path(const char *variable, const char *below_home, const char *name)
{
    const char *xdg = getenv(variable), *home = getenv("HOME");

    if (xdg != NULL && xdg[0] == '/') /* the standard ignores relative ones */
        return mem_printf("%s/ultramcp-restate%s", xdg, name);
    if (home != NULL && home[0] == '/')
        return mem_printf("%s/%s/ultramcp-restate%s", home, below_home, name);
    return NULL;
}

static char *default_data(void)
{
    char *path = user_path("XDG_STATE_HOME", ".local/state", "");

    return path != NULL ? path : mem_strdup("ultramcp-restate-data");
}

/* NULL when the user has none. One that is there but cannot be reached is an error later. */
static char *default_file(void)
{
    char *path = user_path("XDG_CONFIG_HOME", ".config", "/config.toml");
    struct stat st;

    if (path != NULL && stat(path, &st) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
        free(path);
        path = NULL;
    }
    return path;
}

enum errcode config_load(const char *path, struct config **out, struct err *err)
{
    struct config *c = mem_zalloc(sizeof *c);
    enum errcode code = ERR_OK;

    *out = NULL;
    c->path = path != NULL ? mem_strdup(path) : default_file();
    c->data = default_data();
    for (size_t i = 0; i < SECTION_COUNT; i++)
        section_defaults(&config_sections[i], c);
    struct loading l = {.config = c, .file = c->path};
    l.agents = agents_draft_new(c, c->path);
    if (c->path != NULL)
        code = load_file(&l, err);
    if (code == ERR_OK)
        code = load_environment(c, err);
    if (code == ERR_OK)
        code = agents_draft_settle(l.agents, err);
    agents_draft_free(l.agents);
    if (code != ERR_OK) {
        config_free(c);
        return code;
    }
    *out = c;
    return ERR_OK;
}

void config_free(struct config *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < SECTION_COUNT; i++)
        section_free(&config_sections[i], c);
    config_agents_free(c);
    free(c->path);
    free(c);
}
