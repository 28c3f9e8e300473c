/*
 * The operators of a condition, and what each demands of its operand: see predicate_internal.h.
 *
 * A table maps names to compilers; an unknown name is an error. Operators that deny another one
 * ($ne, $nin) are compiled as that one, negated.
 */
#include "base/memory.h"
#include "base/status.h"
#include "query/predicate_internal.h"
#include "query/value_order.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef int operator_compiler(rsi_test *test, const rsi_json *operand, const rsi_place *place);

static void release_test(rsi_test *test)
{
    rsi_free(test->values);
    rsi_regex_free(test->regex);
    if (test->document != NULL)
        rsi_node_release(test->document);
    rsi_free(test->document);
    rsi_tests_release(test->tests, test->test_count);
}

void rsi_tests_release(rsi_test *tests, size_t count)
{
    for (size_t i = 0; i < count; i++)
        release_test(&tests[i]);
    rsi_free(tests);
}

/* A whole number, written as an integer or as a real without a fraction. */
static bool whole_number(int64_t *number, const rsi_json *value, bool may_be_cut)
{
    double real = rsi_json_number(value, NAN);

    if (rsi_json_is_integer(value)) {
        *number = rsi_json_integer(value, 0);
        return true;
    }
    if (!(real >= -9223372036854775808.0 && real < 9223372036854775808.0))
        return false;
    *number = (int64_t)real;
    return may_be_cut || (double)*number == real;
}

static int compile_comparison(rsi_test *test, const rsi_json *operand, const rsi_place *place)
{
    (void)place;
    test->operand = rsi_json_view_of(operand);
    return RAGSTORE_OK;
}

static int compare_values(const void *a, const void *b)
{
    return rsi_value_compare(a, b);
}

static int compile_in(rsi_test *test, const rsi_json *operand, const rsi_place *place)
{
    size_t count = rsi_json_count(operand);

    if (!rsi_json_is_array(operand))
        return rsi_place_refuse(place, "it needs an array");
    test->values = rsi_alloc_array(count, sizeof *test->values);
    if (test->values == NULL)
        return RAGSTORE_E_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        if (rsi_is_operators(rsi_json_at(operand, i))) {
            rsi_place inner = rsi_place_element(place, i);
            return rsi_place_refuse(&inner, "values stand here, not operators");
        }
        test->values[i] = rsi_json_view_of(rsi_json_at(operand, i));
    }
    test->value_count = count;
    qsort(test->values, count, sizeof *test->values, compare_values);
    return RAGSTORE_OK;
}

static int compile_exists(rsi_test *test, const rsi_json *operand, const rsi_place *place)
{
    if (!rsi_json_is_bool(operand) && !rsi_json_is_number(operand))
        return rsi_place_refuse(place, "it needs true or false");
    test->negated = !rsi_json_true(operand) && rsi_json_number(operand, 0) == 0;
    return RAGSTORE_OK;
}

/* BSON's kinds by name; those that JSON cannot hold are known, and no value has them. */
static const struct {
    const char *name;
    int64_t number;
} types[] = {
    {"double", 1},         {"string", 2},     {"object", 3},   {"array", 4},
    {"binData", 5},        {"undefined", 6},  {"objectId", 7}, {"bool", 8},
    {"date", 9},           {"null", 10},      {"regex", 11},   {"dbPointer", 12},
    {"javascript", 13},    {"symbol", 14},    {"int", 16},     {"javascriptWithScope", 15},
    {"timestamp", 17},     {"long", 18},      {"decimal", 19}, {"minKey", -1},
    {"maxKey", 127},
};

#define NUMBER_TYPES (UINT32_C(1) << 1 | UINT32_C(1) << 16 | UINT32_C(1) << 18)

static bool add_type(uint32_t *bits, const rsi_json *type)
{
    const char *name = rsi_json_text(type);
    int64_t number = 0;

    if (name != NULL && strcmp(name, "number") == 0) {
        *bits |= NUMBER_TYPES;
        return true;
    }
    if (name == NULL && !whole_number(&number, type, false))
        return false;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (name != NULL ? strcmp(name, types[i].name) != 0 : number != types[i].number)
            continue;
        if (types[i].number > 0 && types[i].number < 32)
            *bits |= UINT32_C(1) << types[i].number;
        return true;
    }
    return false;
}

static int compile_type(rsi_test *test, const rsi_json *operand, const rsi_place *place)
{
    static const char wanted[] = "it needs the name or the number of a BSON type";

    if (!rsi_json_is_array(operand))
        return add_type(&test->types, operand) ? RAGSTORE_OK : rsi_place_refuse(place, wanted);
    if (rsi_json_count(operand) == 0)
        return rsi_place_refuse(place, "it needs at least one type");
    for (size_t i = 0; i < rsi_json_count(operand); i++) {
        rsi_place inner = rsi_place_element(place, i);
        if (!add_type(&test->types, rsi_json_at(operand, i)))
            return rsi_place_refuse(&inner, wanted);
    }
    return RAGSTORE_OK;
}

static int compile_size(rsi_test *test, const rsi_json *operand, const rsi_place *place)
{
    if (!whole_number(&test->number, operand, false) || test->number < 0)
        return rsi_place_refuse(place, "it needs a whole number from 0 on");
    return RAGSTORE_OK;
}

static int compile_modulo(rsi_test *test, const rsi_json *operand, const rsi_place *place)
{
    if (!rsi_json_is_array(operand) || rsi_json_count(operand) != 2 ||
        !whole_number(&test->number, rsi_json_at(operand, 0), true) ||
        !whole_number(&test->remainder, rsi_json_at(operand, 1), true))
        return rsi_place_refuse(place, "it needs an array of two numbers, divisor and remainder");
    if (test->number == 0)
        return rsi_place_refuse(place, "the divisor must not be 0");
    return RAGSTORE_OK;
}

/* One element of $all: a value, or {"$elemMatch": …}. */
static int compile_all_element(rsi_test *test, const rsi_json *operand, const rsi_place *place)
{
    rsi_test *tests = NULL;
    size_t count = 0;

    if (!rsi_is_operators(operand))
        return compile_comparison(test, operand, place);
    if (rsi_json_count(operand) != 1 || rsi_json_get(operand, "$elemMatch") == NULL)
        return rsi_place_refuse(place, "only values and $elemMatch stand here");
    int status = rsi_tests_compile(&tests, &count, operand, place);
    if (status != RAGSTORE_OK)
        return status;
    *test = tests[0]; /* one operator makes one test */
    rsi_free(tests);
    return RAGSTORE_OK;
}

static int compile_all(rsi_test *test, const rsi_json *operand, const rsi_place *place)
{
    size_t count = rsi_json_count(operand);
    int status = RAGSTORE_OK;

    if (!rsi_json_is_array(operand))
        return rsi_place_refuse(place, "it needs an array");
    if (count == 0) {
        test->kind = RSI_TEST_NEVER;
        return RAGSTORE_OK;
    }
    test->tests = rsi_alloc_array(count, sizeof *test->tests);
    if (test->tests == NULL)
        return RAGSTORE_E_NO_MEMORY;
    test->test_count = count;
    for (size_t i = 0; status == RAGSTORE_OK && i < count; i++) {
        rsi_place inner = rsi_place_element(place, i);
        status = compile_all_element(&test->tests[i], rsi_json_at(operand, i), &inner);
    }
    return status;
}

static bool is_logic(const rsi_json *operand)
{
    return rsi_json_get(operand, "$and") != NULL || rsi_json_get(operand, "$or") != NULL ||
           rsi_json_get(operand, "$nor") != NULL;
}

static int compile_element(rsi_test *test, const rsi_json *operand, const rsi_place *place)
{
    if (!rsi_json_is_object(operand))
        return rsi_place_refuse(place, "it needs an object");
    if (rsi_is_operators(operand) && !is_logic(operand)) {
        test->kind = RSI_TEST_ELEMENT_VALUE;
        return rsi_tests_compile(&test->tests, &test->test_count, operand, place);
    }
    test->document = rsi_alloc_zeroed(sizeof *test->document);
    if (test->document == NULL)
        return RAGSTORE_E_NO_MEMORY;
    return rsi_node_compile(test->document, operand, place);
}

static int compile_not(rsi_test *test, const rsi_json *operand, const rsi_place *place)
{
    if (!rsi_is_operators(operand))
        return rsi_place_refuse(place, "it needs an object of operators");
    return rsi_tests_compile(&test->tests, &test->test_count, operand, place);
}

/* $options stands beside $regex, so the whole condition is handed over. */
static int compile_regex(rsi_test *test, const rsi_json *condition, const rsi_place *place)
{
    const rsi_json *pattern = rsi_json_get(condition, "$regex");
    const rsi_json *options = rsi_json_get(condition, "$options");

    if (!rsi_json_is_string(pattern))
        return rsi_place_refuse(place, "it needs a text");
    if (options != NULL && !rsi_json_is_string(options))
        return rsi_place_refuse(place, "$options needs a text");
    int status =
        rsi_regex_compile(&test->regex, rsi_json_text(pattern), rsi_json_text_size(pattern),
                          options != NULL ? rsi_json_text(options) : "");
    return rsi_place_wrap(place, status);
}

static const struct {
    const char *name;
    rsi_test_kind kind;
    bool negated;
    operator_compiler *compile;
} operators[] = {
    {"$eq", RSI_TEST_EQUAL, false, compile_comparison},
    {"$ne", RSI_TEST_EQUAL, true, compile_comparison},
    {"$gt", RSI_TEST_GREATER, false, compile_comparison},
    {"$gte", RSI_TEST_GREATER_OR_EQUAL, false, compile_comparison},
    {"$lt", RSI_TEST_LESS, false, compile_comparison},
    {"$lte", RSI_TEST_LESS_OR_EQUAL, false, compile_comparison},
    {"$in", RSI_TEST_IN, false, compile_in},
    {"$nin", RSI_TEST_IN, true, compile_in},
    {"$exists", RSI_TEST_EXISTS, false, compile_exists},
    {"$type", RSI_TEST_TYPE, false, compile_type},
    {"$size", RSI_TEST_SIZE, false, compile_size},
    {"$mod", RSI_TEST_MODULO, false, compile_modulo},
    {"$all", RSI_TEST_GROUP, false, compile_all},
    {"$elemMatch", RSI_TEST_ELEMENT_DOCUMENT, false, compile_element},
    {"$not", RSI_TEST_GROUP, true, compile_not},
    {"$regex", RSI_TEST_REGEX, false, compile_regex},
};

static int compile_operator(rsi_test *test, const char *name, const rsi_json *operand,
                            const rsi_json *condition, const rsi_place *place)
{
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        if (strcmp(name, operators[i].name) != 0)
            continue;
        test->kind = operators[i].kind;
        test->negated = operators[i].negated;
        return operators[i].compile(test, operators[i].kind == RSI_TEST_REGEX ? condition : operand,
                                    place);
    }
    if (name[0] != '$')
        return rsi_place_refuse(place, "operators and members are mixed; use $eq for the object");
    return rsi_place_refuse(place, "no operator of this name is known here");
}

static int compile_operators(rsi_test **tests, size_t *count, const rsi_json *condition,
                             const rsi_place *place)
{
    void *iterator = NULL;
    const char *key;
    rsi_json *operand;
    int status = RAGSTORE_OK;

    while (status == RAGSTORE_OK && rsi_json_each(condition, &iterator, &key, &operand)) {
        rsi_place inner = rsi_place_member(place, key);
        if (strcmp(key, "$options") == 0) {
            if (rsi_json_get(condition, "$regex") == NULL)
                status = rsi_place_refuse(&inner, "it belongs to a $regex");
            continue;
        }
        status = compile_operator(&(*tests)[*count], key, operand, condition, &inner);
        ++*count;
    }
    return status;
}

/* An object of members that contains an operator further on is most likely a mistake. */
static int check_literal(const rsi_json *condition, const rsi_place *place)
{
    void *iterator = NULL;
    const char *key;
    rsi_json *member;

    while (rsi_json_is_object(condition) && rsi_json_each(condition, &iterator, &key, &member)) {
        if (key[0] == '$') {
            rsi_place inner = rsi_place_member(place, key);
            return rsi_place_refuse(&inner,
                                    "operators and members are mixed; use $eq for the object");
        }
    }
    return RAGSTORE_OK;
}

int rsi_tests_compile(rsi_test **tests, size_t *count, const rsi_json *condition,
                      const rsi_place *place)
{
    bool has_operators = rsi_is_operators(condition);

    *tests = NULL;
    *count = 0;
    int status = rsi_place_check_depth(place);
    if (status == RAGSTORE_OK && !has_operators)
        status = check_literal(condition, place);
    if (status != RAGSTORE_OK)
        return status;
    *tests = rsi_alloc_array(has_operators ? rsi_json_count(condition) : 1, sizeof **tests);
    if (*tests == NULL)
        return RAGSTORE_E_NO_MEMORY;
    if (has_operators) {
        status = compile_operators(tests, count, condition, place);
    } else {
        *count = 1;
        status = compile_comparison(&(*tests)[0], condition, place);
    }
    if (status != RAGSTORE_OK) {
        rsi_tests_release(*tests, *count);
        *tests = NULL;
        *count = 0;
    }
    return status;
}
