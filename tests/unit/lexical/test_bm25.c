/*
 * Searching: lib/lexical/bm25.c against the formula computed for every chunk, on enough chunks
 * for several windows and for most of them to be skipped.
 */
#include "lexical_fixture.h"

#include "base/bytes.h"

#include <math.h>
#include <stdlib.h>

#define CHUNKS 15000
#define WORDS 400     /* in the vocabulary */
#define LENGTH_MAX 24 /* of a chunk */
#define QUERY_MAX 200

static struct {
    int words[LENGTH_MAX];
    int length;
    bool alive;
} chunks[CHUNKS];

static uint64_t random_state = 1;

static int random_below(int limit)
{
    random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (int)((random_state >> 33) % (uint64_t)limit);
}

/* Low numbers are frequent; each word also has chunks where it comes thick. */
static int random_word(void)
{
    int limit = 1 + random_below(WORDS);
    return random_below(1 + random_below(limit));
}

static void append_word(rsi_bytes *text, int word)
{
    rsi_bytes_printf(text, "x%c%c ", 'a' + word / 26, 'a' + word % 26);
}

static rsi_lexical *make_index(void)
{
    rsi_lexical *index = new_index("none");
    for (int i = 0; i < CHUNKS; i++) {
        rsi_bytes text = {0};
        chunks[i].length = 1 + random_below(LENGTH_MAX);
        chunks[i].alive = true;
        for (int j = 0; j < chunks[i].length; j++) {
            bool repeat = j > 0 && random_below(4) == 0;
            chunks[i].words[j] = repeat ? chunks[i].words[j - 1] : random_word();
            append_word(&text, chunks[i].words[j]);
        }
        assert_int_equal(rsi_lexical_add(index, i, text.data, text.size), RAGSTORE_OK);
        rsi_bytes_free(&text);
    }
    return index;
}

static int frequency(int chunk, int word)
{
    int count = 0;
    for (int j = 0; j < chunks[chunk].length; j++)
        count += chunks[chunk].words[j] == word;
    return count;
}

/* The formula for every chunk; 0 for those that are removed or not allowed. */
static void score_all(double *scores, const int *query, int count, const rsi_bitset *allowed)
{
    double all = 0;
    double length = 0;
    for (int i = 0; i < CHUNKS; i++) {
        all += chunks[i].alive;
        length += chunks[i].alive ? chunks[i].length : 0;
        scores[i] = 0;
    }
    for (int t = 0; t < count; t++) {
        double with = 0;
        for (int i = 0; i < CHUNKS; i++)
            with += chunks[i].alive && frequency(i, query[t]) > 0;
        double idf = log(1 + (all - with + 0.5) / (with + 0.5));
        for (int i = 0; i < CHUNKS; i++) {
            double f = frequency(i, query[t]);
            double norm = 1.2 * (0.25 + 0.75 * chunks[i].length / (length / all));
            if (chunks[i].alive && (allowed == NULL || rsi_bitset_has(allowed, i)))
                scores[i] += idf * f * 2.2 / (f + norm);
        }
    }
}

static int compare_down(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left < right) - (left > right);
}

static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-5 * (fabs(a) + fabs(b));
}

/* The index must give k chunks with their right scores, and no better ones may exist. */
static void assert_best(const rsi_lexical *index, const int *query, int count, size_t k,
                        const rsi_bitset *allowed)
{
    static double scores[CHUNKS];
    static double sorted[CHUNKS];
    rsi_bytes text = {0};
    for (int t = 0; t < count; t++)
        append_word(&text, query[t]);
    score_all(scores, query, count, allowed);
    memcpy(sorted, scores, sizeof sorted);
    qsort(sorted, CHUNKS, sizeof *sorted, compare_down);
    answer best = search(index, text.data, k, allowed);
    for (size_t i = 0; i < best.count; i++) {
        assert_true(near((double)best.hits[i].score, sorted[i]));
        assert_true(near((double)best.hits[i].score, scores[best.hits[i].chunk]));
    }
    if (best.count < k)
        assert_true(sorted[best.count] == 0);
    rsi_bytes_free(&text);
}

static void assert_best_of_many(const rsi_lexical *index, const rsi_bitset *allowed)
{
    static const int counts[] = {1, 2, 3, 5, 9, 20};
    static const size_t ks[] = {1, 10, 60};
    for (int round = 0; round < 36; round++) {
        int query[QUERY_MAX];
        int count = counts[round % 6];
        for (int t = 0; t < count; t++) /* some frequent words, some rare ones */
            query[t] = t % 2 == 0 ? random_word() : random_below(WORDS);
        assert_best(index, query, count, ks[round / 6 % 3], allowed);
    }
}

static void remove_some(rsi_lexical *index, int share)
{
    for (int i = 0; i < CHUNKS; i++) {
        if (!chunks[i].alive || random_below(share) != 0)
            continue;
        rsi_lexical_remove(index, i);
        chunks[i].alive = false;
    }
}

static void lexical_bm25__finds_the_best_of_all(void **state)
{
    (void)state;
    rsi_lexical *index = make_index();
    assert_best_of_many(index, NULL);
    rsi_lexical_free(index);
}

static void lexical_bm25__finds_the_best_of_what_is_allowed(void **state)
{
    (void)state;
    rsi_lexical *index = make_index();
    rsi_bitset allowed = {0};
    for (int i = 0; i < CHUNKS; i += 1 + random_below(60))
        assert_int_equal(rsi_bitset_add(&allowed, i), RAGSTORE_OK);
    assert_best_of_many(index, &allowed);
    rsi_bitset_free(&allowed);
    rsi_lexical_free(index);
}

static void lexical_bm25__finds_the_best_of_what_is_left(void **state)
{
    (void)state;
    rsi_lexical *index = make_index();
    remove_some(index, 8); /* tombstones */
    assert_best_of_many(index, NULL);
    remove_some(index, 2); /* compacted */
    assert_best_of_many(index, NULL);
    rsi_lexical_free(index);
}

static void lexical_bm25__serves_queries_of_many_terms(void **state)
{
    (void)state;
    rsi_lexical *index = make_index();
    int query[QUERY_MAX];
    for (int t = 0; t < QUERY_MAX; t++)
        query[t] = t * 2; /* more than are pruned */
    assert_best(index, query, QUERY_MAX, 10, NULL);
    rsi_lexical_free(index);
}

static void lexical_bm25__ranks_equal_chunks_by_number_across_windows(void **state)
{
    (void)state;
    rsi_lexical *index = new_index("none");
    for (int i = 0; i < CHUNKS; i++) /* the smallest number comes last */
        add(index, CHUNKS - i, i % 50 == 0 ? "wing flow" : "other words");
    answer best = search(index, "wing flow", 20, NULL);
    assert_int_equal(best.count, 20);
    for (int i = 0; i < 20; i++)
        assert_int_equal(best.hits[i].chunk, 50 * (i + 1));
    rsi_lexical_free(index);
}

static void lexical_bm25__finds_the_best_behind_windows_that_it_skips(void **state)
{
    (void)state;
    rsi_lexical *index = new_index("none");
    for (int i = 0; i < CHUNKS; i++) /* three good ones, then long texts, the best at the end */
        add(index, i,
            i < 3             ? "wing wing"
            : i == CHUNKS - 1 ? "wing wing wing wing"
                              : "a wing among so many words of a text about quite other things");
    answer best = search(index, "wing", 3, NULL);
    assert_int_equal(best.count, 3);
    assert_int_equal(best.hits[0].chunk, CHUNKS - 1);
    assert_int_equal(best.hits[1].chunk, 0);
    rsi_lexical_free(index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lexical_bm25__finds_the_best_of_all),
        cmocka_unit_test(lexical_bm25__finds_the_best_of_what_is_allowed),
        cmocka_unit_test(lexical_bm25__finds_the_best_of_what_is_left),
        cmocka_unit_test(lexical_bm25__serves_queries_of_many_terms),
        cmocka_unit_test(lexical_bm25__ranks_equal_chunks_by_number_across_windows),
        cmocka_unit_test(lexical_bm25__finds_the_best_behind_windows_that_it_skips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
