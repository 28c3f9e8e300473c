/*
 * How well sentences answer a question: see answer_parts.h.
 *
 *   score = ½ coverage + ½ similarity
 *
 * Coverage is by words: the share of the question, weighed by rarity, that the sentence holds; what
 * only its heading holds counts in part. Similarity is the cosine of the two vectors, computed for
 * the sentences that are likely to be quoted: those that hold most, and those of the best passages.
 */
#include "agent/answer_parts.h"

#include "base/memory.h"
#include "base/status.h"

#include <stdlib.h>

#define HEADING_SHARE 0.4f    /* of a word that only the heading holds */
#define TITLE_SHARE 0.5f      /* of the score of a sentence that is only a title */
#define EMBEDDED_MAX 12       /* sentences */
#define EMBEDDED_MIN_BYTES 12 /* shorter ones mean nothing alone */
#define ENOUGH_SCORE 0.27f    /* what is quoted has at least this */
#define ENOUGH_COVERAGE 0.34f /* by words alone, when there is no embedder */

static void cover(rsi_material *material, const rsi_asked *asked)
{
    for (size_t i = 0; i < material->unit_count; i++) {
        rsi_unit *unit = &material->units[i];
        rsi_asked_set heading = material->passages[unit->passage].heading_terms & ~unit->terms;
        unit->coverage = rsi_asked_coverage(asked, unit->terms) +
                         HEADING_SHARE * rsi_asked_coverage(asked, heading);
        unit->score = unit->is_title ? unit->coverage * TITLE_SHARE : unit->coverage;
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

static int embed(rsi_material *material, const rsi_embedder *embedder, rsi_slice question)
{
    const size_t dimension = rsi_embedder_dimension(embedder);
    rsi_slice texts[EMBEDDED_MAX + 1];
    rsi_unit *units[EMBEDDED_MAX + 1];
    size_t count = 0;
    texts[count++] = question;
    for (size_t i = 0; i < material->ranked && count <= EMBEDDED_MAX; i++) {
        rsi_unit *unit = &material->units[material->ranking[i]];
        if (unit->end - unit->start < EMBEDDED_MIN_BYTES)
            continue;
        units[count] = unit;
        texts[count++] = rsi_unit_text(material, unit);
    }
    float *vectors = rsi_alloc_array(count * dimension, sizeof *vectors);
    if (vectors == NULL)
        return RAGSTORE_E_NO_MEMORY;
    int status = rsi_embedder_embed(vectors, embedder, RSI_EMBED_QUERY, texts, 1);
    if (status == RAGSTORE_OK)
        status = rsi_embedder_embed(vectors + dimension, embedder, RSI_EMBED_DOCUMENT, texts + 1,
                                    count - 1);
    for (size_t i = 1; status == RAGSTORE_OK && i < count; i++) {
        float cosine = 0;
        for (size_t d = 0; d < dimension; d++)
            cosine += vectors[d] * vectors[i * dimension + d];
        units[i]->similarity = cosine > 0 ? cosine : 0;
    }
    rsi_free(vectors);
    return status;
}

int rsi_units_judge(rsi_material *material, const rsi_asked *asked, const rsi_embedder *embedder,
                    rsi_slice question)
{
    cover(material, asked);
    material->ranking = rsi_alloc_array(material->unit_count + 1, sizeof *material->ranking);
    if (material->ranking == NULL)
        return RAGSTORE_E_NO_MEMORY;
    material->ranked = material->unit_count;
    for (size_t i = 0; i < material->unit_count; i++)
        material->ranking[i] = i;
    rank(material);
    if (embedder == NULL || question.size == 0)
        return RAGSTORE_OK;
    int status = embed(material, embedder, question);
    if (status != RAGSTORE_OK) /* an embedder that failed is as good as none */
        return status == RAGSTORE_E_EMBEDDER ? RAGSTORE_OK : status;
    for (size_t i = 0; i < material->unit_count; i++) {
        rsi_unit *unit = &material->units[i];
        float score = (unit->coverage + unit->similarity) / 2;
        unit->score = unit->is_title ? score * TITLE_SHARE : score;
    }
    rank(material);
    return RAGSTORE_OK;
}

bool rsi_unit_answers(const rsi_unit *unit)
{
    return unit->score >= ENOUGH_SCORE || unit->coverage >= ENOUGH_COVERAGE;
}
