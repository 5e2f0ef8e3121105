/* The command `reattach`. Start reading at commands.c. */
#include "cli.h"

#include <string.h>

#include "terminal.h"

static int unknown_command(int argc, char **argv)
{
    char list[512] = "", near[64];
    const char *word = argv[0];
    size_t group = strlen(argv[0]);
    bool grouped = false;

    for (const struct command *c = commands; c->name != NULL; c++) {
        if (strncmp(c->name, argv[0], group) == 0 && c->name[group] == ' ') {
            if (!grouped)
                list[0] = '\0';
            grouped = true;
            snprintf(list + strlen(list), sizeof list - strlen(list), "%s|", c->name + group + 1);
        } else if (!grouped) {
            snprintf(list + strlen(list), sizeof list - strlen(list), "%.*s|", (int)strcspn(c->name, " "), c->name);
        }
    }
    if (!grouped)
        snprintf(list + strlen(list), sizeof list - strlen(list), "help");
    else
        list[strlen(list) - 1] = '\0';
    if (grouped && argc < 2) {
        complain("%s: one of %s is missing", argv[0], list);
        return EXIT_USAGE;
    }
    word = grouped ? argv[1] : argv[0];
    if (nearest(word, list, near) != NULL)
        complain("unknown command \"%s%s%s\"; the nearest one is \"%s%s%s\"", grouped ? argv[0] : "",
                 grouped ? " " : "", word, grouped ? argv[0] : "", grouped ? " " : "", near);
    else
        complain("unknown command \"%s%s%s\"; \"reattach help\" lists them", grouped ? argv[0] : "", grouped ? " " : "",
                 word);
    return EXIT_USAGE;
}

static int run_help(int argc, char **argv)
{
    int words;
    const struct command *command;

    if (argc == 0) {
        help_all(stdout);
        return EXIT_WELL;
    }
    command = command_find(argc, argv, &words);
    if (command == NULL)
        return unknown_command(argc, argv);
    help_command(command, stdout);
    return EXIT_WELL;
}

static int run_command(const struct command *command, int argc, char **argv)
{
    struct settings settings;
    int status = EXIT_USAGE;

    terminal_command(command->name);
    if (flags_read(command, argc, argv, &settings)) {
        if (settings.help)
            help_command(command, stdout);
        status = settings.help ? EXIT_WELL : command->run(&settings);
    }
    settings_free(&settings);
    return status;
}

int main(int argc, char **argv)
{
    int words = 0;
    const struct command *command;

    if (argc < 2) {
        help_all(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "help") == 0 || flags_ask_for_help(argv[1]))
        return run_help(argc - 2, argv + 2);
    if (strcmp(argv[1], "--version") == 0) {
        printf("reattach %s\n", REATTACH_VERSION);
        return EXIT_WELL;
    }
    if (argv[1][0] == '-') {
        complain("\"%s\" comes before the command; flags stand behind it: reattach COMMAND [FLAGS]", argv[1]);
        return EXIT_USAGE;
    }
    command = command_find(argc - 1, argv + 1, &words);
    if (command == NULL)
        return unknown_command(argc - 1, argv + 1);
    return run_command(command, argc - 1 - words, argv + 1 + words);
}
