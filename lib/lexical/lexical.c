/*
 * The BM25 index: making it and removing from it. See lexical.h for the interface, lexical_index.h
 * for the parts, lexical_add.c for adding, lexical_runs.c for the files that most of a large one is
 * in, bm25.c for searching.
 */
#include "lexical/lexical.h"

#include "base/digest.h"
#include "base/memory.h"
#include "base/status.h"
#include "lexical/lexical_index.h"

#include <math.h>
#include <string.h>

/* Compaction pays when this many slots, and this share of all, are of removed chunks. */
#define COMPACT_MIN_SLOTS 64
#define COMPACT_SHARE 4

int rsi_lexical_check_language(const char *language)
{
    rsi_analyzer analyzer;
    int status = rsi_analyzer_open(&analyzer, language);
    if (status == RAGSTORE_OK)
        rsi_analyzer_close(&analyzer);
    return status;
}

int rsi_lexical_create(rsi_lexical **out, const char *language)
{
    *out = NULL;
    rsi_lexical *index = rsi_alloc_zeroed(sizeof *index);
    if (index == NULL)
        return RAGSTORE_E_NO_MEMORY;
    int status = rsi_analyzer_open(&index->analyzer, language);
    if (status != RAGSTORE_OK)
        goto cleanup;
    /* a language that the analyzer knows is short enough */
    strncpy(index->language, language, sizeof index->language - 1);
    index->run_bytes = rsi_lexical_run_bytes;
    status = rsi_random(&index->seed, sizeof index->seed);
    index->cache.seed = index->seed;
    if (status == RAGSTORE_OK)
        status = rsi_lexical_begin_run(index);

cleanup:
    if (status != RAGSTORE_OK)
        rsi_lexical_free(index);
    else
        *out = index;
    return status;
}

void rsi_lexical_free(rsi_lexical *index)
{
    if (index == NULL)
        return;
    for (size_t i = 0; i < index->run_count; i++)
        rsi_lexical_run_free(&index->runs[i], index->root);
    rsi_free(index->runs);
    rsi_free(index->place);
    rsi_free(index->touched);
    rsi_free(index->pending);
    rsi_word_cache_free(&index->cache);
    rsi_analyzer_close(&index->analyzer);
    rsi_free(index);
}

size_t rsi_lexical_count(const rsi_lexical *index)
{
    size_t count = 0;
    for (size_t i = 0; i < index->run_count; i++)
        count += index->runs[i].slots.alive;
    return count;
}

size_t rsi_lexical_memory(const rsi_lexical *index)
{
    size_t bytes = sizeof *index + rsi_word_cache_memory(&index->cache) +
                   index->touched_capacity * sizeof *index->touched +
                   index->pending_capacity * sizeof *index->pending +
                   index->run_count * sizeof *index->runs;
    for (size_t i = 0; i < index->run_count; i++)
        bytes += rsi_lexical_run_memory(&index->runs[i]);
    return bytes;
}

size_t rsi_lexical_key(const rsi_token *token, char key[RSI_KEY_MAX])
{
    size_t mark = token->stop ? 1 : 0;
    key[0] = RSI_STOP_MARK;
    memcpy(key + mark, token->text, token->size);
    return mark + token->size;
}

double rsi_lexical_idf_of(const rsi_lexical *index, uint64_t chunks)
{
    if (chunks == 0)
        return 0;
    double with = (double)chunks;
    double all = (double)rsi_lexical_count(index);
    return log(1 + (all - with + 0.5) / (with + 0.5));
}

float rsi_lexical_idf(const rsi_lexical *index, const char *term, size_t term_size)
{
    const rsi_met_term met = rsi_lexical_find_term(index, term, term_size);
    return (float)rsi_lexical_idf_of(index, rsi_lexical_chunks_with(index, met));
}

/* ---- removing ----------------------------------------------------------------------- */

static void remove_slot(rsi_lexical_run *run, uint32_t slot)
{
    rsi_chunk_slots *slots = &run->slots;
    const unsigned char *at = rsi_chunk_slots_terms(slots, slot);
    const unsigned char *end = rsi_chunk_slots_terms_end(slots, slot);
    while (at < end)
        run->terms[rsi_take_packed(&at)].chunks--;
    rsi_chunk_slots_remove(slots, slot);
}

/* A run in a file is as it is until lexical.rsl is written again. */
static void compact_if_worth_it(rsi_lexical *index, rsi_lexical_run *run)
{
    size_t dead = run->slots.count - run->slots.alive;
    if (run->view == NULL && dead >= COMPACT_MIN_SLOTS && dead >= run->slots.count / COMPACT_SHARE)
        rsi_lexical_compact(index, run);
}

void rsi_lexical_remove(rsi_lexical *index, int64_t chunk)
{
    uint32_t slot;
    rsi_lexical_run *run = rsi_lexical_run_of(index, chunk, &slot);
    if (run == NULL)
        return;
    remove_slot(run, slot);
    compact_if_worth_it(index, run);
}

void rsi_lexical_keep(rsi_lexical *index, const rsi_bitset *wanted)
{
    for (size_t i = 0; i < index->run_count; i++) {
        rsi_lexical_run *run = &index->runs[i];
        for (uint32_t slot = 0; slot < run->slots.count; slot++)
            if (run->slots.chunks[slot] >= 0 && !rsi_bitset_has(wanted, run->slots.chunks[slot]))
                remove_slot(run, slot);
        compact_if_worth_it(index, run);
    }
}

void rsi_lexical_set_mark(rsi_lexical *index, int64_t chunk, uint32_t mark)
{
    uint32_t slot;
    rsi_lexical_run *run = rsi_lexical_run_of(index, chunk, &slot);
    if (run != NULL)
        run->slots.marks[slot] = mark;
}

bool rsi_lexical_mark(const rsi_lexical *index, int64_t chunk, uint32_t *mark)
{
    uint32_t slot;
    const rsi_lexical_run *run = rsi_lexical_run_of(index, chunk, &slot);
    if (run != NULL)
        *mark = run->slots.marks[slot];
    return run != NULL;
}

/* ---- analysis alone ----------------------------------------------------------------- */

struct visit {
    rsi_term_visitor *visit;
    void *user;
};

#define STOPPED 1 /* the visitor wants no more */

static int visit_token(void *user, const rsi_token *token)
{
    const struct visit *visit = user;
    if (token->stop)
        return RAGSTORE_OK;
    bool more = visit->visit(visit->user, token->text, token->size, token->start, token->end);
    return more ? RAGSTORE_OK : STOPPED;
}

int rsi_lexical_analyze(const char *language, const char *text, size_t size,
                        rsi_term_visitor *visit, void *user)
{
    rsi_analyzer analyzer;
    int status = rsi_analyzer_open(&analyzer, language);
    if (status != RAGSTORE_OK)
        return status;
    struct visit visitor = {visit, user};
    status = rsi_analyzer_run(&analyzer, text, size, visit_token, &visitor);
    rsi_analyzer_close(&analyzer);
    return status == STOPPED ? RAGSTORE_OK : status;
}
