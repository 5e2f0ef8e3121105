#ifndef RAI_BASE_FAULT_H
#define RAI_BASE_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <reattach/error.h>

/*
 * What went wrong, as a value: the form errors have below the API. Reporting one cannot fail. `code` is RA_E_...; the
 * broker's own code and text are kept apart (-1 and "" when it said nothing).
 */
enum { RAI_FAULT_TEXT = 224, RAI_FAULT_ENDPOINT = 80 };

struct rai_fault {
    int32_t code;
    int32_t broker_code;
    bool outcome_unknown; /* also with another code: a wait ended, and the work may still happen */
    char text[RAI_FAULT_TEXT];
    char broker_text[RAI_FAULT_TEXT];
    char endpoint[RAI_FAULT_ENDPOINT];
};

/* Fills all of *fault (NULL is allowed; broker part and endpoint become empty) and returns code, so that
 * `return rai_fault_set(f, RA_E_..., "...")` reads well. The arguments may point into *fault. */
int rai_fault_set(struct rai_fault *fault, int32_t code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The sentence of the error map, for texts that have nothing better to say. */
const char *rai_fault_sentence(int32_t code);
/* The RA_E_ code that stands for a broker's EXCEPTION code (100 -> RA_E_NO_QUEUE, ..., else RA_E_REJECTED). */
int32_t rai_fault_code_of_broker(int32_t broker_code);
/* From an EXCEPTION: code by the table above, the broker's text kept (cut at the end of a character). */
int rai_fault_set_broker(struct rai_fault *fault, int32_t broker_code, const char *text, size_t size);
/* Adds what it is about (the name of a queue, say) to the text, unless the text has it already. */
void rai_fault_about(struct rai_fault *fault, const char *name);
/* host:port, with brackets where the host has colons */
void rai_endpoint_text(char *out, size_t room, const char *host, uint16_t port);
/* The public object. rai_error_out() stores it in *err if err is given (a static one when out of memory) and returns
 * the fault's code. */
int rai_error_out(ra_error **err, const struct rai_fault *fault);

#endif
