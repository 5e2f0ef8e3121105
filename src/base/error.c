#include <reattach/error.h>

#include <stddef.h>

#include "base/alloc.h"
#include "base/fault.h"

struct ra_error {
    struct rai_fault fault;
};

/* Reporting that there is no memory needs none. */
static ra_error out_of_memory = { .fault = { .code = RA_E_NO_MEMORY, .broker_code = -1, .text = "out of memory" } };

int rai_error_out(ra_error **err, const struct rai_fault *fault)
{
    if (err == NULL) {
        return fault->code;
    }
    *err = fault->code == RA_E_NO_MEMORY ? NULL : rai_alloc(sizeof **err);
    if (*err == NULL) {
        *err = &out_of_memory;
    } else {
        (*err)->fault = *fault;
    }
    return fault->code;
}

ra_error *ra_error_new(int32_t code, const char *message)
{
    struct rai_fault fault;
    ra_error *error;
    rai_fault_set(&fault, code, "%s", message != NULL ? message : rai_fault_sentence(code));
    rai_error_out(&error, &fault);
    return error;
}

#define NAME(name, number, sentence) \
    case number:                     \
        return "RA_E_" #name;

const char *ra_error_code_name(int32_t code)
{
    switch (code) {
    case RA_OK:
        return "RA_OK";
        RA_ERROR_MAP(NAME)
    default:
        return "unknown";
    }
}

int32_t ra_error_code(const ra_error *error)
{
    return error == NULL ? RA_OK : error->fault.code;
}

const char *ra_error_name(const ra_error *error)
{
    return ra_error_code_name(ra_error_code(error));
}

const char *ra_error_message(const ra_error *error)
{
    if (error == NULL || error->fault.text[0] == '\0') {
        return rai_fault_sentence(ra_error_code(error));
    }
    return error->fault.text;
}

const char *ra_error_endpoint(const ra_error *error)
{
    return error == NULL ? "" : error->fault.endpoint;
}

int32_t ra_error_broker_code(const ra_error *error)
{
    return error == NULL ? -1 : error->fault.broker_code;
}

const char *ra_error_broker_text(const ra_error *error)
{
    return error == NULL ? "" : error->fault.broker_text;
}

/* The same call, made again, may well work: something passed by or is about to pass. */
int ra_error_is_retriable(const ra_error *error)
{
    switch (ra_error_code(error)) {
    case RA_E_TIMEOUT:
    case RA_E_WOULD_BLOCK:
    case RA_E_INTERRUPTED:
    case RA_E_RESOLVE:
    case RA_E_CONNECT:
    case RA_E_CONNECT_TIMEOUT:
    case RA_E_LINK_CLOSED:
    case RA_E_LINK_LOST:
    case RA_E_LINK_SILENT:
    case RA_E_DISCONNECTED:
    case RA_E_ADDRESS_FULL:
    case RA_E_ROLLED_BACK:
    case RA_E_NOT_DONE:
    case RA_E_LARGE_INTERRUPTED:
        return 1;
    default:
        return 0;
    }
}

/* The object of the call will not work again. */
int ra_error_is_fatal(const ra_error *error)
{
    switch (ra_error_code(error)) {
    case RA_E_FORKED:
    case RA_E_CLOSED:
    case RA_E_PROTOCOL:
    case RA_E_VERSION:
    case RA_E_GAVE_UP:
    case RA_E_SESSION_LOST:
    case RA_E_INTERNAL:
        return 1;
    default:
        return 0;
    }
}

int ra_error_is_outcome_unknown(const ra_error *error)
{
    return error != NULL && (error->fault.outcome_unknown || error->fault.code == RA_E_OUTCOME_UNKNOWN);
}

void ra_error_free(ra_error *error)
{
    if (error != &out_of_memory) {
        rai_free(error);
    }
}
