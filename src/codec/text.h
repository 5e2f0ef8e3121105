#ifndef RAI_CODEC_TEXT_H
#define RAI_CODEC_TEXT_H

#include <string.h>

#include "codec/wire.h"

/* The strings of packets.h are terminated; NULL only where the field is nullable. */
static inline size_t rai_length(const char *text)
{
    return text == NULL ? 0 : strlen(text);
}

static inline void rai_put_text_sstr(struct rai_writer *w, const char *text)
{
    rai_put_sstr(w, text == NULL ? "" : text, rai_length(text));
}

static inline void rai_put_text_nsstr(struct rai_writer *w, const char *text)
{
    rai_put_nsstr(w, text, rai_length(text));
}

static inline void rai_put_text_str(struct rai_writer *w, const char *text)
{
    rai_put_str(w, text == NULL ? "" : text, rai_length(text));
}

static inline void rai_put_text_nstr(struct rai_writer *w, const char *text)
{
    rai_put_nstr(w, text, rai_length(text));
}

#endif
