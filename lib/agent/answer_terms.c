/*
 * The terms of a question and what each is worth: see answer_parts.h.
 *
 * A rare term says more about what is asked than a common one. In an entity of a few chunks every
 * term would be common, so rarity is measured as if there were some more chunks without it. A term
 * that no document has is the rarest: an answer that lacks it is worth less.
 */
#include "agent/answer_parts.h"

#include "base/status.h"

#include <math.h>
#include <string.h>

#define FURTHER_CHUNKS 100.0

typedef struct adding {
    rsi_asked *asked;
    float share;
    int status;
} adding;

static bool add_term(void *user, const char *term, size_t term_size, size_t start, size_t end)
{
    adding *a = user;
    rsi_asked *asked = a->asked;
    (void)start;
    (void)end;
    if (asked->count == RSI_ASKED_MAX)
        return false;
    if (rsi_asked_find(asked, term, term_size) >= 0)
        return true;
    asked->terms[asked->count] = (rsi_asked_term){asked->bytes.size, term_size, a->share, a->share};
    rsi_bytes_append(&asked->bytes, term, term_size);
    a->status = rsi_bytes_status(&asked->bytes);
    if (a->status != RAGSTORE_OK)
        return false;
    asked->count++;
    asked->total += a->share;
    return true;
}

int rsi_asked_add(rsi_asked *asked, const char *text, size_t size, float share)
{
    adding a = {asked, share, RAGSTORE_OK};
    int status = rsi_lexical_analyze(asked->language, text, size, add_term, &a);
    return status != RAGSTORE_OK ? status : a.status;
}

void rsi_asked_weigh_locked(rsi_asked *asked, const rsi_lexical *index)
{
    double chunks = (double)rsi_lexical_count(index);
    asked->total = 0;
    for (size_t i = 0; i < asked->count; i++) {
        rsi_asked_term *term = &asked->terms[i];
        double idf = (double)rsi_lexical_idf(index, asked->bytes.data + term->start, term->size);
        /* the idf is log((chunks + 1) / (with + 0.5)) */
        double with = idf > 0 ? (chunks + 1) / exp(idf) : 0.5;
        term->weight = term->share * (float)log((chunks + FURTHER_CHUNKS + 1) / with);
        asked->total += term->weight;
    }
}

void rsi_asked_free(rsi_asked *asked)
{
    rsi_bytes_free(&asked->bytes);
    asked->count = 0;
    asked->total = 0;
}

int rsi_asked_find(const rsi_asked *asked, const char *term, size_t size)
{
    for (size_t i = 0; i < asked->count; i++)
        if (asked->terms[i].size == size &&
            memcmp(asked->bytes.data + asked->terms[i].start, term, size) == 0)
            return (int)i;
    return -1;
}

float rsi_asked_weight(const rsi_asked *asked, rsi_asked_set set)
{
    float sum = 0;
    for (size_t i = 0; i < asked->count; i++)
        if ((set >> i & 1) != 0)
            sum += asked->terms[i].weight;
    return sum;
}

float rsi_asked_coverage(const rsi_asked *asked, rsi_asked_set set)
{
    return asked->total > 0 ? rsi_asked_weight(asked, set) / asked->total : 0;
}
