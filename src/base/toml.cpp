// TOML through toml++: the only file that knows it. No exception leaves it.
#include "base/toml.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

// Some texts that are no TOML trip an assertion of the parser ("[" before a control character).
#define TOML_ASSERT(expr) ((expr) ? void() : throw std::logic_error("this is not valid TOML"))
// Values nested in values recurse in the parser and in the destructors.
#define TOML_MAX_NESTED_VALUES 16
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored                                                                     \
    "-Wterminate" // where it may not throw it ends the process, as before
#include <toml++/toml.h>
#pragma GCC diagnostic pop

namespace
{

// The parser makes one table inside another for each dot of a key, without a limit of its own.
constexpr int dots_per_line = 256;

struct place {
    int line, column;
};

struct leaf {
    std::vector<std::string> path;
    place at;
    const toml::node *value; // NULL: a table without keys
};

struct failure {
    place at;
    std::string text;
};

bool has_nul(const std::string &text)
{
    return text.find('\0') != std::string::npos;
}

place place_of(const toml::source_region &source)
{
    return {static_cast<int>(source.begin.line), static_cast<int>(source.begin.column)};
}

void check_text(const char *text, size_t len)
{
    place at{1, 1};
    int dots = 0;

    for (size_t i = 0; i < len; i++, at.column++) {
        auto c = static_cast<unsigned char>(text[i]);

        if (c == '\n') {
            at = {at.line + 1, 0};
            dots = 0;
        } else if ((c < 0x20 && c != '\t' && c != '\r') || c == 0x7f) {
            throw failure{at, "a control character; remove it"};
        } else if (c == '.' && ++dots > dots_per_line) {
            throw failure{at, "more than 256 dots in one line; write it on several lines"};
        }
    }
}

void collect(const toml::table &table, const std::vector<std::string> &above,
             std::vector<leaf> &leaves)
{
    for (auto &&[key, value] : table) {
        std::vector<std::string> path = above;
        place at = place_of(key.source());

        path.emplace_back(key.str());
        if (has_nul(path.back()))
            throw failure{at, "a key holds U+0000"};
        if (path.size() > TOML_PATH_MAX)
            throw failure{at, "nested too deeply: there is no such setting"};
        const toml::table *inner = value.as_table();
        if (inner == nullptr || inner->empty())
            leaves.push_back({std::move(path), at, inner == nullptr ? &value : nullptr});
        else
            collect(*inner, path, leaves);
    }
}

// The text of a string without U+0000, which C could not see.
const char *text_of(const toml::value<std::string> &value, place at)
{
    if (has_nul(value.get()))
        throw failure{at, "a text holds U+0000"};
    return value.get().c_str();
}

void fill_list(const toml::array &array, std::vector<const char *> &items, toml_leaf &out)
{
    out.kind = TOML_LIST;
    for (auto &&each : array) {
        if (!each.is_string()) {
            out.kind = TOML_OTHER;
            return;
        }
        items.push_back(text_of(*each.as_string(), {out.line, out.column}));
    }
    out.items = items.data();
    out.count = items.size();
}

enum errcode visit_leaf(const leaf &from, toml_visit *visit, void *arg, struct err *err)
{
    std::vector<const char *> items;
    toml_leaf out{};

    for (const auto &key : from.path)
        out.path[out.depth++] = key.c_str();
    out.line = from.at.line;
    out.column = from.at.column;
    out.kind = TOML_OTHER;
    if (from.value == nullptr) {
        out.kind = TOML_TABLE;
    } else if (auto *text = from.value->as_string()) {
        out.kind = TOML_STRING;
        out.text = text_of(*text, from.at);
    } else if (auto *integer = from.value->as_integer()) {
        out.kind = TOML_INTEGER;
        out.integer = integer->get();
    } else if (auto *real = from.value->as_floating_point()) {
        out.kind = TOML_REAL;
        out.real = real->get();
    } else if (auto *truth = from.value->as_boolean()) {
        out.kind = TOML_BOOLEAN;
        out.truth = truth->get();
    } else if (auto *array = from.value->as_array()) {
        fill_list(*array, items, out);
    }
    return visit(arg, &out, err);
}

enum errcode fail(struct err *err, const char *file, place at, const char *what)
{
    return err_set(err, ERR_CONFIG, "%.200s:%d:%d: %.250s", file, at.line, at.column, what);
}

} // namespace

extern "C" enum errcode toml_read(const char *file, const char *text, size_t len, toml_visit *visit,
                                  void *arg, struct err *err)
{
    try {
        check_text(text, len);
        const toml::table root = toml::parse(std::string_view(text, len));
        std::vector<leaf> leaves;
        enum errcode code = ERR_OK;

        collect(root, {}, leaves);
        std::stable_sort(leaves.begin(), leaves.end(), [](const leaf &a, const leaf &b) {
            return a.at.line != b.at.line ? a.at.line < b.at.line : a.at.column < b.at.column;
        });
        for (size_t i = 0; i < leaves.size() && code == ERR_OK; i++)
            code = visit_leaf(leaves[i], visit, arg, err);
        return code;
    } catch (const failure &f) {
        return fail(err, file, f.at, f.text.c_str());
    } catch (const toml::parse_error &e) {
        return fail(err, file, place_of(e.source()), std::string(e.description()).c_str());
    } catch (const std::exception &e) {
        return fail(err, file, {1, 1}, e.what());
    }
}
