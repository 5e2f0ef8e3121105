/* All commands and all flags. Help, the parser and the manual follow this table. */
#include "cli.h"

#include <string.h>

#define AT(member) offsetof(struct settings, member)
#define END          \
    {                \
        .name = NULL \
    }

#define JSON_FLAG                                                                            \
    {                                                                                        \
        "json", NULL, FLAG_SWITCH, AT(json), 0, 0, NULL, "One JSON object a line on stdout." \
    }

#define STATISTICS_FLAG                                                                     \
    {                                                                                       \
        "statistics", NULL, FLAG_SWITCH, AT(statistics), 0, 0, NULL,                        \
            "Add the counters of the connection to the summary: links lost, barriers, ..." \
    }

enum { MOST = INT32_MAX };

static const struct flag broker_flags[] = {
    { "url", "URL", FLAG_TEXT, AT(url), 0, 0, "tcp://127.0.0.1:61616",
      "The broker, with connection options behind a question mark: tcp://HOST:PORT?NAME=VALUE&NAME=VALUE." },
    { "user", "NAME", FLAG_TEXT, AT(user), 0, 0, NULL, "Log in as this user." },
    { "password-file", "FILE", FLAG_TEXT, AT(password_file), 0, 0, NULL,
      "The password is the first line of this file. Without it: the environment variable REATTACH_PASSWORD." },
    { "password", "TEXT", FLAG_TEXT, AT(password), 0, 0, NULL,
      "The password itself; other users of this machine can see it while the command runs." },
    { "timeout", "SECONDS", FLAG_SECONDS, AT(timeout), 0, 86400, "10",
      "How long connecting may take, and closing at the end." },
    JSON_FLAG,
    END,
};

static const struct flag local_flags[] = { JSON_FLAG, END };

static const struct flag ping_flags[] = {
    { "count", "N", FLAG_INTEGER, AT(count), 1, 1000000, "1",
      "How many questions to ask the broker, one after the other." },
    END,
};

static const struct flag send_flags[] = {
    { "body", "TEXT", FLAG_TEXT, AT(body), 0, 0, NULL, "Send text messages with this text." },
    { "file", "FILE", FLAG_TEXT, AT(file), 0, 0, NULL, "Send bytes messages with what is in this file; - is stdin." },
    { "lines", NULL, FLAG_SWITCH, AT(lines), 0, 0, NULL, "Send each line of stdin as a text message, as it comes." },
    { "size", "BYTES", FLAG_INTEGER, AT(size), 0, 100 << 20, NULL,
      "Send bytes messages of this size with nothing of meaning in them." },
    { "count", "N", FLAG_INTEGER, AT(count), 1, MOST, NULL,
      "How many messages. Without it: one, or all lines. With nothing to send given: that many of 100 bytes." },
    { "durable", NULL, FLAG_SWITCH, AT(durable), 0, 0, NULL, "The broker keeps the messages on disk." },
    { "property", "KEY[:TYPE]=VALUE", FLAG_LIST, AT(properties), 0, 0, NULL,
      "A property of each message; as often as wanted. TYPE: string, boolean, byte, short, int, long, float, double; "
      "without one it is a string." },
    { "rate", "R", FLAG_INTEGER, AT(rate), 1, 10000000, NULL, "At most so many messages a second." },
    { "forget", NULL, FLAG_SWITCH, AT(forget), 0, 0, NULL,
      "Ask for no answers: sends are processed, not confirmed, and what the broker refuses is not told." },
    STATISTICS_FLAG,
    END,
};

static const struct flag receive_flags[] = {
    { "count", "N", FLAG_INTEGER, AT(count), 1, MOST, NULL, "End after so many messages. Without it: go on." },
    { "idle", "SECONDS", FLAG_SECONDS, AT(idle), 0, 86400, NULL,
      "End when no message came for so long while there was a connection. Without it: go on." },
    { "ack", "auto|individual|transacted", FLAG_WORD, AT(ack), 0, 0, "auto",
      "How messages are acknowledged: many at once, each by itself, or in transactions." },
    { "batch", "N", FLAG_INTEGER, AT(batch), 1, 100000, "100",
      "Messages in a transaction; it is also committed when no more come." },
    { "filter", "FILTER", FLAG_TEXT, AT(filter), 0, 0, NULL,
      "Only messages that match, such as \"kind = 'a' AND seq > 5\"." },
    { "quiet", NULL, FLAG_SWITCH, AT(quiet), 0, 0, NULL, "Do not print the messages." },
    { "no-check", NULL, FLAG_SWITCH, AT(no_check), 0, 0, NULL, "Do not look at the property seq." },
    STATISTICS_FLAG,
    END,
};

static const struct flag browse_flags[] = {
    { "count", "N", FLAG_INTEGER, AT(count), 1, MOST, NULL, "At most so many messages. Without it: all." },
    { "filter", "FILTER", FLAG_TEXT, AT(filter), 0, 0, NULL, "Only messages that match." },
    END,
};

static const struct flag create_flags[] = {
    { "address", "NAME", FLAG_TEXT, AT(address), 0, 0, NULL, "The address it is bound to. Without it: its own name." },
    { "multicast", NULL, FLAG_SWITCH, AT(multicast), 0, 0, NULL,
      "Each queue of the address gets each message. Without it: anycast, one of them does." },
    { "non-durable", NULL, FLAG_SWITCH, AT(non_durable), 0, 0, NULL, "It ends with the broker's process." },
    { "filter", "FILTER", FLAG_TEXT, AT(filter), 0, 0, NULL, "Only messages that match come into it." },
    END,
};

static const struct flag perf_flags[] = {
    { "cuts", "N", FLAG_INTEGER, AT(cuts), 1, 100000, "20", "How many times the link is reset." },
    { "interval", "SECONDS", FLAG_SECONDS, AT(interval), 0, 3600, "0.2", "From the end of one pause to the next cut." },
    { "outstanding", "N", FLAG_INTEGER, AT(outstanding), 1, 100000, "100", "Sends without an answer yet, at most." },
    { "size", "BYTES", FLAG_INTEGER, AT(size), 0, 65536, "100", "Size of the messages." },
    { "durable", NULL, FLAG_SWITCH, AT(durable), 0, 0, NULL, "Durable messages in a durable queue." },
    END,
};

static const struct flag mock_flags[] = {
    { "port", "N", FLAG_INTEGER, AT(port), 0, 65535, "0", "To listen on; 0: any that is free." },
    { "queue", "NAME", FLAG_LIST, AT(queues), 0, 0, NULL,
      "A durable queue that is there from the start; as often as wanted." },
    { "fault", "FAULT", FLAG_LIST, AT(faults), 0, 0, NULL,
      "What goes wrong, and when: \"reset,at=send,nth=3\", \"close,every=100..500\"; as often as wanted. See "
      "docs/mock.md." },
    { "control", NULL, FLAG_SWITCH, AT(control), 0, 0, NULL,
      "Take faults from stdin, one a line, also \"clear\" and \"counters\"; each is answered. The end of stdin ends "
      "the "
      "broker." },
    { "seed", "N", FLAG_INTEGER, AT(seed), 0, INT64_MAX, "1", "Of everything that is left to chance." },
    { "sync", "MS", FLAG_INTEGER, AT(sync), 0, 60000, "0", "So long does storing take at most, in milliseconds." },
    { "lost", "N", FLAG_INTEGER, AT(lost), 0, 100, "0",
      "Of 100 answers that could come while a session moves, so many are lost." },
    { "doubled", "N", FLAG_INTEGER, AT(doubled), 0, 100, "0",
      "Of 100 answers that are sent again, so many come twice." },
    { "protocol", "N", FLAG_INTEGER, AT(protocol), 129, 136, "136", "The version of CORE that it speaks." },
    END,
};

static const struct flag no_flags[] = { END };

const struct command commands[] = {
    { "ping", NULL, "Connects, logs in and asks the broker something.",
      "Prints how long connecting, the log-in and the answers (least, median, most) took.", ping_flags, broker_flags,
      run_ping },
    { "send", "QUEUE", "Sends messages, through lost connections if need be.",
      "One of --body, --file, --lines and --size says what to send. Each message gets an int property seq: 0, 1, 2, "
      "...\n"
      "QUEUE is an address; one that no queue is bound to is refused (with routeCheck=create in the URL it is made).\n"
      "Ends with a summary, on stderr or with --json as the last object on stdout.",
      send_flags, broker_flags, run_send },
    { "receive", "QUEUE", "Receives messages and prints their bodies.",
      "Prints one body a line, with --json one object a message. The property seq, where there is one, is checked: "
      "numbers\n"
      "that come twice, not in order, or not at all between the lowest and the highest. Ctrl-C acknowledges what was "
      "printed\n"
      "and ends. Ends with a summary, on stderr or with --json as the last object on stdout.",
      receive_flags, broker_flags, run_receive },
    { "browse", "QUEUE", "Prints the messages in a queue and leaves them there.", NULL, browse_flags, broker_flags,
      run_browse },
    { "queue list", NULL, "Lists the broker's queues.", "Takes a user who may manage the broker.", no_flags,
      broker_flags, run_queue_list },
    { "queue create", "QUEUE", "Creates a queue, and its address if there is none.", NULL, create_flags, broker_flags,
      run_queue_create },
    { "queue delete", "QUEUE", "Deletes a queue with the messages in it. It must have no consumers.", NULL, no_flags,
      broker_flags, run_queue_delete },
    { "queue purge", "QUEUE", "Removes all messages from a queue.", "Takes a user who may manage the broker.", no_flags,
      broker_flags, run_queue_purge },
    { "queue stat", "QUEUE", "Shows a queue's settings and counters.",
      "The last counters take a user who may manage the broker; for others they are left out.", no_flags, broker_flags,
      run_queue_stat },
    { "perf reattach", NULL, "Measures how long a cut connection keeps sends from being confirmed.",
      "The connection runs through a forwarder inside the command, which resets it. A pause is the time from a cut to "
      "the\n"
      "first confirmation of a message that was sent after it. The queue is made for it and deleted again; what "
      "arrives\n"
      "there is counted, so lost and doubled are seen, not assumed. The URL names one broker.",
      perf_flags, broker_flags, run_perf_reattach },
    { "mock", NULL, "Is a broker for tests, which misbehaves on command.",
      "Listens on 127.0.0.1, keeps queues in memory, lets every user in. Prints its URL first. Ends with Ctrl-C or "
      "SIGTERM, and\n"
      "then with its counters, on stderr or with --json as the last object on stdout. "
      "Exit status 2: the port cannot be had.",
      mock_flags, local_flags, run_mock },
    END,
};

const struct command *command_find(int argc, char **argv, int *words_out)
{
    for (const struct command *c = commands; c->name != NULL; c++) {
        const char *space = strchr(c->name, ' ');
        size_t first = space != NULL ? (size_t)(space - c->name) : strlen(c->name);

        if (argc < 1 || strlen(argv[0]) != first || strncmp(argv[0], c->name, first) != 0)
            continue;
        if (space == NULL || (argc > 1 && strcmp(argv[1], space + 1) == 0)) {
            *words_out = space == NULL ? 1 : 2;
            return c;
        }
    }
    return NULL;
}
