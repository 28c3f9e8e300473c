/* Many texts through an encoder, on several threads: see batch.c. */
#ifndef RSI_EMBED_BATCH_H
#define RSI_EMBED_BATCH_H

#include "base/bytes.h"
#include "embed/encoder.h"
#include "embed/wordpiece.h"

#include <stddef.h>

#define RSI_BATCH_THREADS_MAX 64

typedef struct rsi_batch {
    const rsi_encoder *encoder;
    const rsi_wordpiece *wordpiece;
    rsi_team *team;         /* for a batch of one slice; may have another call's work */
    const char *prompt;     /* put before each text */
    const rsi_slice *texts; /* valid UTF-8 */
    size_t count;
    float *vectors; /* count × hidden */
} rsi_batch;

/* Fill batch->vectors, with `threads` (1 to RSI_BATCH_THREADS_MAX) at most. */
int rsi_batch_run(const rsi_batch *batch, size_t threads);

/* How many processors this process may use now. */
size_t rsi_batch_threads(void);

#endif
