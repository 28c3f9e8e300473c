/*
 * Which documents of an entity may have a value: their row numbers by a hash of member and value.
 *
 *   "sha256" 7f3a…  ──hash──►  [hash│row 12] [hash│row 90]      some of these, or none, have it
 *
 * So that adding a document needs no look at all others. Whoever asks reads the rows found and
 * compares: values that a document had before, and those of deleted ones, may still be found.
 * Locking: the catalog's.
 */
#ifndef RSI_ENTITIES_DOCUMENT_LOOKUP_H
#define RSI_ENTITIES_DOCUMENT_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rsi_document_slot {
    uint32_t hash;
    uint32_t row; /* + 1; 0: free */
} rsi_document_slot;

typedef struct rsi_document_lookup {
    rsi_document_slot *slots;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
    size_t worth;    /* entries that were needed when it was made; grows with what is added */
    bool incomplete; /* it cannot hold all rows: it answers nothing */
} rsi_document_lookup;

/* Fewer entries are not worth being made again. Set by tests before a store is opened. */
extern size_t rsi_document_lookup_worn_from;

void rsi_document_lookup_free(rsi_document_lookup *lookup);
/* The document of this row has this value; NULL: none. */
int rsi_document_lookup_add(rsi_document_lookup *lookup, const char *member, const char *value,
                            uint64_t row);
/* How many rows may have it; the first `max` of them. */
size_t rsi_document_lookup_find(uint64_t *rows, size_t max, const rsi_document_lookup *lookup,
                                const char *member, const char *value);
/* Is most of it about what is no more? Then make it again. */
bool rsi_document_lookup_is_worn(const rsi_document_lookup *lookup);
/* It was just made of all rows. */
void rsi_document_lookup_settle(rsi_document_lookup *lookup);

#endif
