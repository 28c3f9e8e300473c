/*
 * What an index can do for a predicate: see predicate.h.
 *
 * Only conditions that must hold are used: those of the top level and of $and below it. The best is
 * taken: equality before $in before a range.
 */
#include "base/memory.h"
#include "base/status.h"
#include "query/predicate_internal.h"
#include "query/value_order.h"

#include <stdlib.h>
#include <string.h>

typedef struct search {
    rsi_field_path path;
    const rsi_test *equal;
    const rsi_test *in; /* the one with the fewest values */
    const rsi_test *from;
    const rsi_test *to;
    bool never;
} search;

static void look_at_tests(search *found, const rsi_test *tests, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const rsi_test *test = &tests[i];
        if (test->negated)
            continue;
        switch (test->kind) {
        case RSI_TEST_EQUAL:
            found->equal = test;
            break;
        case RSI_TEST_IN:
            if (found->in == NULL || test->value_count < found->in->value_count)
                found->in = test;
            break;
        case RSI_TEST_GREATER:
        case RSI_TEST_GREATER_OR_EQUAL:
            found->from = test;
            break;
        case RSI_TEST_LESS:
        case RSI_TEST_LESS_OR_EQUAL:
            found->to = test;
            break;
        case RSI_TEST_GROUP:
            look_at_tests(found, test->tests, test->test_count);
            break;
        case RSI_TEST_NEVER:
            found->never = true;
            break;
        case RSI_TEST_EXISTS:
        case RSI_TEST_TYPE:
        case RSI_TEST_MODULO:
        case RSI_TEST_REGEX:
        case RSI_TEST_SIZE:
        case RSI_TEST_ELEMENT_DOCUMENT:
        case RSI_TEST_ELEMENT_VALUE:
            break;
        }
    }
}

static void look_at_node(search *found, const rsi_node *node)
{
    if (node->kind == RSI_NODE_FIELD) {
        if (rsi_field_path_equal(&node->path, &found->path))
            look_at_tests(found, node->tests, node->test_count);
        return;
    }
    if (node->kind == RSI_NODE_AND)
        for (size_t i = 0; i < node->child_count; i++)
            look_at_node(found, &node->children[i]);
}

static int give_keys(rsi_constraint *constraint, const rsi_json_view *values, size_t count)
{
    constraint->kind = RSI_CONSTRAINT_KEYS;
    constraint->keys = rsi_alloc_array(count, sizeof *constraint->keys);
    if (constraint->keys == NULL)
        return RAGSTORE_E_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && rsi_value_compare(&values[i], &values[i - 1]) == 0)
            continue;
        int status = rsi_value_append_key(&constraint->keys[constraint->key_count++], &values[i]);
        if (status != RAGSTORE_OK)
            return status;
    }
    return RAGSTORE_OK;
}

/* One end of the range is the operand's key, or that of all values of the kind. */
static int give_end(rsi_bytes *end, bool *included, const rsi_test *test, bool is_lower,
                    unsigned char tag)
{
    if (test == NULL) {
        *included = is_lower;
        rsi_bytes_append_char(end, (char)(is_lower ? tag : tag + 1));
        return rsi_bytes_status(end);
    }
    *included = test->kind == RSI_TEST_GREATER_OR_EQUAL || test->kind == RSI_TEST_LESS_OR_EQUAL;
    return rsi_value_append_key(end, &test->operand);
}

static int give_range(rsi_constraint *constraint, const rsi_test *from, const rsi_test *to)
{
    unsigned char tag = rsi_value_tag(from != NULL ? from->operand.kind : to->operand.kind);

    constraint->kind = RSI_CONSTRAINT_RANGE;
    int status = give_end(&constraint->lower, &constraint->lower_included, from, true, tag);
    if (status == RAGSTORE_OK)
        status = give_end(&constraint->upper, &constraint->upper_included, to, false, tag);
    return status;
}

static int give_best(rsi_constraint *constraint, search *found, bool several_values)
{
    if (found->never)
        return give_keys(constraint, NULL, 0);
    if (found->equal != NULL)
        return give_keys(constraint, &found->equal->operand, 1);
    if (found->in != NULL)
        return give_keys(constraint, found->in->values, found->in->value_count);
    if (found->from == NULL && found->to == NULL)
        return RAGSTORE_OK;
    if (found->from != NULL && found->to != NULL &&
        (several_values || !rsi_value_same_kind(&found->from->operand, &found->to->operand)))
        found->to = NULL;
    return give_range(constraint, found->from, found->to);
}

int rsi_predicate_constraint(rsi_constraint *constraint, const rsi_predicate *predicate,
                             const char *path, size_t size, bool several_values)
{
    search found = {0};

    *constraint = (rsi_constraint){.kind = RSI_CONSTRAINT_NONE};
    int status = rsi_field_path_make(&found.path, path, size);
    if (status != RAGSTORE_OK)
        return status;
    look_at_node(&found, &predicate->root);
    status = give_best(constraint, &found, several_values);
    rsi_field_path_free(&found.path);
    if (status != RAGSTORE_OK)
        rsi_constraint_free(constraint);
    return status;
}

void rsi_constraint_free(rsi_constraint *constraint)
{
    for (size_t i = 0; i < constraint->key_count; i++)
        rsi_bytes_free(&constraint->keys[i]);
    rsi_free(constraint->keys);
    rsi_bytes_free(&constraint->lower);
    rsi_bytes_free(&constraint->upper);
    *constraint = (rsi_constraint){.kind = RSI_CONSTRAINT_NONE};
}

/* ---- the keys of a document ---- */

typedef struct keys {
    rsi_bytes key;
    rsi_field_key_add *add;
    void *user;
    int status;
} keys;

static bool add_key(void *user, const rsi_json_view *value)
{
    keys *given = user;

    rsi_bytes_clear(&given->key);
    given->status = rsi_value_append_key(&given->key, value);
    if (given->status == RAGSTORE_OK)
        given->status = given->add(given->user, given->key.data, given->key.size);
    return given->status >= 0;
}

int rsi_field_keys(const char *path, size_t path_size, const rsi_json_view *document,
                   rsi_field_key_add *add, void *user)
{
    keys given = {.add = add, .user = user};
    rsi_field_path made;

    int status = rsi_field_path_make(&made, path, path_size);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_field_path_each(&made, document, RSI_FIELD_ELEMENTS, add_key, &given);
    rsi_field_path_free(&made);
    rsi_bytes_free(&given.key);
    if (status < 0)
        return status;
    return given.status < 0 ? given.status : RAGSTORE_OK;
}

/* ---- equalities ---- */

static int tell_equal_tests(const rsi_node *node, const rsi_test *tests, size_t count,
                            rsi_equality_add *add, void *user)
{
    int status = RAGSTORE_OK;

    for (size_t i = 0; status >= 0 && i < count; i++) {
        if (tests[i].negated)
            continue;
        if (tests[i].kind == RSI_TEST_EQUAL)
            status = add(user, rsi_slice_of(node->path.text), &tests[i].operand);
        else if (tests[i].kind == RSI_TEST_GROUP && tests[i].test_count == 1)
            status = tell_equal_tests(node, tests[i].tests, 1, add, user);
    }
    return status;
}

static int tell_equal_nodes(const rsi_node *node, rsi_equality_add *add, void *user)
{
    int status = RAGSTORE_OK;

    if (node->kind == RSI_NODE_FIELD)
        return tell_equal_tests(node, node->tests, node->test_count, add, user);
    if (node->kind == RSI_NODE_AND || (node->kind == RSI_NODE_OR && node->child_count == 1))
        for (size_t i = 0; status >= 0 && i < node->child_count; i++)
            status = tell_equal_nodes(&node->children[i], add, user);
    return status;
}

int rsi_predicate_equalities(const rsi_predicate *predicate, rsi_equality_add *add, void *user)
{
    return tell_equal_nodes(&predicate->root, add, user);
}
