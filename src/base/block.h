#ifndef RAI_BASE_BLOCK_H
#define RAI_BASE_BLOCK_H

#include <stddef.h>
#include <stdint.h>

/* A counted piece of memory (atomic count: messages that reference one are released on any thread). */
struct rai_block {
    int refs;
    size_t capacity;
    uint8_t data[];
};

struct rai_block *rai_block_new(size_t capacity); /* one reference; NULL when out of memory */
struct rai_block *rai_block_ref(struct rai_block *block);
void rai_block_unref(struct rai_block *block); /* NULL is fine */

#endif
