/*
 * The chunks of an index, numbered densely in the order of their adding: slots.
 *
 *   slot       0    1    2    3
 *   chunks   [ 17 | 18 | -1 | 40 ]    chunk numbers; -1: removed
 *   lengths  [ 93 | 12 |  7 | 51 ]    terms, stop words not counted
 *   marks    [  … |  … |  … |  … ]    what the owner knows a chunk's text by
 *   terms    "…" |  "…" | "…" | "…"   which terms each has, so that it can be taken out again:
 *                                     packed dictionary numbers
 *   table    chunk number → slot      open addressing, slot + 1, 0 = free
 *
 * Not locked: the index's rules.
 */
#ifndef RSI_LEXICAL_CHUNK_SLOTS_H
#define RSI_LEXICAL_CHUNK_SLOTS_H

#include <stddef.h>
#include <stdint.h>

typedef struct rsi_chunk_slots {
    int64_t *chunks;
    size_t chunks_capacity;
    uint32_t *lengths;
    size_t lengths_capacity;
    uint32_t *marks;
    size_t marks_capacity;
    size_t *ends; /* where in `terms` those of a slot end */
    size_t ends_capacity;
    unsigned char *terms;
    size_t terms_capacity;
    uint32_t *table;
    size_t table_size; /* a power of two, or 0 */
    size_t count;      /* slots, removed chunks included */
    size_t alive;
    uint64_t total_length; /* of living chunks */
    int64_t highest;       /* no chunk was ever higher; 0 at first */
} rsi_chunk_slots;

void rsi_chunk_slots_free(rsi_chunk_slots *slots); /* zero-initialised is fine */

/* The slot of a living chunk, or RSI_NO_SLOT. */
uint32_t rsi_chunk_slots_find(const rsi_chunk_slots *slots, int64_t chunk);

/* Let the processor fetch what a chunk that is about to be added will change. */
void rsi_chunk_slots_prefetch(const rsi_chunk_slots *slots, int64_t chunk);
/* Make room for one more chunk with so many different terms. */
int rsi_chunk_slots_reserve(rsi_chunk_slots *slots, size_t terms);
/* Append a chunk that is not there yet, into room that was made; returns its slot. */
uint32_t rsi_chunk_slots_append(rsi_chunk_slots *slots, int64_t chunk, const uint32_t *terms,
                                size_t term_count, uint32_t length);
/* Mark a living slot as removed. Its terms can still be walked. */
void rsi_chunk_slots_remove(rsi_chunk_slots *slots, uint32_t slot);

/* Walk the terms of a slot: from *at = rsi_chunk_slots_terms() to rsi_chunk_slots_terms_end(). */
const unsigned char *rsi_chunk_slots_terms(const rsi_chunk_slots *slots, uint32_t slot);
const unsigned char *rsi_chunk_slots_terms_end(const rsi_chunk_slots *slots, uint32_t slot);

/*
 * Drop removed slots in place and number terms anew. new_slots must be what
 * rsi_chunk_slots_plan() gave; new_terms as in dictionary.h, never RSI_NO_TERM for a term of a
 * living chunk.
 */
void rsi_chunk_slots_renumber(rsi_chunk_slots *slots, const uint32_t *new_slots,
                              const uint32_t *new_terms);
/* New numbers without gaps for living slots, RSI_NO_SLOT for removed ones. */
void rsi_chunk_slots_plan(const rsi_chunk_slots *slots, uint32_t *new_slots);

/* Take so many slots into use whose arrays were filled from outside. DAMAGED when a chunk number is
 * negative or comes twice. */
int rsi_chunk_slots_restore(rsi_chunk_slots *slots, size_t count);

size_t rsi_chunk_slots_memory(const rsi_chunk_slots *slots);

#endif
