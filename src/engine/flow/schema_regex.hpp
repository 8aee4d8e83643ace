// Regular expressions for valijson. It uses std::regex, which recurses for each character of a text
// (30 KB overflow the stack) and backtracks without a limit. Inside its namespace the name std is
// therefore this one: all of ::std, but with Oniguruma's expressions, which do neither.
//
// To be included before any header of valijson.
#ifndef FLOW_SCHEMA_REGEX_HPP
#define FLOW_SCHEMA_REGEX_HPP

#include <memory>
#include <regex>
#include <stdexcept>
#include <string>
#include <vector>

#include <oniguruma.h>

namespace schema_regex
{

enum { PATTERN_MAX = 1024, RETRIES_MAX = 1000000 };

// ECMA 262 means the very end by "$", Oniguruma also a line end before it.
inline std::string translate(const std::string &pattern)
{
    std::string out;
    bool in_class = false;

    for (size_t i = 0; i < pattern.size(); i++) {
        char c = pattern[i];

        if (c == '\\' && i + 1 < pattern.size()) {
            out += c;
            out += pattern[++i];
            continue;
        }
        if (c == '[' && in_class)
            out += '\\'; // a set inside a set is not ECMA's
        in_class = c == '[' || (in_class && c != ']');
        out += c == '$' && !in_class ? "\\z" : std::string(1, c);
    }
    return out;
}

class expression
{
  public:
    struct group {
        std::string text;
        std::string str() const
        {
            return text;
        }
    };
    using groups = std::vector<group>;

    explicit expression(const std::string &pattern)
    {
        std::string text = translate(pattern);
        OnigSyntaxType syntax = *ONIG_SYNTAX_PERL_NG;
        OnigErrorInfo info;
        regex_t *made = nullptr;

        if (pattern.size() > PATTERN_MAX)
            throw std::runtime_error("a pattern is longer than 1024 bytes");
        onig_set_syntax_op2(&syntax, onig_get_syntax_op2(&syntax) | ONIG_SYN_OP2_ESC_U_HEX4);
        auto *from = reinterpret_cast<const OnigUChar *>(text.data());
        int rc = onig_new(&made, from, from + text.size(),
                          ONIG_OPTION_CAPTURE_GROUP | ONIG_OPTION_DIGIT_IS_ASCII |
                              ONIG_OPTION_WORD_IS_ASCII,
                          ONIG_ENCODING_UTF8, &syntax, &info);
        if (rc != ONIG_NORMAL) {
            OnigUChar why[ONIG_MAX_ERROR_MESSAGE_LEN] = {0};

            onig_error_code_to_str(why, rc, &info);
            throw std::runtime_error("the pattern \"" + pattern.substr(0, 100) +
                                     "\" is not valid: " + reinterpret_cast<char *>(why));
        }
        code.reset(made, onig_free);
    }

    bool find(const std::string &text, groups *out) const
    {
        std::unique_ptr<OnigRegion, void (*)(OnigRegion *)> region(
            onig_region_new(), [](OnigRegion *r) { onig_region_free(r, 1); });
        std::unique_ptr<OnigMatchParam, void (*)(OnigMatchParam *)> param(onig_new_match_param(),
                                                                          onig_free_match_param);
        auto *from = reinterpret_cast<const OnigUChar *>(text.data()), *to = from + text.size();

        if (region == nullptr || param == nullptr)
            throw std::bad_alloc();
        onig_initialize_match_param(param.get());
        onig_set_retry_limit_in_match_of_match_param(param.get(), RETRIES_MAX);
        onig_set_retry_limit_in_search_of_match_param(param.get(), RETRIES_MAX);
        int rc = onig_search_with_param(code.get(), from, to, from, to, region.get(),
                                        ONIG_OPTION_NONE, param.get());
        if (rc != ONIG_MISMATCH && rc < 0)
            throw std::runtime_error("a pattern takes too long on this text");
        for (int i = 0; rc >= 0 && out != nullptr && i < region->num_regs; i++) {
            int begin = region->beg[i], end = region->end[i];

            out->push_back({begin < 0 ? ""
                                      : text.substr(static_cast<size_t>(begin),
                                                    static_cast<size_t>(end - begin))});
        }
        return rc >= 0;
    }

  private:
    std::shared_ptr<regex_t> code;
};

} // namespace schema_regex

namespace valijson
{
namespace std
{

using namespace ::std;
using regex = ::schema_regex::expression;
using smatch = ::schema_regex::expression::groups;

inline bool regex_search(const ::std::string &text, const regex &r)
{
    return r.find(text, nullptr);
}

// All of valijson's own expressions that are matched as a whole are anchored at both ends.
inline bool regex_match(const ::std::string &text, const regex &r)
{
    return r.find(text, nullptr);
}

inline bool regex_match(const ::std::string &text, smatch &groups, const regex &r)
{
    return r.find(text, &groups);
}

} // namespace std
} // namespace valijson

#endif
