/*
 * Searching the BM25 index: the best k chunks without scoring all.
 *
 * Slots are walked in windows of WINDOW. In each one a bound is known for every term of the
 * query: what its best posting there could give, from the blocks that reach into the window.
 *
 *   terms by bound   0.3  0.5 │ 2.1  4.0        entry score: 1.0
 *                    optional │ needed
 *
 * Terms whose bounds together stay below the worst hit kept are optional: a chunk that has only
 * them cannot enter. The needed ones are added up into `sums`. Then the optional ones follow,
 * strongest first, for the chunks that can still enter: one by one while those are few, all of
 * the window when they are many. A window without needed terms is skipped unread. (Turtle and
 * Flood 1995, "MaxScore", with the block bounds of Ding and Suel 2011.)
 *
 * Runs are searched one after the other, with the same weights and the same hits; what a chunk of a
 * later one must have to enter is known by then.
 *
 * Sums are whole numbers, the ideal score being SCALE, so that the order of adding does not show
 * in the scores. What a term gives to a chunk depends on two small numbers, mostly, and is looked
 * up in a table that is made for the query.
 */
#include "base/memory.h"
#include "base/status.h"
#include "lexical/lexical_index.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define K1 1.2
#define B 0.75
#define WINDOW 4096u
/* Longer queries need all their terms in every window: sorting would cost more than it saves. */
#define PRUNED_TERMS_MAX 64
/* Rounding must never cut off a chunk that would just have entered. */
#define ENTRY_SLACK 0.999999
#define SCALE 1073741824.0
/* What it costs to look one chunk up in a list, in postings that are added meanwhile. */
#define LOOK_UP_COST 30
#define COMPLETIONS_MAX 64 /* words that a prefix stands for */
#define TABLE_FREQUENCIES 4
#define TABLE_LENGTHS 256

struct query_term {
    rsi_cursor cursor;
    float weight;   /* idf × (k1 + 1), as often as the query has the term, of SCALE */
    uint32_t bound; /* in the window at hand */
};

/* A term of the query, wherever it stands. */
struct query_word {
    rsi_met_term term;
    float weight;
};

struct search {
    const rsi_lexical *index;
    const rsi_lexical_run *run; /* that is searched */
    const rsi_bitset *allowed;
    struct query_word *words;
    size_t word_count;
    struct query_term *terms; /* of the words, those that the run has */
    struct query_term **order; /* by bound, ascending */
    uint64_t *optional_bounds; /* [i]: the sum of the bounds of order[0..i) */
    size_t count;
    size_t optional; /* of order, how many are optional */
    float flat;      /* share = f / (f + flat + slope × length) */
    float slope;
    double unit; /* score = sum × unit */
    rsi_top top;
    uint32_t entry; /* a chunk with less cannot enter */
    /* from here on filled as it is used */
    int32_t sums[WINDOW];
    uint16_t candidates[WINDOW];
    float shares[TABLE_FREQUENCIES][TABLE_LENGTHS]; /* by frequency - 1 and length */
};

static float share_of(const struct search *search, uint32_t frequency, uint32_t length)
{
    float f = (float)frequency;
    return f / (f + search->flat + search->slope * (float)length);
}

/* What a term gives to a chunk. Never 0, which would look like a chunk without it. */
static inline int32_t score(const struct search *search, float weight, uint32_t frequency,
                            uint32_t length)
{
    float share = frequency <= TABLE_FREQUENCIES && length < TABLE_LENGTHS
                      ? search->shares[frequency - 1][length]
                      : share_of(search, frequency, length);
    return 1 + (int32_t)(weight * share);
}

static void fill_shares(struct search *search)
{
    for (uint32_t f = 0; f < TABLE_FREQUENCIES; f++)
        for (uint32_t length = 0; length < TABLE_LENGTHS; length++)
            search->shares[f][length] = share_of(search, f + 1, length);
}

static void offer(struct search *search, int64_t chunk, int64_t sum)
{
    if (!rsi_top_offer(&search->top, (rsi_hit){chunk, (float)((double)sum * search->unit)}))
        return;
    float threshold = rsi_top_threshold(&search->top);
    if (threshold > 0)
        search->entry = (uint32_t)((double)threshold / search->unit * ENTRY_SLACK);
}

/* ---- the query's terms -------------------------------------------------------------- */

struct query {
    const rsi_lexical *index;
    rsi_met_term *met; /* terms that are in the index; sorted, repeated as in the query */
    size_t count;
    size_t capacity;
    size_t different;
    bool stop_only; /* no word but stop words so far */
    double surplus; /* weights of what prefixes stand for, without the best of each */
};

static int note_term(struct query *query, rsi_met_term term)
{
    if (!rsi_grow((void **)&query->met, &query->capacity, query->count + 1, sizeof *query->met))
        return RAGSTORE_E_NO_MEMORY;
    query->met[query->count++] = term;
    return RAGSTORE_OK;
}

static int note_token(void *user, const rsi_token *token)
{
    struct query *query = user;
    if (token->stop && !query->stop_only)
        return RAGSTORE_OK;
    if (!token->stop && query->stop_only) {
        query->stop_only = false;
        query->count = 0;
    }
    char key[RSI_KEY_MAX];
    size_t size = rsi_lexical_key(token, key);
    const rsi_met_term term = rsi_lexical_find_term(query->index, key, size);
    return rsi_lexical_chunks_with(query->index, term) == 0 ? RAGSTORE_OK : note_term(query, term);
}

static int compare_terms(const void *a, const void *b)
{
    rsi_met_term left = *(const rsi_met_term *)a;
    rsi_met_term right = *(const rsi_met_term *)b;
    return (left > right) - (left < right);
}

static void sort_terms(struct query *query)
{
    if (query->count > 1)
        qsort(query->met, query->count, sizeof *query->met, compare_terms);
    for (size_t i = 0; i < query->count; i++)
        if (i == 0 || query->met[i] != query->met[i - 1])
            query->different++;
}

/* The most frequent terms that begin with a prefix. */
struct completion {
    rsi_met_term terms[COMPLETIONS_MAX]; /* by chunks, most first */
    uint64_t chunks[COMPLETIONS_MAX];
    size_t count;
};

static void complete_with(struct completion *completion, rsi_met_term term, uint64_t chunks)
{
    size_t at = completion->count;
    while (at > 0 && completion->chunks[at - 1] < chunks)
        at--;
    if (at == COMPLETIONS_MAX)
        return;
    size_t kept =
        completion->count == COMPLETIONS_MAX ? COMPLETIONS_MAX - 1 : completion->count;
    memmove(completion->terms + at + 1, completion->terms + at,
            (kept - at) * sizeof *completion->terms);
    memmove(completion->chunks + at + 1, completion->chunks + at,
            (kept - at) * sizeof *completion->chunks);
    completion->terms[at] = term;
    completion->chunks[at] = chunks;
    completion->count = kept + 1;
}

/* Complete a prefix with the terms that were first met in a run. */
static void complete_from(struct completion *completion, const rsi_lexical *index, size_t at,
                          rsi_slice prefix)
{
    const rsi_lexical_run *run = &index->runs[at];
    for (uint32_t number = 0; number < run->dictionary.count; number++) {
        const rsi_slice text = rsi_dictionary_term(&run->dictionary, number);
        const rsi_met_term term = (rsi_met_term)at << 32 | number;
        if (text.size < prefix.size || memcmp(text.data, prefix.data, prefix.size) != 0 ||
            run->terms[number].stop ||
            (at > 0 && rsi_lexical_find_term(index, text.data, text.size) != term))
            continue;
        const uint64_t chunks = rsi_lexical_chunks_with(index, term);
        if (chunks > 0)
            complete_with(completion, term, chunks);
    }
}

static int note_prefix(struct query *query, bool accents_first, rsi_slice prefix)
{
    const rsi_lexical *index = query->index;
    struct completion completion = {.count = 0};
    char folded[RSI_TERM_MAX];
    const size_t size = rsi_fold(prefix.data, prefix.size, accents_first, folded);
    for (size_t run = 0; size > 0 && run < index->run_count; run++)
        complete_from(&completion, index, run, (rsi_slice){folded, size});
    double best = 0;
    double sum = 0;
    int status = RAGSTORE_OK;
    for (size_t i = 0; i < completion.count && status == RAGSTORE_OK; i++) {
        const double weight = rsi_lexical_idf_of(index, completion.chunks[i]) * (K1 + 1);
        sum += weight;
        best = weight > best ? weight : best;
        status = note_term(query, completion.terms[i]);
    }
    query->surplus += sum - best;
    return status;
}

static int read_query(struct query *query, const rsi_lexical_query *given)
{
    rsi_analyzer analyzer;
    int status = rsi_analyzer_open(&analyzer, query->index->language);
    if (status != RAGSTORE_OK)
        return status;
    query->stop_only = true;
    status = rsi_analyzer_run(&analyzer, given->text, given->size, note_token, query);
    for (size_t i = 0; i < given->prefix_count && status == RAGSTORE_OK; i++)
        status = note_prefix(query, analyzer.accents_first, given->prefixes[i]);
    rsi_analyzer_close(&analyzer);
    sort_terms(query);
    return status;
}

/* ---- one window --------------------------------------------------------------------- */

/* Bound every term in [from, to), and part the optional ones from the needed. */
static void plan_window(struct search *search, uint32_t from, uint32_t to)
{
    for (size_t i = 0; i < search->count; i++) {
        struct query_term *term = &search->terms[i];
        uint32_t frequency;
        uint32_t length;
        term->bound = 0;
        if (rsi_cursor_extremes(&term->cursor, from, to, &frequency, &length)) {
            uint32_t most = (uint32_t)score(search, term->weight, frequency, length);
            term->bound = most + most / 1048576 + 1; /* shares are rounded */
        }
    }
    search->optional = 0;
    search->optional_bounds[0] = 0;
    if (search->count > PRUNED_TERMS_MAX)
        return;
    for (size_t i = 1; i < search->count; i++) {
        struct query_term *term = search->order[i];
        size_t j = i;
        for (; j > 0 && search->order[j - 1]->bound > term->bound; j--)
            search->order[j] = search->order[j - 1];
        search->order[j] = term;
    }
    uint64_t sum = 0;
    for (size_t i = 0; i < search->count; i++) {
        sum += search->order[i]->bound;
        if (sum >= search->entry)
            break;
        search->optional_bounds[++search->optional] = sum;
    }
}

/* Add what a term gives to the chunks of its dense block that are in the window. */
static void add_dense(struct search *search, float weight, rsi_cursor *cursor, uint32_t from,
                      uint32_t to)
{
    const unsigned char *block = cursor->at;
    const uint32_t *lengths = search->run->slots.lengths + cursor->base;
    int32_t *sums = search->sums;
    const uint32_t shift = cursor->base - from; /* modulo 2³², as is its use */
    uint32_t end = cursor->postings->blocks[cursor->block].last_slot < to
                       ? RSI_BLOCK_POSTINGS
                       : rsi_cursor_find(cursor, to);
    for (uint32_t place = cursor->place; place < end; place++) {
        uint32_t offset = rsi_dense_offset(block, place);
        sums[offset + shift] +=
            score(search, weight, rsi_dense_frequency(block, place), lengths[offset]);
    }
    rsi_cursor_place(cursor, end);
}

/* Add what a term gives to each chunk of the window. */
static void add_term(struct search *search, struct query_term *term, uint32_t from, uint32_t to)
{
    const uint32_t *lengths = search->run->slots.lengths;
    rsi_cursor cursor = term->cursor;
    rsi_cursor_advance(&cursor, from);
    while (cursor.slot < to) {
        if (cursor.dense) {
            add_dense(search, term->weight, &cursor, from, to);
            continue;
        }
        search->sums[cursor.slot - from] +=
            score(search, term->weight, cursor.frequency, lengths[cursor.slot]);
        rsi_cursor_next(&cursor);
    }
    term->cursor = cursor;
}

/* Complete a chunk's score with the optional terms, strongest first, while it can still enter. */
static void complete(struct search *search, uint32_t slot, uint64_t sum, size_t left)
{
    const rsi_chunk_slots *slots = &search->run->slots;
    int64_t chunk = slots->chunks[slot];
    if (chunk < 0 || (search->allowed != NULL && !rsi_bitset_has(search->allowed, chunk)))
        return;
    while (left > 0 && sum + search->optional_bounds[left] >= search->entry) {
        struct query_term *term = search->order[--left];
        rsi_cursor_advance(&term->cursor, slot);
        if (term->cursor.slot == slot)
            sum += (uint32_t)score(search, term->weight, term->cursor.frequency,
                                   slots->lengths[slot]);
    }
    if (left == 0 && sum >= search->entry)
        offer(search, chunk, (int64_t)sum);
}

/* Is one of GROUP sums above `limit`? Their sign bits tell, and are looked at together. */
#define GROUP 16
static bool any_above(const int32_t *sums, int32_t limit)
{
    typedef int32_t lanes __attribute__((vector_size(16)));
    const lanes limits = {limit, limit, limit, limit};
    lanes four[GROUP / 4];
    memcpy(four, sums, sizeof four);
    lanes signs =
        ((limits - four[0]) | (limits - four[1])) | ((limits - four[2]) | (limits - four[3]));
    return ((signs[0] | signs[1]) | (signs[2] | signs[3])) < 0;
}

/* A chunk of the window can enter with at most `rest` more if its sum is above this. */
static int32_t limit_for(const struct search *search, uint64_t rest)
{
    return search->entry > rest + 1 ? (int32_t)(search->entry - rest) - 1 : 0;
}

static size_t count_candidates(const struct search *search, uint32_t width, uint64_t rest)
{
    const int32_t limit = limit_for(search, rest);
    int32_t count = 0;
    for (uint32_t i = 0; i < width; i++)
        count += search->sums[i] > limit;
    return (size_t)count;
}

static size_t list_candidates(struct search *search, uint32_t width, uint64_t rest)
{
    const int32_t limit = limit_for(search, rest);
    size_t count = 0;
    for (uint32_t i = 0; i < width; i += GROUP) { /* sums behind the window are 0 */
        if (!any_above(search->sums + i, limit))
            continue;
        for (uint32_t j = i; j < i + GROUP; j++) {
            search->candidates[count] = (uint16_t)j;
            count += search->sums[j] > limit;
        }
    }
    return count;
}

/* About how many postings a list has in a stretch of slots. */
static size_t postings_in(const struct search *search, const struct query_term *term,
                          uint32_t width)
{
    return (size_t)((uint64_t)term->cursor.postings->count * width / search->run->slots.count);
}

static void search_window(struct search *search, uint32_t from, uint32_t to)
{
    const uint32_t width = to - from;
    plan_window(search, from, to);
    size_t left = search->optional;
    if (left == search->count)
        return;
    for (size_t i = left; i < search->count; i++)
        add_term(search, search->order[i], from, to);
    while (left > 0 &&
           count_candidates(search, width, search->optional_bounds[left]) * LOOK_UP_COST >
               postings_in(search, search->order[left - 1], width))
        add_term(search, search->order[--left], from, to);
    const uint64_t rest = search->optional_bounds[left];
    size_t count = list_candidates(search, width, rest);
    for (size_t i = 0; i < count; i++) {
        uint32_t at = search->candidates[i];
        if ((uint64_t)search->sums[at] + rest >= search->entry) /* it has risen meanwhile */
            complete(search, from + at, (uint64_t)search->sums[at], left);
    }
    memset(search->sums, 0, width * sizeof *search->sums);
}

/* The first slot at or behind `from` where a term may stand; RSI_NO_SLOT at the end. */
static uint32_t next_slot(const struct search *search, uint32_t from)
{
    uint32_t next = RSI_NO_SLOT;
    for (size_t i = 0; i < search->count; i++) {
        uint32_t slot = search->terms[i].cursor.slot;
        if (slot != RSI_NO_SLOT && slot < from)
            slot = from; /* an optional term's cursor stays behind */
        if (slot < next)
            next = slot;
    }
    return next;
}

static void search_run(struct search *search)
{
    uint32_t end = (uint32_t)search->run->slots.count;
    uint32_t from = 0;
    while ((from = next_slot(search, from)) < end) {
        uint32_t to = end - from > WINDOW ? from + WINDOW : end;
        search_window(search, from, to);
        from = to;
    }
}

/* ---- the whole ---------------------------------------------------------------------- */

/* How many sums a search looks at: there may be fewer slots than a window has. */
static size_t count_sums(const rsi_lexical *index)
{
    size_t most = 0;
    for (size_t run = 0; run < index->run_count; run++)
        most = index->runs[run].slots.count > most ? index->runs[run].slots.count : most;
    const size_t slots = (most + GROUP - 1) / GROUP * GROUP;
    return slots < WINDOW ? slots : WINDOW;
}

static double mean_length(const rsi_lexical *index)
{
    uint64_t length = 0;
    for (size_t run = 0; run < index->run_count; run++)
        length += index->runs[run].slots.total_length;
    return (double)length / (double)rsi_lexical_count(index);
}

/* Room for a search. NULL, or members that are NULL, when memory is short. */
static struct search *make_search(const rsi_lexical *index, const struct query *query)
{
    size_t count = query->different;
    struct search *search = rsi_alloc(sizeof *search);
    if (search == NULL)
        return NULL;
    memset(search, 0, offsetof(struct search, sums));
    memset(search->sums, 0, count_sums(index) * sizeof *search->sums);
    search->index = index;
    search->word_count = count;
    search->words = rsi_alloc_array(count, sizeof *search->words);
    search->terms = rsi_alloc_array(count, sizeof *search->terms);
    search->order = rsi_alloc_array(count, sizeof *search->order);
    search->optional_bounds = rsi_alloc_array(count + 1, sizeof *search->optional_bounds);
    double mean = mean_length(index);
    search->flat = (float)(K1 * (1 - B));
    search->slope = mean > 0 ? (float)(K1 * B / mean) : 0;
    fill_shares(search);
    return search;
}

static bool has_all(const struct search *search)
{
    return search != NULL && search->words != NULL && search->terms != NULL &&
           search->order != NULL && search->optional_bounds != NULL;
}

static void free_search(struct search *search)
{
    if (search == NULL)
        return;
    rsi_free(search->words);
    rsi_free(search->terms);
    rsi_free(search->order);
    rsi_free(search->optional_bounds);
    rsi_free(search);
}

static double weigh(const struct search *search, const struct query *query, size_t *next)
{
    size_t first = *next;
    const rsi_met_term term = query->met[first];
    while (*next < query->count && query->met[*next] == term)
        ++*next;
    return (double)(*next - first) *
           rsi_lexical_idf_of(search->index, rsi_lexical_chunks_with(search->index, term)) *
           (K1 + 1);
}

/* The words and their weights; returns what no chunk can reach. */
static double place_words(struct search *search, const struct query *query)
{
    double ideal = 0;
    size_t next = 0;
    while (next < query->count)
        ideal += weigh(search, query, &next);
    search->unit = ideal / SCALE;
    next = 0;
    for (size_t i = 0; i < search->word_count; i++) {
        struct query_word *word = &search->words[i];
        word->term = query->met[next];
        word->weight = (float)(weigh(search, query, &next) / search->unit);
    }
    return ideal;
}

/* Turn to a run, with those of the words that it has. */
static void enter_run(struct search *search, size_t run)
{
    search->run = &search->index->runs[run];
    search->count = 0;
    for (size_t i = 0; i < search->word_count; i++) {
        const struct query_word *word = &search->words[i];
        const uint32_t number = rsi_lexical_term_in(search->index, word->term, run);
        if (number == RSI_NO_TERM)
            continue;
        struct query_term *term = &search->terms[search->count];
        term->weight = word->weight;
        term->cursor = rsi_cursor_begin(&search->run->terms[number].postings);
        search->order[search->count++] = term;
    }
}

int rsi_lexical_search_words(rsi_hit *hits, size_t *count, float *ideal, const rsi_lexical *index,
                             const rsi_lexical_query *given, size_t k, const rsi_bitset *allowed)
{
    *count = 0;
    *ideal = 0;
    struct query query = {.index = index};
    struct search *search = NULL;
    int status = read_query(&query, given);
    if (status != RAGSTORE_OK || query.count == 0)
        goto cleanup;
    search = make_search(index, &query);
    if (!has_all(search)) {
        status = RAGSTORE_E_NO_MEMORY;
        goto cleanup;
    }
    search->allowed = allowed;
    *ideal = (float)(place_words(search, &query) - query.surplus);
    rsi_top_init(&search->top, hits, k);
    for (size_t run = 0; k > 0 && run < index->run_count; run++) {
        enter_run(search, run);
        search_run(search);
    }
    rsi_top_sort(&search->top);
    *count = search->top.count;

cleanup:
    free_search(search);
    rsi_free(query.met);
    return status;
}

int rsi_lexical_search(rsi_hit *hits, size_t *count, float *ideal, const rsi_lexical *index,
                       const char *query, size_t size, size_t k, const rsi_bitset *allowed)
{
    const rsi_lexical_query words = {.text = query, .size = size};
    return rsi_lexical_search_words(hits, count, ideal, index, &words, k, allowed);
}

/* ---- all terms of a text ------------------------------------------------------------ */

struct having {
    const rsi_lexical *index;
    rsi_bitset *left; /* the chunks that have all terms so far */
};

/* Add the chunks of a run that have a term, out of those that are left. */
static int add_those_with(rsi_bitset *with, const rsi_lexical_run *run, uint32_t number,
                          const rsi_bitset *left)
{
    const rsi_chunk_slots *slots = &run->slots;
    int status = RAGSTORE_OK;
    rsi_cursor cursor = rsi_cursor_begin(&run->terms[number].postings);
    for (; cursor.slot != RSI_NO_SLOT && status == RAGSTORE_OK; rsi_cursor_next(&cursor))
        if (slots->chunks[cursor.slot] >= 0 && rsi_bitset_has(left, slots->chunks[cursor.slot]))
            status = rsi_bitset_add(with, slots->chunks[cursor.slot]);
    return status;
}

static int keep_those_with(void *user, const rsi_token *token)
{
    const struct having *having = user;
    rsi_bitset with = {0};
    int status = RAGSTORE_OK;
    char key[RSI_KEY_MAX];
    size_t size = rsi_lexical_key(token, key);
    const rsi_met_term term = rsi_lexical_find_term(having->index, key, size);
    for (size_t i = 0; i < having->index->run_count && status == RAGSTORE_OK; i++) {
        const uint32_t number = rsi_lexical_term_in(having->index, term, i);
        if (number != RSI_NO_TERM)
            status = add_those_with(&with, &having->index->runs[i], number, having->left);
    }
    rsi_bitset_intersect(having->left, &with);
    rsi_bitset_free(&with);
    return status;
}

int rsi_lexical_having(rsi_bitset *out, const rsi_lexical *index, const char *text, size_t size,
                       const rsi_bitset *allowed)
{
    rsi_analyzer analyzer;
    struct having having = {index, out};
    int status = rsi_bitset_copy(out, allowed);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_analyzer_open(&analyzer, index->language);
    if (status == RAGSTORE_OK)
        status = rsi_analyzer_run(&analyzer, text, size, keep_those_with, &having);
    rsi_analyzer_close(&analyzer);
    if (status != RAGSTORE_OK)
        rsi_bitset_free(out);
    return status;
}
