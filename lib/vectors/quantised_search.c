/*
 * Searching a quantised index: see quantised.h.
 *
 *   1  move the query as the rows were, and turn it into tables (code_scan.h)
 *   2  rank the centroids, scan the lists of the best: more of them while candidates are lacking,
 *      fewer when, by default, the last ones brought next to nothing
 *   3  add the rows that are not coded yet
 *   4  exact scores of the candidates
 *
 * Few allowed rows are scored exactly at once. When a filter leaves out many, all lists are
 * scanned: what it leaves may lie far from the lists that a query would probe.
 */
#include "vectors/quantised_internal.h"

#include "base/memory.h"
#include "base/status.h"
#include "vectors/candidates.h"
#include "vectors/kernel.h"
#include "vectors/rows_internal.h"

#include <math.h>
#include <string.h>

#define CANDIDATES_MIN 128
#define CANDIDATES_PER_HIT 4
#define SHORT 128 /* of vectors with fewer numbers twice as many: their codes say less */
#define FIRST_PER_HIT 3 /* candidates: scored before it is known what the others must beat */

/* An estimate's error has about this standard deviation, times the row's factor and the length of
 * what is multiplied with its residual, the query or its way from the centroid: √(1 - t²) for the
 * mean t = √(2/π) of a code's cosine with what it stands for. So many of them above its estimate a
 * row is given up. */
#define DEVIATION 0.6f
#define DEVIATIONS 3.0f
#define EXACT_ROWS 4096  /* so many allowed rows need no codes */
#define MOST_ALLOWED 0.8 /* below this share all lists are scanned */
#define TABLE_MAX 255
#define STEP 24           /* lists that are ranked at a time: most searches need no more */
#define WINDOW 8          /* lists, by which what the next ones bring is judged */
#define MISSED_SHARE 0.02 /* of the candidates: so few are not looked for */

/* ---- the query ---- */

typedef struct search {
    const rsi_quantised *index;
    const rsi_code_scanner *scanner;
    const float *query;
    const rsi_bitset *allowed;
    float length; /* of the query */
    float *moved; /* the query, where the centroids are */
    rsi_code_query tables;
    uint8_t *bytes; /* of the tables */
    rsi_candidates best;
} search;

/* What the numbers of a nibble come to, for each of its 16 values. */
static void sum_nibble(float sums[16], const float *numbers, size_t count)
{
    sums[0] = 0;
    for (size_t bit = 0; bit < 4; bit++)
        for (size_t value = 0; value < (size_t)1 << bit; value++)
            sums[value + ((size_t)1 << bit)] = sums[value] + (bit < count ? numbers[bit] : 0);
}

/* The least and the most of those sums. */
static void bounds_of(float *least, float *most, const float *numbers, size_t count)
{
    *least = *most = 0;
    for (size_t bit = 0; bit < 4 && bit < count; bit++) {
        *least += numbers[bit] < 0 ? numbers[bit] : 0;
        *most += numbers[bit] > 0 ? numbers[bit] : 0;
    }
}

/*
 * A code's bits b and the rotated query q give Σ (2b - 1) q = 2 Σ b q - Σ q. The tables hold Σ b q
 * of a nibble less its least value, in steps of `step`, as whole numbers.
 */
static void fill_tables(search *s, const float *rotated)
{
    const size_t dimension = s->index->dimension;
    const size_t nibbles = s->index->nibbles;
    const float highest = nibbles * TABLE_MAX <= 65535 ? TABLE_MAX : (float)(65535 / nibbles);
    double total = 0;
    double lowest = 0;
    float widest = 0;
    for (size_t i = 0; i < dimension; i++)
        total += (double)rotated[i];
    for (size_t i = 0; i * 4 < dimension; i++) {
        float least, most;
        bounds_of(&least, &most, rotated + i * 4, dimension - i * 4);
        lowest += (double)least;
        widest = most - least > widest ? most - least : widest;
    }
    const float step = widest > 0 ? widest / highest : 1;
    for (size_t i = 0; i < nibbles; i++) {
        float sums[16];
        float least, most;
        const size_t left = i * 4 < dimension ? dimension - i * 4 : 0;
        sum_nibble(sums, rotated + i * 4, left);
        bounds_of(&least, &most, rotated + i * 4, left);
        for (size_t value = 0; value < 16; value++)
            s->bytes[i * 16 + value] = (uint8_t)((sums[value] - least) / step + 0.5f);
    }
    s->tables = (rsi_code_query){s->bytes, nibbles, 2 * step, (float)(2 * lowest - total)};
}

static int prepare(search *s)
{
    const size_t dimension = s->index->dimension;
    float *rotated = rsi_alloc_zeroed(s->index->nibbles * 4 * sizeof *rotated);
    s->moved = rsi_alloc_array(dimension, sizeof *s->moved);
    s->bytes = rsi_alloc_array(s->index->nibbles, 16);
    const bool good = rotated != NULL && s->moved != NULL && s->bytes != NULL;
    if (good) {
        memcpy(s->moved, s->query, dimension * sizeof *s->moved);
        rsi_quantised_move(s->index, s->moved);
        memcpy(rotated, s->moved, dimension * sizeof *rotated);
        rsi_rotation_apply(s->index->rotation, rotated);
        fill_tables(s, rotated);
    }
    rsi_free(rotated);
    return good ? RAGSTORE_OK : RAGSTORE_E_NO_MEMORY;
}

/* ---- lists ---- */

/* How many of its rows were among the best when they came. */
static size_t scan_list(search *s, const rsi_ranked_list *ranked)
{
    const rsi_code_list *list = &s->index->lists[ranked->number];
    const float base = ranked->base;
    const float length = s->index->metric == RSI_METRIC_L2 ? sqrtf(-base) : s->length;
    const size_t block_bytes = s->index->nibbles * 16;
    float estimates[RSI_CODE_BLOCK];
    size_t taken = 0;
    for (size_t first = 0; first < list->count; first += RSI_CODE_BLOCK) {
        uint32_t over = s->scanner->scan(estimates, &s->tables,
                                         list->codes + first / RSI_CODE_BLOCK * block_bytes,
                                         list->factors + first,
                                         list->addends == NULL ? NULL : list->addends + first,
                                         s->best.least - base);
        if (list->count - first < RSI_CODE_BLOCK)
            over &= ((uint32_t)1 << (list->count - first)) - 1;
        while (over != 0) {
            const unsigned i = (unsigned)__builtin_ctz(over);
            over &= over - 1;
            const uint32_t chunk = list->chunks[first + i];
            if (!rsi_bitset_has(s->allowed, chunk))
                continue;
            rsi_candidates_offer(&s->best,
                                 (rsi_candidate){base + estimates[i],
                                                 length * list->factors[first + i], chunk});
            taken++;
        }
    }
    return taken;
}

/* Of each of the last lists, how many rows were taken. */
typedef struct yield {
    size_t taken[WINDOW];
    size_t lists;
} yield;

static bool is_yielding(const yield *of, size_t left, size_t wanted)
{
    size_t sum = 0;
    for (size_t i = 0; i < WINDOW; i++)
        sum += of->taken[i];
    return of->lists < WINDOW ||
           (double)sum / WINDOW * (double)left > MISSED_SHARE * (double)wanted;
}

/* Of the lists that rank highest `probes`; with `may_stop` fewer, when those that are left would
 * bring next to nothing by what the last ones brought; more while there are too few candidates. */
static int scan_lists(search *s, size_t probes, bool may_stop)
{
    rsi_list_ranking ranking;
    yield last = {0};
    int status = rsi_list_ranking_begin(&ranking, s->index, s->moved);
    while (status == RAGSTORE_OK && ranking.passed < s->index->list_count) {
        const size_t step = may_stop && probes > STEP ? STEP : probes;
        const size_t count = rsi_list_ranking_next(&ranking, step);
        for (size_t i = 0; i < count; i++) {
            const bool is_enough = s->best.count >= s->best.limit;
            const size_t left = last.lists < probes ? probes - last.lists : 0;
            if (is_enough &&
                (left == 0 || (may_stop && !is_yielding(&last, left, s->best.limit))))
                goto cleanup;
            last.taken[last.lists++ % WINDOW] = scan_list(s, &ranking.chosen[i]);
        }
    }
cleanup:
    rsi_list_ranking_end(&ranking);
    return status;
}

/* ---- exact scores ---- */

typedef struct scoring {
    rsi_rows *rows;
    rsi_top top;
    const float **places; /* of the candidates' rows */
    float *scores;
} scoring;

/* Candidates from … to. */
static int score_some(scoring *to, const search *s, size_t from, size_t end)
{
    for (size_t i = from; i < end; i++) {
        int status = rsi_rows_get(&to->places[i], to->rows, s->best.items[i].chunk);
        if (status != RAGSTORE_OK)
            return status;
        for (size_t line = 0; line < 8; line++)
            __builtin_prefetch((const char *)to->places[i] + line * 64);
    }
    rsi_kernel_of(rsi_rows_metric(to->rows))(to->scores + from, s->query, to->places + from,
                                             end - from, s->index->dimension);
    for (size_t i = from; i < end; i++)
        rsi_top_offer(&to->top, (rsi_hit){s->best.items[i].chunk, to->scores[i]});
    return RAGSTORE_OK;
}

/* Of the candidates from `from` on, those that may be among the best; they are put together there.
 */
static size_t drop_hopeless(search *s, size_t from, float threshold)
{
    const float reach = DEVIATIONS * DEVIATION;
    size_t kept = from;
    for (size_t i = from; i < s->best.count; i++)
        if (s->best.items[i].estimate + reach * s->best.items[i].doubt >= threshold)
            s->best.items[kept++] = s->best.items[i];
    return kept;
}

/* The best first, then those of the others that may still be better. */
static int score(rsi_hit *hits, size_t *count, search *s, rsi_rows *rows, size_t k)
{
    size_t first = FIRST_PER_HIT * k;
    scoring to = {.rows = rows};
    to.places = rsi_alloc_array(s->best.count + 1, sizeof *to.places);
    to.scores = rsi_alloc_array(s->best.count + 1, sizeof *to.scores);
    int status = to.places == NULL || to.scores == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
    rsi_top_init(&to.top, hits, k);
    if (first > s->best.count)
        first = s->best.count;
    rsi_candidates_bring(&s->best, first);
    if (status == RAGSTORE_OK)
        status = score_some(&to, s, 0, first);
    if (status == RAGSTORE_OK)
        status = score_some(&to, s, first, drop_hopeless(s, first, rsi_top_threshold(&to.top)));
    *count = to.top.count;
    rsi_free(to.places);
    rsi_free(to.scores);
    return status;
}

/* The exact search of what lies behind `covered`, into the same hits. */
static int add_rest(rsi_hit *hits, size_t *count, rsi_rows *rows, const float *query, size_t k,
                    const rsi_bitset *allowed, int64_t covered)
{
    if (rsi_bitset_next(allowed, covered) < 0)
        return RAGSTORE_OK;
    rsi_hit *rest = rsi_alloc_array(k, sizeof *rest);
    if (rest == NULL)
        return RAGSTORE_E_NO_MEMORY;
    size_t found;
    int status = rsi_rows_search_from(rest, &found, rows, query, k, allowed, covered);
    rsi_top top = {hits, 0, k};
    const size_t before = *count;
    rsi_hit *old = rsi_alloc_array(before + 1, sizeof *old);
    if (old == NULL)
        status = RAGSTORE_E_NO_MEMORY;
    if (status == RAGSTORE_OK) {
        memcpy(old, hits, before * sizeof *old);
        for (size_t i = 0; i < before; i++)
            rsi_top_offer(&top, old[i]);
        for (size_t i = 0; i < found; i++)
            rsi_top_offer(&top, rest[i]);
        *count = top.count;
    }
    rsi_free(old);
    rsi_free(rest);
    return status;
}

/* ---- all of it ---- */

/* At the most: among clustered rows the lists end to yield long before. bench_vectors measures what
 * it costs and finds; of 40,000 real embeddings in 256 lists it finds 0.98, and a quarter of these
 * lists 0.93. */
static size_t default_probes(const rsi_quantised *index)
{
    const size_t probes = (size_t)(6 * sqrt((double)index->list_count)) + 1;
    return probes < index->list_count ? probes : index->list_count;
}

static int search_codes(rsi_hit *hits, size_t *count, search *s, rsi_rows *rows, size_t k,
                        size_t probes)
{
    int status = prepare(s);
    if (status != RAGSTORE_OK)
        return status;
    pthread_rwlock_rdlock((pthread_rwlock_t *)(uintptr_t)&s->index->lock);
    const int64_t covered = s->index->covered;
    if ((double)s->allowed->count < MOST_ALLOWED * (double)s->index->count)
        status = scan_lists(s, s->index->list_count, false);
    else
        status = scan_lists(s, probes == 0 ? default_probes(s->index) : probes, probes == 0);
    pthread_rwlock_unlock((pthread_rwlock_t *)(uintptr_t)&s->index->lock);
    rsi_candidates_shrink(&s->best);
    if (status == RAGSTORE_OK)
        status = score(hits, count, s, rows, k);
    if (status == RAGSTORE_OK)
        status = add_rest(hits, count, rows, s->query, k, s->allowed, covered);
    return status;
}

int rsi_quantised_search(rsi_hit *hits, size_t *count, rsi_quantised *index, rsi_rows *rows,
                         const float *query, size_t k, const rsi_bitset *allowed,
                         const rsi_quantised_effort *effort)
{
    search s = {
        .index = index, .query = query, .allowed = allowed, .scanner = rsi_code_scanner_best()};
    const size_t probes = effort == NULL ? 0 : effort->probes;
    size_t limit = effort == NULL ? 0 : effort->candidates;
    *count = 0;
    if (query == NULL || allowed == NULL || (hits == NULL && k > 0) ||
        index->dimension != rsi_rows_dimension(rows) || index->metric != rsi_rows_metric(rows) ||
        allowed->count <= EXACT_ROWS ||
        k > allowed->count / 8)
        return rsi_rows_search(hits, count, rows, query, k, allowed);
    double squares = 0;
    for (size_t i = 0; i < index->dimension; i++)
        squares += (double)query[i] * query[i];
    if (!isfinite(squares) || k == 0) /* refused there, or nothing to do */
        return rsi_rows_search(hits, count, rows, query, k, allowed);
    s.length = (float)sqrt(squares);
    if (limit == 0)
        limit = (CANDIDATES_MIN + CANDIDATES_PER_HIT * k) * (index->dimension < SHORT ? 2 : 1);
    int status = rsi_candidates_begin(&s.best, limit < k ? k : limit);
    if (status == RAGSTORE_OK)
        status = search_codes(hits, count, &s, rows, k, probes);
    rsi_free(s.moved);
    rsi_free(s.bytes);
    rsi_candidates_end(&s.best);
    if (status == RAGSTORE_OK && *count < k) /* chunks without a row, perhaps */
        return rsi_rows_search(hits, count, rows, query, k, allowed);
    if (status == RAGSTORE_OK)
        rsi_hits_sort(hits, *count);
    return rsi_wrap(status, "search");
}
