/* URL and options: the first line is a URL, each further one "name=value" for an options object. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <reattach/error.h>

#include "api/options.h"
#include "api/url.h"
#include "base/alloc.h"
#include "base/utf.h"
#include "fuzz.h"

static void check_fault(const struct rai_fault *fault, int rc)
{
    FUZZ_CHECK(rc < 0 && fault->code == rc, "%d and %d", rc, (int)fault->code);
    FUZZ_CHECK(fault->text[0] != '\0');
}

/* A text cut at `room` is what the whole one begins with. */
static void check_mask(const char *url)
{
    char whole[8192], cut[40];
    rai_url_mask(url, whole, sizeof whole);
    for (size_t room = 1; room <= sizeof cut; room += 13) {
        memset(cut, 'x', sizeof cut);
        rai_url_mask(url, cut, room);
        FUZZ_CHECK(memchr(cut, '\0', room) != NULL);
        FUZZ_CHECK(strncmp(cut, whole, strlen(cut)) == 0, "\"%s\" and \"%s\"", cut, whole);
    }
}

static void check_config(const struct rai_config *config)
{
    size_t size = rai_config_dump(config, NULL, 0);
    char *text = malloc(size + 1), cut[7];
    FUZZ_CHECK(rai_config_dump(config, text, size + 1) == size && strlen(text) == size);
    FUZZ_CHECK(rai_config_dump(config, cut, sizeof cut) == size && strlen(cut) < sizeof cut);
    free(text);
    FUZZ_CHECK(config->endpoint_count > 0);
    for (int i = 0; i < config->endpoint_count; i++) {
        const struct rai_endpoint *endpoint = &config->endpoints[i];
        FUZZ_CHECK(memchr(endpoint->host, '\0', sizeof endpoint->host) != NULL && endpoint->host[0] != '\0');
        FUZZ_CHECK(endpoint->port != 0);
    }
    FUZZ_CHECK(config->retry_interval_multiplier > 0 && config->retry_jitter >= 0 && config->retry_jitter <= 1);
}

static void check_error(int rc, ra_error *error)
{
    FUZZ_CHECK((rc < 0) == (error != NULL));
    if (rc < 0)
        FUZZ_CHECK(ra_error_code(error) == rc && ra_error_message(error)[0] != '\0');
    ra_error_free(error);
}

static void set_option(ra_options *options, char *line)
{
    char *value = strchr(line, '=');
    ra_error *error = NULL;
    if (value != NULL)
        *value++ = '\0';
    int rc = ra_options_set(options, line, value, &error);
    check_error(rc, error);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    long before = rai_alloc_count();
    char *text = malloc(size + 1), *rest = text;
    memcpy(text, bytes, size);
    text[size] = '\0';
    const char *url = strsep(&rest, "\n");
    ra_options *options = NULL;
    FUZZ_CHECK(ra_options_new(&options, NULL) == RA_OK);
    for (char *line; (line = strsep(&rest, "\n")) != NULL;)
        set_option(options, line);
    struct rai_config config;
    struct rai_fault fault = { 0 };
    int rc = rai_config_make(&config, url, options, &fault);
    if (rc == RA_OK) {
        check_config(&config);
        rai_config_clear(&config);
    } else {
        check_fault(&fault, rc);
    }
    check_mask(url);
    ra_options_free(options);
    free(text);
    FUZZ_CHECK(rai_alloc_count() == before);
    return 0;
}
