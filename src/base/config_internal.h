/* Inside the configuration: settings as rows of tables. A row is the master copy of a setting: its
 * key, kind, range and default; file, environment, messages and tests all derive from it. */
#ifndef BASE_CONFIG_INTERNAL_H
#define BASE_CONFIG_INTERNAL_H

#include "base/config.h"
#include "base/toml.h"

/* Kinds up to SETTING_LEVEL are texts, those from SETTING_WORDS on are lists of texts. */
enum setting_kind {
    SETTING_TEXT,
    SETTING_PATH,    /* "~/" is the home directory */
    SETTING_ADDRESS, /* HOST:PORT, :PORT, or "" */
    SETTING_URL,     /* http or https; ends of / are cut */
    SETTING_NAME,    /* of an environment variable */
    SETTING_LEVEL,   /* of the log */
    SETTING_FLAG,    /* bool */
    SETTING_COUNT,   /* uint32_t */
    SETTING_SIZE,    /* uint64_t, bytes */
    SETTING_SPAN,    /* int64_t, ms */
    SETTING_REAL,    /* double */
    SETTING_WORDS,
    SETTING_PATHS,
    SETTING_HOSTS,   /* HOST or HOST:PORT */
    SETTING_PATTERNS /* the same, or *.DOMAIN */
};

struct setting {
    const char *key; /* "retry.attempts": in a table below the section */
    enum setting_kind kind;
    size_t at, count_at;  /* offsets of the value, and of the length of a list */
    double least, most;   /* of a number, in the unit of its field */
    const char *fallback; /* the default as the environment would say it; NULL: none */
};

/* Where a section's settings are: "" (the top), "server", "limits", "egress". */
struct section {
    const char *name;
    const struct setting *settings;
    size_t count;
};

enum { SECTION_COUNT = 4, SETTING_WHY_MAX = 160 };
extern const struct section config_sections[SECTION_COUNT]; /* fields of struct config */
extern const struct section config_agent_own;    /* [agents.NAME]: fields of struct config_agent */
extern const struct section config_agent_policy; /* the same, and [agent-defaults] */

/* Set the field of `base` that `s` describes. False leaves it as it was and says in `why`
 * (SETTING_WHY_MAX bytes) what is expected: "must be …". In a text, a comma ends a part of a list.
 */
bool setting_from_text(const struct setting *s, void *base, const char *text, char *why);
bool setting_from_leaf(const struct setting *s, void *base, const struct toml_leaf *leaf,
                       char *why);
void setting_copy(const struct setting *s, void *to, const void *from); /* numbers and flags only */
void setting_free(const struct setting *s, void *base);

void section_defaults(const struct section *section, void *base);
void section_free(const struct section *section, void *base);
const struct setting *section_find(const struct section *section, const char *key); /* or NULL */

/* ---- agents (config_agents.c) ---- */

/* Gathers agents in any order; what depends on all of them is settled at the end. */
struct agents_draft;

struct agents_draft *agents_draft_new(struct config *c, const char *file); /* borrowed until free */
void agents_draft_free(struct agents_draft *d);
enum errcode agents_draft_leaf(struct agents_draft *d, const struct toml_leaf *leaf,
                               struct err *err);
enum errcode agents_draft_settle(struct agents_draft *d, struct err *err);
void config_agents_free(struct config *c);

/* ---- shared (config.c) ---- */

/* Overrides from the environment: ULTRAMCP_SECTION_KEY. `given` (or NULL) gets a bit for each. */
enum errcode config_environment(const struct section *section, const char *name, void *base,
                                uint32_t *given, struct err *err);
enum errcode config_unknown(const char *file, const struct toml_leaf *leaf,
                            const struct section *const *near, size_t count, const char *key,
                            struct err *err);
/* "FILE:LINE:COLUMN: KEY why" */
enum errcode config_bad(const char *file, const struct toml_leaf *leaf, const char *why,
                        struct err *err);

#endif
