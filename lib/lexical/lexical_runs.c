/*
 * The runs of an index: see lexical_index.h.
 *
 *   the open run ──large──► .tmp-… ──► mapped, its name taken away ──► a run in a file
 *   RUNS_TOGETHER of those, one behind the other, as often merged ──► one, merged once more
 *
 * The kernel may take the pages of such a file out of memory and read them again, so what an index
 * needs is bounded by the open run and by what changes of the others: which chunks they have, and
 * how many of them each term. The file goes with the last who maps it, also when the process is
 * killed.
 */
#include "base/memory.h"
#include "base/status.h"
#include "files/paths.h"
#include "lexical/lexical_layout.h"

#include <string.h>

size_t rsi_lexical_run_bytes = (size_t)64 << 20;

int rsi_lexical_put_away_beside(rsi_lexical *index, rsi_root *root, const char *place)
{
    char *copy = rsi_strdup(place);
    if (copy == NULL)
        return RAGSTORE_E_NO_MEMORY;
    rsi_free(index->place);
    index->place = copy;
    index->root = root;
    return RAGSTORE_OK;
}

int rsi_lexical_begin_run(rsi_lexical *index)
{
    rsi_lexical_run *runs = rsi_resize(index->runs, (index->run_count + 1) * sizeof *runs);
    if (runs == NULL)
        return RAGSTORE_E_NO_MEMORY;
    index->runs = runs;
    runs[index->run_count++] = (rsi_lexical_run){.dictionary.seed = index->seed};
    rsi_word_cache_clear(&index->cache); /* it holds numbers of the run before */
    return RAGSTORE_OK;
}

int rsi_lexical_reserve_terms(rsi_lexical_run *run, size_t terms)
{
    if (terms <= run->terms_capacity)
        return RAGSTORE_OK;
    size_t capacity = run->terms_capacity == 0 ? 8 : 2 * run->terms_capacity;
    if (capacity < terms)
        capacity = terms;
    size_t bytes;
    if (!rsi_mul_size(capacity, sizeof *run->terms, &bytes))
        return rsi_fail_no_memory();
    void *block;
    rsi_term *grown = rsi_alloc_streamed(&block, bytes);
    if (grown == NULL)
        return RAGSTORE_E_NO_MEMORY;
    if (run->terms_capacity > 0)
        memcpy(grown, run->terms, run->terms_capacity * sizeof *grown);
    rsi_free(run->terms_block);
    run->terms = grown;
    run->terms_block = block;
    run->terms_capacity = capacity;
    return RAGSTORE_OK;
}

/* What lies in the file is not its to free. */
static void let_go(rsi_lexical_run *run, rsi_root *root)
{
    if (run->view == NULL)
        return;
    run->slots.lengths = NULL;
    run->slots.ends = NULL;
    run->slots.terms = NULL;
    run->dictionary.ends = NULL;
    run->dictionary.text = NULL;
    run->borrowed_bytes = NULL;
    run->borrowed_blocks = NULL;
    rsi_root_unview(root, run->view, run->view_size);
}

void rsi_lexical_run_free(rsi_lexical_run *run, rsi_root *root)
{
    for (size_t i = 0; i < run->dictionary.count; i++)
        rsi_postings_free(&run->terms[i].postings);
    let_go(run, root);
    rsi_free(run->borrowed_bytes);
    rsi_free(run->borrowed_blocks);
    rsi_free(run->terms_block);
    rsi_chunk_slots_free(&run->slots);
    rsi_dictionary_free(&run->dictionary);
    memset(run, 0, sizeof *run);
}

size_t rsi_lexical_run_memory(const rsi_lexical_run *run)
{
    return rsi_dictionary_memory(&run->dictionary) + run->terms_capacity * sizeof *run->terms +
           run->postings_memory + rsi_chunk_slots_memory(&run->slots);
}

/* ---- putting away ---- */

/* Write runs, as one, to a file that nobody else finds, and map it. */
static int move_out(rsi_lexical_run *out, const rsi_lexical *index, size_t first, size_t count)
{
    rsi_path path;
    int status = rsi_path_temporary(&path, index->place);
    if (status != RAGSTORE_OK)
        return status;
    const rsi_lexical_place place = {index->root, path.text, "", index->language};
    status = rsi_lexical_write_runs(&place, index->runs + first, count, false);
    if (status == RAGSTORE_OK)
        status = rsi_lexical_read_run(out, &place, index->seed, 0);
    rsi_saved_error saved;
    rsi_error_save(&saved);
    rsi_file_remove(index->root, path.text);
    rsi_error_restore(&saved);
    return status;
}

static int replace_open_run(rsi_lexical *index)
{
    rsi_lexical_run moved;
    int status = move_out(&moved, index, index->run_count - 1, 1);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_lexical_begin_run(index);
    if (status != RAGSTORE_OK) {
        rsi_lexical_run_free(&moved, index->root);
        return status;
    }
    rsi_lexical_run *before = &index->runs[index->run_count - 2];
    rsi_lexical_run_free(before, index->root);
    *before = moved;
    return RAGSTORE_OK;
}

#define RUNS_TOGETHER 4

/* Are there RUNS_TOGETHER before the open one that were merged as often? */
static bool may_merge(const rsi_lexical *index)
{
    if (index->run_count < RUNS_TOGETHER + 1)
        return false;
    const rsi_lexical_run *last = rsi_lexical_open_run(index) - 1;
    for (size_t i = 0; i < RUNS_TOGETHER; i++)
        if (last[-(ptrdiff_t)i].merges != last->merges)
            return false;
    return true;
}

static int merge_last(rsi_lexical *index)
{
    const size_t first = index->run_count - 1 - RUNS_TOGETHER;
    rsi_lexical_run merged;
    int status = move_out(&merged, index, first, RUNS_TOGETHER);
    if (status != RAGSTORE_OK)
        return status;
    merged.merges = index->runs[first].merges + 1;
    for (size_t i = 0; i < RUNS_TOGETHER; i++)
        rsi_lexical_run_free(&index->runs[first + i], index->root);
    index->runs[first] = merged;
    index->runs[first + 1] = *rsi_lexical_open_run(index);
    index->run_count = first + 2;
    return RAGSTORE_OK;
}

void rsi_lexical_put_away(rsi_lexical *index)
{
    const size_t bytes = rsi_lexical_run_memory(rsi_lexical_open_run(index));
    if (index->place == NULL || bytes < index->run_bytes)
        return;
    rsi_saved_error saved; /* that it stays in memory is nobody's error */
    rsi_error_save(&saved);
    int status = replace_open_run(index);
    index->run_bytes = status == RAGSTORE_OK ? rsi_lexical_run_bytes : 2 * bytes;
    while (status == RAGSTORE_OK && may_merge(index))
        status = merge_last(index); /* otherwise there are more of them for a while */
    if (status != RAGSTORE_OK)
        rsi_error_restore(&saved);
}

/* ---- what all runs have ---- */

rsi_lexical_run *rsi_lexical_run_of(const rsi_lexical *index, int64_t chunk, uint32_t *slot)
{
    for (size_t i = index->run_count; i > 0; i--) {
        rsi_lexical_run *run = &index->runs[i - 1];
        *slot = rsi_chunk_slots_find(&run->slots, chunk);
        if (*slot != RSI_NO_SLOT)
            return run;
    }
    return NULL;
}

rsi_met_term rsi_lexical_find_term(const rsi_lexical *index, const char *key, size_t size)
{
    for (size_t run = 0; run < index->run_count; run++) {
        const uint32_t number = rsi_dictionary_find(&index->runs[run].dictionary, key, size);
        if (number != RSI_NO_TERM)
            return (rsi_met_term)run << 32 | number;
    }
    return RSI_NOT_MET;
}

uint32_t rsi_lexical_term_in(const rsi_lexical *index, rsi_met_term term, size_t run)
{
    const size_t first = (size_t)(term >> 32);
    if (term == RSI_NOT_MET || run < first)
        return RSI_NO_TERM;
    if (run == first)
        return (uint32_t)term;
    const rsi_slice key = rsi_dictionary_term(&index->runs[first].dictionary, (uint32_t)term);
    return rsi_dictionary_find(&index->runs[run].dictionary, key.data, key.size);
}

uint64_t rsi_lexical_chunks_with(const rsi_lexical *index, rsi_met_term term)
{
    uint64_t chunks = 0;
    for (size_t run = 0; run < index->run_count; run++) {
        const uint32_t number = rsi_lexical_term_in(index, term, run);
        if (number != RSI_NO_TERM)
            chunks += index->runs[run].terms[number].chunks;
    }
    return chunks;
}
