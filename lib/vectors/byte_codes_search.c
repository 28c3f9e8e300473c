/*
 * Searching with byte codes: see byte_codes.h.
 *
 *   1  score the rows that are not coded yet
 *   2  bound the others, block by block: kept is what may still be among the best k, because its
 *      bound is not under the k-th best of what rows are known to have at least
 *   3  score what was kept, by falling bounds, until the next bound is under the k-th best score
 *
 * Why a bound holds: row x = s c + r and query q = t p + e, where c and p are codes. Then
 *
 *   |q · x - s t (c · p)| = |e · s c + q · r| <= ‖e‖ (‖x‖ + ‖r‖) + ‖q‖ ‖r‖
 *
 * and -‖q - x‖² = 2 q · x - ‖q‖² - ‖x‖². What is summed up in floats, here and in the kernel, is
 * off by less than G = (2 dimension + 64) / 2²⁴ of the lengths' product, or of their squares.
 */
#include "vectors/byte_codes_internal.h"

#include "base/memory.h"
#include "base/status.h"
#include "vectors/kernel.h"
#include "vectors/rows_internal.h"

#include <math.h>
#include <string.h>

#define QUERIES 16     /* at once: a block is read from memory for all of them */
#define KEPT_MIN 1024  /* rows that are kept before they are looked through */
#define KEPT_PER_HIT 4
#define THREAD_BYTES ((size_t)4 << 20) /* of codes: fewer are not worth a thread */
#define SCORED 32      /* rows at a time */
#define HITS_SHARE 8   /* when more of the rows are wanted, all of them are scored */
#define FEW_SHARE 4    /* likewise when fewer than that are allowed: codes are a quarter of rows */
#define SMALLEST 2.4e-38 /* what an addition in the kernel can lose besides: a bit over FLT_MIN */

typedef struct search {
    const float *query;
    const rsi_bitset *allowed;
    rsi_byte_query scan;
    double slack[3]; /* half of what lies between bounds, for each norm, residual and norm² */
    double slack_always;
    rsi_top top;    /* scores */
    rsi_top lowest; /* what rows are known to have at least */
    rsi_hit *kept;  /* with what they cannot be over */
    size_t kept_count;
    size_t kept_limit;
    float least; /* a row whose bound is under it is not among the best */
} search;

typedef struct group {
    rsi_rows *rows;
    const rsi_byte_codes *codes;
    rsi_kernel_function *kernel;
    search searches[QUERIES];
    size_t count;
} group;

/* ---- a query ---- */

static void bound_inner_products(search *s, const rsi_byte_coded *query, double rounding)
{
    const double length = query->norm + query->residual;
    s->slack[0] = query->residual + rounding * length;
    s->slack[1] = s->slack[0] + query->norm;
    s->slack[2] = 0;
    s->scan.slope = (float)query->scale;
    s->scan.offset = 0;
    s->scan.per_square = 0;
}

static void bound_nearnesses(search *s, const rsi_byte_coded *query, double rounding)
{
    const double length = query->norm + query->residual;
    s->slack[0] = 2 * query->residual + 4 * rounding * length;
    s->slack[1] = 2 * query->residual + 2 * query->norm;
    s->slack[2] = 4 * rounding;
    s->slack_always += rounding * length * length;
    s->scan.slope = (float)(2 * query->scale);
    s->scan.offset = (float)-(query->norm * query->norm);
    s->scan.per_square = -1;
}

static int prepare(search *s, const rsi_byte_codes *codes, rsi_metric metric)
{
    const double rounding = (2.0 * codes->dimension + 64) / (1 << 24);
    uint8_t *bytes = rsi_alloc(codes->stride);
    int8_t *numbers = rsi_alloc(codes->stride);
    s->scan.codes = numbers;
    if (bytes == NULL || numbers == NULL) {
        rsi_free(bytes);
        return RAGSTORE_E_NO_MEMORY;
    }
    const rsi_byte_coded query =
        rsi_byte_encode(bytes, s->query, codes->dimension, codes->stride);
    int32_t sum = 0;
    for (size_t i = 0; i < codes->stride; i++) {
        numbers[i] = (int8_t)(bytes[i] - RSI_BYTE_ZERO);
        sum += numbers[i];
    }
    rsi_free(bytes);
    s->scan.stride = codes->stride;
    s->scan.excess = sum * RSI_BYTE_ZERO;
    s->slack_always = codes->dimension * SMALLEST * (1 + query.norm);
    if (metric == RSI_METRIC_L2)
        bound_nearnesses(s, &query, rounding);
    else
        bound_inner_products(s, &query, rounding);
    s->slack[0] += codes->dimension * SMALLEST;
    s->scan.offset += (float)s->slack_always;
    s->scan.per_norm = (float)(s->slack[0] * (1 + 1e-6));
    s->scan.per_residual = (float)(s->slack[1] * (1 + 1e-6));
    s->scan.per_square += (float)s->slack[2];
    return RAGSTORE_OK;
}

static int search_begin(search *s, const group *in, const float *query, rsi_hit *hits, size_t k,
                        const rsi_bitset *allowed)
{
    memset(s, 0, sizeof *s);
    s->query = query;
    s->allowed = allowed;
    s->least = -INFINITY;
    s->kept_limit = KEPT_MIN + KEPT_PER_HIT * k;
    s->kept = rsi_alloc_array(s->kept_limit, sizeof *s->kept);
    rsi_top_init(&s->top, hits, k);
    rsi_top_init(&s->lowest, rsi_alloc_array(k, sizeof *hits), k);
    if (s->kept == NULL || s->lowest.hits == NULL)
        return RAGSTORE_E_NO_MEMORY;
    return prepare(s, in->codes, rsi_rows_metric(in->rows));
}

static void search_end(search *s)
{
    rsi_free((void *)(uintptr_t)s->scan.codes);
    rsi_free(s->kept);
    rsi_free(s->lowest.hits);
}

/* ---- what was kept ---- */

static void raise_least(search *s)
{
    const float lowest = rsi_top_threshold(&s->lowest);
    const float found = rsi_top_threshold(&s->top);
    s->least = lowest > found ? lowest : found;
}

static void drop_hopeless(search *s)
{
    size_t left = 0;
    for (size_t i = 0; i < s->kept_count; i++)
        if (!(s->kept[i].score < s->least))
            s->kept[left++] = s->kept[i];
    s->kept_count = left;
}

/* Score kept rows, `count` of them; those without a row are passed over. */
static int score_some(search *s, const group *in, const rsi_hit *kept, size_t count)
{
    const float *places[SCORED] = {NULL};
    int64_t chunks[SCORED];
    float scores[SCORED];
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        int status = rsi_rows_get(&places[found], in->rows, kept[i].chunk);
        if (status == RAGSTORE_E_NOT_FOUND)
            continue;
        if (status != RAGSTORE_OK)
            return status;
        chunks[found++] = kept[i].chunk;
    }
    in->kernel(scores, s->query, places, found, in->codes->dimension);
    for (size_t i = 0; i < found; i++)
        rsi_top_offer(&s->top, (rsi_hit){chunks[i], scores[i]});
    raise_least(s);
    return RAGSTORE_OK;
}

static int score_kept(search *s, const group *in)
{
    drop_hopeless(s);
    rsi_hits_sort(s->kept, s->kept_count);
    int status = RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < s->kept_count; i += SCORED) {
        size_t count = s->kept_count - i < SCORED ? s->kept_count - i : SCORED;
        while (count > 0 && s->kept[i + count - 1].score < s->least)
            count--;
        status = score_some(s, in, s->kept + i, count);
    }
    s->kept_count = 0;
    return status;
}

/* ---- blocks ---- */

/* The least that a row can have whose bound this is. */
static float lowest_of(const search *s, float bound, double norm, double residual)
{
    const double half = s->slack_always + s->slack[0] * norm + s->slack[1] * residual +
                        s->slack[2] * norm * norm;
    return (float)((double)bound - 2 * half);
}

static int scan_block(search *s, const group *in, const rsi_byte_scanner *scanner,
                      const uint8_t *block, const uint32_t *chunks)
{
    float bounds[RSI_BYTE_BLOCK];
    const float *norms = rsi_byte_norms(block, in->codes->stride);
    const float *residuals = rsi_byte_residuals(block, in->codes->stride);
    uint32_t kept = scanner->scan(bounds, &s->scan, block, s->least);
    while (kept != 0) {
        const unsigned i = (unsigned)__builtin_ctz(kept);
        kept &= kept - 1;
        if (bounds[i] < s->least || !rsi_bitset_has(s->allowed, chunks[i]))
            continue;
        const float lowest = lowest_of(s, bounds[i], (double)norms[i], (double)residuals[i]);
        /* without a bound it comes first */
        const float bound = isnan(bounds[i]) ? INFINITY : bounds[i];
        s->kept[s->kept_count++] = (rsi_hit){chunks[i], bound};
        rsi_top_offer(&s->lowest, (rsi_hit){chunks[i], lowest});
        raise_least(s);
        if (s->kept_count < s->kept_limit)
            continue;
        drop_hopeless(s);
        int status = s->kept_count > s->kept_limit / 2 ? score_kept(s, in) : RAGSTORE_OK;
        if (status != RAGSTORE_OK)
            return status;
    }
    return RAGSTORE_OK;
}

/* ---- a part of the blocks, on a thread ---- */

typedef struct part {
    group in;
    const rsi_byte_piece *piece;
    size_t number; /* of the first block, in its piece */
    size_t blocks;
    rsi_hit *hits; /* its own; NULL: the caller's */
    int status;
    rsi_saved_error error;
} part;

static int scan_blocks(part *of)
{
    const rsi_byte_codes *codes = of->in.codes;
    const rsi_byte_scanner *scanner = rsi_byte_scanner_best();
    int status = RAGSTORE_OK;
    for (size_t done = 0; status == RAGSTORE_OK && done < of->blocks; done++, of->number++) {
        while (of->number >= of->piece->room) {
            of->number -= of->piece->room;
            of->piece = of->piece->next;
        }
        for (size_t q = 0; status == RAGSTORE_OK && q < of->in.count; q++)
            status = scan_block(&of->in.searches[q], &of->in, scanner,
                                of->piece->blocks + of->number * codes->block_bytes,
                                of->piece->chunks + of->number * RSI_BYTE_BLOCK);
    }
    return status;
}

static void *search_part(void *own)
{
    part *of = own;
    of->status = scan_blocks(of);
    for (size_t q = 0; of->status == RAGSTORE_OK && q < of->in.count; q++)
        of->status = score_kept(&of->in.searches[q], &of->in);
    if (of->status != RAGSTORE_OK)
        rsi_error_save(&of->error);
    return NULL;
}

/* All parts, the first on this thread; the others, too, where there can be no thread. */
static int search_parts(part *parts, size_t count)
{
    pthread_t threads[RSI_BYTE_THREADS_MAX];
    bool is_running[RSI_BYTE_THREADS_MAX] = {false};
    int status = RAGSTORE_OK;
    for (size_t i = 1; i < count; i++)
        is_running[i] = pthread_create(&threads[i], NULL, search_part, &parts[i]) == 0;
    for (size_t i = 0; i < count; i++)
        if (!is_running[i])
            search_part(&parts[i]);
    for (size_t i = 0; i < count; i++) {
        if (is_running[i])
            pthread_join(threads[i], NULL);
        if (status == RAGSTORE_OK && parts[i].status != RAGSTORE_OK) {
            status = parts[i].status;
            rsi_error_restore(&parts[i].error);
        }
    }
    return status;
}

/* ---- a group of queries ---- */

typedef struct shape {
    const float *queries;
    size_t count;
    size_t k;
    const rsi_bitset *allowed;
    size_t threads;
} shape;

/* How many parts are worth a thread each. */
static size_t count_parts(const rsi_byte_codes *codes, size_t blocks, size_t threads)
{
    const size_t most = blocks / (THREAD_BYTES / codes->block_bytes + 1);
    size_t parts = threads < RSI_BYTE_THREADS_MAX ? threads : RSI_BYTE_THREADS_MAX;
    parts = parts < most ? parts : most;
    return parts > 0 ? parts : 1;
}

static int begin_part(part *of, const shape *as, rsi_hit *hits)
{
    int status = RAGSTORE_OK;
    if (hits == NULL) {
        of->hits = rsi_alloc_array(as->count * as->k, sizeof *hits);
        if (of->hits == NULL)
            return RAGSTORE_E_NO_MEMORY;
        hits = of->hits;
    }
    while (status == RAGSTORE_OK && of->in.count < as->count) {
        const size_t q = of->in.count++;
        status = search_begin(&of->in.searches[q], &of->in,
                              as->queries + q * of->in.codes->dimension, hits + q * as->k, as->k,
                              as->allowed);
    }
    return status;
}

static void end_part(part *of)
{
    for (size_t q = 0; q < of->in.count; q++)
        search_end(&of->in.searches[q]);
    rsi_free(of->hits);
}

/* Rows that are not coded yet. */
static int score_rest(part *of, const shape *as, int64_t covered)
{
    int status = RAGSTORE_OK;
    for (size_t q = 0; status == RAGSTORE_OK && q < of->in.count; q++) {
        search *s = &of->in.searches[q];
        status = rsi_rows_offer(&s->top, of->in.rows, s->query, as->allowed, covered);
        raise_least(s);
    }
    return status;
}

/* What all parts found, by query. */
static void collect(size_t *counts, part *parts, size_t part_count)
{
    for (size_t q = 0; q < parts[0].in.count; q++) {
        rsi_top *top = &parts[0].in.searches[q].top;
        for (size_t i = 1; i < part_count; i++) {
            const rsi_top *other = &parts[i].in.searches[q].top;
            for (size_t hit = 0; hit < other->count; hit++)
                rsi_top_offer(top, other->hits[hit]);
        }
        rsi_top_sort(top);
        counts[q] = top->count;
    }
}

static int search_group(rsi_hit *hits, size_t *counts, const group *of, const shape *as)
{
    pthread_mutex_t *mutex = (pthread_mutex_t *)(uintptr_t)&of->codes->mutex;
    pthread_mutex_lock(mutex);
    const rsi_byte_piece *first = of->codes->first;
    const size_t blocks = of->codes->blocks;
    const int64_t covered = of->codes->covered;
    pthread_mutex_unlock(mutex);
    const size_t count = count_parts(of->codes, blocks, as->threads);
    part *parts = rsi_alloc_array(count, sizeof *parts);
    int status = parts == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < count; i++) {
        const size_t from = blocks * i / count;
        parts[i].in = *of;
        parts[i].piece = first;
        parts[i].number = from;
        parts[i].blocks = blocks * (i + 1) / count - from;
        status = begin_part(&parts[i], as, i == 0 ? hits : NULL);
    }
    if (status == RAGSTORE_OK)
        status = score_rest(&parts[0], as, covered);
    if (status == RAGSTORE_OK)
        status = search_parts(parts, count);
    if (status == RAGSTORE_OK)
        collect(counts, parts, count);
    for (size_t i = 0; parts != NULL && i < count; i++)
        end_part(&parts[i]);
    rsi_free(parts);
    return status;
}

/* ---- all of it ---- */

/* Queries that have bounds. */
static bool are_bounded(const float *queries, size_t count, size_t dimension)
{
    for (size_t q = 0; q < count; q++) {
        double squares = 0;
        for (size_t i = 0; i < dimension; i++)
            squares += (double)queries[q * dimension + i] * (double)queries[q * dimension + i];
        if (!(squares <= RSI_BYTE_LENGTH_MAX * RSI_BYTE_LENGTH_MAX))
            return false;
    }
    return true;
}

int rsi_byte_codes_search(rsi_hit *hits, size_t *counts, rsi_byte_codes *codes, rsi_rows *rows,
                          const float *queries, size_t count, size_t k, const rsi_bitset *allowed,
                          size_t threads)
{
    const uint32_t dimension = rsi_rows_dimension(rows);
    if (codes == NULL || codes->dimension != dimension || hits == NULL || queries == NULL ||
        allowed == NULL || k == 0 || k > allowed->count / HITS_SHARE ||
        allowed->count < rsi_byte_codes_count(codes) / FEW_SHARE ||
        !are_bounded(queries, count, dimension))
        return rsi_rows_search_many(hits, counts, rows, queries, count, k, allowed);
    const group of = {.rows = rows, .codes = codes, .kernel = rsi_kernel_of(rsi_rows_metric(rows))};
    shape as = {.k = k, .allowed = allowed, .threads = threads};
    int status = RAGSTORE_OK;
    for (size_t q = 0; q < count; q++)
        counts[q] = 0;
    for (size_t done = 0; status == RAGSTORE_OK && done < count; done += QUERIES) {
        as.queries = queries + done * dimension;
        as.count = count - done < QUERIES ? count - done : QUERIES;
        status = search_group(hits + done * k, counts + done, &of, &as);
    }
    for (size_t q = 0; status != RAGSTORE_OK && q < count; q++)
        counts[q] = 0;
    return rsi_wrap(status, "search");
}
