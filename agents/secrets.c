/* What should not be in a repository: secrets, and calls that have hurt others. */
#include "analysis.h"

#include <stdlib.h>
#include <string.h>

/* One rule a row: id, severity, title, needle, pattern, languages, secret. */
static const struct rule secret_rules[] = {
    {"private-key", "critical", "Private key", "private key-----",
     "-----BEGIN [A-Z ]*PRIVATE KEY-----", 0, true},
    {"aws-access-key", "critical", "AWS access key", "akia", "AKIA[0-9A-Z]{16}", 0, true},
    {"github-token", "critical", "GitHub token", "gh", "gh[pousr]_[A-Za-z0-9]{36}", 0, true},
    {"gitlab-token", "critical", "GitLab token", "glpat-", "glpat-[A-Za-z0-9_-]{20}", 0, true},
    {"slack-token", "critical", "Slack token", "xox", "xox[abprs]-[A-Za-z0-9-]{10,}", 0, true},
    {"stripe-key", "critical", "Stripe live key", "_live_", "[sr]k_live_[A-Za-z0-9]{24}", 0, true},
    {"google-key", "high", "Google API key", "aiza", "AIza[0-9A-Za-z_-]{35}", 0, true},
    {"model-key", "critical", "Model provider key", "sk-", "sk-(ant-|proj-)[A-Za-z0-9_-]{20,}", 0,
     true},
    {"jwt", "high", "JSON Web Token", "eyj",
     "eyJ[A-Za-z0-9_-]{10,}\\.eyJ[A-Za-z0-9_-]{10,}\\.[A-Za-z0-9_-]{10,}", 0, true},
    {"url-password", "high", "Password in a URL", "://",
     "[a-z]{3,}://[^/:@ \"'<>{}$]+:[^/@ \"'<>{}$]{3,}@[a-z0-9]", 0, true},
    {"assigned-password", "high", "Password in the code", NULL,
     "(password|passwd|secret|api_?key|auth_?token)[\"']?[ \t]*(=|:|:=)[ \t]*[\"'][A-Za-z0-9+/"
     "_!@#%^&*.-]{8,}[\"']",
     0, true},
};

static const struct rule danger_rules[] = {
    {"c-gets", "critical", "gets() cannot be bounded", "gets", "(^|[^_a-z0-9])gets[ ]*\\(",
     FAMILY_C, false},
    {"c-unbounded-copy", "medium", "Copy without a bound", "str",
     "(^|[^_a-z0-9])(strcpy|strcat|stpcpy)[ ]*\\(", FAMILY_C, false},
    {"c-sprintf", "medium", "Format without a bound", "sprintf", "(^|[^_a-z0-9])v?sprintf[ ]*\\(",
     FAMILY_C, false},
    {"c-shell", "high", "Command through a shell", NULL, "(^|[^_a-z0-9.>])(system|popen)[ ]*\\(",
     FAMILY_C, false},
    {"c-temp-name", "medium", "Predictable temporary name", "mp",
     "(^|[^_a-z0-9])(mktemp|tmpnam|tempnam)[ ]*\\(", FAMILY_C, false},
    {"c-random", "low", "Weak random numbers", "rand", "(^|[^_a-z0-9])s?rand[ ]*\\(", FAMILY_C,
     false},
    {"py-eval", "high", "Evaluates text as code", NULL, "(^|[^_a-z0-9.])(eval|exec)[ ]*\\(",
     FAMILY_PYTHON, false},
    {"py-pickle", "high", "Deserialises objects", NULL,
     "(pickle|marshal|shelve)\\.(loads?|open)[ ]*\\(", FAMILY_PYTHON, false},
    {"py-yaml-load", "medium", "yaml.load without a safe loader", "yaml.load",
     "yaml\\.load[ ]*\\([^)]*\\)", FAMILY_PYTHON, false},
    {"py-shell", "high", "Command through a shell", NULL,
     "(os\\.(system|popen)[ ]*\\(|shell[ ]*=[ ]*True)", FAMILY_PYTHON, false},
    {"py-no-verify", "high", "Certificates are not checked", "verify", "verify[ ]*=[ ]*False",
     FAMILY_PYTHON, false},
    {"js-eval", "high", "Evaluates text as code", NULL,
     "(^|[^_a-z0-9.])(eval|new[ ]+Function)[ ]*\\(", FAMILY_JS, false},
    {"js-shell", "high", "Command through a shell", "exec",
     "(child_process|cp)\\.exec(Sync)?[ ]*\\(", FAMILY_JS, false},
    {"js-html", "medium", "Writes HTML", "html",
     "(\\.(inner|outer)HTML[ ]*=|dangerouslySetInnerHTML|document\\.write[ ]*\\()", FAMILY_JS,
     false},
    {"jvm-exec", "high", "Runs a command", "exec", "getRuntime\\(\\)\\.exec[ ]*\\(", FAMILY_JVM,
     false},
    {"jvm-deserialise", "high", "Deserialises objects", "readobject", "\\.readObject[ ]*\\(",
     FAMILY_JVM, false},
    {"php-eval", "high", "Evaluates text or runs a command", NULL,
     "(^|[^_a-z0-9>])(eval|shell_exec|passthru|unserialize)[ ]*\\(", FAMILY_PHP, false},
    {"go-insecure-tls", "high", "Certificates are not checked", "insecureskipverify",
     "InsecureSkipVerify[ ]*:[ ]*true", FAMILY_GO, false},
    {"rust-unsafe", "info", "Unsafe block", "unsafe", "(^|[^_a-z0-9])unsafe[ ]*\\{", FAMILY_RUST,
     false},
    {"sh-curl-pipe", "high", "Runs what it downloads", "|",
     "(curl|wget)[^|]*\\|[ ]*(sudo[ ]+)?(ba)?sh", FAMILY_SHELL, false},
    {"sh-eval", "medium", "Evaluates text as code", "eval", "(^|[;&|][ ]*)[ ]*eval[ ]",
     FAMILY_SHELL, false},
    {"weak-hash", "medium", "Broken hash", NULL, "(^|[^a-z0-9])(md5|sha1)(_init|sum)?[ ]*\\(",
     FAMILY_ANY, false},
};

static enum errcode find(struct agents *a, const char *root, const struct rule *rules, size_t count,
                         struct walk_totals *totals, json_t **out, struct err *err)
{
    struct ruleset *set = ruleset_new(rules, count);
    enum errcode code = walk_tree(a, root, ruleset_file, set, totals, err);

    if (code == ERR_OK)
        *out = ruleset_result(set);
    ruleset_free(set);
    return code;
}

enum errcode find_dangers(struct agents *a, const char *root, json_t **out, struct err *err)
{
    struct walk_totals totals;
    json_t *secrets = NULL, *calls = NULL;
    enum errcode code = find(a, root, secret_rules, sizeof secret_rules / sizeof *secret_rules,
                             &totals, &secrets, err);

    if (code == ERR_OK)
        code = find(a, root, danger_rules, sizeof danger_rules / sizeof *danger_rules, &totals,
                    &calls, err);
    if (code == ERR_OK)
        *out = json_pack("{s:I, s:b, s:O, s:O}", "files", (json_int_t)totals.files, "cut",
                         totals.cut, "secrets", secrets, "dangerousCalls", calls);
    json_decref(secrets);
    json_decref(calls);
    return code;
}

long severity_count(const json_t *found, const char *severity)
{
    return (long)json_integer_value(
        json_object_get(json_object_get(found, "bySeverity"), severity));
}
