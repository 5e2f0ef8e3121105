#include "base/block.h"

#include "base/alloc.h"

struct rai_block *rai_block_new(size_t capacity)
{
    if (capacity > SIZE_MAX - sizeof(struct rai_block)) {
        return NULL;
    }
    struct rai_block *block = rai_alloc(sizeof *block + capacity);

    if (block != NULL) {
        block->refs = 1;
        block->capacity = capacity;
    }
    return block;
}

struct rai_block *rai_block_ref(struct rai_block *block)
{
    __atomic_add_fetch(&block->refs, 1, __ATOMIC_RELAXED);
    return block;
}

void rai_block_unref(struct rai_block *block)
{
    /* acquire and release: whoever frees it must see what the others did with the data before they let go */
    if (block != NULL && __atomic_sub_fetch(&block->refs, 1, __ATOMIC_ACQ_REL) == 0) {
        rai_free(block);
    }
}
