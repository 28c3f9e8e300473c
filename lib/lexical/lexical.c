/*
 * The BM25 index: making, adding, removing. See lexical.h for the interface, lexical_index.h
 * for the parts, lexical_runs.c for the files that most of a large one is in, bm25.c for searching.
 *
 * Adding has two halves: everything that can fail (analysis, new terms, room in every list),
 * then what cannot (appending). New terms of a failed half stay in the dictionary without
 * chunks, which nobody can tell from terms that are not there.
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
    size_t bytes = sizeof *index + index->cache.size * sizeof *index->cache.entries +
                   index->touched_capacity * sizeof *index->touched +
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

/* ---- adding ------------------------------------------------------------------------- */

/* A chunk on its way in. */
struct addition {
    rsi_lexical *index;
    rsi_lexical_run *run; /* the open one */
    size_t touched; /* different terms so far */
    uint32_t length;
    size_t tokens; /* of the segment at hand */
    uint32_t last_term;
};

static int count_term(struct addition *addition, uint32_t number)
{
    rsi_lexical *index = addition->index;
    rsi_term *term = &addition->run->terms[number];
    if (term->pending == 0) {
        if (addition->touched == index->touched_capacity &&
            !rsi_grow((void **)&index->touched, &index->touched_capacity, addition->touched + 1,
                      sizeof *index->touched))
            return RAGSTORE_E_NO_MEMORY;
        index->touched[addition->touched++] = number;
    }
    term->pending++;
    addition->length += 1 - term->stop;
    return RAGSTORE_OK;
}

static int count_token(void *user, const rsi_token *token)
{
    struct addition *addition = user;
    rsi_lexical_run *run = addition->run;
    char key[RSI_KEY_MAX];
    size_t size = rsi_lexical_key(token, key);
    size_t before = run->dictionary.count;
    if (!rsi_grow((void **)&run->terms, &run->terms_capacity, before + 1, sizeof *run->terms))
        return RAGSTORE_E_NO_MEMORY;
    uint32_t number;
    int status = rsi_dictionary_add(&run->dictionary, key, size, &number);
    if (status != RAGSTORE_OK)
        return status;
    if (number == before)
        run->terms[number] = (rsi_term){.stop = token->stop};
    addition->tokens++;
    addition->last_term = number;
    return count_term(addition, number);
}

/* The terms of a segment that the cache does not know. */
static int count_new_segment(struct addition *addition, const char *text,
                             const rsi_segment *segment, rsi_cached_word *place)
{
    addition->tokens = 0;
    int status =
        rsi_analyzer_expand(&addition->index->analyzer, text, segment, count_token, addition);
    if (status == RAGSTORE_OK && addition->tokens == 1)
        rsi_cache_word(place, text + segment->start, segment->end - segment->start,
                       addition->last_term);
    return status;
}

/* Words are looked up a few at a time, so that the processor fetches their places at once. */
#define WORDS_AT_ONCE 16

static int count_terms(struct addition *addition, const char *text, size_t size)
{
    rsi_lexical *index = addition->index;
    rsi_segment segments[WORDS_AT_ONCE];
    rsi_cached_word *places[WORDS_AT_ONCE];
    size_t offset = 0;
    size_t count;
    do {
        for (count = 0; count < WORDS_AT_ONCE; count++) {
            rsi_segment *segment = &segments[count];
            if (!rsi_segment_next(text, size, &offset, segment))
                break;
            places[count] = rsi_word_cache_place(&index->cache, text + segment->start,
                                                 segment->end - segment->start);
            __builtin_prefetch(places[count]);
        }
        for (size_t i = 0; i < count; i++) {
            const rsi_segment *segment = &segments[i];
            uint32_t known =
                rsi_cached_term(places[i], text + segment->start, segment->end - segment->start);
            int status = known != RSI_NO_TERM
                             ? count_term(addition, known)
                             : count_new_segment(addition, text, segment, places[i]);
            if (status != RAGSTORE_OK)
                return status;
        }
    } while (count == WORDS_AT_ONCE);
    return rsi_word_cache_fit(&index->cache, addition->run->dictionary.count);
}

static int make_room(struct addition *addition)
{
    const rsi_lexical *index = addition->index;
    rsi_lexical_run *run = addition->run;
    int status = rsi_chunk_slots_reserve(&run->slots, addition->touched);
    for (size_t i = 0; i < addition->touched && status == RAGSTORE_OK; i++) {
        rsi_postings *postings = &run->terms[index->touched[i]].postings;
        if (!rsi_postings_has_room(postings))
            status = rsi_postings_reserve(postings, &run->postings_memory);
        __builtin_prefetch(rsi_postings_bytes(postings) + postings->size, 1);
    }
    return status;
}

/* Cannot fail. */
static void enter_chunk(struct addition *addition, int64_t chunk)
{
    const rsi_lexical *index = addition->index;
    rsi_lexical_run *run = addition->run;
    uint32_t slot = rsi_chunk_slots_append(&run->slots, chunk, index->touched, addition->touched,
                                           addition->length);
    for (size_t i = 0; i < addition->touched; i++) {
        rsi_term *term = &run->terms[index->touched[i]];
        rsi_postings_append(&term->postings, slot, term->pending, addition->length);
        term->chunks++;
    }
}

int rsi_lexical_add(rsi_lexical *index, int64_t chunk, const char *text, size_t size)
{
    if (chunk < 0)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "lexical", "chunk number %lld is negative",
                        (long long)chunk);
    if (size > INT32_MAX)
        return rsi_fail(RAGSTORE_E_TOO_LARGE, "lexical", "chunk %lld has %zu bytes of text",
                        (long long)chunk, size);
    uint32_t slot;
    if (rsi_lexical_run_of(index, chunk, &slot) != NULL)
        return rsi_fail(RAGSTORE_E_EXISTS, "lexical", "chunk %lld is in the keyword index already",
                        (long long)chunk);
    struct addition addition = {.index = index, .run = rsi_lexical_open_run(index)};
    int status = count_terms(&addition, text, size);
    if (status == RAGSTORE_OK)
        status = make_room(&addition);
    if (status == RAGSTORE_OK)
        enter_chunk(&addition, chunk);
    for (size_t i = 0; i < addition.touched; i++)
        addition.run->terms[index->touched[i]].pending = 0;
    if (status == RAGSTORE_OK)
        rsi_lexical_put_away(index);
    return status;
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
