/* What the tests of the whole index share. */
#ifndef TESTS_UNIT_LEXICAL_LEXICAL_FIXTURE_H
#define TESTS_UNIT_LEXICAL_LEXICAL_FIXTURE_H

#include "base/status.h"
#include "lexical/lexical.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define HITS_MAX 64

typedef struct answer {
    rsi_hit hits[HITS_MAX];
    size_t count;
    float ideal;
} answer;

static inline rsi_lexical *new_index(const char *language)
{
    rsi_lexical *index;
    assert_int_equal(rsi_lexical_create(&index, language), RAGSTORE_OK);
    assert_non_null(index);
    return index;
}

static inline void add(rsi_lexical *index, int64_t chunk, const char *text)
{
    if (rsi_lexical_add(index, chunk, text, strlen(text)) != RAGSTORE_OK)
        fail_msg("chunk %lld: %s", (long long)chunk, rsi_error_message());
}

static inline answer search(const rsi_lexical *index, const char *query, size_t k,
                            const rsi_bitset *allowed)
{
    answer found;
    assert_true(k <= HITS_MAX);
    assert_int_equal(rsi_lexical_search(found.hits, &found.count, &found.ideal, index, query,
                                        strlen(query), k, allowed),
                     RAGSTORE_OK);
    assert_true(found.count <= k);
    for (size_t i = 0; i < found.count; i++) {
        assert_true(found.hits[i].score > 0 && found.hits[i].score < found.ideal);
        if (i > 0)
            assert_true(rsi_hit_before(found.hits[i - 1], found.hits[i]));
    }
    return found;
}

/* The chunks that a query finds, as a set of bits; chunk numbers below 64. */
static inline uint64_t chunks_found(const rsi_lexical *index, const char *query)
{
    answer all = search(index, query, HITS_MAX, NULL);
    uint64_t chunks = 0;
    for (size_t i = 0; i < all.count; i++)
        chunks |= UINT64_C(1) << all.hits[i].chunk;
    return chunks;
}

/* Exactly the same hits with exactly the same scores. */
static inline void assert_same_answers(const rsi_lexical *a, const rsi_lexical *b,
                                       const char *query)
{
    answer left = search(a, query, HITS_MAX, NULL);
    answer right = search(b, query, HITS_MAX, NULL);
    assert_int_equal(left.count, right.count);
    assert_true(left.ideal == right.ideal);
    for (size_t i = 0; i < left.count; i++) {
        assert_int_equal(left.hits[i].chunk, right.hits[i].chunk);
        assert_true(left.hits[i].score == right.hits[i].score);
    }
}

#endif
