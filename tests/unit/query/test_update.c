/* Updates: lib/query/update_*.c and json/json_edit.c. */
#include "query_fixture.h"

#include "json/json_edit.h"

#include <jansson.h>

static const rsi_update_context plain = {.now = "2026-01-31T12:34:56.123456"};
static const rsi_update_context inserting = {.inserting = true,
                                             .now = "2026-01-31T12:34:56.123456"};

static int apply(rsi_json **out, const char *update_text, const char *document_text,
                 const rsi_update_context *context)
{
    rsi_update *update = NULL;
    const char *json = quoted(update_text);
    rsi_json *document = tree_of(document_text);
    rsi_json *witness = tree_of(document_text);
    bool modified = false;

    *out = NULL;
    int status = rsi_update_compile_text(&update, json, strlen(json));
    if (status == RAGSTORE_OK)
        status = rsi_update_apply(out, &modified, update, document, context);
    assert_true(rsi_json_identical(document, witness)); /* never changed, also on failure */
    if (status == RAGSTORE_OK)
        assert_int_equal(modified, !rsi_json_identical(*out, document));
    else
        assert_null(*out);
    rsi_update_free(update);
    rsi_json_free(document);
    rsi_json_free(witness);
    return status;
}

typedef struct example {
    const char *update;
    const char *before;
    const char *after;
} example;

static void check_examples(const example *examples, size_t count, const rsi_update_context *context)
{
    for (size_t i = 0; i < count; i++) {
        rsi_json *result;
        rsi_bytes got = {0}, wanted = {0};
        rsi_json *expected = tree_of(examples[i].after);
        if (apply(&result, examples[i].update, examples[i].before, context) != RAGSTORE_OK)
            fail_msg("%s: %s", examples[i].update, rsi_error_message());
        rsi_json_dump(&got, result);
        rsi_json_dump(&wanted, expected);
        if (strcmp(got.data, wanted.data) != 0)
            fail_msg("%s on %s: %s", examples[i].update, examples[i].before, got.data);
        rsi_bytes_free(&got);
        rsi_bytes_free(&wanted);
        rsi_json_free(result);
        rsi_json_free(expected);
    }
}

#define CHECK(examples, context)                                                                   \
    check_examples(examples, sizeof(examples) / sizeof *(examples), context)

static void query_update__changes_fields(void **state)
{
    static const example examples[] = {
        {"{'$set': {'a': 1}}", "{}", "{'a': 1}"},
        {"{'$set': {'c': 1, 'a.b': [2]}}", "{'a': {'x': 1}}", "{'a': {'x': 1, 'b': [2]}, 'c': 1}"},
        {"{'$set': {'a.1': 5}}", "{'a': [1, 2]}", "{'a': [1, 5]}"},
        {"{'$set': {'a.3': 5}}", "{'a': [1]}", "{'a': [1, null, null, 5]}"},
        {"{'$set': {'a.0.b': 5}}", "{'a': [{'b': 1}]}", "{'a': [{'b': 5}]}"},
        {"{'$set': {'n.10': 1, 'n.2': 1}}", "{}", "{'n': {'2': 1, '10': 1}}"},
        {"{'$set': {}}", "{'a': 1}", "{'a': 1}"},
        {"{'$unset': {'a': '', 'b.c': '', 'z': ''}}", "{'a': 1, 'b': {'c': 1}}", "{'b': {}}"},
        {"{'$unset': {'a.0': ''}}", "{'a': [1, 2]}", "{'a': [null, 2]}"},
        {"{'$unset': {'a.x.y': ''}}", "{'a': 1}", "{'a': 1}"},
        {"{'$inc': {'a': 2, 'b': 1.5, 'c': 1}}", "{'a': 1, 'b': 1}", "{'a': 3, 'b': 2.5, 'c': 1}"},
        {"{'$mul': {'a': 2, 'b': 1.5, 'c': 7}}", "{'a': 4, 'b': 2}", "{'a': 8, 'b': 3.0, 'c': 0}"},
        {"{'$min': {'a': 3, 'b': 3, 'c': 3}}", "{'a': 5, 'b': 1}", "{'a': 3, 'b': 1, 'c': 3}"},
        {"{'$max': {'a': 3, 'b': 'x'}}", "{'a': 2.5, 'b': 9}", "{'a': 3, 'b': 'x'}"},
        {"{'$rename': {'a': 'b.c', 'z': 'y'}}", "{'a': 1, 'd': 2}", "{'d': 2, 'b': {'c': 1}}"},
        {"{'$rename': {'a': 'b'}}", "{'b': 0, 'a': 1, 'c': 2}", "{'c': 2, 'b': 1}"},
        {"{'$currentDate': {'a': true, 'b': {'$type': 'date'}}}", "{}",
         "{'a': '2026-01-31T12:34:56.123456', 'b': '2026-01-31T12:34:56.123456'}"},
        {"{'$setOnInsert': {'a': 1}, '$set': {'b': 1}}", "{}", "{'b': 1}"},
        {"{'$set': {'_id': 1}}", "{'_id': 1}", "{'_id': 1}"},
    };
    static const example inserted[] = {
        {"{'$setOnInsert': {'a': 1, '_id': 7}}", "{}", "{'_id': 7, 'a': 1}"},
    };
    (void)state;
    CHECK(examples, &plain);
    CHECK(inserted, &inserting);
}

static void query_update__changes_arrays(void **state)
{
    static const example examples[] = {
        {"{'$push': {'a': 1}}", "{}", "{'a': [1]}"},
        {"{'$push': {'a': [2]}}", "{'a': [1]}", "{'a': [1, [2]]}"},
        {"{'$push': {'a': {'b': 1}}}", "{'a': []}", "{'a': [{'b': 1}]}"},
        {"{'$push': {'a': {'$each': [4, 5], '$position': 1}}}", "{'a': [1, 2]}",
         "{'a': [1, 4, 5, 2]}"},
        {"{'$push': {'a': {'$each': [9], '$position': -1}}}", "{'a': [1, 2]}", "{'a': [1, 9, 2]}"},
        {"{'$push': {'a': {'$each': [9], '$position': -9}}}", "{'a': [1, 2]}", "{'a': [9, 1, 2]}"},
        {"{'$push': {'a': {'$each': [], '$slice': 1}}}", "{'a': [1, 2]}", "{'a': [1]}"},
        {"{'$push': {'a': {'$each': [3], '$slice': -2}}}", "{'a': [1, 2]}", "{'a': [2, 3]}"},
        {"{'$push': {'a': {'$each': [0], '$slice': 0}}}", "{'a': [1, 2]}", "{'a': []}"},
        {"{'$push': {'a': {'$each': [3, 1], '$sort': -1, '$slice': 2}}}", "{'a': [2]}",
         "{'a': [3, 2]}"},
        {"{'$push': {'a': {'$each': [{'n': 1, 's': 'x'}], '$sort': {'n': 1, 's': -1}}}}",
         "{'a': [{'n': 2}, {'n': 1, 's': 'y'}]}",
         "{'a': [{'n': 1, 's': 'y'}, {'n': 1, 's': 'x'}, {'n': 2}]}"},
        {"{'$addToSet': {'a': 1}}", "{'a': [1.0]}", "{'a': [1.0]}"},
        {"{'$addToSet': {'a': {'$each': [2, 3, 2]}}}", "{'a': [3]}", "{'a': [3, 2]}"},
        {"{'$addToSet': {'a': {'x': 1, 'y': 2}}}", "{'a': [{'y': 2, 'x': 1}]}",
         "{'a': [{'y': 2, 'x': 1}, {'x': 1, 'y': 2}]}"},
        {"{'$pull': {'a': 1}}", "{'a': [1, 2, 1.0, [1]]}", "{'a': [2, [1]]}"},
        {"{'$pull': {'a': {'$gte': 2}}}", "{'a': [1, 2, 3, 'x']}", "{'a': [1, 'x']}"},
        {"{'$pull': {'a': {'b': 1}}}", "{'a': [{'b': 1, 'c': 2}, {'b': 2}, 1]}",
         "{'a': [{'b': 2}, 1]}"},
        {"{'$pull': {'a': {'b': {'$in': [1, 2]}}}}", "{'a': [{'b': 1}, {'b': 3}]}",
         "{'a': [{'b': 3}]}"},
        {"{'$pull': {'a': [1]}}", "{'a': [[1], 1]}", "{'a': [1]}"},
        {"{'$pullAll': {'a': [1, 'x']}}", "{'a': [1, 'x', 1, 2]}", "{'a': [2]}"},
        {"{'$pop': {'a': 1, 'b': -1, 'c': 1}}", "{'a': [1, 2], 'b': [1, 2]}",
         "{'a': [1], 'b': [2]}"},
        {"{'$pop': {'a': 1}}", "{'a': []}", "{'a': []}"},
    };
    (void)state;
    CHECK(examples, &plain);
}

static void query_update__refuses_with_the_place(void **state)
{
    static const struct {
        const char *update;
        const char *document;
        const char *message;
    } refused[] = {
        {"{}", "{}", "an object of operators"},
        {"{'a': 1}", "{}", "at a: an update consists of operators"},
        {"{'$bit': {'a': 1}}", "{}", "at $bit: no update operator"},
        {"{'$set': 1}", "{}", "at $set: it needs an object"},
        {"{'$set': {'': 1}}", "{}", "an empty name"},
        {"{'$set': {'a..b': 1}}", "{}", "an empty name"},
        {"{'$set': {'a.$': 1}}", "{}", "positional"},
        {"{'$set': {'a.$[].b': 1}}", "{}", "positional"},
        {"{'$set': {'a': 1, 'a.b': 1}}", "{}", "would both be changed"},
        {"{'$set': {'a': 1}, '$inc': {'a': 1}}", "{}", "would both be changed"},
        {"{'$rename': {'a': 'b'}, '$set': {'b.c': 1}}", "{}", "would both be changed"},
        {"{'$rename': {'a': 'a'}}", "{}", "the new name"},
        {"{'$rename': {'a': 1}}", "{}", "it needs the new name"},
        {"{'$inc': {'a': '1'}}", "{}", "at $inc.a: it needs a number"},
        {"{'$inc': {'a': 1}}", "{'a': null}", "at $inc.a: the value there is no number"},
        {"{'$inc': {'a': 1}}", "{'a': 9223372036854775807}", "does not fit 64 bits"},
        {"{'$mul': {'a': 1e300}}", "{'a': 1e300}", "no finite number"},
        {"{'$set': {'a.b': 1}}", "{'a': 1}", "at $set.a.b: the path goes through"},
        {"{'$set': {'a.b': 1}}", "{'a': null}", "at $set.a.b: the path goes through"},
        {"{'$set': {'a.b': 1}}", "{'a': [1]}", "is no position"},
        {"{'$push': {'a': 1}}", "{'a': 1}", "at $push.a: the value there is no array"},
        {"{'$push': {'a': {'$each': 1}}}", "{}", "at $push.a.$each: it needs an array"},
        {"{'$push': {'a': {'$slice': 1}}}", "{}", "modifiers need $each"},
        {"{'$push': {'a': {'$each': [], '$x': 1}}}", "{}", "no modifier"},
        {"{'$push': {'a': {'$each': [], '$sort': 2}}}", "{}", "$sort: it needs 1, -1"},
        {"{'$push': {'a': {'$each': [], '$slice': 1.5}}}", "{}", "$slice: it needs a whole"},
        {"{'$addToSet': {'a': {'$each': [], '$slice': 1}}}", "{}", "no modifier"},
        {"{'$addToSet': {'a': 1}}", "{'a': {}}", "no array"},
        {"{'$pull': {'a': {'$gx': 1}}}", "{}", "at $pull.a.$gx: no operator"},
        {"{'$pull': {'a': 1}}", "{'a': 1}", "no array"},
        {"{'$pullAll': {'a': 1}}", "{}", "it needs an array"},
        {"{'$pop': {'a': 2}}", "{}", "it needs 1 (last)"},
        {"{'$pop': {'a': 1}}", "{'a': 1}", "no array"},
        {"{'$currentDate': {'a': 1}}", "{}", "it needs true"},
        {"{'$currentDate': {'a': {'$type': 'timestamp'}}}", "{}", "it needs true"},
        {"{'$rename': {'a.0': 'b'}}", "{'a': [1]}", "in arrays cannot be renamed"},
        {"{'$set': {'_id': 2}}", "{'_id': 1}", "_id cannot be changed"},
        {"{'$unset': {'_id': ''}}", "{'_id': 1}", "_id cannot be changed"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        rsi_json *result;
        int status = apply(&result, refused[i].update, refused[i].document, &plain);
        assert_says(status, RAGSTORE_E_QUERY, refused[i].update, refused[i].message);
    }
    rsi_json *result;
    assert_int_equal(apply(&result, "{'$set': {'a.1500001': 1}}", "{'a': []}", &plain),
                     RAGSTORE_E_TOO_LARGE);
}

static void query_update__refuses_to_nest_too_deep(void **state)
{
    rsi_bytes path = {0};
    rsi_json *result;
    (void)state;

    rsi_bytes_append_text(&path, "{'$set': {'a");
    for (int i = 0; i < RSI_JSON_DEPTH_STORED; i++)
        rsi_bytes_append_text(&path, ".a");
    rsi_bytes_append_text(&path, "': 1}}");
    assert_says(apply(&result, path.data, "{}", &plain), RAGSTORE_E_INVALID_DATA, "a long path",
                "nested deeper");
    rsi_bytes_free(&path);
}

static void query_update__seeds_an_upsert(void **state)
{
    static const struct {
        const char *query;
        const char *seed; /* NULL: refused */
    } examples[] = {
        {"{'a': 1, 'b.c': {'$eq': 'x'}, 'd': {'$gt': 1}}", "{'a': 1, 'b': {'c': 'x'}}"},
        {"{'$and': [{'a': 1}, {'b': {'$all': [2]}}], '$or': [{'c': 3}]}",
         "{'a': 1, 'b': 2, 'c': 3}"},
        {"{'$or': [{'a': 1}, {'b': 1}], 'c': {'$in': [1]}, 'd': {'$ne': 1}}", "{}"},
        {"{'a': 1, '$and': [{'a': 2}]}", NULL},
        {"{'a': 1, 'a.b': 2}", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        rsi_predicate *predicate;
        rsi_json *seed;
        const char *query = quoted(examples[i].query);
        assert_int_equal(rsi_predicate_compile_text(&predicate, query, strlen(query)), RAGSTORE_OK);
        int status = rsi_update_seed(&seed, predicate);
        if (examples[i].seed == NULL) {
            assert_int_equal(status, RAGSTORE_E_QUERY);
            assert_null(seed);
        } else {
            rsi_json *wanted = tree_of(examples[i].seed);
            assert_int_equal(status, RAGSTORE_OK);
            assert_true(rsi_json_identical(seed, wanted));
            rsi_json_free(wanted);
        }
        rsi_json_free(seed);
        rsi_predicate_free(predicate);
    }
}

static int compile_and_apply(void *user)
{
    const rsi_json *document = user;
    rsi_update *update;
    rsi_json *result = NULL;
    const char *json = quoted(
        "{'$set': {'x.y': 1}, '$push': {'a': {'$each': [3, 1], '$sort': {'q': 1}, '$slice': 2}}, "
        "'$pull': {'b': {'c': {'$in': [1]}}}, '$rename': {'d': 'e'}, '$inc': {'f': 1}}");

    int status = rsi_update_compile_text(&update, json, strlen(json));
    if (status == RAGSTORE_OK)
        status = rsi_update_apply(&result, NULL, update, document, &plain);
    rsi_json_free(result);
    rsi_update_free(update);
    return status;
}

static void query_update__survives_each_failing_allocation(void **state)
{
    rsi_json *document = tree_of("{'a': [2], 'b': [{'c': 1}], 'd': 1}");
    (void)state;
    fail_each_allocation(compile_and_apply, document);
    rsi_json_free(document);
}

static long jansson_left;
static long jansson_alive;

static void *jansson_malloc(size_t size)
{
    if (--jansson_left == 0)
        return NULL;
    jansson_alive++;
    return malloc(size);
}

static void jansson_free(void *block)
{
    if (block != NULL)
        jansson_alive--;
    free(block);
}

static void query_update__survives_each_failing_allocation_of_jansson(void **state)
{
    (void)state;
    json_set_alloc_funcs(jansson_malloc, jansson_free);
    jansson_left = 0;
    rsi_json *document = tree_of("{'a': [2], 'b': [{'c': 1}], 'd': 1, 'x': {'z': [1, 2]}}");
    rsi_json *witness = tree_of("{'a': [2], 'b': [{'c': 1}], 'd': 1, 'x': {'z': [1, 2]}}");
    long before = jansson_alive;
    for (long n = 1; n < 1000; n++) {
        jansson_left = n;
        int status = compile_and_apply(document);
        bool failed = jansson_left <= 0;
        jansson_left = 0;
        assert_int_equal(jansson_alive, before);
        assert_true(rsi_json_identical(document, witness));
        assert_int_equal(status, failed ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK);
        if (!failed)
            break;
    }
    rsi_json_free(document);
    rsi_json_free(witness);
    assert_int_equal(jansson_alive, 0);
    json_set_alloc_funcs(malloc, free);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(query_update__changes_fields),
        cmocka_unit_test(query_update__changes_arrays),
        cmocka_unit_test(query_update__refuses_with_the_place),
        cmocka_unit_test(query_update__refuses_to_nest_too_deep),
        cmocka_unit_test(query_update__seeds_an_upsert),
        cmocka_unit_test(query_update__survives_each_failing_allocation),
        cmocka_unit_test(query_update__survives_each_failing_allocation_of_jansson),
    };
    return cmocka_run_group_tests_name("query/update", tests, NULL, NULL);
}
