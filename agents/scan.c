/* POST /scan: vulnerability, compliance and threat scans of a prepared environment. */
#include <stdlib.h>
#include <string.h>

#include "analysis.h"
#include "git.h"

static enum errcode scan_vulnerability(struct agents *a, const char *root, json_t **out,
                                       struct err *err)
{
    enum errcode code = find_dangers(a, root, out, err);

    if (code == ERR_OK) {
        const json_t *secrets = json_object_get(*out, "secrets");
        const json_t *calls = json_object_get(*out, "dangerousCalls");

        json_object_set_new(
            *out, "criticalIssues",
            json_integer(severity_count(secrets, "critical") + severity_count(calls, "critical")));
    }
    return code;
}

/* A repository that others are to trust has these; met when some file's name matches. */
static const struct expectation {
    const char *id, *title, *severity;
    const char *names; /* words, each within slashes or at an end: matched against "/path/" */
    bool forbidden;    /* it must not be there */
} expectations[] = {
    {"license", "A licence", "medium", "license licence copying", false},
    {"readme", "A README", "low", "readme", false},
    {"security-policy", "A security policy", "low", "security.md security.txt", false},
    {"contributing", "Rules for contributors", "info", "contributing", false},
    {"tests", "Tests", "medium", "test tests spec __tests__", false},
    {"automation", "Tests that run by themselves", "low",
     ".github/workflows .gitlab-ci.yml .ci jenkinsfile .circleci", false},
    {"ignore-file", "Files that git ignores", "info", ".gitignore", false},
    {"env-file", "No .env file", "high", ".env", true},
    {"key-file", "No key files", "critical", "id_rsa id_ed25519 id_ecdsa", true},
};
enum { EXPECTATIONS = sizeof expectations / sizeof *expectations };

/* Whether a part of the path is, or begins with and then a dot, one of the words. */
static bool path_has(const char *path, const char *words)
{
    for (const char *word = words; *word != '\0';) {
        size_t len = strcspn(word, " ");

        for (const char *part = path; part != NULL;) {
            if (strncasecmp(part, word, len) == 0 && strchr("./", part[len]) != NULL)
                return true;
            part = strchr(part, '/');
            part = part != NULL ? part + 1 : NULL;
        }
        word += len + (word[len] == ' ' ? 1 : 0);
    }
    return false;
}

static void expect_file(void *arg, const struct walk_file *file)
{
    bool *there = arg;

    for (size_t i = 0; i < EXPECTATIONS; i++)
        there[i] = there[i] || path_has(file->path, expectations[i].names);
}

static enum errcode scan_compliance(struct agents *a, const char *root, json_t **out,
                                    struct err *err)
{
    bool there[EXPECTATIONS] = {false};
    struct walk_totals totals;
    json_int_t met = 0, critical = 0;
    enum errcode code = walk_tree(a, root, expect_file, there, &totals, err);

    if (code != ERR_OK)
        return code;
    json_t *checks = json_array();
    for (size_t i = 0; i < EXPECTATIONS; i++) {
        const struct expectation *e = &expectations[i];
        bool ok = there[i] != e->forbidden;

        met += ok;
        critical += !ok && strcmp(e->severity, "critical") == 0;
        json_array_append_new(checks, json_pack("{s:s, s:s, s:b, s:s}", "id", e->id, "title",
                                                e->title, "ok", ok, "severity", e->severity));
    }
    *out = json_pack("{s:I, s:o, s:I, s:i, s:I}", "files", (json_int_t)totals.files, "checks",
                     checks, "met", met, "of", (int)EXPECTATIONS, "criticalIssues", critical);
    return ERR_OK;
}

/* Where someone from outside can reach the program; the title says what he might try. */
static const struct rule threat_rules[] = {
    {"network-listener", "medium", "Spoofing, denial of service: listens on the network", NULL,
     "(^|[^_a-z0-9])(listen|bind|createServer|ListenAndServe|app\\.run|uvicorn\\.run)[ ]*\\(",
     FAMILY_ANY, false},
    {"all-addresses", "high", "Information disclosure: listens on every address", "0.0.0.0",
     "0\\.0\\.0\\.0", 0, false},
    {"process-start", "medium", "Elevation of privilege: starts processes", NULL,
     "(^|[^_a-z0-9])(execv[pe]*|posix_spawnp?|fork|subprocess\\.[a-z_]+|spawn)[ ]*\\(", FAMILY_ANY,
     false},
    {"privilege", "medium", "Elevation of privilege: changes identity", NULL,
     "(^|[^_a-z0-9])(setuid|setgid|seteuid|chroot|sudo)([ ]|\\()", FAMILY_ANY & ~FAMILY_TEXT,
     false},
    {"file-write", "low", "Tampering: changes permissions", "chmod",
     "(^|[^_a-z0-9])(f?chmod(at)?[ ]*\\(|chmod[ ]+777)", FAMILY_ANY, false},
    {"plain-http", "low", "Tampering: unencrypted address", "http://",
     "http://[a-z0-9.-]+\\.(com|org|net|io|dev)", 0, false},
    {"container-root", "medium", "Elevation of privilege: container runs as root", "user",
     "^USER[ ]+root", FAMILY_TEXT, false},
};

static enum errcode scan_threats(struct agents *a, const char *root, json_t **out, struct err *err)
{
    struct ruleset *rules = ruleset_new(threat_rules, sizeof threat_rules / sizeof *threat_rules);
    struct walk_totals totals;

    enum errcode code = walk_tree(a, root, ruleset_file, rules, &totals, err);
    if (code == ERR_OK) {
        json_t *found = ruleset_result(rules);

        *out = json_pack("{s:I, s:I, s:o}", "files", (json_int_t)totals.files, "criticalIssues",
                         (json_int_t)severity_count(found, "critical"), "surface", found);
    }
    ruleset_free(rules);
    return code;
}

static const struct scan {
    const char *kind;
    enum errcode (*run)(struct agents *a, const char *root, json_t **out, struct err *err);
} scans[] = {
    {"vulnerability", scan_vulnerability},
    {"compliance", scan_compliance},
    {"threat", scan_threats},
};

enum errcode agent_scan(struct call *call, struct err *err)
{
    const char *target, *kind, *path;
    const struct scan *scan = NULL;
    json_t *found = NULL;
    enum errcode code = call_string(call, "target", 4096, &target, err);

    if (code == ERR_OK)
        code = call_string(call, "kind", 32, &kind, err);
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; i < sizeof scans / sizeof *scans; i++)
        if (strcmp(scans[i].kind, kind) == 0)
            scan = &scans[i];
    path = json_string_value(json_object_get(json_object_get(call->body, "environment"), "path"));
    if (scan == NULL || path == NULL)
        return err_set(err, ERR_INVALID,
                       "/scan: \"kind\" is vulnerability, compliance or threat, and \"environment\""
                       " what /prepare answered");
    char *root = git_checked_path(call->agents, path, err);
    if (root == NULL)
        return err->code;
    code = scan->run(call->agents, root, &found, err);
    free(root);
    if (code != ERR_OK)
        return code;
    call->out = json_pack("{s:b, s:s, s:s}", "success", 1, "target", target, "kind", kind);
    json_object_update(call->out, found);
    json_decref(found);
    return ERR_OK;
}
