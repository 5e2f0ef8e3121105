#ifndef RAI_API_CHECK_H
#define RAI_API_CHECK_H

#include <reattach/error.h>

#include "base/fault.h"

/* Arguments of exported functions. All return 0 or store the error and return its code. */

/* First thing in every function with an error parameter: *err is NULL unless the call fails. */
static inline void rai_error_begin(ra_error **err)
{
    if (err != NULL)
        *err = NULL;
}

/* "argument NAME is NULL" */
int rai_refuse_null(const char *name, ra_error **err);
/* A text that must be there: not NULL, not empty, valid UTF-8. */
int rai_check_name(const char *name, const char *text, ra_error **err);
/* The same, but it may be NULL. */
int rai_check_optional(const char *name, const char *text, ra_error **err);
int rai_check_range(const char *name, int64_t value, int64_t least, int64_t most, ra_error **err);

#endif
