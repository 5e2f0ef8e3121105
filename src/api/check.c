#include "api/check.h"

#include <inttypes.h>
#include <string.h>

#include "base/utf.h"

int rai_refuse_null(const char *name, ra_error **err)
{
    struct rai_fault fault;

    rai_fault_set(&fault, RA_E_ARGUMENT, "argument %s is NULL", name);
    return rai_error_out(err, &fault);
}

int rai_check_optional(const char *name, const char *text, ra_error **err)
{
    struct rai_fault fault;

    if (text == NULL)
        return 0;
    if (*text == 0)
        rai_fault_set(&fault, RA_E_ARGUMENT, "argument %s is empty", name);
    else if (!rai_utf8_valid(text, strlen(text)))
        rai_fault_set(&fault, RA_E_ARGUMENT, "argument %s is not valid UTF-8", name);
    else
        return 0;
    return rai_error_out(err, &fault);
}

int rai_check_name(const char *name, const char *text, ra_error **err)
{
    return text == NULL ? rai_refuse_null(name, err) : rai_check_optional(name, text, err);
}

int rai_check_range(const char *name, int64_t value, int64_t least, int64_t most, ra_error **err)
{
    struct rai_fault fault;

    if (value >= least && value <= most)
        return 0;
    rai_fault_set(&fault, RA_E_ARGUMENT, "argument %s is %" PRId64 ", it takes %" PRId64 " to %" PRId64, name, value,
                  least, most);
    return rai_error_out(err, &fault);
}
