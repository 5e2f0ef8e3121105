/* What the files of the command share: the settings, the table of commands, and words to the user. */
#ifndef REATTACH_CLI_H
#define REATTACH_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum exit_status {
    EXIT_WELL = 0,
    EXIT_USAGE = 1,   /* the command line or the URL is wrong */
    EXIT_CONNECT = 2, /* the broker could not be reached, or refused the user */
    EXIT_LEFT = 3     /* work is left without a good outcome */
};

struct texts {
    const char **items;
    int count;
};

/* Values of all flags; each command uses its own. */
struct settings {
    bool help;
    const char *queue; /* the operand */
    const char *url, *user, *password, *password_file;
    double timeout; /* seconds */
    bool json, statistics;
    int64_t count; /* 0: not given */
    int64_t size;  /* -1: not given */
    int64_t rate;  /* 0: as fast as it goes */
    int64_t batch;
    const char *body, *file;
    bool lines, durable, forget;
    struct texts properties; /* KEY=VALUE, KEY:TYPE=VALUE */
    const char *ack, *filter;
    double idle; /* seconds; 0: for ever */
    bool quiet, no_check;
    const char *address;
    bool multicast, non_durable;
    int64_t cuts, outstanding;
    double interval;
    int64_t port, seed, protocol, sync, lost, doubled;
    struct texts queues, faults;
    bool control;
};

enum flag_kind { FLAG_SWITCH, FLAG_TEXT, FLAG_LIST, FLAG_WORD, FLAG_INTEGER, FLAG_SECONDS };

struct flag {
    const char *name;  /* without the dashes */
    const char *value; /* what stands for its value in help; of FLAG_WORD: the words, "a|b|c" */
    int kind;
    size_t at;           /* in struct settings */
    int64_t min, max;    /* of numbers, in their unit */
    const char *initial; /* the default as it would be typed; NULL: none */
    const char *text;
};

struct command {
    const char *name;    /* one word or two */
    const char *operand; /* NULL: none */
    const char *text;    /* one line */
    const char *more;    /* what help says below, may be NULL */
    const struct flag *flags;
    const struct flag *shared;                   /* flags that others have as well */
    int (*run)(const struct settings *settings); /* an exit status; has said what was wrong */
};

extern const struct command commands[]; /* ends with a NULL name; so do tables of flags */
const struct command *command_find(int argc, char **argv, int *words_out);

/* Fills settings from the words behind the command's name; false when it has complained. */
bool flags_read(const struct command *command, int argc, char **argv, struct settings *settings);
bool flags_ask_for_help(const char *word);
void settings_free(struct settings *settings);
/* The name in a list (separated by | or spaces) that is nearest to this one, NULL if none is near; out holds it. */
const char *nearest(const char *word, const char *list, char out[64]);

void help_all(FILE *out);
/* The commands whose first word this is; false: there are none. */
bool help_group(const char *word, FILE *out);
void help_command(const struct command *command, FILE *out);

int run_send(const struct settings *settings);
int run_receive(const struct settings *settings);
int run_browse(const struct settings *settings);
int run_ping(const struct settings *settings);
int run_queue_list(const struct settings *settings);
int run_queue_create(const struct settings *settings);
int run_queue_delete(const struct settings *settings);
int run_queue_purge(const struct settings *settings);
int run_queue_stat(const struct settings *settings);
int run_perf_reattach(const struct settings *settings);
int run_mock(const struct settings *settings);

#endif
