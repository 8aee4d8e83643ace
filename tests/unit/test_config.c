/* The configuration: defaults, file, environment, and that nothing in a file can do worse than be
 * refused with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config_internal.h"
#include "base/mem.h"

static char dir[] = "/tmp/test-config-XXXXXX";

static char *path_in_dir(const char *name)
{
    return mem_printf("%s/%s", dir, name);
}

static void write_file(const char *path, const char *text, size_t len)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, len, f), len);
    fclose(f);
}

static enum errcode load_bytes(const char *text, size_t len, struct config **c, struct err *err)
{
    char *path = path_in_dir("c.toml");

    write_file(path, text, len);
    enum errcode code = config_load(path, c, err);
    free(path);
    return code;
}

static struct config *load(const char *text)
{
    struct config *c;
    struct err err;

    if (load_bytes(text, strlen(text), &c, &err) != ERR_OK)
        fail_msg("%s", err.text);
    return c;
}

/* The text is refused, at that place, and the message has both words. */
static void refused(const char *text, const char *place, const char *word, const char *other)
{
    struct config *c;
    struct err err;

    assert_int_equal(load_bytes(text, strlen(text), &c, &err), ERR_CONFIG);
    assert_null(c);
    const char *at = strstr(err.text, "c.toml:");
    if (at == NULL || strncmp(at + 7, place, strlen(place)) != 0 ||
        strstr(err.text, word) == NULL || strstr(err.text, other) == NULL)
        fail_msg("\"%s\" does not say %s %s %s", err.text, place, word, other);
}

static const struct config_agent *agent(const struct config *c, const char *name)
{
    for (size_t i = 0; i < c->agent_count; i++) {
        if (strcmp(c->agents[i].name, name) == 0)
            return &c->agents[i];
    }
    fail_msg("no agent %s", name);
    return NULL;
}

static bool has_host(const struct config_agent *a, const char *host)
{
    for (size_t i = 0; i < a->host_count; i++) {
        if (strcmp(a->hosts[i], host) == 0)
            return true;
    }
    return false;
}

/* ---- all values as text, to compare two configurations ---- */

static void dump_setting(struct buf *b, const struct setting *s, const void *base)
{
    const char *at = (const char *)base + s->at;

    buf_printf(b, "%s =", s->key);
    if (s->kind >= SETTING_WORDS) {
        size_t count;
        char **list;

        memcpy(&count, (const char *)base + s->count_at, sizeof count);
        memcpy(&list, at, sizeof list);
        for (size_t i = 0; i < count; i++)
            buf_printf(b, " \"%s\"", list[i]);
    } else if (s->kind <= SETTING_LEVEL) {
        char *text;

        memcpy(&text, at, sizeof text);
        buf_printf(b, " %s", text != NULL ? text : "(none)");
    } else if (s->kind == SETTING_FLAG) {
        buf_printf(b, " %d", *at);
    } else if (s->kind == SETTING_COUNT) {
        uint32_t count;

        memcpy(&count, at, sizeof count);
        buf_printf(b, " %u", count);
    } else if (s->kind == SETTING_REAL) {
        double real;

        memcpy(&real, at, sizeof real);
        buf_printf(b, " %.17g", real);
    } else {
        int64_t number;

        memcpy(&number, at, sizeof number);
        buf_printf(b, " %lld", (long long)number);
    }
    buf_str(b, "\n");
}

static void dump_section(struct buf *b, const struct section *section, const void *base)
{
    for (size_t i = 0; i < section->count; i++)
        dump_setting(b, &section->settings[i], base);
}

static char *dump(const struct config *c)
{
    struct buf b;

    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < SECTION_COUNT; i++)
        dump_section(&b, &config_sections[i], c);
    buf_str(&b, "defaults:\n");
    dump_section(&b, &config_agent_policy, &c->agent_default);
    for (size_t i = 0; i < c->agent_count; i++) {
        buf_printf(&b, "agent %s:\n", c->agents[i].name);
        dump_section(&b, &config_agent_own, &c->agents[i]);
        dump_section(&b, &config_agent_policy, &c->agents[i]);
    }
    assert_false(b.full);
    return buf_steal(&b, NULL);
}

/* ---- defaults ---- */

static void defaults(void **state)
{
    struct config *c;

    (void)state;
    assert_int_equal(config_load(NULL, &c, NULL), ERR_OK);
    assert_null(c->path);
    assert_string_equal(c->data, "/home/somebody/.local/state/ultramcp-restate");
    assert_string_equal(c->ingress, "127.0.0.1:8080");
    assert_string_equal(c->log_level, "info");
    assert_int_equal(c->body_max, 4 << 20);
    assert_int_equal(c->retention_ms, INT64_C(7) * 24 * 3600 * 1000);
    assert_int_equal(c->agent_count, 8);
    assert_int_equal(c->agent_default.timeout_ms, 30000);
    assert_null(c->agent_default.name);
    assert_null(c->agent_default.url);
    config_free(c);
    config_free(NULL);
}

static void default_agents(void **state)
{
    static const char *const each[][3] = {{"chain-of-debate", "cod", "8001"},
                                          {"asterisk-security", "security", "8002"},
                                          {"blockoli-intelligence", "blockoli", "8003"},
                                          {"voice-system", "voice", "8004"},
                                          {"deepclaude-engine", "deepclaude", "8005"},
                                          {"control-tower", "control", "8006"},
                                          {"claude-memory", "memory", "8007"},
                                          {"sam-mcp", "sam", "8008"}};
    struct config *c;

    (void)state;
    assert_int_equal(config_load(NULL, &c, NULL), ERR_OK);
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        const struct config_agent *a = agent(c, each[i][0]);
        char text[96];

        snprintf(text, sizeof text, "http://127.0.0.1:%s", each[i][2]);
        assert_string_equal(a->url, text);
        snprintf(text, sizeof text, "ultramcp-%s:%s", each[i][1], each[i][2]);
        assert_true(has_host(a, text));
        snprintf(text, sizeof text, "ultramcp-%s", each[i][1]);
        assert_true(has_host(a, text));
        snprintf(text, sizeof text, "ultramcp-%s:8001", each[i][0]);
        assert_true(has_host(a, text));
        assert_int_equal(a->capability_count, 2);
        assert_int_equal(a->timeout_ms, 30000);
        assert_int_equal(a->concurrency, 64);
    }
    config_free(c);
}

/* ---- the file ---- */

static void file_values(void **state)
{
    struct config *c = load("data = '/var/lib/x'\nworkflows = ['~/flows', \"more\"]\n"
                            "[server]\nmeta = \"\"\nbody-max = 1024\ngrace = \"1m30s\"\n"
                            "insecure = true\n[limits]\nretention = \"1.5h\"\npayload = \"2 MiB\"\n"
                            "[egress]\nallow = [\"*.example.com:443\", '[::1]:80']\n");

    (void)state;
    assert_string_equal(c->data, "/var/lib/x");
    assert_int_equal(c->workflow_count, 2);
    assert_string_equal(c->workflows[0], "/home/somebody/flows");
    assert_string_equal(c->workflows[1], "more");
    assert_string_equal(c->meta, "");
    assert_true(c->insecure);
    assert_int_equal(c->body_max, 1024);
    assert_int_equal(c->grace_ms, 90000);
    assert_int_equal(c->retention_ms, 5400000);
    assert_int_equal(c->payload_bytes, 2 << 20);
    assert_int_equal(c->egress_count, 2);
    assert_non_null(strstr(c->path, "c.toml"));
    config_free(c);
}

static void file_agents(void **state)
{
    struct config *c =
        load("[agents.mine]\nurl = 'https://mine.example.com/base//'\n"
             "hosts = ['mine.example.com']\nretry = { attempts = 3, suspend = true }\n"
             "headers = { X-Key = '${env:KEY}' }\ntoken-env = 'TOKEN'\n"
             "[agents.sam-mcp]\nurl = 'http://elsewhere:1'\n[agents.sam-mcp.retry]\nmax = '1s'\n"
             "[agent-defaults]\ntimeout = '5s'\nretry.attempts = 7\n");
    const struct config_agent *mine = agent(c, "mine"), *sam = agent(c, "sam-mcp");

    (void)state;
    assert_int_equal(c->agent_count, 9);
    assert_string_equal(mine->url, "https://mine.example.com/base");
    assert_string_equal(mine->type, "http");
    assert_true(has_host(mine, "mine.example.com"));
    assert_true(has_host(mine, "ultramcp-mine:8001"));
    assert_int_equal(mine->retry.attempts, 3);
    assert_true(mine->retry.suspend);
    assert_int_equal(mine->retry.initial_ms, 500);
    assert_int_equal(mine->timeout_ms, 5000);
    assert_int_equal(mine->header_count, 1);
    assert_string_equal(mine->headers[0].name, "X-Key");
    assert_string_equal(mine->headers[0].value, "${env:KEY}");
    assert_string_equal(mine->token_env, "TOKEN");
    assert_string_equal(sam->url, "http://elsewhere:1");
    assert_string_equal(sam->type, "agent");
    assert_true(has_host(sam, "ultramcp-sam:8008"));
    assert_int_equal(sam->retry.max_ms, 1000);
    assert_int_equal(sam->retry.attempts, 7);
    config_free(c);
}

/* A host goes to who asks for it, then to who is called so, then to the built-in short names. */
static void hosts_mean_one_agent(void **state)
{
    struct config *c = load("[agents.cod]\nurl = 'http://a:1'\n"
                            "[agents.x]\nurl = 'http://b:1'\nhosts = ['ultramcp-sam-mcp']\n");

    (void)state;
    assert_true(has_host(agent(c, "cod"), "ultramcp-cod"));
    assert_false(has_host(agent(c, "chain-of-debate"), "ultramcp-cod"));
    assert_true(has_host(agent(c, "chain-of-debate"), "ultramcp-chain-of-debate"));
    assert_true(has_host(agent(c, "x"), "ultramcp-sam-mcp"));
    assert_false(has_host(agent(c, "sam-mcp"), "ultramcp-sam-mcp"));
    config_free(c);
    refused(
        "[agents.a]\nurl='http://a'\nhosts=['h:1']\n[agents.b]\nurl='http://b'\nhosts=['H:1']\n",
        "5:1", "H:1", "agents.a");
}

static void file_errors(void **state)
{
    (void)state;
    refused("\n[server]\n  ingres = ':1'\n", "3:3", "server.ingres", "did you mean \"ingress\"");
    refused("log_level = 'info'\n", "1:1", "log_level", "did you mean \"log-level\"");
    refused("[servr]\ningress = ''\n", "2:1", "servr.ingress", "did you mean \"server\"");
    refused("[server]\nretention = '1d'\n", "2:1", "server.retention", "belongs in [limits]");
    refused("[agents.a]\nurl = 'http://a'\nretry.atempts = 1\n", "3:", "retry.atempts",
            "did you mean \"retry.attempts\"");
    refused("[agent-defaults]\nurl = 'http://a'\n", "2:1", "agent-defaults.url", "[agents.NAME]");
    refused("[agents.a]\ntimeout = '1s'\n", "2:1", "agents.a", "needs a url");
    refused("[agents.a]\n", "1:", "agents.a", "needs a url");
    refused("[agents.'a b']\nurl = 'http://a'\n", "2:1", "agents.a b", "is not the name");
    refused("agents = 3\n", "1:1", "agents", "must be a table");
    refused("server = 3\n", "1:1", "server", "must be a table");
    refused("[server]\nhosts = { a = 1 }\n", "2:", "server.hosts.a", "no setting");
    refused("[agents.a]\nurl = 'http://a'\nheaders = { 'X Y' = 'v' }\n", "3:", "X Y", "header");
    refused("[agents.a]\nurl = 'http://a'\nheaders = { X = \"a\\nb\" }\n", "3:", "X", "one line");
    refused("[agents.a]\nurl = 'http://a'\nheaders = { X = '1', x = '2' }\n", "3:", "x", "twice");
    refused("[agents.a]\nurl = 'http://a'\ntoken-env = 'A'\ntoken-file = 'b'\n", "2:1", "token-env",
            "token-file");
    refused("a = 1\na = 2\n", "2:", "a", "");
    refused("a = \n", "1:", "", "");
    refused("data = \"a\\u0000b\"\n", "1:1", "U+0000", "");
    refused("a\xc3\xa9 = 1\n", "1:", "", "");
    refused("\xc3\xa9 = 1\n", "1:", "", "");
    refused("data = 'x' \xc2\xa0\n", "1:", "", "");
    refused("a.b.c.d.e.f.g.h = 1\n", "1:", "nested too deeply", "");
}

static void bad_values(void **state)
{
    static const char *const bad[] = {
        "ingress = 8080",
        "ingress = 'localhost'",
        "ingress = 'a:99999'",
        "ingress = 'a b:1'",
        "ingress = '::1:8080'",
        "insecure = 'true'",
        "insecure = 1",
        "body-max = -1",
        "body-max = 0",
        "body-max = '4 megs'",
        "body-max = 'MiB'",
        "body-max = '4MiB '",
        "body-max = 1.5",
        "body-max = '2GiB'",
        "grace = 10",
        "grace = '10'",
        "grace = '-1s'",
        "grace = '1s1h'",
        "grace = '1e3s'",
        "grace = ''",
        "grace = 'infs'",
        "grace = '0x1s'",
        "grace = '99999999999999999999999999999999999999999d'",
        "connections = 0",
        "connections = 4294967297",
        "connections = '5'",
        "connections = 1.0",
        "connections = 9223372036854775807",
        "hosts = 'a'",
        "hosts = [1]",
        "hosts = ['']",
        "hosts = ['a/b']",
        "hosts = [['a']]",
        "hosts = ['*.a']",
        "ingress = 1979-05-27",
        "grace = 10:00:00",
    };
    char text[256];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, "[server]\n%s\n", bad[i]);
        refused(text, "2:1", "must be", "server.");
    }
    refused("log-level = 'loud'\n", "1:1", "debug, info, warn or error", "");
    refused("[agent-defaults]\nretry.jitter = nan\n", "2:", "from 0 to 1", "");
    refused("[agent-defaults]\nretry.factor = inf\n", "2:", "from 1 to 100", "");
    refused("[agents.a]\nurl = 'ftp://a'\n", "2:1", "http://", "");
    refused("[agents.a]\nurl = 'http:///x'\n", "2:1", "http://", "");
    refused("[agents.a]\nurl = 'http://a'\ntoken-env = '1A'\n", "3:1", "environment variable", "");
    refused("[egress]\nallow = ['a,b']\n", "2:1", "must be a list", "");
}

/* ---- the environment ---- */

static void environment(void **state)
{
    struct config *c;
    struct err err;

    (void)state;
    setenv("ULTRAMCP_SERVER_INGRESS", "127.0.0.1:8088", 1);
    setenv("ULTRAMCP_LOG_LEVEL", "debug", 1);
    setenv("ULTRAMCP_LIMITS_EVICT_AFTER", "1m", 1);
    setenv("ULTRAMCP_EGRESS_ALLOW", "a.example, *.b.example:443", 1);
    setenv("ULTRAMCP_SERVER_HOSTS", "", 1);
    setenv("ULTRAMCP_AGENTS_SAM_MCP_URL", "http://sam:8008/", 1);
    setenv("ULTRAMCP_AGENT_DEFAULTS_RETRY_ATTEMPTS", "3", 1);
    setenv("ULTRAMCP_SERVER_PORT", "tcp://10.0.0.1:80", 1); /* Kubernetes' own: not ours */
    c = load("[server]\ningress = ':1'\nhosts = ['h']\n");
    assert_string_equal(c->ingress, "127.0.0.1:8088");
    assert_string_equal(c->log_level, "debug");
    assert_int_equal(c->evict_after_ms, 60000);
    assert_int_equal(c->egress_count, 2);
    assert_string_equal(c->egress_allow[1], "*.b.example:443");
    assert_int_equal(c->host_count, 0);
    assert_string_equal(agent(c, "sam-mcp")->url, "http://sam:8008");
    assert_int_equal(agent(c, "sam-mcp")->retry.attempts, 3);
    config_free(c);
    setenv("ULTRAMCP_SERVER_BODY_MAX", "lots", 1);
    assert_int_equal(config_load(NULL, &c, &err), ERR_CONFIG);
    assert_non_null(strstr(err.text, "ULTRAMCP_SERVER_BODY_MAX must be a size"));
    clearenv();
    setenv("HOME", "/home/somebody", 1);
}

static void where_the_file_is(void **state)
{
    char *config = path_in_dir("xdg"), *ours = path_in_dir("xdg/ultramcp-restate"),
         *file = path_in_dir("xdg/ultramcp-restate/config.toml");
    struct config *c;
    struct err err;

    (void)state;
    mkdir(config, 0700);
    mkdir(ours, 0700);
    write_file(file, "log-level = 'warn'\n", 19);
    setenv("XDG_CONFIG_HOME", config, 1);
    setenv("XDG_STATE_HOME", "/state", 1);
    assert_int_equal(config_load(NULL, &c, &err), ERR_OK);
    assert_string_equal(c->path, file);
    assert_string_equal(c->log_level, "warn");
    assert_string_equal(c->data, "/state/ultramcp-restate");
    config_free(c);
    setenv("XDG_STATE_HOME", "relative", 1);
    unlink(file);
    assert_int_equal(config_load(NULL, &c, &err), ERR_OK);
    assert_null(c->path);
    assert_string_equal(c->data, "/home/somebody/.local/state/ultramcp-restate");
    config_free(c);
    clearenv();
    assert_int_equal(config_load(NULL, &c, &err), ERR_OK); /* no home at all */
    assert_non_null(c->data);
    config_free(c);
    setenv("HOME", "/home/somebody", 1);
    rmdir(ours);
    rmdir(config);
    free(config);
    free(ours);
    free(file);
}

/* ---- hostile files ---- */

static void unreadable(void **state)
{
    struct config *c;
    struct err err;
    char *path = path_in_dir("none.toml");

    (void)state;
    assert_int_equal(config_load(dir, &c, &err), ERR_CONFIG);
    assert_non_null(strstr(err.text, "directory"));
    assert_int_equal(config_load(path, &c, &err), ERR_CONFIG);
    assert_non_null(strstr(err.text, "No such file"));
    assert_int_equal(config_load("", &c, &err), ERR_CONFIG);
    assert_int_equal(config_load("/dev/zero", &c, &err), ERR_CONFIG);
    assert_non_null(strstr(err.text, "larger"));
    assert_int_equal(config_load("/dev/null", &c, &err), ERR_OK);
    config_free(c);
    write_file(path, "data = 'x'\n", 11);
    chmod(path, 0);
    if (geteuid() != 0) /* root reads everything */
        assert_int_equal(config_load(path, &c, &err), ERR_CONFIG);
    unlink(path);
    free(path);
}

static void repeat(struct buf *b, const char *text, int times)
{
    for (int i = 0; i < times; i++)
        buf_str(b, text);
}

static void hostile_texts(void **state)
{
    static const char invalid[] = "data = \"\xff\xfe\"\n",
                      nul[] = "data = 'a'\n\0log-level = 'x'\n";
    struct config *c;
    struct err err;
    struct buf b;

    (void)state;
    assert_int_equal(load_bytes(invalid, sizeof invalid - 1, &c, &err), ERR_CONFIG);
    assert_int_equal(load_bytes(nul, sizeof nul - 1, &c, &err), ERR_CONFIG);
    buf_init(&b, 16 << 20);
    repeat(&b, "# ten bytes\n", 900000); /* 10 MB */
    assert_int_equal(load_bytes(b.data, b.len, &c, &err), ERR_CONFIG);
    assert_non_null(strstr(err.text, "larger than 1024 KiB"));
    buf_clear(&b);
    repeat(&b, "a = ", 1);
    repeat(&b, "[", 500000);
    assert_int_equal(load_bytes(b.data, b.len, &c, &err), ERR_CONFIG);
    buf_clear(&b);
    repeat(&b, "a.", 500000);
    repeat(&b, "a = 1\n", 1);
    assert_int_equal(load_bytes(b.data, b.len, &c, &err), ERR_CONFIG);
    buf_clear(&b);
    buf_str(&b, "x = ");
    for (int i = 0; i < 2000; i++) {
        buf_str(&b, "{");
        repeat(&b, "a.", 200);
        buf_str(&b, "a = [\n");
    }
    assert_int_equal(load_bytes(b.data, b.len, &c, &err), ERR_CONFIG);
    buf_clear(&b);
    for (int i = 0; i < 5000; i++)
        buf_printf(&b, "[agents.a%d]\nurl = 'http://a'\n", i);
    assert_int_equal(load_bytes(b.data, b.len, &c, &err), ERR_CONFIG);
    assert_non_null(strstr(err.text, "1000 at most"));
    buf_fini(&b);
}

/* Every text that is the example with one byte changed loads or is refused; nothing else. */
static void changed_bytes(void **state)
{
    const char *text = "data = \"~/x\"\n[agents.a]\nurl = 'http://a'\nretry = { max = '1s' }\n"
                       "headers = { A = 'b' }\n[server]\nhosts = ['a', 'b:1']\nbody-max = 1_000\n";
    size_t len = strlen(text);
    char *copy = mem_strdup(text);

    (void)state;
    for (size_t i = 0; i < len; i++) {
        for (const char *with = "\0\"'[]{}.=\n\xff\xc3#0"; with[0] != '0' || with[-1] != '#';
             with++) {
            struct config *c;
            struct err err;

            copy[i] = *with;
            if (load_bytes(copy, len, &c, &err) == ERR_OK)
                config_free(c);
            else
                assert_true(err.text[0] != '\0');
        }
        copy[i] = text[i];
    }
    free(copy);
}

/* ---- config.example.toml ---- */

static char *read_example(void)
{
    const char *const paths[] = {"config.example.toml", "../config.example.toml",
                                 "../../config.example.toml"};
    struct buf b;

    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        char chunk[4096];
        size_t n;
        FILE *f = fopen(paths[i], "r");

        if (f == NULL)
            continue;
        while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
            buf_add(&b, chunk, n);
        fclose(f);
        return buf_steal(&b, NULL);
    }
    fail_msg("config.example.toml is not here: run this from the repository");
    return NULL;
}

/* "# key = value", as opposed to prose and to the indented examples. */
static bool is_commented(const char *line)
{
    size_t len = strncmp(line, "# ", 2) == 0 ? strspn(line + 2, "abcdefghijklmnopqrstuvwxyz-.") : 0;

    return len > 0 && strncmp(line + 2 + len, " = ", 3) == 0;
}

static char *uncomment(const char *text, int *count)
{
    struct buf b;

    *count = 0;
    buf_init(&b, 1 << 20);
    while (*text != '\0') {
        size_t len = strcspn(text, "\n") + 1;
        size_t skip = is_commented(text) ? 2 : 0;

        *count += skip > 0;
        buf_add(&b, text + skip, len - skip);
        text += len;
    }
    return buf_steal(&b, NULL);
}

static void example_shows_the_defaults(void **state)
{
    char *example = read_example(), *shown, *expected, *text;
    int count;
    struct config *none;

    (void)state;
    assert_int_equal(config_load(NULL, &none, NULL), ERR_OK);
    expected = dump(none);
    struct config *as_it_is = load(example);
    shown = dump(as_it_is);
    assert_string_equal(shown, expected);
    free(shown);
    text = uncomment(example, &count);
    struct config *spelled = load(text);
    shown = dump(spelled);
    assert_string_equal(shown, expected);
    assert_int_equal(count, 3 + 10 + 9 + 3 + 11 + 8 * 4);
    config_free(none);
    config_free(as_it_is);
    config_free(spelled);
    free(shown);
    free(expected);
    free(text);
    free(example);
}

static void names_all(const char *example, const struct section *section)
{
    for (size_t i = 0; i < section->count; i++) {
        char key[64];

        snprintf(key, sizeof key, " %s = ", section->settings[i].key);
        if (strstr(example, key) == NULL)
            fail_msg("config.example.toml does not show%s", key);
    }
}

static void example_shows_every_setting(void **state)
{
    char *example = read_example();

    (void)state;
    for (size_t i = 0; i < SECTION_COUNT; i++)
        names_all(example, &config_sections[i]);
    names_all(example, &config_agent_own);
    names_all(example, &config_agent_policy);
    free(example);
}

static int set_up(void **state)
{
    (void)state;
    clearenv();
    setenv("HOME", "/home/somebody", 1);
    return mkdtemp(dir) != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    char *path = path_in_dir("c.toml");

    (void)state;
    unlink(path);
    free(path);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(default_agents),
        cmocka_unit_test(file_values),
        cmocka_unit_test(file_agents),
        cmocka_unit_test(hosts_mean_one_agent),
        cmocka_unit_test(file_errors),
        cmocka_unit_test(bad_values),
        cmocka_unit_test(environment),
        cmocka_unit_test(where_the_file_is),
        cmocka_unit_test(unreadable),
        cmocka_unit_test(hostile_texts),
        cmocka_unit_test(changed_bytes),
        cmocka_unit_test(example_shows_the_defaults),
        cmocka_unit_test(example_shows_every_setting),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
