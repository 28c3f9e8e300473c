/* From a query to ranked chunks: modes, filters, scores, what is refused, and what faults do. */
#include "search_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static void search_search__ranks_by_keyword(void **state)
{
    searched f;
    rsi_result *result;
    rsi_search_query query = words("jets", RAGSTORE_MODE_KEYWORD);
    searched_begin(&f, state, true);
    EXPECT_CHUNKS(&f, &query, 3, 2);
    assert_int_equal(find(&result, &f, &query), 0);
    assert_int_equal(result->mode, RAGSTORE_MODE_KEYWORD);
    for (size_t i = 0; i < result->count; i++) {
        assert_true(isnan(result->items[i].vector_score));
        assert_true(result->items[i].keyword_score > 0 && result->items[i].keyword_score <= 1);
        assert_float_equal(result->items[i].score, result->items[i].keyword_score, 0);
    }
    rsi_result_free(result);
    query = words("submarine", RAGSTORE_MODE_KEYWORD);
    expect_chunks(&f, &query, NULL, 0);
    searched_end(&f);
}

static void search_search__ranks_by_a_given_vector(void **state)
{
    static const float right[] = {20, 0}; /* any length will do */
    searched f;
    rsi_result *result;
    rsi_search_query query = {
        .text = "", .k = 10, .mode = RAGSTORE_MODE_VECTOR, .vector = right, .dimension = 2};
    searched_begin(&f, state, true);
    EXPECT_CHUNKS(&f, &query, 0, 1, 2, 4, 3);
    assert_int_equal(find(&result, &f, &query), 0);
    assert_float_equal(result->items[0].score, 1, 1e-6f);
    assert_float_equal(result->items[1].vector_score, 0.6f, 1e-6f);
    assert_float_equal(result->items[4].vector_score, -1, 1e-6f);
    assert_float_equal(result->items[4].score, 0, 0); /* a score is 0 to 1 */
    assert_true(isnan(result->items[0].keyword_score));
    rsi_result_free(result);
    searched_end(&f);
}

static void search_search__fuses_words_and_vector(void **state)
{
    static const float left[] = {-1, 0};
    searched f;
    rsi_result *result;
    rsi_search_query query = words("jets push", RAGSTORE_MODE_HYBRID);
    query.vector = left;
    query.dimension = 2;
    searched_begin(&f, state, true);
    assert_int_equal(find(&result, &f, &query), 0);
    assert_int_equal(result->count, 5);
    assert_int_equal(result->mode, RAGSTORE_MODE_HYBRID);
    assert_int_equal(result->items[0].chunk, 2); /* both words: 1 + 0.5 */
    assert_int_equal(result->items[1].chunk, 3); /* the vector, and the worst of the words: 1 + 0 */
    for (size_t i = 0; i < result->count; i++) {
        const rsi_found *found = &result->items[i];
        float by_vector = found->vector_score < 0 ? 0 : found->vector_score;
        assert_true(isfinite(found->vector_score));
        assert_true(isfinite(found->keyword_score));
        assert_float_equal(found->score, (by_vector + found->keyword_score) / 2, 1e-6f);
    }
    rsi_result_free(result);
    searched_end(&f);
}

static void search_search__gives_k_whenever_the_filter_leaves_k(void **state)
{
    static const float right[] = {1, 0};
    searched f;
    rsi_search_query query = words("wings", RAGSTORE_MODE_VECTOR);
    searched_begin(&f, state, true);
    const char *ids[] = {f.jets.doc_id};
    query.vector = right;
    query.dimension = 2;
    query.k = 2;
    query.doc_ids = ids;
    query.doc_ids_count = 1;
    EXPECT_CHUNKS(&f, &query, 2, 3);
    query.filter_json = "{\"year\": 1970}";
    EXPECT_CHUNKS(&f, &query, 3);
    query.doc_ids_count = 0;
    expect_chunks(&f, &query, NULL, 0);
    searched_end(&f);
}

static void search_search__leaves_out_low_scores_and_attaches_neighbors(void **state)
{
    static const float right[] = {1, 0};
    searched f;
    rsi_result *result;
    rsi_search_query query = words("", RAGSTORE_MODE_VECTOR);
    query.vector = right;
    query.dimension = 2;
    query.min_score = 0.5f;
    query.neighbors = 1;
    searched_begin(&f, state, true);
    EXPECT_CHUNKS(&f, &query, 0, 1);
    assert_int_equal(find(&result, &f, &query), 0);
    assert_non_null(strstr(result->items[0].content, "stalls"));
    rsi_result_free(result);
    searched_end(&f);
}

static void search_search__never_finds_what_was_deleted(void **state)
{
    static const float up[] = {0, 1};
    searched f;
    rsi_search_query query = words("jets", RAGSTORE_MODE_HYBRID);
    query.vector = up;
    query.dimension = 2;
    searched_begin(&f, state, true);
    EXPECT_CHUNKS(&f, &query, 3, 2, 1, 0, 4);
    assert_int_equal(rsi_document_delete(f.s.store, ACME, f.s.incarnation, f.jets.doc_id), 0);
    EXPECT_CHUNKS(&f, &query, 1, 0, 4);
    open_store_again(&f.s);
    EXPECT_CHUNKS(&f, &query, 1, 0, 4);
    searched_end(&f);
}

static void search_search__says_that_it_was_by_keyword_only(void **state)
{
    searched f;
    rsi_result *result;
    rsi_search_query query = words("jets", RAGSTORE_MODE_HYBRID);
    searched_begin(&f, state, false);
    assert_int_equal(find(&result, &f, &query), 0);
    assert_int_equal(result->mode, RAGSTORE_MODE_KEYWORD);
    assert_int_equal(result->count, 2);
    rsi_result_free(result);
    searched_end(&f);
}

static void expect_refused(searched *f, const rsi_search_query *query, int status, const char *why)
{
    rsi_result *result = (rsi_result *)f;
    assert_int_equal(find(&result, f, query), status);
    assert_null(result);
    expect_message(why);
}

static void search_search__refuses_what_cannot_be_searched(void **state)
{
    static const float good[] = {1, 0, 0};
    static const float zero[] = {0, 0};
    static const float broken[] = {1, NAN};
    static const float endless[] = {INFINITY, 1};
    static char large[(32 << 10) + 2];
    searched f;
    searched_begin(&f, state, true);
    memset(large, 'a', sizeof large - 1);
    rsi_search_query query = words("", RAGSTORE_MODE_HYBRID);
    expect_refused(&f, &query, RAGSTORE_E_INVALID_ARGUMENT, "empty");
    query = words(large, RAGSTORE_MODE_KEYWORD);
    expect_refused(&f, &query, RAGSTORE_E_TOO_LARGE, "32768");
    query = words("a\xff", RAGSTORE_MODE_KEYWORD);
    expect_refused(&f, &query, RAGSTORE_E_INVALID_DATA, "byte 1");
    query = words("jets", RAGSTORE_MODE_VECTOR); /* own vectors: the query needs one, too */
    expect_refused(&f, &query, RAGSTORE_E_EMBEDDER, "caller's own");
    query = words("jets", RAGSTORE_MODE_HYBRID);
    query.vector = good;
    query.dimension = 3;
    expect_refused(&f, &query, RAGSTORE_E_INVALID_ARGUMENT, "3 numbers");
    query.dimension = 2;
    query.vector = zero;
    expect_refused(&f, &query, RAGSTORE_E_INVALID_ARGUMENT, "length 0");
    query.vector = broken;
    expect_refused(&f, &query, RAGSTORE_E_INVALID_ARGUMENT, "not finite");
    query.vector = endless;
    expect_refused(&f, &query, RAGSTORE_E_INVALID_ARGUMENT, "not finite");
    query = words("", RAGSTORE_MODE_KEYWORD);
    query.vector = good;
    query.dimension = 2;
    expect_refused(&f, &query, RAGSTORE_E_INVALID_ARGUMENT, "query text");
    query = words("jets", RAGSTORE_MODE_KEYWORD);
    query.filter_json = "{\"a\": {\"$nearly\": 1}}";
    expect_refused(&f, &query, RAGSTORE_E_QUERY, "$nearly");
    searched_end(&f);
}

static void search_search__finds_no_entity_that_is_gone(void **state)
{
    searched f;
    rsi_result *result;
    const rsi_entity_fields fields = {.name = NULL};
    char incarnation[RSI_INCARNATION_DIGITS + 1];
    rsi_search_query query = words("jets", RAGSTORE_MODE_KEYWORD);
    searched_begin(&f, state, true);
    assert_int_equal(rsi_search(&result, f.s.store, "nobody", f.s.incarnation, &query),
                     RAGSTORE_E_NOT_FOUND);
    assert_null(result);
    assert_int_equal(rsi_entity_delete(NULL, f.s.store, ACME), 0);
    assert_int_equal(find(&result, &f, &query), RAGSTORE_E_NOT_FOUND);
    assert_int_equal(rsi_entity_create(incarnation, f.s.store, ACME, &fields), 0);
    assert_int_equal(find(&result, &f, &query), RAGSTORE_E_NOT_FOUND); /* another one */
    assert_int_equal(rsi_search(&result, f.s.store, ACME, incarnation, &query), 0);
    assert_int_equal(result->count, 0);
    rsi_result_free(result);
    searched_end(&f);
}

static void search_search__refuses_vectors_for_a_keyword_only_entity(void **state)
{
    static const float right[] = {1, 0};
    searched f;
    rsi_search_query query = words("jets", RAGSTORE_MODE_VECTOR);
    searched_begin(&f, state, false);
    expect_refused(&f, &query, RAGSTORE_E_EMBEDDER, "keyword search only");
    query.vector = right;
    query.dimension = 2;
    expect_refused(&f, &query, RAGSTORE_E_EMBEDDER, "no vectors");
    searched_end(&f);
}

/* ---- faults ---- */

typedef struct asking {
    searched *f;
    rsi_search_query query;
    bool cold; /* with nothing in memory */
} asking;

static int ask_once(void *user)
{
    asking *ask = user;
    rsi_result *result;
    if (ask->cold) {
        bool armed = ask->f->s.faults.armed;
        ask->f->s.faults.armed = false;
        rsi_catalogs_free(ask->f->s.store);
        ask->f->s.faults.armed = armed;
    }
    int status = find(&result, ask->f, &ask->query);
    assert_true((status == RAGSTORE_OK) == (result != NULL));
    rsi_result_free(result);
    return status;
}

static void search_search__survives_each_failing_allocation(void **state)
{
    static const float left[] = {-1, 0};
    searched f;
    asking ask = {&f, words("jets push", RAGSTORE_MODE_HYBRID), false};
    ask.query.vector = left;
    ask.query.dimension = 2;
    ask.query.neighbors = 1;
    ask.query.filter_json = "{\"year\": {\"$gt\": 1900}}";
    searched_begin(&f, state, true);
    assert_int_equal(ask_once(&ask), 0);
    assert_true(each_allocation_fails(ask_once, &ask, 0) > 20);
    ask.cold = true;
    assert_true(each_allocation_fails(ask_once, &ask, EACH_MAY_KEEP | EACH_MAY_SUCCEED) > 40);
    EXPECT_CHUNKS(&f, &ask.query, 2, 3, 1, 0);
    searched_end(&f);
}

static void search_search__survives_each_failing_file_call(void **state)
{
    static const float left[] = {-1, 0};
    searched f;
    asking ask = {&f, words("jets push", RAGSTORE_MODE_HYBRID), true};
    ask.query.vector = left;
    ask.query.dimension = 2;
    searched_begin(&f, state, true);
    assert_true(each_file_call_fails(&f.s, ask_once, &ask, EACH_MAY_SUCCEED) > 0);
    EXPECT_CHUNKS(&f, &ask.query, 2, 3, 4, 1, 0);
    searched_end(&f);
}

static const char *rows_path(char out[TEMPORARY_PATH_MAX], void **state)
{
    temporary_join(out, state, "entity_scoped/entities/" ACME "/vector_store/rows-1.rsv");
    assert_true(temporary_exists(out));
    return out;
}

static void search_search__goes_on_by_keyword_when_the_rows_cannot_be_used(void **state)
{
    static const float right[] = {1, 0};
    searched f;
    rsi_result *result;
    char path[TEMPORARY_PATH_MAX];
    rsi_search_query query = words("jets", RAGSTORE_MODE_HYBRID);
    query.vector = right;
    query.dimension = 2;
    searched_begin(&f, state, true);
    open_store_close(&f.s);
    assert_int_equal(remove(rows_path(path, state)), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(open_store_open(&f.s, RAGSTORE_OPEN_MUST_EXIST), 0);
    assert_int_equal(find(&result, &f, &query), 0);
    assert_int_equal(result->mode, RAGSTORE_MODE_KEYWORD);
    assert_int_equal(result->count, 2);
    rsi_result_free(result);
    query.mode = RAGSTORE_MODE_VECTOR;
    expect_refused(&f, &query, RAGSTORE_E_DAMAGED, "rows-1.rsv");
    searched_end(&f);
}

static void search_search__leaves_out_damaged_rows_and_finds_the_rest(void **state)
{
    static const float right[] = {1, 0};
    searched f;
    size_t size;
    char path[TEMPORARY_PATH_MAX];
    rsi_search_query query = words("wings lift", RAGSTORE_MODE_VECTOR);
    asking ask = {&f, query, false};
    query.vector = ask.query.vector = right;
    query.dimension = ask.query.dimension = 2;
    searched_begin(&f, state, true);
    open_store_close(&f.s);
    char *bytes = temporary_read(rows_path(path, state), &size);
    const float second[] = {0.6f, 0.8f}; /* of chunk 1, normalised */
    char *row = memmem(bytes, size, second, sizeof second);
    assert_non_null(row);
    *row ^= 1;
    temporary_write(path, bytes, size);
    free(bytes);
    assert_int_equal(open_store_open(&f.s, RAGSTORE_OPEN_MUST_EXIST), 0);
    EXPECT_CHUNKS(&f, &query, 2, 4, 3); /* without those of the damaged block */
    query.mode = ask.query.mode = RAGSTORE_MODE_HYBRID;
    EXPECT_CHUNKS(&f, &query, 0, 2, 4, 1, 3);
    assert_true(each_allocation_fails(ask_once, &ask, 0) > 20);
    searched_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(search_search__ranks_by_keyword),
        FRESH(search_search__ranks_by_a_given_vector),
        FRESH(search_search__fuses_words_and_vector),
        FRESH(search_search__gives_k_whenever_the_filter_leaves_k),
        FRESH(search_search__leaves_out_low_scores_and_attaches_neighbors),
        FRESH(search_search__never_finds_what_was_deleted),
        FRESH(search_search__says_that_it_was_by_keyword_only),
        FRESH(search_search__refuses_what_cannot_be_searched),
        FRESH(search_search__finds_no_entity_that_is_gone),
        FRESH(search_search__refuses_vectors_for_a_keyword_only_entity),
        FRESH(search_search__survives_each_failing_allocation),
        FRESH(search_search__survives_each_failing_file_call),
        FRESH(search_search__goes_on_by_keyword_when_the_rows_cannot_be_used),
        FRESH(search_search__leaves_out_damaged_rows_and_finds_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
