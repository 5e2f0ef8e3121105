#include "terminal.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { PROGRESS_MS = 200 };

static const char *command_name;
static bool line_shown;

int64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t now_ms(void)
{
    return now_us() / 1000;
}

void terminal_command(const char *name)
{
    command_name = name;
}

bool terminal_watched(void)
{
    static int watched = -1;

    if (watched < 0)
        watched = isatty(STDERR_FILENO);
    return watched == 1;
}

void terminal_clear(void)
{
    if (line_shown)
        fputs("\r\033[K", stderr);
    line_shown = false;
}

/* Bytes that came over the wire (a broker's text, a queue's name) may not steer the terminal. */
PRINTF_LIKE(2, 0) static void put_line(const char *prefix, const char *format, va_list arguments)
{
    char text[2048];

    vsnprintf(text, sizeof text, format, arguments);
    for (char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = ' ';
    }
    fprintf(stderr, "%s%s", prefix, text);
}

bool complain(const char *format, ...)
{
    va_list arguments;

    terminal_clear();
    fputs("reattach: ", stderr);
    va_start(arguments, format);
    if (command_name != NULL)
        fprintf(stderr, "%s: ", command_name);
    put_line("", format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return false;
}

void terminal_say(const char *format, ...)
{
    va_list arguments;

    if (!terminal_watched())
        return;
    terminal_clear();
    va_start(arguments, format);
    put_line("", format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

bool terminal_due(void)
{
    static int64_t last;
    int64_t now = now_ms();

    if (!terminal_watched() || now - last < PROGRESS_MS)
        return false;
    last = now;
    return true;
}

void terminal_progress(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    put_line("\r\033[K", format, arguments);
    va_end(arguments);
    fflush(stderr);
    line_shown = true;
}
