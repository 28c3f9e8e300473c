/*
 * The query language: see query.h.
 *
 * A query is kept as the parsed JSON that it came as; compiling checks every operator and operand
 * once, so that matching cannot meet an unknown one.
 */
#include "storage/query.h"

#include "base/memory.h"
#include "base/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct rsi_query {
    rsi_json *json;
};

/* ---- checking ---- */

static int check_condition(const rsi_json *condition, const char *path);

static int bad(const char *name, const char *path, const char *what)
{
    return rsi_fail(RAGSTORE_E_QUERY, "storage", "%s at \"%s\": %s", name, path, what);
}

static int check_query(const rsi_json *query, const char *path)
{
    void *iterator = NULL;
    const char *key;
    rsi_json *value;
    int status = RAGSTORE_OK;
    if (!rsi_json_is_object(query))
        return bad("a query", path, "it is not an object");
    while (status == RAGSTORE_OK && rsi_json_each(query, &iterator, &key, &value)) {
        if (key[0] != '$') {
            status = check_condition(value, key);
            continue;
        }
        if (strcmp(key, "$and") != 0 && strcmp(key, "$or") != 0 && strcmp(key, "$nor") != 0)
            return bad(key, path, "this operator is not known here");
        if (!rsi_json_is_array(value) || rsi_json_count(value) == 0)
            return bad(key, path, "it needs an array of queries, not an empty one");
        for (size_t i = 0; status == RAGSTORE_OK && i < rsi_json_count(value); i++)
            status = check_query(rsi_json_at(value, i), key);
    }
    return status;
}

/* Is it an object of operators? Mixed ones are refused by check_condition. */
static bool has_operators(const rsi_json *condition)
{
    void *iterator = NULL;
    const char *key;
    rsi_json *value;
    return rsi_json_is_object(condition) && rsi_json_each(condition, &iterator, &key, &value) &&
           key[0] == '$';
}

static int check_operator(const char *name, const rsi_json *operand, const char *path)
{
    static const char *const comparing[] = {"$eq", "$ne", "$gt", "$gte", "$lt", "$lte"};
    for (size_t i = 0; i < sizeof comparing / sizeof *comparing; i++)
        if (strcmp(name, comparing[i]) == 0)
            return RAGSTORE_OK;
    if (strcmp(name, "$in") == 0 || strcmp(name, "$nin") == 0)
        return rsi_json_is_array(operand) ? RAGSTORE_OK : bad(name, path, "it needs an array");
    if (strcmp(name, "$exists") == 0)
        return rsi_json_is_bool(operand) || rsi_json_is_number(operand)
                   ? RAGSTORE_OK
                   : bad(name, path, "it needs true or false");
    if (strcmp(name, "$not") == 0)
        return has_operators(operand) ? check_condition(operand, path)
                                      : bad(name, path, "it needs an object of operators");
    return bad(name, path, "this operator is not known");
}

static int check_condition(const rsi_json *condition, const char *path)
{
    void *iterator = NULL;
    const char *key;
    rsi_json *value;
    int status = RAGSTORE_OK;
    if (!has_operators(condition))
        return RAGSTORE_OK;
    while (status == RAGSTORE_OK && rsi_json_each(condition, &iterator, &key, &value))
        status = key[0] == '$' ? check_operator(key, value, path)
                               : bad(key, path, "operators and members are mixed");
    return status;
}

int rsi_query_compile(rsi_query **out, const char *json, size_t size)
{
    *out = NULL;
    rsi_query *query = rsi_alloc_zeroed(sizeof *query);
    if (query == NULL)
        return RAGSTORE_E_NO_MEMORY;
    int status = rsi_json_parse(&query->json, json, size, RSI_JSON_DEPTH_REQUEST);
    if (status == RAGSTORE_OK)
        status = check_query(query->json, "");
    if (status != RAGSTORE_OK) {
        rsi_query_free(query);
        return status;
    }
    *out = query;
    return RAGSTORE_OK;
}

void rsi_query_free(rsi_query *query)
{
    if (query == NULL)
        return;
    rsi_json_free(query->json);
    rsi_free(query);
}

/* ---- comparing values ---- */

/* The order of an integer and a double, exactly. */
static int compare_mixed(int64_t integer, double real)
{
    if (real >= 9223372036854775808.0)
        return -1;
    if (real < -9223372036854775808.0)
        return 1;
    int64_t whole = (int64_t)real;
    if (integer != whole)
        return integer < whole ? -1 : 1;
    double rest = real - (double)whole;
    return rest > 0 ? -1 : rest < 0;
}

static int compare_numbers(const rsi_json *a, const rsi_json *b)
{
    bool a_is_integer = rsi_json_is_integer(a);
    bool b_is_integer = rsi_json_is_integer(b);
    if (a_is_integer && b_is_integer) {
        int64_t left = rsi_json_integer(a, 0);
        int64_t right = rsi_json_integer(b, 0);
        return left < right ? -1 : left > right;
    }
    if (a_is_integer)
        return compare_mixed(rsi_json_integer(a, 0), rsi_json_number(b, 0));
    if (b_is_integer)
        return -compare_mixed(rsi_json_integer(b, 0), rsi_json_number(a, 0));
    double left = rsi_json_number(a, 0);
    double right = rsi_json_number(b, 0);
    return left < right ? -1 : left > right;
}

static bool equal_values(const rsi_json *a, const rsi_json *b);

static bool equal_objects(const rsi_json *a, const rsi_json *b)
{
    void *at_a = NULL;
    void *at_b = NULL;
    const char *key_a;
    const char *key_b;
    rsi_json *value_a;
    rsi_json *value_b;
    if (rsi_json_count(a) != rsi_json_count(b))
        return false;
    while (rsi_json_each(a, &at_a, &key_a, &value_a) && rsi_json_each(b, &at_b, &key_b, &value_b))
        if (strcmp(key_a, key_b) != 0 || !equal_values(value_a, value_b))
            return false;
    return true;
}

static bool equal_values(const rsi_json *a, const rsi_json *b)
{
    if (rsi_json_is_number(a) && rsi_json_is_number(b))
        return compare_numbers(a, b) == 0;
    if (rsi_json_is_string(a) && rsi_json_is_string(b))
        return strcmp(rsi_json_text(a), rsi_json_text(b)) == 0;
    if (rsi_json_is_bool(a) && rsi_json_is_bool(b))
        return rsi_json_true(a) == rsi_json_true(b);
    if (rsi_json_is_object(a) && rsi_json_is_object(b))
        return equal_objects(a, b);
    if (rsi_json_is_array(a) && rsi_json_is_array(b)) {
        if (rsi_json_count(a) != rsi_json_count(b))
            return false;
        for (size_t i = 0; i < rsi_json_count(a); i++)
            if (!equal_values(rsi_json_at(a, i), rsi_json_at(b, i)))
                return false;
        return true;
    }
    return rsi_json_is_null(a) && rsi_json_is_null(b);
}

/* An operator on one value, without looking into arrays. */
static bool holds_for(const char *name, const rsi_json *value, const rsi_json *operand)
{
    if (strcmp(name, "$eq") == 0)
        return equal_values(value, operand);
    int order;
    if (rsi_json_is_number(value) && rsi_json_is_number(operand))
        order = compare_numbers(value, operand);
    else if (rsi_json_is_string(value) && rsi_json_is_string(operand))
        order = strcmp(rsi_json_text(value), rsi_json_text(operand));
    else /* values of different kinds have no order here */
        return (strcmp(name, "$gte") == 0 || strcmp(name, "$lte") == 0) &&
               equal_values(value, operand);
    if (strcmp(name, "$gt") == 0)
        return order > 0;
    if (strcmp(name, "$gte") == 0)
        return order >= 0;
    return strcmp(name, "$lt") == 0 ? order < 0 : order <= 0;
}

/* ---- finding values ---- */

typedef bool value_test(const char *name, const rsi_json *value, const rsi_json *operand);

typedef struct path_walk {
    value_test *test;
    const char *name;
    const rsi_json *operand;
    bool any_missing; /* some way along the path ended early */
    bool any_found;
} path_walk;

/* Try a value as a whole, and each element when it is an array. */
static bool try_value(path_walk *walk, const rsi_json *value)
{
    walk->any_found = true;
    if (walk->test == NULL)
        return false;
    if (walk->test(walk->name, value, walk->operand))
        return true;
    for (size_t i = 0; rsi_json_is_array(value) && i < rsi_json_count(value); i++)
        if (walk->test(walk->name, rsi_json_at(value, i), walk->operand))
            return true;
    return false;
}

/* The member whose name is the first `size` bytes of `name`. Allocates nothing: matching cannot say
 * that memory is short. */
static const rsi_json *member_named(const rsi_json *object, const char *name, size_t size)
{
    void *iterator = NULL;
    const char *key;
    rsi_json *value;
    if (name[size] == '\0')
        return rsi_json_get(object, name);
    while (rsi_json_each(object, &iterator, &key, &value))
        if (strncmp(key, name, size) == 0 && key[size] == '\0')
            return value;
    return NULL;
}

/* Follow a dot path; arrays on the way are entered element by element, or by position. */
static bool follow(path_walk *walk, const rsi_json *value, const char *path)
{
    const char *dot = strchr(path, '.');
    size_t size = dot == NULL ? strlen(path) : (size_t)(dot - path);
    bool matched = false;
    bool entered = false;
    if (rsi_json_is_object(value)) {
        const rsi_json *member = member_named(value, path, size);
        if (member != NULL) {
            entered = true;
            matched = dot == NULL ? try_value(walk, member) : follow(walk, member, dot + 1);
        }
    } else if (rsi_json_is_array(value)) {
        char *end;
        unsigned long position = strtoul(path, &end, 10);
        if (size > 0 && end == path + size && position < rsi_json_count(value)) {
            const rsi_json *element = rsi_json_at(value, position);
            entered = true;
            matched = dot == NULL ? try_value(walk, element) : follow(walk, element, dot + 1);
        }
        for (size_t i = 0; !matched && i < rsi_json_count(value); i++) {
            const rsi_json *element = rsi_json_at(value, i);
            if (!rsi_json_is_object(element))
                continue;
            entered = true;
            matched = follow(walk, element, path);
        }
    }
    if (!entered)
        walk->any_missing = true;
    return matched;
}

static bool holds_at(const char *name, const rsi_json *operand, const rsi_json *document,
                     const char *path)
{
    path_walk walk = {.test = holds_for, .name = name, .operand = operand};
    if (follow(&walk, document, path))
        return true;
    /* a missing member equals null */
    return walk.any_missing && rsi_json_is_null(operand) &&
           (strcmp(name, "$eq") == 0 || strcmp(name, "$gte") == 0 || strcmp(name, "$lte") == 0);
}

static bool exists_at(const rsi_json *document, const char *path)
{
    path_walk walk = {.test = NULL};
    follow(&walk, document, path);
    return walk.any_found;
}

static bool is_one_of(const rsi_json *list, const rsi_json *document, const char *path)
{
    for (size_t i = 0; i < rsi_json_count(list); i++)
        if (holds_at("$eq", rsi_json_at(list, i), document, path))
            return true;
    return false;
}

static bool matches_condition(const rsi_json *condition, const rsi_json *document,
                              const char *path);

static bool operator_holds(const char *name, const rsi_json *operand, const rsi_json *document,
                           const char *path)
{
    if (strcmp(name, "$ne") == 0)
        return !holds_at("$eq", operand, document, path);
    if (strcmp(name, "$in") == 0)
        return is_one_of(operand, document, path);
    if (strcmp(name, "$nin") == 0)
        return !is_one_of(operand, document, path);
    if (strcmp(name, "$exists") == 0) {
        bool wanted = rsi_json_is_bool(operand) ? rsi_json_true(operand)
                                                : rsi_json_number(operand, 0) != 0;
        return exists_at(document, path) == wanted;
    }
    if (strcmp(name, "$not") == 0)
        return !matches_condition(operand, document, path);
    return holds_at(name, operand, document, path);
}

static bool matches_condition(const rsi_json *condition, const rsi_json *document,
                              const char *path)
{
    void *iterator = NULL;
    const char *key;
    rsi_json *value;
    if (!has_operators(condition))
        return holds_at("$eq", condition, document, path);
    while (rsi_json_each(condition, &iterator, &key, &value))
        if (!operator_holds(key, value, document, path))
            return false;
    return true;
}

static bool matches_query(const rsi_json *query, const rsi_json *document)
{
    void *iterator = NULL;
    const char *key;
    rsi_json *value;
    while (rsi_json_each(query, &iterator, &key, &value)) {
        if (key[0] != '$') {
            if (!matches_condition(value, document, key))
                return false;
            continue;
        }
        bool wants_all = strcmp(key, "$and") == 0;
        bool any = false;
        bool all = true;
        for (size_t i = 0; i < rsi_json_count(value); i++) {
            bool one = matches_query(rsi_json_at(value, i), document);
            any = any || one;
            all = all && one;
        }
        if (wants_all ? !all : strcmp(key, "$or") == 0 ? !any : any)
            return false;
    }
    return true;
}

bool rsi_query_matches(const rsi_query *query, const rsi_json *document)
{
    return matches_query(query->json, document);
}
