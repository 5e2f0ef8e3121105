#ifndef REATTACH_CLI_PROPERTIES_H
#define REATTACH_CLI_PROPERTIES_H

#include <reattach/message.h>

/* Sets KEY=VALUE or KEY:TYPE=VALUE. Not 0: it did not, and has complained unless there is an error. */
int property_set(ra_message *message, const char *text, ra_error **err);

#endif
