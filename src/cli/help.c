/* Help and completions, from the two tables. Pure. */
#include <string.h>

#include "base/printable.h"
#include "cli/cli.h"

enum { USAGE_WIDTH = 18 };

static void add_option(struct buf *out, enum option_id id)
{
    char name[64];

    snprintf(name, sizeof name, "--%s%s%s", cli_options[id].name,
             cli_options[id].arg != NULL ? " " : "",
             cli_options[id].arg != NULL ? cli_options[id].arg : "");
    if (cli_options[id].letter != 0)
        buf_printf(out, "  -%c, %-22s %s\n", cli_options[id].letter, name, cli_options[id].help);
    else
        buf_printf(out, "      %-22s %s\n", name, cli_options[id].help);
}

static void add_general(struct buf *out)
{
    buf_str(out, "\nGeneral options:\n");
    for (int i = 0; i < OPT_COUNT; i++) {
        if (cli_options[i].everywhere)
            add_option(out, (enum option_id)i);
    }
}

static void help_command(const struct command *command, struct buf *out)
{
    buf_printf(out, "ultramcp-restate %s%s%s: %s\n", command->name,
               command->args[0] != '\0' ? " " : "", command->args, command->help);
    if (command->options[0] != OPT_COUNT)
        buf_str(out, "\nOptions:\n");
    for (size_t i = 0; command->options[i] != OPT_COUNT; i++)
        add_option(out, command->options[i]);
    add_general(out);
}

void cli_help(const struct command *command, struct buf *out)
{
    size_t count;
    const struct command *list = cli_commands(&count);

    if (command != NULL) {
        help_command(command, out);
        return;
    }
    buf_str(out, "ultramcp-restate: durable workflows of AI agents\n\n"
                 "  ultramcp-restate --serve            run the server\n"
                 "  ultramcp-restate COMMAND [OPTIONS]  do one thing\n\nCommands:\n");
    for (size_t i = 0; i < count; i++) {
        int width = (int)(strlen(list[i].name) + 1 + printable_width(list[i].args));

        buf_printf(out, "  %s %s%*s %s\n", list[i].name, list[i].args,
                   width < USAGE_WIDTH ? USAGE_WIDTH - width : 0, "", list[i].help);
    }
    add_general(out);
    buf_str(out, "\nExit status: 0 done, 1 faulted or not valid, 2 usage, 3 cancelled, 4 no server "
                 "and no store.\n");
}

/* ---- completion ---------------------------------------------------------------------------------
 */

static void add_words(struct buf *out, const struct command *command)
{
    for (int i = 0; i < OPT_COUNT; i++) {
        if (cli_allows(command, (enum option_id)i) && i != OPT_PAYLOAD)
            buf_printf(out, "--%s ", cli_options[i].name);
    }
}

void cli_complete_bash(struct buf *out)
{
    size_t count;
    const struct command *list = cli_commands(&count);

    buf_str(out, "_ultramcp_restate() {\n"
                 "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} w cmd=\n"
                 "    COMPREPLY=()\n"
                 "    case $prev in\n"
                 "    --config|-c) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
                 "    --data|-d|--workflows|-w) COMPREPLY=($(compgen -d -- \"$cur\")); return ;;\n"
                 "    --status) COMPREPLY=($(compgen -W \"pending running waiting suspended "
                 "completed faulted cancelled\" -- \"$cur\")); return ;;\n"
                 "    esac\n"
                 "    for w in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
                 "        case $w in\n        ");
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%s%s", i > 0 ? "|" : "", list[i].name);
    buf_str(out, ") cmd=$w; break ;;\n        esac\n    done\n    case $cmd in\n    '') "
                 "COMPREPLY=($(compgen -W \"");
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%s ", list[i].name);
    add_words(out, NULL);
    buf_str(out, "\" -- \"$cur\")) ;;\n");
    for (size_t i = 0; i < count; i++) {
        const struct command *c = &list[i];

        buf_printf(out, "    %s) ", c->name);
        if (strncmp(c->args, "FILE", 4) == 0)
            buf_str(out,
                    "[[ $cur == -* ]] || { COMPREPLY=($(compgen -f -- \"$cur\")); return; }; ");
        buf_str(out, "COMPREPLY=($(compgen -W \"");
        if (strcmp(c->args, "bash") == 0)
            buf_str(out, "bash ");
        add_words(out, c);
        buf_str(out, "\" -- \"$cur\")) ;;\n");
    }
    buf_str(out, "    esac\n}\ncomplete -F _ultramcp_restate ultramcp-restate\n");
}
