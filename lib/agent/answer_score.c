/*
 * How well sentences answer a question: see answer_parts.h.
 *
 *   score = 0.5 coverage + 0.4 similarity
 *
 * Coverage is by words: the share of the question, weighed by rarity, that the sentence holds; what
 * only its heading holds counts in part. Similarity is the cosine of the question and the passage
 * that the sentence stands in, which the search has computed. Vectors of the sentences themselves
 * would cost ten times what the whole rest of an answer does, and chose no better sentences: see
 * bench/README.md. Only when nothing would answer, a few of them are asked: a question of several
 * parts is like a sentence that answers one of them, and hardly like its passage.
 */
#include "agent/answer_parts.h"

#include "base/memory.h"
#include "base/status.h"

#include <math.h>
#include <stdlib.h>

#define COVERAGE_SHARE 0.5f
#define SIMILARITY_SHARE 0.4f
#define HEADING_SHARE 0.4f    /* of a word that only the heading holds */
#define SENTENCE_SHARE 0.5f   /* of each of the two, where a sentence has a vector of its own */
#define EMBEDDED_MAX 4        /* sentences */
#define EMBEDDED_MIN_BYTES 12 /* shorter ones mean nothing alone */
#define TITLE_SHARE 0.5f      /* of the score of a sentence that is only a title */
#define ENOUGH_SCORE 0.27f    /* what is quoted has at least this */
#define ENOUGH_COVERAGE 0.34f /* by words alone, when there are no vectors */

static void cover(rsi_material *material, const rsi_asked *asked)
{
    for (size_t i = 0; i < material->unit_count; i++) {
        rsi_unit *unit = &material->units[i];
        rsi_asked_set heading = material->passages[unit->passage].heading_terms & ~unit->terms;
        unit->coverage = rsi_asked_coverage(asked, unit->terms) +
                         HEADING_SHARE * rsi_asked_coverage(asked, heading);
    }
}

/* Positions are sorted through this: one sort at a time in each thread. */
static _Thread_local const rsi_unit *sorted_units;

static int compare_score(const void *a, const void *b)
{
    const size_t left = *(const size_t *)a;
    const size_t right = *(const size_t *)b;
    const float x = sorted_units[left].score;
    const float y = sorted_units[right].score;
    if (x > y || x < y)
        return x > y ? -1 : 1;
    return left < right ? -1 : left > right; /* passages in order of their rank */
}

static void rank(rsi_material *material)
{
    sorted_units = material->units;
    qsort(material->ranking, material->ranked, sizeof *material->ranking, compare_score);
}

/* The cosine of question and passage; 0 when it is not known or the two have nothing in common. */
static float similarity_of(const rsi_found *found, rsi_metric metric)
{
    float cosine = found->vector_score;
    if (isnan(cosine))
        return 0;
    if (metric == RSI_METRIC_L2) /* minus the squared distance, of vectors of length 1 */
        cosine = 1 + cosine / 2;
    return cosine < 0 ? 0 : cosine > 1 ? 1 : cosine;
}

static bool has_similarities(const rsi_material *material)
{
    for (size_t i = 0; i < material->passage_count; i++)
        if (!isnan(material->passages[i].found->vector_score))
            return true;
    return false;
}

static void score(rsi_material *material, rsi_metric metric)
{
    const bool by_meaning = has_similarities(material);
    for (size_t i = 0; i < material->unit_count; i++) {
        rsi_unit *unit = &material->units[i];
        const rsi_found *found = material->passages[unit->passage].found;
        unit->score = unit->coverage;
        if (by_meaning)
            unit->score = COVERAGE_SHARE * unit->coverage +
                          SIMILARITY_SHARE * similarity_of(found, metric);
        if (unit->is_title)
            unit->score *= TITLE_SHARE;
    }
}

/* The best sentences that a vector can say something of; returns how many. */
static size_t take_best(rsi_unit **best, const rsi_material *material)
{
    size_t count = 0;
    for (size_t i = 0; i < material->ranked && count < EMBEDDED_MAX; i++) {
        rsi_unit *unit = &material->units[material->ranking[i]];
        if (!unit->is_title && unit->end - unit->start >= EMBEDDED_MIN_BYTES)
            best[count++] = unit;
    }
    return count;
}

static float cosine_of(const float *a, const float *b, size_t dimension)
{
    float cosine = 0;
    for (size_t d = 0; d < dimension; d++)
        cosine += a[d] * b[d];
    return cosine > 0 ? cosine : 0;
}

/* Score the best sentences by their own vectors. */
static int look_closer(rsi_material *material, const rsi_embedder *embedder, rsi_slice question)
{
    const size_t dimension = rsi_embedder_dimension(embedder);
    rsi_unit *best[EMBEDDED_MAX];
    rsi_slice texts[EMBEDDED_MAX];
    const size_t count = take_best(best, material);
    if (count == 0)
        return RAGSTORE_OK;
    for (size_t i = 0; i < count; i++)
        texts[i] = rsi_unit_text(material, best[i]);
    float *vectors = rsi_alloc_array((count + 1) * dimension, sizeof *vectors);
    if (vectors == NULL)
        return RAGSTORE_E_NO_MEMORY;
    const float *asked = vectors + count * dimension;
    int status = rsi_embedder_embed(vectors, embedder, RSI_EMBED_DOCUMENT, texts, count);
    if (status == RAGSTORE_OK)
        status = rsi_embedder_embed(vectors + count * dimension, embedder, RSI_EMBED_QUERY,
                                    &question, 1);
    for (size_t i = 0; status == RAGSTORE_OK && i < count; i++) {
        const float cosine = cosine_of(asked, vectors + i * dimension, dimension);
        const float closer = SENTENCE_SHARE * (best[i]->coverage + cosine);
        best[i]->score = closer > best[i]->score ? closer : best[i]->score;
    }
    rsi_free(vectors);
    return status == RAGSTORE_E_EMBEDDER ? RAGSTORE_OK : status; /* as good as none */
}

int rsi_units_judge(rsi_material *material, const rsi_asked *asked, rsi_metric metric,
                    const rsi_embedder *embedder, rsi_slice question)
{
    material->ranking = rsi_alloc_array(material->unit_count + 1, sizeof *material->ranking);
    if (material->ranking == NULL)
        return RAGSTORE_E_NO_MEMORY;
    material->ranked = material->unit_count;
    for (size_t i = 0; i < material->unit_count; i++)
        material->ranking[i] = i;
    cover(material, asked);
    score(material, metric);
    rank(material);
    if (embedder == NULL || question.size == 0 || material->ranked == 0 ||
        rsi_unit_answers(&material->units[material->ranking[0]]))
        return RAGSTORE_OK;
    int status = look_closer(material, embedder, question);
    rank(material);
    return status;
}

bool rsi_unit_answers(const rsi_unit *unit)
{
    return unit->score >= ENOUGH_SCORE || unit->coverage >= ENOUGH_COVERAGE;
}
