/*
 * From a ranking to a result: scores, texts, and what is left out.
 *
 *   ranking ─► score enough? ─► has the phrases? ─► says something new? ─► result
 *                                                        └─ no: put by
 *
 * What says almost the same as a better hit is put by, and comes last if there is nothing else. A
 * ranking ends with each leg's best; when it is used up before k are found, the rest is ranked.
 */
#include "base/memory.h"
#include "base/status.h"
#include "search/duplicates.h"
#include "search/hit_details.h"
#include "search/running_search.h"
#include "vectors/kernel.h"

#include <math.h>
#include <string.h>

/* How often the rest is ranked: of chunks that all say the same there may be a million. */
#define RANKINGS_MAX 16
#define RANKINGS_FOR_PHRASES_MAX 1024
/* Of a keyword search the first ranking has twice k and this: some say the same, few searches need
 * more. */
#define FIRST_RANKING_EXTRA 32

/* ---- scores ---- */

/* A hybrid hit that only one leg found still has a similarity: look it up. */
static void complete_scores(const rsi_running_search *s, rsi_fused *hit)
{
    const float *row;
    if (s->vector != NULL && isnan(hit->vector_score) && s->catalog->rows != NULL &&
        rsi_rows_get(&row, s->catalog->rows, hit->chunk) == RAGSTORE_OK) {
        rsi_kernel_of(rsi_rows_metric(s->catalog->rows))(&hit->vector_score, s->vector, &row, 1,
                                                         s->dimension);
    }
    if (s->mode != RAGSTORE_MODE_VECTOR)
        hit->keyword_score =
            isnan(hit->keyword_score) || s->ideal <= 0 ? 0 : hit->keyword_score / s->ideal;
}

/* Into 0 to 1. A distance has no bound, so only 0 is as good as can be. */
static float absolute_vector_score(const rsi_running_search *s, float score)
{
    if (isnan(score))
        return 0;
    if (s->catalog->metric == RSI_METRIC_L2)
        return 1 / (1 + sqrtf(-score));
    return score < 0 ? 0 : score > 1 ? 1 : score;
}

static float absolute_score(const rsi_running_search *s, const rsi_fused *hit)
{
    float by_vector = absolute_vector_score(s, hit->vector_score);
    float by_keyword = isnan(hit->keyword_score) ? 0 : hit->keyword_score;
    float score = s->mode == RAGSTORE_MODE_VECTOR    ? by_vector
                  : s->mode == RAGSTORE_MODE_KEYWORD ? by_keyword
                                                     : (by_vector + by_keyword) / 2;
    return score > 1 ? 1 : score;
}

/* ---- collecting ---- */

/* What is known of a text to compare it by. */
typedef struct text_mark {
    uint64_t digits;
    rsi_sketch *sketch; /* NULL: not needed yet */
} text_mark;

typedef struct collecting {
    rsi_running_search *search;
    rsi_result *result;
    text_mark *marks;     /* of the texts in the result; NULL: what says the same may come */
    rsi_fused *put_by;    /* at most k */
    size_t put_by_count;
    size_t good; /* hits that scored enough, whether they say something new or not */
} collecting;

static int sketch(text_mark *mark, const char *text)
{
    if (mark->sketch != NULL)
        return RAGSTORE_OK;
    mark->sketch = rsi_alloc(sizeof *mark->sketch);
    if (mark->sketch == NULL)
        return RAGSTORE_E_NO_MEMORY;
    rsi_sketch_make(mark->sketch, text);
    return RAGSTORE_OK;
}

static void forget_mark(text_mark *mark)
{
    rsi_free(mark->sketch);
    mark->sketch = NULL;
}

/* Is a text in the result already? If not, it is noted as its next one. With neighbours the result
 * has more than the text that is compared, so that it is sketched while it is at hand. */
static int look_up(bool *known, collecting *c, const char *text)
{
    text_mark *this = &c->marks[c->result->count];
    int status = RAGSTORE_OK;
    *known = false;
    forget_mark(this);
    this->digits = rsi_digits_of(text, strlen(text));
    if (c->search->query->neighbors > 0)
        status = sketch(this, text);
    for (size_t i = 0; i < c->result->count && status == RAGSTORE_OK && !*known; i++) {
        text_mark *before = &c->marks[i];
        if (!rsi_digits_may_agree(before->digits, this->digits))
            continue;
        status = sketch(before, c->result->items[i].content);
        if (status == RAGSTORE_OK)
            status = sketch(this, text);
        *known = status == RAGSTORE_OK && rsi_sketch_is_like(before->sketch, this->sketch);
    }
    return status;
}

/* Fill a found chunk, unless it says the same as one before. Of chunks with neighbours their own
 * texts are compared. */
static int fill(rsi_found *found, bool *known, collecting *c, int64_t chunk)
{
    rsi_running_search *s = c->search;
    const bool compares = c->marks != NULL;
    int status = rsi_found_fill(found, s->store, s->catalog, chunk,
                                compares ? 0 : s->query->neighbors);
    *known = false;
    if (status != RAGSTORE_OK || !compares)
        return status;
    status = look_up(known, c, found->content);
    if (status != RAGSTORE_OK || *known || s->query->neighbors > 0)
        rsi_found_clear(found);
    if (status == RAGSTORE_OK && !*known && s->query->neighbors > 0)
        status = rsi_found_fill(found, s->store, s->catalog, chunk, s->query->neighbors);
    return status;
}

/* Take a hit, whose scores are complete, into the result. */
static int take(collecting *c, const rsi_fused *hit)
{
    rsi_found *found = &c->result->items[c->result->count];
    bool known;
    int status = fill(found, &known, c, hit->chunk);
    if (status == RAGSTORE_E_NOT_FOUND) /* deleted while we searched */
        return RAGSTORE_OK;
    if (status != RAGSTORE_OK)
        return status;
    c->good++;
    if (known) {
        if (c->put_by_count < c->search->query->k)
            c->put_by[c->put_by_count++] = *hit;
        return RAGSTORE_OK;
    }
    found->score = absolute_score(c->search, hit);
    found->vector_score = hit->vector_score;
    found->keyword_score = hit->keyword_score;
    c->result->count++;
    return RAGSTORE_OK;
}

static int consider(collecting *c, rsi_fused *hit)
{
    rsi_running_search *s = c->search;
    bool has_phrases = true;
    int status = RAGSTORE_OK;
    complete_scores(s, hit);
    if (absolute_score(s, hit) < s->query->min_score)
        return RAGSTORE_OK;
    if (s->phrases.count > 0)
        status = rsi_phrases_look(&has_phrases, &s->phrases, s->store, s->catalog, hit->chunk);
    return status == RAGSTORE_OK && has_phrases ? take(c, hit) : status;
}

/* How deep a search is ranked first. What keywords find first does not depend on it; how two legs
 * are fused does, and so does what an index of vectors finds. */
static size_t first_depth(const rsi_running_search *s)
{
    const size_t enough = 2 * (size_t)s->query->k + FIRST_RANKING_EXTRA;
    return s->mode == RAGSTORE_MODE_KEYWORD && s->phrases.count == 0 && enough < RSI_FUSION_DEPTH
               ? enough
               : RSI_FUSION_DEPTH;
}

/* Go through rankings until there are k, or nothing is left. */
static int collect_best(collecting *c)
{
    rsi_running_search *s = c->search;
    const int most = s->phrases.count > 0 ? RANKINGS_FOR_PHRASES_MAX : RANKINGS_MAX;
    for (int i = 0; i < most; i++) {
        const size_t depth = i == 0 ? first_depth(s) : RSI_FUSION_DEPTH;
        int status = rsi_search_rank_locked(s, depth);
        const bool cut_off = s->vector_count == depth || s->keyword_count == depth;
        const size_t before = c->good;
        for (size_t at = 0; status == RAGSTORE_OK && at < s->fused_count; at++) {
            if (c->result->count == s->query->k)
                return RAGSTORE_OK;
            status = consider(c, &s->fused[at]);
            rsi_bitset_remove(&s->allowed, s->fused[at].chunk);
        }
        const bool fruitless = c->good == before && s->phrases.count == 0;
        if (status != RAGSTORE_OK || !cut_off || fruitless)
            return status;
    }
    return RAGSTORE_OK;
}

static void forget_marks(collecting *c)
{
    for (size_t i = 0; c->marks != NULL && i < c->search->query->k; i++)
        forget_mark(&c->marks[i]);
    rsi_free(c->marks);
    c->marks = NULL;
}

int rsi_search_collect_locked(rsi_result *result, rsi_running_search *s)
{
    const uint32_t k = s->query->k;
    collecting c = {.search = s, .result = result};
    int status = RAGSTORE_E_NO_MEMORY;
    result->items = rsi_alloc_array(k, sizeof *result->items);
    c.put_by = rsi_alloc_array(k, sizeof *c.put_by);
    if (!s->query->keep_duplicates)
        c.marks = rsi_alloc_array(k, sizeof *c.marks);
    if (result->items == NULL || c.put_by == NULL ||
        (c.marks == NULL && !s->query->keep_duplicates))
        goto cleanup;
    status = collect_best(&c);
    forget_marks(&c);
    for (size_t i = 0; i < c.put_by_count && result->count < k && status == RAGSTORE_OK; i++)
        status = take(&c, &c.put_by[i]);

cleanup:
    rsi_free(c.put_by);
    forget_marks(&c);
    return status;
}
