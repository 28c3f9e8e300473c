/*
 * The compiled form of a predicate.
 *
 *   {"$or": [{"age": {"$gt": 5, "$not": {"$in": [7, 9]}}}, {"tags": "a"}]}
 *
 *   node AND ─ node OR ─┬─ node FIELD age ─┬─ test GREATER 5
 *                       │                  └─ test GROUP, negated ─ test IN [7, 9]
 *                       └─ node FIELD tags ── test EQUAL "a"
 *
 * A node asks about a document, a test about the values that a path leads to. All tests of one
 * condition share the path, which is followed once. Operands are views of the query's tree, which
 * the predicate keeps.
 */
#ifndef RSI_QUERY_PREDICATE_INTERNAL_H
#define RSI_QUERY_PREDICATE_INTERNAL_H

#include "query/field_path.h"
#include "query/place.h"
#include "query/predicate.h"
#include "query/regex.h"

typedef enum rsi_test_kind {
    /* of each value that the path leads to: one must hold */
    RSI_TEST_EQUAL,
    RSI_TEST_GREATER,
    RSI_TEST_GREATER_OR_EQUAL,
    RSI_TEST_LESS,
    RSI_TEST_LESS_OR_EQUAL,
    RSI_TEST_IN,
    RSI_TEST_EXISTS,
    RSI_TEST_TYPE,
    RSI_TEST_MODULO,
    RSI_TEST_REGEX,
    /* of an array as a whole */
    RSI_TEST_SIZE,
    RSI_TEST_ELEMENT_DOCUMENT, /* $elemMatch with a query */
    RSI_TEST_ELEMENT_VALUE,    /* $elemMatch with operators */
    /* others */
    RSI_TEST_GROUP, /* all of its tests hold, each on its own */
    RSI_TEST_NEVER,
} rsi_test_kind;

struct rsi_node;

typedef struct rsi_test {
    rsi_test_kind kind;
    bool negated;
    rsi_json_view operand; /* EQUAL to LESS_OR_EQUAL */
    rsi_json_view *values; /* IN: ascending */
    size_t value_count;
    uint32_t types; /* TYPE: bits by BSON's numbers */
    int64_t number; /* SIZE; MODULO: the divisor */
    int64_t remainder;
    rsi_regex *regex;
    struct rsi_node *document; /* ELEMENT_DOCUMENT */
    struct rsi_test *tests;    /* ELEMENT_VALUE, GROUP */
    size_t test_count;
} rsi_test;

typedef enum rsi_node_kind {
    RSI_NODE_AND,
    RSI_NODE_OR,
    RSI_NODE_NOR,
    RSI_NODE_FIELD,
} rsi_node_kind;

typedef struct rsi_node {
    rsi_node_kind kind;
    struct rsi_node *children; /* AND, OR, NOR */
    size_t child_count;
    rsi_field_path path; /* FIELD */
    rsi_test *tests;     /* FIELD: all hold */
    size_t test_count;
} rsi_node;

struct rsi_predicate {
    rsi_json *query; /* what the operands view */
    rsi_node root;
};

/* ---- compiling ---- */

/* Does it begin with an operator? Mixed objects are refused when they are compiled. */
bool rsi_is_operators(const rsi_json *value);

/* An object of conditions. On failure the node is empty. */
int rsi_node_compile(rsi_node *node, const rsi_json *query, const rsi_place *place);
void rsi_node_release(rsi_node *node);

/* The tests of one condition: operators, or a value that must be equal. */
int rsi_tests_compile(rsi_test **tests, size_t *count, const rsi_json *condition,
                      const rsi_place *place);
void rsi_tests_release(rsi_test *tests, size_t count);

/* ---- asking ---- */

int rsi_node_ask(bool *holds, const rsi_node *node, const rsi_json_view *document);
/* Of one value alone: an array is not looked into. */
int rsi_tests_ask_one(bool *holds, const rsi_test *tests, size_t count, const rsi_json_view *value);
/* Of a value that a document has at a path: the elements of an array are asked too. */
int rsi_tests_ask_field(bool *holds, const rsi_test *tests, size_t count,
                        const rsi_json_view *value);

#endif
