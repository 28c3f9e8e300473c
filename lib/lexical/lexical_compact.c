/*
 * Compaction: a run whose removed chunks are gone for good, as if they had never been there.
 *
 * Every list is made anew before any is replaced, so that it takes memory for all of them once
 * more. When that is not there everything is left as it is, which costs speed and space but
 * nothing else.
 */
#include "base/memory.h"
#include "base/status.h"
#include "lexical/lexical_index.h"

/* Terms that no living chunk has go; returns how many stay. */
static size_t plan_terms(const rsi_lexical_run *run, uint32_t *new_terms)
{
    uint32_t next = 0;
    for (size_t i = 0; i < run->dictionary.count; i++)
        new_terms[i] = run->terms[i].chunks == 0 ? RSI_NO_TERM : next++;
    return next;
}

/* Frees lists that were not taken. */
static void free_lists(rsi_postings *lists, size_t count)
{
    for (size_t i = 0; lists != NULL && i < count; i++)
        rsi_postings_free(&lists[i]);
    rsi_free(lists);
}

/* The lists of the terms that stay, by new number; NULL when memory is short. */
static rsi_postings *renumber_lists(const rsi_lexical_run *run, const uint32_t *new_terms,
                                    const uint32_t *new_slots, size_t kept, size_t *memory)
{
    rsi_postings *lists = rsi_alloc_array(kept, sizeof *lists);
    *memory = 0;
    for (size_t i = 0; lists != NULL && i < run->dictionary.count; i++) {
        if (new_terms[i] == RSI_NO_TERM)
            continue;
        if (rsi_postings_renumber(&lists[new_terms[i]], &run->terms[i].postings, new_slots,
                                  run->slots.lengths, memory) != RAGSTORE_OK) {
            free_lists(lists, kept);
            return NULL;
        }
    }
    return lists;
}

/* Takes the lists out of the array. */
static void replace_lists(rsi_lexical_run *run, const uint32_t *new_terms, rsi_postings *lists)
{
    for (size_t i = 0; i < run->dictionary.count; i++) {
        rsi_postings_free(&run->terms[i].postings);
        if (new_terms[i] == RSI_NO_TERM)
            continue;
        rsi_term *term = &run->terms[new_terms[i]];
        *term = run->terms[i];
        term->postings = lists[new_terms[i]];
    }
}

void rsi_lexical_compact(rsi_lexical *index, rsi_lexical_run *run)
{
    size_t kept;
    size_t memory;
    rsi_postings *lists = NULL;
    rsi_saved_error saved; /* a shortage here is nobody's error */
    rsi_error_save(&saved);
    uint32_t *new_slots = rsi_alloc_array(run->slots.count, sizeof *new_slots);
    uint32_t *new_terms = rsi_alloc_array(run->dictionary.count, sizeof *new_terms);
    if (new_slots != NULL && new_terms != NULL) {
        rsi_chunk_slots_plan(&run->slots, new_slots);
        kept = plan_terms(run, new_terms);
        lists = renumber_lists(run, new_terms, new_slots, kept, &memory);
    }
    if (lists == NULL) {
        rsi_error_restore(&saved);
        goto cleanup;
    }
    replace_lists(run, new_terms, lists);
    run->postings_memory = memory;
    rsi_free(run->borrowed_bytes);
    rsi_free(run->borrowed_blocks);
    run->borrowed_bytes = NULL;
    run->borrowed_blocks = NULL;
    rsi_dictionary_renumber(&run->dictionary, new_terms);
    rsi_chunk_slots_renumber(&run->slots, new_slots, new_terms);
    if (run == rsi_lexical_open_run(index))
        rsi_word_cache_clear(&index->cache); /* it holds old numbers */

cleanup:
    rsi_free(lists);
    rsi_free(new_slots);
    rsi_free(new_terms);
}
