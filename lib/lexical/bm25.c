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
 * them cannot enter. The needed ones are added up chunk by chunk into `sums`; then each chunk
 * touched is looked up in the optional lists, strongest first, for as long as it can still enter.
 * A window without needed terms is skipped unread. (Turtle and Flood 1995, "MaxScore", with the
 * block bounds of Ding and Suel 2011.)
 *
 * Sums are doubles, so that the order of adding does not show in the scores.
 */
#include "base/memory.h"
#include "base/status.h"
#include "lexical/lexical_index.h"

#include <math.h>
#include <stdlib.h>

#define K1 1.2
#define B 0.75
#define WINDOW 4096u
/* Longer queries need all their terms in every window: sorting would cost more than it saves. */
#define PRUNED_TERMS_MAX 64
/* Rounding must never cut off a chunk that would just have entered. */
#define ENTRY_SLACK 0.999999

struct query_term {
    rsi_cursor cursor;
    float weight; /* idf × (k1 + 1), as often as the query has the term */
    double bound; /* in the window at hand */
};

struct search {
    const rsi_lexical *index;
    const rsi_bitset *allowed;
    struct query_term *terms;
    struct query_term **order; /* by bound, ascending */
    double *optional_bounds;   /* [i]: the sum of the bounds of order[0..i) */
    size_t count;
    size_t optional; /* of order, how many are optional */
    float flat;      /* score = weight × f / (f + flat + slope × length) */
    float slope;
    rsi_top top;
    double entry; /* a chunk with less cannot enter */
    double sums[WINDOW];
    uint64_t touched[WINDOW / 64];
};

static double score(const struct search *search, float weight, uint32_t frequency, uint32_t length)
{
    float f = (float)frequency;
    return (double)(weight * f / (f + search->flat + search->slope * (float)length));
}

static void offer(struct search *search, int64_t chunk, double sum)
{
    rsi_top_offer(&search->top, (rsi_hit){chunk, (float)sum});
    search->entry = (double)rsi_top_threshold(&search->top) * ENTRY_SLACK;
}

/* ---- the query's terms -------------------------------------------------------------- */

struct query {
    const rsi_lexical *index;
    uint32_t *numbers; /* of terms that are in the index; sorted, repeated as in the query */
    size_t count;
    size_t capacity;
    size_t different;
    bool stop_only; /* no word but stop words so far */
};

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
    if (!rsi_grow((void **)&query->numbers, &query->capacity, query->count + 1,
                  sizeof *query->numbers))
        return RAGSTORE_E_NO_MEMORY;
    query->numbers[query->count++] = number;
    return RAGSTORE_OK;
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

static int read_query(struct query *query, const char *text, size_t size)
{
    rsi_analyzer analyzer;
    int status = rsi_analyzer_open(&analyzer, query->index->language);
    if (status != RAGSTORE_OK)
        return status;
    query->stop_only = true;
    status = rsi_analyzer_run(&analyzer, text, size, note_token, query);
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
        if (rsi_cursor_extremes(&term->cursor, from, to, &frequency, &length))
            term->bound = score(search, term->weight, frequency, length);
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
    double sum = 0;
    for (size_t i = 0; i < search->count; i++) {
        sum += search->order[i]->bound;
        if (sum >= search->entry)
            break;
        search->optional_bounds[++search->optional] = sum;
    }
}

/* Add what a term gives to each chunk of the window. */
static void add_term(struct search *search, struct query_term *term, uint32_t from, uint32_t to)
{
    const uint32_t *lengths = search->index->slots.lengths;
    rsi_cursor cursor = term->cursor;
    rsi_cursor_advance(&cursor, from);
    while (cursor.slot < to) {
        uint32_t i = cursor.slot - from;
        search->sums[i] += score(search, term->weight, cursor.frequency, lengths[cursor.slot]);
        search->touched[i / 64] |= UINT64_C(1) << (i % 64);
        rsi_cursor_next(&cursor);
    }
    term->cursor = cursor;
}

/* Complete a chunk's score with the optional terms, strongest first, while it can still enter. */
static void complete(struct search *search, uint32_t slot, double sum)
{
    const rsi_chunk_slots *slots = &search->index->slots;
    size_t left = search->optional;
    if (sum + search->optional_bounds[left] < search->entry)
        return;
    int64_t chunk = slots->chunks[slot];
    if (chunk < 0 || (search->allowed != NULL && !rsi_bitset_has(search->allowed, chunk)))
        return;
    while (left > 0 && sum + search->optional_bounds[left] >= search->entry) {
        struct query_term *term = search->order[--left];
        rsi_cursor_advance(&term->cursor, slot);
        if (term->cursor.slot == slot)
            sum += score(search, term->weight, term->cursor.frequency, slots->lengths[slot]);
    }
    if (left == 0)
        offer(search, chunk, sum);
}

static void search_window(struct search *search, uint32_t from, uint32_t to)
{
    plan_window(search, from, to);
    if (search->optional == search->count)
        return;
    for (size_t i = search->optional; i < search->count; i++)
        add_term(search, search->order[i], from, to);
    for (size_t word = 0; word < WINDOW / 64; word++) {
        while (search->touched[word] != 0) {
            uint32_t i = (uint32_t)(word * 64) + (uint32_t)__builtin_ctzll(search->touched[word]);
            search->touched[word] &= search->touched[word] - 1;
            complete(search, from + i, search->sums[i]);
            search->sums[i] = 0;
        }
    }
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

/* Room for a search. NULL, or members that are NULL, when memory is short. */
static struct search *make_search(const rsi_lexical *index, const struct query *query)
{
    size_t count = query->different;
    struct search *search = rsi_alloc_zeroed(sizeof *search);
    if (search == NULL)
        return NULL;
    search->index = index;
    search->count = count;
    search->terms = rsi_alloc_array(count, sizeof *search->terms);
    search->order = rsi_alloc_array(count, sizeof *search->order);
    search->optional_bounds = rsi_alloc_array(count + 1, sizeof *search->optional_bounds);
    double mean = (double)index->slots.total_length / (double)index->slots.alive;
    search->flat = (float)(K1 * (1 - B));
    search->slope = mean > 0 ? (float)(K1 * B / mean) : 0;
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

/* The terms' cursors and weights; returns what no chunk can reach. */
static double place_terms(struct search *search, const struct query *query)
{
    double ideal = 0;
    size_t next = 0;
    for (size_t i = 0; i < search->count; i++) {
        struct query_term *term = &search->terms[i];
        uint32_t number = query->numbers[next];
        size_t first = next;
        while (next < query->count && query->numbers[next] == number)
            next++;
        double idf = rsi_lexical_term_idf(search->index, number);
        double weight = (double)(next - first) * idf * (K1 + 1);
        term->weight = (float)weight;
        term->cursor = rsi_cursor_begin(&search->index->terms[number].postings);
        search->order[i] = term;
        ideal += weight;
    }
    return ideal;
}

int rsi_lexical_search(rsi_hit *hits, size_t *count, float *ideal, const rsi_lexical *index,
                       const char *query_text, size_t size, size_t k, const rsi_bitset *allowed)
{
    *count = 0;
    *ideal = 0;
    struct query query = {.index = index};
    struct search *search = NULL;
    int status = read_query(&query, query_text, size);
    if (status != RAGSTORE_OK || query.count == 0)
        goto cleanup;
    search = make_search(index, &query);
    if (search == NULL || search->terms == NULL || search->order == NULL ||
        search->optional_bounds == NULL) {
        status = RAGSTORE_E_NO_MEMORY;
        goto cleanup;
    }
    search->allowed = allowed;
    *ideal = (float)place_terms(search, &query);
    rsi_top_init(&search->top, hits, k);
    search->entry = -INFINITY;
    if (k > 0)
        search_all(search);
    *count = search->top.count;

cleanup:
    free_search(search);
    rsi_free(query.numbers);
    return status;
}
