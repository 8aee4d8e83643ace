/* One value of a setting: from text or TOML into its field, with what was expected when it does not
 * fit. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config_internal.h"
#include "base/mem.h"

enum { ITEMS_MAX = 256, VALUE_MAX = 4096, HOST_MAX = 260 };

struct unit {
    const char *name;
    double factor;
};

static const struct unit spans[] = {{"d", 86400000}, {"h", 3600000}, {"ms", 1},
                                    {"m", 60000},    {"s", 1000},    {NULL, 0}};
static const struct unit sizes[] = {
    {"GiB", 1073741824}, {"MiB", 1048576}, {"KiB", 1024}, {"B", 1}, {NULL, 0}};
static const char *const levels[] = {"debug", "info", "warn", "error", NULL};

static bool is_list(const struct setting *s)
{
    return s->kind >= SETTING_WORDS;
}

static bool is_text(const struct setting *s)
{
    return s->kind <= SETTING_LEVEL;
}

static void *field(void *base, size_t at)
{
    return (char *)base + at;
}

/* ---- what is expected ---------------------------------------------------------------------------
 */

/* 90000 in ms is "90s": the largest unit that divides it. */
static void show(char *out, size_t size, double value, const struct unit *units)
{
    const struct unit *best = NULL;

    for (const struct unit *u = units; u->name != NULL; u++) {
        if (fmod(value, u->factor) == 0 && (best == NULL || u->factor > best->factor))
            best = u;
    }
    if (value == 0)
        snprintf(out, size, units == spans ? "0s" : "0");
    else if (best != NULL)
        snprintf(out, size, "%.0f%s", value / best->factor, best->name);
}

static bool expected_range(const struct setting *s, char *why)
{
    const struct unit *units = s->kind == SETTING_SPAN ? spans : sizes;
    const char *what = s->kind == SETTING_SPAN ? "duration" : "size";
    char least[32] = "", most[32] = "";

    switch (s->kind) {
    case SETTING_COUNT:
        snprintf(why, SETTING_WHY_MAX, "must be a whole number from %.0f to %.0f", s->least,
                 s->most);
        break;
    case SETTING_REAL:
        snprintf(why, SETTING_WHY_MAX, "must be a number from %g to %g", s->least, s->most);
        break;
    default:
        show(least, sizeof least, s->least, units);
        show(most, sizeof most, s->most, units);
        snprintf(why, SETTING_WHY_MAX, "must be a %s from %s to %s, like %s", what, least, most,
                 s->kind == SETTING_SPAN ? "\"500ms\", \"30s\" or \"7d\""
                                         : "\"64KiB\" or \"4MiB\"");
    }
    return false;
}

static bool expected(const struct setting *s, char *why)
{
    static const char *const words[] = {
        [SETTING_TEXT] = "must be a text of 1 to 4095 bytes without control characters",
        [SETTING_PATH] = "must be a path",
        [SETTING_ADDRESS] = "must be an address like \"127.0.0.1:8080\", or \"\" for none",
        [SETTING_URL] = "must be a URL that begins with http:// or https://",
        [SETTING_NAME] = "must be the name of an environment variable",
        [SETTING_LEVEL] = "must be debug, info, warn or error",
        [SETTING_FLAG] = "must be true or false",
        [SETTING_WORDS] = "must be a list of at most 256 texts, like [\"a\", \"b\"]",
        [SETTING_PATHS] = "must be a list of at most 256 paths, like [\"a\", \"b\"]",
        [SETTING_HOSTS] = "must be a list of at most 256 hosts, like [\"host\", \"host:8001\"]",
        [SETTING_PATTERNS] = "must be a list of at most 256 hosts, like [\"api.example.com\", "
                             "\"*.example.com:443\"]",
    };

    if (words[s->kind] == NULL)
        return expected_range(s, why);
    snprintf(why, SETTING_WHY_MAX, "%s", words[s->kind]);
    return false;
}

/* ---- numbers ------------------------------------------------------------------------------------
 */

static bool set_number(const struct setting *s, void *base, double value, char *why)
{
    void *at = field(base, s->at);

    if (!(value >= s->least && value <= s->most))
        return expected(s, why);
    switch (s->kind) {
    case SETTING_COUNT:
        *(uint32_t *)at = (uint32_t)value;
        break;
    case SETTING_SIZE:
        *(uint64_t *)at = (uint64_t)llround(value);
        break;
    case SETTING_SPAN:
        *(int64_t *)at = llround(value);
        break;
    default:
        *(double *)at = value;
    }
    return true;
}

/* Digits, with a fraction perhaps; moves `*p` behind them. */
static bool read_amount(const char **p, double *amount)
{
    size_t whole = strspn(*p, "0123456789"), len = whole;
    char digits[32];

    if (whole == 0)
        return false;
    if ((*p)[len] == '.') {
        size_t part = strspn(*p + len + 1, "0123456789");

        if (part == 0)
            return false;
        len += 1 + part;
    }
    if (len >= sizeof digits)
        return false;
    memcpy(digits, *p, len);
    digits[len] = '\0';
    *amount = strtod(digits, NULL);
    *p += len;
    return true;
}

static const struct unit *read_unit(const char **p, const struct unit *units)
{
    size_t len = strspn(*p, "BGKMabcdefghijklmnopqrstuvwxyz");

    for (; units->name != NULL; units++) {
        if (strlen(units->name) == len && strncmp(*p, units->name, len) == 0) {
            *p += len;
            return units;
        }
    }
    return NULL;
}

/* "1h30m": amounts of falling units. */
static bool read_span(const char *text, double *ms)
{
    double last = INFINITY;

    *ms = 0;
    do {
        double amount;
        const struct unit *unit;

        if (!read_amount(&text, &amount) || (unit = read_unit(&text, spans)) == NULL ||
            unit->factor >= last)
            return false;
        last = unit->factor;
        *ms += amount * unit->factor;
    } while (*text != '\0');
    return true;
}

static bool read_size(const char *text, double *bytes)
{
    const struct unit *unit;

    if (!read_amount(&text, bytes))
        return false;
    text += *text == ' ';
    if (*text == '\0')
        return true;
    unit = read_unit(&text, sizes);
    if (unit == NULL)
        return false;
    *bytes *= unit->factor;
    return *text == '\0';
}

static bool number_from_text(const struct setting *s, void *base, const char *text, char *why)
{
    double value = -1;
    bool ok;

    if (s->kind == SETTING_SPAN)
        ok = read_span(text, &value);
    else if (s->kind == SETTING_SIZE)
        ok = read_size(text, &value);
    else
        ok = read_amount(&text, &value) && *text == '\0' &&
             (s->kind == SETTING_REAL || value == floor(value));
    return ok ? set_number(s, base, value, why) : expected(s, why);
}

/* ---- texts --------------------------------------------------------------------------------------
 */

static bool is_address(const char *text)
{
    const char *colon = strrchr(text, ':');
    size_t digits = colon != NULL ? strlen(colon + 1) : 0;

    if (*text == '\0')
        return true;
    if (digits == 0 || digits > 5 || strspn(colon + 1, "0123456789") != digits ||
        strtoul(colon + 1, NULL, 10) > 65535)
        return false;
    if (*text == '[')
        return colon > text && colon[-1] == ']';
    return memchr(text, ':', (size_t)(colon - text)) == NULL && strpbrk(text, " /\t@") == NULL;
}

static bool is_url(const char *text)
{
    size_t scheme = strncmp(text, "http://", 7) == 0    ? 7
                    : strncmp(text, "https://", 8) == 0 ? 8
                                                        : 0;

    return scheme > 0 && strchr("/:?#", text[scheme]) == NULL && strpbrk(text, " \\\"<>") == NULL;
}

static bool is_name(const char *text)
{
    return (isalpha((unsigned char)*text) || *text == '_') &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") ==
               strlen(text);
}

static bool is_host(const char *text, bool pattern)
{
    const char *from = pattern && strncmp(text, "*.", 2) == 0 ? text + 2 : text;
    size_t len =
        strspn(from, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:[]");

    return *from != '\0' && *from != ':' && from[len] == '\0' && strlen(text) < HOST_MAX;
}

static bool fits(enum setting_kind kind, const char *text)
{
    if (strlen(text) >= VALUE_MAX)
        return false;
    for (const char *p = text; *p != '\0'; p++) {
        if (iscntrl((unsigned char)*p))
            return false;
    }
    switch (kind) {
    case SETTING_ADDRESS:
        return is_address(text);
    case SETTING_URL:
        return is_url(text);
    case SETTING_NAME:
        return is_name(text);
    case SETTING_HOSTS:
        return is_host(text, false);
    case SETTING_PATTERNS:
        return is_host(text, true);
    case SETTING_LEVEL:
        for (size_t i = 0; levels[i] != NULL; i++) {
            if (strcmp(levels[i], text) == 0)
                return true;
        }
        return false;
    default:
        return *text != '\0';
    }
}

static char *settled(enum setting_kind kind, const char *text)
{
    const char *home = getenv("HOME");
    size_t len = strlen(text);

    if ((kind == SETTING_PATH || kind == SETTING_PATHS) && strncmp(text, "~/", 2) == 0 &&
        home != NULL)
        return mem_printf("%s/%s", home, text + 2);
    while (kind == SETTING_URL && text[len - 1] == '/')
        len--;
    return mem_strndup(text, len);
}

static bool set_text(const struct setting *s, void *base, const char *text, char *why)
{
    char **at = field(base, s->at);

    if (!fits(s->kind, text))
        return expected(s, why);
    free(*at);
    *at = settled(s->kind, text);
    return true;
}

/* ---- lists --------------------------------------------------------------------------------------
 */

static bool set_list(const struct setting *s, void *base, const char *const *items, size_t count,
                     char *why)
{
    for (size_t i = 0; i < count; i++) {
        if (!fits(s->kind, items[i]))
            return expected(s, why);
    }
    if (count > ITEMS_MAX)
        return expected(s, why);
    setting_free(s, base);
    if (count == 0)
        return true;
    char **list = mem_array(NULL, count, sizeof *list);
    for (size_t i = 0; i < count; i++)
        list[i] = settled(s->kind, items[i]);
    *(char ***)field(base, s->at) = list;
    *(size_t *)field(base, s->count_at) = count;
    return true;
}

static bool list_from_text(const struct setting *s, void *base, const char *text, char *why)
{
    const char *items[ITEMS_MAX + 1];
    size_t count = 0;
    char *copy = mem_strdup(text), *rest = copy;

    while (*text != '\0' && rest != NULL && count <= ITEMS_MAX) {
        char *item = strsep(&rest, ",");

        item += strspn(item, " ");
        for (size_t len = strlen(item); len > 0 && item[len - 1] == ' '; len--)
            item[len - 1] = '\0';
        items[count++] = item;
    }
    bool ok = set_list(s, base, items, count, why);
    free(copy);
    return ok;
}

/* ---- any ----------------------------------------------------------------------------------------
 */

bool setting_from_text(const struct setting *s, void *base, const char *text, char *why)
{
    if (is_text(s))
        return set_text(s, base, text, why);
    if (is_list(s))
        return list_from_text(s, base, text, why);
    if (s->kind != SETTING_FLAG)
        return number_from_text(s, base, text, why);
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return expected(s, why);
    *(bool *)field(base, s->at) = *text == 't';
    return true;
}

bool setting_from_leaf(const struct setting *s, void *base, const struct toml_leaf *leaf, char *why)
{
    switch (leaf->kind) {
    case TOML_STRING:
        if (is_text(s) || s->kind == SETTING_SPAN || s->kind == SETTING_SIZE)
            return setting_from_text(s, base, leaf->text, why);
        break;
    case TOML_INTEGER:
        if (s->kind == SETTING_COUNT || s->kind == SETTING_SIZE || s->kind == SETTING_REAL)
            return set_number(s, base, (double)leaf->integer, why);
        break;
    case TOML_REAL:
        if (s->kind == SETTING_REAL)
            return set_number(s, base, leaf->real, why);
        break;
    case TOML_BOOLEAN:
        if (s->kind != SETTING_FLAG)
            break;
        *(bool *)field(base, s->at) = leaf->truth;
        return true;
    case TOML_LIST:
        if (is_list(s))
            return set_list(s, base, leaf->items, leaf->count, why);
        break;
    case TOML_TABLE:
    case TOML_OTHER:
        break;
    }
    return expected(s, why);
}

void setting_copy(const struct setting *s, void *to, const void *from)
{
    static const size_t widths[] = {[SETTING_FLAG] = sizeof(bool),
                                    [SETTING_COUNT] = sizeof(uint32_t),
                                    [SETTING_SIZE] = sizeof(uint64_t),
                                    [SETTING_SPAN] = sizeof(int64_t),
                                    [SETTING_REAL] = sizeof(double)};

    memcpy(field(to, s->at), (const char *)from + s->at, widths[s->kind]);
}

void setting_free(const struct setting *s, void *base)
{
    if (is_text(s)) {
        free(*(char **)field(base, s->at));
        *(char **)field(base, s->at) = NULL;
    } else if (is_list(s)) {
        char **list = *(char ***)field(base, s->at);
        size_t *count = field(base, s->count_at);

        for (size_t i = 0; i < *count; i++)
            free(list[i]);
        free(list);
        *(char ***)field(base, s->at) = NULL;
        *count = 0;
    }
}
