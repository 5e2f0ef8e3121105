/* Where the bodies come from that send sends. */
#ifndef REATTACH_CLI_SOURCE_H
#define REATTACH_CLI_SOURCE_H

#include <reattach/message.h>

#include "cli.h"

enum source_state { SOURCE_READY, SOURCE_WAIT, SOURCE_END, SOURCE_FAILED };

struct source {
    ra_message *message; /* with the body to send; what send changes in it stays */
    int64_t count;       /* how many there are, -1 until the end of the lines */
    bool lines;
    char *buffer; /* of stdin: a line being read, or what follows it */
    size_t used, room, taken;
    bool ended;
};

/* An exit status after a complaint, or 0. */
int source_open(struct source *source, const struct settings *settings);
/* Makes the next body that of the message. SOURCE_WAIT: stdin has no whole line yet; poll it and call again. */
int source_next(struct source *source, int64_t number);
void source_close(struct source *source);

#endif
