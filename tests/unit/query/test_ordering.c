/* Order and keys of values, sorting, and what indexes use: value_order.c, ordering.c,
 * predicate_index.c. */
#include "query_fixture.h"

#include "query/ordering.h"
#include "query/value_order.h"

#include <stdio.h>

/* Ascending; a row holds equal values. */
static const char *const ordered[][3] = {
    {"null"},
    {"-1e300"},
    {"-9223372036854775808", "-9223372036854775808.0"},
    {"-9223372036854775807"},
    {"-2.5"},
    {"-1", "-1.0"},
    {"-5e-324"},
    {"0", "0.0", "-0.0"},
    {"5e-324"},
    {"1", "1.0"},
    {"1.5"},
    {"9007199254740992", "9007199254740992.0"},
    {"9007199254740993"},
    {"9007199254740994", "9007199254740994.0"},
    {"9223372036854774784", "9223372036854774784.0"},
    {"9223372036854775806"},
    {"9223372036854775807"},
    {"9223372036854775808.0"},
    {"1e300"},
    {"''"},
    {"'a'", "'\\u0061'"},
    {"'a\\u0001'"},
    {"'ab'"},
    {"'b'"},
    {"'\\u00e4'"},
    {"'\\ud83d\\ude00'"},
    {"{}"},
    {"{'b': null}"},
    {"{'a': 1}", "{'\\u0061': 1.0}"},
    {"{'a': 1, 'b': 1}"},
    {"{'a': 2}"},
    {"{'b': 0}"},
    {"{'a': 'x'}"},
    {"[]"},
    {"[null]"},
    {"[1]", "[1.0]"},
    {"[1, 1]"},
    {"[2]"},
    {"['x']"},
    {"[[]]"},
    {"false"},
    {"true"},
};

static void view_of(rsi_json_view *view, const char *text)
{
    const char *json = quoted(text);
    if (rsi_json_view_of_text(view, json, strlen(json)) != RAGSTORE_OK)
        fail_msg("%s", text);
}

static int sign(int number)
{
    return (number > 0) - (number < 0);
}

static void check_pair(const char *left, const char *right, int wanted)
{
    rsi_json_view a, b, c;
    rsi_bytes x = {0}, y = {0};
    rsi_json *tree = tree_of(right);

    view_of(&a, left);
    view_of(&b, right);
    c = rsi_json_view_of(tree);
    if (sign(rsi_value_compare(&a, &b)) != wanted || sign(rsi_value_compare(&b, &a)) != -wanted ||
        sign(rsi_value_compare(&a, &c)) != wanted)
        fail_msg("%s and %s are not in order", left, right);
    assert_int_equal(rsi_value_append_key(&x, &a), RAGSTORE_OK);
    assert_int_equal(rsi_value_append_key(&y, &b), RAGSTORE_OK);
    size_t shorter = x.size < y.size ? x.size : y.size;
    int order = memcmp(x.data, y.data, shorter); /* no key is the beginning of another one */
    if (sign(order) != wanted || (wanted == 0 && x.size != y.size))
        fail_msg("the keys of %s and %s are not in order", left, right);
    rsi_bytes_free(&x);
    rsi_bytes_free(&y);
    rsi_json_free(tree);
}

static void query_value_order__orders_values_and_their_keys_alike(void **state)
{
    size_t count = sizeof ordered / sizeof *ordered;
    (void)state;
    for (size_t i = 0; i < count; i++)
        for (size_t j = i; j < count; j++)
            for (size_t k = 0; k < 3 && ordered[i][k] != NULL; k++)
                for (size_t l = 0; l < 3 && ordered[j][l] != NULL; l++)
                    check_pair(ordered[i][k], ordered[j][l], i == j ? 0 : -1);
}

static void check_sorted(const char *sort, size_t limit, const char *const *documents, size_t count,
                         const char *wanted)
{
    rsi_ordering *ordering;
    rsi_sorter *sorter;
    rsi_slice text;
    char got[256] = "";
    const char *json = quoted(sort);

    assert_int_equal(rsi_ordering_compile_text(&ordering, json, strlen(json)), RAGSTORE_OK);
    assert_int_equal(rsi_sorter_new(&sorter, ordering, limit, 0), RAGSTORE_OK);
    for (size_t i = 0; i < count; i++) {
        const char *document = quoted(documents[i]);
        assert_int_equal(rsi_sorter_add(sorter, document, strlen(document)), RAGSTORE_OK);
    }
    while (rsi_sorter_next(sorter, &text))
        strncat(got, text.data + 6, 1); /* the digit of {"i": … */
    if (strcmp(got, wanted) != 0)
        fail_msg("%s gives %s, not %s", sort, got, wanted);
    rsi_sorter_free(sorter);
    rsi_ordering_free(ordering);
}

static void query_ordering__sorts_by_several_fields_and_is_stable(void **state)
{
    static const char *const documents[] = {
        "{'i': 1, 'a': 2, 'b': 'x'}", "{'i': 2, 'a': 1, 'b': 'y'}",   "{'i': 3, 'a': 2, 'b': 'y'}",
        "{'i': 4, 'a': 1, 'b': 'y'}", "{'i': 5, 'b': 'x'}",           "{'i': 6, 'a': [3, 0]}",
        "{'i': 7, 'a': [], 'b': 0}",  "{'i': 8, 'a': {'c': [5, 1]}}",
    };
    (void)state;
    check_sorted("{'a': 1, 'b': -1}", 0, documents, 8, "75624318");
    check_sorted("{'a': -1}", 0, documents, 8, "86132457");
    check_sorted("{'b': 1}", 0, documents, 8, "68715234");
    check_sorted("{'a': -1}", 1, documents, 8, "8");
    check_sorted("{'a': -1}", 3, documents, 8, "861");
    check_sorted("{'a.c': 1, 'i': -1}", 3, documents, 8, "765");
}

static void query_ordering__refuses_with_the_place(void **state)
{
    static const char *const refused[][2] = {
        {"[]", "sort: an order must be an object"}, {"{}", "sort: an order must be an object"},
        {"{'a': 2}", "sort: at a: the direction"},  {"{'a': '1'}", "sort: at a: the direction"},
        {"{'$a': 1}", "sort: at $a: a field must"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        rsi_ordering *ordering;
        const char *json = quoted(refused[i][0]);
        assert_says(rsi_ordering_compile_text(&ordering, json, strlen(json)), RAGSTORE_E_QUERY,
                    refused[i][0], refused[i][1]);
        assert_null(ordering);
    }
}

static int sort_two(void *user)
{
    static const char sort[] = "{\"a\":-1,\"b.c\":1}";
    static const char *const documents[] = {"{\"a\":[\"\\n\",2]}", "{\"b\":{\"c\":{\"d\":[1]}}}"};
    rsi_ordering *ordering;
    rsi_sorter *sorter = NULL;
    (void)user;

    int status = rsi_ordering_compile_text(&ordering, sort, strlen(sort));
    if (status == RAGSTORE_OK)
        status = rsi_sorter_new(&sorter, ordering, 1, 0);
    for (size_t i = 0; status == RAGSTORE_OK && i < 6; i++)
        status = rsi_sorter_add(sorter, documents[i % 2], strlen(documents[i % 2]));
    rsi_sorter_free(sorter);
    rsi_ordering_free(ordering);
    return status;
}

static void query_ordering__survives_each_failing_allocation(void **state)
{
    (void)state;
    fail_each_allocation(sort_two, NULL);
}

/* ---- what indexes use ---- */

static void append_key_of(rsi_bytes *key, const char *value)
{
    rsi_json_view view;
    view_of(&view, value);
    assert_int_equal(rsi_value_append_key(key, &view), RAGSTORE_OK);
}

static bool same_bytes(const rsi_bytes *a, const char *value)
{
    rsi_bytes key = {0};
    append_key_of(&key, value);
    bool same = a->size == key.size && memcmp(a->data, key.data, key.size) == 0;
    rsi_bytes_free(&key);
    return same;
}

static rsi_constraint constraint_of(const char *query, bool several)
{
    rsi_predicate *predicate;
    rsi_constraint constraint;
    const char *json = quoted(query);

    assert_int_equal(rsi_predicate_compile_text(&predicate, json, strlen(json)), RAGSTORE_OK);
    assert_int_equal(rsi_predicate_constraint(&constraint, predicate, "a.b", 3, several),
                     RAGSTORE_OK);
    rsi_predicate_free(predicate);
    return constraint;
}

static void query_index__finds_keys_and_ranges(void **state)
{
    (void)state;
    rsi_constraint c = constraint_of("{'$and': [{'a.b': {'$in': [3, 1, 1.0]}}, {'c': 1}]}", true);
    assert_int_equal(c.kind, RSI_CONSTRAINT_KEYS);
    assert_int_equal(c.key_count, 2);
    assert_true(same_bytes(&c.keys[0], "1") && same_bytes(&c.keys[1], "3"));
    rsi_constraint_free(&c);

    c = constraint_of("{'a.b': {'$gt': 1, '$lte': 5}}", false);
    assert_int_equal(c.kind, RSI_CONSTRAINT_RANGE);
    assert_true(same_bytes(&c.lower, "1") && !c.lower_included);
    assert_true(same_bytes(&c.upper, "5") && c.upper_included);
    rsi_constraint_free(&c);

    c = constraint_of("{'a.b': {'$gt': 1, '$lte': 5}}", true); /* one end only */
    assert_true(same_bytes(&c.lower, "1"));
    assert_int_equal(c.upper.size, 1);
    assert_int_equal((unsigned char)c.upper.data[0], RSI_VALUE_TAG_NUMBER + 1);
    rsi_constraint_free(&c);

    c = constraint_of("{'a.b': {'$all': []}}", true);
    assert_int_equal(c.kind, RSI_CONSTRAINT_KEYS);
    assert_int_equal(c.key_count, 0);
    rsi_constraint_free(&c);

    static const char *const none[] = {"{}",
                                       "{'a': 1}",
                                       "{'a.b': {'$ne': 1}}",
                                       "{'a.b': {'$not': {'$gt': 1}}}",
                                       "{'$or': [{'a.b': 1}, {'c': 1}]}",
                                       "{'a.b': {'$exists': true}}"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        c = constraint_of(none[i], true);
        assert_int_equal(c.kind, RSI_CONSTRAINT_NONE);
    }
}

typedef struct wanted_key {
    rsi_constraint *constraint;
    bool found;
} wanted_key;

static int compare_bytes(const char *key, size_t size, const rsi_bytes *other)
{
    int order = memcmp(key, other->data, size < other->size ? size : other->size);
    return order != 0 ? order : (size > other->size) - (size < other->size);
}

static int look_for_key(void *user, const char *key, size_t size)
{
    wanted_key *wanted = user;
    const rsi_constraint *c = wanted->constraint;

    for (size_t i = 0; i < c->key_count; i++)
        wanted->found = wanted->found || compare_bytes(key, size, &c->keys[i]) == 0;
    if (c->kind == RSI_CONSTRAINT_RANGE) {
        int from = compare_bytes(key, size, &c->lower);
        int to = compare_bytes(key, size, &c->upper);
        wanted->found = wanted->found || ((from > 0 || (from == 0 && c->lower_included)) &&
                                          (to < 0 || (to == 0 && c->upper_included)));
    }
    return RAGSTORE_OK;
}

/* Whatever matches must have a key that the constraint asks for. */
static void query_index__misses_no_document(void **state)
{
    static const char *const conditions[] = {"1",
                                             "null",
                                             "'x'",
                                             "[1, 2]",
                                             "{}",
                                             "{'$gt': 1}",
                                             "{'$gte': null}",
                                             "{'$lt': 'x'}",
                                             "{'$gt': 0, '$lt': 2}",
                                             "{'$in': [null, [], 2]}",
                                             "{'$all': [1, 2]}",
                                             "{'$lte': [1]}",
                                             "{'$gte': false}",
                                             "{'$gt': {'a': 0}}",
                                             "{'$gte': 1, '$lt': 'x'}"};
    static const char *const values[] = {
        "1",      "1.0",    "2",           "0.5", "null",     "'x'",  "'a'",    "[]",
        "[1, 2]", "[0, 5]", "[[1, 2], 7]", "{}",  "{'a': 1}", "true", "[null]", "['w', 3]"};
    static const char *const shapes[] = {"{'a': {'b': %s}}", "{'a': [{'b': %s}, {'b': 1}]}",
                                         "{'a': [{'b': %s}, {}]}", "{'c': %s}", "{'a': [%s]}"};
    size_t matches = 0;
    (void)state;

    for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++) {
        for (size_t j = 0; j < sizeof values / sizeof *values * 5; j++) {
            char query[256], document[256];
            rsi_predicate *predicate;
            bool matched;
            const char *shape = shapes[j % 5];
            const char *hole = strstr(shape, "%s");
            snprintf(query, sizeof query, "{'a.b': %s}", conditions[i]);
            snprintf(document, sizeof document, "%.*s%s%s", (int)(hole - shape), shape,
                     values[j / 5], hole + 2);
            const char *json = quoted(query);
            const char *text = quoted(document);
            rsi_json_view view;
            view_of(&view, text);
            assert_int_equal(rsi_predicate_compile_text(&predicate, json, strlen(json)),
                             RAGSTORE_OK);
            assert_int_equal(rsi_predicate_match_view(&matched, predicate, &view), RAGSTORE_OK);
            rsi_predicate_free(predicate);
            if (!matched)
                continue;
            matches++;
            rsi_constraint c = constraint_of(query, true);
            wanted_key wanted = {&c, false};
            assert_int_equal(rsi_field_keys("a.b", 3, &view, look_for_key, &wanted), RAGSTORE_OK);
            if (!wanted.found)
                fail_msg("the index misses %s for %s", document, query);
            rsi_constraint_free(&c);
        }
    }
    assert_true(matches > 150);
}

static int take_constraint(void *user)
{
    static const char query[] = "{\"a\":{\"$in\":[\"x\",2,[3]]},\"b\":{\"$gt\":\"y\"}}";
    rsi_predicate *predicate;
    rsi_constraint constraint = {.kind = RSI_CONSTRAINT_NONE};
    (void)user;

    int status = rsi_predicate_compile_text(&predicate, query, strlen(query));
    for (int i = 0; status == RAGSTORE_OK && i < 2; i++) {
        status = rsi_predicate_constraint(&constraint, predicate, i == 0 ? "a" : "b", 1, true);
        rsi_constraint_free(&constraint);
    }
    rsi_predicate_free(predicate);
    return status;
}

static void query_index__survives_each_failing_allocation(void **state)
{
    (void)state;
    fail_each_allocation(take_constraint, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(query_value_order__orders_values_and_their_keys_alike),
        cmocka_unit_test(query_ordering__sorts_by_several_fields_and_is_stable),
        cmocka_unit_test(query_ordering__refuses_with_the_place),
        cmocka_unit_test(query_ordering__survives_each_failing_allocation),
        cmocka_unit_test(query_index__finds_keys_and_ranges),
        cmocka_unit_test(query_index__misses_no_document),
        cmocka_unit_test(query_index__survives_each_failing_allocation),
    };
    return cmocka_run_group_tests_name("query/ordering", tests, NULL, NULL);
}
