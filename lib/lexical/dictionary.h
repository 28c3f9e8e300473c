/*
 * Terms and their numbers: 0, 1, 2 … in the order in which they were first met.
 *
 *   table   [ hash | number + 1 ]   open addressing, linear probing, 0 = free
 *   ends    [ 3, 7, 12, … ]         term i is text[ends[i - 1] .. ends[i])
 *   text    "winflowlayer…"
 *
 * Not locked: the index's rules.
 */
#ifndef RSI_LEXICAL_DICTIONARY_H
#define RSI_LEXICAL_DICTIONARY_H

#include "base/bytes.h"

#include <stddef.h>
#include <stdint.h>

#define RSI_NO_TERM UINT32_MAX

typedef struct rsi_dictionary_entry {
    uint32_t hash;
    uint32_t number_plus_one;
} rsi_dictionary_entry;

typedef struct rsi_dictionary {
    rsi_dictionary_entry *table;
    size_t table_size; /* a power of two, or 0 */
    uint32_t *ends;
    size_t ends_capacity;
    char *text;
    size_t text_capacity;
    size_t count;
    uint64_t seed;
} rsi_dictionary;

void rsi_dictionary_free(rsi_dictionary *dictionary); /* zero-initialised is fine */

/* The number of a term, or RSI_NO_TERM. */
uint32_t rsi_dictionary_find(const rsi_dictionary *dictionary, const char *term, size_t size);
/* What the table knows a term by. */
uint32_t rsi_dictionary_hash(const rsi_dictionary *dictionary, const char *term, size_t size);
/* Let the processor fetch the place of a term that is about to be added. */
void rsi_dictionary_prefetch(const rsi_dictionary *dictionary, uint32_t hash);
/* The number of a term, which is added when it is new. TOO_LARGE at 4 GiB of terms. */
int rsi_dictionary_add(rsi_dictionary *dictionary, const char *term, size_t size, uint32_t hash,
                       uint32_t *number);
rsi_slice rsi_dictionary_term(const rsi_dictionary *dictionary, uint32_t number);

/*
 * Drop terms in place: term i becomes new_numbers[i], or goes when that is RSI_NO_TERM. New
 * numbers ascend without gaps.
 */
void rsi_dictionary_renumber(rsi_dictionary *dictionary, const uint32_t *new_numbers);

/* Take so many terms into use whose text and ends were filled from outside. DAMAGED when one comes
 * twice. */
int rsi_dictionary_restore(rsi_dictionary *dictionary, size_t count);

size_t rsi_dictionary_memory(const rsi_dictionary *dictionary);

#endif
