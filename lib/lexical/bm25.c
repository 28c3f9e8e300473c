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

struct search {
    const rsi_lexical *index;
    const rsi_bitset *allowed;
    struct query_term *terms;
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
    uint32_t *numbers; /* of terms that are in the index; sorted, repeated as in the query */
    size_t count;
    size_t capacity;
    size_t different;
    bool stop_only; /* no word but stop words so far */
    double surplus; /* weights of what prefixes stand for, without the best of each */
};

static int note_number(struct query *query, uint32_t number)
{
    if (!rsi_grow((void **)&query->numbers, &query->capacity, query->count + 1,
                  sizeof *query->numbers))
        return RAGSTORE_E_NO_MEMORY;
    query->numbers[query->count++] = number;
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
    uint32_t number = rsi_dictionary_find(&query->index->dictionary, key, size);
    if (number == RSI_NO_TERM || query->index->terms[number].chunks == 0)
        return RAGSTORE_OK;
    return note_number(query, number);
}

static int compare_numbers(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static void sort_terms(struct query *query)
{
    if (query->count > 1)
        qsort(query->numbers, query->count, sizeof *query->numbers, compare_numbers);
    for (size_t i = 0; i < query->count; i++)
        if (i == 0 || query->numbers[i] != query->numbers[i - 1])
            query->different++;
}

/* The most frequent terms that begin with a prefix. */
struct completion {
    uint32_t terms[COMPLETIONS_MAX]; /* by chunks, most first */
    size_t count;
};

static void complete_with(struct completion *completion, const rsi_lexical *index, uint32_t term)
{
    const uint32_t chunks = index->terms[term].chunks;
    size_t at = completion->count;
    while (at > 0 && index->terms[completion->terms[at - 1]].chunks < chunks)
        at--;
    if (at == COMPLETIONS_MAX)
        return;
    size_t kept =
        completion->count == COMPLETIONS_MAX ? COMPLETIONS_MAX - 1 : completion->count;
    memmove(completion->terms + at + 1, completion->terms + at,
            (kept - at) * sizeof *completion->terms);
    completion->terms[at] = term;
    completion->count = kept + 1;
}

static int note_prefix(struct query *query, bool accents_first, rsi_slice prefix)
{
    const rsi_lexical *index = query->index;
    struct completion completion = {.count = 0};
    char folded[RSI_TERM_MAX];
    const size_t size = rsi_fold(prefix.data, prefix.size, accents_first, folded);
    for (uint32_t term = 0; size > 0 && term < index->dictionary.count; term++) {
        rsi_slice text = rsi_dictionary_term(&index->dictionary, term);
        if (text.size >= size && memcmp(text.data, folded, size) == 0 &&
            index->terms[term].chunks > 0 && !index->terms[term].stop)
            complete_with(&completion, index, term);
    }
    double best = 0;
    double sum = 0;
    int status = RAGSTORE_OK;
    for (size_t i = 0; i < completion.count && status == RAGSTORE_OK; i++) {
        const double weight = rsi_lexical_term_idf(index, completion.terms[i]) * (K1 + 1);
        sum += weight;
        best = weight > best ? weight : best;
        status = note_number(query, completion.terms[i]);
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
    const uint32_t *lengths = search->index->slots.lengths + cursor->base;
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
    const uint32_t *lengths = search->index->slots.lengths;
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
    const rsi_chunk_slots *slots = &search->index->slots;
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
    lanes signs = ((limits - four[0]) | (limits - four[1])) | ((limits - four[2]) | (limits - four[3]));
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
    return (size_t)((uint64_t)term->cursor.postings->count * width / search->index->slots.count);
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

static void search_all(struct search *search)
{
    uint32_t end = (uint32_t)search->index->slots.count;
    uint32_t from = 0;
    while ((from = next_slot(search, from)) < end) {
        uint32_t to = end - from > WINDOW ? from + WINDOW : end;
        search_window(search, from, to);
        from = to;
    }
    rsi_top_sort(&search->top);
}

/* ---- the whole ---------------------------------------------------------------------- */

/* How many sums a search looks at: there may be fewer slots than a window has. */
static size_t count_sums(const rsi_lexical *index)
{
    const size_t slots = (index->slots.count + GROUP - 1) / GROUP * GROUP;
    return slots < WINDOW ? slots : WINDOW;
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
    search->count = count;
    search->terms = rsi_alloc_array(count, sizeof *search->terms);
    search->order = rsi_alloc_array(count, sizeof *search->order);
    search->optional_bounds = rsi_alloc_array(count + 1, sizeof *search->optional_bounds);
    double mean = (double)index->slots.total_length / (double)index->slots.alive;
    search->flat = (float)(K1 * (1 - B));
    search->slope = mean > 0 ? (float)(K1 * B / mean) : 0;
    fill_shares(search);
    return search;
}

static void free_search(struct search *search)
{
    if (search == NULL)
        return;
    rsi_free(search->terms);
    rsi_free(search->order);
    rsi_free(search->optional_bounds);
    rsi_free(search);
}

static double weigh(const struct search *search, const struct query *query, size_t *next)
{
    size_t first = *next;
    uint32_t number = query->numbers[first];
    while (*next < query->count && query->numbers[*next] == number)
        ++*next;
    return (double)(*next - first) * rsi_lexical_term_idf(search->index, number) * (K1 + 1);
}

/* The terms' cursors and weights; returns what no chunk can reach. */
static double place_terms(struct search *search, const struct query *query)
{
    double ideal = 0;
    size_t next = 0;
    while (next < query->count)
        ideal += weigh(search, query, &next);
    search->unit = ideal / SCALE;
    next = 0;
    for (size_t i = 0; i < search->count; i++) {
        struct query_term *term = &search->terms[i];
        uint32_t number = query->numbers[next];
        term->weight = (float)(weigh(search, query, &next) / search->unit);
        term->cursor = rsi_cursor_begin(&search->index->terms[number].postings);
        search->order[i] = term;
    }
    return ideal;
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
    if (search == NULL || search->terms == NULL || search->order == NULL ||
        search->optional_bounds == NULL) {
        status = RAGSTORE_E_NO_MEMORY;
        goto cleanup;
    }
    search->allowed = allowed;
    *ideal = (float)(place_terms(search, &query) - query.surplus);
    rsi_top_init(&search->top, hits, k);
    if (k > 0)
        search_all(search);
    *count = search->top.count;

cleanup:
    free_search(search);
    rsi_free(query.numbers);
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

static int keep_those_with(void *user, const rsi_token *token)
{
    const struct having *having = user;
    const rsi_chunk_slots *slots = &having->index->slots;
    rsi_bitset with = {0};
    int status = RAGSTORE_OK;
    char key[RSI_KEY_MAX];
    size_t size = rsi_lexical_key(token, key);
    uint32_t number = rsi_dictionary_find(&having->index->dictionary, key, size);
    if (number != RSI_NO_TERM) {
        rsi_cursor cursor = rsi_cursor_begin(&having->index->terms[number].postings);
        for (; cursor.slot != RSI_NO_SLOT && status == RAGSTORE_OK; rsi_cursor_next(&cursor))
            if (slots->chunks[cursor.slot] >= 0 &&
                rsi_bitset_has(having->left, slots->chunks[cursor.slot]))
                status = rsi_bitset_add(&with, slots->chunks[cursor.slot]);
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
