#include "base/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf.h"

/* Text is cut at the end of a character: half a character would be a nuisance in every log and in every binding. */
static void copy_cut(char *out, size_t room, const char *text, size_t size)
{
    size_t length = rai_utf8_cut(text, size, room - 1);

    memcpy(out, text, length);
    out[length] = '\0';
}

static void clear(struct rai_fault *fault, int32_t code)
{
    fault->code = code;
    fault->broker_code = -1;
    fault->outcome_unknown = false;
    fault->broker_text[0] = '\0';
    fault->endpoint[0] = '\0';
}

int rai_fault_set(struct rai_fault *fault, int32_t code, const char *format, ...)
{
    if (fault == NULL) {
        return code;
    }
    char text[2 * RAI_FAULT_TEXT]; /* the arguments may point into *fault */
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length < 0) {
        text[0] = '\0';
    }
    clear(fault, code);
    copy_cut(fault->text, sizeof fault->text, text, strlen(text));
    return code;
}

/* The broker's numbers are those of its ActiveMQExceptionType. */
int32_t rai_fault_code_of_broker(int32_t broker_code)
{
    switch (broker_code) {
    case 100: /* QUEUE_DOES_NOT_EXIST */
        return RA_E_NO_QUEUE;
    case 101: /* QUEUE_EXISTS */
        return RA_E_QUEUE_EXISTS;
    case 103: /* INVALID_FILTER_EXPRESSION */
        return RA_E_FILTER;
    case 105: /* SECURITY_EXCEPTION */
    case 212: /* CLUSTER_SECURITY_EXCEPTION */
        return RA_E_SECURITY;
    case 106: /* ADDRESS_DOES_NOT_EXIST */
        return RA_E_NO_ADDRESS;
    case 108: /* INCOMPATIBLE_CLIENT_SERVER_VERSIONS */
        return RA_E_VERSION;
    case 111: /* TRANSACTION_ROLLED_BACK */
    case 120: /* TRANSACTION_TIMEOUT */
        return RA_E_ROLLED_BACK;
    case 113: /* DUPLICATE_ID_REJECTED */
        return RA_E_DUPLICATE_ID;
    case 115: /* TRANSACTION_OUTCOME_UNKNOWN */
        return RA_E_OUTCOME_UNKNOWN;
    case 210: /* ADDRESS_FULL */
        return RA_E_ADDRESS_FULL;
    case 211: /* LARGE_MESSAGE_INTERRUPTED */
        return RA_E_LARGE_INTERRUPTED;
    default:
        return RA_E_REJECTED;
    }
}

int rai_fault_set_broker(struct rai_fault *fault, int32_t broker_code, const char *text, size_t size)
{
    int32_t code = rai_fault_code_of_broker(broker_code);

    if (fault == NULL) {
        return code;
    }
    char kept[RAI_FAULT_TEXT]; /* text may point into *fault */
    copy_cut(kept, sizeof kept, text == NULL ? "" : text, text == NULL ? 0 : size);
    rai_fault_set(fault, code, "%s (broker code %d%s%s)", rai_fault_sentence(code), (int)broker_code,
                  kept[0] == '\0' ? "" : ": ", kept);
    fault->broker_code = broker_code;
    memcpy(fault->broker_text, kept, sizeof kept);
    return code;
}

void rai_fault_about(struct rai_fault *fault, const char *name)
{
    size_t have = strlen(fault->text);
    if (name == NULL || strstr(fault->text, name) != NULL || have + 3 > sizeof fault->text) {
        return;
    }
    memcpy(fault->text + have, ": ", 2);
    copy_cut(fault->text + have + 2, sizeof fault->text - have - 2, name, strlen(name));
}

#define SENTENCE(name, number, sentence) \
    case number:                         \
        return sentence;

const char *rai_fault_sentence(int32_t code)
{
    switch (code) {
    case RA_OK:
        return "no error";
        RA_ERROR_MAP(SENTENCE)
    default:
        return "an error of an unknown kind";
    }
}

void rai_endpoint_text(char *out, size_t room, const char *host, uint16_t port)
{
    (void)snprintf(out, room, strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, (unsigned)port);
}
