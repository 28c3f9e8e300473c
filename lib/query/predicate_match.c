/* Asking a compiled predicate about a document: see predicate_internal.h. */
#include "base/status.h"
#include "query/predicate_internal.h"
#include "query/value_order.h"

/* ---- one value ---- */

static bool is_in(const rsi_test *test, const rsi_json_view *value)
{
    size_t low = 0;
    size_t high = test->value_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = rsi_value_compare(&test->values[middle], value);
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static bool is_of_type(const rsi_test *test, const rsi_json_view *value)
{
    static const unsigned char numbers[] = {
        [RSI_JSON_MISSING] = 0, [RSI_JSON_NULL] = 10,  [RSI_JSON_INTEGER] = 16, [RSI_JSON_REAL] = 1,
        [RSI_JSON_TEXT] = 2,    [RSI_JSON_OBJECT] = 3, [RSI_JSON_ARRAY] = 4,    [RSI_JSON_BOOL] = 8,
    };
    unsigned number = numbers[value->kind];

    if (number == 16 && (value->integer < INT32_MIN || value->integer > INT32_MAX))
        number = 18;
    return number != 0 && (test->types >> number & 1) != 0;
}

static bool has_remainder(const rsi_test *test, const rsi_json_view *value)
{
    int64_t number;

    if (value->kind == RSI_JSON_INTEGER)
        number = value->integer;
    else if (value->kind == RSI_JSON_REAL && value->real >= -9223372036854775808.0 &&
             value->real < 9223372036854775808.0)
        number = (int64_t)value->real;
    else
        return false;
    if (test->number == -1) /* INT64_MIN % -1 overflows */
        return test->remainder == 0;
    return number % test->number == test->remainder;
}

static int has_size(bool *holds, const rsi_test *test, const rsi_json_view *value)
{
    rsi_json_cursor cursor = rsi_json_walk(value);
    rsi_json_view element;
    int64_t count = 0;
    int found = 0;

    *holds = false;
    if (value->kind != RSI_JSON_ARRAY)
        return RAGSTORE_OK;
    while (count <= test->number && (found = rsi_json_next(&cursor, &element)) > 0)
        count++;
    *holds = count == test->number;
    return found < 0 ? found : RAGSTORE_OK;
}

static int has_element(bool *holds, const rsi_test *test, const rsi_json_view *value)
{
    rsi_json_cursor cursor = rsi_json_walk(value);
    rsi_json_view element;
    int status = RAGSTORE_OK;
    int found = 0;

    *holds = false;
    if (value->kind != RSI_JSON_ARRAY)
        return RAGSTORE_OK;
    while (status == RAGSTORE_OK && !*holds && (found = rsi_json_next(&cursor, &element)) > 0) {
        if (test->kind == RSI_TEST_ELEMENT_VALUE)
            status = rsi_tests_ask_one(holds, test->tests, test->test_count, &element);
        else if (element.kind == RSI_JSON_OBJECT)
            status = rsi_node_ask(holds, test->document, &element);
    }
    return found < 0 ? found : status;
}

/* Without the negation. */
static int ask_one(bool *holds, const rsi_test *test, const rsi_json_view *value)
{
    *holds = false;
    switch (test->kind) {
    case RSI_TEST_EQUAL:
        *holds = rsi_value_compare(value, &test->operand) == 0;
        break;
    case RSI_TEST_GREATER:
        *holds = rsi_value_same_kind(value, &test->operand) &&
                 rsi_value_compare(value, &test->operand) > 0;
        break;
    case RSI_TEST_GREATER_OR_EQUAL:
        *holds = rsi_value_same_kind(value, &test->operand) &&
                 rsi_value_compare(value, &test->operand) >= 0;
        break;
    case RSI_TEST_LESS:
        *holds = rsi_value_same_kind(value, &test->operand) &&
                 rsi_value_compare(value, &test->operand) < 0;
        break;
    case RSI_TEST_LESS_OR_EQUAL:
        *holds = rsi_value_same_kind(value, &test->operand) &&
                 rsi_value_compare(value, &test->operand) <= 0;
        break;
    case RSI_TEST_IN:
        *holds = is_in(test, value);
        break;
    case RSI_TEST_EXISTS:
        *holds = value->kind != RSI_JSON_MISSING;
        break;
    case RSI_TEST_TYPE:
        *holds = is_of_type(test, value);
        break;
    case RSI_TEST_MODULO:
        *holds = has_remainder(test, value);
        break;
    case RSI_TEST_REGEX:
        return value->kind == RSI_JSON_TEXT ? rsi_regex_matches(holds, test->regex, value)
                                            : RAGSTORE_OK;
    case RSI_TEST_SIZE:
        return has_size(holds, test, value);
    case RSI_TEST_ELEMENT_DOCUMENT:
    case RSI_TEST_ELEMENT_VALUE:
        return has_element(holds, test, value);
    case RSI_TEST_GROUP:
        return rsi_tests_ask_one(holds, test->tests, test->test_count, value);
    case RSI_TEST_NEVER:
        break;
    }
    return RAGSTORE_OK;
}

int rsi_tests_ask_one(bool *holds, const rsi_test *tests, size_t count, const rsi_json_view *value)
{
    *holds = true;
    for (size_t i = 0; *holds && i < count; i++) {
        int status = ask_one(holds, &tests[i], value);
        if (status != RAGSTORE_OK) {
            *holds = false;
            return status;
        }
        *holds = *holds != tests[i].negated;
    }
    return RAGSTORE_OK;
}

/* ---- the values that a path leads to ---- */

typedef struct question {
    const rsi_test *test;
    int status;
    bool holds;
} question;

static bool ask_visited(void *user, const rsi_json_view *value)
{
    question *asked = user;
    asked->status = ask_one(&asked->holds, asked->test, value);
    return asked->status == RAGSTORE_OK && !asked->holds;
}

static int ask_path(bool *holds, const rsi_test *test, const rsi_field_path *path,
                    const rsi_field_start *start);

static int ask_group(bool *holds, const rsi_test *tests, size_t count, const rsi_field_path *path,
                     const rsi_field_start *start)
{
    int status = RAGSTORE_OK;

    *holds = true;
    for (size_t i = 0; status == RAGSTORE_OK && *holds && i < count; i++) {
        status = ask_path(holds, &tests[i], path, start);
        *holds = *holds != tests[i].negated;
    }
    *holds = *holds && status == RAGSTORE_OK;
    return status;
}

/* Does it hold for one of the values? Without the negation. */
static int ask_path(bool *holds, const rsi_test *test, const rsi_field_path *path,
                    const rsi_field_start *start)
{
    question asked = {test, RAGSTORE_OK, false};
    bool whole = test->kind >= RSI_TEST_SIZE && test->kind <= RSI_TEST_ELEMENT_VALUE;

    if (test->kind == RSI_TEST_GROUP)
        return ask_group(holds, test->tests, test->test_count, path, start);
    if (start->value.kind != RSI_JSON_ARRAY && start->part == path->count)
        return ask_one(holds, test, &start->value); /* most fields */
    int status = rsi_field_path_each_from(path, start, whole ? RSI_FIELD_WHOLE : RSI_FIELD_ELEMENTS,
                                          ask_visited, &asked);
    *holds = asked.holds;
    return status < 0 ? status : asked.status;
}

int rsi_tests_ask_field(bool *holds, const rsi_test *tests, size_t count,
                        const rsi_json_view *value)
{
    const rsi_field_path nowhere = {0};
    rsi_field_start start = {*value, 0};
    return ask_group(holds, tests, count, &nowhere, &start);
}

/* ---- documents ---- */

static int ask_field(bool *holds, const rsi_node *node, const rsi_json_view *document)
{
    rsi_field_start start;

    *holds = false;
    int status = rsi_field_path_start(&start, &node->path, document);
    if (status < 0)
        return status;
    return ask_group(holds, node->tests, node->test_count, &node->path, &start);
}

int rsi_node_ask(bool *holds, const rsi_node *node, const rsi_json_view *document)
{
    bool wanted = node->kind == RSI_NODE_AND; /* go on while the children say so */
    bool answer = wanted;

    if (node->kind == RSI_NODE_FIELD)
        return ask_field(holds, node, document);
    *holds = false;
    for (size_t i = 0; answer == wanted && i < node->child_count; i++) {
        int status = rsi_node_ask(&answer, &node->children[i], document);
        if (status != RAGSTORE_OK)
            return status;
    }
    *holds = node->kind == RSI_NODE_NOR ? !answer : answer;
    return RAGSTORE_OK;
}

int rsi_predicate_match_view(bool *matched, const rsi_predicate *predicate,
                             const rsi_json_view *document)
{
    *matched = false;
    if (document->kind != RSI_JSON_OBJECT)
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "query", "a document must be an object");
    return rsi_node_ask(matched, &predicate->root, document);
}

int rsi_predicate_match(bool *matched, const rsi_predicate *predicate, const char *text,
                        size_t size)
{
    rsi_json_view document;

    *matched = false;
    int status = rsi_json_view_of_text(&document, text, size);
    if (status != RAGSTORE_OK)
        return status;
    return rsi_predicate_match_view(matched, predicate, &document);
}

int rsi_predicate_match_value(bool *matched, const rsi_predicate *predicate,
                              const rsi_json *document)
{
    rsi_json_view view = rsi_json_view_of(document);
    return rsi_predicate_match_view(matched, predicate, &view);
}
