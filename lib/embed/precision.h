/* What the weights of an encoder are multiplied in. */
#ifndef RSI_EMBED_PRECISION_H
#define RSI_EMBED_PRECISION_H

typedef enum rsi_precision {
    RSI_PRECISION_USUAL, /* FLOAT32, or INT16 where the processor has instructions for it: their
                            vectors are so near each other that they count as the same */
    RSI_PRECISION_FLOAT32,
    RSI_PRECISION_INT8,  /* a quarter of the memory, faster, and not quite the same vectors */
    RSI_PRECISION_INT16, /* half the memory, faster, and almost the same vectors */
} rsi_precision;

#endif
