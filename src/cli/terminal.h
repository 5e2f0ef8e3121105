/* What the user reads on stderr: complaints always, progress and events only on a terminal. */
#ifndef REATTACH_CLI_TERMINAL_H
#define REATTACH_CLI_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))

void terminal_command(const char *name); /* complaints begin with it */
bool terminal_watched(void);             /* somebody looks */
/* One line, always; returns false, for "return complain(...)". */
bool complain(const char *format, ...) PRINTF_LIKE(1, 2);
/* One line that stays, on a terminal. */
void terminal_say(const char *format, ...) PRINTF_LIKE(1, 2);
/* True a few times a second on a terminal: time for a new terminal_progress(). */
bool terminal_due(void);
/* The line that the next one replaces. */
void terminal_progress(const char *format, ...) PRINTF_LIKE(1, 2);
/* Takes the progress line away before something else is printed. */
void terminal_clear(void);

int64_t now_ms(void); /* a clock that never goes back */
int64_t now_us(void);

#endif
