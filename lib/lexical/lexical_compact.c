/*
 * Compaction: an index whose removed chunks are gone for good, as if they had never been there.
 *
 * Works in place, because nothing grows: slots and term numbers only fall, and lists only get
 * shorter. It needs two tables of new numbers; when there is no memory for them it leaves
 * everything as it is, which costs speed and space but nothing else.
 */
#include "base/memory.h"
#include "base/status.h"
#include "lexical/lexical_index.h"

/* Terms that no living chunk has go. */
static void plan_terms(const rsi_lexical *index, uint32_t *new_terms)
{
    uint32_t next = 0;
    for (size_t i = 0; i < index->dictionary.count; i++)
        new_terms[i] = index->terms[i].chunks == 0 ? RSI_NO_TERM : next++;
}

static void renumber_terms(rsi_lexical *index, const uint32_t *new_terms, const uint32_t *new_slots)
{
    for (size_t i = 0; i < index->dictionary.count; i++) {
        rsi_term *term = &index->terms[i];
        if (new_terms[i] == RSI_NO_TERM) {
            index->postings_memory -= rsi_postings_memory(&term->postings);
            rsi_postings_free(&term->postings);
            continue;
        }
        rsi_postings_renumber(&term->postings, new_slots, index->slots.lengths);
        index->terms[new_terms[i]] = *term;
    }
}

void rsi_lexical_compact(rsi_lexical *index)
{
    rsi_saved_error saved; /* a shortage here is nobody's error */
    rsi_error_save(&saved);
    uint32_t *new_slots = rsi_alloc_array(index->slots.count, sizeof *new_slots);
    uint32_t *new_terms = rsi_alloc_array(index->dictionary.count, sizeof *new_terms);
    if (new_slots == NULL || new_terms == NULL) {
        rsi_error_restore(&saved);
        goto cleanup;
    }
    rsi_chunk_slots_plan(&index->slots, new_slots);
    plan_terms(index, new_terms);
    renumber_terms(index, new_terms, new_slots);
    rsi_dictionary_renumber(&index->dictionary, new_terms);
    rsi_chunk_slots_renumber(&index->slots, new_slots, new_terms);
    rsi_word_cache_clear(&index->cache); /* it holds old numbers */

cleanup:
    rsi_free(new_slots);
    rsi_free(new_terms);
}
