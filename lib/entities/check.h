/* Checking a whole store: see check.c. */
#ifndef RSI_ENTITIES_CHECK_H
#define RSI_ENTITIES_CHECK_H

#include "entities/store.h"
#include "storage/check.h"

typedef struct rsi_check_tally {
    uint64_t entities;
    uint64_t documents;
} rsi_check_tally;

typedef struct rsi_check_watch {
    rsi_finding_visitor *visit;
    /* Called before each entity and each of its uploads, with the entities that are done; what it
     * returns, unless OK, ends the check. NULL: nobody asks. */
    int (*step)(void *user, uint64_t done, uint64_t total);
    void *user;
} rsi_check_watch;

/* Read everything again and tell what is wrong. BUSY, INTERRUPTED, NO_MEMORY, IO of a directory;
 * a finding is no error. */
int rsi_store_check(rsi_check_tally *tally, rsi_store *store, const rsi_check_watch *watch);

#endif
