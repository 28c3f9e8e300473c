/*
 * A floor under the ranking, in a few seconds: keyword search on the whole Cranfield collection,
 * and vector and hybrid search with the real model on texts of our own that ask in other words
 * than they answer. `make bench-quality` measures all of it on the whole collection.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness/cranfield.h"
#include "harness/temporary.h"
#include <ragstore.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYWORD_FLOOR 0.372 /* nDCG@10; 0.379 when this was written */
#define HITS_MAX 200

static void open_entity(ragstore_store **store, ragstore_entity **entity, void **state,
                        ragstore_model *model)
{
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    options.model = model;
    assert_int_equal(ragstore_store_open(store, temporary_path(state), &options), 0);
    assert_int_equal(ragstore_entity_create(entity, *store, "texts", NULL), 0);
}

static void close_entity(ragstore_store *store, ragstore_entity *entity)
{
    ragstore_entity_free(entity);
    assert_int_equal(ragstore_store_close(store), 0);
}

/* One document whose chunks are these texts, in this order. */
static void add_texts(ragstore_entity *entity, const json_t *chunks)
{
    char *text = json_dumps(chunks, JSON_COMPACT);
    assert_non_null(text);
    if (ragstore_document_add_chunks(NULL, entity, text, NULL, 0, NULL) != RAGSTORE_OK)
        fail_msg("%s", ragstore_error_message());
    free(text);
}

static ragstore_result *search(ragstore_entity *entity, const char *query, uint32_t mode,
                               uint32_t k)
{
    ragstore_entity_search_options options = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
    ragstore_result *result;
    options.k = k;
    options.mode = mode;
    if (ragstore_entity_search(&result, entity, query, &options) != RAGSTORE_OK)
        fail_msg("%s", ragstore_error_message());
    assert_int_equal(ragstore_result_mode(result), mode);
    return result;
}

/* ---- keyword search on the collection ---- */

static void api_search_quality__by_keyword_is_above_its_floor(void **state)
{
    static size_t ids[CRANFIELD_DOCUMENTS_MAX]; /* of the chunks */
    static char text[16384];
    char why[4300];
    ragstore_store *store;
    ragstore_entity *entity;
    size_t count = 0;
    cranfield_quality sum = {0};
    cranfield *collection = cranfield_read(why, sizeof why);
    if (collection == NULL) {
        print_message("NOT TESTED, the Cranfield collection is not here: %s\n", why);
        skip();
    }
    open_entity(&store, &entity, state, NULL);
    json_t *chunks = json_array();
    for (size_t id = 0; id < CRANFIELD_DOCUMENTS_MAX; id++) {
        const cranfield_document *document = &collection->documents[id];
        if (document->title == NULL || document->text[0] == '\0')
            continue;
        int size = snprintf(text, sizeof text, "%s %s", document->title, document->text);
        assert_in_range(size, 1, sizeof text - 1);
        json_array_append_new(chunks, json_pack("{s:s}", "text", text));
        ids[count++] = id;
    }
    add_texts(entity, chunks);
    json_decref(chunks);
    for (size_t query = 0; query < CRANFIELD_QUERIES_MAX; query++) {
        size_t ranked[HITS_MAX];
        if (!cranfield_has_answer(collection, query))
            continue;
        ragstore_result *result =
            search(entity, collection->queries[query], RAGSTORE_MODE_KEYWORD, 100);
        size_t found = ragstore_result_count(result);
        for (size_t i = 0; i < found; i++)
            ranked[i] = ids[ragstore_result_chunk_order(result, i)];
        cranfield_judge(&sum, collection, query, ranked, found);
        ragstore_result_free(result);
    }
    cranfield_quality mean = cranfield_mean(&sum);
    print_message("nDCG@10 by keyword: %.4f\n", mean.ndcg_10);
    assert_int_equal(mean.queries, 225);
    assert_true(mean.ndcg_10 >= KEYWORD_FLOOR);
    cranfield_free(collection);
    close_entity(store, entity);
}

/* ---- vector and hybrid search on texts of our own ---- */

/* Each is answered by the text beside it, and shares few or no words with it. */
static const struct pair {
    const char *question;
    const char *text;
} pairs[] = {
    {"Why did my car fail to start on a cold morning?",
     "Low temperatures sap the battery, so the engine cannot be cranked in winter."},
    {"How do I get rid of a headache?",
     "Painkillers such as aspirin ease migraine within an hour."},
    {"What should I feed a small puppy?",
     "Young dogs need meals rich in protein three times a day."},
    {"When do banks open?", "The branch receives customers from nine in the morning to four."},
    {"Can I send goods back?", "Purchases may be returned within thirty days for a full refund."},
    {"How is bread made?",
     "Flour, water, salt and yeast are kneaded into dough, which rises and is baked."},
    {"Which planet is the biggest?", "Jupiter outweighs all other worlds of the solar system."},
    {"How can I lose weight?",
     "Eating fewer calories and regular exercise help to shed kilograms."},
    {"Who wrote plays in London around 1600?",
     "Shakespeare's tragedies and comedies were first staged at the Globe theatre."},
    {"My password does not work any more.",
     "To regain access to your account, reset the credentials by e-mail."},
    {"Is it going to rain tomorrow?", "The forecast for Tuesday: showers in the north, wind."},
    {"How do birds stay in the air?", "Wings generate lift as they push the air downwards."},
};

#define PAIRS (sizeof pairs / sizeof *pairs)

static ragstore_model *open_model(void)
{
    ragstore_buffer *place;
    ragstore_model *model = NULL;
    if (ragstore_model_locate(&place) != RAGSTORE_OK) {
        print_message("NOT TESTED, no embedding model: %s\n", ragstore_error_message());
        return NULL;
    }
    if (ragstore_model_open(&model, ragstore_buffer_data(place)) != RAGSTORE_OK)
        fail_msg("%s", ragstore_error_message());
    ragstore_buffer_free(place);
    return model;
}

/* How many questions find their text first. */
static size_t count_first(ragstore_entity *entity, uint32_t mode)
{
    size_t good = 0;
    for (size_t i = 0; i < PAIRS; i++) {
        ragstore_result *result = search(entity, pairs[i].question, mode, 1);
        good += ragstore_result_count(result) == 1 &&
                ragstore_result_chunk_order(result, 0) == (int64_t)i;
        ragstore_result_free(result);
    }
    return good;
}

static void api_search_quality__by_meaning_finds_what_words_do_not(void **state)
{
    ragstore_store *store;
    ragstore_entity *entity;
    ragstore_model *model = open_model();
    if (model == NULL)
        skip();
    open_entity(&store, &entity, state, model);
    json_t *chunks = json_array();
    for (size_t i = 0; i < PAIRS; i++)
        json_array_append_new(chunks, json_pack("{s:s}", "text", pairs[i].text));
    add_texts(entity, chunks);
    json_decref(chunks);
    size_t by_keyword = count_first(entity, RAGSTORE_MODE_KEYWORD);
    size_t by_vector = count_first(entity, RAGSTORE_MODE_VECTOR);
    size_t by_both = count_first(entity, RAGSTORE_MODE_HYBRID);
    print_message("first of %zu: %zu by keyword, %zu by vector, %zu by both\n", PAIRS, by_keyword,
                  by_vector, by_both);
    assert_true(by_vector >= PAIRS - 1);
    assert_true(by_both >= PAIRS - 2);
    assert_true(by_both > by_keyword);
    close_entity(store, entity);
    ragstore_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(api_search_quality__by_keyword_is_above_its_floor,
                                        temporary_setup, temporary_teardown),
        cmocka_unit_test_setup_teardown(api_search_quality__by_meaning_finds_what_words_do_not,
                                        temporary_setup, temporary_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
