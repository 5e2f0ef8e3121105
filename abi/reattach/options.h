#ifndef REATTACH_OPTIONS_H
#define REATTACH_OPTIONS_H

#include <stdint.h>

#include <reattach/error.h>

/*
 * Options: text keys and text values, the same names in a URL, here and in the manual. Later settings win over earlier
 * ones; what the URL says wins over an options object; the preset `reliable=true` only changes what nobody set.
 */
typedef struct ra_options ra_options;

RA_API int ra_options_new(ra_options **options_out, ra_error **err);
RA_API void ra_options_free(ra_options *options);
RA_API int ra_options_set(ra_options *options, const char *name, const char *value, ra_error **err);

/* The table of all options, for manuals and completion: index from 0, NULL behind the last one. */
RA_API const char *ra_option_name(int32_t index);
RA_API const char *ra_option_type(int32_t index);
RA_API const char *ra_option_default(int32_t index);
RA_API const char *ra_option_range(int32_t index);
RA_API const char *ra_option_text(int32_t index);

#endif
