/* What goes to stdout. Each object or body is flushed, so that nobody acknowledges what was not written. */
#ifndef REATTACH_CLI_PRINT_H
#define REATTACH_CLI_PRINT_H

#include <jansson.h>
#include <reattach/message.h>
#include <stdbool.h>

/* Writes what was printed; false: it has complained. */
bool print_flushed(void);
/* One object on one line; takes it. false: it has complained. */
bool print_json(json_t *object);
/* The body and a newline, or the whole message as an object. */
bool print_message(ra_message *message, bool json);

#endif
