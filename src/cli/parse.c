/* Options and arguments by the two tables. Pure. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/words.h"
#include "cli/cli.h"

enum { LONG_BASE = 1000 }; /* getopt's value of a long option: this + its id */

bool cli_allows(const struct command *command, enum option_id id)
{
    if (cli_options[id].everywhere)
        return true;
    for (size_t i = 0; command != NULL && command->options[i] != OPT_COUNT; i++) {
        if (command->options[i] == id)
            return true;
    }
    return false;
}

bool cli_duration(const char *text, int64_t *ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"", 1000},       {"ms", 1},          {"s", 1000},
                 {"m", 60 * 1000}, {"h", 3600 * 1000}, {"d", 24 * 3600 * 1000}};
    char *end;
    double n = strtod(text, &end);

    if (end == text || text[0] == '-' || !(n >= 0 && n <= 1e9))
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(end, units[i].unit) == 0) {
            double value = n * (double)units[i].ms;

            *ms = (int64_t)value;
            return value <= 100.0 * 365 * 24 * 3600 * 1000;
        }
    }
    return false;
}

static const struct command *find_command(const char *name)
{
    size_t count;
    const struct command *list = cli_commands(&count);

    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i].name, name) == 0)
            return &list[i];
    }
    return NULL;
}

/* ---- usage errors -------------------------------------------------------------------------------
 */

static int usage(const struct cli *c, struct buf *out)
{
    buf_printf(out, "try: ultramcp-restate %s%s--help", c->command != NULL ? c->command->name : "",
               c->command != NULL ? " " : "");
    return CLI_USAGE;
}

static int unknown_command(const struct cli *c, const char *word, struct buf *out)
{
    const char *words[64];
    size_t count;
    const struct command *list = cli_commands(&count);

    for (size_t i = 0; i < count; i++)
        words[i] = list[i].name;
    const char *near = words_closest(word, words, count);
    buf_printf(out, "there is no command \"%s\": ", word);
    if (near != NULL)
        buf_printf(out, "did you mean \"%s\"? ", near);
    return usage(c, out);
}

static int unknown_option(const struct cli *c, const char *word, struct buf *out)
{
    const char *words[OPT_COUNT];
    size_t count = 0;

    for (int i = 0; i < OPT_COUNT; i++) {
        if (cli_allows(c->command, (enum option_id)i))
            words[count++] = cli_options[i].name;
    }
    const char *near = strncmp(word, "--", 2) == 0 ? words_closest(word + 2, words, count) : NULL;
    buf_printf(out, "there is no option \"%s\": ", word);
    if (near != NULL)
        buf_printf(out, "did you mean --%s? ", near);
    return usage(c, out);
}

/* ---- parsing ------------------------------------------------------------------------------------
 */

static void build(struct option *longs, char *shorts)
{
    size_t n = 0;

    *shorts++ =
        '-'; /* arguments come in their order, so that what stands before the command shows */
    *shorts++ = ':';
    for (int i = 0; i < OPT_COUNT; i++) {
        if (i == OPT_PAYLOAD)
            continue; /* another meaning of --data, see take */
        longs[n++] = (struct option){cli_options[i].name,
                                     cli_options[i].arg != NULL ? required_argument : no_argument,
                                     NULL, LONG_BASE + i};
        if (cli_options[i].letter != 0) {
            *shorts++ = (char)cli_options[i].letter;
            if (cli_options[i].arg != NULL)
                *shorts++ = ':';
        }
    }
    *shorts = '\0';
}

static enum option_id id_of(int value)
{
    for (int i = 0; i < OPT_COUNT; i++) {
        if (value == LONG_BASE + i || value == cli_options[i].letter)
            return (enum option_id)i;
    }
    return OPT_COUNT;
}

/* An option, with its argument or NULL. --data behind a command that has a payload is that. */
static int take(struct cli *c, enum option_id id, char *value, struct buf *out)
{
    if (id == OPT_DATA && c->command != NULL && cli_allows(c->command, OPT_PAYLOAD))
        id = OPT_PAYLOAD;
    if (id == OPT_WORKFLOWS) {
        c->workflows = mem_array(c->workflows, c->workflow_count + 1, sizeof *c->workflows);
        c->workflows[c->workflow_count++] = value;
    } else if (c->values[id] != NULL && value != NULL) {
        buf_printf(out, "--%s was given twice: give it once", cli_options[id].name);
        return CLI_USAGE;
    }
    c->values[id] = value != NULL ? value : "";
    return CLI_OK;
}

static int take_word(struct cli *c, char *word, struct buf *out)
{
    if (c->command == NULL) {
        c->command = find_command(word);
        return c->command != NULL ? CLI_OK : unknown_command(c, word, out);
    }
    c->args[c->arg_count++] = word;
    return CLI_OK;
}

static int check(const struct cli *c, struct buf *out)
{
    const struct command *command = c->command;

    if (c->values[OPT_HELP] != NULL || c->values[OPT_VERSION] != NULL)
        return CLI_OK;
    for (int i = 0; i < OPT_COUNT; i++) {
        if (c->values[i] == NULL || cli_allows(command, (enum option_id)i))
            continue;
        buf_printf(out, "--%s does not go with %s: ", cli_options[i].name,
                   command != NULL ? command->name : "no command");
        return usage(c, out);
    }
    if (c->values[OPT_SERVE] != NULL && command != NULL) {
        buf_printf(out, "--serve takes no command, and \"%s\" is one: ", command->name);
        return usage(c, out);
    }
    if (command != NULL &&
        (c->arg_count < command->least || (command->most >= 0 && c->arg_count > command->most))) {
        buf_printf(out, "%s takes %s, not %d argument%s: ", command->name,
                   command->args[0] != '\0' ? command->args : "no argument", c->arg_count,
                   c->arg_count == 1 ? "" : "s");
        return usage(c, out);
    }
    return CLI_OK;
}

int cli_parse(struct cli *c, int argc, char **argv, struct buf *out)
{
    struct option longs[OPT_COUNT + 1] = {0};
    char shorts[2 * OPT_COUNT + 3];
    int value, status = CLI_OK;

    build(longs, shorts);
    c->args = mem_array(NULL, (size_t)argc + 1, sizeof *c->args);
    c->arg_count = 0;
    optind = 0; /* glibc: start anew, with the first character of `shorts` looked at */
    opterr = 0;
    while (status == CLI_OK && (value = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        const char *word = argv[optind - 1];
        char letter[3] = {'-', (char)optopt, '\0'};

        if (value == 1) {
            status = take_word(c, optarg, out);
        } else if (value == ':') {
            buf_printf(out, "%s needs a value: ", word);
            status = usage(c, out);
        } else if (value == '?') {
            status = unknown_option(c, optopt > 0 && optopt < 256 ? letter : word, out);
        } else {
            status = take(c, id_of(value), optarg, out);
        }
    }
    for (; status == CLI_OK && optind < argc; optind++)
        status = take_word(c, argv[optind], out);
    c->args[c->arg_count] = NULL;
    return status == CLI_OK ? check(c, out) : status;
}

void cli_parse_fini(struct cli *c)
{
    free(c->args);
    free(c->workflows);
    c->args = c->workflows = NULL;
}
