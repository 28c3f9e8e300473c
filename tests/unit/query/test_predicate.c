/* Queries: lib/query/predicate_*.c, field_path.c and regex.c. */
#include "query_fixture.h"

typedef struct example {
    const char *query;
    const char *matching;
    const char *other; /* NULL: none */
} example;

static bool ask(const char *query, const char *document)
{
    rsi_predicate *predicate;
    rsi_json *tree = tree_of(document);
    const char *json = quoted(query);
    const char *text = quoted(document);
    bool as_text, as_tree;

    if (rsi_predicate_compile_text(&predicate, json, strlen(json)) != RAGSTORE_OK)
        fail_msg("%s: %s", query, rsi_error_message());
    char *exact = malloc(strlen(text)); /* so that a sanitizer sees what is read behind it */
    assert_non_null(exact);
    memcpy(exact, text, strlen(text));
    assert_int_equal(rsi_predicate_match(&as_text, predicate, exact, strlen(text)), RAGSTORE_OK);
    assert_int_equal(rsi_predicate_match_value(&as_tree, predicate, tree), RAGSTORE_OK);
    if (as_text != as_tree)
        fail_msg("%s on %s: text says %d, tree %d", query, document, as_text, as_tree);
    free(exact);
    rsi_json_free(tree);
    rsi_predicate_free(predicate);
    return as_text;
}

static void check_examples(const example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!ask(examples[i].query, examples[i].matching))
            fail_msg("%s does not match %s", examples[i].query, examples[i].matching);
        if (examples[i].other != NULL && ask(examples[i].query, examples[i].other))
            fail_msg("%s matches %s", examples[i].query, examples[i].other);
    }
}

#define CHECK(examples) check_examples(examples, sizeof(examples) / sizeof *(examples))

static void query_predicate__compares_values(void **state)
{
    static const example examples[] = {
        {"{}", "{}", NULL},
        {"{'a': 1}", "{'a': 1.0}", "{'a': '1'}"},
        {"{'a': 'x'}", "{'b': 2, 'a': 'x'}", "{'a': 'xx'}"},
        {"{'a': null}", "{}", "{'a': 0}"},
        {"{'a': null}", "{'a': null}", "{'a': false}"},
        {"{'a': true}", "{'a': true}", "{'a': 1}"},
        {"{'a': {'b': 1, 'c': 2}}", "{'a': {'b': 1, 'c': 2}}", "{'a': {'c': 2, 'b': 1}}"},
        {"{'a': {}}", "{'a': {}}", "{'a': {'b': 1}}"},
        {"{'a': [1, 2]}", "{'a': [1, 2]}", "{'a': [2, 1]}"},
        {"{'a': [1, 2]}", "{'a': [[1, 2], 3]}", "{'a': [[[1, 2]]]}"},
        {"{'a': {'$ne': 1}}", "{'a': [2, 3]}", "{'a': [2, 1]}"},
        {"{'a': {'$ne': 1}}", "{}", "{'a': 1}"},
        {"{'a': {'$gt': 1}}", "{'a': 1.5}", "{'a': 1}"},
        {"{'a': {'$gt': 1}}", "{'a': [0, 2]}", "{'a': 'z'}"},
        {"{'a': {'$gte': 'b'}}", "{'a': 'b'}", "{'a': 'aa'}"},
        {"{'a': {'$lt': 2, '$gt': 1}}", "{'a': [0, 5]}", "{'a': 2}"},
        {"{'a': {'$lte': null}}", "{}", "{'a': -1}"},
        {"{'a': {'$gt': false}}", "{'a': true}", "{'a': 1}"},
        {"{'a': {'$gt': {'b': 1}}}", "{'a': {'b': 2}}", "{'a': {'b': 1}}"},
        {"{'a': {'$in': [1, 'x', null]}}", "{'a': 'x'}", "{'a': 'y'}"},
        {"{'a': {'$in': [1, 'x', null]}}", "{}", "{'a': [2]}"},
        {"{'a': {'$in': [[]]}}", "{'a': []}", "{'a': 1}"},
        {"{'a': {'$nin': [1, 2]}}", "{'a': 3}", "{'a': [3, 2]}"},
        {"{'a': 9007199254740993}", "{'a': 9007199254740993}", "{'a': 9007199254740992.0}"},
        {"{'a': {'$gt': 9007199254740992.0}}", "{'a': 9007199254740993}",
         "{'a': 9007199254740992}"},
        {"{'a': {'$lt': 9223372036854775808.0}}", "{'a': 9223372036854775807}", NULL},
        {"{'a': {'$gte': -9223372036854775808}}", "{'a': -9223372036854775808.0}", "{'a': -1e19}"},
    };
    (void)state;
    CHECK(examples);
}

static void query_predicate__knows_each_operator(void **state)
{
    static const example examples[] = {
        {"{'a': {'$exists': true}}", "{'a': null}", "{}"},
        {"{'a': {'$exists': 0}}", "{}", "{'a': null}"},
        {"{'a': {'$type': 'string'}}", "{'a': [1, 'x']}", "{'a': [1]}"},
        {"{'a': {'$type': 'array'}}", "{'a': []}", "{'a': {}}"},
        {"{'a': {'$type': ['int', 10]}}", "{'a': null}", "{'a': 1.5}"},
        {"{'a': {'$type': 'long'}}", "{'a': 2147483648}", "{'a': 2147483647}"},
        {"{'a': {'$type': 'number'}}", "{'a': 1.5}", "{'a': '1'}"},
        {"{'a': {'$size': 2}}", "{'a': [1, []]}", "{'a': [1]}"},
        {"{'a': {'$size': 0}}", "{'a': []}", "{'a': 0}"},
        {"{'a': {'$mod': [4, 1]}}", "{'a': 5.9}", "{'a': 6}"},
        {"{'a': {'$mod': [-1, 0]}}", "{'a': -9223372036854775808}", "{'a': '4'}"},
        {"{'a': {'$all': [1, 2]}}", "{'a': [2, 3, 1]}", "{'a': [1]}"},
        {"{'a': {'$all': [1]}}", "{'a': 1}", "{'a': 2}"},
        {"{'a': {'$not': {'$all': []}}}", "{'a': []}", NULL},
        {"{'a': {'$all': [{'$elemMatch': {'b': 1}}, {'$elemMatch': {'b': 2}}]}}",
         "{'a': [{'b': 2}, {'b': 1}]}", "{'a': [{'b': 1}]}"},
        {"{'a': {'$elemMatch': {'$gt': 1, '$lt': 4}}}", "{'a': [0, 3]}", "{'a': [0, 5]}"},
        {"{'a': {'$elemMatch': {'b': 1, 'c': 2}}}", "{'a': [{'b': 1, 'c': 2}]}",
         "{'a': [{'b': 1}, {'c': 2}]}"},
        {"{'a': {'$elemMatch': {'$or': [{'b': 1}, {'c': 1}]}}}", "{'a': [{'c': 1}]}",
         "{'a': [{'d': 1}]}"},
        {"{'a': {'$not': {'$gt': 1}}}", "{}", "{'a': 2}"},
        {"{'a': {'$not': {'$regex': '^x'}}}", "{'a': 'yx'}", "{'a': 'xy'}"},
        {"{'$and': [{'a': 1}, {'b': 2}]}", "{'a': 1, 'b': 2}", "{'a': 1}"},
        {"{'$or': [{'a': 1}, {'b': 2}]}", "{'b': 2}", "{'a': 2}"},
        {"{'$nor': [{'a': 1}, {'b': 2}]}", "{'a': 2}", "{'b': 2}"},
        {"{'a': {'$regex': 'b.d', '$options': 'is'}}", "{'a': 'aB\\nD'}", "{'a': 'bd'}"},
        {"{'a': {'$regex': '^\\u00e4$'}}", "{'a': ['x', '\\u00E4']}", "{'a': 'a'}"},
    };
    (void)state;
    CHECK(examples);
}

static void query_predicate__follows_paths_into_arrays(void **state)
{
    static const example examples[] = {
        {"{'a.b': 1}", "{'a': {'b': 1}}", "{'a.b': 1}"},
        {"{'a.b': 1}", "{'a': [{'b': 2}, {'b': 1}]}", "{'a': [[{'b': 1}]]}"},
        {"{'a.b': 3}", "{'a': [{'b': [2, 3]}]}", "{'a': [{'b': [[3]]}]}"},
        {"{'a.1': 2}", "{'a': [1, 2]}", "{'a': [2, 1]}"},
        {"{'a.1': 2}", "{'a': {'1': 2}}", "{'a': 2}"},
        {"{'a.0.b': 1}", "{'a': [{'b': 1}]}", "{'a': [{}, {'b': 1}]}"},
        {"{'a.0': 5}", "{'a': [{'0': 5}]}", "{'a': [4, 5]}"},
        {"{'a.b': null}", "{'a': [{'b': 1}, {}]}", "{'a': [1, 2]}"},
        {"{'a.b': null}", "{'a': 'text'}", "{'a': []}"},
        {"{'a.b': {'$exists': false}}", "{'a': [1, 2]}", "{'a': [{}, {'b': null}]}"},
        {"{'a..b': 1}", "{'a': {'': {'b': 1}}}", "{'a': {'b': 1}}"},
        {"{'': 1}", "{'': 1}", "{'a': 1}"},
    };
    (void)state;
    CHECK(examples);
}

static void query_predicate__reads_escapes_and_awkward_text(void **state)
{
    static const example examples[] = {
        {"{'a': 'q\\\\ \\u0022'}", "{'a': 'q\\u005c \\\"'}", "{'a': 'q\\\\ x'}"},
        {"{'\\u0061': 1}", "{'a': 1}", NULL},
        {"{'a': 1}", "{'\\u0061': 1}", "{'\\u0062': 1}"},
        {"{'a': '\\ud83d\\ude00'}", "{'a': '\xF0\x9F\x98\x80'}", "{'a': '\\ud83d\\ude01'}"},
        {"{'a\\\"b': 1}", "{'x': 'a\\\"b', 'a\\\"b': 1}", "{'a\\\\b': 1}"},
        {"{'z': 1}", " { 'a' : [ '}' , '\\\"]' , { } ] , 'z' : 1 } ", "{'a': {'z': 1}}"},
        {"{'z': 1}",
         "{'a': ['0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\\\\', '{['], "
         "'z': 1}",
         NULL},
        {"{'a': {'$in': ['x', '\\n']}}", "{'a': '\\u000a'}", "{'a': 'n'}"},
    };
    (void)state;
    CHECK(examples);
}

static void query_predicate__refuses_with_the_place(void **state)
{
    static const struct {
        const char *query;
        const char *message;
    } refused[] = {
        {"[]", "a query must be an object"},
        {"{'$where': 'x'}", "at $where: no operator"},
        {"{'$or': [{'a': {'$gx': 1}}]}", "at $or[0].a.$gx: no operator"},
        {"{'$or': []}", "at $or: it needs an array of queries"},
        {"{'$and': [1]}", "at $and[0]: a query must be an object"},
        {"{'a': {'$gt': 1, 'b': 2}}", "at a.b: operators and members are mixed"},
        {"{'a': {'b': 2, '$gt': 1}}", "at a.$gt: operators and members are mixed"},
        {"{'a': {'$in': 1}}", "at a.$in: it needs an array"},
        {"{'a': {'$in': [{'$regex': 'x'}]}}", "at a.$in[0]: values stand here"},
        {"{'a': {'$exists': 'yes'}}", "at a.$exists: it needs true or false"},
        {"{'a': {'$type': 'text'}}", "at a.$type: it needs the name"},
        {"{'a': {'$type': []}}", "at a.$type: it needs at least one"},
        {"{'a': {'$type': [2, 99]}}", "at a.$type[1]: it needs the name"},
        {"{'a': {'$size': -1}}", "at a.$size: it needs a whole number"},
        {"{'a': {'$size': 1.5}}", "at a.$size: it needs a whole number"},
        {"{'a': {'$mod': [0, 1]}}", "at a.$mod: the divisor"},
        {"{'a': {'$mod': [2]}}", "at a.$mod: it needs an array of two"},
        {"{'a': {'$all': 1}}", "at a.$all: it needs an array"},
        {"{'a': {'$all': [{'$gt': 1}]}}", "at a.$all[0]: only values and $elemMatch"},
        {"{'a': {'$elemMatch': 1}}", "at a.$elemMatch: it needs an object"},
        {"{'a': {'$not': 1}}", "at a.$not: it needs an object of operators"},
        {"{'a': {'$not': {}}}", "at a.$not: it needs an object of operators"},
        {"{'a': {'$regex': 1}}", "at a.$regex: it needs a text"},
        {"{'a': {'$regex': '('}}", "at a.$regex: at offset 1"},
        {"{'a': {'$regex': 'a', '$options': 'q'}}", "at a.$regex: the options"},
        {"{'a': {'$regex': '\\\\C'}}", "at a.$regex"},
        {"{'a': {'$options': 'i'}}", "at a.$options: it belongs to a $regex"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        rsi_predicate *predicate;
        const char *json = quoted(refused[i].query);
        int status = rsi_predicate_compile_text(&predicate, json, strlen(json));
        assert_null(predicate);
        assert_says(status, RAGSTORE_E_QUERY, refused[i].query, refused[i].message);
    }
}

static void query_predicate__refuses_text_that_is_no_json(void **state)
{
    static const char *const queries[] = {
        "", "{", "{'a': '\\u0000'}", "{'a': '\\ud800'}", "{'a': 1, 'a': 2}", "{'a': 1e999}"};
    (void)state;
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        rsi_predicate *predicate;
        const char *json = quoted(queries[i]);
        assert_int_equal(rsi_predicate_compile_text(&predicate, json, strlen(json)),
                         RAGSTORE_E_INVALID_DATA);
        assert_null(predicate);
    }
}

/* {"$and": [{"$and": [ … ]}]} as a tree, which no limit of the parser has seen. */
static void query_predicate__limits_depth_and_length(void **state)
{
    rsi_bytes text = {0};
    rsi_json *tree;
    rsi_predicate *predicate;
    (void)state;

    for (int i = 0; i < 20; i++)
        rsi_bytes_append_text(&text, "{\"$and\":[");
    rsi_bytes_append_text(&text, "{}");
    for (int i = 0; i < 20; i++)
        rsi_bytes_append_text(&text, "]}");
    assert_int_equal(rsi_json_parse(&tree, text.data, text.size, RSI_JSON_DEPTH_STORED),
                     RAGSTORE_OK);
    assert_says(rsi_predicate_compile(&predicate, tree), RAGSTORE_E_QUERY, "20 levels",
                "nested deeper");
    rsi_json_free(tree);

    rsi_bytes_clear(&text);
    rsi_bytes_append_text(&text, "{\"a");
    for (int i = 0; i < RSI_QUERY_DEPTH * 4; i++)
        rsi_bytes_append_text(&text, ".a");
    rsi_bytes_append_text(&text, "\":1}");
    assert_says(rsi_predicate_compile_text(&predicate, text.data, text.size), RAGSTORE_E_QUERY,
                "a long path", "more than 100 names");
    rsi_bytes_free(&text);
}

static void query_predicate__stops_a_pattern_that_would_hang(void **state)
{
    rsi_predicate *predicate;
    const char *query = quoted("{'a': {'$regex': '^(a+)+(b+)+$'}}");
    rsi_bytes text = {0};
    bool matched;
    (void)state;

    assert_int_equal(rsi_predicate_compile_text(&predicate, query, strlen(query)), RAGSTORE_OK);
    rsi_bytes_append_text(&text, "{\"a\":\"");
    for (int i = 0; i < 200; i++)
        rsi_bytes_append_char(&text, 'a');
    rsi_bytes_append_text(&text, "bc\"}");
    int status = rsi_predicate_match(&matched, predicate, text.data, text.size);
    assert_says(status, RAGSTORE_E_QUERY, "nested repeats", "limit");
    assert_false(matched);
    rsi_bytes_free(&text);
    rsi_predicate_free(predicate);
}

/* Any text is safe to look at; what was cut off is noticed or does not matter. */
static void query_predicate__survives_malformed_text(void **state)
{
    const char *whole = quoted("{'a':[1,{'b':'x\\n','c':-1.5e3}],'d':{'e':true,'f':null},'z':12}");
    const char *query = quoted("{'z': 12, 'a.b': 'x\\n', 'd.e': true, 'd': {'$ne': {'q': 1}}}");
    rsi_predicate *predicate;
    bool matched;
    (void)state;

    assert_int_equal(rsi_predicate_compile_text(&predicate, query, strlen(query)), RAGSTORE_OK);
    assert_int_equal(rsi_predicate_match(&matched, predicate, whole, strlen(whole)), RAGSTORE_OK);
    assert_true(matched);
    for (size_t size = 0; size < strlen(whole); size++) {
        char *cut = malloc(size + 1);
        assert_non_null(cut);
        memcpy(cut, whole, size);
        rsi_predicate_match(&matched, predicate, cut, size);
        for (size_t i = 0; i < size; i++) { /* and each byte changed */
            static const char bad[] = {'"', '\\', '{', ']', ',', 'u'};
            cut[i] = bad[(i + size) % sizeof bad];
            rsi_predicate_match(&matched, predicate, cut, size);
            cut[i] = whole[i];
        }
        free(cut);
    }
    rsi_predicate_free(predicate);
}

static int compile_and_match(void *user)
{
    const char *query = quoted("{'a': {'$in': [1, 'x'], '$regex': '^x'}, '$or': [{'b.c': 1}, "
                               "{'a': {'$all': ['xyz', {'$elemMatch': {'$gt': 'a'}}]}}, "
                               "{'a': {'$not': {'$size': 2}}}, {'d': {'$elemMatch': {'e': 1}}}]}");
    const char *document = quoted("{'a': ['x', '\\u0078'], 'b': {'c': 1}}");
    rsi_predicate *predicate;
    bool matched;
    (void)user;

    int status = rsi_predicate_compile_text(&predicate, query, strlen(query));
    if (status == RAGSTORE_OK)
        status = rsi_predicate_match(&matched, predicate, document, strlen(document));
    rsi_predicate_free(predicate);
    return status;
}

static void query_predicate__survives_each_failing_allocation(void **state)
{
    (void)state;
    fail_each_allocation(compile_and_match, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(query_predicate__compares_values),
        cmocka_unit_test(query_predicate__knows_each_operator),
        cmocka_unit_test(query_predicate__follows_paths_into_arrays),
        cmocka_unit_test(query_predicate__reads_escapes_and_awkward_text),
        cmocka_unit_test(query_predicate__refuses_with_the_place),
        cmocka_unit_test(query_predicate__refuses_text_that_is_no_json),
        cmocka_unit_test(query_predicate__limits_depth_and_length),
        cmocka_unit_test(query_predicate__stops_a_pattern_that_would_hang),
        cmocka_unit_test(query_predicate__survives_malformed_text),
        cmocka_unit_test(query_predicate__survives_each_failing_allocation),
    };
    return cmocka_run_group_tests_name("query/predicate", tests, NULL, NULL);
}
