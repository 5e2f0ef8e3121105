#ifndef REATTACH_OPTIONS_H
#define REATTACH_OPTIONS_H

#include <stdint.h>

#include <reattach/error.h>

/*
 * Options: text keys and text values, the same names in a URL, here and in the manual. The names, units and
 * defaults are those of the Java client's URLs, with a few more of our own.
 *
 * Later settings win over earlier ones; what the URL says wins over an options object; the preset
 * `reliable=true` only changes what nobody set. Names are case-sensitive. A value is checked when it is set:
 * an unknown or misspelt name, a number with a suffix or out of range are errors that name the option, the
 * value and what is accepted. Passwords appear in no error and no log.
 *
 * Life: an options object is a plain bag of settings, read by ra_connection_open() and not needed afterwards;
 * one may open many connections. Threads: not locked; do not set on one thread while another one uses it.
 */
typedef struct ra_options ra_options;

/* An object in which nothing is set.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    *options_out belongs to the caller (ra_options_free)
 * Errors:  RA_E_NO_MEMORY
 * Since:   1.0
 */
RA_API int ra_options_new(ra_options **options_out, ra_error **err);

/* Ends it. NULL is fine.
 *
 * Thread:  any thread, one at a time per object
 * Blocks:  no
 * Owns:    takes the object
 * Errors:  none
 * Since:   1.0
 */
RA_API void ra_options_free(ra_options *options);

/* Sets one option by the name and text that a URL would use (but not percent-encoded). On failure the object
 * is as it was.
 *
 * Thread:  any thread, one at a time per object
 * Blocks:  no
 * Owns:    nothing: name and value are copied
 * Errors:  RA_E_OPTION
 * Since:   1.0
 */
RA_API int ra_options_set(ra_options *options, const char *name, const char *value, ra_error **err);

/* The table of all options, for manuals and completion: index from 0, NULL behind the last one. Type is
 * "integer", "number", "boolean", "text" or "word"; the default is empty for texts that are not set; range
 * says what is accepted; text is a sentence or two in English.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing: the texts are constants
 * Errors:  none
 * Since:   1.0
 */
RA_API const char *ra_option_name(int32_t index);
RA_API const char *ra_option_type(int32_t index);
RA_API const char *ra_option_default(int32_t index);
RA_API const char *ra_option_range(int32_t index);
RA_API const char *ra_option_text(int32_t index);

#endif
