/* Two rankings become one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "search/fusion.h"

#include <math.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void search_fusion__gives_nothing_for_nothing(void **state)
{
    rsi_fused out[1];
    (void)state;
    assert_int_equal(rsi_fuse(out, RSI_FUSE_SUM, NULL, 0, NULL, 0), 0);
}

static void search_fusion__keeps_the_order_and_scores_of_one_leg(void **state)
{
    static const rsi_hit hits[] = {{7, 9.5f}, {3, 4.0f}, {5, 1.5f}};
    rsi_fused out[3];
    (void)state;
    assert_int_equal(rsi_fuse(out, RSI_FUSE_SUM, hits, 3, NULL, 0), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(out[i].chunk, hits[i].chunk);
        assert_float_equal(out[i].vector_score, hits[i].score, 0);
        assert_true(isnan(out[i].keyword_score));
    }
    assert_float_equal(out[0].rank_score, 1, 0);
    assert_float_equal(out[2].rank_score, 0, 0);
    assert_int_equal(rsi_fuse(out, RSI_FUSE_SUM, NULL, 0, hits, 3), 3);
    assert_int_equal(out[0].chunk, 7);
    assert_true(isnan(out[0].vector_score));
    assert_float_equal(out[0].keyword_score, 9.5f, 0);
}

static void search_fusion__adds_both_legs_on_a_scale_of_0_to_1(void **state)
{
    static const rsi_hit vectors[] = {{1, 0.9f}, {2, 0.7f}, {3, 0.5f}};
    static const rsi_hit keywords[] = {{2, 30.0f}, {4, 20.0f}, {1, 10.0f}};
    rsi_fused out[6];
    (void)state;
    assert_int_equal(rsi_fuse(out, RSI_FUSE_SUM, vectors, 3, keywords, 3), 4);
    assert_int_equal(out[0].chunk, 2); /* 0.5 + 1 */
    assert_float_equal(out[0].rank_score, 1.5f, 1e-5f);
    assert_float_equal(out[0].vector_score, 0.7f, 0);
    assert_float_equal(out[0].keyword_score, 30.0f, 0);
    assert_int_equal(out[1].chunk, 1); /* 1 + 0 */
    assert_float_equal(out[1].keyword_score, 10.0f, 0);
    assert_int_equal(out[2].chunk, 4); /* 0.5 */
    assert_true(isnan(out[2].vector_score));
    assert_int_equal(out[3].chunk, 3);
    assert_true(isnan(out[3].keyword_score));
}

static void search_fusion__adds_reciprocal_ranks(void **state)
{
    static const rsi_hit vectors[] = {{1, 0.9f}, {2, 0.7f}};
    static const rsi_hit keywords[] = {{4, 30.0f}, {3, 20.0f}, {2, 10.0f}};
    rsi_fused out[5];
    (void)state;
    assert_int_equal(rsi_fuse(out, RSI_FUSE_RANKS, vectors, 2, keywords, 3), 4);
    assert_int_equal(out[0].chunk, 2);
    assert_float_equal(out[0].rank_score, 1.0f / 62 + 1.0f / 63, 1e-7f);
    assert_int_equal(out[1].chunk, 1); /* as good as 4, which has the larger number */
    assert_float_equal(out[1].rank_score, 1.0f / 61, 1e-7f);
    assert_int_equal(out[2].chunk, 4);
    assert_int_equal(out[3].chunk, 3);
}

static void search_fusion__counts_equal_scores_as_best(void **state)
{
    static const rsi_hit same[] = {{9, 2.0f}, {11, 2.0f}};
    static const rsi_hit single[] = {{11, 0.1f}};
    rsi_fused out[3];
    (void)state;
    assert_int_equal(rsi_fuse(out, RSI_FUSE_SUM, same, COUNT(same), single, COUNT(single)), 2);
    assert_int_equal(out[0].chunk, 11);
    assert_float_equal(out[0].rank_score, 2, 0);
    assert_float_equal(out[1].rank_score, 1, 0);
}

static void search_fusion__breaks_ties_by_the_smaller_chunk(void **state)
{
    static const rsi_hit vectors[] = {{8, 1.0f}, {6, 0.0f}};
    static const rsi_hit keywords[] = {{5, 3.0f}, {2, 1.0f}};
    rsi_fused out[4];
    (void)state;
    assert_int_equal(rsi_fuse(out, RSI_FUSE_SUM, vectors, 2, keywords, 2), 4);
    assert_int_equal(out[0].chunk, 5);
    assert_int_equal(out[1].chunk, 8);
    assert_int_equal(out[2].chunk, 2);
    assert_int_equal(out[3].chunk, 6);
}

static void search_fusion__takes_negative_and_huge_scores(void **state)
{
    static const rsi_hit vectors[] = {{1, -0.1f}, {2, -0.9f}};
    static const rsi_hit keywords[] = {{2, 1e30f}, {1, 1e-30f}};
    rsi_fused out[4];
    (void)state;
    assert_int_equal(rsi_fuse(out, RSI_FUSE_SUM, vectors, 2, keywords, 2), 2);
    for (size_t i = 0; i < 2; i++)
        assert_true(isfinite(out[i].rank_score));
    assert_int_equal(out[0].chunk, 1);
    assert_float_equal(out[0].vector_score, -0.1f, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(search_fusion__gives_nothing_for_nothing),
        cmocka_unit_test(search_fusion__keeps_the_order_and_scores_of_one_leg),
        cmocka_unit_test(search_fusion__adds_both_legs_on_a_scale_of_0_to_1),
        cmocka_unit_test(search_fusion__adds_reciprocal_ranks),
        cmocka_unit_test(search_fusion__counts_equal_scores_as_best),
        cmocka_unit_test(search_fusion__breaks_ties_by_the_smaller_chunk),
        cmocka_unit_test(search_fusion__takes_negative_and_huge_scores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
