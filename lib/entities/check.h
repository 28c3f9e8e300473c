/* Checking a whole store: see check.c. */
#ifndef RSI_ENTITIES_CHECK_H
#define RSI_ENTITIES_CHECK_H

#include "entities/store.h"
#include "storage/check.h"

typedef struct rsi_check_tally {
    uint64_t entities;
    uint64_t documents;
} rsi_check_tally;

/* Read everything again and tell what is wrong. BUSY, INTERRUPTED, NO_MEMORY, IO of a directory;
 * a finding is no error. */
int rsi_store_check(rsi_check_tally *tally, rsi_store *store, rsi_finding_visitor *visit,
                    void *user);

#endif
