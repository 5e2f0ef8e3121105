/* The numbers that came: which ones, which twice, which not in order. */
#ifndef REATTACH_CLI_SEQS_H
#define REATTACH_CLI_SEQS_H

#include <stdbool.h>
#include <stdint.h>

struct seqs {
    uint8_t **pages; /* bits; a page is made when a number of it comes */
    int64_t distinct, lowest, highest, duplicates, out_of_order;
};

bool seqs_open(struct seqs *seqs);
bool seqs_add(struct seqs *seqs, int32_t seq); /* not negative; false: out of memory */
int64_t seqs_missing(const struct seqs *seqs); /* between the lowest and the highest */
void seqs_close(struct seqs *seqs);

#endif
