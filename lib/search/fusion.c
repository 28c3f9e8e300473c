/* Fusion: see fusion.h. */
#include "search/fusion.h"

#include <math.h>
#include <stdlib.h>

/* A leg's score of one hit as 0..1 over that leg's hits, which are best first. */
static float normalised(const rsi_hit *hits, size_t count, size_t i)
{
    float best = hits[0].score;
    float worst = hits[count - 1].score;
    return best > worst ? (hits[i].score - worst) / (best - worst) : 1.0f;
}

/* What a leg gives to its i-th hit. */
static float share(rsi_fusion way, const rsi_hit *hits, size_t count, size_t i)
{
    return way == RSI_FUSE_RANKS ? 1 / (RSI_FUSION_RANK + (float)(i + 1))
                                 : normalised(hits, count, i);
}

static int by_chunk(const void *a, const void *b)
{
    const rsi_fused *left = a;
    const rsi_fused *right = b;
    return left->chunk < right->chunk ? -1 : left->chunk > right->chunk;
}

static int by_rank(const void *a, const void *b)
{
    const rsi_fused *left = a;
    const rsi_fused *right = b;
    if (left->rank_score != right->rank_score)
        return left->rank_score > right->rank_score ? -1 : 1;
    return by_chunk(a, b);
}

static size_t merge_neighbours(rsi_fused *list, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || list[kept - 1].chunk != list[i].chunk) {
            list[kept++] = list[i];
            continue;
        }
        rsi_fused *into = &list[kept - 1];
        into->rank_score += list[i].rank_score;
        if (isnan(into->vector_score))
            into->vector_score = list[i].vector_score;
        if (isnan(into->keyword_score))
            into->keyword_score = list[i].keyword_score;
    }
    return kept;
}

size_t rsi_fuse(rsi_fused *out, rsi_fusion way, const rsi_hit *vectors,
                size_t vectors_count, const rsi_hit *keywords, size_t keywords_count)
{
    size_t count = 0;
    for (size_t i = 0; i < vectors_count; i++)
        out[count++] = (rsi_fused){vectors[i].chunk, share(way, vectors, vectors_count, i),
                                   vectors[i].score, NAN};
    for (size_t i = 0; i < keywords_count; i++)
        out[count++] = (rsi_fused){keywords[i].chunk, share(way, keywords, keywords_count, i), NAN,
                                   keywords[i].score};
    if (vectors_count == 0 || keywords_count == 0)
        return count; /* one leg: best first already, each chunk once */
    qsort(out, count, sizeof *out, by_chunk);
    count = merge_neighbours(out, count);
    qsort(out, count, sizeof *out, by_rank);
    return count;
}
