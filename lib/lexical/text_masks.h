/*
 * What the bytes of a stretch of text are, one bit for each: what finding words is quick with.
 * Pure functions.
 */
#ifndef RSI_LEXICAL_TEXT_MASKS_H
#define RSI_LEXICAL_TEXT_MASKS_H

#include <stdint.h>

#define RSI_MASKED_BYTES 64

typedef struct rsi_text_masks {
    uint64_t word;    /* 0-9, A-Z, a-z */
    uint64_t hinge;   /* ' and . */
    uint64_t joiner;  /* + # _ */
    uint64_t foreign; /* not ASCII */
} rsi_text_masks;

/* Bit i is about stretch[i]. */
rsi_text_masks rsi_text_masks_of(const char stretch[RSI_MASKED_BYTES]);

#endif
