// The configuration: toml++ behind plain C values. Every key stands once, in a table with its type and
// place; what is in no table is an error that names its line.
#include "base/config.h"

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <sys/stat.h>
#include <vector>

#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

namespace {

enum class type { text, flag, count, size, span, number, texts };

struct key {
    const char *name;
    enum type type;
    size_t at;         // offset in the struct
    size_t count_at;   // texts: offset of the count
    size_t width;      // count: bytes of the integer
};

#define TEXT(n, f) {n, type::text, offsetof(S, f), 0, 0}
#define FLAG(n, f) {n, type::flag, offsetof(S, f), 0, 0}
#define COUNT(n, f) {n, type::count, offsetof(S, f), 0, sizeof(S::f)}
#define SIZE(n, f) {n, type::size, offsetof(S, f), 0, 8}
#define SPAN(n, f) {n, type::span, offsetof(S, f), 0, 8}
#define NUMBER(n, f) {n, type::number, offsetof(S, f), 0, 8}
#define TEXTS(n, f, c) {n, type::texts, offsetof(S, f), offsetof(S, c), 0}

#define S config
const key root_keys[] = {TEXT("data", data), TEXTS("workflows", workflows, workflow_count),
                         TEXT("log-level", log_level)};
const key server_keys[] = {TEXT("ingress", ingress), TEXT("admin", admin), TEXT("meta", meta),
                           TEXTS("hosts", hosts, host_count), FLAG("insecure", insecure),
                           SIZE("body-max", body_max), SPAN("header-deadline", header_deadline_ms),
                           SPAN("body-deadline", body_deadline_ms),
                           COUNT("connections", connections_max), SPAN("grace", grace_ms)};
const key limit_keys[] = {COUNT("running", max_running), COUNT("running-per-service", max_per_service),
                          SIZE("payload", payload_bytes), COUNT("journal-entries", journal_entries),
                          SIZE("journal", journal_bytes), COUNT("pending-commands", pending_commands),
                          COUNT("depth", depth), SPAN("retention", retention_ms),
                          SPAN("evict-after", evict_after_ms)};
const key egress_keys[] = {FLAG("any", egress_any), TEXTS("allow", egress_allow, egress_count),
                           SIZE("response-max", response_max)};
#undef S
#define S config_agent
const key agent_keys[] = {TEXT("type", type), TEXT("url", url), TEXT("health-url", health_url),
                          TEXTS("hosts", hosts, host_count),
                          TEXTS("capabilities", capabilities, capability_count),
                          SPAN("timeout", timeout_ms), COUNT("concurrency", concurrency),
                          TEXT("token-env", token_env), TEXT("token-file", token_file),
                          COUNT("breaker-failures", breaker_failures),
                          SPAN("breaker-open", breaker_open_ms)};
#undef S
#define S config_retry
const key retry_keys[] = {SPAN("initial", initial_ms), SPAN("max", max_ms), SPAN("total", total_ms),
                          NUMBER("factor", factor), NUMBER("jitter", jitter),
                          COUNT("attempts", attempts), FLAG("suspend", suspend)};
#undef S

struct failure {
    std::string text;
};

struct reader {
    std::string file;

    [[noreturn]] void fail(const toml::node &node, const std::string &what) const
    {
        throw failure{file + ":" + std::to_string(node.source().begin.line) + ":" +
                      std::to_string(node.source().begin.column) + ": " + what};
    }
};

char *copy(const std::string &text)
{
    char *made = strdup(text.c_str());

    if (made == nullptr)
        abort();
    return made;
}

template <typename T> T &field(void *base, size_t at)
{
    return *reinterpret_cast<T *>(static_cast<char *>(base) + at);
}

void set_text(void *base, size_t at, const std::string &text)
{
    char *&slot = field<char *>(base, at);

    free(slot);
    slot = copy(text);
}

void set_texts(char **&list, size_t &count, const std::vector<std::string> &texts)
{
    for (size_t i = 0; i < count; i++)
        free(list[i]);
    free(list);
    count = texts.size();
    list = static_cast<char **>(calloc(count + 1, sizeof *list));
    if (list == nullptr)
        abort();
    for (size_t i = 0; i < count; i++)
        list[i] = copy(texts[i]);
}

// A number and a unit of `units`; false when it is neither.
bool parse_unit(const std::string &text, const std::vector<std::pair<const char *, double>> &units,
                double &value)
{
    char *end;
    double n = strtod(text.c_str(), &end);

    if (end == text.c_str() || !(n >= 0))
        return false;
    for (const auto &unit : units) {
        if (strcmp(end, unit.first) == 0) {
            value = n * unit.second;
            return value < 9e15;
        }
    }
    return false;
}

bool parse_span(const std::string &text, double &ms)
{
    return parse_unit(text, {{"ms", 1}, {"s", 1e3}, {"m", 6e4}, {"h", 3.6e6}, {"d", 8.64e7}}, ms);
}

bool parse_size(const std::string &text, double &bytes)
{
    return parse_unit(text, {{"", 1}, {"B", 1}, {"KiB", 1024}, {"MiB", 1048576.0}, {"GiB", 1073741824.0}},
                      bytes);
}

// Sets a field from a text, as environment variables give it. False: not of the type.
bool set_from_text(const key &k, void *base, const std::string &text)
{
    double value;
    char *end;

    switch (k.type) {
    case type::text:
        set_text(base, k.at, text);
        return true;
    case type::flag:
        if (text != "true" && text != "false")
            return false;
        field<bool>(base, k.at) = text == "true";
        return true;
    case type::count: {
        unsigned long n = strtoul(text.c_str(), &end, 10);

        if (text.empty() || *end != '\0' || n > UINT_MAX || text[0] == '-')
            return false;
        field<uint32_t>(base, k.at) = static_cast<uint32_t>(n);
        return true;
    }
    case type::size:
        if (!parse_size(text, value))
            return false;
        field<uint64_t>(base, k.at) = static_cast<uint64_t>(value);
        return true;
    case type::span:
        if (!parse_span(text, value))
            return false;
        field<int64_t>(base, k.at) = static_cast<int64_t>(value);
        return true;
    case type::number:
        field<double>(base, k.at) = strtod(text.c_str(), &end);
        return !text.empty() && *end == '\0' && field<double>(base, k.at) >= 0;
    case type::texts: {
        std::vector<std::string> parts;

        for (size_t from = 0; from <= text.size() && !text.empty();) {
            size_t comma = std::min(text.find(',', from), text.size());

            parts.push_back(text.substr(from, comma - from));
            from = comma + 1;
        }
        set_texts(field<char **>(base, k.at), field<size_t>(base, k.count_at), parts);
        return true;
    }
    }
    return false;
}

const char *describe(enum type t)
{
    switch (t) {
    case type::text: return "a text";
    case type::flag: return "true or false";
    case type::count: return "a whole number from 0";
    case type::size: return "a size like \"4MiB\"";
    case type::span: return "a duration like \"500ms\", \"30s\", \"10m\" or \"7d\"";
    case type::number: return "a number from 0";
    case type::texts: return "a list of texts";
    }
    return "";
}

void set_from_node(const reader &r, const key &k, void *base, const toml::node &node)
{
    bool ok = false;

    if (k.type == type::texts) {
        std::vector<std::string> texts;

        ok = node.is_array();
        for (size_t i = 0; ok && i < node.as_array()->size(); i++) {
            ok = (*node.as_array())[i].is_string();
            if (ok)
                texts.push_back(**(*node.as_array())[i].as_string());
        }
        if (ok)
            set_texts(field<char **>(base, k.at), field<size_t>(base, k.count_at), texts);
    } else if (node.is_string() &&
               (k.type == type::text || k.type == type::size || k.type == type::span)) {
        ok = set_from_text(k, base, **node.as_string());
    } else if (node.is_boolean() && k.type == type::flag) {
        field<bool>(base, k.at) = **node.as_boolean();
        ok = true;
    } else if (node.is_integer() && (k.type == type::count || k.type == type::size)) {
        ok = set_from_text(k, base, std::to_string(**node.as_integer()));
    } else if (node.is_number() && k.type == type::number) {
        double n = node.is_integer() ? static_cast<double>(**node.as_integer())
                                     : **node.as_floating_point();
        ok = n >= 0;
        field<double>(base, k.at) = n;
    }
    if (!ok)
        r.fail(node, std::string("\"") + k.name + "\" must be " + describe(k.type));
}

// The known name closest to a wrong one, for the message.
std::string suggest(const std::string &wrong, const std::vector<const char *> &names)
{
    size_t best = wrong.size() / 3 + 2;
    std::string found;

    for (const char *name : names) {
        std::string b = name;
        std::vector<size_t> row(b.size() + 1);

        for (size_t j = 0; j <= b.size(); j++)
            row[j] = j;
        for (size_t i = 1; i <= wrong.size(); i++) {
            size_t diagonal = row[0];

            row[0] = i;
            for (size_t j = 1; j <= b.size(); j++) {
                size_t cost = diagonal + (wrong[i - 1] != b[j - 1]);

                diagonal = row[j];
                row[j] = std::min(cost, std::min(row[j], row[j - 1]) + 1);
            }
        }
        if (row[b.size()] < best) {
            best = row[b.size()];
            found = b;
        }
    }
    return found.empty() ? "" : ": did you mean \"" + found + "\"?";
}

template <size_t N>
bool take(const reader &r, const key (&keys)[N], void *base, const std::string &name,
          const toml::node &node)
{
    for (const key &k : keys) {
        if (name == k.name) {
            set_from_node(r, k, base, node);
            return true;
        }
    }
    return false;
}

template <size_t N> std::vector<const char *> names_of(const key (&keys)[N])
{
    std::vector<const char *> names;

    for (const key &k : keys)
        names.push_back(k.name);
    return names;
}

const toml::table &table_of(const reader &r, const std::string &name, const toml::node &node)
{
    if (!node.is_table())
        r.fail(node, "\"" + name + "\" must be a table: write [" + name + "]");
    return *node.as_table();
}

template <size_t N>
void read_table(const reader &r, const key (&keys)[N], void *base, const std::string &name,
                const toml::node &node)
{
    for (auto &&[k, v] : table_of(r, name, node)) {
        std::string word(k.str());

        if (!take(r, keys, base, word, v))
            r.fail(v, "unknown key \"" + name + "." + word + "\"" + suggest(word, names_of(keys)));
    }
}

void read_headers(const reader &r, config_agent *a, const std::string &name, const toml::node &node)
{
    for (auto &&[k, v] : table_of(r, name, node)) {
        if (!v.is_string())
            r.fail(v, "a header must be a text");
        a->headers = static_cast<config_header *>(
            realloc(a->headers, (a->header_count + 1) * sizeof *a->headers));
        if (a->headers == nullptr)
            abort();
        a->headers[a->header_count++] = {copy(std::string(k.str())), copy(**v.as_string())};
    }
}

void read_agent(const reader &r, config_agent *a, const std::string &name, const toml::node &node)
{
    for (auto &&[k, v] : table_of(r, name, node)) {
        std::string word(k.str());

        if (word == "retry") {
            read_table(r, retry_keys, &a->retry, name + ".retry", v);
        } else if (word == "headers") {
            read_headers(r, a, name + ".headers", v);
        } else if (!take(r, agent_keys, a, word, v)) {
            auto names = names_of(agent_keys);

            names.push_back("retry");
            names.push_back("headers");
            r.fail(v, "unknown key \"" + name + "." + word + "\"" + suggest(word, names));
        }
    }
    size_t len = a->url != nullptr ? strlen(a->url) : 0;
    while (len > 0 && a->url[len - 1] == '/')
        a->url[--len] = '\0';
}

void free_agent(config_agent *a)
{
    for (size_t i = 0; i < a->host_count; i++)
        free(a->hosts[i]);
    for (size_t i = 0; i < a->capability_count; i++)
        free(a->capabilities[i]);
    for (size_t i = 0; i < a->header_count; i++) {
        free(a->headers[i].name);
        free(a->headers[i].value);
    }
    free(a->hosts);
    free(a->capabilities);
    free(a->headers);
    free(a->name);
    free(a->type);
    free(a->url);
    free(a->health_url);
    free(a->token_env);
    free(a->token_file);
}

config_agent *add_agent(config *c, const std::string &name)
{
    for (size_t i = 0; i < c->agent_count; i++) {
        if (name == c->agents[i].name)
            return &c->agents[i];
    }
    c->agents = static_cast<config_agent *>(realloc(c->agents, (c->agent_count + 1) * sizeof *c->agents));
    if (c->agents == nullptr)
        abort();
    config_agent *a = &c->agents[c->agent_count++];
    memset(a, 0, sizeof *a);
    a->name = copy(name);
    a->type = copy("http");
    const config_agent &d = c->agent_default;
    a->timeout_ms = d.timeout_ms;
    a->concurrency = d.concurrency;
    a->retry = d.retry;
    a->breaker_failures = d.breaker_failures;
    a->breaker_open_ms = d.breaker_open_ms;
    return a;
}

// The agents of UltraMCP, where the reference agents listen.
const struct {
    const char *name, *type, *alias;
    int port;
    const char *capabilities[2];
} known_agents[] = {
    {"chain-of-debate", "orchestrator", "cod", 8001, {"multi_llm", "debate"}},
    {"asterisk-security", "scanner", "security", 8002, {"vulnerability_scan", "compliance"}},
    {"blockoli-intelligence", "analyzer", "blockoli", 8003, {"code_analysis", "patterns"}},
    {"voice-system", "interface", "voice", 8004, {"voice_processing", "transcription"}},
    {"deepclaude-engine", "reasoning", "deepclaude", 8005, {"metacognitive", "analysis"}},
    {"control-tower", "orchestrator", "control", 8006, {"coordination", "monitoring"}},
    {"claude-memory", "memory", "memory", 8007, {"semantic_search", "code_intelligence"}},
    {"sam-mcp", "agent", "sam", 8008, {"autonomous", "langgraph"}},
};

void add_known_agents(config *c)
{
    for (const auto &k : known_agents) {
        config_agent *a = add_agent(c, k.name);
        std::string alias = std::string("ultramcp-") + k.alias, full = std::string("ultramcp-") + k.name;
        std::string port = ":" + std::to_string(k.port);

        if (a->url != nullptr)
            continue; // the file has one of the same name
        set_text(a, offsetof(config_agent, type), k.type);
        a->url = copy("http://127.0.0.1" + port);
        if (a->host_count == 0)
            set_texts(a->hosts, a->host_count,
                      {alias + port, alias, full + port, full, alias + ":8001", full + ":8001"});
        if (a->capability_count == 0)
            set_texts(a->capabilities, a->capability_count, {k.capabilities[0], k.capabilities[1]});
    }
}

void defaults(config *c)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

    c->data = copy(state != nullptr && state[0] == '/'
                       ? std::string(state) + "/ultramcp-restate"
                       : std::string(home != nullptr ? home : "/tmp") + "/.local/state/ultramcp-restate");
    c->log_level = copy("info");
    c->ingress = copy("127.0.0.1:8080");
    c->admin = copy("127.0.0.1:9070");
    c->meta = copy("127.0.0.1:8081");
    c->body_max = 4 << 20;
    c->header_deadline_ms = 10000;
    c->body_deadline_ms = 30000;
    c->connections_max = 4096;
    c->grace_ms = 10000;
    c->max_running = c->max_per_service = 200000;
    c->journal_entries = 20000;
    c->pending_commands = 2000;
    c->depth = 64;
    c->payload_bytes = 1 << 20;
    c->journal_bytes = 32 << 20;
    c->retention_ms = INT64_C(7) * 86400000;
    c->evict_after_ms = 5000;
    c->response_max = 16 << 20;
    c->agent_default.timeout_ms = 30000;
    c->agent_default.concurrency = 64;
    c->agent_default.retry = {500, 30000, 0, 2.0, 0.2, 10, false};
    c->agent_default.breaker_failures = 5;
    c->agent_default.breaker_open_ms = 10000;
}

void read_file(config *c, const char *path)
{
    struct stat st;
    reader r{path};

    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        throw failure{std::string(path) + ": cannot be read: no such file"};
    if (st.st_size > 1 << 20)
        throw failure{std::string(path) + ": larger than 1 MiB"};
    toml::table root = toml::parse_file(path);
    if (auto *node = root.get("agent-defaults"))
        read_agent(r, &c->agent_default, "agent-defaults", *node);
    for (auto &&[k, v] : root) {
        std::string name(k.str());

        if (name == "server") {
            read_table(r, server_keys, c, name, v);
        } else if (name == "limits") {
            read_table(r, limit_keys, c, name, v);
        } else if (name == "egress") {
            read_table(r, egress_keys, c, name, v);
        } else if (name == "agents") {
            for (auto &&[agent, def] : table_of(r, name, v)) {
                config_agent *a = add_agent(c, std::string(agent.str()));

                read_agent(r, a, "agents." + std::string(agent.str()), def);
                if (a->url != nullptr && strncmp(a->url, "http://", 7) != 0 &&
                    strncmp(a->url, "https://", 8) != 0)
                    r.fail(def, "the url of an agent begins with http:// or https://");
            }
        } else if (name != "agent-defaults" && !take(r, root_keys, c, name, v)) {
            auto names = names_of(root_keys);

            for (const char *table : {"server", "limits", "egress", "agents", "agent-defaults"})
                names.push_back(table);
            r.fail(v, "unknown key \"" + name + "\"" + suggest(name, names));
        }
    }
    c->path = copy(path);
}

template <size_t N> void read_environment(config *c, const key (&keys)[N], const char *section)
{
    for (const key &k : keys) {
        std::string name = std::string("ULTRAMCP_") + section + k.name;

        for (char &letter : name)
            letter = letter == '-' ? '_' : static_cast<char>(toupper(static_cast<unsigned char>(letter)));
        const char *value = getenv(name.c_str());
        if (value != nullptr && !set_from_text(k, c, value))
            throw failure{name + "=" + value + " in the environment: must be " + describe(k.type)};
    }
}

std::string default_path()
{
    const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    std::string path = xdg != nullptr && xdg[0] == '/'
                           ? std::string(xdg) + "/ultramcp-restate/config.toml"
                           : std::string(home != nullptr ? home : "/") +
                                 "/.config/ultramcp-restate/config.toml";
    struct stat st;

    return stat(path.c_str(), &st) == 0 ? path : "";
}

void check(const config *c)
{
    for (const char *level : {"debug", "info", "warn", "error"}) {
        if (strcmp(c->log_level, level) == 0)
            return;
    }
    throw failure{std::string("log-level = \"") + c->log_level + "\": use debug, info, warn or error"};
}

} // namespace

extern "C" enum errcode config_load(const char *path, struct config **out, struct err *err)
{
    auto *c = static_cast<config *>(calloc(1, sizeof(config)));

    *out = nullptr;
    if (c == nullptr)
        abort();
    try {
        std::string file = path != nullptr ? path : default_path();

        defaults(c);
        if (!file.empty())
            read_file(c, file.c_str());
        add_known_agents(c);
        read_environment(c, root_keys, "");
        read_environment(c, server_keys, "SERVER_");
        read_environment(c, limit_keys, "LIMITS_");
        read_environment(c, egress_keys, "EGRESS_");
        check(c);
        *out = c;
        return ERR_OK;
    } catch (const failure &f) {
        config_free(c);
        return err_set(err, ERR_CONFIG, "%s", f.text.c_str());
    } catch (const toml::parse_error &e) {
        config_free(c);
        return err_set(err, ERR_CONFIG, "%s:%u:%u: %s", path != nullptr ? path : "config.toml",
                       e.source().begin.line, e.source().begin.column,
                       std::string(e.description()).c_str());
    } catch (const std::exception &e) {
        config_free(c);
        return err_set(err, ERR_CONFIG, "%s: %s", path != nullptr ? path : "config.toml", e.what());
    }
}

extern "C" void config_free(struct config *c)
{
    if (c == nullptr)
        return;
    for (size_t i = 0; i < c->workflow_count; i++)
        free(c->workflows[i]);
    for (size_t i = 0; i < c->host_count; i++)
        free(c->hosts[i]);
    for (size_t i = 0; i < c->egress_count; i++)
        free(c->egress_allow[i]);
    for (size_t i = 0; i < c->agent_count; i++)
        free_agent(&c->agents[i]);
    free_agent(&c->agent_default);
    free(c->workflows);
    free(c->hosts);
    free(c->egress_allow);
    free(c->agents);
    free(c->path);
    free(c->data);
    free(c->log_level);
    free(c->ingress);
    free(c->admin);
    free(c->meta);
    free(c);
}
