/*
 * What the chunks of an entity have at a member of their metadata that filters ask about, side by side
 * in memory: a filter that nobody asked before then needs to look at the chunks only that can pass it.
 *
 *   path "year"       chunks      key (value_order.h)
 *                     0 … 4       2000        a document's, of the chunks that have none of their own
 *                     2           1998        one chunk's own
 *                     …                       until: what comes behind has not been looked at
 *
 * A column is made when a second filter asks about its member; it costs some 20 bytes and the key for each
 * document and chunk. Chunk numbers are never used again, so that it may name chunks that are gone.
 *
 * Locking: as for the filter cache, but who finds a column keeps the mutex until it is released, and may
 * fill it meanwhile.
 */
#ifndef RSI_ENTITIES_METADATA_COLUMNS_H
#define RSI_ENTITIES_METADATA_COLUMNS_H

#include "base/bitset.h"
#include "query/predicate.h"

#include <pthread.h>

#define RSI_COLUMNS_KEPT 4
#define RSI_COLUMN_BYTES_MAX (64u << 20) /* one that would take more is not made */

typedef struct rsi_column_entry {
    int64_t first; /* chunk */
    int64_t end;   /* behind the last */
    uint32_t key;  /* where it begins in the keys */
    uint32_t size;
} rsi_column_entry;

typedef struct rsi_column {
    char *path;       /* NULL: free */
    bool is_wanted;   /* asked about before */
    bool is_refused;  /* it would take too much */
    bool has_several; /* a chunk has several keys */
    rsi_column_entry *entries;
    size_t count;
    size_t capacity;
    rsi_bytes keys;
    int64_t until;
    uint64_t last_use;
} rsi_column;

typedef struct rsi_columns {
    pthread_mutex_t mutex;
    rsi_column kept[RSI_COLUMNS_KEPT];
    uint64_t uses;
} rsi_columns;

void rsi_columns_init(rsi_columns *columns);
void rsi_columns_free(rsi_columns *columns);
/* Forget the columns that looked at this chunk or one behind it: with 0, all. */
void rsi_columns_forget(rsi_columns *columns, int64_t chunk);
size_t rsi_columns_memory(rsi_columns *columns);

/* The column of a path, to be filled up to where the documents end and to be released; NULL in
 * *column, and nothing to release, while there is none: the path is asked about for the first time,
 * or its column would be too large. */
int rsi_columns_acquire(rsi_column **column, rsi_columns *columns, const char *path);
void rsi_columns_release(rsi_columns *columns);
/* It could not be filled: forget it. Before it is released. */
void rsi_column_drop(rsi_column *column);

/* Add a key of the chunks from `first` to before `end`. Ascending by `first`. */
int rsi_column_add(rsi_column *column, int64_t first, int64_t end, const char *key, size_t size);
/* Add the chunks with a key that the constraint lets pass. */
int rsi_column_select(rsi_bitset *selected, const rsi_column *column,
                      const rsi_constraint *constraint);

#endif
