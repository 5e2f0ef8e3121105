#include "seqs.h"

#include <stddef.h>
#include <stdlib.h>

enum { PAGE_BITS = 1 << 16, PAGES = 1 << 15 };

bool seqs_open(struct seqs *seqs)
{
    *seqs = (struct seqs){ .pages = calloc(PAGES, sizeof *seqs->pages), .lowest = INT64_MAX, .highest = -1 };
    return seqs->pages != NULL;
}

bool seqs_add(struct seqs *seqs, int32_t seq)
{
    uint8_t **page = &seqs->pages[seq / PAGE_BITS], bit = (uint8_t)(1u << (seq % 8));
    size_t at = (size_t)(seq % PAGE_BITS) / 8;

    if (*page == NULL && (*page = calloc(PAGE_BITS / 8, 1)) == NULL)
        return false;
    if ((*page)[at] & bit) {
        seqs->duplicates++;
        return true;
    }
    (*page)[at] |= bit;
    seqs->distinct++;
    if (seq < seqs->highest)
        seqs->out_of_order++;
    else
        seqs->highest = seq;
    if (seq < seqs->lowest)
        seqs->lowest = seq;
    return true;
}

int64_t seqs_missing(const struct seqs *seqs)
{
    return seqs->distinct == 0 ? 0 : seqs->highest - seqs->lowest + 1 - seqs->distinct;
}

void seqs_close(struct seqs *seqs)
{
    for (int i = 0; seqs->pages != NULL && i < PAGES; i++)
        free(seqs->pages[i]);
    free(seqs->pages);
    seqs->pages = NULL;
}
