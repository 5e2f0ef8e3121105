#ifndef RAI_CODEC_PROPERTIES_H
#define RAI_CODEC_PROPERTIES_H

#include "codec/message.h"

/*
 * TypedProperties in wire form. An entry is a key (SimpleString), a tag and a payload; entries stand one behind the
 * other and are only walked, never indexed: messages have few of them, and a hash table per message would cost more
 * than it saves.
 */
enum rai_tag {
    RAI_TAG_NULL = 0,
    RAI_TAG_BOOLEAN = 2,
    RAI_TAG_BYTE = 3,
    RAI_TAG_BYTES = 4,
    RAI_TAG_SHORT = 5,
    RAI_TAG_INT = 6,
    RAI_TAG_LONG = 7,
    RAI_TAG_FLOAT = 8,
    RAI_TAG_DOUBLE = 9,
    RAI_TAG_STRING = 10,
    RAI_TAG_CHAR = 11
};

/* All properties of one message stay below this, because they must travel in one frame. */
enum { RAI_PROPERTIES_MAX = RAI_FRAME_MAX / 2 };

struct rai_property {
    struct rai_sstr key;
    int tag;
    const uint8_t *value; /* the payload; of strings and bytes without its length */
    size_t value_size;
    const uint8_t *entry; /* all of it */
    size_t entry_size;
};

/* What to set: scalars big-endian as on the wire, strings in UTF-8, bytes as they are. */
struct rai_value {
    int tag;
    const void *data;
    size_t size;
};

/* The whole map, marker and count included; the entries are checked. false: malformed (the reader is bad as well) */
bool rai_get_properties(struct rai_reader *r, const uint8_t **entries_out, size_t *size_out, int32_t *count_out);
/* The next entry, until false. */
bool rai_property_next(struct rai_reader *r, struct rai_property *out);

struct rai_reader rai_message_properties(const ra_message *m);
/* key is UTF-8, terminated */
bool rai_message_find(const ra_message *m, const char *key, struct rai_property *out);
/* One entry, as it stands on the wire. */
void rai_put_property(struct rai_writer *w, const char *key, const struct rai_value *value);
/* Replaces the entry of that key where it stands, or appends. 0, RA_E_NO_MEMORY, or RA_E_ARGUMENT when it gets too big;
 * a failure changes nothing. Strings made from properties before (rai_message_string) end here. */
int rai_message_set_property(ra_message *m, const char *key, const struct rai_value *value);
/* 0, RA_E_NOT_FOUND, RA_E_NO_MEMORY */
int rai_message_remove_property(ra_message *m, const char *key);
/* The same text as UTF-8, kept in the message: made once for each key or value. NULL when out of memory. */
const struct rai_string *rai_message_string(ra_message *m, struct rai_sstr s);

#endif
