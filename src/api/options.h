#ifndef RAI_API_OPTIONS_H
#define RAI_API_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include <reattach/options.h>

#include "base/fault.h"
#include "engine/config.h"

/*
 * Options: one table (options.c) parses, checks, prints and documents them. Settings are kept as checked text, because
 * what a text means is decided only when URL, options object, preset and defaults are put on top of each other.
 */
enum { RAI_OPTION_COUNT = 35 };

struct rai_settings {
    char *text[RAI_OPTION_COUNT]; /* by the table's index; NULL: not set */
};

struct ra_options {
    struct rai_settings settings;
};

/* Index of a name (aliases included), or -1. */
int rai_option_find(const char *name);
/* Why a name is not an option: misspelt, not supported by this version, or unknown. When `hidden` the name may be a
 * piece of a password and is only repeated if it resembles an option. Returns RA_E_OPTION. */
int rai_option_refuse(const char *name, bool hidden, struct rai_fault *fault);
/* Checks and keeps a copy of the value; a later one replaces an earlier one. */
int rai_settings_put(struct rai_settings *settings, int index, const char *value, struct rai_fault *fault);
void rai_settings_clear(struct rai_settings *settings);

/* URL over options (may be NULL) over preset over defaults. On failure nothing is left to free. */
int rai_config_make(struct rai_config *config, const char *url, const ra_options *options, struct rai_fault *fault);
void rai_config_clear(struct rai_config *config);
/* All values in force, "name=value" lines in the table's order, the password as "***". Returns the length that the
 * whole text has; what does not fit is cut. */
size_t rai_config_dump(const struct rai_config *config, char *out, size_t size);

#endif
