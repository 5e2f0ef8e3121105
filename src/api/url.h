#ifndef RAI_API_URL_H
#define RAI_API_URL_H

#include <stddef.h>

#include "api/options.h"
#include "base/fault.h"
#include "engine/config.h"

enum { RAI_DEFAULT_PORT = 61616 };

struct rai_url {
    struct rai_endpoint *endpoints;
    int endpoint_count;
    struct rai_settings settings; /* user and password of the authority included */
};

/* On failure nothing is left to free. No error repeats a piece of the URL that may belong to a password. */
int rai_url_parse(struct rai_url *url, const char *text, struct rai_fault *fault);
void rai_url_clear(struct rai_url *url);

/* The URL in a form that may be shown: without user information, and without the query if there could be a password in
 * it. Cut at size. */
void rai_url_mask(const char *text, char *out, size_t size);

#endif
