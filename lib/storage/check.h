/* Reading everything again and telling what is wrong with it: see check.c. */
#ifndef RSI_STORAGE_CHECK_H
#define RSI_STORAGE_CHECK_H

#include "storage/storage.h"

typedef struct rsi_finding {
    const char *file;    /* below the store's directory */
    int64_t offset;      /* in it, bytes; -1: the file as a whole */
    const char *record;  /* key of the record concerned; NULL: none, or unknown */
    const char *problem; /* a sentence */
} rsi_finding;

/* Called for each finding; non-zero stops the check and is returned. Nothing may be changed. */
typedef int rsi_finding_visitor(void *user, const rsi_finding *finding);

/* Manifest, snapshots and journals. BUSY, IO of a directory, NO_MEMORY. */
int rsi_storage_check(rsi_storage *storage, rsi_finding_visitor *visit, void *user);
/* The files of an entity that storage owns; nothing when it is not there. */
int rsi_storage_check_entity(rsi_storage *storage, const char *entity_id,
                             rsi_finding_visitor *visit, void *user);

#endif
