/* The command `reattach`. Start reading at commands.c. */
#include "cli.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "print.h"
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
    const struct command *command = command_find(argc, argv, &words);

    if (argc == 0 || flags_ask_for_help(argv[0]))
        help_all(stdout);
    else if (command != NULL)
        help_command(command, stdout);
    else if (argc > 1 || !help_group(argv[0], stdout))
        return unknown_command(argc, argv);
    return print_flushed() ? EXIT_WELL : EXIT_LEFT;
}

static int run_command(const struct command *command, int argc, char **argv)
{
    struct settings settings;
    int status = EXIT_USAGE;

    terminal_command(command->name);
    if (flags_read(command, argc, argv, &settings)) {
        if (settings.help)
            help_command(command, stdout);
        status = !settings.help ? command->run(&settings) : print_flushed() ? EXIT_WELL : EXIT_LEFT;
    }
    settings_free(&settings);
    return status;
}

/* A connection may not get the number of a stream that was closed: it would be read as stdin, or written to by what
 * prints. What stands in cannot be read, or written to, either. */
static bool streams_are_open(void)
{
    for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++) {
        if (fcntl(i, F_GETFD) < 0 && open("/dev/null", i == STDIN_FILENO ? O_WRONLY : O_RDONLY) != i)
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    int words = 0;
    const struct command *command;

    if (!streams_are_open())
        return EXIT_LEFT; /* and nowhere to say so */
    if (argc < 2) {
        help_all(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "help") == 0 || flags_ask_for_help(argv[1]))
        return run_help(argc - 2, argv + 2);
    if (strcmp(argv[1], "--version") == 0) {
        printf("reattach %s\n", REATTACH_VERSION);
        return print_flushed() ? EXIT_WELL : EXIT_LEFT;
    }
    if (argv[1][0] == '-') {
        complain("\"%s\" comes before the command; flags stand behind it: reattach COMMAND [FLAGS]", argv[1]);
        return EXIT_USAGE;
    }
    command = command_find(argc - 1, argv + 1, &words);
    if (command == NULL && argc > 2 && flags_ask_for_help(argv[2]))
        return run_help(1, argv + 1);
    if (command == NULL)
        return unknown_command(argc - 1, argv + 1);
    return run_command(command, argc - 1 - words, argv + 1 + words);
}
